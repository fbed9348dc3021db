//! Signatures of upstreams, judged by Haversack and by the programs that everybody else uses.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::format_push_string,
    reason = "tests fail by panicking"
)]

mod by_hand;
mod clear;
mod minisign;
mod openpgp;
mod published;
