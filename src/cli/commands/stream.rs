//! `haversack stream`: a signed bundle as one file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use haversack::bundle;
use haversack::carry::{self, CarryError, Streamed};
use haversack::event::Event;
use haversack::fs::{self, AtomicFile};
use haversack::types::count::count;
use haversack::types::size::ByteSize;

use super::Context;
use crate::cli::args::StreamArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::places;

/// Writes to a file, which appears when it is whole, or to standard output.
pub(crate) fn run(args: &StreamArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let dirs = places(&args.bundle);
    if let Some(folder) = &args.flat {
        return flat(&dirs, folder, context);
    }
    let Some(output) = &args.output else {
        return Err(Failure::usage("nowhere to write to", "give -o or --flat"));
    };
    let write = |to: &mut dyn Write, name: &Path| {
        carry::stream(&dirs, (to, name), context.observer, context.cancel)
    };
    if output.as_os_str() == "-" {
        let done = write(&mut io::stdout().lock(), Path::new("standard output"))?;
        // Standard output is the bundle: what is to be said goes beside it.
        let text = text(&done, output, on_base(&dirs));
        let text = text.trim_end();
        context.observer.on(&Event::Note { text });
        return Ok(Class::Ok);
    }
    if fs::examine(output)?.is_some() {
        let path = output.clone();
        return Err(CarryError::Exists { path }.into());
    }
    let mut file = AtomicFile::begin(output)?;
    let done = write(&mut file, output)?;
    file.commit(0o644)?;
    context
        .output
        .result(&done, &text(&done, output, on_base(&dirs)));
    Ok(Class::Ok)
}

/// The option that the other side needs for a delta.
fn on_base(dirs: &[PathBuf]) -> &'static str {
    let list = dirs.first().map(|dir| bundle::to_sign(dir));
    match list {
        Some(Ok(list)) if list.sums.header().base.is_some() => " --base OLD",
        _ => "",
    }
}

/// Loose files in a new folder.
fn flat(dirs: &[PathBuf], folder: &Path, context: &Context<'_>) -> Result<Class, Failure> {
    let done = carry::scatter(dirs, folder, context.observer, context.cancel)?;
    let text = format!(
        "{}: {}, {}\n  identity  {}  ({})\n  next, on the isolated side: haversack receive --flat DIR{} --trust \
         DIR -o BUNDLE\n",
        folder.display(),
        count(done.files, "loose file"),
        ByteSize(done.bytes),
        done.identity,
        done.identity.label(),
        on_base(dirs),
    );
    context.output.result(&done, &text);
    Ok(Class::Ok)
}

fn text(done: &Streamed, to: &Path, base: &str) -> String {
    format!(
        "{}: {}, {}\n  identity  {}  ({})\n  next, on the isolated side: haversack receive FILE{base} --trust DIR -o BUNDLE, or `tar xf` \
         and haversack verify\n",
        to.display(),
        count(done.files, "file"),
        ByteSize(done.bytes),
        done.identity,
        done.identity.label(),
    )
}
