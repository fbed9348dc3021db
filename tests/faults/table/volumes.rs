//! Faults of media and of what they carry together: volumes, deltas, file systems that fold case.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haversack::bundle::volumes::VolumeSize;
use haversack::bundle::{sign, to_sign};

use super::yard::{Ran, Yard, flipped, tool};
use super::{Row, row};
use crate::scenarios::{site, small_request};
use crate::transfers::{delta, prepare};

const TRUST: &str = "--trust trust --state state";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = absent();
    rows.extend(deltas());
    rows.extend(twins());
    rows.extend(folding());
    rows
}

/// A bundle of three volumes, and its media `discs/v1`, `discs/v2` and `discs/v3`.
fn media(y: &mut Yard) {
    let mut request = y.sandbox.request();
    request.volume_size = VolumeSize::of_medium(1_500_000);
    let bundle = y.sandbox.pack("bundle", &request);
    let _ = sign(&bundle.path, &y.alice).unwrap();
    y.trust(&[&y.alice], "");
    prepare(y.sandbox.folder.path(), "media bundle --to discs");
    let discs = haversack::fs::list(&y.path("discs")).unwrap();
    assert_eq!(discs, ["v1", "v2", "v3"]);
}

fn on_discs(numbers: &[u8]) -> String {
    let discs = numbers
        .iter()
        .map(|number| format!("discs/v{number}/bundle "));
    discs.collect()
}

fn absent() -> Vec<Row> {
    vec![
        row(
            5,
            "whole volume absent; the next run has it",
            8,
            "E801",
            |y| {
                media(y);
                let ran = y.run(&format!("verify {}{TRUST}", on_discs(&[1, 2])));
                let said = ran.output.clone();
                // What was verified is kept: the last medium alone ends it.
                let resumed = y.run(&format!("verify {}{TRUST}", on_discs(&[3])));
                ran.also(
                    said.contains("here      v1, v2 of 3 volumes\n"),
                    "what is here",
                )
                .also(said.contains("insert v3:"), "what to insert")
                .also(
                    resumed.exit == Some(0) && resumed.lost.is_empty(),
                    "what was verified",
                )
            },
        ),
        row(
            5,
            "whole volume absent while media are copied",
            8,
            "insert v3",
            |y| {
                media(y);
                y.outputs.push("in");
                let ran = y.run(&format!("gather {}-o in {TRUST}", on_discs(&[1, 2])));
                let have = ran.output.contains("have      v1, v2 of 3 volumes\n");
                let resumed = y.run(&format!("gather {}-o in {TRUST}", on_discs(&[3])));
                let whole = resumed.exit == Some(0) && resumed.output.starts_with("WHOLE");
                ran.also(have, "what is here")
                    .also(whole, "what was copied")
            },
        ),
    ]
}

fn deltas() -> Vec<Row> {
    vec![
        row(28, "delta, its base not named", 5, "E512", |y| {
            both(y);
            y.run(&format!("verify delta {TRUST}"))
        }),
        row(28, "delta received, its base absent", 5, "E512", |y| {
            both(y);
            let base = to_sign(&y.path("old")).unwrap().identity.to_string();
            let ran = y.run(&format!("receive delta -o out {TRUST}"));
            let named = ran.output.contains(&base);
            ran.also(named, "which base is wanted")
        }),
        row(28, "delta received over another base", 5, "E512", |y| {
            both(y);
            let mut request = small_request(&y.sandbox);
            request.sequence = "41".parse().unwrap();
            let other = y.sandbox.pack("other", &request);
            let _ = sign(&other.path, &y.alice).unwrap();
            y.run(&format!("receive delta --base other -o out {TRUST}"))
        }),
        row(28, "delta received over an altered base", 3, "E301", |y| {
            both(y);
            y.edit("old/v1/files/app/app-1.2.3.tar.gz", |bytes| {
                flipped(bytes, 9)
            });
            let ran = y.run(&format!("receive delta --base old -o out {TRUST}"));
            let file = ran.output.contains("base/v1/files/app/app-1.2.3.tar.gz");
            let full = ran.output.contains("full bundle");
            ran.also(file, "which file")
                .also(full, "the full bundle as the next step")
        }),
    ]
}

fn both(y: &mut Yard) {
    delta(&y.sandbox, &y.alice);
    y.trust(&[&y.alice], "");
}

/// Another bundle with the name and number of `bundle`.
fn twin(y: &Yard) {
    let mut request = y.sandbox.request();
    request.volume_size = VolumeSize::of_medium(1_500_000);
    request.marking = "SECRET".parse().unwrap();
    let bundle = y.sandbox.pack("twin", &request);
    let _ = sign(&bundle.path, &y.alice).unwrap();
    prepare(y.sandbox.folder.path(), "media twin --to twins");
}

/// That both labels are told, of the list that came first and of the other.
fn with_labels(y: &Yard, ran: Ran) -> Ran {
    let told = ["bundle", "twin"].iter().all(|name| {
        let label = to_sign(&y.path(name)).unwrap().identity.label();
        ran.output.contains(&label)
    });
    ran.also(told, "both labels")
}

