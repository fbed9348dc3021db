//! A lock turned into a request to pack.

use std::collections::BTreeMap;
use std::collections::btree_map;

use crate::bundle::contents::{FileInfo, FileKind, RepositoryInfo, SuiteInfo};
use crate::bundle::header::{Created, FieldError, Marking, Sequence};
use crate::bundle::request::{Item, PackRequest, Source};
use crate::lock::{Artifact, Evidence, Lock, LockedFile, Package, Repository, Suite, Vouched};
use crate::types::fingerprint::Fingerprint;
use crate::types::name::Name;
use crate::types::path::{ParsePathError, RelPath};

/// What a bundle needs that is not in a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockOptions {
    /// Number that only grows.
    pub sequence: Sequence,
    /// When the bundle is made.
    pub created: Created,
    /// The security marking that media with it carry.
    pub marking: Marking,
}

/// Why a lock cannot become a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FromLockError {
    /// The version cannot stand in the header of a list.
    #[error("the version of the bundle")]
    Version(#[source] FieldError),
    /// A path is too long once it stands below `v1/`.
    #[error("{path}")]
    Path {
        /// The path in the lock.
        path: RelPath,
        /// What is wrong with it.
        #[source]
        source: ParsePathError,
    },
    /// The lock names two different files for one path.
    #[error("{0}: the lock names two different files for this path")]
    Conflict(RelPath),
}

impl FromLockError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        "E284"
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Version(_) => "state another `version` in the manifest and lock again",
            Self::Path { .. } => {
                "shorten the file or component name in the manifest and lock again"
            }
            Self::Conflict(_) => "lock again; if it stays, report it with the lock",
        };
        Some(text.to_owned())
    }
}

/// The request to pack what `lock` stands for. The texts of manifest and lock go along as evidence.
///
/// # Errors
/// When the lock holds a name that a bundle cannot.
pub fn from_lock(
    lock: &Lock,
    manifest_text: &str,
    lock_text: &str,
    options: LockOptions,
) -> Result<PackRequest, FromLockError> {
    let mut items = Items::default();
    for artifact in &lock.artifacts {
        items.add_payload(&artifact.file, artifact_info(artifact))?;
        for evidence in &artifact.evidence {
            for file in evidence.document.iter().chain(&evidence.key) {
                items.add_evidence(file)?;
            }
        }
    }
    let mut repositories = Vec::new();
    for repository in &lock.repositories {
        items.add_evidence(&repository.keyring)?;
        for suite in &repository.suites {
            for file in &suite.index {
                items.add_payload(file, index_info(file, suite))?;
            }
        }
        for package in &repository.packages {
            items.add_payload(&package.file, package_info(package, repository))?;
        }
        repositories.push(repository_info(repository)?);
    }
    for (name, text) in [
        ("manifest.toml", manifest_text),
        ("manifest.lock", lock_text),
    ] {
        let path = crate::bundle::documents::path(&format!("evidence/{name}"));
        let source = Source::Bytes(text.as_bytes().to_vec());
        let info = info(source.size(), FileKind::Evidence);
        items.add(path, source, info)?;
    }
    Ok(PackRequest {
        name: lock.name.clone(),
        version: lock.version.parse().map_err(FromLockError::Version)?,
        sequence: options.sequence,
        created: options.created,
        marking: options.marking,
        target: lock.target,
        items: items.0.into_values().collect(),
        repositories,
    })
}

#[derive(Default)]
struct Items(BTreeMap<RelPath, Item>);

impl Items {
    fn add_payload(&mut self, file: &LockedFile, info: FileInfo) -> Result<(), FromLockError> {
        let path = below("v1", &file.path)?;
        self.add(path, stored(file), info)
    }

    fn add_evidence(&mut self, file: &LockedFile) -> Result<(), FromLockError> {
        let mut info = info(file.size, FileKind::Evidence);
        info.url = Some(file.url.clone());
        self.add(evidence_path(&file.path)?, stored(file), info)
    }

