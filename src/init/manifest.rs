//! The manifest for a distribution, an architecture, an edition and roles.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::context;

use super::render::{RenderError, render};
use super::rows::Rows;
use crate::manifest::catalogue;
use crate::plan::deployment::{Edition, Firewall, Role, Switch};
use crate::stage::packages::{needed_for_database, needed_packages};
use crate::types::target::{Arch, Distribution, Family};

/// The major version of `PostgreSQL` that is asked for.
pub(super) const POSTGRESQL: u16 = 17;

/// Keys of the packages of the `PostgreSQL` project for the Red Hat family, which differ by
/// architecture.
const PGDG_RPM_X86_64: &str = "D4BF08AE67A0B4C7A1DBCCD240BCA2B408B40D20";
const PGDG_RPM_AARCH64: &str = "B031F89FC983E98262906B6E177B343BB9738825";

/// What a manifest is to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestWish {
    /// Distribution of the hosts.
    pub distribution: Distribution,
    /// Architecture of the hosts.
    pub arch: Arch,
    /// The edition; all but `team` are one build.
    pub edition: Edition,
    /// The parts that the hosts play.
    pub roles: BTreeSet<Role>,
    /// Whether application servers mount their files from NFS.
    pub nfs: Switch,
    /// Whether proxies share a virtual address.
    pub failover: Switch,
    /// Further rows.
    pub rows: BTreeSet<Rows>,
    /// For whom it is.
    pub detail: Detail,
}

/// For whom a manifest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// For people who copy and edit it: it tells what else can be written.
    Shipped,
    /// For one deployment: it tells what is in it.
    Chosen,
}

impl ManifestWish {
    /// The wish that a shipped manifest answers: every common role, without object storage.
    #[must_use]
    pub fn shipped(distribution: Distribution) -> Self {
        Self {
            distribution,
            arch: Arch::Amd64,
            edition: Edition::Enterprise,
            roles: BTreeSet::from([Role::Proxy, Role::App, Role::Db, Role::Push]),
            nfs: Switch::Off,
            failover: Switch::Off,
            rows: BTreeSet::new(),
            detail: Detail::Shipped,
        }
    }

    /// The name of the bundle.
    fn name(&self) -> String {
        let Self {
            distribution, arch, ..
        } = self;
        match (self.detail, distribution.os_release().0) {
            (Detail::Shipped, id) => format!("mattermost-linux-{id}"),
            (Detail::Chosen, _) => format!("mattermost-{distribution}-{arch}"),
        }
    }

    /// The rows, with those that roles ask for.
    fn all_rows(&self) -> BTreeSet<Rows> {
        let mut rows = self.rows.clone();
        if self.roles.contains(&Role::Minio) {
            rows.insert(Rows::Minio);
        }
        rows
    }

    /// What is installed on hosts, by component in the order of the manifest.
    fn packages(&self) -> Vec<(&'static str, BTreeSet<String>)> {
        let mut wanted: BTreeMap<Part, BTreeSet<String>> = BTreeMap::new();
        let asked = self.rows.contains(&Rows::Monitoring);
        let asked = asked.then_some(&Role::Monitor);
        for role in self.roles.iter().chain(asked) {
            let Some(part) = Part::of(*role) else {
                continue;
            };
            let names = wanted.entry(part).or_default();
            let firewall = Firewall::of(self.distribution).as_str();
            let needed = needed_packages(*role, self.distribution.family());
            let fixed = ["ca-certificates", firewall];
            names.extend(fixed.iter().chain(needed).map(|name| (*name).to_owned()));
            match role {
                Role::App if self.nfs.is_on() => {
                    names.insert("nfs-common".to_owned());
                }
                Role::Proxy if self.failover.is_on() => {
                    names.insert("keepalived".to_owned());
                }
                Role::Db | Role::DbReplica => {
                    let family = self.distribution.family();
                    names.extend(needed_for_database(POSTGRESQL, family));
                }
                _ => {}
            }
        }
        wanted
            .into_iter()
            .map(|(part, names)| (part.component(), names))
            .collect()
    }
}

