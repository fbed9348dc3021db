//! Cases of the rules in `ports.rs` (requirements 19 to 32).

use crate::plan::problem::ProblemId;

use super::{
    CONFIG, Case, E, ENVIRONMENT, Edits, Group, HA, IL5, NFT, ParsedCase, S3, S3_PLAIN, SITE,
    StagedCase, TWO_APPS, W, case,
};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: STAGED,
    parsed: PARSED,
};

const CASES: &[Case] = &[
    case(
        "PORT-024",
        E,
        &[(
            "+",
            "[ldap]\nhost = \"10.20.0.40\"\nbase_dn = \"dc=mm\"\nport = 636\nsecurity = \"starttls\"",
        )],
        &[(
            "+",
            "[ldap]\nhost = \"10.20.0.40\"\nbase_dn = \"dc=mm\"\nport = 389\nsecurity = \"starttls\"",
        )],
    ),
    case(
        "PORT-025",
        W,
        &[("+", "[smtp]\nhost = \"10.20.0.50\"\nport = 10025")],
        &[("+", "[smtp]\nhost = \"10.20.0.50\"\nport = 465")],
    ),
    case("PORT-026", W, &[S3_PLAIN], &[S3]),
    case(
        "PORT-027",
        W,
        &[IL5],
        &[IL5, ("+", "[proxy]\nrate_limit = 50")],
    ),
    case("PORT-028", E, &[IL5, (", banner = \"SECRET\"", "")], &[IL5]),
    case("PORT-029", W, &[("10.30.0.0/16", "0.0.0.0/0")], &[]),
    case("PORT-030", W, &[("10.30.0.0/16", "10.20.0.0/16")], &[]),
];

const GOSSIP: Edits = &[HA, S3, TWO_APPS];
const GOSSIP_FILTERS: &[(&str, &str, &str)] = &[
    (
        "mm1",
        NFT,
        "table inet haversack {
    chain input {
        ip saddr { 10.20.0.12 } tcp dport 8074 accept comment \"gossip\"
        ip saddr { 10.20.0.12 } udp dport 8074 accept comment \"gossip\"
    }
    chain output {
        ip daddr { 10.20.0.99 } tcp dport 8074 accept comment \"gossip\"
    }
}
",
    ),
    (
        "app2",
        NFT,
        "table inet haversack {
    chain input {
        ip saddr { 10.20.0.10 } tcp dport 8074 accept comment \"gossip\"
        ip saddr { 10.20.0.10 } udp dport 8074 accept comment \"gossip\"
    }
    chain output {
        ip daddr { 10.20.0.99 } tcp dport 8074 accept comment \"gossip\"
    }
}
",
    ),
];

const FILTER: &str = "table inet haversack {\n    chain input {\n        type filter hook input priority filter; policy drop;\n        ip saddr { 10.30.0.0/16 } tcp dport 443 accept comment \"users\"\n        ip saddr { 10.20.9.0/28 } tcp dport 8065 accept comment \"admin\"\n        ip saddr { 10.20.9.5/32 } tcp dport 8067 accept comment \"metrics\"\n        ip saddr { 10.20.0.12/32 } tcp dport 5432 accept comment \"database\"\n    }\n    chain output {\n    }\n}\n";
const DATABASE_CONF: &str = "/etc/postgresql/17/main/conf.d/mattermost.conf";
const HBA: &str = "/etc/postgresql/17/main/pg_hba.conf";

