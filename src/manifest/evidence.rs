//! Who must vouch for an artifact: `sha256`, `sha512`, `signature` and `trust`.

use std::collections::BTreeSet;
use std::ops::Range;

use super::artifact::MIN_REASON;
use super::check::{check_key, read_source, source};
use super::model::{SignedBy, Source, Wanted};
use super::problem::Problems;
use super::tree::{Placed, Table, as_table, as_text};
use super::versions::github;
use super::{catalogue, version};
use crate::types::minisign::MinisignKey;
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::pattern::{Pattern, Sought};

/// What the evidence of an artifact is read with.
pub(super) struct Context<'a> {
    pub(super) keys: &'a BTreeSet<&'a Name>,
    pub(super) values: Vec<(&'a str, &'a str)>,
    pub(super) component: Option<&'a Name>,
    pub(super) file_name: &'a str,
    /// Whether the version is not chosen yet.
    pub(super) open: bool,
}

pub(super) fn read(
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
            // The release API is a second opinion: it answers from where the file comes.
            let more = |one: &Wanted| !matches!(one, Wanted::Release { .. });
            if tried && (evidence.is_empty() || evidence.iter().any(more)) {
                problems.add(
                    value.span(),
                    "`trust` is for files that nobody vouches for; this one has evidence",
                );
            }
            evidence.extend(reason);
        }
        tried = true;
    }
    let second = |one: &Wanted| matches!(one, Wanted::Release { .. });
    if !evidence.is_empty() && evidence.iter().all(second) {
        problems.add_with_help(
            at.clone(),
            "only the release API vouches for this artifact, and it answers from where the file comes",
            "add a checksum or signature of the publisher, or trust = { first-lock = \"why this is accepted\" }",
        );
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
        if table.has("page") {
            return read_page(table, context, problems);
        }
        if table.has("release") {
            return read_release(table, context, problems);
        }
        let (source, file_name, signed) = read_sums(table, context, problems)?;
        return Some(Wanted::ChecksumFile {
            source,
            file_name,
            signed,
        });
    }
    let text = as_text(value, "sha256", problems)?;
    if text.value != "catalogue" {
        return super::tree::parse(&text, problems).map(|digest| Wanted::Literal(digest.value));
    }
    let component = context.component?;
    let known = catalogue::of(component.as_str());
    let digest = known.and_then(|releases| releases.digest_of(context.file_name));
    if digest.is_none() && !context.open {
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
        let (source, file_name, signed) = read_sums(table, context, problems)?;
        return Some(Wanted::Sha512File {
            source,
            file_name,
            signed,
        });
    }
    let text = as_text(value, "sha512", problems)?;
    super::tree::parse(&text, problems).map(|digest| Wanted::Sha512(digest.value))
}

/// Where a checksum document is, its name for the file, and who must have signed it.
fn read_sums(
    mut table: Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<(Source, String, Option<SignedBy>)> {
    let place = read_source(&mut table, &context.values, problems);
    let name = table.text("name", problems);
    let signed = read_signed(&mut table, context, problems);
    table.finish(problems);
    let name = match name {
        Some(name) => filled(&name, context, problems)?,
        None => context.file_name.to_owned(),
    };
    let place = place?;
    file_name_fits(&place, problems)?;
    Some((place.value, name, signed?))
}

/// `key` and `signature` of a checksum document: clear-signed without `signature`.
#[expect(
    clippy::option_option,
    reason = "wrong, or right and perhaps not there: the caller tells these apart with `?`"
)]
fn read_signed(
    table: &mut Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<SignedBy>> {
    let signature = table.text("signature", problems);
    if !table.has("key") {
        if let Some(signature) = signature {
            problems.add_with_help(
                signature.at,
                "a signature over a checksum document needs `key`",
                "name the [[key]] that must have made it",
            );
            return None;
        }
        return Some(None);
    }
    let key = table.require_parsed::<Name>("key", problems)?;
    check_key(&key, context.keys, problems);
    let detached = match signature {
        None => None,
        Some(text) => {
            let place = source(&text, &context.values, problems)?;
            file_name_fits(&place, problems)?;
            Some(place.value)
        }
    };
    Some(Some(SignedBy {
        key: key.value,
        detached,
    }))
}

/// `{ page, pattern }`: a digest that stands on a page.
fn read_page(
    mut table: Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Wanted> {
    let place = table.require_text("page", problems);
    let place = place.and_then(|text| source(&text, &context.values, problems));
    let pattern = table.require_text("pattern", problems);
    let name = table.text("name", problems);
    table.finish(problems);
    let name = match name {
        Some(name) => filled(&name, context, problems)?,
        None => context.file_name.to_owned(),
    };
    let pattern = pattern?;
    let mut values = context.values.clone();
    values.push(("file", &name));
    match Pattern::parse(pattern.value, Sought::Sha256, &values) {
        Ok(pattern) => Some(Wanted::Page {
            source: place?.value,
            pattern,
        }),
        Err(error) => {
            problems.add(pattern.at, error.to_string());
            None
        }
    }
}

/// `{ release, tag }`: the digest that a release API states for its asset.
fn read_release(
    mut table: Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<Wanted> {
    let repository = table.require_text("release", problems);
    let api = table.text("api", problems);
    let tag = table.require_text("tag", problems);
    let name = table.text("name", problems);
    table.finish(problems);
    let asset = match name {
        Some(name) => filled(&name, context, problems)?,
        None => context.file_name.to_owned(),
    };
    let releases = github(&repository?, api, problems)?;
    let tag = tag?;
    let filled = filled(&tag, context, problems)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
    match releases.join(&format!("tags/{filled}")) {
        Ok(url) if filled.chars().all(plain) => Some(Wanted::Release { url, asset }),
        _ => {
            problems.add(tag.at, "`tag` must be letters, digits and any of ._+~-");
            None
        }
    }
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

pub(super) fn read_first_lock(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<Wanted> {
    let reason = table.require_text("first-lock", problems);
    table.finish(problems);
    let reason = reason?;
    if reason.value.trim().chars().count() < MIN_REASON {
        let count = reason.value.trim().chars().count();
        problems.add_with_help(
            reason.at,
            format!(
                "a reason needs at least {MIN_REASON} characters, this has {count}: auditors read why the file is \
                 accepted although nobody vouches for it"
            ),
            "write it here: trust = { first-lock = \"upstream publishes neither checksum nor signature\" }",
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
