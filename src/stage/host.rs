//! Everything that one host gets: files, programs, packages, scripts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use minijinja::Value;
use serde::Serialize;

use crate::bundle::contents::RepositoryInfo;
use crate::checks::CheckList;
use crate::plan::Plan;
use crate::plan::address::{HostName, Network};
use crate::plan::deployment::{Host, Role, Storage};
use crate::plan::flow::port;
use crate::stage::layout::Layout;
use crate::stage::payload::{Copy, Packing, Payload, Program, keyring_extension};
use crate::stage::render::{RenderError, Renderer, values};
use crate::stage::roles;
use crate::stage::share::Share;
use crate::stage::site::Secrets;
use crate::stage::tree::{PUBLIC, Tree};
use crate::stage::{checks, facts, verify};
use crate::types::path::RelPath;

/// What the files of a host are made from.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) plan: &'a Plan,
    pub(super) host: &'a Host,
    pub(super) payload: &'a Payload<'a>,
    pub(super) secrets: &'a Secrets,
    pub(super) renderer: &'a Renderer,
    /// Major version of PostgreSQL; 0 without a database host.
    pub(super) major: u16,
}

/// One host, ready to be written.
pub(super) struct HostFiles {
    /// `rootfs/` and `perms.tsv`.
    pub(super) tree: Tree,
    /// `install.sh` and its like: name and text, executable.
    pub(super) scripts: Vec<(&'static str, Vec<u8>)>,
    /// What is copied from the bundle.
    pub(super) copies: Vec<Copy>,
    /// What the host must satisfy: `checks.json`.
    pub(super) checks: CheckList,
}

/// A program as `install.sh` names it.
#[derive(Serialize)]
struct ProgramValues {
    kind: &'static str,
    target: &'static str,
    artifact: String,
    unit: &'static str,
    top: String,
    keep: &'static [&'static str],
    rewrites: &'static str,
}

/// Plans every file of a host.
pub(super) fn build(
    scene: &Scene<'_>,
    programs: &[(Program, RelPath)],
    packages: &[String],
    repositories: &[RepositoryInfo],
) -> Result<HostFiles, RenderError> {
    let mut tree = Tree::default();
    let mut copies = Vec::new();
    let contents = scene.payload.contents;
    let share = Share::new(contents, packages);
    for repository in repositories {
        add_source(scene, &mut tree, repository)?;
        let files = scene.payload.repository_files(repository);
        copies.extend(files.into_iter().filter(|copy| share.has(contents, copy)));
        let name = &repository.name;
        copies.push(Copy {
            from: repository.keyring.clone(),
            to: format!(
                "rootfs/usr/share/keyrings/haversack-{name}.{}",
                keyring_extension(repository)
            ),
        });
    }
    for (program, path) in programs {
        copies.push(Copy {
            from: path.clone(),
            to: format!("artifacts/{}", artifact(program, path)),
        });
    }
    roles::add_all(scene, &mut tree)?;
    let values = script_values(scene, programs, packages, repositories);
    let mut scripts = Vec::new();
    for name in ["install.sh", "verify.sh", "rollback.sh"] {
        scripts.push((name, scene.renderer.render(name, &values)?));
    }
    let payloads = checks::Payloads {
        programs,
        packages,
        repositories,
    };
    let list = checks::of_host(scene, payloads)?;
    scripts.push(("preflight.sh", checks::script(scene, &list)?));
    Ok(HostFiles {
        tree,
        scripts,
        copies,
        checks: list,
    })
}

/// Where the file of a program lies below `artifacts/`: two components may have files of one name.
pub(super) fn artifact(program: &Program, path: &RelPath) -> String {
    format!("{}/{}", program.component, path.file_name())
}

fn add_source(
    scene: &Scene<'_>,
    tree: &mut Tree,
    repository: &RepositoryInfo,
) -> Result<(), RenderError> {
    let suites: Vec<Value> = repository
        .suites
        .iter()
        .map(|suite| {
            values! {
                suite => suite.suite,
                components => suite.components,
                expires => suite.valid_until.is_some(),
                valid_until => suite.valid_until.clone().unwrap_or_default(),
            }
        })
        .collect();
    let values = values! {
        name => repository.name,
        arch => scene.payload.contents.target.arch.as_str(),
        keyring_extension => keyring_extension(repository),
        suites,
    };
    let name = &repository.name;
    tree.package_file(
        &format!("/etc/apt/sources.list.d/haversack-{name}.sources"),
        scene.renderer.render("common/apt.sources", &values)?,
    );
    tree.copied_package_file(&format!(
        "/usr/share/keyrings/haversack-{name}.{}",
        keyring_extension(repository)
    ));
    Ok(())
}

