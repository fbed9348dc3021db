//! Why something could not be fetched.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::proxy::Via;
use crate::event::Cancelled;
use crate::fs::{PassError, PathError};
use crate::types::size::ByteSize;
use crate::types::url::SafeUrl;

/// Why something could not be fetched. URLs of redirects are never shown in full: they may hold
/// signed tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
    /// The certificate file to trust is not readable as PEM.
    #[error("the additional certificates are not readable as PEM")]
    Certificates(#[source] reqwest::Error),
    /// The server says that there is no such file (404 or 410).
    #[error("{url} does not exist there (status {status}){}", led_to(reached.as_deref()))]
    Missing {
        /// What was asked for.
        url: SafeUrl,
        /// The answer.
        status: u16,
        /// The host that answered so, when redirects led to another one.
        reached: Option<String>,
    },
    /// The server refuses (other 4xx, and redirects without a target).
    #[error("{url} was refused with status {status}{}", led_to(reached.as_deref()))]
    Refused {
        /// What was asked for.
        url: SafeUrl,
        /// The answer.
        status: u16,
        /// The host that answered so, when redirects led to another one.
        reached: Option<String>,
    },
    /// It wants a password, and there is one, but not for a connection that anybody can read.
    #[error(
        "{url} was refused with status {status}; the credentials for it were not sent, for it is not https"
    )]
    Withheld {
        /// What was asked for.
        url: SafeUrl,
        /// The answer.
        status: u16,
    },
    /// A registry wants a token, and it cannot be had.
    #[error("the registry of {url} wants a token, but names no place over https that gives one")]
    Token {
        /// What was asked for.
        url: SafeUrl,
    },
    /// The network must not be used.
    #[error("{url} is not in the store, and the network is not to be used")]
    Offline {
        /// What was asked for.
        url: SafeUrl,
    },
    /// The proxy wants a name and password (407).
    #[error("{url} was refused with status 407{}", by(via.as_ref()))]
    ProxyRefused {
        /// What was asked for.
        url: SafeUrl,
        /// The proxy.
        via: Option<Via>,
    },
    /// The server fails or asks to wait (5xx, 408, 429).
    #[error("the server of {url} fails with status {status}{}{}", through(via.as_ref()), asking(*retry_after))]
    Server {
        /// What was asked for.
        url: SafeUrl,
        /// The answer.
        status: u16,
        /// The proxy that brought the answer, or gave it.
        via: Option<Via>,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// No connection, or no answer in time.
    #[error("no answer for {url}{}", through(via.as_ref()))]
    Unreachable {
        /// What was asked for.
        url: SafeUrl,
        /// The proxy that the request went to.
        via: Option<Via>,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The certificate of the server was not accepted.
    #[error("the TLS certificate for {url} was not accepted")]
    Tls {
        /// What was asked for.
        url: SafeUrl,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// It redirects to where it must not.
    #[error("{url} redirects {to}, which is refused")]
    Redirect {
        /// What was asked for.
        url: SafeUrl,
        /// Where to, without path and query.
        to: String,
        /// What to do about it.
        next: &'static str,
    },
    /// A web page came in place of a file: a portal, a sign-in or an error page.
    #[error("{url} gave an HTML page instead of the file")]
    Html {
        /// What was asked for.
        url: SafeUrl,
    },
    /// The server packed the file, so that other bytes came than asked for.
    #[error("{url} came packed as {encoding}, which nobody asked for")]
    Encoded {
        /// What was asked for.
        url: SafeUrl,
        /// How it is packed.
        encoding: String,
    },
    /// The body is longer than it may be.
    #[error("{url} is longer than {} bytes", limit)]
    TooLong {
        /// What was asked for.
        url: SafeUrl,
        /// The cap.
        limit: u64,
    },
    /// A file of unknown size is longer than such a file may be.
    #[error("{url} is longer than {}, the most that is taken of a file of unknown size", ByteSize(*limit))]
    Endless {
        /// What was asked for.
        url: SafeUrl,
        /// The cap.
        limit: u64,
    },
    /// A file of unknown size would fill the disk.
    #[error("{url} leaves only {} free on the file system of the store; stopped before it is full", ByteSize(*free))]
    Room {
        /// What was asked for.
        url: SafeUrl,
        /// Bytes that are free.
        free: u64,
    },
    /// The server announces another size than the lock states.
    #[error("{url} has {found} bytes now, the lock says {expected}")]
    OtherSize {
        /// What was asked for.
        url: SafeUrl,
        /// Size in the lock.
        expected: u64,
        /// Size announced.
        found: u64,
    },
    /// The body stalls, or drips.
    #[error("{url} sends less than {rate} a second; given up after {}", ByteSize(*at))]
    Slow {
        /// What was asked for.
        url: SafeUrl,
        /// The least that is accepted.
        rate: ByteSize,
        /// How far it came.
        at: u64,
    },
    /// The body ended early.
    #[error("{url} broke off after {at} bytes")]
    Broken {
        /// What was asked for.
        url: SafeUrl,
        /// How far it came.
        at: u64,
        /// Why, when the connection says.
        #[source]
        source: Option<io::Error>,
    },
    /// The part file cannot be written.
    #[error("the download cannot be written")]
    Io(#[from] PathError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn led_to(reached: Option<&str>) -> String {
    reached.map_or_else(String::new, |host| {
        format!(" by {host}, where it redirects to")
    })
}

/// What the client says when a proxy wants a name and password before it makes a tunnel.
const TUNNEL_REFUSED: &str = "proxy authorization required";

/// What the client says of an answer with more than 100 headers, or with more than some 400 KiB of them.
const HEAD_TOO_LARGE: &str = "message head is too large";

fn through(via: Option<&Via>) -> String {
    via.map_or_else(String::new, |via| format!(" through {via}"))
}

fn by(via: Option<&Via>) -> String {
    via.map_or_else(String::new, |via| format!(" by {via}"))
}

fn asking(retry_after: Option<Duration>) -> String {
    match retry_after.map(|wait| wait.as_secs()) {
        None | Some(0) => String::new(),
        Some(seconds) => format!(" and asks to wait {seconds} s"),
    }
}

impl From<PassError> for NetError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Read(error) | PassError::Write(error) => Self::Io(error),
            PassError::Cancelled(cancelled) => Self::Cancelled(cancelled),
        }
    }
}

