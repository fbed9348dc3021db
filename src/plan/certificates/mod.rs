//! Whether certificate, key and authority of the site can be used, and by whom.
//!
//! Fields are read with `x509-cert` (RFC 5280); chain, purpose and name are checked with
//! `rustls-webpki`, which is what many clients use. The common name is never looked at.

mod key;
mod services;

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage,
    KeyUsage as Uses, SubjectAltName,
};

use crate::plan::address::HostName;
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::load::Files;
use crate::types::secret::Secret;

/// Most certificates that one file may hold.
pub(super) const MAX_CERTIFICATES: usize = 16;
/// Shortest RSA key, in bits.
pub(super) const MIN_RSA_BITS: usize = 2048;
/// Days before the end of a certificate from which it is warned about.
pub(super) const WARN_DAYS: i64 = 30;

/// `id-kp-serverAuth` (RFC 5280 §4.2.1.12).
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
/// `id-ad-ocsp` (RFC 5280 §4.2.2.1).
const OCSP: &str = "1.3.6.1.5.5.7.48.1";
/// Signature algorithms with MD2, MD5 or SHA-1 (RFC 3279 §2.2).
const WEAK: [(&str, &str); 5] = [
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
];

/// One thing that is wrong with the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) level: Severity,
    /// The key of the deployment file that names the file.
    pub(super) file: String,
    pub(super) found: String,
}

/// Everything that is wrong with the certificates of a deployment at the time `now`: of the site, of
/// hosts that have their own, and of the SAML identity provider.
pub(super) fn examine(plan: &Plan, now: Timestamp) -> Vec<Problem> {
    let mut problems = examine_files(&plan.files, plan.deployment.site.host(), now);
    services::check(plan, now, &mut problems);
    problems
}

/// A certificate with its key, and the keys of the deployment file that name both.
struct Pair<'f> {
    cert_at: &'f str,
    cert: &'f str,
    key_at: &'f str,
    key: &'f Secret,
    key_mode: Option<u32>,
}

fn examine_files(files: &Files, site: &HostName, now: Timestamp) -> Vec<Problem> {
    let mut problems = Vec::new();
    let authorities = certificates("tls.ca", &files.ca, &mut problems);
    let pair = Pair {
        cert_at: "tls.cert",
        cert: &files.cert,
        key_at: "tls.key",
        key: &files.key,
        key_mode: files.key_mode,
    };
    let chain = check_pair(&pair, &authorities, site, now, &mut problems);
    holds_no_key("tls.ca", &files.ca, &mut problems);
    for (authority, der) in &authorities {
        check_dates("tls.ca", authority, now, &mut problems);
        check_strength("tls.ca", authority, &mut problems);
        let own = chain.first().is_some_and(|(_, leaf)| leaf == der);
        if !is_authority(authority) && !own {
            let found = format!("`{}` is no authority: CA:TRUE is absent", name(authority));
            problems.push(error("tls.ca", found));
        } else if !own && !may_sign(authority) {
            let found = format!(
                "`{}` may not sign certificates: keyCertSign is absent",
                name(authority)
            );
            problems.push(error("tls.ca", found));
        }
    }
    problems
}

