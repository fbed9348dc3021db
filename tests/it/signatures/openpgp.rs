//! gpgv and Haversack, asked about the same signatures; and the keys that upstreams publish.

use std::path::Path;
use std::process::Command;

use haversack::trust::openpgp::Keyring;
use haversack::types::fingerprint::Fingerprint;
use jiff::Timestamp;

use crate::apt::openpgp::Gpg;

const DATA: &[u8] = b"what was released\nsecond line\n";
const BINARY: &[&str] = &["--detach-sign"];
const SHA1: &[&str] = &[
    "--detach-sign",
    "--digest-algo",
    "SHA1",
    "--allow-weak-digest-algos",
];
const MADE: &str = "20260101T000000";
const SIGNED: &str = "20260201T000000";

/// Where the two judge otherwise, on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    BothAccept,
    BothRefuse,
    /// Haversack is stricter, because…
    OnlyGpgv(&'static str),
    /// Haversack accepts what gpgv does not, because…
    OnlyHaversack(&'static str),
}
use Verdict::{BothAccept, BothRefuse, OnlyGpgv, OnlyHaversack};

/// Whether gpgv and Haversack accept.
pub(super) const fn accepted(verdict: Verdict) -> (bool, bool) {
    match verdict {
        BothAccept => (true, true),
        BothRefuse => (false, false),
        OnlyGpgv(_) => (true, false),
        OnlyHaversack(_) => (false, true),
    }
}

const EXPIRED: &str =
    "gpgv does not look at the end of keys; whoever held an ended key may have lost it";
const GONE: &str = "gpgv does not look at revocations; a revoked key may be in foreign hands";
const WEAK: &str = "collisions of this hash can be bought";
const SMALL: &str = "keys of this size can be broken";
const BESIDE: &str =
    "upstreams sign with several keys while they change them: one good pinned key is enough";
const FORWARD: &str = "gpgv takes signatures of any later day; a clock that wrong is not believed";

/// A question to both.
struct Row {
    what: String,
    keyring: Vec<u8>,
    signature: Vec<u8>,
    data: Vec<u8>,
    verdict: Verdict,
}

fn row(what: &str, keyring: &[u8], signature: &[u8], data: &[u8], verdict: Verdict) -> Row {
    Row {
        what: what.to_owned(),
        keyring: keyring.to_vec(),
        signature: signature.to_vec(),
        data: data.to_vec(),
        verdict,
    }
}

fn gpgv(gpg: &Gpg, row: &Row) -> bool {
    let keyring = gpg.path("asked.gpg", &row.keyring);
    let signature = gpg.path("asked.sig", &row.signature);
    let data = gpg.path("asked", &row.data);
    let mut command = Command::new("gpgv");
    command.arg("--keyring").arg(keyring);
    command.arg(signature).arg(data);
    command.output().unwrap().status.success()
}

fn haversack(row: &Row, now: Timestamp) -> Result<Vec<Fingerprint>, String> {
    Keyring::parse(&row.keyring)
        .and_then(|keyring| keyring.verify_detached(&row.signature, row.data.as_slice(), now))
        .map_err(|error| error.to_string())
}

fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// Every form by every kind of key, each good, of another file, changed, cut, and by another key.
fn plain(gpg: &Gpg, file: &Path, rows: &mut Vec<Row>) {
    gpg.key("other@example", "ed25519", MADE, "0");
    let other = gpg.export("other@example");
    for kind in ["rsa2048", "rsa3072", "ed25519", "nistp256"] {
        let name = format!("{kind}@example");
        gpg.key(&name, kind, MADE, "0");
        let keyring = gpg.export(&name);
        let forms: [(&str, &[&str]); 5] = [
            ("binary", BINARY),
            ("armored", &["--detach-sign", "--armor"]),
            ("text mode", &["--detach-sign", "--textmode"]),
            ("SHA-384", &["--detach-sign", "--digest-algo", "SHA384"]),
            ("SHA-512", &["--detach-sign", "--digest-algo", "SHA512"]),
        ];
        for (form, arguments) in forms {
            let good = gpg.sign(&name, arguments, SIGNED, file);
            let what = |about: &str| format!("{kind}, {form}{about}");
            rows.push(row(&what(""), &keyring, &good, DATA, BothAccept));
            let others: &[u8] = b"another file\n";
            rows.push(row(
                &what(", other file"),
                &keyring,
                &good,
                others,
                BothRefuse,
            ));
            if form == "binary" {
                let changed = flip(&good, good.len() - 3);
                rows.push(row(
                    &what(", changed"),
                    &keyring,
                    &changed,
                    DATA,
                    BothRefuse,
                ));
                let cut = &good[..good.len() - 5];
                rows.push(row(&what(", cut short"), &keyring, cut, DATA, BothRefuse));
                rows.push(row(&what(", wrong key"), &other, &good, DATA, BothRefuse));
                let longer = [DATA, b"more"].concat();
                rows.push(row(
                    &what(", data longer"),
                    &keyring,
                    &good,
                    &longer,
                    BothRefuse,
                ));
                rows.push(row(
                    &what(", data cut"),
                    &keyring,
                    &good,
                    &DATA[..9],
                    BothRefuse,
                ));
            }
        }
        let text = gpg.sign(&name, &["--detach-sign", "--textmode"], SIGNED, file);
        let windows = String::from_utf8(DATA.to_vec())
            .unwrap()
            .replace('\n', "\r\n");
        let what = format!("{kind}, text mode, line ends of Windows");
        rows.push(row(&what, &keyring, &text, windows.as_bytes(), BothAccept));
    }
}

/// What is odd about signatures: their day, hash, notations, company.
fn odd(gpg: &Gpg, file: &Path, rows: &mut Vec<Row>) {
    let name = "rsa3072@example";
    let keyring = gpg.export(name);
    let good = gpg.sign(name, BINARY, SIGNED, file);
    let foreign = gpg.sign("other@example", BINARY, SIGNED, file);
    let both = [good.clone(), foreign.clone()].concat();
    let turned = [foreign, good.clone()].concat();
    let bad = flip(&good, good.len() - 3);
    let one_bad = [good.clone(), bad.clone()].concat();
    let two_bad = [bad.clone(), bad].concat();
    let late = gpg.sign(name, BINARY, "20400101T000000", file);
    let short = gpg.sign(
        name,
        &["--default-sig-expire", "5d", "--detach-sign"],
        SIGNED,
        file,
    );
    let weak = gpg.sign(name, SHA1, SIGNED, file);
    let noted = gpg.sign(
        name,
        &["--sig-notation", "a@example.org=1", "--detach-sign"],
        SIGNED,
        file,
    );
    let critical = gpg.sign(
        name,
        &["--sig-notation", "!a@example.org=1", "--detach-sign"],
        SIGNED,
        file,
    );
    let garbage = [good.clone(), vec![0x41; 40]].concat();
    let armored = gpg.sign(name, &["--detach-sign", "--armor"], SIGNED, file);
    let text = String::from_utf8(armored).unwrap();
    let before = format!("a line before\n{text}");
    let crc = text.replace("\n=", "\n=A");
    gpg.key("young@example", "ed25519", "20260601T000000", "0");
    let young = gpg.export("young@example");
    let clear = gpg.sign(name, &["--clear-sign"], SIGNED, file);
    for (what, signature, verdict) in [
        (
            "two signatures, one by an unknown key",
            &both,
            OnlyHaversack(BESIDE),
        ),
        (
            "the same, in the other order",
            &turned,
            OnlyHaversack(BESIDE),
        ),
        (
            "two signatures, one changed",
            &one_bad,
            OnlyHaversack(BESIDE),
        ),
        ("two signatures, both changed", &two_bad, BothRefuse),
        ("made in the future", &late, OnlyGpgv(FORWARD)),
        ("over since long", &short, BothRefuse),
        ("SHA-1", &weak, OnlyGpgv(WEAK)),
        ("a notation", &noted, BothAccept),
        ("an unknown critical notation", &critical, BothRefuse),
        ("bytes after it", &garbage, BothRefuse),
        ("a line before its armor", &before.into_bytes(), BothAccept),
        (
            "a wrong checksum of its armor",
            &crc.into_bytes(),
            BothRefuse,
        ),
        ("a clear-signed text in its place", &clear, BothRefuse),
        ("nothing", &Vec::new(), BothRefuse),
        ("the certificate in its place", &keyring, BothRefuse),
    ] {
        rows.push(row(what, &keyring, signature, DATA, verdict));
    }
    rows.push(row(
        "a key that others made later",
        &young,
        &good,
        DATA,
        BothRefuse,
    ));
}

/// What is odd about keys: ended, renewed, revoked, small, with subkeys.
fn keys(gpg: &Gpg, file: &Path, rows: &mut Vec<Row>) {
    let old = gpg.key("old@example", "ed25519", "20200101T000000", "1y");
    let signature = gpg.sign("old@example", BINARY, "20200601T000000", file);
    let ended = gpg.export("old@example");
    rows.push(row(
        "an ended key",
        &ended,
        &signature,
        DATA,
        OnlyGpgv(EXPIRED),
    ));
    let renew = "--faked-system-time=20201201T000000!";
    gpg.run(&[renew, "--quick-set-expire", &old.to_string(), "20y"]);
    let renewed = gpg.export("old@example");
    rows.push(row(
        "the same key, renewed in place",
        &renewed,
        &signature,
        DATA,
        BothAccept,
    ));

    for kind in ["rsa1024", "dsa1024"] {
        let name = format!("{kind}@example");
        gpg.key(&name, kind, MADE, "0");
        let signature = gpg.sign(&name, BINARY, SIGNED, file);
        let what = format!("a key of {kind}");
        rows.push(row(
            &what,
            &gpg.export(&name),
            &signature,
            DATA,
            OnlyGpgv(SMALL),
        ));
    }

    for (kind, life, verdict) in [
        ("ed25519", "0", BothAccept),
        ("rsa3072", "0", BothAccept),
        ("rsa2048", "30d", OnlyGpgv(EXPIRED)),
    ] {
        let name = format!("sub-{kind}@example");
        let fingerprint = gpg.key(&name, "ed25519", MADE, "0").to_string();
        let time = format!("--faked-system-time={MADE}!");
        gpg.run(&[&time, "--quick-add-key", &fingerprint, kind, "sign", life]);
        let at = "20260115T000000";
        let signature = gpg.sign(&name, BINARY, at, file);
        let what = format!("a subkey of {kind}, life {life}");
        rows.push(row(&what, &gpg.export(&name), &signature, DATA, verdict));
    }

    let gone = gpg.key("gone@example", "rsa2048", MADE, "0");
    let signature = gpg.sign("gone@example", BINARY, SIGNED, file);
    gpg.revoke(&gone);
    rows.push(row(
        "a revoked key",
        &gpg.export("gone@example"),
        &signature,
        DATA,
        OnlyGpgv(GONE),
    ));
}

#[test]
fn gpgv_and_haversack_agree_but_where_a_reason_is_given() {
    let gpg = Gpg::new();
    let file = gpg.path("data", DATA);
    let mut rows = Vec::new();
    plain(&gpg, &file, &mut rows);
    odd(&gpg, &file, &mut rows);
    keys(&gpg, &file, &mut rows);
    assert!(rows.len() >= 40, "{}", rows.len());
    let now = Timestamp::now();
    let mut wrong = Vec::new();
    println!("{:<44} gpgv  haversack", "signature");
    for row in &rows {
        let (theirs, ours) = (gpgv(&gpg, row), haversack(row, now));
        let expected = accepted(row.verdict);
        let why = match row.verdict {
            BothAccept | BothRefuse => "",
            OnlyGpgv(why) | OnlyHaversack(why) => why,
        };
        println!("{:<44} {theirs:<5} {:<5} {why}", row.what, ours.is_ok());
        if (theirs, ours.is_ok()) != expected {
            wrong.push(format!("{}: gpgv {theirs}, haversack {ours:?}", row.what));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "of {} rows", rows.len());
}

/// The key that postgresql-common ships for PGDG (fingerprint as PGDG announces it).
#[test]
fn the_pgdg_key_is_the_one_that_is_pinned() {
    let bytes = std::fs::read("/usr/share/postgresql-common/pgdg/apt.postgresql.org.asc").unwrap();
    let pinned: Fingerprint = "B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8".parse().unwrap();
    let keyring = Keyring::parse(&bytes).unwrap();
    let kept = keyring.only(std::slice::from_ref(&pinned)).unwrap();
    assert_eq!(kept.fingerprints(), [pinned]);
}

/// The signed indexes that apt keeps on this machine: Debian signs with RSA and with `EdDSA`.
#[test]
fn gpgv_and_haversack_agree_on_the_real_indexes_of_debian() {
    let keys = Path::new("/usr/share/keyrings");
    let all = keys.join("debian-archive-keyring.gpg");
    let keyring = Keyring::parse(&std::fs::read(&all).unwrap()).unwrap();
    let mut seen = 0;
    let mut signers = Vec::new();
    for entry in std::fs::read_dir("/var/lib/apt/lists").unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if !name.ends_with("_InRelease") || !name.contains("_debian") {
            continue;
        }
        let mut command = Command::new("gpgv");
        command.arg("--keyring").arg(&all).arg(&path);
        assert!(command.output().unwrap().status.success(), "{name}");
        let bytes = std::fs::read(&path).unwrap();
        let proven = keyring.verify_clear_signed(&bytes, Timestamp::now());
        let proven = proven.unwrap();
        println!("{name}: {:?}", proven.signers);
        signers.extend(proven.signers);
        let text = String::from_utf8(bytes).unwrap();
        let changed = text.replacen("Origin: Debian", "Origin: Debiam", 1);
        assert!(changed != text, "{name}");
        let refused = keyring.verify_clear_signed(changed.as_bytes(), Timestamp::now());
        assert!(refused.is_err(), "{name}");
        seen += 1;
    }
    assert!(seen > 0, "run `apt-get update` first");
    // The automatic keys of bookworm are RSA, the one of the release team is EdDSA.
    for file in ["bookworm-automatic", "bookworm-stable"] {
        let path = keys.join(format!("debian-archive-{file}.gpg"));
        let one = Keyring::parse(&std::fs::read(path).unwrap()).unwrap();
        let found = one.fingerprints();
        assert!(found.iter().any(|key| signers.contains(key)), "{file}");
    }
}
