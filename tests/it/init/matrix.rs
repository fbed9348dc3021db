//! Every distribution, architecture, edition, storage and topology.

use std::collections::{BTreeMap, BTreeSet};

use haversack::init::{Answers, Drafts, InitError, Rows, StorageAnswer, drafts, hosts};
use haversack::manifest::Manifest;
use haversack::plan::deployment::{Availability, Edition, Role, Switch};
use haversack::plan::{self, Plan};
use haversack::stage::needed_packages;
use haversack::types::target::{Arch, Distribution, Family};

use super::{context, one_server};
use crate::support::deployments::pki;

const ONE: &str = "mm1=10.20.0.10";
const HA: &str = "web1=10.20.0.5,proxy,web2=10.20.0.6,proxy,app1=10.20.0.11,app,app2=10.20.0.12,app,\
                  app3=10.20.0.13,app,push,db1=10.20.0.20,db,db2=10.20.0.21,db-replica";
/// Storages with the hosts that they add to several, and with one host its roles.
const STORAGES: [(&str, &str); 6] = [
    ("local", ""),
    ("minio", ",files1=10.20.0.30,minio"),
    ("s3", ""),
    ("nfs", ""),
    ("own nfs", ",files1=10.20.0.30,nfs"),
    ("external database", ""),
];

fn storage(name: &str) -> StorageAnswer {
    match name {
        "minio" => StorageAnswer::Minio,
        "s3" => StorageAnswer::S3("https://s3.mm.internal:9000".parse().unwrap()),
        "nfs" => StorageAnswer::Nfs(Some("10.20.0.31".parse().unwrap())),
        "own nfs" => StorageAnswer::Nfs(None),
        _ => StorageAnswer::Local,
    }
}

/// Every combination with its name.
fn combinations() -> Vec<(String, Answers)> {
    let mut all = Vec::new();
    for distribution in Distribution::ALL {
        for arch in [Arch::Amd64, Arch::Arm64] {
            for edition in Edition::ALL.iter().copied() {
                for (kind, more) in STORAGES {
                    for high in [false, true] {
                        let list = match (high, kind) {
                            (true, _) => format!("{HA}{more}"),
                            (false, "own nfs") => format!("{ONE},proxy,app,db{more}"),
                            (false, _) => ONE.to_owned(),
                        };
                        let outside = kind == "external database";
                        let list = if outside {
                            list.replace(",db1=10.20.0.20,db,db2=10.20.0.21,db-replica", "")
                        } else {
                            list
                        };
                        let answers = Answers {
                            distribution,
                            arch,
                            edition,
                            storage: storage(kind),
                            hosts: hosts([list.as_str()]).unwrap(),
                            availability: if high {
                                Availability::High
                            } else {
                                Availability::Single
                            },
                            push: Switch::from_bool(!high && kind == "minio"),
                            database: outside.then(|| "10.20.0.22".parse().unwrap()),
                            people: high.then_some(5000),
                            rows: if kind == "s3" {
                                Rows::ALL.into_iter().collect()
                            } else {
                                BTreeSet::new()
                            },
                            ..one_server()
                        };
                        let topology = if high { "several" } else { "one" };
                        all.push((
                            format!("{distribution} {arch} {edition} {kind} {topology}"),
                            answers,
                        ));
                    }
                }
            }
        }
    }
    all
}

/// Why the rules refuse a combination; none: they do not.
fn refusal(answers: &Answers) -> Option<&'static str> {
    let high = answers.availability == Availability::High;
    match (high, answers.edition.is_enterprise(), &answers.storage) {
        (true, false, StorageAnswer::Local) => Some("ARCH-006, ARCH-017"),
        (true, false, _) => Some("ARCH-006"),
        (true, true, StorageAnswer::Local) => Some("ARCH-017"),
        _ => None,
    }
}

#[test]
fn every_combination_gives_a_manifest_and_a_plan_or_the_refusal_of_a_rule() {
    let folder = tempfile::tempdir().unwrap();
    pki(&folder.path().join("pki"), "chat.mm.internal");
    let file = folder.path().join("deployment.toml");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (name, answers) in combinations() {
        let outcome = match (drafts(&answers, &context()), refusal(&answers)) {
            (Ok(files), None) => {
                checks(&name, &answers, &files, &file);
                "files"
            }
            (Err(error @ InitError::Refused(_)), Some(rules)) => {
                assert_eq!(
                    error.to_string(),
                    format!("rules refuse these answers: {rules}"),
                    "{name}"
                );
                "refused"
            }
            (Err(error), _) => panic!("{name}: {error}"),
            (Ok(files), Some(rules)) => {
                panic!("{name}: not refused by {rules}\n{}", files.deployment)
            }
        };
        *counts.entry(outcome.to_owned()).or_default() += 1;
    }
    // 960 of 8 distributions, 2 architectures, 5 editions, 6 storages and 2 topologies.
    assert_eq!(counts["files"] + counts["refused"], 960, "{counts:?}");
    assert_eq!(counts["files"], 480 + 16 * 2 * 4, "{counts:?}");
}

