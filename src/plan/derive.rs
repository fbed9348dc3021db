//! Everything that follows from a deployment without asking the operator.

use std::net::IpAddr;

use serde::Serialize;

use crate::plan::address::HostName;
use crate::plan::address::{Endpoint, Network};
use crate::plan::deployment::{
    DatabaseServer, Deployment, Engine, Host, Method, NfsServer, Role, S3Server, SslMode, Storage,
};
use crate::plan::flow::{self, Flow, Incoming, Outgoing, port};
use crate::plan::load::{Files, Loaded};
use crate::types::name::Name;

/// Numeric user and group of `mattermost` on every host: the same as in the container image, so
/// that files on shared storage keep their owner.
pub const ACCOUNT_ID: u32 = 2000;
/// Connections that `PostgreSQL` keeps for administration, backup and monitoring.
pub const RESERVED_CONNECTIONS: u32 = 20;

/// A deployment with all values that follow from it. Nothing has been checked by rules yet:
/// `stage` takes a [`crate::plan::CheckedPlan`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What the operator wrote.
    pub deployment: Deployment,
    /// The files that the deployment names.
    #[serde(skip)]
    pub files: Files,
    /// The database.
    pub database: DatabasePlan,
    /// Addresses that services listen on.
    pub listen: Listen,
    /// The port matrix, sorted.
    pub flows: Vec<Flow>,
}

/// The database as staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabasePlan {
    /// The engine; a checked plan always says `PostgreSQL`.
    pub engine: Engine,
    /// The host of this deployment that runs it; none: an existing server.
    pub host: Option<Name>,
    /// Its address, when it is known without DNS.
    pub address: Option<IpAddr>,
    /// Host and port that servers connect to.
    pub endpoint: Endpoint,
    /// Name of the database.
    pub name: String,
    /// Its owner.
    pub user: String,
    /// Major version asked for; none: the one of the bundle.
    pub version: Option<u16>,
    /// Protection of connections.
    pub sslmode: SslMode,
    /// `listen_addresses` besides `localhost`: the host's own addresses, never `*`.
    pub listen_addresses: Vec<IpAddr>,
    /// Who may log in, one address each: the lines of `pg_hba.conf`.
    pub clients: Vec<Network>,
    /// Hosts with a replica, sorted.
    pub replicas: Vec<Name>,
    /// `MaxOpenConns` of each application server, for each data source.
    pub max_open_connections: u32,
    /// What all application servers together can open on the primary.
    pub needed_connections: u32,
    /// `max_connections`.
    pub max_connections: u32,
    /// Memory settings.
    pub tuning: Tuning,
}

/// Memory settings of `PostgreSQL`, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tuning {
    /// `shared_buffers`.
    pub shared_buffers_mb: u32,
    /// `effective_cache_size`.
    pub effective_cache_size_mb: u32,
    /// `work_mem`.
    pub work_mem_mb: u32,
    /// `maintenance_work_mem`.
    pub maintenance_work_mem_mb: u32,
}

/// Addresses that services listen on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listen {
    /// `ServiceSettings.ListenAddress`: all interfaces; the packet filter lets in proxies and
    /// administrators only.
    pub app: String,
    /// `MetricsSettings.ListenAddress`; none: metrics are off.
    pub metrics: Option<String>,
    /// Gossip port, with several application servers only.
    pub gossip: Option<u16>,
    /// Port of the site.
    pub site: u16,
}

impl Plan {
    /// Derives everything. Pure: the same deployment gives the same plan.
    #[must_use]
    pub fn new(loaded: Loaded) -> Self {
        let Loaded { deployment, files } = loaded;
        Self {
            database: database(&deployment),
            listen: listen(&deployment),
            flows: flow::flows(&deployment),
            deployment,
            files,
        }
    }

    /// The host of this name.
    #[must_use]
    pub fn host(&self, name: &Name) -> Option<&Host> {
        self.deployment.host(name)
    }

    /// The hosts that play a part, sorted by name.
    pub fn hosts_with(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.deployment.hosts_with(role)
    }

    /// Memory settings of a database server on `host`, a primary or a replica.
    #[must_use]
    pub fn tuning_for(&self, host: &Host) -> Tuning {
        tuning(memory_for_database(&self.deployment, Some(host)))
    }

    /// What a host lets in; everything else is closed.
    #[must_use]
    pub fn incoming(&self, host: &Name) -> Vec<Incoming> {
        flow::incoming(&self.deployment, &self.flows, host)
    }

    /// What a host opens; everything else is closed.
    #[must_use]
    pub fn outgoing(&self, host: &Name) -> Vec<Outgoing> {
        flow::outgoing(&self.deployment, &self.flows, host)
    }

    /// Host and port of the bucket, as `AmazonS3Endpoint` wants it; none without S3 storage.
    #[must_use]
    pub fn s3_endpoint(&self) -> Option<Endpoint> {
        let Storage::S3(s3) = &self.deployment.storage else {
            return None;
        };
        match &s3.server {
            S3Server::Endpoint(endpoint) => Some(endpoint.clone()),
            S3Server::Host(name) => {
                flow::address_of(&self.deployment, name).map(|address| Endpoint {
                    host: HostName::Ip(address),
                    port: port::S3,
                })
            }
        }
    }

