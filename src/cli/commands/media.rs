//! `haversack media`: a bundle written to its media, and read back.

use std::fmt::Write as _;
use std::path::PathBuf;

use haversack::event::Event;
use haversack::media::{Company, Load, Medium};
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
    let (observer, cancel) = (context.observer, context.cancel);
    let target = |volume: &String| {
        if args.iso {
            args.to.join(format!("{}-{volume}.iso", load.name()))
        } else if args.volume.is_some() {
            args.to.clone()
        } else {
            args.to.join(volume)
        }
    };
    let targets: Vec<(String, PathBuf)> = volumes
        .into_iter()
        .map(|volume| (volume.clone(), target(&volume)))
        .collect();
    let done = if args.iso {
        load.check_images(&targets)?;
        targets
            .iter()
            .map(|(volume, image)| load.image(volume, image, observer, cancel))
            .collect::<Result<Vec<_>, _>>()?
    } else {
        let company = if args.together {
            Company::Together
        } else {
            Company::Alone
        };
        load.copy_all(&targets, company, observer, cancel)?
    };
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
