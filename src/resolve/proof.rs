//! Evidence that only the file itself can answer: signatures over it, and digests that the store
//! does not go by.

use std::path::Path;

use super::evidence::{self, Asked, Keys, PinnedKey};
use super::{Means, ResolveError};
use crate::fs;
use crate::lock::{Evidence, LockedFile, Signed, Vouched};
use crate::manifest::{Artifact as Wish, Wanted};
use crate::trust::{minisign, sums};
use crate::types::minisign::MinisignKey;
use crate::types::sha512::Sha512;

/// A piece of evidence that is still to be checked over the file.
pub(super) struct Unchecked<'w> {
    document: Option<LockedFile>,
    signed: Option<(Signed, LockedFile)>,
    kind: Kind<'w>,
}

enum Kind<'w> {
    OpenPgp {
        signature: Vec<u8>,
        key: &'w PinnedKey,
    },
    Minisign {
        signature: Vec<u8>,
        key: &'w MinisignKey,
        comment: Option<&'w str>,
    },
    Sha512(Sha512),
}

/// Fetches everything that is to be checked over the file of `wish`.
pub(super) fn gather<'w>(
    wish: &'w Wish,
    keys: &'w Keys,
    means: &Means<'_>,
) -> Result<Vec<Unchecked<'w>>, ResolveError> {
    let name = wish.path.file_name();
    let mut all = Vec::new();
    for wanted in &wish.evidence {
        all.push(match wanted {
            Wanted::OpenPgp { source, key } => {
                let key = keys.get(key)?;
                let (signature, document) =
                    evidence::signature(source, name, &wish.component, means)?;
                Unchecked {
                    document: Some(document),
                    signed: None,
                    kind: Kind::OpenPgp { signature, key },
                }
            }
            Wanted::Minisign {
                source,
                key,
                comment,
            } => {
                let (signature, document) =
                    evidence::signature(source, name, &wish.component, means)?;
                Unchecked {
                    document: Some(document),
                    signed: None,
                    kind: Kind::Minisign {
                        signature,
                        key,
                        comment: comment.as_deref(),
                    },
                }
            }
            Wanted::Sha512(digest) => Unchecked {
                document: None,
                signed: None,
                kind: Kind::Sha512(*digest),
            },
            Wanted::Sha512File {
                source,
                file_name,
                signed,
            } => {
                let asked = Asked {
                    source,
                    file_name,
                    signed: signed.as_ref(),
                    component: &wish.component,
                };
                let found = evidence::checksum(asked, sums::find_sha512, keys, means)?;
                Unchecked {
                    document: Some(found.document),
                    signed: found.signed,
                    kind: Kind::Sha512(found.digest),
                }
            }
            Wanted::Literal(_)
            | Wanted::Catalogue(_)
            | Wanted::ChecksumFile { .. }
            | Wanted::Page { .. }
            | Wanted::Release { .. }
            | Wanted::FirstLock(_) => continue,
        });
    }
    Ok(all)
}

impl Unchecked<'_> {
    /// Checks it over the file at `path`, and says who vouched.
    pub(super) fn verify(
        &self,
        wish: &Wish,
        path: &Path,
        means: &Means<'_>,
    ) -> Result<Vouched, ResolveError> {
        let name = || wish.path.file_name().to_owned();
        let url = || self.document.as_ref().map(|document| document.url.clone());
        let file = fs::open(path)?;
        match &self.kind {
            Kind::OpenPgp { signature, key } => {
                let unsigned = || ResolveError::Absent {
                    what: "a good signature".to_owned(),
                    url: key.file.url.clone(),
                };
                let signers = key.keyring.verify_detached(signature, file, means.now);
                let signers = signers.map_err(|source| ResolveError::Signature {
                    file: name(),
                    url: url().unwrap_or_else(|| key.file.url.clone()),
                    source,
                })?;
                // The verifier never gives an empty list: this is for the type only.
                let mut signers = signers.into_iter();
                let signer = signers.find(|signer| key.pinned.contains(signer));
                Ok(Vouched::OpenPgp(signer.ok_or_else(unsigned)?))
            }
            Kind::Minisign {
                signature,
                key,
                comment,
            } => match minisign::verify(key, signature, *comment, file) {
                Ok(comment) => Ok(Vouched::Minisign {
                    key: (*key).clone(),
                    comment,
                }),
                Err(source) => Err(ResolveError::Minisign {
                    file: name(),
                    from: self.from(),
                    source,
                }),
            },
            Kind::Sha512(stated) => {
                let found = Sha512::of(file).map_err(|source| ResolveError::Unread {
                    file: name(),
                    source,
                })?;
                if found == *stated {
                    return Ok(Vouched::Sha512(found));
                }
                Err(ResolveError::OtherSha512 {
                    file: name(),
                    who: match &self.document {
                        Some(document) => format!("the checksum file {}", document.url),
                        None => "the manifest".to_owned(),
                    },
                    stated: Box::new(*stated),
                    found: Box::new(found),
                })
            }
        }
    }

    /// The entry of the lock for it, once it was checked.
    pub(super) fn into_evidence(self, vouched: Vouched) -> Evidence {
        let (signed, key) = self.signed.unzip();
        Evidence {
            vouched,
            document: self.document,
            key: match self.kind {
                Kind::OpenPgp { key, .. } => Some(key.file.clone()),
                Kind::Minisign { .. } | Kind::Sha512(_) => key,
            },
            signed,
        }
    }

    fn from(&self) -> String {
        let document = self.document.as_ref();
        document.map_or_else(String::new, |document| document.url.to_string())
    }
}
