//! The Mattermost server: opens the database and the file store that its configuration names, then
//! answers ping, websocket and upload.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::Config;
use crate::files::{Files, writable};
use crate::http::{self, After, Body, Connection, Handler, Head};
use crate::postgres::{Session, literal};
use crate::{Failure, MATTERMOST_VERSION, log, nodes, notify, websocket};

/// How often database and file store are tried before the program gives up.
const ATTEMPTS: u32 = 5;
/// What the stand-in keeps in the database; it proves the grants that Mattermost's migrations need.
const PREPARE: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS haversack_stand_in (started timestamptz NOT NULL)",
    "CREATE TABLE IF NOT EXISTS haversack_stand_in_posts (id bigserial PRIMARY KEY, message text NOT NULL)",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "INSERT INTO haversack_stand_in VALUES (now())",
];
/// What the session says about its own encryption.
const ENCRYPTION: &str = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";

/// What the answers depend on.
struct App {
    name: String,
    source: String,
    session: Mutex<Session>,
    replicas: Vec<String>,
    encryption: String,
    files: Files,
    max_file: u64,
    plugins_writable: bool,
}

/// Serves until the process ends.
///
/// # Errors
/// When the configuration is wrong, or database or file store do not answer after some attempts.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let given = args
        .iter()
        .position(|arg| matches!(arg.as_str(), "-c" | "--config"));
    let path = given
        .and_then(|at| args.get(at + 1))
        .map_or("config/config.json", String::as_str);
    let config = Config::read(path)?;
    if !config
        .text("ServiceSettings", "ConnectionSecurity")
        .is_empty()
    {
        return Err("the stand-in only speaks plain HTTP behind its proxy".into());
    }
    open_log(&config)?;
    let source = config.text("SqlSettings", "DataSource");
    let (mut session, encryption) = attempt("database", || prepare(&source))?;
    log::info(&format!(
        "stand-in: database is open over {encryption}; table and extension are there"
    ));
    let files = attempt("file store", || {
        let files = Files::open(&config)?;
        files.check()?;
        Ok(files)
    })?;
    log::info("stand-in: file store is open");
    nodes::join(&config, &mut session)?;
    let replicas = config.list("SqlSettings", "DataSourceReplicas");
    for replica in &replicas {
        attempt("replica", || Session::open(replica)?.query("SELECT 1"))?;
    }
    let app = Arc::new(App {
        name: nodes::host_name(),
        source,
        replicas,
        session: Mutex::new(session),
        encryption,
        files,
        max_file: config
            .number("FileSettings", "MaxFileSize")
            .ok_or("FileSettings.MaxFileSize is no number")?,
        plugins_writable: plugins_writable(),
    });
    let handler: Arc<Handler> = Arc::new(move |head, connection| app.answer(head, connection));
    if config.switch("ServiceSettings", "EnableLocalMode") {
        local_mode(
            &config.text("ServiceSettings", "LocalModeSocketLocation"),
            &handler,
        )?;
    }
    let address = config.text("ServiceSettings", "ListenAddress");
    let listener = http::listen(&address)?;
    log::info(&format!("stand-in for Mattermost listens on {address}"));
    notify::ready()?;
    http::serve(&listener, &handler);
    Ok(())
}

fn prepare(source: &str) -> Result<(Session, String), Failure> {
    let mut session = Session::open(source)?;
    for sql in PREPARE {
        session.query(sql)?;
    }
    let encryption = session.query(ENCRYPTION)?;
    let encryption = encryption
        .into_iter()
        .next()
        .ok_or("the session is not encrypted")?;
    Ok((session, encryption))
}

fn attempt<T>(what: &str, mut open: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut last = None;
    for count in 1..=ATTEMPTS {
        match open() {
            Ok(value) => return Ok(value),
            Err(error) => {
                log::error(&format!(
                    "stand-in: {what}, attempt {count} of {ATTEMPTS}: {error}"
                ));
                last = Some(error);
            }
        }
        thread::sleep(Duration::from_secs(1));
    }
    Err(last
        .map_or_else(
            || format!("{what} was not tried"),
            |error| format!("{what} does not open: {error}"),
        )
        .into())
}

