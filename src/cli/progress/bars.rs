//! Bars on a terminal: one for the step, and one for each item that is worked on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use haversack::event::{Event, Observer};
use haversack::types::size::ByteSize;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::{Tally, duration};

/// Most bars of items that are shown at once.
const MAX_ITEMS: usize = 8;
/// Smaller items come and go too fast for a bar of their own, in bytes.
const LEAST_SIZE: u64 = 1 << 20;

const BYTES: &str = "{prefix:>8} {bar:28} {bytes}/{total_bytes} {wide_msg}";
const ITEMS: &str = "{prefix:>8} {bar:28} {pos}/{len} {wide_msg}";
const UNKNOWN: &str = "{prefix:>8} {spinner} {wide_msg}";
const ITEM: &str = "         {bar:28} {bytes}/{total_bytes} {wide_msg}";

/// The bars of the step that runs.
pub(super) struct Bars {
    screen: MultiProgress,
    state: Mutex<Option<State>>,
}

struct State {
    tally: Tally,
    whole: ProgressBar,
    items: BTreeMap<String, ProgressBar>,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            screen: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)),
            state: Mutex::new(None),
        }
    }

    fn begin(&self, label: &'static str, items: u64, bytes: u64) -> State {
        let whole = match (bytes, items) {
            (0, 0) => styled(0, UNKNOWN),
            (0, _) => styled(items, ITEMS),
            (_, _) => styled(bytes, BYTES),
        };
        whole.set_prefix(label);
        let whole = self.screen.add(whole);
        whole.enable_steady_tick(Duration::from_millis(120));
        State {
            tally: Tally::new(items, bytes, Instant::now()),
            whole,
            items: BTreeMap::new(),
        }
    }

    #[expect(clippy::print_stderr, reason = "the command line prints")]
    fn say(&self, text: &str) {
        self.screen.suspend(|| eprintln!("{text}"));
    }
}

impl State {
    fn item_started(&mut self, screen: &MultiProgress, item: &str, bytes: Option<u64>) {
        if !self.tally.counts_bytes() {
            self.whole.set_message(item.to_owned());
        }
        let Some(bytes) = bytes.filter(|bytes| *bytes >= LEAST_SIZE) else {
            return;
        };
        if self.items.len() < MAX_ITEMS {
            let bar = screen.insert_before(&self.whole, styled(bytes, ITEM));
            bar.set_message(item.to_owned());
            self.items.insert(item.to_owned(), bar);
        }
    }

    fn kept(&mut self, item: &str, count: u64) {
        self.tally.add_kept(count);
        self.show(item, count);
    }

    fn bytes(&mut self, item: &str, count: u64) {
        self.tally.add_bytes(count, Instant::now());
        self.show(item, count);
    }

    /// Moves the bars, after the tally has the count.
    fn show(&mut self, item: &str, count: u64) {
        let now = Instant::now();
        if let Some(bar) = self.items.get(item) {
            bar.inc(count);
        }
        if !self.tally.counts_bytes() {
            return;
        }
        self.whole.set_position(self.tally.position());
        let speed = self.tally.speed(now).map(ByteSize);
        let left = self.tally.left(now).map(duration);
        if let (Some(speed), Some(left)) = (speed, left) {
            self.whole.set_message(format!("{speed}/s, {left} left"));
        }
    }

    fn item_ended(&mut self, item: &str) {
        if let Some(bar) = self.items.remove(item) {
            bar.finish_and_clear();
        }
        if !self.tally.counts_bytes() {
            self.whole.set_position(self.tally.items_done());
        }
    }

    fn end(mut self) {
        for bar in std::mem::take(&mut self.items).into_values() {
            bar.finish_and_clear();
        }
        if self.whole.is_finished() {
            return;
        }
        self.whole.abandon_with_message(self.tally.items_line());
    }
}

impl Observer for Bars {
    fn on(&self, event: &Event<'_>) {
        match *event {
            Event::Note { text } => return self.say(text),
            Event::Warning { id, text } => return self.say(&format!("warning[{id}]: {text}")),
            _ => {}
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::StepStarted { step, items, bytes } = *event {
            if let Some(before) = state.take() {
                before.end();
            }
            *state = Some(self.begin(step.label(), items, bytes));
            return;
        }
        let Some(running) = state.as_mut() else {
            return;
        };
        match *event {
            Event::ItemStarted { item, bytes, .. } => {
                running.item_started(&self.screen, item, bytes);
            }
            Event::Bytes { item, count, .. } => running.bytes(item, count),
            Event::Kept { item, count, .. } => running.kept(item, count),
            Event::ItemDone { item, reused, .. } => {
                running.tally.add_item(reused);
                running.item_ended(item);
            }
            Event::ItemFailed { item, .. } => {
                running.tally.add_failure();
                running.item_ended(item);
            }
            Event::StepDone { .. } => {
                if let Some(done) = state.take() {
                    done.end();
                }
            }
            _ => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = state.take() {
            running.end();
        }
    }
}

fn styled(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
    // The templates are constants of this file; were one wrong, the default look would do.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haversack::event::Step;
    use indicatif::TermLike;
    use std::io;
    use std::sync::Arc;

    /// A terminal that keeps all that was ever written.
    #[derive(Debug, Clone, Default)]
    struct Paper(Arc<Mutex<String>>);

    impl Paper {
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            90
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bars() -> (Bars, Paper) {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let bars = Bars {
            screen: MultiProgress::with_draw_target(target),
            state: Mutex::new(None),
        };
        (bars, paper)
    }

    #[test]
    fn shows_a_bar_an_item_and_one_for_all_that_never_go_back() {
        let (bars, paper) = bars();
        let step = Step::Fetch;
        let (items, bytes, size) = (2, 6 << 20, Some(3 << 20));
        bars.on(&Event::StepStarted { step, items, bytes });
        for item in ["one", "two"] {
            bars.on(&Event::ItemStarted {
                step,
                item,
                bytes: size,
            });
        }
        let mut before = 0;
        for (item, count) in [("one", 1 << 20), ("two", 2 << 20), ("one", 2 << 20)] {
            bars.on(&Event::Bytes { step, item, count });
            let position = bars
                .state
                .lock()
                .unwrap()
                .as_ref()
                .unwrap()
                .whole
                .position();
            assert!(position > before, "{position}");
            before = position;
        }
        let (item, reused) = ("one", false);
        bars.on(&Event::ItemDone { step, item, reused });
        bars.on(&Event::ItemFailed {
            step,
            item: "two",
            id: "E706",
            reason: "it is not there",
            next: None,
        });
        drop(bars);
        let text = paper.text();
        for part in [
            "3.00 MiB one",
            "3.00 MiB two",
            "fetch",
            "5.00 MiB/6.00 MiB 1 of 2 items, 1 failed",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
