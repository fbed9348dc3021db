//! The site: deployment, machines, neighbours, and the playbook run by an administrator.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::cluster::{Cluster, INTERFACE};
use crate::support::machine::Ran;
use crate::support::quickstart::{Quickstart, Site};

/// Every host: name, address, parts.
pub(crate) const HOSTS: [(&str, &str, &str); 8] = [
    ("web1", "10.20.0.5", "\"proxy\""),
    ("web2", "10.20.0.6", "\"proxy\""),
    ("app1", "10.20.0.11", "\"app\""),
    ("app2", "10.20.0.12", "\"app\""),
    ("app3", "10.20.0.13", "\"app\""),
    ("db1", "10.20.0.20", "\"db\""),
    ("db2", "10.20.0.21", "\"db-replica\""),
    ("files1", "10.20.0.30", "\"minio\", \"push\""),
];
/// Everybody else on the wire. There is no time server: containers have the clock of their machine,
/// so that no host here could follow one.
pub(crate) const NEIGHBOURS: [(&str, &str); 6] = [
    ("user", "10.30.0.7"),
    ("admin", "10.20.9.3"),
    ("monitor", "10.20.9.5"),
    ("names", "10.20.0.2"),
    ("server", "10.20.0.99"),
    ("stranger", "10.99.0.9"),
];
/// The address that the proxies share.
pub(crate) const SHARED: &str = "10.20.0.4";

const DEPLOYMENT: &str = r##"
format  = 1
url     = "https://chat.mm.internal"
method  = "linux"
edition = "enterprise"
ha      = true
classification = { level = "il5", banner = "SECRET//NOFORN", color = "#c8102e" }

[tls]
cert       = "pki/chat.pem"
key        = "pki/chat.key"
ca         = "pki/ca.pem"
source     = "internal-ca"
revocation = "internal"

[network]
users = ["10.30.0.0/16"]
admin = ["10.20.9.0/30"]
dns   = ["10.20.0.2"]

[defaults]
distro    = "debian-12"
memory_gb = 4

[storage]
kind              = "s3"
host              = "files1"
bucket            = "mattermost"
encrypted_at_rest = true

[push]
mode = "proxy"
host = "files1"

[monitoring]
hosts = ["10.20.9.5"]

[policy]
stig = true

[limits]
users = 2000
"##;

/// The deployment file.
fn deployment() -> String {
    let mut text = DEPLOYMENT.to_owned();
    write!(
        text,
        "\n[proxy]\nvirtual_address = \"{SHARED}\"\nrate_limit = 1000\n"
    )
    .expect("a text");
    for (name, address, roles) in HOSTS {
        write!(
            text,
            "\n[[host]]\nname = \"{name}\"\naddress = \"{address}\"\nroles = [{roles}]\n\
             interface = \"{INTERFACE}\"\ncert = \"pki/{name}.pem\"\nkey = \"pki/{name}.key\"\n"
        )
        .expect("a text");
    }
    text
}

/// Builds, signs, verifies and stages it.
pub(crate) fn stage(name: &str) -> Quickstart {
    let mut certificates = vec![vec!["chat.mm.internal".to_owned()]];
    for (name, address, roles) in HOSTS {
        let mut names = vec![name.to_owned(), address.to_owned()];
        if roles.contains("proxy") {
            names.push("chat.mm.internal".to_owned());
        }
        certificates.push(names);
    }
    let site = Site {
        manifest: &[(
            "install = [\"ca-certificates\", \"curl\", \"nftables\", \"nginx\"]",
            "install = [\"ca-certificates\", \"curl\", \"keepalived\", \"nftables\", \"nginx\"]",
        )],
        deployment: deployment(),
        certificates,
    };
    Quickstart::of(name, &site)
}

/// The machines of [`HOSTS`] and the [`NEIGHBOURS`], booted.
pub(crate) fn boot() -> Cluster {
    let machines = HOSTS.map(|(name, address, _)| (name, address));
    let mut cluster = Cluster::new(&machines, &NEIGHBOURS);
    cluster.boot();
    cluster
}

/// Runs a playbook of the staged tree as the administrator, with what `INSTALL.md` leaves to the
/// site: where the key lies.
pub(crate) fn play(cluster: &Cluster, staged: &Path, args: &[&str]) -> Ran {
    let folder = staged.join("ansible");
    let mut command = cluster.command_from("admin", "env");
    command
        .args(["LC_ALL=C.UTF-8", "ANSIBLE_NOCOLOR=1"])
        .arg(format!("ANSIBLE_HOME={}", cluster.folder().display()))
        .arg(format!(
            "ANSIBLE_SSH_CONTROL_PATH_DIR={}",
            cluster.folder().join("cp").display()
        ))
        .arg(format!(
            "ANSIBLE_LOCAL_TEMP={}",
            cluster.folder().join("tmp").display()
        ))
        .arg("ansible-playbook")
        .args(args)
        .arg("--private-key")
        .arg(cluster.key())
        .arg(format!(
            "--ssh-common-args=-F none -o UserKnownHostsFile={} -o GlobalKnownHostsFile=none",
            cluster.known_hosts().display()
        ))
        .current_dir(folder);
    Ran::of(&mut command)
}

/// `host → (ok, changed, failed)` of a playbook's recap.
pub(crate) fn recap(output: &str) -> Vec<(String, u32, u32)> {
    let lines = output
        .split("PLAY RECAP")
        .nth(1)
        .unwrap_or_default()
        .lines();
    let mut found: Vec<_> = lines
        .filter_map(|line| {
            let (host, counts) = line.split_once(" : ")?;
            let count = |name: &str| {
                let words = counts.split_whitespace();
                let mut values =
                    words.filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
                values.next()?.parse().ok()
            };
            let failed: u32 = count("failed")?;
            let unreachable: u32 = count("unreachable")?;
            Some((
                host.trim().to_owned(),
                count("changed")?,
                failed + unreachable,
            ))
        })
        .collect();
    found.sort();
    found
}

/// Runs the program in the staged folder.
pub(crate) fn plan(quickstart: &Quickstart) -> serde_json::Value {
    let text = quickstart.haversack(&["plan", "deployment.toml", "--json"]);
    serde_json::from_str(&text).expect("JSON")
}
