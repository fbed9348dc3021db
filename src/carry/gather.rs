//! A bundle out of its folders, on media or disks, into one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::bundle::places::BASE;
use crate::carry::CarryError;
use crate::carry::incoming::{Expected, Incoming};
use crate::carry::receive::{Received, Taking, divide, open_bases};
use crate::carry::whole;
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::authentic::{Raw, authenticate_any, read};
use crate::verify::structure::{Copy, Structure, examine};
use crate::verify::{Problem, VerifyError, VerifyReport, check_platform, compare};

/// Copies the bundle that lies in the folders `dirs` to the folder `target`, which must not exist; of a delta,
/// completes it from its base. Each byte is read once and written once, and hashed on the way; the target
/// appears when all is proved. Media are only read.
///
/// # Errors
/// When it is not trusted, not taken in, not complete or damaged; what was copied is kept for the next run.
pub fn gather(
    dirs: &[PathBuf],
    target: &Path,
    taking: Taking<'_>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Received, CarryError> {
    let Raw {
        roots,
        list,
        signatures,
    } = read(dirs)?;
    let raw = Raw {
        roots: Vec::new(),
        list,
        signatures,
    };
    let (trust, options) = (taking.trust, taking.options);
    let (authentic, delta) = authenticate_any(raw, trust, taking.memory, options)?;
    let own = delta.as_ref().map_or(&authentic.sums, |delta| &delta.sums);
    let Structure {
        copies,
        absent,
        problems,
        contents,
        changes,
    } = examine(&roots, own)?;
    let (Some(contents), true) = (contents, problems.is_empty()) else {
        return Err(VerifyError::Content { problems }.into());
    };
    if !absent.is_empty() {
        return Err(CarryError::Absent {
            volumes: absent.into_iter().collect(),
        });
    }
    check_platform(&contents, trust)?;
    let mut bases = taking.bases.to_vec();
    for dir in dirs {
        let own = dir.join(BASE);
        if delta.is_some() && fs::examine(&own)?.is_some_and(|found| found.is_dir()) {
            bases.push(own);
        }
    }
    let bases = open_bases(delta.as_ref(), &bases)?;
    let size = |path: &RelPath| {
        let described = contents.files.get(path).map(|info| info.size);
        let copies = copies.get(path).and_then(|copies| copies.first());
        described
            .or_else(|| copies.map(|copy| copy.size))
            .unwrap_or(0)
    };
    let entries = authentic.sums.entries().iter();
    let files: Vec<Expected<'_>> = entries
        .map(|(path, digest)| Expected {
            path,
            size: size(path),
            digest: *digest,
        })
        .collect();
    let mut incoming = Incoming::begin(target, &authentic.identity, delta.as_ref())?;
    incoming.clean(&files.iter().map(|file| file.path).collect::<BTreeSet<_>>())?;
    let shares = divide(delta.as_ref(), changes.as_ref(), &files);
    let mut needed = shares.scratch;
    for file in files.iter().chain(&shares.carried) {
        if !incoming.may_have(file)? {
            needed = needed.saturating_add(file.size);
        }
    }
    incoming.check_space(needed)?;
    let progress = Progress {
        step: Step::Receive,
        observer,
        cancel,
    };
    let bytes = files
        .iter()
        .fold(0_u64, |sum, file| sum.saturating_add(file.size));
    progress.started(u64::try_from(files.len()).unwrap_or(u64::MAX), bytes);
    let mut kept = take_all(&shares.carried, (&roots, &copies), &mut incoming, &progress)?;
    if let Some(bases) = bases {
        kept = kept.saturating_add(bases.fill(&shares.of_base, &mut incoming, &progress)?);
        if let Some(changes) = &changes {
            let made = bases.make(&shares.made, changes, &mut incoming, &progress)?;
            kept = kept.saturating_add(made);
        }
    }
    let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
    let needed = trust.policy().threshold.get();
    let report = VerifyReport::proved(&authentic, needed, &contents, (count, bytes));
    whole::check(&contents, &incoming, &progress)?;
    incoming.finish(authentic.sums.render().as_bytes(), &authentic.signatures)?;
    progress.done();
    Ok(Received {
        bundle: target.to_owned(),
        files_kept: kept,
        delta: delta.is_some().then(|| shares.told()),
        report,
    })
}

/// Takes over what comes; gives how many files were here already.
fn take_all(
    files: &[Expected<'_>],
    (roots, copies): (&[fs::Root], &BTreeMap<RelPath, Vec<Copy>>),
    incoming: &mut Incoming,
    progress: &Progress<'_>,
) -> Result<u64, CarryError> {
    let (mut kept, mut problems) = (0_u64, Vec::new());
    for file in files {
        let name = file.path.as_str();
        progress.item_started(name, file.size);
        let there = incoming.has(file, progress)?;
        if there {
            kept = kept.saturating_add(1);
        } else {
            let places = copies.get(file.path).map_or(&[][..], Vec::as_slice);
            let places = places.iter().filter_map(|copy| roots.get(copy.root));
            problems.extend(take(file, places, incoming, progress)?);
        }
        progress.item_done(name, there);
    }
    if problems.is_empty() {
        return Ok(kept);
    }
    Err(VerifyError::Content { problems }.into())
}

/// Takes the first of several copies that is right; what is wrong with the last when none is.
fn take<'r>(
    file: &Expected<'_>,
    places: impl Iterator<Item = &'r fs::Root>,
    incoming: &mut Incoming,
    progress: &Progress<'_>,
) -> Result<Option<Problem>, CarryError> {
    let mut problem = Some(Problem::Missing {
        path: file.path.to_string(),
    });
    for root in places {
        let full = root.path().join(file.path.to_path());
        let mut from = root.open_file(&file.path.to_path())?;
        fs::advise_sequential(&from);
        let found: Digest = incoming.take(file, (&mut from, &full), progress)?;
        problem = compare(file.path, (file.digest, None), (found, file.size));
        if problem.is_none() {
            break;
        }
    }
    Ok(problem)
}
