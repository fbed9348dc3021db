//! Verdicts over keys and signatures that gpg made, in states that are hard to come by.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haversack::trust::openpgp::{Keyring, OpenPgpError, Reason};
use haversack::types::fingerprint::Fingerprint;
use jiff::Timestamp;

/// A home of gpg with keys of its own.
pub(crate) struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    pub(crate) fn new() -> Self {
        // The path of gpg-agent's socket must be short.
        let home = tempfile::Builder::new()
            .prefix("g")
            .tempdir_in("/tmp")
            .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(home.path(), mode).unwrap();
        Self { home }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .arg("--homedir")
            .arg(self.home.path())
            .args([
                "--batch",
                "--yes",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
            ])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        output.stdout
    }

    /// Makes a key at a time, valid for so long, and gives its fingerprint.
    pub(crate) fn key(&self, name: &str, kind: &str, at: &str, life: &str) -> Fingerprint {
        let time = format!("--faked-system-time={at}!");
        self.run(&[&time, "--quick-gen-key", name, kind, "sign", life]);
        let listed = self.run(&["--with-colons", "--list-keys", name]);
        let listed = String::from_utf8(listed).unwrap();
        let row = listed
            .lines()
            .find(|line| line.starts_with("fpr:"))
            .unwrap();
        row.split(':').nth(9).unwrap().parse().unwrap()
    }

    pub(crate) fn export(&self, name: &str) -> Vec<u8> {
        self.run(&["--export", name])
    }

    /// Imports the revocation that gpg made together with a key.
    pub(crate) fn revoke(&self, fingerprint: &Fingerprint) {
        let certificate = format!("openpgp-revocs.d/{fingerprint}.rev");
        let revocation = std::fs::read_to_string(self.home.path().join(certificate)).unwrap();
        let revocation = revocation.replace(":-----BEGIN", "-----BEGIN");
        let path = self.path("revocation", revocation.as_bytes());
        self.run(&["--import", path.to_str().unwrap()]);
    }

    pub(crate) fn path(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn sign(&self, name: &str, form: &[&str], at: &str, file: &Path) -> Vec<u8> {
        let time = format!("--faked-system-time={at}!");
        let mut arguments = vec![time.as_str(), "--local-user", name];
        arguments.extend(form);
        arguments.extend(["--output", "-", file.to_str().unwrap()]);
        self.run(&arguments)
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "gpg-agent"])
            .status();
    }
}

const CLEAR: &[&str] = &["--clear-sign"];
const BINARY: &[&str] = &["--detach-sign"];
const ARMORED: &[&str] = &["--detach-sign", "--armor"];
const TEXT: &[&str] = &["--detach-sign", "--textmode"];
const DATA: &[u8] = b"Origin: test\n- dashes\nline with spaces  \nSHA256:\n aa 1 b\n";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn reason(error: OpenPgpError) -> Reason {
    match error {
        OpenPgpError::NoneGood { rejected, .. } => rejected.into_iter().next().unwrap().reason,
        other => panic!("{other}"),
    }
}

#[test]
fn good_signatures_of_every_form_are_accepted() {
    let gpg = Gpg::new();
    let made = "20260101T000000";
    let now = time("2026-02-01T00:00:00Z");
    for (name, kind) in [("rsa@example", "rsa2048"), ("ed@example", "ed25519")] {
        let fingerprint = gpg.key(name, kind, made, "1y");
        let file = gpg.path("data", DATA);
        let armored = gpg.run(&["--armor", "--export", name]);
        for certificate in [gpg.export(name), armored] {
            let keyring = Keyring::parse(&certificate).unwrap();
            assert_eq!(keyring.fingerprints(), std::slice::from_ref(&fingerprint));
            for form in [BINARY, ARMORED, TEXT] {
                let signature = gpg.sign(name, form, "20260102T000000", &file);
                let signers = keyring.verify_detached(&signature, DATA, now).unwrap();
                assert_eq!(signers, std::slice::from_ref(&fingerprint), "{form:?}");
                let mut other = DATA.to_vec();
                other[3] ^= 1;
                let error = keyring.verify_detached(&signature, other.as_slice(), now);
                assert_eq!(reason(error.unwrap_err()), Reason::Bad);
            }
            let signed = gpg.sign(name, CLEAR, "20260102T000000", &file);
            let proven = keyring.verify_clear_signed(&signed, now).unwrap();
            assert_eq!(proven.signers, std::slice::from_ref(&fingerprint));
            assert!(
                proven
                    .text
                    .starts_with("Origin: test\n- dashes\nline with spaces\nSHA256:")
            );
        }
    }
}

