//! The file of a change: what follows the layouts that `changes.json` states.
//!
//! ```text
//! haversack-change 1\n
//! 4 numbers of 8 bytes, least significant first: the lengths of what follows
//! steps         xz   what to do (see `steps`)
//! differences   xz   what is added to bytes of the base
//! literals      xz   what is new
//! corrections        how deflate streams differ from what their encoder would have written (see `deflate`)
//! ```
//! An empty one has no bytes. The lengths add up to the size of the file.

use std::io::{Read, Seek, SeekFrom, Take};

use super::DeltaError;

/// The first line.
const MAGIC: &[u8; 19] = b"haversack-change 1\n";
/// Bytes before the first stream.
const HEAD: u64 = 19 + 4 * 8;

/// Where in the file of a change its streams lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sections {
    lengths: [u64; 4],
}

/// Which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Steps.
    Steps,
    /// Differences.
    Differences,
    /// Literals.
    Literals,
    /// Corrections.
    Corrections,
}

impl Sections {
    /// Reads the head of a change of `size` bytes.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(from: &mut dyn Read, size: u64) -> Result<Self, DeltaError> {
        let mut magic = [0; 19];
        let mut lengths = [0; 4];
        let head = from.read_exact(&mut magic);
        if head.is_err() || magic != *MAGIC {
            return Err(DeltaError::broken("no change of format 1"));
        }
        let mut sum = HEAD;
        for length in &mut lengths {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes)?;
            *length = u64::from_le_bytes(bytes);
            sum = sum.saturating_add(*length);
        }
        if sum != size {
            return Err(DeltaError::broken(
                "a change of another length than its streams",
            ));
        }
        Ok(Self { lengths })
    }

    /// The reader `from`, limited to a stream.
    ///
    /// # Errors
    /// When it cannot be positioned.
    pub fn limit<R: Read + Seek>(
        self,
        mut from: R,
        section: Section,
    ) -> Result<Take<R>, DeltaError> {
        let (mut at, mut length) = (HEAD, 0);
        for (number, one) in self.lengths.into_iter().enumerate() {
            length = one;
            if number == section.number() {
                break;
            }
            at = at.saturating_add(one);
        }
        from.seek(SeekFrom::Start(at))?;
        Ok(from.take(length))
    }

    /// How long a stream is.
    #[must_use]
    pub fn length(self, section: Section) -> u64 {
        self.lengths.get(section.number()).copied().unwrap_or(0)
    }
}

impl Section {
    const fn number(self) -> usize {
        match self {
            Self::Steps => 0,
            Self::Differences => 1,
            Self::Literals => 2,
            Self::Corrections => 3,
        }
    }
}

/// The file of a change.
#[cfg(feature = "connected")]
pub(super) fn write(streams: [&[u8]; 4]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for stream in streams {
        bytes.extend(super::wide(stream.len()).to_le_bytes());
    }
    for stream in streams {
        bytes.extend_from_slice(stream);
    }
    bytes
}
