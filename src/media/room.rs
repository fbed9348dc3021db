//! What is known before the first byte is written: whether each medium can take what belongs on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::image::FRAME;
use super::{FOUR_GIB, Load, MediaError, OnMedium};
use crate::bundle::places::SUMS;
use crate::bundle::sums;
use crate::bundle::volumes::on_medium;
use crate::fs::{self, FolderLock, WorkError};

/// Whether a medium may carry several volumes of a bundle that has parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Company {
    /// No: what is lost with one medium shall be what the parity gives back.
    #[default]
    Alone,
    /// Yes.
    Together,
}

/// A volume that can be written to its medium.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) volume: String,
    /// The folder of the bundle there.
    pub(super) to: PathBuf,
    pub(super) files: Vec<OnMedium>,
    /// Which of the files are not there in their size.
    pub(super) missing: Vec<usize>,
    /// What these take, in bytes.
    needed: u64,
}

impl Load {
    /// Everything that can be said before anything is written about copying a volume below `target`.
    pub(super) fn plan(
        &self,
        volume: &str,
        target: &Path,
        company: Company,
    ) -> Result<Planned, MediaError> {
        let to = target.join(&self.name);
        self.outside(&to)?;
        let files = self.files(volume)?;
        let kind = fs::limits(there(target)?)?;
        if let Some((limit, medium)) = kind.longest_file {
            check_length(&files, limit, medium)?;
        }
        if fs::examine(&to)?.is_some_and(|found| found.is_dir()) {
            // What a killed run left here would be an unlisted file, and the medium refused for it.
            let _lock = FolderLock::beside(&to)?;
            fs::sweep_tree(&to)?;
        }
        let limit = u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX);
        match fs::examine(&to.join(SUMS))? {
            Some(_) if fs::read(&to.join(SUMS), limit)? != self.list => {
                return Err(MediaError::Exists(to));
            }
            None if fs::examine(&to)?.is_some() && !fs::list(&to)?.is_empty() => {
                return Err(MediaError::Exists(to));
            }
            _ => {}
        }
        if company == Company::Alone && self.header().parity > 0 {
            self.alone(volume, &to)?;
        }
        let mut missing = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let found = fs::examine(&to.join(&file.path))?;
            if found.is_none_or(|found| !found.is_file() || found.len() != file.size) {
                missing.push(number);
            }
        }
        let unit = kind.unit.max(1);
        let sizes = missing.iter().filter_map(|number| files.get(*number));
        let needed = sizes.fold(0_u64, |sum, file| {
            sum.saturating_add(file.size.div_ceil(unit).saturating_mul(unit))
        });
        Ok(Planned {
            volume: volume.to_owned(),
            to,
            files,
            missing,
            needed,
        })
    }

    /// Refuses a medium that carries another volume of this bundle.
    fn alone(&self, volume: &str, to: &Path) -> Result<(), MediaError> {
        for other in self.volumes() {
            if other != volume && fs::examine(&to.join(&other))?.is_some() {
                return Err(MediaError::Together {
                    path: to.to_owned(),
                    volume: volume.to_owned(),
                    other,
                });
            }
        }
        Ok(())
    }

    /// Refuses images that do not fit together where they are to be written, each with the file `target`.
    ///
    /// # Errors
    /// When something that is no file stands at a target, a file is longer than an image takes, or there is too little room.
    pub fn check_images(&self, targets: &[(String, PathBuf)]) -> Result<(), MediaError> {
        let mut sizes = Vec::new();
        for (volume, target) in targets {
            self.outside(target)?;
            let there = fs::examine(target)?;
            if there.as_ref().is_some_and(|there| !there.is_file()) {
                return Err(MediaError::Exists(target.clone()));
            }
            let files = self.files(volume)?;
            check_length(&files, FOUR_GIB, "ISO 9660")?;
            // What an earlier run made is only compared.
            if there.is_some() {
                continue;
            }
            let files = files.iter().map(|file| on_medium(file.size));
            sizes.push((target.as_path(), files.fold(FRAME, u64::saturating_add)));
        }
        check_room(sizes)
    }
}

/// Refuses volumes that do not fit together on the file systems that they go to.
pub(super) fn check_plans(plans: &[Planned]) -> Result<(), MediaError> {
    check_room(plans.iter().map(|plan| (plan.to.as_path(), plan.needed)))
}

/// Adds up what goes to each file system, and holds it against what is free there.
fn check_room<'a>(targets: impl IntoIterator<Item = (&'a Path, u64)>) -> Result<(), MediaError> {
    let mut systems: BTreeMap<u64, (&Path, u64, u64)> = BTreeMap::new();
    for (target, needed) in targets {
        let place = there(target)?;
        let free = fs::free_space(place)?;
        let entry = systems.entry(fs::facts(place)?.device);
        let (_, sum, _) = entry.or_insert((place, 0, free));
        *sum = sum.saturating_add(needed);
    }
    match systems
        .into_values()
        .find(|(_, needed, free)| needed > free)
    {
        None => Ok(()),
        Some((path, needed, free)) => Err(MediaError::Work(WorkError::Space {
            path: path.to_owned(),
            needed,
            free,
        })),
    }
}

/// The path, or the folder above it that is there.
fn there(path: &Path) -> Result<&Path, MediaError> {
    for folder in path.ancestors() {
        if folder.as_os_str().is_empty() {
            break;
        }
        if fs::examine(folder)?.is_some() {
            return Ok(folder);
        }
    }
    Ok(if path.is_absolute() {
        Path::new("/")
    } else {
        Path::new(".")
    })
}

/// Refuses a file that is longer than the medium takes.
fn check_length(files: &[OnMedium], limit: u64, medium: &'static str) -> Result<(), MediaError> {
    let long = files.iter().find(|file| file.size > limit);
    long.map_or(Ok(()), |file| {
        Err(MediaError::TooLong {
            path: file.path.clone(),
            size: file.size,
            limit,
            medium,
        })
    })
}
