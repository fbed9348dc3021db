//! Storage, database, neighbours and options of a deployment.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

use crate::plan::address::{Endpoint, HostName, Network, Transport};
use crate::plan::deployment::choices::{
    Containers, Engine, KubernetesInstall, Provider, Security, SslMode, Switch,
};
use crate::types::name::Name;

/// Where files are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Storage {
    /// A folder of the application server.
    Local {
        /// The folder.
        directory: String,
    },
    /// An S3-compatible bucket.
    S3(S3),
    /// A folder mounted from an NFS server.
    Nfs(Nfs),
}

/// An S3-compatible bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct S3 {
    /// Who serves it.
    pub server: S3Server,
    /// Whether the connection is encrypted.
    pub transport: Transport,
    /// Name of the bucket.
    pub bucket: String,
    /// Region, never empty: an empty one makes clients ask for it.
    pub region: String,
    /// The operator states that stored files are encrypted.
    pub encrypted_at_rest: Switch,
}

/// Who serves a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum S3Server {
    /// A host of this deployment with the role `minio`, on port 9000.
    Host(Name),
    /// A service that exists already.
    Endpoint(Endpoint),
}

/// A folder mounted from an NFS server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Nfs {
    /// Who serves it.
    pub server: NfsServer,
    /// The exported folder.
    pub export: String,
    /// Where application servers mount it.
    pub directory: String,
}

/// Who serves files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NfsServer {
    /// A host of this deployment with the role `nfs`.
    Host(Name),
    /// A server that exists already.
    External(HostName),
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Database {
    /// The engine.
    pub engine: Engine,
    /// Who serves it.
    pub server: DatabaseServer,
    /// Its port.
    pub port: u16,
    /// Name of the database: an SQL identifier that needs no quotes.
    pub name: String,
    /// The user that owns it, likewise.
    pub user: String,
    /// Major version that the operator asks for; none: the one in the bundle.
    pub version: Option<u16>,
    /// How connections are protected.
    pub sslmode: SslMode,
    /// `max_connections` that the operator asks for; none: computed.
    pub max_connections: Option<u32>,
    /// `MaxOpenConns` of each application server, for each data source.
    pub max_open_connections: u32,
    /// The operator says that a public-looking name is a private endpoint.
    pub private_endpoint: Switch,
}

/// Who serves the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseServer {
    /// The host of this deployment with the role `db`.
    Host(Name),
    /// A server that exists already.
    External(HostName),
    /// The `postgres` service of the Compose file.
    Compose,
}

/// Outgoing mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Smtp {
    /// Mail server.
    pub server: Endpoint,
    /// Protection of the connection.
    pub security: Security,
    /// Sender address.
    pub from: Option<String>,
    /// User name; its password is a secret file.
    pub user: Option<String>,
}

/// Directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ldap {
    /// Directory server.
    pub server: Endpoint,
    /// Protection of the connection.
    pub security: Security,
    /// Where the search begins.
    pub base_dn: String,
    /// Who binds; its password is a secret file.
    pub bind_dn: Option<String>,
    /// Filter of users.
    pub user_filter: Option<String>,
    /// Attribute that identifies a user for ever.
    pub id_attribute: String,
    /// Attribute that users sign in with.
    pub login_attribute: String,
    /// Attribute of the user name.
    pub username_attribute: String,
    /// Attribute of the mail address.
    pub email_attribute: String,
}

/// SAML identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saml {
    /// Where users are sent.
    pub idp_url: String,
    /// Entity id of the identity provider.
    pub descriptor: String,
    /// Its certificate, a file beside the deployment file.
    pub cert: String,
    /// Attribute of the user name.
    pub username_attribute: String,
    /// Attribute of the mail address.
    pub email_attribute: String,
}

/// Sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Auth {
    /// Who answers.
    pub providers: BTreeSet<Provider>,
    /// Whether smart cards are used.
    pub cac: Switch,
    /// Whether a second factor is offered.
    pub mfa: Switch,
}

