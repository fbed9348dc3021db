//! What differs between two locks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::model::{Evidence, Lock, Vouched};

/// One difference between two locks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Difference {
    /// A fact about the whole: version, target, manifest.
    Head {
        /// Which.
        what: &'static str,
        /// In the older lock.
        old: String,
        /// In the newer lock.
        new: String,
    },
    /// A file is in the newer lock only.
    Added {
        /// Its path.
        path: String,
    },
    /// A file is in the older lock only.
    Removed {
        /// Its path.
        path: String,
    },
    /// A file has other bytes, or another size is stated for the same.
    Changed {
        /// Its path.
        path: String,
        /// Every field that differs; never empty.
        fields: Vec<Field>,
    },
    /// The bytes are the same, but not who vouched for them, or what else is said of them.
    Evidence {
        /// Its path.
        path: String,
        /// Every field that differs; never empty.
        fields: Vec<Field>,
    },
    /// Something about a package repository is not the same.
    Repository {
        /// Its name.
        name: String,
        /// Every field that differs; never empty.
        fields: Vec<Field>,
    },
}

/// A field of a file or repository that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Field {
    /// Which, such as `sha256`.
    pub field: &'static str,
    /// In the older lock; `none` where it is not there.
    pub old: String,
    /// In the newer lock.
    pub new: String,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.field, self.old, self.new)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head { what, old, new } => write!(f, "{what}: {old} -> {new}"),
            Self::Added { path } => write!(f, "+ {path}"),
            Self::Removed { path } => write!(f, "- {path}"),
            Self::Changed { path, fields } => write!(f, "! {path}: {}", listed(fields)),
            Self::Evidence { path, fields } => write!(f, "~ {path}: {}", listed(fields)),
            Self::Repository { name, fields } => {
                write!(f, "~ repository {name}: {}", listed(fields))
            }
        }
    }
}

fn listed(fields: &[Field]) -> String {
    let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
    fields.join("; ")
}

/// What is said of something, by field; each with all its values, sorted.
type Facts = BTreeMap<&'static str, BTreeSet<String>>;

pub(super) fn between(old: &Lock, new: &Lock) -> Vec<Difference> {
    let mut found = Vec::new();
    for (what, old, new) in [
        ("name", old.name.to_string(), new.name.to_string()),
        ("version", old.version.clone(), new.version.clone()),
        ("target", old.target.to_string(), new.target.to_string()),
        (
            "manifest",
            old.manifest.to_string(),
            new.manifest.to_string(),
        ),
    ] {
        if old != new {
            found.push(Difference::Head { what, old, new });
        }
    }
    let (repositories, others) = (repositories(old), repositories(new));
    for (name, facts) in &repositories {
        // A repository that comes or goes shows by its files.
        let fields = others.get(name).map(|others| differing(facts, others));
        if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
            let name = (*name).to_owned();
            found.push(Difference::Repository { name, fields });
        }
    }
    let (old, new) = (files(old), files(new));
    for (path, facts) in &old {
        let path = (*path).to_owned();
        let Some(others) = new.get(path.as_str()) else {
            found.push(Difference::Removed { path });
            continue;
        };
        let fields = differing(facts, others);
        let bytes = fields.iter().any(|one| matches!(one.field, SHA256 | SIZE));
        if bytes {
            found.push(Difference::Changed { path, fields });
        } else if !fields.is_empty() {
            found.push(Difference::Evidence { path, fields });
        }
    }
    for path in new.keys().filter(|path| !old.contains_key(*path)) {
        let path = (*path).to_owned();
        found.push(Difference::Added { path });
    }
    found.sort();
    found
}

const SHA256: &str = "sha256";
const SIZE: &str = "size";

/// The fields that are not the same; of each only the values that the other does not have.
fn differing(old: &Facts, new: &Facts) -> Vec<Field> {
    let none = BTreeSet::new();
    let fields: BTreeSet<&'static str> = old.keys().chain(new.keys()).copied().collect();
    let mut all = Vec::new();
    for field in fields {
        let (old, new) = (
            old.get(field).unwrap_or(&none),
            new.get(field).unwrap_or(&none),
        );
        if old == new {
            continue;
        }
        let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
            let own: Vec<&str> = these.difference(those).map(String::as_str).collect();
            match own.as_slice() {
                [] => "none".to_owned(),
                own => own.join(", "),
            }
        };
        all.push(Field {
            field,
            old: only(old, new),
            new: only(new, old),
        });
    }
    all
}

fn say(facts: &mut Facts, field: &'static str, value: &dyn fmt::Display) {
    facts.entry(field).or_default().insert(value.to_string());
}

