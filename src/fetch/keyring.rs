//! Keyrings that hold only what a manifest pins, made anew from the key file upstream.

use crate::event::Cancel;
use crate::lock::{Lock, Repository};
use crate::net::Client;
use crate::sources::documents::{DocumentError, Documents};
use crate::sources::http::Web;
use crate::store::{Store, StoreError};
use crate::trust::openpgp::{Keyring, MAX_KEYRING, OpenPgpError};
use crate::types::digest::Digest;
use crate::types::url::SafeUrl;

/// Why the keyring of a lock cannot be made from its source.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The key file cannot be had.
    #[error("the key file {url} cannot be had")]
    Document {
        /// Where it should be.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: DocumentError,
    },
    /// There is no key file.
    #[error("there is no key file at {0}")]
    Absent(SafeUrl),
    /// The key file does not hold what is pinned.
    #[error("the key file {url} cannot be used")]
    Key {
        /// Where it is.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: OpenPgpError,
    },
    /// The pinned certificates were changed upstream since the lock was made.
    #[error(
        "the pinned certificates at {url} are not those of the lock: sha256 {found}, the lock says {locked}"
    )]
    Changed {
        /// Where they are.
        url: SafeUrl,
        /// In the lock.
        locked: Digest,
        /// Now.
        found: Digest,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyringError {
    /// The stable id.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Document { .. } => "E707",
            Self::Absent(_) => "E706",
            Self::Key { .. } => "E412",
            Self::Changed { .. } => "E705",
            Self::Store(_) => "E601",
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Document { .. } => "check network and proxy settings, and run again",
            Self::Absent(_) => "correct the key's URL in the manifest, and lock again",
            Self::Key { .. } => "find out why the key file changed before you change the pin",
            Self::Changed { .. } => {
                "upstream renewed its key: run `haversack lock`, and review the difference"
            }
            Self::Store(_) => return None,
        };
        Some(text.to_owned())
    }
}

/// Makes the keyrings with pinned certificates that the store lacks.
///
/// # Errors
/// When a key file cannot be had, or gives another keyring than the locked one.
pub(super) fn bring_reduced(
    lock: &Lock,
    store: &Store,
    client: &Client,
    cancel: &Cancel,
) -> Result<(), KeyringError> {
    let web = Web::new(client.clone(), cancel.clone());
    for repository in lock
        .repositories
        .iter()
        .filter(|one| !one.pinned.is_empty())
    {
        if store.find(&repository.keyring.sha256, cancel)?.is_none() {
            store.put(&reduced(repository, &web)?)?;
        }
    }
    Ok(())
}

fn reduced(repository: &Repository, web: &Web) -> Result<Vec<u8>, KeyringError> {
    let url = &repository.keyring.url;
    let limit = u64::try_from(MAX_KEYRING).unwrap_or(u64::MAX);
    let file = web
        .get(url, limit)
        .map_err(|source| KeyringError::Document {
            url: url.clone(),
            source,
        })?
        .ok_or_else(|| KeyringError::Absent(url.clone()))?;
    let refused = |source| KeyringError::Key {
        url: url.clone(),
        source,
    };
    let keyring = Keyring::parse(&file).map_err(refused)?;
    let bytes = keyring
        .only(&repository.pinned)
        .map_err(refused)?
        .to_binary();
    let found = Digest::of(&bytes);
    if found == repository.keyring.sha256 {
        Ok(bytes)
    } else {
        Err(KeyringError::Changed {
            url: url.clone(),
            locked: repository.keyring.sha256,
            found,
        })
    }
}
