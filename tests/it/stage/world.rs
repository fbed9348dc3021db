//! A host whose services are played by programs that answer what `/world` holds.

use crate::support::fakeroot::FakeRoot;
use crate::support::staged::{Staged, said};

/// Played programs and what they say when all is well. `/world` holds the answers.
const CURL: &str = r#"case "$*" in *"--config -"*) cat >/keys ;; esac
printf '%s\n' "$*" >>/arguments
case "$*" in
*get_server_status*) cat /world/ping ;;
*license*) cat /world/license ;;
*:8067*) cat /world/metrics ;;
*targets*) cat /world/targets ;;
*"--get "*) cat /world/listing ;;
*"--request PUT"*) cat /world/put ;;
*"--request DELETE"*) cat /world/delete ;;
*haversack-probe*) cat /world/object ;;
*10.20.0.4:443*) cat /world/shared ;;
*redirect_url*) printf '301 https://chat.mm.internal/haversack' ;;
*--dump-header*) printf 'strict-transport-security: max-age=15768000\r\n' ;;
*websocket*) cat /world/upgrade ;;
*api/v4/files*) cat >/dev/null; printf 413 ;;
*) printf 200 ;;
esac"#;
/// The query is the last argument but one, `--command=...`.
const RUNUSER: &str = r#"shift 3
case "$*" in
*pg_replication_slots*) cat /world/slot ;;
*pg_is_in_recovery*) cat /world/recovery ;;
*pg_stat_wal_receiver*) cat /world/receiver ;;
*pg_last_wal_replay_lsn*) cat /world/lag ;;
psql*) echo 0 ;;
pg_restore*) exec sh /world/restore ;;
'sh -c cat'*) shift 3; cat >"$2"; chown "$(cat /world/uid)" "$2" ;;
*) "$@" ;;
esac"#;
const PSQL: &str = r#"printf '%s' "$PGPASSWORD" >/password
case "$*" in
*sslmode=disable*) cat /world/plain ;;
*CREATE*) printf '%s' "$PGPASSWORD" >/password.app; cat /world/table ;;
*) cat /world/guess ;;
esac"#;
const OPENSSL: &str = r#"case "$*" in
s_client*-tls1*) ;;
s_client*) cat /world/handshake ;;
x509*) cat >/dev/null; cat /world/enddate ;;
esac"#;
const SYSTEMCTL: &str = r#"case "$*" in
*Result*) cat /world/backup ;;
is-active*) echo active ;;
esac"#;
const NGINX: &str = r#"case "$*" in
*-T*) cat /world/dump ;;
*-t*) cat /world/test >&2 ;;
esac"#;

pub(super) const TARGETS: &str = r#"{"data":{"activeTargets":[{"scrapeUrl":"http://127.0.0.1:9090/metrics","health":"up"},{"scrapeUrl":"http://10.20.0.11:8067/metrics","lastError":"","health":"up"}]}}"#;

/// The answers of a world in which all is well.
const WELL: &[(&str, &str)] = &[
    (
        "ping",
        "{\"database_status\":\"OK\",\"filestore_status\": \"OK\"}",
    ),
    ("license", "{\"Cluster\":\"true\",\"IsLicensed\":\"true\"}"),
    (
        "metrics",
        "# HELP x\nmattermost_cluster_cluster_health_score 0\n",
    ),
    ("targets", TARGETS),
    ("listing", "200"),
    ("put", "200"),
    ("delete", "204"),
    ("object", "haversack probe"),
    ("shared", "200"),
    ("slot", "t|t|reserved|streaming|0\n"),
    ("recovery", "f\n"),
    ("receiver", "streaming\n"),
    ("lag", "3\n"),
    ("restore", "exit 0"),
    ("uid", "2000"),
    ("plain", "no pg_hba.conf entry\n"),
    ("table", "1\n"),
    ("guess", "denied\n"),
    ("handshake", "    Verify return code: 0 (ok)\n"),
    ("enddate", "notAfter=Jan  1 00:00:00 2090 GMT\n"),
    ("backup", "success\n"),
    (
        "dump",
        "# configuration file /etc/nginx/sites-enabled/mattermost:\n",
    ),
    ("test", "syntax is ok\n"),
    ("ss", "LISTEN 0 1\n"),
    ("upgrade", "101"),
    ("ip", "2: ens18    inet 10.20.0.4/32 scope global ens18\n"),
];

/// A host whose services are played.
pub(super) struct World {
    pub(super) root: FakeRoot,
}

impl World {
    pub(super) fn new(staged: &Staged, host: &str) -> Self {
        let root = FakeRoot::of(&staged.out().join(host));
        for (name, script) in [
            ("curl", CURL),
            ("runuser", RUNUSER),
            ("psql", PSQL),
            ("openssl", OPENSSL),
            ("systemctl", SYSTEMCTL),
            ("nginx", NGINX),
            ("ss", "cat /world/ss"),
            ("sleep", ":"),
            ("ip", "cat /world/ip"),
        ] {
            root.fake(name, script);
        }
        let environment = "/etc/mattermost/mattermost.environment";
        let staged_file = staged.rootfs_of(host, environment);
        if let Ok(text) = std::fs::read_to_string(staged_file) {
            root.write(environment, &text);
        }
        let world = Self { root };
        for (name, text) in WELL {
            world.set(name, text);
        }
        world
    }

    pub(super) fn set(&self, name: &str, text: &str) {
        self.root.write(&format!("/world/{name}"), text);
    }

    /// What `verify.sh` says of the services, and whether it ends well.
    pub(super) fn verify(&self) -> (String, bool) {
        let script = self.root.read("/root/mm1/verify.sh");
        let (head, rest) = script.split_once("\n# --- the tree").unwrap();
        let (_, services) = rest.split_once("\n# --- units\n").unwrap();
        // Packet filter and clock are of the machine, and not what this looks at.
        let from = [
            "\n# --- PostgreSQL\n",
            "\n# --- the database as",
            "\n# --- NGINX",
            "\n# --- Prometheus",
        ]
        .iter()
        .filter_map(|mark| services.find(mark))
        .min()
        .unwrap();
        let (_, services) = services.split_at(from);
        self.root
            .write("/verify.sh", &format!("{head}\n{services}"));
        let out = self.root.shell("sh /verify.sh");
        (said(&out), out.status.success())
    }

    /// With this one answer changed, a line begins with `word` and holds `what`; then the world is well again.
    #[track_caller]
    pub(super) fn says(&self, name: &str, text: &str, word: &str, what: &str) {
        let well = WELL.iter().find(|(one, _)| *one == name).unwrap().1;
        self.set(name, text);
        let (shown, ok) = self.verify();
        self.set(name, well);
        let line = shown
            .lines()
            .find(|line| line.starts_with(word) && line.contains(what));
        let line = line.unwrap_or_else(|| panic!("no `{word} … {what}` in\n{shown}"));
        assert_eq!(ok, word != "FAIL", "{shown}");
        if matches!(word, "FAIL" | "WARN") {
            assert!(line.contains("next: "), "no next step: {line}");
        }
    }

    #[track_caller]
    pub(super) fn well(&self, lines: &[&str]) {
        let (shown, ok) = self.verify();
        assert!(
            ok && !shown.contains("FAIL") && !shown.contains("WARN"),
            "{shown}"
        );
        for line in lines {
            let whole = format!("ok    {line}");
            assert!(
                shown.lines().any(|one| one.starts_with(&whole)),
                "no `{line}` in\n{shown}"
            );
        }
    }
}
