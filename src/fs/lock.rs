//! Advisory locks on folders, so that two runs do not work in one at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

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

/// How long to wait for a holder that is just ending: the kernel releases the lock of a killed
/// process, or of one that is between fork and exec, a moment late.
const PATIENCE: Duration = Duration::from_secs(1);

fn patiently(file: &File) -> Result<(), TryLockError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

impl FolderLock {
    /// Locks `folder`, which must exist, through a file `.lock` in it. Waits up to a second for a
    /// holder that is just ending.
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
        match patiently(&file) {
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
