//! As much HTTP/1.1 as the stand-ins and the sample upstream need: request heads, bodies of known
//! or chunked length, keep-alive, `Expect: 100-continue`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

/// The longest request head that is read.
const MAX_HEAD: u64 = 64 * 1024;

/// Both directions of a connection.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// What a request asks, without its body.
#[derive(Debug)]
pub(crate) struct Head {
    /// Such as `GET`.
    pub(crate) method: String,
    /// The path as sent, still percent-encoded.
    pub(crate) path: String,
    /// What follows `?`, as sent; empty without.
    pub(crate) query: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The first value of a header, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The announced length of the body; none when there is none or it is chunked.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }
}

/// Whether the connection can take another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The body was read to its end.
    KeepOpen,
    /// Something is left on the line.
    Close,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// All of it was read: so many bytes.
    Complete(u64),
    /// It is longer than the limit.
    TooLong,
}

/// One connection.
pub(crate) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
}

impl Connection {
    /// The connection itself, for what follows a `101`.
    pub(crate) fn stream(&mut self) -> &mut BufReader<Box<dyn Stream>> {
        &mut self.stream
    }

    /// Reads the body of `head` into `sink`, at most `limit` bytes.
    ///
    /// # Errors
    /// When the connection breaks, or the body is not well formed.
    pub(crate) fn body(
        &mut self,
        head: &Head,
        limit: u64,
        sink: &mut dyn Write,
    ) -> io::Result<Body> {
        if head.length().is_some_and(|length| length > limit) {
            return Ok(Body::TooLong);
        }
        if head
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            let out = self.stream.get_mut();
            out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            out.flush()?;
        }
        if let Some(length) = head.length() {
            self.copy(length, sink)?;
            return Ok(Body::Complete(length));
        }
        if !head
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return Ok(Body::Complete(0));
        }
        let mut total = 0_u64;
        loop {
            let size = read_line(&mut self.stream)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| broken("chunk size"))?;
            total = total.saturating_add(size);
            if total > limit {
                return Ok(Body::TooLong);
            }
            self.copy(size, sink)?;
            if !read_line(&mut self.stream)?.is_empty() && size > 0 {
                return Err(broken("chunk end"));
            }
            if size == 0 {
                return Ok(Body::Complete(total));
            }
        }
    }

    fn copy(&mut self, length: u64, sink: &mut dyn Write) -> io::Result<()> {
        let copied = io::copy(&mut (&mut self.stream).take(length), sink)?;
        if copied == length {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Sends a whole answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) fn answer(
        &mut self,
        status: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let length = body.len().to_string();
        let mut all = vec![("Content-Length", length.as_str())];
        all.extend_from_slice(headers);
        self.head(status, &all)?;
        self.send(body)
    }

    /// Sends a JSON answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) fn json(&mut self, status: &str, body: &serde_json::Value) -> io::Result<()> {
        self.answer(
            status,
            &[("Content-Type", "application/json")],
            format!("{body}\n").as_bytes(),
        )
    }

    /// Sends the head of an answer; the body follows with [`Self::send`].
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) fn head(&mut self, status: &str, headers: &[(&str, &str)]) -> io::Result<()> {
        let mut text = format!("HTTP/1.1 {status}\r\n");
        for (name, value) in headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        self.send(text.as_bytes())
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let out = self.stream.get_mut();
        out.write_all(bytes)?;
        out.flush()
    }
}

/// What answers a request.
pub(crate) type Handler = dyn Fn(&Head, &mut Connection) -> io::Result<After> + Send + Sync;

/// Answers requests on a stream until its end.
///
/// # Errors
/// When the connection breaks, or a request is not well formed.
pub(crate) fn serve_stream(stream: Box<dyn Stream>, handler: &Handler) -> io::Result<()> {
    let mut connection = Connection {
        stream: BufReader::with_capacity(64 * 1024, stream),
    };
    while let Some(head) = read_head(&mut connection.stream)? {
        let after = handler(&head, &mut connection)?;
        let close = head
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if close || after == After::Close {
            break;
        }
    }
    Ok(())
}

/// Answers plain HTTP on a listener, one thread a connection, until the process ends.
pub(crate) fn serve(listener: &TcpListener, handler: &Arc<Handler>) {
    for stream in listener.incoming().flatten() {
        let handler = Arc::clone(handler);
        thread::spawn(move || serve_stream(Box::new(stream), &*handler));
    }
}

/// Listens as Go programs do: `:8065` means every address of both families.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn listen(address: &str) -> io::Result<TcpListener> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    };
    match address.strip_prefix(':') {
        Some(port) => TcpListener::bind(format!("[::]:{port}"))
            .or_else(|_| TcpListener::bind(format!("0.0.0.0:{port}")))
            .map_err(named),
        None => TcpListener::bind(address).map_err(named),
    }
}

fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut limited = stream.take(MAX_HEAD);
    let first = read_line(&mut limited)?;
    if first.is_empty() {
        return Ok(None);
    }
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(broken("request line"));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut head = Head {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Vec::new(),
    };
    loop {
        let line = read_line(&mut limited)?;
        if line.is_empty() {
            return Ok(Some(head));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("header line"))?;
        head.headers
            .push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    stream.take(MAX_HEAD).read_until(b'\n', &mut line)?;
    let text = String::from_utf8(line).map_err(|_| broken("text"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}
