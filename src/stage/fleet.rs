//! The hosts in the order of installation, and the folder `ansible/` that installs them so.
//!
//! The playbooks are constant files; what is known of this deployment is in `inventory.yml`. They
//! use `raw` and `script` on the hosts, so that a host needs a shell and `tar`, but no Python.

use minijinja::Value;
use serde::Serialize;

use crate::plan::Plan;
use crate::plan::deployment::{Host, Role};
use crate::stage::StagedHost;
use crate::stage::render::{RenderError, Renderer, values};
use crate::types::name::Name;

/// The folder of the playbooks in a staged tree; no host can have this name.
pub(super) const ANSIBLE: &str = "ansible";

/// A step of the installation; each is finished before the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Database,
    Replica,
    Files,
    Push,
    /// The first start of an application server brings the schema of the database up to date.
    FirstApp,
    OtherApps,
    Proxy,
    Rest,
}

impl Step {
    const ALL: [Self; 8] = [
        Self::Database,
        Self::Replica,
        Self::Files,
        Self::Push,
        Self::FirstApp,
        Self::OtherApps,
        Self::Proxy,
        Self::Rest,
    ];

    /// The group of the inventory. The underscore keeps it apart from every name of a host.
    const fn group(self) -> &'static str {
        match self {
            Self::Database => "step_database",
            Self::Replica => "step_replica",
            Self::Files => "step_files",
            Self::Push => "step_push",
            Self::FirstApp => "step_first_app",
            Self::OtherApps => "step_other_apps",
            Self::Proxy => "step_proxy",
            Self::Rest => "step_rest",
        }
    }
}

/// The hosts with their steps, in the order of installation.
///
/// A host is installed as a whole. One with an application server waits for database, files and
/// push proxy of other hosts; any other host takes the step of the first of its roles. A replica copies
/// its primary: one whose primary is on an application server comes last.
pub(super) fn steps(hosts: &[Host]) -> Vec<(Step, &Host)> {
    let copied_late = hosts
        .iter()
        .any(|host| host.has(Role::Db) && host.has(Role::App));
    let before_apps = |host: &Host| {
        [
            (Role::Db, Step::Database),
            (Role::DbReplica, Step::Replica),
            (Role::Minio, Step::Files),
            (Role::Nfs, Step::Files),
            (Role::Push, Step::Push),
        ]
        .into_iter()
        .find_map(|(role, step)| host.has(role).then_some(step))
    };
    let rank = |host: &&Host| {
        let early = before_apps(host);
        let step = if host.has(Role::App) {
            Step::OtherApps
        } else if copied_late && early == Some(Step::Replica) {
            Step::Rest
        } else {
            early.unwrap_or(if host.has(Role::Proxy) {
                Step::Proxy
            } else {
                Step::Rest
            })
        };
        // Of two hosts with applications, the one with the database comes first.
        (step, early.unwrap_or(Step::Rest), host.name.clone())
    };
    let mut sorted: Vec<&Host> = hosts.iter().collect();
    sorted.sort_by_cached_key(rank);
    let first_app = sorted.iter().position(|host| host.has(Role::App));
    sorted
        .into_iter()
        .enumerate()
        .map(|(index, host)| {
            let step = if first_app == Some(index) {
                Step::FirstApp
            } else {
                rank(&host).0
            };
            (step, host)
        })
        .collect()
}

/// The hosts in the order of installation.
pub(super) fn in_order(hosts: &[Host]) -> Vec<&Host> {
    steps(hosts).into_iter().map(|(_, host)| host).collect()
}

macro_rules! constant {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("templates/ansible/", $name)))),*]
    };
}

/// The files of `ansible/`, by path below it.
pub(super) fn files(
    plan: &Plan,
    staged: &[StagedHost],
    renderer: &Renderer,
) -> Result<Vec<(&'static str, Vec<u8>)>, RenderError> {
    let constant = constant![
        "README.md",
        "ansible.cfg",
        "receive.sh",
        "rollback.yml",
        "site.yml",
        "tasks/install.yml",
        "tasks/judge.yml",
        "tasks/prepare.yml",
        "tasks/rollback.yml",
        "tasks/verify.yml",
        "verify.yml",
    ];
    let mut files: Vec<(&'static str, Vec<u8>)> = constant
        .into_iter()
        .map(|(name, text)| (name, text.as_bytes().to_vec()))
        .collect();
    files.push((
        "inventory.yml",
        renderer.render("ansible/inventory.yml", &inventory(plan, staged))?,
    ));
    Ok(files)
}

#[derive(Serialize)]
struct HostValues<'a> {
    name: &'a Name,
    address: std::net::IpAddr,
    /// Digest of its list; empty before it is staged.
    manifest: String,
}

fn inventory(plan: &Plan, staged: &[StagedHost]) -> Value {
    let placed = steps(&plan.deployment.hosts);
    let groups: Vec<Value> = Step::ALL
        .into_iter()
        .map(|step| {
            let hosts: Vec<HostValues<'_>> = placed
                .iter()
                .filter(|(found, _)| *found == step)
                .map(|(_, host)| HostValues {
                    name: &host.name,
                    address: host.address,
                    manifest: staged
                        .iter()
                        .find(|one| one.name == host.name)
                        .map_or_else(String::new, |one| one.manifest.to_string()),
                })
                .collect();
            values! { group => step.group(), hosts }
        })
        .collect();
    minijinja::context! { steps => groups }
}
