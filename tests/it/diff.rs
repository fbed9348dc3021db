//! `haversack diff`, and what staging again changes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use haversack::event::Cancel;
use haversack::stage::{Change, TreeDifference, difference};

use crate::stage::topology::HA_S3;
use crate::support::deployments::edited;
use crate::support::staged::{Staged, all_packages, run, said};

const FOURTH_APP: &str = "[[host]]\nname = \"app4\"\naddress = \"10.20.0.14\"\nroles = [\"app\"]";

/// What a fourth application server changes beside its own folder, and why.
const CHANGED: &[&str] = &[
    // The documents: one more host, its place in the order, new digests of the folders.
    "INSTALL.md",
    "PLAN.txt",
    "ansible/inventory.yml",
    // Gossip with the new server: packet filter, and the unit's own filter.
    "app1/MANIFEST.sha256",
    "app1/rootfs/etc/nftables.d/mattermost.nft",
    "app1/rootfs/etc/systemd/system/mattermost.service",
    "app2/MANIFEST.sha256",
    "app2/rootfs/etc/nftables.d/mattermost.nft",
    "app2/rootfs/etc/systemd/system/mattermost.service",
    "app3/MANIFEST.sha256",
    "app3/rootfs/etc/nftables.d/mattermost.nft",
    "app3/rootfs/etc/systemd/system/mattermost.service",
    // One more client: packet filter, max_connections, pg_hba.conf; the replica may be promoted.
    "db1/MANIFEST.sha256",
    "db1/rootfs/etc/nftables.d/mattermost.nft",
    "db1/rootfs/etc/postgresql/15/main/conf.d/mattermost.conf",
    "db1/rootfs/etc/postgresql/15/main/pg_hba.conf",
    "db2/MANIFEST.sha256",
    "db2/rootfs/etc/nftables.d/mattermost.nft",
    "db2/rootfs/etc/postgresql/15/main/conf.d/mattermost.conf",
    "db2/rootfs/etc/postgresql/15/main/pg_hba.conf",
    // One more client of the bucket.
    "files1/MANIFEST.sha256",
    "files1/rootfs/etc/nftables.d/mattermost.nft",
    "files1/rootfs/etc/systemd/system/minio.service",
    // One more source of metrics.
    "mon1/MANIFEST.sha256",
    "mon1/rootfs/etc/nftables.d/mattermost.nft",
    "mon1/rootfs/etc/prometheus/prometheus.yml",
    "plan.json",
    // One more client of the push proxy.
    "push1/MANIFEST.sha256",
    "push1/rootfs/etc/nftables.d/mattermost.nft",
    "push1/rootfs/etc/systemd/system/mattermost-push-proxy.service",
    // One more server behind the proxies.
    "web1/MANIFEST.sha256",
    "web1/rootfs/etc/nftables.d/mattermost.nft",
    "web1/rootfs/etc/nginx/sites-available/mattermost",
    "web2/MANIFEST.sha256",
    "web2/rootfs/etc/nftables.d/mattermost.nft",
    "web2/rootfs/etc/nginx/sites-available/mattermost",
];

/// The sample with several hosts, staged.
fn staged() -> Staged {
    Staged::with(HA_S3, &all_packages()).unwrap()
}

/// Keeps the tree as `old`, changes the deployment and stages again, with the same secrets.
fn stage_again(staged: &Staged, deployment: &str) {
    run(Command::new("cp")
        .arg("-a")
        .arg(staged.out())
        .arg(staged.path("old")));
    fs::write(staged.path("deployment.toml"), deployment).unwrap();
    staged.again("staged").unwrap();
}

fn compared(staged: &Staged) -> TreeDifference {
    difference(&staged.path("old"), &staged.out(), &Cancel::new()).unwrap()
}

fn diff(old: &Path, new: &Path, json: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
    command.arg("diff").arg(old).arg(new);
    if json {
        command.arg("--json");
    }
    command.output().unwrap()
}

#[test]
fn one_more_application_server_changes_only_what_must_change() {
    let staged = staged();
    stage_again(&staged, &edited(HA_S3, &[("+", FOURTH_APP)]));
    let found = compared(&staged);
    let added: Vec<_> = found.hosts_added.iter().map(ToString::to_string).collect();
    assert_eq!(added, ["app4"]);
    assert_eq!(found.hosts_removed, []);
    let changed: Vec<&str> = found
        .files
        .iter()
        .filter(|file| !file.path.starts_with("app4/"))
        .map(|file| {
            assert_eq!(file.change, Change::Changed, "{}", file.path);
            file.path.as_str()
        })
        .collect();
    assert_eq!(changed, CHANGED);
    // Each server must have the same settings, and none of them names the others.
    let config = "/opt/mattermost/config/config.json";
    assert_eq!(
        staged.text_of("app4", config),
        staged.text_of("app1", config)
    );
}

#[test]
fn staging_again_gives_the_same_bytes_and_diff_says_so() {
    let staged = staged();
    stage_again(&staged, HA_S3);
    assert_eq!(compared(&staged), TreeDifference::default());
    let same = diff(&staged.path("old"), &staged.out(), false);
    assert_eq!(same.status.code(), Some(0));
    assert_eq!(said(&same), "no difference\n");
}

/// Name, kind, mode and size of everything in a tree, as `find` of the machine sees it.
fn listed(tree: &Path) -> String {
    let out = run(Command::new("sh")
        .args(["-c", "cd \"$1\" && find . -printf '%p %y %m %s\\n' | grep -v '^[^ ]* d' | LC_ALL=C sort; find . -type d -printf '%p %m\\n' | LC_ALL=C sort", "sh"])
        .arg(tree));
    said(&out)
}

