//! Whether a log is whole. No I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::ser::SerializeStruct;

use super::event::Event;
use super::{MAX_EVENTS, MAX_LOG};
use crate::trust::key::{KeyId, VerifyingKey};
use crate::types::digest::Digest;

/// A log in which every event follows the one before it, and every signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    begin: Digest,
    events: Vec<Recorded>,
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The event.
    pub event: Event,
    /// SHA-256 of its line.
    pub digest: Digest,
    /// The key that signed it. Whether that key is trusted is for the caller to say.
    pub signer: Option<VerifyingKey>,
}

/// What is known of a log from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// What it is about: the identity of a bundle, or the SHA-256 of a file.
    pub begin: Option<Digest>,
    /// The digest of an event that must be in it, such as the one on the sign-off sheet.
    pub head: Option<Head>,
}

/// The digest of an event as people write it down: 16 to 64 hex digits, spaces between them.
#[derive(Clone, PartialEq, Eq)]
pub struct Head(String);

/// The text is no digest of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give 16 to 64 hex digits, as they stand on the sheet")]
pub struct ParseHeadError;

/// What is wrong with a log. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is longer than a log may be.
    #[error("longer than 4 MiB or {MAX_EVENTS} events")]
    TooLong,
    /// There is no event in it.
    #[error("no event in it")]
    Empty,
    /// A line is no event.
    #[error("line {line}: {reason}")]
    Malformed {
        /// The line.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The last line has no line feed.
    #[error("line {line}: cut off in the middle")]
    CutOff {
        /// The line.
        line: usize,
    },
    /// An event is not what it was when the next one was written.
    #[error("line {line}: changed after event {next} was written behind it")]
    Edited {
        /// The line.
        line: usize,
        /// The event behind it.
        next: u64,
    },
    /// Events are missing.
    #[error("line {line}: events {first} to {last} before it were taken out")]
    Removed {
        /// The line behind the gap.
        line: usize,
        /// The first event that is missing.
        first: u64,
        /// The last event that is missing.
        last: u64,
    },
    /// An event stands in another place than it was written at.
    #[error("line {line}: event {n} stands in the wrong place")]
    Moved {
        /// The line.
        line: usize,
        /// The event.
        n: u64,
    },
    /// Two events follow the same one.
    #[error("lines {other} and {line}: two events {n} follow the same one; the log has two heads")]
    Fork {
        /// The second of them.
        line: usize,
        /// The first of them.
        other: usize,
        /// Their number.
        n: u64,
    },
    /// It is the log of something else.
    #[error("the log is about {found}, not about {expected}")]
    Begin {
        /// What it must be about.
        expected: Digest,
        /// What it is about.
        found: Digest,
    },
    /// The event of the sheet is not in it.
    #[error(
        "no event has the digest {head}: the last events were taken off or changed, or this is another log"
    )]
    Head {
        /// The digest on the sheet.
        head: Head,
    },
    /// The event that this host wrote last is not in it.
    #[error(
        "the event {head}, which this host wrote last, is not in it any more: it was changed or taken off"
    )]
    Written {
        /// The digest of that event.
        head: Digest,
    },
    /// A signature does not hold.
    #[error("line {line}: the signature does not hold: {reason}")]
    Signature {
        /// The line.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// How one log stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "relation")]
pub enum Relation {
    /// They hold the same events.
    Same,
    /// The first continues the second.
    Longer,
    /// The second continues the first.
    Shorter,
    /// They part: two people continued copies of one log.
    Parted {
        /// The last event that both have; 0 for none.
        common: u64,
    },
}

impl Fault {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::CutOff { .. } | Self::TooLong | Self::Empty => "E360",
            Self::Edited { .. } | Self::Removed { .. } => "E361",
            Self::Moved { .. } => "E362",
            Self::Fork { .. } => "E363",
            Self::Head { .. } | Self::Written { .. } => "E364",
            Self::Begin { .. } => "E365",
            Self::Signature { .. } => "E366",
        }
    }
}

