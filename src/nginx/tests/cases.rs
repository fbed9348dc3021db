//! One change of the good site each, and everything that is found then.

use crate::nginx::tests::{GOOD, config_of, found, lines, named};
use crate::nginx::{Backend, Expected, Site, Strictness, examine, render};
use crate::types::target::Family;

/// What is replaced, everywhere; by what; what is found then.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const WS_LINE: &str = "    location ~ /api/v[0-9]+/(users/)?websocket$ {\n";
const WS_UPGRADE: &str = "        proxy_set_header Upgrade $http_upgrade;\n";
const WS_CONNECTION: &str = "        proxy_set_header Connection \"upgrade\";\n";

#[rustfmt::skip]
const CASES: &[Case] = &[
    // What WebSockets need.
    (&[(WS_UPGRADE, "")],
     &["error PROXY-102 29:5: the header Upgrade is not passed on to the WebSocket"]),
    (&[(WS_CONNECTION, "")],
     &["error PROXY-102 29:5: the header Connection is not set for the WebSocket"]),
    (&[(WS_CONNECTION, "        proxy_set_header Connection \"\";\n")],
     &["error PROXY-102 31:9: the header Connection is ``, not `upgrade`"]),
    (&[("Upgrade $http_upgrade", "Upgrade yes")],
     &["error PROXY-102 30:9: the header Upgrade is `yes`"]),
    (&[("Upgrade $http_upgrade", "Upgrade websocket"), ("Connection \"upgrade\"", "connection Upgrade")], &[]),
    (&[("    proxy_http_version 1.1;\n", "")],
     &["error PROXY-102 28:5: the WebSocket is passed on with HTTP/1.0, which knows no upgrade",
       "warn PROXY-094 37:5: keepalive has no effect: it needs HTTP/1.1 and an empty header Connection"]),
    (&[("proxy_http_version 1.1", "proxy_http_version 1.0")],
     &["error PROXY-102 22:5: the WebSocket is passed on with HTTP/1.0, which knows no upgrade",
       "warn PROXY-094 38:5: keepalive has no effect: it needs HTTP/1.1 and an empty header Connection"]),
    // The location does not answer it.
    (&[("(users/)?websocket$", "ws$")],
     &["error PROXY-102 38:5: no location passes the upgrade of the WebSocket on"]),
    (&[("~ /api/v[0-9]+/(users/)?websocket$", "^~ /api/"), ("Connection \"upgrade\"", "Connection \"\"")],
     &["error PROXY-102 31:9: the header Connection is ``, not `upgrade`"]),
    (&[("    location / {", "    location ^~ /api/ {")],
     &["error PROXY-102 38:5: no location passes the upgrade of the WebSocket on"]),
    (&[("    location / {", "    location /api/ { return 404; }\n    location / {")],
     &["error PROXY-101 38:5: the location of ordinary requests has no proxy_pass"]),
    (&[(WS_LINE, "    location ~ \"^(?=/api)\" { return 404; }\n    location ~ websocket$ {\n")],
     &["warn PROXY-101 29:5: it cannot be told which requests this location takes"]),
    (&[("X-Forwarded-Proto $scheme;\n        proxy_pass http://backend;\n    }\n    location /", "X-Forwarded-Proto $scheme;\n    }\n    location /")],
     &["error PROXY-102 29:5: the location that answers /api/v4/websocket has no proxy_pass"]),
    // The map that many files have, with one location for all.
    (&[("server {\n    listen 80", "map $http_upgrade $up { default upgrade; '' close; }\nserver {\n    listen 80"),
       ("Connection \"upgrade\"", "Connection $up")], &[]),
    (&[("server {\n    listen 80", "map $http_upgrade $up { default keep; '' close; }\nserver {\n    listen 80"),
       ("Connection \"upgrade\"", "Connection $up")],
     &["error PROXY-102 6:1: no line of this map gives `upgrade`"]),
    (&[("Connection \"upgrade\"", "Connection $up")],
     &["warn PROXY-102 31:9: the variable `$up` is not defined here"]),
    // Headers.
    (&[("        proxy_set_header Host $host;\n", "")],
     &["error PROXY-101 29:5: the header Host is not passed on",
       "warn PROXY-101 37:5: the header Host is not passed on"]),
    (&[("listen 443 ssl http2", "listen 8443 ssl")],
     &["error PROXY-101 32:9: the header Host loses the port 8443"]),
    (&[("listen 443 ssl http2", "listen 8443 ssl"), ("Host $host", "Host $host:$server_port")], &[]),
    (&[("Host $host", "Host $proxy_host")],
     &["error PROXY-101 32:9: the header Host is `$proxy_host`, not the site's name",
       "warn PROXY-101 40:9: the header Host is `$proxy_host`, not the site's name"]),
    (&[("Host $host", "Host $http_host")],
     &["info PROXY-101 40:9: the header Host is what the client sent, unchecked"]),
    (&[("        proxy_set_header X-Forwarded-Proto $scheme;\n", "")],
     &["warn PROXY-101 29:5: the header X-Forwarded-Proto is not passed on",
       "warn PROXY-101 37:5: the header X-Forwarded-Proto is not passed on"]),
    (&[("        proxy_set_header X-Real-IP $remote_addr;\n", "")],
     &["warn PROXY-101 29:5: the header X-Real-IP is not passed on",
       "warn PROXY-101 37:5: the header X-Real-IP is not passed on"]),
    (&[("X-Forwarded-For $remote_addr", "X-Forwarded-For $proxy_add_x_forwarded_for")],
     &["info PROXY-101 42:9: X-Forwarded-For keeps what the client sent"]),
    (&[("        proxy_set_header Connection \"\";\n", "")],
     &["warn PROXY-094 38:5: keepalive has no effect: it needs HTTP/1.1 and an empty header Connection"]),
    // Servers.
    (&[("    server 10.20.0.11:8065 max_fails=0;\n    server 10.20.0.12:8065 max_fails=0;\n", "")],
     &["error PROXY-093 1:1: the upstream has no server"]),
    (&[("10.20.0.11:8065", "10.20.0.11")],
     &["error PROXY-093 2:5: the server 10.20.0.11 has no port; port 80 is asked"]),
    (&[("10.20.0.12:8065 max_fails=0", "10.20.0.12:8065 max_fails=0 backup")],
     &["warn PROXY-093 3:5: the server 10.20.0.12:8065 stands aside"]),
    (&[("8065 max_fails=0", "8065")],
     &["info PROXY-093 1:1: servers are left out after one failed request"]),
    (&[("    keepalive 32;\n", "")], &["warn PROXY-099 1:1: the upstream has no keepalive"]),
    (&[("keepalive 32", "keepalive 1")], &[]),
    (&[("http://backend", "http://10.20.0.11:8065")],
     &["error PROXY-093 36:9: `10.20.0.11:8065` is no upstream of this file",
       "error PROXY-093 44:9: `10.20.0.11:8065` is no upstream of this file"]),
    (&[("http://backend", "https://backend")],
     &["warn PROXY-090 36:9: the servers are asked over TLS", "warn PROXY-090 44:9: the servers are asked over TLS"]),
    // TLS.
    (&[("    ssl_certificate /etc/nginx/ssl/fullchain.pem;\n", "")],
     &["error PROXY-106 11:1: the site has no ssl_certificate"]),
    (&[("    ssl_certificate_key /etc/nginx/ssl/privkey.pem;\n", "")],
     &["error PROXY-106 11:1: the site has no ssl_certificate_key"]),
    (&[("/etc/nginx/ssl/", "/etc/letsencrypt/live/chat/")],
     &["warn PROXY-103 14:5: the certificate comes from Let's Encrypt",
       "warn PROXY-103 15:5: the private key comes from Let's Encrypt"]),
    (&[("    ssl_certificate /", "    acme_certificate internal;\n    ssl_certificate /")],
     &["error PROXY-103 14:5: the certificate comes from an ACME service"]),
    (&[("    ssl_protocols TLSv1.2 TLSv1.3;\n", "")], &["error PROXY-107 11:1: the site has no ssl_protocols"]),
    (&[("TLSv1.2 TLSv1.3", "TLSv1 TLSv1.1 TLSv1.2")], &["error PROXY-107 16:5: TLSv1, TLSv1.1 is accepted"]),
    (&[("TLSv1.2 TLSv1.3", "SSLv3")],
     &["error PROXY-107 16:5: SSLv3 is accepted", "error PROXY-107 16:5: neither TLS 1.2 nor 1.3 is accepted"]),
    (&[("ssl_stapling off;", "ssl_early_data on;")], &["warn PROXY-107 18:5: early data of TLS 1.3 is accepted"]),
    (&[("ssl_stapling off;", "ssl_stapling on;")], &["warn PROXY-113 18:5: NGINX asks a responder for revocation"]),
    (&[("    ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384;\n", "")],
     &["warn PROXY-108 11:1: the site has no ssl_ciphers"]),
    (&[(":ECDHE-RSA-AES256-GCM-SHA384", ":RC4-SHA:!aNULL:DES-CBC3-SHA")],
     &["error PROXY-108 17:5: broken ciphers are offered: RC4-SHA, DES-CBC3-SHA"]),
    (&[(":ECDHE-RSA-AES256-GCM-SHA384", ":HIGH:!aNULL:!MD5")],
     &["warn PROXY-108 17:5: ciphers without forward secrecy are offered: HIGH"]),
    (&[("listen 443 ssl http2", "listen 443")], &["error PROXY-101 12:5: port 443 without `ssl`"]),
    (&[("listen 443 ssl http2", "listen [::]:443 ssl")], &[]),
    (&[("    add_header Strict-Transport-Security \"max-age=15768000\" always;\n", "")],
     &["warn PROXY-109 11:1: the site has no Strict-Transport-Security"]),
    (&[("        proxy_set_header Connection \"\";\n", "        proxy_set_header Connection \"\";\n        add_header X-Robots-Tag none;\n")],
     &["warn PROXY-109 40:9: a location with an add_header of its own inherits none: Strict-Transport-Security is lost here"]),
    (&[("max-age=15768000", "max-age=0")], &["warn PROXY-109 19:5: Strict-Transport-Security is switched off"]),
    (&[("\"max-age=15768000\" always", "\"max-age=600; includeSubDomains\"")],
     &["info PROXY-109 19:5: max-age is 600 seconds, less than half a year",
       "info PROXY-109 19:5: the header is not sent with error pages"]),
    // Sizes, times, log.
    (&[("    client_max_body_size 100M;\n", "")],
     &["error PROXY-111 37:5: there is no client_max_body_size; 1 MiB is the default"]),
    (&[("100M", "50M")],
     &["warn PROXY-111 21:5: 52428800 bytes pass here, the server accepts 104857600 unless MaxFileSize says otherwise"]),
    (&[("100M", "0")], &["warn PROXY-111 21:5: bodies of any size are accepted"]),
    (&[("100M", "plenty")], &["error PROXY-111 21:5: client_max_body_size is no size"]),
    (&[("    proxy_send_timeout 90;\n", "")],
     &["info PROXY-110 37:5: there is no proxy_send_timeout; 60 seconds is the default"]),
    (&[("proxy_read_timeout 90", "proxy_read_timeout 10s")],
     &["warn PROXY-110 25:5: proxy_read_timeout is below 60 seconds",
       "warn PROXY-110 25:5: quiet WebSockets are closed in less than a minute"]),
    (&[("/var/log/nginx/mattermost.access.log", "off")], &["warn PROXY-095 20:5: requests are not logged"]),
    // Port 80, names.
    (&[("return 301 https://$host$request_uri;", "location / { proxy_pass http://backend; }")],
     &["error PROXY-100 6:1: port 80 passes requests on in plain text"]),
    (&[("return 301 https", "return 302 https")], &["info PROXY-100 9:5: the redirect is not a permanent one"]),
    (&[("301 https:", "301 http:")], &["error PROXY-100 9:5: the redirect leads to http again"]),
    (&[("    listen 80;\n", "    listen 81;\n")], &["warn PROXY-100 11:1: nothing listens on port 80"]),
    (&[("    listen 80;\n", "    listen 80 default_server;\n")],
     &["warn PROXY-097 7:5: this site calls itself the default server"]),
    (&[("    server_name chat.mm.internal;\n    ssl", "    ssl")], &["warn PROXY-101 11:1: the site has no server_name"]),
    (&[("ssl http2;", "ssl;\n    http2 on;")], &["info PROXY-112 13:5: `http2 on` needs NGINX 1.25.1"]),
    // Syntax.
    (&[("keepalive 32;", "keepalive 32")],
     &["error PROXY-112 4:5: `keepalive` has no `;` at its end"]),
    (&[("    server 10.20.0.11", "    include servers.conf;\n    server 10.20.0.11")],
     &["info PROXY-112 2:5: the include of `servers.conf` was not followed"]),
];

