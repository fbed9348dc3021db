//! The folder in which what arrives is gathered until all of it is proved.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::bundle::changes::Change;
use crate::bundle::places::{SIG, SUMS, is_of_changes};
use crate::bundle::sums::MAX_BYTES;
use crate::carry::CarryError;
use crate::delta::{DeltaError, rebuild};
use crate::event::Progress;
use crate::fs::{self, AtomicFile, File, FolderLock, Hashed, PathError, Root, pass};
use crate::trust::judge::SignatureFile;
use crate::types::digest::{Digest, Hasher};
use crate::types::path::RelPath;
use crate::verify::authentic::Delta;

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
/// Name of a loose file beside the folder of the identity, while it has no place.
const ARRIVED: &str = "arrived";
/// Name of the scratch file in which a file of the base lies opened.
const OPENED: &str = "opened";

/// What arrives for one target: `.NAME.part/<identity>` beside it.
pub(super) struct Incoming {
    target: PathBuf,
    part: PathBuf,
    root: PathBuf,
    /// Where the changes of a delta lie until they are applied; none when it carries none.
    extra: Option<PathBuf>,
    folders: BTreeSet<PathBuf>,
    _lock: FolderLock,
}

/// Writes and hashes.
struct Both<'a>(&'a mut AtomicFile, &'a mut Hasher);

impl Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.0.write(bytes)?;
        self.1.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// A loose file that was copied and has no place yet.
#[must_use]
pub(super) struct Arrived(PathBuf);

impl Arrived {
    /// Removes the copy: nobody needs it.
    pub(super) fn discard(self) -> Result<(), CarryError> {
        Ok(fs::remove_file(&self.0)?)
    }
}

/// A file as the list and `bundle.json` describe it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) path: &'a RelPath,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

impl Incoming {
    /// Begins, or goes on with, what arrives of the bundle of this identity. What earlier runs gathered of
    /// another bundle for the same target is removed.
    pub(super) fn begin(
        target: &Path,
        identity: &Digest,
        delta: Option<&Delta>,
    ) -> Result<Self, CarryError> {
        let exists = || CarryError::Exists {
            path: target.to_owned(),
        };
        let part = fs::part_beside(target).ok_or_else(exists)?;
        if let Some(parent) = part.parent().filter(|path| !path.as_os_str().is_empty()) {
            fs::create_dir_all(parent, FOLDER_MODE)?;
        }
        let lock = FolderLock::beside(target)?;
        if fs::examine(target)?.is_some() {
            let list = target.join(SUMS);
            let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
            let found = fs::examine(&list)?
                .map(|_| fs::read(&list, limit))
                .transpose()?;
            if found.is_none_or(|found| Digest::of(&found) != *identity) {
                return Err(exists());
            }
            // A run that was killed at its very end left the empty folder.
            fs::remove_dir_all(&part)?;
            return Err(CarryError::Stands {
                path: target.to_owned(),
            });
        }
        // A link would lead what is removed and written here to somebody else's folder.
        if fs::examine(&part)?.is_some_and(|found| !found.is_dir()) {
            return Err(CarryError::Exists { path: part });
        }
        let root = part.join(identity.to_string());
        if fs::examine(&root)?.is_some_and(|found| !found.is_dir()) {
            return Err(CarryError::Exists { path: root });
        }
        let changes = delta.filter(|delta| delta.sums.has_changes());
        let extra = changes.map(|delta| part.join(format!("changes-{}", delta.sums.identity())));
        fs::create_dir_all(&root, FOLDER_MODE)?;
        for other in fs::list(&part)? {
            let other = part.join(other);
            if other != root && Some(&other) != extra.as_ref() {
                let folder = fs::examine(&other)?.is_some_and(|found| found.is_dir());
                if folder {
                    fs::remove_dir_all(&other)?;
                } else {
                    fs::remove_file(&other)?;
                }
            }
        }
        Ok(Self {
            target: target.to_owned(),
            part,
            root,
            extra,
            folders: BTreeSet::new(),
            _lock: lock,
        })
    }

    /// Refuses when so much does not fit on the file system any more.
    pub(super) fn check_space(&self, needed: u64) -> Result<(), CarryError> {
        Ok(fs::check_room(&self.target, &self.root, needed)?)
    }

