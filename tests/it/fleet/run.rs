//! Order, check mode, a second run, the stop at the first failing host, and the way back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use haversack::types::digest::Digest;

use crate::support::fleet::Fleet;
use crate::support::staged::said;

const INSTALLED: [&str; 8] = [
    "app1 install",
    "app1 verify",
    "app2 install",
    "app2 verify",
    "app3 install",
    "app3 verify",
    "web1 install",
    "web1 verify",
];

/// `changed=` of each host in the recap of a run that must succeed.
fn changed(output: &Output) -> String {
    let text = said(output);
    assert!(output.status.success(), "{text}");
    let recap = text.split("PLAY RECAP").nth(1).unwrap_or_default();
    let words = recap.split_whitespace();
    let counts: Vec<&str> = words
        .filter_map(|word| word.strip_prefix("changed="))
        .collect();
    counts.join(" ")
}

/// What ran after every host was looked at.
fn after_preflight(mut ran: Vec<String>, hosts: &[&str]) -> Vec<String> {
    let rest = ran.split_off(hosts.len().min(ran.len()));
    ran.sort();
    let looked: Vec<String> = hosts
        .iter()
        .map(|host| format!("{host} preflight"))
        .collect();
    assert_eq!(ran, looked);
    rest
}

const HOSTS: [&str; 4] = ["app1", "app2", "app3", "web1"];

/// Digests of everything below a folder.
fn snapshot(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
            if path.is_dir() {
                found.insert(path.display().to_string(), format!("{mode:o}"));
                open.push(path);
            } else {
                let digest = Digest::of(&fs::read(&path).unwrap());
                found.insert(path.display().to_string(), format!("{mode:o} {digest}"));
            }
        }
    }
    found
}

#[test]
fn a_fleet_is_installed_in_order_a_second_run_changes_nothing_and_a_rollback_goes_backwards() {
    let fleet = Fleet::new();
    let before = snapshot(&fleet.staged.out());

    let dry = fleet.play(&["site.yml", "--check"]);
    // The folder of each host, and what install.sh says it would do.
    assert_eq!(changed(&dry), "2 2 2 2");
    let ran = after_preflight(fleet.ran(), &HOSTS);
    let dries: Vec<String> = HOSTS.map(|host| format!("{host} install dry")).into();
    assert_eq!(ran, dries);
    for host in HOSTS {
        assert!(!fleet.world(&format!("installed-{host}")).exists());
    }

    assert_eq!(changed(&fleet.play(&["site.yml"])), "1 1 1 1");
    assert_eq!(after_preflight(fleet.ran(), &HOSTS), INSTALLED);

    assert_eq!(changed(&fleet.play(&["site.yml"])), "0 0 0 0");
    assert_eq!(after_preflight(fleet.ran(), &HOSTS), INSTALLED);
    assert_eq!(changed(&fleet.play(&["site.yml", "--check"])), "0 0 0 0");
    drop(fleet.ran());

    assert_eq!(changed(&fleet.play(&["verify.yml"])), "0 0 0 0");
    fleet.mark("broken-app2");
    let broken = fleet.play(&["verify.yml"]);
    assert!(!broken.status.success());
    drop(fleet.ran());

    assert_eq!(
        changed(&fleet.play(&["rollback.yml", "--check"])),
        "1 1 1 1"
    );
    drop(fleet.ran());
    assert_eq!(changed(&fleet.play(&["rollback.yml"])), "1 1 1 1");
    let back = ["web1", "app3", "app2", "app1"].map(|host| format!("{host} rollback"));
    assert_eq!(fleet.ran(), back);
    assert_eq!(changed(&fleet.play(&["rollback.yml"])), "0 0 0 0");

    // Nothing was written into the staged tree; the logs are beside it, for their owner only.
    assert_eq!(snapshot(&fleet.staged.out()), before);
    let logs = fleet.staged.path("staged-logs");
    assert_eq!(
        fs::metadata(&logs).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let log = fs::read_dir(&logs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.display().to_string().ends_with("-app1-install.log"))
        .unwrap();
    assert_eq!(
        fs::metadata(&log).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn the_first_failing_host_stops_the_fleet_and_the_same_command_goes_on() {
    let fleet = Fleet::new();
    fleet.mark("fails-on-app2");
    let stopped = fleet.play(&["site.yml"]);
    let text = said(&stopped);
    assert!(!stopped.status.success());
    let ran = after_preflight(fleet.ran(), &HOSTS);
    assert_eq!(
        ran,
        ["app1 install", "app1 verify", "app2 install"],
        "{text}"
    );
    for word in [
        "app2: install.sh ended with 1; all it said is in",
        "why:   the disk of app2 is full",
    ] {
        assert!(text.contains(word), "no `{word}` in\n{text}");
    }

    fleet.unmark("fails-on-app2");
    assert_eq!(changed(&fleet.play(&["site.yml"])), "0 1 1 1");
    assert_eq!(after_preflight(fleet.ran(), &HOSTS), INSTALLED);
}

#[test]
fn no_host_is_changed_when_one_of_them_is_unfit() {
    let fleet = Fleet::new();
    fleet.mark("unfit-web1");
    let stopped = fleet.play(&["site.yml"]);
    assert!(!stopped.status.success());
    assert_eq!(after_preflight(fleet.ran(), &HOSTS), [""; 0]);
    assert!(said(&stopped).contains("FAIL the clock of web1 is wrong"));
}

#[test]
fn one_host_can_be_installed_alone_and_a_damaged_folder_is_brought_again() {
    let fleet = Fleet::new();
    assert_eq!(changed(&fleet.play(&["site.yml", "--limit", "app3"])), "2");
    let ran = after_preflight(fleet.ran(), &["app3"]);
    assert_eq!(ran, ["app3 install", "app3 verify"]);

    let brought = fleet.world("brought/app3");
    assert_eq!(
        fs::metadata(&brought).unwrap().permissions().mode() & 0o777,
        0o700
    );
    for damage in ["perms.tsv", "stray"] {
        fs::write(brought.join(damage), "x").unwrap();
        assert_eq!(changed(&fleet.play(&["site.yml", "--limit", "app3"])), "1");
        assert!(!brought.join("stray").exists());
    }
}

#[test]
fn a_folder_that_is_not_the_staged_one_is_refused_before_any_host_is_touched() {
    let fleet = Fleet::new();
    let list = fleet.staged.out().join("app2/MANIFEST.sha256");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{text}{}  added\n", Digest::of(b"x"))).unwrap();
    assert!(!fleet.play(&["site.yml"]).status.success());
    assert_eq!(fleet.ran(), [""; 0]);

    // With the list as it was, but another file: it is refused when it arrives.
    let fleet = Fleet::new();
    fs::write(fleet.staged.out().join("app2/install.sh"), "exit 0\n").unwrap();
    let refused = fleet.play(&["site.yml"]);
    assert!(!refused.status.success());
    assert!(said(&refused).contains("what arrived is not what was staged"));
    assert_eq!(fleet.ran(), [""; 0]);
    assert!(!fleet.world("brought/app2").exists());
}
