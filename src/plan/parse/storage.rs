//! Where files are kept.

use crate::plan::address::{Endpoint, HostName, Location, Transport, shorten};
use crate::plan::deployment::{Host, Method, Nfs, NfsServer, Role, S3, S3Server, Storage};
use crate::plan::parse::topology::{directory, own_host};
use crate::plan::parse::{required_text, required_word, switch};
use crate::plan::reader::{Said, Section};
use crate::plan::words::words;

words! {
    /// The kinds of storage.
    StorageKind {
        /// A folder.
        Local = "local",
        /// A bucket.
        S3 = "s3",
        /// A mounted folder.
        Nfs = "nfs",
    }
}

pub(super) fn read(
    root: &mut Section<'_, '_, '_>,
    method: Option<Method>,
    hosts: &[Host],
) -> Option<Storage> {
    let Some(mut section) = root.table("storage") else {
        if root.is_absent("storage") {
            if method == Some(Method::Docker) {
                return Some(Storage::Local {
                    directory: "/mattermost/data".to_owned(),
                });
            }
            root.missing(
                "storage",
                "add [storage] with kind = \"s3\", \"nfs\" or \"local\"",
            );
        }
        return None;
    };
    let kind = required_word::<StorageKind>(&mut section, "kind");
    let found = match kind.map(|said| said.value) {
        Some(StorageKind::Local) => {
            let directory = directory(&mut section, "directory", "/opt/mattermost/data");
            Some(Storage::Local { directory })
        }
        Some(StorageKind::S3) => s3(&mut section, hosts).map(Storage::S3),
        Some(StorageKind::Nfs) => nfs(&mut section, hosts).map(Storage::Nfs),
        None => return None,
    };
    section.finish();
    found
}

fn s3(section: &mut Section<'_, '_, '_>, hosts: &[Host]) -> Option<S3> {
    let host = own_host(section, "host", Role::Minio, hosts);
    let endpoint =
        section.parsed::<Location>("endpoint", "write it as https://s3.example.internal:9000");
    let ssl = section.flag("ssl");
    let (server, transport) = match (host, endpoint) {
        (Some(host), None) => (Some(S3Server::Host(host)), Transport::Tls),
        (None, Some(said)) => {
            let (endpoint, transport) = s3_endpoint(section, &said);
            (Some(S3Server::Endpoint(endpoint)), transport)
        }
        (Some(_), Some(said)) => {
            section.bad(
                "endpoint",
                &said.span,
                "stands beside `host`",
                "keep one of both",
            );
            (None, Transport::Tls)
        }
        (None, None) => {
            if section.is_absent("host") && section.is_absent("endpoint") {
                section.missing("host", "name the host with the role minio, or give an endpoint; an empty endpoint would mean Amazon's");
            }
            (None, Transport::Tls)
        }
    };
    let transport = match ssl {
        Some(true) => Transport::Tls,
        Some(false) => Transport::Plain,
        None => transport,
    };
    let bucket = required_text(section, "bucket", "add bucket = \"mattermost\"");
    if let Some(bucket) = &bucket
        && let Err(why) = check_bucket(&bucket.value)
    {
        section.bad(
            "bucket",
            &bucket.span,
            why,
            "use 3 to 63 of a-z, 0-9 and inner `-`, such as mattermost",
        );
    }
    let region = section.text("region");
    if let Some(region) = &region {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !region.value.bytes().all(plain) {
            section.bad(
                "region",
                &region.span,
                "is no region",
                "leave it out for us-east-1",
            );
        }
    }
    let encrypted_at_rest = switch(section, "encrypted_at_rest");
    Some(S3 {
        server: server?,
        transport,
        bucket: bucket?.value,
        region: region.map_or_else(|| "us-east-1".to_owned(), |said| said.value),
        encrypted_at_rest,
    })
}

/// `AmazonS3Endpoint` is host and port without a scheme; the scheme says whether TLS is used.
fn s3_endpoint(section: &Section<'_, '_, '_>, said: &Said<Location>) -> (Endpoint, Transport) {
    let (transport, port) = match said.value.scheme.as_deref() {
        None | Some("https") => (Transport::Tls, 443),
        Some("http") => (Transport::Plain, 80),
        Some(other) => {
            let why = format!("`{}` is no scheme of a bucket service", shorten(other));
            section.bad("endpoint", &said.span, why, "use https://");
            (Transport::Tls, 443)
        }
    };
    let endpoint = Endpoint {
        host: said.value.host.clone(),
        port: said.value.port.unwrap_or(port),
    };
    (endpoint, transport)
}

/// Bucket names as Amazon defines them ("Bucket naming rules", general purpose buckets), without
/// dots, which break TLS names.
fn check_bucket(name: &str) -> Result<(), &'static str> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(3..=63).contains(&name.len()) {
        return Err("a bucket name has 3 to 63 characters");
    }
    if !name.chars().all(|c| word(c) || c == '-') {
        return Err("a bucket name has only a-z, 0-9 and `-`");
    }
    if !name.starts_with(word) || !name.ends_with(word) {
        return Err("a bucket name begins and ends with a letter or digit");
    }
    Ok(())
}

fn nfs(section: &mut Section<'_, '_, '_>, hosts: &[Host]) -> Option<Nfs> {
    let host = own_host(section, "host", Role::Nfs, hosts);
    let server =
        section.parsed::<HostName>("server", "write the name or address of the NFS server");
    let server = match (host, server) {
        (Some(host), None) => Some(NfsServer::Host(host)),
        (None, Some(said)) => Some(NfsServer::External(said.value)),
        (Some(_), Some(said)) => {
            section.bad(
                "server",
                &said.span,
                "stands beside `host`",
                "keep one of both",
            );
            None
        }
        (None, None) => {
            if section.is_absent("host") && section.is_absent("server") {
                section.missing("host", "name the host with the role nfs, or give a server");
            }
            None
        }
    };
    let export = directory(section, "export", "/export/mattermost_data");
    let directory = directory(section, "directory", "/mnt/mattermost_data");
    Some(Nfs {
        server: server?,
        export,
        directory,
    })
}
