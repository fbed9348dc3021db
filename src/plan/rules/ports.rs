//! Ports, firewall and protection in transit (requirements 19 to 32).

use std::collections::BTreeSet;

use serde_json::json;

use crate::plan::address::Transport;
use crate::plan::deployment::{Host, Role, S3Server, Security, Storage};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::flow::{Protocol, port};
use crate::plan::rules::Kind::{Both, Checked, Generates, Parsed, Staged};
use crate::plan::rules::look::{NFT, config_says, filters, sources};
use crate::plan::rules::{Context, Report, rules};
use crate::plan::staged::Staged as Files;

rules! {
    "PORT-019" Access Error "SEED P2" Generates("config.json: ListenAddress; NGINX site: listen") =>
        "the server listens on 8065 and users reach 443 of the proxy",
        "the server itself does not end TLS",
        "use the generated files";
    "PORT-020" Access Error "SEED P2" Parsed("there is no key for another WebSocket port") =>
        "WebSocket connections use the port of HTTPS",
        "a second port would need a second hole in every firewall",
        "remove the key";
    "PORT-021" Application Error "SEED P2; Mattermost high availability guide" Staged("packet filter: 8074 TCP and UDP between application servers", gossip_has_both_protocols) =>
        "gossip has TCP and UDP 8074 between application servers, and nobody else",
        "with TCP alone the cluster status stays red",
        "use the generated rules";
    "PORT-022" Application Error "SEED P2" Generates("config.json: MetricsSettings; nftables: 8067 from monitoring") =>
        "metrics are on 8067 and open to monitoring only",
        "metrics tell who is active when",
        "set monitoring.hosts";
    "PORT-023" Backend Error "SEED P2" Generates("postgresql.conf, environment file, nftables: one port") =>
        "one number is the port of the database everywhere",
        "a second number is a connection refused at first start",
        "set database.port";
    "PORT-024" Access Error "SEED P2" Checked(directory_is_protected) =>
        "the directory is asked over TLS on 636 or STARTTLS on 389",
        "passwords of users cross the network; port and protection that do not fit never connect",
        "use port = 636 with security = \"tls\", or port = 389 with \"starttls\"";
    "PORT-025" Application Warning "SEED P2" Checked(mail_is_protected) =>
        "mail goes out on 25 or 587 with STARTTLS, or on 465 with TLS",
        "mails hold messages; port and protection that do not fit never connect",
        "use port = 587 with security = \"starttls\", or port = 465 with \"tls\"";
    "PORT-026" Access Error "SEED P2" Checked(hops_are_encrypted) =>
        "every hop between hosts is encrypted, except proxy to server on the internal network",
        "files and messages can be read on the way",
        "use https:// for the endpoint, or remove ssl = false";
    "PORT-027" Access Warning "SEED P2" Checked(access_is_hardened) =>
        "a restricted system has a second factor and a rate limit",
        "stolen passwords and floods are the common attacks from inside",
        "set auth.mfa = true and proxy.rate_limit";
    "PORT-028" Application Error "SEED P2" Both(classification_is_shown, "config.json: AnnouncementSettings", banner_is_configured) =>
        "a system of impact level 5 or 6 shows its classification",
        "users must see at any time what they may write",
        "add classification.banner";
    "PORT-029" Access Warning "SEED P2" Checked(users_are_known_networks) =>
        "users come from named networks, and reach port 443 only",
        "a rule that lets everything in is no rule",
        "list the networks of users and administrators";
    "PORT-030" Access Warning "SEED P2" Checked(servers_are_apart_from_users) =>
        "servers and administrators are not in the networks of users",
        "a user in the administrators' network may open 8065 and 22",
        "put servers and administrators into networks of their own";
    "PORT-031" Backend Error "SEED P2" Generates("nftables, pg_hba.conf: one line for each application server") =>
        "only application servers reach the database",
        "the database trusts who logs in",
        "use the generated rules";
    "PORT-032" Application Error "SEED P2" Staged("packet filter: peers of each host without itself", gossip_is_for_peers) =>
        "only application servers reach each other on 8074",
        "who joins the gossip can read and forge cluster messages",
        "use the generated rules";
}

