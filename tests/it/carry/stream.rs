//! The single-file form: round trips, other people's tar, cut and repeated transmissions.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use haversack::bundle::contents::FileKind;
use haversack::bundle::{Item, Source, pack};
use haversack::carry::{self, CarryError};
use haversack::event::{Cancel, Silent};
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::types::digest::Digest;
use haversack::verify::Verdict;

use super::{Sent, single, taking, tree};
use crate::support::bundles::{Sandbox, info};

/// A pipe that gives one byte at a time.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(1);
        Read::read(&mut self.0, &mut buffer[..most])
    }
}

#[test]
fn what_is_received_is_the_bundle_and_streams_to_the_same_file() {
    let sent = Sent::new();
    let received = sent.receive(&sent.file, "out").unwrap();
    assert_eq!(received.report.verdict, Verdict::Good);
    assert_eq!(
        (received.report.files_good, received.files_kept),
        (9, 0),
        "{received:?}"
    );
    assert_eq!(tree(&received.bundle), tree(&sent.bundle));
    assert_eq!(single(&received.bundle), sent.file);
    let names = haversack::fs::list(sent.sandbox.folder.path()).unwrap();
    assert_eq!(names, ["bundle", "out", "store", "trust"]);
    let again = sent.receive(&sent.file, "out").unwrap_err();
    assert_eq!(again.id(), "E285");
}

#[test]
fn a_pipe_that_gives_one_byte_at_a_time_is_enough() {
    let sent = Sent::new();
    let report = carry::check(
        (&mut Drip(&sent.file), Path::new("pipe")),
        taking(&sent.trust),
        &Silent,
        &Cancel::new(),
    )
    .unwrap();
    assert_eq!(report.verdict, Verdict::Good);
}

#[test]
fn gnu_tar_writes_the_same_bytes_and_gnu_tar_and_bsdtar_give_the_folder_back() {
    let sent = Sent::new();
    assert_tars_agree(&sent.sandbox, &sent.bundle, &sent.file);
}

/// Sizes around a block, and names that do not fit the field of the name: the folders go into the other.
#[test]
fn odd_sizes_and_long_names_are_written_as_gnu_tar_writes_them() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.request();
    let (folder, name) = ("f".repeat(50), "n".repeat(94));
    for size in [1_usize, 511, 512, 513, 1024, 262_144, 262_145] {
        let bytes = vec![7; size];
        let digest = sandbox.store.put(&bytes).unwrap();
        let size = u64::try_from(size).unwrap();
        request.items.push(Item {
            path: format!("v1/files/{folder}/{folder}/{name}{size}")
                .parse()
                .unwrap(),
            source: Source::Stored { digest, size },
            info: info(size, FileKind::Artifact),
        });
    }
    let bundle = sandbox.pack("bundle", &request).path;
    let _ = haversack::bundle::sign(&bundle, &SigningKey::generate().unwrap()).unwrap();
    assert_tars_agree(&sandbox, &bundle, &single(&bundle));
    // What cannot be divided is refused before anything is written.
    let (long, rest) = ("n".repeat(90), "r".repeat(45));
    request.items[5].path = format!("v1/files/{long}/{long}/{rest}").parse().unwrap();
    let target = sandbox.path("unfit");
    let refused = pack(&target, &request, &sandbox.store, &Silent, &Cancel::new()).unwrap_err();
    assert_eq!(refused.id(), "E310");
    assert!(!target.exists());
}

