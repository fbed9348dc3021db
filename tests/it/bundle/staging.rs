//! Staging from several media: an apt repository over volumes and a program in parts give the same tree as
//! one bundle, from media that are mounted read-only, and from a folder that took them one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use haversack::bundle::contents::{Contents, FileKind};
use haversack::bundle::volumes::VolumeSize;
use haversack::bundle::{Item, PackRequest, Source, pack, sign};
use haversack::event::{Cancel, Silent};
use haversack::media::Load;
use haversack::store::Store;
use haversack::trust::key::SigningKey;

use super::corpus::snapshot;
use crate::support::bundles::info;
use crate::support::staged::{DEPLOYMENT, Staged, packages};

/// The bundle of the tests again, with a program of 2.8 MB.
fn request(bundle: &Path, volume_size: Option<VolumeSize>) -> PackRequest {
    let json = fs::read(bundle.join("bundle.json")).unwrap();
    let contents = Contents::parse(&json).unwrap();
    let files = contents.files.iter();
    let kept = files.filter(|(_, info)| info.kind != FileKind::Document);
    let mut items: Vec<Item> = kept
        .filter(|(path, _)| !path.as_str().starts_with("v1/files/mc/"))
        .map(|(path, info)| Item {
            path: path.clone(),
            source: Source::Bytes(fs::read(bundle.join(path.to_path())).unwrap()),
            info: info.clone(),
        })
        .collect();
    let large: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut mc = info(u64::try_from(large.len()).unwrap(), FileKind::Artifact);
    mc.components = vec!["mc".parse().unwrap()];
    mc.version = Some("RELEASE.2025-08-13T08-35-41Z".to_owned());
    items.push(Item {
        path: "v1/files/mc/mc".parse().unwrap(),
        source: Source::Bytes(large),
        info: mc,
    });
    PackRequest {
        name: "mattermost-linux".parse().unwrap(),
        version: "11.7.10".parse().unwrap(),
        sequence: "1".parse().unwrap(),
        created: "2026-11-23T18:00:00Z".parse().unwrap(),
        marking: "UNCLASSIFIED".parse().unwrap(),
        target: contents.target,
        parity: None,
        volume_size,
        base: None,
        changes: std::collections::BTreeMap::new(),
        items,
        repositories: contents.repositories,
    }
}

struct Site {
    staged: Staged,
    key: SigningKey,
    store: Store,
}

impl Site {
    fn new() -> Self {
        let mut packages = packages();
        // What depends on the server of the distribution; plans ask for it.
        packages.push(("postgresql", "15+248"));
        let staged = Staged::with(DEPLOYMENT, &packages).unwrap();
        let key = SigningKey::generate().unwrap();
        let trust = staged.path("trust-of-volumes");
        fs::create_dir(&trust).unwrap();
        fs::write(trust.join("k.pem"), key.verifying_key().to_pem().unwrap()).unwrap();
        fs::write(trust.join("policy.toml"), "format = 1\n").unwrap();
        let store = Store::open(&staged.path("store")).unwrap();
        Self { staged, key, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.staged.path(name)
    }

    fn build(&self, name: &str, size: Option<VolumeSize>) -> PathBuf {
        let target = self.path(name);
        let request = request(&self.path("bundle"), size);
        let _ = pack(&target, &request, &self.store, &Silent, &Cancel::new()).unwrap();
        let _ = sign(&target, &self.key).unwrap();
        target
    }

    /// Runs the program, where the media are mounted read-only.
    fn run(&self, words: &[&str], places: &[PathBuf], state: &str) -> (i32, String) {
        let script = "while [ \"$1\" != -- ]; do mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && \
                      ! touch \"$1/x\" 2>/dev/null || exit 99; shift; done; shift; exec \"$@\"";
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .args(places)
            .arg("--")
            .arg(env!("CARGO_BIN_EXE_haversack"))
            .args(["--progress", "none"])
            .args(words)
            .args(places)
            .arg("--trust")
            .arg(self.path("trust-of-volumes"))
            .arg("--state")
            .arg(self.path(state))
            .current_dir(self.path(""))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(text).unwrap(),
        )
    }

