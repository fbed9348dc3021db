//! Staged trees against the real validators.

mod content;
mod database;
mod effects;
mod filter;
mod tools;
pub(crate) mod topology;
