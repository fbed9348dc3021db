//! Looking into upstream archives without unpacking them.
//!
//! A survey runs after the digest of a file was found right. It catches what a digest cannot: an
//! error page that was locked as an archive, a build for another processor, an archive without the
//! program it should hold, and entries that would escape or exhaust the machine that unpacks it.

mod kind;
mod limited;
mod tarball;
pub mod ustar;

use std::io::{self, Cursor, Read};

use crate::event::{Cancel, Cancelled};
use crate::types::sniff;
use crate::types::target::Arch;

pub use kind::Kind;

/// Most entries of an archive.
pub const MAX_ENTRIES: u64 = 500_000;
/// Longest name of an entry, in bytes.
pub const MAX_NAME: u64 = 4096;
/// Most bytes that an archive may hold unpacked.
pub const MAX_UNPACKED: u64 = 32 << 30;
/// Most unpacked bytes for each packed byte, beyond [`RATIO_ALLOWANCE`].
pub const MAX_RATIO: u64 = 200;
/// Unpacked bytes to which [`MAX_RATIO`] does not apply: long runs of zeros are common in small files.
pub const RATIO_ALLOWANCE: u64 = 64 << 20;

/// What a file should be.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// Its name, which says what kind of file it is.
    pub file_name: &'q str,
    /// The architecture that its programs must be for.
    pub arch: Arch,
    /// A path that must be inside it.
    pub expect: Option<&'q str>,
}

/// What was found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// What it is.
    pub kind: Kind,
    /// Entries of the archive; 0 when it is none, or none that can be looked into.
    pub entries: u64,
    /// Bytes of all entries, unpacked.
    pub unpacked: u64,
    /// Programs and libraries (ELF) for the wanted architecture.
    pub programs: u64,
}

/// Why a file is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Its first bytes are not those of what its name says.
    #[error("{file} is called {expected}, but is {found}")]
    NotWhatItIsCalled {
        /// The file.
        file: String,
        /// What its name says.
        expected: &'static str,
        /// What it is, with its first bytes.
        found: String,
    },
    /// It breaks off or contradicts itself.
    #[error("{file} is no readable archive")]
    Unreadable {
        /// The file.
        file: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It would unpack to too much.
    #[error("{file} exceeds a limit: {what}")]
    Limit {
        /// The file.
        file: String,
        /// Which limit.
        what: String,
    },
    /// An entry would do harm when unpacked.
    #[error("{file} holds `{entry}`, which {why}")]
    Hostile {
        /// The file.
        file: String,
        /// The entry, escaped.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What must be inside is not.
    #[error("{file} does not hold `{path}`; it begins with {}", shown(.found))]
    Lacks {
        /// The file.
        file: String,
        /// What is missing.
        path: String,
        /// Its first entries.
        found: Vec<String>,
    },
    /// It cannot be looked into, but something must be inside.
    #[error("{file} is {kind}, which cannot be looked into to find `{path}`")]
    Opaque {
        /// The file.
        file: String,
        /// What it is.
        kind: &'static str,
        /// What should be inside.
        path: String,
    },
    /// Its programs are for another architecture.
    #[error("{file}: `{entry}` is a program for {found}, not for {wanted}")]
    OtherArch {
        /// The file.
        file: String,
        /// The program.
        entry: String,
        /// What it is for.
        found: String,
        /// What the bundle is for.
        wanted: Arch,
    },
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl ArchiveError {
    /// The stable id (`E702`, `E503`, `E504`, `E521`; `E601` when the disk did not give the bytes).
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            // What the system says has a number; what the bytes are like has none.
            Self::Unreadable { source, .. } if source.raw_os_error().is_some() => "E601",
            Self::NotWhatItIsCalled { .. }
            | Self::Unreadable { .. }
            | Self::Lacks { .. }
            | Self::Opaque { .. } => "E702",
            Self::Limit { .. } => "E503",
            Self::Hostile { .. } => "E504",
            Self::OtherArch { .. } => "E521",
            Self::Cancelled(_) => "E130",
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unreadable { source, .. } if source.raw_os_error().is_some() => {
                "the disk did not give the bytes: look at it, then run again"
            }
            Self::NotWhatItIsCalled { .. } | Self::Unreadable { .. } => {
                "open the URL in a browser: an error page or a broken upload was locked; lock again when upstream serves the file"
            }
            Self::Lacks { .. } => {
                "correct `expect` in the manifest if upstream changed its layout, else the URL"
            }
            Self::Opaque { .. } => "remove `expect` for this artifact",
            Self::Limit { .. } | Self::Hostile { .. } => {
                "do not use this file; ask upstream about it"
            }
            Self::OtherArch { .. } => {
                "correct `arch` in `target`, or the URL: {arch} stands for the target's architecture"
            }
            Self::Cancelled(_) => return None,
        };
        Some(text.to_owned())
    }
}

