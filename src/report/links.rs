//! The chain of proof of one file, link by link: upstream's signature, upstream's hash, our list, our
//! signature, the volume, the staged file, the installed file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::contents::FileKind;
use crate::bundle::sums::volume_of;
use crate::custody::begin_of;
use crate::fs::{self, PathError};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::{Described, TrustSummary, VerifyError};

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Which: `upstream signature`, `upstream hash`, `list`, `signature`, `volume`, `staged`, `installed`.
    pub link: &'static str,
    /// How far it holds.
    pub state: State,
    /// What is known.
    pub text: String,
}

/// How far a link holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was checked now.
    Checked,
    /// It was checked when the lock was made; the bundle states so, and carries the documents.
    Stated,
    /// There is no such link.
    None,
    /// It was not checked.
    NotChecked,
    /// It does not hold.
    Broken,
}

/// Files of the isolated side that should have the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// The file in a staged tree.
    pub staged: Option<PathBuf>,
    /// The file where it is installed.
    pub installed: Option<PathBuf>,
}

/// The links of one file of a bundle, from upstream on.
///
/// # Errors
/// When the bundle does not list it, or something cannot be read.
pub fn links(
    bundle: &Described,
    path: &RelPath,
    copies: &Copies,
) -> Result<Vec<Link>, VerifyError> {
    let (Some(expected), Some(info)) = (
        bundle.sums().entries().get(path).copied(),
        bundle.contents().files.get(path),
    ) else {
        return Err(VerifyError::NoFile {
            path: path.to_string(),
        });
    };
    let mut vouched = info.vouched.clone();
    vouched.extend(of_repository(bundle, path, info.kind));
    let signed = |line: &&String| line.starts_with("signed by");
    let mut all = vec![
        stated("upstream signature", vouched.iter().filter(signed)),
        stated("upstream hash", vouched.iter().filter(|line| !signed(line))),
    ];
    all.push(own_list(bundle, path, expected)?);
    all.push(own_signature(bundle.trust()));
    all.push(match volume_of(path) {
        Some(volume) => link("volume", State::Checked, volume.to_owned()),
        None => link(
            "volume",
            State::Checked,
            "none: it lies on every medium".to_owned(),
        ),
    });
    for (name, copy) in [("staged", &copies.staged), ("installed", &copies.installed)] {
        if let Some(copy) = copy {
            all.push(copied(name, copy, expected)?);
        }
    }
    Ok(all)
}

/// Who signed the index that states the digest of a package.
fn of_repository(bundle: &Described, path: &RelPath, kind: FileKind) -> Vec<String> {
    if kind != FileKind::AptPackage {
        return Vec::new();
    }
    let root: Vec<&str> = path.components().take(3).collect();
    let below = root.join("/") + "/";
    let files = bundle.contents().files.iter();
    let indexes = files.filter(|(path, info)| {
        info.kind == FileKind::AptIndex && path.as_str().starts_with(&below)
    });
    let mut lines = Vec::new();
    for (index, info) in indexes.filter(|(index, _)| index.file_name().ends_with("Release")) {
        lines.extend(info.vouched.iter().map(|line| format!("{line} ({index})")));
    }
    lines
}

fn stated<'a>(name: &'static str, lines: impl Iterator<Item = &'a String>) -> Link {
    let lines: Vec<&str> = lines.map(String::as_str).collect();
    if lines.is_empty() {
        return link(name, State::None, "none".to_owned());
    }
    // A reason why nobody vouches is no proof.
    let state = if lines.iter().all(|line| line.starts_with("nobody")) {
        State::None
    } else {
        State::Stated
    };
    link(name, state, lines.join("; "))
}

fn own_list(bundle: &Described, path: &RelPath, expected: Digest) -> Result<Link, VerifyError> {
    let text = format!("{expected}  {path}");
    Ok(match bundle.digest_of(path)? {
        None => link(
            "list",
            State::NotChecked,
            text + " (its volume is not here)",
        ),
        Some(found) if found == expected => link("list", State::Checked, text),
        Some(found) => link(
            "list",
            State::Broken,
            format!("{text}, but the file has {found}"),
        ),
    })
}

fn own_signature(trust: &TrustSummary) -> Link {
    match trust {
        TrustSummary::NotChecked => link(
            "signature",
            State::NotChecked,
            "no trust directory was given".to_owned(),
        ),
        TrustSummary::Signed { signers } => {
            let names = signers
                .iter()
                .map(|signer| format!("{} {}", signer.key, signer.name));
            let names: Vec<String> = names.collect();
            link("signature", State::Checked, names.join(", "))
        }
        TrustSummary::Refused { id, reason } => {
            link("signature", State::Broken, format!("[{id}] {reason}"))
        }
    }
}

fn copied(name: &'static str, path: &Path, expected: Digest) -> Result<Link, PathError> {
    let found = begin_of(path)?;
    let facts = fs::facts(path)?;
    let shown = format!(
        "{} (mode {:o}, owner {})",
        path.display(),
        facts.mode & 0o7777,
        facts.owner
    );
    Ok(if found == expected {
        link(name, State::Checked, shown)
    } else {
        link(
            name,
            State::Broken,
            format!("{shown} has other bytes: {found}"),
        )
    })
}

const fn link(link: &'static str, state: State, text: String) -> Link {
    Link { link, state, text }
}
