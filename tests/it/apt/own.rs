//! Repositories of our own, small and in every state that a repository can be in.

mod signed;

use std::path::Path;
use std::process::Command;

use haversack::event::{Cancel, Silent};
use haversack::sources::apt::{
    self, AptError, Base, ExpiredIndex, RepositorySpec, Request, Resolved, Seen, Wanted,
};
use haversack::sources::documents::LocalDocuments;
use haversack::store::Store;
use haversack::types::target::Arch;
use jiff::Timestamp;

use super::openpgp::Gpg;

/// A signed repository in a folder.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
    pub(crate) gpg: Gpg,
}

pub(crate) const SIGNER: &str = "archive@example";

impl Repository {
    /// Packages with these control fields; version and architecture are added where they are absent.
    pub(crate) fn new(packages: &[&str]) -> Self {
        let gpg = Gpg::new();
        gpg.key(SIGNER, "ed25519", "20260101T000000", "0");
        let repository = Self {
            folder: tempfile::tempdir().unwrap(),
            gpg,
        };
        for (number, control) in packages.iter().enumerate() {
            repository.add(number, control);
        }
        let listed = repository.run("apt-ftparchive", &["packages", "pool"]);
        repository.publish(&listed, &["xz", "gz"]);
        repository
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn add(&self, number: usize, control: &str) {
        let build = self.root().join(format!("build/{number}/DEBIAN"));
        std::fs::create_dir_all(&build).unwrap();
        std::fs::create_dir_all(self.root().join("pool")).unwrap();
        let mut text = control.to_owned();
        for (field, value) in [
            ("Version", "1.0"),
            ("Architecture", "amd64"),
            ("Maintainer", "Test <test@example>"),
            ("Description", "test"),
        ] {
            if !control.contains(&format!("{field}:")) {
                text += &format!("\n{field}: {value}");
            }
        }
        std::fs::write(build.join("control"), text + "\n").unwrap();
        let (from, to) = (format!("build/{number}"), format!("pool/{number}.deb"));
        self.run("dpkg-deb", &["-Znone", "--build", &from, &to]);
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.root())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        output.stdout
    }

    pub(crate) fn packages(&self) -> Vec<u8> {
        self.run("apt-ftparchive", &["packages", "pool"])
    }

    /// Writes the list in these packings, and signs an index over it.
    pub(crate) fn publish(&self, list: &[u8], packings: &[&str]) {
        let dists = self.root().join("dists");
        let _ = std::fs::remove_dir_all(&dists);
        let folder = dists.join("stable/main/binary-amd64");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("Packages"), list).unwrap();
        let list = "dists/stable/main/binary-amd64/Packages";
        for packing in packings {
            let program = if *packing == "xz" { "xz" } else { "gzip" };
            self.run(program, &["-k", list]);
        }
        self.sign(&[]);
    }

    fn sign(&self, options: &[&str]) {
        let mut arguments = vec![
            "-o",
            "APT::FTPArchive::Release::Codename=stable",
            "-o",
            "APT::FTPArchive::Release::Suite=stable",
            "-o",
            "APT::FTPArchive::Release::Components=main",
            "-o",
            "APT::FTPArchive::Release::Architectures=amd64",
        ];
        arguments.extend(options);
        arguments.extend(["release", "dists/stable"]);
        let release = self.run("apt-ftparchive", &arguments);
        self.sign_text(&release);
    }

    fn sign_text(&self, release: &[u8]) {
        let path = self.root().join("dists/stable/Release");
        std::fs::write(&path, release).unwrap();
        let signed = self
            .gpg
            .sign(SIGNER, &["--clear-sign"], "20260102T000000", &path);
        std::fs::write(self.root().join("dists/stable/InRelease"), signed).unwrap();
    }

    fn spec(&self) -> RepositorySpec {
        RepositorySpec {
            name: "own".parse().unwrap(),
            uri: format!("file://{}", self.root().display()).parse().unwrap(),
            suites: vec!["stable".to_owned()],
            components: vec!["main".to_owned()],
            keyring: self.gpg.export(SIGNER),
            keyring_url: "file:///keys/own.gpg".parse().unwrap(),
            pinned: Vec::new(),
            priority: RepositorySpec::DEFAULT_PRIORITY,
        }
    }

    fn resolve(&self, packages: &[&str]) -> Result<Resolved, AptError> {
        resolve(
            vec![self.spec()],
            packages,
            Base::Nothing,
            ExpiredIndex::Refuse,
        )
    }

    fn chosen(&self, packages: &[&str]) -> Vec<String> {
        names(
            &self
                .resolve(packages)
                .unwrap_or_else(|error| panic!("{error}")),
        )
    }

    /// What apt would install, as `name=version`, sorted; `None` when it refuses.
    fn apts_choice(&self, packages: &[&str]) -> Option<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for below in ["state/lists/partial", "cache/archives/partial", "empty"] {
            std::fs::create_dir_all(root.join(below)).unwrap();
        }
        std::fs::write(root.join("nothing"), b"").unwrap();
        let key = root.join("key.gpg");
        std::fs::write(&key, self.gpg.export(SIGNER)).unwrap();
        let sources = root.join("own.list");
        let line = format!(
            "deb [signed-by={}] file:{} stable main\n",
            key.display(),
            self.root().display()
        );
        std::fs::write(&sources, line).unwrap();
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            for (name, path) in [
                ("Dir::State", "state"),
                ("Dir::State::status", "nothing"),
                ("Dir::State::extended_states", "nothing"),
                ("Dir::Cache", "cache"),
                ("Dir::Etc::preferences", "nothing"),
                ("Dir::Etc::preferencesparts", "empty"),
                ("Dir::Etc::sourceparts", "empty"),
                ("Dir::Etc::sourcelist", "own.list"),
            ] {
                command
                    .arg("-o")
                    .arg(format!("{name}={}", root.join(path).display()));
            }
            command.args([
                "-o",
                "Acquire::Languages=none",
                "-o",
                "APT::Sandbox::User=root",
            ]);
            command.args(["-o", "APT::Install-Recommends=false", "-qq", "-y"]);
            command.args(arguments).output().unwrap()
        };
        assert!(apt(&["update"]).status.success());
        let mut arguments = vec!["--print-uris", "install"];
        arguments.extend(packages);
        let output = apt(&arguments);
        let printed = String::from_utf8(output.stdout).unwrap();
        let mut found: Vec<String> = printed
            .lines()
            .filter_map(|line| line.strip_prefix('\'')?.split_once('\''))
            .map(|(_, rest)| {
                let mut parts = rest.split_whitespace().next().unwrap().split('_');
                format!("{}={}", parts.next().unwrap(), parts.next().unwrap())
            })
            .collect();
        found.sort();
        output.status.success().then_some(found)
    }
}

