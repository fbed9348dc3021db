//! Volumes taken from their media into one folder, one medium after the other or several at once.
//!
//! What serves a person with one drive: each medium is read once, each file is hashed while it is copied,
//! and only what is right appears under its name. The folder is at every moment a bundle of which some
//! volumes are not here yet; `verify` and `stage` hash it again like any other place. What came over
//! damaged is kept beside it, as far as it could be read, for a repair by parity. Nothing is written to a
//! medium.

mod error;

pub use error::GatherError;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::header::Header;
use crate::bundle::places::{SIG, SUMS, volume_of};
use crate::bundle::sums::Sums;
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::{self, At, AtomicFile, FolderLock, Kind, PassError, PathError, Root, pass};
use crate::trust::directory::Trust;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::{Look, Memory, Options, Problem, VerifyError, Warning, look};

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
/// How much is given up at once where a medium cannot be read, in bytes.
const SALVAGE: usize = 64 * 1024;

/// What was gathered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gathered {
    /// The folder.
    pub folder: PathBuf,
    /// SHA-256 of the list.
    pub identity: Digest,
    /// What the bundle is.
    pub header: Header,
    /// Files that were copied now.
    pub files_copied: u64,
    /// Bytes of these files.
    pub bytes_copied: u64,
    /// Files of these media that were in the folder already; each was hashed again.
    pub files_kept: u64,
    /// Volumes that are whole in the folder, sorted by name.
    pub have: Vec<String>,
    /// Volumes that are still to come.
    pub absent: Vec<String>,
    /// Volumes of which some files are still to come: they were damaged, or not there.
    pub partial: Vec<String>,
    /// What was wrong on the media.
    pub problems: Vec<Problem>,
    /// Where the files lie that came over damaged; none when all were right.
    pub damaged: Option<PathBuf>,
    /// Why the bundle was accepted although the memory refuses it.
    pub override_reason: Option<String>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

impl Gathered {
    /// The id of the worst problem; `E801` when volumes are still to come; none when the bundle is whole.
    #[must_use]
    pub fn id(&self) -> Option<&'static str> {
        let worst = self.problems.iter().map(Problem::id).min();
        let whole = self.absent.is_empty() && self.partial.is_empty();
        worst.or((!whole).then_some("E801"))
    }
}

/// Copies from the places `dirs` into the folder `out` what is not there yet.
///
/// A run that was interrupted goes on with the same call: a file that is there is hashed again, and kept
/// when it is right.
///
/// # Errors
/// When the list is not trusted or taken in, something lies on a medium that belongs to no bundle (nothing
/// is written then), `out` holds something else, or the file system refuses.
pub fn gather(
    dirs: &[PathBuf],
    trust: &Trust,
    memory: &Memory,
    options: &Options,
    out: &Path,
    (observer, cancel): (&dyn Observer, &Cancel),
) -> Result<Gathered, GatherError> {
    let look = look(dirs, trust, memory, options)?;
    let (damage, refused): (Vec<Problem>, Vec<Problem>) = look
        .problems()
        .iter()
        .cloned()
        .partition(Problem::is_damage);
    if !refused.is_empty() {
        return Err(VerifyError::Content { problems: refused }.into());
    }
    let inside =
        |folder: &Path| Ok::<_, PathError>(fs::real_path(out)?.starts_with(fs::real_path(folder)?));
    for folder in look.folders() {
        if inside(folder)? {
            return Err(GatherError::Inside(out.to_owned()));
        }
    }
    if let Some(parent) = out.parent().filter(|path| !path.as_os_str().is_empty()) {
        fs::create_dir_all(parent, FOLDER_MODE)?;
    }
    let _lock = FolderLock::beside(out)?;
    let fresh = begin(&look, out)?;
    let progress = Progress {
        step: Step::Gather,
        observer,
        cancel,
    };
    let mut work = Work {
        look: &look,
        out,
        beside: damaged_folder(out),
        progress,
        kept: 0,
        copied: (0, 0),
        problems: damage,
        salvaged: false,
    };
    work.run(fresh)?;
    fs::sync_file_system(out)?;
    work.report()
}

