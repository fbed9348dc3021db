//! The egress audit: every host outside the deployment that a generated file names.
//!
//! A file that names no host outside makes nobody call it. So each line of each generated file,
//! comments included, is searched for URLs, host names and public addresses. What is part of the
//! deployment is not reported: the site, its hosts and the names below their domains, its networks,
//! names that cannot exist on the internet (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`), and
//! internal addresses. Upstream's own archives and packages are not searched.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use crate::plan::Plan;
use crate::plan::address::{HostName, Network, is_internal};
use crate::plan::deployment::Push;
use crate::plan::flow::Party;
use crate::stage::audit::Inside;
use crate::types::secret::Secret;

/// A host outside the deployment, and where it is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Egress {
    /// Its name or address, or `any address` for a way out that the packet filter leaves open.
    pub host: String,
    /// The generated file, below the staged tree.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// Whether the deployment acknowledges it.
    pub acknowledged: bool,
}

/// What Mattermost and the parts around it are known to call when nobody forbids it, and where
/// installers usually fetch from. These are reported even when they lie below the site's own
/// domain; a name in the list covers the names below it.
const KNOWN: [&str; 22] = [
    "169.254.169.254",
    "accounts.google.com",
    "api.github.com",
    "api.integrations.mattermost.com",
    "community.mattermost.com",
    "customers.mattermost.com",
    "dl.min.io",
    "docker.io",
    "ghcr.io",
    "giphy.com",
    "letsencrypt.org",
    "login.microsoftonline.com",
    "notices.mattermost.com",
    "pdat.matterlytics.com",
    "push.mattermost.com",
    "quay.io",
    "registry.k8s.io",
    "releases.mattermost.com",
    "s3.amazonaws.com",
    "securityupdatecheck.mattermost.com",
    "sentry.io",
    "stun.global.calls.mattermost.com",
];

/// Last labels that make a bare word a host name. Those that are also endings of files (`sh`, `py`,
/// `md`, `so`, `conf`) are left out: such a host is found in a URL, or when the deployment names it.
const ENDINGS: &str = "ae aero ai app ar arpa asia at au be bg biz br ca cat ch cl cloud cn co com coop cz de dev dk \
    edu ee email es eu fi fr gov gr hk hr hu id ie il in info int io ir it jobs jp kr kz lt lu lv mil mobi museum \
    mx name net ng nl no nz online org pe ph pk pro pt ro ru se sg site sk systems tel th tr travel tv tw ua uk us \
    uy vn xyz za";

/// Last labels that lead nowhere on the internet.
const NOWHERE: [&str; 12] = [
    "corp",
    "example",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localhost",
    "private",
    "test",
];

/// Searches generated files for one deployment.
#[derive(Debug)]
pub(super) struct Audit<'a> {
    /// Names of the deployment; none of them is reported.
    exact: BTreeSet<String>,
    /// Domains whose names belong to the deployment.
    domains: BTreeSet<String>,
    networks: Vec<Network>,
    /// Names of neighbours that the deployment mentions, whatever their last label.
    declared: BTreeSet<String>,
    acknowledged: &'a BTreeSet<String>,
    /// Read as nothing: a random secret may look like a host, and must not be repeated.
    secrets: Vec<&'a Secret>,
    found: BTreeSet<Egress>,
}

impl<'a> Audit<'a> {
    /// An audit for this plan, with the ways out that its packet filters leave open.
    pub(super) fn new(plan: &'a Plan, secrets: Vec<&'a Secret>) -> Self {
        let deployment = &plan.deployment;
        let own = std::iter::once(deployment.site.host()).chain(
            deployment
                .hosts
                .iter()
                .filter_map(|host| host.fqdn.as_ref()),
        );
        let exact: BTreeSet<String> = own.map(ToString::to_string).collect();
        let network = &deployment.network;
        let single = network.dns.iter().chain(&network.ntp);
        let networks = deployment
            .hosts
            .iter()
            .map(|host| &host.address)
            .chain(single)
            .chain(&deployment.proxy.virtual_address)
            .map(|address| Network::single(*address))
            .chain(network.users.iter().copied())
            .chain(network.admin.iter().copied())
            .chain(deployment.monitoring.iter().copied())
            .chain(deployment.proxy.allow.iter().copied())
            .collect();
        let mut declared: BTreeSet<String> = BTreeSet::new();
        let mut found = BTreeSet::new();
        for flow in &plan.flows {
            match &flow.to {
                Party::Name(HostName::Dns(name)) => drop(declared.insert(name.clone())),
                Party::Anywhere => drop(found.insert(anywhere(
                    // The flow exists because the deployment asks for it.
                    matches!(deployment.push, Push::Proxy { egress, .. } if egress.is_on()),
                ))),
                Party::Hosts(_) | Party::Networks(_) | Party::Name(HostName::Ip(_)) => {}
            }
        }
        Self {
            domains: exact.iter().filter_map(|name| domain(name)).collect(),
            exact,
            networks,
            declared,
            acknowledged: &deployment.policy.egress,
            secrets,
            found,
        }
    }

