//! The tamper corpus: what is done to a bundle, and what everyone says about it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use haversack::event::{Cancel, Silent};
use haversack::fs::walk;
use haversack::pool;
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::types::digest::Digest;
use haversack::verify::{self, Memory, Options};

use super::cases::cases;
use crate::support::bundles::{
    Sandbox, openssl_accepts, sha256sum_accepts, ssh_keygen_accepts, verify_sh,
};

/// One bundle that something was done to.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// What is done to a good bundle, signed by `alice` and `bob`.
    pub(super) tamper: fn(&Workshop, &Path),
    /// Keys of the trust directory, and the threshold.
    pub(super) trust: Trusted,
    /// What the good bundle is like.
    pub(super) over: Over,
    /// The id that haversack gives; "ok" for a good bundle.
    pub(super) id: &'static str,
    /// The exit class of both haversack and verify.sh.
    pub(super) exit: i32,
    /// What the single tools say: openssl, ssh-keygen, sha256sum. `None` where it does not matter.
    pub(super) tools: [Option<bool>; 3],
}

#[derive(Clone, Copy)]
pub(super) enum Over {
    /// One volume.
    One,
    /// Five volumes, and a file in parts.
    Volumes,
    /// A delta with a change.
    Delta,
    /// A delta over volumes, with a change and a file in parts.
    DeltaOfVolumes,
}

#[derive(Clone, Copy)]
pub(super) enum Trusted {
    Alice,
    AliceAndBob,
    AliceTwice,
    /// Her key once as it should be, and once with a compressed point.
    AliceInTwoForms,
}

pub(super) struct Workshop {
    pub(super) case: &'static str,
    pub(super) sandbox: Sandbox,
    pub(super) alice: &'static SigningKey,
    pub(super) bob: &'static SigningKey,
    pub(super) mallory: &'static SigningKey,
}

/// A large payload file of the bundle.
pub(super) const APP: &str = "v1/files/app/app-1.2.3.tar.gz";
/// A small one, of seven bytes.
pub(super) const DEB: &str = "v1/apt/base/pool/libx++_1.0~rc1_amd64.deb";

impl Workshop {
    pub(super) fn new(case: &'static str) -> Self {
        static KEYS: OnceLock<[SigningKey; 3]> = OnceLock::new();
        let [alice, bob, mallory] =
            KEYS.get_or_init(|| [(); 3].map(|()| SigningKey::generate().unwrap()));
        Self {
            case,
            sandbox: Sandbox::new(),
            alice,
            bob,
            mallory,
        }
    }

    /// Signs what lies there now, as a builder who lies would.
    pub(super) fn resign(&self, bundle: &Path) {
        let list = std::fs::read(bundle.join("SHA256SUMS")).unwrap();
        std::fs::remove_dir_all(bundle.join("sig")).unwrap();
        std::fs::create_dir(bundle.join("sig")).unwrap();
        let id = self.alice.verifying_key().key_id();
        let raw = self.alice.sign(&list).unwrap();
        std::fs::write(bundle.join(format!("sig/{id}.sig")), raw).unwrap();
        let ssh = haversack::trust::sshsig::sign(self.alice, &list).unwrap();
        std::fs::write(bundle.join(format!("sig/{id}.sshsig")), ssh).unwrap();
    }

    /// Changes the list and signs it again.
    pub(super) fn relist(&self, bundle: &Path, change: impl Fn(String) -> String) {
        edit(bundle, "SHA256SUMS", |bytes| {
            change(String::from_utf8(bytes).unwrap()).into_bytes()
        });
        self.resign(bundle);
    }

    /// Lists a path instead of the empty payload file, in its right place, and signs that.
    pub(super) fn list_instead(&self, bundle: &Path, path: &str) {
        self.relist(bundle, |text| {
            let mut lines: Vec<String> = text
                .lines()
                .map(|line| line.replace("v1/files/app/empty", path))
                .collect();
            lines[9..].sort_by(|a, b| a[66..].cmp(&b[66..]));
            lines.join("\n") + "\n"
        });
    }

