//! The report of a verification, as evidence: a body that two auditors get alike, and its text.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::envelope::{Envelope, EnvelopeError, ReportHeader};
use crate::trust::directory::Trust;
use crate::types::size::ByteSize;
use crate::verify::{Verdict, VerifyReport};

/// The kind of these reports.
pub const KIND: &str = "verification";

/// The report of a verification with this trust. How the bundle stands to what this host accepted
/// before, and what its clock says, goes into the header: the body depends on bundle and trust only.
///
/// # Errors
/// When it cannot be written as JSON, which no report of this program is.
pub fn envelope(
    report: &VerifyReport,
    trust: &Trust,
    mut header: ReportHeader,
) -> Result<Envelope, EnvelopeError> {
    let mut seen = report.clone();
    let mut observed = serde_json::Map::new();
    // That this host verified the other volumes before is its own memory.
    if seen.verdict == Verdict::GoodInTurn {
        observed.insert("verdict".to_owned(), json!(seen.verdict));
        seen.verdict = Verdict::Incomplete;
    }
    let mut body =
        serde_json::to_value(&seen).map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
    if let Some(fields) = body.as_object_mut() {
        for name in ["standing", "override_reason", "warnings", "earlier_volumes"] {
            if let Some(value) = fields.remove(name) {
                observed.insert(name.to_owned(), value);
            }
        }
        fields.insert("id".to_owned(), json!(seen.id()));
        fields.insert("trust".to_owned(), json!(trust.summary()));
    }
    header.observed = Value::Object(observed);
    Envelope::new(header, &body)
}

/// The text of a report, made from nothing but what stands in it.
#[must_use]
pub fn text(report: &Envelope) -> String {
    let body = &report.body;
    let at = |path: &str| shown(body.pointer(path).unwrap_or(&Value::Null));
    let list = |path: &str| {
        let found = body.pointer(path).and_then(Value::as_array);
        found.cloned().unwrap_or_default()
    };
    let bytes = |path: &str| {
        let number = body.pointer(path).and_then(Value::as_u64);
        ByteSize(number.unwrap_or(0)).to_string()
    };
    let marking = at("/header/marking");
    let mut text = format!("{marking}\n\nVERIFICATION REPORT\n\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "verdict     {}\nbundle      {} {}, number {}\nfor         {} {}\ncreated     {}\nidentity    {}",
        at("/verdict").to_uppercase(),
        at("/header/name"),
        at("/header/version"),
        at("/header/sequence"),
        at("/target/distribution"),
        at("/target/arch"),
        at("/header/created"),
        at("/identity"),
    );
    for signer in list("/signers") {
        let field = |name: &str| shown(signer.get(name).unwrap_or(&Value::Null));
        let _ = writeln!(
            text,
            "signed by   {} {}, fingerprint {}",
            field("key"),
            field("name"),
            field("fingerprint")
        );
    }
    let _ = writeln!(
        text,
        "needed      {} of the keys of the trust directory, version {}, SHA-256 {}",
        at("/threshold"),
        at("/trust/version"),
        at("/trust/digest")
    );
    let _ = writeln!(
        text,
        "hashed      {} files, {}; the bundle lists {} files, {}",
        at("/files_good"),
        bytes("/bytes_good"),
        at("/header/files"),
        bytes("/header/bytes")
    );
    for volume in list("/absent_volumes") {
        let _ = writeln!(text, "not here    volume {}", shown(&volume));
    }
    for stand_in in list("/stand_ins") {
        let _ = writeln!(
            text,
            "STAND-IN    {}: not the real program",
            shown(&stand_in)
        );
    }
    for one in list("/cms") {
        let field = |name: &str| shown(one.get(name).unwrap_or(&Value::Null));
        let detail = one.get("subject").or_else(|| one.get("reason"));
        let _ = writeln!(
            text,
            "CMS         {}: {}: {}",
            field("file"),
            field("verdict"),
            shown(detail.unwrap_or(&Value::Null))
        );
    }
    for ignored in list("/ignored_signatures") {
        let field = |name: &str| shown(ignored.get(name).unwrap_or(&Value::Null));
        let _ = writeln!(text, "not counted {}: {}", field("file"), field("reason"));
    }
    for problem in list("/problems") {
        let field = |name: &str| shown(problem.get(name).unwrap_or(&Value::Null));
        let _ = writeln!(text, "wrong       [{}] {}", field("id"), field("message"));
    }
    footer(report, &mut text);
    let _ = writeln!(text, "\n{marking}");
    text
}

/// Who made a report, and the digest of its body.
pub(super) fn footer(report: &Envelope, text: &mut String) {
    let header = &report.header;
    text.push('\n');
    if let Some(time) = &header.time {
        let _ = writeln!(text, "made        {time}");
    }
    if let Some(host) = &header.host {
        let _ = writeln!(text, "on          {host}");
    }
    if let Some(operator) = &header.operator {
        let _ = writeln!(text, "by          {operator}");
    }
    let _ = writeln!(text, "with        {}", header.tool);
    if let Some(standing) = header.observed.get("standing") {
        let _ = writeln!(text, "standing    {}", shown(standing));
    }
    if let Some(reason) = header.observed.get("override_reason")
        && !reason.is_null()
    {
        let _ = writeln!(text, "OVERRIDE    --allow-rollback: {}", shown(reason));
    }
    if let Some(verdict) = header.observed.get("verdict") {
        let _ = writeln!(
            text,
            "in turn     {}: this host verified the other volumes before",
            shown(verdict)
        );
    }
    let warnings = header.observed.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten() {
        let field = |name: &str| shown(warning.get(name).unwrap_or(&Value::Null));
        let _ = writeln!(text, "warning     [{}] {}", field("id"), field("text"));
    }
    let _ = writeln!(text, "body SHA-256 {}", report.body_sha256);
}

/// A value of a report for people; nothing in it can move the cursor or turn the text.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
