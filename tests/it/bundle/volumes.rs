//! Bundles over several volumes: packed, cut, verified in place, absent, and the same bytes each time.

use std::fs;
use std::path::{Path, PathBuf};

use haversack::bundle::contents::{Contents, FileKind};
use haversack::bundle::volumes::VolumeSize;
use haversack::bundle::{Item, PackRequest, Source, pack, sign};
use haversack::event::{Cancel, Progress, Silent, Step};
use haversack::parity::shape::Amount;
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::types::digest::Digest;
use haversack::types::path::RelPath;
use haversack::verify::{self, Memory, Options, Verdict};

use crate::support::bundles::{Sandbox, info, sha256sum_accepts, verify_sh};

use super::corpus::edit;

/// What a volume holds: less than the large file of these bundles.
pub(super) const MEDIUM: u64 = 1_500_000;

pub(super) struct Shelf {
    pub(super) sandbox: Sandbox,
    pub(super) trust: Trust,
    pub(super) key: PathBuf,
    pub(super) bundle: PathBuf,
}

/// Forty files of up to 120 KB and one of 2.4 MB, on media of 1.5 MB.
pub(super) fn request(sandbox: &Sandbox, parity: Option<Amount>) -> PackRequest {
    let mut request = sandbox.request();
    request.parity = parity;
    request.volume_size = VolumeSize::of_medium(MEDIUM);
    for number in 0..40_u32 {
        let bytes: Vec<u8> = (0..number * 750)
            .flat_map(|n| (n ^ number << 20).to_le_bytes())
            .collect();
        let digest = sandbox.store.put(&bytes).unwrap();
        let size = u64::try_from(bytes.len()).unwrap();
        request.items.push(Item {
            path: format!("v1/files/many/{number}.bin").parse().unwrap(),
            source: Source::Stored { digest, size },
            info: info(size, FileKind::Artifact),
        });
    }
    request
}

impl Shelf {
    pub(super) fn new(parity: Option<Amount>) -> Self {
        let sandbox = Sandbox::new();
        let key = SigningKey::generate().unwrap();
        let (folder, trust) = sandbox.trust("trust", &[&key], "");
        let bundle = sandbox.pack("bundle", &request(&sandbox, parity));
        let _ = sign(&bundle.path, &key).unwrap();
        Self {
            bundle: bundle.path,
            key: folder.join("k0.pem"),
            sandbox,
            trust,
        }
    }

    /// A medium with the small files and these volumes.
    pub(super) fn medium(&self, name: &str, volumes: &[&str]) -> PathBuf {
        let to = self.sandbox.path(name);
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(&self.bundle).unwrap() {
            let entry = entry.unwrap().file_name().into_string().unwrap();
            let is_volume = entry.starts_with(['v', 'p']) && self.bundle.join(&entry).is_dir();
            if !is_volume || volumes.contains(&entry.as_str()) {
                let status = std::process::Command::new("cp")
                    .arg("-a")
                    .arg(self.bundle.join(&entry))
                    .arg(&to)
                    .status();
                assert!(status.unwrap().success());
            }
        }
        to
    }

    pub(super) fn verify(&self, dirs: &[&Path]) -> (Verdict, Option<&'static str>, Vec<String>) {
        let dirs: Vec<PathBuf> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
        let (memory, options) = (Memory::none(), Options::default());
        let report = verify::verify(
            &dirs,
            &self.trust,
            &memory,
            &options,
            &Silent,
            &Cancel::new(),
        )
        .unwrap();
        (report.verdict, report.id(), report.absent_volumes)
    }
}

fn volumes_of(bundle: &Path) -> Vec<String> {
    let names = haversack::fs::list(bundle).unwrap().into_iter();
    let names = names.map(|name| name.into_string().unwrap());
    let volume = |name: &String| name.starts_with(['v', 'p']) && bundle.join(name).is_dir();
    names.filter(volume).collect()
}

