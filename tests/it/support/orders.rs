//! A manifest and a lock of given files, and the program run on them.
#![expect(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use haversack::manifest::Manifest;
use haversack::types::digest::Digest;

/// A file to fetch: its places, the first being its URL, and its bytes.
pub(crate) struct Order<'o> {
    pub(crate) places: Vec<String>,
    pub(crate) bytes: &'o [u8],
}

/// A folder with `m.toml`, `m.lock` and a store.
pub(crate) struct Orders {
    folder: tempfile::TempDir,
}

impl Orders {
    pub(crate) fn new(orders: &[Order<'_>]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let head = "name = \"orders\"\nversion = \"1\"\ntarget = { distribution = \"debian-12\", arch = \"amd64\" }\n";
        let (mut manifest, mut lock) = (format!("format = 1\n{head}"), String::new());
        let mut sorted: Vec<_> = orders.iter().collect();
        sorted.sort_by_key(|order| file_name(order));
        for order in sorted {
            let (url, mirrors) = order.places.split_first().unwrap();
            let (name, sha256) = (file_name(order), Digest::of(order.bytes));
            manifest += &format!(
                "[[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1\"\nurl = \"{url}\"\nmirrors = {mirrors:?}\nsha256 = \"{sha256}\"\n"
            );
            lock += &format!(
                "[[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1\"\npath = \"files/extra-tool/{name}\"\nurl = \"{url}\"\n\
                 size = {}\nsha256 = \"{sha256}\"\nmirrors = {mirrors:?}\n[[artifact.evidence]]\nby = \"manifest\"\n",
                order.bytes.len()
            );
        }
        let digest = Manifest::parse(&manifest, "m.toml").unwrap().digest;
        let lock = format!("format = 1\n{head}manifest = \"{digest}\"\n{lock}");
        std::fs::write(folder.path().join("m.toml"), manifest).unwrap();
        std::fs::write(folder.path().join("m.lock"), lock).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// The program with these arguments, and nothing of the network settings of this machine.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
        command
            .args(args)
            .current_dir(self.path())
            .env("HAVERSACK_STORE", self.store())
            .env("HAVERSACK_STATE", self.path().join("state"))
            .env("HOME", self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
            "NETRC",
        ] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command
    }

    /// Brings the files into the store.
    pub(crate) fn fetch(&self, args: &[&str]) -> Output {
        let mut all = vec!["build", "m.toml", "--fetch-only"];
        all.extend_from_slice(args);
        self.command(&all).output().unwrap()
    }

    /// What the store has under the digest of these bytes.
    pub(crate) fn stored(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let hex = Digest::of(bytes).to_string();
        let group: String = hex.chars().take(2).collect();
        std::fs::read(self.store().join("sha256").join(group).join(hex)).ok()
    }
}

fn file_name(order: &Order<'_>) -> String {
    let url = order.places.first().unwrap();
    url.rsplit('/').next().unwrap().to_owned()
}

/// The id, the messages as one text, and the exit code of a refusal under `--json`.
#[track_caller]
pub(crate) fn refusal(output: &Output) -> (String, String, i32) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let line = stderr.lines().last().unwrap_or_default();
    let value: serde_json::Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let error = value.get("error").unwrap();
    let messages = error.get("messages").unwrap().as_array().unwrap();
    let messages: Vec<&str> = messages.iter().filter_map(|one| one.as_str()).collect();
    let id = error.get("id").unwrap().as_str().unwrap();
    (
        id.to_owned(),
        messages.join(": "),
        output.status.code().unwrap(),
    )
}

/// Bytes that look random and are the same in every run (Knuth's MMIX constants).
pub(crate) fn scattered(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()
    })
    .flatten()
    .take(count)
    .collect()
}
