//! What a file is by its name, and by its first bytes. No I/O.

use crate::archive::Kind;
use crate::types::sniff;

/// How many first bytes are looked at.
pub const LOOKED_AT: u64 = 512;

/// Endings whose files are text that a person can read.
const TEXTS: [&str; 22] = [
    ".txt", ".toml", ".lock", ".json", ".jsonl", ".sh", ".asc", ".pem", ".crt", ".md", ".yml",
    ".yaml", ".xml", ".csv", ".conf", ".minisig", ".sha256", ".sha512", ".sums", ".service",
    ".sources", ".sql",
];
/// Names whose files are text.
const TEXT_NAMES: [&str; 3] = ["InRelease", "Release", "SHA256SUMS"];

/// The type that a name promises: `gzip`, `xz`, `zstd`, `bzip2`, `zip`, `tar`, `deb`, `rpm`, `elf` or
/// `text`; `None` when it promises nothing.
#[must_use]
pub fn declared(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    if TEXT_NAMES.contains(&name) || TEXTS.iter().any(|ending| lower.ends_with(ending)) {
        return Some("text");
    }
    Kind::of_name(name).map(word)
}

/// The type that first bytes show: one of those of [`declared`], or `html`, `script`, `empty`, `data`.
#[must_use]
pub fn detected(begin: &[u8]) -> &'static str {
    if begin.is_empty() {
        return "empty";
    }
    match Kind::of_bytes(begin) {
        Kind::Other if sniff::is_html(begin) => "html",
        Kind::Other if begin.starts_with(b"#!") => "script",
        Kind::Other if is_text(begin) => "text",
        kind => word(kind),
    }
}

/// Whether a file that is named as one type is of another one. What was not read does not differ.
pub(super) fn differ(declared: &str, detected: &str) -> bool {
    match (declared, detected) {
        (_, super::NOT_READ) | ("text", "script" | "empty") => false,
        (declared, detected) => declared != detected,
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Gzip => "gzip",
        Kind::Xz => "xz",
        Kind::Zstd => "zstd",
        Kind::Bzip2 => "bzip2",
        Kind::Zip => "zip",
        Kind::Tar => "tar",
        Kind::Deb => "deb",
        Kind::Rpm => "rpm",
        Kind::Elf => "elf",
        _ => "data",
    }
}

/// UTF-8 without control characters but tab and line ends; the last character may be cut.
fn is_text(begin: &[u8]) -> bool {
    let whole = match std::str::from_utf8(begin) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            let good = begin.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(good).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !whole.is_empty()
        && whole
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{c}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_promises_and_bytes_show() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (name, bytes, promised, shown, differs) in [
            (
                "a.tar.gz",
                &b"\x1f\x8b\x08"[..],
                Some("gzip"),
                "gzip",
                false,
            ),
            ("a.tar.gz", b"<!DOCTYPE html>", Some("gzip"), "html", true),
            ("a.tar", &tar, Some("tar"), "tar", false),
            (
                "a_1_amd64.deb",
                b"!<arch>\ndebian-binary   ",
                Some("deb"),
                "deb",
                false,
            ),
            ("a_1_amd64.deb", b"package", Some("deb"), "text", true),
            (
                "notes.txt",
                "grün\n".as_bytes(),
                Some("text"),
                "text",
                false,
            ),
            ("notes.txt", b"\x7fELF", Some("text"), "elf", true),
            ("notes.txt", b"", Some("text"), "empty", false),
            ("verify.sh", b"#!/bin/sh\n", Some("text"), "script", false),
            ("InRelease", b"-----BEGIN PGP", Some("text"), "text", false),
            ("mc", b"\x7fELF", None, "elf", false),
            ("a.sig", b"\x89\x02\x33\x04", None, "data", false),
            (
                "x.json",
                "{\"a\":\"ä".as_bytes().split_last().unwrap().1,
                Some("text"),
                "text",
                false,
            ),
        ] {
            assert_eq!(declared(name), promised, "{name}");
            assert_eq!(detected(bytes), shown, "{name} {bytes:?}");
            assert_eq!(
                promised.is_some_and(|promised| differ(promised, shown)),
                differs,
                "{name}"
            );
        }
        assert!(!differ("gzip", super::super::NOT_READ));
    }
}
