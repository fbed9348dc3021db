//! The changes of a delta, each proved before it is taken.

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::changes::{BaseFile, Change};
use crate::bundle::places::volume_of;
use crate::bundle::request::{ItemChange, PackRequest, Source};
use crate::delta::{self, DeltaError, MAX_PACKED, Outcome};
use crate::event::{Cancelled, Progress};
use crate::fs::{self, At as _, AtomicFile, PathError};
use crate::store::{Store, StoreError};
use crate::types::digest::Digest;
use crate::types::path::RelPath;

/// A file for which the base has an older one, and which is carried whole all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Where it would stand with one volume.
    pub path: RelPath,
    /// Why.
    pub reason: &'static str,
}

/// Why changes were not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// The store refused.
    #[error("the changes of the delta cannot be made")]
    Store(#[from] StoreError),
    /// The file system refused.
    #[error("the changes of the delta cannot be made")]
    Io(#[from] PathError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl ChangesError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Io(error) | StoreError::Brought(error)) | Self::Io(error) => {
                error.id()
            }
            Self::Store(StoreError::Mismatch { .. }) => "E301",
            Self::Store(StoreError::Cancelled(_)) | Self::Cancelled(_) => "E130",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Io(error) => error.hint(),
            Self::Cancelled(_) => None,
        }
    }
}

/// Makes a change for each file of the request of which its base, which lies in `folder`, holds an older one,
/// where one is worth it. The old bytes are taken from the store, else from the folder; where neither has them, the
/// whole file is carried. The changes go into the store. Same files, same changes.
///
/// # Errors
/// When store or file system refuse, or the work was asked to stop.
pub fn make(
    request: &PackRequest,
    folder: &Path,
    store: &Store,
    progress: &Progress<'_>,
) -> Result<(BTreeMap<RelPath, ItemChange>, Vec<Kept>), ChangesError> {
    let (mut found, mut kept) = (BTreeMap::new(), Vec::new());
    let Some(base) = &request.base else {
        return Ok((found, kept));
    };
    let mut wanted = Vec::new();
    for item in &request.items {
        let digest = item.source.digest();
        if volume_of(&item.path).is_none() || base.place_of(&item.path, &digest).is_some() {
            continue;
        }
        if let Some((place, old)) = base.like(&item.path) {
            wanted.push((item, digest, place, old));
        }
    }
    let bytes = wanted.iter().fold(0_u64, |sum, (item, ..)| {
        sum.saturating_add(item.source.size())
    });
    progress.started(u64::try_from(wanted.len()).unwrap_or(u64::MAX), bytes);
    for (item, digest, place, old) in wanted {
        let name = item.path.as_str();
        progress.item_started(name, item.source.size());
        let outcome = match (
            load(store, &old, &folder.join(place.to_path()))?,
            new_bytes(&item.source, &digest, store)?,
        ) {
            (Some(old), Some(new)) => one(&old, &new, store, progress)?,
            _ => Outcome::Whole("its bytes or those of the base are not at hand"),
        };
        match outcome {
            Outcome::Whole(reason) => kept.push(Kept {
                path: item.path.clone(),
                reason,
            }),
            Outcome::Made(made) => {
                let size = u64::try_from(made.change.len()).unwrap_or(u64::MAX);
                let digest = store.put(&made.change)?;
                let base = BaseFile {
                    path: place.clone(),
                    sha256: old,
                    size: made
                        .base
                        .iter()
                        .fold(0, |sum, part| part.packed.saturating_add(sum)),
                    parts: made.base,
                };
                let change = Change {
                    size,
                    base,
                    made: made.made,
                };
                let source = Source::Stored { digest, size };
                found.insert(item.path.clone(), ItemChange { source, change });
            }
        }
        progress.advance(name, item.source.size())?;
        progress.item_done(name, false);
    }
    progress.done();
    Ok((found, kept))
}

fn new_bytes(
    source: &Source,
    digest: &Digest,
    store: &Store,
) -> Result<Option<Vec<u8>>, StoreError> {
    match source {
        Source::Bytes(bytes) => Ok(Some(bytes.clone())),
        Source::Stored { .. } => store.read(digest, MAX_PACKED),
    }
}

/// A file of the base with this digest.
fn load(store: &Store, digest: &Digest, path: &Path) -> Result<Option<Vec<u8>>, ChangesError> {
    if let Some(bytes) = store.read(digest, MAX_PACKED)? {
        return Ok(Some(bytes));
    }
    let there = fs::examine(path)?.filter(|there| there.is_file() && there.len() <= MAX_PACKED);
    if there.is_none() {
        return Ok(None);
    }
    let bytes = fs::read(path, MAX_PACKED)?;
    Ok((Digest::of(&bytes) == *digest).then_some(bytes))
}

fn one(
    old: &[u8],
    new: &[u8],
    store: &Store,
    progress: &Progress<'_>,
) -> Result<Outcome, ChangesError> {
    let path: PathBuf = store.parts()?.join("opened");
    let mut scratch = AtomicFile::create(&path)?;
    scratch
        .as_file()
        .seek(SeekFrom::Start(0))
        .at("seek", &path)?;
    let told = &mut |_| progress.cancel.check();
    delta::make(old, new, scratch.as_file(), told).map_err(|error| match error {
        DeltaError::Cancelled(cancelled) => cancelled.into(),
        DeltaError::Io(source) => PathError {
            action: "write",
            path,
            source,
        }
        .into(),
        DeltaError::Broken(text) => PathError {
            action: "read",
            path,
            source: std::io::Error::other(text),
        }
        .into(),
    })
}
