//! A bundle written to its media: a folder or an ISO 9660 image for each volume, and read back.
//!
//! A medium carries the small files and one volume, in a folder of its own, so that what an operating system
//! puts beside it is no part of the bundle. What the medium cannot hold is refused before anything is written.
//! Each byte is hashed while it is copied, synced, dropped from the cache of the kernel, read again from the
//! medium, and hashed again. No signature is judged here: that is for the isolated side.

mod answer;
mod error;
mod image;
mod room;

pub use answer::Answered;
pub use error::MediaError;
pub use room::Company;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::contents::{self, BUNDLE_JSON, Contents};
use crate::bundle::header::Header;
use crate::bundle::places::{SIG, SUMS, is_left_out, volume_of};
use crate::bundle::sums::{self, Sums};
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::{self, AtomicFile, FolderLock, pass};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use room::Planned;

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
/// Longest file on FAT32, and on ISO 9660 in one extent, in bytes.
const FOUR_GIB: u64 = 4_294_967_295;
/// Longest signature file, in bytes.
const MAX_SIGNATURE: u64 = 64 * 1024;

/// A bundle that is to be carried.
#[derive(Debug)]
pub struct Load {
    folder: PathBuf,
    name: String,
    list: Vec<u8>,
    sums: Sums,
    contents: Contents,
    signatures: Vec<(String, Vec<u8>)>,
}

/// A medium that was written and read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Medium {
    /// Its volume.
    pub volume: String,
    /// How many volumes there are.
    pub of: usize,
    /// The folder or image that was written.
    pub target: PathBuf,
    /// SHA-256 of the list of the bundle.
    pub identity: Digest,
    /// Files on it, with list and signatures.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// SHA-256 of the image; none for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Digest>,
    /// How many signatures are on it.
    pub signatures: usize,
    /// What to write on it.
    pub label: String,
}

/// One file of a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OnMedium {
    path: String,
    size: u64,
    digest: Digest,
}

