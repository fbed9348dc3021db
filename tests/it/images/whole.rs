//! From a real registry to a layout that skopeo reads.

use std::process::Command;

use haversack::lock::Lock;
use haversack::types::digest::Digest;

use super::{Desk, FIRST, read};
use crate::support::registry::{Registry, skopeo};
use crate::support::staged::{run, tool};

/// A registry with an index of two platforms and an attestation, and a manifest of Docker's kind that shares a layer.
struct World {
    registry: Registry,
    index: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let registry = Registry::start();
        let amd64 = registry.make("amd64", "amd64", &["one", "two"]);
        registry.push(&amd64, "stack/app:1.0-amd64", "oci");
        let arm64 = registry.make("arm64", "arm64", &["three"]);
        registry.push(&arm64, "stack/app:1.0-arm64", "oci");
        registry.push(&amd64, "stack/docker:2.0", "v2s2");
        let of = [
            ("1.0-arm64", "linux/arm64"),
            ("1.0-arm64", "unknown/unknown"),
            ("1.0-amd64", "linux/amd64"),
        ];
        let index = registry.put_index("stack/app", "1.0", &of);
        Self { registry, index }
    }

    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.address)
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one way from end to end")]
fn images_travel_from_a_registry_to_a_layout_that_skopeo_reads() {
    let world = World::new();
    let registry = &world.registry;
    let manifest = registry.get("v2/stack/app/manifests/1.0-amd64");
    let docker = registry.get("v2/stack/docker/manifests/2.0");
    let (app, other) = (world.name("stack/app:1.0"), world.name("stack/docker:2.0"));
    let desk = Desk::new();
    let both = format!(
        "digest = [\"sha256:{}\", \"sha256:{}\"]",
        Digest::of(&world.index),
        Digest::of(&manifest)
    );
    desk.manifest(&[(app.clone(), &both), (other.clone(), FIRST)]);
    let said = desk.ok(&["lock", "m.toml"]);
    assert!(
        said.contains(&format!("image {app}@sha256:{}", Digest::of(&manifest))),
        "{said}"
    );
    assert!(
        said.contains(&format!("FIRST LOCK extra-1 {other}: made by this test")),
        "{said}"
    );
    let text = String::from_utf8(read(&desk.path("m.lock"))).unwrap();
    let lock = Lock::parse(&text, "m.lock").unwrap();
    assert_eq!(lock.to_toml(), text);
    let [first, second] = &lock.images[..] else {
        panic!("{text}")
    };
    let index = first.index.as_ref().unwrap();
    assert_eq!(index.sha256, Digest::of(&world.index));
    assert_eq!(
        index.path.as_str(),
        format!("evidence/images/{}.json", index.sha256)
    );
    assert_eq!(first.manifest.sha256, Digest::of(&manifest));
    assert_eq!(second.manifest.sha256, Digest::of(&docker));
    assert_eq!((second.index.as_ref(), second.layers.len()), (None, 2));
    assert_eq!(
        second.media_type,
        "application/vnd.docker.distribution.manifest.v2+json"
    );
    // Configuration and layers are shared: each file once.
    let paths: Vec<_> = lock.payload().map(|file| file.path.clone()).collect();
    assert_eq!(
        paths.len(),
        5,
        "2 manifests, a configuration, 2 layers: {paths:?}"
    );

    // The tag moves. What is locked is fetched all the same, on a machine that has nothing.
    let moved = registry.make("moved", "amd64", &["one", "other"]);
    registry.push(&moved, "stack/app:1.0", "oci");
    std::fs::remove_dir_all(desk.path("store")).unwrap();
    desk.ok(&["build", "m.toml", "-o", "out"]);
    desk.ok(&["build", "m.toml", "-o", "again"]);
    assert_eq!(
        read(&desk.path("out/SHA256SUMS")),
        read(&desk.path("again/SHA256SUMS"))
    );

    let images = desk.path("out/v1/images");
    let place = format!("oci:{}:{app}", images.display());
    let raw = run(skopeo().args(["inspect", "--raw", &place])).stdout;
    assert_eq!(raw, manifest);
    // Into the registry of the isolated side, under the same digest.
    let mirror = format!("docker://{}", world.name("mirror/it:1.0"));
    let copy = [
        "copy",
        "--quiet",
        "--preserve-digests",
        "--dest-tls-verify=false",
    ];
    run(skopeo().args(copy).args([&place, &mirror]));
    assert_eq!(registry.get("v2/mirror/it/manifests/1.0"), manifest);
    // A manifest of Docker's kind is read as `docker load` reads it.
    let tar = desk.path("images.tar");
    let mut pack = tool("tar", "tar");
    run(pack.arg("-cf").arg(&tar).arg("-C").arg(&images).arg("."));
    for (name, config) in [(&app, &first.config), (&other, &second.config)] {
        let place = format!("docker-archive:{}:{name}", tar.display());
        let raw = run(skopeo().args(["inspect", "--config", "--raw", &place])).stdout;
        assert_eq!(Digest::of(&raw), config.sha256, "{name}");
        let to = format!(
            "dir:{}",
            desk.path(&format!("copy-{}", name.len())).display()
        );
        run(skopeo().args(["copy", "--quiet", &place, &to]));
    }
    let inspected = desk.ok(&["inspect", "out"]);
    assert!(inspected.contains("extra-0"), "{inspected}");

    // An auditor without network and store.
    desk.ok(&["keygen", "key"]);
    desk.ok(&["sign", "out", "--key", "key.key"]);
    std::fs::create_dir(desk.path("trust")).unwrap();
    std::fs::copy(desk.path("key.pem"), desk.path("trust/key.pem")).unwrap();
    std::fs::remove_dir_all(desk.path("store")).unwrap();
    let said = desk.ok(&["verify", "out", "--trust", "trust", "--evidence"]);
    assert!(
        said.contains("evidence  3 pieces of 0 files and 2 images hold"),
        "{said}"
    );
    let mut script = Command::new("sh");
    script
        .arg("verify.sh")
        .arg("../key.pem")
        .current_dir(desk.path("out"));
    let output = script.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let commands = by_hand(&desk);
    assert_eq!(commands.len(), 16);
    for (command, good) in &commands {
        assert!(good, "{command}");
    }
    // A layer that is not what it was: found by hand and by Haversack.
    let layer = desk.path(&format!("out/v1/{}", first.layers[1].path));
    std::fs::write(&layer, b"evil").unwrap();
    let bad = by_hand(&desk).iter().filter(|(_, good)| !good).count();
    assert_eq!(bad, 2, "once for each image");
    desk.fails(&["verify", "out", "--trust", "trust", "--evidence"], 3);
}

