//! The choices of the deployment file: each is one word of a closed list.

use crate::plan::words::words;
use crate::types::target::{Distribution, Family};

words! {
    /// A part that a host plays.
    pub Role {
        /// NGINX: ends TLS for users.
        Proxy = "proxy",
        /// The Mattermost server.
        App = "app",
        /// The `PostgreSQL` primary.
        Db = "db",
        /// A `PostgreSQL` hot standby.
        DbReplica = "db-replica",
        /// The S3-compatible file store.
        Minio = "minio",
        /// The NFS server.
        Nfs = "nfs",
        /// The push proxy.
        Push = "push",
        /// Prometheus.
        Monitor = "monitor",
        /// All of it as Docker Compose services.
        Docker = "docker",
    }
}

words! {
    /// The edition that the licence buys (Mattermost "editions and offerings").
    pub Edition {
        /// Free of charge, with limits.
        Entry = "entry",
        /// The open-source build.
        Team = "team",
        /// Professional.
        Professional = "professional",
        /// Enterprise.
        Enterprise = "enterprise",
        /// Enterprise Advanced.
        Advanced = "advanced",
    }
}

impl Edition {
    /// Whether it has high availability, metrics and compliance features: Enterprise and above.
    #[must_use]
    pub const fn is_enterprise(self) -> bool {
        matches!(self, Self::Enterprise | Self::Advanced)
    }

    /// Whether it has a licence file.
    #[must_use]
    pub const fn is_licensed(self) -> bool {
        matches!(self, Self::Professional | Self::Enterprise | Self::Advanced)
    }
}

words! {
    /// What the deployment is for; rules are stricter for production.
    pub Purpose {
        /// Real users depend on it.
        Production = "production",
        /// A trial; nobody depends on it.
        Evaluation = "evaluation",
        /// Development or test.
        Development = "development",
    }
}

words! {
    /// How the services run.
    pub Method {
        /// Packages and systemd units.
        Linux = "linux",
        /// Docker Compose on one host.
        Docker = "docker",
        /// Kubernetes.
        Kubernetes = "kubernetes",
    }
}

words! {
    /// Whether several servers share the work.
    pub Availability {
        /// One application server.
        Single = "single",
        /// Several application servers behind proxies.
        High = "high",
    }
}

words! {
    /// The impact level, or another level of marking.
    pub Level {
        /// Unclassified or not marked by impact level.
        Unclassified = "unclassified",
        /// Impact level 2.
        Il2 = "il2",
        /// Impact level 4.
        Il4 = "il4",
        /// Impact level 5.
        Il5 = "il5",
        /// Impact level 6.
        Il6 = "il6",
    }
}

impl Level {
    /// Whether the strict rules of impact levels 5 and 6 hold.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        matches!(self, Self::Il5 | Self::Il6)
    }
}

words! {
    /// Where the site certificate comes from.
    pub CertificateSource {
        /// The organization's own certificate authority.
        InternalCa = "internal-ca",
        /// Signed by itself.
        SelfSigned = "self-signed",
        /// A public commercial authority.
        Commercial = "commercial",
        /// An ACME service on the internet.
        Acme = "letsencrypt",
    }
}

words! {
    /// How clients learn of revoked certificates.
    pub Revocation {
        /// Not said.
        Unsaid = "unsaid",
        /// They do not check.
        None = "none",
        /// From a responder or list inside the network.
        Internal = "internal",
    }
}

words! {
    /// The database engine.
    pub Engine {
        /// `PostgreSQL`.
        Postgres = "postgres",
        /// `MySQL`, which version 11 dropped.
        Mysql = "mysql",
        /// `MariaDB`, likewise.
        Mariadb = "mariadb",
    }
}

words! {
    /// `sslmode` of the database connection (libpq, "SSL Support", table 32.1).
    pub SslMode {
        /// Never TLS.
        Disable = "disable",
        /// TLS when the server insists.
        Allow = "allow",
        /// TLS when the server offers it.
        Prefer = "prefer",
        /// TLS, certificate unchecked.
        Require = "require",
        /// TLS, certificate chain checked.
        VerifyCa = "verify-ca",
        /// TLS, chain and host name checked.
        VerifyFull = "verify-full",
    }
}

words! {
    /// How a connection to a neighbour is protected.
    pub Security {
        /// Plain text.
        None = "none",
        /// TLS from the first byte.
        Tls = "tls",
        /// TLS after a command.
        Starttls = "starttls",
    }
}

words! {
    /// Who can answer the question who a user is.
    pub Provider {
        /// Passwords of Mattermost itself.
        Password = "password",
        /// AD/LDAP.
        Ldap = "ldap",
        /// SAML 2.0.
        Saml = "saml",
        /// `OpenID` Connect of an internal provider.
        Openid = "openid",
        /// Google.
        Google = "google",
        /// Microsoft.
        Office365 = "office365",
        /// gitlab.com.
        Gitlab = "gitlab",
    }
}

words! {
    /// What filters packets on a host.
    pub Firewall {
        /// nftables, with a table of our own.
        Nftables = "nftables",
        /// firewalld, with zones and policies of our own.
        Firewalld = "firewalld",
        /// ufw, with rules of our own.
        Ufw = "ufw",
    }
}

impl Firewall {
    /// What a distribution brings and its administrators expect.
    #[must_use]
    pub const fn of(distribution: Distribution) -> Self {
        match distribution.family() {
            Family::Debian => Self::Nftables,
            Family::Rhel => Self::Firewalld,
        }
    }
}

words! {
    /// Whether containers may run.
    pub Containers {
        /// They may.
        Allowed = "allowed",
        /// They may not.
        Prohibited = "prohibited",
    }
}

words! {
    /// Something that is wanted or not.
    pub Switch {
        /// Not wanted.
        Off = "off",
        /// Wanted.
        On = "on",
    }
}

impl Switch {
    /// From a TOML boolean.
    #[must_use]
    pub const fn from_bool(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }

    /// Whether it is on.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

words! {
    /// What installs Mattermost in a cluster.
    pub KubernetesInstall {
        /// The operator.
        Operator = "operator",
        /// The Helm chart.
        Chart = "chart",
    }
}