/// Opens the log file that the configuration asks for, as the real server does before anything else.
fn open_log(config: &Config) -> Result<(), Failure> {
    let folder = config.text("LogSettings", "FileLocation");
    if !config.switch("LogSettings", "EnableFile") || folder.is_empty() {
        return Ok(());
    }
    let path = Path::new(&folder).join("mattermost.log");
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(&path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    io::Write::write_all(
        &mut file,
        b"{\"level\":\"info\",\"msg\":\"stand-in starts\"}\n",
    )?;
    Ok(())
}

/// Whether the folders that the real server unpacks plugins to can be written.
fn plugins_writable() -> bool {
    ["plugins", "client/plugins"].iter().all(|folder| {
        let done = writable(Path::new(folder));
        if let Err(error) = &done {
            log::error(&format!("stand-in: {error}"));
        }
        done.is_ok()
    })
}

fn local_mode(path: &str, handler: &Arc<Handler>) -> Result<(), Failure> {
    // The socket of a process that is gone.
    if Path::new(path).exists() {
        std::fs::remove_file(path)?;
    }
    let listener =
        UnixListener::bind(path).map_err(|error| format!("local mode socket {path}: {error}"))?;
    let handler = Arc::clone(handler);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handler = Arc::clone(&handler);
            thread::spawn(move || http::serve_stream(Box::new(stream), &*handler));
        }
    });
    Ok(())
}

impl App {
    fn answer(&self, head: &Head, connection: &mut Connection) -> io::Result<After> {
        match (head.method.as_str(), head.path.as_str()) {
            ("GET" | "HEAD", "/api/v4/system/ping") => self.ping(head, connection)?,
            ("GET", "/api/v4/websocket" | "/api/v4/users/websocket") => {
                return websocket::upgrade(head, connection);
            }
            ("POST", "/api/v4/files") => return self.upload(head, connection),
            ("POST", "/api/v4/posts") => self.write_post(head, connection)?,
            ("GET", "/api/v4/cluster/status") => {
                let nodes = nodes::status(&mut self.session());
                self.told(connection, nodes)?;
            }
            ("GET" | "POST", "/api/v4/stand_in/wait") => self.wait(head, connection)?,
            ("GET", path) if path.starts_with("/api/v4/files/") => {
                match self.files.get(path.trim_start_matches("/api/v4/files/")) {
                    Ok(content) => {
                        connection.answer(
                            "200 OK",
                            &[("X-Stand-In-Node", &self.name)],
                            &content,
                        )?;
                    }
                    Err(error) => self.told(connection, Err(error))?,
                }
            }
            ("GET", path) if path.starts_with("/api/v4/posts/") => {
                self.read_post(path.trim_start_matches("/api/v4/posts/"), connection)?;
            }
            ("GET", "/") => connection.answer(
                "200 OK",
                &[
                    ("Content-Type", "text/html; charset=utf-8"),
                    ("X-Stand-In", "mattermost"),
                    ("X-Stand-In-Node", &self.name),
                ],
                b"<!doctype html><title>stand-in</title><p>This is a stand-in for Mattermost.\n",
            )?,
            _ => connection.json(
                "404 Not Found",
                &json!({ "stand_in": true, "message": "not in the stand-in" }),
            )?,
        }
        Ok(After::KeepOpen)
    }

    fn ping(&self, head: &Head, connection: &mut Connection) -> io::Result<()> {
        let word = |result: Result<(), Failure>| match result {
            Ok(()) => "OK",
            Err(error) => {
                log::error(&format!("stand-in: ping: {error}"));
                "UNHEALTHY"
            }
        };
        let (database, files) = (word(self.database()), word(self.files.check()));
        let well = database == "OK" && files == "OK";
        let (status, state) = if well {
            ("200 OK", "OK")
        } else {
            ("500 Internal Server Error", "UNHEALTHY")
        };
        let body = json!({
            "status": state,
            "stand_in": true,
            "node": self.name,
            "version": MATTERMOST_VERSION,
            "database_status": database,
            "database_encryption": self.encryption,
            "filestore_status": files,
            "plugins_writable": self.plugins_writable,
            "seen": {
                "host": head.header("host"),
                "x-forwarded-for": head.header("x-forwarded-for"),
                "x-forwarded-proto": head.header("x-forwarded-proto"),
                "x-real-ip": head.header("x-real-ip"),
            },
        });
        if head.method == "HEAD" {
            return connection.head(status, &[("Content-Length", "0")]);
        }
        connection.json(status, &body)
    }

