//! The decisions: each is a function of what a machine answers. Its twin of the same name is in
//! `preflight.sh`; a change here is a change there.

mod binary;
mod host;
mod names;
mod paths;
mod ports;
mod reach;
#[cfg(test)]
pub(super) mod table;

use super::machine::Machine;
use super::report::Verdict;
use crate::checks::Probe;

/// What a probe finds on a machine.
pub(super) fn decide(probe: &Probe, machine: &dyn Machine) -> Verdict {
    match probe {
        Probe::Root {} => host::is_root(machine),
        Probe::Systemd {} => host::has_systemd(machine),
        Probe::Platform { id, version } => host::platform(machine, id.as_str(), version.as_str()),
        Probe::Architecture { arch } => host::architecture(machine, arch.as_str()),
        Probe::Memory { mib } => host::memory(machine, *mib),
        Probe::Account { user, id } => host::account(machine, user.as_str(), *id),
        Probe::SelinuxProxy {} => host::selinux_proxy(machine),
        Probe::Docker {} => host::docker(machine),
        Probe::DumpMajor { major } => host::dump_major(machine, *major),
        Probe::Packages { packager } => host::packages(machine, *packager),
        Probe::NotRunning { units } => host::not_running(machine, units),
        Probe::NotBefore { seconds } => host::not_before(machine, *seconds),
        Probe::Synchronised {} => host::synchronised(machine),
        Probe::Locale {} => host::locale(machine),
        Probe::Program {
            artifact,
            member,
            machine: elf,
        } => binary::program(machine, artifact, member.as_ref(), *elf),
        Probe::PortFree {
            protocol,
            port,
            owners,
        } => ports::port_free(machine, *protocol, *port, owners),
        Probe::OwnAddress { address } => names::own_address(machine, *address),
        Probe::Interface { name } => names::interface(machine, name.as_str()),
        Probe::HostsFile { name, address } => names::hosts_file(machine, name.as_str(), *address),
        Probe::Resolves { name, address } => names::resolves(machine, name.as_str(), *address),
        Probe::Space { needs } => paths::has_space(machine, needs),
        Probe::NfsMount { folder } => paths::nfs_mount(machine, folder.as_str()),
        Probe::Fapolicyd { folder } => paths::fapolicyd(machine, folder.as_str()),
        Probe::Owned { path, uid } => paths::owned(machine, path.as_str(), *uid),
        Probe::SiteName { name, file, claim } => {
            paths::site_name(machine, name.as_str(), file.as_str(), *claim)
        }
        Probe::Unclaimed { path, mark } => paths::unclaimed(machine, path.as_str(), mark.as_str()),
        Probe::NoFiles { folder } => paths::no_files(machine, folder.as_str()),
        Probe::Tls(server) => reach::tls(machine, server),
        Probe::Reachable {
            host,
            port,
            neighbour,
        } => reach::reachable(machine, host.as_str(), *port, neighbour.as_ref()),
        Probe::Bucket {
            url,
            region,
            environment,
            authority,
            neighbour,
        } => reach::bucket(
            machine,
            &reach::Bucket {
                url: url.as_str(),
                region: region.as_str(),
                environment: environment.as_str(),
                authority: authority.as_str(),
                neighbour: neighbour.as_ref(),
            },
        ),
        Probe::Database(login) => reach::database(machine, login),
    }
}

/// The first line of a text.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
