//! The packages that each role needs on its host, under the names of its distribution.

use std::collections::BTreeSet;

use crate::plan::Plan;
use crate::plan::deployment::{Firewall, Host, Role, Storage};
use crate::stage::facts;
use crate::types::target::{Distribution, Family};

/// The packages that a host needs for `role` beside those of every host, by name; `install.sh`
/// installs these with their dependencies. In the Debian family they come with the bundle, and
/// staging refuses one that lacks one; in the Red Hat family they come from the repositories that
/// the host is configured with. For a database the server itself is not in this list; see
/// [`needed_for_database`].
#[must_use]
pub const fn needed_packages(role: Role, family: Family) -> &'static [&'static str] {
    match (role, family) {
        (Role::Proxy, _) => &["nginx", "curl"],
        (Role::App | Role::Minio, _) => &["curl"],
        (Role::Db | Role::DbReplica, Family::Debian) => &["locales"],
        (Role::Db | Role::DbReplica, Family::Rhel) => &["glibc-langpack-en"],
        (Role::Nfs, Family::Debian) => &["nfs-kernel-server"],
        (Role::Nfs, Family::Rhel) => &["nfs-utils"],
        (Role::Monitor, _) => &["prometheus"],
        (Role::Push | Role::Docker, _) => &[],
    }
}

/// Packages of every host, whatever its roles. Those of the Red Hat family are part of most
/// installations of it, but not of the smallest.
const fn of_every_host(family: Family) -> &'static [&'static str] {
    match family {
        Family::Debian => &["ca-certificates"],
        Family::Rhel => &[
            "ca-certificates",
            "chrony",
            "diffutils",
            "libselinux-utils",
            "policycoreutils",
            "policycoreutils-python-utils",
            "tar",
            "util-linux",
        ],
    }
}

/// The server packages of a PostgreSQL major version: those of Debian, or those of the PostgreSQL
/// project for the Red Hat family, whose own are of one older major version.
#[must_use]
pub fn needed_for_database(major: u16, family: Family) -> Vec<String> {
    match family {
        Family::Debian => vec![format!("postgresql-{major}")],
        Family::Rhel => vec![
            format!("postgresql{major}-server"),
            format!("postgresql{major}-contrib"),
        ],
    }
}

/// Everything that `install.sh` asks the package manager of `host` for.
pub(super) fn wanted(plan: &Plan, host: &Host, major: Option<u16>) -> BTreeSet<String> {
    let family = host.distribution.family();
    let mut names: Vec<&str> = of_every_host(family).to_vec();
    names.push(host.firewall.as_str());
    for role in &host.roles {
        names.extend(needed_packages(*role, family));
    }
    if host.has(Role::App) && matches!(plan.deployment.storage, Storage::Nfs(_)) {
        names.push(match family {
            Family::Debian => "nfs-common",
            Family::Rhel => "nfs-utils",
        });
    }
    if host.has(Role::Proxy) && plan.deployment.proxy.virtual_address.is_some() {
        names.push("keepalived");
    }
    if family == Family::Rhel && host.has(Role::Proxy) {
        // Compiles the SELinux module.
        names.push("checkpolicy");
    }
    let mut wanted: BTreeSet<String> = names.into_iter().map(ToOwned::to_owned).collect();
    if host.has(Role::Db) || host.has(Role::DbReplica) {
        wanted.extend(
            major
                .into_iter()
                .flat_map(|major| needed_for_database(major, family)),
        );
    }
    wanted
}

/// What the deployment wants of a host that its distribution does not have.
pub(super) fn unavailable(plan: &Plan, host: &Host) -> Vec<String> {
    let Host {
        name, distribution, ..
    } = host;
    let mut problems = Vec::new();
    if host.firewall == Firewall::Ufw {
        if distribution.family() == Family::Rhel {
            problems.push(format!(
                "{name} runs {distribution}, which has no ufw; use `firewall = \"firewalld\"` or \"nftables\""
            ));
        } else if *distribution == Distribution::Ubuntu2204 && facts::has_failover(plan, host) {
            problems.push(format!(
                "{name} shares a virtual address, but ufw of {distribution} (0.36.1) knows no rules for VRRP; use `firewall = \"nftables\"`"
            ));
        }
    }
    if host.has(Role::Monitor) && distribution.family() == Family::Rhel {
        problems.push(format!(
            "{name} runs {distribution}, which has no package of Prometheus; give the role `monitor` to a host of the Debian family"
        ));
    }
    problems
}

/// The major version in the name of a server package of Debian (`postgresql-15` gives 15).
#[must_use]
pub fn database_major(package: &str) -> Option<u16> {
    package.strip_prefix("postgresql-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_package_tells_its_major() {
        assert_eq!(database_major("postgresql-15"), Some(15));
        let named = needed_for_database(17, Family::Debian);
        assert_eq!(
            named
                .iter()
                .filter_map(|name| database_major(name))
                .collect::<Vec<_>>(),
            [17]
        );
        for other in [
            "postgresql-client-15",
            "postgresql",
            "postgresql-15-pgvector",
        ] {
            assert_eq!(database_major(other), None);
        }
    }

    #[test]
    fn the_red_hat_family_takes_the_server_of_the_postgresql_project() {
        assert_eq!(
            needed_for_database(17, Family::Rhel),
            ["postgresql17-server", "postgresql17-contrib"]
        );
    }
}
