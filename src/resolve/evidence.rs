//! Documents that vouch: fetched, kept in the store, and named for the lock.

use std::collections::BTreeMap;

use super::error::Failed;
use super::{Means, ResolveError};
use crate::lock::{LockedFile, Signed, Vouched};
use crate::manifest::{Key, Manifest, SignedBy, Source};
use crate::sources::documents::{DocumentError, Documents as _};
use crate::sources::github;
use crate::trust::openpgp::Keyring;
use crate::trust::sums::{self, SumsError};
use crate::types::digest::Digest;
use crate::types::fingerprint::Fingerprint;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::pattern::{MAX_PAGE, Pattern};
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

/// The keys of a manifest that can be used.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<Name, PinnedKey>);

impl Keys {
    /// The key of this name. That it is defined was checked with the manifest; when it is not here, it
    /// could not be had, and nothing may pass for checked with it.
    pub(super) fn get(&self, name: &Name) -> Result<&PinnedKey, ResolveError> {
        self.0.get(name).ok_or_else(|| ResolveError::Waits {
            on: named(name),
            id: "E412",
        })
    }
}

/// What failures call a key.
fn named(key: &Name) -> String {
    format!("the key `{key}`")
}

/// Fetches every key of the manifest and matches it against its pins. Gives those that can be used, and
/// why the others cannot.
///
/// # Errors
/// When the work was asked to stop.
pub(super) fn fetch_keys(
    manifest: &Manifest,
    means: &Means<'_>,
) -> Result<(Keys, Vec<Failed>), ResolveError> {
    let (mut keys, mut failed) = (Keys::default(), Vec::new());
    for key in &manifest.keys {
        match fetch_key(key, means) {
            Ok(good) => {
                keys.0.insert(key.name.clone(), good);
            }
            Err(error) => failed.push(Failed::new(named(&key.name), error)?),
        }
    }
    Ok((keys, failed))
}

fn fetch_key(key: &Key, means: &Means<'_>) -> Result<PinnedKey, ResolveError> {
    let what = named(&key.name);
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
    let file = keep(&path, &url, &bytes, means)?;
    Ok(PinnedKey {
        keyring,
        pinned: key.openpgp.clone(),
        bytes,
        file,
    })
}

/// What a checksum document states, and the document for the lock.
pub(super) struct Checksum<D> {
    pub(super) digest: D,
    pub(super) document: LockedFile,
    /// Who signed it, and the key file.
    pub(super) signed: Option<(Signed, LockedFile)>,
}

/// Where a checksum document is, and what it must be.
#[derive(Clone, Copy)]
pub(super) struct Asked<'w> {
    pub(super) source: &'w Source,
    pub(super) file_name: &'w str,
    pub(super) signed: Option<&'w SignedBy>,
    pub(super) component: &'w Name,
}

/// The digest that a checksum document states, as `find` reads it, once its own signature holds.
pub(super) fn checksum<D>(
    asked: Asked<'_>,
    find: fn(&str, &str) -> Result<D, SumsError>,
    keys: &Keys,
    means: &Means<'_>,
) -> Result<Checksum<D>, ResolveError> {
    let (file_name, component) = (asked.file_name, asked.component);
    let what = format!("the checksum file of {file_name}");
    let (url, bytes) = document(asked.source, &what, sums::MAX_DOCUMENT, means)?;
    let mut signed = None;
    let mut text = None;
    if let Some(by) = asked.signed {
        let key = keys.get(&by.key)?;
        let refused = |url: &SafeUrl, source| ResolveError::Signature {
            file: what.clone(),
            url: url.clone(),
            source,
        };
        let (signers, signature) = if let Some(place) = &by.detached {
            let (signature, file) = signature(place, &what, component, means)?;
            let good = key
                .keyring
                .verify_detached(&signature, bytes.as_slice(), means.now);
            (
                good.map_err(|source| refused(&file.url, source))?,
                Some(file),
            )
        } else {
            let good = key.keyring.verify_clear_signed(&bytes, means.now);
            let good = good.map_err(|source| refused(&url, source))?;
            text = Some(good.text);
            (good.signers, None)
        };
        // The verifier never gives an empty list: this is for the type only.
        let mut good = signers.into_iter();
        let pinned = good.find(|one| key.pinned.contains(one));
        let by = pinned.ok_or_else(|| ResolveError::Absent {
            what: "a good signature".to_owned(),
            url: url.clone(),
        })?;
        signed = Some((Signed { by, signature }, key.file.clone()));
    }
    let text = match text {
        Some(text) => text,
        None => String::from_utf8(bytes.clone())
            .map_err(|_| ResolveError::NotText { url: url.clone() })?,
    };
    let digest = find(&text, file_name).map_err(|source| ResolveError::Sums {
        url: url.clone(),
        source,
    })?;
    Ok(Checksum {
        digest,
        document: keep_upstream(component, &url, &bytes, means)?,
        signed,
    })
}

