//! One file from one URL into a `.part` file, resumed where the server allows it.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};

use super::client::{Client, content_length, header, refuse_html};
use super::encoding::refuse_encoded;
use super::error::NetError;
use super::pour::pour;
use super::redirect::reached;
use super::retry::{Attempts, Progress};
use crate::event::Cancel;
use crate::fs::{self, PartFile, PathError};
use crate::types::digest::{Digest, Hasher};
use crate::types::url::SafeUrl;

/// After so many bytes of a file of unknown size, what is free is looked at again.
const LOOK_AT_ROOM: u64 = 16 << 20;
/// What such a file leaves free.
const RESERVE: u64 = 64 << 20;

/// What is known about a file before it is fetched.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Its exact size, when a lock states it. Else [`ClientOptions::max_size`](super::ClientOptions::max_size)
    /// is the most that is taken, and what a server says of the size is not trusted.
    pub size: Option<u64>,
}

/// What to do with a part that an earlier run left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Go on after it: the caller knows the digest of the whole, which will decide.
    Continue,
    /// Start anew: nothing would show that the part is of another file.
    Restart,
}

/// What a download tells while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'h> {
    /// The part has this many bytes more than were told of before. Bytes that come again after a fresh
    /// start are not told again.
    Bytes(u64),
    /// The part has this many bytes from an earlier run; told first.
    Kept(u64),
    /// An attempt failed; the next begins after this wait.
    Again(&'h NetError, Duration),
}

/// What came. While it lives, no other thread or process takes the part for its own.
#[derive(Debug)]
pub struct Downloaded {
    /// Digest of the whole file.
    pub sha256: Digest,
    /// Its size.
    pub size: u64,
    /// Whether it was put together from several answers, or begun by an earlier run: when the digest
    /// is not the right one, a fresh start may give it.
    pub joined: bool,
    /// The part, locked.
    _held: PartFile,
}

