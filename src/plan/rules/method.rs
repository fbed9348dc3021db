//! Deployment method and high availability (requirements 34 to 51).

use std::collections::BTreeSet;

use crate::plan::deployment::{Availability, Containers, KubernetesInstall, Method, Role, Storage};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::rules::Kind::{Checked, OnHost, Parsed, Same, Staged};
use crate::plan::rules::look::{self, ENVIRONMENT};
use crate::plan::rules::{Context, Report, Supply, rules};
use crate::plan::staged::Staged as Files;

rules! {
    "METHOD-034" Application Warning "SEED P3" Checked(autoscaling_is_possible) =>
        "autoscaling has a metrics server",
        "without it the number of pods never changes",
        "install metrics-server in the cluster";
    "METHOD-035" Application Error "SEED P3" Same("ARCH-017") =>
        "several pods follow the rules of high availability",
        "pods on different nodes do not share a local volume",
        "use S3 or NFS and an edition with high availability";
    "METHOD-036" Application Warning "SEED P3" Checked(update_is_one_step) =>
        "updates replace one pod after another and skip no minor version",
        "servers that are more than one minor version apart do not share a database",
        "update one minor version at a time";
    "METHOD-037" Application Error "SEED P3" Staged("every staged file that others may read: without the secrets of the environment file", secrets_stand_apart) =>
        "generated files can be kept in version control",
        "a file that changes by itself cannot be reviewed",
        "keep secrets/ out of version control";
    "METHOD-038" Application Warning "SEED P3" Checked(cluster_is_inside) =>
        "cluster and registry are inside the network",
        "a managed cluster or registry of a public cloud is on the internet",
        "use a registry of your own, such as registry.mm.internal:5000";
    "METHOD-039" Application Error "SEED P3; M26" Parsed("host.distro") =>
        "hosts run a distribution that this version stages",
        "paths, package formats and security modules differ",
        "use debian-12, debian-13, ubuntu-22.04, ubuntu-24.04, rhel-9, rocky-9, alma-9 or oracle-9";
    "METHOD-040" Application Error "SEED P3; Mattermost high availability guide" Checked(enough_servers) =>
        "high availability has three or more application servers in one data centre",
        "two servers have no majority and no room for an update; distant data centres lose the gossip",
        "add hosts of the role app and set ha = true, all with the same site";
    "METHOD-041" Backend Error "SEED P3, P4" Checked(database_stands_apart) =>
        "in high availability the database is on a host of its own",
        "the failure of one server would take the database with it",
        "give the role db to a host without the role app";
    "METHOD-042" Application Error "SEED P3" Staged("/etc/sysctl.d/60-mattermost.conf", kernel_fits) =>
        "kernel parameters fit many connections",
        "the defaults of the kernel run out of ports and queues",
        "use the generated file";
    "METHOD-043" Application Error "SEED P3" Checked(containers_are_allowed) =>
        "containers are not used where policy prohibits them",
        "the installation would be stopped at its review",
        "use method = \"linux\"";
    "METHOD-044" Application Error "SEED P3" Staged("compose.yaml: mattermost, nginx, postgres", compose_has_three_services) =>
        "Docker Compose runs exactly Mattermost, NGINX and PostgreSQL",
        "every further image is one more to carry and to patch",
        "use the generated file";
    "METHOD-045" Application Error "SEED P3" Staged("install.sh of a host with containers: docker compose", compose_is_version_two) =>
        "commands use `docker compose` version 2",
        "docker-compose version 1 does not read the file",
        "install the compose plugin";
    "METHOD-046" Application Error "SEED P3" Checked(docker_is_one_host) =>
        "Docker Compose runs on one host, without high availability",
        "Compose cannot move a service to another host",
        "use method = \"kubernetes\", or method = \"linux\" with several hosts";
    "METHOD-047" Application Error "SEED P3" OnHost("docker info: Linux engine, not Docker Desktop") =>
        "the engine is Docker on Linux",
        "Docker Desktop is not supported",
        "use a Linux host";
    "METHOD-048" Application Error "SEED P3" Checked(docker_is_small) =>
        "Docker Compose does not carry production that must go on, nor many users",
        "one host without failover is down while it is repaired",
        "use method = \"kubernetes\", or method = \"linux\" with several hosts";
    "METHOD-049" Application Info "SEED P3" Parsed("method") =>
        "a single server may use any method",
        "methods differ in operation, not in function",
        "nothing to do";
    "METHOD-050" Application Info "SEED P3" Checked(growth_needs_a_method) =>
        "a deployment that will grow begins with a method that can",
        "a later change of method is a migration of database and files",
        "begin with S3 storage and method = \"linux\" or \"kubernetes\"";
    "METHOD-051" Application Error "SEED P3" Checked(stig_needs_linux) =>
        "a STIG is applied to Linux hosts",
        "its settings of kernel and security modules are those of the host",
        "use method = \"linux\"";
    "TOOL-204" Application Error "this program" Checked(roles_are_staged) =>
        "a host that Mattermost is installed on from packages runs no containers",
        "the role `docker` belongs to the method `docker`; nothing is generated for it on Linux",
        "remove the role, or use method = \"docker\"";
}

