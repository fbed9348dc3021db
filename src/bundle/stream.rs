//! One pass over a file: read, hash, and write, with progress.

use std::io::{Read, Write};
use std::path::Path;

use crate::event::{Cancelled, Progress};
use crate::fs::{At, CHUNK, PathError};
use crate::types::digest::{Digest, Hasher};

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
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

/// Reads `from` to its end, but at most one byte beyond `limit`; hashes what was read and writes it
/// to `to`. Gives digest and length. `item` names it in events.
pub(crate) fn pass(
    (from, from_path): (&mut dyn Read, &Path),
    mut to: Option<(&mut dyn Write, &Path)>,
    limit: u64,
    item: &str,
    progress: &Progress<'_>,
) -> Result<(Digest, u64), StreamError> {
    let mut from = from.take(limit.saturating_add(1));
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        progress.cancel.check()?;
        let count = match from.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            result => result.at("read", from_path).map_err(StreamError::Read)?,
        };
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        hasher.update(chunk);
        if let Some((writer, path)) = &mut to {
            writer
                .write_all(chunk)
                .at("write", path)
                .map_err(StreamError::Write)?;
        }
        progress.advance(item, u64::try_from(count).unwrap_or(u64::MAX))?;
    }
    let length = hasher.bytes();
    Ok((hasher.finish(), length))
}
