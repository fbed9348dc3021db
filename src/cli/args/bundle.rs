//! What the commands about bundles, keys and signatures are told.

use std::path::PathBuf;

use clap::Args;
use haversack::types::path::RelPath;

use super::CustodianArgs;

#[derive(Debug, Args)]
pub(crate) struct KeygenArgs {
    /// Where the files go, without ending: `keys/release` gives `keys/release.key` and `.pem`.
    pub(crate) prefix: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The bundle.
    pub(crate) bundle: PathBuf,
    /// The private key (PKCS#8 PEM, as `keygen` and `openssl ecparam -genkey` write it).
    #[arg(long, value_name = "FILE", required_unless_present_any = ["detached", "attach"])]
    pub(crate) key: Option<PathBuf>,
    /// Print what a key kept elsewhere must sign, and how.
    #[arg(long, conflicts_with_all = ["key", "attach"])]
    pub(crate) detached: bool,
    /// A signature made elsewhere (`openssl dgst -sha384 -sign`), added after it was checked.
    #[arg(long, value_name = "FILE", requires = "public", conflicts_with = "key")]
    pub(crate) attach: Option<PathBuf>,
    /// The public key that the attached signature belongs to.
    #[arg(long, value_name = "FILE")]
    pub(crate) public: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) custodian: CustodianArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// Trust directory: public keys (`*.pem`) and `policy.toml`.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_TRUST")]
    pub(crate) trust: PathBuf,
    /// Folder that remembers the highest sequence seen of each bundle.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// Accept a bundle older than the newest seen; the reason is kept in the state folder.
    #[arg(long, value_name = "REASON")]
    pub(crate) allow_rollback: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The bundle: its folder, on a read-only medium if you like, or the single file that `stream` wrote.
    #[arg(required = true)]
    pub(crate) bundle: Vec<PathBuf>,
    /// Write a small list of exactly what must be brought again, for `haversack patch` on the connected side.
    #[arg(long, value_name = "FILE")]
    pub(crate) recarry: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// Also check the upstreams' own signatures and checksums again, from the evidence that the bundle
    /// carries; no network is used. Keys are judged as of the time when the bundle was made.
    #[cfg(feature = "connected")]
    #[arg(long)]
    pub(crate) evidence: bool,
    /// Keep the report in this file: a header, and a body that two auditors get alike.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) custodian: CustodianArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// The bundle, in every place where some of it lies.
    #[arg(required = true)]
    pub(crate) bundle: Vec<PathBuf>,
    /// The new folder for the whole bundle.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// A patch that `haversack patch` wrote: blocks and files that were brought again.
    #[arg(long, value_name = "DIR")]
    pub(crate) patch: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) custodian: CustodianArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiptArgs {
    /// The bundle, in every place where some of it lies.
    #[arg(required = true)]
    pub(crate) bundle: Vec<PathBuf>,
    /// The private key of the isolated side, which the connected side knows.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The bundle.
    pub(crate) bundle: PathBuf,
    /// Trust directory: also say whether the list is signed by whom it names.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_TRUST")]
    pub(crate) trust: Option<PathBuf>,
    /// Show the chain of proof of this file, from upstream's signature on; it is hashed.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<RelPath>,
    /// The same file in a staged tree.
    #[arg(long, value_name = "FILE", requires = "file")]
    pub(crate) staged: Option<PathBuf>,
    /// The same file where it is installed.
    #[arg(long, value_name = "FILE", requires = "file")]
    pub(crate) installed: Option<PathBuf>,
}
