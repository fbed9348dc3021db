//! `haversack build`: lock if there is none, fetch, write the bundle.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use haversack::bundle::changes::Kept;
use haversack::bundle::header::{Created, Marking, Sequence};
use haversack::bundle::{self, Item, LockOptions, PackError, PackRequest, UnsignedBundle};
use haversack::custody::{self, Expected};
use haversack::event::{Event, Progress, Step};
use haversack::fetch::{self, AfterFailure, FetchOptions, FetchReport};
use haversack::fs::{self, FolderLock};
use haversack::lock::{Lock, MAX_LOCK};
use haversack::parity::shape::Amount;
use haversack::report::dossier::Dossier;
use haversack::resolve::{self, Earlier};
use haversack::store::Store;
use haversack::types::count::count;
use haversack::types::size::ByteSize;
use serde_json::json;

use super::lock::{Wish, Workshop, lock_path};
use super::receipt::base_of;
use super::{Context, first_lock_lines, stand_ins_line};
use crate::cli::args::{BuildArgs, DeltaLevel};
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::surroundings;

/// Builds by the lock; never resolves anew when there is one.
pub(crate) fn run(args: &BuildArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let options = options(args, context)?;
    let workshop = Workshop::open(&args.source)?;
    let wish = Wish::read(&args.manifest)?;
    let path = lock_path(&args.manifest, args.lock.as_deref());
    let (lock, text) = read_or_make(&path, &wish, &workshop, context)?;
    lock.agrees_with(wish.draft.outline())?;
    let manifest = resolve::as_locked(&wish.draft, &lock)?;
    if let Some(base) = &options.base
        && *base.name() != lock.name
    {
        return Err(Failure::plain(
            "E512",
            format!(
                "the base is a bundle of the name {}, and this one is {}",
                base.name(),
                lock.name
            ),
            "name an earlier bundle of the same name with --base, or build the full bundle",
        ));
    }
    let mut request = None;
    if let Some(output) = &args.output {
        let mut wanted = bundle::from_lock(&lock, &wish.text, &text, options)?;
        wanted.items.extend(custody_item(args)?);
        foresee(output, &wanted, args.replace)?;
        request = Some((output, wanted));
    }
    let folder = std::path::absolute(&wish.folder).unwrap_or_else(|_| wish.folder.clone());
    let here = lock
        .from_folder(&folder.to_string_lossy())
        .map_err(|error| Failure::new("E310", &error, None))?;
    let fetched = fetch::fetch(
        &here,
        &workshop.store,
        &workshop.client,
        FetchOptions {
            jobs: workshop.jobs,
            after_failure: if args.keep_going {
                AfterFailure::GoOn
            } else {
                AfterFailure::Stop
            },
        },
        context.observer,
        context.cancel,
    )?;
    let Some((output, mut request)) = request else {
        let value = json!({ "lock": path, "fetched": fetched });
        context
            .output
            .result(&value, &brought(&workshop.store, &fetched));
        return Ok(Class::Ok);
    };
    let (now, cancel) = (surroundings::now(), context.cancel);
    resolve::recheck(&lock, &manifest, &workshop.store, now, cancel)?;
    let kept = match (&args.base, args.delta) {
        (Some(base), DeltaLevel::Content) => changes(&mut request, base, &workshop.store, context)?,
        _ => Vec::new(),
    };
    if let Some(path) = &args.policy {
        allowed(path, &request, &workshop.store, context)?;
    }
    let built = pack(output, &request, &workshop.store, args.replace, context)?;
    let value = json!({
        "bundle": built.path,
        "identity": built.identity,
        "existing": built.existing,
        "header": built.sums.header(),
        "fetched": fetched,
        "delta": args.base.is_some().then(|| delta_value(&built, &request, &kept)),
    });
    context.output.result(
        &value,
        &shown(
            &built,
            &fetched,
            &lock,
            &delta_text(&built, &request, &kept),
        ),
    );
    Ok(Class::Ok)
}