fn resolve(
    repositories: Vec<RepositorySpec>,
    packages: &[&str],
    base: Base,
    expired: ExpiredIndex,
) -> Result<Resolved, AptError> {
    resolve_after(Vec::new(), repositories, packages, base, expired)
}

fn resolve_after(
    seen: Vec<Seen>,
    repositories: Vec<RepositorySpec>,
    packages: &[&str],
    base: Base,
    expired: ExpiredIndex,
) -> Result<Resolved, AptError> {
    let store = tempfile::tempdir().unwrap();
    let request = Request {
        repositories,
        arch: Arch::Amd64,
        wanted: vec![Wanted {
            component: "test".parse().unwrap(),
            packages: packages.iter().map(|&name| name.to_owned()).collect(),
        }],
        recommends: false,
        base,
        now: Timestamp::now(),
        expired,
        seen,
    };
    let store = Store::open(store.path()).unwrap();
    apt::resolve(&request, &LocalDocuments, &store, &Silent, &Cancel::new())
}

fn names(resolved: &Resolved) -> Vec<String> {
    let all = resolved.repositories.iter().flat_map(|one| &one.packages);
    let mut names: Vec<String> = all
        .map(|one| format!("{}={}", one.name, one.version))
        .collect();
    names.sort();
    names
}

#[test]
fn choices_are_those_of_apt() {
    let repository = Repository::new(&[
        "Package: alternatives\nDepends: missing | second | third",
        "Package: second",
        "Package: third",
        "Package: virtual\nDepends: feature (>= 2)",
        "Package: provides1\nProvides: feature (= 1)",
        "Package: provides2\nProvides: feature (= 2)",
        "Package: provides\nProvides: feature",
        "Package: any-good\nDepends: runtime:any (>= 1)",
        "Package: runtime\nMulti-Arch: allowed",
        "Package: two\nVersion: 1.0~rc1",
        "Package: two\nVersion: 1.0",
        "Package: two\nVersion: 0.9-5",
        "Package: wants-old\nDepends: two (<< 1.0~)",
        "Package: either\nDepends: third | second, second",
        "Package: tie\nDepends: equal",
        "Package: equal-a\nProvides: equal\nPriority: optional",
        "Package: equal-b\nProvides: equal\nPriority: optional",
        "Package: no-priority\nDepends: same",
        "Package: same-a\nProvides: same",
        "Package: same-b\nProvides: same",
        "Package: same-c\nProvides: same\nPriority: required",
        "Package: equal-c\nProvides: equal\nPriority: standard",
        "Package: loop1\nDepends: loop2",
        "Package: loop2\nPre-Depends: loop1",
        "Package: dead\nDepends: half | third",
        "Package: half\nDepends: second, nowhere",
    ]);
    for (asked, expected) in [
        (
            &["alternatives"][..],
            &["alternatives=1.0", "second=1.0"][..],
        ),
        (
            &["alternatives", "third"],
            &["alternatives=1.0", "third=1.0"],
        ),
        (&["virtual"], &["provides2=1.0", "virtual=1.0"]),
        (&["any-good"], &["any-good=1.0", "runtime=1.0"]),
        (&["two"], &["two=1.0"]),
        (&["two=0.9-5"], &["two=0.9-5"]),
        (&["either"], &["either=1.0", "second=1.0", "third=1.0"]),
        (&["tie"], &["equal-c=1.0", "tie=1.0"]),
        (&["no-priority"], &["no-priority=1.0", "same-b=1.0"]),
        (&["loop1"], &["loop1=1.0", "loop2=1.0"]),
        (&["dead"], &["dead=1.0", "third=1.0"]),
    ] {
        assert_eq!(repository.chosen(asked), expected, "{asked:?}");
        assert_eq!(
            repository.apts_choice(asked).unwrap(),
            expected,
            "{asked:?}"
        );
    }
}

