//! The command line: what can be typed, and what `--help` says.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use haversack::init::Rows;
use haversack::plan::address::{HostName, Network, SiteUrl};
use haversack::plan::deployment::{Edition, Purpose};
use haversack::types::target::{Arch, Distribution};

use super::progress::Mode;

/// Builds signed offline bundles of the Mattermost stack; verifies and stages them on isolated networks.
///
/// Standard output is the result, standard error the rest. Exit codes: 0 done, 1 findings, 2 usage,
/// manifest or deployment, 3 integrity, 4 trust, 5 policy, 6 environment, 7 fetch, 8 incomplete,
/// 70 internal, 130 interrupted. `haversack explain ID` tells what a message or rule means.
#[derive(Debug, Parser)]
#[command(name = "haversack", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Print the result as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How progress is shown on standard error.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "HOW"
    )]
    pub(crate) progress: Mode,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first manifest and deployment from a few answers; never replaces a file.
    #[command(
        after_help = "Examples:\n  haversack init site                       (asks, on a terminal)\n  \
                            haversack init site --site https://chat.mm.internal --hosts mm1=10.20.0.10 \\\n    \
                            --user-network 10.30.0.0/16 --admin-network 10.20.9.0/28\n  \
                            haversack init site --distribution ubuntu-24.04 --edition enterprise --ha --storage minio \\\n    \
                            --site https://chat.mm.internal --user-network 10.30.0.0/16 --admin-network 10.20.9.0/28 \\\n    \
                            --hosts web1=10.20.0.5,proxy,app1=10.20.0.11,app,app2=10.20.0.12,app,app3=10.20.0.13,app \\\n    \
                            --hosts db1=10.20.0.20,db,files1=10.20.0.30,minio --with plugins,sbom"
    )]
    Init(Box<InitArgs>),
    /// Resolve a manifest into a lock: exact versions, files and hashes, with the evidence checked.
    #[cfg(feature = "connected")]
    #[command(
        after_help = "Examples:\n  haversack lock mattermost.toml\n  haversack lock mattermost.toml --check      \
                            (exit 1 when upstream has moved on)\n  \
                            haversack lock mattermost.toml --update my-plugin  (upstream said that it replaced this file)"
    )]
    Lock(LockArgs),
    /// Fetch what the lock says and write the bundle.
    #[cfg(feature = "connected")]
    #[command(
        after_help = "Examples:\n  haversack build mattermost.toml -o out/mattermost-42 --sequence 42\n  \
                            SOURCE_DATE_EPOCH=1790000000 haversack build mattermost.toml -o out/b   (same bytes every time)"
    )]
    Build(BuildArgs),
    /// Make a signing key pair (ECDSA P-384).
    #[command(
        after_help = "Examples:\n  haversack keygen keys/release\n\nWrites keys/release.key (keep it secret), \
                            keys/release.pem (give it to the isolated side) and keys/release.allowed_signers (for ssh-keygen -Y verify)."
    )]
    Keygen(KeygenArgs),
    /// Add a signature to a bundle.
    #[command(
        after_help = "Examples:\n  haversack sign out/mattermost-42 --key keys/release.key\n  haversack sign \
                            out/mattermost-42 --detached              (prints what a key kept elsewhere must sign)\n  \
                            haversack sign out/mattermost-42 --attach answer.sig --public keys/card.pem"
    )]
    Sign(SignArgs),
    /// Prove a bundle: signatures, list, and every byte.
    #[command(
        after_help = "Examples:\n  haversack verify /media/disc/mattermost-42 --trust /etc/haversack/trust\n  \
                            haversack verify out/b --trust trust --json > report.json"
    )]
    Verify(VerifyArgs),
    /// Make a damaged bundle whole again from its parity, in a new folder.
    #[command(
        after_help = "Examples:\n  haversack repair /media/disc/mattermost-42 --trust trust -o mended\n  haversack repair \
                            /media/a/b /media/b/b --trust trust -o mended   (two damaged copies help each other)\n\n\
                      Parity is made with: haversack build --parity 10%. Nothing is written to the damaged bundle."
    )]
    Repair(RepairArgs),
    /// Show what a bundle says of itself, without trusting it.
    #[command(after_help = "Examples:\n  haversack inspect out/mattermost-42")]
    Inspect(InspectArgs),
    /// Check a deployment against every rule; print hosts, ports and findings. Writes nothing.
    #[command(
        after_help = "Examples:\n  haversack plan deployment.toml\n  haversack plan deployment.toml --bundle \
                            /media/disc/b --trust trust   (also: is all in it?)"
    )]
    Plan(PlanArgs),
    /// Verify a bundle while copying it into one ready-to-install tree a host.
    #[command(
        after_help = "Examples:\n  haversack stage /media/disc/mattermost-42 --trust trust -d deployment.toml -o staged"
    )]
    Stage(StageArgs),
    /// Say what a configuration written by hand lacks, and what that causes.
    #[command(subcommand)]
    Lint(LintCommand),
    /// Search a staged tree for hosts outside its deployment. Changes nothing.
    #[command(
        after_help = "Example:\n  haversack audit staged       (exit 5 when a file names a host that the deployment does not \
                            acknowledge)\n\nUpstream's archives and packages are not searched; `haversack verify` vouches for these."
    )]
    Audit(AuditArgs),
    /// Show what differs between two staged trees, or two locks. Secrets are never shown.
    #[command(
        after_help = "Examples:\n  haversack diff staged.old staged       (exit 1 when they differ)\n  haversack diff \
                            mattermost.lock.old mattermost.lock"
    )]
    Diff(DiffArgs),
    /// Look whether this host is what its staged tree expects. Changes nothing.
    #[command(
        after_help = "Examples:\n  haversack preflight staged/mm1\n  haversack preflight staged/mm1 --after --json\n\n\
                      Exit codes: 0 fit, 1 warnings under --strict, 5 something stands in the way. The staged tree's own \
                      preflight.sh makes the same checks where this program may not run."
    )]
    Preflight(PreflightArgs),
    /// Tell what a message id (E301) or a rule (DB-062) means and what to do.
    #[command(
        after_help = "Examples:\n  haversack explain E301\n  haversack explain DB-062\n  haversack explain --all"
    )]
    Explain(ExplainArgs),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff).
    Man,
}

