//! Rows that a manifest can hold besides the server: those of `manifests/options`, compiled in.

use std::fmt;
use std::str::FromStr;

use crate::plan::deployment::Edition;
use crate::types::target::Arch;

/// What stands before the rows of such a file.
const MARK: &str = "# --- rows\n";

/// A set of rows that a manifest may hold: one file of `manifests/options`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rows {
    /// The media server of Calls, and its offloader.
    Calls,
    /// The desktop apps.
    Desktop,
    /// Garage.
    Garage,
    /// The last binary of `MinIO`, and its client.
    Minio,
    /// Prometheus, as a package; and how Grafana comes.
    Monitoring,
    /// Plugins with their signatures.
    Plugins,
    /// `RustFS`.
    Rustfs,
    /// The parts list of the server.
    Sbom,
    /// `SeaweedFS`.
    Seaweedfs,
    /// versitygw.
    Versitygw,
}

/// The text names no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no set of rows; there are {list}", list = names())]
pub struct ParseRowsError(String);

impl Rows {
    /// Every set.
    pub const ALL: [Self; 10] = [
        Self::Calls,
        Self::Desktop,
        Self::Garage,
        Self::Minio,
        Self::Monitoring,
        Self::Plugins,
        Self::Rustfs,
        Self::Sbom,
        Self::Seaweedfs,
        Self::Versitygw,
    ];

    /// Its name: that of its file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Desktop => "desktop",
            Self::Garage => "garage",
            Self::Minio => "minio",
            Self::Monitoring => "monitoring",
            Self::Plugins => "plugins",
            Self::Rustfs => "rustfs",
            Self::Sbom => "sbom",
            Self::Seaweedfs => "seaweedfs",
            Self::Versitygw => "versitygw",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Calls => include_str!("../../manifests/options/calls.toml"),
            Self::Desktop => include_str!("../../manifests/options/desktop.toml"),
            Self::Garage => include_str!("../../manifests/options/garage.toml"),
            Self::Minio => include_str!("../../manifests/options/minio.toml"),
            Self::Monitoring => include_str!("../../manifests/options/monitoring.toml"),
            Self::Plugins => include_str!("../../manifests/options/plugins.toml"),
            Self::Rustfs => include_str!("../../manifests/options/rustfs.toml"),
            Self::Sbom => include_str!("../../manifests/options/sbom.toml"),
            Self::Seaweedfs => include_str!("../../manifests/options/seaweedfs.toml"),
            Self::Versitygw => include_str!("../../manifests/options/versitygw.toml"),
        }
    }

    /// Its rows for an architecture and an edition, without the head of its file.
    pub(super) fn text(self, arch: Arch, edition: Edition) -> String {
        let rows = self.file().split_once(MARK).map_or("", |(_, rows)| rows);
        if self == Self::Monitoring {
            // The packages stand with the others, for there is one [apt]; what is to be known stays.
            let comments = self.file().lines().take_while(|line| line.starts_with('#'));
            return comments.collect::<Vec<_>>().join("\n");
        }
        let mut text = String::new();
        for line in rows.trim().lines() {
            // What says how to write a row for the other architecture has been followed.
            let hint =
                line.starts_with("# On arm64 ") || line.starts_with("# For the Team Edition");
            if !hint {
                text.push_str(line);
                text.push('\n');
            }
        }
        if arch == Arch::Arm64 {
            for (from, to) in ON_ARM64 {
                text = text.replace(from, to);
            }
        }
        if edition == Edition::Team {
            text = text.replace(ENTERPRISE_SBOM, TEAM_SBOM);
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Words of rows that are others on arm64, where `{arch}` does not do: what publishers call the
/// architecture, and digests.
const ON_ARM64: [(&str, &str); 5] = [
    ("Linux_x86_64", "Linux_arm64"),
    ("linux-x86_64-musl", "linux-aarch64-musl"),
    ("x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"),
    (
        "7c5bd8512c6e966455b1d198209358b2d191c77a83ab377c4073281065fb855f",
        "5c83cd2cf151717ba0243f73e1c7802ff36e272b67144bdd7f1f7d684fd6f03d",
    ),
    (
        "01f866e9c5f9b87c2b09116fa5d7c06695b106242d829a8bb32990c00312e891",
        "14c8c9616cfce4636add161304353244e8de383b2e2752c0e9dad01d4c27c12c",
    ),
];

const ENTERPRISE_SBOM: &str =
    "https://releases.mattermost.com/{version}/sbom-enterprise-v{version}.json";
const TEAM_SBOM: &str = "https://github.com/mattermost/mattermost/releases/download/v{version}/sbom-mattermost-v{version}.json";

fn names() -> String {
    Rows::ALL.map(Rows::as_str).join(", ")
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Rows {
    type Err = ParseRowsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or_else(|| ParseRowsError(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_has_rows_and_a_name() {
        for rows in Rows::ALL {
            assert_eq!(rows.as_str().parse(), Ok(rows));
            let text = rows.text(Arch::Amd64, Edition::Enterprise);
            let row = if rows == Rows::Monitoring {
                "# Prometheus, from the distribution"
            } else {
                "[[artifact]]"
            };
            assert!(text.contains(row), "{rows}");
            assert!(!text.contains("target"), "{rows}");
        }
        assert_eq!(
            "ceph".parse::<Rows>().unwrap_err().to_string(),
            "`ceph` is no set of rows; there are calls, desktop, garage, minio, monitoring, plugins, rustfs, sbom, seaweedfs, versitygw"
        );
    }

    #[test]
    fn words_of_another_architecture_are_replaced_and_none_is_idle() {
        let all: String = Rows::ALL.map(Rows::file).concat();
        for (from, _) in ON_ARM64 {
            assert!(all.contains(from), "{from}");
        }
        assert!(all.contains(ENTERPRISE_SBOM));
        let text = Rows::Versitygw.text(Arch::Arm64, Edition::Enterprise);
        assert!(
            text.contains("_Linux_arm64.tar.gz") && !text.contains("x86_64"),
            "{text}"
        );
        let text = Rows::Sbom.text(Arch::Amd64, Edition::Team);
        assert!(
            text.contains("sbom-mattermost-v") && !text.contains("enterprise"),
            "{text}"
        );
    }
}
