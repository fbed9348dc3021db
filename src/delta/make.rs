//! Changes made and proved: what the builder does.

use std::io::Cursor;

use super::layout::{Part, Use};
use super::rebuild::{Scratch, rebuild};
use super::{DeltaError, MAX_PACKED, change, find, open, wide, xz};
use crate::event::Cancelled;
use crate::types::digest::Hasher;

/// A change must be this much smaller than the file that it makes: a tenth of it,
const TENTH: u64 = 10;
/// and so many bytes, for its layouts are carried too.
const LEAST: u64 = 4096;

/// A change that was proved to make the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The parts of the base.
    pub base: Vec<Part>,
    /// The parts of the file that it makes.
    pub made: Vec<Part>,
    /// The file of the change.
    pub change: Vec<u8>,
}

/// What came of two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A change.
    Made(Made),
    /// None, for this reason: the whole file is carried.
    Whole(&'static str),
}

/// A change that makes `new` of `old`, when one is worth it. Memory: both files, packed and opened, and up to
/// 384 MiB to compare them.
///
/// # Errors
/// When the scratch file fails, or the work was asked to stop.
pub fn make(
    old: &[u8],
    new: &[u8],
    scratch: &mut dyn Scratch,
    told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
) -> Result<Outcome, DeltaError> {
    let (old_size, new_size) = (wide(old.len()), wide(new.len()));
    if old_size > MAX_PACKED || new_size > MAX_PACKED {
        return Ok(Outcome::Whole("larger than 1 GiB"));
    }
    if old.is_empty() || new_size <= LEAST {
        return Ok(Outcome::Whole("too small to gain anything"));
    }
    let base = open::open(old, Use::Base);
    told(0)?;
    let made = open::open(new, Use::Made);
    told(0)?;
    let found = find::find(&base.bytes, &made.bytes, &mut || told(0))?;
    drop(base.bytes);
    drop(made.bytes);
    let change = change::write([
        &xz::pack(&found.steps)?,
        &xz::pack(&found.differences)?,
        &xz::pack(&found.literals)?,
        &made.corrections,
    ]);
    let most = new_size
        .saturating_sub(new_size.div_ceil(TENTH))
        .min(new_size.saturating_sub(LEAST));
    if wide(change.len()) > most {
        return Ok(Outcome::Whole("a change would save too little"));
    }
    let mut proof = Proof {
        hasher: Hasher::new(),
    };
    let done = rebuild(
        (&base.parts, old_size, &mut &*old),
        (
            &mut || Ok(Cursor::new(change.as_slice())),
            wide(change.len()),
        ),
        scratch,
        (&made.parts, new_size, &mut proof),
        told,
    );
    let mut whole = Hasher::new();
    whole.update(new);
    match done {
        Ok(()) if proof.hasher.finish_counted() == whole.finish_counted() => {
            Ok(Outcome::Made(Made {
                base: base.parts,
                made: made.parts,
                change,
            }))
        }
        Ok(()) | Err(DeltaError::Broken(_)) => Ok(Outcome::Whole(
            "packed again it would not be the same bytes",
        )),
        Err(error) => Err(error),
    }
}

/// Hashes what is made.
struct Proof {
    hasher: Hasher,
}

impl std::io::Write for Proof {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
