//! The way of a bundle from build to repair, with the commands as a user types them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that panics says so"
)]

mod delta;
mod mending;
mod outputs;
mod room;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haversack::types::digest::Digest;

use crate::support::orders::scattered;

/// Bytes of each file of the payload.
pub(super) const SIZE: usize = 300_000;

/// A folder with two files, their manifest, a key, and a trust directory.
pub(super) struct Desk {
    folder: tempfile::TempDir,
}

/// What a command said.
pub(super) struct Said {
    pub(super) code: i32,
    /// Standard output, then standard error.
    pub(super) text: String,
}

impl Desk {
    pub(super) fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
        };
        fs::write(desk.path("f1.bin"), scattered(1, SIZE)).unwrap();
        fs::write(desk.path("f2.bin"), scattered(2, SIZE)).unwrap();
        desk.manifest(1);
        desk.ok("keygen k");
        fs::create_dir(desk.path("trust")).unwrap();
        fs::copy(desk.path("k.pem"), desk.path("trust/k.pem")).unwrap();
        desk
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the manifest of the files as they are now.
    pub(super) fn manifest(&self, version: u32) {
        let mut text = String::from(
            "format = 1\nname = \"d\"\ntarget = { distribution = \"debian-12\", arch = \"amd64\" }\n",
        );
        for name in ["f1", "f2"] {
            let digest = Digest::of(&fs::read(self.path(&format!("{name}.bin"))).unwrap());
            write!(
                text,
                "\n[[artifact]]\ncomponent = \"extra-{name}\"\nversion = \"{version}\"\nurl = \"file:{name}.bin\"\nsha256 = \"{digest}\"\n"
            )
            .unwrap();
        }
        fs::write(self.path("m.toml"), text).unwrap();
    }

    /// Builds and signs.
    pub(super) fn build(&self, name: &str, options: &str) {
        self.ok(&format!("build m.toml -o {name} {options}"));
        self.ok(&format!("sign {name} --key k.key"));
    }

    pub(super) fn run(&self, line: &str) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env("HAVERSACK_STORE", self.path("store"))
            .env("HAVERSACK_STATE", self.path("state"))
            .env("HAVERSACK_TRUST", self.path("trust"))
            .env("SOURCE_DATE_EPOCH", "1795449600")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        Said {
            code: output.status.code().unwrap(),
            text: text + &String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(super) fn ok(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, 0, "haversack {line}\n{}", said.text);
        said.text
    }

    /// The identity of a bundle.
    pub(super) fn identity(&self, name: &str) -> Digest {
        Digest::of(&fs::read(self.path(name).join("SHA256SUMS")).unwrap())
    }

    /// The paths of the files below a folder, sorted.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        let root = self.path(name);
        let files = self
            .tree(name)
            .into_iter()
            .filter(|(path, _)| path.is_file());
        files
            .map(|(path, _)| {
                path.strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    /// Every file below a folder, with its bytes.
    pub(super) fn tree(&self, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.path(name), &mut found);
        found.sort();
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.push((path.clone(), Vec::new()));
            collect(&path, found);
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
}

/// Copies a folder.
pub(super) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
