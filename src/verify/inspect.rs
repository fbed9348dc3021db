//! What a bundle says about itself, and how far that can be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use crate::bundle::contents::{Contents, FileKind, RepositoryInfo};
use crate::bundle::header::Header;
use crate::bundle::places::in_base;
use crate::bundle::sums::Sums;
use crate::trust::directory::Trust;
use crate::trust::judge::{Judgement, Refusal, SignatureFile, Signer, judge};
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::Target;
use crate::types::url::SafeUrl;
use crate::verify::authentic::read;
use crate::verify::error::VerifyError;
use crate::verify::problem::Problem;
use crate::verify::structure::{Structure, examine};

/// What a bundle says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// SHA-256 of `SHA256SUMS`.
    pub identity: Digest,
    /// What the bundle is.
    pub header: Header,
    /// What it is for.
    pub target: Target,
    /// Whether it can be believed.
    pub trust: TrustSummary,
    /// Signature files in it.
    pub signatures: Vec<String>,
    /// The components, sorted by name.
    pub components: Vec<ComponentSummary>,
    /// Single files from upstreams, sorted by path.
    pub artifacts: Vec<ArtifactSummary>,
    /// Programs that stand in for the real ones: not for production.
    pub stand_ins: Vec<String>,
    /// Package repositories.
    pub repositories: Vec<RepositoryInfo>,
    /// Files below `evidence/`.
    pub evidence: Vec<RelPath>,
    /// What a delta carries of its full bundle.
    pub delta: Option<DeltaSummary>,
    /// What is wrong with it as far as can be seen without hashing the payload.
    pub problems: Vec<Problem>,
}

/// What a delta carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeltaSummary {
    /// Bytes of the full bundle.
    pub bytes_full: u64,
    /// Bytes of the files that are here and listed.
    pub bytes_carried: u64,
    /// Files that the base has.
    pub files_of_base: u64,
    /// The changes, sorted by path.
    pub changes: Vec<ChangeSummary>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeSummary {
    /// Where it stands.
    pub path: RelPath,
    /// Its size in bytes.
    pub size: u64,
    /// The file that it makes.
    pub makes: Option<RelPath>,
    /// Size of that file.
    pub makes_size: Option<u64>,
    /// The file of the base that it changes.
    pub base: RelPath,
    /// Digest of that file.
    pub base_sha256: Digest,
}

impl DeltaSummary {
    fn of(sums: &Sums, contents: &Contents, found: &Structure) -> Option<Self> {
        sums.header().base?;
        let makes: BTreeMap<RelPath, RelPath> = sums
            .changes()
            .map(|(made, change)| (change, made))
            .collect();
        let changes = found.changes.iter().flat_map(|changes| &changes.changes);
        let changes = changes.map(|(path, change)| {
            let makes = makes.get(path).cloned();
            let info = makes.as_ref().and_then(|makes| contents.files.get(makes));
            ChangeSummary {
                path: path.clone(),
                size: change.size,
                makes_size: info.map(|info| info.size),
                makes,
                base: change.base.path.clone(),
                base_sha256: change.base.sha256,
            }
        });
        let here = found.copies.values().filter_map(|copies| copies.first());
        let of_base = sums.entries().keys().filter(|path| in_base(path).is_some());
        Some(Self {
            bytes_full: sums.header().bytes,
            bytes_carried: here.fold(0, |sum, copy| sum.saturating_add(copy.size)),
            files_of_base: u64::try_from(of_base.count()).unwrap_or(u64::MAX),
            changes: changes.collect(),
        })
    }
}

/// Whether what a bundle says can be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum TrustSummary {
    /// No trust directory was given: anyone could have written this.
    NotChecked,
    /// Signed by whom this network trusts. The payload was not hashed.
    Signed {
        /// The trusted keys that signed.
        signers: Vec<Signer>,
    },
    /// The signatures are not enough.
    Refused {
        /// A stable id.
        id: &'static str,
        /// Why.
        reason: String,
    },
}

impl TrustSummary {
    /// What came out of a judgement, when there was one.
    pub(crate) fn of(verdict: Option<Result<Judgement, Refusal>>) -> Self {
        match verdict {
            None => Self::NotChecked,
            Some(Ok(judgement)) => Self::Signed {
                signers: judgement.signers,
            },
            Some(Err(refusal)) => Self::Refused {
                id: refusal.id(),
                reason: refusal.to_string(),
            },
        }
    }
}

