//! `[[artifact]]`: one file from an upstream.

use std::collections::BTreeSet;
use std::ops::Range;

use super::check::{check_key, component, read_source, source};
use super::model::{Artifact, Source, Wanted};
use super::problem::Problems;
use super::tree::{Placed, Table, as_table, as_text, wrong_type};
use super::{catalogue, version};
use crate::types::minisign::MinisignKey;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::Arch;

/// Shortest reason for an exception, in characters: it is read by auditors.
pub(super) const MIN_REASON: usize = 10;

struct Context<'a> {
    keys: &'a BTreeSet<&'a Name>,
    values: Vec<(&'a str, &'a str)>,
    component: Option<&'a Name>,
    file_name: &'a str,
}

pub(super) fn read(
    mut table: Table<'_>,
    arch: Arch,
    keys: &BTreeSet<&Name>,
    problems: &mut Problems<'_>,
) -> Option<Artifact> {
    let at = table.at.clone();
    let component = component(&mut table, problems);
    let version = read_version(&mut table, component.as_ref(), problems);
    // A version that could not be chosen is reported already; the URL is still looked at.
    let shown = version.clone().unwrap_or_else(|| "0.0.0".to_owned());
    let mut values = vec![("version", shown.as_str()), ("arch", arch.as_str())];
    let source = read_source(&mut table, &values, problems);
    let mirrors: Vec<Source> = table
        .texts("mirrors", problems)
        .iter()
        .filter_map(|text| self::source(text, &values, problems))
        .map(|placed| placed.value)
        .collect();
    let url = source.as_ref().map(|placed| placed.value.to_string());
    let url = url.unwrap_or_else(|| "file:unknown".to_owned());
    values.push(("url", &url));
    let file_name = source.as_ref().map(|placed| placed.value.file_name());
    let context = Context {
        keys,
        values,
        component: component.as_ref(),
        file_name: file_name.unwrap_or_default(),
    };
    let evidence = read_evidence(&mut table, &at, &context, problems);
    let stand_in = table.flag("stand-in", problems);
    let expect = table.text("expect", problems).and_then(|text| {
        let filled = version::fill(text.value, &context.values);
        match filled.map_err(|error| error.to_string()) {
            Ok(path) => Some(path),
            Err(message) => {
                problems.add(text.at, message);
                None
            }
        }
    });
    let path = source
        .as_ref()
        .zip(component.as_ref())
        .and_then(|(source, component)| {
            let text = format!("files/{component}/{}", source.value.file_name());
            match text.parse::<RelPath>() {
                Ok(path) => Some(path),
                Err(error) => {
                    problems.add(source.at.clone(), format!("no place in a bundle: {error}"));
                    None
                }
            }
        });
    table.finish(problems);
    Some(Artifact {
        version: version?,
        source: source.as_ref()?.value.clone(),
        mirrors,
        path: path?,
        evidence,
        stand_in,
        expect,
        component: component?,
    })
}

fn read_version(
    table: &mut Table<'_>,
    component: Option<&Name>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let wanted = table.require_text("version", problems);
    let listed = table.take("versions");
    let wanted = wanted?;
    let Some(listed) = listed else {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_+:~".contains(c);
        if wanted.value.starts_with('~') || !wanted.value.chars().all(plain) {
            problems.add_with_help(
                wanted.at,
                "a version requirement needs `versions`, the versions to choose from",
                "add versions = \"catalogue\" or a list, or state one version",
            );
            return None;
        }
        return Some(wanted.value.to_owned());
    };
    let chosen = if listed.get_ref().as_str() == Some("catalogue") {
        version::choose_from_catalogue(wanted.value, component?.as_str())
    } else if let Some(items) = listed.get_ref().as_array() {
        let texts: Vec<_> = items
            .iter()
            .filter_map(|item| as_text(item, "versions", problems))
            .map(|placed| placed.value)
            .collect();
        version::choose(wanted.value, &texts)
    } else {
        wrong_type(
            listed,
            "versions",
            "\"catalogue\" or a list of versions",
            problems,
        );
        return None;
    };
    match chosen {
        Ok(chosen) => Some(chosen),
        Err(error) => {
            let about_list = matches!(
                error,
                version::VersionError::Listed(_)
                    | version::VersionError::Empty
                    | version::VersionError::NoCatalogue(_)
            );
            let at = if about_list { listed.span() } else { wanted.at };
            problems.add(at, error.to_string());
            None
        }
    }
}

