//! The database (requirements 52 to 73).

use crate::plan::deployment::{DatabaseServer, Host, Role, SslMode};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::flow::port;
use crate::plan::rules::Kind::{Both, Checked, OnHost, Parsed, Same, Staged};
use crate::plan::rules::{Context, Report, Supply, look, rules};
use crate::plan::staged::Staged as Files;

rules! {
    "DB-052" Backend Error "SEED P4" Checked(versions_agree) =>
        "the PostgreSQL of the bundle is the one that the deployment asks for",
        "paths of configuration and data carry the major version",
        "set database.version to the version of the bundle, or build a bundle with the other";
    "DB-053" Backend Warning "SEED P4; PostgreSQL versioning policy" Checked(not_the_oldest) =>
        "PostgreSQL is newer than the oldest supported version",
        "version 14 has had no fixes since 2026-11-12",
        "use PostgreSQL 16 or newer";
    "DB-054" Backend Info "SEED P4" Checked(not_the_next_to_go) =>
        "a change of the oldest supported version is announced nine months ahead",
        "there is time to plan an upgrade",
        "read the release notes that come with each bundle";
    "DB-055" Backend Error "SEED P4" Same("ARCH-015") =>
        "MySQL is not used",
        "it is not supported from Mattermost v11",
        "migrate to PostgreSQL first";
    "DB-056" Backend Warning "SEED P4" Checked(database_has_its_host) =>
        "production has the database on a host of its own",
        "server and database compete for memory, and fail together",
        "give the role db to another host; accept this for a small single server";
    "DB-057" Backend Error "SEED P4" Staged("db-prepare.sql: UTF8, en_US.UTF-8, template0", database_is_utf8) =>
        "the database has encoding UTF8 and locale en_US.UTF-8",
        "sorting and search break with another, and it cannot be changed later",
        "install the locale on the host before the database";
    "DB-058" Backend Error "SEED P4" Both(user_is_no_superuser, "db-prepare.sql: NOSUPERUSER", role_has_no_powers) =>
        "Mattermost does not log in as the superuser",
        "a hole in the server would open every database",
        "use a user of its own, such as mmuser";
    "DB-059" Backend Error "SEED P4; M2" Staged("the DSN: 16 characters or more of every class", password_is_strong) =>
        "the password is random and long",
        "people choose passwords that programs guess",
        "let stage generate it";
    "DB-060" Backend Error "SEED P4" Staged("db-prepare.sql: a SCRAM verifier; environment: 0640", password_is_hidden) =>
        "the password stands in no file that others can read",
        "the deployment file is mailed, printed and kept in version control",
        "keep secrets/ on encrypted media";
    "DB-061" Backend Error "SEED P4" Staged("db-prepare.sql: GRANT ON DATABASE", database_is_granted) =>
        "the user has all privileges on the database",
        "the server creates and alters its own tables",
        "use the generated SQL";
    "DB-062" Backend Error "SEED P4" Staged("db-prepare.sql: GRANT ON SCHEMA, TABLES, SEQUENCES; ownership", schema_is_granted) =>
        "from PostgreSQL 15 the user has privileges on schema, tables and sequences too",
        "the grant on the database alone ends in `permission denied for schema public`",
        "use the generated SQL";
    "DB-063" Backend Error "SEED P4" OnHost("verify.sh: creates and drops a table as the user") =>
        "the user can create a table with a sequence",
        "it is what the first start does",
        "run the generated SQL again";
    "DB-064" Backend Error "SEED P4" Staged("postgresql.conf: listen_addresses of the database host itself", listens_at_home) =>
        "PostgreSQL listens on its own address and localhost",
        "the address of another host there keeps PostgreSQL from starting; `*` opens it to every network",
        "use the generated file; pg_hba.conf and the firewall name the servers";
    "DB-065" Backend Error "SEED P4" Staged("pg_hba.conf: hostssl, one /32 line for each server, scram-sha-256", lines_are_narrow) =>
        "each application server has a line of its own, with scram-sha-256",
        "wider lines let in whoever gets an address there",
        "use the generated file";
    "DB-066" Backend Error "SEED P4" Staged("install.sh: restart when the settings changed", is_restarted) =>
        "PostgreSQL is restarted after its listen addresses changed",
        "a reload does not change them",
        "run install.sh";
    "DB-067" Backend Error "SEED P4" OnHost("preflight: connects as the user") =>
        "the connection is tested before Mattermost is installed",
        "a failing first start leaves half a migration",
        "run preflight";
    "DB-068" Backend Error "SEED P4" Both(connection_is_verified, "the DSN: sslmode, sslrootcert; postgresql.conf: ssl on", connection_is_tls) =>
        "the server checks certificate and name of the database (sslmode verify-full)",
        "anything less lets a host in between read passwords and messages",
        "use sslmode = \"verify-full\", which is the default";
    "DB-069" Backend Warning "SEED P4" Both(backup_is_on, "mattermost-backup: timer, program, test of a restore", backup_is_staged) =>
        "the database is backed up every night and restores are tested",
        "nobody outside can restore it for you",
        "remove backup.enabled = false";
    "DB-070" Backend Info "SEED P4" Staged("prometheus.yml on hosts with the role monitor", servers_are_watched) =>
        "the database is watched",
        "a full disk announces itself for days",
        "set monitoring.hosts";
    "DB-071" Backend Warning "SEED P4" Both(high_availability_has_a_replica, "postgresql.conf, pg_hba.conf and the environment, with replicas", replicas_follow) =>
        "high availability has a replica of the database",
        "otherwise the database is the one part whose failure stops everything",
        "give another host the role db-replica";
    "DB-072" Backend Error "SEED P4; Mattermost high availability guide; M31" Both(connections_suffice, "postgresql.conf: max_connections", limit_is_staged) =>
        "max_connections covers every server's pools and administration",
        "servers get `too many clients` under load, long after installation",
        "raise database.max_connections, or lower database.max_open_connections";
    "DB-073" Backend Error "SEED P4" Parsed("database.name, database.user: mattermost and mmuser unless said otherwise") =>
        "database and user have plain names",
        "other names need quotes in some of the files",
        "keep mattermost and mmuser";
}

