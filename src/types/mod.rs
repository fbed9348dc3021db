//! The vocabulary: values that cannot be wrong, without any I/O.
//!
//! Each type is made by parsing (`FromStr`, `TryFrom`); once it exists it is valid.

pub mod count;
pub mod digest;
pub mod fingerprint;
pub mod hide;
pub mod image;
pub mod minisign;
pub mod name;
pub mod path;
pub mod pattern;
pub mod phrase;
pub mod place;
pub mod scheme;
pub mod secret;
pub mod severity;
pub mod sha512;
pub mod size;
pub mod sniff;
pub mod target;
mod text;
pub mod url;
