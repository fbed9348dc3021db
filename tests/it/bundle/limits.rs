//! What a medium takes: a file too long for ISO 9660 or FAT32, and names, are refused before anything is written.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use haversack::bundle::volumes::{PRESETS, VolumeSize};
use haversack::event::{Cancel, Silent};
use haversack::media::Load;
use haversack::types::path::RelPath;

use super::corpus::{APP, Workshop};

/// FAT32 has four bytes for the length of a file; ISO 9660 has as many for each of its extents.
const LONGEST: u64 = 4_294_967_295;

/// A bundle whose large file is this long: a hole that takes no room. Its hash is not what the list says,
/// which nobody comes to know who refuses it for its length.
fn of_length(w: &Workshop, name: &str, length: u64) -> std::path::PathBuf {
    let bundle = w.sandbox.signed(name, &[w.alice]);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(bundle.join(APP))
        .unwrap();
    file.set_len(length).unwrap();
    file.write_all_at(b"end", length - 3).unwrap();
    let json = fs::read_to_string(bundle.join("bundle.json")).unwrap();
    let total: u64 = {
        let list = fs::read_to_string(bundle.join("SHA256SUMS")).unwrap();
        let line = list
            .lines()
            .find(|line| line.starts_with("# files "))
            .unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let digits = length.to_string();
    let (shorter, longer) = ("2400000".len(), digits.len());
    let grown = u64::try_from(longer - shorter).unwrap();
    assert!(json.contains("\"size\": 2400000"));
    w.redescribe(&bundle, |text| {
        text.replace("\"size\": 2400000", &format!("\"size\": {digits}"))
    });
    w.relist(&bundle, |text| {
        let new = total - 2_400_000 + length + grown;
        text.replace(&format!(" bytes {total}\n"), &format!(" bytes {new}\n"))
    });
    bundle
}

fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    haversack::fs::list(folder).unwrap()
}

#[test]
fn a_file_of_four_gib_is_refused_for_an_iso_image_before_anything_is_written() {
    let w = Workshop::new("limits");
    let bundle = of_length(&w, "long", LONGEST + 1);
    let load = Load::open(&bundle).unwrap();
    let before = names(w.sandbox.folder.path());
    let image = w.sandbox.path("v1.iso");
    let error = load
        .image("v1", &image, &Silent, &Cancel::new())
        .unwrap_err();
    assert_eq!(error.id(), "E611");
    let said = error.to_string();
    assert!(said.contains(APP) && said.contains("ISO 9660"), "{said}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("--volume-size fat32"), "{hint}");
    assert_eq!(names(w.sandbox.folder.path()), before);
    // Of a byte less it is not the length that is refused: here there is not so much room.
    let shorter = of_length(&w, "shorter", LONGEST);
    let small = w.sandbox.path("small");
    fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$1\" && \"$2\" media \"$3\" --volume 1 --iso --to \"$1\"; \
                  code=$?; [ -z \"$(ls -A \"$1\")\" ] || exit 99; exit $code";
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&small)
        .arg(env!("CARGO_BIN_EXE_haversack"))
        .arg(&shorter)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("error[E602]"), "{said}");
}

#[test]
fn a_bundle_for_fat_media_has_no_file_that_fat_does_not_take() {
    let (_, bytes) = PRESETS.iter().find(|(name, _)| *name == "fat32").unwrap();
    assert_eq!(*bytes, LONGEST);
    let size: VolumeSize = "fat32".parse().unwrap();
    assert!(size.bytes() <= LONGEST);
    // Names that FAT32 or Windows do not take are none that a bundle can have.
    for name in [
        "a:b", "a?", "a*", "a\"b", "a<b", "a|b", "nul", "com1.txt", "x.", "a b", "a\\b",
    ] {
        assert!(
            format!("v1/files/app/{name}").parse::<RelPath>().is_err(),
            "{name}"
        );
    }
}
