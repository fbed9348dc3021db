//! Reverse proxy and TLS (requirements 90 to 115).

use serde_json::json;

use crate::plan::address::{HostName, is_internal};
use crate::plan::certificates::{self, Problem};
use crate::plan::deployment::{CertificateSource, Host, Revocation, Role};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::flow::{Protocol, port};
use crate::plan::rules::Kind::{Both, Checked, Staged};
use crate::plan::rules::{Context, Report, look, rules, site};
use crate::plan::staged::Staged as Files;
use crate::types::target::Family;

rules! {
    "PROXY-090" Access Error "SEED P6" Staged("the site of NGINX; config.json", tls_ends_here) =>
        "the proxy ends TLS and speaks HTTP to the servers",
        "TLS on both sides hides errors of one behind the other",
        "use the generated files";
    "PROXY-091" Access Error "SEED P6" Both(no_host_borrows_the_key, "certificate and key on proxies; the authority on every host", key_is_on_proxies) =>
        "the site's key is on the proxies only",
        "each copy of a key is one more place to steal it",
        "give the host a certificate of its own: cert and key in its [[host]]";
    "PROXY-092" Access Error "SEED P6" Staged("the packet filter", users_reach_the_site_only) =>
        "only ports of the proxy are open to users",
        "everything else is for servers among themselves",
        "use the generated rules";
    "PROXY-093" Access Error "SEED P6" Staged("the site of NGINX", site) =>
        "the proxy spreads requests over all application servers",
        "a server that is missing there is idle",
        "use the generated site";
    "PROXY-094" Access Warning "SEED P6" Staged("the site of NGINX", site) =>
        "connections to the servers are kept open",
        "keepalive alone has no effect without HTTP/1.1 and an empty Connection header",
        "use the generated site";
    "PROXY-095" Access Error "SEED P6" Staged("the site of NGINX: access_log", site_logs) =>
        "the proxy logs every request",
        "it is the record of who came from where",
        "keep access_log on";
    "PROXY-096" Access Error "SEED P6" Staged("install.sh; package sources; programs", nothing_is_fetched) =>
        "nothing is fetched from outside",
        "there is no outside",
        "use the staged packages";
    "PROXY-097" Access Error "SEED P6" Staged("sites-available and its link, or conf.d/mattermost.conf", site_is_read) =>
        "the site stands where the distribution reads it, and the default site is off",
        "two default servers stop NGINX; a file of another name is ignored",
        "use the staged paths";
    "PROXY-098" Access Error "SEED P6" Staged("install.sh", nginx_is_enabled) =>
        "NGINX starts with the host",
        "a reboot would take the site away",
        "run install.sh";
    "PROXY-099" Access Warning "SEED P6" Staged("the site of NGINX", site) =>
        "the proxy keeps 32 idle connections to the servers",
        "a new connection for each request doubles its time",
        "use the generated site";
    "PROXY-100" Access Error "SEED P6" Staged("the site of NGINX", site) =>
        "port 80 redirects to HTTPS",
        "people type names without https",
        "use the generated site";
    "PROXY-101" Access Error "SEED P6" Staged("the site of NGINX", site) =>
        "one server block ends TLS, passes requests and upgrades WebSockets",
        "without one of them clients do not connect",
        "use the generated site";
    "PROXY-102" Access Error "SEED P6" Staged("the site of NGINX", site) =>
        "the WebSocket location passes Upgrade and Connection",
        "without them messages appear only after a reload",
        "use the generated site";
    "PROXY-103" Access Error "SEED P6" Both(no_acme, "the site of NGINX", site) =>
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
    "PROXY-106" Access Error "SEED P6; Mattermost TLS guide; M8" Checked(certificate_is_usable) =>
        "certificate, key and authority belong together, name the site, and are valid and strong",
        "NGINX does not start, or clients refuse the connection",
        "have the organization's authority issue a certificate with the site's name in subjectAltName and the purpose serverAuth";
    "PROXY-107" Access Error "SEED P6" Staged("the site of NGINX", site) =>
        "TLS 1.2 and 1.3 only",
        "older versions are broken",
        "use the generated site";
    "PROXY-108" Access Error "SEED P6" Staged("the site of NGINX", site) =>
        "ciphers have forward secrecy",
        "recorded traffic could be read when a key is lost",
        "use the generated site";
    "PROXY-109" Access Warning "SEED P6" Staged("the site of NGINX", site) =>
        "browsers are told to use HTTPS only",
        "the first request could be intercepted",
        "use the generated site";
    "PROXY-110" Access Warning "SEED P6" Staged("the site of NGINX", site) =>
        "timeouts fit long requests",
        "shorter ones cut uploads, longer ones pile up dead connections",
        "use the generated site";
    "PROXY-111" Access Error "SEED P6; M5" Staged("the site of NGINX and config.json: one number, limits.upload_mb", one_size) =>
        "the proxy lets through what the server accepts",
        "otherwise uploads between both limits end in 413",
        "set limits.upload_mb";
    "PROXY-112" Access Error "SEED P6" Staged("install.sh: nginx -t before each reload; the site of NGINX", tested_first) =>
        "the configuration is tested before NGINX reads it",
        "a broken one takes the site away at the next restart",
        "run install.sh";
    "PROXY-113" Access Warning "SEED P6" Both(revocation_is_inside, "the site of NGINX: no ssl_stapling", site) =>
        "revocation can be checked inside the network, or is not asked for",
        "clients wait for a responder that does not answer, or refuse",
        "have the certificate issued without public responders, or serve their names inside and set tls.revocation = \"internal\"";
    "PROXY-114" Access Info "SEED P6" Checked(limits_are_recommended) =>
        "rate limits and lists of addresses are recommended, not required",
        "they slow down attacks from inside",
        "set proxy.rate_limit and proxy.allow";
    "PROXY-115" Access Warning "SEED P6" Staged("the authority among those that the host trusts; install.sh", authority_is_trusted) =>
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
        report.add(level, None, &file, found);
    }
}

