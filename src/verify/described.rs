//! A bundle as far as it can be described without hashing its payload, for evidence and paper.

use std::io::Read as _;
use std::path::PathBuf;

use crate::bundle::changes::Changes;
use crate::bundle::contents::Contents;
use crate::bundle::sums::Sums;
use crate::event::{Cancel, Observer, Progress, Silent, Step};
use crate::fs::{At as _, Root, pass};
use crate::trust::directory::Trust;
use crate::trust::judge::judge;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::authentic::read;
use crate::verify::error::VerifyError;
use crate::verify::inspect::TrustSummary;
use crate::verify::problem::Problem;
use crate::verify::structure::{Structure, examine};

/// What lies in a bundle: its list, what `bundle.json` says of each file (whose hash was checked), and
/// whether the list can be believed. The payload was not hashed.
#[derive(Debug)]
pub struct Described {
    roots: Vec<Root>,
    sums: Sums,
    trust: TrustSummary,
    signatures: Vec<String>,
    contents: Contents,
    found: Structure,
}

/// Describes the bundle that lies in the folders `dirs`. Without `trust` nothing it says can be
/// believed, and the result says so.
///
/// # Errors
/// When there is no bundle, or its list or `bundle.json` cannot be read at all.
pub fn describe(dirs: &[PathBuf], trust: Option<&Trust>) -> Result<Described, VerifyError> {
    let raw = read(dirs)?;
    let verdict = trust.map(|trust| judge(trust, &raw.list, &raw.signatures));
    let sums = Sums::parse(&raw.list)?;
    let mut found = examine(&raw.roots, &sums)?;
    let Some(contents) = found.contents.take() else {
        return Err(VerifyError::Content {
            problems: found.problems,
        });
    };
    Ok(Described {
        roots: raw.roots,
        sums,
        trust: TrustSummary::of(verdict),
        signatures: raw.signatures.into_iter().map(|file| file.name).collect(),
        contents,
        found,
    })
}

impl Described {
    /// The list.
    #[must_use]
    pub const fn sums(&self) -> &Sums {
        &self.sums
    }

    /// SHA-256 of the list.
    #[must_use]
    pub fn identity(&self) -> Digest {
        self.sums.identity()
    }

    /// Whether the list can be believed.
    #[must_use]
    pub const fn trust(&self) -> &TrustSummary {
        &self.trust
    }

    /// Names of its signature files.
    #[must_use]
    pub fn signatures(&self) -> &[String] {
        &self.signatures
    }

    /// What each file is.
    #[must_use]
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// What each change of a delta is, when it carries some.
    #[must_use]
    pub const fn changes(&self) -> Option<&Changes> {
        self.found.changes.as_ref()
    }

    /// What is wrong with it as far as can be seen without hashing the payload.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.found.problems
    }

    /// The first bytes of a file, at most `count`; `None` when the file is not here. They are not proved.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn begin_of(&self, path: &RelPath, count: u64) -> Result<Option<Vec<u8>>, VerifyError> {
        let copies = self.found.copies.get(path);
        let copy = copies.and_then(|copies| copies.first());
        let Some(root) = copy.and_then(|copy| self.roots.get(copy.root)) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        root.open_file(&path.to_path())?
            .take(count)
            .read_to_end(&mut bytes)
            .at("read", &root.path().join(path.to_path()))?;
        Ok(Some(bytes))
    }

    /// Hashes every listed file that is here: what is said of a file afterwards is said of the bytes
    /// that were signed for.
    ///
    /// # Errors
    /// When a file is altered, shorter or longer than listed, or cannot be read.
    pub fn prove(&self, observer: &dyn Observer, cancel: &Cancel) -> Result<(), VerifyError> {
        let progress = Progress {
            step: Step::Verify,
            observer,
            cancel,
        };
        let known = self.found.problems.iter();
        let mut problems: Vec<Problem> = known
            .filter(|one| matches!(one, Problem::Truncated { .. } | Problem::Longer { .. }))
            .cloned()
            .collect();
        let here: Vec<_> = self
            .sums
            .entries()
            .iter()
            .filter_map(|(path, expected)| Some((path, expected, self.size_of(path)?)))
            .filter(|(path, ..)| !problems.iter().any(|one| one.path() == path.as_str()))
            .collect();
        let bytes = here.iter().map(|(.., size)| *size);
        progress.started(
            u64::try_from(here.len()).unwrap_or(u64::MAX),
            bytes.fold(0, u64::saturating_add),
        );
        for (path, expected, _) in here {
            match self.hash(path, &progress)? {
                Some(found) if found != *expected => problems.push(Problem::Altered {
                    path: path.to_string(),
                    expected: *expected,
                    found,
                }),
                _ => {}
            }
        }
        progress.done();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(VerifyError::Content { problems })
        }
    }

    /// SHA-256 of a file as it lies there; `None` when it is not here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn digest_of(&self, path: &RelPath) -> Result<Option<Digest>, VerifyError> {
        let progress = Progress {
            step: Step::Verify,
            observer: &Silent,
            cancel: &Cancel::new(),
        };
        self.hash(path, &progress)
    }

    fn hash(&self, path: &RelPath, progress: &Progress<'_>) -> Result<Option<Digest>, VerifyError> {
        let copies = self.found.copies.get(path);
        let copy = copies.and_then(|copies| copies.first());
        let Some((copy, root)) = copy.and_then(|copy| Some((copy, self.roots.get(copy.root)?)))
        else {
            return Ok(None);
        };
        let full = root.path().join(path.to_path());
        let mut file = root.open_file(&path.to_path())?;
        let name = path.as_str();
        let found = pass((&mut file, &full), None, copy.size, &mut progress.of(name))?;
        Ok(Some(found.finish()))
    }

    /// Size of a file as it lies there; `None` when it is not here.
    #[must_use]
    pub fn size_of(&self, path: &RelPath) -> Option<u64> {
        let copies = self.found.copies.get(path)?;
        copies.first().map(|copy| copy.size)
    }

    /// The bytes of a small listed file, after comparing them with the list; `None` when it is not
    /// listed, or not here.
    ///
    /// # Errors
    /// When it is longer than `limit`, cannot be read, or its bytes are others than listed.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, VerifyError> {
        let mut listed = self.sums.entries().iter();
        let Some((path, expected)) = listed.find(|(listed, _)| listed.as_str() == path) else {
            return Ok(None);
        };
        let Some(bytes) = self.begin_of(path, limit.saturating_add(1))? else {
            return Ok(None);
        };
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Err(VerifyError::Limit {
                what: path.to_string(),
                limit: "the reader",
            });
        }
        let found = Digest::of(&bytes);
        if found == *expected {
            return Ok(Some(bytes));
        }
        let problem = Problem::Altered {
            path: path.to_string(),
            expected: *expected,
            found,
        };
        Err(VerifyError::Content {
            problems: vec![problem],
        })
    }
}
