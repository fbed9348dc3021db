//! Fetches what is signed: the index of a suite, and the package lists it vouches for.

use std::io::Read as _;

use jiff::Timestamp;

use super::error::AptError;
use super::release::{self, Release};
use super::{ExpiredIndex, RepositorySpec, Request};
use crate::event::{Cancel, Event, Observer, Step};
use crate::lock::{LockedFile, Suite};
use crate::sources::documents::Documents;
use crate::store::Store;
use crate::trust::openpgp::{Keyring, MAX_CLEAR_SIGNED, MAX_SIGNATURE};
use crate::types::digest::Digest;
use crate::types::fingerprint::Fingerprint;
use crate::types::url::SafeUrl;

/// Largest packed package list, in bytes. Debian's largest has 9 MiB.
pub const MAX_PACKED: u64 = 256 << 20;
/// Largest unpacked package list, in bytes. Debian's largest has 50 MiB.
pub const MAX_LIST: u64 = 1 << 30;
/// Memory that unpacking may take, in bytes: enough for `xz -9`.
const MAX_UNPACK_MEMORY: u64 = 128 << 20;

/// Names of package lists, the better packed one first.
const XZ: &str = "Packages.xz";
const GZ: &str = "Packages.gz";

/// What is shared by the work on one repository.
pub(super) struct Context<'a> {
    pub(super) request: &'a Request,
    pub(super) documents: &'a dyn Documents,
    pub(super) store: &'a Store,
    pub(super) observer: &'a dyn Observer,
    pub(super) cancel: &'a Cancel,
}

/// A suite whose signature and lists were checked.
pub(super) struct Index {
    pub(super) lock: Suite,
    /// Where each list was found, and its text.
    pub(super) lists: Vec<(SafeUrl, Vec<u8>)>,
    pub(super) notes: Vec<String>,
}

/// The signed text, the files it came in, and who signed.
struct Signed {
    text: String,
    files: Vec<LockedFile>,
    signers: Vec<Fingerprint>,
    url: SafeUrl,
    notes: Vec<String>,
}

