//! A bundle out of a folder of loose files: any names, any order, twice, half, and with junk between.
//!
//! A diode's receiver drops files as they come: without folders, under names that it chooses, growing under
//! their final name. Nothing here is decided by a name or a time. The list is the file whose bytes a trusted
//! key has signed; a signature is what verifies; a file of the bundle is what has its hash. The drop folder
//! is only read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::contents::{self, BUNDLE_JSON, Contents};
use crate::bundle::sums::{self, Sums};
use crate::carry::CarryError;
use crate::carry::incoming::{Expected, Incoming};
use crate::carry::receive::Received;
use crate::event::Progress;
use crate::fs::{At, Root};
use crate::trust::directory::Trust;
use crate::trust::judge::SignatureFile;
use crate::trust::sshsig;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::authentic::{Authentic, MAX_SIGNATURE_FILE, Raw, authenticate};
use crate::verify::{Memory, Options, Problem, VerifyError, VerifyReport, check_platform};

/// Most files of a drop folder that are looked at.
const MAX_FILES: usize = 262_144;
/// Most different lists that are kept in mind.
const MAX_LISTS: usize = 64;
/// Most small files that are tried as signatures in one look.
const MAX_SMALL: usize = 4096;
/// How a list begins.
const LIST_MAGIC: &[u8] = b"# haversack-bundle ";

/// A bundle that is gathered out of a drop folder, look after look.
pub struct Drop<'a> {
    folder: &'a Path,
    target: &'a Path,
    trust: &'a Trust,
    memory: &'a Memory,
    options: &'a Options,
    /// Files as they were when they last were read to their end and found to be nothing that is needed.
    known: BTreeMap<OsString, Stamp>,
    /// Files as the look before saw them.
    before: BTreeMap<OsString, Stamp>,
    state: State,
}

/// How far it is.
enum State {
    /// No list that a trusted key has signed.
    Waiting { reason: String },
    /// The list is proved.
    Gathering(Box<Gathering>),
}

struct Gathering {
    authentic: Authentic,
    list: Vec<u8>,
    incoming: Incoming,
    contents: Option<Contents>,
    /// Files that are in place, proved.
    placed: BTreeSet<RelPath>,
    kept: u64,
}

/// What tells whether a file changed between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    changed: (i64, i64),
    number: u64,
}

/// When a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// When it is the same as at the look before: it may still grow.
    Stable,
    /// At once: nobody writes there any more.
    Now,
}

/// What is not here yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The bundle, once its list is proved.
    pub identity: Option<Digest>,
    /// Why there is no list yet.
    pub reason: Option<String>,
    /// How many files are in place.
    pub files_placed: u64,
    /// The files that did not come yet, sorted.
    pub missing: Vec<RelPath>,
    /// Their bytes together, once `bundle.json` is here.
    pub bytes: Option<u64>,
}

impl Missing {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        "E802"
    }
}

impl<'a> Drop<'a> {
    /// Begins with the drop folder `folder`, for a bundle at `target`, which must not exist.
    #[must_use]
    pub fn new(
        folder: &'a Path,
        target: &'a Path,
        trust: &'a Trust,
        memory: &'a Memory,
        options: &'a Options,
    ) -> Self {
        let reason = "no file is a list (SHA256SUMS) of a bundle".to_owned();
        Self {
            folder,
            target,
            trust,
            memory,
            options,
            known: BTreeMap::new(),
            before: BTreeMap::new(),
            state: State::Waiting { reason },
        }
    }

    /// Looks into the drop folder once, and takes over what is needed and new. Gives what is missing; none
    /// when everything is in place, for [`Drop::finish`].
    ///
    /// # Errors
    /// When the bundle is refused by policy or memory, or the file systems refuse.
    pub fn look(
        &mut self,
        settle: Settle,
        progress: &Progress<'_>,
    ) -> Result<Option<Missing>, CarryError> {
        let root = Root::open(self.folder)?;
        let seen = stamps(&root)?;
        let ready: BTreeMap<OsString, Stamp> = seen
            .iter()
            .filter(|(name, stamp)| settle == Settle::Now || self.before.get(*name) == Some(*stamp))
            .map(|(name, stamp)| (name.clone(), *stamp))
            .collect();
        self.before = seen;
        if let State::Waiting { reason } = &mut self.state {
            let found = find_list(&root, &ready, self.trust, self.memory, self.options, reason)?;
            if let Some((authentic, list)) = found {
                let incoming = Incoming::begin(self.target, &authentic.identity)?;
                let begun = Gathering::begin(authentic, list, incoming, progress)?;
                self.state = State::Gathering(Box::new(begun));
            }
        }
        match &mut self.state {
            State::Waiting { reason } => Ok(Some(Missing {
                identity: None,
                reason: Some(reason.clone()),
                files_placed: 0,
                missing: Vec::new(),
                bytes: None,
            })),
            State::Gathering(gathering) => {
                gathering.more_signatures(&root, &ready, self.trust)?;
                gathering.take_contents(&root, &ready, &mut self.known, self.trust, progress)?;
                gathering.take_all(&root, &ready, &mut self.known, progress)?;
                Ok(gathering.missing())
            }
        }
    }

