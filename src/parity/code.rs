//! Making parity blocks, and lost data blocks from them.
//!
//! The code works on slices: of every block of a group the bytes at one offset. Slices are independent
//! of each other, so that they are worked on by all cores, and memory is bounded by [`MEMORY`] however
//! large the payload is. Each byte of the data is read once.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use crate::parity::shape::Shape;
use crate::pool;

/// Memory that slices take together, in bytes; a group of very many blocks may take a little more.
pub const MEMORY: u64 = 96 * 1024 * 1024;
/// Smallest slice, in bytes: below it, reading costs more than the code.
const MIN_SLICE: u64 = 4096;
/// Bytes of each block that the code works on at once: with 1 KiB its work on 4,096 blocks stays in the cache of a
/// core, and is nearly twice as fast as with a whole slice.
const STRIP: usize = 1024;

/// A block, by its number through all volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Block {
    /// Of the payload.
    Data(u64),
    /// Of the parity.
    Parity(u64),
}

/// Where blocks are read from and written to; several threads do so at once.
pub trait Blocks: Sync {
    /// What can go wrong.
    type Error: Send;

    /// Fills `buffer` with the bytes of a block from `offset` on. For a block that is not full it comes filled with
    /// zeros, which is what stands behind its end.
    ///
    /// # Errors
    /// When the block cannot be read.
    fn read(&self, block: Block, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// Puts bytes at `offset` of a block; those behind the end of a block that is not full are dropped.
    ///
    /// # Errors
    /// When the block cannot be written.
    fn write(&self, block: Block, offset: u64, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum CodeError<E> {
    /// A block could not be read or written, or the work was asked to stop.
    #[error("{0}")]
    Blocks(E),
    /// More is lost than can be rebuilt.
    #[error("{lost} blocks of one group are lost, and {left} parity blocks of it are left")]
    Beyond {
        /// Lost data blocks of the worst group.
        lost: u64,
        /// Good parity blocks of that group.
        left: u64,
    },
    /// The code refuses numbers that [`Shape`] allows: a mistake in this program.
    #[error("the parity code: {0}")]
    Code(reed_solomon_simd::Error),
}

impl<E> From<reed_solomon_simd::Error> for CodeError<E> {
    fn from(error: reed_solomon_simd::Error) -> Self {
        Self::Code(error)
    }
}

/// Whether the lost blocks can be rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance {
    /// Lost data blocks.
    pub lost: u64,
    /// Lost data blocks of the worst group.
    pub worst_lost: u64,
    /// Good parity blocks of that group.
    pub worst_left: u64,
}

impl Chance {
    /// Whether everything can be rebuilt.
    #[must_use]
    pub const fn suffices(self) -> bool {
        self.worst_lost <= self.worst_left
    }
}

/// What can be said of these lost blocks.
#[must_use]
pub fn chance(shape: &Shape, lost: &BTreeSet<Block>) -> Chance {
    let mut of_group: std::collections::BTreeMap<u64, (u64, u64)> =
        std::collections::BTreeMap::new();
    for block in lost {
        let (Block::Data(number) | Block::Parity(number)) = *block;
        let (data, parity) = of_group.entry(shape.group_of(number).0).or_default();
        let count = if matches!(block, Block::Data(_)) {
            data
        } else {
            parity
        };
        *count = count.saturating_add(1);
    }
    let mut worst = (0, shape.rows());
    for (data, parity) in of_group.values() {
        let left = shape.rows().saturating_sub(*parity);
        // The group that lacks most, or has least to spare.
        let lacks = |(lost, left): (u64, u64)| i128::from(lost).saturating_sub(i128::from(left));
        if *data > 0 && (worst.0 == 0 || lacks((*data, left)) > lacks(worst)) {
            worst = (*data, left);
        }
    }
    let data = lost.iter().filter(|block| matches!(block, Block::Data(_)));
    Chance {
        lost: u64::try_from(data.count()).unwrap_or(u64::MAX),
        worst_lost: worst.0,
        worst_left: worst.1,
    }
}

/// One slice of one group.
struct Slice {
    group: u64,
    offset: u64,
}

/// Makes every parity block. `told` hears how many bytes of data each step has read, and may end the
/// work.
///
/// # Errors
/// When a block cannot be read or written, or `told` ends the work.
pub fn encode<B: Blocks>(
    shape: &Shape,
    blocks: &B,
    told: &(dyn Fn(u64) -> Result<(), B::Error> + Sync),
) -> Result<(), CodeError<B::Error>> {
    let threads = pool::cores();
    let rows = size(shape.rows());
    let length = slice_length(shape, threads);
    let groups: Vec<u64> = (0..shape.groups()).collect();
    let spare = Mutex::new(Vec::new());
    pool::try_map(&slices(shape, &groups, length), threads, |slice| {
        let data = shape.data_of(slice.group);
        let mut work = match take(&spare) {
            Some(known) => known,
            None => Work::new(ReedSolomonEncoder::new(size(data), rows, STRIP)?),
        };
        let shards = work.shards.sized(data, length);
        for (number, shard) in (0..).zip(shards.chunks_exact_mut(size(length))) {
            let block = Block::Data(shape.block_of(slice.group, number));
            read(shape, blocks, block, slice.offset, shard)?;
        }
        let made = work.made.sized(shape.rows(), length);
        for at in (0..size(length)).step_by(STRIP) {
            work.code.reset(size(data), rows, STRIP)?;
            for shard in shards.chunks_exact(size(length)) {
                work.code.add_original_shard(strip(shard, at))?;
            }
            let result = work.code.encode()?;
            for (row, into) in result
                .recovery_iter()
                .zip(made.chunks_exact_mut(size(length)))
            {
                strip_mut(into, at).copy_from_slice(row);
            }
        }
        for (number, row) in (0..).zip(made.chunks_exact(size(length))) {
            let block = Block::Parity(shape.block_of(slice.group, number));
            blocks
                .write(block, slice.offset, row)
                .map_err(CodeError::Blocks)?;
        }
        give_back(&spare, work);
        told(data.saturating_mul(length)).map_err(CodeError::Blocks)
    })?;
    Ok(())
}

/// Makes the lost data blocks again from all others; lost parity blocks are not used, and not made.
/// `told` hears how many bytes each step has read.
///
/// What is made must be compared with its hash: when a block that is not in `lost` is wrong, so is
/// the result.
///
/// # Errors
/// When too much is lost (before anything is read or written), a block cannot be read or written, or
/// `told` ends the work.
pub fn rebuild<B: Blocks>(
    shape: &Shape,
    lost: &BTreeSet<Block>,
    blocks: &B,
    told: &(dyn Fn(u64) -> Result<(), B::Error> + Sync),
) -> Result<(), CodeError<B::Error>> {
    let found = chance(shape, lost);
    if !found.suffices() {
        return Err(CodeError::Beyond {
            lost: found.worst_lost,
            left: found.worst_left,
        });
    }
    let threads = pool::cores();
    let rows = size(shape.rows());
    let length = slice_length(shape, threads);
    let mut groups: Vec<u64> = lost
        .iter()
        .filter_map(|block| match block {
            Block::Data(number) => Some(shape.group_of(*number).0),
            Block::Parity(_) => None,
        })
        .collect();
    groups.sort_unstable();
    groups.dedup();
    let spare = Mutex::new(Vec::new());
    pool::try_map(&slices(shape, &groups, length), threads, |slice| {
        let data = shape.data_of(slice.group);
        let mut work = match take(&spare) {
            Some(known) => known,
            None => Work::new(ReedSolomonDecoder::new(size(data), rows, STRIP)?),
        };
        let known = known(shape, lost, slice.group);
        let shards = work.shards.sized(count(known.len()), length);
        for (block, shard) in known.iter().zip(shards.chunks_exact_mut(size(length))) {
            read(shape, blocks, *block, slice.offset, shard)?;
        }
        let missing: Vec<u64> = (0..data)
            .map(|number| shape.block_of(slice.group, number))
            .filter(|number| lost.contains(&Block::Data(*number)))
            .collect();
        let made = work.made.sized(count(missing.len()), length);
        for at in (0..size(length)).step_by(STRIP) {
            work.code.reset(size(data), rows, STRIP)?;
            for (block, shard) in known.iter().zip(shards.chunks_exact(size(length))) {
                let bytes = strip(shard, at);
                let (Block::Data(number) | Block::Parity(number)) = *block;
                let number = size(shape.group_of(number).1);
                match block {
                    Block::Data(_) => work.code.add_original_shard(number, bytes)?,
                    Block::Parity(_) => work.code.add_recovery_shard(number, bytes)?,
                }
            }
            let result = work.code.decode()?;
            // In the order of their numbers, as those that are missing.
            for ((_, bytes), into) in result
                .restored_original_iter()
                .zip(made.chunks_exact_mut(size(length)))
            {
                strip_mut(into, at).copy_from_slice(bytes);
            }
        }
        for (number, bytes) in missing.iter().zip(made.chunks_exact(size(length))) {
            blocks
                .write(Block::Data(*number), slice.offset, bytes)
                .map_err(CodeError::Blocks)?;
        }
        give_back(&spare, work);
        told(data.saturating_mul(length)).map_err(CodeError::Blocks)
    })?;
    Ok(())
}

/// Fills the shard with what the block holds there, and with zeros behind its end.
fn read<B: Blocks>(
    shape: &Shape,
    blocks: &B,
    block: Block,
    offset: u64,
    shard: &mut [u8],
) -> Result<(), CodeError<B::Error>> {
    let is_full = match block {
        Block::Data(number) => shape
            .place(number)
            .is_some_and(|place| place.length == shape.block()),
        Block::Parity(_) => true,
    };
    if !is_full {
        shard.fill(0);
    }
    blocks.read(block, offset, shard).map_err(CodeError::Blocks)
}

/// The blocks of a group that its lost data is made from: all other data, and as many parity blocks as data is lost.
fn known(shape: &Shape, lost: &BTreeSet<Block>, group: u64) -> Vec<Block> {
    let data = shape.data_of(group);
    let here = |block: &Block| !lost.contains(block);
    let mut known: Vec<Block> = (0..data)
        .map(|number| Block::Data(shape.block_of(group, number)))
        .filter(here)
        .collect();
    let missing = size(data).saturating_sub(known.len());
    let parity = (0..shape.rows()).map(|number| Block::Parity(shape.block_of(group, number)));
    known.extend(parity.filter(here).take(missing));
    known
}

/// What a thread takes again for its next slice.
struct Work<C> {
    code: C,
    shards: Buffer,
    made: Buffer,
}

impl<C> Work<C> {
    const fn new(code: C) -> Self {
        Self {
            code,
            shards: Buffer(Vec::new()),
            made: Buffer(Vec::new()),
        }
    }
}

/// Bytes of many blocks, one after the other.
struct Buffer(Vec<u8>);

impl Buffer {
    /// Room for so many pieces of this length, filled with anything.
    fn sized(&mut self, pieces: u64, length: u64) -> &mut [u8] {
        self.0.resize(size(pieces.saturating_mul(length)), 0);
        &mut self.0
    }
}

fn strip(shard: &[u8], at: usize) -> &[u8] {
    shard.get(at..at.saturating_add(STRIP)).unwrap_or_default()
}

fn strip_mut(shard: &mut [u8], at: usize) -> &mut [u8] {
    shard
        .get_mut(at..at.saturating_add(STRIP))
        .unwrap_or_default()
}

/// How long a slice may be when each of these threads holds one of all blocks of a group: a power of two that divides
/// the block.
fn slice_length(shape: &Shape, threads: NonZeroUsize) -> u64 {
    let threads = u64::try_from(threads.get()).unwrap_or(u64::MAX);
    let shards = shape.data_of(0).saturating_add(shape.rows());
    let all = shards.saturating_mul(threads).max(1);
    let mut length = shape.block();
    while length > MIN_SLICE && length.saturating_mul(all) > MEMORY {
        length /= 2;
    }
    length
}

fn slices(shape: &Shape, groups: &[u64], length: u64) -> Vec<Slice> {
    let each = shape.block().checked_div(length).unwrap_or(0);
    let of_group = |group: &u64| {
        let group = *group;
        (0..each).map(move |number| Slice {
            group,
            offset: number.saturating_mul(length),
        })
    };
    groups.iter().flat_map(of_group).collect()
}

fn take<T>(spare: &Mutex<Vec<T>>) -> Option<T> {
    spare.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn give_back<T>(spare: &Mutex<Vec<T>>, one: T) {
    spare
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(one);
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Numbers of blocks and bytes of slices; [`Shape`] keeps them far below 2^32.
fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand::rngs::StdRng;
    use rand::seq::SliceRandom as _;
    use rand::{RngCore as _, SeedableRng as _};

    use super::*;
    use crate::parity::shape::Amount;

    /// Blocks in memory.
    struct InMemory {
        shape: Shape,
        volumes: Mutex<Vec<Vec<u8>>>,
        parity: Mutex<Vec<Vec<u8>>>,
    }

    impl InMemory {
        fn new(volumes: &[u64], amount: Amount, random: &mut StdRng) -> Self {
            let shape = Shape::new(volumes, amount).unwrap();
            let volumes = volumes.iter().map(|bytes| {
                let mut volume = vec![0; size(*bytes)];
                random.fill_bytes(&mut volume);
                volume
            });
            let parity = vec![vec![0; size(shape.block())]; size(shape.parity())];
            Self {
                volumes: Mutex::new(volumes.collect()),
                parity: Mutex::new(parity),
                shape,
            }
        }

        fn spoil(&self, block: Block) {
            match block {
                Block::Data(number) => {
                    let place = self.shape.place(number).unwrap();
                    let range = size(place.start)..size(place.start + place.length);
                    self.volumes.lock().unwrap()[place.volume][range].fill(0xEE);
                }
                Block::Parity(number) => self.parity.lock().unwrap()[size(number)].fill(0xEE),
            }
        }
    }

    impl Blocks for InMemory {
        type Error = Infallible;

        fn read(&self, block: Block, offset: u64, buffer: &mut [u8]) -> Result<(), Infallible> {
            let offset = size(offset);
            match block {
                Block::Data(number) => {
                    let place = self.shape.place(number).unwrap();
                    let volumes = self.volumes.lock().unwrap();
                    let whole = size(place.start)..size(place.start + place.length);
                    let bytes = volumes[place.volume][whole]
                        .get(offset..)
                        .unwrap_or_default();
                    let length = bytes.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&bytes[..length]);
                }
                Block::Parity(number) => {
                    let parity = self.parity.lock().unwrap();
                    let bytes = &parity[size(number)][offset..offset + buffer.len()];
                    buffer.copy_from_slice(bytes);
                }
            }
            Ok(())
        }

        fn write(&self, block: Block, offset: u64, bytes: &[u8]) -> Result<(), Infallible> {
            let offset = size(offset);
            match block {
                Block::Data(number) => {
                    let place = self.shape.place(number).unwrap();
                    let mut volumes = self.volumes.lock().unwrap();
                    let whole = size(place.start)..size(place.start + place.length);
                    let into = volumes[place.volume][whole]
                        .get_mut(offset..)
                        .unwrap_or_default();
                    let length = bytes.len().min(into.len());
                    into[..length].copy_from_slice(&bytes[..length]);
                }
                Block::Parity(number) => {
                    self.parity.lock().unwrap()[size(number)][offset..offset + bytes.len()]
                        .copy_from_slice(bytes);
                }
            }
            Ok(())
        }
    }

    fn all(shape: &Shape) -> Vec<Block> {
        let data = (0..shape.data()).map(Block::Data);
        data.chain((0..shape.parity()).map(Block::Parity)).collect()
    }

    /// Spoils these blocks, rebuilds, and compares.
    fn heals(blocks: &InMemory, lost: &BTreeSet<Block>) {
        let whole = blocks.volumes.lock().unwrap().clone();
        for block in lost {
            blocks.spoil(*block);
        }
        rebuild(&blocks.shape, lost, blocks, &|_| Ok(())).unwrap();
        assert!(*blocks.volumes.lock().unwrap() == whole, "other bytes");
    }

    const TEN: Amount = Amount {
        percent: Some(10),
        spare_volumes: 0,
    };

    #[test]
    fn ten_percent_of_parity_heal_nine_percent_of_all_blocks_wherever_they_are() {
        let mut random = StdRng::seed_from_u64(1);
        let blocks = InMemory::new(&[9_000_000, 4_000_001, 77], TEN, &mut random);
        let read = std::sync::atomic::AtomicU64::new(0);
        encode(&blocks.shape, &blocks, &|bytes| {
            read.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        let data = blocks.shape.data() * blocks.shape.block();
        assert_eq!(read.into_inner(), data, "each byte once");
        for _ in 0..8 {
            let mut order = all(&blocks.shape);
            order.shuffle(&mut random);
            let count = order.len() * 9 / 100;
            let lost: BTreeSet<Block> = order.into_iter().take(count).collect();
            heals(&blocks, &lost);
            // The parity is made anew for the next round.
            encode(&blocks.shape, &blocks, &|_| Ok(())).unwrap();
        }
    }

    #[test]
    fn any_one_volume_may_be_lost_when_one_is_spare() {
        let mut random = StdRng::seed_from_u64(2);
        let spare = Amount {
            percent: None,
            spare_volumes: 1,
        };
        let blocks = InMemory::new(&[700_000, 300_000, 65_536], spare, &mut random);
        encode(&blocks.shape, &blocks, &|_| Ok(())).unwrap();
        for (volume, bytes) in [700_000, 300_000, 65_536].into_iter().enumerate() {
            let (from, end) = blocks.shape.blocks_at(volume, 0, bytes);
            heals(&blocks, &(from..end).map(Block::Data).collect());
        }
    }

    #[test]
    fn too_much_loss_is_said_before_anything_is_written() {
        let mut random = StdRng::seed_from_u64(3);
        let blocks = InMemory::new(&[1_000_000], TEN, &mut random);
        encode(&blocks.shape, &blocks, &|_| Ok(())).unwrap();
        assert_eq!((blocks.shape.data(), blocks.shape.parity()), (16, 2));
        let lost: BTreeSet<Block> = [Block::Data(0), Block::Data(1), Block::Parity(0)].into();
        let found = chance(&blocks.shape, &lost);
        assert_eq!((found.lost, found.worst_lost, found.worst_left), (2, 2, 1));
        let before = blocks.volumes.lock().unwrap().clone();
        let refused = rebuild(&blocks.shape, &lost, &blocks, &|_| Ok(()));
        assert!(matches!(
            refused,
            Err(CodeError::Beyond { lost: 2, left: 1 })
        ));
        assert!(*blocks.volumes.lock().unwrap() == before);
    }

    #[test]
    fn groups_are_rebuilt_each_by_itself() {
        let mut random = StdRng::seed_from_u64(4);
        let shape = Shape::of(65_536, &[65_536 * 10], 3, 2, 1).unwrap();
        let mut blocks = InMemory::new(&[65_536 * 10], TEN, &mut random);
        blocks.parity = Mutex::new(vec![vec![0; 65_536]; 6]);
        blocks.shape = shape;
        encode(&blocks.shape, &blocks, &|_| Ok(())).unwrap();
        // Two neighbours of each group.
        heals(&blocks, &(0..6).map(Block::Data).collect());
        let three = [Block::Data(0), Block::Data(3), Block::Data(6)].into();
        assert!(!chance(&blocks.shape, &three).suffices());
    }
}
