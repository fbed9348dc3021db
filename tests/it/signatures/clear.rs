//! Clear-signed texts: gpgv and Haversack, asked about the same.

use std::process::Command;

use haversack::trust::openpgp::Keyring;
use jiff::Timestamp;

use super::openpgp::{Verdict, accepted};
use crate::apt::openpgp::Gpg;
use Verdict::{BothAccept, BothRefuse, OnlyGpgv, OnlyHaversack};

const TEXT: &str = "- a dash\nline with spaces  \n\nFrom here\n7c5bd851  tool.tar.gz\n";
const MADE: &str = "20260101T000000";
const SIGNED: &str = "20260201T000000";
const AROUND: &str = "people and parsers may take what stands around the signed part for signed";
const ENDED: &str = "gpgv does not look at the end of keys";
const GONE: &str = "gpgv does not look at revocations";
const WEAK: &str = "collisions of this hash can be bought";
const SMALL: &str = "keys of this size can be broken";
const HEAD: &str = "the head is not signed; the signature names its hash itself";
const BESIDE: &str = "one good pinned key is enough";

fn gpgv(gpg: &Gpg, keyring: &[u8], text: &[u8]) -> bool {
    let keyring = gpg.path("asked.gpg", keyring);
    let text = gpg.path("asked.txt", text);
    let mut command = Command::new("gpgv");
    command.arg("--keyring").arg(keyring).arg(text);
    command.output().unwrap().status.success()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn gpgv_and_haversack_agree_on_clear_signed_texts_but_where_a_reason_is_given() {
    let gpg = Gpg::new();
    let file = gpg.path("text", TEXT.as_bytes());
    let sign = |name: &str, more: &[&str], at: &str| {
        let mut arguments = vec!["--clear-sign"];
        arguments.extend(more);
        String::from_utf8(gpg.sign(name, &arguments, at, &file)).unwrap()
    };
    let mut rows: Vec<(String, Vec<u8>, String, Verdict)> = Vec::new();
    gpg.key("other@example", "ed25519", MADE, "0");
    let other = gpg.export("other@example");
    for kind in ["rsa2048", "rsa3072", "ed25519", "nistp256"] {
        let name = format!("{kind}@example");
        gpg.key(&name, kind, MADE, "0");
        let keyring = gpg.export(&name);
        let good = sign(&name, &[], SIGNED);
        let sha512 = sign(&name, &["--digest-algo", "SHA512"], SIGNED);
        for (what, keyring, text, verdict) in [
            ("good", &keyring, good.clone(), BothAccept),
            ("SHA-512", &keyring, sha512, BothAccept),
            ("wrong key", &other, good.clone(), BothRefuse),
            (
                "a line changed",
                &keyring,
                good.replace("7c5b", "7c5a"),
                BothRefuse,
            ),
            (
                "a line gone",
                &keyring,
                good.replace("From here\n", ""),
                BothRefuse,
            ),
            (
                "a line more",
                &keyring,
                good.replace("From here\n", "From here\nand there\n"),
                BothRefuse,
            ),
            (
                "spaces at the end of a line gone",
                &keyring,
                good.replace("spaces  \n", "spaces\n"),
                BothAccept,
            ),
            (
                "line ends of Windows",
                &keyring,
                good.replace('\n', "\r\n"),
                BothAccept,
            ),
        ] {
            rows.push((format!("{kind}, {what}"), keyring.clone(), text, verdict));
        }
    }
    let name = "rsa3072@example";
    let keyring = gpg.export(name);
    let good = sign(name, &[], SIGNED);
    let sha1 = ["--digest-algo", "SHA1", "--allow-weak-digest-algos"];
    gpg.key("old@example", "ed25519", "20200101T000000", "1y");
    let ended = sign("old@example", &[], "20200601T000000");
    let gone = gpg.key("gone@example", "rsa2048", MADE, "0");
    let revoked = sign("gone@example", &[], SIGNED);
    gpg.revoke(&gone);
    gpg.key("small@example", "rsa1024", MADE, "0");
    let both = gpg.sign(
        name,
        &["--local-user", "other@example", "--clear-sign"],
        SIGNED,
        &file,
    );
    let both = String::from_utf8(both).unwrap();
    let head = "-----BEGIN PGP SIGNED MESSAGE-----";
    let detached = gpg.sign(name, &["--detach-sign", "--armor"], SIGNED, &file);
    for (what, keyring, text, verdict) in [
        ("SHA-1", &keyring, sign(name, &sha1, SIGNED), OnlyGpgv(WEAK)),
        (
            "an ended key",
            &gpg.export("old@example"),
            ended,
            OnlyGpgv(ENDED),
        ),
        (
            "a revoked key",
            &gpg.export("gone@example"),
            revoked,
            OnlyGpgv(GONE),
        ),
        (
            "a key of rsa1024",
            &gpg.export("small@example"),
            sign("small@example", &[], SIGNED),
            OnlyGpgv(SMALL),
        ),
        (
            "text before",
            &keyring,
            format!("7c5b  evil\n{good}"),
            OnlyGpgv(AROUND),
        ),
        (
            "text behind",
            &keyring,
            format!("{good}7c5b  evil\n"),
            OnlyGpgv(AROUND),
        ),
        ("two texts", &keyring, format!("{good}{good}"), BothRefuse),
        (
            "cut short",
            &keyring,
            good[..good.len() - 60].to_owned(),
            BothRefuse,
        ),
        (
            "without its signature",
            &keyring,
            good.split("-----BEGIN PGP SIGNATURE")
                .next()
                .unwrap()
                .to_owned(),
            BothRefuse,
        ),
        (
            "another hash in the head",
            &keyring,
            good.replace("Hash: SHA512", "Hash: SHA256"),
            OnlyHaversack(HEAD),
        ),
        (
            "no head at all",
            &keyring,
            good.replace(head, ""),
            BothRefuse,
        ),
        (
            "two signatures, one by an unknown key",
            &keyring,
            both,
            OnlyHaversack(BESIDE),
        ),
        (
            "a detached signature in its place",
            &keyring,
            String::from_utf8(detached).unwrap(),
            BothRefuse,
        ),
        ("nothing", &keyring, String::new(), BothRefuse),
    ] {
        rows.push((what.to_owned(), keyring.clone(), text, verdict));
    }
    let now = Timestamp::now();
    let mut wrong = Vec::new();
    println!("{:<48} gpgv  haversack", "clear-signed text");
    for (what, keyring, text, verdict) in &rows {
        let theirs = gpgv(&gpg, keyring, text.as_bytes());
        let ours = Keyring::parse(keyring).unwrap();
        let ours = ours.verify_clear_signed(text.as_bytes(), now);
        println!("{what:<48} {theirs:<5} {:<5}", ours.is_ok());
        if (theirs, ours.is_ok()) != accepted(*verdict) {
            wrong.push(format!("{what}: gpgv {theirs}, haversack {ours:?}"));
        }
        if let Ok(proven) = ours {
            let bare = |text: &str| -> Vec<String> {
                text.lines()
                    .map(|line| line.trim_end().to_owned())
                    .collect()
            };
            assert_eq!(bare(&proven.text), bare(TEXT), "{what}");
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "of {} rows", rows.len());
    assert_eq!(rows.len(), 46);
}

/// The key of nginx.org as Debian 12's extrepo ships it: an old copy of a key that was renewed in place
/// since, alone, where today's file holds three (`published`, which takes that of Debian 13).
#[test]
fn an_old_copy_of_the_nginx_key_lacks_what_is_pinned_and_has_run_out() {
    let path = "/usr/share/extrepo/offline-data/debian/bookworm/nginx.asc";
    let keyring = Keyring::parse(&std::fs::read(path).unwrap()).unwrap();
    let pins = [
        "573BFD6B3D8FBC641079A6ABABF5BD827BD9BF62",
        "8540A6F18833A80E9C1653A42FD21310B49F6B46",
        "9E9BE90EACBCDE69FE9B204CBCDCD8A38D88A2B3",
    ]
    .map(|pin| pin.parse().unwrap());
    assert_eq!(keyring.fingerprints(), pins[..1]);
    let error = keyring.only(&pins).unwrap_err().to_string();
    assert_eq!(
        error,
        "the keyring lacks pinned 8540A6F18833A80E9C1653A42FD21310B49F6B46, \
         9E9BE90EACBCDE69FE9B204CBCDCD8A38D88A2B3; it holds 573BFD6B3D8FBC641079A6ABABF5BD827BD9BF62"
    );
    // PGDG's key there is the one that Debian's postgresql-common ships.
    let path = "/usr/share/extrepo/offline-data/debian/bookworm/postgresql.asc";
    let pgdg = Keyring::parse(&std::fs::read(path).unwrap()).unwrap();
    let pin = "B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8".parse().unwrap();
    assert_eq!(pgdg.fingerprints(), [pin]);
}
