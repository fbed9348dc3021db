//! `haversack audit`: the hosts outside the deployment that a staged tree names.

use std::fmt::Write as _;

use haversack::stage::{self, TreeAudit};

use super::Context;
use crate::cli::args::AuditArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;

/// Prints what was found; ends with a refusal when the deployment does not acknowledge all of it.
pub(crate) fn run(args: &AuditArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let found = stage::audit(&args.staged, context.cancel)?;
    context.output.result(&found, &text(&found));
    Ok(match (found.is_clean(), found.is_partial()) {
        (false, _) => Class::Policy,
        // Nothing bad was seen, and not everything was seen: that is no "ok".
        (true, true) => Class::Findings,
        (true, false) => Class::Ok,
    })
}

fn text(found: &TreeAudit) -> String {
    let mut text = String::new();
    for one in &found.egress {
        let sign = if one.acknowledged { ' ' } else { '!' };
        let word = if one.acknowledged {
            "acknowledged by the deployment"
        } else {
            "not acknowledged"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{sign} {}  {}:{}  {word}",
            one.host.escape_debug(),
            one.file.escape_debug(),
            one.line
        );
    }
    for name in &found.unread {
        let _ = writeln!(
            text,
            "! {}  not searched: no plain file, or larger than any that is generated",
            name.escape_debug()
        );
    }
    for one in &found.unreadable {
        let (file, reason) = (one.file.escape_debug(), &one.reason);
        let _ = writeln!(text, "! {file}  could not be read: {reason}");
    }
    if found.is_partial() {
        let _ = writeln!(
            text,
            "PARTIAL: unreadable: {}; run again as a user who may read all of it, while nobody changes it",
            found.unreadable.len()
        );
    }
    let _ = writeln!(
        text,
        "{} files of {} hosts searched: {} places name a host outside, {} not acknowledged",
        found.files,
        found.hosts,
        found.egress.len(),
        found.unacknowledged()
    );
    text
}
