//! Bundles on real media: FAT32 and ISO 9660 images, read-only mounts, read back after writing.
//!
//! The images are mounted through FUSE (`fusefat`, `fuseiso`), which stands in for the kernel's own drivers where it has
//! none; the images themselves are made by `mkfs.vfat` and `xorriso`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use haversack::event::{Cancel, Event, Observer, Silent};
use haversack::fs::Kind;
use haversack::media::Load;
use haversack::verify::Verdict;

use super::corpus::edit;
use super::deltas;
use super::volumes::{MEDIUM, Shelf};
use crate::support::bundles::{Sandbox, verify_sh};

/// A mounted image; unmounted when dropped.
pub(super) struct Mount(PathBuf);

impl Mount {
    pub(super) fn new(program: &str, options: &[&str], image: &Path, at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        run(Command::new(program).args(options).arg(image).arg(at));
        Self(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("fusermount").arg("-u").arg(&self.0).status();
    }
}

#[track_caller]
pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

pub(super) fn fat_image(shelf: &Shelf, name: &str, mib: u64) -> PathBuf {
    let image = shelf.sandbox.path(name);
    fs::File::create(&image)
        .unwrap()
        .set_len(mib << 20)
        .unwrap();
    run(Command::new("mkfs.vfat").args(["-F", "32"]).arg(&image));
    image
}

#[test]
fn a_volume_is_copied_to_a_fat_medium_and_read_back() {
    let shelf = Shelf::new(None);
    let load = Load::open(&shelf.bundle).unwrap();
    let volume = load.volume("3").unwrap();
    assert_eq!(volume, "v3");
    assert_eq!(load.volume("6").unwrap_err().id(), "E288");
    let image = fat_image(&shelf, "fat.img", 40);
    let stick = shelf.sandbox.path("stick");
    {
        let _mount = Mount::new("fusefat", &["-o", "rw+"], &image, &stick);
        let medium = load.copy(&volume, &stick, &Silent, &Cancel::new()).unwrap();
        assert_eq!(medium.target, stick.join("bundle"));
        assert!(medium.label.contains("v3 of 5 media"), "{}", medium.label);
    }
    // In another machine: names are found whatever their case, and every byte is right.
    let _mount = Mount::new("fusefat", &["-o", "ro"], &image, &stick);
    let bundle = stick.join("bundle");
    assert!(
        bundle.join("ReadMe.TXT").exists(),
        "this file system folds case"
    );
    let absent = ["v1", "v2", "v4", "v5"].map(str::to_owned).to_vec();
    assert_eq!(
        shelf.verify(&[&bundle]),
        (Verdict::Incomplete, Some("E801"), absent)
    );
    let (code, text) = verify_sh("dash", &bundle, "1", std::slice::from_ref(&shelf.key));
    assert_eq!(code, 8, "{text}");
}

#[test]
fn an_iso_image_is_the_same_each_time_and_its_mount_verifies() {
    let shelf = Shelf::new(None);
    let load = Load::open(&shelf.bundle).unwrap();
    let mut mounts = Vec::new();
    for volume in load.volumes() {
        let image = shelf.sandbox.path(&format!("{volume}.iso"));
        let medium = load
            .image(&volume, &image, &Silent, &Cancel::new())
            .unwrap();
        assert!(fs::metadata(&image).unwrap().len() <= MEDIUM, "{volume}");
        let before = fs::metadata(&image).unwrap().modified().unwrap();
        let kept = load
            .image(&volume, &image, &Silent, &Cancel::new())
            .unwrap();
        assert_eq!(kept.image, medium.image);
        assert_eq!(fs::metadata(&image).unwrap().modified().unwrap(), before);
        let again = shelf.sandbox.path("again.iso");
        let second = load
            .image(&volume, &again, &Silent, &Cancel::new())
            .unwrap();
        assert_eq!(medium.image, second.image);
        assert!(fs::read(&image).unwrap() == fs::read(&again).unwrap());
        for spoilt in [&b"no image"[..], &fs::read(&image).unwrap()[..300_000]] {
            fs::write(&again, spoilt).unwrap();
            let refused = load
                .image(&volume, &again, &Silent, &Cancel::new())
                .unwrap_err();
            assert_eq!(refused.id(), "E285");
            assert!(fs::read(&again).unwrap() == spoilt, "left as it is");
        }
        fs::remove_file(again).unwrap();
        mounts.push(Mount::new(
            "fuseiso",
            &[],
            &image,
            &shelf.sandbox.path(&format!("disc-{volume}")),
        ));
    }
    let discs: Vec<PathBuf> = mounts.iter().map(|mount| mount.0.join("bundle")).collect();
    let dirs: Vec<&Path> = discs.iter().map(PathBuf::as_path).collect();
    assert_eq!(shelf.verify(&dirs), (Verdict::Good, None, vec![]));
    let (code, text) = verify_sh("bash", dirs[1], "1", std::slice::from_ref(&shelf.key));
    assert_eq!(code, 8, "{text}");
}

/// What a delta leaves out lies on no medium: neither the files of its base, nor those that its changes make.
#[test]
fn media_of_a_delta_with_changes_hold_what_it_carries_and_no_more() {
    let sandbox = Sandbox::new();
    let request = deltas::of_volumes(&sandbox);
    let delta = sandbox.pack("delta", &request).path;
    let load = Load::open(&delta).unwrap();
    let copied = sandbox.path("discs");
    for volume in load.volumes() {
        load.copy(&volume, &copied.join(&volume), &Silent, &Cancel::new())
            .unwrap();
        let image = sandbox.path(&format!("{volume}.iso"));
        load.image(&volume, &image, &Silent, &Cancel::new())
            .unwrap();
    }
    let mut carried: Vec<String> = Vec::new();
    for disc in fs::read_dir(&copied).unwrap() {
        carried.extend(names(&disc.unwrap().path().join("delta")));
    }
    carried.sort();
    carried.dedup();
    assert!(
        carried.iter().any(|name| name.contains("/change/")),
        "{carried:?}"
    );
    assert_eq!(carried, names(&delta));
}

/// The files below a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = haversack::fs::walk(folder).unwrap();
    let files = entries.iter().filter(|one| one.kind == Kind::File);
    let mut names: Vec<_> = files.map(|one| one.path.display().to_string()).collect();
    names.sort();
    names
}

