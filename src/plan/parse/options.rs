//! Neighbours and choices: mail, directory, sign-in, push, backup, policy, limits.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::plan::address::{Endpoint, HostName, Location, Network};
use crate::plan::deployment::{
    Auth, Backup, Containers, Host, Ldap, Limits, Mobile, Policy, Provider, ProxyOptions, Push,
    Retention, Role, Saml, Security, Smtp, Switch, UploadLimit,
};
use crate::plan::parse::topology::{directory, own_host};
use crate::plan::parse::{network_list, required_text, switch};
use crate::plan::reader::Section;
use crate::plan::words::words;

/// What this part of the file says.
pub(super) struct Options {
    pub(super) smtp: Option<Smtp>,
    pub(super) ldap: Option<Ldap>,
    pub(super) saml: Option<Saml>,
    pub(super) auth: Auth,
    pub(super) push: Option<Push>,
    pub(super) mobile: Mobile,
    pub(super) monitoring: Vec<Network>,
    pub(super) backup: Backup,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    pub(super) proxy: ProxyOptions,
    pub(super) retention: Retention,
}

pub(super) fn read(root: &mut Section<'_, '_, '_>, hosts: &[Host]) -> Options {
    let push = match root.table("push") {
        Some(section) => push(section, hosts),
        None if root.is_absent("push") => Some(Push::Off),
        None => None,
    };
    Options {
        smtp: root.table("smtp").and_then(smtp),
        ldap: root.table("ldap").and_then(ldap),
        saml: root.table("saml").and_then(saml),
        auth: auth(root.table("auth")),
        push,
        mobile: mobile(root.table("mobile")),
        monitoring: monitoring(root.table("monitoring")),
        backup: backup(root.table("backup")),
        policy: policy(root.table("policy")),
        limits: limits(root.table("limits")),
        proxy: proxy(root.table("proxy"), hosts),
        retention: retention(root.table("retention")),
    }
}

fn smtp(mut section: Section<'_, '_, '_>) -> Option<Smtp> {
    let security = section.word::<Security>("security").map(|said| said.value);
    let server = server(&mut section, 587);
    let from = section.text("from").map(|said| said.value);
    let user = section.text("user").map(|said| said.value);
    section.finish();
    let server = server?;
    Some(Smtp {
        security: security.unwrap_or(if server.port == 465 {
            Security::Tls
        } else {
            Security::Starttls
        }),
        server,
        from,
        user,
    })
}

fn ldap(mut section: Section<'_, '_, '_>) -> Option<Ldap> {
    let security = section.word::<Security>("security").map(|said| said.value);
    let server = server(&mut section, 636);
    let base_dn = required_text(
        &mut section,
        "base_dn",
        "add base_dn = \"dc=example,dc=internal\"",
    );
    let bind_dn = section.text("bind_dn").map(|said| said.value);
    let user_filter = section.text("user_filter").map(|said| said.value);
    let mut attribute = |key: &'static str, default: &str| {
        section
            .text(key)
            .map_or_else(|| default.to_owned(), |said| said.value)
    };
    let id_attribute = attribute("id_attribute", "objectGUID");
    let login_attribute = attribute("login_attribute", "sAMAccountName");
    let username_attribute = attribute("username_attribute", "sAMAccountName");
    let email_attribute = attribute("email_attribute", "mail");
    section.finish();
    let server = server?;
    Some(Ldap {
        security: security.unwrap_or(if server.port == 636 {
            Security::Tls
        } else {
            Security::Starttls
        }),
        server,
        base_dn: base_dn?.value,
        bind_dn,
        user_filter,
        id_attribute,
        login_attribute,
        username_attribute,
        email_attribute,
    })
}

fn server(section: &mut Section<'_, '_, '_>, default_port: u16) -> Option<Endpoint> {
    let hint = "write the name or address of the server";
    let host = section.parsed::<HostName>("host", hint);
    if host.is_none() && section.is_absent("host") {
        section.missing("host", hint);
    }
    let port = section.port("port").map_or(default_port, |said| said.value);
    Some(Endpoint {
        host: host?.value,
        port,
    })
}

