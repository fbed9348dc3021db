//! The command as people run it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::deployments::pki;

const ANSWERS: [&str; 8] = [
    "--site",
    "https://chat.mm.internal",
    "--hosts",
    "mm1=10.20.0.10",
    "--user-network",
    "10.30.0.0/16",
    "--admin-network",
    "10.20.9.0/28",
];

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_haversack"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Names below a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn options_give_two_files_that_plan_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = vec![
        "init",
        "new/site",
        "--people",
        "500",
        "--ntp",
        "10.20.0.2",
        "--with",
        "plugins,sbom",
    ];
    args.extend(ANSWERS);
    let output = run(folder.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let site = folder.path().join("new/site");
    assert_eq!(names(&site), ["deployment.toml", "manifest.toml"]);
    let told = String::from_utf8(output.stdout).unwrap();
    for part in [
        "wrote new/site/manifest.toml ",
        "haversack lock new/site/manifest.toml\n",
        "haversack plan new/site/deployment.toml\n",
        "pki/ca.pem pki/chat.key pki/chat.pem\n",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("CVE-"), "{told}");
    args.extend(["--storage", "minio"]);
    let old: Vec<&str> = args
        .iter()
        .map(|word| if *word == "new/site" { "old" } else { *word })
        .collect();
    let told = String::from_utf8(run(folder.path(), &old).stdout).unwrap();
    assert!(told.contains("open to CVE-2025-62506"), "{told}");

    pki(&site.join("pki"), "chat.mm.internal");
    let planned = run(folder.path(), &["plan", "new/site/deployment.toml"]);
    assert_eq!(planned.status.code(), Some(0), "{}", stderr(&planned));

    // The rows that were asked for are in it, with the key that they need.
    let manifest = std::fs::read_to_string(site.join("manifest.toml")).unwrap();
    for part in [
        "mattermost-plugin-jira",
        "sbom-enterprise-v",
        "C55881B80F69E863B85AD5D1D1B54B47A5CEFEC4",
    ] {
        assert!(manifest.contains(part), "{part}: {manifest}");
    }
}

#[test]
fn json_lists_the_files_and_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = vec!["--json", "init", "site"];
    args.extend(ANSWERS);
    let output = run(folder.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        answer["files"],
        serde_json::json!(["site/manifest.toml", "site/deployment.toml"])
    );
    assert_eq!(
        answer["needed"],
        serde_json::json!(["site/pki/ca.pem", "site/pki/chat.key", "site/pki/chat.pem"])
    );
    assert!(answer["findings"].is_array());
}

#[test]
fn a_file_that_is_there_is_never_replaced() {
    for name in ["manifest.toml", "deployment.toml"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), "mine\n").unwrap();
        let mut args = vec!["init"];
        args.extend(ANSWERS);
        let output = run(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(
            stderr(&output).starts_with(&format!("error[E200]: ./{name} is there already")),
            "{}",
            stderr(&output)
        );
        assert_eq!(names(folder.path()), [name]);
        let kept = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(kept, "mine\n");
    }
}

#[test]
fn refusals_write_nothing() {
    let cases: [(&[&str], i32, &str); 7] = [
        (
            &["init", "x"],
            2,
            "error[E200]: there is no terminal to ask on, and these are missing: --site, --hosts, --user-network, --admin-network\n",
        ),
        (
            &["--storage", "s3"],
            2,
            "these are missing: --s3-endpoint\n",
        ),
        (
            &["--nfs-server", "nfs.mm.internal"],
            2,
            "--nfs-server does not go with this --storage",
        ),
        (&["--ha"], 5, "error[E540]: rules refuse these answers: "),
        (
            &["--hosts", "mm2=10.20.0.11,app"],
            2,
            "error[E200]: the host `mm1` has no role",
        ),
        (
            &["--hosts", "mm1=10.20.0.10,docker"],
            2,
            "docker is no role of their hosts",
        ),
        (
            &["--with", "ceph"],
            2,
            "`ceph` is no set of rows; there are calls, desktop,",
        ),
    ];
    for (more, code, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let mut args = more.to_vec();
        if more.first() != Some(&"init") {
            args = ["init", "x"]
                .into_iter()
                .chain(ANSWERS)
                .chain(args)
                .collect();
        }
        let output = run(folder.path(), &args);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{more:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(expected),
            "{more:?}: {}",
            stderr(&output)
        );
        assert_eq!(names(folder.path()), [""; 0], "{more:?}");
    }
}

