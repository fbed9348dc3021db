//! Writes a staged tree beside its place, then puts it there in one step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::bundle::contents::RepositoryInfo;
use crate::bundle::places::volume_of;
use crate::checks::CHECKS_JSON;
use crate::event::{Cancel, Observer, Progress, Step};
use crate::fs::{self, Kind};
use crate::plan::deployment::{Host, Role};
use crate::plan::staged::Staged;
use crate::plan::{CheckedPlan, Plan};
use crate::pool;
use crate::stage::egress::{Audit, Egress};
use crate::stage::fleet::{self, in_order};
use crate::stage::host::{HostFiles, Scene, build};
use crate::stage::packages::unavailable;
use crate::stage::payload::{Payload, is_linux, serves};
use crate::stage::place::{Place, SECRETS};
use crate::stage::render::Renderer;
use crate::stage::roles::is_supported;
use crate::stage::secrets::{Random, SecretStore};
use crate::stage::site::Secrets;
use crate::stage::{BundleLabel, StageError, StageReport, StageRequest, StagedHost, summary};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::{AuthenticBundle, VerifyError};

/// The list of a host's folder.
const MANIFEST: &str = "MANIFEST.sha256";
/// Largest file that is carried over from an earlier `secrets/`, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

pub(super) fn stage(
    bundle: &AuthenticBundle,
    checked: &CheckedPlan,
    request: &StageRequest,
    random: &dyn Random,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<StageReport, StageError> {
    refuse_inside(bundle, &request.out)?;
    // Locked from here on: the secrets that are read or made below are those that will stand there.
    let out = Place::take(&request.out)?;
    let plan = checked.plan();
    let payload = Payload::new(bundle.contents());
    let renderer = Renderer::new()?;
    let mut store = SecretStore::open(
        &request.out.join(SECRETS),
        request.secrets.as_deref(),
        random,
    )?;
    let fitted = fit(checked, &payload, bundle.absent_volumes())?;
    let secrets = Secrets::gather(plan, payload.has_component("mc"), &mut store)?;
    let mut hosts = Vec::new();
    for fit in &fitted {
        let scene = Scene {
            plan,
            host: fit.host,
            payload: &payload,
            secrets: &secrets,
            renderer: &renderer,
            major: fit.major.unwrap_or(0),
        };
        let files = build(&scene, &fit.programs, &fit.packages, &fit.repositories)?;
        hosts.push((fit.host, files));
    }
    examine(plan, &hosts)?;
    let egress = egress(plan, &hosts, &secrets, &renderer)?;
    let notes = summary::notes(checked, &payload);
    let header = bundle.sums().header();
    let label = BundleLabel {
        name: header.name.to_string(),
        version: header.version.as_str().to_owned(),
        identity: bundle.identity(),
    };

    let sizes = |path: &RelPath| {
        bundle
            .contents()
            .files
            .get(path)
            .map_or(0, |info| info.size)
    };
    let copies = || hosts.iter().flat_map(|(_, files)| &files.copies);
    let bytes: u64 = copies().map(|copy| sizes(&copy.from)).sum();
    out.require_space(bytes)?;
    let used: BTreeSet<&RelPath> = copies().map(|copy| &copy.from).collect();
    let unused: Vec<&RelPath> = bundle
        .contents()
        .files
        .keys()
        .filter(|path| !used.contains(path) && is_here(bundle, path))
        .collect();
    let rest: u64 = unused.iter().map(|path| sizes(path)).sum();
    let items = copies().count().saturating_add(unused.len());
    let progress = Progress {
        step: Step::Stage,
        observer,
        cancel,
    };
    progress.started(
        u64::try_from(items).unwrap_or(u64::MAX),
        bytes.saturating_add(rest),
    );
    let work = Work { bundle, progress };
    let building = out.begin()?;
    let mut staged = Vec::new();
    for (host, files) in &hosts {
        staged.push(work.write_host(&building.folder, host, files)?);
    }
    pool::try_map(&unused, pool::cores(), |path| {
        cancel.check()?;
        bundle.check_file(path, &progress).map_err(StageError::from)
    })?;
    let documents = summary::documents(
        &label, checked, &payload, &renderer, &notes, &staged, &egress,
    )?;
    for (name, content) in &documents {
        fs::write_unsynced(&building.folder.join(name), content, 0o644)?;
    }
    let ansible = building.folder.join(fleet::ANSIBLE);
    for (name, content) in fleet::files(plan, &staged, &renderer)? {
        let target = ansible.join(name);
        make_parent(&target)?;
        fs::write_unsynced(&target, &content, 0o644)?;
    }
    carry_secrets(&request.out.join(SECRETS), &building.folder.join(SECRETS))?;
    store.write_to(&building.folder.join(SECRETS))?;
    building.finish()?;
    progress.done();
    Ok(StageReport {
        out: request.out.clone(),
        bundle: label,
        stand_ins: bundle.contents().stand_ins(),
        hosts: staged,
        secrets_made: store.made().iter().map(ToString::to_string).collect(),
        only_checked: unused.len(),
        egress,
        notes,
    })
}

/// Whether the volume of a file is here.
fn is_here(bundle: &AuthenticBundle, path: &RelPath) -> bool {
    let absent = bundle.absent_volumes();
    volume_of(path).is_none_or(|volume| !absent.iter().any(|one| one == volume))
}

/// Holds the rules against everything that was generated, before any of it is written.
fn examine(plan: &Plan, hosts: &[(&Host, HostFiles)]) -> Result<(), StageError> {
    let mut staged = Staged::default();
    for (host, files) in hosts {
        let in_root = files.tree.entries().filter_map(|(path, entry)| {
            let (content, _) = entry.staged()?;
            Some((path.to_owned(), content.to_vec()))
        });
        let scripts = files.scripts.iter();
        let beside = scripts.map(|(name, content)| ((*name).to_owned(), content.clone()));
        let perms = ("perms.tsv".to_owned(), files.tree.perms().into_bytes());
        staged.add(&host.name, in_root.chain(beside).chain([perms]).collect());
    }
    let findings = plan.examine_staged(&staged);
    if !findings.refuses() {
        return Ok(());
    }
    let wrong = findings.iter().map(|one| {
        let host = one.host.as_ref().map_or("every host", |host| host.as_str());
        format!("{} on {host}, {}: {}", one.id, one.subject, one.found)
    });
    Err(StageError::Unruly(wrong.collect()))
}

/// Searches every generated file for hosts outside the deployment.
fn egress(
    plan: &Plan,
    hosts: &[(&Host, HostFiles)],
    secrets: &Secrets,
    renderer: &Renderer,
) -> Result<Vec<Egress>, StageError> {
    let mut audit = Audit::new(plan, secrets.values());
    for (host, files) in hosts {
        for (path, entry) in files.tree.entries() {
            if let Some((content, _)) = entry.staged() {
                audit.scan(&format!("{}/rootfs{path}", host.name), content);
            }
        }
        for (name, content) in &files.scripts {
            audit.scan(&format!("{}/{name}", host.name), content);
        }
    }
    // The digests that the inventory will hold name nobody.
    for (name, content) in fleet::files(plan, &[], renderer)? {
        audit.scan(&format!("{}/{name}", fleet::ANSIBLE), &content);
    }
    let found = audit.finish();
    let open: Vec<Egress> = found
        .iter()
        .filter(|one| !one.acknowledged)
        .cloned()
        .collect();
    if open.is_empty() {
        Ok(found)
    } else {
        Err(StageError::Egress(open))
    }
}

/// What one host takes from the bundle.
struct Fit<'a> {
    host: &'a Host,
    programs: Vec<(crate::stage::payload::Program, RelPath)>,
    packages: Vec<String>,
    repositories: Vec<RepositoryInfo>,
    major: Option<u16>,
}

