//! Files that can be looked up by digest.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Store, StoreError};
use crate::fs;
use crate::types::digest::Digest;

/// Gives files by digest: the store, or the files of a bundle.
pub trait Shelf: Sync {
    /// Where the file of this digest should be, in one piece or in parts that follow each other; nothing
    /// when it is not there. Hash while reading: a place proves nothing.
    fn places(&self, digest: &Digest) -> Vec<PathBuf>;

    /// The file of this digest, to be read once; `None` when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, digest: &Digest) -> Result<Option<Box<dyn Read>>, StoreError> {
        let mut all: Option<Box<dyn Read>> = None;
        for place in self.places(digest) {
            let part = fs::open(&place)?;
            all = Some(match all {
                None => Box::new(part),
                Some(before) => Box::new(before.chain(part)),
            });
        }
        Ok(all)
    }

    /// The bytes of a small file that is in one piece, hashed again; `None` when it is not there,
    /// damaged, or longer than `limit`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn bytes(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match self.places(digest).as_slice() {
            [path] => read(path, digest, limit),
            _ => Ok(None),
        }
    }
}

impl Shelf for Store {
    fn places(&self, digest: &Digest) -> Vec<PathBuf> {
        vec![self.path_of(digest)]
    }
}

/// The files of a list that was proven, by digest; each in one piece or in parts.
#[derive(Debug, Clone, Default)]
pub struct Listed(BTreeMap<Digest, Vec<PathBuf>>);

impl FromIterator<(Digest, Vec<PathBuf>)> for Listed {
    fn from_iter<I: IntoIterator<Item = (Digest, Vec<PathBuf>)>>(files: I) -> Self {
        Self(files.into_iter().collect())
    }
}

impl Shelf for Listed {
    fn places(&self, digest: &Digest) -> Vec<PathBuf> {
        self.0.get(digest).cloned().unwrap_or_default()
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
