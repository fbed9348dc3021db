//! Small files that are read whole: indexes, signatures, checksum files, keys.

use std::path::Path;

use crate::fs::{self, PathError};
use crate::types::url::SafeUrl;

/// Gives the content of URLs. What comes is not trusted: callers check digest or signature.
pub trait Documents: Sync {
    /// The content of `url`, of at most `limit` bytes; `None` when there is nothing (HTTP 404 or 410,
    /// no such file).
    ///
    /// # Errors
    /// When it cannot be had, or is longer than `limit`.
    fn get(&self, url: &SafeUrl, limit: u64) -> Result<Option<Vec<u8>>, DocumentError>;
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A local file cannot be read.
    #[error("{url} cannot be read")]
    Local {
        /// Which.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: PathError,
    },
    /// It is longer than it may be.
    #[error("{url} is longer than {limit} bytes")]
    TooLong {
        /// Which.
        url: SafeUrl,
        /// The limit.
        limit: u64,
    },
    /// The scheme is not served here.
    #[error("{url} cannot be read here: only file URLs can")]
    Scheme {
        /// Which.
        url: SafeUrl,
    },
    /// The network, or the server, failed.
    #[error("{url} cannot be fetched")]
    Fetch {
        /// Which.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Documents behind `file:` URLs. Symbolic links are not followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDocuments;

impl Documents for LocalDocuments {
    fn get(&self, url: &SafeUrl, limit: u64) -> Result<Option<Vec<u8>>, DocumentError> {
        let path = url
            .local_path()
            .ok_or_else(|| DocumentError::Scheme { url: url.clone() })?;
        let path = Path::new(path);
        let local = |source| DocumentError::Local {
            url: url.clone(),
            source,
        };
        match fs::examine(path).map_err(local)? {
            None => Ok(None),
            Some(found) if found.len() > limit => Err(DocumentError::TooLong {
                url: url.clone(),
                limit,
            }),
            Some(_) => fs::read(path, limit).map(Some).map_err(local),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files by hand")]
mod tests {
    use super::*;

    #[test]
    fn reads_local_files_and_keeps_limits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"four").unwrap();
        let url: SafeUrl = format!("file://{}", path.display()).parse().unwrap();
        assert_eq!(LocalDocuments.get(&url, 4).unwrap(), Some(b"four".to_vec()));
        assert!(matches!(
            LocalDocuments.get(&url, 3),
            Err(DocumentError::TooLong { limit: 3, .. })
        ));
        let absent: SafeUrl = format!("file://{}/b", folder.path().display())
            .parse()
            .unwrap();
        assert_eq!(LocalDocuments.get(&absent, 4).unwrap(), None);
        let remote: SafeUrl = "https://example.org/a".parse().unwrap();
        assert!(matches!(
            LocalDocuments.get(&remote, 4),
            Err(DocumentError::Scheme { .. })
        ));
    }
}
