//! Reads a deployment file and the files that it names: the only I/O of this module.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::fs;
use crate::plan::deployment::Deployment;
use crate::plan::parse::parse;
use crate::plan::problem::{DeploymentError, Problem, ProblemId, Problems};
use crate::types::name::Name;
use crate::types::secret::Secret;

/// Largest deployment file, in bytes.
pub const MAX_DEPLOYMENT: u64 = 1024 * 1024;
/// Largest certificate, key or authority file, in bytes.
pub const MAX_PEM: u64 = 1024 * 1024;

/// A deployment with the files that it names.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the operator wrote.
    pub deployment: Deployment,
    /// The files.
    pub files: Files,
}

/// The files that a deployment names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Files {
    /// Site certificate and intermediates, PEM text.
    pub cert: String,
    /// Its private key, PEM text.
    #[serde(skip)]
    pub key: Secret,
    /// Permission bits of the key file, when they are known.
    pub key_mode: Option<u32>,
    /// The authority that clients trust, PEM text.
    pub ca: String,
    /// Certificate of the SAML identity provider, PEM text.
    pub saml_cert: Option<String>,
    /// Certificates of hosts that have their own.
    pub hosts: BTreeMap<Name, HostFiles>,
}

/// The certificate of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostFiles {
    /// Certificate and intermediates, PEM text.
    pub cert: String,
    /// Its private key, PEM text.
    #[serde(skip)]
    pub key: Secret,
    /// Permission bits of the key file, when they are known.
    pub key_mode: Option<u32>,
}

/// Reads a deployment file and, relative to its folder, the files that it names.
///
/// # Errors
/// When the file cannot be read, or with every problem of its content and of the files it names.
pub fn load(path: &Path) -> Result<Loaded, DeploymentError> {
    let text = fs::read_text(path, MAX_DEPLOYMENT).map_err(DeploymentError::Read)?;
    let invalid = |problems| DeploymentError::Invalid {
        path: path.to_owned(),
        problems,
    };
    let deployment = parse(&text).map_err(invalid)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let files = read_files(folder, &deployment, &text).map_err(invalid)?;
    Ok(Loaded { deployment, files })
}

fn read_files(folder: &Path, deployment: &Deployment, text: &str) -> Result<Files, Problems> {
    let mut problems = Vec::new();
    let mut read = |key: &str, name: &str| match read_pem(&folder.join(name)) {
        Ok(found) => Some(found),
        Err(why) => {
            problems.push(named_file(deployment, text, key, &why));
            None
        }
    };
    let tls = &deployment.tls;
    let cert = read("tls.cert", &tls.cert);
    let key = read("tls.key", &tls.key);
    let ca = read("tls.ca", &tls.ca);
    let saml = deployment.saml.as_ref();
    let saml_cert = saml.and_then(|saml| read("saml.cert", &saml.cert));
    let mut hosts = BTreeMap::new();
    let mut complete = true;
    for host in &deployment.hosts {
        let Some(own) = &host.tls else { continue };
        let cert = read(&format!("host.{}.cert", host.name), &own.cert);
        let key = read(&format!("host.{}.key", host.name), &own.key);
        match (cert, key) {
            (Some(cert), Some(key)) => {
                let files = HostFiles {
                    cert,
                    key: Secret::new(key),
                    key_mode: mode(&folder.join(&own.key)),
                };
                hosts.insert(host.name.clone(), files);
            }
            _ => complete = false,
        }
    }
    problems.sort_by_key(|problem| problem.place);
    let broken = || Problems {
        shown: problems.clone(),
        more: 0,
    };
    let (Some(cert), Some(key), Some(ca)) = (cert, key, ca) else {
        return Err(broken());
    };
    if !complete || (saml.is_some() && saml_cert.is_none()) {
        return Err(broken());
    }
    Ok(Files {
        cert,
        key: Secret::new(key),
        key_mode: mode(&folder.join(&tls.key)),
        ca,
        saml_cert,
        hosts,
    })
}

fn read_pem(path: &Path) -> Result<String, String> {
    let found = fs::read_text(path, MAX_PEM).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    })?;
    if found.contains("-----BEGIN ") {
        Ok(found)
    } else {
        Err(format!("{} holds no PEM block", path.display()))
    }
}

fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = fs::examine(path).ok().flatten()?;
    found.is_file().then(|| found.permissions().mode() & 0o7777)
}

fn named_file(deployment: &Deployment, text: &str, key: &str, why: &str) -> Problem {
    let place = deployment
        .place(key)
        .unwrap_or(crate::plan::problem::Place { line: 1, column: 1 });
    let line = text
        .lines()
        .nth(place.line.saturating_sub(1))
        .unwrap_or_default();
    Problem {
        place,
        id: ProblemId::NamedFile,
        message: format!("`{key}`: {why}"),
        hint: ProblemId::NamedFile.hint().to_owned(),
        line: line.chars().filter(|c| !c.is_control()).take(160).collect(),
        width: 1,
    }
}
