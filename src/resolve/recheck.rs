//! Checks the evidence of a lock again, before a bundle repeats it.
//!
//! A lock is a text that people and tools change. So what it says is taken from nowhere but the
//! manifest and the documents that it names, which are in the store by now: the checksum file still
//! states the digest, the signature is good over the very file, the package lists vouch for every
//! package, and their index is signed by the keyring.

mod error;

pub use error::RecheckError;

use std::io::Read;

use jiff::Timestamp;

use super::evidence::{MAX_KEY, MAX_SIGNATURE};
use crate::event::Cancel;
use crate::lock::{Artifact, Evidence, Lock, LockedFile, Repository, Vouched};
use crate::manifest::{self, Manifest, Origin, SignedBy, Source, Wanted};
use crate::pool;
use crate::sources::apt;
use crate::sources::github;
use crate::store::Shelf;
use crate::trust::minisign;
use crate::trust::openpgp::Keyring;
use crate::trust::sums::{self, SumsError};
use crate::types::fingerprint::Fingerprint;
use crate::types::minisign::MinisignKey;
use crate::types::name::Name;
use crate::types::sha512::Sha512;
use crate::types::url::SafeUrl;

/// What is asked.
pub(super) struct Check<'c> {
    store: &'c dyn Shelf,
    now: Timestamp,
    pub(super) cancel: &'c Cancel,
}

/// Checks every piece of evidence of `lock`, which answers `manifest`, from what is on the shelf: the store, or a
/// bundle whose list was proven.
///
/// What a manifest trusts without naming a key (`first-lock`, and repositories with
/// `from = "system"`, whose keyring was this or another machine's) can be compared with itself only.
///
/// # Errors
/// When the lock says anything that its evidence does not.
pub fn recheck(
    lock: &Lock,
    manifest: &Manifest,
    store: &dyn Shelf,
    now: Timestamp,
    cancel: &Cancel,
) -> Result<(), RecheckError> {
    let check = Check { store, now, cancel };
    for artifact in &lock.artifacts {
        let mut wished = manifest.artifacts.iter();
        if !wished.any(|wish| wish.path == artifact.file.path) {
            let item = artifact.file.path.as_str();
            return Err(unproven(item, "the manifest does not ask for it"));
        }
    }
    pool::try_map(&manifest.artifacts, pool::cores(), |wish| {
        cancel.check()?;
        let found = lock.artifacts.iter().find(|one| one.file.path == wish.path);
        match found {
            Some(artifact) => check.artifact(manifest, wish, artifact),
            None => Err(unproven(wish.path.as_str(), "the lock lacks it")),
        }
    })?;
    check.images(lock, manifest)?;
    check.repositories(lock, manifest)
}

