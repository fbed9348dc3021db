//! Relative paths inside a bundle.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::types::text::serde_as_text;

/// Longest path, in characters.
pub const MAX_PATH: usize = 240;
/// Longest component of a path, in characters.
pub const MAX_COMPONENT: usize = 100;

/// A path inside a bundle: components `[A-Za-z0-9][A-Za-z0-9._+~-]*` joined by `/`, none longer than
/// [`MAX_COMPONENT`], together at most [`MAX_PATH`], no trailing dot, no name that Windows reserves.
///
/// Such a path is relative, has no `..`, needs no quoting in any shell, and fits ISO 9660 with Rock
/// Ridge, FAT with long names, and ext4. Ordered bytewise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(String);

/// Why a text is no path of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePathError {
    /// A component is empty, or holds a character outside the grammar (this covers `..`, absolute
    /// paths, backslashes, colons, control and non-ASCII characters).
    #[error("path `{0}`: each component must match [A-Za-z0-9][A-Za-z0-9._+~-]*")]
    Grammar(String),
    /// A component or the whole is too long.
    #[error(
        "path `{0}`: longer than {MAX_COMPONENT} characters in a component or {MAX_PATH} together"
    )]
    TooLong(String),
    /// A component is a device name on Windows, or ends in a dot.
    #[error("path `{0}`: a component is reserved on Windows or ends in a dot")]
    Reserved(String),
}

impl RelPath {
    /// The text, with `/` between components.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, first to last; never empty.
    #[must_use]
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The first component.
    #[must_use]
    pub fn first(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// This path with `rest` (which may hold `/`) appended.
    ///
    /// # Errors
    /// When the result is no path of a bundle.
    pub fn join(&self, rest: &str) -> Result<Self, ParsePathError> {
        format!("{}/{rest}", self.0).parse()
    }

    /// The rest of this path below `base`, when it lies there.
    #[must_use]
    pub fn below(&self, base: &str) -> Option<&str> {
        self.0.strip_prefix(base)?.strip_prefix('/')
    }

    /// The path with ASCII letters in lower case: two paths of a bundle must differ in this.
    #[must_use]
    pub fn case_folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// As a path for the file system, relative.
    #[must_use]
    pub fn to_path(&self) -> PathBuf {
        self.components().collect()
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for RelPath {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || {
            text.chars()
                .take(MAX_PATH)
                .flat_map(char::escape_default)
                .collect::<String>()
        };
        if text.len() > MAX_PATH || text.split('/').any(|part| part.len() > MAX_COMPONENT) {
            return Err(ParsePathError::TooLong(shown()));
        }
        if !text.split('/').all(is_component) {
            return Err(ParsePathError::Grammar(shown()));
        }
        if text.split('/').any(is_reserved) {
            return Err(ParsePathError::Reserved(shown()));
        }
        Ok(Self(text.to_owned()))
    }
}

serde_as_text!(RelPath);

fn is_component(part: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric();
    let rest = |c: char| first(c) || matches!(c, '.' | '_' | '+' | '~' | '-');
    part.starts_with(first) && part.chars().all(rest)
}

fn is_reserved(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|digit| digit.len() == 1 && digit.chars().all(|c| c.is_ascii_digit()))
    };
    part.ends_with('.')
        || matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
        || numbered("com")
        || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_upstream_names() {
        for good in [
            "README.txt",
            "v1/files/mattermost/mattermost-11.7.10-linux-amd64.tar.gz",
            "v1/apt/base/pool/main/g/gcc-12/libstdc++6_12.2.0-14+deb12u1_amd64.deb",
            "v1/apt/pgdg/pool/main/p/postgresql-17/postgresql-17_17.11-1.pgdg12+1_amd64.deb",
            "common/a",
            "v1/x~rc1",
        ] {
            let path: RelPath = good.parse().unwrap();
            assert_eq!(path.to_string(), good);
        }
    }

    #[test]
    fn refuses_escapes_and_reserved_names() {
        for bad in [
            "", "/a", "a/", "a//b", "..", "a/../b", ".", "./a", "a\\b", "c:a", "a b", "a\nb", "ä",
            ".hidden", "-a",
        ] {
            assert!(
                matches!(bad.parse::<RelPath>(), Err(ParsePathError::Grammar(_))),
                "{bad:?}"
            );
        }
        for bad in ["CON", "a/nul.txt", "com1", "x/LPT9.tar", "a."] {
            assert!(
                matches!(bad.parse::<RelPath>(), Err(ParsePathError::Reserved(_))),
                "{bad:?}"
            );
        }
        assert!(matches!(
            "a".repeat(101).parse::<RelPath>(),
            Err(ParsePathError::TooLong(_))
        ));
        let long = vec!["a".repeat(60); 5].join("/");
        assert!(matches!(
            long.parse::<RelPath>(),
            Err(ParsePathError::TooLong(_))
        ));
    }
}
