//! Indexes that are signed, but not what was asked for; and such that are not signed.

use haversack::event::{Cancel, Silent};
use haversack::lock::Repository as Row;
use haversack::sources::apt::{self, AptError, Base, ExpiredIndex, Request, Seen, Wanted};
use haversack::sources::documents::LocalDocuments;
use haversack::store::Store;
use haversack::trust::openpgp::Keyring;
use haversack::types::digest::Digest;
use haversack::types::target::Arch;
use jiff::Timestamp;

use super::{Repository, resolve, resolve_after};
use crate::apt::openpgp::Gpg;

#[test]
fn tampered_foreign_and_expired_indexes_are_refused() {
    let repository = Repository::new(&["Package: app"]);
    let inline = repository.root().join("dists/stable/InRelease");
    let list = repository
        .root()
        .join("dists/stable/main/binary-amd64/Packages.xz");
    let (good_index, good_list) = (
        std::fs::read(&inline).unwrap(),
        std::fs::read(&list).unwrap(),
    );

    let text = String::from_utf8(good_index.clone()).unwrap();
    std::fs::write(&inline, text.replace("Suite: stable", "Suite: stablf")).unwrap();
    let error = repository.resolve(&["app"]).unwrap_err();
    assert!(matches!(error, AptError::Signature { .. }), "{error}");
    std::fs::write(&inline, &good_index).unwrap();

    let mut flipped = good_list.clone();
    flipped[20] ^= 1;
    std::fs::write(&list, &flipped).unwrap();
    let error = repository.resolve(&["app"]).unwrap_err();
    assert!(matches!(error, AptError::Mismatch { .. }), "{error}");
    std::fs::remove_file(&list).unwrap();
    let error = repository.resolve(&["app"]).unwrap_err();
    assert!(matches!(error, AptError::Missing { .. }), "{error}");
    std::fs::write(&list, &good_list).unwrap();
    assert_eq!(repository.chosen(&["app"]), ["app=1.0"]);

    let other = Gpg::new();
    let foreign = other.key("other@example", "ed25519", "20260101T000000", "0");
    let mut spec = repository.spec();
    spec.keyring = other.export("other@example");
    let error = resolve(vec![spec], &["app"], Base::Nothing, ExpiredIndex::Refuse).unwrap_err();
    assert!(matches!(error, AptError::Signature { .. }), "{error}");
    let mut spec = repository.spec();
    spec.pinned = vec![foreign];
    let error = resolve(vec![spec], &["app"], Base::Nothing, ExpiredIndex::Refuse).unwrap_err();
    assert!(matches!(error, AptError::Signature { .. }), "{error}");

    let valid =
        String::from_utf8(std::fs::read(repository.root().join("dists/stable/Release")).unwrap())
            .unwrap();
    let expired = format!("Valid-Until: Mon, 02 Feb 2026 00:00:00 UTC\n{valid}");
    repository.sign_text(expired.as_bytes());
    let error = repository.resolve(&["app"]).unwrap_err();
    assert!(matches!(error, AptError::Expired { .. }), "{error}");
    let spec = vec![repository.spec()];
    let resolved = resolve(spec, &["app"], Base::Nothing, ExpiredIndex::Accept).unwrap();
    assert!(
        resolved.notes[0].contains("was valid until 2026-02-02T00:00:00Z"),
        "{:?}",
        resolved.notes
    );
}