impl Check<'_> {
    fn artifact(
        &self,
        manifest: &Manifest,
        wish: &manifest::Artifact,
        artifact: &Artifact,
    ) -> Result<(), RecheckError> {
        let item = artifact.file.path.as_str();
        let same = artifact.component == wish.component
            && artifact.version == wish.version
            && artifact.stand_in == wish.stand_in
            && artifact.expect == wish.expect
            && artifact.accepted == wish.accepted;
        if !same {
            let what =
                "component, version, stand-in, expect or accept are not those of the manifest";
            return Err(unproven(item, what));
        }
        if !is_place(&wish.source, &artifact.file.url) {
            let what = format!("its URL {} is not that of the manifest", artifact.file.url);
            return Err(unproven(item, what));
        }
        let mut left: Vec<&Evidence> = artifact.evidence.iter().collect();
        for wanted in &wish.evidence {
            let Some(at) = left.iter().position(|one| answers(wanted, one)) else {
                let what = "the manifest asks for evidence that the lock does not name";
                return Err(unproven(item, what));
            };
            self.evidence(manifest, wanted, left.remove(at), artifact)?;
        }
        match left.first() {
            None => Ok(()),
            Some(more) => Err(unproven(
                item,
                format!("the manifest does not ask for: {}", more.vouched),
            )),
        }
    }

    fn evidence(
        &self,
        manifest: &Manifest,
        wanted: &Wanted,
        evidence: &Evidence,
        artifact: &Artifact,
    ) -> Result<(), RecheckError> {
        let (item, sha256) = (artifact.file.path.as_str(), artifact.file.sha256);
        let stated = match wanted {
            Wanted::Literal(digest) | Wanted::Catalogue(digest) => *digest,
            Wanted::FirstLock(_) => return Ok(()),
            Wanted::ChecksumFile {
                file_name, signed, ..
            } => {
                let text = self.sums_text(manifest, signed.as_ref(), evidence, item)?;
                sums_of(&text, file_name, sums::find, evidence, item)?
            }
            Wanted::Page { pattern, .. } => match &evidence.vouched {
                Vouched::Page { excerpt, .. } => {
                    let found = pattern.only_digest(excerpt);
                    found.map_err(|error| unproven(item, error.to_string()))?.0
                }
                other => return Err(unproven(item, other.to_string())),
            },
            Wanted::Release { asset, .. } => match &evidence.vouched {
                Vouched::Release { excerpt, .. } => github::excerpt_digest(excerpt, asset)
                    .map_err(|error| unproven(item, error.to_string()))?,
                other => return Err(unproven(item, other.to_string())),
            },
            Wanted::OpenPgp { key, .. } => {
                return self.signature(manifest, key, evidence, artifact);
            }
            Wanted::Minisign { key, comment, .. } => {
                return self.minisign(key, comment.as_deref(), evidence, artifact);
            }
            Wanted::Sha512(digest) => return self.sha512(*digest, evidence, artifact),
            Wanted::Sha512File {
                file_name, signed, ..
            } => {
                let text = self.sums_text(manifest, signed.as_ref(), evidence, item)?;
                let stated = sums_of(&text, file_name, sums::find_sha512, evidence, item)?;
                return self.sha512(stated, evidence, artifact);
            }
        };
        if stated == sha256 {
            return Ok(());
        }
        let what = format!("{} is {stated}, the lock says {sha256}", evidence.vouched);
        Err(unproven(item, what))
    }

    /// The text of a checksum document, after its own signature was checked where it has one.
    fn sums_text(
        &self,
        manifest: &Manifest,
        wanted: Option<&SignedBy>,
        evidence: &Evidence,
        item: &str,
    ) -> Result<String, RecheckError> {
        let document = document(evidence.document.as_ref(), item)?;
        let bytes = self.read(document, sums::MAX_DOCUMENT)?;
        let text = |bytes| {
            String::from_utf8(bytes)
                .map_err(|_| unproven(item, format!("{} is no UTF-8 text", document.url)))
        };
        let (wanted, signed) = match (wanted, &evidence.signed) {
            (None, None) => return text(bytes),
            (Some(wanted), Some(signed)) => (wanted, signed),
            _ => return Err(unproven(item, "its checksum file is signed, or it is not")),
        };
        let keyring = self.keyring(manifest, &wanted.key, &signed.by, evidence, item)?;
        let refused = |url: &SafeUrl, source| RecheckError::Signature {
            item: item.to_owned(),
            url: url.clone(),
            source,
        };
        match &signed.signature {
            None => {
                let good = keyring.verify_clear_signed(&bytes, self.now);
                Ok(good.map_err(|source| refused(&document.url, source))?.text)
            }
            Some(file) => {
                let signature = self.read(file, MAX_SIGNATURE)?;
                let good = keyring.verify_detached(&signature, bytes.as_slice(), self.now);
                good.map_err(|source| refused(&file.url, source))?;
                text(bytes)
            }
        }
    }

    /// The pinned certificate that signed, out of the key file of the evidence.
    fn keyring(
        &self,
        manifest: &Manifest,
        key: &Name,
        signer: &Fingerprint,
        evidence: &Evidence,
        item: &str,
    ) -> Result<Keyring, RecheckError> {
        if !pins(manifest, key).contains(signer) {
            let what = format!("it is signed by {signer}, which the key `{key}` does not pin");
            return Err(unproven(item, what));
        }
        let file = document(evidence.key.as_ref(), item)?;
        let bytes = self.read(file, MAX_KEY)?;
        Keyring::parse(&bytes)
            .and_then(|keyring| keyring.only(std::slice::from_ref(signer)))
            .map_err(|source| RecheckError::Signature {
                item: item.to_owned(),
                url: file.url.clone(),
                source,
            })
    }

    fn minisign(
        &self,
        key: &MinisignKey,
        wanted: Option<&str>,
        evidence: &Evidence,
        artifact: &Artifact,
    ) -> Result<(), RecheckError> {
        let item = artifact.file.path.as_str();
        let signature = document(evidence.document.as_ref(), item)?;
        let bytes = self.read(signature, minisign::MAX_SIGNATURE)?;
        let file = self.open(artifact)?;
        let found = minisign::verify(key, &bytes, wanted, file);
        let comment = found.map_err(|source| RecheckError::Minisign {
            item: item.to_owned(),
            url: signature.url.clone(),
            source,
        })?;
        let proven = Vouched::Minisign {
            key: key.clone(),
            comment,
        };
        if evidence.vouched == proven {
            return Ok(());
        }
        Err(unproven(item, "it names another minisign key or comment"))
    }

    fn sha512(
        &self,
        stated: Sha512,
        evidence: &Evidence,
        artifact: &Artifact,
    ) -> Result<(), RecheckError> {
        let item = artifact.file.path.as_str();
        let file = self.open(artifact)?;
        let found = Sha512::of(file)
            .map_err(|error| unproven(item, format!("it cannot be read: {error}")))?;
        if found == stated && evidence.vouched == Vouched::Sha512(stated) {
            return Ok(());
        }
        let what = format!("its SHA-512 is {found}, its evidence says {stated}");
        Err(unproven(item, what))
    }

    fn signature(
        &self,
        manifest: &Manifest,
        key: &Name,
        evidence: &Evidence,
        artifact: &Artifact,
    ) -> Result<(), RecheckError> {
        let item = artifact.file.path.as_str();
        let Vouched::OpenPgp(signer) = &evidence.vouched else {
            return Err(unproven(item, "it names no signer"));
        };
        let keyring = self.keyring(manifest, key, signer, evidence, item)?;
        let signature = document(evidence.document.as_ref(), item)?;
        let refused = |source| RecheckError::Signature {
            item: item.to_owned(),
            url: signature.url.clone(),
            source,
        };
        let bytes = self.read(signature, MAX_SIGNATURE)?;
        let file = self.open(artifact)?;
        keyring
            .verify_detached(&bytes, file, self.now)
            .map_err(refused)?;
        Ok(())
    }

    fn repositories(&self, lock: &Lock, manifest: &Manifest) -> Result<(), RecheckError> {
        let wished = manifest.apt.as_ref();
        let wished = wished.map_or(&[][..], |apt| apt.repositories.as_slice());
        for wish in wished {
            if !lock.repositories.iter().any(|one| is_of(wish, &one.name)) {
                return Err(unproven(wish.name.as_str(), "the lock lacks it"));
            }
        }
        for repository in &lock.repositories {
            let item = repository.name.as_str();
            // A repository of its own name comes before the several of the system.
            let own = wished.iter().find(|wish| wish.name == repository.name);
            let wish = own.or_else(|| wished.iter().find(|wish| is_of(wish, &repository.name)));
            let wish = wish.ok_or_else(|| unproven(item, "the manifest does not ask for it"))?;
            let pinned = as_stated(wish, manifest, repository)?;
            apt::recheck(repository, pinned, self.store, self.now, self.cancel).map_err(
                |source| RecheckError::Repository {
                    repository: repository.name.clone(),
                    source: Box::new(source),
                },
            )?;
        }
        Ok(())
    }

    fn open(&self, artifact: &Artifact) -> Result<Box<dyn Read>, RecheckError> {
        let file = self.store.open(&artifact.file.sha256)?;
        file.ok_or_else(|| unproven(artifact.file.path.as_str(), "it is not there"))
    }

    pub(super) fn read(&self, file: &LockedFile, limit: u64) -> Result<Vec<u8>, RecheckError> {
        let found = self.store.bytes(&file.sha256, limit)?;
        found.ok_or_else(|| unproven(file.path.as_str(), "it is not in the store, or too long"))
    }
}

