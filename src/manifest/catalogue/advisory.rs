//! Releases that should not be used, and why.

use std::sync::LazyLock;

use serde::Deserialize;
use toml::value::Datetime;

use crate::types::scheme::{Prereleases, Requirement, Scheme};

const TEXT: &str = include_str!("../../../manifests/catalogue/advisories.toml");

static ALL: LazyLock<Option<Advisories>> = LazyLock::new(|| read(TEXT).ok());

struct Advisories {
    as_of: Datetime,
    rows: Vec<Advisory>,
}

/// Why releases should not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// The component.
    pub component: String,
    /// The releases.
    pub versions: Requirement,
    /// Its name, such as a CVE number.
    pub id: String,
    /// What is done about it.
    pub verdict: Concern,
    /// What is wrong, in a few words.
    pub reason: String,
    /// Where that is said.
    pub source: String,
}

/// What is done about a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Concern {
    /// It is locked, with a warning.
    Warn,
    /// It is not locked, unless the manifest accepts the finding with a reason.
    Refuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "format")]
    _format: u32,
    as_of: Datetime,
    advisory: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    component: String,
    #[serde(default)]
    scheme: Option<String>,
    versions: String,
    id: String,
    verdict: Concern,
    reason: String,
    source: String,
}

fn read(text: &str) -> Result<Advisories, String> {
    let wire: Wire = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    for row in wire.advisory {
        let scheme = row.scheme.as_deref().map_or(Ok(Scheme::Semver), str::parse);
        let scheme = scheme.map_err(|error| error.to_string())?;
        let versions = scheme.requirement(&row.versions);
        rows.push(Advisory {
            component: row.component,
            versions: versions.map_err(|error| error.to_string())?,
            id: row.id,
            verdict: row.verdict,
            reason: row.reason,
            source: row.source,
        });
    }
    Ok(Advisories {
        as_of: wire.as_of,
        rows,
    })
}

/// What the catalogue says against a version of a component.
pub fn advisories_of<'v>(
    component: &'v str,
    version: &'v str,
) -> impl Iterator<Item = &'static Advisory> + 'v {
    let rows = ALL.iter().flat_map(|all| &all.rows);
    rows.filter(move |row| row.component == component)
        .filter(move |row| {
            let read = row.versions.scheme().read(version);
            read.is_some_and(|version| row.versions.allows(&version, Prereleases::Allow))
        })
}

/// The day of the advisories.
pub(super) fn as_of() -> Option<&'static Datetime> {
    ALL.as_ref().map(|all| &all.as_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_is_readable() {
        let all = read(TEXT).unwrap();
        assert_eq!(all.as_of.to_string(), "2026-11-23");
        assert_eq!(all.rows.len(), 1);
    }

    #[test]
    fn the_last_binary_of_minio_is_known_to_be_open() {
        let found = |version| -> Vec<_> {
            let all = advisories_of("minio", version);
            all.map(|one| (one.id.as_str(), one.verdict)).collect()
        };
        assert_eq!(
            found("RELEASE.2025-09-07T16-13-09Z"),
            [("CVE-2025-62506", Concern::Refuse)]
        );
        assert_eq!(found("RELEASE.2025-10-15T17-29-55Z"), []);
        assert_eq!(
            advisories_of("mc", "RELEASE.2025-08-13T08-35-41Z").count(),
            0
        );
    }
}
