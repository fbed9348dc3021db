//! Addresses, networks, host names, endpoints and the address of the site.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Serialize;

/// Longest DNS name, in characters (RFC 1035 §2.3.4, without the final dot).
pub const MAX_DNS_NAME: usize = 253;

/// An IP network: an address whose host bits are zero, and a prefix length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network, address, host name, endpoint or site address.
///
/// The text itself is in the message, except where it may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No IP network.
    #[error("`{0}` is no network such as 10.30.0.0/16 or fd00:30::/64")]
    Network(String),
    /// The address has bits beyond the prefix.
    #[error("`{0}` has bits set beyond its prefix; the network is {1}")]
    HostBits(String, Network),
    /// No host name or IP address.
    #[error("`{0}` is no host name or IP address")]
    Host(String),
    /// No endpoint.
    #[error("`{0}` is no `host`, `host:port` or `https://host:port`")]
    Endpoint(String),
    /// A port that is no number from 1 to 65535.
    #[error("`{0}` is no port from 1 to 65535")]
    Port(String),
    /// A URL with something after the host and port.
    #[error("`{0}` has a path, query or fragment; only host and port may follow the scheme")]
    Path(String),
    /// A URL with credentials; the text is not repeated.
    #[error("the URL holds a user name or password")]
    Credentials,
    /// The site is not https.
    #[error("`{0}` does not begin with https://")]
    Scheme(String),
}

impl Network {
    /// A network of exactly one address: `/32` or `/128`.
    #[must_use]
    pub const fn single(address: IpAddr) -> Self {
        let prefix = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Self { address, prefix }
    }

    /// The first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix length in bits.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` lies in this network. An IPv4 network holds no IPv6 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address, self.prefix) == Some(self.address)
    }

    /// Whether both share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        if self.prefix <= other.prefix {
            self.contains(other.address)
        } else {
            other.contains(self.address)
        }
    }

    /// Whether every address of the internet is in it (`0.0.0.0/0`, `::/0`).
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.prefix == 0
    }
}

/// `address` with all bits beyond `prefix` cleared; `None` when the prefix is too long for it.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let shift = 32_u32.checked_sub(u32::from(prefix))?;
            let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
            Some(Ipv4Addr::from_bits(v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let shift = 128_u32.checked_sub(u32::from(prefix))?;
            let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
            Some(Ipv6Addr::from_bits(v6.to_bits() & mask).into())
        }
    }
}

impl FromStr for Network {
    type Err = AddressError;

    /// A bare address is the network of that one address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || AddressError::Network(shorten(text));
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(decimal(prefix).ok_or_else(wrong)?)),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix = prefix.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
        if matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
            return Err(wrong());
        }
        let base = masked(address, prefix).ok_or_else(wrong)?;
        let network = Self {
            address: base,
            prefix,
        };
        if base == address {
            Ok(network)
        } else {
            Err(AddressError::HostBits(shorten(text), network))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A DNS name in lower case, or an IP address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostName {
    /// An IP address.
    Ip(IpAddr),
    /// A DNS name: labels of 1 to 63 of a-z, 0-9 and inner `-`, at most 253 characters.
    Dns(String),
}

impl HostName {
    /// Whether the name is `suffix` or ends in `.suffix`.
    #[must_use]
    pub fn is_below(&self, suffix: &str) -> bool {
        match self {
            Self::Ip(_) => false,
            Self::Dns(name) => name
                .strip_suffix(suffix)
                .is_some_and(|front| front.is_empty() || front.ends_with('.')),
        }
    }
}

impl FromStr for HostName {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return Ok(Self::Ip(address));
        }
        let name = text.to_ascii_lowercase();
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let label = |label: &str| {
            label.len() <= 63
                && label.starts_with(word)
                && label.ends_with(word)
                && label.chars().all(|c| word(c) || c == '-')
        };
        // A last label of digits only would be read as an IPv4 address (WHATWG URL, RFC 3696 §2).
        let numeric = name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
        if name.len() <= MAX_DNS_NAME && name.split('.').all(label) && !numeric {
            Ok(Self::Dns(name))
        } else {
            Err(AddressError::Host(shorten(text)))
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Dns(name) => f.write_str(name),
        }
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for HostName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a service answers: host and port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Endpoint {
    /// Host name or address.
    pub host: HostName,
    /// Port, never 0.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Whether a hop is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TLS.
    Tls,
    /// Plain text.
    Plain,
}

/// The parts of `[scheme://]host[:port][/]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) scheme: Option<String>,
    pub(super) host: HostName,
    pub(super) port: Option<u16>,
}

impl FromStr for Location {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        if rest.contains('@') {
            return Err(AddressError::Credentials);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(AddressError::Path(shorten(text)));
        }
        let wrong = || AddressError::Endpoint(shorten(text));
        let (host, port) = if rest.starts_with('[') {
            let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
            let port = match after {
                "" => None,
                _ => Some(after.strip_prefix(':').ok_or_else(wrong)?),
            };
            (host.trim_start_matches('['), port)
        } else {
            match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        let host = host.parse().map_err(|_| wrong())?;
        let port = port.map(parse_port).transpose()?;
        Ok(Self { scheme, host, port })
    }
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    decimal(text)
        .filter(|port| *port != 0)
        .ok_or_else(|| AddressError::Port(shorten(text)))
}

