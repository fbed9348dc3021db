//! `[apt]`: package repositories, and what is wanted from them.

use std::collections::BTreeSet;

use super::artifact::MIN_REASON;
use super::check::{MAX_ITEMS, check_key, component};
use super::model::{Apt, Base, Origin, Packages, Recommends, Repository};
use super::problem::Problems;
use super::tree::{Placed, Table, absolute_url, as_table, wrong_type};
use crate::types::name::Name;

/// Bounds of pin priorities that make sense (`apt_preferences`(5)).
const PRIORITIES: std::ops::RangeInclusive<i32> = -1..=1100;

pub(super) fn read(
    mut table: Table<'_>,
    keys: &BTreeSet<&Name>,
    problems: &mut Problems<'_>,
) -> Option<Apt> {
    let at = table.at.clone();
    let base = read_base(&mut table, problems);
    let recommends = if table.flag("recommends", problems) {
        Recommends::Include
    } else {
        Recommends::Skip
    };
    let accept_expired = table.text("accept-expired", problems).and_then(|reason| {
        let long = reason.value.trim().chars().count() >= MIN_REASON;
        if !long {
            problems.add_with_help(
                reason.at,
                format!("say in at least {MIN_REASON} characters why an expired index is accepted"),
                "write it here: accept-expired = \"the archive is not updated any more\"",
            );
        }
        long.then(|| reason.value.to_owned())
    });
    let mut names = BTreeSet::new();
    let mut repositories = Vec::new();
    let mut complete = true;
    for found in table.tables("repository", "[[apt.repository]]", MAX_ITEMS, problems) {
        let Some((name, repository)) = read_repository(found, keys, problems) else {
            complete = false;
            continue;
        };
        if !names.insert(name.value.clone()) {
            problems.add(
                name.at,
                format!("the repository `{}` is defined twice", name.value),
            );
        }
        repositories.push(repository);
    }
    let packages: Vec<Packages> = table
        .tables("packages", "[[apt.packages]]", MAX_ITEMS, problems)
        .into_iter()
        .filter_map(|found| read_packages(found, problems))
        .collect();
    table.finish(problems);
    if repositories.is_empty() && complete && problems.is_empty() {
        problems.add(at, "[apt] needs at least one [[apt.repository]]");
    }
    Some(Apt {
        base: base?,
        recommends,
        accept_expired,
        repositories,
        packages,
    })
}

fn read_base(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Base> {
    let Some(value) = table.take("base") else {
        return Some(Base::Essential);
    };
    if value.get_ref().is_table() {
        let mut status = as_table(value, "base", "`base`", problems)?;
        let path = status.require_text("status", problems);
        status.finish(problems);
        return path.map(|path| Base::Status(path.value.to_owned()));
    }
    match value.get_ref().as_str() {
        Some("nothing") => Some(Base::Nothing),
        Some("essential") => Some(Base::Essential),
        _ => {
            let expected = "\"nothing\", \"essential\" or { status = \"file\" }";
            if value.get_ref().is_str() {
                problems.add(value.span(), format!("`base` must be {expected}"));
            } else {
                wrong_type(value, "base", expected, problems);
            }
            None
        }
    }
}

fn read_repository(
    mut table: Table<'_>,
    keys: &BTreeSet<&Name>,
    problems: &mut Problems<'_>,
) -> Option<(Placed<Name>, Repository)> {
    let name = table.require_parsed::<Name>("name", problems);
    let priority = table.take("priority").and_then(|value| {
        let number = value.get_ref().as_integer();
        let number = number.and_then(|n| i32::from_str_radix(n.as_str(), n.radix()).ok());
        let number = number.filter(|number| PRIORITIES.contains(number));
        if number.is_none() {
            problems.add(value.span(), "`priority` must be a number from -1 to 1100");
        }
        number
    });
    let from = table.text("from", problems);
    let origin = match from {
        Some(from) if from.value == "system" => {
            for key in ["uri", "suites", "components", "key"] {
                if let Some(value) = table.take(key) {
                    problems.add(
                        value.span(),
                        format!("`{key}` does not go with from = \"system\""),
                    );
                }
            }
            Some(Origin::System)
        }
        Some(from) => {
            problems.add(from.at, "`from` can only be \"system\"");
            None
        }
        None => read_stated(&mut table, keys, problems),
    };
    table.finish(problems);
    let name = name?;
    let repository = Repository {
        name: name.value.clone(),
        origin: origin?,
        priority,
    };
    Some((name, repository))
}

fn read_stated(
    table: &mut Table<'_>,
    keys: &BTreeSet<&Name>,
    problems: &mut Problems<'_>,
) -> Option<Origin> {
    let uri = table.require_text("uri", problems);
    let uri = uri.and_then(|text| absolute_url(&text, problems));
    let at = table.at.clone();
    let mut words = |key: &'static str, problems: &mut Problems<'_>| -> Vec<String> {
        let texts = table.texts(key, problems);
        if texts.is_empty() {
            problems.add(
                at.clone(),
                format!("[[apt.repository]] needs `{key}`, a list"),
            );
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "._+~/-".contains(c);
        for text in &texts {
            let safe = text.value.chars().all(fits)
                && text
                    .value
                    .split('/')
                    .all(|part| !part.is_empty() && part != "." && part != "..");
            if !safe {
                problems.add(
                    text.at.clone(),
                    format!("`{key}` holds words of A-Z a-z 0-9 . _ + ~ - and /"),
                );
            }
        }
        texts.iter().map(|text| text.value.to_owned()).collect()
    };
    let suites = words("suites", problems);
    let components = words("components", problems);
    let key = table.require_parsed::<Name>("key", problems);
    if let Some(key) = &key {
        check_key(key, keys, problems);
    }
    Some(Origin::Stated {
        uri: uri?.value,
        suites,
        components,
        key: key?.value,
    })
}

fn read_packages(mut table: Table<'_>, problems: &mut Problems<'_>) -> Option<Packages> {
    let component = component(&mut table, problems);
    let at = table.at.clone();
    let install = table.texts("install", problems);
    if install.is_empty() {
        problems.add(at, "[[apt.packages]] needs `install`, a list of packages");
    }
    for text in &install {
        if !is_package_name(text.value) {
            problems.add(
                text.at.clone(),
                format!("`{}` is no name of a Debian package", text.value),
            );
        }
    }
    table.finish(problems);
    Some(Packages {
        component: component?,
        install: install.iter().map(|text| text.value.to_owned()).collect(),
    })
}

/// Debian Policy §5.6.7: at least two of a-z, 0-9, `+`, `-`, `.`, beginning with a letter or digit.
fn is_package_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() >= 2 && text.starts_with(word) && text.chars().all(|c| word(c) || "+-.".contains(c))
}
