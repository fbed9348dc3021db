//! Deployments and rules, from the file that an operator writes to ids of findings.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its files has failed"
)]

mod broken;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use haversack::plan::{self, CheckedPlan, Context, Plan, Problems, Refused, Severity};

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
    assert_eq!(ids_of(EXAMPLES[1]), ["FILES-088"]);
    assert_eq!(ids_of(EXAMPLES[2]), ["!TOOL-201"]);
    assert_eq!(ids_of(EXAMPLES[3]), ["!TOOL-201"]);
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
    assert_eq!(ids(&kubernetes), ["!TOOL-201"]);
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
            "!METHOD-046",
            "!METHOD-048",
            "!TOOL-201",
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
            ["!METHOD-043", "!METHOD-051", "!TOOL-201"]
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
