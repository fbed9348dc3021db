//! What `verify.sh` of a host asks of the running services, beside what its other scripts know.

use minijinja::Value;
use serde::Serialize;

use crate::plan::ACCOUNT_ID;
use crate::plan::address::{HostName, Transport};
use crate::plan::deployment::{Role, Storage};
use crate::plan::flow::port;
use crate::stage::facts;
use crate::stage::host::Scene;
use crate::stage::render::values;
use crate::stage::roles;
use crate::types::target::Family;

/// A service that shows a certificate.
#[derive(Debug, Serialize)]
struct Shown {
    what: &'static str,
    connect: String,
    name: String,
    /// How the name is compared: `name` or `address`.
    kind: &'static str,
    /// What openssl calls the protocol before TLS, or `none`.
    starttls: &'static str,
}

/// The values that the templates below `verify/` read.
pub(super) fn verify_values(scene: &Scene<'_>) -> Value {
    let Scene { plan, host, .. } = scene;
    let deployment = &plan.deployment;
    let shared = deployment.proxy.virtual_address;
    let site = &deployment.site;
    let files = match &deployment.storage {
        Storage::Local { directory } => Some(directory.as_str()),
        Storage::Nfs(nfs) => Some(nfs.directory.as_str()),
        Storage::S3(_) => None,
    };
    let (bucket, region) = bucket(scene).unzip();
    let metrics = plan.listen.metrics.as_ref().map(|_| {
        format!(
            "http://{}/metrics",
            facts::with_port(host.address, port::METRICS)
        )
    });
    values! {
        replicas => roles::slots(plan),
        backup => deployment.backup.directory,
        files => files.map(|folder| folder.trim_end_matches('/')),
        account => ACCOUNT_ID,
        bucket,
        region => region.unwrap_or_default(),
        licensed => deployment.edition.is_licensed(),
        license_staged => scene.secrets.license.is_some(),
        license_url => format!(
            "http://127.0.0.1:{}/api/v4/license/client?format=old",
            port::APP
        ),
        gossip => plan.listen.gossip,
        metrics,
        site_file => match host.distribution.family() {
            // The link, not the file that it leads to: NGINX names what it was told to read.
            Family::Debian => "/etc/nginx/sites-enabled/mattermost",
            Family::Rhel => scene.layout().nginx_site(),
        },
        shared => shared.map(|address| address.to_string()).unwrap_or_default(),
        shared_connect => shared
            .map(|address| {
                format!(
                    "{}:{}:{}",
                    site.host(),
                    site.port(),
                    facts::with_port(address, site.port())
                )
            })
            .unwrap_or_default(),
        interface => host.interface.as_deref().unwrap_or_default(),
        tls => certificates(scene),
    }
}

/// URL and region of the bucket.
fn bucket(scene: &Scene<'_>) -> Option<(String, String)> {
    let Storage::S3(s3) = &scene.plan.deployment.storage else {
        return None;
    };
    let scheme = match s3.transport {
        Transport::Tls => "https",
        Transport::Plain => "http",
    };
    let endpoint = facts::s3_endpoint(scene.plan, s3);
    Some((
        format!("{scheme}://{endpoint}/{}", s3.bucket),
        s3.region.clone(),
    ))
}

/// The certificates that the services of this host show.
fn certificates(scene: &Scene<'_>) -> Vec<Shown> {
    let Scene { plan, host, .. } = scene;
    let site = &plan.deployment.site;
    let service = facts::service_name(plan, host);
    let database = host.has(Role::Db) || host.has(Role::DbReplica);
    let port = plan.database.endpoint.port;
    [
        (
            host.has(Role::Proxy),
            "the site",
            site.host(),
            site.port(),
            "none",
        ),
        (database, "PostgreSQL", &service, port, "postgres"),
        (host.has(Role::Minio), "MinIO", &service, port::S3, "none"),
    ]
    .into_iter()
    .filter(|(here, ..)| *here)
    .map(|(_, what, name, port, starttls)| {
        let (name, kind) = match name {
            HostName::Dns(name) => (name.clone(), "name"),
            HostName::Ip(address) => (address.to_string(), "address"),
        };
        Shown {
            what,
            connect: facts::with_port(host.address, port),
            name,
            kind,
            starttls,
        }
    })
    .collect()
}
