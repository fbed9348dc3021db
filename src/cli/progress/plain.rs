//! Plain lines, for logs.
#![expect(clippy::print_stderr, reason = "the command line prints")]

use haversack::types::count::count;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use haversack::event::{Event, Observer};
use haversack::types::size::ByteSize;

use super::tally::Tally;

/// At most one line in this time while a step runs.
const EVERY: Duration = Duration::from_secs(5);

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    All,
    Warnings,
}

/// A line when a step begins, one now and then, and one when it ends.
pub(super) struct Plain {
    detail: Detail,
    state: Mutex<State>,
}

struct State {
    tally: Tally,
    said: Instant,
}

impl State {
    fn new(items: u64, bytes: u64) -> Self {
        let now = Instant::now();
        Self {
            tally: Tally::new(items, bytes, now),
            said: now,
        }
    }
}

impl Plain {
    pub(super) fn new(detail: Detail) -> Self {
        Self {
            detail,
            state: Mutex::new(State::new(0, 0)),
        }
    }
}

impl Observer for Plain {
    fn on(&self, event: &Event<'_>) {
        if let Event::Warning { id, text } = *event {
            eprintln!("warning[{id}]: {text}");
        }
        if self.detail == Detail::Warnings {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match *event {
            Event::StepStarted { step, items, bytes } => {
                *state = State::new(items, bytes);
                match (items, bytes) {
                    (0, _) => eprintln!("{}: begins", step.label()),
                    (_, 0) => eprintln!("{}: {}", step.label(), count(items, "item")),
                    _ => eprintln!(
                        "{}: {}, {}",
                        step.label(),
                        count(items, "item"),
                        ByteSize(bytes)
                    ),
                }
            }
            Event::Bytes { step, count, .. } => {
                state.tally.add_bytes(count, now);
                let waited = now.saturating_duration_since(state.said);
                if waited >= EVERY && state.tally.counts_bytes() {
                    state.said = now;
                    eprintln!("{}: {}", step.label(), state.tally.line(now));
                }
            }
            Event::Kept { count, .. } => state.tally.add_kept(count),
            Event::ItemDone { reused, .. } => state.tally.add_item(reused),
            Event::ItemFailed { step, item, id, .. } => {
                state.tally.add_failure();
                eprintln!("{}: {item} failed ({id})", step.label());
            }
            Event::StepDone { step } => {
                let seconds = state.tally.taken(now).as_secs_f64();
                let reused = match state.tally.reused() {
                    0 => String::new(),
                    number => format!(", {number} of them already there"),
                };
                eprintln!(
                    "{}: done, {}{reused}, {seconds:.1} s",
                    step.label(),
                    count(state.tally.items_done(), "item")
                );
            }
            Event::Note { text } => eprintln!("{text}"),
            _ => {}
        }
    }
}
