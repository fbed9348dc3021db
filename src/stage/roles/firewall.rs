//! The packet filter of a host, in the language of the program that loads it. All three are made
//! from the same list: who may reach the host, and whom it may reach; everything else is dropped.
//!
//! * nftables: a table of our own.
//! * firewalld: a zone that every source belongs to, so that no other zone (of an interface, or the
//!   default one) has a say, with one rich rule for each peer and no port that is open to all; and a
//!   policy from the host to anywhere, for firewalld leaves the way out open otherwise.
//! * ufw: rules that carry our mark in their comment, both default policies being `deny`.

use serde::Serialize;

use crate::plan::address::Network;
use crate::plan::deployment::Firewall;
use crate::plan::flow::{Destination, Protocol};
use crate::stage::host::Scene;
use crate::stage::render::{RenderError, values};
use crate::stage::tree::{Access, PUBLIC, Tree};

/// Where the rules for nftables are kept.
const NFTABLES: &str = "/etc/nftables.d/mattermost.nft";
/// The rules for ufw; `install.sh` gives them to it one by one.
const UFW: &str = "/usr/local/share/haversack/ufw.rules";

/// One rule of the packet filter: one family of addresses.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Rule {
    /// `ip` or `ip6`; empty for both.
    family: &'static str,
    /// The peers; empty for any.
    peers: Vec<Peer>,
    protocol: Protocol,
    /// Whether the protocol has ports, as VRRP has not.
    ports: bool,
    port: u16,
    /// What for.
    purpose: &'static str,
    /// For whom, when that is a name that the filter cannot hold.
    name: Option<String>,
}

/// One peer, as each language writes it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Peer {
    /// With the length of its prefix, also for a single address.
    network: String,
    /// Without it for a single address, as ufw shows it.
    short: String,
}

/// The unit that loads the filter.
pub(in crate::stage) const fn unit(firewall: Firewall) -> &'static str {
    match firewall {
        Firewall::Nftables => "nftables.service",
        Firewall::Firewalld => "firewalld.service",
        Firewall::Ufw => "ufw.service",
    }
}

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let host = scene.host;
    let values = values! { host => host, inbound => inbound(scene), outbound => outbound(scene) };
    let unit = unit(host.firewall);
    let render = |template| scene.renderer.render(template, &values);
    match host.firewall {
        Firewall::Nftables => {
            tree.file(NFTABLES, render("common/mattermost.nft")?, PUBLIC, unit);
            tree.file(
                scene.layout().filter(),
                render("common/nftables.conf")?,
                Access(0o755, "root", "root"),
                unit,
            );
        }
        Firewall::Firewalld => {
            for (path, template) in [
                (
                    "/etc/firewalld/zones/haversack.xml",
                    "common/firewalld-zone.xml",
                ),
                (
                    "/etc/firewalld/policies/haversack-out.xml",
                    "common/firewalld-policy.xml",
                ),
            ] {
                tree.file(path, render(template)?, PUBLIC, unit);
            }
        }
        Firewall::Ufw => {
            let values = values! { lines => ufw_lines(&inbound(scene), &outbound(scene)) };
            let text = scene.renderer.render("common/ufw.rules", &values)?;
            tree.file(UFW, text, PUBLIC, "-");
        }
    }
    Ok(())
}

fn inbound(scene: &Scene<'_>) -> Vec<Rule> {
    scene
        .plan
        .incoming(&scene.host.name)
        .into_iter()
        .flat_map(|flow| rules(&flow.sources, flow.protocol, flow.port, flow.purpose))
        .collect()
}

