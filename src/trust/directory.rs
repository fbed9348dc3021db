//! The trust directory of the isolated side: `*.pem` public keys, and `policy.toml`.
//!
//! It is installed once, out of band: people compare fingerprints on paper or by phone. Without
//! `policy.toml` one signature by any of its keys is enough.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::fs::{self, PathError};
use crate::trust::key::{KeyError, MAX_KEY_TEXT, VerifyingKey};
use crate::trust::policy::{MAX_POLICY, Policy, PolicyError, Revoked, parse_revoked};
use crate::trust::set::{self, SetError};
use crate::types::digest::Digest;
use crate::types::name::Name;

/// Most keys in a trust directory.
pub const MAX_KEYS: usize = 64;
/// Longest file of a trust directory, in bytes.
const MAX_TEXT_FILE: u64 = 256 * 1024;

/// Whom this network trusts, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    keys: Vec<TrustedKey>,
    policy: Policy,
    /// Certificates in PEM form, by the name of their file.
    certificates: BTreeMap<String, String>,
    version: u32,
    digest: Option<Digest>,
    openssl: Option<PathBuf>,
}

/// Which trust a verdict was given with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustSet {
    /// The version of a sealed set; 0 for one that was never sealed.
    pub version: u32,
    /// SHA-256 of the list of its files (`sha256sum *.crt *.pem *.toml`, sorted by name).
    pub digest: Option<Digest>,
}

/// One key of the trust directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub key: VerifyingKey,
    /// Who holds it: from the policy, or the name of its file.
    pub name: String,
    /// What it speaks for.
    pub roles: Vec<Name>,
}

/// Why a trust directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("the trust directory cannot be read")]
    Io(#[from] PathError),
    /// A key file is wrong.
    #[error("{}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// The policy is wrong.
    #[error("{}: {}", path.display(), join(problems))]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, in the order of the file.
        problems: Vec<PolicyError>,
    },
    /// The policy speaks of a key file that is not there.
    #[error("{}: the policy names the key `{file}`, which is not there", path.display())]
    Absent {
        /// The directory.
        path: PathBuf,
        /// The file that is not there.
        file: String,
    },
    /// There is no key in it, or there are too many.
    #[error("{} holds {count} keys (*.pem); 1 to {MAX_KEYS} are needed", path.display())]
    Count {
        /// The directory.
        path: PathBuf,
        /// How many keys it holds.
        count: usize,
    },
    /// Its threshold can never be met.
    #[error("{}: the policy asks for {threshold} signatures, but there are {count} different keys", path.display())]
    Threshold {
        /// The directory.
        path: PathBuf,
        /// How many signatures are asked for.
        threshold: u8,
        /// How many different keys there are.
        count: usize,
    },
    /// It is sealed, and not what its list says.
    #[error("{}: {reason}", path.display())]
    Sealed {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The policy speaks of a certificate that is not there, or that is none.
    #[error("{}: the policy names the certificate `{file}`, which is not there", path.display())]
    Certificate {
        /// The directory.
        path: PathBuf,
        /// The file.
        file: String,
    },
    /// A file looks like a policy, but has the wrong name, and would be ignored in silence.
    #[error("{}: only `policy.toml` and `revoked.toml` are read", path.display())]
    Stray {
        /// The file.
        path: PathBuf,
    },
}

impl TrustError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Io(error) if error.source.kind() == std::io::ErrorKind::NotFound => "E283",
            Self::Io(error) => error.id(),
            Self::Key { .. } => "E281",
            Self::Policy { .. } | Self::Stray { .. } => "E282",
            Self::Sealed { .. } => "E298",
            Self::Absent { .. }
            | Self::Certificate { .. }
            | Self::Count { .. }
            | Self::Threshold { .. } => "E283",
        }
    }

    const fn is_private_key(&self) -> bool {
        matches!(
            self,
            Self::Key {
                source: KeyError::Private,
                ..
            }
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(error) if error.source.kind() == std::io::ErrorKind::NotFound => Some(
                "make the directory, and put the builder's public key (.pem) there, compared by phone"
                    .to_owned(),
            ),
            Self::Io(error) => error.hint(),
            Self::Policy { .. } => None,
            Self::Key { source, .. } => source.hint(),
            Self::Absent { file, .. } => Some(format!(
                "copy `{file}` into the directory, or remove its [[key]]"
            )),
            Self::Count { .. } => Some(
                "put the public keys (PEM) of those who sign bundles into the directory".to_owned(),
            ),
            Self::Threshold { .. } => {
                Some("add the missing keys, or lower `threshold` in policy.toml".to_owned())
            }
            Self::Sealed { .. } => Some(
                "a sealed set is changed by `haversack trust update` only; those who own it may seal it anew"
                    .to_owned(),
            ),
            Self::Certificate { file, .. } => {
                Some(format!("copy `{file}` (PEM) into the directory"))
            }
            Self::Stray { .. } => Some("rename it to policy.toml, or take it away".to_owned()),
        }
    }
}

