//! Reverse proxy and TLS (requirements 90 to 115).

use crate::plan::address::{HostName, is_internal};
use crate::plan::certificates::{self, Problem};
use crate::plan::deployment::{CertificateSource, Revocation};
use crate::plan::derive::Plan;
use crate::plan::rules::Kind::{Checked, Generates, Note, Parsed};
use crate::plan::rules::{Context, Report, rules};

rules! {
    "PROXY-090" Access Error "SEED P6" Generates("NGINX site: TLS; config.json: ConnectionSecurity empty") =>
        "the proxy ends TLS and speaks HTTP to the servers",
        "TLS on both sides hides errors of one behind the other",
        "use the generated files";
    "PROXY-091" Access Error "SEED P6" Generates("certificate and key on proxies only; the authority on every host") =>
        "the site's key is on the proxies only",
        "each copy of a key is one more place to steal it",
        "use the staged trees as they are";
    "PROXY-092" Access Error "SEED P6" Generates("nftables") =>
        "only ports of the proxy are open to users",
        "everything else is for servers among themselves",
        "use the generated rules";
    "PROXY-093" Access Error "SEED P6" Generates("NGINX site: one upstream line for each server") =>
        "the proxy spreads requests over all application servers",
        "a server that is missing there is idle",
        "use the generated site";
    "PROXY-094" Access Warning "SEED P6" Generates("NGINX site: HTTP/1.1 and an empty Connection header") =>
        "connections to the servers are kept open",
        "keepalive alone has no effect without HTTP/1.1 and an empty Connection header",
        "use the generated site";
    "PROXY-095" Access Error "SEED P6" Generates("NGINX site: access_log; logrotate") =>
        "the proxy logs every request",
        "it is the record of who came from where",
        "keep access_log on";
    "PROXY-096" Access Error "SEED P6" Generates("install.sh: packages of the bundle only") =>
        "nothing is fetched from outside",
        "there is no outside",
        "use the staged packages";
    "PROXY-097" Access Error "SEED P6" Generates("sites-available and link on Debian and Ubuntu") =>
        "the site stands where the distribution reads it, and the default site is off",
        "two default servers stop NGINX; a file of another name is ignored",
        "use the staged paths";
    "PROXY-098" Access Error "SEED P6" Generates("install.sh: systemctl enable") =>
        "NGINX starts with the host",
        "a reboot would take the site away",
        "run install.sh";
    "PROXY-099" Access Warning "SEED P6" Generates("NGINX site: keepalive 32") =>
        "the proxy keeps 32 idle connections to the servers",
        "a new connection for each request doubles its time",
        "use the generated site";
    "PROXY-100" Access Error "SEED P6" Generates("NGINX site: 301 on port 80") =>
        "port 80 redirects to HTTPS",
        "people type names without https",
        "use the generated site";
    "PROXY-101" Access Error "SEED P6" Generates("NGINX site: server block of port 443") =>
        "one server block ends TLS, passes requests and upgrades WebSockets",
        "without one of them clients do not connect",
        "use the generated site";
    "PROXY-102" Access Error "SEED P6" Generates("NGINX site: Upgrade and Connection headers") =>
        "the WebSocket location passes Upgrade and Connection",
        "without them messages appear only after a reload",
        "use the generated site";
    "PROXY-103" Access Error "SEED P6" Checked(no_acme) =>
        "the certificate does not come from an ACME service on the internet",
        "it cannot be reached, neither now nor when the certificate is renewed",
        "use tls.source = \"internal-ca\"";
    "PROXY-104" Access Warning "SEED P6" Checked(commercial_certificate) =>
        "the certificate does not come from a commercial authority",
        "its revocation lists and responders are on the internet, and its name is in public logs",
        "use tls.source = \"internal-ca\", or say tls.revocation = \"none\" or \"internal\" and accept this";
    "PROXY-105" Access Error "SEED P6" Checked(self_signed_certificate) =>
        "the certificate is signed by an authority, not by itself",
        "every client must be told to trust it, and users learn to click warnings away",
        "use tls.source = \"internal-ca\"; policy.private_ca_required = true allows it";
    "PROXY-106" Access Error "SEED P6; Mattermost TLS guide" Checked(certificate_is_usable) =>
        "certificate, key and authority belong together, name the site, and are valid and strong",
        "NGINX does not start, or clients refuse the connection",
        "have the organization's authority issue a certificate with the site's name in subjectAltName and the purpose serverAuth";
    "PROXY-107" Access Error "SEED P6" Generates("NGINX site: ssl_protocols TLSv1.2 TLSv1.3") =>
        "TLS 1.2 and 1.3 only",
        "older versions are broken",
        "use the generated site";
    "PROXY-108" Access Error "SEED P6" Generates("NGINX site: ssl_ciphers, ECDHE and AEAD only") =>
        "ciphers have forward secrecy",
        "recorded traffic could be read when a key is lost",
        "use the generated site";
    "PROXY-109" Access Warning "SEED P6" Generates("NGINX site: Strict-Transport-Security, max-age=15768000") =>
        "browsers are told to use HTTPS only",
        "the first request could be intercepted",
        "use the generated site";
    "PROXY-110" Access Warning "SEED P6" Generates("NGINX site: timeouts of 90 seconds") =>
        "timeouts fit long requests",
        "shorter ones cut uploads, longer ones pile up dead connections",
        "use the generated site";
    "PROXY-111" Access Error "SEED P6" Parsed("limits.upload_mb: one number for MaxFileSize and client_max_body_size") =>
        "the proxy lets through what the server accepts",
        "otherwise uploads between both limits end in 413",
        "set limits.upload_mb";
    "PROXY-112" Access Error "SEED P6" Generates("install.sh: nginx -t before each reload") =>
        "the configuration is tested before NGINX reads it",
        "a broken one takes the site away at the next restart",
        "run install.sh";
    "PROXY-113" Access Warning "SEED P6" Checked(revocation_is_inside) =>
        "revocation can be checked inside the network, or is not asked for",
        "clients wait for a responder that does not answer, or refuse",
        "have the certificate issued without public responders, or serve their names inside and set tls.revocation = \"internal\"";
    "PROXY-114" Access Info "SEED P6" Note =>
        "rate limits and lists of addresses are recommended, not required",
        "they slow down attacks from inside",
        "set proxy.rate_limit and proxy.allow";
    "PROXY-115" Access Warning "SEED P6" Generates("INSTALL.md; update-ca-certificates on every host") =>
        "clients and servers trust the authority",
        "otherwise every client shows a warning, and servers refuse each other",
        "distribute the authority by group policy or device management";
}

