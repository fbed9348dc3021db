//! Signatures of upstreams, judged by Haversack and by the programs that everybody else uses.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod minisign;
mod openpgp;
