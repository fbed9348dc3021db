//! `haversack receive`: a single file, or loose files, back into a bundle.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use haversack::carry::{self, CarryError, Drop, Missing, Received, Settle, Taking};
use haversack::event::{Event, Progress, Step};
use haversack::fs;
use haversack::types::size::ByteSize;

use super::Context;
use super::verify::text as report_text;
use crate::cli::args::ReceiveArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::{Trusting, places, prove_standing};

/// Receives, proves, and remembers the bundle.
pub(crate) fn run(args: &ReceiveArgs, context: &Context<'_>) -> Result<Class, Failure> {
    if args.output.as_os_str() == "-" {
        return Err(Failure::usage(
            "a bundle is a folder, which cannot go to standard output",
            "name a folder that does not exist yet; a folder of that very name is ./-",
        ));
    }
    let mut trusting = Trusting::load(&args.trust)?;
    let Trusting {
        trust,
        memory,
        options,
    } = &trusting;
    let taking = Taking {
        trust,
        memory,
        options,
        bases: &places(&args.base),
    };
    let target = places(std::slice::from_ref(&args.output));
    let target = target.first().unwrap_or(&args.output);
    let done = match arrive(args, target, taking, context) {
        Ok(Arrival::Whole(done)) => *done,
        Ok(Arrival::Missing(missing)) => {
            context.output.result(&missing, &missing_text(&missing));
            return Ok(Class::of_id(missing.id()));
        }
        Err(CarryError::Stands { path }) => {
            let report = prove_standing(&path, &trusting, context)?;
            Received {
                bundle: path,
                files_kept: report.files_good,
                delta: None,
                report,
            }
        }
        Err(error) => return Err(error.into()),
    };
    finish(&done, &mut trusting, context)?;
    Ok(Class::Ok)
}

/// What came.
enum Arrival {
    /// All of it.
    Whole(Box<Received>),
    /// Not all of it.
    Missing(Missing),
}

fn arrive(
    args: &ReceiveArgs,
    target: &Path,
    taking: Taking<'_>,
    context: &Context<'_>,
) -> Result<Arrival, CarryError> {
    let (observer, cancel) = (context.observer, context.cancel);
    let take = |from: &mut dyn io::Read, name: &Path| {
        carry::receive((from, name), target, taking, observer, cancel)
    };
    let done = match (args.from.as_slice(), &args.flat) {
        (_, Some(folder)) => {
            let mut drop = Drop::new(folder, target, taking);
            if let Some(missing) = gather(&mut drop, args, context)? {
                return Ok(Arrival::Missing(missing));
            }
            drop.finish(&receiving(context))?
        }
        ([from], None) if from.as_os_str() == "-" => {
            take(&mut io::stdin().lock(), Path::new("standard input"))?
        }
        ([from], None) if fs::examine(from)?.is_some_and(|found| found.is_file()) => {
            take(&mut fs::open(from)?, from)?
        }
        (from, None) => carry::gather(&places(from), target, taking, observer, cancel)?,
    };
    Ok(Arrival::Whole(Box::new(done)))
}

fn receiving<'a>(context: &Context<'a>) -> Progress<'a> {
    Progress {
        step: Step::Receive,
        observer: context.observer,
        cancel: context.cancel,
    }
}

/// Looks until everything is in place; once only, and gives what is missing, when that was asked for.
fn gather(
    drop: &mut Drop<'_>,
    args: &ReceiveArgs,
    context: &Context<'_>,
) -> Result<Option<Missing>, CarryError> {
    let progress = receiving(context);
    if args.once {
        return drop.look(Settle::Now, &progress);
    }
    let mut told = None;
    while let Some(missing) = drop.look(Settle::Stable, &progress)? {
        if told.as_ref() != Some(&missing) {
            let text = missing_text(&missing);
            let text = text.lines().next().unwrap_or_default();
            context.observer.on(&Event::Note { text });
            told = Some(missing);
        }
        for _ in 0..args.every.saturating_mul(10) {
            context.cancel.check()?;
            thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(None)
}

/// How many missing files a person is told by name; `--json` names all.
const SHOWN: usize = 20;

fn missing_text(missing: &Missing) -> String {
    let Some(identity) = &missing.identity else {
        let reason = missing.reason.as_deref().unwrap_or_default();
        return format!("NOT COMPLETE: {reason}\n");
    };
    let mut text = format!(
        "NOT COMPLETE: {} files in place, {} missing",
        missing.files_placed,
        missing.missing.len()
    );
    // Writing to a String cannot fail.
    if let Some(bytes) = missing.bytes {
        let _ = write!(text, " ({})", ByteSize(bytes));
    }
    let _ = write!(text, "\n  identity  {identity}  ({})\n", identity.label());
    for path in missing.missing.iter().take(SHOWN) {
        let _ = writeln!(text, "  missing   {path}");
    }
    if let Some(more) = missing
        .missing
        .len()
        .checked_sub(SHOWN)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(text, "  missing   {more} more");
    }
    text.push_str("  next: send these again, and run the same command\n");
    text
}

/// Warns, remembers, prints.
fn finish(done: &Received, trusting: &mut Trusting, context: &Context<'_>) -> Result<(), Failure> {
    let report = &done.report;
    for warning in &report.warnings {
        let (id, text) = (warning.id, warning.text.as_str());
        context.observer.on(&Event::Warning { id, text });
    }
    let reason = report.override_reason.as_deref();
    trusting
        .memory
        .record(&report.header, &report.identity, reason)?;
    let delta = done.delta.map_or_else(String::new, |delta| {
        format!(
            "  carried   {} of {}; {} files of the base, {} made by changes ({} instead of {})\n",
            ByteSize(delta.bytes_carried),
            ByteSize(delta.bytes_full),
            delta.files_of_base,
            delta.files_made,
            ByteSize(delta.bytes_of_changes),
            ByteSize(delta.bytes_made),
        )
    });
    let text = format!(
        "{}{delta}  folder    {}\n  kept      {} files of an earlier run\n",
        report_text(report),
        done.bundle.display(),
        done.files_kept,
    );
    context.output.result(done, &text);
    Ok(())
}
