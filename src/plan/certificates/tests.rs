//! Certificates, keys and authorities of every kind that operators bring.

use jiff::{Span, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use super::*;
use crate::types::secret::Secret;

const NOW: &str = "2026-11-25T12:00:00Z";

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/deployments/pki/", $name))
    };
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn files(cert: &str, key: &str, ca: &str) -> Files {
    Files {
        cert: cert.to_owned(),
        key: Secret::new(key.to_owned()),
        key_mode: Some(0o600),
        ca: ca.to_owned(),
        saml_cert: None,
        hosts: std::collections::BTreeMap::new(),
    }
}

fn found_at(files: &Files, site: &str, now: Timestamp) -> Vec<String> {
    let problems = examine_files(files, &site.parse().unwrap(), now);
    let shown = problems.into_iter();
    shown
        .map(|one| format!("{} {}: {}", one.level, one.file, one.found))
        .collect()
}

fn found(files: &Files) -> Vec<String> {
    found_at(files, "chat.mm.internal", now())
}

/// An authority, made for one test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        issuer: Issuer::new(params, key),
        pem,
    }
}

fn site(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "chat.mm.internal");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn issued(authority: &Authority, params: &CertificateParams) -> Files {
    let key = KeyPair::generate().unwrap();
    let cert = params.signed_by(&key, &authority.issuer).unwrap();
    files(&cert.pem(), &key.serialize_pem(), &authority.pem)
}

#[test]
fn accepts_keys_of_every_usual_kind_and_form() {
    let ca = fixture!("ca.pem");
    for (cert, key) in [
        (fixture!("rsa2048.pem"), fixture!("rsa2048.key")),
        (fixture!("rsa2048.pem"), fixture!("rsa2048.pkcs1.key")),
        (fixture!("p384.pem"), fixture!("p384.key")),
        (fixture!("p384.pem"), fixture!("p384.sec1.key")),
    ] {
        assert_eq!(found(&files(cert, key, ca)), Vec::<String>::new());
    }
    let own = authority("Root");
    assert_eq!(
        found(&issued(&own, &site(&["chat.mm.internal"]))),
        Vec::<String>::new()
    );
}

#[test]
fn refuses_keys_that_do_not_belong_or_cannot_be_read() {
    let ca = fixture!("ca.pem");
    let stranger = "error tls.key: the key does not belong to the certificate";
    for (cert, key, message) in [
        (fixture!("rsa2048.pem"), fixture!("sha1.key"), stranger),
        (fixture!("rsa2048.pem"), fixture!("p384.key"), stranger),
        (fixture!("p384.pem"), fixture!("rsa2048.key"), stranger),
        (
            fixture!("p384.pem"),
            fixture!("rsa2048.pkcs1.key"),
            stranger,
        ),
        (
            fixture!("rsa2048.pem"),
            fixture!("rsa2048.encrypted.key"),
            "error tls.key: the key is encrypted; NGINX could not start without somebody at the console",
        ),
        (
            fixture!("rsa2048.pem"),
            fixture!("ca.pem"),
            "error tls.key: the file holds no private key",
        ),
    ] {
        assert_eq!(found(&files(cert, key, ca)), [message]);
    }
    let other = KeyPair::generate().unwrap();
    let mut swapped = issued(&authority("Root"), &site(&["chat.mm.internal"]));
    swapped.key = Secret::new(other.serialize_pem());
    assert_eq!(found(&swapped), [stranger]);
}

#[test]
fn refuses_weak_keys_and_hashes() {
    let ca = fixture!("ca.pem");
    let weak = found(&files(fixture!("rsa1024.pem"), fixture!("rsa1024.key"), ca));
    assert_eq!(
        weak,
        ["error tls.cert: `CN=chat.mm.internal`: RSA key of 1024 bits, below 2048"]
    );
    let sha1 = found(&files(fixture!("sha1.pem"), fixture!("sha1.key"), ca));
    assert_eq!(
        sha1.first().unwrap(),
        "error tls.cert: `CN=chat.mm.internal` is signed with SHA-1"
    );
    let ed = found(&files(fixture!("ed25519.pem"), fixture!("rsa2048.key"), ca));
    assert!(
        ed.iter()
            .any(|one| one.contains("key algorithm 1.3.101.112")),
        "{ed:?}"
    );
}

#[test]
fn a_key_on_p521_cannot_be_compared_and_says_so() {
    let ca = fixture!("ca.pem");
    assert_eq!(
        found(&files(fixture!("p521.pem"), fixture!("p521.key"), ca)),
        ["error tls.key: the key cannot be compared with the certificate; use RSA, P-256 or P-384"]
    );
}

#[test]
fn needs_the_chain_up_to_the_given_authority() {
    let root = authority("Root");
    let mut between = CertificateParams::new(Vec::new()).unwrap();
    between
        .distinguished_name
        .push(DnType::CommonName, "Between");
    between.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let between_key = KeyPair::generate().unwrap();
    let between_pem = between.signed_by(&between_key, &root.issuer).unwrap().pem();
    let issuer = Authority {
        issuer: Issuer::new(between, between_key),
        pem: root.pem.clone(),
    };
    let without = issued(&issuer, &site(&["chat.mm.internal"]));
    let broken = "error tls.cert: the chain does not lead from the certificate to the authority; \
         put the intermediate certificates into the file after the site's own";
    assert_eq!(found(&without), [broken]);
    let with = Files {
        cert: format!("{}{between_pem}", without.cert),
        ..without
    };
    assert_eq!(found(&with), Vec::<String>::new());
    let elsewhere = Files {
        ca: authority("Another").pem,
        ..with
    };
    assert_eq!(found(&elsewhere), [broken]);
}

