//! Opening a file whose parts nobody has named yet: what the builder does.

use std::io::Read;

use super::deflate;
use super::layout::{Form, Part, Use};
use super::{MAX_OPENED, MAX_PARTS, wide, xz};

/// A file, opened.
pub(super) struct Opened {
    pub(super) parts: Vec<Part>,
    /// The opened file.
    pub(super) bytes: Vec<u8>,
    /// What its deflate streams need to be packed again.
    pub(super) corrections: Vec<u8>,
}

/// Opens `file` as far as it can be opened, and for [`Use::Made`] also closed again; the rest stays plain.
pub(super) fn open(file: &[u8], purpose: Use) -> Opened {
    let mut opening = Opening {
        file,
        purpose,
        plain: 0,
        found: Opened {
            parts: Vec::new(),
            bytes: Vec::new(),
            corrections: Vec::new(),
        },
    };
    if file.starts_with(b"!<arch>\n") {
        opening.archive();
    } else {
        opening.packed(0, file.len());
    }
    opening.plain_until(file.len());
    opening.found
}

struct Opening<'a> {
    file: &'a [u8],
    purpose: Use,
    /// Where what has no part yet begins.
    plain: usize,
    found: Opened,
}

impl Opening<'_> {
    /// The members of an archive of `ar`, as a Debian package is one (deb(5)): headers of 60 bytes, the size
    /// in 10 decimal digits at 48, content filled up to an even length.
    fn archive(&mut self) {
        let mut at = 8_usize;
        while let Some(header) = self.file.get(at..at.saturating_add(60)) {
            let size = header.get(48..58).unwrap_or_default();
            let size = std::str::from_utf8(size).unwrap_or_default();
            let Ok(size) = size.trim_end().parse::<usize>() else {
                return;
            };
            let begin = at.saturating_add(60);
            let end = begin.saturating_add(size);
            self.packed(begin, end);
            at = end.saturating_add(size & 1);
        }
    }

    /// What stands between these places, when it is packed.
    fn packed(&mut self, begin: usize, end: usize) {
        let Some(bytes) = self.file.get(begin..end) else {
            return;
        };
        // A plain part before, and one behind.
        if self.found.parts.len().saturating_add(3) > MAX_PARTS {
            return;
        }
        if bytes.starts_with(b"\xfd7zXZ\x00") {
            self.xz(begin, bytes);
        } else if let Some(header) = gzip_header(bytes) {
            self.deflate(begin.saturating_add(header), bytes.get(header..));
        }
    }

    fn xz(&mut self, begin: usize, packed: &[u8]) {
        let mut plain = Vec::new();
        let Ok(decoder) = xz::decoder(packed) else {
            return;
        };
        let mut limited = decoder.take(self.room().saturating_add(1));
        if limited.read_to_end(&mut plain).is_err() || wide(plain.len()) > self.room() {
            return;
        }
        let settings = match self.purpose {
            Use::Base => None,
            Use::Made => match xz::settings_of(packed, &plain) {
                None => return,
                settings => settings,
            },
        };
        self.part(Form::Xz(settings), (begin, packed.len()), &plain);
    }

    fn deflate(&mut self, begin: usize, packed: Option<&[u8]>) {
        let room = self.room();
        let Some(found) = packed.and_then(|packed| deflate::open(packed, room)) else {
            return;
        };
        if self.purpose == Use::Made {
            self.found.corrections.extend(&found.corrections);
        }
        self.part(Form::Deflate, (begin, found.packed), &found.plain);
    }

    /// How much may still be opened, when all that is left stays plain.
    fn room(&self) -> u64 {
        let left = self.file.len().saturating_sub(self.plain);
        let taken = wide(self.found.bytes.len()).saturating_add(wide(left));
        MAX_OPENED.saturating_sub(taken)
    }

    fn part(&mut self, form: Form, (begin, length): (usize, usize), plain: &[u8]) {
        self.plain_until(begin);
        self.found.bytes.extend_from_slice(plain);
        self.found.parts.push(Part {
            form,
            packed: wide(length),
            opened: wide(plain.len()),
        });
        self.plain = begin.saturating_add(length);
    }

    fn plain_until(&mut self, end: usize) {
        let Some(bytes) = self.file.get(self.plain..end) else {
            return;
        };
        if bytes.is_empty() {
            return;
        }
        self.found.bytes.extend_from_slice(bytes);
        self.found.parts.push(Part {
            form: Form::Plain,
            packed: wide(bytes.len()),
            opened: wide(bytes.len()),
        });
        self.plain = end;
    }
}

/// Length of the header of gzip (RFC 1952) at the beginning.
fn gzip_header(bytes: &[u8]) -> Option<usize> {
    let [0x1f, 0x8b, 8, flags, ..] = bytes else {
        return None;
    };
    let mut at = 10_usize;
    if flags & 4 != 0 {
        let length = bytes.get(at..at.checked_add(2)?)?;
        let length = usize::from(u16::from_le_bytes(length.try_into().ok()?));
        at = at.checked_add(2)?.checked_add(length)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let text = bytes.get(at..)?;
            let end = text.iter().position(|byte| *byte == 0)?;
            at = at.checked_add(end)?.checked_add(1)?;
        }
    }
    if flags & 2 != 0 {
        at = at.checked_add(2)?;
    }
    Some(at)
}
