//! The store: files by digest, on the connected side.
//!
//! `sha256/ab/abcdef…` holds each file once. A file gets its final name only after its bytes were
//! hashed, and a hit is hashed again before it is used: a name proves nothing. Downloads are
//! not synced to the disk: what a power loss spoils is found damaged at its next use, and fetched anew.
//! What is built from them is synced. Two runs may share a store; whoever comes second finds the file there.
//!
//! A store may draw on folders of files that somebody brought ([`Store::drawing_on`]).

mod brought;

mod shelf;

pub use shelf::{Listed, Shelf};

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::event::{Cancel, Cancelled};
use crate::fs::{self, At, AtomicFile, PassError, PathError};
use crate::types::digest::Digest;
use brought::Brought;

/// Permission bits of stored files: they never change.
const FILE_MODE: u32 = 0o444;

/// A folder of files by digest.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    brought: Option<Arc<Brought>>,
}

/// Why the store could not take or give a file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("the store cannot be used")]
    Io(#[from] PathError),
    /// A folder of files that somebody brought cannot be read.
    #[error("the files of --from cannot be read")]
    Brought(#[source] PathError),
    /// What was to be stored is not what was announced.
    #[error(
        "expected sha256 {expected}, {expected_size} bytes; found sha256 {found}, {found_size} bytes"
    )]
    Mismatch {
        /// Digest that was announced.
        expected: Digest,
        /// Size that was announced.
        expected_size: u64,
        /// Digest that came.
        found: Digest,
        /// Size that came; reading stops one byte after the announced size.
        found_size: u64,
    },
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl StoreError {
    /// The next step, where the file system refused.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(error) | Self::Brought(error) => error.hint(),
            Self::Mismatch { .. } | Self::Cancelled(_) => None,
        }
    }
}

impl From<PassError> for StoreError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Read(error) | PassError::Write(error) => Self::Io(error),
            PassError::Cancelled(cancelled) => Self::Cancelled(cancelled),
        }
    }
}

