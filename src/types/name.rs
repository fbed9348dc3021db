//! Short names: bundles, components, repositories, keys, hosts.

use std::fmt;
use std::str::FromStr;

use crate::types::text::serde_as_text;

/// A name of 1 to 63 characters `[a-z0-9]` and, inside, `-` and `.`; usable as a path component,
/// a host label and a TOML key without quoting.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// The text was not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name: use 1 to 63 of a-z, 0-9, and `-` or `.` between them")]
pub struct ParseNameError(String);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for Name {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let inside = |c: char| word(c) || c == '-' || c == '.';
        if text.len() <= 63
            && text.starts_with(word)
            && text.ends_with(word)
            && text.chars().all(inside)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseNameError(
                text.chars()
                    .take(80)
                    .flat_map(char::escape_default)
                    .collect(),
            ))
        }
    }
}

serde_as_text!(Name);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses() {
        for good in ["a", "push-proxy", "mattermost-linux-11.7", &"a".repeat(63)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a/b",
            "..",
            "a b",
            "ä",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
