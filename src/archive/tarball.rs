//! Every entry of a tar, judged without unpacking.
//!
//! Headers are read raw and extended ones (GNU long names, PAX records) here, with limits: libraries
//! differ in how they apply them, and a size stated twice is how two readers come to see two archives.

use std::collections::HashSet;
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use super::kind::{Kind, elf_machine, machine_name};
use super::limited::{Counted, Limited};
use super::{ArchiveError, MAX_ENTRIES, MAX_NAME, Question, Survey};
use crate::event::Cancel;
use crate::types::digest::Digest;

/// Longest extended header, in bytes.
const MAX_EXTENDED: u64 = 64 * 1024;
/// How many entries an error shows.
const SHOWN: usize = 3;
/// Bytes of an ELF header that are looked at.
const ELF_HEAD: u64 = 20;

pub(super) fn survey_gzip(
    reader: impl Read,
    question: &Question<'_>,
    cancel: &Cancel,
) -> Result<Survey, ArchiveError> {
    let (counted, packed) = Counted::new(BufReader::with_capacity(crate::fs::CHUNK, reader));
    let (limited, broken) = Limited::new(MultiGzDecoder::new(counted), packed);
    let result = survey(limited, Kind::Gzip, question, cancel);
    limit_first(result, broken.get(), question)
}

#[cfg(feature = "connected")]
pub(super) fn survey_xz(
    reader: impl Read,
    question: &Question<'_>,
    cancel: &Cancel,
) -> Result<Survey, ArchiveError> {
    /// Memory that a decoder may take: enough for the highest preset of xz.
    const XZ_MEMORY: u64 = 96 << 20;
    let stream =
        liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)
            .map_err(|error| unreadable(question, io::Error::other(error)))?;
    let (counted, packed) = Counted::new(BufReader::with_capacity(crate::fs::CHUNK, reader));
    let decoder = liblzma::read::XzDecoder::new_stream(counted, stream);
    let (limited, broken) = Limited::new(decoder, packed);
    let result = survey(limited, Kind::Xz, question, cancel);
    limit_first(result, broken.get(), question)
}

pub(super) fn survey_plain(
    reader: impl Read,
    question: &Question<'_>,
    cancel: &Cancel,
) -> Result<Survey, ArchiveError> {
    survey(reader, Kind::Tar, question, cancel)
}

/// A passed limit is the reason, whatever error the libraries made of it.
fn limit_first(
    result: Result<Survey, ArchiveError>,
    broken: Option<&'static str>,
    question: &Question<'_>,
) -> Result<Survey, ArchiveError> {
    match broken {
        Some(what) => Err(limit(question, what.to_owned())),
        None => result,
    }
}

/// What is known from extended headers about the entry that follows.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

struct Walk<'q> {
    question: &'q Question<'q>,
    kind: Kind,
    entries: u64,
    unpacked: u64,
    matching: u64,
    /// The first program for another architecture.
    other: Option<(String, u16)>,
    found_expected: bool,
    first: Vec<String>,
    /// Digests of the names of files: 32 bytes each, however long the names are.
    seen: HashSet<Digest>,
}

