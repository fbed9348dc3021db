//! What SIGINT (Ctrl-C), SIGTERM and SIGHUP do.
//!
//! The first asks the work to stop at its next piece. Where that takes long, for a server or a drive is
//! silent, the person is told what holds it up. The second ends the run at once: what is on disk is as after a
//! kill, which every command goes on from.

use std::thread;
use std::time::Duration;

use haversack::event::{Cancel, Cancelled};

use super::exit::Class;
use super::output::{self, Format, Output};
use super::progress::Mode;

/// After so long a person wants to know why nothing happens.
const PATIENCE: Duration = Duration::from_secs(2);

/// Turns signals into requests to stop. Without a handler a signal ends the program at once, which is safe
/// too.
pub(super) fn handle(cancel: &Cancel, output: Output, mode: Mode) {
    let cancel = cancel.clone();
    // It runs in a thread of its own, so that it may print and wait.
    let _ = ctrlc::set_handler(move || {
        if cancel.is_requested() {
            super::refused(&Cancelled.into(), output, mode);
            #[expect(clippy::exit, reason = "the thread that works does not come back")]
            std::process::exit(i32::from(Class::Interrupted.code()));
        }
        cancel.request();
        // Programs read lines of JSON, and wait.
        if output.format == Format::Text && mode != Mode::Json {
            thread::spawn(tell);
        }
    });
}

/// Says that the run is still there. It ends with the run, and mostly before it has said anything.
fn tell() {
    thread::sleep(PATIENCE);
    output::tell(
        "stopping: waiting for a server or a disk that does not answer, --timeout at most for a server; \
         interrupt again to end at once: what was finished is kept",
    );
}
