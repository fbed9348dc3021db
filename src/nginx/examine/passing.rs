//! How requests are passed on: the location of the WebSocket, headers, HTTP version.

use crate::nginx::config::Directive;
use crate::nginx::effective::{Found, Scope, location};
use crate::nginx::examine::{Lint, at, listens, passes, upstream};
use crate::nginx::finding::Level::{Error, Info, Warning};
use crate::nginx::read::shown;

/// Where clients open their WebSocket.
const WEBSOCKET: &str = "/api/v4/websocket";
/// Any other request.
const PAGE: &str = "/api/v4/posts";
/// What users see without live updates.
const STALE: &str =
    "messages appear only after a reload; clients show a red bar: `Please check connection`";

/// All locations of a server that pass requests on, also those inside others.
pub(super) fn locations<'c>(server: &Scope<'c>) -> Vec<Scope<'c>> {
    let mut found = Vec::new();
    for one in server.own_all("location") {
        let scope = server.enter(one);
        if passes(one.inside()) {
            found.push(scope.clone());
        }
        found.extend(locations(&scope));
    }
    found
}

pub(super) fn check(lint: &mut Lint<'_>, http: &Scope<'_>, site: &Scope<'_>) {
    let page = match location(site, PAGE) {
        Found::Location(page) => page,
        Found::None => {
            lint.add(
                Error,
                "PROXY-101",
                lint.opener(site),
                "no location passes ordinary requests on",
                "every page is 404",
                "add `location / { proxy_pass http://backend; … }`",
            );
            site.clone()
        }
        Found::Unknown(blocking) => {
            unknown(lint, blocking);
            return;
        }
    };
    if page.opener != site.opener {
        if page.own_all("proxy_pass").next().is_none() {
            lint.add(
                Error,
                "PROXY-101",
                lint.opener(&page),
                "the location of ordinary requests has no proxy_pass",
                "clients get a page of NGINX, or 404, in place of Mattermost",
                "write `proxy_pass http://backend;` in it",
            );
        } else {
            headers(lint, site, &page, Kind::Page);
            kept_connections(lint, http, &page);
        }
    }
    websocket(lint, http, site);
}

fn unknown(lint: &mut Lint<'_>, blocking: &Directive) {
    let found = "it cannot be told which requests this location takes";
    lint.add(Warning, "PROXY-101", at(blocking), found,
        "when it takes /api/v4/websocket without passing the upgrade, messages appear only after a reload",
        "use a plain prefix, or `location ~ /api/v[0-9]+/(users/)?websocket$` before it");
}

/// Which requests a location answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    WebSocket,
    Page,
}

fn websocket(lint: &mut Lint<'_>, http: &Scope<'_>, site: &Scope<'_>) {
    const FIX: &str = "add `location ~ /api/v[0-9]+/(users/)?websocket$` with `proxy_http_version 1.1`, \
                       `proxy_set_header Upgrade $http_upgrade` and `proxy_set_header Connection \"upgrade\"`";
    let scope = match location(site, WEBSOCKET) {
        Found::Location(scope) => scope,
        Found::None => {
            lint.add(
                Error,
                "PROXY-102",
                lint.opener(site),
                "no location answers /api/v4/websocket",
                STALE,
                FIX,
            );
            return;
        }
        Found::Unknown(blocking) => {
            unknown(lint, blocking);
            return;
        }
    };
    let place = lint.opener(&scope);
    let own = scope
        .opener
        .is_some_and(|one| one.words.iter().any(|word| word.text.contains("websocket")));
    if scope.own_all("proxy_pass").next().is_none() {
        lint.add(
            Error,
            "PROXY-102",
            place,
            "the location that answers /api/v4/websocket has no proxy_pass",
            STALE,
            "write `proxy_pass http://backend;` in it",
        );
        return;
    }
    let version = scope.get("proxy_http_version");
    if version.is_none_or(|one| one.word(0) != "1.1") {
        let place = version.map_or(place, at);
        lint.add(
            Error,
            "PROXY-102",
            place,
            "the WebSocket is passed on with HTTP/1.0, which knows no upgrade",
            STALE,
            "write `proxy_http_version 1.1;` in that location or around it",
        );
    }
    let upgrade = scope.header("proxy_set_header", "Upgrade");
    let connection = scope.header("proxy_set_header", "Connection");
    if !own && upgrade.is_none() && connection.is_none_or(|one| one.word(1).is_empty()) {
        lint.add(
            Error,
            "PROXY-102",
            place,
            "no location passes the upgrade of the WebSocket on",
            STALE,
            FIX,
        );
    } else {
        header_upgrade(lint, place, upgrade);
        header_connection(lint, http, place, connection);
    }
    headers(lint, site, &scope, Kind::WebSocket);
    if let Some(timeout) = scope.get("proxy_read_timeout")
        && crate::nginx::effective::seconds(timeout.word(0)).is_some_and(|seconds| seconds < 60)
    {
        lint.add(
            Warning,
            "PROXY-110",
            at(timeout),
            "quiet WebSockets are closed in less than a minute",
            "clients connect again and again; updates come late",
            "write `proxy_read_timeout 90;` in the location of the WebSocket",
        );
    }
}

