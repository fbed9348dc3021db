//! Versions from the index of an rpm repository, made by the real `rpmbuild` and `createrepo_c`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::apt::openpgp::Gpg;
use crate::support::http::Server;

const SIGNER: &str = "rpm@example";
const AT: &str = "20260201T000000";

/// A repository on a server, and a person with a manifest that asks it.
struct Bench {
    folder: tempfile::TempDir,
    server: Server,
    gpg: Gpg,
}

impl Bench {
    /// With these packages: name, architecture, version with epoch, release.
    fn new(packages: &[(&str, &str, &str)]) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            server: Server::start(),
            gpg: Gpg::new(),
        };
        for version in ["1.0.0", "1.2.0", "1.10.0", "1.11.0-rc.1", "2.0.0"] {
            let path = format!("tool-{version}.bin");
            bench.server.put(&path, format!("tool {version}"));
        }
        for package in packages {
            bench.add(package);
        }
        bench.publish(&[]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Builds a package without files.
    fn add(&self, (name, arch, version): &(&str, &str, &str)) {
        let (epoch, version) = version.split_once(':').unwrap_or(("0", version));
        let spec = self.path("tool.spec");
        std::fs::write(
            &spec,
            format!(
                "Name: {name}\nEpoch: {epoch}\nVersion: {version}\nRelease: 1\nSummary: a test & more\n\
                 License: none\n%description\nA test <of> indexes.\n%files\n"
            ),
        )
        .unwrap();
        let define = |name: &str, path: &Path| format!("{name} {}", path.display());
        real(
            Command::new("rpmbuild")
                .args(["-bb", "--quiet", "--target", arch])
                .args(["--define", &define("_topdir", &self.path("build"))])
                .args(["--define", &define("_rpmdir", &self.path("repo"))])
                .arg(&spec),
        );
    }

    /// Makes the index, and puts it on the server.
    fn publish(&self, options: &[&str]) {
        let _ = std::fs::remove_dir_all(self.path("repo/repodata"));
        real(
            Command::new("createrepo_c")
                .args(["--quiet", "--no-database"])
                .args(options)
                .arg(self.path("repo")),
        );
        for entry in std::fs::read_dir(self.path("repo/repodata")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            self.server.put(&format!("repo/repodata/{name}"), bytes);
        }
    }

    /// The name of the list of packages.
    fn primary(&self) -> String {
        let mut names = std::fs::read_dir(self.path("repo/repodata"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.find(|name| name.contains("-primary.xml")).unwrap()
    }

    fn manifest(&self, arch: &str, version: &str, key: &str, more: &str) {
        let text = format!(
            "format = 1\nname = \"sample\"\ntarget = {{ distribution = \"rhel-9\", arch = \"{arch}\" }}\n\
             [[artifact]]\ncomponent = \"extra-tool\"\nversion = \"{version}\"\n\
             versions = {{ rpm = \"{}\", package = \"tool\"{key} }}\nurl = \"{}\"\n\
             trust = {{ first-lock = \"a test publishes nothing\" }}\n{more}",
            self.server.url("repo/"),
            self.server.url("tool-{version}.bin"),
        );
        std::fs::write(self.path("m.toml"), text).unwrap();
        let _ = std::fs::remove_file(self.path("m.lock"));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HAVERSACK_STORE", self.path("store"))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{said}");
        said
    }

    /// The version that `lock` chooses.
    #[track_caller]
    fn locked(&self) -> String {
        self.ends(0, &["lock", "m.toml"]);
        let lock = std::fs::read_to_string(self.path("m.lock")).unwrap();
        let mut lines = lock.lines();
        let line = lines.find(|line| line.contains("/tool-")).unwrap();
        let (_, rest) = line.split_once("/tool-").unwrap();
        rest.split_once(".bin").unwrap().0.to_owned()
    }

    /// The message with which `lock` refuses, and that no lock was written.
    #[track_caller]
    fn refused(&self, code: i32, id: &str, words: &[&str]) {
        let said = self.ends(code, &["lock", "m.toml"]);
        for word in [id].iter().chain(words) {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!self.path("m.lock").exists(), "{said}");
    }
}

#[track_caller]
fn real(command: &mut Command) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

#[test]
fn the_newest_version_that_is_allowed_for_the_architecture_is_locked_and_moves_when_asked() {
    let bench = Bench::new(&[
        ("tool", "x86_64", "1.2.0"),
        ("tool", "noarch", "1.0.0"),
        ("tool", "aarch64", "1.10.0"),
        ("tool", "x86_64", "2.0.0"),
        ("toolbox", "x86_64", "1.99.0"),
    ]);
    bench.manifest("arm64", "^1", "", "");
    assert_eq!(bench.locked(), "1.10.0");
    bench.manifest("amd64", "*", "", "");
    assert_eq!(bench.locked(), "2.0.0");
    bench.manifest("amd64", "^1", "", "");
    assert_eq!(bench.locked(), "1.2.0");

    bench.add(&("tool", "x86_64", "1.10.0"));
    bench.add(&("tool", "x86_64", "1.11.0~rc.1"));
    bench.publish(&[]);
    assert_eq!(bench.locked(), "1.2.0", "nothing moves by itself");
    let said = bench.ends(0, &["outdated", "m.toml"]);
    let row = "tool-1.2.0.bin  1.2.0 !  1.10.0   -        2.0.0";
    assert!(said.contains(row), "{said}");
    bench.ends(0, &["lock", "m.toml", "--update", "extra-tool"]);
    assert_eq!(bench.locked(), "1.10.0");

    bench.manifest("amd64", "^1", "", "prerelease = true\n");
    assert_eq!(bench.locked(), "1.11.0-rc.1");
    bench.manifest("amd64", "^3", "", "");
    bench.refused(2, "E222", &["the newest is 2.0.0"]);

    // The publisher took 2.0.0 back by a new epoch, as rpm understands it.
    bench.add(&("tool", "x86_64", "1:1.2.0"));
    bench.publish(&["--general-compress-type=xz"]);
    bench.manifest("amd64", "*", "", "");
    assert_eq!(bench.locked(), "1.2.0");
}

#[test]
fn an_index_that_is_absent_broken_or_contradicts_itself_is_refused() {
    let bench = Bench::new(&[("tool", "x86_64", "1.2.0")]);
    bench.manifest("amd64", "^1", "", "");
    let (index, list) = ("repo/repodata/repomd.xml", bench.primary());
    let good = std::fs::read_to_string(bench.path(index)).unwrap();
    let list = format!("repo/repodata/{list}");
    let packed = std::fs::read(bench.path(&list)).unwrap();
    let mut longer = packed.clone();
    longer.pop();
    longer.push(1);
    bench.server.put(&list, longer);
    bench.refused(7, "E710", &["is not the list that repomd.xml vouches for"]);
    bench.server.put(&list, packed);

    for (bad, id, code, why) in [
        (good.replace("</repomd>", ""), "E710", 7, "ends before"),
        (
            good.replace("<repomd", "<!DOCTYPE repomd><repomd"),
            "E710",
            7,
            "document type",
        ),
        (
            good.replace("href=\"repodata/", "href=\"../repodata/"),
            "E710",
            7,
            "the path of its list",
        ),
        (
            good.replace("-primary.xml.gz", "-primary.xml.zst"),
            "E222",
            2,
            "createrepo_c --general-compress-type=gz",
        ),
        (
            good.replace("-primary.xml.gz", "-gone.xml.gz"),
            "E706",
            7,
            "which does not exist",
        ),
    ] {
        assert_ne!(bad, good, "{why}");
        bench.server.put(index, bad);
        bench.refused(code, id, &[why]);
    }
    bench.manifest("amd64", "^1", "", "");
    let text = std::fs::read_to_string(bench.path("m.toml")).unwrap();
    std::fs::write(
        bench.path("m.toml"),
        text.replace("/repo/\"", "/elsewhere\""),
    )
    .unwrap();
    bench.refused(7, "E706", &["elsewhere/repodata/repomd.xml", "baseurl"]);
}

#[test]
fn a_pinned_key_must_have_signed_the_index() {
    let bench = Bench::new(&[("tool", "x86_64", "1.2.0")]);
    let pin = bench.gpg.key(SIGNER, "ed25519", "20260101T000000", "0");
    bench
        .gpg
        .key("other@example", "ed25519", "20260101T000000", "0");
    let key = bench.gpg.path("key.gpg", &bench.gpg.export(SIGNER));
    let keys = format!(
        "[[key]]\nname = \"repository\"\nopenpgp = [\"{pin}\"]\nurl = \"file://{}\"\n",
        key.display()
    );
    let named = ", key = \"repository\"";
    bench.manifest("amd64", "^1", named, "");
    let said = bench.ends(2, &["lock", "m.toml"]);
    assert!(
        said.contains("the key `repository` is not defined"),
        "{said}"
    );

    bench.manifest("amd64", "^1", named, &keys);
    bench.refused(7, "E706", &["repomd.xml.asc", "take `key` out"]);
    let index = bench.path("repo/repodata/repomd.xml");
    let form = ["--armor", "--detach-sign"];
    let sign = |who: &str| {
        let signature = bench.gpg.sign(who, &form, AT, &index);
        bench.server.put("repo/repodata/repomd.xml.asc", signature);
    };
    sign("other@example");
    bench.refused(4, "E414", &["repomd.xml.asc", "is not accepted"]);
    sign(SIGNER);
    assert_eq!(bench.locked(), "1.2.0");

    // A changed index under the good signature.
    bench.manifest("amd64", "^1", named, &keys);
    let text = std::fs::read_to_string(&index).unwrap() + "\n";
    bench.server.put("repo/repodata/repomd.xml", text);
    bench.refused(4, "E414", &["repomd.xml.asc"]);
}
