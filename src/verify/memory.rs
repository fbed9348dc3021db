//! What the isolated side remembers of bundles that it accepted, so that older ones are refused.
//!
//! One file, `accepted.json`, in a state folder that the caller names. For each bundle name it holds
//! the highest sequence and the identity that came with it. Accepting an older bundle by override does
//! not lower it; the override is written down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bundle::header::{Created, Header, Sequence};
use crate::fs::{self, FolderLock, LockError, PathError};
use crate::types::digest::Digest;
use crate::types::name::Name;

/// Name of the file in the state folder.
const FILE: &str = "accepted.json";
/// Longest `accepted.json`, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Longest reason of an override, in characters.
const MAX_REASON: usize = 500;

/// The bundles that were accepted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    folder: Option<PathBuf>,
    state: State,
    now: Option<Created>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    format: u32,
    accepted: BTreeMap<Name, Accepted>,
    overrides: Vec<Override>,
}

/// The newest bundle of a name that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its identity.
    pub identity: Digest,
    /// When it was made.
    pub created: Created,
}

/// A bundle that was accepted although it is older, or claims a sequence that another has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Its name.
    pub name: Name,
    /// Its sequence.
    pub sequence: Sequence,
    /// Its identity.
    pub identity: Digest,
    /// Why it was accepted.
    pub reason: String,
    /// When, by the clock of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Created>,
}

/// How a bundle stands to what was accepted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// No state folder was named: nothing is known.
    NotChecked,
    /// The first of its name.
    First,
    /// Newer than the newest.
    Newer,
    /// The newest itself, again.
    Same,
    /// Refused by rule, and accepted by override.
    Overridden,
}

/// Why a bundle is refused for what was accepted before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rollback {
    /// It is older.
    #[error("{name}: number {offered} is offered, this network has number {have} already")]
    Older {
        /// Name of the bundle.
        name: Name,
        /// Sequence that was accepted before.
        have: Sequence,
        /// Sequence that is offered.
        offered: Sequence,
    },
    /// Another bundle with the same number was accepted before.
    #[error(
        "{name}: two different bundles claim the number {sequence}: {offered} is offered, {have} was accepted"
    )]
    Equivocation {
        /// Name of the bundle.
        name: Name,
        /// The number.
        sequence: Sequence,
        /// Identity that was accepted before.
        have: Digest,
        /// Identity that is offered.
        offered: Digest,
    },
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file system refused.
    #[error("what was accepted before cannot be read or written")]
    Io(#[from] PathError),
    /// Another run writes it.
    #[error("what was accepted before is being written by another run")]
    Lock(#[source] LockError),
    /// The file is broken.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another run accepted a bundle meanwhile, after which this one is refused.
    #[error(transparent)]
    Rollback(#[from] Rollback),
}

impl From<LockError> for MemoryError {
    /// That a lock cannot be taken for want of room or permission is no other run.
    fn from(error: LockError) -> Self {
        match error {
            LockError::Io(error) => Self::Io(error),
            held @ LockError::Held { .. } => Self::Lock(held),
        }
    }
}

impl MemoryError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Io(error) | Self::Lock(LockError::Io(error)) => error.id(),
            Self::Lock(LockError::Held { .. }) => "E606",
            Self::Malformed { .. } => "E607",
            Self::Rollback(refused) => refused.id(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(error) => error.hint(),
            Self::Lock(_) => None,
            Self::Malformed { .. } => Some(
                "restore it from a backup; without it an older bundle could come in unseen"
                    .to_owned(),
            ),
            Self::Rollback(refused) => Some(refused.hint().to_owned()),
        }
    }
}

impl Memory {
    /// No memory: every bundle stands as [`Standing::NotChecked`].
    #[must_use]
    pub fn none() -> Self {
        Self {
            folder: None,
            state: State::empty(),
            now: None,
        }
    }