/// Makes the changes of a delta, and puts them into the request. Gives the files that stay whole though the base
/// has older ones.
fn changes(
    request: &mut PackRequest,
    base: &Path,
    store: &Store,
    context: &Context<'_>,
) -> Result<Vec<Kept>, Failure> {
    let progress = Progress {
        step: Step::Change,
        observer: context.observer,
        cancel: context.cancel,
    };
    let (found, kept) = bundle::changes::make(request, base, store, &progress)?;
    request.changes = found;
    Ok(kept)
}

/// What a delta carries of its full bundle.
fn delta_value(built: &UnsignedBundle, request: &PackRequest, kept: &[Kept]) -> serde_json::Value {
    let changes = request.changes.iter().map(|(path, change)| {
        let made = request.items.iter().find(|item| item.path == *path);
        json!({
            "path": path,
            "bytes": made.map(|item| item.source.size()),
            "bytes_carried": change.change.size,
            "base": change.change.base.path,
            "base_sha256": change.change.base.sha256,
        })
    });
    json!({
        "bytes_full": built.sums.header().bytes,
        "bytes_carried": built.carried,
        "changes": changes.collect::<Vec<_>>(),
        "whole": kept,
    })
}

fn delta_text(built: &UnsignedBundle, request: &PackRequest, kept: &[Kept]) -> String {
    let header = built.sums.header();
    if header.base.is_none() {
        return String::new();
    }
    let mut text = format!(
        "  carried    {} of {}; {} changes instead of whole files\n",
        ByteSize(built.carried),
        ByteSize(header.bytes),
        request.changes.len(),
    );
    // Writing to a String cannot fail.
    for (path, change) in &request.changes {
        let change = &change.change;
        let _ = writeln!(
            text,
            "    {path}\n      {} bytes, a change of {}",
            change.size, change.base.path
        );
    }
    for one in kept {
        let _ = writeln!(text, "    {}\n      whole: {}", one.path, one.reason);
    }
    text
}

fn brought(store: &Store, fetched: &FetchReport) -> String {
    format!(
        "the store {} has all {}, {}: {} of them fetched now, {} over the network\n",
        store.root().display(),
        count(fetched.files, "file"),
        ByteSize(fetched.bytes),
        fetched.fetched_files,
        ByteSize(fetched.received_bytes),
    )
}

fn options(args: &BuildArgs, context: &Context<'_>) -> Result<LockOptions, Failure> {
    let created = Created::from_epoch(surroundings::creation_time()?.as_second());
    let created = created.ok_or_else(|| {
        Failure::usage(
            "the time of creation is before 1970 or after 9999",
            "set the clock or SOURCE_DATE_EPOCH",
        )
    })?;
    let sequence = sequence(args.sequence, created)?;
    let base = args
        .base
        .as_deref()
        .map(|base| {
            let (told, key) = (args.acknowledged.as_deref(), args.isolated_key.as_deref());
            base_of(base, told, key, context)
        })
        .transpose()?;
    if let Some(base) = &base
        && base.sequence() >= sequence
    {
        return Err(Failure::usage(
            format!(
                "the base has the number {}, and this bundle would have {}: no network would take it in",
                base.sequence().get(),
                sequence.get()
            ),
            "give a higher number with --sequence; check that the base is the bundle that the isolated side has",
        ));
    }
    let marking: Marking = args
        .marking
        .parse()
        .map_err(|error| Failure::new("E200", &error, Some("use printable ASCII".to_owned())))?;
    Ok(LockOptions {
        sequence,
        created,
        marking,
        parity: (args.parity.is_some() || args.spare_volume > 0).then_some(Amount {
            percent: args.parity,
            spare_volumes: args.spare_volume,
        }),
        volume_size: args.volume_size,
        base,
    })
}

