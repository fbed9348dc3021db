//! Neighbours: TLS, buckets, databases. A neighbour of this deployment that does not answer yet is
//! told apart from one that answers wrongly.

use super::first_line;
use crate::checks::{DATABASE_QUERY, Login, ServerTls, StartTls};
use crate::preflight::machine::{Call, Machine, Streams};
use crate::preflight::report::Verdict;
use crate::types::name::Name;
use crate::types::secret::Secret;

/// Seconds that a connection may take, as curl and psql take them.
const CONNECT: &str = "10";

/// A server that does not answer.
fn silent(neighbour: Option<&Name>) -> Verdict {
    match neighbour {
        Some(name) => Verdict::waiting(format!("no answer; install {name} first")),
        None => Verdict::bad("no answer"),
    }
}

/// `HOST:PORT`, IPv6 in brackets.
fn with_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(super) fn tls(machine: &dyn Machine, server: &ServerTls) -> Verdict {
    if !machine.has("openssl") {
        return Verdict::unchecked("openssl is not installed");
    }
    let host = server.host.as_str();
    let connect = with_port(host, server.port);
    let mut arguments = vec!["s_client", "-connect", connect.as_str()];
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    if is_address {
        arguments.extend(["-noservername", "-verify_ip", host]);
    } else {
        arguments.extend(["-servername", host, "-verify_hostname", host]);
    }
    if server.starttls != StartTls::None {
        arguments.extend(["-starttls", server.starttls.as_str()]);
    }
    let authority = server
        .authority
        .as_ref()
        .map(|below| machine.staged_path(below.as_str()));
    if let Some(authority) = &authority {
        arguments.extend(["-CAfile", authority]);
    }
    let said = machine.run(&Call::both("openssl", &arguments)).text;
    if !said.contains("CONNECTED(") {
        return silent(server.neighbour.as_ref());
    }
    if said.contains("no peer certificate available") {
        return Verdict::bad("it answers, but not with TLS");
    }
    let code = said.lines().find_map(|line| {
        let line = line.trim_start_matches(' ');
        line.strip_prefix("Verify return code: ")
    });
    match code {
        Some("0 (ok)") => Verdict::ok("trusted"),
        Some(code) => Verdict::bad(code),
        None => Verdict::bad("it answers, but not with TLS"),
    }
}

pub(super) fn reachable(
    machine: &dyn Machine,
    host: &str,
    port: u16,
    neighbour: Option<&Name>,
) -> Verdict {
    if !machine.has("curl") {
        return Verdict::unchecked("curl is not installed");
    }
    let url = format!("telnet://{}", with_port(host, port));
    let mut arguments = vec!["--silent", "--noproxy", "*", "--connect-timeout", "5"];
    arguments.extend(["--max-time", "6", "--output", "/dev/null"]);
    arguments.extend(["--write-out", "%{time_connect}", &url]);
    let said = machine.run(&Call::new("curl", &arguments)).text;
    if said.chars().any(|c| ('1'..='9').contains(&c)) {
        Verdict::ok("it answers")
    } else {
        silent(neighbour)
    }
}

/// Without it some versions of curl send none, and the answer is 400: SHA-256 of an empty body.
const EMPTY_BODY: &str =
    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What opens a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket<'a> {
    pub(super) url: &'a str,
    pub(super) region: &'a str,
    pub(super) environment: &'a str,
    pub(super) authority: &'a str,
    pub(super) neighbour: Option<&'a Name>,
}

/// The value of a key of a staged environment file: `KEY='value'`, or `KEY="value"` with
/// backslashes before some characters.
fn value(machine: &dyn Machine, environment: &str, key: &str) -> String {
    let text = machine.staged_text(environment).unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?.strip_prefix('=')?;
        let plain = rest
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''));
        let escaped = || rest.strip_prefix('"')?.strip_suffix('"').map(unescaped);
        plain.map(ToOwned::to_owned).or_else(escaped)
    });
    found.unwrap_or_default()
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' {
            chars.next().unwrap_or(c)
        } else {
            c
        });
    }
    out
}

