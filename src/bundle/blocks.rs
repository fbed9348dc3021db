//! Hashes of blocks, made while the files that the blocks lie in are written, so that nothing is read for them again.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use crate::bundle::payload::Payload;
use crate::parity::shape::Shape;
use crate::types::digest::{Digest, Hasher};
use crate::types::path::RelPath;

/// What is known of the blocks of a payload that is being written: the hashes of those that lie in one file as a whole.
#[derive(Debug)]
pub struct Blocks<'a> {
    of: Option<(&'a Shape, &'a Payload)>,
    known: Mutex<BTreeMap<u64, Digest>>,
}

impl<'a> Blocks<'a> {
    /// Nothing known yet of the blocks of this payload; without one nothing is ever known.
    #[must_use]
    pub const fn new(of: Option<(&'a Shape, &'a Payload)>) -> Self {
        Self {
            of,
            known: Mutex::new(BTreeMap::new()),
        }
    }

    /// A reader of `from`, whose bytes are those of the file `path`. What it learns of the blocks counts once
    /// [`Reading::finish`] says that they were.
    pub fn reading<R: Read>(&self, path: &RelPath, from: R) -> Reading<'_, 'a, R> {
        let found = self.of.and_then(|(_, payload)| payload.find(path));
        let (volume, at, size) = found.unwrap_or_default();
        Reading {
            from,
            blocks: self,
            volume,
            at,
            end: at.saturating_add(size),
            block: None,
            learned: Vec::new(),
        }
    }

    /// The hashes of data blocks, by number.
    #[must_use]
    pub fn known(self) -> BTreeMap<u64, Digest> {
        self.known
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader that hashes the blocks which pass as a whole.
#[derive(Debug)]
pub struct Reading<'b, 'a, R> {
    from: R,
    blocks: &'b Blocks<'a>,
    volume: usize,
    /// Where the next byte lies in the run of the volume.
    at: u64,
    /// Where the file ends there.
    end: u64,
    block: Option<Passing>,
    learned: Vec<(u64, Digest)>,
}

/// The block that passes now.
#[derive(Debug)]
struct Passing {
    number: u64,
    /// Where it ends in the run of the volume.
    end: u64,
    /// None when the file does not hold all of it.
    hasher: Option<Hasher>,
}

impl<R> Reading<'_, '_, R> {
    /// What has passed are the bytes of the file.
    pub fn finish(self) {
        let mut known = self
            .blocks
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.extend(self.learned);
    }

    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Some(mut passing) = self.block.take().or_else(|| self.next_block()) else {
                return;
            };
            let rest = passing.end.saturating_sub(self.at);
            let count = usize::try_from(rest).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(count.min(bytes.len()));
            if let Some(hasher) = &mut passing.hasher {
                hasher.update(now);
            }
            let passed = u64::try_from(now.len()).unwrap_or(u64::MAX);
            self.at = self.at.saturating_add(passed);
            if self.at < passing.end {
                self.block = Some(passing);
            } else if let Some(hasher) = passing.hasher {
                self.learned.push((passing.number, hasher.finish()));
            }
            bytes = later;
        }
    }

    /// The block that the next byte lies in; none behind the end of the file.
    fn next_block(&self) -> Option<Passing> {
        if self.at >= self.end {
            return None;
        }
        let (shape, _) = self.blocks.of?;
        let (number, _) = shape.blocks_at(self.volume, self.at, 1);
        let place = shape.place(number)?;
        let end = place.start.saturating_add(place.length);
        let whole = place.start == self.at && end <= self.end;
        Some(Passing {
            number,
            end,
            hasher: whole.then(Hasher::new),
        })
    }
}

impl<R: Read> Read for Reading<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.pass(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::shape::Amount;

    #[test]
    fn the_blocks_that_one_file_holds_are_known_once_it_was_right() {
        let contents: Vec<(RelPath, Vec<u8>)> = [
            ("v1/a", 40_000),
            ("v1/b", 0),
            ("v1/c", 300_000),
            ("v2/d", 65_536),
            ("v2/e", 5),
        ]
        .into_iter()
        .zip(1..)
        .map(|((path, size), byte)| (path.parse().unwrap(), vec![byte; size]))
        .collect();
        let size = |bytes: &Vec<u8>| u64::try_from(bytes.len()).unwrap();
        let payload = Payload::new(contents.iter().map(|(path, b)| (path, size(b))), 2);
        let amount = Amount {
            percent: Some(10),
            spare_volumes: 0,
        };
        let shape = Shape::new(payload.volumes(), amount).unwrap();
        assert_eq!(shape.block(), 65_536);
        for pieces in [1000, 65_536, 1 << 20] {
            let blocks = Blocks::new(Some((&shape, &payload)));
            for (path, bytes) in &contents {
                let mut reading = blocks.reading(path, bytes.as_slice());
                let mut piece = vec![0; pieces];
                while reading.read(&mut piece).unwrap() > 0 {}
                reading.finish();
            }
            // Of bytes that were wrong nothing is taken.
            let (path, _) = contents.get(2).unwrap();
            let wrong = vec![9; 300_000];
            let mut reading = blocks.reading(path, wrong.as_slice());
            io::copy(&mut reading, &mut io::sink()).unwrap();
            drop(reading);
            let other = "README.txt".parse().unwrap();
            let mut reading = blocks.reading(&other, wrong.as_slice());
            io::copy(&mut reading, &mut io::sink()).unwrap();
            reading.finish();
            // a ends in block 0, c fills 1 to 4 and the short 5 at the end of its volume, d fills 6, and e is 7.
            let whole = Digest::of(&vec![3; 65_536]);
            let rest = 340_000 - 5 * 65_536;
            let expected: BTreeMap<u64, Digest> = (1..5)
                .map(|number| (number, whole))
                .chain([
                    (5, Digest::of(&vec![3; rest])),
                    (6, Digest::of(&vec![4; 65_536])),
                    (7, Digest::of(&[5; 5])),
                ])
                .collect();
            assert_eq!(blocks.known(), expected, "pieces of {pieces}");
        }
    }
}
