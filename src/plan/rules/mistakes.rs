//! Common mistakes that no requirement of the source text names: each is one of the list M1 to M34.

use std::collections::BTreeMap;

use serde_json::json;

use crate::plan::deployment::Role;
use crate::plan::derive::Plan;
use crate::plan::flow::port;
use crate::plan::rules::Kind::{Checked, Staged};
use crate::plan::rules::{Context, Report, look, rules};
use crate::plan::staged::Staged as Files;

rules! {
    "TOOL-220" Access Error "this program; M33" Checked(ports_are_apart) =>
        "the site and the services of its proxies listen on different ports",
        "the one that starts second cannot bind to its port, and does not start",
        "give the site another port, best 443, or the service a host of its own";
    "TOOL-216" Application Error "Mattermost audit log guide; M21" Staged("config.json: TrustedProxyIPHeader; the site of NGINX", addresses_are_those_of_users) =>
        "the server takes the user's address from the proxy's header, and from nobody else",
        "otherwise the audit log shows the proxy as the origin of every request, or what a client says it is",
        "report it: this is a fault of haversack";
    "TOOL-217" Application Error "Mattermost deployment guide; M22" Staged("mattermost.service: TimeoutStartSec", migrations_may_take_time) =>
        "the first start after an upgrade may take an hour",
        "systemd kills a server that is not ready after 90 seconds, in the middle of a migration",
        "report it: this is a fault of haversack";
    "TOOL-218" Application Error "Docker Compose; M10" Staged("compose.yaml: image, pull_policy", images_are_here) =>
        "every container runs an image that is named in full and never pulled",
        "Compose would ask a registry on the internet, and wait for it",
        "report it: this is a fault of haversack";
    "TOOL-219" Backend Error "the image of PostgreSQL, docker-library/postgres#1259; M12" Staged("compose.yaml: volumes of postgres", data_is_where_the_image_looks) =>
        "from PostgreSQL 18 on the volume is /var/lib/postgresql, before that its folder data",
        "the container ends at once, or keeps the data in a volume that goes away with it",
        "report it: this is a fault of haversack";
}

/// On every proxy, the port of the site is none of what else listens there.
fn ports_are_apart(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let site = plan.deployment.site.port();
    for host in plan.hosts_with(Role::Proxy) {
        let database = plan.database.endpoint.port;
        let others = [
            (None, port::SSH, "SSH"),
            (None, port::HTTP, "the redirect to HTTPS"),
            (Some(Role::App), port::APP, "Mattermost"),
            (Some(Role::App), port::METRICS, "the metrics of Mattermost"),
            (Some(Role::App), port::GOSSIP, "the gossip of Mattermost"),
            (Some(Role::Db), database, "PostgreSQL"),
            (Some(Role::DbReplica), database, "PostgreSQL"),
            (Some(Role::Minio), port::S3, "MinIO"),
            (Some(Role::Minio), port::S3_CONSOLE, "the console of MinIO"),
            (Some(Role::Push), port::PUSH, "the push proxy"),
            (Some(Role::Nfs), port::NFS, "NFS"),
        ];
        for (role, number, service) in others {
            if number == site && role.is_none_or(|role| host.has(role)) {
                let found = format!("port {site} on {} is that of {service}", host.name);
                report.error("url", found);
            }
        }
    }
}

/// Both headers, when a proxy writes them; none otherwise, for a client could write them too.
fn addresses_are_those_of_users(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    const HEADERS: [&str; 2] = ["X-Forwarded-For", "X-Real-IP"];
    let proxied = plan.hosts_with(Role::Proxy).next().is_some();
    let headers = if proxied { json!(HEADERS) } else { json!([]) };
    let wanted = [("ServiceSettings", "TrustedProxyIPHeader", headers)];
    look::config_says(plan, staged, report, &wanted);
    for host in plan.hosts_with(Role::Proxy) {
        let lines = HEADERS.map(|header| format!("proxy_set_header {header} $remote_addr;"));
        let lines = lines.each_ref().map(String::as_str);
        report.file_holds(staged, &host.name, look::nginx_site(host), &lines);
    }
}

fn migrations_may_take_time(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::App) {
        let wanted = ["\nTimeoutStartSec=3600\n"];
        report.file_holds(staged, &host.name, look::UNIT, &wanted);
    }
}

fn images_are_here(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::Docker) {
        let text = staged.file(&host.name, look::COMPOSE).unwrap_or_default();
        for (name, lines) in look::compose_services(text) {
            if !lines.contains(&"pull_policy: never") {
                let found = format!("{name} may be pulled");
                report.file(&host.name, look::COMPOSE, found);
            }
            let image = lines.iter().find_map(|line| line.strip_prefix("image: "));
            let tag = image.and_then(|image| image.rsplit('/').next()?.split_once([':', '@']));
            if tag.is_none_or(|(_, tag)| tag == "latest") {
                let found = format!("the image of {name} has no version");
                report.file(&host.name, look::COMPOSE, found);
            }
        }
    }
}

fn data_is_where_the_image_looks(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::Docker) {
        let text = staged.file(&host.name, look::COMPOSE).unwrap_or_default();
        let services: BTreeMap<&str, Vec<&str>> = look::compose_services(text);
        let lines = services.get("postgres").cloned().unwrap_or_default();
        let image = lines.iter().find_map(|line| line.strip_prefix("image: "));
        let tag = image.and_then(|image| image.rsplit('/').next()?.split_once(':'));
        let major: Option<u32> = tag.and_then(|(_, tag)| {
            let digits = tag.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        });
        let place = match major {
            Some(18..) => ":/var/lib/postgresql",
            Some(_) => ":/var/lib/postgresql/data",
            None => {
                report.file(
                    &host.name,
                    look::COMPOSE,
                    "the major of PostgreSQL is not to be seen",
                );
                continue;
            }
        };
        if !lines.iter().any(|line| line.ends_with(place)) {
            let found = format!("no volume of postgres at {}", place.trim_start_matches(':'));
            report.file(&host.name, look::COMPOSE, found);
        }
    }
}
