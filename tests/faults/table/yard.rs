//! A folder with a signed bundle, a trust directory, and what stands there from earlier work.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use haversack::bundle::sign;
use haversack::parity::shape::Amount;
use haversack::trust::key::SigningKey;
use haversack::types::digest::Digest;

use crate::bench::{Tree, tree};
use crate::bundles::Sandbox;
use crate::scenarios::small_request;

/// A large file of the bundle, and a small one.
pub(super) const APP: &str = "bundle/v1/files/app/app-1.2.3.tar.gz";
pub(super) const DEB: &str = "bundle/v1/apt/base/pool/libx++_1.0~rc1_amd64.deb";

/// How a run ended.
pub(super) struct Ran {
    pub(super) exit: Option<i32>,
    pub(super) output: String,
    /// Inputs and earlier results that were changed.
    pub(super) lost: Vec<String>,
}

impl Ran {
    /// Adds what else was not as it must be.
    pub(super) fn also(mut self, right: bool, what: &str) -> Self {
        if !right {
            self.lost.push(what.to_owned());
        }
        self
    }
}

pub(super) struct Yard {
    pub(super) sandbox: Sandbox,
    pub(super) alice: SigningKey,
    pub(super) bob: SigningKey,
    /// Names that the command may change when it ends well.
    pub(super) outputs: Vec<&'static str>,
    /// What the test itself changes while the command runs.
    pub(super) ours: Option<&'static str>,
    /// What makes an effect fail, as the program reads it.
    pub(super) fault: Option<String>,
    /// What must live as long as the run.
    pub(super) held: Vec<Box<dyn std::any::Any>>,
}

