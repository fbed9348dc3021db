//! A foreign folder that nothing can lead out of.
//!
//! Every open below it refuses symbolic links in any component, so that what is read is what was
//! walked, also when somebody swaps folders meanwhile.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::error::{At, PathError};
use super::fault::{Effect, reach};
use super::file::File;
use super::walk::{Entry, Kind};

/// Deepest folder that is walked into: no path of a bundle has more components.
const MAX_DEPTH: usize = 128;
/// How often an open is tried again when the kernel says that a rename was in the way.
const RETRIES: usize = 16;

/// An open folder; files are opened below it, never outside.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    path: PathBuf,
}

/// A regular file directly in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// Its name.
    pub name: OsString,
    /// Its size in bytes.
    pub size: u64,
    /// When its content changed, in seconds since 1970 and nanoseconds.
    pub changed: (i64, i64),
    /// Its number on the file system (inode).
    pub number: u64,
}

/// What a walk found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Everything below the root, in the order of [`super::walk()`].
    pub entries: Vec<Entry>,
    /// Whether there is more than the limit allowed to look at.
    pub more: bool,
}

impl Root {
    /// Opens the folder `path`, following symbolic links: the user named it.
    ///
    /// # Errors
    /// When it cannot be opened, or is no folder.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = reach(Effect::At("open folder", path))
            .and_then(|()| Ok(rustix::fs::open(path, flags, Mode::empty())?))
            .at("open folder", path)?;
        Ok(Self {
            folder,
            path: path.to_owned(),
        })
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file at `below`, refusing symbolic links in every component, and everything
    /// that is no regular file.
    ///
    /// # Errors
    /// When it cannot be opened, or is no regular file.
    pub fn open_file(&self, below: &Path) -> Result<File, PathError> {
        let full = self.path.join(below);
        let fd = reach(Effect::At("open", &full))
            .and_then(|()| Ok(self.open_below(below)?))
            .at("open", &full)?;
        let file = File::from(fd);
        if file.metadata().at("examine", &full)?.is_file() {
            Ok(file)
        } else {
            let odd = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            Err(odd).at("open", &full)
        }
    }

