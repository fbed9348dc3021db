//! Cases of the rules in `architecture.rs` (requirements 1 to 18 and 33).

use super::{
    APART, CONFIG, Case, E, ENVIRONMENT, Group, HA, I, IL5, NFS, NO_DB, PRODUCTION, PUSH_ROLE,
    ParsedCase, REPLICA, S3, SITE, StagedCase, TEAM, THREE_APPS, TWO_APPS, W, With, case,
};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: STAGED,
    parsed: PARSED,
};

const CASES: &[Case] = &[
    case("ARCH-001", W, &[("10.20.0.10", "8.8.8.8")], &[]),
    case(
        "ARCH-002",
        E,
        &[("+", "[database]\nversion = 13")],
        &[("+", "[database]\nversion = 14")],
    ),
    case("ARCH-004", W, &[PRODUCTION], &[PRODUCTION, NFS]),
    case(
        "ARCH-005",
        W,
        &[PRODUCTION, ("\"proxy\", ", "")],
        &[PRODUCTION],
    ),
    case(
        "ARCH-006",
        E,
        &[TEAM, ("+", "[monitoring]\nhosts = [\"10.20.9.5\"]")],
        &[("+", "[monitoring]\nhosts = [\"10.20.9.5\"]")],
    ),
    case(
        "ARCH-009",
        W,
        &[IL5, ("+", "[mobile]\nenabled = true")],
        &[IL5, ("+", "[mobile]\nenabled = true\nmdm = true")],
    ),
    case(
        "ARCH-010",
        E,
        &[("+", "[auth]\nproviders = [\"google\"]")],
        &[("+", "[auth]\nproviders = [\"openid\"]")],
    ),
    case(
        "ARCH-011",
        E,
        &[("+", "[push]\nmode = \"hosted\"")],
        &[("+", "[push]\nmode = \"off\"")],
    ),
    case(
        "ARCH-012",
        W,
        &[PUSH_ROLE, ("+", "[push]\nmode = \"proxy\"")],
        &[PUSH_ROLE, ("+", "[push]\nmode = \"proxy\"\negress = true")],
    ),
    case(
        "ARCH-014",
        E,
        &[
            NO_DB,
            ("+", "[database]\ndsn_host = \"x.rds.amazonaws.com\""),
        ],
        &[NO_DB, ("+", "[database]\ndsn_host = \"db.mm.internal\"")],
    ),
    case(
        "ARCH-015",
        E,
        &[("+", "[database]\nengine = \"mysql\"")],
        &[("+", "[database]\nengine = \"postgres\"")],
    ),
    case("ARCH-016", I, &[HA, THREE_APPS, NFS], &[HA, THREE_APPS, S3]),
    case("ARCH-017", E, &[HA, THREE_APPS], &[HA, THREE_APPS, S3]),
    case(
        "ARCH-033",
        W,
        &[("+", "[limits]\nusers = 2000")],
        &[("+", "[limits]\nusers = 1999")],
    ),
    Case {
        id: "TOOL-202",
        level: E,
        fails: (
            &[],
            With::Bundle(&[("mattermost", "11.7.9"), ("nginx", "1.22.1-9")]),
        ),
        passes: (
            &[],
            With::Bundle(&[
                ("mattermost", "11.7.9"),
                ("nginx", "1.22.1-9"),
                ("postgresql", "17.5-1"),
            ]),
        ),
    },
    case(
        "TOOL-203",
        W,
        &[
            ("dns = [\"10.20.0.2\"]", ""),
            ("+", "[smtp]\nhost = \"mail.mm.internal\""),
        ],
        &[("+", "[smtp]\nhost = \"mail.mm.internal\"")],
    ),
    case(
        "TOOL-212",
        E,
        &[("dns =", "hosts = [\"10.21.0.0/24\"]\ndns =")],
        &[("dns =", "hosts = [\"10.20.0.0/24\"]\ndns =")],
    ),
];

