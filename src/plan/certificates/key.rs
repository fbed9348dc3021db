//! Strength of public keys, and whether a private key belongs to a certificate.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use x509_cert::der::{Decode as _, Reader as _};

use crate::plan::certificates::{MIN_RSA_BITS, Problem, error};

/// `rsaEncryption` (RFC 8017 appendix A.1).
const RSA: &str = "1.2.840.113549.1.1.1";
/// `id-ecPublicKey` (RFC 5480 §2.1.1).
const EC: &str = "1.2.840.10045.2.1";
/// Named curves (RFC 5480 §2.1.1.1).
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const P521: &str = "1.3.132.0.35";

/// A public key as a certificate carries it.
enum Public<'c> {
    Rsa {
        modulus: &'c [u8],
        exponent: &'c [u8],
    },
    Ec {
        curve: String,
        point: &'c [u8],
    },
    Other(String),
}

fn public(certificate: &Certificate) -> Option<Public<'_>> {
    let info = certificate.tbs_certificate().subject_public_key_info();
    let bits = info.subject_public_key.as_bytes()?;
    match info.algorithm.oid.to_string().as_str() {
        RSA => {
            let (modulus, exponent) = AnyRef::from_der(bits).ok()?.sequence(two_numbers).ok()?;
            Some(Public::Rsa { modulus, exponent })
        }
        EC => {
            let parameters = info.algorithm.parameters.as_ref()?;
            let curve = parameters.decode_as::<ObjectIdentifier>().ok()?;
            Some(Public::Ec {
                curve: curve.to_string(),
                point: bits,
            })
        }
        other => Some(Public::Other(other.to_owned())),
    }
}

fn two_numbers<'c>(
    reader: &mut x509_cert::der::SliceReader<'c>,
) -> Result<(&'c [u8], &'c [u8]), x509_cert::der::Error> {
    let first = UintRef::decode(reader)?;
    let second = UintRef::decode(reader)?;
    Ok((first.as_bytes(), second.as_bytes()))
}

/// What is weak about the public key of a certificate.
pub(super) fn weakness(certificate: &Certificate) -> Option<String> {
    match public(certificate) {
        None => Some("the public key cannot be read".to_owned()),
        Some(Public::Rsa { modulus, .. }) => {
            let zeros = modulus.first().map_or(8, |byte| byte.leading_zeros());
            let zeros = usize::try_from(zeros).unwrap_or(8);
            let bits = modulus.len().saturating_mul(8).saturating_sub(zeros);
            (bits < MIN_RSA_BITS).then(|| format!("RSA key of {bits} bits, below {MIN_RSA_BITS}"))
        }
        Some(Public::Ec { curve, .. }) => {
            let known = [P256, P384, P521].contains(&curve.as_str());
            (!known).then(|| format!("curve {curve}; use P-256 or P-384"))
        }
        Some(Public::Other(algorithm)) => Some(format!(
            "key algorithm {algorithm}; browsers need RSA or P-256 or P-384"
        )),
    }
}

/// Checks that the key is readable without a password and belongs to the certificate.
pub(super) fn check(pem: &str, leaf: &Certificate, problems: &mut Vec<Problem>) {
    if pem.contains("ENCRYPTED") {
        let found = "the key is encrypted; NGINX could not start without somebody at the console";
        problems.push(error("tls.key", found.to_owned()));
        return;
    }
    let Ok(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes()) else {
        problems.push(error("tls.key", "the file holds no private key".to_owned()));
        return;
    };
    let belongs = match (&key, public(leaf)) {
        (_, None) => return,
        (PrivateKeyDer::Pkcs8(info), Some(public)) => {
            let inner = AnyRef::from_der(info.secret_pkcs8_der());
            inner
                .and_then(|any| any.sequence(pkcs8_key))
                .ok()
                .and_then(|inner| matches(inner, &public))
        }
        (PrivateKeyDer::Pkcs1(key), Some(public)) => matches(key.secret_pkcs1_der(), &public),
        (PrivateKeyDer::Sec1(key), Some(public)) => matches(key.secret_sec1_der(), &public),
        _ => None,
    };
    match belongs {
        Some(true) => {}
        Some(false) => {
            let found = "the key does not belong to the certificate";
            problems.push(error("tls.key", found.to_owned()));
        }
        None => {
            let found = "the key cannot be compared with the certificate; use RSA, P-256 or P-384";
            problems.push(error("tls.key", found.to_owned()));
        }
    }
}

/// The inner key of a `PrivateKeyInfo` (RFC 5208 §5).
fn pkcs8_key<'k>(
    reader: &mut x509_cert::der::SliceReader<'k>,
) -> Result<&'k [u8], x509_cert::der::Error> {
    u8::decode(reader)?;
    AnyRef::decode(reader)?;
    let key = <&OctetStringRef>::decode(reader)?;
    skip_rest(reader)?;
    Ok(key.as_bytes())
}

fn skip_rest(reader: &mut x509_cert::der::SliceReader<'_>) -> Result<(), x509_cert::der::Error> {
    while !reader.is_finished() {
        AnyRef::decode(reader)?;
    }
    Ok(())
}

/// Whether a private key of this DER belongs to the public key; `None` when it cannot be told.
fn matches(key: &[u8], public: &Public<'_>) -> Option<bool> {
    let any = AnyRef::from_der(key).ok()?;
    match public {
        Public::Rsa { modulus, exponent } => {
            // RSAPrivateKey (RFC 8017 appendix A.1.2).
            let found = any.sequence(|reader| {
                u8::decode(reader)?;
                let numbers = two_numbers(reader)?;
                skip_rest(reader)?;
                Ok::<_, x509_cert::der::Error>(numbers)
            });
            match found {
                Ok(found) => Some(found == (*modulus, *exponent)),
                // An EC key is a sequence too, of another shape.
                Err(_) => Some(false),
            }
        }
        Public::Ec { curve, point } => {
            // ECPrivateKey (RFC 5915 §3).
            let found = any.sequence(|reader| {
                u8::decode(reader)?;
                let secret = <&OctetStringRef>::decode(reader)?;
                skip_rest(reader)?;
                Ok::<_, x509_cert::der::Error>(secret.as_bytes())
            });
            let Ok(secret) = found else {
                return Some(false);
            };
            let algorithm = algorithm(curve)?;
            let random = SystemRandom::new();
            // `ring` computes the public key of the secret and compares.
            let pair =
                EcdsaKeyPair::from_private_key_and_public_key(algorithm, secret, point, &random);
            Some(pair.is_ok())
        }
        Public::Other(_) => None,
    }
}

fn algorithm(curve: &str) -> Option<&'static EcdsaSigningAlgorithm> {
    match curve {
        P256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        P384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        _ => None,
    }
}