fn twins() -> Vec<Row> {
    vec![
        row(
            32,
            "two media of one volume, different, at once",
            3,
            "E313",
            |y| {
                media(y);
                twin(y);
                let ran = y.run(&format!("verify discs/v1/bundle twins/v1/twin {TRUST}"));
                let named = ran.output.contains("twins/v1/twin: volume v1");
                with_labels(y, ran.also(named, "the medium"))
            },
        ),
        row(
            32,
            "two media of one volume, one after the other",
            3,
            "E313",
            |y| {
                media(y);
                twin(y);
                prepare_first(y);
                let ran = y.run(&format!("gather twins/v1/twin -o in {TRUST}"));
                let aside = ran.output.contains("set this medium aside");
                with_labels(y, ran.also(aside, "what to do with the medium"))
            },
        ),
        row(
            32,
            "two media of one volume; the first one wins",
            0,
            "WHOLE",
            |y| {
                media(y);
                twin(y);
                prepare_first(y);
                let refused = y.run(&format!("gather twins/v1/twin -o in {TRUST}"));
                y.outputs.push("in");
                let ran = y.run(&format!("gather {}-o in {TRUST}", on_discs(&[2, 3])));
                let same = bytes(y, "in") == bytes(y, "bundle");
                ran.also(
                    refused.exit == Some(3) && refused.lost.is_empty(),
                    "what was copied first",
                )
                .also(same, "the bundle that came first")
            },
        ),
        row(33, "volume of another bundle", 3, "E314", |y| {
            y.signed();
            let mut request = small_request(&y.sandbox);
            request.sequence = "43".parse().unwrap();
            let other = y.sandbox.pack("other", &request);
            let _ = sign(&other.path, &y.alice).unwrap();
            y.run(&format!("verify bundle other {TRUST}"))
        }),
    ]
}

/// Name and digest of each file.
fn bytes(y: &Yard, name: &str) -> Vec<(PathBuf, Option<haversack::types::digest::Digest>)> {
    let found = crate::bench::tree(&y.path(name)).into_iter();
    found.map(|(path, (_, digest))| (path, digest)).collect()
}

/// The first medium is copied into the folder `in`.
fn prepare_first(y: &mut Yard) {
    y.outputs.push("in");
    let first = y.run(&format!("gather {}-o in {TRUST}", on_discs(&[1])));
    assert_eq!(first.exit, Some(8), "{}", first.output);
    y.outputs.retain(|name| *name != "in");
}

/// A FAT32 image of 60 MiB, mounted read-write by `fusefat`: a file system that keeps the case of names
/// and folds it when it looks one up. Unmounted when dropped.
struct Stick(PathBuf);

impl Stick {
    fn mount(y: &Yard) -> Self {
        let folder = y.sandbox.folder.path();
        tool("truncate", &["-s", "60M", "fat.img"], folder);
        tool("mkfs.vfat", &["-F", "32", "fat.img"], folder);
        std::fs::create_dir(y.path("stick")).unwrap();
        tool("fusefat", &["-o", "rw+", "fat.img", "stick"], folder);
        Self(y.path("stick"))
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        let mut command = Command::new("fusermount");
        let command = command.arg("-u").arg(&self.0).stderr(Stdio::null());
        let _ = command.status();
    }
}

/// Runs commands whose target is a mounted FAT file system; the last must end as the row says.
fn on_stick(y: &mut Yard, lines: &[&str], look: &str) -> Ran {
    y.signed();
    y.outputs.extend(["stick", "fat.img"]);
    let stick = Stick::mount(y);
    let mut last = None;
    for line in lines {
        assert!(last.as_ref().is_none_or(|ran: &Ran| ran.exit == Some(0)));
        last = Some(y.run(&format!("{line} {TRUST}")));
    }
    let folds = |path: &Path| path.join("ReadMe.TXT").exists() && path.join("rEADME.txt").exists();
    let folds = folds(&stick.0.join(look));
    drop(stick);
    last.unwrap().also(folds, "a file system that folds case")
}

fn folding() -> Vec<Row> {
    vec![
        row(36, "case-folding target (FAT32): media", 0, "GOOD", |y| {
            carried(y)
        }),
        row(
            36,
            "case-folding target (FAT32): gather, verify",
            0,
            "GOOD",
            |y| on_stick(y, &["gather bundle -o stick/in", "verify stick/in"], "in"),
        ),
        row(
            36,
            "names of a staged tree, unique when case is folded",
            0,
            "searched",
            |y| {
                let template = site();
                crate::bench::copy(&template.path().join("staged"), &y.path("staged"));
                let ran = y.run("audit staged");
                let names: Vec<String> = crate::bench::tree(&y.path("staged"))
                    .into_keys()
                    .map(|path| path.to_str().unwrap().to_ascii_lowercase())
                    .collect();
                let unique: std::collections::BTreeSet<&String> = names.iter().collect();
                let same = unique.len() == names.len() && names.len() > 50;
                ran.also(same, "two names that differ by case alone")
            },
        ),
    ]
}

/// `media` onto the stick, read there.
fn carried(y: &mut Yard) -> Ran {
    y.signed();
    y.outputs.extend(["stick", "fat.img"]);
    let stick = Stick::mount(y);
    let copied = y.run("media bundle --to stick");
    assert_eq!(copied.exit, Some(0), "{}", copied.output);
    let found = haversack::fs::list(&stick.0).unwrap();
    let at = ["stick/bundle", "stick/v1/bundle"]
        .into_iter()
        .find(|at| y.path(at).join("sHa256SuMs").exists());
    let at = at.unwrap_or_else(|| panic!("{found:?}"));
    let ran = y.run(&format!("verify {at} {TRUST}"));
    drop(stick);
    ran
}
