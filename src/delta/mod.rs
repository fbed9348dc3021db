//! Changes: what to do with a file to get another one, instead of that other one.
//!
//! Packages and archives are packed, and one byte that is new changes all packed bytes behind it. So both
//! files are *opened*: cut into parts, of which the packed ones are unpacked ([`layout`]). A change ([`change`])
//! tells, in steps ([`steps`]), how the opened new file is made of the opened old one; then the parts are packed
//! again, by the encoder and the settings that upstream used ([`xz`], [`deflate`]).
//!
//! Whether that gives upstream's very bytes is never assumed: the builder runs [`rebuild()`], the function that
//! the isolated side runs, and offers a change only when the result has the digest of upstream's file.
//!
//! Everything here reads bytes that come from elsewhere. Limits: an opened file has at most [`MAX_OPENED`] bytes
//! and [`MAX_PARTS`] parts; what is opened goes to a scratch file, and no more of it is written than was announced.
//! Memory: a few buffers of 64 KiB, at most 16 MiB of a deflate stream, and what liblzma takes for the preset: with
//! preset 6, that of `dpkg-deb`, 170 MiB a thread to pack and 9 MiB to unpack.

pub mod change;
pub mod deflate;
#[cfg(feature = "connected")]
mod find;
pub mod layout;
#[cfg(feature = "connected")]
mod make;
#[cfg(feature = "connected")]
mod open;
mod rebuild;
pub mod steps;
#[cfg(test)]
mod tests;
pub mod xz;

#[cfg(feature = "connected")]
pub use make::{Made, Outcome, make};
pub use rebuild::{Scratch, rebuild};

use std::io;

use crate::event::Cancelled;

/// Most bytes of an opened file: 1 GiB.
pub const MAX_OPENED: u64 = 1 << 30;
/// Most bytes of a packed file that is opened.
pub const MAX_PACKED: u64 = 1 << 30;
/// Most parts of an opened file.
pub const MAX_PARTS: usize = 64;
/// Bytes of a buffer.
const BUFFER: usize = 64 * 1024;

/// Why a file was not made from another one.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// Layout, change or base are not what they must be.
    #[error("{0}")]
    Broken(String),
    /// A file could not be read or written.
    #[error("a file cannot be read or written")]
    Io(#[source] io::Error),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl DeltaError {
    fn broken(text: &str) -> Self {
        Self::Broken(text.to_owned())
    }

    /// Through a reader, which knows errors of the system only.
    fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            other => io::Error::other(other.to_string()),
        }
    }
}

/// What the system said stays what it is; all else is about the bytes.
impl From<io::Error> for DeltaError {
    fn from(error: io::Error) -> Self {
        if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::StorageFull {
            return Self::Io(error);
        }
        Self::Broken(error.to_string())
    }
}

/// A length as a number of this machine.
fn small(length: u64) -> Result<usize, DeltaError> {
    usize::try_from(length).map_err(|_| DeltaError::broken("a length is too large"))
}

/// A length as a number of the formats.
fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
