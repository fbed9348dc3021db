//! What the commands of the isolated side share: trust directory, memory, opening a bundle.

use std::path::{Path, PathBuf};

use haversack::bundle::header::Created;
use haversack::carry::CarryError;
use haversack::event::Event;
use haversack::trust::directory::Trust;
use haversack::verify::{self, Memory, Options, Verdict, VerifyReport};

use super::args::TrustArgs;
use super::commands::Context;
use super::failure::Failure;
use super::surroundings;

/// Whom this network trusts, what it accepted before, and how to judge a bundle now.
pub(crate) struct Trusting {
    pub(crate) trust: Trust,
    pub(crate) memory: Memory,
    pub(crate) options: Options,
}

impl Trusting {
    /// As the arguments say.
    pub(crate) fn load(args: &TrustArgs) -> Result<Self, Failure> {
        let state = surroundings::state_folder(args.state.as_ref())?;
        Ok(Self {
            trust: Trust::load(&args.trust)?,
            memory: Memory::load(&state)?.at(created_now()),
            options: Options {
                now: created_now(),
                allow_rollback: args.allow_rollback.clone(),
            },
        })
    }

    /// Only a trust directory; nothing remembered counts.
    pub(crate) fn without_memory(trust: &Path) -> Result<Self, Failure> {
        Ok(Self {
            trust: Trust::load(trust)?,
            memory: Memory::none(),
            options: Options {
                now: created_now(),
                allow_rollback: None,
            },
        })
    }
}

/// Proves a bundle that stands already where a run would put it: an earlier one gave it its name, and was
/// interrupted before it could remember it.
pub(crate) fn prove_standing(
    bundle: &Path,
    trusting: &Trusting,
    context: &Context<'_>,
) -> Result<VerifyReport, Failure> {
    let text = format!(
        "{} holds this bundle already: it is proved again",
        bundle.display()
    );
    context.observer.on(&Event::Note { text: &text });
    let Trusting {
        trust,
        memory,
        options,
    } = trusting;
    let (observer, cancel) = (context.observer, context.cancel);
    let report = verify::verify(
        &[bundle.to_owned()],
        trust,
        memory,
        options,
        observer,
        cancel,
    )?;
    if report.verdict == Verdict::Good {
        return Ok(report);
    }
    let path = bundle.to_owned();
    Err(CarryError::Exists { path }.into())
}

/// The clock, as a bundle states times.
pub(crate) fn created_now() -> Option<Created> {
    Created::from_epoch(surroundings::now().as_second())
}

/// Absolute paths of bundles, so that reports name them the same from every folder.
pub(crate) fn places(bundles: &[PathBuf]) -> Vec<PathBuf> {
    bundles
        .iter()
        .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        .collect()
}