/// Spoils the file on the medium when it begins to be read back.
struct Spoils(PathBuf);

impl Observer for Spoils {
    fn on(&self, event: &Event<'_>) {
        if let Event::ItemStarted { item, .. } = event
            && let Some(path) = item.strip_suffix("v3/files/many/38.bin (read back)")
        {
            assert_eq!(path, "");
            edit(&self.0, "v3/files/many/38.bin", |mut bytes| {
                bytes[7] ^= 1;
                bytes
            });
        }
    }
}

#[test]
fn a_medium_that_gives_back_something_else_is_refused_and_one_begun_is_finished() {
    let shelf = Shelf::new(None);
    let load = Load::open(&shelf.bundle).unwrap();
    let stick = shelf.sandbox.path("stick");
    let spoils = Spoils(stick.join("bundle"));
    let error = load
        .copy("v3", &stick, &spoils, &Cancel::new())
        .unwrap_err();
    assert_eq!(error.id(), "E317");
    // The next run finds it, writes it once more, and keeps the rest.
    let medium = load.copy("v3", &stick, &Silent, &Cancel::new()).unwrap();
    assert_eq!(shelf.verify(&[&medium.target]).0, Verdict::Incomplete);
    // A second volume joins it on a large medium; another bundle does not.
    load.copy("v1", &stick, &Silent, &Cancel::new()).unwrap();
    assert_eq!(shelf.verify(&[&medium.target]).2, ["v2", "v4", "v5"]);
    edit(&stick.join("bundle"), "SHA256SUMS", |bytes| {
        bytes.to_ascii_uppercase()
    });
    let error = load
        .copy("v1", &stick, &Silent, &Cancel::new())
        .unwrap_err();
    assert_eq!(error.id(), "E285");
    // A bundle that is damaged here is not carried.
    edit(
        &shelf.bundle,
        "v2/files/app/app-1.2.3.tar.gz.001",
        |mut bytes| {
            bytes[1] ^= 1;
            bytes
        },
    );
    let error = load
        .copy("v2", &shelf.sandbox.path("other"), &Silent, &Cancel::new())
        .unwrap_err();
    assert_eq!(error.id(), "E301");
    let image = shelf.sandbox.path("v2.iso");
    let error = load
        .image("v2", &image, &Silent, &Cancel::new())
        .unwrap_err();
    assert_eq!(error.id(), "E317");
    assert!(!image.exists() && !shelf.sandbox.path("v2.iso.part").exists());
}

