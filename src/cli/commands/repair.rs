//! `haversack repair`: a damaged bundle made whole in a new folder.

use std::fmt::Write as _;

use haversack::bundle::patch::Patch;
use haversack::custody;
use haversack::repair::{self, RepairError, Repaired};
use haversack::verify;

use super::Context;
use crate::cli::args::RepairArgs;
use crate::cli::custodian::{self, Deed};
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::{Trusting, places, prove_standing};

/// Surveys every place, and repairs what can be repaired.
pub(crate) fn run(args: &RepairArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let trusting = Trusting::load(&args.trust)?;
    let Trusting {
        trust,
        memory,
        options,
    } = &trusting;
    let dirs = places(&args.bundle);
    custodian::prepare(&args.custodian, &dirs)?;
    let survey = verify::survey(
        &dirs,
        trust,
        memory,
        options,
        context.observer,
        context.cancel,
    )?;
    let patch = args.patch.as_deref().map(Patch::open).transpose()?;
    let done = repair::repair_with(
        &survey,
        patch.as_ref(),
        &args.output,
        context.observer,
        context.cancel,
    );
    let identity = survey.report().identity;
    let done = match done {
        Err(RepairError::Exists { path }) if custody::begin_of(&path).ok() == Some(identity) => {
            let report = prove_standing(&path, &trusting, context)?;
            Repaired::before(path, identity, report.files_good)
        }
        done => done?,
    };
    let note = format!(
        "{} files and {} blocks rebuilt",
        done.files_rebuilt.len(),
        done.blocks_rebuilt
    );
    let deed = Deed {
        role: "receiver",
        action: "repaired",
        identity: done.identity,
        result: "ok",
        note: Some(&note),
        state: None,
    };
    custodian::record(&args.custodian, &deed)?;
    context.output.result(&done, &text(&done));
    Ok(Class::Ok)
}

fn text(done: &Repaired) -> String {
    let mut text = format!(
        "WHOLE: {}\n  identity  {}  ({})\n  taken over {} files\n",
        done.bundle.display(),
        done.identity,
        done.identity.label(),
        done.files_copied
    );
    for path in &done.files_rebuilt {
        text.push_str("  rebuilt   ");
        text.push_str(path.as_str());
        text.push('\n');
    }
    for path in &done.files_patched {
        text.push_str("  patched   ");
        text.push_str(path.as_str());
        text.push('\n');
    }
    if done.blocks_patched > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  blocks    {} from the patch", done.blocks_patched);
    }
    if done.blocks_rebuilt > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  blocks    {} rebuilt", done.blocks_rebuilt);
    }
    if done.parity_made {
        text.push_str("  parity    made anew\n");
    }
    let _ = writeln!(
        text,
        "  next: haversack verify {} --trust DIR",
        done.bundle.display()
    );
    text
}
