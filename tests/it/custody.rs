//! The chain of custody and what goes on paper, as people use them.
#![expect(clippy::unwrap_used, reason = "a test that panics says so")]

mod log;
mod paper;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use haversack::trust::key::SigningKey;

use crate::support::bundles::Sandbox;

/// A signed bundle with the keys and folders that belong to it.
struct Office {
    sandbox: Sandbox,
    bundle: PathBuf,
}

impl Office {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let key = SigningKey::generate().unwrap();
        let bundle = sandbox.signed("demo", &[&key]);
        sandbox.trust("trust", &[&key], "");
        std::fs::write(sandbox.path("alice.key"), key.to_pem().unwrap().reveal()).unwrap();
        Self { sandbox, bundle }
    }

    fn folder(&self) -> &Path {
        self.sandbox.folder.path()
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(args)
            .args(["--progress", "none"])
            .current_dir(self.folder())
            .env("HAVERSACK_STATE", self.folder().join("state"))
            .output()
            .unwrap()
    }

    /// Runs a command that must end with 0, and gives its standard output.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must end with this code, and gives its standard error.
    fn refused(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        error
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join(name)).unwrap()
    }
}
