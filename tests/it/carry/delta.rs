//! Deltas: they list the full new state and carry what the base lacks; completed, they are the very full
//! bundle.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice::from_ref;

use haversack::bundle::header::Sequence;
use haversack::bundle::{Base, Source, UnsignedBundle, attach, sign, to_sign};
use haversack::carry::{self, CarryError, Drop, Received, Settle};
use haversack::event::{Cancel, Progress, Silent, Step};
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::verify::{self, Memory, Options, VerifyError};

use super::{single, taking, tree};
use crate::support::bundles::{Sandbox, openssl_accepts, sha256sum_accepts};

/// An old bundle, the next one in full, and the same as a delta.
struct Series {
    sandbox: Sandbox,
    key: SigningKey,
    trust: Trust,
    old: PathBuf,
    full: PathBuf,
    delta: PathBuf,
}

const DEB: &str = "v1/apt/base/pool/libx++_1.0~rc1_amd64.deb";

impl Series {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let key = SigningKey::generate().unwrap();
        let (_, trust) = sandbox.trust("trust", &[&key], "");
        let old = sandbox.signed("old", &[&key]);
        let mut request = sandbox.request();
        request.sequence = Sequence::new(43).unwrap();
        let new = b"package, and what is new";
        let digest = sandbox.store.put(new).unwrap();
        request.items[2].source = Source::Stored { digest, size: 24 };
        request.items[2].info.size = 24;
        let signed = |bundle: UnsignedBundle| {
            let _ = sign(&bundle.path, &key).unwrap();
            bundle.path
        };
        let full = signed(sandbox.pack("full", &request));
        request.base = Some(Base::new(&to_sign(&old).unwrap().sums).unwrap());
        let delta = signed(sandbox.pack("delta", &request));
        Self {
            sandbox,
            key,
            trust,
            old,
            full,
            delta,
        }
    }

    fn gather(&self, dir: &Path, bases: &[PathBuf], out: &str) -> Result<Received, CarryError> {
        let taking = carry::Taking {
            bases,
            ..taking(&self.trust)
        };
        let out = self.sandbox.path(out);
        carry::gather(&[dir.to_owned()], &out, taking, &Silent, &Cancel::new())
    }
}

#[test]
fn a_delta_carries_what_changed_and_completed_it_is_the_full_bundle_byte_for_byte() {
    let series = Series::new();
    let carried: Vec<String> = tree(&series.delta)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    let payload: Vec<&String> = carried
        .iter()
        .filter(|path| path.starts_with("v1/"))
        .collect();
    assert_eq!(payload, [DEB]);
    let list = std::fs::read_to_string(series.delta.join("SHA256SUMS")).unwrap();
    let old = to_sign(&series.old).unwrap().identity;
    assert!(list.contains(&format!("# base {old}\n")));
    assert!(list.contains("  base/v1/files/app/app-1.2.3.tar.gz\n"));
    let received = series
        .gather(&series.delta, from_ref(&series.old), "out")
        .unwrap();
    // Signatures too: they are made over the list of the full bundle.
    assert_eq!(tree(&received.bundle), tree(&series.full));
    assert_eq!(
        received.report.identity,
        to_sign(&series.full).unwrap().identity
    );
    let dirs = [received.bundle];
    let _ = verify::open(&dirs, &series.trust, &Memory::none(), &Options::default()).unwrap();
}

#[test]
fn a_delta_passes_through_a_pipe_and_a_drop_folder() {
    let series = Series::new();
    let bases = [series.old.clone()];
    let taking = carry::Taking {
        bases: &bases,
        ..taking(&series.trust)
    };
    let file = single(&series.delta);
    assert!(file.len() < 40_000, "{}", file.len());
    let out = series.sandbox.path("piped");
    let name = Path::new("pipe");
    carry::receive(
        (&mut &file[..], name),
        &out,
        taking,
        &Silent,
        &Cancel::new(),
    )
    .unwrap();
    assert_eq!(tree(&out), tree(&series.full));
    let inbox = series.sandbox.path("inbox");
    let dirs = [series.delta.clone()];
    carry::scatter(&dirs, &inbox, &Silent, &Cancel::new()).unwrap();
    let (dropped, cancel) = (series.sandbox.path("dropped"), Cancel::new());
    let progress = Progress {
        step: Step::Receive,
        observer: &Silent,
        cancel: &cancel,
    };
    let mut drop = Drop::new(&inbox, &dropped, taking);
    assert_eq!(drop.look(Settle::Now, &progress).unwrap(), None);
    drop.finish(&progress).unwrap();
    assert_eq!(tree(&dropped), tree(&series.full));
}

