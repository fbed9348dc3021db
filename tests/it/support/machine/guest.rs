//! A Debian system of its own in a container: real systemd as its first process, no network but the
//! cable that it is given, and a record of everything it tried to reach.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Ran;

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
/// Goes into control groups named `$1`, in each hierarchy that systemd uses, and becomes what follows. Machines that are
/// booted in one group share its `payload`: one removes a group that another has just made for a unit, which then
/// fails (219/CGROUP).
const APART: &str = r#"name=$1; shift
for top in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e "$top/cgroup.procs" ] && mkdir -p "$top/$name" && echo $$ > "$top/$name/cgroup.procs"
done
exec "$@""#;
/// Removes these groups.
const TOGETHER: &str = r#"for top in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ ! -e "$top/$1/cgroup.procs" ] || find "$top/$1" -depth -type d -exec rmdir {} +
done"#;
/// From so many bytes of free memory on, what layered machines change is kept in memory: eight of
/// them write 3.2 GiB, which not every machine that runs the tests has on its disk.
const ENOUGH_MEMORY: u64 = 8 << 30;
/// Longest wait for a boot or a shutdown.
const PATIENCE: Duration = Duration::from_mins(2);

/// How a machine gets its copy of the base system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// All of it is copied.
    Copied,
    /// Only what it changes is kept apart, and nothing is forced to the disk: many machines of one
    /// base cost little more than one.
    Layered,
}

/// A destination that a machine sent a first packet to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tried {
    /// Its address.
    pub(crate) address: String,
    /// Such as `tcp`.
    pub(crate) protocol: String,
    /// Its port, as `nft` prints it.
    pub(crate) port: String,
}

/// A system; it is powered off and removed when dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    host_name: String,
    /// Its `/`.
    root: PathBuf,
    /// What is removed with it.
    folder: PathBuf,
    disk: Disk,
    /// The name of its interface.
    link: String,
    process: Option<Child>,
    leader: u32,
}

