//! `haversack gather`: media taken into one folder, one after the other.

use haversack::types::count::count;
use std::fmt::Write as _;

use haversack::event::Event;
use haversack::gather::{self, Gathered};
use haversack::types::size::ByteSize;

use super::{Context, override_line};
use crate::cli::args::GatherArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::{Trusting, places};

/// Copies what is here, says what is still to come, and remembers a bundle that is whole.
pub(crate) fn run(args: &GatherArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let mut trusting = Trusting::load(&args.trust)?;
    let Trusting {
        trust,
        memory,
        options,
        ..
    } = &trusting;
    let out = std::path::absolute(&args.output).unwrap_or_else(|_| args.output.clone());
    let done = gather::gather(
        &places(&args.bundle),
        trust,
        memory,
        options,
        &out,
        (context.observer, context.cancel),
    )?;
    for warning in &done.warnings {
        context.observer.on(&Event::Warning {
            id: warning.id,
            text: &warning.text,
        });
    }
    // A delta is remembered when it is completed.
    if done.id().is_none() && done.header.base.is_none() {
        let reason = done.override_reason.as_deref();
        trusting
            .memory
            .record(&done.header, &done.identity, reason)?;
    }
    context.output.result(&done, &text(&done));
    Ok(done.id().map_or(Class::Ok, Class::of_id))
}

fn text(done: &Gathered) -> String {
    let word = match done.id() {
        None => "WHOLE",
        Some("E801") => "GOOD so far, not complete",
        Some(_) => "DAMAGED",
    };
    let header = &done.header;
    let mut text = format!(
        "{word}: {} {} number {}\n  folder    {}\n  identity  {}  ({})\n",
        header.name,
        header.version.as_str(),
        header.sequence.get(),
        done.folder.display(),
        done.identity,
        done.identity.label()
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  copied    {}, {}; {} were there already",
        count(done.files_copied, "file"),
        ByteSize(done.bytes_copied),
        done.files_kept
    );
    let all = u32::from(header.volumes).saturating_add(u32::from(header.parity));
    let _ = writeln!(
        text,
        "  have      {} of {}",
        listed(&done.have),
        count(all, "volume")
    );
    text.push_str(&override_line(done.override_reason.as_deref()));
    for problem in &done.problems {
        let _ = writeln!(text, "  [{}] {problem}", problem.id());
    }
    if !done.partial.is_empty() {
        let _ = writeln!(text, "  partly    {}", listed(&done.partial));
    }
    if let Some(folder) = &done.damaged {
        let _ = writeln!(text, "  damaged   kept in {}", folder.display());
        let _ = writeln!(
            text,
            "  next: clean the medium and run again; or, when the other media are in, haversack repair {} {} --trust DIR -o NEW",
            done.folder.display(),
            folder.display()
        );
    } else if done.absent.is_empty() && done.partial.is_empty() && header.base.is_some() {
        let _ = writeln!(
            text,
            "  next: this is a delta: haversack receive {} --base OLD --trust DIR -o NEW",
            done.folder.display()
        );
    } else if done.absent.is_empty() && done.partial.is_empty() {
        let _ = writeln!(
            text,
            "  next: haversack stage {} --trust DIR -d DEPLOYMENT -o DIR",
            done.folder.display()
        );
    } else {
        let wanted: Vec<String> = done.absent.iter().chain(&done.partial).cloned().collect();
        let _ = writeln!(
            text,
            "  next: insert {} and run the same command again",
            listed(&wanted)
        );
    }
    text
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
