//! What `init` is told.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::InitError;
use super::rows::Rows;
use crate::plan::address::{HostName, Network, SiteUrl};
use crate::plan::deployment::{Availability, Edition, Purpose, Role, Switch};
use crate::types::name::Name;
use crate::types::target::{Arch, Distribution};

/// Most hosts that `init` takes.
pub const MAX_HOSTS: usize = 512;

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// Distribution of the hosts.
    pub distribution: Distribution,
    /// Architecture of the hosts.
    pub arch: Arch,
    /// The edition.
    pub edition: Edition,
    /// What it is for.
    pub purpose: Purpose,
    /// Address of the site.
    pub site: SiteUrl,
    /// One application server or several.
    pub availability: Availability,
    /// The hosts.
    pub hosts: Vec<HostAnswer>,
    /// Where files are kept.
    pub storage: StorageAnswer,
    /// A database server that exists; none: the host with the role `db`.
    pub database: Option<HostName>,
    /// Whether the only host runs the push proxy too.
    pub push: Switch,
    /// Where users are.
    pub users: Vec<Network>,
    /// Where administrators are.
    pub admin: Vec<Network>,
    /// Resolvers.
    pub dns: Vec<IpAddr>,
    /// Time servers.
    pub ntp: Vec<IpAddr>,
    /// How many people will use it.
    pub people: Option<u32>,
    /// Further rows of the manifest.
    pub rows: BTreeSet<Rows>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAnswer {
    /// Its name.
    pub name: Name,
    /// Its address.
    pub address: IpAddr,
    /// The parts it plays; empty: what follows from the rest, for an only host.
    pub roles: BTreeSet<Role>,
}

/// Where files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageAnswer {
    /// A folder of the only application server.
    Local,
    /// The `MinIO` of the host with that role.
    Minio,
    /// A bucket service that exists, reached by https.
    S3(SiteUrl),
    /// The NFS server of the host with that role, or one that exists.
    Nfs(Option<HostName>),
}

/// Reads hosts as `NAME=ADDRESS,ROLE,ROLE,NAME=ADDRESS,ROLE`: a word with `=` begins a host.
///
/// # Errors
/// [`InitError::Host`] with the word that is none of these.
pub fn hosts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Vec<HostAnswer>, InitError> {
    let mut hosts: Vec<HostAnswer> = Vec::new();
    let words = texts
        .into_iter()
        .flat_map(|text| text.split([',', ' ']))
        .map(str::trim)
        .filter(|word| !word.is_empty());
    for word in words {
        let Some((name, address)) = word.split_once('=') else {
            let role = Role::ALL.iter().find(|role| role.as_str() == word);
            let (Some(host), Some(role)) = (hosts.last_mut(), role) else {
                let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
                let why = format!(
                    "is neither NAME=ADDRESS nor one of the roles {}",
                    known.join(", ")
                );
                return Err(InitError::host(word, why));
            };
            host.roles.insert(*role);
            continue;
        };
        if hosts.len() >= MAX_HOSTS {
            return Err(InitError::host(
                word,
                format!("is one more than {MAX_HOSTS}"),
            ));
        }
        hosts.push(HostAnswer {
            name: name
                .parse()
                .map_err(|error| InitError::host(word, format!("has no name: {error}")))?,
            address: address.parse().map_err(|_| {
                InitError::host(word, "has no address such as 10.20.0.11".to_owned())
            })?,
            roles: BTreeSet::new(),
        });
    }
    Ok(hosts)
}

impl Answers {
    /// The hosts with their parts; those of an only host that says none follow from the rest.
    pub(super) fn complete(&self) -> Result<Vec<HostAnswer>, InitError> {
        let mut hosts = self.hosts.clone();
        match hosts.as_mut_slice() {
            [] => return Err(InitError::NoHost),
            [only] if only.roles.is_empty() => {
                only.roles.extend([Role::Proxy, Role::App]);
                if self.database.is_none() {
                    only.roles.insert(Role::Db);
                }
                if self.storage == StorageAnswer::Minio {
                    only.roles.insert(Role::Minio);
                }
            }
            all => {
                if let Some(host) = all.iter().find(|host| host.roles.is_empty()) {
                    return Err(InitError::NoRole(host.name.clone()));
                }
            }
        }
        if let ([only], Switch::On) = (hosts.as_mut_slice(), self.push) {
            only.roles.insert(Role::Push);
        }
        Ok(hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match hosts([text]) {
            Ok(hosts) => hosts
                .iter()
                .map(|host| {
                    let roles: Vec<&str> = host.roles.iter().map(|role| role.as_str()).collect();
                    format!("{} {} [{}]", host.name, host.address, roles.join(" "))
                })
                .collect::<Vec<_>>()
                .join("; "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_word_with_an_equals_sign_begins_a_host() {
        for (text, expected) in [
            ("mm1=10.20.0.10", "mm1 10.20.0.10 []"),
            (
                "app1=10.20.0.11,app,web1=fd00::5,proxy,push",
                "app1 10.20.0.11 [app]; web1 fd00::5 [proxy push]",
            ),
            (" a=10.0.0.1 , app , app ", "a 10.0.0.1 [app]"),
            ("", ""),
            (
                "app",
                "`app` is neither NAME=ADDRESS nor one of the roles proxy, app, db, db-replica, minio, nfs, push, monitor, docker",
            ),
            ("a=b", "`a=b` has no address such as 10.20.0.11"),
            (
                "A=10.0.0.1",
                "`A=10.0.0.1` has no name: `A` is no name: use 1 to 63 of a-z, 0-9, and `-` or `.` between them",
            ),
            (
                "a=10.0.0.1,ap\u{1b}p",
                "`ap\\u{1b}p` is neither NAME=ADDRESS nor one of the roles proxy, app, db, db-replica, minio, nfs, push, monitor, docker",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let many: Vec<String> = (0..=MAX_HOSTS).map(|n| format!("h{n}=10.0.0.1")).collect();
        let error = hosts(many.iter().map(String::as_str)).unwrap_err();
        assert_eq!(error.to_string(), "`h512=10.0.0.1` is one more than 512");
    }
}
