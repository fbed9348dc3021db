//! Authenticity: keys, signatures and checksum documents. Bytes in, verdicts out; no I/O.

pub mod sums;
