//! Keys that sign bundles: ECDSA on P-384 with SHA-384 (FIPS 186-5), the strongest kind that every
//! OpenSSL from 1.1.1 on, every `ssh-keygen` from 8.1 on, and FIPS modes accept.

use std::fmt;
use std::str::FromStr;

use p384::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p384::ecdsa::{self, DerSignature, Signature};
use p384::elliptic_curve::sec1::ToEncodedPoint;
use p384::pkcs8::{
    DecodePrivateKey, DecodePublicKey, Document, EncodePrivateKey, EncodePublicKey, LineEnding,
};
use serde::Serialize;
use sha2_10::{Digest as _, Sha384};

use crate::types::digest::{Digest, hex};
use crate::types::secret::Secret;

/// Longest PEM text of a key, in bytes. A P-384 private key needs about 400.
pub const MAX_KEY_TEXT: usize = 16 * 1024;
/// Longest DER form of a P-384 signature, in bytes: two integers of at most 49 bytes, with headers.
pub const MAX_SIGNATURE: usize = 104;

/// A private key that signs bundles. `Debug` shows only its id.
pub struct SigningKey {
    secret: ecdsa::SigningKey,
    public: VerifyingKey,
}

/// A public key that bundles are checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    point: ecdsa::VerifyingKey,
    spki: Vec<u8>,
}

/// The short name of a key: the first 16 hex digits of the SHA-256 of its SPKI DER form (RFC 5280
/// §4.1.2.7). It finds a key; only the whole fingerprint identifies one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

/// Why a key could not be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is longer than any key.
    #[error("the key file is longer than {MAX_KEY_TEXT} bytes")]
    TooLong,
    /// It is a private key where a public key belongs.
    #[error("this is a private key; only public keys belong here")]
    Private,
    /// It is a private key that is protected by a pass phrase.
    #[error("the private key is protected by a pass phrase, which cannot be asked for here")]
    Encrypted,
    /// It is a private key in the older SEC 1 form.
    #[error("the private key is in SEC 1 form (`EC PRIVATE KEY`), not PKCS#8")]
    Sec1,
    /// It is no PEM of an ECDSA P-384 key.
    #[error("this is no {wanted} of an ECDSA P-384 key in PEM form")]
    Form {
        /// What was wanted.
        wanted: &'static str,
    },
    /// It is a P-384 key in another encoding than the usual one, so that its id would be ambiguous.
    #[error("the public key is not in its canonical form (uncompressed point, named curve)")]
    NotCanonical,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Random(String),
}

/// The signature is not one of this key over these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is no strict DER of two integers in range (X9.62, X.690 §10).
    #[error("the signature is no strict DER of an ECDSA P-384 signature")]
    Malformed,
    /// It is well formed, and was made by another key or over other bytes.
    #[error("the signature is not by this key over these bytes")]
    Wrong,
}

impl KeyError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Encrypted => Some(
                "decrypt it into memory-backed storage with `openssl pkcs8 -in KEY`, or sign with `haversack sign --detached`".to_owned(),
            ),
            Self::Sec1 => Some("convert it: openssl pkcs8 -topk8 -nocrypt -in KEY -out KEY.pem".to_owned()),
            Self::Private => Some(
                "take the private key away from this machine, and put the public one here: openssl pkey -in KEY -pubout".to_owned(),
            ),
            Self::NotCanonical => {
                Some("rewrite it: openssl ec -pubin -in KEY -pubout -conv_form uncompressed".to_owned())
            }
            Self::Form { .. } => Some(
                "make one with `haversack keygen`, or: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384"
                    .to_owned(),
            ),
            Self::TooLong | Self::Random(_) => None,
        }
    }
}

