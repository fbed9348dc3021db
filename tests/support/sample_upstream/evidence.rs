//! What the sample upstream publishes beside each archive: checksum files of every shape in use, and
//! detached signatures by its test key, whose secret half is public.

use std::path::Path;

use haversack::types::digest::Digest;
use pgp::composed::{
    ArmorOptions, Deserializable as _, DetachedSignature, SignedSecretKey, SubpacketConfig,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails as _, Password, Timestamp};
use rand::SeedableRng as _;

use crate::Failure;
use crate::archives::put;

/// The published half.
const PUBLIC_KEY: &str = include_str!("../keys/sample-upstream-test-key.asc");
/// The half that signs.
const SECRET_KEY: &str = include_str!("../keys/sample-upstream-test-key.secret.asc");
/// When every signature says it was made: 2026-01-01T00:00:00Z, like the archives.
const SIGNED_AT: u32 = 1_767_225_600;
/// Ends of the names of what this module writes.
const SIDE_FILES: [&str; 6] = [
    ".sha256",
    ".sha256sum",
    ".sha256-binary",
    ".sha256-bare",
    ".sig",
    ".asc",
];

/// Writes the evidence of every archive below `dir`, and the key.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn write(dir: &Path) -> Result<(), Failure> {
    put(
        dir,
        "keys/sample-upstream-test-key.asc",
        PUBLIC_KEY.as_bytes(),
    )?;
    let (key, _) = SignedSecretKey::from_string(SECRET_KEY)?;
    for path in files(dir)? {
        let own = SIDE_FILES.iter().any(|end| path.ends_with(end));
        if own || path.starts_with("keys/") || path.ends_with("SHA256SUMS") {
            continue;
        }
        let content = std::fs::read(dir.join(&path))?;
        let (folder, name) = path
            .rsplit_once('/')
            .ok_or("an archive outside of a folder")?;
        let sum = Digest::of(&content);
        let side = |end: &str, text: &[u8]| put(dir, &format!("{path}{end}"), text);
        // GNU coreutils, MinIO's single space, coreutils in binary mode, the bare digest, a list.
        side(".sha256", format!("{sum}  {name}\n").as_bytes())?;
        side(".sha256sum", format!("{sum} {name}\n").as_bytes())?;
        side(".sha256-binary", format!("{sum} *{name}\n").as_bytes())?;
        side(".sha256-bare", format!("{sum}\n").as_bytes())?;
        let other = format!("{:064x}  another-file-of-this-release\n", 0);
        put(
            dir,
            &format!("{folder}/SHA256SUMS"),
            format!("{other}{sum}  {name}\n").as_bytes(),
        )?;
        let signature = sign(&key, &content)?;
        side(".sig", &signature.to_bytes()?)?;
        side(
            ".asc",
            signature
                .to_armored_string(ArmorOptions::default())?
                .as_bytes(),
        )?;
    }
    Ok(())
}

/// A detached signature that is the same every time: RSA (PKCS#1 v1.5) with a stated time.
fn sign(key: &SignedSecretKey, content: &[u8]) -> Result<DetachedSignature, Failure> {
    let subpacket = |data| Subpacket::regular(data);
    let subpackets = SubpacketConfig::UserDefined {
        hashed: vec![
            subpacket(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
            subpacket(SubpacketData::SignatureCreationTime(Timestamp::from_secs(
                SIGNED_AT,
            )))?,
        ],
        unhashed: vec![subpacket(SubpacketData::IssuerKeyId(key.legacy_key_id()))?],
    };
    // Randomness only blinds the computation; it is not in the result.
    let random = rand::rngs::StdRng::seed_from_u64(0);
    let password = Password::empty();
    let hash = HashAlgorithm::Sha256;
    let signature = DetachedSignature::sign_binary_data_with_subpackets(
        random,
        &key.primary_key,
        &password,
        hash,
        content,
        subpackets,
    )?;
    Ok(signature)
}

/// Every regular file below `dir`, relative to it, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn files(dir: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let name = entry
                .file_name()
                .into_string()
                .map_err(|_| "a file name is no UTF-8")?;
            let path = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
