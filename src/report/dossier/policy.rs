//! The policy of a transfer: what a bundle may hold at all, and the licences that a site has stated.
//!
//! ```toml
//! format = 1
//! types = ["gzip", "deb", "xz", "text", "script", "data", "elf"]   # what first bytes may show; any when not given
//! licences = ["AGPL-3.0-only", "Apache-2.0", "PostgreSQL"]         # "not stated" must be named to be allowed
//! markings = ["UNCLASSIFIED"]
//! name-characters = "A-Za-z0-9._+~/-"    # of paths; `a-z` is a range, `-` at the end is itself
//! max-name = 100                         # characters of a path
//! max-file-bytes = 4294967295
//! max-bytes = 100000000000               # of all files together
//! max-files = 5000
//! mismatch = "refuse"                    # or "report": a file whose bytes are not what its name says
//! stand-ins = "refuse"                   # or "report"
//! scanner-limit = 2147483648             # files of this size and more raise a warning
//!
//! [[licence]]                            # upstream files do not state theirs in a form that can be relied on
//! component = "mattermost"               # component or package
//! licence = "AGPL-3.0-only"
//! ```
//! What is not given is not limited. An unknown key is an error.

use std::fmt;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Dossier, Row};
use crate::types::place::line_and_column;

/// Longest policy, in bytes.
pub const MAX_POLICY: u64 = 256 * 1024;
/// Bytes from which on scan engines pass over a file: the hard limit inside `ClamAV`.
pub(super) const SCANNER_LIMIT: u64 = 2 << 30;
/// The format that this program knows.
const FORMAT: u32 = 1;

/// What a bundle may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferPolicy {
    text: String,
    types: Option<Spanned<Vec<String>>>,
    licences: Option<Spanned<Vec<String>>>,
    markings: Option<Spanned<Vec<String>>>,
    characters: Option<Characters>,
    max_name: Option<Spanned<usize>>,
    max_file_bytes: Option<Spanned<u64>>,
    max_bytes: Option<Spanned<u64>>,
    max_files: Option<Spanned<u64>>,
    mismatch: Option<Spanned<Mode>>,
    stand_ins: Option<Spanned<Mode>>,
    pub(super) scanner_limit: u64,
    stated: Vec<Stated>,
}

/// A set of characters: as it is written, and its ranges.
type Characters = (Spanned<String>, Vec<(char, char)>);
/// Takes down a violation: the rule with its place, what was found, and what to do.
type Adding<'a> = dyn FnMut((&str, usize), String, &str) + 'a;

/// One thing that the policy forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// The file; none when it is the bundle as a whole.
    pub path: Option<String>,
    /// The key of the policy, and its line.
    pub rule: String,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_deref().unwrap_or("the bundle");
        let (rule, found, fix) = (&self.rule, &self.found, &self.fix);
        write!(f, "{path}: {found}; rule {rule}; {fix}")
    }
}

