//! Checks of the host itself.

use jiff::Timestamp;

use super::{Collector, word};
use crate::checks::{Claim, Need, Packager, Phase, Probe, Transport, Word};
use crate::plan::ACCOUNT_ID;
use crate::plan::deployment::{Firewall, Role, Storage};
use crate::plan::flow::port;
use crate::stage::host::newest_index;
use crate::stage::payload::Packing;
use crate::stage::render::RenderError;
use crate::types::path::RelPath;
use crate::types::target::Family;

/// Made by the first run of `install.sh` on a host.
const MARK: &str = "/var/lib/haversack/programs";
/// Where Prometheus listens.
const PROMETHEUS: u16 = 9090;
const MIB: u64 = 1024 * 1024;

pub(super) fn add(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    platform(collector)?;
    programs(collector)?;
    ports(collector)?;
    addresses(collector)?;
    clock(collector)?;
    roles(collector)
}

fn platform(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    let host = collector.scene.host;
    let before = Phase::Before;
    collector.add(before, "TOOL-101", "user", Probe::Root {})?;
    collector.add(before, "TOOL-102", "systemd", Probe::Systemd {})?;
    let (id, version) = host.distribution.os_release();
    let probe = Probe::Platform {
        id: word(id)?,
        version: word(version)?,
    };
    collector.add(before, "METHOD-039", &format!("{id} {version}"), probe)?;
    let arch = collector.scene.payload.contents.target.arch.as_str();
    let probe = Probe::Architecture { arch: word(arch)? };
    collector.add(before, "TOOL-103", arch, probe)?;
    let (packager, name) = match host.distribution.family() {
        Family::Debian => (Packager::Dpkg, "dpkg"),
        Family::Rhel => (Packager::Rpm, "rpm"),
    };
    collector.add(before, "TOOL-105", name, Probe::Packages { packager })?;
    let others: &[&str] = match host.firewall {
        Firewall::Nftables => &["ufw.service", "firewalld.service"],
        Firewall::Firewalld => &["ufw.service", "nftables.service"],
        Firewall::Ufw => &["firewalld.service", "nftables.service"],
    };
    let units: Result<Vec<Word>, _> = others.iter().map(|unit| word(unit)).collect();
    collector.add(
        before,
        "TOOL-106",
        &others.join(", "),
        Probe::NotRunning { units: units? },
    )?;
    // The kernel and the firmware keep some of what is built in.
    let mib = u64::from(host.memory_gb).saturating_mul(1024) / 100 * 85;
    let subject = format!("{} GiB", host.memory_gb);
    collector.add(before, "DB-072", &subject, Probe::Memory { mib })
}

