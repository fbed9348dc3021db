//! Certificate, versions and ciphers of TLS; HSTS; what needs the internet.

use crate::nginx::config::Directive;
use crate::nginx::effective::Scope;
use crate::nginx::examine::{Lint, at, ends_tls, listens, passing};
use crate::nginx::finding::Level::{Error, Info, Warning};
use crate::nginx::read::shown;

/// Seconds of `max-age` that the generated site says: half a year.
const HSTS_SECONDS: u64 = 15_768_000;
/// Versions of TLS that are broken (RFC 7568, RFC 8996).
const BROKEN: [&str; 4] = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1"];
/// Parts of cipher names that mean a broken one.
const WEAK: [&str; 12] = [
    "RC4", "DES", "MD5", "NULL", "EXP", "LOW", "ADH", "AECDH", "RC2", "IDEA", "SEED", "SSLV2",
];

pub(super) fn check(lint: &mut Lint<'_>, site: &Scope<'_>) {
    if !ends_tls(site) {
        let on_443 = listens(site).into_iter().find(|one| one.port == Some(443));
        match on_443 {
            Some(listen) => lint.add(Error, "PROXY-101", at(listen.directive), "port 443 without `ssl`",
                "browsers show a protocol error: plain HTTP answers where TLS is expected",
                "write `listen 443 ssl;`"),
            None => lint.add(Error, "PROXY-101", lint.opener(site), "the site does not end TLS",
                "passwords and messages cross the network readable; clients refuse a SiteURL of https",
                "write `listen 443 ssl;` with `ssl_certificate` and `ssl_certificate_key`"),
        }
        return;
    }
    certificate(lint, site);
    protocols(lint, site);
    ciphers(lint, site);
    internet(lint, site);
    strict_transport(lint, site);
}

fn certificate(lint: &mut Lint<'_>, site: &Scope<'_>) {
    for (name, what) in [
        ("ssl_certificate", "certificate"),
        ("ssl_certificate_key", "private key"),
    ] {
        match site.get(name) {
            None => {
                let found = format!("the site has no {name}");
                lint.add(
                    Error,
                    "PROXY-106",
                    lint.opener(site),
                    found,
                    "nginx -t fails, or no client can connect: NGINX has nothing to show",
                    format!("name the file of the {what}: `{name} /etc/nginx/ssl/mattermost/…;`"),
                );
            }
            Some(directive) if directive.word(0).contains("/letsencrypt/") => {
                let found = format!("the {what} comes from Let's Encrypt");
                lint.add(
                    Warning,
                    "PROXY-103",
                    at(directive),
                    found,
                    "it expires after 90 days and cannot be renewed without the internet",
                    "use a certificate of the organization's own authority",
                );
            }
            Some(_) => {}
        }
    }
    for name in ["acme_certificate", "acme_issuer"] {
        if let Some(directive) = site.get(name) {
            lint.add(
                Error,
                "PROXY-103",
                at(directive),
                "the certificate comes from an ACME service",
                "it cannot be issued or renewed without that service",
                "use ssl_certificate with a certificate of the organization's own authority",
            );
        }
    }
}

fn protocols(lint: &mut Lint<'_>, site: &Scope<'_>) {
    const FIX: &str = "write `ssl_protocols TLSv1.2 TLSv1.3;`";
    let Some(directive) = site.get("ssl_protocols") else {
        // Since 1.27.3 these two are the default.
        if lint.is_older_than((1, 27, 3)) != Some(false) {
            lint.add(
                Error,
                "PROXY-107",
                lint.opener(site),
                "the site has no ssl_protocols",
                "older NGINX accepts TLS 1.0 and 1.1 then, which are broken; scanners report it",
                FIX,
            );
        }
        return;
    };
    let broken: Vec<&str> = directive
        .words
        .iter()
        .map(|word| word.text.as_str())
        .filter(|word| BROKEN.contains(word))
        .collect();
    if !broken.is_empty() {
        lint.add(
            Error,
            "PROXY-107",
            at(directive),
            format!("{} is accepted", broken.join(", ")),
            "connections can be forced down to a version that can be read",
            FIX,
        );
    }
    if !directive.has("TLSv1.2") && !directive.has("TLSv1.3") {
        lint.add(
            Error,
            "PROXY-107",
            at(directive),
            "neither TLS 1.2 nor 1.3 is accepted",
            "today's clients get no connection",
            FIX,
        );
    }
    if let Some(directive) = site.get("ssl_early_data").filter(|one| one.word(0) == "on") {
        lint.add(
            Warning,
            "PROXY-107",
            at(directive),
            "early data of TLS 1.3 is accepted",
            "recorded requests can be sent again: a message, or a deletion, happens twice",
            "remove ssl_early_data",
        );
    }
}

