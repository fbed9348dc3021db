//! The header of `SHA256SUMS`: what the bundle is, in lines that coreutils ignore.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::types::digest::Digest;
use crate::types::name::Name;

/// The highest bundle format that this program writes and reads. Format 2 differs from 1 in that the list names
/// changes; it is written only for a delta that carries some, so that all else stays readable for older readers.
pub const FORMAT: u32 = 2;
/// Most volumes, and most parity volumes.
pub const MAX_VOLUMES: u16 = 999;
/// Longest version, in characters.
pub const MAX_VERSION: usize = 64;
/// Longest marking, in characters.
pub const MAX_MARKING: usize = 120;
/// Highest sequence number: exact in every language that might read it (2^53 - 1).
pub const MAX_SEQUENCE: u64 = (1 << 53) - 1;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Name of the bundle.
    pub name: Name,
    /// Version of its leading component.
    pub version: Version,
    /// Number that only grows, by which older bundles are refused.
    pub sequence: Sequence,
    /// When it was made.
    pub created: Created,
    /// Identity of the bundle that this one builds on; none for a full bundle.
    pub base: Option<Digest>,
    /// How many volumes it has.
    pub volumes: u16,
    /// How many parity volumes it has.
    pub parity: u16,
    /// How many files are listed.
    pub files: u64,
    /// How many bytes they have together.
    pub bytes: u64,
    /// The security marking that media with it carry.
    pub marking: Marking,
}

/// A text is not what a header field may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}")]
pub struct FieldError {
    text: String,
    what: &'static str,
}

/// A version: 1 to [`MAX_VERSION`] characters `[A-Za-z0-9._+~:-]`, the first a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(String);

/// A security marking: 1 to [`MAX_MARKING`] printable ASCII characters, no space at either end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marking(String);

/// A sequence number, 1 to [`MAX_SEQUENCE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Sequence(u64);

/// A time in whole seconds, written as RFC 3339 in UTC (`2026-11-23T18:00:00Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Created(Timestamp);

impl Sequence {
    /// The number, when it is in range.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number >= 1 && number <= MAX_SEQUENCE {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Created {
    /// This many seconds after 1970-01-01T00:00:00Z, as in `SOURCE_DATE_EPOCH`; years 1970 to 9999.
    #[must_use]
    pub fn from_epoch(seconds: i64) -> Option<Self> {
        let time = Timestamp::from_second(seconds).ok()?;
        (seconds >= 0).then_some(Self(time))
    }

    /// Seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn epoch(self) -> i64 {
        self.0.as_second()
    }
}

impl Version {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Marking {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Version {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inside =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | ':' | '-');
        let good = text.len() <= MAX_VERSION
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(inside);
        good.then(|| Self(text.to_owned())).ok_or_else(|| {
            wrong(
                text,
                "version: use 1 to 64 of A-Z, a-z, 0-9 and . _ + ~ : -",
            )
        })
    }
}

impl FromStr for Marking {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = !text.is_empty()
            && text.len() <= MAX_MARKING
            && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
            && text.trim() == text;
        good.then(|| Self(text.to_owned()))
            .ok_or_else(|| wrong(text, "marking: use 1 to 120 printable ASCII characters"))
    }
}

impl FromStr for Sequence {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        number(text)
            .and_then(Self::new)
            .ok_or_else(|| wrong(text, "sequence number from 1 to 9007199254740991"))
    }
}

impl FromStr for Created {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text
            .parse::<Timestamp>()
            .ok()
            .and_then(|time| Self::from_epoch(time.as_second()));
        parsed
            .filter(|created| created.to_string() == text)
            .ok_or_else(|| wrong(text, "time of the form 2026-11-23T18:00:00Z"))
    }
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Marking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `Debug` as the text, and serde as the text, for each field type that is a text.
macro_rules! text_field {
    ($($name:ident)+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.to_string())
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
text_field!(Version Marking Created);

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = u64::deserialize(deserializer)?;
        Self::new(found).ok_or_else(|| serde::de::Error::custom("sequence out of range"))
    }
}

/// A decimal number as this format writes it: no sign, no leading zero.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn wrong(text: &str, what: &'static str) -> FieldError {
    FieldError {
        text: text
            .chars()
            .take(160)
            .flat_map(char::escape_default)
            .collect(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_one_spelling() {
        for good in ["2026-11-23T18:00:00Z", "1970-01-01T00:00:00Z"] {
            assert_eq!(good.parse::<Created>().unwrap().to_string(), good);
        }
        for bad in [
            "2026-11-23T18:00:00+00:00",
            "2026-11-23 18:00:00Z",
            "2026-11-23T18:00:00.5Z",
            "1969-12-31T23:59:59Z",
            "yesterday",
        ] {
            assert!(bad.parse::<Created>().is_err(), "{bad}");
        }
        for bad in ["", "0", "01", "+1", "1 ", "9007199254740992", "x"] {
            assert!(bad.parse::<Sequence>().is_err(), "{bad}");
        }
        assert_eq!("42".parse::<Sequence>().unwrap().get(), 42);
        for bad in ["", " x", "x ", "a\nb", "ä", &"x".repeat(121)] {
            assert!(bad.parse::<Marking>().is_err(), "{bad:?}");
        }
        for bad in ["", "-1", "1 2", "1\n"] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "1:2.3~rc1+b".parse::<Version>().unwrap().as_str(),
            "1:2.3~rc1+b"
        );
    }

    #[test]
    fn created_is_what_source_date_epoch_says() {
        let created = Created::from_epoch(1_700_000_000).unwrap();
        assert_eq!(created.to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(created.epoch(), 1_700_000_000);
        assert_eq!(Created::from_epoch(-1), None);
    }
}
