//! The files of all trees of the matrix by the program that reads them, each different text once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What reads a staged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reader {
    /// A POSIX shell.
    Shell,
    /// systemd: a service, timer or mount.
    Unit,
    /// systemd: a part of a unit of a package, in the folder of that unit.
    UnitPart,
    /// NGINX in the version of the distribution: before 1.25.1, with `listen … http2`.
    OlderNginx,
    /// NGINX from 1.25.1 on, with `http2 on`.
    NewerNginx,
    Nft,
    /// firewalld: zone and policy, joined by [`JOINED`].
    Firewalld,
    Ufw,
    Keepalived,
    /// Prometheus: configuration and rules, joined by [`JOINED`].
    Prometheus,
    Postgres,
    PgHba,
    /// psql.
    Sql,
    /// The Mattermost server.
    Config,
    /// The push proxy.
    PushProxy,
    Sysctl,
    Chrony,
    Exports,
    NfsConf,
    Apt,
    Selinux,
    Fapolicyd,
    /// A certificate, or several.
    Certificate,
    Key,
    /// Ansible: the inventory.
    Inventory,
    /// Ansible: everything else in its folder.
    Playbooks,
    /// This program.
    Haversack,
    /// Nobody that can be asked before it runs: environment files (the services of the proofs start with
    /// them), lists of this program for its own scripts, keyrings, timesyncd.
    Nobody,
}

/// All of them.
pub(super) const READERS: [Reader; 28] = [
    Reader::Shell,
    Reader::Unit,
    Reader::UnitPart,
    Reader::OlderNginx,
    Reader::NewerNginx,
    Reader::Nft,
    Reader::Firewalld,
    Reader::Ufw,
    Reader::Keepalived,
    Reader::Prometheus,
    Reader::Postgres,
    Reader::PgHba,
    Reader::Sql,
    Reader::Config,
    Reader::PushProxy,
    Reader::Sysctl,
    Reader::Chrony,
    Reader::Exports,
    Reader::NfsConf,
    Reader::Apt,
    Reader::Selinux,
    Reader::Fapolicyd,
    Reader::Certificate,
    Reader::Key,
    Reader::Inventory,
    Reader::Playbooks,
    Reader::Haversack,
    Reader::Nobody,
];

/// Stands between two texts that are read together.
pub(super) const JOINED: &str = "\n--- haversack matrix ---\n";

/// One text, where it was seen first, and how often.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Row of the matrix, host and path.
    pub(super) at: String,
    /// Path on the host.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) seen: usize,
}

/// All texts of all trees.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<Reader, BTreeMap<String, Sample>>);

impl Files {
    /// Takes the files of a staged tree; programs, packages and secrets stay out.
    pub(super) fn take(&mut self, row: &str, tree: &Path) {
        for host in names(tree) {
            let folder = tree.join(&host);
            if !folder.is_dir() || host == "secrets" {
                continue;
            }
            let mut joined: BTreeMap<Reader, Vec<(String, String)>> = BTreeMap::new();
            for (path, text) in texts(&folder) {
                let path = path.strip_prefix("/rootfs").unwrap_or(&path).to_owned();
                let reader = if host == "ansible" {
                    of_ansible(&path)
                } else {
                    of(&path, &text)
                        .unwrap_or_else(|| panic!("{row}: nothing here reads {host}: {path}"))
                };
                match reader {
                    Reader::Firewalld | Reader::Prometheus | Reader::Playbooks => {
                        joined.entry(reader).or_default().push((path, text));
                    }
                    _ => self.add(reader, &format!("{row}: {host}: {path}"), path, text),
                }
            }
            for (reader, parts) in joined {
                let (paths, texts): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
                let path = paths.join(" ");
                self.add(
                    reader,
                    &format!("{row}: {host}: {path}"),
                    path,
                    texts.join(JOINED),
                );
            }
        }
        for name in ["plan.json", "PLAN.txt", "INSTALL.md"] {
            assert!(tree.join(name).is_file(), "{row}: {name}");
        }
    }

    fn add(&mut self, reader: Reader, at: &str, path: String, text: String) {
        let (at, key) = (at.to_owned(), format!("{path}\0{}", key(reader, &text)));
        let sample = Sample {
            at,
            path,
            text,
            seen: 0,
        };
        self.0
            .entry(reader)
            .or_default()
            .entry(key)
            .or_insert(sample)
            .seen += 1;
    }