fn no_acme(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.deployment.tls.source == CertificateSource::Acme {
        report.error("tls.source", "letsencrypt");
    }
}

fn commercial_certificate(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let tls = &plan.deployment.tls;
    if tls.source != CertificateSource::Commercial {
        return;
    }
    if plan.deployment.is_strict() && tls.revocation == Revocation::Unsaid {
        report.error("tls.source", "commercial, without tls.revocation");
    } else {
        report.warn("tls.source", "commercial");
    }
}

fn self_signed_certificate(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    let (key, found) = if deployment.tls.source == CertificateSource::SelfSigned {
        ("tls.source", "self-signed")
    } else if certificates::is_self_signed(&plan.files.cert) {
        ("tls.cert", "a certificate that is its own issuer")
    } else {
        return;
    };
    let allowed = deployment.policy.private_ca_required.is_on();
    if (deployment.is_production() || deployment.is_strict()) && !allowed {
        report.error(key, found);
    } else {
        report.warn(key, found);
    }
}

fn certificate_is_usable(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    for Problem { level, file, found } in certificates::examine(plan, context.now) {
        report.add(level, None, file, found);
    }
}

fn revocation_is_inside(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.deployment.tls.revocation == Revocation::Internal {
        return;
    }
    for url in certificates::revocation_urls(&plan.files.cert) {
        if !is_inside(&url, plan.deployment.site.host()) {
            report.warn(
                "tls.cert",
                format!("clients are sent to {url} for revocation"),
            );
        }
    }
}

/// Whether a URL leads to an internal address, or into the domain that the site is in.
fn is_inside(url: &str, site: &HostName) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or(rest);
    match (host.parse(), site) {
        (Ok(HostName::Ip(address)), _) => is_internal(address),
        (Ok(name), HostName::Dns(site)) => site
            .split_once('.')
            .is_some_and(|(_, domain)| name.is_below(domain)),
        _ => false,
    }
}
