//! `haversack init`: a first manifest and a first deployment.

mod questions;

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use haversack::fs;
use haversack::init::{self, Answers, DEPLOYMENT, Drafts, InitError, MANIFEST, StorageAnswer};
use haversack::plan::deployment::{Availability, Edition, Purpose, Role, Switch};
use haversack::plan::{Findings, Severity};
use haversack::types::target::{Arch, Distribution};
use serde::Serialize;

use super::Context;
use super::plan::rules;
use crate::cli::args::{InitArgs, StorageKind};
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use questions::Asker;

/// What was written, and what is still needed.
#[derive(Debug, Serialize)]
struct Written {
    /// The two files.
    files: [PathBuf; 2],
    /// Files that the deployment names and the operator brings.
    needed: Vec<PathBuf>,
    /// What the rules say about the deployment.
    findings: Findings,
}

/// Writes the two files; replaces none.
pub(crate) fn run(mut args: InitArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let files = [MANIFEST, DEPLOYMENT].map(|name| args.folder.join(name));
    // Before any question: an hour of answers must not end in this.
    for path in &files {
        if fs::examine(path)?.is_some() {
            let message = format!("{} is there already; init replaces nothing", path.display());
            return Err(Failure::usage(
                message,
                "name another folder, or move it away",
            ));
        }
    }
    let missing = missing(&args);
    let asked = !missing.is_empty();
    if asked {
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::usage(
                format!(
                    "there is no terminal to ask on, and these are missing: {}",
                    missing.join(", ")
                ),
                "give them, or run init on a terminal",
            ));
        }
        let lines = questions::lines(io::BufReader::new(io::stdin()));
        let mut output = io::stderr().lock();
        questions::ask(
            &mut args,
            &mut Asker::new(lines, &mut output, context.cancel),
        )?;
    }
    // Answers are work: a refusal must not lose them.
    let command = asked.then(|| questions::as_command(&args));
    let keep = |mut failure: Failure| {
        if let Some(command) = &command {
            let _ = writeln!(
                failure.details,
                "your answers as options, to change: {command}"
            );
        }
        failure
    };
    let answers = answers(&args).map_err(keep)?;
    let drafts =
        init::drafts(&answers, &rules(Vec::new(), &[])).map_err(|error| keep(refused(&error)))?;
    fs::create_dir_all(&args.folder, 0o755)?;
    let [manifest, deployment] = &files;
    fs::write_atomic(manifest, drafts.manifest.as_bytes(), 0o644)?;
    if let Err(error) = fs::write_atomic(deployment, drafts.deployment.as_bytes(), 0o644) {
        // One of the two alone would stand in the way of the next run.
        let _ = fs::remove_file(manifest);
        return Err(error.into());
    }
    let mut text = text(
        &args.folder,
        &files,
        &drafts,
        answers.distribution,
        answers.arch,
    );
    if let Some(command) = command {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "the same without questions: {command}");
    }
    let needed = drafts.needed.iter().map(|name| args.folder.join(name));
    let written = Written {
        needed: needed.collect(),
        files,
        findings: drafts.findings,
    };
    context.output.result(&written, &text);
    Ok(Class::Ok)
}

/// The options that have no default and were not given.
fn missing(args: &InitArgs) -> Vec<&'static str> {
    let s3 = args.storage == Some(StorageKind::S3);
    [
        (args.site.is_none(), "--site"),
        (args.hosts.is_empty(), "--hosts"),
        (args.user_network.is_empty(), "--user-network"),
        (args.admin_network.is_empty(), "--admin-network"),
        (s3 && args.s3_endpoint.is_none(), "--s3-endpoint"),
    ]
    .into_iter()
    .filter_map(|(missing, name)| missing.then_some(name))
    .collect()
}

