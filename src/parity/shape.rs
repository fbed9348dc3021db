//! Which bytes are which block, and how many parity blocks there are. No I/O.
//!
//! The files of a volume, in the order of the list, are one run of bytes; each volume is cut into
//! blocks of one size, its last one filled up with zeros in thought. Blocks are numbered through all
//! volumes. Block `b` belongs to group `b mod groups`: neighbours lie in different groups, so that
//! a scratch, or a whole lost medium, hits all groups alike. Each group has the same number of parity
//! blocks, its rows; row `r` of group `g` is parity block `r * groups + g`, and parity volumes share the
//! rows evenly.

use std::num::NonZeroU32;

/// Smallest block, in bytes; block sizes are powers of two.
pub const MIN_BLOCK: u64 = 64 * 1024;
/// Block size that is not exceeded before the number of blocks would be [`MAX_BLOCKS`].
pub const USUAL_BLOCK: u64 = 1024 * 1024;
/// Largest block, in bytes.
pub const MAX_BLOCK: u64 = 64 * 1024 * 1024;
/// Most data blocks of one group. A code over more blocks is stronger, but needs more memory.
pub const MAX_GROUP: u64 = 4096;
/// Most data blocks, and most parity blocks: their hashes must fit the memory of every reader.
pub const MAX_BLOCKS: u64 = 131_072;

/// How much parity is asked for; the larger of both counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Parity blocks for each hundred data blocks, at least one; 1 to 100. None for none of this kind.
    pub percent: Option<u8>,
    /// How many whole media may be lost, each of data or of parity.
    pub spare_volumes: u16,
}

/// The blocks of a payload and its parity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    block: u64,
    /// Bytes of each volume.
    volumes: Vec<u64>,
    groups: u64,
    rows: u64,
    parity_volumes: u64,
}

/// Why there is no such shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// There is nothing to protect.
    #[error("there is no payload to make parity for")]
    Empty,
    /// No parity was asked for, or more than is possible.
    #[error("parity must be 1 to 100 percent, or 1 to 64 spare volumes")]
    Amount,
    /// More blocks than one payload may have.
    #[error("the payload is too large for parity: more than {MAX_BLOCKS} blocks")]
    TooLarge,
    /// Numbers that no shape has.
    #[error("the numbers of the block list fit no payload")]
    Odd,
}

/// A part of a block: where its bytes are in the run of its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The volume, counted from 0.
    pub volume: usize,
    /// The first byte in the run of the volume.
    pub start: u64,
    /// How many bytes; less than a block for the last one of a volume.
    pub length: u64,
}

impl Shape {
    /// The shape of a payload, by the bytes of each volume.
    ///
    /// # Errors
    /// When there is nothing to protect, the amount is none that can be made, or the payload is too
    /// large.
    pub fn new(volumes: &[u64], amount: Amount) -> Result<Self, ShapeError> {
        Self::spread(volumes, amount, 1)
    }

    /// As [`Shape::new`], with the parity in at least so many volumes, and never less than the spare
    /// ones.
    ///
    /// # Errors
    /// As [`Shape::new`].
    pub fn spread(
        volumes: &[u64],
        amount: Amount,
        parity_volumes: u64,
    ) -> Result<Self, ShapeError> {
        let percent = u64::from(amount.percent.unwrap_or(0));
        let spare = u64::from(amount.spare_volumes);
        if percent > 100 || spare > 64 || (percent, spare) == (0, 0) {
            return Err(ShapeError::Amount);
        }
        let mut block = MIN_BLOCK;
        while block < MAX_BLOCK {
            let wanted = if block < USUAL_BLOCK {
                MAX_GROUP
            } else {
                // Parity must stay below the limit too, and is at most as much as the data.
                MAX_BLOCKS / 2
            };
            if count(volumes, block) <= wanted {
                break;
            }
            block = block.saturating_mul(2);
        }
        let all = count(volumes, block);
        if all == 0 {
            return Err(ShapeError::Empty);
        }
        let groups = all.div_ceil(MAX_GROUP);
        let largest = volumes
            .iter()
            .map(|bytes| bytes.div_ceil(block))
            .max()
            .unwrap_or(0);
        let scattered = all.div_ceil(groups).saturating_mul(percent).div_ceil(100);
        let parity_volumes = spare.max(parity_volumes).max(1);
        let whole = largest.div_ceil(groups).saturating_mul(spare);
        let rows = scattered.max(whole).max(1).next_multiple_of(parity_volumes);
        Self::of(block, volumes, groups, rows, parity_volumes)
    }