/// The pins of a repository; none for those of the system.
fn as_stated<'m>(
    wish: &manifest::Repository,
    manifest: &'m Manifest,
    repository: &Repository,
) -> Result<&'m [Fingerprint], RecheckError> {
    let item = repository.name.as_str();
    let Origin::Stated {
        uri, suites, key, ..
    } = &wish.origin
    else {
        return Ok(&[]);
    };
    let locked: Vec<&str> = repository.suites.iter().map(|one| &*one.suite).collect();
    let all = suites.iter().all(|suite| locked.contains(&suite.as_str()));
    let more = locked
        .iter()
        .all(|suite| suites.iter().any(|one| one == suite));
    let pins = pins(manifest, key);
    let same_pins = pins.iter().all(|pin| repository.pinned.contains(pin))
        && repository.pinned.iter().all(|pin| pins.contains(pin));
    if *uri != repository.uri || !all || !more || !same_pins || pins.is_empty() {
        let what = "its URI, suites or pinned keys are not those of the manifest";
        return Err(unproven(item, what));
    }
    Ok(pins)
}

/// Whether a locked repository is of this entry: the several of one system are called `name-…`.
pub(super) fn is_of(wish: &manifest::Repository, name: &Name) -> bool {
    let rest = name.as_str().strip_prefix(wish.name.as_str());
    match wish.origin {
        Origin::System => rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
        Origin::Stated { .. } => rest == Some(""),
    }
}

