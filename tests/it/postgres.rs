//! The staged database files on real servers of every supported major version.
//!
//! Nothing in them is adapted: each server runs in a room where the staged host's files stand at
//! their real paths, under the host's own address and port, and the client uses the staged
//! connection URL as it is.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::postgres::{Cluster, MAJORS};
use crate::support::staged::{DEPLOYMENT, Staged, packages, said};

/// How many servers run at once.
const AT_ONCE: usize = 2;

/// One host with everything on it, for a server of `major`.
fn staged(major: u16) -> Staged {
    let server = format!("postgresql-{major}");
    let packages: Vec<_> = packages()
        .into_iter()
        .map(|(name, version)| match name {
            "postgresql-15" => (server.as_str(), version),
            _ => (name, version),
        })
        .collect();
    Staged::with(DEPLOYMENT, &packages).unwrap()
}

fn running(staged: &Staged, major: u16) -> Cluster {
    let cluster = Cluster::new(&staged.host(), major, &["10.20.0.10"]);
    cluster
        .room
        .script("echo '10.20.0.10 chat.mm.internal other.mm.internal' >>/etc/hosts");
    cluster.init();
    cluster.start().unwrap();
    cluster
}

/// Calls `check` for every major version, two at a time.
fn for_each_major(check: impl Fn(u16) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(major) = MAJORS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(*major);
                }
            });
        }
    });
}

/// The connection URL of the application server, as it is staged.
fn url(staged: &Staged) -> String {
    let environment = staged.text("/etc/mattermost/mattermost.environment");
    let line = environment
        .lines()
        .find_map(|line| line.strip_prefix("MM_SQLSETTINGS_DATASOURCE='"));
    line.unwrap().trim_end_matches('\'').to_owned()
}

/// `psql` with a connection URL, over the network as the application server connects.
fn connect(cluster: &Cluster, url: &str, sql: &str) -> (bool, String) {
    let out = cluster
        .client("root", "psql")
        .args(["-XqAt", "-v", "ON_ERROR_STOP=1", url, "-c", sql])
        .output()
        .unwrap();
    (out.status.success(), said(&out))
}

#[test]
fn every_major_takes_the_files_and_lets_in_mmuser_over_verified_tls_only() {
    for_each_major(|major| {
        let staged = staged(major);
        let cluster = running(&staged, major);
        assert!(
            cluster
                .ask("SHOW server_version")
                .starts_with(&format!("{major}.")),
            "{major}"
        );
        files_are_without_errors(&cluster);
        settings_are_in_effect(&staged, &cluster);
        let sql = staged.text("/usr/local/share/haversack/db-prepare.sql");
        prepared_twice(&cluster, &sql);
        only_mmuser_over_verified_tls(&staged, &cluster);
        grants_on_the_schema_are_needed_since_15(&cluster, &sql);
        dumps_of_another_major_are_refused_in_words(&cluster);
    });
}

fn files_are_without_errors(cluster: &Cluster) {
    let major = cluster.major;
    let hba_errors = "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL";
    let conf_errors = "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL";
    assert_eq!(cluster.ask(hba_errors), "0", "{major}");
    assert_eq!(cluster.ask(conf_errors), "0", "{major}");
    // They are the staged files that were looked at.
    assert_eq!(
        cluster.ask("SELECT type, database, user_name, address, auth_method FROM pg_hba_file_rules WHERE type = 'hostssl'"),
        "hostssl|{mattermost}|{mmuser}|10.20.0.10|scram-sha-256",
        "{major}"
    );
    let own = format!("/etc/postgresql/{major}/main/conf.d/mattermost.conf");
    assert_eq!(
        cluster.ask(&format!(
            "SELECT count(*), bool_and(applied) FROM pg_file_settings WHERE sourcefile = '{own}'"
        )),
        "21|t",
        "{major}"
    );
    // Both views do show faults.
    for (file, line, question) in [
        (
            "pg_hba.conf",
            "hostssl mattermost mmuser 10.20.0.10 scram-sha-256",
            hba_errors,
        ),
        ("conf.d/mattermost.conf", "shared_bufers = 1GB", conf_errors),
    ] {
        let path = format!("/etc/postgresql/{major}/main/{file}");
        cluster
            .room
            .script(&format!("cp -a {path} /root/kept; echo '{line}' >>{path}"));
        assert_eq!(cluster.ask(question), "1", "{major}: {line}");
        cluster.room.script(&format!("cp -a /root/kept {path}"));
        assert_eq!(cluster.ask(question), "0", "{major}");
    }
}

fn settings_are_in_effect(staged: &Staged, cluster: &Cluster) {
    let major = cluster.major;
    let file = staged.text(&format!(
        "/etc/postgresql/{major}/main/conf.d/mattermost.conf"
    ));
    let mut seen = 0;
    for line in file.lines() {
        let Some((name, value)) = line.split_once(" = ") else {
            continue;
        };
        let wanted = value.trim_matches('\'');
        // Through a socket the server answers 0 for what concerns TCP only.
        let found = if name.starts_with("tcp_") {
            cluster.ask(&format!(
                "SELECT reset_val FROM pg_settings WHERE name = '{name}'"
            ))
        } else {
            cluster.ask(&format!("SHOW {name}"))
        };
        // 2048MB is shown as 2GB: compare what the server makes of both.
        let same = found == wanted
            || (wanted.ends_with("MB")
                && cluster.ask(&format!(
                    "SELECT pg_size_bytes('{found}') = pg_size_bytes('{wanted}')"
                )) == "t");
        assert!(same, "{major}: {name} is {found}, not {wanted}");
        seen += 1;
    }
    assert_eq!(seen, 21, "{major}: {file}");
    assert_eq!(cluster.ask("SHOW ssl"), "on");
}

