//! A log on disk.

use std::path::{Path, PathBuf};

use super::chain::{Chain, Expected, Fault, Recorded};
use super::event::{Draft, Event};
use super::{MAX_EVENTS, MAX_LINE, MAX_LOG};
use crate::bundle::places::SUMS;
use crate::bundle::sums;
use crate::fs::{self, At as _, CHUNK, FolderLock, LockError, PathError};
use crate::trust::key::{SignatureError, SigningKey};
use crate::types::digest::{Digest, Hasher};

const FILE_MODE: u32 = 0o644;

/// Why a log cannot be read or continued. It was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// The file system refused.
    #[error("the custody log cannot be read or written")]
    Io(#[from] PathError),
    /// Another run writes it.
    #[error("the custody log is being written by another run")]
    Lock(#[source] LockError),
    /// It is not whole.
    #[error("{}: {}", path.display(), join(faults))]
    Broken {
        /// The log.
        path: PathBuf,
        /// All that is wrong.
        faults: Vec<Fault>,
    },
    /// There is no log yet, and nobody said what it is about.
    #[error("{}: there is no such log", path.display())]
    Absent {
        /// The log.
        path: PathBuf,
    },
    /// It is full.
    #[error("{}: a log holds at most {MAX_EVENTS} events in 4 MiB, each in 16 KiB", path.display())]
    Full {
        /// The log.
        path: PathBuf,
    },
    /// What this host remembers of logs is broken.
    #[error("{}: {reason}", path.display())]
    Memory {
        /// The file in the state folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The signature could not be made.
    #[error("the event cannot be signed")]
    Signature(#[from] SignatureError),
}

impl From<LockError> for CustodyError {
    /// That a lock cannot be taken for want of room or permission is no other run.
    fn from(error: LockError) -> Self {
        match error {
            LockError::Io(error) => Self::Io(error),
            held @ LockError::Held { .. } => Self::Lock(held),
        }
    }
}

impl CustodyError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Io(error) | Self::Lock(LockError::Io(error)) => error.id(),
            Self::Lock(LockError::Held { .. }) => "E606",
            Self::Broken { faults, .. } => faults.iter().map(Fault::id).min().unwrap_or("E360"),
            Self::Absent { .. } => "E299",
            Self::Full { .. } => "E501",
            Self::Memory { .. } => "E607",
            Self::Signature(_) => "E402",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(error) => error.hint(),
            Self::Lock(_) | Self::Signature(_) => None,
            Self::Broken { .. } => Some(
                "nothing was written; compare with the other side's copy and with the sign-off sheets, and report what differs"
                    .to_owned(),
            ),
            Self::Absent { .. } => {
                Some("name the bundle or file that a new log is about with --of".to_owned())
            }
            Self::Memory { .. } => Some(
                "restore it from a backup; without it a change of a last event is only seen by the sign-off sheet"
                    .to_owned(),
            ),
            Self::Full { .. } => Some("begin a new log about the last line of this one".to_owned()),
        }
    }
}

/// The log in a file, proved to be whole.
///
/// # Errors
/// When it is not there, cannot be read, or is not whole.
pub fn load(path: &Path, expected: &Expected) -> Result<Chain, CustodyError> {
    if fs::examine(path)?.is_none() {
        return Err(CustodyError::Absent {
            path: path.to_owned(),
        });
    }
    let bytes = fs::read(path, MAX_LOG)?;
    read(path, &bytes, expected)
}

/// Adds an event to a log, which begins with it when there is none yet and `expected` says what it is
/// about. The log is locked, proved, and written anew in one step: after a crash it ends with this
/// event or with the one before. What others added meanwhile is kept; two runs never add to the same
/// event.
///
/// # Errors
/// When the log is not whole, is another one than expected, or cannot be written.
pub fn append(
    path: &Path,
    expected: &Expected,
    draft: Draft,
    key: Option<&SigningKey>,
) -> Result<Recorded, CustodyError> {
    let _lock = FolderLock::beside(path)?;
    let (mut bytes, n, prev) = match fs::examine(path)? {
        Some(_) => {
            let bytes = fs::read(path, MAX_LOG)?;
            let chain = read(path, &bytes, expected)?;
            (bytes, chain.events().len(), chain.head())
        }
        None => match expected.begin {
            Some(begin) if expected.head.is_none() => (Vec::new(), 0, begin),
            _ => {
                return Err(CustodyError::Absent {
                    path: path.to_owned(),
                });
            }
        },
    };
    let n = u64::try_from(n).unwrap_or(u64::MAX).saturating_add(1);
    let event = Event::new(draft, n, prev, key)?;
    let line = event.render();
    bytes.extend(line.as_bytes());
    bytes.push(b'\n');
    let full = n > u64::try_from(MAX_EVENTS).unwrap_or(u64::MAX)
        || line.len() > MAX_LINE
        || u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_LOG;
    if full {
        return Err(CustodyError::Full {
            path: path.to_owned(),
        });
    }
    fs::write_atomic(path, &bytes, FILE_MODE)?;
    Ok(Recorded {
        digest: Digest::of(line.as_bytes()),
        signer: key.map(|key| key.verifying_key().clone()),
        event,
    })
}

