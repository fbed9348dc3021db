//! What one host must satisfy: the list that `haversack preflight` and the generated
//! `preflight.sh` both work through.
//!
//! Staging computes the list from the plan and writes it as `HOST/checks.json`; [`CheckList::read`]
//! reads it back. A check names a row of the [`catalogue()`], what it is about, and the [`Probe`]
//! that finds out, with its parameters. Nothing here looks at a host.

mod catalogue;
mod probe;
mod words;

pub use catalogue::{Row, catalogue, ids, live_ids, row};
pub use probe::{
    Claim, DATABASE_QUERY, Login, Need, Packager, Probe, ServerTls, StartTls, Transport,
};
pub use words::{Line, ParseWordError, Word};

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use crate::fs::{self, PathError};
use crate::plan::Severity;
use crate::types::name::Name;

/// Name of the file in the folder of a host.
pub const CHECKS_JSON: &str = "checks.json";
/// The format that this version writes and reads. 1 is the first.
pub const FORMAT: u32 = 1;
/// Largest list, in bytes.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// Most checks of one host.
pub const MAX_CHECKS: usize = 500;

/// When a check must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before the installation, and after it.
    Before,
    /// Only after the installation.
    After,
}

impl Phase {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// One thing that a host must satisfy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostCheck {
    /// The rule, such as `DB-057`, or a row of this module such as `TOOL-026`.
    pub id: Word,
    /// How much it matters.
    #[serde(deserialize_with = "severity")]
    pub level: Severity,
    /// When it must hold.
    pub phase: Phase,
    /// What it is about.
    pub subject: Line,
    /// How it is found out.
    pub probe: Probe,
    /// What must be so.
    pub expected: Line,
    /// Why it matters.
    pub why: Line,
    /// What to do.
    pub fix: Line,
    /// Where it comes from.
    #[serde(rename = "ref")]
    pub source: Line,
}

/// Everything that one host must satisfy, in the order in which it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckList {
    /// The host.
    pub host: Name,
    /// The checks.
    pub checks: Vec<HostCheck>,
}

/// Why a list of checks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckListError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] PathError),
    /// It is another text.
    #[error("{path} is no list of checks")]
    Broken {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It was written by another version, or is larger than any that is written.
    #[error("{path}: {what}")]
    Unfit {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
}

impl CheckListError {
    /// The stable message id.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Read(error) => error.id(),
            Self::Broken { .. } | Self::Unfit { .. } => "E205",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read(_) => Some(
                "name the folder of one host in a staged tree: it holds install.sh and checks.json"
                    .to_owned(),
            ),
            Self::Broken { .. } | Self::Unfit { .. } => Some(
                "copy the folder of the host again, or run its preflight.sh, which needs no haversack"
                    .to_owned(),
            ),
        }
    }
}

/// `checks.json` as it stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<T> {
    format: u32,
    host: Name,
    checks: T,
}

/// What is read first: another format may have other keys.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl CheckList {
    /// The canonical text of the list: the same list gives the same bytes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let wire = Wire {
            format: FORMAT,
            host: self.host.clone(),
            checks: &self.checks,
        };
        // Every key is a text, so this cannot fail.
        let mut json = serde_json::to_vec_pretty(&wire).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Reads the list of the host whose folder this is.
    ///
    /// # Errors
    /// See [`CheckListError`].
    pub fn read(folder: &Path) -> Result<Self, CheckListError> {
        let path = folder.join(CHECKS_JSON);
        let bytes = fs::read(&path, MAX_BYTES)?;
        Self::parse(&bytes, &path.display().to_string())
    }

    /// Reads a list; `path` is named in errors.
    ///
    /// # Errors
    /// When it is no JSON, of another format, or has a value that is none.
    pub fn parse(bytes: &[u8], path: &str) -> Result<Self, CheckListError> {
        let broken = |source| CheckListError::Broken {
            path: path.to_owned(),
            source,
        };
        let unfit = |what| CheckListError::Unfit {
            path: path.to_owned(),
            what,
        };
        let Version { format } = serde_json::from_slice(bytes).map_err(broken)?;
        if format != FORMAT {
            return Err(unfit(format!(
                "format {format} is unknown; this version reads {FORMAT}"
            )));
        }
        let wire: Wire<Vec<HostCheck>> = serde_json::from_slice(bytes).map_err(broken)?;
        if wire.checks.len() > MAX_CHECKS {
            return Err(unfit(format!(
                "{} checks are more than {MAX_CHECKS}",
                wire.checks.len()
            )));
        }
        Ok(Self {
            host: wire.host,
            checks: wire.checks,
        })
    }
}

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
    let word = String::deserialize(deserializer)?;
    Severity::ALL
        .iter()
        .copied()
        .find(|known| known.as_str() == word)
        .ok_or_else(|| serde::de::Error::custom("`level` is error, warn or info"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> CheckList {
        let row = row("TOOL-033").unwrap();
        CheckList {
            host: "mm1".parse().unwrap(),
            checks: vec![row.check(
                Phase::Before,
                "tcp 443",
                Probe::PortFree {
                    protocol: Transport::Tcp,
                    port: 443,
                    owners: vec!["nginx".parse().unwrap()],
                },
            )],
        }
    }

    #[test]
    fn a_list_comes_back_as_it_was_written() {
        let json = list().to_json();
        assert_eq!(CheckList::parse(&json, "x").unwrap(), list());
        assert_eq!(json, list().to_json());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let json = String::from_utf8(list().to_json()).unwrap();
        let many = {
            let mut many = list();
            many.checks = vec![many.checks[0].clone(); MAX_CHECKS + 1];
            String::from_utf8(many.to_json()).unwrap()
        };
        for (text, why) in [
            (
                json.replace("\"format\": 1", "\"format\": 2"),
                "x: format 2 is unknown; this version reads 1",
            ),
            (
                json.replace("\"host\"", "\"hosts\""),
                "x is no list of checks",
            ),
            (
                json.replace("\"port\": 443", "\"port\": 70000"),
                "x is no list of checks",
            ),
            (
                json.replace("\"port\": 443", "\"port\": 443, \"more\": 1"),
                "x is no list of checks",
            ),
            (
                json.replace("\"nginx\"", "\"-o\""),
                "x is no list of checks",
            ),
            (
                json.replace("\"error\"", "\"fatal\""),
                "x is no list of checks",
            ),
            (
                json.replace("tcp 443", "tcp\\n443"),
                "x is no list of checks",
            ),
            (many, "x: 501 checks are more than 500"),
            (String::new(), "x is no list of checks"),
        ] {
            assert_eq!(
                CheckList::parse(text.as_bytes(), "x")
                    .unwrap_err()
                    .to_string(),
                why,
                "{text}"
            );
        }
    }
}
