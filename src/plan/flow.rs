//! The port matrix: who may open which connection, and why.
//!
//! Everything that is not listed is closed, in both directions; connections within one host are
//! not listed.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::plan::address::{Endpoint, HostName, Network};
use crate::plan::deployment::{
    DatabaseServer, Deployment, Host, NfsServer, Push, Role, S3Server, Storage,
};
use crate::plan::words::words;
use crate::types::name::Name;

/// Ports of the stack.
pub mod port {
    /// SSH.
    pub const SSH: u16 = 22;
    /// DNS.
    pub const DNS: u16 = 53;
    /// HTTP, for the redirect to HTTPS only.
    pub const HTTP: u16 = 80;
    /// NTP.
    pub const NTP: u16 = 123;
    /// HTTPS.
    pub const HTTPS: u16 = 443;
    /// NFS version 4, which needs no other port.
    pub const NFS: u16 = 2049;
    /// Mattermost.
    pub const APP: u16 = 8065;
    /// The push proxy.
    pub const PUSH: u16 = 8066;
    /// Metrics of Mattermost.
    pub const METRICS: u16 = 8067;
    /// Gossip between Mattermost servers, TCP and UDP.
    pub const GOSSIP: u16 = 8074;
    /// The S3-compatible store.
    pub const S3: u16 = 9000;
    /// The console of the store, on the loopback address only.
    pub const S3_CONSOLE: u16 = 9001;
}

words! {
    /// A transport protocol.
    pub Protocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// VRRP (RFC 5798), IP protocol 112: it has no ports, and its flows have port 0.
        Vrrp = "vrrp",
    }
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// Hosts of this deployment, sorted.
    Hosts(Vec<Name>),
    /// Networks outside it, sorted.
    Networks(Vec<Network>),
    /// A service outside it that is known by name.
    Name(HostName),
    /// Any address: the way out that the operator has acknowledged.
    Anywhere,
}

/// One kind of connection that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Flow {
    /// Who opens it.
    pub from: Party,
    /// Who answers.
    pub to: Party,
    /// Protocol.
    pub protocol: Protocol,
    /// Port at the answering end; 0 for a protocol without ports.
    pub port: u16,
    /// What for.
    pub purpose: &'static str,
    /// The rule that asks for it.
    pub rule: &'static str,
}

/// What one host lets in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Incoming {
    /// Protocol.
    pub protocol: Protocol,
    /// Port of this host.
    pub port: u16,
    /// Who may open it, sorted; hosts are networks of one address.
    pub sources: Vec<Network>,
    /// What for.
    pub purpose: &'static str,
    /// The rule that asks for it.
    pub rule: &'static str,
}

/// What one host opens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Outgoing {
    /// Protocol.
    pub protocol: Protocol,
    /// Port at the other end.
    pub port: u16,
    /// Where to.
    pub destination: Destination,
    /// What for.
    pub purpose: &'static str,
    /// The rule that asks for it.
    pub rule: &'static str,
}

/// Where an outgoing connection goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    /// These networks, sorted.
    Networks(Vec<Network>),
    /// A DNS name; a packet filter cannot match it, so it opens the port to every address.
    Name(HostName),
    /// Any address.
    Anywhere,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(hosts) => f.write_str(&joined(hosts)),
            Self::Networks(networks) => f.write_str(&joined(networks)),
            Self::Name(name) => write!(f, "{name}"),
            Self::Anywhere => f.write_str("anywhere"),
        }
    }
}

fn joined<T: fmt::Display>(list: &[T]) -> String {
    let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// The flows of a deployment, sorted.
pub(super) fn flows(deployment: &Deployment) -> Vec<Flow> {
    let mut matrix = Matrix {
        deployment,
        flows: BTreeSet::new(),
    };
    matrix.users();
    matrix.administrators();
    matrix.inside();
    matrix.storage();
    matrix.database();
    matrix.neighbours();
    matrix.flows.into_iter().collect()
}

struct Matrix<'d> {
    deployment: &'d Deployment,
    flows: BTreeSet<Flow>,
}

type Service = (Protocol, u16, &'static str, &'static str);

