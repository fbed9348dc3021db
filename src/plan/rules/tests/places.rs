//! Second cases of rules that find more than one thing: each reaches a place that the first case does
//! not (`scripts/mutate-rules` tells which those are).

use super::{
    APART, Case, DOCKER, DOCKER_ROLE, E, Edits, Group, HA, I, IL5, MINIO_ROLE, MINIO_STORAGE,
    NO_DB, S3, StagedCase, TEAM, THREE_APPS, TWO_APPS, W, With, case,
};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: STAGED,
    parsed: &[],
};

const MINIO_PLAIN: (&str, &str) = ("host = \"mm1\"", "host = \"mm1\"\nssl = false");
const LDAP: (&str, &str) = (
    "+",
    "[ldap]\nhost = \"10.20.0.40\"\nbase_dn = \"dc=mm\"\nport = 636\nsecurity = \"tls\"",
);
const SAML: (&str, &str) = (
    "+",
    "[saml]\nidp_url = \"https://idp.mm.internal/sso\"\ndescriptor = \"https://idp.mm.internal\"\ncert = \"idp.pem\"",
);
const KUBERNETES: Edits = &[
    ("\"linux\"", "\"kubernetes\""),
    (
        "[[host]]\nname = \"mm1\"\naddress = \"10.20.0.10\"\ndistro = \"debian-12\"\nroles = [\"proxy\", \"app\", \"db\"]\n",
        "",
    ),
    S3,
    (
        "+",
        "[database]\ndsn_host = \"10.20.0.20\"\n[kubernetes]\nreplicas = 3\ninstall = \"operator\"\nautoscale = true",
    ),
];

const fn supplied(
    id: &'static str,
    level: super::Severity,
    fails: Edits,
    bundle: With,
    passes: Edits,
) -> Case {
    Case {
        id,
        level,
        fails: (fails, bundle),
        passes: (passes, With::Nothing),
    }
}

