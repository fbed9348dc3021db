//! Files of a reverse proxy.

use crate::plan::Plan;
use crate::plan::address::Network;
use crate::plan::deployment::Role;
use crate::plan::flow::port;
use crate::stage::facts;
use crate::stage::host::Scene;
use crate::stage::payload::has_http2_directive;
use crate::stage::render::{RenderError, values};
use crate::stage::roles::failover;
use crate::stage::tree::{Access, PRIVATE, PUBLIC, Tree};
use crate::types::target::Family;

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let Scene { plan, host, .. } = scene;
    let site = &plan.deployment.site;
    let upload = plan.deployment.limits.upload;
    let listen = |number: u16| {
        if host.address.is_ipv6() {
            format!("[::]:{number}")
        } else {
            number.to_string()
        }
    };
    // In the Red Hat family nginx.conf itself holds a server for port 80, which no other file can take
    // away; it answers only what no default server takes.
    let default_server = match host.distribution.family() {
        Family::Debian => "",
        Family::Rhel => " default_server",
    };
    let nginx = scene.payload.package_version("nginx").unwrap_or_default();
    let values = values! {
        backends => facts::backends(plan, host),
        http_listen => format!("{}{default_server}", listen(port::HTTP)),
        https_listen => listen(site.port()),
        http2_directive => has_http2_directive(nginx),
        // With another port than 443 the browser's Origin holds it, and the server compares both.
        host_header => if site.port() == port::HTTPS { "$host" } else { "$host:$server_port" },
        public => site.to_string().trim_start_matches("https://"),
        rate_limit => plan.deployment.proxy.rate_limit,
        // A client that starts asks for much at once: the page, its parts, channels, pictures.
        rate_burst => plan.deployment.proxy.rate_limit.map(|rate| rate.saturating_mul(4)),
        allow => allowed(plan),
        site => values! {
            host => site.host(),
            upload_mib => upload.megabytes(),
            max_file_size => upload.max_file_size(),
        },
    };
    let unit = "nginx.service";
    tree.file(
        scene.layout().nginx_site(),
        scene.renderer.render("proxy/mattermost.nginx", &values)?,
        PUBLIC,
        unit,
    );
    if host.distribution.family() == Family::Debian {
        tree.link(
            "/etc/nginx/sites-enabled/mattermost",
            "../sites-available/mattermost",
            unit,
        );
        // Debian's default site takes the same ports as the default server.
        tree.absent("/etc/nginx/sites-enabled/default", unit);
    }
    tree.folder("/etc/nginx/ssl/mattermost", Access(0o700, "root", "root"));
    tree.file(
        "/etc/nginx/ssl/mattermost/fullchain.pem",
        plan.files.cert.clone().into_bytes(),
        PUBLIC,
        unit,
    );
    tree.file(
        "/etc/nginx/ssl/mattermost/privkey.pem",
        plan.files.key.reveal().as_bytes().to_vec(),
        PRIVATE,
        unit,
    );
    failover::add(scene, tree)
}

/// The networks that may connect, when the deployment lists them: these, and the proxies.
fn allowed(plan: &Plan) -> Vec<String> {
    let options = &plan.deployment.proxy;
    if options.allow.is_empty() {
        return Vec::new();
    }
    let proxies = plan.hosts_with(Role::Proxy).map(|proxy| proxy.address);
    let own = proxies
        .chain(options.virtual_address)
        .map(|address| Network::single(address).to_string());
    let own_loopback = ["127.0.0.1/32".to_owned(), "::1/128".to_owned()];
    options
        .allow
        .iter()
        .map(ToString::to_string)
        .chain(own)
        .chain(own_loopback)
        .collect()
}
