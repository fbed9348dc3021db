//! The dossier, the policy of a transfer, reports as evidence, and the chain of one file.
#![expect(clippy::unwrap_used, reason = "a test that panics says so")]

use std::path::PathBuf;
use std::process::{Command, Output};

use haversack::bundle::contents::FileKind;
use haversack::bundle::{Item, PackRequest, Source, sign};
use haversack::trust::key::SigningKey;
use haversack::types::digest::Digest;
use serde_json::Value;

use crate::support::bundles::{Sandbox, info};

/// An artifact of which everything is known.
fn artifact(sandbox: &Sandbox, path: &str, bytes: &[u8]) -> Item {
    let digest = sandbox.store.put(bytes).unwrap();
    let size = u64::try_from(bytes.len()).unwrap();
    let mut info = info(size, FileKind::Artifact);
    info.components = vec!["app".parse().unwrap()];
    info.version = Some("1.2.3".to_owned());
    info.url = Some("https://example.org/app.tar.gz".parse().unwrap());
    info.vouched = vec![
        "upstream's checksum file states its SHA-256 (https://example.org/app.sha256)".to_owned(),
        "signed by the OpenPGP certificate A1B31D46F0F3A10B02CF2D44F8F2C31744774B28".to_owned(),
    ];
    Item {
        path: path.parse().unwrap(),
        source: Source::Stored { digest, size },
        info,
    }
}

struct Desk {
    sandbox: Sandbox,
}

impl Desk {
    /// A signed bundle `demo` of these payload files.
    fn new(files: &[(&str, &[u8])]) -> Self {
        let sandbox = Sandbox::new();
        let key = SigningKey::generate().unwrap();
        let items = files
            .iter()
            .map(|(path, bytes)| artifact(&sandbox, path, bytes));
        let request = PackRequest {
            items: items.collect(),
            ..sandbox.request()
        };
        let bundle = sandbox.pack("demo", &request);
        let _ = sign(&bundle.path, &key).unwrap();
        sandbox.trust("trust", &[&key], "");
        Self { sandbox }
    }

