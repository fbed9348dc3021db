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

const CONFIG: &str = "/opt/mattermost/config/config.json";
const ENVIRONMENT: &str = "/etc/mattermost/mattermost.environment";
const SERVICE: &str = "/etc/systemd/system/mattermost.service";
const EXPORTS: &str = "/etc/exports.d/mattermost.exports";
const MOUNT: &str = "/etc/systemd/system/mnt-mattermost_data.mount";

const STAGED: &[StagedCase] = &[
    StagedCase {
        id: "FILES-074",
        plan: &[S3],
        files: &[
            (
                "mm1",
                CONFIG,
                "{\"FileSettings\":{\"DriverName\":\"amazons3\",\"AmazonS3Bucket\":\"mattermost\",\"AmazonS3Region\":\"us-east-1\",\"AmazonS3Endpoint\":\"10.20.0.30:9000\"}}",
            ),
            (
                "mm1",
                ENVIRONMENT,
                "MM_FILESETTINGS_AMAZONS3ACCESSKEYID='key'\nMM_FILESETTINGS_AMAZONS3SECRETACCESSKEY='secret'\n",
            ),
        ],
        breaks: &[
            ("mm1", CONFIG, "", ""),
            ("mm1", CONFIG, "amazons3", "local"),
            ("mm1", CONFIG, "us-east-1", ""),
            ("mm1", CONFIG, "10.20.0.30:9000", "https://10.20.0.30:9000"),
            ("mm1", CONFIG, "10.20.0.30:9000", ""),
            ("mm1", ENVIRONMENT, "'secret'", "''"),
            ("mm1", ENVIRONMENT, "", ""),
        ],
    },
    StagedCase {
        id: "FILES-079",
        plan: &[
            ("\"app\", \"db\"", "\"app\", \"db\", \"nfs\""),
            ("kind = \"local\"", "kind = \"nfs\"\nhost = \"mm1\""),
        ],
        files: &[(
            "mm1",
            EXPORTS,
            "# Files\n/export/mattermost_data 10.20.0.10(rw,sync,no_subtree_check,root_squash,anonuid=2000,anongid=2000)\n",
        )],
        breaks: &[
            ("mm1", EXPORTS, "", ""),
            ("mm1", EXPORTS, "10.20.0.10(", "10.20.0.0/24("),
            ("mm1", EXPORTS, "rw,sync", "rw,async"),
            ("mm1", EXPORTS, "root_squash", "no_root_squash"),
            ("mm1", EXPORTS, "anonuid=2000", "anonuid=65534"),
            ("mm1", EXPORTS, "anongid=2000)", "anongid=2000) *(rw)"),
        ],
    },
    StagedCase {
        id: "FILES-081",
        plan: &[NFS],
        files: &[
            (
                "mm1",
                MOUNT,
                "[Mount]\nWhat=10.20.0.30:/export/mattermost_data\nWhere=/mnt/mattermost_data\nOptions=rw,hard,nfsvers=4.2,_netdev,nosuid,nodev,noexec\n",
            ),
            (
                "mm1",
                SERVICE,
                "[Unit]\nRequiresMountsFor=/mnt/mattermost_data\n",
            ),
        ],
        breaks: &[
            ("mm1", MOUNT, "", ""),
            ("mm1", MOUNT, "Where=/mnt/mattermost_data", "Where=/mnt"),
            ("mm1", MOUNT, "hard", "soft"),
            ("mm1", MOUNT, ",noexec", ""),
            ("mm1", MOUNT, "nfsvers=4.2,", ""),
            ("mm1", SERVICE, "RequiresMountsFor=/mnt/mattermost_data", ""),
        ],
    },
    StagedCase {
        id: "FILES-085",
        plan: &[],
        files: &[
            (
                "mm1",
                CONFIG,
                "{\"FileSettings\":{\"DriverName\":\"local\",\"Directory\":\"/opt/mattermost/data\"}}",
            ),
            (
                "mm1",
                SERVICE,
                "[Service]\nUser=mattermost\nReadWritePaths=/opt/mattermost/data\n",
            ),
        ],
        breaks: &[
            ("mm1", CONFIG, "\"local\"", "\"amazons3\""),
            ("mm1", CONFIG, "/opt/mattermost/data", "./data/"),
            ("mm1", SERVICE, "User=mattermost", "User=root"),
            ("mm1", SERVICE, "ReadWritePaths=/opt/mattermost/data", ""),
        ],
    },
];

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
