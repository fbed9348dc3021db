//! What `init` is told.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use haversack::init::Rows;
use haversack::plan::address::{HostName, Network, SiteUrl};
use haversack::plan::deployment::{Edition, Purpose};
use haversack::types::target::{Arch, Distribution};

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
    /// Further rows of the manifest: calls, desktop, garage, minio, monitoring, plugins, rustfs, sbom,
    /// seaweedfs, versitygw.
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
