//! Hashing every byte of every file that is here.

use crate::bundle::contents::{Contents, ContentsError, CutFile};
use crate::bundle::places::{in_base, in_made};
use crate::event::{Cancelled, Progress};
use crate::fs::{self, Hashed, PassError, PathError, pass};
use crate::pool;
use crate::types::digest::{Digest, Hasher};
use crate::types::path::RelPath;
use crate::verify::authentic::Authentic;
use crate::verify::damage::Good;
use crate::verify::error::VerifyError;
use crate::verify::problem::Problem;
use crate::verify::report::{self, VerifyReport};
use crate::verify::seen::Volumes;
use crate::verify::structure::{Copy, Structure};

/// One copy to hash.
struct Job<'a> {
    path: &'a RelPath,
    copy: Copy,
    /// Which of the copies of its file it is.
    number: usize,
    expected: Digest,
    size: Option<u64>,
}

/// Hashes every copy of the right size, on all cores; of a file that is cut the parts in order, and the whole
/// with them.
pub(super) fn hash_all(
    authentic: &Authentic,
    threshold: u8,
    found: &Structure,
    progress: &Progress<'_>,
) -> Result<(VerifyReport, Good), VerifyError> {
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for (path, copies) in &found.copies {
        let Some(expected) = authentic.sums.entries().get(path) else {
            continue;
        };
        let size = found.size_of(path);
        // A file of the wrong size is known to be wrong, and is not read.
        let right = copies
            .iter()
            .enumerate()
            .filter(|(_, copy)| size.is_none_or(|size| size == copy.size));
        jobs.extend(right.map(|(number, copy)| Job {
            path,
            copy: *copy,
            number,
            expected: *expected,
            size,
        }));
    }
    let bytes = jobs
        .iter()
        .fold(0_u64, |sum, job| sum.saturating_add(job.copy.size));
    progress.started(u64::try_from(jobs.len()).unwrap_or(u64::MAX), bytes);
    let runs = runs(jobs, found.contents.as_ref());
    let results = pool::try_map(&runs, pool::cores(), |run| {
        hash_run(authentic, run, progress)
    })?;
    progress.done();

    let mut problems = found.problems.clone();
    let (mut files_good, mut bytes_good) = (0_u64, 0_u64);
    let mut good = Good::new();
    let hashed = runs.iter().zip(&results).flat_map(|(run, result)| {
        let jobs = run.jobs.iter().zip(&result.problems);
        jobs.map(|(job, problem)| (job, problem.clone()))
    });
    problems.extend(results.iter().filter_map(|result| result.whole.clone()));
    for (job, result) in hashed {
        match result {
            None => {
                good.entry(job.path.clone()).or_insert(job.number);
                files_good = files_good.saturating_add(1);
                bytes_good = bytes_good.saturating_add(job.copy.size);
            }
            Some(problem) if problems.contains(&problem) => {}
            Some(problem) => problems.push(problem),
        }
    }
    problems.sort_by(|a, b| a.path().cmp(b.path()).then_with(|| a.id().cmp(b.id())));
    let count = |is: fn(&RelPath) -> Option<RelPath>| {
        let listed = authentic.sums.entries().keys();
        u64::try_from(listed.filter_map(is).count()).unwrap_or(u64::MAX)
    };
    let delta = authentic.sums.header().base.is_some();
    let report = VerifyReport {
        report: 1,
        verdict: report::verdict(&problems, found.absent.len(), delta),
        identity: authentic.identity,
        header: authentic.sums.header().clone(),
        target: found.contents.as_ref().map(|contents| contents.target),
        stand_ins: found
            .contents
            .as_ref()
            .map_or_else(Vec::new, Contents::stand_ins),
        first_locks: found
            .contents
            .as_ref()
            .map_or_else(Vec::new, Contents::unvouched),
        signers: authentic.judgement.signers.clone(),
        threshold,
        ignored_signatures: authentic.judgement.ignored.clone(),
        cms: authentic.cms.clone(),
        standing: authentic.standing,
        override_reason: authentic.override_reason.clone(),
        files_good,
        bytes_good,
        files_of_base: count(in_base),
        files_made: count(in_made),
        absent_volumes: found.absent.iter().cloned().collect(),
        earlier_volumes: Volumes::new(),
        problems,
        damage: None,
        repairable: None,
        warnings: authentic.warnings.clone(),
    };
    Ok((report, good))
}

/// What is hashed by one thread: one copy, or the first copies of all parts of a file that is cut.
struct Run<'a> {
    jobs: Vec<Job<'a>>,
    cut: Option<(&'a RelPath, &'a CutFile)>,
}

