//! What a change board is told about two locks: versions, sizes, digests, keys, evidence, and what to
//! read before saying yes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::model::{Artifact, Image, Lock, Package, Vouched};
use crate::manifest::catalogue::{self, Verdict};

/// Two values of the same thing; one is absent where it was not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// In the older lock.
    pub old: Option<T>,
    /// In the newer lock.
    pub new: Option<T>,
}

/// What changes from one lock to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Board {
    /// Name and version of the bundle.
    pub bundle: Pair<String>,
    /// Bytes of all payload.
    pub bytes: Pair<u64>,
    /// Single files that are not the same, sorted by component and name.
    pub files: Vec<FileChange>,
    /// Packages that are not the same, sorted by name.
    pub packages: Vec<PackageChange>,
    /// Certificates and minisign keys that the newer lock relies on and the older did not.
    pub keys_new: Vec<String>,
    /// Those that only the older one relied on.
    pub keys_gone: Vec<String>,
    /// Files of the newer lock that nobody vouches for, with the reason.
    pub unvouched: Vec<String>,
    /// Findings that the newer lock accepts, with the reason.
    pub accepted: Vec<String>,
    /// What to read before this is approved, and what the publisher says of the upgrade.
    pub read: Vec<String>,
}

/// A single file that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// The component.
    pub component: String,
    /// Its name.
    pub file: Pair<String>,
    /// Its version.
    pub version: Pair<String>,
    /// Its size in bytes.
    pub size: Pair<u64>,
    /// Its SHA-256.
    pub sha256: Pair<String>,
    /// Evidence that only the newer lock has.
    pub evidence_new: Vec<String>,
    /// Evidence that only the older lock has.
    pub evidence_gone: Vec<String>,
}

/// A package that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Pair<String>,
    /// Its size in bytes.
    pub size: Pair<u64>,
    /// Its SHA-256.
    pub sha256: Pair<String>,
}

impl<T: PartialEq> Pair<T> {
    fn of<S>(old: Option<S>, new: Option<S>, get: impl Fn(S) -> T) -> Self {
        Self {
            old: old.map(&get),
            new: new.map(&get),
        }
    }

    /// Whether both are the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.old == self.new
    }
}

impl Lock {
    /// What changes from this lock to `newer`, for people who decide about it.
    #[must_use]
    pub fn board(&self, newer: &Self) -> Board {
        let title = |lock: &Self| format!("{} {} for {}", lock.name, lock.version, lock.target);
        let bytes = |lock: &Self| lock.payload().map(|file| file.size).sum::<u64>();
        let mut files = files(self, newer);
        files.extend(images(self, newer));
        let (before, after) = (keys(self), keys(newer));
        Board {
            bundle: Pair::of(Some(self), Some(newer), title),
            bytes: Pair::of(Some(self), Some(newer), bytes),
            packages: packages(self, newer),
            keys_new: after.difference(&before).cloned().collect(),
            keys_gone: before.difference(&after).cloned().collect(),
            unvouched: newer.unvouched(),
            accepted: newer.accepted(),
            read: to_read(&files, newer),
            files,
        }
    }

    /// The files that nobody vouches for, each with the reason of the manifest.
    #[must_use]
    pub fn unvouched(&self) -> Vec<String> {
        let mut all = Vec::new();
        for artifact in &self.artifacts {
            for evidence in &artifact.evidence {
                if let Vouched::FirstLock(reason) = &evidence.vouched {
                    let name = artifact.file.path.file_name();
                    all.push(format!("{} {name}: {reason}", artifact.component));
                }
            }
        }
        for image in &self.images {
            for evidence in &image.evidence {
                if let Vouched::FirstLock(reason) = &evidence.vouched {
                    all.push(format!("{} {}: {reason}", image.component, image.name));
                }
            }
        }
        all
    }