#[test]
fn changed_cut_and_surrounded_texts_are_refused() {
    let gpg = Gpg::new();
    gpg.key("a@example", "ed25519", "20260101T000000", "0");
    let keyring = Keyring::parse(&gpg.export("a@example")).unwrap();
    let signed = gpg.sign(
        "a@example",
        CLEAR,
        "20260102T000000",
        &gpg.path("data", DATA),
    );
    let signed = String::from_utf8(signed).unwrap();
    let now = time("2026-02-01T00:00:00Z");
    assert!(keyring.verify_clear_signed(signed.as_bytes(), now).is_ok());
    let changed = signed.replace("Origin: test", "Origin: evil");
    let error = keyring
        .verify_clear_signed(changed.as_bytes(), now)
        .unwrap_err();
    assert_eq!(reason(error), Reason::Bad);
    for broken in [
        format!("Origin: evil\n\n{signed}"),
        format!("{signed}\nOrigin: evil\n"),
        signed[..signed.len() / 2].to_owned(),
        signed.replace("-----BEGIN PGP SIGNATURE-----", ""),
        String::new(),
    ] {
        let error = keyring
            .verify_clear_signed(broken.as_bytes(), now)
            .unwrap_err();
        assert!(matches!(error, OpenPgpError::Malformed(_)), "{error}");
    }
}

#[test]
fn wrong_expired_revoked_and_weak_keys_are_named_as_such() {
    let gpg = Gpg::new();
    let good = gpg.key("good@example", "ed25519", "20260101T000000", "0");
    let old = gpg.key("old@example", "ed25519", "20200101T000000", "1y");
    let gone = gpg.key("gone@example", "rsa2048", "20260101T000000", "0");
    let file = gpg.path("data", DATA);
    let now = time("2026-02-01T00:00:00Z");
    let sign = |name: &str, at: &str| gpg.sign(name, BINARY, at, &file);

    let keyring = Keyring::parse(&gpg.export("good@example")).unwrap();
    let foreign = sign("gone@example", "20260102T000000");
    let error = keyring.verify_detached(&foreign, DATA, now).unwrap_err();
    assert!(error.to_string().contains(&good.to_string()), "{error}");
    assert_eq!(reason(error), Reason::UnknownKey);

    // A foreign signature beside a good one is ignored, in either order.
    let own = sign("good@example", "20260102T000000");
    for both in [
        [own.clone(), foreign.clone()].concat(),
        [foreign, own].concat(),
    ] {
        assert_eq!(
            keyring.verify_detached(&both, DATA, now).unwrap(),
            std::slice::from_ref(&good)
        );
    }

    let expired = Keyring::parse(&gpg.export("old@example")).unwrap();
    let signature = sign("old@example", "20200601T000000");
    let error = expired.verify_detached(&signature, DATA, now).unwrap_err();
    assert_eq!(reason(error), Reason::Expired(time("2020-12-31T00:00:00Z")));
    // Renewed in place: the same fingerprint, a newer self-signature.
    let renew = "--faked-system-time=20201201T000000!";
    gpg.run(&[renew, "--quick-set-expire", &old.to_string(), "20y"]);
    let renewed = Keyring::parse(&gpg.export("old@example")).unwrap();
    assert_eq!(renewed.fingerprints(), std::slice::from_ref(&old));
    let late = sign("old@example", "20251201T000000");
    for signature in [signature, late] {
        assert_eq!(
            renewed.verify_detached(&signature, DATA, now).unwrap(),
            std::slice::from_ref(&old)
        );
    }

    // SHA-1 does not count, whatever date the signature claims.
    gpg.key("ancient@example", "rsa2048", "20100101T000000", "0");
    let weak = gpg.sign(
        "ancient@example",
        &[
            "--digest-algo",
            "SHA1",
            "--allow-weak-digest-algos",
            "--detach-sign",
        ],
        "20120102T000000",
        &file,
    );
    let keyring = Keyring::parse(&gpg.export("ancient@example")).unwrap();
    let error = keyring.verify_detached(&weak, DATA, now).unwrap_err();
    assert_eq!(reason(error), Reason::Weak("SHA1".to_owned()));

    let strong = sign("gone@example", "20260102T000000");
    let keyring = Keyring::parse(&gpg.export("gone@example")).unwrap();
    assert!(keyring.verify_detached(&strong, DATA, now).is_ok());
    let future = sign("gone@example", "20270102T000000");
    let error = keyring.verify_detached(&future, DATA, now).unwrap_err();
    assert_eq!(reason(error), Reason::Time);

    gpg.revoke(&gone);
    let revoked = Keyring::parse(&gpg.export("gone@example")).unwrap();
    let error = revoked.verify_detached(&strong, DATA, now).unwrap_err();
    assert_eq!(reason(error), Reason::Revoked);
}

