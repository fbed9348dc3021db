//! Checks the rows of a lock against the signed bytes that are in the store.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::error::AptError;
use super::index::{MAX_PACKED, check_suite, is_list, unpack};
use super::packages;
use super::release::Release;
use crate::event::Cancel;
use crate::lock::{LockedFile, Package, Repository, Suite};
use crate::pool;
use crate::store::Shelf;
use crate::trust::openpgp::{
    ClearSigned, Keyring, MAX_CLEAR_SIGNED, MAX_KEYRING, MAX_SIGNATURE, OpenPgpError,
};
use crate::types::fingerprint::Fingerprint;

/// Whether a repository of a lock is what its signed indexes say: the keyring holds the `pinned`
/// certificates only (any, when that is empty), it signed the index of every suite, the indexes vouch
/// for the package lists, and the lists for every package. All must be in the store.
///
/// `Valid-Until` is not looked at: a lock may be built again at any later time.
///
/// # Errors
/// When something is not vouched for, or cannot be read.
pub fn recheck(
    repository: &Repository,
    pinned: &[Fingerprint],
    store: &dyn Shelf,
    now: Timestamp,
    cancel: &Cancel,
) -> Result<(), AptError> {
    let keyring = keyring(repository, pinned, store)?;
    let mut lists = Vec::new();
    for suite in &repository.suites {
        cancel.check()?;
        lists.extend(lists_of(repository, suite, &keyring, store, now)?);
    }
    let folder = format!("apt/{}", repository.name);
    let mut wanted: BTreeMap<&str, &Package> = BTreeMap::new();
    for package in &repository.packages {
        let path = package.file.path.below(&folder);
        wanted.insert(path.unwrap_or_default(), package);
    }
    let found = pool::try_map(&lists, pool::cores(), |list| {
        cancel.check()?;
        vouched(list, &wanted, store)
    })?;
    let found: BTreeSet<&str> = found.into_iter().flatten().collect();
    match wanted.iter().find(|(path, _)| !found.contains(*path)) {
        None => Ok(()),
        Some((path, package)) => Err(AptError::Release {
            url: package.file.url.clone(),
            what: format!(
                "no signed package list has {} {} as {path} with sha256 {}",
                package.name, package.version, package.file.sha256
            ),
        }),
    }
}

fn keyring(
    repository: &Repository,
    pinned: &[Fingerprint],
    store: &dyn Shelf,
) -> Result<Keyring, AptError> {
    let refused = |source| AptError::Signature {
        repository: repository.name.to_string(),
        what: format!("the keyring {}", repository.keyring.url),
        source,
    };
    let bytes = read(&repository.keyring, limit(MAX_KEYRING), store)?;
    let keyring = Keyring::parse(&bytes).map_err(refused)?;
    if pinned.is_empty() {
        return Ok(keyring);
    }
    let found = keyring.fingerprints();
    if let Some(other) = found.iter().find(|one| !pinned.contains(one)) {
        return Err(refused(OpenPgpError::Keyring(format!(
            "it holds {other}, which the manifest does not pin"
        ))));
    }
    keyring.only(pinned).map_err(refused)
}

