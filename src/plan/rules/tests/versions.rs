//! Cases of the rules in `versions.rs`.

use super::{Case, E, Edits, Group, HA, I, S3, Severity, W, With};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: &[],
    parsed: &[],
};

const OPERATOR: Edits = &[
    ("\"linux\"", "\"kubernetes\""),
    (
        "[[host]]\nname = \"mm1\"\naddress = \"10.20.0.10\"\ndistro = \"debian-12\"\nroles = [\"proxy\", \"app\", \"db\"]\n",
        "",
    ),
    S3,
    HA,
    (
        "+",
        "[database]\ndsn_host = \"10.20.0.20\"\n[kubernetes]\nreplicas = 3",
    ),
];

const fn supplied(
    id: &'static str,
    level: Severity,
    fails: (Edits, With),
    passes: (Edits, With),
) -> Case {
    Case {
        id,
        level,
        fails,
        passes,
    }
}

const CASES: &[Case] = &[
    supplied(
        "TOOL-209",
        W,
        (&[("+", "[database]\nversion = 14")], With::Nothing),
        (&[("+", "[database]\nversion = 15")], With::Nothing),
    ),
    supplied(
        "TOOL-210",
        W,
        (
            &[],
            With::Bundle(&[
                ("mattermost", "11.10.1"),
                ("nginx", "1.22.1"),
                ("postgresql", "17.5"),
            ]),
        ),
        (
            &[],
            With::Bundle(&[
                ("mattermost", "11.7.15"),
                ("nginx", "1.22.1"),
                ("postgresql", "17.5"),
            ]),
        ),
    ),
    supplied(
        "TOOL-211",
        E,
        (
            &[("[tls]", "upgrade_from = \"10.11.17\"\n[tls]")],
            With::Bundle(&[
                ("mattermost", "11.7.2"),
                ("nginx", "1.22.1"),
                ("postgresql", "17.5"),
            ]),
        ),
        (
            &[("[tls]", "upgrade_from = \"11.6.0\"\n[tls]")],
            With::Bundle(&[
                ("mattermost", "11.7.3"),
                ("nginx", "1.22.1"),
                ("postgresql", "17.5"),
            ]),
        ),
    ),
    supplied(
        "TOOL-213",
        I,
        (
            &[],
            With::Bundle(&[
                ("mattermost", "11.7.15"),
                ("nginx", "1.22.1"),
                ("postgresql", "17.5"),
            ]),
        ),
        (&[], With::Nothing),
    ),
    supplied(
        "TOOL-214",
        I,
        (
            &[],
            With::Bundle(&[
                ("mattermost", "11.7.10"),
                ("nginx", "1.22.1"),
                ("postgresql", "17.5"),
            ]),
        ),
        (
            &[],
            With::Bundle(&[
                ("mattermost", "11.7.15"),
                ("nginx", "1.22.1"),
                ("postgresql", "17.5"),
            ]),
        ),
    ),
    supplied(
        "TOOL-215",
        W,
        (OPERATOR, With::Bundle(&[("mattermost", "11.7.15")])),
        (
            OPERATOR,
            With::Bundle(&[("mattermost", "11.9.0"), ("mattermost-operator", "1.25.8")]),
        ),
    ),
];
