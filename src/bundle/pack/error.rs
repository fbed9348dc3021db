//! Why no bundle was written.

use std::path::PathBuf;

use crate::bundle::request::RequestError;
use crate::fs::{WorkError, from_work};
use crate::types::digest::Digest;
use crate::types::path::RelPath;

/// Why no bundle was written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The request cannot become a bundle.
    #[error("this cannot be packed")]
    Request(#[from] RequestError),
    /// Something else stands at the target.
    #[error("{} exists and is not this bundle: its SHA256SUMS is {found}", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
        /// What was found there: a digest, or that there is none.
        found: String,
    },
    /// The same bundle stands at the target, but something happened to it.
    #[error("{} is this bundle, but {file} is {problem}", path.display())]
    Damaged {
        /// The target.
        path: PathBuf,
        /// The file, by its path in the bundle.
        file: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The store does not hold a file, or holds other bytes under its name.
    #[error("{path}: the store has {found}, not the file of sha256 {expected}")]
    Store {
        /// The file in the bundle.
        path: RelPath,
        /// Its digest.
        expected: Digest,
        /// What the store has.
        found: String,
    },
    /// The file system has too little room for the rest of a bundle that an earlier run began.
    #[error("{no_room}")]
    Rest {
        /// How much is lacking.
        no_room: WorkError,
        /// The folder beside the target where the earlier run left files that are gone on with.
        kept: PathBuf,
    },
    /// The target has no name or no parent folder.
    #[error("{}: no folder for a bundle", path.display())]
    Target {
        /// The target.
        path: PathBuf,
    },
    /// What can stop any work on a folder.
    #[error(transparent)]
    Work(WorkError),
}

from_work!(PackError);

impl PackError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Request(error) => error.id(),
            Self::Work(error) | Self::Rest { no_room: error, .. } => error.id(),
            Self::Exists { .. } | Self::Target { .. } => "E285",
            Self::Damaged { .. } => "E315",
            Self::Store { .. } => "E316",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Work(WorkError::Space { .. }) => {
                Some("free some space or choose another folder; nothing was written".to_owned())
            }
            Self::Work(error) => error.hint(),
            Self::Exists { .. } => Some(
                "choose another folder, raise the sequence, or move the old bundle away; it was left as it is"
                    .to_owned(),
            ),
            Self::Damaged { path, .. } => Some(format!(
                "move {} away and build again; it was left as it is",
                path.display()
            )),
            Self::Store { .. } => {
                Some("run the same command again: it fetches the file anew".to_owned())
            }
            Self::Rest { kept, .. } => Some(format!(
                "free some space and run the same command again: it goes on with what an earlier run left in {}, which may be removed, too",
                kept.display()
            )),
            Self::Target { .. } => Some("name a folder that does not exist yet".to_owned()),
            Self::Request(error) => error.hint(),
        }
    }
}
