//! Whether this host is what its staged tree expects: the checks of `checks.json`, natively.
//!
//! The generated `preflight.sh` makes the same checks without this program, for hosts where unknown
//! programs may not run; both give the same verdicts and print the same report. Nothing here
//! changes a host. Programs of the system are run with fixed arguments, a fixed environment and a
//! time limit; secrets reach them by their environment or standard input only.

mod machine;
mod probes;
mod report;
mod system;

pub use machine::{Call, Machine, Ran, Space, Streams};
pub use report::{Counts, Outcome, Report, State, Verdict};
pub use system::System;

use crate::checks::{CheckList, Phase};
use crate::event::{Cancel, Cancelled};

/// Longest `found` of a report, in characters.
pub const MAX_FOUND: usize = 200;

/// Makes the checks of a list on a machine. With [`Phase::After`] also those that hold only after
/// the installation.
///
/// # Errors
/// When it was asked to stop.
pub fn run(
    list: &CheckList,
    phase: Phase,
    machine: &dyn Machine,
    cancel: &Cancel,
) -> Result<Report, Cancelled> {
    let mut outcomes = Vec::new();
    for check in list.checks.iter().filter(|check| check.phase <= phase) {
        cancel.check()?;
        outcomes.push(Outcome {
            check: check.clone(),
            verdict: probes::decide(&check.probe, machine).shortened(),
        });
    }
    Ok(Report {
        host: list.host.clone(),
        outcomes,
    })
}
