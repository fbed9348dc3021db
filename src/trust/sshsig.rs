//! SSH signatures (`PROTOCOL.sshsig` of OpenSSH) by an ECDSA P-384 key, for hosts where
//! `ssh-keygen -Y verify` is at hand and `openssl` is not.
//!
//! Only what a bundle needs is written and read: key type `ecdsa-sha2-nistp384` (RFC 5656), the
//! namespace [`NAMESPACE`], hash `sha512` (`sha256` is read too).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p384::ecdsa::Signature;
use sha2::{Digest as _, Sha256, Sha512};

use crate::trust::key::{SignatureError, SigningKey, VerifyingKey};

/// The namespace that bundles are signed in; it keeps a signature made for another purpose out.
pub const NAMESPACE: &str = "haversack-bundle";
/// Longest armored signature that is read, in bytes.
pub const MAX_ARMOR: usize = 64 * 1024;

const MAGIC: &[u8] = b"SSHSIG";
const KEY_TYPE: &[u8] = b"ecdsa-sha2-nistp384";
const CURVE: &[u8] = b"nistp384";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// Columns of the armor, as `ssh-keygen` writes it.
const COLUMNS: usize = 70;

/// Why an SSH signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshSigError {
    /// The armor or the structure in it is broken.
    #[error("this is no SSH signature: {0}")]
    Malformed(&'static str),
    /// It was made with a key or hash that is not accepted.
    #[error("the SSH signature uses {0}, which is not accepted")]
    Algorithm(String),
    /// It was made for another purpose.
    #[error("the SSH signature is for the namespace `{0}`, which is another purpose")]
    Namespace(String),
    /// It is not by the key in it over these bytes.
    #[error("the SSH signature does not match")]
    Wrong(#[source] SignatureError),
}

/// The armored SSH signature of `key` over `message`, for bundles.
///
/// # Errors
/// As [`SigningKey::sign`].
pub fn sign(key: &SigningKey, message: &[u8]) -> Result<String, SignatureError> {
    sign_for(key, NAMESPACE, message)
}

/// The armored SSH signature of `key` over `message` in this namespace.
///
/// # Errors
/// As [`SigningKey::sign`].
pub fn sign_for(
    key: &SigningKey,
    namespace: &str,
    message: &[u8],
) -> Result<String, SignatureError> {
    let signed = to_be_signed(namespace, b"sha512", &Sha512::digest(message));
    let der = key.sign(&signed)?;
    let parsed = Signature::from_der(&der).map_err(|_| SignatureError::Malformed)?;
    let (r, s) = parsed.split_bytes();
    let mut integers = Vec::new();
    put_integer(&mut integers, &r);
    put_integer(&mut integers, &s);
    let mut signature = Vec::new();
    put(&mut signature, KEY_TYPE);
    put(&mut signature, &integers);

    let mut blob = MAGIC.to_vec();
    blob.extend(1_u32.to_be_bytes());
    put(&mut blob, &key_blob(key.verifying_key()));
    put(&mut blob, namespace.as_bytes());
    put(&mut blob, b"");
    put(&mut blob, b"sha512");
    put(&mut blob, &signature);
    Ok(armor(&blob))
}

/// The key that made this armored signature over `message` for bundles, after checking it. Whether
/// that key is trusted is for the caller to say.
///
/// # Errors
/// When it is malformed, for another namespace, or wrong.
pub fn verify(armored: &[u8], message: &[u8]) -> Result<VerifyingKey, SshSigError> {
    verify_for(armored, NAMESPACE, message)
}

/// As [`verify`], for a signature in this namespace.
///
/// # Errors
/// As [`verify`].
pub fn verify_for(
    armored: &[u8],
    wanted: &str,
    message: &[u8],
) -> Result<VerifyingKey, SshSigError> {
    let blob = unarmor(armored)?;
    let mut rest = Reader(&blob);
    rest.literal(MAGIC)?;
    rest.literal(&1_u32.to_be_bytes())?;
    let key = read_key(rest.string()?)?;
    let namespace = rest.string()?;
    if namespace != wanted.as_bytes() {
        return Err(SshSigError::Namespace(shown(namespace)));
    }
    // Reserved: to be ignored by readers, but part of what is signed; nothing writes it today.
    if !rest.string()?.is_empty() {
        return Err(SshSigError::Malformed("the reserved field is not empty"));
    }
    let hash = rest.string()?;
    let signed = match hash {
        b"sha512" => to_be_signed(wanted, hash, &Sha512::digest(message)),
        b"sha256" => to_be_signed(wanted, hash, &Sha256::digest(message)),
        other => return Err(SshSigError::Algorithm(shown(other))),
    };
    let mut signature = Reader(rest.string()?);
    rest.end()?;
    let kind = signature.string()?;
    if kind != KEY_TYPE {
        return Err(SshSigError::Algorithm(shown(kind)));
    }
    let mut integers = Reader(signature.string()?);
    signature.end()?;
    let r = integers.integer()?;
    let s = integers.integer()?;
    integers.end()?;
    let parsed = Signature::from_scalars(r, s)
        .map_err(|_| SshSigError::Malformed("r or s is out of range"))?;
    key.verify(&signed, parsed.to_der().as_bytes())
        .map_err(SshSigError::Wrong)?;
    Ok(key)
}

/// The public key in OpenSSH's one-line form (RFC 4253 §6.6, RFC 5656 §3.1), without a comment.
#[must_use]
pub fn public_line(key: &VerifyingKey) -> String {
    format!("ecdsa-sha2-nistp384 {}", STANDARD.encode(key_blob(key)))
}

/// A line for the `allowed_signers` file of `ssh-keygen -Y verify` (ssh-keygen(1), ALLOWED SIGNERS):
/// `principal` may sign in the bundle namespace with `key`.
#[must_use]
pub fn allowed_signers_line(principal: &str, key: &VerifyingKey) -> String {
    format!(
        "{principal} namespaces=\"{NAMESPACE}\" {}",
        public_line(key)
    )
}

fn to_be_signed(namespace: &str, hash_name: &[u8], hash: &[u8]) -> Vec<u8> {
    let mut signed = MAGIC.to_vec();
    put(&mut signed, namespace.as_bytes());
    put(&mut signed, b"");
    put(&mut signed, hash_name);
    put(&mut signed, hash);
    signed
}

fn key_blob(key: &VerifyingKey) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, KEY_TYPE);
    put(&mut blob, CURVE);
    put(&mut blob, &key.to_point());
    blob
}

