//! The only callers of `std::fs`: every error names its path, every write is durable.
//!
//! A durable write goes to a temporary file beside its target, is synced, renamed over the target,
//! and the folder is synced. A reader never sees a half file. Nothing here follows a symbolic link
//! in the last component when it opens a file to read.
#![expect(
    clippy::disallowed_methods,
    reason = "this module is what the rule points to"
)]

mod atomic;
mod error;
#[cfg(feature = "fault-injection")]
pub mod fault;
#[cfg(not(feature = "fault-injection"))]
mod fault;
mod file;
mod lock;
mod part;
mod pass;
mod root;
mod walk;
mod work;

pub use atomic::{AtomicFile, write_atomic, write_unsynced};
pub use error::{At, PathError};
pub use file::File;
pub use lock::{FolderLock, LockError};
pub use part::PartFile;
pub use pass::{Hashed, PassError, pass};
pub use root::{Found, Loose, Root};
pub use walk::{Entry, Kind, walk, walk_past};
pub(crate) use work::from_work;
pub use work::{WorkError, check_room, part_beside};

use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use fault::{Effect, reach};

/// Buffer of one read or write of a large file, in bytes.
pub const CHUNK: usize = 256 * 1024;

/// Opens a regular file to read, refusing symbolic links, folders, devices and pipes.
///
/// # Errors
/// When it cannot be opened, or is no regular file.
pub fn open(path: &Path) -> Result<File, PathError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = reach(Effect::At("open", path))
        .and_then(|()| Ok(rustix::fs::open(path, flags, Mode::empty())?))
        .at("open", path)?;
    let file = File::from(fd);
    let kind = file.metadata().at("examine", path)?;
    if kind.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
        .at("open", path)
    }
}

/// Opens a regular file that stands there to write into it, at any place.
///
/// # Errors
/// When it is not there, is a symbolic link, or cannot be opened.
pub fn open_to_write(path: &Path) -> Result<File, PathError> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = reach(Effect::At("open", path))
        .and_then(|()| Ok(rustix::fs::open(path, flags, Mode::empty())?))
        .at("open", path)?;
    Ok(File::from(fd))
}

/// The whole content of a regular file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read, or is longer than `limit`.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    read_limited(open(path)?, limit).at("read", path)
}

/// The whole content of a UTF-8 file of at most `limit` bytes, following symbolic links (for files
/// that a user names).
///
/// # Errors
/// When it cannot be read, is longer than `limit`, or is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, PathError> {
    String::from_utf8(read_named(path, limit)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        .at("read", path)
}

/// The whole content of at most `limit` bytes of what a user names: symbolic links are followed, and a
/// pipe is read to its end. One that nobody writes into is empty; it is not waited for.
///
/// # Errors
/// When it cannot be read, or is longer than `limit`.
pub fn read_named(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::open(path, flags, Mode::empty())
        .map_err(io::Error::from)
        .at("open", path)?;
    rustix::fs::fcntl_setfl(&fd, OFlags::RDONLY)
        .map_err(io::Error::from)
        .at("open", path)?;
    read_limited(File::from(fd), limit).at("read", path)
}

fn read_limited(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// What stands at a path, without following a symbolic link; `None` when nothing does.
///
/// # Errors
/// When it cannot be examined.
pub fn examine(path: &Path) -> Result<Option<fs::Metadata>, PathError> {
    match reach(Effect::At("examine", path)).and_then(|()| fs::symlink_metadata(path)) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("examine", path),
    }
}

/// The path without symbolic links and `..`; of one that is not there yet, as far as it is there.
///
/// # Errors
/// When it cannot be examined.
pub fn real_path(path: &Path) -> Result<PathBuf, PathError> {
    let whole = std::path::absolute(path).at("examine", path)?;
    for there in whole.ancestors() {
        match reach(Effect::At("examine", there)).and_then(|()| fs::canonicalize(there)) {
            Ok(real) => {
                let rest = whole.strip_prefix(there).unwrap_or(Path::new(""));
                return Ok(below(real, rest));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at("examine", there),
        }
    }
    Ok(whole)
}

/// What `rest` names below a folder in which it does not exist yet: `..` takes a component off.
fn below(mut folder: PathBuf, rest: &Path) -> PathBuf {
    for component in rest.components() {
        match component {
            Component::ParentDir => {
                folder.pop();
            }
            other => folder.push(other),
        }
    }
    folder
}

/// The names in a folder, sorted bytewise.
///
/// # Errors
/// When it cannot be read.
pub fn list(path: &Path) -> Result<Vec<std::ffi::OsString>, PathError> {
    let mut names = reach(Effect::At("list", path))
        .and_then(|()| fs::read_dir(path))
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|found| found.file_name()))
                .collect::<Result<Vec<_>, _>>()
        })
        .at("read folder", path)?;
    names.sort();
    Ok(names)
}

/// Tells the kernel that a file will be read from front to back; a refusal does no harm.
pub fn advise_sequential(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
}

