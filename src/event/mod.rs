//! How the library reports progress without knowing a terminal.
//!
//! A step (`lock`, `fetch`, `pack`, `verify`, `stage`) emits [`Event`]s to an [`Observer`]; only the
//! command line turns them into bars, lines or JSON. Long loops look at [`Cancel`] per chunk.
#![doc = ""]
#![doc = include_str!("lines.md")]

mod cancel;
mod progress;

/// What the JSON lines are, for people: the text of the chapter above.
pub const LINES: &str = include_str!("lines.md");

pub use cancel::{Cancel, Cancelled};
pub use progress::Progress;

use serde::Serialize;

/// A step of the journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Step {
    /// Manifest to lock.
    Resolve,
    /// Lock to store.
    Fetch,
    /// Older and newer file to what changes one into the other.
    Change,
    /// Store to bundle.
    Pack,
    /// Payload to parity.
    Parity,
    /// Bundle to verified bundle.
    Verify,
    /// Damaged bundle to whole bundle.
    Repair,
    /// Bundle to a single file or flat files.
    Stream,
    /// Single file or flat files to bundle.
    Receive,
    /// Bundle to medium.
    Media,
    /// Media to one folder.
    Gather,
    /// Verified bundle to staged tree.
    Stage,
}

impl Step {
    /// The step in one word, as a person reads it beside a progress bar.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Fetch => "fetch",
            Self::Change => "change",
            Self::Pack => "pack",
            Self::Parity => "parity",
            Self::Verify => "verify",
            Self::Repair => "repair",
            Self::Stream => "stream",
            Self::Receive => "receive",
            Self::Media => "media",
            Self::Gather => "gather",
            Self::Stage => "stage",
        }
    }
}

/// The version of the JSON lines that events become.
pub const JSON_VERSION: u32 = 1;

/// Something that happened. Carries vocabulary only, never domain values.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step begins; `items` and `bytes` are the totals to expect, as far as they are known.
    StepStarted {
        /// Which step.
        step: Step,
        /// How many items there will be.
        items: u64,
        /// How many bytes there will be.
        bytes: u64,
    },
    /// Work on one item begins.
    ItemStarted {
        /// Which step.
        step: Step,
        /// The item: a file name or path.
        item: &'a str,
        /// Its size, when known.
        bytes: Option<u64>,
    },
    /// More bytes of an item are done. `count` is what was added since the last such event.
    Bytes {
        /// Which step.
        step: Step,
        /// The item.
        item: &'a str,
        /// Bytes added.
        count: u64,
    },
    /// As [`Event::Bytes`], of bytes that an earlier run had brought: they say nothing of how fast the rest will come.
    #[serde(rename = "bytes")]
    Kept {
        /// Which step.
        step: Step,
        /// The item.
        item: &'a str,
        /// Bytes added.
        count: u64,
    },
    /// An item is done.
    ItemDone {
        /// Which step.
        step: Step,
        /// The item.
        item: &'a str,
        /// Whether it was already there (found in the store, or in place from an earlier run).
        reused: bool,
    },
    /// An item could not be done; the others go on. It need not have begun. Bytes of it that were told of
    /// are not taken back.
    ItemFailed {
        /// Which step.
        step: Step,
        /// The item.
        item: &'a str,
        /// Stable id of the reason, such as `E706`.
        id: &'a str,
        /// The reason with its causes, in one line.
        reason: &'a str,
        /// The next step.
        next: Option<&'a str>,
    },
    /// A step is done.
    StepDone {
        /// Which step.
        step: Step,
    },
    /// Something a person may want to know; nothing is wrong.
    Note {
        /// One sentence.
        text: &'a str,
    },
    /// Something a person should know: the work goes on.
    Warning {
        /// Stable id, such as `W901`.
        id: &'a str,
        /// One sentence.
        text: &'a str,
    },
}

/// Receives events, from several threads at once.
pub trait Observer: Sync {
    /// Takes one event. Must return quickly and must not panic.
    fn on(&self, event: &Event<'_>);
}

/// An observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _event: &Event<'_>) {}
}
