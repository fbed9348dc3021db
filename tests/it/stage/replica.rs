//! The steps of `install.sh` that make a replica, on two real servers joined by a wire.

use crate::stage::topology::HA_S3;
use crate::support::rooms::Room;
use crate::support::staged::{Staged, all_packages, run, said, said as said_of, tool};

/// What both hosts have when their packages and files are installed: a cluster as Debian makes it,
/// its settings below `/etc`. `ctl` is what systemd would do.
const HOST: &str = r#"
mkdir -p /var/lib/postgresql/15/main /var/log/postgresql /run/postgresql /var/lib/haversack/pending /locales
localedef -i en_US -f UTF-8 /locales/en_US.UTF-8
chown -R postgres:postgres /var/lib/postgresql /var/log/postgresql /run/postgresql
printf '10.20.0.20 db1.mm.internal\n10.20.0.21 db2.mm.internal\n' >>/etc/hosts
cat >/ctl.sh <<'END'
export LOCPATH=/locales
ctl() {
    (cd / && runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_ctl -D /var/lib/postgresql/15/main -w \
        -l /var/log/postgresql/log -o '-c config_file=/etc/postgresql/15/main/postgresql.conf' "$@" >/dev/null)
}
END
cat >/fresh.sh <<'END'
data=/var/lib/postgresql/15/main
rm -rf $data
runuser -u postgres -- /usr/lib/postgresql/15/bin/initdb -D $data --no-sync --locale=C.UTF-8 --auth=peer >/dev/null
mv $data/postgresql.conf $data/pg_ident.conf /etc/postgresql/15/main/
rm $data/pg_hba.conf
cat >>/etc/postgresql/15/main/postgresql.conf <<CONF
data_directory = '$data'
hba_file = '/etc/postgresql/15/main/pg_hba.conf'
ident_file = '/etc/postgresql/15/main/pg_ident.conf'
unix_socket_directories = '/run/postgresql'
include_dir = 'conf.d'
CONF
chown -R postgres:postgres /etc/postgresql/15/main
END
# The memory of the plan is not this machine's.
printf "shared_buffers = '32MB'\n" >/etc/postgresql/15/main/conf.d/zz.conf
cd / && sh -e /fresh.sh
"#;

/// The staged step with systemd played by `ctl`.
const STEP: &str = r#"
. /ctl.sh
systemctl() {
    case $1 in
    is-active) [ -f /var/lib/postgresql/15/main/postmaster.pid ] ;;
    start | restart) ctl "$1" ;;
    stop) ctl -m fast stop ;;
    esac
}
set --
. /functions.sh
state=/var/lib/haversack
trap '[ $? -eq 0 ] || echo "stopped: $why"' EXIT
step_replica
echo "changed: $changed"
"#;

struct Pair {
    primary: Room,
    replica: Room,
}

impl Pair {
    fn new(staged: &Staged) -> Self {
        let room = |host: &str| {
            let room = Room::new(&staged.out().join(host).join("rootfs"), None, &[]);
            room.apply(&staged.out().join(host).join("perms.tsv"));
            room.script(HOST);
            room
        };
        let pair = Self {
            primary: room("db1"),
            replica: room("db2"),
        };
        join(&pair);
        let install = staged.script_of("db2", "install.sh");
        let (functions, _) = install.split_once("\ntrap 'finish $?' EXIT").unwrap();
        std::fs::write(pair.replica.seen("/functions.sh"), functions).unwrap();
        pair.primary.script(". /ctl.sh; ctl start");
        for _ in 0..2 {
            let sql = staged.text_of("db1", "/usr/local/share/haversack/db-prepare.sql");
            let program = ["env", "LOCPATH=/locales", "psql", "-Xq", "-d", "postgres"];
            let out = pair.primary.fed("postgres", &program, &sql);
            assert!(out.status.success(), "{}", said(&out));
            assert_eq!(said(&out), "");
        }
        pair
    }

    /// What the step says, and whether it ends well.
    fn step(&self) -> (String, bool) {
        let out = self.replica.fed("root", &["sh", "-e"], STEP);
        (said(&out), out.status.success())
    }
}

/// A wire between the two, with the addresses of the plan.
fn join(pair: &Pair) {
    let (one, other) = (
        pair.primary.pid().to_string(),
        pair.replica.pid().to_string(),
    );
    run(tool("nsenter", "util-linux")
        .args(["--target", &one, "--net", "ip", "link", "add", "wire"])
        .args(["type", "veth", "peer", "name", "wire", "netns", &other]));
    for (pid, address) in [(&one, "10.20.0.20/24"), (&other, "10.20.0.21/24")] {
        let ip = format!("ip addr add {address} dev wire; ip link set wire up");
        run(tool("nsenter", "util-linux").args(["--target", pid, "--net", "sh", "-ec", &ip]));
    }
}

