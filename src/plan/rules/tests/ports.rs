//! Cases of the rules in `ports.rs` (requirements 19 to 32).

use crate::plan::problem::ProblemId;

use super::{
    Case, E, Edits, Group, HA, IL5, ParsedCase, S3, S3_PLAIN, StagedCase, TWO_APPS, W, case,
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

const CONFIG: &str = "/opt/mattermost/config/config.json";
const NFT: &str = "/etc/nftables.d/mattermost.nft";
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
];

const PARSED: &[ParsedCase] = &[ParsedCase {
    id: "PORT-020",
    refused: &[("+", "[proxy]\nwebsocket_port = 8443")],
    problem: (ProblemId::UnknownKey, "proxy.websocket_port"),
    read: &[("+", "[proxy]\nrate_limit = 50")],
}];
