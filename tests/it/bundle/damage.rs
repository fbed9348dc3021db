//! The damage matrix: what can happen to a medium, and whether it is seen before anything is written, the volume is
//! named, and the bundle can be mended.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use haversack::event::{Cancel, Silent};
use haversack::gather::gather;
use haversack::parity::shape::Amount;
use haversack::repair::repair;
use haversack::verify::{self, Memory, Options, Problem};

use super::corpus::{edit, snapshot};
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
    let shelf = Shelf::new(Some(Amount {
        percent: None,
        spare_volumes: 1,
    }));
    let (memory, options, cancel) = (Memory::none(), Options::default(), Cancel::new());
    let mut table = String::from("damage | found | volume named | before any write | repaired\n");
    for (number, row) in rows().iter().enumerate() {
        let name = row.name;
        let bundle = shelf.sandbox.path(&format!("damaged-{number}"));
        let copied = Command::new("cp")
            .arg("-a")
            .arg(&shelf.bundle)
            .arg(&bundle)
            .status();
        assert!(copied.unwrap().success());
        (row.spoil)(&shelf, &bundle);
        let before = snapshot(&bundle);
        let dirs = [bundle.clone()];

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
        let (code, text) = verify_sh("dash", &bundle, "1", std::slice::from_ref(&shelf.key));
        assert_eq!(code.to_string(), exit, "{name}: {text}");

        // Nothing wrong is ever written: what is gathered is right, or is not there.
        let out: PathBuf = shelf.sandbox.path(&format!("in-{number}"));
        let gathered = gather(
            &dirs,
            &shelf.trust,
            &memory,
            &options,
            &out,
            (&Silent, &cancel),
        );
        match gathered {
            Ok(done) => {
                assert_eq!(done.id().unwrap_or("ok"), row.id, "{name}");
                for entry in haversack::fs::walk(&out).unwrap() {
                    let whole = shelf.bundle.join(&entry.path);
                    if whole.is_file() {
                        let same =
                            fs::read(whole).unwrap() == fs::read(out.join(&entry.path)).unwrap();
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

        let mended = shelf.sandbox.path(&format!("mended-{number}"));
        let repaired =
            survey.is_ok_and(|survey| repair(&survey, &mended, &Silent, &cancel).is_ok());
        assert_eq!(repaired, row.repairable, "{name}");
        if repaired {
            let same = Command::new("diff")
                .arg("-r")
                .arg(&shelf.bundle)
                .arg(&mended)
                .status();
            assert!(same.unwrap().success(), "{name}");
        }
        assert_eq!(snapshot(&bundle), before, "{name}: the medium was changed");
        let _ = writeln!(
            table,
            "{name} | {found} | {} | yes | {}",
            row.volume, row.repairable
        );
        for path in [&bundle, &mended, &out] {
            let _ = fs::remove_dir_all(path);
        }
    }
    println!("{table}");
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
