//! A bundle with the packages that the manifest names, and nothing more, is enough to stage the
//! deployment beside it.

use std::collections::BTreeSet;

use haversack::init::{Answers, StorageAnswer, drafts, hosts};
use haversack::manifest::Manifest;
use haversack::plan::deployment::{Availability, Edition, Role, Switch};
use haversack::types::target::{Distribution, Family};

use super::{context, one_server};
use crate::support::staged::Staged;

const APPS: &str =
    "web1=10.20.0.5,proxy,app1=10.20.0.11,app,app2=10.20.0.12,app,app3=10.20.0.13,app,push";
const DATABASES: &str = ",db1=10.20.0.20,db,db2=10.20.0.21,db-replica";

/// Deployments that differ in what they need from a bundle.
fn topologies(distribution: Distribution) -> Vec<Answers> {
    let base = Answers {
        distribution,
        edition: Edition::Enterprise,
        ..one_server()
    };
    let several = |more: &str, storage| Answers {
        hosts: hosts([format!("{APPS}{more}").as_str()]).unwrap(),
        availability: Availability::High,
        storage,
        ..base.clone()
    };
    let watched = match distribution.family() {
        Family::Debian => ",watch=10.20.0.40,monitor",
        Family::Rhel => "",
    };
    let s3 = StorageAnswer::S3("https://s3.mm.internal:9000".parse().unwrap());
    let elsewhere = Some("10.20.0.22".parse().unwrap());
    vec![
        Answers {
            push: Switch::On,
            ..base.clone()
        },
        Answers {
            storage: StorageAnswer::Minio,
            ..base.clone()
        },
        several(
            &format!("{DATABASES},files=10.20.0.30,minio{watched}"),
            StorageAnswer::Minio,
        ),
        several(
            &format!("{DATABASES},files=10.20.0.30,nfs"),
            StorageAnswer::Nfs(None),
        ),
        Answers {
            database: elsewhere,
            ..several("", s3)
        },
    ]
}

/// The support has one certificate that names the site and every host, and puts it beside the
/// deployment: the hosts borrow it, which is a warning only.
fn with_one_certificate(text: &str) -> String {
    let own = |line: &&str| !line.starts_with("cert    =") && !line.starts_with("key     =");
    let lines = text.lines().filter(own);
    let lines = lines.map(|line| line.replace("\"pki/", "\"") + "\n");
    lines.collect()
}

/// Every topology on the first, and one of them on each of the others.
fn stage_on(distributions: [Distribution; 4]) {
    let mut staged = 0;
    for (index, distribution) in distributions.into_iter().enumerate() {
        for (topology, answers) in topologies(distribution).into_iter().enumerate() {
            if index > 0 && topology != index {
                continue;
            }
            let files = drafts(&answers, &context()).unwrap_or_else(|error| panic!("{error}"));
            let manifest = Manifest::parse(&files.manifest, "manifest.toml").unwrap();
            let wanted = manifest.apt.iter().flat_map(|apt| &apt.packages);
            let names: BTreeSet<&str> = wanted
                .flat_map(|one| &one.install)
                .map(String::as_str)
                .collect();
            let packages: Vec<(&str, &str)> =
                names.into_iter().map(|name| (name, "17.11-1")).collect();
            let secrets: &[(&str, &str)] = if answers.database.is_some() {
                &[
                    ("db-password", "pw-of-the-database"),
                    ("s3-access-key", "access"),
                    ("s3-secret-key", "secret-key"),
                ]
            } else {
                &[]
            };
            let deployment = with_one_certificate(&files.deployment);
            let tree = Staged::made(distribution, &deployment, &packages, &[], secrets);
            let tree = tree
                .unwrap_or_else(|error| panic!("{distribution}: {error:?}\n{}", files.deployment));
            let deployment = haversack::plan::parse(&files.deployment).unwrap();
            for host in &deployment.hosts {
                assert!(
                    tree.out()
                        .join(host.name.as_str())
                        .join("install.sh")
                        .exists(),
                    "{}",
                    host.name
                );
                if host.has(Role::App) {
                    let config =
                        tree.text_of(host.name.as_str(), "/opt/mattermost/config/config.json");
                    assert!(config.contains("https://chat.mm.internal"), "{config}");
                }
            }
            staged += 1;
        }
    }
    assert_eq!(staged, 8);
}

#[test]
fn what_the_manifest_brings_is_enough_to_stage_the_deployment_on_debian_and_ubuntu() {
    let [debian12, debian13, jammy, noble, ..] = Distribution::ALL;
    stage_on([debian12, debian13, jammy, noble]);
}

#[test]
fn what_the_manifest_brings_is_enough_to_stage_the_deployment_in_the_red_hat_family() {
    let [.., rhel, rocky, alma, oracle] = Distribution::ALL;
    stage_on([rhel, rocky, alma, oracle]);
}
