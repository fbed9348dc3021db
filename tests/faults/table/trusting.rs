//! Faults of whom a network trusts: certificates out of date, keys that were taken back.

use std::process::Command;

use super::yard::{Ran, Yard, tool};
use super::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = certificates();
    rows.extend(revoked());
    rows
}

/// How the certificate of a signer is held to be one of the organisation.
#[derive(Clone, Copy)]
enum Rule {
    Authority,
    Pin,
}

impl Rule {
    const fn line(self) -> &'static str {
        match self {
            Self::Authority => "cms-authorities = [\"ca.crt\"]\n",
            Self::Pin => "cms-pins = [\"org.crt\"]\n",
        }
    }
}

/// A bundle of November 2023 with a CMS signature beside that of Alice, by a certificate that is valid
/// from the beginning of the one year to the end of the other.
fn signed_by_certificate(y: &mut Yard, years: (i32, i32), policy: &str) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let pair = || KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let named = |name: &str, (first, last): (i32, i32)| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(first, 1, 1);
        params.not_after = rcgen::date_time_ymd(last, 12, 31);
        params
    };
    let (authority, signer) = (pair(), pair());
    let mut params = named("Org CA", (2000, 2099));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&authority).unwrap();
    let issuer = Issuer::new(params, authority);
    let mut params = named("Org Signer", years);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::CodeSigning];
    let certificate = params.signed_by(&signer, &issuer).unwrap();

    y.signed_with(None, policy);
    for (name, text) in [("ca.crt", ca.pem()), ("org.crt", certificate.pem())] {
        std::fs::write(y.path("trust").join(name), text).unwrap();
    }
    std::fs::write(y.path("org.key"), signer.serialize_pem()).unwrap();
    let words = "cms -sign -binary -in bundle/SHA256SUMS -signer trust/org.crt -inkey org.key -outform DER \
                 -out bundle/sig/org.p7s";
    let words: Vec<&str> = words.split_whitespace().collect();
    tool("openssl", &words, y.sandbox.folder.path());
}

/// Verifies where a CMS signature is needed.
fn needed(y: &mut Yard, years: (i32, i32), rule: Rule, time: &str) -> Ran {
    let policy = format!("cms = \"required\"\n{}{time}", rule.line());
    signed_by_certificate(y, years, &policy);
    y.verify()
}

/// That the refusal has the dates of the certificate and the clock of this host.
fn with_dates(ran: Ran, (first, last): (i32, i32)) -> Ran {
    let said = ran.output.clone();
    let dates = format!("valid from {first}-01-01T00:00:00Z to {last}-12-31T00:00:00Z");
    // The clock itself, to the hour.
    let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H"]).output();
    let hour = String::from_utf8(output.unwrap().stdout).unwrap();
    let clock = format!("the clock of this host says {}", hour.trim());
    ran.also(
        said.contains("CN=Org Signer") && said.contains(&dates),
        "the dates",
    )
    .also(said.contains(&clock), "the clock of the host")
}

fn certificates() -> Vec<Row> {
    const PAST: (i32, i32) = (2023, 2024);
    const FUTURE: (i32, i32) = (2090, 2098);
    vec![
        row(23, "expired certificate (CMS)", 4, "E405", |y| {
            with_dates(needed(y, PAST, Rule::Authority, ""), PAST)
        }),
        row(23, "expired certificate (CMS), pinned", 4, "E405", |y| {
            with_dates(needed(y, PAST, Rule::Pin, ""), PAST)
        }),
        row(23, "certificate not yet valid (CMS)", 4, "E405", |y| {
            with_dates(needed(y, FUTURE, Rule::Authority, ""), FUTURE)
        }),
        row(
            23,
            "certificate not yet valid (CMS), pinned",
            4,
            "E405",
            |y| with_dates(needed(y, FUTURE, Rule::Pin, ""), FUTURE),
        ),
        row(
            23,
            "expired now, valid when signed, by policy",
            0,
            "GOOD",
            |y| {
                let ran = needed(y, PAST, Rule::Authority, "cms-time = \"signing\"\n");
                let good = ran
                    .output
                    .contains("CMS       org.p7s: good, by CN=Org Signer");
                ran.also(good, "the verdict on the CMS signature")
            },
        ),
        row(
            23,
            "expired certificate, and the raw signature counts",
            0,
            "GOOD",
            |y| {
                let policy = format!("cms = \"report\"\n{}", Rule::Authority.line());
                signed_by_certificate(y, PAST, &policy);
                let ran = y.verify();
                let told = ran.output.contains("2023-01-01T00:00:00Z");
                ran.also(told, "what is wrong with the CMS signature")
            },
        ),
    ]
}

fn revoked() -> Vec<Row> {
    vec![
        row(24, "revoked key, by policy.toml", 4, "E406", |y| {
            y.signed();
            let print = y.alice.verifying_key().fingerprint();
            let policy = format!("[[revoked]]\nkey = \"{print}\"\nreason = \"card lost\"\n");
            y.trust(&[&y.alice, &y.bob], &policy);
            seal(y, 3);
            why(y, &["version 3", "card lost"])
        }),
        row(24, "revoked key, by revoked.toml", 4, "E406", |y| {
            y.signed();
            y.trust(&[&y.alice, &y.bob], "");
            let print = y.alice.verifying_key().fingerprint();
            let text = format!(
                "format = 1\nversion = 7\n[[revoked]]\nkey = \"{print}\"\nreason = \"card lost\"\n"
            );
            std::fs::write(y.path("trust/revoked.toml"), text).unwrap();
            why(y, &["version 7 of revoked.toml", "card lost"])
        }),
        row(24, "key removed from the trust directory", 4, "E401", |y| {
            y.signed();
            y.trust(&[&y.bob], "");
            let key = y.alice.verifying_key().key_id().to_string();
            why(y, &[&key])
        }),
    ]
}

fn seal(y: &mut Yard, version: u32) {
    crate::transfers::prepare(
        y.sandbox.folder.path(),
        &format!("trust seal trust --version {version}"),
    );
}

/// Verifies; the refusal must have these words.
fn why(y: &mut Yard, words: &[&str]) -> Ran {
    let ran = y.verify();
    let told = words.iter().all(|word| ran.output.contains(word));
    ran.also(told, "the version of the trust, or the reason")
}
