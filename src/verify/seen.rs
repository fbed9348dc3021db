//! Which volumes of a bundle were verified one medium after the other.
//!
//! One file, `volumes.json`, in the state folder. For the identity of a bundle, which fixes every byte of every
//! volume, it holds the volumes of which each byte was hashed and found right, and when. It serves to say what is
//! still to be inserted, and nothing else: a medium may have changed since, and whatever uses its bytes hashes
//! them again. The list and its signatures are judged anew with each medium.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bundle::header::Created;
use crate::fs::{self, FolderLock};
use crate::types::digest::Digest;
use crate::verify::memory::MemoryError;

/// Name of the file in the state folder.
const FILE: &str = "volumes.json";
/// Longest `volumes.json`, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;
/// Most bundles that are remembered; of more, those that were looked at longest ago are forgotten.
const MAX_BUNDLES: usize = 16;

/// The volumes of one bundle, and when each was verified.
pub type Volumes = BTreeMap<String, Created>;

/// What was verified one medium after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    folder: PathBuf,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    format: u32,
    seen: BTreeMap<Digest, Volumes>,
}

impl Seen {
    /// What is remembered in `folder`; nothing when there is no such folder or file yet.
    ///
    /// # Errors
    /// When it cannot be read, or is broken.
    pub fn load(folder: &Path) -> Result<Self, MemoryError> {
        Ok(Self {
            folder: folder.to_owned(),
            state: read(&folder.join(FILE))?,
        })
    }

    /// The volumes of a bundle that were verified.
    #[must_use]
    pub fn volumes(&self, identity: &Digest) -> Volumes {
        self.state.seen.get(identity).cloned().unwrap_or_default()
    }

    /// Remembers that these volumes were verified now.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(
        &mut self,
        identity: &Digest,
        volumes: impl IntoIterator<Item = String>,
        now: Created,
    ) -> Result<(), MemoryError> {
        let volumes: Vec<String> = volumes.into_iter().collect();
        self.change(|state| {
            let known = state.seen.entry(*identity).or_default();
            known.extend(volumes.into_iter().map(|volume| (volume, now)));
            while state.seen.len() > MAX_BUNDLES {
                let latest = |one: &Volumes| one.values().max().copied();
                let others = state.seen.iter().filter(|(known, _)| *known != identity);
                let Some(oldest) = others.min_by_key(|(_, one)| latest(one)).map(|(id, _)| *id)
                else {
                    break;
                };
                state.seen.remove(&oldest);
            }
        })
    }

    /// Forgets that these volumes were verified: what is on a medium now is not right.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn withdraw(&mut self, identity: &Digest, volumes: &[&str]) -> Result<(), MemoryError> {
        let known = self.state.seen.get(identity);
        let holds = known.is_some_and(|known| volumes.iter().any(|one| known.contains_key(*one)));
        if holds {
            self.change(|state| {
                if let Some(known) = state.seen.get_mut(identity) {
                    known.retain(|volume, _| !volumes.contains(&volume.as_str()));
                }
            })?;
        }
        Ok(())
    }

    /// Forgets a bundle: all of it was verified.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget(&mut self, identity: &Digest) -> Result<(), MemoryError> {
        if self.state.seen.contains_key(identity) {
            self.change(|state| {
                state.seen.remove(identity);
            })?;
        }
        Ok(())
    }

    fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<(), MemoryError> {
        fs::create_dir_all(&self.folder, 0o755)?;
        let _lock = FolderLock::acquire(&self.folder)?;
        let path = self.folder.join(FILE);
        self.state = read(&path)?;
        change(&mut self.state);
        let mut text =
            serde_json::to_string_pretty(&self.state).map_err(|error| malformed(&path, &error))?;
        text.push('\n');
        fs::write_atomic(&path, text.as_bytes(), 0o644)?;
        Ok(())
    }
}

fn read(path: &Path) -> Result<State, MemoryError> {
    if fs::examine(path)?.is_none() {
        return Ok(State {
            format: 1,
            seen: BTreeMap::new(),
        });
    }
    let bytes = fs::read(path, MAX_BYTES)?;
    let state: State = serde_json::from_slice(&bytes).map_err(|error| malformed(path, &error))?;
    if state.format == 1 {
        return Ok(state);
    }
    Err(MemoryError::Malformed {
        path: path.to_owned(),
        reason: format!("format {}, this program knows 1", state.format),
    })
}

fn malformed(path: &Path, error: &serde_json::Error) -> MemoryError {
    MemoryError::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_remembered_by_bundle_and_old_ones_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let at = |seconds| Created::from_epoch(seconds).unwrap();
        let id = |number: u8| Digest::of(&[number]);
        let mut seen = Seen::load(folder.path()).unwrap();
        assert_eq!(seen.volumes(&id(0)), Volumes::new());
        seen.record(&id(0), ["v2".to_owned()], at(5)).unwrap();
        seen.record(&id(0), ["v1".to_owned()], at(6)).unwrap();
        let mut again = Seen::load(folder.path()).unwrap();
        let expected = Volumes::from([("v1".to_owned(), at(6)), ("v2".to_owned(), at(5))]);
        assert_eq!(again.volumes(&id(0)), expected);
        assert_eq!(again.volumes(&id(1)), Volumes::new());
        for number in 1..=16_u8 {
            again
                .record(&id(number), ["v1".to_owned()], at(i64::from(number) + 9))
                .unwrap();
        }
        assert_eq!(again.volumes(&id(0)), Volumes::new());
        assert_eq!(again.volumes(&id(16)).len(), 1);
        again.withdraw(&id(16), &["v2"]).unwrap();
        assert_eq!(again.volumes(&id(16)).len(), 1);
        again.withdraw(&id(16), &["v2", "v1"]).unwrap();
        assert_eq!(again.volumes(&id(16)), Volumes::new());
        again.forget(&id(16)).unwrap();
        assert_eq!(again.volumes(&id(16)), Volumes::new());
        let text = fs::read_text(&folder.path().join(FILE), 9999).unwrap();
        fs::write_atomic(
            &folder.path().join(FILE),
            text.replace("1,", "2,").as_bytes(),
            0o644,
        )
        .unwrap();
        assert_eq!(Seen::load(folder.path()).unwrap_err().id(), "E607");
    }
}
