//! Cases of the rules in `database.rs` (requirements 52 to 73).

use crate::plan::problem::ProblemId;

use super::{
    Case, E, Group, HA, I, NO_DB, PRODUCTION, ParsedCase, REPLICA, S3, StagedCase, THREE_APPS, W,
    With, case,
};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: STAGED,
    parsed: PARSED,
};

const CASES: &[Case] = &[
    Case {
        id: "DB-052",
        level: E,
        fails: (
            &[("+", "[database]\nversion = 17")],
            With::Bundle(&[("postgresql", "15+248")]),
        ),
        passes: (
            &[("+", "[database]\nversion = 17")],
            With::Bundle(&[("postgresql", "17.5-1.pgdg120+1")]),
        ),
    },
    case(
        "DB-053",
        W,
        &[("+", "[database]\nversion = 14")],
        &[("+", "[database]\nversion = 17")],
    ),
    case(
        "DB-054",
        I,
        &[("+", "[database]\nversion = 15")],
        &[("+", "[database]\nversion = 17")],
    ),
    case(
        "DB-056",
        W,
        &[PRODUCTION],
        &[
            PRODUCTION,
            NO_DB,
            ("+", "[database]\ndsn_host = \"10.20.0.20\""),
        ],
    ),
    case(
        "DB-058",
        E,
        &[("+", "[database]\nuser = \"postgres\"")],
        &[("+", "[database]\nuser = \"mmuser\"")],
    ),
    case(
        "DB-068",
        W,
        &[("+", "[database]\nsslmode = \"require\"")],
        &[("+", "[database]\nsslmode = \"verify-full\"")],
    ),
    case(
        "DB-069",
        W,
        &[("+", "[backup]\nenabled = false")],
        &[("+", "[backup]\nat = \"03:00\"")],
    ),
    case(
        "DB-071",
        W,
        &[HA, THREE_APPS, S3],
        &[HA, THREE_APPS, S3, REPLICA],
    ),
    case(
        "DB-072",
        E,
        &[("+", "[database]\nmax_connections = 119")],
        &[("+", "[database]\nmax_connections = 120")],
    ),
];

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/staged/", $name))
    };
}

const SQL: &str = "/usr/local/share/haversack/db-prepare.sql";
const PREPARE: (&str, &str, &str) = ("mm1", SQL, fixture!("db-prepare.sql"));
const CONF_PATH: &str = "/etc/postgresql/15/main/conf.d/mattermost.conf";
const CONF: (&str, &str, &str) = ("mm1", CONF_PATH, fixture!("postgresql.conf"));
const HBA_PATH: &str = "/etc/postgresql/15/main/pg_hba.conf";
const HBA: (&str, &str, &str) = ("mm1", HBA_PATH, fixture!("pg_hba.conf"));
const ENV_PATH: &str = "/etc/mattermost/mattermost.environment";
const ENV: (&str, &str, &str) = (
    "mm1",
    ENV_PATH,
    "MM_LOG_PATH='/var/log/mattermost'\n\
     MM_SQLSETTINGS_DATASOURCE='postgres://mmuser:Abcdef12345-Ghijkl67890_@chat.mm.internal:5432/mattermost?sslmode=verify-full&sslrootcert=/etc/mattermost/ca.pem&connect_timeout=10'\n\
     MM_SQLSETTINGS_DATASOURCEREPLICAS='postgres://x'\n",
);
const PERMS: (&str, &str, &str) = (
    "mm1",
    "perms.tsv",
    "file\t640\troot\tmattermost\tstage\tmattermost.service\t/etc/mattermost/mattermost.environment\t-\n\
     file\t644\troot\troot\tstage\tpostgresql@15-main.service\t/etc/postgresql/15/main/conf.d/mattermost.conf\t-\n\
     file\t644\troot\troot\tstage\t-\t/etc/motd\t-\n",
);
const CONFIG_PATH: &str = "/opt/mattermost/config/config.json";
const CONFIG: (&str, &str, &str) = (
    "mm1",
    CONFIG_PATH,
    "{\"SqlSettings\":{\"MaxOpenConns\":100}}",
);
const INSTALL: (&str, &str, &str) = (
    "mm1",
    "install.sh",
    "set -eu\nrestart_unit() { systemctl restart \"$1\"; }\nserve postgresql@15-main.service\nserve mattermost-backup.timer\n",
);

