//! What a site in front of Mattermost needs, and what each missing element causes.

mod limits;
mod passing;
mod standing;
mod tls;
mod upstream;

use std::str::FromStr;

use crate::nginx::config::{Config, Directive, Place, Trouble};
use crate::nginx::effective::Scope;
use crate::nginx::finding::{Finding, Findings, Level};
use crate::types::target::Family;

/// Port that the server listens on when nothing else is known.
const APP_PORT: u16 = 8065;

/// What is known besides the configuration. Everything may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The version that will read the configuration.
    pub version: Option<Version>,
    /// Where the file will stand.
    pub family: Option<Family>,
    /// Whether the strict rules of impact levels 5 and 6 hold.
    pub strictness: Strictness,
    /// What the deployment says.
    pub site: Option<Site>,
}

/// Which rules hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strictness {
    /// The usual ones.
    #[default]
    Usual,
    /// Those of impact levels 5 and 6.
    Strict,
}

/// The site that a deployment describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Name or address in its URL, in lower case.
    pub host: String,
    /// Port in its URL.
    pub port: u16,
    /// The application servers.
    pub backends: Vec<Backend>,
    /// `FileSettings.MaxFileSize`, in bytes.
    pub max_file_size: u64,
}

/// One application server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its name in the deployment.
    pub name: String,
    /// `host:port` in every form that means it.
    pub addresses: Vec<String>,
}

/// A version of NGINX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major, minor and patch number.
    pub numbers: (u32, u32, u32),
}

impl FromStr for Version {
    type Err = String;

    /// Takes `1.22.1`, and what packages make of it: `1.22.1-9+deb12u3`, `1:1.22.1-4`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.split_once(':').map_or(text, |(_, rest)| rest);
        let bare = bare.strip_prefix("nginx/").unwrap_or(bare);
        let end = bare.find(|c: char| !c.is_ascii_digit() && c != '.');
        let bare = end.and_then(|end| bare.get(..end)).unwrap_or(bare);
        let mut numbers = bare.split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Ok(Self {
                numbers: (major, minor, patch),
            }),
            _ => Err(format!("`{text}` is no version such as 1.22.1")),
        }
    }
}

/// Everything that is to be said about a configuration.
#[must_use]
pub fn examine(config: &Config, expected: &Expected) -> Findings {
    let mut lint = Lint {
        config,
        expected,
        findings: Vec::new(),
    };
    for Trouble { place, width, what } in &config.broken {
        lint.add(
            Level::Error,
            "PROXY-112",
            (*place, *width),
            what.clone(),
            "nginx -t fails; NGINX does not start, or goes on with the configuration of before",
            "correct it, and run `nginx -t` before each reload",
        );
    }
    for Trouble { place, width, what } in &config.left_out {
        lint.add(
            Level::Info,
            "PROXY-112",
            (*place, *width),
            format!("the include of `{what}` was not followed"),
            "what stands there is not known here, and may be what is reported as absent",
            "name those files too, or examine the output of `nginx -T`",
        );
    }
    let http = Scope::http(config);
    standing::check(&mut lint, &http);
    let servers: Vec<Scope<'_>> = http.own_all("server").map(|one| http.enter(one)).collect();
    let (tls, plain): (Vec<_>, Vec<_>) = sites(&servers, &http, expected)
        .into_iter()
        .partition(ends_tls);
    // Beside a site that ends TLS, one in plain text is only that: see the redirect.
    let (sites, plain) = if tls.is_empty() {
        (plain, tls)
    } else {
        (tls, plain)
    };
    if sites.is_empty() {
        lint.add(
            Level::Error,
            "PROXY-101",
            lint.whole(),
            "no server block passes requests on".to_owned(),
            "clients find no Mattermost here",
            "add a server block with `listen 443 ssl` and locations with `proxy_pass`",
        );
    }
    for site in &sites {
        check_site(&mut lint, &http, site);
    }
    standing::check_redirect(&mut lint, &servers, &sites, &plain);
    Findings::new(lint.findings)
}

fn check_site(lint: &mut Lint<'_>, http: &Scope<'_>, site: &Scope<'_>) {
    standing::check_names(lint, site);
    tls::check(lint, site);
    passing::check(lint, http, site);
    upstream::check(lint, http, site);
    limits::check(lint, site);
}

