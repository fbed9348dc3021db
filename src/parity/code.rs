//! Making parity blocks, and lost data blocks from them.
//!
//! The code works on slices: of every block of a group the bytes at one offset. All cores work on one slice
//! at a time, so that memory is bounded by [`MEMORY`] however large the payload is and however many cores
//! there are. Each byte of the data is read once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use crate::parity::shape::Shape;
use crate::pool;

/// Memory that a slice takes, in bytes; a group of very many blocks may take a little more.
pub const MEMORY: u64 = 96 * 1024 * 1024;
/// Smallest slice, in bytes: below it, reading costs more than the code.
const MIN_SLICE: u64 = 4096;
/// Bytes of each block that the code works on at once: with 1 KiB its work on 4,096 blocks stays in the cache of a
/// core, and is nearly twice as fast as with a whole slice.
const STRIP: usize = 1024;
/// Blocks that a thread reads, or writes, before it takes the next ones.
const TOGETHER: usize = 32;

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
    let jobs = (0..shape.groups()).map(|group| Job {
        data: size(shape.data_of(group)),
        known: data_of(shape, group).collect(),
        wanted: parity_of(shape, group).collect(),
    });
    make::<ReedSolomonEncoder, B>(shape, blocks, jobs, told)
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
    let groups: BTreeSet<u64> = lost
        .iter()
        .filter_map(|block| match block {
            Block::Data(number) => Some(shape.group_of(*number).0),
            Block::Parity(_) => None,
        })
        .collect();
    let jobs = groups.into_iter().map(|group| Job {
        data: size(shape.data_of(group)),
        known: known(shape, lost, group),
        wanted: data_of(shape, group)
            .filter(|block| lost.contains(block))
            .collect(),
    });
    make::<ReedSolomonDecoder, B>(shape, blocks, jobs, told)
}

/// A group: the blocks that are read, and those that are made from them.
struct Job {
    /// Data blocks of the group.
    data: usize,
    known: Vec<Block>,
    /// In the order of their numbers.
    wanted: Vec<Block>,
}

/// One way through the code, with what it keeps from one strip to the next.
trait Code: Sized + Send {
    fn new(data: usize, rows: usize) -> Result<Self, reed_solomon_simd::Error>;

    /// Makes a strip of each wanted block, one behind the other in `made`, from one of each known block.
    fn strip<'s>(
        &mut self,
        group: (&Shape, &Job),
        known: impl Iterator<Item = &'s [u8]>,
        made: &mut [u8],
    ) -> Result<(), reed_solomon_simd::Error>;
}

impl Code for ReedSolomonEncoder {
    fn new(data: usize, rows: usize) -> Result<Self, reed_solomon_simd::Error> {
        Self::new(data, rows, STRIP)
    }

    fn strip<'s>(
        &mut self,
        (_, job): (&Shape, &Job),
        known: impl Iterator<Item = &'s [u8]>,
        made: &mut [u8],
    ) -> Result<(), reed_solomon_simd::Error> {
        self.reset(job.data, job.wanted.len(), STRIP)?;
        for bytes in known {
            self.add_original_shard(bytes)?;
        }
        let result = self.encode()?;
        for (bytes, into) in result.recovery_iter().zip(made.chunks_exact_mut(STRIP)) {
            into.copy_from_slice(bytes);
        }
        Ok(())
    }
}

impl Code for ReedSolomonDecoder {
    fn new(data: usize, rows: usize) -> Result<Self, reed_solomon_simd::Error> {
        Self::new(data, rows, STRIP)
    }

    fn strip<'s>(
        &mut self,
        (shape, job): (&Shape, &Job),
        known: impl Iterator<Item = &'s [u8]>,
        made: &mut [u8],
    ) -> Result<(), reed_solomon_simd::Error> {
        self.reset(job.data, size(shape.rows()), STRIP)?;
        for (block, bytes) in job.known.iter().zip(known) {
            match *block {
                Block::Data(number) => {
                    self.add_original_shard(size(shape.group_of(number).1), bytes)?;
                }
                Block::Parity(number) => {
                    self.add_recovery_shard(size(shape.group_of(number).1), bytes)?;
                }
            }
        }
        let result = self.decode()?;
        // In the order of their numbers, as those that are wanted.
        for ((_, bytes), into) in result
            .restored_original_iter()
            .zip(made.chunks_exact_mut(STRIP))
        {
            into.copy_from_slice(bytes);
        }
        Ok(())
    }
}

