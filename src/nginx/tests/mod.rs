//! A good site, and what is said when one thing about it is changed.

mod cases;
mod reading;

use crate::nginx::{Config, Expected, File, Findings, Level, examine, read};

/// A site of two servers that nothing is to be said about, but for what is recommended only.
pub(super) const GOOD: &str = r#"upstream backend {
    server 10.20.0.11:8065 max_fails=0;
    server 10.20.0.12:8065 max_fails=0;
    keepalive 32;
}
server {
    listen 80;
    server_name chat.mm.internal;
    return 301 https://$host$request_uri;
}
server {
    listen 443 ssl http2;
    server_name chat.mm.internal;
    ssl_certificate /etc/nginx/ssl/fullchain.pem;
    ssl_certificate_key /etc/nginx/ssl/privkey.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384;
    ssl_stapling off;
    add_header Strict-Transport-Security "max-age=15768000" always;
    access_log /var/log/nginx/mattermost.access.log;
    client_max_body_size 100M;
    proxy_http_version 1.1;
    proxy_connect_timeout 90;
    proxy_send_timeout 90;
    proxy_read_timeout 90;
    limit_req zone=all burst=20;
    allow 10.30.0.0/16;
    deny all;
    location ~ /api/v[0-9]+/(users/)?websocket$ {
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_pass http://backend;
    }
    location / {
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_pass http://backend;
    }
}
"#;

pub(super) fn config_of(text: &str) -> Config {
    named("/etc/nginx/conf.d/mattermost.conf", text)
}

pub(super) fn named(path: &str, text: &str) -> Config {
    let file = File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    read(vec![file]).unwrap()
}

pub(super) fn lines(findings: &Findings) -> Vec<String> {
    findings
        .iter()
        .map(|one| {
            format!(
                "{} {} {}: {}",
                one.level.as_str(),
                one.id,
                one.place,
                one.found
            )
        })
        .collect()
}

/// What is found in a text, without knowing more.
pub(super) fn found(text: &str) -> Vec<String> {
    lines(&examine(&config_of(text), &Expected::default()))
}

#[test]
fn nothing_is_said_about_a_good_site() {
    assert_eq!(found(GOOD), Vec::<String>::new());
}

#[test]
fn what_is_not_required_is_information() {
    let bare = GOOD
        .replace("    limit_req zone=all burst=20;\n", "")
        .replace("    allow 10.30.0.0/16;\n    deny all;\n", "");
    let findings = examine(&config_of(&bare), &Expected::default());
    assert_eq!(
        lines(&findings),
        [
            "info PROXY-114 11:1: there is no list of addresses; one is recommended, not required",
            "info PROXY-114 11:1: there is no rate limit; one is recommended, not required",
        ]
    );
    assert_eq!(findings.count(Level::Error), 0);
}
