//! The catalogue that is compiled in against the facts of the publishers.

use std::collections::BTreeMap;

use haversack::manifest::catalogue;

use super::read;

fn facts() -> toml::Table {
    read("tests/fixtures/upstream/facts.toml").parse().unwrap()
}

fn rows<'f>(facts: &'f toml::Table, path: &str) -> Vec<&'f toml::Table> {
    let (group, list) = path.split_once('.').unwrap();
    let group = facts.get(group).and_then(toml::Value::as_table).unwrap();
    let list = group.get(list).and_then(toml::Value::as_array).unwrap();
    list.iter().map(|row| row.as_table().unwrap()).collect()
}

fn text(row: &toml::Table, key: &str) -> String {
    match row.get(key) {
        None => "-".to_owned(),
        Some(toml::Value::String(text)) => text.clone(),
        Some(toml::Value::Array(items)) => {
            let items: Vec<_> = items.iter().filter_map(toml::Value::as_str).collect();
            items.join(" ")
        }
        Some(other) => other.to_string(),
    }
}

#[test]
fn every_release_has_the_digests_of_the_publisher_and_no_other_is_listed() {
    let known = catalogue::of("mattermost").unwrap();
    let mut listed: Vec<String> = known.versions().map(ToString::to_string).collect();
    let mut published = Vec::new();
    let table = read("tests/fixtures/upstream/releases.tsv");
    for line in table.lines().skip(1) {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let (version, enterprise, team) = (next(), next(), next());
        for (edition, digest) in [("", enterprise), ("team-", team)] {
            let name = format!("mattermost-{edition}{version}-linux-amd64.tar.gz");
            let found = known.digest_of(&name).map(|digest| digest.to_string());
            assert_eq!(found.unwrap_or_default(), digest, "{name}");
            let arm = name.replace("amd64", "arm64");
            assert_eq!(known.digest_of(&arm), None, "{arm}");
        }
        published.push(version.to_owned());
    }
    listed.sort();
    published.sort();
    assert_eq!(listed, published);
    assert_eq!(listed.len(), 82);
}

#[test]
fn support_windows_and_requirements_are_those_of_the_publishers() {
    let facts = facts();
    let known = catalogue::of("mattermost").unwrap();
    let day = text(&facts, "as_of");
    assert_eq!(known.as_of.to_string(), day);
    let expected: Vec<String> = rows(&facts, "mattermost.cycle")
        .iter()
        .map(|row| {
            let keys = [
                "cycle",
                "released",
                "support_ends",
                "esr",
                "min_postgresql",
                "min_glibc",
                "dropped_os",
            ];
            keys.map(|key| text(row, key)).join(" ")
        })
        .collect();
    let found: Vec<String> = known
        .cycles
        .iter()
        .map(|one| {
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let dropped = (!one.dropped.is_empty()).then(|| one.dropped.join(" "));
            [
                one.cycle.clone(),
                one.released.to_string(),
                or_none(one.support_ends.map(|day| day.to_string())),
                one.esr.to_string(),
                one.min_postgresql.to_string(),
                or_none(one.min_glibc.clone()),
                or_none(dropped),
            ]
            .join(" ")
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), 17);

    let majors = rows(&facts, "postgresql.major");
    for row in &majors {
        let number: u32 = text(row, "major").parse().unwrap();
        let major = catalogue::postgresql().unwrap().major(number).unwrap();
        let found = (major.released.to_string(), major.ends.to_string());
        assert_eq!(found, (text(row, "released"), text(row, "eol")), "{number}");
    }
    let operator = catalogue::operator().unwrap();
    let images: Vec<_> = rows(&facts, "operator.hidden_image")
        .iter()
        .map(|row| text(row, "image"))
        .collect();
    let found: Vec<_> = operator
        .images
        .iter()
        .map(|one| one.reference.clone())
        .collect();
    assert_eq!(found, images);
    for row in rows(&facts, "mattermost.known_latest") {
        let version: semver::Version = text(row, "version").parse().unwrap();
        let older = semver::Version {
            patch: 0,
            ..version.clone()
        };
        // Of a line without any listed release nothing older is known either.
        let newer = known.newer_without_digest(&older);
        let expected = (older != version).then(|| (&version, text(row, "date")));
        assert_eq!(newer.map(|(v, day)| (v, day.to_string())), expected);
    }
}

#[test]
fn keys_are_pinned_by_the_fingerprints_that_the_publishers_state() {
    let facts = facts();
    let keys = facts.get("key").and_then(toml::Value::as_array).unwrap();
    let stated: BTreeMap<String, String> = keys
        .iter()
        .filter_map(toml::Value::as_table)
        .map(|row| {
            let pins = ["fingerprint", "fingerprints", "public"];
            let pin = pins.iter().find(|key| row.contains_key(**key)).unwrap();
            (text(row, "name"), text(row, pin))
        })
        .collect();
    let table = read("tests/fixtures/upstream/rows.tsv");
    let mut used: Vec<&str> = table
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|columns| ["key", "minisign"].contains(&columns[0]))
        .map(|columns| columns[4])
        .collect();
    let mut stated: Vec<&str> = stated.values().map(String::as_str).collect();
    used.sort_unstable();
    stated.sort_unstable();
    assert_eq!(used, stated);
    assert_eq!(used.len(), 7);
}
