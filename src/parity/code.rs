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
    let length = size(slice_length(shape));
    let spare = Mutex::new(Vec::new());
    let (mut shards, mut made) = (Buffer(Vec::new()), Buffer(Vec::new()));
    for job in jobs {
        let shards = shards.sized(job.known.len(), length);
        let made = made.sized(job.wanted.len(), length);
        for offset in (0..shape.block()).step_by(length) {
            fill((shape, blocks), &job.known, offset, (shards, length))?;
            through::<C, B>((shape, &job), (shards, length), made, &spare)?;
            hand_out(blocks, &job.wanted, offset, (made, length))?;
            let data = u64::try_from(job.data.saturating_mul(length)).unwrap_or(u64::MAX);
            told(data).map_err(CodeError::Blocks)?;
        }
    }
    Ok(())
}

/// Blocks that one thread reads one after the other, and where to.
struct Part<'a>(&'a [Block], Mutex<&'a mut [u8]>);

/// Reads a slice of each block: `shards` has them one behind the other.
fn fill<B: Blocks>(
    (shape, blocks): (&Shape, &B),
    known: &[Block],
    offset: u64,
    (shards, length): (&mut [u8], usize),
) -> Result<(), CodeError<B::Error>> {
    let parts: Vec<Part<'_>> = (known.chunks(TOGETHER))
        .zip(shards.chunks_mut(length.saturating_mul(TOGETHER)))
        .map(|(of, bytes)| Part(of, Mutex::new(bytes)))
        .collect();
    pool::try_map(&parts, pool::cores(), |Part(of, bytes)| {
        let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
        for (block, shard) in of.iter().zip(bytes.chunks_exact_mut(length)) {
            read(shape, blocks, *block, offset, shard)?;
        }
        Ok::<_, CodeError<B::Error>>(())
    })?;
    Ok(())
}

/// Makes `made` from the shards, strip by strip: the first strip of each wanted block, then the second of each.
fn through<C: Code, B: Blocks>(
    (shape, job): (&Shape, &Job),
    (shards, length): (&[u8], usize),
    made: &mut [u8],
    spare: &Mutex<Vec<C>>,
) -> Result<(), CodeError<B::Error>> {
    let each = job.wanted.len().saturating_mul(STRIP).max(1);
    let strips: Vec<(usize, Mutex<&mut [u8]>)> = (0..length)
        .step_by(STRIP)
        .zip(made.chunks_exact_mut(each).map(Mutex::new))
        .collect();
    pool::try_map(&strips, pool::cores(), |(at, made)| {
        let mut code = match take(spare) {
            Some(code) => code,
            None => C::new(job.data, size(shape.rows()))?,
        };
        let known = shards.chunks_exact(length).map(|shard| strip(shard, *at));
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        code.strip((shape, job), known, &mut made)?;
        give_back(spare, code);
        Ok::<_, CodeError<B::Error>>(())
    })?;
    Ok(())
}

/// Writes what was made: of each block its strips, one behind the other.
fn hand_out<B: Blocks>(
    blocks: &B,
    wanted: &[Block],
    offset: u64,
    (made, length): (&[u8], usize),
) -> Result<(), CodeError<B::Error>> {
    let each = wanted.len().saturating_mul(STRIP).max(1);
    let numbered: Vec<(usize, Block)> = (0..).zip(wanted.iter().copied()).collect();
    let parts: Vec<&[(usize, Block)]> = numbered.chunks(TOGETHER).collect();
    pool::try_map(&parts, pool::cores(), |part| {
        let mut bytes = Vec::with_capacity(length);
        for (number, block) in *part {
            bytes.clear();
            for strips in made.chunks_exact(each) {
                bytes.extend_from_slice(strip(strips, number.saturating_mul(STRIP)));
            }
            blocks
                .write(*block, offset, &bytes)
                .map_err(CodeError::Blocks)?;
        }
        Ok::<_, CodeError<B::Error>>(())
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
mod tests;
