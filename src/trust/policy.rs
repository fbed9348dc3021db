//! `policy.toml` of a trust directory: how many of whose signatures a bundle needs, and which
//! bundles this network takes in at all.
//!
//! ```toml
//! format = 1
//! threshold = 2                          # signatures by different keys; 1 when not given
//! required-roles = ["builder", "reviewer"]
//! names = ["mattermost-linux"]           # bundles that may come in; any when not given
//! platforms = [{ distribution = "debian-12", arch = "amd64" }]
//! markings = ["UNCLASSIFIED"]
//! fresh-days = 90                        # older bundles raise a warning, never an error
//!
//! [[key]]
//! file = "alice.pem"
//! name = "Alice Example"
//! roles = ["builder"]
//!
//! [[revoked]]
//! fingerprint = "…64 hex digits…"
//! reason = "laptop lost 2026-10-02"
//! ```
//!
//! A key file without an entry is trusted under its file name and has no role.

use std::num::NonZeroU8;

use serde::Deserialize;
use toml::Spanned;

use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::target::Target;

/// Longest `policy.toml`, in bytes.
pub const MAX_POLICY: usize = 256 * 1024;
/// Longest name, marking or reason, in bytes.
pub const MAX_TEXT: usize = 200;
/// Days after which a bundle's age raises a warning, when the policy does not say.
pub const FRESH_DAYS: u32 = 90;
/// The policy format that this program knows.
pub const FORMAT: u32 = 1;

/// What a network demands of bundles that come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How many different keys must have signed.
    pub threshold: NonZeroU8,
    /// Roles that must be among the signers.
    pub required_roles: Vec<Name>,
    /// Bundles that may come in; empty for any.
    pub names: Vec<Name>,
    /// Platforms that may come in; empty for any.
    pub platforms: Vec<Target>,
    /// Markings that may come in; empty for any.
    pub markings: Vec<String>,
    /// Days after which a bundle's age raises a warning.
    pub fresh_days: u32,
    /// What is said about key files.
    pub keys: Vec<KeyEntry>,
    /// Keys that must never count again.
    pub revoked: Vec<Revoked>,
}

/// Who holds a key, and what it may speak for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its file in the trust directory.
    pub file: String,
    /// Who holds it.
    pub name: String,
    /// What it speaks for.
    pub roles: Vec<Name>,
}

/// A key that must never count again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// SHA-256 of its SPKI DER form.
    pub fingerprint: Digest,
    /// Why.
    pub reason: String,
}

/// What is wrong with a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {text}")]
pub struct PolicyError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1 in bytes.
    pub column: usize,
    /// What is wrong.
    pub text: String,
}

impl Default for Policy {
    /// One signature by any key of the directory; any bundle.
    fn default() -> Self {
        Self {
            threshold: NonZeroU8::MIN,
            required_roles: Vec::new(),
            names: Vec::new(),
            platforms: Vec::new(),
            markings: Vec::new(),
            fresh_days: FRESH_DAYS,
            keys: Vec::new(),
            revoked: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Wire {
    format: Spanned<u32>,
    threshold: Option<Spanned<u8>>,
    #[serde(default)]
    required_roles: Vec<Spanned<Name>>,
    #[serde(default)]
    names: Vec<Name>,
    #[serde(default)]
    platforms: Vec<Target>,
    #[serde(default)]
    markings: Vec<Spanned<String>>,
    fresh_days: Option<u32>,
    #[serde(default)]
    key: Vec<WireKey>,
    #[serde(default)]
    revoked: Vec<WireRevoked>,
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
    fingerprint: Digest,
    reason: Spanned<String>,
}

impl Policy {
    /// The policy in a TOML text.
    ///
    /// # Errors
    /// All problems, each with its place. A text that is no TOML gives one.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyError>> {
        if text.len() > MAX_POLICY {
            return Err(vec![at(text, 0, "the policy is longer than 256 KiB")]);
        }
        // The format is read before anything else, so that a newer file is named as such and not
        // as one with unknown keys.
        let newer = toml::from_str::<toml::Table>(text)
            .ok()
            .and_then(|table| table.get("format").and_then(toml::Value::as_integer))
            .filter(|format| *format > i64::from(FORMAT));
        if let Some(format) = newer {
            let text = at(
                text,
                0,
                &format!("policy format {format}; this program knows {FORMAT}"),
            );
            return Err(vec![text]);
        }
        let wire: Wire = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            vec![at(text, start, error.message())]
        })?;
        let mut problems = Problems {
            text,
            found: Vec::new(),
        };
        let policy = wire.into_model(&mut problems);
        if problems.found.is_empty() {
            Ok(policy)
        } else {
            problems
                .found
                .sort_by_key(|problem| (problem.line, problem.column));
            Err(problems.found)
        }
    }
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
        let markings = self
            .markings
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
            .map(|wire| Revoked {
                fingerprint: wire.fingerprint,
                reason: problems.printable(wire.reason),
            })
            .collect();
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
            names: self.names,
            platforms: self.platforms,
            markings,
            fresh_days: self.fresh_days.unwrap_or(FRESH_DAYS),
            keys,
            revoked,
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

