//! The 13 acceptance cases: the file that an operator would write, through the real program, and
//! the exact findings. A8 (generated SQL) is proved on real servers in `postgres`; A11 and A13
//! (`haversack lint nginx`) stand with that command.

use std::process::Command;

use crate::support::deployments::{Edit, HA, ONE_SERVER, edited};

use super::{EXAMPLES, example, folder};

/// What `haversack plan --json` says: exit code, findings as `level id`, the whole answer.
fn planned(text: &str, more: &[&str]) -> (i32, Vec<String>, serde_json::Value) {
    let (_folder, file) = folder(text);
    let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
        .arg("--json")
        .arg("plan")
        .arg(&file)
        .args(more)
        .output()
        .unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let findings = answer.pointer("/findings").and_then(|all| all.as_array());
    let word = |one: &serde_json::Value, key| one[key].as_str().unwrap().to_owned();
    let findings = findings
        .into_iter()
        .flatten()
        .map(|one| format!("{} {}", word(one, "level"), word(one, "id")))
        .collect();
    (output.status.code().unwrap(), findings, answer)
}

/// Exit code and findings.
fn found(text: &str) -> (i32, Vec<String>) {
    let (code, findings, _) = planned(text, &[]);
    (code, findings)
}

fn all(code: i32, findings: &[&str]) -> (i32, Vec<String>) {
    (code, findings.iter().map(|one| (*one).to_owned()).collect())
}

const IL5: Edit<'_> = (
    "[tls]",
    "classification = { level = \"il5\", banner = \"SECRET\" }\n[tls]",
);
const LIMIT: Edit<'_> = ("+", "[proxy]\nrate_limit = 50");

