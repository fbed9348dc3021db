//! Knocks at ports from inside a network namespace, at all of them at once.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How long silence must last. Longer than the second after which a lost packet is sent again.
const SILENCE: Duration = Duration::from_millis(2500);
/// A knock needs little.
const STACK: usize = 64 * 1024;

/// A port of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Port {
    /// Of the machine.
    pub(crate) address: IpAddr,
    /// TCP or UDP.
    pub(crate) protocol: Protocol,
    /// 1 to 65535.
    pub(crate) number: u16,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Something listens there and may be spoken to.
    Open,
    /// The machine says that nothing listens: the packet was not filtered.
    Closed,
    /// Nothing at all: filtered.
    Silence,
    /// Anything else.
    Other(String),
}

/// Knocks at every port from inside `network`; answers in the order of `ports`.
pub(crate) fn knock(network: &Path, ports: &[Port]) -> Vec<Answer> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            let space = File::open(network).expect("a network namespace");
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter it");
            // New threads are born in the namespace of the one that starts them.
            thread::scope(|scope| {
                let knocks: Vec<_> = ports
                    .iter()
                    .map(|port| {
                        let thread = thread::Builder::new().stack_size(STACK);
                        let knock = || match port.protocol {
                            Protocol::Tcp => tcp(SocketAddr::new(port.address, port.number)),
                            Protocol::Udp => udp(SocketAddr::new(port.address, port.number)),
                        };
                        thread.spawn_scoped(scope, knock).expect("a thread")
                    })
                    .collect();
                let answers = knocks.into_iter().map(thread::ScopedJoinHandle::join);
                answers.map(|answer| answer.expect("a knock")).collect()
            })
        });
        inside.join().expect("the knocks")
    })
}

fn tcp(port: SocketAddr) -> Answer {
    match TcpStream::connect_timeout(&port, SILENCE) {
        Ok(_) => Answer::Open,
        Err(error) => failed(&error),
    }
}

fn udp(port: SocketAddr) -> Answer {
    let asked = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.set_read_timeout(Some(SILENCE))?;
        socket.connect(port)?;
        socket.send(b"knock")?;
        socket.recv(&mut [0_u8; 64])
    });
    match asked {
        Ok(_) => Answer::Open,
        Err(error) => failed(&error),
    }
}

fn failed(error: &std::io::Error) -> Answer {
    match error.kind() {
        ErrorKind::ConnectionRefused => Answer::Closed,
        // `PermissionDenied`: the packet did not leave this side.
        ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::PermissionDenied => {
            Answer::Silence
        }
        _ => Answer::Other(error.to_string()),
    }
}
