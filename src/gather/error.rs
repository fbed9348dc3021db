//! Why nothing was gathered.

use std::path::PathBuf;

use crate::fs::{WorkError, from_work};
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
    /// What can stop any work on a folder.
    #[error(transparent)]
    Work(WorkError),
}

from_work!(GatherError);

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
            Self::Work(error) => error.id(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Bundle(error) => return error.hint(),
            Self::Work(error) => return error.hint(),
            Self::Twin { .. } => {
                "set this medium aside, and compare both labels with the one that the builder gave you; what was gathered is right and stays, nothing was written"
            }
            Self::Other { .. } => {
                "insert a medium of the bundle that was begun, or name another folder; nothing was written"
            }
            Self::Occupied(_) => "name a folder that does not exist yet; nothing was written",
            Self::Inside(_) => "name a folder outside the bundle; nothing was written",
        };
        Some(text.to_owned())
    }
}
