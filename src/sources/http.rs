//! Single files over HTTP and from local paths, into the store.

use std::path::Path;
use std::time::Duration;

use crate::event::{Cancel, Cancelled, Event, Observer, Step};
use crate::fs::{self, PassError, PathError};
use crate::net::{Client, Expected, Heard, NetError, Resume, hold_part};
use crate::sources::documents::{DocumentError, Documents, LocalDocuments};
use crate::store::{Store, StoreError};
use crate::types::digest::Digest;
use crate::types::url::SafeUrl;

/// Most bytes of a local file.
pub const MAX_FILE: u64 = 64 << 30;

/// Documents over HTTP, and from local paths.
#[derive(Debug, Clone)]
pub struct Web {
    client: Client,
    cancel: Cancel,
}

impl Web {
    /// Documents through this client, until `cancel` is set.
    #[must_use]
    pub const fn new(client: Client, cancel: Cancel) -> Self {
        Self { client, cancel }
    }

    /// A page for people, which may be HTML; else as [`Documents::get`].
    ///
    /// # Errors
    /// When it cannot be had, or is longer than `limit`.
    pub fn page(&self, url: &SafeUrl, limit: u64) -> Result<Option<Vec<u8>>, DocumentError> {
        if url.local_path().is_some() {
            return LocalDocuments.get(url, limit);
        }
        document(url, self.client.get_page(url, limit, &self.cancel))
    }

    /// The client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }
}

impl Documents for Web {
    fn get(&self, url: &SafeUrl, limit: u64) -> Result<Option<Vec<u8>>, DocumentError> {
        if url.local_path().is_some() {
            return LocalDocuments.get(url, limit);
        }
        document(url, self.client.get(url, limit, &self.cancel))
    }
}

fn document(
    url: &SafeUrl,
    result: Result<Option<Vec<u8>>, NetError>,
) -> Result<Option<Vec<u8>>, DocumentError> {
    result.map_err(|error| match error {
        NetError::TooLong { url, limit } => DocumentError::TooLong { url, limit },
        error => DocumentError::Fetch {
            url: url.clone(),
            source: Box::new(error),
        },
    })
}

/// What a file must be, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'w> {
    /// What events call it.
    pub item: &'w str,
    /// Its digest, when somebody vouched for it before it is fetched.
    pub sha256: Option<Digest>,
    /// Its size, when a lock states it.
    pub size: Option<u64>,
    /// The step that events are of.
    pub step: Step,
}

/// A file that is in the store now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub sha256: Digest,
    /// Its size.
    pub size: u64,
    /// Where it came from; `None` when it was in the store already.
    pub from: Option<SafeUrl>,
}

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No place gave it. The reasons, one a place, in the order they were tried.
    #[error("{item} could not be fetched: {}", reasons(.tried))]
    Fetch {
        /// The file.
        item: String,
        /// Why each place failed; never empty.
        tried: Vec<NetError>,
    },
    /// A place gave other bytes than the lock or the evidence states.
    #[error(
        "{url} has sha256 {found} ({found_size} bytes), expected {expected}; what came is kept in {quarantine}"
    )]
    OtherBytes {
        /// Where they came from.
        url: SafeUrl,
        /// What was expected.
        expected: Digest,
        /// What came.
        found: Digest,
        /// Its size.
        found_size: u64,
        /// Where it lies now.
        quarantine: String,
    },
    /// There is no such local file.
    #[error("{url} does not exist")]
    Absent {
        /// The file.
        url: SafeUrl,
    },
    /// A local file cannot be read.
    #[error("{url} cannot be read")]
    Local {
        /// The file.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: PathError,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl SourceError {
    /// The stable id: that of the last network error, `E705` other bytes, `E706` no such file.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Fetch { tried, .. } => tried.last().map_or("E707", NetError::id),
            Self::OtherBytes { .. } => "E705",
            Self::Absent { .. } => "E706",
            Self::Local { .. } | Self::Store(_) => "E601",
            Self::Cancelled(_) => "E130",
        }
    }

    /// Whether all that stood in the way is that the network was not to be used.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        match self {
            Self::Fetch { tried, .. } => tried
                .iter()
                .all(|error| matches!(error, NetError::Offline { .. })),
            _ => false,
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch { tried, .. } => tried.last().and_then(NetError::hint),
            Self::OtherBytes { .. } => Some(
                "upstream changed the file under the same URL, or it was tampered with: compare with upstream's announcement before `haversack lock MANIFEST`, with `--update NAME` where nobody vouches for the file, or correct sha256 in the manifest where it states one"
                    .to_owned(),
            ),
            Self::Absent { .. } => Some(
                "put the file there, or correct the path: it is relative to the folder of the manifest"
                    .to_owned(),
            ),
            Self::Store(error) => error.hint(),
            Self::Local { .. } | Self::Cancelled(_) => None,
        }
    }
}

