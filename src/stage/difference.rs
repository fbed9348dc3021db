//! What differs between two staged trees, without showing a secret.
//!
//! Every file is read and hashed; that both lists name the same digest is no proof that both files
//! have it. Secrets are the folder `secrets/`, what others than its owner may not read on the host
//! (two settings files excepted), keys, and whatever holds one of the values in `secrets/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use similar::TextDiff;

use crate::event::{Cancel, Cancelled};
use crate::fs::{self, Entry, Kind, PassError, PathError, WorkError};
use crate::stage::StageError;
use crate::stage::place::{SECRETS, hosts_of};
use crate::types::digest::Digest;
use crate::types::name::Name;

/// Largest file whose text is compared line by line, in bytes.
const MAX_TEXT: u64 = 256 * 1024;
/// Longest `perms.tsv` or secret that is read, in bytes.
const MAX_SMALL: u64 = 1024 * 1024;
/// Most files of a tree.
const MAX_FILES: usize = 500_000;
/// Shortest secret whose value is looked for in other files.
const MIN_SECRET: usize = 8;
/// Files that only their service may read on the host, and that hold no secret.
const NO_SECRET: [&str; 2] = ["pg_hba.conf", "config.json"];

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is in the newer tree only.
    Added,
    /// It is in the older tree only.
    Removed,
    /// It has other bytes, another mode or owner, or is another kind of thing.
    Changed,
}

/// A file of one tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileState {
    /// Its digest; none for a secret, and for what is no regular file.
    pub sha256: Option<Digest>,
    /// Its length in bytes; none for a secret.
    pub size: Option<u64>,
    /// Its permission bits in the tree, octal.
    pub mode: String,
    /// Mode, owner and group on the host, when the host's `perms.tsv` has it.
    pub installed: Option<String>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// The path below the trees.
    pub path: String,
    /// What happened.
    pub change: Change,
    /// Whether its bytes differ.
    pub content: bool,
    /// Whether it is a secret, of which nothing is shown.
    pub secret: bool,
    /// In the older tree.
    pub old: Option<FileState>,
    /// In the newer tree.
    pub new: Option<FileState>,
    /// The lines that differ (unified, three lines around), for small texts that both trees have.
    pub lines: Option<String>,
}

/// What differs between two staged trees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TreeDifference {
    /// Hosts of the newer tree only.
    pub hosts_added: Vec<Name>,
    /// Hosts of the older tree only.
    pub hosts_removed: Vec<Name>,
    /// The files, sorted by path.
    pub files: Vec<FileDifference>,
}

impl TreeDifference {
    /// Whether both trees are the same.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.hosts_added.is_empty() && self.hosts_removed.is_empty() && self.files.is_empty()
    }
}

/// Why two trees cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DifferenceError {
    /// One of them is no staged tree.
    #[error("{} is no staged tree", .0.display())]
    NoTree(PathBuf),
    /// It holds more than a staged tree can.
    #[error("{} holds more than {MAX_FILES} files", .0.display())]
    TooMany(PathBuf),
    /// A file or folder.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl DifferenceError {
    /// The stable message id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::NoTree(_) => "E533",
            Self::TooMany(_) => "E502",
            Self::Path(error) => error.id(),
            Self::Cancelled(_) => "E130",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTree(_) | Self::TooMany(_) => {
                Some("name two folders that `haversack stage` wrote, or two lock files".to_owned())
            }
            Self::Path(error) => error.hint(),
            Self::Cancelled(_) => None,
        }
    }
}

/// Compares two staged trees. Neither is changed.
///
/// # Errors
/// When one of them is no staged tree or cannot be read, or the work is asked to stop.
pub fn difference(
    old: &Path,
    new: &Path,
    cancel: &Cancel,
) -> Result<TreeDifference, DifferenceError> {
    let (old, new) = (Tree::open(old)?, Tree::open(new)?);
    let missing = |from: &Tree, to: &Tree| -> Vec<Name> {
        from.hosts.difference(&to.hosts).cloned().collect()
    };
    let mut files = Vec::new();
    let paths: BTreeSet<&String> = old.files.keys().chain(new.files.keys()).collect();
    for path in paths {
        cancel.check()?;
        if let Some(found) = compare(path, &old, &new, cancel)? {
            files.push(found);
        }
    }
    Ok(TreeDifference {
        hosts_added: missing(&new, &old),
        hosts_removed: missing(&old, &new),
        files,
    })
}

/// A staged tree that is compared.
struct Tree {
    root: PathBuf,
    hosts: BTreeSet<Name>,
    files: BTreeMap<String, Entry>,
    /// Mode, owner and group of `HOST/rootfs/PATH`.
    installed: BTreeMap<String, String>,
    /// The values in `secrets/`.
    secrets: Vec<Vec<u8>>,
}

impl Tree {
    fn open(root: &Path) -> Result<Self, DifferenceError> {
        let hosts = hosts_of(root).map_err(|error| match error {
            StageError::Work(WorkError::Io(error)) => DifferenceError::Path(error),
            _ => DifferenceError::NoTree(root.to_owned()),
        })?;
        let mut tree = Self {
            root: root.to_owned(),
            hosts: hosts.into_iter().collect(),
            files: BTreeMap::new(),
            installed: BTreeMap::new(),
            secrets: Vec::new(),
        };
        for entry in fs::walk(root)? {
            if entry.kind == Kind::Folder {
                continue;
            }
            if tree.files.len() >= MAX_FILES {
                return Err(DifferenceError::TooMany(root.to_owned()));
            }
            let path = entry.path.to_string_lossy().into_owned();
            if entry.kind == Kind::File && entry.size <= MAX_SMALL {
                if entry.path.starts_with(SECRETS) {
                    let value = fs::read(&root.join(&entry.path), MAX_SMALL)?;
                    let value = value.trim_ascii();
                    if value.len() >= MIN_SECRET {
                        tree.secrets.push(value.to_vec());
                    }
                } else if let Some(host) = path.strip_suffix("/perms.tsv") {
                    let text = fs::read(&root.join(&entry.path), MAX_SMALL)?;
                    tree.read_perms(host, &String::from_utf8_lossy(&text));
                }
            }
            tree.files.insert(path, entry);
        }
        Ok(tree)
    }

