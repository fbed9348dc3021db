//! A reader that stops an archive from growing without bounds.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::{MAX_RATIO, MAX_UNPACKED, RATIO_ALLOWANCE};

/// Counts what passes.
pub(super) struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Counted<R> {
    pub(super) fn new(inner: R) -> (Self, Rc<Cell<u64>>) {
        let count = Rc::new(Cell::new(0));
        let counted = Self {
            inner,
            count: Rc::clone(&count),
        };
        (counted, count)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let read_64 = u64::try_from(read).unwrap_or(u64::MAX);
        self.count.set(self.count.get().saturating_add(read_64));
        Ok(read)
    }
}

/// Passes unpacked bytes on while they are within bounds of the packed ones.
pub(super) struct Limited<R> {
    inner: R,
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    /// Set when a bound was passed, for errors pass through libraries that may wrap them.
    broken: Rc<Cell<Option<&'static str>>>,
}

impl<R: Read> Limited<R> {
    pub(super) fn new(inner: R, packed: Rc<Cell<u64>>) -> (Self, Rc<Cell<Option<&'static str>>>) {
        let broken = Rc::new(Cell::new(None));
        let limited = Self {
            inner,
            packed,
            unpacked: 0,
            broken: Rc::clone(&broken),
        };
        (limited, broken)
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let read_64 = u64::try_from(read).unwrap_or(u64::MAX);
        self.unpacked = self.unpacked.saturating_add(read_64);
        let by_ratio = self.packed.get().saturating_mul(MAX_RATIO);
        let broken = if self.unpacked > MAX_UNPACKED {
            Some("it unpacks to more than 32 GiB")
        } else if self.unpacked > by_ratio.saturating_add(RATIO_ALLOWANCE) {
            Some("it unpacks to more than 200 times its size")
        } else {
            None
        };
        if let Some(what) = broken {
            self.broken.set(Some(what));
            return Err(io::Error::other(what));
        }
        Ok(read)
    }
}
