//! What can stop any work that writes a folder, whatever it writes.
//!
//! The steps that write bundles, media and trees each have reasons of their own to refuse. That the disk is full, that
//! another run is at work, or that somebody asked to stop is the same for all of them, and is told here, once.

use std::path::{Path, PathBuf};

use crate::event::Cancelled;
use crate::fs::{LockError, PassError, PathError, free_space};
use crate::types::size::ByteSize;

/// Why work on a folder did not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The file system has too little room; this was found before anything was written.
    #[error("{} needs {}, its file system has {} free", path.display(), ByteSize(*needed), ByteSize(*free))]
    Space {
        /// The target.
        path: PathBuf,
        /// Bytes to be written.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The file system or the pipe refused.
    #[error(transparent)]
    Io(PathError),
    /// Another run works on the same folder.
    #[error(transparent)]
    Held(LockError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(Cancelled),
}

impl WorkError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Space { .. } => "E602",
            Self::Io(error) | Self::Held(LockError::Io(error)) => error.id(),
            Self::Held(LockError::Held { .. }) => "E606",
            Self::Cancelled(_) => "E130",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Space { .. } => Some(
                "free some space and run the same command again, or choose another folder"
                    .to_owned(),
            ),
            Self::Io(error) | Self::Held(LockError::Io(error)) => error.hint(),
            Self::Held(LockError::Held { .. }) => {
                Some("wait for that run to end, or choose another folder".to_owned())
            }
            // Its text says it.
            Self::Cancelled(_) => None,
        }
    }
}

impl From<PathError> for WorkError {
    fn from(error: PathError) -> Self {
        Self::Io(error)
    }
}

impl From<Cancelled> for WorkError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

impl From<LockError> for WorkError {
    /// That a lock cannot be taken for want of room or permission is no other run.
    fn from(error: LockError) -> Self {
        match error {
            LockError::Io(error) => Self::Io(error),
            held @ LockError::Held { .. } => Self::Held(held),
        }
    }
}

impl From<PassError> for WorkError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Read(error) | PassError::Write(error) => Self::Io(error),
            PassError::Cancelled(cancelled) => Self::Cancelled(cancelled),
        }
    }
}

/// Gives an error with a variant `Work(WorkError)` the conversions of everything that [`WorkError`] holds.
macro_rules! from_work {
    ($error:ty) => {
        crate::fs::from_work!($error: $crate::fs::WorkError, $crate::fs::PathError, $crate::fs::LockError,
            $crate::fs::PassError, $crate::event::Cancelled);
    };
    ($error:ty: $($part:ty),+) => {
        $(impl From<$part> for $error {
            fn from(error: $part) -> Self {
                Self::Work(error.into())
            }
        })+
    };
}
pub(crate) use from_work;

/// Holds what shall be written against what is free on the file system of `on`; `target` is what the user named.
///
/// # Errors
/// [`WorkError::Space`] when it does not fit, [`WorkError::Io`] when that cannot be found out.
pub fn check_room(target: &Path, on: &Path, needed: u64) -> Result<(), WorkError> {
    let free = free_space(on)?;
    if needed <= free {
        return Ok(());
    }
    Err(WorkError::Space {
        path: target.to_owned(),
        needed,
        free,
    })
}

/// The folder `.NAME.part` beside `target`, in which what will stand there is made; none for a path without a name.
#[must_use]
pub fn part_beside(target: &Path) -> Option<PathBuf> {
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(target.file_name()?);
    hidden.push(".part");
    Some(target.with_file_name(hidden))
}