/// The address of the site: always https, a host and a port, no path.
///
/// Mattermost's `SiteURL`; the port is part of the text only when it is not 443, as browsers write
/// the `Origin` that the server compares it with.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SiteUrl {
    host: HostName,
    port: u16,
}

impl SiteUrl {
    /// Host name or address.
    #[must_use]
    pub const fn host(&self) -> &HostName {
        &self.host
    }

    /// Port, 443 when the URL has none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for SiteUrl {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let location: Location = text.parse()?;
        match location.scheme.as_deref() {
            Some("https") => Ok(Self {
                host: location.host,
                port: location.port.unwrap_or(443),
            }),
            _ => Err(AddressError::Scheme(shorten(text))),
        }
    }
}

impl fmt::Display for SiteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            443 => write!(f, "https://{}", self.host),
            port => write!(f, "https://{}:{port}", self.host),
        }
    }
}

impl fmt::Debug for SiteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SiteUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether `address` belongs to a private or otherwise internal range (RFC 1918, RFC 6598,
/// RFC 4193, loopback, documentation ranges).
#[must_use]
pub fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            v4.is_private() || v4.is_loopback() || v4.is_documentation() || shared
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            let documentation = first == 0x2001 && second == 0xdb8;
            v6.is_loopback() || v6.is_unique_local() || documentation
        }
    }
}

/// A number in plain decimal digits: no sign, no leading zero.
fn decimal<T: FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// At most 80 characters of a foreign text, escaped, without what may be credentials.
pub(super) fn shorten(text: &str) -> String {
    if text.contains('@') && text.contains(':') {
        return "<hidden>".to_owned();
    }
    text.chars()
        .take(80)
        .flat_map(char::escape_default)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_parse_and_print() {
        for text in ["10.30.0.0/16", "0.0.0.0/0", "10.0.0.1/32", "fd00:30::/64"] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), text);
        }
        let one: Network = "10.20.0.2".parse().unwrap();
        assert_eq!(one.to_string(), "10.20.0.2/32");
        for bad in [
            "",
            "10.30.0.0/33",
            "10.30.0.0/",
            "10.30.0.0/+8",
            "10.30.0.0/016",
            "a/8",
            "::/129",
            "10.0.0/8",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert_eq!(
            "10.30.0.1/16".parse::<Network>().unwrap_err().to_string(),
            "`10.30.0.1/16` has bits set beyond its prefix; the network is 10.30.0.0/16"
        );
    }

    #[test]
    fn networks_contain_and_overlap() {
        let wide: Network = "10.30.0.0/16".parse().unwrap();
        let narrow: Network = "10.30.9.0/24".parse().unwrap();
        let other: Network = "10.31.0.0/16".parse().unwrap();
        assert!(wide.contains("10.30.255.255".parse().unwrap()));
        assert!(!wide.contains("10.31.0.0".parse().unwrap()));
        assert!(!wide.contains("fd00::1".parse().unwrap()));
        assert!(wide.overlaps(&narrow) && narrow.overlaps(&wide));
        assert!(!wide.overlaps(&other));
    }

    #[test]
    fn site_addresses_are_https_host_and_port() {
        for (text, printed) in [
            ("https://chat.mm.internal", "https://chat.mm.internal"),
            ("https://Chat.MM.internal/", "https://chat.mm.internal"),
            ("https://chat.mm.internal:443", "https://chat.mm.internal"),
            ("https://10.20.0.10:8443", "https://10.20.0.10:8443"),
            ("https://[fd00::1]", "https://[fd00::1]"),
        ] {
            assert_eq!(text.parse::<SiteUrl>().unwrap().to_string(), printed);
        }
        for (bad, why) in [
            (
                "http://chat.mm.internal",
                AddressError::Scheme("http://chat.mm.internal".into()),
            ),
            (
                "chat.mm.internal",
                AddressError::Scheme("chat.mm.internal".into()),
            ),
            (
                "https://chat/x",
                AddressError::Path("https://chat/x".into()),
            ),
            ("https://u:p@chat", AddressError::Credentials),
            ("https://chat:0", AddressError::Port("0".into())),
            ("https://", AddressError::Endpoint("https://".into())),
            ("https://a b", AddressError::Endpoint("https://a b".into())),
        ] {
            assert_eq!(bad.parse::<SiteUrl>().unwrap_err(), why, "{bad}");
        }
    }

    #[test]
    fn host_names_follow_dns() {
        for good in ["mm1", "chat.mm.internal", "10.0.0.1", "fd00::1", "a-b.c"] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "-a", "a_b", "a..b", "a.", "10.0.0.256", &long, "ü"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
        let push: HostName = "eu.push.mattermost.com".parse().unwrap();
        assert!(push.is_below("push.mattermost.com"));
        assert!(
            !"xpush.mattermost.com"
                .parse::<HostName>()
                .unwrap()
                .is_below("push.mattermost.com")
        );
    }
}
