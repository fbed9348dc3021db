//! Staged trees against the real validators.

mod content;
mod database;
mod effects;
mod family;
mod family_rhel;
mod filter;
mod live;
mod replica;
mod services;
pub(crate) mod tools;
pub(crate) mod topology;
mod world;
