//! The client: one connection pool, one set of rules.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::redirect;

use std::io::Read;

use super::error::NetError;
use super::retry::{Attempts, Progress};
use crate::event::Cancel;
use crate::types::url::SafeUrl;

/// Most redirects that are followed for one request.
const MAX_REDIRECTS: usize = 10;

/// How the client behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the server may be silent, before an answer and between pieces of a body.
    pub idle_timeout: Duration,
    /// Least bytes a second, averaged over [`ClientOptions::idle_timeout`].
    pub min_rate: u64,
    /// How often to try a URL without any progress before the next mirror.
    pub attempts: u32,
    /// The wait after the first failure; doubled after each further one, with jitter.
    pub backoff: Duration,
    /// PEM files with certificates to trust beside those of the system.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(30),
            min_rate: 1024,
            attempts: 4,
            backoff: Duration::from_millis(500),
            extra_roots: Vec::new(),
        }
    }
}

/// An HTTP client. Clones share its connections; it may be used from many threads.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::blocking::Client,
    pub(super) options: ClientOptions,
}

/// What to do with a web page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pages {
    Refuse,
    Accept,
}

/// A redirect that was not followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RefusedRedirect {
    #[error("from https to {0}")]
    Downgrade(String),
    #[error("more than {MAX_REDIRECTS} times")]
    TooMany,
    #[error("to a URL with a user name or password")]
    Credentials,
}

impl Client {
    /// A client that verifies TLS against the certificates of the system, and takes proxies from the
    /// environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
    ///
    /// # Errors
    /// When there is no usable certificate store, or an extra certificate is unreadable.
    pub fn new(options: ClientOptions) -> Result<Self, NetError> {
        // reqwest is built without a TLS provider and would panic without a default one. That
        // another caller has installed one already is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut roots = Vec::new();
        for pem in &options.extra_roots {
            roots.extend(
                reqwest::Certificate::from_pem_bundle(pem).map_err(NetError::Certificates)?,
            );
        }
        let mut builder = reqwest::blocking::Client::builder()
            .user_agent(concat!("haversack/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            // Of the blocking client: for each read, not for the whole.
            .timeout(options.idle_timeout)
            .referer(false)
            .redirect(redirect::Policy::custom(judge_redirect));
        if !roots.is_empty() {
            builder = builder.tls_certs_merge(roots);
        }
        let http = builder.build().map_err(NetError::Setup)?;
        Ok(Self { http, options })
    }

    /// The whole of a small document; `None` when the server says that it does not exist.
    ///
    /// # Errors
    /// When it is longer than `limit`, is an HTML page, or cannot be had after some attempts.
    pub fn get(
        &self,
        url: &SafeUrl,
        limit: u64,
        cancel: &Cancel,
    ) -> Result<Option<Vec<u8>>, NetError> {
        self.get_any(url, limit, Pages::Refuse, cancel)
    }

    /// As [`Client::get`], of a page for people: HTML is fine.
    ///
    /// # Errors
    /// When it is longer than `limit`, or cannot be had after some attempts.
    pub fn get_page(
        &self,
        url: &SafeUrl,
        limit: u64,
        cancel: &Cancel,
    ) -> Result<Option<Vec<u8>>, NetError> {
        self.get_any(url, limit, Pages::Accept, cancel)
    }

    fn get_any(
        &self,
        url: &SafeUrl,
        limit: u64,
        pages: Pages,
        cancel: &Cancel,
    ) -> Result<Option<Vec<u8>>, NetError> {
        let mut attempts = Attempts::new(&self.options);
        loop {
            cancel.check()?;
            match self.get_once(url, limit, pages) {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(NetError::Missing { .. }) => return Ok(None),
                Err(error) => attempts.again(error, Progress::None, cancel)?,
            }
        }
    }

    /// The size that the server states for a file, when it states one.
    ///
    /// # Errors
    /// When the file does not exist there, or its server cannot be reached after some attempts.
    pub fn size(&self, url: &SafeUrl, cancel: &Cancel) -> Result<Option<u64>, NetError> {
        let mut attempts = Attempts::new(&self.options);
        loop {
            cancel.check()?;
            match send(url, self.http.head(url.as_str())) {
                Ok(answer) => return Ok(content_length(answer.headers())),
                // Some servers do not answer HEAD.
                Err(NetError::Refused { .. }) => return Ok(None),
                Err(error) => attempts.again(error, Progress::None, cancel)?,
            }
        }
    }

    fn get_once(&self, url: &SafeUrl, limit: u64, pages: Pages) -> Result<Vec<u8>, NetError> {
        let answer = send(url, self.http.get(url.as_str()))?;
        let too_long = || NetError::TooLong {
            url: url.clone(),
            limit,
        };
        let announced = content_length(answer.headers());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        if pages == Pages::Refuse {
            refuse_html(url, answer.headers(), &[])?;
        }
        let mut bytes = Vec::new();
        answer
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| NetError::of_body(url, 0, self.options.min_rate, source))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Err(too_long());
        }
        if pages == Pages::Refuse {
            refuse_html(url, &HeaderMap::new(), &bytes)?;
        }
        Ok(bytes)
    }

    pub(super) fn request(&self, url: &SafeUrl) -> RequestBuilder {
        self.http.get(url.as_str())
    }
}

/// Sends a request; an answer that is no success is an error.
pub(super) fn send(url: &SafeUrl, request: RequestBuilder) -> Result<Response, NetError> {
    let answer = request
        .send()
        .map_err(|error| NetError::of_request(url, error))?;
    let status = answer.status();
    if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(answer);
    }
    let url = url.clone();
    let code = status.as_u16();
    Err(match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => NetError::Missing { url, status: code },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => server(url, &answer),
        _ if status.is_server_error() => server(url, &answer),
        _ => NetError::Refused { url, status: code },
    })
}

fn server(url: SafeUrl, answer: &Response) -> NetError {
    NetError::Server {
        url,
        status: answer.status().as_u16(),
        retry_after: header(answer.headers(), &RETRY_AFTER).and_then(|text| text.parse().ok()),
    }
}

pub(super) fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    header(headers, &CONTENT_LENGTH)?.parse().ok()
}

/// Refuses a web page, unless one was asked for.
pub(super) fn refuse_html(
    url: &SafeUrl,
    headers: &HeaderMap,
    begin: &[u8],
) -> Result<(), NetError> {
    let ending = url.file_name().rsplit('.').next().unwrap_or_default();
    if ending.eq_ignore_ascii_case("html") || ending.eq_ignore_ascii_case("htm") {
        return Ok(());
    }
    let declared = header(headers, &CONTENT_TYPE).is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("text/html")
    });
    if declared || crate::types::sniff::is_html(begin) {
        return Err(NetError::Html { url: url.clone() });
    }
    Ok(())
}

fn judge_redirect(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let to = attempt.url();
    let from_https = attempt.previous().iter().any(|url| url.scheme() == "https");
    let refused = if attempt.previous().len() > MAX_REDIRECTS {
        Some(RefusedRedirect::TooMany)
    } else if !to.username().is_empty() || to.password().is_some() {
        Some(RefusedRedirect::Credentials)
    } else if from_https && to.scheme() != "https" {
        let host = to.host_str().unwrap_or_default();
        Some(RefusedRedirect::Downgrade(format!(
            "{}://{host}",
            to.scheme()
        )))
    } else {
        None
    };
    match refused {
        Some(refused) => attempt.error(refused),
        None => attempt.follow(),
    }
}