fn read_key(blob: &[u8]) -> Result<VerifyingKey, SshSigError> {
    let mut rest = Reader(blob);
    let kind = rest.string()?;
    if kind != KEY_TYPE {
        return Err(SshSigError::Algorithm(shown(kind)));
    }
    if rest.string()? != CURVE {
        return Err(SshSigError::Malformed("the curve is not nistp384"));
    }
    let key = VerifyingKey::from_point(rest.string()?)
        .ok_or(SshSigError::Malformed("the key is no point of the curve"))?;
    rest.end()?;
    Ok(key)
}

/// Appends a string as RFC 4251 §5 has it: its length in four bytes, then its bytes.
fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    // Everything written here is shorter than a kilobyte.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    to.extend(length.to_be_bytes());
    to.extend(bytes);
}

/// Appends an `mpint` (RFC 4251 §5): shortest two's complement form, here never negative.
fn put_integer(to: &mut Vec<u8>, bytes: &[u8]) {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    let mut number = Vec::with_capacity(digits.len().saturating_add(1));
    if digits.first().is_some_and(|high| high & 0x80 != 0) {
        number.push(0);
    }
    number.extend(digits);
    put(to, &number);
}

/// The armored form of a signature whose base64 text is in one line.
#[must_use]
pub fn armored(one_line: &str) -> String {
    format!("{BEGIN}\n{one_line}\n{END}\n")
}

/// The base64 text of an armored signature in one line, as it stands in a line of a log.
#[must_use]
pub fn one_line(armored: &str) -> String {
    let lines = armored.lines().filter(|line| !line.starts_with("-----"));
    lines.collect()
}

