//! A damaged bundle made whole again from its parity, in a new folder.
//!
//! Nothing is written to the damaged bundle. What is taken over and what is rebuilt is hashed and
//! compared with the signed list before the new folder appears; it holds the same bytes as the bundle
//! that was built.

mod error;

pub use error::RepairError;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::patch::{Held, Patch};
use crate::bundle::payload::Payload;
use crate::bundle::protect::{OpenFiles, protect};
use crate::bundle::sums::{SIG, SUMS, volume_of};
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::{self, At, File, FolderLock, PassError, PathError, pass};
use crate::parity::code::{self, Block, Blocks, CodeError};
use crate::parity::shape::{Amount, Shape};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::Survey;
use crate::verify::damage::{Located, Reader, pieces_of};

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// The new folder.
    pub bundle: PathBuf,
    /// SHA-256 of its list: that of the damaged one.
    pub identity: Digest,
    /// Files that were taken over as they were.
    pub files_copied: u64,
    /// Files of which blocks were rebuilt, sorted.
    pub files_rebuilt: Vec<RelPath>,
    /// Files that came whole from the patch, sorted.
    pub files_patched: Vec<RelPath>,
    /// Blocks of the payload that came from the patch.
    pub blocks_patched: u64,
    /// Blocks of the payload that were rebuilt.
    pub blocks_rebuilt: u64,
    /// Whether the parity was made anew, because some of it was damaged.
    pub parity_made: bool,
}

impl Repaired {
    /// What an earlier run repaired: all of it stands there, and nothing was done now.
    #[must_use]
    pub const fn before(bundle: PathBuf, identity: Digest, files: u64) -> Self {
        Self {
            bundle,
            identity,
            files_copied: files,
            files_rebuilt: Vec::new(),
            files_patched: Vec::new(),
            blocks_patched: 0,
            blocks_rebuilt: 0,
            parity_made: false,
        }
    }
}

