//! What container registries ask for beyond plain HTTP: the kinds of documents that are accepted, and tokens
//! (OCI distribution specification 1.1; "Token Authentication Specification" of the Distribution project).
//!
//! A registry that wants a token says so in `WWW-Authenticate: Bearer realm=…`. The token is asked for at the
//! realm, for reading this one repository, whatever the registry asks for, and is sent to that registry only. A
//! user name and password are sent to the realm when they are kept for the realm's host: never to another one.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};

use reqwest::StatusCode;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::client::{Client, header};
use super::error::NetError;
use crate::types::image::is_loopback;
use crate::types::secret::Secret;
use crate::types::url::SafeUrl;

/// Kinds of manifests and indexes. Schema 1, which a registry gives to who names none, is not among them.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";
/// Longest answer with a token, in bytes.
const MAX_ANSWER: u64 = 64 << 10;

/// The tokens that registries gave, by registry and repository.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, Secret>>);

/// A document or file of a repository of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Endpoint<'u> {
    /// Scheme and host.
    root: &'u str,
    repository: &'u str,
    is_manifest: bool,
}

/// Where a token is given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Challenge {
    realm: String,
    service: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// What a request to a registry has beyond others.
pub(super) fn with_kinds(url: &SafeUrl, request: RequestBuilder) -> RequestBuilder {
    match endpoint(url) {
        Some(endpoint) if endpoint.is_manifest => request.header(ACCEPT, MANIFESTS),
        _ => request,
    }
}

impl Client {
    /// The token that an earlier answer gave for the repository of `url`.
    pub(super) fn token(&self, url: &SafeUrl) -> Option<HeaderValue> {
        let name = endpoint(url)?.name();
        let tokens = self.tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut value =
            HeaderValue::from_str(&format!("Bearer {}", tokens.get(&name)?.reveal())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Asks for the token that an answer of a registry wants; whether one came.
    pub(super) fn fetch_token(&self, url: &SafeUrl, answer: &Response) -> Result<bool, NetError> {
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(false);
        }
        let (Some(endpoint), Some(said)) =
            (endpoint(url), header(answer.headers(), &WWW_AUTHENTICATE))
        else {
            return Ok(false);
        };
        let Some(challenge) = challenge(said) else {
            return Ok(false);
        };
        let refused = || NetError::Token { url: url.clone() };
        let realm = endpoint.place(&challenge).ok_or_else(refused)?;
        let mut request = self.http.get(realm.as_str());
        if let Some(value) = self.options.credentials.of(&realm) {
            request = request.header(AUTHORIZATION, value);
        }
        let answer = self.send(&realm, request)?;
        let mut bytes = Vec::new();
        let read = answer.take(MAX_ANSWER).read_to_end(&mut bytes);
        read.map_err(|source| NetError::of_body(&realm, 0, self.options.min_rate, source))?;
        // The cause would repeat the answer, which holds the token.
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| refused())?;
        let token = answer.token.or(answer.access_token).ok_or_else(refused)?;
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused());
        }
        let mut tokens = self.tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(endpoint.name(), Secret::new(token));
        Ok(true)
    }
}

impl Endpoint<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.root, self.repository)
    }

    /// The realm with what is asked of it: over TLS, but for a registry on this machine that is spoken to without
    /// and names a realm on this machine.
    fn place(&self, challenge: &Challenge) -> Option<SafeUrl> {
        let mut realm = url::Url::parse(&challenge.realm).ok()?;
        let host = realm.host_str()?;
        let local = self.root.starts_with("http://") && is_loopback(host);
        if realm.scheme() != "https" && !(realm.scheme() == "http" && local) {
            return None;
        }
        let scope = format!("repository:{}:pull", self.repository);
        realm.set_fragment(None);
        {
            let mut query = realm.query_pairs_mut();
            if let Some(service) = &challenge.service {
                query.append_pair("service", service);
            }
            query.append_pair("scope", &scope);
        }
        realm.as_str().parse().ok()
    }
}