impl Load {
    /// Reads the list, the signatures and `bundle.json` of the bundle in `folder`.
    ///
    /// # Errors
    /// When there is no bundle, or they are wrong.
    pub fn open(folder: &Path) -> Result<Self, MediaError> {
        let at = folder.join(SUMS);
        if fs::examine(&at)?.is_none() {
            return Err(MediaError::NoBundle(folder.to_owned()));
        }
        let list = fs::read(&at, u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX))?;
        let sums = Sums::parse(&list)?;
        let json = fs::read(&folder.join(BUNDLE_JSON), contents::MAX_BYTES)?;
        let found = Digest::of(&json);
        let listed = sums.entries().iter();
        let mut listed = listed.filter(|(path, _)| path.as_str() == BUNDLE_JSON);
        if let Some((path, expected)) = listed.next().filter(|(_, expected)| **expected != found) {
            return Err(altered(path.as_str(), *expected, found.to_string()));
        }
        let contents = Contents::parse(&json)?;
        contents.compare(&sums, u64::try_from(json.len()).unwrap_or(u64::MAX))?;
        let mut signatures = Vec::new();
        if fs::examine(&folder.join(SIG))?.is_some() {
            for name in fs::list(&folder.join(SIG))? {
                let bytes = fs::read(&folder.join(SIG).join(&name), MAX_SIGNATURE)?;
                signatures.push((name.to_string_lossy().into_owned(), bytes));
            }
        }
        let header = sums.header();
        let own = folder.file_name().and_then(std::ffi::OsStr::to_str);
        let own = own.filter(|name| name.parse::<RelPath>().is_ok());
        let name = own.map_or_else(
            || format!("{}-{}", header.name, header.sequence.get()),
            str::to_owned,
        );
        Ok(Self {
            folder: folder.to_owned(),
            name,
            list,
            contents,
            signatures,
            sums,
        })
    }

    /// Its volumes: those of the payload, then those of the parity.
    #[must_use]
    pub fn volumes(&self) -> Vec<String> {
        let header = self.header();
        let payload = (1..=header.volumes).map(|number| format!("v{number}"));
        payload
            .chain((1..=header.parity).map(|number| format!("p{number}")))
            .collect()
    }

    /// The volume of this name, or of this number.
    ///
    /// # Errors
    /// When there is none.
    pub fn volume(&self, wanted: &str) -> Result<String, MediaError> {
        let have = self.volumes();
        let named = format!("v{wanted}");
        let found = have.iter().find(|one| *one == wanted || **one == named);
        found.cloned().ok_or_else(|| MediaError::NoVolume {
            wanted: wanted.to_owned(),
            have,
        })
    }

    /// The name of the folder on each medium.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Copies a volume and the small files into a folder of the bundle's name below `target`, and reads them
    /// back. What stands there of this very bundle is kept when it is right.
    ///
    /// # Errors
    /// As [`Self::copy_all`].
    pub fn copy(
        &self,
        volume: &str,
        target: &Path,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Medium, MediaError> {
        let plan = self.plan(volume, target, Company::Alone)?;
        room::check_plans(std::slice::from_ref(&plan))?;
        self.carry_out(plan, observer, cancel)
    }

    /// Copies each volume below its target. Several may go to one file system; the room there is the sum of all.
    ///
    /// # Errors
    /// When a medium cannot hold what belongs on it, another volume lies there that may not, something else stands
    /// there (nothing is written then), the bundle is damaged, or what is read back is something else.
    pub fn copy_all(
        &self,
        targets: &[(String, PathBuf)],
        company: Company,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Vec<Medium>, MediaError> {
        let plans = targets
            .iter()
            .map(|(volume, target)| self.plan(volume, target, company))
            .collect::<Result<Vec<_>, _>>()?;
        room::check_plans(&plans)?;
        plans
            .into_iter()
            .map(|plan| self.carry_out(plan, observer, cancel))
            .collect()
    }

    fn carry_out(
        &self,
        plan: Planned,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Medium, MediaError> {
        let Planned {
            volume,
            to,
            files,
            missing,
            ..
        } = plan;
        let target = to.parent().unwrap_or(&to);
        fs::create_dir_all(target, FOLDER_MODE)?;
        let _lock = FolderLock::beside(&to)?;
        let progress = Progress {
            step: Step::Media,
            observer,
            cancel,
        };
        let bytes = total(&files);
        progress.started(count(files.len()), bytes.saturating_mul(2));
        for file in missing.iter().filter_map(|number| files.get(*number)) {
            self.write(file, &to, &progress)?;
        }
        fs::sync_file_system(target)?;
        for file in &files {
            if !read_back(file, &to, &progress)?.0 {
                // Of an earlier run, or a medium that lies: written once more, and then it must be right.
                self.write(file, &to, &progress)?;
                fs::sync_file_system(target)?;
                let (right, found) = read_back(file, &to, &progress)?;
                if !right {
                    return Err(MediaError::ReadBack {
                        path: file.path.clone(),
                        expected: file.digest,
                        found,
                    });
                }
            }
        }
        progress.done();
        Ok(self.medium(&volume, to, &files, None))
    }

    /// Refuses a target in the bundle itself.
    fn outside(&self, target: &Path) -> Result<(), MediaError> {
        if fs::real_path(target)?.starts_with(fs::real_path(&self.folder)?) {
            return Err(MediaError::Inside(target.to_owned()));
        }
        Ok(())
    }

    /// Every file of the medium with this volume, list and signatures first.
    fn files(&self, volume: &str) -> Result<Vec<OnMedium>, MediaError> {
        let mut files = vec![OnMedium {
            path: SUMS.to_owned(),
            size: count(self.list.len()),
            digest: Digest::of(&self.list),
        }];
        files.extend(self.signatures.iter().map(|(name, bytes)| OnMedium {
            path: format!("{SIG}/{name}"),
            size: count(bytes.len()),
            digest: Digest::of(bytes),
        }));
        for (path, digest) in self.sums.entries() {
            // What a delta leaves out is carried by nobody.
            if is_left_out(path) || volume_of(path).is_some_and(|other| other != volume) {
                continue;
            }
            let full = self.folder.join(path.to_path());
            let found = fs::examine(&full)?.filter(std::fs::Metadata::is_file);
            let size = found.as_ref().map(std::fs::Metadata::len);
            let described = self.contents.files.get(path).map(|info| info.size);
            match size {
                Some(size) if described.is_none_or(|described| described == size) => {
                    files.push(OnMedium {
                        path: path.to_string(),
                        size,
                        digest: *digest,
                    });
                }
                Some(size) => {
                    return Err(altered(path.as_str(), *digest, format!("{size} bytes")));
                }
                None => {
                    let found = "not there, or no plain file".to_owned();
                    return Err(altered(path.as_str(), *digest, found));
                }
            }
        }
        Ok(files)
    }

    /// Copies a file of the bundle below `to`, hashing it.
    fn write(&self, file: &OnMedium, to: &Path, progress: &Progress<'_>) -> Result<(), MediaError> {
        let (from, target) = (self.folder.join(&file.path), to.join(&file.path));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent, FOLDER_MODE)?;
        }
        progress.item_started(&file.path, file.size);
        let mut source = fs::open(&from)?;
        fs::advise_sequential(&source);
        let mut written = AtomicFile::create(&target)?;
        let found = pass(
            (&mut source, &from),
            Some((&mut written, &target)),
            file.size,
            &mut progress.of(&file.path),
        )?;
        let found = found.finish();
        if found != file.digest {
            return Err(altered(&file.path, file.digest, format!("sha256 {found}")));
        }
        written.commit_to_medium(FILE_MODE)?;
        progress.item_done(&file.path, false);
        Ok(())
    }

    fn medium(
        &self,
        volume: &str,
        target: PathBuf,
        files: &[OnMedium],
        image: Option<Digest>,
    ) -> Medium {
        let of = self.volumes().len();
        let header = self.header();
        let identity = self.sums.identity();
        let label = format!(
            "{}\n{} {} number {}\n{volume} of {of} media  {}\ncreated {}\n{}\n",
            header.marking,
            header.name,
            header.version.as_str(),
            header.sequence.get(),
            identity.label(),
            header.created,
            header.marking,
        );
        Medium {
            volume: volume.to_owned(),
            of,
            target,
            identity,
            files: count(files.len()),
            bytes: total(files),
            image,
            signatures: self.signatures.len(),
            label,
        }
    }

    fn header(&self) -> &Header {
        self.sums.header()
    }
}

/// Reads a file of a medium past the cache of the kernel: whether it is right, and its digest.
fn read_back(
    file: &OnMedium,
    to: &Path,
    progress: &Progress<'_>,
) -> Result<(bool, String), MediaError> {
    let full = to.join(&file.path);
    let mut written = fs::open(&full)?;
    fs::forget_cached(&written);
    let name = format!("{} (read back)", file.path);
    progress.item_started(&name, file.size);
    let found = pass(
        (&mut written, &full),
        None,
        file.size,
        &mut progress.of(&name),
    )?;
    progress.item_done(&name, false);
    let found = found.finish();
    Ok((found == file.digest, found.to_string()))
}

fn altered(path: &str, expected: Digest, found: String) -> MediaError {
    MediaError::Altered {
        path: path.to_owned(),
        expected,
        found,
    }
}

fn total(files: &[OnMedium]) -> u64 {
    let sizes = files.iter().map(|file| file.size);
    sizes.fold(0, u64::saturating_add)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