/// The package lists of a suite, after its signature was checked and that it vouches for them.
fn lists_of<'l>(
    repository: &Repository,
    suite: &'l Suite,
    keyring: &Keyring,
    store: &dyn Shelf,
    now: Timestamp,
) -> Result<Vec<&'l LockedFile>, AptError> {
    let folder = format!("apt/{}/dists/{}", repository.name, suite.suite);
    let named = |name: &str| {
        let mut all = suite.index.iter();
        all.find(|file| file.path.below(&folder) == Some(name))
    };
    let refused = |file: &LockedFile, source| AptError::Signature {
        repository: repository.name.to_string(),
        what: file.url.to_string(),
        source,
    };
    let (signed, proven) = match (named("InRelease"), named("Release"), named("Release.gpg")) {
        (Some(inline), None, None) => {
            let bytes = read(inline, limit(MAX_CLEAR_SIGNED), store)?;
            let proven = keyring.verify_clear_signed(&bytes, now);
            (inline, proven.map_err(|source| refused(inline, source))?)
        }
        (None, Some(plain), Some(detached)) => {
            let bytes = read(plain, limit(MAX_CLEAR_SIGNED), store)?;
            let signature = read(detached, limit(MAX_SIGNATURE), store)?;
            let signers = keyring
                .verify_detached(&signature, bytes.as_slice(), now)
                .map_err(|source| refused(detached, source))?;
            let text =
                String::from_utf8(bytes).map_err(|_| contradicts(plain, "it is not UTF-8"))?;
            let rejected = Vec::new();
            let proven = ClearSigned {
                text,
                signers,
                rejected,
            };
            (plain, proven)
        }
        _ => {
            return Err(AptError::Release {
                url: repository.uri.clone(),
                what: format!("the lock names no signed index of {}", suite.suite),
            });
        }
    };
    let release = Release::parse(&proven.text).map_err(|what| contradicts(signed, what))?;
    check_suite(&release, &suite.suite, &signed.url)?;
    if suite.signed_by.is_empty()
        || !suite
            .signed_by
            .iter()
            .all(|one| proven.signers.contains(one))
    {
        return Err(contradicts(
            signed,
            "it is not signed by whom the lock names",
        ));
    }
    if suite.date != release.date || suite.valid_until != release.valid_until {
        return Err(contradicts(signed, "its dates are not those of the lock"));
    }
    let mut lists = Vec::new();
    for file in &suite.index {
        let name = file.path.below(&folder).unwrap_or_default();
        if matches!(name, "InRelease" | "Release" | "Release.gpg") {
            continue;
        }
        if release.files.get(name) != Some(&(file.sha256, file.size)) {
            return Err(contradicts(
                signed,
                format!(
                    "it does not vouch for {} with sha256 {}",
                    file.path, file.sha256
                ),
            ));
        }
        if is_list(file.path.file_name()) {
            lists.push(file);
        }
    }
    Ok(lists)
}

/// The paths of those packages that a list has exactly as the lock does.
fn vouched<'w>(
    list: &LockedFile,
    wanted: &BTreeMap<&'w str, &Package>,
    store: &dyn Shelf,
) -> Result<Vec<&'w str>, AptError> {
    let packed = read(list, MAX_PACKED, store)?;
    let text = unpack(list.path.file_name(), &packed).map_err(|source| AptError::Unpack {
        url: list.url.clone(),
        source,
    })?;
    let records = packages::parse(&text).map_err(|source| AptError::Syntax {
        place: list.url.to_string(),
        source,
    })?;
    let mut found = Vec::new();
    for record in records {
        let path = record.filename;
        let path = path.strip_prefix("./").unwrap_or(path);
        let Some((path, package)) = wanted.get_key_value(path) else {
            continue;
        };
        let same_name = (record.name, record.version, record.arch)
            == (&*package.name, &*package.version, &*package.arch);
        let same_file = record.size.parse() == Ok(package.file.size)
            && record.sha256.parse() == Ok(package.file.sha256);
        if same_name && same_file {
            found.push(*path);
        }
    }
    Ok(found)
}

fn read(file: &LockedFile, limit: u64, store: &dyn Shelf) -> Result<Vec<u8>, AptError> {
    let found = store.bytes(&file.sha256, limit)?;
    found.ok_or_else(|| contradicts(file, "it is not in the store, or too long"))
}

fn contradicts(file: &LockedFile, what: impl Into<String>) -> AptError {
    AptError::Release {
        url: file.url.clone(),
        what: what.into(),
    }
}

fn limit(limit: usize) -> u64 {
    u64::try_from(limit).unwrap_or(u64::MAX)
}