    fn read_perms(&mut self, host: &str, text: &str) {
        for row in text.lines() {
            let mut cells = row.split('\t');
            let mut next = || cells.next().unwrap_or_default();
            let (_kind, mode, owner, group) = (next(), next(), next(), next());
            let (_phase, _notify, path) = (next(), next(), next());
            self.installed.insert(
                format!("{host}/rootfs{path}"),
                format!("{mode} {owner}:{group}"),
            );
        }
    }

    fn read_text(&self, entry: &Entry) -> Result<Option<String>, PathError> {
        if entry.kind != Kind::File || entry.size > MAX_TEXT {
            return Ok(None);
        }
        let bytes = fs::read(&self.root.join(&entry.path), MAX_TEXT)?;
        let text = String::from_utf8(bytes).ok();
        Ok(text.filter(|text| !text.contains('\0')))
    }

    /// Whether nothing of this file may be shown.
    fn is_secret(&self, path: &str, entry: &Entry, text: Option<&str>) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        let for_one = |mode: u32| mode & 0o004 == 0;
        let mode_on_host = self
            .installed
            .get(path)
            .and_then(|row| u32::from_str_radix(row.split(' ').next()?, 8).ok());
        let closed =
            mode_on_host.is_some_and(for_one) || (path.contains("/rootfs/") && for_one(entry.mode));
        let holds = |text: &str| {
            text.contains("PRIVATE KEY-----")
                || self
                    .secrets
                    .iter()
                    .any(|secret| std::str::from_utf8(secret).is_ok_and(|one| text.contains(one)))
        };
        path.starts_with("secrets/")
            || (closed && !NO_SECRET.contains(&name))
            || [".key", ".environment"]
                .iter()
                .any(|end| name.ends_with(end))
            || name == "config.env"
            || text.is_some_and(holds)
    }
}

/// One side of a comparison.
struct Side {
    state: FileState,
    digest: Option<Digest>,
    text: Option<String>,
    secret: bool,
}

impl Side {
    fn of(tree: &Tree, path: &str, cancel: &Cancel) -> Result<Option<Self>, DifferenceError> {
        let Some(entry) = tree.files.get(path) else {
            return Ok(None);
        };
        let digest = match entry.kind {
            Kind::File => Some(digest(&tree.root.join(&entry.path), cancel)?),
            Kind::Folder | Kind::Symlink | Kind::Special => None,
        };
        let text = tree.read_text(entry)?;
        let secret = tree.is_secret(path, entry, text.as_deref());
        let shown = !secret;
        Ok(Some(Self {
            state: FileState {
                sha256: digest.filter(|_| shown),
                size: shown.then_some(entry.size),
                mode: format!("{:o}", entry.mode & 0o7777),
                installed: tree.installed.get(path).cloned(),
            },
            digest,
            text,
            secret,
        }))
    }
}

fn compare(
    path: &str,
    old: &Tree,
    new: &Tree,
    cancel: &Cancel,
) -> Result<Option<FileDifference>, DifferenceError> {
    let (mut old, mut new) = (Side::of(old, path, cancel)?, Side::of(new, path, cancel)?);
    let secret = [&old, &new].into_iter().flatten().any(|side| side.secret);
    if secret {
        for side in [&mut old, &mut new].into_iter().flatten() {
            side.state.sha256 = None;
            side.state.size = None;
        }
    }
    let content = match (&old, &new) {
        (Some(old), Some(new)) => old.digest != new.digest,
        (one, other) => one.is_some() != other.is_some(),
    };
    let (change, lines) = match (&old, &new) {
        (None, None) => return Ok(None),
        (None, Some(_)) => (Change::Added, None),
        (Some(_), None) => (Change::Removed, None),
        (Some(a), Some(b)) => {
            if !content && a.state == b.state {
                return Ok(None);
            }
            let lines = match (&a.text, &b.text) {
                (Some(one), Some(other)) if !secret && one != other => Some(unified(one, other)),
                _ => None,
            };
            (Change::Changed, lines)
        }
    };
    Ok(Some(FileDifference {
        path: path.to_owned(),
        change,
        content,
        secret,
        old: old.map(|side| side.state),
        new: new.map(|side| side.state),
        lines,
    }))
}

/// The lines that differ; control characters are escaped, for a terminal would obey them.
fn unified(old: &str, new: &str) -> String {
    let text = TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .to_string();
    text.chars()
        .flat_map(|c| {
            let plain = !c.is_control() || c == '\n' || c == '\t';
            let escaped = (!plain).then(|| c.escape_default());
            plain
                .then_some(c)
                .into_iter()
                .chain(escaped.into_iter().flatten())
        })
        .collect()
}

fn digest(path: &Path, cancel: &Cancel) -> Result<Digest, DifferenceError> {
    let mut file = fs::open(path)?;
    fs::advise_sequential(&file);
    let pass = fs::pass((&mut file, path), None, u64::MAX, &mut |_| cancel.check());
    match pass {
        Ok(hasher) => Ok(hasher.finish()),
        Err(PassError::Read(error) | PassError::Write(error)) => Err(error.into()),
        Err(PassError::Cancelled(cancelled)) => Err(cancelled.into()),
    }
}