fn programs(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    let files = &collector.scene.payload.contents.files;
    let size = |path: &RelPath| files.get(path).map_or(0, |info| info.size);
    let machine = collector.scene.payload.contents.target.arch.elf_machine();
    let arch = collector.scene.payload.contents.target.arch.as_str();
    let (mut opt, mut opt_files, mut usr) = (0_u64, 1000_u64, 0_u64);
    for (program, path) in collector.payloads.programs {
        let artifact = crate::stage::host::artifact(program, path);
        let member = match program.packing {
            Packing::Binary => {
                usr = usr.saturating_add(size(path).saturating_mul(2));
                None
            }
            Packing::Archive { top, .. } => {
                // Unpacked beside the one that is there: compressed programs grow to three times.
                opt = opt.saturating_add(size(path).saturating_mul(4));
                opt_files = opt_files.saturating_add(20_000);
                let top = top.replace("{arch}", arch);
                let name = program.unit.trim_end_matches(".service");
                Some(word(&format!("{top}/bin/{name}"))?)
            }
        };
        let subject = program.component;
        let artifact = artifact
            .parse()
            .map_err(|why| super::broken(format!("{why}")))?;
        let probe = Probe::Program {
            artifact,
            member,
            machine,
        };
        collector.add(Phase::Before, "TOOL-026", subject, probe)?;
    }
    let packages: u64 = collector
        .payloads
        .repositories
        .iter()
        .flat_map(|repository| collector.scene.payload.repository_files(repository))
        .map(|copy| size(&copy.from))
        .sum();
    opt = opt.saturating_add(packages);
    usr = usr.saturating_add(packages.saturating_mul(3));
    let mut needs = vec![
        need("/opt", opt / MIB, opt_files)?,
        need("/usr", usr / MIB, 20_000)?,
        need("/var", 1024, 5000)?,
    ];
    let deployment = &collector.scene.plan.deployment;
    let host = collector.scene.host;
    // What a system needs in its first days; what it grows to, only its users know.
    if host.has(Role::Db) || host.has(Role::DbReplica) {
        needs.push(need(&collector.scene.layout().database_data(), 2048, 5000)?);
    }
    if host.has(Role::Db) && deployment.backup.enabled.is_on() {
        needs.push(need(&deployment.backup.directory, 1024, 100)?);
    }
    if host.has(Role::Minio) {
        needs.push(need("/var/lib/minio", 2048, 10_000)?);
    }
    if host.has(Role::App)
        && let Storage::Local { directory } = &deployment.storage
    {
        needs.push(need(directory, 2048, 10_000)?);
    }
    let subject: Vec<&str> = needs.iter().map(|need| need.folder.as_str()).collect();
    let subject = subject.join(", ");
    collector.add(Phase::Before, "TOOL-032", &subject, Probe::Space { needs })
}

fn need(folder: &str, mib: u64, files: u64) -> Result<Need, RenderError> {
    Ok(Need {
        folder: word(folder)?,
        mib: mib.saturating_add(64),
        files,
    })
}

fn ports(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    let plan = collector.scene.plan;
    let host = collector.scene.host;
    let mut list: Vec<(Transport, u16, &str)> = Vec::new();
    let tcp = Transport::Tcp;
    if host.has(Role::Proxy) || host.has(Role::Docker) {
        let owner = if host.has(Role::Docker) {
            "docker-proxy"
        } else {
            "nginx"
        };
        if plan.deployment.site.port() == port::HTTPS {
            list.push((tcp, port::HTTP, owner));
        }
        list.push((tcp, plan.deployment.site.port(), owner));
    }
    if host.has(Role::Db) || host.has(Role::DbReplica) {
        list.push((tcp, plan.database.endpoint.port, "postgres"));
    }
    if host.has(Role::Minio) {
        list.extend([(tcp, port::S3, "minio"), (tcp, port::S3_CONSOLE, "minio")]);
    }
    if host.has(Role::Push) {
        // The kernel keeps 15 characters of a name.
        list.push((tcp, port::PUSH, "mattermost-push"));
    }
    if host.has(Role::App) {
        list.push((tcp, port::APP, "mattermost"));
        if plan.listen.metrics.is_some() {
            list.push((tcp, port::METRICS, "mattermost"));
        }
        if let Some(gossip) = plan.listen.gossip {
            list.extend([
                (tcp, gossip, "mattermost"),
                (Transport::Udp, gossip, "mattermost"),
            ]);
        }
    }
    if host.has(Role::Monitor) {
        list.push((tcp, PROMETHEUS, "prometheus"));
    }
    for (protocol, port, owner) in list {
        let subject = match protocol {
            Transport::Tcp => format!("tcp {port}"),
            Transport::Udp => format!("udp {port}"),
        };
        let probe = Probe::PortFree {
            protocol,
            port,
            owners: vec![word(owner)?],
        };
        collector.add(Phase::Before, "TOOL-033", &subject, probe)?;
    }
    Ok(())
}

fn addresses(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    let host = collector.scene.host;
    let probe = Probe::OwnAddress {
        address: host.address,
    };
    collector.add(Phase::Before, "DB-064", &host.address.to_string(), probe)?;
    if let Some(name) = &host.interface {
        let probe = Probe::Interface { name: word(name)? };
        collector.add(Phase::Before, "TOOL-015", name, probe)?;
    }
    Ok(())
}