fn pins<'m>(manifest: &'m Manifest, key: &Name) -> &'m [Fingerprint] {
    let found = manifest.keys.iter().find(|one| one.name == *key);
    found.map_or(&[], |key| key.openpgp.as_slice())
}

/// Whether the lock's piece of evidence is of the kind and from the place that is asked for.
fn answers(wanted: &Wanted, evidence: &Evidence) -> bool {
    let from = |source: &Source| {
        let document = evidence.document.as_ref();
        document.is_some_and(|document| is_place(source, &document.url))
    };
    match (wanted, &evidence.vouched) {
        (Wanted::Page { source, .. }, Vouched::Page { url, .. }) => is_place(source, url),
        (Wanted::Release { url: asked, .. }, Vouched::Release { url, .. }) => asked == url,
        (Wanted::Literal(_), Vouched::Manifest) | (Wanted::Catalogue(_), Vouched::Catalogue(_)) => {
            true
        }
        (Wanted::ChecksumFile { source, .. }, Vouched::ChecksumFile)
        | (Wanted::OpenPgp { source, .. }, Vouched::OpenPgp(_))
        | (Wanted::Minisign { source, .. }, Vouched::Minisign { .. })
        | (Wanted::Sha512File { source, .. }, Vouched::Sha512(_)) => from(source),
        (Wanted::Sha512(stated), Vouched::Sha512(locked)) => {
            stated == locked && evidence.document.is_none()
        }
        (Wanted::FirstLock(wished), Vouched::FirstLock(locked)) => wished == locked,
        _ => false,
    }
}

/// Whether a URL of the lock is this place. A local path is absolute in the lock, and another one on
/// another machine.
pub(super) fn is_place(source: &Source, url: &SafeUrl) -> bool {
    match source {
        Source::Url(wished) => wished.is_same_place(url),
        Source::Path(path) => match url.relative_path() {
            Some(locked) => locked == path,
            // Locks of before name the place that the file had on the machine where they were made.
            None => url.local_path().is_some() && url.file_name() == source.file_name(),
        },
    }
}

fn document<'e>(
    document: Option<&'e LockedFile>,
    item: &str,
) -> Result<&'e LockedFile, RecheckError> {
    document.ok_or_else(|| unproven(item, "a document of its evidence is not named"))
}

/// The digest that the text of a checksum document states.
fn sums_of<D>(
    text: &str,
    file_name: &str,
    find: fn(&str, &str) -> Result<D, SumsError>,
    evidence: &Evidence,
    item: &str,
) -> Result<D, RecheckError> {
    let url = document(evidence.document.as_ref(), item)?.url.clone();
    find(text, file_name).map_err(|source| RecheckError::Sums {
        item: item.to_owned(),
        url,
        source: Box::new(source),
    })
}

pub(super) fn unproven(item: &str, what: impl Into<String>) -> RecheckError {
    RecheckError::Unproven {
        item: item.to_owned(),
        what: what.into(),
    }
}
