//! Sorted walks over folders.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{At, PathError};
use super::fault::{Effect, reach};

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A pipe, socket or device.
    Special,
}

/// One thing found by [`walk`].
#[derive(Debug, Clone)]
pub struct Entry {
    /// Path relative to the root of the walk.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Size in bytes; 0 for anything but a file.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Whether no hard link gives it a second name; true for folders.
    pub sole_name: bool,
}

/// Everything below `root`, each folder before what is in it, sorted bytewise within a folder.
/// Symbolic links are listed, never followed.
///
/// # Errors
/// When a folder cannot be read.
pub fn walk(root: &Path) -> Result<Vec<Entry>, PathError> {
    let mut found = Vec::new();
    descend(root, Path::new(""), &mut found, &mut Err)?;
    Ok(found)
}

/// As [`walk`], but goes on past what cannot be looked at, such as a folder that others closed or a file
/// that vanished meanwhile; gives that beside what was found, in the order of the walk.
#[must_use]
pub fn walk_past(root: &Path) -> (Vec<Entry>, Vec<PathError>) {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    let mut keep = |error| {
        refused.push(error);
        Ok(())
    };
    // `keep` never gives an error back.
    let _ = descend(root, Path::new(""), &mut found, &mut keep);
    (found, refused)
}

/// What is done about what cannot be looked at: the walk ends when it is given back.
type Refuse<'r> = &'r mut dyn FnMut(PathError) -> Result<(), PathError>;

fn descend(
    root: &Path,
    below: &Path,
    found: &mut Vec<Entry>,
    refuse: Refuse<'_>,
) -> Result<(), PathError> {
    let folder = root.join(below);
    let names = reach(Effect::At("list", &folder))
        .and_then(|()| fs::read_dir(&folder))
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|e| e.file_name()))
                .collect::<Result<Vec<_>, _>>()
        })
        .at("read folder", &folder);
    let mut names = match names {
        Ok(names) => names,
        Err(error) => return refuse(error),
    };
    names.sort();
    for name in names {
        let path = below.join(&name);
        let full = root.join(&path);
        let meta = reach(Effect::At("examine", &full))
            .and_then(|()| fs::symlink_metadata(&full))
            .at("examine", &full);
        let meta = match meta {
            Ok(meta) => meta,
            Err(error) => {
                refuse(error)?;
                continue;
            }
        };
        let kind = match meta.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_symlink() => Kind::Symlink,
            _ => Kind::Special,
        };
        let size = if kind == Kind::File { meta.len() } else { 0 };
        found.push(Entry {
            path: path.clone(),
            kind,
            size,
            mode: meta.mode() & 0o7777,
            sole_name: kind == Kind::Folder || meta.nlink() == 1,
        });
        if kind == Kind::Folder {
            descend(root, &path, found, refuse)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;

    #[test]
    fn lists_sorted_and_does_not_follow_links() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("b")).unwrap();
        fs::write(root.path().join("b/x"), b"123").unwrap();
        fs::write(root.path().join("a"), b"").unwrap();
        std::os::unix::fs::symlink("/", root.path().join("c")).unwrap();
        let found: Vec<_> = walk(root.path())
            .unwrap()
            .into_iter()
            .map(|entry| (entry.path.display().to_string(), entry.kind, entry.size))
            .collect();
        assert_eq!(
            found,
            [
                ("a".to_owned(), Kind::File, 0),
                ("b".to_owned(), Kind::Folder, 0),
                ("b/x".to_owned(), Kind::File, 3),
                ("c".to_owned(), Kind::Symlink, 0)
            ]
        );
    }
}