#[test]
fn keys_that_may_not_sign_are_refused() {
    let gpg = Gpg::new();
    gpg.run(&[
        "--faked-system-time=20260101T000000!",
        "--quick-gen-key",
        "certify@example",
        "rsa2048",
        "cert",
        "0",
    ]);
    let listed = gpg.run(&["--with-colons", "--list-keys", "certify@example"]);
    let listed = String::from_utf8(listed).unwrap();
    let row = listed
        .lines()
        .find(|line| line.starts_with("fpr:"))
        .unwrap();
    let primary = row.split(':').nth(9).unwrap().to_owned();
    let time_of_subkey = "--faked-system-time=20260102T000000!";
    gpg.run(&[
        time_of_subkey,
        "--quick-add-key",
        &primary,
        "rsa2048",
        "sign",
        "30d",
    ]);
    let signature = gpg.sign(
        "certify@example",
        BINARY,
        "20260103T000000",
        &gpg.path("data", DATA),
    );
    let keyring = Keyring::parse(&gpg.export("certify@example")).unwrap();
    let signers = keyring.verify_detached(&signature, DATA, time("2026-01-10T00:00:00Z"));
    assert_eq!(
        signers.unwrap(),
        [primary.parse().unwrap()],
        "the primary key is named"
    );
    let error = keyring.verify_detached(&signature, DATA, time("2026-03-10T00:00:00Z"));
    assert_eq!(reason(error.unwrap_err()), Reason::NotForSigning);
}

#[test]
fn pinned_certificates_must_be_there() {
    let bytes = std::fs::read("/usr/share/keyrings/debian-archive-keyring.gpg").unwrap();
    let keyring = Keyring::parse(&bytes).unwrap();
    let all = keyring.fingerprints();
    assert!(all.len() > 5, "{all:?}");
    assert_eq!(keyring.only(&all[1..3]).unwrap().fingerprints(), &all[1..3]);
    let absent: Fingerprint = "A1B31D46F0F3A10B02CF2D44F8F2C31744774B28".parse().unwrap();
    match keyring.only(std::slice::from_ref(&absent)) {
        Err(OpenPgpError::NotInKeyring { missing, found }) => {
            assert_eq!((missing, found), (vec![absent], all.clone()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        Keyring::parse(&keyring.to_binary()).unwrap().fingerprints(),
        all
    );
    for bad in [
        &b""[..],
        b"text",
        &bytes[..1000],
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxx",
    ] {
        assert!(matches!(Keyring::parse(bad), Err(OpenPgpError::Keyring(_))));
    }
}

#[test]
fn secret_keys_are_no_keyring() {
    let gpg = Gpg::new();
    gpg.key("a@example", "ed25519", "20260101T000000", "0");
    let secret = gpg.run(&["--export-secret-keys", "a@example"]);
    let error = Keyring::parse(&secret).unwrap_err().to_string();
    assert!(error.contains("secret key"), "{error}");
}
