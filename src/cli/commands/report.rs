//! `haversack report`: the text of a report that was kept, after its body was proved unchanged.

use haversack::fs;
use haversack::report::dossier::{self, Dossier};
use haversack::report::envelope::{Envelope, EnvelopeError, MAX_REPORT};
use haversack::report::verification;

use super::Context;
use crate::cli::args::ReportArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;

/// Prints the report.
pub(crate) fn run(args: &ReportArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let report = Envelope::parse(&fs::read(&args.file, MAX_REPORT)?)?;
    let text = match report.header.kind.as_str() {
        verification::KIND => verification::text(&report),
        dossier::KIND => {
            let found: Dossier = serde_json::from_value(report.body.clone())
                .map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
            dossier::text(&found, &report.body_sha256)
        }
        other => {
            let other = other.escape_debug();
            return Err(EnvelopeError::Malformed(format!("of the unknown kind `{other}`")).into());
        }
    };
    context.output.result(&report, &text);
    Ok(Class::Ok)
}