    /// Gives the bundle its final name. Call it after a [`Drop::look`] that missed nothing.
    ///
    /// # Errors
    /// When something is missing, or the file system refuses.
    pub fn finish(self) -> Result<Received, CarryError> {
        let State::Gathering(gathering) = self.state else {
            return Err(VerifyError::NoBundle {
                path: self.folder.to_owned(),
            }
            .into());
        };
        let Gathering {
            authentic,
            list,
            incoming,
            contents,
            placed,
            kept,
        } = *gathering;
        let absent = authentic
            .sums
            .entries()
            .keys()
            .find(|path| !placed.contains(*path));
        let (Some(contents), None) = (contents, absent) else {
            let path = absent.map_or_else(|| BUNDLE_JSON.to_owned(), ToString::to_string);
            let problems = vec![Problem::Missing { path }];
            return Err(VerifyError::Content { problems }.into());
        };
        let files = u64::try_from(placed.len()).unwrap_or(u64::MAX);
        let report = VerifyReport::proved(
            &authentic,
            self.trust.policy().threshold.get(),
            &contents,
            (files, authentic.sums.header().bytes),
        );
        incoming.finish(&list, &authentic.signatures)?;
        Ok(Received {
            bundle: self.target.to_owned(),
            files_kept: kept,
            report,
        })
    }
}

impl std::fmt::Debug for Drop<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Drop({})", self.folder.display())
    }
}

impl Gathering {
    /// What earlier runs left is hashed, and kept where it is right.
    fn begin(
        authentic: Authentic,
        list: Vec<u8>,
        mut incoming: Incoming,
        progress: &Progress<'_>,
    ) -> Result<Self, CarryError> {
        let entries = authentic.sums.entries();
        incoming.clean(&entries.keys().collect())?;
        let mut placed = BTreeSet::new();
        for (path, digest) in entries {
            if incoming.has_digest(path, digest, progress)? {
                placed.insert(path.clone());
            }
        }
        let kept = u64::try_from(placed.len()).unwrap_or(u64::MAX);
        Ok(Self {
            authentic,
            list,
            incoming,
            contents: None,
            placed,
            kept,
        })
    }

