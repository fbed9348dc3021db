//! What is to be packed, and what a bundle of it will look like. No I/O.

use std::collections::BTreeMap;

use crate::bundle::contents::{
    BUNDLE_JSON, Contents, ContentsError, FORMAT, FileInfo, FileKind, RepositoryInfo,
};
use crate::bundle::documents;
use crate::bundle::header::{Created, Header, Marking, Sequence, Version};
use crate::bundle::payload::{self, Payload};
use crate::bundle::sums::{Sums, SumsError};
use crate::parity::index;
use crate::parity::shape::{Amount, Shape, ShapeError};
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::Target;

/// How many volumes a bundle has.
const VOLUMES: u16 = 1;

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
    /// Its payload and evidence, in any order. `README.txt`, `label.txt`, `verify.sh` and
    /// `bundle.json` are made while packing.
    pub items: Vec<Item>,
    /// The package repositories in it.
    pub repositories: Vec<RepositoryInfo>,
}

/// One file to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it will stand: below `v1/` or `evidence/`.
    pub path: RelPath,
    /// Where its bytes come from.
    pub source: Source,
    /// What it is; its size must be that of the source.
    pub info: FileInfo,
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
    /// The parity cannot be made.
    #[error("the parity of the bundle cannot be made")]
    Parity(#[from] ShapeError),
}

impl RequestError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Place(_) | Self::Conflict(_) | Self::Size { .. } => "E284",
            Self::TooLarge => "E501",
            Self::Parity(_) => "E286",
            Self::Sums(error) => error.id(),
            Self::Contents(error) => error.id(),
        }
    }
}

/// A bundle before it is written: every byte of it is known, but for the parity, which is made of the
/// written payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    header: Header,
    contents: Contents,
    /// Size of `bundle.json`.
    own_size: u64,
    /// Every file but those of the parity, sorted by path.
    pub(crate) files: Vec<PlannedFile>,
    /// The payload and its parity, when some is asked for.
    pub(crate) parity: Option<PlannedParity>,
}

/// One file before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedFile {
    pub(crate) path: RelPath,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) source: Source,
}

/// The parity before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedParity {
    pub(crate) payload: Payload,
    pub(crate) shape: Shape,
    /// Size of each of its files.
    pub(crate) files: BTreeMap<RelPath, u64>,
}

impl Planned {
    /// The list, once the digests of the parity files are known.
    pub(crate) fn list(&self, parity: &BTreeMap<RelPath, Digest>) -> Result<Sums, RequestError> {
        let known = self.files.iter().map(|file| (&file.path, &file.digest));
        let entries = known
            .chain(parity)
            .map(|(path, digest)| (path.clone(), *digest))
            .collect();
        let sums = Sums::new(self.header.clone(), entries)?;
        self.contents.compare(&sums, self.own_size)?;
        Ok(sums)
    }

    /// Bytes of all files.
    pub(crate) const fn bytes(&self) -> u64 {
        self.header.bytes
    }
}

impl PlannedParity {
    fn new(
        amount: Amount,
        sources: &BTreeMap<RelPath, (Source, FileInfo)>,
    ) -> Result<Self, RequestError> {
        let sizes = sources
            .iter()
            .map(|(path, (source, _))| (path, source.size()));
        let payload = Payload::new(sizes, VOLUMES);
        let shape = Shape::new(payload.volumes(), amount)?;
        let mut files: BTreeMap<RelPath, u64> = payload::parity_files(&shape)
            .into_iter()
            .map(|file| {
                let blocks = file.end.saturating_sub(file.first);
                (file.path, blocks.saturating_mul(shape.block()))
            })
            .collect();
        let list = index::length(&shape);
        files.extend(
            payload::block_lists(&shape)
                .into_iter()
                .map(|path| (path, list)),
        );
        Ok(Self {
            payload,
            shape,
            files,
        })
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

impl PackRequest {
    /// Every file of the bundle and its list. Files come sorted by path.
    pub(crate) fn plan(&self) -> Result<Planned, RequestError> {
        let mut sources: BTreeMap<RelPath, (Source, FileInfo)> = BTreeMap::new();
        for item in &self.items {
            if !matches!(item.path.first(), "v1" | "evidence")
                || item.path.first() == item.path.as_str()
            {
                return Err(RequestError::Place(item.path.clone()));
            }
            if item.info.size != item.source.size() {
                return Err(RequestError::Size {
                    path: item.path.clone(),
                    described: item.info.size,
                    size: item.source.size(),
                });
            }
            let new = (item.source.clone(), item.info.clone());
            if let Some((source, info)) = sources.insert(item.path.clone(), new)
                && (source.digest() != item.source.digest() || info != item.info)
            {
                return Err(RequestError::Conflict(item.path.clone()));
            }
        }
        for (path, text) in documents::all(self) {
            let source = Source::Bytes(text.into_bytes());
            let info = info(source.size(), FileKind::Document);
            sources.insert(path, (source, info));
        }
        let parity = self
            .parity
            .map(|amount| PlannedParity::new(amount, &sources))
            .transpose()?;
        let made = parity.iter().flat_map(|parity| &parity.files);
        let mut repositories = self.repositories.clone();
        repositories.sort_by(|a, b| a.name.cmp(&b.name));
        let contents = Contents {
            format: FORMAT,
            target: self.target,
            files: sources
                .iter()
                .map(|(path, (_, info))| (path.clone(), info.clone()))
                .chain(
                    made.clone()
                        .map(|(path, size)| (path.clone(), info(*size, FileKind::Parity))),
                )
                .collect(),
            repositories,
        };
        let json = Source::Bytes(contents.render()?.into_bytes());
        let own_size = json.size();
        let mut files: Vec<PlannedFile> = sources
            .into_iter()
            .map(|(path, (source, _))| planned(path, source))
            .collect();
        files.push(planned(documents::path(BUNDLE_JSON), json));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let bytes = files
            .iter()
            .map(|file| file.size)
            .chain(made.map(|(_, size)| *size))
            .try_fold(0_u64, u64::checked_add)
            .ok_or(RequestError::TooLarge)?;
        let header = Header {
            name: self.name.clone(),
            version: self.version.clone(),
            sequence: self.sequence,
            created: self.created,
            base: None,
            volumes: VOLUMES,
            parity: parity.as_ref().map_or(0, |parity| {
                u16::try_from(parity.shape.parity_volumes()).unwrap_or(u16::MAX)
            }),
            files: 0,
            bytes,
            marking: self.marking.clone(),
        };
        let planned = Planned {
            header,
            contents,
            own_size,
            files,
            parity,
        };
        // What cannot be listed is refused before anything is written; the digests do not matter here.
        let nothing = Digest::of(b"");
        let made = planned.parity.iter().flat_map(|parity| parity.files.keys());
        planned.list(&made.map(|path| (path.clone(), nothing)).collect())?;
        Ok(planned)
    }
}

fn planned(path: RelPath, source: Source) -> PlannedFile {
    PlannedFile {
        path,
        digest: source.digest(),
        size: source.size(),
        source,
    }
}

fn info(size: u64, kind: FileKind) -> FileInfo {
    FileInfo {
        size,
        kind,
        components: Vec::new(),
        version: None,
        package: None,
        stand_in: false,
        url: None,
        vouched: Vec::new(),
    }
}
