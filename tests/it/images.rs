//! Container images: from a real registry into a bundle, judged by skopeo; and registries that lie.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "tests fail by panicking"
)]

mod refused;
mod token;
mod whole;

use std::path::Path;
use std::process::{Command, Output};

/// A folder with a manifest, and a store of its own.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Writes the manifest: images by registry and name, each with its further lines.
    fn manifest(&self, images: &[(String, &str)]) {
        let mut text = "format = 1\nname = \"images\"\n\
             target = { distribution = \"debian-12\", arch = \"amd64\" }\n"
            .to_owned();
        for (number, (name, lines)) in images.iter().enumerate() {
            text += &format!(
                "[[image]]\ncomponent = \"extra-{number}\"\nversion = \"1.0\"\nstand-in = true\n\
                 reference = \"{name}\"\nplain-http = true\n{lines}\n"
            );
        }
        std::fs::write(self.path("m.toml"), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("HAVERSACK_STORE", self.path("store"))
            .env("HAVERSACK_STATE", self.path("state"))
            .env("SOURCE_DATE_EPOCH", "1795449600")
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

    /// What is said when it fails with this exit code.
    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }
}

const FIRST: &str = "trust = { first-lock = \"made by this test\" }";

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
