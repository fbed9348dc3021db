//! OpenPGP key fingerprints.

use std::fmt;
use std::str::FromStr;

use crate::types::text::serde_as_text;

use crate::types::digest::{hex, unhex};

/// An OpenPGP fingerprint, version 4 (20 bytes, RFC 4880 §12.2) or 6 (32 bytes, RFC 9580 §5.5.4),
/// shown in upper-case hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Vec<u8>);

/// The text was not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an OpenPGP fingerprint is 40 (or 64) hex digits, not `{0}`; a short key id is not enough to pin a key"
)]
pub struct ParseFingerprintError(String);

impl Fingerprint {
    /// A fingerprint from its bytes; `None` when there are not 20 or 32 of them.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 20 | 32).then(|| Self(bytes.to_vec()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0).to_uppercase())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let compact: String = text.chars().filter(|c| *c != ' ').collect();
        unhex(&compact)
            .and_then(|bytes| Self::from_bytes(&bytes))
            .ok_or_else(|| ParseFingerprintError(text.chars().take(80).collect()))
    }
}

serde_as_text!(Fingerprint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_spaces_and_lower_case_but_no_short_id() {
        let long = "A1B31D46F0F3A10B02CF2D44F8F2C31744774B28";
        let parsed: Fingerprint = "a1b3 1d46 f0f3 a10b 02cf  2d44 f8f2 c317 4477 4b28"
            .parse()
            .unwrap();
        assert_eq!(parsed.to_string(), long);
        assert!("44774B28".parse::<Fingerprint>().is_err());
        assert!(format!("{long}ZZ").parse::<Fingerprint>().is_err());
    }
}
