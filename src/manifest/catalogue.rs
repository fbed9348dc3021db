//! The catalogue: facts about releases that ship with the program, each with the day it is of.
//!
//! `manifests/catalogue/*.toml` is compiled in, so that a manifest means the same without network.

mod advisory;

pub use advisory::{Advisory, Concern, Finding, advisories_of};

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use crate::types::digest::Digest;

const MATTERMOST: &str = include_str!("../../manifests/catalogue/mattermost.toml");

const POSTGRESQL: &str = include_str!("../../manifests/catalogue/postgresql.toml");
const OPERATOR: &str = include_str!("../../manifests/catalogue/operator.toml");

static MAJORS: LazyLock<Option<Majors>> = LazyLock::new(|| toml::from_str(POSTGRESQL).ok());
static FEATURES: LazyLock<Option<Operator>> = LazyLock::new(|| toml::from_str(OPERATOR).ok());

static BUILT_IN: LazyLock<Vec<Releases>> = LazyLock::new(|| {
    [MATTERMOST]
        .into_iter()
        .filter_map(|text| toml::from_str(text).ok())
        .collect()
});

/// What is known about the releases of one component.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Releases {
    format: u32,
    /// The component, as manifests name it.
    pub component: String,
    /// The day these facts were collected.
    pub as_of: Datetime,
    /// Names of the files that `digests` are of, with `{version}` in them, by edition.
    files: BTreeMap<String, String>,
    #[serde(rename = "release")]
    listed: Vec<Release>,
    /// Releases known to exist without known digests.
    #[serde(default)]
    known: Vec<Known>,
    /// Release lines with their support windows.
    #[serde(rename = "cycle", default)]
    pub cycles: Vec<Cycle>,
    /// Oldest major of `PostgreSQL` by range of versions.
    #[serde(rename = "minimum", default)]
    minima: Vec<Minimum>,
    /// The publisher's document to read before an upgrade.
    pub notes: Option<String>,
    /// What an upgrade must not do, or must heed.
    #[serde(rename = "upgrade", default)]
    pub upgrades: Vec<Upgrade>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Minimum {
    mattermost: semver::VersionReq,
    postgresql: u32,
}

/// One path of upgrades.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// The version that runs.
    pub from: semver::VersionReq,
    /// The version that is to run.
    pub to: semver::VersionReq,
    /// What is said about it.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// What is said about an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The publisher forbids it.
    Forbidden,
    /// It changes something that people must know.
    Notice,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Release {
    version: semver::Version,
    #[serde(rename = "listed")]
    _listed_on: Option<Datetime>,
    #[serde(flatten)]
    digests: BTreeMap<String, Digest>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    version: semver::Version,
    released: Datetime,
}

/// A release line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cycle {
    /// Its first two numbers, such as `11.7`.
    pub cycle: String,
    /// Day of its first release.
    pub released: Datetime,
    /// Last day of support, when the publisher states one.
    pub support_ends: Option<Datetime>,
    /// Whether it is an extended support release.
    pub esr: bool,
    /// Oldest major of `PostgreSQL` it runs on.
    pub min_postgresql: u32,
    /// Oldest C library it runs on, when the publisher states one.
    pub min_glibc: Option<String>,
    /// Distributions that it no longer runs on.
    #[serde(default)]
    pub dropped: Vec<String>,
}

/// Majors of `PostgreSQL`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Majors {
    #[serde(rename = "format")]
    _format: u32,
    #[serde(rename = "component")]
    _component: String,
    /// The day these facts were collected.
    pub as_of: Datetime,
    #[serde(rename = "major")]
    rows: Vec<Major>,
}

/// One major of `PostgreSQL`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Major {
    /// Its number.
    pub major: u32,
    /// Day of its first release.
    pub released: Datetime,
    /// The day of its last fixes.
    pub ends: Datetime,
}

impl Majors {
    /// What is known of one major.
    #[must_use]
    pub fn major(&self, major: u32) -> Option<&Major> {
        self.rows.iter().find(|known| known.major == major)
    }
}

/// The Mattermost operator for Kubernetes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    #[serde(rename = "format")]
    _format: u32,
    #[serde(rename = "component")]
    _component: String,
    /// The day these facts were collected.
    pub as_of: Datetime,
    /// Features that need a version.
    #[serde(rename = "feature")]
    pub features: Vec<Feature>,
    /// Images that it pulls by itself.
    #[serde(rename = "image")]
    pub images: Vec<HiddenImage>,
}