fn survey(
    reader: impl Read,
    kind: Kind,
    question: &Question<'_>,
    cancel: &Cancel,
) -> Result<Survey, ArchiveError> {
    let mut walk = Walk {
        question,
        kind,
        entries: 0,
        unpacked: 0,
        matching: 0,
        other: None,
        found_expected: false,
        first: Vec::new(),
        seen: HashSet::new(),
    };
    let mut archive = tar::Archive::new(reader);
    let entries = archive
        .entries()
        .map_err(|source| unreadable(question, source))?
        .raw(true);
    let mut extended = Extended::default();
    for entry in entries {
        cancel.check()?;
        let mut entry = entry.map_err(|source| unreadable(question, source))?;
        walk.entries = walk.entries.saturating_add(1);
        if walk.entries > MAX_ENTRIES {
            return Err(limit(question, format!("more than {MAX_ENTRIES} entries")));
        }
        let entry_type = entry.header().entry_type();
        let size = entry
            .header()
            .entry_size()
            .map_err(|source| unreadable(question, source))?;
        match entry_type {
            EntryType::GNULongName => extended.name = Some(long(&mut entry, size, question)?),
            EntryType::GNULongLink => extended.link = Some(long(&mut entry, size, question)?),
            EntryType::XHeader => {
                let records = read_extended(&mut entry, size, question)?;
                pax(&records, &mut extended)
                    .map_err(|why| hostile(question, b"PAX header", why))?;
            }
            EntryType::XGlobalHeader => {
                read_extended(&mut entry, size, question)?;
            }
            _ => {
                let facts = std::mem::take(&mut extended);
                walk.take(&mut entry, entry_type, size, &facts)?;
            }
        }
    }
    walk.finish()
}

impl Walk<'_> {
    fn take<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        entry_type: EntryType,
        size: u64,
        extended: &Extended,
    ) -> Result<(), ArchiveError> {
        let question = self.question;
        let name = match &extended.name {
            Some(name) => name.clone(),
            None => entry.path_bytes().into_owned(),
        };
        if extended.size.is_some_and(|stated| stated != size) {
            return Err(hostile(question, &name, "states two sizes"));
        }
        let folders = inside(&name).map_err(|why| hostile(question, &name, why))?;
        match entry_type {
            EntryType::Directory => return Ok(()),
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Symlink | EntryType::Link => {
                let target = match &extended.link {
                    Some(link) => link.clone(),
                    None => entry.link_name_bytes().unwrap_or_default().into_owned(),
                };
                // A symbolic link starts in its own folder, a hard link at the root.
                let from = if entry_type == EntryType::Symlink {
                    folders.saturating_sub(1)
                } else {
                    0
                };
                return stays_inside(&target, from).map_err(|why| hostile(question, &name, why));
            }
            _ => return Err(hostile(question, &name, "is a device, pipe or sparse file")),
        }
        if !self.seen.insert(Digest::of(trim(&name))) {
            return Err(hostile(question, &name, "comes twice"));
        }
        self.unpacked = self.unpacked.saturating_add(size);
        if self.first.len() < SHOWN {
            self.first.push(escape(&name));
        }
        let expected = question
            .expect
            .is_some_and(|path| path.as_bytes() == trim(&name));
        self.found_expected |= expected;
        let mut head = Vec::new();
        entry
            .by_ref()
            .take(ELF_HEAD)
            .read_to_end(&mut head)
            .map_err(|source| unreadable(question, source))?;
        match elf_machine(&head) {
            Some(machine) if machine == question.arch.elf_machine() => {
                self.matching = self.matching.saturating_add(1);
            }
            Some(machine) if expected => return Err(self.other_arch(escape(&name), machine)),
            Some(machine) => {
                self.other.get_or_insert_with(|| (escape(&name), machine));
            }
            None => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Survey, ArchiveError> {
        let question = self.question;
        if self.entries == 0 {
            let source = io::Error::new(io::ErrorKind::InvalidData, "it holds no entry");
            return Err(unreadable(question, source));
        }
        if let Some(path) = question.expect.filter(|_| !self.found_expected) {
            return Err(ArchiveError::Lacks {
                file: question.file_name.to_owned(),
                path: path.to_owned(),
                found: self.first,
            });
        }
        match &self.other {
            Some((entry, machine)) if self.matching == 0 => {
                Err(self.other_arch(entry.clone(), *machine))
            }
            _ => Ok(Survey {
                kind: self.kind,
                entries: self.entries,
                unpacked: self.unpacked,
                programs: self.matching,
            }),
        }
    }

    fn other_arch(&self, entry: String, machine: u16) -> ArchiveError {
        ArchiveError::OtherArch {
            file: self.question.file_name.to_owned(),
            entry,
            found: machine_name(machine),
            wanted: self.question.arch,
        }
    }
}

fn read_extended<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    size: u64,
    question: &Question<'_>,
) -> Result<Vec<u8>, ArchiveError> {
    if size > MAX_EXTENDED {
        return Err(limit(question, format!("a header of {size} bytes")));
    }
    let mut bytes = Vec::new();
    entry
        .read_to_end(&mut bytes)
        .map_err(|source| unreadable(question, source))?;
    Ok(bytes)
}