    /// An audit of what was staged for a deployment of which only this is known.
    pub(super) fn over(
        inside: Inside,
        acknowledged: &'a BTreeSet<String>,
        secrets: Vec<&'a Secret>,
    ) -> Self {
        let open = inside.anywhere.map(anywhere);
        Self {
            domains: inside
                .names
                .iter()
                .filter_map(|name| domain(name))
                .collect(),
            exact: inside.names,
            networks: inside.networks,
            declared: inside.declared,
            acknowledged,
            secrets,
            found: open.into_iter().collect(),
        }
    }

    /// Searches one file.
    pub(super) fn scan(&mut self, file: &str, content: &[u8]) {
        let mut text = String::from_utf8_lossy(content).into_owned();
        for secret in &self.secrets {
            text = text.replace(secret.reveal(), " ");
        }
        for (index, line) in text.lines().enumerate() {
            for host in hosts(line) {
                if let Some(host) = self.outside(&host) {
                    self.found.insert(Egress {
                        acknowledged: self.acknowledged.contains(&host),
                        host,
                        file: file.to_owned(),
                        line: index.saturating_add(1),
                    });
                }
            }
        }
    }

    /// What was found, sorted by host, file and line.
    pub(super) fn finish(self) -> Vec<Egress> {
        self.found.into_iter().collect()
    }

    /// The host of a candidate that is not part of the deployment.
    fn outside(&self, candidate: &Candidate) -> Option<String> {
        match candidate {
            Candidate::Address(address) => {
                let known = KNOWN.contains(&address.to_string().as_str());
                let own = stays(*address) || self.networks.iter().any(|net| net.contains(*address));
                (known || !own).then(|| address.to_string())
            }
            Candidate::Name { name, certain } => {
                if self.exact.contains(name) || self.exact.iter().any(|own| below(own, name)) {
                    // A parent domain of the site is a search suffix or a cookie domain, no host.
                    return None;
                }
                if KNOWN.iter().any(|known| below(name, known)) {
                    return Some(name.clone());
                }
                let last = name.rsplit('.').next().unwrap_or_default();
                let ending = ENDINGS.split_ascii_whitespace().any(|one| one == last);
                let host = *certain || ending || self.declared.contains(name);
                let own = NOWHERE.iter().any(|nowhere| below(name, nowhere))
                    || self.domains.iter().any(|domain| below(name, domain));
                (host && !own).then(|| name.clone())
            }
        }
    }
}

/// A way out that the packet filter leaves open.
fn anywhere(acknowledged: bool) -> Egress {
    Egress {
        host: "any address".to_owned(),
        file: "plan.json".to_owned(),
        line: 1,
        acknowledged,
    }
}

/// Something that may be a host.
#[derive(Debug, PartialEq, Eq)]
enum Candidate {
    Address(IpAddr),
    /// A name of several labels, in lower case; it is certainly one in a URL.
    Name {
        name: String,
        certain: bool,
    },
}

/// Everything in a line that may be a host.
fn hosts(line: &str) -> Vec<Candidate> {
    let mut found = Vec::new();
    for part in line.split("://").skip(1) {
        let end = |c: char| c.is_whitespace() || "/?#\"'<>\\,`".contains(c);
        let authority = part.split(end).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split([':', ')', ';']).next().unwrap_or_default(),
        };
        found.extend(candidate(host, true));
    }
    for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || ".-_".contains(c))) {
        found.extend(candidate(word, false));
    }
    for word in line.split(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.')) {
        if let Ok(address) = word.parse::<Ipv6Addr>() {
            found.push(Candidate::Address(address.into()));
        }
    }
    found
}

fn candidate(word: &str, certain: bool) -> Option<Candidate> {
    let word = word.trim_matches(['.', '-', '_']);
    if let Ok(address) = word.parse() {
        return Some(Candidate::Address(address));
    }
    match word.parse() {
        Ok(HostName::Dns(name)) if name.contains('.') => Some(Candidate::Name { name, certain }),
        _ => None,
    }
}

/// Whether an address leads to no other machine on the internet.
fn stays(address: IpAddr) -> bool {
    is_internal(address)
        || match address {
            IpAddr::V4(v4) => {
                let [first, ..] = v4.octets();
                // 0.0.0.0/8, multicast and reserved ranges are no host either.
                first == 0 || first >= 224 || v4.is_link_local() || v4 == Ipv4Addr::BROADCAST
            }
            // The internet is 2000::/3 (RFC 4291 §2.4).
            IpAddr::V6(v6) => v6.segments().first().is_none_or(|first| first >> 13 != 1),
        }
}

