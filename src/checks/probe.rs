//! How a check is found out: each kind with its parameters.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::words::Word;
use crate::types::name::Name;
use crate::types::path::RelPath;

/// What an application server asks its database: one row with major version, whether it may make
/// tables, encoding and locale.
pub const DATABASE_QUERY: &str = "SELECT current_setting('server_version_num')::int / 10000 || ' ' || has_schema_privilege('public', 'CREATE') || ' ' || pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || datctype FROM pg_database WHERE datname = current_database()";

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// The program that knows the installed packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packager {
    /// dpkg.
    Dpkg,
    /// rpm.
    Rpm,
}

/// What a client says before TLS begins, as `openssl s_client -starttls` calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartTls {
    /// Nothing: TLS from the first byte.
    None,
    /// SMTP.
    Smtp,
    /// LDAP.
    Ldap,
    /// `PostgreSQL`.
    Postgres,
}

impl StartTls {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Smtp => "smtp",
            Self::Ldap => "ldap",
            Self::Postgres => "postgres",
        }
    }
}

/// A file system's share of what is laid down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The folder; it need not exist yet.
    pub folder: Word,
    /// MiB.
    pub mib: u64,
    /// Files and folders.
    pub files: u64,
}

/// Which of the names of a site may stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Claim {
    /// Nowhere but in our file, if it is there.
    Free,
    /// In our file, and nowhere else.
    Ours,
}

/// A server that ends TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// Its name or address, as its certificate must hold it.
    pub host: Word,
    /// Its port.
    pub port: u16,
    /// What goes before TLS.
    pub starttls: StartTls,
    /// The authority, a file of the staged folder; none: those that the host trusts.
    pub authority: Option<Word>,
    /// The host of the deployment that serves it; none: it exists already.
    pub neighbour: Option<Name>,
}

/// How an application server logs in to its database. The password is read from the staged
/// environment file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Server.
    pub host: Word,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: Word,
    /// User.
    pub user: Word,
    /// `sslmode`.
    pub sslmode: Word,
    /// Lowest major version of the server.
    pub minimum: u16,
    /// The environment file, below the staged folder.
    pub environment: Word,
    /// The authority, below the staged folder.
    pub authority: Word,
    /// The host of the deployment that serves it; none: it exists already.
    pub neighbour: Option<Name>,
}

/// How a check is found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Probe {
    /// The check runs as root.
    Root {},
    /// systemd is the first process.
    Systemd {},
    /// `/etc/os-release` names this distribution; a version may go on after a dot.
    Platform {
        /// `ID`.
        id: Word,
        /// `VERSION_ID`.
        version: Word,
    },
    /// The kernel runs programs for this architecture, by Debian's name for it.
    Architecture {
        /// `amd64` or `arm64`.
        arch: Word,
    },
    /// A staged program is for this architecture and asks for no newer C library than the host's.
    Program {
        /// Its file, below `artifacts/`.
        artifact: RelPath,
        /// The program in it, when the file is an archive.
        member: Option<Word>,
        /// `e_machine` of its ELF header.
        machine: u16,
    },
    /// Space and inodes; folders of one file system are added up.
    Space {
        /// What is needed where.
        needs: Vec<Need>,
    },
    /// Memory.
    Memory {
        /// Least, in MiB.
        mib: u64,
    },
    /// Nobody listens on a port, or one of these programs does.
    PortFree {
        /// Protocol.
        protocol: Transport,
        /// Port.
        port: u16,
        /// Names of processes (`comm`, 15 characters) that may.
        owners: Vec<Word>,
    },
    /// An address is one of this host's.
    OwnAddress {
        /// The address.
        address: IpAddr,
    },
    /// A network interface exists.
    Interface {
        /// Its name.
        name: Word,
    },
    /// The clock is not behind a time.
    NotBefore {
        /// Seconds since 1970.
        seconds: u64,
    },
    /// The clock follows a time server.
    Synchronised {},
    /// The locale `en_US.UTF-8` is there.
    Locale {},
    /// `/etc/hosts` does not lead a name elsewhere; our own lines do not count.
    HostsFile {
        /// The name.
        name: Word,
        /// Where it should lead.
        address: IpAddr,
    },
    /// A name resolves, to this address if one is given.
    Resolves {
        /// The name.
        name: Word,
        /// The address.
        address: Option<IpAddr>,
    },
    /// A server shows a certificate that is trusted and holds its name.
    Tls(ServerTls),
    /// A server takes connections.
    Reachable {
        /// Name or address.
        host: Word,
        /// Port.
        port: u16,
        /// The host of the deployment that serves it.
        neighbour: Option<Name>,
    },
    /// A bucket opens with the staged key (HEAD, AWS Signature Version 4).
    Bucket {
        /// URL of the bucket.
        url: Word,
        /// Region.
        region: Word,
        /// The environment file with the key, below the staged folder.
        environment: Word,
        /// The authority, below the staged folder.
        authority: Word,
        /// The host of the deployment that serves it.
        neighbour: Option<Name>,
    },
    /// The database opens, is new enough, and lets its user make tables.
    Database(Login),
    /// An NFS folder is mounted.
    NfsMount {
        /// Where.
        folder: Word,
    },
    /// A user with this number exists, or name and number are free.
    Account {
        /// Name of user and group.
        user: Word,
        /// Number of both.
        id: u32,
    },
    /// `SELinux` lets the proxy reach its servers.
    SelinuxProxy {},
    /// fapolicyd, if it runs, has a rule for a folder.
    Fapolicyd {
        /// The folder.
        folder: Word,
    },
    /// Docker Engine on Linux answers.
    Docker {},
    /// A folder belongs to a user.
    Owned {
        /// The folder.
        path: Word,
        /// Number of the user.
        uid: u32,
    },
    /// NGINX has a name in no other file than ours.
    SiteName {
        /// The name.
        name: Word,
        /// Our file.
        file: Word,
        /// Whether it must be there already.
        claim: Claim,
    },
    /// Nothing stands at a path unless our mark does too.
    Unclaimed {
        /// The path.
        path: Word,
        /// The mark.
        mark: Word,
    },
    /// A folder holds no file.
    NoFiles {
        /// The folder.
        folder: Word,
    },
    /// `pg_dump` is as new as the server.
    DumpMajor {
        /// Major version of the server.
        major: u16,
    },
    /// No package is half installed.
    Packages {
        /// Who knows.
        packager: Packager,
    },
    /// None of these units runs.
    NotRunning {
        /// The units.
        units: Vec<Word>,
    },
}
