//! Streaming replication of the database: what the primary and each replica need for it.
//!
//! A replica is a copy of the primary that follows it (PostgreSQL, "Log-Shipping Standby Servers").
//! The connection is made with `verify-full`, by a role that may do nothing else, and each replica
//! has a slot of its own, so that the primary keeps what the replica has not read yet.

use minijinja::Value;
use serde::Serialize;

use crate::plan::Plan;
use crate::plan::address::{HostName, Network};
use crate::plan::deployment::{Host, Role};
use crate::stage::facts;
use crate::stage::host::Scene;
use crate::stage::quote::{sql, sql_name};
use crate::stage::render::{RenderError, values};
use crate::stage::roles::db::{add_server, tls_folder};
use crate::stage::tree::{Access, Tree};
use crate::types::name::Name;

const PREPARE: &str = "db/db-prepare.sql";

/// The role that replicas log in with.
pub(super) fn user(plan: &Plan) -> &'static str {
    // The operator chooses the name of the other one.
    if plan.database.user == "mmrepl" {
        "haversack_replication"
    } else {
        "mmrepl"
    }
}

/// The slot of the replica on `host`: lower-case letters, digits and `_` only, at most 63.
fn slot(host: &Name) -> String {
    let name: String = host
        .as_str()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(60)
        .collect();
    format!("mm_{}", name.to_ascii_lowercase())
}

fn primary(plan: &Plan) -> Option<&Host> {
    plan.host(plan.database.host.as_ref()?)
}

/// The addresses that may copy the database on this host. After a switch-over the former primary
/// follows the replica, so a replica lets the primary in.
pub(super) fn peers(scene: &Scene<'_>) -> Vec<String> {
    let Scene { plan, host, .. } = scene;
    let followers = if host.has(Role::Db) {
        plan.hosts_with(Role::DbReplica).collect::<Vec<_>>()
    } else {
        primary(plan).into_iter().collect()
    };
    followers
        .iter()
        .map(|peer| Network::single(peer.address).to_string())
        .collect()
}

/// What the settings say about replication; none without replicas.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    /// Connections and slots for replication: one a replica, and room for a copy being made.
    senders: usize,
    /// How a replica reaches the primary; none on the primary.
    primary: Option<String>,
    slot: String,
}

pub(super) fn settings(scene: &Scene<'_>) -> Option<Settings> {
    let Scene { plan, host, .. } = scene;
    if plan.database.replicas.is_empty() {
        return None;
    }
    Some(Settings {
        senders: plan.database.replicas.len().saturating_mul(2).max(10),
        primary: host
            .has(Role::DbReplica)
            .then(|| connection(scene, &host.name))
            .flatten(),
        slot: slot(&host.name),
    })
}

/// How a replica reaches the primary (libpq, "Connection Strings"). No value needs quotes: names,
/// addresses and paths of plain characters.
fn connection(scene: &Scene<'_>, replica: &Name) -> Option<String> {
    let plan = scene.plan;
    let primary = primary(plan)?;
    let name = facts::service_name(plan, primary);
    let tls = tls_folder(scene);
    let place = match name {
        // The address is known; the name is what the certificate must hold.
        HostName::Dns(name) => format!("host={name} hostaddr={}", primary.address),
        HostName::Ip(address) => format!("host={address}"),
    };
    Some(format!(
        "{place} port={} user={} passfile={tls}/replication.pgpass sslmode=verify-full sslrootcert={tls}/ca.pem application_name={replica} connect_timeout=10 keepalives_idle=5 keepalives_interval=1 keepalives_count=5",
        plan.database.endpoint.port,
        user(plan),
    ))
}

/// The slot that a replica has on the primary.
#[derive(Debug, Serialize)]
pub(in crate::stage) struct OwnSlot<'a> {
    name: &'a Name,
    slot: String,
}

/// Each replica with its slot.
pub(in crate::stage) fn slots(plan: &Plan) -> Vec<OwnSlot<'_>> {
    let own = |name| OwnSlot {
        name,
        slot: slot(name),
    };
    plan.database.replicas.iter().map(own).collect()
}

#[derive(Serialize)]
struct Slot {
    name: String,
    create: String,
}

/// What the primary runs for its replicas; none without any.
pub(super) fn statements(scene: &Scene<'_>) -> Result<Option<Value>, RenderError> {
    let Some(secret) = &scene.secrets.replication else {
        return Ok(None);
    };
    let plan = scene.plan;
    let user = user(plan);
    let quoted = sql_name(user).map_err(RenderError::quote(PREPARE))?;
    let verifier = secret.verifier.reveal();
    let password = sql(verifier).map_err(RenderError::quote(PREPARE))?;
    let slots: Vec<Slot> = plan
        .database
        .replicas
        .iter()
        .map(|replica| {
            let name = slot(replica);
            Slot {
                // As a block: a query would print its result.
                create: format!(
                    "DO $$BEGIN PERFORM pg_create_physical_replication_slot('{name}'); END$$"
                ),
                name,
            }
        })
        .collect();
    Ok(Some(values! {
        user,
        verifier,
        create_role => format!("CREATE ROLE {quoted} LOGIN REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE"),
        set_password => format!("ALTER ROLE {quoted} WITH PASSWORD {password}"),
        slots,
    }))
}

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    add_server(scene, tree, &peers(scene))?;
    let unit = scene.layout().database_unit();
    let tls = tls_folder(scene);
    let own = |mode| Access(mode, "postgres", "postgres");
    tree.file(
        &format!("{tls}/ca.pem"),
        scene.plan.files.ca.clone().into_bytes(),
        own(0o644),
        &unit,
    );
    if let Some(secret) = &scene.secrets.replication {
        // libpq refuses a password file that others can read.
        tree.file(
            &format!("{tls}/replication.pgpass"),
            password_line(scene.plan, secret.password.reveal()).into_bytes(),
            own(0o600),
            &unit,
        );
    }
    Ok(())
}

/// The line of the password file (libpq, "The Password File"): a backslash stands before `:` and
/// backslash. The host is `*`: the file serves one server only, which has a name and an address.
fn password_line(plan: &Plan, password: &str) -> String {
    let escaped = password.replace('\\', r"\\").replace(':', r"\:");
    format!(
        "*:{}:*:{}:{escaped}\n",
        plan.database.endpoint.port,
        user(plan)
    )
}

/// What `install.sh` needs to make a replica; none on other hosts.
pub(in crate::stage) fn replica_values(scene: &Scene<'_>) -> Option<Value> {
    let Scene { plan, host, .. } = scene;
    let primary = primary(plan)?;
    if !host.has(Role::DbReplica) {
        return None;
    }
    let layout = scene.layout();
    Some(values! {
        primary => primary.name,
        connection => connection(scene, &host.name)?,
        slot => slot(&host.name),
        data => layout.database_data(),
        config => layout.database_config(),
        programs => layout.database_programs(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_has_a_name_that_postgresql_takes() {
        assert_eq!(slot(&"db-2".parse().unwrap()), "mm_db_2");
        assert!(slot(&"a".repeat(63).parse().unwrap()).len() <= 63);
    }
}
