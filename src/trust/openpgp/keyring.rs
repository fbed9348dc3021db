//! Certificates that are trusted to sign.

use std::fmt;

use jiff::Timestamp;
use pgp::composed::{PublicOrSecret, SignedPublicKey};
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails as _, Timestamp as PgpTime};
use rpgpie::certificate::{Certificate, Checked};
use rpgpie::key::ComponentKeyPub;

use super::verify::Maker;
use super::{OpenPgpError, Reason};
use crate::types::fingerprint::Fingerprint;

/// Largest keyring that is read, in bytes. Debian's own has 56 KiB.
pub const MAX_KEYRING: usize = 4 << 20;
/// Most certificates in one keyring.
const MAX_CERTIFICATES: usize = 512;

/// A set of certificates, any of which is trusted.
#[derive(Clone)]
pub struct Keyring {
    certificates: Vec<Known>,
}

/// One certificate. Its self-signatures are checked when a signature names it: that is slow.
#[derive(Clone)]
struct Known {
    fingerprint: Fingerprint,
    raw: SignedPublicKey,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring")
            .field(&self.fingerprints())
            .finish()
    }
}

impl Keyring {
    /// The certificates in `bytes`, binary or armored, several armor blocks in a row included.
    ///
    /// # Errors
    /// When there is none, one cannot be read, one holds a secret key, or there are more bytes than
    /// [`MAX_KEYRING`].
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenPgpError> {
        if bytes.len() > MAX_KEYRING {
            return Err(OpenPgpError::Keyring(format!(
                "it is longer than {MAX_KEYRING} bytes"
            )));
        }
        let mut certificates = Vec::new();
        for block in armor_blocks(bytes) {
            read_block(block, &mut certificates)?;
        }
        if certificates.is_empty() {
            return Err(OpenPgpError::Keyring("it holds no certificate".to_owned()));
        }
        Ok(Self { certificates })
    }

    /// The primary fingerprints, in the order of the keyring.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        let all = self.certificates.iter();
        all.map(|known| known.fingerprint.clone()).collect()
    }

    /// This keyring with the pinned certificates only.
    ///
    /// # Errors
    /// [`OpenPgpError::NotInKeyring`] when one of them is not there.
    pub fn only(&self, pinned: &[Fingerprint]) -> Result<Self, OpenPgpError> {
        let found = self.fingerprints();
        let missing: Vec<Fingerprint> = pinned
            .iter()
            .filter(|pin| !found.contains(pin))
            .cloned()
            .collect();
        if !missing.is_empty() {
            return Err(OpenPgpError::NotInKeyring { missing, found });
        }
        let kept = self.certificates.iter();
        Ok(Self {
            certificates: kept
                .filter(|known| pinned.contains(&known.fingerprint))
                .cloned()
                .collect(),
        })
    }

    /// This keyring and the certificates of `other`.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.certificates.extend(other.certificates);
        self
    }

    /// The certificates in binary form, one after the other.
    #[must_use]
    pub fn to_binary(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for known in &self.certificates {
            // Writing to memory fails for no certificate that was read.
            let _ = known.raw.to_writer(&mut bytes);
        }
        bytes
    }

    /// The key that made a signature: its primary fingerprint and the key to verify with.
    pub(super) fn maker(&self, signature: &Signature, now: PgpTime) -> Result<Maker, Reason> {
        let mut reason = Reason::UnknownKey;
        for known in &self.certificates {
            if !names_key_of(signature, &known.raw) {
                continue;
            }
            match known.signing_key(signature, now) {
                Ok(key) => {
                    return Ok(Maker {
                        primary: known.fingerprint.clone(),
                        primary_created: known.raw.primary_key.created_at(),
                        key,
                    });
                }
                Err(found) => reason = found,
            }
        }
        Err(reason)
    }
}

impl Known {
    fn new(raw: SignedPublicKey) -> Result<Self, OpenPgpError> {
        let bytes = raw.primary_key.fingerprint();
        let fingerprint = Fingerprint::from_bytes(bytes.as_bytes()).ok_or_else(|| {
            OpenPgpError::Keyring("a certificate is of a version before 4".to_owned())
        })?;
        Ok(Self { fingerprint, raw })
    }