    /// Signatures that came after the list was proved.
    fn more_signatures(
        &mut self,
        root: &Root,
        ready: &BTreeMap<OsString, Stamp>,
        trust: &Trust,
    ) -> Result<(), CarryError> {
        let have = &mut self.authentic.signatures;
        for one in find_signatures(root, ready, &self.list, trust)? {
            if !have.contains(&one) {
                have.push(one);
            }
        }
        have.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Finds `bundle.json` by its hash; it tells the sizes of all others.
    fn take_contents(
        &mut self,
        root: &Root,
        ready: &BTreeMap<OsString, Stamp>,
        known: &mut BTreeMap<OsString, Stamp>,
        trust: &Trust,
        progress: &Progress<'_>,
    ) -> Result<(), CarryError> {
        if self.contents.is_some() {
            return Ok(());
        }
        let sums = &self.authentic.sums;
        let own = sums
            .entries()
            .iter()
            .find(|(path, _)| path.as_str() == BUNDLE_JSON);
        let Some((path, digest)) = own.map(|(path, digest)| (path.clone(), *digest)) else {
            let text = "bundle.json is not listed".to_owned();
            return Err(wrong(contents::ContentsError::Disagrees(text)));
        };
        let mut bytes = self.incoming.held(&path, contents::MAX_BYTES)?;
        bytes = bytes.filter(|bytes| Digest::of(bytes) == digest);
        if bytes.is_none() {
            for (name, stamp) in fresh(ready, known) {
                if stamp.size > contents::MAX_BYTES || stamp.size < 2 {
                    continue;
                }
                // Whether it could be a canonical `bundle.json` is seen by its first byte.
                let found = read_if(root, &name, contents::MAX_BYTES, b"{")?;
                bytes = found.filter(|found| Digest::of(found) == digest);
                if bytes.is_some() {
                    break;
                }
            }
        }
        let Some(bytes) = bytes else { return Ok(()) };
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let contents = Contents::parse(&bytes)
            .and_then(|contents| contents.compare(sums, size).map(|()| contents))
            .map_err(wrong)?;
        check_platform(&contents, trust)?;
        let file = Expected {
            path: &path,
            size,
            digest,
        };
        self.incoming.take(
            &file,
            (&mut bytes.as_slice(), Path::new(BUNDLE_JSON)),
            progress,
        )?;
        self.placed.insert(path);
        let missing = contents
            .files
            .iter()
            .filter(|(path, _)| !self.placed.contains(*path));
        let needed = missing.fold(0_u64, |sum, (_, info)| sum.saturating_add(info.size));
        self.incoming.check_space(needed)?;
        self.contents = Some(contents);
        // What was no `bundle.json` may be another file.
        known.clear();
        Ok(())
    }

    /// Takes over every file that has the size and then the hash of one that is missing.
    fn take_all(
        &mut self,
        root: &Root,
        ready: &BTreeMap<OsString, Stamp>,
        known: &mut BTreeMap<OsString, Stamp>,
        progress: &Progress<'_>,
    ) -> Result<(), CarryError> {
        let Some(contents) = &self.contents else {
            return Ok(());
        };
        let mut wanted: BTreeMap<u64, BTreeMap<Digest, Vec<RelPath>>> = BTreeMap::new();
        for (path, digest) in self.authentic.sums.entries() {
            let size = contents.files.get(path).map(|info| info.size);
            if let (Some(size), false) = (size, self.placed.contains(path)) {
                let paths = wanted.entry(size).or_default().entry(*digest).or_default();
                paths.push(path.clone());
            }
        }
        // An empty file need not come.
        if let Some(paths) = wanted
            .remove(&0)
            .and_then(|mut all| all.remove(&Digest::of(b"")))
        {
            for path in paths {
                self.place(&path, 0, Digest::of(b""), &mut std::io::empty(), progress)?;
            }
        }
        for (name, stamp) in fresh(ready, known) {
            let Some(digests) = wanted.get_mut(&stamp.size) else {
                continue;
            };
            let shown = self
                .incoming
                .arrival(root, Path::new(&name), stamp.size, progress)?;
            known.insert(name, stamp);
            let Some((arrived, digest)) = shown else {
                continue;
            };
            let Some(paths) = digests.remove(&digest) else {
                arrived.discard()?;
                continue;
            };
            let mut paths = paths.into_iter();
            let Some(first) = paths.next() else { continue };
            self.incoming.settle(arrived, &first)?;
            self.placed.insert(first.clone());
            progress.item_done(first.as_str(), false);
            for other in paths {
                let mut from = self.incoming.reopen(&first)?;
                self.place(&other, stamp.size, digest, &mut from, progress)?;
            }
        }
        Ok(())
    }

    fn place(
        &mut self,
        path: &RelPath,
        size: u64,
        digest: Digest,
        from: &mut dyn Read,
        progress: &Progress<'_>,
    ) -> Result<(), CarryError> {
        let file = Expected { path, size, digest };
        if self
            .incoming
            .take(&file, (from, &path.to_path()), progress)?
            == digest
        {
            self.placed.insert(path.clone());
            progress.item_done(path.as_str(), false);
        }
        Ok(())
    }

    fn missing(&self) -> Option<Missing> {
        let entries = self.authentic.sums.entries();
        let missing: Vec<RelPath> = entries
            .keys()
            .filter(|path| !self.placed.contains(*path))
            .cloned()
            .collect();
        if missing.is_empty() && self.contents.is_some() {
            return None;
        }
        let size = |path: &RelPath| Some(self.contents.as_ref()?.files.get(path)?.size);
        let bytes = missing
            .iter()
            .map(size)
            .try_fold(0_u64, |sum, one| sum.checked_add(one?));
        Some(Missing {
            identity: Some(self.authentic.identity),
            reason: None,
            files_placed: u64::try_from(self.placed.len()).unwrap_or(u64::MAX),
            missing,
            bytes,
        })
    }
}

/// The regular files directly in the drop folder.
fn stamps(root: &Root) -> Result<BTreeMap<OsString, Stamp>, CarryError> {
    let mut found = BTreeMap::new();
    for one in root.files(MAX_FILES)? {
        found.insert(
            one.name,
            Stamp {
                size: one.size,
                changed: one.changed,
                number: one.number,
            },
        );
    }
    Ok(found)
}

/// The files that were not read as they are now.
fn fresh(
    ready: &BTreeMap<OsString, Stamp>,
    known: &BTreeMap<OsString, Stamp>,
) -> Vec<(OsString, Stamp)> {
    ready
        .iter()
        .filter(|(name, stamp)| known.get(*name) != Some(*stamp))
        .map(|(name, stamp)| (name.clone(), *stamp))
        .collect()
}

/// The newest list among the files that a trusted key has signed and that this network takes in.
fn find_list(
    root: &Root,
    ready: &BTreeMap<OsString, Stamp>,
    trust: &Trust,
    memory: &Memory,
    options: &Options,
    reason: &mut String,
) -> Result<Option<(Authentic, Vec<u8>)>, CarryError> {
    let limit = u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX);
    let mut lists: BTreeSet<Vec<u8>> = BTreeSet::new();
    for (name, stamp) in ready {
        if stamp.size > limit || lists.len() >= MAX_LISTS {
            continue;
        }
        lists.extend(read_if(root, name, limit, LIST_MAGIC)?);
    }
    let mut best: Option<(Authentic, Vec<u8>)> = None;
    let mut refused: Option<VerifyError> = None;
    for list in lists {
        let signatures = find_signatures(root, ready, &list, trust)?;
        let raw = Raw {
            roots: Vec::new(),
            list: list.clone(),
            signatures,
        };
        match authenticate(raw, trust, memory, options) {
            Ok(authentic) => {
                let other = best.as_ref().map(|(best, _)| best.sums.header());
                let header = authentic.sums.header();
                if let Some(other) = other.filter(|other| other.name != header.name) {
                    return Err(CarryError::Several {
                        path: root.path().to_owned(),
                        names: format!("{} and {}", other.name, header.name),
                    });
                }
                if other.is_none_or(|other| other.sequence < header.sequence) {
                    best = Some((authentic, list));
                }
            }
            // Its signatures may still come; half a list is not signed either.
            Err(VerifyError::Trust(error)) => {
                let label = Digest::of(&list).label();
                *reason =
                    format!("the list {label} is not signed by enough trusted keys yet: {error}");
            }
            Err(VerifyError::Sums(error)) if Sums::parse(&list).is_err() => {
                *reason = error.to_string();
            }
            Err(error) => refused = Some(error),
        }
    }
    match (best, refused) {
        (None, Some(error)) => Err(error.into()),
        (best, _) => Ok(best),
    }
}

