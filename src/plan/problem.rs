//! What is wrong with a deployment file: all of it at once, each with its place.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;

use crate::fs::PathError;
use crate::plan::words::words;

/// Most problems that one report lists; the rest are counted.
pub const MAX_PROBLEMS: usize = 100;
/// Longest line of the file that a report repeats, in characters.
const MAX_SHOWN: usize = 160;

/// A place in a text file, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

words! {
    /// The kinds of problems, by their stable message id.
    pub ProblemId {
        /// No TOML.
        Syntax = "E242",
        /// A key that is not known.
        UnknownKey = "E243",
        /// A value of the wrong type.
        WrongType = "E244",
        /// A key that is needed is absent.
        Missing = "E245",
        /// A value that is not allowed.
        BadValue = "E246",
        /// The same name, address or role twice.
        Duplicate = "E247",
        /// A host or role that the file does not define.
        Reference = "E248",
        /// A secret in the file.
        SecretInFile = "E249",
        /// More of something than this version handles.
        Limit = "E250",
        /// A format that this version does not read.
        Format = "E251",
        /// A file that the deployment names cannot be used.
        NamedFile = "E252",
    }
}

impl ProblemId {
    /// What to do about this kind of problem in general.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Syntax => "correct the TOML; strings are quoted, tables start with [name]",
            Self::UnknownKey => "remove the key or correct its spelling",
            Self::WrongType => "write a value of the type that the message names",
            Self::Missing => "add the key",
            Self::BadValue => "write one of the values that the message names",
            Self::Duplicate => "give each host its own name, address and set of roles",
            Self::Reference => "add the host, or correct its name",
            Self::SecretInFile => {
                "remove it; secrets are generated into, or read from, the secrets folder of the staged tree"
            }
            Self::Limit => "split the deployment, or shorten the value",
            Self::Format => "use a version of haversack that reads this format",
            Self::NamedFile => {
                "put the file there; paths are relative to the folder of the deployment file"
            }
        }
    }
}

/// One problem of a deployment file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it begins.
    pub place: Place,
    /// Its kind.
    pub id: ProblemId,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The line of the file, without what may be a secret.
    pub line: String,
    /// How many characters the caret line marks.
    pub width: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.place.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(self.place.column.saturating_sub(1));
        let carets = "^".repeat(self.width.max(1));
        writeln!(f, "{}: {}: {}", self.place, self.id, self.message)?;
        writeln!(f, "  {number} | {}", self.line)?;
        writeln!(f, "  {margin} | {indent}{carets}")?;
        write!(f, "  {margin} = {}", self.hint)
    }
}

/// All problems of one file, sorted by place; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The first [`MAX_PROBLEMS`] of them.
    pub shown: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.shown.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more problems"),
        }
    }
}

/// Why a deployment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// The file cannot be read, is too large or is not UTF-8.
    #[error("cannot use the deployment file")]
    Read(#[source] PathError),
    /// Its content has problems.
    #[error("{} has {}\n{problems}", path.display(), counted(problems))]
    Invalid {
        /// The deployment file.
        path: PathBuf,
        /// What is wrong with it.
        problems: Problems,
    },
}

fn counted(problems: &Problems) -> String {
    match problems.shown.len().saturating_add(problems.more) {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    }
}

impl DeploymentError {
    /// The stable message id.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Read(_) => "E241",
            Self::Invalid { .. } => "E240",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Read(_) => {
                "name a readable UTF-8 TOML file of at most 1 MiB; see manifests/examples"
            }
            Self::Invalid { .. } => "correct each problem; nothing was written",
        };
        Some(text.to_owned())
    }
}

/// Collects problems of one text.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Whether the text holds a private key, so that none of it may be repeated.
    hide_all: bool,
    found: Vec<Problem>,
    more: usize,
}

impl<'a> Collector<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at.saturating_add(1));
        Self {
            text,
            lines: std::iter::once(0).chain(breaks).collect(),
            hide_all: text.contains("PRIVATE KEY-----"),
            found: Vec::new(),
            more: 0,
        }
    }

    /// The place of a byte offset.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        Place {
            line,
            column: before.chars().count().saturating_add(1),
        }
    }

    pub(super) fn add(&mut self, id: ProblemId, span: Range<usize>, message: String, hint: String) {
        if self.found.len() >= MAX_PROBLEMS {
            self.more = self.more.saturating_add(1);
            return;
        }
        let place = self.place(span.start);
        let start = self.lines.get(place.line.saturating_sub(1)).copied();
        let rest = self.text.get(start.unwrap_or(0)..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let (line, hidden) = shown_line(line, id == ProblemId::SecretInFile || self.hide_all);
        let marked = self.text.get(span).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default().chars().count();
        let room = line
            .chars()
            .count()
            .saturating_sub(place.column.saturating_sub(1));
        self.found.push(Problem {
            place,
            id,
            message,
            hint,
            line,
            width: if hidden { 1 } else { marked.min(room) },
        });
    }

    pub(super) const fn count(&self) -> usize {
        self.found.len().saturating_add(self.more)
    }

    /// The problems sorted by place; `None` when there are none.
    pub(super) fn finish(mut self) -> Option<Problems> {
        if self.found.is_empty() {
            return None;
        }
        self.found
            .sort_by(|a, b| (a.place, a.id, &a.message).cmp(&(b.place, b.id, &b.message)));
        self.found.dedup();
        Some(Problems {
            shown: self.found,
            more: self.more,
        })
    }
}

/// The line as a report may show it, and whether its value was hidden.
fn shown_line(line: &str, hide: bool) -> (String, bool) {
    let lower = line.to_ascii_lowercase();
    let secret = hide
        || SECRET_WORDS.iter().any(|word| lower.contains(word))
        || (lower.contains("://") && lower.contains('@'));
    if secret {
        let key = line.split_once('=').map_or("", |(key, _)| key).trim_end();
        let key: String = key.chars().take(MAX_SHOWN).collect();
        return (format!("{} = <hidden>", clean(&key)), true);
    }
    let line: String = line.chars().take(MAX_SHOWN).collect();
    (clean(&line), false)
}

/// Words in a key that tell of a secret value.
pub(super) const SECRET_WORDS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "access_key",
    "private_key",
    "salt",
    "credential",
];

/// Control characters would let a file write to the reader's terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