impl Yard {
    pub(super) fn new() -> Self {
        Self {
            sandbox: Sandbox::new(),
            alice: SigningKey::generate().unwrap(),
            bob: SigningKey::generate().unwrap(),
            outputs: vec!["out", "state", "store", "m.lock"],
            ours: None,
            fault: None,
            held: Vec::new(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// A bundle that Alice signed, and a trust directory with her key.
    pub(super) fn signed(&mut self) {
        self.signed_with(None, "");
    }

    pub(super) fn signed_with(&mut self, parity: Option<u8>, policy: &str) {
        let mut request = small_request(&self.sandbox);
        request.parity = parity.map(|percent| Amount {
            percent: Some(percent),
            spare_volumes: 0,
        });
        let bundle = self.sandbox.pack("bundle", &request);
        let _ = sign(&bundle.path, &self.alice).unwrap();
        self.trust(&[&self.alice], policy);
    }

    pub(super) fn trust(&self, keys: &[&SigningKey], policy: &str) {
        let _ = std::fs::remove_dir_all(self.path("trust"));
        std::fs::create_dir(self.path("trust")).unwrap();
        for (number, key) in keys.iter().enumerate() {
            let pem = key.verifying_key().to_pem().unwrap();
            std::fs::write(self.path(&format!("trust/k{number}.pem")), pem).unwrap();
        }
        std::fs::write(
            self.path("trust/policy.toml"),
            format!("format = 1\n{policy}"),
        )
        .unwrap();
    }

    pub(super) fn edit(&self, path: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
        let bytes = std::fs::read(self.path(path)).unwrap();
        std::fs::write(self.path(path), change(bytes)).unwrap();
    }

    /// Changes the list and signs it, as a builder who lies would.
    pub(super) fn relist(&self, change: impl Fn(String) -> String) {
        self.edit("bundle/SHA256SUMS", |bytes| {
            change(String::from_utf8(bytes).unwrap()).into_bytes()
        });
        std::fs::remove_dir_all(self.path("bundle/sig")).unwrap();
        std::fs::create_dir(self.path("bundle/sig")).unwrap();
        let list = std::fs::read(self.path("bundle/SHA256SUMS")).unwrap();
        let (id, raw) = (
            self.alice.verifying_key().key_id(),
            self.alice.sign(&list).unwrap(),
        );
        std::fs::write(self.path(&format!("bundle/sig/{id}.sig")), raw).unwrap();
    }

    /// Lists a path instead of the empty payload file, in its right place, and signs that.
    pub(super) fn list_instead(&self, path: &str) {
        self.relist(|text| {
            let mut lines: Vec<String> = text
                .lines()
                .map(|line| line.replace("v1/files/app/empty", path))
                .collect();
            lines[9..].sort_by(|a, b| a[66..].cmp(&b[66..]));
            lines.join("\n") + "\n"
        });
    }

    /// Changes bundle.json and its line in the list, and signs that.
    pub(super) fn redescribe(&self, change: impl Fn(String) -> String) {
        let before = std::fs::read(self.path("bundle/bundle.json")).unwrap();
        self.edit("bundle/bundle.json", |bytes| {
            change(String::from_utf8(bytes).unwrap()).into_bytes()
        });
        let after = std::fs::read(self.path("bundle/bundle.json")).unwrap();
        assert_ne!(before, after);
        let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
        self.relist(|text| text.replace(&digest(&before), &digest(&after)));
    }

    /// Runs `haversack` with these words; `+` of the trust directory and the state are added by
    /// [`Yard::verify`] and its like.
    pub(super) fn run(&mut self, words: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
        command.args(words.split_whitespace());
        self.run_by(command)
    }

    /// Runs a command in the folder, and looks at what it changed.
    pub(super) fn run_by(&mut self, mut command: Command) -> Ran {
        let before = self.look();
        let output = self.prepare(&mut command).output().unwrap();
        self.judge(&before, &output)
    }

    pub(super) fn prepare<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Some(fault) = &self.fault {
            command.env("HAVERSACK_FAULT", fault);
        }
        command
            .current_dir(self.sandbox.folder.path())
            .env("HAVERSACK_STORE", self.path("store"))
            .env("HAVERSACK_STATE", self.path("state"))
            .env("SOURCE_DATE_EPOCH", "1795449600")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
    }

    /// What stands in the folder, by name.
    pub(super) fn look(&self) -> Vec<(String, Tree)> {
        let names = std::fs::read_dir(self.sandbox.folder.path()).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| {
                let found = tree(&self.path(&name));
                (name, found)
            })
            .collect()
    }

    /// Inputs are never changed; results that stood there are only when the run ended well.
    pub(super) fn judge(&self, before: &[(String, Tree)], output: &Output) -> Ran {
        let mut lost = Vec::new();
        for (name, found) in before {
            // Files that begin with a dot are locks, and work that a later run goes on with.
            if self.ours == Some(name.as_str()) || name.starts_with('.') {
                continue;
            }
            let may = self.outputs.contains(&name.as_str());
            let adds = matches!(name.as_str(), "state" | "store");
            if (!may || !output.status.success() && !adds) && tree(&self.path(name)) != *found {
                lost.push(format!("{name} was changed"));
            }
        }
        let out = self.path("out");
        if !output.status.success() && out.exists() && !before.iter().any(|(name, _)| name == "out")
        {
            lost.push("out is there".to_owned());
        }
        Ran {
            exit: output.status.code(),
            output: format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
            lost,
        }
    }

    pub(super) fn verify(&mut self) -> Ran {
        self.run("verify bundle --trust trust --state state")
    }

    /// The number of the first operation whose line holds `word`, in a run that meets no fault.
    pub(super) fn operation(&self, words: &str, word: &str) -> u64 {
        self.operation_where(words, |line| line.contains(word))
    }

    /// The number of the first operation with such a line.
    pub(super) fn operation_where(&self, words: &str, is: impl Fn(&str) -> bool) -> u64 {
        let copy = crate::bench::folder();
        let folder = copy.path().join("w");
        crate::bench::copy(self.sandbox.folder.path(), &folder);
        let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
        let output = command
            .args(words.split_whitespace())
            .current_dir(&folder)
            .env("HAVERSACK_STORE", folder.join("store"))
            .env("HAVERSACK_STATE", folder.join("state"))
            .env("SOURCE_DATE_EPOCH", "1795449600")
            .env("HAVERSACK_FAULT", "0:kill")
            .env("HAVERSACK_FAULT_TRACE", copy.path().join("trace"))
            .output()
            .unwrap();
        let trace = std::fs::read_to_string(copy.path().join("trace")).unwrap();
        let line = trace.lines().find(|line| is(line));
        let line = line.unwrap_or_else(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("no such operation in {words}: {} {said}", output.status)
        });
        line.split(' ').next().unwrap().parse().unwrap()
    }
}

/// Bytes with one bit changed.
pub(super) fn flipped(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 1;
    bytes
}

/// Runs a tool that must end well.
pub(super) fn tool(program: &str, arguments: &[&str], folder: &Path) {
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{program} {arguments:?}");
}
