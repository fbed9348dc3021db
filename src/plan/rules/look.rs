//! How rules look into staged files: packet filters and the configuration of the server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use crate::plan::address::Network;
use crate::plan::deployment::{Firewall, Host, Role};
use crate::plan::derive::Plan;
use crate::plan::flow::Protocol;
use crate::plan::rules::Report;
use crate::plan::staged::Staged as Files;
use crate::types::name::Name;
use crate::types::target::Family;

/// Where the packet filter of nftables stands.
pub(super) const NFT: &str = "/etc/nftables.d/mattermost.nft";

/// Who may open a port, by the packet filter of nftables: the sources of its `input` chain, `any`
/// where a line names none.
pub(super) fn sources(text: &str, protocol: Protocol, port: u16) -> BTreeSet<String> {
    let input = text.split("chain input").nth(1).unwrap_or_default();
    let input = input.split("chain ").next().unwrap_or_default();
    let wanted = format!("{protocol} dport {port} accept");
    let mut found = BTreeSet::new();
    for line in input.lines().filter(|line| line.contains(&wanted)) {
        match line
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
        {
            Some((peers, _)) => found.extend(peers.split(',').map(normal)),
            None => {
                found.insert("any".to_owned());
            }
        }
    }
    found
}

/// The TCP ports that the `input` chain of a packet filter of nftables opens to anybody.
pub(super) fn open_ports(text: &str) -> BTreeSet<u16> {
    let input = text.split("chain input").nth(1).unwrap_or_default();
    let input = input.split("chain ").next().unwrap_or_default();
    let ports = input.split("tcp dport ").skip(1);
    ports
        .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .collect()
}

/// The mode that `perms.tsv` gives a file of a host, in octal.
pub(super) fn mode<'s>(staged: &'s Files, host: &Name, path: &str) -> Option<&'s str> {
    let perms = staged.file(host, "perms.tsv")?;
    perms.lines().find_map(|line| {
        let mut fields = line.split('\t');
        let mode = fields.nth(1)?;
        (fields.nth(4)? == path).then_some(mode)
    })
}

/// A source as `plan` writes it: with its prefix.
fn normal(text: &str) -> String {
    let text = text.trim();
    let one = text.parse::<IpAddr>().map(Network::single);
    one.ok()
        .or_else(|| text.parse().ok())
        .map_or_else(|| text.to_owned(), |network: Network| network.to_string())
}

/// Hosts with a filter of nftables, and its text.
pub(super) fn filters<'p>(
    plan: &'p Plan,
    staged: &'p Files,
    report: &mut Report<'_>,
) -> Vec<(&'p Host, &'p str)> {
    let mut found = Vec::new();
    for host in &plan.deployment.hosts {
        if host.firewall == Firewall::Nftables && staged.hosts().any(|name| *name == host.name) {
            match staged.file(&host.name, NFT) {
                Some(text) => found.push((host, text)),
                None => report.file(&host.name, NFT, "the packet filter is not staged"),
            }
        }
    }
    found
}

/// Where the configuration of the server stands.
pub(super) const CONFIG: &str = "/opt/mattermost/config/config.json";

/// The configuration of the server on each host that runs it; what cannot be read is reported.
pub(super) fn configs<'p>(
    plan: &'p Plan,
    staged: &Files,
    report: &mut Report<'_>,
) -> Vec<(&'p Host, Value)> {
    let mut found = Vec::new();
    for host in plan.hosts_with(Role::App) {
        let text = staged.file(&host.name, CONFIG);
        match text.map(serde_json::from_str) {
            Some(Ok(value)) => found.push((host, value)),
            Some(Err(error)) => report.file(&host.name, CONFIG, format!("is no JSON: {error}")),
            None => report.file(&host.name, CONFIG, "the file is not staged"),
        }
    }
    found
}

/// Every one of these keys must have this value: `(section, key, value)`.
pub(super) fn config_says(
    plan: &Plan,
    staged: &Files,
    report: &mut Report<'_>,
    wanted: &[(&str, &str, Value)],
) {
    for (host, config) in configs(plan, staged, report) {
        for (section, key, value) in wanted {
            let found = config.get(section).and_then(|section| section.get(key));
            if found != Some(value) {
                let found = found.map_or_else(|| "absent".to_owned(), Value::to_string);
                let found = format!("{section}.{key} is {found}, not {value}");
                report.file(&host.name, CONFIG, found);
            }
        }
    }
}

/// Where the site of the proxy stands on a host.
pub(super) const fn nginx_site(host: &Host) -> &'static str {
    match host.distribution.family() {
        Family::Debian => "/etc/nginx/sites-available/mattermost",
        Family::Rhel => "/etc/nginx/conf.d/mattermost.conf",
    }
}

/// Where the unit of the server stands.
pub(super) const UNIT: &str = "/etc/systemd/system/mattermost.service";

/// Where the Compose file stands.
pub(super) const COMPOSE: &str = "/opt/mattermost-docker/compose.yaml";

/// The services of a Compose file that this program wrote, each with its lines without indentation.
pub(super) fn compose_services(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let block = text.lines().skip_while(|line| *line != "services:").skip(1);
    let block = block.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut service = "";
    for line in block {
        let name = line
            .strip_prefix("  ")
            .and_then(|line| line.strip_suffix(':'));
        match name.filter(|name| !name.starts_with([' ', '#'])) {
            Some(name) => {
                service = name;
                found.entry(name).or_default();
            }
            None => {
                if let Some(lines) = found.get_mut(service) {
                    lines.push(line.trim());
                }
            }
        }
    }
    found
}

/// Where secrets of the server, and what differs from node to node, stand.
pub(super) const ENVIRONMENT: &str = "/etc/mattermost/mattermost.environment";

/// The value of a variable of an environment file.
pub(super) fn variable<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches(['\'', '"']))
}
