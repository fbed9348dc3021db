//! Which blocks of a damaged bundle are lost, and whether its parity can give them back.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::sync::Mutex;

use serde::Serialize;

use crate::bundle::patch::{self, Patch};
use crate::bundle::payload::{self, BLOCKS, ParityFile, Payload, Piece};
use crate::bundle::places::{of_parity, volume_of};
use crate::bundle::protect::{OpenFiles, hash_block, read_pieces};
use crate::fs::{At, File, PathError, Root};
use crate::parity::code::{self, Block, Blocks};
use crate::parity::index::{self, Index};
use crate::parity::shape::Shape;
use crate::pool;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::authentic::Authentic;
use crate::verify::structure::Structure;

/// Most blocks that a report names.
pub(crate) const MAX_NAMED: usize = 1000;

/// What is lost, as a report tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Lost blocks of the payload.
    pub data_lost: u64,
    /// Lost parity blocks.
    pub parity_lost: u64,
    /// The lost blocks, at most 1,000: `v1/17` is the block 17 of volume 1, counted from 0.
    pub blocks: Vec<String>,
    /// Whether the parity that is left gives all of them back.
    pub repairable: bool,
    /// Lost payload blocks of the group that has least to spare.
    pub worst_lost: u64,
    /// Good parity blocks of that group.
    pub worst_left: u64,
}

/// The blocks of a bundle, and which of them are lost.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) index: Index,
    pub(crate) payload: Payload,
    pub(crate) lost: BTreeSet<Block>,
    /// For a block of which not the first copies of its files are right: which.
    choice: BTreeMap<Block, usize>,
    /// Blocks that a patch holds, by their digest.
    given: BTreeMap<Block, Digest>,
}

/// The copy of each listed file that was hashed and is right, by its number among the copies.
pub(crate) type Good = BTreeMap<RelPath, usize>;

impl Located {
    /// The digests of the lost blocks of the payload.
    pub(crate) fn lost_digests(&self) -> impl Iterator<Item = (Block, Digest)> {
        self.lost.iter().filter_map(|block| match block {
            Block::Data(_) => Some((*block, expected(&self.index, *block)?)),
            Block::Parity(_) => None,
        })
    }

    /// The same when a patch holds the blocks of these digests: they are not lost any more.
    pub(crate) fn with_given(mut self, held: &BTreeSet<Digest>) -> Self {
        let given = self
            .lost_digests()
            .filter(|(_, digest)| held.contains(digest));
        self.given = given.collect();
        for block in self.given.keys() {
            self.lost.remove(block);
        }
        self
    }

    /// How many blocks come from a patch.
    pub(crate) fn given(&self) -> usize {
        self.given.len()
    }

    /// The lost blocks of the payload, as a re-carry list names them.
    pub(crate) fn lost_pieces(&self) -> impl Iterator<Item = (patch::Piece, Digest)> {
        let named = index::names(self.index.shape()).zip(blocks(self.index.shape()));
        named.filter_map(|(name, block)| {
            if !self.lost.contains(&block) || matches!(block, Block::Parity(_)) {
                return None;
            }
            let (volume, number) = name.split_once('/')?;
            let piece = patch::Piece::Block(volume.to_owned(), number.parse().ok()?);
            Some((piece, expected(&self.index, block)?))
        })
    }

    /// What a report tells of it.
    pub(crate) fn damage(&self) -> Damage {
        let shape = self.index.shape();
        let chance = code::chance(shape, &self.lost);
        let count = |wanted: fn(&Block) -> bool| {
            u64::try_from(self.lost.iter().filter(|block| wanted(block)).count())
                .unwrap_or(u64::MAX)
        };
        let named = index::names(shape).zip(blocks(shape));
        Damage {
            block_bytes: shape.block(),
            data_lost: count(|block| matches!(block, Block::Data(_))),
            parity_lost: count(|block| matches!(block, Block::Parity(_))),
            blocks: named
                .filter(|(_, block)| self.lost.contains(block))
                .map(|(name, _)| name)
                .take(MAX_NAMED)
                .collect(),
            repairable: chance.suffices(),
            worst_lost: chance.worst_lost,
            worst_left: chance.worst_left,
        }
    }
}

/// All blocks in the order of their names.
fn blocks(shape: &Shape) -> impl Iterator<Item = Block> {
    let data = (0..shape.data()).map(Block::Data);
    data.chain((0..shape.parity()).map(Block::Parity))
}