/// What a log about the bundle in a folder, or about a file, begins with: the bundle's identity, or the
/// file's SHA-256.
///
/// # Errors
/// When there is neither a bundle nor a file, or it cannot be read.
pub fn begin_of(path: &Path) -> Result<Digest, PathError> {
    let folder = fs::examine(path)?.is_some_and(|found| found.is_dir());
    if folder {
        let limit = u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX);
        return Ok(Digest::of(&fs::read(&path.join(SUMS), limit)?));
    }
    let mut file = fs::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = std::io::Read::read(&mut file, &mut buffer).at("read", path)?;
        match buffer.get(..count) {
            Some([]) | None => return Ok(hasher.finish()),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

fn read(path: &Path, bytes: &[u8], expected: &Expected) -> Result<Chain, CustodyError> {
    Chain::read(bytes, expected).map_err(|faults| CustodyError::Broken {
        path: path.to_owned(),
        faults,
    })
}

/// How many faults a message names.
const SHOWN: usize = 5;

fn join(faults: &[Fault]) -> String {
    let mut lines: Vec<String> = faults.iter().take(SHOWN).map(ToString::to_string).collect();
    if faults.len() > SHOWN {
        lines.push(format!("and {} more", faults.len().saturating_sub(SHOWN)));
    }
    lines.join("; ")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at files by hand")]
mod tests {
    use super::*;
    use crate::bundle::header::Created;

    fn draft(actor: &str) -> Draft {
        Draft {
            time: Created::from_epoch(1_795_000_000).unwrap(),
            actor: actor.parse().unwrap(),
            role: "receiver".parse().unwrap(),
            action: "received".parse().unwrap(),
            object: Digest::of(b"bundle"),
            volumes: Vec::new(),
            from: None,
            to: None,
            second: None,
            tool: "haversack 0.1.0".parse().unwrap(),
            result: "ok".parse().unwrap(),
            note: None,
        }
    }

    fn about(bytes: &[u8]) -> Expected {
        Expected {
            begin: Some(Digest::of(bytes)),
            head: None,
        }
    }

    #[test]
    fn many_who_add_at_once_make_one_chain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("custody.jsonl");
        let refused = append(&path, &Expected::default(), draft("Ann"), None).unwrap_err();
        assert_eq!(refused.id(), "E299");
        assert!(!path.exists());
        let added: usize = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4)
                .map(|person| {
                    let path = &path;
                    scope.spawn(move || {
                        let name = format!("Person {person}");
                        (0..10)
                            .filter(|_| append(path, &about(b"bundle"), draft(&name), None).is_ok())
                            .count()
                    })
                })
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        });
        let chain = load(&path, &about(b"bundle")).unwrap();
        assert_eq!(chain.events().len(), added);
        assert!(added >= 10, "{added}");
        assert_eq!(fs::list(folder.path()).unwrap(), ["custody.jsonl"]);
    }

    #[test]
    fn a_log_that_is_not_whole_or_of_something_else_is_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("custody.jsonl");
        for name in ["Ann", "Bob", "Cleo"] {
            append(&path, &about(b"bundle"), draft(name), None).unwrap();
        }
        let other = append(&path, &about(b"other"), draft("Dan"), None).unwrap_err();
        assert_eq!(other.id(), "E365");
        let text = std::fs::read_to_string(&path).unwrap();
        let edited = text.replace("Bob", "Rob");
        std::fs::write(&path, &edited).unwrap();
        let broken = append(&path, &about(b"bundle"), draft("Dan"), None).unwrap_err();
        assert_eq!(broken.id(), "E361");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), edited);
        // The sheet has the head of a log that had two more events.
        let short = format!("{}\n", text.lines().next().unwrap());
        std::fs::write(&path, &short).unwrap();
        let head = text.lines().last().unwrap();
        let expected = Expected {
            head: Some(Digest::of(head.as_bytes()).label().parse().unwrap()),
            ..about(b"bundle")
        };
        let tail = append(&path, &expected, draft("Dan"), None).unwrap_err();
        assert_eq!(tail.id(), "E364");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), short);
    }
}
