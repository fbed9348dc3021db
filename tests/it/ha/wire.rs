//! The wire itself: what the tests of the deployment rest on.

use std::time::Instant;

use crate::support::cluster::Cluster;
use crate::support::probe::{Answer, Port, Protocol, knock};

#[test]
fn machines_on_one_wire_reach_each_other_and_nobody_else() {
    let begun = Instant::now();
    let mut cluster = Cluster::new(
        &[("one", "10.20.0.11"), ("two", "10.20.0.12")],
        &[("admin", "10.20.9.3"), ("user", "10.30.0.7")],
    );
    cluster.boot();
    println!("2 machines after {:.1?}", begun.elapsed());

    let ssh = |from: &str, script: &str| {
        let key = cluster.key().display().to_string();
        let known = format!("UserKnownHostsFile={}", cluster.known_hosts().display());
        let options = [
            "-F",
            "none",
            "-i",
            &key,
            "-o",
            &known,
            "-o",
            "BatchMode=yes",
        ];
        cluster.from(
            from,
            "ssh",
            &[&options[..], &["root@10.20.0.12", script]].concat(),
        )
    };
    assert_eq!(
        ssh("admin", "hostname; echo $SSH_CLIENT | cut -d' ' -f1").ok(),
        "two\n10.20.9.3"
    );
    assert_eq!(ssh("user", "hostname").ok(), "two");

    let port = |address: &str, protocol, number| Port {
        address: address.parse().expect("an address"),
        protocol,
        number,
    };
    let two = cluster.machine("two");
    let filter = "table inet t {
        chain i {
            type filter hook input priority 0
        tcp dport 81 drop
            udp dport 81 drop
        }
    }
    ";
    two.enter_network("nft", &["-f", "-"], filter);
    let ports = [
        port("10.20.0.12", Protocol::Tcp, 22),
        port("10.20.0.12", Protocol::Tcp, 80),
        port("10.20.0.12", Protocol::Tcp, 81),
        port("10.20.0.12", Protocol::Udp, 80),
        port("10.20.0.12", Protocol::Udp, 81),
    ];
    let expected = [
        Answer::Open,
        Answer::Closed,
        Answer::Silence,
        Answer::Closed,
        Answer::Silence,
    ];
    for from in ["one", "admin", "user"] {
        assert_eq!(knock(&cluster.network_of(from), &ports), expected, "{from}");
    }

    assert_eq!(two.tried(), []);
    two.run("bash -c 'echo > /dev/udp/10.77.0.2/53'").ok();
    let tried = two.tried();
    assert_eq!(tried.len(), 1, "{tried:?}");
    assert_eq!(tried[0].address, "10.77.0.2");
    assert_eq!(
        (tried[0].protocol.as_str(), tried[0].port.as_str()),
        ("udp", "53")
    );
    println!(
        "{} MiB; all after {:.1?}",
        cluster.megabytes("two"),
        begun.elapsed()
    );
}
