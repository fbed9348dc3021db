//! `haversack preflight`: whether this host is what its staged tree expects.

use haversack::checks::{CheckList, Phase};
use haversack::preflight::{self, System};

use super::Context;
use crate::cli::args::PreflightArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, print};
use crate::cli::surroundings;

/// Makes the checks and prints them: a table, or one JSON object a line. Errors end in a policy
/// exit, warnings in findings under `--strict`: the same as `preflight.sh`.
pub(crate) fn run(args: &PreflightArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let list = CheckList::read(&args.folder)?;
    let now = u64::try_from(surroundings::now().as_second()).unwrap_or(0);
    let machine = System::new(&args.folder, now)?;
    let phase = if args.after {
        Phase::After
    } else {
        Phase::Before
    };
    let report = preflight::run(&list, phase, &machine, context.cancel)?;
    match context.output.format {
        Format::Text => print(&report.text()),
        Format::Json => print(&report.json_lines()),
    }
    let counts = report.counts();
    Ok(if counts.errors > 0 {
        Class::Policy
    } else if args.strict && counts.warnings > 0 {
        Class::Findings
    } else {
        Class::Ok
    })
}
