//! Whose list is it: the first step, before anything else of a bundle is looked at.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::bundle::FULL;
use crate::bundle::header::{Created, MAX_VOLUMES};
use crate::bundle::places::{MADE, SIG, SUMS, is_of_changes};
use crate::bundle::sums::{self, Sums, SumsError};
use crate::fs::{self, At, Kind, Root};
use crate::trust::cms::{self, CmsResult, CmsVerdict};
use crate::trust::directory::Trust;
use crate::trust::judge::{Judgement, Refusal, SignatureFile, judge};
use crate::trust::policy::{CmsTime, Demand};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::verify::error::VerifyError;
use crate::verify::memory::{Memory, Rollback, Standing};
use crate::verify::problem::Problem;
use crate::verify::report::Warning;

/// Longest signature file, in bytes.
pub const MAX_SIGNATURE_FILE: u64 = 64 * 1024;
/// Most signature files of a bundle.
pub const MAX_SIGNATURE_FILES: usize = 64;

/// What a verification depends on besides the bundle and the trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The clock, for warnings about age; no decision depends on it.
    pub now: Option<Created>,
    /// Accept a bundle that the memory refuses, for this reason.
    pub allow_rollback: Option<String>,
}

/// The list and the signatures of a bundle, as they lie in its places. Nothing is checked yet.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) roots: Vec<Root>,
    pub(crate) list: Vec<u8>,
    pub(crate) signatures: Vec<SignatureFile>,
}

/// A list that is signed by whom this network trusts, and that its policy and memory take in.
#[derive(Debug)]
pub(crate) struct Authentic {
    pub(crate) roots: Vec<Root>,
    pub(crate) signatures: Vec<SignatureFile>,
    pub(crate) sums: Sums,
    pub(crate) identity: Digest,
    pub(crate) judgement: Judgement,
    pub(crate) cms: Vec<CmsResult>,
    pub(crate) standing: Standing,
    pub(crate) override_reason: Option<String>,
    pub(crate) warnings: Vec<Warning>,
}

/// Reads list and signatures from every place. A newer format and anything too large is refused
/// here, before a signature is checked.
pub(crate) fn read(dirs: &[PathBuf]) -> Result<Raw, VerifyError> {
    let mut raw: Option<Raw> = None;
    for dir in dirs {
        if fs::examine(dir)?.is_none() {
            return Err(VerifyError::NoBundle {
                path: dir.to_owned(),
            });
        }
        let root = Root::open(dir)?;
        let list = read_list(&root)?;
        sums::check_format(&list)?;
        if list.split(|byte| *byte == b'\n').count() > sums::MAX_LINES.saturating_add(1) {
            return Err(SumsError::TooLong.into());
        }
        let signatures = read_signatures(&root)?;
        match &mut raw {
            None => {
                raw = Some(Raw {
                    roots: vec![root],
                    list,
                    signatures,
                });
            }
            Some(first) if first.list == list => {
                first.roots.push(root);
                for one in signatures {
                    if !first.signatures.contains(&one) {
                        first.signatures.push(one);
                    }
                }
            }
            Some(first) => {
                let path = dir.display().to_string();
                let expected = Digest::of(&first.list).label();
                let found = Digest::of(&list).label();
                let problem = match twin_volume(first, &root, &list)? {
                    Some(volume) => Problem::Twin {
                        path,
                        volume,
                        expected,
                        found,
                    },
                    None => Problem::OtherBundle {
                        path,
                        expected,
                        found,
                    },
                };
                return Err(VerifyError::Content {
                    problems: vec![problem],
                });
            }
        }
    }
    raw.ok_or_else(|| VerifyError::NoBundle {
        path: PathBuf::new(),
    })
}

/// What a delta says of itself, beside the full bundle that it makes.
#[derive(Debug)]
pub(crate) struct Delta {
    /// Identity of the bundle that it builds on.
    pub(crate) base: Digest,
    /// Its own list.
    pub(crate) sums: Sums,
}

impl Delta {
    /// The listed files that it carries for the sake of its changes, with their digests.
    pub(crate) fn extra(&self) -> impl Iterator<Item = (&RelPath, &Digest)> {
        let changes = self.sums.has_changes();
        let entries = self.sums.entries().iter();
        entries.filter(move |(path, _)| changes && is_of_changes(path))
    }

