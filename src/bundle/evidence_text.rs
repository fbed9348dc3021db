//! `evidence/README.txt`: how each piece of evidence is checked again by hand, with the tools of its kind.
//!
//! Every command stands on a line of its own behind `$ `, runs in the folder of the bundle, and succeeds
//! only when the evidence holds.

use std::fmt::Write as _;

use crate::lock::{Artifact, Evidence, Image, Lock, LockedFile, Repository, Signed, Vouched};
use crate::types::fingerprint::Fingerprint;

const HEAD: &str = "\
HOW TO CHECK THE EVIDENCE AGAIN

These commands need neither Haversack nor a network, only gpgv (and gpg, for armored keys), minisign and
coreutils. Run them in the folder of the bundle after SHA256SUMS was checked (README.txt says how). Each succeeds
only when the evidence holds. v*/ finds a file in whichever volume it lies; a file that was cut into .000, .001 …
must be joined first: cat in that order.

A signature counts only by the certificate that the command names. What is said at the time of the lock stays
said: gpgv does not look at the end or revocation of keys. Where Haversack itself may run, this does it all:
  haversack verify . --trust TRUST-DIRECTORY --evidence
";

/// The text for a lock.
pub(super) fn text(lock: &Lock) -> String {
    let mut text = HEAD.to_owned();
    let mut artifacts: Vec<&Artifact> = lock.artifacts.iter().collect();
    artifacts.sort_by(|a, b| a.file.path.cmp(&b.file.path));
    for artifact in artifacts {
        push_artifact(artifact, &mut text);
    }
    let mut images: Vec<&Image> = lock.images.iter().collect();
    images.sort_by(|a, b| a.name.cmp(&b.name));
    for image in images {
        push_image(image, &mut text);
    }
    let mut repositories: Vec<&Repository> = lock.repositories.iter().collect();
    repositories.sort_by(|a, b| a.name.cmp(&b.name));
    for repository in repositories {
        push_repository(repository, &mut text);
    }
    text
}

fn push_artifact(artifact: &Artifact, text: &mut String) {
    let file = format!("v*/{}", artifact.file.path);
    let sha256 = artifact.file.sha256;
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\n{} {}: {}\n  from {}",
        artifact.component, artifact.version, artifact.file.path, artifact.file.url
    );
    command(
        text,
        &format!("test \"$(cat {file} | sha256sum)\" = \"{sha256}  -\""),
    );
    for evidence in &artifact.evidence {
        push_evidence(evidence, artifact, &file, text);
    }
    for accepted in &artifact.accepted {
        let _ = writeln!(
            text,
            "  known and accepted: {}: {}",
            accepted.id, accepted.reason
        );
    }
}

/// From what the tag named to every layer: each document states the digest of the next.
fn push_image(image: &Image, text: &mut String) {
    let _ = writeln!(
        text,
        "\n{} {}: the image {}",
        image.component, image.version, image.name
    );
    for evidence in &image.evidence {
        let _ = writeln!(text, "  {}", evidence.vouched);
    }
    let manifest = format!("v*/{}", image.manifest.path);
    if let Some(index) = &image.index {
        text.push_str("  the index that the tag named, which names the manifest:\n");
        hashed(index.path.as_str(), index, text);
        let line = format!("grep -o sha256:{} {}", image.manifest.sha256, index.path);
        command(text, &line);
    }
    text.push_str("  the manifest, which names configuration and layers:\n");
    hashed(&manifest, &image.manifest, text);
    for file in image.files().skip(1) {
        let line = format!("cat {manifest} | grep -o sha256:{}", file.sha256);
        command(text, &line);
        hashed(&format!("v*/{}", file.path), file, text);
    }
}

fn hashed(path: &str, file: &LockedFile, text: &mut String) {
    let line = format!(
        "test \"$(cat {path} | sha256sum)\" = \"{}  -\"",
        file.sha256
    );
    command(text, &line);
}