#[test]
fn a_signed_index_of_another_suite_or_of_an_older_day_is_refused() {
    let repository = Repository::new(&["Package: app"]);
    let path = repository.root().join("dists/stable/Release");
    let good = std::fs::read_to_string(path).unwrap();
    let renamed = |suite: &str, codename: &str| {
        let text = good
            .replace("Suite: stable", suite)
            .replace("Codename: stable", codename);
        assert_ne!(text, good);
        repository.sign_text(text.as_bytes());
        repository.resolve(&["app"])
    };
    let error = renamed("Suite: testing", "Codename: forky").unwrap_err();
    let url = format!(
        "file://{}/dists/stable/InRelease",
        repository.root().display()
    );
    assert_eq!(
        error.to_string(),
        format!(
            "{url} is signed, but it is the index of another suite: Suite testing, Codename forky"
        )
    );
    let error = renamed("X-A: b", "X-B: c").unwrap_err();
    assert!(
        error.to_string().ends_with("Suite (none), Codename (none)"),
        "{error}"
    );
    renamed("Suite: testing", "Codename: stable").unwrap();
    renamed("Suite: stable", "Codename: forky").unwrap();

    let dated = |date: &str| {
        let line = good
            .lines()
            .find(|line| line.starts_with("Date: "))
            .unwrap();
        repository.sign_text(good.replace(line, &format!("Date: {date}")).as_bytes());
    };
    let after = |seen: &[Seen]| {
        let spec = vec![repository.spec()];
        resolve_after(
            seen.to_vec(),
            spec,
            &["app"],
            Base::Nothing,
            ExpiredIndex::Refuse,
        )
    };
    let (old, new) = (
        "Sat, 21 Nov 2026 00:53:02 UTC",
        "Sat, 21 Nov 2026 00:53:03 UTC",
    );
    let seen = |name: &str, suite: &str, date: &str| Seen {
        repository: name.parse().unwrap(),
        suite: suite.to_owned(),
        date: date.to_owned(),
    };
    dated(old);
    let error = after(&[seen("own", "stable", new)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("repository `own`: {url} is of {old}, but the lock before has one of {new}")
    );
    after(&[
        seen("own", "stable", old),
        seen("other", "stable", new),
        seen("own", "other", new),
    ])
    .unwrap();
    let error = after(&[seen("own", "stable", "yesterday")]).unwrap_err();
    assert!(
        error.to_string().contains("`yesterday` is no date"),
        "{error}"
    );
    dated(new);
    after(&[seen("own", "stable", old)]).unwrap();
}

#[test]
fn rows_of_a_lock_are_checked_against_the_signed_lists() {
    let repository = Repository::new(&["Package: app\nDepends: lib", "Package: lib"]);
    let other = Repository::new(&["Package: app"]);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let row = |repository: &Repository| {
        let mut spec = repository.spec();
        spec.pinned = Keyring::parse(&spec.keyring).unwrap().fingerprints();
        let request = Request {
            repositories: vec![spec],
            arch: Arch::Amd64,
            wanted: vec![Wanted {
                component: "test".parse().unwrap(),
                packages: vec!["app".to_owned()],
            }],
            recommends: false,
            base: Base::Nothing,
            now: Timestamp::now(),
            expired: ExpiredIndex::Refuse,
            seen: Vec::new(),
        };
        let resolved =
            apt::resolve(&request, &LocalDocuments, &store, &Silent, &Cancel::new()).unwrap();
        resolved.repositories.into_iter().next().unwrap()
    };
    let (good, foreign) = (row(&repository), row(&other));
    let pins = good.pinned.clone();
    let check = |row: &Row| apt::recheck(row, &pins, &store, Timestamp::now(), &Cancel::new());
    check(&good).unwrap();
    assert_eq!(good.packages.len(), 2);

    let evil = store.put(b"evil").unwrap();
    let refused = |what: &str, edit: &dyn Fn(&mut Row)| {
        let mut row = good.clone();
        edit(&mut row);
        let error = check(&row).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error}: {}", source.unwrap_or_default());
        assert!(told.contains(what), "{what}: {told}");
    };
    let no_list = "no signed package list has";
    refused(no_list, &|row| row.packages[1].file.sha256 = evil);
    refused(no_list, &|row| row.packages[0].file.size += 1);
    refused(no_list, &|row| row.packages[0].version = "2.0".to_owned());
    refused(no_list, &|row| {
        row.packages[0].file.path = "apt/own/pool/9.deb".parse().unwrap();
    });
    refused("does not vouch for", &|row| {
        row.suites[0].index[1].sha256 = evil;
    });
    refused("names no signed index", &|row| {
        row.suites[0].index.remove(0);
    });
    refused("dates are not those", &|row| row.suites[0].date.push(' '));
    refused("not signed by whom", &|row| {
        row.suites[0].signed_by.clone_from(&foreign.pinned);
    });
    refused("not in the store", &|row| {
        row.suites[0].index[0].sha256 = Digest::of(b"nowhere");
    });
    refused("which the manifest does not pin", &|row| {
        row.keyring = foreign.keyring.clone();
    });
    refused("no good signature", &|row| {
        row.suites.clone_from(&foreign.suites);
    });
}
