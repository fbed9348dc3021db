//! The client: one connection pool, one set of rules.

use std::fmt;
use std::io::Read;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName,
    RETRY_AFTER,
};

use super::credentials::Credentials;
use super::encoding::refuse_encoded;
use super::error::NetError;
use super::proxy::Proxies;
use super::redirect::{self, reached, unfollowed};
use super::registry::{Tokens, with_kinds};
use super::retry::{Attempts, Progress, retry_after};
use super::throttle::{Slot, Slots, Throttle};
use crate::event::Cancel;
use crate::types::size::ByteSize;
use crate::types::url::SafeUrl;

/// Whether the network may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// Requests are sent.
    #[default]
    Network,
    /// No request is sent; each is an error.
    Offline,
}

/// How the client behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Whether the network may be used.
    pub access: Access,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the server may be silent, before an answer and between pieces of a body.
    pub idle_timeout: Duration,
    /// Least bytes a second, averaged over [`ClientOptions::idle_timeout`]; 0 for any. Time that
    /// [`ClientOptions::rate`] takes does not count.
    pub min_rate: u64,
    /// Most bytes a second of all downloads together.
    pub rate: Option<NonZeroU64>,
    /// Most bytes of a download whose size is not known beforehand.
    pub max_size: u64,
    /// Most requests that are under way to one host.
    pub per_host: NonZeroUsize,
    /// How often to try a URL without any progress before the next mirror.
    pub attempts: u32,
    /// The wait after the first failure; doubled after each further one, with jitter.
    pub backoff: Duration,
    /// The longest wait that a server may ask for; when it asks for more, the next mirror is tried.
    pub max_retry_after: Duration,
    /// What the clock says, for servers that state until when to wait but not what time they think it
    /// is. `None` reads such a date over.
    pub clock: Option<fn() -> Timestamp>,
    /// PEM files with certificates to trust beside those of the system.
    pub extra_roots: Vec<Vec<u8>>,
    /// What to show to which host.
    pub credentials: Credentials,
    /// Names of the proxy variables that hold something, for messages.
    pub proxy_variables: Vec<String>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        const EIGHT: NonZeroUsize = NonZeroUsize::new(8).unwrap();
        Self {
            access: Access::Network,
            connect_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(30),
            min_rate: 1024,
            rate: None,
            max_size: 8 << 30,
            per_host: EIGHT,
            attempts: 4,
            backoff: Duration::from_millis(500),
            max_retry_after: Duration::from_mins(2),
            clock: None,
            extra_roots: Vec::new(),
            credentials: Credentials::default(),
            proxy_variables: Vec::new(),
        }
    }
}

/// An HTTP client. Clones share its connections and limits; it may be used from many threads.
#[derive(Clone)]
pub struct Client {
    pub(super) http: reqwest::blocking::Client,
    pub(super) options: Arc<ClientOptions>,
    pub(super) throttle: Arc<Throttle>,
    slots: Arc<Slots>,
    proxies: Arc<Proxies>,
    received: Arc<AtomicU64>,
    pub(super) tokens: Arc<Tokens>,
}

/// What to do with a web page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pages {
    Refuse,
    Accept,
}

