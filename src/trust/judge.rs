//! The judgement over the signatures of a bundle: who signed, and is that enough.

use serde::Serialize;

use crate::trust::directory::Trust;
use crate::trust::key::{KeyId, SignatureError};
use crate::trust::sshsig::{self, SshSigError};
use crate::types::digest::Digest;
use crate::types::name::Name;

/// A file of the folder `sig/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFile {
    /// Its name: `<keyid>.sig`, `<keyid>.sshsig` or `<name>.p7s`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A trusted key whose signature was good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signer {
    /// Short name of the key.
    pub key: KeyId,
    /// SHA-256 of its SPKI DER form.
    pub fingerprint: Digest,
    /// Who holds it.
    pub name: String,
    /// What it speaks for.
    pub roles: Vec<Name>,
}

/// A signature file that did not count, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// Its name.
    pub file: String,
    /// Why it did not count.
    pub reason: String,
}

/// A judgement in favour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The trusted keys that signed, each once, sorted by key id.
    pub signers: Vec<Signer>,
    /// Files that did not count, sorted by name.
    pub ignored: Vec<Ignored>,
}

/// Why the signatures are not enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no signature, or none by a trusted key.
    #[error(
        "no signature by a trusted key: the bundle carries {}, this network trusts {}",
        list(present),
        list(trusted)
    )]
    Unknown {
        /// Signature files that are there.
        present: Vec<String>,
        /// Ids of the keys that are trusted.
        trusted: Vec<String>,
    },
    /// A signature file of a trusted key is broken, or is over another list.
    #[error("the signature {file} does not match this SHA256SUMS: {reason}")]
    Corrupt {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There are good signatures, but too few, or a role is missing.
    #[error(
        "{have} of {need} signatures by different trusted keys{}",
        missing(missing_roles)
    )]
    Threshold {
        /// How many different trusted keys signed.
        have: usize,
        /// How many must.
        need: usize,
        /// Required roles that none of them has.
        missing_roles: Vec<Name>,
    },
    /// The only signature by a trusted key is an SSH signature for another purpose.
    #[error("the signature {file} was made for the namespace `{namespace}`, not for bundles")]
    Namespace {
        /// The file.
        file: String,
        /// The namespace it was made for.
        namespace: String,
    },
    /// A signature is by a key that was revoked.
    #[error("the signature is by the key {key}, which is revoked by {reason}")]
    Revoked {
        /// The key.
        key: KeyId,
        /// Who says so, since when, and why.
        reason: String,
    },
    /// A CMS signature is needed, and the certificate of the one that is there is out of date.
    #[error("the CMS signature {file}: {reason}")]
    CmsDates {
        /// The file.
        file: String,
        /// Which dates.
        reason: String,
    },
    /// A CMS signature is needed, and none was found to be good.
    #[error("the policy asks for a CMS signature: {reason}")]
    Cms {
        /// Why there is none.
        reason: String,
    },
}

impl Refusal {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "E401",
            Self::Corrupt { .. } => "E402",
            Self::Threshold { .. } => "E403",
            Self::Namespace { .. } => "E404",
            Self::CmsDates { .. } => "E405",
            Self::Revoked { .. } => "E406",
            Self::Cms { .. } => "E408",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { present, .. } if present.is_empty() => {
                "the bundle is not signed: sign it on the connected side with `haversack sign`, and carry `sig/` over".to_owned()
            }
            Self::Unknown { .. } => {
                "compare the fingerprint of the builder's key by phone before you add it to the trust directory".to_owned()
            }
            Self::Corrupt { .. } => {
                "carry SHA256SUMS and sig/ over again; if it stays, ask who signed whether this is their list".to_owned()
            }
            Self::Threshold { .. } => {
                "have the others sign: `haversack sign BUNDLE --key K` adds a signature without changing the rest".to_owned()
            }
            Self::Namespace { .. } => {
                "sign again with `haversack sign`, or `ssh-keygen -Y sign -n haversack-bundle`".to_owned()
            }
            Self::CmsDates { .. } => {
                "have it signed with a certificate in use, correct this host's clock, or set `cms-time = \"signing\"` in policy.toml".to_owned()
            }
            Self::Cms { .. } => {
                "have it signed by the organisation's PKI (`openssl cms -sign -binary`), and check it on a host that has openssl".to_owned()
            }
            Self::Revoked { .. } => "have the bundle signed by a key that is in use".to_owned(),
        })
    }
}

