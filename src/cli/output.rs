//! The only place that prints results: text for people, or JSON of the same values.
#![expect(clippy::print_stderr, reason = "the command line prints")]

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::failure::Failure;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text for people.
    Text,
    /// One JSON value.
    Json,
}

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) format: Format,
}

impl Output {
    /// Prints a result on standard output: `text` for people, or `value` as JSON.
    pub(crate) fn result<T: Serialize>(self, value: &T, text: &str) {
        match self.format {
            Format::Text => print(text),
            Format::Json => match serde_json::to_string_pretty(value) {
                Ok(json) => print(&(json + "\n")),
                Err(error) => {
                    eprintln!("error[E990]: the result cannot be written as JSON: {error}");
                }
            },
        }
    }

    /// Prints a refusal on standard error.
    pub(crate) fn failure(self, failure: &Failure) {
        match self.format {
            Format::Text => eprint!("{}", failure.render()),
            Format::Json => {
                let value = serde_json::json!({ "error": failure, "exit": failure.class().code() });
                eprintln!("{value}");
            }
        }
    }
}

/// Tells a person something beside the result.
pub(crate) fn tell(line: &str) {
    eprintln!("{line}");
}

/// Whether a result could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints on standard output; a reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            eprintln!("standard output: {error}");
            LOST.store(true, Ordering::Relaxed);
        }
    }
}

/// A result that could not be written: whoever waits for it must not take the run for done.
pub(crate) fn lost() -> Option<Failure> {
    LOST.load(Ordering::Relaxed).then(|| {
        Failure::plain(
            "E613",
            "the work is done, but its result could not be written to standard output",
            "free space where standard output goes, and run the same command again",
        )
    })
}
