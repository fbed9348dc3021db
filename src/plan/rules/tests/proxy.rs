//! Cases of the rules in `proxy.rs` (requirements 90 to 115).

use crate::plan::problem::ProblemId;

use super::{Case, E, Group, PRODUCTION, ParsedCase, StagedCase, W, With, case};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: STAGED,
    parsed: PARSED,
};

const CASES: &[Case] = &[
    case(
        "PROXY-103",
        E,
        &[("[tls]", "[tls]\nsource = \"letsencrypt\"")],
        &[("[tls]", "[tls]\nsource = \"internal-ca\"")],
    ),
    case(
        "PROXY-104",
        W,
        &[("[tls]", "[tls]\nsource = \"commercial\"")],
        &[],
    ),
    Case {
        id: "PROXY-105",
        level: E,
        fails: (&[PRODUCTION], With::SelfSigned),
        passes: (&[PRODUCTION], With::Nothing),
    },
    Case {
        id: "PROXY-106",
        level: E,
        fails: (&[], With::OtherName),
        passes: (&[], With::Nothing),
    },
    Case {
        id: "PROXY-113",
        level: W,
        fails: (&[], With::PublicCrl),
        passes: (&[], With::InternalCrl),
    },
];

const STAGED: &[StagedCase] = &[];

const PARSED: &[ParsedCase] = &[ParsedCase {
    id: "PROXY-111",
    refused: &[("+", "[limits]\nupload_mb = 50\nmax_file_size = 100000000")],
    problem: (ProblemId::UnknownKey, "max_file_size"),
    read: &[("+", "[limits]\nupload_mb = 100")],
}];
