//! File storage (requirements 74 to 89).

use serde_json::json;

use crate::plan::address::HostName;
use crate::plan::deployment::{NfsServer, Role, S3Server, Storage};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::rules::Kind::{Both, Checked, OnHost, Parsed, Same, Staged};
use crate::plan::rules::{Context, Report, look, rules};
use crate::plan::staged::Staged as Files;

rules! {
    "FILES-074" Backend Warning "SEED P5" Both(store_is_used, "config.json: FileSettings; environment: keys", bucket_is_complete) =>
        "a bucket has name, region, endpoint and keys, and the host with the role minio serves it",
        "an empty key makes the server look for a cloud's identity service; a store that nobody uses is only a risk",
        "use storage.kind = \"s3\" with host, or remove the role minio";
    "FILES-075" Backend Error "SEED P5" Parsed("storage.endpoint") =>
        "the endpoint is host and port",
        "a scheme or path in AmazonS3Endpoint ends in an error at the first upload",
        "write https://host:port; it is split into endpoint and TLS";
    "FILES-076" Backend Error "SEED P5" Checked(bucket_is_not_public) =>
        "the bucket is served inside the network",
        "the name belongs to a public cloud, which cannot be reached",
        "use a host with the role minio, or a service inside";
    "FILES-077" Backend Error "SEED P5" Parsed("storage: one for all hosts") =>
        "all application servers use the same bucket",
        "with a bucket for each, a file exists for some users only",
        "nothing to do: there is one [storage]";
    "FILES-078" Backend Warning "SEED P5" Checked(files_are_encrypted_at_rest) =>
        "files of a restricted system are encrypted at rest",
        "disks leave the building when they are replaced",
        "encrypt the file system and set storage.encrypted_at_rest = true";
    "FILES-079" Backend Error "SEED P5" Staged("/etc/exports.d/mattermost.exports: one entry for each application server", export_is_narrow) =>
        "the export names each application server",
        "an export to a subnet lets every host there read all files",
        "use the generated file";
    "FILES-080" Backend Error "SEED P5" Parsed("storage.directory: one for all hosts") =>
        "files are mounted at the same path on every server",
        "the path is part of the shared configuration",
        "nothing to do: there is one [storage]";
    "FILES-081" Backend Error "SEED P5" Staged("mount unit: hard, nfsvers=4.2, nosuid, nodev, noexec; RequiresMountsFor", mount_is_hard) =>
        "the mount waits for the server rather than losing writes",
        "soft mounts corrupt files when the network stutters",
        "use the generated unit";
    "FILES-082" Backend Error "SEED P5" OnHost("preflight: the directory is a mount point") =>
        "the directory is mounted before the server starts",
        "files would land on the local disk below the mount point",
        "mount it";
    "FILES-083" Backend Warning "SEED P5" Checked(nfs_is_apart_from_users) =>
        "NFS traffic does not cross the users' network",
        "NFS trusts addresses",
        "put the NFS server into a network of its own";
    "FILES-084" Backend Warning "SEED P5" Checked(nfs_is_one_point_of_failure) =>
        "high availability does not hang on one NFS server",
        "when it is away, every server hangs",
        "use storage.kind = \"s3\", or an NFS server that is itself redundant, and accept this";
    "FILES-085" Backend Error "SEED P5" Staged("config.json: Directory; the account of the service", files_have_their_owner) =>
        "local files belong to the user mattermost",
        "otherwise every upload fails",
        "run install.sh";
    "FILES-086" Backend Warning "SEED P5" Same("ARCH-004") =>
        "local storage is for development, trials and very small servers",
        "it cannot be shared",
        "use S3 or NFS";
    "FILES-087" Backend Error "SEED P5" OnHost("preflight: local files exist while the plan says S3 or NFS") =>
        "files are moved before servers are added",
        "old uploads would be missing",
        "copy the files into the bucket or mount first";
    "FILES-088" Backend Warning "SEED P5; MinIO README, 2026-02-12" Checked(store_is_maintained) =>
        "the store inside the network is one that gets fixes",
        "the community version of MinIO is no longer maintained; its last release is of October 2025",
        "plan for another S3-compatible service, or NFS; accept this until then";
    "FILES-089" Backend Error "SEED P5" Parsed("storage.region, us-east-1 by default") =>
        "the region is set",
        "an empty region makes every client ask for it first",
        "keep us-east-1 for a store of your own";
}

