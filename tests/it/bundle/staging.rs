//! Staging from several media: an apt repository over volumes and a program in parts give the same tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use haversack::bundle::contents::{Contents, FileKind};
use haversack::bundle::volumes::VolumeSize;
use haversack::bundle::{Item, PackRequest, Source, pack, sign};
use haversack::event::{Cancel, Silent};
use haversack::store::Store;
use haversack::trust::key::SigningKey;

use crate::support::bundles::info;
use crate::support::staged::Staged;

fn request(bundle: &Path, volume_size: Option<VolumeSize>) -> PackRequest {
    let json = fs::read(bundle.join("bundle.json")).unwrap();
    let contents = Contents::parse(&json).unwrap();
    let kept = contents.files.iter().filter(|(_, info)| info.kind != FileKind::Document);
    let mut items: Vec<Item> = kept
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
        items,
        repositories: contents.repositories,
    }
}

#[test]
fn staging_from_several_media_gives_what_one_bundle_gives() {
    let staged = Staged::new();
    let key = SigningKey::generate().unwrap();
    let trust = staged.path("trust-of-volumes");
    fs::create_dir(&trust).unwrap();
    fs::write(trust.join("k.pem"), key.verifying_key().to_pem().unwrap()).unwrap();
    fs::write(trust.join("policy.toml"), "format = 1\n").unwrap();
    let store = Store::open(&staged.path("store")).unwrap();
    let build = |name: &str, size| {
        let target = staged.path(name);
        let request = request(&staged.path("bundle"), size);
        let _ = pack(&target, &request, &store, &Silent, &Cancel::new()).unwrap();
        let _ = sign(&target, &key).unwrap();
        target
    };
    let whole = build("whole", None);
    let spread = build("spread", VolumeSize::of_medium(1_500_000));
    let json = Contents::parse(&fs::read(spread.join("bundle.json")).unwrap()).unwrap();
    assert_eq!(json.cut.len(), 1);
    let volumes: Vec<String> = haversack::fs::list(&spread)
        .unwrap()
        .into_iter()
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.starts_with('v') && spread.join(name).is_dir())
        .collect();
    assert!(volumes.len() >= 3, "{volumes:?}");
    let load = haversack::media::Load::open(&spread).unwrap();
    let media: Vec<PathBuf> = volumes
        .iter()
        .map(|volume| {
            let to = staged.path(&format!("medium-{volume}"));
            load.copy(volume, &to, &Silent, &Cancel::new()).unwrap().target
        })
        .collect();
    let stage = |bundles: &[PathBuf], out: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(["--progress", "none", "stage"])
            .args(bundles)
            .arg("--trust")
            .arg(&trust)
            .arg("--state")
            .arg(staged.path(&format!("state-{out}")))
            .arg("-d")
            .arg(staged.path("deployment.toml"))
            .arg("-o")
            .arg(staged.path(out))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), said)
    };
    let (code, said) = stage(std::slice::from_ref(&whole), "one");
    assert_eq!(code, 0, "{said}");
    let (code, said) = stage(&media, "several");
    assert_eq!(code, 0, "{said}");
    let artifacts = |out: &str| {
        let manifest = fs::read_to_string(staged.path(out).join("mm1/MANIFEST.sha256")).unwrap();
        let lines = manifest.lines().filter(|line| line.contains("  artifacts/"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(artifacts("several"), artifacts("one"));
    assert!(artifacts("one").iter().any(|line| line.contains("/pool/")));
    let (code, said) = stage(&media[..2], "few");
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("haversack gather") && !staged.path("few").exists(), "{said}");
}