    /// Changes bundle.json, its line in the list, and the count of bytes, and signs that.
    pub(super) fn redescribe(&self, bundle: &Path, change: impl Fn(String) -> String) {
        let before = std::fs::read(bundle.join("bundle.json")).unwrap();
        edit(bundle, "bundle.json", |bytes| {
            change(String::from_utf8(bytes).unwrap()).into_bytes()
        });
        let after = std::fs::read(bundle.join("bundle.json")).unwrap();
        assert_ne!(before, after);
        self.relist(bundle, |text| {
            text.replace(
                &Digest::of(&before).to_string(),
                &Digest::of(&after).to_string(),
            )
        });
    }
}

pub(super) fn edit(bundle: &Path, path: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let path = bundle.join(path);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, change(bytes)).unwrap();
}

pub(super) fn first_signature(bundle: &Path, key: &SigningKey) -> PathBuf {
    bundle.join(format!("sig/{}.sig", key.verifying_key().key_id()))
}

/// A signature by Alice with a random nonce.
pub(super) fn openssl_sign(w: &Workshop, list: &[u8]) -> Vec<u8> {
    let (key, text) = (w.sandbox.path("alice.key"), w.sandbox.path("list"));
    std::fs::write(&key, w.alice.to_pem().unwrap().reveal()).unwrap();
    std::fs::write(&text, list).unwrap();
    let output = Command::new("openssl")
        .args(["dgst", "-sha384", "-sign"])
        .args([&key, &text])
        .output();
    output.unwrap().stdout
}

/// Where each "extra" case puts its file.
pub(super) const EXTRAS: [(&str, &str); 11] = [
    ("extra file", "v1/files/app/extra"),
    ("extra file with a space", "v1/a b"),
    ("extra file with a newline", "v1/a\nREADME.txt"),
    (
        "extra file that reads as two listed ones",
        "README.txt\nlabel.txt",
    ),
    (
        "extra folder that reads as listed",
        "README.txt\nevidence/manifest.toml",
    ),
    ("extra hidden file", ".hidden"),
    ("extra hidden file in a hidden folder", ".git/config"),
    ("extra script in sig", "sig/run.sh"),
    ("extra folder in sig", "sig/deep/x.sig"),
    ("extra volume", "v2/file"),
    ("extra file that differs by case", "Readme.txt"),
];

pub(super) fn put_extra(w: &Workshop, bundle: &Path) {
    let (_, path) = EXTRAS.iter().find(|(name, _)| *name == w.case).unwrap();
    let path = bundle.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, b"extra").unwrap();
}

/// Writes a public key anew, with a compressed point.
fn compress(key: &Path, to: &Path) {
    let status = Command::new("openssl")
        .args(["ec", "-pubin", "-pubout", "-conv_form", "compressed", "-in"])
        .arg(key)
        .arg("-out")
        .arg(to)
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert!(std::fs::read(to).unwrap().len() < std::fs::read(key).unwrap().len());
}

/// The id that haversack gives: of `verify`, which must agree with `open`.
pub(super) fn haversack_says(bundle: &Path, trust: &Trust) -> String {
    let dirs = [bundle.to_owned()];
    let memory = Memory::none();
    let options = Options::default();
    let report = verify::verify(&dirs, trust, &memory, &options, &Silent, &Cancel::new());
    let said = match &report {
        Ok(report) => report.id().unwrap_or("ok"),
        Err(error) => error.id(),
    }
    .to_owned();
    // The way that staging goes: what `open` lets through, hashing must catch.
    let opened = match verify::open(&dirs, trust, &memory, &options) {
        Ok(opened) => {
            let report = opened.verify_bytes(&Silent, &Cancel::new()).unwrap();
            report.id().unwrap_or("ok").to_owned()
        }
        Err(error) => error.id().to_owned(),
    };
    // A delta is no bundle that could be opened, whatever is right or wrong with what it carries.
    let list = std::fs::read(bundle.join("SHA256SUMS")).unwrap_or_default();
    let line = list.split(|byte| *byte == b'\n').nth(5).unwrap_or_default();
    let delta = line.starts_with(b"# base ") && line != b"# base none";
    let expected = if delta && opened == "E512" {
        "E512"
    } else {
        &said
    };
    assert_eq!(opened, expected, "open and verify disagree");
    said
}