/// Judges the signatures over `list` (the bytes of `SHA256SUMS`).
///
/// Only raw signatures (`*.sig`) count towards the threshold, so that the verdict is the same where
/// only `openssl` is at hand; every trusted key is tried on every one of them, whatever its name.
/// SSH signatures are checked too, and are named when they are wrong. `*.p7s` is left to
/// [`crate::trust::cms`], for it takes the host's `openssl`.
///
/// # Errors
/// The [`Refusal`] that helps most: what is broken before what is missing.
pub fn judge(trust: &Trust, list: &[u8], files: &[SignatureFile]) -> Result<Judgement, Refusal> {
    let mut signers: Vec<Signer> = Vec::new();
    let mut ignored = Vec::new();
    let mut refusals = Vec::new();
    for file in files {
        match look(trust, list, file) {
            Look::Good(signer) if signers.iter().any(|known| known.key == signer.key) => {}
            Look::Good(signer) => signers.push(signer),
            Look::Beside => {}
            Look::Ignored(reason, refusal) => {
                refusals.extend(refusal);
                ignored.push(Ignored {
                    file: file.name.clone(),
                    reason,
                });
            }
        }
    }
    signers.sort_by_key(|signer| signer.key);
    ignored.sort_by(|a, b| a.file.cmp(&b.file));
    let need = usize::from(trust.policy().threshold.get());
    let missing_roles: Vec<Name> = trust
        .policy()
        .required_roles
        .iter()
        .filter(|role| !signers.iter().any(|signer| signer.roles.contains(role)))
        .cloned()
        .collect();
    if signers.len() >= need && missing_roles.is_empty() {
        return Ok(Judgement { signers, ignored });
    }
    // Those who hold a broken signature of a trusted key learn that first: it is the thing to mend.
    if let Some(refusal) = refusals.into_iter().min_by_key(Refusal::id) {
        return Err(refusal);
    }
    if signers.is_empty() {
        return Err(Refusal::Unknown {
            present: files.iter().map(|file| file.name.clone()).collect(),
            trusted: trust
                .keys()
                .iter()
                .map(|known| format!("{} ({})", known.key.key_id(), known.name))
                .collect(),
        });
    }
    Err(Refusal::Threshold {
        have: signers.len(),
        need,
        missing_roles,
    })
}

enum Look {
    /// It counts.
    Good(Signer),
    /// It is good, and counts only beside a raw signature.
    Beside,
    /// It does not count; a refusal when it should have.
    Ignored(String, Option<Refusal>),
}

fn look(trust: &Trust, list: &[u8], file: &SignatureFile) -> Look {
    match file.name.rsplit_once('.') {
        Some((stem, "sig")) => raw(trust, list, file, stem),
        Some((stem, "sshsig")) => ssh(trust, list, file, stem),
        Some((_, "p7s")) if trust.policy().cms.is_some() => Look::Beside,
        _ => Look::Ignored("not checked: only *.sig and *.sshsig are".to_owned(), None),
    }
}

fn raw(trust: &Trust, list: &[u8], file: &SignatureFile, stem: &str) -> Look {
    let mut malformed = false;
    for known in trust.keys() {
        match known.key.verify(list, &file.bytes) {
            Ok(()) => {
                let fingerprint = known.key.fingerprint();
                if let Some(revoked) = trust.revoked(&fingerprint) {
                    let refusal = Refusal::Revoked {
                        key: known.key.key_id(),
                        reason: match trust.version() {
                            0 => revoked.to_string(),
                            version => {
                                format!("{revoked} (version {version} of the trust directory)")
                            }
                        },
                    };
                    return Look::Ignored(refusal.to_string(), Some(refusal));
                }
                return Look::Good(Signer {
                    key: known.key.key_id(),
                    fingerprint,
                    name: known.name.clone(),
                    roles: known.roles.clone(),
                });
            }
            Err(SignatureError::Malformed) => malformed = true,
            Err(SignatureError::Wrong) => {}
        }
    }
    let reason = if malformed {
        SignatureError::Malformed.to_string()
    } else {
        "it is by an unknown key, or over another list".to_owned()
    };
    let refusal = is_trusted(trust, stem).then(|| Refusal::Corrupt {
        file: file.name.clone(),
        reason: reason.clone(),
    });
    Look::Ignored(reason, refusal)
}

