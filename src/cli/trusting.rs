//! What the commands of the isolated side share: trust directory, memory, opening a bundle.

use std::path::{Path, PathBuf};

use haversack::bundle::header::Created;
use haversack::trust::directory::Trust;
use haversack::verify::{Memory, Options};

use super::args::TrustArgs;
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
            memory: Memory::load(&state)?,
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
