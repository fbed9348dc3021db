//! The database files on a real PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::staged::{Staged, run, said, tool};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A cluster of the user `postgres` on a free port, with the staged files in it.
struct Cluster {
    folder: PathBuf,
    locales: PathBuf,
    port: u16,
}

impl Cluster {
    fn start(staged: &Staged) -> Self {
        assert!(
            Path::new(BIN).join("initdb").exists(),
            "initdb is not here: apt-get install postgresql-15"
        );
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        // The locale as `locale-gen` makes it, but in a folder of the test.
        let locales = staged.path("locales");
        fs::create_dir_all(&locales).unwrap();
        assert!(
            Path::new("/usr/share/i18n/locales/en_US").exists(),
            "the source of en_US.UTF-8 is not here: apt-get install locales"
        );
        run(tool("localedef", "libc-bin")
            .args(["-i", "en_US", "-f", "UTF-8"])
            .arg(locales.join("en_US.UTF-8")));
        let folder = staged.path("pg");
        fs::create_dir_all(&folder).unwrap();
        run(Command::new("chmod").arg("755").arg(staged.path("")));
        run(Command::new("chown").arg("postgres").arg(&folder));
        let cluster = Self {
            folder,
            locales,
            port,
        };
        let data = cluster.folder.join("data").display().to_string();
        run(cluster.postgres("initdb").args([
            "-D",
            &data,
            "--auth=trust",
            "--encoding=SQL_ASCII",
            "--locale=C",
        ]));
        let source = |path: &str| staged.rootfs(&format!("/etc/postgresql/15/main/{path}"));
        let settings = fs::read_to_string(source("conf.d/mattermost.conf"))
            .unwrap()
            .replace("/etc/postgresql/15/main/mattermost-tls", &data)
            .replace("port = 5432", &format!("port = {port}"))
            .replace("'localhost, 10.20.0.10'", "'localhost'")
            .replace("shared_buffers = '", "shared_buffers = '64MB' # '");
        assert!(settings.contains(&format!("port = {port}")));
        assert!(
            settings.contains("listen_addresses = 'localhost'"),
            "{settings}"
        );
        fs::create_dir_all(cluster.folder.join("data/conf.d")).unwrap();
        fs::write(cluster.folder.join("data/conf.d/mattermost.conf"), settings).unwrap();
        let main = cluster.folder.join("data/postgresql.conf");
        let own = format!(
            "\ninclude_dir = 'conf.d'\nunix_socket_directories = '{}'\n",
            cluster.folder.display()
        );
        fs::write(&main, fs::read_to_string(&main).unwrap() + &own).unwrap();
        // The application server's address is this machine's loopback address here.
        let hba = fs::read_to_string(source("pg_hba.conf")).unwrap();
        assert!(
            hba.contains("\nhostssl mattermost mmuser 10.20.0.10/32 scram-sha-256\n"),
            "{hba}"
        );
        fs::write(
            cluster.folder.join("data/pg_hba.conf"),
            hba.replace("10.20.0.10/32", "127.0.0.1/32"),
        )
        .unwrap();
        for name in ["server.crt", "server.key"] {
            fs::copy(
                source(&format!("mattermost-tls/{name}")),
                cluster.folder.join("data").join(name),
            )
            .unwrap();
        }
        run(Command::new("chown").args(["-R", "postgres", &data]));
        run(Command::new("chmod")
            .arg("600")
            .arg(cluster.folder.join("data/server.key")));
        let log = cluster.folder.join("log").display().to_string();
        let out = cluster
            .postgres("pg_ctl")
            .args(["-D", &data, "-l", &log, "-w", "start"])
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}\n{}",
            said(&out),
            fs::read_to_string(&log).unwrap_or_default()
        );
        cluster
    }

    fn postgres(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(format!("{BIN}/{program}"))
            .env("LOCPATH", &self.locales)
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/");
        command
    }

    /// As the superuser, through the socket.
    fn admin(&self, database: &str, sql: &str) -> Output {
        self.postgres("psql")
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-h"])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .output()
            .unwrap()
    }

    fn ask(&self, sql: &str) -> String {
        said(&self.admin("postgres", sql)).trim().to_owned()
    }

    fn prepare(&self, staged: &Staged) {
        let script =
            fs::File::open(staged.rootfs("/usr/local/share/haversack/db-prepare.sql")).unwrap();
        let out = self
            .postgres("psql")
            .args(["-Xq", "-h"])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-d", "postgres"])
            .stdin(script)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", said(&out));
        assert_eq!(said(&out), "");
    }

    /// As the application server: the staged connection URL, with this cluster's port.
    fn app(&self, staged: &Staged, change: (&str, &str), sql: &str) -> Output {
        let environment = staged.text("/etc/mattermost/mattermost.environment");
        let line = environment
            .lines()
            .find_map(|line| line.strip_prefix("MM_SQLSETTINGS_DATASOURCE='"))
            .unwrap();
        let ca = staged.rootfs("/etc/mattermost/ca.pem");
        let url = line
            .trim_end_matches('\'')
            .replace(":5432/", &format!(":{}/", self.port))
            .replace("/etc/mattermost/ca.pem", &ca.display().to_string())
            .replace(change.0, change.1);
        Command::new(format!("{BIN}/psql"))
            .args([
                "-XqAt",
                "-v",
                "ON_ERROR_STOP=1",
                &format!("{url}&hostaddr=127.0.0.1"),
                "-c",
                sql,
            ])
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.folder.join("data").display().to_string();
        let _ = self
            .postgres("pg_ctl")
            .args(["-D", &data, "-m", "immediate", "stop"])
            .output();
    }
}

