//! The commands that change disks, each on a small case of its own.

use std::path::Path;

use haversack::bundle::{PackRequest, Source, sign};
use haversack::parity::shape::Amount;
use haversack::trust::key::SigningKey;
use haversack::types::digest::Digest;

use crate::bench::{Case, Scenario, copy, tree};
use crate::bundles::Sandbox;
use crate::http::Server;
use crate::staged::Staged;

/// A bundle of 20 kB.
pub(crate) fn small_request(sandbox: &Sandbox) -> PackRequest {
    request_of(sandbox, 5_000)
}

/// A bundle whose large file has so many numbers of four bytes.
pub(crate) fn request_of(sandbox: &Sandbox, count: u32) -> PackRequest {
    let bytes: Vec<u8> = (0..count).flat_map(u32::to_le_bytes).collect();
    let digest = sandbox.store.put(&bytes).unwrap();
    let size = u64::try_from(bytes.len()).unwrap();
    let mut request = sandbox.request();
    for item in &mut request.items {
        if item.path.as_str() == "v1/files/app/app-1.2.3.tar.gz" {
            item.source = Source::Stored { digest, size };
            item.info.size = size;
        }
    }
    request
}

pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// A folder with the signed bundle `bundle` and the trust directory `trust`.
pub(crate) fn signed(parity: Option<Amount>) -> (tempfile::TempDir, SigningKey) {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    sandbox.trust("trust", &[&key], "");
    let mut request = small_request(&sandbox);
    request.parity = parity;
    let bundle = sandbox.pack("bundle", &request);
    let _ = sign(&bundle.path, &key).unwrap();
    std::fs::remove_dir_all(sandbox.path("store")).unwrap();
    (sandbox.folder, key)
}

pub(crate) fn verify() -> Scenario {
    Scenario {
        name: "verify",
        template: signed(None).0,
        arguments: words(
            "verify bundle --trust trust --state state --custody log.jsonl --actor Ann",
        ),
        outputs: &["state", "log.jsonl"],
        between: |case| {
            let name = "state/accepted.json";
            let mut wrong: Vec<String> = case.old_or_new(name).into_iter().collect();
            wrong.extend(case.log(0));
            wrong
        },
        complete: |case| {
            let mut wrong: Vec<String> = case.complete("state/accepted.json").into_iter().collect();
            wrong.extend(case.log(1));
            wrong
        },
        once: None,
        or_code: None,
        _held: None,
    }
}

pub(crate) fn sign_bundle() -> Scenario {
    let (template, key) = signed(None);
    let bundle = template.path().join("bundle");
    std::fs::remove_dir_all(bundle.join("sig")).unwrap();
    let pem = key.to_pem().unwrap();
    haversack::fs::write_atomic(&template.path().join("key"), pem.reveal().as_bytes(), 0o600)
        .unwrap();
    Scenario {
        name: "sign",
        template,
        arguments: words("sign bundle --key key"),
        outputs: &["bundle"],
        between: |case| {
            let names = tree(&case.right.join("bundle")).into_keys();
            let visible =
                names.filter(|path| path.starts_with("sig") && path.extension().is_some());
            let names = visible.map(|path| format!("bundle/{}", path.display()));
            names.filter_map(|name| case.old_or_new(&name)).collect()
        },
        complete: |case| case.complete("bundle").into_iter().collect(),
        once: None,
        or_code: None,
        _held: None,
    }
}

pub(crate) fn repair() -> Scenario {
    let amount = Amount {
        percent: Some(50),
        spare_volumes: 0,
    };
    let (template, _) = signed(Some(amount));
    let path = template.path().join("bundle/v1/files/app/app-1.2.3.tar.gz");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    Scenario {
        name: "repair",
        template,
        arguments: words(
            "repair bundle --trust trust --state state -o out --custody log.jsonl --actor Ann",
        ),
        outputs: &["out", "state", "log.jsonl"],
        between: |case| {
            let mut wrong: Vec<String> = case.old_or_new("out").into_iter().collect();
            wrong.extend(case.log(0));
            wrong
        },
        complete: |case| {
            let mut wrong: Vec<String> = case.complete("out").into_iter().collect();
            wrong.extend(case.log(1));
            wrong
        },
        once: None,
        // What cannot be read is lost like what was damaged.
        or_code: Some(3),
        _held: None,
    }
}

