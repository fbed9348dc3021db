//! From manifest to lock: every file named exactly, every piece of evidence checked.
//!
//! For each artifact the stated digests are gathered first (manifest, catalogue, checksum documents).
//! Two that differ stop the lock before anything is downloaded. A file is downloaded when a signature
//! must be checked over it, or nobody states its digest. Checksum documents, signatures and key files
//! are kept in the store and named in the lock, so that they travel with the bundle.
//!
//! What nobody vouches for is compared with the lock before ([`Earlier`]).

mod apt;
mod artifact;
mod earlier;
mod error;
mod evidence;
mod image;
mod outdated;
mod proof;
mod recheck;
mod recheck_image;
mod rpm;
mod versions;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::event::{Cancel, Event, Observer, Step};
use crate::lock::{Artifact, Lock, LockedFile};
use crate::manifest::{Draft, Manifest, Source, catalogue};
use crate::pool;
use crate::sources::http::Web;
use crate::store::Store;
use crate::types::path::RelPath;
use crate::types::url::SafeUrl;

pub use earlier::{Earlier, Update};
pub use error::{Claim, Failed, ResolveError};
pub use outdated::{Standing, State, outdated};
pub use recheck::{RecheckError, recheck};
pub use versions::{as_locked, choose_versions, locked_version};

/// What resolving takes from its surroundings.
#[derive(Debug, Clone)]
pub struct Options {
    /// Root of the file system whose apt configuration `from = "system"` means; `/` but in tests.
    pub system_root: PathBuf,
    /// The time that signatures and index ages are judged by.
    pub now: Timestamp,
    /// How many artifacts are worked on at once.
    pub jobs: NonZeroUsize,
    /// The lock that this one comes after. What nobody vouches for must be as it says.
    pub earlier: Earlier,
}

/// Where things are found and put.
#[derive(Clone, Copy)]
pub(crate) struct Means<'m> {
    /// The folder that relative paths of the manifest start from, absolute.
    folder: &'m Path,
    web: &'m Web,
    store: &'m Store,
    observer: &'m dyn Observer,
    cancel: &'m Cancel,
    now: Timestamp,
    earlier: &'m Earlier,
}

