//! The chain of proof of one file, link by link: upstream's signature, upstream's hash, our list, our
//! signature, the volume, the staged file, the installed file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::bundle::contents::FileKind;
use crate::bundle::places::{in_base, in_made, volume_of};
use crate::bundle::sums::Sums;
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
    let contents = bundle.contents();
    let full = bundle.sums().full()?;
    let listed = full.entries().get(path).zip(contents.files.get(path));
    let (expected, info, parts) = match (listed, contents.cut.get(path)) {
        (Some((digest, info)), _) => (*digest, info, std::slice::from_ref(path)),
        (None, Some(cut)) => (cut.sha256, &cut.info, cut.parts.as_slice()),
        (None, None) => {
            return Err(VerifyError::NoFile {
                path: path.to_string(),
            });
        }
    };
    let mut vouched = info.vouched.clone();
    vouched.extend(of_repository(bundle, path, info.kind));
    let signed = |line: &&String| line.starts_with("signed by");
    let mut all = vec![
        stated("upstream signature", vouched.iter().filter(signed)),
        stated("upstream hash", vouched.iter().filter(|line| !signed(line))),
    ];
    all.push(own_list(bundle, &full, (path, expected), parts)?);
    all.push(own_signature(bundle.trust()));
    let mut volumes: Vec<&str> = parts.iter().filter_map(volume_of).collect();
    volumes.dedup();
    let volumes = if volumes.is_empty() {
        "none: it lies on every medium".to_owned()
    } else {
        volumes.join(" ")
    };
    all.push(link("volume", State::Checked, volumes));
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

/// What the list says of a file, or of the parts in which it lies.
fn own_list(
    bundle: &Described,
    full: &Sums,
    (path, expected): (&RelPath, Digest),
    parts: &[RelPath],
) -> Result<Link, VerifyError> {
    let whole = parts == std::slice::from_ref(path);
    let mut text = format!("{expected}  {path}");
    if !whole {
        text = format!("{text} in {} parts", parts.len());
    }
    let mut away = None;
    for part in parts {
        let Some(listed) = full.entries().get(part).copied() else {
            return Err(VerifyError::NoFile {
                path: part.to_string(),
            });
        };
        match bundle.digest_of(part)? {
            None => away = away.or(Some(why_away(bundle, part))),
            Some(found) if found == listed => {}
            Some(found) => {
                let file = if whole { "the file" } else { part.as_str() };
                let text = format!("{text}, but {file} has {found}");
                return Ok(link("list", State::Broken, text));
            }
        }
    }
    Ok(match away {
        None => link("list", State::Checked, text),
        Some(why) => link("list", State::NotChecked, format!("{text} ({why})")),
    })
}

/// Why a listed file is not here.
fn why_away(bundle: &Described, path: &RelPath) -> &'static str {
    let any = |is: fn(&RelPath) -> Option<RelPath>| {
        let mut listed = bundle.sums().entries().keys();
        listed.any(|listed| is(listed).as_ref() == Some(path))
    };
    if any(in_base) {
        "it comes from the base"
    } else if any(in_made) {
        "a change makes it"
    } else {
        "its volume is not here"
    }
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
