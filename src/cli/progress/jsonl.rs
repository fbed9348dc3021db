//! Progress as JSON lines, for programs. The lines are described at [`haversack::event`].
#![expect(clippy::print_stderr, reason = "the command line prints")]

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use haversack::event::{Event, JSON_VERSION, Observer, Step};
use serde::Serialize;

use super::tally::Tally;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;

/// At most one line about the whole step in this time.
const EVERY: Duration = Duration::from_secs(1);
/// At most one line about the bytes of an item in this time.
const EVERY_ITEM: Duration = Duration::from_millis(200);

/// Prints each event as one JSON object a line. The first line names the version.
pub(super) struct JsonLines {
    state: Mutex<State>,
}

/// What the lines need to know of those before.
struct State {
    step: Tally,
    items: BTreeMap<String, Item>,
    said: Instant,
}

struct Item {
    done: u64,
    total: Option<u64>,
    tally: Tally,
    /// Bytes that are done, and in no line yet.
    untold: u64,
    said: Instant,
}

/// An event with what is known of its item.
#[derive(Serialize)]
struct OfItem<'e> {
    #[serde(flatten)]
    event: &'e Event<'e>,
    done: u64,
    total: Option<u64>,
    rate: Option<u64>,
    left: Option<u64>,
}

/// How far a step is.
#[derive(Serialize)]
#[serde(tag = "event", rename = "step-progress", rename_all = "snake_case")]
struct OfStep {
    step: Step,
    items_done: u64,
    items_failed: u64,
    items: u64,
    bytes_done: u64,
    bytes: u64,
    rate: Option<u64>,
    left: Option<u64>,
}

/// The last line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Ending<'e> {
    Finished {
        exit: u8,
    },
    Failed {
        id: &'e str,
        message: &'e str,
        next: Option<&'e str>,
        exit: u8,
        error: &'e Failure,
    },
}

impl JsonLines {
    pub(super) fn new() -> Self {
        eprintln!("{}", first_line());
        Self {
            state: Mutex::new(State::new(0, 0, Instant::now())),
        }
    }
}

impl Observer for JsonLines {
    fn on(&self, event: &Event<'_>) {
        // Held while the lines are printed, so that they come in the order of their numbers.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for line in state.lines(event, Instant::now()) {
            eprintln!("{line}");
        }
    }
}

/// Prints the last line.
pub(super) fn end(result: Result<Class, &Failure>) {
    eprintln!("{}", last_line(result));
}

fn first_line() -> String {
    format!(r#"{{"event":"start","version":{JSON_VERSION}}}"#)
}

fn last_line(result: Result<Class, &Failure>) -> String {
    json(&match result {
        Ok(class) => Ending::Finished { exit: class.code() },
        Err(failure) => Ending::Failed {
            id: &failure.id,
            message: failure.messages.first().map_or("", String::as_str),
            next: failure.hint.as_deref(),
            exit: failure.class().code(),
            error: failure,
        },
    })
}

/// Events are texts and numbers, which can always be written; a line that could not be would be left out.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl State {
    fn new(items: u64, bytes: u64, now: Instant) -> Self {
        Self {
            step: Tally::new(items, bytes, now),
            items: BTreeMap::new(),
            said: now,
        }
    }

    /// The lines that an event becomes.
    fn lines(&mut self, event: &Event<'_>, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        match *event {
            Event::StepStarted { items, bytes, .. } => *self = Self::new(items, bytes, now),
            Event::ItemStarted { item, bytes, .. } => {
                let tally = Tally::new(1, bytes.unwrap_or(0), now);
                let known = Item {
                    done: 0,
                    total: bytes,
                    tally,
                    untold: 0,
                    said: now,
                };
                self.items.insert(item.to_owned(), known);
            }
            Event::Bytes { step, item, count } | Event::Kept { step, item, count } => {
                lines.extend(self.bytes(event, (step, item, count), now));
                if now.saturating_duration_since(self.said) >= EVERY {
                    self.said = now;
                    lines.push(self.whole(step, now));
                }
                return lines;
            }
            Event::ItemDone { step, item, reused } => {
                self.step.add_item(reused);
                let known = self.items.remove(item);
                lines.extend(known.and_then(|mut known| known.line(step, item, now)));
            }
            Event::ItemFailed { step, item, .. } => {
                self.step.add_failure();
                let known = self.items.remove(item);
                lines.extend(known.and_then(|mut known| known.line(step, item, now)));
            }
            Event::StepDone { step } => lines.push(self.whole(step, now)),
            _ => {}
        }
        lines.push(json(event));
        lines
    }

    /// No line where nothing is new (an item is never told to be longer than it is), or one was printed just now.
    fn bytes(
        &mut self,
        event: &Event<'_>,
        (step, item, count): (Step, &str, u64),
        now: Instant,
    ) -> Option<String> {
        let add = |tally: &mut Tally, count| match event {
            Event::Kept { .. } => tally.add_kept(count),
            _ => tally.add_bytes(count, now),
        };
        let Some(known) = self.items.get_mut(item) else {
            add(&mut self.step, count);
            return Some(json(event));
        };
        let room = known
            .total
            .map_or(u64::MAX, |total| total.saturating_sub(known.done));
        let count = count.min(room);
        known.done = known.done.saturating_add(count);
        known.untold = known.untold.saturating_add(count);
        add(&mut known.tally, count);
        add(&mut self.step, count);
        let due = now.saturating_duration_since(known.said) >= EVERY_ITEM;
        due.then(|| known.line(step, item, now)).flatten()
    }

    fn whole(&self, step: Step, now: Instant) -> String {
        let tally = &self.step;
        json(&OfStep {
            step,
            items_done: tally.items_done(),
            items_failed: tally.items_failed(),
            items: tally.items(),
            bytes_done: tally.bytes_done(),
            bytes: tally.bytes(),
            rate: tally.speed(now),
            left: tally
                .counts_bytes()
                .then(|| tally.left(now))
                .flatten()
                .map(|left| left.as_secs()),
        })
    }
}