/// A GNU long name: text that ends in a zero byte.
fn long<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    size: u64,
    question: &Question<'_>,
) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = read_extended(entry, size, question)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// Takes in PAX records, `LENGTH KEY=VALUE\n` each (POSIX.1-2001 pax, "Extended Header").
fn pax(records: &[u8], extended: &mut Extended) -> Result<(), &'static str> {
    const BAD: &str = "is not readable";
    let mut rest = records;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or(BAD)?;
        let length = rest
            .get(..space)
            .and_then(|text| std::str::from_utf8(text).ok());
        let length: usize = length.and_then(|text| text.parse().ok()).ok_or(BAD)?;
        let record = rest.get(space.saturating_add(1)..length).ok_or(BAD)?;
        let record = record.strip_suffix(b"\n").ok_or(BAD)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or(BAD)?;
        let (key, value) = record.split_at_checked(equals).ok_or(BAD)?;
        let value = value.get(1..).unwrap_or_default();
        match key {
            b"path" => extended.name = Some(value.to_vec()),
            b"linkpath" => extended.link = Some(value.to_vec()),
            b"size" => {
                let text = std::str::from_utf8(value).map_err(|_| BAD)?;
                extended.size = Some(text.parse().map_err(|_| BAD)?);
            }
            key if key.starts_with(b"GNU.sparse") => return Err("is a sparse file"),
            _ => {}
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// How many components a name has, when it stays inside the archive.
fn inside(name: &[u8]) -> Result<usize, &'static str> {
    if u64::try_from(name.len()).unwrap_or(u64::MAX) > MAX_NAME {
        return Err("has too long a name");
    }
    if name.is_empty() || name.contains(&0) {
        return Err("has no usable name");
    }
    if name.starts_with(b"/") {
        return Err("has an absolute name");
    }
    let mut count: usize = 0;
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b".." => return Err("would leave the folder it is unpacked in"),
            b"" | b"." => {}
            _ => count = count.saturating_add(1),
        }
    }
    Ok(count)
}

/// Whether a link from `depth` folders below the root stays inside.
fn stays_inside(target: &[u8], depth: usize) -> Result<(), &'static str> {
    if target.is_empty() || u64::try_from(target.len()).unwrap_or(u64::MAX) > MAX_NAME {
        return Err("is a link to nothing usable");
    }
    if target.starts_with(b"/") {
        return Err("is a link to an absolute path");
    }
    let mut depth = depth;
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b".." => {
                depth = depth
                    .checked_sub(1)
                    .ok_or("is a link that leaves the archive")?;
            }
            b"" | b"." => {}
            _ => depth = depth.saturating_add(1),
        }
    }
    Ok(())
}

/// A name without a leading `./`.
fn trim(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"./").unwrap_or(name)
}

fn escape(name: &[u8]) -> String {
    name.iter()
        .take(120)
        .flat_map(|byte| std::ascii::escape_default(*byte))
        .map(char::from)
        .collect()
}

fn unreadable(question: &Question<'_>, source: io::Error) -> ArchiveError {
    ArchiveError::Unreadable {
        file: question.file_name.to_owned(),
        source,
    }
}

fn limit(question: &Question<'_>, what: String) -> ArchiveError {
    ArchiveError::Limit {
        file: question.file_name.to_owned(),
        what,
    }
}

fn hostile(question: &Question<'_>, entry: &[u8], why: &'static str) -> ArchiveError {
    ArchiveError::Hostile {
        file: question.file_name.to_owned(),
        entry: escape(entry),
        why,
    }
}
