//! A bundle's evidence, checked again by Haversack without network, and by the commands that the bundle
//! itself gives, with the real gpgv, minisign and coreutils.

use std::path::Path;
use std::process::{Command, Output};

use haversack::types::digest::Digest;
use haversack::types::sha512::Sha512;

use crate::apt::openpgp::Gpg;
use crate::apt::own::{Repository, SIGNER};
use crate::support::http::Server;

const TOOL: &[u8] = include_bytes!("../../fixtures/connected/tool-1.2.3-linux-amd64.tar.gz");
const SIGNATURE: &[u8] =
    include_bytes!("../../fixtures/connected/tool-1.2.3-linux-amd64.tar.gz.sig");
const KEY: &[u8] = include_bytes!("../../fixtures/connected/release.asc");
const RELEASE_KEY: &str = "5833ABC70DBC595C2D12CE185B335FF8DBEB4966";

/// A folder with a manifest of every kind of evidence, and what serves it.
struct Desk {
    folder: tempfile::TempDir,
    _server: Server,
    _repository: Repository,
}

fn minisign(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("minisign");
    let output = command
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

impl Desk {
    #[expect(clippy::too_many_lines, reason = "each kind of evidence once")]
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let server = Server::start();
        let (sha256, sha512) = (Digest::of(TOOL), Sha512::of(TOOL).unwrap());
        let gpg = Gpg::new();
        let sums_key = gpg.key("sums@example", "ed25519", "20260101T000000", "0");
        let list = |name: &str| format!("{sha256}  ./{name}\n");
        let signed = |name: &str, form: &[&str]| {
            let file = gpg.path("list", list(name).as_bytes());
            gpg.sign("sums@example", form, "20260201T000000", &file)
        };
        server.put("release.asc", KEY);
        server.put("sums.gpg", gpg.export("sums@example"));
        for name in [
            "openpgp", "minisign", "sums", "clear", "detached", "wide", "page", "api",
        ] {
            server.put(&format!("{name}.bin"), TOOL);
        }
        server.put("openpgp.bin.sig", SIGNATURE);
        let tool = folder.path().join("tool");
        std::fs::write(&tool, TOOL).unwrap();
        minisign(folder.path(), &["-G", "-W", "-p", "m.pub", "-s", "m.key"]);
        minisign(
            folder.path(),
            &[
                "-S",
                "-W",
                "-s",
                "m.key",
                "-m",
                "tool",
                "-x",
                "m.sig",
                "-t",
                "file:tool",
            ],
        );
        let public = std::fs::read_to_string(folder.path().join("m.pub")).unwrap();
        let public = public.lines().nth(1).unwrap();
        server.put(
            "minisign.bin.minisig",
            std::fs::read(folder.path().join("m.sig")).unwrap(),
        );
        server.put("SHA256SUMS", list("sums.bin"));
        server.put("clear.txt", signed("clear.bin", &["--clear-sign"]));
        server.put("detached.txt", list("detached.bin"));
        server.put(
            "detached.txt.sig",
            signed("detached.bin", &["--detach-sign"]),
        );
        server.put("SHA512SUMS", format!("SHA512 (wide.bin) = {sha512}\n"));
        server.put(
            "notes.html",
            format!("<!DOCTYPE html><b>page.bin</b>\n<code>{sha256}</code>"),
        );
        server.put(
            "repos/example/api/releases/tags/v1.2.3",
            format!(r#"{{"assets":[{{"name":"api.bin","digest":"sha256:{sha256}"}}]}}"#),
        );
        let repository = Repository::new(&["Package: tool\nVersion: 1.2.3-1"]);
        let keys = repository
            .gpg
            .run(&["--with-colons", "--list-keys", SIGNER]);
        let keys = String::from_utf8(keys).unwrap();
        let archive = keys.lines().find(|line| line.starts_with("fpr:")).unwrap();
        let archive = archive.split(':').nth(9).unwrap();
        let key = folder.path().join("archive.gpg");
        std::fs::write(key, repository.gpg.export(SIGNER)).unwrap();
        let mut manifest = format!(
            "format = 1\nname = \"sample\"\ntarget = {{ distribution = \"debian-12\", arch = \"amd64\" }}\n\
             [[key]]\nname = \"release\"\nopenpgp = [\"{RELEASE_KEY}\"]\nurl = \"{}\"\n\
             [[key]]\nname = \"sums\"\nopenpgp = [\"{sums_key}\"]\nurl = \"{}\"\n\
             [[key]]\nname = \"archive\"\nopenpgp = [\"{archive}\"]\npath = \"archive.gpg\"\n",
            server.url("release.asc"),
            server.url("sums.gpg"),
        );
        for (name, evidence) in [
            (
                "openpgp",
                "signature = { openpgp = \"{url}.sig\", key = \"release\" }".to_owned(),
            ),
            (
                "minisign",
                format!("signature = {{ minisign = \"{{url}}.minisig\", key = \"{public}\" }}"),
            ),
            (
                "sums",
                format!("sha256 = {{ url = \"{}\" }}", server.url("SHA256SUMS")),
            ),
            (
                "clear",
                format!(
                    "sha256 = {{ url = \"{}\", key = \"sums\" }}",
                    server.url("clear.txt")
                ),
            ),
            (
                "detached",
                format!(
                    "sha256 = {{ url = \"{0}\", signature = \"{0}.sig\", key = \"sums\" }}",
                    server.url("detached.txt")
                ),
            ),
            (
                "wide",
                format!("sha512 = {{ url = \"{}\" }}", server.url("SHA512SUMS")),
            ),
            (
                "page",
                format!(
                    "sha256 = {{ page = \"{}\", pattern = \"<b>{{file}}</b> <code>{{sha256}}</code>\" }}",
                    server.url("notes.html")
                ),
            ),
            (
                "api",
                format!(
                    "sha256 = {{ release = \"github:example/api\", tag = \"v{{version}}\", api = \"{}\" }}\n\
                     trust = {{ first-lock = \"this test publishes nothing\" }}",
                    server.url("")
                ),
            ),
        ] {
            manifest += &format!(
                "[[artifact]]\ncomponent = \"extra-{name}\"\nversion = \"1.2.3\"\nurl = \"{}\"\n{evidence}\n",
                server.url(&format!("{name}.bin"))
            );
        }
        manifest += &format!(
            "[apt]\nbase = \"nothing\"\n[[apt.repository]]\nname = \"archive\"\nuri = \"file://{}\"\nsuites = [\"stable\"]\n\
             components = [\"main\"]\nkey = \"archive\"\n[[apt.packages]]\ncomponent = \"extra-deb\"\ninstall = [\"tool\"]\n",
            repository.root().display()
        );
        std::fs::write(folder.path().join("m.toml"), manifest).unwrap();
        Self {
            folder,
            _server: server,
            _repository: repository,
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HAVERSACK_STORE", self.folder.path().join("store"))
            .env("HAVERSACK_STATE", self.folder.path().join("state"))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The commands that the bundle gives, and whether each succeeds in the folder of the bundle.
    fn by_hand(&self) -> Vec<(String, bool)> {
        let bundle = self.folder.path().join("out");
        let text = std::fs::read_to_string(bundle.join("evidence/README.txt")).unwrap();
        let scratch = self.folder.path().join("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        let commands = text.lines().filter_map(|line| line.strip_prefix("  $ "));
        let mut all = Vec::new();
        for command in commands {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", command])
                .current_dir(&bundle)
                .env("TMPDIR", &scratch);
            shell.env("GNUPGHOME", &scratch);
            let output = shell.output().unwrap();
            all.push((command.to_owned(), output.status.success()));
        }
        all
    }
}

#[test]
fn the_evidence_of_a_bundle_holds_again_without_network_and_by_hand() {
    let desk = Desk::new();
    let locked = desk.ok(&["lock", "m.toml"]);
    let first = "FIRST LOCK extra-api api.bin: this test publishes nothing";
    assert!(locked.contains(first), "{locked}");
    let built = desk.ok(&["build", "m.toml", "-o", "out"]);
    assert!(built.contains(first), "{built}");
    desk.ok(&["keygen", "key"]);
    desk.ok(&["sign", "out", "--key", "key.key"]);
    std::fs::create_dir(desk.folder.path().join("trust")).unwrap();
    std::fs::copy(
        desk.folder.path().join("key.pem"),
        desk.folder.path().join("trust/key.pem"),
    )
    .unwrap();
    let inspected = desk.ok(&["inspect", "out"]);
    assert!(
        inspected.contains("nobody: pinned when it was first locked; this test publishes nothing")
    );

    // An auditor, later, on a machine of its own: no store, no network.
    let desk = Desk {
        _server: Server::start(),
        ..desk
    };
    std::fs::remove_dir_all(desk.folder.path().join("store")).unwrap();
    let said = desk.ok(&["verify", "out", "--trust", "trust", "--evidence"]);
    assert!(
        said.contains(
            "FIRST LOCK v1/files/extra-api/api.bin: pinned when it was first locked; this test"
        ),
        "{said}"
    );
    assert!(
        said.contains("evidence  9 pieces of 8 files hold, and the signed indexes of 1 repository for 1 package"),
        "{said}"
    );

    let commands = desk.by_hand();
    for (command, good) in &commands {
        assert!(good, "{command}");
    }
    let count = |program: &str| {
        commands
            .iter()
            .filter(|(line, _)| line.starts_with(program))
            .count()
    };
    let kinds = ["gpgv", "gpg --dearmor", "minisign", "grep", "test"];
    println!(
        "commands by hand: {:?}",
        kinds.map(|kind| (kind, count(kind)))
    );
    assert_eq!(kinds.map(count), [4, 1, 1, 4, 9]);
    assert_eq!(commands.len(), 19);

    // Every payload file replaced: what is checked over the file fails, and the checksums' own
    // signatures hold still.
    let files = desk.folder.path().join("out/v1/files");
    for name in [
        "openpgp", "minisign", "sums", "clear", "detached", "wide", "page", "api",
    ] {
        std::fs::write(files.join(format!("extra-{name}/{name}.bin")), b"evil").unwrap();
    }
    let index = desk
        .folder
        .path()
        .join("out/v1/apt/archive/dists/stable/InRelease");
    let text = std::fs::read_to_string(&index).unwrap();
    std::fs::write(&index, text.replacen("Suite: stable", "Suite: stably", 1)).unwrap();
    for (command, good) in desk.by_hand() {
        let over_the_file = command.contains("v*/");
        assert_eq!(good, !over_the_file, "{command}");
    }
    let output = desk.run(&["verify", "out", "--trust", "trust", "--evidence"]);
    assert_eq!(output.status.code(), Some(3));
}

/// A builder whose lock says more than its evidence does: the auditor's command finds it.
#[test]
fn a_bundle_whose_lock_is_not_proven_by_its_evidence_is_found_out() {
    let desk = Desk::new();
    desk.ok(&["build", "m.toml", "-o", "out"]);
    let bundle = desk.folder.path().join("out");
    // The publisher's signature over the list of another file, under the same name: signed into a bundle
    // by a builder who does not check.
    let clear = bundle.join("evidence/upstream/extra-clear/clear.txt");
    let text = std::fs::read_to_string(&clear).unwrap();
    let forged = text.replacen("clear.bin", "other.bin", 1);
    std::fs::write(&clear, &forged).unwrap();
    let sums = bundle.join("SHA256SUMS");
    let (old, new) = (
        Digest::of(text.as_bytes()).to_string(),
        Digest::of(forged.as_bytes()).to_string(),
    );
    let list = std::fs::read_to_string(&sums).unwrap();
    assert!(list.contains(&old));
    std::fs::write(&sums, list.replace(&old, &new)).unwrap();
    desk.ok(&["keygen", "key"]);
    desk.ok(&["sign", "out", "--key", "key.key"]);
    std::fs::create_dir(desk.folder.path().join("trust")).unwrap();
    std::fs::copy(
        desk.folder.path().join("key.pem"),
        desk.folder.path().join("trust/key.pem"),
    )
    .unwrap();
    let output = desk.run(&["verify", "out", "--trust", "trust", "--evidence"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("error[E331]"), "{said}");
    // It was not taken in: a bundle of the same number that holds is no second one.
    assert!(!desk.folder.path().join("state/accepted.json").exists());
    desk.ok(&["verify", "out", "--trust", "trust"]);
    assert!(desk.folder.path().join("state/accepted.json").exists());
}
