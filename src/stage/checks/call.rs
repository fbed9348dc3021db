//! A probe as the call of its twin in `preflight.sh`.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::checks::{Claim, Packager, Probe, Transport};
use crate::stage::quote::{QuoteError, sh};
use crate::types::name::Name;

/// The function and its arguments, quoted.
pub(super) fn of(probe: &Probe) -> Result<String, QuoteError> {
    let (function, arguments) = words(probe);
    let mut call = function.to_owned();
    for argument in arguments {
        call.push(' ');
        call.push_str(&sh(&argument)?);
    }
    Ok(call)
}

fn words(probe: &Probe) -> (&'static str, Vec<String>) {
    let none = Vec::new;
    match probe {
        Probe::Root {} => ("is_root", none()),
        Probe::Systemd {} => ("has_systemd", none()),
        Probe::Platform { id, version } => ("platform", texts(&[id, version])),
        Probe::Architecture { arch } => ("architecture", texts(&[arch])),
        Probe::Program {
            artifact,
            member,
            machine,
        } => (
            "program_runs",
            vec![
                artifact.to_string(),
                optional(member.as_ref()),
                machine.to_string(),
            ],
        ),
        Probe::Space { needs } => (
            "has_space",
            needs
                .iter()
                .flat_map(|need| texts(&[&need.folder, &need.mib, &need.files]))
                .collect(),
        ),
        Probe::Memory { mib } => ("memory", texts(&[mib])),
        Probe::PortFree {
            protocol,
            port,
            owners,
        } => {
            let protocol = match protocol {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            let mut arguments = vec![protocol.to_owned(), port.to_string()];
            arguments.extend(owners.iter().map(ToString::to_string));
            ("port_free", arguments)
        }
        Probe::OwnAddress { address } => {
            ("own_address", vec![address.to_string(), digits(*address)])
        }
        Probe::Interface { name } => ("interface", texts(&[name])),
        Probe::NotBefore { seconds } => ("not_before", texts(&[seconds])),
        Probe::Synchronised {} => ("synchronised", none()),
        Probe::Locale {} => ("locale_there", none()),
        Probe::HostsFile { name, address } => ("hosts_file", texts(&[name, address])),
        Probe::Resolves { name, address } => (
            "resolves",
            vec![name.to_string(), optional(address.as_ref())],
        ),
        Probe::Tls(_) | Probe::Reachable { .. } | Probe::Bucket { .. } | Probe::Database(_) => {
            neighbour(probe)
        }
        Probe::NfsMount { folder } => ("nfs_mount", texts(&[folder])),
        Probe::Account { user, id } => ("account", texts(&[user, id])),
        Probe::SelinuxProxy {} => ("selinux_proxy", none()),
        Probe::Fapolicyd { folder } => ("fapolicyd_rule", texts(&[folder])),
        Probe::Docker {} => ("docker_engine", none()),
        Probe::Owned { path, uid } => ("owned_by", texts(&[path, uid])),
        Probe::SiteName { name, file, claim } => {
            let claim = match claim {
                Claim::Free => "free",
                Claim::Ours => "ours",
            };
            ("site_name", texts(&[name, file, &claim]))
        }
        Probe::Unclaimed { path, mark } => ("unclaimed", texts(&[path, mark])),
        Probe::NoFiles { folder } => ("no_files", texts(&[folder])),
        Probe::DumpMajor { major } => ("dump_major", texts(&[major])),
        Probe::Packages { packager } => {
            let packager = match packager {
                Packager::Dpkg => "dpkg",
                Packager::Rpm => "rpm",
            };
            ("packages_whole", vec![packager.to_owned()])
        }
        Probe::NotRunning { units } => (
            "not_running",
            units.iter().map(ToString::to_string).collect(),
        ),
    }
}

fn neighbour(probe: &Probe) -> (&'static str, Vec<String>) {
    let named = |name: &Option<Name>| optional(name.as_ref());
    match probe {
        Probe::Tls(server) => {
            let host = server.host.as_str();
            let kind = if host.parse::<IpAddr>().is_ok() {
                "address"
            } else {
                "name"
            };
            let arguments = vec![
                host.to_owned(),
                with_port(host, server.port),
                kind.to_owned(),
                server.starttls.as_str().to_owned(),
                optional(server.authority.as_ref()),
                named(&server.neighbour),
            ];
            ("tls", arguments)
        }
        Probe::Reachable {
            host,
            port,
            neighbour,
        } => (
            "reachable",
            vec![with_port(host.as_str(), *port), named(neighbour)],
        ),
        Probe::Bucket {
            url,
            region,
            environment,
            authority,
            neighbour,
        } => {
            let mut arguments = texts(&[url, region, environment, authority]);
            arguments.push(named(neighbour));
            ("bucket", arguments)
        }
        Probe::Database(login) => {
            let mut arguments = texts(&[
                &login.host,
                &login.port,
                &login.database,
                &login.user,
                &login.sslmode,
                &login.minimum,
                &login.environment,
                &login.authority,
            ]);
            arguments.push(named(&login.neighbour));
            ("database", arguments)
        }
        _ => (
            "unchecked",
            vec!["this version does not know how".to_owned()],
        ),
    }
}

fn texts(list: &[&dyn ToString]) -> Vec<String> {
    list.iter().map(|one| one.to_string()).collect()
}

fn optional<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// `HOST:PORT`, IPv6 in brackets.
fn with_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The digits of an IPv6 address as `/proc/net/if_inet6` writes it; nothing for IPv4.
fn digits(address: IpAddr) -> String {
    let IpAddr::V6(v6) = address else {
        return String::new();
    };
    v6.octets().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{ServerTls, StartTls};

    #[test]
    fn a_call_quotes_what_needs_it_and_keeps_the_places_of_what_is_absent() {
        let server = ServerTls {
            host: "fd00::1".parse().unwrap(),
            port: 636,
            starttls: StartTls::None,
            authority: None,
            neighbour: Some("db1".parse().unwrap()),
        };
        assert_eq!(
            of(&Probe::Tls(server)).unwrap(),
            "tls fd00::1 '[fd00::1]:636' address none '' db1"
        );
        let address = "fd00::1".parse().unwrap();
        assert_eq!(
            of(&Probe::OwnAddress { address }).unwrap(),
            "own_address fd00::1 fd000000000000000000000000000001"
        );
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!(
            of(&Probe::OwnAddress { address }).unwrap(),
            "own_address 10.0.0.1 ''"
        );
    }
}