/// What a URL names in a registry. A token is sent over TLS, or on this very machine.
fn endpoint(url: &SafeUrl) -> Option<Endpoint<'_>> {
    let authority = url.authority()?;
    let text = url.as_str();
    if !text.starts_with("https://") && !is_loopback(authority) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let (_, path) = rest.split_at_checked(authority.len())?;
    let (root, _) =
        text.split_at_checked(scheme.len().checked_add(3)?.checked_add(authority.len())?)?;
    let (rest, _) = path.strip_prefix("/v2/")?.rsplit_once('/')?;
    let (repository, kind) = rest.rsplit_once('/')?;
    let is_manifest = match kind {
        "manifests" => true,
        "blobs" => false,
        _ => return None,
    };
    Some(Endpoint {
        root,
        repository,
        is_manifest,
    })
}

/// Reads `Bearer realm="…",service="…",scope="…"` (RFC 9110 §11.6.1; values in quotes, as all registries write).
fn challenge(text: &str) -> Option<Challenge> {
    let (scheme, mut rest) = text.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service) = (None, None);
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, tail) = after.split_once('"')?;
        match name.trim_matches([',', ' ']).to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value.to_owned()),
            "service" => service = Some(value.to_owned()),
            _ => {}
        }
        rest = tail;
    }
    Some(Challenge {
        realm: realm?,
        service,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> SafeUrl {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_api_of_a_registry_over_tls_or_on_this_machine_is_one() {
        let manifest = url("https://r.example:5/v2/a/b/manifests/1.0");
        let found = endpoint(&manifest).unwrap();
        assert_eq!(
            (found.root, found.repository, found.is_manifest),
            ("https://r.example:5", "a/b", true)
        );
        let short = url("https://h/v2/a/blobs/x");
        assert_eq!(endpoint(&short).unwrap().root, "https://h");
        let blob = url("http://127.0.0.1:5000/v2/a/blobs/sha256:00");
        assert!(!endpoint(&blob).unwrap().is_manifest);
        for other in [
            "http://r.example/v2/a/manifests/1",
            "https://r.example/v2/a/tags/list",
            "https://r.example/v1/a/manifests/1",
            "https://r.example/v2/manifests/1",
            "https://r.example/x/v2/a/manifests/1",
            "file:///v2/a/manifests/1",
        ] {
            assert_eq!(endpoint(&url(other)), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_asked_for_reading_this_repository_only_and_over_tls() {
        let asked = |registry: &str, said: &str| {
            let registry = url(registry);
            let place = endpoint(&registry).unwrap().place(&challenge(said)?)?;
            Some(place.to_string())
        };
        let hub = "https://r.example/v2/a/b/manifests/1";
        let said = "Bearer realm=\"https://auth.example/token?x=1#y\",service=\"r e\",scope=\"repository:a/b:push,pull\"";
        assert_eq!(
            asked(hub, said).as_deref(),
            Some("https://auth.example/token?x=1&service=r+e&scope=repository%3Aa%2Fb%3Apull")
        );
        let bare = "bearer realm=\"https://auth.example/t\"";
        assert_eq!(
            asked(hub, bare).as_deref(),
            Some("https://auth.example/t?scope=repository%3Aa%2Fb%3Apull")
        );
        let plain = "Bearer realm=\"http://127.0.0.1:9/t\"";
        let here = "http://127.0.0.1:5/v2/a/blobs/x";
        assert_eq!(
            asked(here, plain).as_deref(),
            Some("http://127.0.0.1:9/t?scope=repository%3Aa%3Apull")
        );
        for (registry, said) in [
            (hub, plain),
            (hub, "Bearer realm=\"http://auth.example/t\""),
            (here, "Bearer realm=\"http://auth.example/t\""),
            (hub, "Bearer realm=\"https://user:pass@auth.example/t\""),
            (hub, "Bearer realm=\"file:///etc/passwd\""),
            (hub, "Bearer realm=\"auth\""),
            (hub, "Bearer service=\"x\""),
            (hub, "Basic realm=\"https://auth.example/t\""),
            (hub, "Bearer realm=\"https://auth.example"),
            (hub, ""),
        ] {
            assert_eq!(asked(registry, said), None, "{said}");
        }
    }
}
