//! `bundle.json`: what each file of a bundle is. Parsed only after its hash was checked.
//!
//! It is canonical: JSON with two spaces of indentation, keys of `files` sorted bytewise, and a final
//! line feed. Only that one text of a content is accepted, so that no two readers can understand it
//! differently, and `verify.sh` can read paths and sizes line by line.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::bundle::sums::Sums;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::Target;
use crate::types::url::SafeUrl;

/// Name of this file in a bundle.
pub const BUNDLE_JSON: &str = "bundle.json";
/// Longest `bundle.json`, in bytes.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The format of `bundle.json` that this program knows.
pub const FORMAT: u32 = 1;

/// The content of `bundle.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// 1.
    pub format: u32,
    /// What the bundle is for.
    pub target: Target,
    /// Every listed file but `bundle.json` itself.
    pub files: BTreeMap<RelPath, FileInfo>,
    /// The package repositories in it, sorted by name.
    pub repositories: Vec<RepositoryInfo>,
}

/// Why a `bundle.json` is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// It is no JSON of the right shape.
    #[error("bundle.json: {0}")]
    Malformed(String),
    /// It is not written the one way that is accepted.
    #[error("bundle.json is not in its canonical form")]
    NotCanonical,
    /// It says something else than the signed list.
    #[error("bundle.json disagrees with SHA256SUMS: {0}")]
    Disagrees(String),
    /// It is written in a newer format.
    #[error("bundle.json: format {found}, this program knows {FORMAT}")]
    Newer {
        /// The format.
        found: u64,
    },
}

impl ContentsError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::NotCanonical | Self::Disagrees(_) => "E311",
            Self::Malformed(_) => "E312",
            Self::Newer { .. } => "E520",
        }
    }
}

impl Contents {
    /// Reads a `bundle.json` whose hash was checked. The depth of its JSON is bounded by its shape:
    /// a key that is not known ends the reading.
    ///
    /// # Errors
    /// When it is malformed, newer, or not canonical.
    pub fn parse(bytes: &[u8]) -> Result<Self, ContentsError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        // Unknown keys are skipped here; serde_json refuses to nest deeper than 128 while it does.
        if let Ok(Format { format }) = serde_json::from_slice::<Format>(bytes)
            && format > u64::from(FORMAT)
        {
            return Err(ContentsError::Newer { found: format });
        }
        let contents: Self = serde_json::from_slice(bytes)
            .map_err(|error| ContentsError::Malformed(error.to_string()))?;
        if contents.format != FORMAT {
            return Err(ContentsError::Malformed("`format` must be 1".to_owned()));
        }
        if contents.render()?.as_bytes() == bytes {
            Ok(contents)
        } else {
            Err(ContentsError::NotCanonical)
        }
    }

    /// The components whose files stand in for the real programs, sorted; a stand-in that belongs to
    /// no component is named by its path. Empty for a bundle of upstream's own files.
    #[must_use]
    pub fn stand_ins(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for (path, info) in self.files.iter().filter(|(_, info)| info.stand_in) {
            if info.components.is_empty() {
                found.insert(path.to_string());
            }
            found.extend(info.components.iter().map(ToString::to_string));
        }
        found.into_iter().collect()
    }

    /// The canonical text.
    ///
    /// # Errors
    /// Never for a value of this type; the encoder's signature has an error.
    pub fn render(&self) -> Result<String, ContentsError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| ContentsError::Malformed(error.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// Compares with the signed list: the same files, and together the bytes that its header counts.
    /// `own_size` is the size of `bundle.json` itself.
    ///
    /// # Errors
    /// [`ContentsError::Disagrees`] with the first difference.
    pub fn compare(&self, sums: &Sums, own_size: u64) -> Result<(), ContentsError> {
        let disagrees = |text: String| Err(ContentsError::Disagrees(text));
        let listed: BTreeSet<&RelPath> = sums
            .entries()
            .keys()
            .filter(|path| path.as_str() != BUNDLE_JSON)
            .collect();
        let described: BTreeSet<&RelPath> = self.files.keys().collect();
        if let Some(path) = listed.difference(&described).next() {
            return disagrees(format!("it does not describe {path}"));
        }
        if let Some(path) = described.difference(&listed).next() {
            return disagrees(format!("it describes {path}, which is not listed"));
        }
        let sizes = self.files.values().map(|info| info.size);
        let total = sizes.chain([own_size]).try_fold(0_u64, u64::checked_add);
        let header = sums.header().bytes;
        if total != Some(header) {
            let total =
                total.map_or_else(|| "more than 2^64".to_owned(), |total| total.to_string());
            return disagrees(format!("sizes of {total} bytes, and a header of {header}"));
        }
        let known = |path: &RelPath| self.files.contains_key(path);
        let keyring = self
            .repositories
            .iter()
            .map(|repository| &repository.keyring);
        match keyring.clone().find(|path| !known(path)) {
            Some(path) => disagrees(format!("the keyring {path} is not listed")),
            None => Ok(()),
        }
    }
}

