//! `SHA256SUMS`: the signed root of a bundle, a header and one line for each file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::archive::ustar::{self, UnfitError};
use crate::bundle::header::{FORMAT, FieldError, Header, MAX_VOLUMES, number};
use crate::bundle::places::{
    BASE, CHANGES_JSON, MADE, SIG, SUMS, change_of, in_base, in_made, is_of_changes, volume_of,
};
use crate::types::digest::{Digest, hex};
use crate::types::path::{ParsePathError, RelPath};

/// Longest list, in bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most lines of a list, header included.
pub const MAX_LINES: usize = 65_536;
/// Lines of the header.
const HEADER_LINES: usize = 9;

/// The content of `SHA256SUMS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    header: Header,
    entries: BTreeMap<RelPath, Digest>,
}

/// Why a text is no list of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    /// It is written in a newer format.
    #[error("SHA256SUMS: bundle format {found}, this program knows {FORMAT}")]
    Newer {
        /// The format, or the header key that this format does not have.
        found: String,
    },
    /// It is longer than a list may be.
    #[error("SHA256SUMS: more than {MAX_BYTES} bytes or {MAX_LINES} lines")]
    TooLong,
    /// A line is not what it must be.
    #[error("SHA256SUMS line {line}: {problem}: `{text}`")]
    Malformed {
        /// Line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
        /// The line, escaped and shortened.
        text: String,
    },
    /// A listed path is not ASCII.
    #[error("SHA256SUMS line {line}: the path is not plain ASCII: `{text}`")]
    NotAscii {
        /// Line, counted from 1.
        line: usize,
        /// The line, escaped and shortened.
        text: String,
    },
    /// A listed path does not fit every medium.
    #[error("SHA256SUMS line {line}")]
    Unfit {
        /// Line, counted from 1.
        line: usize,
        /// Why it does not fit.
        #[source]
        source: ParsePathError,
    },
    /// A path cannot be carried in the single-file form; only the builder minds.
    #[error("the bundle could not be carried in one file")]
    Tar(#[from] UnfitError),
    /// Two lines name the same path, or paths that are the same on media that ignore case.
    #[error("SHA256SUMS lists `{first}` and `{second}`, which are one file where case is ignored")]
    Twice {
        /// One path.
        first: String,
        /// The other.
        second: String,
    },
}

impl SumsError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "E307",
            Self::Twice { .. } => "E308",
            Self::NotAscii { .. } => "E309",
            Self::Unfit { .. } | Self::Tar(_) => "E310",
            Self::TooLong => "E502",
            Self::Newer { .. } => "E520",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Newer { .. } => {
                    "carry a newer haversack over (a bundle holds one in v1/bin/), or have the bundle built for format 1"
                }
                Self::Tar(_) => "shorten the name in the manifest; nothing was written",
                _ => "have the bundle built again with an unmodified haversack; nothing of it was used",
            }
            .to_owned(),
        )
    }
}

/// Refuses a list of a newer format by its first line alone; anything else is left to
/// [`Sums::parse`]. This is looked at before the signature, for a newer format may sign otherwise.
///
/// # Errors
/// [`SumsError::Newer`].
pub fn check_format(list: &[u8]) -> Result<(), SumsError> {
    let first = list.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let found = first
        .strip_prefix(b"# haversack-bundle ")
        .filter(|digits| digits.len() <= 9)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(number)
        .filter(|found| *found > u64::from(FORMAT) || (*found == 2 && !is_delta(list)));
    found.map_or(Ok(()), |found| {
        Err(SumsError::Newer {
            found: found.to_string(),
        })
    })
}

/// Whether the list says that it builds on a bundle.
fn is_delta(list: &[u8]) -> bool {
    let line = list.split(|byte| *byte == b'\n').nth(5);
    line.is_some_and(|line| line.starts_with(b"# base ") && line != b"# base none")
}