    /// Whether it makes the file at this place of the full bundle.
    pub(crate) fn makes(&self, place: &RelPath) -> bool {
        let listed = format!("{MADE}/{place}").parse::<RelPath>();
        listed.is_ok_and(|listed| self.sums.entries().contains_key(&listed))
    }
}

/// The volume that two places with different lists both hold, when the lists claim one name and number. Nothing of the
/// lists is believed here: it only helps to say which medium is the wrong one.
fn twin_volume(first: &Raw, root: &Root, list: &[u8]) -> Result<Option<String>, VerifyError> {
    let claims = |list: &[u8]| -> Vec<Vec<u8>> {
        let lines = list.split(|byte| *byte == b'\n').take(4);
        lines.map(<[u8]>::to_vec).collect()
    };
    let (one, other) = (claims(&first.list), claims(list));
    // Format, name, and number; the version between them may differ.
    let same = [0, 1, 3]
        .iter()
        .all(|line| one.get(*line) == other.get(*line));
    if !same || one.len() < 4 {
        return Ok(None);
    }
    for number in 1..=MAX_VOLUMES {
        for prefix in ["v", "p"] {
            let volume = format!("{prefix}{number}");
            let here = root.has(Path::new(&volume))?;
            for known in &first.roots {
                if here && known.has(Path::new(&volume))? {
                    return Ok(Some(volume));
                }
            }
        }
    }
    Ok(None)
}

/// Judges the signatures first, and only then reads the list and holds it against policy and memory.
/// A delta is refused.
pub(crate) fn authenticate(
    raw: Raw,
    trust: &Trust,
    memory: &Memory,
    options: &Options,
) -> Result<Authentic, VerifyError> {
    let (proved, signatures) = prove(&raw.list, raw.signatures, trust)?;
    if let Some(base) = proved.sums.header().base {
        return Err(VerifyError::Base { base });
    }
    take_in(proved, raw.roots, signatures.own, (trust, memory, options))
}

/// As [`authenticate`]; of a delta, the full bundle that it makes must be signed too, and is what is held
/// against policy and memory.
pub(crate) fn authenticate_any(
    raw: Raw,
    trust: &Trust,
    memory: &Memory,
    options: &Options,
) -> Result<(Authentic, Option<Delta>), VerifyError> {
    let (proved, signatures) = prove(&raw.list, raw.signatures, trust)?;
    let against = (trust, memory, options);
    let Some(base) = proved.sums.header().base else {
        let whole = take_in(proved, raw.roots, signatures.own, against)?;
        return Ok((whole, None));
    };
    let list = proved.sums.full()?.render();
    let full = prove(list.as_bytes(), signatures.of_full, trust);
    let (full, of_full) = full.map_err(|error| match error {
        VerifyError::Trust(refusal) => VerifyError::Full(refusal),
        other => other,
    })?;
    let delta = Delta {
        base,
        sums: proved.sums,
    };
    let whole = take_in(full, raw.roots, of_full.own, against)?;
    Ok((whole, Some(delta)))
}

/// As [`authenticate_any`]; of a delta it gives its own list, for what can be proved is what it carries. One whose
/// full list nobody signed is refused: nothing could be made of it.
pub(crate) fn authenticate_carried(
    raw: Raw,
    trust: &Trust,
    memory: &Memory,
    options: &Options,
) -> Result<Authentic, VerifyError> {
    let base = Sums::parse(&raw.list)
        .ok()
        .and_then(|sums| sums.header().base);
    let of_full = |file: &SignatureFile| full_name(&file.name).is_some();
    if base.is_none() || !raw.signatures.iter().any(of_full) {
        return authenticate(raw, trust, memory, options);
    }
    let (identity, signatures) = (Digest::of(&raw.list), raw.signatures.clone());
    let (whole, delta) = authenticate_any(raw, trust, memory, options)?;
    Ok(match delta {
        None => whole,
        Some(delta) => Authentic {
            identity,
            signatures,
            sums: delta.sums,
            ..whole
        },
    })
}

/// A list that is signed by whom this network trusts.
struct Proved {
    sums: Sums,
    identity: Digest,
    judgement: Judgement,
}

/// The signature files of a bundle, by what they sign.
struct Signatures {
    own: Vec<SignatureFile>,
    /// Over the list of the full bundle, under the names that they have there.
    of_full: Vec<SignatureFile>,
}