fn push_evidence(evidence: &Evidence, artifact: &Artifact, file: &str, text: &mut String) {
    let _ = writeln!(text, "  {}", evidence.vouched);
    if let (Some(document), Some(key), Some(signed)) =
        (&evidence.document, &evidence.key, &evidence.signed)
    {
        push_signed(document, key, signed, text);
    }
    match (&evidence.vouched, &evidence.document, &evidence.key) {
        (Vouched::ChecksumFile, Some(document), _) => {
            let sha256 = artifact.file.sha256;
            command(text, &format!("grep -i {sha256} {}", document.path));
        }
        (Vouched::OpenPgp(signer), Some(signature), Some(key)) => {
            let keyring = keyring(key, text);
            gpgv(
                text,
                &keyring,
                &format!("{} {file}", signature.path),
                signer,
            );
        }
        (Vouched::Minisign { key, .. }, Some(signature), _) => {
            let line = format!("minisign -V -P {key} -x {} -m {file}", signature.path);
            command(text, &line);
        }
        (Vouched::Sha512(digest), document, _) => {
            let line = format!("test \"$(cat {file} | sha512sum)\" = \"{digest}  -\"");
            command(text, &line);
            if let Some(document) = document {
                command(text, &format!("grep -i {digest} {}", document.path));
            }
        }
        (Vouched::Page { excerpt, .. } | Vouched::Release { excerpt, .. }, ..) => {
            for line in excerpt.lines() {
                let _ = writeln!(text, "    | {}", line.escape_debug());
            }
        }
        _ => {}
    }
}

fn push_signed(document: &LockedFile, key: &LockedFile, signed: &Signed, text: &mut String) {
    let _ = writeln!(text, "  the checksum file is signed by {}", signed.by);
    let keyring = keyring(key, text);
    let signature = signed.signature.as_ref();
    let signature = signature.map_or_else(String::new, |file| format!("{} ", file.path));
    let files = format!("{signature}{}", document.path);
    gpgv(text, &keyring, &files, &signed.by);
}

fn push_repository(repository: &Repository, text: &mut String) {
    let _ = writeln!(
        text,
        "\npackages of {} ({})",
        repository.name, repository.uri
    );
    text.push_str("  the index of a suite states the SHA-256 of its lists, and these state that of each package\n");
    for suite in &repository.suites {
        let folder = format!("apt/{}/dists/{}/", repository.name, suite.suite);
        let named = |name: &str| {
            let mut all = suite.index.iter();
            let path = format!("{folder}{name}");
            all.find(|file| file.path.as_str() == path)
        };
        let files = match (named("InRelease"), named("Release"), named("Release.gpg")) {
            (Some(inline), ..) => format!("v*/{}", inline.path),
            (None, Some(plain), Some(detached)) => {
                format!("v*/{} v*/{}", detached.path, plain.path)
            }
            _ => continue,
        };
        let keyring = keyring(&repository.keyring, text);
        for signer in &suite.signed_by {
            gpgv(text, &keyring, &files, signer);
        }
    }
}

/// The keyring for gpgv; an armored key is made binary first.
fn keyring(key: &LockedFile, text: &mut String) -> String {
    let path = key.path.as_str();
    let Some(stem) = path.strip_suffix(".asc") else {
        return format!("./{path}");
    };
    let name = stem.rsplit('/').next().unwrap_or(stem);
    let keyring = format!("\"${{TMPDIR:-/tmp}}/{name}.gpg\"");
    command(text, &format!("gpg --dearmor < {path} > {keyring}"));
    keyring
}

fn gpgv(text: &mut String, keyring: &str, files: &str, signer: &Fingerprint) {
    let line =
        format!("gpgv --status-fd 1 --keyring {keyring} {files} | grep 'VALIDSIG .*{signer}'");
    command(text, &line);
}

fn command(text: &mut String, line: &str) {
    let _ = writeln!(text, "  $ {line}");
}