const STAGED: &[StagedCase] = &[
    StagedCase {
        id: "PORT-021",
        plan: GOSSIP,
        files: GOSSIP_FILTERS,
        breaks: &[
            ("mm1", NFT, "tcp dport 8074", "tcp dport 8075"),
            ("app2", NFT, "udp dport 8074", "udp dport 8075"),
            ("app2", NFT, "", ""),
        ],
    },
    StagedCase {
        id: "PORT-032",
        plan: GOSSIP,
        files: GOSSIP_FILTERS,
        breaks: &[
            ("mm1", NFT, "10.20.0.12 } tcp", "10.20.0.0/24 } tcp"),
            ("mm1", NFT, "ip saddr { 10.20.0.12 } udp", "udp"),
            (
                "app2",
                NFT,
                "10.20.0.10 } udp",
                "10.20.0.10, 10.20.0.12 } udp",
            ),
        ],
    },
    StagedCase {
        id: "PORT-028",
        plan: &[IL5],
        files: &[(
            "mm1",
            CONFIG,
            r#"{"AnnouncementSettings": {"EnableBanner": true, "BannerText": "SECRET", "AllowBannerDismissal": false}}"#,
        )],
        breaks: &[
            (
                "mm1",
                CONFIG,
                r#""EnableBanner": true"#,
                r#""EnableBanner": false"#,
            ),
            ("mm1", CONFIG, "SECRET", "NONE"),
            ("mm1", CONFIG, "", ""),
        ],
    },
    StagedCase {
        id: "PORT-019",
        plan: &[],
        files: &[
            (
                "mm1",
                CONFIG,
                r#"{"ServiceSettings": {"ListenAddress": ":8065", "ConnectionSecurity": ""}}"#,
            ),
            (
                "mm1",
                SITE,
                "server {\n    listen 80;\n}\nserver {\n    listen 443 ssl http2;\n}\n",
            ),
        ],
        breaks: &[
            ("mm1", CONFIG, ":8065", ":443"),
            ("mm1", SITE, "443 ssl", "443"),
            ("mm1", SITE, "443 ssl", "8443 ssl"),
        ],
    },
    StagedCase {
        id: "PORT-022",
        plan: &[("+", "[monitoring]\nhosts = [\"10.20.9.5\"]")],
        files: &[
            ("mm1", CONFIG, r#"{"MetricsSettings": {"Enable": true}}"#),
            ("mm1", NFT, FILTER),
        ],
        breaks: &[
            ("mm1", CONFIG, "true", "false"),
            ("mm1", NFT, "10.20.9.5/32", "10.20.9.0/24"),
        ],
    },
    StagedCase {
        id: "PORT-023",
        plan: &[("+", "[database]\nport = 5433")],
        files: &[
            (
                "mm1",
                DATABASE_CONF,
                "listen_addresses = 'x'\nport = 5433\n",
            ),
            (
                "mm1",
                ENVIRONMENT,
                "MM_SQLSETTINGS_DATASOURCE='postgres://mmuser:x@db:5433/mattermost'\n",
            ),
        ],
        breaks: &[
            ("mm1", DATABASE_CONF, "5433", "5432"),
            ("mm1", ENVIRONMENT, "5433", "5432"),
            ("mm1", DATABASE_CONF, "", ""),
        ],
    },
    StagedCase {
        id: "PORT-029",
        plan: &[],
        files: &[("mm1", NFT, FILTER)],
        breaks: &[
            ("mm1", NFT, "policy drop", "policy accept"),
            ("mm1", NFT, "10.20.9.0/28 }", "10.20.9.0/28, 10.30.0.0/16 }"),
            ("mm1", NFT, "ip saddr { 10.20.9.5/32 } tcp", "tcp"),
        ],
    },
    StagedCase {
        id: "PORT-030",
        plan: &[],
        files: &[("mm1", NFT, FILTER)],
        breaks: &[("mm1", NFT, "10.20.9.0/28", "10.20.0.0/16")],
    },
    StagedCase {
        id: "PORT-031",
        plan: &[HA, S3, TWO_APPS],
        files: &[
            (
                "mm1",
                HBA,
                "local all postgres peer\nhostssl mattermost mmuser 10.20.0.10/32 scram-sha-256\n\
                 hostssl mattermost mmuser 10.20.0.12/32 scram-sha-256\nhost all all 0.0.0.0/0 reject\n",
            ),
            ("mm1", NFT, FILTER),
            ("app2", NFT, "chain input { policy drop; }"),
        ],
        breaks: &[
            ("mm1", HBA, "10.20.0.12/32", "10.20.0.0/24"),
            ("mm1", HBA, "reject", "scram-sha-256"),
            ("mm1", HBA, "", ""),
            ("mm1", NFT, "10.20.0.12/32", "10.20.0.99/32"),
        ],
    },
    StagedCase {
        id: "TOOL-208",
        plan: &[HA, S3, TWO_APPS],
        files: &[
            (
                "mm1",
                ENVIRONMENT,
                "MM_CLUSTERSETTINGS_ADVERTISEADDRESS='10.20.0.10'\n",
            ),
            (
                "app2",
                ENVIRONMENT,
                "MM_CLUSTERSETTINGS_ADVERTISEADDRESS='10.20.0.12'\n",
            ),
        ],
        breaks: &[
            ("app2", ENVIRONMENT, "10.20.0.12", "10.20.0.10"),
            ("mm1", ENVIRONMENT, "", ""),
        ],
    },
];

const PARSED: &[ParsedCase] = &[ParsedCase {
    id: "PORT-020",
    refused: &[("+", "[proxy]\nwebsocket_port = 8443")],
    problem: (ProblemId::UnknownKey, "proxy.websocket_port"),
    read: &[("+", "[proxy]\nrate_limit = 50")],
}];
