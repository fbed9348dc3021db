//! URLs that can be shown and written down.

use std::fmt;
use std::str::FromStr;

use crate::types::text::serde_as_text;

/// An absolute `http`, `https` or `file` URL without credentials, so that it can go into locks,
/// bundles, reports and logs.
///
/// Parsing refuses user names, passwords, white space and control characters; query strings are
/// kept, for some upstreams need them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafeUrl(String);

/// Why a text is no URL that may be written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseUrlError {
    /// It does not start with a known scheme, or has no host or path.
    #[error("`{0}` is no http, https or file URL")]
    Shape(String),
    /// It holds a user name, a password, or a token in its query. The text is not repeated.
    #[error(
        "the URL holds a user name, password or token; URLs are written into locks and reports, where credentials do not belong: give them with --netrc FILE or --token-file FILE"
    )]
    Credentials,
}

impl SafeUrl {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component of the path, without the query; empty when the path ends in `/`.
    #[must_use]
    pub fn file_name(&self) -> &str {
        let path = self.0.split(['?', '#']).next().unwrap_or(&self.0);
        path.rsplit('/').next().unwrap_or(path)
    }

    /// Host, and port where one is written; nothing of a `file:` URL.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        (!authority.is_empty()).then_some(authority)
    }

    /// The path of a `file:` URL.
    #[must_use]
    pub fn local_path(&self) -> Option<&str> {
        self.0.strip_prefix("file://")
    }

    /// This URL with `/` and `rest` appended.
    ///
    /// # Errors
    /// When the result is no URL.
    pub fn join(&self, rest: &str) -> Result<Self, ParseUrlError> {
        format!(
            "{}/{}",
            self.0.trim_end_matches('/'),
            rest.trim_start_matches('/')
        )
        .parse()
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for SafeUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || {
            ParseUrlError::Shape(
                text.chars()
                    .take(200)
                    .flat_map(char::escape_default)
                    .collect(),
            )
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| ParseUrlError::Shape("…".to_owned()))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        if authority.contains('@') || query_names(rest).any(is_credential) {
            return Err(ParseUrlError::Credentials);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(shape());
        }
        match scheme {
            "http" | "https" if !authority.is_empty() => Ok(Self(text.to_owned())),
            "file" if authority.is_empty() && rest.starts_with('/') => Ok(Self(text.to_owned())),
            _ => Err(shape()),
        }
    }
}

serde_as_text!(SafeUrl);

/// The names in the query of a URL.
fn query_names(url: &str) -> impl Iterator<Item = &str> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or(query);
    query
        .split(['&', ';'])
        .map(|pair| pair.split('=').next().unwrap_or(pair))
}

/// Whether a query name is one that carries a credential, by the names that clouds and forges use.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let holds = |word: &str| name.contains(word);
    matches!(name.as_str(), "key" | "sig" | "sas" | "auth" | "pass")
        || [
            "token",
            "secret",
            "passw",
            "apikey",
            "api_key",
            "api-key",
            "credential",
            "signature",
        ]
        .into_iter()
        .any(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_holds_or_repeats_credentials() {
        for secret in [
            "?token=hunter2",
            "?a=b&X-Amz-Signature=hunter2",
            "?private_token=hunter2#x",
        ] {
            let error = format!("https://host/x{secret}")
                .parse::<SafeUrl>()
                .unwrap_err();
            assert_eq!(error, ParseUrlError::Credentials);
        }
        assert!(
            "https://host/x?src=arc&version=1"
                .parse::<SafeUrl>()
                .is_ok()
        );
        let error = "https://user:hunter2@host/x"
            .parse::<SafeUrl>()
            .unwrap_err();
        assert_eq!(error, ParseUrlError::Credentials);
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn splits_and_joins() {
        let url: SafeUrl = "https://example.org/a/b.tar.gz?src=dl".parse().unwrap();
        assert_eq!(url.file_name(), "b.tar.gz");
        assert_eq!(url.authority(), Some("example.org"));
        let base: SafeUrl = "file:///srv/mirror/".parse().unwrap();
        assert_eq!(
            base.join("/dists/x").unwrap().local_path(),
            Some("/srv/mirror/dists/x")
        );
        assert_eq!(base.authority(), None);
        for bad in [
            "",
            "ftp://a/b",
            "https:///x",
            "file://host/x",
            "https://a b/",
            "x",
        ] {
            assert!(bad.parse::<SafeUrl>().is_err(), "{bad}");
        }
    }
}
