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

/// What came after the first format 1: see the documentation of the lock.
#[test]
fn a_lock_with_signed_documents_pages_and_findings_stays_readable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("tests/fixtures/locks/format-1-signed.lock");
    let text = std::fs::read_to_string(path).unwrap();
    let lock = Lock::parse(&text, "format-1-signed.lock").unwrap();
    assert_eq!(lock.to_toml(), text);
    assert_eq!((lock.payload().count(), lock.evidence().count()), (1, 3));
    for (from, to) in [
        (
            "signed-by = \"5833ABC70DBC595C2D12CE185B335FF8DBEB4966\"\n",
            "",
        ),
        ("key = {", "kay = {"),
        ("by = \"page\"", "by = \"release-page\""),
        ("by = \"page\"", "by = \"manifest\""),
        (
            "by = \"release\"\nurl = \"https://api.github.com/repos/example/tool/releases/tags/v1.2.3\"\n",
            "by = \"release\"\n",
        ),
        (
            "by = \"checksum-file\"",
            "by = \"catalogue\"\nas-of = \"2026-11-23\"",
        ),
        ("id = \"CVE-2025-62506\"\n", ""),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Lock::parse(&text.replacen(from, to, 1), "x.lock").unwrap_err();
        assert_eq!(error.id(), "E210", "{from}: {error}");
    }
}

/// What came then: images.
#[test]
fn a_lock_with_images_stays_readable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("tests/fixtures/locks/format-1-images.lock");
    let text = std::fs::read_to_string(path).unwrap();
    let lock = Lock::parse(&text, "format-1-images.lock").unwrap();
    assert_eq!(lock.to_toml(), text);
    // A layer that both images have counts once.
    assert_eq!((lock.payload().count(), lock.evidence().count()), (6, 1));
    let bytes: u64 = lock.payload().map(|file| file.size).sum();
    assert_eq!(bytes, 400 + 401 + 300 + 301 + 1000 + 2000);
    for (from, to) in [
        (
            "by = \"manifest\"",
            "by = \"catalogue\"\nas-of = \"2026-11-23\"",
        ),
        (
            "docker.io/example/app:1.2.3",
            "docker.io/example/app:latest",
        ),
        ("images/blobs/sha256/", "images/blobs/"),
        ("reason = \"upstream publishes no digest\"\n", ""),
        ("media-type", "media_type"),
        ("evidence/images/", "images/"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Lock::parse(&text.replacen(from, to, 1), "x.lock").unwrap_err();
        assert_eq!(error.id(), "E210", "{from}: {error}");
    }
}