/// Makes the bundle of `survey` whole in the new folder `target`: good files are copied, damaged ones
/// rebuilt block by block, signatures carried over. A bundle that is good is copied as it is.
///
/// The work is done in a folder beside the target that is renamed at the end; a run that was
/// interrupted is begun anew.
///
/// # Errors
/// When something stands at the target, more is lost than the parity gives back (before anything is
/// written), or the file system refuses.
pub fn repair(
    survey: &Survey,
    target: &Path,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Repaired, RepairError> {
    repair_with(survey, None, target, observer, cancel)
}

/// As [`repair`], with a patch that holds blocks and files that were carried again. A piece of it counts when its
/// bytes have the digest that the signed set names, and in no other case.
///
/// # Errors
/// As [`repair`].
pub fn repair_with(
    survey: &Survey,
    patch: Option<&Patch>,
    target: &Path,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Repaired, RepairError> {
    if let Some(base) = survey.authentic.sums.header().base {
        return Err(RepairError::Delta { base });
    }
    let held = held(survey, patch)?;
    let parts = Parts::of(survey, &held.good).map_err(|error| match patch {
        Some(patch) => RepairError::Patch {
            path: patch.path().to_owned(),
            good: held.good.len(),
            damaged: held.damaged.len(),
            source: Box::new(error),
        },
        None => error,
    })?;
    let exists = || RepairError::Exists {
        path: target.to_owned(),
    };
    let part = beside(target).ok_or_else(exists)?;
    if let Some(parent) = part.parent() {
        fs::create_dir_all(parent, FOLDER_MODE)?;
    }
    // Before the look: a run that was killed at its very end left the lock, which goes with this one.
    let _lock = FolderLock::beside(target)?;
    if fs::examine(target)?.is_some() {
        return Err(exists());
    }
    fs::remove_dir_all(&part)?;
    fs::create_dir_all(&part, FOLDER_MODE)?;
    let needed = survey.authentic.sums.header().bytes;
    fs::check_room(target, &part, needed)?;
    let progress = Progress {
        step: Step::Repair,
        observer,
        cancel,
    };
    let work = Work {
        survey,
        patch,
        parts: &parts,
        root: &part,
        progress,
    };
    let result = work.run();
    if let Err(error) = result {
        fs::remove_dir_all(&part)?;
        return Err(error);
    }
    fs::rename(&part, target)?;
    let located = parts.located.as_ref();
    let blocks = located.map_or(0, |located| located.damage().data_lost);
    let given = located.map_or(0, Located::given);
    Ok(Repaired {
        bundle: target.to_owned(),
        identity: survey.authentic.identity,
        files_copied: count(parts.copied.len()),
        files_rebuilt: parts.rebuilt.into_iter().cloned().collect(),
        files_patched: parts.patched.into_iter().cloned().collect(),
        blocks_patched: count(given),
        blocks_rebuilt: blocks,
        parity_made: parts.parity_made,
    })
}

/// What is to be done with each listed file.
struct Parts<'a> {
    copied: Vec<&'a RelPath>,
    patched: BTreeSet<&'a RelPath>,
    rebuilt: BTreeSet<&'a RelPath>,
    parity_made: bool,
    /// What the parity is made of, when it is made anew.
    remade: Option<(Payload, Shape)>,
    located: Option<Located>,
}

impl<'a> Parts<'a> {
    fn of(survey: &'a Survey, held: &BTreeSet<Digest>) -> Result<Self, RepairError> {
        let all: Vec<&RelPath> = survey.authentic.sums.entries().keys().collect();
        let is_good = |path: &RelPath| survey.good.contains_key(path);
        let digest = |path: &RelPath| survey.authentic.sums.entries().get(path);
        let is_patched =
            |path: &RelPath| !is_good(path) && digest(path).is_some_and(|one| held.contains(one));
        let patched: BTreeSet<&RelPath> = all
            .iter()
            .copied()
            .filter(|path| is_patched(path))
            .collect();
        let bad = || {
            let damaged = all.iter().copied().filter(|path| !is_good(path));
            damaged.filter(|path| !patched.contains(path))
        };
        let small: Vec<String> = bad()
            .filter(|path| volume_of(path).is_none())
            .map(ToString::to_string)
            .collect();
        if !small.is_empty() {
            return Err(RepairError::Small { files: small });
        }
        let in_parity = |path: &RelPath| volume_of(path).is_some_and(|name| name.starts_with('p'));
        let rebuilt: BTreeSet<&RelPath> = bad().filter(|path| !in_parity(path)).collect();
        let parity_made = bad().any(in_parity);
        let located = survey.located.clone();
        let located = located.map(|located| located.with_given(held));
        if rebuilt.is_empty() && !parity_made {
            let good = all.iter().copied().filter(|path| is_good(path));
            return Ok(Self {
                copied: good.collect(),
                patched,
                rebuilt,
                parity_made,
                remade: None,
                located: None,
            });
        }
        let Some(located) = located else {
            // All payload is good, and the parity is lost with every list of its blocks: the sizes of its files say
            // how it was made.
            if let (true, Some(remade)) = (rebuilt.is_empty(), made_of(survey)) {
                let good = all.iter().copied();
                let good = good.filter(|path| is_good(path) && !in_parity(path));
                return Ok(Self {
                    copied: good.collect(),
                    patched,
                    rebuilt,
                    parity_made,
                    remade: Some(remade),
                    located: None,
                });
            }
            let what = if survey.authentic.sums.header().parity == 0 {
                "the bundle was built without parity"
            } else {
                "no good list of blocks is left, so nothing can be rebuilt"
            };
            return Err(RepairError::NoParity { what });
        };
        let damage = located.damage();
        if !damage.repairable {
            return Err(RepairError::Beyond {
                lost: damage.worst_lost,
                left: damage.worst_left,
                files: rebuilt.iter().map(ToString::to_string).collect(),
                safe: count(survey.good.len()),
            });
        }
        let copied = all
            .into_iter()
            .filter(|path| is_good(path) && !(parity_made && in_parity(path)));
        Ok(Self {
            copied: copied.collect(),
            patched,
            rebuilt,
            parity_made,
            remade: parity_made.then(|| (located.payload.clone(), located.index.shape().clone())),
            located: Some(located),
        })
    }
}

/// The payload and the shape of its parity, by the sizes of the parity files.
fn made_of(survey: &Survey) -> Option<(Payload, Shape)> {
    let contents = survey.found.contents.as_ref()?;
    let header = survey.authentic.sums.header();
    let sizes = || contents.files.iter().map(|(path, info)| (path, info.size));
    let payload = Payload::new(sizes(), header.volumes);
    let parity_volumes = u64::from(header.parity);
    // Block and groups depend on the payload alone.
    let any = Amount {
        percent: Some(1),
        spare_volumes: 0,
    };
    let any = Shape::spread(payload.volumes(), any, parity_volumes).ok()?;
    let blocks = sizes().filter(|(path, _)| path.file_name().starts_with("parity."));
    let in_parity = |path: &RelPath| volume_of(path).is_some_and(|name| name.starts_with('p'));
    let blocks = blocks.filter(|(path, _)| in_parity(path));
    let bytes = blocks.fold(0_u64, |sum, (_, size)| sum.saturating_add(size));
    let rows = bytes.checked_div(any.block())?.checked_div(any.groups())?;
    let (block, groups) = (any.block(), any.groups());
    let shape = Shape::of(block, payload.volumes(), groups, rows, parity_volumes).ok()?;
    Some((payload, shape))
}

/// The digests of lost blocks and damaged files that the patch holds. One that has something, and nothing of this
/// bundle, is the patch of another.
fn held(survey: &Survey, patch: Option<&Patch>) -> Result<Held, RepairError> {
    let Some(patch) = patch else {
        return Ok(Held::default());
    };
    let entries = survey.authentic.sums.entries();
    let files = entries.iter();
    let files = files.filter(|(path, _)| !survey.good.contains_key(*path));
    let blocks = survey.located.iter().flat_map(Located::lost_digests);
    let wanted = files.map(|(_, digest)| *digest);
    let held = patch.holds(wanted.chain(blocks.map(|(_, digest)| digest)))?;
    let blocks = survey
        .located
        .iter()
        .flat_map(|located| located.index.data());
    let known: BTreeSet<&Digest> = entries.values().chain(blocks).collect();
    // Without its list of blocks nobody can say of a block whose it is.
    let all_known = survey.located.is_some() || survey.authentic.sums.header().parity == 0;
    if all_known && patch.named().next().is_some() && !patch.named().any(|one| known.contains(one))
    {
        return Err(RepairError::OtherPatch {
            path: patch.path().to_owned(),
            bundle: survey.authentic.identity.label(),
        });
    }
    Ok(held)
}

struct Work<'a> {
    survey: &'a Survey,
    patch: Option<&'a Patch>,
    parts: &'a Parts<'a>,
    root: &'a Path,
    progress: Progress<'a>,
}