fn ciphers(lint: &mut Lint<'_>, site: &Scope<'_>) {
    const FIX: &str = "write `ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
                       ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;`";
    let Some(directive) = site.get("ssl_ciphers") else {
        lint.add(
            Warning,
            "PROXY-108",
            lint.opener(site),
            "the site has no ssl_ciphers",
            "the default, HIGH, also offers ciphers without forward secrecy",
            FIX,
        );
        return;
    };
    let ciphers = directive.word(0);
    let offered = || {
        ciphers
            .split([':', ',', ' ', ';'])
            .filter(|one| !one.is_empty())
    };
    // `!` and `-` take away.
    let kept: Vec<&str> = offered()
        .filter(|one| !one.starts_with(['!', '-']))
        .collect();
    let weak: Vec<String> = kept
        .iter()
        .filter(|one| is_weak(one))
        .map(|one| shown(one))
        .collect();
    if !weak.is_empty() {
        lint.add(
            Error,
            "PROXY-108",
            at(directive),
            format!("broken ciphers are offered: {}", weak.join(", ")),
            "recorded traffic can be read; scanners report it",
            FIX,
        );
        return;
    }
    let without: Vec<String> = kept
        .iter()
        .filter(|one| !has_forward_secrecy(one))
        .map(|one| shown(one))
        .collect();
    if !without.is_empty() {
        lint.add(
            Warning,
            "PROXY-108",
            at(directive),
            format!(
                "ciphers without forward secrecy are offered: {}",
                without.join(", ")
            ),
            "who gets the key later can read traffic that was recorded before",
            FIX,
        );
    }
}

fn is_weak(cipher: &str) -> bool {
    let cipher = cipher.trim_start_matches('+').to_ascii_uppercase();
    if matches!(
        cipher.as_str(),
        "ALL" | "COMPLEMENTOFALL" | "COMPLEMENTOFDEFAULT"
    ) {
        return true;
    }
    WEAK.iter().any(|weak| cipher.contains(weak))
}

fn has_forward_secrecy(cipher: &str) -> bool {
    let cipher = cipher.to_ascii_uppercase();
    // Commands such as `@STRENGTH`, and a group that is put at the end, offer nothing new.
    cipher.starts_with(['@', '+'])
        || cipher.contains("ECDH")
        || cipher.contains("DHE")
        || cipher.contains("EDH")
        // The ciphers of TLS 1.3 have it always.
        || cipher.starts_with("TLS_")
}

fn internet(lint: &mut Lint<'_>, site: &Scope<'_>) {
    if let Some(directive) = site.get("ssl_stapling").filter(|one| one.word(0) == "on") {
        lint.add(
            Warning,
            "PROXY-113",
            at(directive),
            "NGINX asks a responder for revocation",
            "it waits for an answer from the internet, or warns `ssl_stapling ignored`",
            "write `ssl_stapling off;`, unless the responder is inside the network",
        );
    }
}

fn strict_transport(lint: &mut Lint<'_>, site: &Scope<'_>) {
    const HEADER: &str = "Strict-Transport-Security";
    const FIX: &str = "write `add_header Strict-Transport-Security \"max-age=15768000\" always;`";
    let Some(directive) = site.header("add_header", HEADER) else {
        lint.add(
            Warning,
            "PROXY-109",
            lint.opener(site),
            "the site has no Strict-Transport-Security",
            "the first request of a browser can be caught in plain text",
            FIX,
        );
        return;
    };
    match max_age(directive) {
        None | Some(0) => lint.add(
            Warning,
            "PROXY-109",
            at(directive),
            "Strict-Transport-Security is switched off",
            "browsers use plain HTTP again",
            FIX,
        ),
        Some(age) if age < HSTS_SECONDS => lint.add(
            Info,
            "PROXY-109",
            at(directive),
            format!("max-age is {age} seconds, less than half a year"),
            "browsers forget it between two visits",
            FIX,
        ),
        Some(_) => {}
    }
    if !directive.has("always") {
        lint.add(
            Info,
            "PROXY-109",
            at(directive),
            "the header is not sent with error pages",
            "a browser that first meets an error page does not learn of it",
            FIX,
        );
    }
    for location in passing::locations(site) {
        let own = location.own_all("add_header").next();
        if let Some(own) = own
            && location.header("add_header", HEADER).is_none()
        {
            lint.add(Warning, "PROXY-109", at(own),
                "a location with an add_header of its own inherits none: Strict-Transport-Security is lost here",
                "answers of this location come without it",
                "repeat the add_header of Strict-Transport-Security in this location");
        }
    }
}

fn max_age(directive: &Directive) -> Option<u64> {
    directive.word(1).split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("max-age") {
            return None;
        }
        value.trim().trim_matches('"').parse().ok()
    })
}
