//! One pass over bytes: read, hash, and write where asked.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::event::Cancelled;
use crate::fs::{At, CHUNK, PathError};
use crate::types::digest::Hasher;

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The source could not be read.
    #[error(transparent)]
    Read(PathError),
    /// The target could not be written.
    #[error(transparent)]
    Write(PathError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// A reader that hashes what passes, for a whole of which each part is hashed too.
#[derive(Debug)]
pub struct Hashed<'a, R> {
    from: R,
    hasher: &'a mut Hasher,
}

impl<'a, R: Read> Hashed<'a, R> {
    /// A reader of `from` that tells `hasher` what it reads.
    pub const fn new(from: R, hasher: &'a mut Hasher) -> Self {
        Self { from, hasher }
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Reads `from` to its end, but at most one byte beyond `limit`, so that a source that is too long
/// shows; hashes what was read, and writes it to `to`. After each piece `told` hears its length, and
/// may end the pass. Gives the hasher, which knows digest and length. Memory: one buffer of
/// [`CHUNK`] bytes.
///
/// # Errors
/// When the source cannot be read, the target cannot be written, or `told` ends it.
pub fn pass(
    (from, from_path): (&mut dyn Read, &Path),
    mut to: Option<(&mut dyn Write, &Path)>,
    limit: u64,
    told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
) -> Result<Hasher, PassError> {
    let mut from = from.take(limit.saturating_add(1));
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    told(0)?;
    loop {
        let count = match from.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result.at("read", from_path).map_err(PassError::Read)?,
        };
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            return Ok(hasher);
        }
        hasher.update(chunk);
        if let Some((writer, path)) = &mut to {
            writer
                .write_all(chunk)
                .at("write", path)
                .map_err(PassError::Write)?;
        }
        told(u64::try_from(count).unwrap_or(u64::MAX))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::digest::Digest;

    #[test]
    fn copies_hashes_and_tells_and_shows_what_is_too_long() {
        let bytes = vec![7; 300_000];
        let (mut copy, mut heard) = (Vec::new(), Vec::new());
        let here = Path::new("here");
        let hasher = pass(
            (&mut &bytes[..], here),
            Some((&mut copy, here)),
            1 << 30,
            &mut |count| {
                heard.push(count);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!((hasher.bytes(), &copy), (300_000, &bytes));
        assert_eq!(hasher.finish(), Digest::of(&bytes));
        assert_eq!(heard.iter().sum::<u64>(), 300_000);
        let cut = pass((&mut &bytes[..], here), None, 10, &mut |_| Ok(())).unwrap();
        assert_eq!(cut.bytes(), 11);
        let stopped = pass((&mut &bytes[..], here), None, 10, &mut |_| Err(Cancelled));
        assert!(matches!(stopped, Err(PassError::Cancelled(_))));
    }
}