/// Makes the folder with the list, or sees that it is of this bundle. Says whether it is new.
fn begin(look: &Look, out: &Path) -> Result<bool, GatherError> {
    if fs::examine(out)?.is_some_and(|found| found.is_dir()) {
        // What a killed run left here would be an unlisted file, and the bundle refused for it.
        fs::sweep_tree(out)?;
    }
    let list = out.join(SUMS);
    let fresh = fs::examine(&list)?.is_none();
    if fresh {
        if fs::examine(out)?.is_some() && !fs::list(out)?.is_empty() {
            return Err(GatherError::Occupied(out.to_owned()));
        }
        fs::create_dir_all(out, FOLDER_MODE)?;
        fs::write_atomic(&list, look.list().as_bytes(), FILE_MODE)?;
    } else {
        let found = fs::read(
            &list,
            crate::bundle::sums::MAX_BYTES
                .try_into()
                .unwrap_or(u64::MAX),
        )?;
        if found != look.list().as_bytes() {
            let (path, expected) = (out.to_owned(), Digest::of(&found).label());
            let label = look.identity().label();
            // The folder's own list says what it is; nothing is decided by it but these words.
            let twin = Sums::parse(&found).is_ok_and(|sums| {
                let (one, other) = (sums.header(), look.header());
                (&one.name, one.sequence) == (&other.name, other.sequence)
            });
            return Err(if twin {
                GatherError::Twin {
                    path,
                    expected,
                    found: label,
                }
            } else {
                GatherError::Other {
                    path,
                    expected,
                    found: label,
                }
            });
        }
    }
    let signatures = out.join(SIG);
    fs::create_dir_all(&signatures, FOLDER_MODE)?;
    for one in look.signatures() {
        fs::write_atomic(&signatures.join(&one.name), &one.bytes, FILE_MODE)?;
    }
    Ok(fresh)
}

struct Work<'a> {
    look: &'a Look,
    out: &'a Path,
    beside: PathBuf,
    progress: Progress<'a>,
    kept: u64,
    copied: (u64, u64),
    problems: Vec<Problem>,
    salvaged: bool,
}

