//! Documents over plain HTTP and from local files, for tests of sources.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::Read as _;
use std::time::Duration;

use haversack::sources::documents::{DocumentError, Documents, LocalDocuments};
use haversack::types::url::SafeUrl;

/// Fetches `http:` and `https:` URLs with a plain client, and reads `file:` URLs.
#[derive(Debug)]
pub(crate) struct TestDocuments(reqwest::blocking::Client);

impl TestDocuments {
    /// A client that trusts the system's certificates.
    pub(crate) fn new() -> Self {
        // Already installed by another test: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::blocking::Client::builder().timeout(Duration::from_mins(5));
        Self(client.build().unwrap())
    }
}

impl Documents for TestDocuments {
    fn get(&self, url: &SafeUrl, limit: u64) -> Result<Option<Vec<u8>>, DocumentError> {
        if url.local_path().is_some() {
            return LocalDocuments.get(url, limit);
        }
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| DocumentError::Fetch {
            url: url.clone(),
            source,
        };
        let answer = self.0.get(url.as_str()).send();
        let answer = answer.map_err(|error| failed(error.into()))?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.error_for_status();
        let mut bytes = Vec::new();
        answer
            .map_err(|error| failed(error.into()))?
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(error.into()))?;
        if u64::try_from(bytes.len()).unwrap() > limit {
            return Err(DocumentError::TooLong {
                url: url.clone(),
                limit,
            });
        }
        Ok(Some(bytes))
    }
}
