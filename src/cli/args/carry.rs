//! What the commands for ways that take no folders are told.

use std::path::PathBuf;

use clap::Args;

use super::bundle::TrustArgs;

#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    /// The signed bundle, in every place where some of it lies.
    #[arg(required = true)]
    pub(crate) bundle: Vec<PathBuf>,
    /// The single file to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE", required_unless_present = "flat")]
    pub(crate) output: Option<PathBuf>,
    /// Write loose files with unique names into this new folder, for a diode that takes no folders.
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub(crate) flat: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiveArgs {
    /// The single file, `-` for standard input, or the folders of all volumes.
    #[arg(required_unless_present = "flat")]
    pub(crate) from: Vec<PathBuf>,
    /// Take the bundle out of the loose files in this folder, whatever their names; it is only read. Waits
    /// until everything has come.
    #[arg(long, value_name = "DIR", conflicts_with = "from")]
    pub(crate) flat: Option<PathBuf>,
    /// Look once; exit 8 and say what is missing when not everything is there.
    #[arg(long, requires = "flat")]
    pub(crate) once: bool,
    /// Seconds between two looks; a file is read when it did not change between them.
    #[arg(long, value_name = "SECONDS", default_value = "2", requires = "flat",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) every: u64,
    /// Folder of the bundle that a delta builds on; may be given several times.
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Vec<PathBuf>,
    /// The folder for the bundle, which does not exist yet.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}
