//! Cases of the rules in `method.rs` (requirements 34 to 51).

use crate::plan::problem::ProblemId;

use super::{
    CONFIG, Case, DOCKER, DOCKER_ROLE, E, ENVIRONMENT, Group, HA, I, NFS, NO_DB, ParsedCase, S3,
    StagedCase, THREE_APPS, TWO_APPS, W, With, case,
};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: STAGED,
    parsed: PARSED,
};

const CASES: &[Case] = &[
    case("METHOD-040", E, &[TWO_APPS, S3], &[HA, THREE_APPS, S3]),
    case(
        "METHOD-041",
        E,
        &[HA, THREE_APPS, S3],
        &[
            HA,
            THREE_APPS,
            S3,
            NO_DB,
            ("+", "[database]\ndsn_host = \"10.20.0.20\""),
        ],
    ),
    case(
        "METHOD-043",
        E,
        &[
            DOCKER,
            DOCKER_ROLE,
            ("+", "[policy]\ncontainers = \"prohibited\""),
        ],
        &[("+", "[policy]\ncontainers = \"prohibited\"")],
    ),
    case(
        "METHOD-046",
        E,
        &[DOCKER, DOCKER_ROLE, HA],
        &[DOCKER, DOCKER_ROLE],
    ),
    case(
        "METHOD-048",
        E,
        &[
            DOCKER,
            DOCKER_ROLE,
            ("+", "[policy]\nbusiness_continuity = true"),
        ],
        &[DOCKER, DOCKER_ROLE],
    ),
    case(
        "METHOD-050",
        I,
        &[("+", "[policy]\nha_planned = true")],
        &[NFS, ("+", "[policy]\nha_planned = true")],
    ),
    case(
        "METHOD-051",
        E,
        &[DOCKER, DOCKER_ROLE, ("+", "[policy]\nstig = true")],
        &[("+", "[policy]\nstig = true")],
    ),
    case("TOOL-201", E, &[DOCKER, DOCKER_ROLE], &[]),
    case(
        "TOOL-204",
        E,
        &[("\"app\", \"db\"", "\"app\", \"db\", \"docker\"")],
        &[],
    ),
    case(
        "METHOD-034",
        W,
        &[
            KUBERNETES,
            NO_HOST,
            (
                "+",
                "[kubernetes]\nreplicas = 3\ninstall = \"chart\"\nautoscale = true",
            ),
            S3,
            OUTER_DB,
        ],
        &[
            KUBERNETES,
            NO_HOST,
            ("+", "[kubernetes]\nreplicas = 3\ninstall = \"chart\""),
            S3,
            OUTER_DB,
        ],
    ),
    Case {
        id: "METHOD-036",
        level: W,
        fails: (
            &[
                HA,
                S3,
                THREE_APPS,
                ("[tls]", "upgrade_from = \"11.5.0\"\n[tls]"),
            ],
            With::Bundle(&[
                ("mattermost", "11.7.9"),
                ("nginx", "1"),
                ("postgresql", "17.5"),
            ]),
        ),
        passes: (
            &[
                HA,
                S3,
                THREE_APPS,
                ("[tls]", "upgrade_from = \"11.6.0\"\n[tls]"),
            ],
            With::Bundle(&[
                ("mattermost", "11.7.9"),
                ("nginx", "1"),
                ("postgresql", "17.5"),
            ]),
        ),
    },
    case(
        "METHOD-038",
        W,
        &[
            DOCKER,
            DOCKER_ROLE,
            (
                "+",
                "[registry]\nhost = \"1.dkr.ecr.us-east-1.amazonaws.com\"",
            ),
        ],
        &[
            DOCKER,
            DOCKER_ROLE,
            ("+", "[registry]\nhost = \"registry.mm.internal:5000\""),
        ],
    ),
];

const COMPOSE: &str = "/opt/mattermost-docker/compose.yaml";
const KUBERNETES: (&str, &str) = ("\"linux\"", "\"kubernetes\"");
const NO_HOST: (&str, &str) = (
    "[[host]]\nname = \"mm1\"\naddress = \"10.20.0.10\"\ndistro = \"debian-12\"\nroles = [\"proxy\", \"app\", \"db\"]\n",
    "",
);
const OUTER_DB: (&str, &str) = ("+", "[database]\ndsn_host = \"10.20.0.20\"");
const SYSCTL: &str = "/etc/sysctl.d/60-mattermost.conf";

const STAGED: &[StagedCase] = &[
    StagedCase {
        id: "METHOD-042",
        plan: &[],
        files: &[(
            "mm1",
            SYSCTL,
            "-net.core.somaxconn = 4096\n-net.ipv4.ip_local_port_range = 1025 65000\n\
         -net.ipv4.tcp_fin_timeout = 30\n-net.ipv4.tcp_max_syn_backlog = 8192\n",
        )],
        breaks: &[
            ("mm1", SYSCTL, "somaxconn = 4096", "somaxconn = 128"),
            ("mm1", SYSCTL, "", ""),
        ],
    },
    StagedCase {
        id: "METHOD-037",
        plan: &[],
        files: &[
            (
                "mm1",
                ENVIRONMENT,
                "MM_SQLSETTINGS_ATRESTENCRYPTKEY='0123456789abcdef0123'\n",
            ),
            (
                "mm1",
                "perms.tsv",
                "file\t640\troot\tmattermost\tfiles\t-\t/etc/mattermost/mattermost.environment\t-\n",
            ),
            ("mm1", CONFIG, "{\"x\": \"nothing\"}"),
        ],
        breaks: &[
            ("mm1", CONFIG, "nothing", "0123456789abcdef0123"),
            ("mm1", "perms.tsv", "640", "644"),
        ],
    },
    StagedCase {
        id: "METHOD-044",
        plan: &[DOCKER, DOCKER_ROLE],
        files: &[(
            "mm1",
            COMPOSE,
            "name: mattermost\nservices:\n  postgres:\n    image: x\n  mattermost:\n    image: y\n  nginx:\n    image: z\nnetworks:\n  inside:\n",
        )],
        breaks: &[
            ("mm1", COMPOSE, "  nginx:", "  caddy:"),
            (
                "mm1",
                COMPOSE,
                "networks:",
                "  watchtower:\n    image: w\nnetworks:",
            ),
            ("mm1", COMPOSE, "", ""),
        ],
    },
    StagedCase {
        id: "METHOD-045",
        plan: &[DOCKER, DOCKER_ROLE],
        files: &[(
            "mm1",
            "install.sh",
            "docker compose up --detach --pull never\n",
        )],
        breaks: &[
            ("mm1", "install.sh", "docker compose ", "docker-compose "),
            (
                "mm1",
                "install.sh",
                "docker compose up",
                "docker compose config; docker-compose up",
            ),
        ],
    },
];

const PARSED: &[ParsedCase] = &[
    ParsedCase {
        id: "METHOD-039",
        refused: &[("debian-12", "rhel-8")],
        problem: (ProblemId::BadValue, "rhel-8"),
        read: &[("debian-12", "rocky-9")],
    },
    ParsedCase {
        id: "METHOD-049",
        refused: &[("\"linux\"", "\"windows\"")],
        problem: (ProblemId::BadValue, "`windows`"),
        read: &[DOCKER, DOCKER_ROLE],
    },
];
