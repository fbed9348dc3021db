//! The damage matrix: what can happen to a medium, and whether it is seen before anything is written, the volume is
//! named, and the bundle can be mended.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use haversack::event::{Cancel, Silent};
use haversack::gather::gather;
use haversack::parity::shape::Amount;
use haversack::repair::repair;
use haversack::verify::{self, Memory, Options, Problem, Verdict};

use super::corpus::{edit, snapshot};
use super::media::{Mount, fat_image, run};
use super::volumes::{Shelf, request};
use crate::support::bundles::verify_sh;

struct Row {
    name: &'static str,
    spoil: fn(&Shelf, &Path),
    /// Of the report, or of the refusal.
    id: &'static str,
    /// What the report names.
    volume: &'static str,
    repairable: bool,
}

const FILE: &str = "v3/files/many/38.bin";

fn rows() -> Vec<Row> {
    let row = |name, id, volume, repairable, spoil| Row {
        name,
        spoil,
        id,
        volume,
        repairable,
    };
    vec![
        row("nothing", "ok", "", true, |_, _| {}),
        row("flip", "E301", "v3", true, |_, b| {
            edit(b, FILE, |mut bytes| {
                bytes[9] ^= 1;
                bytes
            });
        }),
        row("truncate", "E302", "v3", true, |_, b| {
            edit(b, FILE, |bytes| bytes[..100].to_vec());
        }),
        row("longer", "E303", "v3", true, |_, b| {
            edit(b, FILE, |bytes| [bytes, vec![0]].concat());
        }),
        row("first volume missing", "E801", "v1", true, |_, b| {
            fs::remove_dir_all(b.join("v1")).unwrap();
        }),
        row("middle volume missing", "E801", "v3", true, |_, b| {
            fs::remove_dir_all(b.join("v3")).unwrap();
        }),
        row("last volume missing", "E801", "v5", true, |_, b| {
            fs::remove_dir_all(b.join("v5")).unwrap();
        }),
        row("a part missing", "E304", "v2", true, |_, b| {
            fs::remove_file(b.join("v2/files/app/app-1.2.3.tar.gz.001")).unwrap();
        }),
        row("names swapped", "E302", "v3", true, |_, b| {
            let (one, other) = (b.join(FILE), b.join("v3/files/many/37.bin"));
            fs::rename(&one, b.join("between")).unwrap();
            fs::rename(&other, &one).unwrap();
            fs::rename(b.join("between"), &other).unwrap();
        }),
        row("duplicate", "E305", "v4", true, |_, b| {
            fs::copy(b.join(FILE), b.join("v4/files/many/38.bin")).unwrap();
        }),
        row("extra", "E305", "v3", true, |_, b| {
            fs::write(b.join("v3/files/many/extra"), b"x").unwrap();
        }),
        row("another bundle's volume", "E302", "v3", true, |shelf, b| {
            let mut other = request(&shelf.sandbox, None);
            other
                .items
                .retain(|item| !item.path.as_str().ends_with("/38.bin"));
            let other = shelf.sandbox.pack("other-bundle", &other).path;
            fs::remove_dir_all(b.join("v3")).unwrap();
            fs::rename(other.join("v3"), b.join("v3")).unwrap();
        }),
        row("symlink", "E306", "v3", true, |_, b| {
            fs::remove_file(b.join(FILE)).unwrap();
            symlink("37.bin", b.join(FILE)).unwrap();
        }),
        row("device", "E306", "v3", true, |_, b| {
            fs::remove_file(b.join(FILE)).unwrap();
            let made = Command::new("mknod")
                .arg(b.join(FILE))
                .args(["c", "1", "3"])
                .status();
            assert!(made.unwrap().success());
        }),
        row("`..` in the list", "E402", "", false, |_, b| {
            edit(b, "SHA256SUMS", |bytes| {
                let text = String::from_utf8(bytes).unwrap();
                text.replace("  v3/files/many/38.bin", "  v3/files/../many/38.bin")
                    .into_bytes()
            });
        }),
    ]
}

#[test]
fn all_damage_is_seen_before_a_write_its_volume_named_and_mended_where_it_can_be() {
    let shelf = Shelf::new(Some(SPARE));
    let mut table = String::from(HEAD);
    for (number, row) in rows().iter().enumerate() {
        let bundle = damaged(&shelf, row, number);
        table += &cell(&shelf, row, &bundle, row.name, number);
        fs::remove_dir_all(bundle).unwrap();
    }
    println!("{table}");
}

