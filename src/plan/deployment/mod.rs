//! The deployment: what the operator says about hosts, site, storage and neighbours.
//!
//! It is made by [`crate::plan::parse()`] only, which reports every problem of the file with its
//! place; after that, names resolve, addresses are distinct and every number is within its limits.
//! It holds no secret. Choices that a *rule* forbids (a hosted push service, `MySQL`, a public
//! bucket) can be said here, so that the rule can answer with its reason and its fix.

mod choices;
mod services;

pub use choices::{
    Availability, CertificateSource, Containers, Edition, Engine, Firewall, KubernetesInstall,
    Level, Method, Provider, Purpose, Revocation, Role, Security, SslMode, Switch,
};
pub use services::{
    Auth, Backup, Database, DatabaseServer, Kubernetes, Ldap, Limits, Mobile, Nfs, NfsServer,
    Policy, ProxyOptions, Push, Registry, Retention, S3, S3Server, Saml, Smtp, Storage,
    UploadLimit,
};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use crate::plan::address::{HostName, Network, SiteUrl};
use crate::plan::problem::Place;
use crate::types::name::Name;
use crate::types::target::Distribution;

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
    /// The version of Mattermost that runs there now; none: a new installation.
    pub upgrade_from: Option<semver::Version>,
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
    /// How long messages and files are kept.
    pub retention: Retention,
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
    /// The networks that the hosts of this deployment stand in; none: not said, not checked.
    pub hosts: Vec<Network>,
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
    /// The name that its services are reached under and that their certificate holds; none: its
    /// address.
    pub fqdn: Option<HostName>,
    /// The network interface with its address, where a generated file must name it.
    pub interface: Option<String>,
    /// What filters its packets.
    pub firewall: Firewall,
    /// A certificate of its own; none: its services use the site's.
    pub tls: Option<HostTls>,
}

/// The certificate of one host, as files beside the deployment file. The deployment's authority
/// must have issued it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostTls {
    /// Certificate and intermediates, PEM.
    pub cert: String,
    /// Its private key, PEM, not encrypted.
    pub key: String,
}

impl Host {
    /// Whether it plays this part.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
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
