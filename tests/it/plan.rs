//! Deployments and rules, from the file that an operator writes to ids of findings.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use haversack::plan::{
    self, CheckedPlan, Context, DeploymentError, Plan, Problems, Refused, Severity,
};

use crate::support::deployments::{Edit, HA, ONE_SERVER, edited, pki};

const EXAMPLES: [&str; 4] = [
    "deployment-one-server.toml",
    "deployment-high-availability.toml",
    "deployment-docker.toml",
    "deployment-kubernetes.toml",
];

fn example(name: &str) -> String {
    let path = format!("{}/manifests/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A folder with a deployment file and a good certificate beside it.
fn folder(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    pki(&folder.path().join("pki"), "chat.mm.internal");
    let file = folder.path().join("deployment.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn context() -> Context {
    Context {
        now: "2026-11-23T12:00:00Z".parse().unwrap(),
        supply: Vec::new(),
        accepted: Vec::new(),
    }
}

fn checked(text: &str) -> Result<CheckedPlan, Refused> {
    let (_folder, file) = folder(text);
    let loaded = plan::load(&file).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Plan::new(loaded).check(&context())
}

/// Ids of the findings, errors with `!`, in order.
fn ids(text: &str) -> Vec<String> {
    let findings = match checked(text) {
        Ok(checked) => checked.findings().clone(),
        Err(refused) => refused.findings,
    };
    findings
        .iter()
        .map(|one| match one.level {
            Severity::Error => format!("!{}", one.id),
            Severity::Warning | Severity::Info => one.id.to_owned(),
        })
        .collect()
}

fn problems(text: &str) -> Problems {
    plan::parse(text).expect_err(text)
}

#[test]
fn every_example_deployment_is_read() {
    for name in EXAMPLES {
        if let Err(problems) = plan::parse(&example(name)) {
            panic!("{name}\n{problems}");
        }
    }
    let ids_of = |name: &str| ids(&example(name));
    assert_eq!(ids_of(EXAMPLES[0]), ["ARCH-012", "DB-056", "FILES-088"]);
    assert_eq!(ids_of(EXAMPLES[1]), ["!E504", "FILES-088"]);
    assert_eq!(ids_of(EXAMPLES[2]), ["!E501"]);
    assert_eq!(ids_of(EXAMPLES[3]), ["!E501"]);
}

/// One broken file: what is changed in the good one, and for each problem its place, id and a part
/// of its message.
type Broken = (
    &'static str,
    &'static [Edit<'static>],
    &'static [(&'static str, &'static str)],
);

const BROKEN: &[Broken] = &[
    (
        "no format",
        &[("format = 1", "")],
        &[("1:1 E205", "`format` is missing")],
    ),
    (
        "later format",
        &[("format = 1", "format = 2")],
        &[("2:10 E211", "format 2 is not known")],
    ),
    (
        "unknown key",
        &[("edition", "editoin")],
        &[
            ("1:1 E205", "`edition`"),
            ("5:1 E203", "`editoin` is not known"),
        ],
    ),
    (
        "unknown table",
        &[("[storage]", "[strage]")],
        &[("1:1 E205", "`storage`"), ("23:2 E203", "`strage`")],
    ),
    (
        "wrong type",
        &[("\"linux\"", "7")],
        &[("4:10 E204", "`method` is a string, not integer")],
    ),
    (
        "roles as text",
        &[("[\"proxy\", \"app\", \"db\"]", "\"app\"")],
        &[("22:9 E204", "`host[1].roles` is a list of strings")],
    ),
    (
        "unknown method",
        &[("\"linux\"", "\"windows\"")],
        &[("4:10 E206", "`windows` is not known")],
    ),
    (
        "http",
        &[("https://chat", "http://chat")],
        &[("3:7 E206", "does not begin with https://")],
    ),
    (
        "path in url",
        &[("internal\"\nmethod", "internal/chat\"\nmethod")],
        &[("3:7 E206", "has a path")],
    ),
    (
        "credentials in url",
        &[("https://chat", "https://me:hunter2@chat")],
        &[("3:7 E206", "holds a user name or password")],
    ),
    (
        "no app",
        &[("\"proxy\", \"app\", \"db\"", "\"proxy\", \"db\"")],
        &[("1:1 E205", "`host.roles` is missing")],
    ),
    (
        "no database",
        &[(", \"db\"", "")],
        &[("1:1 E205", "`database` is missing")],
    ),
    (
        "unknown role",
        &[("\"db\"", "\"database\"")],
        &[("22:26 E206", "`database` is not known")],
    ),
    (
        "role twice",
        &[("\"db\"", "\"db\", \"db\"")],
        &[("22:32 E207", "the role `db` stands twice")],
    ),
    (
        "database on unknown host",
        &[("+", "[database]\nhost = \"db9\"")],
        &[("26:8 E208", "no host is named `db9`")],
    ),
    (
        "storage on a host without the role",
        &[(
            "\"local\"",
            "\"s3\"\nhost = \"mm1\"\nbucket = \"mattermost\"",
        )],
        &[("25:8 E208", "does not have the role `minio`")],
    ),
    (
        "same host twice",
        &[(
            "+",
            "[[host]]\nname = \"mm1\"\naddress = \"10.20.0.11\"\ndistro = \"debian-12\"\nroles = [\"app\"]",
        )],
        &[("26:8 E207", "the host `mm1` is defined twice")],
    ),
    (
        "same address twice",
        &[(
            "+",
            "[[host]]\nname = \"mm2\"\naddress = \"10.20.0.10\"\ndistro = \"debian-12\"\nroles = [\"app\"]",
        )],
        &[("27:11 E207", "have the same address 10.20.0.10")],
    ),
    (
        "two databases",
        &[(
            "+",
            "[[host]]\nname = \"mm2\"\naddress = \"10.20.0.11\"\ndistro = \"debian-12\"\nroles = [\"db\"]",
        )],
        &[("29:10 E207", "both have the role `db`")],
    ),
    (
        "loopback address",
        &[("10.20.0.10", "127.0.0.1")],
        &[("20:11 E206", "no address of a host")],
    ),
    (
        "name as address",
        &[("10.20.0.10", "mm1.internal")],
        &[("20:11 E206", "`host[1].address`")],
    ),
    (
        "network with host bits",
        &[("10.30.0.0/16", "10.30.0.1/16")],
        &[("15:10 E206", "the network is 10.30.0.0/16")],
    ),
    (
        "no users",
        &[("[\"10.30.0.0/16\"]", "[]")],
        &[("14:1 E205", "`network.users` is missing")],
    ),
    (
        "no key file",
        &[("key = \"pki/chat.key\"\n", "")],
        &[("9:1 E205", "`tls.key` is missing")],
    ),
    (
        "unknown distribution",
        &[("debian-12", "plan9")],
        &[("21:10 E206", "`plan9` is no known distribution")],
    ),
    (
        "distribution of a later version",
        &[("debian-12", "rhel-9")],
        &[("21:10 E206", "`rhel-9` is not yet staged")],
    ),
    (
        "reserved host name",
        &[("\"mm1\"", "\"secrets\"")],
        &[("19:8 E206", "is reserved")],
    ),
    (
        "host name with a slash",
        &[("\"mm1\"", "\"../x\"")],
        &[("19:8 E206", "is no name")],
    ),
    (
        "upload limit 0",
        &[("+", "[limits]\nupload_mb = 0")],
        &[("26:13 E206", "is outside 1 to 10000")],
    ),
    (
        "negative users",
        &[("+", "[limits]\nusers = -1")],
        &[("26:9 E206", "is outside 1 to")],
    ),
    (
        "huge number",
        &[("+", "[limits]\nusers = 99999999999999999999")],
        &[("26:9 E206", "is outside 1 to")],
    ),
    (
        "port 0",
        &[("+", "[database]\nport = 0")],
        &[("26:8 E206", "is outside 1 to 65535")],
    ),
    (
        "bad bucket",
        &[(
            "\"local\"",
            "\"s3\"\nendpoint = \"s3.mm.internal\"\nbucket = \"My_Bucket\"",
        )],
        &[("26:10 E206", "a bucket name has only")],
    ),
    (
        "endpoint with a path",
        &[(
            "\"local\"",
            "\"s3\"\nendpoint = \"https://s3.mm.internal/x\"\nbucket = \"mattermost\"",
        )],
        &[("25:12 E206", "has a path")],
    ),
    (
        "storage without endpoint",
        &[("\"local\"", "\"s3\"\nbucket = \"mattermost\"")],
        &[("23:1 E205", "`storage.host` is missing")],
    ),
    (
        "relative folder",
        &[("\"local\"", "\"local\"\ndirectory = \"data/../etc\"")],
        &[("25:13 E206", "no plain absolute path")],
    ),
    (
        "folder with a quote",
        &[("\"local\"", "\"local\"\ndirectory = \"/data'; rm\"")],
        &[("25:13 E206", "no plain absolute path")],
    ),
    (
        "identifier with a quote",
        &[("+", "[database]\nname = \"a'b\"")],
        &[("26:8 E206", "no plain identifier")],
    ),
    (
        "sslmode",
        &[("+", "[database]\nsslmode = \"verify_full\"")],
        &[("26:11 E206", "`verify_full` is not known")],
    ),
    (
        "DSN of PostgreSQL",
        &[(
            "+",
            "[database]\ndsn = \"postgres://mmuser:hunter2@db/mattermost\"",
        )],
        &[("26:7 E209", "`database.dsn` may hold a password")],
    ),
    (
        "password",
        &[("+", "[database]\npassword = \"hunter2\"")],
        &[("26:1 E209", "`database.password` is a secret")],
    ),
    (
        "private key in the file",
        &[(
            "\"pki/chat.key\"",
            "\"\"\"-----BEGIN PRIVATE KEY-----\nhunter2\n\"\"\"",
        )],
        &[("11:7 E209", "`tls.key` holds a private key")],
    ),
    (
        "per-server buckets",
        &[("roles", "bucket = \"own\"\nroles")],
        &[("22:1 E203", "`host[1].bucket` is not known")],
    ),
    (
        "separate WebSocket port",
        &[("+", "[proxy]\nwebsocket_port = 8443")],
        &[("26:1 E203", "`proxy.websocket_port` is not known")],
    ),
    (
        "long site name",
        &[(
            "method",
            "site_name = \"Mattermost of the whole organization\"\nmethod",
        )],
        &[("4:13 E206", "longer than 30 characters")],
    ),
    (
        "push proxy without a host",
        &[("+", "[push]\nmode = \"proxy\"")],
        &[("25:1 E205", "`push.host` is missing")],
    ),
    (
        "no time of day",
        &[("+", "[backup]\nat = \"25:00\"")],
        &[("26:6 E206", "no time of day")],
    ),
    (
        "colour",
        &[(
            "[tls]",
            "classification = { level = \"il5\", banner = \"S\", color = \"red\" }\n[tls]",
        )],
        &[("9:57 E206", "is no colour")],
    ),
    (
        "key twice",
        &[("format = 1", "format = 1\nformat = 1")],
        &[("3:1 E202", "no TOML: duplicate key")],
    ),
    (
        "open string",
        &[("\"linux\"", "\"linux")],
        &[("4:16 E202", "no TOML")],
    ),
    (
        "terminal codes",
        &[("\"linux\"", "\"li\\u001b[31mnux\"")],
        &[("4:10 E206", "holds control characters")],
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
        "4:10: E206: `method`: `windows` is not known\n  \
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
                .all(|one| one.id.as_str() == "E202")
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
    let id = |error: DeploymentError| (error.id(), error.hint().is_empty());
    assert_eq!(id(plan::load(&file).unwrap_err()), ("E201", false));
    std::fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(id(plan::load(&file).unwrap_err()), ("E201", false));
    std::fs::write(&file, "[".repeat(10 << 20)).unwrap();
    assert_eq!(id(plan::load(&file).unwrap_err()), ("E201", false));
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
    assert_eq!(found, ["10:8 E212", "11:7 E212", "12:6 E212"]);
    assert!(error.to_string().contains("3 problems"), "{error}");
}

#[test]
fn a_key_that_others_can_read_is_found_on_disk() {
    let (folder, file) = folder(ONE_SERVER);
    let key = folder.path().join("pki/chat.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let plan = Plan::new(plan::load(&file).unwrap());
    let findings = plan.findings(&context());
    let found: Vec<_> = findings
        .iter()
        .map(|one| (one.id, one.subject.as_str()))
        .collect();
    assert_eq!(found, [("PROXY-106", "tls.key")]);
    assert!(!format!("{plan:?}").contains("PRIVATE KEY"));
    assert!(
        !serde_json::to_string(&plan)
            .unwrap()
            .contains("PRIVATE KEY")
    );
}

#[test]
fn the_port_matrix_of_one_server_is_that_of_the_source() {
    let plan = checked(&example(EXAMPLES[0])).unwrap();
    let flows: Vec<String> = plan
        .plan()
        .flows
        .iter()
        .map(|flow| {
            format!(
                "{} > {} {}/{} {}",
                flow.from, flow.to, flow.protocol, flow.port, flow.rule
            )
        })
        .collect();
    assert_eq!(
        flows,
        [
            "mm1 > 10.20.0.2/32 tcp/53 PORT-029",
            "mm1 > 10.20.0.2/32 udp/53 PORT-029",
            "mm1 > 10.20.0.2/32 udp/123 PORT-029",
            "10.20.9.0/28 > mm1 tcp/22 PORT-029",
            "10.20.9.0/28 > mm1 tcp/8065 PORT-030",
            "10.30.0.0/16 > mm1 tcp/80 PORT-029",
            "10.30.0.0/16 > mm1 tcp/443 PORT-029",
        ]
    );
}

#[test]
fn the_port_matrix_of_many_servers_opens_nothing_else() {
    let refused = checked(&example(EXAMPLES[1])).unwrap_err();
    let incoming = |host: &str| -> Vec<String> {
        let list = refused.plan.incoming(&host.parse().unwrap());
        list.iter()
            .map(|one| format!("{}/{} {:?}", one.protocol, one.port, one.sources))
            .collect()
    };
    let ssh = "tcp/22 [10.20.9.0/28]";
    assert_eq!(
        incoming("app1"),
        [
            ssh,
            "tcp/8065 [10.20.0.5/32, 10.20.0.6/32]",
            "tcp/8065 [10.20.9.0/28]",
            "tcp/8067 [10.20.9.5/32]",
            "tcp/8074 [10.20.0.12/32, 10.20.0.13/32]",
            "udp/8074 [10.20.0.12/32, 10.20.0.13/32]",
        ]
    );
    assert_eq!(
        incoming("db1"),
        [
            ssh,
            "tcp/5432 [10.20.0.11/32, 10.20.0.12/32, 10.20.0.13/32]",
            "tcp/5432 [10.20.0.21/32]",
        ]
    );
    assert_eq!(
        incoming("files1"),
        [
            ssh,
            "tcp/9000 [10.20.0.11/32, 10.20.0.12/32, 10.20.0.13/32]"
        ]
    );
    assert_eq!(
        incoming("web1"),
        [ssh, "tcp/80 [10.30.0.0/16]", "tcp/443 [10.30.0.0/16]"]
    );
    let database = &refused.plan.database;
    assert_eq!(
        (database.needed_connections, database.max_connections),
        (600, 650)
    );
    assert_eq!(database.clients.len(), 3);
}

#[test]
fn the_plan_is_shown_as_text_and_json_alike_each_time() {
    let plan = checked(&example(EXAMPLES[0])).unwrap();
    let text = plan::render_text(plan.plan(), plan.findings());
    for part in [
        "https://chat.mm.internal  linux, edition enterprise, production, single availability\n",
        "  mm1  10.20.0.10  debian-12  8 GiB  proxy, app, db, minio, push\n",
        "  10.30.0.0/16  -> mm1           tcp/443   users, HTTPS and WebSocket    PORT-029\n",
        "  warn ARCH-012 push (line 34:1)\n",
        "  0 errors, 3 warnings, 0 accepted, 0 for information\n",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    let again = checked(&example(EXAMPLES[0])).unwrap();
    assert_eq!(text, plan::render_text(again.plan(), again.findings()));
    assert_eq!(
        serde_json::to_string(&plan).unwrap(),
        serde_json::to_string(&again).unwrap()
    );
}

#[test]
fn acceptance_1_thousands_of_users_need_several_servers_with_one_configuration() {
    assert_eq!(ids(&edited(HA, &[])), Vec::<String>::new());
    assert_eq!(
        ids(&edited(ONE_SERVER, &[("+", "[limits]\nusers = 5000")])),
        ["ARCH-033"]
    );
    let layer = plan::explain("ARCH-007").unwrap();
    assert!(layer.why.contains("application layer"), "{}", layer.why);
}

#[test]
fn acceptance_2_users_reach_443_and_nothing_else() {
    let plan = checked(HA).unwrap();
    let users = "10.30.0.0/16".parse().unwrap();
    for host in &plan.plan().deployment.hosts {
        for one in plan.plan().incoming(&host.name) {
            if one.sources.contains(&users) {
                assert!(matches!(one.port, 80 | 443), "{one:?}");
            }
        }
    }
}

#[test]
fn acceptance_3_a_restricted_system_needs_its_parts_and_no_hosted_push() {
    let il6: Edit<'_> = (
        "[tls]",
        "classification = { level = \"il6\", banner = \"SECRET\" }\n[tls]",
    );
    let limit: Edit<'_> = ("+", "[proxy]\nrate_limit = 50");
    let push = |mode| {
        ids(&edited(
            ONE_SERVER,
            &[il6, limit, ("\"db\"", "\"db\", \"push\""), ("+", mode)],
        ))
    };
    assert_eq!(push("[push]\nmode = \"hosted\""), ["!ARCH-011"]);
    assert_eq!(
        push("[push]\nmode = \"proxy\"\nurl = \"https://hpns-de.mattermost.com\""),
        ["!ARCH-011"]
    );
    assert_eq!(push("[push]\nmode = \"proxy\""), ["ARCH-012"]);
    assert_eq!(push("[push]\nmode = \"off\""), Vec::<String>::new());
    let without = problems(&edited(
        ONE_SERVER,
        &[il6, (", \"db\"", ""), ("[storage]\nkind = \"local\"", "")],
    ));
    let found: Vec<_> = without
        .shown
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(found, ["`database` is missing", "`storage` is missing"]);
}

#[test]
fn acceptance_4_and_5_docker_has_no_high_availability_and_kubernetes_has() {
    let kubernetes = example(EXAMPLES[3]) + "[limits]\nusers = 10000\n";
    assert_eq!(ids(&kubernetes), ["!E501"]);
    let docker = edited(
        &example(EXAMPLES[2]),
        &[
            ("[tls]", "ha = true\n[tls]"),
            (
                "+",
                "[limits]\nusers = 5000\n[policy]\nbusiness_continuity = true",
            ),
        ],
    );
    assert_eq!(
        ids(&docker),
        [
            "!E501",
            "!METHOD-046",
            "!METHOD-048",
            "ARCH-033",
            "METHOD-048"
        ]
    );
    let fix = plan::explain("METHOD-048").unwrap().fix;
    assert!(fix.contains("kubernetes") && fix.contains("linux"), "{fix}");
}

#[test]
fn acceptance_6_prohibited_containers_leave_linux() {
    let policy: Edit<'_> = ("+", "[policy]\ncontainers = \"prohibited\"\nstig = true");
    assert_eq!(ids(&edited(ONE_SERVER, &[policy])), Vec::<String>::new());
    for name in [EXAMPLES[2], EXAMPLES[3]] {
        assert_eq!(
            ids(&edited(&example(name), &[policy])),
            ["!E501", "!METHOD-043", "!METHOD-051"]
        );
    }
}

#[test]
fn acceptance_7_mysql_is_refused_with_the_way_out() {
    for database in [
        "[database]\nengine = \"mysql\"",
        "[database]\ndsn = \"mysql://mmuser:hunter2@db/mattermost\"",
        "[database]\ndsn = \"mmuser:hunter2@tcp(db:3306)/mattermost\"",
    ] {
        let text = edited(ONE_SERVER, &[("+", database)]);
        assert_eq!(ids(&text), ["!ARCH-015"]);
        let refused = checked(&text).unwrap_err();
        let finding = refused.findings.iter().next().unwrap();
        assert!(
            finding.fix.contains("migrate to PostgreSQL 14"),
            "{}",
            finding.fix
        );
        assert_eq!(finding.place.unwrap().line, 26);
        assert!(!serde_json::to_string(&refused).unwrap().contains("hunter2"));
    }
}

#[test]
fn acceptance_8_the_grants_of_postgresql_15_are_generated() {
    let rule = plan::explain("DB-062").unwrap();
    assert!(
        rule.by
            .unwrap()
            .contains("GRANT ON SCHEMA, TABLES, SEQUENCES")
    );
    assert!(rule.why.contains("permission denied for schema public"));
}

#[test]
fn acceptance_9_and_10_several_servers_share_one_store() {
    let local: Edit<'_> = (
        "kind = \"s3\"\nendpoint = \"https://10.20.0.30:9000\"\nbucket = \"mattermost\"",
        "kind = \"local\"",
    );
    assert_eq!(ids(&edited(HA, &[local])), ["!ARCH-017", "ARCH-004"]);
    assert_eq!(
        ids(&edited(HA, &[local, ("users = 5000", "users = 5")])),
        ["!ARCH-017", "ARCH-004"]
    );
    let sites: &[Edit<'_>] = &[
        ("name = \"app1\"", "name = \"app1\"\nsite = \"east\""),
        ("name = \"app2\"", "name = \"app2\"\nsite = \"west\""),
    ];
    assert_eq!(ids(&edited(HA, sites)), ["METHOD-040"]);
}

#[test]
fn acceptance_12_the_certificate_of_a_restricted_system() {
    let il5: Edit<'_> = (
        "[tls]",
        "classification = { level = \"il5\", banner = \"SECRET\" }\n[tls]",
    );
    let limit: Edit<'_> = ("+", "[proxy]\nrate_limit = 50");
    let source = |source| ids(&edited(ONE_SERVER, &[il5, limit, ("[tls]\n", source)]));
    assert_eq!(
        source("[tls]\nsource = \"internal-ca\"\n"),
        Vec::<String>::new()
    );
    assert_eq!(source("[tls]\nsource = \"letsencrypt\"\n"), ["!PROXY-103"]);
    assert_eq!(source("[tls]\nsource = \"self-signed\"\n"), ["!PROXY-105"]);
    assert_eq!(source("[tls]\nsource = \"commercial\"\n"), ["!PROXY-104"]);
    assert_eq!(
        source("[tls]\nsource = \"commercial\"\nrevocation = \"none\"\n"),
        ["PROXY-104"]
    );
}

#[test]
fn every_rule_explains_itself_in_full() {
    let all = plan::explain_all();
    assert!(all.len() >= 115, "{}", all.len());
    for rule in all {
        for text in [rule.expects, rule.why, rule.fix, rule.source] {
            assert!(text.len() >= 7, "{}: {text}", rule.id);
        }
        assert_eq!(plan::explain(rule.id).unwrap(), rule);
    }
}

#[test]
fn a_key_path_leaves_no_trace_of_the_machine() {
    let (_folder, file) = folder(ONE_SERVER);
    let checked = Plan::new(plan::load(&file).unwrap())
        .check(&context())
        .unwrap();
    let json = serde_json::to_string(&checked).unwrap();
    let parent = file.parent().and_then(Path::to_str).unwrap();
    assert!(!json.contains(parent));
}