/// The same on media as they are mounted: read-only, FAT32 (which folds the case of names), ISO 9660.
#[test]
fn damage_on_a_mounted_medium_is_seen_named_and_mended_as_in_a_folder() {
    let shelf = Shelf::new(Some(SPARE));
    let mut table = String::from(HEAD);
    let wanted = [
        "nothing",
        "flip",
        "truncate",
        "middle volume missing",
        "extra",
    ];
    let rows = rows().into_iter().filter(|row| wanted.contains(&row.name));
    for (number, row) in rows.enumerate() {
        let bundle = damaged(&shelf, &row, number);
        for medium in [Medium::ReadOnly, Medium::Fat, Medium::Iso] {
            let mounted = shelf.sandbox.path("mounted");
            let image = shelf.sandbox.path("image");
            let _mount = mount(&shelf, medium, &bundle, &image, &mounted);
            let name = format!("{medium:?}: {}", row.name);
            let at = mounted.join("bundle");
            let folds = at.join("sHa256SuMs").exists();
            assert_eq!(folds, matches!(medium, Medium::Fat), "{name}");
            table += &cell(&shelf, &row, &at, &name, number);
        }
        fs::remove_dir_all(bundle).unwrap();
    }
    println!("{table}");
}

const SPARE: Amount = Amount {
    percent: None,
    spare_volumes: 1,
};
const HEAD: &str = "damage | found | volume named | before any write | repaired\n";

#[derive(Debug, Clone, Copy)]
enum Medium {
    ReadOnly,
    Fat,
    Iso,
}

/// Unmounts when dropped.
enum Mounted {
    Bind(PathBuf),
    Fuse { _mount: Mount },
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Self::Bind(path) = self {
            let _ = Command::new("umount").arg(path).status();
        }
    }
}

/// Brings a folder onto a medium, as `bundle`, and mounts it.
fn mount(shelf: &Shelf, medium: Medium, bundle: &Path, image: &Path, at: &Path) -> Mounted {
    fs::create_dir_all(at).unwrap();
    let copy = |to: &Path| run(Command::new("cp").args(["-R"]).arg(bundle).arg(to));
    match medium {
        Medium::ReadOnly => {
            let whole = shelf.sandbox.path("whole-medium");
            let _ = fs::remove_dir_all(&whole);
            fs::create_dir(&whole).unwrap();
            copy(&whole.join("bundle"));
            run(Command::new("mount").arg("--bind").arg(&whole).arg(at));
            let mounted = Mounted::Bind(at.to_owned());
            run(Command::new("mount")
                .args(["-o", "remount,bind,ro"])
                .arg(at));
            assert!(fs::write(at.join("x"), "x").is_err());
            mounted
        }
        Medium::Fat => {
            let _ = fs::remove_file(image);
            let name = image.file_name().unwrap().to_str().unwrap();
            let image = fat_image(shelf, name, 40);
            {
                let _written = Mount::new("fusefat", &["-o", "rw+"], &image, at);
                copy(&at.join("bundle"));
            }
            Mounted::Fuse {
                _mount: Mount::new("fusefat", &["-o", "ro"], &image, at),
            }
        }
        Medium::Iso => {
            let _ = fs::remove_file(image);
            let mut command = Command::new("xorriso");
            command
                .args(["-as", "mkisofs", "-quiet", "-R", "-o"])
                .arg(image);
            let mut graft = std::ffi::OsString::from("/bundle=");
            graft.push(bundle);
            run(command.arg("-graft-points").arg(graft));
            Mounted::Fuse {
                _mount: Mount::new("fuseiso", &[], image, at),
            }
        }
    }
}

/// A copy of the bundle that something was done to.
fn damaged(shelf: &Shelf, row: &Row, number: usize) -> PathBuf {
    let bundle = shelf.sandbox.path(&format!("damaged-{number}"));
    run(Command::new("cp").arg("-a").arg(&shelf.bundle).arg(&bundle));
    (row.spoil)(shelf, &bundle);
    bundle
}

