//! Addresses, interfaces and names.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use crate::preflight::machine::{Call, Machine};
use crate::preflight::report::Verdict;

pub(super) fn own_address(machine: &dyn Machine, address: IpAddr) -> Verdict {
    let own = match address {
        IpAddr::V4(_) => {
            let trie = machine.text("/proc/net/fib_trie").unwrap_or_default();
            local_in_trie(&trie, &address.to_string())
        }
        IpAddr::V6(v6) => {
            let digits = v6.octets().iter().fold(String::new(), |mut text, byte| {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            });
            let list = machine.text("/proc/net/if_inet6").unwrap_or_default();
            list.lines()
                .any(|line| line.split(' ').next() == Some(digits.as_str()))
        }
    };
    if own {
        Verdict::ok("an address of this host")
    } else {
        Verdict::bad("not an address of this host")
    }
}

/// Whether the line after `|-- ADDRESS` says `host LOCAL` (`/proc/net/fib_trie`).
fn local_in_trie(trie: &str, address: &str) -> bool {
    let mut here = false;
    for line in trie.lines() {
        if here && line.contains("/32 host LOCAL") {
            return true;
        }
        let mut words = line.split_whitespace();
        here = words.next() == Some("|--") && words.next() == Some(address);
    }
    false
}

pub(super) fn interface(machine: &dyn Machine, name: &str) -> Verdict {
    let list = machine.text("/proc/net/dev").unwrap_or_default();
    let there = list
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(found, _)| found.trim() == name);
    if there {
        Verdict::ok("there")
    } else {
        Verdict::bad("there is no such interface")
    }
}

pub(super) fn hosts_file(machine: &dyn Machine, name: &str, address: IpAddr) -> Verdict {
    let address = address.to_string();
    let text = machine.text_through("/etc/hosts");
    for line in text.lines().filter(|line| !line.ends_with("# haversack")) {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(leads) = words.next() else { continue };
        if leads != address && words.any(|word| word.eq_ignore_ascii_case(name)) {
            return Verdict::bad(format!("/etc/hosts says {leads}"));
        }
    }
    Verdict::ok("/etc/hosts says nothing else")
}

pub(super) fn resolves(machine: &dyn Machine, name: &str, address: Option<IpAddr>) -> Verdict {
    if !machine.has("getent") {
        return Verdict::unchecked("getent is not installed");
    }
    let said = machine.run(&Call::new("getent", &["ahosts", name])).text;
    let found: BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    if found.is_empty() {
        return Verdict::bad("it does not resolve");
    }
    let right = address.is_none_or(|wanted| found.contains(wanted.to_string().as_str()));
    let found = found.into_iter().collect::<Vec<_>>().join(", ");
    if right {
        Verdict::ok(found)
    } else {
        Verdict::bad(format!("it leads to {found}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::probes::table::Table;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 2 0 2\n     |-- 10.20.0.0\n        /24 link UNICAST\n     |-- 10.20.0.10\n        /32 host LOCAL\n     |-- 10.20.0.255\n        /32 link BROADCAST\n";

    #[test]
    fn an_address_is_local_or_not() {
        let table = Table::default().file("/proc/net/fib_trie", TRIE).file(
            "/proc/net/if_inet6",
            "fd000000000000000000000000000001 02 40 00 80     eth0\n",
        );
        for (address, own) in [
            ("10.20.0.10", true),
            ("10.20.0.1", false),
            ("10.20.0.255", false),
            ("fd00::1", true),
            ("fd00::2", false),
        ] {
            let verdict = own_address(&table, address.parse().unwrap());
            let wanted = if own {
                Verdict::ok("an address of this host")
            } else {
                Verdict::bad("not an address of this host")
            };
            assert_eq!(verdict, wanted, "{address}");
        }
    }

    #[test]
    fn an_interface_is_there_or_not() {
        let table = Table::default().file(
            "/proc/net/dev",
            "Inter-|   Receive\n    lo: 0 0\n  eth0:12 0\n",
        );
        assert_eq!(interface(&table, "eth0"), Verdict::ok("there"));
        assert_eq!(
            interface(&table, "eth"),
            Verdict::bad("there is no such interface")
        );
    }

    #[test]
    fn only_foreign_lines_of_the_hosts_file_count() {
        let decide = |text: &str| {
            let table = Table::default().file("/etc/hosts", text);
            hosts_file(&table, "chat.mm.internal", "10.20.0.10".parse().unwrap())
        };
        let fine = Verdict::ok("/etc/hosts says nothing else");
        assert_eq!(decide("127.0.0.1 localhost # chat.mm.internal\n\n"), fine);
        assert_eq!(decide("10.20.0.10 chat.mm.internal\n"), fine);
        assert_eq!(decide("10.9.9.9 chat.mm.internal # haversack\n"), fine);
        assert_eq!(
            decide("127.0.1.1\tmm1 Chat.mm.internal\n"),
            Verdict::bad("/etc/hosts says 127.0.1.1")
        );
    }

    #[test]
    fn a_name_leads_where_it_should() {
        let call = "getent ahosts db.corp";
        let table = Table::default().program(
            call,
            "10.0.0.2 STREAM db.corp\n10.0.0.2 DGRAM\n10.0.0.1 STREAM",
        );
        let decide = |table: &Table, address: Option<&str>| {
            resolves(table, "db.corp", address.map(|a| a.parse().unwrap()))
        };
        assert_eq!(decide(&table, None), Verdict::ok("10.0.0.1, 10.0.0.2"));
        assert_eq!(
            decide(&table, Some("10.0.0.2")),
            Verdict::ok("10.0.0.1, 10.0.0.2")
        );
        assert_eq!(
            decide(&table, Some("10.0.0.3")),
            Verdict::bad("it leads to 10.0.0.1, 10.0.0.2")
        );
        assert_eq!(
            decide(&Table::default().failing(call, ""), None),
            Verdict::bad("it does not resolve")
        );
        assert_eq!(
            decide(&Table::default(), None),
            Verdict::unchecked("getent is not installed")
        );
    }
}
