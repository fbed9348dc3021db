//! What is in a staged tree, and what must not be.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use haversack::stage::StageError;

use crate::support::staged::{DEPLOYMENT, Staged, packages, run};

/// Every file below `root` with its content and mode.
fn tree(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let mode = meta.permissions().mode() & 0o7777;
            if meta.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).unwrap();
                found.insert(path.strip_prefix(root).unwrap().to_owned(), (content, mode));
            }
        }
    }
    found
}

fn holds(content: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(content).contains(text)
}

#[test]
fn a_second_stage_gives_the_same_bytes_and_keeps_the_secrets() {
    let staged = Staged::new();
    assert_eq!(
        staged.report.secrets_made,
        [
            "db-password",
            "db-scram-salt",
            "at-rest-encrypt-key",
            "public-link-salt",
            "s3-access-key",
            "s3-secret-key"
        ]
    );
    assert_eq!(
        staged.report.stand_ins,
        ["mattermost", "minio", "push-proxy"]
    );
    let before = tree(&staged.out());
    let again = staged.again("staged").unwrap();
    assert_eq!(again.secrets_made, [""; 0]);
    assert_eq!(again.hosts, staged.report.hosts);
    assert!(before == tree(&staged.out()));
    // In another place it makes its own secrets.
    let other = staged.again("elsewhere").unwrap();
    assert_eq!(other.secrets_made.len(), 6);
    let own = fs::read_to_string(staged.path("elsewhere/secrets/db-password")).unwrap();
    assert_ne!(own.trim_end(), staged.secret("db-password"));
    // Nothing is left beside them.
    let mut names: Vec<_> = fs::read_dir(staged.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    names.sort();
    assert_eq!(names, [""; 0]);
}

#[test]
fn an_operators_own_secret_is_used_and_other_files_in_secrets_survive() {
    let staged = Staged::new();
    let password = "Chosen-By-The-Operator-1";
    fs::write(
        staged.out().join("secrets/db-password"),
        format!("{password}\n"),
    )
    .unwrap();
    fs::write(staged.out().join("secrets/ldap-note"), "kept").unwrap();
    staged.again("staged").unwrap();
    let environment = staged.text("/etc/mattermost/mattermost.environment");
    assert!(environment.contains(&format!("postgres://mmuser:{password}@chat.mm.internal:5432/mattermost?sslmode=verify-full&sslrootcert=/etc/mattermost/ca.pem&connect_timeout=10'")), "the DSN is not as expected");
    assert_eq!(
        fs::read_to_string(staged.out().join("secrets/ldap-note")).unwrap(),
        "kept"
    );

    fs::write(staged.out().join("secrets/db-password"), "weak").unwrap();
    let before = tree(&staged.out());
    let error = staged.again("staged").unwrap_err();
    assert_eq!(error.id(), "E608");
    assert!(before == tree(&staged.out()));
}

#[test]
fn only_an_earlier_staged_tree_is_replaced_and_nothing_in_it_is_lost() {
    let staged = Staged::new();
    let refused = |name: &str, reason: &str| {
        let before = tree(&staged.path(name));
        let error = staged.again(name).unwrap_err();
        assert_eq!(error.id(), "E531", "{error}");
        let path = staged.path(name);
        assert_eq!(
            error.to_string(),
            format!("{} is no earlier staged tree: {reason}", path.display())
        );
        assert!(before == tree(&path));
    };
    // Somebody's project, with a plan of its own.
    fs::create_dir(staged.path("project")).unwrap();
    fs::write(staged.path("project/thesis.txt"), "years of work").unwrap();
    refused("project", "it is not empty and has no plan.json");
    let foreign = "its plan.json does not begin with \"staged\": 1";
    for plan in [
        "{}",
        "",
        "[1]",
        "{\"staged\":2,\"hosts\":[]}",
        "{\"format\":1,\"plan\":{}}",
    ] {
        fs::write(staged.path("project/plan.json"), plan).unwrap();
        refused("project", foreign);
    }
    fs::write(
        staged.path("project/plan.json"),
        "{\"staged\":1,\"hosts\":[]}",
    )
    .unwrap();
    refused("project", "`thesis.txt` is not part of one");

    let plan = fs::read_to_string(staged.out().join("plan.json")).unwrap();
    assert!(
        plan.starts_with("{\n  \"staged\": 1,\n  \"hosts\": [\n    \"mm1\"\n  ],\n"),
        "{plan}"
    );
    let own = staged.out().join("notes.md");
    fs::write(&own, "by an operator").unwrap();
    refused("staged", "`notes.md` is not part of one");
    fs::rename(&own, staged.path("notes.md")).unwrap();
    fs::create_dir(staged.out().join("mm2")).unwrap();
    refused("staged", "`mm2` is not part of one");
    fs::remove_dir(staged.out().join("mm2")).unwrap();
    let link = staged.out().join("secrets/license");
    std::os::unix::fs::symlink(staged.path("notes.md"), &link).unwrap();
    refused(
        "staged",
        "`secrets/license` is neither a plain file nor a folder",
    );
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(staged.out(), staged.path("link")).unwrap();
    assert_eq!(staged.again("link").unwrap_err().id(), "E531");

    fs::create_dir_all(staged.out().join("secrets/deep/empty")).unwrap();
    assert_eq!(staged.again("staged").unwrap().secrets_made, [""; 0]);
    assert!(staged.out().join("secrets/deep/empty").is_dir());
    // An empty folder is fine.
    fs::create_dir(staged.path("empty")).unwrap();
    assert_eq!(staged.again("empty").unwrap().secrets_made.len(), 6);
}

#[test]
fn while_another_run_stages_nothing_is_read_made_or_changed() {
    let staged = Staged::new();
    for name in ["staged", "elsewhere"] {
        let lock = haversack::fs::FolderLock::beside(&staged.path(name)).unwrap();
        let secrets = staged.path(name).join("secrets");
        let before = secrets.exists().then(|| tree(&secrets));
        assert_eq!(staged.again(name).unwrap_err().id(), "E606");
        assert!(before == secrets.exists().then(|| tree(&secrets)));
        assert!(!staged.path(&format!(".{name}.staging")).exists());
        drop(lock);
        staged.again(name).unwrap();
    }
}

#[test]
fn no_secret_is_outside_files_that_only_their_owner_reads() {
    let staged = Staged::new();
    let key = fs::read_to_string(staged.path("chat.key")).unwrap();
    let key_line = key.lines().nth(1).unwrap().to_owned();
    let mut secrets: Vec<String> = [
        "db-password",
        "at-rest-encrypt-key",
        "public-link-salt",
        "s3-access-key",
        "s3-secret-key",
    ]
    .map(|name| staged.secret(name))
    .into();
    secrets.push(key_line);
    let mut places = Vec::new();
    for (path, (content, mode)) in tree(&staged.out()) {
        if secrets.iter().any(|secret| holds(&content, secret)) {
            assert_eq!(mode, 0o600, "{}", path.display());
            places.push(path.display().to_string());
        }
    }
    assert_eq!(
        places,
        [
            "mm1/rootfs/etc/mattermost/mattermost.environment",
            "mm1/rootfs/etc/minio/certs/private.key",
            "mm1/rootfs/etc/minio/config.env",
            "mm1/rootfs/etc/nginx/ssl/mattermost/privkey.pem",
            "mm1/rootfs/etc/postgresql/15/main/mattermost-tls/server.key",
            "secrets/at-rest-encrypt-key",
            "secrets/db-password",
            "secrets/public-link-salt",
            "secrets/s3-access-key",
            "secrets/s3-secret-key",
        ]
    );
    let perms = fs::read_to_string(staged.host().join("perms.tsv")).unwrap();
    for path in places
        .iter()
        .filter_map(|place| place.strip_prefix("mm1/rootfs"))
    {
        let line = perms
            .lines()
            .find(|line| line.contains(&format!("\t{path}\t")))
            .unwrap();
        let mode = line.split('\t').nth(1).unwrap();
        assert!(matches!(mode, "600" | "640"), "{line}");
    }
    for folder in ["secrets", "mm1"] {
        let mode = fs::metadata(staged.out().join(folder))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o700, "{folder}");
    }
    assert!(!format!("{:?}", staged.report).contains(&staged.secret("db-password")));
}