/// Oldest version that is not warned about; see `DB-053`.
const OLDEST: u32 = 14;

fn versions_agree(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    let supplied = context.supplied("postgresql").and_then(Supply::major_minor);
    if let (Some(asked), Some((supplied, _))) = (plan.database.version, supplied)
        && u32::from(asked) != supplied
        && plan.database.host.is_some()
    {
        let found = format!("version {asked} asked for, {supplied} in the bundle");
        report.error("database.version", found);
    }
}

fn not_the_oldest(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    if plan.database.version.map(u32::from) == Some(OLDEST) {
        report.warn("database.version", "PostgreSQL 14");
        return;
    }
    let supplied = context.supplied("postgresql").and_then(Supply::major_minor);
    if plan.database.host.is_some() && supplied.is_some_and(|(major, _)| major == OLDEST) {
        report.warn("bundle", "PostgreSQL 14");
    }
}

fn not_the_next_to_go(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.database.version.map(u32::from) == Some(OLDEST.saturating_add(1)) {
        let found = "PostgreSQL 15 is the next version that support ends for";
        report.info("database.version", found);
    }
}

fn database_has_its_host(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    if !deployment.is_production() || deployment.app_servers() > 1 {
        return;
    }
    for host in plan.hosts_with(Role::Db).filter(|host| host.has(Role::App)) {
        report.on(
            Severity::Warning,
            &host.name,
            "the roles app and db on one host",
        );
    }
}

fn user_is_no_superuser(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.database.user == "postgres" {
        report.error("database.user", "postgres");
    }
}

fn connection_is_verified(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if matches!(plan.deployment.database.server, DatabaseServer::Compose) {
        return;
    }
    match plan.database.sslmode {
        SslMode::VerifyFull => {}
        SslMode::Disable => {
            report.error_if_strict("database.sslmode", "disable: plain text");
        }
        mode => report.warn("database.sslmode", mode.as_str()),
    }
}

fn backup_is_on(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if !plan.deployment.backup.enabled.is_on() {
        report.warn("backup.enabled", "no backup");
    }
}

fn high_availability_has_a_replica(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let own = matches!(plan.deployment.database.server, DatabaseServer::Host(_));
    if own && plan.deployment.app_servers() > 1 && plan.database.replicas.is_empty() {
        report.warn("host", "one database without a replica");
    }
}

fn connections_suffice(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let database = &plan.database;
    let needed = database
        .needed_connections
        .saturating_add(crate::plan::derive::RESERVED_CONNECTIONS);
    if database.max_connections < needed {
        let found = format!(
            "{} connections; {needed} can be opened",
            database.max_connections
        );
        report.error("database.max_connections", found);
    }
}