/// Looks at a damaged bundle in every way, and gives its line of the table.
fn cell(shelf: &Shelf, row: &Row, bundle: &Path, name: &str, number: usize) -> String {
    let (memory, options, cancel) = (Memory::none(), Options::default(), Cancel::new());
    let before = snapshot(bundle);
    let dirs = [bundle.to_owned()];

    // Named, with its volume; the script agrees.
    let survey = verify::survey(&dirs, &shelf.trust, &memory, &options, &Silent, &cancel);
    let found = match &survey {
        Ok(survey) => survey.report().id().unwrap_or("ok"),
        Err(error) => error.id(),
    };
    assert_eq!(found, row.id, "{name}");
    let named = survey.as_ref().is_ok_and(|survey| {
        let report = survey.report();
        let mut places = report
            .problems
            .iter()
            .map(|problem| problem.path().to_owned());
        let inside = |path: String| path.split('/').next() == Some(row.volume);
        places.any(inside) || report.absent_volumes.iter().any(|one| one == row.volume)
    });
    assert_eq!(named, !row.volume.is_empty(), "{name}");
    let exit = if found == "ok" { "0" } else { &found[1..2] };
    let (code, text) = verify_sh("dash", bundle, "1", std::slice::from_ref(&shelf.key));
    assert_eq!(code.to_string(), exit, "{name}: {text}");

    // Nothing wrong is ever written: what is gathered is right, or is not there.
    let out: PathBuf = shelf.sandbox.path(&format!("in-{number}"));
    match gather(
        &dirs,
        &shelf.trust,
        &memory,
        &options,
        &out,
        (&Silent, &cancel),
    ) {
        Ok(done) => {
            assert_eq!(done.id().unwrap_or("ok"), row.id, "{name}");
            for entry in haversack::fs::walk(&out).unwrap() {
                let whole = shelf.bundle.join(&entry.path);
                if whole.is_file() {
                    let same = fs::read(whole).unwrap() == fs::read(out.join(&entry.path)).unwrap();
                    assert!(same, "{name}: {}", entry.path.display());
                }
            }
        }
        Err(error) => {
            // What does not belong there is refused as a whole; it may be one problem among several.
            let told = survey.as_ref().map_or_else(
                |found| vec![found.id()],
                |survey| survey.report().problems.iter().map(Problem::id).collect(),
            );
            assert!(told.contains(&error.id()), "{name}: {error}");
            assert!(!out.exists(), "{name}");
        }
    }

    // The report says before whether a repair will do.
    let promised = survey.as_ref().is_ok_and(|survey| {
        let report = survey.report();
        report.repairable.unwrap_or(report.verdict == Verdict::Good)
    });
    assert_eq!(promised, row.repairable, "{name}");
    let mended = shelf.sandbox.path(&format!("mended-{number}"));
    let repaired = survey.is_ok_and(|survey| repair(&survey, &mended, &Silent, &cancel).is_ok());
    assert_eq!(repaired, row.repairable, "{name}");
    if repaired {
        let same = Command::new("diff")
            .arg("-r")
            .arg(&shelf.bundle)
            .arg(&mended)
            .status();
        assert!(same.unwrap().success(), "{name}");
    }
    assert_eq!(snapshot(bundle), before, "{name}: the medium was changed");
    let damaged_beside = shelf.sandbox.path(&format!("in-{number}.damaged"));
    for path in [&mended, &out, &damaged_beside] {
        let _ = fs::remove_dir_all(path);
    }
    format!(
        "{name} | {found} | {} | yes | {}\n",
        row.volume, row.repairable
    )
}

/// A read-only bind mount, in a mount namespace of its own.
#[test]
fn a_read_only_mount_verifies_and_is_never_written() {
    let shelf = Shelf::new(None);
    let script = "mount --bind \"$1\" \"$2\" && mount -o remount,bind,ro \"$2\" && ! touch \"$2/x\" 2>/dev/null && \
                  exec \"$3\" verify \"$2\" --trust \"$4\" --state \"$5\"";
    let at = shelf.sandbox.path("mounted");
    fs::create_dir(&at).unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&shelf.bundle)
        .arg(&at)
        .arg(env!("CARGO_BIN_EXE_haversack"))
        .arg(shelf.sandbox.path("trust"))
        .arg(shelf.sandbox.path("state"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("GOOD: demo 1.2.3 number 42"), "{said}");
}
