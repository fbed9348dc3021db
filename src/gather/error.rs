//! Why nothing was gathered.

use std::path::PathBuf;

use crate::event::Cancelled;
use crate::fs::{LockError, PassError, PathError};
use crate::types::size::ByteSize;
use crate::verify::VerifyError;

/// Why nothing, or not everything, was gathered. What is in the folder stays, and is right.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The bundle on the media is not trusted, not taken in, or holds what no bundle holds.
    #[error(transparent)]
    Bundle(#[from] VerifyError),
    /// The folder gathers another bundle.
    #[error("{} gathers the bundle {expected}, and the medium is of {found}", path.display())]
    Other {
        /// The folder.
        path: PathBuf,
        /// Label of the bundle that it gathers.
        expected: String,
        /// Label of the bundle on the medium.
        found: String,
    },
    /// The folder gathers a bundle of the same name and number, and they are different.
    #[error("{} gathers the bundle {expected}, and the medium is of {found}, which claims the same name and number", path.display())]
    Twin {
        /// The folder.
        path: PathBuf,
        /// Label of the bundle that it gathers.
        expected: String,
        /// Label of the bundle on the medium.
        found: String,
    },
    /// The folder holds something else.
    #[error("{} holds something, and is no bundle", .0.display())]
    Occupied(PathBuf),
    /// The folder lies on a medium.
    #[error("{} lies in the bundle that is read", .0.display())]
    Inside(PathBuf),
    /// The file system has too little room.
    #[error("{} needs {}, its file system has {} free", path.display(), ByteSize(*needed), ByteSize(*free))]
    Space {
        /// The folder.
        path: PathBuf,
        /// Bytes to be written.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The file system refused.
    #[error("the folder cannot be written")]
    Io(#[from] PathError),
    /// Another run works on the same folder.
    #[error("the folder is being written by another run")]
    Lock(#[source] LockError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<LockError> for GatherError {
    /// That a lock cannot be taken for want of room or permission is no other run.
    fn from(error: LockError) -> Self {
        match error {
            LockError::Io(error) => Self::Io(error),
            held @ LockError::Held { .. } => Self::Lock(held),
        }
    }
}

impl GatherError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Bundle(error) => error.id(),
            Self::Twin { .. } => "E313",
            Self::Other { .. } => "E314",
            Self::Occupied(_) => "E285",
            Self::Inside(_) => "E290",
            Self::Space { .. } => "E602",
            Self::Io(error) | Self::Lock(LockError::Io(error)) => error.id(),
            Self::Lock(LockError::Held { .. }) => "E606",
            Self::Cancelled(_) => "E130",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Bundle(error) => return error.hint(),
            Self::Io(error) | Self::Lock(LockError::Io(error)) => return error.hint(),
            Self::Twin { .. } => {
                "set this medium aside, and compare both labels with the one that the builder gave you; what was gathered is right and stays, nothing was written"
            }
            Self::Other { .. } => {
                "insert a medium of the bundle that was begun, or name another folder; nothing was written"
            }
            Self::Occupied(_) => "name a folder that does not exist yet; nothing was written",
            Self::Inside(_) => "name a folder outside the bundle; nothing was written",
            Self::Space { .. } => "free some space or choose another folder; nothing was copied",
            Self::Lock(LockError::Held { .. }) => "wait for the other run to end",
            Self::Cancelled(_) => "run the same command again: it goes on where it stopped",
        };
        Some(text.to_owned())
    }
}

impl From<PassError> for GatherError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Read(error) | PassError::Write(error) => Self::Io(error),
            PassError::Cancelled(cancelled) => Self::Cancelled(cancelled),
        }
    }
}
