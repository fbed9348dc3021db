//! Copying what is good, and making the rest again: each file is compared with the signed list.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::parts::Parts;
use super::{FOLDER_MODE, RepairError, count};
use crate::bundle::patch::Patch;
use crate::bundle::places::{SIG, SUMS};
use crate::bundle::protect::{OpenFiles, protect};
use crate::event::{Progress, Step};
use crate::fs::{self, At, File, PassError, PathError, pass};
use crate::parity::code::{self, Block, Blocks, CodeError};
use crate::pool;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::Survey;
use crate::verify::damage::{Located, Reader, pieces_of};

const FILE_MODE: u32 = 0o644;

/// The work in the folder beside the target.
pub(super) struct Work<'a> {
    pub(super) survey: &'a Survey,
    pub(super) patch: Option<&'a Patch>,
    pub(super) parts: &'a Parts<'a>,
    pub(super) root: &'a Path,
    pub(super) progress: Progress<'a>,
}

impl Work<'_> {
    pub(super) fn run(&self) -> Result<(), RepairError> {
        let size = |path: &RelPath| self.survey.size_of(path);
        let bytes = self
            .parts
            .copied
            .iter()
            .fold(0, |sum: u64, path| sum.saturating_add(size(path)));
        self.progress.started(count(self.parts.copied.len()), bytes);
        pool::try_map(&self.parts.copied, pool::cores(), |path| {
            let from = self.survey.open_good(path)?;
            self.copy(path, size(path), from)
        })?;
        for path in &self.parts.patched {
            let digest = self.survey.authentic.sums.entries().get(*path);
            if let (Some(patch), Some(digest)) = (self.patch, digest) {
                self.copy(path, u64::MAX - 1, patch.open_piece(digest)?)?;
            }
        }
        if let Some(located) = &self.parts.located {
            for path in &self.parts.rebuilt {
                let file = self.create(path)?;
                file.set_len(size(path)).at("write", &path.to_path())?;
            }
            self.rebuild(located)?;
            let rebuilt: Vec<&RelPath> = self.parts.rebuilt.iter().copied().collect();
            pool::try_map(&rebuilt, pool::cores(), |path| self.compare(path))?;
        }
        if let Some((payload, shape)) = &self.parts.remade {
            let progress = Progress {
                step: Step::Parity,
                ..self.progress
            };
            let made = protect(self.root, payload, shape, BTreeMap::new(), &progress)?;
            for (path, found) in made {
                self.judge(&path, found)?;
            }
        }
        let list = self.survey.authentic.sums.render();
        fs::write_unsynced(&self.root.join(SUMS), list.as_bytes(), FILE_MODE)?;
        let signatures = self.root.join(SIG);
        fs::create_dir_all(&signatures, FOLDER_MODE)?;
        for one in &self.survey.authentic.signatures {
            fs::write_unsynced(&signatures.join(&one.name), &one.bytes, FILE_MODE)?;
        }
        fs::sync_file_system(self.root)?;
        self.progress.done();
        Ok(())
    }

    fn target(&self, path: &RelPath) -> Result<PathBuf, PathError> {
        let full = self.root.join(path.to_path());
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent, FOLDER_MODE)?;
        }
        Ok(full)
    }

    fn create(&self, path: &RelPath) -> Result<File, PathError> {
        let full = self.target(path)?;
        fs::write_unsynced(&full, b"", FILE_MODE)?;
        fs::open_to_write(&full)
    }

    fn copy(&self, path: &RelPath, size: u64, mut from: File) -> Result<(), RepairError> {
        let full = self.target(path)?;
        let name = path.as_str();
        self.progress.item_started(name, size);
        fs::advise_sequential(&from);
        let mut to = fs::AtomicFile::create(&full)?;
        let from: (&mut dyn std::io::Read, &Path) = (&mut from, &full);
        let hasher = pass(
            from,
            Some((&mut to, &full)),
            size,
            &mut self.progress.of(name),
        )?;
        self.judge(path, hasher.finish())?;
        to.commit_unsynced(FILE_MODE)?;
        self.progress.item_done(name, false);
        Ok(())
    }

    /// Fills the damaged files: what is left of them, and then what is rebuilt.
    fn rebuild(&self, located: &Located) -> Result<(), RepairError> {
        let reader = Reader::of(
            &self.survey.authentic,
            &self.survey.found,
            &self.survey.good,
            located,
            self.patch,
        );
        let files =
            OpenFiles::new(|path: &RelPath| fs::open_to_write(&self.root.join(path.to_path())));
        let rebuilt: Vec<&RelPath> = self.parts.rebuilt.iter().copied().collect();
        pool::try_map(&rebuilt, pool::cores(), |path| {
            let file = files.get(path)?;
            let mut buffer = vec![0; fs::CHUNK];
            for (block, offset, piece) in pieces_of(located, path) {
                self.progress.cancel.check()?;
                if located.lost.contains(&block) {
                    continue;
                }
                let mut done = 0;
                while done < piece.length {
                    let rest = piece.length.saturating_sub(done);
                    let length = usize::try_from(rest).unwrap_or(fs::CHUNK).min(fs::CHUNK);
                    let chunk = buffer.get_mut(..length).unwrap_or_default();
                    reader.read(block, offset.saturating_add(done), chunk)?;
                    let at = piece.at.saturating_add(done);
                    file.write_all_at(chunk, at).at("write", &path.to_path())?;
                    done = done.saturating_add(count(length));
                }
            }
            Ok::<_, RepairError>(())
        })?;
        let mending = Mending {
            located,
            reader,
            files,
            rebuilt: &self.parts.rebuilt,
        };
        let told = |_| Ok(self.progress.cancel.check()?);
        code::rebuild(located.index.shape(), &located.lost, &mending, &told).map_err(|error| {
            match error {
                CodeError::Blocks(error) => error.into(),
                // It was asked before; only a mistake of this program leads here.
                other @ (CodeError::Beyond { .. } | CodeError::Code(_)) => {
                    RepairError::from(PathError {
                        action: "rebuild",
                        path: self.root.to_owned(),
                        source: std::io::Error::other(other.to_string()),
                    })
                }
            }
        })
    }

    fn compare(&self, path: &RelPath) -> Result<(), RepairError> {
        let full = self.root.join(path.to_path());
        let mut file = fs::open(&full)?;
        let from: (&mut dyn std::io::Read, &Path) = (&mut file, &full);
        let told = &mut |_| self.progress.cancel.check();
        let hasher = pass(from, None, u64::MAX - 1, told)?;
        self.judge(path, hasher.finish())
    }

    fn judge(&self, path: &RelPath, found: Digest) -> Result<(), RepairError> {
        match self.survey.authentic.sums.entries().get(path) {
            Some(expected) if *expected == found => Ok(()),
            expected => Err(RepairError::Wrong {
                path: path.clone(),
                expected: expected.copied().unwrap_or_else(|| Digest::of(b"")),
                found,
            }),
        }
    }
}

