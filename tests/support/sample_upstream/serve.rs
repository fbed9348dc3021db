//! The web server: exact paths only, `HEAD`, ranges with `If-Range`, keep-alive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haversack::types::digest::Digest;

use crate::http::{self, After, Connection, Handler, Head};
use crate::{Failure, evidence};

/// Bytes of one read of a file.
const CHUNK: usize = 256 * 1024;

/// What is published.
#[derive(Debug)]
pub(crate) struct Site {
    files: BTreeMap<String, Published>,
}

/// One file.
#[derive(Debug)]
struct Published {
    file: PathBuf,
    length: u64,
    etag: String,
}

/// Which bytes of a file are asked for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    All,
    Part { first: u64, last: u64 },
    Unsatisfiable,
}

impl Site {
    /// Every file below `dir`.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn of(dir: &Path) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        for path in evidence::files(dir)? {
            let file = dir.join(&path);
            let content = std::fs::read(&file)?;
            let digest = Digest::of(&content);
            let length = u64::try_from(content.len())?;
            files.insert(
                format!("/{path}"),
                Published {
                    file,
                    length,
                    etag: format!("\"{digest}\""),
                },
            );
        }
        Ok(Self { files })
    }

    /// Answers until the process ends.
    pub(crate) fn serve(self, listener: &TcpListener) {
        let handler: Arc<Handler> = Arc::new(move |head, connection| self.answer(head, connection));
        http::serve(listener, &handler);
    }

    fn answer(&self, head: &Head, connection: &mut Connection) -> io::Result<After> {
        if !matches!(head.method.as_str(), "GET" | "HEAD") {
            connection.answer("405 Method Not Allowed", &[("Allow", "GET, HEAD")], b"")?;
            return Ok(After::Close);
        }
        if head.path == "/" {
            let list: Vec<&str> = self.files.keys().map(String::as_str).collect();
            let text = format!(
                "Sample upstream: every archive here is a stand-in.\n\n{}\n",
                list.join("\n")
            );
            connection.answer("200 OK", &[("Content-Type", "text/plain")], text.as_bytes())?;
            return Ok(After::KeepOpen);
        }
        let Some(found) = self.files.get(&head.path) else {
            connection.answer(
                "404 Not Found",
                &[],
                if head.method == "HEAD" {
                    b""
                } else {
                    b"not here\n"
                },
            )?;
            return Ok(After::KeepOpen);
        };
        found.send(head, connection)?;
        Ok(After::KeepOpen)
    }
}

impl Published {
    fn send(&self, head: &Head, connection: &mut Connection) -> io::Result<()> {
        let same = head.header("if-range").is_none_or(|tag| tag == self.etag);
        let range = head
            .header("range")
            .filter(|_| same)
            .map_or(Range::All, |text| range(text, self.length));
        let (status, first, length) = match range {
            Range::All => ("200 OK", 0, self.length),
            Range::Part { first, last } => ("206 Partial Content", first, last - first + 1),
            Range::Unsatisfiable => {
                let whole = format!("bytes */{}", self.length);
                return connection.answer(
                    "416 Range Not Satisfiable",
                    &[("Content-Range", &whole)],
                    b"",
                );
            }
        };
        let size = length.to_string();
        let part = format!(
            "bytes {first}-{}/{}",
            (first + length).saturating_sub(1),
            self.length
        );
        let mut headers = vec![
            ("Content-Length", size.as_str()),
            ("Content-Type", "application/octet-stream"),
            ("Accept-Ranges", "bytes"),
            ("ETag", self.etag.as_str()),
        ];
        if status.starts_with("206") {
            headers.push(("Content-Range", &part));
        }
        connection.head(status, &headers)?;
        if head.method == "HEAD" {
            return Ok(());
        }
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(first))?;
        let mut rest = file.take(length);
        let mut buffer = vec![0_u8; CHUNK];
        loop {
            let count = rest.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            connection.send(bytes)?;
        }
    }
}

/// Reads a `Range` header (RFC 9110, section 14.2); more than one range, or another unit, is the
/// whole file.
fn range(text: &str, length: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|text| text.split_once('-'))
    else {
        return Range::All;
    };
    let end = length.saturating_sub(1);
    let asked = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.min(end)),
        (Ok(first), Err(_)) if last.is_empty() => (first, end),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 => (length.saturating_sub(count), end),
        _ => return Range::All,
    };
    if asked.0 < length {
        Range::Part {
            first: asked.0,
            last: asked.1,
        }
    } else {
        Range::Unsatisfiable
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, range};

    #[test]
    fn reads_the_ranges_of_the_rfc() {
        let part = |first, last| Range::Part { first, last };
        for (text, expected) in [
            ("bytes=0-499", part(0, 499)),
            ("bytes=500-", part(500, 999)),
            ("bytes=-200", part(800, 999)),
            ("bytes=900-5000", part(900, 999)),
            ("bytes=1000-", Range::Unsatisfiable),
            ("bytes=5-4", Range::All),
            ("bytes=0-1,4-5", Range::All),
            ("lines=1-2", Range::All),
        ] {
            assert_eq!(range(text, 1000), expected, "{text}");
        }
    }
}
