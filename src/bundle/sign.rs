//! Adding signatures to a bundle. Nothing but `sig/` is written.

use std::path::{Path, PathBuf};

use crate::bundle::places::{SIG, SUMS};
use crate::bundle::sums::{self, Sums, SumsError};
use crate::fs::{self, PathError};
use crate::trust::key::{KeyId, SignatureError, SigningKey, VerifyingKey};
use crate::trust::sshsig::{self, SshSigError};
use crate::types::digest::Digest;

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
/// What stands before the ending in the name of a signature over the full list of a delta:
/// `<keyid>.full.sig`.
pub const FULL: &str = ".full";

/// A bundle with one more signature.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBundle {
    /// Its folder.
    pub path: PathBuf,
    /// Its identity: what was signed.
    pub identity: Digest,
    /// The key that signed.
    pub key: KeyId,
    /// The files that were written.
    pub written: Vec<PathBuf>,
}

/// What a signer in another room needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToSign {
    /// The bytes to sign: those of `SHA256SUMS`.
    pub bytes: Vec<u8>,
    /// The list they stand for.
    pub sums: Sums,
    /// Their SHA-256, the identity of the bundle, to compare by eye.
    pub identity: Digest,
}

/// Why a bundle was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The file system refused.
    #[error("the bundle cannot be signed")]
    Io(#[from] PathError),
    /// There is no bundle.
    #[error("{} holds no SHA256SUMS", path.display())]
    NoBundle {
        /// The folder.
        path: PathBuf,
    },
    /// The list is no list of a bundle.
    #[error("the list of the bundle is wrong")]
    Sums(#[from] SumsError),
    /// The signature does not verify.
    #[error("the signature was not added to {}", path.display())]
    Signature {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SignatureError,
    },
    /// The SSH signature does not verify.
    #[error("the SSH signature was not added to {}", path.display())]
    Ssh {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SshSigError,
    },
}

impl ToSign {
    /// What is signed, with what stands before the ending in the names of its signatures: the list, and of a
    /// delta the list of the full bundle that it makes.
    fn lists(&self) -> Result<Vec<(&'static str, Vec<u8>)>, SumsError> {
        let mut lists = vec![("", self.bytes.clone())];
        if self.sums.header().base.is_some() {
            lists.push((FULL, self.sums.full()?.render().into_bytes()));
        }
        Ok(lists)
    }
}

impl SignError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Io(error) => error.id(),
            Self::NoBundle { .. } => "E291",
            Self::Sums(error) => error.id(),
            Self::Signature { .. } => "E402",
            Self::Ssh { source, .. } => match source {
                SshSigError::Namespace(_) => "E404",
                _ => "E402",
            },
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(error) => error.hint(),
            Self::Sums(error) => error.hint(),
            Self::NoBundle { .. } => Some("name the folder that holds SHA256SUMS".to_owned()),
            Self::Signature { .. } => Some(
                "sign the very bytes of SHA256SUMS: openssl dgst -sha384 -sign KEY -out X.sig SHA256SUMS".to_owned(),
            ),
            Self::Ssh { .. } => Some(
                "sign the very bytes of SHA256SUMS: ssh-keygen -Y sign -n haversack-bundle -f KEY SHA256SUMS".to_owned(),
            ),
        }
    }
}

/// What has to be signed for the bundle in folder `dir`.
///
/// # Errors
/// When there is no bundle, or its list is wrong.
pub fn to_sign(dir: &Path) -> Result<ToSign, SignError> {
    let path = dir.join(SUMS);
    if fs::examine(&path)?.is_none() {
        return Err(SignError::NoBundle {
            path: dir.to_owned(),
        });
    }
    let limit = u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX);
    let bytes = fs::read(&path, limit)?;
    let sums = Sums::parse(&bytes)?;
    Ok(ToSign {
        identity: Digest::of(&bytes),
        bytes,
        sums,
    })
}

