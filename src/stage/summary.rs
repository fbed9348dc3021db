//! What people read: `INSTALL.md`, `PLAN.txt`, `plan.json`, notes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use minijinja::Value;
use serde::Serialize;

use crate::plan::deployment::{Role, Storage};
use crate::plan::{CheckedPlan, Plan};
use crate::stage::fleet::in_order;
use crate::stage::payload::Payload;
use crate::stage::place::{INSTALL_MD, PLAN_JSON, PLAN_TXT, STAGED};
use crate::stage::render::{RenderError, Renderer, values};
use crate::stage::{BundleLabel, Egress, StagedHost};
use crate::types::name::Name;
use crate::types::target::Family;

/// What the installer of a host of the Red Hat family must know.
const RED_HAT: &str = "On hosts of the Red Hat family the bundle brings the programs (Mattermost, MinIO, the push proxy); packages come from the dnf repositories that each host is configured with on this network: those of the distribution and, for a database, those of the PostgreSQL project (Satellite or a mirror). install.sh asks dnf for every package's signature and leaves out each repository with gpgcheck off. These trees are checked with the distribution's own tools (firewalld, checkmodule, fapolicyd); they were not run on such a host before this one: begin with --dry-run.";

/// `plan.json`. The first two keys are what [`Mark`] reads of it.
///
/// [`Mark`]: crate::stage::place::Mark
#[derive(Serialize)]
struct PlanFile<'a> {
    staged: u32,
    hosts: Vec<&'a Name>,
    format: u32,
    bundle: &'a BundleLabel,
    egress: &'a [Egress],
    plan: &'a CheckedPlan,
}

/// Sentences that the installer should read.
pub(super) fn notes(checked: &CheckedPlan, payload: &Payload<'_>) -> Vec<String> {
    let plan = checked.plan();
    let mut notes = Vec::new();
    for repository in &payload.contents.repositories {
        for suite in &repository.suites {
            if let Some(until) = &suite.valid_until {
                notes.push(format!(
                    "The package index {}/{} is meant to be renewed before {until}. apt is told not to look at that date; its signature is checked.",
                    repository.name, suite.suite
                ));
            }
        }
    }
    if plan
        .deployment
        .hosts
        .iter()
        .any(|host| host.distribution.family() == Family::Rhel)
    {
        notes.push(RED_HAT.to_owned());
    }
    if plan.deployment.hosts.len() == 1 {
        notes.push(format!(
            "PostgreSQL{} the certificate of the site, reached as {} (a line in /etc/hosts leads to the host itself).",
            if plan.hosts_with(Role::Minio).next().is_some() { " and MinIO use" } else { " uses" },
            plan.deployment.site.host()
        ));
    }
    if matches!(plan.deployment.storage, Storage::S3(_))
        && plan.hosts_with(Role::Minio).next().is_some()
        && !payload.has_component("mc")
    {
        notes.push(
            "Mattermost uses the root account of MinIO, for making another needs MinIO's own client `mc`. Nobody else should keep files in this MinIO."
                .to_owned(),
        );
    }
    if !plan.database.replicas.is_empty() {
        notes.push(
            "A replica that was away until its primary had to drop what it still needed (10 GB of log) stops following. Drop and make its slot on the primary, move its data folder away, and run its install.sh again. Nothing makes a replica the primary by itself: that is `pg_ctl promote`, and then a deployment with the two hosts exchanged."
                .to_owned(),
        );
    }
    if plan.deployment.proxy.virtual_address.is_some() {
        notes.push(
            "The proxies pass the address of the site to each other by VRRP (IP protocol 112): the network between them must let it through."
                .to_owned(),
        );
    }
    if plan.hosts_with(Role::Push).next().is_some() {
        notes.push(
            "The push proxy starts without keys. Put those of your own mobile apps into /etc/mattermost-push-proxy/, and their names into mattermost-push-proxy.json."
                .to_owned(),
        );
    }
    let accepted = checked.findings().accepted();
    if !accepted.is_empty() {
        notes.push(format!(
            "Warnings that were accepted when this was staged: {}. PLAN.txt tells what they say.",
            accepted.join(", ")
        ));
    }
    notes
}