fn reasons(tried: &[NetError]) -> String {
    let mut text = Vec::new();
    for error in tried {
        let mut line = error.to_string();
        let mut next = std::error::Error::source(error);
        // Several places need their causes in the line; one could leave it to the chain, but a
        // list has no chain.
        while let Some(cause) = next {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            next = cause.source();
        }
        text.push(line);
    }
    text.join("; ")
}

/// Brings a file into the store from the first place that gives it. A file that is there already is
/// hashed again and used. A part that an earlier run left is continued when the digest is known.
///
/// # Errors
/// When no place gives it, or a place gives other bytes than `wanted` says.
pub fn bring(
    client: &Client,
    store: &Store,
    places: &[SafeUrl],
    wanted: &Wanted<'_>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Stored, SourceError> {
    let (step, item) = (wanted.step, wanted.item);
    observer.on(&Event::ItemStarted {
        step,
        item,
        bytes: wanted.size,
    });
    let mut ledger = Ledger::new(wanted, observer);
    let stored = match there(store, wanted, &mut ledger, cancel)? {
        Some(stored) => stored,
        None => fetch(client, store, places, wanted, &mut ledger, cancel)?,
    };
    observer.on(&Event::ItemDone {
        step,
        item,
        reused: stored.from.is_none(),
    });
    Ok(stored)
}

/// The file when the store has it already, hashed again.
fn there(
    store: &Store,
    wanted: &Wanted<'_>,
    ledger: &mut Ledger<'_>,
    cancel: &Cancel,
) -> Result<Option<Stored>, SourceError> {
    let Some(sha256) = wanted.sha256 else {
        return Ok(None);
    };
    let stood = fs::examine(&store.path_of(&sha256)).map_err(StoreError::from)?;
    let found = store.find(&sha256, cancel)?.map(|(_, size)| size);
    if stood.is_some() && found.is_none() {
        let item = wanted.item;
        let text = format!("the copy of {item} in the store was damaged, and was removed");
        let id = "W707";
        ledger.observer.on(&Event::Warning { id, text: &text });
    }
    let found = found.filter(|size| wanted.size.is_none_or(|stated| stated == *size));
    Ok(found.map(|size| {
        ledger.kept(size);
        Stored {
            sha256,
            size,
            from: None,
        }
    }))
}

