//! The documents of container images (OCI image specification 1.1; Docker image manifest version 2, schema 2).
//!
//! A tag names an *index*, which lists a manifest for each platform, or a *manifest* itself; a manifest names
//! the configuration and the layers, each by digest and size. Everything here is pure: bytes in, model out.
//! The bytes of a document are never changed, for its digest is of them.
//!
//! Refused are schema 1, digests other than SHA-256, layers that are elsewhere (`foreign`), and layers that
//! are packed in another way than gzip: what is in them is checked against the configuration. Attestations,
//! which indexes list for the platform `unknown/unknown`, are not taken: they are no images, and no signatures.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::types::digest::Digest;
use crate::types::image::oci_digest;
use crate::types::target::Arch;

/// Longest index, manifest or configuration, in bytes: what registries take (4 MiB).
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// Most manifests in an index.
const MAX_MANIFESTS: usize = 1000;
/// Most layers of an image; Docker's own limit is 127.
const MAX_LAYERS: usize = 500;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// How the content of a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// As gzip.
    Gzip,
}

/// Media types of layers.
const LAYERS: [(&str, Packing); 4] = [
    ("application/vnd.oci.image.layer.v1.tar", Packing::Plain),
    ("application/vnd.oci.image.layer.v1.tar+gzip", Packing::Gzip),
    (
        "application/vnd.docker.image.rootfs.diff.tar",
        Packing::Plain,
    ),
    (
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        Packing::Gzip,
    ),
];

/// Why a document of an image is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// It is no JSON of the right shape.
    #[error("it is no document of an image: {0}")]
    Malformed(String),
    /// It is of schema 1, which names layers without sizes and has a digest that does not cover all of it.
    #[error("it is a manifest of schema 1, which was given up in 2017 and is not taken")]
    Schema1,
    /// It is of a kind that is not taken.
    #[error("it is `{0}`, which is not taken")]
    Kind(String),
    /// It has no image for the platform.
    #[error("it has no image for {wanted}; it has {found}")]
    Platform {
        /// What is asked for.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// It has several images for the platform.
    #[error("it has {count} images for {wanted}, and nothing tells them apart")]
    Ambiguous {
        /// What is asked for.
        wanted: String,
        /// How many.
        count: usize,
    },
}

/// A document or file by digest and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What it runs on, `OS/ARCHITECTURE` and `/VARIANT` where there is one; in an index.
    pub platform: Option<String>,
}

/// What a tag names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A manifest for each platform.
    Index(Vec<Descriptor>),
    /// One image.
    Manifest(Manifest),
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What the document is.
    pub media_type: &'static str,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The file.
    pub file: Descriptor,
    /// How its content is packed.
    pub packing: Packing,
}