    /// The folder `name` directly below; `None` when there is none, or a symbolic link.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn folder(&self, name: &str) -> Result<Option<Self>, PathError> {
        let path = self.path.join(name);
        reach(Effect::At("open folder", &path)).at("open folder", &path)?;
        match open_folder(&self.folder, OsStr::new(name)) {
            Ok(folder) => Ok(Some(Self { folder, path })),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(io::Error::from(error)).at("open folder", &path),
        }
    }

    /// The regular files directly in the folder, sorted by name; at most `limit` names are read. What is
    /// no regular file is not given.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn files(&self, limit: usize) -> Result<Vec<Loose>, PathError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let entries = reach(Effect::At("read folder", &self.path))
            .and_then(|()| {
                Ok(rustix::fs::openat(
                    &self.folder,
                    c".",
                    flags,
                    Mode::empty(),
                )?)
            })
            .and_then(|folder| Ok(Dir::new(folder)?))
            .at("read folder", &self.path)?;
        let mut found = Vec::new();
        for entry in entries.take(limit) {
            let entry = entry
                .map_err(io::Error::from)
                .at("read folder", &self.path)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                    found.push(Loose {
                        name: name.to_owned(),
                        size: u64::try_from(stat.st_size).unwrap_or(0),
                        changed: (
                            stat.st_mtime,
                            i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
                        ),
                        number: stat.st_ino,
                    });
                }
                // Renamed or removed meanwhile.
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => {
                    return Err(io::Error::from(error)).at("examine", &self.path.join(name));
                }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Whether something stands at `below`, not following a symbolic link at its end.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn has(&self, below: &Path) -> Result<bool, PathError> {
        reach(Effect::At("examine", below)).at("examine", &self.path.join(below))?;
        match rustix::fs::statat(&self.folder, below, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(io::Error::from(error)).at("examine", &self.path.join(below)),
        }
    }

    /// Whether a regular file stands at `below`, not following a symbolic link at its end.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn holds_file(&self, below: &Path) -> Result<bool, PathError> {
        let full = self.path.join(below);
        let found = reach(Effect::At("examine", &full))
            .and_then(|()| {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                Ok(rustix::fs::statat(&self.folder, below, flags)?)
            })
            .at("examine", &full)?;
        Ok(FileType::from_raw_mode(found.st_mode) == FileType::RegularFile)
    }

    /// Everything below the root, each folder before what is in it, sorted bytewise within a folder;
    /// at most `limit` entries. Symbolic links are listed, never followed.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn walk(&self, limit: usize) -> Result<Found, PathError> {
        let mut found = Found {
            entries: Vec::new(),
            more: false,
        };
        let top = rustix::fs::openat(
            &self.folder,
            c".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(io::Error::from)
        .at("read folder", &self.path)?;
        let mut budget = limit;
        self.descend(&top, Path::new(""), &mut budget, 0, &mut found)?;
        Ok(found)
    }

    /// `budget` is how many names may still be read: each is paid for when it is read, so that the
    /// names of folders that wait count too, and memory is bounded by the limit alone.
    fn descend(
        &self,
        folder: &OwnedFd,
        below: &Path,
        budget: &mut usize,
        depth: usize,
        found: &mut Found,
    ) -> Result<(), PathError> {
        let full = self.path.join(below);
        let mut names: Vec<Vec<u8>> = Vec::new();
        let entries = reach(Effect::At("list", &full))
            .and_then(|()| Ok(Dir::read_from(folder)?))
            .at("read folder", &full)?;
        for entry in entries {
            let entry = entry.map_err(io::Error::from).at("read folder", &full)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let Some(left) = budget.checked_sub(1) else {
                found.more = true;
                break;
            };
            *budget = left;
            names.push(name.to_vec());
        }
        names.sort();
        for name in names {
            let name = OsStr::from_bytes(&name);
            let path = below.join(name);
            let full = self.path.join(&path);
            let stat = reach(Effect::At("examine", &full))
                .and_then(|()| Ok(rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
                .at("examine", &full)?;
            let kind = match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Folder,
                FileType::Symlink => Kind::Symlink,
                _ => Kind::Special,
            };
            found.entries.push(Entry {
                path: path.clone(),
                kind,
                size: if kind == Kind::File {
                    u64::try_from(stat.st_size).unwrap_or(u64::MAX)
                } else {
                    0
                },
                mode: stat.st_mode & 0o7777,
                sole_name: kind == Kind::Folder || stat.st_nlink == 1,
            });
            if kind == Kind::Folder {
                if depth >= MAX_DEPTH {
                    found.more = true;
                    continue;
                }
                let inner = open_folder(folder, name)
                    .map_err(io::Error::from)
                    .at("read folder", &full)?;
                self.descend(&inner, &path, budget, depth.saturating_add(1), found)?;
            }
        }
        Ok(())
    }

    fn open_below(&self, below: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..RETRIES {
            match rustix::fs::openat2(&self.folder, below, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Kernels before 5.6, and sandboxes that do not know the call.
                Err(Errno::NOSYS | Errno::PERM) => return self.open_by_component(below, flags),
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// As `openat2`, one component after the other: each folder is opened without following links,
    /// and no component may be `..`.
    fn open_by_component(&self, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut components = below.components();
        let last = components.next_back().ok_or(Errno::INVAL)?;
        let mut folder: Option<OwnedFd> = None;
        for component in components {
            let name = normal(component)?;
            folder = Some(match &folder {
                None => open_folder(&self.folder, name)?,
                Some(inner) => open_folder(inner, name)?,
            });
        }
        let inner = folder.as_ref().unwrap_or(&self.folder);
        rustix::fs::openat(inner, normal(last)?, flags, Mode::empty())
    }
}

fn normal(component: std::path::Component<'_>) -> Result<&OsStr, Errno> {
    match component {
        std::path::Component::Normal(name) => Ok(name),
        _ => Err(Errno::XDEV),
    }
}

fn open_folder<Fd: AsFd>(folder: Fd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn sample() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("in/deep")).unwrap();
        std::fs::write(folder.path().join("in/deep/file"), b"x").unwrap();
        std::fs::write(folder.path().join("secret"), b"outside").unwrap();
        symlink("deep", folder.path().join("in/link")).unwrap();
        symlink("../secret", folder.path().join("in/out")).unwrap();
        let root = Root::open(&folder.path().join("in")).unwrap();
        (folder, root)
    }

    #[test]
    fn opens_below_and_never_outside_or_through_links() {
        let (_folder, root) = sample();
        root.open_file(Path::new("deep/file")).unwrap();
        for bad in [
            "link/file",
            "out",
            "../secret",
            "/etc/passwd",
            "deep",
            "deep/../../secret",
            "",
        ] {
            assert!(root.open_file(Path::new(bad)).is_err(), "{bad}");
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let by_component = root.open_by_component(Path::new(bad), flags);
            assert!(by_component.is_err() || bad == "deep", "{bad}");
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        assert!(
            root.open_by_component(Path::new("deep/file"), flags)
                .is_ok()
        );
    }

    #[test]
    fn a_walk_stops_at_its_limit() {
        let (_folder, root) = sample();
        let all = root.walk(100).unwrap();
        let paths: Vec<String> = all
            .entries
            .iter()
            .map(|e| e.path.display().to_string())
            .collect();
        assert_eq!(paths, ["deep", "deep/file", "link", "out"]);
        assert!(!all.more);
        assert!(root.walk(2).unwrap().more);
    }

    /// Ten folders in each other, with ten more names beside each: the names that wait on the way
    /// down count as much as those that were looked at.
    #[test]
    fn names_that_wait_count_towards_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut inner = folder.path().to_owned();
        for _ in 0..10 {
            for number in 0..10 {
                std::fs::write(inner.join(format!("z{number}")), b"").unwrap();
            }
            inner.push("a");
            std::fs::create_dir(&inner).unwrap();
        }
        let root = Root::open(folder.path()).unwrap();
        let whole = root.walk(110).unwrap();
        assert_eq!((whole.entries.len(), whole.more), (110, false));
        for limit in [0, 1, 11, 12, 25, 109] {
            let part = root.walk(limit).unwrap();
            assert!(part.more, "{limit}");
            // All that was read is given: nothing was held beyond the limit.
            assert_eq!(part.entries.len(), limit);
            let mut budget = limit;
            let mut found = Found {
                entries: Vec::new(),
                more: false,
            };
            root.descend(&root.folder, Path::new(""), &mut budget, 0, &mut found)
                .unwrap();
            assert_eq!(budget, 0);
        }
    }
}