impl NetError {
    /// The stable id (`E701` truncated … `E711` offline; `E601` and `E602` for the disk).
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Broken { .. } => "E701",
            Self::Html { .. } | Self::Encoded { .. } => "E702",
            Self::Redirect { .. } | Self::Tls { .. } => "E703",
            Self::TooLong { .. } | Self::Endless { .. } | Self::Slow { .. } => "E704",
            Self::OtherSize { .. } => "E705",
            Self::Missing { .. } => "E706",
            Self::Unreachable { .. } => "E707",
            Self::Server { .. } => "E708",
            Self::Refused { .. }
            | Self::Withheld { .. }
            | Self::ProxyRefused { .. }
            | Self::Token { .. } => "E709",
            Self::Offline { .. } => "E711",
            Self::Setup(_) | Self::Certificates(_) => "E609",
            Self::Room { .. } => "E602",
            Self::Io(error) if error.source.kind() == io::ErrorKind::StorageFull => "E602",
            Self::Io(_) => "E601",
            Self::Cancelled(_) => "E130",
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Missing { .. } => {
                "check the version and the URL in the manifest; upstreams move or withdraw files: add a mirror, or download the file by hand and name it as file:…"
            }
            Self::Refused {
                status: 401 | 403,
                reached: Some(host),
                ..
            } => {
                return Some(format!(
                    "credentials do not follow a redirect to another host: ask who runs the server why it leads to {host}, or name an address there, or a mirror, in the manifest"
                ));
            }
            Self::ProxyRefused { via, .. } => {
                let variable = via.as_ref().map_or("HTTPS_PROXY", |via| via.variable);
                return Some(format!(
                    "the proxy wants a name and a password: put them into {variable} as http://NAME:PASSWORD@HOST:PORT, which is never shown or written down, or ask who runs it"
                ));
            }
            Self::Unreachable { source, .. } if says(source, HEAD_TOO_LARGE) => {
                "it sends more headers than any file needs: something else than a file server answers; look at what the URL gives, or add a mirror to the manifest"
            }
            Self::Unreachable { via: Some(via), .. } => {
                return Some(format!(
                    "check that {} is the proxy, that its name resolves and that it runs; correct or unset {}, or name hosts that need no proxy in NO_PROXY, then run the same command again: what was fetched is kept",
                    via.proxy, via.variable
                ));
            }
            Self::Refused {
                status: 401 | 403, ..
            } => {
                "the server wants authorisation, or a proxy forbids the address: give credentials with --netrc FILE or --token-file FILE, ask who runs the proxy, or add a mirror"
            }
            Self::Token { .. } => {
                "ask who runs the registry, or name another one that has the image in `reference`"
            }
            Self::Withheld { .. } => {
                "change the URL to https: passwords and tokens are never sent otherwise"
            }
            Self::Offline { .. } => {
                "bring the file and name its folder with --from DIR (its name does not matter, its digest does; a file whose digest no lock and no manifest states is named by `path` instead), or run without --offline where there is a network"
            }
            Self::Encoded { .. } => {
                "a proxy or mirror changes files on the way: ask who runs it, or add a mirror to the manifest"
            }
            Self::Refused { .. } => "check the URL in the manifest, or add a mirror",
            Self::Html { .. } => {
                "open the URL in a browser on this machine: a captive portal, a proxy or a moved download page answers in place of the file"
            }
            Self::Redirect { next, .. } => next,
            Self::Tls { .. } => {
                "check the clock of this machine; behind an inspecting proxy, give its certificate with --ca-file FILE, or in SSL_CERT_FILE"
            }
            Self::Unreachable { .. } => {
                "check the network, name resolution and the proxy variables (HTTPS_PROXY, NO_PROXY), then run the same command again: what was fetched is kept"
            }
            Self::Server {
                retry_after: Some(_),
                ..
            } => {
                "the server limits how much it serves: run the same command again after that time, lower --per-host, or add a mirror; what was fetched is kept"
            }
            Self::Broken { .. } | Self::Server { .. } | Self::Slow { .. } => {
                "run the same command again: it goes on where this stopped; or add a mirror to the manifest"
            }
            Self::OtherSize { .. } | Self::TooLong { .. } => {
                "upstream changed the file or something else answers: compare with upstream's announcement, then `haversack lock MANIFEST`, with `--update NAME` where nobody vouches for the file"
            }
            Self::Endless { .. } => {
                "look at what the URL gives: it may be no file but an answer without end; where a file is rightly so long, allow it with --max-size SIZE"
            }
            Self::Room { .. } => {
                "look at what the URL gives: it may be an answer without end; else free space on the file system of the store, or put the store elsewhere, then run the same command again"
            }
            Self::Io(error) if error.source.kind() == io::ErrorKind::StorageFull => {
                "free space on the file system of the store, or put the store elsewhere, then run the same command again"
            }
            Self::Setup(_) | Self::Certificates(_) | Self::Io(_) | Self::Cancelled(_) => {
                return None;
            }
        };
        Some(text.to_owned())
    }

    /// Whether the file was too long, for what is taken or for the disk.
    pub(super) fn is_of_length(&self) -> bool {
        match self {
            Self::Endless { .. } | Self::Room { .. } => true,
            Self::Io(error) => error.source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// Whether trying the same URL again may help.
    pub(super) const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Server { .. }
                | Self::Unreachable { .. }
                | Self::Broken { .. }
                | Self::Slow { .. }
        )
    }

    /// Sorts a failure to read a body, `at` bytes into the file.
    pub(super) fn of_body(url: &SafeUrl, at: u64, rate: u64, source: io::Error) -> Self {
        let url = url.clone();
        let inner = source
            .get_ref()
            .map(|inner| -> &(dyn Error + 'static) { inner });
        let timed_out = source.kind() == io::ErrorKind::TimedOut
            || inner.is_some_and(|inner| {
                find::<reqwest::Error>(inner).is_some_and(reqwest::Error::is_timeout)
            });
        if timed_out {
            let rate = ByteSize(rate);
            Self::Slow { url, rate, at }
        } else {
            let source = Some(source);
            Self::Broken { url, at, source }
        }
    }

    /// Sorts a failure to send a request.
    pub(super) fn of_request(url: &SafeUrl, via: Option<Via>, error: reqwest::Error) -> Self {
        let url = url.clone();
        if let Some(refused) = find::<super::redirect::RefusedRedirect>(&error) {
            return Self::Redirect {
                url,
                to: refused.to_string(),
                next: refused.hint(),
            };
        }
        let is_tls = find::<rustls::Error>(&error).is_some();
        // The text of reqwest repeats the URL, which after a redirect may hold a token.
        let source = error.without_url();
        // How the client says that a tunnel was refused with 407; the type is private to it.
        if via.is_some() && says(&source, TUNNEL_REFUSED) {
            return Self::ProxyRefused { url, via };
        }
        if is_tls {
            Self::Tls { url, source }
        } else {
            Self::Unreachable { url, via, source }
        }
    }
}

/// Whether an error of the chain ends with these words.
fn says(error: &(dyn Error + 'static), text: &str) -> bool {
    let mut next = Some(error);
    while let Some(one) = next {
        if one.to_string().ends_with(text) {
            return true;
        }
        next = one.source();
    }
    false
}

/// The first error of type `E` in a chain, also inside `io::Error`s.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    /// Chains are short; this only ends a cycle.
    const MAX_CHAIN: usize = 32;
    let mut next = Some(error);
    for _ in 0..MAX_CHAIN {
        let current = next?;
        if let Some(found) = current.downcast_ref::<E>() {
            return Some(found);
        }
        next = match current
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}
