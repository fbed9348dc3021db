//! Deployment files that cannot be used: every problem with its place and its fix.

use std::fmt::Write as _;

use haversack::plan::{self, DeploymentError};

use super::problems;
use crate::support::deployments::{Edit, ONE_SERVER, edited};

/// One broken file: what is changed in the good one, and for each problem its place, id and a part
/// of its message.
pub(super) type Broken = (
    &'static str,
    &'static [Edit<'static>],
    &'static [(&'static str, &'static str)],
);

pub(super) const BROKEN: &[Broken] = &[
    (
        "no format",
        &[("format = 1", "")],
        &[("1:1 E245", "`format` is missing")],
    ),
    (
        "later format",
        &[("format = 1", "format = 2")],
        &[("2:10 E251", "format 2 is not known")],
    ),
    (
        "unknown key",
        &[("edition", "editoin")],
        &[
            ("1:1 E245", "`edition`"),
            ("5:1 E243", "`editoin` is not known"),
        ],
    ),
    (
        "unknown table",
        &[("[storage]", "[strage]")],
        &[("1:1 E245", "`storage`"), ("23:2 E243", "`strage`")],
    ),
    (
        "wrong type",
        &[("\"linux\"", "7")],
        &[("4:10 E244", "`method` is a string, not integer")],
    ),
    (
        "roles as text",
        &[("[\"proxy\", \"app\", \"db\"]", "\"app\"")],
        &[("22:9 E244", "`host[1].roles` is a list of strings")],
    ),
    (
        "unknown method",
        &[("\"linux\"", "\"windows\"")],
        &[("4:10 E246", "`windows` is not known")],
    ),
    (
        "http",
        &[("https://chat", "http://chat")],
        &[("3:7 E246", "does not begin with https://")],
    ),
    (
        "path in url",
        &[("internal\"\nmethod", "internal/chat\"\nmethod")],
        &[("3:7 E246", "has a path")],
    ),
    (
        "credentials in url",
        &[("https://chat", "https://me:hunter2@chat")],
        &[("3:7 E246", "holds a user name or password")],
    ),
    (
        "no app",
        &[("\"proxy\", \"app\", \"db\"", "\"proxy\", \"db\"")],
        &[("1:1 E245", "`host.roles` is missing")],
    ),
    (
        "no database",
        &[(", \"db\"", "")],
        &[("1:1 E245", "`database` is missing")],
    ),
    (
        "unknown role",
        &[("\"db\"", "\"database\"")],
        &[("22:26 E246", "`database` is not known")],
    ),
    (
        "role twice",
        &[("\"db\"", "\"db\", \"db\"")],
        &[("22:32 E247", "the role `db` stands twice")],
    ),
    (
        "database on unknown host",
        &[("+", "[database]\nhost = \"db9\"")],
        &[("26:8 E248", "no host is named `db9`")],
    ),
    (
        "storage on a host without the role",
        &[(
            "\"local\"",
            "\"s3\"\nhost = \"mm1\"\nbucket = \"mattermost\"",
        )],
        &[("25:8 E248", "does not have the role `minio`")],
    ),
    (
        "same host twice",
        &[(
            "+",
            "[[host]]\nname = \"mm1\"\naddress = \"10.20.0.11\"\ndistro = \"debian-12\"\nroles = [\"app\"]",
        )],
        &[("26:8 E247", "the host `mm1` is defined twice")],
    ),
    (
        "same address twice",
        &[(
            "+",
            "[[host]]\nname = \"mm2\"\naddress = \"10.20.0.10\"\ndistro = \"debian-12\"\nroles = [\"app\"]",
        )],
        &[("27:11 E247", "have the same address 10.20.0.10")],
    ),
    (
        "two databases",
        &[(
            "+",
            "[[host]]\nname = \"mm2\"\naddress = \"10.20.0.11\"\ndistro = \"debian-12\"\nroles = [\"db\"]",
        )],
        &[("29:10 E247", "both have the role `db`")],
    ),
    (
        "loopback address",
        &[("10.20.0.10", "127.0.0.1")],
        &[("20:11 E246", "no address of a host")],
    ),
    (
        "IPv4 address written as IPv6",
        &[("10.20.0.10", "::ffff:10.20.0.10")],
        &[("20:11 E246", "::ffff:10.20.0.10 is no address of a host")],
    ),
    (
        "IPv4 network written as IPv6",
        &[("10.30.0.0/16", "::ffff:10.30.0.0/112")],
        &[("15:10 E246", "`network.users`")],
    ),
    (
        "name as address",
        &[("10.20.0.10", "mm1.internal")],
        &[("20:11 E246", "`host[1].address`")],
    ),
    (
        "network with host bits",
        &[("10.30.0.0/16", "10.30.0.1/16")],
        &[("15:10 E246", "the network is 10.30.0.0/16")],
    ),
    (
        "no users",
        &[("[\"10.30.0.0/16\"]", "[]")],
        &[("14:1 E245", "`network.users` is missing")],
    ),
    (
        "no key file",
        &[("key = \"pki/chat.key\"\n", "")],
        &[("9:1 E245", "`tls.key` is missing")],
    ),
    (
        "unknown distribution",
        &[("debian-12", "plan9")],
        &[("21:10 E246", "`plan9` is no known distribution")],
    ),
    (
        "distribution of a later version",
        &[("debian-12", "rhel-8")],
        &[("21:10 E246", "`rhel-8` is not yet staged")],
    ),
    (
        "reserved host name",
        &[("\"mm1\"", "\"secrets\"")],
        &[("19:8 E246", "is reserved")],
    ),
    (
        "host name with a slash",
        &[("\"mm1\"", "\"../x\"")],
        &[("19:8 E246", "is no name")],
    ),
    (
        "upload limit 0",
        &[("+", "[limits]\nupload_mb = 0")],
        &[("26:13 E246", "is outside 1 to 10000")],
    ),
    (
        "negative users",
        &[("+", "[limits]\nusers = -1")],
        &[("26:9 E246", "is outside 1 to")],
    ),
    (
        "huge number",
        &[("+", "[limits]\nusers = 99999999999999999999")],
        &[("26:9 E246", "is outside 1 to")],
    ),
    (
        "port 0",
        &[("+", "[database]\nport = 0")],
        &[("26:8 E246", "is outside 1 to 65535")],
    ),
    (
        "bad bucket",
        &[(
            "\"local\"",
            "\"s3\"\nendpoint = \"s3.mm.internal\"\nbucket = \"My_Bucket\"",
        )],
        &[("26:10 E246", "a bucket name has only")],
    ),
    (
        "endpoint with a path",
        &[(
            "\"local\"",
            "\"s3\"\nendpoint = \"https://s3.mm.internal/x\"\nbucket = \"mattermost\"",
        )],
        &[("25:12 E246", "has a path")],
    ),
    (
        "storage without endpoint",
        &[("\"local\"", "\"s3\"\nbucket = \"mattermost\"")],
        &[("23:1 E245", "`storage.host` is missing")],
    ),
    (
        "relative folder",
        &[("\"local\"", "\"local\"\ndirectory = \"data/../etc\"")],
        &[("25:13 E246", "no plain absolute path")],
    ),
    (
        "folder with a quote",
        &[("\"local\"", "\"local\"\ndirectory = \"/data'; rm\"")],
        &[("25:13 E246", "no plain absolute path")],
    ),
    (
        "identifier with a quote",
        &[("+", "[database]\nname = \"a'b\"")],
        &[("26:8 E246", "no plain identifier")],
    ),
    (
        "sslmode",
        &[("+", "[database]\nsslmode = \"verify_full\"")],
        &[("26:11 E246", "`verify_full` is not known")],
    ),
    (
        "DSN of PostgreSQL",
        &[(
            "+",
            "[database]\ndsn = \"postgres://mmuser:hunter2@db/mattermost\"",
        )],
        &[("26:7 E249", "`database.dsn` may hold a password")],
    ),
    (
        "password",
        &[("+", "[database]\npassword = \"hunter2\"")],
        &[("26:1 E249", "`database.password` is a secret")],
    ),
    (
        "private key in the file",
        &[(
            "\"pki/chat.key\"",
            "\"\"\"-----BEGIN PRIVATE KEY-----\nhunter2\n\"\"\"",
        )],
        &[("11:7 E249", "`tls.key` holds a private key")],
    ),
    (
        "per-server buckets",
        &[("roles", "bucket = \"own\"\nroles")],
        &[("22:1 E243", "`host[1].bucket` is not known")],
    ),
    (
        "separate WebSocket port",
        &[("+", "[proxy]\nwebsocket_port = 8443")],
        &[("26:1 E243", "`proxy.websocket_port` is not known")],
    ),
    (
        "long site name",
        &[(
            "method",
            "site_name = \"Mattermost of the whole organization\"\nmethod",
        )],
        &[("4:13 E246", "longer than 30 characters")],
    ),
    (
        "push proxy without a host",
        &[("+", "[push]\nmode = \"proxy\"")],
        &[("25:1 E245", "`push.host` is missing")],
    ),
    (
        "no time of day",
        &[("+", "[backup]\nat = \"25:00\"")],
        &[("26:6 E246", "no time of day")],
    ),
    (
        "colour",
        &[(
            "[tls]",
            "classification = { level = \"il5\", banner = \"S\", color = \"red\" }\n[tls]",
        )],
        &[("9:57 E246", "is no colour")],
    ),
    (
        "key twice",
        &[("format = 1", "format = 1\nformat = 1")],
        &[("3:1 E242", "no TOML: duplicate key")],
    ),
    (
        "open string",
        &[("\"linux\"", "\"linux")],
        &[("4:16 E242", "no TOML")],
    ),
    (
        "terminal codes",
        &[("\"linux\"", "\"li\\u001b[31mnux\"")],
        &[("4:10 E246", "holds control characters")],
    ),
];

