//! What the rules say about a plan.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::plan::problem::Place;
use crate::plan::rules::Layer;
use crate::plan::words::words;
use crate::types::name::Name;

words! {
    /// How much a finding matters.
    pub Severity {
        /// Nothing is staged.
        Error = "error",
        /// Staged, unless warnings are refused; can be accepted by its id.
        Warning = "warn",
        /// Worth knowing.
        Info = "info",
    }
}

/// What one rule found in one place. The fields are those of the preflight report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Severity,
    /// The rule, such as `DB-062`.
    pub id: &'static str,
    /// The host that it is about; none: the whole deployment.
    pub host: Option<Name>,
    /// The key of the deployment file, or the file, that it is about.
    pub subject: String,
    /// Where the subject stands in the deployment file.
    pub place: Option<Place>,
    /// What the rule expects.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: String,
    /// Where the rule comes from, such as `SEED P4`.
    pub source: &'static str,
    /// The layer of the architecture that it concerns.
    pub layer: Layer,
    /// Whether the operator accepted it; warnings only.
    pub accepted: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.level, self.id, self.subject)?;
        if let Some(host) = &self.host {
            write!(f, " on {host}")?;
        }
        if let Some(place) = self.place {
            write!(f, " (line {place})")?;
        }
        if self.accepted {
            write!(f, " [accepted]")?;
        }
        write!(f, "\n    expected: {}", self.expected)?;
        write!(f, "\n    found:    {}", self.found)?;
        write!(f, "\n    why:      {} ({})", self.why, self.source)?;
        write!(f, "\n    fix:      {}", self.fix)
    }
}

/// The findings of one check: errors first, then warnings, then information; each sorted by id,
/// host and subject, none twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Sorts and takes them in.
    #[must_use]
    pub fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort();
        findings.dedup();
        Self(findings)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }

    /// The ids of what the operator accepted, sorted, none twice.
    #[must_use]
    pub fn accepted(&self) -> Vec<&'static str> {
        let accepted = self.0.iter().filter(|finding| finding.accepted);
        let mut ids: Vec<&str> = accepted.map(|finding| finding.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are of one severity that were not accepted.
    #[must_use]
    pub fn count(&self, level: Severity) -> usize {
        let open = |finding: &&Finding| finding.level == level && !finding.accepted;
        self.0.iter().filter(open).count()
    }

    /// How many there are by severity, for a closing line.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Severity, usize> {
        let all = Severity::ALL.iter().copied();
        all.map(|level| (level, self.count(level))).collect()
    }

    /// Whether an error stands in the way.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.count(Severity::Error) > 0
    }
}
