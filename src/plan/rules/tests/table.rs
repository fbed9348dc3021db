//! The table of all rules with their pairs of tests, written to `RULES.md` beside the rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Kind, cases, catalogue, parsed_cases, staged_cases};
use crate::plan::rules::{Rule, explain_all};

/// The table as it is kept.
const KEPT: &str = include_str!("../RULES.md");
/// All ids that were ever given, one a line. A line never goes away.
const IDS: &str = include_str!("ids.txt");
/// Rules whose proof is not in the code of rules yet. This list may only become shorter.
const PENDING: &[&str] = &[];

/// What proves that a rule lets good pass, and that it reports bad; none: nothing does.
fn proof(rule: &Rule) -> Option<(String, String)> {
    let plan = cases().find(|case| case.id == rule.id).map(|case| {
        let changes = |edits: &[_]| match edits.len() {
            0 => "the base deployment".to_owned(),
            some => format!("the base deployment with {some} changes"),
        };
        (changes(case.passes.0), changes(case.fails.0))
    });
    let staged = staged_cases().find(|case| case.id == rule.id).map(|case| {
        let (files, breaks) = (case.files.len(), case.breaks.len());
        (
            format!("{files} staged files"),
            format!("{breaks} breaks of them"),
        )
    });
    let parsed = parsed_cases().find(|case| case.id == rule.id).map(|case| {
        let (id, part) = case.problem;
        (
            "a text that is read".to_owned(),
            format!("a text that is refused: {id:?}, {part}"),
        )
    });
    let join = |a: (String, String), b: (String, String)| {
        (format!("{}; {}", a.0, b.0), format!("{}; {}", a.1, b.1))
    };
    match rule.kind {
        Kind::Checked(_) => plan,
        Kind::Staged(..) => staged,
        Kind::Both(..) => Some(join(plan?, staged?)),
        Kind::Parsed(_) => parsed,
        Kind::Same(other) => {
            let other = catalogue().find(|rule| rule.id == other)?;
            proof(other).map(|_| (format!("as {}", other.id), format!("as {}", other.id)))
        }
        // The checks of hosts have their own tests, a passing and a failing one for each id.
        Kind::OnHost(_) => Some(("tests of the host checks".to_owned(), "the same".to_owned())),
    }
}

fn table() -> String {
    let mut text = String::from(
        "# Rules\n\nWritten by `HAVERSACK_WRITE=1 cargo test --lib rule_table`; a test fails when it is stale.\n\
         The cases stand in `tests/`, the tests that run them in `tests/mod.rs`.\n\n\
         | id | layer | highest severity | holds in | passes | is reported or refused |\n\
         |---|---|---|---|---|---|\n",
    );
    for told in explain_all() {
        let rule = catalogue()
            .find(|rule| rule.id == told.id)
            .expect("it was just explained");
        let (passes, fails) =
            proof(rule).unwrap_or_else(|| ("not yet".to_owned(), "not yet".to_owned()));
        let by = told.by.map_or_else(String::new, |by| format!(": {by}"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {}{} | {passes} | {fails} |",
            told.id,
            told.layer,
            told.level,
            told.holds_in,
            by.replace('|', "\\|"),
        );
    }
    text
}

#[test]
fn rule_table() {
    let table = table();
    println!("{table}");
    if std::env::var_os("HAVERSACK_WRITE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/plan/rules/RULES.md");
        crate::fs::write_atomic(std::path::Path::new(path), table.as_bytes(), 0o644).unwrap();
    } else {
        assert!(
            table == KEPT,
            "src/plan/rules/RULES.md is stale: run HAVERSACK_WRITE=1 cargo test --lib rule_table"
        );
    }
}

#[test]
fn every_rule_is_proved_by_a_pair() {
    let lacking: BTreeSet<&str> = catalogue()
        .filter(|rule| proof(rule).is_none())
        .filter(|rule| match rule.kind {
            Kind::Same(other) => !PENDING.contains(&other),
            _ => true,
        })
        .map(|rule| rule.id)
        .collect();
    let pending: BTreeSet<&str> = PENDING.iter().copied().collect();
    let lacking: Vec<&&str> = lacking.difference(&pending).collect();
    assert!(
        lacking.is_empty(),
        "rules without a pair of tests: {lacking:?}"
    );
}

#[test]
fn ids_of_rules_never_change() {
    let known: BTreeSet<&str> = IDS.lines().collect();
    let there: BTreeSet<&str> = catalogue().map(|rule| rule.id).collect();
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(
        gone.is_empty(),
        "these ids were given and are gone: {gone:?}"
    );
    let new: Vec<_> = there.difference(&known).collect();
    assert!(new.is_empty(), "add these ids to tests/ids.txt: {new:?}");
}
