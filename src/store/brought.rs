//! Folders of files that somebody brought, by digest.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::StoreError;
use crate::event::Cancel;
use crate::fs::{self, At, Kind};
use crate::types::digest::Digest;

/// Most files that are looked at.
pub(super) const MAX_FILES: usize = 200_000;

/// Folders whose files are hashed when one is first asked for.
#[derive(Debug)]
pub(super) struct Brought {
    folders: Vec<PathBuf>,
    index: Mutex<Option<BTreeMap<Digest, (PathBuf, u64)>>>,
}

impl Brought {
    pub(super) fn new(folders: &[PathBuf]) -> Self {
        Self {
            folders: folders.to_vec(),
            index: Mutex::new(None),
        }
    }

    /// A file that had this digest when the folders were read, and its size.
    pub(super) fn find(
        &self,
        digest: &Digest,
        cancel: &Cancel,
    ) -> Result<Option<(PathBuf, u64)>, StoreError> {
        // Whoever comes while the folders are read waits for that.
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let index = match &mut *index {
            Some(index) => index,
            none => none.insert(self.read(cancel)?),
        };
        Ok(index.get(digest).cloned())
    }

    /// Hashes every regular file. Symbolic links are not followed.
    fn read(&self, cancel: &Cancel) -> Result<BTreeMap<Digest, (PathBuf, u64)>, StoreError> {
        let mut index = BTreeMap::new();
        for folder in &self.folders {
            for entry in fs::walk(folder)? {
                if entry.kind != Kind::File {
                    continue;
                }
                if index.len() >= MAX_FILES {
                    let text = format!("more than {MAX_FILES} files");
                    let error: io::Result<()> = Err(io::Error::other(text));
                    error.at("read all of", folder)?;
                }
                let path = folder.join(&entry.path);
                let mut file = fs::open(&path)?;
                let passed = fs::pass((&mut file, &path), None, u64::MAX, &mut |_| cancel.check())?;
                let (digest, size) = passed.finish_counted();
                index.entry(digest).or_insert((path, size));
            }
        }
        Ok(index)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_store_draws_on_folders_by_digest_whatever_the_names() {
        let folder = tempfile::tempdir().unwrap();
        let brought = folder.path().join("brought");
        std::fs::create_dir_all(brought.join("deep/er")).unwrap();
        std::fs::write(brought.join("deep/er/x.tmp"), b"wanted").unwrap();
        std::fs::write(brought.join("wanted.deb"), b"evil").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", brought.join("link")).unwrap();
        let root = folder.path().join("store");
        let store = Store::open(&root).unwrap();
        let (wanted, go) = (Digest::of(b"wanted"), Cancel::new());
        assert_eq!(store.find(&wanted, &go).unwrap(), None);
        let store = store.drawing_on(std::slice::from_ref(&brought));
        let path = store.path_of(&wanted);
        assert_eq!(store.find(&wanted, &go).unwrap(), Some((path.clone(), 6)));
        assert_eq!(std::fs::read(&path).unwrap(), b"wanted");
        assert!(store.find(&Digest::of(b"other"), &go).unwrap().is_none());
        // What was changed after it was hashed is not taken.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(brought.join("deep/er/x.tmp"), b"vanted").unwrap();
        assert_eq!(store.find(&wanted, &go).unwrap(), None);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let store = store.drawing_on(&[folder.path().join("absent")]);
        let error = store.find(&Digest::of(b""), &Cancel::new()).unwrap_err();
        assert!(matches!(error, StoreError::Brought(_)), "{error}");
    }
}
