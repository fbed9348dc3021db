//! One artifact: who vouches for which digest, and is it the file's.

use std::path::Path;

use super::error::Claim;
use super::evidence::{self, Asked, Keys};
use super::proof::{self, Unchecked};
use super::{Means, ResolveError};
use crate::archive;
use crate::event::Step;
use crate::fs;
use crate::lock::{Artifact, Evidence, LockedFile, Vouched};
use crate::manifest::{Artifact as Wish, Wanted, catalogue};
use crate::net::Access;
use crate::sources::http::{self, SourceError, Stored};
use crate::trust::sums;
use crate::types::digest::Digest;
use crate::types::target::Arch;
use crate::types::url::SafeUrl;

/// A digest that somebody states, with the evidence for the lock.
struct Stated {
    claim: Claim,
    evidence: Evidence,
}

pub(super) fn resolve(
    wish: &Wish,
    arch: Arch,
    keys: &Keys,
    means: &Means<'_>,
) -> Result<Artifact, ResolveError> {
    let mut places = vec![means.url_of(&wish.source)?];
    for mirror in &wish.mirrors {
        places.push(means.url_of(mirror)?);
    }
    let stated = stated_digests(wish, keys, means)?;
    agree(wish, &stated)?;
    let unchecked = proof::gather(wish, keys, means)?;
    let expected = stated.first().map(|stated| &stated.claim);
    // Always the file itself: what a server says of its size may be that of another answer.
    let stored = bring(wish, &places, expected, &unchecked, means)?;
    let mut evidence: Vec<Evidence> = stated.into_iter().map(|stated| stated.evidence).collect();
    let path = means.store.path_of(&stored.sha256);
    for one in unchecked {
        let vouched = one.verify(wish, &path, means)?;
        evidence.push(one.into_evidence(vouched));
    }
    for wanted in &wish.evidence {
        if let Wanted::FirstLock(reason) = wanted {
            evidence.push(Evidence::bare(Vouched::FirstLock(reason.clone())));
        }
    }
    let mut places = places.into_iter();
    let main = places.next();
    let url = main.map_or_else(|| means.url_of(&wish.source), Ok)?;
    let resolved = Artifact {
        component: wish.component.clone(),
        version: wish.version.clone(),
        stand_in: wish.stand_in,
        expect: wish.expect.clone(),
        accepted: wish.accepted.clone(),
        file: LockedFile {
            path: wish.path.clone(),
            url: means.locked(&url),
            size: stored.size,
            sha256: stored.sha256,
        },
        mirrors: places.map(|place| means.locked(&place)).collect(),
        evidence,
    };
    same_as_before(wish, &resolved, means)?;
    // What a build would refuse is not locked.
    archive::survey(fs::open(&path)?, &resolved.question(arch), means.cancel)?;
    Ok(resolved)
}

fn is_first_lock(wish: &Wish) -> bool {
    let first_lock = |wanted: &Wanted| matches!(wanted, Wanted::FirstLock(_));
    wish.evidence.iter().any(first_lock)
}

/// Where nobody vouches, the first lock does: the same version at the same place must not change.
fn same_as_before(wish: &Wish, new: &Artifact, means: &Means<'_>) -> Result<(), ResolveError> {
    if !is_first_lock(wish) {
        return Ok(());
    }
    match means.earlier.contradicting(new) {
        None => Ok(()),
        Some(old) => Err(ResolveError::Disagree {
            file: wish.path.file_name().to_owned(),
            first: Box::new(Claim {
                who: format!("the lock before ({} {})", old.component, old.version),
                sha256: old.file.sha256,
            }),
            second: Box::new(Claim {
                who: format!("{} now", new.file.url),
                sha256: new.file.sha256,
            }),
            update: Some(new.component.clone()),
        }),
    }
}