fn revocation_is_inside(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.deployment.tls.revocation == Revocation::Internal {
        return;
    }
    let site = ("tls.cert".to_owned(), &plan.files.cert);
    let hosts = plan.files.hosts.iter();
    let hosts = hosts.map(|(name, files)| (format!("host.{name}.cert"), &files.cert));
    for (file, cert) in std::iter::once(site).chain(hosts) {
        for url in certificates::revocation_urls(cert) {
            if !is_inside(&url, plan.deployment.site.host()) {
                let found = format!("clients are sent to {url} for revocation");
                report.warn(&file, found);
            }
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

fn limits_are_recommended(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let options = &plan.deployment.proxy;
    let proxied = plan.hosts_with(Role::Proxy).next().is_some();
    if plan.deployment.is_strict() && proxied && options.rate_limit.is_none() {
        report.info("proxy.rate_limit", "requests of one client are not limited");
    }
}

/// What the lint of NGINX says under the id of this rule.
fn site(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    site::examine(plan, staged, report);
}

fn tls_ends_here(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    site::examine(plan, staged, report);
    let wanted = [("ServiceSettings", "ConnectionSecurity", json!(""))];
    look::config_says(plan, staged, report, &wanted);
}

/// On several hosts, a service without a certificate of its own uses the site's: its key would lie
/// on that host too.
fn no_host_borrows_the_key(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.deployment.hosts.len() < 2 {
        return;
    }
    for host in plan
        .deployment
        .hosts
        .iter()
        .filter(|host| borrows(plan, host))
    {
        report.on(
            Severity::Warning,
            &host.name,
            "its service has no certificate of its own; the site's key would be copied there",
        );
    }
}

/// Whether a host other than a proxy serves with the site's certificate.
fn borrows(plan: &Plan, host: &Host) -> bool {
    let serves = [Role::Db, Role::DbReplica, Role::Minio];
    serves.into_iter().any(|role| host.has(role))
        && !host.has(Role::Proxy)
        && !plan.files.hosts.contains_key(&host.name)
}

fn key_is_on_proxies(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    const KEY: &str = "/etc/nginx/ssl/mattermost/privkey.pem";
    let key = plan.files.key.reveal().trim();
    for host in plan
        .deployment
        .hosts
        .iter()
        .filter(|host| is_staged(staged, host))
    {
        if host.has(Role::Proxy) {
            report.file_holds(staged, &host.name, KEY, &[key]);
            if !look::mode(staged, &host.name, KEY).is_some_and(|mode| mode.ends_with("00")) {
                report.file(&host.name, KEY, "others than the owner may read the key");
            }
        } else if !borrows(plan, host) {
            for (path, text) in staged.files(&host.name) {
                if text.contains(key) {
                    report.file(&host.name, path, "holds the key of the site");
                }
            }
        }
        if !staged
            .files(&host.name)
            .any(|(path, _)| path.contains(AUTHORITY))
        {
            report.file(&host.name, AUTHORITY, "the authority is not staged");
        }
    }
}

/// Part of the path of the authority that the host trusts.
const AUTHORITY: &str = "/haversack-site-ca.";

fn is_staged(staged: &Files, host: &Host) -> bool {
    staged.hosts().any(|name| *name == host.name)
}

fn users_reach_the_site_only(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let allowed = [port::HTTP, plan.deployment.site.port()];
    let users: Vec<String> = plan
        .deployment
        .network
        .users
        .iter()
        .map(ToString::to_string)
        .collect();
    let admin: Vec<String> = plan
        .deployment
        .network
        .admin
        .iter()
        .map(ToString::to_string)
        .collect();
    for (host, text) in look::filters(plan, staged, report) {
        for number in look::open_ports(text) {
            let sources = look::sources(text, Protocol::Tcp, number);
            let by_users = sources
                .iter()
                .any(|one| one == "any" || (users.contains(one) && !admin.contains(one)));
            if by_users && !(host.has(Role::Proxy) && allowed.contains(&number)) {
                let found = format!("users reach port {number}");
                report.file(&host.name, look::NFT, found);
            }
        }
    }
}

fn site_logs(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    site::examine(plan, staged, report);
    for (host, _) in site::sites(plan, staged, report) {
        let wanted = ["access_log /var/log/nginx/"];
        report.file_holds(staged, &host.name, look::nginx_site(host), &wanted);
    }
}

/// What fetches something, or asks for less than a signature.
const FETCHING: [&str; 9] = [
    "wget ",
    "trusted=yes",
    "trusted: yes",
    "gpgcheck=0",
    "--nogpgcheck",
    "--allow-unauthenticated",
    "certbot",
    "pip install",
    "docker pull",
];

fn nothing_is_fetched(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in &plan.deployment.hosts {
        for (path, text) in staged.files(&host.name).filter(|(path, _)| acts(path)) {
            let lines = text
                .lines()
                .filter(|line| !line.trim_start().starts_with('#'));
            for line in lines {
                let lower = line.to_ascii_lowercase();
                for word in FETCHING.iter().filter(|word| lower.contains(**word)) {
                    report.file(&host.name, path, format!("`{}`", word.trim()));
                }
                for url in urls(line).filter(|url| !is_of_the_deployment(plan, url)) {
                    report.file(&host.name, path, format!("leads to {url}"));
                }
            }
        }
    }
}

/// Whether a staged file is one that is run, or that names where packages come from.
fn acts(path: &str) -> bool {
    path == "install.sh"
        || [
            "/etc/apt/",
            "/etc/yum.repos.d/",
            "/usr/local/sbin/",
            "/usr/local/bin/",
        ]
        .iter()
        .any(|folder| path.starts_with(folder))
}

/// The host of each URL of a line.
fn urls(line: &str) -> impl Iterator<Item = &str> {
    line.split("://").skip(1).map(|rest| {
        // `${x#https://}` cuts a scheme off, and names no host.
        let end = rest.find(['/', ':', ' ', '"', '\'', '?', ')', ';', '}']);
        end.and_then(|end| rest.get(..end)).unwrap_or(rest)
    })
}

fn is_of_the_deployment(plan: &Plan, host: &str) -> bool {
    // `file:///` names no host, and a variable holds what was checked where it is set.
    if host.is_empty() || host.starts_with(['$', '[', '%', '{']) {
        return true;
    }
    let site = plan.deployment.site.host();
    let own = plan.deployment.hosts.iter().any(|one| {
        one.name.as_str() == host
            || one
                .fqdn
                .as_ref()
                .is_some_and(|name| name.to_string() == host)
    });
    own || host == "localhost"
        || site.to_string() == host
        || is_inside(&format!("x://{host}"), site)
}

fn site_is_read(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    site::examine(plan, staged, report);
    for (host, _) in site::sites(plan, staged, report) {
        if host.distribution.family() == Family::Debian {
            let wanted = [
                "/etc/nginx/sites-enabled/mattermost\t../sites-available/mattermost",
                "/etc/nginx/sites-enabled/default",
            ];
            report.file_holds(staged, &host.name, "perms.tsv", &wanted);
        }
    }
}

fn nginx_is_enabled(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::Proxy) {
        let wanted = ["enable_unit nginx.service"];
        report.file_holds(staged, &host.name, "install.sh", &wanted);
    }
}

fn one_size(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    site::examine(plan, staged, report);
    let size = plan.deployment.limits.upload.max_file_size();
    let wanted = [("FileSettings", "MaxFileSize", json!(size))];
    look::config_says(plan, staged, report, &wanted);
}

fn tested_first(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    site::examine(plan, staged, report);
    for host in plan.hosts_with(Role::Proxy) {
        let text = staged.file(&host.name, "install.sh").unwrap_or_default();
        let tested = text.find("nginx -q -t").or_else(|| text.find("nginx -t"));
        let loaded = text.find("systemctl reload nginx.service");
        match (tested, loaded) {
            (Some(tested), Some(loaded)) if tested < loaded => {}
            _ => report.file(
                &host.name,
                "install.sh",
                "NGINX is reloaded without `nginx -t` before",
            ),
        }
    }
}

fn authority_is_trusted(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let authority = plan.files.ca.trim();
    for host in plan
        .deployment
        .hosts
        .iter()
        .filter(|host| is_staged(staged, host))
    {
        let trusts = staged
            .files(&host.name)
            .any(|(path, text)| path.contains(AUTHORITY) && text.contains(authority));
        if !trusts {
            report.file(
                &host.name,
                AUTHORITY,
                "the host is not told to trust the authority",
            );
        }
        let program = match host.distribution.family() {
            Family::Debian => "update-ca-certificates",
            Family::Rhel => "update-ca-trust",
        };
        report.file_holds(staged, &host.name, "install.sh", &[program]);
    }
}
