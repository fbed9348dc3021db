//! Two locks as a change board reads them.

use std::fmt::{Display, Write as _};

use haversack::lock::{Board, FileChange, PackageChange, Pair};
use haversack::types::size::ByteSize;

/// The text for people; empty when nothing changes.
pub(crate) fn text(board: &Board) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for file in &board.files {
        push_file(file, &mut text);
    }
    if !board.packages.is_empty() {
        let _ = writeln!(text, "packages ({})", board.packages.len());
        for package in &board.packages {
            push_package(package, &mut text);
        }
    }
    for (title, lines) in [
        ("keys that are new", &board.keys_new),
        ("keys that are gone", &board.keys_gone),
    ] {
        push_list(title, lines, &mut text);
    }
    if text.is_empty() && board.bundle.is_same() {
        return text;
    }
    push_list("nobody vouches for", &board.unvouched, &mut text);
    push_list("known and accepted", &board.accepted, &mut text);
    push_list("read before approving", &board.read, &mut text);
    let head = format!(
        "{}\npayload {}\n",
        arrow(&board.bundle, String::clone),
        arrow(&board.bytes, |one| ByteSize(*one).to_string())
    );
    head + &text
}

fn push_file(file: &FileChange, text: &mut String) {
    let sign = sign(&file.sha256);
    let version = arrow(&file.version, String::clone);
    let _ = writeln!(text, "{sign} {} {version}", file.component);
    let _ = writeln!(text, "    file      {}", arrow(&file.file, String::clone));
    let size = arrow(&file.size, |one| ByteSize(*one).to_string());
    let _ = writeln!(text, "    size      {size}");
    let _ = writeln!(text, "    sha256    {}", arrow(&file.sha256, String::clone));
    for line in &file.evidence_gone {
        let _ = writeln!(text, "    evidence  - {line}");
    }
    for line in &file.evidence_new {
        let _ = writeln!(text, "    evidence  + {line}");
    }
}

fn push_package(package: &PackageChange, text: &mut String) {
    let sign = sign(&package.sha256);
    let version = arrow(&package.version, String::clone);
    let size = arrow(&package.size, |one| ByteSize(*one).to_string());
    let sha256 = arrow(&package.sha256, String::clone);
    let _ = writeln!(text, "{sign} {:<24} {version}  {size}", package.name);
    let _ = writeln!(text, "    sha256    {sha256}");
}

fn push_list(title: &str, lines: &[String], text: &mut String) {
    if !lines.is_empty() {
        let _ = writeln!(text, "{title}");
    }
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

const fn sign<T>(pair: &Pair<T>) -> char {
    match (&pair.old, &pair.new) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '!',
    }
}

fn arrow<T: PartialEq, S: Display>(pair: &Pair<T>, show: impl Fn(&T) -> S) -> String {
    match (&pair.old, &pair.new) {
        (Some(old), Some(new)) if old == new => show(new).to_string(),
        (Some(old), Some(new)) => format!("{} -> {}", show(old), show(new)),
        (Some(old), None) => format!("{} -> gone", show(old)),
        (None, Some(new)) => format!("{} (new)", show(new)),
        (None, None) => "-".to_owned(),
    }
}