/// What is wrong with a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {text}")]
pub struct PolicyProblem {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1 in bytes.
    pub column: usize,
    /// What is wrong.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Refuse,
    Report,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    component: String,
    licence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Wire {
    format: Spanned<u32>,
    types: Option<Spanned<Vec<String>>>,
    licences: Option<Spanned<Vec<String>>>,
    markings: Option<Spanned<Vec<String>>>,
    name_characters: Option<Spanned<String>>,
    max_name: Option<Spanned<usize>>,
    max_file_bytes: Option<Spanned<u64>>,
    max_bytes: Option<Spanned<u64>>,
    max_files: Option<Spanned<u64>>,
    mismatch: Option<Spanned<Mode>>,
    stand_ins: Option<Spanned<Mode>>,
    scanner_limit: Option<u64>,
    #[serde(default)]
    licence: Vec<Stated>,
}

impl TransferPolicy {
    /// The policy in a TOML text.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, PolicyProblem> {
        let newer = toml::from_str::<toml::Table>(text)
            .ok()
            .and_then(|table| table.get("format").and_then(toml::Value::as_integer))
            .filter(|format| *format > i64::from(FORMAT));
        if let Some(format) = newer {
            return Err(problem(
                text,
                0,
                format!("policy format {format}; this program knows {FORMAT}"),
            ));
        }
        if toml::from_str::<toml::Table>(text).is_ok_and(|table| !table.contains_key("format")) {
            let what = "`format` missing; begin with `format = 1`, and see `haversack explain transfer.toml` for a full example";
            return Err(problem(text, 0, what.to_owned()));
        }
        let wire: Wire = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            problem(text, start, error.message().to_owned())
        })?;
        if *wire.format.get_ref() != FORMAT {
            let start = wire.format.span().start;
            return Err(problem(text, start, "`format` must be 1".to_owned()));
        }
        let characters = match wire.name_characters {
            None => None,
            Some(given) => {
                let ranges = ranges(given.get_ref()).ok_or_else(|| {
                    let what =
                        "characters or ranges such as `a-z`, each from the lower to the higher";
                    problem(text, given.span().start, what.to_owned())
                })?;
                Some((given, ranges))
            }
        };
        Ok(Self {
            text: text.to_owned(),
            types: wire.types,
            licences: wire.licences,
            markings: wire.markings,
            characters,
            max_name: wire.max_name,
            max_file_bytes: wire.max_file_bytes,
            max_bytes: wire.max_bytes,
            max_files: wire.max_files,
            mismatch: wire.mismatch,
            stand_ins: wire.stand_ins,
            scanner_limit: wire.scanner_limit.unwrap_or(SCANNER_LIMIT),
            stated: wire.licence,
        })
    }

    /// Writes down the licences that the site has stated.
    pub(super) fn state_licences(&self, rows: &mut [Row]) {
        for row in rows {
            let known = self.stated.iter().find(|one| {
                row.name == one.component || row.name.split(", ").any(|name| name == one.component)
            });
            if let Some(known) = known {
                row.licence.clone_from(&known.licence);
            }
        }
    }

    /// Everything that it forbids, the bundle as a whole before single files.
    pub(super) fn violations(&self, dossier: &Dossier) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut add = |path: Option<&Row>, place: (&str, usize), what: String, fix: &str| {
            found.push(Violation {
                path: path.map(|row| row.path.clone()),
                rule: format!(
                    "{} (line {})",
                    place.0,
                    line_and_column(&self.text, place.1).0
                ),
                found: what,
                fix: fix.to_owned(),
            });
        };
        if let (Some(allowed), Some(marking)) = (&self.markings, &dossier.marking)
            && !allowed.get_ref().contains(marking)
        {
            let place = ("markings", allowed.span().start);
            add(
                None,
                place,
                format!("marked {marking}"),
                "build with --marking as the policy has it",
            );
        }
        if let Some(most) = self
            .max_files
            .as_ref()
            .filter(|most| dossier.count > *most.get_ref())
        {
            let place = ("max-files", most.span().start);
            let what = format!("{} files", dossier.count);
            add(
                None,
                place,
                what,
                "leave components out, or carry two bundles",
            );
        }
        if let Some(most) = self
            .max_bytes
            .as_ref()
            .filter(|most| dossier.bytes > *most.get_ref())
        {
            let place = ("max-bytes", most.span().start);
            let what = format!("{} bytes", dossier.bytes);
            add(
                None,
                place,
                what,
                "leave components out, or carry two bundles",
            );
        }
        for row in &dossier.files {
            self.file(row, &mut |place, what, fix| {
                add(Some(row), place, what, fix);
            });
        }
        found
    }

    fn file(&self, row: &Row, add: &mut Adding<'_>) {
        if let Some(allowed) = &self.types
            && row.detected != super::NOT_READ
            && !allowed.get_ref().contains(&row.detected)
        {
            let place = ("types", allowed.span().start);
            add(
                place,
                format!("its bytes are {}", row.detected),
                "leave it out, or have the type allowed",
            );
        }
        if let Some(mode) = self
            .mismatch
            .as_ref()
            .filter(|mode| *mode.get_ref() == Mode::Refuse)
            && row.mismatch()
        {
            let declared = row.declared.as_deref().unwrap_or_default();
            let what = format!("named as {declared}, but its bytes are {}", row.detected);
            add(
                ("mismatch", mode.span().start),
                what,
                "look at the file: it may be an error page; lock it again",
            );
        }
        let carries_licence = row.version.is_some();
        if let Some(allowed) = &self.licences
            && carries_licence
            && !allowed.get_ref().contains(&row.licence)
        {
            let place = ("licences", allowed.span().start);
            let fix =
                "state it with [[licence]] after you have read it, or leave the component out";
            add(place, format!("{}: licence {}", row.name, row.licence), fix);
        }
        if let Some((given, ranges)) = &self.characters {
            let odd: String = row
                .path
                .chars()
                .filter(|c| !ranges.iter().any(|(low, high)| (low..=high).contains(&c)))
                .collect();
            if !odd.is_empty() {
                let place = ("name-characters", given.span().start);
                add(
                    place,
                    format!("its path has `{odd}`"),
                    "ask for the characters to be allowed: upstream's names are never changed",
                );
            }
        }
        if let Some(most) = self
            .max_name
            .as_ref()
            .filter(|most| row.path.len() > *most.get_ref())
        {
            let place = ("max-name", most.span().start);
            add(
                place,
                format!("a path of {} characters", row.path.len()),
                "shorten the component's name in the manifest",
            );
        }
        if let Some(most) = self
            .max_file_bytes
            .as_ref()
            .filter(|most| row.size > *most.get_ref())
        {
            let place = ("max-file-bytes", most.span().start);
            add(
                place,
                format!("{} bytes", row.size),
                "have the limit raised for this file, or leave it out",
            );
        }
        if let Some(mode) = self
            .stand_ins
            .as_ref()
            .filter(|mode| *mode.get_ref() == Mode::Refuse)
            && row.stand_in
        {
            add(
                ("stand-ins", mode.span().start),
                "a stand-in".to_owned(),
                "lock the real program",
            );
        }
    }
}

/// The ranges of a set of characters such as `A-Za-z0-9._-`.
fn ranges(text: &str) -> Option<Vec<(char, char)>> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut rest = letters.as_slice();
    loop {
        rest = match rest {
            [low, '-', high, more @ ..] if low <= high => {
                found.push((*low, *high));
                more
            }
            [_, '-', _, ..] => return None,
            [one, more @ ..] => {
                found.push((*one, *one));
                more
            }
            [] => return (!found.is_empty()).then_some(found),
        };
    }
}

fn problem(text: &str, start: usize, what: String) -> PolicyProblem {
    let (line, column) = line_and_column(text, start);
    PolicyProblem {
        line,
        column,
        text: what,
    }
}