/// Checks a certificate, its key and its chain; gives the certificates of the file.
fn check_pair(
    pair: &Pair<'_>,
    authorities: &[Parsed],
    wanted: &HostName,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Vec<Parsed> {
    let file = pair.cert_at;
    let chain = certificates(file, pair.cert, problems);
    holds_no_key(file, pair.cert, problems);
    if let Some(mode) = pair.key_mode.filter(|mode| mode & 0o077 != 0) {
        let found = format!("mode {mode:04o}: others than the owner can read the key; use 0600");
        problems.push(warning(pair.key_at, found));
    }
    let Some((leaf, _)) = chain.first() else {
        return chain;
    };
    key::check(pair.key_at, pair.key.reveal(), leaf, problems);
    check_leaf(file, leaf, problems);
    for (certificate, _) in &chain {
        check_dates(file, certificate, now, problems);
        check_strength(file, certificate, problems);
    }
    check_order(file, &chain, problems);
    check_path(file, &chain, authorities, wanted, now, problems);
    chain
}

/// Files with certificates become readable for everybody.
fn holds_no_key(file: &str, pem: &str, problems: &mut Vec<Problem>) {
    if pem.contains("PRIVATE KEY-----") {
        let found =
            "the file holds a private key; it is copied to hosts where everybody can read it";
        problems.push(error(file, found.to_owned()));
    }
}

/// Each certificate is to be followed by the one that signed it (RFC 5246 §7.4.2): some clients
/// take no other order.
fn check_order(file: &str, chain: &[Parsed], problems: &mut Vec<Problem>) {
    for ((one, _), (next, _)) in chain.iter().zip(chain.iter().skip(1)) {
        if one.tbs_certificate().issuer() != next.tbs_certificate().subject() {
            let found = format!(
                "`{}` is followed by `{}`, which did not sign it; put the certificates into the order \
                 of the chain",
                name(one),
                name(next)
            );
            problems.push(warning(file, found));
            return;
        }
    }
}

type Parsed = (Certificate, CertificateDer<'static>);

fn certificates(file: &str, pem: &str, problems: &mut Vec<Problem>) -> Vec<Parsed> {
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        if found.len() >= MAX_CERTIFICATES {
            problems.push(error(
                file,
                format!("more than {MAX_CERTIFICATES} certificates"),
            ));
            break;
        }
        let parsed = der.map_err(|why| why.to_string()).and_then(|der| {
            let parsed = Certificate::from_der(&der).map_err(|why| why.to_string())?;
            Ok((parsed, der))
        });
        match parsed {
            Ok(parsed) => found.push(parsed),
            Err(why) => {
                problems.push(error(file, format!("a certificate cannot be read: {why}")));
                break;
            }
        }
    }
    if found.is_empty() && problems.iter().all(|problem| problem.file != file) {
        problems.push(error(file, "the file holds no certificate".to_owned()));
    }
    found
}

/// Whether the first certificate of a PEM text is its own issuer.
pub(super) fn is_self_signed(pem: &str) -> bool {
    let parsed = certificates("tls.cert", pem, &mut Vec::new());
    parsed.first().is_some_and(|(leaf, _)| {
        let fields = leaf.tbs_certificate();
        fields.subject() == fields.issuer()
    })
}

/// The URLs in the first certificate that clients ask about revocation.
pub(super) fn revocation_urls(pem: &str) -> Vec<String> {
    let parsed = certificates("tls.cert", pem, &mut Vec::new());
    let Some((leaf, _)) = parsed.first() else {
        return Vec::new();
    };
    let fields = leaf.tbs_certificate();
    let mut names = Vec::new();
    if let Ok(Some((_, access))) = fields.get_extension::<AuthorityInfoAccessSyntax>() {
        let ocsp = access.0.into_iter();
        names.extend(
            ocsp.filter(|one| one.access_method.to_string() == OCSP)
                .map(|one| one.access_location),
        );
    }
    if let Ok(Some((_, points))) = fields.get_extension::<CrlDistributionPoints>() {
        for point in points.0 {
            if let Some(DistributionPointName::FullName(full)) = point.distribution_point {
                names.extend(full);
            }
        }
    }
    let mut urls: Vec<String> = names
        .into_iter()
        .filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(url) => Some(
                url.as_str()
                    .chars()
                    .take(200)
                    .flat_map(char::escape_default)
                    .collect(),
            ),
            _ => None,
        })
        .collect();
    urls.sort();
    urls.dedup();
    urls
}