#[test]
fn a1_five_thousand_users_need_several_servers_with_one_configuration() {
    assert_eq!(found(HA), all(0, &[]));
    let one = edited(ONE_SERVER, &[("+", "[limits]\nusers = 5000")]);
    assert_eq!(found(&one), all(0, &["warn ARCH-033"]));
    let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
        .args(["explain", "ARCH-007"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("application layer alone enforces data and storage controls"),
        "{told}"
    );
    assert!(told.contains("staged files, checked by stage"), "{told}");
}

#[test]
fn a2_users_reach_443_of_the_proxy_and_nothing_else() {
    let (code, findings, answer) = planned(HA, &[]);
    assert_eq!((code, findings.len()), (0, 0));
    let edges = answer.pointer("/graph/edges").unwrap().as_array().unwrap();
    let of_users: Vec<String> = edges
        .iter()
        .filter(|edge| edge["from"] == "10.30.0.0/16")
        .map(|edge| format!("{} {}", edge["to"].as_str().unwrap(), edge["port"]))
        .collect();
    assert_eq!(of_users, ["web1 80", "web1 443"]);
    let inner: Vec<&serde_json::Value> = edges
        .iter()
        .filter(|edge| matches!(edge["port"].as_u64(), Some(8065 | 8067 | 8074)))
        .map(|edge| &edge["from"])
        .collect();
    assert!(
        !inner.iter().any(|from| **from == "10.30.0.0/16"),
        "{inner:?}"
    );
}

#[test]
fn a3_a_restricted_system_needs_its_parts_and_no_hosted_push() {
    let il6: Edit<'_> = ("il5", "il6");
    let with = |push| {
        let role = ("\"db\"", "\"db\", \"push\"");
        found(&edited(ONE_SERVER, &[IL5, il6, LIMIT, role, ("+", push)]))
    };
    assert_eq!(
        with("[push]\nmode = \"hosted\""),
        all(5, &["error ARCH-011"])
    );
    assert_eq!(
        with("[push]\nmode = \"proxy\"\nurl = \"https://push.mattermost.com\""),
        all(5, &["error ARCH-011"])
    );
    assert_eq!(with("[push]\nmode = \"proxy\""), all(0, &["warn ARCH-012"]));
    assert_eq!(with("[push]\nmode = \"off\""), all(0, &[]));
    for missing in [(", \"db\"", ""), ("[storage]\nkind = \"local\"", "")] {
        assert_eq!(
            found(&edited(ONE_SERVER, &[IL5, il6, missing])),
            all(2, &[])
        );
    }
}

/// The method is accepted by every rule but the one that says what this version stages.
const NOT_STAGED: &str = "error TOOL-201";

#[test]
fn a4_ten_thousand_users_on_kubernetes_are_accepted_and_docker_is_not() {
    let kubernetes = example(EXAMPLES[3]) + "[limits]\nusers = 10000\n";
    let (code, findings, answer) = planned(&kubernetes, &[]);
    assert_eq!((code, findings), all(5, &[NOT_STAGED]));
    let said = &answer["findings"][0];
    assert!(
        said["why"]
            .as_str()
            .unwrap()
            .contains("generates no files for the method yet")
    );
    assert!(
        said["found"]
            .as_str()
            .unwrap()
            .contains("every other rule accepts it"),
        "{said}"
    );
    let docker = edited(
        &example(EXAMPLES[2]),
        &[
            ("[tls]", "ha = true\n[tls]"),
            ("+", "[limits]\nusers = 10000"),
        ],
    );
    assert_eq!(
        found(&docker),
        all(
            5,
            &[
                "error METHOD-046",
                NOT_STAGED,
                "warn ARCH-033",
                "warn METHOD-048"
            ]
        )
    );
}

#[test]
fn a5_docker_has_no_high_availability_nor_business_continuity() {
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
    let (code, findings, answer) = planned(&docker, &[]);
    assert_eq!(
        (code, findings),
        all(
            5,
            &[
                "error METHOD-046",
                "error METHOD-048",
                NOT_STAGED,
                "warn ARCH-033",
                "warn METHOD-048"
            ]
        )
    );
    let fix = answer["findings"][0]["fix"].as_str().unwrap();
    assert!(fix.contains("kubernetes") && fix.contains("linux"), "{fix}");
}

#[test]
fn a6_prohibited_containers_leave_linux() {
    let policy: Edit<'_> = ("+", "[policy]\ncontainers = \"prohibited\"\nstig = true");
    assert_eq!(found(&edited(ONE_SERVER, &[policy])), all(0, &[]));
    for name in [EXAMPLES[2], EXAMPLES[3]] {
        let (code, findings) = found(&edited(&example(name), &[policy]));
        let errors: Vec<_> = findings
            .iter()
            .filter(|one| one.starts_with("error"))
            .collect();
        assert_eq!(errors, ["error METHOD-043", "error METHOD-051", NOT_STAGED]);
        assert_eq!(code, 5);
    }
}

#[test]
fn a7_mysql_is_refused_with_the_way_out() {
    for database in [
        "[database]\nengine = \"mysql\"",
        "[database]\ndsn = \"mysql://mmuser:hunter2@db/mattermost\"",
        "[database]\ndsn = \"mmuser:hunter2@tcp(db:3306)/mattermost\"",
    ] {
        let (code, findings, answer) = planned(&edited(ONE_SERVER, &[("+", database)]), &[]);
        assert_eq!((code, findings), all(5, &["error ARCH-015"]));
        let fix = answer["findings"][0]["fix"].as_str().unwrap();
        assert!(
            fix.contains("migrate to PostgreSQL 14 or newer first"),
            "{fix}"
        );
        assert!(!answer.to_string().contains("hunter2"));
    }
    let both = "[database]\nengine = \"mysql\"\n[database]\nengine = \"postgres\"";
    assert_eq!(found(&edited(ONE_SERVER, &[("+", both)])), all(2, &[]));
}

#[test]
fn a9_three_data_centres_share_one_bucket() {
    assert_eq!(found(HA), all(0, &[]));
    let local: Edit<'_> = (
        "kind = \"s3\"\nendpoint = \"https://10.20.0.30:9000\"\nbucket = \"mattermost\"",
        "kind = \"local\"",
    );
    assert_eq!(
        found(&edited(HA, &[local])),
        all(5, &["error ARCH-017", "warn ARCH-004"])
    );
    let each: Edit<'_> = ("name = \"app1\"", "name = \"app1\"\nbucket = \"mine\"");
    assert_eq!(found(&edited(HA, &[each])), all(2, &[]));
    let sites: &[Edit<'_>] = &[
        ("name = \"app1\"", "name = \"app1\"\nsite = \"east\""),
        ("name = \"app2\"", "name = \"app2\"\nsite = \"west\""),
        ("name = \"app3\"", "name = \"app3\"\nsite = \"north\""),
    ];
    assert_eq!(found(&edited(HA, sites)), all(0, &["warn METHOD-040"]));
}

