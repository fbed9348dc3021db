//! A minimal Debian machine without a network: real systemd as its first process, a wire that leads
//! nowhere, and a record of everything it tried to reach.
//!
//! It is made by `mmdebstrap` from the apt sources of the machine that runs the tests (read at run
//! time), kept below the target folder, and booted by `systemd-nspawn --private-network`. Its one
//! interface is the end of a cable whose other end, a network namespace of its own, plays users,
//! administrators and strangers; nothing is routed on.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use haversack::types::digest::Digest;

/// What a freshly installed Debian server has beyond the essential packages, and no more.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,procps,netbase";
/// What the tests need on the machine that runs them: program and Debian package.
const TOOLS: [(&str, &str); 7] = [
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("curl", "curl"),
];
/// The sources that the installer of Debian leaves behind; nothing of it can be reached.
const LEFT_SOURCES: &str = "deb http://deb.debian.org/debian bookworm main\n\
    deb http://security.debian.org/debian-security bookworm-security main\n";
/// Counts the first packet of every connection that leaves the machine, before any other filter
/// could drop it. Multicast of the interface itself is no attempt to reach anybody.
const SENSOR: &str = "table inet haversack-sensor {
    set tried4 { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 65535; }
    set tried6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; size 65535; }
    chain output {
        type filter hook output priority mangle; policy accept;
        oifname \"lo\" accept
        ct state established,related accept
        ip6 daddr ff00::/8 accept
        add @tried4 { ip daddr . meta l4proto . th dport }
        add @tried6 { ip6 daddr . meta l4proto . th dport }
    }
}
";
/// Longest wait for a boot or a shutdown.
const PATIENCE: Duration = Duration::from_mins(2);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The neighbours on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neighbour {
    /// In the network of users.
    User,
    /// In the network of administrators.
    Admin,
    /// A server in the same network that is no part of the deployment.
    Server,
    /// From somewhere else.
    Stranger,
}

impl Neighbour {
    const ALL: [Self; 4] = [Self::User, Self::Admin, Self::Server, Self::Stranger];

    /// Its address; the networks are those of `manifests/quickstart-deployment.toml`.
    pub(crate) const fn address(self) -> &'static str {
        match self {
            Self::User => "10.30.0.7",
            Self::Admin => "10.20.9.3",
            Self::Server => "10.20.0.99",
            Self::Stranger => "10.99.0.9",
        }
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status; -1 when a signal ended it.
    pub(crate) status: i32,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Ran {
    fn of(command: &mut Command) -> Self {
        let output = command
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output, trimmed, of a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        assert!(
            self.status == 0,
            "exit {}\n{}\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self.stdout.trim()
    }

    /// Standard error of a command that must fail.
    #[track_caller]
    pub(crate) fn refused(&self) -> &str {
        assert!(
            self.status != 0,
            "it succeeded\n{}\n{}",
            self.stdout,
            self.stderr
        );
        self.stderr.trim()
    }
}

/// A machine; it is powered off and removed when dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    host_name: String,
    address: String,
    folder: PathBuf,
    wire: String,
    link: String,
    process: Option<Child>,
    leader: u32,
}

impl Machine {
    /// A machine of this host name and IPv4 address, as a fresh installation would leave it; not yet
    /// booted.
    pub(crate) fn new(host_name: &str, address: &str) -> Self {
        let base = base();
        let id = format!(
            "{:x}{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("machine-{id}"));
        let machine = Self {
            host_name: host_name.to_owned(),
            address: address.to_owned(),
            folder,
            wire: format!("hvs-{id}"),
            link: format!("hv{id}"),
            process: None,
            leader: 0,
        };
        Ran::of(Command::new("cp").arg("-a").arg(&base).arg(&machine.folder)).ok();
        machine.write("/etc/hostname", &format!("{host_name}\n"));
        machine.write(
            "/etc/hosts",
            &format!("127.0.0.1 localhost\n127.0.1.1 {host_name}\n"),
        );
        machine.write("/etc/resolv.conf", "nameserver 10.20.0.2\n");
        machine.write("/etc/apt/sources.list", LEFT_SOURCES);
        let network = format!(
            "[Match]\nName=hv*\n[Network]\nAddress={address}/24\nGateway=10.20.0.1\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        );
        machine.write("/etc/systemd/network/10-wire.network", &network);
        Ran::of(
            Command::new("systemctl")
                .arg("--root")
                .arg(&machine.folder)
                .args(["enable", "systemd-networkd"]),
        )
        .ok();
        machine.lay_wire_namespace();
        machine
    }

    /// The folder that is the machine's `/`.
    pub(crate) fn root(&self) -> &Path {
        &self.folder
    }

    /// Boots, and waits until everything that starts at boot has started.
    pub(crate) fn boot(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.with_extension("log"));
        let log = log.expect("the log can be written");
        let again = log.try_clone().expect("the log can be written");
        // Dies with the thread of the test, and the machine with it.
        let process = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "systemd-nspawn",
                "--boot",
                "--private-network",
                "--register=no",
            ])
            .args([
                "--keep-unit",
                "--console=pipe",
                "--resolv-conf=off",
                "--timezone=off",
                "--link-journal=no",
            ])
            .arg(format!("--machine=hvs-{}", self.link))
            .arg(format!("--hostname={}", self.host_name))
            .arg("--directory")
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(again)
            .spawn()
            .expect("systemd-nspawn starts");
        let id = process.id();
        self.process = Some(process);
        self.leader = wait_for("the first process of the machine", || leader(id));
        // The sensor first: before the interface is there, nothing can leave.
        self.enter_network("nft", &["-f", "-"], SENSOR);
        self.lay_wire();
        let state = wait_for("the end of the boot", || {
            let state = self.enter(&["systemctl", "is-system-running", "--wait"]);
            let word = state.stdout.trim().to_owned();
            matches!(word.as_str(), "running" | "degraded").then_some(word)
        });
        let failed = self.run("systemctl --failed --no-legend --plain");
        assert_eq!(state, "running", "failed units:\n{}", failed.stdout);
    }

