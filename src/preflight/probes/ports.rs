//! Who listens on a port (`/proc/net/tcp`, proc(5)).

use std::collections::BTreeSet;

use crate::checks::{Transport, Word};
use crate::preflight::machine::Machine;
use crate::preflight::report::Verdict;

pub(super) fn port_free(
    machine: &dyn Machine,
    protocol: Transport,
    port: u16,
    owners: &[Word],
) -> Verdict {
    let tables = match protocol {
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let mut sockets = BTreeSet::new();
    for table in tables {
        let text = machine.text(table).unwrap_or_default();
        sockets.extend(listening(&text, protocol, port));
    }
    if sockets.is_empty() {
        return Verdict::ok("free");
    }
    let mut holders = holders(machine, &sockets);
    if holders.is_empty() {
        holders.insert("a process that cannot be seen".to_owned());
    }
    let foreign: Vec<&str> = holders
        .iter()
        .map(String::as_str)
        .filter(|name| !owners.iter().any(|owner| owner.as_str() == *name))
        .collect();
    if foreign.is_empty() {
        let names: Vec<&str> = holders.iter().map(String::as_str).collect();
        Verdict::ok(format!("ours: {}", names.join(", ")))
    } else {
        Verdict::bad(format!("in use by {}", foreign.join(", ")))
    }
}

/// Inodes of the sockets that are bound to a port: for TCP those that listen (state `0A`).
fn listening(text: &str, protocol: Transport, port: u16) -> Vec<String> {
    let ending = format!(":{port:04X}");
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let bound = words.get(1)?.ends_with(&ending);
            let open = protocol == Transport::Udp || *words.get(3)? == "0A";
            let inode = words.get(9)?;
            (bound && open).then(|| (*inode).to_owned())
        })
        .collect()
}

/// Names of the processes that hold one of these sockets.
fn holders(machine: &dyn Machine, sockets: &BTreeSet<String>) -> BTreeSet<String> {
    let wanted: BTreeSet<String> = sockets
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let mut names = BTreeSet::new();
    for process in machine.names("/proc") {
        if !process.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let folder = format!("/proc/{process}/fd");
        let holds = machine.names(&folder).iter().any(|descriptor| {
            machine
                .link(&format!("{folder}/{descriptor}"))
                .is_some_and(|target| wanted.contains(&target))
        });
        if holds && let Some(name) = machine.text(&format!("/proc/{process}/comm")) {
            names.insert(name.trim_end_matches('\n').to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::probes::table::Table;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn socket(local: &str, state: &str, inode: &str) -> String {
        format!(
            "{HEAD}   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0\n"
        )
    }

    fn decide(table: &Table, owners: &[&str]) -> Verdict {
        let owners: Vec<Word> = owners.iter().map(|owner| owner.parse().unwrap()).collect();
        port_free(table, Transport::Tcp, 443, &owners)
    }

    #[test]
    fn a_listener_is_ours_or_foreign() {
        let table = Table::default()
            .file(
                "/proc/net/tcp6",
                &socket("00000000000000000000000000000000:01BB", "0A", "77"),
            )
            .file("/proc/8/comm", "nginx\n")
            .links_to("/proc/8/fd/6", "socket:[77]")
            .file("/proc/9/comm", "other\n")
            .links_to("/proc/9/fd/6", "socket:[78]");
        assert_eq!(decide(&table, &["nginx"]), Verdict::ok("ours: nginx"));
        assert_eq!(decide(&table, &[]), Verdict::bad("in use by nginx"));
        let both = table.links_to("/proc/9/fd/7", "socket:[77]");
        assert_eq!(decide(&both, &["nginx"]), Verdict::bad("in use by other"));
    }

    #[test]
    fn connections_and_other_ports_do_not_count() {
        assert_eq!(decide(&Table::default(), &[]), Verdict::ok("free"));
        let other = Table::default().file("/proc/net/tcp", &socket("0100007F:01BC", "0A", "77"));
        assert_eq!(decide(&other, &[]), Verdict::ok("free"));
        let connected =
            Table::default().file("/proc/net/tcp", &socket("0100007F:01BB", "01", "77"));
        assert_eq!(decide(&connected, &[]), Verdict::ok("free"));
    }

    #[test]
    fn a_bound_udp_port_counts_and_so_does_a_holder_that_is_not_seen() {
        let table = Table::default().file("/proc/net/udp", &socket("00000000:1F8A", "07", "9"));
        assert_eq!(
            port_free(&table, Transport::Udp, 8074, &[]),
            Verdict::bad("in use by a process that cannot be seen")
        );
        assert_eq!(
            port_free(&table, Transport::Tcp, 8074, &[]),
            Verdict::ok("free")
        );
    }
}
