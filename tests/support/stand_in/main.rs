//! Stand-ins for `mattermost`, `mmctl`, `minio` and `mattermost-push-proxy`.
//!
//! One program that plays the part its file name (or first argument) asks for. It speaks only what
//! the generated configuration can be proven with, and says "stand-in" in its version, its log and
//! its HTTP answers, so that nobody takes it for the real program.
#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own, not part of the library"
)]

mod app;
mod config;
mod files;
mod http;
mod log;
mod mmctl;
mod nodes;
mod notify;
mod object_store;
mod postgres;
mod push;
mod s3;
mod sigv4;
mod tls;
mod websocket;

use std::path::Path;
use std::process::ExitCode;

/// The version that the stand-in for Mattermost reports; `+stand-in` is no release of anybody.
pub(crate) const MATTERMOST_VERSION: &str = "11.7.10+stand-in";
/// The version that the stand-in for `MinIO` reports.
const MINIO_VERSION: &str = "RELEASE.2025-09-07T16-13-09Z+stand-in";
/// The version that the stand-in for the push proxy reports.
pub(crate) const PUSH_VERSION: &str = "6.5.0+stand-in";

/// Whatever ends a part, as one line for its log.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let mut args = std::env::args();
    let program = args.next().unwrap_or_default();
    let mut rest: Vec<String> = args.collect();
    let mut part = part_of(&program);
    if part.is_none() && !rest.is_empty() {
        part = part_of(&rest.remove(0));
    }
    let Some(part) = part else {
        log::error(
            "usage: stand-in (mattermost | mmctl | minio | mattermost-push-proxy) [ARGUMENT…]",
        );
        return ExitCode::from(2);
    };
    let version = match part {
        "minio" => MINIO_VERSION,
        "mattermost-push-proxy" => PUSH_VERSION,
        _ => MATTERMOST_VERSION,
    };
    if rest
        .iter()
        .any(|arg| matches!(arg.as_str(), "version" | "--version" | "-version"))
    {
        log::plain(&format!(
            "stand-in for {part} {version} (not the real program)"
        ));
        return ExitCode::SUCCESS;
    }
    log::info(&format!("stand-in for {part} {version} starts"));
    let ended = match part {
        "mattermost" => app::run(&rest),
        "mmctl" => mmctl::run(&rest),
        "minio" => object_store::run(&rest),
        _ => push::run(&rest),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&format!("stand-in for {part} ends: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The part that a file name stands for, such as `minio` of `/usr/local/bin/minio`.
fn part_of(path: &str) -> Option<&'static str> {
    let name = Path::new(path).file_name()?.to_str()?;
    ["mattermost-push-proxy", "mattermost", "mmctl", "minio"]
        .into_iter()
        .find(|part| name == *part)
}