/// Where role, database and grants are made.
const PREPARE: &str = "/usr/local/share/haversack/db-prepare.sql";
/// Fewest characters of a password.
const MIN_PASSWORD: usize = 16;

/// Every one of these statements is in the SQL of the database's host.
fn prepare_says(plan: &Plan, staged: &Files, report: &mut Report<'_>, wanted: &[&str]) {
    for host in plan.hosts_with(Role::Db) {
        report.file_holds(staged, &host.name, PREPARE, wanted);
    }
}

/// A staged file of each host that runs a database, found by the end of its path: the folder
/// carries version and family. One that is absent is reported.
fn of_databases<'p>(
    plan: &'p Plan,
    staged: &'p Files,
    report: &mut Report<'_>,
    end: &'static str,
) -> Vec<(&'p Host, &'p str, &'p str)> {
    let mut found = Vec::new();
    let runs = |host: &&Host| host.has(Role::Db) || host.has(Role::DbReplica);
    for host in plan.deployment.hosts.iter().filter(runs) {
        let mut files = staged.files(&host.name);
        match files.find(|(path, _)| {
            path.contains("/etc/postgresql/") && path.ends_with(end)
                || path.contains("/pgsql/") && path.ends_with(end)
        }) {
            Some((path, text)) => found.push((host, path, text)),
            None => report.file(&host.name, end, "the file is not staged"),
        }
    }
    found
}

/// The value of a setting of PostgreSQL, without its quotes; the last line counts.
fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = text.lines().rev();
    lines.find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('\''))
    })
}

fn database_is_utf8(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    // In a constant of the query that runs it, its quotes are doubled.
    let wanted = [
        "ENCODING ''UTF8'' LC_COLLATE ''en_US.UTF-8'' LC_CTYPE ''en_US.UTF-8'' TEMPLATE template0",
    ];
    prepare_says(plan, staged, report, &wanted);
}

fn role_has_no_powers(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let wanted = [" WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;"];
    prepare_says(plan, staged, report, &wanted);
}

/// The password in the DSN of each application server; a DSN without one is reported.
fn passwords(plan: &Plan, staged: &Files, report: &mut Report<'_>) -> Vec<(Host, String)> {
    let mut found = Vec::new();
    for host in plan.hosts_with(Role::App) {
        let dsn = dsn(staged, host);
        let password = dsn.and_then(|dsn| {
            let (authority, _) = dsn.split_once("://")?.1.split_once('@')?;
            Some(authority.split_once(':')?.1)
        });
        match password.and_then(decoded) {
            Some(password) => found.push((host.clone(), password)),
            None => report.file(
                &host.name,
                look::ENVIRONMENT,
                "there is no DSN with a password",
            ),
        }
    }
    found
}

/// The data source of an application server, without its quotes.
fn dsn<'s>(staged: &'s Files, host: &Host) -> Option<&'s str> {
    let text = staged.file(&host.name, look::ENVIRONMENT)?;
    look::variable(text, "MM_SQLSETTINGS_DATASOURCE")
}

/// A text with `%XX` as the bytes that they mean; `None` where they mean none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn password_is_strong(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for (host, password) in passwords(plan, staged, report) {
        let has = |what: fn(char) -> bool| password.chars().any(what);
        let classes = has(|c| c.is_ascii_lowercase())
            && has(|c| c.is_ascii_uppercase())
            && has(|c| c.is_ascii_digit())
            && has(|c| c.is_ascii_punctuation());
        // The password of a server elsewhere is that team's choice.
        let own = plan.database.host.is_some();
        if own && (password.chars().count() < MIN_PASSWORD || !classes) {
            let found = "the password of the database is short, or of few classes of characters";
            report.file(&host.name, look::ENVIRONMENT, found);
        }
        // What servers, shells and units read in different ways.
        if password
            .chars()
            .any(|c| c.is_whitespace() || c.is_control())
        {
            let found = "the password of the database holds blanks or control characters";
            report.file(&host.name, look::ENVIRONMENT, found);
        }
    }
}

