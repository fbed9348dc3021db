//! A real container registry on the loopback interface, and small real images.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use haversack::types::digest::Digest;
use serde_json::{Value, json};

use crate::support::staged::{run, tool};

const KINDS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Debian's `docker-registry`, with storage of its own. It ends when dropped.
pub(crate) struct Registry {
    folder: tempfile::TempDir,
    child: Child,
    /// Host and port.
    pub(crate) address: String,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: info, formatter: json}}\n\
             storage: {{filesystem: {{rootdirectory: \"{}\"}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n",
            folder.path().join("storage").display()
        );
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let mut child = tool("docker-registry", "docker-registry")
            .arg("serve")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry: run scripts/install-packages test");
        // It says where it listens once it does.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            let said: Value = serde_json::from_str(&line.unwrap()).ok()?;
            let said = said
                .get("msg")?
                .as_str()?
                .strip_prefix("listening on ")?
                .to_owned();
            Some(said)
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            folder,
            child,
            address: address.unwrap(),
        }
    }

    /// Makes an image of one layer for each text, and gives its layout, where it is called `made`.
    pub(crate) fn make(&self, name: &str, arch: &str, texts: &[&str]) -> PathBuf {
        let layout = self.folder.path().join(name);
        let umoci = || tool("umoci", "umoci");
        run(umoci().args(["init", "--layout"]).arg(&layout));
        let image = format!("{}:made", layout.display());
        run(umoci().args(["new", "--image", &image]));
        for (number, text) in texts.iter().enumerate() {
            let file = self.folder.path().join("content");
            std::fs::write(&file, text).unwrap();
            run(umoci()
                .args(["insert", "--image", &image])
                .arg(&file)
                .arg(format!("/app/{number}")));
        }
        run(umoci().args([
            "config",
            "--image",
            &image,
            "--os",
            "linux",
            "--architecture",
            arch,
        ]));
        layout
    }

    /// Pushes the image of a layout, in a format of skopeo.
    pub(crate) fn push(&self, layout: &Path, name: &str, format: &str) {
        run(skopeo()
            .args([
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
                "--format",
                format,
            ])
            .arg(format!("oci:{}:made", layout.display()))
            .arg(format!("docker://{}/{name}", self.address)));
    }

    /// Puts an index of manifests that are there, for these platforms, and gives its bytes.
    pub(crate) fn put_index(&self, repository: &str, tag: &str, of: &[(&str, &str)]) -> Vec<u8> {
        let manifests: Vec<Value> = of
            .iter()
            .map(|(name, platform)| {
                let bytes = self.get(&format!("v2/{repository}/manifests/{name}"));
                let (os, architecture) = platform.split_once('/').unwrap();
                json!({
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": format!("sha256:{}", Digest::of(&bytes)),
                    "size": bytes.len(),
                    "platform": { "os": os, "architecture": architecture },
                })
            })
            .collect();
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": manifests });
        let bytes = serde_json::to_vec(&index).unwrap();
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.address);
        let answer = client().put(url).header("Content-Type", kind);
        let answer = answer.body(bytes.clone()).send().unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().unwrap());
        bytes
    }

    /// The bytes at a path.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let request = client().get(format!("http://{}/{path}", self.address));
        let answer = request.header("Accept", KINDS).send().unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.bytes().unwrap().to_vec()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client() -> reqwest::blocking::Client {
    // Already installed by another test: that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::blocking::Client::new()
}

/// skopeo, which asks no policy of the machine.
pub(crate) fn skopeo() -> Command {
    let mut command = tool("skopeo", "skopeo");
    command.arg("--insecure-policy");
    command
}
