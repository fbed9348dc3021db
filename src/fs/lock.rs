//! Advisory locks on folders, so that two runs do not work in one at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::error::{At, PathError};

/// A lock on a folder, held until dropped. The kernel releases it when the holder dies, so a
/// crash leaves no stale lock.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Why a folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works in it.
    #[error("{path} is in use by another run (process {holder}); wait for it to end")]
    Held {
        /// The folder.
        path: String,
        /// Its process id as it wrote it down.
        holder: String,
    },
    /// The lock file cannot be used.
    #[error("cannot lock the folder")]
    Io(#[from] PathError),
}

impl FolderLock {
    /// Locks `folder`, which must exist, through a file `.lock` in it.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process holds it.
    pub fn acquire(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(".lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .at("open", &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.take(20).read_to_string(&mut holder);
                return Err(LockError::Held {
                    path: folder.display().to_string(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(error).at("lock", &path)?,
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .at("write", &path)?;
        writeln!(file, "{}", std::process::id()).at("write", &path)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::acquire(folder.path()).unwrap();
        let error = FolderLock::acquire(folder.path()).unwrap_err();
        assert!(
            matches!(&error, LockError::Held { holder, .. } if *holder == std::process::id().to_string()),
            "{error}"
        );
        drop(first);
        FolderLock::acquire(folder.path()).unwrap();
    }
}
