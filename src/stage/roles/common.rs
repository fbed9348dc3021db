//! Files of every host: packet filter, certificate authority, time.

use crate::stage::host::{Scene, add_authority};
use crate::stage::render::{RenderError, values};
use crate::stage::roles::firewall;
use crate::stage::tree::{PUBLIC, Tree};
use crate::types::target::Family;

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    add_authority(scene, tree);
    firewall::add(scene, tree)?;
    let network = &scene.plan.deployment.network;
    let ntp: Vec<String> = network.ntp.iter().map(ToString::to_string).collect();
    if ntp.is_empty() {
        return Ok(());
    }
    let layout = scene.layout();
    let text = scene
        .renderer
        .render("common/chrony.sources", &values! { ntp })?;
    tree.file(layout.chrony_sources(), text, PUBLIC, layout.chrony_unit());
    if scene.host.distribution.family() == Family::Debian {
        let text = scene
            .renderer
            .render("common/timesyncd.conf", &values! { ntp })?;
        tree.file(
            "/etc/systemd/timesyncd.conf.d/60-haversack.conf",
            text,
            PUBLIC,
            "systemd-timesyncd.service",
        );
    }
    Ok(())
}
