//! In the place of `MinIO`: s3s-fs, a real S3 server of other people, behind `MinIO`'s arguments,
//! environment and certificates. Buckets are folders, objects are files, and every request must be
//! signed (AWS Signature Version 4) by the root user; s3s checks it.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{Failure, http, log, notify, tls};

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
    let folder = folder.ok_or("the folder of the data is missing")?;
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let store =
        FileSystem::new(&folder).map_err(|error| format!("{}: {error:?}", folder.display()))?;
    let mut service = S3ServiceBuilder::new(store);
    service.set_auth(SimpleAuth::from_single(
        credential("MINIO_ROOT_USER")?,
        credential("MINIO_ROOT_PASSWORD")?,
    ));
    let tls =
        tls::server(&certificates.ok_or("--certs-dir is missing: the stand-in only speaks TLS")?)?;
    let listener = http::listen(&address)?;
    listener.set_nonblocking(true)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(
            listener,
            TlsAcceptor::from(tls),
            service.build(),
            &address,
        ))
}

async fn serve(
    listener: std::net::TcpListener,
    tls: TlsAcceptor,
    service: S3Service,
    address: &str,
) -> Result<(), Failure> {
    let listener = TcpListener::from_std(listener)?;
    log::info(&format!(
        "stand-in object store (s3s-fs) listens on {address} with TLS"
    ));
    notify::ready()?;
    let service = Arc::new(service);
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, tls.clone(), Arc::clone(&service)));
        }
    }
}

/// Answers on one connection until its end.
async fn talk(stream: TcpStream, tls: TlsAcceptor, service: Arc<S3Service>) -> io::Result<()> {
    let stream = tls.accept(stream).await?;
    let answer = service_fn(move |request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move {
            // `MinIO` answers this without a signature; it is no part of S3.
            let health = request.uri().path().starts_with("/minio/health/");
            let mut response = if health {
                Response::new(s3s::Body::empty())
            } else {
                service.call(request).await.unwrap_or_else(|error| {
                    log::error(&format!("stand-in object store: {error:?}"));
                    let mut failed = Response::new(s3s::Body::empty());
                    *failed.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
                    failed
                })
            };
            let name = hyper::header::HeaderValue::from_static("minio");
            response.headers_mut().insert("x-stand-in", name);
            Ok::<_, Infallible>(response)
        }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await
        .map_err(io::Error::other)
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