/// Push notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Push {
    /// None are sent.
    Off,
    /// The push proxy of this deployment.
    Proxy {
        /// The host with the role `push`.
        host: Name,
        /// Whether the operator has arranged the way out to the phone makers' services.
        egress: Switch,
    },
    /// A service elsewhere.
    Hosted {
        /// Its host, when a URL was given.
        host: Option<HostName>,
    },
}

/// Mobile clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mobile {
    /// Whether they may connect.
    pub enabled: Switch,
    /// Whether the devices are managed.
    pub mdm: Switch,
}

/// Nightly backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Whether it runs.
    pub enabled: Switch,
    /// Hour of the day, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// How many days backups are kept.
    pub keep_days: u32,
    /// Where they are kept on the database host.
    pub directory: String,
}

/// What the organization demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Whether containers may run.
    pub containers: Containers,
    /// Whether a STIG applies.
    pub stig: Switch,
    /// Whether an authority of its own, even for one certificate, is demanded.
    pub private_ca_required: Switch,
    /// Whether the service must go on when a host fails.
    pub business_continuity: Switch,
    /// Whether several application servers are planned for later.
    pub ha_planned: Switch,
    /// Hosts outside the network that generated files may name, sorted: what the operator has
    /// arranged a way to.
    pub egress: BTreeSet<String>,
}

/// How long messages and files are kept; none: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Days that messages are kept.
    pub message_days: Option<u32>,
    /// Days that files are kept.
    pub file_days: Option<u32>,
}

/// Sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Largest upload.
    pub upload: UploadLimit,
    /// How many people will use it, when said.
    pub users: Option<u32>,
}

/// The largest upload: one number for the proxy and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UploadLimit {
    /// Megabytes, 1 to [`UploadLimit::MAX_MB`].
    megabytes: u32,
}

impl UploadLimit {
    /// Largest that may be asked for.
    pub const MAX_MB: u32 = 10_000;
    /// The default, which the source text uses.
    pub const DEFAULT: Self = Self { megabytes: 50 };

    /// A limit of so many megabytes, 1 to [`Self::MAX_MB`].
    #[must_use]
    pub const fn new(megabytes: u32) -> Option<Self> {
        if megabytes >= 1 && megabytes <= Self::MAX_MB {
            Some(Self { megabytes })
        } else {
            None
        }
    }

    /// The number of the deployment file.
    #[must_use]
    pub const fn megabytes(self) -> u32 {
        self.megabytes
    }

    /// `FileSettings.MaxFileSize` in bytes: decimal megabytes, so that the form around the file
    /// fits below [`Self::proxy_body_bytes`].
    #[must_use]
    pub fn max_file_size(self) -> u64 {
        u64::from(self.megabytes).saturating_mul(1_000_000)
    }

    /// `client_max_body_size` as NGINX writes it: binary megabytes, such as `50M`.
    #[must_use]
    pub fn proxy_body_size(self) -> String {
        format!("{}M", self.megabytes)
    }

    /// The same in bytes.
    #[must_use]
    pub fn proxy_body_bytes(self) -> u64 {
        u64::from(self.megabytes).saturating_mul(1024 * 1024)
    }
}

/// Options of the reverse proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProxyOptions {
    /// Requests a second that one client may send; none: not limited.
    pub rate_limit: Option<u32>,
    /// The only networks that may connect; empty: all user networks.
    pub allow: Vec<Network>,
    /// The address that several proxies pass to each other (VRRP, by keepalived); none: each is
    /// reached under its own.
    pub virtual_address: Option<IpAddr>,
}

/// Private registry for container images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registry {
    /// Host, and port when it is not 443.
    pub host: String,
    /// Name of the pull secret in the cluster.
    pub pull_secret: Option<Name>,
}

/// Cluster options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kubernetes {
    /// Version of the cluster, such as `1.33`.
    pub version: String,
    /// Namespace.
    pub namespace: Name,
    /// Number of application pods.
    pub replicas: u32,
    /// Ingress class.
    pub ingress_class: Name,
    /// What installs it.
    pub install: KubernetesInstall,
    /// Whether the number of pods follows the load; with the chart only.
    pub autoscale: Switch,
}
