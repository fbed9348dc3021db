//! The egress audit over a staged tree that stands somewhere, for whoever has to vouch for it.
//!
//! Staging audits what it generates before it writes it. This reads every file back, so that it also
//! finds what somebody added since. What belongs to the deployment, and what it acknowledges, is read
//! from the tree's own `plan.json`. Upstream's archives and packages (`artifacts/`), their public
//! keys, the secrets and `plan.json` itself are not searched.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::event::{Cancel, Cancelled};
use crate::fs::{self, Kind, PathError, WorkError};
use crate::plan::address::{HostName, Network, SiteUrl};
use crate::stage::StageError;
use crate::stage::egress::{Audit, Egress};
use crate::stage::place::{MAX_PLAN, PLAN_JSON, SECRETS, hosts_of};
use crate::types::secret::Secret;

/// Largest generated file that is searched, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Longest secret that is read, in bytes.
const MAX_SECRET: u64 = 64 * 1024;
/// Shortest secret whose value is read as nothing in other files.
const MIN_SECRET: usize = 8;
/// Most files of a tree.
const MAX_FILES: usize = 500_000;

/// What an audit of a staged tree found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TreeAudit {
    /// How many hosts the tree has.
    pub hosts: usize,
    /// How many files were searched.
    pub files: usize,
    /// The hosts outside the deployment, sorted by host, file and line.
    pub egress: Vec<Egress>,
    /// What was not searched although it should have been: files that are no plain files, or larger
    /// than any that is generated. Sorted.
    pub unread: Vec<String>,
    /// What could not be read: this user may not, it vanished meanwhile, or the disk refused. Sorted. It
    /// counts nowhere else, and an audit with any of it is partial.
    pub unreadable: Vec<Unreadable>,
}

/// A file or folder that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unreadable {
    /// Its path below the tree; `.` for the tree itself.
    pub file: String,
    /// Why not, in the words of the system.
    pub reason: String,
}

impl TreeAudit {
    /// How many places name a host that the deployment does not acknowledge.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.egress.iter().filter(|one| !one.acknowledged).count()
    }

    /// Whether the deployment acknowledges whatever was found, and nothing lies there that is not
    /// generated.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unread.is_empty() && self.unacknowledged() == 0
    }

    /// Whether something could not be read: what was found is then a part of what there may be.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        !self.unreadable.is_empty()
    }
}

impl Unreadable {
    fn new(tree: &Path, error: &PathError) -> Self {
        let below = error.path.strip_prefix(tree).unwrap_or(&error.path);
        let file = below.to_string_lossy();
        Self {
            file: if file.is_empty() {
                ".".into()
            } else {
                file.into_owned()
            },
            reason: error.source.to_string(),
        }
    }
}

/// Why a tree cannot be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It is no staged tree.
    #[error("{} is no staged tree", .0.display())]
    NoTree(PathBuf),
    /// Its `plan.json` does not say what belongs to the deployment.
    #[error("{} does not say what belongs to the deployment", path.display())]
    Plan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It holds more than a staged tree can.
    #[error("{} holds more than {MAX_FILES} files", .0.display())]
    TooMany(PathBuf),
    /// A file or folder.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl AuditError {
    /// The stable message id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::NoTree(_) | Self::Plan { .. } => "E533",
            Self::TooMany(_) => "E502",
            Self::Path(error) => error.id(),
            Self::Cancelled(_) => "E130",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTree(_) | Self::TooMany(_) => {
                Some("name the folder that `haversack stage` wrote".to_owned())
            }
            Self::Plan { .. } => Some("stage again with this version of haversack".to_owned()),
            Self::Path(error) => error.hint(),
            Self::Cancelled(_) => None,
        }
    }
}

/// `plan.json`, as far as it says what belongs to the deployment. The rest of it is for others.
#[derive(Deserialize)]
struct PlanWire {
    plan: CheckedWire,
}

#[derive(Deserialize)]
struct CheckedWire {
    deployment: DeploymentWire,
    flows: Vec<FlowWire>,
}

#[derive(Deserialize)]
struct DeploymentWire {
    site: Text<SiteUrl>,
    hosts: Vec<HostWire>,
    network: NetworkWire,
    monitoring: Vec<Text<Network>>,
    proxy: ProxyWire,
    policy: PolicyWire,
    push: PushWire,
}

#[derive(Deserialize)]
struct HostWire {
    address: IpAddr,
    fqdn: Option<Text<HostName>>,
}

#[derive(Deserialize)]
struct NetworkWire {
    users: Vec<Text<Network>>,
    admin: Vec<Text<Network>>,
    dns: Vec<IpAddr>,
    ntp: Vec<IpAddr>,
}

#[derive(Deserialize)]
struct ProxyWire {
    allow: Vec<Text<Network>>,
    virtual_address: Option<IpAddr>,
}

#[derive(Deserialize)]
struct PolicyWire {
    egress: BTreeSet<String>,
}

#[derive(Deserialize)]
struct PushWire {
    egress: Option<String>,
}

#[derive(Deserialize)]
struct FlowWire {
    to: PartyWire,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PartyWire {
    Hosts(serde::de::IgnoredAny),
    Networks(serde::de::IgnoredAny),
    Name(Text<HostName>),
    Anywhere,
}

/// A value that is written as text.
#[derive(Deserialize)]
#[serde(
    try_from = "String",
    bound(deserialize = "T: std::str::FromStr, T::Err: std::fmt::Display")
)]
struct Text<T>(T);