    /// The memory in folder `folder`; empty when there is no such folder or file yet.
    ///
    /// # Errors
    /// When it cannot be read, or is broken: it is never taken for empty then.
    pub fn load(folder: &Path) -> Result<Self, MemoryError> {
        Ok(Self {
            folder: Some(folder.to_owned()),
            state: read(&folder.join(FILE))?,
            now: None,
        })
    }

    /// The same, with the time that overrides are written down with.
    #[must_use]
    pub fn at(mut self, now: Option<Created>) -> Self {
        self.now = now;
        self
    }

    /// The newest bundle of this name that was accepted.
    #[must_use]
    pub fn accepted(&self, name: &Name) -> Option<&Accepted> {
        self.state.accepted.get(name)
    }

    /// The time of the newest bundle of any name: the clock cannot be before it.
    #[must_use]
    pub fn newest(&self) -> Option<Created> {
        self.state.accepted.values().map(|one| one.created).max()
    }

    /// How a bundle with this header and identity stands.
    ///
    /// # Errors
    /// When it is older, or another bundle has its number.
    pub fn check(&self, header: &Header, identity: &Digest) -> Result<Standing, Rollback> {
        if self.folder.is_none() {
            return Ok(Standing::NotChecked);
        }
        let Some(known) = self.accepted(&header.name) else {
            return Ok(Standing::First);
        };
        let (name, offered) = (header.name.clone(), header.sequence);
        match offered.cmp(&known.sequence) {
            std::cmp::Ordering::Greater => Ok(Standing::Newer),
            std::cmp::Ordering::Less => Err(Rollback::Older {
                name,
                have: known.sequence,
                offered,
            }),
            std::cmp::Ordering::Equal if known.identity == *identity => Ok(Standing::Same),
            std::cmp::Ordering::Equal => Err(Rollback::Equivocation {
                name,
                sequence: offered,
                have: known.identity,
                offered: *identity,
            }),
        }
    }

    /// Remembers a bundle that was accepted. `reason` is that of an override, if there was one.
    /// What others wrote meanwhile is kept, and without `reason` the bundle is checked against it
    /// again: of two that were checked at once and exclude each other, one is refused here. Without
    /// a state folder nothing is done.
    ///
    /// # Errors
    /// When it is refused for what was accepted meanwhile, or it cannot be written.
    pub fn record(
        &mut self,
        header: &Header,
        identity: &Digest,
        reason: Option<&str>,
    ) -> Result<(), MemoryError> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        fs::create_dir_all(&folder, 0o755)?;
        let _lock = FolderLock::acquire(&folder)?;
        let path = folder.join(FILE);
        self.state = read(&path)?;
        match self.check(header, identity) {
            Err(Rollback::Older { .. }) if reason.is_some() => {}
            standing => {
                standing?;
            }
        }
        let state = &mut self.state;
        if let Some(reason) = reason {
            state.overrides.push(Override {
                name: header.name.clone(),
                sequence: header.sequence,
                identity: *identity,
                reason: reason.chars().take(MAX_REASON).collect(),
                time: self.now,
            });
        }
        let known = state.accepted.get(&header.name);
        if known.is_none_or(|known| known.sequence < header.sequence) {
            let accepted = Accepted {
                sequence: header.sequence,
                identity: *identity,
                created: header.created,
            };
            state.accepted.insert(header.name.clone(), accepted);
        }
        let mut text =
            serde_json::to_string_pretty(state).map_err(|error| malformed(&path, &error))?;
        text.push('\n');
        fs::write_atomic(&path, text.as_bytes(), 0o644)?;
        Ok(())
    }
}

impl Rollback {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Older { .. } => "E510",
            Self::Equivocation { .. } => "E511",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Older { .. } => {
                "ask for a newer bundle; in an emergency, `--allow-rollback REASON` accepts this one and writes the reason down"
            }
            Self::Equivocation { .. } => {
                "stop: take in neither, and ask the builder by phone which of the two identities is theirs"
            }
        }
    }

    /// In general, what is wrong.
    pub(super) const fn heading(&self) -> &'static str {
        match self {
            Self::Older { .. } => "the bundle is not newer than what this network has",
            Self::Equivocation { .. } => {
                "the bundle is another one than the bundle of this number that this network has"
            }
        }
    }
}

