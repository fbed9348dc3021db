//! Progress as JSON lines, for programs.
#![expect(clippy::print_stderr, reason = "the command line prints")]

use haversack::event::{Event, Observer};

/// Prints each event as one JSON object a line. The first line is `{"event":"start","version":1}`.
pub(super) struct JsonLines;

impl JsonLines {
    pub(super) fn new() -> Self {
        eprintln!(r#"{{"event":"start","version":1}}"#);
        Self
    }
}

impl Observer for JsonLines {
    fn on(&self, event: &Event<'_>) {
        if let Ok(line) = serde_json::to_string(event) {
            eprintln!("{line}");
        }
    }
}
