//! What a lock says.

use std::collections::BTreeMap;
use std::fmt;

use crate::archive::Question;
use crate::manifest::Accepted;
use crate::types::digest::Digest;
use crate::types::fingerprint::Fingerprint;
use crate::types::image::ImageName;
use crate::types::minisign::MinisignKey;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::sha512::Sha512;
use crate::types::target::{Arch, Target};
use crate::types::url::SafeUrl;

/// The exact content of a bundle, and where each file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Name of the bundle.
    pub name: Name,
    /// Version of the bundle: that of its leading component.
    pub version: String,
    /// What the bundle is for.
    pub target: Target,
    /// Digest of the manifest that this lock answers; `build` refuses when the manifest is another.
    pub manifest: Digest,
    /// Single files from upstreams, sorted by path.
    pub artifacts: Vec<Artifact>,
    /// Container images, sorted by name.
    pub images: Vec<Image>,
    /// Package repositories, sorted by name.
    pub repositories: Vec<Repository>,
}

/// One file: where it comes from, what it is exactly, and where it stands in the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedFile {
    /// Where it stands: below `v1/` for payload (`files/…`, `apt/…`), below `evidence/` for evidence.
    pub path: RelPath,
    /// Where it was found.
    pub url: SafeUrl,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// A single file from an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The role it plays when staged.
    pub component: Name,
    /// Its version, as upstream writes it.
    pub version: String,
    /// Whether it stands in for the real program, in tests and the quickstart only.
    pub stand_in: bool,
    /// The file; its path begins with `files/<component>/`.
    pub file: LockedFile,
    /// Other URLs that serve the same bytes, in the order to try them.
    pub mirrors: Vec<SafeUrl>,
    /// Who vouched for it; never empty.
    pub evidence: Vec<Evidence>,
    /// A path that must be inside it, when it is an archive.
    pub expect: Option<String>,
    /// Findings of the catalogue about this version that the manifest accepts, sorted.
    pub accepted: Vec<Accepted>,
}

impl Artifact {
    /// What the file must be when it is looked into.
    #[must_use]
    pub fn question(&self, arch: Arch) -> Question<'_> {
        Question {
            file_name: self.file.path.file_name(),
            arch,
            expect: self.expect.as_deref(),
        }
    }
}

/// A container image for the architecture of the target. Its files stand in one OCI image layout, `images/` in the
/// bundle, as `images/blobs/sha256/<digest>`; images share layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The role it plays.
    pub component: Name,
    /// Its version, as upstream writes it.
    pub version: String,
    /// Whether it stands in for the real program, in tests only.
    pub stand_in: bool,
    /// Registry, repository and tag.
    pub name: ImageName,
    /// What the manifest is, as its media type.
    pub media_type: String,
    /// What the tag named: the index that lists the manifest, kept in the bundle below `evidence/`; none when the tag
    /// named the manifest itself.
    pub index: Option<LockedFile>,
    /// The manifest; its digest is what the image is pulled by.
    pub manifest: LockedFile,
    /// The configuration, which states the digest of the content of each layer.
    pub config: LockedFile,
    /// The layers, the lowest first; never empty.
    pub layers: Vec<LockedFile>,
    /// Who vouched for the index or the manifest; never empty, and without documents.
    pub evidence: Vec<Evidence>,
    /// Findings of the catalogue about this version that the manifest accepts, sorted.
    pub accepted: Vec<Accepted>,
}

impl Image {
    /// The files that make it up, the manifest first.
    pub fn files(&self) -> impl Iterator<Item = &LockedFile> {
        [&self.manifest, &self.config]
            .into_iter()
            .chain(&self.layers)
    }
}

/// One piece of evidence that was checked when the lock was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Who vouched, and how.
    pub vouched: Vouched,
    /// The document that was checked (checksum file, signature), kept in the bundle below
    /// `evidence/`; none when the manifest itself states the digest.
    pub document: Option<LockedFile>,
    /// The key file that a signature was checked with, kept in the bundle below `evidence/`.
    pub key: Option<LockedFile>,
    /// Who signed the document itself, where a checksum document is signed.
    pub signed: Option<Signed>,
}

/// Who signed a checksum document. The key file stands in [`Evidence::key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The pinned certificate.
    pub by: Fingerprint,
    /// The detached signature, kept in the bundle below `evidence/`; none: the document is
    /// clear-signed.
    pub signature: Option<LockedFile>,
}

impl Evidence {
    /// Evidence without any document.
    #[must_use]
    pub const fn bare(vouched: Vouched) -> Self {
        Self {
            vouched,
            document: None,
            key: None,
            signed: None,
        }
    }

    /// The files of it that are kept in the bundle.
    pub fn files(&self) -> impl Iterator<Item = &LockedFile> {
        let signature = self.signed.iter().flat_map(|signed| &signed.signature);
        self.document.iter().chain(signature).chain(&self.key)
    }
}