fn assert_tars_agree(sandbox: &Sandbox, bundle: &Path, file: &[u8]) {
    let files = tree(bundle);
    let rest = files
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| !path.starts_with("sig/") && !["SHA256SUMS", "bundle.json"].contains(path));
    let signatures = files
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| path.starts_with("sig/"));
    let order: Vec<&str> = ["SHA256SUMS"]
        .into_iter()
        .chain(signatures)
        .chain(["bundle.json"])
        .chain(rest)
        .collect();
    let made = Command::new("tar")
        .args(["--format=ustar", "--blocking-factor=1", "--numeric-owner"])
        .args([
            "--owner=0",
            "--group=0",
            "--mode=0644",
            "--mtime=@0",
            "-cf",
            "-",
        ])
        .args(&order)
        .current_dir(bundle)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    assert!(made.stdout == file, "GNU tar writes other bytes");
    for program in ["tar", "bsdtar"] {
        let out = sandbox.path(program);
        std::fs::create_dir(&out).unwrap();
        let mut child = Command::new(program)
            .args(["-xf", "-"])
            .current_dir(&out)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), file).unwrap();
        assert!(child.wait().unwrap().success(), "{program}");
        assert_eq!(tree(&out), files, "{program}");
    }
}

/// Cut at every header and in the middle of every file: never accepted, never a target, and what came
/// whole need not come again.
#[test]
fn a_cut_transmission_is_refused_and_the_next_goes_on() {
    let sent = Sent::new();
    let mut cuts = vec![0, 1, 511, sent.file.len() - 1, sent.file.len() - 512];
    for (start, size) in super::hostile::places(&sent.file) {
        cuts.extend([
            start,
            start + 512,
            start + 512 + size / 2,
            start + 512 + size,
        ]);
    }
    for (number, cut) in cuts.into_iter().enumerate() {
        let cut = cut.min(sent.file.len() - 1);
        let name = format!("out{number}");
        let error = sent.receive(&sent.file[..cut], &name).unwrap_err();
        assert!(
            matches!(&error, CarryError::Ended { at, .. } if *at == u64::try_from(cut).unwrap()),
            "{cut}: {error:?}"
        );
        assert!(!sent.sandbox.path(&name).exists());
        let received = sent.receive(&sent.file, &name).unwrap();
        assert_eq!(tree(&received.bundle), tree(&sent.bundle));
        if cut + 1024 > sent.file.len() {
            assert_eq!(received.files_kept, 9);
        }
        std::fs::remove_dir_all(received.bundle).unwrap();
    }
}

/// In a folder that others write to, a link may wait where the work is done: what it leads to is somebody else's.
#[test]
fn a_link_where_the_work_would_be_done_is_refused_and_not_followed() {
    let sent = Sent::new();
    let precious = sent.sandbox.path("precious");
    std::fs::create_dir_all(&precious).unwrap();
    std::fs::write(precious.join("thesis"), "years of work").unwrap();
    let part = sent.sandbox.path(".out.part");
    std::os::unix::fs::symlink(&precious, &part).unwrap();
    let error = sent.receive(&sent.file, "out").unwrap_err();
    assert_eq!(error.id(), "E285", "{error}");
    std::fs::remove_file(&part).unwrap();
    std::fs::create_dir(&part).unwrap();
    let identity = Digest::of(&std::fs::read(sent.bundle.join("SHA256SUMS")).unwrap());
    std::os::unix::fs::symlink(&precious, part.join(identity.to_string())).unwrap();
    let error = sent.receive(&sent.file, "out").unwrap_err();
    assert_eq!(error.id(), "E285", "{error}");
    assert_eq!(tree(&precious).len(), 1);
    std::fs::remove_dir_all(&part).unwrap();
    let received = sent.receive(&sent.file, "out").unwrap();
    assert_eq!(tree(&received.bundle), tree(&sent.bundle));
}

/// Two transmissions, each with another file damaged, make one good bundle; what an earlier run left
/// there is believed by its bytes only.
#[test]
fn two_damaged_transmissions_help_each_other() {
    let sent = Sent::new();
    let places = super::hostile::places(&sent.file);
    let flip = |index: usize| {
        let mut file = sent.file.clone();
        file[places[index].0 + 512] ^= 1;
        file
    };
    let last = places.len() - 1;
    let first = sent.receive(&flip(last), "out").unwrap_err();
    assert_eq!(first.id(), "E301");
    let part = sent.sandbox.path(".out.part");
    let root = part.join(haversack::fs::list(&part).unwrap().remove(0));
    assert_eq!(tree(&root).len(), 8);
    // What lies there was changed meanwhile, and something was put beside it.
    std::fs::write(root.join("README.txt"), tree(&root)[0].1.len().to_string()).unwrap();
    std::fs::write(root.join("v1/extra"), "x").unwrap();
    // The one before the last is empty.
    let received = sent.receive(&flip(last - 2), "out").unwrap();
    assert_eq!(received.files_kept, 7);
    assert_eq!(tree(&received.bundle), tree(&sent.bundle));
}

