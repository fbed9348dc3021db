//! Checks of names, and of the servers that an application server talks to.

use super::{Collector, word};
use crate::checks::{Login, Phase, Probe, ServerTls, StartTls, Word};
use crate::plan::address::{HostName, Transport};
use crate::plan::deployment::{
    DatabaseServer, NfsServer, Role, S3Server, Security, SslMode, Storage,
};
use crate::plan::flow::port;
use crate::stage::facts;
use crate::stage::host::hosts_names;
use crate::stage::render::RenderError;
use crate::types::name::Name;

/// Oldest PostgreSQL that Mattermost 11 works with (rule DB-052).
const OLDEST: u16 = 14;
/// The environment file, below the staged folder.
const ENVIRONMENT: &str = "rootfs/etc/mattermost/mattermost.environment";

/// A server as checks see it.
struct Server<'a> {
    what: &'a str,
    host: &'a HostName,
    port: u16,
    starttls: StartTls,
    /// The host of the deployment that serves it.
    inside: Option<&'a Name>,
}

pub(super) fn add(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    names(collector)?;
    if collector.scene.host.has(Role::App) {
        database(collector)?;
        storage(collector)?;
        neighbours(collector)?;
    }
    Ok(())
}

fn names(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    for (address, name) in hosts_names(collector.scene.plan) {
        let name = word(&name.to_string())?;
        let subject = format!("{name} {address}");
        let probe = Probe::HostsFile {
            name: name.clone(),
            address,
        };
        collector.add(Phase::Before, "TOOL-104", &subject, probe)?;
        let probe = Probe::Resolves {
            name,
            address: Some(address),
        };
        collector.add(Phase::After, "TOOL-104", &subject, probe)?;
    }
    Ok(())
}

/// The name or address without brackets.
fn bare(host: &HostName) -> Result<Word, RenderError> {
    match host {
        HostName::Ip(address) => word(&address.to_string()),
        HostName::Dns(name) => word(name),
    }
}

impl Collector<'_> {
    /// A name that only the network's own name service knows must resolve.
    fn outside_name(&mut self, server: &Server<'_>) -> Result<(), RenderError> {
        if let (HostName::Dns(name), None) = (server.host, server.inside) {
            let probe = Probe::Resolves {
                name: word(name)?,
                address: None,
            };
            self.add(Phase::Before, "TOOL-104", name, probe)?;
        }
        Ok(())
    }

    /// A server must show a certificate that is trusted: before the installation by the staged
    /// authority, after it by what the host trusts.
    fn tls(&mut self, server: &Server<'_>) -> Result<(), RenderError> {
        self.outside_name(server)?;
        let subject = format!("{} {}:{}", server.what, server.host, server.port);
        let authority = format!("rootfs{}", self.scene.layout().authority());
        let here = server.inside == Some(&self.scene.host.name);
        let probe = |authority| -> Result<Probe, RenderError> {
            Ok(Probe::Tls(ServerTls {
                host: bare(server.host)?,
                port: server.port,
                starttls: server.starttls,
                authority,
                neighbour: server.inside.cloned(),
            }))
        };
        // A service of this host, or one that is reached by a line that the installation writes.
        let named = matches!(server.host, HostName::Dns(_)) && server.inside.is_some();
        if !here && !named {
            self.add(
                Phase::Before,
                "TOOL-007",
                &subject,
                probe(Some(word(&authority)?))?,
            )?;
        }
        self.add(Phase::After, "TOOL-007", &subject, probe(None)?)
    }

    /// A server without TLS must take connections.
    fn plain(&mut self, server: &Server<'_>) -> Result<(), RenderError> {
        self.outside_name(server)?;
        let subject = format!("{} {}:{}", server.what, server.host, server.port);
        let here = server.inside == Some(&self.scene.host.name);
        let probe = Probe::Reachable {
            host: bare(server.host)?,
            port: server.port,
            neighbour: server.inside.cloned(),
        };
        let phase = if here { Phase::After } else { Phase::Before };
        self.add(phase, "TOOL-107", &subject, probe)
    }

    /// When a server can be asked with its name: one of this deployment that has a name is known
    /// only after the installation wrote it into `/etc/hosts`.
    fn when(&self, host: &HostName, inside: Option<&Name>) -> Phase {
        let here = inside == Some(&self.scene.host.name);
        let named = matches!(host, HostName::Dns(_)) && inside.is_some();
        if here || named {
            Phase::After
        } else {
            Phase::Before
        }
    }
}