fn prove(
    list: &[u8],
    files: Vec<SignatureFile>,
    trust: &Trust,
) -> Result<(Proved, Signatures), VerifyError> {
    let mut signatures = Signatures {
        own: Vec::new(),
        of_full: Vec::new(),
    };
    for mut file in files {
        match full_name(&file.name) {
            Some(name) => {
                file.name = name;
                signatures.of_full.push(file);
            }
            None => signatures.own.push(file),
        }
    }
    let judgement = judge(trust, list, &signatures.own)?;
    let proved = Proved {
        sums: Sums::parse(list)?,
        identity: Digest::of(list),
        judgement,
    };
    Ok((proved, signatures))
}

/// The name that a signature over the full list of a delta has in the full bundle.
fn full_name(name: &str) -> Option<String> {
    let (stem, ending) = name.rsplit_once('.')?;
    let stem = stem.strip_suffix(FULL)?;
    Some(format!("{stem}.{ending}"))
}

fn take_in(
    proved: Proved,
    roots: Vec<Root>,
    signatures: Vec<SignatureFile>,
    (trust, memory, options): (&Trust, &Memory, &Options),
) -> Result<Authentic, VerifyError> {
    let Proved {
        sums,
        identity,
        judgement,
    } = proved;
    check_policy(&sums, trust)?;
    let (standing, override_reason) = match memory.check(sums.header(), &identity) {
        Ok(standing) => (standing, None),
        Err(rollback) => match options.allow_rollback.as_deref().map(str::trim) {
            // An override without a reason would leave nothing to ask about later; and of two bundles of one number
            // nobody here can know which is the builder's.
            Some(reason) if !reason.is_empty() && matches!(rollback, Rollback::Older { .. }) => {
                (Standing::Overridden, Some(reason.to_owned()))
            }
            _ => return Err(rollback.into()),
        },
    };
    let cms = check_cms(&signatures, &sums, trust, options.now)?;
    let warnings = warnings(&sums, trust, memory, options.now);
    Ok(Authentic {
        roots,
        signatures,
        sums,
        identity,
        judgement,
        cms,
        standing,
        override_reason,
        warnings,
    })
}

/// What the host's `openssl` says of the CMS signatures, and a refusal when the policy asks for one and
/// none is good.
fn check_cms(
    signatures: &[SignatureFile],
    sums: &Sums,
    trust: &Trust,
    now: Option<Created>,
) -> Result<Vec<CmsResult>, VerifyError> {
    let Some(rule) = &trust.policy().cms else {
        return Ok(Vec::new());
    };
    let created = sums.header().created;
    let at = match rule.time {
        CmsTime::Clock => now.unwrap_or(created),
        CmsTime::Signing => created,
    };
    // A list has one text, so that this is what was read.
    let list = sums.render();
    let found = cms::examine(trust, list.as_bytes(), signatures, at.epoch());
    let good = |one: &CmsResult| matches!(one.verdict, CmsVerdict::Good { .. });
    if rule.demand == Demand::Report || found.iter().any(good) {
        return Ok(found);
    }
    // Dates come first: they are what can be mended.
    let refusals = found.into_iter().map(|one| {
        let file = one.file;
        match one.verdict {
            CmsVerdict::Dates { reason } => Refusal::CmsDates { file, reason },
            CmsVerdict::Bad { reason }
            | CmsVerdict::Revoked { reason }
            | CmsVerdict::NotChecked { reason } => Refusal::Cms {
                reason: format!("{file}: {reason}"),
            },
            CmsVerdict::Good { .. } => Refusal::Cms { reason: file },
        }
    });
    let refusal = refusals.min_by_key(Refusal::id).unwrap_or(Refusal::Cms {
        reason: "there is none".to_owned(),
    });
    Err(refusal.into())
}

fn read_list(root: &Root) -> Result<Vec<u8>, VerifyError> {
    let path = Path::new(SUMS);
    if !root.has(path)? {
        return Err(VerifyError::NoBundle {
            path: root.path().to_owned(),
        });
    }
    if !root.holds_file(path)? {
        let problem = Problem::NotPlain {
            path: SUMS.to_owned(),
            what: "no regular file that can be opened",
        };
        return Err(VerifyError::Content {
            problems: vec![problem],
        });
    }
    let file = root.open_file(path)?;
    let limit = u64::try_from(sums::MAX_BYTES).unwrap_or(u64::MAX);
    let mut list = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut list)
        .at("read", &root.path().join(SUMS))?;
    if list.len() > sums::MAX_BYTES {
        return Err(SumsError::TooLong.into());
    }
    Ok(list)
}