impl Work<'_> {
    fn run(&self) -> Result<(), RepairError> {
        let size = |path: &RelPath| self.survey.size_of(path);
        let bytes = self
            .parts
            .copied
            .iter()
            .fold(0, |sum: u64, path| sum.saturating_add(size(path)));
        self.progress.started(count(self.parts.copied.len()), bytes);
        for path in &self.parts.copied {
            let from = self.survey.open_good(path)?;
            self.copy(path, size(path), from)?;
        }
        for path in &self.parts.patched {
            let digest = self.survey.authentic.sums.entries().get(*path);
            if let (Some(patch), Some(digest)) = (self.patch, digest) {
                self.copy(path, u64::MAX - 1, patch.open_piece(digest)?)?;
            }
        }
        if let Some(located) = &self.parts.located {
            for path in &self.parts.rebuilt {
                let file = self.create(path)?;
                file.set_len(size(path)).at("write", &path.to_path())?;
            }
            self.rebuild(located)?;
            for path in &self.parts.rebuilt {
                self.compare(path)?;
            }
        }
        if let Some((payload, shape)) = &self.parts.remade {
            let progress = Progress {
                step: Step::Parity,
                ..self.progress
            };
            let made = protect(self.root, payload, shape, BTreeMap::new(), &progress)?;
            for (path, found) in made {
                self.judge(&path, found)?;
            }
        }
        let list = self.survey.authentic.sums.render();
        fs::write_unsynced(&self.root.join(SUMS), list.as_bytes(), FILE_MODE)?;
        let signatures = self.root.join(SIG);
        fs::create_dir_all(&signatures, FOLDER_MODE)?;
        for one in &self.survey.authentic.signatures {
            fs::write_unsynced(&signatures.join(&one.name), &one.bytes, FILE_MODE)?;
        }
        fs::sync_file_system(self.root)?;
        self.progress.done();
        Ok(())
    }

    fn target(&self, path: &RelPath) -> Result<PathBuf, PathError> {
        let full = self.root.join(path.to_path());
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent, FOLDER_MODE)?;
        }
        Ok(full)
    }

    fn create(&self, path: &RelPath) -> Result<File, PathError> {
        let full = self.target(path)?;
        fs::write_unsynced(&full, b"", FILE_MODE)?;
        fs::open_to_write(&full)
    }

    fn copy(&self, path: &RelPath, size: u64, mut from: File) -> Result<(), RepairError> {
        let full = self.target(path)?;
        let name = path.as_str();
        self.progress.item_started(name, size);
        fs::advise_sequential(&from);
        let mut to = fs::AtomicFile::create(&full)?;
        let from: (&mut dyn std::io::Read, &Path) = (&mut from, &full);
        let hasher = pass(
            from,
            Some((&mut to, &full)),
            size,
            &mut self.progress.of(name),
        )?;
        self.judge(path, hasher.finish())?;
        to.commit_unsynced(FILE_MODE)?;
        self.progress.item_done(name, false);
        Ok(())
    }

    /// Fills the damaged files: what is left of them, and then what is rebuilt.
    fn rebuild(&self, located: &Located) -> Result<(), RepairError> {
        let reader = Reader::of(
            &self.survey.authentic,
            &self.survey.found,
            &self.survey.good,
            located,
            self.patch,
        );
        let files =
            OpenFiles::new(|path: &RelPath| fs::open_to_write(&self.root.join(path.to_path())));
        for path in &self.parts.rebuilt {
            let file = files.get(path)?;
            let mut buffer = vec![0; fs::CHUNK];
            for (block, offset, piece) in pieces_of(located, path) {
                self.progress.cancel.check()?;
                if located.lost.contains(&block) {
                    continue;
                }
                let mut done = 0;
                while done < piece.length {
                    let rest = piece.length.saturating_sub(done);
                    let length = usize::try_from(rest).unwrap_or(fs::CHUNK).min(fs::CHUNK);
                    let chunk = buffer.get_mut(..length).unwrap_or_default();
                    reader.read(block, offset.saturating_add(done), chunk)?;
                    let at = piece.at.saturating_add(done);
                    file.write_all_at(chunk, at).at("write", &path.to_path())?;
                    done = done.saturating_add(count(length));
                }
            }
        }
        let mending = Mending {
            located,
            reader,
            files,
            rebuilt: &self.parts.rebuilt,
        };
        let told = |_| Ok(self.progress.cancel.check()?);
        code::rebuild(located.index.shape(), &located.lost, &mending, &told).map_err(|error| {
            match error {
                CodeError::Blocks(error) => error.into(),
                // It was asked before; only a mistake of this program leads here.
                other @ (CodeError::Beyond { .. } | CodeError::Code(_)) => {
                    RepairError::from(PathError {
                        action: "rebuild",
                        path: self.root.to_owned(),
                        source: std::io::Error::other(other.to_string()),
                    })
                }
            }
        })
    }

    fn compare(&self, path: &RelPath) -> Result<(), RepairError> {
        let full = self.root.join(path.to_path());
        let mut file = fs::open(&full)?;
        let from: (&mut dyn std::io::Read, &Path) = (&mut file, &full);
        let told = &mut |_| self.progress.cancel.check();
        let hasher = pass(from, None, u64::MAX - 1, told)?;
        self.judge(path, hasher.finish())
    }

    fn judge(&self, path: &RelPath, found: Digest) -> Result<(), RepairError> {
        match self.survey.authentic.sums.entries().get(path) {
            Some(expected) if *expected == found => Ok(()),
            expected => Err(RepairError::Wrong {
                path: path.clone(),
                expected: expected.copied().unwrap_or_else(|| Digest::of(b"")),
                found,
            }),
        }
    }
}