/// The documents at the top of the tree.
pub(super) fn documents(
    label: &BundleLabel,
    checked: &CheckedPlan,
    payload: &Payload<'_>,
    renderer: &Renderer,
    notes: &[String],
    staged: &[StagedHost],
    egress: &[Egress],
) -> Result<Vec<(&'static str, Vec<u8>)>, RenderError> {
    let hosts = in_order(&checked.plan().deployment.hosts);
    let file = PlanFile {
        staged: STAGED,
        hosts: hosts.iter().map(|host| &host.name).collect(),
        format: 1,
        bundle: label,
        egress,
        plan: checked,
    };
    let mut json = serde_json::to_vec_pretty(&file).unwrap_or_default();
    json.push(b'\n');
    Ok(vec![
        (PLAN_JSON, json),
        (PLAN_TXT, plan_text(label, checked).into_bytes()),
        (
            INSTALL_MD,
            renderer.render(
                "INSTALL.md",
                &install_values(label, checked.plan(), payload, notes, staged),
            )?,
        ),
    ])
}

fn install_values(
    label: &BundleLabel,
    plan: &Plan,
    payload: &Payload<'_>,
    notes: &[String],
    staged: &[StagedHost],
) -> Value {
    let manifests: BTreeMap<String, String> = staged
        .iter()
        .map(|host| (host.name.to_string(), host.manifest.to_string()))
        .collect();
    let deployment = &plan.deployment;
    let strings =
        |list: &[std::net::IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let backup = &deployment.backup;
    let order = in_order(&deployment.hosts);
    let names = |role: Role| -> Vec<&Name> {
        let found = order.iter().filter(|host| host.has(role));
        found.map(|host| &host.name).collect()
    };
    let apps = names(Role::App);
    values! {
        site => values! { host => deployment.site.host(), url => deployment.site },
        bundle => values! {
            name => label.name,
            version => label.version,
            identity => label.identity.label(),
        },
        stand_ins => payload.contents.stand_ins(),
        manifests,
        hosts => order,
        site_address => site_address(plan),
        first_app => apps.first(),
        several_apps => apps.len() > 1,
        primary => names(Role::Db).first(),
        replicas => names(Role::DbReplica),
        ntp => strings(&deployment.network.ntp),
        admin => deployment.network.admin.iter().map(ToString::to_string).collect::<Vec<_>>(),
        needs_license => deployment.edition.is_licensed(),
        backup => backup.enabled.is_on().then(|| values! {
            folder => backup.directory,
            calendar => format!("at {:02}:{:02}", backup.hour, backup.minute),
            keep_days => backup.keep_days,
        }),
        file_store => match &deployment.storage {
            Storage::Local { directory } => directory.clone(),
            Storage::Nfs(nfs) => nfs.directory.clone(),
            Storage::S3(s3) => format!("the bucket `{}`", s3.bucket),
        },
        notes,
    }
}

/// Where the name of the site must lead for users.
fn site_address(plan: &Plan) -> String {
    if let Some(shared) = plan.deployment.proxy.virtual_address {
        return shared.to_string();
    }
    let proxies = plan.hosts_with(Role::Proxy);
    let addresses: Vec<_> = proxies.map(|host| host.address.to_string()).collect();
    addresses.join(", ")
}

/// The plan for people.
fn plan_text(label: &BundleLabel, checked: &CheckedPlan) -> String {
    let plan = checked.plan();
    let mut text = format!(
        "{}\nbundle {} {} ({})\n\nhosts\n",
        plan.deployment.site,
        label.name,
        label.version,
        label.identity.label()
    );
    // Writing to a String cannot fail.
    for host in in_order(&plan.deployment.hosts) {
        let roles: Vec<_> = host.roles.iter().map(|role| role.as_str()).collect();
        let _ = writeln!(
            text,
            "  {}  {}  {}  {}",
            host.name,
            host.address,
            host.distribution,
            roles.join(" ")
        );
    }
    text.push_str("\nconnections that are allowed; all others are not\n");
    for flow in &plan.flows {
        let _ = writeln!(
            text,
            "  {} -> {}  {} {}  {}",
            flow.from, flow.to, flow.protocol, flow.port, flow.purpose
        );
    }
    text.push_str("\nfindings\n");
    if checked.findings().is_empty() {
        text.push_str("  none\n");
    }
    for finding in checked.findings().iter() {
        let _ = writeln!(text, "  {}", finding.to_string().replace('\n', "\n  "));
    }
    text
}