/// A component with packages, in the order of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Server,
    Database,
    Proxy,
    Bucket,
    Push,
    Nfs,
    Monitor,
}

impl Part {
    const fn of(role: Role) -> Option<Self> {
        Some(match role {
            Role::App => Self::Server,
            Role::Db | Role::DbReplica => Self::Database,
            Role::Proxy => Self::Proxy,
            Role::Minio => Self::Bucket,
            Role::Push => Self::Push,
            Role::Nfs => Self::Nfs,
            Role::Monitor => Self::Monitor,
            Role::Docker => return None,
        })
    }

    const fn component(self) -> &'static str {
        match self {
            Self::Server => "mattermost",
            Self::Database => "postgresql",
            Self::Proxy => "nginx",
            Self::Bucket => "minio",
            Self::Push => "push-proxy",
            Self::Nfs => "extra-nfs",
            Self::Monitor => "prometheus",
        }
    }
}

/// The text of a manifest.
///
/// # Errors
/// When the template does not fit the values: a mistake of this program.
pub fn manifest(wish: &ManifestWish) -> Result<String, RenderError> {
    let distribution = wish.distribution;
    let other = match distribution {
        Distribution::Debian12 => Distribution::Debian13,
        Distribution::Debian13 => Distribution::Debian12,
        Distribution::Ubuntu2204 => Distribution::Ubuntu2404,
        Distribution::Ubuntu2404 => Distribution::Ubuntu2204,
        other => other,
    };
    let packages: Vec<_> = wish
        .packages()
        .into_iter()
        .map(|(component, install)| context! { component, install })
        .collect();
    let rows: Vec<String> = wish
        .all_rows()
        .iter()
        .map(|rows| rows.text(wish.arch, wish.edition))
        .collect();
    let (machine, pgdg_rpm_key) = match wish.arch {
        Arch::Amd64 => ("x86_64", PGDG_RPM_X86_64),
        Arch::Arm64 => ("aarch64", PGDG_RPM_AARCH64),
    };
    let as_of = catalogue::of("mattermost").map(|releases| releases.as_of.to_string());
    let values = context! {
        name => wish.name(),
        distribution => distribution.as_str(),
        distribution_name => display_name(distribution),
        vendor => vendor(distribution),
        family => match distribution.family() {
            Family::Debian => "debian",
            Family::Rhel => "rhel",
        },
        codename => distribution.codename(),
        other => other.as_str(),
        other_name => display_name(other),
        other_codename => other.codename(),
        arch => wish.arch.as_str(),
        machine,
        pgdg_rpm_key,
        team => wish.edition == Edition::Team,
        push => wish.roles.contains(&Role::Push),
        shipped => wish.detail == Detail::Shipped,
        rows,
        packages,
        as_of,
    };
    render(
        "manifest.toml",
        include_str!("templates/manifest.toml.j2"),
        &values,
    )
}

/// What people call a distribution.
const fn display_name(distribution: Distribution) -> &'static str {
    match distribution {
        Distribution::Debian12 => "Debian 12",
        Distribution::Debian13 => "Debian 13",
        Distribution::Ubuntu2204 => "Ubuntu 22.04",
        Distribution::Ubuntu2404 => "Ubuntu 24.04",
        Distribution::Rhel9 => "Red Hat Enterprise Linux 9",
        Distribution::Rocky9 => "Rocky Linux 9",
        Distribution::Alma9 => "AlmaLinux 9",
        Distribution::Oracle9 => "Oracle Linux 9",
    }
}

/// Who makes a distribution of the Debian family.
const fn vendor(distribution: Distribution) -> &'static str {
    match distribution {
        Distribution::Ubuntu2204 | Distribution::Ubuntu2404 => "Ubuntu",
        _ => "Debian",
    }
}
