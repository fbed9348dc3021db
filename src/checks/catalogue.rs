//! The rows that checks are made from: what must be so, why, and what to do.
//!
//! An id that `haversack explain` knows as a rule is that rule, looked at on the host. `TOOL-0nn` is
//! mistake Mnn of the list of common mistakes; `TOOL-1nn` is what the installation itself needs.

use super::probe::Probe;
use super::words::Line;
use super::{HostCheck, Phase};
use crate::plan::Severity;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// Its id.
    pub id: &'static str,
    /// How much it matters.
    pub level: Severity,
    /// Where it comes from.
    #[serde(rename = "ref")]
    pub source: &'static str,
    /// What must be so.
    pub expects: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
}

macro_rules! rows {
    ($($id:literal $level:ident $source:literal => $expects:literal, $why:literal, $fix:literal;)+) => {
        &[$(Row {
            id: $id,
            level: Severity::$level,
            source: $source,
            expects: $expects,
            why: $why,
            fix: $fix,
        }),+]
    };
}

/// Every row, sorted by id.
const ROWS: &[Row] = rows! {
    "DB-057" Error "M24; SEED P4" =>
        "the locale en_US.UTF-8 is there",
        "CREATE DATABASE refuses a locale that the host does not have",
        "install the package locales (Debian family) or glibc-langpack-en (Red Hat family) and make the locale";
    "DB-064" Error "M15; SEED P4" =>
        "the address of the plan is an address of this host",
        "a service that binds to an address of another host does not start",
        "set the address on the host, or correct host.address in the deployment and stage again";
    "DB-067" Error "M1; SEED P4" =>
        "the database opens with the staged password, is new enough, and its user may make tables",
        "a first start that fails leaves half a migration",
        "install the database host first; else run the generated db-prepare.sql on the database server";
    "DB-072" Warning "SEED P4" =>
        "the host has the memory that its settings were computed for",
        "PostgreSQL and Mattermost are killed when memory runs out",
        "correct memory_gb of the host in the deployment and stage again, or give the host more";
    "FILES-075" Error "M6; SEED P5" =>
        "the bucket opens with the staged key",
        "a wrong endpoint, region, key or bucket is found at the first upload",
        "install the storage host first; else correct [storage] of the deployment or the key in secrets/";
    "FILES-082" Error "M17; SEED P5" =>
        "the file store is a mounted NFS folder",
        "files would land on the local disk below the mount point",
        "mount it: systemctl start the mount unit, and look at its messages";
    "FILES-087" Error "SEED P5" =>
        "no uploads lie in the local folder that an earlier installation used",
        "they would be missing after the change to shared storage",
        "copy the files into the bucket or the NFS folder, then move the old folder away";
    "METHOD-039" Error "SEED P3" =>
        "the distribution and version are those of the plan",
        "packages and paths are those of one distribution",
        "correct distro of the host in the deployment, or take a bundle for this distribution";
    "METHOD-047" Error "SEED P3" =>
        "Docker Engine on Linux answers",
        "Docker Desktop is not supported",
        "install Docker Engine on a Linux host";
    "TOOL-007" Error "M7; DOCS" =>
        "the server shows a certificate that is trusted and holds its name",
        "Mattermost refuses servers that it cannot trust: no mail, no directory, no files, no database",
        "add the server's authority to the file that ca in [tls] of the deployment names, or give the server a certificate of it";
    "TOOL-009" Error "M9; DOCKER" =>
        "the folder belongs to the user of the container",
        "the server cannot write its files: permission denied",
        "chown -R the folder to that number";
    "TOOL-013" Error "M13" =>
        "SELinux lets NGINX reach the servers behind it",
        "every page is 502: (13: Permission denied) while connecting to upstream",
        "run install.sh, which loads a policy module for it; else setsebool -P httpd_can_network_connect 1";
    "TOOL-014" Error "M14; DOCS" =>
        "fapolicyd, if it runs, has a rule for the programs",
        "the programs are not allowed to run: operation not permitted",
        "run install.sh, which lays the rule down; then fagenrules --load";
    "TOOL-015" Error "M15; DOCS HA" =>
        "the network interface of the plan exists",
        "the shared address of the proxies is put on it",
        "correct host.interface in the deployment and stage again";
    "TOOL-017" Error "M17; DOCS HA" =>
        "the number of the user is free, or is that user's already",
        "files on shared storage belong to a number; another one sees files of a stranger",
        "give the other user another number";
    "TOOL-025" Error "M25" =>
        "NGINX answers to the name of the site from one file only",
        "of two servers with one name, NGINX takes the first and ignores the other",
        "remove the other server block, then nginx -t";
    "TOOL-026" Error "M26; DOCS" =>
        "the programs are for this architecture and find a C library that is new enough",
        "they would end with: exec format error, or: version GLIBC_ not found",
        "take a bundle for this architecture, or a newer distribution";
    "TOOL-027" Error "M27" =>
        "pg_dump is as new as the server",
        "an older one refuses: aborting because of server version mismatch; no backup is ever made",
        "install the client of the same major version from the bundle";
    "TOOL-028" Warning "M28; DOCS HA" =>
        "the clock follows a time server",
        "the cluster and S3 signatures fail when clocks differ",
        "check that the time server answers; name it as network.ntp in the deployment";
    "TOOL-029" Error "M28" =>
        "the clock is not behind the package index of the bundle",
        "apt refuses an index of the future, TLS a certificate that is not valid yet",
        "set the clock right";
    "TOOL-032" Error "M32" =>
        "there is space for programs, packages and data",
        "an installation that runs out of space ends half-way",
        "free some space or enlarge the file system";
    "TOOL-033" Error "M33" =>
        "nobody else listens on the port",
        "the service cannot bind to it and does not start",
        "stop and disable the other program, or move it to another port";
    "TOOL-101" Error "install.sh" =>
        "the check runs as root",
        "other users do not see processes, keys and package locks",
        "run it with sudo";
    "TOOL-102" Error "install.sh" =>
        "systemd is the first process",
        "all services are systemd units",
        "use a host that is booted with systemd, not a plain container";
    "TOOL-103" Error "install.sh" =>
        "the architecture is that of the bundle",
        "programs for another architecture do not run",
        "take a bundle for this architecture";
    "TOOL-104" Error "M4" =>
        "the name leads to the address of the plan",
        "clients and servers would talk to another host",
        "correct the line in /etc/hosts or the record in DNS";
    "TOOL-105" Error "install.sh" =>
        "no package is half installed",
        "apt and dnf refuse to work until it is mended",
        "dpkg --configure -a; apt-get --fix-broken install (Red Hat family: rpm --rebuilddb)";
    "TOOL-106" Error "install.sh" =>
        "no other packet filter is active",
        "two filters undo each other, and one of them locks users out",
        "systemctl disable --now the other one, or name it as firewall of the host in the deployment";
    "TOOL-107" Error "M7" =>
        "the server takes connections",
        "what it serves would be missing at the first start",
        "check the address, the server and the packet filters between";
    "TOOL-108" Error "install.sh" =>
        "no other software's database cluster stands where ours goes",
        "its access rules and settings would be replaced, and its data mixed with ours",
        "move the other cluster to another host, or take another host for this role";
};

