//! Architecture, editions, neighbours (requirements 1 to 18 and 33).

use serde_json::{Value, json};

use crate::manifest::catalogue;
use crate::plan::address::{HostName, is_internal};
use crate::plan::deployment::{
    DatabaseServer, Engine, Host, Provider, Push, Role, Storage, Switch,
};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::rules::Kind::{Checked, Staged};
use crate::plan::rules::look::{
    CONFIG, ENVIRONMENT, UNIT, config_says, configs, nginx_site, variable,
};
use crate::plan::rules::versions;
use crate::plan::rules::{Context, Report, rules};
use crate::plan::staged::Staged as Files;

rules! {
    "ARCH-001" Access Warning "SEED P1" Checked(internal_addresses) =>
        "addresses of hosts and neighbours are internal",
        "the deployment has no way to the internet; a public address is a slip, or a way out",
        "write the internal address";
    "ARCH-002" Backend Error "SEED P1; Mattermost software and hardware requirements" Checked(postgres_is_new_enough) =>
        "PostgreSQL is at least the version that this Mattermost supports (14 from v11)",
        "the server refuses to start, or fails while it migrates its tables",
        "put a newer PostgreSQL into the bundle and set database.version to it";
    "ARCH-003" Backend Error "SEED P1; M23" Staged("order of hosts: database, files, application, proxy; mattermost.service: After=", database_comes_first) =>
        "the database is prepared before Mattermost starts",
        "the first start creates the tables",
        "install in the order of INSTALL.md";
    "ARCH-004" Backend Warning "SEED P1" Checked(local_storage_in_production) =>
        "production keeps files in S3-compatible storage or NFS",
        "local files stand on one disk of one server and cannot be shared later without a migration",
        "use storage.kind = \"s3\" with a host of the role minio, or \"nfs\"";
    "ARCH-005" Access Warning "SEED P1, P6" Checked(production_has_a_proxy) =>
        "production has an NGINX proxy in front of the servers",
        "TLS, limits and logs of all connections belong there",
        "give a host the role \"proxy\"";
    "ARCH-006" Application Error "SEED P1; Mattermost editions and offerings; M19" Checked(edition_has_the_features) =>
        "the edition has the features that the deployment asks for",
        "the server ignores settings that its licence does not cover, so the feature stays off without a message",
        "use an edition that has it, or remove the request";
    "ARCH-007" Application Error "SEED P2; M16" Staged("config.json: the same on every server, on no other host", one_configuration) =>
        "the application layer holds the settings of data and storage, the same on every server; checks are grouped by layer",
        "the application layer alone enforces data and storage controls, on every server alike; clients of servers that differ reload without end",
        "stage all hosts in one run";
    "ARCH-008" Access Error "SEED P2; M3" Staged("NGINX site: location of the WebSocket", websocket_is_upgraded) =>
        "clients keep a WebSocket connection through the proxy",
        "without the upgrade, messages appear after a reload only",
        "use the generated NGINX site";
    "ARCH-009" Access Warning "SEED P2" Checked(mobile_is_managed) =>
        "mobile clients of a restricted system are managed devices",
        "messages stay on phones that nobody controls",
        "set mobile.mdm = true once the devices are managed, or mobile.enabled = false";
    "ARCH-010" Access Error "SEED P2" Checked(identity_providers_are_inside) =>
        "users are identified by a provider inside the network; smart cards come through SAML",
        "a provider on the internet cannot be reached, so nobody can sign in",
        "use password, ldap, saml or openid; add [saml] for smart cards";
    "ARCH-011" Access Error "SEED P2" Checked(push_is_not_hosted) =>
        "push notifications do not go to a hosted service",
        "the hosted service is on the internet, and sees who writes to whom",
        "use push.mode = \"proxy\" with a host of the role push, or \"off\"";
    "ARCH-012" Access Warning "SEED P2; Mattermost push proxy guide" Checked(push_has_a_way_out) =>
        "a push proxy has an acknowledged way out to the phone makers' services",
        "the push proxy starts without it and delivers nothing: it only hands messages to Apple and Google",
        "arrange the way out and set push.egress = true, or use push.mode = \"off\"";
    "ARCH-013" Application Error "SEED P2" Staged("config.json: EmailSettings off without [smtp]", mail_needs_a_server) =>
        "mail is off unless a mail server is given",
        "users would wait for mails that are never sent",
        "add [smtp] to send mail";
    "ARCH-014" Backend Error "SEED P2" Checked(database_is_not_public) =>
        "the database server is inside the network",
        "the name belongs to a public cloud, which cannot be reached",
        "use a server inside, or set database.private_endpoint = true when the name leads to one";
    "ARCH-015" Backend Error "SEED P2, P4; M34" Checked(database_is_postgres) =>
        "the database is PostgreSQL",
        "MySQL and MariaDB are not supported from Mattermost v11",
        "migrate to PostgreSQL 14 or newer first (Mattermost's migration-assist), then use engine = \"postgres\"";
    "ARCH-016" Backend Info "SEED P2, P5" Checked(s3_is_preferred) =>
        "high availability uses S3-compatible storage rather than NFS",
        "both are supported; a bucket has no single mount that hangs all servers",
        "consider storage.kind = \"s3\"";
    "ARCH-017" Backend Error "SEED P2, P5; M18" Checked(files_are_shared) =>
        "several application servers share their files through S3 or NFS",
        "a file uploaded through one server is missing on the others; copying folders does not mend this",
        "use storage.kind = \"s3\" or \"nfs\"";
    "ARCH-018" Application Error "SEED P2; Mattermost plugin guide; M20" Staged("config.json: RequirePluginSignature, EnableUploads", plugins_are_signed) =>
        "plugins come with their signatures",
        "from v10.11 the server does not load a prepackaged plugin without its signature",
        "put the .sig beside the plugin in the manifest";
    "ARCH-033" Application Warning "SEED P2; Mattermost scale guide" Checked(many_users_need_servers) =>
        "2,000 users or more are served by several application servers",
        "one server becomes the limit, and its failure stops everybody",
        "set ha = true with three hosts of the role app";
    "TOOL-206" Application Error "Mattermost logging guide; M29" Staged("config.json: FileLocation; environment file: MM_LOG_PATH", logs_are_below_their_root) =>
        "the server logs into the folder that it is allowed to",
        "from v11.4 a path outside MM_LOG_PATH is blocked, and logs are missing from the console",
        "report it: this is a fault of haversack";
    "TOOL-207" Access Error "Mattermost configuration guide; M30" Staged("config.json: SiteURL, SiteName", site_is_named) =>
        "the server knows its URL, https and without a slash at its end, and a name of 30 characters at most",
        "links break, and a longer name is an invalid configuration: the server does not start",
        "report it: this is a fault of haversack";
    "TOOL-202" Application Error "this program" Checked(bundle_has_the_parts) =>
        "the bundle holds every component that the roles need",
        "staging would stop in the middle",
        "add the component to the manifest, build the bundle anew, or remove the role";
    "TOOL-212" Access Error "this program" Checked(hosts_are_in_their_networks) =>
        "every host, and the virtual address, is in one of network.hosts",
        "a mistyped address goes into every firewall and every certificate check, and is found on the day of installation",
        "correct the address, or add its network to network.hosts";
    "TOOL-203" Access Warning "this program" Checked(names_need_resolvers) =>
        "neighbours given by name can be resolved, and those given by address need no wide firewall rule",
        "a packet filter matches addresses; for a name it must open the port to every address",
        "write the address, or add network.dns";
}

