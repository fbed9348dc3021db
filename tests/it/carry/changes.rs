//! Deltas that carry changes instead of whole files, of packages that `dpkg-deb` and `tar` made.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice::from_ref;

use haversack::bundle::header::Sequence;
use haversack::bundle::{Base, ItemChange, PackRequest, Source, changes, sign, to_sign};
use haversack::carry::{self, CarryError, Drop, Received, Settle};
use haversack::delta::layout::Form;
use haversack::event::{Cancel, Progress, Silent, Step};
use haversack::report::dossier::Dossier;
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::types::digest::Digest;
use haversack::types::path::RelPath;

use super::{single, taking, tree};
use crate::support::bundles::Sandbox;

/// An old bundle, the next one in full, the same as a delta of whole files, and as one with changes.
pub(super) struct Packages {
    sandbox: Sandbox,
    key: SigningKey,
    trust: Trust,
    pub(super) old: PathBuf,
    full: PathBuf,
    whole: PathBuf,
    pub(super) delta: PathBuf,
    request: PackRequest,
}

/// Lines that do not repeat, so that nothing but an older version makes them small.
fn lines(count: u32, seed: u32, version: &str) -> String {
    let mut state = seed;
    let mut text = format!("version {version}\n");
    for number in 0..count {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let other = state.rotate_left(9) ^ number;
        writeln!(text, "{number} {state:08x}{other:08x}").unwrap();
    }
    text
}

/// A package by the real `dpkg-deb`.
fn package(sandbox: &Sandbox, version: &str) -> Vec<u8> {
    let root = sandbox.path(&format!("deb-{version}"));
    std::fs::create_dir_all(root.join("DEBIAN")).unwrap();
    std::fs::create_dir_all(root.join("usr/share/app")).unwrap();
    let control = format!(
        "Package: app\nVersion: {version}\nArchitecture: amd64\nMaintainer: a <a@example.org>\nDescription: x\n"
    );
    std::fs::write(root.join("DEBIAN/control"), control).unwrap();
    for name in 0..4 {
        let text = lines(4000, name, if name == 2 { version } else { "any" });
        std::fs::write(root.join(format!("usr/share/app/{name}")), text).unwrap();
    }
    let to = sandbox.path(&format!("app_{version}_amd64.deb"));
    run(Command::new("dpkg-deb")
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .args([&root, &to]));
    std::fs::read(to).unwrap()
}