impl SigningKey {
    /// A new key from the random source of the operating system.
    ///
    /// # Errors
    /// [`KeyError::Random`] when that source fails.
    pub fn generate() -> Result<Self, KeyError> {
        loop {
            let mut bytes = [0_u8; 48];
            getrandom::fill(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
            // Rejection sampling (FIPS 186-5 A.2.2): a candidate outside [1, n-1] is thrown away.
            if let Ok(secret) = ecdsa::SigningKey::from_slice(&bytes) {
                return Self::new(secret);
            }
        }
    }

    /// The key in a PKCS#8 PEM text (RFC 5958), without a pass phrase.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > MAX_KEY_TEXT {
            return Err(KeyError::TooLong);
        }
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            return Err(KeyError::Encrypted);
        }
        if text.contains("BEGIN EC PRIVATE KEY") {
            return Err(KeyError::Sec1);
        }
        let secret = ecdsa::SigningKey::from_pkcs8_pem(text).map_err(|_| KeyError::Form {
            wanted: "private key",
        })?;
        Self::new(secret)
    }

    /// The key as PKCS#8 PEM.
    ///
    /// # Errors
    /// Never for a key that was made by this type; the encoder's signature has an error.
    pub fn to_pem(&self) -> Result<Secret, KeyError> {
        let text = self
            .secret
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| KeyError::Form {
                wanted: "private key",
            })?;
        Ok(Secret::new(text.as_str().to_owned()))
    }

    /// The public half.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// The DER signature over the SHA-384 of `message`: what `openssl dgst -sha384 -sign` makes. The
    /// same key and message always give the same bytes (RFC 6979).
    ///
    /// # Errors
    /// [`SignatureError::Wrong`] when what was made does not verify, which would be a fault of the
    /// machine: a wrong signature could reveal the key and is never given out.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let hash = Sha384::digest(message);
        let signature: Signature = self
            .secret
            .sign_prehash(&hash)
            .map_err(|_| SignatureError::Wrong)?;
        let der = signature.to_der().as_bytes().to_vec();
        self.public.verify(message, &der)?;
        Ok(der)
    }

    fn new(secret: ecdsa::SigningKey) -> Result<Self, KeyError> {
        let public = VerifyingKey::new(*secret.verifying_key())?;
        Ok(Self { secret, public })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, <hidden>)", self.public.key_id())
    }
}

impl VerifyingKey {
    /// The key in a SPKI PEM text (`BEGIN PUBLIC KEY`, RFC 7468 §13).
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > MAX_KEY_TEXT {
            return Err(KeyError::TooLong);
        }
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        let form = || KeyError::Form {
            wanted: "public key",
        };
        let (label, document) = Document::from_pem(text).map_err(|_| form())?;
        if label != "PUBLIC KEY" {
            return Err(form());
        }
        let point =
            ecdsa::VerifyingKey::from_public_key_der(document.as_bytes()).map_err(|_| form())?;
        let key = Self::new(point)?;
        if key.spki == document.as_bytes() {
            Ok(key)
        } else {
            Err(KeyError::NotCanonical)
        }
    }

    /// The key of an uncompressed SEC 1 point (97 bytes); `None` when it is no point of the curve.
    #[must_use]
    pub fn from_point(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 97 {
            return None;
        }
        let point = ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?;
        Self::new(point).ok()
    }

    /// The key as SPKI PEM.
    ///
    /// # Errors
    /// Never for a key that was made by this type; the encoder's signature has an error.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.point
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| KeyError::Form {
                wanted: "public key",
            })
    }

    /// The uncompressed SEC 1 point, 97 bytes.
    #[must_use]
    pub fn to_point(&self) -> Vec<u8> {
        self.point
            .as_affine()
            .to_encoded_point(false)
            .as_bytes()
            .to_vec()
    }

    /// Its short name.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(self.fingerprint().as_bytes()) {
            *to = *from;
        }
        KeyId(id)
    }

    /// SHA-256 of its SPKI DER form: what two people compare by phone, and what
    /// `openssl pkey -pubin -in KEY -outform DER | sha256sum` prints.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.spki)
    }

    /// Checks a DER signature over the SHA-384 of `message`, as `openssl dgst -sha384 -verify` does.
    ///
    /// # Errors
    /// When it is malformed or wrong.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        if signature.len() > MAX_SIGNATURE {
            return Err(SignatureError::Malformed);
        }
        let der = DerSignature::try_from(signature).map_err(|_| SignatureError::Malformed)?;
        let parsed = Signature::try_from(der).map_err(|_| SignatureError::Malformed)?;
        // One value, one encoding: anything that does not encode back to itself is not DER.
        if parsed.to_der().as_bytes() != signature {
            return Err(SignatureError::Malformed);
        }
        self.point
            .verify_prehash(&Sha384::digest(message), &parsed)
            .map_err(|_| SignatureError::Wrong)
    }

    fn new(point: ecdsa::VerifyingKey) -> Result<Self, KeyError> {
        let document = point.to_public_key_der().map_err(|_| KeyError::Form {
            wanted: "public key",
        })?;
        Ok(Self {
            point,
            spki: document.as_bytes().to_vec(),
        })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.key_id())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is no key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 16 lower-case hex digits")]
