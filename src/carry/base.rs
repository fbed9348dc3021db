//! What a delta leaves out, taken from the bundle that it builds on.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::bundle::changes::Changes;
use crate::bundle::places::{BASE, SUMS};
use crate::bundle::sums::{self, Sums};
use crate::carry::CarryError;
use crate::carry::incoming::{Expected, Incoming};
use crate::event::Progress;
use crate::fs::{self, File, Kind, Root, pass};
use crate::types::digest::Digest;
use crate::verify::{Problem, VerifyError};

/// Most files and folders of a base that are looked at.
const MAX_ENTRIES: usize = 262_144;

/// The folders of the bundle that a delta builds on.
pub(super) struct Bases {
    roots: Vec<(Root, OnceCell<BySize>)>,
}

/// The files of a folder by their size.
type BySize = BTreeMap<u64, Vec<PathBuf>>;

/// Reads a file to its end, and gives its digest with something that belongs to it.
type Hashing<'a, T> = dyn FnMut(&mut File, &Path) -> Result<(Digest, T), CarryError> + 'a;

impl Bases {
    /// Opens the folders. One that has a list must be the bundle of this identity; one without may be any
    /// folder with its files, for each file is known by its hash.
    pub(super) fn open(dirs: &[PathBuf], base: Digest) -> Result<Self, CarryError> {
        if dirs.is_empty() {
            return Err(VerifyError::Base { base }.into());
        }
        let mut roots = Vec::new();
        for dir in dirs {
            let list = dir.join(SUMS);
            if fs::examine(&list)?.is_some() {
                let found = identity(&list)?;
                if found != Some(base) {
                    return Err(CarryError::Base {
                        path: dir.clone(),
                        wanted: base,
                        found: found.map_or_else(|| "no bundle".to_owned(), |one| one.to_string()),
                    });
                }
            }
            roots.push((Root::open(dir)?, OnceCell::new()));
        }
        Ok(Self { roots })
    }

    /// Takes over the files, each hashed on the way. Looked for first under their own path, then under any
    /// path of a file of their size.
    pub(super) fn fill(
        &self,
        files: &[Expected<'_>],
        incoming: &mut Incoming,
        progress: &Progress<'_>,
    ) -> Result<u64, CarryError> {
        let mut kept = 0_u64;
        let mut problems = Vec::new();
        for file in files {
            let name = file.path.as_str();
            progress.item_started(name, file.size);
            let there = incoming.has(file, progress)?;
            if there {
                kept = kept.saturating_add(1);
            } else if let Some(problem) = self.take(file, incoming, progress)? {
                problems.push(problem);
                continue;
            }
            progress.item_done(name, there);
        }
        if problems.is_empty() {
            return Ok(kept);
        }
        Err(CarryError::BaseFiles { problems })
    }

    /// What is wrong when the file is nowhere in the base.
    fn take(
        &self,
        file: &Expected<'_>,
        incoming: &mut Incoming,
        progress: &Progress<'_>,
    ) -> Result<Option<Problem>, CarryError> {
        self.find(file, &mut |from, full| {
            Ok((incoming.take(file, (from, full), progress)?, ()))
        })
        .map(Result::err)
    }

    /// Looks for the file, hashing with `hash` what may be it, until that gives its digest; else what is wrong.
    fn find<T>(
        &self,
        file: &Expected<'_>,
        hash: &mut Hashing<'_, T>,
    ) -> Result<Result<T, Problem>, CarryError> {
        let own = file.path.to_path();
        let path = format!("{BASE}/{}", file.path);
        let mut problem = Problem::Missing { path: path.clone() };
        for (root, known) in &self.roots {
            let mut places = vec![own.clone()];
            // One that is there and wrong was changed: another file would only hide that.
            if !root.has(&own)? {
                if known.get().is_none() {
                    let _ = known.set(by_size(root)?);
                }
                let same = known.get().and_then(|known| known.get(&file.size));
                places.extend(same.into_iter().flatten().cloned());
            }
            for (number, place) in places.iter().enumerate() {
                let mut from = match root.open_file(place) {
                    Ok(from) => from,
                    // It is there, and may be right: that is no file that is missing.
                    Err(error) if number == 0 && root.has(&own)? => {
                        problem = Problem::Unreadable {
                            path: path.clone(),
                            reason: error.source.to_string(),
                        };
                        continue;
                    }
                    Err(_) => continue,
                };
                fs::advise_sequential(&from);
                let full = root.path().join(place);
                let (found, value) = hash(&mut from, &full)?;
                if found == file.digest {
                    return Ok(Ok(value));
                }
                if number == 0 {
                    problem = Problem::Altered {
                        path: path.clone(),
                        expected: file.digest,
                        found,
                    };
                }
            }
        }
        Ok(Err(problem))
    }

    /// Makes the files of `made` by the changes of a delta, which have arrived. Each file of the base is hashed
    /// before it is opened, and each file that is made must have the digest that the full list names.
    pub(super) fn make(
        &self,
        made: &[Expected<'_>],
        changes: &Changes,
        incoming: &mut Incoming,
        progress: &Progress<'_>,
    ) -> Result<u64, CarryError> {
        let mut kept = 0_u64;
        let mut problems = Vec::new();
        for file in made {
            let name = file.path.as_str();
            let Some((path, change)) = changes.of(file.path) else {
                continue;
            };
            progress.item_started(name, file.size);
            let there = incoming.has(file, progress)?;
            if there {
                kept = kept.saturating_add(1);
            } else {
                let base = Expected {
                    path: &change.base.path,
                    size: change.base.size,
                    digest: change.base.sha256,
                };
                let check = &mut |_| progress.cancel.check();
                let found = self.find(&base, &mut |from, full| {
                    let hashed = pass((from, full), None, base.size, check)?;
                    Ok((hashed.finish(), full.to_owned()))
                })?;
                let full = match found {
                    Ok(full) => full,
                    Err(problem) => {
                        problems.push(problem);
                        continue;
                    }
                };
                let mut from = fs::open(&full)?;
                let wrong = incoming.make(file, (&path, change), &mut from, progress)?;
                if let Some(problem) = wrong {
                    return Err(CarryError::Change {
                        path: file.path.to_string(),
                        problem,
                        theirs: changes.encoder.clone(),
                    });
                }
            }
            progress.item_done(name, there);
        }
        if problems.is_empty() {
            return Ok(kept);
        }
        Err(CarryError::BaseFiles { problems })
    }
}

/// Identity of the bundle with this list; of a delta, that of the full bundle that it makes.
fn identity(list: &Path) -> Result<Option<Digest>, CarryError> {
    let limit = u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX);
    let bytes = fs::read(list, limit)?;
    let full = Sums::parse(&bytes).and_then(|sums| sums.full());
    Ok(full.ok().map(|full| full.identity()))
}

/// The plain files below a folder.
fn by_size(root: &Root) -> Result<BySize, CarryError> {
    let mut found = BySize::new();
    for entry in root.walk(MAX_ENTRIES)?.entries {
        if entry.kind == Kind::File {
            found.entry(entry.size).or_default().push(entry.path);
        }
    }
    Ok(found)
}