fn armor(blob: &[u8]) -> String {
    let body = STANDARD.encode(blob);
    let mut text = format!("{BEGIN}\n");
    for (column, letter) in body.chars().enumerate() {
        if column > 0 && column % COLUMNS == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push('\n');
    text.push_str(END);
    text.push('\n');
    text
}

fn unarmor(armored: &[u8]) -> Result<Vec<u8>, SshSigError> {
    if armored.len() > MAX_ARMOR {
        return Err(SshSigError::Malformed("it is longer than 64 KiB"));
    }
    let text = std::str::from_utf8(armored)
        .map_err(|_| SshSigError::Malformed("the armor is not text"))?;
    let body = text
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.trim_end().strip_suffix(END))
        .ok_or(SshSigError::Malformed("the armor lines are missing"))?;
    let letters: String = body
        .chars()
        .filter(|letter| !matches!(letter, '\n' | '\r'))
        .collect();
    STANDARD
        .decode(letters)
        .map_err(|_| SshSigError::Malformed("the armor is no base64"))
}

fn shown(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take(60)
        .copied()
        .flat_map(std::ascii::escape_default)
        .map(char::from)
        .collect()
}

/// Reads the strings of RFC 4251 off the front of a slice.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], SshSigError> {
        let (front, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(SshSigError::Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(front)
    }

    fn literal(&mut self, expected: &[u8]) -> Result<(), SshSigError> {
        if self.take(expected.len())? == expected {
            Ok(())
        } else {
            Err(SshSigError::Malformed(
                "the magic or the version is unknown",
            ))
        }
    }

    fn string(&mut self) -> Result<&'a [u8], SshSigError> {
        let length = self
            .0
            .first_chunk::<4>()
            .map(|bytes| u32::from_be_bytes(*bytes))
            .ok_or(SshSigError::Malformed("it ends too early"))?;
        self.take(4)?;
        let length =
            usize::try_from(length).map_err(|_| SshSigError::Malformed("it ends too early"))?;
        self.take(length)
    }

    /// A positive `mpint` in its shortest form, as 48 bytes.
    fn integer(&mut self) -> Result<[u8; 48], SshSigError> {
        let range = SshSigError::Malformed("r or s is out of range");
        let bytes = self.string()?;
        let digits = match bytes {
            [0, high, ..] if high & 0x80 != 0 => bytes.get(1..).unwrap_or_default(),
            [0, ..] | [] => return Err(range),
            [high, ..] if high & 0x80 != 0 => return Err(range),
            _ => bytes,
        };
        let start = 48_usize.checked_sub(digits.len()).ok_or(range)?;
        let mut number = [0; 48];
        for (to, from) in number.iter_mut().skip(start).zip(digits) {
            *to = *from;
        }
        Ok(number)
    }

    fn end(&self) -> Result<(), SshSigError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(SshSigError::Malformed("bytes follow its end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_names_the_key() {
        let key = SigningKey::generate().unwrap();
        let armored = sign(&key, b"list").unwrap();
        assert_eq!(
            verify(armored.as_bytes(), b"list").as_ref(),
            Ok(key.verifying_key())
        );
        assert_eq!(
            verify(armored.as_bytes(), b"lisT"),
            Err(SshSigError::Wrong(SignatureError::Wrong))
        );
        assert_eq!(sign(&key, b"list").unwrap(), armored);
    }

    #[test]
    fn refuses_truncation_everywhere_and_trailing_bytes() {
        let key = SigningKey::generate().unwrap();
        let blob = unarmor(sign(&key, b"list").unwrap().as_bytes()).unwrap();
        for length in 0..blob.len() {
            assert!(
                verify(armor(&blob[..length]).as_bytes(), b"list").is_err(),
                "{length}"
            );
        }
        let mut longer = blob.clone();
        longer.push(0);
        assert_eq!(
            verify(armor(&longer).as_bytes(), b"list"),
            Err(SshSigError::Malformed("bytes follow its end"))
        );
        for byte in 0..blob.len() {
            let mut bad = blob.clone();
            bad[byte] ^= 1;
            let result = verify(armor(&bad).as_bytes(), b"list");
            assert!(result.as_ref() != Ok(key.verifying_key()), "{byte}");
        }
    }

    #[test]
    fn lines_for_openssh_name_type_and_namespace() {
        let key = SigningKey::generate().unwrap();
        let line = allowed_signers_line("builder", key.verifying_key());
        assert!(line.starts_with(
            "builder namespaces=\"haversack-bundle\" ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhB"
        ));
    }
}