/// What is seen, and the exit code, when this is typed on a terminal (`script` of util-linux gives one).
fn typed(folder: &Path, options: &str, keys: &str) -> (String, Option<i32>) {
    let program = format!("'{}' init site {options}", env!("CARGO_BIN_EXE_haversack"));
    let mut child = Command::new("script")
        .args(["-qec", &program, "/dev/null"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    // Keys before the first question could be lost while the terminal is set up.
    let mut shown = Vec::new();
    while !shown.ends_with(b": ") {
        let mut byte = [0];
        std::io::Read::read_exact(&mut output, &mut byte).unwrap();
        shown.extend(byte);
    }
    std::io::Write::write_all(&mut input, keys.as_bytes()).unwrap();
    std::io::Read::read_to_end(&mut output, &mut shown).unwrap();
    let code = child.wait().unwrap().code();
    drop(input);
    (String::from_utf8_lossy(&shown).into_owned(), code)
}

#[test]
fn questions_are_asked_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "ubuntu-24.04\n\nteam\nhttps://chat.mm.internal\nmm1=10.20.0.10\n\n10.30.0.0/16\n10.20.9.0/28\n";
    let (shown, code) = typed(folder.path(), "--push", keys);
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("Architecture (amd64, arm64) [amd64]: "),
        "{shown}"
    );
    let same = "the same without questions: haversack init site --distribution ubuntu-24.04 --arch amd64 \
                --edition team --site https://chat.mm.internal --hosts mm1=10.20.0.10 --storage local \
                --user-network 10.30.0.0/16 --admin-network 10.20.9.0/28 --push";
    assert!(shown.contains(same), "{shown}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join("site").join(name)).unwrap();
    let (manifest, deployment) = (read("manifest.toml"), read("deployment.toml"));
    assert!(manifest.contains("target = { distribution = \"ubuntu-24.04\", arch = \"amd64\" }"));
    assert!(manifest.contains("/mattermost-team-{version}-linux-{arch}.tar.gz"));
    assert!(
        deployment.contains("roles   = [\"proxy\", \"app\", \"db\", \"push\"]"),
        "{deployment}"
    );
    assert!(
        deployment.contains("mode   = \"proxy\"\nhost   = \"mm1\"\n"),
        "{deployment}"
    );
}

#[test]
fn answers_that_a_rule_refuses_are_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let keys =
        "\n\nentry\nhttps://chat.mm.internal\nmm1=10.20.0.10\nlocal\n10.30.0.0/16\n10.20.9.0/28\n";
    let (shown, code) = typed(folder.path(), "--ha", keys);
    assert_eq!(code, Some(5), "{shown}");
    assert!(
        shown.contains("rules refuse these answers: METHOD-040"),
        "{shown}"
    );
    let options =
        "your answers as options, to change: haversack init site --distribution debian-12 ";
    assert!(shown.contains(options), "{shown}");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn one_interrupt_ends_the_questions() {
    let folder = tempfile::tempdir().unwrap();
    let began = std::time::Instant::now();
    let (shown, code) = typed(folder.path(), "", "\x03");
    assert_eq!(code, Some(130), "{shown}");
    assert!(
        began.elapsed() < std::time::Duration::from_secs(20),
        "{shown}"
    );
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn monitoring_brings_the_packages_of_prometheus_and_says_how_grafana_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = vec!["init", "site", "--with", "monitoring"];
    args.extend(ANSWERS);
    let output = run(folder.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = std::fs::read_to_string(folder.path().join("site/manifest.toml")).unwrap();
    let packages = "[[apt.packages]]\ncomponent = \"prometheus\"\ninstall = [\"ca-certificates\", \"nftables\", \"prometheus\"]\n";
    assert_eq!(text.matches(packages).count(), 1, "{text}");
    assert!(text.contains("# Grafana is not in Debian."), "{text}");
    let manifest = haversack::manifest::Draft::parse(&text, "manifest.toml").unwrap();
    let wanted = &manifest.outline().apt.as_ref().unwrap().packages;
    assert!(
        wanted
            .iter()
            .any(|one| one.component.as_str() == "prometheus")
    );
}
