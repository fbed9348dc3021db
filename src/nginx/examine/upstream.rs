//! The servers behind the proxy.

use crate::nginx::config::Directive;
use crate::nginx::effective::Scope;
use crate::nginx::examine::{APP_PORT, Backend, Lint, at, passing};
use crate::nginx::finding::Level::{Error, Info, Warning};
use crate::nginx::read::shown;

/// The host (and port) part of a `proxy_pass`.
fn authority(pass: &Directive) -> &str {
    let url = pass.word(0);
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// The upstream block that a `proxy_pass` names.
pub(super) fn block<'c>(pass: &Directive, http: &Scope<'c>) -> Option<&'c Directive> {
    let name = authority(pass);
    http.own()
        .iter()
        .find(|one| one.is("upstream") && one.word(0) == name)
}

/// The servers that a `proxy_pass` leads to: those of its upstream, or the one that it names.
pub(super) fn servers<'c>(pass: &'c Directive, http: &Scope<'c>) -> Vec<&'c str> {
    match block(pass, http) {
        Some(block) => block.all("server").map(|one| one.word(0)).collect(),
        None => vec![authority(pass)],
    }
}

pub(super) fn check(lint: &mut Lint<'_>, http: &Scope<'_>, site: &Scope<'_>) {
    let mut seen: Vec<&Directive> = Vec::new();
    let passes: Vec<&Directive> = passing::locations(site)
        .iter()
        .filter_map(|one| one.own_all("proxy_pass").next())
        .collect();
    for pass in passes {
        if pass.word(0).starts_with("https://") {
            lint.add(Warning, "PROXY-090", at(pass), "the servers are asked over TLS",
                "Mattermost answers plain HTTP behind a proxy: 502, unless ConnectionSecurity is TLS",
                "write `proxy_pass http://…;`");
        }
        match block(pass, http) {
            Some(block) => {
                if !seen.contains(&block) {
                    seen.push(block);
                }
            }
            None => direct(lint, pass),
        }
    }
    for block in &seen {
        examine(lint, block);
    }
    if let Some(backends) = lint
        .expected
        .site
        .as_ref()
        .map(|site| site.backends.clone())
    {
        compare(lint, &seen, &backends);
    }
}

/// A `proxy_pass` that names a server, not an upstream.
fn direct(lint: &mut Lint<'_>, pass: &Directive) {
    let target = authority(pass);
    let one_server = lint
        .expected
        .site
        .as_ref()
        .is_some_and(|site| site.backends.len() < 2);
    let found = format!("`{}` is no upstream of this file", shown(target));
    let level = if one_server { Warning } else { Error };
    lint.add(level, "PROXY-093", at(pass), found,
        "there is one server only: when it stops, the site stops; no connection is kept open",
        "add `upstream backend { server HOST:8065 max_fails=0; keepalive 32; }` with a line for each server, \
         and pass to http://backend");
}

fn examine(lint: &mut Lint<'_>, block: &Directive) {
    let servers: Vec<&Directive> = block.all("server").collect();
    if servers.is_empty() {
        lint.add(
            Error,
            "PROXY-093",
            at(block),
            "the upstream has no server",
            "nginx -t fails: `no servers are inside upstream`",
            "add `server HOST:8065;` for each application server",
        );
    }
    for server in &servers {
        let address = server.word(0);
        if server.has("down") || server.has("backup") {
            let found = format!("the server {} stands aside", shown(address));
            lint.add(Warning, "PROXY-093", at(server), found,
                "it gets no requests, or only when all others have failed; clients of a cluster expect all of them",
                "remove `down` or `backup`");
        }
        let has_port = address.starts_with("unix:")
            || address
                .rsplit_once(']')
                .map_or(address, |(_, after)| after)
                .contains(':');
        if !has_port {
            let found = format!(
                "the server {} has no port; port 80 is asked",
                shown(address)
            );
            lint.add(
                Error,
                "PROXY-093",
                at(server),
                found,
                "502 Bad Gateway: the application servers listen on port 8065",
                format!("write `server {}:{APP_PORT};`", shown(address)),
            );
        }
    }
    if block.all("keepalive").next().is_none() {
        lint.add(
            Warning,
            "PROXY-099",
            at(block),
            "the upstream has no keepalive",
            "each request opens a connection of its own to the server, which doubles its time",
            "write `keepalive 32;` after the servers",
        );
    }
    if servers.len() > 1 && !servers.iter().all(|one| one.has("max_fails=0")) {
        lint.add(
            Info,
            "PROXY-093",
            at(block),
            "servers are left out after one failed request",
            "after a short fault all users move to the remaining servers at once",
            "Mattermost recommends `max_fails=0` for each server",
        );
    }
}

/// All servers of the deployment, and no others.
fn compare(lint: &mut Lint<'_>, blocks: &[&Directive], backends: &[Backend]) {
    for block in blocks {
        let servers: Vec<&Directive> = block.all("server").collect();
        for backend in backends {
            if !servers.iter().any(|one| {
                backend
                    .addresses
                    .iter()
                    .any(|address| one.word(0) == address)
            }) {
                let address = backend.addresses.first().map_or("", String::as_str);
                let found = format!(
                    "the application server {} ({address}) is not in the upstream",
                    backend.name
                );
                lint.add(
                    Error,
                    "PROXY-093",
                    at(block),
                    found,
                    "it is idle, and its users find no one when the others fail",
                    format!("add `server {address} max_fails=0;`"),
                );
            }
        }
        for server in servers {
            let known = backends.iter().any(|backend| {
                backend
                    .addresses
                    .iter()
                    .any(|address| address == server.word(0))
            });
            if !known {
                let found = format!(
                    "{} is no application server of the deployment",
                    shown(server.word(0))
                );
                lint.add(
                    Error,
                    "PROXY-093",
                    at(server),
                    found,
                    "a part of all requests ends in 502, or in another system",
                    "remove it, or add the host to the deployment",
                );
            }
        }
    }
}
