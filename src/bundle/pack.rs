//! Writing a bundle: resumable, each byte read once and written once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::bundle::protect::protect;
use crate::bundle::request::{PackRequest, Planned, PlannedFile, RequestError, Source};
use crate::bundle::sums::{self, SUMS, Sums};
use crate::event::{Cancel, Cancelled, Observer, Progress, Step};
use crate::fs::{self, AtomicFile, FolderLock, Kind, LockError, PassError, PathError, pass};
use crate::pool;
use crate::store::Store;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::types::size::ByteSize;

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
}

/// Why no bundle was written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The request cannot become a bundle.
    #[error("this cannot be packed")]
    Request(#[from] RequestError),
    /// The file system refused.
    #[error("the bundle cannot be written")]
    Io(#[from] PathError),
    /// Another run works on the same bundle.
    #[error("the bundle is being written by another run")]
    Lock(#[from] LockError),
    /// Something else stands at the target.
    #[error("{} exists and is not this bundle: its SHA256SUMS is {found}", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
        /// What was found there: a digest, or that there is none.
        found: String,
    },
    /// The same bundle stands at the target, but something happened to it.
    #[error("{} is this bundle, but {file} is {problem}", path.display())]
    Damaged {
        /// The target.
        path: PathBuf,
        /// The file, by its path in the bundle.
        file: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The store does not hold a file, or holds other bytes under its name.
    #[error("{path}: the store has {found}, not the file of sha256 {expected}")]
    Store {
        /// The file in the bundle.
        path: RelPath,
        /// Its digest.
        expected: Digest,
        /// What the store has.
        found: String,
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
    /// The target has no name or no parent folder.
    #[error("{}: no folder for a bundle", path.display())]
    Target {
        /// The target.
        path: PathBuf,
    },
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl PackError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Request(error) => error.id(),
            Self::Io(error) | Self::Lock(LockError::Io(error)) => error.id(),
            Self::Lock(LockError::Held { .. }) => "E606",
            Self::Exists { .. } | Self::Target { .. } => "E285",
            Self::Damaged { .. } => "E315",
            Self::Store { .. } => "E316",
            Self::Space { .. } => "E602",
            Self::Cancelled(_) => "E130",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(error) => error.hint(),
            Self::Exists { .. } => Some(
                "choose another folder, raise the sequence, or move the old bundle away; it was left as it is"
                    .to_owned(),
            ),
            Self::Damaged { path, .. } => Some(format!(
                "move {} away and build again; it was left as it is",
                path.display()
            )),
            Self::Store { .. } => {
                Some("run the same command again: it fetches the file anew".to_owned())
            }
            Self::Space { .. } => {
                Some("free some space or choose another folder; nothing was written".to_owned())
            }
            Self::Target { .. } => Some("name a folder that does not exist yet".to_owned()),
            Self::Request(_) | Self::Lock(_) | Self::Cancelled(_) => None,
        }
    }
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
    let there = stands(target, &planned, &progress)?;
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
        }
        .run()?
    };
    Ok(UnsignedBundle {
        path: target.to_owned(),
        identity: sums.identity(),
        sums,
        existing,
    })
}

/// The folder beside `target` in which the work is done.
fn part_folder(target: &Path) -> Result<PathBuf, PackError> {
    let name = target.file_name().ok_or_else(|| PackError::Target {
        path: target.to_owned(),
    })?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".part");
    Ok(target.with_file_name(hidden))
}

