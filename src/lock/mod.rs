//! The lock: the exact files a manifest stands for, and the evidence that was checked for each
//! (lock format 1).
//!
//! A lock is made by resolving a manifest once; `build` uses it and never resolves anew. It is
//! canonical TOML: the same content always has the same bytes ([`Lock::to_toml`]), sorted by path and
//! name, so that a change shows as a small difference under version control.
//!
//! Format 1 is the first. The number is read before anything else; another is refused. What came later
//! is written only where it is used, and a program that does not know it refuses the lock: evidence `by =
//! "minisign"` and `by = "sha512"`; then `by = "page"` and `by = "release"` with `url` and `excerpt`,
//! `signed-by` and `signature` of a signed checksum document, and `[[artifact.accepted]]`; then `[[image]]`; then URLs
//! `file:PATH`, where the path starts at the folder of the manifest: a lock holds no paths of the machine
//! that made it, unless the manifest states them ([`Lock::from_folder`]).

mod board;
mod difference;
mod model;
mod read;
mod write;

pub use board::{Board, FileChange, PackageChange, Pair};
pub use difference::{Difference, Field};
pub use model::{
    Artifact, Evidence, Image, Lock, LockedFile, Package, Repository, Signed, Suite, Vouched,
};

use std::path::Path;

use crate::manifest::Manifest;
use crate::types::digest::Digest;
use crate::types::url::ParseUrlError;

/// Longest lock, in bytes.
pub const MAX_LOCK: u64 = 64 * 1024 * 1024;
/// Where the files of images stand below the payload: the `blobs/sha256` of one OCI image layout.
pub const BLOBS: &str = "images/blobs/sha256";
/// Most payload files of a lock.
pub const MAX_FILES: usize = 60_000;

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// It is longer than [`MAX_LOCK`].
    #[error("{file} is longer than {MAX_LOCK} bytes")]
    TooLarge {
        /// The lock.
        file: String,
    },
    /// It is no TOML of the right shape.
    #[error("{file} is not readable as a lock")]
    Syntax {
        /// The lock.
        file: String,
        /// Where and why.
        #[source]
        source: toml::de::Error,
    },
    /// It is a manifest.
    #[error("{file} is a manifest, and no lock")]
    Manifest {
        /// The manifest.
        file: String,
    },
    /// It is of another format.
    #[error("{file} has lock format {found}, this program knows 1")]
    Format {
        /// The lock.
        file: String,
        /// Its format.
        found: i64,
    },
    /// It contradicts itself.
    #[error("{file}: {problem}")]
    Content {
        /// The lock.
        file: String,
        /// One sentence.
        problem: String,
    },
    /// It answers another manifest.
    #[error(
        "the lock was made for another state of the manifest `{name}` (its digest begins {locked}, the manifest's {found})"
    )]
    Stale {
        /// Name of the manifest.
        name: String,
        /// First digits of the digest that the lock answers.
        locked: String,
        /// First digits of the digest of the manifest.
        found: String,
    },
}

impl LockError {
    /// The stable id: `E210` unreadable, `E520` other format, `E211` stale.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "E502",
            Self::Syntax { .. } | Self::Content { .. } | Self::Manifest { .. } => "E210",
            Self::Format { .. } => "E520",
            Self::Stale { .. } => "E211",
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Stale { .. } => {
                "run `haversack lock` to resolve the changed manifest, and review what changed"
                    .to_owned()
            }
            Self::Manifest { file } => format!(
                "give the lock that `haversack lock {file}` writes: {}",
                Path::new(file).with_extension("lock").display()
            ),
            Self::Format { .. } => {
                "use the haversack version that wrote it, or lock again".to_owned()
            }
            Self::TooLarge { .. } | Self::Syntax { .. } | Self::Content { .. } => {
                "restore the lock from version control, or run `haversack lock` again".to_owned()
            }
        })
    }
}

impl Lock {
    /// Reads a lock. `file_name` is what messages call it.
    ///
    /// # Errors
    /// When it is too long, of another format, not in the right shape, or contradicts itself.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, LockError> {
        read::parse(text, file_name)
    }

    /// The canonical text: the same content always gives the same bytes.
    #[must_use]
    pub fn to_toml(&self) -> String {
        write::to_toml(self)
    }

    /// Whether this lock answers `manifest` as it is now.
    ///
    /// # Errors
    /// [`LockError::Stale`] when the manifest was changed since.
    pub fn agrees_with(&self, manifest: &Manifest) -> Result<(), LockError> {
        if self.manifest == manifest.digest
            && self.name == manifest.name
            && self.target == manifest.target
        {
            return Ok(());
        }
        let begin = |digest: &Digest| digest.to_string().chars().take(12).collect();
        Err(LockError::Stale {
            name: manifest.name.to_string(),
            locked: begin(&self.manifest),
            found: begin(&manifest.digest),
        })
    }

    /// This lock with the paths that start at the folder of the manifest, an absolute path, made absolute,
    /// as they are needed to read the files.
    ///
    /// # Errors
    /// When the folder has a name that no URL can have.
    pub fn from_folder(&self, folder: &str) -> Result<Self, ParseUrlError> {
        let mut lock = self.clone();
        let artifacts = lock.artifacts.iter_mut().flat_map(|artifact| {
            let evidence = artifact.evidence.iter_mut().flat_map(|one| {
                let signed = one.signed.iter_mut();
                let signature = signed.flat_map(|signed| &mut signed.signature);
                one.document.iter_mut().chain(signature).chain(&mut one.key)
            });
            let files = std::iter::once(&mut artifact.file).chain(evidence);
            files.map(|file| &mut file.url).chain(&mut artifact.mirrors)
        });
        let keyrings = lock.repositories.iter_mut().map(|one| &mut one.keyring.url);
        for url in artifacts.chain(keyrings) {
            *url = url.from_folder(folder)?;
        }
        Ok(lock)
    }

    /// What differs in `newer`, sorted by path: empty when both bring the same files on the same
    /// evidence. `lock --check` resolves anew and shows this.
    #[must_use]
    pub fn differences(&self, newer: &Self) -> Vec<Difference> {
        difference::between(self, newer)
    }
}
