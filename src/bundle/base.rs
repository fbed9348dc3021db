//! The bundle that a delta builds on. No I/O.

use std::collections::BTreeMap;

use crate::archive::ustar;
use crate::bundle::header::Sequence;
use crate::bundle::places::{BASE, MADE, change_of, volume_of};
use crate::bundle::sums::{Sums, SumsError};
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::path::RelPath;

/// The bundle that a delta builds on: what its volumes hold. Of a delta, it is the full bundle that it makes,
/// so that deltas never build a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    identity: Digest,
    name: Name,
    sequence: Sequence,
    /// The files of its volumes by digest and by path without the volume.
    files: BTreeMap<(Digest, String), RelPath>,
}

impl Base {
    /// The bundle with this list.
    ///
    /// # Errors
    /// When it is a delta that makes no bundle.
    pub fn new(sums: &Sums) -> Result<Self, SumsError> {
        let full = sums.full()?;
        let files = full.entries().iter().filter_map(|(path, digest)| {
            volume_of(path).filter(|volume| volume.starts_with('v'))?;
            Some(((*digest, rest(path)?.to_owned()), path.clone()))
        });
        Ok(Self {
            identity: full.identity(),
            name: full.header().name.clone(),
            sequence: full.header().sequence,
            files: files.collect(),
        })
    }

    /// Its identity.
    #[must_use]
    pub const fn identity(&self) -> Digest {
        self.identity
    }

    /// Its name, which the delta has too.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Its number, below that of the delta.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Where it holds this file, in whichever volume, when a list can say so.
    #[must_use]
    pub fn place_of(&self, path: &RelPath, digest: &Digest) -> Option<&RelPath> {
        let place = self.files.get(&(*digest, rest(path)?.to_owned()))?;
        listed(place).map(|_| place)
    }
}

#[cfg(feature = "connected")]
impl Base {
    /// The file that is most like an older one of the file at `path`, and its digest.
    pub(super) fn like(&self, path: &RelPath) -> Option<(&RelPath, Digest)> {
        let like = self.files.iter().filter_map(|((digest, _), place)| {
            Some((super::changes::likeness(path, place)?, place, *digest))
        });
        let best = like.max_by_key(|(likeness, place, _)| (*likeness, *place));
        best.map(|(_, place, digest)| (place, digest))
    }
}

/// How a delta lists a file that its base holds at `place`; none when that path is too long.
#[must_use]
pub(crate) fn listed(place: &RelPath) -> Option<RelPath> {
    format!("{BASE}/{place}").parse().ok().filter(ustar::fits)
}

/// How a delta lists a file that it makes; none when that path, or that of the change, is too long.
#[must_use]
pub(crate) fn listed_made(place: &RelPath) -> Option<RelPath> {
    change_of(place).filter(ustar::fits)?;
    format!("{MADE}/{place}").parse().ok().filter(ustar::fits)
}

/// The path without its volume.
fn rest(path: &RelPath) -> Option<&str> {
    path.as_str().split_once('/').map(|(_, rest)| rest)
}