fn enough_servers(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    let servers = deployment.app_servers();
    let high = deployment.availability == Availability::High;
    if !high && deployment.method == Method::Linux && servers > 1 {
        report.error(
            "ha",
            format!("{servers} application servers without ha = true"),
        );
    }
    if high && deployment.method != Method::Docker {
        match servers {
            0 | 1 => report.error("ha", format!("ha = true with {servers} application server")),
            2 => report.warn("ha", "two application servers"),
            _ => {}
        }
    }
    let sites: BTreeSet<_> = deployment
        .hosts
        .iter()
        .filter_map(|host| host.site.as_ref())
        .collect();
    if servers > 1 && sites.len() > 1 {
        let sites: Vec<&str> = sites.iter().map(|site| site.as_str()).collect();
        report.warn(
            "host",
            format!("hosts in several sites: {}", sites.join(", ")),
        );
    }
}

fn database_stands_apart(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.deployment.app_servers() < 2 {
        return;
    }
    for host in plan.hosts_with(Role::Db).filter(|host| host.has(Role::App)) {
        report.on(
            Severity::Error,
            &host.name,
            "the roles app and db on one host",
        );
    }
}

fn containers_are_allowed(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let method = plan.deployment.method;
    if plan.deployment.policy.containers == Containers::Prohibited && method != Method::Linux {
        report.error(
            "method",
            format!("method {method} with containers = \"prohibited\""),
        );
    }
}

fn docker_is_one_host(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    if deployment.method != Method::Docker {
        return;
    }
    if deployment.availability == Availability::High {
        report.error("ha", "ha = true with method docker");
    }
    if deployment.hosts.len() > 1 {
        report.error(
            "host",
            format!("{} hosts with method docker", deployment.hosts.len()),
        );
    }
}

/// Users up to which Docker Compose is not warned about.
const DOCKER_USERS: u32 = 2000;

fn docker_is_small(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    if deployment.method != Method::Docker {
        return;
    }
    if deployment.policy.business_continuity.is_on() {
        report.error(
            "policy.business_continuity",
            "business continuity with method docker",
        );
    }
    if let Some(users) = deployment
        .limits
        .users
        .filter(|users| *users > DOCKER_USERS)
    {
        report.warn("limits.users", format!("{users} users with method docker"));
    }
    if deployment.is_production() {
        report.warn("method", "production with method docker");
    }
}

fn growth_needs_a_method(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let deployment = &plan.deployment;
    if !deployment.policy.ha_planned.is_on() {
        return;
    }
    if deployment.method == Method::Docker {
        report.info("method", "method docker with high availability planned");
    }
    if matches!(deployment.storage, Storage::Local { .. }) {
        report.info("storage", "local storage with high availability planned");
    }
}

fn stig_needs_linux(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let method = plan.deployment.method;
    if plan.deployment.policy.stig.is_on() && method != Method::Linux {
        report.error("method", format!("method {method} with stig = true"));
    }
}

fn roles_are_staged(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.deployment.method != Method::Linux {
        return;
    }
    for host in plan.hosts_with(Role::Docker) {
        report.on(Severity::Error, &host.name, "the role docker".to_owned());
    }
}