fn read_signatures(root: &Root) -> Result<Vec<SignatureFile>, VerifyError> {
    let limit = |what: String| VerifyError::Limit {
        what,
        limit: "64 signatures of 64 KiB each",
    };
    let Some(folder) = root.folder(SIG)? else {
        return Ok(Vec::new());
    };
    let found = folder.walk(MAX_SIGNATURE_FILES)?;
    if found.more {
        return Err(limit("sig/".to_owned()));
    }
    let mut files = Vec::new();
    for entry in found.entries {
        let Some(name) = entry.path.to_str().filter(|name| is_signature_name(name)) else {
            continue;
        };
        if entry.kind != Kind::File {
            continue;
        }
        if entry.size > MAX_SIGNATURE_FILE {
            return Err(limit(format!("sig/{name}")));
        }
        let mut bytes = Vec::new();
        folder
            .open_file(&entry.path)?
            .take(MAX_SIGNATURE_FILE)
            .read_to_end(&mut bytes)
            .at("read", &folder.path().join(name))?;
        files.push(SignatureFile {
            name: name.to_owned(),
            bytes,
        });
    }
    Ok(files)
}

/// Whether a file directly below `sig/` may have this name.
pub(crate) fn is_signature_name(name: &str) -> bool {
    let stem = name
        .rsplit_once('.')
        .filter(|(_, extension)| matches!(*extension, "sig" | "sshsig" | "p7s"))
        .map_or("", |(stem, _)| stem);
    stem.starts_with(|c: char| c.is_ascii_alphanumeric())
        && stem.len() <= 100
        && stem
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | '-'))
}

fn check_policy(sums: &Sums, trust: &Trust) -> Result<(), VerifyError> {
    let header = sums.header();
    let policy = trust.policy();
    if !policy.names.is_empty() && !policy.names.contains(&header.name) {
        return Err(refused(
            "E524",
            "bundles named",
            &policy.names,
            &header.name,
        ));
    }
    let marking = header.marking.as_str();
    if !policy.markings.is_empty() && !policy.markings.iter().any(|one| one == marking) {
        return Err(refused("E525", "the marking", &policy.markings, &marking));
    }
    Ok(())
}

/// The refusal of a field by the policy.
pub(crate) fn refused<T: ToString>(
    id: &'static str,
    what: &'static str,
    allowed: &[T],
    found: &dyn ToString,
) -> VerifyError {
    let allowed: BTreeSet<String> = allowed.iter().map(ToString::to_string).collect();
    VerifyError::Policy {
        id,
        what,
        allowed: allowed.into_iter().collect::<Vec<_>>().join(", "),
        found: found.to_string(),
    }
}

fn warnings(sums: &Sums, trust: &Trust, memory: &Memory, now: Option<Created>) -> Vec<Warning> {
    const DAY: i64 = 86_400;
    let mut found = Vec::new();
    let Some(now) = now else { return found };
    let created = sums.header().created;
    let newest = memory
        .newest()
        .map_or(created, |newest| newest.max(created));
    if now < newest {
        let text = format!("the clock of this host ({now}) is behind the newest bundle ({newest})");
        found.push(Warning { id: "W901", text });
        return found;
    }
    let days = now.epoch().saturating_sub(created.epoch()) / DAY;
    let fresh = trust.policy().fresh_days;
    if days > i64::from(fresh) {
        let text = format!("the bundle is {days} days old; this network wants at most {fresh}");
        found.push(Warning { id: "W902", text });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signatures_may_lie_in_sig() {
        for good in [
            "0a1b2c3d4e5f6071.sig",
            "0a1b2c3d4e5f6071.sshsig",
            "org.p7s",
            "a.b.sig",
        ] {
            assert!(is_signature_name(good), "{good}");
        }
        for bad in [
            "sig", ".sig", "x.sh", "x.SIG", "-x.sig", "x y.sig", "a/x.sig", "x.sig\n", "",
        ] {
            assert!(!is_signature_name(bad), "{bad:?}");
        }
    }
}
