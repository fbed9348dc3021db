//! What lies in the places of an authentic bundle, held against its list; no payload is read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::bundle::changes::{self, Changes};
use crate::bundle::contents::{self, BUNDLE_JSON, Contents};
use crate::bundle::places::{BASE, CHANGES_JSON, MADE, SIG, SUMS, is_left_out, volume_of};
use crate::bundle::sums::{MAX_LINES, Sums};
use crate::fs::{At, Entry, Kind, Root};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::authentic::is_signature_name;
use crate::verify::error::VerifyError;
use crate::verify::problem::Problem;

/// Most files and folders that are looked at in one place.
const MAX_ENTRIES: usize = MAX_LINES * 2;

/// One copy of a listed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copy {
    /// Which place it lies in.
    pub(crate) root: usize,
    /// Its size there.
    pub(crate) size: u64,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Structure {
    /// The copies of each listed file that is here.
    pub(crate) copies: BTreeMap<RelPath, Vec<Copy>>,
    /// Volumes that are not here, sorted.
    pub(crate) absent: BTreeSet<String>,
    /// What is wrong, in the order of the places and paths.
    pub(crate) problems: Vec<Problem>,
    /// The content of `bundle.json`, when it is good.
    pub(crate) contents: Option<Contents>,
    /// The content of `changes.json`, when the list has one and it is good.
    pub(crate) changes: Option<Changes>,
}

impl Structure {
    /// The size that a listed file must have, when that is known.
    pub(crate) fn size_of(&self, path: &RelPath) -> Option<u64> {
        let contents = self.contents.as_ref();
        if let Some(info) = contents.and_then(|contents| contents.files.get(path)) {
            return Some(info.size);
        }
        Some(self.changes.as_ref()?.changes.get(path)?.size)
    }
}

/// Walks every place and compares it with the list; then reads `bundle.json`, checks its hash, and
/// compares it with list and sizes.
pub(crate) fn examine(roots: &[Root], sums: &Sums) -> Result<Structure, VerifyError> {
    let mut found = Structure {
        copies: BTreeMap::new(),
        absent: BTreeSet::new(),
        problems: Vec::new(),
        contents: None,
        changes: None,
    };
    let mut volumes = BTreeSet::new();
    for (index, root) in roots.iter().enumerate() {
        let walked = root.walk(MAX_ENTRIES)?;
        if walked.more {
            let path = root.path().display().to_string();
            found.problems.push(Problem::TooMany { path });
        }
        for entry in walked.entries {
            if entry.kind == Kind::Folder && entry.path.components().count() == 1 {
                volumes.extend(entry.path.to_str().map(str::to_owned));
            }
            match judge(&entry, sums) {
                Seen::Fine => {}
                Seen::Listed(path) => {
                    let copy = Copy {
                        root: index,
                        size: entry.size,
                    };
                    found.copies.entry(path).or_default().push(copy);
                }
                Seen::Wrong(problem) => found.problems.push(problem),
            }
        }
    }
    let odd: BTreeSet<String> = found
        .problems
        .iter()
        .filter(|problem| matches!(problem, Problem::NotPlain { .. }))
        .map(|problem| problem.path().to_owned())
        .collect();
    for path in sums.entries().keys() {
        // What stands in the place of a file, or of a folder above it, is named already.
        let mut above = path.to_path();
        let named = loop {
            if above.to_str().is_some_and(|text| odd.contains(text)) {
                break true;
            }
            if !above.pop() {
                break false;
            }
        };
        // What a delta leaves out comes from its base, or is made of it.
        if named || is_left_out(path) || found.copies.contains_key(path) {
            continue;
        }
        match volume_of(path) {
            Some(volume) if !volumes.contains(volume) => {
                found.absent.insert(volume.to_owned());
            }
            _ => found.problems.push(Problem::Missing {
                path: path.to_string(),
            }),
        }
    }
    read_contents(roots, sums, &mut found)?;
    Ok(found)
}

enum Seen {
    Fine,
    Listed(RelPath),
    Wrong(Problem),
}

fn judge(entry: &Entry, sums: &Sums) -> Seen {
    let path = shown(&entry.path);
    let what = match entry.kind {
        Kind::Folder if is_plain_name(&entry.path) => return Seen::Fine,
        Kind::Folder => return Seen::Wrong(unlisted(&entry.path)),
        Kind::Symlink => "a symbolic link",
        Kind::Special => "a pipe, socket or device",
        Kind::File if !entry.sole_name => "a file with a second name (hard link)",
        Kind::File => "",
    };
    if !what.is_empty() {
        return Seen::Wrong(Problem::NotPlain { path, what });
    }
    let text = entry.path.to_str().unwrap_or_default();
    let signature = text
        .strip_prefix(SIG)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(is_signature_name);
    // The whole old tree may lie in the base of a delta.
    let base = sums.header().base.and(text.strip_prefix(BASE));
    if text == SUMS || signature || base.is_some_and(|rest| rest.starts_with('/')) {
        return Seen::Fine;
    }
    match text.parse::<RelPath>() {
        // What a delta makes lies nowhere in it.
        Ok(listed) if sums.entries().contains_key(&listed) && listed.first() != MADE => {
            Seen::Listed(listed)
        }
        _ => Seen::Wrong(unlisted(&entry.path)),
    }
}

