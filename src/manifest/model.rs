//! What a manifest says, with every placeholder filled in and every version chosen.

use std::fmt;

use crate::types::digest::Digest;
use crate::types::fingerprint::Fingerprint;
use crate::types::image::{ImageName, Transport};
use crate::types::minisign::MinisignKey;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::pattern::Pattern;
use crate::types::sha512::Sha512;
use crate::types::target::Target;
use crate::types::url::SafeUrl;

/// A wish list: what a bundle is to hold, and who must vouch for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the bundle.
    pub name: Name,
    /// Version of the bundle: stated, or that of the first artifact.
    pub version: String,
    /// What the bundle is for.
    pub target: Target,
    /// The pinned `OpenPGP` certificates, in the order of the manifest.
    pub keys: Vec<Key>,
    /// The single files, in the order of the manifest.
    pub artifacts: Vec<Artifact>,
    /// The container images, in the order of the manifest.
    pub images: Vec<Image>,
    /// The package repositories and what is wanted from them.
    pub apt: Option<Apt>,
    /// Digest of what the manifest says; see [`Manifest::parse`].
    pub digest: Digest,
}

/// `OpenPGP` certificates pinned by fingerprint, and the file they are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What artifacts and repositories call it.
    pub name: Name,
    /// The certificates that count; never empty. Others in the file are ignored.
    pub openpgp: Vec<Fingerprint>,
    /// Where the file is.
    pub source: Source,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// At an absolute URL.
    Url(SafeUrl),
    /// At a path relative to the folder of the manifest.
    Path(String),
}

impl Source {
    /// The last component, without a query.
    #[must_use]
    pub fn file_name(&self) -> &str {
        match self {
            Self::Url(url) => url.file_name(),
            Self::Path(path) => path.rsplit('/').next().unwrap_or(path),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::Path(path) => write!(f, "file:{path}"),
        }
    }
}

/// A single file from an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The role it plays when staged.
    pub component: Name,
    /// Its version, as upstream writes it.
    pub version: String,
    /// Where it is.
    pub source: Source,
    /// Other places that serve the same bytes, in the order to try them.
    pub mirrors: Vec<Source>,
    /// Where it will stand below `v1/`: `files/<component>/<file name>`.
    pub path: RelPath,
    /// Who must vouch for it; never empty.
    pub evidence: Vec<Wanted>,
    /// Whether it stands in for the real program, in tests and the quickstart only.
    pub stand_in: bool,
    /// A path that must be inside it, when it is an archive.
    pub expect: Option<String>,
    /// Findings of the catalogue about this version that are lived with, sorted.
    pub accepted: Vec<Accepted>,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The role it plays.
    pub component: Name,
    /// Its version, as upstream writes it.
    pub version: String,
    /// Registry, repository and tag.
    pub name: ImageName,
    /// How the registry is spoken to.
    pub transport: Transport,
    /// Who must vouch for it: [`Wanted::Literal`] of the index or of the manifest for the target, or
    /// [`Wanted::FirstLock`]; never empty.
    pub evidence: Vec<Wanted>,
    /// Whether it stands in for the real program, in tests only.
    pub stand_in: bool,
    /// Findings of the catalogue about this version that are lived with, sorted.
    pub accepted: Vec<Accepted>,
}

/// A finding that somebody accepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accepted {
    /// The finding, such as `CVE-2025-62506`.
    pub id: String,
    /// Why it is accepted.
    pub reason: String,
}

/// Who must have signed a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// The key.
    pub key: Name,
    /// Where the detached signature is; none: the document itself is clear-signed.
    pub detached: Option<Source>,
}

/// Evidence that a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The manifest states the SHA-256.
    Literal(Digest),
    /// The catalogue states the SHA-256.
    Catalogue(Digest),
    /// A checksum document states it.
    ChecksumFile {
        /// Where the document is.
        source: Source,
        /// The name that the document has for the file.
        file_name: String,
        /// Who must have signed the document.
        signed: Option<SignedBy>,
    },
    /// A page, such as release notes, states it.
    Page {
        /// Where the page is.
        source: Source,
        /// How it states it.
        pattern: Pattern,
    },
    /// A release API states it for its asset: a second opinion, from where the file comes.
    Release {
        /// What the API is asked.
        url: SafeUrl,
        /// The name of the asset.
        asset: String,
    },
    /// A detached `OpenPGP` signature over the file.
    OpenPgp {
        /// Where the signature is.
        source: Source,
        /// The key that must have made it.
        key: Name,
    },
    /// A minisign signature over the file.
    Minisign {
        /// Where the signature is.
        source: Source,
        /// The key that must have made it.
        key: MinisignKey,
        /// Text that its trusted comment must hold.
        comment: Option<String>,
    },
    /// The manifest states the SHA-512.
    Sha512(Sha512),
    /// A checksum document states the SHA-512.
    Sha512File {
        /// Where the document is.
        source: Source,
        /// The name that the document has for the file.
        file_name: String,
        /// Who must have signed the document.
        signed: Option<SignedBy>,
    },
    /// Nobody vouches. The reason why this is accepted.
    FirstLock(String),
}

/// Package repositories, and what is wanted from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apt {
    /// What the hosts have already.
    pub base: Base,
    /// Whether packages that are recommended come too.
    pub recommends: Recommends,
    /// Why an index past its `Valid-Until` is accepted; `None`: it is not.
    pub accept_expired: Option<String>,
    /// The repositories, in the order of the manifest.
    pub repositories: Vec<Repository>,
    /// What is wanted, by component.
    pub packages: Vec<Packages>,
}

/// What the hosts have already when packages are installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing: the closure is complete.
    Nothing,
    /// The essential packages of the distribution.
    Essential,
    /// The packages of a dpkg status file, at a path relative to the manifest.
    Status(String),
}

/// Whether packages that are recommended come too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recommends {
    /// Only what is depended on.
    Skip,
    /// They come too, where they can be had.
    Include,
}

/// A package repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its name; `apt/<name>/` in the bundle.
    pub name: Name,
    /// Where it is.
    pub origin: Origin,
    /// Its pin priority (`apt_preferences`(5)); apt's own default when absent.
    pub priority: Option<i32>,
}

/// Where a package repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The suites that the apt of the connected machine is configured with.
    System,
    /// As stated.
    Stated {
        /// Its root.
        uri: SafeUrl,
        /// Its suites; never empty.
        suites: Vec<String>,
        /// Its components; never empty.
        components: Vec<String>,
        /// The key that signs its index.
        key: Name,
    },
}

/// Packages that a component wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// The component.
    pub component: Name,
    /// Names of packages; never empty.
    pub install: Vec<String>,
}