#[test]
fn a10_local_storage_is_refused_for_three_servers_whatever_the_number_of_users() {
    let local: Edit<'_> = (
        "kind = \"s3\"\nendpoint = \"https://10.20.0.30:9000\"\nbucket = \"mattermost\"",
        "kind = \"local\"",
    );
    for users in ["users = 5000", "users = 5"] {
        let text = edited(HA, &[local, ("users = 5000", users)]);
        assert_eq!(found(&text), all(5, &["error ARCH-017", "warn ARCH-004"]));
    }
}

#[test]
fn a12_the_certificate_of_a_restricted_system() {
    let source = |source| found(&edited(ONE_SERVER, &[IL5, LIMIT, ("[tls]\n", source)]));
    assert_eq!(source("[tls]\nsource = \"internal-ca\"\n"), all(0, &[]));
    assert_eq!(
        source("[tls]\nsource = \"letsencrypt\"\n"),
        all(5, &["error PROXY-103"])
    );
    assert_eq!(
        source("[tls]\nsource = \"self-signed\"\n"),
        all(5, &["error PROXY-105"])
    );
    assert_eq!(
        source("[tls]\nsource = \"commercial\"\n"),
        all(5, &["error PROXY-104"])
    );
    assert_eq!(
        source("[tls]\nsource = \"commercial\"\nrevocation = \"none\"\n"),
        all(0, &["warn PROXY-104"])
    );
}

#[test]
fn only_warnings_are_accepted_and_the_answer_records_them() {
    let one = edited(ONE_SERVER, &[("+", "[limits]\nusers = 5000")]);
    let (code, findings, answer) = planned(&one, &["--accept", "arch-033", "--strict"]);
    assert_eq!((code, findings), all(0, &["warn ARCH-033"]));
    assert_eq!(answer["accepted"], serde_json::json!(["ARCH-033"]));
    assert_eq!(planned(&one, &["--strict"]).0, 1);
    let hosted = edited(ONE_SERVER, &[("+", "[push]\nmode = \"hosted\"")]);
    for (id, text) in [
        ("ARCH-999", &one),
        ("ARCH-003", &one),
        ("ARCH-011", &hosted),
    ] {
        assert_eq!(planned(text, &["--accept", id]).0, 2, "{id}");
    }
}

#[test]
fn the_drawing_names_every_end_of_every_edge() {
    let (_, _, answer) = planned(&example(EXAMPLES[1]), &[]);
    let list = |key: &str| answer.pointer(key).unwrap().as_array().unwrap().clone();
    let ids: Vec<_> = list("/graph/nodes")
        .iter()
        .map(|node| node["id"].clone())
        .collect();
    let edges = list("/graph/edges");
    assert!(edges.len() > 40, "{}", edges.len());
    for edge in &edges {
        assert!(
            ids.contains(&edge["from"]) && ids.contains(&edge["to"]),
            "{edge}"
        );
    }
    assert_eq!(answer["catalogue"]["as_of"], "2026-11-23");
}
