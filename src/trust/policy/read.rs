//! Reading `policy.toml` and `revoked.toml`: every problem with its place.

use std::num::NonZeroU8;

use serde::Deserialize;
use toml::Spanned;

use super::{
    Cms, CmsTime, Demand, FORMAT, FRESH_DAYS, KeyEntry, MAX_POLICY, MAX_TEXT, Policy, PolicyError,
    Revoked,
};
use crate::types::name::Name;
use crate::types::place::line_and_column;
use crate::types::target::Target;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Wire {
    format: Spanned<u32>,
    threshold: Option<Spanned<u8>>,
    #[serde(default)]
    required_roles: Vec<Spanned<Name>>,
    names: Option<Spanned<Vec<Name>>>,
    platforms: Option<Spanned<Vec<Target>>>,
    markings: Option<Spanned<Vec<Spanned<String>>>>,
    fresh_days: Option<u32>,
    #[serde(default)]
    key: Vec<WireKey>,
    #[serde(default)]
    revoked: Vec<WireRevoked>,
    cms: Option<Spanned<Demand>>,
    #[serde(default)]
    cms_pins: Vec<Spanned<String>>,
    #[serde(default)]
    cms_authorities: Vec<Spanned<String>>,
    cms_time: Option<Spanned<CmsTime>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    file: Spanned<String>,
    name: Spanned<String>,
    #[serde(default)]
    roles: Vec<Name>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRevoked {
    key: Spanned<String>,
    reason: Spanned<String>,
    since: Option<Spanned<String>>,
}

/// The content of `revoked.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireList {
    format: Spanned<u32>,
    version: Spanned<u32>,
    #[serde(default)]
    revoked: Vec<WireRevoked>,
}

/// The policy in a TOML text.
pub(super) fn policy(text: &str) -> Result<Policy, Vec<PolicyError>> {
    if text.len() > MAX_POLICY {
        return Err(vec![at(text, 0, "the policy is longer than 256 KiB")]);
    }
    let wire: Wire = read(text, "policy.toml", &["format"])?;
    let mut problems = Problems {
        text,
        found: Vec::new(),
    };
    let policy = wire.into_model(&mut problems);
    problems.end(policy)
}

/// The keys that a text revokes.
pub(super) fn revoked(text: &str) -> Result<Vec<Revoked>, Vec<PolicyError>> {
    if text.len() > MAX_POLICY {
        return Err(vec![at(text, 0, "the list is longer than 256 KiB")]);
    }
    let wire: WireList = read(text, "revoked.toml", &["format", "version"])?;
    let mut problems = Problems {
        text,
        found: Vec::new(),
    };
    if *wire.format.get_ref() != FORMAT {
        problems.add(&wire.format, "`format` must be 1");
    }
    if *wire.version.get_ref() == 0 {
        problems.add(&wire.version, "`version` is a number from 1");
    }
    let version = Some(wire.version.into_inner());
    let all = wire.revoked.into_iter();
    let revoked = all.map(|one| problems.revoked(one, version)).collect();
    problems.end(revoked)
}

/// The wire form of a text. The format is read before anything else, so that a newer file is named as
/// such and not as one with unknown keys; and what a text lacks is named all at once.
fn read<T: serde::de::DeserializeOwned>(
    text: &str,
    file: &str,
    needed: &[&str],
) -> Result<T, Vec<PolicyError>> {
    let table = toml::from_str::<toml::Table>(text).ok();
    let newer = table
        .as_ref()
        .and_then(|table| table.get("format").and_then(toml::Value::as_integer))
        .filter(|format| *format > i64::from(FORMAT));
    if let Some(format) = newer {
        let what = format!("policy format {format}; this program knows {FORMAT}");
        return Err(vec![at(text, 0, &what)]);
    }
    let lacking = table.map_or_else(Vec::new, |table| lacking(&table, needed));
    if !lacking.is_empty() {
        let what = format!(
            "{} missing; begin with `format = 1`, and see `haversack explain {file}` for a full example",
            lacking.join(", ")
        );
        return Err(vec![at(text, 0, &what)]);
    }
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        vec![at(text, start, error.message())]
    })
}

/// The keys that a text must have and lacks, those of its entries with the number of the entry.
fn lacking(table: &toml::Table, needed: &[&str]) -> Vec<String> {
    let top = needed.iter().filter(|key| !table.contains_key(**key));
    let mut found: Vec<String> = top.map(|key| format!("`{key}`")).collect();
    for (list, keys) in [("key", ["file", "name"]), ("revoked", ["key", "reason"])] {
        let entries = table.get(list).and_then(toml::Value::as_array);
        for (index, entry) in entries.into_iter().flatten().enumerate() {
            let entry = entry.as_table();
            let absent = keys
                .iter()
                .filter(|key| entry.is_some_and(|entry| !entry.contains_key(**key)));
            found.extend(absent.map(|key| {
                let number = index.saturating_add(1);
                format!("`{key}` of [[{list}]] {number}")
            }));
        }
    }
    found
}