#[test]
fn conflicts_are_avoided_by_another_choice() {
    let repository = Repository::new(&[
        "Package: top\nDepends: first | second, picky",
        "Package: first",
        "Package: second",
        "Package: picky\nConflicts: first",
        "Package: deep\nDepends: old | new, strict",
        "Package: old\nDepends: lib (= 1.0)",
        "Package: new",
        "Package: lib",
        "Package: strict\nBreaks: lib (<< 2)",
    ]);
    let resolved = repository.resolve(&["top"]).unwrap();
    assert_eq!(names(&resolved), ["picky=1.0", "second=1.0", "top=1.0"]);
    let resolved = repository.resolve(&["deep"]).unwrap();
    assert_eq!(names(&resolved), ["deep=1.0", "new=1.0", "strict=1.0"]);
}

#[test]
fn what_cannot_be_met_is_explained_by_its_chain() {
    let repository = Repository::new(&[
        "Package: postgresql\nDepends: postgresql-15",
        "Package: postgresql-15\nVersion: 15.20\nDepends: libfoo (>= 2) | libbar",
        "Package: libfoo\nVersion: 1.0",
        "Package: left\nConflicts: right",
        "Package: right",
        "Package: mail1\nProvides: mail",
        "Package: mail2\nProvides: mail",
    ]);
    let error = repository.resolve(&["postgresql"]).unwrap_err().to_string();
    let chain = "postgresql (1.0) -> postgresql-15 (15.20) -> libfoo (>= 2) | libbar: \
        no version fits; offered: libfoo (1.0)";
    assert!(error.contains(chain), "{error}");
    let error = repository
        .resolve(&["left", "right"])
        .unwrap_err()
        .to_string();
    assert!(error.contains("left 1.0 -> Conflicts: right"), "{error}");
    let error = repository.resolve(&["nothing-like-it"]).unwrap_err();
    assert!(matches!(error, AptError::Unknown { .. }), "{error}");
    let error = repository.resolve(&["mail"]).unwrap_err().to_string();
    assert!(error.contains("mail1, mail2"), "{error}");
    let error = repository.resolve(&["libfoo=2"]).unwrap_err().to_string();
    assert!(
        error.contains("this version is not offered, but 1.0"),
        "{error}"
    );
}

#[test]
fn the_more_preferred_repository_wins_over_the_newer_version() {
    let old = Repository::new(&["Package: tool\nVersion: 1.0", "Package: app\nDepends: tool"]);
    let new = Repository::new(&["Package: tool\nVersion: 2.0"]);
    let pair = |priority| {
        let (mut first, mut second) = (old.spec(), new.spec());
        first.name = "old".parse().unwrap();
        second.name = "new".parse().unwrap();
        first.priority = priority;
        vec![first, second]
    };
    let resolved = resolve(pair(500), &["app"], Base::Nothing, ExpiredIndex::Refuse).unwrap();
    assert_eq!(names(&resolved), ["app=1.0", "tool=2.0"]);
    let rows: Vec<(&str, usize)> = resolved
        .repositories
        .iter()
        .map(|one| (one.name.as_str(), one.packages.len()))
        .collect();
    assert_eq!(rows, [("new", 1), ("old", 1)]);
    let resolved = resolve(pair(600), &["app"], Base::Nothing, ExpiredIndex::Refuse).unwrap();
    assert_eq!(names(&resolved), ["app=1.0", "tool=1.0"]);
}

