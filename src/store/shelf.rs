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

    /// The bytes of a small file, hashed again; `None` when it is not there, damaged, or longer than
    /// `limit`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn bytes(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match self.places(digest).as_slice() {
            [] => Ok(None),
            [path] => read(path, digest, limit),
            parts => read_parts(parts, digest, limit),
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

/// The parts of a file that follow each other.
fn read_parts(
    parts: &[PathBuf],
    digest: &Digest,
    limit: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut bytes = Vec::new();
    for part in parts {
        let left = limit.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        match fs::examine(part)? {
            Some(found) if found.len() <= left => bytes.extend(fs::read(part, left)?),
            _ => return Ok(None),
        }
    }
    Ok((Digest::of(&bytes) == *digest).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_parts_is_read_whole_within_its_limit_and_only_when_its_hash_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let parts = ["a.000", "a.001"].map(|name| folder.path().join(name));
        fs::write_atomic(&parts[0], b"one ", 0o644).unwrap();
        fs::write_atomic(&parts[1], b"file", 0o644).unwrap();
        let digest = Digest::of(b"one file");
        let shelf: Listed = [(digest, parts.to_vec())].into_iter().collect();
        assert_eq!(
            shelf.bytes(&digest, 8).unwrap().as_deref(),
            Some(&b"one file"[..])
        );
        assert_eq!(shelf.bytes(&digest, 7).unwrap(), None);
        fs::write_atomic(&parts[1], b"fild", 0o644).unwrap();
        assert_eq!(shelf.bytes(&digest, 8).unwrap(), None);
        fs::remove_file(&parts[1]).unwrap();
        assert_eq!(shelf.bytes(&digest, 8).unwrap(), None);
    }
}
