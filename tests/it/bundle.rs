//! The bundle format: tampering, tools, verdicts.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "a test that panics says so; the corpus is one table"
)]

mod cases;
mod corpus;
mod cut;
mod damage;
mod deltas;
mod gather;
mod limits;
mod media;
mod parity;
mod staging;
mod volumes;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::bundles::{Sandbox, sha256sum_accepts, verify_sh_by};
use corpus::{APP, DEB, edit, haversack_says, snapshot};
use haversack::bundle::{PackError, SignError, attach, attach_ssh, pack, sign, to_sign};
use haversack::event::{Cancel, Event, Observer, Progress, Silent, Step};
use haversack::fs::walk;
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::verify::{self, Memory, Options, TrustSummary, Verdict};

/// Everything that an observer was told, as a count of finished items and whether they were reused.
#[derive(Default)]
struct Counts {
    reused: AtomicUsize,
    fresh: AtomicUsize,
    bytes: AtomicUsize,
}

impl Observer for Counts {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::ItemDone { reused: true, .. } => self.reused.fetch_add(1, Ordering::Relaxed),
            Event::ItemDone { reused: false, .. } => self.fresh.fetch_add(1, Ordering::Relaxed),
            Event::Bytes { count, .. } => self
                .bytes
                .fetch_add(usize::try_from(*count).unwrap(), Ordering::Relaxed),
            _ => 0,
        };
    }
}

#[test]
fn packing_twice_gives_the_same_bytes_and_leaves_nothing_beside() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.request();
    let one = sandbox.pack("one", &request);
    request.items.reverse();
    let two = sandbox.pack("two", &request);
    assert_eq!(one.identity, two.identity);
    let names = |bundle: &Path| -> Vec<_> {
        let all = walk(bundle).unwrap().into_iter();
        all.map(|one| (one.path, one.size, one.mode)).collect()
    };
    assert_eq!(names(&one.path), names(&two.path));
    assert_eq!(
        std::fs::read(one.path.join("bundle.json")).unwrap(),
        std::fs::read(two.path.join("bundle.json")).unwrap()
    );
    let left: Vec<_> = haversack::fs::list(sandbox.folder.path()).unwrap();
    assert_eq!(left, ["one", "store", "two"]);
    // Again: nothing to do. Signatures stay.
    let key = SigningKey::generate().unwrap();
    let signed = sign(&one.path, &key).unwrap();
    assert_eq!(signed.written.len(), 2);
    let again = sandbox.pack("one", &request);
    assert!(again.existing && !two.existing);
    assert!(signed.written[0].exists());
}

#[test]
fn a_target_that_is_something_else_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.request();
    let bundle = sandbox.pack("demo", &request);
    let before = snapshot(&bundle.path);
    request.sequence = haversack::bundle::header::Sequence::new(43).unwrap();
    let refused = |request| {
        pack(
            &bundle.path,
            request,
            &sandbox.store,
            &Silent,
            &Cancel::new(),
        )
        .unwrap_err()
    };
    let error = refused(&request);
    assert!(matches!(error, PackError::Exists { .. }), "{error}");
    assert!(error.hint().unwrap().contains("raise the sequence"));
    assert_eq!(snapshot(&bundle.path), before);
}