#[test]
fn the_base_counts_as_installed_and_is_upgraded_where_needed() {
    let repository = Repository::new(&[
        "Package: app\nDepends: lib (>= 2), tool",
        "Package: lib\nVersion: 2.0",
        "Package: tool",
    ]);
    let status =
        b"Package: lib\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n\n\
        Package: tool\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n\n\
        Package: app\nStatus: deinstall ok config-files\nVersion: 0.5\nArchitecture: amd64\n"
            .to_vec();
    let base = Base::Status(status);
    let resolved = resolve(
        vec![repository.spec()],
        &["app"],
        base,
        ExpiredIndex::Refuse,
    )
    .unwrap();
    assert_eq!(names(&resolved), ["app=1.0", "lib=2.0"]);
}

#[test]
fn both_forms_of_signature_and_both_packings_are_read() {
    let repository = Repository::new(&["Package: app"]);
    assert_eq!(repository.chosen(&["app"]), ["app=1.0"]);
    let index = |resolved: &Resolved| -> Vec<String> {
        let files = &resolved.repositories[0].suites[0].index;
        files.iter().map(|file| file.path.to_string()).collect()
    };
    let resolved = repository.resolve(&["app"]).unwrap();
    assert_eq!(
        index(&resolved),
        [
            "apt/own/dists/stable/InRelease",
            "apt/own/dists/stable/main/binary-amd64/Packages.xz"
        ]
    );
    assert_eq!(
        resolved.repositories[0].keyring.path.to_string(),
        "evidence/keys/own.gpg"
    );

    repository.publish(&repository.packages(), &["gz"]);
    let stable = repository.root().join("dists/stable");
    let form = &["--detach-sign", "--armor"];
    let signature = repository
        .gpg
        .sign(SIGNER, form, "20260102T000000", &stable.join("Release"));
    std::fs::remove_file(stable.join("InRelease")).unwrap();
    let error = repository.resolve(&["app"]).unwrap_err();
    assert!(matches!(error, AptError::NoRelease { .. }), "{error}");
    std::fs::write(stable.join("Release.gpg"), signature).unwrap();
    let resolved = repository.resolve(&["app"]).unwrap();
    assert_eq!(
        index(&resolved),
        [
            "apt/own/dists/stable/Release",
            "apt/own/dists/stable/Release.gpg",
            "apt/own/dists/stable/main/binary-amd64/Packages.gz"
        ]
    );
    std::fs::write(stable.join("Release"), b"Origin: evil\n").unwrap();
    let error = repository.resolve(&["app"]).unwrap_err();
    assert!(matches!(error, AptError::Signature { .. }), "{error}");
}

#[test]
fn hostile_lists_are_expected_errors() {
    let repository = Repository::new(&["Package: app"]);
    let good = String::from_utf8(repository.packages()).unwrap();
    let syntax = |list: Vec<u8>| {
        repository.publish(&list, &["xz"]);
        let error = repository.resolve(&["app"]).unwrap_err();
        let AptError::Syntax { source, .. } = error else {
            panic!("{error}")
        };
        source.what
    };
    let long = format!("{good}X-Long: {}\n", "x".repeat(10 << 20));
    assert_eq!(syntax(long.into_bytes()), "the line is too long");
    let nul = good.replace("Description: test", "Description: \0");
    assert_eq!(syntax(nul.into_bytes()), "the file holds a NUL byte");
    let name = good.replace("Package: app", "Package: ../app");
    assert_eq!(
        syntax(name.into_bytes()),
        "the stanza has no name of a package"
    );
    let twice = good.replace("Version: 1.0", "Version: 1.0\nVersion: 2.0");
    assert_eq!(
        syntax(twice.into_bytes()),
        "the field comes twice in one stanza"
    );

    for filename in [
        "../../etc/passwd",
        "/etc/passwd",
        "pool/../../x.deb",
        "pool/a b.deb",
        "",
    ] {
        let list = good.replace("Filename: pool/0.deb", &format!("Filename: {filename}"));
        assert_ne!(list, good);
        repository.publish(list.as_bytes(), &["xz"]);
        let error = repository.resolve(&["app"]).unwrap_err();
        assert!(
            matches!(error, AptError::Path { .. }),
            "{filename}: {error}"
        );
    }
    let list = good.replace("Description: test", "Depends: a b c");
    repository.publish(list.as_bytes(), &["xz"]);
    let error = repository.resolve(&["app"]).unwrap_err();
    assert!(matches!(error, AptError::Relation { .. }), "{error}");
    let lines: Vec<&str> = good
        .lines()
        .filter(|line| !line.starts_with("SHA256"))
        .collect();
    repository.publish((lines.join("\n") + "\n").as_bytes(), &["xz"]);
    let error = repository.resolve(&["app"]).unwrap_err();
    assert!(
        matches!(
            error,
            AptError::Incomplete {
                field: "SHA256",
                ..
            }
        ),
        "{error}"
    );
}
