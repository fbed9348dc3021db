//! Signatures of minisign, legacy (`Ed`) and prehashed (`ED`).
//!
//! The primitives are those of the crate `minisign-verify`. As `minisign -V` does, both the signature
//! over the file and the one over the trusted comment must be good. A prehashed file is read in small
//! pieces; a legacy one is signed as a whole, and is held in memory, so that its size is limited.

use std::io::Read;

use minisign_verify::{PublicKey, Signature};

use crate::types::minisign::MinisignKey;

/// Longest signature file, in bytes: comments are at most 8192 bytes each (minisign's `TRUSTEDCOMMENTMAXBYTES`).
pub const MAX_SIGNATURE: u64 = 32 << 10;
/// Largest file with a legacy signature, in bytes.
pub const MAX_LEGACY: u64 = 512 << 20;
/// Longest comment, in bytes, as minisign has it.
const MAX_COMMENT: usize = 8192;
/// Buffer for the signed data.
const CHUNK: usize = 64 * 1024;

/// Why a minisign signature is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MinisignError {
    /// The signature file has not the four lines that it must have.
    #[error("it is no minisign signature: {0}")]
    Malformed(String),
    /// Another key made it.
    #[error("it was made by another key than {0}")]
    OtherKey(String),
    /// The bytes, or the trusted comment, are not what was signed.
    #[error("key {0} did not sign these bytes with this trusted comment")]
    Bad(String),
    /// The trusted comment lacks what the manifest asks for.
    #[error("its trusted comment is `{found}`, without `{wanted}`")]
    Comment {
        /// What it must hold.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// A legacy signature over too large a file.
    #[error("a legacy signature is checked over at most {MAX_LEGACY} bytes")]
    TooLarge,
    /// The signed data cannot be read.
    #[error("the signed data cannot be read")]
    Read(#[source] std::io::Error),
}

/// Verifies the text of a signature file over `data`, which is read once. Gives the trusted comment.
/// With `wanted`, the trusted comment must hold this text: it says which file of many this is.
///
/// # Errors
/// When the signature cannot be read, is of another key, or is not good.
pub fn verify(
    key: &MinisignKey,
    signature: &[u8],
    wanted: Option<&str>,
    mut data: impl Read,
) -> Result<String, MinisignError> {
    let public = PublicKey::from_base64(key.as_str()).map_err(|error| malformed(&error))?;
    let signature = parse(signature)?;
    let refused = |error: minisign_verify::Error| match error {
        minisign_verify::Error::UnexpectedKeyId => MinisignError::OtherKey(key.id()),
        minisign_verify::Error::InvalidSignature => MinisignError::Bad(key.id()),
        other => malformed(&other),
    };
    match public.verify_stream(&signature) {
        Ok(mut stream) => {
            let mut buffer = vec![0; CHUNK];
            loop {
                match data.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => stream.update(buffer.get(..count).unwrap_or_default()),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(MinisignError::Read(error)),
                }
            }
            stream.finalize().map_err(refused)?;
        }
        Err(minisign_verify::Error::UnsupportedLegacyMode) => {
            let mut bytes = Vec::new();
            let mut limited = data.take(MAX_LEGACY.saturating_add(1));
            limited
                .read_to_end(&mut bytes)
                .map_err(MinisignError::Read)?;
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_LEGACY {
                return Err(MinisignError::TooLarge);
            }
            public.verify(&bytes, &signature, true).map_err(refused)?;
        }
        Err(error) => return Err(refused(error)),
    }
    let found = signature.trusted_comment().to_owned();
    match wanted {
        Some(wanted) if !found.contains(wanted) => Err(MinisignError::Comment {
            wanted: wanted.to_owned(),
            found: found.escape_debug().collect(),
        }),
        _ => Ok(found),
    }
}

fn parse(bytes: &[u8]) -> Result<Signature, MinisignError> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_SIGNATURE {
        let text = format!("it is longer than {MAX_SIGNATURE} bytes");
        return Err(MinisignError::Malformed(text));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| MinisignError::Malformed("it is no UTF-8 text".to_owned()))?;
    // The crate skips the first line unread; minisign does not.
    if !text.starts_with("untrusted comment: ") {
        let text = "its first line is no untrusted comment";
        return Err(MinisignError::Malformed(text.to_owned()));
    }
    if text.lines().take(4).any(|line| line.len() >= MAX_COMMENT) {
        let text = format!("a line is longer than {MAX_COMMENT} bytes");
        return Err(MinisignError::Malformed(text));
    }
    Signature::decode(text).map_err(|error| malformed(&error))
}

fn malformed(error: &minisign_verify::Error) -> MinisignError {
    MinisignError::Malformed(error.to_string())
}