type At = (crate::nginx::config::Place, usize);

fn header_upgrade(lint: &mut Lint<'_>, place: At, upgrade: Option<&Directive>) {
    const FIX: &str =
        "write `proxy_set_header Upgrade $http_upgrade;` in the location of the WebSocket";
    match upgrade {
        None => lint.add(
            Error,
            "PROXY-102",
            place,
            "the header Upgrade is not passed on to the WebSocket",
            STALE,
            FIX,
        ),
        Some(one)
            if one.word(1) != "$http_upgrade" && !one.word(1).eq_ignore_ascii_case("websocket") =>
        {
            let found = format!("the header Upgrade is `{}`", shown(one.word(1)));
            lint.add(Error, "PROXY-102", at(one), found, STALE, FIX);
        }
        Some(_) => {}
    }
}

fn header_connection(
    lint: &mut Lint<'_>,
    http: &Scope<'_>,
    place: At,
    connection: Option<&Directive>,
) {
    const FIX: &str =
        "write `proxy_set_header Connection \"upgrade\";` in the location of the WebSocket";
    let Some(one) = connection else {
        lint.add(
            Error,
            "PROXY-102",
            place,
            "the header Connection is not set for the WebSocket",
            STALE,
            FIX,
        );
        return;
    };
    let value = one.word(1);
    if value.eq_ignore_ascii_case("upgrade") || value == "$http_connection" {
        return;
    }
    let Some(variable) = value.strip_prefix('$') else {
        let found = format!("the header Connection is `{}`, not `upgrade`", shown(value));
        lint.add(Error, "PROXY-102", at(one), found, STALE, FIX);
        return;
    };
    // The usual form: map $http_upgrade $connection_upgrade { default upgrade; '' close; }
    let map = http
        .own_all("map")
        .find(|map| map.word(1).strip_prefix('$') == Some(variable.trim_matches(['{', '}'])));
    match map {
        Some(map)
            if map
                .inside()
                .iter()
                .any(|one| one.word(0).eq_ignore_ascii_case("upgrade")) => {}
        Some(map) => lint.add(
            Error,
            "PROXY-102",
            at(map),
            "no line of this map gives `upgrade`",
            STALE,
            "write `default upgrade;` in the map",
        ),
        None => {
            let found = format!("the variable `{}` is not defined here", shown(value));
            lint.add(Warning, "PROXY-102", at(one), found,
                "unless another file defines it, nginx -t fails: `unknown variable`",
                "add `map $http_upgrade $connection_upgrade { default upgrade; '' close; }`, or write \"upgrade\"");
        }
    }
}