fn stated_digests(
    wish: &Wish,
    keys: &Keys,
    means: &Means<'_>,
) -> Result<Vec<Stated>, ResolveError> {
    let mut all = Vec::new();
    let name = wish.path.file_name();
    for wanted in &wish.evidence {
        let (who, sha256, evidence) = match wanted {
            Wanted::Literal(digest) => {
                let who = "the manifest".to_owned();
                (who, *digest, Evidence::bare(Vouched::Manifest))
            }
            Wanted::Catalogue(digest) => {
                let as_of = catalogue::of(wish.component.as_str())
                    .map_or_else(String::new, |releases| releases.as_of.to_string());
                let who = format!("the catalogue of {as_of}");
                (who, *digest, Evidence::bare(Vouched::Catalogue(as_of)))
            }
            Wanted::ChecksumFile {
                source,
                file_name,
                signed,
            } => {
                let asked = Asked {
                    source,
                    file_name,
                    signed: signed.as_ref(),
                    component: &wish.component,
                };
                let found = evidence::checksum(asked, sums::find, keys, means)?;
                let who = format!("the checksum file {}", found.document.url);
                let (signed, key) = found.signed.unzip();
                let evidence = Evidence {
                    vouched: Vouched::ChecksumFile,
                    document: Some(found.document),
                    key,
                    signed,
                };
                (who, found.digest, evidence)
            }
            Wanted::Page { source, pattern } => {
                let (digest, vouched) = evidence::page(source, pattern, name, means)?;
                let who = format!("the page {source}");
                (who, digest, Evidence::bare(vouched))
            }
            Wanted::Release { url, asset } => {
                let (digest, vouched) = evidence::release(url, asset, means)?;
                let who = format!("the release API {url}");
                (who, digest, Evidence::bare(vouched))
            }
            Wanted::OpenPgp { .. }
            | Wanted::Minisign { .. }
            | Wanted::Sha512(_)
            | Wanted::Sha512File { .. }
            | Wanted::FirstLock(_) => continue,
        };
        all.push(Stated {
            claim: Claim { who, sha256 },
            evidence,
        });
    }
    Ok(all)
}

fn agree(wish: &Wish, stated: &[Stated]) -> Result<(), ResolveError> {
    let Some(first) = stated.first() else {
        return Ok(());
    };
    match stated
        .iter()
        .find(|other| other.claim.sha256 != first.claim.sha256)
    {
        None => Ok(()),
        Some(second) => Err(ResolveError::Disagree {
            file: wish.path.file_name().to_owned(),
            first: Box::new(first.claim.clone()),
            second: Box::new(second.claim.clone()),
            update: None,
        }),
    }
}

/// Brings the file into the store. Other bytes than stated are a disagreement of evidence.
fn bring(
    wish: &Wish,
    places: &[SafeUrl],
    expected: Option<&Claim>,
    unchecked: &[Unchecked<'_>],
    means: &Means<'_>,
) -> Result<Stored, ResolveError> {
    let wanted = http::Wanted {
        item: wish.path.file_name(),
        sha256: expected
            .map(|claim| claim.sha256)
            .or_else(|| locked_before(wish, places, means)),
        size: None,
        step: Step::Resolve,
    };
    let result = http::bring(
        means.web.client(),
        means.store,
        places,
        &wanted,
        means.observer,
        means.cancel,
    );
    match (result, expected) {
        (
            Err(SourceError::OtherBytes {
                url,
                found,
                quarantine,
                ..
            }),
            Some(first),
        ) => Err(disagreement(
            wish,
            first,
            &url,
            found,
            Path::new(&quarantine),
            unchecked,
            means,
        )),
        (result, _) => Ok(result?),
    }
}

/// Without network, a file that nobody states a digest of is the one that was locked before.
fn locked_before(wish: &Wish, places: &[SafeUrl], means: &Means<'_>) -> Option<Digest> {
    if means.web.client().access() == Access::Network {
        return None;
    }
    let place = means.locked(places.first()?);
    means.earlier.digest_of(wish, &place)
}

/// The file is not what was stated. A good signature over it tells which of the two is wrong.
fn disagreement(
    wish: &Wish,
    first: &Claim,
    url: &SafeUrl,
    found: Digest,
    quarantine: &Path,
    unchecked: &[Unchecked<'_>],
    means: &Means<'_>,
) -> ResolveError {
    let good = unchecked
        .iter()
        .find_map(|one| one.verify(wish, quarantine, means).ok());
    let who = match good {
        Some(vouched) => format!("the file {url}, with a good {vouched},"),
        None => format!("the file {url}"),
    };
    ResolveError::Disagree {
        file: wish.path.file_name().to_owned(),
        first: Box::new(first.clone()),
        second: Box::new(Claim { who, sha256: found }),
        update: None,
    }
}
