//! Cases of the rules in `mistakes.rs`.

use super::{CONFIG, Case, DOCKER, DOCKER_ROLE, E, Group, SITE, StagedCase, case};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: STAGED,
    parsed: &[],
};

const CASES: &[Case] = &[
    case(
        "TOOL-220",
        E,
        &[("internal\"\nmethod", "internal:8065\"\nmethod")],
        &[],
    ),
    case(
        "TOOL-220",
        E,
        &[("internal\"\nmethod", "internal:80\"\nmethod")],
        &[("internal\"\nmethod", "internal:8443\"\nmethod")],
    ),
    case(
        "TOOL-220",
        E,
        &[
            ("internal\"\nmethod", "internal:6432\"\nmethod"),
            ("+", "[database]\nport = 6432"),
        ],
        &[("internal\"\nmethod", "internal:6432\"\nmethod")],
    ),
];

const UNIT: &str = "/etc/systemd/system/mattermost.service";
const COMPOSE: &str = "/opt/mattermost-docker/compose.yaml";

const STAGED: &[StagedCase] = &[
    StagedCase {
        id: "TOOL-216",
        plan: &[],
        files: &[
            (
                "mm1",
                CONFIG,
                r#"{"ServiceSettings": {"TrustedProxyIPHeader": ["X-Forwarded-For", "X-Real-IP"]}}"#,
            ),
            (
                "mm1",
                SITE,
                "proxy_set_header X-Real-IP $remote_addr;\nproxy_set_header X-Forwarded-For $remote_addr;\n",
            ),
        ],
        breaks: &[
            ("mm1", CONFIG, "\"X-Forwarded-For\", ", ""),
            ("mm1", SITE, "X-Real-IP $remote_addr", "X-Real-IP $host"),
            (
                "mm1",
                SITE,
                "X-Forwarded-For $remote_addr",
                "X-Forwarded-For $proxy_add_x_forwarded_for",
            ),
        ],
    },
    // Without a proxy a client could write the header.
    StagedCase {
        id: "TOOL-216",
        plan: &[("\"proxy\", ", "")],
        files: &[(
            "mm1",
            CONFIG,
            r#"{"ServiceSettings": {"TrustedProxyIPHeader": []}}"#,
        )],
        breaks: &[("mm1", CONFIG, "[]", "[\"X-Real-IP\"]")],
    },
    StagedCase {
        id: "TOOL-217",
        plan: &[],
        files: &[(
            "mm1",
            UNIT,
            "[Service]\nTimeoutStartSec=3600\nKillMode=mixed\n",
        )],
        breaks: &[
            ("mm1", UNIT, "3600", "90"),
            ("mm1", UNIT, "TimeoutStartSec=3600\n", ""),
            ("mm1", UNIT, "", ""),
        ],
    },
    StagedCase {
        id: "TOOL-218",
        plan: &[DOCKER, DOCKER_ROLE],
        files: &[(
            "mm1",
            COMPOSE,
            "services:\n  nginx:\n    image: registry.mm.internal:5000/nginx:1.28.0\n    pull_policy: never\n  postgres:\n    image: postgres@sha256:00\n    pull_policy: never\n",
        )],
        breaks: &[
            ("mm1", COMPOSE, "never", "always"),
            ("mm1", COMPOSE, "    pull_policy: never\n", ""),
            ("mm1", COMPOSE, "1.28.0", "latest"),
            ("mm1", COMPOSE, ":1.28.0", ""),
        ],
    },
    StagedCase {
        id: "TOOL-219",
        plan: &[DOCKER, DOCKER_ROLE],
        files: &[(
            "mm1",
            COMPOSE,
            "services:\n  postgres:\n    image: postgres:18.1\n    volumes:\n      - ./volumes/db:/var/lib/postgresql\nnetworks:\n",
        )],
        breaks: &[
            ("mm1", COMPOSE, "postgres:18.1", "postgres:17.6"),
            (
                "mm1",
                COMPOSE,
                "/var/lib/postgresql",
                "/var/lib/postgresql/data",
            ),
            ("mm1", COMPOSE, "postgres:18.1", "postgres:stable"),
        ],
    },
    StagedCase {
        id: "TOOL-219",
        plan: &[DOCKER, DOCKER_ROLE],
        files: &[(
            "mm1",
            COMPOSE,
            "services:\n  postgres:\n    image: postgres:17.6\n    volumes:\n      - ./volumes/db:/var/lib/postgresql/data\n",
        )],
        breaks: &[("mm1", COMPOSE, "postgresql/data", "postgresql")],
    },
];
