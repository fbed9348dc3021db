//! `haversack lint nginx` through the program: exit codes, text, JSON, and agreement with NGINX.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its files has failed"
)]

use std::path::Path;
use std::process::{Command, Output};

use crate::support::deployments::{ONE_SERVER, pki};
use crate::support::staged::Staged;

/// A site that nothing is to be said about, but for what is recommended only.
const GOOD: &str = include_str!("lint/good.conf");

fn lint(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_haversack"))
        .args(["lint", "nginx"])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Exit code and text for one file.
fn said(text: &str, args: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("site.conf"), text).unwrap();
    let output = lint(folder.path(), &[&["site.conf"], args].concat());
    (output.status.code(), stdout(&output))
}

#[test]
fn a_good_site_ends_with_0() {
    let (code, text) = said(GOOD, &["--strict"]);
    assert_eq!(
        (code, text.lines().last()),
        (Some(0), Some("no errors, no warnings")),
        "{text}"
    );
}

/// Knowledge check of page 6: messages appear only after a refresh.
#[test]
fn missing_websocket_headers_are_named_with_their_symptom_and_nothing_else_is_blamed() {
    let text = GOOD
        .replace("    proxy_set_header Upgrade $http_upgrade;\n", "")
        .replace("    proxy_set_header Connection \"upgrade\";\n", "")
        .replace("keepalive 32", "keepalive 2")
        .replace("fullchain", "self-signed");
    let (code, said) = said(&text, &[]);
    assert_eq!(code, Some(5), "{said}");
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.contains(": error "))
        .collect();
    assert_eq!(
        errors,
        [
            "site.conf:32:5: error PROXY-102: the header Connection is not set for the WebSocket",
            "site.conf:32:5: error PROXY-102: the header Upgrade is not passed on to the WebSocket",
        ]
    );
    assert_eq!(
        said.matches("messages appear only after a reload").count(),
        2,
        "{said}"
    );
    assert!(
        !said.contains("self-signed") && !said.contains("keepalive 2"),
        "{said}"
    );
}

/// Knowledge check of page 6: what is required, and what is only recommended.
#[test]
fn servers_headers_and_tls_are_required_and_rate_limits_are_recommended() {
    for (from, id) in [
        (
            "    server 10.20.0.11:8065 max_fails=0;\n    server 10.20.0.12:8065 max_fails=0;\n",
            "PROXY-093",
        ),
        (
            "        proxy_set_header Upgrade $http_upgrade;\n",
            "PROXY-102",
        ),
        (
            "    ssl_certificate /etc/nginx/ssl/fullchain.pem;\n",
            "PROXY-106",
        ),
        ("    ssl_protocols TLSv1.2 TLSv1.3;\n", "PROXY-107"),
    ] {
        let (code, said) = said(&GOOD.replace(from, ""), &[]);
        assert!(
            code == Some(5) && said.contains(&format!(": error {id}: ")),
            "{id}\n{said}"
        );
    }
    let (code, said) = said(GOOD, &[]);
    assert_eq!(code, Some(0));
    assert!(
        said.contains(": info PROXY-114: there is no rate limit; one is recommended, not required"),
        "{said}"
    );
}

#[test]
fn warnings_end_with_1_under_strict_only() {
    let text = GOOD.replace("    keepalive 32;\n", "");
    assert_eq!(said(&text, &[]).0, Some(0));
    assert_eq!(said(&text, &["--strict"]).0, Some(1));
    assert_eq!(
        said(&text.replace("TLSv1.2 ", "TLSv1 "), &["--strict"]).0,
        Some(5)
    );
}

#[test]
fn a_link_as_debian_enables_sites_and_a_pipe_are_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("site.conf"), GOOD).unwrap();
    std::os::unix::fs::symlink("site.conf", folder.path().join("enabled")).unwrap();
    let linked = lint(folder.path(), &["enabled"]);
    assert_eq!(linked.status.code(), Some(0), "{linked:?}");
    let piped = Command::new("sh")
        .args(["-c", "cat site.conf | \"$0\" lint nginx /dev/stdin"])
        .arg(env!("CARGO_BIN_EXE_haversack"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(piped.status.code(), Some(0), "{piped:?}");
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let missing = lint(folder.path(), &["absent.conf"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("error[E260]"));
    std::fs::write(folder.path().join("deep.conf"), "a {".repeat(100)).unwrap();
    let deep = lint(folder.path(), &["deep.conf"]);
    assert_eq!(deep.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&deep.stderr).contains("error[E261]"));
    let version = lint(folder.path(), &["deep.conf", "--nginx-version", "new"]);
    assert_eq!(version.status.code(), Some(2));
}

#[test]
fn json_says_the_same() {
    let text = GOOD.replace("TLSv1.2 TLSv1.3", "SSLv3 TLSv1.2");
    let (code, said) = said(&text, &["--json"]);
    assert_eq!(code, Some(5));
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&value["errors"], &value["warnings"]),
        (&1.into(), &0.into())
    );
    assert_eq!(value["files"], serde_json::json!(["site.conf"]));
    let first = &value["findings"][0];
    assert_eq!(
        (
            &first["level"],
            &first["id"],
            &first["file"],
            &first["line"],
            &first["column"]
        ),
        (
            &"error".into(),
            &"PROXY-107".into(),
            &"site.conf".into(),
            &22.into(),
            &5.into()
        )
    );
    assert_eq!(first["found"], "SSLv3 is accepted");
}

