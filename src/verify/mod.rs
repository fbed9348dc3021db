//! Proof of a bundle: its list is signed by whom the isolated side trusts, and every byte is what
//! the list says.
//!
//! The order is the point. First the signatures over the list, then the list, then what lies there,
//! then `bundle.json` after its hash, and last the payload; nothing is parsed before it is proved.
//! Nothing is ever written to a bundle.
//!
//! [`open`] gives an [`AuthenticBundle`], from which single files can be copied out, each hashed while
//! it is copied; [`verify`] hashes everything and reports all that is wrong.

pub(crate) mod authentic;
pub(crate) mod damage;
mod described;
mod error;
mod hashing;
mod inspect;
mod look;
mod memory;
mod problem;
mod report;
mod seen;
pub(crate) mod structure;

pub use authentic::{MAX_SIGNATURE_FILE, MAX_SIGNATURE_FILES, Options};
pub use damage::Damage;
pub use described::{Described, describe};
pub use error::VerifyError;
pub use inspect::{ArtifactSummary, ComponentSummary, Inspection, TrustSummary, inspect};
pub use look::{Look, look};
pub use memory::{Accepted, Memory, MemoryError, Override, Rollback, Standing};
pub use problem::Problem;
pub use report::{Verdict, VerifyReport, Warning};
pub use seen::{Seen, Volumes};

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::bundle::contents::Contents;
use crate::bundle::patch::{Piece, Recarry};
use crate::bundle::places::{is_left_out, of_parity, volume_of};
use crate::bundle::sums::Sums;
use crate::event::{Cancel, Cancelled, Observer, Progress, Step};
use crate::fs::{self, At, AtomicFile, File, Hashed, PathError, pass};
use crate::store::Listed;
use crate::trust::directory::Trust;
use crate::trust::judge::Signer;
use crate::types::digest::{Digest, Hasher};
use crate::types::path::RelPath;
use crate::verify::authentic::{Authentic, authenticate, authenticate_carried, read, refused};
use crate::verify::damage::{Good, Located, locate, repairable};
pub(crate) use crate::verify::hashing::compare;
use crate::verify::hashing::{content, hash_all};
use crate::verify::structure::{Copy, Structure, examine};

/// A bundle whose list is signed by whom this network trusts, whose files are exactly the listed ones
/// with the right sizes, and whose `bundle.json` is good. The payload is not read yet: each file is
/// hashed when it is used.
#[must_use]
#[derive(Debug)]
pub struct AuthenticBundle {
    authentic: Authentic,
    threshold: u8,
    /// What `bundle.json` says.
    physical: Contents,
    /// The same with cut files whole.
    contents: Contents,
    copies: BTreeMap<RelPath, Vec<Copy>>,
    absent: Vec<String>,
}

/// Opens the bundle that lies in the folders `dirs` (each holds the list, and some of its volumes).
///
/// # Errors
/// When the signatures are not enough, the policy or the memory refuses it, or anything is wrong that
/// can be seen without reading the payload.
pub fn open(
    dirs: &[PathBuf],
    trust: &Trust,
    memory: &Memory,
    options: &Options,
) -> Result<AuthenticBundle, VerifyError> {
    let authentic = authenticate(read(dirs)?, trust, memory, options)?;
    let found = examine(&authentic.roots, &authentic.sums)?;
    let Structure {
        copies,
        absent,
        problems,
        contents,
        ..
    } = found;
    let (Some(contents), true) = (contents, problems.is_empty()) else {
        return Err(VerifyError::Content { problems });
    };
    check_platform(&contents, trust)?;
    Ok(AuthenticBundle {
        authentic,
        threshold: trust.policy().threshold.get(),
        contents: contents.joined(),
        physical: contents,
        copies,
        absent: absent.into_iter().collect(),
    })
}