impl<T: std::str::FromStr> TryFrom<String> for Text<T> {
    type Error = T::Err;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// What belongs to a deployment: nothing of it is reported.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// The site and its hosts.
    pub(super) names: BTreeSet<String>,
    pub(super) networks: Vec<Network>,
    /// Neighbours that the deployment mentions, whatever their last label.
    pub(super) declared: BTreeSet<String>,
    /// Whether the packet filter leaves a way to any address; and whether that is acknowledged.
    pub(super) anywhere: Option<bool>,
}

impl CheckedWire {
    fn inside(&self) -> Inside {
        let Self { deployment, flows } = self;
        let named = deployment
            .hosts
            .iter()
            .filter_map(|host| host.fqdn.as_ref());
        let own = named.map(|name| name.0.to_string());
        let network = &deployment.network;
        let single = deployment.hosts.iter().map(|host| host.address);
        let single = single
            .chain(network.dns.iter().chain(&network.ntp).copied())
            .chain(deployment.proxy.virtual_address);
        let lists = [
            &network.users,
            &network.admin,
            &deployment.monitoring,
            &deployment.proxy.allow,
        ];
        let mut inside = Inside {
            names: own.chain([deployment.site.0.host().to_string()]).collect(),
            networks: single
                .map(Network::single)
                .chain(lists.into_iter().flatten().map(|text| text.0))
                .collect(),
            ..Inside::default()
        };
        for flow in flows {
            match &flow.to {
                PartyWire::Name(Text(HostName::Dns(name))) => {
                    inside.declared.insert(name.clone());
                }
                PartyWire::Anywhere => {
                    inside.anywhere = Some(deployment.push.egress.as_deref() == Some("on"));
                }
                PartyWire::Name(_) | PartyWire::Hosts(_) | PartyWire::Networks(_) => {}
            }
        }
        inside
    }
}

/// Searches every generated file of a staged tree for hosts outside its deployment. Changes nothing. What
/// cannot be read is given apart, and the rest is searched.
///
/// # Errors
/// When it is no staged tree, or its `plan.json` cannot be read, or the work is asked to stop.
pub fn audit(tree: &Path, cancel: &Cancel) -> Result<TreeAudit, AuditError> {
    let hosts = hosts_of(tree).map_err(|error| match error {
        StageError::Work(WorkError::Io(error)) => AuditError::Path(error),
        _ => AuditError::NoTree(tree.to_owned()),
    })?;
    let path = tree.join(PLAN_JSON);
    let plan: PlanWire = serde_json::from_slice(&fs::read(&path, MAX_PLAN)?)
        .map_err(|source| AuditError::Plan { path, source })?;
    let (entries, refused) = fs::walk_past(tree);
    if entries.len() > MAX_FILES {
        return Err(AuditError::TooMany(tree.to_owned()));
    }
    let mut unreadable: BTreeSet<Unreadable> = refused
        .iter()
        .map(|error| Unreadable::new(tree, error))
        .collect();
    let mut secrets = Vec::new();
    for entry in &entries {
        if entry.path.starts_with(SECRETS) && entry.kind == Kind::File && entry.size <= MAX_SECRET {
            let bytes = match fs::read(&tree.join(&entry.path), MAX_SECRET) {
                Ok(bytes) => bytes,
                Err(error) => {
                    unreadable.insert(Unreadable::new(tree, &error));
                    continue;
                }
            };
            let value = String::from_utf8_lossy(&bytes).trim().to_owned();
            if value.len() >= MIN_SECRET {
                secrets.push(Secret::new(value));
            }
        }
    }
    let mut audit = Audit::over(
        plan.plan.inside(),
        &plan.plan.deployment.policy.egress,
        secrets.iter().collect(),
    );
    let (mut files, mut unread) = (0_usize, Vec::new());
    for entry in &entries {
        cancel.check()?;
        if entry.kind == Kind::Folder || is_foreign(&entry.path) {
            continue;
        }
        let name = entry.path.to_string_lossy();
        if entry.kind != Kind::File || entry.size > MAX_FILE {
            unread.push(name.into_owned());
            continue;
        }
        match fs::read(&tree.join(&entry.path), MAX_FILE) {
            Ok(bytes) => {
                audit.scan(&name, &bytes);
                files = files.saturating_add(1);
            }
            Err(error) => {
                unreadable.insert(Unreadable::new(tree, &error));
            }
        }
    }
    Ok(TreeAudit {
        hosts: hosts.len(),
        files,
        egress: audit.finish(),
        unread,
        unreadable: unreadable.into_iter().collect(),
    })
}

/// Whether a file of the tree was not generated, or is what the audit is held against.
fn is_foreign(path: &Path) -> bool {
    if path.starts_with(SECRETS) || path == Path::new(PLAN_JSON) {
        return true;
    }
    let mut parts = path.components();
    let _host = parts.next();
    let rest = parts.as_path();
    rest.starts_with("artifacts") || rest.starts_with("rootfs/usr/share/keyrings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_upstream_made_is_left_out() {
        for path in [
            "secrets/db-password",
            "plan.json",
            "mm1/artifacts/apt/base/pool/x.deb",
            "mm1/rootfs/usr/share/keyrings/haversack-base.asc",
        ] {
            assert!(is_foreign(Path::new(path)), "{path}");
        }
        for path in [
            "PLAN.txt",
            "mm1/install.sh",
            "mm1/plan.json",
            "mm1/rootfs/etc/x",
            "ansible/artifacts.yml",
        ] {
            assert!(!is_foreign(Path::new(path)), "{path}");
        }
    }
}
