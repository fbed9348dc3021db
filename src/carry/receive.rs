//! A single file read back into a bundle, from a pipe, in one pass.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::changes::{self, Changes};
use crate::bundle::contents::{self, BUNDLE_JSON, Contents};
use crate::bundle::places::{CHANGES_JSON, SIG, SUMS};
use crate::bundle::sums;
use crate::carry::CarryError;
use crate::carry::base::Bases;
use crate::carry::incoming::{Expected, Incoming};
use crate::carry::reader::Reader;
use crate::carry::whole;
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::pass;
use crate::trust::directory::Trust;
use crate::trust::judge::SignatureFile;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::authentic::{
    Authentic, Delta, MAX_SIGNATURE_FILE, MAX_SIGNATURE_FILES, Raw, authenticate_any,
    is_signature_name,
};
use crate::verify::{Memory, Options, Problem, VerifyError, VerifyReport, check_platform, compare};

/// What it takes to take a bundle in.
#[derive(Debug, Clone, Copy)]
pub struct Taking<'a> {
    /// Whom this network trusts.
    pub trust: &'a Trust,
    /// What it took in before.
    pub memory: &'a Memory,
    /// The clock and overrides.
    pub options: &'a Options,
    /// Folders of the bundle that a delta builds on.
    pub bases: &'a [PathBuf],
}

/// A bundle that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    /// Its folder.
    pub bundle: PathBuf,
    /// Files that an earlier run had taken over already.
    pub files_kept: u64,
    /// How much of it came, when it was a delta.
    pub delta: Option<Carried>,
    /// What was proved of it: every byte was hashed while it was written.
    pub report: VerifyReport,
}

/// What a delta carried of its full bundle, list and signatures not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Bytes of the full bundle.
    pub bytes_full: u64,
    /// Bytes that were carried.
    pub bytes_carried: u64,
    /// Files that the base had.
    pub files_of_base: u64,
    /// Files that were made by changes.
    pub files_made: u64,
    /// Bytes of these files.
    pub bytes_made: u64,
    /// Bytes of their changes.
    pub bytes_of_changes: u64,
}

/// Reads a single file from `from`, called `name` in messages, and writes the bundle to the folder `target`,
/// which must not exist. Memory is bounded by the limits of the small files; `from` is read once, front to
/// back, never beyond its end. Nothing is written before the list is known to be signed by whom this network
/// trusts.
///
/// # Errors
/// When the single file is not written the one way, is not trusted, not taken in, or damaged; the target does
/// not appear then, and what arrived whole is kept beside it for the next run.
pub fn receive(
    (from, name): (&mut dyn Read, &Path),
    target: &Path,
    taking: Taking<'_>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Received, CarryError> {
    let mut reader = Reader::new(from, name);
    let begun = Begun::read(&mut reader, taking)?;
    let bases = open_bases(begun.delta.as_ref(), taking.bases)?;
    let mut incoming = Incoming::begin(target, &begun.authentic.identity, begun.delta.as_ref())?;
    let files = begun.files();
    let shares = divide(begun.delta.as_ref(), begun.changes.as_ref(), &files);
    incoming.clean(&files.iter().map(|file| file.path).collect::<BTreeSet<_>>())?;
    let mut needed = 0_u64;
    let mut counted = BTreeSet::new();
    for file in files.iter().chain(&shares.carried) {
        if counted.insert(file.path) && !incoming.may_have(file)? {
            needed = needed.saturating_add(file.size);
        }
    }
    incoming.check_space(needed.saturating_add(shares.scratch))?;
    let progress = Progress {
        step: Step::Receive,
        observer,
        cancel,
    };
    let mut kept = 0_u64;
    let problems = each(
        &mut reader,
        &begun,
        &shares.carried,
        &progress,
        |body, file| {
            if incoming.has(file, &progress)? {
                kept = kept.saturating_add(1);
                pass(
                    (body, name),
                    None,
                    file.size,
                    &mut progress.of(file.path.as_str()),
                )?;
                return Ok(file.digest);
            }
            incoming.take(file, (body, name), &progress)
        },
    )?;
    let report = begun.report(taking.trust, &files, problems)?;
    if let Some(bases) = bases {
        kept = kept.saturating_add(bases.fill(&shares.of_base, &mut incoming, &progress)?);
        if let Some(changes) = &begun.changes {
            let made = bases.make(&shares.made, changes, &mut incoming, &progress)?;
            kept = kept.saturating_add(made);
        }
    }
    whole::check(&begun.contents, &incoming, &progress)?;
    let list = begun.authentic.sums.render();
    incoming.finish(list.as_bytes(), &begun.authentic.signatures)?;
    progress.done();
    Ok(Received {
        bundle: target.to_owned(),
        files_kept: kept,
        delta: begun.delta.is_some().then(|| shares.told()),
        report,
    })
}

