//! The bucket, as the stand-in app uses it: puts an object and reads it back over HTTPS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::config::Config;
use crate::files::unique;
use crate::http::Stream;
use crate::sigv4::{Signed, sha256};
use crate::{Failure, tls};

/// The longest answer that is read.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;

/// A bucket, reached with the settings that Mattermost reads.
#[derive(Debug)]
pub(crate) struct Bucket {
    endpoint: String,
    name: String,
    region: String,
    access_key: String,
    secret_key: String,
    tls: Arc<ClientConfig>,
}

impl Bucket {
    /// The bucket that the configuration names; TLS trusts the operating system's authorities, for
    /// Mattermost has no setting of its own.
    ///
    /// # Errors
    /// When TLS is off, a setting is missing or the authorities cannot be read.
    pub(crate) fn open(config: &Config) -> Result<Self, Failure> {
        let setting = |key: &str| match config.text("FileSettings", key) {
            value if value.is_empty() => Err(format!("FileSettings.{key} is empty")),
            value => Ok(value),
        };
        if !config.switch("FileSettings", "AmazonS3SSL") {
            return Err("FileSettings.AmazonS3SSL is off".into());
        }
        Ok(Self {
            endpoint: setting("AmazonS3Endpoint")?,
            name: setting("AmazonS3Bucket")?,
            region: setting("AmazonS3Region")?,
            access_key: setting("AmazonS3AccessKeyId")?,
            secret_key: setting("AmazonS3SecretAccessKey")?,
            tls: tls::client(None)?,
        })
    }

    /// Writes an object, reads it back and compares.
    ///
    /// # Errors
    /// When one of the two fails, or the bytes differ.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let body = format!("stand-in {}", jiff::Timestamp::now());
        // All servers check at once: each check has an object of its own.
        let key = format!("stand-in/test-{}", unique()?);
        self.request("PUT", &key, body.as_bytes())?;
        let there = self.request("GET", &key, b"")?;
        self.request("DELETE", &key, b"")?;
        if there == body.as_bytes() {
            Ok(())
        } else {
            Err("the bucket gave back other bytes".into())
        }
    }

    /// Writes an object.
    ///
    /// # Errors
    /// When the bucket cannot be reached or refuses.
    pub(crate) fn put(&self, key: &str, content: &[u8]) -> Result<(), Failure> {
        self.request("PUT", key, content).map(|_| ())
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When the bucket cannot be reached or has no such object.
    pub(crate) fn get(&self, key: &str) -> Result<Vec<u8>, Failure> {
        self.request("GET", key, b"")
    }

    fn request(&self, method: &str, key: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let path = format!("/{}/{key}", self.name);
        let time = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let payload = sha256(body);
        let signed = Signed {
            method,
            path: &path,
            query: "",
            headers: vec![
                ("host", &self.endpoint),
                ("x-amz-content-sha256", &payload),
                ("x-amz-date", &time),
            ],
            payload: &payload,
            time: &time,
            region: &self.region,
        };
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
            self.access_key,
            signed.scope(),
            signed.names(),
            signed.signature(&self.secret_key)
        );
        let mut stream = self.connect()?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\
             X-Amz-Date: {time}\r\nX-Amz-Content-Sha256: {payload}\r\nAuthorization: {authorization}\r\n\r\n",
            self.endpoint,
            body.len()
        )?;
        stream.write_all(body)?;
        stream.flush()?;
        let mut answer = Vec::new();
        // The other side may close without saying goodbye in TLS; what counts is the length below.
        let ended = stream.take(MAX_ANSWER).read_to_end(&mut answer);
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Err(
                format!("{method} {path} at {}: no answer: {ended:?}", self.endpoint).into(),
            );
        };
        let content = answer.split_off(end + 4);
        let head = String::from_utf8_lossy(&answer);
        let announced = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let length = name.eq_ignore_ascii_case("content-length");
            length.then(|| value.trim().parse::<usize>().ok())?
        });
        if announced.is_some_and(|length| length != content.len()) {
            return Err(format!("{method} {path} at {}: cut off: {ended:?}", self.endpoint).into());
        }
        if head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.1 204 ") {
            return Ok(content);
        }
        Err(format!(
            "{method} {path} at {}: {} {}",
            self.endpoint,
            head.lines().next().unwrap_or_default(),
            String::from_utf8_lossy(&content)
        )
        .into())
    }

    fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let (host, port) = self
            .endpoint
            .rsplit_once(':')
            .unwrap_or((&self.endpoint, "443"));
        let stream = TcpStream::connect(format!("{host}:{port}"))
            .map_err(|error| format!("bucket endpoint {}: {error}", self.endpoint))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        tls::connect(&self.tls, host, stream)
    }
}
