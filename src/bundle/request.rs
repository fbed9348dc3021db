//! What is to be packed. No I/O.

use std::collections::BTreeMap;

use crate::bundle::base::Base;
use crate::bundle::changes::{Change, ChangesFormatError};
use crate::bundle::contents::{ContentsError, FileInfo, FileKind, RepositoryInfo};
use crate::bundle::header::{Created, Marking, Sequence, Version};
use crate::bundle::planned::info;
use crate::bundle::sums::SumsError;
use crate::bundle::volumes::VolumeSize;
use crate::parity::shape::{Amount, ShapeError};
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::path::{ParsePathError, RelPath};
use crate::types::size::ByteSize;
use crate::types::target::Target;

/// What is to be packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRequest {
    /// Name of the bundle.
    pub name: Name,
    /// Version of its leading component.
    pub version: Version,
    /// Number that only grows.
    pub sequence: Sequence,
    /// When it is made.
    pub created: Created,
    /// The security marking that media with it carry.
    pub marking: Marking,
    /// What it is for.
    pub target: Target,
    /// How much parity it carries.
    pub parity: Option<Amount>,
    /// How much a volume holds; none: everything is in one.
    pub volume_size: Option<VolumeSize>,
    /// The bundle that it builds on, when it shall be a delta; not together with parity.
    pub base: Option<Base>,
    /// For files of the payload, by their paths in `items`: the changes that make them of files of the base, and
    /// are carried instead.
    pub changes: BTreeMap<RelPath, ItemChange>,
    /// Its payload and evidence, in any order. `README.txt`, `label.txt`, `verify.sh` and
    /// `bundle.json` are made while packing.
    pub items: Vec<Item>,
    /// The package repositories in it.
    pub repositories: Vec<RepositoryInfo>,
}

/// One file to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it will stand: below `v1/` or `evidence/`. Which volume takes the place of `v1` is decided
    /// when they are packed.
    pub path: RelPath,
    /// Where its bytes come from.
    pub source: Source,
    /// What it is; its size must be that of the source.
    pub info: FileInfo,
}

/// A change that makes a file of a file of the base, proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemChange {
    /// Where its bytes come from.
    pub source: Source,
    /// What it is.
    pub change: Change,
}

/// Where the bytes of a file come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// The store.
    Stored {
        /// SHA-256 of the file.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
    /// Memory.
    Bytes(Vec<u8>),
}

/// Why a request cannot become a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A path is not where a packed file may stand.
    #[error("{0}: packed files stand below v1/ or evidence/")]
    Place(RelPath),
    /// Two different files would have the same path.
    #[error("{0}: two different files have this path")]
    Conflict(RelPath),
    /// What is said about a file is not what its source is.
    #[error("{path}: described with {described} bytes, its source has {size}")]
    Size {
        /// The file.
        path: RelPath,
        /// Size in its description.
        described: u64,
        /// Size of its source.
        size: u64,
    },
    /// The sizes add up to more than a number holds.
    #[error("the sizes add up to more than 2^64 bytes")]
    TooLarge,
    /// The list cannot be made.
    #[error("the list of the bundle cannot be made")]
    Sums(#[from] SumsError),
    /// The description cannot be made.
    #[error("the description of the bundle cannot be made")]
    Contents(#[from] ContentsError),
    /// The description of the changes cannot be made.
    #[error("the description of the changes cannot be made")]
    Changes(#[from] ChangesFormatError),
    /// The parity cannot be made.
    #[error("the parity of the bundle cannot be made")]
    Parity(#[from] ShapeError),
    /// Parity covers a full bundle, of which a delta carries a part only.
    #[error("a delta carries no parity")]
    DeltaParity,
    /// What every medium carries leaves no room.
    #[error(
        "a volume holds {}, and the files that every medium carries, with the reserve of 256 KiB beside them, take {} of it", ByteSize(*size), ByteSize(*small)
    )]
    Small {
        /// Bytes of a volume.
        size: u64,
        /// Bytes of the files that every medium carries, and of what must stay free beside them.
        small: u64,
    },
    /// More volumes than a bundle may have, or more parts than a file.
    #[error("with {} a volume the payload takes more than 999 volumes, or a file more than 1000 parts", ByteSize(*size))]
    Volumes {
        /// Bytes of a volume.
        size: u64,
    },
    /// A file must be cut, and the names of its parts do not fit.
    #[error("{path} must be cut into parts")]
    PartName {
        /// The file.
        path: RelPath,
        /// What is wrong with the name of a part.
        #[source]
        source: ParsePathError,
    },
}

impl RequestError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Place(_) | Self::Conflict(_) | Self::Size { .. } | Self::PartName { .. } => {
                "E284"
            }
            Self::Small { .. } | Self::Volumes { .. } => "E287",
            Self::TooLarge => "E501",
            Self::Parity(_) | Self::DeltaParity => "E286",
            Self::Sums(error) => error.id(),
            Self::Contents(error) => error.id(),
            Self::Changes(error) => error.id(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Small { .. } => "choose a larger --volume-size",
            Self::Volumes { .. } => "choose a larger --volume-size, so that fewer are needed",
            Self::Parity(_) => {
                "ask for 1 to 100 percent with --parity; a bundle without payload has none"
            }
            Self::DeltaParity => "leave out --parity, or build the full bundle without --base",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl Source {
    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Stored { digest, .. } => *digest,
            Self::Bytes(bytes) => Digest::of(bytes),
        }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Stored { size, .. } => *size,
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stored { digest, size } => write!(f, "Stored({digest}, {size} bytes)"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

impl Item {
    /// A file of evidence whose bytes are at hand.
    #[must_use]
    pub fn evidence(path: RelPath, bytes: Vec<u8>) -> Self {
        let source = Source::Bytes(bytes);
        Self {
            info: info(source.size(), FileKind::Evidence),
            path,
            source,
        }
    }
}