/// Brings plan and bundle together, or says everything that does not fit.
fn fit<'a>(
    checked: &'a CheckedPlan,
    payload: &Payload<'_>,
    absent: &[String],
) -> Result<Vec<Fit<'a>>, StageError> {
    let plan = checked.plan();
    // Nothing is staged from parity.
    let absent = absent.iter().filter(|volume| volume.starts_with('v'));
    let absent: Vec<String> = absent.cloned().collect();
    if !absent.is_empty() {
        return Err(StageError::Absent(absent));
    }
    let mut problems: Vec<String> = Vec::new();
    if !is_linux(plan) {
        problems.push(format!(
            "the method `{}` cannot be staged yet; `linux` can",
            plan.deployment.method
        ));
    }
    let target = payload.contents.target;
    let mut fitted = Vec::new();
    for host in in_order(&plan.deployment.hosts) {
        if !serves(target.distribution, host.distribution) {
            problems.push(format!(
                "the bundle is for {}, the host {} runs {}",
                target.distribution, host.name, host.distribution
            ));
        }
        for role in host.roles.iter().filter(|role| !is_supported(**role)) {
            problems.push(format!(
                "the role `{role}` of {} cannot be staged yet",
                host.name
            ));
        }
        let major = if host.has(Role::Db) || host.has(Role::DbReplica) {
            payload
                .database_major(host, plan.database.version)
                .map_err(|problem| problems.push(problem))
                .ok()
        } else {
            None
        };
        if host.has(Role::DbReplica) && plan.database.host.is_none() {
            problems.push(format!(
                "{} is a replica, but no host of the deployment has the role `db`; remove the role db-replica",
                host.name
            ));
        }
        let (programs, lacking) = payload.programs(host);
        problems.extend(lacking);
        let (packages, lacking) = payload.packages(plan, host, major);
        problems.extend(unavailable(plan, host));
        problems.extend(lacking);
        fitted.push(Fit {
            host,
            programs,
            packages,
            repositories: payload.contents.repositories.clone(),
            major,
        });
    }
    problems.dedup();
    if problems.is_empty() {
        Ok(fitted)
    } else {
        Err(StageError::Unfit(problems))
    }
}

