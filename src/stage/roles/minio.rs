//! Files of the object storage.

use serde_json::{Value, json};

use crate::plan::deployment::Storage;
use crate::plan::flow::port;
use crate::stage::facts;
use crate::stage::host::Scene;
use crate::stage::render::{RenderError, values};
use crate::stage::tree::{Access, PRIVATE, PROGRAM, PUBLIC, Tree};
use crate::types::secret::Secret;

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
    // With MinIO's client Mattermost has an account of its own, else it uses the root account.
    let root = scene.secrets.minio_root.as_ref();
    if let Some((user, password)) = root.or(scene.secrets.s3.as_ref()) {
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
    let has_client = scene.payload.has_component("mc");
    if let (true, Some((user, key))) = (has_client, &scene.secrets.s3) {
        add_account(scene, tree, bucket, (user, key))?;
    }
    let values = values! {
        has_client,
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

/// The account of Mattermost: its keys, and what it may do.
fn add_account(
    scene: &Scene<'_>,
    tree: &mut Tree,
    bucket: &str,
    (user, key): (&Secret, &Secret),
) -> Result<(), RenderError> {
    let values = values! { access_key => user.reveal(), secret_key => key.reveal() };
    tree.file(
        "/etc/minio/mattermost-account.env",
        scene
            .renderer
            .render("minio/mattermost-account.env", &values)?,
        PRIVATE,
        "-",
    );
    let mut text = serde_json::to_vec_pretty(&policy(bucket)).unwrap_or_default();
    text.push(b'\n');
    tree.folder("/usr/local/share/haversack", PROGRAM);
    tree.file(
        "/usr/local/share/haversack/mattermost-bucket-policy.json",
        text,
        PUBLIC,
        "-",
    );
    Ok(())
}

/// What Mattermost needs of its bucket, in the language of S3's policies.
fn policy(bucket: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
                "Resource": [format!("arn:aws:s3:::{bucket}")],
            },
            {
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject", "s3:PutObject", "s3:DeleteObject",
                    "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload",
                ],
                "Resource": [format!("arn:aws:s3:::{bucket}/*")],
            },
        ],
    })
}