/// Finds the lost blocks by hashing every block that a file without a good copy has a part in. None when
/// the bundle has no parity, or neither `bundle.json` nor any list of blocks is good.
pub(crate) fn locate(authentic: &Authentic, found: &Structure, good: &Good) -> Option<Located> {
    let contents = found.contents.as_ref()?;
    let header = authentic.sums.header();
    let (list, copy) = (1..=header.parity).find_map(|volume| {
        let path: RelPath = format!("p{volume}/{BLOCKS}").parse().ok()?;
        good.get(&path).map(|copy| (path.clone(), *copy))
    })?;
    let files = Copies {
        authentic,
        found,
        good,
    };
    let text = files.read_whole(&list, copy)?;
    let index = Index::parse(&text).ok()?;
    let sizes = contents.files.iter().map(|(path, info)| (path, info.size));
    let payload = Payload::new(sizes, header.volumes);
    // A list that was signed for another payload could only come from a broken builder.
    if payload.volumes() != index.shape().volumes() {
        return None;
    }
    let shape = index.shape();
    let mut suspects = BTreeSet::new();
    for path in contents
        .files
        .keys()
        .filter(|path| !good.contains_key(*path))
    {
        if let Some((volume, start, size)) = payload.find(path) {
            let (from, end) = shape.blocks_at(volume, start, size);
            suspects.extend((from..end).map(Block::Data));
        }
    }
    for file in payload::parity_files(shape) {
        if !good.contains_key(&file.path) {
            suspects.extend((file.first..file.end).map(Block::Parity));
        }
    }
    let attempts = found.copies.values().map(Vec::len).max().unwrap_or(0);
    let mut located = Located {
        index: index.clone(),
        payload,
        lost: BTreeSet::new(),
        choice: BTreeMap::new(),
        given: BTreeMap::new(),
    };
    let suspects: Vec<Block> = suspects.into_iter().collect();
    let reader = Reader::new(&files, &located);
    let judged = pool::try_map(&suspects, pool::cores(), |block| {
        let expected = expected(&index, *block);
        let right = (0..attempts).find(|attempt| {
            let one = Attempt {
                reader: &reader,
                attempt: *attempt,
            };
            hash_block(shape, &one, *block).ok() == expected
        });
        Ok::<_, std::convert::Infallible>(right)
    });
    drop(reader);
    for (block, right) in suspects.iter().zip(judged.unwrap_or_default()) {
        match right {
            None => {
                located.lost.insert(*block);
            }
            Some(0) => {}
            Some(attempt) => {
                located.choice.insert(*block, attempt);
            }
        }
    }
    Some(located)
}

/// Whether a repair makes the bundle whole from what is here, without anything that is carried again: all small
/// files are good, and the parity that is left gives back what is lost of the payload.
pub(crate) fn repairable(
    authentic: &Authentic,
    found: &Structure,
    good: &Good,
    located: Option<&Located>,
) -> bool {
    let (mut payload, mut parity) = (false, false);
    for path in authentic.sums.entries().keys() {
        if good.contains_key(path) {
            continue;
        }
        match volume_of(path) {
            None => return false,
            Some(volume) if of_parity(volume) => parity = true,
            Some(_) => payload = true,
        }
    }
    match located {
        Some(located) => located.damage().repairable,
        // Parity is made anew from a whole payload, when it is known how.
        None => !payload && (!parity || found.contents.is_some()),
    }
}

fn expected(index: &Index, block: Block) -> Option<Digest> {
    let (list, number) = match block {
        Block::Data(number) => (index.data(), number),
        Block::Parity(number) => (index.parity(), number),
    };
    list.get(usize::try_from(number).ok()?).copied()
}

/// The copies of the files of a bundle, wherever they lie.
#[derive(Clone, Copy)]
struct Copies<'a> {
    authentic: &'a Authentic,
    found: &'a Structure,
    good: &'a Good,
}

impl<'a> Copies<'a> {
    fn open(self, path: &RelPath, copy: usize) -> Result<File, PathError> {
        let root = self
            .found
            .copies
            .get(path)
            .and_then(|copies| copies.get(copy.min(copies.len().saturating_sub(1))))
            .and_then(|copy| self.authentic.roots.get(copy.root));
        root.map_or_else(
            || Err(std::io::Error::from(std::io::ErrorKind::NotFound)).at("open", &path.to_path()),
            |root: &'a Root| root.open_file(&path.to_path()),
        )
    }

    fn read_whole(self, path: &RelPath, copy: usize) -> Option<Vec<u8>> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        let file = self.open(path, copy).ok()?;
        file.take(index::MAX_BYTES).read_to_end(&mut bytes).ok()?;
        // It is read a second time here: what is parsed is what was signed for.
        (self.authentic.sums.entries().get(path) == Some(&Digest::of(&bytes))).then_some(bytes)
    }
}

