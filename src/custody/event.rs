//! One event of a log, and the one line that it is written as.

use serde::{Deserialize, Serialize};

use super::{MAX_LINE, MAX_VOLUMES};
use crate::bundle::header::Created;
use crate::trust::key::{SignatureError, SigningKey, VerifyingKey};
use crate::trust::sshsig::{self, SshSigError};
use crate::types::digest::Digest;
use crate::types::name::Name;
use crate::types::phrase::Phrase;

/// The SSH signature namespace of events; it keeps signatures of bundles and of events apart.
pub const NAMESPACE: &str = "haversack-custody";
/// As what people act.
pub const ROLES: [&str; 7] = [
    "builder",
    "reviewer",
    "transfer-officer",
    "witness",
    "courier",
    "receiver",
    "installer",
];
/// What is done.
pub const ACTIONS: [&str; 11] = [
    "built",
    "signed",
    "reviewed",
    "scanned",
    "written",
    "carried",
    "received",
    "verified",
    "staged",
    "repaired",
    "destroyed",
];
/// The format of events that this program knows.
const FORMAT: u32 = 1;

/// What a person or program has to say; the log adds number, `prev` and signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// When.
    pub time: Created,
    /// Who.
    pub actor: Phrase,
    /// As what: one of [`ROLES`], or another word.
    pub role: Name,
    /// What was done: one of [`ACTIONS`], or another word.
    pub action: Name,
    /// SHA-256 of what it was done with: a bundle's identity, or a file.
    pub object: Digest,
    /// The volumes or media that it was done with.
    pub volumes: Vec<Phrase>,
    /// Where it came from.
    pub from: Option<Phrase>,
    /// Where it went.
    pub to: Option<Phrase>,
    /// The second person, where two are needed.
    pub second: Option<Phrase>,
    /// The program and its version.
    pub tool: Phrase,
    /// What came out: `ok`, or the id of a message.
    pub result: Phrase,
    /// Anything else.
    pub note: Option<Phrase>,
}

/// One event of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    custody: u32,
    /// Its number, counted from 1.
    pub n: u64,
    /// When.
    pub time: Created,
    /// Who.
    pub actor: Phrase,
    /// As what.
    pub role: Name,
    /// What was done.
    pub action: Name,
    /// SHA-256 of what it was done with.
    pub object: Digest,
    /// The volumes or media that it was done with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Phrase>,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Phrase>,
    /// Where it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Phrase>,
    /// The second person, where two are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Phrase>,
    /// The program and its version.
    pub tool: Phrase,
    /// What came out.
    pub result: Phrase,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Phrase>,
    /// SHA-256 of the line before; of the first event, of what the log is about.
    pub prev: Digest,
    /// An SSH signature over the line without this field, base64 in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

/// Why a line is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is too long.
    #[error("longer than 16 KiB, or of more than {MAX_VOLUMES} volumes")]
    TooLong,
    /// It is no JSON of the right shape.
    #[error("no event: {0}")]
    Malformed(String),
    /// It is written in a newer format.
    #[error("format {0}; this program knows 1")]
    Newer(u64),
    /// It is not written the one way that is read.
    #[error("not in its canonical form")]
    NotCanonical,
}