/// The digest that stands on a page, the URL of the page, and the piece that states it.
pub(super) fn page(
    source: &Source,
    pattern: &Pattern,
    file_name: &str,
    means: &Means<'_>,
) -> Result<(Digest, Vouched), ResolveError> {
    let what = format!("the page with the checksum of {file_name}");
    let (url, bytes) = had(source, &what, means, |url| means.web.page(url, MAX_PAGE))?;
    let text = String::from_utf8_lossy(&bytes);
    let found = pattern.only_digest(&text);
    let (digest, excerpt) = found.map_err(|source| ResolveError::Page {
        url: url.clone(),
        source,
    })?;
    Ok((digest, Vouched::Page { url, excerpt }))
}

/// The digest that a release API states for an asset.
pub(super) fn release(
    url: &SafeUrl,
    asset: &str,
    means: &Means<'_>,
) -> Result<(Digest, Vouched), ResolveError> {
    let what = format!("the release with {asset}");
    let source = Source::Url(url.clone());
    let (url, bytes) = document(&source, &what, github::MAX_ANSWER, means)?;
    let found = github::asset_digest(&bytes, asset);
    let (digest, excerpt) = found.map_err(|source| ResolveError::Release {
        url: url.clone(),
        source,
    })?;
    Ok((digest, Vouched::Release { url, excerpt }))
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
    let file = keep_upstream(component, &url, &bytes, means)?;
    Ok((bytes, file))
}

fn keep_upstream(
    component: &Name,
    url: &SafeUrl,
    bytes: &[u8],
    means: &Means<'_>,
) -> Result<LockedFile, ResolveError> {
    let path = format!("evidence/upstream/{component}/{}", url.file_name());
    keep(&path, url, bytes, means)
}

fn keep(
    path: &str,
    url: &SafeUrl,
    bytes: &[u8],
    means: &Means<'_>,
) -> Result<LockedFile, ResolveError> {
    let path = path
        .parse::<RelPath>()
        .map_err(|source| ResolveError::Path { source })?;
    Ok(LockedFile {
        path,
        url: means.locked(url),
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
    had(source, what, means, |url| means.web.get(url, limit))
}

/// A document at an absolute URL that must exist.
pub(super) fn had_document(
    url: SafeUrl,
    what: &str,
    means: &Means<'_>,
    limit: u64,
) -> Result<Vec<u8>, ResolveError> {
    let (_, bytes) = document(&Source::Url(url), what, limit, means)?;
    Ok(bytes)
}

/// A page for people at an absolute URL that must exist.
pub(super) fn had_page(
    url: SafeUrl,
    what: &str,
    means: &Means<'_>,
    limit: u64,
) -> Result<Vec<u8>, ResolveError> {
    let source = Source::Url(url);
    let (_, bytes) = had(&source, what, means, |url| means.web.page(url, limit))?;
    Ok(bytes)
}

fn had(
    source: &Source,
    what: &str,
    means: &Means<'_>,
    get: impl FnOnce(&SafeUrl) -> Result<Option<Vec<u8>>, DocumentError>,
) -> Result<(SafeUrl, Vec<u8>), ResolveError> {
    means.cancel.check()?;
    let url = means.url_of(source)?;
    match get(&url) {
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
