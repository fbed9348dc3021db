//! Every rule has a case that it lets pass and a case that it reports or refuses; a rule without
//! its pair fails `every_rule_has_a_pair_of_cases`.

mod architecture;
mod database;
mod files;
mod method;
mod mistakes;
mod places;
mod ports;
mod proxy;
mod table;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::{Context, Kind, Supply, catalogue, explain, explain_all};
use crate::plan::derive::Plan;
use crate::plan::finding::{Findings, Severity};
use crate::plan::load::{Files, Loaded};
use crate::plan::parse;
use crate::plan::problem::ProblemId;
use crate::plan::staged::Staged;
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
const APART: (&str, &str) = (
    "+",
    "[[host]]\nname = \"db1\"\naddress = \"10.20.0.20\"\ndistro = \"debian-12\"\nroles = [\"db\"]\n",
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

/// A rule that holds in staged files: these files pass, and each break of one of them is reported.
struct StagedCase {
    id: &'static str,
    /// The deployment, as changes of the base.
    plan: Edits,
    /// Host, path and text of what was staged.
    files: &'static [(&'static str, &'static str, &'static str)],
    /// Host, path, and the text there that is replaced by another; a path without text goes away, and a
    /// host without path comes last.
    breaks: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

/// A rule that the deployment file cannot break: this one is refused, that one is read.
struct ParsedCase {
    id: &'static str,
    refused: Edits,
    /// Id and a part of the message of the problem.
    problem: (ProblemId, &'static str),
    read: Edits,
}

const E: Severity = Severity::Error;
const W: Severity = Severity::Warning;
const I: Severity = Severity::Info;

/// One group of rules with its cases.
struct Group {
    cases: &'static [Case],
    staged: &'static [StagedCase],
    parsed: &'static [ParsedCase],
}

const GROUPS: [Group; 9] = [
    architecture::GROUP,
    ports::GROUP,
    method::GROUP,
    database::GROUP,
    files::GROUP,
    proxy::GROUP,
    mistakes::GROUP,
    places::GROUP,
    versions::GROUP,
];

fn cases() -> impl Iterator<Item = &'static Case> {
    GROUPS.iter().flat_map(|group| group.cases)
}

fn staged_cases() -> impl Iterator<Item = &'static StagedCase> {
    GROUPS.iter().flat_map(|group| group.staged)
}

fn parsed_cases() -> impl Iterator<Item = &'static ParsedCase> {
    GROUPS.iter().flat_map(|group| group.parsed)
}

/// The samples of staged files that several groups look at.
const CONFIG: &str = "/opt/mattermost/config/config.json";
const ENVIRONMENT: &str = "/etc/mattermost/mattermost.environment";
const NFT: &str = "/etc/nftables.d/mattermost.nft";
const SITE: &str = "/etc/nginx/sites-available/mattermost";

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
        hosts: BTreeMap::new(),
    }
}

fn plan(edits: Edits, with: With) -> Plan {
    let text = edited(edits);
    let deployment = parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    Plan::new(Loaded {
        deployment,
        files: files(with),
    })
}

fn findings(edits: Edits, with: With) -> Findings {
    let plan = plan(edits, with);
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
    let mut wrong = Vec::new();
    for case in cases() {
        let found = findings(case.fails.0, case.fails.1);
        let level = found
            .iter()
            .find(|one| one.id == case.id)
            .map(|one| one.level);
        if level != Some(case.level) {
            wrong.push(format!("{} must be reported: {found:#?}", case.id));
        }
        let found = findings(case.passes.0, case.passes.1);
        let reported: Vec<_> = found.iter().filter(|one| one.id == case.id).collect();
        if !reported.is_empty() {
            wrong.push(format!("{} must pass: {reported:#?}", case.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Ids of what a rule finds in these files.
fn examined(case: &StagedCase, broken: Option<(&str, &str, &str, &str)>) -> BTreeSet<&'static str> {
    let plan = plan(case.plan, With::Nothing);
    let mut hosts: Vec<&str> = case.files.iter().map(|(host, ..)| *host).collect();
    hosts.dedup();
    if let Some((last, "", ..)) = broken {
        hosts.retain(|host| *host != last);
        hosts.push(last);
    }
    let mut staged = Staged::default();
    for host in hosts {
        let mut files = BTreeMap::new();
        for (_, path, text) in case.files.iter().filter(|(of, ..)| *of == host) {
            let mut text = (*text).to_owned();
            if let Some((at, of, from, to)) = broken
                && (at, of) == (host, *path)
            {
                if from.is_empty() {
                    continue;
                }
                assert!(text.contains(from), "{}: no `{from}` in\n{text}", case.id);
                text = text.replace(from, to);
            }
            let text = text
                .replace("@SITE-KEY@", plan.files.key.reveal())
                .replace("@SITE-CA@", &plan.files.ca);
            files.insert((*path).to_owned(), text.into_bytes());
        }
        staged.add(&host.parse().unwrap(), files);
    }
    let found = plan.examine_staged(&staged);
    found.iter().map(|one| one.id).collect()
}

#[test]
fn each_rule_of_staged_files_reports_each_break_and_lets_good_files_pass() {
    let mut wrong = Vec::new();
    for case in staged_cases() {
        if examined(case, None).contains(case.id) {
            wrong.push(format!("{} must pass", case.id));
        }
        assert!(!case.breaks.is_empty(), "{}", case.id);
        for broken in case.breaks {
            if !examined(case, Some(*broken)).contains(case.id) {
                wrong.push(format!("{} must be reported: {broken:?}", case.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_rule_of_the_deployment_file_refuses_one_text_and_reads_another() {
    for case in parsed_cases() {
        let text = edited(case.refused);
        let problems = parse(&text).expect_err(case.id);
        let (id, part) = case.problem;
        assert!(
            problems
                .shown
                .iter()
                .any(|one| one.id == id && one.message.contains(part)),
            "{}: {problems}",
            case.id
        );
        let text = edited(case.read);
        assert!(parse(&text).is_ok(), "{}:\n{text}", case.id);
    }
}

/// Which kinds of case a rule needs: in the plan, in staged files, in the deployment file.
fn needs(kind: Kind) -> (bool, bool, bool) {
    match kind {
        Kind::Checked(_) => (true, false, false),
        Kind::Staged(..) => (false, true, false),
        Kind::Both(..) => (true, true, false),
        Kind::Parsed(_) => (false, false, true),
        Kind::Same(_) | Kind::OnHost(_) => (false, false, false),
    }
}

#[test]
fn every_rule_has_a_pair_of_cases() {
    let wanted = |which: fn((bool, bool, bool)) -> bool| -> Vec<&str> {
        let rules = catalogue().filter(|rule| which(needs(rule.kind)));
        let mut ids: Vec<&str> = rules.map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids
    };
    let sorted = |mut ids: Vec<&'static str>| {
        ids.sort_unstable();
        // A rule may have several.
        ids.dedup();
        ids
    };
    assert_eq!(
        sorted(cases().map(|one| one.id).collect()),
        wanted(|needs| needs.0)
    );
    assert_eq!(
        sorted(staged_cases().map(|one| one.id).collect()),
        wanted(|needs| needs.1)
    );
    assert_eq!(
        sorted(parsed_cases().map(|one| one.id).collect()),
        wanted(|needs| needs.2)
    );
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
        ("DB-062", "SEED P4", "staged files, checked by stage")
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