/// Looks through a file: its kind against its name, and for tar archives every entry.
///
/// Nothing is written. Memory is bounded whatever the file holds. Archives that hold programs for
/// several architectures are fine as long as some are for the wanted one, and `expect`, when it is a
/// program, is.
///
/// # Errors
/// [`ArchiveError`] when the file is not what `question` says.
pub fn survey(
    mut reader: impl Read,
    question: &Question<'_>,
    cancel: &Cancel,
) -> Result<Survey, ArchiveError> {
    let unreadable = |source| ArchiveError::Unreadable {
        file: question.file_name.to_owned(),
        source,
    };
    let mut begin = Vec::new();
    reader
        .by_ref()
        .take(kind::LOOKED_AT)
        .read_to_end(&mut begin)
        .map_err(unreadable)?;
    let found = Kind::of_bytes(&begin);
    let named = Kind::of_name(question.file_name);
    if let Some(named) = named.filter(|named| !named.admits(found)) {
        return Err(ArchiveError::NotWhatItIsCalled {
            file: question.file_name.to_owned(),
            expected: named.label(),
            found: describe(found, &begin),
        });
    }
    if named.is_none() && sniff::is_html(&begin) {
        return Err(ArchiveError::NotWhatItIsCalled {
            file: question.file_name.to_owned(),
            expected: "a program or archive",
            found: describe(found, &begin),
        });
    }
    let whole = Cursor::new(begin.clone()).chain(reader);
    match found {
        Kind::Gzip if !is_single_gzip(question.file_name) => {
            tarball::survey_gzip(whole, question, cancel)
        }
        #[cfg(feature = "connected")]
        Kind::Xz if named == Some(Kind::Xz) && question.file_name.contains(".tar.") => {
            tarball::survey_xz(whole, question, cancel)
        }
        Kind::Tar => tarball::survey_plain(whole, question, cancel),
        Kind::Elf => program(&begin, question),
        other => match question.expect {
            Some(path) => Err(ArchiveError::Opaque {
                file: question.file_name.to_owned(),
                kind: other.label(),
                path: path.to_owned(),
            }),
            None => Ok(Survey {
                kind: other,
                entries: 0,
                unpacked: 0,
                programs: 0,
            }),
        },
    }
}

/// A `.gz` that is not a packed tar, such as `dump.sql.gz`.
fn is_single_gzip(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_suffix(".gz")
        .is_some_and(|stem| stem.strip_suffix(".tar").is_none())
}

fn program(begin: &[u8], question: &Question<'_>) -> Result<Survey, ArchiveError> {
    match kind::elf_machine(begin) {
        Some(machine) if machine != question.arch.elf_machine() => Err(ArchiveError::OtherArch {
            file: question.file_name.to_owned(),
            entry: question.file_name.to_owned(),
            found: kind::machine_name(machine),
            wanted: question.arch,
        }),
        _ => Ok(Survey {
            kind: Kind::Elf,
            entries: 0,
            unpacked: 0,
            programs: 1,
        }),
    }
}

fn describe(found: Kind, begin: &[u8]) -> String {
    if sniff::is_html(begin) {
        return "an HTML page".to_owned();
    }
    if begin.is_empty() {
        return "empty".to_owned();
    }
    let first: Vec<String> = begin
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{} (it begins {})", found.label(), first.join(" "))
}

fn shown(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.join(", ")
}
