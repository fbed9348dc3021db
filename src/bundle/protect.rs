//! Parity of a folder of payload: its blocks read from and written to files.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use crate::bundle::payload::{ParityFile, Payload, block_lists, parity_files};
use crate::event::Progress;
use crate::fs::{self, At, AtomicFile, CHUNK, File, PassError, PathError};
use crate::parity::code::{self, Block, Blocks, CodeError};
use crate::parity::index::Index;
use crate::parity::shape::Shape;
use crate::pool;
use crate::types::digest::{Digest, Hasher};
use crate::types::path::RelPath;

/// Most files that are kept open while blocks are read.
const MAX_OPEN: usize = 256;
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// Files that are opened once and read at many places.
#[derive(Debug)]
pub struct OpenFiles<F> {
    open: F,
    known: RwLock<BTreeMap<RelPath, Arc<File>>>,
}

impl<F: Fn(&RelPath) -> Result<File, PathError>> OpenFiles<F> {
    /// Files that `open` opens.
    pub const fn new(open: F) -> Self {
        Self {
            open,
            known: RwLock::new(BTreeMap::new()),
        }
    }

    /// The file of this path.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn get(&self, path: &RelPath) -> Result<Arc<File>, PathError> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(file) = known.get(path) {
                return Ok(Arc::clone(file));
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_OPEN {
            known.clear();
        }
        let file = Arc::new((self.open)(path)?);
        known.insert(path.clone(), Arc::clone(&file));
        Ok(file)
    }
}

/// Fills `buffer` from these pieces, through `file`.
///
/// # Errors
/// When a file cannot be opened or read, or ends too early.
pub fn read_pieces<'a>(
    pieces: impl Iterator<Item = crate::bundle::payload::Piece<'a>>,
    buffer: &mut [u8],
    file: impl Fn(&RelPath) -> Result<Arc<File>, PathError>,
) -> Result<usize, PathError> {
    let mut done = 0_usize;
    for piece in pieces {
        let length = usize::try_from(piece.length).unwrap_or(usize::MAX);
        let end = done.saturating_add(length);
        let Some(into) = buffer.get_mut(done..end) else {
            break;
        };
        file(piece.path)?
            .read_exact_at(into, piece.at)
            .at("read", &piece.path.to_path())?;
        done = end;
    }
    Ok(done)
}

/// A whole bundle folder whose parity is made.
struct Folder<'a, F> {
    shape: &'a Shape,
    payload: &'a Payload,
    files: OpenFiles<F>,
    parity: Vec<(ParityFile, AtomicFile)>,
}

impl<F> Folder<'_, F> {
    fn parity_at(&self, block: u64) -> Option<(&File, u64)> {
        let at = self.parity.partition_point(|(file, _)| file.end <= block);
        let (file, target) = self.parity.get(at)?;
        let number = block.checked_sub(file.first)?;
        Some((target.file(), number.saturating_mul(self.shape.block())))
    }
}

impl<F: Fn(&RelPath) -> Result<File, PathError> + Sync> Blocks for Folder<'_, F> {
    type Error = PassError;

    fn read(&self, block: Block, offset: u64, buffer: &mut [u8]) -> Result<(), PassError> {
        let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        match block {
            Block::Data(number) => {
                if let Some(place) = self.shape.place(number) {
                    let pieces = self.payload.pieces(place, offset, length);
                    read_pieces(pieces, buffer, |path| self.files.get(path))
                        .map_err(PassError::Read)?;
                }
            }
            Block::Parity(number) => {
                if let Some((file, start)) = self.parity_at(number) {
                    file.read_exact_at(buffer, start.saturating_add(offset))
                        .at("read", Path::new("parity"))
                        .map_err(PassError::Read)?;
                }
            }
        }
        Ok(())
    }

    fn write(&self, block: Block, offset: u64, bytes: &[u8]) -> Result<(), PassError> {
        let Block::Parity(number) = block else {
            return Ok(());
        };
        match self.parity_at(number) {
            Some((file, start)) => file
                .write_all_at(bytes, start.saturating_add(offset))
                .at("write", Path::new("parity"))
                .map_err(PassError::Write),
            None => Ok(()),
        }
    }
}

