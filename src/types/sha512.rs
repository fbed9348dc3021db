//! SHA-512 digests, where an upstream publishes nothing else.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use sha2::{Digest as _, Sha512 as State};

use crate::types::digest::{hex, unhex};

/// Buffer for what is hashed.
const CHUNK: usize = 64 * 1024;

/// A SHA-512 digest (FIPS 180-4), 64 bytes, shown as 128 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha512([u8; 64]);

/// The text was not 128 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-512 is 128 hex digits, not `{0}`")]
pub struct ParseSha512Error(String);

impl Sha512 {
    /// The digest of everything in `data`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(mut data: impl Read) -> std::io::Result<Self> {
        let mut state = State::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            match data.read(&mut buffer) {
                Ok(0) => return Ok(Self(state.finalize().into())),
                Ok(count) => state.update(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Display for Sha512 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Sha512 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha512:{self}")
    }
}

impl FromStr for Sha512 {
    type Err = ParseSha512Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        unhex(text)
            .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| ParseSha512Error(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, example of one block.
    const ABC: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                       2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    #[test]
    fn is_that_of_the_standard() {
        assert_eq!(Sha512::of(&b"abc"[..]).unwrap().to_string(), ABC);
        assert_eq!(
            ABC.to_uppercase().parse::<Sha512>().unwrap().to_string(),
            ABC
        );
        assert_eq!(
            "00".parse::<Sha512>().unwrap_err().to_string(),
            "a SHA-512 is 128 hex digits, not `00`"
        );
    }
}