pub(super) fn bucket(machine: &dyn Machine, bucket: &Bucket<'_>) -> Verdict {
    if !machine.has("curl") {
        return Verdict::unchecked("curl is not installed");
    }
    let key = value(
        machine,
        bucket.environment,
        "MM_FILESETTINGS_AMAZONS3ACCESSKEYID",
    );
    let secret = value(
        machine,
        bucket.environment,
        "MM_FILESETTINGS_AMAZONS3SECRETACCESSKEY",
    );
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    // On standard input: arguments can be read by every user of the host.
    let config = format!("user = \"{}:{}\"\n", quoted(&key), quoted(&secret));
    let sign = format!("aws:amz:{}:s3", bucket.region);
    let authority = machine.staged_path(bucket.authority);
    let mut call = Call::new(
        "curl",
        &[
            "--silent",
            "--noproxy",
            "*",
            "--connect-timeout",
            CONNECT,
            "--max-time",
            "15",
        ],
    );
    call.arguments.extend(["--header", EMPTY_BODY]);
    call.arguments
        .extend(["--head", "--aws-sigv4", &sign, "--cacert", &authority]);
    call.arguments
        .extend(["--config", "-", "--output", "/dev/null"]);
    call.arguments.extend([
        "--write-out",
        "%{http_code} %{ssl_verify_result}",
        bucket.url,
    ]);
    call.input = Some(Secret::new(config));
    let said = machine.run(&call).text;
    let (code, trust) = said.split_once(' ').unwrap_or((&said, ""));
    match (code, trust) {
        ("200", _) => Verdict::ok("it opens"),
        ("", _) => Verdict::unchecked("curl is older than 7.75 and cannot sign"),
        ("000", "0") => silent(bucket.neighbour),
        ("000", _) => Verdict::bad("the certificate of the server is not trusted"),
        ("403", _) => Verdict::bad("403: the key does not open it, or region or clock are wrong"),
        ("404", _) => Verdict::bad("404: there is no such bucket"),
        (other, _) => Verdict::bad(format!("{other}: endpoint or region are wrong")),
    }
}

pub(super) fn database(machine: &dyn Machine, login: &Login) -> Verdict {
    if !machine.has("psql") {
        return Verdict::unchecked("psql is not installed");
    }
    let source = value(
        machine,
        login.environment.as_str(),
        "MM_SQLSETTINGS_DATASOURCE",
    );
    let secret = password(&source);
    let target = format!(
        "host={} port={} dbname={} user={} sslmode={} sslrootcert={} connect_timeout={CONNECT}",
        login.host,
        login.port,
        login.database,
        login.user,
        login.sslmode,
        machine.staged_path(login.authority.as_str())
    );
    let command = format!("--command={DATABASE_QUERY}");
    let call = Call {
        program: "psql",
        arguments: vec![
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            &target,
            &command,
        ],
        variable: Some(("PGPASSWORD", Secret::new(secret))),
        input: None,
        streams: Streams::Both,
    };
    let ran = machine.run(&call);
    let row = first_line(&ran.text);
    if !ran.success {
        let dead = [
            "Connection refused",
            "could not translate",
            "timeout expired",
            "No route to host",
            "Network is unreachable",
        ];
        return if dead.iter().any(|words| ran.text.contains(words)) {
            silent(login.neighbour.as_ref())
        } else {
            Verdict::bad(row)
        };
    }
    // Warnings of the server, such as one about the version of a locale, stand before the row.
    let row = ran.text.lines().last().unwrap_or_default();
    let mut words = row.splitn(3, ' ');
    let major: u16 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    if major < login.minimum {
        Verdict::bad(format!(
            "PostgreSQL {major}; {} is the oldest that works",
            login.minimum
        ))
    } else if words.next() != Some("true") {
        Verdict::bad(format!(
            "PostgreSQL {major}; {} may not make tables in the schema public",
            login.user
        ))
    } else if words.next() != Some("UTF8 en_US.UTF-8 en_US.UTF-8") {
        let found = row.splitn(3, ' ').nth(2).unwrap_or_default();
        Verdict::bad(format!(
            "PostgreSQL {major}; encoding and locale are {found}"
        ))
    } else {
        Verdict::ok(format!(
            "PostgreSQL {major}; {} may make tables",
            login.user
        ))
    }
}