/// What there is of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComponentSummary {
    /// Its name in the manifest.
    pub name: Name,
    /// The versions of its single files, sorted.
    pub versions: BTreeSet<String>,
    /// How many files it needs.
    pub files: u64,
    /// Their bytes; a package that two components need counts for both.
    pub bytes: u64,
    /// How many of these files are packages.
    pub packages: u64,
    /// Whether any of it stands in for the real program.
    pub stand_in: bool,
}

/// One file from an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArtifactSummary {
    /// Where it stands.
    pub path: RelPath,
    /// The components that need it.
    pub components: Vec<Name>,
    /// Its version.
    pub version: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Option<Digest>,
    /// Whether it stands in for the real program.
    pub stand_in: bool,
    /// Where upstream publishes it.
    pub url: Option<SafeUrl>,
    /// Who vouched for it when the lock was made.
    pub vouched: Vec<String>,
}

/// Looks into the bundle in folder `dir`. Without `trust` nothing it says can be believed, and the
/// result says so.
///
/// # Errors
/// When there is no bundle, or its list or `bundle.json` cannot be read at all.
pub fn inspect(dir: &Path, trust: Option<&Trust>) -> Result<Inspection, VerifyError> {
    let raw = read(&[dir.to_owned()])?;
    let verdict = trust.map(|trust| judge(trust, &raw.list, &raw.signatures));
    let sums = Sums::parse(&raw.list)?;
    let found = examine(&raw.roots, &sums)?;
    let Some(contents) = &found.contents else {
        return Err(VerifyError::Content {
            problems: found.problems,
        });
    };
    let delta = DeltaSummary::of(&sums, contents, &found);
    let mut summary = summarize(&sums.full()?, contents, verdict, &raw.signatures);
    summary.identity = sums.identity();
    summary.header = sums.header().clone();
    summary.delta = delta;
    summary.problems = found.problems;
    Ok(summary)
}

/// The summary of the list of a full bundle and its contents.
fn summarize(
    sums: &Sums,
    contents: &Contents,
    verdict: Option<Result<Judgement, Refusal>>,
    signatures: &[SignatureFile],
) -> Inspection {
    let trust = TrustSummary::of(verdict);
    let whole = |path: &RelPath| {
        let cut = contents.cut.get(path).map(|cut| cut.sha256);
        move || cut
    };
    let joined = contents.joined();
    let of_kind = |kind: FileKind| {
        joined
            .files
            .iter()
            .filter(move |(_, info)| info.kind == kind)
    };
    let artifacts: Vec<ArtifactSummary> = of_kind(FileKind::Artifact)
        .map(|(path, info)| ArtifactSummary {
            path: path.clone(),
            components: info.components.clone(),
            version: info.version.clone(),
            size: info.size,
            sha256: sums.entries().get(path).copied().or_else(whole(path)),
            stand_in: info.stand_in,
            url: info.url.clone(),
            vouched: info.vouched.clone(),
        })
        .collect();
    let stand_ins = artifacts
        .iter()
        .filter(|artifact| artifact.stand_in)
        .map(|artifact| format!("stand-in: {}", artifact.path));
    Inspection {
        identity: sums.identity(),
        header: sums.header().clone(),
        target: contents.target,
        trust,
        signatures: signatures.iter().map(|file| file.name.clone()).collect(),
        components: components(&joined),
        stand_ins: stand_ins.collect(),
        artifacts,
        repositories: contents.repositories.clone(),
        evidence: of_kind(FileKind::Evidence)
            .map(|(path, _)| path.clone())
            .collect(),
        delta: None,
        problems: Vec::new(),
    }
}

fn components(contents: &Contents) -> Vec<ComponentSummary> {
    let mut found: BTreeMap<Name, ComponentSummary> = BTreeMap::new();
    for info in contents.files.values() {
        for name in &info.components {
            let one = found
                .entry(name.clone())
                .or_insert_with(|| ComponentSummary {
                    name: name.clone(),
                    versions: BTreeSet::new(),
                    files: 0,
                    bytes: 0,
                    packages: 0,
                    stand_in: false,
                });
            one.files = one.files.saturating_add(1);
            one.bytes = one.bytes.saturating_add(info.size);
            one.stand_in |= info.stand_in;
            if info.kind == FileKind::AptPackage {
                one.packages = one.packages.saturating_add(1);
            } else {
                one.versions.extend(info.version.clone());
            }
        }
    }
    found.into_values().collect()
}
