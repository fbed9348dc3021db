//! How the payload is spread over volumes: whole files, first-fit decreasing. No I/O.

use std::fmt;
use std::str::FromStr;

use crate::bundle::contents::MAX_PARTS;
use crate::bundle::header::MAX_VOLUMES;
use crate::types::path::RelPath;

/// What a file takes on a medium is counted in these units: the sectors of optical discs.
pub const SECTOR: u64 = 2048;

/// Media by name, with their nominal bytes. `fat32` is the longest file of that file system; `cd` holds 80
/// minutes of 75 sectors a second; the others are what stands on the package.
pub const PRESETS: [(&str, u64); 7] = [
    ("fat32", 4_294_967_295),
    ("cd", 737_280_000),
    ("dvd", 4_700_000_000),
    ("dvd-dl", 8_500_000_000),
    ("bd25", 25_000_000_000),
    ("bd50", 50_000_000_000),
    ("bd100", 100_000_000_000),
];

/// How much a volume holds: its nominal size less 2 %, which file systems and spare areas take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeSize(u64);

/// A text is no size of a volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no volume size: give fat32, cd, dvd, dvd-dl, bd25, bd50, bd100, or a number of bytes with K, M, G, T (thousands) or Ki, Mi, Gi, Ti"
)]
pub struct ParseSizeError(String);

/// A payload file, or a part of one, and the volume that it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Which of the files.
    pub(crate) file: usize,
    /// The volume, counted from 1.
    pub(crate) volume: u16,
    /// None for a whole file.
    pub(crate) part: Option<Part>,
}

/// Which bytes of a file are a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) number: usize,
    pub(crate) at: u64,
    pub(crate) length: u64,
}

/// There would be more volumes or parts than a bundle may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

impl VolumeSize {
    /// That of a medium of so many bytes; none below 64 KiB.
    #[must_use]
    pub fn of_medium(nominal: u64) -> Option<Self> {
        (nominal >= 65_536).then(|| Self(nominal.saturating_sub(nominal.div_ceil(50))))
    }

