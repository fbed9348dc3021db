//! Every URL, key, digest and suite of every manifest is a fact of the table, and every fact of the
//! table is in the manifests that it names, or says why not.

use std::collections::{BTreeMap, BTreeSet};

use haversack::init::{Detail, ManifestWish, Rows, manifest};
use haversack::manifest::{Artifact, Manifest, Origin, Wanted, catalogue};
use haversack::plan::deployment::{Edition, Role, Switch};
use haversack::types::target::{Arch, Distribution, Family};

use super::read;

/// What a manifest says of one place: kind, place, evidence.
type Fact = (String, String, String);

/// A line of the table.
struct Row {
    arch: String,
    manifests: Vec<String>,
    fact: Fact,
    note: String,
}

fn table() -> Vec<Row> {
    let text = read("tests/fixtures/upstream/rows.tsv");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut columns = line.split('\t').map(ToOwned::to_owned);
            let mut next = || columns.next().unwrap_or_default();
            let (kind, arch, manifests) = (next(), next(), next());
            let (place, evidence, _section) = (next(), next(), next());
            Row {
                arch,
                manifests: manifests.split(' ').map(ToOwned::to_owned).collect(),
                fact: (kind, place, evidence),
                note: next(),
            }
        })
        .collect()
}

fn parsed(name: &str, text: &str) -> Manifest {
    Manifest::parse(text, name).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn evidence(artifact: &Artifact) -> String {
    let wanted = artifact.evidence.iter().map(|wanted| match wanted {
        Wanted::Literal(digest) => format!("sha256:{digest}"),
        Wanted::Catalogue(digest) => format!("catalogue:{digest}"),
        Wanted::ChecksumFile {
            source, file_name, ..
        } => format!("sums:{file_name}@{source}"),
        Wanted::OpenPgp { source, key } => format!("openpgp:{key}@{source}"),
        Wanted::Minisign { source, key, .. } => format!("minisign:{key}@{source}"),
        Wanted::Sha512(digest) => format!("sha512:{digest}"),
        Wanted::Sha512File {
            source, file_name, ..
        } => format!("sums512:{file_name}@{source}"),
        Wanted::Page { source, .. } => format!("page:{source}"),
        Wanted::Release { url, asset } => format!("release:{asset}@{url}"),
        Wanted::FirstLock(_) => "first-lock".to_owned(),
    });
    let mirrors = artifact.mirrors.iter().map(|one| format!("mirror:{one}"));
    wanted.chain(mirrors).collect::<Vec<_>>().join(" ")
}

/// Everything that a manifest says about publishers.
fn facts(manifest: &Manifest) -> BTreeSet<Fact> {
    let fact = |kind: &str, place: String, evidence: String| (kind.to_owned(), place, evidence);
    let mut facts = BTreeSet::new();
    for key in &manifest.keys {
        let pins: Vec<_> = key.openpgp.iter().map(ToString::to_string).collect();
        facts.insert(fact("key", key.source.to_string(), pins.join(" ")));
    }
    for artifact in &manifest.artifacts {
        facts.insert(fact(
            "file",
            artifact.source.to_string(),
            evidence(artifact),
        ));
    }
    for image in &manifest.images {
        let wanted = image.evidence.iter().map(|wanted| match wanted {
            Wanted::Literal(digest) => format!("sha256:{digest}"),
            Wanted::FirstLock(_) => "first-lock".to_owned(),
            other => panic!("{other:?}"),
        });
        let wanted = wanted.collect::<Vec<_>>().join(" ");
        facts.insert(fact("image", image.name.to_string(), wanted));
    }
    let Some(apt) = &manifest.apt else {
        return facts;
    };
    for repository in &apt.repositories {
        if let Origin::Stated {
            uri,
            suites,
            components,
            key,
        } = &repository.origin
        {
            let (suites, components) = (suites.join("|"), components.join("|"));
            let said = format!("suites={suites} components={components} key={key}");
            facts.insert(fact("apt", uri.to_string(), said));
        }
    }
    for packages in &apt.packages {
        for package in packages.install.iter().filter(|name| *name == "prometheus") {
            let component = format!("component={}", packages.component);
            facts.insert(fact("package", package.clone(), component));
        }
    }
    facts
}

const SHIPPED: [(&str, Distribution); 3] = [
    ("mattermost-linux-debian", Distribution::Debian12),
    ("mattermost-linux-ubuntu", Distribution::Ubuntu2404),
    ("mattermost-linux-rhel", Distribution::Rhel9),
];

/// Names of the files of `manifests/` that are manifests of real upstreams.
fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["manifests", "manifests/options"] {
        let path = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
        for entry in std::fs::read_dir(path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(name) = name.strip_suffix(".toml") else {
                continue;
            };
            if !name.starts_with("quickstart") {
                names.insert(format!("{folder}/{name}").replacen("manifests/", "", 1));
            }
        }
    }
    names
}

