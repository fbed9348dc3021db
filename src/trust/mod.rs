//! Authenticity: keys, signatures and checksum documents. Bytes in, verdicts out; the trust
//! directory is the only thing read from disk.

pub mod directory;
pub mod judge;
pub mod key;
#[cfg(feature = "connected")]
pub mod minisign;
#[cfg(feature = "connected")]
pub mod openpgp;
pub mod policy;
pub mod sshsig;
pub mod sums;
