//! How the connected side reaches the network.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;

/// Proxies come from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, as for curl.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// Send nothing to the network: use what the store and --from have, and say what is missing.
    #[arg(long, env = "HAVERSACK_OFFLINE", value_parser = yes_or_no)]
    pub(crate) offline: bool,
    /// A folder of files that somebody brought, such as --from /media/usb; each is known by its digest,
    /// whatever its name; may be given several times.
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Vec<PathBuf>,
    /// How many files are fetched at once; four a core when not given.
    #[arg(long, value_name = "N", env = "HAVERSACK_JOBS")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// How many requests may be under way to one host.
    #[arg(
        long,
        value_name = "N",
        default_value = "8",
        env = "HAVERSACK_PER_HOST"
    )]
    pub(crate) per_host: NonZeroUsize,
    /// Most bytes a second of all downloads together, such as 500k, 10M or 1G (powers of 1024).
    #[arg(long, value_name = "RATE", value_parser = rate, env = "HAVERSACK_LIMIT_RATE")]
    pub(crate) limit_rate: Option<u64>,
    /// Give up a download that is slower than this many bytes a second over --timeout; 0 for never.
    #[arg(long, value_name = "RATE", value_parser = rate, default_value = "1k", env = "HAVERSACK_MIN_SPEED")]
    pub(crate) min_speed: u64,
    /// Most bytes of a file whose size no lock states yet, such as 500M or 20G.
    #[arg(long, value_name = "SIZE", value_parser = rate, default_value = "8G", env = "HAVERSACK_MAX_SIZE")]
    pub(crate) max_size: u64,
    /// How long a server may be silent, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=86_400), env = "HAVERSACK_TIMEOUT")]
    pub(crate) timeout: u64,
    /// How often to try again what fails and brings nothing, before the next mirror.
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(0..=1000), env = "HAVERSACK_RETRIES")]
    pub(crate) retries: u32,
    /// PEM file of authorities to trust beside those of the system, such as that of an inspecting proxy.
    #[arg(long, value_name = "FILE", env = "HAVERSACK_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// User names and passwords by host, as curl reads them (`machine HOST login NAME password WORD`);
    /// sent over https only; nobody else may be able to read the file.
    #[arg(long, value_name = "FILE", env = "NETRC")]
    pub(crate) netrc: Option<PathBuf>,
    /// Bearer tokens by host, a line `HOST TOKEN` each; as --netrc. The variable `HAVERSACK_TOKENS` takes
    /// the lines themselves.
    #[arg(long, value_name = "FILE", env = "HAVERSACK_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

impl NetworkArgs {
    /// The rate limit, when there is one.
    pub(crate) fn rate(&self) -> Option<NonZeroU64> {
        self.limit_rate.and_then(NonZeroU64::new)
    }
}

/// A variable or option that is on or off. An empty variable is as an unset one.
pub(super) fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" | "" => Ok(false),
        _ => Err(
            "give 1, true or yes, or 0, false or no; the variable HAVERSACK_OFFLINE counts where --offline is not given"
                .to_owned(),
        ),
    }
}

/// `4096`, `500k`, `10M`, `1G`: powers of 1024, as curl reads them.
fn rate(text: &str) -> Result<u64, String> {
    let wrong = || "give a number of bytes, such as 4096, 500k, 10M or 1G".to_owned();
    let split = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_or_off_says_so() {
        for (text, on) in [
            ("1", Some(true)),
            ("true", Some(true)),
            ("Yes", Some(true)),
            ("0", Some(false)),
            ("FALSE", Some(false)),
            ("no", Some(false)),
            ("", Some(false)),
            ("banana", None),
            ("2", None),
            (" 1", None),
            ("off", None),
        ] {
            assert_eq!(yes_or_no(text).ok(), on, "{text}");
        }
    }

    #[test]
    fn rates_have_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("500k", Some(512_000)),
            ("10M", Some(10 << 20)),
            ("1G", Some(1 << 30)),
            ("1.5M", None),
            ("M", None),
            ("-1", None),
            ("10MB", None),
            ("99999999999999G", None),
            ("", None),
        ] {
            assert_eq!(rate(text).ok(), bytes, "{text}");
        }
    }
}