const CASES: &[Case] = &[
    case(
        "ARCH-001",
        W,
        &[("dns = [\"10.20.0.2\"]", "dns = [\"9.9.9.9\"]")],
        &[],
    ),
    case(
        "ARCH-001",
        W,
        &[("+", "[smtp]\nhost = \"9.9.9.9\"\nport = 465")],
        &[("+", "[smtp]\nhost = \"10.20.0.50\"\nport = 465")],
    ),
    supplied(
        "ARCH-002",
        E,
        &[],
        With::Bundle(&[("postgresql", "13.5")]),
        &[],
    ),
    case(
        "ARCH-006",
        E,
        &[("\"enterprise\"", "\"professional\""), TWO_APPS, S3],
        &[TWO_APPS, S3],
    ),
    case("ARCH-006", E, &[TEAM, LDAP], &[LDAP]),
    case("ARCH-006", E, &[TEAM, SAML], &[SAML]),
    case(
        "ARCH-010",
        E,
        &[("+", "[auth]\nproviders = [\"ldap\"]")],
        &[LDAP, ("+", "[auth]\nproviders = [\"ldap\"]")],
    ),
    case(
        "ARCH-010",
        W,
        &[("+", "[auth]\ncac = true")],
        &[SAML, ("+", "[auth]\ncac = true")],
    ),
    case(
        "ARCH-014",
        W,
        &[
            NO_DB,
            (
                "+",
                "[database]\ndsn_host = \"x.rds.amazonaws.com\"\nprivate_endpoint = true",
            ),
        ],
        &[NO_DB, ("+", "[database]\ndsn_host = \"db.mm.internal\"")],
    ),
    supplied(
        "DB-053",
        W,
        &[],
        With::Bundle(&[("postgresql", "14.20")]),
        &[],
    ),
    case(
        "DB-068",
        W,
        &[("+", "[database]\nsslmode = \"disable\"")],
        &[],
    ),
    case(
        "DB-068",
        E,
        &[IL5, ("+", "[database]\nsslmode = \"disable\"")],
        &[IL5],
    ),
    case("METHOD-040", E, &[HA, S3], &[S3]),
    case("METHOD-040", W, &[HA, S3, TWO_APPS], &[HA, S3, THREE_APPS]),
    case(
        "METHOD-040",
        W,
        &[
            HA,
            S3,
            ("name = \"mm1\"", "name = \"mm1\"\nsite = \"east\""),
            THREE_APPS,
            ("name = \"app3\"", "name = \"app3\"\nsite = \"west\""),
        ],
        &[HA, S3, THREE_APPS],
    ),
    case(
        "METHOD-046",
        E,
        &[
            DOCKER,
            DOCKER_ROLE,
            (
                "+",
                "[[host]]\nname = \"mm2\"\naddress = \"10.20.0.11\"\ndistro = \"debian-12\"\nroles = [\"monitor\"]",
            ),
        ],
        &[DOCKER, DOCKER_ROLE],
    ),
    case(
        "METHOD-048",
        W,
        &[DOCKER, DOCKER_ROLE, ("+", "[limits]\nusers = 2001")],
        &[DOCKER, DOCKER_ROLE, ("+", "[limits]\nusers = 2000")],
    ),
    case(
        "METHOD-048",
        W,
        &[DOCKER, DOCKER_ROLE, super::PRODUCTION],
        &[DOCKER, DOCKER_ROLE],
    ),
    case(
        "METHOD-050",
        I,
        &[
            DOCKER,
            DOCKER_ROLE,
            S3,
            ("+", "[policy]\nha_planned = true"),
        ],
        &[S3, ("+", "[policy]\nha_planned = true")],
    ),
    case(
        "PORT-024",
        W,
        &[(
            "+",
            "[ldap]\nhost = \"10.20.0.40\"\nbase_dn = \"dc=mm\"\nport = 389\nsecurity = \"none\"",
        )],
        &[LDAP],
    ),
    case(
        "PORT-024",
        W,
        &[(
            "+",
            "[ldap]\nhost = \"10.20.0.40\"\nbase_dn = \"dc=mm\"\nport = 3269\nsecurity = \"tls\"",
        )],
        &[LDAP],
    ),
    case(
        "PORT-025",
        W,
        &[(
            "+",
            "[smtp]\nhost = \"10.20.0.50\"\nport = 25\nsecurity = \"none\"",
        )],
        &[(
            "+",
            "[smtp]\nhost = \"10.20.0.50\"\nport = 25\nsecurity = \"starttls\"",
        )],
    ),
    case(
        "PORT-025",
        W,
        &[(
            "+",
            "[smtp]\nhost = \"10.20.0.50\"\nport = 587\nsecurity = \"tls\"",
        )],
        &[(
            "+",
            "[smtp]\nhost = \"10.20.0.50\"\nport = 465\nsecurity = \"tls\"",
        )],
    ),
    case(
        "PORT-026",
        I,
        &[MINIO_ROLE, MINIO_STORAGE, MINIO_PLAIN],
        &[MINIO_ROLE, MINIO_STORAGE],
    ),
    case(
        "PORT-027",
        W,
        &[IL5, ("+", "[proxy]\nrate_limit = 50\n[auth]\nmfa = false")],
        &[IL5, ("+", "[proxy]\nrate_limit = 50")],
    ),
    case(
        "PORT-029",
        W,
        &[("+", "[proxy]\nallow = [\"10.31.0.0/16\"]")],
        &[("+", "[proxy]\nallow = [\"10.30.4.0/24\"]")],
    ),
    case(
        "PORT-030",
        W,
        &[APART, NO_DB, ("10.20.0.20", "10.30.0.20")],
        &[APART, NO_DB],
    ),
    case(
        "PROXY-104",
        E,
        &[IL5, ("[tls]\n", "[tls]\nsource = \"commercial\"\n")],
        &[IL5],
    ),
    Case {
        id: "PROXY-105",
        level: W,
        fails: (&[], With::SelfSigned),
        passes: (&[], With::Nothing),
    },
    case(
        "TOOL-212",
        E,
        &[
            ("[tls]", "ha = true\n[tls]"),
            S3,
            ("[network]", "[network]\nhosts = [\"10.20.0.0/24\"]"),
            (
                "roles = [\"proxy\"",
                "interface = \"eth0\"\nroles = [\"proxy\"",
            ),
            ("+", "[proxy]\nvirtual_address = \"10.21.0.4\""),
        ],
        &[
            ("[tls]", "ha = true\n[tls]"),
            S3,
            ("[network]", "[network]\nhosts = [\"10.20.0.0/24\"]"),
            (
                "roles = [\"proxy\"",
                "interface = \"eth0\"\nroles = [\"proxy\"",
            ),
            ("+", "[proxy]\nvirtual_address = \"10.20.0.4\""),
        ],
    ),
    supplied(
        "TOOL-211",
        E,
        &[("[tls]", "upgrade_from = \"11.9.0\"\n[tls]")],
        With::Bundle(&[("mattermost", "11.7.10")]),
        &[],
    ),
    supplied(
        "TOOL-211",
        I,
        &[("[tls]", "upgrade_from = \"10.5.1\"\n[tls]")],
        With::Bundle(&[("mattermost", "11.7.10")]),
        &[],
    ),
    case("METHOD-034", W, KUBERNETES, &[]),
];

