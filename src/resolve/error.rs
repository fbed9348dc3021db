//! Why a manifest could not be resolved.

use std::fmt;
use std::io;

use crate::archive::ArchiveError;
use crate::event::Cancelled;
use crate::fs::PathError;
use crate::manifest::ManifestProblems;
use crate::sources::apt::AptError;
use crate::sources::documents::DocumentError;
use crate::sources::github::GithubError;
use crate::sources::http::SourceError;
use crate::sources::oci::OciError;
use crate::sources::rpm::RpmError;
use crate::store::StoreError;
use crate::trust::minisign::MinisignError;
use crate::trust::openpgp::{OpenPgpError, Reason};
use crate::trust::sums::SumsError;
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::path::ParsePathError;
use crate::types::pattern::MatchError;
use crate::types::severity;
use crate::types::sha512::Sha512;
use crate::types::url::{ParseUrlError, SafeUrl};

/// Somebody's word on the digest of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who says it, such as `the checksum file https://…`.
    pub who: String,
    /// What is said.
    pub sha256: Digest,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} says {}", self.who, self.sha256)
    }
}

/// Why a manifest could not be resolved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The folder of the manifest has no absolute path.
    #[error("the folder {folder} cannot be used")]
    Folder {
        /// The folder.
        folder: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A local path cannot be written as a URL.
    #[error("{path} cannot be named in a lock")]
    Place {
        /// The path.
        path: String,
        /// Why not.
        #[source]
        source: ParseUrlError,
    },
    /// A name does not fit into a bundle.
    #[error("a document has no place in a bundle")]
    Path {
        /// Why not.
        #[source]
        source: ParsePathError,
    },
    /// Two pieces of evidence for one file disagree.
    #[error("evidence for {file} disagrees: {first}; {second}")]
    Disagree {
        /// The file.
        file: String,
        /// One claim.
        first: Box<Claim>,
        /// The other.
        second: Box<Claim>,
        /// The component whose earlier lock is one of them; a person may let it go.
        update: Option<Name>,
    },
    /// A checksum document, signature or key does not exist.
    #[error("{what} does not exist at {url}")]
    Absent {
        /// What it is.
        what: String,
        /// Where it should be.
        url: SafeUrl,
    },
    /// A checksum document, signature or key cannot be fetched.
    #[error("{what} cannot be had")]
    Document {
        /// What it is.
        what: String,
        /// Why not.
        #[source]
        source: DocumentError,
    },
    /// A checksum document does not state the digest.
    #[error("the checksum file {url} cannot be used")]
    Sums {
        /// The document.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: SumsError,
    },
    /// A page does not state the digest once.
    #[error("the page {url} cannot be used")]
    Page {
        /// The page.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: MatchError,
    },
    /// A release API does not state the digest.
    #[error("the release API {url} states no digest")]
    Release {
        /// What it was asked.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: GithubError,
    },
    /// The list of versions of a publisher cannot be used.
    #[error("the versions of {component} cannot be read from {from}")]
    Versions {
        /// The component.
        component: Name,
        /// Where they should be.
        from: String,
        /// Why not.
        #[source]
        source: GithubError,
    },
    /// No version is allowed.
    #[error(
        "no version of {component} that {from} lists meets `{requirement}`; the newest is {newest}"
    )]
    NoVersion {
        /// The component.
        component: Name,
        /// Where they are listed.
        from: String,
        /// What is asked for.
        requirement: String,
        /// The newest that there is.
        newest: String,
    },
    /// The catalogue refuses a version, and the manifest does not accept that.
    #[error("{component} {version} is not taken: {finding}")]
    Refused {
        /// The component.
        component: Name,
        /// The version.
        version: String,
        /// Id and reason.
        finding: String,
        /// The id alone.
        id: String,
    },
    /// A version cannot be compared with what the catalogue says against its component.
    #[error("{component} {version} is not taken: {finding}")]
    Unreadable {
        /// The component.
        component: Name,
        /// The version.
        version: String,
        /// The finding in words.
        finding: String,
        /// Its id alone.
        id: String,
        /// A version that could be compared.
        example: &'static str,
    },
    /// The manifest does not hold with the versions that were chosen.
    #[error(transparent)]
    Manifest(#[from] ManifestProblems),
    /// A checksum document is no text.
    #[error("the checksum file {url} is no UTF-8 text")]
    NotText {
        /// The document.
        url: SafeUrl,
    },
    /// A key file does not hold what is pinned.
    #[error("the key `{key}` from {url} cannot be used")]
    Key {
        /// The key.
        key: Name,
        /// Where its file came from.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: OpenPgpError,
    },
    /// A signature is not good.
    #[error("the signature {url} over {file} does not hold")]
    Signature {
        /// The file.
        file: String,
        /// The signature.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: OpenPgpError,
    },
    /// A minisign signature is not good.
    #[error("the minisign signature {from} over {file} does not hold")]
    Minisign {
        /// The file.
        file: String,
        /// URL of the signature.
        from: String,
        /// Why not.
        #[source]
        source: MinisignError,
    },
    /// The file has another SHA-512 than is stated.
    #[error("evidence for {file} disagrees: {who} says SHA-512 {stated}; the file has {found}")]
    OtherSha512 {
        /// The file.
        file: String,
        /// Who states it.
        who: String,
        /// What is stated.
        stated: Box<Sha512>,
        /// That of the file.
        found: Box<Sha512>,
    },
    /// A document of an image is not taken.
    #[error("{url} cannot be used")]
    Image {
        /// The document.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: OciError,
    },
    /// A tag names another image than the manifest states.
    #[error(
        "evidence for {image} disagrees: the manifest says sha256:{stated}; {url} names {found}"
    )]
    OtherImage {
        /// The image.
        image: String,
        /// What is stated.
        stated: Box<Digest>,
        /// What was asked.
        url: SafeUrl,
        /// What it names.
        found: String,
    },
    /// A part of an image has another size than is stated.
    #[error("evidence disagrees: {by} says that {file} has {stated} bytes; it has {found}")]
    OtherImageSize {
        /// The part.
        file: SafeUrl,
        /// Who states its size.
        by: SafeUrl,
        /// What is stated.
        stated: u64,
        /// What it has.
        found: u64,
    },
    /// A file of the store cannot be read to its end.
    #[error("{file} cannot be read")]
    Unread {
        /// The file.
        file: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The package repositories do not give what is wanted.
    #[error(transparent)]
    Apt(Box<AptError>),
    /// An rpm repository does not give its versions.
    #[error(transparent)]
    Rpm(Box<RpmError>),
    /// A file cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] PathError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The file is not what its name or the manifest says.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Something else must be mended first.
    #[error("not tried, for it needs {on}, which failed")]
    Waits {
        /// What else.
        on: String,
        /// The id of what kind of thing that is.
        id: &'static str,
    },
    /// Several parts of the manifest cannot be locked.
    #[error("{} of {of} parts of the manifest (artifacts, keys, packages) cannot be locked", .failures.len())]
    Several {
        /// How many there are.
        of: usize,
        /// Those that failed: keys, then artifacts in the order of the manifest, then packages; at
        /// least two.
        failures: Vec<Failed>,
    },
}

