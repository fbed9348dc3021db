//! Strength of public keys, and whether a private key belongs to a certificate.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use x509_cert::der::{Decode as _, Reader as _, Tagged as _};

use crate::plan::certificates::{MIN_RSA_BITS, Problem, error};
use crate::plan::finding::Severity;

/// `rsaEncryption` (RFC 8017 appendix A.1).
const RSA: &str = "1.2.840.113549.1.1.1";
/// `id-ecPublicKey` (RFC 5480 §2.1.1).
const EC: &str = "1.2.840.10045.2.1";
/// `id-Ed25519` (RFC 8410 §3).
const ED25519: &str = "1.3.101.112";
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
    Ed25519(&'c [u8]),
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
        ED25519 => Some(Public::Ed25519(bits)),
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
pub(super) fn weakness(certificate: &Certificate) -> Option<(Severity, String)> {
    let error = |text: String| Some((Severity::Error, text));
    match public(certificate) {
        None => error("the public key cannot be read".to_owned()),
        Some(Public::Rsa { modulus, .. }) => {
            let zeros = modulus.first().map_or(8, |byte| byte.leading_zeros());
            let zeros = usize::try_from(zeros).unwrap_or(8);
            let bits = modulus.len().saturating_mul(8).saturating_sub(zeros);
            if bits >= MIN_RSA_BITS {
                return None;
            }
            error(format!("RSA key of {bits} bits, below {MIN_RSA_BITS}"))
        }
        Some(Public::Ec { curve, .. }) => {
            if [P256, P384, P521].contains(&curve.as_str()) {
                return None;
            }
            error(format!("curve {curve}; use P-256 or P-384"))
        }
        Some(Public::Ed25519(_)) => {
            let found = "an Ed25519 key, which browsers do not take; use RSA, P-256 or P-384";
            Some((Severity::Warning, found.to_owned()))
        }
        Some(Public::Other(algorithm)) => error(format!(
            "key algorithm {algorithm}; browsers need RSA or P-256 or P-384"
        )),
    }
}

/// Checks that the key is readable without a password and belongs to the certificate.
pub(super) fn check(file: &str, pem: &str, leaf: &Certificate, problems: &mut Vec<Problem>) {
    if pem.contains("ENCRYPTED") {
        let found = "the key is encrypted; NGINX could not start without somebody at the console";
        problems.push(error(file, found.to_owned()));
        return;
    }
    let Ok(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes()) else {
        problems.push(error(file, "the file holds no private key".to_owned()));
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
            problems.push(error(file, found.to_owned()));
        }
        None => {
            let found = "the key cannot be compared with the certificate; use RSA, P-256 or P-384";
            problems.push(error(file, found.to_owned()));
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
            let Some(algorithm) = algorithm(curve) else {
                // A curve that `ring` has no arithmetic for: the key itself names its public key.
                return own_public(&any).map(|own| own == *point);
            };
            let random = SystemRandom::new();
            // `ring` computes the public key of the secret and compares.
            let pair =
                EcdsaKeyPair::from_private_key_and_public_key(algorithm, secret, point, &random);
            Some(pair.is_ok())
        }
        Public::Ed25519(public) => {
            // CurvePrivateKey (RFC 8410 §7): an octet string.
            let Ok(seed) = any.decode_as::<&OctetStringRef>() else {
                return Some(false);
            };
            Some(Ed25519KeyPair::from_seed_and_public_key(seed.as_bytes(), public).is_ok())
        }
        Public::Other(_) => None,
    }
}

/// The public key in an `ECPrivateKey` (RFC 5915 §3, `[1]`), where there is one.
fn own_public<'k>(key: &AnyRef<'k>) -> Option<&'k [u8]> {
    let fields = key.sequence(|reader| {
        u8::decode(reader)?;
        <&OctetStringRef>::decode(reader)?;
        let mut found = None;
        while !reader.is_finished() {
            let field = AnyRef::decode(reader)?;
            if field.tag().number().value() == 1 {
                found = Some(field.value());
            }
        }
        Ok::<_, x509_cert::der::Error>(found)
    });
    let inner = AnyRef::from_der(fields.ok()??).ok()?;
    // A bit string begins with the number of unused bits, here none.
    inner.value().strip_prefix(&[0])
}

fn algorithm(curve: &str) -> Option<&'static EcdsaSigningAlgorithm> {
    match curve {
        P256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        P384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        _ => None,
    }
}
