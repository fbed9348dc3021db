//! rpm repositories, as lists of versions: `repodata/repomd.xml` and the list of packages it vouches for.
//!
//! With a key, `repomd.xml.asc` must be a good signature of it, and the digest in it proves the list of
//! packages. Without one, the digest only shows that both belong together. Versions are all that is
//! taken from here: a file is proven by the evidence of its artifact. Who answers in place of an unsigned
//! repository can keep newer versions back, as with a listing of a folder, but not slip in a file.
//!
//! Format: the documents that `createrepo_c` writes.

mod error;
mod primary;
mod repomd;
pub mod version;
mod xml;

pub use error::RpmError;
pub use repomd::MAX_REPOMD;

use std::io::{BufRead, BufReader, Read};

use jiff::Timestamp;

use self::repomd::Checksum;
use self::version::Evr;
use crate::event::{Cancel, Event, Observer, Step};
use crate::sources::documents::Documents;
use crate::store::Store;
use crate::trust::openpgp::{Keyring, MAX_SIGNATURE};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::types::sha512::Sha512;
use crate::types::target::Arch;
use crate::types::url::SafeUrl;

/// Largest packed list of packages, in bytes. Fedora's has 20 MiB.
pub const MAX_PACKED: u64 = 256 << 20;
/// Largest unpacked list of packages, in bytes. It is read as a stream, and never whole in memory.
pub const MAX_LIST: u64 = 1 << 30;
/// Memory that unpacking may take, in bytes: enough for `xz -9`.
const MAX_UNPACK_MEMORY: u64 = 128 << 20;

/// Which versions are asked for.
#[derive(Debug)]
pub struct Question<'a> {
    /// Root of the repository: the folder that holds `repodata/`.
    pub root: &'a SafeUrl,
    /// Name of the package.
    pub package: &'a str,
    /// Architecture of the hosts; `noarch` fits all.
    pub arch: Arch,
    /// Who must have signed the index, at which time it is checked; `None`: it is taken unsigned.
    pub signed_by: Option<(&'a Keyring, Timestamp)>,
}

