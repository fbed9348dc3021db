//! One JSON line an event on standard error, which systemd puts into the journal.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the result and the log of a program"
)]

/// Writes an event of the ordinary course.
pub(crate) fn info(message: &str) {
    line("info", message);
}

/// Writes an event that somebody must look at.
pub(crate) fn error(message: &str) {
    line("error", message);
}

/// Writes a line that is the result of the program.
pub(crate) fn plain(message: &str) {
    println!("{message}");
}

fn line(level: &str, message: &str) {
    let event = serde_json::json!({ "level": level, "stand_in": true, "msg": message });
    eprintln!("{event}");
}