#[test]
fn the_same_bundle_is_taken_for_good_only_after_every_byte_was_hashed() {
    type Tamper = (&'static str, fn(&Path));
    let tampers: [Tamper; 7] = [
        ("v1/files/app/app-1.2.3.tar.gz is of other bytes", |b| {
            edit(b, APP, |mut bytes| {
                bytes[1_000_000] ^= 1;
                bytes
            });
        }),
        ("bundle.json is of other bytes", |b| {
            edit(b, "bundle.json", |bytes| bytes.to_ascii_uppercase());
        }),
        ("v1/files/app/app-1.2.3.tar.gz is of another size", |b| {
            std::fs::write(b.join(APP), b"").unwrap();
        }),
        (
            "v1/apt/base/pool/libx++_1.0~rc1_amd64.deb is missing",
            |b| {
                std::fs::remove_file(b.join(DEB)).unwrap();
            },
        ),
        ("v1/a\\nb is not one of its files", |b| {
            std::fs::write(b.join("v1/a\nb"), b"").unwrap();
        }),
        ("sig is not one of its files", |b| {
            std::os::unix::fs::symlink("v1", b.join("sig")).unwrap();
        }),
        (
            "v1/apt/base/pool/libx++_1.0~rc1_amd64.deb is no plain file",
            |b| {
                std::fs::remove_file(b.join(DEB)).unwrap();
                std::os::unix::fs::symlink("../../../../README.txt", b.join(DEB)).unwrap();
            },
        ),
    ];
    for (problem, tamper) in tampers {
        let sandbox = Sandbox::new();
        let request = sandbox.request();
        let bundle = sandbox.pack("demo", &request).path;
        tamper(&bundle);
        let before = snapshot(&bundle);
        let error = pack(&bundle, &request, &sandbox.store, &Silent, &Cancel::new()).unwrap_err();
        assert_eq!(error.id(), "E315");
        assert_eq!(
            error.to_string(),
            format!("{} is this bundle, but {problem}", bundle.display())
        );
        assert_eq!(snapshot(&bundle), before);
    }
    // Whole, and signed meanwhile: every file is hashed, and none is written.
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let bundle = sandbox.signed("demo", &[&key]);
    let counts = Counts::default();
    let again = pack(
        &bundle,
        &sandbox.request(),
        &sandbox.store,
        &counts,
        &Cancel::new(),
    )
    .unwrap();
    assert!(again.existing);
    assert_eq!(
        (counts.reused.into_inner(), counts.fresh.into_inner()),
        (9, 0)
    );
    let bytes = u64::try_from(counts.bytes.into_inner()).unwrap();
    assert_eq!(bytes, again.sums.header().bytes);
}

/// Packs once more when the first file begins.
struct PackMeanwhile<'a>(&'a Sandbox, std::sync::Mutex<Option<String>>);

impl Observer for PackMeanwhile<'_> {
    fn on(&self, event: &Event<'_>) {
        let mut said = self.1.lock().unwrap();
        if let (Event::ItemStarted { .. }, None) = (event, said.as_ref()) {
            let (target, request) = (self.0.path("demo"), self.0.request());
            let error =
                pack(&target, &request, &self.0.store, &Silent, &Cancel::new()).unwrap_err();
            *said = Some(format!("{} {}", error.id(), self.0.path("demo").exists()));
        }
    }
}

#[test]
fn while_a_bundle_is_written_or_hashed_another_run_is_refused() {
    let sandbox = Sandbox::new();
    for there in [false, true] {
        let observer = PackMeanwhile(&sandbox, std::sync::Mutex::default());
        let (target, request) = (sandbox.path("demo"), sandbox.request());
        let _ = pack(&target, &request, &sandbox.store, &observer, &Cancel::new()).unwrap();
        let said = observer.1.into_inner().unwrap();
        assert_eq!(said, Some(format!("E606 {there}")));
    }
    assert_eq!(
        haversack::fs::list(sandbox.folder.path()).unwrap(),
        ["demo", "store"]
    );
}

#[test]
fn a_damaged_store_never_becomes_a_bundle() {
    let sandbox = Sandbox::new();
    let request = sandbox.request();
    let stored = request.items[0].source.digest();
    let path = sandbox.store.path_of(&stored);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    edit(
        path.parent().unwrap(),
        path.file_name().unwrap().to_str().unwrap(),
        |mut bytes| {
            bytes[77] ^= 1;
            bytes
        },
    );
    let target = sandbox.path("demo");
    let error = pack(&target, &request, &sandbox.store, &Silent, &Cancel::new()).unwrap_err();
    assert_eq!(error.id(), "E316");
    assert!(!target.exists());
}

/// Asks for a stop once so many bytes went by.
struct StopAfter<'a>(AtomicUsize, usize, &'a Cancel);

impl Observer for StopAfter<'_> {
    fn on(&self, event: &Event<'_>) {
        if let Event::Bytes { count, .. } = event {
            let count = usize::try_from(*count).unwrap();
            if self.0.fetch_add(count, Ordering::Relaxed) + count >= self.1 {
                self.2.request();
            }
        }
    }
}

