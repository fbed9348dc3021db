//! The object store: buckets are folders, objects are files, every request is signed by the root user.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustls::{ServerConnection, StreamOwned};

use crate::http::{self, After, Body, Connection, Handler, Head};
use crate::sigv4::{Signed, sha256};
use crate::{Failure, log, notify, tls};

/// The largest object that is taken.
const MAX_OBJECT: u64 = 256 * 1024 * 1024;
/// How far a request's time may be off, in seconds (as S3 has it).
const MAX_SKEW: i64 = 15 * 60;

/// Where objects are, and who may touch them.
#[derive(Debug)]
struct Store {
    root: PathBuf,
    user: String,
    password: String,
}

/// Why a request is refused: status and S3 error code.
type Refusal = (&'static str, &'static str);

/// `minio server --address A --console-address C --certs-dir D PATH`.
///
/// # Errors
/// When an argument or the credentials are missing, the certificates cannot be read or the address not
/// be bound.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let mut address = ":9000".to_owned();
    let mut certificates = None;
    let mut folder = None;
    let mut words = args.iter();
    if words.next().map(String::as_str) != Some("server") {
        return Err("usage: minio server [--address A] [--certs-dir DIR] PATH".into());
    }
    while let Some(word) = words.next() {
        let (name, mut value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        if !name.starts_with("--") {
            folder = Some(PathBuf::from(word));
            continue;
        }
        if matches!(name, "--quiet" | "--anonymous" | "--json") {
            continue;
        }
        value = value.or_else(|| words.next().cloned());
        match name {
            "--address" => address = value.unwrap_or_default(),
            "--certs-dir" => certificates = value.map(PathBuf::from),
            "--console-address" => {}
            other => return Err(format!("the stand-in for minio does not know {other}").into()),
        }
    }
    let store = Store {
        root: folder.ok_or("the folder of the data is missing")?,
        user: credential("MINIO_ROOT_USER")?,
        password: credential("MINIO_ROOT_PASSWORD")?,
    };
    std::fs::create_dir_all(&store.root)
        .map_err(|error| format!("{}: {error}", store.root.display()))?;
    let tls =
        tls::server(&certificates.ok_or("--certs-dir is missing: the stand-in only speaks TLS")?)?;
    let listener = http::listen(&address)?;
    log::info(&format!(
        "stand-in object store listens on {address} with TLS"
    ));
    notify::ready()?;
    let handler: Arc<Handler> = Arc::new(move |head, connection| store.answer(head, connection));
    for stream in listener.incoming().flatten() {
        let (tls, handler) = (Arc::clone(&tls), Arc::clone(&handler));
        thread::spawn(move || {
            let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
            http::serve_stream(Box::new(StreamOwned::new(connection, stream)), &*handler)
        });
    }
    Ok(())
}

/// A credential from the environment, or from the file that `MINIO_CONFIG_ENV_FILE` names.
fn credential(name: &str) -> Result<String, Failure> {
    if let Ok(value) = std::env::var(name) {
        return Ok(value);
    }
    let path = std::env::var("MINIO_CONFIG_ENV_FILE").map_err(|_| format!("{name} is not set"))?;
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let found = text.lines().find_map(|line| {
        let line = line.trim().trim_start_matches("export ");
        line.strip_prefix(name)?.strip_prefix('=')
    });
    let value = found.ok_or_else(|| format!("{path} does not set {name}"))?;
    Ok(value.trim_matches(['"', '\'']).to_owned())
}

impl Store {
    fn answer(&self, head: &Head, connection: &mut Connection) -> io::Result<After> {
        if head.path.starts_with("/minio/health/") {
            connection.answer("200 OK", &[("X-Stand-In", "minio")], b"")?;
            return Ok(After::KeepOpen);
        }
        let mut body = Vec::new();
        if connection.body(head, MAX_OBJECT, &mut body)? == Body::TooLong {
            refuse(connection, ("400 Bad Request", "EntityTooLarge"), head)?;
            return Ok(After::Close);
        }
        match self.check(head, &body).and_then(|()| self.act(head, &body)) {
            // A HEAD answer has the length of the object but no body.
            Ok(content) if head.method == "HEAD" => connection.head(
                "200 OK",
                &[
                    ("Content-Length", &content.len().to_string()),
                    ("X-Stand-In", "minio"),
                ],
            )?,
            Ok(content) => connection.answer("200 OK", &[("X-Stand-In", "minio")], &content)?,
            Err(refusal) => refuse(connection, refusal, head)?,
        }
        Ok(After::KeepOpen)
    }

