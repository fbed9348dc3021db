//! An upstream on the loopback interface: static files, and misbehaviour on demand.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How a path is served.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Announces everything, sends this many bytes of it, and closes; as often as said, then serves.
    CutAfter(usize, u32),
    /// Answers a range with 200 and everything, after cutting once at this many bytes.
    IgnoreRange(usize),
    /// Answers a range with 206 and a `Content-Range` that begins at 0, after cutting once at this
    /// many bytes.
    WrongRange(usize),
    /// Answers a range with 416 and a page, after cutting once at this many bytes.
    RefuseRange(usize),
    /// Announces everything without an `ETag`, sends this many bytes of it the first time.
    CutWithoutValidator(usize),
    /// Answers with this status; as often as said, then serves.
    Status(u16, u32),
    /// Redirects.
    Redirect(String),
    /// Answers 200 with a sign-in page.
    Html,
    /// Sends this many bytes, then nothing, without closing.
    StallAfter(usize),
    /// Sends without end and without announcing a length.
    Endless,
    /// Closes after all bytes without announcing a length, as HTTP/1.0 does.
    NoLength(usize),
}

#[derive(Default)]
struct State {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    behaviours: Mutex<BTreeMap<String, Behaviour>>,
    log: Mutex<Vec<String>>,
    token: Mutex<Option<String>>,
    stop: AtomicBool,
}

/// A server that ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
}

impl Server {
    /// Serves nothing yet, over plain HTTP.
    pub(crate) fn start() -> Self {
        Self::run(None)
    }

    /// Serves over TLS; the second value is the PEM of the certificate to trust.
    pub(crate) fn start_tls() -> (Self, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
            .unwrap();
        let pem = made.cert.pem().into_bytes();
        (Self::run(Some(Arc::new(config))), pem)
    }

    fn run(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stop.load(Ordering::Relaxed) {
                    return;
                }
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
                    match tls {
                        None => serve(&mut Plain(stream), &state),
                        Some(config) => {
                            let connection = rustls::ServerConnection::new(config).unwrap();
                            let mut stream = rustls::StreamOwned::new(connection, stream);
                            serve(&mut stream, &state);
                            stream.conn.send_close_notify();
                            let _ = stream.flush();
                        }
                    }
                });
            }
        });
        Self {
            address,
            scheme,
            state,
        }
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        let host = if self.scheme == "https" {
            "localhost"
        } else {
            "127.0.0.1"
        };
        format!("{}://{host}:{}/{path}", self.scheme, self.address.port())
    }

    /// Serves these bytes at a path from now on.
    pub(crate) fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        lock(&self.state.files).insert(path.to_owned(), bytes.into());
    }

    /// Misbehaves at a path from now on.
    pub(crate) fn behave(&self, path: &str, behaviour: Behaviour) {
        lock(&self.state.behaviours).insert(path.to_owned(), behaviour);
    }

    /// Wants this token for everything below `v2/`, as a registry does; who has none is sent to `token`.
    pub(crate) fn want_token(&self, token: &str) {
        *lock(&self.state.token) = Some(token.to_owned());
    }

    /// The requests so far: `GET path`, or `GET path bytes=5-`.
    pub(crate) fn log(&self) -> Vec<String> {
        lock(&self.state.log).clone()
    }

    /// Drops the requests so far from the log.
    pub(crate) fn forget(&self) {
        lock(&self.state.log).clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// A plain stream that is shut down at once when it ends.
struct Plain(TcpStream);

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

struct Request {
    method: String,
    path: String,
    range: Option<usize>,
    authorization: Option<String>,
    host: String,
}

/// One request a connection: `Connection: close` keeps the rest simple.
fn serve(stream: &mut (impl Read + Write), state: &State) {
    let Some(request) = read_request(stream) else {
        return;
    };
    let mut line = format!("{} {}", request.method, request.path);
    if let Some(start) = request.range {
        line.push_str(&format!(" bytes={start}-"));
    }
    lock(&state.log).push(line);
    let _ = answer(stream, state, &request);
    let _ = stream.flush();
}

fn read_request(stream: &mut impl Read) -> Option<Request> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut range, mut authorization, mut host) = (None, None, String::new());
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 || header.trim().is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let value = value.strip_prefix("bytes=")?.strip_suffix('-')?;
                range = value.parse().ok();
            }
            "authorization" => authorization = Some(value.to_owned()),
            "host" => value.clone_into(&mut host),
            _ => {}
        }
    }
    Some(Request {
        method,
        path: path.trim_start_matches('/').to_owned(),
        range,
        authorization,
        host,
    })
}