/// Units that run on a host when all is well, in the order in which they start.
pub(super) fn units(scene: &Scene<'_>) -> Vec<String> {
    let host = scene.host;
    let mut units = Vec::new();
    if host.has(Role::Db) {
        units.push(scene.layout().database_unit());
        if scene.plan.deployment.backup.enabled.is_on() {
            units.push("mattermost-backup.timer".to_owned());
        }
    }
    if host.has(Role::DbReplica) {
        units.push(scene.layout().database_unit());
    }
    for (role, unit) in [
        (Role::Minio, "minio.service"),
        (Role::Push, "mattermost-push-proxy.service"),
        (Role::App, "mattermost.service"),
        (Role::Proxy, "nginx.service"),
    ] {
        if host.has(role) {
            units.push(unit.to_owned());
        }
    }
    units.extend(roles::chosen_units(scene.plan, host));
    units.push(roles::firewall_unit(host.firewall).to_owned());
    units
}

impl Scene<'_> {
    /// Where the files of the host stand.
    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.host.distribution.family(), self.major)
    }
}

/// What the scripts know of one program.
fn program_values(program: &Program, path: &RelPath, arch: &str) -> ProgramValues {
    let (kind, top, keep, rewrites) = match program.packing {
        Packing::Archive {
            top,
            keep,
            rewrites,
        } => ("archive", top, keep, rewrites),
        Packing::Binary => ("binary", "", &[][..], ""),
    };
    ProgramValues {
        kind,
        target: program.target,
        artifact: artifact(program, path),
        unit: program.unit,
        top: top.replace("{arch}", arch),
        keep,
        rewrites,
    }
}

fn script_values(
    scene: &Scene<'_>,
    programs: &[(Program, RelPath)],
    packages: &[String],
    repositories: &[RepositoryInfo],
) -> Value {
    let Scene { plan, host, .. } = scene;
    let deployment = &plan.deployment;
    let target = scene.payload.contents.target;
    let (id, version) = host.distribution.os_release();
    let stand_ins: Vec<String> = scene
        .payload
        .contents
        .stand_ins()
        .into_iter()
        .filter(|name| {
            programs
                .iter()
                .any(|(program, _)| program.component == name)
        })
        .collect();
    let programs: Vec<ProgramValues> = programs
        .iter()
        .map(|(program, path)| program_values(program, path, target.arch.as_str()))
        .collect();
    let bundle_packages: Vec<&str> = scene.payload.package_names().collect();
    let site = deployment.site.host().to_string();
    let upload = deployment.limits.upload;
    let (admin_v6, admin_v4): (Vec<_>, Vec<_>) = deployment
        .network
        .admin
        .iter()
        .partition(|network| network.address().is_ipv6());
    let texts = |networks: &[&Network]| -> Vec<String> {
        networks.iter().map(ToString::to_string).collect()
    };
    let ntp: Vec<String> = deployment
        .network
        .ntp
        .iter()
        .map(ToString::to_string)
        .collect();
    let base = values! {
        host => values! { name => host.name, address => host.address },
        roles => host.roles,
        site => values! {
            host => site,
            url => deployment.site,
            upload_mib => upload.megabytes(),
            max_file_size => upload.max_file_size(),
        },
        os => format!("{id} {version}"),
        family => host.distribution.family(),
        firewall => host.firewall,
        selinux => roles::labels(plan, host),
        major => scene.major,
        authority => scene.layout().authority(),
        filter => scene.layout().filter(),
        arch => target.arch.as_str(),
        own_addresses => [host.address],
        newest_index => newest_index(repositories),
        repositories => repositories.iter().map(|r| r.name.to_string()).collect::<Vec<_>>(),
        packages,
        bundle_packages,
        stand_ins,
        programs,
        users => roles::users(host),
        hosts_lines => hosts_lines(plan),
        units => units(scene),
        needs_locale => host.has(Role::Db) || host.has(Role::DbReplica),
        has_ntp => !ntp.is_empty(),
        ntp,
        admin_nets => deployment.network.admin.iter().map(ToString::to_string).collect::<Vec<_>>(),
        admin_nets_v4 => texts(&admin_v4),
        admin_nets_v6 => texts(&admin_v6),
        ssh_port => port::SSH,
        backup => deployment.backup.enabled.is_on(),
    };
    minijinja::context! { ..base, ..service_values(scene) }
}

