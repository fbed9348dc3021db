//! Certificates, keys and authorities of every kind that operators bring.

use jiff::{Span, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose::{CrlSign, KeyCertSign},
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
}

#[test]
fn an_ed25519_key_is_compared_and_warned_about() {
    let ca = fixture!("ca.pem");
    let warned = "warn tls.cert: `CN=chat.mm.internal`: an Ed25519 key, which browsers do not take; \
                  use RSA, P-256 or P-384";
    let own = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let root = authority("Root");
    let cert = site(&["chat.mm.internal"])
        .signed_by(&own, &root.issuer)
        .unwrap();
    assert_eq!(
        found(&files(&cert.pem(), &own.serialize_pem(), &root.pem)),
        [warned]
    );
    let stranger = "error tls.key: the key does not belong to the certificate";
    let other = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    assert_eq!(
        found(&files(&cert.pem(), &other.serialize_pem(), &root.pem)),
        [stranger, warned]
    );
    let rsa = found(&files(fixture!("ed25519.pem"), fixture!("rsa2048.key"), ca));
    assert_eq!(rsa.first().map(String::as_str), Some(stranger), "{rsa:?}");
}

#[test]
fn a_key_on_p521_is_compared_by_the_public_key_in_it() {
    let ca = fixture!("ca.pem");
    assert_eq!(
        found(&files(fixture!("p521.pem"), fixture!("p521.key"), ca)),
        Vec::<String>::new()
    );
    assert_eq!(
        found(&files(fixture!("p521.pem"), fixture!("rsa2048.key"), ca)),
        ["error tls.key: the key does not belong to the certificate"]
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
fn an_authority_that_may_not_sign_is_refused() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signed = |uses: Vec<rcgen::KeyUsagePurpose>| {
        let mut params = params.clone();
        params.key_usages = uses;
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        found(&issued(
            &Authority { issuer, pem },
            &site(&["chat.mm.internal"]),
        ))
    };
    assert_eq!(signed(vec![KeyCertSign, CrlSign]), Vec::<String>::new());
    assert_eq!(
        signed(vec![CrlSign]).first().map(String::as_str),
        Some("error tls.ca: `CN=Root` may not sign certificates: keyCertSign is absent")
    );
}

#[test]
fn private_keys_among_certificates_are_refused() {
    let root = authority("Root");
    let good = issued(&root, &site(&["chat.mm.internal"]));
    let with_key = |pem: &str| format!("{pem}{}", good.key.reveal());
    let what = "the file holds a private key; it is copied to hosts where everybody can read it";
    let ca = Files {
        ca: with_key(&good.ca),
        ..good.clone()
    };
    assert_eq!(found(&ca), [format!("error tls.ca: {what}")]);
    let cert = Files {
        cert: with_key(&good.cert),
        ..good.clone()
    };
    assert_eq!(found(&cert), [format!("error tls.cert: {what}")]);
}

#[test]
fn a_chain_in_the_wrong_order_is_warned_about() {
    let root = authority("Root");
    let good = issued(&root, &site(&["chat.mm.internal"]));
    let in_order = Files {
        cert: format!("{}{}", good.cert, root.pem),
        ..good.clone()
    };
    assert_eq!(found(&in_order), Vec::<String>::new());
    let other = authority("Other");
    let mixed = Files {
        cert: format!("{}{}", good.cert, other.pem),
        ..good.clone()
    };
    assert_eq!(
        found(&mixed),
        [
            "warn tls.cert: `CN=chat.mm.internal` is followed by `CN=Other`, which did not sign it; put the \
             certificates into the order of the chain"
        ]
    );
    // The authority before the site's own certificate: neither key nor purpose fit.
    let swapped = Files {
        cert: format!("{}{}", root.pem, good.cert),
        ..good
    };
    assert_eq!(
        found(&swapped).first().map(String::as_str),
        Some("error tls.key: the key does not belong to the certificate")
    );
}

/// A deployment of two hosts, the second with the database, and what is found in its files.
fn found_in_plan(host: &str, files: Files) -> Vec<String> {
    let text = format!(
        "format = 1\nurl = \"https://chat.mm.internal\"\nmethod = \"linux\"\nedition = \"enterprise\"\n\
         [tls]\ncert = \"a\"\nkey = \"b\"\nca = \"c\"\n[network]\nusers = [\"10.30.0.0/16\"]\nadmin = [\"10.20.9.0/28\"]\n\
         [defaults]\ndistro = \"debian-12\"\n\
         [[host]]\nname = \"app1\"\naddress = \"10.20.0.10\"\nroles = [\"proxy\", \"app\"]\n\
         [[host]]\nname = \"db1\"\naddress = \"10.20.0.20\"\nroles = [\"db\"]\n{host}\n\
         [storage]\nkind = \"local\"\n"
    );
    let deployment = crate::plan::parse(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let plan = Plan::new(crate::plan::load::Loaded { deployment, files });
    let problems = examine(&plan, now()).into_iter();
    problems
        .map(|one| format!("{} {}: {}", one.level, one.file, one.found))
        .collect()
}

fn with_own(root: &Authority, own: &Files) -> Files {
    let mut files = issued(root, &site(&["chat.mm.internal"]));
    let host = crate::plan::load::HostFiles {
        cert: own.cert.clone(),
        key: own.key.clone(),
        key_mode: own.key_mode,
    };
    files.hosts.insert("db1".parse().unwrap(), host);
    files
}

#[test]
fn a_host_is_named_by_its_own_certificate_or_by_the_sites() {
    const OWN: &str = "cert = \"d\"\nkey = \"e\"";
    const NAMED: &str = "cert = \"d\"\nkey = \"e\"\nfqdn = \"db1.mm.internal\"";
    let root = authority("Root");
    let none = Vec::<String>::new();
    // Borrowed from the site: reached by address, or by name.
    let both = issued(&root, &site(&["chat.mm.internal", "10.20.0.20"]));
    assert_eq!(found_in_plan("", both), none);
    let site_only = issued(&root, &site(&["chat.mm.internal"]));
    assert_eq!(
        found_in_plan("", site_only.clone()),
        [
            "error host.db1: the service of db1 is reached as 10.20.0.20, which the site's certificate does not \
             name; give the host a certificate of its own (cert, key)"
        ]
    );
    assert_eq!(
        found_in_plan("fqdn = \"db1.mm.internal\"", site_only).len(),
        1
    );
    // Its own.
    let by_address = with_own(&root, &issued(&root, &site(&["10.20.0.20"])));
    assert_eq!(found_in_plan(OWN, by_address.clone()), none);
    assert_eq!(
        found_in_plan(NAMED, by_address),
        [
            "error host.db1.cert: no subjectAltName of the certificate is db1.mm.internal; it has 10.20.0.20"
        ]
    );
    let by_name = with_own(&root, &issued(&root, &site(&["db1.mm.internal"])));
    assert_eq!(found_in_plan(NAMED, by_name), none);
}

#[test]
fn a_host_certificate_is_held_to_the_same_rules() {
    const OWN: &str = "cert = \"d\"\nkey = \"e\"";
    let root = authority("Root");
    let stranger = with_own(&root, &issued(&authority("Other"), &site(&["10.20.0.20"])));
    assert_eq!(
        found_in_plan(OWN, stranger),
        [
            "error host.db1.cert: the chain does not lead from the certificate to the authority; put the \
             intermediate certificates into the file after the site's own"
        ]
    );
    let mut open = issued(&root, &site(&["10.20.0.20"]));
    open.key_mode = Some(0o640);
    assert_eq!(
        found_in_plan(OWN, with_own(&root, &open)),
        ["warn host.db1.key: mode 0640: others than the owner can read the key; use 0600"]
    );
    open.key_mode = Some(0o600);
    open.key = Secret::new(KeyPair::generate().unwrap().serialize_pem());
    assert_eq!(
        found_in_plan(OWN, with_own(&root, &open)),
        ["error host.db1.key: the key does not belong to the certificate"]
    );
}

#[test]
fn the_identity_providers_certificate_is_read_and_its_end_is_a_warning() {
    let root = authority("Root");
    let with = |saml: String| {
        let mut files = issued(&root, &site(&["chat.mm.internal", "10.20.0.20"]));
        files.saml_cert = Some(saml);
        found_in_plan("", files)
    };
    assert_eq!(with(root.pem.clone()), Vec::<String>::new());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "IdP");
    params.not_after = rcgen::date_time_ymd(2026, 1, 1);
    let key = KeyPair::generate().unwrap();
    let old = params.self_signed(&key).unwrap().pem();
    assert_eq!(
        with(old.clone()),
        [
            "warn saml.cert: `CN=IdP` expired at 2026-01-01T00:00:00Z; the clock says 2026-11-25T12:00:00Z \
             (identity provider)"
        ]
    );
    assert_eq!(
        with("-----BEGIN X-----\n-----END X-----\n".to_owned()),
        ["error saml.cert: the file holds no certificate"]
    );
    let both = with(format!("{}{}", root.pem, key.serialize_pem()));
    assert_eq!(
        both,
        [
            "error saml.cert: the file holds a private key; it is copied to hosts where everybody can read it"
        ]
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
