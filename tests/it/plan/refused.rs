//! Broken deployment files through the real program: each ends with exit 2 or 5, says where and what
//! to do, does not panic, and leaves nothing behind.

use std::fmt::Write as _;
use std::process::Command;

use super::broken::BROKEN;
use super::folder;
use crate::support::deployments::{Edit, ONE_SERVER, edited};

/// Files beyond those of `broken`: what is changed, and the exit code.
const MORE: &[(&str, &[Edit<'_>], i32)] = &[
    (
        "address in no network",
        &[("admin =", "hosts = [\"10.21.0.0/24\"]\nadmin =")],
        5,
    ),
    (
        "virtual address in no network",
        &[
            ("admin =", "hosts = [\"10.20.0.0/24\"]\nadmin ="),
            ("distro =", "interface = \"eth0\"\ndistro ="),
            ("+", "[proxy]\nvirtual_address = \"10.99.0.1\""),
        ],
        5,
    ),
    ("hosted push", &[("+", "[push]\nmode = \"hosted\"")], 5),
    ("docker with two hosts", &[("\"linux\"", "\"docker\"")], 2),
    ("superuser", &[("+", "[database]\nuser = \"postgres\"")], 5),
    ("old database", &[("+", "[database]\nversion = 13")], 5),
    (
        "let's encrypt",
        &[("[tls]", "[tls]\nsource = \"letsencrypt\"")],
        5,
    ),
    (
        "public bucket",
        &[(
            "kind = \"local\"",
            "kind = \"s3\"\nbucket = \"mattermost\"\nendpoint = \"https://s3.amazonaws.com\"",
        )],
        5,
    ),
    (
        "too few connections",
        &[("+", "[database]\nmax_connections = 100")],
        5,
    ),
    ("one server called ha", &[("[tls]", "ha = true\n[tls]")], 5),
    (
        "upgrade from no version",
        &[("[tls]", "upgrade_from = \"latest\"\n[tls]")],
        2,
    ),
    (
        "networks of hosts as text",
        &[("admin =", "hosts = \"10.20.0.0/24\"\nadmin =")],
        2,
    ),
    (
        "network with bits set",
        &[("admin =", "hosts = [\"10.20.0.1/24\"]\nadmin =")],
        2,
    ),
    (
        "autoscale as text",
        &[("+", "[kubernetes]\nautoscale = \"yes\"")],
        2,
    ),
    (
        "retention of a word",
        &[("+", "[retention]\nmessage_days = \"many\"")],
        2,
    ),
    (
        "password",
        &[(
            "+",
            "[smtp]\nhost = \"10.20.0.9\"\npassword = \"hunter2hunter2\"",
        )],
        2,
    ),
    (
        "private key in the file",
        &[(
            "+",
            "[smtp]\nhost = \"10.20.0.9\"\nuser = \"-----BEGIN PRIVATE KEY-----\"",
        )],
        2,
    ),
    (
        "bind password",
        &[(
            "+",
            "[ldap]\nhost = \"10.20.0.9\"\nbase_dn = \"dc=x\"\nbind_password = \"hunter2hunter2\"",
        )],
        2,
    ),
    (
        "secret key",
        &[(
            "kind = \"local\"",
            "kind = \"s3\"\nbucket = \"mattermost\"\nendpoint = \"https://10.20.0.9:9000\"\nsecret_key = \"hunter2hunter2\"",
        )],
        2,
    ),
    (
        "interface with a space",
        &[("distro =", "interface = \"eth 0\"\ndistro =")],
        2,
    ),
    (
        "fqdn that is an address",
        &[("distro =", "fqdn = \"10.20.0.9\"\ndistro =")],
        2,
    ),
    (
        "certificate without key",
        &[("distro =", "cert = \"x.pem\"\ndistro =")],
        2,
    ),
    (
        "two formats",
        &[("format = 1", "format = 1\nformat = 1")],
        2,
    ),
    (
        "certificate that is not there",
        &[("pki/chat.pem", "pki/none.pem")],
        2,
    ),
    (
        "authority that is not there",
        &[("pki/ca.pem", "pki/none.pem")],
        2,
    ),
];

/// Runs `plan` on these bytes; the exit code and everything that was said.
fn run(name: &str, bytes: &[u8]) -> (i32, String) {
    let (folder, file) = folder("");
    std::fs::write(&file, bytes).unwrap();
    let names = || -> Vec<_> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
        .current_dir(folder.path())
        .arg("plan")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(names(), before, "{name} left something behind");
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "{name}");
    let mut said = String::from_utf8(output.stdout).unwrap();
    said.push_str(&String::from_utf8(output.stderr).unwrap());
    assert!(!said.contains("panicked"), "{name}: {said}");
    assert!(!said.contains("hunter2"), "{name}: {said}");
    (output.status.code().unwrap(), said)
}

#[test]
fn every_broken_file_ends_with_place_and_fix_and_leaves_nothing_behind() {
    let mut wrong = String::new();
    let mut count = 0_usize;
    let broken = BROKEN.iter().map(|(name, edits, _)| (*name, *edits, 2));
    for (name, edits, expected) in broken.chain(MORE.iter().copied()) {
        count += 1;
        let (code, said) = run(name, edited(ONE_SERVER, edits).as_bytes());
        let fix = said.contains("fix:") || said.contains("= ") || said.contains("next:");
        // A problem has its line and column, a finding the key that it is about.
        let place =
            said.contains("deployment.toml") || said.contains("(line ") || said.contains(" on mm1");
        if code != expected || !fix || !place {
            writeln!(wrong, "{name}: exit {code}, not {expected}\n{said}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= 70, "{count}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_the_fix_says_where_secrets_go() {
    for (name, edits, _) in MORE
        .iter()
        .filter(|(name, ..)| ["password", "bind password", "secret key"].contains(name))
    {
        let (code, said) = run(name, edited(ONE_SERVER, edits).as_bytes());
        assert_eq!(code, 2, "{name}");
        assert!(
            said.contains("secrets folder of the staged tree"),
            "{name}: {said}"
        );
    }
}

#[test]
fn hostile_files_are_refused_without_a_panic() {
    let mut hosts = ONE_SERVER.to_owned();
    for number in 0..10_000 {
        writeln!(hosts, "[[host]]\nname = \"h{number}\"").unwrap();
    }
    let brackets = "[".repeat(10 << 20);
    let nested = format!("a = {}", "[".repeat(900_000));
    for (name, bytes) in [
        ("10,000 hosts", hosts.as_bytes()),
        ("10 MB of brackets", brackets.as_bytes()),
        ("deep nesting", nested.as_bytes()),
        ("not UTF-8", b"format = 1\nurl = \"\xff\xfe\"\n"),
        ("a zero byte", b"format = 1\n\0"),
        ("nothing", b""),
        ("a comment", b"# nothing\n"),
    ] {
        let (code, said) = run(name, bytes);
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains("deployment.toml"), "{name}: {said}");
    }
}

#[test]
fn a_pipe_that_nobody_writes_into_is_not_waited_for() {
    let (folder, file) = folder(&edited(ONE_SERVER, &[("pki/chat.pem", "pipe")]));
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for (what, place) in [
        (&pipe, "`format` is missing"),
        (&file, "holds no PEM block"),
    ] {
        // SIGKILL, for a program that waits in `open` sees no other signal.
        let output = Command::new("timeout")
            .args([
                "--signal=KILL",
                "60",
                env!("CARGO_BIN_EXE_haversack"),
                "plan",
            ])
            .arg(what)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(place), "{said}");
    }
}
