//! Bringing again only what is damaged: the list of it, and the patch that answers it.
//!
//! The isolated side writes a *re-carry list*. It is a text that a person can read before it leaves:
//!
//! ```text
//! # haversack-recarry 1
//! # bundle <64 hex: the identity>
//! <64 hex>  block v1/17
//! <64 hex>  file README.txt
//! ```
//!
//! A block is named as in `blocks.sha256`, a file as in `SHA256SUMS`; the digests are those of the signed set. Lines are
//! sorted; there is one text for each content. The connected side answers with a *patch*: a folder with one file for
//! each line, named by its digest. So a patch needs no list of its own, and nothing of it is believed: a piece counts
//! only when its bytes have the digest that the signed set names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::bundle::sums::MAX_LINES;
use crate::fs::{File, Kind, PathError, Root, pass};
use crate::parity::shape::{MAX_BLOCK, MAX_BLOCKS};
use crate::types::digest::Digest;
use crate::types::path::RelPath;

/// First line of a list, without its number.
const FORMAT: &str = "# haversack-recarry 1";
/// Longest list, in bytes: 340 for each block and file.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Most pieces of a list.
const MAX_PIECES: usize = 65_536 + 131_072;

/// What is to be brought again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recarry {
    /// SHA-256 of the list of the bundle.
    pub identity: Digest,
    /// Each piece, with its digest.
    pub pieces: BTreeMap<Piece, Digest>,
}

/// A part of a bundle that is brought again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// A block of the payload, by its volume and its number in it, counted from 0.
    Block(String, u64),
    /// A whole file.
    File(RelPath),
}

/// A text is no re-carry list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the re-carry list: expected {expected}")]
pub struct RecarryError {
    line: usize,
    expected: &'static str,
}

impl RecarryError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        "E289"
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some("name a file that `haversack verify --recarry` wrote".to_owned())
    }
}

impl Recarry {
    /// Reads a list.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, RecarryError> {
        let wrong = |line, expected| RecarryError { line, expected };
        let mut lines = text.lines();
        if lines.next() != Some(FORMAT) {
            return Err(wrong(1, "`# haversack-recarry 1`"));
        }
        let identity = lines.next().and_then(|line| line.strip_prefix("# bundle "));
        let identity = identity.and_then(|hex| hex.parse().ok());
        let identity = identity.ok_or_else(|| wrong(2, "`# bundle` and the identity"))?;
        let mut pieces = BTreeMap::new();
        for (number, line) in (3..).zip(lines) {
            if pieces.len() >= MAX_PIECES {
                return Err(wrong(
                    number,
                    "the end: a bundle has no more blocks and files",
                ));
            }
            let (digest, piece) = piece(line)
                .ok_or_else(|| wrong(number, "a digest, and `block V/N` or `file PATH`"))?;
            pieces.insert(piece, digest);
        }
        let found = Self { identity, pieces };
        if found.render() == text {
            Ok(found)
        } else {
            Err(wrong(
                3,
                "sorted lines, each once, and a line feed at the end",
            ))
        }
    }

    /// The one text of it.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("{FORMAT}\n# bundle {}\n", self.identity);
        for (piece, digest) in &self.pieces {
            text.push_str(&digest.to_string());
            text.push_str("  ");
            text.push_str(&piece.to_string());
            text.push('\n');
        }
        text
    }
}

impl std::fmt::Display for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Block(volume, number) => write!(f, "block {volume}/{number}"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

fn piece(line: &str) -> Option<(Digest, Piece)> {
    let (digest, rest) = line.split_once("  ")?;
    let digest = digest.parse().ok()?;
    if let Some(path) = rest.strip_prefix("file ") {
        return Some((digest, Piece::File(path.parse().ok()?)));
    }
    let (volume, number) = rest.strip_prefix("block ")?.split_once('/')?;
    let digits = volume.strip_prefix('v')?;
    let short = !digits.is_empty() && digits.len() <= 3 && number.len() <= 6;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (short && plain(digits) && plain(number)).then(|| {
        Some((
            digest,
            Piece::Block(volume.to_owned(), number.parse().ok()?),
        ))
    })?
}

/// What a patch holds of the pieces that are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// Those that are right.
    pub good: BTreeSet<Digest>,
    /// Those of which other bytes lie under their name.
    pub damaged: BTreeSet<Digest>,
}

/// A folder with pieces, each named by its digest.
#[derive(Debug)]
pub struct Patch {
    path: PathBuf,
    root: Root,
    sizes: BTreeMap<Digest, u64>,
}

impl Patch {
    /// Opens the folder `path`; what in it is not named by a digest is not looked at.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        let root = Root::open(path)?;
        let found = root.walk(MAX_PIECES.saturating_add(MAX_LINES))?;
        let sizes = found.entries.into_iter().filter_map(|entry| {
            let digest = entry.path.to_str()?.parse().ok()?;
            (entry.kind == Kind::File).then_some((digest, entry.size))
        });
        Ok(Self {
            path: path.to_owned(),
            sizes: sizes.collect(),
            root,
        })
    }

    /// Its folder, as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its pieces, right or not.
    pub fn named(&self) -> impl Iterator<Item = &Digest> {
        self.sizes.keys()
    }

    /// Which of the wanted digests it holds: each is hashed before it counts.
    ///
    /// # Errors
    /// When a piece that is there cannot be read.
    pub fn holds(&self, wanted: impl IntoIterator<Item = Digest>) -> Result<Held, PathError> {
        let mut held = Held::default();
        for digest in wanted {
            let Some(size) = self.sizes.get(&digest) else {
                continue;
            };
            let mut file = self.open_piece(&digest)?;
            let path = self.path_of(&digest);
            let hasher = pass((&mut file, &path), None, *size, &mut |_| Ok(()));
            match hasher {
                Ok(hasher) if hasher.clone().finish() == digest => {
                    held.good.insert(digest);
                }
                Err(crate::fs::PassError::Read(error)) => return Err(error),
                _ => {
                    held.damaged.insert(digest);
                }
            }
        }
        Ok(held)
    }

    /// Opens a piece.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open_piece(&self, digest: &Digest) -> Result<File, PathError> {
        self.root.open_file(Path::new(&digest.to_string()))
    }

    fn path_of(&self, digest: &Digest) -> PathBuf {
        self.root.path().join(digest.to_string())
    }
}

const _: () = assert!(MAX_BLOCKS == 131_072 && MAX_BLOCK <= 64 << 20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_text_for_each_list() {
        let digest = Digest::of(b"x");
        let list = Recarry {
            identity: Digest::of(b"bundle"),
            pieces: BTreeMap::from([
                (Piece::Block("v2".to_owned(), 17), digest),
                (Piece::File("README.txt".parse().unwrap()), digest),
            ]),
        };
        let text = list.render();
        assert_eq!(
            text,
            format!(
                "# haversack-recarry 1\n# bundle {}\n{digest}  block v2/17\n{digest}  file README.txt\n",
                list.identity
            )
        );
        assert_eq!(Recarry::parse(&text), Ok(list));
        for (from, to) in [
            ("recarry 1", "recarry 2"),
            ("# bundle ", "# bundle x"),
            ("block v2/17", "block v2/017"),
            ("block v2/17", "block p2/17"),
            ("block v2/17", "block v2/"),
            ("block v2/17", "block v2/9999999"),
            ("file README", "file ../README"),
            ("txt\n", "txt"),
            ("txt\n", "txt\r\n"),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text);
            assert_eq!(Recarry::parse(&other).unwrap_err().id(), "E289", "{to}");
        }
    }
}
