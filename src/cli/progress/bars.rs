//! Bars on a terminal.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use haversack::event::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One bar for the step that runs: bytes where they are known, items elsewhere.
pub(super) struct Bars {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    counts_bytes: bool,
    done: u64,
    items: u64,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
        }
    }
}

impl Observer for Bars {
    fn on(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *event {
            Event::StepStarted { step, items, bytes } => {
                let counts_bytes = bytes > 0;
                let bar = match (counts_bytes, items) {
                    (true, _) => styled(
                        bytes,
                        "{bar:28} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}",
                    ),
                    (false, 0) => styled(0, "{spinner} {wide_msg}"),
                    (false, _) => styled(items, "{bar:28} {pos}/{len} {wide_msg}"),
                };
                bar.set_prefix(step.label());
                bar.enable_steady_tick(Duration::from_millis(120));
                *state = State {
                    bar: Some(bar),
                    counts_bytes,
                    done: 0,
                    items,
                };
            }
            Event::ItemStarted { item, .. } => {
                if let Some(bar) = &state.bar {
                    bar.set_message(item.to_owned());
                }
            }
            Event::Bytes { count, .. } => {
                if let (Some(bar), true) = (&state.bar, state.counts_bytes) {
                    bar.inc(count);
                }
            }
            Event::ItemDone { .. } => {
                state.done += 1;
                if let (Some(bar), false) = (&state.bar, state.counts_bytes) {
                    bar.inc(1);
                }
            }
            Event::StepDone { .. } => {
                if let Some(bar) = state.bar.take() {
                    bar.set_message(format!(
                        "{} of {} done",
                        state.done,
                        state.items.max(state.done)
                    ));
                    bar.finish();
                }
            }
            Event::Note { text } => say(state.bar.as_ref(), text),
            Event::Warning { id, text } => {
                say(state.bar.as_ref(), &format!("warning[{id}]: {text}"));
            }
            _ => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = state.bar.take() {
            bar.abandon();
        }
    }
}

fn styled(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(10));
    // The templates are constants of this file; were one wrong, the default look would do.
    match ProgressStyle::with_template(&format!("{{prefix:>8}} {template}")) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

#[expect(clippy::print_stderr, reason = "the command line prints")]
fn say(bar: Option<&ProgressBar>, text: &str) {
    match bar {
        Some(bar) => bar.suspend(|| eprintln!("{text}")),
        None => eprintln!("{text}"),
    }
}
