//! `[[artifact]]`: one file from an upstream.

use std::collections::BTreeSet;

use super::check::{component, read_source, source};
use super::evidence::{self, Context};
use super::model::{Accepted, Artifact, Source};
use super::problem::Problems;
use super::tree::{Table, as_text, wrong_type};
use super::version;
use super::versions::{self, Reading};
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::Arch;

/// Shortest reason for an exception, in characters: it is read by auditors.
pub(super) const MIN_REASON: usize = 10;

/// Most findings that one artifact accepts.
const MAX_ACCEPTED: usize = 50;

pub(super) fn read(
    mut table: Table<'_>,
    (position, arch): (usize, Arch),
    keys: &BTreeSet<&Name>,
    reading: &mut Reading<'_>,
    problems: &mut Problems<'_>,
) -> Option<Artifact> {
    let at = table.at.clone();
    let component = component(&mut table, problems);
    let about = (position, arch, component.as_ref());
    let version = versions::read(&mut table, about, reading, problems);
    let open = version == Some(versions::Chosen::Open);
    let version = version.map(versions::Chosen::text);
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
        open,
    };
    let evidence = evidence::read(&mut table, &at, &context, problems);
    let accepted = read_accepted(&mut table, problems);
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
        accepted,
        component: component?,
    })
}

/// `accept`: findings of the catalogue that are lived with, each with the reason.
pub(super) fn read_accepted(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Vec<Accepted> {
    let mut accepted = Vec::new();
    let Some(value) = table.take("accept") else {
        return accepted;
    };
    let Some(entries) = value.get_ref().as_table() else {
        wrong_type(
            value,
            "accept",
            "a table: { \"CVE-…\" = \"why\" }",
            problems,
        );
        return accepted;
    };
    if entries.len() > MAX_ACCEPTED {
        problems.add(
            value.span(),
            format!("more than {MAX_ACCEPTED} findings are accepted"),
        );
        return accepted;
    }
    for (id, reason) in entries {
        let name = id.get_ref().as_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if name.is_empty() || name.len() > 60 || !name.chars().all(plain) {
            problems.add(
                id.span(),
                "a finding is named by letters, digits, `-` and `.`",
            );
            continue;
        }
        let Some(reason) = as_text(reason, "accept", problems) else {
            continue;
        };
        if reason.value.trim().chars().count() < MIN_REASON {
            problems.add_with_help(
                reason.at,
                format!("say in at least {MIN_REASON} characters why {name} is accepted: auditors read it"),
                format!("write it here: accept = {{ \"{name}\" = \"the service is reached from one host only\" }}"),
            );
            continue;
        }
        accepted.push(Accepted {
            id: name.to_owned(),
            reason: reason.value.to_owned(),
        });
    }
    accepted.sort();
    accepted
}
