//! Why the versions of a package could not be read from a repository.

use crate::event::Cancelled;
use crate::sources::documents::DocumentError;
use crate::store::StoreError;
use crate::trust::openpgp::OpenPgpError;
use crate::types::url::SafeUrl;

/// Why the versions of a package could not be read from a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmError {
    /// A document could not be had.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There is no index.
    #[error("no rpm repository is there: {url} does not exist")]
    NoIndex {
        /// Where it should be.
        url: SafeUrl,
    },
    /// The manifest names a key, and the index has no signature.
    #[error("the index of the rpm repository has no signature: {url} does not exist")]
    NoSignature {
        /// Where it should be.
        url: SafeUrl,
    },
    /// The signature of the index is not good.
    #[error("the signature {url} of the rpm repository is not accepted")]
    Signature {
        /// Which.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: OpenPgpError,
    },
    /// A document of the repository is not what it must be.
    #[error("{url}: {what}")]
    Malformed {
        /// Which.
        url: SafeUrl,
        /// What is wrong.
        what: String,
    },
    /// What the index vouches for is not there.
    #[error("the index of the rpm repository names {url}, which does not exist")]
    Missing {
        /// Which.
        url: SafeUrl,
    },
    /// The list of packages is not the one that the index vouches for.
    #[error(
        "{url} is not the list that repomd.xml vouches for: it states {expected}, found is {found}"
    )]
    Mismatch {
        /// Which.
        url: SafeUrl,
        /// What the index states.
        expected: String,
        /// What came.
        found: String,
    },
    /// The list of packages is packed in a way that is not read.
    #[error("{url} is packed in a way that is not read here; gzip, xz and plain XML are")]
    Packing {
        /// Which.
        url: SafeUrl,
    },
}
