//! Progress on standard error: bars on a terminal, plain lines elsewhere, JSON lines on request.

mod bars;
mod jsonl;
mod plain;
mod tally;

use std::io::IsTerminal;

use clap::ValueEnum;
use haversack::event::Observer;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Bars on a terminal, plain lines elsewhere.
    Auto,
    /// A line now and then.
    Plain,
    /// One JSON object a line, the first naming the version; described in the documentation of `event`.
    Json,
    /// Nothing but warnings.
    None,
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
