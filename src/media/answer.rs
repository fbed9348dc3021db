//! The patch that answers a re-carry list: its pieces, out of the whole bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{FILE_MODE, FOLDER_MODE, Load, MediaError};
use crate::bundle::patch::{Piece, Recarry};
use crate::bundle::payload::{BLOCKS, Payload};
use crate::bundle::protect::{OpenFiles, read_pieces};
use crate::event::Cancel;
use crate::fs::{self, AtomicFile, FolderLock, PathError, pass};
use crate::parity::index::{self, Index};
use crate::types::digest::Digest;
use crate::types::path::RelPath;

/// A patch that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// Its folder.
    pub patch: PathBuf,
    /// SHA-256 of the list of the bundle.
    pub identity: Digest,
    /// How many blocks are in it.
    pub blocks: u64,
    /// How many whole files.
    pub files: u64,
    /// Bytes of all pieces.
    pub bytes: u64,
}

/// The blocks of a bundle: their list, where they lie, and the number of each by its name.
struct Indexed {
    index: Index,
    payload: Payload,
    numbers: BTreeMap<String, u64>,
}

impl Load {
    /// Writes what `list` names into the new folder `target`, one file a piece, named by its digest. Each is
    /// hashed before it appears, and the folder appears when all are there.
    ///
    /// # Errors
    /// When the list is of another bundle, names what the bundle does not have, something stands at the target,
    /// or the bundle is damaged here too.
    pub fn answer(
        &self,
        list: &Recarry,
        target: &Path,
        cancel: &Cancel,
    ) -> Result<Answered, MediaError> {
        let identity = self.sums.identity();
        if list.identity != identity {
            return Err(MediaError::OtherBundle {
                expected: list.identity.label(),
                found: identity.label(),
            });
        }
        if fs::examine(target)?.is_some() && !fs::list(target)?.is_empty() {
            return Err(MediaError::Exists(target.to_owned()));
        }
        let wants_blocks = list
            .pieces
            .keys()
            .any(|piece| matches!(piece, Piece::Block(..)));
        let blocks = if wants_blocks {
            Some(self.blocks()?)
        } else {
            None
        };
        let part = fs::part_beside(target);
        let part = &part.ok_or_else(|| MediaError::Exists(target.to_owned()))?;
        if let Some(parent) = part.parent() {
            fs::create_dir_all(parent, FOLDER_MODE)?;
        }
        let _lock = FolderLock::beside(target)?;
        fs::remove_dir_all(part)?;
        fs::create_dir_all(part, FOLDER_MODE)?;
        let done = self.pieces(list, blocks.as_ref(), (part, target), cancel);
        if done.is_err() {
            fs::remove_dir_all(part)?;
        }
        done
    }

    fn pieces(
        &self,
        list: &Recarry,
        blocks: Option<&Indexed>,
        (part, target): (&Path, &Path),
        cancel: &Cancel,
    ) -> Result<Answered, MediaError> {
        let identity = self.sums.identity();
        let mut done = Answered {
            patch: target.to_owned(),
            identity,
            blocks: 0,
            files: 0,
            bytes: 0,
        };
        for (piece, digest) in &list.pieces {
            cancel.check()?;
            let to = part.join(digest.to_string());
            let size = match (piece, blocks) {
                (Piece::File(path), _) => {
                    done.files = done.files.saturating_add(1);
                    self.whole_file(path, *digest, &to, cancel)?
                }
                (Piece::Block(volume, number), Some(blocks)) => {
                    done.blocks = done.blocks.saturating_add(1);
                    self.block(blocks, &format!("{volume}/{number}"), *digest, &to)?
                }
                (Piece::Block(..), None) => 0,
            };
            done.bytes = done.bytes.saturating_add(size);
        }
        fs::sync_file_system(part)?;
        fs::rename(part, target)?;
        Ok(done)
    }

    fn blocks(&self) -> Result<Indexed, MediaError> {
        let path = format!("p1/{BLOCKS}");
        let listed = self
            .sums
            .entries()
            .iter()
            .find(|(one, _)| one.as_str() == path);
        let unusable = |found: &str| MediaError::NoPiece(format!("{path}: {found}"));
        let (_, expected) =
            listed.ok_or_else(|| unusable("the bundle has no parity, so no blocks"))?;
        let bytes = fs::read(&self.folder.join(&path), index::MAX_BYTES)?;
        let found = Digest::of(&bytes);
        if found != *expected {
            return Err(super::altered(&path, *expected, format!("sha256 {found}")));
        }
        let index = Index::parse(&bytes).map_err(|error| unusable(&error.to_string()))?;
        let sizes = self.contents.files.iter();
        let sizes = sizes.map(|(path, info)| (path, info.size));
        let payload = Payload::new(sizes, self.header().volumes);
        if payload.volumes() != index.shape().volumes() {
            return Err(unusable("made for another payload"));
        }
        let numbers = index::names(index.shape()).zip(0..index.shape().data());
        Ok(Indexed {
            numbers: numbers.collect(),
            index,
            payload,
        })
    }

    fn whole_file(
        &self,
        path: &RelPath,
        digest: Digest,
        to: &Path,
        cancel: &Cancel,
    ) -> Result<u64, MediaError> {
        if self.sums.entries().get(path) != Some(&digest) {
            return Err(MediaError::NoPiece(format!("file {path}")));
        }
        let from = self.folder.join(path.to_path());
        let mut source = fs::open(&from)?;
        let mut written = AtomicFile::create(to)?;
        let told = &mut |_| cancel.check();
        let found = pass(
            (&mut source, &from),
            Some((&mut written, to)),
            u64::MAX - 1,
            told,
        )?;
        let (found, size) = found.finish_counted();
        if found != digest {
            return Err(super::altered(
                path.as_str(),
                digest,
                format!("sha256 {found}"),
            ));
        }
        written.commit_unsynced(FILE_MODE)?;
        Ok(size)
    }

    fn block(
        &self,
        Indexed {
            index,
            payload,
            numbers,
        }: &Indexed,
        name: &str,
        digest: Digest,
        to: &Path,
    ) -> Result<u64, MediaError> {
        let number = numbers.get(name).copied();
        let number = number.filter(|number| {
            let at = usize::try_from(*number).ok();
            at.and_then(|at| index.data().get(at)) == Some(&digest)
        });
        let place = number.and_then(|number| index.shape().place(number));
        let place = place.ok_or_else(|| MediaError::NoPiece(format!("block {name}")))?;
        let mut bytes = vec![0; usize::try_from(place.length).unwrap_or(0)];
        let files = OpenFiles::new(|path: &RelPath| -> Result<fs::File, PathError> {
            fs::open(&self.folder.join(path.to_path()))
        });
        read_pieces(payload.pieces(place, 0, place.length), &mut bytes, |path| {
            files.get(path)
        })?;
        let found = Digest::of(&bytes);
        if found != digest {
            let block = format!("block {name}");
            return Err(super::altered(&block, digest, format!("sha256 {found}")));
        }
        fs::write_unsynced(to, &bytes, FILE_MODE)?;
        Ok(place.length)
    }
}