/// Reads a single file from `from` as [`receive`] does, and writes nothing.
///
/// # Errors
/// As [`receive`].
pub fn check(
    (from, name): (&mut dyn Read, &Path),
    taking: Taking<'_>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<VerifyReport, CarryError> {
    let mut reader = Reader::new(from, name);
    let begun = Begun::read(&mut reader, taking)?;
    if let Some(delta) = &begun.delta {
        return Err(VerifyError::Base { base: delta.base }.into());
    }
    let progress = Progress {
        step: Step::Verify,
        observer,
        cancel,
    };
    let files = begun.files();
    let problems = each(&mut reader, &begun, &files, &progress, |body, file| {
        let told = &mut progress.of(file.path.as_str());
        Ok(pass((body, name), None, file.size, told)?.finish())
    })?;
    progress.done();
    begun.report(taking.trust, &files, problems)
}

/// Reads every file but `bundle.json`, which was read, up to the end of the single file; gives what is wrong
/// with their bytes.
fn each(
    reader: &mut Reader<'_>,
    begun: &Begun,
    files: &[Expected<'_>],
    progress: &Progress<'_>,
    mut take: impl FnMut(&mut dyn Read, &Expected<'_>) -> Result<Digest, CarryError>,
) -> Result<Vec<Problem>, CarryError> {
    let mut problems = Vec::new();
    let bytes = files
        .iter()
        .fold(0_u64, |sum, file| sum.saturating_add(file.size));
    progress.started(u64::try_from(files.len()).unwrap_or(u64::MAX), bytes);
    for file in files {
        let name = file.path.as_str();
        progress.item_started(name, file.size);
        let first = match name {
            BUNDLE_JSON => Some(&begun.json),
            CHANGES_JSON => begun.changes_json.as_ref(),
            _ => None,
        };
        let found = if let Some(mut bytes) = first.map(Vec::as_slice) {
            // It came first, and is in memory.
            take(&mut bytes, file)?
        } else {
            expect(reader, name, file.size)?;
            let mut body = reader.body(file.size);
            let found = take(&mut body, file)?;
            body.finish(file.size)?;
            found
        };
        problems.extend(compare(
            file.path,
            (file.digest, Some(file.size)),
            (found, file.size),
        ));
        progress.item_done(name, false);
    }
    match reader.next()? {
        None => reader.end()?,
        Some(more) => return Err(reader.misplaced(format!("{} where the end belongs", more.path))),
    }
    Ok(problems)
}

/// The next file must be this one, of this size.
fn expect(reader: &mut Reader<'_>, path: &str, size: u64) -> Result<(), CarryError> {
    match reader.next()? {
        Some(member) if member.path.as_str() != path => {
            Err(reader.misplaced(format!("{} where {path} belongs", member.path)))
        }
        Some(member) if member.size != size => {
            Err(reader.misplaced(format!("{path} of {} bytes, must be {size}", member.size)))
        }
        Some(_) => Ok(()),
        None => Err(reader.misplaced(format!("the end, where {path} belongs"))),
    }
}

/// The base of a delta; none for a full bundle.
pub(super) fn open_bases(
    delta: Option<&Delta>,
    dirs: &[PathBuf],
) -> Result<Option<Bases>, CarryError> {
    delta.map(|delta| Bases::open(dirs, delta.base)).transpose()
}

/// The small files at the beginning, proved: what comes is known from here on.
struct Begun {
    /// The bundle; of a delta, the full bundle that it makes.
    authentic: Authentic,
    delta: Option<Delta>,
    json: Vec<u8>,
    contents: Contents,
    changes_json: Option<Vec<u8>>,
    changes: Option<Changes>,
}

impl Begun {
    fn read(reader: &mut Reader<'_>, taking: Taking<'_>) -> Result<Self, CarryError> {
        let Taking {
            trust,
            memory,
            options,
            ..
        } = taking;
        let list = small(
            reader,
            SUMS,
            u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX),
        )?;
        sums::check_format(&list).map_err(VerifyError::from)?;
        let (signatures, next) = signatures(reader)?;
        let raw = Raw {
            roots: Vec::new(),
            list,
            signatures,
        };
        let (authentic, delta) = authenticate_any(raw, trust, memory, options)?;
        let Some((path, size)) = next.filter(|(path, _)| path == BUNDLE_JSON) else {
            return Err(reader.misplaced(format!("something else where {BUNDLE_JSON} belongs")));
        };
        let json = limited(reader, &path, size, contents::MAX_BYTES)?;
        let own: Option<(&RelPath, Digest)> = authentic
            .sums
            .entries()
            .iter()
            .find(|(path, _)| path.as_str() == BUNDLE_JSON)
            .map(|(path, digest)| (path, *digest));
        let Some((path, expected)) = own else {
            let error = contents::ContentsError::Disagrees("bundle.json is not listed".to_owned());
            return Err(content(vec![Problem::Contents(error)]));
        };
        let found = (Digest::of(&json), size);
        if let Some(problem) = compare(path, (expected, None), found) {
            return Err(content(vec![problem]));
        }
        let contents = Contents::parse(&json)
            .and_then(|contents| contents.compare(&authentic.sums, size).map(|()| contents))
            .map_err(|error| content(vec![Problem::Contents(error)]))?;
        check_platform(&contents, trust)?;
        let changes = delta.as_ref().filter(|delta| delta.sums.has_changes());
        let changes = changes.map(|delta| read_changes(reader, delta, &contents));
        let (changes_json, changes) = changes.transpose()?.unzip();
        Ok(Self {
            authentic,
            delta,
            json,
            contents,
            changes_json,
            changes,
        })
    }

    /// Every listed file, in the order of the list.
    fn files(&self) -> Vec<Expected<'_>> {
        let own = u64::try_from(self.json.len()).unwrap_or(u64::MAX);
        let entries = self.authentic.sums.entries().iter();
        let size = |path: &RelPath| self.contents.files.get(path).map_or(own, |info| info.size);
        entries
            .map(|(path, digest)| Expected {
                path,
                size: size(path),
                digest: *digest,
            })
            .collect()
    }

    /// The report of a bundle of which everything came; an error when something of it is wrong.
    fn report(
        &self,
        trust: &Trust,
        files: &[Expected<'_>],
        problems: Vec<Problem>,
    ) -> Result<VerifyReport, CarryError> {
        if !problems.is_empty() {
            return Err(content(problems));
        }
        let bytes = files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.size));
        Ok(VerifyReport::proved(
            &self.authentic,
            trust.policy().threshold.get(),
            &self.contents,
            (u64::try_from(files.len()).unwrap_or(u64::MAX), bytes),
        ))
    }
}