    /// Runs a shell script in the machine as a transient service, with the capabilities that a
    /// service of that machine has.
    pub(crate) fn run(&self, script: &str) -> Ran {
        self.enter(&[
            "systemd-run",
            "--quiet",
            "--wait",
            "--pipe",
            "--collect",
            "--property=RuntimeMaxSec=600",
            "--setenv=HOME=/root",
            "--setenv=LANG=C.UTF-8",
            "--",
            "/bin/sh",
            "-c",
            script,
        ])
    }

    /// Runs a program of the machine that runs the tests as one of the neighbours on the wire.
    pub(crate) fn from(&self, _neighbour: Neighbour, program: &str, args: &[&str]) -> Ran {
        Ran::of(
            Command::new("ip")
                .args(["netns", "exec", &self.wire, program])
                .args(args),
        )
    }

    /// `curl` as a neighbour, with its source address.
    pub(crate) fn curl(&self, neighbour: Neighbour, args: &[&str]) -> Ran {
        let mut all = vec![
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--noproxy",
            "*",
            "--interface",
            neighbour.address(),
        ];
        all.extend_from_slice(args);
        self.from(neighbour, "curl", &all)
    }

    /// Whether a TCP connection from a neighbour is answered.
    pub(crate) fn reaches(&self, neighbour: Neighbour, port: u16) -> bool {
        let url = format!("telnet://{}:{port}", self.address);
        let times = ["--write-out", "%{time_connect}", "--output", "/dev/null"];
        let limits = ["--connect-timeout", "1", "--max-time", "2"];
        let ran = self.curl(neighbour, &[&limits[..], &times[..], &[&url]].concat());
        let time: f64 = ran.stdout.trim().parse().expect("curl writes a time");
        time > 0.0
    }

    /// Every destination outside the machine that it sent a first packet to since it was booted:
    /// address, protocol, port.
    pub(crate) fn tried_outside(&self) -> Vec<String> {
        let listing = self.enter_network(
            "nft",
            &["-j", "list", "table", "inet", "haversack-sensor"],
            "",
        );
        let listing: serde_json::Value =
            serde_json::from_str(listing.ok()).expect("nft writes JSON");
        let objects = listing
            .get("nftables")
            .and_then(|all| all.as_array())
            .expect("a list");
        let sets: Vec<_> = objects
            .iter()
            .filter_map(|object| object.get("set"))
            .collect();
        assert_eq!(sets.len(), 2, "something removed the sensor: {listing}");
        let elements = sets
            .iter()
            .filter_map(|set| set.get("elem")?.as_array())
            .flatten();
        elements.map(ToString::to_string).collect()
    }

    /// Reboots; what is on disk stays, as with any machine.
    pub(crate) fn reboot(&mut self) {
        self.stop("reboot", 133);
        self.boot();
    }

    /// Powers off.
    pub(crate) fn power_off(&mut self) {
        self.stop("poweroff", 0);
    }

    fn stop(&mut self, how: &str, expected: i32) {
        let mut process = self.process.take().expect("it runs");
        self.enter(&["systemctl", "--no-block", how]).ok();
        let status = wait_for("the end of the machine", || {
            process.try_wait().expect("it can be waited for")
        });
        assert_eq!(
            status.code(),
            Some(expected),
            "see the log beside {}",
            self.folder.display()
        );
    }

