//! Files that appear whole or not at all.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::error::{At, PathError};
use super::fault::{Effect, reach};
use super::file::File;
use super::{begin_writing, sync_parent};

/// After so many bytes of a file that is written from front to back the disk is told to begin.
const WRITEBACK: u64 = 8 << 20;

/// How the names of unfinished files begin and end.
const UNFINISHED: (&str, &str) = (".haversack-", ".part");

/// Whether a file of this name was under construction.
pub(super) fn is_unfinished(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(UNFINISHED.0.as_bytes()) && name.ends_with(UNFINISHED.1.as_bytes())
}

/// Removes the unfinished file at `path` when nobody works on it: whoever does holds a lock on it, which
/// the kernel releases when that process dies. What is no plain file of ours, or lies where files cannot
/// be locked, stays.
pub(super) fn remove_abandoned(path: &Path) -> Result<(), PathError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = reach(Effect::At("open", path))
        .and_then(|()| Ok(rustix::fs::open(path, flags, Mode::empty())?));
    let Ok(file) = opened.map(File::from) else {
        return Ok(());
    };
    let plain = file.metadata().at("examine", path)?.is_file();
    if plain && file.try_lock().is_ok() {
        // Under its final name by now, it is not here any more.
        super::remove_file(path)?;
    }
    Ok(())
}

/// A file under construction beside its target. Dropped without [`AtomicFile::commit`], it vanishes; when
/// the process is killed, the next that writes there removes it.
#[derive(Debug)]
pub struct AtomicFile {
    file: NamedTempFile<File>,
    target: PathBuf,
    /// Bytes that came through [`Write`].
    written: u64,
    /// How many of them the disk was told to begin with.
    begun: u64,
}

impl AtomicFile {
    /// Begins a file that will appear at `target`. Its folder must exist.
    ///
    /// # Errors
    /// When no temporary file can be made in that folder.
    pub fn create(target: &Path) -> Result<Self, PathError> {
        let parent = target
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        loop {
            let file = tempfile::Builder::new()
                .prefix(UNFINISHED.0)
                .suffix(UNFINISHED.1)
                .make_in(parent, File::create_new)
                .at("create", target)?;
            // Whoever sweeps here may have taken it for abandoned, before it was held.
            if file.as_file().hold(file.path()) {
                return Ok(Self {
                    file,
                    target: target.to_owned(),
                    written: 0,
                    begun: 0,
                });
            }
        }
    }

    /// As [`AtomicFile::create`], after removing what killed runs left unfinished in that folder, as far as
    /// this can be done.
    ///
    /// # Errors
    /// When no temporary file can be made in that folder.
    pub fn begin(target: &Path) -> Result<Self, PathError> {
        let parent = target
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let _ = super::sweep(parent);
        Self::create(target)
    }

    /// The file, to be written at many places by several threads.
    #[must_use]
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// The file to write to.
    pub fn as_file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Makes sure that what was written so far survives a power loss.
    ///
    /// # Errors
    /// When it cannot be synced.
    pub fn sync(&self) -> Result<(), PathError> {
        self.file().sync_all().at("sync", &self.target)
    }

    /// Syncs the content, sets the permission bits, moves it to its target (replacing what stood
    /// there) and syncs the folder.
    ///
    /// # Errors
    /// When any of these fails; the target is then what it was.
    pub fn commit(self, mode: u32) -> Result<(), PathError> {
        let target = self.commit_unsynced_folder(mode)?;
        sync_parent(&target)
    }

    /// Sets the permission bits and moves it to its target, syncing nothing, for callers that write
    /// a whole tree and then call [`sync_file_system`](super::sync_file_system) once.
    ///
    /// # Errors
    /// When it cannot be moved; the target is then what it was.
    pub fn commit_unsynced(self, mode: u32) -> Result<(), PathError> {
        set_mode(self.file.as_file(), mode, &self.target)?;
        persist(self.file, &self.target)
    }