/// The number as given, else the time of creation: a later bundle has a higher one without anybody
/// counting. Every time that a bundle can state is below [`MAX_SEQUENCE`].
///
/// [`MAX_SEQUENCE`]: haversack::bundle::header::MAX_SEQUENCE
fn sequence(given: Option<u64>, created: Created) -> Result<Sequence, Failure> {
    let number = given.unwrap_or_else(|| u64::try_from(created.epoch()).unwrap_or(0));
    Sequence::new(number).ok_or_else(|| {
        Failure::usage(
            "the sequence is out of range",
            "give a number from 1 with --sequence",
        )
    })
}

fn read_or_make(
    path: &Path,
    wish: &Wish,
    workshop: &Workshop,
    context: &Context<'_>,
) -> Result<(Lock, String), Failure> {
    if fs::examine(path)?.is_some() {
        let text = fs::read_text(path, MAX_LOCK)?;
        return Ok((Lock::parse(&text, &path.display().to_string())?, text));
    }
    let note = format!("there is no lock {} yet: resolving", path.display());
    context.observer.on(&Event::Note { text: &note });
    let lock = workshop.resolve(wish, Earlier::default(), context)?;
    let text = lock.to_toml();
    fs::write_atomic(path, text.as_bytes(), 0o644)?;
    Ok((lock, text))
}

/// Holds what is to be packed against the policy of the transfer, before anything is written.
fn allowed(
    path: &Path,
    request: &PackRequest,
    store: &Store,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let policy = super::dossier::read_policy(path)?;
    let dossier = Dossier::of_request(request, Some(store), None, Some(&policy))?;
    for line in &dossier.attention {
        context.observer.on(&Event::Note { text: line });
    }
    let violations = &dossier.violations;
    if violations.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = violations.iter().map(|one| format!("  {one}")).collect();
    let message = format!(
        "{} of the policy {}; nothing was written",
        count(violations.len(), "violation"),
        path.display()
    );
    Err(Failure::plain(
        "E526",
        message,
        "correct manifest or policy; each line says what fits",
    )
    .with_details(lines.join("\n")))
}

/// The custody log up to now, after it was proved.
fn custody_item(args: &BuildArgs) -> Result<Option<Item>, Failure> {
    let Some(log) = &args.custody else {
        return Ok(None);
    };
    let bytes = custody::load(log, &Expected::default())?.render();
    let path = "evidence/custody.jsonl"
        .parse()
        .map_err(|error| Failure::new("E990", &error, None))?;
    Ok(Some(Item::evidence(path, bytes)))
}

/// Refuses before anything is fetched what could not be written in the end.
fn foresee(target: &Path, request: &PackRequest, replace: bool) -> Result<(), Failure> {
    match bundle::foresee(target, request) {
        Err(error @ PackError::Exists { .. }) => may_replace(target, error, replace),
        other => Ok(other?),
    }
}

/// Only a bundle is ever replaced, and only on request; never a folder of another kind: mirrors of other
/// projects hold a file SHA256SUMS too.
fn may_replace(target: &Path, stands_other: PackError, replace: bool) -> Result<(), Failure> {
    let is_bundle = claims_to_be_bundle(target)?;
    if replace && is_bundle {
        return Ok(());
    }
    let exists = matches!(stands_other, PackError::Exists { .. });
    let mut failure = Failure::from(stands_other);
    if replace {
        failure.hint = Some(format!(
            "{} is no bundle, so --replace leaves it alone: choose another folder",
            target.display()
        ));
    } else if is_bundle && exists {
        failure.hint = Some(
            "choose another folder, or give --replace; without SOURCE_DATE_EPOCH each build has its own time, \
             so even the same lock gives another bundle"
                .to_owned(),
        );
    }
    Err(failure)
}

