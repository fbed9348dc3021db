//! How fast, and how much at once: the limits that all work through one client shares.

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::event::{Cancel, Cancelled};
use crate::fs;

/// How often a waiting thread looks whether it was asked to stop.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Least bytes of one read under a rate limit.
const LEAST_PIECE: u64 = 1024;

/// Waits, unless it is asked to stop.
pub(super) fn sleep(time: Duration, cancel: &Cancel) -> Result<(), Cancelled> {
    let end = Instant::now().checked_add(time);
    loop {
        cancel.check()?;
        let left = end.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK));
    }
}

/// A rate for all downloads together.
#[derive(Debug)]
pub(super) struct Throttle {
    rate: Option<NonZeroU64>,
    /// Until when the bytes that were taken last the rate.
    paid: Mutex<Instant>,
}

impl Throttle {
    pub(super) fn new(rate: Option<NonZeroU64>) -> Self {
        Self {
            rate,
            paid: Mutex::new(Instant::now()),
        }
    }

    /// How many bytes to read at once: a tenth of a second's worth, so that the flow is even.
    pub(super) fn piece(&self) -> usize {
        let all = u64::try_from(fs::CHUNK).unwrap_or(u64::MAX);
        let piece = self
            .rate
            .map_or(all, |rate| (rate.get() / 10).clamp(LEAST_PIECE, all));
        usize::try_from(piece).unwrap_or(fs::CHUNK)
    }

    /// Waits as long as `count` more bytes last. Gives the time that was waited.
    pub(super) fn take(&self, count: usize, cancel: &Cancel) -> Result<Duration, Cancelled> {
        let Some(rate) = self.rate else {
            return Ok(Duration::ZERO);
        };
        let now = Instant::now();
        let wait = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            *paid = paid_until(*paid, now, count, rate);
            paid.saturating_duration_since(now)
        };
        sleep(wait, cancel)?;
        Ok(now.elapsed())
    }
}

/// Until when the rate is used up by `count` bytes that come at `now`. Time that nobody used is lost,
/// so that there are no bursts.
fn paid_until(paid: Instant, now: Instant, count: usize, rate: NonZeroU64) -> Instant {
    let count = u128::try_from(count).unwrap_or(u128::MAX);
    let nanos = count.saturating_mul(1_000_000_000) / u128::from(rate.get());
    let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    paid.max(now).checked_add(time).unwrap_or(paid)
}

/// How many requests may be under way to one host.
#[derive(Debug)]
pub(super) struct Slots {
    per_host: NonZeroUsize,
    taken: Mutex<BTreeMap<String, usize>>,
    freed: Condvar,
}

impl Slots {
    pub(super) const fn new(per_host: NonZeroUsize) -> Self {
        Self {
            per_host,
            taken: Mutex::new(BTreeMap::new()),
            freed: Condvar::new(),
        }
    }

    /// Waits for a free slot of `host`; it is free again when the value is dropped.
    pub(super) fn take(&self, host: &str, cancel: &Cancel) -> Result<Slot<'_>, Cancelled> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            cancel.check()?;
            let count = taken.entry(host.to_owned()).or_insert(0);
            if *count < self.per_host.get() {
                *count = count.saturating_add(1);
                return Ok(Slot {
                    slots: self,
                    host: host.to_owned(),
                });
            }
            taken = self
                .freed
                .wait_timeout(taken, LOOK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// A slot of a host.
#[derive(Debug)]
pub(super) struct Slot<'s> {
    slots: &'s Slots,
    host: String,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut taken = self
            .slots
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.host) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.host);
            }
        }
        self.slots.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_shared_and_unused_time_is_lost() {
        let (start, rate) = (Instant::now(), NonZeroU64::new(1000).unwrap());
        let after = |millis| start + Duration::from_millis(millis);
        let first = paid_until(start, after(5000), 500, rate);
        assert_eq!(first, after(5500));
        let second = paid_until(first, after(5100), 250, rate);
        assert_eq!(second, after(5750));
        assert_eq!(paid_until(second, after(9000), 0, rate), after(9000));
    }

    #[test]
    fn pieces_are_a_tenth_of_a_second_within_bounds() {
        for (rate, piece) in [
            (None, fs::CHUNK),
            (Some(1), 1024),
            (Some(100_000), 10_000),
            (Some(u64::MAX), fs::CHUNK),
        ] {
            let throttle = Throttle::new(rate.and_then(NonZeroU64::new));
            assert_eq!(throttle.piece(), piece, "{rate:?}");
        }
    }

    #[test]
    fn a_host_has_so_many_slots_and_others_have_their_own() {
        let slots = Slots::new(NonZeroUsize::new(2).unwrap());
        let go = Cancel::new();
        let first = slots.take("a", &go).unwrap();
        let _second = slots.take("a", &go).unwrap();
        let _other = slots.take("b", &go).unwrap();
        let stop = Cancel::new();
        stop.request();
        assert!(slots.take("a", &stop).is_err());
        thread::scope(|scope| {
            let third = scope.spawn(|| slots.take("a", &go).map(drop));
            drop(first);
            assert!(third.join().unwrap().is_ok());
        });
    }
}
