//! An ISO 9660 image of a volume, written by `xorriso` and read back extent by extent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, Output};

use super::{Load, MediaError, Medium, OnMedium};
use crate::bundle::header::Created;
use crate::bundle::volumes::SECTOR;
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::{self, At as _, FolderLock, pass};
use crate::types::digest::Digest;

/// What an image holds besides files and folders, at most, in bytes.
pub(super) const FRAME: u64 = 1024 * 1024;

impl Load {
    /// Writes an image with a volume and the small files to the file `target`, and reads it back. The same
    /// bundle gives the same bytes: times are that of the bundle, owners are 0. An image that an earlier run wrote there is
    /// read back once more, and kept.
    ///
    /// # Errors
    /// When something else stands there, a file is longer than ISO 9660 takes in one extent (nothing is written
    /// then), `xorriso` is not there or refuses, or what is read back is something else.
    pub fn image(
        &self,
        volume: &str,
        target: &Path,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Medium, MediaError> {
        self.check_images(&[(volume.to_owned(), target.to_owned())])?;
        let files = self.files(volume)?;
        let parent = target.parent().filter(|path| !path.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(parent, super::FOLDER_MODE)?;
        let _lock = FolderLock::beside(target)?;
        let mut part = target.as_os_str().to_owned();
        part.push(".part");
        let part = Path::new(&part);
        fs::remove_file(part)?;
        let progress = Progress {
            step: Step::Media,
            observer,
            cancel,
        };
        progress.started(super::count(files.len()), super::total(&files));
        cancel.check()?;
        if fs::examine(target)?.is_some() {
            let found = self.compare(target, &files, &progress);
            cancel.check()?;
            let digest = found.map_err(|_| MediaError::Exists(target.to_owned()))?;
            progress.done();
            return Ok(self.medium(volume, target.to_owned(), &files, Some(digest)));
        }
        let made = self
            .run_xorriso(volume, &files, part)
            .and_then(|()| self.compare(part, &files, &progress));
        match made {
            Ok(digest) => {
                fs::rename(part, target)?;
                progress.done();
                Ok(self.medium(volume, target.to_owned(), &files, Some(digest)))
            }
            Err(error) => {
                fs::remove_file(part)?;
                Err(error)
            }
        }
    }

    fn run_xorriso(&self, volume: &str, files: &[OnMedium], part: &Path) -> Result<(), MediaError> {
        let header = self.header();
        let mut command = Command::new("xorriso");
        let mut device = std::ffi::OsString::from("stdio:");
        device.push(part);
        command
            .env("SOURCE_DATE_EPOCH", header.created.epoch().to_string())
            .args(["-no_rc", "-abort_on", "FAILURE", "-outdev"])
            .arg(device)
            .args(["-volid", &volume_id(self, volume)])
            .args(["-compliance", "iso_9660_level=3", "-joliet", "off"])
            .args(["-rockridge", "on", "-padding", "0"])
            .args(["-volume_date", "uuid", &digits(header.created)])
            .args(["-volume_date", "all_file_dates", &digits(header.created)]);
        // What the medium holds tells which folders there are: a volume of a delta may carry nothing.
        let tops: BTreeSet<&str> = files
            .iter()
            .map(|one| one.path.split('/').next().unwrap_or(&one.path))
            .collect();
        for top in tops {
            command
                .arg("-map")
                .arg(self.folder.join(top))
                .arg(format!("/{}/{top}", self.name));
        }
        command.args(["-chown_r", "0", "/", "--", "-chgrp_r", "0", "/", "--"]);
        command.args(["-find", "/", "-type", "f", "-exec", "chmod", "0444", "--"]);
        command.args(["-find", "/", "-type", "d", "-exec", "chmod", "0555", "--"]);
        command.args(["-commit", "-end"]);
        run(&mut command).map(|_| ())
    }

    /// Reads every file of the image past the cache of the kernel, holds it against the list, and gives the
    /// digest of the whole image.
    fn compare(
        &self,
        image: &Path,
        files: &[OnMedium],
        progress: &Progress<'_>,
    ) -> Result<Digest, MediaError> {
        let mut device = std::ffi::OsString::from("stdio:");
        device.push(image);
        let mut command = Command::new("xorriso");
        command.args(["-no_rc", "-indev"]).arg(device);
        command.args([
            "-find",
            "/",
            "-type",
            "f",
            "-exec",
            "report_lba",
            "--",
            "-end",
        ]);
        let listed = run(&mut command)?;
        let mut extents = extents(&String::from_utf8_lossy(&listed.stdout));
        let mut file = fs::open(image)?;
        file.sync_all().at("sync", image)?;
        fs::forget_cached(&file);
        for one in files {
            let wrong = |found: String| MediaError::ReadBack {
                path: one.path.clone(),
                expected: one.digest,
                found,
            };
            let at = extents.remove(&format!("/{}/{}", self.name, one.path));
            let Some((start, size)) = at.filter(|(_, size)| *size == one.size) else {
                return Err(wrong("(not in the image, or of another size)".to_owned()));
            };
            progress.item_started(&one.path, one.size);
            file.seek(SeekFrom::Start(start)).at("read", image)?;
            let mut piece = (&mut file).take(size);
            let told = &mut progress.of(&one.path);
            let found = pass((&mut piece, image), None, size, told)?.finish();
            if found != one.digest {
                return Err(wrong(found.to_string()));
            }
            progress.item_done(&one.path, false);
        }
        if let Some(path) = extents.into_keys().next() {
            let found = "in the folder of the bundle, but not listed".to_owned();
            return Err(super::altered(&path, Digest::of(b""), found));
        }
        file.seek(SeekFrom::Start(0)).at("read", image)?;
        let told = &mut |_| progress.cancel.check();
        Ok(pass((&mut file, image), None, u64::MAX - 1, told)?.finish())
    }
}

fn run(command: &mut Command) -> Result<Output, MediaError> {
    let output = command
        .output()
        .map_err(|error| MediaError::Image(error.to_string()))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let severe = ["FATAL", "FAILURE", "SORRY"];
    let is_severe = |line: &&str| {
        severe
            .iter()
            .any(|word| line.contains(&format!(": {word} :")))
    };
    let line = said.lines().find(is_severe);
    let line = line
        .or_else(|| said.lines().last())
        .unwrap_or("no reason given");
    Err(MediaError::Image(line.escape_debug().to_string()))
}

/// Where the files of an image are, by the lines that `report_lba` prints:
/// `File data lba:  0 , 203 , 1 , 1834 , '/demo/README.txt'` (extent, first block, blocks, bytes, path).
fn extents(text: &str) -> BTreeMap<String, (u64, u64)> {
    let line = |line: &str| {
        let fields: Vec<&str> = line
            .strip_prefix("File data lba:")?
            .splitn(5, ',')
            .map(str::trim)
            .collect();
        let [_, block, _, size, path] = fields.as_slice() else {
            return None;
        };
        let start = block.parse::<u64>().ok()?.checked_mul(SECTOR)?;
        let path = path.strip_prefix('\'')?.strip_suffix('\'')?;
        Some((path.to_owned(), (start, size.parse().ok()?)))
    };
    text.lines().filter_map(line).collect()
}

/// At most 32 characters of upper-case letters, digits and underscores (ECMA-119, 7.4.1).
fn volume_id(load: &Load, volume: &str) -> String {
    let header = load.header();
    let ending = format!("_{}_{volume}", header.sequence.get());
    let fits = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let room = 32_usize.saturating_sub(ending.len());
    let name = header.name.to_string();
    name.chars()
        .take(room)
        .chain(ending.chars())
        .map(fits)
        .collect()
}

/// A time as `xorriso` takes it: `YYYYMMDDhhmmss` and hundredths.
fn digits(created: Created) -> String {
    let text = created.to_string();
    let digits = text.chars().filter(char::is_ascii_digit);
    digits.chain("00".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_xorriso_become_extents() {
        let text = "Report layout: xt , Startlba ,   Blocks , Filesize , ISO image path\n\
                    File data lba:  0 ,      203 ,        1 ,     1834 , '/demo/README.txt'\n\
                    File data lba:  0 ,        0 ,        0 ,        0 , '/demo/v1/empty'\n\
                    other\n";
        let found = extents(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found["/demo/README.txt"], (203 * 2048, 1834));
        assert_eq!(found["/demo/v1/empty"], (0, 0));
    }

    #[test]
    fn times_are_written_as_xorriso_takes_them() {
        let created = Created::from_epoch(1_700_000_000).unwrap();
        assert_eq!(digits(created), "2023111422132000");
    }
}
