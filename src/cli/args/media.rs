//! What the commands about media are told.

use std::path::PathBuf;

use clap::Args;

use super::bundle::TrustArgs;

#[derive(Debug, Args)]
pub(crate) struct MediaArgs {
    /// The bundle.
    pub(crate) bundle: PathBuf,
    /// The mounted medium when one volume is named; else a folder that gets one folder, or image, a volume.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// Only this volume: `2` or `v2`, or `p1` for parity.
    #[arg(long, value_name = "N")]
    pub(crate) volume: Option<String>,
    /// Let a medium carry several volumes of a bundle that has parity; whoever loses it loses them all.
    #[arg(long, conflicts_with = "iso")]
    pub(crate) together: bool,
    /// Write an ISO 9660 image for each volume, with `xorriso`.
    #[arg(long)]
    pub(crate) iso: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GatherArgs {
    /// The bundle's folder on each medium that is in a drive now.
    #[arg(required = true)]
    pub(crate) bundle: Vec<PathBuf>,
    /// The folder in which the bundle comes together.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PatchArgs {
    /// The whole bundle.
    pub(crate) bundle: PathBuf,
    /// The re-carry list that `haversack verify --recarry` wrote.
    #[arg(long, value_name = "FILE")]
    pub(crate) list: PathBuf,
    /// The new folder for the patch.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}
