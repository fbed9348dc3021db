//! One file a command: arguments in, library calls, a result printed.

#[cfg(feature = "connected")]
pub(crate) mod build;
pub(crate) mod explain;
pub(crate) mod inspect;
pub(crate) mod keygen;
#[cfg(feature = "connected")]
pub(crate) mod lock;
pub(crate) mod plan;
pub(crate) mod reference;
pub(crate) mod sign;
pub(crate) mod stage;
pub(crate) mod verify;

use haversack::event::{Cancel, Observer};

use super::output::Output;

/// What every command is given.
pub(crate) struct Context<'a> {
    /// Where the result goes.
    pub(crate) output: Output,
    /// Who watches the progress.
    pub(crate) observer: &'a dyn Observer,
    /// Whether the user asked to stop.
    pub(crate) cancel: &'a Cancel,
}