impl Sums {
    /// A list of these files. The header's counts of files are set from them.
    ///
    /// # Errors
    /// When two paths are the same where case is ignored, a path is not for payload, or there are
    /// more than a list may hold.
    pub fn new(mut header: Header, entries: BTreeMap<RelPath, Digest>) -> Result<Self, SumsError> {
        let wrong = |problem: String| malformed(0, &problem, b"");
        header.files = count_files(&entries).map_err(wrong)?;
        let mut folded: BTreeMap<String, &RelPath> = BTreeMap::new();
        for path in entries.keys() {
            check_place(path, &header).map_err(|problem| SumsError::Malformed {
                line: 0,
                problem,
                text: path.to_string(),
            })?;
            if !ustar::fits(path) {
                return Err(UnfitError::Name(path.clone()).into());
            }
            if let Some(first) = folded.insert(path.case_folded(), path) {
                return Err(twice(first, path));
            }
        }
        if entries.len().saturating_add(HEADER_LINES) > MAX_LINES {
            return Err(SumsError::TooLong);
        }
        let sums = Self { header, entries };
        if sums.render().len() > MAX_BYTES {
            return Err(SumsError::TooLong);
        }
        Ok(sums)
    }

    /// Reads a list. There is exactly one text for each list: what this accepts, [`Sums::render`]
    /// gives back byte for byte.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(list: &[u8]) -> Result<Self, SumsError> {
        if list.len() > MAX_BYTES {
            return Err(SumsError::TooLong);
        }
        check_format(list)?;
        let body = list
            .strip_suffix(b"\n")
            .ok_or_else(|| malformed(0, "the last line has no line feed", b""))?;
        if body.split(|byte| *byte == b'\n').count() > MAX_LINES {
            return Err(SumsError::TooLong);
        }
        let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
        for (index, line) in lines.iter().enumerate() {
            let number = index.saturating_add(1);
            if line.iter().any(|byte| !byte.is_ascii()) {
                return Err(SumsError::NotAscii {
                    line: number,
                    text: shown(line),
                });
            }
            if line.iter().any(u8::is_ascii_control) {
                let problem = "a control character (Windows line ends count as such)";
                return Err(malformed(number, problem, line));
            }
        }
        let texts: Vec<&str> = lines
            .iter()
            .map(|line| std::str::from_utf8(line).unwrap_or_default())
            .collect();
        let (head, rest) = texts
            .split_at_checked(HEADER_LINES)
            .ok_or_else(|| malformed(lines.len(), "the header is not complete", b""))?;
        let header = parse_header(head)?;
        let entries = parse_entries(rest, &header)?;
        let listed = count_files(&entries).map_err(|problem| malformed(0, &problem, b""))?;
        if listed != header.files {
            let problem = format!(
                "the header counts {} files, but {listed} are listed",
                header.files
            );
            return Err(malformed(8, &problem, b""));
        }
        let sums = Self { header, entries };
        let format = sums.format().to_string();
        if lines
            .first()
            .and_then(|line| line.rsplit(|byte| *byte == b' ').next())
            != Some(format.as_bytes())
        {
            let problem = "format 2 with changes belongs here, and format 1 without";
            return Err(malformed(1, problem, b""));
        }
        if sums.header.base.is_some() {
            sums.full()?;
        }
        Ok(sums)
    }

    /// 2 when it names changes, else 1.
    fn format(&self) -> u32 {
        if self.has_changes() { 2 } else { 1 }
    }

    /// Whether files of it are made by changes.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        let mut paths = self.entries.keys();
        paths.any(|path| in_made(path).is_some())
    }

    /// The changes in it: the file that each makes by its place in the full bundle, and the change.
    pub fn changes(&self) -> impl Iterator<Item = (RelPath, RelPath)> {
        let made = self.entries.keys().filter_map(in_made);
        made.filter_map(|place| Some((place.clone(), change_of(&place)?)))
    }

    /// The list of the full bundle that a delta makes together with its base: nothing builds on anything, and
    /// what lies below `base/` and `made/` is in its place; the changes are not in it. Of a full bundle: itself.
    ///
    /// # Errors
    /// When two paths become one.
    pub fn full(&self) -> Result<Self, SumsError> {
        let mut header = self.header.clone();
        if header.base.take().is_none() {
            return Ok(self.clone());
        }
        let mut entries = BTreeMap::new();
        let changes = self.has_changes();
        for (path, digest) in &self.entries {
            if changes && is_of_changes(path) {
                continue;
            }
            let place = in_base(path).or_else(|| in_made(path));
            let place = place.unwrap_or_else(|| path.clone());
            if entries.insert(place.clone(), *digest).is_some() {
                return Err(twice(path, &place));
            }
        }
        Self::new(header, entries)
    }

    /// The text of the list: ASCII, LF, sorted bytewise by path.
    #[must_use]
    pub fn render(&self) -> String {
        let header = &self.header;
        let base = header
            .base
            .map_or_else(|| "none".to_owned(), |base| base.to_string());
        let mut text = format!(
            "# haversack-bundle {}\n# name {}\n# version {}\n# sequence {}\n# created {}\n# base {base}\n# volumes {} parity {}\n# files {} bytes {}\n# marking {}\n",
            self.format(),
            header.name,
            header.version,
            header.sequence,
            header.created,
            header.volumes,
            header.parity,
            header.files,
            header.bytes,
            header.marking,
        );
        for (path, digest) in &self.entries {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}  {path}", hex(digest.as_bytes()));
        }
        text
    }

    /// What the bundle is.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Every listed file and its digest, sorted bytewise by path.
    #[must_use]
    pub const fn entries(&self) -> &BTreeMap<RelPath, Digest> {
        &self.entries
    }

    /// The identity of the bundle: the SHA-256 of this list.
    #[must_use]
    pub fn identity(&self) -> Digest {
        Digest::of(self.render().as_bytes())
    }
}

