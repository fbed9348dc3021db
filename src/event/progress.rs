//! Where one step reports to, and where it learns that it should stop.

use std::fmt;

use super::{Cancel, Cancelled, Event, Observer, Step};

/// A step with its observer and its flag, handed down to the loops that do the work.
#[derive(Clone, Copy)]
pub struct Progress<'a> {
    /// The step.
    pub step: Step,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// Whether to stop.
    pub cancel: &'a Cancel,
}

impl Progress<'_> {
    /// The step begins, with this much to do.
    pub fn started(&self, items: u64, bytes: u64) {
        let step = self.step;
        self.observer.on(&Event::StepStarted { step, items, bytes });
    }

    /// Work on one item begins.
    pub fn item_started(&self, item: &str, bytes: u64) {
        self.observer.on(&Event::ItemStarted {
            step: self.step,
            item,
            bytes: Some(bytes),
        });
    }

    /// More bytes of an item are done.
    ///
    /// # Errors
    /// [`Cancelled`] when the work was asked to stop.
    pub fn advance(&self, item: &str, count: u64) -> Result<(), Cancelled> {
        let step = self.step;
        self.observer.on(&Event::Bytes { step, item, count });
        self.cancel.check()
    }

    /// [`Self::advance`] of one item, for a pass over its bytes.
    pub fn of<'s>(&'s self, item: &'s str) -> impl FnMut(u64) -> Result<(), Cancelled> + 's {
        move |count| self.advance(item, count)
    }

    /// [`Self::of`], when this many bytes of the item were told of before and come a second time.
    pub fn beyond<'s>(
        &'s self,
        told: u64,
        item: &'s str,
    ) -> impl FnMut(u64) -> Result<(), Cancelled> + 's {
        let mut again = told;
        move |count| {
            let new = count.saturating_sub(again);
            again = again.saturating_sub(count);
            if new > 0 {
                self.advance(item, new)
            } else {
                self.cancel.check()
            }
        }
    }

    /// An item is done; `reused` when it was in place already.
    pub fn item_done(&self, item: &str, reused: bool) {
        let step = self.step;
        self.observer.on(&Event::ItemDone { step, item, reused });
    }

    /// The step is done.
    pub fn done(&self) {
        self.observer.on(&Event::StepDone { step: self.step });
    }
}

impl fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Progress({})", self.step.label())
    }
}