impl Trust {
    /// The trust of these keys, each with the name of its file, under this policy. The same key
    /// under two names is one key. `path` is where they came from, for messages.
    ///
    /// # Errors
    /// When there is no key, the policy names one that is not there, or can never be met.
    pub fn new(
        files: Vec<(String, VerifyingKey)>,
        policy: Policy,
        path: &Path,
    ) -> Result<Self, TrustError> {
        if files.is_empty() || files.len() > MAX_KEYS {
            return Err(TrustError::Count {
                path: path.to_owned(),
                count: files.len(),
            });
        }
        let absent = policy
            .keys
            .iter()
            .find(|entry| !files.iter().any(|(file, _)| *file == entry.file));
        if let Some(entry) = absent {
            return Err(TrustError::Absent {
                path: path.to_owned(),
                file: entry.file.clone(),
            });
        }
        let mut keys: Vec<TrustedKey> = Vec::new();
        for (file, key) in files {
            let entry = policy.keys.iter().find(|entry| entry.file == file);
            let roles = entry.map(|entry| entry.roles.clone()).unwrap_or_default();
            if let Some(known) = keys.iter_mut().find(|known| known.key == key) {
                known.roles.extend(roles);
                known.roles.sort();
                known.roles.dedup();
                continue;
            }
            let name = entry.map_or(file, |entry| entry.name.clone());
            keys.push(TrustedKey { key, name, roles });
        }
        // Revoked keys count here: that a bundle is signed by one is told when it comes, with the reason.
        if keys.len() < usize::from(policy.threshold.get()) {
            return Err(TrustError::Threshold {
                path: path.to_owned(),
                threshold: policy.threshold.get(),
                count: keys.len(),
            });
        }
        Ok(Self {
            keys,
            policy,
            certificates: BTreeMap::new(),
            version: 0,
            digest: None,
            openssl: None,
        })
    }

    /// The trust that the directory `path` holds: every `*.pem` in it, and `policy.toml`. Other
    /// files are ignored, but for those that look like a misnamed policy, and for a `*.key` that is a
    /// private key: it must not be on this network.
    ///
    /// # Errors
    /// When it cannot be read, or anything in it is wrong.
    pub fn load(path: &Path) -> Result<Self, TrustError> {
        let mut files = Vec::new();
        let mut policy = Policy::default();
        let mut revoked = Vec::new();
        let mut certificates = BTreeMap::new();
        let mut list = String::new();
        for name in fs::list(path)? {
            let file = path.join(&name);
            let Some(name) = name.to_str() else { continue };
            let lower = name.to_ascii_lowercase();
            if set::belongs(name) {
                let digest = Digest::of(&fs::read(&file, MAX_TEXT_FILE)?);
                // Writing to a String cannot fail.
                let _ = writeln!(list, "{digest}  {name}");
            }
            if name == "policy.toml" {
                policy = read_policy(&file)?;
            } else if name == "revoked.toml" {
                revoked = read_revoked(&file)?;
            } else if name.strip_suffix(".crt").is_some() {
                if certificates.len() >= MAX_KEYS {
                    return Err(TrustError::Count {
                        path: path.to_owned(),
                        count: certificates.len().saturating_add(1),
                    });
                }
                certificates.insert(name.to_owned(), fs::read_text(&file, MAX_TEXT_FILE)?);
            } else if lower.strip_suffix(".toml").is_some() {
                return Err(TrustError::Stray { path: file });
            } else if name.strip_suffix(".pem").is_some() {
                if files.len() >= MAX_KEYS {
                    return Err(TrustError::Count {
                        path: path.to_owned(),
                        count: files.len().saturating_add(1),
                    });
                }
                files.push((name.to_owned(), read_key(&file)?));
            } else if lower.strip_suffix(".key").is_some()
                && let Err(error) = read_key(&file)
                && error.is_private_key()
            {
                return Err(error);
            }
        }
        policy.revoked.extend(revoked);
        if let Some(cms) = &policy.cms {
            let mut named = cms.pins.iter().chain(&cms.authorities);
            if let Some(absent) = named.find(|name| !certificates.contains_key(*name)) {
                return Err(TrustError::Certificate {
                    path: path.to_owned(),
                    file: absent.clone(),
                });
            }
        }
        let mut trust = Self::new(files, policy, path)?;
        trust.certificates = certificates;
        trust.digest = Some(Digest::of(list.as_bytes()));
        let sealed = |error: SetError| match error {
            // A disk that does not answer says nothing about the seal.
            SetError::Io(error) => TrustError::Io(error),
            error => TrustError::Sealed {
                path: path.to_owned(),
                reason: error.to_string(),
            },
        };
        if let Some((_, list)) = set::sealed(path).map_err(sealed)? {
            set::hold(path, &list).map_err(sealed)?;
            trust.version = list.version;
        }
        Ok(trust)
    }