impl fmt::Debug for Client {
    /// Without the inner client, which knows the passwords of proxies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
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
            .redirect(redirect::policy());
        if !roots.is_empty() {
            builder = builder.tls_certs_merge(roots);
        }
        let http = builder.build().map_err(NetError::Setup)?;
        Ok(Self {
            http,
            throttle: Arc::new(Throttle::new(options.rate)),
            slots: Arc::new(Slots::new(options.per_host)),
            proxies: Arc::new(Proxies::new(options.proxy_variables.clone())),
            received: Arc::default(),
            tokens: Arc::default(),
            options: Arc::new(options),
        })
    }

    /// Whether requests are sent.
    #[must_use]
    pub fn access(&self) -> Access {
        self.options.access
    }

    /// Bytes of bodies that came so far, those that came again counted again.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
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
            let result = self.get_once(url, limit, pages, cancel);
            match result {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(NetError::Missing { .. }) => return Ok(None),
                Err(error) => attempts.again(error, Progress::None, &mut |_, _| {}, cancel)?,
            }
        }
    }

    fn get_once(
        &self,
        url: &SafeUrl,
        limit: u64,
        pages: Pages,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, NetError> {
        let _slot = self.slot(url, cancel)?;
        let mut answer = self.ask(url, |request| request)?;
        let too_long = || NetError::TooLong {
            url: url.clone(),
            limit,
        };
        let announced = content_length(answer.headers());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        refuse_encoded(url, answer.headers())?;
        if pages == Pages::Refuse {
            refuse_html(url, answer.headers(), &[])?;
        }
        let mut bytes = Vec::new();
        let mut meter = self.meter(0);
        let mut buffer = vec![0; self.throttle.piece()];
        loop {
            let at = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if at > limit {
                return Err(too_long());
            }
            let count = answer
                .read(&mut buffer)
                .map_err(|source| NetError::of_body(url, at, self.options.min_rate, source))?;
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
            meter.pass(url, count, cancel)?;
        }
        if pages == Pages::Refuse {
            refuse_html(url, &HeaderMap::new(), &bytes)?;
        }
        Ok(bytes)
    }

    /// A place among the requests to a host, held until its body was read.
    pub(super) fn slot(&self, url: &SafeUrl, cancel: &Cancel) -> Result<Slot<'_>, NetError> {
        let host = url.authority().unwrap_or_default();
        Ok(self.slots.take(host, cancel)?)
    }

    /// What measures and slows a body of which `at` bytes are here already.
    pub(super) fn meter(&self, at: u64) -> Meter<'_> {
        Meter {
            client: self,
            at,
            since: Instant::now(),
            since_at: at,
            paused: Duration::ZERO,
        }
    }

    /// Sends a GET request, changed as `with` says; once more where a registry wants a token first.
    pub(super) fn ask(
        &self,
        url: &SafeUrl,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, NetError> {
        let request = || self.request(url, self.http.get(url.as_str())).map(&with);
        let answer = self.execute(url, request()?)?;
        if self.fetch_token(url, &answer)? {
            return self.send(url, request()?);
        }
        self.judge(url, answer)
    }

    /// What all requests have in common.
    fn request(&self, url: &SafeUrl, request: RequestBuilder) -> Result<RequestBuilder, NetError> {
        if self.options.access == Access::Offline {
            return Err(NetError::Offline { url: url.clone() });
        }
        // A digest is of the file as it is, not of a packed form of it.
        let request = request.header(ACCEPT_ENCODING, "identity");
        let request = with_kinds(url, request);
        Ok(
            match self.token(url).or_else(|| self.options.credentials.of(url)) {
                // The value is marked as sensitive; reqwest drops it when a redirect leaves the host.
                Some(value) => request.header(AUTHORIZATION, value),
                None => request,
            },
        )
    }

    /// Sends a request; an answer that is no success is an error.
    pub(super) fn send(
        &self,
        url: &SafeUrl,
        request: RequestBuilder,
    ) -> Result<Response, NetError> {
        self.judge(url, self.execute(url, request)?)
    }

    fn execute(&self, url: &SafeUrl, request: RequestBuilder) -> Result<Response, NetError> {
        let answer = request.send();
        answer.map_err(|error| NetError::of_request(url, self.proxies.of(url), error))
    }

    fn judge(&self, url: &SafeUrl, answer: Response) -> Result<Response, NetError> {
        let status = answer.status();
        if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(answer);
        }
        if let Some(refused) = unfollowed(&answer) {
            return Err(NetError::Redirect {
                url: url.clone(),
                to: refused.to_string(),
                next: refused.hint(),
            });
        }
        let code = status.as_u16();
        let reached = reached(url, &answer);
        let withheld = self.options.credentials.know(url) && url.as_str().starts_with("http:");
        let url = url.clone();
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => NetError::Missing {
                url,
                status: code,
                reached,
            },
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                self.server(url, &answer)
            }
            _ if status.is_server_error() => self.server(url, &answer),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => NetError::ProxyRefused {
                via: self.proxies.of(&url),
                url,
            },
            StatusCode::UNAUTHORIZED if withheld => NetError::Withheld { url, status: code },
            _ => NetError::Refused {
                url,
                status: code,
                reached,
            },
        })
    }

    fn server(&self, url: SafeUrl, answer: &Response) -> NetError {
        let headers = answer.headers();
        let now = self.options.clock.map(|clock| clock());
        NetError::Server {
            status: answer.status().as_u16(),
            via: self.proxies.of(&url),
            url,
            retry_after: header(headers, &RETRY_AFTER)
                .and_then(|text| retry_after(text, header(headers, &DATE), now)),
        }
    }
}

/// Measures the rate of a body over windows of the idle timeout, and keeps the rate limit.
pub(super) struct Meter<'c> {
    client: &'c Client,
    at: u64,
    since: Instant,
    since_at: u64,
    paused: Duration,
}

impl Meter<'_> {
    /// Counts bytes that came, and waits where the rate limit says so.
    pub(super) fn pass(
        &mut self,
        url: &SafeUrl,
        count: usize,
        cancel: &Cancel,
    ) -> Result<(), NetError> {
        let count_64 = u64::try_from(count).unwrap_or(u64::MAX);
        self.at = self.at.saturating_add(count_64);
        self.client.received.fetch_add(count_64, Ordering::Relaxed);
        cancel.check()?;
        let waited = self.client.throttle.take(count, cancel)?;
        self.paused = self.paused.saturating_add(waited);
        if self.is_slow(Instant::now()) {
            return Err(NetError::Slow {
                url: url.clone(),
                rate: ByteSize(self.client.options.min_rate),
                at: self.at,
            });
        }
        Ok(())
    }

    fn is_slow(&mut self, now: Instant) -> bool {
        let options = &self.client.options;
        let passed = now
            .saturating_duration_since(self.since)
            .saturating_sub(self.paused);
        if passed < options.idle_timeout {
            return false;
        }
        let least = options.min_rate.saturating_mul(passed.as_secs().max(1));
        let slow = self.at.saturating_sub(self.since_at) < least;
        self.since = now;
        self.since_at = self.at;
        self.paused = Duration::ZERO;
        slow
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_the_rate_limit_takes_does_not_make_a_body_slow() {
        let client = Client::new(ClientOptions {
            idle_timeout: Duration::from_secs(10),
            min_rate: 100,
            ..ClientOptions::default()
        })
        .unwrap();
        let mut meter = client.meter(0);
        let start = meter.since;
        let after = |seconds| start + Duration::from_secs(seconds);
        meter.at = 500;
        assert!(!meter.is_slow(after(9)));
        meter.paused = Duration::from_secs(5);
        assert!(!meter.is_slow(after(14)));
        assert!(meter.is_slow(after(15)));
        // A new window begins.
        meter.at = 1500;
        assert!(!meter.is_slow(after(25)));
        assert!(meter.is_slow(after(36)));
    }
}
