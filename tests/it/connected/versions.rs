//! Versions from a publisher's list: releases, listings, package indexes; kept, moved, refused.

use std::path::Path;
use std::process::{Command, Output};

use haversack::event::{Cancel, Silent};
use haversack::lock::Lock;
use haversack::manifest::{Draft, Manifest};
use haversack::resolve::{Earlier, Options, ResolveError, Update, as_locked, choose_versions};
use haversack::sources::http::Web;

use super::{Bench, TOOL, TOOL_SHA256, TWO, head};
use crate::apt::own::{Repository, SIGNER};
use crate::support::http::Server;

/// The version that a manifest with these lines has after the lists were asked.
fn chosen(lines: &str) -> Result<Manifest, ResolveError> {
    chosen_after(lines, Earlier::default())
}

fn chosen_after(lines: &str, earlier: Earlier) -> Result<Manifest, ResolveError> {
    let bench = Bench::new();
    let draft = Draft::parse(&(head() + lines), "m.toml").unwrap_or_else(|e| panic!("{e}"));
    let options = Options {
        system_root: "/".into(),
        now: "2026-11-23T18:00:00Z".parse().unwrap(),
        jobs: TWO,
        earlier,
    };
    let web = Web::new(bench.client.clone(), Cancel::new());
    let folder = bench.folder.path();
    choose_versions(
        &draft,
        folder,
        &web,
        &bench.store,
        &options,
        &Silent,
        &Cancel::new(),
    )
}

fn tool(version: &str, lines: &str) -> String {
    format!(
        "[[artifact]]\ncomponent = \"extra-tool\"\nversion = \"{version}\"\n{lines}\n\
         url = \"https://example.org/tool-{{version}}.tar.gz\"\nsha256 = \"{TOOL_SHA256}\"\n"
    )
}

#[track_caller]
fn version(lines: &str) -> String {
    let manifest = chosen(lines).unwrap();
    let artifact = &manifest.artifacts[0];
    let place = format!("https://example.org/tool-{}.tar.gz", artifact.version);
    assert_eq!(artifact.source.to_string(), place);
    artifact.version.clone()
}