const HBA: &str = "/etc/postgresql/17/main/pg_hba.conf";
const CONF: &str = "/etc/postgresql/17/main/conf.d/mattermost.conf";
const EXPORTS: &str = "/etc/exports.d/mattermost.exports";
const CONFIG: &str = super::CONFIG;

const STAGED: &[StagedCase] = &[
    StagedCase {
        id: "DB-065",
        plan: &[TWO_APPS, S3],
        files: &[
            (
                "mm1",
                HBA,
                "local all postgres peer\nhostssl mattermost mmuser 10.20.0.10/32 scram-sha-256\nhostssl mattermost mmuser 10.20.0.12/32 scram-sha-256\nhost all all 0.0.0.0/0 reject\n",
            ),
            ("mm1", CONF, "password_encryption = 'scram-sha-256'\n"),
        ],
        breaks: &[(
            "mm1",
            HBA,
            "hostssl mattermost mmuser 10.20.0.12/32 scram-sha-256\n",
            "",
        )],
    },
    StagedCase {
        id: "FILES-079",
        plan: &[
            ("\"app\", \"db\"", "\"app\", \"db\", \"nfs\""),
            ("kind = \"local\"", "kind = \"nfs\"\nhost = \"mm1\""),
            TWO_APPS,
        ],
        files: &[(
            "mm1",
            EXPORTS,
            "/export/mattermost_data 10.20.0.10(rw,sync,no_subtree_check,root_squash,anonuid=2000,anongid=2000) 10.20.0.12(rw,sync,no_subtree_check,root_squash,anonuid=2000,anongid=2000)\n",
        )],
        breaks: &[(
            "mm1",
            EXPORTS,
            " 10.20.0.12(rw,sync,no_subtree_check,root_squash,anonuid=2000,anongid=2000)",
            "",
        )],
    },
    StagedCase {
        id: "METHOD-045",
        plan: &[DOCKER, DOCKER_ROLE],
        files: &[("mm1", "install.sh", "docker compose up --detach\n")],
        breaks: &[("mm1", "install.sh", "docker compose", "podman compose")],
    },
    StagedCase {
        id: "TOOL-207",
        plan: &[],
        files: &[(
            "mm1",
            CONFIG,
            r#"{"ServiceSettings": {"SiteURL": "https://chat.mm.internal"}, "TeamSettings": {"SiteName": "Chat"}}"#,
        )],
        breaks: &[("mm1", CONFIG, "{\"Service", "\"Service")],
    },
];
