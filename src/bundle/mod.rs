//! The bundle: a folder of plain files under a signed list of their hashes (bundle format 1).

pub mod contents;