/// What the scripts know of the services of the deployment.
fn service_values(scene: &Scene<'_>) -> Value {
    let Scene { plan, host, .. } = scene;
    let deployment = &plan.deployment;
    let site = deployment.site.host().to_string();
    let site_port = deployment.site.port();
    let minio = facts::service_name(plan, host);
    values! {
        verify => verify::verify_values(scene),
        db => roles::database_values(scene),
        mount_unit => roles::mount_unit(plan, host),
        mount_point => match &deployment.storage {
            Storage::Nfs(nfs) => nfs.directory.clone(),
            Storage::Local { .. } | Storage::S3(_) => String::new(),
        },
        failover => facts::has_failover(plan, host),
        replica => roles::replica_values(scene),
        db_unit => scene.layout().database_unit(),
        database_exists => format!("SELECT 1 FROM pg_database WHERE datname = '{}'", plan.database.name),
        locale_query => format!(
            "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || datctype FROM pg_database WHERE datname = '{}'",
            plan.database.name
        ),
        role_query => format!(
            "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = '{}'",
            plan.database.user
        ),
        minio_connect => format!("{minio}:{}:{}", port::S3, facts::with_port(host.address, port::S3)),
        minio_health => format!("https://{minio}:{}/minio/health/live", port::S3),
        app_ping => format!("http://127.0.0.1:{}/api/v4/system/ping", port::APP),
        site_connect => format!("{site}:{site_port}:{}", facts::with_port(host.address, site_port)),
        site_address => facts::with_port(host.address, site_port),
        redirect_connect => format!("{site}:80:{}", facts::with_port(host.address, 80)),
        redirect_url => format!("http://{site}/haversack"),
        redirect_expected => format!("301 {}/haversack", deployment.site),
        upload_bytes => deployment.limits.upload.proxy_body_bytes(),
    }
}

/// The newest `Date` of the package indexes, written anew (RFC 3339): upstream's own text goes into no script.
pub(super) fn newest_index(repositories: &[RepositoryInfo]) -> Option<String> {
    repositories
        .iter()
        .flat_map(|repository| &repository.suites)
        .filter_map(|suite| {
            jiff::fmt::rfc2822::DateTimeParser::new()
                .relaxed_weekday(true)
                .parse_timestamp(suite.date.replace(" UTC", " +0000"))
                .ok()
        })
        .max()
        .map(|when| when.to_string())
}

/// Lines of `/etc/hosts`: they work without asking any DNS.
fn hosts_lines(plan: &Plan) -> BTreeSet<String> {
    hosts_names(plan)
        .into_iter()
        .map(|(address, name)| format!("{address} {name} # haversack"))
        .collect()
}

/// The site leads to its proxy, and hosts with a name to their address.
pub(super) fn hosts_names(plan: &Plan) -> BTreeSet<(IpAddr, HostName)> {
    let deployment = &plan.deployment;
    let entrance = deployment
        .proxy
        .virtual_address
        .or_else(|| Some(plan.hosts_with(Role::Proxy).next()?.address));
    let named = deployment
        .hosts
        .iter()
        .filter_map(|host| Some((host.address, host.fqdn.clone()?)));
    entrance
        .map(|address| (address, deployment.site.host().clone()))
        .into_iter()
        .chain(named)
        .filter(|(_, name)| matches!(name, HostName::Dns(_)))
        .collect()
}

/// The certificate authority of the site, for every host.
pub(super) fn add_authority(scene: &Scene<'_>, tree: &mut Tree) {
    tree.file(
        scene.layout().authority(),
        scene.plan.files.ca.clone().into_bytes(),
        PUBLIC,
        "ca",
    );
}
