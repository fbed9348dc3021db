//! The steps of a change: how the opened new file is made of the opened old one.
//!
//! A step is one number in base 128, least significant group first, the highest bit of a byte set when more follow
//! (LEB128, at most 10 bytes). Its two lowest bits say what it is, the others how many:
//!
//! | bits | step |
//! |---|---|
//! | 0 | copy so many bytes of the old file, and go behind them |
//! | 1 | the same, adding to each the next byte of the differences, modulo 256 |
//! | 2 | take so many bytes of the literals |
//! | 3 | go on in the old file elsewhere: so far from here, in zigzag form (0, -1, 1, -2, …) |

use std::io::{self, BufReader, Read, Seek};

use super::{BUFFER, DeltaError, wide};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copy.
    Copy(u64),
    /// Copy and add.
    Add(u64),
    /// Take of the literals.
    Take(u64),
    /// Go elsewhere in the old file.
    Go(i64),
}

impl Step {
    /// Appends the step.
    pub fn write(self, to: &mut Vec<u8>) {
        let (kind, mut rest) = match self {
            Self::Copy(count) => (0, count),
            Self::Add(count) => (1, count),
            Self::Take(count) => (2, count),
            Self::Go(far) => (
                3,
                (far.unsigned_abs() << 1).wrapping_sub(u64::from(far < 0)),
            ),
        };
        rest = (rest << 2) | kind;
        loop {
            let low = u8::try_from(rest & 0x7f).unwrap_or(0);
            rest >>= 7;
            if rest == 0 {
                to.push(low);
                return;
            }
            to.push(low | 0x80);
        }
    }

    /// The next step; none at the end.
    fn read(from: &mut dyn Read) -> Result<Option<Self>, DeltaError> {
        let mut number = 0_u64;
        for group in 0..10_u32 {
            let mut byte = [0];
            if from.read(&mut byte)? == 0 {
                if group == 0 {
                    return Ok(None);
                }
                return Err(DeltaError::broken("the steps end within one"));
            }
            let bits = u64::from(byte[0] & 0x7f);
            let shifted = bits
                .checked_shl(group * 7)
                .filter(|shifted| shifted >> (group * 7) == bits)
                .ok_or_else(|| DeltaError::broken("a step is too large"))?;
            number |= shifted;
            if byte[0] < 0x80 {
                let count = number >> 2;
                return Ok(Some(match number & 3 {
                    0 => Self::Copy(count),
                    1 => Self::Add(count),
                    2 => Self::Take(count),
                    _ => Self::Go(far(count)),
                }));
            }
        }
        Err(DeltaError::broken("a step is too long"))
    }
}

/// Zigzag, undone.
fn far(count: u64) -> i64 {
    let half = i64::try_from(count >> 1).unwrap_or(i64::MAX);
    if count & 1 == 0 {
        half
    } else {
        half.saturating_add(1).saturating_neg()
    }
}

/// What steps draw on.
pub(super) struct Streams<R> {
    pub(super) steps: R,
    pub(super) differences: R,
    pub(super) literals: R,
}

/// The opened new file, as the steps make it of the opened old one.
pub(super) struct Replay<'a, R, O> {
    streams: Streams<R>,
    old: &'a mut BufReader<O>,
    /// Bytes of the old file.
    length: u64,
    /// Where in it the next byte comes from.
    at: u64,
    step: Step,
    /// Bytes of the step that are still to come.
    left: u64,
    differences: Vec<u8>,
}

impl<'a, R: Read, O: Read + Seek> Replay<'a, R, O> {
    /// Begins. The old file has `length` bytes, and is at its beginning.
    pub(super) fn new(streams: Streams<R>, old: &'a mut BufReader<O>, length: u64) -> Self {
        Self {
            streams,
            old,
            length,
            at: 0,
            step: Step::Go(0),
            left: 0,
            differences: Vec::new(),
        }
    }

