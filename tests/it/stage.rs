//! Staged trees against the real validators.

mod content;
mod database;
mod filter;
mod tools;