    /// Runs a program in all namespaces of the machine.
    fn enter(&self, command: &[&str]) -> Ran {
        let leader = self.leader.to_string();
        let mut nsenter = Command::new("nsenter");
        nsenter.args([
            "--target", &leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--",
        ]);
        nsenter.env_clear().env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        Ran::of(nsenter.args(command))
    }

    /// Runs a program of this machine in the network of the other.
    fn enter_network(&self, program: &str, args: &[&str], input: &str) -> Ran {
        let leader = self.leader.to_string();
        let mut child = Command::new("nsenter")
            .args(["--target", &leader, "--net", "--", program])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter starts");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(input.as_bytes())
            .expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let ran = Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        ran.ok();
        ran
    }

    fn lay_wire_namespace(&self) {
        ip(&["netns", "add", &self.wire]);
        ip(&["-n", &self.wire, "link", "set", "lo", "up"]);
    }

    /// A new cable between the machine and its neighbours.
    fn lay_wire(&self) {
        let (far, near) = (format!("{}w", self.link), self.link.clone());
        // The kernel takes the old cable away some time after the machine has gone.
        drop(
            Command::new("ip")
                .args(["-n", &self.wire, "link", "delete", &far])
                .output(),
        );
        ip(&[
            "link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &self.wire,
        ]);
        ip(&[
            "-n",
            &self.wire,
            "address",
            "add",
            "10.20.0.1/24",
            "dev",
            &far,
        ]);
        for neighbour in Neighbour::ALL {
            let address = format!("{}/32", neighbour.address());
            ip(&["-n", &self.wire, "address", "add", &address, "dev", &far]);
        }
        ip(&["-n", &self.wire, "link", "set", &far, "up"]);
        ip(&["link", "set", &near, "netns", &self.leader.to_string()]);
    }

    fn write(&self, path: &str, content: &str) {
        let target = self.folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().expect("below the root")).expect("a folder");
        // A link would lead out of the machine.
        drop(fs::remove_file(&target));
        fs::write(&target, content).expect("a file");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
        drop(
            Command::new("ip")
                .args(["netns", "delete", &self.wire])
                .output(),
        );
        // The log of a machine that a test failed on is kept; the machine itself on demand.
        if !thread::panicking() {
            drop(fs::remove_file(self.folder.with_extension("log")));
        }
        if !thread::panicking() || std::env::var_os("HAVERSACK_KEEP_MACHINE").is_none() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// The cached base system, made when it is not there.
fn base() -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    for (program, package) in TOOLS {
        let there = path
            .split(':')
            .chain(["/usr/sbin", "/sbin"])
            .any(|folder| Path::new(folder).join(program).exists());
        assert!(
            there,
            "this test needs {program}: apt-get install {package}"
        );
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "this test boots a machine, so it must run as root"
    );
    let sources = sources();
    let mut inputs = PACKAGES.as_bytes().to_vec();
    for source in &sources {
        inputs.extend(fs::read(source).expect("an apt source"));
    }
    let mut key = Digest::of(&inputs).to_string();
    key.truncate(12);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(format!("machine-base-{key}"));
    fs::create_dir_all(target).expect("the target folder");
    let lock = fs::File::create(target.join("machine-base.lock")).expect("a lock file");
    lock.lock().expect("a lock");
    if !folder.exists() {
        let half = target.join(format!("machine-base-{key}.half"));
        drop(fs::remove_dir_all(&half));
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--variant=minbase"])
            .arg(format!("--include={PACKAGES}"));
        Ran::of(make.arg("bookworm").arg(&half).args(&sources)).ok();
        // The machine is isolated: where its packages came from is not known to it.
        for list in ["etc/apt/sources.list.d", "var/lib/apt/lists"] {
            drop(fs::remove_dir_all(half.join(list)));
            fs::create_dir_all(half.join(list)).expect("a folder");
        }
        fs::rename(&half, &folder).expect("a rename");
    }
    folder
}

/// The apt sources of this machine that are in use.
fn sources() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/etc/apt/sources.list")];
    found.retain(|path| path.exists());
    let mut more: Vec<PathBuf> = fs::read_dir("/etc/apt/sources.list.d")
        .expect("apt's folder of sources")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "list" || end == "sources")
        })
        .collect();
    more.sort();
    found.extend(more);
    assert!(!found.is_empty(), "this machine has no apt sources");
    found
}

/// The first process of the machine: the one child of `systemd-nspawn`.
fn leader(nspawn: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    let child: u32 = children.split_whitespace().next()?.parse().ok()?;
    // It is the machine once it has become its init.
    let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (name.trim() == "systemd").then_some(child)
}

fn ip(args: &[&str]) {
    Ran::of(Command::new("ip").args(args)).ok();
}

/// Tries again until there is a value.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