/// Whether the last component has only characters that paths of a bundle have. Folders are not
/// listed, but one that could not be in any listed path is nothing of the bundle; tools that read
/// names line by line could take it for something else.
fn is_plain_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._+~-".contains(byte))
}

fn unlisted(path: &Path) -> Problem {
    let plain = |byte: &u8| (0x20..0x7f).contains(byte);
    let ascii = path.as_os_str().as_bytes().iter().all(plain);
    let path = shown(path);
    if ascii {
        Problem::Extra { path }
    } else {
        Problem::NotAscii { path }
    }
}

/// The bytes of a small file that are those of the list; none when they are not here or others, which is noted.
fn read_small(
    roots: &[Root],
    sums: &Sums,
    (name, limit): (&str, u64),
    found: &mut Structure,
) -> Result<Option<Vec<u8>>, VerifyError> {
    let entries = sums.entries();
    let Some((path, expected)) = entries.iter().find(|(path, _)| path.as_str() == name) else {
        let text = format!("{name} is not listed");
        let problem = Problem::Contents(contents::ContentsError::Disagrees(text));
        found.problems.push(problem);
        return Ok(None);
    };
    let copy = found.copies.get(path).and_then(|copies| copies.first());
    let Some((copy, root)) = copy.and_then(|copy| Some((copy, roots.get(copy.root)?))) else {
        return Ok(None);
    };
    if copy.size > limit {
        return Err(VerifyError::Limit {
            what: name.to_owned(),
            limit: "16 MiB",
        });
    }
    let mut bytes = Vec::new();
    root.open_file(&path.to_path())?
        .take(limit)
        .read_to_end(&mut bytes)
        .at("read", &root.path().join(name))?;
    let digest = Digest::of(&bytes);
    if digest != *expected {
        // Its other copies, and its bytes once more, are hashed with everything else.
        found.problems.push(Problem::Altered {
            path: path.to_string(),
            expected: *expected,
            found: digest,
        });
        return Ok(None);
    }
    Ok(Some(bytes))
}

fn read_contents(roots: &[Root], sums: &Sums, found: &mut Structure) -> Result<(), VerifyError> {
    let limit = contents::MAX_BYTES;
    let Some(bytes) = read_small(roots, sums, (BUNDLE_JSON, limit), found)? else {
        return Ok(());
    };
    let own_size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let parsed = Contents::parse(&bytes)
        .and_then(|contents| contents.compare(sums, own_size).map(|()| contents));
    let contents = match parsed {
        Ok(contents) => contents,
        Err(error) => {
            found.problems.push(Problem::Contents(error));
            return Ok(());
        }
    };
    compare_sizes(|path| Some(contents.files.get(path)?.size), found);
    if sums.has_changes() {
        read_changes(roots, sums, &contents, found)?;
    }
    found.contents = Some(contents);
    Ok(())
}

fn read_changes(
    roots: &[Root],
    sums: &Sums,
    contents: &Contents,
    found: &mut Structure,
) -> Result<(), VerifyError> {
    let limit = changes::MAX_BYTES;
    let Some(bytes) = read_small(roots, sums, (CHANGES_JSON, limit), found)? else {
        return Ok(());
    };
    let parsed = Changes::parse(&bytes)
        .and_then(|changes| changes.compare(sums, contents).map(|()| changes));
    match parsed {
        Ok(changes) => {
            compare_sizes(|path| Some(changes.changes.get(path)?.size), found);
            found.changes = Some(changes);
        }
        Err(error) => found.problems.push(Problem::Changes(error)),
    }
    Ok(())
}

fn compare_sizes(size_of: impl Fn(&RelPath) -> Option<u64>, found: &mut Structure) {
    for (path, copies) in &found.copies {
        let Some(expected) = size_of(path) else {
            continue;
        };
        for copy in copies {
            let path = path.to_string();
            match copy.size.cmp(&expected) {
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Less => found.problems.push(Problem::Truncated {
                    path,
                    expected,
                    found: copy.size,
                }),
                std::cmp::Ordering::Greater => found.problems.push(Problem::Longer {
                    path,
                    expected,
                    found: copy.size,
                }),
            }
        }
    }
}

/// A foreign path that is safe to print: everything but plain ASCII is escaped, and it is shortened.
fn shown(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let escaped = bytes
        .iter()
        .take(300)
        .copied()
        .flat_map(std::ascii::escape_default);
    escaped.map(char::from).collect()
}
