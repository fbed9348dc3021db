//! Writing a bundle: resumable, each byte read once and written once.

mod error;
mod existing;
mod parts;

pub use error::PackError;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::bundle::blocks::Blocks;
use crate::bundle::places::SUMS;
use crate::bundle::planned::{Planned, PlannedCut, PlannedFile};
use crate::bundle::protect::protect;
use crate::bundle::request::{PackRequest, Source};
use crate::bundle::sums::Sums;
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::{self, AtomicFile, File, FolderLock, Kind, PathError, WorkError, pass};
use crate::pool;
use crate::store::Store;
use crate::types::digest::Digest;
use crate::types::path::RelPath;

/// Threads that write files, for each core: while some wait for the disk, others read and hash.
const WRITERS_A_CORE: NonZeroUsize = NonZeroUsize::new(2).unwrap();
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// A whole bundle on disk that nobody has signed yet.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedBundle {
    /// Its folder.
    pub path: PathBuf,
    /// Its list.
    pub sums: Sums,
    /// Its identity: the SHA-256 of its list.
    pub identity: Digest,
    /// Whether it stood there already, from an earlier run.
    pub existing: bool,
    /// Bytes of its files, list and signatures not counted: of a delta, what is carried.
    pub carried: u64,
}

/// Writes the bundle of `request` to the folder `target`, taking stored files from `store`.
///
/// The work is done in a folder beside the target, which is renamed when all is written and synced:
/// a reader never sees a half bundle. When it is interrupted, even by SIGKILL or a power loss, the same call goes
/// on; files that were finished are hashed again before they are kept. The same request always gives
/// the same bytes. When the target holds this very bundle already, every byte of it is hashed and
/// nothing else is done.
///
/// # Errors
/// When the request is wrong, the store lacks a file, something else stands at the target, or the
/// file system refuses.
pub fn pack(
    target: &Path,
    request: &PackRequest,
    store: &Store,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<UnsignedBundle, PackError> {
    let planned = request.plan()?;
    let part = part_folder(target)?;
    if let Some(parent) = part.parent() {
        fs::create_dir_all(parent, FOLDER_MODE)?;
    }
    // Beside target and part, so that it holds until both are what they shall be.
    let _lock = FolderLock::beside(target)?;
    let progress = Progress {
        step: Step::Pack,
        observer,
        cancel,
    };
    let there = existing::stands(target, &planned, &progress)?;
    let existing = there.is_some();
    let sums = if let Some(sums) = there {
        fs::remove_dir_all(&part)?;
        sums
    } else {
        Work {
            target,
            part: &part,
            root: part.join("bundle"),
            planned: &planned,
            store,
            progress,
            blocks: Blocks::new(
                (planned.parity.as_ref()).map(|parity| (&parity.shape, &parity.payload)),
            ),
        }
        .run()?
    };
    Ok(UnsignedBundle {
        path: target.to_owned(),
        identity: sums.identity(),
        sums,
        existing,
        carried: planned
            .sizes()
            .fold(0, |sum, (_, size)| sum.saturating_add(size)),
    })
}

/// Looks whether the bundle of `request` could be written to `target`, before its files are brought:
/// that nothing else stands there, that the folder which holds it can be written to, and that there is
/// room. The store need not have the files yet, and bytes at the target are not compared.
///
/// # Errors
/// As [`pack`], as far as that can be told now.
pub fn foresee(target: &Path, request: &PackRequest) -> Result<(), PackError> {
    let planned = request.plan()?;
    let part = part_folder(target)?;
    if let Some(parent) = part.parent() {
        fs::create_dir_all(parent, FOLDER_MODE)?;
    }
    // It is a file in that folder.
    let _lock = FolderLock::beside(target)?;
    if existing::same_list(target, &planned)?.is_some() {
        return Ok(());
    }
    let root = part.join("bundle");
    let mut present = BTreeSet::new();
    if fs::examine(&root)?.is_some() {
        for (path, size) in planned.sizes() {
            let there = fs::examine(&root.join(path.to_path()))?;
            if there.is_some_and(|found| found.is_file() && found.len() == size) {
                present.insert(path.clone());
            }
        }
    }
    check_space(target, &part, &planned, &present)
}

/// The folder beside `target` in which the work is done.
fn part_folder(target: &Path) -> Result<PathBuf, PackError> {
    fs::part_beside(target).ok_or_else(|| PackError::Target {
        path: target.to_owned(),
    })
}

struct Work<'a> {
    target: &'a Path,
    part: &'a Path,
    root: PathBuf,
    planned: &'a Planned,
    store: &'a Store,
    progress: Progress<'a>,
    blocks: Blocks<'a>,
}

