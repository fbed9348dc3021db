//! Where the file stands, what it is called, which names and ports it answers.

use crate::nginx::config::Directive;
use crate::nginx::effective::Scope;
use crate::nginx::examine::{Lint, Listen, at, ends_tls, listens};
use crate::nginx::finding::Level::{Error, Info, Warning};
use crate::nginx::read::shown;
use crate::types::target::Family;

/// The file itself, and every server block in it.
pub(super) fn check(lint: &mut Lint<'_>, http: &Scope<'_>) {
    file_name(lint);
    for server in http.own_all("server") {
        let server = http.enter(server);
        for listen in listens(&server) {
            default_server(lint, listen);
        }
        http2(lint, &server);
    }
}

/// NGINX includes `conf.d/*.conf`; Debian and Ubuntu include every file of `sites-enabled`.
fn file_name(lint: &mut Lint<'_>) {
    let Some(file) = lint.config.files.first() else {
        return;
    };
    let path = std::path::Path::new(&file.path);
    if path.extension().is_some_and(|end| end == "conf") {
        return;
    }
    let folder = path.parent().and_then(|folder| folder.file_name());
    let in_conf_d = folder.is_some_and(|name| name == "conf.d");
    let rhel = lint.expected.family == Some(Family::Rhel);
    if in_conf_d || rhel {
        let found = format!("the name `{}` does not end in .conf", shown(&file.path));
        lint.add(
            Error,
            "PROXY-097",
            lint.whole(),
            found,
            "the file is ignored without a word: the distribution's own page, or nothing, answers",
            "name it mattermost.conf",
        );
    }
}

fn default_server(lint: &mut Lint<'_>, listen: Listen<'_>) {
    // The site of Red Hat's nginx.conf does not call itself so: there it must, to win over that.
    if lint.expected.family == Some(Family::Rhel) {
        return;
    }
    if listen.directive.has("default_server") || listen.directive.has("default") {
        lint.add(
            Warning,
            "PROXY-097",
            at(listen.directive),
            "this site calls itself the default server",
            "beside the distribution's own site, which does so too, nginx -t fails: \
             `a duplicate default server`",
            "leave `default_server` out, or remove /etc/nginx/sites-enabled/default",
        );
    }
}

fn http2(lint: &mut Lint<'_>, server: &Scope<'_>) {
    if let Some(directive) = server.own_all("http2").find(|one| one.word(0) == "on") {
        match lint.is_older_than((1, 25, 1)) {
            Some(true) => lint.add(Error, "PROXY-112", at(directive), "`http2 on` needs NGINX 1.25.1",
                "nginx -t fails: `unknown directive \"http2\"`",
                "write `listen 443 ssl http2;` instead"),
            Some(false) => {}
            None => lint.add(Info, "PROXY-112", at(directive), "`http2 on` needs NGINX 1.25.1",
                "an older one does not start: `unknown directive \"http2\"`",
                "with an older NGINX, as in Debian 12, write `listen 443 ssl http2;`; say --nginx-version to have it checked"),
        }
    }
    if lint.is_older_than((1, 25, 1)) == Some(false)
        && let Some(listen) = listens(server)
            .iter()
            .find(|one| one.directive.has("http2"))
    {
        lint.add(
            Info,
            "PROXY-112",
            at(listen.directive),
            "`listen … http2` is deprecated since NGINX 1.25.1",
            "nginx -t warns",
            "write `http2 on;` instead",
        );
    }
}

