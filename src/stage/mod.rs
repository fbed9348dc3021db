//! From bundle and checked plan to a staged tree: one folder a host, ready to install.
//!
//! [`stage`] renders every file in memory, copies what hosts need from the bundle (each byte is
//! read once, hashed on the way, and written once), reads what no host needs once for its hash, so
//! that staging is also a full verification, and puts the finished tree in place in one step.
//!
//! ```text
//! OUT/
//!   plan.json PLAN.txt INSTALL.md
//!   ansible/                 inventory and playbooks that install the hosts in the right order
//!   secrets/                 0700; made once, kept by every later stage
//!   HOST/
//!     preflight.sh install.sh verify.sh rollback.sh checks.json perms.tsv MANIFEST.sha256
//!     artifacts/             upstream's files under their own names; apt/NAME/{dists,pool}
//!     rootfs/                the generated files at their absolute paths
//! ```
//!
//! The same bundle, deployment and secrets give the same bytes.

mod audit;
mod checks;
mod config;
mod difference;
mod egress;
mod facts;
mod fleet;
mod given;
mod host;
mod layout;
pub mod packages;
mod payload;
mod place;
mod quote;
mod render;
mod roles;
pub mod secrets;
mod share;
mod site;
mod summary;
mod tree;
mod verify;
mod write;

pub use audit::{AuditError, TreeAudit, Unreadable, audit};
pub use difference::{
    Change, DifferenceError, FileDifference, FileState, TreeDifference, difference,
};
pub use egress::Egress;
pub use packages::needed_packages;
pub use render::RenderError;
pub use secrets::{OsRandom, Random, SecretError};

use std::path::PathBuf;

use serde::Serialize;

use crate::event::{Cancel, Observer};
use crate::fs::{WorkError, from_work};
use crate::plan::CheckedPlan;
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::verify::{AuthenticBundle, VerifyError};

/// What to stage, and where.
#[derive(Debug, Clone)]
pub struct StageRequest {
    /// The staged tree: absent, empty, or an earlier staged tree, which is replaced but for its
    /// secrets.
    pub out: PathBuf,
    /// A folder with secrets that the operator brings, each a file named as the secret that only
    /// its owner can read; they go before those of an earlier tree. None: nothing is brought.
    pub secrets: Option<PathBuf>,
}

/// What names a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleLabel {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its list.
    pub identity: Digest,
}

/// What was staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageReport {
    /// Where.
    pub out: PathBuf,
    /// The bundle.
    pub bundle: BundleLabel,
    /// Components of the bundle whose files stand in for the real programs: not for production.
    pub stand_ins: Vec<String>,
    /// The hosts, in the order of installation.
    pub hosts: Vec<StagedHost>,
    /// Names of the secrets that were made now; those that were kept are not listed.
    pub secrets_made: Vec<String>,
    /// Files of the bundle that no host needs; each was read and checked.
    pub only_checked: usize,
    /// Hosts outside the deployment that generated files name, each acknowledged by it.
    pub egress: Vec<Egress>,
    /// Sentences that the installer should read; they are in `INSTALL.md` too.
    pub notes: Vec<String>,
}

/// One host of the staged tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StagedHost {
    /// Its name, which is its folder.
    pub name: Name,
    /// How many files its folder holds.
    pub files: usize,
    /// SHA-256 of its `MANIFEST.sha256`.
    pub manifest: Digest,
}

/// Why nothing was staged. The output folder is then what it was.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Bundle and plan do not fit together; every reason.
    #[error("the bundle does not fit the deployment:\n  - {}", .0.join("\n  - "))]
    Unfit(Vec<String>),
    /// Volumes of the bundle are not here.
    #[error("volumes of the bundle are not here: {}", .0.join(", "))]
    Absent(Vec<String>),
    /// Generated files name hosts outside the deployment, and it does not acknowledge them.
    #[error("generated files name hosts outside the deployment:\n  - {}", listed(.0))]
    Egress(Vec<Egress>),
    /// The output folder holds something else.
    #[error("{} is no earlier staged tree: {reason}", path.display())]
    Occupied {
        /// The output folder.
        path: PathBuf,
        /// What does not belong into a staged tree, or is missing in one.
        reason: String,
    },
    /// The output folder lies in the bundle.
    #[error("{} lies in the bundle, which must stay what was signed", .0.display())]
    InBundle(PathBuf),
    /// A file of the bundle is not what its list says, or cannot be read or copied.
    #[error(transparent)]
    Bundle(#[from] VerifyError),
    /// A secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A generated file.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// Generated files break the rules that they are generated by; every finding.
    #[error("the generated files break rules:\n  - {}", .0.join("\n  - "))]
    Unruly(Vec<String>),
    /// What can stop any work on a folder.
    #[error(transparent)]
    Work(WorkError),
}

from_work!(StageError);

impl StageError {
    /// The stable message id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Unfit(_) => "E530",
            Self::Absent(_) => "E801",
            Self::Egress(_) => "E532",
            Self::Occupied { .. } | Self::InBundle(_) => "E531",
            Self::Bundle(error) => error.id(),
            Self::Render(_) | Self::Unruly(_) => "E991",
            Self::Secret(SecretError::Path(error)) => error.id(),
            Self::Secret(_) => "E608",
            Self::Work(error) => error.id(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unfit(_) => {
                "add what is missing to the manifest and build again, or correct the deployment; nothing was staged"
            }
            Self::Absent(_) => {
                "name the folders of all media at once; with one drive, take one medium after the other with haversack gather, and stage from its folder"
            }
            Self::Egress(_) => {
                "correct the name in the deployment; or, when the way to it is arranged and allowed, add it to `egress` in [policy]; nothing was staged"
            }
            Self::Occupied { .. } => {
                "name a folder that does not exist yet, or move what is not part of the staged tree away; nothing was changed"
            }
            Self::InBundle(_) => "name a folder outside the bundle",
            Self::Bundle(error) => return error.hint(),
            Self::Work(error) => return error.hint(),
            Self::Secret(SecretError::Missing(_)) => {
                "write each into a file of that name, mode 0600, in a folder of its own, and stage with --secrets FOLDER; nothing was staged"
            }
            Self::Secret(SecretError::Folder { .. }) => {
                "correct the file or folder; nothing was staged"
            }
            Self::Secret(_) => {
                "look at the folder secrets/ of the staged tree; restore it from a backup"
            }
            Self::Render(_) | Self::Unruly(_) => {
                "report it with the deployment file: this is a fault of haversack"
            }
        };
        Some(text.to_owned())
    }
}

/// The first of them, a line each.
fn listed(found: &[Egress]) -> String {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = found
        .iter()
        .take(SHOWN)
        .map(|one| format!("{} in {} line {}", one.host, one.file, one.line))
        .collect();
    if let Some(more) = found.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("and {more} more places"));
    }
    lines.join("\n  - ")
}

/// Stages a bundle for a plan.
///
/// # Errors
/// See [`StageError`]; whatever it is, an earlier tree at `out` is untouched.
pub fn stage(
    bundle: &AuthenticBundle,
    plan: &CheckedPlan,
    request: &StageRequest,
    random: &dyn Random,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<StageReport, StageError> {
    write::stage(bundle, plan, request, random, observer, cancel)
}