fn clock(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    let dated = newest_index(collector.payloads.repositories)
        .and_then(|text| text.parse::<Timestamp>().ok());
    if let Some(dated) = dated {
        let seconds = u64::try_from(dated.as_second()).unwrap_or(0);
        let probe = Probe::NotBefore { seconds };
        collector.add(Phase::Before, "TOOL-029", &dated.to_string(), probe)?;
    }
    // A time server of the plan is set by the installation.
    let phase = if collector.scene.plan.deployment.network.ntp.is_empty() {
        Phase::Before
    } else {
        Phase::After
    };
    collector.add(phase, "TOOL-028", "clock", Probe::Synchronised {})
}

fn roles(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    let scene = collector.scene;
    let (plan, host) = (scene.plan, scene.host);
    let rhel = host.distribution.family() == Family::Rhel;
    if host.has(Role::Db) {
        let package = if rhel { "glibc-langpack-en" } else { "locales" };
        let brought = collector.payloads.packages.iter().any(|one| one == package);
        let phase = if brought { Phase::After } else { Phase::Before };
        collector.add(phase, "DB-057", "en_US.UTF-8", Probe::Locale {})?;
        let major = scene.major;
        let subject = format!("pg_dump {major}");
        collector.add(
            Phase::After,
            "TOOL-027",
            &subject,
            Probe::DumpMajor { major },
        )?;
    }
    if host.has(Role::Db) || host.has(Role::DbReplica) {
        let path = scene.layout().database_cluster();
        let probe = Probe::Unclaimed {
            path: word(&path)?,
            mark: word(MARK)?,
        };
        collector.add(Phase::Before, "TOOL-108", &path, probe)?;
    }
    if host.has(Role::App) {
        let probe = Probe::Account {
            user: word("mattermost")?,
            id: ACCOUNT_ID,
        };
        let subject = format!("mattermost {ACCOUNT_ID}");
        collector.add(Phase::Before, "TOOL-017", &subject, probe)?;
        if let Storage::Nfs(nfs) = &plan.deployment.storage {
            let folder = word(&nfs.directory)?;
            collector.add(
                Phase::After,
                "FILES-082",
                &nfs.directory,
                Probe::NfsMount { folder },
            )?;
        }
        if !matches!(plan.deployment.storage, Storage::Local { .. }) {
            let folder = "/opt/mattermost/data";
            let probe = Probe::NoFiles {
                folder: word(folder)?,
            };
            collector.add(Phase::Before, "FILES-087", folder, probe)?;
        }
    }
    if host.has(Role::App) && rhel {
        let folder = "/opt/mattermost";
        let probe = Probe::Fapolicyd {
            folder: word(folder)?,
        };
        collector.add(Phase::After, "TOOL-014", folder, probe)?;
    }
    if host.has(Role::Proxy) {
        if rhel {
            collector.add(Phase::After, "TOOL-013", "nginx", Probe::SelinuxProxy {})?;
        }
        let name = plan.deployment.site.host().to_string();
        for (phase, claim) in [(Phase::Before, Claim::Free), (Phase::After, Claim::Ours)] {
            let probe = Probe::SiteName {
                name: word(&name)?,
                file: word(scene.layout().nginx_site())?,
                claim,
            };
            collector.add(phase, "TOOL-025", &name, probe)?;
        }
    }
    if host.has(Role::Docker) {
        collector.add(Phase::Before, "METHOD-047", "docker", Probe::Docker {})?;
        let path = "/opt/mattermost-docker/volumes/mattermost";
        let probe = Probe::Owned {
            path: word(path)?,
            uid: ACCOUNT_ID,
        };
        collector.add(Phase::After, "TOOL-009", path, probe)?;
    }
    Ok(())
}
