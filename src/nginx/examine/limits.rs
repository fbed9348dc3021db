//! Sizes, times, the log, and what is recommended only.

use crate::nginx::config::Directive;
use crate::nginx::effective::{Found, Scope, location, seconds, size};
use crate::nginx::examine::{Lint, at};
use crate::nginx::finding::Level::{Error, Info, Warning};

/// `FileSettings.MaxFileSize` unless it is set (Mattermost configuration settings).
const DEFAULT_MAX_FILE_SIZE: u64 = 104_857_600;
/// Shortest time that long requests need, in seconds.
const SHORTEST: u64 = 60;

pub(super) fn check(lint: &mut Lint<'_>, site: &Scope<'_>) {
    let uploads = match location(site, "/api/v4/files") {
        Found::Location(scope) => scope,
        Found::None | Found::Unknown(_) => site.clone(),
    };
    body(lint, &uploads);
    timeouts(lint, &uploads);
    log(lint, site);
    recommended(lint, site);
}

fn body(lint: &mut Lint<'_>, uploads: &Scope<'_>) {
    const TOO_LARGE: &str = "uploads end in `413 Request Entity Too Large`";
    let limit = lint.expected.site.as_ref().map(|site| site.max_file_size);
    let wanted = limit.unwrap_or(DEFAULT_MAX_FILE_SIZE);
    let fix = format!(
        "write `client_max_body_size {}M;`, and the same limit as FileSettings.MaxFileSize",
        wanted.div_ceil(1024 * 1024)
    );
    let Some(directive) = uploads.get("client_max_body_size") else {
        lint.add(
            Error,
            "PROXY-111",
            lint.opener(uploads),
            "there is no client_max_body_size; 1 MiB is the default",
            TOO_LARGE,
            fix,
        );
        return;
    };
    match size(directive.word(0)) {
        None => lint.add(
            Error,
            "PROXY-111",
            at(directive),
            "client_max_body_size is no size",
            "nginx -t fails: `\"client_max_body_size\" directive invalid value`",
            fix,
        ),
        Some(0) => lint.add(
            Warning,
            "PROXY-111",
            at(directive),
            "bodies of any size are accepted",
            "one upload can fill the proxy's disk",
            fix,
        ),
        Some(found) if found < wanted => {
            let (level, text) = match limit {
                Some(limit) => (
                    Error,
                    format!("{found} bytes pass here, the server accepts {limit}"),
                ),
                None => (
                    Warning,
                    format!(
                        "{found} bytes pass here, the server accepts {wanted} unless MaxFileSize says otherwise"
                    ),
                ),
            };
            lint.add(level, "PROXY-111", at(directive), text, TOO_LARGE, fix);
        }
        Some(_) => {}
    }
}

fn timeouts(lint: &mut Lint<'_>, uploads: &Scope<'_>) {
    for name in [
        "proxy_connect_timeout",
        "proxy_send_timeout",
        "proxy_read_timeout",
    ] {
        let Some(directive) = uploads.get(name) else {
            lint.add(
                Info,
                "PROXY-110",
                lint.opener(uploads),
                format!("there is no {name}; 60 seconds is the default"),
                "long uploads and searches can end in 504",
                format!("write `{name} 90;`"),
            );
            continue;
        };
        if name != "proxy_connect_timeout"
            && seconds(directive.word(0)).is_some_and(|found| found < SHORTEST)
        {
            lint.add(
                Warning,
                "PROXY-110",
                at(directive),
                format!("{name} is below {SHORTEST} seconds"),
                "uploads and searches end in `504 Gateway Time-out`",
                format!("write `{name} 90;`"),
            );
        }
    }
}

fn log(lint: &mut Lint<'_>, site: &Scope<'_>) {
    let off: Option<&Directive> = site
        .all("access_log")
        .into_iter()
        .find(|one| one.word(0) == "off");
    if let Some(directive) = off {
        let level = if lint.is_strict() { Error } else { Warning };
        lint.add(
            level,
            "PROXY-095",
            at(directive),
            "requests are not logged",
            "nobody can say later who came from where",
            "write `access_log /var/log/nginx/mattermost.access.log;`",
        );
    }
}

/// What is recommended, never required.
fn recommended(lint: &mut Lint<'_>, site: &Scope<'_>) {
    let holds = |names: &[&str]| names.iter().any(|name| is_anywhere(site, name));
    if !holds(&["limit_req", "limit_conn"]) {
        lint.add(
            Info,
            "PROXY-114",
            lint.opener(site),
            "there is no rate limit; one is recommended, not required",
            "none by itself; one client can take a large part of the server",
            "see limit_req_zone and limit_req",
        );
    }
    if !holds(&["allow", "deny"]) {
        lint.add(
            Info,
            "PROXY-114",
            lint.opener(site),
            "there is no list of addresses; one is recommended, not required",
            "none by itself; the firewall may do the same",
            "see allow and deny",
        );
    }
}

fn is_anywhere(site: &Scope<'_>, name: &str) -> bool {
    fn inside(block: &[Directive], name: &str) -> bool {
        block
            .iter()
            .any(|one| one.is(name) || inside(one.inside(), name))
    }
    !site.all(name).is_empty() || inside(site.own(), name)
}