#[test]
fn each_broken_file_is_told_with_place_and_fix() {
    let mut failures = String::new();
    for (name, edits, expected) in BROKEN {
        let problems = problems(&edited(ONE_SERVER, edits));
        let found: Vec<(String, &str)> = problems
            .shown
            .iter()
            .map(|one| (format!("{} {}", one.place, one.id), one.message.as_str()))
            .collect();
        let same = found.len() == expected.len()
            && found
                .iter()
                .zip(*expected)
                .all(|((place, message), (at, part))| place == at && message.contains(part));
        if !same {
            writeln!(failures, "{name}: {found:#?}").unwrap();
        }
        for problem in &problems.shown {
            assert!(!problem.hint.is_empty(), "{name}");
        }
        let text = problems.to_string();
        assert!(
            !text.contains("hunter2"),
            "{name}: a secret was repeated\n{text}"
        );
        assert!(!text.contains('\u{1b}'), "{name}");
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(BROKEN.len() >= 25);
}

#[test]
fn all_problems_come_at_once_sorted_by_place() {
    let text = edited(
        ONE_SERVER,
        &[
            ("https://chat", "http://chat"),
            ("\"linux\"", "\"windows\""),
            ("10.20.0.10", "nowhere"),
            ("\"local\"", "\"tape\""),
        ],
    );
    let problems = problems(&text);
    let lines: Vec<usize> = problems.shown.iter().map(|one| one.place.line).collect();
    assert_eq!(lines, [3, 4, 20, 24]);
    assert_eq!(
        problems.shown[1].to_string(),
        "4:10: E246: `method`: `windows` is not known\n  \
           4 | method = \"windows\"\n    \
             |          ^^^^^^^^^\n    \
             = allowed are linux, docker, kubernetes"
    );
}

#[test]
fn hostile_sizes_are_refused_without_a_panic() {
    let mut hosts = ONE_SERVER.to_owned();
    for number in 0..10_000 {
        writeln!(hosts, "[[host]]\nname = \"h{number}\"").unwrap();
    }
    let found = problems(&hosts);
    let shown: Vec<_> = found.shown.iter().map(|one| one.message.as_str()).collect();
    assert!(
        shown.contains(&"10001 tables `[[host]]`; at most 512 are allowed"),
        "{shown:?}"
    );
    for text in [
        "[".repeat(1 << 20),
        "a=".to_owned() + &"[".repeat(1 << 20),
        "{".repeat(100_000),
    ] {
        assert!(
            problems(&text)
                .shown
                .iter()
                .all(|one| one.id.as_str() == "E242")
        );
    }
    let unknown: String = (0..50_000).fold(String::new(), |mut text, number| {
        writeln!(text, "k{number} = 1").unwrap();
        text
    });
    let found = problems(&unknown);
    assert_eq!(found.shown.len(), plan::MAX_PROBLEMS);
    assert!(found.more > 49_000, "{}", found.more);
    let networks = format!("users = [{}]", "\"10.0.0.0/8\",".repeat(257));
    let found = problems(&edited(
        ONE_SERVER,
        &[("users = [\"10.30.0.0/16\"]", &networks)],
    ));
    assert_eq!(found.shown[0].message, "`network.users` has 257 entries");
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.toml");
    let id = |error: DeploymentError| (error.id(), error.hint().is_none());
    assert_eq!(id(plan::load(&file).unwrap_err()), ("E241", false));
    std::fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(id(plan::load(&file).unwrap_err()), ("E241", false));
    std::fs::write(&file, "[".repeat(10 << 20)).unwrap();
    assert_eq!(id(plan::load(&file).unwrap_err()), ("E241", false));
    std::fs::write(&file, ONE_SERVER).unwrap();
    let error = plan::load(&file).unwrap_err();
    let DeploymentError::Invalid { problems, .. } = &error else {
        panic!("{error}");
    };
    let found: Vec<_> = problems
        .shown
        .iter()
        .map(|one| format!("{} {}", one.place, one.id))
        .collect();
    assert_eq!(found, ["10:8 E252", "11:7 E252", "12:6 E252"]);
    assert!(error.to_string().contains("3 problems"), "{error}");
}

#[test]
fn a_file_cut_or_changed_anywhere_gives_problems_and_no_panic() {
    for (at, _) in ONE_SERVER.char_indices() {
        let (head, tail) = ONE_SERVER.split_at(at);
        for text in [
            head.to_owned(),
            tail.to_owned(),
            format!("{head}\"{tail}"),
            format!("{head}\u{e9}\u{0}{tail}"),
            format!("{head}[[{tail}"),
        ] {
            if let Err(problems) = plan::parse(&text) {
                assert!(!problems.shown.is_empty(), "{text}");
                assert!(!problems.to_string().is_empty());
            }
        }
    }
}
