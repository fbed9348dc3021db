//! Certificates besides the site's: of hosts, and of the SAML identity provider.

use jiff::Timestamp;

use crate::plan::address::HostName;
use crate::plan::certificates::{
    Pair, Problem, certificates, check_dates, check_pair, check_strength, covers, error,
    holds_no_key, warning,
};
use crate::plan::deployment::{Host, Role, SslMode};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;

/// Checks them all. What belongs to the authority itself was said with the site.
pub(super) fn check(plan: &Plan, now: Timestamp, problems: &mut Vec<Problem>) {
    let authorities = certificates("tls.ca", &plan.files.ca, &mut Vec::new());
    for host in &plan.deployment.hosts {
        let wanted = service_name(plan, host);
        match plan.files.hosts.get(&host.name) {
            Some(own) => {
                let pair = Pair {
                    cert_at: &format!("host.{}.cert", host.name),
                    cert: &own.cert,
                    key_at: &format!("host.{}.key", host.name),
                    key: &own.key,
                    key_mode: own.key_mode,
                };
                check_pair(&pair, &authorities, &wanted, now, problems);
            }
            None => borrowed(plan, host, &wanted, problems),
        }
    }
    if let Some(saml) = &plan.files.saml_cert {
        identity_provider(saml, now, problems);
    }
}

/// The name under which clients reach the services of a host: its own name; on a single host the
/// site's; else its address.
fn service_name(plan: &Plan, host: &Host) -> HostName {
    match &host.fqdn {
        Some(name) => name.clone(),
        None if plan.deployment.hosts.len() == 1 => plan.deployment.site.host().clone(),
        None => HostName::Ip(host.address),
    }
}

/// A service without a certificate of its own shows the site's, which must then name the host.
fn borrowed(plan: &Plan, host: &Host, wanted: &HostName, problems: &mut Vec<Problem>) {
    let database = host.has(Role::Db) || host.has(Role::DbReplica);
    let checked = plan.database.sslmode == SslMode::VerifyFull;
    if !(database && checked || host.has(Role::Minio)) || *wanted == *plan.deployment.site.host() {
        return;
    }
    if !covers(&plan.files.cert, wanted) {
        let found = format!(
            "the service of {} is reached as {wanted}, which the site's certificate does not name; give \
             the host a certificate of its own (cert, key)",
            host.name
        );
        problems.push(error(&format!("host.{}", host.name), found));
    }
}

/// The certificate that signs what the identity provider says. It is pinned: nobody checks a chain,
/// and its dates only tell when the provider will replace it.
fn identity_provider(pem: &str, now: Timestamp, problems: &mut Vec<Problem>) {
    const FILE: &str = "saml.cert";
    let mut found = Vec::new();
    for (certificate, _) in certificates(FILE, pem, problems) {
        check_dates(FILE, &certificate, now, &mut found);
        check_strength(FILE, &certificate, &mut found);
    }
    holds_no_key(FILE, pem, problems);
    for one in found {
        problems.push(match one.level {
            Severity::Error => warning(FILE, format!("{} (identity provider)", one.found)),
            Severity::Warning | Severity::Info => one,
        });
    }
}
