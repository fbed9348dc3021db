//! The rules: what is refused, what is warned about, what is generated, and why.
//!
//! Each rule is a row: id, layer, severity, expectation, reason, fix and source. The number of an
//! id is that of the requirement in the source text; `E5…` rules are about this program's own
//! limits. Rules that a plan can decide carry a small function; the others say where they hold.

mod architecture;
mod database;
mod files;
mod look;
mod method;
mod mistakes;
mod ports;
mod proxy;
mod site;
#[cfg(test)]
mod tests;
pub(super) mod versions;

use jiff::Timestamp;
use serde::Serialize;

use crate::plan::derive::Plan;
use crate::plan::finding::{Finding, Severity};
use crate::plan::staged::Staged;
use crate::plan::words::words;
use crate::types::name::Name;

words! {
    /// The layer of the architecture that a rule protects.
    pub Layer {
        /// Who gets in: proxies, networks, sign-in.
        Access = "access",
        /// The Mattermost server.
        Application = "application",
        /// Database and files.
        Backend = "backend",
    }
}

/// What rules may know besides the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The time at which certificates must be valid.
    pub now: Timestamp,
    /// What the bundle holds; empty when no bundle was given.
    pub supply: Vec<Supply>,
    /// Ids of warnings that the operator accepts.
    pub accepted: Vec<String>,
}

impl Context {
    /// The day of the catalogue that is built in, and its age in days at [`Self::now`].
    #[must_use]
    pub fn catalogue_age(&self) -> Option<(jiff::civil::Date, i32)> {
        versions::age(self)
    }

    /// The first component of this name in the bundle.
    fn supplied(&self, component: &str) -> Option<&Supply> {
        self.supply.iter().find(|one| one.component == component)
    }
}

/// One component of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Supply {
    /// Its name, such as `mattermost`.
    pub component: String,
    /// Its version, as upstream writes it.
    pub version: String,
}

impl Supply {
    /// Major and minor version, as far as the text begins with them.
    fn major_minor(&self) -> Option<(u32, u32)> {
        let text = self.version.trim_start_matches('v');
        // Debian writes an epoch before a colon.
        let text = text.split_once(':').map_or(text, |(_, rest)| rest);
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next().and_then(|minor| minor.parse().ok());
        Some((major, minor.unwrap_or(0)))
    }
}

/// One row of the catalogue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    id: &'static str,
    layer: Layer,
    level: Severity,
    source: &'static str,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    kind: Kind,
}

type Check = fn(&Plan, &Context, &mut Report<'_>);
type StagedCheck = fn(&Plan, &Staged, &mut Report<'_>);

/// Where a rule holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A plan is checked by this function.
    Checked(Check),
    /// Another rule checks the same.
    Same(&'static str),
    /// A deployment file cannot say otherwise.
    Parsed(&'static str),
    /// These staged files carry it out: every staging proves it of its own files, before anything
    /// is written.
    Staged(&'static str, StagedCheck),
    /// A plan is checked, and what was staged for it too.
    Both(Check, &'static str, StagedCheck),
    /// It is checked on the host, before or after installation.
    OnHost(&'static str),
}

/// Collects what one rule finds.
struct Report<'r> {
    rule: &'r Rule,
    plan: &'r Plan,
    findings: &'r mut Vec<Finding>,
}

impl Report<'_> {
    fn add(&mut self, level: Severity, host: Option<&Name>, subject: &str, found: String) {
        let rule = self.rule;
        self.findings.push(Finding {
            level,
            id: rule.id,
            host: host.cloned(),
            subject: subject.to_owned(),
            place: self.plan.deployment.place(subject),
            expected: rule.title.to_owned(),
            found,
            why: rule.why,
            fix: rule.fix.to_owned(),
            source: rule.source,
            layer: rule.layer,
            accepted: false,
        });
    }

    fn error(&mut self, subject: &str, found: impl Into<String>) {
        self.add(Severity::Error, None, subject, found.into());
    }

    fn warn(&mut self, subject: &str, found: impl Into<String>) {
        self.add(Severity::Warning, None, subject, found.into());
    }

    fn info(&mut self, subject: &str, found: impl Into<String>) {
        self.add(Severity::Info, None, subject, found.into());
    }

    /// An error under the strict rules of impact levels 5 and 6, else a warning.
    fn error_if_strict(&mut self, subject: &str, found: impl Into<String>) {
        if self.plan.deployment.is_strict() {
            self.error(subject, found);
        } else {
            self.warn(subject, found);
        }
    }

    /// Whether a rule has found an error so far.
    fn has_errors(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|one| one.level == Severity::Error)
    }

    /// The same about one host.
    fn on(&mut self, level: Severity, host: &Name, found: impl Into<String>) {
        self.add(level, Some(host), &format!("host.{host}"), found.into());
    }

    /// About one staged file: always an error, for it is a fault of this program.
    fn file(&mut self, host: &Name, path: &str, found: impl Into<String>) {
        self.add(Severity::Error, Some(host), path, found.into());
    }

    /// Every one of `parts` must stand in a staged file, and the file must be there.
    fn file_holds(&mut self, staged: &Staged, host: &Name, path: &str, parts: &[&str]) {
        let Some(text) = staged.file(host, path) else {
            self.file(host, path, "the file is not staged");
            return;
        };
        for part in parts.iter().filter(|part| !text.contains(**part)) {
            self.file(host, path, format!("without `{part}`"));
        }
    }
}

/// Writes rows: `id layer level source kind => title, why, fix;`.
macro_rules! rules {
    ($($id:literal $layer:ident $level:ident $source:literal $kind:expr =>
       $title:literal, $why:literal, $fix:literal;)+) => {
        pub(super) const RULES: &[crate::plan::rules::Rule] = &[$(crate::plan::rules::Rule {
            id: $id,
            layer: crate::plan::rules::Layer::$layer,
            level: crate::plan::finding::Severity::$level,
            source: $source,
            title: $title,
            why: $why,
            fix: $fix,
            kind: $kind,
        }),+];
    };
}
use rules;

fn catalogue() -> impl Iterator<Item = &'static Rule> {
    [
        architecture::RULES,
        ports::RULES,
        method::RULES,
        database::RULES,
        files::RULES,
        proxy::RULES,
        mistakes::RULES,
        versions::RULES,
    ]
    .into_iter()
    .flatten()
}

/// Everything that the rules find, unsorted.
pub(super) fn apply(plan: &Plan, context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in catalogue() {
        if let Kind::Checked(check) | Kind::Both(check, ..) = rule.kind {
            let mut report = Report {
                rule,
                plan,
                findings: &mut findings,
            };
            check(plan, context, &mut report);
        }
    }
    findings
}

/// Everything that the rules find in staged files, unsorted.
pub(super) fn examine(plan: &Plan, staged: &Staged) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in catalogue() {
        if let Kind::Staged(_, check) | Kind::Both(_, _, check) = rule.kind {
            let mut report = Report {
                rule,
                plan,
                findings: &mut findings,
            };
            check(plan, staged, &mut report);
        }
    }
    findings
}

/// What a rule says, for people and for `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Its id.
    pub id: &'static str,
    /// The layer that it protects.
    pub layer: Layer,
    /// The highest severity that it reports.
    pub level: Severity,
    /// What it expects.
    pub expects: &'static str,
    /// Why.
    pub why: &'static str,
    /// What to do when it is not so.
    pub fix: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Where it holds: `plan`, `deployment file`, `staged files, checked by stage`, `plan, and
    /// staged files, checked by stage` or `host`.
    pub holds_in: &'static str,
    /// Which files, keys or rule, when it is not the plan.
    pub by: Option<&'static str>,
}

