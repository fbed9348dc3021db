//! Cases of the rules in `architecture.rs` (requirements 1 to 18 and 33).

use super::{
    Case, E, Group, HA, I, IL5, NFS, NO_DB, PRODUCTION, PUSH_ROLE, ParsedCase, S3, StagedCase,
    TEAM, THREE_APPS, W, With, case,
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
];

const STAGED: &[StagedCase] = &[];

const PARSED: &[ParsedCase] = &[];
