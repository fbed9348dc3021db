//! What the environment says: the clock, and the default folders.

use std::path::PathBuf;

use super::failure::Failure;

/// The time that goes into a bundle: `SOURCE_DATE_EPOCH` where it is set, else the clock.
#[cfg(feature = "connected")]
pub(crate) fn creation_time() -> Result<jiff::Timestamp, Failure> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(now());
    };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    seconds
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .ok_or_else(|| {
            Failure::usage(
                "SOURCE_DATE_EPOCH is not a number of seconds since 1970",
                "set it to a number, or unset it",
            )
        })
}

/// The time by the clock of this machine, in whole seconds.
pub(crate) fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The folder that remembers what this host wrote into custody logs: as given or as `HAVERSACK_STATE` says,
/// else the user's; none on a host without a home folder.
pub(crate) fn custody_state(given: Option<&PathBuf>) -> Option<PathBuf> {
    let named = std::env::var_os("HAVERSACK_STATE").map(PathBuf::from);
    state_folder(given.or(named.as_ref())).ok()
}

/// The name of this machine, as the kernel has it.
pub(crate) fn host_name() -> Option<haversack::types::phrase::Phrase> {
    let path = std::path::Path::new("/proc/sys/kernel/hostname");
    let name = haversack::fs::read_text(path, 256).ok()?;
    haversack::types::phrase::Phrase::of(&name)
}

/// The folder of the content-addressed store: as given, else below the user's cache folder (XDG
/// Base Directory Specification).
#[cfg(feature = "connected")]
pub(crate) fn store_folder(given: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    given
        .cloned()
        .or_else(|| xdg("XDG_CACHE_HOME", ".cache"))
        .ok_or_else(|| {
            Failure::usage(
                "there is no home folder to keep the store in",
                "name a folder with --store DIR",
            )
        })
}

/// The folder that remembers accepted bundles: as given, else below the user's state folder (XDG
/// Base Directory Specification).
pub(crate) fn state_folder(given: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    given
        .cloned()
        .or_else(|| xdg("XDG_STATE_HOME", ".local/state"))
        .ok_or_else(|| {
            Failure::usage(
                "there is no home folder to keep the state in",
                "name a folder with --state DIR",
            )
        })
}

fn xdg(variable: &str, below_home: &str) -> Option<PathBuf> {
    let set = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base =
        set.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home)))?;
    Some(base.join("haversack"))
}
