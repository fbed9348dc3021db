//! What two files have in common: the steps from one to the other.
//!
//! Short runs of the old file are entered into a table by what they are. Going through the new file, a run that is
//! there begins a stretch, which is extended as long as more bytes agree than differ: programs change in many small
//! places when they are built again, since addresses move. Stretches become copies and additions, the rest literals.

use super::steps::Step;

/// Bytes of a run.
const RUN: usize = 16;
/// Bytes between two runs that are entered, at least.
const SPACING: usize = 4;
/// Most runs in the table: 128 MiB.
const MAX_RUNS: usize = 1 << 25;
/// A stretch must be worth this much: its agreeing bytes less the others.
const WORTH: isize = 24;
/// How far below its best a stretch may fall before it ends there.
const PATIENCE: isize = 24;
/// Agreeing bytes that become a copy within a stretch.
const COPY: usize = 48;

/// The streams of a change.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) steps: Vec<u8>,
    pub(super) differences: Vec<u8>,
    pub(super) literals: Vec<u8>,
}

/// How `new` is made of `old`; `check` is called now and then, and may end the work.
pub(super) fn find<E>(
    old: &[u8],
    new: &[u8],
    check: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Found, E> {
    let table = Table::new(old);
    let mut writing = Writing {
        old,
        new,
        found: Found::default(),
        at_old: 0,
        at_new: 0,
    };
    let (mut at, mut told) = (0_usize, 0_usize);
    while let Some(run) = new.get(at..at.saturating_add(RUN)) {
        if at >= told {
            check()?;
            told = at.saturating_add(1 << 20);
        }
        // Where the last stretch would go on comes first.
        let ahead = at.saturating_sub(writing.at_new);
        let same = writing.at_old.saturating_add(ahead);
        let place = if old.get(same..same.saturating_add(RUN)) == Some(run) {
            Some(same)
        } else {
            table
                .place(run)
                .filter(|place| old.get(*place..place.saturating_add(RUN)) == Some(run))
        };
        let Some(place) = place else {
            at = at.saturating_add(1);
            continue;
        };
        let stretch = writing.stretch(place, at);
        if stretch.worth < WORTH {
            at = at.saturating_add(1);
            continue;
        }
        writing.write(&stretch);
        at = writing.at_new;
    }
    writing.literals(new.len());
    Ok(writing.found)
}

/// Runs of the old file by what they are: one place for each.
struct Table {
    /// Places divided by the spacing, plus 1.
    places: Vec<u32>,
    spacing: usize,
}

impl Table {
    fn new(old: &[u8]) -> Self {
        let spacing = old.len().div_ceil(MAX_RUNS).max(SPACING);
        let runs = old.len().div_ceil(spacing).max(512);
        let mut table = Self {
            places: vec![0; runs.saturating_mul(2).next_power_of_two()],
            spacing,
        };
        for (number, at) in (0..old.len()).step_by(spacing).enumerate() {
            let Some(run) = old.get(at..at.saturating_add(RUN)) else {
                break;
            };
            let slot = table.slot(run);
            if let Some(place) = table.places.get_mut(slot)
                && *place == 0
            {
                *place = u32::try_from(number.saturating_add(1)).unwrap_or(0);
            }
        }
        table
    }

    fn slot(&self, run: &[u8]) -> usize {
        let word = |at: usize| {
            let bytes = run.get(at..).and_then(|bytes| bytes.first_chunk::<8>());
            bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        let mixed = word(0)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_add(word(8))
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mask = self.places.len().saturating_sub(1);
        usize::try_from(mixed >> 32).unwrap_or(0) & mask
    }

    fn place(&self, run: &[u8]) -> Option<usize> {
        let number = self.places.get(self.slot(run)).copied()?.checked_sub(1)?;
        usize::try_from(number).ok()?.checked_mul(self.spacing)
    }
}

/// Bytes of the new file that come from the old one.
struct Stretch {
    old: usize,
    new: usize,
    length: usize,
    worth: isize,
}

struct Writing<'a> {
    old: &'a [u8],
    new: &'a [u8],
    found: Found,
    /// Where the last stretch ended in the old file: steps go from there.
    at_old: usize,
    /// How much of the new file is made.
    at_new: usize,
}

impl Writing<'_> {
    /// The stretch around these places.
    fn stretch(&self, old: usize, new: usize) -> Stretch {
        let before_old = self.old.get(..old).unwrap_or_default().iter().rev();
        let before_new = self.new.get(self.at_new..new).unwrap_or_default();
        let (before, worth_before) = extent(before_old.zip(before_new.iter().rev()));
        let after_old = self.old.get(old..).unwrap_or_default().iter();
        let after_new = self.new.get(new..).unwrap_or_default().iter();
        let (after, worth_after) = extent(after_old.zip(after_new));
        Stretch {
            old: old.saturating_sub(before),
            new: new.saturating_sub(before),
            length: before.saturating_add(after),
            worth: worth_before.saturating_add(worth_after),
        }
    }

    fn write(&mut self, stretch: &Stretch) {
        self.literals(stretch.new);
        let steps = &mut self.found.steps;
        let to = isize::try_from(stretch.old).unwrap_or(isize::MAX);
        let from = isize::try_from(self.at_old).unwrap_or(isize::MAX);
        if to != from {
            Step::Go(i64::try_from(to.saturating_sub(from)).unwrap_or(0)).write(steps);
        }
        let old_end = stretch.old.saturating_add(stretch.length);
        let new_end = stretch.new.saturating_add(stretch.length);
        let old = self.old.get(stretch.old..old_end).unwrap_or_default();
        let new = self.new.get(stretch.new..new_end).unwrap_or_default();
        // Bytes since the last copy, and how many of them agree at the end.
        let (mut added, mut agree) = (0_usize, 0_usize);
        let add = |to: usize, count: usize, found: &mut Found| {
            if count == 0 {
                return;
            }
            Step::Add(super::wide(count)).write(&mut found.steps);
            let from = to.saturating_sub(count);
            let pairs = old.get(from..to).unwrap_or_default().iter();
            let pairs = pairs.zip(new.get(from..to).unwrap_or_default());
            found
                .differences
                .extend(pairs.map(|(old, new)| new.wrapping_sub(*old)));
        };
        let copy = |count: usize, found: &mut Found| {
            Step::Copy(super::wide(count)).write(&mut found.steps);
        };
        for (at, (old, new)) in old.iter().zip(new).enumerate() {
            if old == new {
                agree = agree.saturating_add(1);
                continue;
            }
            if agree >= COPY {
                add(at.saturating_sub(agree), added, &mut self.found);
                copy(agree, &mut self.found);
                added = 0;
            } else {
                added = added.saturating_add(agree);
            }
            added = added.saturating_add(1);
            agree = 0;
        }
        if agree >= COPY {
            add(old.len().saturating_sub(agree), added, &mut self.found);
            copy(agree, &mut self.found);
        } else {
            add(old.len(), added.saturating_add(agree), &mut self.found);
        }
        (self.at_old, self.at_new) = (old_end, new_end);
    }

    fn literals(&mut self, until: usize) {
        let bytes = self.new.get(self.at_new..until).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        Step::Take(super::wide(bytes.len())).write(&mut self.found.steps);
        self.found.literals.extend_from_slice(bytes);
        self.at_new = until;
    }
}

/// How far pairs agree, more or less, and what that is worth.
fn extent<'p>(pairs: impl Iterator<Item = (&'p u8, &'p u8)>) -> (usize, isize) {
    let (mut best, mut length, mut worth) = (0_isize, 0_usize, 0_isize);
    for (at, (old, new)) in pairs.enumerate() {
        worth = worth.saturating_add(if old == new { 1 } else { -1 });
        if worth > best {
            (best, length) = (worth, at.saturating_add(1));
        } else if worth < best.saturating_sub(PATIENCE) {
            break;
        }
    }
    (length, best)
}
