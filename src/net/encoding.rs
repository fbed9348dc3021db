//! Bodies that a server packed on its own.

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::error::NetError;
use crate::types::url::SafeUrl;

/// Refuses a body that the server packed although nobody asked for it: its bytes are not the file's.
/// Some servers call a `.gz` file itself gzip-encoded and send it as it is; that is let pass, for the
/// digest decides.
pub(super) fn refuse_encoded(url: &SafeUrl, headers: &HeaderMap) -> Result<(), NetError> {
    let Some(encoding) = headers.get(CONTENT_ENCODING) else {
        return Ok(());
    };
    let encoding = String::from_utf8_lossy(encoding.as_bytes()).to_ascii_lowercase();
    let name = url.file_name().to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let own = match encoding.trim() {
        "identity" | "" => true,
        "gzip" | "x-gzip" => ends(&[".gz", ".tgz"]),
        "zstd" => ends(&[".zst"]),
        "br" => ends(&[".br"]),
        _ => false,
    };
    if own {
        return Ok(());
    }
    Err(NetError::Encoded {
        url: url.clone(),
        encoding: encoding
            .chars()
            .filter(char::is_ascii_graphic)
            .take(20)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_bodies_are_refused_but_for_files_that_are_packed_themselves() {
        for (name, encoding, fits) in [
            ("a.tar.gz", "x-gzip", true),
            ("a.tgz", "gzip", true),
            ("a.deb", "identity", true),
            ("a.deb", "gzip", false),
            ("a.tar.gz", "br", false),
            ("a.gz", "gzip, gzip", false),
            ("a.bin", "deflate", false),
        ] {
            let url: SafeUrl = format!("https://host/{name}").parse().unwrap();
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
            let result = refuse_encoded(&url, &headers);
            assert_eq!(result.is_ok(), fits, "{name} {encoding}");
        }
    }
}