fn check_leaf(file: &str, leaf: &Certificate, problems: &mut Vec<Problem>) {
    match leaf.tbs_certificate().get_extension::<ExtendedKeyUsage>() {
        Ok(Some((_, usage))) => {
            if usage
                .0
                .iter()
                .all(|purpose| purpose.to_string() != SERVER_AUTH)
            {
                let found = "the certificate is not for servers: serverAuth is absent";
                problems.push(error(file, found.to_owned()));
            }
        }
        Ok(None) => {
            let found = "the certificate states no purpose; some clients demand serverAuth";
            problems.push(warning(file, found.to_owned()));
        }
        Err(why) => problems.push(error(file, format!("extended key usage: {why}"))),
    }
}

fn check_dates(file: &str, certificate: &Certificate, now: Timestamp, problems: &mut Vec<Problem>) {
    let (begin, end) = validity(certificate);
    let (name, clock) = (name(certificate), now.as_second());
    if clock < begin {
        let found = format!(
            "`{name}` is valid from {}; the clock says {}",
            shown(begin),
            shown(clock)
        );
        problems.push(error(file, found));
    } else if clock > end {
        let found = format!(
            "`{name}` expired at {}; the clock says {}",
            shown(end),
            shown(clock)
        );
        problems.push(error(file, found));
    } else if end.saturating_sub(clock) < WARN_DAYS.saturating_mul(86_400) {
        let found = format!(
            "`{name}` expires at {}; the clock says {}",
            shown(end),
            shown(clock)
        );
        problems.push(warning(file, found));
    }
}

fn check_strength(file: &str, certificate: &Certificate, problems: &mut Vec<Problem>) {
    let name = name(certificate);
    if let Some((level, found)) = key::weakness(certificate) {
        problems.push(Problem {
            level,
            file: file.to_owned(),
            found: format!("`{name}`: {found}"),
        });
    }
    // Nobody relies on the signature of a root: it is trusted because it is here.
    let fields = certificate.tbs_certificate();
    if fields.subject() == fields.issuer() && is_authority(certificate) {
        return;
    }
    let algorithm = certificate.signature_algorithm().oid.to_string();
    if let Some((_, hash)) = WEAK.iter().find(|(oid, _)| *oid == algorithm) {
        problems.push(error(file, format!("`{name}` is signed with {hash}")));
    }
}

fn check_path(
    file: &str,
    chain: &[Parsed],
    authorities: &[Parsed],
    site: &HostName,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) {
    let Some(((leaf, der), rest)) = chain.split_first() else {
        return;
    };
    let end = match EndEntityCert::try_from(der) {
        Ok(end) => end,
        Err(why) => {
            problems.push(error(file, format!("`{}`: {why:?}", name(leaf))));
            return;
        }
    };
    if !names_site(leaf, &end, site) {
        let found = format!(
            "no subjectAltName of the certificate is {site}; it has {}",
            alt_names(leaf)
        );
        problems.push(error(file, found));
    }
    let anchors: Vec<TrustAnchor<'_>> = authorities
        .iter()
        .filter_map(|(_, der)| anchor_from_trusted_cert(der).ok())
        .collect();
    let between: Vec<CertificateDer<'_>> = rest.iter().map(|(_, der)| der.clone()).collect();
    let verified = end.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &anchors,
        &between,
        time_within(chain.iter().chain(authorities), now),
        KeyUsage::server_auth(),
        None,
        None,
    );
    let found = match verified {
        // Purpose and dates were reported above with a better message.
        Ok(_)
        | Err(
            Error::RequiredEkuNotFoundContext(_)
            | Error::CertExpired { .. }
            | Error::CertNotValidYet { .. }
            | Error::InvalidCertValidity,
        ) => return,
        Err(Error::UnknownIssuer) => {
            "the chain does not lead from the certificate to the authority; \
             put the intermediate certificates into the file after the site's own"
                .to_owned()
        }
        Err(Error::CaUsedAsEndEntity) => "the certificate is itself an authority".to_owned(),
        Err(Error::InvalidSignatureForPublicKey) => "a signature in the chain is wrong".to_owned(),
        Err(other) => format!("the chain is refused: {other:?}"),
    };
    problems.push(error(file, found));
}