#[test]
fn a_delta_of_a_completed_delta_does_not_build_a_chain() {
    let series = Series::new();
    let received = series
        .gather(&series.delta, from_ref(&series.old), "out")
        .unwrap();
    let of = |folder: &Path| Base::new(&to_sign(folder).unwrap().sums).unwrap();
    // As a base, the delta is what it makes.
    assert_eq!(of(&series.delta), of(&series.full));
    assert_eq!(of(&received.bundle), of(&series.full));
}

#[test]
fn no_base_a_wrong_base_and_an_altered_base_are_refused_and_a_bare_folder_serves_by_hash() {
    let series = Series::new();
    let none = series.gather(&series.delta, &[], "out").unwrap_err();
    assert_eq!(none.id(), "E512");
    let other = series
        .gather(&series.delta, from_ref(&series.full), "out")
        .unwrap_err();
    assert!(matches!(other, CarryError::Base { .. }), "{other:?}");
    assert_eq!(other.id(), "E512");
    // The tool that only verifies does not take a delta for a bundle.
    let dirs = [series.delta.clone()];
    let refused = verify::open(&dirs, &series.trust, &Memory::none(), &Options::default());
    assert!(matches!(refused.unwrap_err(), VerifyError::Base { .. }));
    let app = series.old.join("v1/files/app/app-1.2.3.tar.gz");
    let good = std::fs::read(&app).unwrap();
    let mut bad = good.clone();
    bad[1000] ^= 1;
    std::fs::write(&app, &bad).unwrap();
    let altered = series
        .gather(&series.delta, from_ref(&series.old), "out")
        .unwrap_err();
    assert!(
        matches!(altered, CarryError::BaseFiles { .. }),
        "{altered:?}"
    );
    assert_eq!(altered.id(), "E301");
    assert!(altered.hint().unwrap().contains("full bundle"));
    std::fs::remove_file(&app).unwrap();
    let absent = series
        .gather(&series.delta, from_ref(&series.old), "out")
        .unwrap_err();
    assert_eq!(absent.id(), "E304");
    assert!(!series.sandbox.path("out").exists());
    // Another copy under another name, in a folder that is no bundle.
    let bare = series.sandbox.path("bare");
    std::fs::create_dir(&bare).unwrap();
    std::fs::write(bare.join("some name"), &good).unwrap();
    let received = series
        .gather(&series.delta, &[series.old.clone(), bare], "out")
        .unwrap();
    assert_eq!(tree(&received.bundle), tree(&series.full));
}

#[test]
fn a_delta_that_is_signed_as_such_only_or_by_another_for_the_full_list_is_refused() {
    let series = Series::new();
    let sig = series.delta.join("sig");
    let id = series.key.verifying_key().key_id();
    let full = sig.join(format!("{id}.full.sig"));
    let bytes = std::fs::read(&full).unwrap();
    std::fs::remove_file(&full).unwrap();
    let bases = [series.old.clone()];
    let refused = series.gather(&series.delta, &bases, "out").unwrap_err();
    assert_eq!(refused.id(), "E401");
    assert!(
        refused
            .to_string()
            .contains("the list of the full bundle that it makes"),
        "{refused}"
    );
    let mallory = SigningKey::generate().unwrap();
    let list = to_sign(&series.full).unwrap().bytes;
    std::fs::write(&full, mallory.sign(&list).unwrap()).unwrap();
    assert_eq!(
        series
            .gather(&series.delta, &bases, "out")
            .unwrap_err()
            .id(),
        "E402"
    );
    std::fs::remove_file(&full).unwrap();
    // A signature over the full list that was made elsewhere finds its name by itself.
    let attached = attach(&series.delta, series.key.verifying_key(), &bytes).unwrap();
    assert_eq!(attached.written, [full]);
    series.gather(&series.delta, &bases, "out").unwrap();
}

/// What the format promises to people without this program: the old tree copied to `base/` completes a
/// delta for `sha256sum`, and the full list is made of it by `sed` and `sort`.
#[test]
fn a_delta_is_checked_by_hand_with_the_old_tree_in_base() {
    let series = Series::new();
    let key = series.sandbox.path("key.pem");
    std::fs::write(&key, series.key.verifying_key().to_pem().unwrap()).unwrap();
    assert!(openssl_accepts(&series.delta, &key));
    assert!(!sha256sum_accepts(&series.delta));
    let copied = Command::new("cp")
        .arg("-r")
        .arg(&series.old)
        .arg(series.delta.join("base"))
        .status()
        .unwrap();
    assert!(copied.success() && sha256sum_accepts(&series.delta));
    let made = Command::new("sh")
        .args(["-c", FULL_LIST])
        .current_dir(&series.delta)
        .output()
        .unwrap();
    assert_eq!(
        made.stdout,
        std::fs::read(series.full.join("SHA256SUMS")).unwrap()
    );
}