const STAGED: &[StagedCase] = &[
    StagedCase {
        id: "ARCH-003",
        plan: &[
            NO_DB,
            APART,
            REPLICA,
            ("\"proxy\", ", ""),
            (
                "+",
                "[[host]]\nname = \"web1\"\naddress = \"10.20.0.5\"\ndistro = \"debian-12\"\nroles = [\"proxy\"]\n",
            ),
        ],
        files: &[
            ("db1", "install.sh", "#!/bin/sh\n"),
            ("db2", "install.sh", "#!/bin/sh\n"),
            ("mm1", "install.sh", "#!/bin/sh\n"),
            ("web1", "install.sh", "#!/bin/sh\n"),
        ],
        breaks: &[
            ("db1", "", "", ""),
            ("db2", "", "", ""),
            ("mm1", "", "", ""),
        ],
    },
    // The database on an application server: the other server and the replica come after it.
    StagedCase {
        id: "ARCH-003",
        plan: &[TWO_APPS, REPLICA],
        files: &[
            (
                "mm1",
                "/etc/systemd/system/mattermost.service",
                "[Unit]\nAfter=network-online.target postgresql.service\n",
            ),
            ("app2", "install.sh", "#!/bin/sh\n"),
            ("db2", "install.sh", "#!/bin/sh\n"),
        ],
        breaks: &[
            ("mm1", "", "", ""),
            (
                "mm1",
                "/etc/systemd/system/mattermost.service",
                " postgresql.service",
                "",
            ),
        ],
    },
    StagedCase {
        id: "ARCH-007",
        plan: &[HA, S3, TWO_APPS, NO_DB, APART],
        files: &[
            ("db1", "install.sh", "#!/bin/sh\n"),
            ("db1", "/opt/mattermost/config/other.json", "{}"),
            ("mm1", CONFIG, r#"{"SqlSettings": {"Trace": false}}"#),
            ("app2", CONFIG, r#"{"SqlSettings": {"Trace": false}}"#),
        ],
        breaks: &[("app2", CONFIG, "false", "true"), ("mm1", CONFIG, "", "")],
    },
    StagedCase {
        id: "ARCH-008",
        plan: &[],
        files: &[(
            "mm1",
            SITE,
            "location ~ /api/v[0-9]+/(users/)?websocket$ {\n    proxy_set_header Upgrade $http_upgrade;\n    \
             proxy_set_header Connection \"upgrade\";\n}\nlocation / {\n    proxy_set_header Connection \"\";\n}\n",
        )],
        breaks: &[
            ("mm1", SITE, "proxy_set_header Upgrade $http_upgrade;", ""),
            ("mm1", SITE, "\"upgrade\"", "\"close\""),
            ("mm1", SITE, "websocket", "socket"),
        ],
    },
    StagedCase {
        id: "ARCH-013",
        plan: &[],
        files: &[(
            "mm1",
            CONFIG,
            r#"{"EmailSettings": {"SendEmailNotifications": false, "SMTPServer": "",
                "EnablePreviewModeBanner": false, "RequireEmailVerification": false},
                "ServiceSettings": {"EnableEmailInvitations": false}}"#,
        )],
        breaks: &[
            (
                "mm1",
                CONFIG,
                r#""SendEmailNotifications": false"#,
                r#""SendEmailNotifications": true"#,
            ),
            (
                "mm1",
                CONFIG,
                r#""EnableEmailInvitations": false"#,
                r#""EnableEmailInvitations": true"#,
            ),
            ("mm1", CONFIG, "", ""),
        ],
    },
    StagedCase {
        id: "ARCH-018",
        plan: &[],
        files: &[(
            "mm1",
            CONFIG,
            r#"{"PluginSettings": {"RequirePluginSignature": true, "EnableUploads": false, "EnableRemoteMarketplace": false}}"#,
        )],
        breaks: &[
            (
                "mm1",
                CONFIG,
                r#""RequirePluginSignature": true"#,
                r#""RequirePluginSignature": false"#,
            ),
            (
                "mm1",
                CONFIG,
                r#""EnableUploads": false"#,
                r#""EnableUploads": true"#,
            ),
        ],
    },
    StagedCase {
        id: "TOOL-206",
        plan: &[],
        files: &[
            (
                "mm1",
                CONFIG,
                r#"{"LogSettings": {"FileLocation": "/var/log/mattermost"}}"#,
            ),
            ("mm1", ENVIRONMENT, "MM_LOG_PATH='/var/log/mattermost'\n"),
        ],
        breaks: &[
            ("mm1", CONFIG, "/var/log/mattermost", "/var/log/mattermost2"),
            ("mm1", ENVIRONMENT, "MM_LOG_PATH", "MM_LOG"),
        ],
    },
    StagedCase {
        id: "TOOL-207",
        plan: &[],
        files: &[(
            "mm1",
            CONFIG,
            r#"{"ServiceSettings": {"SiteURL": "https://chat.mm.internal"}, "TeamSettings": {"SiteName": "Chat"}}"#,
        )],
        breaks: &[
            ("mm1", CONFIG, "https:", "http:"),
            ("mm1", CONFIG, "mm.internal", "mm.internal/"),
            (
                "mm1",
                CONFIG,
                "\"Chat\"",
                "\"A name that is longer than the server allows\"",
            ),
        ],
    },
];

const PARSED: &[ParsedCase] = &[];