fn ask(room: &Room, database: &str, sql: &str) -> String {
    let script = format!("runuser -u postgres -- psql -XqAt -d {database} <<'END'\n{sql};\nEND");
    room.script(&script).trim_end().to_owned()
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one pair of servers, which take long to make"
)]
fn a_replica_is_copied_once_over_tls_and_follows_its_primary() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let pair = Pair::new(&staged);
    let (said, ok) = pair.step();
    assert!(ok && said.ends_with("changed: 2\n"), "{said}");
    assert!(
        said.contains("  change: copy the database from db1\n"),
        "{said}"
    );
    let (said, ok) = pair.step();
    assert!(ok && said == "changed: 0\n", "{said}");

    ask(
        &pair.primary,
        "mattermost",
        "CREATE TABLE posts AS SELECT generate_series(1, 1000) AS id",
    );
    let end = ask(&pair.primary, "postgres", "SELECT pg_current_wal_lsn()");
    let reached = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'");
    while ask(&pair.replica, "postgres", &reached) != "t" {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(
        ask(
            &pair.replica,
            "mattermost",
            "SELECT count(*), pg_is_in_recovery() FROM posts"
        ),
        "1000|t"
    );
    assert_eq!(
        ask(
            &pair.primary,
            "postgres",
            "SELECT r.application_name, r.client_addr, r.usename, r.state, s.ssl, s.version FROM pg_stat_replication r JOIN pg_stat_ssl s USING (pid)"
        ),
        "db2|10.20.0.21|mmrepl|streaming|t|TLSv1.3"
    );
    assert_eq!(
        ask(
            &pair.primary,
            "postgres",
            "SELECT slot_name, active FROM pg_replication_slots"
        ),
        "mm_db2|t"
    );
    for room in [&pair.primary, &pair.replica] {
        for view in ["pg_file_settings", "pg_hba_file_rules"] {
            let wrong = format!("SELECT count(*) FROM {view} WHERE error IS NOT NULL");
            assert_eq!(ask(room, "postgres", &wrong), "0");
        }
    }

    // verify.sh on both says the same, and says so when the other is away.
    let lines = |host: &str, room: &Room| -> Vec<String> {
        let script = staged.script_of(host, "verify.sh");
        let (head, rest) = script.split_once("\n# --- the tree").unwrap();
        let (_, rest) = rest.split_once("\n# --- PostgreSQL\n").unwrap();
        let (database, _) = rest.split_once("\n# --- certificates").unwrap();
        let (before, after) = head.split_once("\nhere=").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        let text = format!("set --\n{before}\nhere=/\n{after}\nsystemctl() {{ :; }}\n{database}");
        let out = room.fed("root", &["sh"], &text);
        assert!(out.status.success(), "{}", said_of(&out));
        let shown = said_of(&out);
        let lines = shown.lines().filter(|line| line.contains("DB-071"));
        lines.map(ToOwned::to_owned).collect()
    };
    assert_eq!(
        lines("db1", &pair.primary),
        [
            "ok    DB-071 this server is the primary",
            "ok    DB-071 db2 streams from this primary, 0 bytes behind"
        ]
    );
    assert_eq!(
        lines("db2", &pair.replica),
        [
            "ok    DB-071 this server follows its primary",
            "ok    DB-071 the primary sends",
            "ok    DB-071 this replica is 0 seconds behind"
        ]
    );
    pair.replica.script(". /ctl.sh; ctl -m fast stop");
    let away = lines("db1", &pair.primary);
    assert!(
        away[1].starts_with(
            "FAIL  DB-071 db2 does not stream (f|t|reserved||-1); next: on db2, journalctl"
        ),
        "{away:?}"
    );
    pair.replica.script(". /ctl.sh; ctl start");

    // The primary is away: nothing is touched, and the step says so.
    pair.primary.script(". /ctl.sh; ctl -m fast stop");
    let alone = lines("db2", &pair.replica);
    assert!(
        alone[1].starts_with(
            "FAIL  DB-071 the primary sends: found 'nothing', expected 'streaming'; next: "
        ),
        "{alone:?}"
    );
    let (said, ok) = pair.step();
    assert!(ok && said.contains("\nchanged: 0\n"), "{said}");
    assert!(
        said.contains("db1 does not answer; its replica is left as it is"),
        "{said}"
    );
    pair.primary.script(". /ctl.sh; ctl start");

    // A run that was killed between the two moves.
    pair.replica
        .script(". /ctl.sh; ctl -m fast stop; cd /var/lib/postgresql/15; mv main main.new");
    let (said, ok) = pair.step();
    assert!(ok && said.ends_with("changed: 2\n"), "{said}");
    assert!(!said.contains("copy the database"), "{said}");
}

#[test]
fn nothing_that_holds_data_is_ever_replaced_by_a_copy() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let pair = Pair::new(&staged);
    let refused = |why: &str| {
        let before = pair.replica.script("ls -R /var/lib/postgresql | sha256sum");
        let (said, ok) = pair.step();
        assert!(!ok && said.contains(why), "{said}");
        assert_eq!(
            pair.replica.script("ls -R /var/lib/postgresql | sha256sum"),
            before
        );
    };
    // Somebody's database.
    pair.replica.script(
        "cd /; data=/var/lib/postgresql/15/main\n\
         runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_ctl -D $data -w -l /var/log/postgresql/log -o '-c config_file=/etc/postgresql/15/main/postgresql.conf -c primary_slot_name=' start >/dev/null\n\
         runuser -u postgres -- createdb photos\n\
         . /ctl.sh; ctl -m fast stop",
    );
    refused("holds databases that are not of db1");
    // A replica that was made the primary.
    pair.replica
        .script("cd /; rm -rf /var/lib/postgresql/15/main; sh -e /fresh.sh");
    let (said, ok) = pair.step();
    assert!(ok, "{said}");
    pair.replica
        .script(". /ctl.sh; ctl promote; ctl -m fast stop");
    refused("somebody made it the primary");
    // A primary that does not let this host in, for its name is not the one in the certificate.
    pair.replica.script("rm -rf /var/lib/postgresql/15/main; cd /; sh -e /fresh.sh; sed -i 's/host=db1.mm.internal/host=other.mm.internal/' /functions.sh");
    refused("does not match host name \"other.mm.internal\"");
}