fn bytes_below(folder: &Path) -> u64 {
    let all = haversack::fs::walk(folder).unwrap();
    all.iter()
        .map(|entry| entry.size.div_ceil(2048) * 2048)
        .sum()
}

#[test]
fn a_bundle_over_volumes_fits_its_media_and_is_the_same_each_time() {
    let shelf = Shelf::new(None);
    let names = volumes_of(&shelf.bundle);
    assert_eq!(names, ["v1", "v2", "v3", "v4", "v5"]);
    let list = fs::read_to_string(shelf.bundle.join("SHA256SUMS")).unwrap();
    assert!(list.contains("\n# volumes 5 parity 0\n"), "{list}");
    let usable = MEDIUM * 98 / 100;
    for name in &names {
        let medium = shelf.medium(&format!("medium-{name}"), &[name]);
        assert!(bytes_below(&medium) <= usable, "{name}");
    }
    // Cut is what no volume could hold, and nothing else.
    let json = fs::read(shelf.bundle.join("bundle.json")).unwrap();
    let contents = Contents::parse(&json).unwrap();
    assert_eq!(contents.format, 2);
    let (whole, cut) = contents.cut.first_key_value().unwrap();
    assert_eq!((contents.cut.len(), cut.info.size), (1, 2_400_000));
    assert_eq!(whole.as_str(), "v1/files/app/app-1.2.3.tar.gz");
    let parts: Vec<&str> = cut.parts.iter().map(RelPath::as_str).collect();
    assert_eq!(parts[0], "v1/files/app/app-1.2.3.tar.gz.000");
    let joined: Vec<u8> = parts
        .iter()
        .flat_map(|part| fs::read(shelf.bundle.join(part)).unwrap())
        .collect();
    assert_eq!(Digest::of(&joined), cut.sha256);
    let payload = |info: &&haversack::bundle::contents::FileInfo| {
        matches!(info.kind, FileKind::Artifact | FileKind::AptPackage)
    };
    assert_eq!(contents.joined().files.values().filter(payload).count(), 43);

    let mut request = request(&shelf.sandbox, None);
    request.items.reverse();
    let again = shelf.sandbox.pack("again", &request);
    assert_eq!(again.sums.render(), list);
    assert!(shelf.sandbox.pack("again", &request).existing);
    assert!(sha256sum_accepts(&again.path));
    edit(
        &again.path,
        "v1/files/app/app-1.2.3.tar.gz.000",
        |mut bytes| {
            bytes[9] ^= 1;
            bytes
        },
    );
    let store = &shelf.sandbox.store;
    let refused = pack(&again.path, &request, store, &Silent, &Cancel::new()).unwrap_err();
    assert_eq!(refused.id(), "E315");
}

#[test]
fn volumes_are_verified_from_several_places_in_any_order_and_one_by_one() {
    let shelf = Shelf::new(None);
    let media: Vec<PathBuf> = ["v1", "v2", "v3", "v4", "v5"]
        .iter()
        .map(|name| shelf.medium(&format!("m-{name}"), &[name]))
        .collect();
    let all: Vec<&Path> = media.iter().map(PathBuf::as_path).collect();
    let of = |numbers: &[usize]| -> Vec<&Path> { numbers.iter().map(|n| all[*n]).collect() };
    assert_eq!(
        shelf.verify(&[&shelf.bundle]),
        (Verdict::Good, None, vec![])
    );
    for order in [[0, 1, 2, 3, 4], [3, 4, 1, 0, 2]] {
        assert_eq!(shelf.verify(&of(&order)), (Verdict::Good, None, vec![]));
    }
    let absent = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        (Verdict::Incomplete, Some("E801"), names)
    };
    assert_eq!(shelf.verify(&of(&[1])), absent(&["v1", "v3", "v4", "v5"]));
    assert_eq!(shelf.verify(&of(&[3, 0])), absent(&["v2", "v3", "v5"]));
    for shell in ["dash", "bash"] {
        let key = std::slice::from_ref(&shelf.key);
        let (code, text) = verify_sh(shell, &shelf.bundle, "1", key);
        assert_eq!(code, 0, "{text}");
        let (code, text) = verify_sh(shell, all[1], "1", key);
        assert_eq!(
            (code, text.contains("not here: v1 v3 v4 v5")),
            (8, true),
            "{text}"
        );
    }
    // What is missing inside a volume that is here is no volume to wait for.
    fs::remove_file(media[1].join("v2/files/app/app-1.2.3.tar.gz.001")).unwrap();
    assert_eq!(shelf.verify(&all).1, Some("E304"));
}