/// What `init` is told by options; what is missing is asked for.
#[derive(Debug, Default, Args)]
pub(crate) struct InitArgs {
    /// Folder of the two files; made when it is not there.
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Address of the site, as users type it.
    #[arg(long, value_name = "URL")]
    pub(crate) site: Option<SiteUrl>,
    /// Hosts with their roles, as NAME=ADDRESS,ROLE,ROLE,NAME=ADDRESS,ROLE; may be given several times.
    /// An only host needs no roles. Roles: proxy, app, db, db-replica, minio, nfs, push, monitor.
    #[arg(long, value_name = "LIST")]
    pub(crate) hosts: Vec<String>,
    /// Networks of the users, such as 10.30.0.0/16.
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) user_network: Vec<Network>,
    /// Networks of the administrators.
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) admin_network: Vec<Network>,
    /// Distribution of the hosts [default: debian-12].
    #[arg(long, value_name = "NAME")]
    pub(crate) distribution: Option<Distribution>,
    /// Architecture of the hosts [default: amd64].
    #[arg(long, value_name = "NAME", value_parser = arch)]
    pub(crate) arch: Option<Arch>,
    /// entry, team, professional, enterprise or advanced [default: entry].
    #[arg(long, value_name = "NAME", value_parser = edition)]
    pub(crate) edition: Option<Edition>,
    /// production, evaluation or development.
    #[arg(long, value_name = "WORD", value_parser = purpose, default_value = "production")]
    pub(crate) purpose: Option<Purpose>,
    /// Several application servers share the work (three or more, and an edition that has it).
    #[arg(long)]
    pub(crate) ha: bool,
    /// Where files are kept: a folder, MinIO on a host, an S3 service, or NFS [default: local].
    #[arg(long, value_enum)]
    pub(crate) storage: Option<StorageKind>,
    /// The S3 service that exists, with --storage s3.
    #[arg(long, value_name = "URL")]
    pub(crate) s3_endpoint: Option<SiteUrl>,
    /// The NFS server that exists, with --storage nfs; else the host with the role nfs.
    #[arg(long, value_name = "NAME")]
    pub(crate) nfs_server: Option<HostName>,
    /// A database server that exists, instead of a host with the role db.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<HostName>,
    /// An only host runs the push proxy too; of several, give one the role push.
    #[arg(long)]
    pub(crate) push: bool,
    /// How many people will use it.
    #[arg(long, value_name = "N")]
    pub(crate) people: Option<u32>,
    /// Addresses of resolvers.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) dns: Vec<IpAddr>,
    /// Addresses of time servers.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) ntp: Vec<IpAddr>,
    /// Further rows of the manifest: calls, desktop, garage, minio, plugins, rustfs, sbom, seaweedfs,
    /// versitygw.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) with: Vec<Rows>,
}