/// Reads blocks from the copies.
pub(crate) struct Reader<'a> {
    copies: Copies<'a>,
    located: &'a Located,
    parity: Vec<ParityFile>,
    patch: Option<&'a Patch>,
    /// Of each attempt the open files.
    open: Mutex<BTreeMap<usize, std::sync::Arc<OpenCopies<'a>>>>,
}

type Open<'a> = Box<dyn Fn(&RelPath) -> Result<File, PathError> + Send + Sync + 'a>;
type OpenCopies<'a> = OpenFiles<Open<'a>>;

impl<'a> Reader<'a> {
    fn new(copies: &Copies<'a>, located: &'a Located) -> Self {
        Self {
            copies: *copies,
            located,
            parity: payload::parity_files(located.index.shape()),
            patch: None,
            open: Mutex::new(BTreeMap::new()),
        }
    }

    /// A reader of the blocks of a surveyed bundle.
    pub(crate) fn of(
        authentic: &'a Authentic,
        found: &'a Structure,
        good: &'a Good,
        located: &'a Located,
        patch: Option<&'a Patch>,
    ) -> Self {
        let copies = Copies {
            authentic,
            found,
            good,
        };
        Self {
            patch,
            ..Self::new(&copies, located)
        }
    }

    /// Fills `buffer` with the bytes of a block that is not lost.
    pub(crate) fn read(
        &self,
        block: Block,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), PathError> {
        if let (Some(digest), Some(patch), Block::Data(number)) =
            (self.located.given.get(&block), self.patch, block)
        {
            let place = self.located.index.shape().place(number);
            let rest = place.map_or(0, |place| place.length.saturating_sub(offset));
            let length = usize::try_from(rest)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let into = buffer.get_mut(..length).unwrap_or_default();
            let path = std::path::PathBuf::from(digest.to_string());
            let piece = patch.open_piece(digest)?;
            return piece.read_exact_at(into, offset).at("read", &path);
        }
        let attempt = self.located.choice.get(&block).copied().unwrap_or(0);
        self.read_by(attempt, block, offset, buffer)
    }

    fn read_by(
        &self,
        attempt: usize,
        block: Block,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), PathError> {
        let files = {
            let mut open = self
                .open
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let copies = self.copies;
            let new = || {
                let open: Open<'a> = Box::new(move |path| {
                    let copy = copies.good.get(path).copied().unwrap_or(attempt);
                    copies.open(path, copy)
                });
                std::sync::Arc::new(OpenFiles::new(open))
            };
            std::sync::Arc::clone(open.entry(attempt).or_insert_with(new))
        };
        let shape = self.located.index.shape();
        let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        match block {
            Block::Data(number) => {
                let Some(place) = shape.place(number) else {
                    return Ok(());
                };
                let pieces = self.located.payload.pieces(place, offset, length);
                read_pieces(pieces, buffer, |path| files.get(path))?;
                Ok(())
            }
            Block::Parity(number) => {
                let at = self.parity.partition_point(|file| file.end <= number);
                let Some(file) = self.parity.get(at) else {
                    return Ok(());
                };
                let block = number.saturating_sub(file.first);
                let start = block.saturating_mul(shape.block()).saturating_add(offset);
                files
                    .get(&file.path)?
                    .read_exact_at(buffer, start)
                    .at("read", &file.path.to_path())
            }
        }
    }
}

/// One attempt to read blocks: the same copy of every file that has no good one.
struct Attempt<'a, 'b> {
    reader: &'a Reader<'b>,
    attempt: usize,
}

impl Blocks for Attempt<'_, '_> {
    type Error = PathError;

    fn read(&self, block: Block, offset: u64, buffer: &mut [u8]) -> Result<(), PathError> {
        self.reader.read_by(self.attempt, block, offset, buffer)
    }

    fn write(&self, _: Block, _: u64, _: &[u8]) -> Result<(), PathError> {
        Ok(())
    }
}

/// The pieces of all blocks of a volume that lie in this file, with the block and the offset of each in
/// its block.
pub(crate) fn pieces_of<'a>(
    located: &'a Located,
    path: &'a RelPath,
) -> impl Iterator<Item = (Block, u64, Piece<'a>)> {
    let shape = located.index.shape();
    let (volume, start, size) = located.payload.find(path).unwrap_or((0, 0, 0));
    let (from, end) = shape.blocks_at(volume, start, size);
    (from..end).filter_map(move |number| {
        let place = shape.place(number)?;
        let begin = place.start.max(start);
        let behind = place
            .start
            .saturating_add(place.length)
            .min(start.saturating_add(size));
        let piece = Piece {
            path,
            at: begin.saturating_sub(start),
            length: behind.saturating_sub(begin),
        };
        Some((
            Block::Data(number),
            begin.saturating_sub(place.start),
            piece,
        ))
    })
}
