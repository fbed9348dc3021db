//! Plain lines, for logs.
#![expect(clippy::print_stderr, reason = "the command line prints")]

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use haversack::event::{Event, Observer};
use haversack::types::size::ByteSize;

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
    began: Instant,
    said: Instant,
    items: u64,
    bytes: u64,
    items_done: u64,
    reused: u64,
    bytes_done: u64,
}

impl State {
    fn new(items: u64, bytes: u64) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            said: now,
            items,
            bytes,
            items_done: 0,
            reused: 0,
            bytes_done: 0,
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
        match *event {
            Event::StepStarted { step, items, bytes } => {
                *state = State::new(items, bytes);
                match (items, bytes) {
                    (0, _) => eprintln!("{}: begins", step.label()),
                    (_, 0) => eprintln!("{}: {items} items", step.label()),
                    _ => eprintln!("{}: {items} items, {}", step.label(), ByteSize(bytes)),
                }
            }
            Event::Bytes { step, count, .. } => {
                state.bytes_done += count;
                if state.said.elapsed() >= EVERY && state.bytes > 0 {
                    state.said = Instant::now();
                    let (done, all) = (ByteSize(state.bytes_done), ByteSize(state.bytes));
                    eprintln!(
                        "{}: {} of {} items, {done} of {all}",
                        step.label(),
                        state.items_done,
                        state.items
                    );
                }
            }
            Event::ItemDone { reused, .. } => {
                state.items_done += 1;
                state.reused += u64::from(reused);
            }
            Event::StepDone { step } => {
                let seconds = state.began.elapsed().as_secs_f64();
                let reused = match state.reused {
                    0 => String::new(),
                    count => format!(", {count} of them already there"),
                };
                eprintln!(
                    "{}: done, {} items{reused}, {seconds:.1} s",
                    step.label(),
                    state.items_done
                );
            }
            Event::Note { text } => eprintln!("{text}"),
            _ => {}
        }
    }
}
