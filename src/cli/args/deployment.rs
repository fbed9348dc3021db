//! What the commands about deployments, staged trees and hosts are told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CustodianArgs, TrustArgs};

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The deployment file.
    pub(crate) deployment: PathBuf,
    /// Also compare with what this bundle holds.
    #[arg(long, value_name = "DIR", requires = "trust")]
    pub(crate) bundle: Option<PathBuf>,
    /// Trust directory to check that bundle with.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_TRUST")]
    pub(crate) trust: Option<PathBuf>,
    /// Accept the warnings of a rule; may be given several times. Errors cannot be accepted.
    #[arg(long, value_name = "ID")]
    pub(crate) accept: Vec<String>,
    /// Exit 1 when a warning is left.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StageArgs {
    /// The bundle; a read-only medium is fine.
    #[arg(required = true)]
    pub(crate) bundle: Vec<PathBuf>,
    /// The deployment file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) deployment: PathBuf,
    /// Folder of the staged tree. Staging again replaces it and keeps its secrets.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Folder with secrets that you bring, each a file named as the secret, mode 0600:
    /// smtp-password, ldap-bind-password, s3-access-key, s3-secret-key, db-password, license. They are
    /// kept in the staged tree, so that a later stage needs no folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets: Option<PathBuf>,
    /// Accept the warnings of a rule; may be given several times. Errors cannot be accepted.
    #[arg(long, value_name = "ID")]
    pub(crate) accept: Vec<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) custodian: CustodianArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LintCommand {
    /// The NGINX in front of Mattermost: required and recommended elements, with the symptom that each missing one causes.
    ///
    /// Exit code 0: no errors; 5: errors; with --strict also 1: warnings; 2: a file cannot be read.
    #[command(
        after_help = "Examples:\n  haversack lint nginx /etc/nginx/conf.d/mattermost.conf\n  \
                            haversack lint nginx mattermost.conf --deployment deployment.toml   (also: does it fit?)\n  \
                            haversack lint nginx mattermost.conf snippets/proxy.conf            (with a file that it includes)\n  \
                            nginx -T > all.conf; haversack lint nginx all.conf                  (everything that NGINX reads)"
    )]
    Nginx(LintNginxArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LintNginxArgs {
    /// The file of the site, or the output of `nginx -T`; then the files that it includes.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Also compare names, ports, servers and sizes with this deployment file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) deployment: Option<PathBuf>,
    /// The version of NGINX that will read it, such as 1.22.1.
    #[arg(long, value_name = "VERSION")]
    pub(crate) nginx_version: Option<haversack::nginx::Version>,
    /// Exit 1 when there are warnings.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The staged tree.
    pub(crate) staged: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The older staged tree or lock.
    pub(crate) old: PathBuf,
    /// The newer one.
    pub(crate) new: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PreflightArgs {
    /// Folder of this host in the staged tree: the one with `install.sh` and `checks.json`.
    #[arg(value_name = "HOSTDIR")]
    pub(crate) folder: PathBuf,
    /// Also make the checks that hold only after the installation.
    #[arg(long)]
    pub(crate) after: bool,
    /// Exit 1 when a warning is left.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A message id (E301, W901), a rule id (DB-062), a file (policy.toml, revoked.toml, transfer.toml), or
    /// `progress`: the lines of --progress json.
    #[arg(required_unless_present = "all")]
    pub(crate) id: Option<String>,
    /// Tell all of them.
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
}
