//! File storage (requirements 74 to 89).

use crate::plan::address::HostName;
use crate::plan::deployment::{Role, S3Server, Storage};
use crate::plan::derive::Plan;
use crate::plan::finding::Severity;
use crate::plan::rules::Kind::{Checked, Generates, OnHost, Parsed, Same};
use crate::plan::rules::{Context, Report, rules};

rules! {
    "FILES-074" Backend Warning "SEED P5" Checked(store_is_used) =>
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
    "FILES-079" Backend Error "SEED P5" Generates("/etc/exports: one entry for each application server") =>
        "the export names each application server",
        "an export to a subnet lets every host there read all files",
        "use the generated file";
    "FILES-080" Backend Error "SEED P5" Parsed("storage.directory: one for all hosts") =>
        "files are mounted at the same path on every server",
        "the path is part of the shared configuration",
        "nothing to do: there is one [storage]";
    "FILES-081" Backend Error "SEED P5" Generates("mount unit: hard, nfsvers=4.2, nosuid, nodev, noexec") =>
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
    "FILES-085" Backend Error "SEED P5" Generates("config.json: Directory /opt/mattermost/data, owner mattermost") =>
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
