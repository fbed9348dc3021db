//! The command line: what can be typed, and what `--help` says.

mod bundle;
mod carry;
#[cfg(feature = "connected")]
mod connected;
mod custody;
mod deployment;
mod dossier;
#[cfg(test)]
mod examples;
mod init;
mod media;
#[cfg(feature = "connected")]
mod network;
mod trust;

use clap::{Args, Parser, Subcommand};

pub(crate) use bundle::{
    InspectArgs, KeygenArgs, ReceiptArgs, RepairArgs, SignArgs, TrustArgs, VerifyArgs,
};
pub(crate) use carry::{ReceiveArgs, StreamArgs};
#[cfg(feature = "connected")]
pub(crate) use connected::{BuildArgs, DeltaLevel, LockArgs, OutdatedArgs, SourceArgs};
pub(crate) use custody::{
    CustodianArgs, CustodyAddArgs, CustodyCommand, CustodyExportArgs, CustodyVerifyArgs, Paper,
    PaperFormat,
};
pub(crate) use deployment::{
    AuditArgs, DiffArgs, ExplainArgs, LintCommand, LintNginxArgs, PlanArgs, PreflightArgs,
    StageArgs,
};
pub(crate) use dossier::{DossierArgs, DossierFormat, ReportArgs};
pub(crate) use init::{InitArgs, StorageKind, arch, edition};
pub(crate) use media::{GatherArgs, MediaArgs, PatchArgs};
#[cfg(feature = "connected")]
pub(crate) use network::NetworkArgs;
pub(crate) use trust::TrustCommand;

use super::progress::Mode;