impl Wire {
    fn into_model(self, problems: &mut Problems<'_>) -> Policy {
        if *self.format.get_ref() != FORMAT {
            problems.add(&self.format, "`format` must be 1");
        }
        let threshold = self.threshold.map_or(NonZeroU8::MIN, |number| {
            NonZeroU8::new(*number.get_ref()).unwrap_or_else(|| {
                problems.add(
                    &number,
                    "`threshold` must be at least 1: a bundle without a signature is never accepted",
                );
                NonZeroU8::MIN
            })
        });
        let names = problems.some(self.names);
        let platforms = problems.some(self.platforms);
        let markings = problems
            .some(self.markings)
            .into_iter()
            .map(|one| problems.printable(one))
            .collect();
        let mut keys: Vec<KeyEntry> = Vec::new();
        for wire in self.key {
            let file = wire.file.get_ref();
            let stem = file.strip_suffix(".pem").unwrap_or_default();
            if stem.is_empty() || file.contains('/') {
                problems.add(
                    &wire.file,
                    "`file` names a *.pem file of the trust directory",
                );
            }
            if keys.iter().any(|known| known.file == *file) {
                problems.add(&wire.file, "this file has an entry already");
            }
            keys.push(KeyEntry {
                name: problems.printable(wire.name),
                file: wire.file.into_inner(),
                roles: wire.roles,
            });
        }
        let revoked = self
            .revoked
            .into_iter()
            .map(|wire| problems.revoked(wire, None))
            .collect();
        let pins = problems.certificates(self.cms_pins);
        let authorities = problems.certificates(self.cms_authorities);
        let cms = self.cms.map(|demand| {
            if pins.is_empty() && authorities.is_empty() {
                let what = "give `cms-pins` or `cms-authorities`, or no CMS signature could count";
                problems.add(&demand, what);
            }
            Cms {
                demand: demand.into_inner(),
                pins,
                authorities,
                time: self.cms_time.map(Spanned::into_inner).unwrap_or_default(),
            }
        });
        for role in &self.required_roles {
            if !keys.iter().any(|key| key.roles.contains(role.get_ref())) {
                problems.add(
                    role,
                    "no [[key]] has this role, so that no bundle could be accepted",
                );
            }
        }
        Policy {
            threshold,
            required_roles: self
                .required_roles
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            names,
            platforms,
            markings,
            fresh_days: self.fresh_days.unwrap_or(FRESH_DAYS),
            keys,
            revoked,
            cms,
        }
    }
}

/// Problems found so far in a text.
struct Problems<'a> {
    text: &'a str,
    found: Vec<PolicyError>,
}

impl Problems<'_> {
    fn add<T>(&mut self, place: &Spanned<T>, problem: &str) {
        self.found.push(at(self.text, place.span().start, problem));
    }

    /// The model when nothing is wrong, else all that is, in the order of the text.
    fn end<T>(mut self, model: T) -> Result<T, Vec<PolicyError>> {
        self.found
            .sort_by_key(|problem| (problem.line, problem.column));
        if self.found.is_empty() {
            Ok(model)
        } else {
            Err(self.found)
        }
    }

    fn revoked(&mut self, wire: WireRevoked, version: Option<u32>) -> Revoked {
        // As `keygen` and `trust show` print it: in groups.
        let mut key = wire.key.get_ref().to_ascii_lowercase();
        key.retain(|c| c != ' ');
        let hex = key.chars().all(|c| c.is_ascii_hexdigit());
        if !hex || !matches!(key.len(), 16 | 64) {
            self.add(
                &wire.key,
                "a key id of 16 hex digits, or a fingerprint of 64",
            );
        }
        Revoked {
            key,
            reason: self.printable(wire.reason),
            since: wire.since.map(|since| self.printable(since)),
            version,
        }
    }

    /// A list of what may come in. One that is empty reads as if nothing might, and would let everything in.
    fn some<T>(&mut self, list: Option<Spanned<Vec<T>>>) -> Vec<T> {
        let Some(list) = list else {
            return Vec::new();
        };
        if list.get_ref().is_empty() {
            self.add(
                &list,
                "an empty list: leave the key out when any may come in",
            );
        }
        list.into_inner()
    }

    fn certificates(&mut self, files: Vec<Spanned<String>>) -> Vec<String> {
        let mut names = Vec::new();
        for file in files {
            let name = file.get_ref();
            let stem = name.strip_suffix(".crt").unwrap_or_default();
            if stem.is_empty() || name.contains('/') {
                self.add(&file, "names a *.crt file of the trust directory");
            }
            names.push(file.into_inner());
        }
        names
    }

    fn printable(&mut self, field: Spanned<String>) -> String {
        let text = field.get_ref();
        if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
            self.add(&field, "must be 1 to 200 bytes without control characters");
        }
        field.into_inner()
    }
}

fn at(text: &str, start: usize, problem: &str) -> PolicyError {
    let (line, column) = line_and_column(text, start);
    PolicyError {
        line,
        column,
        text: problem.to_owned(),
    }
}