/// Why an id cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Acceptance {
    /// No rule has this id.
    #[error("there is no rule {0} to accept")]
    Unknown(String),
    /// The rule never warns about a plan.
    #[error("{0} holds in {1} and never warns, so it cannot be accepted")]
    NoWarning(&'static str, &'static str),
    /// The rule refuses this deployment.
    #[error("{0} is an error here; an error cannot be accepted")]
    Error(&'static str),
}

impl Acceptance {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => "see `haversack explain --all` for the ids".to_owned(),
            Self::NoWarning(id, _) | Self::Error(id) => {
                format!("follow its fix: `haversack explain {id}`; then leave --accept {id} out")
            }
        }
    }
}

/// Whether each of these ids names a rule whose warnings can be accepted in this plan.
///
/// # Errors
/// The first id that cannot; see [`Acceptance`].
pub(super) fn acceptable(accepted: &[String], found: &[&Finding]) -> Result<(), Acceptance> {
    for id in accepted {
        let rule = catalogue().find(|rule| rule.id.eq_ignore_ascii_case(id));
        let rule = rule.ok_or_else(|| Acceptance::Unknown(id.clone()))?;
        if !matches!(rule.kind, Kind::Checked(_) | Kind::Both(..)) {
            return Err(Acceptance::NoWarning(rule.id, explanation(rule).holds_in));
        }
        let level = |level| {
            found
                .iter()
                .any(|one| one.id == rule.id && one.level == level)
        };
        if level(Severity::Error) && !level(Severity::Warning) {
            return Err(Acceptance::Error(rule.id));
        }
    }
    Ok(())
}

/// What the rule of this id says; letter case does not matter. `None` for an unknown id.
#[must_use]
pub fn explain(id: &str) -> Option<Explanation> {
    explain_all()
        .into_iter()
        .find(|one| one.id.eq_ignore_ascii_case(id))
}

/// What every rule says, by number.
#[must_use]
pub fn explain_all() -> Vec<Explanation> {
    let mut all: Vec<Explanation> = catalogue().map(explanation).collect();
    all.sort_by_key(|one| one.id.rsplit('-').next());
    all
}

fn explanation(rule: &Rule) -> Explanation {
    let (holds_in, by) = match rule.kind {
        Kind::Checked(_) => ("plan", None),
        Kind::Same(id) => ("plan", Some(id)),
        Kind::Parsed(what) => ("deployment file", Some(what)),
        Kind::Staged(files, _) => ("staged files, checked by stage", Some(files)),
        Kind::Both(_, files, _) => ("plan, and staged files, checked by stage", Some(files)),
        Kind::OnHost(what) => ("host", Some(what)),
    };
    Explanation {
        id: rule.id,
        layer: rule.layer,
        level: rule.level,
        expects: rule.title,
        why: rule.why,
        fix: rule.fix,
        source: rule.source,
        holds_in,
        by,
    }
}
