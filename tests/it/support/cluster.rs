//! Several machines without a way out on one wire, with their neighbours.
//!
//! The wire is a bridge in a network namespace of its own. Every machine and every neighbour has a
//! cable to it. Networks reach each other through the gateway `10.20.0.1`, which routes between
//! those on the wire and knows no others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::machine::{self, Disk, Guest, Ran, ip, need, new_id};

/// What a server has that is looked after over SSH.
const PACKAGES: &str = "openssh-server";
/// What the tests need besides what a single machine needs.
const TOOLS: [(&str, &str); 3] = [
    ("ansible-playbook", "ansible-core"),
    ("ssh", "openssh-client"),
    ("mount", "mount"),
];
/// The bridge.
const BRIDGE: &str = "wire";

/// Machines and neighbours; all of it is removed when dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    id: String,
    folder: PathBuf,
    guests: Vec<Guest>,
    neighbours: Vec<Neighbour>,
}

/// Somebody on the wire who is no machine of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// What it is, in a word.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: String,
}

impl Cluster {
    /// Machines and neighbours of these names and addresses. The machines let root in over SSH, with
    /// [`Self::key`].
    pub(crate) fn new(machines: &[(&str, &str)], neighbours: &[(&str, &str)]) -> Self {
        need(&TOOLS);
        let base = machine::base(&format!("{},{PACKAGES}", machine::PACKAGES));
        let id = new_id();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{id}"));
        fs::create_dir_all(&folder).expect("a folder");
        let mut cluster = Self {
            id,
            folder,
            guests: Vec::new(),
            neighbours: Vec::new(),
        };
        cluster.make_key();
        cluster.lay_wire();
        for (index, (name, address)) in machines.iter().enumerate() {
            let id = format!("{}{}", cluster.id, letter(index));
            let guest = Guest::new(&id, name, address, &base, Disk::Layered);
            guest.write("/root/.ssh/authorized_keys", &cluster.read("key.pub"));
            let host_key = base.join("etc/ssh/ssh_host_ed25519_key.pub");
            let host_key = fs::read_to_string(host_key).expect("the key of sshd");
            cluster.append("known_hosts", &format!("{address} {host_key}"));
            cluster.guests.push(guest);
        }
        for (name, address) in neighbours {
            cluster.add_neighbour(name, address);
        }
        cluster
    }

    /// Boots all machines at once.
    pub(crate) fn boot(&mut self) {
        let wire = self.wire();
        for guest in &mut self.guests {
            guest.start();
            plug(&wire, guest.link(), &guest.leader().to_string());
        }
        thread::scope(|scope| {
            for guest in &self.guests {
                scope.spawn(|| guest.wait_until_running());
            }
        });
    }

    /// A machine.
    #[track_caller]
    pub(crate) fn machine(&self, name: &str) -> &Guest {
        let found = self.guests.iter().find(|guest| guest.name() == name);
        found.unwrap_or_else(|| panic!("no machine {name}"))
    }

    /// Runs a program of the machine that runs the tests as a neighbour on the wire.
    pub(crate) fn from(&self, neighbour: &str, program: &str, args: &[&str]) -> Ran {
        Ran::of(self.command_from(neighbour, program).args(args))
    }

    /// As [`Self::from`], to be completed by the caller.
    pub(crate) fn command_from(&self, neighbour: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(neighbour), program]);
        command
    }

    /// The file of a network namespace: of a machine or of a neighbour.
    pub(crate) fn network_of(&self, name: &str) -> PathBuf {
        match self.guests.iter().find(|guest| guest.name() == name) {
            Some(guest) => format!("/proc/{}/ns/net", guest.leader()).into(),
            None => format!("/run/netns/{}", self.space(name)).into(),
        }
    }

    /// The private key that root of every machine accepts.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// The host keys of all machines.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// MiB that a machine has written beyond the shared base.
    pub(crate) fn megabytes(&self, name: &str) -> u64 {
        self.machine(name).megabytes()
    }

    /// The network namespace that is the wire.
    fn wire(&self) -> String {
        format!("hvs-{}", self.id)
    }

    fn space(&self, neighbour: &str) -> String {
        format!("hvs-{}-{neighbour}", self.id)
    }

    fn lay_wire(&self) {
        let wire = self.wire();
        ip(&["netns", "add", &wire]);
        ip(&["-n", &wire, "link", "set", "lo", "up"]);
        ip(&["-n", &wire, "link", "add", BRIDGE, "type", "bridge"]);
        ip(&["-n", &wire, "address", "add", "10.20.0.1/24", "dev", BRIDGE]);
        ip(&["-n", &wire, "link", "set", BRIDGE, "up"]);
        // It routes between the networks on the wire, and does not tell anybody of a shorter way.
        let settings = "echo 1 > /proc/sys/net/ipv4/ip_forward; \
            for all in /proc/sys/net/ipv4/conf/*/send_redirects; do echo 0 > $all; done; \
            for all in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $all; done";
        Ran::of(Command::new("ip").args(["netns", "exec", &wire, "sh", "-c", settings])).ok();
    }

    fn add_neighbour(&mut self, name: &str, address: &str) {
        let (wire, space) = (self.wire(), self.space(name));
        let link = format!("hv{}n{}", self.id, self.neighbours.len());
        ip(&["netns", "add", &space]);
        plug(&wire, &link, &space);
        ip(&["-n", &space, "link", "set", "lo", "up"]);
        ip(&["-n", &space, "link", "set", &link, "up"]);
        let own = format!("{address}/32");
        ip(&["-n", &space, "address", "add", &own, "dev", &link]);
        let gateway = "10.20.0.1";
        ip(&[
            "-n", &space, "route", "add", "default", "via", gateway, "dev", &link, "onlink",
        ]);
        ip(&["-n", &wire, "route", "replace", &own, "dev", BRIDGE]);
        self.neighbours.push(Neighbour {
            name: name.to_owned(),
            address: address.to_owned(),
        });
    }

    fn make_key(&self) {
        Ran::of(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
                .arg(self.key()),
        )
        .ok();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).expect("a file")
    }

    fn append(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        let old = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, old + text).expect("a file");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.guests.clear();
        let spaces = self
            .neighbours
            .iter()
            .map(|neighbour| self.space(&neighbour.name));
        for space in spaces.chain([self.wire()]) {
            drop(
                Command::new("ip")
                    .args(["netns", "delete", &space])
                    .output(),
            );
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A new cable from the bridge to a namespace, which is a name or a process.
fn plug(wire: &str, near: &str, space: &str) {
    let far = format!("{near}w");
    ip(&[
        "link", "add", near, "type", "veth", "peer", "name", &far, "netns", wire,
    ]);
    ip(&["-n", wire, "link", "set", &far, "master", BRIDGE]);
    ip(&["-n", wire, "link", "set", &far, "up"]);
    ip(&["link", "set", near, "netns", space]);
}

fn letter(index: usize) -> char {
    ('a'..='z').nth(index).expect("few machines")
}