impl State {
    const fn empty() -> Self {
        Self {
            format: 1,
            accepted: BTreeMap::new(),
            overrides: Vec::new(),
        }
    }
}

fn read(path: &Path) -> Result<State, MemoryError> {
    if fs::examine(path)?.is_none() {
        return Ok(State::empty());
    }
    let bytes = fs::read(path, MAX_BYTES)?;
    let state: State = serde_json::from_slice(&bytes).map_err(|error| malformed(path, &error))?;
    if state.format == 1 {
        Ok(state)
    } else {
        Err(MemoryError::Malformed {
            path: path.to_owned(),
            reason: format!("format {}, this program knows 1", state.format),
        })
    }
}

fn malformed(path: &Path, error: &serde_json::Error) -> MemoryError {
    MemoryError::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;

    fn header(sequence: u64) -> Header {
        Header {
            name: "demo".parse().unwrap(),
            version: "1".parse().unwrap(),
            sequence: Sequence::new(sequence).unwrap(),
            created: Created::from_epoch(1_700_000_000).unwrap(),
            base: None,
            volumes: 1,
            parity: 0,
            files: 0,
            bytes: 0,
            marking: "UNCLASSIFIED".parse().unwrap(),
        }
    }

    #[test]
    fn remembers_the_highest_and_tells_older_from_other() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let mut memory = Memory::load(&state).unwrap();
        assert_eq!(memory.check(&header(42), &a), Ok(Standing::First));
        memory.record(&header(42), &a, None).unwrap();
        let mut memory = Memory::load(&state).unwrap();
        assert_eq!(memory.check(&header(42), &a), Ok(Standing::Same));
        assert_eq!(memory.check(&header(43), &b), Ok(Standing::Newer));
        assert_eq!(memory.check(&header(40), &b).unwrap_err().id(), "E510");
        assert_eq!(memory.check(&header(42), &b).unwrap_err().id(), "E511");
        memory
            .record(&header(40), &b, Some("pump failure"))
            .unwrap();
        let memory = Memory::load(&state).unwrap();
        assert_eq!(memory.accepted(&header(1).name).unwrap().sequence.get(), 42);
        assert_eq!(memory.state.overrides[0].reason, "pump failure");
        assert_eq!(memory.newest(), Created::from_epoch(1_700_000_000));
    }

    #[test]
    fn of_two_bundles_with_one_number_that_were_checked_at_once_only_one_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let mut one = Memory::load(folder.path()).unwrap();
        let mut other = one.clone();
        assert_eq!(one.check(&header(42), &a), Ok(Standing::First));
        assert_eq!(other.check(&header(42), &b), Ok(Standing::First));
        one.record(&header(42), &a, None).unwrap();
        let refused = other.record(&header(42), &b, None).unwrap_err();
        assert_eq!(refused.id(), "E511");
        let refused = other.record(&header(42), &b, Some("whatever")).unwrap_err();
        assert_eq!(refused.id(), "E511", "no reason makes up for it");
        assert_eq!(
            other.record(&header(41), &b, None).unwrap_err().id(),
            "E510"
        );
        other.record(&header(42), &a, None).unwrap();
        let kept = Memory::load(folder.path()).unwrap();
        assert_eq!(kept.accepted(&header(1).name).unwrap().identity, a);
        assert!(kept.state.overrides.is_empty());
        other
            .record(&header(41), &b, Some("the disc was mislabelled"))
            .unwrap();
        assert_eq!(other.state.overrides[0].identity, b);
    }

    #[test]
    fn a_broken_memory_is_never_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        for text in [
            "",
            "{",
            "{\"format\":2,\"accepted\":{},\"overrides\":[]}",
            "null",
        ] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(
                Memory::load(folder.path()).unwrap_err().id(),
                "E607",
                "{text}"
            );
        }
        assert_eq!(
            Memory::none().check(&header(1), &Digest::of(b"")),
            Ok(Standing::NotChecked)
        );
    }
}