impl Matrix<'_> {
    fn names(&self, wanted: impl Fn(&Host) -> bool) -> Vec<Name> {
        let hosts = self.deployment.hosts.iter().filter(|host| wanted(host));
        hosts.map(|host| host.name.clone()).collect()
    }

    fn fronts(&self) -> Vec<Name> {
        self.names(|host| host.has(Role::Proxy) || host.has(Role::Docker))
    }

    fn apps(&self) -> Vec<Name> {
        self.names(|host| host.has(Role::App) || host.has(Role::Docker))
    }

    fn add(&mut self, from: Party, to: Party, (protocol, port, purpose, rule): Service) {
        self.flows.insert(Flow {
            from,
            to,
            protocol,
            port,
            purpose,
            rule,
        });
    }

    /// From some hosts to others; a host does not need a flow to itself.
    fn between(&mut self, from: &[Name], to: &[Name], service: Service) {
        for target in to {
            let sources: Vec<Name> = from
                .iter()
                .filter(|name| *name != target)
                .cloned()
                .collect();
            if !sources.is_empty() {
                self.add(
                    Party::Hosts(sources),
                    Party::Hosts(vec![target.clone()]),
                    service,
                );
            }
        }
    }

    fn outsiders(&mut self, networks: &[Network], to: &[Name], service: Service) {
        for target in to {
            if !networks.is_empty() {
                self.add(
                    Party::Networks(networks.to_vec()),
                    Party::Hosts(vec![target.clone()]),
                    service,
                );
            }
        }
    }

    fn service_outside(&mut self, from: &[Name], endpoint: &Endpoint, service: Service) {
        if !from.is_empty() {
            let to = match &endpoint.host {
                HostName::Ip(address) => Party::Networks(vec![Network::single(*address)]),
                name @ HostName::Dns(_) => Party::Name(name.clone()),
            };
            self.add(Party::Hosts(from.to_vec()), to, service);
        }
    }

    fn users(&mut self) {
        let deployment = self.deployment;
        let users = match deployment.proxy.allow.as_slice() {
            [] => &deployment.network.users,
            allow => allow,
        };
        let fronts = self.fronts();
        let https = (
            Protocol::Tcp,
            deployment.site.port(),
            "users, HTTPS and WebSocket",
            "PORT-029",
        );
        self.outsiders(users, &fronts, https);
        if deployment.site.port() == port::HTTPS {
            let http = (Protocol::Tcp, port::HTTP, "redirect to HTTPS", "PORT-029");
            self.outsiders(users, &fronts, http);
        }
    }

    fn administrators(&mut self) {
        let deployment = self.deployment;
        let admin = deployment.network.admin.as_slice();
        let all = self.names(|_| true);
        self.outsiders(
            admin,
            &all,
            (Protocol::Tcp, port::SSH, "administration", "PORT-029"),
        );
        let apps = self.names(|host| host.has(Role::App));
        let direct = (
            Protocol::Tcp,
            port::APP,
            "administration of the server",
            "PORT-030",
        );
        self.outsiders(admin, &apps, direct);
        if deployment.edition.is_enterprise() {
            let metrics = (Protocol::Tcp, port::METRICS, "metrics", "PORT-022");
            self.outsiders(&deployment.monitoring, &apps, metrics);
            let monitors = self.names(|host| host.has(Role::Monitor));
            self.between(&monitors, &apps, metrics);
        }
    }

    fn inside(&mut self) {
        let apps = self.names(|host| host.has(Role::App));
        let proxies = self.names(|host| host.has(Role::Proxy));
        self.between(
            &proxies,
            &apps,
            (Protocol::Tcp, port::APP, "proxy to server", "PORT-030"),
        );
        if self.deployment.proxy.virtual_address.is_some() {
            let address = (Protocol::Vrrp, 0, "virtual address", "METHOD-040");
            self.between(&proxies, &proxies, address);
        }
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let gossip = (protocol, port::GOSSIP, "gossip between servers", "PORT-032");
            self.between(&apps, &apps, gossip);
        }
        if let Push::Proxy { host, egress } = &self.deployment.push {
            let push = (Protocol::Tcp, port::PUSH, "push notifications", "ARCH-012");
            self.between(&apps, std::slice::from_ref(host), push);
            if egress.is_on() {
                let out = (
                    Protocol::Tcp,
                    port::HTTPS,
                    "push services of phone makers",
                    "ARCH-012",
                );
                self.add(Party::Hosts(vec![host.clone()]), Party::Anywhere, out);
            }
        }
    }

    fn storage(&mut self) {
        let apps = self.apps();
        match &self.deployment.storage {
            Storage::Local { .. } => {}
            Storage::S3(s3) => match &s3.server {
                S3Server::Host(host) => {
                    let service = (Protocol::Tcp, port::S3, "files", "FILES-074");
                    self.between(&apps, std::slice::from_ref(host), service);
                }
                S3Server::Endpoint(endpoint) => {
                    let service = (Protocol::Tcp, endpoint.port, "files", "FILES-074");
                    self.service_outside(&apps, endpoint, service);
                }
            },
            Storage::Nfs(nfs) => {
                let service = (Protocol::Tcp, port::NFS, "files", "FILES-079");
                match &nfs.server {
                    NfsServer::Host(host) => {
                        self.between(&apps, std::slice::from_ref(host), service);
                    }
                    NfsServer::External(host) => {
                        let endpoint = Endpoint {
                            host: host.clone(),
                            port: port::NFS,
                        };
                        self.service_outside(&apps, &endpoint, service);
                    }
                }
            }
        }
    }

    fn database(&mut self) {
        let apps = self.apps();
        let database = &self.deployment.database;
        let service = (Protocol::Tcp, database.port, "database", "PORT-031");
        let replicas = self.names(|host| host.has(Role::DbReplica));
        match &database.server {
            DatabaseServer::Host(host) => {
                let primary = std::slice::from_ref(host);
                self.between(&apps, primary, service);
                self.between(&apps, &replicas, service);
                let replication = (Protocol::Tcp, database.port, "replication", "DB-071");
                self.between(&replicas, primary, replication);
                // After a switch-over the roles are the other way round.
                self.between(primary, &replicas, replication);
            }
            DatabaseServer::External(host) => {
                let endpoint = Endpoint {
                    host: host.clone(),
                    port: database.port,
                };
                self.service_outside(&apps, &endpoint, service);
            }
            DatabaseServer::Compose => {}
        }
    }

    fn neighbours(&mut self) {
        let deployment = self.deployment;
        let apps = self.apps();
        if let Some(ldap) = &deployment.ldap {
            let service = (Protocol::Tcp, ldap.server.port, "directory", "PORT-024");
            self.service_outside(&apps, &ldap.server, service);
        }
        if let Some(smtp) = &deployment.smtp {
            let service = (Protocol::Tcp, smtp.server.port, "mail", "PORT-025");
            self.service_outside(&apps, &smtp.server, service);
        }
        let all = self.names(|_| true);
        let services = [
            (&deployment.network.dns, Protocol::Udp, port::DNS, "names"),
            (&deployment.network.dns, Protocol::Tcp, port::DNS, "names"),
            (&deployment.network.ntp, Protocol::Udp, port::NTP, "time"),
        ];
        for (servers, protocol, port, purpose) in services {
            if !servers.is_empty() && !all.is_empty() {
                let to = servers
                    .iter()
                    .map(|address| Network::single(*address))
                    .collect();
                let service = (protocol, port, purpose, "PORT-029");
                self.add(Party::Hosts(all.clone()), Party::Networks(to), service);
            }
        }
    }
}