/// The commands of `evidence/README.txt`, and whether each succeeds.
fn by_hand(desk: &Desk) -> Vec<(String, bool)> {
    let text = String::from_utf8(read(&desk.path("out/evidence/README.txt"))).unwrap();
    let commands = text.lines().filter_map(|line| line.strip_prefix("  $ "));
    commands
        .map(|command| {
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).current_dir(desk.path("out"));
            (command.to_owned(), shell.output().unwrap().status.success())
        })
        .collect()
}

#[test]
fn a_tag_that_moved_since_stops_the_lock_and_names_both_images() {
    let world = World::new();
    let app = world.name("stack/app:1.0");
    let index = Digest::of(&world.index);
    let pinned = format!("digest = \"sha256:{index}\"");
    for (lines, update) in [(pinned.as_str(), false), (FIRST, true)] {
        let index = world.registry.put_index(
            "stack/app",
            "1.0",
            &[
                ("1.0-arm64", "linux/arm64"),
                ("1.0-arm64", "unknown/unknown"),
                ("1.0-amd64", "linux/amd64"),
            ],
        );
        assert_eq!(index, world.index);
        let desk = Desk::new();
        desk.manifest(&[(app.clone(), lines)]);
        desk.ok(&["lock", "m.toml"]);
        let before = read(&desk.path("m.lock"));
        let moved = world
            .registry
            .make(&format!("moved-{update}"), "amd64", &["other"]);
        world.registry.push(&moved, "stack/app:1.0", "oci");
        let now = Digest::of(&world.registry.get("v2/stack/app/manifests/1.0"));
        let said = desk.fails(&["lock", "m.toml"], 3);
        assert!(said.contains("error[E330]"), "{said}");
        let lock = Lock::parse(std::str::from_utf8(&before).unwrap(), "m.lock").unwrap();
        let was = if update {
            lock.images[0].manifest.sha256
        } else {
            Digest::of(&world.index)
        };
        for digest in [was, now] {
            assert!(said.contains(&digest.to_string()), "{digest}: {said}");
        }
        assert_eq!(read(&desk.path("m.lock")), before, "no lock was written");
        if update {
            desk.ok(&["lock", "m.toml", "--update", "extra-0"]);
            let newer = String::from_utf8(read(&desk.path("m.lock"))).unwrap();
            assert!(newer.contains(&now.to_string()));
            std::fs::write(desk.path("old.lock"), &before).unwrap();
            let shown = desk.run(&["diff", "old.lock", "m.lock"]).stdout;
            let shown = String::from_utf8(shown).unwrap();
            assert!(shown.contains(&now.to_string()), "{shown}");
        }
    }
}

