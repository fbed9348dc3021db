//! A bundle that stands at the target already: is it this very one, byte for byte?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::PackError;
use super::parts::hash_parts;
use crate::bundle::places::SUMS;
use crate::bundle::planned::Planned;
use crate::bundle::sums::{self, Sums};
use crate::event::Progress;
use crate::fs::{self, Kind, pass};
use crate::pool;
use crate::types::digest::Digest;
use crate::types::path::RelPath;

/// The list of the target when it holds this very bundle: its list, every byte of its files, and
/// nothing else but signatures.
pub(super) fn stands(
    target: &Path,
    planned: &Planned,
    progress: &Progress<'_>,
) -> Result<Option<Sums>, PackError> {
    let Some(sums) = same_list(target, planned)? else {
        return Ok(None);
    };
    intact(target, planned, &sums, progress)?;
    Ok(Some(sums))
}

/// The list of the target when it is that of this bundle; no byte of its files is read. `None` when there
/// is nothing at the target.
pub(super) fn same_list(target: &Path, planned: &Planned) -> Result<Option<Sums>, PackError> {
    if fs::examine(target)?.is_none() {
        return Ok(None);
    }
    let exists = |found: &str| PackError::Exists {
        path: target.to_owned(),
        found: found.to_owned(),
    };
    let list = target.join(SUMS);
    if fs::examine(&list)?.is_none() {
        return match fs::list(target) {
            Ok(names) if names.is_empty() => Ok(None),
            _ => Err(exists("missing")),
        };
    }
    let limit = u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX);
    let found = fs::read(&list, limit)?;
    // Only parts and parity are not known before they are made: they are taken as listed, if the rest is
    // right.
    let other = || exists(&Digest::of(&found).to_string());
    let mut made = BTreeMap::new();
    if planned.made().next().is_some() {
        let listed = Sums::parse(&found).map_err(|_| other())?;
        for (path, _) in planned.made() {
            let digest = listed.entries().get(path).ok_or_else(other)?;
            made.insert(path.clone(), *digest);
        }
    }
    let sums = planned.list(&made).map_err(|_| other())?;
    if found != sums.render().as_bytes() {
        return Err(other());
    }
    Ok(Some(sums))
}

/// A file as it must be.
struct Expected<'a> {
    path: &'a RelPath,
    size: u64,
    digest: Digest,
}

/// Compares what lies at the target with what was planned: names first, then bytes.
fn intact(
    target: &Path,
    planned: &Planned,
    sums: &Sums,
    progress: &Progress<'_>,
) -> Result<(), PackError> {
    let damaged = |file: String, problem| PackError::Damaged {
        path: target.to_owned(),
        file,
        problem,
    };
    let files: Vec<Expected<'_>> = planned
        .sizes()
        .filter_map(|(path, size)| {
            let digest = *sums.entries().get(path)?;
            Some(Expected { path, size, digest })
        })
        .collect();
    let mut missing: BTreeMap<PathBuf, &Expected<'_>> = files
        .iter()
        .map(|file| (file.path.to_path(), file))
        .collect();
    for entry in fs::walk(target)? {
        // What is in the signatures is for `verify` to judge.
        let beside_list =
            entry.path == Path::new(SUMS) || entry.path.parent() == Some(Path::new("sig"));
        let problem = match (entry.kind, missing.remove(&entry.path)) {
            (Kind::File, Some(file)) if entry.size != file.size => "of another size",
            (Kind::File, Some(_)) if !entry.sole_name => "a file with a second name (hard link)",
            (Kind::File, Some(_)) | (Kind::Folder, None) => continue,
            (Kind::File, None) if beside_list => continue,
            (_, Some(_)) => "no plain file",
            (_, None) => "not one of its files",
        };
        return Err(damaged(
            entry.path.to_string_lossy().escape_debug().to_string(),
            problem,
        ));
    }
    if let Some(file) = missing.values().next() {
        return Err(damaged(file.path.to_string(), "missing"));
    }
    let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
    progress.started(count, planned.bytes());
    pool::try_map(&files, pool::cores(), |file| {
        let (path, name) = (target.join(file.path.to_path()), file.path.as_str());
        progress.item_started(name, file.size);
        let mut there = fs::open(&path)?;
        fs::advise_sequential(&there);
        let found = pass((&mut there, &path), None, file.size, &mut progress.of(name))?;
        if found.finish_counted() != (file.digest, file.size) {
            return Err(damaged(name.to_owned(), "of other bytes"));
        }
        progress.item_done(name, true);
        Ok(())
    })?;
    for cut in &planned.cut {
        let (whole, _) = hash_parts(target, cut, progress)?;
        if whole != cut.whole.digest {
            return Err(damaged(cut.whole.path.to_string(), "of other bytes"));
        }
    }
    progress.done();
    Ok(())
}