fn files(lock: &Lock) -> BTreeMap<&str, Facts> {
    let mut all: BTreeMap<&str, Facts> = BTreeMap::new();
    for file in lock.evidence().chain(lock.payload()) {
        let facts = all.entry(file.path.as_str()).or_default();
        say(facts, SHA256, &file.sha256);
        say(facts, SIZE, &file.size);
        say(facts, "url", &file.url);
    }
    for artifact in &lock.artifacts {
        let facts = all.entry(artifact.file.path.as_str()).or_default();
        say(facts, "component", &artifact.component);
        say(facts, "version", &artifact.version);
        // The order of mirrors is told by their numbers.
        for (number, mirror) in artifact.mirrors.iter().enumerate() {
            say(
                facts,
                "mirrors",
                &format!("{}. {mirror}", number.saturating_add(1)),
            );
        }
        for evidence in &artifact.evidence {
            say(facts, "evidence", &one_line(evidence));
        }
        for accepted in &artifact.accepted {
            say(
                facts,
                "accept",
                &format!("{}: {}", accepted.id, accepted.reason),
            );
        }
        if let Some(expect) = &artifact.expect {
            say(facts, "expect", expect);
        }
        if artifact.stand_in {
            say(facts, "stand-in", &"yes");
        }
    }
    for image in &lock.images {
        let facts = all.entry(image.manifest.path.as_str()).or_default();
        say(facts, "component", &image.component);
        say(facts, "version", &image.version);
        say(facts, "reference", &image.name);
        for evidence in &image.evidence {
            say(facts, "evidence", &one_line(evidence));
        }
        for accepted in &image.accepted {
            let text = format!("{}: {}", accepted.id, accepted.reason);
            say(facts, "accept", &text);
        }
        if image.stand_in {
            say(facts, "stand-in", &"yes");
        }
    }
    for repository in &lock.repositories {
        for package in &repository.packages {
            let facts = all.entry(package.file.path.as_str()).or_default();
            say(
                facts,
                "package",
                &format!("{} {}", package.name, package.arch),
            );
            say(facts, "version", &package.version);
            say(facts, "because", &package.because);
            for component in &package.needed_by {
                say(facts, "needed by", component);
            }
        }
    }
    all
}

fn repositories(lock: &Lock) -> BTreeMap<&str, Facts> {
    let mut all: BTreeMap<&str, Facts> = BTreeMap::new();
    for repository in &lock.repositories {
        let facts = all.entry(repository.name.as_str()).or_default();
        say(facts, "uri", &repository.uri);
        say(facts, "keyring", &repository.keyring.path);
        for pinned in &repository.pinned {
            say(facts, "pinned", pinned);
        }
        for suite in &repository.suites {
            let name = &suite.suite;
            say(facts, "suites", name);
            say(facts, "date", &format!("{name} {}", suite.date));
            for component in &suite.components {
                say(facts, "components", &format!("{name} {component}"));
            }
            for signer in &suite.signed_by {
                say(facts, "signed by", &format!("{name} {signer}"));
            }
            if let Some(until) = &suite.valid_until {
                say(facts, "valid until", &format!("{name} {until}"));
            }
        }
    }
    all
}

/// All that one piece of evidence says, without the day of the catalogue, which does not matter as long
/// as it says the same.
fn one_line(evidence: &Evidence) -> String {
    let mut line = match &evidence.vouched {
        Vouched::Catalogue(_) => "sha256 stated by the catalogue".to_owned(),
        Vouched::Page { excerpt, .. } | Vouched::Release { excerpt, .. } => {
            format!("{}: {}", evidence.vouched, excerpt.escape_debug())
        }
        other => other.to_string(),
    };
    for file in evidence.document.iter().chain(&evidence.key) {
        line = format!("{line} ({})", file.path);
    }
    if let Some(signed) = &evidence.signed {
        let form = signed.signature.as_ref();
        let form = form.map_or("clear-signed", |file| file.path.as_str());
        line = format!("{line} signed by {} ({form})", signed.by);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with one letter or digit of its values changed, at each place in turn.
    fn mutations(text: &str) -> Vec<String> {
        let (mut all, mut at) = (Vec::new(), 0);
        for line in text.split_inclusive('\n') {
            let begin = line.find(" = ").map_or(line.len(), |equals| equals + 3);
            // The day of the catalogue alone is no difference; the head is told apart.
            if !line.starts_with("as-of") && !line.starts_with("format") {
                for (place, c) in line.char_indices().skip_while(|(place, _)| *place < begin) {
                    let other = match c {
                        '9' => '8',
                        '0'..='8' => '9',
                        'f' | 'F' => 'e',
                        'a'..='z' => 'f',
                        'A'..='Z' => 'F',
                        _ => continue,
                    };
                    let mut changed = text.to_owned();
                    changed.replace_range(at + place..=at + place, &other.to_string());
                    all.push(changed);
                }
            }
            at += line.len();
        }
        all
    }

    #[test]
    fn every_change_of_a_lock_is_a_difference_that_shows_it() {
        let mut counted = 0;
        for text in [
            include_str!("../../tests/fixtures/locks/format-1.lock"),
            include_str!("../../tests/fixtures/locks/format-1-signed.lock"),
        ] {
            let old = Lock::parse(text, "m.lock").unwrap();
            assert_eq!(between(&old, &old), []);
            for changed in mutations(text) {
                let Ok(new) = Lock::parse(&changed, "m.lock") else {
                    continue;
                };
                if new == old {
                    continue;
                }
                counted += 1;
                let found = between(&old, &new);
                assert!(!found.is_empty(), "{changed}");
                for one in found {
                    let shown = one.to_string();
                    let fields = match &one {
                        Difference::Changed { fields, .. }
                        | Difference::Evidence { fields, .. }
                        | Difference::Repository { fields, .. } => fields.as_slice(),
                        _ => continue,
                    };
                    assert!(!fields.is_empty(), "{shown}");
                    assert!(fields.iter().all(|one| one.old != one.new), "{shown}");
                }
            }
        }
        assert!(counted > 1000, "{counted}");
    }

    #[test]
    fn another_size_alone_is_shown() {
        let text = include_str!("../../tests/fixtures/locks/format-1.lock");
        let old = Lock::parse(text, "m.lock").unwrap();
        let new = text.replacen("size = 1000", "size = 1001", 1);
        let new = Lock::parse(&new, "m.lock").unwrap();
        let found: Vec<String> = between(&old, &new)
            .iter()
            .map(ToString::to_string)
            .collect();
        let path = "files/mattermost/mattermost-11.7.10-linux-amd64.tar.gz";
        assert_eq!(found, [format!("! {path}: size 1000 -> 1001")]);
    }
}