#[test]
fn an_old_encoding_in_a_comment_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = [b"# gr\xfc\xdfe\n".as_slice(), GOOD.as_bytes()].concat();
    std::fs::write(folder.path().join("site.conf"), bytes).unwrap();
    assert_eq!(lint(folder.path(), &["site.conf"]).status.code(), Some(0));
}

#[test]
fn a_site_is_compared_with_its_deployment() {
    let folder = tempfile::tempdir().unwrap();
    pki(&folder.path().join("pki"), "chat.mm.internal");
    std::fs::write(folder.path().join("deployment.toml"), ONE_SERVER).unwrap();
    std::fs::write(folder.path().join("site.conf"), GOOD).unwrap();
    let output = lint(
        folder.path(),
        &["site.conf", "--deployment", "deployment.toml"],
    );
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    for expected in [
        "error PROXY-093: 10.20.0.11:8065 is no application server of the deployment",
        "error PROXY-093: the application server mm1 (10.20.0.10:8065) is not in the upstream",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn the_generated_site_has_no_errors_and_no_warnings() {
    let staged = Staged::new();
    let folder = staged.path("lint");
    std::fs::create_dir(&folder).unwrap();
    let site = staged.text("/etc/nginx/sites-available/mattermost");
    std::fs::write(folder.join("mattermost"), &site).unwrap();
    let deployment = staged.path("deployment.toml");
    let output = lint(
        &folder,
        &[
            "mattermost",
            "--strict",
            "--nginx-version",
            "1.22.1",
            "--deployment",
            deployment.to_str().unwrap(),
        ],
    );
    let said = stdout(&output);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // And what the page 6 check removes from it is found.
    let broken = site.replace("        proxy_set_header Upgrade $http_upgrade;\n", "");
    std::fs::write(folder.join("mattermost"), broken).unwrap();
    assert_eq!(lint(&folder, &["mattermost"]).status.code(), Some(5));
}

/// NGINX itself takes what is called good, and refuses what is called broken.
#[test]
fn nginx_agrees() {
    for (text, good) in [
        (GOOD.to_owned(), true),
        (GOOD.replace("keepalive 32;", "keepalive 32"), false),
        (GOOD.replace(" http2;", ";\n    http2 on;"), false),
        (GOOD.replace("100M", "plenty"), false),
        (
            GOOD.replace("    keepalive 32;\n}", "    keepalive 32;\n"),
            false,
        ),
        (
            GOOD.replace("Connection \"upgrade\"", "Connection $undefined"),
            false,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        pki(&folder.path().join("pki"), "chat.mm.internal");
        std::fs::write(folder.path().join("site.conf"), &text).unwrap();
        let output = lint(
            folder.path(),
            &["site.conf", "--strict", "--nginx-version", "1.22.1"],
        );
        assert_eq!(output.status.success(), good, "{}", stdout(&output));
        let site = text
            .replace(
                "/etc/nginx/ssl/fullchain.pem",
                &format!("{at}/pki/chat.pem"),
            )
            .replace("/etc/nginx/ssl/privkey.pem", &format!("{at}/pki/chat.key"))
            .replace("/var/log/nginx", &at)
            .replace("listen 80", "listen 127.0.0.1:18082")
            .replace("listen 443", "listen 127.0.0.1:18445");
        let whole = format!(
            "pid {at}/pid;\nerror_log {at}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n\
             client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
             uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n{site}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), whole).unwrap();
        let real = Command::new("nginx")
            .args(["-t", "-q", "-c", &format!("{at}/nginx.conf")])
            .output()
            .expect("nginx (package nginx-light) is needed: scripts/install-packages tests");
        assert_eq!(
            real.status.success(),
            good,
            "{}\n{text}",
            String::from_utf8_lossy(&real.stderr)
        );
    }
}
