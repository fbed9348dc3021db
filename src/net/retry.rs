//! How often to try again, and how long to wait.

use std::thread;
use std::time::{Duration, Instant};

use super::client::ClientOptions;
use super::error::NetError;
use crate::event::{Cancel, Cancelled};

/// Longest wait between two attempts.
const MAX_WAIT: Duration = Duration::from_mins(1);
/// How often a waiting thread looks whether it was asked to stop.
const LOOK: Duration = Duration::from_millis(50);
/// Most attempts for one file, with progress or not.
const MAX_TOTAL: u32 = 50;

/// Counts attempts. Only attempts without progress count against the limit of the options.
#[derive(Debug)]
pub(super) struct Attempts<'o> {
    options: &'o ClientOptions,
    fruitless: u32,
    total: u32,
}

impl<'o> Attempts<'o> {
    pub(super) const fn new(options: &'o ClientOptions) -> Self {
        Self {
            options,
            fruitless: 0,
            total: 0,
        }
    }

    /// Waits before the next attempt, or gives the error back when there is none.
    pub(super) fn again(
        &mut self,
        error: NetError,
        progress: Progress,
        cancel: &Cancel,
    ) -> Result<(), NetError> {
        self.total = self.total.saturating_add(1);
        self.fruitless = match progress {
            Progress::Some => 1,
            Progress::None => self.fruitless.saturating_add(1),
        };
        if !error.is_transient()
            || self.fruitless >= self.options.attempts
            || self.total >= MAX_TOTAL
        {
            return Err(error);
        }
        let asked = match &error {
            NetError::Server {
                retry_after: Some(seconds),
                ..
            } => Duration::from_secs(*seconds),
            _ => Duration::ZERO,
        };
        let wait = wait(self.options.backoff, self.fruitless, jitter()).max(asked);
        sleep(wait.min(MAX_WAIT), cancel)?;
        Ok(())
    }
}

/// Whether an attempt brought bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Some,
    None,
}

/// `base` doubled for each fruitless attempt after the first, times 0.5 to 1.5.
fn wait(base: Duration, fruitless: u32, jitter: u8) -> Duration {
    let doublings = fruitless.saturating_sub(1).min(16);
    let doubled = base.saturating_mul(1_u32 << doublings).min(MAX_WAIT);
    doubled / 2 + doubled.saturating_mul(u32::from(jitter)) / 255
}

fn jitter() -> u8 {
    let mut byte = [128];
    // Without randomness the wait is just regular.
    let _ = getrandom::fill(&mut byte);
    byte.first().copied().unwrap_or(128)
}

fn sleep(time: Duration, cancel: &Cancel) -> Result<(), Cancelled> {
    let end = Instant::now() + time;
    loop {
        cancel.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_each_time_within_bounds() {
        let base = Duration::from_millis(500);
        for (fruitless, jitter, millis) in [
            (1, 0, 250),
            (1, 255, 750),
            (2, 0, 500),
            (3, 255, 3000),
            (40, 0, 30_000),
            (40, 255, 90_000),
        ] {
            assert_eq!(
                wait(base, fruitless, jitter),
                Duration::from_millis(millis),
                "{fruitless} {jitter}"
            );
        }
    }
}