/// An archive by the real `tar` and `gzip -9`.
fn archive(sandbox: &Sandbox, version: &str) -> Vec<u8> {
    let root = sandbox.path(&format!("tar-{version}"));
    std::fs::create_dir_all(&root).unwrap();
    for name in 0..4 {
        let text = lines(4000, name, if name == 1 { version } else { "any" });
        std::fs::write(root.join(name.to_string()), text).unwrap();
    }
    let script =
        "tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - 0 1 2 3 | gzip -9n > ../a.tgz";
    run(Command::new("sh").args(["-c", script]).current_dir(&root));
    std::fs::read(sandbox.path("a.tgz")).unwrap()
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

impl Packages {
    pub(super) fn new() -> Self {
        let sandbox = Sandbox::new();
        let key = SigningKey::generate().unwrap();
        let (_, trust) = sandbox.trust("trust", &[&key], "");
        let request = |number: u64, version: &str| {
            let mut request = sandbox.request();
            request.sequence = Sequence::new(number).unwrap();
            let mut put = |item: usize, path: String, bytes: &[u8]| {
                let digest = sandbox.store.put(bytes).unwrap();
                let size = u64::try_from(bytes.len()).unwrap();
                let item = &mut request.items[item];
                item.path = path.parse().unwrap();
                item.source = Source::Stored { digest, size };
                item.info.size = size;
            };
            put(
                0,
                format!("v1/files/app/app-{version}.tar.gz"),
                &archive(&sandbox, version),
            );
            put(
                2,
                format!("v1/apt/base/pool/app_{version}_amd64.deb"),
                &package(&sandbox, version),
            );
            request
        };
        let signed = |name: &str, request: &PackRequest| {
            let bundle = sandbox.pack(name, request);
            let _ = sign(&bundle.path, &key).unwrap();
            bundle.path
        };
        let old = signed("old", &request(42, "1.0"));
        let mut request = request(43, "1.1");
        let full = signed("full", &request);
        request.base = Some(Base::new(&to_sign(&old).unwrap().sums).unwrap());
        let whole = signed("whole", &request);
        let cancel = Cancel::new();
        let progress = Progress {
            step: Step::Change,
            observer: &Silent,
            cancel: &cancel,
        };
        let (found, kept) = changes::make(&request, &old, &sandbox.store, &progress).unwrap();
        assert_eq!((found.len(), kept), (2, Vec::new()));
        request.changes = found;
        let delta = signed("delta", &request);
        Self {
            sandbox,
            key,
            trust,
            old,
            full,
            whole,
            delta,
            request,
        }
    }

    pub(super) fn gather(
        &self,
        dir: &Path,
        bases: &[PathBuf],
        out: &str,
    ) -> Result<Received, CarryError> {
        let taking = carry::Taking {
            bases,
            ..taking(&self.trust)
        };
        let out = self.sandbox.path(out);
        carry::gather(&[dir.to_owned()], &out, taking, &Silent, &Cancel::new())
    }
}

impl Packages {
    /// The delta with other changes, signed all the same: a builder that errs, or lies.
    fn signed_with(&self, name: &str, edit: impl FnOnce(&mut Changed)) -> PathBuf {
        let mut request = self.request.clone();
        let mut changed: Changed = request.changes.into_iter().collect();
        edit(&mut changed);
        request.changes = changed.into_iter().collect();
        let bundle = self.sandbox.pack(name, &request);
        let _ = sign(&bundle.path, &self.key).unwrap();
        bundle.path
    }

    /// The bytes of a change, edited.
    fn with_bytes(&self, one: &mut ItemChange, edit: impl FnOnce(&mut Vec<u8>)) {
        let digest = one.source.digest();
        let mut bytes = self.sandbox.store.read(&digest, 1 << 20).unwrap().unwrap();
        edit(&mut bytes);
        let size = u64::try_from(bytes.len()).unwrap();
        let digest = self.sandbox.store.put(&bytes).unwrap();
        one.source = Source::Stored { digest, size };
        one.change.size = size;
    }
}

/// The changes in the order of their files: the package, then the archive.
type Changed = Vec<(RelPath, ItemChange)>;
type Edit<'a> = &'a dyn Fn(&mut Changed);

/// Bytes of every file below a folder.
fn bytes(folder: &Path) -> usize {
    tree(folder).iter().map(|(_, bytes)| bytes.len()).sum()
}

#[test]
fn changes_are_far_smaller_than_the_files_and_make_the_full_bundle_byte_for_byte() {
    let packages = Packages::new();
    let (full, whole, delta) = (
        bytes(&packages.full),
        bytes(&packages.whole),
        bytes(&packages.delta),
    );
    println!("full {full} bytes, a delta of whole files {whole}, with changes {delta}");
    assert!(
        delta * 3 < whole && delta * 3 < full,
        "{full} {whole} {delta}"
    );
    let received = packages
        .gather(&packages.delta, from_ref(&packages.old), "out")
        .unwrap();
    assert_eq!(tree(&received.bundle), tree(&packages.full));
    let told = received.delta.unwrap();
    assert_eq!(
        (told.files_made, told.bytes_full),
        (2, received.report.header.bytes)
    );
    assert!(told.bytes_carried < told.bytes_full);
    // Through a pipe, and through a drop folder.
    let bases = [packages.old.clone()];
    let taking = carry::Taking {
        bases: &bases,
        ..taking(&packages.trust)
    };
    let file = single(&packages.delta);
    let out = packages.sandbox.path("piped");
    let from: (&mut dyn std::io::Read, &Path) = (&mut &file[..], Path::new("pipe"));
    carry::receive(from, &out, taking, &Silent, &Cancel::new()).unwrap();
    assert_eq!(tree(&out), tree(&packages.full));
    let inbox = packages.sandbox.path("inbox");
    carry::scatter(from_ref(&packages.delta), &inbox, &Silent, &Cancel::new()).unwrap();
    let (dropped, cancel) = (packages.sandbox.path("dropped"), Cancel::new());
    let progress = Progress {
        step: Step::Receive,
        observer: &Silent,
        cancel: &cancel,
    };
    let mut drop = Drop::new(&inbox, &dropped, taking);
    assert_eq!(drop.look(Settle::Now, &progress).unwrap(), None);
    drop.finish(&progress).unwrap();
    assert_eq!(tree(&dropped), tree(&packages.full));
}

const DEB_CHANGE: &str = "v1/change/apt/base/pool/app_1.1_amd64.deb";
const DEB_BASE: &str = "v1/apt/base/pool/app_1.0_amd64.deb";

#[test]
fn a_change_or_a_base_that_is_damaged_is_refused_before_it_is_opened() {
    let packages = Packages::new();
    let bases = [packages.old.clone()];
    let gather = || packages.gather(&packages.delta, &bases, "out");
    let change = packages.delta.join(DEB_CHANGE);
    let good = std::fs::read(&change).unwrap();
    let mut altered = good.clone();
    altered[good.len() / 2] ^= 1;
    for (bytes, id) in [
        (&altered[..], "E301"),
        (&good[..good.len() - 1], "E302"),
        (&[&good[..], b"x"].concat(), "E303"),
    ] {
        std::fs::write(&change, bytes).unwrap();
        assert_eq!(gather().unwrap_err().id(), id);
    }
    std::fs::remove_file(&change).unwrap();
    assert_eq!(gather().unwrap_err().id(), "E304");
    std::fs::write(&change, &good).unwrap();
    // What a delta makes lies nowhere in it.
    let made = packages.delta.join("made/v1/apt/base/pool");
    std::fs::create_dir_all(&made).unwrap();
    std::fs::write(made.join("app_1.1_amd64.deb"), "x").unwrap();
    assert_eq!(gather().unwrap_err().id(), "E305");
    std::fs::remove_dir_all(packages.delta.join("made")).unwrap();
    let base = packages.old.join(DEB_BASE);
    let good = std::fs::read(&base).unwrap();
    let mut altered = good.clone();
    altered[good.len() / 2] ^= 1;
    std::fs::write(&base, &altered).unwrap();
    let refused = gather().unwrap_err();
    assert!(
        matches!(refused, CarryError::BaseFiles { .. }),
        "{refused:?}"
    );
    assert_eq!(refused.id(), "E301");
    assert!(refused.hint().unwrap().contains("full bundle"));
    std::fs::remove_file(&base).unwrap();
    assert_eq!(gather().unwrap_err().id(), "E304");
    assert_eq!(
        packages
            .gather(&packages.delta, &[], "out")
            .unwrap_err()
            .id(),
        "E512"
    );
    assert!(!packages.sandbox.path("out").exists());
    // Under any name, in any folder: it is known by its hash.
    let loose = packages.sandbox.path("bare");
    std::fs::create_dir(&loose).unwrap();
    std::fs::write(loose.join("some name"), &good).unwrap();
    let bases = [packages.old.clone(), loose];
    let received = packages.gather(&packages.delta, &bases, "out").unwrap();
    assert_eq!(tree(&received.bundle), tree(&packages.full));
}

/// The last guard: whatever a change says and whoever signed it, what comes of it must be the listed file.
#[test]
fn a_signed_change_that_does_not_make_its_file_gives_nothing_a_final_name() {
    let packages = Packages::new();
    let p = &packages;
    let rows: [(&str, Edit<'_>, &str); 8] = [
        (
            "other encoder",
            &|all| {
                for part in &mut all[0].1.change.made {
                    if let Form::Xz(Some(settings)) = &mut part.form {
                        settings.preset = 1;
                    }
                }
            },
            "E342",
        ),
        (
            "of another file",
            &|all| {
                let other = all[1].1.clone();
                p.with_bytes(&mut all[0].1, |bytes| {
                    *bytes = p
                        .sandbox
                        .store
                        .read(&other.source.digest(), 1 << 20)
                        .unwrap()
                        .unwrap();
                });
            },
            "E342",
        ),
        (
            "cut off",
            &|all| p.with_bytes(&mut all[0].1, |bytes| bytes.truncate(bytes.len() - 1)),
            "E342",
        ),
        (
            "newer",
            &|all| p.with_bytes(&mut all[0].1, |bytes| bytes[17] = b'2'),
            "E342",
        ),
        (
            "flipped",
            &|all| p.with_bytes(&mut all[1].1, |bytes| bytes[60] ^= 0x55),
            "E342",
        ),
        (
            "opens to more than it says",
            &|all| all[0].1.change.base.parts[1].opened -= 1,
            "E342",
        ),
        (
            "opens to 2 GiB",
            &|all| all[0].1.change.base.parts[1].opened = 2 << 30,
            "E311",
        ),
        (
            "parts that are not the file",
            &|all| all[0].1.change.base.parts[0].packed += 1,
            "E311",
        ),
    ];
    for (number, (name, edit, id)) in rows.into_iter().enumerate() {
        let delta = p.signed_with(&format!("wrong-{number}"), edit);
        // A place of its own: what an earlier row made would be kept.
        let out = format!("out-{number}");
        let refused = p.gather(&delta, from_ref(&p.old), &out).unwrap_err();
        assert_eq!(refused.id(), id, "{name}: {refused}");
        if id == "E342" {
            assert!(refused.hint().unwrap().contains("--delta file"), "{name}");
        }
        assert!(!p.sandbox.path(&out).exists(), "{name}");
        if id == "E311" {
            // Nothing was written at all.
            continue;
        }
        let rest = tree(&p.sandbox.path(&format!(".{out}.part")));
        let wrong = if number == 4 {
            "app-1.1.tar.gz"
        } else {
            "app_1.1_amd64.deb"
        };
        let kept = rest.iter().filter(|(path, _)| !path.contains("changes-"));
        assert!(
            kept.clone().all(|(path, _)| !path.ends_with(wrong)),
            "{name}: {rest:?}"
        );
    }
    // What arrived before is of use for the right delta.
    let received = p.gather(&p.delta, from_ref(&p.old), "out").unwrap();
    assert_eq!(tree(&received.bundle), tree(&p.full));
}

#[test]
fn a_delta_on_volumes_keeps_each_change_in_the_volume_of_what_it_makes() {
    let packages = Packages::new();
    let mut request = packages.request.clone();
    request.volume_size = Some("2000000".parse().unwrap());
    let delta = packages.sandbox.pack("volumes", &request).path;
    let _ = sign(&delta, &packages.key).unwrap();
    let received = packages
        .gather(&delta, from_ref(&packages.old), "out")
        .unwrap();
    let full = tree(&packages.full);
    for (path, bytes) in tree(&received.bundle) {
        if path.starts_with('v') && path.contains('/') {
            assert!(full.contains(&(path.clone(), bytes)), "{path}");
        }
    }
}

/// What an officer approves is what is carried, under the name of the upstream file that comes of it.
#[test]
fn the_dossier_and_inspect_name_each_change_and_the_file_that_it_makes() {
    let packages = Packages::new();
    let described = haversack::verify::describe(from_ref(&packages.delta), None).unwrap();
    let dossier = Dossier::of_bundle(&described, None, &Silent, &Cancel::new()).unwrap();
    let row = dossier
        .files
        .iter()
        .find(|row| row.path == DEB_CHANGE)
        .unwrap();
    let change = std::fs::read(packages.delta.join(DEB_CHANGE)).unwrap();
    assert_eq!(row.size, u64::try_from(change.len()).unwrap());
    assert_eq!(row.sha256, Digest::of(&change));
    let (base, made) = ("1.0", "1.1");
    let file = |folder: &Path, version: &str| {
        std::fs::read(folder.join(format!("v1/apt/base/pool/app_{version}_amd64.deb"))).unwrap()
    };
    let (old, new) = (file(&packages.old, base), file(&packages.full, made));
    let said = format!(
        "a change of {DEB_BASE} (sha256 {}) that makes v1/apt/base/pool/app_1.1_amd64.deb, {} bytes, sha256 {}",
        Digest::of(&old),
        new.len(),
        Digest::of(&new)
    );
    assert_eq!(
        (
            row.evidence[0].as_str(),
            row.detected.as_str(),
            row.mismatch()
        ),
        (&*said, "change", false)
    );
    assert!(
        dossier
            .files
            .iter()
            .all(|row| !row.path.starts_with("made/") && !row.path.starts_with("base/"))
    );
    let carried = bytes(&packages.delta) - bytes(&packages.delta.join("sig"));
    let list = std::fs::metadata(packages.delta.join("SHA256SUMS"))
        .unwrap()
        .len();
    let carried = u64::try_from(carried).unwrap() - list;
    assert_eq!(dossier.bytes, carried);
    let seen = haversack::verify::inspect(&packages.delta, None).unwrap();
    let delta = seen.delta.unwrap();
    assert_eq!((delta.bytes_carried, delta.changes.len()), (carried, 2));
    assert_eq!(delta.changes[0].path.as_str(), DEB_CHANGE);
    assert_eq!(delta.changes[0].base.as_str(), DEB_BASE);
}
