//! How a file is opened, and closed again: its parts, in order.

use serde::{Deserialize, Serialize};

use super::xz::Settings;
use super::{DeltaError, MAX_OPENED, MAX_PACKED, MAX_PARTS};

/// A part of a file. Parts follow each other without a gap, so that their packed lengths add up to its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// How it is packed.
    pub form: Form,
    /// Bytes of it in the file.
    pub packed: u64,
    /// Bytes of it in the opened file.
    pub opened: u64,
}

/// How a part is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Form {
    /// Not at all.
    Plain,
    /// As one `.xz` stream. To pack it again, the settings of the encoder must be known.
    Xz(Option<Settings>),
    /// As a deflate stream (RFC 1951), without the header and trailer of gzip.
    Deflate,
}

/// Whether the parts are for unpacking only, or for packing too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The file that there is.
    Base,
    /// The file that is made.
    Made,
}

/// Refuses parts that cannot be those of a file of `size` bytes; gives the size of the opened file.
///
/// # Errors
/// With what is wrong.
pub fn check(parts: &[Part], size: u64, purpose: Use) -> Result<u64, DeltaError> {
    let wrong = |text: &str| Err(DeltaError::broken(text));
    if parts.len() > MAX_PARTS || size > MAX_PACKED {
        return wrong("a file of more than 64 parts or 1 GiB");
    }
    let (mut packed, mut opened) = (0_u64, 0_u64);
    for part in parts {
        if part.packed == 0 {
            return wrong("a part without bytes");
        }
        packed = packed.saturating_add(part.packed);
        opened = opened.saturating_add(part.opened);
        match (part.form, purpose) {
            (Form::Plain, _) if part.packed != part.opened => {
                return wrong("a plain part with two lengths");
            }
            (Form::Xz(None), Use::Made) | (Form::Xz(Some(_)), Use::Base) => {
                return wrong("settings of xz belong to what is packed, and only there");
            }
            (Form::Xz(Some(settings)), Use::Made) => settings.check()?,
            _ => {}
        }
    }
    if packed != size {
        return wrong("parts that are not the whole file");
    }
    if opened > MAX_OPENED {
        return wrong("an opened file of more than 1 GiB");
    }
    Ok(opened)
}
