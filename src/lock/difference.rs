//! What differs between two locks.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::model::{Evidence, Lock, LockedFile, Vouched};

/// One difference between two locks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Difference {
    /// A fact about the whole: version, target, manifest.
    Head {
        /// Which.
        what: &'static str,
        /// In the older lock.
        old: String,
        /// In the newer lock.
        new: String,
    },
    /// A file is in the newer lock only.
    Added {
        /// Its path.
        path: String,
    },
    /// A file is in the older lock only.
    Removed {
        /// Its path.
        path: String,
    },
    /// A file has other bytes.
    Changed {
        /// Its path.
        path: String,
        /// SHA-256 in the older lock.
        old: String,
        /// SHA-256 in the newer lock.
        new: String,
    },
    /// The bytes are the same, but not who vouched for them, or where they are from.
    Evidence {
        /// Its path.
        path: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head { what, old, new } => write!(f, "{what}: {old} -> {new}"),
            Self::Added { path } => write!(f, "+ {path}"),
            Self::Removed { path } => write!(f, "- {path}"),
            Self::Changed { path, old, new } => write!(f, "! {path}: sha256 {old} -> {new}"),
            Self::Evidence { path } => write!(f, "~ {path}: other evidence or origin"),
        }
    }
}

/// A file, and what is said about it beside its bytes.
type Facts<'l> = (&'l LockedFile, Vec<String>);

pub(super) fn between(old: &Lock, new: &Lock) -> Vec<Difference> {
    let mut found = Vec::new();
    for (what, old, new) in [
        ("name", old.name.to_string(), new.name.to_string()),
        ("version", old.version.clone(), new.version.clone()),
        ("target", old.target.to_string(), new.target.to_string()),
        (
            "manifest",
            old.manifest.to_string(),
            new.manifest.to_string(),
        ),
    ] {
        if old != new {
            found.push(Difference::Head { what, old, new });
        }
    }
    let (old, new) = (facts(old), facts(new));
    for (path, (file, said)) in &old {
        let path = (*path).to_owned();
        match new.get(path.as_str()) {
            None => found.push(Difference::Removed { path }),
            Some((other, _)) if (other.sha256, other.size) != (file.sha256, file.size) => {
                found.push(Difference::Changed {
                    path,
                    old: file.sha256.to_string(),
                    new: other.sha256.to_string(),
                });
            }
            Some((other, others)) if other.url != file.url || others != said => {
                found.push(Difference::Evidence { path });
            }
            Some(_) => {}
        }
    }
    for path in new.keys().filter(|path| !old.contains_key(*path)) {
        let path = (*path).to_owned();
        found.push(Difference::Added { path });
    }
    found.sort();
    found
}

fn facts(lock: &Lock) -> BTreeMap<&str, Facts<'_>> {
    let mut facts: BTreeMap<&str, Facts<'_>> = lock
        .evidence()
        .chain(lock.payload())
        .map(|file| (file.path.as_str(), (file, Vec::new())))
        .collect();
    for artifact in &lock.artifacts {
        if let Some((_, said)) = facts.get_mut(artifact.file.path.as_str()) {
            said.extend(artifact.evidence.iter().map(one_line));
            said.push(format!("{} {}", artifact.component, artifact.version));
            said.sort();
        }
    }
    for repository in &lock.repositories {
        for suite in &repository.suites {
            for file in &suite.index {
                if let Some((_, said)) = facts.get_mut(file.path.as_str()) {
                    said.extend(suite.signed_by.iter().map(ToString::to_string));
                }
            }
        }
        for package in &repository.packages {
            if let Some((_, said)) = facts.get_mut(package.file.path.as_str()) {
                said.extend(package.needed_by.iter().map(ToString::to_string));
            }
        }
    }
    facts
}

fn one_line(evidence: &Evidence) -> String {
    // The day of the catalogue does not matter as long as it says the same.
    if matches!(evidence.vouched, Vouched::Catalogue(_)) {
        return "catalogue".to_owned();
    }
    evidence.vouched.to_string()
}