/// Fetches and checks one suite.
pub(super) fn fetch(
    context: &Context<'_>,
    repository: &RepositorySpec,
    keyring: &Keyring,
    suite: &str,
) -> Result<Index, AptError> {
    context.cancel.check()?;
    let item = format!("{} {suite}", repository.name);
    let started = Event::ItemStarted {
        step: Step::Resolve,
        item: &item,
        bytes: None,
    };
    context.observer.on(&started);
    let signed = signed_index(context, repository, keyring, suite)?;
    let release = Release::parse(&signed.text).map_err(|what| AptError::Release {
        url: signed.url.clone(),
        what,
    })?;
    check_suite(&release, suite, &signed.url)?;
    check_replay(context.request, repository, suite, &release, &signed.url)?;
    let mut notes = signed.notes;
    notes.extend(check_age(context.request, &release, &signed.url)?);
    let mut files = signed.files;
    let mut lists = Vec::new();
    let arch = context.request.arch.as_str();
    let arches = [Some(arch), release.separate_all.then_some("all")];
    for component in &repository.components {
        for arch in arches.into_iter().flatten() {
            let Some(folder) = release.folder(component, arch) else {
                if arch == "all" {
                    continue;
                }
                return Err(AptError::NoPackages {
                    url: signed.url,
                    component: component.clone(),
                    arch: arch.to_owned(),
                });
            };
            let (file, text) = fetch_list(context, repository, suite, &release, &folder, arch)?;
            lists.push((file.url.clone(), text));
            files.push(file);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup();
    context.observer.on(&Event::ItemDone {
        step: Step::Resolve,
        item: &item,
        reused: false,
    });
    Ok(Index {
        lock: Suite {
            suite: suite.to_owned(),
            components: repository.components.clone(),
            signed_by: signed.signers,
            date: release.date,
            valid_until: release.valid_until,
            index: files,
        },
        lists,
        notes,
    })
}

fn signed_index(
    context: &Context<'_>,
    repository: &RepositorySpec,
    keyring: &Keyring,
    suite: &str,
) -> Result<Signed, AptError> {
    let now = context.request.now;
    let inline = dists(repository, suite, "InRelease")?;
    let limit = u64::try_from(MAX_CLEAR_SIGNED).unwrap_or(u64::MAX);
    if let Some(bytes) = context.documents.get(&inline, limit)? {
        let proven = keyring
            .verify_clear_signed(&bytes, now)
            .map_err(|source| refused(repository, &inline, source))?;
        let notes = proven
            .rejected
            .iter()
            .map(|one| format!("{inline}: a signature beside the good ones does not count: {one}"));
        return Ok(Signed {
            files: vec![keep(
                context,
                repository,
                suite,
                "InRelease",
                &inline,
                &bytes,
            )?],
            notes: notes.collect(),
            text: proven.text,
            signers: proven.signers,
            url: inline,
        });
    }
    let plain = dists(repository, suite, "Release")?;
    let detached = dists(repository, suite, "Release.gpg")?;
    let limit_of_signature = u64::try_from(MAX_SIGNATURE).unwrap_or(u64::MAX);
    let (Some(bytes), Some(signature)) = (
        context.documents.get(&plain, limit)?,
        context.documents.get(&detached, limit_of_signature)?,
    ) else {
        return Err(AptError::NoRelease {
            repository: repository.name.to_string(),
            inline,
            plain,
        });
    };
    let signers = keyring
        .verify_detached(&signature, bytes.as_slice(), now)
        .map_err(|source| refused(repository, &detached, source))?;
    let files = vec![
        keep(context, repository, suite, "Release", &plain, &bytes)?,
        keep(
            context,
            repository,
            suite,
            "Release.gpg",
            &detached,
            &signature,
        )?,
    ];
    let text = String::from_utf8(bytes).map_err(|_| AptError::Release {
        url: plain.clone(),
        what: "it is not UTF-8".to_owned(),
    })?;
    Ok(Signed {
        text,
        files,
        signers,
        url: plain,
        notes: Vec::new(),
    })
}

fn refused(
    repository: &RepositorySpec,
    url: &SafeUrl,
    source: crate::trust::openpgp::OpenPgpError,
) -> AptError {
    AptError::Signature {
        repository: repository.name.to_string(),
        what: url.to_string(),
        source,
    }
}

/// Refuses the index of another suite, which the same key may have signed.
pub(super) fn check_suite(release: &Release, suite: &str, url: &SafeUrl) -> Result<(), AptError> {
    if release.is_of(suite) {
        return Ok(());
    }
    let shown = |name: &Option<String>| {
        let name = name.as_deref().unwrap_or("(none)").chars();
        name.take(160).flat_map(char::escape_default).collect()
    };
    Err(AptError::OtherSuite {
        url: url.clone(),
        suite: shown(&release.suite),
        codename: shown(&release.codename),
    })
}

/// Refuses an index that is older than the one of an earlier lock.
fn check_replay(
    request: &Request,
    repository: &RepositorySpec,
    suite: &str,
    release: &Release,
    url: &SafeUrl,
) -> Result<(), AptError> {
    let unreadable = |what| AptError::Release {
        url: url.clone(),
        what,
    };
    let made = release.made().map_err(unreadable)?;
    for seen in &request.seen {
        if seen.repository != repository.name || seen.suite != suite {
            continue;
        }
        let before = release::time(&seen.date)
            .map_err(|what| unreadable(format!("the lock before: {what}")))?;
        if made < before {
            return Err(AptError::Older {
                repository: repository.name.clone(),
                url: url.clone(),
                found: release.date.clone(),
                seen: seen.date.clone(),
            });
        }
    }
    Ok(())
}

/// Refuses an index that has run out, or notes it when that was asked for.
fn check_age(
    request: &Request,
    release: &Release,
    url: &SafeUrl,
) -> Result<Option<String>, AptError> {
    let until = release.valid_until().map_err(|what| AptError::Release {
        url: url.clone(),
        what,
    })?;
    let Some(until) = until.filter(|until: &Timestamp| *until < request.now) else {
        return Ok(None);
    };
    match request.expired {
        ExpiredIndex::Refuse => Err(AptError::Expired {
            url: url.clone(),
            valid_until: until.to_string(),
        }),
        ExpiredIndex::Accept => Ok(Some(format!(
            "{url} was valid until {until} and was accepted although it has run out"
        ))),
    }
}

/// A package list, from the store when it is there, unpacked.
fn fetch_list(
    context: &Context<'_>,
    repository: &RepositorySpec,
    suite: &str,
    release: &Release,
    folder: &str,
    arch: &str,
) -> Result<(LockedFile, Vec<u8>), AptError> {
    let folder = format!("{folder}/binary-{arch}");
    let found = [XZ, GZ].into_iter().find_map(|name| {
        let known = release.files.get(&format!("{folder}/{name}"));
        known.map(|(digest, size)| (name, *digest, *size))
    });
    let plain = |name: &str| dists(repository, suite, &format!("{folder}/{name}"));
    let Some((name, digest, size)) = found else {
        return Err(AptError::Missing { url: plain(XZ)? });
    };
    let mut url = plain(name)?;
    if size > MAX_PACKED {
        return Err(AptError::Release {
            url,
            what: format!("the list has {size} bytes; at most {MAX_PACKED} are read"),
        });
    }
    let by_hash = dists(
        repository,
        suite,
        &format!("{folder}/by-hash/SHA256/{digest}"),
    )?;
    let bytes = if let Some(bytes) = context.store.read(&digest, size)? {
        if release.by_hash {
            url = by_hash;
        }
        bytes
    } else {
        let mut found = None;
        if release.by_hash {
            found = context.documents.get(&by_hash, size)?;
        }
        let bytes = if let Some(bytes) = found {
            url = by_hash;
            bytes
        } else {
            let found = context.documents.get(&url, size)?;
            found.ok_or_else(|| AptError::Missing { url: url.clone() })?
        };
        check_list(&url, &bytes, digest, size)?;
        context.store.put(&bytes)?;
        bytes
    };
    let text = unpack(name, &bytes).map_err(|source| AptError::Unpack {
        url: url.clone(),
        source,
    })?;
    let path = format!("dists/{suite}/{folder}/{name}");
    let file = LockedFile {
        path: repository.path(&path)?,
        url,
        size,
        sha256: digest,
    };
    Ok((file, text))
}

fn check_list(url: &SafeUrl, bytes: &[u8], expected: Digest, size: u64) -> Result<(), AptError> {
    let found = Digest::of(bytes);
    let found_size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if found == expected && found_size == size {
        return Ok(());
    }
    Err(AptError::Mismatch {
        url: url.clone(),
        expected,
        expected_size: size,
        found,
        found_size,
    })
}

/// Whether a file of this name is a package list.
pub(super) fn is_list(name: &str) -> bool {
    matches!(name, XZ | GZ)
}

/// Unpacks a package list.
pub(super) fn unpack(name: &str, packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if name == XZ {
        let stream = liblzma::stream::Stream::new_stream_decoder(
            MAX_UNPACK_MEMORY,
            liblzma::stream::CONCATENATED,
        )?;
        liblzma::bufread::XzDecoder::new_stream(packed, stream)
            .take(MAX_LIST + 1)
            .read_to_end(&mut text)?;
    } else {
        flate2::bufread::MultiGzDecoder::new(packed)
            .take(MAX_LIST + 1)
            .read_to_end(&mut text)?;
    }
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_LIST {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!("unpacked it has more than {MAX_LIST} bytes"),
        ));
    }
    Ok(text)
}

/// Puts a small file of the index into the store.
fn keep(
    context: &Context<'_>,
    repository: &RepositorySpec,
    suite: &str,
    name: &str,
    url: &SafeUrl,
    bytes: &[u8],
) -> Result<LockedFile, AptError> {
    Ok(LockedFile {
        path: repository.path(&format!("dists/{suite}/{name}"))?,
        url: url.clone(),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: context.store.put(bytes)?,
    })
}

fn dists(repository: &RepositorySpec, suite: &str, rest: &str) -> Result<SafeUrl, AptError> {
    let path = format!("dists/{suite}/{rest}");
    repository.uri.join(&path).map_err(|source| AptError::Url {
        place: format!("repository `{}`, {path}", repository.name),
        source,
    })
}
