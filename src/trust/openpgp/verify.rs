//! Clear-signed texts and detached signatures.

use std::io::Read;

use jiff::Timestamp;
use pgp::composed::{CleartextSignedMessage, Deserializable as _, DetachedSignature};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureConfig, SignatureType, SignatureVersionSpecific};
use pgp::types::{KeyDetails as _, Timestamp as PgpTime, VerifyingKey};
use rpgpie::key::ComponentKeyPub;
use rpgpie::signature::signature_acceptable;
use sha2_10::digest::DynDigest;

use super::{Keyring, OpenPgpError, Reason, Rejected};
use crate::types::digest::hex;
use crate::types::fingerprint::Fingerprint;

/// Largest clear-signed text that is read, in bytes. Ubuntu's largest `InRelease` has 270 KiB.
pub const MAX_CLEAR_SIGNED: usize = 16 << 20;
/// Largest detached signature file that is read, in bytes.
pub const MAX_SIGNATURE: usize = 256 << 10;
/// Most signatures in one file.
const MAX_SIGNATURES: usize = 64;
/// How far the clocks of signer and verifier may differ, in seconds.
const CLOCK_SKEW: u32 = 24 * 60 * 60;
/// Buffer for the signed data.
const CHUNK: usize = 64 * 1024;

/// What was proven about a clear-signed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearSigned {
    /// The signed text itself, with LF line ends; use nothing else of the file.
    pub text: String,
    /// The certificates whose signatures are good (primary fingerprints), sorted; never empty.
    pub signers: Vec<Fingerprint>,
    /// Other signatures, which did not count.
    pub rejected: Vec<Rejected>,
}

/// The key of the keyring that a signature names.
pub(super) struct Maker {
    pub(super) primary: Fingerprint,
    pub(super) primary_created: PgpTime,
    pub(super) key: ComponentKeyPub,
}

impl Keyring {
    /// Verifies a clear-signed text (RFC 9580 §7), such as `InRelease`.
    ///
    /// # Errors
    /// When it is no such text, has anything before or after it, is longer than
    /// [`MAX_CLEAR_SIGNED`], or no signature by a certificate of this keyring is good at `now`.
    pub fn verify_clear_signed(
        &self,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<ClearSigned, OpenPgpError> {
        if bytes.len() > MAX_CLEAR_SIGNED {
            return Err(OpenPgpError::Malformed(format!(
                "the text is longer than {MAX_CLEAR_SIGNED} bytes"
            )));
        }
        let (message, _) = CleartextSignedMessage::from_armor(bytes).map_err(malformed)?;
        let signed = message.signed_text();
        let (signers, rejected) =
            self.judge(message.signatures(), signed.as_bytes(), pgp_time(now))?;
        Ok(ClearSigned {
            text: signed.replace("\r\n", "\n"),
            signers,
            rejected,
        })
    }

    /// Verifies a detached signature, binary or armored, over `data`, which is read once, in small
    /// pieces. Gives the certificates whose signatures are good (primary fingerprints), sorted.
    ///
    /// # Errors
    /// When the signature or the data cannot be read, or no signature by a certificate of this
    /// keyring is good at `now`.
    pub fn verify_detached(
        &self,
        signature: &[u8],
        data: impl Read,
        now: Timestamp,
    ) -> Result<Vec<Fingerprint>, OpenPgpError> {
        if signature.len() > MAX_SIGNATURE {
            return Err(OpenPgpError::Malformed(format!(
                "the signature is longer than {MAX_SIGNATURE} bytes"
            )));
        }
        let (found, _) = DetachedSignature::from_reader_many(signature).map_err(malformed)?;
        let signatures = found
            .take(MAX_SIGNATURES + 1)
            .map(|one| one.map(|one| one.signature))
            .collect::<Result<Vec<Signature>, _>>()
            .map_err(malformed)?;
        self.judge(&signatures, data, pgp_time(now))
            .map(|(signers, _)| signers)
    }

    /// Sorts signatures over the same data into good ones and others.
    fn judge(
        &self,
        signatures: &[Signature],
        data: impl Read,
        now: PgpTime,
    ) -> Result<(Vec<Fingerprint>, Vec<Rejected>), OpenPgpError> {
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(OpenPgpError::Malformed(format!(
                "it holds {} signatures; 1 to {MAX_SIGNATURES} are read",
                signatures.len()
            )));
        }
        let mut rejected = Vec::new();
        let mut candidates = Vec::new();
        for signature in signatures {
            match self.candidate(signature, now) {
                Ok(candidate) => candidates.push(candidate),
                Err(reason) => rejected.push(reject(signature, reason)),
            }
        }
        if !candidates.is_empty() {
            feed(&mut candidates, data).map_err(OpenPgpError::Read)?;
        }
        let mut signers = Vec::new();
        for candidate in candidates {
            let signature = candidate.signature;
            match candidate.finish() {
                Ok(primary) => signers.push(primary),
                Err(reason) => rejected.push(reject(signature, reason)),
            }
        }
        signers.sort();
        signers.dedup();
        if signers.is_empty() {
            return Err(OpenPgpError::NoneGood {
                trusted: self.fingerprints(),
                rejected,
            });
        }
        Ok((signers, rejected))
    }

