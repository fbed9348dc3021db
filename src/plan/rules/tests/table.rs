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

/// The rules that hold on hosts: where the test of each stands, which sees a host that passes and one that
/// does not, and the text of that file.
const ON_HOST: &[(&str, &str, &str, &str)] = &[
    (
        "METHOD-047",
        "preflight/probes/host.rs",
        "the_engine_is_docker_on_linux",
        include_str!("../../../preflight/probes/host.rs"),
    ),
    (
        "DB-063",
        "tests/it/stage/live.rs",
        "an_application_server_is_asked_for_its_database_bucket_licence_cluster_and_metrics",
        include_str!("../../../../tests/it/stage/live.rs"),
    ),
    (
        "DB-067",
        "preflight/probes/reach.rs",
        "a_database_is_ready_or_says_exactly_why_not",
        include_str!("../../../preflight/probes/reach.rs"),
    ),
    (
        "FILES-082",
        "preflight/probes/paths.rs",
        "only_nfs_is_an_nfs_mount",
        include_str!("../../../preflight/probes/paths.rs"),
    ),
    (
        "FILES-087",
        "preflight/probes/paths.rs",
        "left_uploads_are_found",
        include_str!("../../../preflight/probes/paths.rs"),
    ),
];

/// What proves that a rule lets good pass, and that it reports bad; none: nothing does.
fn proof(rule: &Rule) -> Option<(String, String)> {
    let plan = cases().find(|case| case.id == rule.id).map(|case| {
        let changes = |edits: &[_]| match edits.len() {
            0 => "the base deployment".to_owned(),
            some => format!("the base deployment with {some} changes"),
        };
        (changes(case.passes.0), changes(case.fails.0))
    });
    let of_rule = || staged_cases().filter(|case| case.id == rule.id);
    let files: usize = of_rule().map(|case| case.files.len()).sum();
    let breaks: usize = of_rule().map(|case| case.breaks.len()).sum();
    let staged = (files > 0).then(|| {
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
        Kind::OnHost(_) => {
            let (_, place, test, _) = ON_HOST.iter().find(|(id, ..)| *id == rule.id)?;
            let name = format!("{place}: `{test}`");
            Some((name.clone(), name))
        }
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
fn the_tests_of_rules_on_hosts_are_there() {
    for (id, place, test, text) in ON_HOST {
        let function = format!("fn {test}() {{");
        assert!(text.contains(&function), "{id}: {place}");
    }
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