    /// The version of a sealed set; 0 for one that was never sealed.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Which trust this is, for reports.
    #[must_use]
    pub const fn summary(&self) -> TrustSet {
        TrustSet {
            version: self.version,
            digest: self.digest,
        }
    }

    /// A certificate of the directory, in PEM form.
    #[must_use]
    pub fn certificate(&self, file: &str) -> Option<&str> {
        self.certificates.get(file).map(String::as_str)
    }

    /// The program that checks CMS signatures; found on the host when none was named.
    #[must_use]
    pub fn openssl(&self) -> Option<&Path> {
        self.openssl.as_deref()
    }

    /// Names the program that checks CMS signatures.
    pub fn use_openssl(&mut self, program: PathBuf) {
        self.openssl = Some(program);
    }

    /// The keys, each once.
    #[must_use]
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// What is said of a key that must not count any more; `None` when it may.
    #[must_use]
    pub fn revoked(&self, fingerprint: &Digest) -> Option<&Revoked> {
        let mut all = self.policy.revoked.iter();
        all.find(|one| one.means(fingerprint))
    }

    /// What is demanded of bundles.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }
}

fn read_policy(path: &Path) -> Result<Policy, TrustError> {
    let limit = u64::try_from(MAX_POLICY).unwrap_or(u64::MAX);
    let text = fs::read_text(path, limit)?;
    Policy::parse(&text).map_err(|problems| TrustError::Policy {
        path: path.to_owned(),
        problems,
    })
}

fn read_revoked(path: &Path) -> Result<Vec<Revoked>, TrustError> {
    let text = fs::read_text(path, MAX_TEXT_FILE)?;
    parse_revoked(&text).map_err(|problems| TrustError::Policy {
        path: path.to_owned(),
        problems,
    })
}

fn read_key(path: &Path) -> Result<VerifyingKey, TrustError> {
    let limit = u64::try_from(MAX_KEY_TEXT).unwrap_or(u64::MAX);
    let text = fs::read_text(path, limit)?;
    VerifyingKey::from_pem(&text).map_err(|source| TrustError::Key {
        path: path.to_owned(),
        source,
    })
}

fn join(problems: &[PolicyError]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;
    use crate::trust::key::SigningKey;

    fn pem() -> String {
        let key = SigningKey::generate().unwrap();
        key.verifying_key().to_pem().unwrap()
    }

    #[test]
    fn the_same_key_under_two_names_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let key = pem();
        std::fs::write(folder.path().join("a.pem"), &key).unwrap();
        std::fs::write(folder.path().join("b.pem"), &key).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        assert_eq!(Trust::load(folder.path()).unwrap().keys().len(), 1);
        std::fs::write(folder.path().join("policy.toml"), "format=1\nthreshold=2\n").unwrap();
        let error = Trust::load(folder.path()).unwrap_err();
        assert!(
            matches!(
                error,
                TrustError::Threshold {
                    threshold: 2,
                    count: 1,
                    ..
                }
            ),
            "{error}"
        );
        std::fs::write(folder.path().join("c.pem"), pem()).unwrap();
        let trust = Trust::load(folder.path()).unwrap();
        assert_eq!(
            (trust.keys().len(), trust.keys()[0].name.as_str()),
            (2, "a.pem")
        );
    }

    #[test]
    fn a_directory_without_keys_or_with_a_misnamed_policy_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Trust::load(folder.path()).unwrap_err();
        assert!(
            matches!(error, TrustError::Count { count: 0, .. }),
            "{error}"
        );
        std::fs::write(folder.path().join("a.pem"), pem()).unwrap();
        std::fs::write(folder.path().join("Policy.toml"), "format=1\nthreshold=2\n").unwrap();
        assert_eq!(Trust::load(folder.path()).unwrap_err().id(), "E282");
    }

    #[test]
    fn a_private_key_is_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::generate().unwrap();
        std::fs::write(folder.path().join("a.pem"), key.to_pem().unwrap().reveal()).unwrap();
        let error = Trust::load(folder.path()).unwrap_err();
        assert!(matches!(
            error,
            TrustError::Key {
                source: KeyError::Private,
                ..
            }
        ));
        assert!(error.hint().unwrap().contains("-pubout"));

        // Beside the public key too, under the name that keygen gives it.
        std::fs::write(folder.path().join("a.pem"), pem()).unwrap();
        let private = key.to_pem().unwrap();
        std::fs::write(folder.path().join("release.key"), private.reveal()).unwrap();
        assert!(Trust::load(folder.path()).unwrap_err().is_private_key());
        std::fs::write(folder.path().join("release.key"), "no key at all").unwrap();
        assert_eq!(Trust::load(folder.path()).unwrap().keys().len(), 1);
    }
}
