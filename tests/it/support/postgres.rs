//! Real PostgreSQL servers of every supported major version, run from the files of a staged host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::support::rooms::Room;
use crate::support::staged::{run, said, tool};

/// The major versions that the tests have servers of.
pub(crate) const MAJORS: [u16; 5] = [14, 15, 16, 17, 18];

/// The clients of Debian 12 (postgresql-client).
const CLIENTS: &str = "/usr/lib/postgresql/15/bin";

/// The folder with the servers, fetched once and kept: `node_modules/postgresql-<major>/native` and
/// `locales`.
pub(crate) fn servers() -> &'static Path {
    static SERVERS: OnceLock<PathBuf> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = project.join("target/postgres");
        fs::create_dir_all(&folder).unwrap();
        let source = project.join("tests/support/postgres");
        let lock = fs::read(source.join("package-lock.json")).unwrap();
        // Written last: what is there is whole, and of this lock.
        let stamp = folder.join("complete");
        if fs::read(&stamp).is_ok_and(|found| found == lock) {
            return folder;
        }
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), folder.join(file)).unwrap();
        }
        run(tool("npm", "npm").current_dir(&folder).args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ]));
        for major in MAJORS {
            link(&folder.join(format!("node_modules/postgresql-{major}")));
        }
        assert!(
            Path::new("/usr/share/i18n/locales/en_US").exists(),
            "the source of en_US.UTF-8 is not here: apt-get install locales"
        );
        fs::create_dir_all(folder.join("locales")).unwrap();
        run(tool("localedef", "libc-bin")
            .args(["-i", "en_US", "-f", "UTF-8"])
            .arg(folder.join("locales/en_US.UTF-8")));
        fs::write(&stamp, lock).unwrap();
        folder
    })
}

/// Makes the links that the package lists and npm does not keep.
fn link(package: &Path) {
    let list = fs::read(package.join("native/pg-symlinks.json")).unwrap();
    let list: Vec<serde_json::Value> = serde_json::from_slice(&list).unwrap();
    for entry in list {
        let path = |key: &str| PathBuf::from(entry.get(key).unwrap().as_str().unwrap());
        let (source, target) = (path("source"), path("target"));
        assert_eq!(source.parent(), target.parent(), "{entry}");
        let target = package.join(target);
        if fs::symlink_metadata(&target).is_err() {
            std::os::unix::fs::symlink(source.file_name().unwrap(), target).unwrap();
        }
    }
}

/// A running server: a database host of a staged tree, in a room.
pub(crate) struct Cluster {
    pub(crate) room: Room,
    pub(crate) major: u16,
    /// The folder of the data files.
    data: String,
}

impl Cluster {
    /// The host in `folder` of a staged tree; the cluster is made as Debian's packages make it:
    /// configuration below `/etc`, data below `/var/lib`, and `conf.d` included last.
    pub(crate) fn new(folder: &Path, major: u16, addresses: &[&str]) -> Self {
        let room = Room::new(&folder.join("rootfs"), Some(servers()), addresses);
        let cluster = Self {
            room,
            major,
            data: format!("/var/lib/postgresql/{major}/main"),
        };
        let data = &cluster.data;
        cluster.room.script(&format!(
            "mkdir -p {data} /var/log/postgresql /run/postgresql\n\
             chown postgres:postgres {data} /var/log/postgresql /run/postgresql"
        ));
        cluster.room.apply(&folder.join("perms.tsv"));
        cluster
    }

    /// A database cluster without anything in it.
    pub(crate) fn init(&self) {
        run(self.server("initdb").args([
            "-D",
            &self.data,
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth-local=peer",
            "--auth-host=scram-sha-256",
        ]));
        self.configure();
    }

    /// `postgresql.conf` as Debian's `pg_createcluster` leaves it.
    pub(crate) fn configure(&self) {
        let (major, data) = (self.major, &self.data);
        let etc = format!("/etc/postgresql/{major}/main");
        self.room.script(&format!(
            "mv {data}/postgresql.conf {data}/pg_ident.conf {etc}/\nrm -f {data}/pg_hba.conf\n\
             cat >>{etc}/postgresql.conf <<'END'\n\
             data_directory = '{data}'\n\
             hba_file = '{etc}/pg_hba.conf'\n\
             ident_file = '{etc}/pg_ident.conf'\n\
             unix_socket_directories = '/var/run/postgresql'\n\
             include_dir = 'conf.d'\n\
             END\n\
             chown -R postgres:postgres {etc}/postgresql.conf {etc}/pg_ident.conf"
        ));
    }

    /// Starts the server; what it logged when it does not.
    pub(crate) fn start(&self) -> Result<(), String> {
        let etc = format!("/etc/postgresql/{}/main", self.major);
        let out = self
            .server("pg_ctl")
            .args(["-D", &self.data, "-w", "-t", "30"])
            .args(["-l", "/var/log/postgresql/log"])
            .args([
                "-o",
                &format!("-c config_file={etc}/postgresql.conf"),
                "start",
            ])
            .output()
            .unwrap();
        if out.status.success() {
            Ok(())
        } else {
            Err(format!("{}\n{}", said(&out), self.log()))
        }
    }

    /// Everything that the server logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.room.seen("/var/log/postgresql/log")).unwrap_or_default()
    }

    /// A program of the server's version, as the user postgres.
    pub(crate) fn server(&self, program: &str) -> Command {
        let folder = format!("/opt/lent/node_modules/postgresql-{}/native", self.major);
        let mut command = self
            .room
            .command("postgres", &format!("{folder}/bin/{program}"));
        command
            .env("LOCPATH", "/opt/lent/locales")
            .env("LD_LIBRARY_PATH", format!("{folder}/lib"));
        command
    }

    /// A program that finds Debian's own clients first, of version 15 whatever the server is; its
    /// wrappers would look for those of the server's version.
    pub(crate) fn client(&self, user: &str, program: &str) -> Command {
        let mut command = self.room.command(user, "env");
        command
            .arg(format!("PATH={CLIENTS}:/usr/bin:/bin"))
            .arg(program);
        command
    }

    /// `psql` as the superuser through the socket.
    pub(crate) fn admin(&self, database: &str, sql: &str) -> Output {
        self.client("postgres", "psql")
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql])
            .output()
            .unwrap()
    }

    /// The answer to a question of the superuser.
    pub(crate) fn ask(&self, sql: &str) -> String {
        let out = self.admin("postgres", sql);
        assert!(out.status.success(), "{sql}: {}", said(&out));
        said(&out).trim_end().to_owned()
    }

    /// Runs a script of SQL as `install.sh` does: from standard input, as the superuser.
    pub(crate) fn feed(&self, sql: &str) -> Output {
        let psql = format!("{CLIENTS}/psql");
        self.room
            .fed("postgres", &[&psql, "-Xq", "-d", "postgres"], sql)
    }
}
