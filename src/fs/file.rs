//! Open files.

use std::fs::{self, Metadata, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::fault::{self, Effect};

/// An open file. As [`std::fs::File`], but each effect passes the point where tests let it fail.
#[derive(Debug)]
pub struct File(fs::File);

impl File {
    /// Opens what stands at `path` to read, following symbolic links.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fault::reach(Effect::At("open", path))?;
        fs::File::open(path).map(Self)
    }

    /// Makes a file that nobody else can open (mode 0600). Nothing may stand there.
    pub(super) fn create_new(path: &Path) -> io::Result<Self> {
        fault::reach(Effect::At("create", path))?;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        options.open(path).map(Self)
    }

    fn effect(&self, name: &'static str) -> Effect<'static> {
        Effect::Open(name, self.0.as_raw_fd())
    }

    /// What is known of it.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        fault::reach(self.effect("examine"))?;
        self.0.metadata()
    }

    pub(super) fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        fault::reach(self.effect("set mode"))?;
        self.0.set_permissions(permissions)
    }

    pub(super) fn try_lock(&self) -> Result<(), TryLockError> {
        fault::reach(self.effect("lock")).map_err(TryLockError::Error)?;
        self.0.try_lock()
    }

    /// Locks it for as long as it is open, and says whether it still stands at `path`; also where files
    /// cannot be locked. No effect that a test lets fail: nothing depends on it but who sweeps.
    pub(super) fn hold(&self, path: &Path) -> bool {
        match self.0.try_lock() {
            Err(TryLockError::WouldBlock) => return false,
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let (Ok(held), Ok(there)) = (self.0.metadata(), fs::symlink_metadata(path)) else {
            return false;
        };
        (held.dev(), held.ino()) == (there.dev(), there.ino())
    }

    /// Cuts or extends it to `size` bytes.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn set_len(&self, size: u64) -> io::Result<()> {
        fault::reach(self.effect("set length"))?;
        self.0.set_len(size)
    }

    /// Makes sure that its content survives a power loss.
    ///
    /// # Errors
    /// When it cannot be synced.
    pub fn sync_all(&self) -> io::Result<()> {
        fault::reach(self.effect("sync"))?;
        self.0.sync_all()
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into())
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = fault::allow(self.effect("read"), buffer.len())?;
        self.0.read(buffer.get_mut(..count).unwrap_or_default())
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = fault::allow(self.effect("write"), bytes.len())?;
        self.0.write(bytes.get(..count).unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// The methods that come with the trait are loops over these two.
impl FileExt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = fault::allow(self.effect("read"), buffer.len())?;
        self.0
            .read_at(buffer.get_mut(..count).unwrap_or_default(), offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let count = fault::allow(self.effect("write"), bytes.len())?;
        self.0
            .write_at(bytes.get(..count).unwrap_or_default(), offset)
    }
}