#[test]
fn nothing_that_is_generated_names_a_public_host() {
    /// Who Mattermost, MinIO, certificates and packages would otherwise ask.
    const PUBLIC: [&str; 18] = [
        "push.mattermost.com",
        "hpns-de",
        "push-test",
        "securityupdatecheck",
        "matterlytics",
        "notices.mattermost.com",
        "api.integrations",
        "customers.mattermost.com",
        "github.com",
        "giphy",
        "youtube",
        "split.io",
        "stun",
        "amazonaws.com",
        "letsencrypt.org",
        "docker.io",
        "dl.min.io",
        "deb.debian.org",
    ];
    // Switches of the server whose names hold such a word.
    const SWITCHES: [&str; 1] = ["\"GiphySdkKey\": \"\""];
    let staged = Staged::new();
    for (path, (content, _)) in tree(&staged.out()) {
        let text = String::from_utf8_lossy(&content).to_string();
        for line in text.lines() {
            if SWITCHES.iter().any(|switch| line.contains(switch)) {
                continue;
            }
            let lower = line.to_lowercase();
            for host in PUBLIC {
                assert!(!lower.contains(host), "{}: {line}", path.display());
            }
            // Any URL at all leads to the site, the host itself, or documentation in a unit.
            for rest in lower.split("://").skip(1) {
                let known = [
                    "chat.mm.internal",
                    "127.0.0.1",
                    "mmuser:",
                    "mattermost_backend",
                    "$server_name",
                    "docs.mattermost.com/",
                    "[^:]*",
                    "[^:@]*",
                    "deb.example.internal",
                    "{",
                    // The address is an argument of the script's own function.
                    "$1",
                ];
                assert!(
                    known.iter().any(|host| rest.starts_with(host)),
                    "{}: {line}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_list_of_a_host_names_every_file_with_its_hash() {
    let staged = Staged::new();
    run(Command::new("sha256sum")
        .args(["--strict", "--quiet", "-c", "MANIFEST.sha256"])
        .current_dir(staged.host()));
    let manifest = fs::read_to_string(staged.host().join("MANIFEST.sha256")).unwrap();
    let listed: Vec<_> = manifest
        .lines()
        .map(|line| line.split_once("  ").unwrap().1.to_owned())
        .collect();
    let found: Vec<_> = tree(&staged.host())
        .into_keys()
        .map(|path| path.display().to_string())
        .filter(|path| path != "MANIFEST.sha256")
        .collect();
    assert!(listed.is_sorted());
    let mut found = found;
    found.sort();
    assert_eq!(listed, found);
    assert_eq!(staged.report.hosts[0].files, listed.len() + 1);
    // Upstream's files lie under their own names; companions of a program do not.
    let artifacts: Vec<_> = listed
        .iter()
        .filter(|path| path.starts_with("artifacts/") && !path.contains("/apt/"))
        .collect();
    assert_eq!(
        artifacts,
        [
            "artifacts/mattermost/mattermost-11.7.10-linux-amd64.tar.gz",
            "artifacts/minio/minio.RELEASE.2025-10-15T17-29-55Z",
            "artifacts/push-proxy/mattermost-push-proxy-linux-amd64.tar.gz",
        ]
    );
    assert!(
        listed
            .iter()
            .any(|path| path == "artifacts/apt/base/dists/bookworm/InRelease")
    );
}

#[test]
fn what_the_bundle_lacks_is_said_all_at_once_and_nothing_is_written() {
    let some: Vec<_> = packages()
        .into_iter()
        .filter(|(name, _)| !matches!(*name, "nftables" | "postgresql-15"))
        .collect();
    let Err(StageError::Unfit(problems)) =
        Staged::with(DEPLOYMENT, &some).map(|staged| staged.report)
    else {
        panic!("it was staged");
    };
    assert_eq!(
        problems,
        [
            "the bundle has no package postgresql-<version>; add one to [[apt.packages]] of the manifest and build again",
            "the bundle has no package `nftables`, which mm1 needs; add it to [[apt.packages]] of the manifest and build again",
        ]
    );
    let newer = DEPLOYMENT.replace("debian-12", "debian-13");
    let Err(StageError::Unfit(problems)) =
        Staged::with(&newer, &packages()).map(|staged| staged.report)
    else {
        panic!("it was staged");
    };
    assert_eq!(
        problems,
        ["the bundle is for debian-12, the host mm1 runs debian-13"]
    );
}

#[test]
fn a_folder_that_is_no_staged_tree_is_left_alone() {
    let staged = Staged::new();
    let other = staged.path("home");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("thesis.txt"), "years of work").unwrap();
    let error = staged.again("home").unwrap_err();
    assert_eq!(error.id(), "E531");
    assert_eq!(
        fs::read_to_string(other.join("thesis.txt")).unwrap(),
        "years of work"
    );
}

#[test]
fn nothing_is_staged_into_the_bundle() {
    let staged = Staged::new();
    let before = tree(&staged.path("bundle"));
    std::os::unix::fs::symlink(staged.path("bundle"), staged.path("medium")).unwrap();
    for out in ["bundle/staged", "bundle/new/staged", "medium/staged"] {
        let error = staged.again(out).unwrap_err();
        assert!(matches!(error, StageError::InBundle(_)), "{out}: {error}");
    }
    assert!(before == tree(&staged.path("bundle")));
}

#[test]
fn damaged_payload_stops_the_stage_even_when_no_host_needs_the_file() {
    let staged = Staged::new();
    let path = staged.path("bundle/evidence/manifest.toml");
    let size = fs::metadata(&path).unwrap().len();
    fs::write(&path, "x".repeat(usize::try_from(size).unwrap())).unwrap();
    let before = tree(&staged.out());
    let error = staged.again("staged").unwrap_err();
    assert!(matches!(error, StageError::Bundle(_)), "{error}");
    assert!(before == tree(&staged.out()));
}

#[test]
fn without_storage_and_push_their_files_are_absent() {
    let small = DEPLOYMENT
        .replace(
            r#""proxy", "app", "db", "minio", "push""#,
            r#""proxy", "app", "db""#,
        )
        .replace(
            "kind   = \"s3\"\nhost   = \"mm1\"\nbucket = \"mattermost\"",
            "kind = \"local\"",
        )
        .replace("mode = \"proxy\"\nhost = \"mm1\"", "mode = \"off\"")
        .replace("classification", "# classification");
    let staged = Staged::with(&small, &packages()).unwrap();
    assert_eq!(staged.report.secrets_made.len(), 4);
    let listed = tree(&staged.host());
    for absent in ["minio", "push"] {
        let found: Vec<_> = listed
            .keys()
            .filter(|path| path.display().to_string().contains(absent))
            .collect();
        assert_eq!(found, Vec::<&PathBuf>::new());
    }
    let config = staged.text("/opt/mattermost/config/config.json");
    for line in [
        "\"DriverName\": \"local\"",
        "\"Directory\": \"/opt/mattermost/data\"",
        "\"SendPushNotifications\": false",
        "\"EnableBanner\": false",
    ] {
        assert!(config.contains(line), "{line}\n{config}");
    }
    assert!(
        !staged
            .text("/etc/mattermost/mattermost.environment")
            .contains("AMAZONS3")
    );
    run(Command::new("sh")
        .arg("-n")
        .arg(staged.host().join("install.sh")));
}

#[test]
fn settings_whose_defaults_are_the_old_ones_are_explicit() {
    let staged = Staged::new();
    let config = staged.text("/opt/mattermost/config/config.json");
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    for (section, key, value) in [
        (
            "ServiceSettings",
            "SiteURL",
            serde_json::json!("https://chat.mm.internal"),
        ),
        (
            "ServiceSettings",
            "SessionLengthWebInHours",
            serde_json::json!(720),
        ),
        (
            "ServiceSettings",
            "SessionLengthMobileInHours",
            serde_json::json!(720),
        ),
        (
            "ServiceSettings",
            "SessionLengthSSOInHours",
            serde_json::json!(720),
        ),
        (
            "ServiceSettings",
            "TerminateSessionsOnPasswordChange",
            serde_json::json!(true),
        ),
        (
            "ServiceSettings",
            "EnableSecurityFixAlert",
            serde_json::json!(false),
        ),
        (
            "PluginSettings",
            "EnableRemoteMarketplace",
            serde_json::json!(false),
        ),
        ("LogSettings", "EnableDiagnostics", serde_json::json!(false)),
        (
            "FileSettings",
            "AmazonS3Endpoint",
            serde_json::json!("chat.mm.internal:9000"),
        ),
        ("FileSettings", "MaxFileSize", serde_json::json!(50_000_000)),
        (
            "EmailSettings",
            "PushNotificationServer",
            serde_json::json!("http://127.0.0.1:8066"),
        ),
        (
            "AnnouncementSettings",
            "BannerText",
            serde_json::json!("SECRET//NOFORN"),
        ),
        ("ClusterSettings", "Enable", serde_json::json!(false)),
    ] {
        assert_eq!(config[section][key], value, "{section}.{key}");
    }
    assert!(config["SqlSettings"].get("DataSource").is_none());
    assert!(config.get("BleveSettings").is_none());
}

#[test]
fn who_would_be_locked_out_by_the_packet_filter_is_stopped_before_anything_changes() {
    let staged = Staged::new();
    let script = fs::read_to_string(staged.host().join("install.sh")).unwrap();
    let begin = script.find("check_way_in() {").unwrap();
    let length = script.get(begin..).unwrap().find("# --- packages").unwrap();
    let functions = script.get(begin..begin + length).unwrap();
    let program = format!(
        "force_firewall=no\nsay() {{ :; }}\ndie() {{ echo \"$*\"; exit 1; }}\n{functions}\ncheck_way_in && echo open"
    );
    // As under sudo: the environment of the script itself says nothing, that of a process above does.
    let said = |connection: &str| {
        let out = Command::new("sh")
            .args([
                "-c",
                "env -u SSH_CONNECTION sh -c \"$1\"; :",
                "sh",
                &program,
            ])
            .env("SSH_CONNECTION", connection)
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(said("10.20.9.3 40000 10.20.0.10 22"), "open\n");
    for (connection, why) in [
        (
            "10.20.9.16 40000 10.20.0.10 22",
            "in none of the admin networks",
        ),
        ("10.20.9.3 40000 10.20.0.10 2222", "on port 2222"),
        ("fd00::7 40000 fd00::1 22", "no admin network is IPv6"),
    ] {
        let found = said(connection);
        assert!(found.contains(why), "{connection}: {found}");
    }
    let check = script.find("\nstep_check() {").unwrap();
    let called = script.find("\n    check_way_in\n").unwrap();
    let first_change = script.find("        mkdir -p \"$state/pending\"").unwrap();
    assert!(check < called && called < first_change);
}