/// The list of the target when it holds this very bundle: its list, every byte of its files, and
/// nothing else but signatures.
fn stands(
    target: &Path,
    planned: &Planned,
    progress: &Progress<'_>,
) -> Result<Option<Sums>, PackError> {
    if fs::examine(target)?.is_none() {
        return Ok(None);
    }
    let exists = |found: &str| PackError::Exists {
        path: target.to_owned(),
        found: found.to_owned(),
    };
    let list = target.join(SUMS);
    if fs::examine(&list)?.is_none() {
        return match fs::list(target) {
            Ok(names) if names.is_empty() => Ok(None),
            _ => Err(exists("missing")),
        };
    }
    let limit = u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX);
    let found = fs::read(&list, limit)?;
    // Only the parity is not known before it is made: it is taken as listed, if the rest is right.
    let other = || exists(&Digest::of(&found).to_string());
    let mut parity = BTreeMap::new();
    if let Some(made) = &planned.parity {
        let listed = Sums::parse(&found).map_err(|_| other())?;
        for path in made.files.keys() {
            let digest = listed.entries().get(path).ok_or_else(other)?;
            parity.insert(path.clone(), *digest);
        }
    }
    let sums = planned.list(&parity).map_err(|_| other())?;
    if found != sums.render().as_bytes() {
        return Err(other());
    }
    intact(target, planned, &sums, progress)?;
    Ok(Some(sums))
}

/// A file as it must be.
struct Expected<'a> {
    path: &'a RelPath,
    size: u64,
    digest: Digest,
}

/// Compares what lies at the target with what was planned: names first, then bytes.
fn intact(
    target: &Path,
    planned: &Planned,
    sums: &Sums,
    progress: &Progress<'_>,
) -> Result<(), PackError> {
    let damaged = |file: String, problem| PackError::Damaged {
        path: target.to_owned(),
        file,
        problem,
    };
    let mut files: Vec<Expected<'_>> = planned
        .files
        .iter()
        .map(|file| Expected {
            path: &file.path,
            size: file.size,
            digest: file.digest,
        })
        .collect();
    for (path, size) in planned.parity.iter().flat_map(|parity| &parity.files) {
        if let Some(digest) = sums.entries().get(path) {
            files.push(Expected {
                path,
                size: *size,
                digest: *digest,
            });
        }
    }
    let mut missing: BTreeMap<PathBuf, &Expected<'_>> = files
        .iter()
        .map(|file| (file.path.to_path(), file))
        .collect();
    for entry in fs::walk(target)? {
        // What is in the signatures is for `verify` to judge.
        let beside_list =
            entry.path == Path::new(SUMS) || entry.path.parent() == Some(Path::new("sig"));
        let problem = match (entry.kind, missing.remove(&entry.path)) {
            (Kind::File, Some(file)) if entry.size != file.size => "of another size",
            (Kind::File, Some(_)) if !entry.sole_name => "a file with a second name (hard link)",
            (Kind::File, Some(_)) | (Kind::Folder, None) => continue,
            (Kind::File, None) if beside_list => continue,
            (_, Some(_)) => "no plain file",
            (_, None) => "not one of its files",
        };
        return Err(damaged(
            entry.path.to_string_lossy().escape_debug().to_string(),
            problem,
        ));
    }
    if let Some(file) = missing.values().next() {
        return Err(damaged(file.path.to_string(), "missing"));
    }
    let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
    progress.started(count, planned.bytes());
    pool::try_map(&files, pool::cores(), |file| {
        let (path, name) = (target.join(file.path.to_path()), file.path.as_str());
        progress.item_started(name, file.size);
        let mut there = fs::open(&path)?;
        fs::advise_sequential(&there);
        let found = pass((&mut there, &path), None, file.size, &mut progress.of(name))?;
        if found.finish_counted() != (file.digest, file.size) {
            return Err(damaged(name.to_owned(), "of other bytes"));
        }
        progress.item_done(name, true);
        Ok(())
    })?;
    progress.done();
    Ok(())
}

struct Work<'a> {
    target: &'a Path,
    part: &'a Path,
    root: PathBuf,
    planned: &'a Planned,
    store: &'a Store,
    progress: Progress<'a>,
}

