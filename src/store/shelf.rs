//! Files that can be looked up by digest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Store, StoreError};
use crate::fs;
use crate::types::digest::Digest;

/// Gives files by digest: the store, or the files of a bundle.
pub trait Shelf: Sync {
    /// Where the file of this digest should be; `None` when it is not there. Hash while reading: a
    /// place proves nothing.
    fn place(&self, digest: &Digest) -> Option<PathBuf>;

    /// The bytes of a small file, hashed again; `None` when it is not there, damaged, or longer than
    /// `limit`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn bytes(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match self.place(digest) {
            Some(path) => read(&path, digest, limit),
            None => Ok(None),
        }
    }
}

impl Shelf for Store {
    fn place(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.path_of(digest))
    }
}

/// The files of a list that was proven, by digest.
#[derive(Debug, Clone, Default)]
pub struct Listed(BTreeMap<Digest, PathBuf>);

impl FromIterator<(Digest, PathBuf)> for Listed {
    fn from_iter<I: IntoIterator<Item = (Digest, PathBuf)>>(files: I) -> Self {
        Self(files.into_iter().collect())
    }
}

impl Shelf for Listed {
    fn place(&self, digest: &Digest) -> Option<PathBuf> {
        self.0.get(digest).cloned()
    }
}

pub(super) fn read(
    path: &Path,
    digest: &Digest,
    limit: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::examine(path)? {
        Some(found) if found.len() <= limit => {}
        _ => return Ok(None),
    }
    let bytes = fs::read(path, limit)?;
    Ok((Digest::of(&bytes) == *digest).then_some(bytes))
}