/// The password of `postgres://USER:PASSWORD@HOST…`, percent-decoded.
fn password(source: &str) -> String {
    let rest = source.strip_prefix("postgres://").unwrap_or_default();
    let (both, _) = rest.split_once('@').unwrap_or_default();
    let encoded = both.split_once(':').map_or("", |(_, password)| password);
    let mut parts = encoded.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part
            .get(..2)
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        let Some(byte) = byte else {
            return String::new();
        };
        bytes.push(byte);
        bytes.extend(part.bytes().skip(2));
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::probes::table::Table;

    fn server(host: &str, neighbour: Option<&str>) -> ServerTls {
        ServerTls {
            host: host.parse().unwrap(),
            port: 636,
            starttls: StartTls::None,
            authority: Some("rootfs/ca".parse().unwrap()),
            neighbour: neighbour.map(|name| name.parse().unwrap()),
        }
    }

    const CALL: &str = "openssl s_client -connect ldap.corp:636 -servername ldap.corp -verify_hostname ldap.corp -CAfile /here/rootfs/ca";

    #[test]
    fn openssl_judges_the_certificate() {
        let decide = |said: &str| {
            tls(
                &Table::default().failing(CALL, said),
                &server("ldap.corp", None),
            )
        };
        assert_eq!(
            decide("CONNECTED(00000003)\n    Verify return code: 0 (ok)\n"),
            Verdict::ok("trusted")
        );
        assert_eq!(
            decide(
                "CONNECTED(00000003)\nVerify return code: 19 (self-signed certificate in certificate chain)"
            ),
            Verdict::bad("19 (self-signed certificate in certificate chain)")
        );
        let plain =
            "CONNECTED(00000003)\nno peer certificate available\nVerify return code: 0 (ok)";
        assert_eq!(decide(plain), Verdict::bad("it answers, but not with TLS"));
        assert_eq!(decide("connect:errno=111"), Verdict::bad("no answer"));
        assert_eq!(
            tls(&Table::default(), &server("ldap.corp", None)),
            Verdict::unchecked("openssl is not installed")
        );
    }

    #[test]
    fn a_neighbour_that_is_not_installed_yet_is_waited_for() {
        let table = Table::default().failing(CALL, "connect:errno=111");
        assert_eq!(
            tls(&table, &server("ldap.corp", Some("db1"))),
            Verdict::waiting("no answer; install db1 first")
        );
        let address = "openssl s_client -connect [fd00::1]:636 -noservername -verify_ip fd00::1 -CAfile /here/rootfs/ca";
        let table = Table::default().program(address, "CONNECTED(3)\nVerify return code: 0 (ok)");
        assert_eq!(
            tls(&table, &server("fd00::1", None)),
            Verdict::ok("trusted")
        );
    }

    #[test]
    fn a_plain_server_is_reached_or_not() {
        let call = "curl --silent --noproxy * --connect-timeout 5 --max-time 6 --output /dev/null --write-out %{time_connect} telnet://smtp.corp:25";
        let decide = |said: &str, neighbour: Option<&Name>| {
            reachable(
                &Table::default().failing(call, said),
                "smtp.corp",
                25,
                neighbour,
            )
        };
        assert_eq!(decide("0.000123", None), Verdict::ok("it answers"));
        assert_eq!(decide("0.000000", None), Verdict::bad("no answer"));
        assert_eq!(
            decide("", Some(&"nfs1".parse().unwrap())),
            Verdict::waiting("no answer; install nfs1 first")
        );
    }

    const ENVIRONMENT: &str = "rootfs/etc/mattermost/mattermost.environment";

    fn environment() -> Table {
        Table::default().file(
            &format!("/here/{ENVIRONMENT}"),
            "MM_SQLSETTINGS_DATASOURCE='postgres://mmuser:s3cret@db:5432/mattermost'\nMM_FILESETTINGS_AMAZONS3ACCESSKEYID='k'\n",
        )
    }

    #[test]
    fn a_bucket_opens_or_says_why_not() {
        let call = "curl --silent --noproxy * --connect-timeout 10 --max-time 15 --header x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --head --aws-sigv4 aws:amz:us-east-1:s3 --cacert /here/rootfs/ca --config - --output /dev/null --write-out %{http_code} %{ssl_verify_result} https://s3.corp:9000/mattermost";
        let name = "files1".parse().unwrap();
        let decide = |said: &str, neighbour| {
            let wanted = Bucket {
                url: "https://s3.corp:9000/mattermost",
                region: "us-east-1",
                environment: ENVIRONMENT,
                authority: "rootfs/ca",
                neighbour,
            };
            bucket(&environment().program(call, said), &wanted)
        };
        assert_eq!(decide("200 0", None), Verdict::ok("it opens"));
        assert_eq!(
            decide("404 0", None),
            Verdict::bad("404: there is no such bucket")
        );
        assert_eq!(
            decide("403 0", None),
            Verdict::bad("403: the key does not open it, or region or clock are wrong")
        );
        assert_eq!(
            decide("301 0", None),
            Verdict::bad("301: endpoint or region are wrong")
        );
        assert_eq!(decide("000 0", None), Verdict::bad("no answer"));
        assert_eq!(
            decide("000 0", Some(&name)),
            Verdict::waiting("no answer; install files1 first")
        );
        assert_eq!(
            decide("000 20", Some(&name)),
            Verdict::bad("the certificate of the server is not trusted")
        );
        assert_eq!(
            decide("", None),
            Verdict::unchecked("curl is older than 7.75 and cannot sign")
        );
    }

    fn login() -> Login {
        Login {
            host: "db".parse().unwrap(),
            port: 5432,
            database: "mattermost".parse().unwrap(),
            user: "mmuser".parse().unwrap(),
            sslmode: "verify-full".parse().unwrap(),
            minimum: 14,
            environment: ENVIRONMENT.parse().unwrap(),
            authority: "rootfs/ca".parse().unwrap(),
            neighbour: Some("db1".parse().unwrap()),
        }
    }

    #[test]
    fn a_database_is_ready_or_says_exactly_why_not() {
        let call = format!(
            "psql --no-psqlrc --quiet --tuples-only --no-align host=db port=5432 dbname=mattermost user=mmuser sslmode=verify-full sslrootcert=/here/rootfs/ca connect_timeout=10 --command={DATABASE_QUERY}"
        );
        let good = |said: &str| database(&environment().program(&call, said), &login());
        let ready = "15 true UTF8 en_US.UTF-8 en_US.UTF-8";
        assert_eq!(
            good(&format!(
                "WARNING:  database has a collation version mismatch\n{ready}"
            )),
            good(ready)
        );
        assert_eq!(
            good(ready),
            Verdict::ok("PostgreSQL 15; mmuser may make tables")
        );
        assert_eq!(
            good("15 false UTF8 en_US.UTF-8 en_US.UTF-8"),
            Verdict::bad("PostgreSQL 15; mmuser may not make tables in the schema public")
        );
        assert_eq!(
            good("13 true UTF8 en_US.UTF-8 en_US.UTF-8"),
            Verdict::bad("PostgreSQL 13; 14 is the oldest that works")
        );
        assert_eq!(
            good("15 true SQL_ASCII C C"),
            Verdict::bad("PostgreSQL 15; encoding and locale are SQL_ASCII C C")
        );
        let failing = |said: &str| database(&environment().failing(&call, said), &login());
        assert_eq!(
            failing("psql: error: Connection refused\n\tIs it running?"),
            Verdict::waiting("no answer; install db1 first")
        );
        assert_eq!(
            failing("psql: error: FATAL:  password authentication failed"),
            Verdict::bad("psql: error: FATAL:  password authentication failed")
        );
        assert_eq!(
            database(&environment(), &login()),
            Verdict::unchecked("psql is not installed")
        );
    }

    #[test]
    fn both_ways_of_quoting_are_read() {
        let text = "A='x$y'\nB=\"it's \\$x \\\\ \\\"\"\nC=bare\n";
        let table = Table::default().file("/here/env", text);
        let read = |key| value(&table, "env", key);
        assert_eq!(
            [read("A"), read("B"), read("C")],
            ["x$y", "it's $x \\ \"", ""]
        );
    }

    #[test]
    fn the_password_is_cut_out_of_the_source() {
        assert_eq!(
            password("postgres://mmuser:s3cret~x@db:5432/mattermost?x=1"),
            "s3cret~x"
        );
        assert_eq!(password("postgres://mmuser:a%40b%25c%2f@db/x"), "a@b%c/");
        assert_eq!(password("postgres://mmuser:a%4@db/x"), "");
        assert_eq!(password("postgres://mmuser@db/x"), "");
        assert_eq!(password(""), "");
    }
}
