//! The deployment: what the operator says about hosts, site, storage and neighbours.
//!
//! It is made by [`crate::plan::parse`] only, which reports every problem of the file with its
//! place; after that, names resolve, addresses are distinct and every number is within its limits.
//! It holds no secret. Choices that a *rule* forbids (a hosted push service, `MySQL`, a public
//! bucket) can be said here, so that the rule can answer with its reason and its fix.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use crate::plan::address::{Endpoint, HostName, Network, SiteUrl, Transport};
use crate::plan::problem::Place;
use crate::plan::words::words;
use crate::types::name::Name;
use crate::types::target::Distribution;

words! {
    /// A part that a host plays.
    pub Role {
        /// NGINX: ends TLS for users.
        Proxy = "proxy",
        /// The Mattermost server.
        App = "app",
        /// The `PostgreSQL` primary.
        Db = "db",
        /// A `PostgreSQL` hot standby.
        DbReplica = "db-replica",
        /// The S3-compatible file store.
        Minio = "minio",
        /// The NFS server.
        Nfs = "nfs",
        /// The push proxy.
        Push = "push",
        /// Prometheus.
        Monitor = "monitor",
        /// All of it as Docker Compose services.
        Docker = "docker",
    }
}

words! {
    /// The edition that the licence buys (Mattermost "editions and offerings").
    pub Edition {
        /// Free of charge, with limits.
        Entry = "entry",
        /// The open-source build.
        Team = "team",
        /// Professional.
        Professional = "professional",
        /// Enterprise.
        Enterprise = "enterprise",
        /// Enterprise Advanced.
        Advanced = "advanced",
    }
}

impl Edition {
    /// Whether it has high availability, metrics and compliance features: Enterprise and above.
    #[must_use]
    pub const fn is_enterprise(self) -> bool {
        matches!(self, Self::Enterprise | Self::Advanced)
    }

    /// Whether it has a licence file.
    #[must_use]
    pub const fn is_licensed(self) -> bool {
        matches!(self, Self::Professional | Self::Enterprise | Self::Advanced)
    }
}

words! {
    /// What the deployment is for; rules are stricter for production.
    pub Purpose {
        /// Real users depend on it.
        Production = "production",
        /// A trial; nobody depends on it.
        Evaluation = "evaluation",
        /// Development or test.
        Development = "development",
    }
}

words! {
    /// How the services run.
    pub Method {
        /// Packages and systemd units.
        Linux = "linux",
        /// Docker Compose on one host.
        Docker = "docker",
        /// Kubernetes.
        Kubernetes = "kubernetes",
    }
}

words! {
    /// Whether several servers share the work.
    pub Availability {
        /// One application server.
        Single = "single",
        /// Several application servers behind proxies.
        High = "high",
    }
}

words! {
    /// The impact level, or another level of marking.
    pub Level {
        /// Unclassified or not marked by impact level.
        Unclassified = "unclassified",
        /// Impact level 2.
        Il2 = "il2",
        /// Impact level 4.
        Il4 = "il4",
        /// Impact level 5.
        Il5 = "il5",
        /// Impact level 6.
        Il6 = "il6",
    }
}

impl Level {
    /// Whether the strict rules of impact levels 5 and 6 hold.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        matches!(self, Self::Il5 | Self::Il6)
    }
}

words! {
    /// Where the site certificate comes from.
    pub CertificateSource {
        /// The organization's own certificate authority.
        InternalCa = "internal-ca",
        /// Signed by itself.
        SelfSigned = "self-signed",
        /// A public commercial authority.
        Commercial = "commercial",
        /// An ACME service on the internet.
        Acme = "letsencrypt",
    }
}

words! {
    /// How clients learn of revoked certificates.
    pub Revocation {
        /// Not said.
        Unsaid = "unsaid",
        /// They do not check.
        None = "none",
        /// From a responder or list inside the network.
        Internal = "internal",
    }
}

words! {
    /// The database engine.
    pub Engine {
        /// `PostgreSQL`.
        Postgres = "postgres",
        /// `MySQL`, which version 11 dropped.
        Mysql = "mysql",
        /// `MariaDB`, likewise.
        Mariadb = "mariadb",
    }
}

words! {
    /// `sslmode` of the database connection (libpq, "SSL Support", table 32.1).
    pub SslMode {
        /// Never TLS.
        Disable = "disable",
        /// TLS when the server insists.
        Allow = "allow",
        /// TLS when the server offers it.
        Prefer = "prefer",
        /// TLS, certificate unchecked.
        Require = "require",
        /// TLS, certificate chain checked.
        VerifyCa = "verify-ca",
        /// TLS, chain and host name checked.
        VerifyFull = "verify-full",
    }
}

words! {
    /// How a connection to a neighbour is protected.
    pub Security {
        /// Plain text.
        None = "none",
        /// TLS from the first byte.
        Tls = "tls",
        /// TLS after a command.
        Starttls = "starttls",
    }
}

words! {
    /// Who can answer the question who a user is.
    pub Provider {
        /// Passwords of Mattermost itself.
        Password = "password",
        /// AD/LDAP.
        Ldap = "ldap",
        /// SAML 2.0.
        Saml = "saml",
        /// `OpenID` Connect of an internal provider.
        Openid = "openid",
        /// Google.
        Google = "google",
        /// Microsoft.
        Office365 = "office365",
        /// gitlab.com.
        Gitlab = "gitlab",
    }
}

