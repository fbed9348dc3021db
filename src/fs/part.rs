//! Files under construction that outlive the run that began them.

use std::fs::TryLockError;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::error::{At, PathError};
use super::examine;
use super::fault::{Effect, reach};
use super::file::File;

/// A file under construction that a later run may go on with. While it is held, no other thread or
/// process gets it.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    path: PathBuf,
}

impl PartFile {
    /// Opens the part at `path`, making it when it is not there and keeping what is in it. `None` when
    /// another holder works on it, or has just moved it to its final place: try again.
    ///
    /// Whoever held it before may have moved the finished file meanwhile. Writing on through an old
    /// handle would change a finished file, so that the handle must be what stands at the path.
    ///
    /// # Errors
    /// When it cannot be opened or locked, or is a symbolic link.
    pub fn try_open(path: &Path) -> Result<Option<Self>, PathError> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let fd = reach(Effect::At("open", path))
            .and_then(|()| Ok(rustix::fs::open(path, flags, mode)?))
            .at("open", path)?;
        let file = File::from(fd);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).at("lock", path),
        }
        let held = file.metadata().at("examine", path)?;
        if !held.is_file() {
            // Such as a pipe, which would be waited for without end.
            let odd = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(odd).at("open", path);
        }
        let same = |at: std::fs::Metadata| (at.dev(), at.ino()) == (held.dev(), held.ino());
        Ok(examine(path)?.is_some_and(same).then(|| Self {
            file,
            path: path.to_owned(),
        }))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    ///
    /// # Errors
    /// When it cannot be examined.
    pub fn size(&self) -> Result<u64, PathError> {
        Ok(self.file.metadata().at("examine", &self.path)?.len())
    }

    /// Drops what is in it.
    ///
    /// # Errors
    /// When it cannot be truncated.
    pub fn restart(&mut self) -> Result<(), PathError> {
        self.file.set_len(0).at("truncate", &self.path)?;
        self.file
            .seek(SeekFrom::Start(0))
            .map(|_| ())
            .at("seek in", &self.path)
    }

    /// Writes all of these bytes at this place.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), PathError> {
        self.file
            .write_all_at(bytes, offset)
            .at("write", &self.path)
    }
}

impl Read for PartFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_waits_and_never_writes_to_what_was_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part");
        let mut first = PartFile::try_open(&path).unwrap().unwrap();
        first.write_all(b"done").unwrap();
        assert!(PartFile::try_open(&path).unwrap().is_none());
        std::fs::rename(&path, folder.path().join("x")).unwrap();
        drop(first);
        let mut second = PartFile::try_open(&path).unwrap().unwrap();
        assert_eq!(second.size().unwrap(), 0);
        second.write_all(b"other").unwrap();
        assert_eq!(std::fs::read(folder.path().join("x")).unwrap(), b"done");
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o644),
            0,
        )
        .unwrap();
        let refused = PartFile::try_open(&path).unwrap_err();
        assert!(refused.to_string().contains("x.part"), "{refused}");
        assert_eq!(refused.source.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn goes_on_with_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part");
        std::fs::write(&path, b"half").unwrap();
        let mut part = PartFile::try_open(&path).unwrap().unwrap();
        assert_eq!(part.size().unwrap(), 4);
        part.restart().unwrap();
        part.write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }
}