/// Where files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StorageKind {
    /// A folder of the only application server.
    Local,
    /// MinIO on the host with that role.
    Minio,
    /// An S3 service that exists.
    S3,
    /// NFS.
    Nfs,
}

/// An architecture by its name.
pub(crate) fn arch(text: &str) -> Result<Arch, String> {
    let known = [Arch::Amd64, Arch::Arm64];
    let found = known.into_iter().find(|arch| arch.as_str() == text);
    found.ok_or_else(|| "supported are amd64 and arm64".to_owned())
}

/// An edition by its name.
pub(crate) fn edition(text: &str) -> Result<Edition, String> {
    one_of(text, Edition::ALL)
}

fn purpose(text: &str) -> Result<Purpose, String> {
    one_of(text, Purpose::ALL)
}

fn one_of<T: Copy + std::fmt::Display>(text: &str, all: &[T]) -> Result<T, String> {
    let found = all.iter().find(|one| one.to_string() == text).copied();
    found.ok_or_else(|| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        format!("there are {}", all.join(", "))
    })
}

#[cfg(feature = "connected")]
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
    /// Let this component or package repository differ from the lock before although nobody vouches
    /// for the change, or `all`; may be given several times. The rest is resolved anew without it.
    #[arg(long, value_name = "NAME")]
    pub(crate) update: Vec<String>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

#[cfg(feature = "connected")]
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Folder of the content-addressed store.
    #[arg(long, value_name = "DIR", env = "HAVERSACK_STORE")]
    pub(crate) store: Option<PathBuf>,
}

#[cfg(feature = "connected")]
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The manifest.
    pub(crate) manifest: PathBuf,
    /// Folder of the bundle to write.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
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
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// `10` or `10%`.
#[cfg(feature = "connected")]
fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u8>();
    number
        .ok()
        .filter(|percent| (1..=100).contains(percent))
        .ok_or_else(|| "give a whole number of percent from 1 to 100, such as 10%".to_owned())
}

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
    /// The bundle; a read-only medium is fine.
    #[arg(required = true)]
    pub(crate) bundle: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// The bundle, in every place where some of it lies.
    #[arg(required = true)]
    pub(crate) bundle: Vec<PathBuf>,
    /// The new folder for the whole bundle.
    #[arg(short, long, value_name = "DIR")]
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
}

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
    /// A message id (E301, W901) or a rule id (DB-062).
    #[arg(required_unless_present = "all")]
    pub(crate) id: Option<String>,
    /// Tell all of them.
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
}
