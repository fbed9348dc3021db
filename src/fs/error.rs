//! I/O errors that name their path.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// An I/O error with what was tried and where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct PathError {
    /// What was tried: `open`, `read`, `write`.
    pub action: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl PathError {
    /// A stable id for `haversack explain`, by what the system said.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "E603",
            io::ErrorKind::CrossesDevices => "E605",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "E604",
            _ => "E601",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self.id() {
            "E603" => "free some space and run the same command again",
            "E605" => "name a folder that lies on one file system, without a mount point inside",
            "E604" => "check owner and permissions of that path",
            _ => match self.source.kind() {
                io::ErrorKind::NotFound => "check the path: nothing stands there",
                io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => {
                    "name a regular file; this is something else"
                }
                io::ErrorKind::NotADirectory => "name a folder; a part of this path is a file",
                io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => {
                    "this is not the kind of file that is expected here: check the path"
                }
                _ if self.source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                    "this is a symbolic link, which is not followed here: name what it leads to, or remove it"
                }
                _ if self.action == "read" => {
                    "the medium or disk did not give the bytes: clean it or try another drive, then run again"
                }
                _ => return None,
            },
        };
        Some(text.to_owned())
    }
}

/// Adds a place to an I/O result.
pub trait At<T> {
    /// Says what was tried, and where.
    ///
    /// # Errors
    /// The same error, with its place.
    fn at(self, action: &'static str, path: &Path) -> Result<T, PathError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, PathError> {
        self.map_err(|source| PathError {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
