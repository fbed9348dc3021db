//! A damaged bundle made whole again from its parity, in a new folder.
//!
//! Nothing is written to the damaged bundle. What is taken over and what is rebuilt is hashed and
//! compared with the signed list before the new folder appears; it holds the same bytes as the bundle
//! that was built.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::protect::{OpenFiles, protect};
use crate::bundle::sums::{SIG, SUMS, volume_of};
use crate::event::{Cancel, Cancelled, Observer, Progress, Step};
use crate::fs::{self, At, File, FolderLock, LockError, PassError, PathError, pass};
use crate::parity::code::{self, Block, Blocks, CodeError};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::types::size::ByteSize;
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
    /// Blocks of the payload that were rebuilt.
    pub blocks_rebuilt: u64,
    /// Whether the parity was made anew, because some of it was damaged.
    pub parity_made: bool,
}

/// Why nothing was repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Something stands at the target.
    #[error("{} exists", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The bundle has no parity that could be used.
    #[error("{what}")]
    NoParity {
        /// What is missing.
        what: &'static str,
    },
    /// More is lost than the parity gives back.
    #[error(
        "{lost} blocks are lost, {left} can be rebuilt; lost files: {}; {safe} other files are good", files.join(", ")
    )]
    Beyond {
        /// Lost blocks of the worst group.
        lost: u64,
        /// How many of them can be rebuilt.
        left: u64,
        /// The files with lost blocks.
        files: Vec<String>,
        /// Files that are good.
        safe: u64,
    },
    /// Small files are damaged in every place; parity does not cover them.
    #[error("damaged in every place, and not covered by parity: {}", files.join(", "))]
    Small {
        /// The files.
        files: Vec<String>,
    },
    /// The file system has too little room.
    #[error("{} needs {}, its file system has {} free", path.display(), ByteSize(*needed), ByteSize(*free))]
    Space {
        /// The target.
        path: PathBuf,
        /// Bytes to be written.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// What was rebuilt is not what was signed: a medium changed while it was read.
    #[error("{path}: rebuilt with sha256 {found}, listed {expected}")]
    Wrong {
        /// The file.
        path: RelPath,
        /// Its digest in the list.
        expected: Digest,
        /// Its digest as rebuilt.
        found: Digest,
    },
    /// The file system refused.
    #[error("the repaired bundle cannot be written")]
    Io(#[from] PathError),
    /// Another run works on the same folder.
    #[error("the repaired bundle is being written by another run")]
    Lock(#[from] LockError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl RepairError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "E285",
            Self::NoParity { .. } => "E322",
            Self::Beyond { .. } | Self::Small { .. } => "E321",
            Self::Space { .. } => "E602",
            Self::Wrong { .. } => "E301",
            Self::Io(error) | Self::Lock(LockError::Io(error)) => error.id(),
            Self::Lock(LockError::Held { .. }) => "E606",
            Self::Cancelled(_) => "E130",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Exists { .. } => {
                "name a folder that does not exist yet; a repair never writes over anything"
            }
            Self::NoParity { .. } | Self::Beyond { .. } => {
                "add another copy of the bundle as a further place, or carry it over again; nothing was written"
            }
            Self::Small { .. } => {
                "add another copy of the bundle as a further place: each medium holds these files"
            }
            Self::Space { .. } => "free some space or choose another folder; nothing was written",
            Self::Wrong { .. } => "run the same command again; read from a copy if it stays",
            Self::Io(error) => return error.hint(),
            Self::Lock(_) | Self::Cancelled(_) => return None,
        };
        Some(text.to_owned())
    }
}

impl From<PassError> for RepairError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Read(error) | PassError::Write(error) => Self::Io(error),
            PassError::Cancelled(cancelled) => Self::Cancelled(cancelled),
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
    let parts = Parts::of(survey)?;
    if fs::examine(target)?.is_some() {
        return Err(RepairError::Exists {
            path: target.to_owned(),
        });
    }
    let part = beside(target).ok_or_else(|| RepairError::Exists {
        path: target.to_owned(),
    })?;
    if let Some(parent) = part.parent() {
        fs::create_dir_all(parent, FOLDER_MODE)?;
    }
    let _lock = FolderLock::beside(target)?;
    fs::remove_dir_all(&part)?;
    fs::create_dir_all(&part, FOLDER_MODE)?;
    let needed = survey.authentic.sums.header().bytes;
    let free = fs::free_space(&part)?;
    if needed > free {
        return Err(RepairError::Space {
            path: target.to_owned(),
            needed,
            free,
        });
    }
    let progress = Progress {
        step: Step::Repair,
        observer,
        cancel,
    };
    let work = Work {
        survey,
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
    let blocks = parts
        .located
        .map_or(0, |located| located.damage().data_lost);
    Ok(Repaired {
        bundle: target.to_owned(),
        identity: survey.authentic.identity,
        files_copied: count(parts.copied.len()),
        files_rebuilt: parts.rebuilt.into_iter().cloned().collect(),
        blocks_rebuilt: blocks,
        parity_made: parts.parity_made,
    })
}

/// What is to be done with each listed file.
struct Parts<'a> {
    copied: Vec<&'a RelPath>,
    rebuilt: BTreeSet<&'a RelPath>,
    parity_made: bool,
    located: Option<&'a Located>,
}

impl<'a> Parts<'a> {
    fn of(survey: &'a Survey) -> Result<Self, RepairError> {
        let all: Vec<&RelPath> = survey.authentic.sums.entries().keys().collect();
        let is_good = |path: &RelPath| survey.good.contains_key(path);
        let bad = || all.iter().copied().filter(|path| !is_good(path));
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
        let located = survey.located.as_ref();
        if rebuilt.is_empty() && !parity_made {
            return Ok(Self {
                copied: all,
                rebuilt,
                parity_made,
                located: None,
            });
        }
        let Some(located) = located else {
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
            rebuilt,
            parity_made,
            located: Some(located),
        })
    }
}

struct Work<'a> {
    survey: &'a Survey,
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
            self.copy(path, size(path))?;
        }
        if let Some(located) = self.parts.located {
            for path in &self.parts.rebuilt {
                let file = self.create(path)?;
                file.set_len(size(path)).at("write", &path.to_path())?;
            }
            self.rebuild(located)?;
            for path in &self.parts.rebuilt {
                self.compare(path)?;
            }
            if self.parts.parity_made {
                let (payload, shape) = (&located.payload, located.index.shape());
                let progress = Progress {
                    step: Step::Parity,
                    ..self.progress
                };
                let made = protect(self.root, payload, shape, &progress)?;
                for (path, found) in made {
                    self.judge(&path, found)?;
                }
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

    fn copy(&self, path: &RelPath, size: u64) -> Result<(), RepairError> {
        let full = self.target(path)?;
        let name = path.as_str();
        self.progress.item_started(name, size);
        let mut from = self.survey.open_good(path)?;
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
                    RepairError::Io(PathError {
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
