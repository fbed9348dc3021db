//! The command line: arguments, printing, progress bars, exit codes. The only part that reads
//! arguments, the environment and the clock, and the only one that prints.

mod args;
mod commands;
mod custodian;
mod exit;
mod failure;
#[cfg(feature = "fault-injection")]
mod faults;
mod interrupt;
mod messages;
#[cfg(feature = "connected")]
mod network;
mod output;
mod outside;
mod progress;
mod surroundings;
mod trusting;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use haversack::event::Cancel;
use haversack::types::hide::hide_credentials;

use args::{Cli, Command};
use commands::Context;
use exit::Class;
use failure::Failure;
use output::{Format, Output};
use progress::Mode;

/// Runs the program.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    #[cfg(feature = "fault-injection")]
    faults::from_environment();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // What cannot be parsed has no options: whether JSON was asked for is seen in the words.
            let mode = Mode::of_words(&arguments);
            let as_json = arguments.iter().any(|word| word == "--json");
            if error.use_stderr() && (as_json || mode == Mode::Json) {
                let text = hide_credentials(&error.render().to_string());
                let failure = Failure::usage(
                    text.trim_start_matches("error: ").trim_end(),
                    "see `haversack COMMAND --help`",
                );
                let format = Format::Json;
                drop(progress::observer(mode));
                refused(&failure, Output { format }, mode);
                return Class::Usage.into();
            }
            // Help and version are results; all else is wrong usage.
            // The words of the user are in it.
            let text = error.render().to_string();
            let shown = hide_credentials(&text);
            if shown == text {
                let _ = error.print();
            } else {
                output::tell(shown.trim_end());
            }
            if error.kind() == ErrorKind::MissingRequiredArgument {
                output::tell(&examples_of(&arguments));
            }
            return if error.use_stderr() {
                Class::Usage.into()
            } else {
                Class::Ok.into()
            };
        }
    };
    let format = if cli.global.json {
        Format::Json
    } else {
        Format::Text
    };
    let output = Output { format };
    let cancel = Cancel::new();
    let mode = cli.global.progress;
    interrupt::handle(&cancel, output, mode);
    let observer = progress::observer(mode);
    let context = Context {
        output,
        observer: observer.as_ref(),
        cancel: &cancel,
    };
    let result = outside::refuse(&cli.command).and_then(|()| dispatch(cli.command, &context));
    drop(observer);
    let lost = output::lost();
    match lost.map_or(result, Err) {
        Ok(class) => {
            progress::end(mode, Ok(class));
            class.into()
        }
        Err(failure) => {
            refused(&failure, output, mode);
            failure.class().into()
        }
    }
}

/// The examples of the command that these words call.
fn examples_of(words: &[OsString]) -> String {
    let root = Cli::command();
    let mut command = &root;
    for word in words.iter().skip(1) {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let examples = command.get_after_help();
    examples.map(ToString::to_string).unwrap_or_default()
}

/// Tells of a refusal: as the last JSON line where progress is JSON lines, so that nothing else is among
/// them; else as the output says.
fn refused(failure: &Failure, output: Output, mode: Mode) {
    if mode == Mode::Json {
        progress::end(mode, Err(failure));
    } else {
        output.failure(failure);
    }
}

fn dispatch(command: Command, context: &Context<'_>) -> Result<Class, Failure> {
    match command {
        Command::Init(args) => commands::init::run(*args, context),
        #[cfg(feature = "connected")]
        Command::Lock(args) => commands::lock::run(&args, context),
        #[cfg(feature = "connected")]
        Command::Build(args) => commands::build::run(&args, context),
        #[cfg(feature = "connected")]
        Command::Outdated(args) => commands::outdated::run(&args, context),
        Command::Keygen(args) => commands::keygen::run(&args, context),
        Command::Sign(args) => commands::sign::run(&args, context),
        Command::Verify(args) => commands::verify::run(&args, context),
        Command::Media(args) => commands::media::run(&args, context),
        Command::Gather(args) => commands::gather::run(&args, context),
        Command::Patch(args) => commands::patch::run(&args, context),
        Command::Repair(args) => commands::repair::run(&args, context),
        Command::Stream(args) => commands::stream::run(&args, context),
        Command::Receipt(args) => commands::receipt::run(&args, context),
        Command::Receive(args) => commands::receive::run(&args, context),
        Command::Custody(command) => commands::custody::run(&command, context),
        Command::Dossier(args) => commands::dossier::run(&args, context),
        Command::Report(args) => commands::report::run(&args, context),
        Command::Trust(command) => commands::trust::run(&command, context),
        Command::Inspect(args) => commands::inspect::run(&args, context),
        Command::Plan(args) => commands::plan::run(&args, context),
        Command::Preflight(args) => commands::preflight::run(&args, context),
        Command::Stage(args) => commands::stage::run(&args, context),
        Command::Lint(command) => commands::lint::run(&command, context),
        Command::Audit(args) => commands::audit::run(&args, context),
        Command::Diff(args) => commands::diff::run(&args, context),
        Command::Explain(args) => commands::explain::run(&args, context),
        Command::Completions { shell } => Ok(commands::reference::completions(shell)),
        Command::Man => commands::reference::man(),
    }
}
