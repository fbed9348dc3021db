//! A bundle out of a folder of loose files: any names, any order, twice, half, and with junk between.
//!
//! A diode's receiver drops files as they come: without folders, under names that it chooses, growing under
//! their final name. Nothing here is decided by a name or a time. The list is the file whose bytes a trusted
//! key has signed; a signature is what verifies; a file of the bundle is what has its hash. The drop folder
//! is only read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use serde::Serialize;

use crate::bundle::changes::{self, Changes};
use crate::bundle::contents::{self, BUNDLE_JSON, Contents};
use crate::bundle::places::CHANGES_JSON;
use crate::carry::CarryError;
use crate::carry::base::Bases;
use crate::carry::finding::{Found, Stamp, find_list, find_signatures, read_if, stamps};
use crate::carry::incoming::{Expected, Incoming};
use crate::carry::receive::{Received, Taking, divide, open_bases};
use crate::carry::whole;
use crate::event::Progress;
use crate::fs::Root;
use crate::trust::directory::Trust;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::authentic::{Authentic, Delta};
use crate::verify::{Problem, VerifyError, VerifyReport, check_platform};

/// A bundle that is gathered out of a drop folder, look after look.
pub struct Drop<'a> {
    folder: &'a Path,
    target: &'a Path,
    taking: Taking<'a>,
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
    /// What was signed: of a delta its own list, else that of the bundle.
    list: Vec<u8>,
    delta: Option<Delta>,
    bases: Option<Bases>,
    incoming: Incoming,
    contents: Option<Contents>,
    /// What the changes of a delta are, once that is here.
    changes: Option<Changes>,
    /// Files that are in place, proved.
    placed: BTreeSet<RelPath>,
    kept: u64,
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
    pub fn new(folder: &'a Path, target: &'a Path, taking: Taking<'a>) -> Self {
        let reason = "no file is a list (SHA256SUMS) of a bundle".to_owned();
        Self {
            folder,
            target,
            taking,
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
            let found = find_list(&root, &ready, self.taking, reason)?;
            if let Some(Found {
                authentic,
                delta,
                list,
            }) = found
            {
                let bases = open_bases(delta.as_ref(), self.taking.bases)?;
                let incoming = Incoming::begin(self.target, &authentic.identity, delta.as_ref())?;
                let begun = Gathering::begin(
                    Found {
                        authentic,
                        delta,
                        list,
                    },
                    bases,
                    incoming,
                    progress,
                )?;
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
                gathering.more_signatures(&root, &ready, self.taking.trust)?;
                gathering.take_contents(
                    &root,
                    &ready,
                    &mut self.known,
                    self.taking.trust,
                    progress,
                )?;
                gathering.take_changes(&root, &ready, &mut self.known, progress)?;
                gathering.take_all(&root, &ready, &mut self.known, progress)?;
                Ok(gathering.missing())
            }
        }
    }

    /// Gives the bundle its final name. Call it after a [`Drop::look`] that missed nothing.
    ///
    /// # Errors
    /// When something is missing, or the file system refuses.
    pub fn finish(self, progress: &Progress<'_>) -> Result<Received, CarryError> {
        let State::Gathering(gathering) = self.state else {
            return Err(VerifyError::NoBundle {
                path: self.folder.to_owned(),
            }
            .into());
        };
        let Gathering {
            authentic,
            delta,
            bases,
            mut incoming,
            contents,
            changes,
            mut placed,
            kept,
            ..
        } = *gathering;
        let mut told = None;
        if let (Some(bases), Some(contents)) = (bases, &contents) {
            let files = expected(&authentic, contents);
            let shares = divide(delta.as_ref(), changes.as_ref(), &files);
            bases.fill(&shares.of_base, &mut incoming, progress)?;
            placed.extend(shares.of_base.iter().map(|file| file.path.clone()));
            if let Some(changes) = &changes {
                bases.make(&shares.made, changes, &mut incoming, progress)?;
                placed.extend(shares.made.iter().map(|file| file.path.clone()));
            }
            told = Some(shares.told());
        }
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
        let files = authentic.sums.header().files;
        let report = VerifyReport::proved(
            &authentic,
            self.taking.trust.policy().threshold.get(),
            &contents,
            (files, authentic.sums.header().bytes),
        );
        whole::check(&contents, &incoming, progress)?;
        incoming.finish(authentic.sums.render().as_bytes(), &authentic.signatures)?;
        Ok(Received {
            bundle: self.target.to_owned(),
            files_kept: kept,
            delta: told,
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
        found: Found,
        bases: Option<Bases>,
        mut incoming: Incoming,
        progress: &Progress<'_>,
    ) -> Result<Self, CarryError> {
        let Found {
            authentic,
            delta,
            list,
        } = found;
        let entries = authentic.sums.entries();
        incoming.clean(&entries.keys().collect())?;
        let mut placed = BTreeSet::new();
        let extra = delta.iter().flat_map(Delta::extra);
        for (path, digest) in entries.iter().chain(extra) {
            if incoming.has_digest(path, digest, progress)? {
                placed.insert(path.clone());
            }
        }
        let kept = u64::try_from(placed.len()).unwrap_or(u64::MAX);
        Ok(Self {
            authentic,
            list,
            delta,
            bases,
            incoming,
            contents: None,
            changes: None,
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
        // Of a delta, what stays is signed by the signatures over the full list.
        let full = self
            .delta
            .is_some()
            .then(|| self.authentic.sums.render().into_bytes());
        let list = full.as_ref().unwrap_or(&self.list);
        let have = &mut self.authentic.signatures;
        for one in find_signatures(root, ready, list, trust, "")? {
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

    /// Finds `changes.json` of a delta by its hash; it tells the sizes of the changes.
    fn take_changes(
        &mut self,
        root: &Root,
        ready: &BTreeMap<OsString, Stamp>,
        known: &mut BTreeMap<OsString, Stamp>,
        progress: &Progress<'_>,
    ) -> Result<(), CarryError> {
        let (Some(contents), Some(delta), None) = (&self.contents, &self.delta, &self.changes)
        else {
            return Ok(());
        };
        let own = delta
            .extra()
            .find(|(path, _)| path.as_str() == CHANGES_JSON);
        let Some((path, digest)) = own else {
            return Ok(());
        };
        let right = |bytes: &Vec<u8>| Digest::of(bytes) == *digest;
        let mut bytes = self.incoming.held(path, changes::MAX_BYTES)?.filter(right);
        for (name, stamp) in ready {
            if bytes.is_none() && stamp.size <= changes::MAX_BYTES {
                bytes = read_if(root, name, changes::MAX_BYTES, b"{")?.filter(right);
            }
        }
        let Some(bytes) = bytes else { return Ok(()) };
        let found = Changes::parse(&bytes)
            .and_then(|found| found.compare(&delta.sums, contents).map(|()| found))
            .map_err(|error| VerifyError::Content {
                problems: vec![Problem::Changes(error)],
            })?;
        let file = Expected {
            path,
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            digest: *digest,
        };
        let from: (&mut dyn Read, &Path) = (&mut bytes.as_slice(), Path::new(CHANGES_JSON));
        self.incoming.take(&file, from, progress)?;
        self.placed.insert(path.clone());
        self.changes = Some(found);
        known.clear();
        Ok(())
    }

    /// The size of a file that comes, as far as it is known yet.
    fn size_of(&self, path: &RelPath) -> Option<u64> {
        let changes = self.changes.as_ref();
        if let Some(change) = changes.and_then(|changes| changes.changes.get(path)) {
            return Some(change.size);
        }
        Some(self.contents.as_ref()?.files.get(path)?.size)
    }

    /// Every file that comes, and what a delta carries for the sake of its changes.
    fn coming(&self) -> impl Iterator<Item = (&RelPath, &Digest)> {
        let extra = self.delta.iter().flat_map(Delta::extra);
        let entries = self.authentic.sums.entries().iter();
        let entries = entries.filter(|(path, _)| self.is_carried(path));
        entries.chain(extra)
    }

    /// Takes over every file that has the size and then the hash of one that is missing.
    fn take_all(
        &mut self,
        root: &Root,
        ready: &BTreeMap<OsString, Stamp>,
        known: &mut BTreeMap<OsString, Stamp>,
        progress: &Progress<'_>,
    ) -> Result<(), CarryError> {
        if self.contents.is_none() {
            return Ok(());
        }
        let mut wanted: BTreeMap<u64, BTreeMap<Digest, Vec<RelPath>>> = BTreeMap::new();
        for (path, digest) in self.coming() {
            let here = self.placed.contains(path);
            if let (Some(size), false) = (self.size_of(path), here) {
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

    /// Whether a file comes, and is not taken from the base of a delta.
    fn is_carried(&self, path: &RelPath) -> bool {
        let delta = self.delta.as_ref();
        delta.is_none_or(|delta| delta.sums.entries().contains_key(path))
    }

    fn missing(&self) -> Option<Missing> {
        let missing: Vec<RelPath> = self
            .coming()
            .map(|(path, _)| path)
            .filter(|path| !self.placed.contains(*path))
            .cloned()
            .collect();
        if missing.is_empty() && self.contents.is_some() {
            return None;
        }
        let bytes = missing
            .iter()
            .map(|path| self.size_of(path))
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

/// Every file of the bundle as list and `bundle.json` describe it, but `bundle.json` itself.
fn expected<'a>(authentic: &'a Authentic, contents: &Contents) -> Vec<Expected<'a>> {
    let entries = authentic.sums.entries().iter();
    let described = entries.filter_map(|(path, digest)| {
        let size = contents.files.get(path)?.size;
        Some(Expected {
            path,
            size,
            digest: *digest,
        })
    });
    described.collect()
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

fn wrong(error: contents::ContentsError) -> CarryError {
    let problems = vec![Problem::Contents(error)];
    VerifyError::Content { problems }.into()
}
