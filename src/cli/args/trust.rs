//! What the commands about trust directories are told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A trust directory: who may sign bundles for this network.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Show keys, fingerprints, roles, threshold and version, to be compared by phone.
    #[command(after_help = "Examples:\n  haversack trust show /etc/haversack/trust")]
    Show {
        /// The trust directory.
        dir: PathBuf,
    },
    /// Give a trust directory a version and a list of its files (TRUST.sha256).
    #[command(
        after_help = "Examples, in two rooms:\n  haversack trust seal next --version 2          (a copy of the current one, changed)\n  \
                            haversack trust sign next --key alice.key      (each holder of a current key that is needed)\n  \
                            haversack trust update /etc/haversack/trust --with next"
    )]
    Seal {
        /// The trust directory that is to be the next one.
        dir: PathBuf,
        /// Its version: that of the current one plus 1; an unsealed one counts as 0.
        #[arg(long, value_name = "N")]
        version: u32,
    },
    /// Sign the list of a sealed trust directory.
    #[command(
        after_help = "Examples:\n  haversack trust sign next --key alice.key\n\nFor a key elsewhere: openssl dgst -sha384 -sign KEY \
                            -out next/sig/KEYID.sig next/TRUST.sha256"
    )]
    Sign {
        /// The trust directory that is to be the next one.
        dir: PathBuf,
        /// The private key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Let the next version take the current one's place, when holders of current keys signed it.
    #[command(
        after_help = "Examples:\n  haversack trust update /etc/haversack/trust --with /media/disc/next\n\nThe replaced set is kept in \
                            history/, and updates.log says who signed. No version expires."
    )]
    Update(TrustUpdateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TrustUpdateArgs {
    /// The current trust directory.
    pub(crate) dir: PathBuf,
    /// The next one.
    #[arg(long, value_name = "DIR")]
    pub(crate) with: PathBuf,
}
