//! `haversack diff`: what differs between two staged trees, or two locks.

mod board;

use std::fmt::Write as _;
use std::path::Path;

use haversack::fs;
use haversack::lock::{Lock, MAX_LOCK};
use haversack::stage::{self, Change, FileDifference, FileState, TreeDifference};
use serde_json::json;

use super::Context;
use crate::cli::args::DiffArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;

/// Prints the differences; ends with findings when there are any.
pub(crate) fn run(args: &DiffArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let (old, new) = (is_file(&args.old)?, is_file(&args.new)?);
    for path in [&args.old, &args.new] {
        if fs::examine(path)?.is_none() {
            return Err(Failure::plain(
                "E601",
                format!("{} does not exist", path.display()),
                "correct the path: give two locks, or two staged trees",
            ));
        }
    }
    let equal = if old && new {
        let (old, new) = (read_lock(&args.old)?, read_lock(&args.new)?);
        let found = old.differences(&new);
        let board = old.board(&new);
        let mut text = board::text(&board);
        if text.is_empty() {
            for one in &found {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{one}");
            }
        }
        let value = json!({ "differences": found, "board": board });
        context.output.result(&value, &or_equal(text));
        found.is_empty()
    } else {
        let found = stage::difference(&args.old, &args.new, context.cancel)?;
        context.output.result(&found, &or_equal(text(&found)));
        found.is_empty()
    };
    Ok(if equal { Class::Ok } else { Class::Findings })
}

fn is_file(path: &Path) -> Result<bool, Failure> {
    Ok(fs::examine(path)?.is_some_and(|found| found.is_file()))
}

fn read_lock(path: &Path) -> Result<Lock, Failure> {
    let text = fs::read_text(path, MAX_LOCK)?;
    Ok(Lock::parse(&text, &path.display().to_string())?)
}

fn or_equal(text: String) -> String {
    if text.is_empty() {
        "no difference\n".to_owned()
    } else {
        text
    }
}

fn text(found: &TreeDifference) -> String {
    let mut text = String::new();
    for (hosts, sign, word) in [
        (&found.hosts_added, '+', "new"),
        (&found.hosts_removed, '-', "gone"),
    ] {
        for host in hosts {
            let below = |file: &&FileDifference| is_below(&file.path, host.as_str());
            let count = found.files.iter().filter(below).count();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{sign} {host}/  the host is {word}: {count} files");
        }
    }
    let whole = || found.hosts_added.iter().chain(&found.hosts_removed);
    for file in &found.files {
        if whole().any(|host| is_below(&file.path, host.as_str())) {
            continue;
        }
        let sign = match file.change {
            Change::Added => '+',
            Change::Removed => '-',
            Change::Changed => '!',
        };
        let what = match (&file.old, &file.new) {
            (Some(old), Some(new)) => changed(old, new, file),
            (one, other) => one
                .as_ref()
                .or(other.as_ref())
                .map_or_else(String::new, |state| described(state, file.secret)),
        };
        let path = file.path.escape_debug();
        let _ = writeln!(text, "{sign} {path}  {what}");
        for line in file.lines.as_deref().unwrap_or_default().lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

fn is_below(path: &str, host: &str) -> bool {
    path.strip_prefix(host)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn described(state: &FileState, secret: bool) -> String {
    let owner = state.installed.as_deref().unwrap_or(&state.mode);
    match &state.sha256 {
        _ if secret => format!("secret  {owner}"),
        Some(digest) => format!("sha256 {digest}  {owner}"),
        None => owner.to_owned(),
    }
}

fn changed(old: &FileState, new: &FileState, file: &FileDifference) -> String {
    let mut parts = Vec::new();
    match (&old.sha256, &new.sha256) {
        _ if file.secret && file.content => parts.push("secret changed".to_owned()),
        (Some(old), Some(new)) if old != new => parts.push(format!("sha256 {old} -> {new}")),
        _ => {}
    }
    if old.mode != new.mode {
        parts.push(format!("mode {} -> {}", old.mode, new.mode));
    }
    if old.installed != new.installed {
        let word = |state: &FileState| state.installed.clone().unwrap_or("nothing".to_owned());
        parts.push(format!("on the host {} -> {}", word(old), word(new)));
    }
    parts.join("; ")
}
