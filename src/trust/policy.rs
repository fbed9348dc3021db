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
//! key = "9f2c41d07e18a3b5"               # key id or fingerprint, as `haversack trust show` prints them
//! reason = "laptop lost"
//! since = "2026-10-02"                   # for people: a signature cannot prove when it was made
//! ```
//! Keys may also be revoked in a file `revoked.toml` beside it, which carries a number of its own and is
//! quicker to bring over than a new policy:
//! ```toml
//! format = 1
//! version = 3
//! [[revoked]]
//! key = "9f2c41d07e18a3b5"
//! reason = "laptop lost"
//! ```
//! For signatures of an organisation's PKI (CMS, `sig/*.p7s`) the policy also takes:
//! ```toml
//! cms = "required"                       # or "report": checked and told, and not asked for
//! cms-pins = ["signer.crt"]              # certificates of signers that count, whoever issued them
//! cms-authorities = ["org-ca.crt"]       # a signer's certificate must lead to one of these
//! cms-time = "clock"                     # or "signing": valid when the bundle was made, by its own word
//! ```
//!
//! A key file without an entry is trusted under its file name and has no role.

use std::fmt;
use std::num::NonZeroU8;

use serde::Deserialize;
use toml::Spanned;

use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::place::line_and_column;
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
    /// What is asked of CMS signatures; they are left alone when nothing is.
    pub cms: Option<Cms>,
}

/// What is asked of CMS signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cms {
    /// Whether a bundle needs one.
    pub demand: Demand,
    /// Files of certificates of signers that count.
    pub pins: Vec<String>,
    /// Files of certificates that a signer's certificate may lead to.
    pub authorities: Vec<String>,
    /// When certificates must be valid.
    pub time: CmsTime,
}

/// Whether something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// A bundle without it is refused.
    Required,
    /// It is told, and not needed.
    Report,
}

/// When certificates must be valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CmsTime {
    /// Now, by the clock of this host.
    #[default]
    Clock,
    /// When the bundle was made, by its own word.
    Signing,
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
    /// Its fingerprint, or the first 16 digits of it.
    key: String,
    /// Why.
    pub reason: String,
    /// Since when, in the words of those who revoked it.
    pub since: Option<String>,
    /// The number of the `revoked.toml` that says so; none when the policy does.
    pub version: Option<u32>,
}

impl Revoked {
    /// Whether the key with this fingerprint (SHA-256 of its SPKI DER form) is meant.
    #[must_use]
    pub fn means(&self, fingerprint: &Digest) -> bool {
        fingerprint.to_string().starts_with(&self.key)
    }
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "version {version} of revoked.toml")?,
            None => write!(f, "policy.toml")?,
        }
        if let Some(since) = &self.since {
            write!(f, ", since {since}")?;
        }
        write!(f, ": {}", self.reason)
    }
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
            cms: None,
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

impl Policy {
    /// The policy in a TOML text.
    ///
    /// # Errors
    /// All problems, each with its place. A text that is no TOML gives one.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyError>> {
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
}

/// The keys that a text revokes, in the form of `revoked.toml`.
///
/// # Errors
/// All problems, each with its place.
pub fn parse_revoked(text: &str) -> Result<Vec<Revoked>, Vec<PolicyError>> {
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
            names: self.names,
            platforms: self.platforms,
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
key = "ba7816bf8f01cfea"
reason = "laptop lost"
since = "2026-10-02"
"#,
        )
        .unwrap();
        assert_eq!(policy.threshold.get(), 2);
        assert_eq!(policy.keys[1].name, "Bob Example");
        assert!(policy.revoked[0].means(&Digest::of(b"abc")));
        assert!(!policy.revoked[0].means(&Digest::of(b"abd")));
        assert_eq!(
            policy.revoked[0].to_string(),
            "policy.toml, since 2026-10-02: laptop lost"
        );
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
    fn what_a_text_lacks_is_named_all_at_once() {
        let lacking =
            |found: Vec<PolicyError>| found.into_iter().map(|one| one.text).collect::<String>();
        let said = lacking(Policy::parse("threshold = 2\n[[key]]\nroles = []\n").unwrap_err());
        assert_eq!(
            said,
            "`format`, `file` of [[key]] 1, `name` of [[key]] 1 missing; begin with `format = 1`, and see `haversack explain \
             policy.toml` for a full example"
        );
        let said = lacking(parse_revoked("[[revoked]]\nsince = \"2026\"\n").unwrap_err());
        assert!(
            said.starts_with(
                "`format`, `version`, `key` of [[revoked]] 1, `reason` of [[revoked]] 1 missing;"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_fingerprint_in_groups_is_the_same_as_without_spaces() {
        let text = |key: &str| {
            format!("format = 1\nversion = 1\n[[revoked]]\nkey = \"{key}\"\nreason = \"lost\"\n")
        };
        let grouped = parse_revoked(&text("BA78 16bf 8f01 cfea")).unwrap();
        assert_eq!(grouped, parse_revoked(&text("ba7816bf8f01cfea")).unwrap());
        assert!(grouped.first().unwrap().means(&Digest::of(b"abc")));
        assert!(parse_revoked(&text("ba78 16bf")).is_err());
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
