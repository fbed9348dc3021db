//! How often to try again, and how long to wait.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;

use super::client::ClientOptions;
use super::error::NetError;
use super::throttle::sleep;
use crate::event::Cancel;

/// Longest wait between two attempts by our own reckoning.
const MAX_WAIT: Duration = Duration::from_mins(1);
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

    /// Waits before the next attempt, or gives the error back when there is none. `told` hears of the
    /// failure and of how long the wait will be.
    pub(super) fn again(
        &mut self,
        error: NetError,
        progress: Progress,
        told: &mut dyn FnMut(&NetError, Duration),
        cancel: &Cancel,
    ) -> Result<(), NetError> {
        self.total = self.total.saturating_add(1);
        self.fruitless = match progress {
            Progress::Some => 0,
            Progress::None => self.fruitless.saturating_add(1),
        };
        let asked = match &error {
            NetError::Server { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        if !error.is_transient()
            || self.fruitless >= self.options.attempts
            || self.total >= MAX_TOTAL
            || asked > self.options.max_retry_after
        {
            return Err(error);
        }
        let wait = wait(self.options.backoff, self.fruitless, jitter()).min(MAX_WAIT);
        let wait = wait.max(asked);
        told(&error, wait);
        sleep(wait, cancel)?;
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

/// How long a server asks to wait (`Retry-After`, RFC 9110 §10.2.3): seconds, or until a date, which
/// is reckoned from the server's own `Date` where it states one, else from `now`. `None` when it is
/// neither.
pub(super) fn retry_after(
    text: &str,
    date: Option<&str>,
    now: Option<Timestamp>,
) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a number can hold are as many as it can.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(text)?;
    let from = date.and_then(http_date).or(now)?;
    let seconds = until.as_second().saturating_sub(from.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// A date in one of the three forms of RFC 9110 §5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(zoned) = rfc2822::parse(text) {
        return Some(zoned.timestamp());
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| strtime::parse(form, text).ok()?.to_datetime().ok())
        .and_then(|date: DateTime| TimeZone::UTC.to_timestamp(date).ok())
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

    #[test]
    fn retry_after_is_seconds_or_one_of_three_dates() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().unwrap();
        let own = Some("Sun, 06 Nov 1994 08:49:00 GMT");
        for (text, date, seconds) in [
            ("120", None, Some(120)),
            (" 0 ", None, Some(0)),
            ("99999999999999999999999", None, Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None, Some(30)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", own, Some(37)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some("garbage"), Some(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None, Some(30)),
            ("Sun Nov  6 08:49:37 1994", None, Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None, Some(0)),
            ("-5", None, None),
            ("1.5", None, None),
            ("soon", None, None),
            ("", None, None),
        ] {
            let found = retry_after(text, date, Some(now));
            assert_eq!(found, seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", None, None),
            None
        );
    }

    #[test]
    fn a_server_that_asks_for_too_long_is_not_asked_again() {
        let options = ClientOptions {
            max_retry_after: Duration::from_secs(10),
            backoff: Duration::ZERO,
            ..ClientOptions::default()
        };
        let busy = |seconds| NetError::Server {
            url: "https://a.example/x".parse().unwrap(),
            status: 429,
            via: None,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let mut waits = Vec::new();
        let mut told = |_: &NetError, wait: Duration| waits.push(wait);
        let stop = Cancel::new();
        stop.request();
        let mut attempts = Attempts::new(&options);
        let long = attempts.again(busy(11), Progress::None, &mut told, &stop);
        assert!(matches!(long, Err(NetError::Server { .. })));
        let short = attempts.again(busy(10), Progress::None, &mut told, &stop);
        assert!(matches!(short, Err(NetError::Cancelled(_))));
        assert_eq!(waits, [Duration::from_secs(10)]);
    }
}
