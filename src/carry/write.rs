//! A bundle written as one file.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::archive::ustar::{self, BLOCK, END_BLOCKS};
use crate::bundle::contents::BUNDLE_JSON;
use crate::bundle::places::{CHANGES_JSON, SIG, SUMS};
use crate::bundle::sums::Sums;
use crate::carry::CarryError;
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::{self, At, pass};
use crate::trust::judge::SignatureFile;
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::authentic::{Raw, read};
use crate::verify::structure::{Structure, examine};
use crate::verify::{Problem, VerifyError};

/// A bundle that was written as one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Streamed {
    /// SHA-256 of its list.
    pub identity: Digest,
    /// Files of it, with the list and the signatures.
    pub files: u64,
    /// Bytes of the single file.
    pub bytes: u64,
}

/// Writes the signed bundle that lies in the folders `dirs` to `to`, called `name` in messages. Each byte is
/// read once and hashed on the way; at the first that is not what the list says the writing ends, before the
/// end mark, so that no reader takes it for whole. Same bundle and signatures, same bytes.
///
/// # Errors
/// When it is not signed or not complete, a file of it is wrong or does not fit a tar, or `to` takes no more.
pub fn stream(
    dirs: &[PathBuf],
    (to, name): (&mut dyn Write, &Path),
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Streamed, CarryError> {
    let whole = Whole::open(dirs)?;
    let members = whole.members()?;
    let progress = Progress {
        step: Step::Stream,
        observer,
        cancel,
    };
    let bytes = members
        .iter()
        .fold(0_u64, |sum, member| sum.saturating_add(member.size));
    progress.started(u64::try_from(members.len()).unwrap_or(u64::MAX), bytes);
    let mut written = 0_u64;
    let mut put = |bytes: &[u8]| {
        written = written.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        to.write_all(bytes).at("write", name)
    };
    // Refused before the first byte is written.
    let headers: Vec<ustar::Block> = members
        .iter()
        .map(|member| ustar::header(&member.path, member.size))
        .collect::<Result<_, _>>()?;
    for (member, header) in members.iter().zip(&headers) {
        let path = member.path.as_str();
        progress.item_started(path, member.size);
        put(header)?;
        match &member.bytes {
            Bytes::Held(bytes) => {
                put(bytes)?;
                progress.advance(path, member.size)?;
            }
            Bytes::File(expected) => whole.copy(member, *expected, &mut put, name, &progress)?,
        }
        let padding = usize::try_from(ustar::padding(member.size)).unwrap_or(0);
        put([0; BLOCK].get(..padding).unwrap_or_default())?;
        progress.item_done(path, false);
    }
    put(&[0; BLOCK * END_BLOCKS])?;
    to.flush().at("write", name)?;
    progress.done();
    Ok(Streamed {
        identity: whole.sums.identity(),
        files: u64::try_from(members.len()).unwrap_or(u64::MAX),
        bytes: written,
    })
}

/// A signed bundle of which every file is here.
pub(super) struct Whole {
    raw: Raw,
    pub(super) sums: Sums,
    found: Structure,
}

/// A file of the single file.
pub(super) struct Member {
    pub(super) path: RelPath,
    pub(super) size: u64,
    pub(super) bytes: Bytes,
}

/// Where the bytes of a file come from.
pub(super) enum Bytes {
    /// Memory.
    Held(Vec<u8>),
    /// The bundle, with this digest.
    File(Digest),
}

impl Whole {
    /// Opens the bundle; whose signatures it has is not looked at.
    pub(super) fn open(dirs: &[PathBuf]) -> Result<Self, CarryError> {
        let raw = read(dirs)?;
        if !raw.signatures.iter().any(is_raw) {
            return Err(CarryError::Unsigned {
                path: dirs.first().cloned().unwrap_or_default(),
            });
        }
        let sums = Sums::parse(&raw.list).map_err(VerifyError::from)?;
        let found = examine(&raw.roots, &sums)?;
        if !found.problems.is_empty() {
            let problems = found.problems;
            return Err(VerifyError::Content { problems }.into());
        }
        if !found.absent.is_empty() {
            return Err(CarryError::Absent {
                volumes: found.absent.into_iter().collect(),
            });
        }
        Ok(Self { raw, sums, found })
    }

    /// What the single file holds, in its order.
    pub(super) fn members(&self) -> Result<Vec<Member>, CarryError> {
        let mut members = vec![held(SUMS, self.raw.list.clone())?];
        let mut signatures: Vec<_> = self.raw.signatures.iter().collect();
        signatures.sort_by(|a, b| a.name.cmp(&b.name));
        for one in signatures {
            members.push(held(&format!("{SIG}/{}", one.name), one.bytes.clone())?);
        }
        let entries = self.sums.entries();
        let changes = self.sums.has_changes();
        let is_early = |path: &RelPath| {
            let path = path.as_str();
            path == BUNDLE_JSON || (changes && path == CHANGES_JSON)
        };
        let early = entries.iter().filter(|(path, _)| is_early(path));
        let rest = entries.iter().filter(|(path, _)| !is_early(path));
        for (path, digest) in early.chain(rest) {
            let copies = self.found.copies.get(path);
            let Some(copy) = copies.and_then(|copies| copies.first()) else {
                continue;
            };
            members.push(Member {
                path: path.clone(),
                size: copy.size,
                bytes: Bytes::File(*digest),
            });
        }
        Ok(members)
    }

    /// Copies the bytes of a file, and holds them against its digest.
    pub(super) fn copy(
        &self,
        member: &Member,
        expected: Digest,
        put: &mut dyn FnMut(&[u8]) -> Result<(), fs::PathError>,
        name: &Path,
        progress: &Progress<'_>,
    ) -> Result<(), CarryError> {
        let path = &member.path;
        let copy = self
            .found
            .copies
            .get(path)
            .and_then(|copies| copies.first());
        let root = copy.and_then(|copy| self.raw.roots.get(copy.root));
        let Some(root) = root else {
            let path = path.to_string();
            return Err(VerifyError::NoFile { path }.into());
        };
        let full = root.path().join(path.to_path());
        let mut file = root.open_file(&path.to_path())?;
        fs::advise_sequential(&file);
        let mut sink = Sink(put);
        let found = pass(
            (&mut file, &full),
            Some((&mut sink, name)),
            member.size,
            &mut progress.of(path.as_str()),
        )?
        .finish_counted();
        if found == (expected, member.size) {
            return Ok(());
        }
        let problem = Problem::Altered {
            path: path.to_string(),
            expected,
            found: found.0,
        };
        let problems = vec![problem];
        Err(VerifyError::Content { problems }.into())
    }
}

/// Whether it is a signature that counts towards a threshold.
fn is_raw(file: &SignatureFile) -> bool {
    file.name
        .rsplit_once('.')
        .is_some_and(|(_, end)| end == "sig")
}

fn held(path: &str, bytes: Vec<u8>) -> Result<Member, CarryError> {
    // A signature may have a name that no listed file may have, such as `con.sig`.
    let parsed = path.parse::<RelPath>().map_err(|_| CarryError::Form {
        input: PathBuf::from(path),
        at: 0,
        problem: "a name that cannot be carried in one file".to_owned(),
    })?;
    Ok(Member {
        path: parsed,
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        bytes: Bytes::Held(bytes),
    })
}

/// Lets a pass write through a function.
struct Sink<'a>(&'a mut dyn FnMut(&[u8]) -> Result<(), fs::PathError>);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        (self.0)(bytes).map_err(|error| error.source)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