/// Headers that tell the server who asks, and for what.
fn headers(lint: &mut Lint<'_>, site: &Scope<'_>, scope: &Scope<'_>, kind: Kind) {
    let place = lint.opener(scope);
    host(lint, site, scope, kind);
    for (header, fix, symptom) in [
        (
            "X-Forwarded-Proto",
            "proxy_set_header X-Forwarded-Proto $scheme;",
            "the server takes connections for plain HTTP: session cookies are not marked Secure",
        ),
        (
            "X-Real-IP",
            "proxy_set_header X-Real-IP $remote_addr;",
            "the audit log shows the proxy's address in place of the user's; rate limits hit everybody at once",
        ),
        (
            "X-Forwarded-For",
            "proxy_set_header X-Forwarded-For $remote_addr;",
            "the audit log shows the proxy's address in place of the user's",
        ),
    ] {
        match scope.header("proxy_set_header", header) {
            None => lint.add(
                Warning,
                "PROXY-101",
                place,
                format!("the header {header} is not passed on"),
                symptom,
                format!("write `{fix}`; a location that sets one header inherits none"),
            ),
            Some(one) if one.word(1) == "$proxy_add_x_forwarded_for" && kind == Kind::Page => {
                lint.add(Info, "PROXY-101", at(one), "X-Forwarded-For keeps what the client sent",
                    "a client can put any address into the audit log when the server trusts this header",
                    "write `proxy_set_header X-Forwarded-For $remote_addr;`, unless another proxy stands in front");
            }
            Some(_) => {}
        }
    }
}

fn host(lint: &mut Lint<'_>, site: &Scope<'_>, scope: &Scope<'_>, kind: Kind) {
    const REFUSED: &str = "WebSockets are refused with 403, `origin not allowed`: messages appear only after a reload";
    const FIX: &str = "write `proxy_set_header Host $host;`, or `$host:$server_port` when the site is not on port 443";
    let level = if kind == Kind::WebSocket {
        Error
    } else {
        Warning
    };
    let symptom = match kind {
        Kind::WebSocket => REFUSED,
        Kind::Page => {
            "the server sees the name of the upstream; links and the check of origins go wrong"
        }
    };
    let Some(one) = scope.header("proxy_set_header", "Host") else {
        lint.add(
            level,
            "PROXY-101",
            lint.opener(scope),
            "the header Host is not passed on",
            symptom,
            FIX,
        );
        return;
    };
    let ports: Vec<u16> = listens(site).iter().filter_map(|one| one.port).collect();
    let other_port = ports.iter().find(|port| !matches!(port, 80 | 443));
    match one.word(1) {
        "$host" | "$server_name" if kind == Kind::WebSocket && !ports.contains(&443) => {
            if let Some(port) = other_port {
                let found = format!("the header Host loses the port {port}");
                lint.add(Error, "PROXY-101", at(one), found, REFUSED, FIX);
            }
        }
        "$http_host" if kind == Kind::Page => lint.add(
            Info,
            "PROXY-101",
            at(one),
            "the header Host is what the client sent, unchecked",
            "a client can make the server answer for another name",
            FIX,
        ),
        "$proxy_host" | "$upstream_addr" | "localhost" | "127.0.0.1" => {
            let found = format!(
                "the header Host is `{}`, not the site's name",
                shown(one.word(1))
            );
            lint.add(level, "PROXY-101", at(one), found, symptom, FIX);
        }
        _ => {}
    }
}

/// Connections to the servers are kept only with HTTP/1.1 and an empty header Connection.
fn kept_connections(lint: &mut Lint<'_>, http: &Scope<'_>, page: &Scope<'_>) {
    let Some(pass) = page.get("proxy_pass") else {
        return;
    };
    if upstream::block(pass, http).is_none_or(|block| block.all("keepalive").next().is_none()) {
        return;
    }
    let version = page
        .get("proxy_http_version")
        .is_some_and(|one| one.word(0) == "1.1");
    let connection = page
        .header("proxy_set_header", "Connection")
        .map(|one| one.word(1));
    // A map that gives `close` to ordinary requests closes them too, but it works.
    if !version || connection.is_none() {
        lint.add(
            Warning,
            "PROXY-094",
            lint.opener(page),
            "keepalive has no effect: it needs HTTP/1.1 and an empty header Connection",
            "each request opens a connection of its own; under load ports run out",
            "write `proxy_http_version 1.1;` and `proxy_set_header Connection \"\";`",
        );
    }
}