/// Makes the lock of a manifest whose versions are not all chosen yet. `folder` is the one that the
/// manifest lies in.
///
/// # Errors
/// When a version, a file or a piece of evidence cannot be had, does not hold, or two of them disagree.
/// Everything is tried, so that one run tells everything that is wrong.
pub fn make_lock(
    draft: &Draft,
    folder: &Path,
    web: &Web,
    store: &Store,
    options: &Options,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Lock, ResolveError> {
    let folder = absolute(folder)?;
    let means = Means::new(&folder, web, store, options, observer, cancel);
    let (manifest, failed) = versions::choose_all(draft, &means, options)?;
    resolve_all(&manifest, failed, options, &means)
}

/// Resolves a manifest. `folder` is the one that the manifest lies in.
///
/// # Errors
/// As [`make_lock`].
pub fn resolve(
    manifest: &Manifest,
    folder: &Path,
    web: &Web,
    store: &Store,
    options: &Options,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Lock, ResolveError> {
    let folder = absolute(folder)?;
    let means = Means::new(&folder, web, store, options, observer, cancel);
    resolve_all(manifest, BTreeMap::new(), options, &means)
}

/// Resolves all but the artifacts at the positions that failed already. One that fails does not stop the
/// others.
fn resolve_all(
    manifest: &Manifest,
    mut failed: BTreeMap<usize, Failed>,
    options: &Options,
    means: &Means<'_>,
) -> Result<Lock, ResolveError> {
    let step = Step::Resolve;
    let (outlines, mut without) = image::outlines(manifest, options.jobs, means)?;
    let layers: usize = outlines.iter().map(image::Outline::layers).sum();
    let items = manifest.artifacts.len().saturating_add(layers);
    means.observer.on(&Event::StepStarted {
        step,
        items: u64::try_from(items).unwrap_or(u64::MAX),
        bytes: 0,
    });
    note_newer_releases(manifest, means.observer);
    let (keys, mut failures) = evidence::fetch_keys(manifest, means)?;
    let tell = |item: &str, one: &Failed| {
        means.observer.on(&Event::ItemFailed {
            step,
            item,
            id: one.error.id(),
            reason: &one.reason(),
            next: one.error.hint().as_deref(),
        });
    };
    for one in failures.iter().chain(failed.values()) {
        tell(&one.what, one);
    }
    let numbered: Vec<_> = manifest.artifacts.iter().enumerate().collect();
    let results = pool::try_map(&numbered, options.jobs, |(position, wanted)| {
        if failed.contains_key(position) {
            return Ok::<_, ResolveError>(None);
        }
        match artifact::resolve(wanted, manifest.target.arch, &keys, means) {
            Ok(artifact) => Ok(Some(Ok(artifact))),
            Err(error) => {
                means.cancel.check()?;
                let one = Failed::new(wanted.path.to_string(), error)?;
                tell(wanted.path.file_name(), &one);
                Ok(Some(Err(one)))
            }
        }
    })?;
    let mut artifacts = Vec::new();
    for (position, result) in results.into_iter().enumerate() {
        match result {
            None => {}
            Some(Ok(artifact)) => artifacts.push(artifact),
            Some(Err(one)) => {
                failed.insert(position, one);
            }
        }
    }
    failures.extend(failed.into_values());
    let images = image::complete_all(outlines, &mut without, means)?;
    for one in &without {
        tell(&one.what, one);
    }
    failures.extend(without);
    let mut repositories = Vec::new();
    if let Some(wish) = &manifest.apt {
        match apt::resolve(manifest, wish, &keys, options, means) {
            Ok(found) => repositories = found,
            Err(error) => {
                let one = Failed::new("the packages of [apt]".to_owned(), error)?;
                tell(&one.what, &one);
                failures.push(one);
            }
        }
    }
    let apt = usize::from(manifest.apt.is_some());
    let parts = manifest.artifacts.len().saturating_add(manifest.keys.len());
    let parts = parts.saturating_add(manifest.images.len());
    error::none_of(parts.saturating_add(apt), failures)?;
    give_own_places(&mut artifacts)?;
    warn_of_absolute_paths(&artifacts, means.observer);
    artifacts.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    means.observer.on(&Event::StepDone { step });
    Ok(Lock {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        target: manifest.target,
        manifest: manifest.digest,
        artifacts,
        images,
        repositories,
    })
}

fn absolute(folder: &Path) -> Result<PathBuf, ResolveError> {
    std::path::absolute(folder).map_err(|source| ResolveError::Folder {
        folder: folder.display().to_string(),
        source,
    })
}

impl<'m> Means<'m> {
    const fn new(
        folder: &'m Path,
        web: &'m Web,
        store: &'m Store,
        options: &'m Options,
        observer: &'m dyn Observer,
        cancel: &'m Cancel,
    ) -> Self {
        Self {
            folder,
            web,
            store,
            observer,
            cancel,
            now: options.now,
            earlier: &options.earlier,
        }
    }

    /// The absolute URL of a place.
    fn url_of(&self, source: &Source) -> Result<SafeUrl, ResolveError> {
        match source {
            Source::Url(url) => Ok(url.clone()),
            Source::Path(path) => {
                let full = self.folder.join(path);
                format!("file://{}", full.display())
                    .parse()
                    .map_err(|source| ResolveError::Place {
                        path: full.display().to_string(),
                        source,
                    })
            }
        }
    }
}

impl Means<'_> {
    /// A URL as the lock names it: a path below the manifest's folder is relative to that.
    fn locked(&self, url: &SafeUrl) -> SafeUrl {
        let folder = self.folder.to_str();
        folder.map_or_else(|| url.clone(), |folder| url.below(folder))
    }
}

/// Warns of local files that a lock names by the paths of this machine.
fn warn_of_absolute_paths(artifacts: &[Artifact], observer: &dyn Observer) {
    for artifact in artifacts {
        let url = &artifact.file.url;
        if url.local_path().is_some() && url.relative_path().is_none() {
            let text = format!(
                "the lock names {url}, which another machine may not have: put the file below the folder of the manifest and name it by `path`"
            );
            let id = "W705";
            observer.on(&Event::Warning { id, text: &text });
        }
    }
}

/// Says when a release is known that the catalogue cannot vouch for.
fn note_newer_releases(manifest: &Manifest, observer: &dyn Observer) {
    for artifact in &manifest.artifacts {
        let Some(releases) = catalogue::of(artifact.component.as_str()) else {
            continue;
        };
        let Ok(version) = semver::Version::parse(&artifact.version) else {
            continue;
        };
        if let Some((newer, day)) = releases.newer_without_digest(&version) {
            let text = format!(
                "{} {version} was chosen; {newer} came out on {day}, but the catalogue of {} has no digest of it: \
                 name it as `version` and rely on its signature",
                artifact.component, releases.as_of
            );
            observer.on(&Event::Note { text: &text });
        }
    }
}

/// Documents of one name and other content get the name of their artifact before theirs
/// (`SHA256SUMS` of two plugins).
fn give_own_places(artifacts: &mut [Artifact]) -> Result<(), ResolveError> {
    let mut content: BTreeMap<String, Option<_>> = BTreeMap::new();
    for document in artifacts.iter().flat_map(documents) {
        let seen = content.entry(document.path.case_folded());
        let seen = seen.or_insert(Some(document.sha256));
        if *seen != Some(document.sha256) {
            *seen = None;
        }
    }
    for artifact in artifacts {
        let own = artifact.file.path.file_name().to_owned();
        let component = artifact.component.clone();
        for evidence in &mut artifact.evidence {
            let signed = evidence.signed.iter_mut();
            let signatures = signed.flat_map(|signed| &mut signed.signature);
            for document in evidence.document.iter_mut().chain(signatures) {
                if content.get(&document.path.case_folded()) != Some(&None) {
                    continue;
                }
                let name = document.path.file_name().to_owned();
                let path = format!("evidence/upstream/{component}/{own}.{name}");
                document.path = path
                    .parse::<RelPath>()
                    .map_err(|source| ResolveError::Path { source })?;
            }
        }
    }
    Ok(())
}

fn documents(artifact: &Artifact) -> impl Iterator<Item = &LockedFile> {
    artifact.evidence.iter().flat_map(|evidence| {
        let signed = evidence.signed.iter();
        let signatures = signed.flat_map(|signed| &signed.signature);
        evidence.document.iter().chain(signatures)
    })
}