/// What came out of a run.
struct Hashes {
    /// Of each job.
    problems: Vec<Option<Problem>>,
    /// Of a whole whose parts are all right.
    whole: Option<Problem>,
}

/// Largest first: one run is one stream, and the last to finish should be a small one.
fn runs<'a>(jobs: Vec<Job<'a>>, contents: Option<&'a Contents>) -> Vec<Run<'a>> {
    let mut jobs: Vec<Option<Job<'a>>> = jobs.into_iter().map(Some).collect();
    let mut runs = Vec::new();
    for (path, cut) in contents.iter().flat_map(|contents| &contents.cut) {
        // By path, as the jobs are.
        let first = |part: &RelPath| {
            let is = |job: &Option<Job<'_>>| job.as_ref().is_some_and(|job| job.path == part);
            jobs.iter().position(is)
        };
        let Some(places) = cut.parts.iter().map(first).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let parts = places
            .into_iter()
            .filter_map(|at| jobs.get_mut(at).and_then(Option::take));
        runs.push(Run {
            jobs: parts.collect(),
            cut: Some((path, cut)),
        });
    }
    runs.extend(jobs.into_iter().flatten().map(|job| Run {
        jobs: vec![job],
        cut: None,
    }));
    let size = |run: &Run<'_>| {
        run.jobs
            .iter()
            .fold(0_u64, |sum, job| sum.saturating_add(job.copy.size))
    };
    let path = |run: &Run<'a>| run.jobs.first().map(|job| job.path);
    runs.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| path(a).cmp(&path(b))));
    runs
}

fn hash_run(
    authentic: &Authentic,
    run: &Run<'_>,
    progress: &Progress<'_>,
) -> Result<Hashes, Cancelled> {
    let mut whole = Hasher::new();
    let mut problems = Vec::new();
    for job in &run.jobs {
        let hasher = run.cut.is_some().then_some(&mut whole);
        problems.push(hash_one(authentic, job, hasher, progress)?);
    }
    let whole = run
        .cut
        .filter(|_| problems.iter().all(Option::is_none))
        .filter(|(_, cut)| whole.finish() != cut.sha256)
        .map(|(path, _)| {
            let text = format!("the parts of {path} make another file than it states");
            Problem::Contents(ContentsError::Disagrees(text))
        });
    Ok(Hashes { problems, whole })
}

/// What is wrong with one copy; a file that cannot be read is a problem among others.
fn hash_one(
    authentic: &Authentic,
    job: &Job<'_>,
    whole: Option<&mut Hasher>,
    progress: &Progress<'_>,
) -> Result<Option<Problem>, Cancelled> {
    let Some(root) = authentic.roots.get(job.copy.root) else {
        return Ok(None);
    };
    let name = job.path.as_str();
    let unreadable = |error: &PathError| {
        Some(Problem::Unreadable {
            path: job.path.to_string(),
            reason: error.source.to_string(),
        })
    };
    progress.item_started(name, job.copy.size);
    let mut file = match root.open_file(&job.path.to_path()) {
        Ok(file) => file,
        Err(error) => return Ok(unreadable(&error)),
    };
    fs::advise_sequential(&file);
    let full = root.path().join(job.path.to_path());
    let limit = job.size.unwrap_or(job.copy.size);
    let told = &mut progress.of(name);
    let passed = match whole {
        Some(whole) => pass((&mut Hashed::new(file, whole), &full), None, limit, told),
        None => pass((&mut file, &full), None, limit, told),
    };
    match passed {
        Ok(found) => {
            progress.item_done(name, false);
            Ok(compare(
                job.path,
                (job.expected, job.size),
                found.finish_counted(),
            ))
        }
        Err(PassError::Read(error) | PassError::Write(error)) => Ok(unreadable(&error)),
        Err(PassError::Cancelled(cancelled)) => Err(cancelled),
    }
}

/// What is wrong with a file of which digest and size were `found`.
pub(crate) fn compare(
    path: &RelPath,
    (expected, size): (Digest, Option<u64>),
    found: (Digest, u64),
) -> Option<Problem> {
    if found.0 == expected {
        return None;
    }
    let path = path.to_string();
    Some(match size {
        Some(size) if found.1 < size => Problem::Truncated {
            path,
            expected: size,
            found: found.1,
        },
        Some(size) if found.1 > size => Problem::Longer {
            path,
            expected: size,
            found: found.1,
        },
        _ => Problem::Altered {
            path,
            expected,
            found: found.0,
        },
    })
}

pub(super) fn content(problem: Problem) -> VerifyError {
    VerifyError::Content {
        problems: vec![problem],
    }
}
