//! Files of a monitoring host: Prometheus, which reads the metrics of the application servers.

use crate::plan::deployment::Role;
use crate::plan::flow::port;
use crate::stage::facts;
use crate::stage::host::Scene;
use crate::stage::render::{RenderError, values};
use crate::stage::tree::{PUBLIC, Tree};

/// The unit of the package.
pub(super) const UNIT: &str = "prometheus.service";

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let plan = scene.plan;
    let targets: Vec<String> = plan
        .hosts_with(Role::App)
        .map(|app| facts::with_port(app.address, port::METRICS))
        .collect();
    let values = values! {
        targets,
        names => plan.hosts_with(Role::App).map(|app| app.name.to_string()).collect::<Vec<_>>(),
        several => plan.listen.gossip.is_some(),
        connections => plan.database.max_open_connections,
    };
    for (path, template) in [
        ("/etc/prometheus/prometheus.yml", "monitor/prometheus.yml"),
        (
            "/etc/prometheus/mattermost.rules.yml",
            "monitor/mattermost.rules.yml",
        ),
        ("/etc/default/prometheus", "monitor/prometheus.default"),
    ] {
        let text = scene.renderer.render(template, &values)?;
        tree.file(path, text, PUBLIC, UNIT);
    }
    Ok(())
}