/// The files of a bundle by where they come from.
pub(super) struct Shares<'f> {
    /// What comes, in the order of the list; of a delta, with its changes.
    pub(super) carried: Vec<Expected<'f>>,
    /// What the base of a delta has.
    pub(super) of_base: Vec<Expected<'f>>,
    /// What is made by changes.
    pub(super) made: Vec<Expected<'f>>,
    /// Bytes of the largest scratch file.
    pub(super) scratch: u64,
    changes: u64,
    full: u64,
}

impl Shares<'_> {
    pub(super) fn told(&self) -> Carried {
        let sum = |files: &[Expected<'_>]| {
            let sizes = files.iter().map(|file| file.size);
            sizes.fold(0, u64::saturating_add)
        };
        let count = |files: &[Expected<'_>]| u64::try_from(files.len()).unwrap_or(u64::MAX);
        Carried {
            bytes_full: self.full,
            bytes_carried: sum(&self.carried),
            files_of_base: count(&self.of_base),
            files_made: count(&self.made),
            bytes_made: sum(&self.made),
            bytes_of_changes: self.changes,
        }
    }
}

/// Divides the files of a bundle.
pub(super) fn divide<'f>(
    delta: Option<&'f Delta>,
    changes: Option<&Changes>,
    files: &[Expected<'f>],
) -> Shares<'f> {
    let (here, made): (Vec<_>, Vec<_>) = files
        .iter()
        .copied()
        .partition(|file| !delta.is_some_and(|delta| delta.makes(file.path)));
    let (mut carried, of_base): (Vec<_>, Vec<_>) = here
        .into_iter()
        .partition(|file| delta.is_none_or(|delta| delta.sums.entries().contains_key(file.path)));
    let own = changes.and_then(|changes| changes.render().ok());
    let own = own.map_or(0, |text| u64::try_from(text.len()).unwrap_or(u64::MAX));
    let size = |path: &RelPath| {
        let change = changes.and_then(|changes| changes.changes.get(path));
        change.map_or(own, |change| change.size)
    };
    let mut extra = 0_u64;
    for (path, digest) in delta.into_iter().flat_map(Delta::extra) {
        let file = Expected {
            path,
            size: size(path),
            digest: *digest,
        };
        extra = extra.saturating_add(file.size);
        carried.push(file);
    }
    carried.sort_by(|a, b| a.path.cmp(b.path));
    let opened = changes
        .into_iter()
        .flat_map(|changes| changes.changes.values());
    let opened = opened.map(|change| {
        let parts = change.base.parts.iter();
        parts.fold(0_u64, |sum, part| sum.saturating_add(part.opened))
    });
    Shares {
        carried,
        of_base,
        made,
        scratch: opened.max().unwrap_or(0),
        changes: extra,
        full: files
            .iter()
            .fold(0, |sum, file| sum.saturating_add(file.size)),
    }
}

