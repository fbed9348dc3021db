//! A damaged bundle made whole again from its parity, in a new folder.
//!
//! Nothing is written to the damaged bundle. What is taken over and what is rebuilt is hashed and
//! compared with the signed list before the new folder appears; it holds the same bytes as the bundle
//! that was built.

mod error;
mod parts;
mod work;

pub use error::RepairError;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::patch::{Held, Patch};
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::{self, FolderLock};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::Survey;
use crate::verify::damage::Located;
use parts::Parts;
use work::Work;

const FOLDER_MODE: u32 = 0o755;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// The new folder.
    pub bundle: PathBuf,
    /// SHA-256 of its list: that of the damaged one.
    pub identity: Digest,
    /// Files that were taken over as they were.
    pub files_copied: u64,
    /// Files of which blocks were rebuilt, sorted.
    pub files_rebuilt: Vec<RelPath>,
    /// Files that came whole from the patch, sorted.
    pub files_patched: Vec<RelPath>,
    /// Blocks of the payload that came from the patch.
    pub blocks_patched: u64,
    /// Blocks of the payload that were rebuilt.
    pub blocks_rebuilt: u64,
    /// Whether the parity was made anew, because some of it was damaged.
    pub parity_made: bool,
}

impl Repaired {
    /// What an earlier run repaired: all of it stands there, and nothing was done now.
    #[must_use]
    pub const fn before(bundle: PathBuf, identity: Digest, files: u64) -> Self {
        Self {
            bundle,
            identity,
            files_copied: files,
            files_rebuilt: Vec::new(),
            files_patched: Vec::new(),
            blocks_patched: 0,
            blocks_rebuilt: 0,
            parity_made: false,
        }
    }
}

/// Makes the bundle of `survey` whole in the new folder `target`: good files are copied, damaged ones
/// rebuilt block by block, signatures carried over. A bundle that is good is copied as it is.
///
/// The work is done in a folder beside the target that is renamed at the end; a run that was
/// interrupted is begun anew.
///
/// # Errors
/// When something stands at the target, more is lost than the parity gives back (before anything is
/// written), or the file system refuses.
pub fn repair(
    survey: &Survey,
    target: &Path,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Repaired, RepairError> {
    repair_with(survey, None, target, observer, cancel)
}

/// As [`repair`], with a patch that holds blocks and files that were carried again. A piece of it counts when its
/// bytes have the digest that the signed set names, and in no other case.
///
/// # Errors
/// As [`repair`].
pub fn repair_with(
    survey: &Survey,
    patch: Option<&Patch>,
    target: &Path,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Repaired, RepairError> {
    if let Some(base) = survey.authentic.sums.header().base {
        return Err(RepairError::Delta { base });
    }
    let held = held(survey, patch)?;
    let parts = Parts::of(survey, &held.good).map_err(|error| match patch {
        Some(patch) => RepairError::Patch {
            path: patch.path().to_owned(),
            good: held.good.len(),
            damaged: held.damaged.len(),
            source: Box::new(error),
        },
        None => error,
    })?;
    let exists = || RepairError::Exists {
        path: target.to_owned(),
    };
    let part = fs::part_beside(target).ok_or_else(exists)?;
    if let Some(parent) = part.parent() {
        fs::create_dir_all(parent, FOLDER_MODE)?;
    }
    // Before the look: a run that was killed at its very end left the lock, which goes with this one.
    let _lock = FolderLock::beside(target)?;
    if fs::examine(target)?.is_some() {
        return Err(exists());
    }
    fs::remove_dir_all(&part)?;
    fs::create_dir_all(&part, FOLDER_MODE)?;
    let needed = survey.authentic.sums.header().bytes;
    fs::check_room(target, &part, needed)?;
    let progress = Progress {
        step: Step::Repair,
        observer,
        cancel,
    };
    let work = Work {
        survey,
        patch,
        parts: &parts,
        root: &part,
        progress,
    };
    let result = work.run();
    if let Err(error) = result {
        fs::remove_dir_all(&part)?;
        return Err(error);
    }
    fs::rename(&part, target)?;
    let located = parts.located.as_ref();
    let blocks = located.map_or(0, |located| located.damage().data_lost);
    let given = located.map_or(0, Located::given);
    Ok(Repaired {
        bundle: target.to_owned(),
        identity: survey.authentic.identity,
        files_copied: count(parts.copied.len()),
        files_rebuilt: parts.rebuilt.into_iter().cloned().collect(),
        files_patched: parts.patched.into_iter().cloned().collect(),
        blocks_patched: count(given),
        blocks_rebuilt: blocks,
        parity_made: parts.parity_made,
    })
}

/// The digests of lost blocks and damaged files that the patch holds. One that has something, and nothing of this
/// bundle, is the patch of another.
fn held(survey: &Survey, patch: Option<&Patch>) -> Result<Held, RepairError> {
    let Some(patch) = patch else {
        return Ok(Held::default());
    };
    let entries = survey.authentic.sums.entries();
    let files = entries.iter();
    let files = files.filter(|(path, _)| !survey.good.contains_key(*path));
    let blocks = survey.located.iter().flat_map(Located::lost_digests);
    let wanted = files.map(|(_, digest)| *digest);
    let held = patch.holds(wanted.chain(blocks.map(|(_, digest)| digest)))?;
    let blocks = survey
        .located
        .iter()
        .flat_map(|located| located.index.data());
    let known: BTreeSet<&Digest> = entries.values().chain(blocks).collect();
    // Without its list of blocks nobody can say of a block whose it is.
    let all_known = survey.located.is_some() || survey.authentic.sums.header().parity == 0;
    if all_known && patch.named().next().is_some() && !patch.named().any(|one| known.contains(one))
    {
        return Err(RepairError::OtherPatch {
            path: patch.path().to_owned(),
            bundle: survey.authentic.identity.label(),
        });
    }
    Ok(held)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