/// From nothing but a manifest and a server: lock, fetch, parity, bundle.
pub(crate) fn build() -> Scenario {
    let template = tempfile::tempdir().unwrap();
    let server = Server::start();
    let mut artifacts = String::new();
    for (name, bytes) in [
        ("prometheus", &b"#!/bin/sh\necho one\n"[..]),
        ("grafana", b"#!/bin/sh\necho two\n"),
    ] {
        server.put(name, bytes);
        let (url, digest) = (server.url(name), Digest::of(bytes));
        artifacts += &format!(
            "[[artifact]]\ncomponent = \"{name}\"\nversion = \"1.2.3\"\nurl = \"{url}\"\nsha256 = \"{digest}\"\nstand-in = true\n"
        );
    }
    let manifest = format!(
        "format = 1\nname = \"sample\"\ntarget = {{ distribution = \"debian-12\", arch = \"amd64\" }}\n{artifacts}"
    );
    std::fs::write(template.path().join("m.toml"), manifest).unwrap();
    Scenario {
        name: "build (lock, fetch, pack)",
        template,
        arguments: words("build m.toml -o out --parity 50"),
        outputs: &["out", "store", "m.lock"],
        between: |case| {
            let mut wrong: Vec<String> = case.old_or_new("out").into_iter().collect();
            wrong.extend(case.old_or_new("m.lock"));
            wrong.extend(store_lies(&case.folder.join("store/sha256")));
            wrong
        },
        complete: |case| {
            let names = ["out", "m.lock"];
            names
                .iter()
                .filter_map(|name| case.complete(name))
                .collect()
        },
        once: None,
        or_code: None,
        _held: Some(Box::new(server)),
    }
}

/// Files of the store whose digest is not their name.
fn store_lies(store: &Path) -> Vec<String> {
    let found = tree(store).into_iter();
    let lies = found.filter_map(|(path, (_, digest))| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        (!name.starts_with('.') && digest?.to_string() != name).then_some(name)
    });
    lies.map(|name| format!("{name} in the store is something else"))
        .collect()
}

/// A folder with bundle, trust directory, deployment, and the tree that was staged from it.
pub(crate) fn site() -> tempfile::TempDir {
    let staged = Staged::bring(DEPLOYMENT, &crate::staged::packages(), &[], SECRETS).unwrap();
    let key = SigningKey::generate().unwrap();
    let _ = sign(&staged.path("bundle"), &key).unwrap();
    let template = tempfile::tempdir().unwrap();
    let trust = template.path().join("trust");
    std::fs::create_dir(&trust).unwrap();
    std::fs::write(trust.join("k.pem"), key.verifying_key().to_pem().unwrap()).unwrap();
    for name in [
        "bundle",
        "deployment.toml",
        "chat.pem",
        "chat.key",
        "ca.pem",
        "staged",
        "given",
    ] {
        copy(&staged.path(name), &template.path().join(name));
    }
    template
}

const STAGE: &str = "stage bundle -d deployment.toml -o staged --trust trust --state state --secrets given \
     --custody log.jsonl --actor Ann";

/// The secrets of the first stage are made at random: what is compared is which files are there.
pub(crate) fn stage_anew() -> Scenario {
    let template = site();
    std::fs::remove_dir_all(template.path().join("staged")).unwrap();
    Scenario {
        name: "stage",
        template,
        arguments: words(STAGE),
        outputs: &["staged", "state", "log.jsonl"],
        between: |case| {
            let found = case.folder.join("staged").exists();
            let mut wrong = if found { same_names(case) } else { Vec::new() };
            wrong.extend(case.log(0));
            wrong
        },
        complete: |case| {
            let mut wrong = same_names(case);
            wrong.extend(case.log(1));
            wrong
        },
        once: None,
        // The deployment, or a file that it names, is refused as one that cannot be read.
        or_code: Some(2),
        _held: None,
    }
}

fn same_names(case: &Case<'_>) -> Vec<String> {
    let names = |folder: &Path| -> Vec<_> { tree(&folder.join("staged")).into_keys().collect() };
    let whole = names(case.folder) == names(case.right);
    (!whole)
        .then(|| "staged is not complete".to_owned())
        .into_iter()
        .collect()
}

/// Over a tree that was staged before, by another deployment.
pub(crate) fn stage_over() -> Scenario {
    let template = site();
    let path = template.path().join("deployment.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("10.30.0.0/16", "10.31.0.0/16")).unwrap();
    Scenario {
        name: "stage over an earlier tree",
        template,
        arguments: words(STAGE),
        outputs: &["staged", "state", "log.jsonl"],
        between: |case| {
            let mut wrong: Vec<String> = case.old_or_new("staged").into_iter().collect();
            wrong.extend(case.log(0));
            wrong
        },
        complete: |case| {
            let mut wrong: Vec<String> = case.complete("staged").into_iter().collect();
            wrong.extend(case.log(1));
            wrong
        },
        once: None,
        // The deployment, or a file that it names, is refused as one that cannot be read.
        or_code: Some(2),
        _held: None,
    }
}

/// What the operator brings.
const SECRETS: &[(&str, &str)] = &[("db-password", "a-password-of-the-database-0123456789")];

/// One small host.
const DEPLOYMENT: &str = r#"
format  = 1
url     = "https://chat.mm.internal"
method  = "linux"
edition = "enterprise"
purpose = "evaluation"
[tls]
cert = "chat.pem"
key  = "chat.key"
ca   = "ca.pem"
[network]
users = ["10.30.0.0/16"]
admin = ["10.20.9.0/28"]
[[host]]
name    = "mm1"
address = "10.20.0.10"
distro  = "debian-12"
roles   = ["proxy", "app"]
[database]
dsn_host = "10.20.0.20"
[storage]
kind = "local"
"#;
