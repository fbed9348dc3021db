//! Manifests and locks as texts.

use std::path::Path;

use haversack::lock::Lock;
use haversack::manifest::{Manifest, Source, Wanted};

use super::digest;

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

/// The facts are those of the publishers, as the table of keys and releases in the project has them.
#[test]
fn the_manifest_of_the_real_upstreams_says_what_the_publishers_do() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/mattermost-linux-debian.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let manifest = Manifest::parse(&text, "mattermost-linux-debian.toml").unwrap();
    assert_eq!(manifest.version, "11.7.10");
    let keys: Vec<_> = manifest
        .keys
        .iter()
        .map(|key| {
            let pins: Vec<_> = key.openpgp.iter().map(ToString::to_string).collect();
            (key.name.to_string(), key.source.to_string(), pins.join(" "))
        })
        .collect();
    let key =
        |name: &str, url: &str, pins: &str| (name.to_owned(), url.to_owned(), pins.to_owned());
    assert_eq!(
        keys,
        [
            key(
                "mattermost-release",
                "https://deb.packages.mattermost.com/pubkey.gpg",
                "A1B31D46F0F3A10B02CF2D44F8F2C31744774B28"
            ),
            key(
                "pgdg-apt",
                "https://www.postgresql.org/media/keys/ACCC4CF8.asc",
                "B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8"
            ),
            key(
                "nginx",
                "https://nginx.org/keys/nginx_signing.key",
                "573BFD6B3D8FBC641079A6ABABF5BD827BD9BF62 8540A6F18833A80E9C1653A42FD21310B49F6B46 \
                 9E9BE90EACBCDE69FE9B204CBCDCD8A38D88A2B3"
            ),
        ]
    );
    let server = &manifest.artifacts[0];
    assert_eq!(
        server.source.to_string(),
        "https://releases.mattermost.com/11.7.10/mattermost-11.7.10-linux-amd64.tar.gz"
    );
    assert_eq!(
        server.evidence,
        [
            Wanted::Catalogue(digest(
                "bb66b6f7ddd310e4cede39b256a2f35b825347045a05bb14eaea90081381e270"
            )),
            Wanted::OpenPgp {
                source: Source::Url(format!("{}.sig", server.source).parse().unwrap()),
                key: "mattermost-release".parse().unwrap(),
            },
        ]
    );
    let push = &manifest.artifacts[1];
    assert_eq!(
        push.source.to_string(),
        "https://github.com/mattermost/mattermost-push-proxy/releases/download/v6.5.0/mattermost-push-proxy-linux-amd64.tar.gz"
    );
    assert_eq!(
        push.expect.as_deref(),
        Some("mattermost-push-proxy-linux-amd64/bin/mattermost-push-proxy")
    );
    let apt = manifest.apt.as_ref().unwrap();
    let names: Vec<_> = apt
        .repositories
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["debian", "pgdg", "nginx"]);
    assert!(manifest.artifacts.iter().all(|one| !one.stand_in));

    // The row of MinIO is off; without its marks it is a good row, from the place that is left.
    assert!(!text.contains("dl.min.io/"), "dl.min.io is gone");
    let with_minio: String = text
        .lines()
        .map(|line| {
            let row = ["[[artifact]]", "component", "version", "url", "sha256"];
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let is_row = row.iter().any(|key| bare.starts_with(key));
            if is_row {
                format!("{bare}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let manifest = Manifest::parse(&with_minio, "m.toml").unwrap_or_else(|e| panic!("{e}"));
    let minio = &manifest.artifacts[2];
    assert_eq!(
        minio.source.to_string(),
        "https://github.com/minio/minio/releases/download/RELEASE.2025-09-07T16-13-09Z/minio.linux-amd64.RELEASE.2025-09-07T16-13-09Z"
    );
    assert_eq!(
        minio.evidence,
        [Wanted::ChecksumFile {
            source: Source::Url(format!("{}.sha256sum", minio.source).parse().unwrap()),
            file_name: "minio.RELEASE.2025-09-07T16-13-09Z".to_owned(),
        }]
    );
}