impl Item {
    /// What is done since the line before; none when that is nothing.
    fn line(&mut self, step: Step, item: &str, now: Instant) -> Option<String> {
        let count = std::mem::take(&mut self.untold);
        self.said = now;
        (count > 0).then(|| {
            json(&OfItem {
                event: &Event::Bytes { step, item, count },
                done: self.done,
                total: self.total,
                rate: self.tally.speed(now),
                left: self
                    .total
                    .and(self.tally.left(now))
                    .map(|left| left.as_secs()),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_version_1_stay_as_they_are() {
        let step = Step::Fetch;
        let item = "files/mattermost/mattermost-11.7.10-linux-amd64.tar.gz";
        let bytes = |count| Event::Bytes { step, item, count };
        let events = [
            (
                0,
                Event::StepStarted {
                    step,
                    items: 2,
                    bytes: 300,
                },
            ),
            (
                0,
                Event::ItemStarted {
                    step,
                    item,
                    bytes: Some(200),
                },
            ),
            (
                0,
                Event::ItemStarted {
                    step: Step::Resolve,
                    item: "other",
                    bytes: None,
                },
            ),
            // Told together, for they come too fast to be told one by one.
            (100, bytes(20)),
            (150, bytes(20)),
            (500, bytes(10)),
            (2000, bytes(50)),
            // More than there is left: what an item is told to have never passes its size.
            (3000, bytes(300)),
            (3000, bytes(1)),
            (
                3000,
                Event::Bytes {
                    step: Step::Resolve,
                    item: "other",
                    count: 7,
                },
            ),
            (
                3000,
                Event::ItemDone {
                    step,
                    item,
                    reused: false,
                },
            ),
            (
                3000,
                Event::ItemFailed {
                    step,
                    item: "other",
                    id: "E706",
                    reason: "https://example.org/other does not exist there (status 404)",
                    next: Some("check the version and the URL in the manifest"),
                },
            ),
            (4000, Event::StepDone { step }),
            (4000, Event::Note { text: "a note" }),
            (
                4000,
                Event::Warning {
                    id: "W901",
                    text: "a \"warning\"",
                },
            ),
        ];
        let begin = Instant::now();
        let mut state = State::new(0, 0, begin);
        let mut lines = vec![first_line()];
        for (millis, event) in events {
            lines.extend(state.lines(&event, begin + Duration::from_millis(millis)));
        }
        lines.push(last_line(Ok(Class::Ok)));
        lines.push(last_line(Err(&Failure::plain(
            "E706",
            "it is not there",
            "look elsewhere",
        ))));
        let golden = include_str!("../../../tests/fixtures/progress/version-1.jsonl");
        assert_eq!(lines.join("\n") + "\n", golden);
    }
}
