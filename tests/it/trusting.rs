//! Whom an isolated network trusts: two rooms, revocation, the next version, and CMS by the real openssl.
#![expect(clippy::unwrap_used, reason = "a test that panics says so")]

mod cms;
mod rotation;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use haversack::trust::key::SigningKey;

use crate::support::bundles::{Sandbox, verify_sh};

/// A bundle, keys of three people, and folders around them.
struct Site {
    sandbox: Sandbox,
    keys: Vec<SigningKey>,
}

impl Site {
    /// An unsigned bundle `demo`, and `alice.key`, `bob.key`, `cleo.key` with their `.pem`.
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let _ = sandbox.pack("demo", &sandbox.request());
        let keys: Vec<SigningKey> = (0..3).map(|_| SigningKey::generate().unwrap()).collect();
        for (name, key) in ["alice", "bob", "cleo"].iter().zip(&keys) {
            let secret = key.to_pem().unwrap();
            std::fs::write(sandbox.path(&format!("{name}.key")), secret.reveal()).unwrap();
            let public = key.verifying_key().to_pem().unwrap();
            std::fs::write(sandbox.path(&format!("{name}.pem")), public).unwrap();
        }
        Self { sandbox, keys }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// A trust directory of the keys of these people.
    fn trust(&self, name: &str, people: &[&str], policy: &str) {
        std::fs::create_dir(self.path(name)).unwrap();
        for person in people {
            let file = format!("{person}.pem");
            std::fs::copy(self.path(&file), self.path(name).join(&file)).unwrap();
        }
        self.write(
            &format!("{name}/policy.toml"),
            &format!("format = 1\n{policy}"),
        );
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(args)
            .args(["--progress", "none"])
            .current_dir(self.sandbox.folder.path())
            .env("HAVERSACK_STATE", self.path("state"))
            .output()
            .unwrap()
    }

    /// Standard output and error of a command that must end with this code.
    fn ends(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        text
    }

    fn ok(&self, args: &[&str]) -> String {
        self.ends(args, 0)
    }

    /// What `verify` says with this trust directory.
    fn verify(&self, trust: &str, code: i32) -> String {
        self.ends(&["verify", "demo", "--trust", trust], code)
    }

    fn key_id(&self, person: usize) -> String {
        let key = self.keys.get(person).unwrap();
        key.verifying_key().key_id().to_string()
    }

