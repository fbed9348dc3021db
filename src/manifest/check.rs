//! From text to model, collecting problems.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use super::model::{Artifact, Image, Key, Manifest, Source};
use super::problem::{ManifestProblems, Problems};
use super::tree::{Placed, Table, as_table, parse as parse_text, wrong_type};
use super::versions::Reading;
use super::{MAX_MANIFEST, apt, artifact, canonical, image};
use crate::types::name::Name;
use crate::types::path::RelPath;
use crate::types::target::{Arch, Distribution, Family, Target};

/// The roles that staging knows. A component that begins with `extra-` is carried and verified, but
/// not staged.
pub const COMPONENTS: [&str; 17] = [
    "calls-offloader",
    "desktop",
    "elasticsearch",
    "grafana",
    "haproxy",
    "mattermost",
    "mc",
    "minio",
    "nginx",
    "opensearch",
    "pgbouncer",
    "plugin",
    "postgresql",
    "prometheus",
    "push-proxy",
    "redis",
    "rtcd",
];

/// Most `[[artifact]]`, `[[key]]`, `[[apt.repository]]` or `[[apt.packages]]` of a manifest, each.
pub(super) const MAX_ITEMS: usize = 500;

pub(super) fn parse(
    text: &str,
    file_name: &str,
    reading: &mut Reading<'_>,
) -> Result<Manifest, ManifestProblems> {
    let mut problems = Problems::new(text);
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_MANIFEST {
        problems.add(0..0, format!("longer than {MAX_MANIFEST} bytes"));
        return Err(problems.finish(file_name));
    }
    let (document, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        // What follows a syntax error may be read wrongly, so that only these are reported.
        for error in syntax {
            let end = text.len();
            problems.add(error.span().unwrap_or(end..end), one_line(error.message()));
        }
        return Err(problems.finish(file_name));
    }
    let root = Table::new(document.get_ref(), 0..0, "the manifest");
    let model = read(root, reading, &mut problems, document.get_ref());
    match model {
        Some(manifest) if problems.is_empty() => Ok(manifest),
        _ => Err(problems.finish(file_name)),
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(
    mut root: Table<'_>,
    reading: &mut Reading<'_>,
    problems: &mut Problems<'_>,
    document: &DeTable<'_>,
) -> Option<Manifest> {
    if !is_format_1(&mut root, problems) {
        // A newer format may have other keys: nothing else is judged.
        return None;
    }
    let name = root.require_parsed::<Name>("name", problems);
    let version = root.text("version", problems);
    let target = read_target(&mut root, problems);
    let keys = read_keys(&mut root, problems);
    let names: BTreeSet<&Name> = keys.iter().map(|key| &key.name).collect();
    let arch = target.map_or(Arch::Amd64, |target| target.arch);
    let artifacts = read_artifacts(&mut root, arch, &names, reading, problems);
    let images = read_images(&mut root, arch, problems);
    let apt = root.table("apt", "[apt]", problems).and_then(|table| {
        if let Some(target) = target
            && target.distribution.family() == Family::Rhel
        {
            problems.add_with_help(
                table.at.clone(),
                format!("{} has no apt", target.distribution),
                "take [apt] out: a bundle for it holds programs, and its packages come from the dnf repositories of the hosts",
            );
        }
        apt::read(table, &names, problems)
    });
    reading.check_repositories(apt.as_ref(), problems);
    reading.check_keys(&names, problems);
    let at = root.at.clone();
    root.finish(problems);
    if artifacts.is_empty() && images.is_empty() && apt.is_none() && problems.is_empty() {
        problems.add(
            at.clone(),
            "the manifest wants nothing: add [[artifact]], [[image]] or [apt]",
        );
    }
    let first = artifacts.first().map(|one| &one.version);
    let version = match (version, first.or(images.first().map(|one| &one.version))) {
        (Some(stated), _) => Some(stated.value.to_owned()),
        (None, Some(first)) => Some(first.clone()),
        (None, None) => {
            if problems.is_empty() {
                problems.add(
                    at,
                    "the manifest lacks the key `version`, and has no artifact to take it from",
                );
            }
            None
        }
    };
    Some(Manifest {
        name: name?.value,
        version: version?,
        target: target?,
        keys,
        artifacts,
        images,
        apt,
        digest: canonical::digest(document),
    })
}

fn is_format_1(root: &mut Table<'_>, problems: &mut Problems<'_>) -> bool {
    let Some(value) = root.require("format", problems) else {
        return true;
    };
    match value.get_ref().as_integer() {
        Some(number) if number.as_str() == "1" => true,
        Some(number) => {
            problems.add_with_help(
                value.span(),
                format!("manifest format {number}, this program knows 1"),
                "use a newer haversack",
            );
            false
        }
        None => {
            wrong_type(value, "format", "the number 1", problems);
            false
        }
    }
}

fn read_target(root: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Target> {
    let value = root.require("target", problems)?;
    let mut table = as_table(value, "target", "`target`", problems)?;
    let distribution = table.require_parsed::<Distribution>("distribution", problems);
    let arch = table.require_text("arch", problems).and_then(|text| {
        let known = [Arch::Amd64, Arch::Arm64]
            .into_iter()
            .find(|arch| arch.as_str() == text.value);
        if known.is_none() {
            problems.add(text.at, "`arch` must be \"amd64\" or \"arm64\"");
        }
        known
    });
    table.finish(problems);
    Some(Target {
        distribution: distribution?.value,
        arch: arch?,
    })
}

fn read_keys(root: &mut Table<'_>, problems: &mut Problems<'_>) -> Vec<Key> {
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    for mut table in root.tables("key", "[[key]]", MAX_ITEMS, problems) {
        let name = table.require_parsed::<Name>("name", problems);
        let at = table.at.clone();
        let texts = table.texts("openpgp", problems);
        if texts.is_empty() {
            problems.add(at, "[[key]] needs `openpgp`, a list of fingerprints");
        }
        let openpgp: Vec<_> = texts
            .iter()
            .filter_map(|text| parse_text(text, problems))
            .map(|placed| placed.value)
            .collect();
        let source = read_source(&mut table, &[], problems);
        table.finish(problems);
        if let (Some(name), Some(source)) = (name, source) {
            if !seen.insert(name.value.clone()) {
                problems.add(
                    name.at,
                    format!("the key `{}` is defined twice", name.value),
                );
            } else if openpgp.len() == texts.len() {
                keys.push(Key {
                    name: name.value,
                    openpgp,
                    source: source.value,
                });
            } else {
                // Its name counts as defined, so that one wrong fingerprint is one problem.
                keys.push(Key {
                    name: name.value,
                    openpgp: Vec::new(),
                    source: source.value,
                });
            }
        }
    }
    keys
}

fn read_artifacts(
    root: &mut Table<'_>,
    arch: Arch,
    keys: &BTreeSet<&Name>,
    reading: &mut Reading<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Artifact> {
    let mut paths: BTreeMap<String, RelPath> = BTreeMap::new();
    let mut artifacts = Vec::new();
    let tables = root.tables("artifact", "[[artifact]]", MAX_ITEMS, problems);
    for (position, table) in tables.into_iter().enumerate() {
        let at = table.at.clone();
        let place = (position, arch);
        if let Some(artifact) = artifact::read(table, place, keys, reading, problems) {
            let folded = artifact.path.case_folded();
            if let Some(other) = paths.insert(folded, artifact.path.clone()) {
                problems.add(at, format!("two artifacts would stand at {other}"));
            }
            artifacts.push(artifact);
        }
    }
    artifacts
}

fn read_images(root: &mut Table<'_>, arch: Arch, problems: &mut Problems<'_>) -> Vec<Image> {
    let mut names = BTreeSet::new();
    let mut images = Vec::new();
    for table in root.tables("image", "[[image]]", MAX_ITEMS, problems) {
        let at = table.at.clone();
        if let Some(image) = image::read(table, arch, problems) {
            if !names.insert(image.name.clone()) {
                problems.add(at, format!("the image {} is named twice", image.name));
            }
            images.push(image);
        }
    }
    images
}

/// `url` or `path` of a table.
pub(super) fn read_source(
    table: &mut Table<'_>,
    values: &[(&str, &str)],
    problems: &mut Problems<'_>,
) -> Option<Placed<Source>> {
    let url = table.text("url", problems);
    let path = table.text("path", problems);
    match (url, path) {
        (Some(url), None) => source(&url, values, problems),
        (None, Some(path)) if path.value.contains(':') => {
            problems.add(
                path.at,
                "`path` is a path relative to the manifest; use `url`",
            );
            None
        }
        (None, Some(path)) => {
            let as_url = format!("file:{}", path.value);
            let placed = Placed {
                value: as_url.as_str(),
                at: path.at,
            };
            source(&placed, values, problems)
        }
        (Some(_), Some(path)) => {
            problems.add(path.at, "give `url` or `path`, not both");
            None
        }
        (None, None) => {
            problems.add(
                table.at.clone(),
                format!("{} lacks `url` or `path`", table.called),
            );
            None
        }
    }
}

/// A URL, or a path relative to the manifest as `file:dir/name`.
pub(super) fn source(
    text: &Placed<&str>,
    values: &[(&str, &str)],
    problems: &mut Problems<'_>,
) -> Option<Placed<Source>> {
    let filled = match super::version::fill(text.value, values) {
        Ok(filled) => filled,
        Err(error) => {
            problems.add(text.at.clone(), error.to_string());
            return None;
        }
    };
    let value = match filled.strip_prefix("file:") {
        Some(path) if !path.starts_with("//") => {
            if path.is_empty() || path.starts_with('/') || path.chars().any(char::is_whitespace) {
                problems.add_with_help(
                    text.at.clone(),
                    "a path must be relative to the manifest and hold no white space",
                    "write an absolute path as file:///…",
                );
                return None;
            }
            Source::Path(path.to_owned())
        }
        _ => match filled.parse() {
            Ok(url) => Source::Url(url),
            Err(error) => {
                problems.add(text.at.clone(), error.to_string());
                return None;
            }
        },
    };
    Some(Placed {
        value,
        at: text.at.clone(),
    })
}

/// A component: known to staging, or `extra-…`.
pub(super) fn component(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Name> {
    let name = table.require_parsed::<Name>("component", problems)?;
    let text = name.value.as_str();
    if !COMPONENTS.contains(&text) && !text.starts_with("extra-") {
        problems.add_with_help(
            name.at,
            format!("`{text}` is no component that staging knows"),
            format!(
                "known are {}; `extra-{text}` is carried without being staged",
                COMPONENTS.join(", ")
            ),
        );
    }
    Some(name.value)
}

/// Whether a key is defined; a problem when not.
pub(super) fn check_key(name: &Placed<Name>, keys: &BTreeSet<&Name>, problems: &mut Problems<'_>) {
    if !keys.contains(&name.value) {
        let known: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let help = if known.is_empty() {
            "there is no [[key]] in this manifest".to_owned()
        } else {
            format!("defined are {}", known.join(", "))
        };
        problems.add_with_help(
            name.at.clone(),
            format!("the key `{}` is not defined", name.value),
            help,
        );
    }
}