#[test]
fn an_interrupted_pack_goes_on_and_gives_the_same_list() {
    let sandbox = Sandbox::new();
    let request = sandbox.request();
    let whole = sandbox.pack("whole", &request);
    let target = sandbox.path("demo");
    for stop in [1, 300_000, 900_000, 2_000_000] {
        let cancel = Cancel::new();
        let observer = StopAfter(AtomicUsize::new(0), stop, &cancel);
        let error = pack(&target, &request, &sandbox.store, &observer, &cancel).unwrap_err();
        assert_eq!(error.id(), "E130", "{error}");
        assert!(!target.exists());
    }
    // What a SIGKILL could leave: a half file under its temporary name, a finished file that was
    // altered since, and a list.
    let part = sandbox.path(".demo.part").join("bundle");
    std::fs::write(part.join("v1/files/app/.haversack-x.part"), b"half").unwrap();
    std::fs::write(part.join("README.txt"), b"other").unwrap();
    std::fs::write(part.join("SHA256SUMS"), b"half").unwrap();
    std::fs::write(part.join(DEB), b"PACKAGE").unwrap();
    std::fs::create_dir_all(part.join("v1/stray/deep")).unwrap();
    let counts = Counts::default();
    let done = pack(&target, &request, &sandbox.store, &counts, &Cancel::new()).unwrap();
    assert_eq!(done.identity, whole.identity);
    assert!(!sandbox.path(".demo.part").exists());
    let names = |path| {
        walk(path)
            .unwrap()
            .into_iter()
            .map(|e| e.path)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&target), names(&whole.path));
    assert_eq!(std::fs::read(target.join(DEB)).unwrap(), b"package");
    // A second run over finished work reuses it: nothing is copied twice.
    std::fs::create_dir(sandbox.path(".again.part")).unwrap();
    std::fs::rename(&target, sandbox.path(".again.part/bundle")).unwrap();
    let counts = Counts::default();
    let again = pack(
        &sandbox.path("again"),
        &request,
        &sandbox.store,
        &counts,
        &Cancel::new(),
    );
    assert_eq!(again.unwrap().identity, whole.identity);
    assert_eq!(
        (counts.reused.into_inner(), counts.fresh.into_inner()),
        (9, 0)
    );
}

/// Runs only as a child of the test below, which kills it.
#[test]
fn child_that_packs() {
    let Some(folder) = std::env::var_os("HAVERSACK_TEST_PACK") else {
        return;
    };
    let sandbox = PathBuf::from(folder);
    let store = haversack::store::Store::open(&sandbox.join("store")).unwrap();
    let request = Sandbox::request_in(&store);
    let _ = pack(
        &sandbox.join("demo"),
        &request,
        &store,
        &Silent,
        &Cancel::new(),
    )
    .unwrap();
}

#[test]
fn killed_at_random_moments_the_next_pack_goes_on() {
    let sandbox = Sandbox::new();
    let whole = sandbox.pack("whole", &sandbox.request());
    let target = sandbox.path("demo");
    let mut killed = 0;
    for round in 0..10_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bundle::child_that_packs"])
            .env("HAVERSACK_TEST_PACK", sandbox.folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(15 + round * 23));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        if target.exists() {
            // Only ever whole.
            assert!(sha256sum_accepts(&target));
            std::fs::remove_dir_all(&target).unwrap();
        }
    }
    assert!(killed >= 2, "only {killed} of 10 were killed in time");
    let done = sandbox.pack("demo", &sandbox.request());
    assert_eq!(done.identity, whole.identity);
    assert!(sha256sum_accepts(&target));
}

#[test]
fn detached_signatures_are_checked_before_they_are_added() {
    let sandbox = Sandbox::new();
    let (alice, bob) = (
        SigningKey::generate().unwrap(),
        SigningKey::generate().unwrap(),
    );
    let bundle = sandbox.pack("demo", &sandbox.request()).path;
    let wanted = to_sign(&bundle).unwrap();
    // Made by openssl, as a smart card's tool would.
    let key = sandbox.path("alice.key");
    std::fs::write(&key, alice.to_pem().unwrap().reveal()).unwrap();
    let output = Command::new("openssl")
        .args(["dgst", "-sha384", "-sign"])
        .arg(&key)
        .arg(bundle.join("SHA256SUMS"))
        .output()
        .unwrap();
    let error = attach(&bundle, bob.verifying_key(), &output.stdout).unwrap_err();
    assert!(matches!(error, SignError::Signature { .. }), "{error}");
    assert!(!bundle.join("sig").exists());
    let signed = attach(&bundle, alice.verifying_key(), &output.stdout).unwrap();
    assert_eq!(signed.identity, wanted.identity);
    let other = haversack::trust::sshsig::sign(&alice, b"another list").unwrap();
    assert_eq!(
        attach_ssh(&bundle, other.as_bytes()).unwrap_err().id(),
        "E402"
    );
    let (_, trust) = sandbox.trust("trust", &[&alice], "");
    assert_eq!(haversack_says(&bundle, &trust), "ok");
}