fn password_is_hidden(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    prepare_says(plan, staged, report, &["SCRAM-SHA-256$"]);
    for (app, password) in passwords(plan, staged, report) {
        if look::mode(staged, &app.name, look::ENVIRONMENT) != Some("640") {
            report.file(
                &app.name,
                look::ENVIRONMENT,
                "others may read it: its mode is not 0640",
            );
        }
        for host in
            plan.deployment.hosts.iter().filter(|host| {
                !password.is_empty() && staged.hosts().any(|name| *name == host.name)
            })
        {
            for (path, _) in staged
                .files(&host.name)
                .filter(|(_, text)| text.contains(&password))
            {
                let closed =
                    look::mode(staged, &host.name, path).is_some_and(|mode| mode.ends_with('0'));
                if !closed {
                    report.file(
                        &host.name,
                        path,
                        "holds the password of the database, and others may read it",
                    );
                }
            }
        }
    }
}

fn database_is_granted(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let (name, user) = (&plan.database.name, &plan.database.user);
    let grant = format!("GRANT ALL PRIVILEGES ON DATABASE \"{name}\" TO \"{user}\";");
    prepare_says(plan, staged, report, &[&grant]);
}

fn schema_is_granted(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let (name, user) = (&plan.database.name, &plan.database.user);
    let wanted = [
        format!("ALTER DATABASE \"{name}\" OWNER TO \"{user}\";"),
        format!("ALTER SCHEMA public OWNER TO \"{user}\";"),
        format!("GRANT ALL PRIVILEGES ON SCHEMA public TO \"{user}\";"),
        format!("GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA public TO \"{user}\";"),
        format!("GRANT ALL PRIVILEGES ON ALL SEQUENCES IN SCHEMA public TO \"{user}\";"),
    ];
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    prepare_says(plan, staged, report, &wanted);
    for host in plan.hosts_with(Role::Db) {
        let text = staged.file(&host.name, PREPARE).unwrap_or_default();
        let mut lines = text.lines().map(str::to_ascii_uppercase);
        if lines.any(|line| line.starts_with("GRANT") && line.contains("TO PUBLIC")) {
            report.file(&host.name, PREPARE, "a privilege is granted to everybody");
        }
    }
}

fn listens_at_home(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for (host, path, text) in of_databases(plan, staged, report, "/conf.d/mattermost.conf") {
        let wanted = format!("localhost, {}", host.address);
        let found = setting(text, "listen_addresses").unwrap_or("absent");
        if found != wanted {
            report.file(
                &host.name,
                path,
                format!("listen_addresses is `{found}`, not `{wanted}`"),
            );
        }
    }
}

fn lines_are_narrow(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let database = &plan.database;
    for (host, path, text) in of_databases(plan, staged, report, "/pg_hba.conf") {
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .filter(|words: &Vec<&str>| words.first().is_some_and(|word| !word.starts_with('#')))
            .collect();
        for client in &database.clients {
            let address = client.to_string();
            let wanted = [
                "hostssl",
                &database.name,
                &database.user,
                &address,
                "scram-sha-256",
            ];
            if !lines.iter().any(|line| line.as_slice() == wanted) {
                report.file(&host.name, path, format!("without `{}`", wanted.join(" ")));
            }
        }
        for line in &lines {
            let narrow = match line.as_slice() {
                [.., "reject"] | ["local", "all", "postgres", "peer"] => true,
                ["hostssl", _, user, address, "scram-sha-256"] => {
                    *user != "all" && (address.ends_with("/32") || address.ends_with("/128"))
                }
                _ => false,
            };
            if !narrow {
                report.file(
                    &host.name,
                    path,
                    format!("`{}` lets in more than it must", line.join(" ")),
                );
            }
        }
        if !lines
            .iter()
            .any(|line| line.as_slice() == ["host", "all", "all", "0.0.0.0/0", "reject"])
        {
            report.file(&host.name, path, "nothing refuses all others");
        }
    }
    for (host, path, text) in of_databases(plan, staged, report, "/conf.d/mattermost.conf") {
        if setting(text, "password_encryption") != Some("scram-sha-256") {
            report.file(&host.name, path, "password_encryption is not scram-sha-256");
        }
    }
}

/// The settings notify the unit, and install.sh restarts what was notified.
fn is_restarted(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for (host, path, _) in of_databases(plan, staged, report, "/conf.d/mattermost.conf") {
        let perms = staged.file(&host.name, "perms.tsv").unwrap_or_default();
        let notified = perms
            .lines()
            .find(|line| line.split('\t').nth(6) == Some(path))
            .and_then(|line| line.split('\t').nth(5))
            .filter(|unit| unit.starts_with("postgresql"));
        match notified {
            Some(unit) => {
                let serve = format!("serve {unit}");
                report.file_holds(
                    staged,
                    &host.name,
                    "install.sh",
                    &[&serve, "systemctl restart"],
                );
            }
            None => report.file(
                &host.name,
                path,
                "PostgreSQL is not restarted when it changes",
            ),
        }
    }
}