fn saml(mut section: Section<'_, '_, '_>) -> Option<Saml> {
    let idp_url = required_text(
        &mut section,
        "idp_url",
        "add the sign-in URL of the provider",
    );
    let descriptor = required_text(
        &mut section,
        "descriptor",
        "add the entity id of the provider",
    );
    let cert = required_text(&mut section, "cert", "add the PEM file of the provider");
    let username = section.text("username_attribute");
    let email = section.text("email_attribute");
    section.finish();
    Some(Saml {
        idp_url: idp_url?.value,
        descriptor: descriptor?.value,
        cert: cert?.value,
        username_attribute: username.map_or_else(|| "username".to_owned(), |said| said.value),
        email_attribute: email.map_or_else(|| "email".to_owned(), |said| said.value),
    })
}

fn auth(section: Option<Section<'_, '_, '_>>) -> Auth {
    let Some(mut section) = section else {
        return Auth {
            providers: BTreeSet::from([Provider::Password]),
            cac: Switch::Off,
            mfa: Switch::On,
        };
    };
    let providers = section.word_list::<Provider>("providers");
    let cac = switch(&mut section, "cac");
    let mfa = section.flag("mfa").unwrap_or(true);
    section.finish();
    Auth {
        providers: match providers {
            Some(list) if !list.is_empty() => list.into_iter().map(|said| said.value).collect(),
            _ => BTreeSet::from([Provider::Password]),
        },
        cac,
        mfa: Switch::from_bool(mfa),
    }
}

words! {
    /// How push notifications are sent; the last three are names of services of the vendor.
    PushMode {
        /// Not at all.
        Off = "off",
        /// By the push proxy of this deployment.
        Proxy = "proxy",
        /// By a service elsewhere.
        Hosted = "hosted",
        /// By the vendor's hosted service.
        Hpns = "hpns",
        /// By the vendor's test service.
        Tpns = "tpns",
    }
}

fn push(mut section: Section<'_, '_, '_>, hosts: &[Host]) -> Option<Push> {
    let mode = super::required_word::<PushMode>(&mut section, "mode");
    let host = own_host(&mut section, "host", Role::Push, hosts);
    let egress = switch(&mut section, "egress");
    let url = section.parsed::<Location>("url", "write it as https://push.example.internal");
    let said = mode.map(|said| said.value);
    let found = match (said?, url) {
        (PushMode::Off, None) => Some(Push::Off),
        (PushMode::Proxy, None) => {
            let only = hosts.iter().find(|host| host.has(Role::Push));
            let host = host.or_else(|| only.map(|host| host.name.clone()));
            if host.is_none() && section.is_absent("host") {
                section.missing("host", "give one host the role \"push\"");
            }
            host.map(|host| Push::Proxy { host, egress })
        }
        // A URL of a service elsewhere means that service, whatever the mode says.
        (_, url) => Some(Push::Hosted {
            host: url.map(|said| said.value.host),
        }),
    };
    section.finish();
    found
}

fn mobile(section: Option<Section<'_, '_, '_>>) -> Mobile {
    let Some(mut section) = section else {
        return Mobile {
            enabled: Switch::Off,
            mdm: Switch::Off,
        };
    };
    let enabled = switch(&mut section, "enabled");
    let mdm = switch(&mut section, "mdm");
    section.finish();
    Mobile { enabled, mdm }
}

fn monitoring(section: Option<Section<'_, '_, '_>>) -> Vec<Network> {
    let Some(mut section) = section else {
        return Vec::new();
    };
    let hosts = network_list(&mut section, "hosts");
    if section.is_absent("hosts") {
        section.missing(
            "hosts",
            "add hosts = [\"10.20.9.5\"] with who reads the metrics",
        );
    }
    section.finish();
    hosts.unwrap_or_default()
}

/// Days that backups are kept when the file does not say.
const KEEP_DAYS: u32 = 14;

