//! Telling a web page from a file by its first bytes.

/// How many bytes are looked at.
const LOOKED_AT: usize = 512;

/// Whether bytes begin like an HTML page (WHATWG MIME Sniffing §7.1, the tags that error pages and
/// portals begin with).
#[must_use]
pub fn is_html(begin: &[u8]) -> bool {
    let begin = begin.get(..LOOKED_AT).unwrap_or(begin);
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
    let text = begin.trim_ascii_start().to_ascii_lowercase();
    [
        &b"<!doctype html"[..],
        b"<html",
        b"<head",
        b"<body",
        b"<script",
    ]
    .iter()
    .any(|tag| text.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_pages_from_files() {
        for page in [
            "<!DOCTYPE html>\n<p>",
            "\u{feff} <html lang=en>",
            "\n\n<HEAD>",
        ] {
            assert!(is_html(page.as_bytes()), "{page}");
        }
        for file in [
            &b"\x1f\x8b\x08"[..],
            b"",
            b"<?xml version",
            b"-----BEGIN PGP",
            b"html",
        ] {
            assert!(!is_html(file), "{file:?}");
        }
    }
}