/// Domains of public bucket services.
const PUBLIC_BUCKETS: [&str; 9] = [
    "amazonaws.com",
    "digitaloceanspaces.com",
    "wasabisys.com",
    "backblazeb2.com",
    "googleapis.com",
    "windows.net",
    "cloudflarestorage.com",
    "linodeobjects.com",
    "scw.cloud",
];

fn store_is_used(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let serving = match &plan.deployment.storage {
        Storage::S3(s3) => match &s3.server {
            S3Server::Host(name) => Some(name),
            S3Server::Endpoint(_) => None,
        },
        Storage::Local { .. } | Storage::Nfs(_) => None,
    };
    for host in plan
        .hosts_with(Role::Minio)
        .filter(|host| Some(&host.name) != serving)
    {
        report.on(
            Severity::Warning,
            &host.name,
            "the role minio, which no storage uses",
        );
    }
}

fn bucket_is_not_public(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let Storage::S3(s3) = &plan.deployment.storage else {
        return;
    };
    if let S3Server::Endpoint(endpoint) = &s3.server
        && PUBLIC_BUCKETS
            .iter()
            .any(|domain| endpoint.host.is_below(domain))
    {
        let found = format!("{} is a name of a public cloud", endpoint.host);
        report.error("storage.endpoint", found);
    }
}

fn files_are_encrypted_at_rest(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if let Storage::S3(s3) = &plan.deployment.storage
        && plan.deployment.is_strict()
        && !s3.encrypted_at_rest.is_on()
    {
        report.warn(
            "storage.encrypted_at_rest",
            "no statement about encryption at rest",
        );
    }
}

fn nfs_is_apart_from_users(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let Some(HostName::Ip(address)) = plan.nfs_server() else {
        return;
    };
    let users = &plan.deployment.network.users;
    if let Some(network) = users.iter().find(|network| network.contains(address)) {
        report.warn(
            "storage",
            format!("{address} is in the users' network {network}"),
        );
    }
}

fn nfs_is_one_point_of_failure(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    if plan.deployment.app_servers() > 1 && plan.nfs_server().is_some() {
        report.warn("storage.kind", "one NFS server");
    }
}

fn store_is_maintained(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    for host in plan.hosts_with(Role::Minio) {
        report.on(Severity::Warning, &host.name, "MinIO");
    }
}

fn bucket_is_complete(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let Storage::S3(s3) = &plan.deployment.storage else {
        return;
    };
    let wanted = [
        ("FileSettings", "DriverName", json!("amazons3")),
        ("FileSettings", "AmazonS3Bucket", json!(s3.bucket)),
        ("FileSettings", "AmazonS3Region", json!(s3.region)),
    ];
    look::config_says(plan, staged, report, &wanted);
    for (host, config) in look::configs(plan, staged, report) {
        let endpoint = config.pointer("/FileSettings/AmazonS3Endpoint");
        let endpoint = endpoint
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        // Empty means Amazon's own; a scheme or path fails at the first upload.
        if endpoint.is_empty() || endpoint.contains('/') {
            let found = format!("FileSettings.AmazonS3Endpoint is `{endpoint}`, not host and port");
            report.file(&host.name, look::CONFIG, found);
        }
        let environment = staged
            .file(&host.name, look::ENVIRONMENT)
            .unwrap_or_default();
        for key in ["ACCESSKEYID", "SECRETACCESSKEY"] {
            let name = format!("MM_FILESETTINGS_AMAZONS3{key}=");
            let value = environment
                .lines()
                .find_map(|line| line.strip_prefix(&name));
            if value.is_none_or(|value| value.trim_matches('\'').is_empty()) {
                report.file(
                    &host.name,
                    look::ENVIRONMENT,
                    format!("{name} has no value"),
                );
            }
        }
    }
}