fn internal_addresses(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    for host in &deployment.hosts {
        if !is_internal(host.address) {
            report.on(
                Severity::Warning,
                &host.name,
                format!("{} is a public address", host.address),
            );
        }
    }
    let network = &deployment.network;
    for (key, list) in [("network.dns", &network.dns), ("network.ntp", &network.ntp)] {
        for address in list.iter().filter(|address| !is_internal(**address)) {
            report.warn(key, format!("{address} is a public address"));
        }
    }
    let neighbours = [
        (
            "smtp.host",
            deployment.smtp.as_ref().map(|smtp| &smtp.server.host),
        ),
        (
            "ldap.host",
            deployment.ldap.as_ref().map(|ldap| &ldap.server.host),
        ),
    ];
    for (key, host) in neighbours {
        if let Some(HostName::Ip(address)) = host
            && !is_internal(*address)
        {
            report.warn(key, format!("{address} is a public address"));
        }
    }
}

/// Oldest major of `PostgreSQL` where no bundle says which Mattermost it is for.
const OLDEST_POSTGRES: u32 = 14;

fn postgres_is_new_enough(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    let releases = catalogue::of("mattermost");
    let oldest = versions::mattermost(context)
        .and_then(|version| releases?.oldest_postgresql(&version))
        .unwrap_or(OLDEST_POSTGRES);
    if let Some(version) = plan.database.version
        && u32::from(version) < oldest
    {
        report.error(
            "database.version",
            format!("PostgreSQL {version}, below {oldest}"),
        );
    }
    let supplied = context
        .supplied("postgresql")
        .and_then(super::Supply::major_minor);
    if let Some((major, _)) = supplied
        && major < oldest
        && plan.database.host.is_some()
    {
        report.error(
            "bundle",
            format!("PostgreSQL {major} in the bundle, below {oldest}"),
        );
    }
}

