//! Files of every host: packet filter, certificate authority, time.

use serde::Serialize;

use crate::plan::address::Network;
use crate::plan::flow::{Destination, Protocol};
use crate::stage::host::{Scene, add_authority};
use crate::stage::render::{RenderError, values};
use crate::stage::tree::{Access, PUBLIC, Tree};

/// Where the packet filter is kept.
pub(super) const FILTER: &str = "/etc/nftables.d/mattermost.nft";

/// One rule of the packet filter: one family of addresses.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Rule {
    family: &'static str,
    /// The peers; empty for any.
    peers: Vec<String>,
    protocol: Protocol,
    port: u16,
    why: String,
}

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let Scene { plan, host, .. } = scene;
    add_authority(scene, tree);
    let inbound: Vec<Rule> = plan
        .incoming(&host.name)
        .into_iter()
        .filter(|flow| flow.protocol != Protocol::Vrrp)
        .flat_map(|flow| rules(&flow.sources, flow.protocol, flow.port, flow.purpose))
        .collect();
    let outbound: Vec<Rule> = plan
        .outgoing(&host.name)
        .into_iter()
        .filter(|flow| flow.protocol != Protocol::Vrrp)
        .flat_map(|flow| match &flow.destination {
            Destination::Networks(networks) => {
                rules(networks, flow.protocol, flow.port, flow.purpose)
            }
            // A name may mean another address tomorrow, and nothing resolves it when the filter is
            // loaded; so the port is open to any address, and the comment says for whom.
            Destination::Name(name) => {
                vec![any(
                    flow.protocol,
                    flow.port,
                    format!("{}: {name}", flow.purpose),
                )]
            }
            Destination::Anywhere => vec![any(flow.protocol, flow.port, flow.purpose.to_owned())],
        })
        .collect();
    let values = values! { host => host, inbound, outbound };
    let filter = scene.renderer.render("common/mattermost.nft", &values)?;
    tree.file(FILTER, filter, PUBLIC, "nftables.service");
    tree.file(
        "/etc/nftables.conf",
        scene.renderer.render("common/nftables.conf", &values! {})?,
        Access(0o755, "root", "root"),
        "nftables.service",
    );
    let ntp: Vec<String> = plan
        .deployment
        .network
        .ntp
        .iter()
        .map(ToString::to_string)
        .collect();
    if !ntp.is_empty() {
        for (path, template, unit) in [
            (
                "/etc/systemd/timesyncd.conf.d/60-haversack.conf",
                "common/timesyncd.conf",
                "systemd-timesyncd.service",
            ),
            (
                "/etc/chrony/sources.d/haversack.sources",
                "common/chrony.sources",
                "chrony.service",
            ),
        ] {
            let text = scene.renderer.render(template, &values! { ntp })?;
            tree.file(path, text, PUBLIC, unit);
        }
    }
    Ok(())
}

const fn any(protocol: Protocol, port: u16, why: String) -> Rule {
    Rule {
        family: "",
        peers: Vec::new(),
        protocol,
        port,
        why,
    }
}

fn rules(networks: &[Network], protocol: Protocol, port: u16, why: &str) -> Vec<Rule> {
    let of_family = |family: &'static str, v6: bool| Rule {
        family,
        peers: networks
            .iter()
            .filter(|network| network.address().is_ipv6() == v6)
            .map(ToString::to_string)
            .collect(),
        protocol,
        port,
        why: why.to_owned(),
    };
    [of_family("ip", false), of_family("ip6", true)]
        .into_iter()
        .filter(|rule| !rule.peers.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_gets_its_own_rule_and_none_is_open_by_accident() {
        let networks = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let made = rules(&networks, Protocol::Tcp, 443, "users");
        let shown: Vec<_> = made
            .iter()
            .map(|rule| (rule.family, rule.peers.join(",")))
            .collect();
        assert_eq!(
            shown,
            [
                ("ip", "10.0.0.0/8".to_owned()),
                ("ip6", "fd00::/8".to_owned())
            ]
        );
        assert_eq!(rules(&[], Protocol::Tcp, 443, "nobody"), []);
    }
}
