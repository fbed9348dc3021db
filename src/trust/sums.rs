//! Checksum documents: the text that upstreams publish beside a file.
//!
//! Read are the shapes that the upstreams of the stack use, one entry a line:
//!
//! | shape | written by |
//! |---|---|
//! | `<hex>  name` | GNU coreutils `sha256sum` (text mode) |
//! | `<hex> *name` | GNU coreutils `sha256sum --binary` |
//! | `<hex> name` | `MinIO`, which rewrites the output of `sha256sum` |
//! | `<hex>` alone | side files that hold one digest |
//! | `SHA256 (name) = <hex>` | BSD `sha256`, `sha256sum --tag` |
//!
//! Each of them with SHA-256 or SHA-512. A list of many names is any of the named shapes over several lines. Lines that begin with `#` and
//! empty lines are skipped. A document states no authenticity: it is only as good as the connection
//! it came over, or a signature over it.

use std::str::FromStr;

use crate::types::digest::Digest;
use crate::types::sha512::Sha512;

/// Longest checksum document, in bytes.
pub const MAX_DOCUMENT: u64 = 1024 * 1024;
/// Most lines of a checksum document.
pub const MAX_LINES: usize = 16_384;
/// How many other names an error repeats.
const SHOWN_NAMES: usize = 5;

/// Why a checksum document does not state the digest of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SumsError {
    /// It is longer than [`MAX_DOCUMENT`] or has more than [`MAX_LINES`] lines.
    #[error("the checksum document has more than {MAX_DOCUMENT} bytes or {MAX_LINES} lines")]
    TooLong,
    /// No line is in a known shape.
    #[error("no line of the checksum document is a digest in a known shape; it begins `{0}`")]
    Unreadable(String),
    /// It holds a digest of another kind (MD5, SHA-1, SHA-512) for the file.
    #[error(
        "the checksum document states a digest of {bits} bits for `{file_name}`, not a SHA-{wanted}"
    )]
    OtherKind {
        /// The file.
        file_name: String,
        /// Length of what it states.
        bits: usize,
        /// Length of what is asked for.
        wanted: usize,
    },
    /// It speaks of other files only.
    #[error("the checksum document does not name `{file_name}`; it names {}", shown(.names))]
    NotNamed {
        /// The file.
        file_name: String,
        /// Names in it, at most a few.
        names: Vec<String>,
    },
    /// It states two different digests for the file.
    #[error("the checksum document states both {first} and {second} for `{file_name}`")]
    Ambiguous {
        /// The file.
        file_name: String,
        /// The digest of the earlier line.
        first: String,
        /// The digest of the later line.
        second: String,
    },
}

/// The SHA-256 that the checksum document `text` states for `file_name`.
///
/// Names are compared by their last component (`./dist/a.zip` names `a.zip`). A line without a name
/// counts for any file. The same digest stated twice is fine.
///
/// # Errors
/// When the document is too long, in no known shape, silent about the file, or ambiguous.
pub fn find(text: &str, file_name: &str) -> Result<Digest, SumsError> {
    find_any(text, file_name, 256)
}

/// The SHA-512 that the checksum document `text` states for `file_name`, as [`find`] has it.
///
/// # Errors
/// As [`find`].
pub fn find_sha512(text: &str, file_name: &str) -> Result<Sha512, SumsError> {
    find_any(text, file_name, 512)
}

fn find_any<D>(text: &str, file_name: &str, wanted: usize) -> Result<D, SumsError>
where
    D: FromStr + PartialEq + Copy + ToString,
{
    let limit = usize::try_from(MAX_DOCUMENT).unwrap_or(usize::MAX);
    if text.len() > limit || text.lines().count() > MAX_LINES {
        return Err(SumsError::TooLong);
    }
    let mut found: Option<D> = None;
    let mut other_kind = None;
    let mut names: Vec<String> = Vec::new();
    // Some editors put a byte order mark before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for entry in text.lines().filter_map(parse_line) {
        if entry.name.is_some_and(|name| last(name) != file_name) {
            if names.len() <= SHOWN_NAMES {
                names.extend(entry.name.map(escape));
            }
            continue;
        }
        let Ok(digest) = entry.hex.parse::<D>() else {
            other_kind = Some(entry.hex.len().saturating_mul(4));
            continue;
        };
        match found {
            Some(first) if first != digest => {
                return Err(SumsError::Ambiguous {
                    file_name: file_name.to_owned(),
                    first: first.to_string(),
                    second: digest.to_string(),
                });
            }
            _ => found = Some(digest),
        }
    }
    match (found, other_kind) {
        (Some(digest), _) => Ok(digest),
        (None, Some(bits)) => Err(SumsError::OtherKind {
            file_name: file_name.to_owned(),
            bits,
            wanted,
        }),
        (None, None) if names.is_empty() => Err(SumsError::Unreadable(escape(
            text.lines().next().unwrap_or_default(),
        ))),
        (None, None) => Err(SumsError::NotNamed {
            file_name: file_name.to_owned(),
            names,
        }),
    }
}