fn export_is_narrow(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    const EXPORTS: &str = "/etc/exports.d/mattermost.exports";
    let Storage::Nfs(nfs) = &plan.deployment.storage else {
        return;
    };
    let NfsServer::Host(server) = &nfs.server else {
        return;
    };
    let Some(text) = staged.file(server, EXPORTS) else {
        report.file(server, EXPORTS, "the file is not staged");
        return;
    };
    let account = crate::plan::derive::ACCOUNT_ID;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let entries: Vec<&str> = lines
        .flat_map(|line| line.split_whitespace().skip(1))
        .collect();
    for app in plan.hosts_with(Role::App) {
        let wanted = format!("{}(", app.address);
        let entry = entries.iter().find(|entry| entry.starts_with(&wanted));
        let Some(options) = entry.and_then(|entry| entry.split_once('(')) else {
            report.file(server, EXPORTS, format!("without {}", app.name));
            continue;
        };
        let options: Vec<&str> = options.1.trim_end_matches(')').split(',').collect();
        for option in [
            "rw",
            "sync",
            "root_squash",
            &format!("anonuid={account}"),
            &format!("anongid={account}"),
        ] {
            if !options.contains(&option) {
                report.file(server, EXPORTS, format!("{} without {option}", app.name));
            }
        }
    }
    for entry in entries {
        let client = entry.split('(').next().unwrap_or_default();
        if !plan
            .hosts_with(Role::App)
            .any(|app| app.address.to_string() == client)
        {
            report.file(
                server,
                EXPORTS,
                format!("{client} is no application server"),
            );
        }
    }
}

fn mount_is_hard(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let Storage::Nfs(nfs) = &plan.deployment.storage else {
        return;
    };
    for host in plan.hosts_with(Role::App) {
        let place = format!("Where={}", nfs.directory);
        let unit = staged.files(&host.name).find(|(path, text)| {
            path.starts_with("/etc/systemd/system/")
                && path
                    .rsplit_once('.')
                    .is_some_and(|(_, kind)| kind == "mount")
                && text.lines().any(|line| line == place)
        });
        let Some((path, text)) = unit else {
            report.file(&host.name, &nfs.directory, "no unit mounts it");
            continue;
        };
        let options = text.lines().find_map(|line| line.strip_prefix("Options="));
        let options: Vec<&str> = options.unwrap_or_default().split(',').collect();
        for option in [
            "rw",
            "hard",
            "nfsvers=4.2",
            "_netdev",
            "nosuid",
            "nodev",
            "noexec",
        ] {
            if !options.contains(&option) {
                report.file(&host.name, path, format!("without the option {option}"));
            }
        }
        let wanted = format!("RequiresMountsFor={}", nfs.directory);
        let service = "/etc/systemd/system/mattermost.service";
        report.file_holds(staged, &host.name, service, &[&wanted]);
    }
}

fn files_have_their_owner(plan: &Plan, staged: &Files, report: &mut Report<'_>) {
    let directory = match &plan.deployment.storage {
        Storage::Local { directory } => directory,
        Storage::Nfs(nfs) => &nfs.directory,
        Storage::S3(_) => return,
    };
    let wanted = [
        ("FileSettings", "DriverName", json!("local")),
        ("FileSettings", "Directory", json!(directory)),
    ];
    look::config_says(plan, staged, report, &wanted);
    for host in plan.hosts_with(Role::App) {
        let service = "/etc/systemd/system/mattermost.service";
        report.file_holds(staged, &host.name, service, &["User=mattermost", directory]);
    }
}
