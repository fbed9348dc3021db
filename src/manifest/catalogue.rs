//! The catalogue: facts about releases that ship with the program, each with the day it is of.
//!
//! `manifests/catalogue/*.toml` is compiled in, so that a manifest means the same without network.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use toml::value::Datetime;

use crate::types::digest::Digest;

const MATTERMOST: &str = include_str!("../../manifests/catalogue/mattermost.toml");

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
}

/// What the catalogue knows about `component`; `None` when it knows nothing.
#[must_use]
pub fn of(component: &str) -> Option<&'static Releases> {
    BUILT_IN.iter().find(|known| known.component == component)
}

impl Releases {
    /// Every version with known digests, in no particular order.
    pub fn versions(&self) -> impl Iterator<Item = &semver::Version> + Clone {
        self.listed.iter().map(|release| &release.version)
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
        self.known
            .iter()
            .filter(|known| {
                (known.version.major, known.version.minor) == (version.major, version.minor)
                    && known.version > *version
            })
            .max_by(|a, b| a.version.cmp(&b.version))
            .map(|known| (&known.version, &known.released))
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