impl Work<'_> {
    fn run(&mut self, fresh: bool) -> Result<(), GatherError> {
        let target = Root::open(self.out)?;
        let files: Vec<(RelPath, u64)> = self
            .look
            .files()
            .map(|(path, size)| (path.clone(), size))
            .collect();
        let mut there = BTreeSet::new();
        if !fresh {
            for (path, size) in &files {
                let found = fs::examine(&self.out.join(path.to_path()))?;
                if found.is_some_and(|found| found.is_file() && found.len() == *size) {
                    there.insert(path.clone());
                }
            }
        }
        let bytes = |wanted: &dyn Fn(&RelPath) -> bool| {
            let sizes = files.iter().filter(|(path, _)| wanted(path));
            sizes.fold(0_u64, |sum, (_, size)| sum.saturating_add(*size))
        };
        let needed = bytes(&|path| !there.contains(path));
        fs::check_room(self.out, self.out, needed)?;
        let earlier = self.earlier(&files)?;
        let before = earlier
            .iter()
            .fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
        self.progress.started(
            u64::try_from(files.len().saturating_add(earlier.len())).unwrap_or(u64::MAX),
            bytes(&|_| true).saturating_add(before),
        );
        for (path, size) in &files {
            let kept = there.contains(path) && self.is_right(&target, path, *size)?;
            if kept {
                self.kept = self.kept.saturating_add(1);
            } else {
                self.copy(path, *size)?;
            }
        }
        self.prove_earlier(&target, &earlier)?;
        self.progress.done();
        Ok(())
    }

    /// What earlier runs put into the folder, with its size, when these files are all that is still to come; else nothing.
    fn earlier(&self, files: &[(RelPath, u64)]) -> Result<Vec<(RelPath, u64)>, GatherError> {
        let now: BTreeSet<&RelPath> = files.iter().map(|(path, _)| path).collect();
        let mut earlier = Vec::new();
        for path in self.look.listed().filter(|path| !now.contains(path)) {
            match fs::examine(&self.out.join(path.to_path()))? {
                Some(there) => earlier.push((path.clone(), there.len())),
                None => return Ok(Vec::new()),
            }
        }
        Ok(earlier)
    }

    /// When nothing is to come any more: what earlier runs put here is hashed again. A file that is not right any more
    /// is removed, so that it comes again with its medium.
    fn prove_earlier(
        &mut self,
        target: &Root,
        earlier: &[(RelPath, u64)],
    ) -> Result<(), GatherError> {
        for path in self.look.listed() {
            if !target.has(&path.to_path())? {
                return Ok(());
            }
        }
        for (path, size) in earlier {
            let full = self.out.join(path.to_path());
            let name = path.as_str();
            self.progress.item_started(name, *size);
            let problem = match target.open_file(&path.to_path()) {
                Ok(mut file) => {
                    fs::advise_sequential(&file);
                    let told = &mut self.progress.of(name);
                    let found = pass((&mut file, &full), None, *size, told)?;
                    self.look.compare(path, found)
                }
                Err(error) => Some(Problem::Unreadable {
                    path: path.to_string(),
                    reason: error.source.to_string(),
                }),
            };
            match problem {
                Some(problem) => {
                    fs::remove_file(&full)?;
                    self.problems.push(problem);
                }
                None => self.progress.item_done(name, true),
            }
        }
        let listed: BTreeSet<PathBuf> = self.look.listed().map(RelPath::to_path).collect();
        for entry in fs::walk(self.out)? {
            let own = entry.path == Path::new(SUMS) || entry.path.starts_with(SIG);
            if entry.kind != Kind::Folder && !own && !listed.contains(&entry.path) {
                self.problems.push(Problem::Extra {
                    path: self.out.join(&entry.path).display().to_string(),
                });
            }
        }
        Ok(())
    }

    fn is_right(&self, target: &Root, path: &RelPath, size: u64) -> Result<bool, GatherError> {
        let name = path.as_str();
        self.progress.item_started(name, size);
        let full = self.out.join(path.to_path());
        let mut file = target.open_file(&path.to_path())?;
        fs::advise_sequential(&file);
        let found = pass((&mut file, &full), None, size, &mut self.progress.of(name))?;
        let right = self.look.digest_of(path) == Some(found.finish());
        if right {
            self.progress.item_done(name, true);
        }
        Ok(right)
    }

    /// Copies from the first place where the file is right.
    fn copy(&mut self, path: &RelPath, size: u64) -> Result<(), GatherError> {
        let target = self.out.join(path.to_path());
        make_parent(&target)?;
        let name = path.as_str();
        self.progress.item_started(name, size);
        let mut problem = None;
        for place in self.look.places_of(path) {
            let full = place.path().join(path.to_path());
            let mut to = AtomicFile::create(&target)?;
            let result = place
                .open_file(&path.to_path())
                .map_err(PassError::Read)
                .and_then(|mut from| {
                    fs::advise_sequential(&from);
                    let told = &mut self.progress.of(name);
                    pass((&mut from, &full), Some((&mut to, &target)), size, told)
                });
            match result {
                Ok(found) => match self.look.compare(path, found) {
                    None => {
                        to.commit_unsynced(FILE_MODE)?;
                        self.progress.item_done(name, false);
                        let (files, bytes) = self.copied;
                        self.copied = (files.saturating_add(1), bytes.saturating_add(size));
                        return Ok(());
                    }
                    Some(found) => problem = problem.or(Some(found)),
                },
                Err(PassError::Read(error)) => {
                    problem = problem.or(Some(Problem::Unreadable {
                        path: path.to_string(),
                        reason: error.source.to_string(),
                    }));
                }
                Err(other) => return Err(other.into()),
            }
        }
        if let Some(problem) = problem {
            self.salvage(path, size)?;
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        Ok(())
    }

    /// Keeps what can be read of a damaged file beside the folder, with holes where it cannot.
    fn salvage(&mut self, path: &RelPath, size: u64) -> Result<(), GatherError> {
        if !self.salvaged {
            begin(self.look, &self.beside)?;
            self.salvaged = true;
        }
        let Some(place) = self.look.places_of(path).next() else {
            return Ok(());
        };
        let Ok(from) = place.open_file(&path.to_path()) else {
            return Ok(());
        };
        let target = self.beside.join(path.to_path());
        make_parent(&target)?;
        fs::write_unsynced(&target, b"", FILE_MODE)?;
        let to = fs::open_to_write(&target)?;
        to.set_len(size).at("write", &target)?;
        let mut buffer = vec![0; SALVAGE];
        let mut at = 0_u64;
        while at < size {
            self.progress.cancel.check()?;
            let length = usize::try_from(size.saturating_sub(at))
                .unwrap_or(SALVAGE)
                .min(SALVAGE);
            let chunk = buffer.get_mut(..length).unwrap_or_default();
            if let Ok(count) = from.read_at(chunk, at) {
                let read = chunk.get(..count).unwrap_or_default();
                to.write_all_at(read, at).at("write", &target)?;
            }
            at = at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// What is in the folder now, by names and sizes: what was copied was hashed on the way.
    fn report(self) -> Result<Gathered, GatherError> {
        let target = Root::open(self.out)?;
        let mut volumes: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for path in self.look.listed() {
            let there = target.has(&path.to_path())?;
            let name = volume_of(path).unwrap_or("the small files");
            let (have, all) = volumes.entry(name).or_default();
            *have = have.saturating_add(u64::from(there));
            *all = all.saturating_add(1);
        }
        let named = |wanted: &dyn Fn(u64, u64) -> bool| {
            let found = volumes
                .iter()
                .filter(|(_, (have, all))| wanted(*have, *all));
            found
                .map(|(name, _)| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let is_volume = |name: &String| name.starts_with(['v', 'p']);
        let (files_copied, bytes_copied) = self.copied;
        Ok(Gathered {
            folder: self.out.to_owned(),
            identity: self.look.identity(),
            header: self.look.header().clone(),
            files_copied,
            bytes_copied,
            files_kept: self.kept,
            have: named(&|have, all| have == all)
                .into_iter()
                .filter(is_volume)
                .collect(),
            partial: named(&|have, all| have > 0 && have < all),
            absent: named(&|have, _| have == 0),
            problems: self.problems,
            damaged: self.salvaged.then_some(self.beside),
            override_reason: self.look.override_reason().map(str::to_owned),
            warnings: self.look.warnings().to_vec(),
        })
    }
}

fn make_parent(path: &Path) -> Result<(), PathError> {
    path.parent()
        .map_or(Ok(()), |parent| fs::create_dir_all(parent, FOLDER_MODE))
}

/// Where damaged files are kept: beside the folder, as `<name>.damaged`.
fn damaged_folder(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".damaged");
    out.with_file_name(name)
}