    /// The findings that are accepted, each with the reason of the manifest.
    #[must_use]
    pub fn accepted(&self) -> Vec<String> {
        let mut all = Vec::new();
        let artifacts = self.artifacts.iter();
        let artifacts = artifacts.map(|one| (&one.component, &one.version, &one.accepted));
        let images = self.images.iter();
        let images = images.map(|one| (&one.component, &one.version, &one.accepted));
        for (component, version, accepted) in artifacts.chain(images) {
            for one in accepted {
                all.push(format!("{component} {version}: {}: {}", one.id, one.reason));
            }
        }
        all
    }
}

/// What stays the same of a file when only its version changes.
fn shape(artifact: &Artifact) -> (String, String) {
    let name = artifact.file.path.file_name();
    let name = name.replace(&artifact.version, "{version}");
    (artifact.component.to_string(), name)
}

fn files(old: &Lock, new: &Lock) -> Vec<FileChange> {
    let by_shape = |lock: &'_ Lock| -> BTreeMap<(String, String), Artifact> {
        let all = lock.artifacts.iter();
        all.map(|one| (shape(one), one.clone())).collect()
    };
    let (old, new) = (by_shape(old), by_shape(new));
    let shapes: BTreeSet<&(String, String)> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for shape in shapes {
        let (old, new) = (old.get(shape), new.get(shape));
        let evidence = |one: Option<&Artifact>| -> BTreeSet<String> {
            let all = one.into_iter().flat_map(|one| &one.evidence);
            all.map(|evidence| match &evidence.vouched {
                // The day of the catalogue does not matter as long as it says the same.
                Vouched::Catalogue(_) => "sha256 stated by the catalogue".to_owned(),
                Vouched::Page { .. } => "sha256 stated on a page".to_owned(),
                Vouched::Release { .. } => "sha256 stated by the release API".to_owned(),
                other => match &evidence.signed {
                    Some(signed) => format!("{other}, signed by {}", signed.by),
                    None => other.to_string(),
                },
            })
            .collect()
        };
        let (before, after) = (evidence(old), evidence(new));
        let change = FileChange {
            component: shape.0.clone(),
            file: Pair::of(old, new, |one| one.file.path.file_name().to_owned()),
            version: Pair::of(old, new, |one| one.version.clone()),
            size: Pair::of(old, new, |one| one.file.size),
            sha256: Pair::of(old, new, |one| one.file.sha256.to_string()),
            evidence_new: after.difference(&before).cloned().collect(),
            evidence_gone: before.difference(&after).cloned().collect(),
        };
        let same = change.sha256.is_same() && change.version.is_same() && before == after;
        if !same {
            changes.push(change);
        }
    }
    changes
}

