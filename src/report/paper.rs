//! What goes on paper with a bundle: the sign-off sheet and the labels.
//!
//! It is made from the list and `bundle.json`, whose hash was checked; it proves nothing by itself. The
//! marking is its first and its last line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::page;
use crate::bundle::header::Header;
use crate::bundle::places::{is_left_out, volume_of};
use crate::custody::{Chain, Event};
use crate::types::digest::Digest;
use crate::types::path::RelPath;
use crate::types::size::ByteSize;
use crate::types::target::Target;
use crate::verify::Described;

/// Width of the text form, in characters.
const WIDTH: usize = 100;

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Both.
    All,
    /// The sign-off sheet.
    Sheet,
    /// The labels.
    Labels,
}

/// What stands on the paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// What the bundle is.
    pub header: Header,
    /// What it is for.
    pub target: Target,
    /// SHA-256 of `SHA256SUMS`.
    pub identity: Digest,
    /// Its first 16 hex digits in groups of four.
    pub identity_label: String,
    /// All of it, in four lines of four groups.
    pub identity_groups: [String; 4],
    /// Its media, payload before parity.
    pub media: Vec<Medium>,
    /// Bytes that lie on every medium: list, signatures, documents, evidence.
    pub common_bytes: u64,
    /// What common bytes are, for people.
    pub common_size: String,
    /// Names of its signature files.
    pub signatures: Vec<String>,
    /// SHA-256 of `verify.sh` in it, for those who keep a copy.
    pub verify_sh: Option<Digest>,
    /// What `find` counts in a whole bundle, or of a delta in what it carries.
    pub expected_count: u64,
    /// Programs that stand in for the real ones.
    pub stand_ins: Vec<String>,
    /// The events of the custody log.
    pub events: Vec<Event>,
    /// SHA-256 of the last of them.
    pub head: Option<Digest>,
    /// Its first 16 hex digits in groups of four.
    pub head_label: Option<String>,
}

/// One medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Medium {
    /// The folder that it carries: `v1`, `p1`.
    pub name: String,
    /// Its place, counted from 1.
    pub number: usize,
    /// How many media there are.
    pub of: usize,
    /// Files in that folder.
    pub files: u64,
    /// Bytes in that folder.
    pub bytes: u64,
    /// The bytes for people, with what lies on every medium.
    pub size: String,
    /// Whether it carries parity.
    pub parity: bool,
}

impl Sheet {
    /// The paper of a bundle. `chain` is the custody log that goes with it.
    #[must_use]
    pub fn new(bundle: &Described, chain: Option<&Chain>) -> Self {
        let sums = bundle.sums();
        let identity = bundle.identity();
        let mut sizes: BTreeMap<(bool, u32), (u64, u64)> = BTreeMap::new();
        let mut common_bytes = 0_u64;
        // What a delta leaves out lies on no medium.
        let mut carried = 0_u64;
        for path in sums.entries().keys().filter(|path| !is_left_out(path)) {
            carried = carried.saturating_add(1);
            let size = size_of(bundle, path);
            let Some(volume) = volume_of(path) else {
                common_bytes = common_bytes.saturating_add(size);
                continue;
            };
            let number = volume.get(1..).and_then(|digits| digits.parse().ok());
            let key = (volume.starts_with('p'), number.unwrap_or(0));
            let (files, bytes) = sizes.entry(key).or_default();
            *files = files.saturating_add(1);
            *bytes = bytes.saturating_add(size);
        }
        let of = sizes.len();
        let media = sizes.into_iter().zip(1..);
        let head = chain.map(Chain::head);
        Self {
            header: sums.header().clone(),
            target: bundle.contents().target,
            identity,
            identity_label: identity.label(),
            identity_groups: groups(&identity),
            media: media
                .map(|(((parity, volume), (files, bytes)), number)| Medium {
                    name: format!("{}{volume}", if parity { 'p' } else { 'v' }),
                    number,
                    of,
                    files,
                    bytes,
                    size: ByteSize(bytes.saturating_add(common_bytes)).to_string(),
                    parity,
                })
                .collect(),
            common_bytes,
            common_size: ByteSize(common_bytes).to_string(),
            signatures: bundle.signatures().to_vec(),
            verify_sh: sums
                .entries()
                .iter()
                .find(|(path, _)| path.as_str() == "verify.sh")
                .map(|(_, digest)| *digest),
            expected_count: carried.saturating_add(1),
            stand_ins: bundle.contents().stand_ins(),
            events: chain.map_or_else(Vec::new, |chain| {
                let events = chain.events().iter();
                events.map(|one| one.event.clone()).collect()
            }),
            head_label: head.map(|head| head.label()),
            head,
        }
    }
}