fn releases(tags: &[(&str, &str)]) -> String {
    let all: Vec<String> = tags
        .iter()
        .map(|(tag, more)| format!(r#"{{"tag_name":"{tag}"{more}}}"#))
        .collect();
    format!("[{}]", all.join(","))
}

#[test]
fn releases_are_read_page_by_page_without_drafts_and_prereleases() {
    let server = Server::start();
    let page = |repository: &str, number: usize, tags: &[(&str, &str)]| {
        let path = format!("repos/{repository}/releases?per_page=100&page={number}");
        server.put(&path, releases(tags));
    };
    // A first page of a hundred patches of a newer line: what is wanted stands on the second.
    let many: Vec<String> = (0..100).map(|patch| format!("v2.0.{patch}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|tag| (tag.as_str(), "")).collect();
    page("example/tool", 1, &many);
    page(
        "example/tool",
        2,
        &[
            ("v1.2.9", r#","prerelease":true"#),
            ("v1.2.8", r#","draft":true"#),
            ("v1.2.7-rc.1", ""),
            ("v1.2.6", ""),
            ("nightly", ""),
            ("1.2.5", ""),
        ],
    );
    let api = server.url("");
    let from = format!("versions = {{ github = \"example/tool\", api = \"{api}\" }}");
    assert_eq!(version(&tool("~1.2", &from)), "1.2.6");
    assert_eq!(version(&tool("^2", &from)), "2.0.99");
    assert_eq!(version(&tool("2.0.7", &from)), "2.0.7");
    let early = format!("{from}\nprerelease = true");
    assert_eq!(version(&tool("~1.2", &early)), "1.2.9");
    let log = server.log();
    assert_eq!(log.len(), 8, "two pages for each question: {log:?}");

    page(
        "example/other",
        1,
        &[("tool/3.1.0-final", ""), ("tool/3.2.0", "")],
    );
    let tagged = format!(
        "versions = {{ github = \"example/other\", tag = \"tool/{{version}}-final\", api = \"{api}\" }}"
    );
    assert_eq!(version(&tool("*", &tagged)), "3.1.0");

    let error = chosen(&tool("~9", &from)).unwrap_err();
    assert_eq!(error.id(), "E222");
    let place = server.url("repos/example/tool/releases");
    assert_eq!(
        error.to_string(),
        format!("no version of extra-tool that {place} lists meets `~9`; the newest is 2.0.99")
    );
    server.put(
        "repos/example/bad/releases?per_page=100&page=1",
        "{\"message\":\"rate limit\"}",
    );
    let bad = from.replace("example/tool", "example/bad");
    assert_eq!(chosen(&tool("*", &bad)).unwrap_err().id(), "E222");
    let gone = from.replace("example/tool", "example/gone");
    assert_eq!(chosen(&tool("*", &gone)).unwrap_err().id(), "E706");
}

#[test]
fn listings_of_folders_are_read_and_numbered_as_their_publishers_do() {
    let server = Server::start();
    server.put(
        "nginx",
        "<html><a href=\"nginx-1.30.4.tar.gz\">nginx-1.30.4.tar.gz</a> <a href=\"nginx-1.30.10.tar.gz\">\
         nginx-1.30.10.tar.gz</a><a href=\"nginx-1.31.3.tar.gz.asc\">x</a>",
    );
    server.put(
        "source",
        "<!DOCTYPE html><a href=\"v17.11/\">v17.11/</a><a href=\"v17.9/\">v17.9/</a><a href=\"v18.6/\">v18.6/</a>\
         <a href=\"v19beta3/\">v19beta3/</a><a href=\"v9.6.24/\">v9.6.24/</a>",
    );
    server.put(
        "minio",
        "<a href=\"minio.RELEASE.2025-09-07T16-13-09Z\"></a><a href=\"minio.RELEASE.2025-10-15T17-29-55Z\"></a>\
         <a href=\"minio.RELEASE.2024-01-01T00-00-00Z\"></a>",
    );
    let listing = |page: &str, pattern: &str, scheme: &str| {
        format!(
            "versions = {{ listing = \"{}\", pattern = '{pattern}' }}\nscheme = \"{scheme}\"",
            server.url(page)
        )
    };
    let nginx = listing("nginx", "nginx-{version}.tar.gz", "semver");
    assert_eq!(version(&tool("~1.30", &nginx)), "1.30.10");
    assert_eq!(version(&tool("*", &nginx)), "1.31.3");
    let source = listing("source", "\"v{version}/\"", "postgresql");
    assert_eq!(version(&tool("17", &source)), "17.11");
    assert_eq!(version(&tool("17.9", &source)), "17.9");
    assert_eq!(version(&tool("*", &source)), "18.6");
    assert_eq!(
        version(&tool("*", &format!("{source}\nprerelease = true"))),
        "19beta3"
    );
    let minio = listing("minio", "\"minio.{version}\"", "minio");
    assert_eq!(version(&tool("*", &minio)), "RELEASE.2025-10-15T17-29-55Z");
    assert_eq!(
        version(&tool("<RELEASE.2025-10-15T17-29-55Z", &minio)),
        "RELEASE.2025-09-07T16-13-09Z"
    );
}

/// The lines of a manifest for the repository `archive`, with the key that signs it.
pub(super) fn archive(repository: &Repository) -> String {
    let signer = repository
        .gpg
        .run(&["--with-colons", "--list-keys", SIGNER]);
    let signer = String::from_utf8(signer).unwrap();
    let signer = signer
        .lines()
        .find(|line| line.starts_with("fpr:"))
        .unwrap();
    let signer = signer.split(':').nth(9).unwrap();
    let key = repository.root().join("key.gpg");
    std::fs::write(&key, repository.gpg.export(SIGNER)).unwrap();
    format!(
        "[[key]]\nname = \"archive\"\nopenpgp = [\"{signer}\"]\nurl = \"file://{}\"\n\
         [apt]\n[[apt.repository]]\nname = \"archive\"\nuri = \"file://{}\"\nsuites = [\"stable\"]\n\
         components = [\"main\"]\nkey = \"archive\"\n",
        key.display(),
        repository.root().display(),
    )
}

#[test]
fn versions_of_a_package_come_from_a_signed_index() {
    let repository = Repository::new(&[
        "Package: tool\nVersion: 11.9.1-0",
        "Package: tool\nVersion: 1:11.10.1-0+deb12",
        "Package: toolbox\nVersion: 99.0.0-1",
    ]);
    let lines = tool(
        "^11",
        "versions = { apt = \"archive\", package = \"tool\" }",
    ) + &archive(&repository);
    assert_eq!(version(&lines), "11.10.1");
    // An index that is not signed by that key gives no versions.
    let release = repository.root().join("dists/stable/InRelease");
    let text = std::fs::read_to_string(&release).unwrap();
    std::fs::write(&release, text.replacen("Suite: stable", "Suite: stably", 1)).unwrap();
    assert_eq!(chosen(&lines).unwrap_err().id(), "E414");
    let problems = Draft::parse(
        &(head() + &lines.replace("apt = \"archive\"", "apt = \"other\"")),
        "m",
    );
    let problems = problems.unwrap_err().to_string();
    assert!(
        problems.contains("there is no [[apt.repository]] `other`"),
        "{problems}"
    );
}

#[test]
fn a_release_that_the_catalogue_refuses_is_passed_over_or_needs_a_reason() {
    let minio = |version: &str, more: &str| {
        format!(
            "[[artifact]]\ncomponent = \"minio\"\nversion = \"{version}\"\nscheme = \"minio\"\n\
             versions = [\"RELEASE.2025-09-07T16-13-09Z\", \"RELEASE.2025-10-15T17-29-55Z\"]\n\
             url = \"https://example.org/minio.{{version}}\"\nsha256 = \"{TOOL_SHA256}\"\n{more}\n"
        )
    };
    let old = "RELEASE.2025-09-07T16-13-09Z";
    let error = chosen(&minio(old, "")).unwrap_err();
    assert_eq!(error.id(), "E541");
    assert!(
        error
            .to_string()
            .starts_with(&format!("minio {old} is not taken: CVE-2025-62506: ")),
        "{error}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("accept = { \"CVE-2025-62506\" = \"why\" }")
    );
    let error = chosen(&minio("<RELEASE.2025-10-15T17-29-55Z", "")).unwrap_err();
    assert_eq!(error.id(), "E222", "passed over: {error}");
    let accept = "accept = { \"CVE-2025-62506\" = \"reached from one host only\" }";
    for wanted in [old, "<RELEASE.2025-10-15T17-29-55Z"] {
        let manifest = chosen(&minio(wanted, accept)).unwrap();
        assert_eq!(manifest.artifacts[0].version, old);
        assert_eq!(manifest.artifacts[0].accepted.len(), 1);
    }
    assert_eq!(
        chosen(&minio("*", "")).unwrap().artifacts[0].version,
        "RELEASE.2025-10-15T17-29-55Z"
    );
    for (wrong, why) in [
        (
            "accept = { \"CVE-1\" = \"no\" }",
            "at least 10 characters why CVE-1 is accepted",
        ),
        ("accept = [\"CVE-1\"]", "`accept` must be a table"),
        (
            "accept = { \"CVE 1\" = \"long enough reason\" }",
            "a finding is named by letters",
        ),
    ] {
        let problems = Draft::parse(&(head() + &minio(old, wrong)), "m")
            .unwrap_err()
            .to_string();
        assert!(problems.contains(why), "{problems}");
    }
}

#[test]
fn a_version_that_cannot_be_compared_with_an_advisory_is_refused_by_name() {
    let minio = |version: &str, more: &str| {
        format!(
            "[[artifact]]\ncomponent = \"minio\"\nversion = \"{version}\"\n\
             url = \"https://example.org/minio\"\nsha256 = \"{TOOL_SHA256}\"\n{more}\n"
        )
    };
    for version in ["2025-09-07", "RELEASE.2025-09-07T16-13-09Z.fips", "1.2.3"] {
        let error = chosen(&minio(version, "")).unwrap_err();
        assert_eq!(error.id(), "E541");
        assert_eq!(
            error.to_string(),
            format!(
                "minio {version} is not taken: CVE-2025-62506 concerns <RELEASE.2025-10-15T17-29-55Z of it, and this is \
                 no version that can be compared with that (https://github.com/minio/minio/issues/21661)"
            )
        );
        assert_eq!(
            error.hint().unwrap(),
            "write the version as its publisher does, such as RELEASE.2025-09-07T16-13-09Z, or state in the manifest \
             accept = { \"CVE-2025-62506\" = \"why\" }; no lock was written"
        );
        let accept = "accept = { \"CVE-2025-62506\" = \"reached from one host only\" }";
        let manifest = chosen(&minio(version, accept)).unwrap();
        assert_eq!(manifest.artifacts[0].version, version);
    }
    // What only stands in for the program is not judged, nor is another component.
    chosen(&minio("1.2.3", "stand-in = true")).unwrap();
    chosen(&minio("1.2.3", "").replace("\"minio\"", "\"mc\"")).unwrap();
}

/// The program, with a folder, a store and a publisher of its own.
struct Desk {
    folder: tempfile::TempDir,
    server: Server,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
            server: Server::start(),
        };
        for version in ["1.0.0", "1.0.1", "1.1.0", "2.0.0"] {
            desk.server
                .put(&format!("tool-{version}.bin"), format!("tool {version}"));
        }
        desk.release(&["v1.0.0"]);
        let manifest = format!(
            "{}[[artifact]]\ncomponent = \"extra-tool\"\nversion = \"^1\"\n\
             versions = {{ github = \"example/tool\", api = \"{}\" }}\nurl = \"{}\"\n\
             trust = {{ first-lock = \"a test publishes nothing\" }}\n",
            head(),
            desk.server.url(""),
            desk.server.url("tool-{version}.bin"),
        );
        desk.write("m.toml", &manifest);
        desk
    }

    fn release(&self, tags: &[&str]) {
        let tags: Vec<(&str, &str)> = tags.iter().map(|tag| (*tag, "")).collect();
        let path = "repos/example/tool/releases?per_page=100&page=1";
        self.server.put(path, releases(&tags));
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(arguments)
            .current_dir(self.path())
            .env("HAVERSACK_STORE", self.path().join("store"))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}\n{out}\n{err}"
        );
        out
    }
}

#[test]
fn a_locked_version_stays_until_a_person_lets_it_move() {
    let desk = Desk::new();
    let out = desk.ends(0, &["lock", "m.toml"]);
    assert!(
        out.contains("extra-tool     1.0.0") && out.contains("FIRST LOCK"),
        "{out}"
    );
    let first = desk.read("m.lock");
    desk.write("old.lock", &first);
    let out = desk.ends(0, &["outdated", "m.toml", "--strict"]);
    assert!(
        out.contains("extra-tool  tool-1.0.0.bin  1.0.0   1.0.0    -        1.0.0   -\n"),
        "{out}"
    );

    desk.release(&["v2.0.0", "v1.1.0", "v1.0.1", "v1.0.0"]);
    desk.ends(0, &["lock", "m.toml"]);
    assert_eq!(desk.read("m.lock"), first, "nothing moves by itself");
    let out = desk.ends(0, &["outdated", "m.toml"]);
    assert!(
        out.contains("1.0.0 !  1.1.0    -        2.0.0   -\n"),
        "{out}"
    );
    let json = desk.ends(1, &["outdated", "m.toml", "--strict", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["findings"], 1);
    let row = &json["components"][0];
    assert_eq!(
        (
            &row["locked"],
            &row["allowed"],
            &row["newest"],
            &row["state"]
        ),
        (
            &"1.0.0".into(),
            &"1.1.0".into(),
            &"2.0.0".into(),
            &"behind".into()
        )
    );

    let out = desk.ends(0, &["lock", "m.toml", "--update", "extra-tool"]);
    assert!(out.contains("extra-tool     1.1.0"), "{out}");
    desk.ends(0, &["outdated", "m.toml", "--strict"]);
    let out = desk.ends(1, &["diff", "old.lock", "m.lock"]);
    let digest = |version: &str| {
        haversack::types::digest::Digest::of(format!("tool {version}").as_bytes()).to_string()
    };
    let url = desk.server.url("");
    assert_eq!(
        out,
        format!(
            "sample 1.0.0 for debian-12 amd64 -> sample 1.1.0 for debian-12 amd64\npayload 10 B\n\
             ! extra-tool 1.0.0 -> 1.1.0\n    file      tool-1.0.0.bin -> tool-1.1.0.bin\n    size      10 B\n\
             \x20   sha256    {} -> {}\nnobody vouches for\n  extra-tool tool-1.1.0.bin: a test publishes nothing\n",
            digest("1.0.0"),
            digest("1.1.0")
        ),
        "{url}"
    );
    assert_eq!(
        desk.ends(0, &["diff", "m.lock", "m.lock"]),
        "no difference\n"
    );

    // A build takes what the lock has, whatever is newest; a lock of a version that is not allowed is stale.
    desk.release(&["v1.2.0"]);
    desk.ends(0, &["build", "m.toml", "-o", "out"]);
    let draft = Draft::parse(&desk.read("m.toml"), "m.toml").unwrap();
    let lock = Lock::parse(&desk.read("m.lock"), "m.lock").unwrap();
    let manifest = as_locked(&draft, &lock).unwrap();
    assert_eq!(manifest.artifacts[0].version, "1.1.0");
    let problems = Manifest::parse(&desk.read("m.toml"), "m.toml")
        .unwrap_err()
        .to_string();
    assert!(
        problems.contains("when the manifest is locked"),
        "{problems}"
    );
}

#[test]
fn a_version_of_the_catalogue_stays_as_locked_too() {
    let server = Server::start();
    server.put("mattermost-11.7.9-linux-amd64.tar.gz", TOOL);
    let lines = |wanted: &str, listed: &str| {
        format!(
            "[[artifact]]\ncomponent = \"mattermost\"\nversion = \"{wanted}\"\nversions = {listed}\nurl = \"{}\"\n\
             sha256 = \"{TOOL_SHA256}\"\n",
            server.url("mattermost-{version}-linux-amd64.tar.gz")
        )
    };
    let bench = Bench::new();
    let lock = bench
        .resolve(&(head() + &lines("11.7.9", "\"catalogue\"")))
        .unwrap();
    let after = |wanted: &str, listed: &str, update: Update| {
        let earlier = Earlier {
            lock: Some(lock.clone()),
            update,
        };
        let manifest = chosen_after(&lines(wanted, listed), earlier).unwrap();
        manifest.artifacts[0].version.clone()
    };
    let kept = || Update::default();
    assert_eq!(after("~11.7", "\"catalogue\"", kept()), "11.7.9");
    assert_eq!(after("~11.7", "\"catalogue\"", Update::All), "11.7.10");
    // No longer allowed, or no longer listed.
    assert_eq!(after("~11.8", "\"catalogue\"", kept()), "11.8.5");
    assert_eq!(
        after("~11.7", "[\"11.7.10\", \"11.7.8\"]", kept()),
        "11.7.10"
    );
}

#[test]
fn outdated_marks_what_its_source_withdrew_and_explains_only_the_marks_that_are_there() {
    let desk = Desk::new();
    desk.release(&["v1.0.1", "v1.0.0"]);
    desk.ends(0, &["lock", "m.toml"]);
    let out = desk.ends(0, &["outdated", "m.toml", "--strict"]);
    assert_eq!(
        out,
        "component   what            locked  allowed  in line  newest  support ends\n\
         extra-tool  tool-1.0.1.bin  1.0.1   1.0.1    -        1.0.1   -\n"
    );

    desk.release(&["v1.0.0"]);
    let out = desk.ends(1, &["outdated", "m.toml", "--strict"]);
    assert!(out.contains("1.0.1 WITHDRAWN  1.0.0    -  "), "{out}");
    assert!(
        out.contains("\nWITHDRAWN its source no longer lists"),
        "{out}"
    );
    assert!(!out.contains("! the manifest allows"), "{out}");

    desk.release(&["v1.1.0"]);
    let out = desk.ends(1, &["outdated", "m.toml", "--strict"]);
    assert!(out.contains("1.0.1 ! WITHDRAWN  1.1.0    -  "), "{out}");
    assert!(
        out.contains("\n! the manifest allows a newer version"),
        "{out}"
    );
}
