//! A file made from another one: what the isolated side does, and what the builder does to be sure.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Take, Write};

use liblzma::read::XzDecoder;

use super::change::{Section, Sections};
use super::layout::{Form, Part, Use, check};
use super::steps::{Replay, Streams};
use super::{BUFFER, DeltaError, deflate, small, wide, xz};
use crate::event::Cancelled;

/// A file to which the base is opened, empty at first.
pub trait Scratch: Read + Write + Seek {}

impl<T: Read + Write + Seek> Scratch for T {}

/// Makes the file of `made` from the file of `base`: each is its parts, its size, and where it is read or written.
/// The change is opened several times; its size was checked. What is written must still be hashed: only that says
/// that it is the right file. `told` hears of each piece that was opened or made, and may end the work.
///
/// # Errors
/// When layouts, change and base do not belong together; what was written up to then is good for nothing.
pub fn rebuild<C: Read + Seek>(
    (base, base_size, from): (&[Part], u64, &mut dyn Read),
    (open, change_size): (&mut dyn FnMut() -> io::Result<C>, u64),
    scratch: &mut dyn Scratch,
    (made, made_size, to): (&[Part], u64, &mut dyn Write),
    told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
) -> Result<(), DeltaError> {
    let length = check(base, base_size, Use::Base)?;
    check(made, made_size, Use::Made)?;
    let mut first = open()?;
    let sections = Sections::read(&mut first, change_size)?;
    for part in base {
        unpack(part, from, scratch, told)?;
    }
    scratch.seek(SeekFrom::Start(0))?;
    let mut stream = |section| -> Result<Stream<C>, DeltaError> {
        let limited = sections.limit(open()?, section)?;
        Ok(Stream(if sections.length(section) == 0 {
            None
        } else {
            Some(xz::decoder(limited)?)
        }))
    };
    let streams = Streams {
        steps: BufReader::new(stream(Section::Steps)?),
        differences: BufReader::new(stream(Section::Differences)?),
        literals: BufReader::new(stream(Section::Literals)?),
    };
    let mut corrections = BufReader::new(sections.limit(open()?, Section::Corrections)?);
    let mut old = BufReader::with_capacity(BUFFER, scratch);
    let mut new = Replay::new(streams, &mut old, length);
    let mut to = Limited {
        to,
        left: made_size,
    };
    for part in made {
        pack(part, &mut new, &mut corrections, &mut to, told)?;
    }
    new.finish()?;
    let mut more = [0];
    if to.left != 0 || corrections.read(&mut more)? != 0 {
        return Err(DeltaError::broken("the change makes another length"));
    }
    Ok(())
}

/// A stream of a change; an empty one has no bytes at all.
struct Stream<C: Read>(Option<XzDecoder<Take<C>>>);

impl<C: Read> Read for Stream<C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.as_mut().map_or(Ok(0), |stream| stream.read(buffer))
    }
}

/// Opens a part of the base.
fn unpack(
    part: &Part,
    from: &mut dyn Read,
    to: &mut dyn Write,
    told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
) -> Result<(), DeltaError> {
    let mut packed = from.take(part.packed);
    let mut over = [0];
    let more = match part.form {
        Form::Plain => {
            copy(&mut packed, to, part.opened, told)?;
            0
        }
        Form::Xz(_) => {
            let mut plain = xz::decoder(&mut packed)?;
            copy(&mut plain, to, part.opened, told)?;
            plain.read(&mut over)?
        }
        Form::Deflate => {
            let mut plain = flate2::read::DeflateDecoder::new(&mut packed);
            copy(&mut plain, to, part.opened, told)?;
            plain.read(&mut over)?
        }
    };
    if more != 0 || packed.limit() != 0 {
        return Err(DeltaError::broken("a part of the base has another length"));
    }
    Ok(())
}

/// Packs a part of the new file.
fn pack(
    part: &Part,
    from: &mut dyn Read,
    corrections: &mut dyn Read,
    to: &mut dyn Write,
    told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
) -> Result<(), DeltaError> {
    match part.form {
        Form::Plain => copy(from, to, part.opened, told),
        Form::Deflate => deflate::close((from, part.opened), corrections, to, told),
        Form::Xz(None) => Err(DeltaError::broken("xz without settings")),
        Form::Xz(Some(settings)) => {
            let mut encoder = settings.encoder(to)?;
            copy(from, &mut encoder, part.opened, told)?;
            encoder.finish()?;
            Ok(())
        }
    }
}

/// Copies exactly so many bytes.
fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    count: u64,
    told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
) -> Result<(), DeltaError> {
    let mut buffer = vec![0; BUFFER];
    let mut left = count;
    while left > 0 {
        let piece = small(left.min(wide(BUFFER)))?;
        let bytes = buffer.get_mut(..piece).unwrap_or_default();
        from.read_exact(bytes)?;
        to.write_all(bytes)?;
        left = left.saturating_sub(wide(piece));
        told(wide(piece))?;
    }
    Ok(())
}

/// Takes no more than was announced.
struct Limited<'a> {
    to: &'a mut dyn Write,
    left: u64,
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if wide(bytes.len()) > self.left {
            return Err(io::Error::other("the change makes another length"));
        }
        let count = self.to.write(bytes)?;
        self.left = self.left.saturating_sub(wide(count));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