fn fetch(
    client: &Client,
    store: &Store,
    places: &[SafeUrl],
    wanted: &Wanted<'_>,
    ledger: &mut Ledger<'_>,
    cancel: &Cancel,
) -> Result<Stored, SourceError> {
    let mut tried = Vec::new();
    let mut other_bytes = None;
    let mut absent = None;
    for (number, url) in places.iter().enumerate() {
        let result = match url.local_path() {
            Some(path) => local(store, url, Path::new(path), wanted, ledger, cancel),
            None => remote(client, store, url, wanted, ledger, cancel),
        };
        let error = match result {
            Ok(stored) => return Ok(stored),
            Err(error) => error,
        };
        let more_places = number.saturating_add(1) < places.len();
        ledger.failed_over(&error, more_places);
        match error {
            SourceError::Fetch { tried: more, .. } if !more.iter().any(is_final) => {
                tried.extend(more);
            }
            // Another place may still have the right bytes; if none has, this is the reason.
            error @ SourceError::OtherBytes { .. } => {
                other_bytes.get_or_insert(error);
            }
            error @ SourceError::Absent { .. } => {
                absent.get_or_insert(error);
            }
            error => return Err(error),
        }
    }
    let nowhere = SourceError::Fetch {
        item: wanted.item.to_owned(),
        tried,
    };
    Err(match (other_bytes, absent, &nowhere) {
        (Some(other), ..) => other,
        (None, Some(absent), SourceError::Fetch { tried, .. }) if tried.is_empty() => absent,
        _ => nowhere,
    })
}

/// What was told of one file, over all its places and fresh starts.
struct Ledger<'o> {
    step: Step,
    item: &'o str,
    observer: &'o dyn Observer,
    /// Bytes that events have told of: what comes a second time is not told again.
    told: u64,
}

impl<'o> Ledger<'o> {
    fn new(wanted: &Wanted<'o>, observer: &'o dyn Observer) -> Self {
        Self {
            step: wanted.step,
            item: wanted.item,
            observer,
            told: 0,
        }
    }

    /// The file is `at` bytes long now.
    fn reached(&mut self, at: u64) {
        if let Some(count) = self.beyond(at) {
            let (step, item) = (self.step, self.item);
            self.observer.on(&Event::Bytes { step, item, count });
        }
    }

    /// Of the file `at` bytes were there.
    fn kept(&mut self, at: u64) {
        if let Some(count) = self.beyond(at) {
            let (step, item) = (self.step, self.item);
            self.observer.on(&Event::Kept { step, item, count });
        }
    }

    fn beyond(&mut self, at: u64) -> Option<u64> {
        let count = at.checked_sub(self.told).filter(|count| *count > 0)?;
        self.told = at;
        Some(count)
    }

    /// Tells why a place did not give the file, when others are left.
    fn failed_over(&self, error: &SourceError, more_places: bool) {
        let (id, why) = match error {
            SourceError::Fetch { tried, .. } if !tried.iter().any(is_final) => {
                (None, reasons(tried))
            }
            SourceError::OtherBytes { .. } => (Some("W706"), error.to_string()),
            SourceError::Absent { .. } => (None, error.to_string()),
            _ => return,
        };
        if more_places {
            let text = format!("{why}; trying the next place for {}", self.item);
            self.observer.on(&match id {
                Some(id) => Event::Warning { id, text: &text },
                None => Event::Note { text: &text },
            });
        }
    }

    fn again(&self, error: &NetError, wait: Duration) {
        let text = format!("{error}; trying again in {:.1} s", wait.as_secs_f64());
        self.observer.on(&Event::Note { text: &text });
    }
}

/// Whether another place cannot help.
const fn is_final(error: &NetError) -> bool {
    matches!(error, NetError::Io(_) | NetError::Cancelled(_))
}