/// Builds signed offline bundles of the Mattermost stack; verifies and stages them on isolated networks.
///
/// Standard output is the result, standard error the rest. Exit codes: 0 done, 1 findings, 2 usage,
/// manifest or deployment, 3 integrity, 4 trust, 5 policy, 6 environment, 7 fetch, 8 incomplete,
/// 70 internal, 130 interrupted. `haversack explain ID` tells what a message or rule means.
#[derive(Debug, Parser)]
#[command(
    name = "haversack",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  haversack init site                                    (a first manifest and deployment)\n  \
                  haversack lock site/manifest.toml\n  haversack build site/manifest.toml -o out/mattermost-42\n  \
                  haversack sign out/mattermost-42 --key keys/release.key\n  \
                  haversack verify /media/disc/mattermost-42 --trust trust        (on the isolated side)\n  \
                  haversack stage /media/disc/mattermost-42 --trust trust -d site/deployment.toml -o staged"
)]
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
    /// Resolve a manifest into a lock: exact versions, files, container images and hashes, with the evidence checked.
    #[cfg(feature = "connected")]
    #[command(
        after_help = "Examples:\n  haversack lock mattermost.toml\n  haversack lock mattermost.toml --check      \
                            (exit 1 when locking again gives another lock; `outdated --strict` tells of newer versions)\n  \
                            haversack lock mattermost.toml --update my-plugin  (upstream said that it replaced this file)\n  \
                            HTTPS_PROXY=http://proxy.example:3128 haversack lock mattermost.toml --ca-file /etc/ssl/proxy-ca.pem"
    )]
    Lock(LockArgs),
    /// Show how far the lock is behind what publishers have. Changes nothing.
    #[cfg(feature = "connected")]
    #[command(
        after_help = "Examples:\n  haversack outdated mattermost.toml\n  haversack outdated mattermost.toml --strict --json   \
                            (exit 1 when somebody should act)\n\nlocked: in the lock. allowed: the newest that the manifest allows. in line: the \
                            newest of the locked line, also when the catalogue has no digest of it. newest: of all. A component whose manifest states one version without `versions` is compared with the \
                            catalogue only."
    )]
    Outdated(OutdatedArgs),
    /// Fetch what the lock says and write the bundle.
    #[cfg(feature = "connected")]
    #[command(
        after_help = "Examples:\n  haversack build mattermost.toml -o out/mattermost-42 --sequence 42\n  \
                            SOURCE_DATE_EPOCH=1790000000 haversack build mattermost.toml -o out/b   (same bytes every time)\n  \
                            haversack build mattermost.toml --fetch-only --limit-rate 10M --per-host 2  (a slow line that others use too)\n  \
                            haversack build mattermost.toml --fetch-only --token-file tokens --netrc netrc  (mirrors that want a password)\n  \
                            haversack build mattermost.toml --fetch-only --retries 20 --timeout 120 --min-speed 0  (a bad line)\n  \
                            haversack build mattermost.toml -o out/mattermost-42 --offline --from /media/usb\n\n\
                      A download that was interrupted goes on where it stopped when the same command is run again."
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
                            haversack verify out/b --trust trust --json > report.json\n  haversack verify out/b --trust trust --evidence      (for an auditor; evidence/README.txt says how without Haversack)"
    )]
    Verify(VerifyArgs),
    /// Write a signed bundle as one file, for a diode or a guard that takes no folders.
    #[command(
        after_help = "Examples:\n  haversack stream out/mattermost-42 -o mattermost-42.tar\n  haversack stream out/mattermost-42 -o - | \
                            diode-send\n  haversack stream out/mattermost-42 --flat outbox       (loose files)\n\nThe file is a plain ustar: `tar xf` gives the folder back, `haversack receive` and `haversack \
                      verify` take it as it is."
    )]
    Stream(StreamArgs),
    /// Take in a bundle that comes as one file, through a pipe, as loose files, on volumes, or as a delta.
    #[command(
        after_help = "Examples:\n  haversack receive mattermost-42.tar --trust trust -o mattermost-42\n  diode-receive | haversack \
                            receive - --trust trust -o mattermost-42\n  haversack receive --flat /var/spool/diode --trust trust -o mattermost-42\n  haversack receive /media/a/b /media/b/b --trust trust -o mattermost-42   (volumes into one folder)\n  haversack receive delta-43 --base mattermost-42 --trust trust -o mattermost-43\n\nThe folder appears when every byte is proved. After a damaged or cut \
                      transmission, the same command with the next one goes on with the files that came whole."
    )]
    Receive(ReceiveArgs),
    /// Prove a bundle, and write a signed receipt for the connected side, with a code that can be typed.
    #[command(
        after_help = "Examples:\n  haversack receipt mattermost-42 --trust trust --key isolated.key -o 42.receipt\n\nOn the connected side: \
                      haversack build … --base mattermost-42 --acknowledged 42.receipt --isolated-key isolated.pem, or with the code."
    )]
    Receipt(ReceiptArgs),
    /// Write each volume of a bundle to its medium, and read it back.
    #[command(
        after_help = "Examples:\n  haversack media out/mattermost-42 --volume 2 --to /media/usb      (one medium)\n  haversack media \
                            out/mattermost-42 --to discs              (a folder a volume)\n  haversack media out/mattermost-42 --to discs --iso        (an image a volume)\n\n\
                      What the medium cannot hold is refused before anything is written."
    )]
    Media(MediaArgs),
    /// Take the media of a bundle into one folder, one after the other, proving each file on the way.
    #[command(
        after_help = "Examples:\n  haversack gather /media/cdrom/mattermost-42 --trust trust -o mattermost-42\n\nRun it again with each medium; \
                      exit 8 says which are still to come. Stage from the folder when it is whole."
    )]
    Gather(GatherArgs),
    /// Write only what a re-carry list names, to mend a bundle that came over damaged.
    #[command(
        after_help = "Examples:\n  haversack verify /media/disc/b --trust trust --recarry list.txt   (isolated side)\n  haversack patch out/b \
                            --list list.txt -o patch                       (connected side)\n  haversack repair /media/disc/b --patch patch --trust trust -o mended"
    )]
    Patch(PatchArgs),
    /// Make a damaged bundle whole again from its parity, in a new folder.
    #[command(
        after_help = "Examples:\n  haversack repair /media/disc/mattermost-42 --trust trust -o mended\n  haversack repair \
                            /media/a/b /media/b/b --trust trust -o mended   (two damaged copies help each other)\n\n\
                      Parity is made with: haversack build --parity 10%. Nothing is written to the damaged bundle."
    )]
    Repair(RepairArgs),
    /// The chain of custody: add events, prove a log, print sign-off sheet and labels.
    #[command(
        subcommand,
        after_help = "Examples:\n  haversack custody verify custody.jsonl\n  haversack custody export out/mattermost-42 --log custody.jsonl"
    )]
    Custody(CustodyCommand),
    /// List what is to be approved before a transfer: each file, its type, source, evidence.
    #[command(
        after_help = "Examples:\n  haversack dossier out/mattermost-42 --trust trust --format html --output dossier.html\n  \
                            haversack dossier mattermost.lock --policy transfer.toml     (before anything is built)\n\n\
                      The body is a pure function of the bundle: whoever makes it gets the same body SHA-256. Exit code 5 when \
                            the policy forbids something."
    )]
    Dossier(DossierArgs),
    /// Show a report that was kept, after its body was proved unchanged.
    #[command(
        after_help = "Examples:\n  haversack verify /media/disc/b --trust trust --report b.json\n  haversack report b.json"
    )]
    Report(ReportArgs),
    /// Look at a trust directory, seal it, or let the next version take its place.
    #[command(
        subcommand,
        after_help = "Examples:\n  haversack trust show /etc/haversack/trust\n  haversack trust update /etc/haversack/trust --with next"
    )]
    Trust(TrustCommand),
    /// Show what a bundle says of itself, without trusting it; or the chain of proof of one file.
    #[command(
        after_help = "Examples:\n  haversack inspect out/mattermost-42\n  haversack inspect out/mattermost-42 --trust trust \
                            --file v1/files/mattermost/mattermost-11.7.10-linux-amd64.tar.gz --installed /opt/stage/mattermost.tar.gz"
    )]
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
    #[command(
        subcommand,
        after_help = "Examples:\n  haversack lint nginx /etc/nginx/conf.d/mattermost.conf"
    )]
    Lint(LintCommand),
    /// Search a staged tree for hosts outside its deployment. Changes nothing.
    #[command(
        after_help = "Examples:\n  haversack audit staged       (exit 5 when a file names a host that the deployment does not \
                            acknowledge)\n\nUpstream's archives and packages are not searched; `haversack verify` vouches for these."
    )]
    Audit(AuditArgs),
    /// Show what differs between two staged trees, or two locks. Secrets are never shown.
    #[command(
        after_help = "Examples:\n  haversack diff staged.old staged       (exit 1 when they differ)\n  haversack diff \
                            mattermost.lock.old mattermost.lock   (for a change board: versions, sizes, digests, keys, evidence, what to read)"
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
        after_help = "Examples:\n  haversack explain E301\n  haversack explain DB-062\n  haversack explain policy.toml\n  haversack explain progress    (the lines of --progress json)\n  haversack explain --all"
    )]
    Explain(ExplainArgs),
    /// Print the completions of a shell.
    #[command(
        after_help = "Examples:\n  haversack completions bash > ~/.local/share/bash-completion/completions/haversack\n  \
                            haversack completions zsh > ~/.zfunc/_haversack"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff).
    #[command(after_help = "Examples:\n  haversack man > haversack.1\n  haversack man | man -l -")]
    Man,
}
