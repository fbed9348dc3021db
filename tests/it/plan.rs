//! Deployments and rules, from the file that an operator writes to ids of findings.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its files has failed"
)]

mod acceptance;
mod broken;
mod refused;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use haversack::plan::{self, CheckedPlan, Context, Plan, Problems, Refused, Severity};

use crate::support::deployments::{ONE_SERVER, pki};

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
    let plan = checked(&example(EXAMPLES[1])).unwrap();
    let incoming = |host: &str| -> Vec<String> {
        let list = plan.plan().incoming(&host.parse().unwrap());
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
    let database = &plan.plan().database;
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