fn outbound(scene: &Scene<'_>) -> Vec<Rule> {
    scene
        .plan
        .outgoing(&scene.host.name)
        .into_iter()
        .flat_map(|flow| match &flow.destination {
            Destination::Networks(networks) => {
                rules(networks, flow.protocol, flow.port, flow.purpose)
            }
            // A name may mean another address tomorrow, and nothing resolves it when the filter is
            // loaded; so the port is open to any address, and the comment says for whom.
            Destination::Name(name) => vec![Rule {
                name: Some(name.to_string()),
                ..any(flow.protocol, flow.port, flow.purpose)
            }],
            Destination::Anywhere => vec![any(flow.protocol, flow.port, flow.purpose)],
        })
        .collect()
}

/// A rule as `ufw show added` shows it, so that the two can be compared.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct UfwLine {
    rule: String,
    comment: String,
}

/// The rules for ufw, each once: it knows a rule by its peers and port, whatever the comment says.
fn ufw_lines(inbound: &[Rule], outbound: &[Rule]) -> Vec<UfwLine> {
    let mut lines: Vec<UfwLine> = Vec::new();
    let mut put = |rule: String, comment: String| {
        if !lines.iter().any(|line| line.rule == rule) {
            lines.push(UfwLine { rule, comment });
        }
    };
    for rule in inbound {
        for Peer { short, .. } in &rule.peers {
            let comment = format!("haversack: {}", rule.purpose);
            put(format!("allow from {short}{}", rule.ufw_service()), comment);
        }
    }
    for rule in outbound {
        let comment = match &rule.name {
            Some(name) => format!("haversack: {}: {name}", rule.purpose),
            None => format!("haversack: {}", rule.purpose),
        };
        if rule.peers.is_empty() {
            let whole = format!("allow out {}/{}", rule.port, rule.protocol);
            put(whole, comment.clone());
        }
        for Peer { short, .. } in &rule.peers {
            let service = rule.ufw_service().replacen(" to any", "", 1);
            put(format!("allow out to {short}{service}"), comment.clone());
        }
    }
    lines
}

impl Rule {
    /// The part of a rule of ufw after its peer.
    fn ufw_service(&self) -> String {
        if self.ports {
            format!(" to any port {} proto {}", self.port, self.protocol)
        } else {
            format!(" proto {}", self.protocol)
        }
    }
}

fn any(protocol: Protocol, port: u16, purpose: &'static str) -> Rule {
    Rule {
        family: "",
        peers: Vec::new(),
        protocol,
        ports: has_ports(protocol),
        port,
        purpose,
        name: None,
    }
}

fn rules(networks: &[Network], protocol: Protocol, port: u16, purpose: &'static str) -> Vec<Rule> {
    let of_family = |family: &'static str, v6: bool| Rule {
        family,
        peers: networks
            .iter()
            .filter(|network| network.address().is_ipv6() == v6)
            .map(peer)
            .collect(),
        ..any(protocol, port, purpose)
    };
    [of_family("ip", false), of_family("ip6", true)]
        .into_iter()
        .filter(|rule| !rule.peers.is_empty())
        .collect()
}

fn peer(network: &Network) -> Peer {
    let text = network.to_string();
    let single = Network::single(network.address()) == *network;
    Peer {
        short: if single {
            network.address().to_string()
        } else {
            text.clone()
        },
        network: text,
    }
}

fn has_ports(protocol: Protocol) -> bool {
    matches!(protocol.as_str(), "tcp" | "udp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_gets_its_own_rule_and_none_is_open_by_accident() {
        let networks = [
            "10.0.0.0/8".parse().unwrap(),
            "fd00::1/128".parse().unwrap(),
        ];
        let made = rules(&networks, Protocol::Tcp, 443, "users");
        let shown: Vec<_> = made
            .iter()
            .map(|rule| {
                let peer = rule.peers.first().unwrap();
                (rule.family, peer.network.as_str(), peer.short.as_str())
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("ip", "10.0.0.0/8", "10.0.0.0/8"),
                ("ip6", "fd00::1/128", "fd00::1")
            ]
        );
        assert_eq!(rules(&[], Protocol::Tcp, 443, "nobody"), []);
    }
}