    /// Bytes that it holds.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for VolumeSize {
    type Err = ParseSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseSizeError(text.to_owned());
        let preset = PRESETS.iter().find(|(name, _)| *name == text);
        if let Some((_, nominal)) = preset {
            return Self::of_medium(*nominal).ok_or_else(wrong);
        }
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
        let unit = unit.strip_suffix(['B', 'b']).unwrap_or(unit);
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" => 1,
            "k" => 1000,
            "m" => 1_000_000,
            "g" => 1_000_000_000,
            "t" => 1_000_000_000_000,
            "ki" => 1 << 10,
            "mi" => 1 << 20,
            "gi" => 1 << 30,
            "ti" => 1 << 40,
            _ => return Err(wrong()),
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .and_then(Self::of_medium)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for VolumeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

/// What a file of so many bytes takes on a medium.
pub(crate) const fn on_medium(size: u64) -> u64 {
    size.div_ceil(SECTOR).saturating_mul(SECTOR)
}

/// Spreads files over volumes of `capacity` bytes: the largest first, each into the first volume that has
/// room. Only a file that no volume could hold is cut, into parts that fill whole volumes, and a rest.
/// The order of `files` does not matter, but for equal paths.
pub(crate) fn spread(files: &[(&RelPath, u64)], capacity: u64) -> Result<Vec<Placed>, TooMany> {
    let whole = capacity
        .checked_div(SECTOR)
        .unwrap_or(0)
        .saturating_mul(SECTOR);
    if whole == 0 {
        return Err(TooMany);
    }
    let mut pieces: Vec<(u64, usize, Option<Part>)> = Vec::new();
    for (file, (_, size)) in files.iter().enumerate() {
        if on_medium(*size) <= whole {
            pieces.push((*size, file, None));
            continue;
        }
        if size.div_ceil(whole) > u64::try_from(MAX_PARTS).unwrap_or(u64::MAX) {
            return Err(TooMany);
        }
        let (mut at, mut number) = (0, 0);
        while at < *size {
            let length = size.saturating_sub(at).min(whole);
            let part = Part { number, at, length };
            pieces.push((length, file, Some(part)));
            at = at.saturating_add(length);
            number = number.saturating_add(1);
        }
    }
    let key = |(size, file, part): &(u64, usize, Option<Part>)| {
        let path = files.get(*file).map(|(path, _)| *path);
        (std::cmp::Reverse(*size), path, part.map(|part| part.number))
    };
    pieces.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut free: Vec<u64> = Vec::new();
    let mut placed = Vec::new();
    for (size, file, part) in pieces {
        let needed = on_medium(size);
        let first = free.iter().position(|room| *room >= needed);
        let at = first.unwrap_or(free.len());
        if first.is_none() {
            free.push(whole);
        }
        if let Some(room) = free.get_mut(at) {
            *room = room.saturating_sub(needed);
        }
        let volume = u16::try_from(at.saturating_add(1))
            .ok()
            .filter(|volume| *volume <= MAX_VOLUMES)
            .ok_or(TooMany)?;
        placed.push(Placed { file, volume, part });
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn names(count: usize) -> Vec<RelPath> {
        let name = |number| format!("v1/files/a/{number:05}").parse().unwrap();
        (0..count).map(name).collect()
    }

    #[test]
    fn sizes_are_read_with_their_units_and_lose_two_percent() {
        let bytes = |text: &str| text.parse::<VolumeSize>().map(VolumeSize::bytes).ok();
        for (text, expected) in [
            ("fat32", 4_209_067_949),
            ("cd", 722_534_400),
            ("dvd", 4_606_000_000),
            ("dvd-dl", 8_330_000_000),
            ("bd25", 24_500_000_000),
            ("bd50", 49_000_000_000),
            ("bd100", 98_000_000_000),
            ("4G", 3_920_000_000),
            ("4GB", 3_920_000_000),
            ("4GiB", 4_209_067_950),
            ("650m", 637_000_000),
            ("65536", 64_225),
            ("1T", 980_000_000_000),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "G",
            "4 G",
            "4X",
            "-4G",
            "4.7G",
            "65535",
            "0",
            "BD25",
            "4Gib4",
            "99999999999T",
        ] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn the_largest_come_first_and_fill_the_first_volume_that_has_room() {
        let names = names(5);
        let sizes = [10 * SECTOR, 60 * SECTOR, 30 * SECTOR - 5, 90 * SECTOR, 0];
        let files: Vec<_> = names.iter().zip(sizes).collect();
        let placed = spread(&files, 100 * SECTOR).unwrap();
        let found: Vec<_> = placed.iter().map(|one| (one.file, one.volume)).collect();
        assert_eq!(found, [(3, 1), (1, 2), (2, 2), (0, 1), (4, 1)]);
        assert!(placed.iter().all(|one| one.part.is_none()));
    }

    #[test]
    fn a_file_larger_than_a_volume_fills_volumes_and_shares_the_last() {
        let names = names(2);
        let files = [(&names[0], 25 * SECTOR + 1), (&names[1], 3 * SECTOR)];
        let placed = spread(&files, 10 * SECTOR + 9).unwrap();
        let found: Vec<_> = placed
            .iter()
            .map(|one| {
                let part = one.part.map(|part| (part.number, part.at, part.length));
                (one.file, one.volume, part)
            })
            .collect();
        let full = 10 * SECTOR;
        assert_eq!(
            found,
            [
                (0, 1, Some((0, 0, full))),
                (0, 2, Some((1, full, full))),
                (0, 3, Some((2, 2 * full, 5 * SECTOR + 1))),
                (1, 3, None),
            ]
        );
        assert_eq!(spread(&files, SECTOR - 1), Err(TooMany));
        let huge = [(&names[0], SECTOR * 1001)];
        assert_eq!(spread(&huge, SECTOR), Err(TooMany), "1001 parts");
        assert_eq!(
            spread(&[(&names[0], SECTOR * 1000)], SECTOR),
            Err(TooMany),
            "1000 volumes"
        );
    }

    proptest! {
        #[test]
        fn every_byte_is_placed_once_in_no_volume_too_many_and_only_what_must_be_is_cut(
            sizes in prop::collection::vec(0_u64..300_000, 0..60),
            capacity in 32_768_u64..400_000,
        ) {
            let names = names(sizes.len());
            let files: Vec<_> = names.iter().zip(sizes.iter().copied()).collect();
            let placed = spread(&files, capacity).unwrap();
            let mut volumes: BTreeMap<u16, u64> = BTreeMap::new();
            let mut covered: BTreeMap<usize, Vec<(u64, u64)>> = BTreeMap::new();
            for one in &placed {
                let size = sizes[one.file];
                let (at, length) = one.part.map_or((0, size), |part| (part.at, part.length));
                *volumes.entry(one.volume).or_default() += on_medium(length);
                covered.entry(one.file).or_default().push((at, length));
                prop_assert_eq!(one.part.is_some(), on_medium(size) > capacity / SECTOR * SECTOR);
            }
            prop_assert!(volumes.values().all(|bytes| *bytes <= capacity));
            let count = u16::try_from(volumes.len()).unwrap();
            prop_assert!(volumes.keys().copied().eq(1..=count));
            for (file, size) in sizes.iter().enumerate() {
                let mut pieces = covered.remove(&file).unwrap();
                pieces.sort_unstable();
                let mut at = 0;
                for (start, length) in pieces {
                    prop_assert_eq!(start, at);
                    at += length;
                }
                prop_assert_eq!(at, *size);
            }
            // First fit: what is in two volumes never fits one.
            let loads: Vec<u64> = volumes.values().copied().collect();
            for (at, load) in loads.iter().enumerate() {
                prop_assert!(loads[..at].iter().all(|other| other + load > capacity / SECTOR * SECTOR));
            }
            // The order of the files does not matter.
            let mut other: Vec<_> = files.clone();
            other.reverse();
            let again = spread(&other, capacity).unwrap();
            let named = |placed: &[Placed], files: &[(&RelPath, u64)]| -> Vec<(String, u16)> {
                placed.iter().map(|one| (files[one.file].0.to_string(), one.volume)).collect()
            };
            prop_assert_eq!(named(&placed, &files), named(&again, &other));
        }
    }
}