    fn printable(&mut self, field: Spanned<String>) -> String {
        let text = field.get_ref();
        if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
            self.add(&field, "must be 1 to 200 bytes without control characters");
        }
        field.into_inner()
    }
}

fn at(text: &str, start: usize, problem: &str) -> PolicyError {
    let before = text.get(..start).unwrap_or_default();
    let line_start = before
        .rfind('\n')
        .map_or(0, |newline| newline.saturating_add(1));
    PolicyError {
        line: before.matches('\n').count().saturating_add(1),
        column: start.saturating_sub(line_start).saturating_add(1),
        text: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_policy_has_the_defaults() {
        assert_eq!(Policy::parse("format = 1\n"), Ok(Policy::default()));
    }

    #[test]
    fn reads_everything_it_documents() {
        let policy = Policy::parse(
            r#"
format = 1
threshold = 2
required-roles = ["builder", "reviewer"]
names = ["mattermost-linux"]
platforms = [{ distribution = "debian-12", arch = "amd64" }]
markings = ["UNCLASSIFIED"]
fresh-days = 30
[[key]]
file = "alice.pem"
name = "Alice Example"
roles = ["builder"]
[[key]]
file = "bob.pem"
name = "Bob Example"
roles = ["reviewer"]
[[revoked]]
fingerprint = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
reason = "laptop lost 2026-10-02"
"#,
        )
        .unwrap();
        assert_eq!(policy.threshold.get(), 2);
        assert_eq!(policy.keys[1].name, "Bob Example");
        assert_eq!(policy.revoked[0].fingerprint, Digest::of(b"abc"));
        assert_eq!(policy.platforms[0].to_string(), "debian-12 amd64");
    }

    #[test]
    fn names_every_problem_with_its_place() {
        let text = "format = 1\nthreshold = 0\nrequired-roles = [\"reviewer\"]\n[[key]]\nfile = \"../a.pem\"\nname = \"\"\n";
        let found: Vec<String> = Policy::parse(text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "line 2, column 13: `threshold` must be at least 1: a bundle without a signature is never accepted",
                "line 3, column 19: no [[key]] has this role, so that no bundle could be accepted",
                "line 5, column 8: `file` names a *.pem file of the trust directory",
                "line 6, column 8: must be 1 to 200 bytes without control characters",
            ]
        );
    }

    #[test]
    fn refuses_unknown_keys_and_newer_formats() {
        let unknown = Policy::parse("format = 1\ntreshold = 2\n").unwrap_err();
        assert_eq!((unknown[0].line, unknown[0].column), (2, 1));
        let newer = Policy::parse("format = 2\nthreshhold = 2\n").unwrap_err();
        assert_eq!(newer[0].text, "policy format 2; this program knows 1");
        assert!(Policy::parse("").is_err());
    }
}