fn directory_is_protected(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let Some(ldap) = &plan.deployment.ldap else {
        return;
    };
    match (ldap.server.port, ldap.security) {
        (port, Security::None) => {
            report.error_if_strict("ldap.security", format!("plain text on {port}"));
        }
        (636, Security::Starttls) | (389, Security::Tls) => {
            let found = format!("security {} on port {}", ldap.security, ldap.server.port);
            report.error("ldap.security", found);
        }
        (389 | 636, _) => {}
        (port, _) => report.warn("ldap.port", format!("port {port}")),
    }
}

fn mail_is_protected(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let Some(smtp) = &plan.deployment.smtp else {
        return;
    };
    match (smtp.server.port, smtp.security) {
        (port, Security::None) => {
            report.error_if_strict("smtp.security", format!("plain text on {port}"));
        }
        (465, Security::Starttls) | (25 | 587, Security::Tls) => {
            let found = format!("security {} on port {}", smtp.security, smtp.server.port);
            report.warn("smtp.security", found);
        }
        (25 | 465 | 587, _) => {}
        (port, _) => report.warn("smtp.port", format!("port {port}")),
    }
}

fn hops_are_encrypted(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let Storage::S3(s3) = &plan.deployment.storage else {
        return;
    };
    if s3.transport == Transport::Tls {
        return;
    }
    let apps = plan.hosts_with(Role::App);
    let inside =
        matches!(&s3.server, S3Server::Host(host) if apps.into_iter().all(|app| app.name == *host));
    if inside {
        report.info(
            "storage.ssl",
            "files cross the loopback interface of one host in plain text",
        );
    } else {
        report.error_if_strict("storage", "files cross the network in plain text");
    }
}

fn access_is_hardened(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    if !deployment.is_strict() {
        return;
    }
    if !deployment.auth.mfa.is_on() {
        report.warn("auth.mfa", "no second factor");
    }
    if deployment.proxy.rate_limit.is_none() {
        report.warn("proxy.rate_limit", "no rate limit");
    }
}

fn classification_is_shown(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if let Some(classification) = &plan.deployment.classification
        && classification.level.is_strict()
        && classification.banner.is_none()
    {
        report.error(
            "classification",
            format!("level {} without a banner", classification.level),
        );
    }
}

fn users_are_known_networks(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let network = &plan.deployment.network;
    for (key, list) in [
        ("network.users", &network.users),
        ("network.admin", &network.admin),
    ] {
        for everything in list.iter().filter(|one| one.is_everything()) {
            report.warn(key, format!("{everything} is every address"));
        }
    }
}

fn servers_are_apart_from_users(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    for users in deployment
        .network
        .users
        .iter()
        .filter(|one| !one.is_everything())
    {
        for admin in &deployment.network.admin {
            if users.overlaps(admin) {
                report.warn(
                    "network.admin",
                    format!("{admin} overlaps the users' network {users}"),
                );
            }
        }
        for host in &deployment.hosts {
            if users.contains(host.address) && !host.has(Role::Proxy) {
                let found = format!("{} is in the users' network {users}", host.address);
                report.on(Severity::Warning, &host.name, found);
            }
        }
    }
}

/// The addresses of the other application servers.
fn peers(plan: &Plan, host: &Host) -> BTreeSet<String> {
    let apps = plan.hosts_with(Role::App);
    apps.filter(|other| host.has(Role::App) && other.name != host.name)
        .map(|other| other.address.to_string())
        .collect()
}

fn gossip_has_both_protocols(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for (host, text) in filters(plan, staged, report) {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let open = sources(text, protocol, port::GOSSIP);
            for peer in peers(plan, host).difference(&open) {
                let found = format!("{protocol}/{} is closed to {peer}", port::GOSSIP);
                report.file(&host.name, NFT, found);
            }
        }
    }
}

fn gossip_is_for_peers(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for (host, text) in filters(plan, staged, report) {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let open = sources(text, protocol, port::GOSSIP);
            for other in open.difference(&peers(plan, host)) {
                let found = format!("{protocol}/{} is open to {other}", port::GOSSIP);
                report.file(&host.name, NFT, found);
            }
        }
    }
}

fn banner_is_configured(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let marking = plan.deployment.classification.as_ref();
    if let Some(text) = marking.and_then(|marking| marking.banner.as_ref()) {
        let section = "AnnouncementSettings";
        let wanted = [
            (section, "EnableBanner", json!(true)),
            (section, "BannerText", json!(text)),
            (section, "AllowBannerDismissal", json!(false)),
        ];
        config_says(plan, staged, report, &wanted);
    }
}
