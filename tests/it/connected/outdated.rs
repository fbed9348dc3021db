//! `outdated`: packages against a signed index, and the dates on which support ends.

use haversack::event::{Cancel, Silent};
use haversack::lock::Lock;
use haversack::manifest::Draft;
use haversack::resolve::{Earlier, Options, Standing, State, outdated};
use haversack::sources::http::Web;

use super::versions::archive;
use super::{Bench, TOOL_SHA256, TWO, head};
use crate::apt::own::Repository;

/// What `outdated` says on a day of a lock with an old server and two majors of the database.
fn standing_on(day: &str) -> Vec<Standing> {
    let repository = Repository::new(&[
        "Package: postgresql-14\nVersion: 14.20-1",
        "Package: postgresql-17\nVersion: 17.5-1",
        "Package: nginx\nVersion: 1.28.0-1",
    ]);
    let url = "https://example.org/mattermost-10.5.1-linux-amd64.tar.gz";
    let manifest = format!(
        "{}[[artifact]]\ncomponent = \"mattermost\"\nversion = \"10.5.1\"\nurl = \"{url}\"\nsha256 = \"{TOOL_SHA256}\"\n\
         {}[[apt.packages]]\ncomponent = \"postgresql\"\ninstall = [\"postgresql-14\", \"postgresql-17\"]\n\
         [[apt.packages]]\ncomponent = \"nginx\"\ninstall = [\"nginx\"]\n",
        head(),
        archive(&repository),
    );
    let draft = Draft::parse(&manifest, "m.toml").unwrap_or_else(|error| panic!("{error}"));
    let file = |path: &str| {
        format!("path = \"{path}\"\nurl = \"{url}\"\nsize = 1\nsha256 = \"{TOOL_SHA256}\"\n")
    };
    let inline = |path: &str| {
        format!("{{ path = \"{path}\", url = \"{url}\", size = 1, sha256 = \"{TOOL_SHA256}\" }}")
    };
    let package = |name: &str, version: &str| {
        format!(
            "[[repository.package]]\nname = \"{name}\"\nversion = \"{version}\"\narch = \"amd64\"\n{}\
             needed-by = [\"postgresql\"]\nbecause = \"asked for\"\n",
            file(&format!("apt/archive/pool/{name}.deb"))
        )
    };
    let lock = format!(
        "{}version = \"10.5.1\"\nmanifest = \"{}\"\n[[artifact]]\ncomponent = \"mattermost\"\nversion = \"10.5.1\"\n{}\
         [[artifact.evidence]]\nby = \"manifest\"\n[[repository]]\nname = \"archive\"\nuri = \"https://example.org\"\n\
         keyring = {}\n[[repository.suite]]\nsuite = \"stable\"\ncomponents = [\"main\"]\nsigned-by = []\n\
         date = \"Sat, 21 Nov 2026 00:53:02 UTC\"\nindex = [{}]\n{}{}",
        head(),
        draft.outline().digest,
        file("files/mattermost/mattermost-10.5.1-linux-amd64.tar.gz"),
        inline("evidence/keys/archive.gpg"),
        inline("apt/archive/dists/stable/InRelease"),
        package("postgresql-14", "14.20-1"),
        package("postgresql-17", "17.4-1"),
    );
    let lock = Lock::parse(&lock, "m.lock").unwrap_or_else(|error| panic!("{error:?}"));
    let bench = Bench::new();
    let options = Options {
        system_root: "/".into(),
        now: format!("{day}T12:00:00Z").parse().unwrap(),
        jobs: TWO,
        earlier: Earlier::default(),
    };
    let web = Web::new(bench.client.clone(), Cancel::new());
    outdated(
        &draft,
        &lock,
        bench.folder.path(),
        (&web, &bench.store),
        &options,
        &Silent,
        &Cancel::new(),
    )
    .unwrap()
}

#[test]
fn packages_are_compared_with_the_signed_index_and_their_major_with_its_end() {
    let rows = standing_on("2026-11-23");
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |one: &Option<String>| one.clone().unwrap_or_else(|| "-".to_owned());
            (
                row.what.as_str(),
                [
                    &row.locked,
                    &row.allowed,
                    &row.in_line,
                    &row.newest,
                    &row.support_ends,
                ]
                .map(text),
                row.state,
                row.unsupported,
            )
        })
        .collect();
    let all = |words: [&str; 5]| words.map(str::to_owned);
    assert_eq!(
        shown[1..],
        [
            (
                "postgresql-14",
                all(["14.20-1", "14.20-1", "-", "14.20-1", "2026-11-12"]),
                State::Current,
                true
            ),
            (
                "postgresql-17",
                all(["17.4-1", "17.5-1", "-", "17.5-1", "2029-11-08"]),
                State::Behind,
                false
            ),
            ("nginx", all(["-"; 5]), State::NotLocked, false),
        ]
    );
    let server = &rows[0];
    assert_eq!(server.support_ends.as_deref(), Some("2025-11-15"));
    assert!(server.unsupported && server.is_finding());
    // Another release of the old line is the newest of it, and not of all.
    let line = server.in_line.as_deref().unwrap();
    assert!(line.starts_with("10.5.") && line != "10.5.1", "{line}");
    assert!(server.newest.as_deref() > Some(line), "{server:?}");
}

#[test]
fn support_lasts_through_its_last_day() {
    for (day, passed) in [("2026-11-12", false), ("2026-11-13", true)] {
        let rows = standing_on(day);
        assert_eq!(rows[1].support_ends.as_deref(), Some("2026-11-12"));
        assert_eq!(
            (rows[1].unsupported, rows[1].is_finding()),
            (passed, passed),
            "{day}"
        );
    }
}

#[test]
fn the_table_shows_what_lock_tells_of() {
    let known = haversack::manifest::catalogue::of("mattermost").unwrap();
    let version = semver::Version::new(11, 7, 10);
    let (told, _) = known.newer_without_digest(&version).unwrap();
    let (shown, _) = known.newest_of_line(&version).unwrap();
    assert_eq!((told, told.to_string().as_str()), (shown, "11.7.15"));
}