/// Reads the good blocks, and writes the rebuilt ones into the damaged files.
struct Mending<'a, F> {
    located: &'a Located,
    reader: Reader<'a>,
    files: OpenFiles<F>,
    rebuilt: &'a BTreeSet<&'a RelPath>,
}

impl<F: Fn(&RelPath) -> Result<File, PathError> + Sync> Blocks for Mending<'_, F> {
    type Error = PassError;

    fn read(&self, block: Block, offset: u64, buffer: &mut [u8]) -> Result<(), PassError> {
        self.reader
            .read(block, offset, buffer)
            .map_err(PassError::Read)
    }

    fn write(&self, block: Block, offset: u64, bytes: &[u8]) -> Result<(), PassError> {
        let Block::Data(number) = block else {
            return Ok(());
        };
        let Some(place) = self.located.index.shape().place(number) else {
            return Ok(());
        };
        let mut rest = bytes;
        for piece in self
            .located
            .payload
            .pieces(place, offset, count(bytes.len()))
        {
            let length = usize::try_from(piece.length).unwrap_or(usize::MAX);
            let Some((now, behind)) = rest.split_at_checked(length) else {
                break;
            };
            rest = behind;
            // The good files that share the block are copied already.
            if self.rebuilt.contains(piece.path) {
                let file = self.files.get(piece.path).map_err(PassError::Write)?;
                file.write_all_at(now, piece.at)
                    .at("write", &piece.path.to_path())
                    .map_err(PassError::Write)?;
            }
        }
        Ok(())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The folder beside the target in which the work is done.
fn beside(target: &Path) -> Option<PathBuf> {
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(target.file_name()?);
    hidden.push(".part");
    Some(target.with_file_name(hidden))
}