#[test]
fn a_bundle_nobody_signed_and_one_that_is_damaged_are_not_streamed() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.pack("bundle", &sandbox.request());
    let mut file: Vec<u8> = Vec::new();
    let mut stream = || {
        let dirs = [bundle.path.clone()];
        carry::stream(
            &dirs,
            (&mut file, Path::new("memory")),
            &Silent,
            &Cancel::new(),
        )
        .unwrap_err()
    };
    assert_eq!(stream().id(), "E292");
    let key = SigningKey::generate().unwrap();
    let _ = haversack::bundle::sign(&bundle.path, &key).unwrap();
    let app = bundle.path.join("v1/files/app/app-1.2.3.tar.gz");
    let mut bytes = std::fs::read(&app).unwrap();
    bytes[9] ^= 1;
    std::fs::write(&app, bytes).unwrap();
    assert_eq!(stream().id(), "E301");
    assert!(!file.ends_with(&[0; 1024]), "no end mark was written");
}

#[test]
fn the_commands_carry_a_bundle_through_a_pipe() {
    let sent = Sent::new();
    let haversack = env!("CARGO_BIN_EXE_haversack");
    let run = |args: &[&str]| {
        let mut command = Command::new(haversack);
        command
            .args(args)
            .current_dir(sent.sandbox.folder.path())
            .env("HAVERSACK_TRUST", &sent.trust_dir)
            .env("HAVERSACK_STATE", sent.sandbox.path("state"));
        command
    };
    let mut sender = run(&["stream", "bundle", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = sender.stdout.take().unwrap();
    let got = run(&["receive", "-", "-o", "out", "--json"])
        .stdin(pipe)
        .output()
        .unwrap();
    assert!(sender.wait().unwrap().success());
    assert!(got.status.success(), "{got:?}");
    let told: serde_json::Value = serde_json::from_slice(&got.stdout).unwrap();
    assert_eq!(told["report"]["verdict"], "good");
    assert_eq!(tree(&sent.sandbox.path("out")), tree(&sent.bundle));
    assert!(
        run(&["stream", "bundle", "-o", "one.tar"])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        std::fs::read(sent.sandbox.path("one.tar")).unwrap(),
        sent.file
    );
    let verified = run(&["verify", "one.tar"]).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
    assert!(String::from_utf8_lossy(&verified.stdout).starts_with("GOOD: demo 1.2.3 number 42"));
    let twice = run(&["stream", "bundle", "-o", "one.tar"])
        .status()
        .unwrap();
    assert_eq!(twice.code(), Some(2));
}

/// The released folder form gives this single file for ever; GNU tar made the digest.
#[test]
fn the_single_file_of_the_released_format_1_is_the_same_for_ever() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundles/format-1");
    let file = single(&fixture.join("demo-1.2.3.0042"));
    assert_eq!(Digest::of(&file).to_string(), GOLDEN);
    let trust = Trust::load(&fixture.join("trust")).unwrap();
    let report = carry::check(
        (&mut &file[..], Path::new("memory")),
        taking(&trust),
        &Silent,
        &Cancel::new(),
    )
    .unwrap();
    assert_eq!(report.verdict, Verdict::Good);
}

/// `sha256sum` of the single file of the released bundle.
const GOLDEN: &str = "6e6729f6f35f6f30f8e9ef809732cbdc23fa01d48472b1662509be8aa1bd7cbd";
