//! A lock turned into a request to pack.

use std::collections::BTreeMap;
use std::collections::btree_map;

use crate::bundle::base::Base;
use crate::bundle::contents::{FileInfo, FileKind, RepositoryInfo, SuiteInfo, UNVOUCHED};
use crate::bundle::evidence_text;
use crate::bundle::header::{Created, FieldError, Marking, Sequence};
use crate::bundle::layout;
use crate::bundle::request::{Item, PackRequest, Source};
use crate::bundle::volumes::VolumeSize;
use crate::lock::{
    Artifact, Evidence, Image, Lock, LockedFile, Package, Repository, Suite, Vouched,
};
use crate::parity::shape::Amount;
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
    /// How much parity it carries.
    pub parity: Option<Amount>,
    /// How much a volume holds; none: everything is in one.
    pub volume_size: Option<VolumeSize>,
    /// The bundle that it builds on, when it shall be a delta.
    pub base: Option<Base>,
}

impl LockOptions {
    /// Nothing but what every bundle has.
    #[must_use]
    pub const fn new(sequence: Sequence, created: Created, marking: Marking) -> Self {
        Self {
            sequence,
            created,
            marking,
            parity: None,
            volume_size: None,
            base: None,
        }
    }
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
            for file in evidence.files() {
                items.add_evidence(file)?;
            }
        }
    }
    for image in &lock.images {
        if let Some(index) = &image.index {
            items.add_evidence(index)?;
        }
        for file in image.files() {
            items.add_payload(file, image_info(image, file))?;
        }
    }
    if !lock.images.is_empty() {
        let index = layout::index(&lock.images, lock.target.arch);
        let docker = layout::docker(&lock.images);
        for (name, text) in [
            ("oci-layout", layout::MARKER),
            ("index.json", &index),
            ("manifest.json", &docker),
        ] {
            let path = crate::bundle::documents::path(&format!("v1/images/{name}"));
            let source = Source::Bytes(text.as_bytes().to_vec());
            let info = info(source.size(), FileKind::Image);
            items.add(path, source, info)?;
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
    let by_hand = evidence_text::text(lock);
    for (name, text) in [
        ("README.txt", by_hand.as_str()),
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
        parity: options.parity,
        volume_size: options.volume_size,
        base: options.base,
        changes: BTreeMap::new(),
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
    let accepted = artifact.accepted.iter();
    found
        .vouched
        .extend(accepted.map(|one| format!("known and accepted: {}: {}", one.id, one.reason)));
    found
}

/// The manifest stands for the image; what it names is known by its digest.
fn image_info(image: &Image, file: &LockedFile) -> FileInfo {
    let mut found = info(file.size, FileKind::Image);
    found.components = vec![image.component.clone()];
    found.url = Some(file.url.clone());
    if file.path != image.manifest.path {
        found.vouched = vec![format!("the image {} states its SHA-256", image.name)];
        return found;
    }
    found.version = Some(image.version.clone());
    found.stand_in = image.stand_in;
    found.vouched = image
        .evidence
        .iter()
        .map(|evidence| match &evidence.vouched {
            Vouched::Manifest => {
                format!("the manifest states the digest of the image {}", image.name)
            }
            _ => vouched(evidence),
        })
        .collect();
    let accepted = image.accepted.iter();
    found
        .vouched
        .extend(accepted.map(|one| format!("known and accepted: {}: {}", one.id, one.reason)));
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
    let by = evidence.signed.as_ref();
    let by = by.map_or_else(String::new, |signed| {
        format!(", signed by the OpenPGP certificate {}", signed.by)
    });
    match &evidence.vouched {
        Vouched::Manifest => "the manifest states its SHA-256".to_owned(),
        Vouched::Catalogue(day) => {
            format!("the catalogue of {day}, shipped with haversack, states its SHA-256")
        }
        Vouched::ChecksumFile => {
            format!("upstream's checksum file{by} states its SHA-256{from}")
        }
        Vouched::OpenPgp(fingerprint) => {
            format!("signed by the OpenPGP certificate {fingerprint}{from}")
        }
        Vouched::Minisign { key, comment } => format!(
            "signed by the minisign key {key}, trusted comment `{}`{from}",
            comment.escape_debug()
        ),
        Vouched::Sha512(digest) if evidence.document.is_some() => {
            format!("upstream's checksum file{by} states its SHA-512 {digest}{from}")
        }
        Vouched::Sha512(digest) => format!("the manifest states its SHA-512 {digest}"),
        Vouched::Page { url, .. } => format!("the page {url} states its SHA-256"),
        Vouched::Release { url, .. } => {
            format!("the release API, a second opinion only, states its SHA-256 ({url})")
        }
        Vouched::FirstLock(reason) => {
            format!("{UNVOUCHED}pinned when it was first locked; {reason}")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::digest::Digest;
    use crate::types::target::{Arch, Distribution, Target};

    fn file(path: &str, bytes: &[u8]) -> LockedFile {
        LockedFile {
            path: path.parse().unwrap(),
            url: format!("https://example.org/{path}").parse().unwrap(),
            size: u64::try_from(bytes.len()).unwrap(),
            sha256: Digest::of(bytes),
        }
    }

    fn sample() -> Lock {
        let fingerprint: Fingerprint = "A1B31D46F0F3A10B02CF2D44F8F2C31744774B28".parse().unwrap();
        let artifact = Artifact {
            component: "app".parse().unwrap(),
            version: "1.2.3".to_owned(),
            stand_in: true,
            file: file("files/app/app.tar.gz", b"app"),
            mirrors: Vec::new(),
            expect: None,
            evidence: vec![Evidence {
                vouched: Vouched::OpenPgp(fingerprint.clone()),
                document: Some(file("evidence/app/app.tar.gz.sig", b"sig")),
                key: Some(file("evidence/keys/release.asc", b"key")),
                signed: None,
            }],
            accepted: Vec::new(),
        };
        let suite = |name: &str| Suite {
            suite: name.to_owned(),
            components: vec!["main".to_owned()],
            signed_by: vec![fingerprint.clone()],
            date: "Sat, 01 Nov 2026 00:00:00 UTC".to_owned(),
            valid_until: None,
            index: vec![file(&format!("apt/base/dists/{name}/InRelease"), b"index")],
        };
        let package = Package {
            name: "nginx".to_owned(),
            version: "1.22.1-9".to_owned(),
            arch: "amd64".to_owned(),
            file: file(
                "apt/base/pool/main/n/nginx/nginx_1.22.1-9_amd64.deb",
                b"deb",
            ),
            needed_by: vec!["nginx".parse().unwrap()],
            because: "asked for".to_owned(),
        };
        Lock {
            name: "demo".parse().unwrap(),
            version: "1.2.3".to_owned(),
            target: Target {
                distribution: Distribution::Debian12,
                arch: Arch::Amd64,
            },
            manifest: Digest::of(b"manifest"),
            artifacts: vec![artifact],
            images: Vec::new(),
            repositories: vec![Repository {
                name: "base".parse().unwrap(),
                uri: "https://example.org/debian".parse().unwrap(),
                keyring: file("evidence/keys/release.asc", b"key"),
                pinned: Vec::new(),
                suites: vec![suite("bookworm"), suite("bookworm-security")],
                packages: vec![package],
            }],
        }
    }

    fn options() -> LockOptions {
        LockOptions {
            sequence: Sequence::new(42).unwrap(),
            created: Created::from_epoch(1_700_000_000).unwrap(),
            marking: "UNCLASSIFIED".parse().unwrap(),
            parity: None,
            volume_size: None,
            base: None,
        }
    }

    #[test]
    fn a_lock_becomes_payload_below_v1_and_evidence() {
        let request = from_lock(&sample(), "manifest", "lock", options()).unwrap();
        let paths: Vec<&str> = request
            .items
            .iter()
            .map(|item| item.path.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                "evidence/README.txt",
                "evidence/app/app.tar.gz.sig",
                "evidence/keys/release.asc",
                "evidence/manifest.lock",
                "evidence/manifest.toml",
                "v1/apt/base/dists/bookworm-security/InRelease",
                "v1/apt/base/dists/bookworm/InRelease",
                "v1/apt/base/pool/main/n/nginx/nginx_1.22.1-9_amd64.deb",
                "v1/files/app/app.tar.gz",
            ]
        );
        let app = &request.items[8].info;
        assert!(app.stand_in);
        assert_eq!(
            app.vouched,
            [
                "signed by the OpenPGP certificate A1B31D46F0F3A10B02CF2D44F8F2C31744774B28 (https://example.org/evidence/app/app.tar.gz.sig)"
            ]
        );
        assert_eq!(
            request.repositories[0].keyring.as_str(),
            "evidence/keys/release.asc"
        );
        let planned = request.plan().unwrap();
        let list = planned.list(&BTreeMap::new()).unwrap();
        assert_eq!(list.header().files, 13);
        let again = request.plan().unwrap().list(&BTreeMap::new()).unwrap();
        assert_eq!(again.identity(), list.identity());
    }

    #[test]
    fn two_different_files_for_one_path_are_refused() {
        let mut lock = sample();
        lock.repositories[0].keyring.sha256 = Digest::of(b"another key");
        assert_eq!(
            from_lock(&lock, "manifest", "lock", options()),
            Err(FromLockError::Conflict(
                "evidence/keys/release.asc".parse().unwrap()
            ))
        );
    }
}