#[test]
fn a_cut_file_is_copied_out_whole_and_held_against_the_hash_of_the_whole() {
    let shelf = Shelf::new(None);
    let whole: RelPath = "v1/files/app/app-1.2.3.tar.gz".parse().unwrap();
    let open = |dir: &Path| {
        let dirs = [dir.to_owned()];
        verify::open(&dirs, &shelf.trust, &Memory::none(), &Options::default()).unwrap()
    };
    let cancel = Cancel::new();
    let progress = Progress {
        step: Step::Stage,
        observer: &Silent,
        cancel: &cancel,
    };
    let bundle = open(&shelf.bundle);
    let info = &bundle.contents().files[&whole];
    assert_eq!((info.size, info.kind), (2_400_000, FileKind::Artifact));
    assert!(
        bundle
            .contents()
            .files
            .values()
            .all(|info| info.kind != FileKind::Part)
    );
    let target = shelf.sandbox.path("out");
    bundle.copy_out(&whole, &target, 0o644, &progress).unwrap();
    let expected = shelf.sandbox.request().items[0].source.digest();
    assert_eq!(Digest::of(&fs::read(&target).unwrap()), expected);
    assert_eq!(bundle.digest_of(&whole), Some(expected));
    assert_eq!(
        bundle.read_file(&whole, 3_000_000).unwrap().len(),
        2_400_000
    );
    fs::remove_file(&target).unwrap();
    edit(
        &shelf.bundle,
        "v1/files/app/app-1.2.3.tar.gz.000",
        |mut bytes| {
            bytes[700_000] ^= 4;
            bytes
        },
    );
    let error = open(&shelf.bundle)
        .copy_out(&whole, &target, 0o644, &progress)
        .unwrap_err();
    assert_eq!(error.id(), "E301");
    assert!(!target.exists());
    let names = haversack::fs::list(shelf.sandbox.folder.path()).unwrap();
    assert_eq!(names, ["bundle", "store", "trust"], "no half file");
}

#[test]
fn a_medium_too_small_for_what_each_carries_is_refused_before_anything_is_written() {
    let sandbox = Sandbox::new();
    let mut request = request(&sandbox, None);
    let mut refused = |nominal: u64| {
        request.volume_size = VolumeSize::of_medium(nominal);
        let target = sandbox.path("demo");
        let error = pack(&target, &request, &sandbox.store, &Silent, &Cancel::new()).unwrap_err();
        assert!(!target.exists() && !sandbox.path(".demo.part").exists());
        (error.id(), error.to_string())
    };
    assert_eq!(refused(300_000).0, "E287");
}

#[test]
fn a_spare_medium_and_scattered_parity_fit_the_media_too() {
    for (percent, spare_volumes, parity) in [(None, 1, 1), (Some(30), 0, 2), (Some(10), 2, 2)] {
        let amount = Amount {
            percent,
            spare_volumes,
        };
        let shelf = Shelf::new(Some(amount));
        let names = volumes_of(&shelf.bundle);
        let count = names.iter().filter(|name| name.starts_with('p')).count();
        assert_eq!(count, parity, "{percent:?} {spare_volumes}");
        for name in &names {
            let medium = shelf.medium(&format!("medium-{name}"), &[name]);
            assert!(bytes_below(&medium) <= MEDIUM * 98 / 100, "{name}");
        }
        assert_eq!(shelf.verify(&[&shelf.bundle]).0, Verdict::Good);
    }
}
