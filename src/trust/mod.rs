//! Authenticity: keys, signatures and checksum documents. Bytes in, verdicts out; no I/O.

#[cfg(feature = "connected")]
pub mod openpgp;
pub mod sums;
