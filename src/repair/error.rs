//! Why nothing was repaired.

use std::path::PathBuf;

use crate::fs::{WorkError, from_work};
use crate::types::digest::Digest;
use crate::types::path::RelPath;

/// Why nothing was repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Something stands at the target.
    #[error("{} exists", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The bundle has no parity that could be used.
    #[error("{what}")]
    NoParity {
        /// What is missing.
        what: &'static str,
    },
    /// More is lost than the parity gives back.
    #[error(
        "{lost} blocks are lost, {left} can be rebuilt; lost files: {}; {safe} other files are good", files.join(", ")
    )]
    Beyond {
        /// Lost blocks of the worst group.
        lost: u64,
        /// How many of them can be rebuilt.
        left: u64,
        /// The files with lost blocks.
        files: Vec<String>,
        /// Files that are good.
        safe: u64,
    },
    /// Small files are damaged in every place; parity does not cover them.
    #[error("damaged in every place, and not covered by parity: {}", files.join(", "))]
    Small {
        /// The files.
        files: Vec<String>,
    },
    /// What was rebuilt is not what was signed: a medium changed while it was read.
    #[error("{path}: rebuilt with sha256 {found}, listed {expected}")]
    Wrong {
        /// The file.
        path: RelPath,
        /// Its digest in the list.
        expected: Digest,
        /// Its digest as rebuilt.
        found: Digest,
    },
    /// It is a delta.
    #[error("this is a delta on the bundle {base}, and no bundle by itself")]
    Delta {
        /// Identity of the bundle that it builds on.
        base: Digest,
    },
    /// With the patch it is not enough either.
    #[error(
        "the patch {} does not bring what is lost: {good} of its pieces count, {damaged} are damaged", path.display()
    )]
    Patch {
        /// The folder of the patch.
        path: PathBuf,
        /// How many of its pieces are wanted, and right.
        good: usize,
        /// How many are wanted, and have other bytes.
        damaged: usize,
        /// What is still lacking.
        #[source]
        source: Box<RepairError>,
    },
    /// The patch is that of another bundle.
    #[error("the patch {} holds nothing of the bundle {bundle}", path.display())]
    OtherPatch {
        /// The folder of the patch.
        path: PathBuf,
        /// Label of the bundle.
        bundle: String,
    },
    /// What can stop any work on a folder.
    #[error(transparent)]
    Work(WorkError),
}

from_work!(RepairError);

impl RepairError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "E285",
            Self::NoParity { .. } => "E322",
            Self::Beyond { .. } | Self::Small { .. } => "E321",
            Self::Delta { .. } => "E512",
            Self::Patch { .. } => "E323",
            Self::OtherPatch { .. } => "E314",
            Self::Wrong { .. } => "E301",
            Self::Work(error) => error.id(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Exists { .. } => {
                "name a folder that does not exist yet; a repair never writes over anything"
            }
            Self::NoParity { .. } | Self::Beyond { .. } => {
                "add another copy of the bundle as a further place, or carry again what is lost: haversack verify --recarry LIST, haversack patch, haversack repair --patch; nothing was written"
            }
            Self::Small { .. } => {
                "add another copy of the bundle as a further place (each medium holds these files), or carry them again: haversack verify --recarry LIST, haversack patch, haversack repair --patch"
            }
            Self::Delta { .. } => {
                "complete it first: haversack receive DELTA --base OLD --trust DIR -o NEW; a damaged one is carried over again"
            }
            Self::Patch { damaged: 0, .. } => {
                "have the list written anew by haversack verify --recarry, and the patch of it by haversack patch; nothing was written"
            }
            Self::Patch { .. } => "carry the patch over again; nothing was written",
            Self::OtherPatch { .. } => {
                "name the patch of this bundle: haversack patch prints of which bundle one is; nothing was written"
            }
            Self::Wrong { .. } => "run the same command again; read from a copy if it stays",
            Self::Work(error) => return error.hint(),
        };
        Some(text.to_owned())
    }
}