impl Store {
    /// Opens the store in folder `root`, making it when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(&root.join("sha256"), 0o755)?;
        Ok(Self {
            root: root.to_owned(),
            brought: None,
        })
    }

    /// The store, taking what it lacks from these folders. Files are known by their digest; names, and
    /// what else lies there, do not matter. They are read when something is first missing, and only
    /// read.
    #[must_use]
    pub fn drawing_on(self, folders: &[PathBuf]) -> Self {
        let brought = (!folders.is_empty()).then(|| Arc::new(Brought::new(folders)));
        Self { brought, ..self }
    }

    /// The folder of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file of this digest is or would be. That it stands there proves nothing: use
    /// [`Store::find`], or hash while reading.
    #[must_use]
    pub fn path_of(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        let group: String = hex.chars().take(2).collect();
        self.root.join("sha256").join(group).join(hex)
    }

    /// Path and size of the file of this digest, after hashing it again. A file that no longer has
    /// its digest is removed, so that it is fetched anew. A file that is missing is copied from the
    /// folders that the store draws on.
    ///
    /// # Errors
    /// When it cannot be read, or the work was asked to stop.
    pub fn find(
        &self,
        digest: &Digest,
        cancel: &Cancel,
    ) -> Result<Option<(PathBuf, u64)>, StoreError> {
        let path = self.path_of(digest);
        if fs::examine(&path)?.is_some() {
            let mut file = fs::open(&path)?;
            let passed = fs::pass((&mut file, &path), None, u64::MAX, &mut |_| cancel.check())?;
            let (found, size) = passed.finish_counted();
            if found == *digest {
                return Ok(Some((path, size)));
            }
            fs::remove_file(&path)?;
        }
        self.draw(digest, cancel)
    }

    /// Copies the file of this digest from the folders that the store draws on.
    fn draw(&self, digest: &Digest, cancel: &Cancel) -> Result<Option<(PathBuf, u64)>, StoreError> {
        let Some(brought) = &self.brought else {
            return Ok(None);
        };
        let found = brought.find(digest, cancel).map_err(|error| match error {
            StoreError::Io(error) => StoreError::Brought(error),
            error => error,
        })?;
        let Some((from, size)) = found else {
            return Ok(None);
        };
        let mut file = fs::open(&from).map_err(StoreError::Brought)?;
        match self.put_stream(&mut file, digest, size, &mut |_| cancel.check()) {
            Ok(path) => Ok(Some((path, size))),
            // It was changed since it was hashed: as good as absent.
            Err(StoreError::Mismatch { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The bytes of a small stored file, hashed again; `None` when it is not there, damaged, or
    /// longer than `limit`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        shelf::read(&self.path_of(digest), digest, limit)
    }

    /// Stores bytes and gives their digest.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if self.read(&digest, u64::MAX)?.is_none() {
            let mut file = self.begin(&digest)?;
            let path = self.path_of(&digest);
            file.write_all(bytes).at("write", &path)?;
            file.commit(FILE_MODE)?;
        }
        Ok(digest)
    }

    /// Stores what `reader` gives, when it is exactly what was announced. After each piece `told` hears its length, and may
    /// end the work.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] when it is not; nothing is stored then.
    pub fn put_stream(
        &self,
        reader: &mut dyn Read,
        expected: &Digest,
        expected_size: u64,
        told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
    ) -> Result<PathBuf, StoreError> {
        let path = self.path_of(expected);
        let mut file = self.begin(expected)?;
        let to: (&mut dyn Write, &Path) = (&mut file, &path);
        let passed = fs::pass((reader, &path), Some(to), expected_size, told)?;
        let (found, found_size) = passed.finish_counted();
        if found != *expected || found_size != expected_size {
            return Err(StoreError::Mismatch {
                expected: *expected,
                expected_size,
                found,
                found_size,
            });
        }
        file.commit(FILE_MODE)?;
        Ok(path)
    }

    /// Moves a finished file, whose digest the caller has just computed while writing it, into the
    /// store. It must lie on the same file system, best in [`Store::parts`]. Nothing is synced.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn adopt(&self, file: &Path, digest: &Digest) -> Result<PathBuf, StoreError> {
        let path = self.path_of(digest);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder, 0o755)?;
        }
        fs::set_mode(file, FILE_MODE)?;
        fs::rename_unsynced(file, &path)?;
        Ok(path)
    }

    /// Sees to it that files can be added: makes one, which is gone at once.
    ///
    /// # Errors
    /// When none can be made.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        let _gone = AtomicFile::create(&self.root.join("sha256").join("probe"))?;
        Ok(())
    }

    /// A folder on the store's file system for downloads that are under way.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn parts(&self) -> Result<PathBuf, StoreError> {
        let parts = self.root.join("parts");
        fs::create_dir_all(&parts, 0o755)?;
        Ok(parts)
    }

    fn begin(&self, digest: &Digest) -> Result<AtomicFile, StoreError> {
        let path = self.path_of(digest);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder, 0o755)?;
        }
        Ok(AtomicFile::begin(&path)?)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    #[test]
    fn a_damaged_hit_is_no_hit() {
        let (_folder, store) = store();
        let digest = store.put(b"good").unwrap();
        assert!(store.find(&digest, &Cancel::new()).unwrap().is_some());
        let path = store.path_of(&digest);
        fs::set_mode(&path, 0o644).unwrap();
        std::fs::write(&path, b"evil").unwrap();
        assert_eq!(store.read(&digest, 100).unwrap(), None);
        assert!(store.find(&digest, &Cancel::new()).unwrap().is_none());
        assert!(!path.exists());
    }

    #[test]
    fn refuses_what_was_not_announced() {
        let (_folder, store) = store();
        let announced = Digest::of(b"good");
        for (bytes, size) in [
            (&b"evil"[..], 4),
            (&b"good more"[..], 4),
            (&b"goo"[..], 4),
            (&b"good"[..], 5),
        ] {
            let error = store
                .put_stream(&mut &bytes[..], &announced, size, &mut |_| Ok(()))
                .unwrap_err();
            assert!(matches!(error, StoreError::Mismatch { .. }), "{error}");
            assert!(!store.path_of(&announced).exists());
        }
        store
            .put_stream(&mut &b"good"[..], &announced, 4, &mut |_| Ok(()))
            .unwrap();
    }
}
