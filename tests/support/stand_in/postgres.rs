//! A `PostgreSQL` client of the kind the server must accept: TLS with a verified host name, then
//! SCRAM-SHA-256 (`PostgreSQL` documentation, "Frontend/Backend Protocol"; RFC 5802, RFC 7677).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;
use url::Url;

use crate::http::Stream;
use crate::sigv4::mac;
use crate::{Failure, tls};

/// The code of `SSLRequest`, a message of eight bytes.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Protocol 3.0.
const PROTOCOL: [u8; 4] = [0, 3, 0, 0];
/// The longest message that is read.
const MAX_MESSAGE: u32 = 1024 * 1024;

/// A session.
pub(crate) struct Session {
    stream: Box<dyn Stream>,
}

/// One message of the server: its kind and its content.
struct Message {
    kind: u8,
    content: Vec<u8>,
}

impl Session {
    /// Connects with a data source such as Mattermost's `SqlSettings.DataSource`.
    ///
    /// # Errors
    /// When it does not ask for `sslmode=verify-full`, the server does not do TLS or cannot prove its
    /// name, it asks for any other authentication than SCRAM, or refuses.
    pub(crate) fn open(source: &str) -> Result<Self, Failure> {
        let url = Url::parse(source)
            .map_err(|error| format!("SqlSettings.DataSource is no URL: {error}"))?;
        let option = |name: &str| {
            url.query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        if option("sslmode").as_deref() != Some("verify-full") {
            return Err("SqlSettings.DataSource does not say sslmode=verify-full".into());
        }
        let host = url
            .host_str()
            .ok_or("SqlSettings.DataSource names no host")?;
        let port = url.port().unwrap_or(5432);
        let mut stream = TcpStream::connect((host, port))
            .map_err(|error| format!("database {host}:{port}: {error}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(15)))?;
        stream.write_all(&SSL_REQUEST)?;
        let mut answer = [0_u8];
        stream.read_exact(&mut answer)?;
        if answer != *b"S" {
            return Err(format!("database {host}:{port} does not speak TLS").into());
        }
        let config = tls::client(option("sslrootcert").as_deref())?;
        let mut session = Self {
            stream: tls::connect(&config, host, stream)?,
        };
        let database = url.path().trim_start_matches('/');
        let mut start = PROTOCOL.to_vec();
        for text in [
            "user",
            url.username(),
            "database",
            database,
            "application_name",
            "mattermost stand-in",
            "",
        ] {
            start.extend_from_slice(text.as_bytes());
            start.push(0);
        }
        session.send(None, &start)?;
        let password = percent_decoded(url.password().unwrap_or_default())?;
        session
            .authenticate(&password)
            .map_err(|error| format!("database {host}:{port}: {error}"))?;
        session.until_ready()?;
        Ok(session)
    }

    /// Runs statements and returns the first column of every row.
    ///
    /// # Errors
    /// When the server refuses one, or the connection breaks.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<String>, Failure> {
        let mut content = sql.as_bytes().to_vec();
        content.push(0);
        self.send(Some(b'Q'), &content)?;
        self.until_ready()
            .map_err(|error| format!("{sql}: {error}").into())
    }

    fn authenticate(&mut self, password: &str) -> Result<(), Failure> {
        let mut random = [0_u8; 18];
        getrandom::fill(&mut random).map_err(|error| format!("no randomness: {error}"))?;
        let first = format!("n=,r={}", STANDARD.encode(random));
        let offered = self.authentication(10)?;
        if !offered
            .split(|byte| *byte == 0)
            .any(|mechanism| mechanism == b"SCRAM-SHA-256")
        {
            return Err("the server does not offer SCRAM-SHA-256".into());
        }
        let mut start = b"SCRAM-SHA-256\0".to_vec();
        let message = format!("n,,{first}");
        start.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
        start.extend_from_slice(message.as_bytes());
        self.send(Some(b'p'), &start)?;

        let challenge = String::from_utf8(self.authentication(11)?)?;
        let part = |name: char| {
            challenge
                .split(',')
                .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let (Some(nonce), Some(salt), Some(count)) = (part('r'), part('s'), part('i')) else {
            return Err("the server's SCRAM challenge is incomplete".into());
        };
        let salt = STANDARD.decode(salt)?;
        let mut salted = [0_u8; 32];
        pbkdf2::pbkdf2_hmac::<sha2_10::Sha256>(
            password.as_bytes(),
            &salt,
            count.parse()?,
            &mut salted,
        );
        let client_key = mac(&salted, b"Client Key");
        let bare = format!("c=biws,r={nonce}");
        let covered = format!("{first},{challenge},{bare}");
        let signature = mac(&sha2::Sha256::digest(&client_key), covered.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, sign)| key ^ sign)
            .collect();
        self.send(
            Some(b'p'),
            format!("{bare},p={}", STANDARD.encode(proof)).as_bytes(),
        )?;

        let last = String::from_utf8(self.authentication(12)?)?;
        let expected = mac(&mac(&salted, b"Server Key"), covered.as_bytes());
        if last == format!("v={}", STANDARD.encode(expected)) {
            Ok(())
        } else {
            Err("the server does not know the password either".into())
        }
    }

    /// The content of the next authentication message, which must be of this kind.
    fn authentication(&mut self, wanted: u32) -> Result<Vec<u8>, Failure> {
        let message = self.receive()?;
        match (message.kind, message.content.split_first_chunk::<4>()) {
            (b'R', Some((code, rest))) if u32::from_be_bytes(*code) == wanted => Ok(rest.to_vec()),
            (b'R', Some((code, _))) => Err(format!(
                "authentication {} instead of SCRAM ({wanted})",
                u32::from_be_bytes(*code)
            )
            .into()),
            (kind, _) => Err(format!("unexpected message {kind}").into()),
        }
    }

    fn until_ready(&mut self) -> Result<Vec<String>, Failure> {
        let mut rows = Vec::new();
        let mut refused = None;
        loop {
            match self.receive() {
                Ok(Message { kind: b'Z', .. }) => return refused.map_or(Ok(rows), Err),
                Ok(Message {
                    kind: b'D',
                    content,
                }) => {
                    // Two bytes of column count, four of length, then the first column.
                    let length = content
                        .get(2..6)
                        .and_then(|four| four.try_into().ok())
                        .map(u32::from_be_bytes);
                    let column = length
                        .and_then(|length| content.get(6..)?.get(..usize::try_from(length).ok()?));
                    rows.push(String::from_utf8_lossy(column.unwrap_or_default()).into_owned());
                }
                Ok(_) => {}
                Err(error) if error.is::<Refused>() && refused.is_none() => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&mut self, kind: Option<u8>, content: &[u8]) -> Result<(), Failure> {
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend_from_slice(&u32::try_from(content.len() + 4)?.to_be_bytes());
        message.extend_from_slice(content);
        self.stream.write_all(&message)?;
        self.stream.flush()?;
        Ok(())
    }

    fn receive(&mut self) -> Result<Message, Failure> {
        let mut head = [0_u8; 5];
        self.stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        if !(4..=MAX_MESSAGE).contains(&length) {
            return Err("the server's message is too long".into());
        }
        let mut content = vec![0_u8; usize::try_from(length - 4)?];
        self.stream.read_exact(&mut content)?;
        if kind == b'E' {
            return Err(Box::new(Refused(content)));
        }
        Ok(Message { kind, content })
    }
}

/// An error message of the server.
#[derive(Debug)]
struct Refused(Vec<u8>);

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let field = |wanted: u8| {
            let mut fields = self.0.split(|byte| *byte == 0);
            let found = fields.find_map(|field| field.strip_prefix(&[wanted]));
            String::from_utf8_lossy(found.unwrap_or_default()).into_owned()
        };
        write!(f, "refused: {} ({})", field(b'M'), field(b'C'))
    }
}

/// A text as a literal of SQL (`standard_conforming_strings` is on since `PostgreSQL` 9.1).
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

fn percent_decoded(text: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [
            rest.next().unwrap_or_default(),
            rest.next().unwrap_or_default(),
        ];
        let digits = std::str::from_utf8(&digits)?;
        bytes.push(u8::from_str_radix(digits, 16)?);
    }
    Ok(String::from_utf8(bytes)?)
}
