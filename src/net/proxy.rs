//! Which proxy a request goes through, for messages.

use std::fmt;

use hyper_util::client::proxy::matcher::Matcher;

use crate::types::url::SafeUrl;

/// The variables that name proxies, as the HTTP client reads them: the first of each kind that is set
/// counts, and `ALL_PROXY` where that names none.
const VARIABLES: [(&str, [&str; 2]); 3] = [
    ("http", ["HTTP_PROXY", "http_proxy"]),
    ("https", ["HTTPS_PROXY", "https_proxy"]),
    ("", ["ALL_PROXY", "all_proxy"]),
];

/// A proxy that a request goes through, without its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// Host, and port where one is known.
    pub proxy: String,
    /// The variable that names it.
    pub variable: &'static str,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} that {} names", self.proxy, self.variable)
    }
}

/// The proxies of the environment, as the HTTP client takes them.
pub(super) struct Proxies {
    matcher: Matcher,
    /// The variables that are set.
    set: Vec<String>,
}

impl Proxies {
    /// Takes the proxies when the client does; `set` are the names of the variables that hold something.
    pub(super) fn new(set: Vec<String>) -> Self {
        let matcher = Matcher::from_env();
        Self { matcher, set }
    }

    /// The proxy for a URL; none when it is asked directly.
    pub(super) fn of(&self, url: &SafeUrl) -> Option<Via> {
        let found = self.matcher.intercept(&url.as_str().parse().ok()?)?;
        // Host and port alone: what stands before `@` is left out.
        let host = found.uri().host()?;
        let port = found.uri().port_u16();
        let scheme = url.as_str().split(':').next()?;
        let kinds = VARIABLES
            .iter()
            .filter(|(kind, _)| kind.is_empty() || *kind == scheme);
        let mut names = kinds.flat_map(|(_, names)| names);
        let variable = names.find(|name| self.set.iter().any(|set| set == *name))?;
        Some(Via {
            proxy: port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            variable,
        })
    }
}