const FULL_LIST: &str = "sed -n 's/^# base .*/# base none/; /^#/p' SHA256SUMS; \
    grep -v '^#' SHA256SUMS | sed 's|  base/|  |' | LC_ALL=C sort -k 2";

/// The loop of the two sides: the isolated one proves and signs, the connected one builds on what was
/// acknowledged only.
#[test]
fn a_receipt_or_its_code_lets_a_delta_be_built_on_that_bundle_only() {
    let series = Series::new();
    let folder = series.sandbox.folder.path();
    let isolated = SigningKey::generate().unwrap();
    std::fs::write(folder.join("iso.key"), isolated.to_pem().unwrap().reveal()).unwrap();
    std::fs::write(
        folder.join("iso.pem"),
        isolated.verifying_key().to_pem().unwrap(),
    )
    .unwrap();
    let run = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(args)
            .current_dir(folder)
            .env("HAVERSACK_STATE", folder.join("state"))
            .env("HAVERSACK_STORE", folder.join("store"))
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .output()
            .unwrap()
    };
    let made = run(&[
        "receipt",
        "old",
        "--trust",
        "trust",
        "--key",
        "iso.key",
        "-o",
        "42.receipt",
        "--json",
    ]);
    assert!(made.status.success(), "{made:?}");
    let told: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let code = told["code"].as_str().unwrap();
    // The signature by the host's own tool.
    let by_hand = Command::new("sh")
        .args(["-c", BY_HAND])
        .current_dir(folder)
        .output()
        .unwrap();
    assert_eq!(by_hand.stdout, b"Verified OK\n", "{by_hand:?}");
    std::fs::write(folder.join("x.toml"), MANIFEST).unwrap();
    let build = |out: &str, base: &str, told: &[&str]| {
        let mut args = vec!["build", "x.toml", "-o", out, "--base", base];
        args.extend(told);
        let made = run(&args);
        let text = String::from_utf8_lossy(&made.stderr).into_owned();
        (made.status.code().unwrap(), text)
    };
    let receipt = ["--acknowledged", "42.receipt", "--isolated-key", "iso.pem"];
    for (name, told) in [
        ("by-file", &receipt[..]),
        ("by-code", &["--acknowledged", code]),
    ] {
        let (exit, text) = build(name, "old", told);
        assert_eq!(exit, 0, "{text}");
        let base = to_sign(&folder.join(name)).unwrap().sums.header().base;
        assert_eq!(base, Some(to_sign(&series.old).unwrap().identity));
    }
    let (exit, text) = build("no", "full", &receipt);
    assert!(exit == 5 && text.contains("[E512]"), "{text}");
    let (exit, text) = build("no", "full", &["--acknowledged", code]);
    assert!(exit == 5 && text.contains("[E512]"), "{text}");
    let other_digit = if code.starts_with('7') { '8' } else { '7' };
    let slip: String = std::iter::once(other_digit)
        .chain(code.chars().skip(1))
        .collect();
    let (exit, text) = build("no", "old", &["--acknowledged", &slip]);
    assert!(exit == 2 && text.contains("[E295]"), "{text}");
    let other = SigningKey::generate().unwrap();
    std::fs::write(
        folder.join("iso.pem"),
        other.verifying_key().to_pem().unwrap(),
    )
    .unwrap();
    let (exit, text) = build("no", "old", &receipt);
    assert!(exit == 4 && text.contains("[E402]"), "{text}");
    assert!(!folder.join("no").exists());
}

const BY_HAND: &str = "head -n 6 42.receipt > said && sed -n 's/^signature //p' 42.receipt | base64 -d > der && \
    openssl dgst -sha384 -verify iso.pem -signature der said";

const MANIFEST: &str = r#"
format = 1
name = "demo"
target = { distribution = "debian-12", arch = "amd64" }

[[artifact]]
component = "mattermost"
version = "1.2.3"
path = "x.toml"
trust = { first-lock = "a test of receipts, in which nobody vouches for the only file" }
"#;
