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

mod read;

use std::fmt;
use std::num::NonZeroU8;

use serde::Deserialize;

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
    /// Whether it means every key that `other` means.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.key.starts_with(&self.key)
    }

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

impl Policy {
    /// The policy in a TOML text.
    ///
    /// # Errors
    /// All problems, each with its place. A text that is no TOML gives one.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyError>> {
        read::policy(text)
    }
}

/// The keys that a text revokes, in the form of `revoked.toml`.
///
/// # Errors
/// All problems, each with its place.
pub fn parse_revoked(text: &str) -> Result<Vec<Revoked>, Vec<PolicyError>> {
    read::revoked(text)
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
        let whole = parse_revoked(&text(&Digest::of(b"abc").to_string())).unwrap();
        let covers = |one: &[Revoked], other: &[Revoked]| one[0].covers(&other[0]);
        assert!(covers(&grouped, &whole) && !covers(&whole, &grouped));
        assert!(parse_revoked(&text("ba78 16bf")).is_err());
    }

    #[test]
    fn a_list_that_is_empty_does_not_let_everything_in() {
        let text = "format = 1\nnames = []\nplatforms = []\nmarkings = []\n";
        let found = Policy::parse(text).unwrap_err();
        let places: Vec<(usize, usize)> = found.iter().map(|one| (one.line, one.column)).collect();
        assert_eq!(places, [(2, 9), (3, 13), (4, 12)]);
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
