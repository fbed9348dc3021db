//! The apt source against the real apt.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::format_push_string,
    reason = "what fails in a helper fails its test, and timings are printed"
)]

pub(crate) mod openpgp;
pub(crate) mod own;
mod real;
