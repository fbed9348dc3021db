//! A bundle on ways that take no folders.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics says so"
)]

mod archive;
mod changes;
mod delta;
mod flat;
mod hostile;
mod stream;

use std::path::{Path, PathBuf};

use haversack::carry::{self, CarryError, Received, Taking};
use haversack::event::{Cancel, Silent};
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::verify::{Memory, Options};
use std::sync::LazyLock;

use crate::support::bundles::Sandbox;

/// A signed bundle, its single file, and a network that trusts its signer.
pub(super) struct Sent {
    pub(super) sandbox: Sandbox,
    pub(super) bundle: PathBuf,
    pub(super) trust: Trust,
    pub(super) trust_dir: PathBuf,
    pub(super) file: Vec<u8>,
}

impl Sent {
    pub(super) fn new() -> Self {
        let sandbox = Sandbox::new();
        let key = SigningKey::generate().unwrap();
        let bundle = sandbox.signed("bundle", &[&key]);
        let (trust_dir, trust) = sandbox.trust("trust", &[&key], "");
        let file = single(&bundle);
        Self {
            sandbox,
            bundle,
            trust,
            trust_dir,
            file,
        }
    }

    pub(super) fn receive(&self, file: &[u8], name: &str) -> Result<Received, CarryError> {
        carry::receive(
            (&mut &file[..], Path::new("pipe")),
            &self.sandbox.path(name),
            taking(&self.trust),
            &Silent,
            &Cancel::new(),
        )
    }
}

/// What a network takes in that trusts these keys, and remembers nothing.
pub(super) fn taking(trust: &Trust) -> Taking<'_> {
    static NOTHING: LazyLock<(Memory, Options)> =
        LazyLock::new(|| (Memory::none(), Options::default()));
    Taking {
        trust,
        memory: &NOTHING.0,
        options: &NOTHING.1,
        bases: &[],
    }
}

/// The single file of a bundle.
pub(super) fn single(bundle: &Path) -> Vec<u8> {
    let mut file = Vec::new();
    let dirs = [bundle.to_owned()];
    let name = Path::new("memory");
    carry::stream(&dirs, (&mut file, name), &Silent, &Cancel::new()).unwrap();
    file
}

/// Path and content of every file below a folder, sorted.
pub(super) fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = haversack::fs::walk(folder).unwrap().into_iter();
    files
        .filter(|entry| entry.kind == haversack::fs::Kind::File)
        .map(|entry| {
            let bytes = std::fs::read(folder.join(&entry.path)).unwrap();
            (entry.path.display().to_string(), bytes)
        })
        .collect()
}