fn database(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    let plan = collector.scene.plan;
    let host = facts::database_host(plan);
    let inside = match &plan.deployment.database.server {
        DatabaseServer::Host(name) => Some(name),
        DatabaseServer::External(_) | DatabaseServer::Compose => None,
    };
    let server = Server {
        what: "database",
        host: &host,
        port: plan.database.endpoint.port,
        starttls: StartTls::Postgres,
        inside,
    };
    if plan.database.sslmode == SslMode::Disable {
        collector.plain(&server)?;
    } else {
        collector.tls(&server)?;
    }
    let probe = Probe::Database(Login {
        host: bare(&host)?,
        port: server.port,
        database: word(&plan.database.name)?,
        user: word(&plan.database.user)?,
        sslmode: word(plan.database.sslmode.as_str())?,
        minimum: OLDEST,
        environment: word(ENVIRONMENT)?,
        authority: word("rootfs/etc/mattermost/ca.pem")?,
        neighbour: inside.cloned(),
    });
    let subject = format!(
        "{}@{host}:{}/{}",
        plan.database.user, server.port, plan.database.name
    );
    let phase = collector.when(&host, inside);
    collector.add(phase, "DB-067", &subject, probe)
}

fn storage(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    let plan = collector.scene.plan;
    match &plan.deployment.storage {
        Storage::Local { .. } => Ok(()),
        Storage::Nfs(nfs) => {
            let host = plan.nfs_server();
            let Some(host) = &host else { return Ok(()) };
            let inside = match &nfs.server {
                NfsServer::Host(name) => Some(name),
                NfsServer::External(_) => None,
            };
            collector.plain(&Server {
                what: "nfs",
                host,
                port: port::NFS,
                starttls: StartTls::None,
                inside,
            })
        }
        Storage::S3(s3) => {
            let (host, port, inside) = match &s3.server {
                S3Server::Endpoint(endpoint) => (endpoint.host.clone(), endpoint.port, None),
                S3Server::Host(name) => match plan.host(name) {
                    Some(found) => (facts::service_name(plan, found), port::S3, Some(name)),
                    None => return Ok(()),
                },
            };
            let server = Server {
                what: "s3",
                host: &host,
                port,
                starttls: StartTls::None,
                inside,
            };
            let scheme = if s3.transport == Transport::Tls {
                collector.tls(&server)?;
                "https"
            } else {
                collector.plain(&server)?;
                "http"
            };
            let url = format!("{scheme}://{}/{}", facts::s3_endpoint(plan, s3), s3.bucket);
            let authority = format!("rootfs{}", collector.scene.layout().authority());
            let probe = Probe::Bucket {
                url: word(&url)?,
                region: word(&s3.region)?,
                environment: word(ENVIRONMENT)?,
                authority: word(&authority)?,
                neighbour: inside.cloned(),
            };
            let phase = collector.when(&host, inside);
            collector.add(phase, "FILES-075", &url, probe)
        }
    }
}

fn neighbours(collector: &mut Collector<'_>) -> Result<(), RenderError> {
    let deployment = &collector.scene.plan.deployment;
    let ldap = deployment.ldap.as_ref();
    let smtp = deployment.smtp.as_ref();
    let list = [
        ldap.map(|ldap| ("ldap", &ldap.server, ldap.security, StartTls::Ldap)),
        smtp.map(|smtp| ("smtp", &smtp.server, smtp.security, StartTls::Smtp)),
    ];
    for (what, endpoint, security, starttls) in list.into_iter().flatten() {
        let server = Server {
            what,
            host: &endpoint.host,
            port: endpoint.port,
            starttls: match security {
                Security::Starttls => starttls,
                Security::None | Security::Tls => StartTls::None,
            },
            inside: None,
        };
        match security {
            Security::None => collector.plain(&server)?,
            Security::Tls | Security::Starttls => collector.tls(&server)?,
        }
    }
    Ok(())
}
