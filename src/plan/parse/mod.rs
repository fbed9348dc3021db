//! From the text of a deployment file to a [`Deployment`], or to all of its problems.

mod database;
mod options;
mod storage;
mod topology;

use toml::de::DeTable;

use crate::plan::address::{HostName, Network, SiteUrl};
use crate::plan::deployment::{
    Availability, CertificateSource, Classification, Deployment, Edition, Level, Method, Networks,
    Purpose, Revocation, Switch, Tls,
};
use crate::plan::problem::{ProblemId, Problems};
use crate::plan::reader::{Reader, Said, Section};

/// Format of the deployment file that this version reads.
pub(super) const FORMAT: u32 = 1;
/// Longest name of a site that the server accepts, in characters.
pub(super) const MAX_SITE_NAME: usize = 30;
/// Longest banner, in characters: what fits on one line of a screen.
pub(super) const MAX_BANNER: usize = 200;

/// Reads the text of a deployment file.
///
/// # Errors
/// Every problem of the text, sorted by place.
pub fn parse(text: &str) -> Result<Deployment, Problems> {
    let reader = Reader::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        reader.problem(
            ProblemId::Syntax,
            span,
            format!("no TOML: {}", first_line(error.message())),
            ProblemId::Syntax.hint(),
        );
    }
    if !errors.is_empty() {
        // What a broken text seems to say is a guess; problems found in a guess mislead.
        return finish(reader, None);
    }
    let root = Section::new(&reader, document.get_ref(), String::new(), 0..0);
    let deployment = read(&reader, root);
    finish(reader, deployment)
}

fn finish(reader: Reader<'_>, deployment: Option<Deployment>) -> Result<Deployment, Problems> {
    if reader.count() == 0 && deployment.is_none() {
        // Every reader that gives nothing reports why; this keeps a slip from passing in silence.
        reader.problem(
            ProblemId::Missing,
            0..0,
            "the deployment is incomplete",
            ProblemId::Missing.hint(),
        );
    }
    let places = reader.finish()?;
    match deployment {
        Some(deployment) => Ok(Deployment {
            places,
            ..deployment
        }),
        None => Err(Problems {
            shown: Vec::new(),
            more: 1,
        }),
    }
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

fn read(reader: &Reader<'_>, mut root: Section<'_, '_, '_>) -> Option<Deployment> {
    if !format_is_known(&mut root) {
        return None;
    }
    let site = root.parsed::<SiteUrl>("url", "write it as https://chat.example.internal");
    if site.is_none() && root.is_absent("url") {
        root.missing("url", "add url = \"https://chat.example.internal\"");
    }
    let site_name = site_name(&mut root);
    let method = required_word::<Method>(&mut root, "method");
    let edition = required_word::<Edition>(&mut root, "edition");
    let purpose = root.word::<Purpose>("purpose");
    let ha = root.flag("ha").unwrap_or(false);
    let upgrade_from = root
        .parsed::<semver::Version>(
            "upgrade_from",
            "write the version that runs now, such as 11.7.9",
        )
        .map(|said| said.value);
    let classification = root.table("classification").map(classification);
    let tls = required_table(&mut root, "tls", "add [tls] with cert, key and ca");
    let tls = tls.and_then(tls_files);
    let network = required_table(&mut root, "network", "add [network] with users and admin");
    let network = network.and_then(networks);
    let topology = topology::read(reader, &mut root, method.as_ref().map(|said| said.value));
    let options = options::read(&mut root, &topology.hosts);
    root.finish();
    Some(Deployment {
        site: site?.value,
        site_name,
        method: method?.value,
        edition: edition?.value,
        purpose: purpose.map_or(Purpose::Production, |said| said.value),
        availability: if ha {
            Availability::High
        } else {
            Availability::Single
        },
        upgrade_from,
        classification,
        tls: tls?,
        network: network?,
        storage: topology.storage?,
        database: topology.database?,
        registry: topology.registry,
        kubernetes: topology.kubernetes,
        hosts: topology.hosts,
        smtp: options.smtp,
        ldap: options.ldap,
        saml: options.saml,
        auth: options.auth,
        push: options.push?,
        mobile: options.mobile,
        monitoring: options.monitoring,
        backup: options.backup,
        policy: options.policy,
        limits: options.limits,
        proxy: options.proxy,
        retention: options.retention,
        places: std::collections::BTreeMap::new(),
    })
}

/// Reads `format` first: a later format may give every other key another meaning.
fn format_is_known(root: &mut Section<'_, '_, '_>) -> bool {
    match root.number("format", 0..=u32::MAX) {
        Some(said) if said.value == FORMAT => true,
        Some(said) => {
            root.problem(
                ProblemId::Format,
                &said.span,
                format!(
                    "format {} is not known; this version reads {FORMAT}",
                    said.value
                ),
                ProblemId::Format.hint(),
            );
            false
        }
        None => {
            if root.is_absent("format") {
                root.missing("format", "add format = 1 as the first line");
            }
            true
        }
    }
}

fn site_name(root: &mut Section<'_, '_, '_>) -> String {
    let Some(said) = root.text("site_name") else {
        return "Mattermost".to_owned();
    };
    if said.value.chars().count() > MAX_SITE_NAME {
        root.bad(
            "site_name",
            &said.span,
            format!("is longer than {MAX_SITE_NAME} characters"),
            "shorten it; the server refuses to start with a longer name",
        );
    }
    said.value
}

pub(super) fn required_word<T: crate::plan::words::Word>(
    section: &mut Section<'_, '_, '_>,
    key: &'static str,
) -> Option<Said<T>> {
    let said = section.word::<T>(key);
    if said.is_none() && section.is_absent(key) {
        let words: Vec<&str> = T::all().iter().map(|one| one.word()).collect();
        section.missing(key, format!("allowed are {}", words.join(", ")));
    }
    said
}

pub(super) fn required_text(
    section: &mut Section<'_, '_, '_>,
    key: &'static str,
    hint: &str,
) -> Option<Said<String>> {
    let said = section.text(key);
    if said.is_none() && section.is_absent(key) {
        section.missing(key, hint);
    }
    said
}

fn required_table<'r, 't, 'd>(
    section: &mut Section<'r, 't, 'd>,
    key: &'static str,
    hint: &str,
) -> Option<Section<'r, 't, 'd>> {
    let found = section.table(key);
    if found.is_none() && section.is_absent(key) {
        section.missing(key, hint);
    }
    found
}

