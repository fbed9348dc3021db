//! The database.

use std::fmt::Display;

use crate::plan::address::HostName;
use crate::plan::deployment::{
    Database, DatabaseServer, Engine, Host, Method, Role, SslMode, Switch,
};
use crate::plan::parse::switch;
use crate::plan::parse::topology::own_host;
use crate::plan::problem::ProblemId;
use crate::plan::reader::{Said, Section};

pub(super) fn read(
    root: &mut Section<'_, '_, '_>,
    method: Option<Method>,
    hosts: &[Host],
    sound: bool,
) -> Option<Database> {
    let own = hosts
        .iter()
        .find(|host| host.has(Role::Db))
        .map(|host| host.name.clone());
    let Some(mut section) = root.table("database") else {
        if !root.is_absent("database") {
            return None;
        }
        let server = match (own, method) {
            (Some(name), _) => DatabaseServer::Host(name),
            (None, Some(Method::Docker)) => DatabaseServer::Compose,
            (None, _) => {
                if sound {
                    no_database(root);
                }
                return None;
            }
        };
        return Some(default_database(server));
    };
    let external = section.parsed::<HostName>(
        "dsn_host",
        "write the name or address of the database server",
    );
    let engine_of_dsn = dsn(&mut section);
    let host = own_host(&mut section, "host", Role::Db, hosts);
    let server = match (external, own) {
        (Some(said), Some(own)) => {
            let why = format!("stands beside the host `{own}` with the role `db`");
            section.bad("dsn_host", &said.span, why, "keep one of both");
            None
        }
        (Some(said), None) => Some(DatabaseServer::External(said.value)),
        (None, Some(own)) => Some(DatabaseServer::Host(host.unwrap_or(own))),
        (None, None) if method == Some(Method::Docker) => Some(DatabaseServer::Compose),
        (None, None) => {
            if sound
                && section.is_absent("dsn_host")
                && section.is_absent("host")
                && section.is_absent("dsn")
            {
                no_database(root);
            }
            None
        }
    };
    let engine = section.word::<Engine>("engine").map(|said| said.value);
    let port = section.port("port").map(|said| said.value);
    let name = identifier(&mut section, "name", "mattermost");
    let user = identifier(&mut section, "user", "mmuser");
    let version = section.number("version", 1..=99).map(|said| said.value);
    let sslmode = section.word::<SslMode>("sslmode").map(|said| said.value);
    let max_connections = section
        .number("max_connections", 1..=262_143)
        .map(|said| said.value);
    let max_open = section
        .number("max_open_connections", 1..=10_000)
        .map(|said| said.value);
    let private_endpoint = switch(&mut section, "private_endpoint");
    section.finish();
    let server = server.or_else(|| {
        // A refused DSN still tells the engine: let the rule say what to do.
        engine_of_dsn.map(|_| DatabaseServer::Compose)
    })?;
    let default = default_database(server);
    Some(Database {
        engine: engine_of_dsn.or(engine).unwrap_or(default.engine),
        port: port.unwrap_or(default.port),
        name,
        user,
        version: version.and_then(|version| u16::try_from(version).ok()),
        sslmode: sslmode.unwrap_or(default.sslmode),
        max_connections,
        max_open_connections: max_open.unwrap_or(default.max_open_connections),
        private_endpoint,
        ..default
    })
}

fn no_database(root: &Section<'_, '_, '_>) {
    root.missing(
        "database",
        "give one host the role \"db\", or add [database] with dsn_host",
    );
}

fn default_database(server: DatabaseServer) -> Database {
    Database {
        engine: Engine::Postgres,
        server,
        port: 5432,
        name: "mattermost".to_owned(),
        user: "mmuser".to_owned(),
        version: None,
        sslmode: SslMode::VerifyFull,
        max_connections: None,
        max_open_connections: 100,
        private_endpoint: Switch::Off,
    }
}

/// A data source name is never read: it holds a password. One of `MySQL` is remembered as such.
fn dsn(section: &mut Section<'_, '_, '_>) -> Option<Engine> {
    let said = section.text("dsn")?;
    let lower = said.value.to_ascii_lowercase();
    if lower.starts_with("mysql://") || lower.contains("@tcp(") {
        return Some(Engine::Mysql);
    }
    if lower.starts_with("mariadb://") {
        return Some(Engine::Mariadb);
    }
    section.problem(
        ProblemId::SecretInFile,
        &said.span,
        "`database.dsn` may hold a password and is generated",
        "remove it; write dsn_host, port, name, user and sslmode",
    );
    None
}

/// An SQL identifier that needs no quotes (`PostgreSQL` "Identifiers and Key Words").
fn identifier(section: &mut Section<'_, '_, '_>, key: &'static str, default: &str) -> String {
    let Some(said) = section.text(key) else {
        return default.to_owned();
    };
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    let rest = |c: char| first(c) || c.is_ascii_digit();
    let good =
        said.value.len() <= 63 && said.value.starts_with(first) && said.value.chars().all(rest);
    if !good {
        bad_identifier(section, key, &said, "is no plain identifier");
    } else if RESERVED.contains(&said.value.as_str()) || said.value.starts_with("pg_") {
        bad_identifier(section, key, &said, "is reserved");
    }
    said.value
}

/// Key words and databases of `PostgreSQL` that cannot be these names without quotes.
const RESERVED: [&str; 12] = [
    "all",
    "user",
    "public",
    "none",
    "template0",
    "template1",
    "replication",
    "sameuser",
    "samerole",
    "default",
    "current_user",
    "session_user",
];

fn bad_identifier(
    section: &Section<'_, '_, '_>,
    key: &str,
    said: &Said<String>,
    why: impl Display,
) {
    section.bad(
        key,
        &said.span,
        why,
        "use up to 63 of a-z, 0-9 and `_`, such as mattermost",
    );
}
