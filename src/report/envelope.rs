//! A report as it is kept: a header that differs from run to run, and a body that does not.
//!
//! ```json
//! {
//!   "header": { "report": 1, "kind": "verification", "time": "…", "host": "…", "operator": "…", "tool": "haversack 0.1.0" },
//!   "body": { … },
//!   "body_sha256": "…"
//! }
//! ```
//! `body_sha256` is the SHA-256 of the body as JSON in one line, with the keys of every object sorted
//! bytewise and nothing but what JSON needs between the tokens. Two people who looked at the same things
//! get the same one. By hand:
//! `python3 -c 'import json,sys; b=json.load(open(sys.argv[1]))["body"]; print(json.dumps(b,sort_keys=True,separators=(",",":"),ensure_ascii=False),end="")' FILE | sha256sum`

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::header::Created;
use crate::types::digest::Digest;
use crate::types::phrase::Phrase;

/// Longest report that is read, in bytes.
pub const MAX_REPORT: u64 = 64 * 1024 * 1024;
/// The format that this program knows.
const FORMAT: u32 = 1;

/// What differs from run to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportHeader {
    /// Format of the report: 1.
    pub report: u32,
    /// What it is about: `verification` or `dossier`.
    pub kind: String,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Created>,
    /// On which host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Phrase>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Phrase>,
    /// With which program.
    pub tool: Phrase,
    /// What depends on this host's memory and clock, and therefore stands outside the body.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub observed: Value,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// What differs from run to run.
    pub header: ReportHeader,
    /// What does not.
    pub body: Value,
    /// SHA-256 of the canonical text of the body.
    pub body_sha256: Digest,
}

/// Why a report cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is no report.
    #[error("this is no report: {0}")]
    Malformed(String),
    /// It is written in a newer format.
    #[error("the report has format {0}; this program knows 1")]
    Newer(u32),
    /// Its body is not the one that it was written with.
    #[error("the body has the SHA-256 {found}, the report states {stated}")]
    Changed {
        /// What the report states.
        stated: Digest,
        /// What its body has.
        found: Digest,
    },
}

impl EnvelopeError {
    /// A stable id for `haversack explain`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "E296",
            Self::Newer(_) => "E520",
            Self::Changed { .. } => "E367",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Malformed(_) => {
                "name a file that `haversack verify --report` or `haversack dossier --format json` wrote"
            }
            Self::Newer(_) => "use a newer haversack",
            Self::Changed { .. } => "do not rely on it: make the report again, and compare the two",
        };
        Some(text.to_owned())
    }
}

impl Envelope {
    /// A report of this body.
    ///
    /// # Errors
    /// When the body is no JSON, which no type of this program is.
    pub fn new<T: Serialize>(header: ReportHeader, body: &T) -> Result<Self, EnvelopeError> {
        let body = serde_json::to_value(body)
            .map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        let body_sha256 = Digest::of(canonical(&body).as_bytes());
        Ok(Self {
            header,
            body,
            body_sha256,
        })
    }

    /// Reads a report and holds its body against the digest in it.
    ///
    /// # Errors
    /// When it is no report, is newer, or was changed.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let envelope: Self = serde_json::from_slice(bytes)
            .map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        if envelope.header.report > FORMAT {
            return Err(EnvelopeError::Newer(envelope.header.report));
        }
        let found = Digest::of(canonical(&envelope.body).as_bytes());
        if found == envelope.body_sha256 {
            Ok(envelope)
        } else {
            Err(EnvelopeError::Changed {
                stated: envelope.body_sha256,
                found,
            })
        }
    }

    /// The text of the report, for a file.
    ///
    /// # Errors
    /// Never for a value of this type; the encoder's signature has an error.
    pub fn render(&self) -> Result<String, EnvelopeError> {
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .map_err(|error| EnvelopeError::Malformed(error.to_string()))
    }
}

impl ReportHeader {
    /// A header of this kind of report, with what is known of the run.
    #[must_use]
    pub fn new(kind: &str, tool: Phrase) -> Self {
        Self {
            report: FORMAT,
            kind: kind.to_owned(),
            time: None,
            host: None,
            operator: None,
            tool,
            observed: Value::Null,
        }
    }
}

/// JSON in one line, the keys of every object sorted bytewise.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let fields: Vec<String> = keys
                .into_iter()
                .filter_map(|key| Some((key, map.get(key)?)))
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(canonical).collect();
            format!("[{}]", all.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_digest_does_not_depend_on_the_order_of_keys_or_on_the_header() {
        let header = |kind: &str| ReportHeader::new(kind, "haversack 0.1.0".parse().unwrap());
        let one = Envelope::new(
            header("dossier"),
            &json!({"b": [1, {"y": 2, "x": "ä\n"}], "a": null}),
        );
        let two = Envelope::new(
            header("other"),
            &json!({"a": null, "b": [1, {"x": "ä\n", "y": 2}]}),
        );
        let one = one.unwrap();
        assert_eq!(
            canonical(&one.body),
            "{\"a\":null,\"b\":[1,{\"x\":\"ä\\n\",\"y\":2}]}"
        );
        assert_eq!(one.body_sha256, two.unwrap().body_sha256);
        let text = one.render().unwrap();
        assert_eq!(Envelope::parse(text.as_bytes()), Ok(one));
        let changed = text.replace("\"y\": 2", "\"y\": 3");
        assert_eq!(
            Envelope::parse(changed.as_bytes()).unwrap_err().id(),
            "E367"
        );
        let newer = text.replace("\"report\": 1", "\"report\": 2");
        assert_eq!(Envelope::parse(newer.as_bytes()).unwrap_err().id(), "E520");
        assert_eq!(Envelope::parse(b"{}").unwrap_err().id(), "E296");
    }
}
