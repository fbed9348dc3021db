//! The OCI image layout of a bundle: one for all its images (OCI image specification 1.1, "Image Layout"), and beside
//! it the list that `docker load` reads, for images whose manifest is of Docker's kind: tools that read layouts may
//! not look at those.

use serde::Serialize;

use crate::lock::{Image, LockedFile};
use crate::types::target::Arch;

/// Content of `oci-layout`.
pub(super) const MARKER: &str = "{\"imageLayoutVersion\":\"1.0.0\"}\n";
/// Media type of `index.json`.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'i> {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Descriptor<'i>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'i> {
    media_type: &'i str,
    digest: String,
    size: u64,
    annotations: Annotations,
    platform: Platform,
}

/// The same name twice: the first is what containerd imports an image as, the second what `oci:` of skopeo looks for.
#[derive(Serialize)]
struct Annotations {
    #[serde(rename = "io.containerd.image.name")]
    containerd: String,
    #[serde(rename = "org.opencontainers.image.ref.name")]
    name: String,
}

#[derive(Serialize)]
struct Platform {
    architecture: &'static str,
    os: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Loaded {
    config: String,
    repo_tags: [String; 1],
    layers: Vec<String>,
}

/// Content of `manifest.json`, which `docker load` reads in a tar of the layout: the images, sorted by name.
pub(super) fn docker(images: &[Image]) -> String {
    let below = |file: &LockedFile| {
        let path = file.path.as_str();
        path.strip_prefix("images/").unwrap_or(path).to_owned()
    };
    let mut images: Vec<&Image> = images.iter().collect();
    images.sort_by(|a, b| a.name.cmp(&b.name));
    let list = images.iter().map(|image| Loaded {
        config: below(&image.config),
        repo_tags: [image.name.to_string()],
        layers: image.layers.iter().map(below).collect(),
    });
    rendered(&list.collect::<Vec<_>>())
}

/// Content of `index.json`: the manifests, sorted by name.
pub(super) fn index(images: &[Image], arch: Arch) -> String {
    let mut images: Vec<&Image> = images.iter().collect();
    images.sort_by(|a, b| a.name.cmp(&b.name));
    let manifests = images.iter().map(|image| Descriptor {
        media_type: &image.media_type,
        digest: format!("sha256:{}", image.manifest.sha256),
        size: image.manifest.size,
        annotations: Annotations {
            containerd: image.name.to_string(),
            name: image.name.to_string(),
        },
        platform: Platform {
            architecture: arch.as_str(),
            os: "linux",
        },
    });
    let index = Index {
        schema_version: 2,
        media_type: INDEX,
        manifests: manifests.collect(),
    };
    rendered(&index)
}

fn rendered(value: &impl Serialize) -> String {
    // Texts and numbers always have a form in JSON.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