/// The manifests that `init` writes: every distribution, architecture, build and role, all rows.
fn written() -> Vec<(Arch, Manifest)> {
    let mut manifests = Vec::new();
    for distribution in Distribution::ALL {
        for arch in [Arch::Amd64, Arch::Arm64] {
            for edition in [Edition::Enterprise, Edition::Team] {
                let roles = Role::ALL.iter().copied().collect();
                let wish = ManifestWish {
                    distribution,
                    arch,
                    edition,
                    roles,
                    nfs: Switch::On,
                    failover: Switch::On,
                    rows: Rows::ALL.into_iter().collect(),
                    detail: Detail::Chosen,
                };
                let text = manifest(&wish).unwrap();
                manifests.push((arch, parsed("written.toml", &text)));
            }
        }
    }
    manifests
}

#[test]
fn every_manifest_says_what_the_publishers_say_and_leaves_out_nothing() {
    let table = table();
    let rows: BTreeMap<&Fact, &Row> = table.iter().map(|row| (&row.fact, row)).collect();
    assert_eq!(rows.len(), table.len(), "a line stands twice");

    // Each fact of a manifest is one of the table.
    let mut found: BTreeMap<String, BTreeSet<Fact>> = BTreeMap::new();
    for name in names() {
        let text = read(&format!("manifests/{name}.toml"));
        let manifest = parsed(&name, &text);
        assert_eq!(manifest.target.arch, Arch::Amd64, "{name}");
        assert!(manifest.artifacts.iter().all(|one| !one.stand_in), "{name}");
        assert!(manifest.images.iter().all(|one| !one.stand_in), "{name}");
        // `lock` takes every version: what the catalogue refuses is accepted with a reason.
        for artifact in &manifest.artifacts {
            let component = artifact.component.as_str();
            for finding in catalogue::advisories_of(component, &artifact.version) {
                let known = artifact
                    .accepted
                    .iter()
                    .any(|one| one.id == finding.advisory().id);
                assert!(known, "{name}: {component}: {finding}");
            }
        }
        found.insert(name, facts(&manifest));
    }
    for (name, facts) in &found {
        for fact in facts {
            let row = rows.get(fact);
            let row = row.unwrap_or_else(|| panic!("{name}: not in the table: {fact:?}"));
            assert!(
                row.manifests.contains(name),
                "{name} is not named: {fact:?}"
            );
        }
    }
    let mut by_init = BTreeSet::new();
    for (arch, manifest) in written() {
        for fact in facts(&manifest) {
            let row = rows.get(&fact);
            let row = row.unwrap_or_else(|| panic!("init: not in the table: {fact:?}"));
            assert!(
                ["any", arch.as_str()].contains(&row.arch.as_str()),
                "{fact:?}"
            );
            assert_ne!(row.manifests, ["none"], "{fact:?}");
            by_init.insert(fact);
        }
    }

    // Each fact of the table is where it says, or says why not.
    for row in &table {
        for name in &row.manifests {
            match name.as_str() {
                "none" => assert!(row.note.len() > 10, "why not? {:?}", row.fact),
                "init" => assert!(by_init.contains(&row.fact), "init: {:?}", row.fact),
                name => {
                    let facts = found.get(name);
                    let facts = facts.unwrap_or_else(|| panic!("there is no {name}"));
                    assert!(facts.contains(&row.fact), "{name}: {:?}", row.fact);
                }
            }
        }
        // What a shipped manifest says, `init` writes too; but for images, which nothing stages yet.
        let absent = row.manifests == ["none"] || row.fact.0 == "image";
        assert_eq!(by_init.contains(&row.fact), !absent, "{:?}", row.fact);
    }
}