/// What one file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInfo {
    /// Size in bytes.
    pub size: u64,
    /// What it is for.
    pub kind: FileKind,
    /// The components of the manifest that need it; empty for documents and evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Name>,
    /// Version of the artifact or package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name of the package, for packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Whether it stands in for the real program, in tests and the quickstart only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stand_in: bool,
    /// Where upstream publishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SafeUrl>,
    /// Who vouched for it when the lock was made, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vouched: Vec<String>,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// `README.txt`, `label.txt`, `verify.sh`.
    Document,
    /// Manifest, lock, upstream signatures, keys.
    Evidence,
    /// A single file from an upstream.
    Artifact,
    /// Upstream's signed index of a package repository.
    AptIndex,
    /// A Debian package.
    AptPackage,
    /// Blocks from which damaged payload is repaired, and the hashes of all blocks.
    Parity,
}

/// One package repository in the bundle, at `v1/apt/<name>/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryInfo {
    /// Its name.
    pub name: Name,
    /// Its root upstream.
    pub uri: SafeUrl,
    /// The keyring that signed it: a path below `evidence/`.
    pub keyring: RelPath,
    /// Its suites.
    pub suites: Vec<SuiteInfo>,
}

/// One suite of a package repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteInfo {
    /// Its folder below `dists/`.
    pub suite: String,
    /// The components used, as a source entry names them.
    pub components: Vec<String>,
    /// `Date` of its Release file.
    pub date: String,
    /// `Valid-Until` of its Release file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::target::{Arch, Distribution};

    fn sample() -> Contents {
        let info = FileInfo {
            size: 3,
            kind: FileKind::Document,
            components: Vec::new(),
            version: None,
            package: None,
            stand_in: false,
            url: None,
            vouched: Vec::new(),
        };
        Contents {
            format: 1,
            target: Target {
                distribution: Distribution::Debian12,
                arch: Arch::Amd64,
            },
            files: BTreeMap::from([("README.txt".parse().unwrap(), info)]),
            repositories: Vec::new(),
        }
    }

    #[test]
    fn only_the_canonical_text_is_read() {
        let contents = sample();
        let text = contents.render().unwrap();
        assert_eq!(
            text,
            "{\n  \"format\": 1,\n  \"target\": {\n    \"distribution\": \"debian-12\",\n    \"arch\": \"amd64\"\n  },\n  \"files\": {\n    \"README.txt\": {\n      \"size\": 3,\n      \"kind\": \"document\"\n    }\n  },\n  \"repositories\": []\n}\n"
        );
        assert_eq!(Contents::parse(text.as_bytes()), Ok(contents));
        let id = |text: &str| Contents::parse(text.as_bytes()).unwrap_err().id();
        assert_eq!(id(text.trim_end()), "E311");
        assert_eq!(id(&text.replace("  ", " ")), "E311");
        assert_eq!(
            id(&text.replace("\"size\": 3,", "\"size\": 3, \"size\": 4,")),
            "E312"
        );
        assert_eq!(id(&text.replace("document", "other")), "E312");
        assert_eq!(id(&text.replace("\"size\": 3", "\"size\": 1e999")), "E312");
        assert_eq!(id(&text.replace("\"format\": 1", "\"format\": 2")), "E520");
        assert_eq!(id(&"[".repeat(1 << 20)), "E312");
        assert_eq!(id(&format!("{{\"x\":{}", "[".repeat(1 << 20))), "E312");
    }
}
