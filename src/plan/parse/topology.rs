//! Hosts, and what they run in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use crate::plan::address::{HostName, Location, shorten};
use crate::plan::deployment::{
    Database, Firewall, Host, HostTls, Kubernetes, KubernetesInstall, Method, Registry, Role,
    Storage,
};
use crate::plan::parse::{database, storage};
use crate::plan::problem::ProblemId;
use crate::plan::reader::{Reader, Said, Section};
use crate::types::name::Name;
use crate::types::target::Distribution;

/// Most hosts of one deployment.
pub(super) const MAX_HOSTS: usize = 512;
/// Memory of a host that does not say, in GiB.
pub(super) const DEFAULT_MEMORY_GB: u32 = 4;
/// Distributions that exist, and that this version does not stage.
const NOT_YET: [&str; 5] = ["rhel-8", "rhel-10", "centos-9", "debian-11", "ubuntu-20.04"];

const SUPPORTED: &str =
    "use debian-12, debian-13, ubuntu-22.04, ubuntu-24.04, rhel-9, rocky-9, alma-9 or oracle-9";

/// What this part of the file says.
pub(super) struct Topology {
    pub(super) hosts: Vec<Host>,
    pub(super) storage: Option<Storage>,
    pub(super) database: Option<Database>,
    pub(super) registry: Option<Registry>,
    pub(super) kubernetes: Option<Kubernetes>,
}

pub(super) fn read(
    reader: &Reader<'_>,
    root: &mut Section<'_, '_, '_>,
    method: Option<Method>,
) -> Topology {
    let defaults = root
        .table("defaults")
        .map(Defaults::read)
        .unwrap_or_default();
    let before = reader.count();
    let sections = root.tables("host", MAX_HOSTS);
    let given = !sections.is_empty();
    let mut seen = Seen::default();
    let mut hosts: Vec<Host> = sections
        .into_iter()
        .filter_map(|section| host(reader, section, &defaults, &mut seen))
        .collect();
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    // A host that cannot be read may be the one with the missing role.
    let sound = reader.count() == before;
    match method {
        Some(Method::Linux) if root.is_absent("host") => {
            root.missing(
                "host",
                "add a [[host]] with name, address, distro and roles",
            );
        }
        Some(Method::Linux) if sound && given && !seen.roles.contains_key(&Role::App) => {
            root.missing("host.roles", "give one host the role \"app\"");
        }
        Some(Method::Docker) if sound && given && !seen.roles.contains_key(&Role::Docker) => {
            root.missing("host.roles", "give one host the role \"docker\"");
        }
        _ => {}
    }
    let storage = storage::read(root, method, &hosts);
    let database = database::read(root, method, &hosts, sound);
    let registry = root.table("registry").and_then(registry);
    let kubernetes = root.table("kubernetes").map(kubernetes);
    if method == Some(Method::Kubernetes) && root.is_absent("kubernetes") {
        root.missing(
            "kubernetes",
            "add [kubernetes] with version, namespace and replicas",
        );
    }
    Topology {
        hosts,
        storage,
        database,
        registry,
        kubernetes,
    }
}

#[derive(Default)]
struct Defaults {
    distribution: Option<Distribution>,
    memory_gb: Option<u32>,
    firewall: Option<Firewall>,
}

impl Defaults {
    fn read(mut section: Section<'_, '_, '_>) -> Self {
        let distribution = distribution(&mut section);
        let memory_gb = memory(&mut section);
        let firewall = section.word::<Firewall>("firewall");
        section.finish();
        Self {
            distribution,
            memory_gb,
            firewall: firewall.map(|said| said.value),
        }
    }
}

fn distribution(section: &mut Section<'_, '_, '_>) -> Option<Distribution> {
    let said = section.text("distro")?;
    if NOT_YET.contains(&said.value.as_str()) {
        let why = format!("`{}` is not yet staged by this version", said.value);
        section.bad("distro", &said.span, why, SUPPORTED);
        return None;
    }
    let parsed = said.value.parse().ok();
    if parsed.is_none() {
        let why = format!("`{}` is no known distribution", shorten(&said.value));
        section.bad("distro", &said.span, why, SUPPORTED);
    }
    parsed
}

fn memory(section: &mut Section<'_, '_, '_>) -> Option<u32> {
    section
        .number("memory_gb", 1..=65_536)
        .map(|said| said.value)
}

/// What earlier hosts have taken.
#[derive(Default)]
struct Seen {
    names: BTreeSet<Name>,
    addresses: BTreeMap<IpAddr, Name>,
    roles: BTreeMap<Role, Name>,
}