/// A feature of the operator that needs a version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its name, as the custom resource writes it.
    pub name: String,
    /// Versions of the operator that have it.
    pub operator: semver::VersionReq,
    /// Versions of Mattermost that it works with.
    pub mattermost: semver::VersionReq,
    /// Images that are pulled without it.
    pub otherwise: Vec<String>,
}

/// An image that the operator pulls by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenImage {
    /// Its reference.
    pub reference: String,
    /// When.
    pub when: String,
}

/// What the catalogue knows of `PostgreSQL`.
#[must_use]
pub fn postgresql() -> Option<&'static Majors> {
    MAJORS.as_ref()
}

/// What the catalogue knows of the operator.
#[must_use]
pub fn operator() -> Option<&'static Operator> {
    FEATURES.as_ref()
}

/// The day of a date of the catalogue.
#[must_use]
pub fn day(date: &Datetime) -> Option<jiff::civil::Date> {
    date.to_string().parse().ok()
}

/// The day of the oldest part of the catalogue.
#[must_use]
pub fn as_of() -> Option<jiff::civil::Date> {
    let releases = BUILT_IN.iter().map(|releases| &releases.as_of);
    let others = [
        postgresql().map(|known| &known.as_of),
        operator().map(|known| &known.as_of),
        advisory::as_of(),
    ];
    releases
        .chain(others.into_iter().flatten())
        .filter_map(day)
        .min()
}

/// What the catalogue knows about `component`; `None` when it knows nothing.
#[must_use]
pub fn of(component: &str) -> Option<&'static Releases> {
    BUILT_IN.iter().find(|known| known.component == component)
}

impl Releases {
    /// The release line of a version.
    #[must_use]
    pub fn cycle_of(&self, version: &semver::Version) -> Option<&Cycle> {
        let line = format!("{}.{}", version.major, version.minor);
        self.cycles.iter().find(|cycle| cycle.cycle == line)
    }

    /// The newest release of the same line that the catalogue knows, with or without digests, and
    /// the day it came out where that is known; `None` when `version` is it.
    #[must_use]
    pub fn newest_of_line(
        &self,
        version: &semver::Version,
    ) -> Option<(&semver::Version, Option<&Datetime>)> {
        let known = self
            .known
            .iter()
            .map(|known| (&known.version, Some(&known.released)));
        let listed = self.listed.iter().map(|release| (&release.version, None));
        known
            .chain(listed)
            .filter(|(one, _)| (one.major, one.minor) == (version.major, version.minor))
            .max_by(|a, b| a.0.cmp(b.0))
            .filter(|(newest, _)| *newest > version)
    }

    /// Oldest major of `PostgreSQL` that a version runs on.
    #[must_use]
    pub fn oldest_postgresql(&self, version: &semver::Version) -> Option<u32> {
        let mut rows = self.minima.iter();
        let row = rows.find(|row| row.mattermost.matches(version))?;
        Some(row.postgresql)
    }

    /// What is said about an upgrade, in the order of the catalogue.
    pub fn upgrade(
        &self,
        from: &semver::Version,
        to: &semver::Version,
    ) -> impl Iterator<Item = &Upgrade> {
        let touches = |rule: &&Upgrade| rule.from.matches(from) && rule.to.matches(to);
        self.upgrades.iter().filter(touches)
    }

    /// Every version with known digests, in no particular order.
    pub fn versions(&self) -> impl Iterator<Item = &semver::Version> + Clone {
        self.listed.iter().map(|release| &release.version)
    }

    /// The newest release that is known, with or without digests.
    #[must_use]
    pub fn newest(&self) -> Option<&semver::Version> {
        let known = self.known.iter().map(|known| &known.version);
        self.versions().chain(known).max()
    }

    /// The digest of the file of this name, when it belongs to a listed release.
    #[must_use]
    pub fn digest_of(&self, file_name: &str) -> Option<Digest> {
        self.listed.iter().find_map(|release| {
            let version = release.version.to_string();
            release.digests.iter().find_map(|(edition, digest)| {
                let name = self.files.get(edition)?.replace("{version}", &version);
                (name == file_name).then_some(*digest)
            })
        })
    }

