//! Redirects: which are followed, and what is said of the others.

use reqwest::blocking::Response;
use reqwest::header::LOCATION;
use reqwest::redirect;

use super::client::header;
use crate::types::url::SafeUrl;

/// Most redirects that are followed for one request.
const MAX_REDIRECTS: usize = 10;

/// A redirect that was not followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RefusedRedirect {
    #[error("from https to {0}")]
    Downgrade(String),
    #[error("to {0}")]
    Scheme(String),
    #[error("more than {MAX_REDIRECTS} times")]
    TooMany,
    #[error("to a URL with a user name or password")]
    Credentials,
}

impl RefusedRedirect {
    /// The next step.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Downgrade(_) => {
                "use an upstream or mirror that stays on https; there is no switch to allow this"
            }
            Self::Scheme(_) => {
                "only http and https are followed: correct the URL in the manifest, or add a mirror that serves the file itself"
            }
            Self::TooMany => {
                "the server leads in a circle, often to a page for signing in: open the URL in a browser, then correct it in the manifest or add a mirror"
            }
            Self::Credentials => {
                "an address with a user name in it is never followed: add a mirror; credentials of your own belong in --netrc FILE or --token-file FILE"
            }
        }
    }
}

/// Which redirects the client follows: within http and https, never from https to http, never with credentials in the URL.
pub(super) fn policy() -> redirect::Policy {
    redirect::Policy::custom(judge)
}

/// The host that answered, when it is another than was asked.
pub(super) fn reached(url: &SafeUrl, answer: &Response) -> Option<String> {
    let to = answer.url();
    let asked = url::Url::parse(url.as_str()).ok()?;
    if asked.host() == to.host() && asked.port_or_known_default() == to.port_or_known_default() {
        return None;
    }
    let host = to.host_str()?;
    Some(
        to.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    )
}

/// A redirect to a scheme that the HTTP library does not even ask about, such as `file:`.
pub(super) fn unfollowed(answer: &Response) -> Option<RefusedRedirect> {
    if !answer.status().is_redirection() {
        return None;
    }
    let to = header(answer.headers(), &LOCATION)?;
    let to = answer.url().join(to).ok()?;
    let shown = format!("{}://{}", to.scheme(), to.host_str().unwrap_or_default());
    (!matches!(to.scheme(), "http" | "https")).then_some(RefusedRedirect::Scheme(shown))
}

fn judge(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let to = attempt.url();
    let shown = || format!("{}://{}", to.scheme(), to.host_str().unwrap_or_default());
    let from_https = attempt.previous().iter().any(|url| url.scheme() == "https");
    let refused = if attempt.previous().len() > MAX_REDIRECTS {
        Some(RefusedRedirect::TooMany)
    } else if !to.username().is_empty() || to.password().is_some() {
        Some(RefusedRedirect::Credentials)
    } else if from_https && to.scheme() != "https" {
        Some(RefusedRedirect::Downgrade(shown()))
    } else if !matches!(to.scheme(), "http" | "https") {
        Some(RefusedRedirect::Scheme(shown()))
    } else {
        None
    };
    match refused {
        Some(refused) => attempt.error(refused),
        None => attempt.follow(),
    }
}
