//! Files of the object storage.

use crate::plan::deployment::Storage;
use crate::plan::flow::port;
use crate::stage::facts;
use crate::stage::host::Scene;
use crate::stage::render::{RenderError, values};
use crate::stage::tree::{Access, PROGRAM, PUBLIC, Tree};

pub(super) fn add(scene: &Scene<'_>, tree: &mut Tree) -> Result<(), RenderError> {
    let Scene { plan, host, .. } = scene;
    let unit = "minio.service";
    let (bucket, region) = match &plan.deployment.storage {
        Storage::S3(s3) => (s3.bucket.as_str(), s3.region.as_str()),
        Storage::Local { .. } | Storage::Nfs(_) => ("mattermost", "us-east-1"),
    };
    let name = facts::service_name(plan, host);
    let server_url = format!("https://{name}:{}", port::S3);
    let values = values! { port => port::S3, server_url, region };
    tree.file(
        "/etc/default/minio",
        scene.renderer.render("minio/minio.default", &values)?,
        PUBLIC,
        unit,
    );
    if let Some((user, password)) = &scene.secrets.s3 {
        let values = values! { root_user => user.reveal(), root_password => password.reveal() };
        tree.file(
            "/etc/minio/config.env",
            scene.renderer.render("minio/config.env", &values)?,
            // MinIO reads it itself, as its own user.
            Access(0o600, "minio-user", "minio-user"),
            unit,
        );
    }
    tree.folder("/etc/minio", Access(0o750, "root", "minio-user"));
    tree.folder("/etc/minio/certs", Access(0o750, "root", "minio-user"));
    tree.folder("/etc/minio/certs/CAs", Access(0o750, "root", "minio-user"));
    let (cert, key) = facts::certificate(plan, host);
    for (path, text, mode) in [
        ("/etc/minio/certs/public.crt", cert, 0o644),
        ("/etc/minio/certs/private.key", key.reveal(), 0o600),
        ("/etc/minio/certs/CAs/ca.crt", plan.files.ca.as_str(), 0o644),
    ] {
        let access = Access(mode, "minio-user", "minio-user");
        tree.file(path, text.as_bytes().to_vec(), access, unit);
    }
    let values = values! { allow => facts::neighbours(plan, host, &[port::S3]) };
    tree.file(
        "/etc/systemd/system/minio.service",
        scene.renderer.render("minio/minio.service", &values)?,
        PUBLIC,
        "systemd",
    );
    let values = values! {
        endpoint => server_url,
        connect => format!("{name}:{}:{}", port::S3, facts::with_port(host.address, port::S3)),
        bucket,
        region,
    };
    tree.file(
        "/usr/local/sbin/mattermost-bucket-init",
        scene
            .renderer
            .render("minio/mattermost-bucket-init", &values)?,
        PROGRAM,
        "-",
    );
    Ok(())
}
