//! Why a manifest could not be resolved.

use std::fmt;
use std::io;

use crate::event::Cancelled;
use crate::fs::PathError;
use crate::sources::documents::DocumentError;
use crate::sources::http::SourceError;
use crate::store::StoreError;
use crate::trust::openpgp::{OpenPgpError, Reason};
use crate::trust::sums::SumsError;
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::path::ParsePathError;
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
        first: Claim,
        /// The other.
        second: Claim,
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
}

impl ResolveError {
    /// The stable id: `E330` evidence disagrees, `E407` expired key, `E410` … `E413` evidence that does
    /// not hold, otherwise that of the cause.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Folder { .. } | Self::Io(_) | Self::Store(_) => "E601",
            Self::Place { .. } | Self::Path { .. } => "E310",
            Self::Disagree { .. } => "E330",
            Self::Absent { .. } => "E706",
            Self::Document { source, .. } => id_of_document(source),
            Self::Sums { .. } | Self::NotText { .. } => "E411",
            Self::Key { .. } => "E412",
            Self::Signature { source, .. } if is_expired(source) => "E407",
            Self::Signature { .. } => "E413",
            Self::Source(error) => error.id(),
            Self::Cancelled(_) => "E130",
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Disagree { .. } => {
                "upstream has published wrong checksums before and corrected them days later: compare with upstream's announcement, remove the claim that is wrong, and never the other; no lock was written"
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
            Self::Sums { .. } | Self::NotText { .. } => {
                "open the document in a browser and compare it with the URL in the manifest"
            }
            Self::Key { .. } => {
                "compare the fingerprint with the one that the publisher announces on a second channel; change the pin only then"
            }
            Self::Signature { source, .. } if is_expired(source) => {
                "publishers renew keys in place: fetch the key anew and lock again; check the clock of this machine"
            }
            Self::Signature { .. } => {
                "do not use this file; compare the signing key with the publisher's announcement"
            }
            Self::Source(error) => return error.hint(),
            Self::Place { .. } => "move the manifest to a folder without white space in its path",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// The network error behind a document error.
fn net_error(error: &DocumentError) -> Option<&crate::net::NetError> {
    match error {
        DocumentError::Fetch { source, .. } => source.downcast_ref(),
        _ => None,
    }
}

fn id_of_document(error: &DocumentError) -> &'static str {
    match error {
        DocumentError::TooLong { .. } => "E704",
        DocumentError::Local { .. } => "E601",
        _ => net_error(error).map_or("E707", crate::net::NetError::id),
    }
}

fn hint_of_document(error: &DocumentError) -> Option<String> {
    net_error(error).and_then(crate::net::NetError::hint)
}

fn is_expired(error: &OpenPgpError) -> bool {
    match error {
        OpenPgpError::NoneGood { rejected, .. } => rejected
            .iter()
            .any(|one| matches!(one.reason, Reason::Expired(_))),
        _ => false,
    }
}