/// The names and ports of the site.
pub(super) fn check_names(lint: &mut Lint<'_>, site: &Scope<'_>) {
    let names: Vec<&str> = site
        .own_all("server_name")
        .flat_map(|one| one.words.iter())
        .map(|word| word.text.as_str())
        .filter(|name| !matches!(*name, "" | "_"))
        .collect();
    let place = site
        .own_all("server_name")
        .next()
        .map_or_else(|| lint.opener(site), at);
    if names.is_empty() {
        lint.add(
            Warning,
            "PROXY-101",
            place,
            "the site has no server_name",
            "requests end up here only as long as no other site is read before it",
            "write the name in SiteURL: `server_name chat.example.internal;`",
        );
    }
    let Some(expected) = &lint.expected.site else {
        return;
    };
    let (host, port) = (expected.host.clone(), expected.port);
    if !names.is_empty() && !names.iter().any(|name| name.eq_ignore_ascii_case(&host)) {
        let found = format!("the server_name is not {host}, the name in SiteURL");
        lint.add(
            Error,
            "PROXY-101",
            place,
            found,
            "another site answers, or WebSockets are refused with 403: the origin is not the host",
            format!("write `server_name {host};`"),
        );
    }
    let ports: Vec<u16> = listens(site).iter().filter_map(|one| one.port).collect();
    if !ports.contains(&port) {
        let found = format!("the site does not listen on port {port}, the one in SiteURL");
        lint.add(
            Error,
            "PROXY-101",
            lint.opener(site),
            found,
            "clients get no connection",
            format!("write `listen {port} ssl;`"),
        );
    }
    for listen in listens(site) {
        if let Some(other) = listen.port.filter(|other| *other != port && *other != 80) {
            let found = format!("the site also listens on port {other}");
            lint.add(
                Warning,
                "PROXY-092",
                at(listen.directive),
                found,
                "the firewall of the plan does not open it, and WebSockets through it are refused",
                format!("listen on {port} only"),
            );
        }
    }
}

/// Port 80, beside a site that ends TLS.
pub(super) fn check_redirect(
    lint: &mut Lint<'_>,
    servers: &[Scope<'_>],
    sites: &[Scope<'_>],
    in_plain_text: &[Scope<'_>],
) {
    let Some(site) = sites.iter().find(|site| ends_tls(site)) else {
        return;
    };
    let plain = servers
        .iter()
        .filter(|server| !ends_tls(server) && answers_80(server));
    let mut any = false;
    for server in plain {
        any = true;
        let Some(answer) = redirect(server) else {
            if in_plain_text.iter().any(|one| one.opener == server.opener) {
                lint.add(Error, "PROXY-100", lint.opener(server), "port 80 passes requests on in plain text",
                    "passwords and messages cross the network readable; sessions can be stolen",
                    "write `return 301 https://$host$request_uri;` in this server block, and nothing else");
            }
            continue;
        };
        let target = answer.words.last().map_or("", |word| word.text.as_str());
        if answer.is("return") && target.starts_with("http://") {
            lint.add(
                Error,
                "PROXY-100",
                at(answer),
                "the redirect leads to http again",
                "browsers give up: too many redirects",
                "write `return 301 https://$host$request_uri;`",
            );
        } else if answer.is("return") && !matches!(answer.word(0), "301" | "308") {
            lint.add(
                Info,
                "PROXY-100",
                at(answer),
                "the redirect is not a permanent one",
                "browsers ask port 80 again each time",
                "write `return 301 https://$host$request_uri;`",
            );
        }
    }
    if !any && !sites.iter().any(answers_80) {
        lint.add(
            Warning,
            "PROXY-100",
            lint.opener(site),
            "nothing listens on port 80",
            "who types the name without https gets no connection",
            "add a server block with `listen 80;` and `return 301 https://$host$request_uri;`",
        );
    }
}

fn answers_80(server: &Scope<'_>) -> bool {
    let listens = listens(server);
    // Without a `listen`, root listens on port 80.
    listens.is_empty()
        || listens
            .iter()
            .any(|one| one.port == Some(80) && !one.is_tls())
}

/// What sends all requests elsewhere: in the block itself, or in its location `/`.
fn redirect<'c>(server: &Scope<'c>) -> Option<&'c Directive> {
    let sends = |one: &&Directive| {
        one.is("return") || (one.is("rewrite") && one.word(1).starts_with("https://"))
    };
    server.own().iter().find(sends).or_else(|| {
        let root = server.own_all("location").find(|one| one.word(0) == "/");
        root.and_then(|root| root.inside().iter().find(sends))
    })
}