    /// Whether an earlier run left a file of this size here; what is in it is not known.
    pub(super) fn may_have(&self, file: &Expected<'_>) -> Result<bool, CarryError> {
        let there = fs::examine(&self.place(file.path))?;
        Ok(there.is_some_and(|there| there.is_file() && there.len() == file.size))
    }

    /// Whether an earlier run left a file with this digest here; its bytes are hashed.
    pub(super) fn has_digest(
        &self,
        path: &RelPath,
        digest: &Digest,
        progress: &Progress<'_>,
    ) -> Result<bool, CarryError> {
        let there = fs::examine(&self.place(path))?;
        let Some(there) = there.filter(std::fs::Metadata::is_file) else {
            return Ok(false);
        };
        let file = Expected {
            path,
            size: there.len(),
            digest: *digest,
        };
        self.has(&file, progress)
    }

    /// The content of a small file that is in place.
    pub(super) fn held(&self, path: &RelPath, limit: u64) -> Result<Option<Vec<u8>>, CarryError> {
        let full = self.place(path);
        if fs::examine(&full)?.is_none() {
            return Ok(None);
        }
        Ok(Some(fs::read(&full, limit)?))
    }

    /// Copies a loose file of this size, of which it is not known yet what it is; gives its digest. None
    /// when it went away or has another size now.
    pub(super) fn arrival(
        &self,
        from: &Root,
        name: &Path,
        size: u64,
        progress: &Progress<'_>,
    ) -> Result<Option<(Arrived, Digest)>, CarryError> {
        let Ok(mut file) = from.open_file(name) else {
            return Ok(None);
        };
        fs::advise_sequential(&file);
        let path = self.part.join(ARRIVED);
        let mut to = AtomicFile::create(&path)?;
        let full = from.path().join(name);
        let shown = name.to_string_lossy();
        let (digest, found) = pass(
            (&mut file, &full),
            Some((&mut to, &path)),
            size,
            &mut progress.of(&shown),
        )?
        .finish_counted();
        if found != size {
            return Ok(None);
        }
        to.commit_unsynced_folder(FILE_MODE)?;
        Ok(Some((Arrived(path), digest)))
    }

    /// Moves what arrived to its place.
    pub(super) fn settle(&mut self, arrived: Arrived, file: &RelPath) -> Result<(), CarryError> {
        let path = self.make_room(file)?;
        let Arrived(copy) = arrived;
        Ok(fs::rename(&copy, &path)?)
    }

    /// Opens a file that is in place.
    pub(super) fn reopen(&self, file: &RelPath) -> Result<File, CarryError> {
        Ok(fs::open(&self.place(file))?)
    }

    /// The digest of files that are in place, one behind the other.
    pub(super) fn digest_of(
        &self,
        files: &[RelPath],
        progress: &Progress<'_>,
    ) -> Result<Digest, CarryError> {
        let mut hasher = Hasher::new();
        for file in files {
            let path = self.root.join(file.to_path());
            let there = fs::open(&path)?;
            fs::advise_sequential(&there);
            let mut through = Hashed::new(there, &mut hasher);
            let check = &mut |_| progress.cancel.check();
            pass((&mut through, &path), None, u64::MAX, check)?;
        }
        Ok(hasher.finish())
    }

    /// Whether an earlier run left the very file here; its bytes are hashed.
    pub(super) fn has(
        &self,
        file: &Expected<'_>,
        progress: &Progress<'_>,
    ) -> Result<bool, CarryError> {
        if !self.may_have(file)? {
            return Ok(false);
        }
        let path = self.place(file.path);
        let mut there = fs::open(&path)?;
        fs::advise_sequential(&there);
        let check = &mut |_| progress.cancel.check();
        let found = pass((&mut there, &path), None, file.size, check)?;
        Ok(found.finish_counted() == (file.digest, file.size))
    }

    /// Writes what comes from `from`, hashing it on the way; it stays only when it is the file that is
    /// expected. Gives the digest of what came.
    pub(super) fn take(
        &mut self,
        file: &Expected<'_>,
        (from, name): (&mut dyn Read, &Path),
        progress: &Progress<'_>,
    ) -> Result<Digest, CarryError> {
        let path = self.make_room(file.path)?;
        let mut to = AtomicFile::create(&path)?;
        let found = pass(
            (from, name),
            Some((&mut to, &path)),
            file.size,
            &mut progress.of(file.path.as_str()),
        )?
        .finish_counted();
        if found == (file.digest, file.size) {
            to.commit_unsynced_folder(FILE_MODE)?;
        }
        Ok(found.0)
    }