/// Who vouched for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vouched {
    /// The manifest states the SHA-256.
    Manifest,
    /// The catalogue of this day, which ships with the program, states the SHA-256.
    Catalogue(String),
    /// A checksum file of the upstream states it.
    ChecksumFile,
    /// A detached `OpenPGP` signature over the file, by this pinned certificate.
    OpenPgp(Fingerprint),
    /// A minisign signature over the file and its trusted comment.
    Minisign {
        /// The key.
        key: MinisignKey,
        /// The trusted comment, which is signed, too.
        comment: String,
    },
    /// The manifest, or a checksum file of the upstream that is named beside it, states this SHA-512.
    Sha512(Sha512),
    /// A page of the upstream states it. Pages change, so that the piece is kept, not the page.
    Page {
        /// The page.
        url: SafeUrl,
        /// The piece that the manifest's pattern matches.
        excerpt: String,
    },
    /// The release API of the place that the file is from states it.
    Release {
        /// What the API was asked.
        url: SafeUrl,
        /// Name and digest of the asset, as JSON.
        excerpt: String,
    },
    /// Nobody: upstream publishes nothing. The reason is the manifest's.
    FirstLock(String),
}

/// A package repository: upstream's signed index verbatim, and only the packages of the closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Name; its files stand below `apt/<name>/` in the bundle.
    pub name: Name,
    /// Root of the repository upstream: `uri` of its source entry.
    pub uri: SafeUrl,
    /// The keyring that apt is to trust for it, kept in the bundle below `evidence/`.
    pub keyring: LockedFile,
    /// The certificates that the manifest pins. The keyring holds these and no others: it is made from
    /// the file at its URL, which may hold more. Empty when the keyring is that file, byte for byte.
    pub pinned: Vec<Fingerprint>,
    /// The suites used, sorted by suite.
    pub suites: Vec<Suite>,
    /// The packages of the closure that come from it, sorted by path.
    pub packages: Vec<Package>,
}

/// One suite of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// Its folder below `dists/`, such as `bookworm-security`.
    pub suite: String,
    /// The components used, as the source entry writes them, such as `main`.
    pub components: Vec<String>,
    /// The certificates whose signatures on the index were good.
    pub signed_by: Vec<Fingerprint>,
    /// `Date` of its Release file, as upstream writes it.
    pub date: String,
    /// `Valid-Until` of its Release file, as upstream writes it.
    pub valid_until: Option<String>,
    /// Its signed index and the package lists that the closure was computed from, verbatim.
    pub index: Vec<LockedFile>,
}

/// One package of the closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, as dpkg writes it.
    pub version: String,
    /// Its architecture, or `all`.
    pub arch: String,
    /// The file; its path begins with `apt/<repository>/`.
    pub file: LockedFile,
    /// The components of the manifest's `[[apt.packages]]` whose closure holds it, sorted.
    pub needed_by: Vec<Name>,
    /// Why it is in the closure: `asked for`, or the package that pulled it in, such as
    /// `Depends of nginx`.
    pub because: String,
}

impl fmt::Display for Vouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("sha256 stated by the manifest"),
            Self::Catalogue(as_of) => write!(f, "sha256 stated by the catalogue of {as_of}"),
            Self::ChecksumFile => f.write_str("sha256 stated by a checksum file of the upstream"),
            Self::OpenPgp(fingerprint) => write!(f, "OpenPGP signature by {fingerprint}"),
            Self::Minisign { key, comment } => write!(
                f,
                "minisign signature by {} ({})",
                key.id(),
                comment.escape_debug()
            ),
            Self::Sha512(digest) => write!(f, "sha512 {digest}"),
            Self::Page { url, .. } => write!(f, "sha256 stated on the page {url}"),
            Self::Release { url, .. } => write!(f, "sha256 stated by the release API {url}"),
            Self::FirstLock(reason) => write!(f, "nobody; accepted when first locked: {reason}"),
        }
    }
}

impl Lock {
    /// The files of all images, each once, sorted by path.
    fn image_files(&self) -> impl Iterator<Item = &LockedFile> {
        let all = self.images.iter().flat_map(Image::files);
        let by_path: BTreeMap<&RelPath, &LockedFile> = all.map(|file| (&file.path, file)).collect();
        by_path.into_values()
    }

    /// Every payload file, in the order of the lock.
    pub fn payload(&self) -> impl Iterator<Item = &LockedFile> {
        let artifacts = self.artifacts.iter().map(|artifact| &artifact.file);
        let repositories = self.repositories.iter().flat_map(|repository| {
            let index = repository.suites.iter().flat_map(|suite| &suite.index);
            index.chain(repository.packages.iter().map(|package| &package.file))
        });
        artifacts.chain(self.image_files()).chain(repositories)
    }

    /// Every evidence file (signatures, checksum files, keys); one file may come several times.
    pub fn evidence(&self) -> impl Iterator<Item = &LockedFile> {
        let checked = self
            .artifacts
            .iter()
            .flat_map(|artifact| &artifact.evidence);
        let documents = checked.flat_map(Evidence::files);
        let indexes = self.images.iter().flat_map(|image| &image.index);
        documents.chain(indexes).chain(
            self.repositories
                .iter()
                .map(|repository| &repository.keyring),
        )
    }
}
