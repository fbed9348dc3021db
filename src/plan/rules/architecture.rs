//! Architecture, editions, neighbours (requirements 1 to 18 and 33).

use crate::plan::address::{HostName, is_internal};
use crate::plan::deployment::{DatabaseServer, Engine, Provider, Push, Role, Storage, Switch};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::rules::Kind::{Checked, Generates};
use crate::plan::rules::{Context, Report, rules};

rules! {
    "ARCH-001" Access Warning "SEED P1" Checked(internal_addresses) =>
        "addresses of hosts and neighbours are internal",
        "the deployment has no way to the internet; a public address is a slip, or a way out",
        "write the internal address";
    "ARCH-002" Backend Error "SEED P1; Mattermost software and hardware requirements" Checked(postgres_is_new_enough) =>
        "PostgreSQL is at least the version that this Mattermost supports (14 from v11)",
        "the server refuses to start, or fails while it migrates its tables",
        "put a newer PostgreSQL into the bundle and set database.version to it";
    "ARCH-003" Backend Error "SEED P1" Generates("INSTALL.md, install.sh: database, files, application, proxy") =>
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
    "ARCH-006" Application Error "SEED P1; Mattermost editions and offerings" Checked(edition_has_the_features) =>
        "the edition has the features that the deployment asks for",
        "the server ignores settings that its licence does not cover, so the feature stays off without a message",
        "use an edition that has it, or remove the request";
    "ARCH-007" Application Info "SEED P2" Generates("findings and `explain`: access, application and backend layer") =>
        "checks are grouped by access, application and backend layer",
        "the application layer alone enforces data and storage controls, on every server alike",
        "nothing to do";
    "ARCH-008" Access Error "SEED P2" Generates("NGINX site: location of the WebSocket") =>
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
    "ARCH-013" Application Error "SEED P2" Generates("config.json: EmailSettings off without [smtp]") =>
        "mail is off unless a mail server is given",
        "users would wait for mails that are never sent",
        "add [smtp] to send mail";
    "ARCH-014" Backend Error "SEED P2" Checked(database_is_not_public) =>
        "the database server is inside the network",
        "the name belongs to a public cloud, which cannot be reached",
        "use a server inside, or set database.private_endpoint = true when the name leads to one";
    "ARCH-015" Backend Error "SEED P2, P4" Checked(database_is_postgres) =>
        "the database is PostgreSQL",
        "MySQL and MariaDB are not supported from Mattermost v11",
        "migrate to PostgreSQL 14 or newer first (Mattermost's migration-assist), then use engine = \"postgres\"";
    "ARCH-016" Backend Info "SEED P2, P5" Checked(s3_is_preferred) =>
        "high availability uses S3-compatible storage rather than NFS",
        "both are supported; a bucket has no single mount that hangs all servers",
        "consider storage.kind = \"s3\"";
    "ARCH-017" Backend Error "SEED P2, P5" Checked(files_are_shared) =>
        "several application servers share their files through S3 or NFS",
        "a file uploaded through one server is missing on the others; copying folders does not mend this",
        "use storage.kind = \"s3\" or \"nfs\"";
    "ARCH-018" Application Error "SEED P2; Mattermost plugin guide" Generates("prepackaged_plugins with .sig, config.json: PluginStates") =>
        "plugins come with their signatures",
        "from v10.11 the server does not load a prepackaged plugin without its signature",
        "put the .sig beside the plugin in the manifest";
    "ARCH-033" Application Warning "SEED P2; Mattermost scale guide" Checked(many_users_need_servers) =>
        "2,000 users or more are served by several application servers",
        "one server becomes the limit, and its failure stops everybody",
        "set ha = true with three hosts of the role app";
    "TOOL-202" Application Error "this program" Checked(bundle_has_the_parts) =>
        "the bundle holds every component that the roles need",
        "staging would stop in the middle",
        "add the component to the manifest, build the bundle anew, or remove the role";
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

/// Lowest major version of `PostgreSQL` by version of Mattermost.
fn oldest_postgres(mattermost: Option<(u32, u32)>) -> u32 {
    match mattermost {
        Some(version) if version < (10, 6) => 11,
        Some(version) if version < (11, 0) => 13,
        _ => 14,
    }
}

fn postgres_is_new_enough(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    let mattermost = context
        .supplied("mattermost")
        .and_then(super::Supply::major_minor);
    let oldest = oldest_postgres(mattermost);
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

fn production_has_a_proxy(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    let behind_other =
        deployment.kubernetes.is_some() || deployment.hosts_with(Role::Docker).count() > 0;
    if deployment.is_production()
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