const STAGED: &[StagedCase] = &[
    StagedCase {
        id: "DB-057",
        plan: &[],
        files: &[PREPARE],
        breaks: &[
            ("mm1", SQL, "", ""),
            ("mm1", SQL, "ENCODING ''UTF8''", "ENCODING ''LATIN1''"),
            ("mm1", SQL, " LC_COLLATE ''en_US.UTF-8''", ""),
            ("mm1", SQL, "LC_CTYPE ''en_US.UTF-8''", "LC_CTYPE ''C''"),
            ("mm1", SQL, " TEMPLATE template0", ""),
        ],
    },
    StagedCase {
        id: "DB-058",
        plan: &[],
        files: &[PREPARE],
        breaks: &[("mm1", SQL, "LOGIN NOSUPERUSER", "LOGIN SUPERUSER")],
    },
    StagedCase {
        id: "DB-059",
        plan: &[],
        files: &[ENV],
        breaks: &[
            ("mm1", ENV_PATH, "", ""),
            ("mm1", ENV_PATH, "Abcdef12345-Ghijkl67890_", "Abc-123"),
            (
                "mm1",
                ENV_PATH,
                "Abcdef12345-Ghijkl67890_",
                "mmuser-password-123",
            ),
            ("mm1", ENV_PATH, "Abcdef12345-", "Abcdef12345-%0A"),
            ("mm1", ENV_PATH, "mmuser:Abcdef12345-Ghijkl67890_@", ""),
        ],
    },
    StagedCase {
        id: "DB-060",
        plan: &[],
        files: &[ENV, PERMS, PREPARE, ("mm1", "/etc/motd", "welcome")],
        breaks: &[
            ("mm1", "perms.tsv", "file\t640", "file\t644"),
            // Closed, but to the service as well.
            ("mm1", "perms.tsv", "file\t640", "file\t600"),
            ("mm1", SQL, "SCRAM-SHA-256$", "md5"),
            ("mm1", "/etc/motd", "welcome", "Abcdef12345-Ghijkl67890_"),
        ],
    },
    StagedCase {
        id: "DB-061",
        plan: &[],
        files: &[PREPARE],
        breaks: &[(
            "mm1",
            SQL,
            "GRANT ALL PRIVILEGES ON DATABASE",
            "GRANT CONNECT ON DATABASE",
        )],
    },
    StagedCase {
        id: "DB-062",
        plan: &[],
        files: &[PREPARE],
        breaks: &[
            (
                "mm1",
                SQL,
                "GRANT ALL PRIVILEGES ON SCHEMA public TO \"mmuser\";\n",
                "",
            ),
            (
                "mm1",
                SQL,
                "GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA public TO \"mmuser\";\n",
                "",
            ),
            (
                "mm1",
                SQL,
                "GRANT ALL PRIVILEGES ON ALL SEQUENCES IN SCHEMA public TO \"mmuser\";\n",
                "",
            ),
            (
                "mm1",
                SQL,
                "ALTER DATABASE \"mattermost\" OWNER TO \"mmuser\";\n",
                "",
            ),
            ("mm1", SQL, "ALTER SCHEMA public OWNER TO \"mmuser\";\n", ""),
            (
                "mm1",
                SQL,
                "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
                "GRANT CREATE ON SCHEMA public TO PUBLIC",
            ),
        ],
    },
    StagedCase {
        id: "DB-064",
        plan: &[],
        files: &[CONF],
        breaks: &[
            ("mm1", CONF_PATH, "", ""),
            ("mm1", CONF_PATH, "localhost, 10.20.0.10", "*"),
            ("mm1", CONF_PATH, "10.20.0.10", "10.20.0.11"),
            (
                "mm1",
                CONF_PATH,
                "port = 5432",
                "port = 5432\nlisten_addresses = '0.0.0.0'",
            ),
        ],
    },
    StagedCase {
        id: "DB-065",
        plan: &[],
        files: &[HBA, CONF],
        breaks: &[
            ("mm1", HBA_PATH, "", ""),
            ("mm1", HBA_PATH, "10.20.0.10/32", "10.20.0.0/24"),
            ("mm1", HBA_PATH, "scram-sha-256", "md5"),
            ("mm1", HBA_PATH, "hostssl", "host"),
            (
                "mm1",
                HBA_PATH,
                "local   all       all                reject",
                "local all all trust",
            ),
            (
                "mm1",
                HBA_PATH,
                "local   all       all                reject",
                "hostssl all all 10.20.0.9/32 scram-sha-256",
            ),
            (
                "mm1",
                HBA_PATH,
                "host    all       all   0.0.0.0/0    reject\n",
                "",
            ),
            ("mm1", CONF_PATH, "'scram-sha-256'", "'md5'"),
        ],
    },
    StagedCase {
        id: "DB-066",
        plan: &[],
        files: &[CONF, PERMS, INSTALL],
        breaks: &[
            (
                "mm1",
                "perms.tsv",
                "\tpostgresql@15-main.service\t",
                "\t-\t",
            ),
            (
                "mm1",
                "install.sh",
                "serve postgresql@15-main.service\n",
                "",
            ),
            ("mm1", "install.sh", "systemctl restart", "systemctl reload"),
        ],
    },
    StagedCase {
        id: "DB-068",
        plan: &[],
        files: &[ENV, CONF],
        breaks: &[
            ("mm1", ENV_PATH, "verify-full", "require"),
            ("mm1", ENV_PATH, "&sslrootcert=/etc/mattermost/ca.pem", ""),
            ("mm1", CONF_PATH, "ssl = on", "ssl = off"),
            ("mm1", CONF_PATH, "TLSv1.2", "TLSv1"),
        ],
    },
    StagedCase {
        id: "DB-069",
        plan: &[],
        files: &[
            INSTALL,
            (
                "mm1",
                "/etc/systemd/system/mattermost-backup.timer",
                "[Timer]\nOnCalendar=*-*-* 02:30:00\nPersistent=true\n",
            ),
            (
                "mm1",
                "/usr/local/sbin/mattermost-backup",
                "pg_dump --format=custom\nfind -mtime +14\n",
            ),
            (
                "mm1",
                "/usr/local/sbin/mattermost-restore-test",
                "set -eu\npg_restore x\n",
            ),
        ],
        breaks: &[
            ("mm1", "install.sh", "serve mattermost-backup.timer\n", ""),
            (
                "mm1",
                "/etc/systemd/system/mattermost-backup.timer",
                "Persistent=true",
                "",
            ),
            (
                "mm1",
                "/usr/local/sbin/mattermost-backup",
                "pg_dump",
                "true",
            ),
            ("mm1", "/usr/local/sbin/mattermost-restore-test", "", ""),
        ],
    },
    StagedCase {
        id: "DB-070",
        plan: &[("\"app\", \"db\"", "\"app\", \"db\", \"monitor\"")],
        files: &[(
            "mm1",
            "/etc/prometheus/prometheus.yml",
            "targets: [\"10.20.0.10:8067\"]\n",
        )],
        breaks: &[
            ("mm1", "/etc/prometheus/prometheus.yml", "", ""),
            ("mm1", "/etc/prometheus/prometheus.yml", "8067", "9090"),
        ],
    },
    StagedCase {
        id: "DB-071",
        plan: &[REPLICA],
        files: &[
            CONF,
            ENV,
            (
                "mm1",
                HBA_PATH,
                "hostssl replication mmrepl 10.20.0.22/32 scram-sha-256\n",
            ),
            (
                "db2",
                HBA_PATH,
                "hostssl replication mmrepl 10.20.0.10/32 scram-sha-256\n",
            ),
            (
                "db2",
                CONF_PATH,
                "wal_level = 'replica'\nmax_wal_senders = 5\nhot_standby = on\nhot_standby_feedback = on\nprimary_conninfo = 'host=10.20.0.10'\n",
            ),
        ],
        breaks: &[
            (
                "mm1",
                CONF_PATH,
                "wal_level = 'replica'",
                "wal_level = 'minimal'",
            ),
            (
                "mm1",
                CONF_PATH,
                "max_wal_senders = 5",
                "max_wal_senders = 0",
            ),
            ("db2", CONF_PATH, "hot_standby_feedback = on", ""),
            ("db2", CONF_PATH, "primary_conninfo = 'host=10.20.0.10'", ""),
            ("mm1", HBA_PATH, "hostssl replication", "# "),
            ("mm1", ENV_PATH, "MM_SQLSETTINGS_DATASOURCEREPLICAS", "X"),
        ],
    },
    StagedCase {
        id: "DB-072",
        plan: &[],
        files: &[CONF, CONFIG],
        breaks: &[
            (
                "mm1",
                CONF_PATH,
                "max_connections = 150",
                "max_connections = 100",
            ),
            ("mm1", CONF_PATH, "max_connections = 150", ""),
            ("mm1", CONFIG_PATH, "100", "300"),
        ],
    },
];

const PARSED: &[ParsedCase] = &[ParsedCase {
    id: "DB-073",
    refused: &[("+", "[database]\nname = \"Matter most\"")],
    problem: (ProblemId::BadValue, "database.name"),
    read: &[("+", "[database]\nname = \"chat\"\nuser = \"chat_user\"")],
}];