fn connection_is_tls(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let mode = plan.database.sslmode;
    for host in plan.hosts_with(Role::App) {
        let dsn = dsn(staged, host).unwrap_or_default();
        if !dsn.contains(&format!("?sslmode={mode}")) {
            report.file(
                &host.name,
                look::ENVIRONMENT,
                format!("the DSN does not say sslmode={mode}"),
            );
        }
        let checks = matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull);
        if checks && !dsn.contains("&sslrootcert=/etc/mattermost/ca.pem") {
            report.file(
                &host.name,
                look::ENVIRONMENT,
                "the DSN does not name the authority",
            );
        }
    }
    for (host, path, text) in of_databases(plan, staged, report, "/conf.d/mattermost.conf") {
        for (name, wanted) in [("ssl", "on"), ("ssl_min_protocol_version", "TLSv1.2")] {
            if setting(text, name) != Some(wanted) {
                report.file(&host.name, path, format!("{name} is not {wanted}"));
            }
        }
    }
}

fn backup_is_staged(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    if !plan.deployment.backup.enabled.is_on() {
        return;
    }
    for host in plan.hosts_with(Role::Db) {
        for (path, parts) in [
            (
                "/etc/systemd/system/mattermost-backup.timer",
                ["OnCalendar=", "Persistent=true"],
            ),
            (
                "/usr/local/sbin/mattermost-backup",
                ["pg_dump ", "-mtime +"],
            ),
            (
                "/usr/local/sbin/mattermost-restore-test",
                ["pg_restore", "set -eu"],
            ),
            ("install.sh", ["serve mattermost-backup.timer", "set -eu"]),
        ] {
            report.file_holds(staged, &host.name, path, &parts);
        }
    }
}

fn servers_are_watched(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    const PROMETHEUS: &str = "/etc/prometheus/prometheus.yml";
    for host in plan.hosts_with(Role::Monitor) {
        for app in plan.hosts_with(Role::App) {
            let target = format!(
                "{}:{}",
                crate::plan::address::HostName::Ip(app.address),
                port::METRICS
            );
            report.file_holds(staged, &host.name, PROMETHEUS, &[&target]);
        }
    }
}

fn replicas_follow(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    if plan.database.replicas.is_empty() {
        return;
    }
    for (host, path, text) in of_databases(plan, staged, report, "/conf.d/mattermost.conf") {
        for (name, wanted) in [
            ("wal_level", "replica"),
            ("hot_standby", "on"),
            ("hot_standby_feedback", "on"),
        ] {
            if setting(text, name) != Some(wanted) {
                report.file(&host.name, path, format!("{name} is not {wanted}"));
            }
        }
        let senders = setting(text, "max_wal_senders").and_then(|number| number.parse().ok());
        if senders.unwrap_or(0_usize) < plan.database.replicas.len() {
            report.file(
                &host.name,
                path,
                "max_wal_senders is below the number of replicas",
            );
        }
        if host.has(Role::DbReplica) && setting(text, "primary_conninfo").is_none() {
            report.file(&host.name, path, "the replica does not know its primary");
        }
    }
    for (host, path, text) in of_databases(plan, staged, report, "/pg_hba.conf") {
        if !text.contains("hostssl replication ") {
            report.file(&host.name, path, "no replica may connect");
        }
    }
    for host in plan.hosts_with(Role::App) {
        let wanted = ["MM_SQLSETTINGS_DATASOURCEREPLICAS="];
        report.file_holds(staged, &host.name, look::ENVIRONMENT, &wanted);
    }
}

fn limit_is_staged(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for (host, path, text) in of_databases(plan, staged, report, "/conf.d/mattermost.conf") {
        let found = setting(text, "max_connections").and_then(|number| number.parse().ok());
        if found.unwrap_or(0_u32) < plan.database.max_connections {
            report.file(
                &host.name,
                path,
                "max_connections is below what the servers open",
            );
        }
    }
    let open = serde_json::json!(plan.database.max_open_connections);
    look::config_says(
        plan,
        staged,
        report,
        &[("SqlSettings", "MaxOpenConns", open)],
    );
}