    /// The shape of these numbers, as a block list states them.
    ///
    /// # Errors
    /// [`ShapeError::Odd`] or [`ShapeError::TooLarge`] for numbers that [`Shape::new`] never gives.
    pub fn of(
        block: u64,
        volumes: &[u64],
        groups: u64,
        rows: u64,
        parity_volumes: u64,
    ) -> Result<Self, ShapeError> {
        if !block.is_power_of_two() || !(MIN_BLOCK..=MAX_BLOCK).contains(&block) {
            return Err(ShapeError::Odd);
        }
        let all = count(volumes, block);
        let sound = all > 0
            && groups > 0
            && parity_volumes > 0
            && rows > 0
            && groups <= all
            && all.div_ceil(groups) <= MAX_GROUP
            && rows.checked_rem(parity_volumes) == Some(0);
        if !sound {
            return Err(ShapeError::Odd);
        }
        if all > MAX_BLOCKS || rows.saturating_mul(groups) > MAX_BLOCKS || rows > MAX_ROWS {
            return Err(ShapeError::TooLarge);
        }
        Ok(Self {
            block,
            volumes: volumes.to_vec(),
            groups,
            rows,
            parity_volumes,
        })
    }

    /// Bytes of a block.
    #[must_use]
    pub const fn block(&self) -> u64 {
        self.block
    }

    /// Bytes of each volume.
    #[must_use]
    pub fn volumes(&self) -> &[u64] {
        &self.volumes
    }

    /// How many groups there are.
    #[must_use]
    pub const fn groups(&self) -> u64 {
        self.groups
    }

    /// Parity blocks of each group.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// How many volumes the parity blocks are in.
    #[must_use]
    pub const fn parity_volumes(&self) -> u64 {
        self.parity_volumes
    }

    /// How many data blocks there are.
    #[must_use]
    pub fn data(&self) -> u64 {
        count(&self.volumes, self.block)
    }

    /// How many parity blocks there are.
    #[must_use]
    pub const fn parity(&self) -> u64 {
        self.rows.saturating_mul(self.groups)
    }

    /// How many parity blocks are in each parity volume.
    #[must_use]
    pub fn parity_of_volume(&self) -> u64 {
        self.parity().checked_div(self.parity_volumes).unwrap_or(0)
    }

    /// Data blocks of a group.
    #[must_use]
    pub fn data_of(&self, group: u64) -> u64 {
        self.data().saturating_sub(group).div_ceil(self.groups)
    }

    /// The group of a data or parity block, and its number in it.
    #[must_use]
    pub fn group_of(&self, block: u64) -> (u64, u64) {
        let groups = NonZeroU32::new(u32::try_from(self.groups).unwrap_or(1))
            .map_or(1, |groups| u64::from(groups.get()));
        (block % groups, block / groups)
    }

    /// The data or parity block of this number in this group.
    #[must_use]
    pub const fn block_of(&self, group: u64, number: u64) -> u64 {
        number.saturating_mul(self.groups).saturating_add(group)
    }

    /// Where the bytes of a data block are; none for a block that there is not.
    #[must_use]
    pub fn place(&self, block: u64) -> Option<Place> {
        let mut first = 0_u64;
        for (volume, bytes) in self.volumes.iter().enumerate() {
            let blocks = bytes.div_ceil(self.block);
            let number = block.checked_sub(first)?;
            if number < blocks {
                let start = number.saturating_mul(self.block);
                return Some(Place {
                    volume,
                    start,
                    length: bytes.saturating_sub(start).min(self.block),
                });
            }
            first = first.saturating_add(blocks);
        }
        None
    }

    /// The data blocks that hold any of these bytes of a volume, as first and one behind the last.
    #[must_use]
    pub fn blocks_at(&self, volume: usize, start: u64, length: u64) -> (u64, u64) {
        let before = self.volumes.iter().take(volume);
        let first = before.fold(0_u64, |sum, bytes| {
            sum.saturating_add(bytes.div_ceil(self.block))
        });
        let size = self.block.max(1);
        let from = first.saturating_add(start / size);
        let end = first.saturating_add(start.saturating_add(length).div_ceil(size));
        (from, if length == 0 { from } else { end })
    }
}

