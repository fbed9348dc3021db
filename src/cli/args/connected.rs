//! What the commands of the connected side are told.

use std::path::PathBuf;

use clap::Args;
use haversack::bundle::volumes::VolumeSize;

use super::network::NetworkArgs;

#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// The manifest.
    pub(crate) manifest: PathBuf,
    /// The lock file; beside the manifest, ending in `.lock`, when not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
    /// Change nothing; exit 1 and say what differs when resolving now would give another lock.
    #[arg(long)]
    pub(crate) check: bool,
    /// Let this component take the newest version that the manifest allows (else the locked one stays),
    /// and let it or this package repository differ from the lock before although nobody vouches for the
    /// change; or `all`. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) update: Vec<String>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OutdatedArgs {
    /// The manifest.
    pub(crate) manifest: PathBuf,
    /// The lock file; beside the manifest, ending in `.lock`, when not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
    /// Exit 1 when the manifest allows a newer version, a locked version was withdrawn, support has ended,
    /// or the catalogue refuses a locked version.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Folder of the content-addressed store.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_STORE")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The manifest.
    pub(crate) manifest: PathBuf,
    /// Folder of the bundle to write.
    #[arg(
        short,
        long,
        value_name = "DIR",
        required_unless_present = "fetch_only"
    )]
    pub(crate) output: Option<PathBuf>,
    /// Only bring every file of the lock into the store; `build --offline` writes the bundle later.
    #[arg(long, conflicts_with_all = ["output", "replace", "sequence", "parity"])]
    pub(crate) fetch_only: bool,
    /// When a file cannot be had, fetch the others all the same and list what failed;
    /// --keep-going=false begins no new file after the first failure.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) keep_going: bool,
    /// The lock file; beside the manifest, ending in `.lock`, when not given. Made when it is not there.
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
    /// Number of this bundle in its series; the isolated side refuses one lower than it has seen.
    /// When not given: the seconds since 1970 at its creation (`SOURCE_DATE_EPOCH` or the clock), so
    /// that it grows by itself. Stay with one way: after those seconds, small numbers are refused.
    #[arg(long, value_name = "N")]
    pub(crate) sequence: Option<u64>,
    /// Replace a different bundle that stands at the output folder, once the new one is whole.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Marking that every generated text carries, such as UNCLASSIFIED.
    #[arg(long, value_name = "TEXT", default_value = "UNMARKED")]
    pub(crate) marking: String,
    /// Parity blocks for each hundred blocks of payload, 1 to 100: that much damage, wherever it is, can be
    /// repaired on the isolated side (`haversack repair`).
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) parity: Option<u8>,
    /// Spread the payload over volumes v1, v2, … that fit these media: fat32, cd, dvd, dvd-dl, bd25, bd50, bd100,
    /// or a size such as 4G or 16GiB; 2 % of it stay free. `haversack media` writes each to its medium.
    #[arg(long, value_name = "MEDIUM|SIZE")]
    pub(crate) volume_size: Option<VolumeSize>,
    /// Parity for so many whole media, on media of their own: as many may be lost, whichever they are.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=64))]
    pub(crate) spare_volume: u16,
    /// Make a delta: carry only what this bundle does not have, which the isolated side holds.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["parity", "spare_volume"])]
    pub(crate) base: Option<PathBuf>,
    /// How a delta carries a file of which the base holds an older one: `content` carries a change instead, where it
    /// is smaller and was proved to give upstream's very bytes; `file` always the whole file.
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "content",
        requires = "base"
    )]
    pub(crate) delta: DeltaLevel,
    /// What the isolated side sent back for that bundle: the file of `haversack receipt`, or its code.
    #[arg(long, value_name = "FILE|CODE", requires = "base")]
    pub(crate) acknowledged: Option<String>,
    /// The public key that signed the receipt.
    #[arg(long, value_name = "FILE", requires = "acknowledged")]
    pub(crate) isolated_key: Option<PathBuf>,
    /// Policy of the transfer: nothing is written when it forbids something.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// A custody log up to now: it goes into the bundle as `evidence/custody.jsonl`, after it was proved.
    #[arg(long, value_name = "LOG")]
    pub(crate) custody: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// How a delta carries a file that is not the same in its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DeltaLevel {
    /// A change, where one is proved and smaller.
    Content,
    /// The whole file.
    File,
}

/// `10` or `10%`.
fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u8>();
    number
        .ok()
        .filter(|percent| (1..=100).contains(percent))
        .ok_or_else(|| "give a whole number of percent from 1 to 100, such as 10%".to_owned())
}
