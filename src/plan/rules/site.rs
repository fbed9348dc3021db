//! How rules look at the staged site of NGINX, and what a plan says about any site.

use crate::nginx::{self, Backend, Expected, File, Level, Site, Strictness};
use crate::plan::address::HostName;
use crate::plan::deployment::{Host, Role};
use crate::plan::derive::Plan;
use crate::plan::flow::port;
use crate::plan::rules::{Report, look};
use crate::plan::staged::Staged as Files;

impl Plan {
    /// What is expected of the site's NGINX, for [`nginx::examine`].
    #[must_use]
    pub fn expected_site(&self) -> Expected {
        let deployment = &self.deployment;
        let backends = self.hosts_with(Role::App).map(backend).collect();
        let proxy = self.hosts_with(Role::Proxy).next();
        Expected {
            version: None,
            family: proxy.map(|host| host.distribution.family()),
            strictness: if deployment.is_strict() {
                Strictness::Strict
            } else {
                Strictness::Usual
            },
            site: Some(Site {
                host: deployment.site.host().to_string(),
                port: deployment.site.port(),
                backends,
                max_file_size: deployment.limits.upload.max_file_size(),
            }),
        }
    }
}

/// An application server, by every name that leads to it.
fn backend(host: &Host) -> Backend {
    let with_port = |host: &HostName| format!("{host}:{}", port::APP);
    let mut addresses = vec![
        with_port(&HostName::Ip(host.address)),
        format!("{}:{}", host.name, port::APP),
    ];
    addresses.extend(host.fqdn.as_ref().map(with_port));
    if host.has(Role::Proxy) {
        addresses.extend(["127.0.0.1", "localhost"].map(|own| format!("{own}:{}", port::APP)));
    }
    Backend {
        name: host.name.to_string(),
        addresses,
    }
}

/// The staged site of each proxy; one that is absent is reported.
pub(super) fn sites<'p>(
    plan: &'p Plan,
    staged: &'p Files,
    report: &mut Report<'_>,
) -> Vec<(&'p Host, &'p str)> {
    let mut found = Vec::new();
    for host in plan.hosts_with(Role::Proxy) {
        match staged.file(&host.name, look::nginx_site(host)) {
            Some(text) => found.push((host, text)),
            None => report.file(&host.name, look::nginx_site(host), "the site is not staged"),
        }
    }
    found
}

/// What NGINX's own rules say about each staged site under the id of this rule. Generated files
/// have no excuse: what is a warning elsewhere is a fault here.
pub(super) fn examine(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let id = report.rule.id;
    for (host, text) in sites(plan, staged, report) {
        let file = File {
            path: look::nginx_site(host).to_owned(),
            text: text.to_owned(),
        };
        let expected = Expected {
            family: Some(host.distribution.family()),
            ..plan.expected_site()
        };
        match nginx::read(vec![file]) {
            Ok(config) => {
                for finding in nginx::examine(&config, &expected).iter() {
                    if finding.id == id && finding.level != Level::Info {
                        let found = format!("line {}: {}", finding.place.line, finding.found);
                        report.file(&host.name, look::nginx_site(host), found);
                    }
                }
            }
            Err(error) => report.file(&host.name, look::nginx_site(host), error.to_string()),
        }
    }
}
