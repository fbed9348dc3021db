//! Bundles with parity: the same bytes each time, damage located to its blocks, and mended.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, RngCore as _, SeedableRng as _};

use haversack::bundle::contents::FileKind;
use haversack::bundle::{Item, PackRequest, Source, sign};
use haversack::event::{Cancel, Silent};
use haversack::fs::walk;
use haversack::parity::shape::Amount;
use haversack::repair::{RepairError, Repaired, repair};
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::types::path::RelPath;
use haversack::verify::{self, Memory, Options, Survey, Verdict};

use crate::support::bundles::{Sandbox, info, verify_sh};

struct Yard {
    sandbox: Sandbox,
    trust: Trust,
    key: PathBuf,
    bundle: PathBuf,
}

/// Two hundred files of random bytes: most small, one large.
fn request(sandbox: &Sandbox, amount: Amount) -> PackRequest {
    let mut random = StdRng::seed_from_u64(7);
    let mut request = sandbox.request();
    request.parity = Some(amount);
    for number in 0..200_u32 {
        let size = if number == 0 {
            9_000_000
        } else {
            random.gen_range(0..60_000)
        };
        let mut bytes = vec![0; size];
        random.fill_bytes(&mut bytes);
        let digest = sandbox.store.put(&bytes).unwrap();
        let size = u64::try_from(size).unwrap();
        request.items.push(Item {
            path: format!("v1/files/many/{number}.bin").parse().unwrap(),
            source: Source::Stored { digest, size },
            info: info(size, FileKind::Artifact),
        });
    }
    request
}

impl Yard {
    fn new(amount: Amount) -> Self {
        let sandbox = Sandbox::new();
        let key = SigningKey::generate().unwrap();
        let (folder, trust) = sandbox.trust("trust", &[&key], "");
        let bundle = sandbox.pack("bundle", &request(&sandbox, amount));
        let _ = sign(&bundle.path, &key).unwrap();
        Self {
            bundle: bundle.path,
            key: folder.join("k0.pem"),
            sandbox,
            trust,
        }
    }

    fn survey(&self, dirs: &[&Path]) -> Survey {
        let dirs: Vec<PathBuf> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
        verify::survey(
            &dirs,
            &self.trust,
            &Memory::none(),
            &Options::default(),
            &Silent,
            &Cancel::new(),
        )
        .unwrap()
    }

    /// A copy to damage.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.sandbox.path(name);
        let status = std::process::Command::new("cp")
            .arg("-a")
            .arg(&self.bundle)
            .arg(&to)
            .status()
            .unwrap();
        assert!(status.success());
        to
    }

    fn repair(&self, dirs: &[&Path], to: &str) -> Result<Repaired, RepairError> {
        let target = self.sandbox.path(to);
        repair(&self.survey(dirs), &target, &Silent, &Cancel::new())
    }

    /// That a folder has every byte of the bundle that was built.
    #[track_caller]
    fn assert_whole(&self, folder: &str) {
        let other = self.sandbox.path(folder);
        let files = |root: &Path| -> Vec<(PathBuf, u64)> {
            let all = walk(root).unwrap().into_iter();
            all.map(|entry| (entry.path, entry.size)).collect()
        };
        assert_eq!(files(&self.bundle), files(&other));
        for (path, _) in files(&self.bundle) {
            let whole = self.bundle.join(&path);
            if whole.is_file() {
                assert!(
                    fs::read(whole).unwrap() == fs::read(other.join(&path)).unwrap(),
                    "{}",
                    path.display()
                );
            }
        }
    }
}

const TEN: Amount = Amount {
    percent: Some(10),
    spare_volumes: 0,
};

/// Changes one byte of a file.
fn flip(path: &Path, at: u64) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

#[test]
fn parity_is_listed_and_the_same_each_time_and_every_verifier_takes_it() {
    let yard = Yard::new(TEN);
    let again = yard.sandbox.pack("again", &request(&yard.sandbox, TEN));
    let list = fs::read_to_string(yard.bundle.join("SHA256SUMS")).unwrap();
    assert_eq!(again.sums.render(), list);
    assert!(list.contains("\n# volumes 1 parity 1\n"), "{list}");
    assert!(list.contains("  p1/blocks.sha256\n") && list.contains("  p1/parity.000\n"));
    let there = yard.sandbox.pack("again", &request(&yard.sandbox, TEN));
    assert!(there.existing);
    assert_eq!(there.identity, again.identity);
    assert_eq!(yard.survey(&[&yard.bundle]).report().verdict, Verdict::Good);
    for shell in ["dash", "bash"] {
        let (code, text) = verify_sh(shell, &yard.bundle, "1", std::slice::from_ref(&yard.key));
        assert_eq!(code, 0, "{text}");
    }
}