    /// Runs `openssl` in the sandbox; it must end with 0.
    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl")
            .args(args)
            .current_dir(self.sandbox.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "openssl {args:?}: {error}");
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_key_in_another_room_signs_what_openssl_signs_and_a_wrong_answer_is_not_added() {
    let site = Site::new();
    site.trust("trust", &["alice"], "");
    let asked = site.ok(&["sign", "demo", "--detached"]);
    let list = std::fs::read(site.path("demo/SHA256SUMS")).unwrap();
    let identity = haversack::types::digest::Digest::of(&list).to_string();
    assert!(asked.contains(&identity), "{asked}");
    // The other room: only the list goes there, only the answer comes back.
    std::fs::create_dir(site.path("room")).unwrap();
    std::fs::copy(site.path("demo/SHA256SUMS"), site.path("room/SHA256SUMS")).unwrap();
    site.openssl(&[
        "dgst",
        "-sha384",
        "-sign",
        "alice.key",
        "-out",
        "room/answer.sig",
        "room/SHA256SUMS",
    ]);
    // An answer over something else is refused, and nothing is written.
    site.openssl(&[
        "dgst",
        "-sha384",
        "-sign",
        "alice.key",
        "-out",
        "room/wrong.sig",
        "alice.pem",
    ]);
    let said = site.ends(
        &[
            "sign",
            "demo",
            "--attach",
            "room/wrong.sig",
            "--public",
            "alice.pem",
        ],
        4,
    );
    assert!(said.contains("error[E402]"), "{said}");
    let said = site.ends(
        &[
            "sign",
            "demo",
            "--attach",
            "room/answer.sig",
            "--public",
            "bob.pem",
        ],
        4,
    );
    assert!(said.contains("error[E402]"), "{said}");
    assert!(!site.path("demo/sig").exists());
    site.ok(&[
        "sign",
        "demo",
        "--attach",
        "room/answer.sig",
        "--public",
        "alice.pem",
    ]);
    let said = site.verify("trust", 0);
    assert!(
        said.contains(&format!("signed by {} alice.pem", site.key_id(0))),
        "{said}"
    );
}

#[test]
fn two_people_and_a_role_are_asked_for_and_the_script_counts_alike() {
    let site = Site::new();
    let policy = "threshold = 2\nrequired-roles = [\"reviewer\"]\n\
        [[key]]\nfile = \"alice.pem\"\nname = \"Alice\"\nroles = [\"builder\"]\n\
        [[key]]\nfile = \"bob.pem\"\nname = \"Bob\"\nroles = [\"reviewer\"]\n";
    site.trust("trust", &["alice", "bob", "cleo"], policy);
    let keys = ["alice.pem", "bob.pem", "cleo.pem"].map(|name| site.path(name));
    let script = |threshold: &str| verify_sh("dash", &site.path("demo"), threshold, &keys).0;
    let said = site.verify("trust", 4);
    assert!(said.contains("error[E401]"), "{said}");
    assert_eq!(script("2"), 4);
    site.ok(&["sign", "demo", "--key", "alice.key"]);
    // Twice the same key is one signature.
    let again = site.path(&format!("demo/sig/{}.sig", site.key_id(0)));
    std::fs::copy(&again, site.path("demo/sig/again.sig")).unwrap();
    let said = site.verify("trust", 4);
    assert!(said.contains("error[E403]"), "{said}");
    assert!(
        said.contains("1 of 2 signatures by different trusted keys; missing role reviewer"),
        "{said}"
    );
    assert_eq!(script("2"), 4);
    site.ok(&["sign", "demo", "--key", "cleo.key"]);
    let said = site.verify("trust", 4);
    assert!(
        said.contains("2 of 2 signatures by different trusted keys; missing role reviewer"),
        "{said}"
    );
    site.ok(&["sign", "demo", "--key", "bob.key"]);
    let said = site.verify("trust", 0);
    assert!(said.contains("needed    2 of the trusted keys"), "{said}");
    for (threshold, code) in [("2", 0), ("3", 0), ("4", 4)] {
        assert_eq!(script(threshold), code, "threshold {threshold}");
    }
}

#[test]
fn a_revoked_key_is_named_with_version_and_reason_also_where_it_is_the_only_one() {
    let site = Site::new();
    site.trust("trust", &["alice"], "");
    site.ok(&["sign", "demo", "--key", "alice.key"]);
    site.verify("trust", 0);
    let revoked = format!(
        "format = 1\nversion = 3\n[[revoked]]\nkey = \"{}\"\nreason = \"laptop lost\"\nsince = \"2026-10-02\"\n",
        site.key_id(0)
    );
    site.write("trust/revoked.toml", &revoked);
    let said = site.verify("trust", 4);
    assert!(said.contains("error[E406]"), "{said}");
    assert!(
        said.contains(
            "which is revoked by version 3 of revoked.toml, since 2026-10-02: laptop lost"
        ),
        "{said}"
    );
    let said = site.ok(&["trust", "show", "trust"]);
    assert!(
        said.contains("REVOKED by version 3 of revoked.toml"),
        "{said}"
    );
    // A good signature beside it is enough where one is asked for.
    std::fs::copy(site.path("bob.pem"), site.path("trust/bob.pem")).unwrap();
    site.ok(&["sign", "demo", "--key", "bob.key"]);
    site.verify("trust", 0);
    for (text, place) in [
        (
            "format = 1\nversion = 0\n",
            "line 2, column 11: `version` is a number from 1",
        ),
        (
            "format = 1\nversion = 1\nrevokd = []\n",
            "line 3, column 1: unknown field `revokd`",
        ),
        (
            "format = 1\nversion = 1\n[[revoked]]\nkey = \"alice\"\nreason = \"x\"\n",
            "line 4, column 7: a key id of 16",
        ),
        (
            "format = 2\nversion = 1\n",
            "line 1, column 1: policy format 2",
        ),
    ] {
        site.write("trust/revoked.toml", text);
        let said = site.verify("trust", 2);
        assert!(
            said.contains("error[E282]") && said.contains(place),
            "{said}"
        );
    }
}

#[test]
fn a_marking_and_a_name_that_the_policy_does_not_list_are_refused_and_age_only_warns() {
    let site = Site::new();
    site.ok(&["sign", "demo", "--key", "alice.key"]);
    for (name, policy, id) in [
        ("marking", "markings = [\"RESTRICTED\"]\n", "E525"),
        ("name", "names = [\"other\"]\n", "E524"),
        (
            "platform",
            "platforms = [{ distribution = \"debian-12\", arch = \"arm64\" }]\n",
            "E521",
        ),
    ] {
        site.trust(name, &["alice"], policy);
        let said = site.verify(name, 5);
        assert!(said.contains(&format!("error[{id}]")), "{said}");
    }
    site.trust(
        "trust",
        &["alice"],
        "fresh-days = 30\nmarkings = [\"UNCLASSIFIED\", \"RESTRICTED\"]\n",
    );
    let output = site.run(&["verify", "demo", "--trust", "trust", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.pointer("/warnings/0/id").unwrap(), "W902");
    assert_eq!(report.get("standing").unwrap(), "first");
    // Another bundle with the same number is no rollback, and worse.
    let mut request = site.sandbox.request();
    request.marking = "RESTRICTED".parse().unwrap();
    let _ = site.sandbox.pack("twin", &request);
    site.ok(&["sign", "twin", "--key", "alice.key"]);
    let said = site.ends(&["verify", "twin", "--trust", "trust"], 5);
    assert!(said.contains("error[E511]"), "{said}");
}