/// What the generated `verify.sh` proves after the start, by rule.
const LIVE: &[&str] = &["DB-063", "PROXY-101", "PROXY-102", "PROXY-109", "PROXY-111"];

/// Every row, sorted by id.
#[must_use]
pub const fn catalogue() -> &'static [Row] {
    ROWS
}

/// The row of an id.
#[must_use]
pub fn row(id: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.id == id)
}

/// The ids of what preflight looks at, sorted.
pub fn ids() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.id)
}

/// The ids of rules that the generated `verify.sh` proves on the running system, sorted.
#[must_use]
pub const fn live_ids() -> &'static [&'static str] {
    LIVE
}

impl Row {
    /// The check of this row on one subject.
    #[must_use]
    pub fn check(&self, phase: Phase, subject: &str, probe: Probe) -> HostCheck {
        HostCheck {
            id: self
                .id
                .parse()
                .unwrap_or_else(|_| unreachable!("ids of rows are words; a test reads them all")),
            level: self.level,
            phase,
            subject: Line::of(subject),
            probe,
            expected: Line::of(self.expects),
            why: Line::of(self.why),
            fix: Line::of(self.fix),
            source: Line::of(self.source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_unique_words_of_ascii() {
        assert!(ROWS.is_sorted_by(|a, b| a.id < b.id));
        assert!(LIVE.is_sorted_by(|a, b| a < b));
        for row in ROWS {
            let check = row.check(Phase::Before, "x", Probe::Root {});
            assert_eq!(check.id.as_str(), row.id);
            for (line, text) in [
                (check.expected, row.expects),
                (check.why, row.why),
                (check.fix, row.fix),
                (check.source, row.source),
            ] {
                assert_eq!(line.as_str(), text);
            }
        }
    }

    #[test]
    fn every_common_mistake_is_looked_for_by_a_rule_or_on_the_host() {
        let rules = crate::plan::explain_all();
        let sources = rules.iter().map(|rule| rule.source);
        let sources: Vec<&str> = sources.chain(ROWS.iter().map(|row| row.source)).collect();
        let lacking: Vec<String> = (1..=34)
            .map(|number| format!("M{number}"))
            .filter(|mistake| {
                let named = |source: &&str| source.split("; ").any(|part| part == mistake);
                !sources.iter().any(named)
            })
            .collect();
        assert_eq!(lacking, [""; 0]);
    }

    #[test]
    fn a_row_that_is_a_rule_is_one_that_is_explained() {
        for id in ids().chain(live_ids().iter().copied()) {
            let own = id.starts_with("TOOL-");
            assert_eq!(crate::plan::explain(id).is_none(), own, "{id}");
        }
    }
}
