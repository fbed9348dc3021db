//! `haversack trust`: a trust directory, and its next version.

use haversack::types::count::count;
use std::fmt::Write as _;
use std::path::Path;

use haversack::trust::directory::Trust;
use haversack::trust::set;
use haversack::types::name::Name;
use serde_json::json;

use super::Context;
use crate::cli::args::TrustCommand;
use crate::cli::custodian::signing_key;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::surroundings;

/// Shows, seals, signs or updates.
pub(crate) fn run(command: &TrustCommand, context: &Context<'_>) -> Result<Class, Failure> {
    match command {
        TrustCommand::Show { dir } => show(dir, context)?,
        TrustCommand::Seal { dir, version } => {
            let (list, digest) = set::seal(dir, *version)?;
            let value = json!({ "trust": dir, "version": list.version, "list": digest, "files": list.files });
            let text = format!(
                "sealed {} as version {}, {} files\n  list      {digest}  ({})\n  next: haversack trust sign {} --key K, with keys \
                 of the current version\n",
                dir.display(),
                list.version,
                list.files.len(),
                digest.label(),
                dir.display()
            );
            context.output.result(&value, &text);
        }
        TrustCommand::Sign { dir, key } => {
            let (path, id) = set::sign(dir, &signing_key(key)?)?;
            let value = json!({ "trust": dir, "key": id, "written": path });
            let text = format!(
                "signed {}\n  by key    {id}\n  wrote     {}\n",
                dir.display(),
                path.display()
            );
            context.output.result(&value, &text);
        }
        TrustCommand::Update(args) => {
            let now = surroundings::now().to_string();
            let done = set::update(&args.dir, &args.with, &now)?;
            let mut text = format!(
                "{} has version {} now, instead of {}\n  list      {}\n",
                args.dir.display(),
                done.to,
                done.from,
                done.list
            );
            for signer in &done.signers {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "  signed by {} {}", signer.key, signer.name);
            }
            context.output.result(&done, &text);
        }
    }
    Ok(Class::Ok)
}

fn show(dir: &Path, context: &Context<'_>) -> Result<(), Failure> {
    let trust = Trust::load(dir)?;
    let policy = trust.policy();
    let summary = trust.summary();
    let mut text = format!("{}\n", dir.display());
    // Writing to a String cannot fail.
    let _ = match trust.version() {
        0 => writeln!(text, "  version   none: not sealed"),
        version => writeln!(text, "  version   {version}"),
    };
    let _ = writeln!(
        text,
        "  needed    {} by different keys",
        count(policy.threshold.get(), "signature")
    );
    for role in &policy.required_roles {
        let _ = writeln!(text, "  needed    one by the role {role}");
    }
    let mut keys = Vec::new();
    for known in trust.keys() {
        let fingerprint = known.key.fingerprint();
        let roles: Vec<&str> = known.roles.iter().map(Name::as_str).collect();
        let revoked = trust.revoked(&fingerprint).map(ToString::to_string);
        let _ = writeln!(
            text,
            "  key {}  {}{}\n    fingerprint {}",
            known.key.key_id(),
            known.name,
            if roles.is_empty() {
                String::new()
            } else {
                format!(" ({})", roles.join(", "))
            },
            grouped(&fingerprint.to_string())
        );
        if let Some(revoked) = &revoked {
            let _ = writeln!(text, "    REVOKED by {revoked}");
        }
        keys.push(json!({
            "key": known.key.key_id(),
            "name": known.name,
            "roles": known.roles,
            "fingerprint": fingerprint,
            "revoked": revoked,
        }));
    }
    if let Some(digest) = summary.digest {
        let _ = writeln!(text, "  digest    {digest}  ({})", digest.label());
    }
    let value = json!({
        "trust": dir,
        "version": summary.version,
        "digest": summary.digest,
        "threshold": policy.threshold,
        "required_roles": policy.required_roles,
        "markings": policy.markings,
        "keys": keys,
    });
    context.output.result(&value, &text);
    Ok(())
}

/// Hex digits in groups of four, as people read them to each other.
fn grouped(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().collect();
    let groups = digits
        .chunks(4)
        .map(|group| group.iter().collect::<String>());
    groups.collect::<Vec<_>>().join(" ")
}
