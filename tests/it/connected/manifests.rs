//! Manifests and locks as texts.

use std::path::Path;

use haversack::lock::Lock;
use haversack::manifest::Manifest;

#[test]
fn a_manifest_reports_all_its_problems_with_their_places() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifests");
    for name in ["many", "syntax", "newer", "apt", "redhat"] {
        let text = std::fs::read_to_string(path.join(format!("{name}.toml"))).unwrap();
        let expected =
            std::fs::read_to_string(path.join(format!("{name}.txt"))).unwrap_or_default();
        let found = format!("{}\n", Manifest::parse(&text, "m.toml").unwrap_err());
        assert_eq!(found, expected, "{name}:\n{found}");
    }
}

#[test]
fn an_old_lock_stays_readable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/locks/format-1.lock");
    let text = std::fs::read_to_string(path).unwrap();
    let lock = Lock::parse(&text, "format-1.lock").unwrap();
    assert_eq!(lock.to_toml(), text);
    assert_eq!((lock.artifacts.len(), lock.repositories.len()), (2, 1));
    assert_eq!((lock.payload().count(), lock.evidence().count()), (6, 4));
    for (from, to, id) in [
        ("format = 1", "format = 2", "E520"),
        ("component = ", "komponent = ", "E210"),
        ("files/mattermost/", "files/other/", "E210"),
        ("apt/pgdg/pool", "apt/../pool", "E210"),
        ("by = \"catalogue\"", "by = \"manifest\"", "E210"),
    ] {
        let error = Lock::parse(&text.replace(from, to), "x.lock").unwrap_err();
        assert_eq!(error.id(), id, "{from}: {error}");
    }
}