    fn good() -> Self {
        Self::new(&[
            ("v1/files/app/app.tar.gz", b"\x1f\x8b\x08 packed"),
            ("v1/files/app/tool", b"\x7fELF program"),
        ])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
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

    fn ends(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        self.ends(args, 0)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

/// The digest of a report's body, as another program computes it.
fn body_by_python(path: &std::path::Path) -> String {
    let script = "import hashlib,json,sys\nb=json.load(open(sys.argv[1]))['body']\n\
        t=json.dumps(b,sort_keys=True,separators=(',',':'),ensure_ascii=False)\n\
        print(hashlib.sha256(t.encode()).hexdigest(),end='')";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(path)
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn the_dossier_names_everything_of_every_file_in_four_forms_of_one_value() {
    let desk = Desk::good();
    let json = desk.ok(&["dossier", "demo", "--trust", "trust", "--format", "json"]);
    desk.write("dossier.json", &json);
    let report: Value = serde_json::from_str(&json).unwrap();
    let body = report.get("body").unwrap();
    let files = body.get("files").unwrap().as_array().unwrap();
    let listed = std::fs::read_to_string(desk.path("demo/SHA256SUMS")).unwrap();
    assert_eq!(files.len(), listed.lines().count() - 9);
    let app = files
        .iter()
        .find(|row| row.get("path").unwrap() == "v1/files/app/app.tar.gz")
        .unwrap();
    assert_eq!(
        app,
        &serde_json::json!({
            "path": "v1/files/app/app.tar.gz",
            "volume": "v1",
            "kind": "artifact",
            "name": "app",
            "version": "1.2.3",
            "licence": "not stated",
            "size": 10,
            "declared": "gzip",
            "detected": "gzip",
            "sha256": Digest::of(b"\x1f\x8b\x08 packed").to_string(),
            "url": "https://example.org/app.tar.gz",
            "evidence": [
                "upstream's checksum file states its SHA-256 (https://example.org/app.sha256)",
                "signed by the OpenPGP certificate A1B31D46F0F3A10B02CF2D44F8F2C31744774B28",
            ],
            "stand_in": false,
        })
    );
    assert_eq!(body.get("marking").unwrap(), "UNCLASSIFIED");
    assert!(
        body.get("signature")
            .unwrap()
            .as_str()
            .unwrap()
            .starts_with("good, by ")
    );
    assert_eq!(body.get("attention").unwrap(), &serde_json::json!([]));
    let digest = report.get("body_sha256").unwrap().as_str().unwrap();
    assert_eq!(body_by_python(&desk.path("dossier.json")), digest);
    // Again, and from a copy at another place, the same bytes.
    assert_eq!(
        desk.ok(&["dossier", "demo", "--trust", "trust", "--format", "json"]),
        json
    );

    let text = desk.ok(&["dossier", "demo", "--trust", "trust"]);
    assert!(
        text.starts_with("UNCLASSIFIED\n") && text.ends_with("\nUNCLASSIFIED\n"),
        "{text}"
    );
    assert!(text.contains(&format!("body SHA-256 {digest}")), "{text}");
    assert!(text.contains("  type      gzip, named as gzip\n"), "{text}");
    assert_eq!(desk.ok(&["report", "dossier.json"]), text);
    let csv = desk.ok(&["dossier", "demo", "--format", "csv"]);
    assert_eq!(csv.lines().count(), files.len() + 1);
    assert!(
        csv.contains("\r\nv1/files/app/tool,v1,artifact,app,1.2.3,not stated,12,,elf,false,"),
        "{csv}"
    );
    let page = desk.ok(&["dossier", "demo", "--format", "html"]);
    assert!(!page.contains("<script") && !page.contains("{{"), "{page}");
    assert!(page.contains("not checked: no trust directory was given"));
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_named() {
    let desk = Desk::new(&[(
        "v1/files/app/app.tar.gz",
        b"<!DOCTYPE html><title>Not found",
    )]);
    let text = desk.ok(&["dossier", "demo"]);
    assert!(
        text.contains("v1/files/app/app.tar.gz: named as gzip, but its bytes are html"),
        "{text}"
    );
    let page = desk.ok(&["dossier", "demo", "--format", "html"]);
    assert!(page.contains("<b>html, but named as gzip</b>"), "{page}");
}

#[test]
fn a_file_that_is_not_the_one_that_was_signed_has_no_dossier() {
    let desk = Desk::good();
    let tool = desk.path("demo/v1/files/app/tool");
    for (bytes, id) in [(&b"\x7fELF pr0gram"[..], "E301"), (b"\x7fELF", "E302")] {
        std::fs::write(&tool, bytes).unwrap();
        let output = desk.run(&["dossier", "demo", "--trust", "trust"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(output.stdout.is_empty(), "{said}");
        assert!(
            said.contains(&format!("error[{id}]: v1/files/app/tool: ")),
            "{said}"
        );
    }
}

#[test]
fn every_violation_of_the_policy_is_listed_with_place_and_fix() {
    let desk = Desk::good();
    desk.write(
        "policy.toml",
        "format = 1\ntypes = [\"gzip\", \"text\", \"script\"]\nlicences = [\"MIT\"]\nmarkings = [\"RESTRICTED\"]\n\
         name-characters = \"a-z0-9./\"\nmax-file-bytes = 11\nmax-bytes = 100\nmax-files = 3\nmax-name = 30\n\
         [[licence]]\ncomponent = \"app\"\nlicence = \"GPL-3.0-only\"\n",
    );
    let json = desk.ends(
        &[
            "dossier",
            "demo",
            "--policy",
            "policy.toml",
            "--format",
            "json",
        ],
        5,
    );
    let report: Value = serde_json::from_str(&json).unwrap();
    let violations = report
        .pointer("/body/violations")
        .unwrap()
        .as_array()
        .unwrap();
    let of = |path: Option<&str>| -> Vec<String> {
        let found = violations
            .iter()
            .filter(|one| one.get("path").unwrap().as_str() == path);
        found
            .map(|one| {
                assert!(!one.get("fix").unwrap().as_str().unwrap().is_empty());
                format!(
                    "{}: {}",
                    one.get("rule").unwrap().as_str().unwrap(),
                    one.get("found").unwrap().as_str().unwrap()
                )
            })
            .collect()
    };
    let whole = of(None);
    assert_eq!(
        whole.first().unwrap(),
        "markings (line 4): marked UNCLASSIFIED"
    );
    assert_eq!(whole.get(1).unwrap(), "max-files (line 8): 6 files");
    assert!(whole.get(2).unwrap().starts_with("max-bytes (line 7): "));
    assert_eq!(
        of(Some("v1/files/app/tool")),
        [
            "types (line 2): its bytes are elf",
            "licences (line 3): app: licence GPL-3.0-only",
            "max-file-bytes (line 6): 12 bytes",
        ]
    );
    assert_eq!(
        of(Some("README.txt")).first().unwrap(),
        "name-characters (line 5): its path has `README`"
    );
    // The same bundle under a policy that it fits.
    desk.write(
        "wide.toml",
        "format = 1\nlicences = [\"GPL-3.0-only\"]\nmarkings = [\"UNCLASSIFIED\"]\nmismatch = \"refuse\"\n\
         name-characters = \"A-Za-z0-9._+~/-\"\nscanner-limit = 12\n[[licence]]\ncomponent = \"app\"\nlicence = \"GPL-3.0-only\"\n",
    );
    let text = desk.ok(&["dossier", "demo", "--policy", "wide.toml"]);
    assert!(
        text.contains("v1/files/app/tool: 12 bytes; scan engines pass over files of 12 bytes"),
        "{text}"
    );
    for (policy, said) in [
        (
            "format = 1\ntipes = []\n",
            "line 2, column 1: unknown field",
        ),
        (
            "format = 2\nnew = 1\n",
            "line 1, column 1: policy format 2; this program knows 1",
        ),
        (
            "format = 1\nname-characters = \"z-a\"\n",
            "line 2, column 19: characters or ranges",
        ),
    ] {
        desk.write("policy.toml", policy);
        let refused = desk.run(&["dossier", "demo", "--policy", "policy.toml"]);
        let error = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{error}");
        assert!(
            error.contains("error[E297]") && error.contains(said),
            "{error}"
        );
    }
}

#[test]
fn two_auditors_get_the_same_body_and_the_text_comes_from_it() {
    let desk = Desk::good();
    let verify = |state: &str, report: &str, place: &str| {
        desk.ok(&[
            "verify", place, "--trust", "trust", "--state", state, "--report", report,
        ]);
        let text = std::fs::read_to_string(desk.path(report)).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        value
    };
    let one = verify("s1", "one.json", "demo");
    // Another auditor, who has seen it before, at another place.
    let copied = Command::new("cp")
        .args(["-r", "demo", "elsewhere"])
        .current_dir(desk.sandbox.folder.path())
        .status();
    assert!(copied.unwrap().success());
    verify("s2", "again.json", "elsewhere");
    let two = verify("s2", "two.json", "elsewhere");
    assert_eq!(one.get("body"), two.get("body"));
    assert_eq!(one.get("body_sha256"), two.get("body_sha256"));
    assert_eq!(one.pointer("/header/observed/standing").unwrap(), "first");
    assert_eq!(two.pointer("/header/observed/standing").unwrap(), "same");
    let digest = one.get("body_sha256").unwrap().as_str().unwrap();
    assert_eq!(body_by_python(&desk.path("one.json")), digest);
    let text = desk.ok(&["report", "one.json"]);
    assert!(
        text.starts_with("UNCLASSIFIED\n\nVERIFICATION REPORT\n\nverdict     GOOD\n"),
        "{text}"
    );
    assert!(text.contains(&format!("body SHA-256 {digest}\n")), "{text}");
    // A report that somebody worked at is not shown.
    let edited = std::fs::read_to_string(desk.path("one.json")).unwrap();
    desk.write("one.json", &edited.replace("\"good\"", "\"fine\""));
    let refused = desk.run(&["report", "one.json"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("error[E367]")
    );

    // A bad bundle has a report too, with another body.
    std::fs::write(desk.path("elsewhere/v1/files/app/tool"), b"\x7fELF pr0gram").unwrap();
    desk.ends(
        &[
            "verify",
            "elsewhere",
            "--trust",
            "trust",
            "--report",
            "bad.json",
        ],
        3,
    );
    let bad = desk.ok(&["report", "bad.json"]);
    assert!(
        bad.contains("verdict     BAD\n") && bad.contains("wrong       [E301] v1/files/app/tool: "),
        "{bad}"
    );
}

#[test]
fn the_chain_of_one_file_is_shown_link_by_link() {
    let desk = Desk::good();
    std::fs::copy(
        desk.path("demo/v1/files/app/tool"),
        desk.path("staged-tool"),
    )
    .unwrap();
    desk.write("installed-tool", "something else");
    let file = "v1/files/app/tool";
    let said = desk.ok(&[
        "inspect",
        "demo",
        "--trust",
        "trust",
        "--file",
        file,
        "--staged",
        "staged-tool",
    ]);
    let links: Vec<&str> = said.lines().collect();
    let digest = Digest::of(b"\x7fELF program");
    for (line, wanted) in links.iter().zip([
        "stated      upstream signature  signed by the OpenPGP certificate A1B31D46",
        "stated      upstream hash       upstream's checksum file states its SHA-256",
        &format!("checked     list                {digest}  {file}"),
        "checked     signature           ",
        "checked     volume              v1",
        "checked     staged              staged-tool (mode ",
    ]) {
        assert!(line.starts_with(wanted), "{line}\n{wanted}");
    }
    assert_eq!(links.len(), 6);
    let said = desk.ends(
        &[
            "inspect",
            "demo",
            "--file",
            file,
            "--installed",
            "installed-tool",
        ],
        3,
    );
    assert!(
        said.contains("not-checked signature           no trust directory was given"),
        "{said}"
    );
    assert!(
        said.contains("BROKEN      installed           installed-tool (mode "),
        "{said}"
    );
    std::fs::write(desk.path("demo").join(file), b"\x7fELF pr0gram").unwrap();
    let said = desk.ends(&["inspect", "demo", "--file", file], 3);
    assert!(said.contains("BROKEN      list "), "{said}");
    desk.ends(&["inspect", "demo", "--file", "v1/nothing"], 3);
}

#[test]
fn a_build_that_the_policy_forbids_writes_nothing_and_lists_every_violation() {
    let desk = Desk::good();
    desk.write(
        "own.toml",
        "format = 1\nname = \"own\"\ntarget = { distribution = \"debian-12\", arch = \"amd64\" }\n\
         [[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1\"\nurl = \"file:tool.bin\"\n\
         trust = { first-lock = \"made in this house\" }\n",
    );
    desk.write("tool.bin", "\u{7f}ELF no real program");
    desk.write(
        "narrow.toml",
        "format = 1\ntypes = [\"text\"]\nlicences = [\"MIT\"]\nmarkings = [\"SECRET\"]\n",
    );
    let store = ["--store", "own-store"];
    desk.ok(&[&["lock", "own.toml"], &store[..]].concat());
    let build = |policy: &str, code: i32| {
        let args = ["build", "own.toml", "-o", "own", "--policy", policy];
        let output = desk.run(&[&args[..], &store[..]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        error
    };
    let said = build("narrow.toml", 5);
    assert!(
        said.contains("error[E526]: 3 violations of the policy narrow.toml; nothing was written"),
        "{said}"
    );
    for line in [
        "  the bundle: marked UNMARKED; rule markings (line 4); build with --marking as the policy has it\n",
        "  v1/files/extra-tool/tool.bin: its bytes are elf; rule types (line 2); ",
        "  v1/files/extra-tool/tool.bin: extra-tool: licence not stated; rule licences (line 3); ",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!desk.path("own").exists());
    // Before there is a bundle, the lock has a dossier too.
    let said = desk.ok(&["dossier", "own.lock", "--store", "own-store"]);
    assert!(
        said.starts_with("NOT YET MARKED\n")
            && said.contains("type      elf, its name promises nothing"),
        "{said}"
    );
    let said = desk.ok(&["dossier", "own.lock"]);
    assert!(said.contains("type      not read"), "{said}");
    desk.write(
        "wide.toml",
        "format = 1\ntypes = [\"text\", \"elf\"]\nmarkings = [\"UNMARKED\"]\nlicences = [\"MIT\"]\n\
         [[licence]]\ncomponent = \"extra-tool\"\nlicence = \"MIT\"\n",
    );
    build("wide.toml", 0);
    assert!(desk.path("own/SHA256SUMS").exists());
}
