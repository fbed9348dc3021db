//! CMS signatures of an organisation's PKI, by the real openssl.

use std::path::Path;

use haversack::bundle::header::Created;
use haversack::event::{Cancel, Silent};
use haversack::trust::directory::Trust;
use haversack::verify::{self, Memory, Options};

use super::Site;

/// A site with an authority `ca`, and signers `org` (in use) and `old` (out of date), both for code
/// signing; and `mallory`, who issued a certificate of the same name to herself.
fn site() -> Site {
    let site = Site::new();
    site.ok(&["sign", "demo", "--key", "alice.key"]);
    site.write("ext", "extendedKeyUsage=codeSigning\n");
    let new_key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-384",
        "-nodes",
    ];
    for (name, subject) in [("ca", "/CN=Org CA"), ("mallory", "/CN=Org Signer")] {
        let (key, crt) = (format!("{name}.key"), format!("{name}.crt"));
        let request = [
            "req", "-x509", "-days", "3650", "-subj", subject, "-keyout", &key, "-out", &crt,
        ];
        site.openssl(&[&request[..], &new_key].concat());
    }
    issue(&site, "org", "3650");
    issue(&site, "old", "-1");
    site
}

/// A key, and a certificate for code signing that the authority gave it for so many days.
fn issue(site: &Site, name: &str, days: &str) {
    let (key, csr, crt) = (
        format!("{name}.key"),
        format!("{name}.csr"),
        format!("{name}.crt"),
    );
    site.openssl(&[
        "req",
        "-subj",
        "/CN=Org Signer",
        "-keyout",
        &key,
        "-out",
        &csr,
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-384",
        "-nodes",
    ]);
    site.openssl(&[
        "x509",
        "-req",
        "-in",
        &csr,
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        days,
        "-extfile",
        "ext",
        "-out",
        &crt,
    ]);
}

fn sign(site: &Site, signer: &str, form: &str) {
    sign_in(site, "demo", signer, form);
}

fn sign_in(site: &Site, bundle: &str, signer: &str, form: &str) {
    let (list, out) = (
        format!("{bundle}/SHA256SUMS"),
        format!("{bundle}/sig/org.p7s"),
    );
    let (crt, key) = (format!("{signer}.crt"), format!("{signer}.key"));
    site.openssl(&[
        "cms", "-sign", "-binary", "-in", &list, "-signer", &crt, "-inkey", &key, "-outform", form,
        "-out", &out,
    ]);
}

/// A trust directory with these certificates in it.
fn trust(site: &Site, name: &str, policy: &str) {
    site.trust(name, &["alice"], policy);
    for file in ["ca.crt", "org.crt", "old.crt"] {
        std::fs::copy(site.path(file), site.path(name).join(file)).unwrap();
    }
}

