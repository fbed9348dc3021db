//! The files of each role, and of every host.

mod app;
mod common;
mod db;
mod failover;
mod firewall;
mod minio;
mod monitor;
mod nfs;
mod proxy;
mod push;
mod replica;
mod selinux;

use serde::Serialize;

use crate::plan::deployment::{Host, Role};
use crate::plan::{ACCOUNT_ID, Plan};
use crate::stage::facts;
use crate::stage::host::Scene;
use crate::stage::render::RenderError;
use crate::stage::tree::Tree;

pub(super) use db::database_values;
pub(super) use firewall::unit as firewall_unit;
pub(super) use nfs::mount_unit;
pub(super) use replica::{replica_values, slots};
pub(super) use selinux::labels;

/// A user that `install.sh` makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct User {
    name: &'static str,
    /// Number of user and group, or `-` for any.
    id: String,
    home: &'static str,
}

/// The users of a host.
pub(super) fn users(host: &Host) -> Vec<User> {
    let any = || "-".to_owned();
    let all = [
        (
            Role::App,
            "mattermost",
            ACCOUNT_ID.to_string(),
            "/opt/mattermost",
        ),
        // The owner of the files, with the number that it has on the application servers.
        (
            Role::Nfs,
            "mattermost",
            ACCOUNT_ID.to_string(),
            "/opt/mattermost",
        ),
        (Role::Minio, "minio-user", any(), "/var/lib/minio"),
        (
            Role::Push,
            "mattermost-push",
            any(),
            "/opt/mattermost-push-proxy",
        ),
    ];
    let mut users: Vec<User> = all
        .into_iter()
        .filter(|(role, ..)| host.has(*role))
        .map(|(_, name, id, home)| User { name, id, home })
        .collect();
    users.dedup();
    users
}

/// Units that run on a host because of the deployment's choices.
pub(super) fn chosen_units(plan: &Plan, host: &Host) -> Vec<String> {
    let mut units = Vec::new();
    if host.has(Role::Nfs) {
        units.push(nfs::UNIT.to_owned());
    }
    units.extend(mount_unit(plan, host));
    if facts::has_failover(plan, host) {
        units.push(failover::UNIT.to_owned());
    }
    if host.has(Role::Monitor) {
        units.push(monitor::UNIT.to_owned());
    }
    units
}

/// Adds the files of every role of the host.
pub(super) fn add_all(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    common::add(scene, tree)?;
    selinux::add(scene, tree)?;
    for role in &scene.host.roles {
        match role {
            Role::Proxy => proxy::add(scene, tree)?,
            Role::App => app::add(scene, tree)?,
            Role::Db => db::add(scene, tree)?,
            Role::DbReplica => replica::add(scene, tree)?,
            Role::Minio => minio::add(scene, tree)?,
            Role::Push => push::add(scene, tree)?,
            // Refused before this, see `unsupported`.
            Role::Nfs => nfs::add(scene, tree)?,
            Role::Monitor => monitor::add(scene, tree)?,
            Role::Docker => {}
        }
    }
    Ok(())
}

/// Whether this version can stage the role.
pub(super) const fn is_supported(role: Role) -> bool {
    !matches!(role, Role::Docker)
}
