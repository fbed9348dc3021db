//! A staged tree of several hosts whose scripts are stubs, for tests of the playbooks around them.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use haversack::types::digest::Digest;

use super::deployments::{HA, edited};
use super::staged::{Staged, packages, tool};

/// The stub of `install.sh`: writes down that it ran, fails where it is told to, and is idempotent.
const INSTALL: &str = r#"#!/bin/sh
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
name=$(basename "$here")
world=$(dirname "$(dirname "$here")")
echo "$name install $*" >>"$world/ran"
[ "$2" = "$(sha256sum <"$here/MANIFEST.sha256" | cut -c 1-64)" ]
if [ -e "$world/fails-on-$name" ]; then
    echo "why:   the disk of $name is full" >&2
    exit 1
fi
changed=1
[ ! -e "$world/installed-$name" ] || changed=0
if [ "${3:-}" = --dry-run ]; then
    echo "changed: 0 (dry run; an install would change $changed)"
    exit 0
fi
touch "$world/installed-$name"
echo "changed: $changed"
"#;

const VERIFY: &str = r#"#!/bin/sh
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
name=$(basename "$here")
world=$(dirname "$(dirname "$here")")
echo "$name verify" >>"$world/ran"
[ -e "$world/installed-$name" ] && [ ! -e "$world/broken-$name" ]
"#;

const ROLLBACK: &str = r#"#!/bin/sh
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
name=$(basename "$here")
world=$(dirname "$(dirname "$here")")
echo "$name rollback $*" >>"$world/ran"
if [ "${1:-}" = --list ]; then
    [ ! -e "$world/installed-$name" ] || echo 20260101T000000Z
elif [ -e "$world/installed-$name" ]; then
    rm "$world/installed-$name"
    echo "done"
else
    echo "rollback.sh: nothing to undo"
fi
"#;

const PREFLIGHT: &str = r#"#!/bin/sh
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
name=$(basename "$here")
world=$(dirname "$(dirname "$here")")
echo "$name preflight" >>"$world/ran"
[ ! -e "$world/unfit-$name" ] || { echo "FAIL the clock of $name is wrong"; exit 2; }
"#;

/// A staged tree and a world of hosts that are folders.
pub(crate) struct Fleet {
    pub(crate) staged: Staged,
    world: PathBuf,
}

impl Fleet {
    /// Stages the sample with several hosts, and puts stubs in place of the scripts.
    pub(crate) fn new() -> Self {
        let text = edited(
            HA,
            &[
                ("pki/chat.pem", "chat.pem"),
                ("pki/chat.key", "chat.key"),
                ("pki/ca.pem", "ca.pem"),
            ],
        );
        let secrets = ["db-password", "s3-access-key", "s3-secret-key"];
        let secrets = secrets.map(|name| (name, "of-another-team-1"));
        let staged = Staged::bring(&text, &packages(), &[], &secrets)
            .unwrap_or_else(|why| panic!("{why:?}"));
        let world = staged.path("world");
        std::fs::create_dir(&world).unwrap();
        let fleet = Self { staged, world };
        let inventory = fleet.staged.out().join("ansible/inventory.yml");
        let mut text = std::fs::read_to_string(&inventory).unwrap();
        for host in &fleet.staged.report.hosts {
            let folder = fleet.staged.out().join(host.name.as_str());
            let digest = stubs(&folder);
            text = text.replace(&host.manifest.to_string(), &digest.to_string());
        }
        std::fs::write(&inventory, text).unwrap();
        fleet
    }

    /// Runs a playbook with the hosts as folders of this machine.
    pub(crate) fn play(&self, arguments: &[&str]) -> Output {
        let ansible = self.staged.out().join("ansible");
        // Another release of Ansible: the path of its ansible-playbook.
        let program = std::env::var("HAVERSACK_ANSIBLE_PLAYBOOK");
        let program = program.as_deref().unwrap_or("ansible-playbook");
        tool(program, "ansible-core")
            .args(arguments)
            .args(["-e", "ansible_connection=local", "-e"])
            .arg(format!("haversack_folder={}/brought", self.world.display()))
            .current_dir(&ansible)
            .env("ANSIBLE_NOCOLOR", "1")
            .env("HOME", &self.world)
            .output()
            .unwrap()
    }

    /// Puts a file into the world, which the stubs look for.
    pub(crate) fn mark(&self, name: &str) {
        std::fs::write(self.world.join(name), "").unwrap();
    }

    /// Takes a file out of the world.
    pub(crate) fn unmark(&self, name: &str) {
        std::fs::remove_file(self.world.join(name)).unwrap();
    }

    /// What the stubs did since the last call, a line each: host, script.
    pub(crate) fn ran(&self) -> Vec<String> {
        let path = self.world.join("ran");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        drop(std::fs::remove_file(path));
        text.lines()
            .map(|line| {
                let mut words = line.split_whitespace();
                let (host, script) = (words.next().unwrap(), words.next().unwrap());
                let dry = if line.contains("--dry-run") {
                    " dry"
                } else {
                    ""
                };
                format!("{host} {script}{dry}")
            })
            .collect()
    }

    /// A path in the world.
    pub(crate) fn world(&self, name: &str) -> PathBuf {
        self.world.join(name)
    }
}

/// The stubs in a host's folder; gives the digest of its new list.
fn stubs(folder: &Path) -> Digest {
    for (name, text) in [
        ("install.sh", INSTALL),
        ("verify.sh", VERIFY),
        ("rollback.sh", ROLLBACK),
        ("preflight.sh", PREFLIGHT),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let listed = Command::new("find")
        .args([".", "-type", "f", "!", "-name", "MANIFEST.sha256"])
        .current_dir(folder)
        .output()
        .unwrap();
    let mut paths: Vec<String> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim_start_matches("./").to_owned())
        .collect();
    paths.sort();
    let mut list = String::new();
    for path in paths {
        let digest = Digest::of(&std::fs::read(folder.join(&path)).unwrap());
        writeln!(list, "{digest}  {path}").unwrap();
    }
    std::fs::write(folder.join("MANIFEST.sha256"), &list).unwrap();
    Digest::of(list.as_bytes())
}
