//! `haversack verify --evidence`: the upstreams' own signatures and checksums, checked again.

use haversack::types::count::count;
use std::path::{Path, PathBuf};

use haversack::fs;
use haversack::lock::{Lock, MAX_LOCK};
use haversack::manifest::{Draft, MAX_MANIFEST};
use haversack::resolve;
use haversack::types::path::{ParsePathError, RelPath};
use haversack::verify::{self, Verdict, VerifyReport};
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::commands::Context;
use crate::cli::failure::Failure;
use crate::cli::trusting::Trusting;

/// How much evidence holds.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    pieces: usize,
    files: usize,
    images: usize,
    repositories: usize,
    packages: usize,
}

impl Checked {
    /// The line for people.
    pub(super) fn line(&self, report: &VerifyReport) -> String {
        format!(
            "  evidence  {} of {}{} hold, and the signed indexes of {} for {}; judged as of {}\n",
            count(self.pieces, "piece"),
            count(self.files, "file"),
            match self.images {
                0 => String::new(),
                images => format!(" and {}", count(images, "image")),
            },
            count(self.repositories, "repository"),
            count(self.packages, "package"),
            report.header.created,
        )
    }
}

/// Evidence is looked up by digest, which a single file would have to be read once for each piece: it is
/// taken in first.
pub(super) fn refuse_file(file: &Path) -> Result<(), Failure> {
    if !fs::examine(file)?.is_some_and(|found| found.is_file()) {
        return Ok(());
    }
    let name = file.display();
    Err(Failure::usage(
        format!("{name} is a single file; --evidence needs the bundle as a folder"),
        format!(
            "take it in: haversack receive {name} --trust DIR -o BUNDLE (or `tar xf {name}`), then haversack verify BUNDLE --trust DIR --evidence"
        ),
    ))
}

/// Checks the evidence of a bundle that was found to be good, as of the time when it was made: keys run
/// out, and what was proven then stays proven.
///
/// `None` when the bundle is not good or not complete, so that there is nothing to check yet.
pub(super) fn check(
    dirs: &[PathBuf],
    report: &VerifyReport,
    trusting: &Trusting,
    context: &Context<'_>,
) -> Result<Option<Checked>, Failure> {
    if report.verdict != Verdict::Good {
        return Ok(None);
    }
    let bundle = verify::open(dirs, &trusting.trust, &trusting.memory, &trusting.options)?;
    let read = |name: &str, limit| -> Result<String, Failure> {
        let path: RelPath = format!("evidence/{name}")
            .parse()
            .map_err(|error: ParsePathError| Failure::new("E310", &error, None))?;
        let bytes = bundle.read_file(&path, limit)?;
        String::from_utf8(bytes).map_err(|_| {
            Failure::plain(
                "E331",
                format!("{path} is no UTF-8 text"),
                "ask the builder",
            )
        })
    };
    let lock = Lock::parse(&read("manifest.lock", MAX_LOCK)?, "evidence/manifest.lock")?;
    let draft = Draft::parse(
        &read("manifest.toml", MAX_MANIFEST)?,
        "evidence/manifest.toml",
    )?;
    lock.agrees_with(draft.outline())?;
    let manifest = resolve::as_locked(&draft, &lock)?;
    let shelf = bundle.shelf();
    let made = Timestamp::from_second(report.header.created.epoch());
    let made = made.map_err(|error| Failure::new("E331", &error, None))?;
    resolve::recheck(&lock, &manifest, &shelf, made, context.cancel)?;
    Ok(Some(Checked {
        pieces: pieces(&lock),
        files: lock.artifacts.len(),
        images: lock.images.len(),
        repositories: lock.repositories.len(),
        packages: lock.repositories.iter().map(|one| one.packages.len()).sum(),
    }))
}

fn pieces(lock: &Lock) -> usize {
    let artifacts = lock.artifacts.iter().map(|one| one.evidence.len());
    let images = lock.images.iter().map(|one| one.evidence.len());
    artifacts.chain(images).sum()
}