/// Goes through all slices of all jobs. All cores work on the same slice: they read it, then go through the code strip
/// by strip, then write what was made.
fn make<C: Code, B: Blocks>(
    shape: &Shape,
    blocks: &B,
    jobs: impl Iterator<Item = Job>,
    told: &(dyn Fn(u64) -> Result<(), B::Error> + Sync),
) -> Result<(), CodeError<B::Error>> {
    let threads = pool::cores();
    let length = slice_length(shape);
    let spare = Mutex::new(Vec::new());
    let (mut shards, mut made) = (Buffer(Vec::new()), Buffer(Vec::new()));
    for job in jobs {
        for offset in (0..shape.block()).step_by(size(length)) {
            let shards = shards.sized(job.known.len(), size(length));
            let parts: Vec<Part<'_>> = (job.known.chunks(TOGETHER))
                .zip(shards.chunks_mut(size(length).saturating_mul(TOGETHER)))
                .map(|(blocks, bytes)| Part(blocks, Mutex::new(bytes)))
                .collect();
            pool::try_map(&parts, threads, |Part(of, bytes)| {
                let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                for (block, shard) in of.iter().zip(bytes.chunks_exact_mut(size(length))) {
                    read(shape, blocks, *block, offset, shard)?;
                }
                Ok::<_, CodeError<B::Error>>(())
            })?;

            let wanted = job.wanted.len();
            let made = made.sized(wanted, size(length));
            let strips: Vec<(usize, Mutex<&mut [u8]>)> = (0..size(length))
                .step_by(STRIP)
                .zip(made.chunks_exact_mut(wanted.saturating_mul(STRIP).max(1)))
                .map(|(at, made)| (at, Mutex::new(made)))
                .collect();
            let shards = &*shards;
            pool::try_map(&strips, threads, |(at, made)| {
                let mut code = match take(&spare) {
                    Some(code) => code,
                    None => C::new(job.data, size(shape.rows()))?,
                };
                let known = shards
                    .chunks_exact(size(length))
                    .map(|shard| strip(shard, *at));
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                code.strip((shape, &job), known, &mut made)?;
                give_back(&spare, code);
                Ok::<_, CodeError<B::Error>>(())
            })?;

            let made = &*made;
            let numbered: Vec<(usize, Block)> = (0..).zip(job.wanted.iter().copied()).collect();
            let parts: Vec<&[(usize, Block)]> = numbered.chunks(TOGETHER).collect();
            pool::try_map(&parts, threads, |part| {
                let mut bytes = Vec::with_capacity(size(length));
                for (number, block) in *part {
                    bytes.clear();
                    for strips in made.chunks_exact(wanted.saturating_mul(STRIP).max(1)) {
                        bytes.extend_from_slice(strip(strips, number.saturating_mul(STRIP)));
                    }
                    blocks
                        .write(*block, offset, &bytes)
                        .map_err(CodeError::Blocks)?;
                }
                Ok::<_, CodeError<B::Error>>(())
            })?;
            let data = u64::try_from(job.data).unwrap_or(u64::MAX);
            told(data.saturating_mul(length)).map_err(CodeError::Blocks)?;
        }
    }
    Ok(())
}

/// Blocks that one thread reads one after the other, and where to.
struct Part<'a>(&'a [Block], Mutex<&'a mut [u8]>);

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

/// The data blocks of a group.
fn data_of(shape: &Shape, group: u64) -> impl Iterator<Item = Block> {
    (0..shape.data_of(group)).map(move |number| Block::Data(shape.block_of(group, number)))
}

/// The parity blocks of a group.
fn parity_of(shape: &Shape, group: u64) -> impl Iterator<Item = Block> {
    (0..shape.rows()).map(move |number| Block::Parity(shape.block_of(group, number)))
}

/// The blocks of a group that its lost data is made from: all other data, and as many parity blocks as data is lost.
fn known(shape: &Shape, lost: &BTreeSet<Block>, group: u64) -> Vec<Block> {
    let here = |block: &Block| !lost.contains(block);
    let mut known: Vec<Block> = data_of(shape, group).filter(here).collect();
    let missing = size(shape.data_of(group)).saturating_sub(known.len());
    known.extend(parity_of(shape, group).filter(here).take(missing));
    known
}

/// Bytes of many blocks, one after the other.
struct Buffer(Vec<u8>);

impl Buffer {
    /// Room for so many pieces of this length, filled with anything.
    fn sized(&mut self, pieces: usize, length: usize) -> &mut [u8] {
        self.0.resize(pieces.saturating_mul(length), 0);
        &mut self.0
    }
}

fn strip(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..at.saturating_add(STRIP)).unwrap_or_default()
}

/// How long a slice of all blocks of a group may be: a power of two that divides the block.
fn slice_length(shape: &Shape) -> u64 {
    let shards = shape.data_of(0).saturating_add(shape.rows());
    let mut length = shape.block();
    while length > MIN_SLICE && length.saturating_mul(shards) > MEMORY {
        length /= 2;
    }
    length
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