fn answer(stream: &mut impl Write, state: &State, request: &Request) -> std::io::Result<()> {
    const PAGE: &[u8] = b"<!DOCTYPE html>\n<title>Sign in</title>";
    if let Some(token) = &*lock(&state.token)
        && request.path.starts_with("v2/")
        && request.authorization != Some(format!("Bearer {token}"))
    {
        let realm = format!("http://{}/token", request.host);
        let wanted =
            format!("Bearer realm=\"{realm}\",service=\"stand-in\",scope=\"repository:x:push\"");
        let headers = [
            ("WWW-Authenticate", wanted),
            ("Content-Length", "0".to_owned()),
        ];
        return head(stream, 401, &headers);
    }
    let behaviour = lock(&state.behaviours).get(&request.path).cloned();
    let file = lock(&state.files).get(&request.path).cloned();
    let again = |next: Behaviour| {
        lock(&state.behaviours).insert(request.path.clone(), next);
    };
    match behaviour {
        Some(Behaviour::Status(status, times)) if times > 0 => {
            again(Behaviour::Status(status, times - 1));
            return head(stream, status, &[("Content-Length", "0".to_owned())]);
        }
        Some(Behaviour::Redirect(to)) => {
            let headers = [("Location", to), ("Content-Length", "0".to_owned())];
            return head(stream, 302, &headers);
        }
        Some(Behaviour::Html) => {
            let headers = [
                ("Content-Type", "text/html; charset=utf-8".to_owned()),
                ("Content-Length", PAGE.len().to_string()),
            ];
            head(stream, 200, &headers)?;
            return stream.write_all(PAGE);
        }
        Some(Behaviour::Endless) => {
            head(stream, 200, &[])?;
            loop {
                stream.write_all(&[b'x'; 8192])?;
            }
        }
        _ => {}
    }
    let Some(file) = file else {
        return head(stream, 404, &[("Content-Length", "0".to_owned())]);
    };
    let length = |count: usize| ("Content-Length", count.to_string());
    if request.method == "HEAD" {
        return head(stream, 200, &[length(file.len())]);
    }
    match (behaviour, request.range) {
        (Some(Behaviour::CutAfter(at, times)), range) if times > 0 => {
            again(Behaviour::CutAfter(at, times - 1));
            part(stream, &file, range.unwrap_or(0), Some(at))
        }
        (
            Some(
                Behaviour::IgnoreRange(at) | Behaviour::WrongRange(at) | Behaviour::RefuseRange(at),
            ),
            None,
        ) if lock(&state.log)
            .iter()
            .filter(|line| line.contains(&request.path))
            .count()
            == 1 =>
        {
            part(stream, &file, 0, Some(at))
        }
        (Some(Behaviour::WrongRange(_)), Some(_)) => {
            let range = format!("bytes 0-{}/{}", file.len() - 1, file.len());
            head(stream, 206, &[length(file.len()), ("Content-Range", range)])?;
            stream.write_all(&file)
        }
        (Some(Behaviour::RefuseRange(_)), Some(_)) => {
            head(stream, 416, &[length(PAGE.len())])?;
            stream.write_all(PAGE)
        }
        (Some(Behaviour::IgnoreRange(_)), Some(_)) => part(stream, &file, 0, None),
        (Some(Behaviour::StallAfter(at)), _) => {
            part(stream, &file, 0, Some(at))?;
            stream.flush()?;
            thread::sleep(Duration::from_secs(3));
            Ok(())
        }
        (Some(Behaviour::NoLength(at)), _) => {
            head(stream, 200, &[])?;
            stream.write_all(&file[..at.min(file.len())])
        }
        (Some(Behaviour::CutWithoutValidator(at)), None) => {
            let first = lock(&state.log).len() == 1;
            head(stream, 200, &[length(file.len())])?;
            stream.write_all(if first { &file[..at] } else { &file })
        }
        (_, range) => part(stream, &file, range.unwrap_or(0), None),
    }
}

/// Announces all from `start`, and sends at most `cut` bytes of it.
fn part(
    stream: &mut impl Write,
    file: &[u8],
    start: usize,
    cut: Option<usize>,
) -> std::io::Result<()> {
    let rest = &file[start.min(file.len())..];
    let mut headers = vec![
        ("Content-Length", rest.len().to_string()),
        ("ETag", "\"one\"".to_owned()),
    ];
    let status = if start > 0 {
        let range = format!("bytes {start}-{}/{}", file.len() - 1, file.len());
        headers.push(("Content-Range", range));
        206
    } else {
        200
    };
    head(stream, status, &headers)?;
    stream.write_all(&rest[..cut.unwrap_or(rest.len()).min(rest.len())])
}

fn head(stream: &mut impl Write, status: u16, headers: &[(&str, String)]) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