#[test]
fn older_bundles_and_twins_are_refused_and_an_override_is_written_down() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let (_, trust) = sandbox.trust("trust", &[&key], "");
    let bundle = |name: &str, sequence: u64, marking: &str| {
        let mut request = sandbox.request();
        request.sequence = haversack::bundle::header::Sequence::new(sequence).unwrap();
        request.marking = marking.parse().unwrap();
        let path = sandbox.pack(name, &request).path;
        let _ = sign(&path, &key).unwrap();
        vec![path]
    };
    let newest = bundle("newest", 42, "A");
    let state = sandbox.path("state");
    let mut memory = Memory::load(&state).unwrap();
    let options = Options::default();
    let opened = verify::open(&newest, &trust, &memory, &options).unwrap();
    memory
        .record(opened.sums().header(), &opened.identity(), None)
        .unwrap();
    let memory = Memory::load(&state).unwrap();
    let id = |dirs: &[PathBuf], options: &Options| {
        let result = verify::open(dirs, &trust, &memory, options);
        result.map_or_else(|error| error.id(), |_| "ok")
    };
    assert_eq!(id(&newest, &options), "ok");
    let older = bundle("older", 41, "A");
    assert_eq!(id(&older, &options), "E510");
    assert_eq!(id(&bundle("twin", 42, "B"), &options), "E511");
    assert_eq!(id(&bundle("next", 43, "A"), &options), "ok");
    let without_reason = Options {
        allow_rollback: Some(" ".to_owned()),
        ..Options::default()
    };
    assert_eq!(id(&older, &without_reason), "E510");
    let options = Options {
        allow_rollback: Some("the new one does not start".to_owned()),
        ..Options::default()
    };
    let opened = verify::open(&older, &trust, &memory, &options).unwrap();
    assert_eq!(opened.override_reason(), Some("the new one does not start"));
}

#[test]
fn the_policy_keeps_out_what_this_network_does_not_want() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let dirs = [sandbox.signed("demo", &[&key])];
    for (index, (policy, expected)) in [
        ("names = [\"demo\"]\nmarkings = [\"UNCLASSIFIED\"]\n", "ok"),
        ("names = [\"other\"]\n", "E524"),
        ("markings = [\"SECRET\"]\n", "E525"),
        (
            "platforms = [{ distribution = \"debian-12\", arch = \"arm64\" }]\n",
            "E521",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, trust) = sandbox.trust(&format!("trust{index}"), &[&key], policy);
        let result = verify::open(&dirs, &trust, &Memory::none(), &Options::default());
        let found = result.map_or_else(|error| error.id(), |_| "ok");
        assert_eq!(found, expected, "{policy}");
    }
}

#[test]
fn copying_out_hashes_what_it_writes_and_leaves_nothing_that_is_wrong() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let dirs = [sandbox.signed("demo", &[&key])];
    let (_, trust) = sandbox.trust("trust", &[&key], "");
    let bundle = verify::open(&dirs, &trust, &Memory::none(), &Options::default()).unwrap();
    let counts = Counts::default();
    let cancel = Cancel::new();
    let progress = Progress {
        step: Step::Stage,
        observer: &counts,
        cancel: &cancel,
    };
    let out = sandbox.path("out");
    std::fs::create_dir(&out).unwrap();
    let app = APP.parse().unwrap();
    bundle
        .copy_out(&app, &out.join("app"), 0o640, &progress)
        .unwrap();
    assert_eq!(
        std::fs::read(out.join("app")).unwrap(),
        std::fs::read(dirs[0].join(APP)).unwrap()
    );
    assert_eq!(counts.bytes.load(Ordering::Relaxed), 2_400_000);
    // The medium changes after it was opened.
    edit(&dirs[0], APP, |mut bytes| {
        bytes[5] ^= 1;
        bytes
    });
    let error = bundle
        .copy_out(&app, &out.join("bad"), 0o640, &progress)
        .unwrap_err();
    assert_eq!(error.id(), "E301");
    assert_eq!(bundle.check_file(&app, &progress).unwrap_err().id(), "E301");
    assert_eq!(bundle.read_file(&app, 1 << 30).unwrap_err().id(), "E301");
    let readme = "README.txt".parse().unwrap();
    assert!(
        bundle
            .read_file(&readme, 1 << 20)
            .unwrap()
            .starts_with(b"UNCLASSIFIED")
    );
    assert_eq!(haversack::fs::list(&out).unwrap(), ["app"]);
    let report = bundle.verify_bytes(&Silent, &cancel).unwrap();
    assert_eq!((report.verdict, report.files_good), (Verdict::Bad, 8));
}

