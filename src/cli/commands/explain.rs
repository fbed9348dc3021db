//! `haversack explain`: what a message or a rule means.

use haversack::event;
use haversack::plan::{self, Explanation};
use serde_json::json;

use super::Context;
use crate::cli::args::ExplainArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::messages::{self, Message, formats};

/// What explains the lines of `--progress json`.
const PROGRESS: &str = "progress";

/// Explains one id, or all of them.
pub(crate) fn run(args: &ExplainArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let Some(id) = &args.id else {
        let rules = plan::explain_all();
        let mut text = String::new();
        for message in messages::all() {
            text.push_str(&of_message(message));
        }
        for rule in &rules {
            text.push_str(&of_rule(rule));
        }
        context.output.result(
            &json!({ "messages": messages::all().collect::<Vec<_>>(), "rules": rules }),
            &text,
        );
        return Ok(Class::Ok);
    };
    if id == PROGRESS {
        let value = json!({ "version": event::JSON_VERSION, "text": event::LINES });
        context.output.result(&value, event::LINES);
        return Ok(Class::Ok);
    }
    if let Some(format) = formats::find(id) {
        context.output.result(
            format,
            &format!("{}\n{}\n\n{}", format.name, format.meaning, format.example),
        );
        return Ok(Class::Ok);
    }
    let id = id.to_ascii_uppercase();
    if let Some(message) = messages::find(&id) {
        context.output.result(message, &of_message(message));
        return Ok(Class::Ok);
    }
    let rule = plan::explain(&id).ok_or_else(|| {
        Failure::usage(
            format!("there is no message or rule {id}"),
            "see `haversack explain --all`; files are policy.toml, revoked.toml and transfer.toml",
        )
    })?;
    context.output.result(&rule, &of_rule(&rule));
    Ok(Class::Ok)
}

fn of_message(message: &Message) -> String {
    format!(
        "{}  {}\n      next: {}\n\n",
        message.id, message.meaning, message.next
    )
}

fn of_rule(rule: &Explanation) -> String {
    let by = rule.by.map_or_else(String::new, |by| format!(" ({by})"));
    format!(
        "{}  {} layer, {}\n      expects: {}\n      why:     {}\n      fix:     {}\n      source:  {}\n      holds in: {}{by}\n\n",
        rule.id,
        rule.layer.as_str(),
        rule.level,
        rule.expects,
        rule.why,
        rule.fix,
        rule.source,
        rule.holds_in,
    )
}
