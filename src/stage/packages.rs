//! The Debian packages that each role needs on its host.

use crate::plan::deployment::Role;

/// Packages of every host, whatever its roles.
pub const COMMON: &[&str] = &["ca-certificates", "nftables"];

/// The packages that a host needs for `role` beside [`COMMON`], by name; `install.sh` installs
/// these with their dependencies, and staging refuses a bundle that lacks one. For a database the
/// server itself is `postgresql-<major>` and is not in this list; see [`needed_for_database`].
#[must_use]
pub const fn needed_packages(role: Role) -> &'static [&'static str] {
    match role {
        Role::Proxy => &["nginx", "curl"],
        Role::App | Role::Minio => &["curl"],
        Role::Db | Role::DbReplica => &["locales"],
        Role::Nfs => &["nfs-kernel-server"],
        Role::Push | Role::Monitor | Role::Docker => &[],
    }
}

/// The server package of a PostgreSQL major version.
#[must_use]
pub fn needed_for_database(major: u16) -> String {
    format!("postgresql-{major}")
}

/// The major version in the name of a server package (`postgresql-15` gives 15).
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
        assert_eq!(database_major(&needed_for_database(17)), Some(17));
        for other in [
            "postgresql-client-15",
            "postgresql",
            "postgresql-15-pgvector",
        ] {
            assert_eq!(database_major(other), None);
        }
    }
}
