//! The packet filter, loaded into network namespaces and probed from outside.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use haversack::plan::deployment::Firewall;
use haversack::types::target::Distribution;

use crate::stage::family;
use crate::support::staged::{Staged, run, said, tool};

/// Namespaces joined by a bridge; removed when dropped.
struct Net {
    prefix: String,
    names: Vec<String>,
    listeners: Vec<Child>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Net {
    /// One namespace an address, all on one segment without a router.
    fn new(members: &[(&str, &str)]) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("hv{}x{number}", std::process::id() % 100_000);
        let mut net = Self {
            prefix,
            names: Vec::new(),
            listeners: Vec::new(),
        };
        let switch = net.add("sw");
        ip(&["-n", &switch, "link", "add", "br0", "type", "bridge"]);
        ip(&["-n", &switch, "link", "set", "br0", "up"]);
        for (name, address) in members {
            let member = net.add(name);
            let port = format!("p{}", net.names.len());
            ip(&[
                "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0",
                "netns", &member,
            ]);
            ip(&["-n", &switch, "link", "set", &port, "master", "br0", "up"]);
            ip(&["-n", &member, "link", "set", "lo", "up"]);
            ip(&["-n", &member, "link", "set", "eth0", "up"]);
            ip(&[
                "-n",
                &member,
                "addr",
                "add",
                &format!("{address}/8"),
                "dev",
                "eth0",
            ]);
        }
        net
    }

    fn add(&mut self, name: &str) -> String {
        let full = format!("{}{name}", self.prefix);
        ip(&["netns", "add", &full]);
        self.names.push(full.clone());
        full
    }

    fn inside(&self, name: &str, program: &str) -> Command {
        let mut command = tool("ip", "iproute2");
        command.args(["netns", "exec", &format!("{}{name}", self.prefix), program]);
        command
    }

