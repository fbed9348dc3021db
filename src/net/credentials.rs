//! Credentials by host: tokens and netrc entries, sent over https only.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use crate::types::secret::Secret;
use crate::types::url::SafeUrl;

/// Longest file of credentials, in bytes.
pub const MAX_CREDENTIALS: u64 = 256 * 1024;

/// What to show to which host. Values are hidden from `Debug`, are sent over https only, and do not
/// follow a redirect to another host, port or scheme.
#[derive(Clone, Default)]
pub struct Credentials {
    /// `Authorization` values by lower-case host, or `host:port`.
    by_host: BTreeMap<String, Secret>,
}

/// Why a file of credentials cannot be used. What is in it is never repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// A line of a token file is no `host token`.
    #[error("line {line} is not of the form: HOST TOKEN")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A host has two tokens.
    #[error("line {line} names a host that an earlier line names")]
    Twice {
        /// Its number, from 1.
        line: usize,
    },
    /// A netrc entry is not complete, or not understood.
    #[error("netrc entry {entry} {what}")]
    Netrc {
        /// Its number, from 1.
        entry: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Credentials {
    /// Bearer tokens (RFC 6750): a line `HOST TOKEN` or `HOST:PORT TOKEN` each; empty lines and those
    /// that begin with `#` do not count.
    ///
    /// # Errors
    /// When a line is of another form, or a host comes twice.
    pub fn parse_tokens(text: &str) -> Result<Self, CredentialsError> {
        let mut by_host = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line_number = number.saturating_add(1);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let wrong = CredentialsError::Line { line: line_number };
            let (Some(host), Some(token), None) = (words.next(), words.next(), words.next()) else {
                return Err(wrong);
            };
            if !is_host(host) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(wrong);
            }
            let value = Secret::new(format!("Bearer {token}"));
            if by_host.insert(host.to_ascii_lowercase(), value).is_some() {
                return Err(CredentialsError::Twice { line: line_number });
            }
        }
        Ok(Self { by_host })
    }

    /// User names and passwords of a netrc file, as curl(1) and ftp(1) read it: `machine`, `login`,
    /// `password`, `account`, `macdef`, and `"…"` with `\` before a quote. The first entry of a host
    /// counts. `default` is read over: a password must not go to every host that a manifest names.
    ///
    /// # Errors
    /// When an entry has no login or password, or a word is not understood.
    pub fn parse_netrc(text: &str) -> Result<Self, CredentialsError> {
        let mut by_host = BTreeMap::new();
        let mut words = Words::new(text);
        let mut entry = 0_usize;
        let mut open: Option<Machine> = None;
        while let Some(word) = words.next_key() {
            let value = |words: &mut Words<'_>| {
                let what = "ends early";
                words
                    .next_word()
                    .ok_or(CredentialsError::Netrc { entry, what })
            };
            match word.as_str() {
                "machine" | "default" => {
                    if let Some(machine) = open.take() {
                        machine.close(entry, &mut by_host)?;
                    }
                    entry = entry.saturating_add(1);
                    let what = "ends early";
                    let name = if word == "machine" {
                        let name = words.next_word();
                        Some(name.ok_or(CredentialsError::Netrc { entry, what })?)
                    } else {
                        None
                    };
                    open = Some(Machine::new(name));
                }
                "login" => {
                    let login = value(&mut words)?;
                    open = open.map(|machine| Machine {
                        login: Some(login),
                        ..machine
                    });
                }
                "password" => {
                    let password = Secret::new(value(&mut words)?);
                    open = open.map(|machine| Machine {
                        password: Some(password),
                        ..machine
                    });
                }
                "account" => drop(value(&mut words)?),
                "macdef" => words.skip_macro(),
                _ => {
                    let what = "holds a word that netrc does not know";
                    return Err(CredentialsError::Netrc { entry, what });
                }
            }
        }
        if let Some(machine) = open {
            machine.close(entry, &mut by_host)?;
        }
        Ok(Self { by_host })
    }

    /// These credentials, and for other hosts those of `other`.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (host, value) in other.by_host {
            self.by_host.entry(host).or_insert(value);
        }
        self
    }

    /// What to send as `Authorization` with a request for `url`.
    pub(super) fn of(&self, url: &SafeUrl) -> Option<HeaderValue> {
        if !url.as_str().starts_with("https://") {
            return None;
        }
        let secret = self.find(url)?;
        let mut value = HeaderValue::from_str(secret.reveal()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether there are credentials for the host of `url`, sent or not.
    pub(super) fn know(&self, url: &SafeUrl) -> bool {
        self.find(url).is_some()
    }

    fn find(&self, url: &SafeUrl) -> Option<&Secret> {
        let authority = url.authority()?.to_ascii_lowercase();
        self.by_host.get(&authority).or_else(|| {
            let (host, _port) = authority.rsplit_once(':')?;
            self.by_host.get(host)
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials(<hidden>, {} hosts)", self.by_host.len())
    }
}

fn is_host(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !text.is_empty() && text.len() <= 260 && text.bytes().all(fits)
}

/// An entry of a netrc file; the one for any host has no name.
struct Machine {
    name: Option<String>,
    login: Option<String>,
    password: Option<Secret>,
}

impl Machine {
    const fn new(name: Option<String>) -> Self {
        Self {
            name,
            login: None,
            password: None,
        }
    }

    fn close(
        self,
        entry: usize,
        by_host: &mut BTreeMap<String, Secret>,
    ) -> Result<(), CredentialsError> {
        let Some(name) = self.name else { return Ok(()) };
        let wrong = |what| CredentialsError::Netrc { entry, what };
        let login = self.login.ok_or_else(|| wrong("has no login"))?;
        let password = self.password.ok_or_else(|| wrong("has no password"))?;
        if !is_host(&name) || login.contains(':') {
            return Err(wrong(
                "has a host or login that cannot be sent (RFC 7617 forbids a colon in the login)",
            ));
        }
        let pair = format!("{login}:{}", password.reveal());
        let value = Secret::new(format!("Basic {}", STANDARD.encode(pair)));
        by_host.entry(name.to_ascii_lowercase()).or_insert(value);
        Ok(())
    }
}

/// The words of a netrc file.
struct Words<'t> {
    rest: &'t str,
}

impl<'t> Words<'t> {
    const fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    /// The next word where a name is expected: there, and only there, `#` begins a comment.
    fn next_key(&mut self) -> Option<String> {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                return self.next_word();
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    fn next_word(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            return self.quoted(quoted);
        }
        let end = self.rest.find(char::is_whitespace);
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!word.is_empty()).then(|| word.to_owned())
    }

    fn quoted(&mut self, text: &'t str) -> Option<String> {
        let mut word = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '"' => {
                    self.rest = letters.as_str();
                    return Some(word);
                }
                '\\' => match letters.next()? {
                    'n' => word.push('\n'),
                    'r' => word.push('\r'),
                    't' => word.push('\t'),
                    other => word.push(other),
                },
                other => word.push(other),
            }
        }
        self.rest = "";
        None
    }

    /// A macro ends with an empty line.
    fn skip_macro(&mut self) {
        self.rest = self.rest.split_once("\n\n").map_or("", |(_, rest)| rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(credentials: &Credentials, url: &str) -> Option<String> {
        let value = credentials.of(&url.parse().unwrap())?;
        assert!(value.is_sensitive());
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn tokens_go_to_their_host_over_https_only() {
        let tokens =
            Credentials::parse_tokens("# ours\n\nGit.example  abc\nb.example:8443 def\n").unwrap();
        for (url, value) in [
            ("https://git.example/x", Some("Bearer abc")),
            ("https://GIT.example:444/x", Some("Bearer abc")),
            ("https://b.example:8443/", Some("Bearer def")),
            ("https://b.example/", None),
            ("https://git.example.evil/x", None),
            ("https://evil-git.example/x", None),
            ("http://git.example/x", None),
            ("file:///git.example/x", None),
        ] {
            assert_eq!(sent(&tokens, url).as_deref(), value, "{url}");
        }
        let shown = format!("{tokens:?}");
        assert_eq!(shown, "Credentials(<hidden>, 2 hosts)");
    }

    #[test]
    fn token_files_of_another_form_are_refused_without_repeating_them() {
        for (text, error) in [
            ("git.example", CredentialsError::Line { line: 1 }),
            ("#\ngit.example a b", CredentialsError::Line { line: 2 }),
            ("https://git.example a", CredentialsError::Line { line: 1 }),
            ("git.example hünter2", CredentialsError::Line { line: 1 }),
            ("a x\nA y", CredentialsError::Twice { line: 2 }),
        ] {
            assert_eq!(Credentials::parse_tokens(text).unwrap_err(), error);
        }
    }

    #[test]
    fn netrc_is_read_as_curl_reads_it() {
        let text = "machine a.example login joe password #pa55 # why\n\
                    machine a.example login second password no\n\
                    macdef init\ncd /pub\nmachine inside login x password y\n\n\
                    machine b.example\n  account z\n  login \"jo e\"\n  password \"a\\\"b\"\n\
                    default login anonymous password me@\n";
        let netrc = Credentials::parse_netrc(text).unwrap();
        for (url, pair) in [
            ("https://a.example/", Some("joe:#pa55")),
            ("https://b.example:1/", Some("jo e:a\"b")),
            ("https://inside/", None),
            ("https://other.example/", None),
        ] {
            let value = pair.map(|pair| format!("Basic {}", STANDARD.encode(pair)));
            assert_eq!(sent(&netrc, url), value, "{url}");
        }
    }

    #[test]
    fn broken_netrc_files_are_refused_without_repeating_them() {
        for (text, entry, what) in [
            ("machine", 1, "ends early"),
            ("machine a login", 1, "ends early"),
            ("machine a login joe", 1, "has no password"),
            (
                "machine a password hunter2 machine b login x password y",
                1,
                "has no login",
            ),
            ("machine a login b password \"hunter2", 1, "ends early"),
            (
                "machine a login b password c hunter2",
                1,
                "holds a word that netrc does not know",
            ),
        ] {
            let error = Credentials::parse_netrc(text).unwrap_err();
            assert_eq!(error, CredentialsError::Netrc { entry, what }, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn tokens_come_before_netrc() {
        let tokens = Credentials::parse_tokens("a.example tok").unwrap();
        let netrc = "machine a.example login x password y machine b.example login x password y";
        let both = tokens.or(Credentials::parse_netrc(netrc).unwrap());
        assert_eq!(
            sent(&both, "https://a.example/").as_deref(),
            Some("Bearer tok")
        );
        assert!(sent(&both, "https://b.example/").is_some());
        assert!(both.know(&"http://b.example/".parse().unwrap()));
    }
}