/// The images that are not the same. What is told of one is its name, its bytes, and the digest of its manifest.
fn images(old: &Lock, new: &Lock) -> Vec<FileChange> {
    let key = |one: &Image| {
        let name = &one.name;
        format!(
            "{} {}/{}",
            one.component,
            name.registry(),
            name.repository()
        )
    };
    let by_key = |lock: &'_ Lock| -> BTreeMap<String, Image> {
        let all = lock.images.iter();
        all.map(|one| (key(one), one.clone())).collect()
    };
    let (old, new) = (by_key(old), by_key(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for key in keys {
        let (old, new) = (old.get(key), new.get(key));
        let evidence = |one: Option<&Image>| -> BTreeSet<String> {
            let all = one.into_iter().flat_map(|one| &one.evidence);
            all.map(|evidence| evidence.vouched.to_string()).collect()
        };
        let (before, after) = (evidence(old), evidence(new));
        let component = old.or(new).map(|one| one.component.to_string());
        let change = FileChange {
            component: component.unwrap_or_default(),
            file: Pair::of(old, new, |one| one.name.to_string()),
            version: Pair::of(old, new, |one| one.version.clone()),
            size: Pair::of(old, new, |one| {
                one.files().map(|file| file.size).sum::<u64>()
            }),
            sha256: Pair::of(old, new, |one| one.manifest.sha256.to_string()),
            evidence_new: after.difference(&before).cloned().collect(),
            evidence_gone: before.difference(&after).cloned().collect(),
        };
        let same = change.sha256.is_same() && change.file.is_same() && before == after;
        if !same {
            changes.push(change);
        }
    }
    changes
}

fn packages(old: &Lock, new: &Lock) -> Vec<PackageChange> {
    let by_name = |lock: &'_ Lock| -> BTreeMap<(String, String), Package> {
        let all = lock.repositories.iter().flat_map(|one| &one.packages);
        all.map(|one| ((one.name.clone(), one.arch.clone()), one.clone()))
            .collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&(String, String)> = old.keys().chain(new.keys()).collect();
    let changes = names.into_iter().map(|name| {
        let (old, new) = (old.get(name), new.get(name));
        PackageChange {
            name: name.0.clone(),
            version: Pair::of(old, new, |one| one.version.clone()),
            size: Pair::of(old, new, |one| one.file.size),
            sha256: Pair::of(old, new, |one| one.file.sha256.to_string()),
        }
    });
    changes
        .filter(|change| !change.sha256.is_same() || !change.version.is_same())
        .collect()
}

/// Every key that a lock relies on.
fn keys(lock: &Lock) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for evidence in lock.artifacts.iter().flat_map(|one| &one.evidence) {
        match &evidence.vouched {
            Vouched::OpenPgp(fingerprint) => {
                keys.insert(format!("OpenPGP {fingerprint}"));
            }
            Vouched::Minisign { key, .. } => {
                keys.insert(format!("minisign {key}"));
            }
            _ => {}
        }
        let signed = evidence.signed.iter();
        keys.extend(signed.map(|signed| format!("OpenPGP {}", signed.by)));
    }
    let suites = lock.repositories.iter().flat_map(|one| &one.suites);
    for signer in suites.flat_map(|suite| &suite.signed_by) {
        keys.insert(format!("OpenPGP {signer}"));
    }
    keys
}

/// What the catalogue says of each upgrade, and the pages of the releases.
fn to_read(files: &[FileChange], newer: &Lock) -> Vec<String> {
    let mut all = Vec::new();
    for change in files.iter().filter(|change| !change.version.is_same()) {
        let (Some(from), Some(to)) = (&change.version.old, &change.version.new) else {
            continue;
        };
        let parse = |text: &str| semver::Version::parse(text).ok();
        if let (Some(known), Some(old), Some(new)) =
            (catalogue::of(&change.component), parse(from), parse(to))
        {
            for rule in known.upgrade(&old, &new) {
                let word = match rule.verdict {
                    Verdict::Forbidden => "FORBIDDEN",
                    Verdict::Notice => "notice",
                };
                all.push(format!(
                    "{} {from} to {to}: {word}: {}",
                    change.component, rule.reason
                ));
            }
            if new < old {
                all.push(format!(
                    "{} {from} to {to}: this goes back; the publisher's database changes may not",
                    change.component
                ));
            }
            if let Some(notes) = &known.notes {
                all.push(format!("{}: {notes}", change.component));
            }
        }
        let mut rows = newer.artifacts.iter();
        let row = rows.find(|row| row.component.as_str() == change.component && row.version == *to);
        all.extend(row.and_then(|row| release_page(row.file.url.as_str())));
    }
    let mut seen = BTreeSet::new();
    all.retain(|line| seen.insert(line.clone()));
    all
}

/// The page of the release that a file on GitHub is an asset of.
fn release_page(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://github.com/")?;
    let (repository, rest) = rest.split_once("/releases/download/")?;
    let (tag, _) = rest.split_once('/')?;
    Some(format!(
        "https://github.com/{repository}/releases/tag/{tag}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_page_of_a_release() {
        assert_eq!(
            release_page(
                "https://github.com/mattermost/rtcd/releases/download/v1.2.6/rtcd-linux-amd64"
            )
            .as_deref(),
            Some("https://github.com/mattermost/rtcd/releases/tag/v1.2.6")
        );
        assert_eq!(release_page("https://releases.mattermost.com/1/a"), None);
    }
}
