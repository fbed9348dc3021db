//! The database (requirements 52 to 73).

use crate::plan::deployment::{DatabaseServer, Role, SslMode};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::rules::Kind::{Checked, Generates, Note, OnHost, Same};
use crate::plan::rules::{Context, Report, Supply, rules};

rules! {
    "DB-052" Backend Error "SEED P4" Checked(versions_agree) =>
        "the PostgreSQL of the bundle is the one that the deployment asks for",
        "paths of configuration and data carry the major version",
        "set database.version to the version of the bundle, or build a bundle with the other";
    "DB-053" Backend Warning "SEED P4; PostgreSQL versioning policy" Checked(not_the_oldest) =>
        "PostgreSQL is newer than the oldest supported version",
        "version 14 has had no fixes since 2026-11-12",
        "use PostgreSQL 16 or newer";
    "DB-054" Backend Info "SEED P4" Note =>
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
    "DB-057" Backend Error "SEED P4" Generates("db-prepare.sql: UTF8, en_US.UTF-8, template0") =>
        "the database has encoding UTF8 and locale en_US.UTF-8",
        "sorting and search break with another, and it cannot be changed later",
        "install the locale on the host before the database";
    "DB-058" Backend Error "SEED P4" Checked(user_is_no_superuser) =>
        "Mattermost does not log in as the superuser",
        "a hole in the server would open every database",
        "use a user of its own, such as mmuser";
    "DB-059" Backend Error "SEED P4" Generates("secrets/: 32 random characters of every class") =>
        "the password is random and long",
        "people choose passwords that programs guess",
        "let stage generate it";
    "DB-060" Backend Error "SEED P4" Generates("secrets/: mode 0700, files 0600") =>
        "the password stands in no file that others can read",
        "the deployment file is mailed, printed and kept in version control",
        "keep secrets/ on encrypted media";
    "DB-061" Backend Error "SEED P4" Generates("db-prepare.sql: GRANT ON DATABASE") =>
        "the user has all privileges on the database",
        "the server creates and alters its own tables",
        "use the generated SQL";
    "DB-062" Backend Error "SEED P4" Generates("db-prepare.sql: GRANT ON SCHEMA, TABLES, SEQUENCES; ownership") =>
        "from PostgreSQL 15 the user has privileges on schema, tables and sequences too",
        "the grant on the database alone ends in `permission denied for schema public`",
        "use the generated SQL";
    "DB-063" Backend Error "SEED P4" OnHost("verify.sh: creates and drops a table as the user") =>
        "the user can create a table with a sequence",
        "it is what the first start does",
        "run the generated SQL again";
    "DB-064" Backend Error "SEED P4" Generates("postgresql.conf: listen_addresses of the database host itself") =>
        "PostgreSQL listens on its own address and localhost",
        "the address of another host there keeps PostgreSQL from starting; `*` opens it to every network",
        "use the generated file; pg_hba.conf and the firewall name the servers";
    "DB-065" Backend Error "SEED P4" Generates("pg_hba.conf: hostssl, one /32 line for each server, scram-sha-256") =>
        "each application server has a line of its own, with scram-sha-256",
        "wider lines let in whoever gets an address there",
        "use the generated file";
    "DB-066" Backend Error "SEED P4" Generates("install.sh: restart after listen_addresses") =>
        "PostgreSQL is restarted after its listen addresses changed",
        "a reload does not change them",
        "run install.sh";
    "DB-067" Backend Error "SEED P4" OnHost("preflight: connects as the user") =>
        "the connection is tested before Mattermost is installed",
        "a failing first start leaves half a migration",
        "run preflight";
    "DB-068" Backend Error "SEED P4" Checked(connection_is_verified) =>
        "the server checks certificate and name of the database (sslmode verify-full)",
        "anything less lets a host in between read passwords and messages",
        "use sslmode = \"verify-full\", which is the default";
    "DB-069" Backend Warning "SEED P4" Checked(backup_is_on) =>
        "the database is backed up every night and restores are tested",
        "nobody outside can restore it for you",
        "remove backup.enabled = false";
    "DB-070" Backend Info "SEED P4" Generates("prometheus scrape entries, with monitoring") =>
        "the database is watched",
        "a full disk announces itself for days",
        "set monitoring.hosts";
    "DB-071" Backend Warning "SEED P4" Checked(high_availability_has_a_replica) =>
        "high availability has a replica of the database",
        "otherwise the database is the one part whose failure stops everything",
        "give another host the role db-replica";
    "DB-072" Backend Error "SEED P4; Mattermost high availability guide" Checked(connections_suffice) =>
        "max_connections covers every server's pools and administration",
        "servers get `too many clients` under load, long after installation",
        "raise database.max_connections, or lower database.max_open_connections";
    "DB-073" Backend Error "SEED P4" Generates("names mattermost and mmuser unless the file says otherwise") =>
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
