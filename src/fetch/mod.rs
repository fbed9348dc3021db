//! From lock to store: every file of a lock, with the digest that the lock states, looked into.
//!
//! Files that are in the store already are hashed again and used. The others are fetched several at
//! once, largest first, each from its URL and then its mirrors. After its digest was found right, an
//! artifact is surveyed: kind, expected content, architecture ([`crate::archive`]). One failure does
//! not stop the others, so that one run tells everything that is wrong, and what came is kept.
//! Nothing waits for the disk: see [`crate::store`].

mod keyring;

use crate::types::count::count;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::archive::{self, ArchiveError, Survey};
use crate::event::{Cancel, Cancelled, Event, Observer, Step};
use crate::fs::{self, PathError};
use crate::lock::{Artifact, Lock, LockedFile};
use crate::net::Client;
use crate::pool;
use crate::sources::http::{self, SourceError, Wanted};
use crate::store::{Store, StoreError};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::types::severity;
use crate::types::size::ByteSize;
use crate::types::target::Arch;
use crate::types::url::SafeUrl;

pub use keyring::KeyringError;

/// How to fetch.
#[derive(Debug, Clone, Copy)]
pub struct FetchOptions {
    /// How many files are worked on at once.
    pub jobs: NonZeroUsize,
    /// What to do with the other files when one fails.
    pub after_failure: AfterFailure,
}

/// What to do with the other files when one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Fetch all that can be had.
    GoOn,
    /// Begin no new file.
    Stop,
}

/// What was brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FetchReport {
    /// Different files of the lock.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were fetched; the others were in the store.
    pub fetched_files: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// Bytes that came over the network: less where an earlier run had begun, more where something
    /// had to come twice.
    pub received_bytes: u64,
    /// Artifacts that were looked into.
    pub surveyed: u64,
}

/// Why one file is not there, or not good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is not what it should be.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It has another size than the lock states.
    #[error("{path} has {found} bytes, the lock says {expected}")]
    Size {
        /// The file.
        path: RelPath,
        /// In the lock.
        expected: u64,
        /// In the store.
        found: u64,
    },
    /// It cannot be read back.
    #[error(transparent)]
    Io(#[from] PathError),
}

/// A file that failed.
#[derive(Debug)]
pub struct Failure {
    /// The file.
    pub file: LockedFile,
    /// Why.
    pub error: FileError,
}

/// Why a lock could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Some files failed; the others are in the store.
    #[error("{} of {} {}", .failures.len(), count(*files, "file"), listed(.failures))]
    Files {
        /// How many there are.
        files: u64,
        /// Those that failed, sorted by path; never empty.
        failures: Vec<Failure>,
    },
    /// The disk would not hold what is missing.
    #[error("{} are to be fetched, but the store {store} has room for {}", ByteSize(*needed), ByteSize(*free))]
    Space {
        /// The store.
        store: String,
        /// Bytes that are missing.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A keyring cannot be made from its source.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] PathError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, error) = (&self.file, &self.error);
        Told { file, error }.fmt(f)
    }
}

/// A failure as it is told, with its causes in one line.
struct Told<'f> {
    file: &'f LockedFile,
    error: &'f FileError,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error {
            // These name the file themselves.
            FileError::Source(SourceError::Fetch { .. }) | FileError::Size { .. } => {
                self.error.fmt(f)
            }
            error => {
                write!(f, "{}: {error}", self.file.path)?;
                let mut next = std::error::Error::source(error);
                while let Some(cause) = next {
                    write!(f, ": {cause}")?;
                    next = cause.source();
                }
                Ok(())
            }
        }
    }
}

impl Failure {
    fn line(&self) -> String {
        let LockedFile {
            path,
            url,
            size,
            sha256,
        } = &self.file;
        let id = self.error.id();
        format!("{id}  {path}  {size} bytes  sha256 {sha256}  {url}\n")
    }

    fn is_offline(&self) -> bool {
        matches!(&self.error, FileError::Source(error) if error.is_offline())
    }
}