fn host(
    reader: &Reader<'_>,
    mut section: Section<'_, '_, '_>,
    defaults: &Defaults,
    seen: &mut Seen,
) -> Option<Host> {
    let name = host_name(&mut section);
    if let Some(name) = &name {
        reader.place(format!("host.{}", name.value), &name.span);
        if !seen.names.insert(name.value.clone()) {
            duplicate(
                &section,
                &name.span,
                format!("the host `{}` is defined twice", name.value),
            );
        }
    }
    let address = host_address(&mut section);
    if let (Some(address), Some(name)) = (&address, &name) {
        let earlier = seen.addresses.insert(address.value, name.value.clone());
        if let Some(earlier) = earlier {
            let message = format!(
                "the hosts `{earlier}` and `{}` have the same address {}",
                name.value, address.value
            );
            duplicate(&section, &address.span, message);
        }
    }
    let distribution = if section.is_absent("distro") {
        if defaults.distribution.is_none() {
            section.missing(
                "distro",
                "add distro = \"debian-12\", here or in [defaults]",
            );
        }
        defaults.distribution
    } else {
        distribution(&mut section)
    };
    let roles = roles(&mut section, name.as_ref().map(|said| &said.value), seen);
    let memory_gb = memory(&mut section).or(defaults.memory_gb);
    let site = section.parsed::<Name>("site", "use a short name such as east");
    let fqdn = fqdn(&mut section);
    let interface = interface(&mut section);
    let firewall = section.word::<Firewall>("firewall").map(|said| said.value);
    let tls = host_tls(&mut section);
    section.finish();
    let distribution = distribution?;
    Some(Host {
        name: name?.value,
        address: address?.value,
        distribution,
        roles: roles?,
        memory_gb: memory_gb.unwrap_or(DEFAULT_MEMORY_GB),
        site: site.map(|said| said.value),
        fqdn,
        interface,
        firewall: firewall
            .or(defaults.firewall)
            .unwrap_or(Firewall::of(distribution)),
        tls,
    })
}

fn fqdn(section: &mut Section<'_, '_, '_>) -> Option<HostName> {
    let hint = "write its name in your network, such as db1.mm.internal";
    let said = section.parsed::<HostName>("fqdn", hint)?;
    if matches!(said.value, HostName::Ip(_)) {
        section.bad("fqdn", &said.span, "is an address", hint);
    }
    Some(said.value)
}

/// Longest name of a network interface (`IFNAMSIZ` of Linux, without its end).
const MAX_INTERFACE: usize = 15;

fn interface(section: &mut Section<'_, '_, '_>) -> Option<String> {
    let said = section.text("interface")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if said.value.is_empty()
        || said.value.len() > MAX_INTERFACE
        || !said.value.bytes().all(plain)
        || matches!(said.value.as_str(), "." | ".." | "all" | "default")
    {
        section.bad(
            "interface",
            &said.span,
            "is no name of a network interface",
            "write it as `ip link` shows it, such as eth0",
        );
    }
    Some(said.value)
}

fn host_tls(section: &mut Section<'_, '_, '_>) -> Option<HostTls> {
    let cert = section.text("cert").map(|said| said.value);
    let key = section.text("key").map(|said| said.value);
    if cert.is_some() && section.is_absent("key") {
        section.missing("key", "add the private key of this certificate");
    }
    if key.is_some() && section.is_absent("cert") {
        section.missing("cert", "add the certificate of this private key");
    }
    Some(HostTls {
        cert: cert?,
        key: key?,
    })
}

fn host_name(section: &mut Section<'_, '_, '_>) -> Option<Said<Name>> {
    let hint = "use one label of a host name, such as app1";
    let name = section.parsed::<Name>("name", hint);
    if name.is_none() && section.is_absent("name") {
        section.missing("name", hint);
    }
    let name = name?;
    if name.value.as_str().contains('.') {
        section.bad("name", &name.span, "holds a dot", hint);
    }
    // It names folders of the staged tree beside these.
    if matches!(
        name.value.as_str(),
        "secrets" | "localhost" | "k8s" | "ansible" | "all"
    ) {
        section.bad("name", &name.span, "is reserved", "use another name");
    }
    Some(name)
}

fn host_address(section: &mut Section<'_, '_, '_>) -> Option<Said<IpAddr>> {
    let hint = "write the address of the host in your network, such as 10.20.0.10";
    let address = section.parsed::<IpAddr>("address", hint);
    if address.is_none() && section.is_absent("address") {
        section.missing("address", hint);
    }
    let address = address?;
    let ip = address.value;
    let odd = match ip {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        // An IPv4 address in the clothes of IPv6 would be a second name for the same host.
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some(),
    };
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || odd {
        section.bad(
            "address",
            &address.span,
            format!("{ip} is no address of a host"),
            hint,
        );
    }
    Some(address)
}

