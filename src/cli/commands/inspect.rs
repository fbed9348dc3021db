//! `haversack inspect`: what a bundle says of itself.

use std::fmt::Write as _;

use haversack::report::links::{self, Copies, State};
use haversack::trust::directory::Trust;
use haversack::types::path::RelPath;
use haversack::types::size::ByteSize;
use haversack::verify::{self, Inspection, TrustSummary};
use serde_json::json;

use super::Context;
use crate::cli::args::InspectArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;

/// Prints the summary; with a trust directory it also says whether it can be believed.
pub(crate) fn run(args: &InspectArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let trust = args.trust.as_deref().map(Trust::load).transpose()?;
    if let Some(path) = &args.file {
        return chain(args, path, trust.as_ref(), context);
    }
    let found = verify::inspect(&args.bundle, trust.as_ref())?;
    context.output.result(&found, &text(&found));
    Ok(Class::Ok)
}

/// The chain of proof of one file, a line for each link.
fn chain(
    args: &InspectArgs,
    path: &RelPath,
    trust: Option<&Trust>,
    context: &Context<'_>,
) -> Result<Class, Failure> {
    let described = verify::describe(std::slice::from_ref(&args.bundle), trust)?;
    let copies = Copies {
        staged: args.staged.clone(),
        installed: args.installed.clone(),
    };
    let links = links::links(&described, path, &copies)?;
    let mut text = String::new();
    for one in &links {
        let word = match one.state {
            State::Checked => "checked",
            State::Stated => "stated",
            State::None => "none",
            State::NotChecked => "not-checked",
            State::Broken => "BROKEN",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{word:<11} {:<19} {}", one.link, one.text);
    }
    context
        .output
        .result(&json!({ "path": path, "links": links }), &text);
    let broken = |name: &str| {
        let mut all = links.iter().filter(|one| one.state == State::Broken);
        all.any(|one| (one.link == "signature") == (name == "signature"))
    };
    Ok(if broken("bytes") {
        Class::Integrity
    } else if broken("signature") {
        Class::Trust
    } else {
        Class::Ok
    })
}

fn text(found: &Inspection) -> String {
    let header = &found.header;
    let mut text = format!(
        "{} {} number {}\n",
        header.name,
        header.version.as_str(),
        header.sequence.get()
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  identity   {}  ({})",
        found.identity,
        found.identity.label()
    );
    let _ = writeln!(text, "  for        {}", found.target);
    let _ = writeln!(text, "  created    {}", header.created);
    let _ = writeln!(text, "  marking    {}", header.marking.as_str());
    let trust = match &found.trust {
        TrustSummary::NotChecked => {
            "not checked: anyone could have written this; see `haversack verify`".to_owned()
        }
        TrustSummary::Signed { signers } => {
            let names: Vec<String> = signers
                .iter()
                .map(|signer| format!("{} {}", signer.key, signer.name))
                .collect();
            format!("signed by {}; the payload was not hashed", names.join(", "))
        }
        TrustSummary::Refused { id, reason } => format!("refused [{id}]: {reason}"),
    };
    let _ = writeln!(text, "  trust      {trust}");
    let _ = writeln!(text, "  components");
    for component in &found.components {
        let versions: Vec<&str> = component.versions.iter().map(String::as_str).collect();
        let stand_in = if component.stand_in { "  STAND-IN" } else { "" };
        let _ = writeln!(
            text,
            "    {:<14} {:<16} {:>4} files {:>10}{stand_in}",
            component.name.as_str(),
            versions.join(" "),
            component.files,
            ByteSize(component.bytes).to_string(),
        );
    }
    for repository in &found.repositories {
        let _ = writeln!(
            text,
            "  repository {} ({})",
            repository.name, repository.uri
        );
        for suite in &repository.suites {
            let until = suite
                .valid_until
                .as_ref()
                .map_or_else(String::new, |date| format!(", valid until {date}"));
            let _ = writeln!(
                text,
                "    {} {}, dated {}{until}",
                suite.suite,
                suite.components.join(" "),
                suite.date
            );
        }
    }
    for artifact in &found.artifacts {
        let stand_in = if artifact.stand_in { "  STAND-IN" } else { "" };
        let _ = writeln!(
            text,
            "  file       {} {}{stand_in}",
            artifact.path,
            ByteSize(artifact.size)
        );
        for line in &artifact.vouched {
            let _ = writeln!(text, "    {line}");
        }
    }
    delta_text(found, &mut text);
    for problem in &found.problems {
        let _ = writeln!(text, "  [{}] {problem}", problem.id());
    }
    text
}

/// What a delta carries, and of which bundle it is one.
fn delta_text(found: &Inspection, text: &mut String) {
    let (Some(delta), Some(base)) = (&found.delta, found.header.base) else {
        return;
    };
    let _ = writeln!(
        text,
        "  delta      on {}; carries {} of {}; {} files of its base, {} made by changes",
        base.label(),
        ByteSize(delta.bytes_carried),
        ByteSize(delta.bytes_full),
        delta.files_of_base,
        delta.changes.len(),
    );
    for one in &delta.changes {
        let makes = one.makes.as_ref().map_or("", RelPath::as_str);
        let _ = writeln!(
            text,
            "    {makes} ({})\n      by a change of {}, {} bytes",
            ByteSize(one.makes_size.unwrap_or(0)),
            one.base,
            one.size,
        );
    }
}
