//! Registries that lie, row by row: the documents of a real image, changed, from a stand-in of a registry.

use haversack::types::digest::Digest;
use serde_json::{Value, json};

use super::{Desk, FIRST};
use crate::support::http::Server;
use crate::support::registry::Registry;

/// An image whose documents can be changed at each level.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) layers: Vec<Vec<u8>>,
    config: Value,
    manifest: Value,
    pub(super) index: Value,
}

impl Made {
    /// A real image, as a real registry gives it.
    pub(super) fn new() -> Self {
        let registry = Registry::start();
        let layout = registry.make("image", "amd64", &["one", "two"]);
        registry.push(&layout, "stack/app:1.0", "oci");
        let json = |bytes: Vec<u8>| -> Value { serde_json::from_slice(&bytes).unwrap() };
        let manifest = json(registry.get("v2/stack/app/manifests/1.0"));
        let blob = |digest: &Value| {
            registry.get(&format!("v2/stack/app/blobs/{}", digest.as_str().unwrap()))
        };
        let layers = manifest["layers"].as_array().unwrap();
        let made = Self {
            layers: layers.iter().map(|layer| blob(&layer["digest"])).collect(),
            config: json(blob(&manifest["config"]["digest"])),
            index: json!({
                "schemaVersion": 2,
                "manifests": [{
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "platform": { "os": "linux", "architecture": "amd64" },
                }],
            }),
            manifest,
        };
        made.chained()
    }

    /// With the digests and sizes of what is below.
    fn chained(mut self) -> Self {
        let config = bytes(&self.config);
        self.manifest["config"]["digest"] = json!(named(&config));
        self.manifest["config"]["size"] = json!(config.len());
        let manifest = bytes(&self.manifest);
        self.index["manifests"][0]["digest"] = json!(named(&manifest));
        self.index["manifests"][0]["size"] = json!(manifest.len());
        self
    }

    pub(super) fn serve(&self, server: &Server) {
        for layer in &self.layers {
            server.put(&blob(layer), layer.clone());
        }
        let config = bytes(&self.config);
        server.put(&blob(&config), config.clone());
        let (manifest, index) = (bytes(&self.manifest), bytes(&self.index));
        for document in [&manifest, &index] {
            server.put(&document_at(document), document.clone());
        }
        server.put(TAG, index);
    }
}

pub(super) const TAG: &str = "v2/stack/app/manifests/1.0";

pub(super) fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn named(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes))
}

fn blob(bytes: &[u8]) -> String {
    format!("v2/stack/app/blobs/{}", named(bytes))
}

fn document_at(bytes: &[u8]) -> String {
    format!("v2/stack/app/manifests/{}", named(bytes))
}

pub(super) fn image(server: &Server) -> String {
    let url = server.url("stack/app:1.0");
    url.split_once("://").unwrap().1.to_owned()
}

/// One lie.
struct Row {
    what: &'static str,
    /// Changes what is covered by the digests above it.
    before: fn(&mut Made),
    /// Changes the index, which no digest covers yet.
    after: fn(&mut Made),
    /// Changes what is served under a digest.
    spoil: fn(&Made, &Server),
    id: &'static str,
    code: i32,
    says: &'static str,
}

