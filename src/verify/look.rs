//! A first look at the places of a bundle: whose it is, and what lies there; no payload is read.

use std::path::{Path, PathBuf};

use crate::bundle::header::Header;
use crate::bundle::places::is_left_out;
use crate::fs::Root;
use crate::trust::directory::Trust;
use crate::trust::judge::SignatureFile;
use crate::types::digest::{Digest, Hasher};
use crate::types::path::RelPath;
use crate::verify::authentic::{Authentic, authenticate_carried, read};
use crate::verify::hashing::compare;
use crate::verify::structure::{Structure, examine};
use crate::verify::{Memory, Options, Problem, VerifyError, Warning, check_platform};

/// A bundle whose list is signed by whom this network trusts, and what lies in its places, right or not.
#[derive(Debug)]
pub struct Look {
    authentic: Authentic,
    found: Structure,
}

/// Looks into the folders `dirs`, of which each holds the list and some volumes of one bundle.
///
/// # Errors
/// When the list cannot be trusted or taken in.
pub fn look(
    dirs: &[PathBuf],
    trust: &Trust,
    memory: &Memory,
    options: &Options,
) -> Result<Look, VerifyError> {
    let authentic = authenticate_carried(read(dirs)?, trust, memory, options)?;
    let found = examine(&authentic.roots, &authentic.sums)?;
    if let Some(contents) = &found.contents {
        check_platform(contents, trust)?;
    }
    Ok(Look { authentic, found })
}

impl Look {
    /// What can be seen to be wrong without reading the payload.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.found.problems
    }

    /// The places.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.authentic.roots.iter().map(Root::path)
    }

    /// The text of the list.
    #[must_use]
    pub fn list(&self) -> String {
        self.authentic.sums.render()
    }

    /// SHA-256 of the list.
    #[must_use]
    pub const fn identity(&self) -> Digest {
        self.authentic.identity
    }

    /// What the bundle is.
    #[must_use]
    pub const fn header(&self) -> &Header {
        self.authentic.sums.header()
    }

    /// The signature files of all places.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureFile] {
        &self.authentic.signatures
    }

    /// Every file that its media carry, sorted: of a delta, what it carries.
    pub fn listed(&self) -> impl Iterator<Item = &RelPath> {
        let all = self.authentic.sums.entries().keys();
        all.filter(|path| !is_left_out(path))
    }

    /// Every listed file of which something lies here, with the size that it must have.
    pub fn files(&self) -> impl Iterator<Item = (&RelPath, u64)> {
        self.found.copies.iter().map(|(path, copies)| {
            let here = copies.first().map_or(0, |copy| copy.size);
            (path, self.size_of(path).unwrap_or(here))
        })
    }

    /// SHA-256 that a listed file must have.
    #[must_use]
    pub fn digest_of(&self, path: &RelPath) -> Option<Digest> {
        self.authentic.sums.entries().get(path).copied()
    }

    /// The places where something lies under this path.
    pub fn places_of(&self, path: &RelPath) -> impl Iterator<Item = &Root> {
        let copies = self.found.copies.get(path).into_iter().flatten();
        copies.filter_map(|copy| self.authentic.roots.get(copy.root))
    }

    /// What is wrong with bytes that were read of a file.
    #[must_use]
    pub fn compare(&self, path: &RelPath, found: Hasher) -> Option<Problem> {
        let expected = self.digest_of(path)?;
        compare(path, (expected, self.size_of(path)), found.finish_counted())
    }

    /// Why it was accepted although the memory refuses it.
    #[must_use]
    pub fn override_reason(&self) -> Option<&str> {
        self.authentic.override_reason.as_deref()
    }

    /// What a person should know.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.authentic.warnings
    }

    fn size_of(&self, path: &RelPath) -> Option<u64> {
        self.found.size_of(path)
    }
}
