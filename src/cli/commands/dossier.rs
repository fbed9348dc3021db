//! `haversack dossier`: what is to be approved before a transfer.

use std::path::Path;

use haversack::bundle::header::{Created, Sequence};
use haversack::bundle::{self, LockOptions};
use haversack::fs;
use haversack::lock::{Lock, MAX_LOCK};
use haversack::report::dossier::{self, Dossier, MAX_POLICY, TransferPolicy};
use haversack::report::envelope::{Envelope, ReportHeader};
use haversack::store::Store;
use haversack::trust::directory::Trust;
use haversack::types::digest::Digest;
use haversack::verify;
use serde_json::json;

use super::Context;
use crate::cli::args::{DossierArgs, DossierFormat};
use crate::cli::custodian::tool;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::places;

/// Makes the dossier, and says by the exit code whether the policy forbids something.
pub(crate) fn run(args: &DossierArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let found = match args.subject.as_slice() {
        [file] if fs::examine(file)?.is_some_and(|found| !found.is_dir()) => {
            of_lock(file, args.store.as_deref(), policy.as_ref())?
        }
        dirs => {
            let trust = args.trust.as_deref().map(Trust::load).transpose()?;
            let described = verify::describe(&places(dirs), trust.as_ref())?;
            let (observer, cancel) = (context.observer, context.cancel);
            Dossier::of_bundle(&described, policy.as_ref(), observer, cancel)?
        }
    };
    let report = Envelope::new(ReportHeader::new(dossier::KIND, tool()?), &found)?;
    let digest = report.body_sha256;
    let text = match args.format {
        DossierFormat::Text => dossier::text(&found, &digest),
        DossierFormat::Json => report.render()?,
        DossierFormat::Html => dossier::html(&found, &digest),
        DossierFormat::Csv => dossier::csv(&found),
    };
    match &args.output {
        None => context.output.result(&report, &text),
        Some(path) => {
            fs::write_atomic(path, text.as_bytes(), 0o644)?;
            let value = json!({
                "written": path,
                "body_sha256": digest,
                "violations": found.violations,
            });
            let said = format!("wrote {}\n  body SHA-256 {digest}\n", path.display());
            context.output.result(&value, &said);
        }
    }
    Ok(if found.violations.is_empty() {
        Class::Ok
    } else {
        Class::of_id("E526")
    })
}

/// A policy of transfers in a file.
pub(crate) fn read_policy(path: &Path) -> Result<TransferPolicy, Failure> {
    let text = fs::read_text(path, MAX_POLICY)?;
    TransferPolicy::parse(&text).map_err(|error| {
        let mut failure = Failure::new(
            "E297",
            &error,
            Some("correct the place that the message shows".to_owned()),
        );
        let message = format!("{}: the policy cannot be used", path.display());
        failure.messages.insert(0, message);
        failure
    })
}

fn of_lock(
    path: &Path,
    store: Option<&Path>,
    policy: Option<&TransferPolicy>,
) -> Result<Dossier, Failure> {
    let text = fs::read_text(path, MAX_LOCK)?;
    let lock = Lock::parse(&text, &path.display().to_string())?;
    let internal = |what: &str| Failure::plain("E990", what, "report it");
    let options = LockOptions::new(
        Sequence::new(1).ok_or_else(|| internal("no number"))?,
        Created::from_epoch(0).ok_or_else(|| internal("no time"))?,
        "UNMARKED"
            .parse()
            .map_err(|error| Failure::new("E990", &error, None))?,
    );
    let mut request = bundle::from_lock(&lock, "", &text, options)?;
    // The manifest is not at hand, and the lock is named in the head.
    request.items.retain(|item| {
        !matches!(
            item.path.as_str(),
            "evidence/manifest.toml" | "evidence/manifest.lock"
        )
    });
    let store = store
        .map(Store::open)
        .transpose()
        .map_err(|error| Failure::new("E601", &error, None))?;
    let digest = Some(Digest::of(text.as_bytes()));
    Ok(Dossier::of_request(
        &request,
        store.as_ref(),
        digest,
        policy,
    )?)
}