    /// Begins the next step that makes bytes; false at the end.
    fn advance(&mut self) -> Result<bool, DeltaError> {
        let mut went = false;
        loop {
            let step = match Step::read(&mut self.streams.steps)? {
                None if went => return Err(DeltaError::broken("a step goes nowhere")),
                None => return Ok(false),
                Some(step) => step,
            };
            let (count, from_old) = match step {
                Step::Go(by) => {
                    let next = self.at.checked_add_signed(by);
                    let next = next.filter(|next| *next <= self.length);
                    self.at = next.ok_or_else(|| DeltaError::broken("a step leaves the base"))?;
                    if went || by == 0 {
                        return Err(DeltaError::broken("a step goes nowhere"));
                    }
                    went = true;
                    self.old.seek_relative(by)?;
                    continue;
                }
                Step::Copy(count) | Step::Add(count) => (count, true),
                Step::Take(count) => (count, false),
            };
            if count == 0 {
                return Err(DeltaError::broken("a step makes nothing"));
            }
            if from_old {
                let end = self.at.checked_add(count);
                let end = end.filter(|end| *end <= self.length);
                self.at = end.ok_or_else(|| DeltaError::broken("a step leaves the base"))?;
            }
            (self.step, self.left) = (step, count);
            return Ok(true);
        }
    }

    /// Ends the work: nothing may be left over.
    pub(super) fn finish(mut self) -> Result<(), DeltaError> {
        let mut more = [0];
        if self.left > 0
            || self.advance()?
            || self.streams.differences.read(&mut more)? != 0
            || self.streams.literals.read(&mut more)? != 0
        {
            return Err(DeltaError::broken("the steps make more than the file"));
        }
        Ok(())
    }
}

impl<R: Read, O: Read + Seek> Read for Replay<'_, R, O> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.advance().map_err(DeltaError::into_io)? {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let count = buffer.len().min(most).min(BUFFER);
        let bytes = buffer.get_mut(..count).unwrap_or_default();
        match self.step {
            Step::Copy(_) | Step::Go(_) => self.old.read_exact(bytes)?,
            Step::Take(_) => self.streams.literals.read_exact(bytes)?,
            Step::Add(_) => {
                self.old.read_exact(bytes)?;
                self.differences.resize(count, 0);
                self.streams.differences.read_exact(&mut self.differences)?;
                for (byte, difference) in bytes.iter_mut().zip(&self.differences) {
                    *byte = byte.wrapping_add(*difference);
                }
            }
        }
        self.left = self.left.saturating_sub(wide(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_step_is_read_as_it_was_written() {
        let all = [
            Step::Copy(1),
            Step::Add(u64::MAX >> 2),
            Step::Take(300),
            Step::Go(-1),
            Step::Go(1),
            Step::Go(-5_000_000_000),
            Step::Go(i64::MAX >> 2),
        ];
        let mut bytes = Vec::new();
        for step in all {
            step.write(&mut bytes);
        }
        let mut from = bytes.as_slice();
        for step in all {
            assert_eq!(Step::read(&mut from).unwrap(), Some(step));
        }
        assert_eq!(Step::read(&mut from).unwrap(), None);
        assert_eq!(bytes.get(..1), Some(&[0b100][..]));
        let mut long: &[u8] = &[0x80; 11];
        assert!(Step::read(&mut long).is_err());
    }

    fn made(steps: &[Step]) -> Result<String, String> {
        let mut bytes = Vec::new();
        for step in steps {
            step.write(&mut bytes);
        }
        let mut old = BufReader::new(Cursor::new(b"abcdef"));
        let streams = Streams {
            steps: bytes.as_slice(),
            differences: &[1, 2][..],
            literals: &b"xyz"[..],
        };
        let mut replay = Replay::new(streams, &mut old, 6);
        let mut to = String::new();
        let read = replay.read_to_string(&mut to);
        read.map_err(|error| error.to_string())?;
        replay.finish().map_err(|error| error.to_string())?;
        Ok(to)
    }

    #[test]
    fn steps_copy_add_take_and_go_and_nothing_may_be_left_over() {
        let good = [
            Step::Copy(2),
            Step::Go(2),
            Step::Add(2),
            Step::Take(3),
            Step::Go(-6),
            Step::Copy(1),
        ];
        assert_eq!(made(&good).as_deref(), Ok("abfhxyza"));
        for (steps, text) in [
            (&good[..5], "a step goes nowhere"),
            (&good[..3], "the steps make more than the file"),
            (&good[..1], "the steps make more than the file"),
            (&[Step::Copy(7)], "a step leaves the base"),
            (&[Step::Go(7)], "a step leaves the base"),
            (&[Step::Go(-1)], "a step leaves the base"),
            (&[Step::Go(0)], "a step goes nowhere"),
            (&[Step::Go(1), Step::Go(1)], "a step goes nowhere"),
            (&[Step::Copy(0)], "a step makes nothing"),
            (&[Step::Take(4)], "failed to fill whole buffer"),
            (&[Step::Add(3)], "failed to fill whole buffer"),
        ] {
            assert_eq!(made(steps).unwrap_err(), text, "{steps:?}");
        }
    }
}