    /// Adds a file; the same file a second time (one signed index under two suites, one key for two
    /// artifacts) joins the components that need it.
    fn add(&mut self, path: RelPath, source: Source, info: FileInfo) -> Result<(), FromLockError> {
        match self.0.entry(path.clone()) {
            btree_map::Entry::Vacant(place) => {
                place.insert(Item { path, source, info });
            }
            btree_map::Entry::Occupied(mut known) => {
                let known = known.get_mut();
                if known.source.digest() != source.digest() || known.info.kind != info.kind {
                    return Err(FromLockError::Conflict(path));
                }
                known.info.components.extend(info.components);
                known.info.components.sort();
                known.info.components.dedup();
                for line in info.vouched {
                    if !known.info.vouched.contains(&line) {
                        known.info.vouched.push(line);
                    }
                }
            }
        }
        Ok(())
    }
}

fn artifact_info(artifact: &Artifact) -> FileInfo {
    let mut found = info(artifact.file.size, FileKind::Artifact);
    found.components = vec![artifact.component.clone()];
    found.version = Some(artifact.version.clone());
    found.stand_in = artifact.stand_in;
    found.url = Some(artifact.file.url.clone());
    found.vouched = artifact.evidence.iter().map(vouched).collect();
    found
}

fn package_info(package: &Package, repository: &Repository) -> FileInfo {
    let mut found = info(package.file.size, FileKind::AptPackage);
    found.components.clone_from(&package.needed_by);
    found.version = Some(package.version.clone());
    found.package = Some(package.name.clone());
    found.url = Some(package.file.url.clone());
    found.vouched = vec![format!(
        "the signed index of the repository {} states its SHA-256",
        repository.name
    )];
    found
}

fn index_info(file: &LockedFile, suite: &Suite) -> FileInfo {
    let mut found = info(file.size, FileKind::AptIndex);
    found.url = Some(file.url.clone());
    found.vouched = vec![format!(
        "signed by the OpenPGP certificate {}",
        fingerprints(&suite.signed_by)
    )];
    found
}

fn repository_info(repository: &Repository) -> Result<RepositoryInfo, FromLockError> {
    let suites = repository.suites.iter().map(|suite| SuiteInfo {
        suite: suite.suite.clone(),
        components: suite.components.clone(),
        date: suite.date.clone(),
        valid_until: suite.valid_until.clone(),
    });
    Ok(RepositoryInfo {
        name: repository.name.clone(),
        uri: repository.uri.clone(),
        keyring: evidence_path(&repository.keyring.path)?,
        suites: suites.collect(),
    })
}

fn vouched(evidence: &Evidence) -> String {
    let from = evidence
        .document
        .as_ref()
        .map(|document| format!(" ({})", document.url))
        .unwrap_or_default();
    match &evidence.vouched {
        Vouched::Manifest => "the manifest states its SHA-256".to_owned(),
        Vouched::Catalogue(day) => {
            format!("the catalogue of {day}, shipped with haversack, states its SHA-256")
        }
        Vouched::ChecksumFile => format!("upstream's checksum file states its SHA-256{from}"),
        Vouched::OpenPgp(fingerprint) => {
            format!("signed by the OpenPGP certificate {fingerprint}{from}")
        }
        Vouched::FirstLock(reason) => {
            format!("nobody: pinned when it was first locked; {reason}")
        }
    }
}

fn fingerprints(all: &[Fingerprint]) -> String {
    let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn stored(file: &LockedFile) -> Source {
    Source::Stored {
        digest: file.sha256,
        size: file.size,
    }
}

fn evidence_path(path: &RelPath) -> Result<RelPath, FromLockError> {
    if path.first() == "evidence" {
        Ok(path.clone())
    } else {
        below("evidence", path)
    }
}

fn below(folder: &str, path: &RelPath) -> Result<RelPath, FromLockError> {
    format!("{folder}/{path}")
        .parse()
        .map_err(|source| FromLockError::Path {
            path: path.clone(),
            source,
        })
}

fn info(size: u64, kind: FileKind) -> FileInfo {
    FileInfo {
        size,
        kind,
        components: Vec::<Name>::new(),
        version: None,
        package: None,
        stand_in: false,
        url: None,
        vouched: Vec::new(),
    }
}