/// Most parity blocks of a group: what the code can make for [`MAX_GROUP`] data blocks.
const MAX_ROWS: u64 = 32_768;

fn count(volumes: &[u64], block: u64) -> u64 {
    volumes.iter().fold(0_u64, |sum, bytes| {
        sum.saturating_add(bytes.div_ceil(block.max(1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    const MIB: u64 = 1024 * 1024;

    fn shape(volumes: &[u64], percent: Option<u8>, spare_volumes: u16) -> Shape {
        let amount = Amount {
            percent,
            spare_volumes,
        };
        Shape::new(volumes, amount).unwrap()
    }

    #[test]
    fn blocks_and_rows_are_as_the_amount_asks() {
        let two_gib = shape(&[2048 * MIB], Some(10), 0);
        assert_eq!(
            (
                two_gib.block(),
                two_gib.data(),
                two_gib.groups(),
                two_gib.parity()
            ),
            (512 * 1024, 4096, 1, 410)
        );
        let discs = shape(&[20_000 * MIB, 20_000 * MIB, 7 * MIB + 1], None, 1);
        assert_eq!((discs.block(), discs.data()), (MIB, 40_008));
        assert_eq!(
            (discs.groups(), discs.rows(), discs.parity()),
            (10, 2000, 20_000)
        );
        let spares = shape(&[3 * MIB, 5 * MIB], Some(1), 2);
        assert_eq!(spares.block(), MIN_BLOCK);
        assert_eq!((spares.rows(), spares.parity_of_volume()), (160, 80));
        assert_eq!(shape(&[1], Some(1), 0).parity(), 1);
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let new = |volumes: &[u64], percent, spare_volumes| {
            let amount = Amount {
                percent,
                spare_volumes,
            };
            Shape::new(volumes, amount).unwrap_err()
        };
        assert_eq!(new(&[0, 0], Some(10), 0), ShapeError::Empty);
        assert_eq!(new(&[9], None, 0), ShapeError::Amount);
        assert_eq!(new(&[9], Some(101), 0), ShapeError::Amount);
        assert_eq!(new(&[u64::MAX], Some(1), 0), ShapeError::TooLarge);
        for (block, groups, rows, parity_volumes) in [
            (65_535, 1, 1, 1),
            (32_768, 1, 1, 1),
            (65_536, 0, 1, 1),
            (65_536, 1, 0, 1),
            (65_536, 1, 1, 0),
            (65_536, 1, 3, 2),
            (65_536, 9, 1, 1),
        ] {
            let found = Shape::of(block, &[100_000], groups, rows, parity_volumes);
            assert_eq!(found, Err(ShapeError::Odd), "{block} {groups} {rows}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_is_in_one_block_and_every_block_in_one_group(
            volumes in prop::collection::vec(0_u64..40 * MIB, 1..5),
            percent in 1_u8..=100,
        ) {
            let amount = Amount { percent: Some(percent), spare_volumes: 1 };
            let Ok(shape) = Shape::new(&volumes, amount) else {
                prop_assert!(volumes.iter().all(|bytes| *bytes == 0));
                return Ok(());
            };
            let mut seen = vec![0_u64; volumes.len()];
            for block in 0..shape.data() {
                let place = shape.place(block).unwrap();
                prop_assert_eq!(seen[place.volume], place.start);
                prop_assert!(place.length > 0);
                seen[place.volume] += place.length;
                prop_assert_eq!(shape.blocks_at(place.volume, place.start, place.length), (block, block + 1));
                let (group, number) = shape.group_of(block);
                prop_assert!(number < shape.data_of(group));
                prop_assert_eq!(shape.block_of(group, number), block);
            }
            prop_assert_eq!(&seen, &volumes);
            prop_assert_eq!(shape.place(shape.data()), None);
            let in_groups: u64 = (0..shape.groups()).map(|group| shape.data_of(group)).sum();
            prop_assert_eq!(in_groups, shape.data());
            // A whole volume never takes more of a group than its rows.
            for (volume, bytes) in volumes.iter().enumerate() {
                let (from, end) = shape.blocks_at(volume, 0, *bytes);
                let lost = (end - from).div_ceil(shape.groups());
                prop_assert!(lost <= shape.rows());
            }
        }
    }
}