words! {
    /// Whether containers may run.
    pub Containers {
        /// They may.
        Allowed = "allowed",
        /// They may not.
        Prohibited = "prohibited",
    }
}

words! {
    /// Something that is wanted or not.
    pub Switch {
        /// Not wanted.
        Off = "off",
        /// Wanted.
        On = "on",
    }
}

impl Switch {
    /// From a TOML boolean.
    #[must_use]
    pub const fn from_bool(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }

    /// Whether it is on.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// What the operator wrote, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// Address of the site.
    pub site: SiteUrl,
    /// Name shown by clients, at most 30 characters.
    pub site_name: String,
    /// How the services run.
    pub method: Method,
    /// The edition.
    pub edition: Edition,
    /// What it is for.
    pub purpose: Purpose,
    /// One application server or several.
    pub availability: Availability,
    /// Marking of the information.
    pub classification: Option<Classification>,
    /// The site's certificate.
    pub tls: Tls,
    /// The networks around it.
    pub network: Networks,
    /// The hosts, sorted by name.
    pub hosts: Vec<Host>,
    /// Where files are kept.
    pub storage: Storage,
    /// The database.
    pub database: Database,
    /// Outgoing mail; none: no mail is sent.
    pub smtp: Option<Smtp>,
    /// Directory; none: not used.
    pub ldap: Option<Ldap>,
    /// SAML identity provider; none: not used.
    pub saml: Option<Saml>,
    /// Sign-in.
    pub auth: Auth,
    /// Push notifications.
    pub push: Push,
    /// Mobile clients.
    pub mobile: Mobile,
    /// Who may read metrics; empty: metrics are off.
    pub monitoring: Vec<Network>,
    /// Nightly backup.
    pub backup: Backup,
    /// What the organization demands.
    pub policy: Policy,
    /// Sizes.
    pub limits: Limits,
    /// Options of the reverse proxy.
    pub proxy: ProxyOptions,
    /// Private registry for container images.
    pub registry: Option<Registry>,
    /// Cluster options, with the method `kubernetes` only.
    pub kubernetes: Option<Kubernetes>,
    /// Where each key stands in the file, by key path such as `tls.cert` or `host.mm1`.
    #[serde(skip)]
    pub places: BTreeMap<String, Place>,
}

/// Marking of the information that the system holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Classification {
    /// The level.
    pub level: Level,
    /// Text of the banner on every screen.
    pub banner: Option<String>,
    /// Background of the banner, `#rrggbb`.
    pub color: String,
    /// Text of the banner, `#rrggbb`.
    pub text_color: String,
}

/// The site's certificate, as files beside the deployment file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// Certificate and intermediates, PEM.
    pub cert: String,
    /// Its private key, PEM, not encrypted.
    pub key: String,
    /// The authority that clients trust, PEM.
    pub ca: String,
    /// Where the certificate comes from.
    pub source: CertificateSource,
    /// How clients learn of revocation.
    pub revocation: Revocation,
}

/// The networks around the deployment, each list sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Networks {
    /// Where users are.
    pub users: Vec<Network>,
    /// Where administrators are.
    pub admin: Vec<Network>,
    /// Resolvers.
    pub dns: Vec<IpAddr>,
    /// Time servers.
    pub ntp: Vec<IpAddr>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Its name: one label of a host name.
    pub name: Name,
    /// Its address in the deployment's network.
    pub address: IpAddr,
    /// What it runs.
    pub distribution: Distribution,
    /// The parts it plays; never empty.
    pub roles: BTreeSet<Role>,
    /// Its memory in GiB.
    pub memory_gb: u32,
    /// The site (room, town) it stands in.
    pub site: Option<Name>,
}

impl Host {
    /// Whether it plays this part.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

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
}

/// Private registry for container images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registry {
    /// Host, and port when it is not 443.
    pub host: String,
    /// Name of the pull secret in the cluster.
    pub pull_secret: Option<Name>,
}

words! {
    /// What installs Mattermost in a cluster.
    pub KubernetesInstall {
        /// The operator.
        Operator = "operator",
        /// The Helm chart.
        Chart = "chart",
    }
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
}

impl Deployment {
    /// The hosts that play a part, sorted by name.
    pub fn hosts_with(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(move |host| host.has(role))
    }

    /// The host of this name.
    #[must_use]
    pub fn host(&self, name: &Name) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == *name)
    }

    /// How many application servers run: hosts, or pods.
    #[must_use]
    pub fn app_servers(&self) -> usize {
        match &self.kubernetes {
            Some(cluster) => usize::try_from(cluster.replicas).unwrap_or(usize::MAX),
            None => self
                .hosts
                .iter()
                .filter(|host| host.has(Role::App) || host.has(Role::Docker))
                .count(),
        }
    }

    /// Whether the strict rules of impact levels 5 and 6 hold.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.classification
            .as_ref()
            .is_some_and(|classification| classification.level.is_strict())
    }

    /// Whether real users depend on it.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.purpose == Purpose::Production
    }

    /// Where a key stands in the file, or the nearest table around it.
    #[must_use]
    pub fn place(&self, key: &str) -> Option<Place> {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return Some(*place);
            }
            key = key.rsplit_once('.')?.0;
        }
    }
}