fn names_site(leaf: &Certificate, end: &EndEntityCert<'_>, site: &HostName) -> bool {
    // Without the extension webpki gives an error too; the check here keeps the reason plain.
    let extension = leaf.tbs_certificate().get_extension::<SubjectAltName>();
    if !matches!(extension, Ok(Some(_))) {
        return false;
    }
    let wanted = match site {
        HostName::Ip(address) => Ok(ServerName::from(*address)),
        HostName::Dns(name) => ServerName::try_from(name.as_str()),
    };
    wanted.is_ok_and(|wanted| end.verify_is_valid_for_subject_name(&wanted).is_ok())
}

/// Whether the first certificate of a PEM text names a host.
fn covers(pem: &str, wanted: &HostName) -> bool {
    let parsed = certificates("tls.cert", pem, &mut Vec::new());
    parsed.first().is_some_and(|(leaf, der)| {
        EndEntityCert::try_from(der).is_ok_and(|end| names_site(leaf, &end, wanted))
    })
}

/// The alternative names of a certificate, for a message.
fn alt_names(leaf: &Certificate) -> String {
    let Ok(Some((_, names))) = leaf.tbs_certificate().get_extension::<SubjectAltName>() else {
        return "none at all (the common name does not count)".to_owned();
    };
    let shown: Vec<String> = names.0.iter().take(20).map(shown_name).collect();
    shown.join(", ")
}

fn shown_name(name: &GeneralName) -> String {
    match name {
        GeneralName::DnsName(name) => name
            .as_str()
            .chars()
            .take(253)
            .flat_map(char::escape_default)
            .collect(),
        GeneralName::IpAddress(bytes) => match *bytes.as_bytes() {
            [a, b, c, d] => IpAddr::from([a, b, c, d]).to_string(),
            ref long => <[u8; 16]>::try_from(long).map_or_else(
                |_| "a broken address".to_owned(),
                |v6| IpAddr::from(v6).to_string(),
            ),
        },
        _ => "a name of another kind".to_owned(),
    }
}

/// `now`, or the nearest time at which all certificates are valid: dates are reported apart, and
/// must not hide what else is wrong with the chain.
fn time_within<'c>(certificates: impl Iterator<Item = &'c Parsed>, now: Timestamp) -> UnixTime {
    let (mut begin, mut end) = (i64::MIN, i64::MAX);
    for (certificate, _) in certificates {
        let (from, until) = validity(certificate);
        begin = begin.max(from);
        end = end.min(until);
    }
    let second = now.as_second().min(end).max(begin);
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(second).unwrap_or(0)))
}

/// First and last second of validity, in Unix time.
fn validity(certificate: &Certificate) -> (i64, i64) {
    let validity = certificate.tbs_certificate().validity();
    let second = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    (second(validity.not_before), second(validity.not_after))
}

fn shown(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(
        |_| "a time out of range".to_owned(),
        |time| time.to_string(),
    )
}

fn is_authority(certificate: &Certificate) -> bool {
    let constraints = certificate
        .tbs_certificate()
        .get_extension::<BasicConstraints>();
    matches!(constraints, Ok(Some((_, constraints))) if constraints.ca)
}

/// Whether its key may sign certificates (RFC 5280 §4.2.1.3); without the extension it may.
fn may_sign(certificate: &Certificate) -> bool {
    match certificate.tbs_certificate().get_extension::<Uses>() {
        Ok(Some((_, uses))) => uses.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// The subject, for a message.
fn name(certificate: &Certificate) -> String {
    let subject = certificate.tbs_certificate().subject().to_string();
    subject
        .chars()
        .take(120)
        .flat_map(char::escape_default)
        .collect()
}

fn error(file: &str, found: String) -> Problem {
    Problem {
        level: Severity::Error,
        file: file.to_owned(),
        found,
    }
}

fn warning(file: &str, found: String) -> Problem {
    Problem {
        level: Severity::Warning,
        file: file.to_owned(),
        found,
    }
}

#[cfg(test)]
mod tests;
