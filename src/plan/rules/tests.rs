//! Every rule that a plan is checked against has a case that it reports and a case that it lets
//! pass; a rule without a pair fails `every_checked_rule_has_a_pair_of_cases`.

use std::collections::BTreeSet;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::*;
use crate::plan::derive::Plan;
use crate::plan::finding::{Findings, Severity};
use crate::plan::load::{Files, Loaded};
use crate::plan::parse;
use crate::types::secret::Secret;

const BASE: &str = r#"
format = 1
url = "https://chat.mm.internal"
method = "linux"
edition = "enterprise"
purpose = "evaluation"
[tls]
cert = "pki/chat.pem"
key = "pki/chat.key"
ca = "pki/ca.pem"
[network]
users = ["10.30.0.0/16"]
admin = ["10.20.9.0/28"]
dns = ["10.20.0.2"]
[[host]]
name = "mm1"
address = "10.20.0.10"
distro = "debian-12"
roles = ["proxy", "app", "db"]
[storage]
kind = "local"
"#;

/// Changes of the base: the first text is replaced by the second; `+` appends.
type Edits = &'static [(&'static str, &'static str)];

/// What else is varied.
#[derive(Clone, Copy, PartialEq)]
enum With {
    Nothing,
    Bundle(&'static [(&'static str, &'static str)]),
    SelfSigned,
    PublicCrl,
    InternalCrl,
    OtherName,
}

const PRODUCTION: (&str, &str) = ("\"evaluation\"", "\"production\"");
const IL5: (&str, &str) = (
    "[tls]",
    "classification = { level = \"il5\", banner = \"SECRET\" }\n[tls]",
);
const TEAM: (&str, &str) = ("\"enterprise\"", "\"team\"");
const TWO_APPS: (&str, &str) = (
    "+",
    "[[host]]\nname = \"app2\"\naddress = \"10.20.0.12\"\ndistro = \"debian-12\"\nroles = [\"app\"]\n",
);
const THREE_APPS: (&str, &str) = (
    "+",
    "[[host]]\nname = \"app2\"\naddress = \"10.20.0.12\"\ndistro = \"debian-12\"\nroles = [\"app\"]\n\
     [[host]]\nname = \"app3\"\naddress = \"10.20.0.13\"\ndistro = \"debian-12\"\nroles = [\"app\"]\n",
);
const REPLICA: (&str, &str) = (
    "+",
    "[[host]]\nname = \"db2\"\naddress = \"10.20.0.22\"\ndistro = \"debian-12\"\nroles = [\"db-replica\"]\n",
);
const HA: (&str, &str) = ("[tls]", "ha = true\n[tls]");
const NFS: (&str, &str) = (
    "kind = \"local\"",
    "kind = \"nfs\"\nserver = \"10.20.0.30\"",
);
const S3: (&str, &str) = (
    "kind = \"local\"",
    "kind = \"s3\"\nbucket = \"mattermost\"\nendpoint = \"https://10.20.0.30:9000\"",
);
const S3_PLAIN: (&str, &str) = (
    "kind = \"local\"",
    "kind = \"s3\"\nbucket = \"mattermost\"\nendpoint = \"http://10.20.0.30:9000\"",
);
const MINIO_ROLE: (&str, &str) = ("\"app\", \"db\"", "\"app\", \"db\", \"minio\"");
const MINIO_STORAGE: (&str, &str) = (
    "kind = \"local\"",
    "kind = \"s3\"\nbucket = \"mattermost\"\nhost = \"mm1\"",
);
const PUSH_ROLE: (&str, &str) = ("\"app\", \"db\"", "\"app\", \"db\", \"push\"");
const DOCKER: (&str, &str) = ("\"linux\"", "\"docker\"");
const DOCKER_ROLE: (&str, &str) = ("\"proxy\", \"app\", \"db\"", "\"docker\"");
const NO_DB: (&str, &str) = ("\"app\", \"db\"", "\"app\"");

struct Case {
    id: &'static str,
    level: Severity,
    fails: (Edits, With),
    passes: (Edits, With),
}

const fn case(id: &'static str, level: Severity, fails: Edits, passes: Edits) -> Case {
    Case {
        id,
        level,
        fails: (fails, With::Nothing),
        passes: (passes, With::Nothing),
    }
}

const E: Severity = Severity::Error;
const W: Severity = Severity::Warning;
const I: Severity = Severity::Info;

const CASES: &[Case] = &[
    case("ARCH-001", W, &[("10.20.0.10", "8.8.8.8")], &[]),
    case(
        "ARCH-002",
        E,
        &[("+", "[database]\nversion = 13")],
        &[("+", "[database]\nversion = 14")],
    ),
    case("ARCH-004", W, &[PRODUCTION], &[PRODUCTION, NFS]),
    case(
        "ARCH-005",
        W,
        &[PRODUCTION, ("\"proxy\", ", "")],
        &[PRODUCTION],
    ),
    case(
        "ARCH-006",
        E,
        &[TEAM, ("+", "[monitoring]\nhosts = [\"10.20.9.5\"]")],
        &[("+", "[monitoring]\nhosts = [\"10.20.9.5\"]")],
    ),
    case(
        "ARCH-009",
        W,
        &[IL5, ("+", "[mobile]\nenabled = true")],
        &[IL5, ("+", "[mobile]\nenabled = true\nmdm = true")],
    ),
    case(
        "ARCH-010",
        E,
        &[("+", "[auth]\nproviders = [\"google\"]")],
        &[("+", "[auth]\nproviders = [\"openid\"]")],
    ),
    case(
        "ARCH-011",
        E,
        &[("+", "[push]\nmode = \"hosted\"")],
        &[("+", "[push]\nmode = \"off\"")],
    ),
    case(
        "ARCH-012",
        W,
        &[PUSH_ROLE, ("+", "[push]\nmode = \"proxy\"")],
        &[PUSH_ROLE, ("+", "[push]\nmode = \"proxy\"\negress = true")],
    ),
    case(
        "ARCH-014",
        E,
        &[
            NO_DB,
            ("+", "[database]\ndsn_host = \"x.rds.amazonaws.com\""),
        ],
        &[NO_DB, ("+", "[database]\ndsn_host = \"db.mm.internal\"")],
    ),
    case(
        "ARCH-015",
        E,
        &[("+", "[database]\nengine = \"mysql\"")],
        &[("+", "[database]\nengine = \"postgres\"")],
    ),
    case("ARCH-016", I, &[HA, THREE_APPS, NFS], &[HA, THREE_APPS, S3]),
    case("ARCH-017", E, &[HA, THREE_APPS], &[HA, THREE_APPS, S3]),
    case(
        "ARCH-033",
        W,
        &[("+", "[limits]\nusers = 2000")],
        &[("+", "[limits]\nusers = 1999")],
    ),
    Case {
        id: "TOOL-202",
        level: E,
        fails: (
            &[],
            With::Bundle(&[("mattermost", "11.7.9"), ("nginx", "1.22.1-9")]),
        ),
        passes: (
            &[],
            With::Bundle(&[
                ("mattermost", "11.7.9"),
                ("nginx", "1.22.1-9"),
                ("postgresql", "17.5-1"),
            ]),
        ),
    },
    case(
        "TOOL-203",
        W,
        &[
            ("dns = [\"10.20.0.2\"]", ""),
            ("+", "[smtp]\nhost = \"mail.mm.internal\""),
        ],
        &[("+", "[smtp]\nhost = \"mail.mm.internal\"")],
    ),
    case(
        "PORT-024",
        E,
        &[(
            "+",
            "[ldap]\nhost = \"10.20.0.40\"\nbase_dn = \"dc=mm\"\nport = 636\nsecurity = \"starttls\"",
        )],
        &[(
            "+",
            "[ldap]\nhost = \"10.20.0.40\"\nbase_dn = \"dc=mm\"\nport = 389\nsecurity = \"starttls\"",
        )],
    ),
    case(
        "PORT-025",
        W,
        &[("+", "[smtp]\nhost = \"10.20.0.50\"\nport = 10025")],
        &[("+", "[smtp]\nhost = \"10.20.0.50\"\nport = 465")],
    ),
    case("PORT-026", W, &[S3_PLAIN], &[S3]),
    case(
        "PORT-027",
        W,
        &[IL5],
        &[IL5, ("+", "[proxy]\nrate_limit = 50")],
    ),
    case("PORT-028", E, &[IL5, (", banner = \"SECRET\"", "")], &[IL5]),
    case("PORT-029", W, &[("10.30.0.0/16", "0.0.0.0/0")], &[]),
    case("PORT-030", W, &[("10.30.0.0/16", "10.20.0.0/16")], &[]),
    case("METHOD-040", E, &[TWO_APPS, S3], &[HA, THREE_APPS, S3]),
    case(
        "METHOD-041",
        E,
        &[HA, THREE_APPS, S3],
        &[
            HA,
            THREE_APPS,
            S3,
            NO_DB,
            ("+", "[database]\ndsn_host = \"10.20.0.20\""),
        ],
    ),
    case(
        "METHOD-043",
        E,
        &[
            DOCKER,
            DOCKER_ROLE,
            ("+", "[policy]\ncontainers = \"prohibited\""),
        ],
        &[("+", "[policy]\ncontainers = \"prohibited\"")],
    ),
    case(
        "METHOD-046",
        E,
        &[DOCKER, DOCKER_ROLE, HA],
        &[DOCKER, DOCKER_ROLE],
    ),
    case(
        "METHOD-048",
        E,
        &[
            DOCKER,
            DOCKER_ROLE,
            ("+", "[policy]\nbusiness_continuity = true"),
        ],
        &[DOCKER, DOCKER_ROLE],
    ),
    case(
        "METHOD-050",
        I,
        &[("+", "[policy]\nha_planned = true")],
        &[NFS, ("+", "[policy]\nha_planned = true")],
    ),
    case(
        "METHOD-051",
        E,
        &[DOCKER, DOCKER_ROLE, ("+", "[policy]\nstig = true")],
        &[("+", "[policy]\nstig = true")],
    ),
    case("TOOL-201", E, &[DOCKER, DOCKER_ROLE], &[]),
    case(
        "TOOL-204",
        E,
        &[("\"app\", \"db\"", "\"app\", \"db\", \"docker\"")],
        &[],
    ),
    Case {
        id: "DB-052",
        level: E,
        fails: (
            &[("+", "[database]\nversion = 17")],
            With::Bundle(&[("postgresql", "15+248")]),
        ),
        passes: (
            &[("+", "[database]\nversion = 17")],
            With::Bundle(&[("postgresql", "17.5-1.pgdg120+1")]),
        ),
    },
    case(
        "DB-053",
        W,
        &[("+", "[database]\nversion = 14")],
        &[("+", "[database]\nversion = 17")],
    ),
    case(
        "DB-056",
        W,
        &[PRODUCTION],
        &[
            PRODUCTION,
            NO_DB,
            ("+", "[database]\ndsn_host = \"10.20.0.20\""),
        ],
    ),
    case(
        "DB-058",
        E,
        &[("+", "[database]\nuser = \"postgres\"")],
        &[("+", "[database]\nuser = \"mmuser\"")],
    ),
    case(
        "DB-068",
        W,
        &[("+", "[database]\nsslmode = \"require\"")],
        &[("+", "[database]\nsslmode = \"verify-full\"")],
    ),
    case(
        "DB-069",
        W,
        &[("+", "[backup]\nenabled = false")],
        &[("+", "[backup]\nat = \"03:00\"")],
    ),
    case(
        "DB-071",
        W,
        &[HA, THREE_APPS, S3],
        &[HA, THREE_APPS, S3, REPLICA],
    ),
    case(
        "DB-072",
        E,
        &[("+", "[database]\nmax_connections = 119")],
        &[("+", "[database]\nmax_connections = 120")],
    ),
    case("FILES-074", W, &[MINIO_ROLE], &[MINIO_ROLE, MINIO_STORAGE]),
    case(
        "FILES-076",
        E,
        &[(
            "kind = \"local\"",
            "kind = \"s3\"\nbucket = \"mattermost\"\nendpoint = \"https://s3.amazonaws.com\"",
        )],
        &[S3],
    ),
    case(
        "FILES-078",
        W,
        &[IL5, S3],
        &[IL5, S3, ("bucket =", "encrypted_at_rest = true\nbucket =")],
    ),
    case("FILES-083", W, &[NFS, ("10.20.0.30", "10.30.0.30")], &[NFS]),
    case("FILES-084", W, &[HA, THREE_APPS, NFS], &[NFS]),
    case("FILES-088", W, &[MINIO_ROLE, MINIO_STORAGE], &[S3]),
    case(
        "PROXY-103",
        E,
        &[("[tls]", "[tls]\nsource = \"letsencrypt\"")],
        &[("[tls]", "[tls]\nsource = \"internal-ca\"")],
    ),
    case(
        "PROXY-104",
        W,
        &[("[tls]", "[tls]\nsource = \"commercial\"")],
        &[],
    ),
    Case {
        id: "PROXY-105",
        level: E,
        fails: (&[PRODUCTION], With::SelfSigned),
        passes: (&[PRODUCTION], With::Nothing),
    },
    Case {
        id: "PROXY-106",
        level: E,
        fails: (&[], With::OtherName),
        passes: (&[], With::Nothing),
    },
    Case {
        id: "PROXY-113",
        level: W,
        fails: (&[], With::PublicCrl),
        passes: (&[], With::InternalCrl),
    },
];

fn edited(edits: Edits) -> String {
    let mut text = BASE.to_owned();
    for (from, to) in edits {
        if *from == "+" {
            text.push_str(to);
            text.push('\n');
        } else {
            assert!(text.contains(from), "no `{from}` in\n{text}");
            text = text.replacen(from, to, 1);
        }
    }
    text
}

fn files(with: With) -> Files {
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let ca = root.self_signed(&root_key).unwrap();
    let name = match with {
        With::OtherName => "chat.other.internal",
        _ => "chat.mm.internal",
    };
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    leaf.distinguished_name
        .push(rcgen::DnType::CommonName, "chat.mm.internal");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let crl = match with {
        With::PublicCrl => Some("http://crl.example.com/x.crl"),
        With::InternalCrl => Some("http://crl.mm.internal/x.crl"),
        _ => None,
    };
    leaf.crl_distribution_points = crl
        .map(|url| rcgen::CrlDistributionPoint {
            uris: vec![url.to_owned()],
        })
        .into_iter()
        .collect();
    let key = KeyPair::generate().unwrap();
    let cert = if with == With::SelfSigned {
        leaf.self_signed(&key).unwrap()
    } else {
        leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap()
    };
    let ca = if with == With::SelfSigned {
        cert.pem()
    } else {
        ca.pem()
    };
    Files {
        cert: cert.pem(),
        key: Secret::new(key.serialize_pem()),
        key_mode: Some(0o600),
        ca,
        saml_cert: None,
        hosts: std::collections::BTreeMap::new(),
    }
}

fn findings(edits: Edits, with: With) -> Findings {
    let text = edited(edits);
    let deployment = parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let plan = Plan::new(Loaded {
        deployment,
        files: files(with),
    });
    let supply = match with {
        With::Bundle(parts) => parts.to_vec(),
        _ => Vec::new(),
    };
    plan.findings(&Context {
        now: "2026-11-23T12:00:00Z".parse().unwrap(),
        supply: supply
            .into_iter()
            .map(|(component, version)| Supply {
                component: component.to_owned(),
                version: version.to_owned(),
            })
            .collect(),
        accepted: Vec::new(),
    })
}

#[test]
fn the_base_deployment_has_no_findings() {
    let found = findings(&[], With::Nothing);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn each_rule_reports_its_failing_case_and_lets_its_passing_case_pass() {
    for case in CASES {
        let found = findings(case.fails.0, case.fails.1);
        let level = found
            .iter()
            .find(|one| one.id == case.id)
            .map(|one| one.level);
        assert_eq!(
            level,
            Some(case.level),
            "{} must be reported: {found:#?}",
            case.id
        );
        let found = findings(case.passes.0, case.passes.1);
        let reported: Vec<_> = found.iter().filter(|one| one.id == case.id).collect();
        assert!(reported.is_empty(), "{} must pass: {reported:#?}", case.id);
    }
}

#[test]
fn every_checked_rule_has_a_pair_of_cases() {
    let checked: BTreeSet<&str> = catalogue()
        .filter(|rule| matches!(rule.kind, Kind::Checked(_)))
        .map(|rule| rule.id)
        .collect();
    let covered: BTreeSet<&str> = CASES.iter().map(|case| case.id).collect();
    assert_eq!(covered, checked);
    assert_eq!(CASES.len(), checked.len());
}

#[test]
fn the_catalogue_has_every_requirement_once() {
    let numbers: Vec<usize> = explain_all()
        .iter()
        .filter(|rule| !rule.id.starts_with("TOOL-"))
        .filter_map(|rule| rule.id.split_once('-')?.1.parse().ok())
        .collect();
    assert_eq!(numbers, (1..=115).collect::<Vec<_>>());
    let ids: BTreeSet<&str> = catalogue().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), catalogue().count());
    for rule in catalogue() {
        if let Kind::Same(other) = rule.kind {
            assert!(ids.contains(other), "{}", rule.id);
        }
    }
}

#[test]
fn rules_explain_themselves() {
    let told = explain("db-062").unwrap();
    assert_eq!(
        (told.id, told.source, told.holds_in),
        ("DB-062", "SEED P4", "staged files")
    );
    assert!(explain("DB-999").is_none());
}

#[test]
fn only_warnings_can_be_accepted() {
    let text = edited(&[PRODUCTION, ("+", "[push]\nmode = \"hosted\"")]);
    let plan = Plan::new(Loaded {
        deployment: parse(&text).unwrap(),
        files: files(With::Nothing),
    });
    let found = plan.findings(&Context {
        now: "2026-11-23T12:00:00Z".parse().unwrap(),
        supply: Vec::new(),
        accepted: ["ARCH-011", "ARCH-004", "DB-056"]
            .map(str::to_owned)
            .to_vec(),
    });
    let marks: Vec<_> = found.iter().map(|one| (one.id, one.accepted)).collect();
    assert_eq!(
        marks,
        [("ARCH-011", false), ("ARCH-004", true), ("DB-056", true)]
    );
    assert!(found.refuses());
    assert_eq!(found.count(Severity::Warning), 0);
}
