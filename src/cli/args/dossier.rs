//! What the commands about dossiers and reports are told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct DossierArgs {
    /// The bundle, in every place where some of it lies; or a lock file, before there is a bundle.
    #[arg(required = true, value_name = "BUNDLE|LOCK")]
    pub(crate) subject: Vec<PathBuf>,
    /// How it is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: DossierFormat,
    /// Policy of the transfer: what is forbidden is listed, and the exit code is 5 then.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Trust directory: also say whether the list is signed by whom it names.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_TRUST")]
    pub(crate) trust: Option<PathBuf>,
    /// For a lock: the store whose files are looked at for their types.
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Write it into this file instead of printing it.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// How a dossier is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DossierFormat {
    /// Plain text.
    Text,
    /// A report with header, body and the digest of the body.
    Json,
    /// A page to print, complete in itself.
    Html,
    /// A table for spreadsheets.
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The report, as `verify --report` or `dossier --format json` wrote it.
    pub(crate) file: PathBuf,
}
