//! Why a closure could not be computed.

use crate::event::Cancelled;
use crate::fs::PathError;
use crate::sources::documents::DocumentError;
use crate::store::StoreError;
use crate::trust::openpgp::OpenPgpError;
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::path::ParsePathError;
use crate::types::url::{ParseUrlError, SafeUrl};

use super::deb822::SyntaxError;

/// Why a closure could not be computed, or the sources of a system could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AptError {
    /// A document could not be had.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A file of the system cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
    /// The signed index of a suite is not there.
    #[error(
        "repository `{repository}` has no signed index: neither {inline} nor {plain} with Release.gpg is there"
    )]
    NoRelease {
        /// Name of the repository.
        repository: String,
        /// URL of `InRelease`.
        inline: SafeUrl,
        /// URL of `Release`.
        plain: SafeUrl,
    },
    /// The keyring is not usable, or the signature of an index is not good.
    #[error("{what} of repository `{repository}` is not accepted")]
    Signature {
        /// Name of the repository.
        repository: String,
        /// URL or file.
        what: String,
        /// Why not.
        #[source]
        source: OpenPgpError,
    },
    /// The signed index does not say what it must.
    #[error("{url}: {what}")]
    Release {
        /// Which index.
        url: SafeUrl,
        /// What is wrong.
        what: String,
    },
    /// The signed index is of another suite: somebody answers with the wrong one.
    #[error(
        "{url} is signed, but it is the index of another suite: Suite {suite}, Codename {codename}"
    )]
    OtherSuite {
        /// Which index.
        url: SafeUrl,
        /// Its `Suite`, or `(none)`.
        suite: String,
        /// Its `Codename`, or `(none)`.
        codename: String,
    },
    /// The signed index is older than one that was seen before: somebody replays an old state.
    #[error(
        "repository `{repository}`: {url} is of {found}, but the lock before has one of {seen}"
    )]
    Older {
        /// Name of the repository.
        repository: Name,
        /// Which index.
        url: SafeUrl,
        /// Its `Date`.
        found: String,
        /// `Date` of the one in the earlier lock.
        seen: String,
    },
    /// The signed index has run out.
    #[error(
        "{url} was valid until {valid_until} only; somebody may be keeping you on an old state: take a fresh mirror, or accept expired indexes for this repository on purpose"
    )]
    Expired {
        /// Which index.
        url: SafeUrl,
        /// Its `Valid-Until`.
        valid_until: String,
    },
    /// The signed index names no package list for a component.
    #[error("{url} lists no Packages.xz and no Packages.gz of component `{component}` for {arch}")]
    NoPackages {
        /// Which index.
        url: SafeUrl,
        /// Component as configured.
        component: String,
        /// Architecture.
        arch: String,
    },
    /// A package list that the signed index names is not there.
    #[error("{url}, which the signed index names, is not there")]
    Missing {
        /// Which list.
        url: SafeUrl,
    },
    /// A package list is not what the signed index says.
    #[error(
        "{url}: expected sha256 {expected}, {expected_size} bytes; found sha256 {found}, {found_size} bytes; the mirror may be in the middle of an update, or damaged"
    )]
    Mismatch {
        /// Which list.
        url: SafeUrl,
        /// What was signed.
        expected: Digest,
        /// What was signed.
        expected_size: u64,
        /// What came.
        found: Digest,
        /// What came.
        found_size: u64,
    },
    /// A package list cannot be unpacked.
    #[error("{url} cannot be unpacked")]
    Unpack {
        /// Which list.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A list, or a file of the system, is not written as it must be.
    #[error("{place}")]
    Syntax {
        /// URL or path.
        place: String,
        /// Where and what.
        #[source]
        source: SyntaxError,
    },
    /// A relation of a package cannot be read.
    #[error("{place}, line {line}: {what}")]
    Relation {
        /// URL or path.
        place: String,
        /// Line of the stanza.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A package that is asked for is not offered.
    #[error("package `{package}`, asked for by component `{component}`: {why}")]
    Unknown {
        /// Its name.
        package: String,
        /// Who asks for it.
        component: String,
        /// What is offered instead.
        why: String,
    },
    /// No set of packages satisfies everything.
    #[error("no set of packages satisfies what was asked for:\n{}", chains.join("\n"))]
    Unsatisfiable {
        /// Chains of packages up to what cannot be met, one a problem.
        chains: Vec<String>,
    },
    /// A name in an index cannot be a path in a bundle.
    #[error("repository `{repository}`: the file `{name}` cannot be carried in a bundle")]
    Path {
        /// Name of the repository.
        repository: String,
        /// Name as the index gives it.
        name: String,
        /// Why not.
        #[source]
        source: ParsePathError,
    },
    /// A package lacks what is needed to fetch it.
    #[error("repository `{repository}`: package {package} has no usable {field}")]
    Incomplete {
        /// Name of the repository.
        repository: String,
        /// Name and version.
        package: String,
        /// The field.
        field: &'static str,
    },
    /// Something that must be a URL is none.
    #[error("{place}: no usable URL")]
    Url {
        /// Where it stands.
        place: String,
        /// Why not.
        #[source]
        source: ParseUrlError,
    },
    /// The sources of the system do not fit.
    #[error("{0}")]
    System(String),
}