    /// Asks the database for a row; a broken session is opened anew.
    fn database(&self) -> Result<(), Failure> {
        self.query("SELECT 1").map(|_| ())
    }

    /// Asks the primary.
    fn query(&self, sql: &str) -> Result<Vec<String>, Failure> {
        let mut session = self.session();
        if session.query("SELECT 1").is_err() {
            *session = Session::open(&self.source)?;
        }
        session.query(sql)
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn upload(&self, head: &Head, connection: &mut Connection) -> io::Result<After> {
        let answer = |id: Value, bytes: Value| json!({ "stand_in": true, "node": self.name, "id": id, "bytes": bytes, "limit": self.max_file });
        let mut content = Vec::new();
        match connection.body(head, self.max_file, &mut content)? {
            Body::Complete(bytes) => {
                match self.files.keep(&content) {
                    Ok(id) => {
                        connection.json("201 Created", &answer(id.into(), bytes.into()))?;
                    }
                    Err(error) => self.told(connection, Err(error))?,
                }
                Ok(After::KeepOpen)
            }
            Body::TooLong => {
                connection.json("413 Payload Too Large", &answer(Value::Null, Value::Null))?;
                Ok(After::Close)
            }
        }
    }

    /// Writes a message to the primary.
    fn write_post(&self, head: &Head, connection: &mut Connection) -> io::Result<()> {
        let mut message = Vec::new();
        connection.body(head, 64 * 1024, &mut message)?;
        let message = literal(&String::from_utf8_lossy(&message));
        let made = self.query(&format!(
            "INSERT INTO haversack_stand_in_posts (message) VALUES ({message}) RETURNING id"
        ));
        self.told(connection, made.map(|rows| json!({ "id": rows.first() })))
    }

    /// Reads a message from the first replica, when there is one.
    fn read_post(&self, id: &str, connection: &mut Connection) -> io::Result<()> {
        let sql = format!(
            "SELECT message FROM haversack_stand_in_posts WHERE id::text = {}",
            literal(id)
        );
        let rows = match self.replicas.first() {
            Some(replica) => Session::open(replica).and_then(|mut session| session.query(&sql)),
            None => self.query(&sql),
        };
        let from = if self.replicas.is_empty() {
            "primary"
        } else {
            "replica"
        };
        self.told(
            connection,
            rows.map(|rows| json!({ "message": rows.first(), "from": from })),
        )
    }

    /// `?id=N&ms=T`: works for so many milliseconds; what it began and ended is in its log, so that
    /// a test can tell what was under way when it was killed.
    fn wait(&self, head: &Head, connection: &mut Connection) -> io::Result<()> {
        let part = |name: &str| {
            let mut parts = head.query.split('&');
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let id = part("id").unwrap_or_default().to_owned();
        let time = part("ms").and_then(|text| text.parse().ok()).unwrap_or(0);
        connection.body(head, 64 * 1024, &mut io::sink())?;
        log::info(&format!("begin {id}"));
        thread::sleep(Duration::from_millis(time));
        let done = self.told(connection, Ok(json!({ "id": id })));
        log::info(&format!("end {id}"));
        done
    }

    /// Answers with a value, or with what went wrong.
    fn told(&self, connection: &mut Connection, value: Result<Value, Failure>) -> io::Result<()> {
        match value {
            Ok(value) => connection.json(
                "200 OK",
                &json!({ "stand_in": true, "node": self.name, "is": value }),
            ),
            Err(error) => {
                log::error(&format!("stand-in: {error}"));
                connection.json(
                    "500 Internal Server Error",
                    &json!({ "stand_in": true, "node": self.name, "message": error.to_string() }),
                )
            }
        }
    }
}