impl FileError {
    /// The stable id of the cause.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Source(error) => error.id(),
            Self::Archive(error) => error.id(),
            Self::Size { .. } => "E705",
            Self::Io(_) => "E601",
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Archive(error) => error.hint(),
            Self::Size { .. } => Some(
                "lock again: `haversack lock MANIFEST`, with `--update NAME` where nobody vouches for the file".to_owned(),
            ),
            Self::Io(_) => None,
        }
    }
}

impl FetchError {
    /// The stable id: the most severe of those of the files that failed, `E602` no room.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Files { failures, .. } => {
                severity::most_severe(failures.iter().map(|one| one.error.id())).unwrap_or("E707")
            }
            Self::Space { .. } => "E602",
            Self::Keyring(error) => error.id(),
            Self::Store(_) | Self::Io(_) => "E601",
            Self::Cancelled(_) => "E130",
        }
    }

    /// Every file that failed, in a line each: id, path, size, digest and URL, so that somebody can
    /// bring it. Empty when the message names all of them.
    #[must_use]
    pub fn details(&self) -> String {
        match self {
            Self::Files { failures, .. } => failures.iter().map(Failure::line).collect(),
            _ => String::new(),
        }
    }

    /// The next step, or those of the files that failed, each once.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Files { failures, .. } => {
                let steps = failures
                    .iter()
                    .map(|one| (one.error.id(), one.error.hint()));
                severity::next_steps(steps)
            }
            Self::Space { .. } => Some(
                "free space there, or put the store on a larger file system; nothing was fetched"
                    .to_owned(),
            ),
            Self::Keyring(error) => error.hint(),
            Self::Store(_) | Self::Io(_) | Self::Cancelled(_) => None,
        }
    }
}

fn listed(failures: &[Failure]) -> String {
    /// How many are told in one message; the rest is in the value.
    const SHOWN: usize = 10;
    if failures.iter().all(Failure::is_offline) {
        return "not here, and the network is not to be used".to_owned();
    }
    let lines: Vec<String> = failures
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    let more = failures.len().saturating_sub(SHOWN);
    let rest = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    format!("failed: {}{rest}", lines.join("; "))
}

/// One file to bring, however often the lock names it.
struct Job<'l> {
    file: &'l LockedFile,
    /// Where else it may be.
    mirrors: Vec<SafeUrl>,
    /// Every artifact with these bytes: each has expectations of its own.
    artifacts: Vec<&'l Artifact>,
}

/// Brings every file of a lock into the store.
///
/// # Errors
/// When the disk would not hold them, files cannot be had, have other bytes than the lock states, or
/// are not what they should be.
pub fn fetch(
    lock: &Lock,
    store: &Store,
    client: &Client,
    options: FetchOptions,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<FetchReport, FetchError> {
    let received_before = client.received();
    let work = work(lock);
    check_space(&work, store)?;
    let files = u64::try_from(work.len()).unwrap_or(u64::MAX);
    keyring::bring_reduced(lock, store, client, cancel)?;
    let bytes = work
        .iter()
        .fold(0_u64, |sum, job| sum.saturating_add(job.file.size));
    observer.on(&Event::StepStarted {
        step: Step::Fetch,
        items: files,
        bytes,
    });
    let arch = lock.target.arch;
    let stop = AtomicBool::new(false);
    // A failure is a result here, for the others go on; only a request to stop ends the work.
    let results = pool::try_map(&work, options.jobs, |job| {
        cancel.check()?;
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let result = one(job, arch, store, client, observer, cancel);
        cancel.check()?;
        if let Some(error) = failure_of(&result) {
            let failure = Told {
                file: job.file,
                error,
            };
            observer.on(&Event::ItemFailed {
                step: Step::Fetch,
                item: job.file.path.as_str(),
                id: error.id(),
                reason: &failure.to_string(),
                next: error.hint().as_deref(),
            });
            stop.store(
                options.after_failure == AfterFailure::Stop,
                Ordering::Relaxed,
            );
        }
        Ok::<_, Cancelled>(Some(result))
    })?;
    let mut report = FetchReport {
        files,
        bytes,
        received_bytes: client.received().saturating_sub(received_before),
        ..FetchReport::default()
    };
    let mut failures = Vec::new();
    for (job, result) in work.iter().zip(results) {
        match result {
            None => {}
            Some(Ok(done)) => {
                if done.fetched {
                    report.fetched_files = report.fetched_files.saturating_add(1);
                    report.fetched_bytes = report.fetched_bytes.saturating_add(job.file.size);
                }
                for survey in done.surveys {
                    match survey {
                        Ok(_) => report.surveyed = report.surveyed.saturating_add(1),
                        Err(failure) => failures.push(failure),
                    }
                }
            }
            Some(Err(error)) => failures.push(Failure {
                file: job.file.clone(),
                error,
            }),
        }
    }
    if !failures.is_empty() {
        failures.sort_by(|a, b| a.file.path.cmp(&b.file.path));
        return Err(FetchError::Files { files, failures });
    }
    observer.on(&Event::StepDone { step: Step::Fetch });
    Ok(report)
}

/// Every different file of a lock, largest first.
fn work(lock: &Lock) -> Vec<Job<'_>> {
    let mut by_digest: BTreeMap<Digest, Job<'_>> = BTreeMap::new();
    for artifact in &lock.artifacts {
        let job = by_digest.entry(artifact.file.sha256).or_insert(Job {
            file: &artifact.file,
            mirrors: Vec::new(),
            artifacts: Vec::new(),
        });
        for place in [&artifact.file.url].into_iter().chain(&artifact.mirrors) {
            if *place != job.file.url && !job.mirrors.contains(place) {
                job.mirrors.push(place.clone());
            }
        }
        job.artifacts.push(artifact);
    }
    for file in lock.payload().chain(lock.evidence()) {
        by_digest.entry(file.sha256).or_insert(Job {
            file,
            mirrors: Vec::new(),
            artifacts: Vec::new(),
        });
    }
    let mut work: Vec<Job<'_>> = by_digest.into_values().collect();
    work.sort_by(|a, b| (b.file.size, &a.file.path).cmp(&(a.file.size, &b.file.path)));
    work
}

