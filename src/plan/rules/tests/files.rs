//! Cases of the rules in `files.rs` (requirements 74 to 89).

use crate::plan::problem::ProblemId;

use super::{
    Case, E, Group, HA, IL5, MINIO_ROLE, MINIO_STORAGE, NFS, ParsedCase, S3, StagedCase,
    THREE_APPS, W, case,
};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: STAGED,
    parsed: PARSED,
};

const CASES: &[Case] = &[
    case("FILES-074", W, &[MINIO_ROLE], &[MINIO_ROLE, MINIO_STORAGE]),
    case(
        "FILES-076",
        E,
        &[(
            "kind = \"local\"",
            "kind = \"s3\"\nbucket = \"mattermost\"\nendpoint = \"https://s3.amazonaws.com\"",
        )],
        &[S3],
    ),
    case(
        "FILES-078",
        W,
        &[IL5, S3],
        &[IL5, S3, ("bucket =", "encrypted_at_rest = true\nbucket =")],
    ),
    case("FILES-083", W, &[NFS, ("10.20.0.30", "10.30.0.30")], &[NFS]),
    case("FILES-084", W, &[HA, THREE_APPS, NFS], &[NFS]),
    case("FILES-088", W, &[MINIO_ROLE, MINIO_STORAGE], &[S3]),
];

const STAGED: &[StagedCase] = &[];

const PARSED: &[ParsedCase] = &[
    ParsedCase {
        id: "FILES-075",
        refused: &[S3, (":9000", ":9000/path")],
        problem: (ProblemId::BadValue, "storage.endpoint"),
        read: &[S3],
    },
    ParsedCase {
        id: "FILES-077",
        refused: &[S3, ("roles =", "bucket = \"mine\"\nroles =")],
        problem: (ProblemId::UnknownKey, "bucket"),
        read: &[S3],
    },
    ParsedCase {
        id: "FILES-080",
        refused: &[NFS, ("roles =", "directory = \"/mnt/mine\"\nroles =")],
        problem: (ProblemId::UnknownKey, "directory"),
        read: &[NFS],
    },
    ParsedCase {
        id: "FILES-089",
        refused: &[S3, ("bucket =", "region = \"\"\nbucket =")],
        problem: (ProblemId::BadValue, "storage.region"),
        read: &[S3, ("bucket =", "region = \"eu-1\"\nbucket =")],
    },
];