#[test]
fn the_manifests_of_the_distributions_are_what_init_writes() {
    let mut others = Vec::new();
    for (name, distribution) in SHIPPED {
        let expected = manifest(&ManifestWish::shipped(distribution)).unwrap();
        let shipped = format!("{}/manifests/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        if std::fs::read_to_string(shipped).ok().as_ref() != Some(&expected) {
            let copy = format!("{}/{name}.toml", env!("CARGO_TARGET_TMPDIR"));
            std::fs::write(&copy, &expected).unwrap();
            others.push(copy);
        }
    }
    assert_eq!(others, [""; 0], "these are what the template gives");
}

#[test]
fn what_a_shipped_manifest_says_to_edit_gives_a_manifest() {
    for (name, edits) in [
        (
            "mattermost-linux-debian",
            [("debian-12", "debian-13"), ("bookworm", "trixie")],
        ),
        (
            "mattermost-linux-ubuntu",
            [("ubuntu-24.04", "ubuntu-22.04"), ("noble", "jammy")],
        ),
    ] {
        let text = read(&format!("manifests/{name}.toml"));
        let [other, codename] = edits;
        let says = format!(
            "write \"{}\" here, and \"{}\" for \"{}\"",
            other.1, codename.1, codename.0
        );
        assert!(text.contains(&says), "{name}: {says}");
        let mut edited = text.clone();
        for (from, to) in edits {
            edited = edited.replace(&format!("\"{from}"), &format!("\"{to}"));
        }
        let manifest = parsed(name, &edited);
        let target = manifest.target.distribution;
        assert_eq!(target.as_str(), other.1);
        let suites: Vec<_> = facts(&manifest)
            .into_iter()
            .filter(|(kind, ..)| kind == "apt")
            .collect();
        let known: BTreeSet<Fact> = table().into_iter().map(|row| row.fact).collect();
        assert_eq!(suites.len(), 2);
        assert!(suites.iter().all(|fact| known.contains(fact)), "{suites:?}");
    }
    // The newest release, whose digest nobody states here: the signature vouches alone.
    let text = read("manifests/mattermost-linux-debian.toml");
    let newest = text
        .replace(
            "version = \"~11.7\"\nversions = \"catalogue\"",
            "version = \"11.7.15\"",
        )
        .replace("sha256 = \"catalogue\"\n", "");
    let manifest = parsed("newest", &newest);
    let server = &manifest.artifacts[0];
    assert_eq!(server.version, "11.7.15");
    assert_eq!(
        evidence(server),
        format!("openpgp:mattermost-release@{}.sig", server.source)
    );
}

/// Texts and what replaces them.
type Edits<'e> = &'e [(&'e str, &'e str)];