fn local_storage_in_production(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let local = matches!(plan.deployment.storage, Storage::Local { .. });
    if local && plan.deployment.is_production() {
        report.warn("storage.kind", "local storage in production");
    }
}

/// Users up to which Mattermost's documentation goes without a proxy.
const USERS_WITHOUT_PROXY: u32 = 200;

fn production_has_a_proxy(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    let behind_other =
        deployment.kubernetes.is_some() || deployment.hosts_with(Role::Docker).count() > 0;
    let many = deployment
        .limits
        .users
        .is_some_and(|users| users > USERS_WITHOUT_PROXY);
    if (deployment.is_production() || many)
        && !behind_other
        && deployment.hosts_with(Role::Proxy).count() == 0
    {
        report.warn("host", "no host has the role proxy");
    }
}

fn edition_has_the_features(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    let edition = deployment.edition;
    if !edition.is_enterprise() {
        if deployment.app_servers() > 1 {
            report.error(
                "edition",
                format!("edition {edition} has no high availability"),
            );
        }
        if !deployment.monitoring.is_empty() || deployment.hosts_with(Role::Monitor).count() > 0 {
            report.error("edition", format!("edition {edition} has no metrics"));
        }
    }
    let asks = |provider| deployment.auth.providers.contains(&provider);
    let team = matches!(edition, crate::plan::deployment::Edition::Team);
    if team && (deployment.ldap.is_some() || asks(Provider::Ldap)) {
        report.error("edition", format!("edition {edition} has no AD/LDAP"));
    }
    if team && (deployment.saml.is_some() || asks(Provider::Saml)) {
        report.error("edition", format!("edition {edition} has no SAML"));
    }
}

fn mobile_is_managed(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let mobile = &plan.deployment.mobile;
    if plan.deployment.is_strict() && mobile.enabled.is_on() && !mobile.mdm.is_on() {
        report.warn("mobile.enabled", "mobile clients on unmanaged devices");
    }
}

fn identity_providers_are_inside(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    for provider in &deployment.auth.providers {
        let table = match provider {
            Provider::Google | Provider::Office365 | Provider::Gitlab => {
                report.error("auth.providers", format!("`{provider}` is on the internet"));
                continue;
            }
            Provider::Ldap => deployment.ldap.is_some(),
            Provider::Saml => deployment.saml.is_some(),
            Provider::Password | Provider::Openid => true,
        };
        if !table {
            report.error(
                "auth.providers",
                format!("`{provider}` is asked for and [{provider}] is absent"),
            );
        }
    }
    if deployment.auth.cac == Switch::On && deployment.saml.is_none() {
        report.warn("auth.cac", "smart cards without [saml]");
    }
}

fn push_is_not_hosted(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if let Push::Hosted { host } = &plan.deployment.push {
        let found = match host {
            Some(host) => format!("the service at {host}"),
            None => "a hosted push service".to_owned(),
        };
        report.error("push", found);
    }
}

fn push_has_a_way_out(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if let Push::Proxy {
        host,
        egress: Switch::Off,
    } = &plan.deployment.push
    {
        report.warn(
            "push",
            format!("the push proxy on {host} will start but cannot deliver"),
        );
    }
}

/// Domains under which public clouds name their database servers.
const PUBLIC_DATABASES: [&str; 8] = [
    "amazonaws.com",
    "azure.com",
    "azure.net",
    "windows.net",
    "googleapis.com",
    "supabase.co",
    "neon.tech",
    "digitalocean.com",
];

fn database_is_not_public(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let database = &plan.deployment.database;
    let DatabaseServer::External(server) = &database.server else {
        return;
    };
    if PUBLIC_DATABASES
        .iter()
        .any(|domain| server.is_below(domain))
    {
        let found = format!("{server} is a name of a public cloud");
        if database.private_endpoint.is_on() {
            report.warn("database.dsn_host", found);
        } else {
            report.error("database.dsn_host", found);
        }
    }
}