/// Where the kernel parameters stand, and what they say at least (Mattermost high availability
/// guide).
const SYSCTL: &str = "/etc/sysctl.d/60-mattermost.conf";
const KERNEL: [&str; 4] = [
    "net.ipv4.ip_local_port_range = 1025 65000",
    "net.core.somaxconn = 4096",
    "net.ipv4.tcp_max_syn_backlog = 8192",
    "net.ipv4.tcp_fin_timeout = 30",
];

fn kernel_fits(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::App) {
        report.file_holds(staged, &host.name, SYSCTL, &KERNEL);
    }
}

fn autoscaling_is_possible(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let Some(cluster) = &plan.deployment.kubernetes else {
        return;
    };
    if cluster.autoscale.is_on() {
        report.warn("kubernetes.autoscale", "autoscaling needs metrics-server");
        if cluster.install == KubernetesInstall::Operator {
            let found = "the operator sets the number of pods itself; only the chart scales";
            report.warn("kubernetes.install", found);
        }
    }
}

/// Two versions that may run side by side: the same minor version or the next one.
fn update_is_one_step(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    let (Some(from), Some(to)) = (
        plan.deployment.upgrade_from.as_ref(),
        context.supplied("mattermost").and_then(Supply::major_minor),
    ) else {
        return;
    };
    let (major, minor) = (from.major, from.minor);
    let to = (u64::from(to.0), u64::from(to.1));
    let neighbours = to.0 == major && to.1.abs_diff(minor) <= 1;
    if plan.deployment.app_servers() > 1 && !neighbours {
        let found = format!("from {major}.{minor} to {}.{}", to.0, to.1);
        report.warn("upgrade_from", found);
    }
}

/// Domains of public registries and of registries that belong to managed clusters.
const PUBLIC_REGISTRIES: [&str; 10] = [
    "docker.io",
    "docker.com",
    "quay.io",
    "ghcr.io",
    "gcr.io",
    "pkg.dev",
    "k8s.io",
    "amazonaws.com",
    "azurecr.io",
    "mcr.microsoft.com",
];

fn cluster_is_inside(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let Some(registry) = &plan.deployment.registry else {
        return;
    };
    let host = registry.host.split(':').next().unwrap_or_default();
    let below = |domain: &str| {
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if PUBLIC_REGISTRIES.into_iter().any(below) {
        report.warn(
            "registry.host",
            format!("{host} is a name of a public cloud"),
        );
    }
}

/// Shortest value that counts as a secret: shorter ones may stand elsewhere by chance.
const SHORTEST_SECRET: usize = 16;

fn secrets_stand_apart(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::App) {
        let text = staged.file(&host.name, ENVIRONMENT).unwrap_or_default();
        let secrets: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(name, _)| {
                ["KEY", "SALT", "PASSWORD"]
                    .iter()
                    .any(|end| name.ends_with(end))
            })
            .map(|(_, value)| value.trim_matches(['\'', '"']))
            .filter(|value| value.len() >= SHORTEST_SECRET)
            .collect();
        let perms = staged.file(&host.name, "perms.tsv").unwrap_or_default();
        for (path, content) in staged.files(&host.name) {
            let mode = perms.lines().find_map(|line| {
                let fields: Vec<&str> = line.split('\t').collect();
                (fields.get(6) == Some(&path)).then(|| fields.get(1).copied())?
            });
            // The last digit of a mode is what others may do; scripts have no row there.
            let closed = mode.is_some_and(|mode| mode.ends_with('0'));
            if !closed && secrets.iter().any(|secret| content.contains(secret)) {
                report.file(&host.name, path, "holds a secret of the environment file");
            }
        }
    }
}

/// What the Compose file runs.
const SERVICES: [&str; 3] = ["mattermost", "nginx", "postgres"];

fn compose_has_three_services(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::Docker) {
        let text = staged.file(&host.name, look::COMPOSE).unwrap_or_default();
        let found: Vec<&str> = look::compose_services(text).into_keys().collect();
        if found != SERVICES {
            let found = format!("services: {}", found.join(", "));
            report.file(&host.name, look::COMPOSE, found);
        }
    }
}

fn compose_is_version_two(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::Docker) {
        let script = "install.sh";
        report.file_holds(staged, &host.name, script, &["docker compose "]);
        let text = staged.file(&host.name, script).unwrap_or_default();
        if text.contains("docker-compose ") {
            report.file(
                &host.name,
                script,
                "runs docker-compose, which is version 1",
            );
        }
    }
}
