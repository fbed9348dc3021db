//! What this host last wrote into which log, so that a change of the last event is seen here.
//!
//! One file, `heads.json`, in the state folder. For the path of a log it holds what the log is about and
//! the digest of the event that was added last. It proves nothing on another host, nor of a log that was
//! moved: there the head on the sign-off sheet does.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CustodyError;
use super::chain::{Chain, Fault};
use crate::fs::{self, FolderLock};
use crate::types::digest::Digest;

/// Name of the file in the state folder.
const FILE: &str = "heads.json";
/// Longest `heads.json`, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Most logs that are remembered; of more, those that were written longest ago are forgotten.
const MAX_LOGS: usize = 256;

/// The heads of the logs that this host wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    folder: PathBuf,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    format: u32,
    /// The one that was written last comes last.
    logs: Vec<Written>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    log: String,
    about: Digest,
    head: Digest,
}

impl Heads {
    /// What is remembered in `folder`; nothing when there is no such folder or file yet.
    ///
    /// # Errors
    /// When it cannot be read, or is broken.
    pub fn load(folder: &Path) -> Result<Self, CustodyError> {
        Ok(Self {
            folder: folder.to_owned(),
            state: read(&folder.join(FILE))?,
        })
    }

    /// Holds a log against what this host wrote into it: the number of its events that are proved to be
    /// as they were then; none when nothing is remembered of it.
    ///
    /// # Errors
    /// [`Fault::Written`] when the event that was written last is not in it any more.
    pub fn check(&self, log: &Path, chain: &Chain) -> Result<Option<u64>, CustodyError> {
        let name = name(log);
        let known = self.state.logs.iter().rev();
        let Some(known) = known
            .filter(|one| one.about == chain.begin())
            .find(|one| one.log == name)
        else {
            return Ok(None);
        };
        let mut events = chain.events().iter();
        match events.find(|one| one.digest == known.head) {
            Some(found) => Ok(Some(found.event.n)),
            None => Err(CustodyError::Broken {
                path: log.to_owned(),
                faults: vec![Fault::Written { head: known.head }],
            }),
        }
    }

    /// Remembers the event that was just added to a log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&mut self, log: &Path, about: Digest, head: Digest) -> Result<(), CustodyError> {
        fs::create_dir_all(&self.folder, 0o755)?;
        let _lock = FolderLock::acquire(&self.folder)?;
        let path = self.folder.join(FILE);
        self.state = read(&path)?;
        let log = name(log);
        let logs = &mut self.state.logs;
        logs.retain(|one| one.log != log);
        logs.push(Written { log, about, head });
        let over = logs.len().saturating_sub(MAX_LOGS);
        logs.drain(..over);
        let mut text =
            serde_json::to_string_pretty(&self.state).map_err(|error| broken(&path, &error))?;
        text.push('\n');
        fs::write_atomic(&path, text.as_bytes(), 0o644)?;
        Ok(())
    }
}

/// A log by its absolute path.
fn name(log: &Path) -> String {
    let full = std::path::absolute(log).unwrap_or_else(|_| log.to_owned());
    full.to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<State, CustodyError> {
    if fs::examine(path)?.is_none() {
        return Ok(State {
            format: 1,
            logs: Vec::new(),
        });
    }
    let bytes = fs::read(path, MAX_BYTES)?;
    let state: State = serde_json::from_slice(&bytes).map_err(|error| broken(path, &error))?;
    if state.format == 1 {
        Ok(state)
    } else {
        Err(broken(path, &"a format that this program does not know"))
    }
}

fn broken(path: &Path, reason: &dyn std::fmt::Display) -> CustodyError {
    CustodyError::Memory {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