    /// Makes a file by a change of a file of the base, whose bytes were hashed. It stays only when it is the file
    /// that is expected. Gives why it is not.
    pub(super) fn make(
        &mut self,
        file: &Expected<'_>,
        (path, change): (&RelPath, &Change),
        base: &mut dyn Read,
        progress: &Progress<'_>,
    ) -> Result<Option<String>, CarryError> {
        let at = self.make_room(file.path)?;
        let opened = self.part.join(OPENED);
        let mut scratch = AtomicFile::create(&opened)?;
        let mut to = AtomicFile::create(&at)?;
        let mut hasher = Hasher::new();
        let parts = (change.base.parts.as_slice(), change.base.size);
        let from = self.place(path);
        let made = rebuild(
            (parts.0, parts.1, base),
            (
                &mut || fs::open(&from).map_err(|error| error.source),
                change.size,
            ),
            scratch.as_file(),
            (&change.made, file.size, &mut Both(&mut to, &mut hasher)),
            &mut |_| progress.cancel.check(),
        );
        match made {
            Ok(()) if hasher.finish_counted() == (file.digest, file.size) => {
                to.commit_unsynced_folder(FILE_MODE)?;
                Ok(None)
            }
            Ok(()) => Ok(Some("other bytes came of it".to_owned())),
            Err(DeltaError::Broken(text)) => Ok(Some(text)),
            Err(DeltaError::Cancelled(cancelled)) => Err(cancelled.into()),
            Err(DeltaError::Io(source)) => Err(PathError {
                action: "write",
                path: at,
                source,
            }
            .into()),
        }
    }

    /// Where a listed file belongs.
    fn place(&self, path: &RelPath) -> PathBuf {
        let root = match &self.extra {
            Some(extra) if is_of_changes(path) => extra,
            _ => &self.root,
        };
        root.join(path.to_path())
    }

    /// Ends the work: the list and the signatures are written, everything is synced, and the folder gets its
    /// final name.
    pub(super) fn finish(
        mut self,
        list: &[u8],
        signatures: &[SignatureFile],
    ) -> Result<(), CarryError> {
        for one in signatures {
            let folder = self.root.join(SIG);
            fs::create_dir_all(&folder, FOLDER_MODE)?;
            self.folders.insert(PathBuf::from(SIG));
            fs::write_atomic(&folder.join(&one.name), &one.bytes, FILE_MODE)?;
        }
        fs::write_atomic(&self.root.join(SUMS), list, FILE_MODE)?;
        for folder in self.folders.iter().rev() {
            fs::sync_folder(&self.root.join(folder))?;
        }
        fs::sync_folder(&self.root)?;
        fs::rename(&self.root, &self.target)?;
        fs::remove_dir_all(&self.part)?;
        Ok(())
    }

    /// Removes what does not belong to the bundle: what is left must be files of the list.
    pub(super) fn clean(&mut self, wanted: &BTreeSet<&RelPath>) -> Result<(), CarryError> {
        for entry in fs::walk(&self.root)? {
            let full = self.root.join(&entry.path);
            if entry.kind == fs::Kind::Folder {
                self.folders.insert(entry.path);
                continue;
            }
            let known = entry.path.to_str().and_then(|path| path.parse().ok());
            let known = known.is_some_and(|path: RelPath| wanted.contains(&path));
            if !known || entry.kind != fs::Kind::File || !entry.sole_name {
                fs::remove_file(&full)?;
            }
        }
        Ok(())
    }

    /// Makes the folders of a file; gives its path.
    fn make_room(&mut self, file: &RelPath) -> Result<PathBuf, CarryError> {
        let path = self.place(file);
        let below = path.strip_prefix(&self.root).unwrap_or(Path::new(""));
        for folder in below.ancestors().skip(1) {
            if !folder.as_os_str().is_empty() {
                self.folders.insert(folder.to_owned());
            }
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder, FOLDER_MODE)?;
        }
        Ok(path)
    }
}
