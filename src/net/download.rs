//! One file from one URL into a `.part` file, resumed where the server allows it.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};

use super::client::{Client, content_length, header, refuse_html, send};
use super::error::NetError;
use super::retry::{Attempts, Progress};
use crate::event::Cancel;
use crate::fs::{self, At, PartFile, PathError};
use crate::types::digest::{Digest, Hasher};
use crate::types::size::ByteSize;
use crate::types::url::SafeUrl;

/// What is known about a file before it is fetched.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Its exact size, when a lock states it.
    pub size: Option<u64>,
    /// The most bytes that are taken.
    pub limit: u64,
}

/// What to do with a part that an earlier run left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Go on after it: the caller knows the digest of the whole, which will decide.
    Continue,
    /// Start anew: nothing would show that the part is of another file.
    Restart,
}

/// What came. While it lives, no other thread or process takes the part for its own.
#[derive(Debug)]
pub struct Downloaded {
    /// Digest of the whole file.
    pub sha256: Digest,
    /// Its size.
    pub size: u64,
    /// Bytes that were there from an earlier run.
    pub resumed_at: u64,
    /// The part, locked.
    _held: PartFile,
}

impl Client {
    /// Fetches `url` into `part` and syncs it. The caller compares the digest, then moves or removes
    /// the part. `progress` is told how many bytes are new. After a failure the part stays, to be
    /// continued.
    ///
    /// # Errors
    /// When it cannot be had after some attempts, is not what is expected in kind or size, or cannot
    /// be written.
    pub fn download(
        &self,
        url: &SafeUrl,
        part: &Path,
        resume: Resume,
        expected: Expected,
        progress: &mut dyn FnMut(u64),
        cancel: &Cancel,
    ) -> Result<Downloaded, NetError> {
        let mut part = Part::open(part, resume, expected, cancel)?;
        let resumed_at = part.len();
        let mut told = resumed_at;
        if resumed_at > 0 {
            progress(resumed_at);
        }
        let mut attempts = Attempts::new(&self.options);
        while expected.size.is_none_or(|size| part.len() != size) {
            let before = part.len();
            let mut tell = |at: u64| {
                progress(at.saturating_sub(told));
                told = told.max(at);
            };
            match self.attempt(url, &mut part, expected, &mut tell, cancel) {
                Ok(()) => break,
                Err(error) => {
                    let progress = if part.len() > before {
                        Progress::Some
                    } else {
                        Progress::None
                    };
                    attempts.again(error, progress, cancel)?;
                }
            }
        }
        part.finish(resumed_at)
    }

    fn attempt(
        &self,
        url: &SafeUrl,
        part: &mut Part,
        expected: Expected,
        tell: &mut dyn FnMut(u64),
        cancel: &Cancel,
    ) -> Result<(), NetError> {
        if !part.may_continue() {
            part.restart()?;
        }
        let mut answer = self.ask(url, part)?;
        if part.len() > 0 && !continues(&answer, part.len(), expected.size) {
            // Ignored, wrong or refused range: never append, start over.
            part.restart()?;
            if answer.status() != StatusCode::OK {
                answer = self.ask(url, part)?;
            }
        }
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE
            || (part.len() == 0 && answer.status() == StatusCode::PARTIAL_CONTENT)
        {
            // Nobody asked for a range now.
            return Err(NetError::Refused {
                url: url.clone(),
                status: answer.status().as_u16(),
            });
        }
        if part.len() == 0 {
            refuse_html(url, answer.headers(), &[])?;
        }
        let announced =
            content_length(answer.headers()).map(|rest| rest.saturating_add(part.len()));
        if let (Some(found), Some(size)) = (announced, expected.size)
            && found != size
        {
            return Err(NetError::OtherSize {
                url: url.clone(),
                expected: size,
                found,
            });
        }
        if announced.is_some_and(|length| length > expected.limit) {
            return Err(too_long(url, expected.limit));
        }
        let etag = header(answer.headers(), &ETAG).filter(|tag| tag.starts_with('"'));
        part.etag = etag.map(ToOwned::to_owned);
        self.copy(url, answer, part, expected, tell, cancel)
    }