    fn stage(&self, places: &[PathBuf], out: &str) -> (i32, String) {
        let words = ["stage", "-d", "deployment.toml", "-o", out];
        self.run(&words, places, &format!("state-{out}"))
    }

    /// What a host gets out of the bundle: name and SHA-256 of each file.
    fn artifacts(&self, out: &str) -> Vec<String> {
        let manifest = fs::read_to_string(self.path(out).join("mm1/MANIFEST.sha256")).unwrap();
        let lines = manifest.lines();
        let lines = lines.filter(|line| line.contains("  artifacts/"));
        lines.map(str::to_owned).collect()
    }
}

#[test]
fn staging_from_several_media_gives_what_one_bundle_gives() {
    let site = Site::new();
    let whole = site.build("whole", None);
    let spread = site.build("spread", VolumeSize::of_medium(1_500_000));
    let json = Contents::parse(&fs::read(spread.join("bundle.json")).unwrap()).unwrap();
    assert_eq!(json.cut.len(), 1, "the program is in parts");
    let load = Load::open(&spread).unwrap();
    let volumes = load.volumes();
    assert!(volumes.len() >= 3, "{volumes:?}");
    let media: Vec<PathBuf> = volumes
        .iter()
        .map(|volume| {
            let to = site.path(&format!("medium-{volume}"));
            let medium = load.copy(volume, &to, &Silent, &Cancel::new()).unwrap();
            medium.target
        })
        .collect();
    fs::remove_dir_all(&spread).unwrap();
    let before: Vec<_> = media.iter().map(|medium| snapshot(medium)).collect();

    let (code, said) = site.stage(std::slice::from_ref(&whole), "one");
    assert_eq!(code, 0, "{said}");
    let expected = site.artifacts("one");
    assert!(expected.iter().any(|line| line.contains("/pool/")));
    assert!(expected.iter().any(|line| line.ends_with("/mc")));

    // All at once, in place, and in another order.
    let (code, said) = site.run(&["verify"], &media, "state-verify");
    assert_eq!((code, said.starts_with("GOOD: ")), (0, true), "{said}");
    let mut turned = media.clone();
    turned.reverse();
    let (code, said) = site.stage(&turned, "several");
    assert_eq!(code, 0, "{said}");
    assert_eq!(site.artifacts("several"), expected);

    // With one drive: one after the other.
    for (number, medium) in media.iter().enumerate() {
        let last = number + 1 == media.len();
        let expected = if last { 0 } else { 8 };
        let medium = std::slice::from_ref(medium);
        let (code, said) = site.run(&["verify"], medium, "state-turn");
        assert_eq!(code, expected, "{said}");
        let (code, said) = site.run(&["gather", "-o", "in"], medium, "state-gather");
        assert_eq!(code, expected, "{said}");
    }
    let (code, said) = site.stage(&[site.path("in")], "in-turn");
    assert_eq!(code, 0, "{said}");
    assert_eq!(site.artifacts("in-turn"), expected);

    // Not all of them: nothing is staged, and the next step is told.
    let (code, said) = site.stage(&media[..2], "few");
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("haversack gather"), "{said}");
    assert!(!site.path("few").exists());
    let after: Vec<_> = media.iter().map(|medium| snapshot(medium)).collect();
    assert_eq!(before, after, "the media are only read");
    // One of them damaged: nothing is staged, and file and volume are named.
    let last = media.last().unwrap();
    let name = volumes.last().unwrap();
    let payload = haversack::fs::walk(&last.join(name)).unwrap();
    let payload = payload.iter().rfind(|entry| entry.size > 0).unwrap();
    let path = last.join(name).join(&payload.path);
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (code, said) = site.stage(&media, "damaged");
    assert_eq!(code, 3, "{said}");
    let file = format!("{name}/{}", payload.path.display());
    assert!(said.contains("E301") && said.contains(&file), "{said}");
    assert!(!site.path("damaged").exists());
}