/// A part of a manifest that cannot be locked.
#[derive(Debug)]
pub struct Failed {
    /// Which: the path of an artifact, a key, or the packages.
    pub what: String,
    /// Why.
    pub error: ResolveError,
}

impl Failed {
    /// A failure of a part; a request to stop is one of the whole.
    pub(super) fn new(what: String, error: ResolveError) -> Result<Self, ResolveError> {
        match error {
            error if error.id() == "E130" => Err(error),
            error => Ok(Self { what, error }),
        }
    }

    /// The reason with its causes, in one line.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut line = self.error.to_string();
        let mut next = std::error::Error::source(&self.error);
        while let Some(cause) = next {
            line = format!("{line}: {cause}");
            next = cause.source();
        }
        line
    }
}

/// Nothing failed, or why not: the only error, or all of them.
pub(super) fn none_of(of: usize, mut failures: Vec<Failed>) -> Result<(), ResolveError> {
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0).error),
        _ => Err(ResolveError::Several { of, failures }),
    }
}

impl From<AptError> for ResolveError {
    fn from(error: AptError) -> Self {
        match error {
            AptError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error => Self::Apt(Box::new(error)),
        }
    }
}

impl ResolveError {
    /// The stable id: `E330` evidence disagrees, `E407` expired key, `E410` … `E413` evidence that does
    /// not hold, otherwise that of the cause.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Folder { .. } | Self::Io(_) | Self::Store(_) | Self::Unread { .. } => "E601",
            Self::Place { .. } | Self::Path { .. } => "E310",
            Self::Disagree { .. }
            | Self::OtherSha512 { .. }
            | Self::OtherImage { .. }
            | Self::OtherImageSize { .. } => "E330",
            Self::Image { source, .. } => match source {
                OciError::Platform { .. } | OciError::Ambiguous { .. } => "E521",
                _ => "E712",
            },
            Self::Absent { .. } => "E706",
            Self::Document { source, .. } => id_of_document(source),
            Self::Sums { .. } | Self::NotText { .. } | Self::Page { .. } | Self::Release { .. } => {
                "E411"
            }
            Self::Versions { .. } | Self::NoVersion { .. } => "E222",
            Self::Refused { .. } | Self::Unreadable { .. } => "E541",
            Self::Manifest(problems) => problems.id(),
            Self::Key { .. } => "E412",
            Self::Signature { source, .. } if is_expired(source) => "E407",
            Self::Signature { .. } | Self::Minisign { .. } => "E413",
            Self::Apt(error) => super::apt::id(error),
            Self::Rpm(error) => super::rpm::id(error),
            Self::Source(error) => error.id(),
            Self::Archive(error) => error.id(),
            Self::Cancelled(_) => "E130",
            Self::Waits { id, .. } => id,
            Self::Several { failures, .. } => {
                severity::most_severe(causes(failures).map(Self::id)).unwrap_or("E990")
            }
        }
    }

    /// Everything that cannot be locked, in a line each: id, which, and reason. Empty when the message
    /// says it all.
    #[must_use]
    pub fn details(&self) -> String {
        let Self::Several { failures, .. } = self else {
            return String::new();
        };
        let lines = failures.iter().map(|one| {
            let (id, what) = (one.error.id(), &one.what);
            format!("{id}  {what}: {}\n", one.reason())
        });
        lines.collect()
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Several { failures, .. } => {
                return severity::next_steps(causes(failures).map(|one| (one.id(), one.hint())));
            }
            Self::Disagree {
                update: Some(name), ..
            } => {
                return Some(format!(
                    "nobody vouches for this file, and it changed under the same version and URL: ask upstream whether that was meant; only then run `haversack lock MANIFEST --update {name}`; no lock was written"
                ));
            }
            Self::OtherImage { .. } => {
                "the tag was moved, or the digest is of another version or platform: compare with the publisher's announcement, name the tag of one exact version, and change the digest only when you know why; no lock was written"
            }
            Self::OtherImageSize { .. } => {
                "the registry contradicts itself: try again, then ask who runs it or name another registry; no lock was written"
            }
            Self::Image {
                source: OciError::Platform { .. } | OciError::Ambiguous { .. },
                ..
            } => {
                "choose an image that is published for the architecture of `target`, or another architecture; several servers of this stack are published for amd64 only"
            }
            Self::Image {
                source: OciError::Schema1,
                ..
            } => "ask the publisher, or name a registry that serves the image as schema 2 or OCI",
            Self::Image { .. } => {
                "open the address with the tool that published the image, such as `skopeo inspect --raw`, and compare; no lock was written"
            }
            Self::Disagree { .. } | Self::OtherSha512 { .. } => {
                "compare with upstream's announcement. When the file is what differs, it came wrong: fetch it again, or from a mirror. Upstream has also published wrong checksums and corrected them days later: then remove the claim that is wrong, and never the other; no lock was written"
            }
            Self::Absent { .. } => {
                "check the URL in the manifest: upstream may have moved it, or may not publish it for this version"
            }
            Self::Document { source, .. } => return hint_of_document(source),
            Self::Sums {
                source: SumsError::NotNamed { .. },
                ..
            } => {
                "if the document has another name for the file, write sha256 = { url = \"…\", name = \"that name\" }"
            }
            Self::Page { .. } => {
                "open the page, and put into `pattern` what stands directly around this digest and no other"
            }
            Self::Release { .. } => {
                "compare repository, tag and asset name with the release page; assets from before June 2025 have no digest: take `release` out for these"
            }
            Self::Versions { .. } => {
                "open that place in a browser, and compare it with `versions` in the manifest"
            }
            Self::NoVersion { .. } => {
                "change `version` or `scheme`; pre-releases count only with prerelease = true"
            }
            Self::Unreadable { id, example, .. } => {
                return Some(format!(
                    "write the version as its publisher does, such as {example}, or state in the manifest accept = {{ \"{id}\" = \"why\" }}; no lock was written"
                ));
            }
            Self::Waits { .. } => "mend that first, and run the same command again",
            Self::Refused { id, component, .. } => {
                return Some(format!(
                    "take another version (a locked one moves with `haversack lock MANIFEST --update {component}`), or state in the manifest accept = {{ \"{id}\" = \"why\" }}; no lock was written"
                ));
            }
            Self::Manifest(problems) => return problems.hint(),
            Self::Sums { .. } | Self::NotText { .. } => {
                "open the document in a browser and compare it with the URL in the manifest"
            }
            Self::Key { .. } => {
                "compare the fingerprint with the one that the publisher announces on a second channel; change the pin only then"
            }
            Self::Signature { source, .. } if is_expired(source) => {
                "publishers renew keys in place: fetch the key anew and lock again; check the clock of this machine"
            }
            Self::Signature { .. } | Self::Minisign { .. } => {
                "do not use this file; compare the signing key with the publisher's announcement"
            }
            Self::Apt(error) => return super::apt::hint(error),
            Self::Rpm(error) => return super::rpm::hint(error),
            Self::Source(error) => return error.hint(),
            Self::Archive(error) => return error.hint(),
            Self::Place { .. } => "move the manifest to a folder without white space in its path",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Those that failed by themselves: what waits for another only repeats it.
fn causes(failures: &[Failed]) -> impl Iterator<Item = &ResolveError> {
    let all = failures.iter().map(|one| &one.error);
    all.filter(|error| !matches!(error, ResolveError::Waits { .. }))
}

/// The network error behind a document error.
fn net_error(error: &DocumentError) -> Option<&crate::net::NetError> {
    match error {
        DocumentError::Fetch { source, .. } => source.downcast_ref(),
        _ => None,
    }
}

pub(super) fn id_of_document(error: &DocumentError) -> &'static str {
    match error {
        DocumentError::TooLong { .. } => "E704",
        DocumentError::Local { .. } => "E601",
        _ => net_error(error).map_or("E707", crate::net::NetError::id),
    }
}

pub(super) fn hint_of_document(error: &DocumentError) -> Option<String> {
    if let Some(crate::net::NetError::Offline { .. }) = net_error(error) {
        return Some("it is looked up anew for each lock: run without --offline where there is a network; a lock that is there is built offline by `haversack build`".to_owned());
    }
    if let DocumentError::TooLong { .. } = error {
        return Some(
            "name a narrower URL in the manifest: one that gives this document alone, or a shorter list; where it lists versions, name one `version` instead"
                .to_owned(),
        );
    }
    net_error(error).and_then(crate::net::NetError::hint)
}

pub(super) fn is_expired(error: &OpenPgpError) -> bool {
    match error {
        OpenPgpError::NoneGood { rejected, .. } => rejected
            .iter()
            .any(|one| matches!(one.reason, Reason::Expired(_))),
        _ => false,
    }
}
