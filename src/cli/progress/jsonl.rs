//! Progress as JSON lines, for programs. The lines are described at [`haversack::event`].
#![expect(clippy::print_stderr, reason = "the command line prints")]

use haversack::event::{Event, JSON_VERSION, Observer};

/// Prints each event as one JSON object a line. The first line names the version.
pub(super) struct JsonLines;

impl JsonLines {
    pub(super) fn new() -> Self {
        eprintln!("{}", first_line());
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

fn first_line() -> String {
    format!(r#"{{"event":"start","version":{JSON_VERSION}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use haversack::event::Step;

    #[test]
    fn lines_of_version_1_stay_as_they_are() {
        let step = Step::Fetch;
        let item = "files/mattermost/mattermost-11.7.10-linux-amd64.tar.gz";
        let events = [
            Event::StepStarted {
                step,
                items: 2,
                bytes: 300,
            },
            Event::ItemStarted {
                step,
                item,
                bytes: Some(200),
            },
            Event::ItemStarted {
                step: Step::Resolve,
                item,
                bytes: None,
            },
            Event::Bytes {
                step,
                item,
                count: 200,
            },
            Event::ItemDone {
                step,
                item,
                reused: false,
            },
            Event::ItemFailed { step, item },
            Event::StepDone { step },
            Event::Note { text: "a note" },
            Event::Warning {
                id: "W901",
                text: "a \"warning\"",
            },
        ];
        let mut lines = first_line() + "\n";
        for event in events {
            lines.push_str(&serde_json::to_string(&event).unwrap());
            lines.push('\n');
        }
        let golden = include_str!("../../../tests/fixtures/progress/version-1.jsonl");
        assert_eq!(lines, golden);
    }
}
