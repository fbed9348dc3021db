//! What an earlier lock holds a new one to.
//!
//! Where nobody vouches for a file, the first lock is what later ones are compared with: trust on
//! first use is no trust on every use. A person may lift that by name.

use std::collections::BTreeSet;

use crate::lock::{Artifact, Evidence, Image, Lock, Vouched};
use crate::manifest::Artifact as Wish;
use crate::sources::apt::Seen;
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::url::SafeUrl;

/// An earlier lock of the same manifest, and what it no longer holds for.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// The lock; none when this is the first.
    pub lock: Option<Lock>,
    /// What may differ from it without evidence.
    pub update: Update,
}

/// What may differ from an earlier lock although nobody vouches for the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// These components and package repositories; nothing when empty.
    Only(BTreeSet<Name>),
    /// Everything.
    All,
}

impl Default for Update {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl Update {
    /// Whether the component or repository of this name may differ.
    #[must_use]
    pub fn allows(&self, name: &Name) -> bool {
        match self {
            Self::Only(names) => names.contains(name),
            Self::All => true,
        }
    }
}

impl Earlier {
    /// The earlier row of the same file under another digest, unless it may differ.
    pub(super) fn contradicting(&self, new: &Artifact) -> Option<&Artifact> {
        if self.update.allows(&new.component) {
            return None;
        }
        self.rows_of(&new.component, &new.version, &new.file.url)
            .find(|old| old.file.sha256 != new.file.sha256)
    }

    /// The digest that the earlier lock has for this file, unless it may differ.
    pub(super) fn digest_of(&self, wish: &Wish, place: &SafeUrl) -> Option<Digest> {
        if self.update.allows(&wish.component) {
            return None;
        }
        self.rows_of(&wish.component, &wish.version, place)
            .map(|old| old.file.sha256)
            .next()
    }

    /// The earlier rows of a version of a component at this place.
    fn rows_of(
        &self,
        component: &Name,
        version: &str,
        place: &SafeUrl,
    ) -> impl Iterator<Item = &Artifact> {
        let rows = self.lock.iter().flat_map(|lock| &lock.artifacts);
        rows.filter(move |old| old.component == *component && old.version == version)
            .filter(move |old| old.file.url.is_same_place(place))
    }

    /// The earlier image of the same name under another digest, when nobody vouches for it and it may not differ.
    pub(super) fn other_image(&self, new: &Image) -> Option<&Image> {
        let first = |one: &Evidence| matches!(one.vouched, Vouched::FirstLock(_));
        if self.update.allows(&new.component) || !new.evidence.iter().any(first) {
            return None;
        }
        let mut rows = self.lock.iter().flat_map(|lock| &lock.images);
        rows.find(|old| old.name == new.name && old.manifest.sha256 != new.manifest.sha256)
    }

    /// The package indexes that new ones must not be older than.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let all = self.lock.iter().flat_map(|lock| &lock.repositories);
        all.filter(|repository| !self.update.allows(&repository.name))
            .flat_map(|repository| {
                repository.suites.iter().map(|suite| Seen {
                    repository: repository.name.clone(),
                    suite: suite.suite.clone(),
                    date: suite.date.clone(),
                })
            })
            .collect()
    }
}