fn prepared_twice(cluster: &Cluster, sql: &str) {
    let major = cluster.major;
    let verifier = || cluster.ask("SELECT rolpassword FROM pg_authid WHERE rolname = 'mmuser'");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let out = cluster.feed(sql);
        assert!(out.status.success(), "{major}: {}", said(&out));
        assert_eq!(said(&out), "", "{major}");
        seen.push(verifier());
    }
    assert!(
        seen.iter()
            .all(|one| one.starts_with("SCRAM-SHA-256$4096:") && sql.contains(one)),
        "{major}: {seen:?}"
    );
    assert_eq!(
        cluster.ask("SELECT pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'mattermost'"),
        "UTF8|en_US.UTF-8|en_US.UTF-8|mmuser",
        "{major}"
    );
}

fn only_mmuser_over_verified_tls(staged: &Staged, cluster: &Cluster) {
    let major = cluster.major;
    let url = url(staged);
    assert!(url.contains("sslmode=verify-full"), "{major}");
    let (good, answer) = connect(
        cluster,
        &url,
        "CREATE TABLE probe (id serial PRIMARY KEY, t text); INSERT INTO probe (t) VALUES ('ä'); CREATE EXTENSION pg_trgm; SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    );
    assert_eq!((good, answer.as_str()), (true, "t|TLSv1.3\n"), "{major}");
    for (from, to, why) in [
        (
            "sslmode=verify-full",
            "sslmode=disable",
            "pg_hba.conf rejects connection",
        ),
        (
            "@chat.mm.internal",
            "@other.mm.internal",
            "does not match host name \"other.mm.internal\"",
        ),
        (
            "/etc/mattermost/ca.pem",
            "/etc/ssl/certs/ssl-cert-snakeoil.pem",
            "certificate verify failed",
        ),
        (
            "mmuser:",
            "mmuser:x",
            "password authentication failed for user \"mmuser\"",
        ),
        ("mmuser:", "postgres:", "pg_hba.conf rejects connection"),
        ("mmuser:", "nobody:", "pg_hba.conf rejects connection"),
        (
            "/mattermost?",
            "/postgres?",
            "pg_hba.conf rejects connection",
        ),
    ] {
        assert!(url.contains(from), "{major}: {from}");
        let (good, answer) = connect(cluster, &url.replacen(from, to, 1), "SELECT 1");
        assert!(!good, "{major}: {from} -> {to}");
        assert!(answer.contains(why), "{major}: {from} -> {to}: {answer}");
    }
    // From an address that the deployment does not name, here the loopback address.
    let local = format!("{url}&hostaddr=127.0.0.1");
    let (good, answer) = connect(cluster, &local, "SELECT 1");
    assert!(
        !good && answer.contains("pg_hba.conf rejects connection"),
        "{major}: {answer}"
    );
    assert!(
        !cluster.log().contains(&staged.secret("db-password")),
        "{major}"
    );
}

/// M1 of the known mistakes: privileges on the database do not reach its schema since version 15.
fn grants_on_the_schema_are_needed_since_15(cluster: &Cluster, sql: &str) {
    let major = cluster.major;
    let kept: Vec<String> = sql
        .lines()
        .filter(|line| !line.contains("SCHEMA public") && !line.contains(" OWNER TO "))
        .map(|line| line.replace("mattermost", "bare"))
        .collect();
    assert_eq!(sql.lines().count() - kept.len(), 6, "{major}");
    let without = kept.join("\n") + "\n";
    let out = cluster.feed(&without);
    assert!(out.status.success(), "{major}: {}", said(&out));
    let create = "SET ROLE mmuser; CREATE TABLE made (id int); DROP TABLE made; SELECT 'made'";
    let bare = said(&cluster.admin("bare", create));
    if major < 15 {
        assert_eq!(bare, "made\n", "{major}");
    } else {
        assert!(
            bare.contains("permission denied for schema public"),
            "{major}: {bare}"
        );
    }
    assert_eq!(
        said(&cluster.admin("mattermost", create)),
        "made\n",
        "{major}"
    );
}

/// The client of this machine is version 15: the staged backup works up to it, and says why it does
/// not beyond.
fn dumps_of_another_major_are_refused_in_words(cluster: &Cluster) {
    let major = cluster.major;
    let client = said(
        &cluster
            .client("postgres", "pg_dump")
            .arg("--version")
            .output()
            .unwrap(),
    );
    assert!(client.starts_with("pg_dump (PostgreSQL) 15."), "{client}");
    let out = cluster
        .client("postgres", "/usr/local/sbin/mattermost-backup")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let kept = cluster.room.script("ls -A /var/backups/mattermost");
    if major <= 15 {
        assert!(out.status.success(), "{major}: {}", said(&out));
        let ending = Path::new(kept.trim_end()).extension();
        assert_eq!(ending, Some("dump".as_ref()), "{major}: {kept}");
    } else {
        assert!(!out.status.success(), "{major}");
        assert!(
            said(&out).contains("server version mismatch"),
            "{major}: {}",
            said(&out)
        );
        // Neither a half dump nor an empty one.
        assert_eq!(kept, "", "{major}");
    }
}