#[test]
fn a_medium_with_too_little_room_is_refused_before_anything_is_written() {
    let shelf = Shelf::new(None);
    let stick = shelf.sandbox.path("stick");
    fs::create_dir(&stick).unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$1\" && \"$2\" media \"$3\" --volume 1 --to \"$1\"; \
                  code=$?; [ -z \"$(ls -A \"$1\")\" ] || exit 99; exit $code";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&stick)
        .arg(env!("CARGO_BIN_EXE_haversack"))
        .arg(&shelf.bundle)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("error[E602]"), "{said}");
}

/// The commands as a person with one drive types them.
#[test]
fn one_drive_after_the_other_on_the_command_line() {
    let shelf = Shelf::new(None);
    let discs = shelf.sandbox.path("discs");
    let haversack = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(["--progress", "none"])
            .args(arguments)
            .current_dir(shelf.sandbox.folder.path())
            .env("HAVERSACK_TRUST", "trust")
            .env("HAVERSACK_STATE", "state")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(text).unwrap(),
        )
    };
    let (code, text) = haversack(&["media", "bundle", "--to", "discs"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("| v2 of 5 media  "), "{text}");
    let place = |volume: &str| format!("discs/{volume}/bundle");
    let (code, text) = haversack(&["verify", &place("v2")]);
    assert_eq!(code, 8, "{text}");
    assert!(text.contains("here      v2 of 5 volumes\n"), "{text}");
    assert!(text.contains("insert v1, v3, v4, v5:"), "{text}");
    for (volume, wanted) in [("v1", "v3, v4, v5"), ("v3", "v4, v5"), ("v4", "v5")] {
        let (code, text) = haversack(&["verify", &place(volume)]);
        assert_eq!(
            (code, text.contains(&format!("insert {wanted}:"))),
            (8, true),
            "{text}"
        );
    }
    // The last look at a medium counts: damaged, it is to be inserted again.
    let small = format!("{}/bundle.json", place("v4"));
    edit(shelf.sandbox.folder.path(), &small, |bytes| {
        bytes[1..].to_vec()
    });
    assert_eq!(haversack(&["verify", &place("v4")]).0, 3);
    let (code, text) = haversack(&["verify", &place("v5")]);
    assert_eq!((code, text.contains("insert v4:")), (8, true), "{text}");
    let good = shelf.sandbox.path(&format!("{}/bundle.json", place("v3")));
    fs::copy(good, shelf.sandbox.path(&small)).unwrap();
    let (code, text) = haversack(&["verify", &place("v4")]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.starts_with("GOOD, one medium after the other: demo"),
        "{text}"
    );
    assert!(text.contains("  before    v2 was good at "), "{text}");
    let (code, text) = haversack(&["verify", &place("v4")]);
    assert_eq!(
        code, 8,
        "nothing is remembered of a bundle that was whole: {text}"
    );
    for volume in ["v1", "v2", "v3", "v4"] {
        let (code, text) = haversack(&["gather", &place(volume), "-o", "in"]);
        assert_eq!((code, text.contains("insert ")), (8, true), "{text}");
    }
    let (code, text) = haversack(&["gather", &place("v5"), "-o", "in"]);
    assert_eq!((code, text.starts_with("WHOLE: demo")), (0, true), "{text}");
    fs::remove_dir_all(discs).unwrap();
    assert_eq!(haversack(&["verify", "in"]).0, 0);
    // Damage, the list of it, and the patch.
    edit(
        &shelf.sandbox.path("in"),
        "v4/files/many/20.bin",
        |mut bytes| {
            bytes[5] ^= 1;
            bytes
        },
    );
    assert_eq!(haversack(&["verify", "in", "--recarry", "list.txt"]).0, 3);
    let (code, text) = haversack(&["patch", "bundle", "--list", "list.txt", "-o", "patch"]);
    assert_eq!(
        (code, text.starts_with("PATCH: 0 blocks and 1 files")),
        (0, true),
        "{text}"
    );
    let (code, text) = haversack(&["repair", "in", "--patch", "patch", "-o", "mended"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("  patched   v4/files/many/20.bin\n"),
        "{text}"
    );
    assert_eq!(haversack(&["verify", "mended"]).0, 0);
}
