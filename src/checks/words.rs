//! Texts of a list of checks: they are printed, and given to programs as arguments.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest [`Line`], in characters.
pub(super) const MAX_LINE: usize = 600;
/// Longest [`Word`], in characters.
pub(super) const MAX_WORD: usize = 255;

/// The text is no line, or no word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no {1}")]
pub struct ParseWordError(String, &'static str);

/// A sentence for people: 1 to 600 printable ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Line(String);

/// A name, path, address or number that goes to a program as one argument: 1 to 255 of
/// letters, digits and `_./:@%+,=~[]-`, not beginning with `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Word(String);

fn printable(text: &str, limit: usize) -> bool {
    !text.is_empty() && text.len() <= limit && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

fn shown(text: &str) -> String {
    text.chars()
        .take(80)
        .flat_map(char::escape_default)
        .collect()
}

impl FromStr for Line {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if printable(text, MAX_LINE) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseWordError(shown(text), "line of printable ASCII"))
        }
    }
}

impl FromStr for Word {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,=~[]-".contains(c);
        if printable(text, MAX_WORD) && !text.starts_with('-') && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseWordError(shown(text), "word"))
        }
    }
}

impl Line {
    /// The line of any text: what is not printable ASCII becomes `?`, line breaks a space; cut to
    /// its longest.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut line: String = text
            .chars()
            .map(|c| match c {
                '\n' | '\t' => ' ',
                ' '..='~' => c,
                _ => '?',
            })
            .take(MAX_LINE)
            .collect();
        if line.is_empty() {
            line.push('?');
        }
        Self(line)
    }
}

macro_rules! text {
    ($($name:ident),+) => { $(
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseWordError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    )+ };
}
text!(Line, Word);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_options_and_hold_no_spaces() {
        for good in ["nginx", "/opt/x", "10.0.0.1:443", "[fd00::1]:443", "a=b"] {
            assert_eq!(good.parse::<Word>().unwrap().as_str(), good);
        }
        for bad in ["", "-rf", "a b", "a\n", "$(x)", "'", "ä", "a;b"] {
            assert!(bad.parse::<Word>().is_err(), "{bad}");
        }
        assert!("x".repeat(MAX_WORD + 1).parse::<Word>().is_err());
    }

    #[test]
    fn any_text_becomes_a_line() {
        assert_eq!(Line::of("a\nb\u{1b}[1mä").as_str(), "a b?[1m?");
        assert_eq!(Line::of("").as_str(), "?");
        assert!("a\u{7}".parse::<Line>().is_err());
        assert_eq!(Line::of(&"x".repeat(9000)).as_str().len(), MAX_LINE);
    }
}
