//! The packet filter, loaded into network namespaces and probed from outside.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

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

#[test]
fn the_port_matrix_probed_from_outside_is_the_planned_one() {
    let staged = Staged::new();
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
    run(net
        .inside("host", "nft")
        .arg("-f")
        .arg(staged.rootfs("/etc/nftables.d/mattermost.nft")));
    assert_eq!(net.open("user", host, &ASKED), ["T80", "T443"]);
    assert_eq!(net.open("admin", host, &ASKED), ["T22", "T8065"]);
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
    assert_eq!(net.open("host", "10.99.0.1", &asked), [""; 0]);
}
