//! Advisory locks on folders, so that two runs do not work in one at once.

use std::ffi::OsString;
use std::fs::TryLockError;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use super::error::{At, PathError};
use super::fault::{Effect, reach};
use super::file::File;

/// A lock on a folder, held until dropped. The kernel releases it when the holder dies, so a
/// crash leaves no stale lock.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    /// The lock file, where it goes with the lock.
    passing: Option<PathBuf>,
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
        Ok(Self {
            _file: lock(&path, folder)?,
            passing: None,
        })
    }

    /// Locks what stands or will stand at `folder`, through a hidden file `.NAME.lock` beside it, so
    /// that the folder itself may be renamed, exchanged and removed meanwhile. The folder that holds
    /// it must exist. The file goes when the lock is dropped.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process holds it.
    pub fn beside(folder: &Path) -> Result<Self, LockError> {
        let Some(name) = folder.file_name() else {
            let odd = io::Error::new(io::ErrorKind::InvalidInput, "a path without a name");
            return Err(odd).at("lock", folder)?;
        };
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".lock");
        let path = folder.with_file_name(hidden);
        loop {
            let file = lock(&path, folder)?;
            let locked = file.metadata().at("examine", &path)?;
            // Its last holder may have removed it after it was opened here: then it locks nothing.
            match reach(Effect::At("examine", &path))
                .and_then(|()| std::fs::symlink_metadata(&path))
            {
                Ok(there) if (there.dev(), there.ino()) == (locked.dev(), locked.ino()) => {
                    return Ok(Self {
                        _file: file,
                        passing: Some(path),
                    });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).at("examine", &path)?,
            }
        }
    }
}

impl Drop for FolderLock {
    /// Removes the file while it is still locked: nobody else can hold it then.
    fn drop(&mut self) {
        if let Some(path) = &self.passing {
            let _ = reach(Effect::At("remove", path)).and_then(|()| std::fs::remove_file(path));
        }
    }
}

/// Opens the lock file `path` and locks it; `folder` is what the lock is about.
fn lock(path: &Path, folder: &Path) -> Result<File, LockError> {
    // A link at this predictable name could lead to any file, which would be emptied below.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    let mut file = reach(Effect::At("open", path))
        .and_then(|()| Ok(File::from(rustix::fs::open(path, flags, mode)?)))
        .at("open", path)?;
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
        Err(TryLockError::Error(error)) => return Err(error).at("lock", path)?,
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .at("write", path)?;
    writeln!(file, "{}", std::process::id()).at("write", path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

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

    #[test]
    fn a_lock_beside_a_folder_outlives_its_renaming_and_leaves_no_file() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("out");
        let first = FolderLock::beside(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
        std::fs::rename(&folder, parent.path().join("elsewhere")).unwrap();
        let error = FolderLock::beside(&folder).unwrap_err();
        assert!(
            matches!(&error, LockError::Held { path, .. } if *path == folder.display().to_string()),
            "{error}"
        );
        drop(first);
        drop(FolderLock::beside(&folder).unwrap());
        let lock = parent.path().join(".out.lock");
        std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
        assert!(matches!(FolderLock::beside(&folder), Err(LockError::Io(_))));
        std::fs::remove_file(&lock).unwrap();
        assert_eq!(crate::fs::list(parent.path()).unwrap(), ["elsewhere"]);
    }

    #[test]
    fn many_who_want_one_lock_hold_it_one_after_the_other() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("out");
        let (inside, held) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let Ok(_lock) = FolderLock::beside(&folder) else {
                            continue;
                        };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        held.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(held.into_inner() > 0);
    }
}
