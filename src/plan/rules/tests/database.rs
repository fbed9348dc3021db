//! Cases of the rules in `database.rs` (requirements 52 to 73).

use super::{
    Case, E, Group, HA, NO_DB, PRODUCTION, ParsedCase, REPLICA, S3, StagedCase, THREE_APPS, W,
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

const STAGED: &[StagedCase] = &[];

const PARSED: &[ParsedCase] = &[];
