//! `bundle.json`: what each file of a bundle is. Parsed only after its hash was checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::Target;
use crate::types::url::SafeUrl;

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