fn classification(mut section: Section<'_, '_, '_>) -> Classification {
    let level = required_word::<Level>(&mut section, "level");
    let banner = section.text("banner");
    if let Some(said) = &banner
        && said.value.chars().count() > MAX_BANNER
    {
        let why = format!("is longer than {MAX_BANNER} characters");
        section.bad("banner", &said.span, why, "shorten it to one line");
    }
    let color = color(&mut section, "color", "#007a33");
    let text_color = self::color(&mut section, "text_color", "#ffffff");
    section.finish();
    Classification {
        level: level.map_or(Level::Unclassified, |said| said.value),
        banner: banner.map(|said| said.value),
        color,
        text_color,
    }
}

fn color(section: &mut Section<'_, '_, '_>, key: &'static str, default: &str) -> String {
    let Some(said) = section.text(key) else {
        return default.to_owned();
    };
    let digits = said.value.strip_prefix('#').unwrap_or_default();
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        section.bad(key, &said.span, "is no colour", "write it as #c8102e");
    }
    said.value
}

fn tls_files(mut section: Section<'_, '_, '_>) -> Option<Tls> {
    let cert = required_text(&mut section, "cert", "add the PEM file of the certificate");
    let key = required_text(&mut section, "key", "add the PEM file of the private key");
    let ca = required_text(&mut section, "ca", "add the PEM file of the authority");
    let source = section.word::<CertificateSource>("source");
    let revocation = section.word::<Revocation>("revocation");
    section.finish();
    Some(Tls {
        cert: cert?.value,
        key: key?.value,
        ca: ca?.value,
        source: source.map_or(CertificateSource::InternalCa, |said| said.value),
        revocation: revocation.map_or(Revocation::Unsaid, |said| said.value),
    })
}

fn networks(mut section: Section<'_, '_, '_>) -> Option<Networks> {
    let users = network_list(&mut section, "users");
    let admin = network_list(&mut section, "admin");
    let hosts = network_list(&mut section, "hosts").unwrap_or_default();
    for key in ["users", "admin"] {
        if section.is_empty_list(key) || section.is_absent(key) {
            section.missing(
                key,
                format!("add {key} = [\"10.30.0.0/16\"] with your networks"),
            );
        }
    }
    let hint = "write addresses such as 10.20.0.2; names cannot be resolved before DNS is known";
    let mut dns = addresses(&mut section, "dns", hint);
    let mut ntp = addresses(&mut section, "ntp", hint);
    dns.sort_unstable();
    dns.dedup();
    ntp.sort_unstable();
    ntp.dedup();
    section.finish();
    Some(Networks {
        users: users?,
        admin: admin?,
        hosts,
        dns,
        ntp,
    })
}

fn addresses(
    section: &mut Section<'_, '_, '_>,
    key: &'static str,
    hint: &str,
) -> Vec<std::net::IpAddr> {
    let list = section.parsed_list(key, hint).unwrap_or_default();
    list.into_iter().map(|said| said.value).collect()
}

/// A list of networks, sorted; `None` when the key is absent or no list.
pub(super) fn network_list(
    section: &mut Section<'_, '_, '_>,
    key: &'static str,
) -> Option<Vec<Network>> {
    let list = section.parsed_list::<Network>(key, "write networks such as 10.30.0.0/16")?;
    let mut networks: Vec<Network> = list.into_iter().map(|said| said.value).collect();
    networks.sort_unstable();
    networks.dedup();
    Some(networks)
}

/// Names of hosts, sorted.
pub(super) fn host_list(
    section: &mut Section<'_, '_, '_>,
    key: &'static str,
) -> std::collections::BTreeSet<String> {
    let list = section.parsed_list::<HostName>(key, "write host names such as relay.example.com");
    let list = list.unwrap_or_default().into_iter();
    list.map(|said| said.value.to_string()).collect()
}

pub(super) fn switch(section: &mut Section<'_, '_, '_>, key: &'static str) -> Switch {
    Switch::from_bool(section.flag(key).unwrap_or(false))
}