#[test]
fn the_database_is_prepared_twice_and_lets_in_mmuser_over_tls_only() {
    let staged = Staged::new();
    let cluster = Cluster::start(&staged);
    assert_eq!(
        cluster.ask("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL"),
        "0"
    );
    assert_eq!(
        cluster.ask("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL"),
        "0"
    );
    cluster.prepare(&staged);
    let verifier = cluster.ask("SELECT rolpassword FROM pg_authid WHERE rolname = 'mmuser'");
    cluster.prepare(&staged);
    assert_eq!(
        cluster.ask("SELECT rolpassword FROM pg_authid WHERE rolname = 'mmuser'"),
        verifier
    );
    assert!(verifier.starts_with("SCRAM-SHA-256$4096:"), "{verifier}");
    assert_eq!(
        cluster.ask("SELECT pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'mattermost'"),
        "UTF8|en_US.UTF-8|en_US.UTF-8|mmuser"
    );

    let same = ("", "");
    let out = cluster.app(
        &staged,
        same,
        "CREATE TABLE probe (id serial PRIMARY KEY, t text); INSERT INTO probe (t) VALUES ('ä'); CREATE EXTENSION pg_trgm; SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    );
    assert_eq!(said(&out), "t|TLSv1.3\n");
    for (change, why) in [
        (
            ("sslmode=verify-full", "sslmode=disable"),
            "pg_hba.conf rejects connection",
        ),
        (("mmuser:", "mmuser:x"), "password authentication failed"),
        (("mmuser:", "postgres:"), "pg_hba.conf rejects connection"),
        (
            ("/mattermost?", "/postgres?"),
            "pg_hba.conf rejects connection",
        ),
        (
            ("@chat.mm.internal", "@other.mm.internal"),
            "does not match host name",
        ),
    ] {
        let out = cluster.app(&staged, change, "SELECT 1");
        assert!(!out.status.success(), "{change:?}");
        assert!(said(&out).contains(why), "{change:?}: {}", said(&out));
    }
    let log = fs::read_to_string(cluster.folder.join("log")).unwrap();
    assert!(!log.contains(&staged.secret("db-password")));

    // A schema without grants is found by the same statement that verify.sh runs.
    let out = cluster.app(&staged, same, "BEGIN; CREATE TABLE haversack_probe (id serial PRIMARY KEY); INSERT INTO haversack_probe DEFAULT VALUES; SELECT count(*) FROM haversack_probe; ROLLBACK");
    assert_eq!(said(&out), "1\n");
}

#[test]
fn a_backup_is_whole_restores_and_old_ones_go() {
    let staged = Staged::new();
    let cluster = Cluster::start(&staged);
    cluster.prepare(&staged);
    let out = cluster.app(
        &staged,
        ("", ""),
        "CREATE TABLE posts (id int); INSERT INTO posts VALUES (1)",
    );
    assert_eq!(said(&out), "");
    let dumps = staged.path("pg/dumps");
    fs::create_dir_all(&dumps).unwrap();
    run(Command::new("chown").arg("postgres").arg(&dumps));
    let script = |name: &str| {
        let text = staged
            .text(&format!("/usr/local/sbin/{name}"))
            .replace("/var/backups/mattermost", &dumps.display().to_string())
            .replace("port=5432", &format!("port={}", cluster.port));
        let path = staged.path(name);
        fs::write(&path, text).unwrap();
        run(Command::new("chmod").arg("755").arg(&path));
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(path)
            .env("PGHOST", &cluster.folder)
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/");
        command
    };
    let old = dumps.join("mattermost-20200101T000000Z.dump");
    fs::write(&old, "old").unwrap();
    run(Command::new("touch").args(["-d", "2020-01-01"]).arg(&old));
    let out = run(&mut script("mattermost-backup"));
    assert!(
        said(&out).starts_with("mattermost-backup: wrote "),
        "{}",
        said(&out)
    );
    let kept: Vec<_> = fs::read_dir(&dumps).unwrap().collect();
    assert_eq!(kept.len(), 1);
    assert!(!old.exists());
    let out = run(&mut script("mattermost-restore-test"));
    assert!(
        said(&out).ends_with("restores; tables in it: 1, in the live database: 1\n"),
        "{}",
        said(&out)
    );
    assert_eq!(
        cluster.ask("SELECT count(*) FROM pg_database WHERE datname LIKE 'haversack%'"),
        "0"
    );
}