impl Guest {
    /// A system as a fresh installation would leave it; not yet booted. `id` is its own, and short.
    pub(crate) fn new(id: &str, host_name: &str, address: &str, base: &Path, disk: Disk) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("machine-{id}"));
        let mut guest = Self {
            host_name: host_name.to_owned(),
            root: folder.clone(),
            folder,
            disk,
            link: format!("hv{id}"),
            process: None,
            leader: 0,
        };
        match disk {
            Disk::Copied => {
                Ran::of(Command::new("cp").arg("-a").arg(base).arg(&guest.folder)).ok();
            }
            Disk::Layered => guest.lay_over(base),
        }
        guest.write("/etc/hostname", &format!("{host_name}\n"));
        guest.write(
            "/etc/hosts",
            &format!("127.0.0.1 localhost\n127.0.1.1 {host_name}\n"),
        );
        guest.write("/etc/resolv.conf", "nameserver 10.20.0.2\n");
        guest.write("/etc/apt/sources.list", LEFT_SOURCES);
        let network = format!(
            "[Match]\nName=hv* lan0\n[Network]\nAddress={address}/24\nGateway=10.20.0.1\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        );
        guest.write("/etc/systemd/network/10-wire.network", &network);
        Ran::of(
            Command::new("systemctl")
                .arg("--root")
                .arg(&guest.root)
                .args(["enable", "systemd-networkd"]),
        )
        .ok();
        guest
    }

    fn lay_over(&mut self, base: &Path) {
        if available_memory() >= ENOUGH_MEMORY {
            fs::create_dir_all(&self.folder).expect("a folder");
            Ran::of(
                Command::new("mount")
                    .args(["-t", "tmpfs", "-o", "size=64g,mode=755", "tmpfs"])
                    .arg(&self.folder),
            )
            .ok();
        }
        let [upper, work, root] = ["upper", "work", "root"].map(|part| self.folder.join(part));
        for folder in [&upper, &work, &root] {
            fs::create_dir_all(folder).expect("a folder");
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={},volatile",
            base.display(),
            upper.display(),
            work.display()
        );
        Ran::of(
            Command::new("mount")
                .args(["-t", "overlay", "overlay", "-o", &options])
                .arg(&root),
        )
        .ok();
        self.root = root;
    }

    /// Its host name.
    pub(crate) fn name(&self) -> &str {
        &self.host_name
    }

    /// The folder that is its `/`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The process whose namespaces are the system's.
    pub(crate) const fn leader(&self) -> u32 {
        self.leader
    }

    /// What it is called among the machines and control groups of the host.
    fn group(&self) -> String {
        format!("hvs-{}", self.link)
    }

    /// The name of the interface that it waits for.
    pub(crate) fn link(&self) -> &str {
        &self.link
    }

    /// MiB of its disk beyond the shared base.
    pub(crate) fn megabytes(&self) -> u64 {
        let used = Ran::of(Command::new("du").arg("-sxm").arg(match self.disk {
            Disk::Copied => self.root.clone(),
            Disk::Layered => self.folder.join("upper"),
        }));
        let words = used.ok().split_whitespace().next().map(str::parse);
        words.expect("a number").expect("a number")
    }

    /// Boots, lets `lay_wire` plug in the cable (`link`, leader), and waits until everything that
    /// starts at boot has started.
    pub(crate) fn boot(&mut self, lay_wire: impl FnOnce(&str, u32)) {
        self.start();
        lay_wire(&self.link, self.leader);
        self.wait_until_running();
    }

    /// Begins the boot, and returns when the system has its first process, a sensor and no cable yet.
    pub(crate) fn start(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.with_extension("log"));
        let log = log.expect("the log can be written");
        let again = log.try_clone().expect("the log can be written");
        // Powers the system off when the thread of the test ends. Not `KILL`: that would leave the system
        // behind, running and without anybody.
        let process = Command::new("sh")
            .args(["-c", APART, "sh", &self.group()])
            .args([
                "setpriv",
                "--pdeathsig",
                "TERM",
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
            .arg(format!("--machine={}", self.group()))
            .arg(format!("--hostname={}", self.host_name))
            .arg("--directory")
            .arg(&self.root)
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
    }

    /// Waits until everything that starts at boot has started.
    pub(crate) fn wait_until_running(&self) {
        let state = wait_for("the end of the boot", || {
            let state = self.enter(&["systemctl", "is-system-running", "--wait"]);
            let word = state.stdout.trim().to_owned();
            matches!(word.as_str(), "running" | "degraded").then_some(word)
        });
        if state == "running" {
            return;
        }
        let failed = self.run(
            "systemctl --failed --no-legend --plain | while read -r unit _; do
                systemctl status --no-pager --full --lines 20 \"$unit\"
            done",
        );
        panic!(
            "{} is {state}; its failed units, and what they said:\n{}{}",
            self.host_name, failed.stdout, failed.stderr
        );
    }

    /// Runs a shell script in the system as a transient service, with the capabilities that a
    /// service of that system has.
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

    /// Every destination outside the system that it sent a first packet to since it was booted, as
    /// `nft` prints it.
    pub(crate) fn tried_outside(&self) -> Vec<String> {
        self.sensed().iter().map(ToString::to_string).collect()
    }

    /// As [`Self::tried_outside`], taken apart.
    pub(crate) fn tried(&self) -> Vec<Tried> {
        let text_of = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut tried: Vec<Tried> = self
            .sensed()
            .iter()
            .map(|element| {
                let element = element.pointer("/elem/val").unwrap_or(element);
                let parts = element.pointer("/concat").and_then(|list| list.as_array());
                match parts.map(Vec::as_slice) {
                    Some([address, protocol, port]) => Tried {
                        address: text_of(address),
                        protocol: text_of(protocol),
                        port: text_of(port),
                    },
                    _ => panic!("nft lists {element}"),
                }
            })
            .collect();
        tried.sort();
        tried
    }

    fn sensed(&self) -> Vec<serde_json::Value> {
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
        elements.cloned().collect()
    }

    /// Stops it; what is on disk stays, as with any machine.
    pub(crate) fn stop(&mut self, how: &str, expected: i32) {
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

    /// Runs a program in all namespaces of the system.
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
    pub(crate) fn enter_network(&self, program: &str, args: &[&str], input: &str) -> Ran {
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

    /// Writes a file of the system.
    pub(crate) fn write(&self, path: &str, content: &str) {
        let target = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().expect("below the root")).expect("a folder");
        // A link would lead out of the machine.
        drop(fs::remove_file(&target));
        fs::write(&target, content).expect("a file");
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // With the first process of a system all others end, and then the one that booted it.
            if let Some(first) = i32::try_from(self.leader).ok().and_then(Pid::from_raw) {
                let _ = kill_process(first, Signal::KILL);
            } else {
                drop(process.kill());
            }
            drop(process.wait());
        }
        drop(
            Command::new("sh")
                .args(["-c", TOGETHER, "sh", &self.group()])
                .output(),
        );
        let keep = thread::panicking() && std::env::var_os("HAVERSACK_KEEP_MACHINE").is_some();
        if self.disk == Disk::Layered && !keep {
            // Its processes may take a moment to go.
            drop(
                Command::new("umount")
                    .arg("--lazy")
                    .arg(&self.root)
                    .output(),
            );
        }
        // The log of a machine that a test failed on is kept; the machine itself on demand.
        if !thread::panicking() {
            drop(fs::remove_file(self.folder.with_extension("log")));
        }
        if !keep {
            // The tmpfs, where there is one.
            drop(
                Command::new("umount")
                    .arg("--lazy")
                    .arg(&self.folder)
                    .output(),
            );
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// The first process of the machine: the one child of `systemd-nspawn`.
fn leader(nspawn: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    let child: u32 = children.split_whitespace().next()?.parse().ok()?;
    // It is the machine once it has become its init.
    let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (name.trim() == "systemd").then_some(child)
}

/// Tries again until there is a value.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Bytes of memory that programs could still have (`proc_meminfo(5)`).
fn available_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("/proc");
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("MemAvailable in kB") * 1024
}
