//! What follows from a plan and concerns several generated files: names, listeners, neighbours.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::plan::Plan;
use crate::plan::address::{HostName, Network};
use crate::plan::deployment::{DatabaseServer, Host, Role, S3, S3Server};
use crate::plan::flow::{Destination, port};
use crate::types::name::Name;
use crate::types::secret::Secret;

/// The name under which clients reach a service of `host` and find it in its certificate.
///
/// That is the host's own name when the deployment gives it one. On a single host every service is
/// reached under the site's name; on several, a host without a name is reached under its address,
/// which the certificate must then hold. Lines in `/etc/hosts` make names work without any DNS.
pub(super) fn service_name(plan: &Plan, host: &Host) -> HostName {
    match &host.fqdn {
        Some(name) => name.clone(),
        None if plan.deployment.hosts.len() == 1 => plan.deployment.site.host().clone(),
        None => HostName::Ip(host.address),
    }
}

/// Certificate and private key of the services of `host`, PEM: its own, else the site's.
pub(super) fn certificate<'a>(plan: &'a Plan, host: &Host) -> (&'a str, &'a Secret) {
    match plan.files.hosts.get(&host.name) {
        Some(own) => (&own.cert, &own.key),
        None => (&plan.files.cert, &plan.files.key),
    }
}

/// `host:port` of an address, IPv6 in brackets.
pub(super) fn with_port(address: IpAddr, port: u16) -> String {
    format!("{}:{port}", HostName::Ip(address))
}

/// The application servers as the proxy on `proxy` reaches them.
pub(super) fn backends(plan: &Plan, proxy: &Host) -> Vec<String> {
    plan.hosts_with(Role::App)
        .map(|app| {
            if app.name == proxy.name {
                format!("127.0.0.1:{}", port::APP)
            } else {
                with_port(app.address, port::APP)
            }
        })
        .collect()
}

/// Whether the proxy on `host` passes an address to and from others (VRRP).
pub(super) fn has_failover(plan: &Plan, host: &Host) -> bool {
    plan.deployment.proxy.virtual_address.is_some() && host.has(Role::Proxy)
}

/// The other proxies that pass the virtual address to and from `host`, sorted by name; the packet
/// filter must let IP protocol 112 through between them, in both directions.
pub(super) fn failover_peers<'p>(plan: &'p Plan, host: &'p Host) -> Vec<&'p Host> {
    plan.hosts_with(Role::Proxy)
        .filter(|other| has_failover(plan, host) && other.name != host.name)
        .collect()
}

/// Host name and port of the object storage, without a scheme, as Mattermost wants it.
pub(super) fn s3_endpoint(plan: &Plan, s3: &S3) -> String {
    match &s3.server {
        S3Server::Endpoint(endpoint) => endpoint.to_string(),
        S3Server::Host(name) => match plan.host(name) {
            Some(host) => format!("{}:{}", service_name(plan, host), port::S3),
            None => format!("{name}:{}", port::S3),
        },
    }
}

/// Whether every application server is on the host of the push proxy.
fn push_is_local(plan: &Plan, push: &Name) -> bool {
    plan.hosts_with(Role::App).all(|app| app.name == *push)
}

/// URL of the push proxy as the application servers reach it.
pub(super) fn push_url(plan: &Plan, push: &Name) -> String {
    match plan.host(push) {
        Some(host) if !push_is_local(plan, push) => {
            format!("http://{}", with_port(host.address, port::PUSH))
        }
        _ => format!("http://127.0.0.1:{}", port::PUSH),
    }
}

/// Where the push proxy on `host` listens.
pub(super) fn push_listen(plan: &Plan, host: &Host) -> String {
    if push_is_local(plan, &host.name) {
        format!("127.0.0.1:{}", port::PUSH)
    } else {
        with_port(host.address, port::PUSH)
    }
}

/// The name in the DSN for the database server.
pub(super) fn database_host(plan: &Plan) -> HostName {
    match &plan.deployment.database.server {
        DatabaseServer::Host(name) => plan.host(name).map_or_else(
            || plan.database.endpoint.host.clone(),
            |host| service_name(plan, host),
        ),
        DatabaseServer::External(_) | DatabaseServer::Compose => {
            plan.database.endpoint.host.clone()
        }
    }
}

/// The networks that services of `host` may exchange packets with, for `IPAddressAllow=`: the other
/// hosts, and both ends of its flows. `any` is in it when a neighbour is known by name only, for
/// systemd knows no names there.
pub(super) fn neighbours(plan: &Plan, host: &Host, services: &[u16]) -> Vec<String> {
    let mut networks: BTreeSet<Network> = plan
        .deployment
        .hosts
        .iter()
        .map(|other| Network::single(other.address))
        .collect();
    let mut any = false;
    for flow in plan.incoming(&host.name) {
        if services.contains(&flow.port) {
            networks.extend(flow.sources);
        }
    }
    for flow in plan.outgoing(&host.name) {
        match flow.destination {
            Destination::Networks(found) => networks.extend(found),
            Destination::Name(_) | Destination::Anywhere => any = true,
        }
    }
    if any {
        return vec!["any".to_owned()];
    }
    networks.iter().map(ToString::to_string).collect()
}