/// The server blocks that are the site: of the deployment's name when there is one of it; else
/// those that look like Mattermost; else all that pass requests on.
fn sites<'c>(servers: &[Scope<'c>], http: &Scope<'c>, expected: &Expected) -> Vec<Scope<'c>> {
    let passing: Vec<&Scope<'c>> = servers.iter().filter(|one| passes(one.own())).collect();
    let choose = |wanted: &dyn Fn(&Scope<'c>) -> bool| -> Vec<Scope<'c>> {
        let found = passing.iter().filter(|one| wanted(one));
        found.map(|one| (*one).clone()).collect()
    };
    if let Some(site) = &expected.site {
        let named = choose(&|one: &Scope<'c>| {
            one.own_all("server_name")
                .any(|names| names.words.iter().any(|name| name.text == site.host))
        });
        if !named.is_empty() {
            return named;
        }
    }
    let looks = choose(&|one: &Scope<'c>| looks_like_mattermost(one.own(), http, 0));
    if looks.is_empty() {
        choose(&|_| true)
    } else {
        looks
    }
}

/// Whether something below passes requests to another server.
fn passes(block: &[Directive]) -> bool {
    block
        .iter()
        .any(|one| one.is("proxy_pass") || passes(one.inside()))
}

fn looks_like_mattermost(block: &[Directive], http: &Scope<'_>, depth: usize) -> bool {
    let port = format!(":{APP_PORT}");
    block.iter().any(|one| {
        (one.is("location") && one.words.iter().any(|word| word.text.contains("websocket")))
            || (one.is("proxy_pass")
                && upstream::servers(one, http)
                    .iter()
                    .any(|s| s.contains(&port)))
            || (depth < crate::nginx::read::MAX_DEPTH
                && looks_like_mattermost(one.inside(), http, depth.saturating_add(1)))
    })
}

/// Whether a server block listens with TLS, and its `listen` directives.
fn listens<'c>(server: &Scope<'c>) -> Vec<Listen<'c>> {
    server.own_all("listen").map(Listen::new).collect()
}

/// One `listen`.
#[derive(Debug, Clone, Copy)]
struct Listen<'c> {
    directive: &'c Directive,
    /// None: a socket file, or no number.
    port: Option<u16>,
}

impl<'c> Listen<'c> {
    fn new(directive: &'c Directive) -> Self {
        let address = directive.word(0);
        let port = if address.starts_with("unix:") {
            None
        } else if let Ok(port) = address.parse() {
            Some(port)
        } else {
            let (_, after) = address.rsplit_once(']').unwrap_or(("", address));
            match after.rsplit_once(':') {
                Some((_, port)) => port.parse().ok(),
                // An address without a port is port 80.
                None => Some(80),
            }
        };
        Self { directive, port }
    }

    fn is_tls(&self) -> bool {
        self.directive.has("ssl") || self.directive.has("quic")
    }
}

fn ends_tls(server: &Scope<'_>) -> bool {
    listens(server).iter().any(Listen::is_tls)
        || server.get("ssl").is_some_and(|one| one.word(0) == "on")
}

/// Collects findings.
struct Lint<'l> {
    config: &'l Config,
    expected: &'l Expected,
    findings: Vec<Finding>,
}

impl Lint<'_> {
    fn add(
        &mut self,
        level: Level,
        id: &'static str,
        (place, width): (Place, usize),
        found: impl Into<String>,
        symptom: &'static str,
        fix: impl Into<String>,
    ) {
        self.findings.push(Finding {
            level,
            id,
            place,
            width,
            found: found.into(),
            symptom,
            fix: fix.into(),
        });
    }

    /// The place of what the file as a whole lacks.
    fn whole(&self) -> (Place, usize) {
        let first = self.config.directives.first();
        first.map_or(
            (
                Place {
                    file: 0,
                    line: 1,
                    column: 1,
                },
                1,
            ),
            at,
        )
    }

    /// The place of what a block lacks: its opener.
    fn opener(&self, scope: &Scope<'_>) -> (Place, usize) {
        scope.opener.map_or_else(|| self.whole(), at)
    }

    fn is_strict(&self) -> bool {
        self.expected.strictness == Strictness::Strict
    }

    fn is_older_than(&self, numbers: (u32, u32, u32)) -> Option<bool> {
        self.expected
            .version
            .map(|version| version.numbers < numbers)
    }
}

/// The place of a directive: its name and words.
fn at(directive: &Directive) -> (Place, usize) {
    let name = &directive.name;
    let end = directive
        .words
        .last()
        .filter(|word| word.place.line == name.place.line);
    let width = end.map_or(name.width, |word| {
        word.place
            .column
            .saturating_add(word.width)
            .saturating_sub(name.place.column)
    });
    (name.place, width)
}