fn ssh(trust: &Trust, list: &[u8], file: &SignatureFile, stem: &str) -> Look {
    match sshsig::verify(&file.bytes, list) {
        Ok(key) if trust.keys().iter().any(|known| known.key == key) => Look::Beside,
        Ok(key) => Look::Ignored(format!("it is by the unknown key {}", key.key_id()), None),
        Err(error) => {
            let reason = error.to_string();
            let refusal = is_trusted(trust, stem).then(|| match error {
                SshSigError::Namespace(namespace) => Refusal::Namespace {
                    file: file.name.clone(),
                    namespace,
                },
                _ => Refusal::Corrupt {
                    file: file.name.clone(),
                    reason: reason.clone(),
                },
            });
            Look::Ignored(reason, refusal)
        }
    }
}

fn is_trusted(trust: &Trust, stem: &str) -> bool {
    trust
        .keys()
        .iter()
        .any(|known| known.key.key_id().to_string() == stem)
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn missing(roles: &[Name]) -> String {
    match roles {
        [] => String::new(),
        roles => {
            let names: Vec<&str> = roles.iter().map(Name::as_str).collect();
            format!("; missing role {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::key::SigningKey;
    use crate::trust::policy::Policy;
    use std::path::Path;

    fn trust(keys: &[&SigningKey], policy: &str) -> Trust {
        let files = keys
            .iter()
            .enumerate()
            .map(|(index, key)| (format!("k{index}.pem"), key.verifying_key().clone()))
            .collect();
        let policy = Policy::parse(&format!("format = 1\n{policy}")).unwrap();
        Trust::new(files, policy, Path::new("trust")).unwrap()
    }

    fn signed(key: &SigningKey, name: &str) -> SignatureFile {
        SignatureFile {
            name: format!("{name}.sig"),
            bytes: key.sign(b"list").unwrap(),
        }
    }

    fn id(result: Result<Judgement, Refusal>) -> &'static str {
        result.map_or_else(|refusal| refusal.id(), |_| "ok")
    }

    #[test]
    fn each_refusal_has_its_own_id() {
        let [a, b, c] = [(); 3].map(|()| SigningKey::generate().unwrap());
        let a_id = a.verifying_key().key_id().to_string();
        let one = trust(&[&a, &b], "");
        assert_eq!(id(judge(&one, b"list", &[])), "E401");
        assert_eq!(id(judge(&one, b"list", &[signed(&c, "c")])), "E401");
        assert_eq!(id(judge(&one, b"list", &[signed(&a, "any")])), "ok");
        assert_eq!(id(judge(&one, b"lisT", &[signed(&a, &a_id)])), "E402");
        let ssh = |namespace: bool| SignatureFile {
            name: format!("{a_id}.sshsig"),
            bytes: if namespace {
                sshsig::sign(&a, b"list").unwrap().into_bytes()
            } else {
                b"junk".to_vec()
            },
        };
        assert_eq!(id(judge(&one, b"list", &[ssh(true)])), "E401");
        assert_eq!(id(judge(&one, b"list", &[ssh(false)])), "E402");
        assert_eq!(
            judge(&one, b"list", &[ssh(false), signed(&a, &a_id)])
                .unwrap()
                .ignored
                .len(),
            1
        );
        let revoked = trust(
            &[&a, &b],
            &format!(
                "[[revoked]]\nkey = \"{}\"\nreason = \"lost\"\n",
                a.verifying_key().fingerprint()
            ),
        );
        assert_eq!(id(judge(&revoked, b"list", &[signed(&a, "a")])), "E406");
        assert_eq!(
            id(judge(
                &revoked,
                b"list",
                &[signed(&a, "a"), signed(&b, "b")]
            )),
            "ok"
        );
    }

    #[test]
    fn two_people_means_two_keys_and_the_roles() {
        let [a, b] = [(); 2].map(|()| SigningKey::generate().unwrap());
        let two = trust(
            &[&a, &b],
            "threshold = 2\nrequired-roles = [\"reviewer\"]\n[[key]]\nfile = \"k1.pem\"\nname = \"Bob\"\nroles = [\"reviewer\"]\n",
        );
        let refusal = judge(&two, b"list", &[signed(&a, "x"), signed(&a, "y")]).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "1 of 2 signatures by different trusted keys; missing role reviewer"
        );
        let good = judge(&two, b"list", &[signed(&a, "x"), signed(&b, "y")]).unwrap();
        assert_eq!(good.signers.len(), 2);
    }
}
