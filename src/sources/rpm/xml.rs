//! XML of strangers, as a stream of what matters: elements with their depth, attributes and texts.
//!
//! No document type, no entities but the five of XML itself and character references, UTF-8 only; depth,
//! the bytes of one piece and the attributes of one element are limited before memory is taken.

use std::io::{self, BufRead, Read};

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// Deepest nesting. The documents of a repository have five levels.
const MAX_DEPTH: usize = 16;
/// Most bytes of one tag, text or comment. Descriptions of packages have some kilobytes.
const MAX_PIECE: usize = 1 << 20;
/// Most attributes of one element.
const MAX_ATTRIBUTES: usize = 64;

/// A step through a document.
#[derive(Debug)]
pub(super) enum Piece<'b> {
    /// An element begins; the depth of the outermost is 1.
    Open(Element<'b>, usize),
    /// A part of the text of the element that is open.
    Text(String),
    /// The element at this depth ends.
    Close(usize),
}

/// A start tag.
#[derive(Debug)]
pub(super) struct Element<'b>(BytesStart<'b>);

impl Element<'_> {
    /// Whether it has this name, as written.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.name().as_ref() == name.as_bytes()
    }

    /// The value of an attribute.
    ///
    /// # Errors
    /// In words, when the tag is malformed, or has the attribute twice.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<String>, String> {
        let mut found = None;
        for (count, one) in self.0.attributes().with_checks(false).enumerate() {
            if count == MAX_ATTRIBUTES {
                return Err(format!(
                    "an element has more than {MAX_ATTRIBUTES} attributes"
                ));
            }
            let one = one.map_err(|error| error.to_string())?;
            if one.key.as_ref() != name.as_bytes() {
                continue;
            }
            let value = one.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| error.to_string())?.into_owned();
            if found.replace(value).is_some() {
                return Err(format!("an element has the attribute `{name}` twice"));
            }
        }
        Ok(found)
    }
}

/// Reads a document piece by piece.
pub(super) struct Walk<R: BufRead> {
    reader: Reader<Metered<R>>,
    depth: usize,
    begun: bool,
}

impl<R: BufRead> Walk<R> {
    pub(super) fn new(document: R) -> Self {
        let mut reader = Reader::from_reader(Metered {
            inner: document,
            left: MAX_PIECE,
        });
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            depth: 0,
            begun: false,
        }
    }

    /// The next piece; `None` at the end. `buffer` is where it lies.
    ///
    /// # Errors
    /// In words, when the document is malformed or leaves the limits.
    pub(super) fn next<'b>(
        &mut self,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Piece<'b>>, String> {
        let event = loop {
            buffer.clear();
            self.reader.get_mut().left = MAX_PIECE;
            let event = self.reader.read_event_into(buffer).map_err(in_words)?;
            if !matches!(event, Event::Comment(_) | Event::Decl(_) | Event::PI(_)) {
                break event.into_owned();
            }
        };
        match event {
            Event::Start(tag) => {
                if self.depth == 0 && self.begun {
                    return Err("it has more than one outermost element".to_owned());
                }
                if self.depth == MAX_DEPTH {
                    return Err(format!("it is nested deeper than {MAX_DEPTH} elements"));
                }
                (self.depth, self.begun) = (self.depth.saturating_add(1), true);
                Ok(Some(Piece::Open(Element(tag), self.depth)))
            }
            Event::End(_) => {
                let ended = self.depth;
                self.depth = self.depth.saturating_sub(1);
                Ok(Some(Piece::Close(ended)))
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|error| error.to_string())?;
                Ok(Some(Piece::Text(text.into_owned())))
            }
            Event::CData(text) => {
                let text = text.decode().map_err(|error| error.to_string())?;
                Ok(Some(Piece::Text(text.into_owned())))
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(in_words)?;
                if let Some(character) = character {
                    return Ok(Some(Piece::Text(character.to_string())));
                }
                let name = reference.decode().map_err(|error| error.to_string())?;
                let known = resolve_predefined_entity(&name);
                let known = known.ok_or("it has an entity that XML itself does not define")?;
                Ok(Some(Piece::Text(known.to_owned())))
            }
            Event::DocType(_) => Err("it has a document type, which is not read".to_owned()),
            Event::Eof if self.depth > 0 || !self.begun => {
                Err("it ends before its outermost element does".to_owned())
            }
            _ => Ok(None),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` gives")]
fn in_words(error: quick_xml::Error) -> String {
    error.to_string()
}

/// Ends with an error when one piece takes more than it may.
struct Metered<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut here = self.fill_buf()?;
        let count = here.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("one piece of it is longer than {MAX_PIECE} bytes"),
            ));
        }
        let here = self.inner.fill_buf()?;
        Ok(here.get(..self.left).unwrap_or(here))
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(document: &str) -> Result<String, String> {
        let (mut walk, mut buffer) = (Walk::new(document.as_bytes()), Vec::new());
        let mut said = String::new();
        while let Some(piece) = walk.next(&mut buffer)? {
            let piece = match piece {
                Piece::Open(tag, depth) => format!("<{depth}{:?}", tag.attribute("a")?),
                Piece::Text(text) => text,
                Piece::Close(depth) => format!("{depth}>"),
            };
            said.push_str(&piece);
        }
        Ok(said)
    }

    #[test]
    fn gives_elements_texts_and_the_references_of_xml_itself() {
        let said =
            walk("<?xml version=\"1.0\"?><r><!-- c --><x a='1&amp;2'/>a&lt;&#98;</r>").unwrap();
        assert_eq!(said, "<1None<2Some(\"1&2\")2>a<b1>");
    }

    #[test]
    fn refuses_what_is_malformed_or_leaves_the_limits() {
        let deep = "<x>".repeat(17) + &"</x>".repeat(17);
        let long = format!("<x>{}</x>", "a".repeat(MAX_PIECE + 1));
        let wide = (0..65)
            .map(|n| format!(" b{n}='1'"))
            .collect::<Vec<_>>()
            .concat();
        for (document, why) in [
            ("", "ends before"),
            ("<x>", "ends before"),
            ("<x></y>", "expected `</x>`"),
            ("<x/><x/>", "more than one outermost"),
            (deep.as_str(), "nested deeper than 16"),
            (long.as_str(), "longer than 1048576 bytes"),
            (&format!("<x{wide}/>"), "more than 64 attributes"),
            ("<x a='1' a='2'/>", "twice"),
            ("<!DOCTYPE x [<!ENTITY e 'x'>]><x>&e;</x>", "document type"),
            ("<x>&e;</x>", "entity that XML itself"),
            ("<x a='&e;'/>", "unrecognized entity"),
        ] {
            let error = walk(document).unwrap_err();
            let start: String = document.chars().take(40).collect();
            assert!(error.contains(why), "{start}: {error}");
        }
    }
}