impl Client {
    /// Fetches `url` into a part that [`hold_part`] gave. The caller compares the digest, then moves or
    /// removes the part. What happens on the way is `told`. After a failure the part stays, to be
    /// continued, also from another URL; but not one of unknown size that became too long or left no
    /// room.
    ///
    /// # Errors
    /// When it cannot be had after some attempts, is not what is expected in kind or size, or cannot
    /// be written.
    pub fn download(
        &self,
        url: &SafeUrl,
        part: PartFile,
        resume: Resume,
        expected: Expected,
        told: &mut dyn FnMut(Heard<'_>),
        cancel: &Cancel,
    ) -> Result<Downloaded, NetError> {
        let mut part = Part::open(part, resume, self.most(expected), cancel)?;
        match self.bring(url, &mut part, expected, told, cancel) {
            Ok(()) => Ok(part.finish()),
            Err(error) => {
                if expected.size.is_none() && error.is_of_length() {
                    // Still locked, so that nobody works on it.
                    fs::remove_file(part.file.path())?;
                }
                Err(error)
            }
        }
    }

    fn bring(
        &self,
        url: &SafeUrl,
        part: &mut Part,
        expected: Expected,
        told: &mut dyn FnMut(Heard<'_>),
        cancel: &Cancel,
    ) -> Result<(), NetError> {
        let mut most = 0;
        if part.len() > 0 {
            most = part.len();
            told(Heard::Kept(most));
        }
        let mut attempts = Attempts::new(&self.options);
        while expected.size.is_none_or(|size| part.len() != size) {
            let before = part.len();
            let mut tell = |at: u64| {
                if at > most {
                    told(Heard::Bytes(at.saturating_sub(most)));
                    most = at;
                }
            };
            match self.attempt(url, part, expected, &mut tell, cancel) {
                Ok(()) => break,
                Err(error) => {
                    let gained = part.len().saturating_sub(before);
                    let progress = if gained >= self.least_progress() {
                        Progress::Some
                    } else {
                        Progress::None
                    };
                    let mut again = |error: &NetError, wait| told(Heard::Again(error, wait));
                    attempts.again(error, progress, &mut again, cancel)?;
                }
            }
        }
        Ok(())
    }

    /// An attempt that brought less than a body at the least speed does in the time that a server may
    /// be silent counts as one that brought nothing: else a dripping server were asked for ever.
    fn least_progress(&self) -> u64 {
        let seconds = self.options.idle_timeout.as_secs();
        self.options.min_rate.saturating_mul(seconds).max(1)
    }

    fn attempt(
        &self,
        url: &SafeUrl,
        part: &mut Part,
        expected: Expected,
        tell: &mut dyn FnMut(u64),
        cancel: &Cancel,
    ) -> Result<(), NetError> {
        let _slot = self.slot(url, cancel)?;
        if !part.may_continue() {
            part.restart()?;
        }
        let mut answer = self.ask_rest(url, part)?;
        if part.len() > 0 && !continues(&answer, part.len(), expected.size) {
            // Ignored, wrong or refused range: never append, start over.
            part.restart()?;
            if answer.status() != StatusCode::OK {
                answer = self.ask_rest(url, part)?;
            }
        }
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE
            || (part.len() == 0 && answer.status() == StatusCode::PARTIAL_CONTENT)
        {
            // Nobody asked for a range now.
            return Err(NetError::Refused {
                url: url.clone(),
                status: answer.status().as_u16(),
                reached: reached(url, &answer),
            });
        }
        refuse_encoded(url, answer.headers())?;
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
        if announced.is_some_and(|length| length > self.most(expected)) {
            return Err(self.too_long(url, expected));
        }
        let etag = header(answer.headers(), &ETAG).filter(|tag| tag.starts_with('"'));
        part.etag = etag.map(ToOwned::to_owned);
        part.joined |= part.len() > 0;
        self.copy(url, answer, part, expected, tell, cancel)
    }

    fn most(&self, expected: Expected) -> u64 {
        expected.size.unwrap_or(self.options.max_size)
    }

    fn too_long(&self, url: &SafeUrl, expected: Expected) -> NetError {
        let url = url.clone();
        match expected.size {
            Some(limit) => NetError::TooLong { url, limit },
            None => NetError::Endless {
                url,
                limit: self.options.max_size,
            },
        }
    }

    fn ask_rest(&self, url: &SafeUrl, part: &Part) -> Result<Response, NetError> {
        self.ask(url, |request| {
            if part.len() == 0 {
                return request;
            }
            let request = request.header(RANGE, format!("bytes={}-", part.len()));
            match &part.etag {
                Some(etag) => request.header(IF_RANGE, etag),
                None => request,
            }
        })
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
        let limit = self.most(expected);
        let rest = content_length(answer.headers())
            .or(expected.size)
            .unwrap_or(0);
        let mut meter = self.meter(part.len());
        let mut room_until = part.len().saturating_add(LOOK_AT_ROOM);
        let shape = (rest, self.throttle.piece());
        pour(&part.file, &mut part.hasher, shape, |pour| {
            loop {
                let count = answer.read(pour.buffer()).map_err(|source| {
                    NetError::of_body(url, pour.at(), self.options.min_rate, source)
                })?;
                if count == 0 {
                    return Ok(());
                }
                if pour.at() == 0 {
                    refuse_html(url, &reqwest::header::HeaderMap::new(), pour.piece(count))?;
                }
                let count_64 = u64::try_from(count).unwrap_or(u64::MAX);
                if pour.at().saturating_add(count_64) > limit {
                    return Err(self.too_long(url, expected));
                }
                // A file of known size was compared with what is free before.
                if expected.size.is_none() && pour.at() >= room_until {
                    room_until = pour.at().saturating_add(LOOK_AT_ROOM);
                    keep_reserve(url, part.file.path())?;
                }
                pour.write(count)?;
                tell(pour.at());
                meter.pass(url, count, cancel)?;
            }
        })?;
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

/// Stops before the file system of the part is full: others write there too.
fn keep_reserve(url: &SafeUrl, part: &Path) -> Result<(), NetError> {
    let free = fs::free_space(part)?;
    if free < RESERVE {
        return Err(NetError::Room {
            url: url.clone(),
            free,
        });
    }
    Ok(())
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

/// Opens a part that nobody else writes to, waiting until whoever does is done. Whoever that was may
/// have brought the whole file: look for it again before it is fetched.
///
/// Wait for a part before a request to its host is held: who works on the part holds one.
///
/// # Errors
/// When the part cannot be opened or locked, or the work was asked to stop.
pub fn hold_part(path: &Path, cancel: &Cancel) -> Result<PartFile, NetError> {
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
    /// Whether its bytes are from more than one answer.
    joined: bool,
}

impl Part {
    fn open(file: PartFile, resume: Resume, most: u64, cancel: &Cancel) -> Result<Self, NetError> {
        let path = file.path().to_owned();
        let mut part = Self {
            file,
            hasher: Hasher::new(),
            etag: None,
            resume,
            joined: false,
        };
        if resume == Resume::Restart || part.file.size()? > most {
            part.restart()?;
            return Ok(part);
        }
        let mut told = |_| cancel.check();
        part.hasher = fs::pass((&mut part.file, &path), None, most, &mut told)?;
        part.joined = part.len() > 0;
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
        self.joined = false;
        self.file.restart()
    }

    fn finish(self) -> Downloaded {
        let size = self.len();
        Downloaded {
            sha256: self.hasher.finish(),
            size,
            joined: self.joined,
            _held: self.file,
        }
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
