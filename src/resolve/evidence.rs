//! Documents that vouch: fetched, kept in the store, and named for the lock.

use std::collections::BTreeMap;

use super::{Means, ResolveError};
use crate::lock::LockedFile;
use crate::manifest::{Key, Manifest, Source};
use crate::sources::documents::Documents as _;
use crate::trust::openpgp::Keyring;
use crate::trust::sums::{self, SumsError};
use crate::types::fingerprint::Fingerprint;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::url::SafeUrl;

/// Largest key file, in bytes.
pub(super) const MAX_KEY: u64 = 4 << 20;
/// Largest detached signature, in bytes.
pub(super) const MAX_SIGNATURE: u64 = 64 << 10;

/// A key file whose pinned certificates are all there.
#[derive(Debug)]
pub(super) struct PinnedKey {
    /// The pinned certificates, without the others of the file.
    pub(super) keyring: Keyring,
    /// The pins.
    pub(super) pinned: Vec<Fingerprint>,
    /// The file as it was fetched.
    pub(super) bytes: Vec<u8>,
    /// The file, for the lock.
    pub(super) file: LockedFile,
}

pub(super) type Keys = BTreeMap<Name, PinnedKey>;

/// Fetches every key of the manifest and matches it against its pins.
pub(super) fn fetch_keys(manifest: &Manifest, means: &Means<'_>) -> Result<Keys, ResolveError> {
    let mut keys = Keys::new();
    for key in &manifest.keys {
        keys.insert(key.name.clone(), fetch_key(key, means)?);
    }
    Ok(keys)
}

fn fetch_key(key: &Key, means: &Means<'_>) -> Result<PinnedKey, ResolveError> {
    let what = format!("the key `{}`", key.name);
    let (url, bytes) = document(&key.source, &what, MAX_KEY, means)?;
    let pinned = Keyring::parse(&bytes).and_then(|keyring| keyring.only(&key.openpgp));
    let keyring = pinned.map_err(|source| ResolveError::Key {
        key: key.name.clone(),
        url: url.clone(),
        source,
    })?;
    let ending = if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        "asc"
    } else {
        "gpg"
    };
    let path = format!("evidence/keys/{}.{ending}", key.name);
    let file = keep(&path, url, &bytes, means)?;
    Ok(PinnedKey {
        keyring,
        pinned: key.openpgp.clone(),
        bytes,
        file,
    })
}

/// The digest that a checksum document states for `file_name`, as `find` reads it.
pub(super) fn checksum<D>(
    source: &Source,
    file_name: &str,
    component: &Name,
    find: fn(&str, &str) -> Result<D, SumsError>,
    means: &Means<'_>,
) -> Result<(D, LockedFile), ResolveError> {
    let what = format!("the checksum file of {file_name}");
    let (url, bytes) = document(source, &what, sums::MAX_DOCUMENT, means)?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| ResolveError::NotText { url: url.clone() })?;
    let digest = find(text, file_name).map_err(|source| ResolveError::Sums {
        url: url.clone(),
        source,
    })?;
    Ok((digest, keep_upstream(component, url, &bytes, means)?))
}

/// A detached signature, not yet checked.
pub(super) fn signature(
    source: &Source,
    file_name: &str,
    component: &Name,
    means: &Means<'_>,
) -> Result<(Vec<u8>, LockedFile), ResolveError> {
    let what = format!("the signature of {file_name}");
    let (url, bytes) = document(source, &what, MAX_SIGNATURE, means)?;
    let file = keep_upstream(component, url, &bytes, means)?;
    Ok((bytes, file))
}

fn keep_upstream(
    component: &Name,
    url: SafeUrl,
    bytes: &[u8],
    means: &Means<'_>,
) -> Result<LockedFile, ResolveError> {
    let path = format!("evidence/upstream/{component}/{}", url.file_name());
    keep(&path, url, bytes, means)
}

fn keep(
    path: &str,
    url: SafeUrl,
    bytes: &[u8],
    means: &Means<'_>,
) -> Result<LockedFile, ResolveError> {
    let path = path
        .parse::<RelPath>()
        .map_err(|source| ResolveError::Path { source })?;
    Ok(LockedFile {
        path,
        url,
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: means.store.put(bytes)?,
    })
}

/// A document that must exist, and its absolute URL.
pub(super) fn document(
    source: &Source,
    what: &str,
    limit: u64,
    means: &Means<'_>,
) -> Result<(SafeUrl, Vec<u8>), ResolveError> {
    means.cancel.check()?;
    let url = means.url_of(source)?;
    match means.web.get(&url, limit) {
        Ok(Some(bytes)) => Ok((url, bytes)),
        Ok(None) => Err(ResolveError::Absent {
            what: what.to_owned(),
            url,
        }),
        Err(source) => {
            means.cancel.check()?;
            Err(ResolveError::Document {
                what: what.to_owned(),
                source,
            })
        }
    }
}
