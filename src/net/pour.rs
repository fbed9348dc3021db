//! Where the bytes of a download go: written here, hashed by a thread beside.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use crate::fs::{PartFile, PathError};
use crate::types::digest::Hasher;

/// A body of fewer bytes is hashed by the thread that writes it: a thread would cost more.
const ALONE: u64 = 4 << 20;
/// Buffers that wait to be hashed, at most. With the two in use they are the memory of a download.
const WAITING: usize = 4;

/// Takes pieces of a body: written when [`Pour::write`] returns, hashed when [`pour`] does.
pub(super) struct Pour<'p> {
    file: &'p PartFile,
    hashing: Hashing<'p>,
    /// Length of the file.
    at: u64,
    buffer: Vec<u8>,
}

enum Hashing<'p> {
    Here(&'p mut Hasher),
    Beside {
        full: SyncSender<(Vec<u8>, usize)>,
        empty: Receiver<Vec<u8>>,
    },
}

/// Does `work`, which pours a body of about `rest` bytes into the file after what the hasher has seen.
/// What was written is hashed when this returns, also after a failure.
pub(super) fn pour<R>(
    file: &PartFile,
    hasher: &mut Hasher,
    (rest, piece): (u64, usize),
    work: impl FnOnce(&mut Pour<'_>) -> R,
) -> R {
    let (at, buffer) = (hasher.bytes(), vec![0; piece]);
    if rest < ALONE {
        let mut pour = Pour {
            file,
            hashing: Hashing::Here(hasher),
            at,
            buffer,
        };
        return work(&mut pour);
    }
    thread::scope(|scope| {
        let (full, chunks) = mpsc::sync_channel::<(Vec<u8>, usize)>(WAITING);
        let (back, empty) = mpsc::channel();
        scope.spawn(move || {
            for (chunk, count) in chunks {
                hasher.update(chunk.get(..count).unwrap_or_default());
                // Nobody waits for it at the end.
                let _ = back.send(chunk);
            }
        });
        let mut pour = Pour {
            file,
            hashing: Hashing::Beside { full, empty },
            at,
            buffer,
        };
        work(&mut pour)
    })
}

impl Pour<'_> {
    /// Length of the file.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Where to read the next piece to, before [`Pour::write`].
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// The first `count` bytes of the buffer.
    pub(super) fn piece(&self, count: usize) -> &[u8] {
        self.buffer.get(..count).unwrap_or_default()
    }

    /// Writes the first `count` bytes of the buffer.
    pub(super) fn write(&mut self, count: usize) -> Result<(), PathError> {
        let chunk = self.buffer.get(..count).unwrap_or_default();
        self.file.write_at(chunk, self.at)?;
        let count_64 = u64::try_from(count).unwrap_or(u64::MAX);
        self.at = self.at.saturating_add(count_64);
        match &mut self.hashing {
            Hashing::Here(hasher) => hasher.update(chunk),
            Hashing::Beside { full, empty } => {
                let next = empty
                    .try_recv()
                    .unwrap_or_else(|_| vec![0; self.buffer.len()]);
                let chunk = std::mem::replace(&mut self.buffer, next);
                // The other end lives as long as this one.
                let _ = full.send((chunk, count));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read files by hand")]
mod tests {
    use super::*;
    use crate::types::digest::Digest;

    #[test]
    fn what_is_written_is_hashed_in_order_here_or_beside() {
        let folder = tempfile::tempdir().unwrap();
        for rest in [0, ALONE] {
            let path = folder.path().join(rest.to_string());
            let part = PartFile::try_open(&path).unwrap().unwrap();
            let mut hasher = Hasher::new();
            let mut bytes = Vec::new();
            pour(&part, &mut hasher, (rest, crate::fs::CHUNK), |pour| {
                for round in 0..50_u8 {
                    let count = 1000 * usize::from(round);
                    pour.buffer().get_mut(..count).unwrap().fill(round);
                    pour.write(count).unwrap();
                    bytes.extend(vec![round; count]);
                    assert_eq!(pour.at(), u64::try_from(bytes.len()).unwrap());
                }
            });
            assert_eq!(hasher.clone().finish(), Digest::of(&bytes));
            assert!(std::fs::read(&path).unwrap() == bytes);
        }
    }
}