const NOTHING: Row = Row {
    what: "",
    before: |_| {},
    after: |_| {},
    spoil: |_, _| {},
    id: "",
    code: 0,
    says: "",
};

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_lie_of_a_registry_stops_the_lock_and_is_named() {
    let rows = [
        Row {
            what: "a changed manifest under the digest of the index",
            spoil: |made, server| {
                let manifest = bytes(&made.manifest);
                server.put(&document_at(&manifest), [&manifest[..], b" "].concat());
            },
            id: "E330",
            code: 3,
            says: "evidence for 127.0.0.1",
            ..NOTHING
        },
        Row {
            what: "a changed configuration",
            spoil: |made, server| {
                let config = bytes(&made.config);
                server.put(&blob(&config), [&config[..], b" "].concat());
            },
            id: "E330",
            code: 3,
            says: "what http://127.0.0.1",
            ..NOTHING
        },
        Row {
            what: "a changed layer",
            spoil: |made, server| {
                let mut layer = made.layers[1].clone();
                layer[20] ^= 1;
                server.put(&blob(&made.layers[1]), layer);
            },
            id: "E705",
            code: 7,
            says: "expected",
            ..NOTHING
        },
        Row {
            what: "an index that lies about the size of the manifest",
            after: |made| made.index["manifests"][0]["size"] = json!(1),
            id: "E330",
            code: 3,
            says: "has 1 bytes; it has",
            ..NOTHING
        },
        Row {
            what: "a manifest that lies about the size of a layer",
            before: |made| made.manifest["layers"][1]["size"] = json!(7),
            id: "E330",
            code: 3,
            says: "has 7 bytes; it has",
            ..NOTHING
        },
        Row {
            what: "a configuration that states other content of a layer",
            before: |made| {
                made.config["rootfs"]["diff_ids"][1] = made.config["rootfs"]["diff_ids"][0].clone();
            },
            id: "E330",
            code: 3,
            says: "the layer itself says",
            ..NOTHING
        },
        Row {
            what: "a configuration that counts other layers",
            before: |made| {
                let ids = made.config["rootfs"]["diff_ids"].as_array_mut();
                ids.unwrap().pop();
            },
            id: "E712",
            code: 7,
            says: "names 1 layers, its manifest 2",
            ..NOTHING
        },
        Row {
            what: "an index without the platform",
            after: |made| made.index["manifests"][0]["platform"]["architecture"] = json!("arm64"),
            id: "E521",
            code: 5,
            says: "no image for linux/amd64; it has linux/arm64",
            ..NOTHING
        },
        Row {
            what: "a configuration of another platform than the index says",
            before: |made| made.config["architecture"] = json!("arm64"),
            id: "E521",
            code: 5,
            says: "no image for linux/amd64; it has linux/arm64",
            ..NOTHING
        },
        Row {
            what: "schema 1",
            spoil: |_, server| {
                let old = json!({ "schemaVersion": 1, "name": "stack/app", "tag": "1.0", "fsLayers": [] });
                server.put(TAG, bytes(&old));
            },
            id: "E712",
            code: 7,
            says: "schema 1",
            ..NOTHING
        },
        Row {
            what: "a layer that is packed as zstd",
            before: |made| {
                made.manifest["layers"][0]["mediaType"] =
                    json!("application/vnd.oci.image.layer.v1.tar+zstd");
            },
            id: "E712",
            code: 7,
            says: "tar+zstd`, which is not taken",
            ..NOTHING
        },
        Row {
            what: "a layer that is no gzip",
            before: |made| {
                made.layers[0] = b"no gzip".to_vec();
                made.manifest["layers"][0]["digest"] = json!(named(&made.layers[0]));
                made.manifest["layers"][0]["size"] = json!(7);
            },
            id: "E712",
            code: 7,
            says: "cannot be unpacked",
            ..NOTHING
        },
        Row {
            what: "a page",
            spoil: |_, server| server.put(TAG, "<!DOCTYPE html><title>Sign in</title>"),
            id: "E702",
            code: 7,
            says: "HTML page",
            ..NOTHING
        },
        Row {
            what: "a tag that is not there",
            spoil: |_, server| server.behave(TAG, crate::support::http::Behaviour::Status(404, 9)),
            id: "E706",
            code: 7,
            says: "does not exist",
            ..NOTHING
        },
    ];
    let good = Made::new();
    for row in &rows {
        let server = Server::start();
        let mut made = good.clone();
        (row.before)(&mut made);
        let mut made = made.chained();
        (row.after)(&mut made);
        made.serve(&server);
        (row.spoil)(&made, &server);
        let desk = Desk::new();
        desk.manifest(&[(image(&server), FIRST)]);
        let said = desk.fails(&["lock", "m.toml"], row.code);
        println!("{:<60} {}", row.what, row.id);
        assert!(
            said.contains(&format!("error[{}]", row.id)),
            "{}: {said}",
            row.what
        );
        assert!(said.contains(row.says), "{}: {said}", row.what);
        assert!(!desk.path("m.lock").exists(), "{}", row.what);
    }
    // Without a lie it holds; with a digest of something else it does not, and both are named.
    let server = Server::start();
    good.serve(&server);
    let desk = Desk::new();
    desk.manifest(&[(image(&server), FIRST)]);
    desk.ok(&["lock", "m.toml"]);
    let desk = Desk::new();
    let wrong = Digest::of(b"wrong");
    let stated = format!("digest = \"sha256:{wrong}\"");
    desk.manifest(&[(image(&server), &stated)]);
    let said = desk.fails(&["lock", "m.toml"], 3);
    assert!(said.contains("error[E330]"), "{said}");
    for digest in [
        wrong,
        Digest::of(&bytes(&good.index)),
        Digest::of(&bytes(&good.manifest)),
    ] {
        assert!(said.contains(&digest.to_string()), "{digest}: {said}");
    }
}