/// `changes.json`, which follows `bundle.json`, proved.
fn read_changes(
    reader: &mut Reader<'_>,
    delta: &Delta,
    contents: &Contents,
) -> Result<(Vec<u8>, Changes), CarryError> {
    let json = small(reader, CHANGES_JSON, changes::MAX_BYTES)?;
    let size = u64::try_from(json.len()).unwrap_or(u64::MAX);
    for (path, expected) in delta.sums.entries() {
        if path.as_str() == CHANGES_JSON
            && let Some(problem) = compare(path, (*expected, None), (Digest::of(&json), size))
        {
            return Err(content(vec![problem]));
        }
    }
    let parsed = Changes::parse(&json)
        .and_then(|found| found.compare(&delta.sums, contents).map(|()| found))
        .map_err(|error| content(vec![Problem::Changes(error)]))?;
    Ok((json, parsed))
}

/// The signatures, and the header that follows them.
type Signatures = (Vec<SignatureFile>, Option<(String, u64)>);

fn signatures(reader: &mut Reader<'_>) -> Result<Signatures, CarryError> {
    let mut found: Vec<SignatureFile> = Vec::new();
    loop {
        let Some(member) = reader.next()? else {
            return Ok((found, None));
        };
        let Some(name) = member.path.below(SIG) else {
            return Ok((found, Some((member.path.to_string(), member.size))));
        };
        if !is_signature_name(name) {
            return Err(reader.misplaced(format!("{}, which is no signature", member.path)));
        }
        if found.last().is_some_and(|last| last.name.as_str() >= name) {
            return Err(reader.misplaced(format!("{} out of order", member.path)));
        }
        if found.len() >= MAX_SIGNATURE_FILES {
            return Err(VerifyError::Limit {
                what: "sig/".to_owned(),
                limit: "64 signatures of 64 KiB each",
            }
            .into());
        }
        let name = name.to_owned();
        let bytes = limited(
            reader,
            member.path.as_str(),
            member.size,
            MAX_SIGNATURE_FILE,
        )?;
        found.push(SignatureFile { name, bytes });
    }
}

/// The next file must be this one, and not longer than `limit`.
fn small(reader: &mut Reader<'_>, path: &str, limit: u64) -> Result<Vec<u8>, CarryError> {
    match reader.next()? {
        Some(member) if member.path.as_str() == path => limited(reader, path, member.size, limit),
        Some(member) => Err(reader.misplaced(format!("{} where {path} belongs", member.path))),
        None => Err(reader.misplaced(format!("the end, where {path} belongs"))),
    }
}

fn limited(
    reader: &mut Reader<'_>,
    path: &str,
    size: u64,
    limit: u64,
) -> Result<Vec<u8>, CarryError> {
    if size > limit {
        return Err(VerifyError::Limit {
            what: format!("{path} in {}", reader.name().display()),
            limit: "the limits of its kind",
        }
        .into());
    }
    reader.content(size)
}

fn content(problems: Vec<Problem>) -> CarryError {
    VerifyError::Content { problems }.into()
}