/// The Team Edition, and arm64: what the comments say to write gives facts of the table.
#[test]
fn the_edits_for_the_team_edition_and_for_arm64_give_known_facts() {
    let known: BTreeSet<Fact> = table().into_iter().map(|row| row.fact).collect();
    let team: Edits<'_> = &[(
        "}/mattermost-{version}-linux-{arch}.tar.gz\"",
        "}/mattermost-team-{version}-linux-{arch}.tar.gz\"",
    )];
    let arm: Edits<'_> = &[
        ("arch = \"amd64\"", "arch = \"arm64\""),
        ("sha256 = \"catalogue\"\n", ""),
    ];
    let only_arch: Edits<'_> = &[("arch = \"amd64\"", "arch = \"arm64\"")];
    let cases: [(&str, &str, Edits<'_>); 10] = [
        (
            "mattermost-linux-debian",
            "mattermost-team-{version}-linux-{arch}.tar.gz.",
            team,
        ),
        ("mattermost-linux-ubuntu", "remove `sha256`.", arm),
        ("mattermost-linux-rhel", "remove `sha256`.", arm),
        ("options/calls", "", only_arch),
        ("options/plugins", "", only_arch),
        ("options/seaweedfs", "", only_arch),
        (
            "options/rustfs",
            "write aarch64 for x86_64",
            &[("x86_64-musl", "aarch64-musl")],
        ),
        (
            "options/garage",
            "write aarch64 for x86_64",
            &[("x86_64-unknown", "aarch64-unknown")],
        ),
        (
            "options/versitygw",
            "write Linux_arm64 for Linux_x86_64",
            &[("Linux_x86_64.tar", "Linux_arm64.tar")],
        ),
        (
            "options/sbom",
            "https://github.com/mattermost/mattermost/",
            &[(
                "\"https://releases.mattermost.com/{version}/sbom-enterprise-v{version}.json\"",
                "\"https://github.com/mattermost/mattermost/releases/download/v{version}/sbom-mattermost-v{version}.json\"",
            )],
        ),
    ];
    for (name, hint, edits) in cases {
        let text = read(&format!("manifests/{name}.toml"));
        assert!(text.contains(hint), "{name}: {hint}");
        let mut edited = text.clone();
        for (from, to) in edits {
            assert!(edited.contains(from), "{name}: {from}");
            edited = edited.replace(from, to);
        }
        let (before, after) = (facts(&parsed(name, &text)), facts(&parsed(name, &edited)));
        assert_ne!(before, after, "{name}");
        let strange: Vec<&Fact> = after.difference(&known).collect();
        assert!(strange.is_empty(), "{name}: {strange:?}");
    }
    let minio = read("manifests/options/minio.toml");
    for row in table() {
        let (_, place, evidence) = &row.fact;
        if row.arch == "arm64" && place.contains("github.com/minio/") {
            let digest = evidence.split([':', ' ']).nth(1).unwrap();
            assert!(minio.contains(&format!("{digest}.\n")), "{place}");
        }
    }
}

#[test]
fn places_that_are_gone_or_float_stand_in_no_manifest() {
    for name in names() {
        let text = read(&format!("manifests/{name}.toml"));
        for gone in [
            "dl.min.io/",
            "postgresql-13",
            "postgresql-14",
            ":latest",
            "gpgcheck=0",
            "trusted=yes",
        ] {
            assert!(!text.contains(gone), "{name}: {gone}");
        }
        assert!(
            text.lines()
                .all(|line| line.chars().count() <= 140 || line.contains("://")),
            "{name}"
        );
    }
    let minio = read("manifests/options/minio.toml");
    let (head, rows) = minio.split_once("# --- rows").unwrap();
    for part in [head, rows] {
        for warning in ["no longer maintained", "CVE-2025-62506"] {
            assert!(part.contains(warning), "{warning}");
        }
    }
    // Hosts of the Red Hat family take packages from elsewhere: the manifest tells which keys count.
    for (arch, pin, other) in [
        (
            Arch::Amd64,
            "D4BF08AE67A0B4C7A1DBCCD240BCA2B408B40D20",
            "B031F89FC983E98262906B6E177B343BB9738825",
        ),
        (
            Arch::Arm64,
            "B031F89FC983E98262906B6E177B343BB9738825",
            "D4BF08AE67A0B4C7A1DBCCD240BCA2B408B40D20",
        ),
    ] {
        let wish = ManifestWish {
            arch,
            ..ManifestWish::shipped(Distribution::Rocky9)
        };
        let text = manifest(&wish).unwrap();
        assert!(text.contains(pin) && !text.contains(other), "{arch}");
        assert_eq!(wish.distribution.family(), Family::Rhel);
    }
}
