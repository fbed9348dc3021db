//! `haversack lint`: says what a configuration written by hand lacks.

use haversack::types::count::count;
use std::fmt::Write as _;
use std::path::Path;

use haversack::fs;
use haversack::nginx::{self, Expected, Findings, Level};
use serde_json::json;

use super::Context;
use crate::cli::args::{LintCommand, LintNginxArgs};
use crate::cli::commands::plan;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;

/// Reads the files and prints what is found. Errors end in a policy exit, warnings in findings
/// under `--strict`.
pub(crate) fn run(command: &LintCommand, context: &Context<'_>) -> Result<Class, Failure> {
    match command {
        LintCommand::Nginx(args) => nginx(args, context),
    }
}

fn nginx(args: &LintNginxArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let mut files = Vec::new();
    for path in &args.files {
        files.push(nginx::File {
            path: path.display().to_string(),
            text: text(path)?,
        });
    }
    let mut expected = match &args.deployment {
        Some(deployment) => plan::read(deployment)?.expected_site(),
        None => Expected::default(),
    };
    expected.version = args.nginx_version;
    let config = nginx::read(files).map_err(|error| {
        Failure::new(
            "E261",
            &error,
            Some("name the file of the site alone, not a whole configuration".to_owned()),
        )
    })?;
    let findings = nginx::examine(&config, &expected);
    let value = json!({
        "files": config.files.iter().map(|file| &file.path).collect::<Vec<_>>(),
        "findings": findings.iter().map(|one| {
            let file = config.files.get(one.place.file).map(|file| &file.path);
            json!({
                "level": one.level, "id": one.id, "file": file,
                "line": one.place.line, "column": one.place.column,
                "found": one.found, "symptom": one.symptom, "fix": one.fix,
            })
        }).collect::<Vec<_>>(),
        "errors": findings.count(Level::Error),
        "warnings": findings.count(Level::Warning),
    });
    context.output.result(&value, &shown(&config, &findings));
    Ok(if findings.count(Level::Error) > 0 {
        Class::Policy
    } else if args.strict && findings.count(Level::Warning) > 0 {
        Class::Findings
    } else {
        Class::Ok
    })
}

/// The text of a file; what is no UTF-8, such as an old comment, becomes a replacement character.
fn text(path: &Path) -> Result<String, Failure> {
    let limit = u64::try_from(nginx::MAX_TEXT).unwrap_or(u64::MAX);
    let bytes = fs::read_named(path, limit).map_err(|error| {
        let hint = "name a readable file of at most 4 MiB";
        Failure::new("E260", &error, Some(hint.to_owned()))
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn shown(config: &nginx::Config, findings: &Findings) -> String {
    let mut text = String::new();
    for finding in findings.iter() {
        text.push_str(&nginx::render(config, finding));
        text.push('\n');
    }
    let (errors, warnings) = (findings.count(Level::Error), findings.count(Level::Warning));
    // Writing to a String cannot fail.
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(text, "no errors, no warnings"),
        _ => writeln!(
            text,
            "{}, {}; `haversack explain ID` tells more about a rule",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    };
    text
}
