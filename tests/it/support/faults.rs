//! A server that follows a script: what it answers to the first request, the second, and so on.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "tests fail by panicking"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Something that a server does with a connection.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends this, which is no part of the body.
    Head(String),
    /// Sends a part of the body.
    Body(Vec<u8>),
    /// Sends a part of the body in pieces of so many bytes, with a pause after each.
    Drip(Vec<u8>, usize, Duration),
    /// Sends bytes without end.
    Endless,
    /// Is silent.
    Pause(Duration),
    /// Resets the connection at its end instead of closing it.
    Reset,
}

/// A request, as far as scripts look at it.
pub(crate) struct Call<'c> {
    /// Where its range begins, when it has one.
    pub(crate) from: Option<usize>,
    /// All its headers.
    pub(crate) headers: String,
    /// The right bytes.
    pub(crate) file: &'c [u8],
}

/// What is done for one request.
pub(crate) type Answer = fn(&Call<'_>) -> Vec<Act>;

/// Which certificate a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// One for `localhost`.
    Good,
    /// One for `localhost` that ran out in the year 2000.
    Expired,
    /// One for another host.
    OtherHost,
}

struct State {
    file: Vec<u8>,
    script: Vec<Answer>,
    /// The requests so far, whole.
    calls: Mutex<Vec<String>>,
    body_bytes: AtomicU64,
    /// Answers under way now, and at most so far.
    open: Mutex<(usize, usize)>,
    stop: AtomicBool,
}

/// A server that ends when dropped.
pub(crate) struct Faulty {
    address: SocketAddr,
    secure: bool,
    state: Arc<State>,
    /// The certificate it shows, as PEM.
    pub(crate) pem: Option<String>,
}

impl Faulty {
    /// Answers the first request as the first of `script` says, and so on; the last says it for all
    /// that follow. Each connection takes one request.
    pub(crate) fn start(file: &[u8], script: &[Answer], shown: Option<Certificate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, file, script, shown)
    }

    /// As [`Self::start`], where connections are refused until a moment from now.
    pub(crate) fn start_late(file: &[u8], script: &[Answer], after: Duration) -> Self {
        // The kernel gives a port that was just freed to nobody else so soon.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let state = State::new(file, script);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            thread::sleep(after);
            accept(&TcpListener::bind(address).unwrap(), &shared, None);
        });
        Self {
            address,
            secure: false,
            state,
            pem: None,
        }
    }

    fn on(
        listener: TcpListener,
        file: &[u8],
        script: &[Answer],
        shown: Option<Certificate>,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let state = State::new(file, script);
        let (tls, pem) = match shown.map(configure) {
            Some((config, pem)) => (Some(config), Some(pem)),
            None => (None, None),
        };
        let shared = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &shared, tls.as_ref()));
        Self {
            address,
            secure: shown.is_some(),
            state,
            pem,
        }
    }

    /// The URL of the file, whatever its path.
    pub(crate) fn url(&self, path: &str) -> String {
        let (scheme, host) = if self.secure {
            ("https", "localhost")
        } else {
            ("http", "127.0.0.1")
        };
        format!("{scheme}://{host}:{}/{path}", self.address.port())
    }

    /// The requests for a body so far, whole.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap().clone()
    }

    /// Where each request for a body began.
    pub(crate) fn starts(&self) -> Vec<usize> {
        let calls = self.calls();
        calls.iter().map(|call| range(call).unwrap_or(0)).collect()
    }

    /// How many answers were under way at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.open.lock().unwrap().1
    }

    /// Bytes of bodies that were sent so far.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.state.body_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn new(file: &[u8], script: &[Answer]) -> Arc<Self> {
        Arc::new(Self {
            file: file.to_vec(),
            script: script.to_vec(),
            calls: Mutex::default(),
            body_bytes: AtomicU64::new(0),
            open: Mutex::default(),
            stop: AtomicBool::new(false),
        })
    }
}

fn configure(shown: Certificate) -> (Arc<rustls::ServerConfig>, String) {
    let host = match shown {
        Certificate::OtherHost => "other.example",
        Certificate::Good | Certificate::Expired => "localhost",
    };
    let mut params = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
    if shown == Certificate::Expired {
        params.not_before = rcgen::date_time_ymd(1999, 1, 1);
        params.not_after = rcgen::date_time_ymd(2000, 1, 1);
    }
    let pair = rcgen::KeyPair::generate().unwrap();
    let made = params.self_signed(&pair).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(pair.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], key)
        .unwrap();
    (Arc::new(config), made.pem())
}

