//! Files of a push proxy.

use crate::plan::flow::port;
use crate::stage::host::Scene;
use crate::stage::render::{RenderError, values};
use crate::stage::tree::{Access, PUBLIC, Tree};
use crate::stage::{config, facts};

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let Scene { plan, host, .. } = scene;
    let listen = facts::push_listen(plan, host);
    let mut text = serde_json::to_vec_pretty(&config::push_config(&listen)).unwrap_or_default();
    text.push(b'\n');
    let access = Access(0o640, "root", "mattermost-push");
    let unit = "mattermost-push-proxy.service";
    tree.folder(
        "/etc/mattermost-push-proxy",
        Access(0o750, "root", "mattermost-push"),
    );
    // A seed: the operator adds the keys of the phone makers to it.
    tree.seed(
        "/etc/mattermost-push-proxy/mattermost-push-proxy.json",
        text,
        access,
        unit,
    );
    let values = values! { allow => facts::neighbours(plan, host, &[port::PUSH]) };
    tree.file(
        "/etc/systemd/system/mattermost-push-proxy.service",
        scene
            .renderer
            .render("push/mattermost-push-proxy.service", &values)?,
        PUBLIC,
        "systemd",
    );
    Ok(())
}