/// Whether `name` is `suffix` or below it.
fn below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// The domain that a host stands in: its name without the first label. A domain of one label, or of
/// a country's registry (`co.uk`), is nobody's own.
fn domain(host: &str) -> Option<String> {
    let (_, domain) = host.split_once('.')?;
    let (owner, last) = domain.rsplit_once('.')?;
    let registry = last.len() == 2 && owner.len() <= 3 && !owner.contains('.');
    (!registry && host.parse::<IpAddr>().is_err()).then(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(acknowledged: &BTreeSet<String>) -> Audit<'_> {
        Audit {
            exact: BTreeSet::from(["chat.unit.mil".to_owned()]),
            domains: BTreeSet::from(["unit.mil".to_owned()]),
            networks: vec!["22.1.0.0/16".parse().unwrap()],
            declared: BTreeSet::from(["ldap.sh".to_owned()]),
            acknowledged,
            secrets: Vec::new(),
            found: BTreeSet::new(),
        }
    }

    fn found(text: &str) -> Vec<String> {
        let none = BTreeSet::new();
        let mut audit = audit(&none);
        audit.scan("f", text.as_bytes());
        let found = audit.finish();
        found
            .iter()
            .map(|one| format!("{} {}", one.host, one.line))
            .collect()
    }

    #[test]
    fn names_the_host_and_line_of_what_lies_outside() {
        for (text, expected) in [
            (
                "# see https://docs.mattermost.com/x\n",
                "docs.mattermost.com 1",
            ),
            ("\n\"Server\": \"smtp.gmail.com\"", "smtp.gmail.com 2"),
            ("server = \"https://idp.login.py/a\"", "idp.login.py 1"),
            ("host ldap.sh 636", "ldap.sh 1"),
            ("postgres://u:p@db.other.mil:5432/x", "db.other.mil 1"),
            ("nameserver 8.8.8.8", "8.8.8.8 1"),
            ("[2606:4700::1111]:443", "2606:4700::1111 1"),
            ("http://[2606:4700::1111]/", "2606:4700::1111 1"),
            ("curl 169.254.169.254", "169.254.169.254 1"),
            ("DL.MIN.IO", "dl.min.io 1"),
            ("a@contoso.com", "contoso.com 1"),
            ("image: quay.io/x", "quay.io 1"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn what_belongs_to_the_deployment_or_leads_nowhere_is_not_reported() {
        for text in [
            "https://chat.unit.mil:8443/x chat.unit.mil ad.unit.mil unit.mil",
            "22.1.2.3 10.0.0.1 127.0.0.1 0.0.0.0/0 ff02::1 fd00::1 ::1 :: fe80::1 224.0.0.251",
            "proxy_pass http://mattermost_backend; https://$host$request_uri",
            "/etc/nginx/nginx.conf mattermost.service install.sh a.py com.mattermost.calls",
            "https://minio.mm.internal:9000 ldap.corp printer.local router.home.arpa",
            "15.20-0+deb12u1 1.2.840.113556.1.4.803 02:30:00 v11.7.10 file:/opt/x",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn an_acknowledged_host_is_still_reported() {
        let acknowledged = BTreeSet::from(["relay.other.com".to_owned()]);
        let mut audit = audit(&acknowledged);
        audit.scan("f", b"relay.other.com other.com");
        let found: Vec<_> = audit
            .finish()
            .into_iter()
            .map(|one| (one.host, one.acknowledged))
            .collect();
        assert_eq!(
            found,
            [
                ("other.com".to_owned(), false),
                ("relay.other.com".to_owned(), true)
            ]
        );
    }

    #[test]
    fn a_secret_that_looks_like_a_host_is_not_repeated() {
        let none = BTreeSet::new();
        let secret = Secret::new("aB3-x.ch~9".to_owned());
        let mut audit = audit(&none);
        audit.secrets.push(&secret);
        audit.scan(
            "f",
            b"DSN='postgres://u:aB3-x.ch~9@10.0.0.1/db'\nKEY='aB3-x.ch~9'",
        );
        assert_eq!(audit.finish(), []);
    }

    #[test]
    fn a_domain_is_the_sites_own_only_when_somebody_can_own_it() {
        assert_eq!(domain("chat.unit.mil").as_deref(), Some("unit.mil"));
        assert_eq!(domain("chat.a.mod.uk").as_deref(), Some("a.mod.uk"));
        for host in ["chat.com", "chat", "chat.co.uk", "10.1.2.3"] {
            assert_eq!(domain(host), None, "{host}");
        }
    }

    #[test]
    fn the_names_that_call_out_by_themselves_are_known_even_below_the_sites_domain() {
        let none = BTreeSet::new();
        let mut audit = audit(&none);
        audit.domains.insert("mattermost.com".to_owned());
        audit.scan("f", b"a.mattermost.com notices.mattermost.com");
        let found = audit.finish();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].host, "notices.mattermost.com");
    }
}
