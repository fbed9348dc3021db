//! Names of container images, and where their registry answers.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::types::digest::Digest;
use crate::types::text::serde_as_text;
use crate::types::url::{ParseUrlError, SafeUrl};

/// Longest repository (OCI distribution specification 1.1, "Pulling manifests").
const MAX_REPOSITORY: usize = 255;
/// Longest tag (the same).
const MAX_TAG: usize = 128;
/// What the images of Docker Hub are called by, and the host that serves them.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// An image by registry, repository and tag, all stated: `docker.io/library/postgres:17.11`.
///
/// The tag `latest` is refused: it names another image tomorrow.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    registry: String,
    repository: String,
    tag: String,
}

/// How a registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over TLS.
    Https,
    /// Without; on this very machine only.
    PlainHttp,
}

/// Why a text is no name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseImageError {
    /// Registry, repository or tag is missing or has other letters.
    #[error(
        "`{0}` is no name of an image: write REGISTRY/REPOSITORY:TAG, such as docker.io/library/postgres:17.11"
    )]
    Shape(String),
    /// The tag is `latest`.
    #[error("`{0}`: latest is another image tomorrow; name the tag of a version")]
    Latest(String),
    /// It holds a digest.
    #[error("`{0}`: write the digest as `digest`, and the tag alone here")]
    Digest(String),
    /// An official image of Docker Hub without its folder.
    #[error("`{0}`: the images that Docker Hub shows without an owner are docker.io/library/…")]
    Library(String),
}

impl ImageName {
    /// Host of the registry, with a port where one is written.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Whether the registry runs on this very machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.registry)
    }

    /// Where the document that the tag names is (`GET /v2/<name>/manifests/<reference>`).
    ///
    /// # Errors
    /// Never for what this type holds; the URL type says so.
    pub fn tag_url(&self, transport: Transport) -> Result<SafeUrl, ParseUrlError> {
        self.url(transport, "manifests", &self.tag)
    }

    /// Where a manifest is, by its digest.
    ///
    /// # Errors
    /// As [`ImageName::tag_url`].
    pub fn manifest_url(
        &self,
        transport: Transport,
        digest: &Digest,
    ) -> Result<SafeUrl, ParseUrlError> {
        self.url(transport, "manifests", &format!("sha256:{digest}"))
    }

    /// Where a configuration or layer is, by its digest.
    ///
    /// # Errors
    /// As [`ImageName::tag_url`].
    pub fn blob_url(
        &self,
        transport: Transport,
        digest: &Digest,
    ) -> Result<SafeUrl, ParseUrlError> {
        self.url(transport, "blobs", &format!("sha256:{digest}"))
    }

    fn url(
        &self,
        transport: Transport,
        kind: &str,
        reference: &str,
    ) -> Result<SafeUrl, ParseUrlError> {
        let scheme = match transport {
            Transport::Https => "https",
            Transport::PlainHttp => "http",
        };
        let host = if self.registry == DOCKER_HUB.0 {
            DOCKER_HUB.1
        } else {
            &self.registry
        };
        format!(
            "{scheme}://{host}/v2/{}/{kind}/{reference}",
            self.repository
        )
        .parse()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

impl fmt::Debug for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for ImageName {
    type Err = ParseImageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || -> String {
            text.chars()
                .take(200)
                .flat_map(char::escape_default)
                .collect()
        };
        let shape = || ParseImageError::Shape(shown());
        if text.contains('@') {
            return Err(ParseImageError::Digest(shown()));
        }
        let (registry, rest) = text.split_once('/').ok_or_else(shape)?;
        let (repository, tag) = rest.split_once(':').ok_or_else(shape)?;
        if !is_registry(registry) || !is_repository(repository) || !is_tag(tag) {
            return Err(shape());
        }
        if tag == "latest" {
            return Err(ParseImageError::Latest(shown()));
        }
        if registry == DOCKER_HUB.0 && !repository.contains('/') {
            return Err(ParseImageError::Library(shown()));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        })
    }
}

serde_as_text!(ImageName);

/// Whether a host, with or without a port, is this very machine.
#[must_use]
pub fn is_loopback(authority: &str) -> bool {
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// A digest as registries write it: `sha256:` and 64 lower-case hex digits.
#[must_use]
pub fn oci_digest(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:")?;
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if hex.bytes().all(lower) {
        hex.parse().ok()
    } else {
        None
    }
}

/// A host that is told from the first folder of a repository: with a dot or a port, or `localhost`.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let told = host.contains('.') || port.is_some() || host == "localhost";
    text.len() <= 255
        && told
        && host.split('.').all(label)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_repository(text: &str) -> bool {
    text.len() <= MAX_REPOSITORY && text.split('/').all(is_folder)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_folder(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let between = text.split(word).filter(|rest| !rest.is_empty());
    let fits = |rest: &str| matches!(rest, "." | "_" | "__") || rest.chars().all(|c| c == '-');
    text.starts_with(word) && text.ends_with(word) && { between }.all(fits)
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= MAX_TAG
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_whole_or_refused_with_the_reason() {
        for (text, url) in [
            (
                "docker.io/library/postgres:17.11",
                "https://registry-1.docker.io/v2/library/postgres/manifests/17.11",
            ),
            (
                "quay.io/a.b/c__d/e--f:v1_2-3",
                "https://quay.io/v2/a.b/c__d/e--f/manifests/v1_2-3",
            ),
            (
                "localhost:5000/x:1",
                "https://localhost:5000/v2/x/manifests/1",
            ),
        ] {
            let name: ImageName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(name.tag_url(Transport::Https).unwrap().as_str(), url);
        }
        for text in [
            "postgres:17",
            "library/postgres:17",
            "docker.io/library/postgres",
            "docker.io/library/Postgres:1",
            "docker.io/library/post..gres:1",
            "docker.io/library/_x:1",
            "docker.io//x:1",
            "docker.io/a/b:-1",
            "docker.io/a/b:1:2",
            "https://docker.io/a/b:1",
            "-x.io/a/b:1",
            "x.io:0/a/b:1",
            "x.io:99999/a/b:1",
            "",
        ] {
            let error = text.parse::<ImageName>().unwrap_err();
            assert!(
                matches!(error, ParseImageError::Shape(_)),
                "{text}: {error}"
            );
        }
        let other = |text: &str| text.parse::<ImageName>().unwrap_err();
        assert!(matches!(
            other("docker.io/a/b:latest"),
            ParseImageError::Latest(_)
        ));
        assert!(matches!(
            other("docker.io/postgres:17"),
            ParseImageError::Library(_)
        ));
        assert!(matches!(
            other("docker.io/a/b:1@sha256:00"),
            ParseImageError::Digest(_)
        ));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (authority, is) in [
            ("127.0.0.1:5000", true),
            ("127.1.2.3", true),
            ("localhost:1", true),
            ("localhost.example.org", false),
            ("128.0.0.1", false),
            ("127.0.0.1.example.org:80", false),
        ] {
            assert_eq!(is_loopback(authority), is, "{authority}");
        }
    }

    #[test]
    fn digests_have_one_form() {
        let hex = "7c5bd8512c6e966455b1d198209358b2d191c77a83ab377c4073281065fb855f";
        assert_eq!(oci_digest(&format!("sha256:{hex}")), hex.parse().ok());
        for other in [
            hex.to_owned(),
            format!("sha512:{hex}"),
            format!("sha256:{}", hex.to_uppercase()),
            "sha256:".to_owned(),
        ] {
            assert_eq!(oci_digest(&other), None, "{other}");
        }
    }
}