    /// Checks the signature of the root user, and that the body is what was signed.
    fn check(&self, head: &Head, body: &[u8]) -> Result<(), Refusal> {
        let denied = ("403 Forbidden", "AccessDenied");
        let header = head
            .header("authorization")
            .and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256 "));
        let header = header.ok_or(denied)?;
        let field = |name: &str| {
            let found = header
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or(("400 Bad Request", "AuthorizationHeaderMalformed"))
        };
        let mut scope = field("Credential")?.split('/');
        if scope.next() != Some(&self.user) {
            return Err(("403 Forbidden", "InvalidAccessKeyId"));
        }
        let region = scope.nth(1).ok_or(denied)?;
        let payload = head
            .header("x-amz-content-sha256")
            .ok_or(("400 Bad Request", "MissingContentSHA256"))?;
        if payload != "UNSIGNED-PAYLOAD" && payload != sha256(body) {
            return Err(("400 Bad Request", "XAmzContentSHA256Mismatch"));
        }
        let time = head.header("x-amz-date").ok_or(denied)?;
        let sent = jiff::Timestamp::strptime("%Y%m%dT%H%M%S%z", time.replace('Z', "+0000"))
            .map_err(|_| denied)?;
        let skew = jiff::Timestamp::now().as_second() - sent.as_second();
        if skew.abs() > MAX_SKEW {
            return Err(("403 Forbidden", "RequestTimeTooSkewed"));
        }
        let names: Vec<&str> = field("SignedHeaders")?.split(';').collect();
        if !names.contains(&"host") {
            return Err(denied);
        }
        let headers = names
            .into_iter()
            .map(|name| (name, head.header(name).unwrap_or_default()))
            .collect();
        let (method, path, query) = (
            head.method.as_str(),
            head.path.as_str(),
            head.query.as_str(),
        );
        let signed = Signed {
            method,
            path,
            query,
            headers,
            payload,
            time,
            region,
        };
        if signed.signature(&self.password) == field("Signature")? {
            Ok(())
        } else {
            Err(("403 Forbidden", "SignatureDoesNotMatch"))
        }
    }

    fn act(&self, head: &Head, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (bucket, key) = head
            .path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((head.path.trim_start_matches('/'), ""));
        let names = || std::iter::once(bucket).chain(key.split('/').filter(|_| !key.is_empty()));
        if names().any(|name| name.is_empty() || name.starts_with('.')) {
            return Err(("400 Bad Request", "InvalidArgument"));
        }
        let folder = self.root.join(bucket);
        let file = folder.join(key);
        match (head.method.as_str(), key.is_empty(), head.query.as_str()) {
            ("PUT", true, "") if folder.is_dir() => {
                Err(("409 Conflict", "BucketAlreadyOwnedByYou"))
            }
            ("PUT", true, "") => done(std::fs::create_dir(&folder)),
            ("HEAD", true, "") | ("GET", true, "" | "location" | "location=") => {
                bucket_exists(&folder).map(|()| {
                    b"<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"
                        .to_vec()
                })
            }
            ("PUT", false, "") => {
                bucket_exists(&folder)?;
                let parent = file.parent().unwrap_or(&folder);
                done(std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&file, body)))
            }
            ("GET" | "HEAD", false, "") => {
                bucket_exists(&folder)?;
                std::fs::read(&file).map_err(|_| ("404 Not Found", "NoSuchKey"))
            }
            ("DELETE", false, "") => done(std::fs::remove_file(&file)),
            _ => Err(("501 Not Implemented", "NotImplemented")),
        }
    }
}

fn bucket_exists(folder: &Path) -> Result<(), Refusal> {
    if folder.is_dir() {
        Ok(())
    } else {
        Err(("404 Not Found", "NoSuchBucket"))
    }
}

fn done(result: io::Result<()>) -> Result<Vec<u8>, Refusal> {
    result
        .map(|()| Vec::new())
        .map_err(|_| ("500 Internal Server Error", "InternalError"))
}

fn refuse(connection: &mut Connection, (status, code): Refusal, head: &Head) -> io::Result<()> {
    let body = format!("<Error><Code>{code}</Code><Message>stand-in for minio</Message></Error>");
    let body = if head.method == "HEAD" {
        ""
    } else {
        body.as_str()
    };
    connection.answer(
        status,
        &[("X-Stand-In", "minio"), ("Content-Type", "application/xml")],
        body.as_bytes(),
    )
}
