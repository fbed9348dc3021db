//! Why no bundle was written.

use std::path::PathBuf;

use crate::bundle::request::RequestError;
use crate::event::Cancelled;
use crate::fs::{LockError, PassError, PathError};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::types::size::ByteSize;

/// Why no bundle was written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The request cannot become a bundle.
    #[error("this cannot be packed")]
    Request(#[from] RequestError),
    /// The file system refused.
    #[error("the bundle cannot be written")]
    Io(#[from] PathError),
    /// Another run works on the same bundle.
    #[error("the bundle is being written by another run")]
    Lock(#[source] LockError),
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
    /// The file system has too little room.
    #[error("{} needs {}, its file system has {} free", path.display(), ByteSize(*needed), ByteSize(*free))]
    Space {
        /// The target.
        path: PathBuf,
        /// Bytes to be written.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// The folder beside the target where an earlier run left files that are gone on with.
        kept: Option<PathBuf>,
    },
    /// The target has no name or no parent folder.
    #[error("{}: no folder for a bundle", path.display())]
    Target {
        /// The target.
        path: PathBuf,
    },
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<LockError> for PackError {
    /// That a lock cannot be taken for want of room or permission is no other run.
    fn from(error: LockError) -> Self {
        match error {
            LockError::Io(error) => Self::Io(error),
            held @ LockError::Held { .. } => Self::Lock(held),
        }
    }
}

impl PackError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Request(error) => error.id(),
            Self::Io(error) | Self::Lock(LockError::Io(error)) => error.id(),
            Self::Lock(LockError::Held { .. }) => "E606",
            Self::Exists { .. } | Self::Target { .. } => "E285",
            Self::Damaged { .. } => "E315",
            Self::Store { .. } => "E316",
            Self::Space { .. } => "E602",
            Self::Cancelled(_) => "E130",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(error) | Self::Lock(LockError::Io(error)) => error.hint(),
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
            Self::Space { kept: None, .. } => {
                Some("free some space or choose another folder; nothing was written".to_owned())
            }
            Self::Space {
                kept: Some(kept), ..
            } => Some(format!(
                "free some space and run the same command again: it goes on with what an earlier run left in {}, which may be removed, too",
                kept.display()
            )),
            Self::Target { .. } => Some("name a folder that does not exist yet".to_owned()),
            Self::Lock(LockError::Held { .. }) => {
                Some("wait for that run to end, or choose another folder".to_owned())
            }
            Self::Request(error) => error.hint(),
            Self::Cancelled(_) => None,
        }
    }
}

impl From<PassError> for PackError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Read(error) | PassError::Write(error) => Self::Io(error),
            PassError::Cancelled(cancelled) => Self::Cancelled(cancelled),
        }
    }
}
