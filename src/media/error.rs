//! Why a medium was not written.

use std::path::PathBuf;

use crate::bundle::contents::ContentsError;
use crate::bundle::sums::SumsError;
use crate::fs::{WorkError, from_work};
use crate::types::digest::Digest;
use crate::types::size::ByteSize;

/// Why a medium was not written. The bundle is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// There is no bundle.
    #[error("{} holds no SHA256SUMS", .0.display())]
    NoBundle(PathBuf),
    /// Its list is wrong.
    #[error("the list of the bundle is wrong")]
    Sums(#[from] SumsError),
    /// Its `bundle.json` is wrong.
    #[error("the description of the bundle is wrong")]
    Contents(#[from] ContentsError),
    /// It has no such volume.
    #[error("the bundle has no volume {wanted}; it has {}", have.join(", "))]
    NoVolume {
        /// What was asked for.
        wanted: String,
        /// Its volumes.
        have: Vec<String>,
    },
    /// The re-carry list is of another bundle.
    #[error("the list is of the bundle {expected}, and this is {found}")]
    OtherBundle {
        /// Label of the bundle that the list is of.
        expected: String,
        /// Label of the bundle that is here.
        found: String,
    },
    /// The re-carry list names what the bundle does not have.
    #[error("the bundle has no such piece: {0}")]
    NoPiece(String),
    /// A file of the bundle is not what its list says.
    #[error("{path}: {found}, listed {expected}")]
    Altered {
        /// The file.
        path: String,
        /// Its digest in the list.
        expected: Digest,
        /// What was found.
        found: String,
    },
    /// The medium takes no file that long.
    #[error("{path}: {}, and {medium} takes at most {} a file", ByteSize(*size), ByteSize(*limit))]
    TooLong {
        /// The file.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The most that a file may have there.
        limit: u64,
        /// The kind of medium.
        medium: &'static str,
    },
    /// Something else stands at the target.
    #[error("{} exists, and is not this bundle", .0.display())]
    Exists(PathBuf),
    /// The medium carries another volume, and both would be lost with it.
    #[error("{} carries {other} already, and {volume} does not belong beside it", path.display())]
    Together {
        /// The folder of the bundle on the medium.
        path: PathBuf,
        /// The volume that was to be written.
        volume: String,
        /// The volume that is there.
        other: String,
    },
    /// The target lies in the bundle.
    #[error("{} lies in the bundle that is read", .0.display())]
    Inside(PathBuf),
    /// The medium does not give back what was written to it.
    #[error("{path}: read back with sha256 {found}, written {expected}")]
    ReadBack {
        /// The file.
        path: String,
        /// What was written.
        expected: Digest,
        /// What was read.
        found: String,
    },
    /// The program that writes images is not there, or refused.
    #[error("xorriso: {0}")]
    Image(String),
    /// What can stop any work on a folder.
    #[error(transparent)]
    Work(WorkError),
}

from_work!(MediaError);

impl MediaError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::NoBundle(_) => "E291",
            Self::Sums(error) => error.id(),
            Self::Contents(error) => error.id(),
            Self::NoVolume { .. } => "E288",
            Self::NoPiece(_) => "E289",
            Self::OtherBundle { .. } => "E314",
            Self::Altered { .. } => "E301",
            Self::TooLong { .. } => "E611",
            Self::Exists(_) => "E285",
            Self::Inside(_) => "E290",
            Self::Together { .. } => "E280",
            Self::ReadBack { .. } => "E317",
            Self::Image(_) => "E612",
            Self::Work(error) => error.id(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoBundle(_) => "name the folder that holds SHA256SUMS",
            Self::Sums(error) => return error.hint(),
            Self::Contents(_) => "build the bundle again",
            Self::NoVolume { .. } => "name one of them with --volume, or none for all",
            Self::OtherBundle { .. } => "name the bundle that the media were written from",
            Self::NoPiece(_) => "have the list written anew by haversack verify --recarry",
            Self::Altered { .. } => "build the bundle again, or repair it; the medium is not whole",
            Self::TooLong { .. } => {
                "build with --volume-size fat32, which cuts longer files, or use a medium with another file system (ISO 9660 would need \
                 several extents for such a file, which not every system reads); nothing was written"
            }
            Self::Work(WorkError::Space { .. }) => {
                "use an empty medium, or build with a smaller --volume-size; nothing was written"
            }
            Self::Exists(_) => "use an empty medium; what stands there was left as it is",
            Self::Together { .. } => {
                "use a medium for each volume: with one medium the parity would lose what it protects; or say --together. Nothing was written"
            }
            Self::Inside(_) => "name a medium that the bundle does not lie on; nothing was written",
            Self::ReadBack { .. } => "do not carry this medium: take a new one, and write again",
            Self::Image(_) => "install xorriso, or look at what it said above",
            Self::Work(error) => return error.hint(),
        };
        Some(text.to_owned())
    }
}