    fn signing_key(&self, signature: &Signature, now: PgpTime) -> Result<ComponentKeyPub, Reason> {
        let checked = Checked::new(Certificate::from(self.raw.clone()));
        if self.is_revoked() || checked.revoked_at(now) {
            return Err(Reason::Revoked);
        }
        if let Some(end) = Self::end(&checked, now)
            && end <= now
        {
            let end = i64::from(end.as_secs());
            let shown = Timestamp::from_second(end).unwrap_or(Timestamp::MAX);
            return Err(Reason::Expired(shown));
        }
        let usable = checked.valid_signing_capable_component_keys_at(now);
        let key = usable
            .iter()
            .map(rpgpie::certificate::SignatureVerifier::as_componentkey)
            .find(|key| names(signature, *key))
            .cloned()
            .ok_or(Reason::NotForSigning)?;
        if self.is_subkey_revoked(&key) {
            return Err(Reason::Revoked);
        }
        Ok(key)
    }

    /// When the primary key expires by its newest self-signature.
    fn end(checked: &Checked, now: PgpTime) -> Option<PgpTime> {
        let newest = checked.active_certificate_self_signature_at(now)?;
        let life = newest.key_expiration_time()?.as_secs();
        let created = checked.primary_creation_time().as_secs();
        (life != 0).then(|| PgpTime::from_secs(created.saturating_add(life)))
    }

    /// Whether the key has revoked itself, in a signature of any hash, date and reason. (`rpgpie`
    /// drops revocations with weak hashes before it looks.)
    fn is_revoked(&self) -> bool {
        let details = &self.raw.details;
        details
            .revocation_signatures
            .iter()
            .chain(&details.direct_signatures)
            .filter(|one| one.typ() == Some(SignatureType::KeyRevocation))
            .any(|one| one.verify_key(&self.raw.primary_key).is_ok())
    }

    fn is_subkey_revoked(&self, key: &ComponentKeyPub) -> bool {
        let same = |fingerprint| fingerprint == key.fingerprint();
        self.raw
            .public_subkeys
            .iter()
            .filter(|subkey| same(subkey.key.fingerprint()))
            .any(|subkey| {
                let all = subkey.signatures.iter();
                all.filter(|one| one.typ() == Some(SignatureType::SubkeyRevocation))
                    .any(|one| {
                        one.verify_subkey_binding(&self.raw.primary_key, &subkey.key)
                            .is_ok()
                    })
            })
    }
}

/// Whether a signature names the primary key or a subkey of a certificate as its maker.
fn names_key_of(signature: &Signature, certificate: &SignedPublicKey) -> bool {
    names(signature, &certificate.primary_key)
        || certificate
            .public_subkeys
            .iter()
            .any(|subkey| names(signature, &subkey.key))
}

/// Whether a signature names this key as its maker, by fingerprint or key id. One that names nobody
/// names no key.
fn names(signature: &Signature, key: &impl pgp::types::KeyDetails) -> bool {
    let (id, fingerprint) = (key.legacy_key_id(), key.fingerprint());
    signature.issuer_fingerprint().contains(&&fingerprint)
        || signature.issuer_key_id().contains(&&id)
}

/// Splits armored text into its blocks; binary bytes are one block.
fn armor_blocks(bytes: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return vec![bytes];
    }
    let starts: Vec<usize> = bytes
        .windows(BEGIN.len())
        .enumerate()
        .filter(|(_, window)| *window == BEGIN)
        .map(|(at, _)| at)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| bytes.get(*start..end))
        .collect()
}

fn read_block(block: &[u8], into: &mut Vec<Known>) -> Result<(), OpenPgpError> {
    let unreadable = |error: pgp::errors::Error| OpenPgpError::Keyring(error.to_string());
    let (found, _) = PublicOrSecret::from_reader_many(block).map_err(unreadable)?;
    for one in found {
        match one.map_err(unreadable)? {
            PublicOrSecret::Public(raw) => into.push(Known::new(raw)?),
            PublicOrSecret::Secret(_) => {
                return Err(OpenPgpError::Keyring(
                    "it holds a secret key; give the public certificate only".to_owned(),
                ));
            }
        }
        if into.len() > MAX_CERTIFICATES {
            return Err(OpenPgpError::Keyring(format!(
                "it holds more than {MAX_CERTIFICATES} certificates"
            )));
        }
    }
    Ok(())
}