/// The versions of a package in a repository, oldest first by rpm's order, without epoch and release.
///
/// Only versions of the newest epoch count: a publisher raises it to take the numbers before it back.
///
/// # Errors
/// When the index cannot be had, is not proven, or does not fit together.
pub fn versions(
    question: &Question<'_>,
    documents: &dyn Documents,
    store: &Store,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Vec<String>, RpmError> {
    cancel.check()?;
    let item = format!("{} {}", question.root, question.package);
    observer.on(&Event::ItemStarted {
        step: Step::Resolve,
        item: &item,
        bytes: None,
    });
    let (url, packed) = list(question, documents, store)?;
    cancel.check()?;
    let found = read(&url, &packed, question)?;
    observer.on(&Event::ItemDone {
        step: Step::Resolve,
        item: &item,
        reused: false,
    });
    Ok(in_order(found))
}

/// Reads an index, and a list of packages, as strangers give them: neither is proven by this.
///
/// # Errors
/// In words, when one is not what it must be.
pub fn examine(
    repomd: &[u8],
    primary: &[u8],
    package: &str,
    arch: Arch,
) -> Result<Vec<String>, String> {
    let index = repomd::parse(repomd).map(|_| ());
    let found = primary::versions_of(primary, package, arch)?;
    index.map(|()| in_order(found))
}

fn in_order(mut found: Vec<Evr>) -> Vec<String> {
    found.sort_by(Evr::order);
    let newest = found.last().map(|evr| evr.epoch);
    found.retain(|evr| Some(evr.epoch) == newest);
    let mut all: Vec<String> = found.into_iter().map(|evr| evr.version).collect();
    all.dedup();
    all
}

/// The list of packages that the index vouches for, packed.
fn list(
    question: &Question<'_>,
    documents: &dyn Documents,
    store: &Store,
) -> Result<(SafeUrl, Vec<u8>), RpmError> {
    let (at, index) = index(question, documents)?;
    let malformed = |what: String| RpmError::Malformed {
        url: at.clone(),
        what,
    };
    let stated = repomd::parse(&index).map_err(malformed)?;
    // A path that leaves the repository is no path of it.
    let path: RelPath = stated
        .path
        .parse()
        .map_err(|error| malformed(format!("the path of its list of packages: {error}")))?;
    let url = question.root.join(path.as_str());
    let url = url.map_err(|error| malformed(error.to_string()))?;
    let size = stated.size.unwrap_or(MAX_PACKED);
    if size > MAX_PACKED {
        return Err(malformed(format!(
            "its list of packages has {size} bytes; at most {MAX_PACKED} are read"
        )));
    }
    let Some(digest) = stated.digest else {
        return Err(malformed("it has no digest of its list".to_owned()));
    };
    if packing(&url).is_none() {
        return Err(RpmError::Packing { url });
    }
    if let Checksum::Sha256(digest) = &digest
        && let Some(bytes) = store.read(digest, size)?
    {
        return Ok((url, bytes));
    }
    let found = documents.get(&url, size)?;
    let bytes = found.ok_or_else(|| RpmError::Missing { url: url.clone() })?;
    check(&url, &bytes, &digest)?;
    store.put(&bytes)?;
    Ok((url, bytes))
}

/// The index, once its signature holds.
fn index(
    question: &Question<'_>,
    documents: &dyn Documents,
) -> Result<(SafeUrl, Vec<u8>), RpmError> {
    let place = |name: &str| {
        question
            .root
            .join(name)
            .map_err(|error| RpmError::Malformed {
                url: question.root.clone(),
                what: error.to_string(),
            })
    };
    let at = place("repodata/repomd.xml")?;
    let Some(bytes) = documents.get(&at, MAX_REPOMD)? else {
        return Err(RpmError::NoIndex { url: at });
    };
    if let Some((keyring, now)) = question.signed_by {
        let url = place("repodata/repomd.xml.asc")?;
        let limit = u64::try_from(MAX_SIGNATURE).unwrap_or(u64::MAX);
        let Some(signature) = documents.get(&url, limit)? else {
            return Err(RpmError::NoSignature { url });
        };
        keyring
            .verify_detached(&signature, bytes.as_slice(), now)
            .map_err(|source| RpmError::Signature { url, source })?;
    }
    Ok((at, bytes))
}

fn check(url: &SafeUrl, bytes: &[u8], expected: &Checksum) -> Result<(), RpmError> {
    let (expected, found) = match expected {
        Checksum::Sha256(digest) => (digest.to_string(), Digest::of(bytes).to_string()),
        Checksum::Sha512(digest) => {
            let found = Sha512::of(bytes).map_err(|error| RpmError::Malformed {
                url: url.clone(),
                what: error.to_string(),
            })?;
            (digest.to_string(), found.to_string())
        }
    };
    if expected == found {
        return Ok(());
    }
    Err(RpmError::Mismatch {
        url: url.clone(),
        expected,
        found,
    })
}

/// How a list is packed.
enum Packing {
    Plain,
    Gzip,
    Xz,
}

fn packing(url: &SafeUrl) -> Option<Packing> {
    let name = url.file_name();
    match name.rsplit_once('.')?.1 {
        "xml" => Some(Packing::Plain),
        "gz" => Some(Packing::Gzip),
        "xz" => Some(Packing::Xz),
        _ => None,
    }
}

fn read(url: &SafeUrl, packed: &[u8], question: &Question<'_>) -> Result<Vec<Evr>, RpmError> {
    let malformed = |what: String| RpmError::Malformed {
        url: url.clone(),
        what,
    };
    let plain: Box<dyn BufRead + '_> = match packing(url) {
        None => return Err(RpmError::Packing { url: url.clone() }),
        Some(Packing::Plain) => Box::new(packed),
        Some(Packing::Gzip) => {
            Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(packed)))
        }
        Some(Packing::Xz) => {
            let stream = liblzma::stream::Stream::new_stream_decoder(
                MAX_UNPACK_MEMORY,
                liblzma::stream::CONCATENATED,
            )
            .map_err(|error| malformed(error.to_string()))?;
            let decoder = liblzma::bufread::XzDecoder::new_stream(packed, stream);
            Box::new(BufReader::new(decoder))
        }
    };
    // What is cut off here ends before its outermost element does, and is refused for that.
    let limited = plain.take(MAX_LIST);
    primary::versions_of(limited, question.package, question.arch).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_of_the_newest_epoch_count_oldest_first() {
        let evr = |epoch, version: &str, release: &str| Evr {
            epoch,
            version: version.to_owned(),
            release: release.to_owned(),
        };
        let found = vec![
            evr(1, "1.10", "1"),
            evr(0, "2.0", "1"),
            evr(1, "1.9", "2"),
            evr(1, "1.9", "1"),
            evr(1, "1.10~rc1", "1"),
        ];
        assert_eq!(in_order(found), ["1.9", "1.10~rc1", "1.10"]);
        assert_eq!(in_order(Vec::new()), [""; 0]);
    }
}