    /// The NFS server; none without NFS storage.
    #[must_use]
    pub fn nfs_server(&self) -> Option<HostName> {
        let Storage::Nfs(nfs) = &self.deployment.storage else {
            return None;
        };
        match &nfs.server {
            NfsServer::External(host) => Some(host.clone()),
            NfsServer::Host(name) => flow::address_of(&self.deployment, name).map(HostName::Ip),
        }
    }
}

fn listen(deployment: &Deployment) -> Listen {
    let metrics = deployment.edition.is_enterprise()
        && (!deployment.monitoring.is_empty() || deployment.hosts_with(Role::Monitor).count() > 0);
    Listen {
        app: format!(":{}", port::APP),
        metrics: metrics.then(|| format!(":{}", port::METRICS)),
        gossip: (deployment.app_servers() > 1).then_some(port::GOSSIP),
        site: deployment.site.port(),
    }
}

fn database(deployment: &Deployment) -> DatabasePlan {
    let said = &deployment.database;
    let (host, server) = match &said.server {
        DatabaseServer::Host(name) => {
            let address = flow::address_of(deployment, name);
            let server = address.map_or(HostName::Dns(name.to_string()), HostName::Ip);
            (deployment.host(name), server)
        }
        DatabaseServer::External(server) => (None, server.clone()),
        DatabaseServer::Compose => (None, HostName::Dns("postgres".to_owned())),
    };
    let replicas: Vec<Name> = deployment
        .hosts_with(Role::DbReplica)
        .map(|host| host.name.clone())
        .collect();
    let needed = needed_connections(deployment, replicas.len());
    let mut clients: Vec<Network> = deployment
        .hosts_with(Role::App)
        .map(|host| Network::single(host.address))
        .collect();
    clients.sort_unstable();
    DatabasePlan {
        engine: said.engine,
        host: host.map(|host| host.name.clone()),
        address: match &server {
            HostName::Ip(address) => Some(*address),
            HostName::Dns(_) => None,
        },
        endpoint: Endpoint {
            host: server,
            port: said.port,
        },
        name: said.name.clone(),
        user: said.user.clone(),
        version: said.version,
        sslmode: said.sslmode,
        listen_addresses: host.map(|host| host.address).into_iter().collect(),
        clients,
        replicas,
        max_open_connections: said.max_open_connections,
        needed_connections: needed,
        max_connections: said.max_connections.unwrap_or_else(|| {
            let wanted = needed.saturating_add(RESERVED_CONNECTIONS);
            wanted.div_ceil(50).saturating_mul(50)
        }),
        tuning: tuning(memory_for_database(deployment, host)),
    }
}

/// `MaxOpenConns` × data sources × servers: each server keeps one pool for the primary and one for
/// each replica (Mattermost high availability guide: 3 × 3 × 100 = 900).
fn needed_connections(deployment: &Deployment, replicas: usize) -> u32 {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    deployment
        .database
        .max_open_connections
        .saturating_mul(count(replicas).saturating_add(1))
        .saturating_mul(count(deployment.app_servers().max(1)))
}

/// All memory of a host of its own; half of a host that runs other parts too, where a host has
/// more than the smallest row of the table.
fn memory_for_database(deployment: &Deployment, host: Option<&Host>) -> u32 {
    match host {
        Some(host) if host.roles.len() > 1 && host.memory_gb > 4 => (host.memory_gb / 2).max(4),
        Some(host) => host.memory_gb,
        None if deployment.method == Method::Docker => 4,
        None => 8,
    }
}

/// Memory settings for so many GiB. Mattermost documents 4 GiB (at most 20 %, 512 MB) and 32 GiB
/// (65 %); the steps between are ours.
fn tuning(memory_gb: u32) -> Tuning {
    let (shared, cache, work, maintenance) = match memory_gb {
        0..=1 => (128, 256, 4, 64),
        2..=3 => (256, 512, 8, 128),
        4..=7 => (512, 1024, 8, 256),
        8..=15 => (2048, 5120, 16, 512),
        16..=31 => (5120, 10_240, 16, 512),
        _ => {
            let share = memory_gb.saturating_mul(1024).saturating_mul(13) / 20;
            (share, share, 32, 1024)
        }
    };
    Tuning {
        shared_buffers_mb: shared,
        effective_cache_size_mb: cache,
        work_mem_mb: work,
        maintenance_work_mem_mb: maintenance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_settings_follow_the_documented_ends() {
        let shared = |gb| tuning(gb).shared_buffers_mb;
        assert_eq!(
            [1, 2, 4, 8, 16, 32, 64].map(shared),
            [128, 256, 512, 2048, 5120, 21_299, 42_598]
        );
        assert_eq!(tuning(32).maintenance_work_mem_mb, 1024);
    }
}