#[test]
fn a_report_names_everything_that_is_wrong_at_once() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let dirs = [sandbox.signed("demo", &[&key])];
    let (_, trust) = sandbox.trust("trust", &[&key], "");
    edit(&dirs[0], APP, |mut bytes| {
        bytes[5] ^= 1;
        bytes
    });
    std::fs::remove_file(dirs[0].join(DEB)).unwrap();
    std::fs::write(dirs[0].join("extra"), b"").unwrap();
    let report = verify::verify(
        &dirs,
        &trust,
        &Memory::none(),
        &Options::default(),
        &Silent,
        &Cancel::new(),
    )
    .unwrap();
    let found: Vec<_> = report.problems.iter().map(|p| (p.id(), p.path())).collect();
    assert_eq!(found, [("E305", "extra"), ("E304", DEB), ("E301", APP)]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "bad");
    assert_eq!(
        json["problems"][1]["message"],
        format!("{DEB}: listed, but not here")
    );
}

#[test]
fn stand_ins_are_named_wherever_people_look() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.request();
    request.items[0].info.stand_in = true;
    request.items[0].info.components = vec!["app".parse().unwrap()];
    request.items[0].info.version = Some("1.2.3".to_owned());
    let bundle = sandbox.pack("demo", &request).path;
    let read = |name: &str| std::fs::read_to_string(bundle.join(name)).unwrap();
    assert!(read("README.txt").contains("  stand-in: app 1.2.3\n"));
    assert!(read("label.txt").contains("STAND-IN  app 1.2.3\n"));
    assert!(read("bundle.json").contains("\"stand_in\": true"));
    let key = SigningKey::generate().unwrap();
    let _ = sign(&bundle, &key).unwrap();
    let (_, trust) = sandbox.trust("trust", &[&key], "");
    let dirs = [bundle.clone()];
    let opened = verify::open(&dirs, &trust, &Memory::none(), &Options::default()).unwrap();
    let report = opened.verify_bytes(&Silent, &Cancel::new()).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["stand_ins"], serde_json::json!(["app"]));
    let seen = verify::inspect(&bundle, None).unwrap();
    assert_eq!(seen.trust, TrustSummary::NotChecked);
    assert_eq!(seen.stand_ins, [format!("stand-in: {APP}")]);
    assert!(seen.components[0].stand_in && seen.problems.is_empty());
}

/// Format 1 as it was released: this folder must stay readable for ever.
#[test]
fn the_released_format_1_stays_readable() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundles/format-1");
    let bundle = fixture.join("demo-1.2.3.0042");
    let trust = Trust::load(&fixture.join("trust")).unwrap();
    assert_eq!(haversack_says(&bundle, &trust), "ok");
    let opened = verify::open(&[bundle], &trust, &Memory::none(), &Options::default()).unwrap();
    assert_eq!(opened.identity().to_string(), GOLDEN);
    assert_eq!(opened.signers().len(), 2);
}

/// `sha256sum SHA256SUMS` of the released bundle.
const GOLDEN: &str = "df52292f032e56754b91aaefc852f4261d40971b2488f0c17e9a759409d84990";

#[test]
fn the_script_in_every_bundle_is_clean_posix_shell() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.pack("demo", &sandbox.request()).path;
    let output = Command::new("shellcheck")
        .args(["--shell=sh", "--severity=style"])
        .arg(bundle.join("verify.sh"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(output.status.success());
}

#[test]
fn the_script_reads_the_bundle_json_that_it_hashed_though_another_takes_its_place() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let bundle = sandbox.signed("demo", &[&key]);
    let (trust, _) = sandbox.trust("trust", &[&key], "");
    // The files are hashed through xargs: right after that, bundle.json becomes another.
    let tools = sandbox.path("tools");
    std::fs::create_dir(&tools).unwrap();
    let path = std::env::var("PATH").unwrap();
    let swap = format!(
        "#!/bin/sh\nPATH={path}\nxargs \"$@\"\n[ $1 != openssl ] || echo '[]' >bundle.json\n"
    );
    std::fs::write(tools.join("xargs"), swap).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(tools.join("xargs"), mode).unwrap();
    let mut shell = Command::new("sh");
    shell.env("PATH", format!("{}:{path}", tools.display()));
    let (code, text) = verify_sh_by(shell, &bundle, "1", &[trust.join("k0.pem")]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(std::fs::read(bundle.join("bundle.json")).unwrap(), b"[]\n");
}
