//! URLs that can be shown and written down.

use std::fmt;
use std::str::FromStr;

use crate::types::text::serde_as_text;

/// An absolute `http`, `https` or `file` URL without credentials, so that it can go into locks,
/// bundles, reports and logs; or `file:` with a relative path (RFC 8089 has none: in a lock it starts at
/// the folder of the manifest, so that the lock is the same on every machine).
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
        if let Some(path) = self.relative_path() {
            return path.rsplit('/').next().unwrap_or(path);
        }
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

    /// The path of a `file:` URL; relative where [`Self::relative_path`] is.
    #[must_use]
    pub fn local_path(&self) -> Option<&str> {
        let absolute = self.0.strip_prefix("file://");
        absolute.or_else(|| self.relative_path())
    }

    /// The path of a `file:` URL that starts at the folder of a manifest.
    #[must_use]
    pub fn relative_path(&self) -> Option<&str> {
        let path = self.0.strip_prefix("file:")?;
        (!path.starts_with('/')).then_some(path)
    }

    /// This URL as a lock beside the manifest in `folder`, an absolute path, names it: relative where it is
    /// a path below that folder.
    #[must_use]
    pub fn below(&self, folder: &str) -> Self {
        let path = self.0.strip_prefix("file://");
        let rest = path.and_then(|path| path.strip_prefix(folder.trim_end_matches('/')));
        let rest = rest.and_then(|rest| rest.strip_prefix('/'));
        let relative = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
        relative.map_or_else(|| self.clone(), |rest| Self(format!("file:{rest}")))
    }

    /// This URL as it is for the manifest in `folder`, an absolute path: a relative path starts there.
    ///
    /// # Errors
    /// When the folder has a name that no URL can have.
    pub fn from_folder(&self, folder: &str) -> Result<Self, ParseUrlError> {
        match self.relative_path() {
            Some(path) => format!("file://{}/{path}", folder.trim_end_matches('/')).parse(),
            None => Ok(self.clone()),
        }
    }

    /// Whether both name one place, or one is a relative path that the other ends in.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        let ends = |whole: &Self, part: &Self| {
            let (path, part) = (whole.0.strip_prefix("file://"), part.relative_path());
            let before = path
                .zip(part)
                .and_then(|(path, part)| path.strip_suffix(part));
            before.is_some_and(|before| before.ends_with('/'))
        };
        self == other || ends(self, other) || ends(other, self)
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
        let relative = text
            .strip_prefix("file:")
            .filter(|path| !path.starts_with('/'));
        if let Some(path) = relative {
            let odd = path.chars().any(|c| c.is_whitespace() || c.is_control());
            return if path.is_empty() || odd || path.contains("://") {
                Err(shape())
            } else {
                Ok(Self(text.to_owned()))
            };
        }
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
    fn a_path_below_a_folder_is_the_same_wherever_the_folder_is() {
        let here: SafeUrl = "file:///home/a/site/files/b.bin".parse().unwrap();
        let locked = here.below("/home/a/site");
        assert_eq!(locked.as_str(), "file:files/b.bin");
        assert_eq!(locked.as_str().parse(), Ok(locked.clone()));
        assert_eq!(
            (locked.local_path(), locked.file_name()),
            (Some("files/b.bin"), "b.bin")
        );
        assert_eq!(locked.authority(), None);
        assert_eq!(here.below("/home/a/site/files").file_name(), "b.bin");
        assert_eq!(locked.from_folder("/home/a/site"), Ok(here.clone()));
        assert_eq!(
            locked.from_folder("/srv/x/").unwrap().as_str(),
            "file:///srv/x/files/b.bin"
        );
        assert!(locked.is_same_place(&here) && here.is_same_place(&locked));
        // Elsewhere, and what only begins or ends alike, stays as it is and is another place.
        for folder in ["/home/b", "/home/a/sit", "/home/a/site/files/b.bin"] {
            assert_eq!(here.below(folder), here, "{folder}");
        }
        let other: SafeUrl = "file:es/b.bin".parse().unwrap();
        assert!(!other.is_same_place(&here));
        let web: SafeUrl = "https://host/files/b.bin".parse().unwrap();
        assert_eq!(web.below("/home"), web);
        assert!(!web.is_same_place(&locked));
        for bad in ["file:", "file:a b", "file:a\nb", "file:x://y"] {
            assert!(bad.parse::<SafeUrl>().is_err(), "{bad}");
        }
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