impl Event {
    /// The event with this number after the line with digest `prev`, signed when a key is given.
    ///
    /// # Errors
    /// As [`SigningKey::sign`].
    pub fn new(
        draft: Draft,
        n: u64,
        prev: Digest,
        key: Option<&SigningKey>,
    ) -> Result<Self, SignatureError> {
        let mut event = Self {
            custody: FORMAT,
            n,
            time: draft.time,
            actor: draft.actor,
            role: draft.role,
            action: draft.action,
            object: draft.object,
            volumes: draft.volumes,
            from: draft.from,
            to: draft.to,
            second: draft.second,
            tool: draft.tool,
            result: draft.result,
            note: draft.note,
            prev,
            signature: None,
        };
        if let Some(key) = key {
            let armored = sshsig::sign_for(key, NAMESPACE, event.render().as_bytes())?;
            event.signature = Some(sshsig::one_line(&armored));
        }
        Ok(event)
    }

    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// When it is no event, or is not the one text of it.
    pub fn parse(line: &[u8]) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        struct Format {
            custody: u64,
        }
        if line.len() > MAX_LINE {
            return Err(EventError::TooLong);
        }
        if let Ok(Format { custody }) = serde_json::from_slice::<Format>(line)
            && custody > u64::from(FORMAT)
        {
            return Err(EventError::Newer(custody));
        }
        let event: Self = serde_json::from_slice(line)
            .map_err(|error| EventError::Malformed(error.to_string()))?;
        if event.custody != FORMAT {
            return Err(EventError::Malformed("`custody` must be 1".to_owned()));
        }
        if event.volumes.len() > MAX_VOLUMES {
            return Err(EventError::TooLong);
        }
        if event.render().as_bytes() == line {
            Ok(event)
        } else {
            Err(EventError::NotCanonical)
        }
    }

    /// Its line, without a line feed.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "text keys, texts and numbers, which JSON can always write"
    )]
    pub fn render(&self) -> String {
        serde_json::to_string(self).expect("an event is plain JSON")
    }

    /// The key that signed it, after checking the signature; `None` when it is not signed.
    ///
    /// # Errors
    /// When the signature does not hold for this event.
    pub fn signer(&self) -> Result<Option<VerifyingKey>, SshSigError> {
        let Some(signature) = &self.signature else {
            return Ok(None);
        };
        let mut unsigned = self.clone();
        unsigned.signature = None;
        let armored = sshsig::armored(signature);
        sshsig::verify_for(armored.as_bytes(), NAMESPACE, unsigned.render().as_bytes()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn draft() -> Draft {
        Draft {
            time: Created::from_epoch(1_795_000_000).unwrap(),
            actor: "Zoë Example".parse().unwrap(),
            role: "courier".parse().unwrap(),
            action: "carried".parse().unwrap(),
            object: Digest::of(b"bundle"),
            volumes: vec!["v1".parse().unwrap()],
            from: Some("low side".parse().unwrap()),
            to: Some("high side".parse().unwrap()),
            second: None,
            tool: "haversack 0.1.0".parse().unwrap(),
            result: "ok".parse().unwrap(),
            note: None,
        }
    }

    #[test]
    fn an_event_has_one_text_which_is_read_back() {
        let event = Event::new(draft(), 1, Digest::of(b"bundle"), None).unwrap();
        let line = event.render();
        let object = Digest::of(b"bundle");
        assert_eq!(
            line,
            format!(
                "{{\"custody\":1,\"n\":1,\"time\":\"2026-11-18T11:06:40Z\",\"actor\":\"Zoë Example\",\"role\":\"courier\",\
                 \"action\":\"carried\",\"object\":\"{object}\",\"volumes\":[\"v1\"],\"from\":\"low side\",\
                 \"to\":\"high side\",\"tool\":\"haversack 0.1.0\",\"result\":\"ok\",\"prev\":\"{object}\"}}"
            )
        );
        assert_eq!(Event::parse(line.as_bytes()), Ok(event));
        assert_eq!(
            Event::parse(line.replace("\"n\":1", "\"n\": 1").as_bytes()),
            Err(EventError::NotCanonical)
        );
        assert_eq!(
            Event::parse(line.replace("\"custody\":1", "\"custody\":2").as_bytes()),
            Err(EventError::Newer(2))
        );
        for bad in [
            line.replace("Zoë", "Zo\\u0000"),
            line.replace("\"result\":\"ok\",", ""),
            line.replace("\"n\":1", "\"n\":1,\"n\":1"),
            line.replace("low side", "\u{202e}edis wol"),
            "[".repeat(9000),
        ] {
            assert!(
                matches!(Event::parse(bad.as_bytes()), Err(EventError::Malformed(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_signature_holds_for_its_event_only_and_not_for_bundles() {
        let key = SigningKey::generate().unwrap();
        let event = Event::new(draft(), 1, Digest::of(b"x"), Some(&key)).unwrap();
        let again = Event::parse(event.render().as_bytes()).unwrap();
        assert_eq!(again.signer().unwrap().as_ref(), Some(key.verifying_key()));
        let mut other = again.clone();
        other.note = Some("added later".parse().unwrap());
        assert!(other.signer().is_err());
        let mut unsigned = again;
        unsigned.signature = None;
        let bundle = sshsig::sign(&key, unsigned.render().as_bytes()).unwrap();
        unsigned.signature = Some(sshsig::one_line(&bundle));
        assert!(matches!(
            unsigned.signer(),
            Err(SshSigError::Namespace(name)) if name == "haversack-bundle"
        ));
    }
}
