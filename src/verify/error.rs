//! Why a bundle was not accepted.

use std::path::PathBuf;

use crate::bundle::sums::SumsError;
use crate::event::Cancelled;
use crate::fs::{PassError, PathError};
use crate::trust::judge::Refusal;
use crate::types::digest::Digest;
use crate::verify::memory::Rollback;
use crate::verify::problem::Problem;

/// Why a bundle was not accepted. Nothing of it was used, and nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no bundle.
    #[error("{} holds no SHA256SUMS", path.display())]
    NoBundle {
        /// The folder.
        path: PathBuf,
    },
    /// The signatures are not enough.
    #[error("the bundle is not trusted")]
    Trust(#[from] Refusal),
    /// A delta is signed, and the full bundle that it makes is not.
    #[error(
        "the delta is signed, but the list of the full bundle that it makes (sig/KEYID.full.sig) is not signed by whom this network trusts"
    )]
    Full(#[source] Refusal),
    /// The list is wrong although it is signed, or is of a newer format.
    #[error("the list of the bundle is wrong")]
    Sums(#[from] SumsError),
    /// Something is larger than it may be.
    #[error("{what}: larger than {limit} allow")]
    Limit {
        /// What.
        what: String,
        /// How much is allowed.
        limit: &'static str,
    },
    /// The content is not what was signed.
    #[error("{}", summary(problems))]
    Content {
        /// All that was found.
        problems: Vec<Problem>,
    },
    /// It is older than what was accepted before, or claims the number of another.
    #[error("{}", .0.heading())]
    Rollback(#[from] Rollback),
    /// It builds on another bundle.
    #[error("the bundle builds on the bundle {base}, which is not at hand")]
    Base {
        /// Identity of the bundle that it builds on.
        base: Digest,
    },
    /// The policy of this network does not take it in.
    #[error("the policy takes in {what} {allowed}, and this bundle's is {found}")]
    Policy {
        /// A stable id.
        id: &'static str,
        /// Which field.
        what: &'static str,
        /// What is allowed.
        allowed: String,
        /// What was found.
        found: String,
    },
    /// A path was asked for that the bundle does not list, or that is on a volume that is not here.
    #[error("{path}: not in this bundle, or on a volume that is not here")]
    NoFile {
        /// The path.
        path: String,
    },
    /// The file system refused.
    #[error("the bundle cannot be read, or a copy cannot be written")]
    Io(#[from] PathError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl VerifyError {
    /// A stable id for `haversack explain`; its first digit is the exit class.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::NoBundle { .. } => "E291",
            Self::Trust(refusal) | Self::Full(refusal) => refusal.id(),
            Self::Sums(error) => error.id(),
            Self::Limit { .. } => "E502",
            // What is wrong with the bytes counts before what is wrong with the drive.
            Self::Content { problems } => problems.iter().map(Problem::id).min().unwrap_or("E301"),
            Self::Rollback(rollback) => rollback.id(),
            Self::Base { .. } => "E512",
            Self::Policy { id, .. } => id,
            Self::NoFile { .. } => "E304",
            Self::Io(error) => error.id(),
            Self::Cancelled(_) => "E130",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoBundle { .. } => {
                Some("name the folder that holds SHA256SUMS, not the root of the medium".to_owned())
            }
            Self::Trust(refusal) => refusal.hint(),
            Self::Full(_) => Some(
                "sign both lists on the connected side: `haversack sign DELTA --key KEY` does; for a key elsewhere `haversack sign DELTA \
                 --detached` says how"
                    .to_owned(),
            ),
            Self::Sums(error) => error.hint(),
            Self::Limit { .. } => {
                Some("no honest bundle is that large; ask who built it".to_owned())
            }
            Self::Content { problems } => problems.first().and_then(Problem::hint),
            Self::Rollback(rollback) => Some(rollback.hint().to_owned()),
            Self::Base { .. } => Some(
                "complete it first: haversack receive DELTA --base OLD --trust DIR -o NEW; or ask for the full bundle"
                    .to_owned(),
            ),
            Self::Policy { .. } => Some(
                "if it shall come in, those who own the trust directory change policy.toml"
                    .to_owned(),
            ),
            Self::NoFile { .. } => Some("insert the other volumes".to_owned()),
            Self::Io(error) => error.hint(),
            Self::Cancelled(_) => None,
        }
    }
}

impl From<PassError> for VerifyError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Read(error) | PassError::Write(error) => Self::Io(error),
            PassError::Cancelled(cancelled) => Self::Cancelled(cancelled),
        }
    }
}

fn summary(problems: &[Problem]) -> String {
    match problems {
        [] => "the content is not what was signed".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