/// How many files of the full bundle are listed. Files that are made, and changes, belong together one by one.
fn count_files(entries: &BTreeMap<RelPath, Digest>) -> Result<u64, String> {
    let made: Vec<RelPath> = entries.keys().filter_map(in_made).collect();
    if made.is_empty() {
        return Ok(u64::try_from(entries.len()).unwrap_or(u64::MAX));
    }
    let has = |path: &RelPath| entries.contains_key(path);
    for place in &made {
        if !change_of(place).is_some_and(|change| has(&change)) {
            return Err(format!("{place} is made, and no change makes it"));
        }
    }
    let extra = entries.keys().filter(|path| is_of_changes(path)).count();
    if extra != made.len().saturating_add(1)
        || !entries.keys().any(|path| path.as_str() == CHANGES_JSON)
    {
        return Err(format!(
            "{} files are made: as many changes, and {CHANGES_JSON}, belong to them",
            made.len()
        ));
    }
    Ok(u64::try_from(entries.len().saturating_sub(extra)).unwrap_or(u64::MAX))
}

fn parse_header(lines: &[&str]) -> Result<Header, SumsError> {
    const KEYS: [&str; HEADER_LINES] = [
        "haversack-bundle",
        "name",
        "version",
        "sequence",
        "created",
        "base",
        "volumes",
        "files",
        "marking",
    ];
    let mut values = [""; HEADER_LINES];
    for (index, ((line, key), value)) in lines.iter().zip(KEYS).zip(&mut values).enumerate() {
        let rest = line
            .strip_prefix("# ")
            .ok_or_else(|| malformed(index.saturating_add(1), "no header line", line.as_bytes()))?;
        let (found, text) = rest.split_once(' ').unwrap_or((rest, ""));
        if found != key {
            let known = KEYS.contains(&found) || index == 0;
            return Err(if known {
                let problem = format!("the header key `{key}` belongs here");
                malformed(index.saturating_add(1), &problem, line.as_bytes())
            } else {
                SumsError::Newer {
                    found: format!("with the header key `{}`", shown(found.as_bytes())),
                }
            });
        }
        *value = text;
    }
    let [
        format,
        name,
        version,
        sequence,
        created,
        base,
        volumes,
        files,
        marking,
    ] = values;
    let field = |line: usize| move |error: FieldError| malformed(line, &error.to_string(), b"");
    if !matches!(format, "1" | "2") {
        return Err(malformed(1, "no bundle format", format.as_bytes()));
    }
    let base = match base {
        "none" => None,
        text => Some(
            strict_digest(text)
                .ok_or_else(|| malformed(6, "`none` or a SHA-256 belongs here", text.as_bytes()))?,
        ),
    };
    let (volumes, parity) = pair(volumes, "parity")
        .and_then(|(volumes, parity)| {
            Some((u16::try_from(volumes).ok()?, u16::try_from(parity).ok()?))
        })
        .filter(|(volumes, parity)| (1..=MAX_VOLUMES).contains(volumes) && *parity <= MAX_VOLUMES)
        .ok_or_else(|| malformed(7, "`volumes N parity M` belongs here", volumes.as_bytes()))?;
    let (files, bytes) = pair(files, "bytes")
        .ok_or_else(|| malformed(8, "`files N bytes M` belongs here", files.as_bytes()))?;
    Ok(Header {
        name: name
            .parse()
            .map_err(|_| malformed(2, "no name of a bundle", name.as_bytes()))?,
        version: version.parse().map_err(field(3))?,
        sequence: sequence.parse().map_err(field(4))?,
        created: created.parse().map_err(field(5))?,
        base,
        volumes,
        parity,
        files,
        bytes,
        marking: marking.parse().map_err(field(9))?,
    })
}