struct Work<'a> {
    bundle: &'a AuthenticBundle,
    progress: Progress<'a>,
}

impl Work<'_> {
    fn write_host(
        &self,
        root: &Path,
        host: &Host,
        files: &HostFiles,
    ) -> Result<StagedHost, StageError> {
        let folder = root.join(host.name.as_str());
        let mut listed: BTreeMap<String, Digest> = BTreeMap::new();
        fs::create_dir_all(&folder, 0o700)?;
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        for copy in &files.copies {
            let target = folder.join(&copy.to);
            if let Some(parent) = target.parent()
                && folders.insert(parent.to_owned())
            {
                fs::create_dir_all(parent, 0o755)?;
            }
        }
        let copied = pool::try_map(&files.copies, pool::cores(), |copy| {
            self.copy(&copy.from, &folder.join(&copy.to))
        })?;
        for (copy, digest) in files.copies.iter().zip(copied) {
            listed.insert(copy.to.clone(), digest);
        }
        let mut put = |path: String, content: &[u8], mode: u32| -> Result<(), StageError> {
            let target = folder.join(&path);
            make_parent(&target)?;
            fs::write_unsynced(&target, content, mode)?;
            listed.insert(path, Digest::of(content));
            Ok(())
        };
        for (path, entry) in files.tree.entries() {
            if let Some((content, mode)) = entry.staged() {
                put(format!("rootfs{path}"), content, mode)?;
            }
        }
        for (name, content) in &files.scripts {
            put((*name).to_owned(), content, 0o755)?;
        }
        put(CHECKS_JSON.to_owned(), &files.checks.to_json(), 0o644)?;
        put("perms.tsv".to_owned(), files.tree.perms().as_bytes(), 0o644)?;
        let manifest = listed
            .iter()
            .fold(String::new(), |mut text, (path, digest)| {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{digest}  {path}");
                text
            });
        fs::write_unsynced(&folder.join(MANIFEST), manifest.as_bytes(), 0o644)?;
        Ok(StagedHost {
            name: host.name.clone(),
            files: listed.len().saturating_add(1),
            manifest: Digest::of(manifest.as_bytes()),
        })
    }

    fn copy(&self, path: &RelPath, target: &Path) -> Result<Digest, StageError> {
        self.progress.cancel.check()?;
        self.bundle.copy_out(path, target, 0o644, &self.progress)?;
        // What was copied is what is listed: `copy_out` compared them.
        self.bundle.digest_of(path).ok_or_else(|| {
            StageError::Bundle(VerifyError::NoFile {
                path: path.to_string(),
            })
        })
    }
}

fn make_parent(path: &Path) -> Result<(), StageError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent, 0o755)?;
    }
    Ok(())
}

/// Carries every file of an earlier `secrets/` over, also those that an operator put there.
fn carry_secrets(from: &Path, to: &Path) -> Result<(), StageError> {
    fs::create_dir_all(to, 0o700)?;
    fs::set_mode(to, 0o700)?;
    if fs::examine(from)?.is_none() {
        return Ok(());
    }
    for entry in fs::walk(from)? {
        let target = to.join(&entry.path);
        if entry.kind == Kind::Folder {
            fs::create_dir_all(&target, 0o700)?;
        } else {
            // Anything but a plain file was refused before, and cannot be read here either.
            let content = fs::read(&from.join(&entry.path), MAX_SECRET)?;
            fs::write_unsynced(&target, &content, 0o600)?;
        }
    }
    Ok(())
}

/// Nothing is ever written to a bundle: what is added to it would make it one that was not signed.
fn refuse_inside(bundle: &AuthenticBundle, out: &Path) -> Result<(), StageError> {
    let real = fs::real_path(out)?;
    for folder in bundle.folders() {
        if real.starts_with(fs::real_path(folder)?) {
            return Err(StageError::InBundle(out.to_owned()));
        }
    }
    Ok(())
}