/// Asks the kernel to drop what it keeps of a file that was synced, so that the next read is one of the medium; a
/// refusal does no harm.
pub fn forget_cached(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// Asks the kernel to begin to write these bytes of a file to the disk, so that the sync at its end has little left to
/// wait for. Linux does so when it hears that they are not needed any more (`mm/fadvise.c`), and keeps what is not
/// on the disk yet. Unlike a sync it neither waits nor takes an error away from one. A refusal does no harm.
fn begin_writing(file: &File, offset: u64, length: u64) {
    if let Some(length) = NonZeroU64::new(length) {
        let advice = rustix::fs::Advice::DontNeed;
        let _ = rustix::fs::fadvise(file, offset, Some(length), advice);
    }
}

/// What a file system takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest file in bytes, and the name of the kind; none when it is not known to have a limit.
    pub longest_file: Option<(u64, &'static str)>,
    /// Files take whole multiples of so many bytes.
    pub unit: u64,
}

/// What the file system of `path` takes.
///
/// # Errors
/// When it cannot be found out.
pub fn limits(path: &Path) -> Result<Limits, PathError> {
    let found = reach(Effect::At("examine file system of", path))
        .and_then(|()| Ok(rustix::fs::statfs(path)?))
        .at("examine file system of", path)?;
    Ok(Limits {
        longest_file: longest_file(i128::from(found.f_type)),
        unit: u64::try_from(found.f_bsize).unwrap_or(1),
    })
}

/// The limit of a kind of file system, by its number in `linux/magic.h`: FAT12, FAT16 and FAT32 share one.
const fn longest_file(magic: i128) -> Option<(u64, &'static str)> {
    match magic {
        0x4d44 => Some((4_294_967_295, "FAT32")),
        _ => None,
    }
}

/// Syncs a folder, so that the names in it survive a power loss.
///
/// # Errors
/// When it cannot be opened or synced.
pub fn sync_folder(path: &Path) -> Result<(), PathError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .at("sync folder", path)
}

/// Syncs everything on the file system that a folder lies on (`syncfs(2)`): one wait for a tree of
/// many files. Linux before 5.8 does not tell of write errors here.
///
/// # Errors
/// When the folder cannot be opened, or the file system tells of an error.
pub fn sync_file_system(folder: &Path) -> Result<(), PathError> {
    let opened = File::open(folder).at("open folder", folder)?;
    reach(Effect::At("sync file system", folder))
        .and_then(|()| Ok(rustix::fs::syncfs(&opened)?))
        .at("sync", folder)
}

/// Makes a folder and its parents, new ones with `mode`. Existing ones are left as they are.
///
/// # Errors
/// When one cannot be made.
pub fn create_dir_all(path: &Path, mode: u32) -> Result<(), PathError> {
    reach(Effect::At("create folder", path))
        .and_then(|()| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(path)
        })
        .at("create folder", path)
}

/// Sets the permission bits of a file or folder.
///
/// # Errors
/// When they cannot be set.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), PathError> {
    reach(Effect::At("set mode", path))
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .at("set permissions of", path)
}

/// Removes a file; that it is absent is fine.
///
/// # Errors
/// When it stands there and cannot be removed.
pub fn remove_file(path: &Path) -> Result<(), PathError> {
    let removed = reach(Effect::At("remove", path)).and_then(|()| fs::remove_file(path));
    ignore_absent(removed).at("remove", path)
}

/// Removes a folder and all in it, without following symbolic links; that it is absent is fine.
///
/// # Errors
/// When it stands there and cannot be removed.
pub fn remove_dir_all(path: &Path) -> Result<(), PathError> {
    let removed = reach(Effect::At("remove folder", path)).and_then(|()| remove_tree(path));
    ignore_absent(removed).at("remove folder", path)
}

/// Removes the unfinished files that killed runs left directly in a folder. Those that a live run works on
/// stay.
///
/// # Errors
/// When the folder cannot be read, or one cannot be removed.
pub fn sweep(folder: &Path) -> Result<(), PathError> {
    let names = list(folder)?.into_iter();
    names
        .filter(|name| atomic::is_unfinished(name))
        .try_for_each(|name| atomic::remove_abandoned(&folder.join(name)))
}

/// As [`sweep`], everywhere below a folder.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_tree(folder: &Path) -> Result<(), PathError> {
    let unfinished = |entry: &Entry| entry.path.file_name().is_some_and(atomic::is_unfinished);
    let entries = walk(folder)?.into_iter();
    entries
        .filter(|entry| entry.kind == Kind::File && unfinished(entry))
        .try_for_each(|entry| atomic::remove_abandoned(&folder.join(entry.path)))
}

/// Renames within one file system and syncs the folder of the target.
///
/// # Errors
/// When it cannot be renamed or synced.
pub fn rename(from: &Path, to: &Path) -> Result<(), PathError> {
    rename_unsynced(from, to)?;
    sync_parent(to)
}

/// Renames within one file system, syncing nothing, for callers that sync once for many files.
///
/// # Errors
/// When it cannot be renamed.
pub fn rename_unsynced(from: &Path, to: &Path) -> Result<(), PathError> {
    reach(Effect::At("rename", from))
        .and_then(|()| fs::rename(from, to))
        .at("rename", from)
}