#[test]
fn names_count_in_the_subject_alternative_name_only() {
    let root = authority("Root");
    assert_eq!(
        found(&issued(&root, &site(&["chat.other.internal"]))),
        [
            "error tls.cert: no subjectAltName of the certificate is chat.mm.internal; it has chat.other.internal"
        ]
    );
    assert_eq!(
        found(&issued(&root, &site(&[]))),
        [
            "error tls.cert: no subjectAltName of the certificate is chat.mm.internal; it has none at all (the common name does not count)"
        ]
    );
    assert_eq!(
        found(&issued(&root, &site(&["*.mm.internal"]))),
        Vec::<String>::new()
    );
    let by_address = issued(&root, &site(&["10.20.0.10"]));
    assert_eq!(
        found_at(&by_address, "10.20.0.10", now()),
        Vec::<String>::new()
    );
    assert_eq!(
        found_at(&by_address, "10.20.0.11", now()),
        ["error tls.cert: no subjectAltName of the certificate is 10.20.0.11; it has 10.20.0.10"]
    );
}

#[test]
fn dates_are_compared_with_the_clock_that_was_given() {
    let root = authority("Root");
    let mut params = site(&["chat.mm.internal"]);
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let files = issued(&root, &params);
    assert_eq!(found(&files), Vec::<String>::new());
    let at = |text: &str| found_at(&files, "chat.mm.internal", text.parse().unwrap());
    assert_eq!(
        at("2027-01-01T00:00:01Z"),
        [
            "error tls.cert: `CN=chat.mm.internal` expired at 2027-01-01T00:00:00Z; the clock says 2027-01-01T00:00:01Z"
        ]
    );
    assert_eq!(at("2027-01-01T00:00:00Z").len(), 1);
    assert_eq!(
        at("2025-12-31T23:59:59Z"),
        [
            "error tls.cert: `CN=chat.mm.internal` is valid from 2026-01-01T00:00:00Z; the clock says 2025-12-31T23:59:59Z"
        ]
    );
    assert_eq!(
        at("2026-12-15T00:00:00Z"),
        [
            "warn tls.cert: `CN=chat.mm.internal` expires at 2027-01-01T00:00:00Z; the clock says 2026-12-15T00:00:00Z"
        ]
    );
    let last = now().checked_sub(Span::new().hours(24 * 40)).unwrap();
    assert_eq!(
        found_at(&files, "chat.mm.internal", last),
        Vec::<String>::new()
    );
}

#[test]
fn needs_the_purpose_of_a_server() {
    let root = authority("Root");
    let mut params = site(&["chat.mm.internal"]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(
        found(&issued(&root, &params)),
        ["error tls.cert: the certificate is not for servers: serverAuth is absent"]
    );
    params.extended_key_usages = Vec::new();
    assert_eq!(
        found(&issued(&root, &params)),
        ["warn tls.cert: the certificate states no purpose; some clients demand serverAuth"]
    );
}

#[test]
fn the_authority_must_be_one() {
    let root = authority("Root");
    let good = issued(&root, &site(&["chat.mm.internal"]));
    let leaf_as_ca = Files {
        ca: format!(
            "{}{}",
            root.pem,
            issued(&root, &site(&["x.mm.internal"])).cert
        ),
        ..good
    };
    assert_eq!(
        found(&leaf_as_ca),
        ["error tls.ca: `CN=chat.mm.internal` is no authority: CA:TRUE is absent"]
    );
}

#[test]
fn a_key_that_others_can_read_is_warned_about() {
    let mut files = issued(&authority("Root"), &site(&["chat.mm.internal"]));
    files.key_mode = Some(0o644);
    assert_eq!(
        found(&files),
        ["warn tls.key: mode 0644: others than the owner can read the key; use 0600"]
    );
}

#[test]
fn hostile_pem_is_an_error_and_no_panic() {
    let good = issued(&authority("Root"), &site(&["chat.mm.internal"]));
    let many = good.cert.repeat(MAX_CERTIFICATES + 1);
    let broken = good.cert.replace('M', "N");
    for (cert, message) in [
        ("", "error tls.cert: the file holds no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
            "error tls.cert: a certificate cannot be read",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            "error tls.cert: a certificate cannot be read",
        ),
        (many.as_str(), "error tls.cert: more than 16 certificates"),
        (broken.as_str(), "error tls.cert: "),
    ] {
        let files = Files {
            cert: cert.to_owned(),
            ..good.clone()
        };
        let found = found(&files);
        assert!(
            found.first().is_some_and(|one| one.starts_with(message)),
            "{found:?}"
        );
    }
    for length in (0..good.cert.len()).step_by(37) {
        let cut = Files {
            cert: good.cert.get(..length).unwrap().to_owned(),
            ..good.clone()
        };
        assert!(!found(&cut).is_empty(), "{length}");
    }
}
