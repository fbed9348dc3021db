//! The list and the signatures among loose files, and what can be read of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::bundle::FULL;
use crate::bundle::sums::{self, Sums};
use crate::carry::CarryError;
use crate::carry::receive::Taking;
use crate::fs::{At, Root};
use crate::trust::directory::Trust;
use crate::trust::judge::{SignatureFile, judge};
use crate::trust::sshsig;
use crate::types::digest::Digest;
use crate::verify::VerifyError;
use crate::verify::authentic::{Authentic, Delta, MAX_SIGNATURE_FILE, Raw, authenticate_any};

/// Most files of a drop folder that are looked at.
const MAX_FILES: usize = 262_144;
/// Most different lists that are kept in mind.
const MAX_LISTS: usize = 64;
/// Most small files that are tried as signatures in one look.
const MAX_SMALL: usize = 4096;
/// How a list begins.
const LIST_MAGIC: &[u8] = b"# haversack-bundle ";

/// What tells whether a file changed between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) changed: (i64, i64),
    pub(super) number: u64,
}

/// A list that was found, proved.
pub(super) struct Found {
    pub(super) authentic: Authentic,
    pub(super) delta: Option<Delta>,
    pub(super) list: Vec<u8>,
}

/// The list of the full bundle that a delta makes. Its own list is proved.
fn full_list(list: &[u8]) -> Option<Vec<u8>> {
    let sums = Sums::parse(list).ok()?;
    sums.header().base?;
    Some(sums.full().ok()?.render().into_bytes())
}

/// The regular files directly in the drop folder.
pub(super) fn stamps(root: &Root) -> Result<BTreeMap<OsString, Stamp>, CarryError> {
    let mut found = BTreeMap::new();
    for one in root.files(MAX_FILES)? {
        found.insert(
            one.name,
            Stamp {
                size: one.size,
                changed: one.changed,
                number: one.number,
            },
        );
    }
    Ok(found)
}

/// The newest list among the files that a trusted key has signed and that this network takes in.
pub(super) fn find_list(
    root: &Root,
    ready: &BTreeMap<OsString, Stamp>,
    taking: Taking<'_>,
    reason: &mut String,
) -> Result<Option<Found>, CarryError> {
    let Taking {
        trust,
        memory,
        options,
        ..
    } = taking;
    let limit = u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX);
    let mut lists: BTreeSet<Vec<u8>> = BTreeSet::new();
    for (name, stamp) in ready {
        if stamp.size > limit || lists.len() >= MAX_LISTS {
            continue;
        }
        lists.extend(read_if(root, name, limit, LIST_MAGIC)?);
    }
    let mut best: Option<Found> = None;
    let mut refused: Option<VerifyError> = None;
    for list in lists {
        let mut signatures = find_signatures(root, ready, &list, trust, "")?;
        let proved = judge(trust, &list, &signatures).is_ok();
        if let Some(full) = proved.then(|| full_list(&list)).flatten() {
            signatures.extend(find_signatures(root, ready, &full, trust, FULL)?);
        }
        let raw = Raw {
            roots: Vec::new(),
            list: list.clone(),
            signatures,
        };
        match authenticate_any(raw, trust, memory, options) {
            Ok((authentic, delta)) => {
                let other = best.as_ref().map(|best| best.authentic.sums.header());
                let header = authentic.sums.header();
                if let Some(other) = other.filter(|other| other.name != header.name) {
                    return Err(CarryError::Several {
                        path: root.path().to_owned(),
                        names: format!("{} and {}", other.name, header.name),
                    });
                }
                if other.is_none_or(|other| other.sequence < header.sequence) {
                    best = Some(Found {
                        authentic,
                        delta,
                        list,
                    });
                }
            }
            // Its signatures may still come; half a list is not signed either.
            Err(VerifyError::Trust(error) | VerifyError::Full(error)) => {
                let label = Digest::of(&list).label();
                *reason =
                    format!("the list {label} is not signed by enough trusted keys yet: {error}");
            }
            Err(VerifyError::Sums(error)) if Sums::parse(&list).is_err() => {
                *reason = error.to_string();
            }
            Err(error) => refused = Some(error),
        }
    }
    match (best, refused) {
        (None, Some(error)) => Err(error.into()),
        (best, _) => Ok(best),
    }
}

/// The signatures over this list among the files, under the names that they have in a bundle.
pub(super) fn find_signatures(
    root: &Root,
    ready: &BTreeMap<OsString, Stamp>,
    list: &[u8],
    trust: &Trust,
    full: &str,
) -> Result<Vec<SignatureFile>, CarryError> {
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let small = ready
        .iter()
        .filter(|(_, stamp)| (1..=MAX_SIGNATURE_FILE).contains(&stamp.size));
    for (name, _) in small.take(MAX_SMALL) {
        // DER of two numbers, or the armour of SSH.
        if let Some(bytes) = read_if(root, name, MAX_SIGNATURE_FILE, b"\x30")? {
            let signer = trust
                .keys()
                .iter()
                .find(|one| one.key.verify(list, &bytes).is_ok());
            if let Some(signer) = signer {
                found.insert(format!("{}{full}.sig", signer.key.key_id()), bytes);
            }
        } else if let Some(bytes) = read_if(root, name, MAX_SIGNATURE_FILE, b"-----BEGIN SSH")?
            && let Ok(key) = sshsig::verify(&bytes, list)
            && trust.keys().iter().any(|one| one.key == key)
        {
            found.insert(format!("{}{full}.sshsig", key.key_id()), bytes);
        }
    }
    let files = found.into_iter();
    Ok(files
        .map(|(name, bytes)| SignatureFile { name, bytes })
        .collect())
}

/// The content of a file of at most `limit` bytes, when it begins so; none too when it went away.
pub(super) fn read_if(
    root: &Root,
    name: &OsString,
    limit: u64,
    begin: &[u8],
) -> Result<Option<Vec<u8>>, CarryError> {
    let path = Path::new(name);
    let Ok(mut file) = root.open_file(path) else {
        return Ok(None);
    };
    let full: PathBuf = root.path().join(path);
    let mut bytes = Vec::new();
    let first = u64::try_from(begin.len()).unwrap_or(u64::MAX);
    (&mut file)
        .take(first)
        .read_to_end(&mut bytes)
        .at("read", &full)?;
    if bytes != begin {
        return Ok(None);
    }
    file.take(limit).read_to_end(&mut bytes).at("read", &full)?;
    Ok(Some(bytes))
}
