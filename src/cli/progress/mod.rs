//! Progress on standard error: bars on a terminal, plain lines elsewhere, JSON lines on request.

mod bars;
mod jsonl;
mod plain;
mod tally;

use std::ffi::OsString;
use std::io::IsTerminal;

use clap::ValueEnum;
use haversack::event::Observer;

use super::exit::Class;
use super::failure::Failure;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Bars on a terminal, plain lines elsewhere.
    Auto,
    /// A line now and then.
    Plain,
    /// One JSON object a line, the first naming the version; `haversack explain progress` describes them.
    Json,
    /// Nothing but warnings.
    None,
}

impl Mode {
    /// What the words of a command line ask for that cannot be parsed.
    pub(crate) fn of_words(words: &[OsString]) -> Self {
        let two = words.windows(2).any(|two| two == ["--progress", "json"]);
        if two || words.iter().any(|word| word == "--progress=json") {
            Self::Json
        } else {
            Self::Auto
        }
    }
}

/// Tells programs how the run ended. People are told otherwise.
pub(crate) fn end(mode: Mode, result: Result<Class, &Failure>) {
    if mode == Mode::Json {
        jsonl::end(result);
    }
}

/// The observer for a mode.
pub(crate) fn observer(mode: Mode) -> Box<dyn Observer> {
    match mode {
        Mode::Auto if std::io::stderr().is_terminal() => Box::new(bars::Bars::new()),
        Mode::Auto | Mode::Plain => Box::new(plain::Plain::new(plain::Detail::All)),
        Mode::Json => Box::new(jsonl::JsonLines::new()),
        Mode::None => Box::new(plain::Plain::new(plain::Detail::Warnings)),
    }
}