fn roles(
    section: &mut Section<'_, '_, '_>,
    host: Option<&Name>,
    seen: &mut Seen,
) -> Option<BTreeSet<Role>> {
    let list = section.word_list::<Role>("roles");
    if section.is_absent("roles") || section.is_empty_list("roles") {
        section.missing("roles", "add roles = [\"app\"] with what the host runs");
    }
    let mut roles = BTreeSet::new();
    for said in list? {
        if !roles.insert(said.value) {
            duplicate(
                section,
                &said.span,
                format!("the role `{}` stands twice", said.value),
            );
            continue;
        }
        let Some(host) = host else { continue };
        let earlier = seen.roles.entry(said.value).or_insert_with(|| host.clone());
        let alone = matches!(said.value, Role::Db | Role::Push | Role::Docker);
        if alone && earlier != host {
            duplicate(
                section,
                &said.span,
                format!(
                    "the hosts `{earlier}` and `{host}` both have the role `{}`",
                    said.value
                ),
            );
        }
    }
    if roles.contains(&Role::Db) && roles.contains(&Role::DbReplica) {
        let message = "a host is the database or a replica, not both".to_owned();
        duplicate(section, &section.span, message);
    }
    Some(roles)
}

fn duplicate(section: &Section<'_, '_, '_>, span: &Range<usize>, message: String) {
    section.problem(
        ProblemId::Duplicate,
        span,
        message,
        ProblemId::Duplicate.hint(),
    );
}

/// The name of a host of this deployment that has `role`.
pub(super) fn own_host(
    section: &mut Section<'_, '_, '_>,
    key: &'static str,
    role: Role,
    hosts: &[Host],
) -> Option<Name> {
    let said = section.parsed::<Name>(key, "write the name of a [[host]]")?;
    let Some(host) = hosts.iter().find(|host| host.name == said.value) else {
        section.problem(
            ProblemId::Reference,
            &said.span,
            format!("`{}`: no host is named `{}`", section.key(key), said.value),
            ProblemId::Reference.hint(),
        );
        return None;
    };
    if !host.has(role) {
        section.problem(
            ProblemId::Reference,
            &said.span,
            format!(
                "`{}`: the host `{}` does not have the role `{role}`",
                section.key(key),
                said.value
            ),
            format!("add \"{role}\" to the roles of that host"),
        );
        return None;
    }
    Some(said.value)
}

/// An absolute path of plain characters, safe in unit files, shells and fstab alike.
pub(super) fn directory(
    section: &mut Section<'_, '_, '_>,
    key: &'static str,
    default: &str,
) -> String {
    let Some(said) = section.text(key) else {
        return default.to_owned();
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-');
    let parts_are_names = said
        .value
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")));
    if !parts_are_names || !said.value.bytes().all(plain) || said.value.len() > 200 {
        section.bad(
            key,
            &said.span,
            "is no plain absolute path",
            "write a path such as /srv/mattermost of a-z, A-Z, 0-9, `.`, `_` and `-`",
        );
    }
    said.value
}

fn registry(mut section: Section<'_, '_, '_>) -> Option<Registry> {
    let host = section.parsed::<Location>("host", "write it as registry.example.internal:5000");
    if host.is_none() && section.is_absent("host") {
        section.missing("host", "write it as registry.example.internal:5000");
    }
    let pull_secret =
        section.parsed::<Name>("pull_secret", "write the name of the secret in the cluster");
    section.finish();
    let location = host?.value;
    Some(Registry {
        host: match location.port {
            Some(port) => format!("{}:{port}", location.host),
            None => location.host.to_string(),
        },
        pull_secret: pull_secret.map(|said| said.value),
    })
}

fn kubernetes(mut section: Section<'_, '_, '_>) -> Kubernetes {
    let version = section.text("version");
    if let Some(said) = &version {
        let numbers = said.value.split('.').all(|part| {
            !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit())
        });
        if !numbers {
            section.bad(
                "version",
                &said.span,
                "is no version",
                "write it as \"1.33\"",
            );
        }
    }
    let hint = "use a-z, 0-9 and `-`";
    let namespace = section.parsed::<Name>("namespace", hint);
    let replicas = section.number("replicas", 1..=512);
    let ingress_class = section.parsed::<Name>("ingress_class", hint);
    let install = section.word::<KubernetesInstall>("install");
    let autoscale = super::switch(&mut section, "autoscale");
    section.finish();
    Kubernetes {
        version: version.map_or_else(|| "1.33".to_owned(), |said| said.value),
        namespace: namespace.map_or_else(|| known("mattermost"), |said| said.value),
        replicas: replicas.map_or(1, |said| said.value),
        ingress_class: ingress_class.map_or_else(|| known("nginx"), |said| said.value),
        install: install.map_or(KubernetesInstall::Operator, |said| said.value),
        autoscale,
    }
}

/// A name that is written in this file.
fn known(name: &str) -> Name {
    name.parse().expect("these literals are names")
}