fn answers(args: &InitArgs) -> Result<Answers, Failure> {
    let kind = args.storage.unwrap_or(StorageKind::Local);
    for (given, fits, name) in [
        (
            args.s3_endpoint.is_some(),
            kind == StorageKind::S3,
            "--s3-endpoint",
        ),
        (
            args.nfs_server.is_some(),
            kind == StorageKind::Nfs,
            "--nfs-server",
        ),
    ] {
        if given && !fits {
            let message = format!("{name} does not go with this --storage");
            return Err(Failure::usage(message, "leave one of both out"));
        }
    }
    // What is missing was refused or asked for.
    let gone = |name: &str| Failure::usage(format!("{name} is missing"), "give it");
    let storage = match kind {
        StorageKind::Local => StorageAnswer::Local,
        StorageKind::Minio => StorageAnswer::Minio,
        StorageKind::S3 => {
            let place = args.s3_endpoint.clone();
            StorageAnswer::S3(place.ok_or_else(|| gone("--s3-endpoint"))?)
        }
        StorageKind::Nfs => StorageAnswer::Nfs(args.nfs_server.clone()),
    };
    let hosts =
        init::hosts(args.hosts.iter().map(String::as_str)).map_err(|error| refused(&error))?;
    if hosts.iter().any(|host| host.roles.contains(&Role::Docker)) {
        return Err(Failure::usage(
            "init writes deployments for Linux; docker is no role of their hosts",
            "see manifests/examples/deployment-docker.toml",
        ));
    }
    if args.push && hosts.len() > 1 {
        return Err(Failure::usage(
            "--push is for an only host",
            "give one of the hosts the role push",
        ));
    }
    Ok(Answers {
        distribution: args.distribution.unwrap_or(Distribution::Debian12),
        arch: args.arch.unwrap_or(Arch::Amd64),
        edition: args.edition.unwrap_or(Edition::Entry),
        purpose: args.purpose.unwrap_or(Purpose::Production),
        site: args.site.clone().ok_or_else(|| gone("--site"))?,
        availability: if args.ha {
            Availability::High
        } else {
            Availability::Single
        },
        hosts,
        storage,
        database: args.database.clone(),
        push: Switch::from_bool(args.push),
        users: args.user_network.clone(),
        admin: args.admin_network.clone(),
        dns: args.dns.clone(),
        ntp: args.ntp.clone(),
        people: args.people,
        rows: args.with.iter().copied().collect(),
    })
}

/// A refusal with what the rules say.
fn refused(error: &InitError) -> Failure {
    let mut shown = String::new();
    if let InitError::Refused(findings) = error {
        for finding in findings.iter() {
            if finding.level == Severity::Error {
                // Writing to a String cannot fail.
                let _ = writeln!(shown, "{finding}");
            }
        }
    }
    Failure::new(error.id(), error, error.hint()).with_details(shown)
}

fn text(
    folder: &Path,
    files: &[PathBuf; 2],
    drafts: &Drafts,
    distribution: Distribution,
    arch: Arch,
) -> String {
    let [manifest, deployment] = files.each_ref().map(|path| path.display());
    let needed = drafts.needed.join(" ");
    let mut text = format!(
        "wrote {manifest}     what the bundle holds, for {distribution} {arch}\n\
         wrote {deployment}   what the hosts are\n\
         next:\n  \
         1. read both, and change what is not so\n  \
         2. connected side:\n     \
         haversack lock {manifest}\n     \
         haversack build {manifest} -o bundle\n     \
         haversack keygen keys/release\n     \
         haversack sign bundle --key keys/release.key\n  \
         3. isolated side, with the deployment and, in {folder}:\n     \
         {needed}\n     \
         (PEM; keys mode 0600)\n     \
         haversack plan {deployment}\n     \
         haversack stage bundle --trust trust -d {deployment} -o staged\n",
        folder = folder.display(),
    );
    if drafts.manifest.contains("component = \"minio\"") {
        text.push_str(
            "  note: MinIO is no longer maintained, and its last binary is open to CVE-2025-62506; the manifest tells more, \
             and --with versitygw (or seaweedfs, rustfs, garage) with --storage s3 avoids it\n",
        );
    }
    let said = drafts.findings.iter();
    let mut ids: Vec<&str> = said
        .filter(|finding| finding.level == Severity::Warning)
        .map(|finding| finding.id)
        .collect();
    ids.dedup();
    if !ids.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  warnings of the rules: {}; `haversack explain ID` and `plan` tell more",
            ids.join(", ")
        );
    }
    text
}