/// Signs the bundle in folder `dir`: writes `sig/<keyid>.sig` and `sig/<keyid>.sshsig`, and reads
/// both back; of a delta also `<keyid>.full.sig` and `.full.sshsig`, over the list of the full bundle. Signing again with the same key writes the same bytes.
///
/// # Errors
/// When there is no bundle, its list is wrong, or the file system refuses.
pub fn sign(dir: &Path, key: &SigningKey) -> Result<SignedBundle, SignError> {
    let wanted = to_sign(dir)?;
    let signature = |source| SignError::Signature {
        path: dir.to_owned(),
        source,
    };
    let mut all = signed(dir, wanted.identity, key.verifying_key(), Vec::new());
    for (_, list) in wanted.lists()? {
        let raw = key.sign(&list).map_err(signature)?;
        let armored = sshsig::sign(key, &list).map_err(signature)?;
        all.written
            .extend(attach(dir, key.verifying_key(), &raw)?.written);
        all.written
            .extend(attach_ssh(dir, armored.as_bytes())?.written);
    }
    Ok(all)
}

/// Adds a DER signature that was made elsewhere (`openssl dgst -sha384 -sign`, a smart card), after
/// checking it with `key`.
///
/// # Errors
/// When it does not verify; nothing is written then.
pub fn attach(dir: &Path, key: &VerifyingKey, signature: &[u8]) -> Result<SignedBundle, SignError> {
    let wanted = to_sign(dir)?;
    let wrong = |source| SignError::Signature {
        path: dir.to_owned(),
        source,
    };
    let mut refused = None;
    for (full, list) in wanted.lists()? {
        if let Err(error) = key.verify(&list, signature) {
            refused.get_or_insert(error);
            continue;
        }
        let path = add(dir, &format!("{}{full}.sig", key.key_id()), signature)?;
        let limit = u64::try_from(crate::trust::key::MAX_SIGNATURE).unwrap_or(u64::MAX);
        let back = fs::read(&path, limit)?;
        key.verify(&list, &back).map_err(wrong)?;
        return Ok(signed(dir, wanted.identity, key, vec![path]));
    }
    Err(wrong(refused.unwrap_or(SignatureError::Wrong)))
}

/// Adds an SSH signature that was made elsewhere (`ssh-keygen -Y sign`), after checking it with the
/// key that it names.
///
/// # Errors
/// When it does not verify; nothing is written then.
pub fn attach_ssh(dir: &Path, armored: &[u8]) -> Result<SignedBundle, SignError> {
    let wanted = to_sign(dir)?;
    let wrong = |source| SignError::Ssh {
        path: dir.to_owned(),
        source,
    };
    // Of a delta either list may be signed; the first says what is wrong when neither is.
    let mut refused = None;
    for (full, list) in wanted.lists()? {
        let key = match sshsig::verify(armored, &list) {
            Ok(key) => key,
            Err(error) => {
                refused.get_or_insert(error);
                continue;
            }
        };
        let path = add(dir, &format!("{}{full}.sshsig", key.key_id()), armored)?;
        let limit = u64::try_from(sshsig::MAX_ARMOR).unwrap_or(u64::MAX);
        let back = fs::read(&path, limit)?;
        let again = sshsig::verify(&back, &list).map_err(wrong)?;
        return Ok(signed(dir, wanted.identity, &again, vec![path]));
    }
    let nothing = || SignError::NoBundle {
        path: dir.to_owned(),
    };
    Err(refused.map_or_else(nothing, wrong))
}

fn add(dir: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, PathError> {
    let folder = dir.join(SIG);
    fs::create_dir_all(&folder, FOLDER_MODE)?;
    // What a killed run left here would be an unlisted file, and the bundle refused for it.
    fs::sweep(&folder)?;
    let path = folder.join(name);
    fs::write_atomic(&path, bytes, FILE_MODE)?;
    fs::sync_parent(&folder)?;
    Ok(path)
}

fn signed(dir: &Path, identity: Digest, key: &VerifyingKey, written: Vec<PathBuf>) -> SignedBundle {
    SignedBundle {
        path: dir.to_owned(),
        identity,
        key: key.key_id(),
        written,
    }
}
