//! `haversack audit`: a host outside is found in whichever generated file it stands.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use crate::stage::topology::{HA_S3, ha_nfs};
use crate::support::deployments::edited;
use crate::support::staged::{DEPLOYMENT, Staged, all_packages, packages, said};

fn audit(tree: &Path, json: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
    command.arg("audit").arg(tree);
    if json {
        command.arg("--json");
    }
    command.output().unwrap()
}

/// Every file that staging wrote itself, below the tree.
fn generated(tree: &Path) -> Vec<String> {
    let mut folders = vec![tree.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(tree)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if path.is_dir() {
                let foreign = ["artifacts", "keyrings", "secrets"];
                if !foreign.contains(&path.file_name().unwrap().to_str().unwrap()) {
                    folders.push(path);
                }
            } else if name != "plan.json" {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_host_outside_is_found_in_every_generated_file() {
    for deployment in [HA_S3.to_owned(), ha_nfs()] {
        let staged = Staged::with(&deployment, &all_packages()).unwrap();
        let clean = audit(&staged.out(), false);
        assert_eq!(clean.status.code(), Some(0), "{}", said(&clean));
        let files = generated(&staged.out());
        assert!(files.len() > 150, "{}", files.len());
        assert_eq!(
            said(&clean),
            format!(
                "{} files of 10 hosts searched: 0 places name a host outside, 0 not acknowledged\n",
                files.len()
            )
        );
        let mut lines = Vec::new();
        for (index, name) in files.iter().enumerate() {
            let path = staged.out().join(name);
            let text = fs::read_to_string(&path).unwrap();
            lines.push((
                format!("h{index}.planted.net"),
                name.clone(),
                text.lines().count() + 1,
            ));
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            let end = if text.ends_with('\n') || text.is_empty() {
                ""
            } else {
                "\n"
            };
            writeln!(file, "{end}# see https://h{index}.planted.net/a").unwrap();
        }
        let out = audit(&staged.out(), true);
        assert_eq!(out.status.code(), Some(5));
        let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let found: BTreeSet<(String, String, usize)> = report["egress"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                assert_eq!(one["acknowledged"], false);
                let text = |key: &str| one[key].as_str().unwrap().to_owned();
                let line = one["line"].as_u64().unwrap();
                (text("host"), text("file"), usize::try_from(line).unwrap())
            })
            .collect();
        assert_eq!(found, lines.into_iter().collect());
    }
}

#[test]
fn what_the_deployment_acknowledges_is_told_and_not_refused() {
    let more = "[smtp]\nhost = \"smtp.relay.net\"\nport = 587\nsecurity = \"starttls\"\n[policy]\negress = [\"smtp.relay.net\"]";
    let staged = Staged::with(&edited(DEPLOYMENT, &[("+", more)]), &packages()).unwrap();
    let out = audit(&staged.out(), false);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    let line = "  smtp.relay.net  mm1/rootfs/opt/mattermost/config/config.json:";
    assert!(said(&out).contains(line), "{}", said(&out));
    assert!(said(&out).contains("  acknowledged by the deployment\n"));
    assert!(said(&out).ends_with(", 0 not acknowledged\n"));
    // The same, and a second one.
    let filter = staged.rootfs("/etc/nftables.d/mattermost.nft");
    let text = fs::read_to_string(&filter).unwrap();
    fs::write(&filter, format!("{text}# 8.8.8.8\n")).unwrap();
    let out = audit(&staged.out(), false);
    assert_eq!(out.status.code(), Some(5));
    let place = format!(
        "! 8.8.8.8  mm1/rootfs/etc/nftables.d/mattermost.nft:{}  not acknowledged\n",
        text.lines().count() + 1
    );
    assert!(said(&out).contains(&place), "{}", said(&out));
}

#[test]
fn the_audit_of_a_tree_finds_what_staging_itself_found() {
    let more = "[smtp]\nhost = \"smtp.relay.net\"\nport = 587\nsecurity = \"starttls\"\n[policy]\negress = [\"smtp.relay.net\"]";
    let staged = Staged::with(&edited(HA_S3, &[("+", more)]), &all_packages()).unwrap();
    let report = haversack::stage::audit(&staged.out(), &haversack::event::Cancel::new()).unwrap();
    assert!(report.is_clean());
    for one in &staged.report.egress {
        assert!(report.egress.contains(one), "{one:?}");
    }
    assert!(!staged.report.egress.is_empty());
}

#[test]
fn a_secret_is_not_repeated_and_what_cannot_be_searched_is_said() {
    let staged = Staged::new();
    let secret = "aB3.planted.net";
    fs::write(staged.out().join("secrets/smtp-password"), secret).unwrap();
    let script = staged.out().join("mm1/install.sh");
    let text = fs::read_to_string(&script).unwrap();
    fs::write(&script, format!("{text}# {secret}\n")).unwrap();
    let out = audit(&staged.out(), false);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    symlink("/etc/passwd", staged.out().join("mm1/rootfs/etc/link")).unwrap();
    let out = audit(&staged.out(), false);
    assert_eq!(out.status.code(), Some(5));
    assert!(
        said(&out).contains("! mm1/rootfs/etc/link  not searched"),
        "{}",
        said(&out)
    );
}

#[test]
fn what_is_no_staged_tree_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for text in [
        None,
        Some("{}"),
        Some("{\"staged\":1,\"hosts\":[]}"),
        Some("[[["),
    ] {
        if let Some(text) = text {
            fs::write(folder.path().join("plan.json"), text).unwrap();
        }
        let out = audit(folder.path(), false);
        assert_eq!(out.status.code(), Some(5), "{text:?}");
        assert!(said(&out).contains("error[E533]"), "{}", said(&out));
    }
}
