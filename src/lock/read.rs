//! Reading a lock: format first, then wire structs, then the model.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::model::{
    Artifact, Evidence, Image, Lock, LockedFile, Package, Repository, Signed, Suite, Vouched,
};
use super::{BLOBS, LockError, MAX_FILES, MAX_LOCK};
use crate::manifest::{Accepted, Draft};
use crate::types::digest::Digest;
use crate::types::fingerprint::Fingerprint;
use crate::types::image::ImageName;
use crate::types::minisign::MinisignKey;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::sha512::Sha512;
use crate::types::target::Target;
use crate::types::url::SafeUrl;

#[derive(Deserialize)]
struct Format {
    format: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockWire {
    #[serde(rename = "format")]
    _format: i64,
    name: Name,
    version: String,
    target: Target,
    manifest: Digest,
    #[serde(default, rename = "artifact")]
    artifacts: Vec<ArtifactWire>,
    #[serde(default, rename = "image")]
    images: Vec<ImageWire>,
    #[serde(default, rename = "repository")]
    repositories: Vec<RepositoryWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWire {
    path: RelPath,
    url: SafeUrl,
    size: u64,
    sha256: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ArtifactWire {
    component: Name,
    version: String,
    path: RelPath,
    url: SafeUrl,
    size: u64,
    sha256: Digest,
    #[serde(default)]
    mirrors: Vec<SafeUrl>,
    expect: Option<String>,
    #[serde(default)]
    stand_in: bool,
    #[serde(default)]
    evidence: Vec<EvidenceWire>,
    #[serde(default)]
    accepted: Vec<AcceptedWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ImageWire {
    component: Name,
    version: String,
    #[serde(default)]
    stand_in: bool,
    reference: ImageName,
    media_type: String,
    index: Option<FileWire>,
    manifest: FileWire,
    config: FileWire,
    layers: Vec<FileWire>,
    #[serde(default)]
    evidence: Vec<EvidenceWire>,
    #[serde(default)]
    accepted: Vec<AcceptedWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedWire {
    id: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct EvidenceWire {
    by: By,
    as_of: Option<String>,
    fingerprint: Option<Fingerprint>,
    reason: Option<String>,
    minisign: Option<MinisignKey>,
    comment: Option<String>,
    sha512: Option<String>,
    url: Option<SafeUrl>,
    excerpt: Option<String>,
    document: Option<FileWire>,
    key: Option<FileWire>,
    signed_by: Option<Fingerprint>,
    signature: Option<FileWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    Manifest,
    Catalogue,
    ChecksumFile,
    Openpgp,
    Minisign,
    Sha512,
    Page,
    Release,
    FirstLock,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepositoryWire {
    name: Name,
    uri: SafeUrl,
    keyring: FileWire,
    #[serde(default)]
    pinned: Vec<Fingerprint>,
    #[serde(default, rename = "suite")]
    suites: Vec<SuiteWire>,
    #[serde(default, rename = "package")]
    packages: Vec<PackageWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SuiteWire {
    suite: String,
    components: Vec<String>,
    signed_by: Vec<Fingerprint>,
    date: String,
    valid_until: Option<String>,
    index: Vec<FileWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PackageWire {
    name: String,
    version: String,
    arch: String,
    path: RelPath,
    url: SafeUrl,
    size: u64,
    sha256: Digest,
    needed_by: Vec<Name>,
    because: String,
}

pub(super) fn parse(text: &str, file_name: &str) -> Result<Lock, LockError> {
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_LOCK {
        return Err(LockError::TooLarge {
            file: file_name.to_owned(),
        });
    }
    let unreadable = |source| LockError::Syntax {
        file: file_name.to_owned(),
        source,
    };
    let format = toml::from_str::<Format>(text).map_err(unreadable)?.format;
    if format != 1 {
        return Err(LockError::Format {
            file: file_name.to_owned(),
            found: format,
        });
    }
    let wire: LockWire = toml::from_str(text).map_err(|source| {
        if Draft::parse(text, file_name).is_ok() {
            return LockError::Manifest {
                file: file_name.to_owned(),
            };
        }
        unreadable(source)
    })?;
    let lock = Lock::try_from(wire).map_err(|problem| LockError::Content {
        file: file_name.to_owned(),
        problem,
    })?;
    check(&lock).map_err(|problem| LockError::Content {
        file: file_name.to_owned(),
        problem,
    })?;
    Ok(lock)
}

impl From<FileWire> for LockedFile {
    fn from(wire: FileWire) -> Self {
        Self {
            path: wire.path,
            url: wire.url,
            size: wire.size,
            sha256: wire.sha256,
        }
    }
}

impl TryFrom<LockWire> for Lock {
    type Error = String;

    fn try_from(wire: LockWire) -> Result<Self, String> {
        Ok(Self {
            name: wire.name,
            version: wire.version,
            target: wire.target,
            manifest: wire.manifest,
            artifacts: wire
                .artifacts
                .into_iter()
                .map(Artifact::try_from)
                .collect::<Result<_, _>>()?,
            images: wire
                .images
                .into_iter()
                .map(Image::try_from)
                .collect::<Result<_, _>>()?,
            repositories: wire.repositories.into_iter().map(Into::into).collect(),
        })
    }
}

impl TryFrom<ArtifactWire> for Artifact {
    type Error = String;

    fn try_from(wire: ArtifactWire) -> Result<Self, String> {
        let path = wire.path;
        let evidence = evidence_of(wire.evidence, path.as_str())?;
        Ok(Self {
            component: wire.component,
            version: wire.version,
            stand_in: wire.stand_in,
            expect: wire.expect,
            file: LockedFile {
                path,
                url: wire.url,
                size: wire.size,
                sha256: wire.sha256,
            },
            mirrors: wire.mirrors,
            evidence,
            accepted: accepted_of(wire.accepted),
        })
    }
}

impl TryFrom<ImageWire> for Image {
    type Error = String;

    fn try_from(wire: ImageWire) -> Result<Self, String> {
        Ok(Self {
            evidence: evidence_of(wire.evidence, &wire.reference.to_string())?,
            accepted: accepted_of(wire.accepted),
            component: wire.component,
            version: wire.version,
            stand_in: wire.stand_in,
            name: wire.reference,
            media_type: wire.media_type,
            index: wire.index.map(Into::into),
            manifest: wire.manifest.into(),
            config: wire.config.into(),
            layers: wire.layers.into_iter().map(Into::into).collect(),
        })
    }
}

fn evidence_of(wire: Vec<EvidenceWire>, of: &str) -> Result<Vec<Evidence>, String> {
    let read = |one| Evidence::try_from(one).map_err(|problem| format!("{of}: {problem}"));
    wire.into_iter().map(read).collect()
}

fn accepted_of(wire: Vec<AcceptedWire>) -> Vec<Accepted> {
    let all = wire.into_iter();
    all.map(|one| Accepted {
        id: one.id,
        reason: one.reason,
    })
    .collect()
}

impl TryFrom<EvidenceWire> for Evidence {
    type Error = String;

    fn try_from(mut wire: EvidenceWire) -> Result<Self, String> {
        let vouched = vouched(&mut wire)?;
        let left = [
            wire.as_of.is_some(),
            wire.fingerprint.is_some(),
            wire.reason.is_some(),
            wire.minisign.is_some(),
            wire.comment.is_some(),
            wire.sha512.is_some(),
            wire.url.is_some(),
            wire.excerpt.is_some(),
        ];
        let can_be_signed = matches!(vouched, Vouched::ChecksumFile | Vouched::Sha512(_));
        let signed = wire.signed_by.map(|by| Signed {
            by,
            signature: wire.signature.take().map(Into::into),
        });
        let whole = signed.is_none() || (wire.key.is_some() && wire.document.is_some());
        if left.contains(&true)
            || wire.signature.is_some()
            || (signed.is_some() && !can_be_signed)
            || !whole
        {
            return Err(TOGETHER.to_owned());
        }
        Ok(Self {
            vouched,
            document: wire.document.map(Into::into),
            key: wire.key.map(Into::into),
            signed,
        })
    }
}

const TOGETHER: &str = "evidence has keys that do not go together";

/// Who vouched; takes the keys that say so out of `wire`.
fn vouched(wire: &mut EvidenceWire) -> Result<Vouched, String> {
    let lacks = || TOGETHER.to_owned();
    Ok(match wire.by {
        By::Manifest => Vouched::Manifest,
        By::Catalogue => Vouched::Catalogue(wire.as_of.take().ok_or_else(lacks)?),
        By::ChecksumFile => Vouched::ChecksumFile,
        By::Openpgp => Vouched::OpenPgp(wire.fingerprint.take().ok_or_else(lacks)?),
        By::Minisign => Vouched::Minisign {
            key: wire.minisign.take().ok_or_else(lacks)?,
            comment: wire.comment.take().ok_or_else(lacks)?,
        },
        By::Sha512 => {
            let digest = wire.sha512.take().ok_or_else(lacks)?.parse::<Sha512>();
            Vouched::Sha512(digest.map_err(|error| error.to_string())?)
        }
        By::Page => Vouched::Page {
            url: wire.url.take().ok_or_else(lacks)?,
            excerpt: wire.excerpt.take().ok_or_else(lacks)?,
        },
        By::Release => Vouched::Release {
            url: wire.url.take().ok_or_else(lacks)?,
            excerpt: wire.excerpt.take().ok_or_else(lacks)?,
        },
        By::FirstLock => Vouched::FirstLock(wire.reason.take().ok_or_else(lacks)?),
    })
}

impl From<RepositoryWire> for Repository {
    fn from(wire: RepositoryWire) -> Self {
        Self {
            name: wire.name,
            uri: wire.uri,
            keyring: wire.keyring.into(),
            pinned: wire.pinned,
            suites: wire.suites.into_iter().map(Into::into).collect(),
            packages: wire.packages.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<SuiteWire> for Suite {
    fn from(wire: SuiteWire) -> Self {
        Self {
            suite: wire.suite,
            components: wire.components,
            signed_by: wire.signed_by,
            date: wire.date,
            valid_until: wire.valid_until,
            index: wire.index.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<PackageWire> for Package {
    fn from(wire: PackageWire) -> Self {
        Self {
            name: wire.name,
            version: wire.version,
            arch: wire.arch,
            file: LockedFile {
                path: wire.path,
                url: wire.url,
                size: wire.size,
                sha256: wire.sha256,
            },
            needed_by: wire.needed_by,
            because: wire.because,
        }
    }
}

/// What the types alone do not say.
fn check(lock: &Lock) -> Result<(), String> {
    for artifact in &lock.artifacts {
        let folder = format!("files/{}", artifact.component);
        if artifact.file.path.below(&folder).is_none() {
            return Err(format!("{} is not below {folder}/", artifact.file.path));
        }
        if artifact.evidence.is_empty() {
            return Err(format!("nobody vouches for {}", artifact.file.path));
        }
    }
    for image in &lock.images {
        check_image(image)?;
    }
    for repository in &lock.repositories {
        let folder = format!("apt/{}", repository.name);
        let index = repository.suites.iter().flat_map(|suite| &suite.index);
        for file in index.chain(repository.packages.iter().map(|package| &package.file)) {
            if file.path.below(&folder).is_none() {
                return Err(format!("{} is not below {folder}/", file.path));
            }
        }
    }
    for file in lock.evidence() {
        if file.path.first() != "evidence" {
            return Err(format!("{} is not below evidence/", file.path));
        }
    }
    if lock.payload().count() > MAX_FILES {
        return Err(format!("more than {MAX_FILES} files"));
    }
    unique(lock.payload(), false)?;
    unique(lock.evidence(), true)
}

/// Every file of an image stands where its digest says, and the manifest vouches without documents.
fn check_image(image: &Image) -> Result<(), String> {
    let name = &image.name;
    for file in image.files() {
        if file.path.as_str() != format!("{BLOBS}/{}", file.sha256) {
            return Err(format!("{} is not {BLOBS}/<its SHA-256>", file.path));
        }
    }
    if image.layers.is_empty() {
        return Err(format!("{name} has no layers"));
    }
    if image.evidence.is_empty() {
        return Err(format!("nobody vouches for {name}"));
    }
    let plain = |one: &Evidence| {
        let known = matches!(one.vouched, Vouched::Manifest | Vouched::FirstLock(_));
        known && one.files().next().is_none()
    };
    if image.evidence.iter().all(plain) {
        Ok(())
    } else {
        Err(format!(
            "the evidence of {name} is of a kind that images have not"
        ))
    }
}

/// Paths differ also when case is folded; `repeats`: the very same file may come again.
fn unique<'l>(files: impl Iterator<Item = &'l LockedFile>, repeats: bool) -> Result<(), String> {
    let mut seen: BTreeMap<String, &LockedFile> = BTreeMap::new();
    for file in files {
        if let Some(other) = seen.insert(file.path.case_folded(), file)
            && !(repeats && other.path == file.path && other.sha256 == file.sha256)
        {
            return Err(format!("two files would stand at {}", file.path));
        }
    }
    Ok(())
}
