//! The payload as runs of bytes: the files of each volume, in the order of the list, one behind the other.
//! No I/O.

use crate::bundle::places::volume_of;
use crate::parity::shape::{Place, Shape};
use crate::types::path::RelPath;

/// Name of the list of blocks in each parity volume.
pub const BLOCKS: &str = "blocks.sha256";
/// Most bytes of a parity file, so that every medium and tool can take it.
const MAX_PARITY_FILE: u64 = 1024 * 1024 * 1024;

/// The files of all volumes, and where each lies in its volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    files: Vec<(RelPath, u64)>,
    /// For each volume the first byte of each file in it, and the number of the file.
    runs: Vec<Vec<(u64, usize)>>,
    volumes: Vec<u64>,
}

/// A piece of a block: bytes of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The file.
    pub path: &'a RelPath,
    /// The first byte in it.
    pub at: u64,
    /// How many bytes.
    pub length: u64,
}

/// A file of parity blocks, by its path and the numbers of its blocks: first, and one behind the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParityFile {
    /// Its path.
    pub path: RelPath,
    /// The first block in it.
    pub first: u64,
    /// One behind the last block in it.
    pub end: u64,
}

impl Payload {
    /// The payload among these files, which come sorted by path, of a bundle of so many volumes.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a RelPath, u64)>, volumes: u16) -> Self {
        let mut payload = Self {
            files: Vec::new(),
            runs: vec![Vec::new(); usize::from(volumes)],
            volumes: vec![0; usize::from(volumes)],
        };
        for (path, size) in files {
            let number = volume_of(path)
                .and_then(|volume| volume.strip_prefix('v'))
                .and_then(|digits| digits.parse::<usize>().ok());
            let Some(at) = number.and_then(|number| number.checked_sub(1)) else {
                continue;
            };
            let (Some(run), Some(bytes)) = (payload.runs.get_mut(at), payload.volumes.get_mut(at))
            else {
                continue;
            };
            run.push((*bytes, payload.files.len()));
            *bytes = bytes.saturating_add(size);
            payload.files.push((path.clone(), size));
        }
        payload
    }

    /// Bytes of each volume.
    #[must_use]
    pub fn volumes(&self) -> &[u64] {
        &self.volumes
    }

    /// The files that hold these bytes of a block, in order: `length` bytes from `offset` on, less
    /// where the block ends before.
    pub fn pieces(
        &self,
        place: Place,
        offset: u64,
        length: u64,
    ) -> impl Iterator<Item = Piece<'_>> {
        let start = place.start.saturating_add(offset);
        let end = place
            .start
            .saturating_add(place.length)
            .min(start.saturating_add(length));
        let run = self.runs.get(place.volume).map_or(&[][..], Vec::as_slice);
        let from = run
            .partition_point(|(first, _)| *first <= start)
            .saturating_sub(1);
        let rest = run.get(from..).unwrap_or_default();
        rest.iter()
            .take_while(move |(first, _)| *first < end)
            .filter_map(move |(first, file)| {
                let (path, size) = self.files.get(*file)?;
                let at = start.saturating_sub(*first);
                let behind = first.saturating_add(*size).min(end);
                let length = behind.checked_sub(first.saturating_add(at))?;
                (length > 0).then_some(Piece { path, at, length })
            })
    }

    /// Where a file lies: its volume, counted from 0, its first byte in the run, and its size.
    #[must_use]
    pub fn find(&self, path: &RelPath) -> Option<(usize, u64, u64)> {
        let at = self
            .files
            .binary_search_by(|(known, _)| known.cmp(path))
            .ok()?;
        let (_, size) = self.files.get(at)?;
        self.runs.iter().enumerate().find_map(|(volume, run)| {
            let found = run.binary_search_by_key(&at, |(_, file)| *file).ok()?;
            let (first, _) = run.get(found)?;
            Some((volume, *first, *size))
        })
    }
}

/// The list of blocks in each parity volume.
#[must_use]
pub fn block_lists(shape: &Shape) -> Vec<RelPath> {
    (1..=shape.parity_volumes())
        .map(|volume| super::documents::path(&format!("p{volume}/{BLOCKS}")))
        .collect()
}

/// The files of parity blocks, in the order of their blocks.
#[must_use]
pub fn parity_files(shape: &Shape) -> Vec<ParityFile> {
    let in_volume = shape.parity_of_volume();
    let in_file = MAX_PARITY_FILE
        .checked_div(shape.block())
        .unwrap_or(1)
        .max(1);
    let mut files = Vec::new();
    for volume in 0..shape.parity_volumes() {
        let (start, end) = (
            volume.saturating_mul(in_volume),
            volume.saturating_add(1).saturating_mul(in_volume),
        );
        let mut first = start;
        let mut number = 0_u64;
        while first < end {
            let behind = first.saturating_add(in_file).min(end);
            let name = format!("p{}/parity.{number:03}", volume.saturating_add(1));
            files.push(ParityFile {
                path: super::documents::path(&name),
                first,
                end: behind,
            });
            first = behind;
            number = number.saturating_add(1);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::shape::Amount;

    #[test]
    fn blocks_reach_over_files_and_end_with_their_volume() {
        let files: Vec<(RelPath, u64)> = [
            ("README.txt", 10),
            ("v1/a", 40_000),
            ("v1/b", 0),
            ("v1/c", 30_000),
            ("v2/d", 5),
        ]
        .map(|(path, size)| (path.parse().unwrap(), size))
        .into();
        let payload = Payload::new(files.iter().map(|(path, size)| (path, *size)), 2);
        assert_eq!(payload.volumes(), [70_000, 5]);
        let amount = Amount {
            percent: Some(50),
            spare_volumes: 0,
        };
        let shape = Shape::new(payload.volumes(), amount).unwrap();
        let read = |block, offset, length| -> Vec<(String, u64, u64)> {
            payload
                .pieces(shape.place(block).unwrap(), offset, length)
                .map(|piece| (piece.path.to_string(), piece.at, piece.length))
                .collect()
        };
        let whole = shape.block();
        assert_eq!(
            read(0, 0, whole),
            [("v1/a".into(), 0, 40_000), ("v1/c".into(), 0, 25_536)]
        );
        assert_eq!(
            read(0, 39_999, 2),
            [("v1/a".into(), 39_999, 1), ("v1/c".into(), 0, 1)]
        );
        assert_eq!(read(1, 0, whole), [("v1/c".into(), 25_536, 4464)]);
        assert_eq!(read(1, 4464, 9), []);
        assert_eq!(read(2, 0, whole), [("v2/d".into(), 0, 5)]);
        assert_eq!(
            payload.find(&"v1/c".parse().unwrap()),
            Some((0, 40_000, 30_000))
        );
        assert_eq!(payload.find(&"README.txt".parse().unwrap()), None);
        let names: Vec<String> = parity_files(&shape)
            .iter()
            .map(|file| format!("{} {}-{}", file.path, file.first, file.end))
            .collect();
        assert_eq!(names, ["p1/parity.000 0-2"]);
    }
}