fn parse_entries(lines: &[&str], header: &Header) -> Result<BTreeMap<RelPath, Digest>, SumsError> {
    let mut entries = BTreeMap::new();
    let mut folded: BTreeMap<String, RelPath> = BTreeMap::new();
    let mut previous: Option<RelPath> = None;
    for (index, line) in lines.iter().enumerate() {
        let number = index.saturating_add(HEADER_LINES).saturating_add(1);
        let wrong = |problem: &str| malformed(number, problem, line.as_bytes());
        let (digest, path) = line
            .split_once("  ")
            .and_then(|(digest, path)| Some((strict_digest(digest)?, path)))
            .ok_or_else(|| wrong("no `<64 lower-case hex digits>  <path>`"))?;
        let path: RelPath = path.parse().map_err(|source| match source {
            ParsePathError::Grammar(_) => wrong("no plain relative path"),
            source => SumsError::Unfit {
                line: number,
                source,
            },
        })?;
        check_place(&path, header).map_err(|problem| wrong(&problem))?;
        if let Some(first) = folded.insert(path.case_folded(), path.clone()) {
            return Err(twice(&first, &path));
        }
        if previous.is_some_and(|before| before > path) {
            return Err(wrong("the lines are not sorted by path"));
        }
        previous = Some(path.clone());
        entries.insert(path, digest);
    }
    Ok(entries)
}

/// Refuses paths that the format keeps for itself, and volumes that the header does not count.
fn check_place(path: &RelPath, header: &Header) -> Result<(), String> {
    let first = path.first();
    if first.eq_ignore_ascii_case(SIG) || first.eq_ignore_ascii_case(SUMS) {
        return Err("SHA256SUMS and sig/ cannot be listed".to_owned());
    }
    if first.eq_ignore_ascii_case(BASE) || first.eq_ignore_ascii_case(MADE) {
        if header.base.is_none() || !matches!(first, BASE | MADE) {
            return Err(format!("{first}/ has a place in deltas only"));
        }
        let place = in_base(path)
            .or_else(|| in_made(path))
            .filter(|place| volume_of(place).is_some_and(|volume| volume.starts_with('v')));
        let place = place.ok_or("only files of volumes can lie in base/ and made/")?;
        return check_place(&place, header);
    }
    let Some(volume) = volume_of(path) else {
        return Ok(());
    };
    let most = if volume.starts_with('v') {
        header.volumes
    } else {
        header.parity
    };
    let found = volume.get(1..).and_then(number);
    if found.is_some_and(|found| (1..=u64::from(most)).contains(&found)) {
        Ok(())
    } else {
        Err(format!("the header counts no volume {volume}"))
    }
}

fn strict_digest(text: &str) -> Option<Digest> {
    let lower = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    lower.then(|| text.parse().ok()).flatten()
}

fn pair(text: &str, word: &str) -> Option<(u64, u64)> {
    let (first, rest) = text.split_once(' ')?;
    let (found, second) = rest.split_once(' ')?;
    (found == word).then_some(())?;
    Some((number(first)?, number(second)?))
}

fn twice(first: &RelPath, second: &RelPath) -> SumsError {
    SumsError::Twice {
        first: first.to_string(),
        second: second.to_string(),
    }
}

fn malformed(line: usize, problem: &str, text: &[u8]) -> SumsError {
    SumsError::Malformed {
        line,
        problem: problem.to_owned(),
        text: shown(text),
    }
}

fn shown(text: &[u8]) -> String {
    text.iter()
        .take(160)
        .copied()
        .flat_map(std::ascii::escape_default)
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests;
