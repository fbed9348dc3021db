//! Every command has examples, and each of them can be typed.

use clap::{Command, CommandFactory, Parser};

use super::Cli;

/// The lines of the section of examples, those that go on in the next joined.
fn examples(help: &str) -> Vec<String> {
    let section = help.split("\n\n").find(|part| part.starts_with("Examples"));
    let joined = section.unwrap_or_default().replace("\\\n", " ");
    let lines = joined.lines().skip(1);
    lines.map(|line| line.trim().to_owned()).collect()
}

/// The arguments of an example: what stands between `haversack` and a pipe, a redirection or a remark.
fn arguments(line: &str) -> Option<Vec<String>> {
    let begin = line.find("haversack ")?;
    let (_, rest) = line.split_at(begin);
    let end = ["  ", " | ", " > ", "; "]
        .iter()
        .filter_map(|end| rest.find(end))
        .min();
    // White space within an example is one space, but where a line was joined.
    let rest = match end {
        Some(end)
            if rest
                .get(end..)
                .is_some_and(|tail| tail.trim_start().starts_with("--")) =>
        {
            rest
        }
        Some(end) => rest.get(..end)?,
        None => rest,
    };
    let mut words = Vec::new();
    for (number, part) in rest.split('"').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    Some(words)
}

fn walk(command: &Command, path: &str, lacking: &mut Vec<String>, wrong: &mut Vec<String>) {
    let help = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let lines = examples(&help);
    if lines.is_empty() {
        lacking.push(path.to_owned());
    }
    for line in lines {
        // What runs the program for others, such as `sh verify.sh`, is no line of ours to parse.
        match arguments(&line).map(Cli::try_parse_from) {
            Some(Ok(_)) => {}
            Some(Err(error)) => wrong.push(format!("{path}: {line}: {error}")),
            None => wrong.push(format!("{path}: {line}: does not run haversack")),
        }
    }
    for below in command.get_subcommands() {
        walk(
            below,
            &format!("{path} {}", below.get_name()),
            lacking,
            wrong,
        );
    }
}

#[test]
fn every_command_has_examples_that_parse() {
    let (mut lacking, mut wrong) = (Vec::new(), Vec::new());
    walk(&Cli::command(), "haversack", &mut lacking, &mut wrong);
    assert_eq!(lacking, Vec::<String>::new());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
