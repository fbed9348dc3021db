//! Evidence for people: what is to be approved, printed, signed and kept.

pub mod dossier;
pub mod envelope;
pub mod links;
mod page;
pub mod paper;
pub mod verification;
