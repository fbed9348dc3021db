//! `haversack media`: a bundle written to its media, and read back.

use std::fmt::Write as _;

use haversack::event::Event;
use haversack::media::{Load, Medium};
use haversack::types::size::ByteSize;

use super::Context;
use crate::cli::args::MediaArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::places;

/// Writes one volume to a mounted medium, or each to a folder or image of its own.
pub(crate) fn run(args: &MediaArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let bundle = places(std::slice::from_ref(&args.bundle));
    let load = Load::open(bundle.first().unwrap_or(&args.bundle))?;
    let volumes = match &args.volume {
        Some(wanted) => vec![load.volume(wanted)?],
        None => load.volumes(),
    };
    let mut done = Vec::new();
    for volume in volumes {
        let medium = if args.iso {
            let image = args.to.join(format!("{}-{volume}.iso", load.name()));
            load.image(&volume, &image, context.observer, context.cancel)?
        } else if args.volume.is_some() {
            load.copy(&volume, &args.to, context.observer, context.cancel)?
        } else {
            let folder = args.to.join(&volume);
            load.copy(&volume, &folder, context.observer, context.cancel)?
        };
        done.push(medium);
    }
    if done.iter().any(|medium| medium.signatures == 0) {
        let text =
            "the bundle has no signature yet: no network will take it in before `haversack sign`";
        context.observer.on(&Event::Warning { id: "W903", text });
    }
    context.output.result(&done, &text(&done));
    Ok(Class::Ok)
}

fn text(media: &[Medium]) -> String {
    let mut text = String::new();
    for medium in media {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "READ BACK: {} of {} media, {} files, {}: {}",
            medium.volume,
            medium.of,
            medium.files,
            ByteSize(medium.bytes),
            medium.target.display()
        );
        if let Some(digest) = medium.image {
            let _ = writeln!(text, "  sha256    {digest}");
        }
        for line in medium.label.lines() {
            let _ = writeln!(text, "  | {line}");
        }
    }
    text.push_str("  next: write the lines after | on each medium\n");
    text
}
