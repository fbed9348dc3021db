#![doc = include_str!("FORMAT.md")]

pub mod contents;
pub mod header;
pub mod sums;
