//! Cases of the rules in `method.rs` (requirements 34 to 51).

use crate::plan::problem::ProblemId;

use super::{
    Case, DOCKER, DOCKER_ROLE, E, Group, HA, I, NFS, NO_DB, ParsedCase, REPLICA, S3, StagedCase,
    THREE_APPS, TWO_APPS, case,
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
];

const SYSCTL: &str = "/etc/sysctl.d/60-mattermost.conf";

const STAGED: &[StagedCase] = &[StagedCase {
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
}];

const PARSED: &[ParsedCase] = &[
    ParsedCase {
        id: "METHOD-038",
        refused: &[("\"linux\"", "\"eks\"")],
        problem: (ProblemId::BadValue, "`eks`"),
        read: &[],
    },
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