impl Work<'_> {
    fn run(self) -> Result<Sums, PackError> {
        fs::create_dir_all(&self.root, FOLDER_MODE)?;
        let present = self.clean()?;
        if let Err(error) = check_space(self.target, self.part, self.planned, &present) {
            if present.is_empty() {
                fs::remove_dir_all(self.part)?;
            }
            return Err(error);
        }
        let folders = self.make_folders()?;

        // Largest first, so that the last to finish is a small one.
        let whole = self.planned.files.iter().map(Job::Whole);
        let mut order: Vec<Job<'_>> = whole.chain(self.planned.cut.iter().map(Job::Cut)).collect();
        order.sort_by(|a, b| {
            let (a, b) = (a.file(), b.file());
            b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path))
        });
        self.progress.started(
            u64::try_from(order.len()).unwrap_or(u64::MAX),
            order
                .iter()
                .fold(0, |sum, job| job.file().size.saturating_add(sum)),
        );
        let made = pool::try_map(
            &order,
            pool::cores().saturating_mul(WRITERS_A_CORE),
            |job| match job {
                Job::Whole(file) => self
                    .place(file, present.contains(&file.path))
                    .map(|()| Vec::new()),
                Job::Cut(cut) => self.place_parts(cut, &present),
            },
        )?;
        self.progress.done();
        let mut made: BTreeMap<RelPath, Digest> = made.into_iter().flatten().collect();
        if let Some(parity) = &self.planned.parity {
            let progress = Progress {
                step: Step::Parity,
                ..self.progress
            };
            made.extend(protect(
                &self.root,
                &parity.payload,
                &parity.shape,
                self.blocks.known(),
                &progress,
            )?);
        }
        let sums = self.planned.list(&made)?;
        fs::write_atomic(&self.root.join(SUMS), sums.render().as_bytes(), FILE_MODE)?;
        for folder in folders.iter().rev() {
            fs::sync_folder(&self.root.join(folder))?;
        }
        fs::sync_folder(&self.root)?;
        fs::rename(&self.root, self.target)?;
        fs::remove_dir_all(self.part)?;
        Ok(sums)
    }

    /// Removes what does not belong in the folder, and gives the files that may be finished.
    fn clean(&self) -> Result<BTreeSet<RelPath>, PathError> {
        let parts = self.planned.cut.iter().flat_map(|cut| &cut.parts);
        let parts = parts.map(|(path, size)| (path, *size));
        let whole = self.planned.files.iter();
        let wanted: BTreeMap<PathBuf, (&RelPath, u64)> = whole
            .map(|file| (&file.path, file.size))
            .chain(parts)
            .map(|(path, size)| (path.to_path(), (path, size)))
            .collect();
        let mut present = BTreeSet::new();
        let mut gone: Vec<PathBuf> = Vec::new();
        for entry in fs::walk(&self.root)? {
            if gone.iter().any(|folder| entry.path.starts_with(folder)) {
                continue;
            }
            let full = self.root.join(&entry.path);
            match (entry.kind, wanted.get(&entry.path)) {
                (Kind::Folder, None) => {
                    let needed = wanted.keys().any(|path| path.starts_with(&entry.path));
                    if !needed {
                        fs::remove_dir_all(&full)?;
                        gone.push(entry.path);
                    }
                }
                (Kind::Folder, Some(_)) => {
                    fs::remove_dir_all(&full)?;
                    gone.push(entry.path);
                }
                (Kind::File, Some((path, size))) if entry.size == *size && entry.sole_name => {
                    present.insert((*path).clone());
                }
                _ => fs::remove_file(&full)?,
            }
        }
        Ok(present)
    }

    /// Makes every folder; gives them, parents first.
    fn make_folders(&self) -> Result<BTreeSet<PathBuf>, PathError> {
        let mut folders = BTreeSet::new();
        for (path, _) in self.planned.sizes() {
            let path = path.to_path();
            let parents = path.ancestors().skip(1);
            folders.extend(
                parents
                    .filter(|folder| !folder.as_os_str().is_empty())
                    .map(Path::to_path_buf),
            );
        }
        for folder in &folders {
            fs::create_dir_all(&self.root.join(folder), FOLDER_MODE)?;
        }
        Ok(folders)
    }

    fn place(&self, file: &PlannedFile, present: bool) -> Result<(), PackError> {
        let name = file.path.as_str();
        let path = self.root.join(file.path.to_path());
        self.progress.cancel.check()?;
        self.progress.item_started(name, file.size);
        let mut told = 0;
        if present {
            let there = fs::open(&path)?;
            fs::advise_sequential(&there);
            let mut there = self.blocks.reading(&file.path, there);
            let found = pass(
                (&mut there, &path),
                None,
                file.size,
                &mut self.progress.of(name),
            )?;
            let found = found.finish_counted();
            if found == (file.digest, file.size) {
                there.finish();
                self.progress.item_done(name, true);
                return Ok(());
            }
            told = found.1;
        }
        match &file.source {
            Source::Bytes(bytes) => {
                let mut target = AtomicFile::create(&path)?;
                let from: (&mut dyn std::io::Read, &Path) = (&mut bytes.as_slice(), &path);
                pass(
                    from,
                    Some((&mut target, &path)),
                    file.size,
                    &mut self.progress.beyond(told, name),
                )?;
                target.commit_unsynced_folder(FILE_MODE)?;
            }
            Source::Stored { .. } => self.copy(file, &path, told)?,
        }
        self.progress.item_done(name, false);
        Ok(())
    }

    fn copy(&self, file: &PlannedFile, path: &Path, told: u64) -> Result<(), PackError> {
        let (from, stored) = self.open_stored(file)?;
        let mut from = self.blocks.reading(&file.path, from);
        let mut target = AtomicFile::create(path)?;
        let (digest, size) = pass(
            (&mut from, &stored),
            Some((&mut target, path)),
            file.size,
            &mut self.progress.beyond(told, file.path.as_str()),
        )?
        .finish_counted();
        if (digest, size) != (file.digest, file.size) {
            return Err(other_bytes(
                file,
                format!("{size} bytes of sha256 {digest}"),
            ));
        }
        from.finish();
        target.commit_unsynced_folder(FILE_MODE)?;
        Ok(())
    }
    fn open_stored(&self, file: &PlannedFile) -> Result<(File, PathBuf), PackError> {
        let stored = self.store.path_of(&file.digest);
        if fs::examine(&stored)?.is_none() {
            return Err(other_bytes(file, "nothing".to_owned()));
        }
        let from = fs::open(&stored)?;
        fs::advise_sequential(&from);
        Ok((from, stored))
    }
}

/// Compares what is missing with what is free, before anything is written.
fn check_space(
    target: &Path,
    part: &Path,
    planned: &Planned,
    present: &BTreeSet<RelPath>,
) -> Result<(), PackError> {
    let missing = planned.sizes().filter(|(path, _)| !present.contains(*path));
    let needed = missing.fold(0_u64, |sum, (_, size)| sum.saturating_add(size));
    let holding = part.parent().filter(|one| !one.as_os_str().is_empty());
    match fs::check_room(target, holding.unwrap_or(Path::new(".")), needed) {
        Err(no_room @ WorkError::Space { .. }) if !present.is_empty() => Err(PackError::Rest {
            no_room,
            kept: part.to_owned(),
        }),
        other => Ok(other?),
    }
}

/// What is written in one go.
enum Job<'a> {
    Whole(&'a PlannedFile),
    Cut(&'a PlannedCut),
}

impl<'a> Job<'a> {
    fn file(&self) -> &'a PlannedFile {
        match self {
            Self::Whole(file) => file,
            Self::Cut(cut) => &cut.whole,
        }
    }
}

fn other_bytes(file: &PlannedFile, found: String) -> PackError {
    PackError::Store {
        path: file.path.clone(),
        expected: file.digest,
        found,
    }
}