/// A digest in four lines of four groups of four digits.
fn groups(digest: &Digest) -> [String; 4] {
    let digits: Vec<char> = digest.to_string().chars().collect();
    let line = |number: usize| {
        let part = digits.chunks(16).nth(number).unwrap_or_default();
        let four = part.chunks(4).map(|group| group.iter().collect::<String>());
        four.collect::<Vec<_>>().join(" ")
    };
    [line(0), line(1), line(2), line(3)]
}

/// The paper as text.
#[must_use]
pub fn text(sheet: &Sheet, parts: Parts) -> String {
    let marking = sheet.header.marking.as_str();
    let mut text = format!("{marking}\n\n");
    if parts != Parts::Labels {
        sheet_text(sheet, &mut text);
    }
    if parts != Parts::Sheet {
        for medium in &sheet.media {
            label_text(sheet, medium, &mut text);
        }
    }
    text.push_str(marking);
    text.push('\n');
    text
}

/// The paper as a page to print.
#[must_use]
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "the template is part of this program, and a test renders every branch of it"
)]
pub fn html(sheet: &Sheet, parts: Parts) -> String {
    #[derive(Serialize)]
    struct Values<'a> {
        s: &'a Sheet,
        marking: &'a str,
        size: String,
        sheet: bool,
        labels: bool,
        blank: [u8; 6],
    }
    let values = Values {
        s: sheet,
        marking: sheet.header.marking.as_str(),
        size: ByteSize(sheet.header.bytes).to_string(),
        sheet: parts != Parts::Labels,
        labels: parts != Parts::Sheet,
        blank: [0; 6],
    };
    page::render("paper.html", &values).expect("the page of this program can be rendered")
}

/// Bytes of a listed file: as stated, else as it lies here.
fn size_of(bundle: &Described, path: &RelPath) -> u64 {
    let change = bundle
        .changes()
        .and_then(|changes| changes.changes.get(path));
    match (bundle.contents().files.get(path), change) {
        (Some(info), _) => info.size,
        (None, Some(change)) => change.size,
        (None, None) => bundle.size_of(path).unwrap_or(0),
    }
}