impl Chain {
    /// Reads a log and proves that it is whole, as far as it can be seen from itself and from what is
    /// expected.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its lines.
    pub fn read(bytes: &[u8], expected: &Expected) -> Result<Self, Vec<Fault>> {
        let lines = lines(bytes)?;
        let mut events = Vec::new();
        let mut faults = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let number = index.saturating_add(1);
            match Event::parse(line) {
                Ok(event) => events.push((number, event, Digest::of(line))),
                Err(error) => faults.push(Fault::Malformed {
                    line: number,
                    reason: error.to_string(),
                }),
            }
        }
        if faults.is_empty() {
            order(&events, expected, &mut faults);
        }
        let mut recorded = Vec::new();
        for (line, event, digest) in events {
            match event.signer() {
                Ok(signer) => recorded.push(Recorded {
                    event,
                    digest,
                    signer,
                }),
                Err(error) => faults.push(Fault::Signature {
                    line,
                    reason: error.to_string(),
                }),
            }
        }
        if let (Some(head), true) = (&expected.head, faults.is_empty())
            && !recorded.iter().any(|one| head.is(&one.digest))
        {
            faults.push(Fault::Head { head: head.clone() });
        }
        let begin = recorded.first().map(|first| first.event.prev);
        match (begin, faults.is_empty()) {
            (Some(begin), true) => Ok(Self {
                begin,
                events: recorded,
            }),
            (None, true) => Err(vec![Fault::Empty]),
            _ => Err(faults),
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn begin(&self) -> Digest {
        self.begin
    }

    /// SHA-256 of its last line: what is written on the sign-off sheet.
    #[must_use]
    pub fn head(&self) -> Digest {
        self.events.last().map_or(self.begin, |last| last.digest)
    }

    /// Its events, first to last.
    #[must_use]
    pub fn events(&self) -> &[Recorded] {
        &self.events
    }

    /// The bytes of the log.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let lines = self.events.iter().map(|one| one.event.render() + "\n");
        lines.collect::<String>().into_bytes()
    }

    /// How it stands to another log.
    #[must_use]
    pub fn stands_to(&self, other: &Self) -> Relation {
        let common = self
            .events
            .iter()
            .zip(&other.events)
            .take_while(|(mine, theirs)| mine.digest == theirs.digest)
            .count();
        match (common == self.events.len(), common == other.events.len()) {
            (true, true) => Relation::Same,
            (false, true) => Relation::Longer,
            (true, false) => Relation::Shorter,
            (false, false) => Relation::Parted {
                common: u64::try_from(common).unwrap_or(u64::MAX),
            },
        }
    }
}

impl Recorded {
    /// The short name of the key that signed it.
    #[must_use]
    pub fn key(&self) -> Option<KeyId> {
        self.signer.as_ref().map(VerifyingKey::key_id)
    }
}

impl Head {
    /// Whether these digits are the first ones of `digest`.
    #[must_use]
    pub fn is(&self, digest: &Digest) -> bool {
        digest.to_string().starts_with(&self.0)
    }
}

impl FromStr for Head {
    type Err = ParseHeadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let good =
            (16..=64).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
        good.then_some(Self(digits)).ok_or(ParseHeadError)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Fault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Fault", 2)?;
        body.serialize_field("id", self.id())?;
        body.serialize_field("message", &self.to_string())?;
        body.end()
    }
}

/// The lines of a log, each without its line feed.
fn lines(bytes: &[u8]) -> Result<Vec<&[u8]>, Vec<Fault>> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_LOG {
        return Err(vec![Fault::TooLong]);
    }
    let count = bytes.split(|byte| *byte == b'\n').count().saturating_sub(1);
    if bytes.is_empty() {
        return Err(vec![Fault::Empty]);
    }
    let Some(body) = bytes.strip_suffix(b"\n") else {
        return Err(vec![Fault::CutOff {
            line: count.saturating_add(1),
        }]);
    };
    if count > MAX_EVENTS {
        return Err(vec![Fault::TooLong]);
    }
    Ok(body.split(|byte| *byte == b'\n').collect())
}

/// Holds each event against the one before it.
fn order(events: &[(usize, Event, Digest)], expected: &Expected, faults: &mut Vec<Fault>) {
    let by_digest: BTreeMap<Digest, usize> = events
        .iter()
        .map(|(line, _, digest)| (*digest, *line))
        .collect();
    // The line that was first to follow each digest.
    let mut followed: BTreeMap<Digest, usize> = BTreeMap::new();
    let mut before: Option<(u64, Digest)> = None;
    for (line, event, digest) in events {
        let (line, n) = (*line, event.n);
        let (last_n, wanted) = match before {
            Some((last_n, last)) => (last_n, Some(last)),
            None => (0, expected.begin),
        };
        let in_order = wanted.is_none_or(|wanted| wanted == event.prev) && n == last_n + 1;
        let other = followed.get(&event.prev).copied();
        if let Some(other) = other {
            faults.push(Fault::Fork { line, other, n });
        } else if !in_order {
            faults.push(match before {
                _ if by_digest.contains_key(&event.prev) => Fault::Moved { line, n },
                _ if n > last_n.saturating_add(1) => Fault::Removed {
                    line,
                    first: last_n.saturating_add(1),
                    last: n.saturating_sub(1),
                },
                None if n == 1 => Fault::Begin {
                    expected: wanted.unwrap_or(event.prev),
                    found: event.prev,
                },
                Some(_) if n == last_n.saturating_add(1) => Fault::Edited {
                    line: line.saturating_sub(1),
                    next: n,
                },
                _ => Fault::Moved { line, n },
            });
        }
        followed.entry(event.prev).or_insert(line);
        before = Some((n, *digest));
    }
}

#[cfg(test)]
mod tests;