/// What the rules say of the files on disk is what was said of the drafts, and the manifest brings
/// every package and program that the hosts need.
#[track_caller]
fn checks(name: &str, answers: &Answers, files: &Drafts, file: &std::path::Path) {
    std::fs::write(file, &files.deployment).unwrap();
    let loaded = plan::load(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    for needed in &files.needed {
        assert!(file.with_file_name(needed).exists(), "{name}: {needed}");
    }
    let plan = Plan::new(loaded);
    let checked = plan.clone().check(&context());
    let checked = checked.unwrap_or_else(|refused| panic!("{name}: {:#?}", refused.findings));
    assert_eq!(*checked.findings(), files.findings, "{name}");

    let manifest = Manifest::parse(&files.manifest, "manifest.toml");
    let manifest = manifest.unwrap_or_else(|problems| panic!("{name}: {problems}"));
    assert_eq!(manifest.version, "11.7.10", "{name}");
    assert_eq!(manifest.target.distribution, answers.distribution);
    assert_eq!(manifest.target.arch, answers.arch);
    let brought: BTreeSet<&str> = manifest
        .artifacts
        .iter()
        .map(|one| one.component.as_str())
        .collect();
    let roles: BTreeSet<Role> = plan
        .deployment
        .hosts
        .iter()
        .flat_map(|host| host.roles.clone())
        .collect();
    for (role, component) in [
        (Role::App, "mattermost"),
        (Role::Minio, "minio"),
        (Role::Push, "push-proxy"),
    ] {
        let optional = !answers.rows.is_empty();
        assert!(
            brought.contains(component) == roles.contains(&role) || optional,
            "{name}: {component}"
        );
    }
    let server = manifest.artifacts.first().unwrap();
    let team = server.path.as_str().contains("-team-");
    assert_eq!(team, answers.edition == Edition::Team, "{name}");
    let Some(apt) = &manifest.apt else {
        assert_eq!(answers.distribution.family(), Family::Rhel, "{name}");
        return;
    };
    let packages: BTreeSet<&str> = apt
        .packages
        .iter()
        .flat_map(|one| &one.install)
        .map(String::as_str)
        .collect();
    let mut wanted: BTreeSet<&str> = BTreeSet::from(["ca-certificates", "nftables"]);
    for role in &roles {
        wanted.extend(needed_packages(*role, Family::Debian));
    }
    if roles.contains(&Role::Db) {
        wanted.insert("postgresql-17");
    }
    if matches!(answers.storage, StorageAnswer::Nfs(_)) {
        wanted.insert("nfs-common");
    }
    if answers.rows.contains(&Rows::Monitoring) {
        wanted.insert("prometheus");
    }
    assert_eq!(packages, wanted, "{name}");
}

#[test]
fn answers_that_cannot_be_met_say_what_to_do() {
    let rhel = Distribution::Rocky9;
    let cases: [(Answers, &str, &str); 5] = [
        (
            Answers {
                hosts: Vec::new(),
                ..one_server()
            },
            "E200",
            "no host is named",
        ),
        (
            Answers {
                hosts: hosts(["a=10.0.0.1,app,b=10.0.0.2"]).unwrap(),
                ..one_server()
            },
            "E200",
            "the host `b` has no role",
        ),
        (
            Answers {
                storage: StorageAnswer::Nfs(None),
                ..one_server()
            },
            "E200",
            "files are to be kept by a host with the role `nfs`, and none has it",
        ),
        (
            Answers {
                distribution: rhel,
                hosts: hosts(["a=10.0.0.1,proxy,app,db,m=10.0.0.2,monitor"]).unwrap(),
                edition: Edition::Enterprise,
                ..one_server()
            },
            "E200",
            "the host `m` has the role monitor, and rocky-9 has no package of Prometheus",
        ),
        (
            Answers {
                hosts: hosts(["a=10.0.0.1,app", "a=10.0.0.1,db"]).unwrap(),
                ..one_server()
            },
            "E240",
            "the answers make no deployment",
        ),
    ];
    for (answers, id, expected) in cases {
        let error = drafts(&answers, &context()).unwrap_err();
        let first = error.to_string().lines().next().map(ToOwned::to_owned);
        assert_eq!((error.id(), first.as_deref()), (id, Some(expected)));
        assert!(error.hint().is_some(), "{expected}");
    }
}

#[test]
fn certificates_are_called_by_the_site_and_never_like_the_authority() {
    for (site, cert) in [
        ("https://chat.mm.internal", "pki/chat.pem"),
        ("https://ca.mm.internal:8443", "pki/site.pem"),
        ("https://10.20.0.10", "pki/site.pem"),
    ] {
        let answers = Answers {
            site: site.parse().unwrap(),
            ..one_server()
        };
        let files = drafts(&answers, &context()).unwrap();
        let key = cert.replace(".pem", ".key");
        let expected: BTreeSet<&str> = BTreeSet::from([cert, key.as_str(), "pki/ca.pem"]);
        assert_eq!(
            files
                .needed
                .iter()
                .map(String::as_str)
                .collect::<BTreeSet<_>>(),
            expected
        );
        assert!(
            files
                .deployment
                .contains(&format!("url     = \"{site}\"\n")),
            "{site}"
        );
    }
}