pub(super) fn snapshot(bundle: &Path) -> Vec<(PathBuf, u64, u32, std::time::SystemTime)> {
    walk(bundle)
        .unwrap()
        .into_iter()
        .map(|entry| {
            let meta = std::fs::symlink_metadata(bundle.join(&entry.path)).unwrap();
            (entry.path, entry.size, entry.mode, meta.modified().unwrap())
        })
        .collect()
}

#[test]
fn every_tampering_gets_the_same_verdict_from_haversack_and_from_the_script() {
    let mut all = cases();
    all.extend(super::cut::cases());
    all.extend(super::deltas::cases());
    let wrong: Vec<String> = pool::try_map(&all, pool::cores(), |case| Ok::<_, ()>(run(case)))
        .unwrap()
        .concat();
    assert!(
        wrong.is_empty(),
        "of {} cases:\n{}",
        all.len(),
        wrong.join("\n")
    );
    assert!(all.len() >= 87, "{} cases", all.len());
}

/// What went otherwise than the case says.
pub(super) fn run(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let w = Workshop::new(case.name);
    let request = match case.over {
        Over::One => w.sandbox.request(),
        Over::Volumes => super::volumes::request(&w.sandbox, None),
        Over::Delta => super::deltas::one(&w.sandbox),
        Over::DeltaOfVolumes => super::deltas::of_volumes(&w.sandbox),
    };
    let bundle = w.sandbox.pack("demo", &request).path;
    for key in [w.alice, w.bob] {
        let _ = haversack::bundle::sign(&bundle, key).unwrap();
    }
    (case.tamper)(&w, &bundle);

    let (keys, policy): (Vec<&SigningKey>, &str) = match case.trust {
        Trusted::Alice => (vec![w.alice], ""),
        Trusted::AliceAndBob => (vec![w.alice, w.bob], "threshold = 2\n"),
        // The trust directory refuses a threshold that one key cannot meet, so that Mallory's key
        // stands in for a second one that did not sign; the script gets Alice's key twice.
        Trusted::AliceTwice | Trusted::AliceInTwoForms => {
            (vec![w.alice, w.mallory], "threshold = 2\n")
        }
    };
    let (folder, trust) = w.sandbox.trust("trust", &keys, policy);
    let threshold = trust.policy().threshold.to_string();
    let mut key_files: Vec<PathBuf> = (0..keys.len())
        .map(|n| folder.join(format!("k{n}.pem")))
        .collect();
    if matches!(case.trust, Trusted::AliceTwice) {
        std::fs::copy(&key_files[0], folder.join("again.key")).unwrap();
        key_files[1] = folder.join("again.key");
    }
    if matches!(case.trust, Trusted::AliceInTwoForms) {
        compress(&key_files[0], &key_files[1]);
    }
    let before = snapshot(&bundle);

    let mut check = |what: &str, found: &str, expected: &str| {
        if found != expected {
            let name = case.name;
            wrong.push(format!("{name}: {what} says {found}, expected {expected}"));
        }
    };
    // The trust directory may have changed since it was read above.
    let says = match Trust::load(&folder) {
        Ok(trust) => haversack_says(&bundle, &trust),
        Err(error) => error.id().to_owned(),
    };
    check("haversack", &says, case.id);
    let exit = case.exit.to_string();
    let class = if case.id == "ok" { "0" } else { &case.id[1..2] };
    check("the id", class, &exit);
    for shell in ["dash", "bash"] {
        let (code, text) = verify_sh(shell, &bundle, &threshold, &key_files);
        let what = format!("verify.sh in {shell} ({})", text.trim());
        check(&what, &code.to_string(), &exit);
    }
    let said = [
        openssl_accepts(&bundle, &key_files[0]),
        ssh_keygen_accepts(&w.sandbox, &bundle, w.alice),
        // It would wait for a writer of the pipe.
        case.name != "fifo in place of a file" && sha256sum_accepts(&bundle),
    ];
    let tools = ["openssl", "ssh-keygen", "sha256sum"];
    for ((tool, found), expected) in tools.iter().zip(said).zip(case.tools) {
        if let Some(expected) = expected {
            check(tool, &found.to_string(), &expected.to_string());
        }
    }
    if snapshot(&bundle) != before {
        wrong.push(format!("{}: the bundle was changed", case.name));
    }
    wrong
}