fn database_is_postgres(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let engine = plan.deployment.database.engine;
    if engine != Engine::Postgres {
        let key = if plan.deployment.places.contains_key("database.dsn") {
            "database.dsn"
        } else {
            "database.engine"
        };
        report.error(key, engine.as_str());
    }
}

fn s3_is_preferred(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.deployment.app_servers() > 1 && matches!(plan.deployment.storage, Storage::Nfs(_)) {
        report.info("storage.kind", "NFS");
    }
}

fn files_are_shared(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let servers = plan.deployment.app_servers();
    if servers > 1 && matches!(plan.deployment.storage, Storage::Local { .. }) {
        report.error(
            "storage.kind",
            format!("local storage with {servers} application servers"),
        );
    }
}

/// Users from which one server is not enough.
const MANY_USERS: u32 = 2000;

fn many_users_need_servers(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let users = plan.deployment.limits.users.unwrap_or(0);
    if users >= MANY_USERS && plan.deployment.app_servers() < 2 {
        report.warn(
            "limits.users",
            format!("{users} users on one application server"),
        );
    }
}

/// The component of a bundle that a role needs.
const fn component(role: Role) -> Option<&'static str> {
    match role {
        Role::Proxy => Some("nginx"),
        Role::App => Some("mattermost"),
        Role::Db | Role::DbReplica => Some("postgresql"),
        Role::Minio => Some("minio"),
        Role::Push => Some("push-proxy"),
        Role::Monitor => Some("prometheus"),
        Role::Nfs | Role::Docker => None,
    }
}

fn bundle_has_the_parts(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    if context.supply.is_empty() {
        return;
    }
    for host in &plan.deployment.hosts {
        for role in &host.roles {
            if let Some(component) = component(*role)
                && context.supplied(component).is_none()
            {
                let found =
                    format!("role {role} needs `{component}`, which the bundle does not hold");
                report.on(Severity::Error, &host.name, found);
            }
        }
    }
}

fn names_need_resolvers(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    if !deployment.network.dns.is_empty() {
        return;
    }
    let neighbours = [
        (
            "smtp.host",
            deployment.smtp.as_ref().map(|smtp| &smtp.server.host),
        ),
        (
            "ldap.host",
            deployment.ldap.as_ref().map(|ldap| &ldap.server.host),
        ),
        (
            "database.dsn_host",
            match &deployment.database.server {
                DatabaseServer::External(host) => Some(host),
                DatabaseServer::Host(_) | DatabaseServer::Compose => None,
            },
        ),
    ];
    for (key, host) in neighbours {
        if let Some(host @ HostName::Dns(_)) = host {
            report.warn(key, format!("the name {host} without network.dns"));
        }
    }
}

fn database_comes_first(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let hosts: Vec<&Host> = staged.hosts().filter_map(|name| plan.host(name)).collect();
    for (index, host) in hosts.iter().enumerate() {
        let mut before = hosts.iter().take(index);
        if before.any(|earlier| needs(plan, earlier, host)) {
            report.file(&host.name, "INSTALL.md", "comes after hosts that need it");
        }
    }
    for host in plan.hosts_with(Role::App).filter(|host| host.has(Role::Db)) {
        let text = staged.file(&host.name, UNIT).unwrap_or_default();
        let mut lines = text.lines().filter(|line| line.starts_with("After="));
        if !lines.any(|line| line.contains("postgresql")) {
            report.file(&host.name, UNIT, "does not start after PostgreSQL");
        }
    }
}

/// Whether the first host can only be installed, as a whole, after the second one.
fn needs(plan: &Plan, host: &Host, other: &Host) -> bool {
    if host.has(Role::App) {
        // Of two hosts with an application server, the one with the database comes first.
        !host.has(Role::Db) && other.has(Role::Db)
            || !other.has(Role::App) && serves_servers(plan, other)
    } else if host.has(Role::DbReplica) {
        other.has(Role::Db)
    } else {
        !serves_servers(plan, host) && (other.has(Role::App) || serves_servers(plan, other))
    }
}

