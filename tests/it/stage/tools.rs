//! Each generated file against the program that will read it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use crate::stage::topology::HA_S3;
use crate::support::staged::{Staged, all_packages, run, said, tool};

#[test]
fn every_script_passes_shellcheck_and_a_posix_shell() {
    let staged = Staged::new();
    let mut scripts: Vec<_> = ["install.sh", "verify.sh", "rollback.sh"]
        .map(|name| staged.host().join(name))
        .into();
    for entry in fs::read_dir(staged.rootfs("/usr/local/sbin")).unwrap() {
        scripts.push(entry.unwrap().path());
    }
    assert_eq!(scripts.len(), 6);
    for script in &scripts {
        let text = fs::read_to_string(script).unwrap();
        assert!(text.starts_with("#!/bin/sh\n"), "{}", script.display());
        run(Command::new("sh").arg("-n").arg(script));
    }
    run(tool("shellcheck", "shellcheck")
        .args(["--shell=sh", "--severity=style"])
        .args(&scripts));
}

#[test]
fn every_unit_is_understood_by_systemd_and_hardened() {
    let staged = Staged::new();
    units_are_understood(&staged);
    // It listens on an address of the host, which may come after it at boot.
    let text = staged.text("/etc/systemd/system/postgresql@15-main.service.d/mattermost.conf");
    assert!(
        text.ends_with("\n[Unit]\nWants=network-online.target\nAfter=network-online.target\n"),
        "{text}"
    );
    let text = staged.text("/etc/systemd/system/mattermost.service");
    assert!(
        text.contains("\nIPAddressAllow=localhost 10.20.0.2/32 10.20.0.10/32"),
        "{text}"
    );
    assert!(text.contains("\nAfter=network-online.target nss-lookup.target time-sync.target postgresql.service minio.service\n"), "{text}");
}

/// Every unit of the staged host passes `systemd-analyze verify`, and each service `security`.
pub(super) fn units_are_understood(staged: &Staged) {
    let root = staged.path("unitroot");
    let units = root.join("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    fs::create_dir_all(root.join("usr/lib/systemd")).unwrap();
    run(Command::new("cp")
        .args(["-a", "/lib/systemd/system"])
        .arg(root.join("usr/lib/systemd/")));
    // What the units name must exist: programs, environment files, users.
    for program in [
        "opt/mattermost/bin/mattermost",
        "opt/mattermost-push-proxy/bin/mattermost-push-proxy",
        "usr/local/bin/minio",
        "usr/local/sbin/mattermost-backup",
        // Units of the system that the copied folder names.
        "bin/true",
    ] {
        let path = root.join(program);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy("/bin/true", &path).unwrap();
    }
    let mut checked = Vec::new();
    for entry in fs::read_dir(staged.rootfs("/etc/systemd/system")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            continue;
        }
        fs::copy(&path, units.join(&name)).unwrap();
        checked.push(name);
    }
    checked.sort();
    assert_eq!(
        checked,
        [
            "mattermost-backup.service",
            "mattermost-backup.timer",
            "mattermost-push-proxy.service",
            "mattermost.service",
            "minio.service"
        ]
    );
    // The units of packages that ours name: Debian's, and those of the PostgreSQL project.
    for unit in ["postgresql.service", "postgresql-17.service"] {
        fs::write(units.join(unit), "[Service]\nExecStart=/bin/true\n").unwrap();
    }
    let root_option = format!("--root={}", root.display());
    for unit in &checked {
        let out = run(tool("systemd-analyze", "systemd").args([
            "verify",
            "--man=no",
            &root_option,
            unit,
        ]));
        // systemd 252 ends with 0 on unknown keys and only says so.
        let noise = |line: &&str| !line.is_empty() && line.contains(unit.as_str());
        assert_eq!(
            said(&out).lines().filter(noise).collect::<Vec<_>>(),
            [""; 0]
        );
        if Path::new(unit).extension().is_some_and(|e| e == "service") {
            // The threshold is on a scale to 100: exposure 2.0.
            run(tool("systemd-analyze", "systemd").args([
                "security",
                "--offline=true",
                "--threshold=20",
                &root_option,
                unit,
            ]));
        }
    }
}