    /// The newest release of the same line that is known to exist, and the day it came out, when it
    /// is newer than `version` and its digests are not in the catalogue.
    #[must_use]
    pub fn newer_without_digest(
        &self,
        version: &semver::Version,
    ) -> Option<(&semver::Version, &Datetime)> {
        let (newest, day) = self.newest_of_line(version)?;
        Some((newest, day?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_file_is_readable() {
        let releases: Releases = toml::from_str(MATTERMOST).unwrap();
        assert_eq!(releases.format, 1);
        assert_eq!(releases.component, "mattermost");
        assert_eq!(releases.listed.len(), 82);
        assert_eq!(releases.as_of.to_string(), "2026-11-23");
        for release in &releases.listed {
            for edition in release.digests.keys() {
                assert!(releases.files.contains_key(edition), "{edition}");
            }
        }
        assert_eq!(BUILT_IN.len(), 1);
    }

    #[test]
    fn the_parts_of_the_catalogue_agree() {
        let releases = of("mattermost").unwrap();
        for cycle in &releases.cycles {
            let version = semver::Version::parse(&format!("{}.0", cycle.cycle)).unwrap();
            let oldest = releases.oldest_postgresql(&version);
            assert_eq!(oldest, Some(cycle.min_postgresql), "{version}");
            let known = postgresql().unwrap().major(cycle.min_postgresql);
            assert!(known.is_some() || cycle.min_postgresql < 14, "{version}");
        }
        assert_eq!(as_of().unwrap().to_string(), "2026-11-23");
        assert_eq!(operator().unwrap().features.len(), 1);
        assert_eq!(operator().unwrap().images.len(), 3);
        assert_eq!(POSTGRESQL.matches("[[major]]").count(), 5);
    }

    #[test]
    fn upgrades_that_fail_are_known() {
        let verdicts = |from: &str, to: &str| -> Vec<Verdict> {
            let version = |text| semver::Version::parse(text).unwrap();
            let releases = of("mattermost").unwrap();
            let (from, to) = (version(from), version(to));
            let rules = releases.upgrade(&from, &to);
            rules.map(|rule| rule.verdict).collect()
        };
        assert_eq!(
            verdicts("10.11.17", "11.7.2"),
            [Verdict::Forbidden, Verdict::Notice]
        );
        assert_eq!(verdicts("10.11.17", "11.7.3"), [Verdict::Notice]);
        assert_eq!(verdicts("11.7.9", "12.1.0"), [Verdict::Notice]);
        assert_eq!(verdicts("11.7.9", "11.7.15"), []);
    }

    #[test]
    fn no_two_files_have_the_same_digest() {
        let releases = of("mattermost").unwrap();
        let mut all: Vec<_> = releases
            .listed
            .iter()
            .flat_map(|release| release.digests.values())
            .collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn knows_digests_by_file_name_only_where_published() {
        let releases = of("mattermost").unwrap();
        let found = |name: &str| releases.digest_of(name).map(|digest| digest.to_string());
        assert_eq!(
            found("mattermost-11.7.10-linux-amd64.tar.gz").as_deref(),
            Some("bb66b6f7ddd310e4cede39b256a2f35b825347045a05bb14eaea90081381e270")
        );
        assert_eq!(
            found("mattermost-team-11.0.5-linux-amd64.tar.gz").as_deref(),
            Some("bb50426606e566b56c03a3ab733a9e4fa30abb4e0bd493ff6a5479a086358db3")
        );
        assert_eq!(found("mattermost-11.7.15-linux-amd64.tar.gz"), None);
        assert_eq!(found("mattermost-11.7.10-linux-arm64.tar.gz"), None);
        assert_eq!(found("mattermost-team-11.10.1-linux-amd64.tar.gz"), None);
    }

    #[test]
    fn tells_of_newer_releases_it_cannot_vouch_for() {
        let releases = of("mattermost").unwrap();
        let newer = |text: &str| {
            let version = semver::Version::parse(text).unwrap();
            releases
                .newer_without_digest(&version)
                .map(|(version, day)| format!("{version} {day}"))
        };
        assert_eq!(newer("11.7.10").as_deref(), Some("11.7.15 2026-11-05"));
        assert_eq!(newer("11.7.15"), None);
        assert_eq!(newer("11.10.1"), None);
    }
}