/// Reads the good blocks, and writes the rebuilt ones into the damaged files.
struct Mending<'a, F> {
    located: &'a Located,
    reader: Reader<'a>,
    files: OpenFiles<F>,
    rebuilt: &'a BTreeSet<&'a RelPath>,
}

impl<F: Fn(&RelPath) -> Result<File, PathError> + Sync> Blocks for Mending<'_, F> {
    type Error = PassError;

    fn read(&self, block: Block, offset: u64, buffer: &mut [u8]) -> Result<(), PassError> {
        self.reader
            .read(block, offset, buffer)
            .map_err(PassError::Read)
    }

    fn write(&self, block: Block, offset: u64, bytes: &[u8]) -> Result<(), PassError> {
        let Block::Data(number) = block else {
            return Ok(());
        };
        let Some(place) = self.located.index.shape().place(number) else {
            return Ok(());
        };
        let mut rest = bytes;
        for piece in self
            .located
            .payload
            .pieces(place, offset, count(bytes.len()))
        {
            let length = usize::try_from(piece.length).unwrap_or(usize::MAX);
            let Some((now, behind)) = rest.split_at_checked(length) else {
                break;
            };
            rest = behind;
            // The good files that share the block are copied already.
            if self.rebuilt.contains(piece.path) {
                let file = self.files.get(piece.path).map_err(PassError::Write)?;
                file.write_all_at(now, piece.at)
                    .at("write", &piece.path.to_path())
                    .map_err(PassError::Write)?;
            }
        }
        Ok(())
    }
}
