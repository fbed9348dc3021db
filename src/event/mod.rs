//! How the library reports progress without knowing a terminal.
//!
//! A step (`lock`, `fetch`, `pack`, `verify`, `stage`) emits [`Event`]s to an [`Observer`]; only the
//! command line turns them into bars, lines or JSON. Long loops look at [`Cancel`] per chunk.
//!
//! # JSON lines, version 1
//!
//! With `--progress json` standard error has one JSON object a line. The first is
//! `{"event":"start","version":1}`. A reader skips objects whose `event` it does not know, and members
//! that it does not know: both may be added within a version. What is there keeps its meaning.
//!
//! | `event` | members | means |
//! |---|---|---|
//! | `start` | `version` | the version of all lines that follow |
//! | `step-started` | `step`, `items`, `bytes` | a step begins; totals to expect, 0 where unknown |
//! | `item-started` | `step`, `item`, `bytes` | work on an item begins; its size, or null |
//! | `bytes` | `step`, `item`, `count` | so many more bytes of the item are done |
//! | `item-done` | `step`, `item`, `reused` | an item is done; whether it was there already |
//! | `item-failed` | `step`, `item` | an item could not be done; the others go on |
//! | `step-done` | `step` | a step is done; it is absent when the step failed |
//! | `note` | `text` | something a person may want to know |
//! | `warning` | `id`, `text` | something a person should know; `haversack explain ID` tells more |
//!
//! `step` is a step of [`Step`] in lower case. The sum of `count` of
//! an item never passes its size, and nothing is taken back: bytes that come a second time, after a
//! download had to start over, are not told again. Items of a step may run at the same time. A
//! command that is refused ends with one more line, an object with `error` and `exit` under `--json`.

mod cancel;
mod progress;

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
    /// An item is done.
    ItemDone {
        /// Which step.
        step: Step,
        /// The item.
        item: &'a str,
        /// Whether it was already there (found in the store, or in place from an earlier run).
        reused: bool,
    },
    /// An item could not be done; the reason comes in the result of the step. Bytes of it that were
    /// told of are not taken back.
    ItemFailed {
        /// Which step.
        step: Step,
        /// The item.
        item: &'a str,
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