struct Entry<'t> {
    hex: &'t str,
    name: Option<&'t str>,
}

fn parse_line(line: &str) -> Option<Entry<'_>> {
    let line = line.trim_end();
    if line.starts_with('#') {
        return None;
    }
    if let Some((left, hex)) = line.rsplit_once(" = ") {
        let (kind, name) = left.split_once(" (")?;
        let name = name.strip_suffix(')')?;
        let known = kind.starts_with("SHA") || kind.starts_with("MD5");
        return (known && is_digest(hex)).then_some(Entry {
            hex,
            name: Some(name),
        });
    }
    match line.split_once(' ') {
        None => is_digest(line).then_some(Entry {
            hex: line,
            name: None,
        }),
        Some((hex, rest)) if is_digest(hex) => {
            let name = rest.strip_prefix([' ', '*']).unwrap_or(rest);
            (!name.is_empty()).then_some(Entry {
                hex,
                name: Some(name),
            })
        }
        Some(_) => None,
    }
}

/// Whether this is a digest in hex of MD5, SHA-1, SHA-256, SHA-384 or SHA-512.
fn is_digest(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 64 | 96 | 128) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn escape(text: &str) -> String {
    text.chars()
        .take(80)
        .flat_map(char::escape_default)
        .collect()
}

fn shown(names: &[String]) -> String {
    let listed: Vec<String> = names
        .iter()
        .take(SHOWN_NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = if names.len() > SHOWN_NAMES {
        ", …"
    } else {
        ""
    };
    format!("{}{more}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "7c5bd8512c6e966455b1d198209358b2d191c77a83ab377c4073281065fb855f";
    const B: &str = "555610c24d53e4316da5b7d3fc25c279d96856d5e0e23ee308c328c5fa881d9f";

    #[test]
    fn reads_every_shape_that_upstreams_publish() {
        let list = format!("# sums\n{B}  other.zip\n\n{A}  ./dist/a.zip\r\n");
        for text in [
            format!("{A}  a.zip\n"),
            format!("{A} a.zip"),
            format!("{A} *a.zip\n"),
            format!("{A}\n"),
            A.to_uppercase(),
            list,
            format!("SHA256 (a.zip) = {A}\nSHA256 (b.zip) = {B}\n"),
            format!("{A}  a.zip\n{A} *a.zip\n"),
            format!("\u{feff}{A}  a.zip\r\n"),
        ] {
            assert_eq!(find(&text, "a.zip").unwrap().to_string(), A, "{text}");
        }
    }

    #[test]
    fn reads_sha512_in_every_shape_and_tells_kinds_apart() {
        let long = format!("{A}{B}");
        for text in [
            format!("{long}  a.zip\n"),
            format!("{long} *a.zip\n"),
            format!("{long}\n"),
            format!("SHA256 (a.zip) = {A}\nSHA512 (a.zip) = {long}\n"),
        ] {
            assert_eq!(find_sha512(&text, "a.zip").unwrap().to_string(), long);
        }
        assert_eq!(
            find_sha512(&format!("{A}  a.zip"), "a.zip")
                .unwrap_err()
                .to_string(),
            "the checksum document states a digest of 256 bits for `a.zip`, not a SHA-512"
        );
    }

    #[test]
    fn refuses_two_digests_for_one_file() {
        for text in [
            format!("{A}  a.zip\n{B}  a.zip\n"),
            format!("{A}\n{B}\n"),
            format!("{A}  a.zip\n{B}\n"),
        ] {
            assert_eq!(
                find(&text, "a.zip"),
                Err(SumsError::Ambiguous {
                    file_name: "a.zip".to_owned(),
                    first: A.to_owned(),
                    second: B.to_owned(),
                })
            );
        }
    }

    #[test]
    fn says_what_the_document_is_about_instead() {
        let error = find(&format!("{A}  minio.RELEASE.X\n"), "minio.linux-amd64").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the checksum document does not name `minio.linux-amd64`; it names `minio.RELEASE.X`"
        );
        let error = find("0123456789abcdef0123456789abcdef  a.zip\n", "a.zip").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the checksum document states a digest of 128 bits for `a.zip`, not a SHA-256"
        );
        let error = find("<!DOCTYPE html>\n<p>Sign in</p>", "a.zip").unwrap_err();
        assert_eq!(error, SumsError::Unreadable("<!DOCTYPE html>".to_owned()));
    }

    #[test]
    fn refuses_a_document_that_is_too_long_before_reading_it() {
        let lines = "\n".repeat(MAX_LINES + 1);
        assert_eq!(find(&lines, "a"), Err(SumsError::TooLong));
        let bytes = "x".repeat(1024 * 1024 + 1);
        assert_eq!(find(&bytes, "a"), Err(SumsError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[\\x00-\\x7f]{0,200}") {
            let _ = find(&text, "a.zip");
        }
    }
}
