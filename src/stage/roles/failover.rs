//! The address that several proxies pass to each other (VRRP, RFC 5798), by keepalived.

use std::net::IpAddr;

use crate::plan::deployment::Role;
use crate::plan::flow::port;
use crate::stage::facts;
use crate::stage::host::Scene;
use crate::stage::render::{RenderError, values};
use crate::stage::tree::{PROGRAM, PUBLIC, Tree};

/// The unit of the package.
pub(super) const UNIT: &str = "keepalived.service";
/// Priority of the first proxy by name; each further one has less (RFC 5798 §5.2.4: 1 to 254).
const FIRST_PRIORITY: usize = 200;
const STEP: usize = 10;

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let Scene { plan, host, .. } = scene;
    let (Some(address), true) = (
        plan.deployment.proxy.virtual_address,
        facts::has_failover(plan, host),
    ) else {
        return Ok(());
    };
    let rank = plan
        .hosts_with(Role::Proxy)
        .position(|proxy| proxy.name == host.name)
        .unwrap_or(0);
    let peers: Vec<String> = facts::failover_peers(plan, host)
        .iter()
        .map(|peer| peer.address.to_string())
        .collect();
    let (prefix, last) = match address {
        IpAddr::V4(v4) => (32, v4.octets()[3]),
        IpAddr::V6(v6) => (128, v6.octets()[15]),
    };
    let values = values! {
        name => host.name,
        interface => host.interface.as_deref().unwrap_or_default(),
        // One group a site; the address tells it from other groups of the same network.
        router_id => last.max(1),
        priority => FIRST_PRIORITY.saturating_sub(rank.saturating_mul(STEP)).max(1),
        own => host.address,
        peers,
        address => format!("{address}/{prefix}"),
        check => format!("http://{}/", facts::with_port(host.address, port::HTTP)),
    };
    tree.file(
        "/etc/keepalived/keepalived.conf",
        scene.renderer.render("proxy/keepalived.conf", &values)?,
        PUBLIC,
        UNIT,
    );
    tree.file(
        "/usr/local/sbin/mattermost-proxy-check",
        scene
            .renderer
            .render("proxy/mattermost-proxy-check", &values)?,
        PROGRAM,
        "-",
    );
    Ok(())
}
