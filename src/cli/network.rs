//! The HTTP client as arguments, files and environment say.

use std::path::Path;
use std::time::Duration;

use haversack::fs;
use haversack::net::{
    Access, Client, ClientOptions, Credentials, CredentialsError, MAX_CREDENTIALS,
};
use haversack::types::secret::Secret;

use super::args::NetworkArgs;
use super::failure::Failure;
use super::surroundings;

/// Longest file of certificates, in bytes: a system's whole bundle has 220 KiB.
const MAX_CERTIFICATES: u64 = 16 << 20;

/// The client.
pub(crate) fn client(args: &NetworkArgs) -> Result<Client, Failure> {
    if !args.offline {
        proxies()?;
    }
    let defaults = ClientOptions::default();
    let timeout = Duration::from_secs(args.timeout);
    let mut extra_roots = Vec::new();
    if let Some(path) = &args.ca_file {
        let text = fs::read_text(path, MAX_CERTIFICATES)?;
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Err(Failure::plain(
                "E609",
                format!("{} holds no certificate in PEM form", path.display()),
                "name a file with -----BEGIN CERTIFICATE----- lines; `openssl x509 -inform der` makes one of a DER file",
            ));
        }
        extra_roots.push(text.into_bytes());
    }
    Ok(Client::new(ClientOptions {
        access: if args.offline {
            Access::Offline
        } else {
            Access::Network
        },
        connect_timeout: defaults.connect_timeout.min(timeout),
        idle_timeout: timeout,
        min_rate: args.min_speed,
        rate: args.rate(),
        max_size: args.max_size,
        per_host: args.per_host,
        attempts: args.retries.saturating_add(1),
        clock: Some(surroundings::now),
        extra_roots,
        credentials: credentials(args)?,
        proxy_variables: set_proxies(),
        ..defaults
    })?)
}

/// Variables that name a proxy; each in lower case, too.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// A proxy that cannot be understood would be passed by in silence: the client connects directly then.
/// The value may hold a password and is not shown.
fn proxies() -> Result<(), Failure> {
    for name in PROXIES {
        for name in [name.to_owned(), name.to_ascii_lowercase()] {
            let Some(value) = std::env::var_os(&name) else {
                continue;
            };
            if !value.to_str().is_some_and(is_proxy) {
                return Err(Failure::plain(
                    "E614",
                    format!("the variable {name} does not name a proxy"),
                    format!(
                        "set it to http://HOST:PORT (or https, socks5, socks5h), or unset {name} to connect directly; what it holds is not shown here"
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// The proxy variables that hold something.
fn set_proxies() -> Vec<String> {
    let names = PROXIES.iter();
    let names = names.flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()]);
    names
        .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        .collect()
}

/// Whether the client can use this as a proxy. Empty is as unset, and a value without a scheme is an
/// HTTP proxy.
fn is_proxy(value: &str) -> bool {
    if value.is_empty() {
        return true;
    }
    let whole = if value.contains("://") {
        value.to_owned()
    } else {
        format!("http://{value}")
    };
    // The client takes no characters that a URL has to escape.
    let plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    whole.chars().all(plain)
        && url::Url::parse(&whole).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h")
                && url.host_str().is_some_and(|host| !host.is_empty())
        })
}

/// Tokens of the environment, then of the token file, then netrc: the first that knows a host counts.
fn credentials(args: &NetworkArgs) -> Result<Credentials, Failure> {
    let mut all = Credentials::default();
    if let Some(text) = std::env::var_os("HAVERSACK_TOKENS") {
        let name = Path::new("HAVERSACK_TOKENS");
        let text = text.into_string().map_err(|_| {
            Failure::plain(
                "E610",
                "HAVERSACK_TOKENS is not UTF-8",
                "set it to lines `HOST TOKEN`",
            )
        })?;
        all = all.or(parsed(name, &Secret::new(text), Credentials::parse_tokens)?);
    }
    if let Some(path) = &args.token_file {
        all = all.or(parsed(path, &private(path)?, Credentials::parse_tokens)?);
    }
    if let Some(path) = &args.netrc {
        all = all.or(parsed(path, &private(path)?, Credentials::parse_netrc)?);
    }
    Ok(all)
}

fn private(path: &Path) -> Result<Secret, Failure> {
    let text = fs::read_private(path, MAX_CREDENTIALS).map_err(|error| {
        let hint = if error.action == "trust" {
            format!("make it yours alone: chmod 600 {}", path.display())
        } else {
            "name a readable file of credentials, or unset the variable that names this one"
                .to_owned()
        };
        Failure::new("E610", &error, Some(hint))
    })?;
    Ok(Secret::new(text))
}

fn parsed(
    path: &Path,
    text: &Secret,
    parse: fn(&str) -> Result<Credentials, CredentialsError>,
) -> Result<Credentials, Failure> {
    parse(text.reveal()).map_err(|error| {
        let mut failure = Failure::new(
            "E610",
            &error,
            Some("correct that line; what it holds is not shown here".to_owned()),
        );
        let of = format!("{} cannot be used", path.display());
        failure.messages.insert(0, of);
        failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_known_scheme_and_a_host() {
        for good in [
            "",
            "proxy:3128",
            "127.0.0.1:3128",
            "http://proxy",
            "https://user:p%20w@proxy:8443/",
            "socks5://[::1]:1080",
            "socks5h://proxy",
        ] {
            assert!(is_proxy(good), "{good}");
        }
        for bad in [
            "ftp://proxy:21",
            "http://",
            "http://:3128",
            "socks5://",
            "proxy:port",
            "http://proxy:99999",
            "http://user:p^w@proxy",
            "http://user:p w@proxy",
            "http:proxy:3128",
            " proxy:3128",
        ] {
            assert!(!is_proxy(bad), "{bad}");
        }
    }
}
