//! Files of an application server.

use crate::plan::Plan;
use crate::plan::address::HostName;
use crate::plan::deployment::{Role, SslMode, Storage};
use crate::plan::flow::port;
use crate::stage::host::Scene;
use crate::stage::quote::percent;
use crate::stage::render::{RenderError, values};
use crate::stage::roles::nfs;
use crate::stage::tree::{Access, PUBLIC, Tree};
use crate::stage::{config, facts};
use crate::types::secret::Secret;

const OWNED: Access = Access(0o750, "mattermost", "mattermost");

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let Scene { plan, host, .. } = scene;
    for folder in ["config", "data", "plugins", "client/plugins"] {
        tree.folder(&format!("/opt/mattermost/{folder}"), OWNED);
    }
    // The server writes root.html there.
    tree.folder(
        "/opt/mattermost/client",
        Access(0o755, "mattermost", "mattermost"),
    );
    if let Storage::Local { directory } = &plan.deployment.storage {
        tree.folder(directory, OWNED);
    }
    let mut text =
        serde_json::to_vec_pretty(&config::config(plan, scene.secrets.license.is_some()))
            .unwrap_or_default();
    text.push(b'\n');
    tree.seed(
        "/opt/mattermost/config/config.json",
        text,
        Access(0o600, "mattermost", "mattermost"),
        "mattermost.service",
    );
    tree.folder("/etc/mattermost", Access(0o750, "root", "mattermost"));
    tree.file(
        "/etc/mattermost/ca.pem",
        plan.files.ca.clone().into_bytes(),
        PUBLIC,
        "mattermost.service",
    );
    tree.file(
        "/etc/mattermost/mattermost.environment",
        environment(scene)?,
        Access(0o640, "root", "mattermost"),
        "mattermost.service",
    );
    if let Some(license) = &scene.secrets.license {
        let text = format!("{}\n", license.reveal().trim_end());
        tree.file(
            config::LICENSE,
            text.into_bytes(),
            Access(0o640, "root", "mattermost"),
            "mattermost.service",
        );
    }
    if let Some(cert) = &plan.files.saml_cert {
        tree.file(
            &format!("/opt/mattermost/config/{}", config::SAML_CERT),
            cert.clone().into_bytes(),
            Access(0o640, "mattermost", "mattermost"),
            "mattermost.service",
        );
    }
    let ports = [port::APP, port::METRICS, port::GOSSIP];
    let values = values! {
        local_db => host.has(Role::Db),
        database_service => scene.layout().database_service(),
        local_minio => host.has(Role::Minio),
        allow => facts::neighbours(plan, host, &ports),
        paths => writable(plan),
        mount => match &plan.deployment.storage {
            Storage::Nfs(nfs) => Some(nfs.directory.as_str()),
            Storage::Local { .. } | Storage::S3(_) => None,
        },
    };
    let unit = scene.renderer.render("app/mattermost.service", &values)?;
    tree.file(
        "/etc/systemd/system/mattermost.service",
        unit,
        PUBLIC,
        "systemd",
    );
    nfs::add_mount(scene, tree)?;
    let values = values! { reserved_ports => reserved_ports(scene) };
    let sysctl = scene.renderer.render("app/sysctl.conf", &values)?;
    tree.file("/etc/sysctl.d/60-mattermost.conf", sysctl, PUBLIC, "sysctl");
    Ok(())
}

/// Folders that the server may write to, which all exist before it starts.
fn writable(plan: &Plan) -> Vec<String> {
    let mut paths: Vec<String> = ["config", "data", "plugins", "client"]
        .map(|folder| format!("/opt/mattermost/{folder}"))
        .into();
    let directory = match &plan.deployment.storage {
        Storage::Local { directory } => directory,
        Storage::Nfs(nfs) => &nfs.directory,
        Storage::S3(_) => return paths,
    };
    if !paths.contains(directory) {
        paths.push(directory.clone());
    }
    paths
}

fn environment(scene: &Scene<'_>) -> Result<Vec<u8>, RenderError> {
    let Scene { plan, secrets, .. } = scene;
    let storage = matches!(plan.deployment.storage, Storage::S3(_));
    let keys = secrets.s3.as_ref().filter(|_| storage);
    let reveal = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
    // The server splits the list at spaces, which the encoded URLs do not hold.
    let replicas: Vec<String> = plan
        .hosts_with(Role::DbReplica)
        .map(|host| dsn(plan, &secrets.db_password, &facts::service_name(plan, host)))
        .collect();
    let values = values! {
        dsn => dsn(plan, &secrets.db_password, &facts::database_host(plan)),
        replicas => replicas.join(" "),
        at_rest_key => secrets.at_rest_key.reveal(),
        public_link_salt => secrets.public_link_salt.reveal(),
        s3_access_key => keys.map(|(account, _)| account.reveal()),
        s3_secret_key => keys.map(|(_, key)| key.reveal()),
        smtp_password => reveal(&secrets.smtp_password),
        ldap_password => reveal(&secrets.ldap_password),
        node_address => plan.listen.gossip.map(|_| scene.host.address),
    };
    scene.renderer.render("app/mattermost.environment", &values)
}

/// The connection URL of a database server (libpq, "Connection URIs"); every part is encoded.
fn dsn(plan: &Plan, password: &Secret, server: &HostName) -> String {
    let database = &plan.database;
    let checked = matches!(database.sslmode, SslMode::VerifyCa | SslMode::VerifyFull);
    let authority = if checked {
        "&sslrootcert=/etc/mattermost/ca.pem"
    } else {
        ""
    };
    format!(
        "postgres://{}:{}@{server}:{}/{}?sslmode={}{authority}&connect_timeout=10",
        percent(&database.user),
        percent(password.reveal()),
        database.endpoint.port,
        percent(&database.name),
        database.sslmode,
    )
}

/// Ports of this host's services that an outgoing connection must not take.
fn reserved_ports(scene: &Scene<'_>) -> String {
    let host = scene.host;
    let mut ports = vec![port::APP];
    if scene.plan.listen.metrics.is_some() {
        ports.push(port::METRICS);
    }
    if let Some(gossip) = scene.plan.listen.gossip {
        ports.push(gossip);
    }
    for (role, number) in [
        (Role::Db, scene.plan.database.endpoint.port),
        (Role::Push, port::PUSH),
        (Role::Minio, port::S3),
        (Role::Minio, port::S3_CONSOLE),
    ] {
        if host.has(role) {
            ports.push(number);
        }
    }
    ports.sort_unstable();
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    ports.join(",")
}