/// The content of a text file of at most `limit` bytes that nobody but its owner may read or write
/// (mode 0600 or less), following symbolic links (for files that a user names).
///
/// # Errors
/// When others may read or write it, or it cannot be read, is longer, or is not UTF-8.
pub fn read_private(path: &Path, limit: u64) -> Result<String, PathError> {
    let file = File::open(path).at("open", path)?;
    let mode = file.metadata().at("examine", path)?.permissions().mode();
    if mode & 0o077 != 0 {
        let text = format!("others may read or write it (mode {:04o})", mode & 0o7777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text)).at("trust", path);
    }
    let bytes = read_limited(file, limit).at("read", path)?;
    // What is not UTF-8 is not repeated: it is secret.
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
        .at("read", path)
}

/// Exchanges what stands at two paths of one file system in one step (`renameat2(2)` with
/// `RENAME_EXCHANGE`) and syncs both folders.
///
/// # Errors
/// When one of them is absent, or the file system cannot do it.
pub fn exchange(one: &Path, other: &Path) -> Result<(), PathError> {
    let here = rustix::fs::CWD;
    let flag = rustix::fs::RenameFlags::EXCHANGE;
    reach(Effect::At("exchange", one))
        .and_then(|()| Ok(rustix::fs::renameat_with(here, one, here, other, flag)?))
        .at("exchange", one)?;
    sync_parent(one)?;
    sync_parent(other)
}

/// Makes a symbolic link. The target is not examined.
///
/// # Errors
/// When it cannot be made.
pub fn symlink(target: &Path, link: &Path) -> Result<(), PathError> {
    reach(Effect::At("link", link))
        .and_then(|()| std::os::unix::fs::symlink(target, link))
        .at("link", link)
}

/// Makes a second name for a file on the same file system.
///
/// # Errors
/// When it cannot be made.
pub fn hard_link(from: &Path, to: &Path) -> Result<(), PathError> {
    reach(Effect::At("link", to))
        .and_then(|()| fs::hard_link(from, to))
        .at("link", to)
}

/// Syncs the folder that holds `path`, so that a rename in it survives a power loss.
///
/// # Errors
/// When it cannot be opened or synced.
pub fn sync_parent(path: &Path) -> Result<(), PathError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .at("sync folder", parent)
}

/// Bytes that an unprivileged user may still write on the file system of `path`. One that states no size at all, as
/// some in user space do, is taken to have room: writing to it tells.
///
/// # Errors
/// When it cannot be found out.
pub fn free_space(path: &Path) -> Result<u64, PathError> {
    let found = file_system(path)?;
    if found.f_blocks == 0 {
        return Ok(u64::MAX);
    }
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// What is known of a file or folder and of its file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Number of its owner.
    pub owner: u32,
    /// Type and permission bits (`st_mode`).
    pub mode: u32,
    /// Number of its file system (`st_dev`).
    pub device: u64,
    /// Bytes that an unprivileged user may still write there.
    pub free_bytes: u64,
    /// Inodes that are free there; none where the file system does not count them.
    pub free_files: Option<u64>,
}

/// What is known of a file or folder, following symbolic links.
///
/// # Errors
/// When it is not there, or cannot be examined.
pub fn facts(path: &Path) -> Result<Facts, PathError> {
    use std::os::unix::fs::MetadataExt as _;
    let found = reach(Effect::At("examine", path))
        .and_then(|()| fs::metadata(path))
        .at("examine", path)?;
    let system = file_system(path)?;
    Ok(Facts {
        owner: found.uid(),
        mode: found.mode(),
        device: found.dev(),
        free_bytes: system.f_bavail.saturating_mul(system.f_frsize),
        free_files: (system.f_files > 0).then_some(system.f_ffree),
    })
}

/// Where a symbolic link leads.
///
/// # Errors
/// When it is none, or cannot be read.
pub fn read_link(path: &Path) -> Result<PathBuf, PathError> {
    reach(Effect::At("read link", path))
        .and_then(|()| fs::read_link(path))
        .at("read link", path)
}

fn file_system(path: &Path) -> Result<rustix::fs::StatVfs, PathError> {
    reach(Effect::At("examine file system", path))
        .and_then(|()| Ok(rustix::fs::statvfs(path)?))
        .at("examine file system of", path)
}

#[cfg(not(feature = "fault-injection"))]
fn remove_tree(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}

/// One by one, so that each removal can be the last thing that happens.
#[cfg(feature = "fault-injection")]
fn remove_tree(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    for entry in fs::read_dir(path)? {
        let (inner, kind) = entry.and_then(|one| Ok((one.path(), one.file_type()?)))?;
        if kind.is_dir() {
            remove_tree(&inner)?;
        } else {
            reach(Effect::At("remove", &inner))?;
            fs::remove_file(&inner)?;
        }
    }
    reach(Effect::At("remove folder", path))?;
    fs::remove_dir(path)
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