fn read_evidence(
    table: &mut Table<'_>,
    at: &Range<usize>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Wanted> {
    let mut evidence = Vec::new();
    // Evidence that is there but wrong is one problem, not also a lack of evidence.
    let mut tried = false;
    if let Some(value) = table.take("sha256") {
        tried = true;
        match value.get_ref().as_array() {
            Some(items) => {
                for item in items {
                    evidence.extend(read_sha256(item, context, problems));
                }
                tried = !items.is_empty();
            }
            None => evidence.extend(read_sha256(value, context, problems)),
        }
    }
    if let Some(value) = table.take("sha512") {
        tried = true;
        evidence.extend(read_sha512(value, context, problems));
    }
    if let Some(value) = table.take("signature") {
        let one = [value.clone()];
        let all = value.get_ref().as_array().map_or(&one[..], |all| all);
        tried |= !all.is_empty();
        for value in all {
            if let Some(signature) = as_table(value, "signature", "`signature`", problems) {
                evidence.extend(read_signature(signature, context, problems));
            }
        }
    }
    if let Some(value) = table.take("trust") {
        if let Some(trust) = as_table(value, "trust", "`trust`", problems) {
            let reason = read_first_lock(trust, problems);
            if tried {
                problems.add(
                    value.span(),
                    "`trust` is for files that nobody vouches for; this one has evidence",
                );
            }
            evidence.extend(reason);
        }
        tried = true;
    }
    if !tried {
        problems.add_with_help(
            at.clone(),
            "nobody vouches for this artifact",
            "add sha256, signature, or trust = { first-lock = \"why this is accepted\" }",
        );
    }
    evidence
}

fn read_sha256<'a>(
    value: &'a toml::Spanned<toml::de::DeValue<'a>>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Wanted> {
    if value.get_ref().is_table() {
        let table = as_table(value, "sha256", "`sha256`", problems)?;
        let (source, file_name) = read_sums(table, context, problems)?;
        return Some(Wanted::ChecksumFile { source, file_name });
    }
    let text = as_text(value, "sha256", problems)?;
    if text.value != "catalogue" {
        return super::tree::parse(&text, problems).map(|digest| Wanted::Literal(digest.value));
    }
    let component = context.component?;
    let known = catalogue::of(component.as_str());
    let digest = known.and_then(|releases| releases.digest_of(context.file_name));
    if digest.is_none() {
        let of = known.map_or_else(
            || format!("nothing about `{component}`"),
            |releases| {
                format!(
                    "no digest of `{}` (as of {})",
                    context.file_name, releases.as_of
                )
            },
        );
        problems.add_with_help(
            text.at,
            format!("the catalogue knows {of}"),
            "state the digest, a checksum file or a signature",
        );
    }
    digest.map(Wanted::Catalogue)
}

fn read_sha512<'a>(
    value: &'a toml::Spanned<toml::de::DeValue<'a>>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Wanted> {
    if value.get_ref().is_table() {
        let table = as_table(value, "sha512", "`sha512`", problems)?;
        let (source, file_name) = read_sums(table, context, problems)?;
        return Some(Wanted::Sha512File { source, file_name });
    }
    let text = as_text(value, "sha512", problems)?;
    super::tree::parse(&text, problems).map(|digest| Wanted::Sha512(digest.value))
}

/// Where a checksum document is, and its name for the file.
fn read_sums(
    mut table: Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<(Source, String)> {
    let place = read_source(&mut table, &context.values, problems);
    let name = table.text("name", problems);
    table.finish(problems);
    let name = match name {
        Some(name) => filled(&name, context, problems)?,
        None => context.file_name.to_owned(),
    };
    let place = place?;
    file_name_fits(&place, problems)?;
    Some((place.value, name))
}

fn read_minisign(
    text: &Placed<&str>,
    mut table: Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Wanted> {
    let place = source(text, &context.values, problems);
    let key = table.require_parsed::<MinisignKey>("key", problems);
    let comment = table.text("comment", problems);
    table.finish(problems);
    let comment = match comment {
        Some(comment) => Some(filled(&comment, context, problems)?),
        None => None,
    };
    let place = place?;
    file_name_fits(&place, problems)?;
    Some(Wanted::Minisign {
        source: place.value,
        key: key?.value,
        comment,
    })
}

fn read_signature(
    mut table: Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Wanted> {
    if let Some(text) = table.text("minisign", problems) {
        return read_minisign(&text, table, context, problems);
    }
    let place = table
        .require_text("openpgp", problems)
        .and_then(|text| source(&text, &context.values, problems));
    let key = table.require_parsed::<Name>("key", problems);
    if let Some(key) = &key {
        check_key(key, context.keys, problems);
    }
    table.finish(problems);
    let place = place?;
    file_name_fits(&place, problems)?;
    Some(Wanted::OpenPgp {
        source: place.value,
        key: key?.value,
    })
}

fn read_first_lock(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<Wanted> {
    let reason = table.require_text("first-lock", problems);
    table.finish(problems);
    let reason = reason?;
    if reason.value.trim().chars().count() < MIN_REASON {
        problems.add(
            reason.at,
            format!(
                "say in at least {MIN_REASON} characters why this is accepted: auditors read it"
            ),
        );
        return None;
    }
    Some(Wanted::FirstLock(reason.value.to_owned()))
}

fn filled(
    text: &Placed<&str>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    version::fill(text.value, &context.values)
        .map_err(|error| problems.add(text.at.clone(), error.to_string()))
        .ok()
}

/// Evidence is kept in the bundle under upstream's name, so that the name must fit there.
fn file_name_fits(place: &Placed<Source>, problems: &mut Problems<'_>) -> Option<()> {
    match place.value.file_name().parse::<RelPath>() {
        Ok(_) => Some(()),
        Err(error) => {
            problems.add(place.at.clone(), format!("no place in a bundle: {error}"));
            None
        }
    }
}
