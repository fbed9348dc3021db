//! The deployment as a drawing: nodes and edges, as `haversack plan --json` gives them.
//!
//! ```json
//! {"nodes": [{"id": "app1", "kind": "host", "layers": ["application"], "roles": ["app"],
//!             "address": "10.20.0.11", "site": null},
//!            {"id": "10.30.0.0/16", "kind": "network", "layers": [], "roles": [],
//!             "address": null, "site": null}],
//!  "edges": [{"from": "10.30.0.0/16", "to": "web1", "protocol": "tcp", "port": 443,
//!             "purpose": "users, HTTPS and WebSocket", "rule": "PORT-029"}]}
//! ```
//!
//! `kind` is `host`, `network`, `name` (a service known by its DNS name) or `anywhere`; `id` is unique
//! among all nodes, and every end of an edge is the `id` of a node. `port` is null where the protocol
//! has none (`vrrp`). Nodes and edges are sorted, hosts first; an edge joins two nodes, so a flow
//! between several parties is several edges. What has no edge is closed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

use crate::plan::deployment::{Host, Role};
use crate::plan::derive::Plan;
use crate::plan::flow::{Party, Protocol};
use crate::plan::rules::Layer;

/// Nodes and edges of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// Hosts by name, then what is outside.
    pub nodes: Vec<Node>,
    /// Connections that are allowed.
    pub edges: Vec<Edge>,
}

/// A host, or something outside the deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Name of a host, network in its usual form, DNS name, or `anywhere`.
    pub id: String,
    /// The layers of the architecture that its roles belong to; hosts only.
    pub layers: BTreeSet<Layer>,
    /// Its roles; hosts only.
    pub roles: BTreeSet<Role>,
    /// Its address; hosts only.
    pub address: Option<IpAddr>,
    /// Its data centre, when the deployment says one.
    pub site: Option<String>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A host of the deployment.
    Host,
    /// Addresses outside it.
    Network,
    /// A service outside it that is known by name.
    Name,
    /// Any address.
    Anywhere,
}

/// One allowed connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// `id` of the node that opens it.
    pub from: String,
    /// `id` of the node that answers.
    pub to: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Port at the answering end; none for a protocol without ports.
    pub port: Option<u16>,
    /// What for.
    pub purpose: &'static str,
    /// The rule that asks for it.
    pub rule: &'static str,
}

impl Plan {
    /// The drawing of this plan.
    #[must_use]
    pub fn graph(&self) -> Graph {
        let mut nodes: BTreeSet<Node> = self.deployment.hosts.iter().map(host).collect();
        let mut edges = BTreeSet::new();
        for flow in &self.flows {
            let (from, to) = (ends(&flow.from), ends(&flow.to));
            for (kind, id) in from.iter().chain(&to) {
                if *kind != NodeKind::Host {
                    nodes.insert(outside(*kind, id));
                }
            }
            for (_, from) in &from {
                for (_, to) in &to {
                    edges.insert(Edge {
                        from: from.clone(),
                        to: to.clone(),
                        protocol: flow.protocol,
                        port: (flow.protocol != Protocol::Vrrp).then_some(flow.port),
                        purpose: flow.purpose,
                        rule: flow.rule,
                    });
                }
            }
        }
        Graph {
            nodes: nodes.into_iter().collect(),
            edges: edges.into_iter().collect(),
        }
    }
}

fn host(host: &Host) -> Node {
    Node {
        kind: NodeKind::Host,
        id: host.name.to_string(),
        layers: host.roles.iter().map(|role| layer(*role)).collect(),
        roles: host.roles.clone(),
        address: Some(host.address),
        site: host.site.as_ref().map(ToString::to_string),
    }
}

fn outside(kind: NodeKind, id: &str) -> Node {
    Node {
        kind,
        id: id.to_owned(),
        layers: BTreeSet::new(),
        roles: BTreeSet::new(),
        address: None,
        site: None,
    }
}

const fn layer(role: Role) -> Layer {
    match role {
        Role::Proxy => Layer::Access,
        Role::App | Role::Push | Role::Docker | Role::Monitor => Layer::Application,
        Role::Db | Role::DbReplica | Role::Minio | Role::Nfs => Layer::Backend,
    }
}

fn ends(party: &Party) -> Vec<(NodeKind, String)> {
    match party {
        Party::Hosts(hosts) => {
            let hosts = hosts.iter();
            hosts
                .map(|host| (NodeKind::Host, host.to_string()))
                .collect()
        }
        Party::Networks(networks) => {
            let networks = networks.iter();
            networks
                .map(|one| (NodeKind::Network, one.to_string()))
                .collect()
        }
        Party::Name(name) => vec![(NodeKind::Name, name.to_string())],
        Party::Anywhere => vec![(NodeKind::Anywhere, "anywhere".to_owned())],
    }
}
