//! What is wrong with a configuration, and how it is shown.

use std::fmt::Write as _;

use serde::Serialize;

use crate::nginx::config::{Config, Place};

/// Longest line of a file that is repeated, in characters.
const MAX_SHOWN: usize = 160;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The site does not work, or is not safe: the element is required.
    Error,
    /// The site works, and something will go wrong.
    #[serde(rename = "warn")]
    Warning,
    /// Worth knowing; recommended at most.
    Info,
}

impl Level {
    /// The word that is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warn",
            Self::Info => "info",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// The rule of the catalogue, such as `PROXY-102`.
    pub id: &'static str,
    /// Where; of an absent element, the block that lacks it.
    pub place: Place,
    /// How many characters are marked.
    #[serde(skip)]
    pub width: usize,
    /// What was found.
    pub found: String,
    /// What users or administrators see because of it.
    pub symptom: &'static str,
    /// What to write.
    pub fix: String,
}

/// The findings of one configuration, worst first, then by place; none twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|a, b| {
            (a.level, a.place, a.id, &a.found).cmp(&(b.level, b.place, b.id, &b.found))
        });
        findings.dedup();
        Self(findings)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are of a level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|one| one.level == level).count()
    }
}

/// A finding with its line and a caret line below it.
#[must_use]
pub fn render(config: &Config, finding: &Finding) -> String {
    let place = finding.place;
    let file = config.files.get(place.file);
    let path = file.map_or("", |file| file.path.as_str());
    let mut text = format!(
        "{path}:{place}: {} {}: {}\n",
        finding.level.as_str(),
        finding.id,
        finding.found
    );
    let line = file.and_then(|file| file.text.lines().nth(place.line.saturating_sub(1)));
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    if let Some(line) = line {
        let shown: String = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MAX_SHOWN)
            .collect();
        let before = place.column.saturating_sub(1);
        let room = MAX_SHOWN.min(line.chars().count()).saturating_sub(before);
        let carets = "^".repeat(finding.width.clamp(1, room.max(1)));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {number} | {}", shown.trim_end());
        if before < MAX_SHOWN {
            let _ = writeln!(text, "  {margin} | {}{carets}", " ".repeat(before));
        }
    }
    let _ = writeln!(text, "  {margin} = symptom: {}", finding.symptom);
    let _ = writeln!(text, "  {margin} = fix: {}", finding.fix);
    text
}
