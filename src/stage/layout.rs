//! Where the files of a host stand, and what its services are called: what differs between the
//! families of distributions.

use crate::types::target::Family;

/// The places and names of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    family: Family,
    /// Major version of PostgreSQL; 0 without a database.
    major: u16,
}

impl Layout {
    pub(super) const fn new(family: Family, major: u16) -> Self {
        Self { family, major }
    }

    /// The unit of the database server. On Debian it is the one of the cluster `main`: the umbrella
    /// unit `postgresql.service` only starts it, and stays active when it fails. In the Red Hat
    /// family it is the one of the PostgreSQL project's own packages.
    pub(super) fn database_unit(self) -> String {
        match self.family {
            Family::Debian => format!("postgresql@{}-main.service", self.major),
            Family::Rhel => format!("postgresql-{}.service", self.major),
        }
    }

    /// The unit that others wait for when they need the database: that of Debian starts whatever
    /// cluster there is.
    pub(super) fn database_service(self) -> String {
        match self.family {
            Family::Debian => "postgresql.service".to_owned(),
            Family::Rhel => self.database_unit(),
        }
    }

    /// The folder of `postgresql.conf` and `pg_hba.conf`.
    pub(super) fn database_config(self) -> String {
        match self.family {
            Family::Debian => format!("/etc/postgresql/{}/main", self.major),
            Family::Rhel => format!("/var/lib/pgsql/{}/data", self.major),
        }
    }

    /// The folder of the database's own files.
    pub(super) fn database_data(self) -> String {
        match self.family {
            Family::Debian => format!("/var/lib/postgresql/{}/main", self.major),
            Family::Rhel => self.database_config(),
        }
    }

    /// What is there when a cluster was made.
    pub(super) fn database_cluster(self) -> String {
        format!("{}/PG_VERSION", self.database_data())
    }

    /// The folder of PostgreSQL's programs.
    pub(super) fn database_programs(self) -> String {
        match self.family {
            Family::Debian => format!("/usr/lib/postgresql/{}/bin", self.major),
            Family::Rhel => format!("/usr/pgsql-{}/bin", self.major),
        }
    }

    /// The site of the proxy. NGINX of the Red Hat family reads `conf.d/*.conf` only.
    pub(super) const fn nginx_site(self) -> &'static str {
        match self.family {
            Family::Debian => "/etc/nginx/sites-available/mattermost",
            Family::Rhel => "/etc/nginx/conf.d/mattermost.conf",
        }
    }

    /// What `nftables.service` loads.
    pub(super) const fn filter(self) -> &'static str {
        match self.family {
            Family::Debian => "/etc/nftables.conf",
            Family::Rhel => "/etc/sysconfig/nftables.conf",
        }
    }

    /// The unit of the time service that a drop-in of ours is for.
    pub(super) const fn chrony_unit(self) -> &'static str {
        match self.family {
            Family::Debian => "chrony.service",
            Family::Rhel => "chronyd.service",
        }
    }

    /// The time servers for chrony. In the Red Hat family nothing reads that folder unless
    /// `/etc/chrony.conf` names it, which `install.sh` sees to.
    pub(super) const fn chrony_sources(self) -> &'static str {
        match self.family {
            Family::Debian => "/etc/chrony/sources.d/haversack.sources",
            Family::Rhel => "/etc/chrony.d/haversack.sources",
        }
    }

    /// The site's certificate authority among those that the host trusts.
    pub(super) const fn authority(self) -> &'static str {
        match self.family {
            Family::Debian => "/usr/local/share/ca-certificates/haversack-site-ca.crt",
            Family::Rhel => "/etc/pki/ca-trust/source/anchors/haversack-site-ca.pem",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_own_places() {
        let (debian, rhel) = (
            Layout::new(Family::Debian, 15),
            Layout::new(Family::Rhel, 17),
        );
        assert_eq!(debian.database_config(), "/etc/postgresql/15/main");
        assert_eq!(rhel.database_config(), "/var/lib/pgsql/17/data");
        assert_eq!(debian.database_unit(), "postgresql@15-main.service");
        assert_eq!(rhel.database_unit(), "postgresql-17.service");
        // A unit that requires one that does not exist never starts.
        assert_eq!(debian.database_service(), "postgresql.service");
        assert_eq!(rhel.database_service(), "postgresql-17.service");
        assert_ne!(debian.nginx_site(), rhel.nginx_site());
        assert_ne!(debian.authority(), rhel.authority());
        assert_eq!(debian.filter(), "/etc/nftables.conf");
        // nftables.service of the Red Hat family does not read /etc/nftables.conf.
        assert_eq!(rhel.filter(), "/etc/sysconfig/nftables.conf");
        assert_eq!(debian.chrony_unit(), "chrony.service");
        assert_eq!(rhel.chrony_unit(), "chronyd.service");
        assert_ne!(debian.chrony_sources(), rhel.chrony_sources());
    }
}