/// The signatures over this list among the files, under the names that they have in a bundle.
fn find_signatures(
    root: &Root,
    ready: &BTreeMap<OsString, Stamp>,
    list: &[u8],
    trust: &Trust,
) -> Result<Vec<SignatureFile>, CarryError> {
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let small = ready
        .iter()
        .filter(|(_, stamp)| (1..=MAX_SIGNATURE_FILE).contains(&stamp.size));
    for (name, _) in small.take(MAX_SMALL) {
        // DER of two numbers, or the armour of SSH.
        if let Some(bytes) = read_if(root, name, MAX_SIGNATURE_FILE, b"\x30")? {
            let signer = trust
                .keys()
                .iter()
                .find(|one| one.key.verify(list, &bytes).is_ok());
            if let Some(signer) = signer {
                found.insert(format!("{}.sig", signer.key.key_id()), bytes);
            }
        } else if let Some(bytes) = read_if(root, name, MAX_SIGNATURE_FILE, b"-----BEGIN SSH")?
            && let Ok(key) = sshsig::verify(&bytes, list)
            && trust.keys().iter().any(|one| one.key == key)
        {
            found.insert(format!("{}.sshsig", key.key_id()), bytes);
        }
    }
    let files = found.into_iter();
    Ok(files
        .map(|(name, bytes)| SignatureFile { name, bytes })
        .collect())
}

/// The content of a file of at most `limit` bytes, when it begins so; none too when it went away.
fn read_if(
    root: &Root,
    name: &OsString,
    limit: u64,
    begin: &[u8],
) -> Result<Option<Vec<u8>>, CarryError> {
    let path = Path::new(name);
    let Ok(mut file) = root.open_file(path) else {
        return Ok(None);
    };
    let full: PathBuf = root.path().join(path);
    let mut bytes = Vec::new();
    let first = u64::try_from(begin.len()).unwrap_or(u64::MAX);
    (&mut file)
        .take(first)
        .read_to_end(&mut bytes)
        .at("read", &full)?;
    if bytes != begin {
        return Ok(None);
    }
    file.take(limit).read_to_end(&mut bytes).at("read", &full)?;
    Ok(Some(bytes))
}

fn wrong(error: contents::ContentsError) -> CarryError {
    let problems = vec![Problem::Contents(error)];
    VerifyError::Content { problems }.into()
}