#[test]
fn nginx_takes_the_site() {
    let staged = Staged::new();
    let folder = staged.path("nginx");
    fs::create_dir_all(&folder).unwrap();
    let site = staged
        .text("/etc/nginx/sites-available/mattermost")
        .replace(
            "/etc/nginx/ssl/mattermost",
            &staged
                .rootfs("/etc/nginx/ssl/mattermost")
                .display()
                .to_string(),
        )
        .replace("/var/log/nginx", &folder.display().to_string())
        // The ports of the host may be taken; only the syntax is checked here.
        .replace("listen 80;", "listen 127.0.0.1:18080;")
        .replace("listen 443 ssl http2;", "listen 127.0.0.1:18443 ssl http2;");
    assert!(site.contains("127.0.0.1:18443 ssl http2;"), "{site}");
    let temp = folder.display();
    let config = format!(
        "daemon off;\npid {temp}/pid;\nerror_log {temp}/error.log;\nevents {{}}\nhttp {{\n\
         client_body_temp_path {temp}/b; proxy_temp_path {temp}/p; fastcgi_temp_path {temp}/f;\n\
         uwsgi_temp_path {temp}/u; scgi_temp_path {temp}/s;\n{site}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), config).unwrap();
    let out = run(tool("nginx", "nginx")
        .arg("-t")
        .arg("-c")
        .arg(folder.join("nginx.conf")));
    assert!(!said(&out).contains("[warn]"), "{}", said(&out));
}

#[test]
fn apt_understands_the_package_sources() {
    let staged = Staged::new();
    let sources = staged.text("/etc/apt/sources.list.d/haversack-base.sources");
    let folder = staged.path("apt");
    fs::create_dir_all(folder.join("sources.d")).unwrap();
    fs::create_dir_all(folder.join("lists/partial")).unwrap();
    fs::write(folder.join("sources.d/haversack-base.sources"), &sources).unwrap();
    let out = run(tool("apt-get", "apt")
        .args(["update", "--print-uris"])
        .args(["-o", "Dir::Etc::sourcelist=/dev/null"])
        .args([
            "-o",
            &format!("Dir::Etc::sourceparts={}/sources.d", folder.display()),
        ])
        .args([
            "-o",
            &format!("Dir::State::lists={}/lists", folder.display()),
        ]));
    let found: Vec<_> = said(&out)
        .lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        found,
        [
            "'file:/opt/haversack/apt/base/dists/bookworm/InRelease'",
            "'file:/opt/haversack/apt/base/dists/bookworm-security/InRelease'",
            // Neither translations nor anything else that the bundle does not hold.
            "'file:/opt/haversack/apt/base/dists/bookworm/main/binary-amd64/Packages.xz'",
            "'file:/opt/haversack/apt/base/dists/bookworm/main/binary-all/Packages.xz'",
            "'file:/opt/haversack/apt/base/dists/bookworm-security/main/binary-amd64/Packages.xz'",
            "'file:/opt/haversack/apt/base/dists/bookworm-security/main/binary-all/Packages.xz'"
        ]
    );
    assert_eq!(
        sources
            .matches("Signed-By: /usr/share/keyrings/haversack-base.asc")
            .count(),
        2
    );
    assert_eq!(sources.matches("Check-Valid-Until: no").count(), 1);
    assert!(!sources.to_lowercase().contains("trusted"));
}

/// A project with Mattermost's published types and the compiler, fetched once and kept.
pub(crate) fn types_project() -> &'static Path {
    static PROJECT: OnceLock<PathBuf> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/types-check");
        fs::create_dir_all(&project).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/types-check");
        for file in ["package.json", "package-lock.json", "tsconfig.json"] {
            fs::copy(source.join(file), project.join(file)).unwrap();
        }
        if !project.join("node_modules/typescript/bin/tsc").exists() {
            run(tool("npm", "npm").current_dir(&project).args([
                "ci",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
            ]));
        }
        project
    })
}

