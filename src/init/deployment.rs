//! The deployment for the answers, checked by the rules before anybody sees it.

use std::collections::BTreeMap;
use std::fmt::Display;

use minijinja::{Value, context};

use super::InitError;
use super::answers::{Answers, HostAnswer, StorageAnswer};
use super::manifest::POSTGRESQL;
use super::render::render;
use crate::plan::address::HostName;
use crate::plan::deployment::{Availability, Role};
use crate::plan::{Context, Files, Finding, Findings, HostFiles, Loaded, Plan, parse};
use crate::types::secret::Secret;

/// The rule about the contents of certificates, which do not exist yet.
const ABOUT_CERTIFICATES: &str = "PROXY-106";

/// A deployment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) text: String,
    /// Files that must stand beside it, sorted.
    pub(super) needed: Vec<String>,
}

pub(super) fn draft(answers: &Answers, hosts: &[HostAnswer]) -> Result<Draft, InitError> {
    let site = label(answers.site.host());
    let tls = [
        ("cert", format!("pki/{site}.pem")),
        ("key", format!("pki/{site}.key")),
        ("ca", "pki/ca.pem".to_owned()),
    ];
    let mut needed: Vec<String> = tls.iter().map(|(_, path)| path.clone()).collect();
    let mut listed = Vec::new();
    for host in hosts {
        let serves = [Role::Db, Role::DbReplica, Role::Minio];
        // On an only host the services use the site's certificate, and its name.
        let own = hosts.len() > 1 && serves.iter().any(|role| host.roles.contains(role));
        let files = own.then(|| {
            (
                format!("pki/{}.pem", host.name),
                format!("pki/{}.key", host.name),
            )
        });
        if let Some((cert, key)) = &files {
            needed.extend([cert.clone(), key.clone()]);
        }
        let (cert, key) = files.unzip();
        listed.push(context! {
            name => host.name.as_str(),
            address => host.address.to_string(),
            roles => quoted(&host.roles),
            cert,
            key,
        });
    }
    let with = |role| {
        let found = hosts.iter().find(|host| host.roles.contains(&role));
        found.map(|host| host.name.to_string())
    };
    let values = context! {
        url => answers.site.to_string(),
        edition => answers.edition.as_str(),
        licensed => answers.edition.is_licensed(),
        purpose => answers.purpose.as_str(),
        ha => answers.availability == Availability::High,
        tls => tls.into_iter().collect::<BTreeMap<_, _>>(),
        users => quoted(&answers.users),
        admin => quoted(&answers.admin),
        dns => quoted(&answers.dns),
        ntp => quoted(&answers.ntp),
        distribution => answers.distribution.as_str(),
        hosts => listed,
        storage => storage(&answers.storage, &with)?,
        database => answers.database.as_ref().map(ToString::to_string),
        postgresql => POSTGRESQL,
        push => with(Role::Push),
        people => answers.people,
    };
    let template = include_str!("templates/deployment.toml.j2");
    let text = render("deployment.toml", template, &values)?;
    needed.sort();
    needed.dedup();
    Ok(Draft { text, needed })
}

fn storage(
    answer: &StorageAnswer,
    with: &impl Fn(Role) -> Option<String>,
) -> Result<Value, InitError> {
    let own = |kind: &str, role: Role| match with(role) {
        Some(host) => Ok(context! { kind, host }),
        None => Err(InitError::NoServer(role)),
    };
    match answer {
        StorageAnswer::Local => Ok(context! { kind => "local" }),
        StorageAnswer::Minio => own("s3", Role::Minio),
        StorageAnswer::S3(place) => {
            Ok(context! { kind => "s3", host => (), endpoint => place.to_string() })
        }
        StorageAnswer::Nfs(None) => own("nfs", Role::Nfs),
        StorageAnswer::Nfs(Some(server)) => {
            Ok(context! { kind => "nfs", host => (), server => server.to_string() })
        }
    }
}

/// What the rules say about a draft, apart from certificates that are not there yet.
pub(super) fn judge(text: &str, context: &Context) -> Result<Findings, InitError> {
    let deployment = parse(text).map_err(InitError::Deployment)?;
    let own = deployment.hosts.iter().filter(|host| host.tls.is_some());
    let absent = || HostFiles {
        cert: String::new(),
        key: Secret::new(String::new()),
        key_mode: None,
    };
    let files = Files {
        cert: String::new(),
        key: Secret::new(String::new()),
        key_mode: None,
        ca: String::new(),
        saml_cert: None,
        hosts: own.map(|host| (host.name.clone(), absent())).collect(),
    };
    let findings = Plan::new(Loaded { deployment, files }).findings(context);
    let said: Vec<Finding> = findings
        .iter()
        .filter(|finding| finding.id != ABOUT_CERTIFICATES)
        .cloned()
        .collect();
    let findings = Findings::new(said);
    if findings.refuses() {
        return Err(InitError::Refused(findings));
    }
    Ok(findings)
}

/// The first label of a name, which certificates are called by.
fn label(host: &HostName) -> String {
    match host {
        HostName::Ip(_) => "site".to_owned(),
        HostName::Dns(_) => {
            let name = host.to_string();
            let first = name.split('.').next().unwrap_or(&name);
            // The authority's file is beside it.
            if first == "ca" { "site" } else { first }.to_owned()
        }
    }
}

/// A TOML list of texts. They are words, addresses and names: nothing in them needs an escape.
fn quoted<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items
        .into_iter()
        .map(|item| format!("\"{item}\""))
        .collect();
    items.join(", ")
}
