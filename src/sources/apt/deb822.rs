//! The format of Debian control files (deb822(5)): stanzas of `Name: value` lines.
//!
//! Reads without copying, at the speed of the line search, and refuses what no archive writes: NUL
//! bytes, lines beyond [`MAX_LINE`], lines that are neither field nor continuation.

use std::io::BufRead as _;

/// Longest line, in bytes. The longest in Debian (a `Provides`) has 40 KiB.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// Where a text is no control file, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SyntaxError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// One field: its name as written, and its value with continuation lines, white space around it
/// removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// The name, in the case it is written in; compare with [`Field::is`].
    pub(crate) name: &'a [u8],
    /// The value; lines after the first still begin with their white space.
    pub(crate) value: &'a [u8],
    /// Line of the name, from 1.
    pub(crate) line: usize,
}

impl<'a> Field<'a> {
    /// Whether this is field `name`; case does not matter (deb822(5)).
    #[must_use]
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The lines of the value, without white space around them and without comments.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let lines = self.value.split(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.starts_with(b"#"))
            .map(<[u8]>::trim_ascii)
    }

    /// The value as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub(crate) fn text(&self) -> Result<&'a str, SyntaxError> {
        std::str::from_utf8(self.value).map_err(|_| SyntaxError {
            line: self.line,
            what: "the value is not UTF-8",
        })
    }
}

/// What comes next in a control file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A field of the current stanza.
    Field(Field<'a>),
    /// The end of the current stanza. Comes once after its last field.
    End,
}

/// Reads a control file item by item.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    inside: bool,
}

impl<'a> Reader<'a> {
    /// A reader of `text`. Lines that begin with `#` are comments everywhere.
    ///
    /// # Errors
    /// When the text holds a NUL byte.
    pub(crate) fn new(text: &'a [u8]) -> Result<Self, SyntaxError> {
        if text.contains(&0) {
            return Err(SyntaxError {
                line: 1,
                what: "the file holds a NUL byte",
            });
        }
        Ok(Self {
            text,
            at: 0,
            line: 0,
            inside: false,
        })
    }

    /// The next field, or the end of a stanza; `None` at the end of the text.
    ///
    /// # Errors
    /// When the text is no control file there.
    pub(crate) fn next_item(&mut self) -> Result<Option<Item<'a>>, SyntaxError> {
        while let Some((start, line)) = self.take_line()? {
            match line.first() {
                Some(b'#') => {}
                Some(b' ' | b'\t') if !line.trim_ascii().is_empty() => {
                    return Err(self.wrong("a continuation line without a field"));
                }
                None | Some(b' ' | b'\t') => {
                    if std::mem::take(&mut self.inside) {
                        return Ok(Some(Item::End));
                    }
                }
                Some(_) => {
                    return self
                        .field(start, line)
                        .map(|field| Some(Item::Field(field)));
                }
            }
        }
        Ok(std::mem::take(&mut self.inside).then_some(Item::End))
    }

    fn field(&mut self, start: usize, line: &'a [u8]) -> Result<Field<'a>, SyntaxError> {
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or_else(|| self.wrong("neither a field nor a continuation"))?;
        let name = line.get(..colon).unwrap_or_default();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Err(self.wrong("the name of the field is none"));
        }
        self.inside = true;
        let number = self.line;
        let mut end = start + line.len();
        while let Some(b' ' | b'\t' | b'#') = self.text.get(self.at) {
            let before = (self.at, self.line);
            let Some((at, next)) = self.take_line()? else {
                break;
            };
            if next.trim_ascii().is_empty() {
                (self.at, self.line) = before;
                break;
            }
            end = at + next.len();
        }
        let value = self.text.get(start + colon + 1..end).unwrap_or_default();
        Ok(Field {
            name,
            value: value.trim_ascii(),
            line: number,
        })
    }

    /// The next line without its end, and where it begins.
    fn take_line(&mut self) -> Result<Option<(usize, &'a [u8])>, SyntaxError> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        // A slice as `BufRead` searches with memchr; it cannot fail.
        let mut after = rest;
        let length = after.skip_until(b'\n').unwrap_or(rest.len());
        if length > MAX_LINE {
            return Err(self.wrong("the line is too long"));
        }
        self.at = start + length;
        let line = rest.get(..length).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Ok(Some((start, line.strip_suffix(b"\r").unwrap_or(line))))
    }

    fn wrong(&self, what: &'static str) -> SyntaxError {
        SyntaxError {
            line: self.line,
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<Vec<(String, String)>>, SyntaxError> {
        let mut reader = Reader::new(text)?;
        let (mut stanzas, mut stanza) = (Vec::new(), Vec::new());
        while let Some(item) = reader.next_item()? {
            match item {
                Item::Field(field) => stanza.push((
                    String::from_utf8(field.name.to_vec()).unwrap(),
                    field.text()?.to_owned(),
                )),
                Item::End => stanzas.push(std::mem::take(&mut stanza)),
            }
        }
        assert!(stanza.is_empty());
        Ok(stanzas)
    }

    fn field(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn reads_stanzas_with_comments_and_continuations() {
        let text = b"# head\n\nA: 1\n# inside\nB:\n two\n  three\n\n \t\n\nC : x\r\nD:y";
        assert_eq!(read(b"\n\n# only\n").unwrap(), Vec::<Vec<_>>::new());
        assert_eq!(
            read(text).unwrap_err().what,
            "the name of the field is none"
        );
        let text = b"# head\n\nA: 1\n# inside\nB:\n two\n  three\n\n \t\n\nC: x\r\nD:y";
        assert_eq!(
            read(text).unwrap(),
            [
                vec![field("A", "1\n# inside"), field("B", "two\n  three")],
                vec![field("C", "x"), field("D", "y")],
            ]
        );
    }

    #[test]
    fn refuses_what_no_archive_writes() {
        for (text, what, line) in [
            (&b"A: 1\n\0: 2\n"[..], "the file holds a NUL byte", 1),
            (b" x: 1\n", "a continuation line without a field", 1),
            (b"A: 1\nB\n", "neither a field nor a continuation", 2),
            (b": 1\n", "the name of the field is none", 1),
        ] {
            assert_eq!(read(text).unwrap_err(), SyntaxError { line, what });
        }
        let mut long = b"A: ".to_vec();
        long.resize(MAX_LINE + 1, b'x');
        assert_eq!(read(&long).unwrap_err().what, "the line is too long");
        assert!(read(b"A: \xff\n").is_err());
    }
}