fn backup(section: Option<Section<'_, '_, '_>>) -> Backup {
    let mut backup = Backup {
        enabled: Switch::On,
        hour: 2,
        minute: 30,
        keep_days: KEEP_DAYS,
        directory: "/var/backups/mattermost".to_owned(),
    };
    let Some(mut section) = section else {
        return backup;
    };
    if let Some(enabled) = section.flag("enabled") {
        backup.enabled = Switch::from_bool(enabled);
    }
    if let Some(said) = section.text("at") {
        match time_of_day(&said.value) {
            Some((hour, minute)) => (backup.hour, backup.minute) = (hour, minute),
            None => section.bad(
                "at",
                &said.span,
                "is no time of day",
                "write it as \"02:30\"",
            ),
        }
    }
    if let Some(said) = section.number("keep", 1..=3650) {
        backup.keep_days = said.value;
    }
    backup.directory = directory(&mut section, "directory", &backup.directory);
    section.finish();
    backup
}

fn time_of_day(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

fn policy(section: Option<Section<'_, '_, '_>>) -> Policy {
    let mut policy = Policy {
        containers: Containers::Allowed,
        stig: Switch::Off,
        private_ca_required: Switch::Off,
        business_continuity: Switch::Off,
        ha_planned: Switch::Off,
        egress: BTreeSet::new(),
    };
    if let Some(mut section) = section {
        if let Some(said) = section.word::<Containers>("containers") {
            policy.containers = said.value;
        }
        policy.stig = switch(&mut section, "stig");
        policy.private_ca_required = switch(&mut section, "private_ca_required");
        policy.business_continuity = switch(&mut section, "business_continuity");
        policy.ha_planned = switch(&mut section, "ha_planned");
        policy.egress = super::host_list(&mut section, "egress");
        section.finish();
    }
    policy
}

fn limits(section: Option<Section<'_, '_, '_>>) -> Limits {
    let mut limits = Limits {
        upload: UploadLimit::DEFAULT,
        users: None,
    };
    if let Some(mut section) = section {
        let upload = section.number("upload_mb", 1..=UploadLimit::MAX_MB);
        if let Some(upload) = upload.and_then(|said| UploadLimit::new(said.value)) {
            limits.upload = upload;
        }
        limits.users = section
            .number("users", 1..=10_000_000)
            .map(|said| said.value);
        section.finish();
    }
    limits
}

fn proxy(section: Option<Section<'_, '_, '_>>, hosts: &[Host]) -> ProxyOptions {
    let Some(mut section) = section else {
        return ProxyOptions::default();
    };
    let rate_limit = section
        .number("rate_limit", 1..=1_000_000)
        .map(|said| said.value);
    let allow = network_list(&mut section, "allow").unwrap_or_default();
    let hint = "write a free address of the network of the proxies, such as 10.20.0.4";
    let virtual_address = section.parsed::<IpAddr>("virtual_address", hint);
    if let Some(said) = &virtual_address {
        let taken = hosts.iter().find(|host| host.address == said.value);
        if let Some(host) = taken {
            let why = format!("is the address of the host `{}`", host.name);
            section.bad("virtual_address", &said.span, why, hint);
        }
        if let Some(host) = hosts
            .iter()
            .find(|host| host.has(Role::Proxy) && host.interface.is_none())
        {
            let why = format!("needs the interface of the proxy `{}`", host.name);
            let hint = "add interface = \"eth0\" to each [[host]] with the role proxy";
            section.bad("virtual_address", &said.span, why, hint);
        }
    }
    section.finish();
    ProxyOptions {
        rate_limit,
        allow,
        virtual_address: virtual_address.map(|said| said.value),
    }
}

/// Longest time that messages or files are kept, in days: a hundred years.
const MAX_RETENTION: u32 = 36_500;

fn retention(section: Option<Section<'_, '_, '_>>) -> Retention {
    let Some(mut section) = section else {
        return Retention::default();
    };
    let mut days = |key| {
        section
            .number(key, 1..=MAX_RETENTION)
            .map(|said| said.value)
    };
    let retention = Retention {
        message_days: days("message_days"),
        file_days: days("file_days"),
    };
    section.finish();
    retention
}