    /// Everything about a signature that can be said before the data is read.
    fn candidate<'a>(
        &self,
        signature: &'a Signature,
        now: PgpTime,
    ) -> Result<Candidate<'a>, Reason> {
        let config = signature.config().ok_or(Reason::Bad)?;
        let maker = self.maker(signature, now)?;
        if !is_strong(config.hash_alg) {
            return Err(Reason::Weak(config.hash_alg.to_string()));
        }
        if !signature_acceptable(signature) {
            return Err(Reason::Weak(format!("{:?}", config.pub_alg)));
        }
        let made = signature.created().ok_or(Reason::Time)?;
        let latest = now.as_secs().saturating_add(CLOCK_SKEW);
        if made < maker.primary_created || made < maker.key.created_at() || made.as_secs() > latest
        {
            return Err(Reason::Time);
        }
        if let Some(life) = signature.signature_expiration_time()
            && life.as_secs() != 0
            && made.as_secs().saturating_add(life.as_secs()) <= now.as_secs()
        {
            return Err(Reason::SignatureExpired);
        }
        let six = |version| matches!(version, pgp::types::KeyVersion::V6);
        let salt: Option<&[u8]> = match &config.version_specific {
            SignatureVersionSpecific::V6 { salt } => Some(salt.as_ref()),
            _ => None,
        };
        if six(maker.key.version()) != salt.is_some() {
            return Err(Reason::Bad);
        }
        let text = match config.typ {
            SignatureType::Binary => None,
            SignatureType::Text => Some(0),
            _ => return Err(Reason::Bad),
        };
        let mut hasher = config.hash_alg.new_hasher().map_err(|_| Reason::Bad)?;
        if let Some(salt) = salt {
            if config.hash_alg.salt_len() != Some(salt.len()) {
                return Err(Reason::Bad);
            }
            hasher.update(salt);
        }
        Ok(Candidate {
            signature,
            config,
            maker,
            hasher,
            last_of_text: text,
        })
    }
}

/// A signature that may be good, while its data goes by.
struct Candidate<'a> {
    signature: &'a Signature,
    config: &'a SignatureConfig,
    maker: Maker,
    hasher: Box<dyn DynDigest + Send>,
    /// For signatures over text: the byte before the next one.
    last_of_text: Option<u8>,
}

impl Candidate<'_> {
    fn update(&mut self, bytes: &[u8]) {
        let Some(last) = &mut self.last_of_text else {
            self.hasher.update(bytes);
            return;
        };
        // Text is signed with CR LF line ends (RFC 9580 §5.2.4).
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, end) = match line.split_last() {
                Some((b'\n', content)) => (content, true),
                _ => (line, false),
            };
            self.hasher.update(content);
            let before = content.last().copied().unwrap_or(*last);
            if end {
                let ending: &[u8] = if before == b'\r' { b"\n" } else { b"\r\n" };
                self.hasher.update(ending);
            }
            *last = if end { b'\n' } else { before };
        }
    }

    fn finish(mut self) -> Result<Fingerprint, Reason> {
        let length = self
            .config
            .hash_signature_data(&mut self.hasher)
            .map_err(|_| Reason::Bad)?;
        let trailer = self.config.trailer(length).map_err(|_| Reason::Bad)?;
        self.hasher.update(&trailer);
        let digest = self.hasher.finalize();
        let bytes = self.signature.signature().ok_or(Reason::Bad)?;
        let hint = self.signature.signed_hash_value().ok_or(Reason::Bad)?;
        if digest.get(..2) != Some(&hint[..]) {
            return Err(Reason::Bad);
        }
        VerifyingKey::verify(&self.maker.key, self.config.hash_alg, &digest, bytes)
            .map_err(|_| Reason::Bad)?;
        Ok(self.maker.primary)
    }
}

fn feed(candidates: &mut [Candidate<'_>], mut data: impl Read) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match data.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        for candidate in candidates.iter_mut() {
            candidate.update(bytes);
        }
    }
}

fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

fn reject(signature: &Signature, reason: Reason) -> Rejected {
    let by_fingerprint = signature.issuer_fingerprint();
    let issuer = match (by_fingerprint.first(), signature.issuer_key_id().first()) {
        (Some(fingerprint), _) => hex(fingerprint.as_bytes()).to_uppercase(),
        (None, Some(id)) => id.to_string().to_uppercase(),
        (None, None) => "unknown key".to_owned(),
    };
    Rejected { issuer, reason }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` takes"
)]
fn malformed(error: pgp::errors::Error) -> OpenPgpError {
    OpenPgpError::Malformed(error.to_string())
}

fn pgp_time(now: Timestamp) -> PgpTime {
    PgpTime::from_secs(u32::try_from(now.as_second()).unwrap_or(u32::MAX))
}
