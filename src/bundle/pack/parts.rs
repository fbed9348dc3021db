//! A file that is larger than a volume, written in parts: read once, each byte written once, part and whole
//! hashed on the way.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use super::{FILE_MODE, PackError, Work, other_bytes};
use crate::bundle::planned::PlannedCut;
use crate::bundle::request::Source;
use crate::event::{Cancelled, Progress};
use crate::fs::{self, AtomicFile, Hashed, pass};
use crate::types::digest::{Digest, Hasher};
use crate::types::path::RelPath;

impl Work<'_> {
    /// Writes the parts, or keeps them when they are all there and right; gives their digests.
    pub(super) fn place_parts(
        &self,
        cut: &PlannedCut,
        present: &BTreeSet<RelPath>,
    ) -> Result<Vec<(RelPath, Digest)>, PackError> {
        let name = cut.whole.path.as_str();
        self.progress.cancel.check()?;
        self.progress.item_started(name, cut.whole.size);
        let mut told = 0;
        if cut.parts.iter().all(|(path, _)| present.contains(path)) {
            let (whole, parts) = hash_parts(&self.root, cut, &self.progress)?;
            if whole == cut.whole.digest {
                self.progress.item_done(name, true);
                return Ok(parts);
            }
            told = cut.whole.size;
        }
        let mut tell = self.progress.beyond(told, name);
        let mut whole = Hasher::new();
        let parts = match &cut.whole.source {
            Source::Bytes(bytes) => {
                let path = self.root.join(cut.whole.path.to_path());
                self.write_parts(cut, (&mut bytes.as_slice(), &path), &mut whole, &mut tell)?
            }
            Source::Stored { .. } => {
                let (mut from, path) = self.open_stored(&cut.whole)?;
                self.write_parts(cut, (&mut from, &path), &mut whole, &mut tell)?
            }
        };
        let (digest, size) = whole.finish_counted();
        if (digest, size) != (cut.whole.digest, cut.whole.size) {
            let found = format!("{size} bytes of sha256 {digest}");
            return Err(other_bytes(&cut.whole, found));
        }
        self.progress.item_done(name, false);
        Ok(parts)
    }

    fn write_parts(
        &self,
        cut: &PlannedCut,
        (from, from_path): (&mut dyn std::io::Read, &Path),
        whole: &mut Hasher,
        tell: &mut dyn FnMut(u64) -> Result<(), Cancelled>,
    ) -> Result<Vec<(RelPath, Digest)>, PackError> {
        let mut parts = Vec::new();
        for (part, size) in &cut.parts {
            let path = self.root.join(part.to_path());
            let mut target = AtomicFile::create(&path)?;
            let piece = Hashed::new(&mut *from, whole).take(*size);
            let mut piece = self.blocks.reading(part, piece);
            let found = pass(
                (&mut piece, from_path),
                Some((&mut target, &path)),
                *size,
                &mut *tell,
            )?;
            target.commit_unsynced_folder(FILE_MODE)?;
            // The whole is compared by the caller, who goes no further when it is wrong.
            piece.finish();
            parts.push((part.clone(), found.finish()));
        }
        Ok(parts)
    }
}

/// Hashes the parts that lie below `root`: the digest of the whole, and of each.
pub(super) fn hash_parts(
    root: &Path,
    cut: &PlannedCut,
    progress: &Progress<'_>,
) -> Result<(Digest, Vec<(RelPath, Digest)>), PackError> {
    let mut whole = Hasher::new();
    let mut parts = Vec::new();
    for (part, size) in &cut.parts {
        let path = root.join(part.to_path());
        let file = fs::open(&path)?;
        fs::advise_sequential(&file);
        let mut from = Hashed::new(file, &mut whole);
        let name = cut.whole.path.as_str();
        let found = pass((&mut from, &path), None, *size, &mut progress.of(name))?;
        parts.push((part.clone(), found.finish()));
    }
    Ok((whole.finish(), parts))
}
