//! The integration tests: one binary, one module a part of the journey.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests prepare files by hand, and may fail"
)]

mod apt;
mod bundle;
mod carry;
mod commands;
mod connected;
mod custody;
mod diff;
mod dossier;
mod fleet;
mod ha;
mod images;
mod init;
mod lint;
mod matrix;
mod plan;
mod postgres;
mod preflight;
mod proof;
mod readme;
mod refusals;
mod rows;
mod signatures;
mod stage;
mod support;
mod transfer;
mod trusting;
