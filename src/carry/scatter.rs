//! A bundle as loose files, for a diode that knows no folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::carry::CarryError;
use crate::carry::write::{Bytes, Whole};
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::{self, At, AtomicFile, FolderLock};
use crate::types::digest::Digest;

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// A bundle that was written as loose files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scattered {
    /// The folder of the files.
    pub folder: PathBuf,
    /// SHA-256 of the list.
    pub identity: Digest,
    /// How many files there are.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

/// Writes the signed bundle that lies in the folders `dirs` as loose files to the new folder `target`, each
/// content once. Their names begin with the identity of the bundle and a number, so that bundles can share a
/// drop folder; list and signatures come first, and once more last, for a way that loses files.
///
/// # Errors
/// When it is not signed or not complete, a file of it is wrong, or the target cannot be written.
pub fn scatter(
    dirs: &[PathBuf],
    target: &Path,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Scattered, CarryError> {
    let whole = Whole::open(dirs)?;
    let exists = || CarryError::Exists {
        path: target.to_owned(),
    };
    let name = target.file_name().ok_or_else(exists)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".part");
    let part = target.with_file_name(hidden);
    fs::create_dir_all(part.parent().unwrap_or(Path::new(".")), FOLDER_MODE)?;
    let _lock = FolderLock::beside(target)?;
    if fs::examine(target)?.is_some() {
        return Err(exists());
    }
    fs::remove_dir_all(&part)?;
    fs::create_dir_all(&part, FOLDER_MODE)?;
    let progress = Progress {
        step: Step::Stream,
        observer,
        cancel,
    };
    let identity = whole.sums.identity();
    let short: String = identity.to_string().chars().take(16).collect();
    let members = whole.members()?;

    // The list and the signatures are in memory; they come again at the end.
    let again = members
        .iter()
        .filter(|member| matches!(member.bytes, Bytes::Held(_)));
    let all = members.iter().chain(again);
    let total = members
        .iter()
        .fold(0_u64, |sum, member| sum.saturating_add(member.size));
    progress.started(u64::try_from(members.len()).unwrap_or(u64::MAX), total);
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let mut sent: BTreeSet<Digest> = BTreeSet::new();
    for member in all {
        let path = member.path.as_str();
        if let Bytes::File(digest) = member.bytes
            && (member.size == 0 || !sent.insert(digest))
        {
            continue;
        }
        let to = part.join(format!("{short}-{files:05}-{}", member.path.file_name()));
        let mut file = AtomicFile::create(&to)?;
        progress.item_started(path, member.size);
        let mut put = |bytes: &[u8]| std::io::Write::write_all(&mut file, bytes).at("write", &to);
        match &member.bytes {
            Bytes::Held(held) => put(held)?,
            Bytes::File(expected) => whole.copy(member, *expected, &mut put, &to, &progress)?,
        }
        file.commit_unsynced_folder(FILE_MODE)?;
        progress.item_done(path, false);
        files = files.saturating_add(1);
        bytes = bytes.saturating_add(member.size);
    }
    fs::sync_folder(&part)?;
    fs::rename(&part, target)?;
    progress.done();
    Ok(Scattered {
        folder: target.to_owned(),
        identity,
        files,
        bytes,
    })
}
