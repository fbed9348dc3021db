//! The generated script itself, and the list beside it.

use std::collections::BTreeSet;
use std::process::Command;

use haversack::checks::{CheckList, ids, live_ids};
use serde_json::Value;

use crate::support::staged::{Staged, run, said, tool};

#[test]
fn the_script_passes_shellcheck_and_a_posix_shell() {
    let staged = Staged::new();
    let script = staged.host().join("preflight.sh");
    run(Command::new("sh").arg("-n").arg(&script));
    run(tool("shellcheck", "shellcheck")
        .args(["--shell=sh", "--severity=style"])
        .arg(&script));
}

#[test]
fn neither_list_nor_script_holds_a_secret_and_both_are_listed() {
    let staged = Staged::new();
    let read = |name: &str| std::fs::read_to_string(staged.host().join(name)).unwrap();
    let (script, list) = (read("preflight.sh"), read("checks.json"));
    for secret in ["db-password", "s3-secret-key", "minio-root-password"] {
        let path = staged.out().join("secrets").join(secret);
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        assert!(
            !script.contains(text.trim_end()) && !list.contains(text.trim_end()),
            "{secret}"
        );
    }
    let manifest = read("MANIFEST.sha256");
    for name in ["preflight.sh", "checks.json"] {
        assert!(
            manifest
                .lines()
                .any(|line| line.ends_with(&format!("  {name}"))),
            "{name}"
        );
    }
    let checks = CheckList::read(&staged.host()).unwrap();
    assert_eq!(script.matches("\ncheck ").count(), checks.checks.len());
    assert_eq!(checks.to_json(), list.as_bytes());
}

#[test]
fn wrong_usage_and_a_wrong_folder_are_said() {
    let staged = Staged::new();
    let out = Command::new("sh")
        .arg(staged.host().join("preflight.sh"))
        .arg("--what")
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(
        said(&out),
        "usage: sh preflight.sh [--after] [--strict] [--json]\n"
    );
    let native = |folder: &std::path::Path| {
        Command::new(env!("CARGO_BIN_EXE_haversack"))
            .arg("preflight")
            .arg(folder)
            .output()
            .unwrap()
    };
    let out = native(&staged.out());
    assert_eq!(out.status.code(), Some(6), "{}", said(&out));
    std::fs::write(staged.host().join("checks.json"), "{\"format\": 9}\n").unwrap();
    let out = native(&staged.host());
    assert_eq!(out.status.code(), Some(2));
    assert!(said(&out).contains("error[E205]"), "{}", said(&out));
    assert!(
        said(&out).contains("format 9 is unknown; this version reads 1"),
        "{}",
        said(&out)
    );
}

#[test]
fn every_rule_that_holds_on_the_host_is_a_check() {
    let out =
        run(Command::new(env!("CARGO_BIN_EXE_haversack")).args(["explain", "--all", "--json"]));
    let all: Value = serde_json::from_slice(&out.stdout).unwrap();
    let rules: BTreeSet<&str> = all["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|rule| rule["holds_in"] == "host")
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    let known: BTreeSet<&str> = ids().chain(live_ids().iter().copied()).collect();
    assert!(rules.contains("DB-067"), "{rules:?}");
    let lacking: Vec<_> = rules.difference(&known).collect();
    assert!(lacking.is_empty(), "no check for {lacking:?}");
}