/// Whether application servers need a host at their start. A replica is copied from its primary, so that
/// one whose primary is on an application server comes later.
fn serves_servers(plan: &Plan, host: &Host) -> bool {
    let mut primaries = plan.hosts_with(Role::Db);
    let early = !primaries.any(|primary| primary.has(Role::App));
    let roles = [Role::Db, Role::Minio, Role::Nfs, Role::Push];
    roles.into_iter().any(|role| host.has(role)) || early && host.has(Role::DbReplica)
}

fn one_configuration(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let found = configs(plan, staged, report);
    if let Some((first, rest)) = found.split_first() {
        for (host, config) in rest {
            if *config != first.1 {
                let found = format!("differs from that of {}", first.0.name);
                report.file(&host.name, CONFIG, found);
            }
        }
    }
    let others = plan
        .deployment
        .hosts
        .iter()
        .filter(|host| !host.has(Role::App));
    for host in others {
        for path in [CONFIG, ENVIRONMENT] {
            if staged.file(&host.name, path).is_some() {
                report.file(&host.name, path, "is on a host that runs no server");
            }
        }
    }
}

fn websocket_is_upgraded(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::Proxy) {
        let path = nginx_site(host);
        let text = staged.file(&host.name, path).unwrap_or_default();
        let block = text.split("location ").find(|block| {
            let head = block.split('{').next().unwrap_or_default();
            head.contains("/api/v") && head.contains("websocket")
        });
        let block = block.unwrap_or_default();
        for part in [
            "proxy_set_header Upgrade $http_upgrade;",
            "proxy_set_header Connection \"upgrade\";",
        ] {
            if !block.contains(part) {
                let found = format!("the location of the WebSocket is without `{part}`");
                report.file(&host.name, path, found);
            }
        }
    }
}

fn mail_needs_a_server(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let smtp = plan.deployment.smtp.as_ref();
    let server = smtp.map_or_else(String::new, |smtp| smtp.server.host.to_string());
    let on = json!(smtp.is_some());
    let wanted = [
        ("EmailSettings", "SendEmailNotifications", on.clone()),
        ("EmailSettings", "SMTPServer", json!(server)),
        ("EmailSettings", "EnablePreviewModeBanner", json!(false)),
        ("EmailSettings", "RequireEmailVerification", json!(false)),
        ("ServiceSettings", "EnableEmailInvitations", on),
    ];
    config_says(plan, staged, report, &wanted);
}

fn plugins_are_signed(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let wanted = [
        ("PluginSettings", "RequirePluginSignature", json!(true)),
        ("PluginSettings", "EnableUploads", json!(false)),
        ("PluginSettings", "EnableRemoteMarketplace", json!(false)),
    ];
    config_says(plan, staged, report, &wanted);
}

fn logs_are_below_their_root(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for (host, config) in configs(plan, staged, report) {
        let text = staged.file(&host.name, ENVIRONMENT).unwrap_or_default();
        let root = variable(text, "MM_LOG_PATH").unwrap_or_default();
        let place = config
            .pointer("/LogSettings/FileLocation")
            .and_then(Value::as_str);
        let below = |place: &str| place == root || place.starts_with(&format!("{root}/"));
        if root.is_empty() || !place.is_some_and(below) {
            let found = format!(
                "MM_LOG_PATH is `{root}`, FileLocation `{}`",
                place.unwrap_or_default()
            );
            report.file(&host.name, CONFIG, found);
        }
    }
}

fn site_is_named(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for (host, config) in configs(plan, staged, report) {
        let text = |key| {
            config
                .pointer(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let url = text("/ServiceSettings/SiteURL");
        if url != plan.deployment.site.to_string()
            || !url.starts_with("https://")
            || url.ends_with('/')
        {
            report.file(&host.name, CONFIG, format!("SiteURL is `{url}`"));
        }
        let name = text("/TeamSettings/SiteName");
        if name.chars().count() > 30 {
            report.file(&host.name, CONFIG, format!("SiteName `{name}` is too long"));
        }
    }
}

fn hosts_are_in_their_networks(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    let networks = &deployment.network.hosts;
    if networks.is_empty() {
        return;
    }
    let known = |address| networks.iter().any(|network| network.contains(address));
    for host in deployment.hosts.iter().filter(|host| !known(host.address)) {
        let found = format!("{} is in none of network.hosts", host.address);
        report.on(Severity::Error, &host.name, found);
    }
    if let Some(address) = deployment.proxy.virtual_address
        && !known(address)
    {
        let found = format!("{address} is in none of network.hosts");
        report.error("proxy.virtual_address", found);
    }
}
