//! The shipped manifests and the catalogue against what the publishers say: `fixtures/upstream`.

mod catalogue;
mod manifests;

use std::path::Path;

/// A file of the project.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
