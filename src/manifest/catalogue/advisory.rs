//! Releases that should not be used, and why.

use std::fmt;
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

/// An advisory about a component that does not leave a version of it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The version is one that should not be used.
    Affected(&'static Advisory),
    /// The version is none of the scheme that the advisory is written in, so that nobody can tell.
    Unreadable(&'static Advisory),
}

impl Finding {
    /// The advisory.
    #[must_use]
    pub const fn advisory(self) -> &'static Advisory {
        match self {
            Self::Affected(advisory) | Self::Unreadable(advisory) => advisory,
        }
    }

    /// Whether the version is not locked, unless the manifest accepts the finding.
    #[must_use]
    pub fn refuses(self) -> bool {
        self.advisory().verdict == Concern::Refuse
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Affected(advisory) => write!(f, "{}: {}", advisory.id, advisory.reason),
            Self::Unreadable(advisory) => write!(
                f,
                "{} concerns {} of it, and this is no version that can be compared with that",
                advisory.id, advisory.versions
            ),
        }
    }
}

/// What the catalogue says against a version of a component. A version that cannot be compared is
/// found, too: a typing error must not hide an advisory.
pub fn advisories_of<'v>(
    component: &'v str,
    version: &'v str,
) -> impl Iterator<Item = Finding> + 'v {
    let rows = ALL.iter().flat_map(|all| &all.rows);
    rows.filter(move |row| row.component == component)
        .filter_map(move |row| {
            let Some(read) = row.versions.scheme().read(version) else {
                return Some(Finding::Unreadable(row));
            };
            let affected = row.versions.allows(&read, Prereleases::Allow);
            affected.then_some(Finding::Affected(row))
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
            all.map(|one| match one {
                Finding::Affected(one) => (one.id.as_str(), "affected"),
                Finding::Unreadable(one) => (one.id.as_str(), "unreadable"),
            })
            .collect()
        };
        assert_eq!(
            found("RELEASE.2025-09-07T16-13-09Z"),
            [("CVE-2025-62506", "affected")]
        );
        for unreadable in [
            "2025-09-07",
            "RELEASE.2025-09-07T16-13-09Z.fips",
            "release.2025-09-07T16-13-09Z",
            "1.2.3",
            "",
        ] {
            assert_eq!(found(unreadable), [("CVE-2025-62506", "unreadable")]);
        }
        assert_eq!(found("RELEASE.2025-10-15T17-29-55Z"), []);
        assert_eq!(
            advisories_of("mc", "RELEASE.2025-08-13T08-35-41Z").count(),
            0
        );
    }
}
