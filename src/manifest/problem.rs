//! Problems of a manifest, each with its place, as a person reads them.

use std::fmt;
use std::ops::Range;

use crate::types::hide::hide_credentials;

/// Most problems that one report lists.
pub(super) const MAX_PROBLEMS: usize = 100;
/// What is said of the key by which a lock is known.
const NO_KEY_OF_LOCKS: &str = "the manifest has no key `manifest`";
/// Longest piece of a line that is shown, in characters.
const SHOWN_LINE: usize = 120;

/// Everything that is wrong with a manifest, sorted by place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ManifestProblems {
    /// The file, as the user named it.
    pub file_name: String,
    /// At least one, at most 100.
    pub problems: Vec<Problem>,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// What to do about it, when that is not plain from the message.
    pub help: Option<String>,
    /// The line of the manifest with the place marked below it.
    excerpt: String,
}

impl ManifestProblems {
    /// `E201`: the manifest is not usable.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        "E201"
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let is_lock = |problem: &Problem| problem.message == NO_KEY_OF_LOCKS;
        if self.problems.iter().any(is_lock) {
            return Some(format!(
                "{} looks like a lock: give the manifest that it was made from",
                self.file_name
            ));
        }
        Some(format!(
            "correct {} and run the same command again; nothing was written",
            self.file_name
        ))
    }
}

impl fmt::Display for ManifestProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{}: {count} problem{plural}", self.file_name)?;
        for problem in &self.problems {
            write!(
                f,
                "\n{}:{}:{}: {}\n{}",
                self.file_name, problem.line, problem.column, problem.message, problem.excerpt
            )?;
            if let Some(help) = &problem.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

/// Collects problems of one text.
#[derive(Debug)]
pub(super) struct Problems<'t> {
    text: &'t str,
    found: Vec<(Range<usize>, String, Option<String>)>,
}

impl<'t> Problems<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, place: Range<usize>, message: impl Into<String>) {
        self.found.push((place, message.into(), None));
    }

    pub(super) fn add_with_help(
        &mut self,
        place: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push((place, message.into(), Some(help.into())));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn finish(mut self, file_name: &str) -> ManifestProblems {
        self.found
            .sort_by(|a, b| (a.0.start, &a.1).cmp(&(b.0.start, &b.1)));
        self.found.dedup();
        self.found.truncate(MAX_PROBLEMS);
        let problems = self
            .found
            .into_iter()
            .map(|(place, message, help)| locate(self.text, place, message, help))
            .collect();
        ManifestProblems {
            file_name: file_name.to_owned(),
            problems,
        }
    }
}

fn locate(text: &str, place: Range<usize>, message: String, help: Option<String>) -> Problem {
    let start = floor(text, place.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let left = text.get(line_start..start).unwrap_or_default();
    let rest = text.get(start..).unwrap_or_default();
    let rest = rest.split(['\n', '\r']).next().unwrap_or_default();
    let column = left.chars().count().saturating_add(1);
    let marked = floor(text, place.end).saturating_sub(start).min(rest.len());
    let width = rest
        .get(..marked)
        .map_or(1, |piece| piece.chars().count())
        .clamp(1, SHOWN_LINE);
    let shown: String = hide_credentials(&format!("{left}{rest}"))
        .chars()
        .take(SHOWN_LINE)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    // A place beyond the shown piece gets no mark.
    let excerpt = if column > SHOWN_LINE {
        format!("  {number} | {shown}")
    } else {
        let width = width.min(SHOWN_LINE.saturating_sub(column).saturating_add(1));
        format!(
            "  {number} | {shown}\n  {margin} | {}{}",
            " ".repeat(column.saturating_sub(1)),
            "^".repeat(width)
        )
    };
    Problem {
        line,
        column,
        message,
        help,
        excerpt,
    }
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_characters_not_bytes() {
        let mut problems = Problems::new("a = 1\nname = \"äö\" # x\n");
        problems.add(13..19, "bad name");
        assert_eq!(
            problems.finish("m.toml").to_string(),
            "m.toml: 1 problem\nm.toml:2:8: bad name\n  2 | name = \"äö\" # x\n    |        ^^^^"
        );
    }

    #[test]
    fn never_shows_credentials() {
        let mut problems = Problems::new("url = \"https://me:hunter2@example.org/a@b\"");
        problems.add(6..41, "bad");
        assert_eq!(
            problems.finish("m").problems[0].excerpt,
            "  1 | url = \"https://**********@example.org/a@b\"\n    |       ".to_owned()
                + &"^".repeat(35)
        );
    }

    #[test]
    fn survives_places_outside_the_text() {
        let mut problems = Problems::new("é");
        problems.add(1..900, "x");
        problems.add(500..900, "y");
        assert_eq!(problems.finish("m").problems.len(), 2);
    }
}