    /// The different texts that one program reads.
    pub(super) fn of(&self, reader: Reader) -> Vec<Sample> {
        self.0
            .get(&reader)
            .into_iter()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }

    /// How many files one program reads.
    pub(super) fn seen(&self, reader: Reader) -> usize {
        self.of(reader).iter().map(|sample| sample.seen).sum()
    }
}

/// What two texts that a shell cannot tell apart have in common; other texts stay as they are.
fn key(reader: Reader, text: &str) -> String {
    if reader == Reader::Shell {
        without_numbers(text)
    } else {
        text.to_owned()
    }
}

/// The text with `#` for every word that holds a digit: an address, a digest, the name of a host.
pub(super) fn without_numbers(text: &str) -> String {
    let mut key = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        if word.chars().any(|c| c.is_ascii_digit()) {
            key.push('#');
        } else {
            key.push_str(word);
        }
    }
    key
}

fn of_ansible(path: &str) -> Reader {
    match path {
        "/inventory.yml" => Reader::Inventory,
        "/receive.sh" => Reader::Shell,
        _ => Reader::Playbooks,
    }
}

/// What reads the file at a path of a host; none is a gap.
fn of(path: &str, text: &str) -> Option<Reader> {
    let (folder, name) = path.rsplit_once('/')?;
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    Some(match (folder, name) {
        ("", "checks.json") => Reader::Haversack,
        ("" | "/usr/local/sbin", _) if text.starts_with("#!/bin/sh\n") => Reader::Shell,
        ("/etc/systemd/system", _) => Reader::Unit,
        (folder, _) if folder.starts_with("/etc/systemd/system/") => Reader::UnitPart,
        ("/etc/nginx/sites-available" | "/etc/nginx/conf.d", _) if text.contains("http2 on;") => {
            Reader::NewerNginx
        }
        ("/etc/nginx/sites-available" | "/etc/nginx/conf.d", _) => Reader::OlderNginx,
        ("/etc/nftables.d", _) | ("/etc" | "/etc/sysconfig", "nftables.conf") => Reader::Nft,
        ("/etc/firewalld/zones" | "/etc/firewalld/policies", _) => Reader::Firewalld,
        (_, "ufw.rules") => Reader::Ufw,
        ("/etc/keepalived", "keepalived.conf") => Reader::Keepalived,
        ("/etc/prometheus", _) => Reader::Prometheus,
        (_, "pg_hba.conf") => Reader::PgHba,
        (_, "mattermost.conf") if path.contains("/conf.d/") => Reader::Postgres,
        (_, "db-prepare.sql") => Reader::Sql,
        ("/opt/mattermost/config", "config.json") => Reader::Config,
        (_, "mattermost-push-proxy.json") => Reader::PushProxy,
        ("/etc/sysctl.d", _) => Reader::Sysctl,
        (folder, _) if folder.starts_with("/etc/chrony") => Reader::Chrony,
        ("/etc/exports.d", _) => Reader::Exports,
        (folder, _) if folder.starts_with("/etc/nfs.conf") => Reader::NfsConf,
        ("/etc/apt/sources.list.d", _) => Reader::Apt,
        (_, "haversack_mattermost.te") => Reader::Selinux,
        (_, "80-mattermost.rules") => Reader::Fapolicyd,
        _ if text.starts_with("-----BEGIN CERTIFICATE-----") => Reader::Certificate,
        _ if text.starts_with("-----BEGIN PRIVATE KEY-----") => Reader::Key,
        // systemd-timesyncd and the services read theirs when they start, and tell nobody before.
        (
            _,
            "mattermost.environment"
            | "config.env"
            | "mattermost-account.env"
            | "replication.pgpass",
        )
        | ("/etc/default" | "/usr/share/keyrings" | "/etc/systemd/timesyncd.conf.d", _)
        | ("", "MANIFEST.sha256" | "perms.tsv") => Reader::Nobody,
        _ if end == "sh" => Reader::Shell,
        _ => return None,
    })
}

/// Path (with a slash before it) and text of every file below a folder, but for programs and packages.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut left = vec![String::new()];
    while let Some(below) = left.pop() {
        for name in names(&folder.join(below.trim_start_matches('/'))) {
            let path = format!("{below}/{name}");
            let place = folder.join(path.trim_start_matches('/'));
            if place.is_symlink() || path == "/artifacts" {
                continue;
            }
            if place.is_dir() {
                left.push(path);
            } else {
                let text =
                    fs::read_to_string(&place).unwrap_or_else(|error| panic!("{path}: {error}"));
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
