//! Signatures of `OpenPGP`, by pinned certificates (RFC 9580, and RFC 4880 for what is older).
//!
//! The primitives are those of the crate `pgp`; what makes a key or a self-signature valid is decided
//! by the crate `rpgpie`. On top of both this module is strict where it protects people:
//!
//! - A certificate must be valid *now*: not expired, not revoked. Of several self-signatures the newest
//!   counts, so that a key renewed in place is good although its older self-signature has run out.
//! - Every revocation by the key itself counts, whatever its reason, date and hash.
//! - Data signatures need SHA-256 or stronger, whatever date they claim.
//! - From a clear-signed text only the part that was signed is returned; text around it is refused.
//!
//! One good signature by a certificate of the keyring is enough; others beside it, by unknown keys or
//! broken, are ignored and reported, for upstreams sign with several keys while they change them.

mod keyring;
mod verify;

pub use keyring::{Keyring, MAX_KEYRING};
pub use verify::{ClearSigned, MAX_CLEAR_SIGNED, MAX_SIGNATURE};

use jiff::Timestamp;

use crate::types::fingerprint::Fingerprint;

/// Why a keyring or a signature was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum OpenPgpError {
    /// The keyring cannot be read.
    #[error("the keyring cannot be read: {0}")]
    Keyring(String),
    /// Pinned certificates are not in the keyring.
    #[error("the keyring lacks pinned {}; it holds {}", list(missing), list(found))]
    NotInKeyring {
        /// Pinned, but not there.
        missing: Vec<Fingerprint>,
        /// What is there.
        found: Vec<Fingerprint>,
    },
    /// The signature, or the signed text, has not the form it must have.
    #[error("no OpenPGP signature can be read: {0}")]
    Malformed(String),
    /// No signature is good.
    #[error("no good signature by {}: {}", list(trusted), reasons(rejected))]
    NoneGood {
        /// The certificates of which one would do.
        trusted: Vec<Fingerprint>,
        /// What was found instead, one entry a signature.
        rejected: Vec<Rejected>,
    },
    /// The signed data cannot be read.
    #[error("the signed data cannot be read")]
    Read(#[source] std::io::Error),
}

/// A signature that did not count, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The key it names as its maker: a fingerprint or key id in hex, or `unknown key`.
    pub issuer: String,
    /// Why it did not count.
    pub reason: Reason,
}

/// Why a signature did not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Its maker is not in the keyring.
    #[error("is not in the keyring")]
    UnknownKey,
    /// The certificate has expired.
    #[error("expired on {0}; a newer copy of the same key may have been renewed")]
    Expired(Timestamp),
    /// The certificate or its signing subkey is revoked.
    #[error("is revoked")]
    Revoked,
    /// The key may not sign data: no valid self-signature, no signing flag, no back-signature, too
    /// weak, or its subkey has expired.
    #[error(
        "may not sign data now (no valid self-signature, flag or back-signature, expired subkey, or too weak a key)"
    )]
    NotForSigning,
    /// The signature uses a hash or an algorithm that can be forged.
    #[error("signed with {0}, which is too weak")]
    Weak(String),
    /// The signature is older than its key, or comes from the future.
    #[error("made it at an impossible time")]
    Time,
    /// The signature has run out.
    #[error("limited it in time, and that has passed")]
    SignatureExpired,
    /// The bytes are not what was signed.
    #[error("did not sign these bytes")]
    Bad,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "key {} {}", self.issuer, self.reason)
    }
}

fn list(fingerprints: &[Fingerprint]) -> String {
    if fingerprints.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<String> = fingerprints.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

fn reasons(rejected: &[Rejected]) -> String {
    if rejected.is_empty() {
        return "there is no signature".to_owned();
    }
    let shown: Vec<String> = rejected.iter().map(ToString::to_string).collect();
    shown.join("; ")
}
