//! The dossier for people and for spreadsheets. All forms are made from the same value.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Dossier, Row};
use crate::report::page;
use crate::types::digest::Digest;
use crate::types::size::ByteSize;

/// The marking, or what stands in its place before there is one.
fn marking(dossier: &Dossier) -> &str {
    dossier.marking.as_deref().unwrap_or("NOT YET MARKED")
}

fn title(dossier: &Dossier) -> String {
    let number = dossier.sequence.map_or_else(
        || "not built yet".to_owned(),
        |sequence| format!("number {sequence}"),
    );
    format!("{} {}, {number}", dossier.name, dossier.version)
}

/// The dossier as text.
#[must_use]
pub fn text(dossier: &Dossier, body_sha256: &Digest) -> String {
    let marking = marking(dossier);
    let mut text = format!("{marking}\n\nDOSSIER FOR A TRANSFER\n\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "bundle      {}\nfor         {}\ncontent     {} files, {}\nsignature   {}",
        title(dossier),
        dossier.target,
        dossier.count,
        ByteSize(dossier.bytes),
        dossier.signature
    );
    for (word, digest) in [("identity", dossier.identity), ("lock", dossier.lock)] {
        if let Some(digest) = digest {
            let _ = writeln!(text, "{word:<11} {digest}  ({})", digest.label());
        }
    }
    if let Some(created) = &dossier.created {
        let _ = writeln!(text, "created     {created}");
    }
    for row in &dossier.files {
        row_text(row, &mut text);
    }
    if !dossier.attention.is_empty() {
        text.push_str("\nTO LOOK AT\n");
    }
    for line in &dossier.attention {
        let _ = writeln!(text, "  {}", plain(line));
    }
    if !dossier.violations.is_empty() {
        text.push_str("\nFORBIDDEN BY THE POLICY\n");
    }
    for one in &dossier.violations {
        let path = one.path.as_deref().unwrap_or("the bundle");
        let _ = writeln!(
            text,
            "  {}: {}\n    rule {}; next: {}",
            plain(path),
            plain(&one.found),
            one.rule,
            one.fix
        );
    }
    let _ = writeln!(
        text,
        "\nSCANS   engine, version, definitions of, size limit, alert above limit, result\n\
         \x20 1 ______________________________________________________________________________\n\
         \x20 2 ______________________________________________________________________________\n\
         APPROVED by ________________________  signature ______________________  date ____________\n\
         \nbody SHA-256 {body_sha256}\n\n{marking}"
    );
    text
}

fn row_text(row: &Row, text: &mut String) {
    let stand_in = if row.stand_in { "  STAND-IN" } else { "" };
    let _ = writeln!(
        text,
        "\n{}{stand_in}\n  name      {} {}; licence {}\n  size      {} bytes ({}){}\n  type      {}{}\n  sha256    {}",
        plain(&row.path),
        plain(&row.name),
        plain(row.version.as_deref().unwrap_or("without version")),
        plain(&row.licence),
        row.size,
        ByteSize(row.size),
        row.volume
            .as_ref()
            .map_or_else(String::new, |volume| format!(", volume {volume}")),
        row.detected,
        match &row.declared {
            Some(declared) if row.mismatch() => format!(", BUT NAMED AS {declared}"),
            Some(declared) => format!(", named as {declared}"),
            None => ", its name promises nothing".to_owned(),
        },
        row.sha256,
    );
    if let Some(url) = &row.url {
        let _ = writeln!(text, "  from      {}", plain(url));
    }
    for line in &row.evidence {
        let _ = writeln!(text, "  evidence  {}", plain(line));
    }
}

/// Foreign words on one line.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The columns of the spreadsheet form.
const COLUMNS: [&str; 17] = [
    "path",
    "volume",
    "kind",
    "name",
    "version",
    "licence",
    "size",
    "named_as",
    "bytes_are",
    "mismatch",
    "sha256",
    "url",
    "evidence",
    "stand_in",
    "scan_1",
    "scan_2",
    "scan_3",
];

/// The dossier as comma-separated values (RFC 4180): a line of names, and a line for each file.
#[must_use]
pub fn csv(dossier: &Dossier) -> String {
    let mut text = line(&COLUMNS.map(str::to_owned));
    for row in &dossier.files {
        let kind = serde_json::to_value(row.kind).unwrap_or_default();
        text.push_str(&line(&[
            row.path.clone(),
            row.volume.clone().unwrap_or_default(),
            kind.as_str().unwrap_or_default().to_owned(),
            row.name.clone(),
            row.version.clone().unwrap_or_default(),
            row.licence.clone(),
            row.size.to_string(),
            row.declared.clone().unwrap_or_default(),
            row.detected.clone(),
            row.mismatch().to_string(),
            row.sha256.to_string(),
            row.url.clone().unwrap_or_default(),
            row.evidence.join("; "),
            row.stand_in.to_string(),
            String::new(),
            String::new(),
            String::new(),
        ]));
    }
    text
}

fn line(fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    fields.join(",") + "\r\n"
}

/// A field; one that a spreadsheet would take for a formula begins with an apostrophe.
fn quoted(field: &str) -> String {
    let field = plain(field);
    let field = if field.starts_with(['=', '+', '-', '@']) {
        format!("'{field}")
    } else {
        field
    };
    if field.contains([',', '"']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

/// The dossier as a page to print.
#[must_use]
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "the template is part of this program, and a test renders every branch of it"
)]
pub fn html(dossier: &Dossier, body_sha256: &Digest) -> String {
    #[derive(Serialize)]
    struct Values<'a> {
        d: &'a Dossier,
        marking: &'a str,
        title: String,
        size: String,
        identity: Option<String>,
        rows: Vec<Shown<'a>>,
        body_sha256: &'a Digest,
        blank: [u8; 3],
    }
    #[derive(Serialize)]
    struct Shown<'a> {
        row: &'a Row,
        size: String,
        mismatch: bool,
    }
    let rows = dossier.files.iter().map(|row| Shown {
        row,
        size: ByteSize(row.size).to_string(),
        mismatch: row.mismatch(),
    });
    let values = Values {
        d: dossier,
        marking: marking(dossier),
        title: title(dossier),
        size: ByteSize(dossier.bytes).to_string(),
        identity: dossier.identity.map(|identity| identity.label()),
        rows: rows.collect(),
        body_sha256,
        blank: [0; 3],
    };
    page::render("dossier.html", &values).expect("the page of this program can be rendered")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cannot_become_a_formula_or_another_field() {
        for (field, shown) in [
            ("plain", "plain"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("a,b", "\"a,b\""),
            ("say \"x\"\r\nnext", "\"say \"\"x\"\"  next\""),
        ] {
            assert_eq!(quoted(field), shown);
        }
    }
}