#[test]
fn a_pinned_signer_and_one_of_the_authority_count_and_others_do_not() {
    let site = site();
    trust(
        &site,
        "pin",
        "cms = \"required\"\ncms-pins = [\"org.crt\"]\n",
    );
    trust(
        &site,
        "chain",
        "cms = \"required\"\ncms-authorities = [\"ca.crt\"]\n",
    );
    trust(
        &site,
        "report",
        "cms = \"report\"\ncms-authorities = [\"ca.crt\"]\n",
    );
    trust(&site, "silent", "");
    for name in ["pin", "chain"] {
        let said = site.verify(name, 4);
        assert!(
            said.contains("error[E408]") && said.contains("there is none"),
            "{said}"
        );
    }
    site.verify("report", 0);
    for form in ["DER", "PEM"] {
        sign(&site, "org", form);
        for name in ["pin", "chain", "report"] {
            let said = site.verify(name, 0);
            assert!(
                said.contains("CMS       org.p7s: good, by CN=Org Signer"),
                "{name} {form}: {said}"
            );
        }
    }
    let said = site.verify("silent", 0);
    assert!(
        said.contains("not counted: org.p7s: not checked: only *.sig and *.sshsig are"),
        "{said}"
    );
    // A signer of the same name, of nobody's.
    sign(&site, "mallory", "DER");
    for name in ["pin", "chain"] {
        let said = site.verify(name, 4);
        assert!(said.contains("error[E408]"), "{name}: {said}");
    }
    let said = site.verify("report", 0);
    assert!(said.contains("CMS       org.p7s: BAD: "), "{said}");
    // A good signature over another list.
    sign(&site, "org", "DER");
    site.openssl(&[
        "cms",
        "-sign",
        "-binary",
        "-in",
        "alice.pem",
        "-signer",
        "org.crt",
        "-inkey",
        "org.key",
        "-outform",
        "DER",
        "-out",
        "demo/sig/org.p7s",
    ]);
    for name in ["pin", "chain"] {
        let said = site.verify(name, 4);
        assert!(
            said.contains("error[E408]") && said.contains("verification failure"),
            "{name}: {said}"
        );
    }
    site.write("demo/sig/org.p7s", "junk");
    for name in ["pin", "chain"] {
        assert!(site.verify(name, 4).contains("error[E408]"));
    }
}

#[test]
fn a_certificate_that_is_out_of_date_is_refused_unless_the_policy_looks_at_the_time_of_signing() {
    let site = site();
    sign(&site, "old", "DER");
    for (name, policy) in [
        ("pin", "cms = \"required\"\ncms-pins = [\"old.crt\"]\n"),
        (
            "chain",
            "cms = \"required\"\ncms-authorities = [\"ca.crt\"]\n",
        ),
    ] {
        trust(&site, name, policy);
        let said = site.verify(name, 4);
        assert!(said.contains("error[E405]"), "{name}: {said}");
    }
    // Made and signed while the certificate was valid, verified ten days later, when it is not.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_secs()).unwrap();
    let mut request = site.sandbox.request();
    request.created = Created::from_epoch(now + 60).unwrap();
    let fresh = site.sandbox.pack("fresh", &request);
    let _ = haversack::bundle::sign(&fresh.path, site.keys.first().unwrap()).unwrap();
    issue(&site, "short", "1");
    sign_in(&site, "fresh", "short", "DER");
    let says = |name: &str, policy: &str, later: i64| {
        trust(&site, name, policy);
        std::fs::copy(site.path("short.crt"), site.path(name).join("short.crt")).unwrap();
        let trust = Trust::load(&site.path(name)).unwrap();
        let options = Options {
            now: Created::from_epoch(now + later),
            allow_rollback: None,
        };
        let dirs = [site.path("fresh")];
        let memory = Memory::none();
        let found = verify::verify(&dirs, &trust, &memory, &options, &Silent, &Cancel::new());
        found.map_or_else(|error| error.id(), |_| "ok")
    };
    let (soon, later) = (120, 10 * 86_400);
    for (name, rule) in [
        ("p", "cms-pins = [\"short.crt\"]\n"),
        ("c", "cms-authorities = [\"ca.crt\"]\n"),
    ] {
        let clock = format!("cms = \"required\"\n{rule}");
        let signing = format!("{clock}cms-time = \"signing\"\n");
        assert_eq!(says(&format!("{name}1"), &clock, soon), "ok", "{name}");
        assert_eq!(says(&format!("{name}2"), &clock, later), "E405", "{name}");
        assert_eq!(says(&format!("{name}3"), &signing, later), "ok", "{name}");
    }
}

