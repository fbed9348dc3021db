//! The files of each role, and of every host.

mod app;
mod common;
mod db;
mod firewall;
mod minio;
mod proxy;
mod push;
mod selinux;

use serde::Serialize;

use crate::plan::ACCOUNT_ID;
use crate::plan::deployment::{Host, Role};
use crate::stage::host::Scene;
use crate::stage::render::RenderError;
use crate::stage::tree::Tree;

pub(super) use db::database_values;
pub(super) use firewall::unit as firewall_unit;
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
        (Role::Minio, "minio-user", any(), "/var/lib/minio"),
        (
            Role::Push,
            "mattermost-push",
            any(),
            "/opt/mattermost-push-proxy",
        ),
    ];
    all.into_iter()
        .filter(|(role, ..)| host.has(*role))
        .map(|(_, name, id, home)| User { name, id, home })
        .collect()
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
            Role::Minio => minio::add(scene, tree)?,
            Role::Push => push::add(scene, tree)?,
            // Refused before this, see `unsupported`.
            Role::DbReplica | Role::Nfs | Role::Monitor | Role::Docker => {}
        }
    }
    Ok(())
}

/// Whether this version can stage the role.
pub(super) const fn is_supported(role: Role) -> bool {
    matches!(
        role,
        Role::Proxy | Role::App | Role::Db | Role::Minio | Role::Push
    )
}