fn sheet_text(sheet: &Sheet, text: &mut String) {
    let header = &sheet.header;
    let rule = "-".repeat(WIDTH);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "SIGN-OFF SHEET\n\n\
         bundle      {} {}, number {}\n\
         for         {}\n\
         created     {}\n\
         content     {} files, {}\n\
         identity    {}   (SHA-256 of SHA256SUMS)",
        header.name,
        header.version,
        header.sequence,
        sheet.target,
        header.created,
        header.files,
        ByteSize(header.bytes),
        sheet.identity_label,
    );
    for line in sheet.identity_groups.iter().skip(1) {
        let _ = writeln!(text, "            {line}");
    }
    if let Some(base) = header.base {
        let _ = writeln!(
            text,
            "DELTA ON    {}   carries {} files; no bundle without that one",
            base.label(),
            sheet.expected_count.saturating_sub(1)
        );
    }
    for signature in &sheet.signatures {
        let _ = writeln!(text, "signature   {signature}");
    }
    for stand_in in &sheet.stand_ins {
        let _ = writeln!(text, "STAND-IN    {stand_in}: not the real program");
    }
    let _ = writeln!(text, "\n{rule}\nMEDIA");
    for medium in &sheet.media {
        let _ = writeln!(
            text,
            "  medium {} of {}  {:<4} {:>6} files {:>10}  register no. __________  seal __________  checked ______",
            medium.number, medium.of, medium.name, medium.files, medium.size
        );
    }
    let _ = writeln!(
        text,
        "\n{rule}\nCHECK BY HAND, in the folder of the bundle, with a key from a place you trust\n  \
         openssl dgst -sha384 -verify KEY.pem -signature sig/KEYID.sig SHA256SUMS     says: Verified OK\n  \
         {}  says nothing\n  \
         find . ! -type d ! -path './sig/*' | wc -l                                   says: {}\n\
         `sha256sum SHA256SUMS` must begin with the identity above.",
        if header.base.is_some() {
            "grep -Ev '  (base|made)/' SHA256SUMS | sha256sum --strict --quiet -c        "
        } else {
            "sha256sum --strict --quiet -c SHA256SUMS                                   "
        },
        sheet.expected_count
    );
    if let Some(digest) = &sheet.verify_sh {
        let _ = writeln!(text, "verify.sh has the SHA-256 {digest}");
    }
    let _ = writeln!(
        text,
        "  signature checked  name ______________________  signature __________________  date ____________\n  \
         bytes checked      name ______________________  signature __________________  date ____________"
    );
    custody_text(sheet, &rule, text);
    let _ = writeln!(
        text,
        "\n{rule}\nSCANS FOR MALICIOUS CONTENT: at least two engines; state whether files over the engine's limit raise an alert\n  \
         engine ____________________  definitions of __________  limit ________  alert yes / no  result __________\n  \
         engine ____________________  definitions of __________  limit ________  alert yes / no  result __________\n\n\
         {rule}\nDESTRUCTION OF THE MEDIA, supervised by two cleared people (ISM-0372)\n  \
         media ______________________________  method ____________________________  date ____________\n  \
         first person   name _____________________  clearance __________  signature ______________________\n  \
         second person  name _____________________  clearance __________  signature ______________________\n"
    );
}

fn custody_text(sheet: &Sheet, rule: &str, text: &mut String) {
    let _ = writeln!(text, "\n{rule}\nCUSTODY");
    for event in &sheet.events {
        let _ = write!(
            text,
            "  {:>3}  {}  {:<10} {} ({})",
            event.n,
            event.time,
            event.action.as_str(),
            event.actor,
            event.role
        );
        for (word, value) in [
            (" from", &event.from),
            (" to", &event.to),
            (" with", &event.second),
            (";", &event.note),
        ] {
            if let Some(value) = value {
                let _ = write!(text, "{word} {value}");
            }
        }
        let _ = writeln!(text, ": {}", event.result);
    }
    let _ = match &sheet.head_label {
        Some(head) => writeln!(text, "  head of the log: {head}"),
        None => writeln!(text, "  head of the log: ____ ____ ____ ____"),
    };
    for _ in 0..4 {
        let _ = writeln!(
            text,
            "  date ____________  handed over by ______________________  taken over by ______________________"
        );
    }
}

fn label_text(sheet: &Sheet, medium: &Medium, text: &mut String) {
    let header = &sheet.header;
    let marking = header.marking.as_str();
    let kind = if medium.parity { "parity" } else { "payload" };
    let edge = format!("+{}+", "-".repeat(62));
    let mut lines = vec![
        marking.to_owned(),
        format!("{} {}", header.name, header.version),
        format!("number {}, for {}", header.sequence, sheet.target),
        format!(
            "medium {} of {}: {kind} {}, {} files, {}",
            medium.number, medium.of, medium.name, medium.files, medium.size
        ),
        format!("identity  {}", sheet.identity_label),
        format!("created   {}", header.created),
    ];
    if let Some(base) = header.base {
        lines.push(format!("DELTA ON  {}", base.label()));
    }
    for stand_in in &sheet.stand_ins {
        lines.push(format!("STAND-IN  {stand_in}"));
    }
    lines.push("register  ____________  copy ___ of ___  seal ___________".to_owned());
    lines.push("custodian ________________________  date _______________".to_owned());
    lines.push(marking.to_owned());
    let _ = writeln!(text, "{edge}");
    for line in lines {
        let _ = writeln!(text, "| {line:<60} |");
    }
    let _ = writeln!(text, "{edge}\n");
}