fn accept(listener: &TcpListener, state: &Arc<State>, tls: Option<&Arc<rustls::ServerConfig>>) {
    for stream in listener.incoming().flatten() {
        if state.stop.load(Ordering::Relaxed) {
            return;
        }
        let (state, tls) = (Arc::clone(state), tls.cloned());
        thread::spawn(move || {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            match tls {
                None => serve(&mut { stream }, &state),
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
}

/// Reads a request but for its last byte: what is unread when a connection is closed resets it.
fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r") {
        if request.len() > 64 * 1024 || stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        request.push(byte[0]);
    }
    String::from_utf8(request).ok()
}

fn range(request: &str) -> Option<usize> {
    let lower = request.to_ascii_lowercase();
    let (_, rest) = lower.split_once("range: bytes=")?;
    rest.split('-').next()?.parse().ok()
}

fn serve(stream: &mut (impl Read + Write), state: &State) {
    let Some(request) = read_request(stream) else {
        return;
    };
    let number = {
        let mut calls = state.calls.lock().unwrap();
        calls.push(request.clone());
        calls.len() - 1
    };
    let answer = state.script[number.min(state.script.len() - 1)];
    let acts = answer(&Call {
        from: range(&request),
        headers: request,
        file: &state.file,
    });
    if !acts.iter().any(|act| matches!(act, Act::Reset)) {
        let _ = stream.read(&mut [0]);
    }
    {
        let mut open = state.open.lock().unwrap();
        open.0 += 1;
        open.1 = open.1.max(open.0);
    }
    let mut acts = acts;
    let last = acts.pop();
    let all = acts.into_iter().try_for_each(|act| run(stream, state, act));
    // Before the end of the body is sent, so that the next request cannot come first.
    state.open.lock().unwrap().0 -= 1;
    if all.is_ok() && last.is_none_or(|act| run(stream, state, act).is_ok()) {
        let _ = stream.flush();
    }
}

fn run(stream: &mut impl Write, state: &State, act: Act) -> std::io::Result<()> {
    let body = |stream: &mut dyn Write, bytes: &[u8]| {
        stream.write_all(bytes)?;
        let count = u64::try_from(bytes.len()).unwrap();
        state.body_bytes.fetch_add(count, Ordering::Relaxed);
        stream.flush()
    };
    match act {
        Act::Head(text) => stream.write_all(text.as_bytes())?,
        Act::Body(bytes) => body(stream, &bytes)?,
        Act::Drip(bytes, piece, pause) => {
            for chunk in bytes.chunks(piece) {
                body(stream, chunk)?;
                thread::sleep(pause);
            }
        }
        Act::Endless => loop {
            body(stream, &[b'x'; 8192])?;
        },
        Act::Pause(time) => {
            stream.flush()?;
            thread::sleep(time);
        }
        Act::Reset => {}
    }
    Ok(())
}

/// The head of an answer.
pub(crate) fn head(status: u16, headers: &[(&str, String)]) -> Act {
    let mut text = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    Act::Head(text + "\r\n")
}

/// The head that announces the rest of the file that is asked for, and that rest.
pub(crate) fn announced(call: &Call<'_>) -> (Act, Vec<u8>) {
    let (from, all) = (call.from.unwrap_or(0), call.file.len());
    let rest = call.file[from.min(all)..].to_vec();
    let mut headers = vec![
        ("Content-Length", rest.len().to_string()),
        ("ETag", "\"one\"".to_owned()),
    ];
    if from > 0 {
        headers.push(("Content-Range", format!("bytes {from}-{}/{all}", all - 1)));
    }
    (head(if from > 0 { 206 } else { 200 }, &headers), rest)
}

/// Serves as a server should.
pub(crate) fn well(call: &Call<'_>) -> Vec<Act> {
    let (head, rest) = announced(call);
    vec![head, Act::Body(rest)]
}

/// Announces as a server should, sends so many bytes, and closes.
pub(crate) fn cut(call: &Call<'_>, count: usize) -> Vec<Act> {
    let (head, mut rest) = announced(call);
    rest.truncate(count);
    vec![head, Act::Body(rest)]
}
