//! Authenticity: keys, signatures and checksum documents. Bytes in, verdicts out; the trust
//! directory is the only thing read from disk, and `cms` alone asks a program of the host.

pub mod cms;
pub mod directory;
pub mod judge;
pub mod key;
#[cfg(feature = "connected")]
pub mod minisign;
#[cfg(feature = "connected")]
pub mod openpgp;
pub mod policy;
pub mod set;
pub mod sshsig;
pub mod sums;