    /// As [`AtomicFile::commit_unsynced_folder`], for media whose file system may know no permission bits.
    ///
    /// # Errors
    /// When the content cannot be synced or moved; the target is then what it was.
    pub fn commit_to_medium(self, mode: u32) -> Result<PathBuf, PathError> {
        let file = self.file.as_file();
        let _ = file.set_permissions(Permissions::from_mode(mode));
        self.sync()?;
        let target = self.target;
        persist(self.file, &target)?;
        Ok(target)
    }

    /// As [`AtomicFile::commit`], but leaves the folder unsynced, for callers that write many files
    /// and sync each folder once at the end. Gives back the target.
    ///
    /// # Errors
    /// When the content cannot be synced or moved; the target is then what it was.
    pub fn commit_unsynced_folder(self, mode: u32) -> Result<PathBuf, PathError> {
        let file = self.file.as_file();
        set_mode(file, mode, &self.target)?;
        self.sync()?;
        let target = self.target;
        persist(self.file, &target)?;
        Ok(target)
    }
}

/// Sets the permission bits. A file system that has none (FAT) may refuse where nothing depends on them:
/// everybody may read the file, and nobody runs it.
fn set_mode(file: &File, mode: u32, target: &Path) -> Result<(), PathError> {
    let set = file.set_permissions(Permissions::from_mode(mode));
    let without = |error: &io::Error| {
        let number = error.raw_os_error().map(Errno::from_raw_os_error);
        matches!(number, Some(Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM))
    };
    match set {
        Err(error) if mode & 0o555 == 0o444 && without(&error) => Ok(()),
        set => set.at("set permissions of", target),
    }
}

fn persist(file: NamedTempFile<File>, target: &Path) -> Result<(), PathError> {
    reach(Effect::At("rename to", target)).at("rename to", target)?;
    file.persist(target)
        .map_err(|failed| failed.error)
        .at("rename to", target)?;
    Ok(())
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.as_file_mut().write(bytes)?;
        let count_64 = u64::try_from(count).unwrap_or(u64::MAX);
        self.written = self.written.saturating_add(count_64);
        let new = self.written.saturating_sub(self.begun);
        if new >= WRITEBACK {
            begin_writing(self.file(), self.begun, new);
            self.begun = self.written;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Writes a whole file atomically and durably, with these permission bits. What killed runs left unfinished
/// in its folder is removed.
///
/// # Errors
/// When it cannot be written; the target is then what it was.
pub fn write_atomic(target: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
    let mut file = AtomicFile::begin(target)?;
    file.write_all(bytes).at("write", target)?;
    file.commit(mode)
}

/// Writes a whole file, syncing nothing; see [`AtomicFile::commit_unsynced`].
///
/// # Errors
/// When it cannot be written; the target is then what it was.
pub fn write_unsynced(target: &Path, bytes: &[u8], mode: u32) -> Result<(), PathError> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes).at("write", target)?;
    file.commit_unsynced(mode)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_a_live_one_writes_stays() {
        let folder = tempfile::tempdir().unwrap();
        let live = AtomicFile::create(&folder.path().join("live")).unwrap();
        let left = folder.path().join(".haversack-left.part");
        std::fs::write(&left, b"half").unwrap();
        for other in ["other.part", ".haversack-x", "x"] {
            std::fs::write(folder.path().join(other), b"").unwrap();
        }
        let link = folder.path().join(".haversack-link.part");
        std::os::unix::fs::symlink("x", &link).unwrap();
        write_atomic(&folder.path().join("new"), b"1", 0o644).unwrap();
        assert!(!left.exists() && link.is_symlink());
        live.commit(0o644).unwrap();
        let names = crate::fs::list(folder.path()).unwrap();
        let expected = [
            ".haversack-link.part",
            ".haversack-x",
            "live",
            "new",
            "other.part",
            "x",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn many_who_write_and_sweep_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let folder = folder.path();
                scope.spawn(move || {
                    for number in 0..200 {
                        let target = folder.join(format!("{thread}-{number}"));
                        write_atomic(&target, b"x", 0o644).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 800);
    }

    #[test]
    fn replaces_whole_and_sets_the_mode() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        write_atomic(&target, b"one", 0o644).unwrap();
        write_atomic(&target, b"two", 0o600).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"two");
        let mode = std::fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
}