#[test]
fn each_change_of_a_good_site_is_reported_and_nothing_else() {
    assert!(CASES.len() >= 60, "{}", CASES.len());
    let mut wrong = Vec::new();
    for (edits, expected) in CASES {
        let mut text = GOOD.to_owned();
        for (from, to) in *edits {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let found = found(&text);
        if found != *expected {
            wrong.push(format!(
                "{edits:?}\n  found    {found:#?}\n  expected {expected:#?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn expected() -> Expected {
    let backend = |name: &str, address: &str| Backend {
        name: name.to_owned(),
        addresses: vec![address.to_owned()],
    };
    Expected {
        site: Some(Site {
            host: "chat.mm.internal".to_owned(),
            port: 443,
            backends: vec![
                backend("app1", "10.20.0.11:8065"),
                backend("app2", "10.20.0.12:8065"),
            ],
            max_file_size: 52_428_800,
        }),
        ..Expected::default()
    }
}

fn found_with(text: &str, expected: &Expected) -> Vec<String> {
    lines(&examine(&config_of(text), expected))
}

#[test]
fn a_site_is_compared_with_its_deployment() {
    let is =
        |text: &str, lines: &[&str]| assert_eq!(found_with(text, &expected()), lines, "{text}");
    is(GOOD, &[]);
    is(
        &GOOD.replace("    server 10.20.0.12:8065 max_fails=0;\n", ""),
        &[
            "error PROXY-093 1:1: the application server app2 (10.20.0.12:8065) is not in the upstream",
        ],
    );
    is(
        &GOOD.replace(
            "    keepalive",
            "    server 10.20.0.99:8065 max_fails=0;\n    keepalive",
        ),
        &["error PROXY-093 4:5: 10.20.0.99:8065 is no application server of the deployment"],
    );
    is(
        &GOOD.replace("chat.mm.internal", "talk.mm.internal"),
        &["error PROXY-101 13:5: the server_name is not chat.mm.internal, the name in SiteURL"],
    );
    is(
        &GOOD.replace("100M", "49M"),
        &["error PROXY-111 21:5: 51380224 bytes pass here, the server accepts 52428800"],
    );
    is(
        &GOOD.replace(
            "listen 443 ssl http2;",
            "listen 443 ssl;\n    listen 8443 ssl;",
        ),
        &["warn PROXY-092 13:5: the site also listens on port 8443"],
    );
    let mut other = expected();
    other.site.as_mut().unwrap().port = 8443;
    assert_eq!(
        found_with(GOOD, &other),
        [
            "error PROXY-101 11:1: the site does not listen on port 8443, the one in SiteURL",
            "warn PROXY-092 12:5: the site also listens on port 443",
        ]
    );
}

#[test]
fn what_is_known_besides_changes_what_is_said() {
    let version = |text: &str| Expected {
        version: Some(text.parse().unwrap()),
        ..Expected::default()
    };
    let on = GOOD.replace("ssl http2;", "ssl;\n    http2 on;");
    assert_eq!(
        found_with(&on, &version("1.22.1-9+deb12u3")),
        ["error PROXY-112 13:5: `http2 on` needs NGINX 1.25.1"]
    );
    assert_eq!(found_with(&on, &version("1.25.1")), Vec::<String>::new());
    assert_eq!(
        found_with(GOOD, &version("1.26.3")),
        ["info PROXY-112 12:5: `listen … http2` is deprecated since NGINX 1.25.1"]
    );
    assert_eq!(found_with(GOOD, &version("1.22.1")), Vec::<String>::new());
    let silent = GOOD
        .replace("    ssl_protocols TLSv1.2 TLSv1.3;\n", "")
        .replace(" http2", "");
    assert_eq!(
        found_with(&silent, &version("1.27.3")),
        Vec::<String>::new()
    );
    assert_eq!(
        found_with(&silent, &version("1.27.2")),
        ["error PROXY-107 11:1: the site has no ssl_protocols"]
    );
    let strict = Expected {
        strictness: Strictness::Strict,
        ..Expected::default()
    };
    assert_eq!(
        found_with(
            &GOOD.replace("/var/log/nginx/mattermost.access.log", "off"),
            &strict
        ),
        ["error PROXY-095 20:5: requests are not logged"]
    );
}

#[test]
fn a_file_that_the_distribution_does_not_read_is_reported() {
    let found = |path: &str, family| {
        let expected = Expected {
            family,
            ..Expected::default()
        };
        lines(&examine(&named(path, GOOD), &expected))
    };
    let ignored = |path: &str| {
        vec![format!(
            "error PROXY-097 1:1: the name `{path}` does not end in .conf"
        )]
    };
    assert_eq!(
        found("/etc/nginx/conf.d/mattermost", None),
        ignored("/etc/nginx/conf.d/mattermost")
    );
    assert_eq!(
        found("mattermost", Some(Family::Rhel)),
        ignored("mattermost")
    );
    for good in [
        "mattermost",
        "/etc/nginx/sites-available/mattermost",
        "/etc/nginx/conf.d/mm.conf",
    ] {
        assert_eq!(found(good, Some(Family::Debian)), Vec::<String>::new());
    }
}

/// The first example of the proxy guide: plain HTTP, no HTTP version, a default server.
#[test]
fn the_known_defects_of_published_examples_are_found() {
    let plain = r"upstream backend { server 10.10.10.2:8065; keepalive 32; }
server {
    listen 80 default_server;
    server_name mattermost.example.com;
    location ~ /api/v[0-9]+/(users/)?websocket$ {
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
        client_max_body_size 50M;
        proxy_set_header Host $http_host;
        proxy_pass http://backend;
    }
    location / {
        client_max_body_size 100M;
        proxy_set_header Connection '';
        proxy_set_header Host $http_host;
        proxy_http_version 1.1;
        proxy_pass http://backend;
    }
}";
    let expected = Expected {
        family: Some(Family::Rhel),
        ..Expected::default()
    };
    let found = lines(&examine(
        &named("/etc/nginx/conf.d/mattermost", plain),
        &expected,
    ));
    let errors: Vec<&str> = found
        .iter()
        .filter(|one| one.starts_with("error"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        errors,
        [
            "error PROXY-097 1:1: the name `/etc/nginx/conf.d/mattermost` does not end in .conf",
            "error PROXY-101 2:1: the site does not end TLS",
            "error PROXY-102 5:5: the WebSocket is passed on with HTTP/1.0, which knows no upgrade",
        ]
    );
    // On Red Hat it is right: the site of nginx.conf does not call itself so, and must not win.
    let default = "warn PROXY-097 3:5: this site calls itself the default server".to_owned();
    assert!(!found.contains(&default), "{found:?}");
    let debian = Expected {
        family: Some(Family::Debian),
        ..Expected::default()
    };
    let on_debian = examine(&config_of(plain), &debian);
    assert!(lines(&on_debian).contains(&default));
}

#[test]
fn what_never_stops_live_updates_is_not_said_to() {
    let text = GOOD
        .replace("fullchain", "self-signed")
        .replace("keepalive 32", "keepalive 2");
    let text =
        format!("worker_processes 1;\nevents {{ worker_connections 64; }}\nhttp {{\n{text}}}\n");
    assert_eq!(found(&text), Vec::<String>::new());
}

#[test]
fn a_finding_is_shown_with_its_line_and_its_symptom() {
    let config = config_of(&GOOD.replace(
        "        proxy_set_header Connection \"upgrade\";",
        "\tproxy_set_header Connection \"keep-alive\";",
    ));
    let findings = examine(&config, &Expected::default());
    assert_eq!(
        render(&config, findings.iter().next().unwrap()),
        "/etc/nginx/conf.d/mattermost.conf:31:2: error PROXY-102: the header Connection is `keep-alive`, not `upgrade`\n  \
           31 |  proxy_set_header Connection \"keep-alive\";\n     \
              |  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n     \
              = symptom: messages appear only after a reload; clients show a red bar: `Please check connection`\n     \
              = fix: write `proxy_set_header Connection \"upgrade\";` in the location of the WebSocket\n"
    );
}
