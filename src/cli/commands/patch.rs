//! `haversack patch`: what a re-carry list names, out of the whole bundle.

use haversack::bundle::patch::{MAX_BYTES, Recarry};
use haversack::fs;
use haversack::media::{Answered, Load};
use haversack::types::size::ByteSize;

use super::Context;
use crate::cli::args::PatchArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::places;

/// Writes the pieces, each hashed, into a new folder.
pub(crate) fn run(args: &PatchArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let list = Recarry::parse(&fs::read_text(&args.list, MAX_BYTES)?)?;
    let bundle = places(std::slice::from_ref(&args.bundle));
    let load = Load::open(bundle.first().unwrap_or(&args.bundle))?;
    let done = load.answer(&list, &args.output, context.cancel)?;
    context.output.result(&done, &text(&done));
    Ok(Class::Ok)
}

fn text(done: &Answered) -> String {
    format!(
        "PATCH: {} blocks and {} files, {}: {}\n  of the bundle {}\n  next: carry the folder over, then haversack repair BUNDLE --patch {} --trust DIR -o NEW\n",
        done.blocks,
        done.files,
        ByteSize(done.bytes),
        done.patch.display(),
        done.identity.label(),
        done.patch.file_name().unwrap_or_default().to_string_lossy(),
    )
}