    /// Listens on TCP and UDP ports, answering every datagram.
    fn listen(&mut self, name: &str, tcp: &[u16], udp: &[u16]) {
        let script = format!(
            "import socket,selectors\ns=selectors.DefaultSelector()\n\
             for p in {tcp:?}:\n l=socket.socket();l.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1);l.bind(('0.0.0.0',p));l.listen(16);s.register(l,1)\n\
             for p in {udp:?}:\n u=socket.socket(type=socket.SOCK_DGRAM);u.bind(('0.0.0.0',p));s.register(u,1,1)\n\
             print('ready',flush=True)\n\
             while 1:\n  for k,_ in s.select():\n   if k.data:\n    d,a=k.fileobj.recvfrom(99);\n    try: k.fileobj.sendto(d,a)\n    except OSError: pass\n   else: k.fileobj.accept()[0].close()\n"
        );
        let mut child = self
            .inside(name, "python3")
            .args(["-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        self.listeners.push(child);
    }

    /// The ports that answer from `name`, of those asked for (`T443` is TCP, `U53` UDP).
    fn open(&self, name: &str, address: &str, asked: &[&str]) -> Vec<String> {
        let script = format!(
            "import socket,threading\nfound=[]\n\
             def probe(w):\n try:\n  k=socket.SOCK_STREAM if w[0]=='T' else socket.SOCK_DGRAM\n  s=socket.socket(type=k);s.settimeout(1.5);s.connect(('{address}',int(w[1:])))\n  if w[0]=='U': s.send(b'x');s.recv(9)\n  found.append(w)\n except OSError: pass\n\
             t=[threading.Thread(target=probe,args=(w,)) for w in {asked:?}]\n\
             [x.start() for x in t];[x.join() for x in t]\nprint(' '.join(w for w in {asked:?} if w in found))"
        );
        let out = run(self.inside(name, "python3").args(["-c", &script]));
        String::from_utf8(out.stdout)
            .unwrap()
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for child in &mut self.listeners {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn ip(args: &[&str]) {
    run(tool("ip", "iproute2").args(args));
}

/// Every port of the stack, and two that nobody has business with.
const ASKED: [&str; 14] = [
    "T22", "T80", "T111", "T443", "T2049", "T5432", "T8065", "T8066", "T8067", "T8074", "U8074",
    "T9000", "T9001", "U123",
];

#[test]
fn the_rules_load_and_a_reload_replaces_them() {
    let staged = Staged::new();
    let rules = staged.rootfs("/etc/nftables.d/mattermost.nft");
    let net = Net::new(&[]);
    for _ in 0..2 {
        run(net.inside("sw", "nft").arg("-c").arg("-f").arg(&rules));
        run(net.inside("sw", "nft").arg("-f").arg(&rules));
    }
    let out = run(net.inside("sw", "nft").args(["list", "ruleset"]));
    let text = said(&out);
    assert_eq!(text.matches("table inet").count(), 1, "{text}");
    assert_eq!(text.matches("policy drop").count(), 3, "{text}");
    assert_eq!(text.matches("dport 443").count(), 1, "{text}");
}

/// Loads the packet filter of a staged tree into `host` of [`Net`] with `load`, and probes from every
/// side that exactly the connections of the plan are open.
fn is_the_planned_one(staged: &Staged, load: impl FnOnce(&mut Net)) {
    let host = "10.20.0.10";
    let mut net = Net::new(&[
        ("host", host),
        ("user", "10.30.4.5"),
        ("admin", "10.20.9.3"),
        ("other", "10.20.0.77"),
        ("dns", "10.20.0.2"),
        ("out", "10.99.0.1"),
    ]);
    let tcp = [
        22, 80, 111, 443, 2049, 5432, 8065, 8066, 8067, 8074, 9000, 9001,
    ];
    net.listen("host", &tcp, &[8074, 123]);
    // Without the filter everything answers: the probes can see an open port.
    assert_eq!(net.open("user", host, &ASKED), ASKED);
    load(&mut net);
    let incoming = planned(staged, "incoming");
    assert_eq!(net.open("user", host, &ASKED), ["T80", "T443"]);
    assert_eq!(net.open("admin", host, &ASKED), ["T22", "T8065"]);
    assert_eq!(incoming, ["T22", "T80", "T443", "T8065"]);
    for stranger in ["other", "dns", "out"] {
        assert_eq!(net.open(stranger, host, &ASKED), [""; 0], "{stranger}");
    }
    // The host reaches itself, its DNS and time server, and nothing else.
    assert_eq!(net.open("host", host, &ASKED), ASKED);
    net.listen("dns", &[53, 22, 443], &[53, 123]);
    net.listen("out", &[53, 80, 443], &[53, 123]);
    let asked = ["T22", "T53", "U53", "T80", "U123", "T443"];
    assert_eq!(
        net.open("host", "10.20.0.2", &asked),
        ["T53", "U53", "U123"]
    );
    assert_eq!(planned(staged, "outgoing"), ["T53", "U53", "U123"]);
    assert_eq!(net.open("host", "10.99.0.1", &asked), [""; 0]);
}

/// The ports of the plan's matrix by which `mm1` is reached (`incoming`) or reaches others.
fn planned(staged: &Staged, direction: &str) -> Vec<String> {
    let text = std::fs::read_to_string(staged.out().join("plan.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let flows = json
        .pointer("/plan/plan/flows")
        .or_else(|| json.pointer("/plan/flows"))
        .and_then(serde_json::Value::as_array)
        .unwrap_or_else(|| panic!("no flows in {text}"));
    let end = if direction == "incoming" {
        "to"
    } else {
        "from"
    };
    let mut ports: Vec<(u64, String)> = flows
        .iter()
        .filter(|flow| {
            let first = flow.pointer(&format!("/{end}/hosts/0"));
            first.is_some_and(|host| host == "mm1")
        })
        .map(|flow| {
            let kind = if flow["protocol"] == "tcp" { "T" } else { "U" };
            let port = flow["port"].as_u64().unwrap();
            (port, format!("{kind}{port}"))
        })
        .collect();
    ports.sort();
    ports.dedup();
    ports.into_iter().map(|(_, port)| port).collect()
}

#[test]
fn the_port_matrix_probed_from_outside_is_the_planned_one() {
    let staged = Staged::new();
    is_the_planned_one(&staged, |net| {
        run(net
            .inside("host", "nft")
            .arg("-f")
            .arg(staged.rootfs("/etc/nftables.d/mattermost.nft")));
    });
}

/// Starts a program that runs until the test ends; what it writes goes to `log`.
fn start(net: &mut Net, command: &mut Command, log: &Path) {
    let file = std::fs::File::create(log).unwrap();
    command.stdout(file.try_clone().unwrap()).stderr(file);
    net.listeners.push(command.spawn().unwrap());
}

#[test]
fn firewalld_opens_what_is_planned_and_nothing_else() {
    let staged = family::staged(Distribution::Rocky9, Firewall::Firewalld);
    let folder = staged.path("firewalld");
    let rootfs = staged.rootfs("/etc/firewalld");
    run(Command::new("cp").arg("-a").arg(&rootfs).arg(&folder));
    std::fs::copy(
        "/etc/firewalld/firewalld.conf",
        folder.join("firewalld.conf"),
    )
    .unwrap();
    let log = |name: &str| staged.path(&format!("{name}.log"));
    is_the_planned_one(&staged, |net| {
        // A bus of its own: that of this machine, and its firewalld if it has one, are not asked.
        let bus = format!("unix:path={}", staged.path("bus").display());
        let mut dbus = net.inside("host", "dbus-daemon");
        dbus.args(["--system", "--nofork", "--nopidfile"])
            .arg(format!("--address={bus}"));
        start(net, &mut dbus, &log("dbus"));
        wait(|| staged.path("bus").exists());
        let mut daemon = net.inside("host", "firewalld");
        tool("firewalld", "firewalld");
        daemon
            .args(["--nofork", "--nopid", "--system-config"])
            .arg(&folder)
            .arg("--log-file")
            .arg(log("firewalld-own"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus);
        start(net, &mut daemon, &log("firewalld"));
        let ask = |arguments: &[&str]| {
            net.inside("host", "firewall-cmd")
                .args(arguments)
                .env("DBUS_SYSTEM_BUS_ADDRESS", &bus)
                .output()
                .unwrap()
        };
        wait(|| ask(&["--state"]).status.success());
        assert_eq!(
            said(&ask(&["--get-active-zones"])),
            "haversack\n  sources: 0.0.0.0/0 ::/0\n"
        );
        let policies = said(&ask(&["--get-policies"]));
        assert!(policies.contains("haversack-out"), "{policies}");
        let own = std::fs::read_to_string(log("firewalld-own")).unwrap();
        assert!(!own.contains("INVALID") && !own.contains("ERROR"), "{own}");
    });
}

fn wait(done: impl Fn() -> bool) {
    for _ in 0..300 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("it did not become ready in 30 seconds");
}

#[test]
fn ufw_opens_what_is_planned_and_its_rules_are_left_alone_when_they_are_right() {
    let staged = family::staged(Distribution::Ubuntu2404, Firewall::Ufw);
    let folder = staged.path("ufw");
    // As in a package that was just installed, with a rule of somebody else.
    run(Command::new("cp").args(["-a", "/etc/ufw"]).arg(&folder));
    std::fs::copy("/etc/default/ufw", staged.path("default")).unwrap();
    let script = std::fs::read_to_string(staged.host().join("install.sh")).unwrap();
    let (_, step) = script.split_once("# --- packet filter: ufw\n").unwrap();
    let (step, _) = step.split_once("\ntrap ").unwrap();
    // The functions of lib.sh that the step calls, and no systemd.
    let script = format!(
        "set -eu\nhere={}\nstate={}\ndry_run=no\ntab=$(printf '\\t')\nchanged=0\n\
         change() {{ changed=$((changed + 1)); echo \"change: $1\"; shift; \"$@\"; }}\n\
         remember() {{ :; }}\ndie() {{ echo \"die: $*\"; exit 1; }}\nsay() {{ echo \"$*\"; }}\n\
         systemctl() {{ :; }}\n{step}\nstep_firewall\necho \"changed: $changed\"\n",
        staged.host().display(),
        staged.path("").display(),
    );
    let enter = "mount --bind \"$1\" /etc/ufw; mount --bind \"$2\" /etc/default/ufw
        mount -t tmpfs none /run; shift 2; exec \"$@\"";
    is_the_planned_one(&staged, |net| {
        let ufw = |arguments: &[&str]| {
            tool("ufw", "ufw");
            let mut command = net.inside("host", "unshare");
            command
                .args(["--mount", "sh", "-c", enter, "sh"])
                .arg(&folder)
                .arg(staged.path("default"))
                .args(arguments);
            said(&run(&mut command))
        };
        assert_eq!(
            ufw(&[
                "ufw",
                "allow",
                "from",
                "10.20.0.77",
                "to",
                "any",
                "port",
                "7",
                "proto",
                "tcp"
            ]),
            "Rules updated\n"
        );
        let first = ufw(&["sh", "-c", &script]);
        assert!(first.contains("change: enable ufw\n"), "{first}");
        assert!(
            first.contains(
                "note: not ours, and left: ufw allow from 10.20.0.77 to any port 7 proto tcp\n"
            ),
            "{first}"
        );
        assert!(
            first.contains("change: ufw default deny outgoing\n"),
            "{first}"
        );
        assert!(!first.contains("changed: 0"), "{first}");
        let second = ufw(&["sh", "-c", &script]);
        assert!(second.ends_with("\nchanged: 0\n"), "{second}");
        // A rule of ours that no plan asks for any more goes, and one that is missing comes back.
        ufw(&[
            "sh",
            "-c",
            "ufw allow from 10.99.0.1 to any port 22 proto tcp comment 'haversack: old'; ufw delete allow from 10.30.0.0/16 to any port 443 proto tcp",
        ]);
        let third = ufw(&["sh", "-c", &script]);
        assert!(
            third.contains("change: ufw delete allow from 10.99.0.1 to any port 22 proto tcp\n"),
            "{third}"
        );
        assert!(
            third.contains("change: ufw allow from 10.30.0.0/16 to any port 443 proto tcp\n"),
            "{third}"
        );
        assert!(third.ends_with("\nchanged: 2\n"), "{third}");
    });
}
