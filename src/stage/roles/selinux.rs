//! What `SELinux` and fapolicyd of the Red Hat family must know: labels, ports, one module, rules.
//!
//! NGINX runs confined as `httpd_t` and may not connect to Mattermost. Two usual cures open too much:
//! the switch `httpd_can_network_connect` lets it connect to every port of every host; the label
//! `http_port_t` for port 8065 lets it listen there, needs a further switch to let it connect, and
//! gives the port to everything else that may speak to web servers. Instead a small module makes a
//! type of its own for the port, and lets `httpd_t` do one thing with it: connect.
//!
//! Mattermost, MinIO and the push proxy are `unconfined_service_t`, as every program of `bin_t` that
//! systemd starts without a policy of its own.

use serde::Serialize;

use crate::plan::Plan;
use crate::plan::deployment::{Host, Role};
use crate::plan::flow::port;
use crate::stage::host::Scene;
use crate::stage::render::{RenderError, values};
use crate::stage::tree::{PUBLIC, Tree};
use crate::types::target::Family;

/// Name of the module, which must be that of its file.
const MODULE: &str = "haversack_mattermost";
/// The ports that the policy of the Red Hat family lets NGINX listen on (`http_port_t`).
const WEB_PORTS: [u16; 8] = [80, 81, 443, 488, 8008, 8009, 8443, 9000];
/// The ports that it lets PostgreSQL listen on (`postgresql_port_t`).
const DATABASE_PORTS: [u16; 2] = [5432, 9898];

/// A label for files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::stage) struct FileLabel {
    /// `semanage-fcontext(8)` takes it as a regular expression of the whole path.
    pattern: &'static str,
    /// What is labelled now.
    top: &'static str,
}

/// A label for a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::stage) struct PortLabel {
    label: &'static str,
    port: u16,
}

/// What `install.sh` does on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::stage) struct Labels {
    files: Vec<FileLabel>,
    ports: Vec<PortLabel>,
    /// The module, when the host needs it.
    module: Option<&'static str>,
    /// Whether a program of ours would be stopped by fapolicyd.
    rules: bool,
}

/// The labels of `host`, all empty outside the Red Hat family.
pub(in crate::stage) fn labels(plan: &Plan, host: &Host) -> Labels {
    let mut labels = Labels {
        files: Vec::new(),
        ports: Vec::new(),
        module: None,
        rules: false,
    };
    if host.distribution.family() != Family::Rhel {
        return labels;
    }
    if host.has(Role::App) {
        labels.files.extend([
            FileLabel {
                pattern: "/opt/mattermost/bin(/.*)?",
                top: "/opt/mattermost/bin",
            },
            FileLabel {
                pattern: "/opt/mattermost/plugins/[^/]+/server/dist(/.*)?",
                top: "/opt/mattermost/plugins",
            },
        ]);
    }
    if host.has(Role::Push) {
        labels.files.push(FileLabel {
            pattern: "/opt/mattermost-push-proxy/bin(/.*)?",
            top: "/opt/mattermost-push-proxy/bin",
        });
    }
    labels.rules = [Role::App, Role::Push, Role::Minio]
        .iter()
        .any(|role| host.has(*role));
    if host.has(Role::Proxy) {
        labels.module = Some(MODULE);
        labels.ports.push(PortLabel {
            label: "haversack_mattermost_port_t",
            port: port::APP,
        });
        let site = plan.deployment.site.port();
        if !WEB_PORTS.contains(&site) {
            labels.ports.push(PortLabel {
                label: "http_port_t",
                port: site,
            });
        }
    }
    let database = plan.database.endpoint.port;
    if (host.has(Role::Db) || host.has(Role::DbReplica)) && !DATABASE_PORTS.contains(&database) {
        labels.ports.push(PortLabel {
            label: "postgresql_port_t",
            port: database,
        });
    }
    labels
}

/// The files that `install.sh` takes them from.
pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let Labels { module, rules, .. } = labels(scene.plan, scene.host);
    if module.is_some() {
        tree.file(
            "/usr/local/share/haversack/haversack_mattermost.te",
            scene
                .renderer
                .render("common/haversack_mattermost.te", &values! {})?,
            PUBLIC,
            "-",
        );
    }
    if rules {
        let values = values! { roles => scene.host.roles };
        tree.file(
            "/usr/local/share/haversack/80-mattermost.rules",
            scene.renderer.render("common/fapolicyd.rules", &values)?,
            PUBLIC,
            "-",
        );
    }
    Ok(())
}