/// Packs to the target; on request exchanges another bundle that stands there for the new one, once
/// that is whole: there is a whole bundle at the target at every moment.
fn pack(
    target: &Path,
    request: &PackRequest,
    store: &Store,
    replace: bool,
    context: &Context<'_>,
) -> Result<UnsignedBundle, Failure> {
    let to = |target: &Path| bundle::pack(target, request, store, context.observer, context.cancel);
    let stands_other = match to(target) {
        Err(error @ (PackError::Exists { .. } | PackError::Damaged { .. })) => error,
        other => return Ok(other?),
    };
    may_replace(target, stands_other, replace)?;
    let _lock = FolderLock::beside(target).map_err(PackError::from)?;
    let new = beside(target, "new");
    let mut built = match to(&new) {
        // What an interrupted run left there: a bundle that was replaced, or that did not replace.
        Err(PackError::Exists { .. } | PackError::Damaged { .. }) => {
            fs::remove_dir_all(&new)?;
            to(&new)?
        }
        other => other?,
    };
    fs::exchange(&new, target)?;
    fs::remove_dir_all(&new)?;
    target.clone_into(&mut built.path);
    built.existing = false;
    Ok(built)
}

/// Whether the folder has what every bundle has, damaged or not: the list, and `bundle.json`.
fn claims_to_be_bundle(folder: &Path) -> Result<bool, Failure> {
    for name in ["SHA256SUMS", "bundle.json", "verify.sh"] {
        if fs::examine(&folder.join(name))?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A hidden sibling of the target.
fn beside(target: &Path, word: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{word}"))
}

fn shown(built: &UnsignedBundle, fetched: &FetchReport, lock: &Lock, delta: &str) -> String {
    let header = built.sums.header();
    let images = lock.images.iter().filter(|one| one.stand_in);
    let images = images.map(|one| one.component.as_str());
    let stand_ins: Vec<&str> = lock
        .artifacts
        .iter()
        .filter(|one| one.stand_in)
        .map(|one| one.component.as_str())
        .chain(images)
        .collect();
    let accepted = lock.accepted();
    let accepted = accepted.iter().map(|one| format!("  ACCEPTED   {one}\n"));
    let warning = stand_ins_line(&stand_ins)
        + &first_lock_lines(&lock.unvouched())
        + &accepted.collect::<String>();
    let state = if built.existing {
        "was there already, byte for byte"
    } else {
        "written"
    };
    format!(
        "bundle {} {} number {} {state}\n  folder     {}\n  identity   {}  ({})\n  payload    {}, {}; fetched now: {}, \
         {}\n{delta}{warning}  next: haversack sign {} --key KEY\n",
        header.name,
        header.version.as_str(),
        header.sequence.get(),
        built.path.display(),
        built.identity,
        built.identity.label(),
        count(header.files, "file"),
        ByteSize(header.bytes),
        count(fetched.fetched_files, "file"),
        ByteSize(fetched.fetched_bytes),
        built.path.display(),
    )
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test prepares files by hand")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_list_of_another_project_is_no_bundle_to_replace() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
        put("SHA256SUMS");
        put("debian-12.iso");
        assert!(!claims_to_be_bundle(folder.path()).unwrap());
        put("bundle.json");
        put("verify.sh");
        assert!(claims_to_be_bundle(folder.path()).unwrap());
    }

    #[test]
    fn without_a_sequence_a_later_bundle_has_a_higher_one() {
        let at = |seconds| Created::from_epoch(seconds).unwrap();
        let by_time = |seconds| sequence(None, at(seconds)).unwrap().get();
        assert_eq!(by_time(1_795_449_600), 1_795_449_600);
        // The last second that a bundle can state.
        assert_eq!(by_time(253_402_207_199), 253_402_207_199);
        assert_eq!(Created::from_epoch(253_402_300_800), None);
        assert_eq!(sequence(Some(42), at(1_795_449_600)).unwrap().get(), 42);
        for refused in [
            sequence(None, at(0)),
            sequence(Some(0), at(9)),
            sequence(Some(1 << 53), at(9)),
        ] {
            assert_eq!(refused.unwrap_err().class(), Class::Usage);
        }
    }
}
