//! A first manifest and a first deployment from a few answers: files that people go on to edit.
//!
//! The manifest comes from one template and from the rows of `manifests/options`; the manifests
//! that ship for Debian, Ubuntu and RHEL are what [`manifest()`] gives for their [`ManifestWish`].
//! The deployment is read and judged by the rules before anybody sees it: answers that a rule
//! refuses give that refusal, and no file.

mod answers;
mod deployment;
mod manifest;
mod render;
mod rows;

pub use answers::{Answers, HostAnswer, MAX_HOSTS, StorageAnswer, hosts};
pub use manifest::{Detail, ManifestWish, manifest};
pub use render::RenderError;
pub use rows::{ParseRowsError, Rows};

use crate::manifest::{Manifest, ManifestProblems};
use crate::plan::deployment::{Role, Switch};
use crate::plan::{Context, Findings, Problems, Severity};
use crate::types::name::Name;
use crate::types::target::{Distribution, Family};

/// The name of the manifest.
pub const MANIFEST: &str = "manifest.toml";
/// The name of the deployment.
pub const DEPLOYMENT: &str = "deployment.toml";

/// The two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drafts {
    /// The text of the manifest.
    pub manifest: String,
    /// The text of the deployment.
    pub deployment: String,
    /// Files that the deployment names, which the operator brings; sorted.
    pub needed: Vec<String>,
    /// What the rules say about the deployment; no errors.
    pub findings: Findings,
}

/// Why the answers give no files.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A word of the list of hosts is wrong.
    #[error("`{word}` {why}")]
    Host {
        /// The word, escaped and shortened.
        word: String,
        /// What is wrong.
        why: String,
    },
    /// There is no host.
    #[error("no host is named")]
    NoHost,
    /// One of several hosts has no part.
    #[error("the host `{0}` has no role")]
    NoRole(Name),
    /// The storage is to be on a host, and none has the role.
    #[error("files are to be kept by a host with the role `{0}`, and none has it")]
    NoServer(Role),
    /// The answers contradict each other or the format of the deployment.
    #[error("the answers make no deployment\n{0}")]
    Deployment(Problems),
    /// Rules refuse the deployment.
    #[error("rules refuse these answers: {}", ids(.0))]
    Refused(Findings),
    /// The distribution has no package of what a host is to do.
    #[error(
        "the host `{host}` has the role monitor, and {distribution} has no package of Prometheus"
    )]
    NoPackage {
        /// The host.
        host: Name,
        /// The distribution.
        distribution: Distribution,
    },
    /// The manifest does not read: a mistake of this program.
    #[error("the manifest for these answers is wrong")]
    Manifest(#[source] ManifestProblems),
    /// A template does not fit: a mistake of this program.
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl InitError {
    fn host(word: &str, why: String) -> Self {
        let word = word.chars().take(80).flat_map(char::escape_default);
        Self::Host {
            word: word.collect(),
            why,
        }
    }

    /// The stable message id.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Host { .. }
            | Self::NoHost
            | Self::NoRole(_)
            | Self::NoServer(_)
            | Self::NoPackage { .. } => "E200",
            Self::Deployment(_) => "E240",
            Self::Refused(_) => "E540",
            Self::Manifest(_) | Self::Render(_) => "E990",
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Host { .. } | Self::NoHost => {
                "write --hosts mm1=10.20.0.10, or --hosts web1=10.20.0.5,proxy,app1=10.20.0.11,app,db1=10.20.0.20,db"
            }
            Self::NoRole(_) => {
                "only one host alone has roles by itself; write NAME=ADDRESS,ROLE,... for each of several"
            }
            Self::NoServer(Role::Nfs) => {
                "give a host the role nfs, or name a server that exists: --nfs-server"
            }
            Self::NoServer(_) => "give one host that role: NAME=ADDRESS,minio",
            Self::NoPackage { .. } => {
                "leave that host out, and let a host of the Debian family watch the others"
            }
            Self::Deployment(_) => "change the answers; nothing was written",
            Self::Refused(_) => "follow the fix of each error; nothing was written",
            Self::Manifest(_) | Self::Render(_) => return None,
        };
        Some(text.to_owned())
    }
}

/// The files for these answers. `context` is what the rules may know.
///
/// # Errors
/// When the answers contradict each other, or a rule refuses them.
pub fn drafts(answers: &Answers, context: &Context) -> Result<Drafts, InitError> {
    let hosts = answers.complete()?;
    let distribution = answers.distribution;
    let watches = hosts
        .iter()
        .find(|host| host.roles.contains(&Role::Monitor));
    if let (Some(host), Family::Rhel) = (watches, distribution.family()) {
        let host = host.name.clone();
        return Err(InitError::NoPackage { host, distribution });
    }
    let deployment = deployment::draft(answers, &hosts)?;
    let findings = deployment::judge(&deployment.text, context)?;
    let wish = ManifestWish {
        distribution,
        arch: answers.arch,
        edition: answers.edition,
        roles: hosts.iter().flat_map(|host| host.roles.clone()).collect(),
        nfs: Switch::from_bool(matches!(answers.storage, StorageAnswer::Nfs(_))),
        failover: Switch::Off,
        rows: answers.rows.clone(),
        detail: Detail::Chosen,
    };
    let manifest = manifest(&wish)?;
    Manifest::parse(&manifest, MANIFEST).map_err(InitError::Manifest)?;
    Ok(Drafts {
        manifest,
        deployment: deployment.text,
        needed: deployment.needed,
        findings,
    })
}

/// The rules whose errors are among the findings, each once.
fn ids(findings: &Findings) -> String {
    let errors = findings.iter().filter(|one| one.level == Severity::Error);
    let mut ids: Vec<&str> = errors.map(|one| one.id).collect();
    ids.dedup();
    ids.join(", ")
}
