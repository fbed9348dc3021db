//! Ports, firewall and protection in transit (requirements 19 to 32).

use std::collections::BTreeSet;

use serde_json::json;

use crate::plan::address::{Network, Transport};
use crate::plan::deployment::{Host, Role, S3Server, Security, Storage};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::flow::{Protocol, port};
use crate::plan::rules::Kind::{Both, Checked, Parsed, Staged};
use crate::plan::rules::look::{
    ENVIRONMENT, NFT, config_says, filters, nginx_site, sources, variable,
};
use crate::plan::rules::{Context, Report, rules};
use crate::plan::staged::Staged as Files;

rules! {
    "PORT-019" Access Error "SEED P2" Staged("config.json: ListenAddress; NGINX site: listen", server_and_proxy_listen) =>
        "the server listens on 8065 and users reach 443 of the proxy",
        "the server itself does not end TLS",
        "use the generated files";
    "PORT-020" Access Error "SEED P2" Parsed("there is no key for another WebSocket port") =>
        "WebSocket connections use the port of HTTPS",
        "a second port would need a second hole in every firewall",
        "remove the key";
    "PORT-021" Application Error "SEED P2; Mattermost high availability guide; M15" Staged("packet filter: 8074 TCP and UDP between application servers", gossip_has_both_protocols) =>
        "gossip has TCP and UDP 8074 between application servers, and nobody else",
        "with TCP alone the cluster status stays red",
        "use the generated rules";
    "PORT-022" Application Error "SEED P2" Staged("config.json: MetricsSettings; packet filter: 8067 from monitoring", metrics_are_for_monitoring) =>
        "metrics are on 8067 and open to monitoring only",
        "metrics tell who is active when",
        "set monitoring.hosts";
    "PORT-023" Backend Error "SEED P2" Staged("postgresql.conf, environment file: one port", database_has_one_port) =>
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
    "PORT-029" Access Warning "SEED P2" Both(users_are_known_networks, "packet filter: users reach the ports of the site only", users_reach_the_site_only) =>
        "users come from named networks, and reach port 443 only",
        "a rule that lets everything in is no rule",
        "list the networks of users and administrators";
    "PORT-030" Access Warning "SEED P2" Both(servers_are_apart_from_users, "packet filter: 8065 from proxies and administrators", server_is_for_proxies) =>
        "servers and administrators are not in the networks of users",
        "a user in the administrators' network may open 8065 and 22",
        "put servers and administrators into networks of their own";
    "PORT-031" Backend Error "SEED P2" Staged("packet filter, pg_hba.conf: one line for each application server", database_is_for_servers) =>
        "only application servers reach the database",
        "the database trusts who logs in",
        "use the generated rules";
    "TOOL-208" Application Error "Mattermost high availability guide; M15" Staged("environment file: AdvertiseAddress of each node", node_says_its_address) =>
        "each node tells the others its own address",
        "left alone, the server takes its first interface, and the cluster stays red on hosts with several",
        "report it: this is a fault of haversack";
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
    let allow = &plan.deployment.proxy.allow;
    for users in &network.users {
        if !allow.is_empty() && !allow.iter().any(|one| one.overlaps(users)) {
            report.warn("proxy.allow", format!("lets nobody of {users} in"));
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
        .map(|other| Network::single(other.address).to_string())
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

fn server_and_proxy_listen(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let wanted = [
        ("ServiceSettings", "ListenAddress", json!(plan.listen.app)),
        ("ServiceSettings", "ConnectionSecurity", json!("")),
    ];
    config_says(plan, staged, report, &wanted);
    let port = plan.listen.site.to_string();
    for host in plan.hosts_with(Role::Proxy) {
        let path = nginx_site(host);
        let text = staged.file(&host.name, path).unwrap_or_default();
        let listens = text.lines().map(str::trim).any(|line| {
            let words = line.strip_prefix("listen ").unwrap_or_default();
            let address = words.split([' ', ';']).next().unwrap_or_default();
            words.contains(" ssl") && address.rsplit(':').next() == Some(port.as_str())
        });
        if !listens {
            report.file(&host.name, path, format!("no `listen` of {port} with TLS"));
        }
    }
}

fn metrics_are_for_monitoring(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let on = plan.listen.metrics.is_some();
    let wanted = [("MetricsSettings", "Enable", json!(on))];
    config_says(plan, staged, report, &wanted);
    let monitors = plan.hosts_with(Role::Monitor);
    let monitors = monitors.map(|host| Network::single(host.address).to_string());
    let named = plan.deployment.monitoring.iter().map(ToString::to_string);
    let allowed: BTreeSet<String> = monitors.chain(named).collect();
    for (host, text) in filters(plan, staged, report) {
        for other in sources(text, Protocol::Tcp, port::METRICS).difference(&allowed) {
            let found = format!("tcp/{} is open to {other}", port::METRICS);
            report.file(&host.name, NFT, found);
        }
    }
}

/// The staged file of a database host whose path ends so, and its text.
fn database_file<'s>(staged: &'s Files, host: &Host, end: &str) -> Option<(&'s str, &'s str)> {
    let mut files = staged.files(&host.name);
    files.find(|(path, _)| {
        path.contains("/postgresql/") && path.ends_with(end)
            || path.contains("/pgsql/") && path.ends_with(end)
    })
}

fn database_has_one_port(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let port = plan.database.endpoint.port;
    for host in plan.hosts_with(Role::Db) {
        match database_file(staged, host, "/mattermost.conf") {
            Some((path, text)) => {
                let wanted = format!("port = {port}");
                if !text.lines().any(|line| line.trim() == wanted) {
                    report.file(&host.name, path, format!("without `{wanted}`"));
                }
            }
            None => report.file(&host.name, "postgresql.conf", "no settings are staged"),
        }
    }
    for host in plan.hosts_with(Role::App) {
        let text = staged.file(&host.name, ENVIRONMENT).unwrap_or_default();
        let source = variable(text, "MM_SQLSETTINGS_DATASOURCE").unwrap_or_default();
        if !source.contains(&format!(":{port}/")) {
            report.file(
                &host.name,
                ENVIRONMENT,
                format!("no data source on port {port}"),
            );
        }
    }
}

fn database_is_for_servers(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let address = |host: &Host| Network::single(host.address).to_string();
    let servers: BTreeSet<String> = plan.hosts_with(Role::App).map(address).collect();
    let databases = plan
        .hosts_with(Role::Db)
        .chain(plan.hosts_with(Role::DbReplica));
    let databases: Vec<&Host> = databases.collect();
    let peers: BTreeSet<String> = databases.iter().map(|host| address(host)).collect();
    let allowed: BTreeSet<String> = servers.union(&peers).cloned().collect();
    for host in plan.hosts_with(Role::Db) {
        let Some((path, text)) = database_file(staged, host, "/pg_hba.conf") else {
            report.file(&host.name, "pg_hba.conf", "the file is not staged");
            continue;
        };
        let lines = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut logins = BTreeSet::new();
        for fields in lines {
            if let [kind, database, _, from, how, ..] = fields.as_slice()
                && kind.starts_with("host")
                && *how != "reject"
            {
                if !allowed.contains(*from) {
                    report.file(&host.name, path, format!("{from} may log in"));
                }
                if *database == plan.database.name {
                    logins.insert((*from).to_owned());
                }
            }
        }
        for server in servers.difference(&logins) {
            report.file(&host.name, path, format!("no line for the server {server}"));
        }
    }
    let port = plan.database.endpoint.port;
    for (host, text) in filters(plan, staged, report) {
        for other in sources(text, Protocol::Tcp, port).difference(&allowed) {
            report.file(&host.name, NFT, format!("tcp/{port} is open to {other}"));
        }
    }
}

fn users_reach_the_site_only(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let users = &plan.deployment.network.users;
    let site = [port::HTTP, plan.listen.site].map(|port| port.to_string());
    let users: BTreeSet<String> = users.iter().map(ToString::to_string).collect();
    for (host, text) in filters(plan, staged, report) {
        let input = text.split("chain input").nth(1).unwrap_or_default();
        let input = input.split("chain ").next().unwrap_or_default();
        if !input.contains("policy drop") {
            report.file(&host.name, NFT, "the input chain does not drop by default");
        }
        for line in input.lines() {
            let Some((peers, rest)) = line.split_once(" dport ") else {
                continue;
            };
            let port = rest.split(' ').next().unwrap_or_default();
            let named = peers.split(['{', '}', ',', ' ']);
            let from_users =
                !peers.contains("saddr") || named.into_iter().any(|one| users.contains(one));
            if from_users && !site.iter().any(|one| one == port) {
                report.file(&host.name, NFT, format!("port {port} is open to users"));
            }
        }
    }
}

fn server_is_for_proxies(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let proxies = plan.hosts_with(Role::Proxy);
    let proxies = proxies.map(|host| Network::single(host.address).to_string());
    let admin = plan
        .deployment
        .network
        .admin
        .iter()
        .map(ToString::to_string);
    let allowed: BTreeSet<String> = proxies.chain(admin).collect();
    for (host, text) in filters(plan, staged, report) {
        for other in sources(text, Protocol::Tcp, port::APP).difference(&allowed) {
            let found = format!("tcp/{} is open to {other}", port::APP);
            report.file(&host.name, NFT, found);
        }
    }
}

fn node_says_its_address(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    if plan.listen.gossip.is_none() {
        return;
    }
    for host in plan.hosts_with(Role::App) {
        let text = staged.file(&host.name, ENVIRONMENT).unwrap_or_default();
        let own = host.address.to_string();
        if variable(text, "MM_CLUSTERSETTINGS_ADVERTISEADDRESS") != Some(own.as_str()) {
            report.file(&host.name, ENVIRONMENT, format!("does not advertise {own}"));
        }
    }
}