fn local(
    store: &Store,
    url: &SafeUrl,
    path: &Path,
    wanted: &Wanted<'_>,
    ledger: &mut Ledger<'_>,
    cancel: &Cancel,
) -> Result<Stored, SourceError> {
    let failed = |source| SourceError::Local {
        url: url.clone(),
        source,
    };
    if fs::examine(path).map_err(failed)?.is_none() {
        return Err(SourceError::Absent { url: url.clone() });
    }
    let hash = || {
        let mut file = fs::open(path).map_err(failed)?;
        fs::advise_sequential(&file);
        let passed = fs::pass((&mut file, path), None, MAX_FILE, &mut |_| cancel.check());
        let passed = passed.map_err(|error| match error {
            PassError::Read(source) | PassError::Write(source) => failed(source),
            PassError::Cancelled(cancelled) => SourceError::Cancelled(cancelled),
        })?;
        Ok::<_, SourceError>(passed.finish_counted())
    };
    let (sha256, size) = match (wanted.sha256, wanted.size) {
        (Some(sha256), Some(size)) => (sha256, size),
        (expected, _) => {
            let (found, size) = hash()?;
            (expected.unwrap_or(found), size)
        }
    };
    let mut file = fs::open(path).map_err(failed)?;
    let mut at: u64 = 0;
    let mut told = |count| {
        at = at.saturating_add(count);
        ledger.reached(at.min(size));
        cancel.check()
    };
    match store.put_stream(&mut file, &sha256, size, &mut told) {
        Ok(_) => Ok(Stored {
            sha256,
            size,
            from: Some(url.clone()),
        }),
        // It may be longer than what was read of it.
        Err(StoreError::Mismatch { expected, .. }) => {
            let (found, found_size) = hash()?;
            Err(SourceError::OtherBytes {
                url: url.clone(),
                expected,
                found,
                found_size,
                quarantine: path.display().to_string(),
            })
        }
        Err(error) => Err(error.into()),
    }
}

fn remote(
    client: &Client,
    store: &Store,
    url: &SafeUrl,
    wanted: &Wanted<'_>,
    ledger: &mut Ledger<'_>,
    cancel: &Cancel,
) -> Result<Stored, SourceError> {
    let parts = store.parts()?;
    // With a known digest every place and every run may go on with the same part. Without one,
    // nothing would show that the part is of another file.
    let (name, mut resume) = match wanted.sha256 {
        Some(digest) => (format!("{digest}.part"), Resume::Continue),
        None => (
            format!("{}.new", Digest::of(url.as_str().as_bytes())),
            Resume::Restart,
        ),
    };
    let mut anew = false;
    let part = parts.join(name);
    let failed = |error| match error {
        NetError::Cancelled(cancelled) => SourceError::Cancelled(cancelled),
        error => SourceError::Fetch {
            item: wanted.item.to_owned(),
            tried: vec![error],
        },
    };
    loop {
        let held = hold_part(&part, cancel).map_err(failed)?;
        // Another run may have brought the file while this one waited for the part.
        if let Some(stored) = there(store, wanted, ledger, cancel)? {
            fs::remove_file(held.path()).map_err(StoreError::from)?;
            return Ok(stored);
        }
        let mut at: u64 = 0;
        let mut told = |heard: Heard<'_>| match heard {
            Heard::Kept(count) => {
                at = at.saturating_add(count);
                ledger.kept(at);
            }
            Heard::Bytes(count) => {
                at = at.saturating_add(count);
                ledger.reached(at);
            }
            Heard::Again(error, wait) => ledger.again(error, wait),
        };
        let expected = Expected { size: wanted.size };
        let came = client
            .download(url, held, resume, expected, &mut told, cancel)
            .map_err(failed)?;
        match wanted.sha256 {
            Some(expected) if expected != came.sha256 => {
                if came.joined && !anew {
                    // A piece may have been of something else: once more from the beginning, and only once.
                    anew = true;
                    resume = Resume::Restart;
                    continue;
                }
                let kept = parts.join(format!("{}.refused", came.sha256));
                fs::rename(&part, &kept).map_err(StoreError::from)?;
                return Err(SourceError::OtherBytes {
                    url: url.clone(),
                    expected,
                    found: came.sha256,
                    found_size: came.size,
                    quarantine: kept.display().to_string(),
                });
            }
            _ => {
                store.adopt(&part, &came.sha256)?;
                return Ok(Stored {
                    sha256: came.sha256,
                    size: came.size,
                    from: Some(url.clone()),
                });
            }
        }
    }
}