/// Compares what is missing with what is free, before the first byte.
fn check_space(work: &[Job<'_>], store: &Store) -> Result<(), FetchError> {
    let mut needed: u64 = 0;
    for job in work {
        let there = fs::examine(&store.path_of(&job.file.sha256))?;
        if there.is_none_or(|found| found.len() != job.file.size) {
            needed = needed.saturating_add(job.file.size);
        }
    }
    let free = fs::free_space(store.root())?;
    if needed > free {
        return Err(FetchError::Space {
            store: store.root().display().to_string(),
            needed,
            free,
        });
    }
    Ok(())
}

/// Why a file is not there or not good: the first reason.
fn failure_of(result: &Result<Done, FileError>) -> Option<&FileError> {
    match result {
        Ok(done) => {
            let mut bad = done.surveys.iter().filter_map(|one| one.as_ref().err());
            bad.next().map(|failure| &failure.error)
        }
        Err(error) => Some(error),
    }
}

struct Done {
    fetched: bool,
    surveys: Vec<Result<Survey, Failure>>,
}

fn one(
    job: &Job<'_>,
    arch: Arch,
    store: &Store,
    client: &Client,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Done, FileError> {
    let mut places = vec![job.file.url.clone()];
    places.extend_from_slice(&job.mirrors);
    let wanted = Wanted {
        item: job.file.path.as_str(),
        sha256: Some(job.file.sha256),
        size: Some(job.file.size),
        step: Step::Fetch,
    };
    let stored = http::bring(client, store, &places, &wanted, observer, cancel)?;
    if stored.size != job.file.size {
        return Err(FileError::Size {
            path: job.file.path.clone(),
            expected: job.file.size,
            found: stored.size,
        });
    }
    let mut surveys = Vec::new();
    for artifact in &job.artifacts {
        surveys.push(
            look_into(artifact, arch, store, cancel).map_err(|error| Failure {
                file: artifact.file.clone(),
                error,
            }),
        );
    }
    Ok(Done {
        fetched: stored.from.is_some(),
        surveys,
    })
}

fn look_into(
    artifact: &Artifact,
    arch: Arch,
    store: &Store,
    cancel: &Cancel,
) -> Result<Survey, FileError> {
    let file = fs::open(&store.path_of(&artifact.file.sha256))?;
    Ok(archive::survey(file, &artifact.question(arch), cancel)?)
}
