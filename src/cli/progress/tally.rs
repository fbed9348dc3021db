//! What of a step is done, how fast it goes and how long it will take: numbers only.

use haversack::types::count::count;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use haversack::types::size::ByteSize;

/// The speed is that of this time before now.
const WINDOW: Duration = Duration::from_secs(10);
/// No speed is told before this time.
const SETTLE: Duration = Duration::from_secs(1);
/// A measurement in this time is enough.
const BETWEEN: Duration = Duration::from_millis(200);

/// The state of a step. No number in it ever goes down, and none is above its total.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    items: u64,
    bytes: u64,
    items_done: u64,
    items_failed: u64,
    reused: u64,
    bytes_done: u64,
    measured: VecDeque<(Instant, u64)>,
}

impl Tally {
    pub(super) fn new(items: u64, bytes: u64, now: Instant) -> Self {
        Self {
            began: now,
            items,
            bytes,
            items_done: 0,
            items_failed: 0,
            reused: 0,
            bytes_done: 0,
            measured: VecDeque::from([(now, 0)]),
        }
    }

    /// More bytes are done that were there before: they count, and do not make it faster.
    pub(super) fn add_kept(&mut self, count: u64) {
        self.bytes_done = self.bytes_done.saturating_add(count);
        for (_, done) in &mut self.measured {
            *done = done.saturating_add(count);
        }
    }

    /// More bytes are done.
    pub(super) fn add_bytes(&mut self, count: u64, now: Instant) {
        self.bytes_done = self.bytes_done.saturating_add(count);
        let last = self.measured.back().map_or(self.began, |(at, _)| *at);
        if now.saturating_duration_since(last) >= BETWEEN {
            self.measured.push_back((now, self.bytes_done));
        }
        // The first one within the window stays, so that there is always something to compare with.
        while self
            .measured
            .get(1)
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW)
        {
            self.measured.pop_front();
        }
    }

    pub(super) const fn add_item(&mut self, reused: bool) {
        self.items_done = self.items_done.saturating_add(1);
        if reused {
            self.reused = self.reused.saturating_add(1);
        }
    }

    pub(super) const fn add_failure(&mut self) {
        self.items_failed = self.items_failed.saturating_add(1);
    }

    pub(super) const fn items_done(&self) -> u64 {
        self.items_done
    }

    pub(super) const fn items_failed(&self) -> u64 {
        self.items_failed
    }

    /// Items to expect, at least those that are done or failed.
    pub(super) fn items(&self) -> u64 {
        let ended = self.items_done.saturating_add(self.items_failed);
        self.items.max(ended)
    }

    /// Bytes to expect; 0 where unknown.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes done, at most the total where one is known.
    pub(super) fn bytes_done(&self) -> u64 {
        if self.counts_bytes() {
            self.position()
        } else {
            self.bytes_done
        }
    }

    pub(super) const fn reused(&self) -> u64 {
        self.reused
    }

    pub(super) const fn counts_bytes(&self) -> bool {
        self.bytes > 0
    }

    /// Bytes done, at most the total.
    pub(super) fn position(&self) -> u64 {
        self.bytes_done.min(self.bytes)
    }

    /// Bytes a second lately; `None` while that cannot be told.
    pub(super) fn speed(&self, now: Instant) -> Option<u64> {
        let (since, before) = *self.measured.front()?;
        let passed = now.saturating_duration_since(since);
        if passed < SETTLE {
            return None;
        }
        let bytes = u128::from(self.bytes_done.saturating_sub(before));
        u64::try_from(bytes * 1000 / passed.as_millis().max(1)).ok()
    }

    /// How long the rest takes at this speed.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let speed = self.speed(now).filter(|speed| *speed > 0)?;
        let rest = self.bytes.saturating_sub(self.bytes_done);
        Some(Duration::from_secs(rest.div_ceil(speed)))
    }

    /// `3 of 40 items, 1 failed`.
    pub(super) fn items_line(&self) -> String {
        let (done, all) = (self.items_done, self.items.max(self.items_done));
        match self.items_failed {
            0 => format!("{done} of {}", count(all, "item")),
            failed => format!("{done} of {}, {failed} failed", count(all, "item")),
        }
    }

    /// `3 of 40 items, 12.0 MiB of 40.0 MiB, 1.2 MiB/s, 24 s left`.
    pub(super) fn line(&self, now: Instant) -> String {
        let mut line = self.items_line();
        if self.counts_bytes() {
            let (done, all) = (ByteSize(self.position()), ByteSize(self.bytes));
            line = format!("{line}, {done} of {all}");
        }
        if let Some(speed) = self.speed(now) {
            line = format!("{line}, {}/s", ByteSize(speed));
        }
        match self.left(now) {
            Some(left) => format!("{line}, {} left", duration(left)),
            None => line,
        }
    }

    /// How long the step has taken so far.
    pub(super) fn taken(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }
}

/// `24 s`, `3 min`, `1 h 20 min`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds.div_ceil(60)) {
        (0, _) if seconds < 120 => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {} min", minutes.saturating_sub(hours * 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_speed_and_time_left_of_lately() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut tally = Tally::new(40, 40 << 20, start);
        assert_eq!(tally.line(start), "0 of 40 items, 0 B of 40.0 MiB");
        tally.add_bytes(2 << 20, after(500));
        assert_eq!(tally.line(after(500)), "0 of 40 items, 2.0 MiB of 40.0 MiB");
        tally.add_item(false);
        assert_eq!(
            tally.line(after(2000)),
            "1 of 40 items, 2.0 MiB of 40.0 MiB, 1.0 MiB/s, 38 s left"
        );
        // Nothing for long, then fast: only what was lately counts.
        tally.add_bytes(1 << 20, after(60_000));
        tally.add_bytes(10 << 20, after(65_000));
        tally.add_failure();
        assert_eq!(
            tally.line(after(65_000)),
            "1 of 40 items, 1 failed, 13.0 MiB of 40.0 MiB, 174.6 KiB/s, 3 min left"
        );
        tally.add_bytes(10 << 20, after(75_000));
        assert_eq!(tally.speed(after(75_000)), Some(1 << 20));
    }

    #[test]
    fn what_was_there_before_makes_it_no_faster() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut tally = Tally::new(1, 100 << 20, start);
        tally.add_kept(80 << 20);
        tally.add_bytes(1 << 20, after(1000));
        tally.add_kept(9 << 20);
        tally.add_bytes(1 << 20, after(2000));
        assert_eq!(
            tally.line(after(2000)),
            "0 of 1 item, 91.0 MiB of 100.0 MiB, 1.0 MiB/s, 9 s left"
        );
    }

    #[test]
    fn never_passes_its_totals() {
        let start = Instant::now();
        let mut tally = Tally::new(1, 100, start);
        tally.add_bytes(60, start);
        tally.add_bytes(60, start + Duration::from_secs(2));
        assert_eq!(tally.position(), 100);
        assert_eq!(tally.left(start + WINDOW), Some(Duration::ZERO));
        tally.add_item(true);
        tally.add_item(true);
        assert!(
            tally
                .line(start)
                .starts_with("2 of 2 items, 100 B of 100 B")
        );
    }

    #[test]
    fn times_are_told_in_few_words() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (3599, "60 min"),
            (4800, "1 h 20 min"),
            (7200, "2 h 0 min"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
