//! Tests of the code: blocks in memory, lost and made again.

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