#[test]
fn without_openssl_a_signature_is_not_checked_and_never_good() {
    let site = site();
    sign(&site, "org", "DER");
    trust(
        &site,
        "required",
        "cms = \"required\"\ncms-pins = [\"org.crt\"]\n",
    );
    trust(
        &site,
        "report",
        "cms = \"report\"\ncms-pins = [\"org.crt\"]\n",
    );
    let dirs = [site.path("demo")];
    let say = |name: &str| {
        let mut trust = Trust::load(&site.path(name)).unwrap();
        trust.use_openssl(Path::new("/nonexistent/openssl").to_owned());
        let memory = Memory::none();
        verify::verify(
            &dirs,
            &trust,
            &memory,
            &Options::default(),
            &Silent,
            &Cancel::new(),
        )
    };
    assert_eq!(say("required").unwrap_err().id(), "E408");
    let report = serde_json::to_value(say("report").unwrap()).unwrap();
    assert_eq!(report.pointer("/cms/0/verdict").unwrap(), "not-checked");
    assert_eq!(report.get("verdict").unwrap(), "good");
}

#[test]
fn the_key_of_a_certificate_can_be_revoked() {
    let site = site();
    sign(&site, "org", "DER");
    trust(
        &site,
        "trust",
        "cms = \"required\"\ncms-authorities = [\"ca.crt\"]\n",
    );
    site.verify("trust", 0);
    site.openssl(&[
        "pkey", "-in", "org.key", "-pubout", "-outform", "DER", "-out", "org.der",
    ]);
    let fingerprint =
        haversack::types::digest::Digest::of(&std::fs::read(site.path("org.der")).unwrap());
    site.write(
        "trust/revoked.toml",
        &format!("format = 1\nversion = 2\n[[revoked]]\nkey = \"{fingerprint}\"\nreason = \"card lost\"\n"),
    );
    let said = site.verify("trust", 4);
    assert!(said.contains("error[E408]"), "{said}");
    assert!(
        said.contains("CN=Org Signer: version 2 of revoked.toml: card lost"),
        "{said}"
    );
}

/// The store of the operating system holds many authorities. None of them vouches here.
#[test]
fn an_authority_of_the_operating_system_does_not_count() {
    use std::os::unix::fs::PermissionsExt as _;

    let site = site();
    sign(&site, "mallory", "DER");
    trust(
        &site,
        "chain",
        "cms = \"required\"\ncms-authorities = [\"ca.crt\"]\n",
    );
    // An operating system that trusts her: the folder by hash of name that openssl looks into by itself.
    std::fs::create_dir(site.path("system")).unwrap();
    std::fs::copy(site.path("mallory.crt"), site.path("system/mallory.pem")).unwrap();
    site.openssl(&["rehash", "system"]);
    let system = site.path("system");
    let host = site.path("openssl");
    let script = format!(
        "#!/bin/sh\nunset SSL_CERT_FILE\nexport SSL_CERT_DIR='{}'\nexec openssl \"$@\"\n",
        system.display()
    );
    site.write("openssl", &script);
    std::fs::set_permissions(&host, std::fs::Permissions::from_mode(0o755)).unwrap();
    let by_hand = |more: &[&str]| {
        let status = std::process::Command::new(&host)
            .args([
                "cms",
                "-verify",
                "-binary",
                "-inform",
                "DER",
                "-out",
                "/dev/null",
            ])
            .args(["-in", "demo/sig/org.p7s", "-content", "demo/SHA256SUMS"])
            .args(["-CAfile", "ca.crt", "-purpose", "any"])
            .args(more)
            .current_dir(site.path(""))
            .stderr(std::process::Stdio::null())
            .status();
        status.unwrap().success()
    };
    assert!(by_hand(&[]), "that host's openssl would accept her");
    // Of both: since OpenSSL 3.0 the default store is that folder, too.
    assert!(by_hand(&["-no-CApath"]));
    assert!(!by_hand(&["-no-CApath", "-no-CAstore"]));
    let mut trust = Trust::load(&site.path("chain")).unwrap();
    trust.use_openssl(host);
    let found = verify::verify(
        &[site.path("demo")],
        &trust,
        &Memory::none(),
        &Options::default(),
        &Silent,
        &Cancel::new(),
    );
    assert_eq!(found.unwrap_err().id(), "E408");
}
