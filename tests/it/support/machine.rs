//! A minimal Debian machine without a network: real systemd as its first process, a wire that leads
//! nowhere, and a record of everything it tried to reach.
//!
//! It is made by `mmdebstrap` from the apt sources of the machine that runs the tests (read at run
//! time), kept below the target folder, and booted by `systemd-nspawn --private-network`. Its one
//! interface is the end of a cable whose other end, a network namespace of its own, plays users,
//! administrators and strangers; nothing is routed on.

mod base;
mod guest;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use base::{base, need};
pub(crate) use guest::{Disk, Guest};

/// What a freshly installed Debian server has beyond the essential packages, and no more.
pub(crate) const PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,procps,netbase";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A short name that no other machine or wire of this machine has.
pub(crate) fn new_id() -> String {
    format!(
        "{:x}{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The neighbours on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neighbour {
    /// In the network of users.
    User,
    /// In the network of administrators.
    Admin,
    /// A server in the same network that is no part of the deployment.
    Server,
    /// From somewhere else.
    Stranger,
}

impl Neighbour {
    const ALL: [Self; 4] = [Self::User, Self::Admin, Self::Server, Self::Stranger];

    /// Its address; the networks are those of `manifests/quickstart-deployment.toml`.
    pub(crate) const fn address(self) -> &'static str {
        match self {
            Self::User => "10.30.0.7",
            Self::Admin => "10.20.9.3",
            Self::Server => "10.20.0.99",
            Self::Stranger => "10.99.0.9",
        }
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status; -1 when a signal ended it.
    pub(crate) status: i32,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs a program to its end, without input.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output, trimmed, of a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        assert!(
            self.status == 0,
            "exit {}\n{}\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self.stdout.trim()
    }

    /// Standard error of a command that must fail.
    #[track_caller]
    pub(crate) fn refused(&self) -> &str {
        assert!(
            self.status != 0,
            "it succeeded\n{}\n{}",
            self.stdout,
            self.stderr
        );
        self.stderr.trim()
    }
}

/// A machine; it is powered off and removed when dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    guest: Guest,
    address: String,
    wire: String,
}

impl Machine {
    /// A machine of this host name and IPv4 address, as a fresh installation would leave it; not yet
    /// booted.
    pub(crate) fn new(host_name: &str, address: &str) -> Self {
        let id = new_id();
        let machine = Self {
            guest: Guest::new(&id, host_name, address, &base(PACKAGES), Disk::Copied),
            address: address.to_owned(),
            wire: format!("hvs-{id}"),
        };
        ip(&["netns", "add", &machine.wire]);
        ip(&["-n", &machine.wire, "link", "set", "lo", "up"]);
        machine
    }

    /// The folder that is the machine's `/`.
    pub(crate) fn root(&self) -> &Path {
        self.guest.root()
    }

    /// Boots, and waits until everything that starts at boot has started.
    pub(crate) fn boot(&mut self) {
        let wire = self.wire.clone();
        self.guest
            .boot(|link, leader| lay_wire(&wire, link, leader));
    }

    /// Runs a shell script in the machine as a transient service, with the capabilities that a
    /// service of that machine has.
    pub(crate) fn run(&self, script: &str) -> Ran {
        self.guest.run(script)
    }

    /// Runs a program of the machine that runs the tests as one of the neighbours on the wire.
    pub(crate) fn from(&self, _neighbour: Neighbour, program: &str, args: &[&str]) -> Ran {
        Ran::of(
            Command::new("ip")
                .args(["netns", "exec", &self.wire, program])
                .args(args),
        )
    }

    /// `curl` as a neighbour, with its source address.
    pub(crate) fn curl(&self, neighbour: Neighbour, args: &[&str]) -> Ran {
        let mut all = vec![
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--noproxy",
            "*",
            "--interface",
            neighbour.address(),
        ];
        all.extend_from_slice(args);
        self.from(neighbour, "curl", &all)
    }

    /// Whether a TCP connection from a neighbour is answered.
    pub(crate) fn reaches(&self, neighbour: Neighbour, port: u16) -> bool {
        let url = format!("telnet://{}:{port}", self.address);
        let times = ["--write-out", "%{time_connect}", "--output", "/dev/null"];
        let limits = ["--connect-timeout", "1", "--max-time", "2"];
        let ran = self.curl(neighbour, &[&limits[..], &times[..], &[&url]].concat());
        let time: f64 = ran.stdout.trim().parse().expect("curl writes a time");
        time > 0.0
    }

    /// Every destination outside the machine that it sent a first packet to since it was booted:
    /// address, protocol, port.
    pub(crate) fn tried_outside(&self) -> Vec<String> {
        self.guest.tried_outside()
    }

    /// Reboots; what is on disk stays, as with any machine.
    pub(crate) fn reboot(&mut self) {
        self.guest.stop("reboot", 133);
        self.boot();
    }

    /// Powers off.
    pub(crate) fn power_off(&mut self) {
        self.guest.stop("poweroff", 0);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(
            Command::new("ip")
                .args(["netns", "delete", &self.wire])
                .output(),
        );
    }
}

/// A new cable between a machine and its neighbours.
fn lay_wire(wire: &str, near: &str, leader: u32) {
    let far = format!("{near}w");
    // The kernel takes the old cable away some time after the machine has gone.
    drop(
        Command::new("ip")
            .args(["-n", wire, "link", "delete", &far])
            .output(),
    );
    ip(&[
        "link", "add", near, "type", "veth", "peer", "name", &far, "netns", wire,
    ]);
    ip(&["-n", wire, "address", "add", "10.20.0.1/24", "dev", &far]);
    for neighbour in Neighbour::ALL {
        let address = format!("{}/32", neighbour.address());
        ip(&["-n", wire, "address", "add", &address, "dev", &far]);
    }
    ip(&["-n", wire, "link", "set", &far, "up"]);
    ip(&["link", "set", near, "netns", &leader.to_string()]);
}

/// Runs `ip`, which must succeed.
pub(crate) fn ip(args: &[&str]) {
    Ran::of(Command::new("ip").args(args)).ok();
}
