//! TLS of both sides: trust of the operating system or of a named file, certificate of a folder.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::Failure;
use crate::http::Stream;

/// Debian's bundle of trusted authorities, what Go and OpenSSL programs use there.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A client that trusts the authorities of `file`, or those of the operating system.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub(crate) fn client(file: Option<&str>) -> Result<Arc<ClientConfig>, Failure> {
    let system = std::env::var("SSL_CERT_FILE").unwrap_or_else(|_| SYSTEM_BUNDLE.to_owned());
    let file = file.unwrap_or(&system);
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file)
        .map_err(|error| format!("trust file {file}: {error}"))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| format!("trust file {file}: {error}"))?;
        // Old authorities of the system bundle that rustls cannot read are not ours to judge.
        roots.add(certificate).unwrap_or_default();
    }
    if roots.is_empty() {
        return Err(format!("trust file {file} holds no certificate").into());
    }
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// Encrypts a connection, and proves that the other side is `host`.
///
/// # Errors
/// When the name is no name; the proof itself fails at the first read or write.
pub(crate) fn connect(
    config: &Arc<ClientConfig>,
    host: &str,
    stream: std::net::TcpStream,
) -> Result<Box<dyn Stream>, Failure> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} is no host name"))?;
    let connection = ClientConnection::new(Arc::clone(config), name)?;
    Ok(Box::new(StreamOwned::new(connection, stream)))
}

/// A server with `public.crt` and `private.key` of a folder, as `MinIO` reads them.
///
/// # Errors
/// When one of them cannot be read, or they do not fit.
pub(crate) fn server(folder: &Path) -> Result<Arc<ServerConfig>, Failure> {
    let (certificate, key) = (folder.join("public.crt"), folder.join("private.key"));
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{}: {error}", certificate.display()))?;
    let private = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| format!("{}: {error}", key.display()))?;
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(Arc::new(
        builder
            .with_no_client_auth()
            .with_single_cert(chain, private)?,
    ))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
