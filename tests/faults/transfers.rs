//! The commands that take bundles, events and keys in, each on a small case of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use haversack::bundle::volumes::VolumeSize;
use haversack::bundle::{Base, PackRequest, Source, sign, to_sign};
use haversack::trust::key::SigningKey;

use crate::bench::{Case, Scenario, copy, tree};
use crate::bundles::Sandbox;
use crate::scenarios::{request_of, signed, small_request, words};

/// Runs a command that prepares a case.
#[track_caller]
pub(crate) fn prepare(folder: &Path, line: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
        .args(words(line))
        .current_dir(folder)
        .env("HAVERSACK_STATE", folder.join("other-state"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
}

/// A command that makes the bundle `out`, and remembers it. `or_code`: how it ends when a file cannot be
/// opened that is known by its bytes alone, so that it is as good as absent.
fn receiving(
    name: &'static str,
    template: tempfile::TempDir,
    line: &str,
    or_code: Option<i32>,
) -> Scenario {
    Scenario {
        name,
        template,
        arguments: words(line),
        outputs: &["out", "state"],
        between: |case| {
            let names = ["out", "state/accepted.json"];
            names
                .iter()
                .filter_map(|name| case.old_or_new(name))
                .collect()
        },
        complete: |case| {
            let names = ["out", "state/accepted.json"];
            names
                .iter()
                .filter_map(|name| case.complete(name))
                .collect()
        },
        once: None,
        or_code,
        _held: None,
    }
}

pub(crate) fn receive_folder() -> Scenario {
    let line = "receive bundle -o out --trust trust --state state";
    receiving("receive a folder", signed(None).0, line, None)
}

pub(crate) fn receive_single_file() -> Scenario {
    let (template, _) = signed(None);
    prepare(template.path(), "stream bundle -o one.tar");
    std::fs::remove_dir_all(template.path().join("bundle")).unwrap();
    let line = "receive one.tar -o out --trust trust --state state";
    receiving("receive a single file", template, line, None)
}

pub(crate) fn receive_loose_files() -> Scenario {
    let (template, _) = signed(None);
    prepare(template.path(), "stream bundle --flat inbox");
    std::fs::remove_dir_all(template.path().join("bundle")).unwrap();
    std::fs::write(template.path().join("inbox/junk"), b"junk").unwrap();
    let line = "receive --flat inbox --once -o out --trust trust --state state";
    receiving("receive loose files", template, line, Some(8))
}

/// The bundle `old`, and `delta`, which builds on it, signed.
pub(crate) fn delta(sandbox: &Sandbox, key: &SigningKey) {
    let old = sandbox.pack("old", &small_request(sandbox));
    let _ = sign(&old.path, key).unwrap();
    let mut request = small_request(sandbox);
    request.sequence = "43".parse().unwrap();
    let new = b"package, and what is new";
    let digest = sandbox.store.put(new).unwrap();
    let size = u64::try_from(new.len()).unwrap();
    for item in &mut request.items {
        if item.path.as_str().ends_with("amd64.deb") {
            item.source = Source::Stored { digest, size };
            item.info.size = size;
        }
    }
    request.base = Some(Base::new(&to_sign(&old.path).unwrap().sums).unwrap());
    let _ = sign(&sandbox.pack("delta", &request).path, key).unwrap();
}

pub(crate) fn receive_delta() -> Scenario {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    sandbox.trust("trust", &[&key], "");
    delta(&sandbox, &key);
    std::fs::remove_dir_all(sandbox.path("store")).unwrap();
    let line = "receive delta --base old -o out --trust trust --state state";
    receiving("receive a delta", sandbox.folder, line, None)
}

/// A bundle on several media of the smallest size.
pub(crate) fn on_media(sandbox: &Sandbox) -> PackRequest {
    let mut request = request_of(sandbox, 60_000);
    request.volume_size = VolumeSize::of_medium(450_000);
    request
}

pub(crate) fn gather() -> Scenario {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    sandbox.trust("trust", &[&key], "");
    let bundle = sandbox.pack("bundle", &on_media(&sandbox));
    let _ = sign(&bundle.path, &key).unwrap();
    prepare(sandbox.folder.path(), "media bundle --to discs");
    let mut line = "gather -o in --trust trust --state state".to_owned();
    let discs = haversack::fs::list(&sandbox.path("discs")).unwrap();
    assert!(discs.len() > 1, "{discs:?}");
    for disc in discs {
        line += &format!(" discs/{}/bundle", disc.to_str().unwrap());
    }
    for unneeded in ["store", "bundle"] {
        std::fs::remove_dir_all(sandbox.path(unneeded)).unwrap();
    }
    Scenario {
        name: "gather from media",
        template: sandbox.folder,
        arguments: words(&line),
        outputs: &["in", "in.damaged", "state"],
        between: |case| {
            let mut wrong = no_half_file(case);
            wrong.extend(case.old_or_new("state/accepted.json"));
            wrong
        },
        complete: |case| {
            let names = ["in", "state/accepted.json"];
            names
                .iter()
                .filter_map(|name| case.complete(name))
                .collect()
        },
        once: None,
        or_code: None,
        _held: None,
    }
}

/// Under each final name of `in` are all of its bytes.
fn no_half_file(case: &Case<'_>) -> Vec<String> {
    let right = tree(&case.right.join("in"));
    let found = tree(&case.folder.join("in")).into_iter();
    let half = found.filter(|(path, (_, digest))| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let expected = right.get(path).and_then(|(_, digest)| *digest);
        digest.is_some() && !name.starts_with(".haversack-") && *digest != expected
    });
    half.map(|(path, _)| format!("in/{} is not what it must be", path.display()))
        .collect()
}

/// The third event of a log.
pub(crate) fn custody() -> Scenario {
    let (template, _) = signed(None);
    for (actor, role, action) in [("Ann", "builder", "built"), ("Bob", "reviewer", "reviewed")] {
        let line = format!(
            "custody add log.jsonl --of bundle --actor {actor} --role {role} --action {action}"
        );
        prepare(template.path(), &line);
    }
    Scenario {
        name: "custody add",
        template,
        arguments: words(
            "custody add log.jsonl --of bundle --actor Cleo --role courier --action carried",
        ),
        outputs: &["log.jsonl"],
        between: |case| case.log(0),
        complete: |case| case.log(1),
        once: None,
        or_code: None,
        _held: None,
    }
}

/// The second version of a trust directory.
pub(crate) fn trust_update() -> Scenario {
    let sandbox = Sandbox::new();
    let [alice, bob] = [(); 2].map(|()| SigningKey::generate().unwrap());
    sandbox.trust("trust", &[&alice], "");
    let pem = alice.to_pem().unwrap();
    let key = sandbox.path("key");
    haversack::fs::write_atomic(&key, pem.reveal().as_bytes(), 0o600).unwrap();
    let folder = sandbox.folder.path();
    prepare(folder, "trust seal trust --version 1");
    copy(&sandbox.path("trust"), &sandbox.path("next"));
    let second = bob.verifying_key().to_pem().unwrap();
    std::fs::write(sandbox.path("next/k1.pem"), second).unwrap();
    prepare(folder, "trust seal next --version 2");
    prepare(folder, "trust sign next --key key");
    std::fs::remove_dir_all(sandbox.path("store")).unwrap();
    Scenario {
        name: "trust update",
        template: sandbox.folder,
        arguments: words("trust update trust --with next"),
        outputs: &["trust"],
        between: |case| {
            let found = trusted(case.folder);
            let known = [trusted(case.before), trusted(case.right)];
            let odd = !known.contains(&found);
            odd.then(|| "trust is neither the old set nor the new one".to_owned())
                .into_iter()
                .collect()
        },
        complete: |case| {
            let odd = trusted(case.folder) != trusted(case.right);
            odd.then(|| "trust is not the new set".to_owned())
                .into_iter()
                .collect()
        },
        // It is the current version by then: E513.
        once: Some(5),
        // A set that cannot be read is no set.
        or_code: Some(2),
        _held: None,
    }
}

/// The trust directory; of its updates only how many there were, for they say when.
fn trusted(folder: &Path) -> (crate::bench::Tree, usize) {
    let mut found = tree(&folder.join("trust"));
    found.remove(Path::new("updates.log"));
    let log = std::fs::read_to_string(folder.join("trust/updates.log")).unwrap_or_default();
    (found, log.lines().count())
}