pub struct ParseKeyIdError;

impl FromStr for KeyId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = crate::types::digest::unhex(text).ok_or(ParseKeyIdError)?;
        let id = Self(<[u8; 8]>::try_from(bytes).map_err(|_| ParseKeyIdError)?);
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(ParseKeyIdError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_the_same_bytes_again_and_hides_the_secret() {
        let key = SigningKey::generate().unwrap();
        let signature = key.sign(b"list").unwrap();
        assert_eq!(key.sign(b"list").unwrap(), signature);
        assert_eq!(key.verifying_key().verify(b"list", &signature), Ok(()));
        assert_eq!(
            key.verifying_key().verify(b"lisT", &signature),
            Err(SignatureError::Wrong)
        );
        let shown = format!("{key:?}");
        assert_eq!(
            shown,
            format!("SigningKey({}, <hidden>)", key.verifying_key().key_id())
        );
    }

    #[test]
    fn keys_survive_pem_and_keep_their_id() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pem(key.to_pem().unwrap().reveal()).unwrap();
        assert_eq!(again.verifying_key(), key.verifying_key());
        let public = key.verifying_key().to_pem().unwrap();
        let public = VerifyingKey::from_pem(&public).unwrap();
        assert_eq!(&public, key.verifying_key());
        let id = public.key_id().to_string();
        assert!(public.fingerprint().to_string().starts_with(&id));
        assert_eq!(id.parse(), Ok(public.key_id()));
        assert_eq!(
            VerifyingKey::from_pem(key.to_pem().unwrap().reveal()),
            Err(KeyError::Private)
        );
    }

    #[test]
    fn refuses_every_signature_that_is_not_strict_der() {
        let key = SigningKey::generate().unwrap();
        let good = key.sign(b"list").unwrap();
        let malformed = |bytes: &[u8]| {
            assert_eq!(
                key.verifying_key().verify(b"list", bytes),
                Err(SignatureError::Malformed),
                "{bytes:02x?}"
            );
        };
        let mut longer = good.clone();
        longer.push(0);
        malformed(&longer);
        for length in 0..good.len() {
            malformed(&good[..length]);
        }
        // r = 0, s = 1; r = 1, s = 0; a negative r; a padded r.
        malformed(&[0x30, 6, 2, 1, 0, 2, 1, 1]);
        malformed(&[0x30, 6, 2, 1, 1, 2, 1, 0]);
        malformed(&[0x30, 6, 2, 1, 0x80, 2, 1, 1]);
        malformed(&[0x30, 7, 2, 2, 0, 1, 2, 1, 1]);
        // r = 2^384 - 1, beyond the order of the curve.
        let mut beyond = vec![0x30, 3 + 49 + 3 - 1, 2, 49, 0];
        beyond.extend([0xff; 48]);
        beyond.extend([2, 1, 1]);
        malformed(&beyond);
        malformed(&vec![0x30; 70_000]);
    }

    #[test]
    fn a_flipped_bit_in_any_byte_is_refused() {
        let key = SigningKey::generate().unwrap();
        let good = key.sign(b"list").unwrap();
        for byte in 0..good.len() {
            let mut bad = good.clone();
            bad[byte] ^= 1 << (byte % 8);
            assert!(key.verifying_key().verify(b"list", &bad).is_err(), "{byte}");
        }
    }
}
