//! The report: one line a check as text, or one JSON object a line.

use std::fmt::Write as _;

use serde::Serialize;

use super::MAX_FOUND;
use crate::checks::HostCheck;
use crate::plan::Severity;
use crate::types::name::Name;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As expected.
    Ok,
    /// Not as expected.
    Finding,
    /// A neighbour of this deployment is not there yet: install it first.
    Waiting,
    /// It could not be found out.
    Unchecked,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Finding => "finding",
            Self::Waiting => "waiting",
            Self::Unchecked => "unchecked",
        }
    }
}

/// How a check ended, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How.
    pub state: State,
    /// What was found.
    pub found: String,
}

impl Verdict {
    /// As expected.
    pub fn ok(found: impl Into<String>) -> Self {
        Self::of(State::Ok, found)
    }

    /// Not as expected.
    pub fn bad(found: impl Into<String>) -> Self {
        Self::of(State::Finding, found)
    }

    /// A neighbour is not there yet.
    pub fn waiting(found: impl Into<String>) -> Self {
        Self::of(State::Waiting, found)
    }

    /// It could not be found out.
    pub fn unchecked(found: impl Into<String>) -> Self {
        Self::of(State::Unchecked, found)
    }

    fn of(state: State, found: impl Into<String>) -> Self {
        Self {
            state,
            found: found.into(),
        }
    }

    /// With a `found` that can be printed: one line of ASCII, not longer than [`MAX_FOUND`].
    #[must_use]
    pub(super) fn shortened(mut self) -> Self {
        self.found = self
            .found
            .chars()
            .map(|c| match c {
                '\n' | '\t' => ' ',
                ' '..='~' => c,
                _ => '?',
            })
            .take(MAX_FOUND)
            .collect();
        self
    }
}

/// One check and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The check.
    pub check: HostCheck,
    /// Its verdict.
    pub verdict: Verdict,
}

/// What was found on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The host.
    pub host: Name,
    /// Every check, in order.
    pub outcomes: Vec<Outcome>,
}

/// How many checks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// As expected.
    pub ok: usize,
    /// Findings that stand in the way.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
    /// Neighbours that are not there yet.
    pub waiting: usize,
    /// Not found out.
    pub unchecked: usize,
}

/// One line of the JSON report. The order of the keys is that of `preflight.sh`.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    level: &'a str,
    host: &'a Name,
    subject: &'a str,
    phase: &'a str,
    verdict: &'a str,
    expected: &'a str,
    found: &'a str,
    why: &'a str,
    fix: &'a str,
    #[serde(rename = "ref")]
    source: &'a str,
}

impl Outcome {
    /// The word at the beginning of its line.
    const fn word(&self) -> &'static str {
        match self.verdict.state {
            State::Ok => "ok",
            State::Finding => self.check.level.as_str(),
            State::Waiting => "waiting",
            State::Unchecked => "skipped",
        }
    }
}

impl Report {
    /// How many checks ended how. Findings that are information count as expected.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in &self.outcomes {
            let count = match (outcome.verdict.state, outcome.check.level) {
                (State::Finding, Severity::Error) => &mut counts.errors,
                (State::Finding, Severity::Warning) => &mut counts.warnings,
                (State::Waiting, _) => &mut counts.waiting,
                (State::Unchecked, _) => &mut counts.unchecked,
                (State::Ok, _) | (State::Finding, Severity::Info) => &mut counts.ok,
            };
            *count = count.saturating_add(1);
        }
        counts
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        for outcome in &self.outcomes {
            let HostCheck {
                id,
                subject,
                expected,
                why,
                fix,
                source,
                ..
            } = &outcome.check;
            let found = &outcome.verdict.found;
            let _ = writeln!(
                text,
                "{:<8} {:<10} {subject}: {found}",
                outcome.word(),
                id.as_str()
            );
            if outcome.verdict.state == State::Finding {
                let _ = writeln!(text, "    expected: {expected}");
                let _ = writeln!(text, "    why:      {why} ({source})");
                let _ = writeln!(text, "    fix:      {fix}");
            }
        }
        let Counts {
            ok,
            errors,
            warnings,
            waiting,
            unchecked,
        } = self.counts();
        let _ = writeln!(
            text,
            "{}: {ok} ok, {errors} errors, {warnings} warnings, {waiting} waiting for other hosts, {unchecked} not checked",
            self.host
        );
        text
    }

    /// The report for programs: one JSON object a line.
    #[must_use]
    pub fn json_lines(&self) -> String {
        let mut text = String::new();
        for Outcome { check, verdict } in &self.outcomes {
            let row = Row {
                id: check.id.as_str(),
                level: check.level.as_str(),
                host: &self.host,
                subject: check.subject.as_str(),
                phase: check.phase.as_str(),
                verdict: verdict.state.as_str(),
                expected: check.expected.as_str(),
                found: &verdict.found,
                why: check.why.as_str(),
                fix: check.fix.as_str(),
                source: check.source.as_str(),
            };
            // Every value is a text, so this cannot fail.
            text.push_str(&serde_json::to_string(&row).unwrap_or_default());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{Phase, Probe, row};

    fn report() -> Report {
        let outcome = |id: &str, verdict: Verdict| Outcome {
            check: row(id).unwrap().check(Phase::Before, "it", Probe::Root {}),
            verdict: verdict.shortened(),
        };
        Report {
            host: "mm1".parse().unwrap(),
            outcomes: vec![
                outcome("TOOL-101", Verdict::ok("uid 0")),
                outcome("TOOL-033", Verdict::bad("in use by \"x\"\n\u{1b}")),
                outcome("TOOL-028", Verdict::bad("not synchronised")),
                outcome("TOOL-107", Verdict::waiting("db1 first")),
                outcome("DB-057", Verdict::unchecked("no program")),
            ],
        }
    }

    #[test]
    fn the_text_shows_every_check_and_counts_them() {
        assert_eq!(
            report().text(),
            "ok       TOOL-101   it: uid 0\n\
             error    TOOL-033   it: in use by \"x\" ?\n    expected: nobody else listens on the port\n    \
             why:      the service cannot bind to it and does not start (M33)\n    \
             fix:      stop and disable the other program, or move it to another port\n\
             warn     TOOL-028   it: not synchronised\n    expected: the clock follows a time server\n    \
             why:      the cluster and S3 signatures fail when clocks differ (M28; DOCS HA)\n    \
             fix:      check that the time server answers; name it as network.ntp in the deployment\n\
             waiting  TOOL-107   it: db1 first\n\
             skipped  DB-057     it: no program\n\
             mm1: 1 ok, 1 errors, 1 warnings, 1 waiting for other hosts, 1 not checked\n"
        );
    }

    #[test]
    fn a_json_line_has_the_shape_of_a_finding() {
        assert_eq!(
            report().json_lines().lines().nth(1).unwrap(),
            r#"{"id":"TOOL-033","level":"error","host":"mm1","subject":"it","phase":"before","verdict":"finding","expected":"nobody else listens on the port","found":"in use by \"x\" ?","why":"the service cannot bind to it and does not start","fix":"stop and disable the other program, or move it to another port","ref":"M33"}"#
        );
    }
}
