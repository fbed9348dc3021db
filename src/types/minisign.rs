//! Public keys of minisign.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::types::text::serde_as_text;

/// Bytes of a public key: `Ed`, eight of the key id, 32 of the key (minisign's "Public key format").
const LENGTH: usize = 42;

/// A public key of minisign as its publisher writes it: 56 letters of base64 that begin with `RW`.
///
/// That its 32 last bytes are a point of the curve is found out by the first signature.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinisignKey(String);

/// The text was no public key of minisign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a public key of minisign is 56 letters that begin with `RW`, such as the second line of minisign.pub"
)]
pub struct ParseMinisignKeyError;

impl MinisignKey {
    /// The key in base64.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that minisign prints for it: 16 hex digits in capitals.
    #[must_use]
    pub fn id(&self) -> String {
        let bytes = STANDARD.decode(&self.0).unwrap_or_default();
        let id = bytes.get(2..10).unwrap_or_default();
        // minisign reads the eight bytes as a number, lowest byte first.
        let digits = id.iter().rev().map(|byte| format!("{byte:02X}"));
        digits.collect()
    }
}

impl fmt::Display for MinisignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MinisignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "minisign:{}", self.0)
    }
}

impl FromStr for MinisignKey {
    type Err = ParseMinisignKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != LENGTH.div_ceil(3).saturating_mul(4) {
            return Err(ParseMinisignKeyError);
        }
        let bytes = STANDARD.decode(text).map_err(|_| ParseMinisignKeyError)?;
        if bytes.len() != LENGTH || !bytes.starts_with(b"Ed") {
            return Err(ParseMinisignKeyError);
        }
        Ok(Self(text.to_owned()))
    }
}

serde_as_text!(MinisignKey);

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the examples in minisign's own documentation.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn knows_the_id_as_minisign_prints_it() {
        let key: MinisignKey = KEY.parse().unwrap();
        assert_eq!(key.id(), "E7620F1842B4E81F");
        assert_eq!(key.to_string(), KEY);
    }

    #[test]
    fn refuses_what_is_no_public_key() {
        let secret = format!("RUQf{}", "A".repeat(52));
        for text in [
            "",
            "RW",
            KEY.trim_end_matches('3'),
            &format!("{KEY}A"),
            &secret,
            &"-".repeat(56),
        ] {
            assert_eq!(
                text.parse::<MinisignKey>(),
                Err(ParseMinisignKeyError),
                "{text}"
            );
        }
    }
}