#[test]
fn staging_again_gives_the_same_bytes_and_modes_for_other_tools_too_and_takes_little_time() {
    let staged = staged();
    let began = Instant::now();
    stage_again(&staged, HA_S3);
    // Not optimised, and on a machine with other work; scripts/bench holds the optimised program to 1 s.
    let took = began.elapsed();
    assert!(took < Duration::from_mins(1), "{took:?}");
    let old = staged.path("old");
    run(Command::new("diff")
        .args(["-r", "--no-dereference"])
        .arg(&old)
        .arg(staged.out()));
    let names = listed(&old);
    assert_eq!(names, listed(&staged.out()));
    assert!(names.lines().count() > 200 && names.contains("./secrets/db-password f 600 "));
}

#[test]
fn one_more_application_server_keeps_every_secret() {
    let staged = staged();
    stage_again(&staged, &edited(HA_S3, &[("+", FOURTH_APP)]));
    run(Command::new("diff")
        .arg("-r")
        .arg(staged.path("old/secrets"))
        .arg(staged.out().join("secrets")));
}

/// What `scripts/bench stage` measures, in the folder that it names: bundle and deployment, for a key of its own.
#[test]
fn bundle_and_deployment_of_several_hosts_can_be_kept_for_the_bench() {
    let own = tempfile::tempdir().unwrap();
    let target = std::env::var_os("HAVERSACK_BENCH")
        .map_or_else(|| own.path().join("sample"), std::path::PathBuf::from);
    let mut packages = all_packages();
    packages.push(("postgresql", "15+248"));
    let staged = Staged::with(HA_S3, &packages).unwrap();
    run(Command::new("cp")
        .args(["-a", "--"])
        .arg(staged.path("."))
        .arg(&target));
    for name in ["bundle/SHA256SUMS", "deployment.toml"] {
        assert!(target.join(name).is_file(), "{name}");
    }
}

#[test]
fn lines_of_settings_are_shown_and_secrets_never() {
    let staged = staged();
    stage_again(&staged, HA_S3);
    let old = staged.path("old");
    let password = staged.secret("db-password");
    let new_password = "Qw3-Er5-Ty7-Ui9-Op1-As2-Df4";
    let environment = staged.rootfs_of("app1", "/etc/mattermost/mattermost.environment");
    let text = fs::read_to_string(&environment).unwrap();
    assert!(text.contains(&password));
    fs::write(&environment, text.replace(&password, new_password)).unwrap();
    fs::write(staged.out().join("secrets/db-password"), new_password).unwrap();
    // A secret in a place where nobody looks for one.
    let stray = staged.rootfs_of("app1", "/etc/sysctl.d/60-mattermost.conf");
    let text = fs::read_to_string(&stray).unwrap();
    fs::write(&stray, format!("{text}# {new_password}\n")).unwrap();
    let key = staged.rootfs_of("web1", "/etc/nginx/ssl/mattermost/privkey.pem");
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\nMC4C\n").unwrap();
    let hba = staged.rootfs_of("db1", "/etc/postgresql/15/main/pg_hba.conf");
    let text = fs::read_to_string(&hba).unwrap();
    fs::write(&hba, format!("{text}# a line of \u{1b}[31mmine\n")).unwrap();
    let perms = staged.out().join("db2/perms.tsv");
    let text = fs::read_to_string(&perms).unwrap();
    fs::write(&perms, text.replacen("644\troot", "640\troot", 1)).unwrap();
    fs::remove_file(staged.out().join("mon1/verify.sh")).unwrap();

    for json in [false, true] {
        let shown = diff(&old, &staged.out(), json);
        assert_eq!(shown.status.code(), Some(1));
        let shown = said(&shown);
        for hidden in [&password, new_password, "MC4C", "\u{1b}"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert!(shown.contains("# a line of"), "{shown}");
    }
    let shown = said(&diff(&old, &staged.out(), false));
    for line in [
        "! app1/rootfs/etc/mattermost/mattermost.environment  secret changed",
        "! app1/rootfs/etc/sysctl.d/60-mattermost.conf  secret changed",
        "! secrets/db-password  secret changed",
        "! web1/rootfs/etc/nginx/ssl/mattermost/privkey.pem  secret changed",
        "    +# a line of \\u{1b}[31mmine",
        "- mon1/verify.sh  sha256 ",
        "on the host 644 root:root -> 640 root:root",
    ] {
        assert!(shown.contains(line), "no `{line}` in\n{shown}");
    }
}

#[test]
fn what_is_no_staged_tree_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    for (name, text) in [
        ("b", "{}"),
        ("c", "{\"staged\":9,\"hosts\":[]}"),
        ("d", "x"),
    ] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("plan.json"), text).unwrap();
    }
    for (name, exit, id) in [
        ("a", 5, "error[E533]"),
        ("b", 5, "error[E533]"),
        ("c", 5, "error[E533]"),
        ("d", 5, "error[E533]"),
        ("absent", 6, "error[E601]"),
    ] {
        let path = folder.path().join(name);
        let refused = diff(&path, &path, false);
        assert_eq!(refused.status.code(), Some(exit), "{name}");
        assert!(said(&refused).contains(id), "{}", said(&refused));
    }
}

#[test]
fn two_locks_are_compared_as_locks() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/locks/format-1.lock");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let version = text
        .lines()
        .find(|line| line.starts_with("version = "))
        .unwrap();
    fs::write(&other, text.replacen(version, "version = \"99.1\"", 1)).unwrap();
    assert_eq!(diff(&lock, &lock, false).status.code(), Some(0));
    let shown = diff(&lock, &other, false);
    assert_eq!(shown.status.code(), Some(1));
    assert!(
        said(&shown).contains("-> sample 99.1 for"),
        "{}",
        said(&shown)
    );
}
