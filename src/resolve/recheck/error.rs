//! Why a lock is not believed.

use crate::event::Cancelled;
use crate::fs::PathError;
use crate::sources::apt::AptError;
use crate::store::StoreError;
use crate::trust::minisign::MinisignError;
use crate::trust::openpgp::OpenPgpError;
use crate::trust::sums::SumsError;
use crate::types::name::Name;
use crate::types::url::SafeUrl;

/// Why a lock is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecheckError {
    /// The lock says something else than manifest and documents do.
    #[error("the lock says of {item} what its evidence does not: {what}")]
    Unproven {
        /// The file or repository.
        item: String,
        /// What is wrong.
        what: String,
    },
    /// A checksum document does not state the digest.
    #[error("the checksum file {url} does not vouch for {item}")]
    Sums {
        /// The file.
        item: String,
        /// The document.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: Box<SumsError>,
    },
    /// A signature over a file, or the key for it, is not good.
    #[error("the signature {url} does not vouch for {item}")]
    Signature {
        /// The file.
        item: String,
        /// The signature.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: OpenPgpError,
    },
    /// A minisign signature over a file is not good.
    #[error("the minisign signature {url} does not vouch for {item}")]
    Minisign {
        /// The file.
        item: String,
        /// The signature.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: MinisignError,
    },
    /// The signed indexes of a repository do not vouch for what the lock says.
    #[error("the signed indexes do not vouch for repository `{repository}` of the lock")]
    Repository {
        /// The repository.
        repository: Name,
        /// Why not.
        #[source]
        source: Box<AptError>,
    },
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

impl RecheckError {
    /// The stable id: `E331` the lock is not believed, `E407` a key has expired since.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Cancelled(_)) | Self::Cancelled(_) => "E130",
            Self::Store(_) | Self::Io(_) => "E601",
            Self::Repository { source, .. } => match &**source {
                AptError::Signature { source, .. } if crate::resolve::error::is_expired(source) => {
                    "E407"
                }
                AptError::Store(_) => "E601",
                AptError::Cancelled(_) => "E130",
                _ => "E331",
            },
            Self::Signature { source, .. } if crate::resolve::error::is_expired(source) => "E407",
            _ => "E331",
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self.id() {
            "E331" => {
                "somebody edited the lock, or a tool damaged it: compare it with version control, or run `haversack lock MANIFEST` and review the difference; nothing was written"
            }
            "E407" => {
                "publishers renew keys in place: run `haversack lock MANIFEST`; check the clock of this machine"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}
