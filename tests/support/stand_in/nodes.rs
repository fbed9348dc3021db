//! Several servers together: they find each other in the database, as Mattermost's do, and ask each
//! other on the gossip port over TCP and UDP. And the port of the metrics.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::Config;
use crate::http::{self, After, Handler};
use crate::postgres::{Session, literal};
use crate::{Failure, log};

/// Who takes part.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS haversack_stand_in_nodes \
    (name text PRIMARY KEY, address text NOT NULL, port int NOT NULL)";
/// How long a neighbour may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The name of this host.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Takes part when the configuration asks for it: answers gossip, and writes its own address, the one
/// that it talks to the database from, into the database.
///
/// # Errors
/// When a port cannot be had or the database refuses.
pub(crate) fn join(config: &Config, session: &mut Session) -> Result<(), Failure> {
    if config.switch("MetricsSettings", "Enable") {
        metrics(&config.text("MetricsSettings", "ListenAddress"))?;
    }
    session.query(TABLE)?;
    if !config.switch("ClusterSettings", "Enable") {
        return Ok(());
    }
    let port = config
        .number("ClusterSettings", "GossipPort")
        .and_then(|port| u16::try_from(port).ok())
        .ok_or("ClusterSettings.GossipPort is no port")?;
    let tcp = TcpListener::bind(("0.0.0.0", port))?;
    let udp = UdpSocket::bind(("0.0.0.0", port))?;
    thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            thread::spawn(move || stream.write_all(host_name().as_bytes()));
        }
    });
    thread::spawn(move || {
        let mut asked = [0_u8; 64];
        while let Ok((_, who)) = udp.recv_from(&mut asked) {
            drop(udp.send_to(host_name().as_bytes(), who));
        }
    });
    session.query(&format!(
        "INSERT INTO haversack_stand_in_nodes VALUES ({}, host(inet_client_addr()), {port}) \
         ON CONFLICT (name) DO UPDATE SET address = excluded.address, port = excluded.port",
        literal(&host_name())
    ))?;
    log::info(&format!(
        "stand-in: gossip on port {port}, over TCP and UDP"
    ));
    Ok(())
}

/// Every other server that takes part, and what it answered on both protocols of the gossip port.
///
/// # Errors
/// When the database does not answer.
pub(crate) fn status(session: &mut Session) -> Result<Value, Failure> {
    let rows = session.query(
        "SELECT name || ' ' || address || ':' || port FROM haversack_stand_in_nodes ORDER BY name",
    )?;
    let own = host_name();
    let nodes = rows.iter().filter_map(|row| row.split_once(' '));
    let nodes = nodes.filter(|(name, _)| *name != own);
    let nodes: Vec<Value> = nodes
        .map(|(name, address)| {
            let answer = |answer: std::io::Result<String>| match answer {
                Ok(text) => text,
                Err(error) => format!("error: {error}"),
            };
            json!({
                "hostname": name,
                "address": address,
                "tcp": answer(ask_tcp(address)),
                "udp": answer(ask_udp(address)),
            })
        })
        .collect();
    Ok(Value::Array(nodes))
}

fn ask_tcp(address: &str) -> std::io::Result<String> {
    let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn ask_udp(address: &str) -> std::io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(address)?;
    socket.send(b"?")?;
    let mut text = [0_u8; 256];
    let length = socket.recv(&mut text)?;
    Ok(String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned())
}

/// `/metrics`, as a monitoring host reads it.
fn metrics(address: &str) -> Result<(), Failure> {
    let listener = http::listen(address)?;
    let handler: Arc<Handler> = Arc::new(|_, connection| {
        let text = "# HELP stand_in 1: this is a stand-in for Mattermost\n# TYPE stand_in gauge\nstand_in 1\n";
        connection.answer(
            "200 OK",
            &[("Content-Type", "text/plain; version=0.0.4")],
            text.as_bytes(),
        )?;
        Ok(After::KeepOpen)
    });
    thread::spawn(move || http::serve(&listener, &handler));
    Ok(())
}
