//! The port matrix: what the plan says may be reached, and what can be.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;

use serde_json::Value;

use super::site::{HOSTS, NEIGHBOURS};
use crate::support::cluster::Cluster;
use crate::support::machine::Tried;
use crate::support::probe::{Answer, Port, Protocol, knock};

/// Ports that nothing of the stack uses, and those of common services.
const MORE: [(Protocol, u16); 14] = [
    (Protocol::Tcp, 21),
    (Protocol::Tcp, 25),
    (Protocol::Tcp, 111),
    (Protocol::Tcp, 2049),
    (Protocol::Tcp, 8443),
    (Protocol::Tcp, 9001),
    (Protocol::Tcp, 9090),
    (Protocol::Tcp, 50000),
    (Protocol::Udp, 53),
    (Protocol::Udp, 111),
    (Protocol::Udp, 123),
    (Protocol::Udp, 8065),
    (Protocol::Udp, 8067),
    (Protocol::Udp, 9000),
];

/// From whom, to whom.
type Way = (&'static str, &'static str, Protocol, u16);

/// Everybody on the wire, with their addresses.
fn everybody() -> impl Iterator<Item = (&'static str, &'static str)> {
    let hosts = HOSTS.iter().map(|(name, address, _)| (*name, *address));
    hosts.chain(NEIGHBOURS)
}

/// The protocol of the shared address, which has no ports.
const VRRP: &str = "vrrp";

/// The ways that the plan opens: who on the wire may reach which port of which host.
pub(crate) fn planned(plan: &Value) -> BTreeSet<Way> {
    let mut ways = BTreeSet::new();
    for flow in list(plan, "/plan/flows") {
        let Some((protocol, port)) = service(flow) else {
            continue;
        };
        for (from, _) in everybody().filter(|(name, address)| is(flow, "/from", name, address)) {
            for (to, address, _) in HOSTS {
                if from != to && is(flow, "/to", to, address) {
                    ways.insert((from, to, protocol, port));
                }
            }
        }
    }
    ways
}

/// What a host may try to reach, anywhere.
pub(crate) fn may_try(plan: &Value, host: &str, tried: &Tried) -> bool {
    let address = HOSTS.iter().find(|(name, ..)| *name == host);
    let own = address.map_or("", |(_, address, _)| address);
    list(plan, "/plan/flows").any(|flow| {
        let (name, port) = match service(flow) {
            Some((Protocol::Tcp, port)) => ("tcp", Some(port)),
            Some((Protocol::Udp, port)) => ("udp", Some(port)),
            None => (VRRP, None),
        };
        let to = everybody().find(|(_, address)| *address == tried.address);
        is(flow, "/from", host, own)
            && is(flow, "/to", to.map_or("", |(name, _)| name), &tried.address)
            && name == tried.protocol
            && port.is_none_or(|port| port.to_string() == tried.port)
    })
}

/// The ways that are open, as everybody finds them by knocking at every port of interest.
pub(crate) fn found(cluster: &Cluster, planned: &BTreeSet<Way>) -> BTreeSet<Way> {
    let mut numbers: BTreeSet<(Protocol, u16)> = MORE.into();
    for (_, _, protocol, number) in planned {
        numbers.insert((*protocol, *number));
    }
    let knocks: Vec<(&str, Port)> = HOSTS
        .iter()
        .flat_map(|(to, address, _)| {
            let address: IpAddr = address.parse().expect("an address");
            let ports = numbers.iter().map(move |(protocol, number)| Port {
                address,
                protocol: *protocol,
                number: *number,
            });
            ports.map(|port| (*to, port))
        })
        .collect();
    let all: Vec<(Way, Answer)> = thread::scope(|scope| {
        let knocks = &knocks;
        let askers: Vec<_> = everybody()
            .map(|(from, _)| {
                scope.spawn(move || {
                    let others: Vec<_> = knocks.iter().filter(|(to, _)| *to != from).collect();
                    let ports: Vec<Port> = others.iter().map(|(_, port)| *port).collect();
                    let answers = knock(&cluster.network_of(from), &ports);
                    let ways = others
                        .iter()
                        .map(|(to, port)| (from, *to, port.protocol, port.number));
                    ways.zip(answers).collect::<Vec<_>>()
                })
            })
            .collect();
        let answers = askers.into_iter().map(thread::ScopedJoinHandle::join);
        answers
            .flat_map(|answers| answers.expect("an asker"))
            .collect()
    });
    let odd: Vec<_> = all
        .iter()
        .filter(|(_, answer)| !matches!(answer, Answer::Open | Answer::Silence))
        .collect();
    assert!(odd.is_empty(), "neither served nor filtered: {odd:?}");
    let open = all
        .into_iter()
        .filter(|(_, answer)| *answer == Answer::Open);
    open.map(|(way, _)| way).collect()
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
        .iter()
}

/// What a flow is to; nothing for a protocol without ports.
fn service(flow: &Value) -> Option<(Protocol, u16)> {
    let protocol = match flow.pointer("/protocol").and_then(Value::as_str) {
        Some(VRRP) => return None,
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        other => panic!("a flow over {other:?}"),
    };
    let port = flow.pointer("/port").and_then(Value::as_u64);
    let port = port.and_then(|port| port.try_into().ok());
    Some((protocol, port.expect("a port")))
}

/// Whether one end of a flow is somebody of this name or address.
fn is(flow: &Value, end: &str, name: &str, address: &str) -> bool {
    let party = flow.pointer(end).expect("two ends");
    if let Some(hosts) = party.pointer("/hosts").and_then(Value::as_array) {
        return hosts.iter().any(|host| host == name);
    }
    let networks = party.pointer("/networks").and_then(Value::as_array);
    let networks = networks.unwrap_or_else(|| panic!("an end is {party}"));
    networks.iter().any(|network| {
        let text = network.as_str().expect("a network");
        contains(text, address.parse().expect("an address"))
    })
}

fn contains(network: &str, address: Ipv4Addr) -> bool {
    let (base, bits) = network.split_once('/').unwrap_or((network, "32"));
    let base: Ipv4Addr = base.parse().expect("an IPv4 network");
    let bits: u32 = bits.parse().expect("a length");
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    base.to_bits() & mask == address.to_bits() & mask
}