/// What matters of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What the image runs on, `OS/ARCHITECTURE`.
    pub platform: String,
    /// SHA-256 of the content of each layer, unpacked, the lowest first.
    pub contents: Vec<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentWire {
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<Vec<DescriptorWire>>,
    config: Option<DescriptorWire>,
    layers: Option<Vec<DescriptorWire>>,
    fs_layers: Option<IgnoredAny>,
    artifact_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescriptorWire {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    urls: Vec<IgnoredAny>,
    platform: Option<PlatformWire>,
}

#[derive(Deserialize)]
struct PlatformWire {
    os: String,
    architecture: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
struct ConfigWire {
    os: String,
    architecture: String,
    rootfs: RootfsWire,
}

#[derive(Deserialize)]
struct RootfsWire {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<String>,
}

/// The platform of an architecture.
#[must_use]
pub fn platform_of(arch: Arch) -> String {
    format!("linux/{arch}")
}

/// Reads what a tag or a digest names. The kind follows from what is in the document, and its media type must
/// be of that kind where it states one: a document that could be read in two ways is refused.
///
/// # Errors
/// When it is none of the kinds that are taken.
pub fn read(bytes: &[u8]) -> Result<Document, OciError> {
    let wire: DocumentWire = from_json(bytes)?;
    if wire.schema_version == 1 || wire.fs_layers.is_some() {
        return Err(OciError::Schema1);
    }
    if wire.schema_version != 2 {
        let version = wire.schema_version;
        return Err(OciError::Malformed(format!("schemaVersion {version}")));
    }
    if let Some(kind) = wire.artifact_type {
        return Err(OciError::Kind(shown(&kind)));
    }
    match (wire.manifests, wire.config, wire.layers) {
        (Some(manifests), None, None) => {
            kind_of(wire.media_type.as_deref(), [OCI_INDEX, DOCKER_LIST])?;
            if manifests.len() > MAX_MANIFESTS {
                return Err(OciError::Malformed(format!(
                    "more than {MAX_MANIFESTS} manifests"
                )));
            }
            let all = manifests.into_iter().map(Descriptor::try_from);
            Ok(Document::Index(all.collect::<Result<_, _>>()?))
        }
        (None, Some(config), Some(layers)) => {
            let media_type = kind_of(wire.media_type.as_deref(), [OCI_MANIFEST, DOCKER_MANIFEST])?;
            let config = Descriptor::try_from(config)?;
            if !CONFIGS.contains(&config.media_type.as_str()) {
                return Err(OciError::Kind(shown(&config.media_type)));
            }
            if layers.is_empty() || layers.len() > MAX_LAYERS {
                return Err(OciError::Malformed(format!("{} layers", layers.len())));
            }
            let layers = layers.into_iter().map(Layer::try_from);
            Ok(Document::Manifest(Manifest {
                media_type,
                config,
                layers: layers.collect::<Result<_, _>>()?,
            }))
        }
        _ => Err(OciError::Malformed(
            "it is neither an index nor a manifest".to_owned(),
        )),
    }
}

/// Reads a manifest.
///
/// # Errors
/// When it is none, or one that is not taken.
pub fn manifest(bytes: &[u8]) -> Result<Manifest, OciError> {
    match read(bytes)? {
        Document::Manifest(manifest) => Ok(manifest),
        Document::Index(_) => Err(OciError::Malformed(
            "an index where a manifest was expected".to_owned(),
        )),
    }
}

/// The manifest of an index that is for an architecture. Of several variants the one that states none counts, and
/// of `arm64` its first, `v8`.
///
/// # Errors
/// When there is none, or there are several.
pub fn choose(index: &[Descriptor], arch: Arch) -> Result<&Descriptor, OciError> {
    let wanted = platform_of(arch);
    let of = |platform: &str| -> Vec<&Descriptor> {
        let all = index.iter();
        all.filter(|one| one.platform.as_deref() == Some(platform))
            .collect()
    };
    let mut found = of(&wanted);
    if found.is_empty() && arch == Arch::Arm64 {
        found = of(&format!("{wanted}/v8"));
    }
    match found[..] {
        [] => {
            let mut all: Vec<&str> = index
                .iter()
                .map(|one| one.platform.as_deref().unwrap_or("no platform"))
                .filter(|platform| *platform != "unknown/unknown")
                .collect();
            all.sort_unstable();
            all.dedup();
            all.truncate(20);
            let found = match all.len() {
                0 => "none".to_owned(),
                _ => all.join(", "),
            };
            Err(OciError::Platform { wanted, found })
        }
        [one] if [OCI_MANIFEST, DOCKER_MANIFEST].contains(&one.media_type.as_str()) => Ok(one),
        [one] => Err(OciError::Kind(shown(&one.media_type))),
        _ => Err(OciError::Ambiguous {
            wanted,
            count: found.len(),
        }),
    }
}

/// Reads the configuration of an image for an architecture with so many layers.
///
/// # Errors
/// When it is none, is of another platform, or counts other layers.
pub fn config(bytes: &[u8], arch: Arch, layers: usize) -> Result<Config, OciError> {
    let wire: ConfigWire = from_json(bytes)?;
    let wanted = platform_of(arch);
    let found = shown(&format!("{}/{}", wire.os, wire.architecture));
    if found != wanted {
        return Err(OciError::Platform { wanted, found });
    }
    if wire.rootfs.kind != "layers" || wire.rootfs.diff_ids.len() != layers {
        return Err(OciError::Malformed(format!(
            "its configuration names {} layers, its manifest {layers}",
            wire.rootfs.diff_ids.len()
        )));
    }
    let contents = wire.rootfs.diff_ids.iter().map(|text| digest(text));
    Ok(Config {
        platform: found,
        contents: contents.collect::<Result<_, _>>()?,
    })
}

impl TryFrom<DescriptorWire> for Descriptor {
    type Error = OciError;

    fn try_from(wire: DescriptorWire) -> Result<Self, OciError> {
        if !wire.urls.is_empty() {
            return Err(OciError::Kind(format!(
                "{} that lies elsewhere",
                shown(&wire.media_type)
            )));
        }
        let platform = wire.platform.map(|platform| {
            let variant = platform.variant.filter(|variant| !variant.is_empty());
            let variant = variant.map_or_else(String::new, |variant| format!("/{variant}"));
            shown(&format!(
                "{}/{}{variant}",
                platform.os, platform.architecture
            ))
        });
        Ok(Self {
            digest: digest(&wire.digest)?,
            media_type: wire.media_type,
            size: wire.size,
            platform,
        })
    }
}

impl TryFrom<DescriptorWire> for Layer {
    type Error = OciError;

    fn try_from(wire: DescriptorWire) -> Result<Self, OciError> {
        let file = Descriptor::try_from(wire)?;
        let known = LAYERS.iter().find(|(kind, _)| *kind == file.media_type);
        match known {
            Some((_, packing)) => Ok(Self {
                packing: *packing,
                file,
            }),
            None => Err(OciError::Kind(shown(&file.media_type))),
        }
    }
}

/// The first of two kinds where none is stated (OCI leaves that open).
fn kind_of(stated: Option<&str>, kinds: [&'static str; 2]) -> Result<&'static str, OciError> {
    let Some(stated) = stated.filter(|stated| !stated.is_empty()) else {
        return Ok(kinds[0]);
    };
    let known = kinds.into_iter().find(|kind| *kind == stated);
    known.ok_or_else(|| OciError::Kind(shown(stated)))
}

fn digest(text: &str) -> Result<Digest, OciError> {
    oci_digest(text).ok_or_else(|| OciError::Malformed(format!("the digest `{}`", shown(text))))
}

/// Unknown keys do not count; the depth is bounded by `serde_json` (128).
fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|error| OciError::Malformed(shown(&error.to_string())))
}

fn shown(text: &str) -> String {
    text.chars()
        .take(120)
        .flat_map(char::escape_default)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "7c5bd8512c6e966455b1d198209358b2d191c77a83ab377c4073281065fb855f";

    fn descriptor(kind: &str, more: &str) -> String {
        format!("{{\"mediaType\":\"{kind}\",\"digest\":\"sha256:{HEX}\",\"size\":7{more}}}")
    }

    fn index(platforms: &[&str]) -> Vec<u8> {
        let all: Vec<String> = platforms
            .iter()
            .map(|platform| {
                let parts: Vec<&str> = platform.split('/').collect();
                let variant = parts
                    .get(2)
                    .map_or_else(String::new, |variant| format!(",\"variant\":\"{variant}\""));
                let more = format!(
                    ",\"platform\":{{\"os\":\"{}\",\"architecture\":\"{}\"{variant}}}",
                    parts[0], parts[1]
                );
                descriptor(OCI_MANIFEST, &more)
            })
            .collect();
        format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", all.join(",")).into_bytes()
    }

    fn one(head: &str, config: &str, layers: &[String]) -> Result<Document, OciError> {
        let config = descriptor(config, "");
        let layers = layers.join(",");
        read(format!("{{{head},\"config\":{config},\"layers\":[{layers}]}}").as_bytes())
    }

    #[test]
    fn the_platform_is_chosen_and_attestations_are_not() {
        let pick = |platforms: &[&str], arch| {
            let Ok(Document::Index(all)) = read(&index(platforms)) else {
                panic!("{platforms:?}")
            };
            choose(&all, arch).map(|one| one.platform.clone().unwrap())
        };
        let many = [
            "linux/amd64",
            "unknown/unknown",
            "linux/arm64/v8",
            "linux/arm/v7",
        ];
        assert_eq!(pick(&many, Arch::Amd64).as_deref(), Ok("linux/amd64"));
        assert_eq!(pick(&many, Arch::Arm64).as_deref(), Ok("linux/arm64/v8"));
        let variants = ["linux/amd64/v3", "linux/amd64"];
        assert_eq!(pick(&variants, Arch::Amd64).as_deref(), Ok("linux/amd64"));
        assert_eq!(
            pick(&["linux/amd64", "unknown/unknown"], Arch::Arm64),
            Err(OciError::Platform {
                wanted: "linux/arm64".to_owned(),
                found: "linux/amd64".to_owned()
            })
        );
        assert_eq!(
            pick(&["linux/amd64", "linux/amd64"], Arch::Amd64),
            Err(OciError::Ambiguous {
                wanted: "linux/amd64".to_owned(),
                count: 2
            })
        );
        let none = pick(&["windows/amd64"], Arch::Amd64).unwrap_err();
        assert!(none.to_string().contains("it has windows/amd64"), "{none}");
    }

    #[test]
    fn manifests_of_both_kinds_are_read_and_others_refused_by_name() {
        let (oci, docker) = (LAYERS[1].0, LAYERS[3].0);
        let version = "\"schemaVersion\":2";
        for (head, config, layer, kind) in [
            (version.to_owned(), CONFIGS[0], oci, OCI_MANIFEST),
            (
                format!("{version},\"mediaType\":\"{DOCKER_MANIFEST}\""),
                CONFIGS[1],
                docker,
                DOCKER_MANIFEST,
            ),
        ] {
            let found = one(&head, config, &[descriptor(layer, "")]).unwrap();
            let Document::Manifest(found) = found else {
                panic!("{kind}")
            };
            assert_eq!((found.media_type, found.layers.len()), (kind, 1));
            assert_eq!(found.layers[0].packing, Packing::Gzip);
            assert_eq!(found.config.size, 7);
        }
        let good = [descriptor(oci, "")];
        let zstd = [descriptor(
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "",
        )];
        let foreign = [descriptor(oci, ",\"urls\":[\"https://example.org/x\"]")];
        let lie = format!("{version},\"mediaType\":\"{OCI_INDEX}\"");
        let artifact = format!("{version},\"artifactType\":\"application/spdx+json\"");
        for (head, config, layers, kind) in [
            (
                version,
                CONFIGS[0],
                &zstd[..],
                "application/vnd.oci.image.layer.v1.tar+zstd",
            ),
            (
                version,
                CONFIGS[0],
                &foreign[..],
                "application/vnd.oci.image.layer.v1.tar+gzip that lies elsewhere",
            ),
            (
                version,
                "application/vnd.oci.empty.v1+json",
                &good[..],
                "application/vnd.oci.empty.v1+json",
            ),
            (&lie, CONFIGS[0], &good[..], OCI_INDEX),
            (&artifact, CONFIGS[0], &good[..], "application/spdx+json"),
        ] {
            let error = one(head, config, layers).unwrap_err();
            assert_eq!(error, OciError::Kind(kind.to_owned()));
        }
        assert_eq!(
            one("\"schemaVersion\":1", CONFIGS[0], &good),
            Err(OciError::Schema1)
        );
        assert_eq!(
            read(b"{\"schemaVersion\":2,\"fsLayers\":[]}"),
            Err(OciError::Schema1)
        );
        // What could be read in two ways, is nothing, or is no JSON.
        let both = format!("{version},\"manifests\":[]");
        assert!(matches!(
            one(&both, CONFIGS[0], &good),
            Err(OciError::Malformed(_))
        ));
        assert!(matches!(
            one(version, CONFIGS[0], &[]),
            Err(OciError::Malformed(_))
        ));
        for bytes in [&b"{}"[..], b"[]", b"<html>", b"{\"schemaVersion\":2}", b""] {
            assert!(matches!(read(bytes), Err(OciError::Malformed(_))));
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(read(deep.as_bytes()), Err(OciError::Malformed(_))));
    }

    #[test]
    fn a_configuration_is_of_the_platform_and_counts_the_layers() {
        let text = |os: &str, arch: &str, ids: &str| {
            format!(
                "{{\"os\":\"{os}\",\"architecture\":\"{arch}\",\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{ids}]}}}}"
            )
        };
        let id = format!("\"sha256:{HEX}\"");
        let good = text("linux", "amd64", &id);
        let read = config(good.as_bytes(), Arch::Amd64, 1).unwrap();
        assert_eq!(read.contents, [HEX.parse().unwrap()]);
        let error = config(good.as_bytes(), Arch::Arm64, 1).unwrap_err();
        assert!(matches!(error, OciError::Platform { .. }));
        let error = config(good.as_bytes(), Arch::Amd64, 2).unwrap_err();
        assert!(
            error.to_string().contains("names 1 layers, its manifest 2"),
            "{error}"
        );
        let windows = text("windows", "amd64", &id);
        assert!(config(windows.as_bytes(), Arch::Amd64, 1).is_err());
        let short = text("linux", "amd64", "\"sha256:00\"");
        assert!(config(short.as_bytes(), Arch::Amd64, 1).is_err());
    }
}