/// Fifty rounds with a flip in each of 200 files: 10,000 flips. A round is one verification, which must name exactly
/// the 200 files, and exactly the blocks that the flips are in.
#[test]
fn each_of_ten_thousand_flips_is_seen_and_located_to_its_block() {
    let yard = Yard::new(TEN);
    let copy = yard.copy("flipped");
    let list = fs::read_to_string(copy.join("p1/blocks.sha256")).unwrap();
    let block: u64 = list
        .lines()
        .find_map(|line| line.strip_prefix("# block "))
        .unwrap()
        .parse()
        .unwrap();
    // The run of the volume, put together here a second time, by the list alone.
    let sums = fs::read_to_string(copy.join("SHA256SUMS")).unwrap();
    let mut run: Vec<(String, u64, u64)> = Vec::new();
    let mut at = 0;
    for line in sums.lines().filter(|line| line.contains("  v1/")) {
        let path = line.split_once("  ").unwrap().1.to_owned();
        let size = fs::metadata(copy.join(&path)).unwrap().len();
        run.push((path, at, size));
        at += size;
    }
    run.retain(|(path, _, size)| path.contains("/many/") && *size > 0);
    assert_eq!(run.len(), 200);
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..50 {
        let mut blocks = BTreeSet::new();
        let mut flips = Vec::new();
        for (path, start, size) in &run {
            let byte = random.gen_range(0..*size);
            flip(&copy.join(path), byte);
            flips.push((path, byte));
            blocks.insert(format!("v1/{}", (start + byte) / block));
        }
        let report = yard.survey(&[&copy]).report().clone();
        let mut files: Vec<&String> = flips.iter().map(|(path, _)| *path).collect();
        files.sort();
        let told = report.problems.iter();
        let told: Vec<(&str, &str)> = told.map(|one| (one.id(), one.path())).collect();
        let wanted: Vec<(&str, &str)> = files.iter().map(|path| ("E301", path.as_str())).collect();
        assert_eq!(told, wanted, "each flip is seen, and nothing else");
        let found: BTreeSet<String> = report.damage.unwrap().blocks.into_iter().collect();
        assert_eq!(found, blocks);
        for (path, byte) in flips {
            flip(&copy.join(path), byte);
        }
    }
    assert_eq!(yard.survey(&[&copy]).report().verdict, Verdict::Good);
}

#[test]
fn nine_percent_of_lost_blocks_are_mended_to_the_same_bytes() {
    let yard = Yard::new(TEN);
    let copy = yard.copy("scratched");
    let index = fs::read_to_string(copy.join("p1/blocks.sha256")).unwrap();
    let block: u64 = index
        .lines()
        .find_map(|line| line.strip_prefix("# block "))
        .unwrap()
        .parse()
        .unwrap();
    let mut blocks: Vec<u64> = (0..9_000_000 / block).collect();
    let all = index.lines().filter(|line| !line.starts_with('#')).count();
    blocks.shuffle(&mut StdRng::seed_from_u64(3));
    let large = copy.join("v1/files/many/0.bin");
    for number in blocks.iter().take(all * 9 / 100) {
        flip(&large, number * block + block / 2);
    }
    let before = fs::read(&large).unwrap();
    let done = yard.repair(&[&copy], "mended").unwrap();
    assert_eq!(done.files_rebuilt.len(), 1);
    assert!(done.blocks_rebuilt >= u64::try_from(all * 9 / 100).unwrap() && !done.parity_made);
    yard.assert_whole("mended");
    assert!(
        fs::read(&large).unwrap() == before,
        "the damaged bundle is not touched"
    );
}

#[test]
fn missing_cut_and_longer_files_and_damaged_parity_are_mended() {
    let yard = Yard::new(TEN);
    let copy = yard.copy("broken");
    fs::remove_file(copy.join("v1/files/many/5.bin")).unwrap();
    let cut = fs::OpenOptions::new()
        .write(true)
        .open(copy.join("v1/files/many/6.bin"))
        .unwrap();
    cut.set_len(10).unwrap();
    let longer = copy.join("v1/files/many/7.bin");
    let mut bytes = fs::read(&longer).unwrap();
    bytes.push(0);
    fs::write(&longer, bytes).unwrap();
    flip(&copy.join("p1/parity.000"), 70_000);
    fs::write(copy.join("v1/files/many/unlisted"), "x").unwrap();
    let done = yard.repair(&[&copy], "mended").unwrap();
    assert!(done.parity_made);
    let names: Vec<&str> = done.files_rebuilt.iter().map(RelPath::as_str).collect();
    assert_eq!(
        names,
        [
            "v1/files/many/5.bin",
            "v1/files/many/6.bin",
            "v1/files/many/7.bin"
        ]
    );
    yard.assert_whole("mended");
}

#[test]
fn too_much_damage_is_told_and_nothing_is_written() {
    let yard = Yard::new(Amount {
        percent: Some(1),
        spare_volumes: 0,
    });
    let copy = yard.copy("ruined");
    let large = copy.join("v1/files/many/0.bin");
    for at in (0..9_000_000).step_by(65_536) {
        flip(&large, at);
    }
    let refused = yard.repair(&[&copy], "mended").unwrap_err();
    assert_eq!(refused.id(), "E321");
    assert!(
        refused
            .to_string()
            .contains("lost files: v1/files/many/0.bin; "),
        "{refused}"
    );
    // Two copies that are damaged elsewhere help each other.
    let other = yard.copy("other");
    flip(&other.join("v1/files/many/1.bin"), 0);
    let done = yard.repair(&[&copy, &other], "both").unwrap();
    assert_eq!((done.files_rebuilt.len(), done.blocks_rebuilt), (0, 0));
    yard.assert_whole("both");
    // What every place lacks, and parity does not cover.
    flip(&copy.join("README.txt"), 3);
    let refused = yard.repair(&[&copy], "mended").unwrap_err();
    assert_eq!(refused.id(), "E321");
    assert!(
        refused.to_string().ends_with("parity: README.txt"),
        "{refused}"
    );
    for name in ["mended", ".mended.part"] {
        assert!(!yard.sandbox.path(name).exists());
    }
}

#[test]
fn without_parity_a_repair_says_so() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let (_, trust) = sandbox.trust("trust", &[&key], "");
    let bundle = sandbox.signed("bundle", &[&key]);
    flip(&bundle.join(super::corpus::APP), 9);
    let yard = Yard {
        key: PathBuf::new(),
        bundle: bundle.clone(),
        sandbox,
        trust,
    };
    assert!(yard.survey(&[&bundle]).report().damage.is_none());
    let refused = yard.repair(&[&bundle], "mended").unwrap_err();
    assert_eq!(refused.id(), "E322");
}