/// What `host` lets in, sorted by protocol and port.
pub(super) fn incoming(deployment: &Deployment, flows: &[Flow], host: &Name) -> Vec<Incoming> {
    let here = |party: &Party| matches!(party, Party::Hosts(hosts) if hosts.contains(host));
    let mut list: Vec<Incoming> = flows
        .iter()
        .filter(|flow| here(&flow.to))
        .map(|flow| Incoming {
            protocol: flow.protocol,
            port: flow.port,
            sources: networks(deployment, &flow.from),
            purpose: flow.purpose,
            rule: flow.rule,
        })
        .collect();
    list.sort();
    list
}

/// What `host` opens, sorted by protocol and port.
pub(super) fn outgoing(deployment: &Deployment, flows: &[Flow], host: &Name) -> Vec<Outgoing> {
    let here = |party: &Party| matches!(party, Party::Hosts(hosts) if hosts.contains(host));
    let mut list: Vec<Outgoing> = flows
        .iter()
        .filter(|flow| here(&flow.from))
        .map(|flow| Outgoing {
            protocol: flow.protocol,
            port: flow.port,
            destination: match &flow.to {
                Party::Name(name) => Destination::Name(name.clone()),
                Party::Anywhere => Destination::Anywhere,
                party => Destination::Networks(networks(deployment, party)),
            },
            purpose: flow.purpose,
            rule: flow.rule,
        })
        .collect();
    list.sort();
    list
}

fn networks(deployment: &Deployment, party: &Party) -> Vec<Network> {
    let mut found: Vec<Network> = match party {
        Party::Hosts(names) => names
            .iter()
            .filter_map(|name| deployment.host(name))
            .map(|host| Network::single(host.address))
            .collect(),
        Party::Networks(networks) => networks.clone(),
        Party::Name(HostName::Ip(address)) => vec![Network::single(*address)],
        Party::Name(HostName::Dns(_)) | Party::Anywhere => Vec::new(),
    };
    found.sort_unstable();
    found
}

/// The address that a party resolves to without DNS.
pub(super) fn address_of(deployment: &Deployment, name: &Name) -> Option<IpAddr> {
    deployment.host(name).map(|host| host.address)
}
