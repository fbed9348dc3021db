//! `haversack verify --evidence`: the upstreams' own signatures and checksums, checked again.

use std::path::PathBuf;

use haversack::lock::{Lock, MAX_LOCK};
use haversack::manifest::{Draft, MAX_MANIFEST};
use haversack::resolve;
use haversack::types::path::{ParsePathError, RelPath};
use haversack::verify::{self, Verdict, VerifyReport};
use jiff::Timestamp;
use serde_json::json;

use super::text;
use crate::cli::commands::Context;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::Trusting;

/// Checks the evidence of a bundle that was found to be good, as of the time when it was made: keys run
/// out, and what was proven then stays proven.
pub(super) fn run(
    dirs: &[PathBuf],
    report: &VerifyReport,
    trusting: &Trusting,
    context: &Context<'_>,
) -> Result<Class, Failure> {
    if report.verdict != Verdict::Good {
        context.output.result(report, &text(report));
        return Ok(report.id().map_or(Class::Ok, Class::of_id));
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
    let pieces = lock
        .artifacts
        .iter()
        .map(|one| one.evidence.len())
        .sum::<usize>();
    let packages = lock
        .repositories
        .iter()
        .map(|one| one.packages.len())
        .sum::<usize>();
    let said = format!(
        "  evidence  {pieces} pieces of {} files hold, and the signed indexes of {} repositories for {packages} packages; \
         judged as of {}\n",
        lock.artifacts.len(),
        lock.repositories.len(),
        report.header.created,
    );
    let value = json!({
        "report": report,
        "evidence": { "pieces": pieces, "files": lock.artifacts.len(), "repositories": lock.repositories.len(), "packages": packages },
    });
    context.output.result(&value, &(text(report) + &said));
    Ok(Class::Ok)
}