    fn ask(&self, url: &SafeUrl, part: &Part) -> Result<Response, NetError> {
        let mut request = self.request(url);
        if part.len() > 0 {
            request = request.header(RANGE, format!("bytes={}-", part.len()));
            if let Some(etag) = &part.etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        send(url, request)
    }

    fn copy(
        &self,
        url: &SafeUrl,
        mut answer: Response,
        part: &mut Part,
        expected: Expected,
        tell: &mut dyn FnMut(u64),
        cancel: &Cancel,
    ) -> Result<(), NetError> {
        let limit = expected.size.unwrap_or(expected.limit);
        let mut buffer = vec![0; fs::CHUNK];
        let mut window = Window::new(part.len());
        loop {
            cancel.check()?;
            let count = answer.read(&mut buffer).map_err(|source| {
                NetError::of_body(url, part.len(), self.options.min_rate, source)
            })?;
            if count == 0 {
                break;
            }
            let chunk = buffer.get(..count).unwrap_or_default();
            if part.len() == 0 {
                refuse_html(url, &reqwest::header::HeaderMap::new(), chunk)?;
            }
            let after = part
                .len()
                .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            if after > limit {
                return Err(too_long(url, limit));
            }
            part.write(chunk)?;
            tell(part.len());
            if window.is_slow(part.len(), Instant::now(), &self.options) {
                return Err(NetError::Slow {
                    url: url.clone(),
                    rate: ByteSize(self.options.min_rate),
                    at: part.len(),
                });
            }
        }
        if expected.size.is_some_and(|size| part.len() < size) {
            return Err(NetError::Broken {
                url: url.clone(),
                at: part.len(),
                source: None,
            });
        }
        Ok(())
    }
}

fn too_long(url: &SafeUrl, limit: u64) -> NetError {
    NetError::TooLong {
        url: url.clone(),
        limit,
    }
}

/// Whether an answer is the rest after `have` bytes, and of a file of the expected size.
fn continues(answer: &Response, have: u64, size: Option<u64>) -> bool {
    answer.status() == StatusCode::PARTIAL_CONTENT
        && header(answer.headers(), &CONTENT_RANGE)
            .is_some_and(|range| range_fits(range, have, size))
}

/// Judges `bytes FIRST-LAST/TOTAL` (RFC 9110 §14.4).
fn range_fits(range: &str, have: u64, size: Option<u64>) -> bool {
    let parsed = || {
        let (range, total) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let last: u64 = last.parse().ok()?;
        let total: Option<u64> = if total == "*" {
            None
        } else {
            Some(total.parse().ok()?)
        };
        Some((first.parse::<u64>().ok()?, last, total))
    };
    let Some((first, last, total)) = parsed() else {
        return false;
    };
    let complete = total.is_none_or(|total| last.saturating_add(1) == total);
    let fits = match (total, size) {
        (Some(total), Some(size)) => total == size,
        (None, Some(size)) => last < size,
        _ => true,
    };
    first == have && last >= first && complete && fits
}

/// Measures the rate over windows of the idle timeout.
struct Window {
    since: Instant,
    at: u64,
}

impl Window {
    fn new(at: u64) -> Self {
        Self {
            since: Instant::now(),
            at,
        }
    }

    fn is_slow(&mut self, at: u64, now: Instant, options: &super::client::ClientOptions) -> bool {
        let passed = now.saturating_duration_since(self.since);
        if passed < options.idle_timeout {
            return false;
        }
        let least = options.min_rate.saturating_mul(passed.as_secs());
        let slow = at.saturating_sub(self.at) < least;
        *self = Self { since: now, at };
        slow
    }
}

/// Opens a part that nobody else writes to, waiting until whoever does is done.
fn open_alone(path: &Path, cancel: &Cancel) -> Result<PartFile, NetError> {
    const LOOK: Duration = Duration::from_millis(50);
    loop {
        cancel.check()?;
        if let Some(part) = PartFile::try_open(path)? {
            return Ok(part);
        }
        std::thread::sleep(LOOK);
    }
}

/// A file under construction, with the hash of what is in it.
struct Part {
    file: PartFile,
    hasher: Hasher,
    /// Strong validator of the answer that the bytes are from, of this run only.
    etag: Option<String>,
    resume: Resume,
}

impl Part {
    fn open(
        path: &Path,
        resume: Resume,
        expected: Expected,
        cancel: &Cancel,
    ) -> Result<Self, NetError> {
        let mut part = Self {
            file: open_alone(path, cancel)?,
            hasher: Hasher::new(),
            etag: None,
            resume,
        };
        let most = expected.size.unwrap_or(expected.limit);
        if resume == Resume::Restart || part.file.size()? > most {
            part.restart()?;
            return Ok(part);
        }
        let mut told = |_| cancel.check();
        part.hasher = fs::pass((&mut part.file, path), None, most, &mut told)?;
        Ok(part)
    }

    const fn len(&self) -> u64 {
        self.hasher.bytes()
    }

    /// Whether something will show that a rest is of another file than what is here: the digest that
    /// the caller knows, or the server's validator.
    const fn may_continue(&self) -> bool {
        matches!(self.resume, Resume::Continue) || self.etag.is_some()
    }

    fn restart(&mut self) -> Result<(), PathError> {
        self.hasher = Hasher::new();
        self.etag = None;
        self.file.restart()
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), PathError> {
        let written = self.file.write_all(chunk);
        written.at("write", self.file.path())?;
        self.hasher.update(chunk);
        Ok(())
    }

    fn finish(self, resumed_at: u64) -> Result<Downloaded, NetError> {
        self.file.sync()?;
        let size = self.len();
        Ok(Downloaded {
            sha256: self.hasher.finish(),
            size,
            resumed_at,
            _held: self.file,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_the_exact_rest() {
        for (range, fits) in [
            ("bytes 10-99/100", true),
            ("bytes 10-99/*", true),
            ("bytes 10-98/100", false),
            ("bytes 0-99/100", false),
            ("bytes 9-99/100", false),
            ("bytes 11-99/100", false),
            ("bytes 10-199/200", false),
            ("bytes 10-100/*", false),
            ("bytes */100", false),
            ("bytes 10-9/100", false),
            ("10-99/100", false),
            ("", false),
        ] {
            assert_eq!(range_fits(range, 10, Some(100)), fits, "{range}");
        }
        assert!(range_fits("bytes 10-199/200", 10, None));
    }
}