/// Makes the parity files and block lists of the payload in `root`, replacing what stands there, and
/// gives their digests. Each byte of the payload is read for the code, and once more where the hash of its
/// block is not among the `known`. Files are synced, their folders are not.
///
/// # Errors
/// When a file cannot be read or written, or the work was asked to stop.
pub fn protect(
    root: &Path,
    payload: &Payload,
    shape: &Shape,
    known: BTreeMap<u64, Digest>,
    progress: &Progress<'_>,
) -> Result<BTreeMap<RelPath, Digest>, PassError> {
    let write = |path: &RelPath| -> Result<PathBuf, PassError> {
        let path = root.join(path.to_path());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent, FOLDER_MODE).map_err(PassError::Write)?;
        }
        Ok(path)
    };
    let mut parity = Vec::new();
    for file in parity_files(shape) {
        let path = write(&file.path)?;
        parity.push((file, AtomicFile::create(&path).map_err(PassError::Write)?));
    }
    let folder = Folder {
        shape,
        payload,
        files: OpenFiles::new(|path: &RelPath| fs::open(&root.join(path.to_path()))),
        parity,
    };
    let total = shape.data().saturating_mul(shape.block());
    let unknown: Vec<u64> = (0..shape.data())
        .filter(|block| !known.contains_key(block))
        .collect();
    let unknown_bytes = count(&unknown).saturating_mul(shape.block());
    progress.started(2, total.saturating_add(unknown_bytes));
    progress.item_started("parity blocks", total);
    code::encode(shape, &folder, &|bytes| {
        Ok(progress.advance("parity blocks", bytes)?)
    })
    .map_err(unwrap_code)?;
    progress.item_done("parity blocks", false);

    progress.item_started("block hashes", unknown_bytes);
    let (files, index) = thread::scope(|scope| {
        // The disk has its work while the cores have theirs.
        let synced = scope.spawn(|| folder.parity.iter().try_for_each(|(_, file)| file.sync()));
        let hashed = hash_all(shape, &folder, (known, &unknown), progress)?;
        match synced.join() {
            Ok(synced) => synced.map_err(PassError::Write)?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok::<_, PassError>(hashed)
    })?;
    progress.item_done("block hashes", false);
    progress.done();

    let mut digests = BTreeMap::new();
    for ((file, target), digest) in folder.parity.into_iter().zip(files) {
        target
            .commit_unsynced_folder(FILE_MODE)
            .map_err(PassError::Write)?;
        digests.insert(file.path, digest);
    }
    let text = index.render();
    for path in block_lists(shape) {
        let target = write(&path)?;
        fs::write_atomic(&target, text.as_bytes(), FILE_MODE).map_err(PassError::Write)?;
        digests.insert(path, Digest::of(text.as_bytes()));
    }
    Ok(digests)
}

/// The digests of the parity files, and of all blocks, of which these are known and these not. The files come first,
/// for each is the work of one core.
fn hash_all<F: Fn(&RelPath) -> Result<File, PathError> + Sync>(
    shape: &Shape,
    folder: &Folder<'_, F>,
    (mut known, unknown): (BTreeMap<u64, Digest>, &[u64]),
    progress: &Progress<'_>,
) -> Result<(Vec<Digest>, Index), PassError> {
    enum Whole<'a> {
        File(&'a AtomicFile),
        Block(Block),
    }
    let data = unknown.iter().copied().map(Block::Data);
    let blocks = data.chain((0..shape.parity()).map(Block::Parity));
    let files = folder.parity.iter().map(|(_, file)| Whole::File(file));
    let all: Vec<Whole<'_>> = files.chain(blocks.map(Whole::Block)).collect();
    let mut files = pool::try_map(&all, pool::cores(), |one| match one {
        Whole::File(file) => hash_file(file.file(), progress),
        Whole::Block(block) => {
            let digest = hash_block(shape, folder, *block)?;
            if matches!(block, Block::Data(_)) {
                progress.advance("block hashes", shape.block())?;
            }
            Ok(digest)
        }
    })?;
    let mut found = files.split_off(folder.parity.len());
    let parity = found.split_off(unknown.len());
    known.extend(unknown.iter().copied().zip(found));
    let index = Index::new(shape.clone(), known.into_values().collect(), parity)
        .ok_or_else(|| broken("not every block was hashed"))?;
    Ok((files, index))
}

fn hash_file(file: &File, progress: &Progress<'_>) -> Result<Digest, PassError> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        progress.cancel.check()?;
        let read = file
            .read_at(&mut buffer, hasher.bytes())
            .at("read", Path::new("parity"))
            .map_err(PassError::Read)?;
        if read == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

/// The hash of a block, without the zeros behind its end.
///
/// # Errors
/// When it cannot be read.
pub fn hash_block<B: Blocks>(shape: &Shape, blocks: &B, block: Block) -> Result<Digest, B::Error> {
    let length = match block {
        Block::Data(number) => shape.place(number).map_or(0, |place| place.length),
        Block::Parity(_) => shape.block(),
    };
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    while hasher.bytes() < length {
        let rest = length.saturating_sub(hasher.bytes());
        let size = usize::try_from(rest).unwrap_or(CHUNK).min(CHUNK);
        let chunk = buffer.get_mut(..size).unwrap_or_default();
        blocks.read(block, hasher.bytes(), chunk)?;
        hasher.update(chunk);
    }
    Ok(hasher.finish())
}

/// The code refuses nothing that a shape allows, and never lacks parity when it makes it.
fn unwrap_code(error: CodeError<PassError>) -> PassError {
    match error {
        CodeError::Blocks(error) => error,
        other @ (CodeError::Beyond { .. } | CodeError::Code(_)) => broken(&other.to_string()),
    }
}

fn count<T>(these: &[T]) -> u64 {
    u64::try_from(these.len()).unwrap_or(u64::MAX)
}

fn broken(what: &str) -> PassError {
    PassError::Write(PathError {
        action: "make parity in",
        path: PathBuf::from("p1"),
        source: std::io::Error::other(what.to_owned()),
    })
}
