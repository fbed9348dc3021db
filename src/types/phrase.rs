//! Words by people: names, places and reasons in logs and reports.

use std::fmt;
use std::str::FromStr;

use crate::types::text::serde_as_text;

/// Longest phrase, in characters.
const MAX_PHRASE: usize = 200;

/// Words by a person, on one line: 1 to 200 characters, no control characters, none that turn the
/// direction of text, no space at either end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phrase(String);

/// The text is no phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use 1 to 200 characters on one line, without control characters or space at either end")]
pub struct ParsePhraseError;

impl Phrase {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as far as a phrase can hold it: everything that cannot stand in one becomes a space,
    /// and it is cut; `None` when nothing is left.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let clean: String = text
            .chars()
            .map(|c| if fits(c) { c } else { ' ' })
            .take(MAX_PHRASE)
            .collect();
        clean.trim().parse().ok()
    }
}

/// Whether a character can stand in a phrase: no control character, no line or paragraph separator, and
/// none that turns the direction of what follows (Unicode UAX #9).
fn fits(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl FromStr for Phrase {
    type Err = ParsePhraseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = !text.is_empty()
            && text.chars().count() <= MAX_PHRASE
            && text.chars().all(fits)
            && text.trim() == text;
        good.then(|| Self(text.to_owned())).ok_or(ParsePhraseError)
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

serde_as_text!(Phrase);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_one_line_that_reads_as_it_is() {
        for good in ["x", "Zoë Example, room 4", &"ä".repeat(200)] {
            assert!(good.parse::<Phrase>().is_ok(), "{good}");
        }
        for bad in [
            "",
            " x",
            "x ",
            "a\nb",
            "a\u{202e}b",
            "a\u{feff}b",
            "a\u{7f}",
            &"ä".repeat(201),
        ] {
            assert_eq!(bad.parse::<Phrase>(), Err(ParsePhraseError), "{bad:?}");
        }
        assert_eq!(Phrase::of("a\nb\u{202e}\n").unwrap().as_str(), "a b");
        assert_eq!(Phrase::of("\n"), None);
    }
}