/// Verifies the bundle that lies in the folders `dirs`: everything that [`open`] checks, and every
/// byte. What is wrong with the content comes in the report, all of it.
///
/// # Errors
/// When the list cannot be trusted or taken in, so that there is nothing to report about.
pub fn verify(
    dirs: &[PathBuf],
    trust: &Trust,
    memory: &Memory,
    options: &Options,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<VerifyReport, VerifyError> {
    Ok(survey(dirs, trust, memory, options, observer, cancel)?.report)
}

/// A bundle of which every byte that is here was looked at, good or not: what a repair begins with.
#[derive(Debug)]
pub struct Survey {
    pub(crate) authentic: Authentic,
    pub(crate) found: Structure,
    pub(crate) good: Good,
    pub(crate) located: Option<Located>,
    report: VerifyReport,
}

impl Survey {
    /// What was found.
    #[must_use]
    pub const fn report(&self) -> &VerifyReport {
        &self.report
    }

    /// What was found, without what a repair needs.
    #[must_use]
    pub fn into_report(self) -> VerifyReport {
        self.report
    }

    /// What must be brought again to make whole what is here: of the payload the lost blocks, or whole files
    /// where there is no list of blocks; and the small files that no place has. A volume that is not here is lost
    /// like any other bytes: all media that there are belong into the places. Parity that is made anew is not in it.
    #[must_use]
    pub fn recarry(&self) -> Recarry {
        let mut pieces = BTreeMap::new();
        for (path, digest) in self.authentic.sums.entries() {
            let volume = volume_of(path);
            let covered = self.located.is_some() && volume.is_some();
            // Without `bundle.json` nobody knows how the parity was made.
            let made_anew = self.found.contents.is_some() && volume.is_some_and(of_parity);
            if self.good.contains_key(path) || covered || made_anew || is_left_out(path) {
                continue;
            }
            pieces.insert(Piece::File(path.clone()), *digest);
        }
        pieces.extend(self.located.iter().flat_map(Located::lost_pieces));
        Recarry {
            identity: self.authentic.identity,
            pieces,
        }
    }

    /// Size of a listed file, as far as it is known.
    pub(crate) fn size_of(&self, path: &RelPath) -> u64 {
        let copies = self.found.copies.get(path);
        let good = self.good.get(path).copied();
        let described = self.found.contents.as_ref();
        good.and_then(|number| copies?.get(number))
            .map(|copy| copy.size)
            .or_else(|| Some(described?.files.get(path)?.size))
            .unwrap_or(0)
    }

    /// Opens the copy of a file that was found to be right.
    pub(crate) fn open_good(&self, path: &RelPath) -> Result<File, PathError> {
        let copies = self.found.copies.get(path);
        let good = self.good.get(path).copied();
        let root = good
            .and_then(|number| copies?.get(number))
            .and_then(|copy| self.authentic.roots.get(copy.root));
        root.map_or_else(
            || Err(std::io::Error::from(std::io::ErrorKind::NotFound)).at("open", &path.to_path()),
            |root| root.open_file(&path.to_path()),
        )
    }
}

/// As [`verify`], and keeps what a repair needs. Of a delta, what it carries is proved, and that whoever signed it
/// signed the bundle that it makes; the verdict is never [`Verdict::Good`].
///
/// # Errors
/// As [`verify`].
pub fn survey(
    dirs: &[PathBuf],
    trust: &Trust,
    memory: &Memory,
    options: &Options,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Survey, VerifyError> {
    let authentic = authenticate_carried(read(dirs)?, trust, memory, options)?;
    let found = examine(&authentic.roots, &authentic.sums)?;
    if let Some(contents) = &found.contents {
        check_platform(contents, trust)?;
    }
    let threshold = trust.policy().threshold.get();
    let progress = Progress {
        step: Step::Verify,
        observer,
        cancel,
    };
    let (mut report, good) = hash_all(&authentic, threshold, &found, &progress)?;
    let located = if matches!(report.verdict, Verdict::Good | Verdict::Delta) {
        None
    } else {
        locate(&authentic, &found, &good)
    };
    let lost = located.as_ref().filter(|located| !located.lost.is_empty());
    report.damage = lost.map(Located::damage);
    if !matches!(report.verdict, Verdict::Good | Verdict::Delta) {
        let whole = repairable(&authentic, &found, &good, located.as_ref());
        report.repairable = Some(whole);
    }
    Ok(Survey {
        authentic,
        found,
        good,
        located,
        report,
    })
}

impl AuthenticBundle {
    /// Hashes every byte of every file that is here, on all cores, and reports all that is wrong.
    ///
    /// # Errors
    /// When the work was asked to stop.
    pub fn verify_bytes(
        &self,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<VerifyReport, VerifyError> {
        let found = Structure {
            copies: self.copies.clone(),
            absent: self.absent.iter().cloned().collect(),
            problems: Vec::new(),
            contents: Some(self.physical.clone()),
            changes: None,
        };
        let progress = Progress {
            step: Step::Verify,
            observer,
            cancel,
        };
        let (report, _) = hash_all(&self.authentic, self.threshold, &found, &progress)?;
        Ok(report)
    }

    /// Copies a file to `target` with these permission bits, hashing what passes: it is read once and
    /// written once. The target appears only when the bytes are what was signed. It is not synced:
    /// the caller does that once for the whole tree, with [`crate::fs::sync_file_system`].
    ///
    /// # Errors
    /// When the file is not here, its bytes are wrong, or the target cannot be written; nothing is
    /// left at the target then.
    pub fn copy_out(
        &self,
        path: &RelPath,
        target: &Path,
        mode: u32,
        progress: &Progress<'_>,
    ) -> Result<(), VerifyError> {
        let mut file = AtomicFile::create(target)?;
        self.read_through(path, Some((&mut file, target)), progress)?;
        Ok(file.commit_unsynced(mode)?)
    }

    /// Reads a file and compares its bytes with what was signed.
    ///
    /// # Errors
    /// When the file is not here, cannot be read, or its bytes are wrong.
    pub fn check_file(&self, path: &RelPath, progress: &Progress<'_>) -> Result<(), VerifyError> {
        self.read_through(path, None, progress)
    }

    /// The bytes of a small file, after comparing them with what was signed.
    ///
    /// # Errors
    /// When the file is not here, is longer than `limit`, cannot be read, or its bytes are wrong.
    pub fn read_file(&self, path: &RelPath, limit: u64) -> Result<Vec<u8>, VerifyError> {
        let size = self.contents.files.get(path).map(|info| info.size);
        let size = size.or_else(|| self.locate(path).ok().map(|(_, _, size)| size));
        if size.is_some_and(|size| size > limit) {
            return Err(VerifyError::Limit {
                what: path.to_string(),
                limit: "the reader",
            });
        }
        let mut bytes = Vec::new();
        let here = PathBuf::from(path.as_str());
        let told = &mut |_| Ok(());
        self.read_pieces(path, Some((&mut bytes, &here)), told)?;
        Ok(bytes)
    }

    /// The files that are here, by digest; one that is cut by its parts.
    #[must_use]
    pub fn shelf(&self) -> Listed {
        let place = |path: &RelPath| {
            let (root, ..) = self.locate(path).ok()?;
            Some(root.path().join(path.to_path()))
        };
        let listed = self.sums().entries().iter();
        let whole = listed.filter_map(|(path, digest)| Some((*digest, vec![place(path)?])));
        let cut = self.physical.cut.values().filter_map(|cut| {
            let parts: Option<Vec<_>> = cut.parts.iter().map(place).collect();
            Some((cut.sha256, parts?))
        });
        whole.chain(cut).collect()
    }

    /// What each file is; a file that is cut stands there whole.
    #[must_use]
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The list.
    #[must_use]
    pub const fn sums(&self) -> &Sums {
        &self.authentic.sums
    }

    /// SHA-256 of a file: of a listed one, or of one that is cut, as it is whole.
    #[must_use]
    pub fn digest_of(&self, path: &RelPath) -> Option<Digest> {
        let cut = self.physical.cut.get(path).map(|cut| cut.sha256);
        cut.or_else(|| self.sums().entries().get(path).copied())
    }

    /// SHA-256 of the list.
    #[must_use]
    pub const fn identity(&self) -> Digest {
        self.authentic.identity
    }

    /// The trusted keys that signed, sorted by id.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.authentic.judgement.signers
    }

    /// How it stands to what was accepted before.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.authentic.standing
    }

    /// Why it was accepted although the memory refuses it; what [`Memory::record`] wants to know.
    #[must_use]
    pub fn override_reason(&self) -> Option<&str> {
        self.authentic.override_reason.as_deref()
    }

    /// The folders that it lies in.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.authentic.roots.iter().map(fs::Root::path)
    }

    /// Volumes that are not here, sorted.
    #[must_use]
    pub fn absent_volumes(&self) -> &[String] {
        &self.absent
    }

    /// What a person should know.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.authentic.warnings
    }

    fn locate(&self, path: &RelPath) -> Result<(&fs::Root, Digest, u64), VerifyError> {
        let copy = self.copies.get(path).and_then(|copies| copies.first());
        let root = copy.and_then(|copy| self.authentic.roots.get(copy.root));
        let digest = self.authentic.sums.entries().get(path);
        // Sizes were compared with `bundle.json` when the bundle was opened.
        match (root, digest, copy) {
            (Some(root), Some(digest), Some(copy)) => Ok((root, *digest, copy.size)),
            _ => Err(VerifyError::NoFile {
                path: path.to_string(),
            }),
        }
    }

    fn read_through(
        &self,
        path: &RelPath,
        to: Option<(&mut dyn Write, &Path)>,
        progress: &Progress<'_>,
    ) -> Result<(), VerifyError> {
        let size = self.contents.files.get(path).map_or(0, |info| info.size);
        progress.item_started(path.as_str(), size);
        self.read_pieces(path, to, &mut progress.of(path.as_str()))?;
        progress.item_done(path.as_str(), false);
        Ok(())
    }

    /// Reads a file, or all parts of one that is cut, holding each against the list, and the whole against
    /// `bundle.json`.
    fn read_pieces(
        &self,
        path: &RelPath,
        mut to: Option<(&mut dyn Write, &Path)>,
        told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
    ) -> Result<(), VerifyError> {
        let Some(cut) = self.physical.cut.get(path) else {
            return self.read_piece(path, None, to, told);
        };
        let mut whole = Hasher::new();
        for part in &cut.parts {
            let to: Option<(&mut dyn Write, &Path)> = match &mut to {
                Some((writer, path)) => Some((&mut **writer, *path)),
                None => None,
            };
            self.read_piece(part, Some(&mut whole), to, told)?;
        }
        let found = whole.finish_counted();
        compare(path, (cut.sha256, Some(cut.info.size)), found)
            .map_or(Ok(()), |problem| Err(content(problem)))
    }

    fn read_piece(
        &self,
        path: &RelPath,
        whole: Option<&mut Hasher>,
        to: Option<(&mut dyn Write, &Path)>,
        told: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
    ) -> Result<(), VerifyError> {
        let (root, expected, size) = self.locate(path)?;
        let full = root.path().join(path.to_path());
        let mut file = root.open_file(&path.to_path())?;
        fs::advise_sequential(&file);
        let found = match whole {
            Some(whole) => pass((&mut Hashed::new(file, whole), &full), to, size, told)?,
            None => pass((&mut file, &full), to, size, told)?,
        };
        compare(path, (expected, Some(size)), found.finish_counted())
            .map_or(Ok(()), |problem| Err(content(problem)))
    }
}

/// Refuses what is for a platform that the policy does not name.
pub(crate) fn check_platform(contents: &Contents, trust: &Trust) -> Result<(), VerifyError> {
    let platforms = &trust.policy().platforms;
    if platforms.is_empty() || platforms.contains(&contents.target) {
        Ok(())
    } else {
        Err(refused("E521", "bundles for", platforms, &contents.target))
    }
}