#[test]
fn the_configuration_is_what_mattermost_publishes_types_for() {
    let staged = Staged::new();
    let project = types_project();
    let check = |config: &str| {
        let text = format!(
            "import type {{AdminConfig}} from '@mattermost/types/config';\n\
             type Part<T> = {{[K in keyof T]?: T[K] extends object ? (T[K] extends unknown[] ? T[K] : Part<T[K]>) : T[K]}};\n\
             export const config: Part<AdminConfig> = {config};\n"
        );
        fs::write(project.join("config.ts"), text).unwrap();
        tool("node", "nodejs")
            .current_dir(project)
            .arg("node_modules/typescript/bin/tsc")
            .arg("--project")
            .arg(".")
            .output()
            .unwrap()
    };
    let config = staged.text("/opt/mattermost/config/config.json");
    let all = with_every_option();
    let out = check(&all);
    assert!(out.status.success(), "{}", said(&out));
    let wrong = all.replace("\"IdpCertificateFile\"", "\"IdpCertFile\"");
    assert!(said(&check(&wrong)).contains("IdpCertFile"));
    let out = check(&config);
    assert!(out.status.success(), "{}", said(&out));
    // The check can fail: a key that the server does not know, and a value of the wrong type.
    let wrong = config.replace("\"EnableLinkPreviews\"", "\"EnableLinkPreview\"");
    assert!(said(&check(&wrong)).contains("EnableLinkPreview"));
    let wrong = config.replace("\"MaxFileSize\": 50000000", "\"MaxFileSize\": \"50000000\"");
    assert!(
        said(&check(&wrong)).contains("Type 'string' is not assignable to type 'number'"),
        "{}",
        said(&check(&wrong))
    );
}

/// The configuration of several servers with everything that can be asked for.
fn with_every_option() -> String {
    let options = r#"
[smtp]
host = "mail.mm.internal"
port = 587
security = "starttls"
user = "mattermost"
from = "chat@mm.internal"
[ldap]
host = "ldap.mm.internal"
port = 636
security = "tls"
base_dn = "dc=mm"
bind_dn = "cn=chat,dc=mm"
user_filter = "(objectClass=person)"
[saml]
idp_url = "https://idp.mm.internal/sso"
descriptor = "https://idp.mm.internal/metadata"
cert = "chat.pem"
[auth]
mfa = true
[mobile]
enabled = true
mdm = true
[monitoring]
hosts = ["10.20.9.5"]
[retention]
message_days = 365
file_days = 90
"#;
    let given = [
        ("smtp-password", "one"),
        ("ldap-bind-password", "two"),
        ("license", "eyJpZCI6ImEifQ=="),
    ];
    let deployment = format!("{HA_S3}{options}");
    let staged = Staged::bring(&deployment, &all_packages(), &[], &given).unwrap();
    let config = staged.text_of("app1", "/opt/mattermost/config/config.json");
    let parsed: serde_json::Value = serde_json::from_str(&config).unwrap();
    for (section, key, value) in [
        ("SamlSettings", "IdpCertificateFile", json!("saml-idp.crt")),
        (
            "SamlSettings",
            "AssertionConsumerServiceURL",
            json!("https://chat.mm.internal/login/sso/saml"),
        ),
        ("SamlSettings", "Verify", json!(true)),
        (
            "DataRetentionSettings",
            "EnableMessageDeletion",
            json!(true),
        ),
        (
            "DataRetentionSettings",
            "MessageRetentionHours",
            json!(8760),
        ),
        ("DataRetentionSettings", "FileRetentionHours", json!(2160)),
        ("LdapSettings", "BindUsername", json!("cn=chat,dc=mm")),
        ("EmailSettings", "EnableSMTPAuth", json!(true)),
        ("MetricsSettings", "ListenAddress", json!(":8067")),
        (
            "ServiceSettings",
            "EnableMultifactorAuthentication",
            json!(true),
        ),
        ("FileSettings", "EnableMobileDownload", json!(true)),
    ] {
        assert_eq!(
            parsed.pointer(&format!("/{section}/{key}")),
            Some(&value),
            "{section}.{key}"
        );
    }
    // The identity provider's certificate lies where the server looks for it.
    assert_eq!(
        staged.text_of("app1", "/opt/mattermost/config/saml-idp.crt"),
        fs::read_to_string(staged.path("chat.pem")).unwrap()
    );
    config
}
