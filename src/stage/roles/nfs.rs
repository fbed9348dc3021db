//! Shared files over NFS version 4: the server's export, and the mount of each application server.

use crate::plan::deployment::{Host, NfsServer, Role, Storage};
use crate::plan::{ACCOUNT_ID, Plan};
use crate::stage::host::Scene;
use crate::stage::render::{RenderError, values};
use crate::stage::tree::{Access, PUBLIC, Tree};

/// The unit of the server; Debian's nfs-kernel-server.service is another name of it.
pub(super) const UNIT: &str = "nfs-server.service";

/// The unit that mounts the shared folder; none where nothing is mounted.
pub(in crate::stage) fn mount_unit(plan: &Plan, host: &Host) -> Option<String> {
    match &plan.deployment.storage {
        Storage::Nfs(nfs) if host.has(Role::App) => {
            Some(format!("{}.mount", escape_path(&nfs.directory)))
        }
        Storage::Nfs(_) | Storage::Local { .. } | Storage::S3(_) => None,
    }
}

/// The name of a path in unit names (systemd.unit(5), "String Escaping for Inclusion in Unit
/// Names"): `/` becomes `-`, and what else is not a letter, digit, `:`, `_` or `.` becomes `\xNN`.
fn escape_path(path: &str) -> String {
    use std::fmt::Write as _;

    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut escaped = String::new();
    for (index, byte) in parts.join("/").bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b':' | b'_')
            || (byte == b'.' && index > 0);
        if byte == b'/' {
            escaped.push('-');
        } else if plain {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "\\x{byte:02x}");
        }
    }
    escaped
}

/// The server: one folder, for the application servers only, by version 4 only.
pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let Scene { plan, host, .. } = scene;
    let own = match &plan.deployment.storage {
        Storage::Nfs(nfs) if matches!(&nfs.server, NfsServer::Host(name) if *name == host.name) => {
            nfs
        }
        // A server of something else; nothing is exported from it.
        Storage::Nfs(_) | Storage::Local { .. } | Storage::S3(_) => return Ok(()),
    };
    let clients: Vec<String> = plan
        .hosts_with(Role::App)
        .map(|app| app.address.to_string())
        .collect();
    tree.folder(&own.export, Access(0o750, "mattermost", "mattermost"));
    let values = values! { export => own.export, clients, account => ACCOUNT_ID };
    tree.file(
        "/etc/exports.d/mattermost.exports",
        scene.renderer.render("nfs/mattermost.exports", &values)?,
        PUBLIC,
        "exports",
    );
    tree.file(
        "/etc/nfs.conf.d/mattermost.conf",
        scene.renderer.render("nfs/nfs.conf", &values! {})?,
        PUBLIC,
        UNIT,
    );
    Ok(())
}

/// The mount of an application server. The folder itself is not in the tree: systemd makes it, and
/// once it is mounted its owner is the server's business.
pub(super) fn add_mount(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let Scene { plan, host, .. } = scene;
    let (Storage::Nfs(nfs), Some(unit)) = (&plan.deployment.storage, mount_unit(plan, host)) else {
        return Ok(());
    };
    let values = values! {
        server => plan.nfs_server(),
        export => nfs.export,
        directory => nfs.directory,
        local => host.has(Role::Nfs),
    };
    let path = format!("/etc/systemd/system/{unit}");
    let text = scene.renderer.render("nfs/mattermost.mount", &values)?;
    tree.file(&path, text, PUBLIC, "systemd");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_name_that_systemd_gives_it() {
        // As `systemd-escape --path` says.
        for (path, name) in [
            ("/mnt/mattermost_data", "mnt-mattermost_data"),
            ("/srv/chat-files/a.b", "srv-chat\\x2dfiles-a.b"),
            ("/.hidden/x", "\\x2ehidden-x"),
        ] {
            assert_eq!(escape_path(path), name);
        }
    }
}