/// A change of a lock.
type Edit = fn(&mut Lock);

/// A lock that somebody edited: what its documents do not say is not packed.
#[test]
fn an_edited_lock_is_not_believed() {
    let world = World::new();
    let desk = Desk::new();
    let pinned = format!("digest = \"sha256:{}\"", Digest::of(&world.index));
    desk.manifest(&[(world.name("stack/app:1.0"), &pinned)]);
    desk.ok(&["lock", "m.toml"]);
    let text = String::from_utf8(read(&desk.path("m.lock"))).unwrap();
    let lock = Lock::parse(&text, "m.lock").unwrap();
    let arm64 = world.registry.get("v2/stack/app/manifests/1.0-arm64");
    let edits: [(&str, Edit); 5] = [
        ("layers in another order", |lock| {
            lock.images[0].layers.reverse();
        }),
        ("a layer less", |lock| drop(lock.images[0].layers.pop())),
        ("another component", |lock| {
            lock.images[0].component = "extra-9".parse().unwrap();
        }),
        ("no index", |lock| lock.images[0].index = None),
        ("another media type", |lock| {
            lock.images[0].media_type.push('x');
        }),
    ];
    for (what, edit) in edits {
        let mut edited = lock.clone();
        edit(&mut edited);
        std::fs::write(desk.path("m.lock"), edited.to_toml()).unwrap();
        let said = desk.fails(&["build", "m.toml", "-o", "out"], 3);
        assert!(said.contains("error[E331]"), "{what}: {said}");
        assert!(!desk.path("out").exists(), "{what}");
    }
    // The manifest of the other platform, which the same index lists.
    let digest = Digest::of(&arm64);
    let mut edited = lock.clone();
    let manifest = &mut edited.images[0].manifest;
    manifest.sha256 = digest;
    manifest.size = u64::try_from(arm64.len()).unwrap();
    manifest.path = format!("images/blobs/sha256/{digest}").parse().unwrap();
    manifest.url = format!(
        "http://{}/v2/stack/app/manifests/sha256:{digest}",
        world.registry.address
    )
    .parse()
    .unwrap();
    std::fs::write(desk.path("m.lock"), edited.to_toml()).unwrap();
    let said = desk.fails(&["build", "m.toml", "-o", "out"], 3);
    assert!(said.contains("error[E331]"), "{said}");
    // A blob that does not stand where its digest says is refused when the lock is read.
    edited.images[0].manifest.path = "images/blobs/sha256/x".parse().unwrap();
    std::fs::write(desk.path("m.lock"), edited.to_toml()).unwrap();
    let said = desk.fails(&["build", "m.toml", "-o", "out"], 2);
    assert!(said.contains("error[E210]"), "{said}");
}