impl Work<'_> {
    fn run(&self) -> Result<Sums, PackError> {
        fs::create_dir_all(&self.root, FOLDER_MODE)?;
        let present = self.clean()?;
        self.check_space(&present)?;
        let folders = self.make_folders()?;

        // Largest first, so that the last to finish is a small one.
        let mut order: Vec<&PlannedFile> = self.planned.files.iter().collect();
        order.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
        self.progress.started(
            u64::try_from(order.len()).unwrap_or(u64::MAX),
            order
                .iter()
                .fold(0, |sum, file| file.size.saturating_add(sum)),
        );
        pool::try_map(&order, pool::cores(), |file| {
            self.place(file, present.contains(&file.path))
        })?;
        self.progress.done();
        let parity = match &self.planned.parity {
            Some(parity) => {
                let progress = Progress {
                    step: Step::Parity,
                    ..self.progress
                };
                protect(&self.root, &parity.payload, &parity.shape, &progress)?
            }
            None => BTreeMap::new(),
        };
        let sums = self.planned.list(&parity)?;
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
        let wanted: BTreeMap<PathBuf, &PlannedFile> = self
            .planned
            .files
            .iter()
            .map(|file| (file.path.to_path(), file))
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
                (Kind::File, Some(file)) if entry.size == file.size && entry.sole_name => {
                    present.insert(file.path.clone());
                }
                _ => fs::remove_file(&full)?,
            }
        }
        Ok(present)
    }

    fn check_space(&self, present: &BTreeSet<RelPath>) -> Result<(), PackError> {
        let missing = self
            .planned
            .files
            .iter()
            .filter(|file| !present.contains(&file.path));
        let parity = self.planned.parity.iter().flat_map(|parity| &parity.files);
        let sizes = missing
            .map(|file| file.size)
            .chain(parity.map(|(_, size)| *size));
        let needed = sizes.fold(0_u64, u64::saturating_add);
        let free = fs::free_space(&self.root)?;
        if needed <= free {
            return Ok(());
        }
        Err(PackError::Space {
            path: self.target.to_owned(),
            needed,
            free,
        })
    }

    /// Makes every folder; gives them, parents first.
    fn make_folders(&self) -> Result<BTreeSet<PathBuf>, PathError> {
        let mut folders = BTreeSet::new();
        let made = self
            .planned
            .parity
            .iter()
            .flat_map(|parity| parity.files.keys());
        for path in self.planned.files.iter().map(|file| &file.path).chain(made) {
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
        if present {
            let mut there = fs::open(&path)?;
            fs::advise_sequential(&there);
            let found = pass(
                (&mut there, &path),
                None,
                file.size,
                &mut self.progress.of(name),
            )?;
            if found.finish_counted() == (file.digest, file.size) {
                self.progress.item_done(name, true);
                return Ok(());
            }
        }
        match &file.source {
            Source::Bytes(bytes) => {
                let mut target = AtomicFile::create(&path)?;
                let from: (&mut dyn std::io::Read, &Path) = (&mut bytes.as_slice(), &path);
                pass(
                    from,
                    Some((&mut target, &path)),
                    file.size,
                    &mut self.progress.of(name),
                )?;
                target.commit_unsynced_folder(FILE_MODE)?;
            }
            Source::Stored { .. } => self.copy(file, &path)?,
        }
        self.progress.item_done(name, false);
        Ok(())
    }

    fn copy(&self, file: &PlannedFile, path: &Path) -> Result<(), PackError> {
        let wrong = |found: String| PackError::Store {
            path: file.path.clone(),
            expected: file.digest,
            found,
        };
        let stored = self.store.path_of(&file.digest);
        if fs::examine(&stored)?.is_none() {
            return Err(wrong("nothing".to_owned()));
        }
        let mut from = fs::open(&stored)?;
        fs::advise_sequential(&from);
        let mut target = AtomicFile::create(path)?;
        let (digest, size) = pass(
            (&mut from, &stored),
            Some((&mut target, path)),
            file.size,
            &mut self.progress.of(file.path.as_str()),
        )?
        .finish_counted();
        if (digest, size) != (file.digest, file.size) {
            return Err(wrong(format!("{size} bytes of sha256 {digest}")));
        }
        target.commit_unsynced_folder(FILE_MODE)?;
        Ok(())
    }
}

impl From<PassError> for PackError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Read(error) | PassError::Write(error) => Self::Io(error),
            PassError::Cancelled(cancelled) => Self::Cancelled(cancelled),
        }
    }
}
