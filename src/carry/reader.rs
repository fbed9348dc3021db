//! The single file as it comes: block after block, each what it must be or the end.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::archive::ustar::{self, BLOCK, Block, END_BLOCKS, Member};
use crate::carry::CarryError;
use crate::fs::At;

/// A single file that is read from front to back, never again.
pub(super) struct Reader<'a> {
    from: &'a mut dyn Read,
    name: &'a Path,
    /// Bytes read so far.
    at: u64,
    /// What is being read, for messages.
    within: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(from: &'a mut dyn Read, name: &'a Path) -> Self {
        Self {
            from,
            name,
            at: 0,
            within: "its first header".to_owned(),
        }
    }

    /// What messages call the single file.
    pub(super) const fn name(&self) -> &'a Path {
        self.name
    }

    /// The next file; none at a block of zeros.
    pub(super) fn next(&mut self) -> Result<Option<Member>, CarryError> {
        let start = self.at;
        let block = self.block()?;
        let member = ustar::read(&block).map_err(|problem| self.wrong(start, problem))?;
        self.within = match &member {
            Some(member) => member.path.to_string(),
            None => "its end".to_owned(),
        };
        Ok(member)
    }

    /// The content of a small file, whose size the caller has limited.
    pub(super) fn content(&mut self, size: u64) -> Result<Vec<u8>, CarryError> {
        let mut bytes = Vec::new();
        let mut rest = (&mut *self.from).take(size);
        rest.read_to_end(&mut bytes).at("read", self.name)?;
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.at = self.at.saturating_add(count);
        if count < size {
            return Err(self.ended());
        }
        self.padding(size)?;
        Ok(bytes)
    }

    /// The content of a large file, to be read to its end before anything else is.
    pub(super) fn body(&mut self, size: u64) -> Body<'_, 'a> {
        Body {
            reader: self,
            left: size,
        }
    }

    /// The zeros behind a file of this size.
    pub(super) fn padding(&mut self, size: u64) -> Result<(), CarryError> {
        let count = usize::try_from(ustar::padding(size)).unwrap_or(0);
        let start = self.at;
        let mut block = [0; BLOCK];
        self.fill(block.get_mut(..count).unwrap_or_default())?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(self.wrong(
            start,
            "bytes behind a file where only zeros may be".to_owned(),
        ))
    }

    /// The rest of the end mark, of which one block was read, and that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), CarryError> {
        for _ in 1..END_BLOCKS {
            let start = self.at;
            if self.block()?.iter().any(|byte| *byte != 0) {
                return Err(self.wrong(
                    start,
                    "something behind the first block of the end".to_owned(),
                ));
            }
        }
        let start = self.at;
        let mut one = [0];
        loop {
            match self.from.read(&mut one) {
                Ok(0) => return Ok(()),
                Ok(_) => return Err(self.wrong(start, "something behind the end".to_owned())),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).at("read", self.name)?,
            }
        }
    }

    /// The refusal of what stands at a place.
    pub(super) fn wrong(&self, at: u64, problem: String) -> CarryError {
        CarryError::Form {
            input: self.name.to_owned(),
            at,
            problem,
        }
    }

    /// The refusal of a header that was just read.
    pub(super) fn misplaced(&self, problem: String) -> CarryError {
        let header = u64::try_from(BLOCK).unwrap_or(u64::MAX);
        self.wrong(self.at.saturating_sub(header), problem)
    }

    fn ended(&self) -> CarryError {
        CarryError::Ended {
            input: self.name.to_owned(),
            at: self.at,
            within: self.within.clone(),
        }
    }

    fn block(&mut self) -> Result<Block, CarryError> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        Ok(block)
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), CarryError> {
        while !buffer.is_empty() {
            match self.from.read(buffer) {
                Ok(0) => return Err(self.ended()),
                Ok(count) => {
                    self.at = self
                        .at
                        .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                    buffer = buffer.get_mut(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).at("read", self.name)?,
            }
        }
        Ok(())
    }
}

/// The bytes of one file.
pub(super) struct Body<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: u64,
}

impl Body<'_, '_> {
    /// After the last byte was read: the zeros behind it.
    pub(super) fn finish(self, size: u64) -> Result<(), CarryError> {
        if self.left > 0 {
            return Err(self.reader.ended());
        }
        self.reader.padding(size)
    }
}

impl Read for Body<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let count = self
            .reader
            .from
            .read(buffer.get_mut(..most).unwrap_or_default())?;
        let read = u64::try_from(count).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(read);
        self.reader.at = self.reader.at.saturating_add(read);
        Ok(count)
    }
}
