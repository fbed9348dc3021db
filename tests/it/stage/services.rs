//! The files of proxies, shared files, monitoring and MinIO, each against the program that reads it.

use std::fs;
use std::process::Command;

use crate::stage::topology::{HA_S3, ha_nfs};
use crate::support::rooms::Room;
use crate::support::staged::{Staged, all_packages, run, said, tool};

#[test]
fn every_script_of_every_host_passes_shellcheck() {
    let with_client = [("mc", "mc.RELEASE.2025-08-13T08-35-41Z")];
    for (deployment, programs) in [(HA_S3.to_owned(), &with_client[..]), (ha_nfs(), &[])] {
        let staged = Staged::bring(&deployment, &all_packages(), programs, &[]).unwrap();
        let mut scripts = Vec::new();
        for host in &staged.report.hosts {
            let folder = staged.out().join(host.name.as_str());
            scripts
                .extend(["install.sh", "verify.sh", "rollback.sh"].map(|name| folder.join(name)));
            if let Ok(own) = fs::read_dir(folder.join("rootfs/usr/local/sbin")) {
                scripts.extend(own.map(|entry| entry.unwrap().path()));
            }
        }
        assert!(scripts.len() > 30, "{}", scripts.len());
        for script in &scripts {
            run(Command::new("sh").arg("-n").arg(script));
        }
        run(tool("shellcheck", "shellcheck")
            .args(["--shell=sh", "--severity=style"])
            .args(&scripts));
    }
}

#[test]
fn keepalived_takes_its_configuration_and_the_step_sees_through_its_broken_check() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let conf = "/etc/keepalived/keepalived.conf";
    let own = |host: &str| -> Vec<String> {
        staged
            .text_of(host, conf)
            .lines()
            .map(str::trim)
            .filter(|line| {
                ["interface ", "priority ", "unicast_src_ip ", "10.20."]
                    .iter()
                    .any(|start| line.starts_with(start))
            })
            .map(ToOwned::to_owned)
            .collect()
    };
    assert_eq!(
        own("web1"),
        [
            "interface ens18",
            "priority 200",
            "unicast_src_ip 10.20.0.5",
            "10.20.0.6",
            "10.20.0.4/32 dev ens18"
        ]
    );
    assert_eq!(
        own("web2"),
        [
            "interface ens19",
            "priority 190",
            "unicast_src_ip 10.20.0.6",
            "10.20.0.5",
            "10.20.0.4/32 dev ens19"
        ]
    );

    let _ = tool("keepalived", "keepalived");
    let room = Room::new(&staged.out().join("web1/rootfs"), None, &[]);
    let install = staged.script_of("web1", "install.sh");
    let (functions, _) = install.split_once("\ntrap 'finish $?' EXIT").unwrap();
    fs::write(room.seen("/functions.sh"), functions).unwrap();
    room.script("mkdir -p /var/lib/haversack");
    let step = || {
        let text = "set --\n. /functions.sh\nserve() { :; }\ntrap '[ $? -eq 0 ] || echo \"stopped: $why\"' EXIT\nstep_failover\necho taken\n";
        let out = room.fed("root", &["sh", "-e"], text);
        (said(&out), out.status.success())
    };
    let (text, ok) = step();
    assert!(!ok && text.contains("interface ens18"), "{text}");
    room.script("ip link add ens18 type veth peer name other; ip link set ens18 up; ip addr add 10.20.0.5/24 dev ens18");
    let (text, ok) = step();
    assert!(ok && text.ends_with("taken\n"), "{text}");
    for (from, to, why) in [
        ("priority 200", "priority 999", "outside range"),
        ("advert_int 1", "advert 1", "Unknown keyword"),
    ] {
        room.script(&format!("cp {conf} /kept; sed -i 's/{from}/{to}/' {conf}"));
        let (text, ok) = step();
        assert!(!ok && text.contains(why), "{text}");
        room.script(&format!("cp /kept {conf}"));
    }
}

#[test]
fn nginx_takes_the_site_of_several_servers_with_limits() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let site = staged.text_of("web1", "/etc/nginx/sites-available/mattermost");
    for part in [
        "    server 10.20.0.11:8065 max_fails=0;\n    server 10.20.0.12:8065 max_fails=0;\n    server 10.20.0.13:8065 max_fails=0;\n    keepalive 32;\n",
        "\nlimit_req_zone $binary_remote_addr zone=mattermost_limit:10m rate=50r/s;\n",
        "    allow 10.30.1.0/24;\n    allow 10.20.0.5/32;\n    allow 10.20.0.6/32;\n    allow 10.20.0.4/32;\n    allow 127.0.0.1/32;\n    allow ::1/128;\n    deny all;\n",
    ] {
        assert!(site.contains(part), "{part}\n{site}");
    }
    let room = Room::new(&staged.out().join("web1/rootfs"), None, &[]);
    room.script("mkdir -p /var/log/nginx; printf 'events {}\\nhttp { include /etc/nginx/sites-available/*; }\\n' >/nginx.conf");
    let out = run(room
        .command("root", "nginx")
        .args(["-t", "-c", "/nginx.conf"]));
    assert!(!said(&out).contains("[warn]"), "{}", said(&out));
}

#[test]
fn prometheus_takes_its_configuration_and_its_rules() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let _ = tool("promtool", "prometheus");
    let room = Room::new(&staged.out().join("mon1/rootfs"), None, &[]);
    let out = run(room.command("root", "promtool").args([
        "check",
        "config",
        "/etc/prometheus/prometheus.yml",
    ]));
    assert!(
        said(&out).contains("SUCCESS: 6 rules found"),
        "{}",
        said(&out)
    );
    // Metrics of the application servers only, on their own port (rule PORT-022).
    let text = staged.text_of("mon1", "/etc/prometheus/prometheus.yml");
    let targets: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- targets: "))
        .collect();
    assert_eq!(
        targets,
        [
            "[\"127.0.0.1:9090\"]",
            "[\"10.20.0.11:8067\"]",
            "[\"10.20.0.12:8067\"]",
            "[\"10.20.0.13:8067\"]"
        ]
    );
    assert!(
        staged
            .text_of("mon1", "/etc/default/prometheus")
            .contains("--web.listen-address=127.0.0.1:9090")
    );
}

#[test]
fn with_its_client_minio_gives_mattermost_an_account_that_may_use_one_bucket() {
    let programs = [("mc", "mc.RELEASE.2025-08-13T08-35-41Z")];
    let staged = Staged::bring(HA_S3, &all_packages(), &programs, &[]).unwrap();
    let root = staged.text_of("files1", "/etc/minio/config.env");
    assert!(root.contains(&staged.secret("minio-root-password")));
    assert!(!root.contains(&staged.secret("s3-secret-key")));
    let app = staged.text_of("app1", "/etc/mattermost/mattermost.environment");
    assert!(app.contains(&staged.secret("s3-secret-key")));
    assert!(!app.contains(&staged.secret("minio-root-password")));

    // A stand-in for client and server: it notes what it is asked.
    let machine = Room::new(&staged.out().join("files1/rootfs"), None, &[]);
    machine.script(
        r#"cat >/usr/local/bin/mc <<'END'
#!/bin/sh
echo "mc $*" >>/asked
case "$*" in
*'user add'*) cat >>/asked; touch /account ;;
*attach*) echo 'policy change is already in effect' >&2; exit 1 ;;
esac
END
cat >/usr/bin/curl <<'END'
#!/bin/sh
user=$(sed -n 's/^user = "\([^:]*\):.*/\1/p')
. /etc/minio/config.env
echo "curl $user $*" >>/log
case "$user $*" in
"$MINIO_ROOT_USER "*" --head "*) printf 404 ;;
"$MINIO_ROOT_USER "*PUT*) printf 200 ;;
*) if [ -e /account ]; then printf 200; else printf 403; fi ;;
esac
END
chmod 755 /usr/local/bin/mc /usr/bin/curl"#,
    );
    let bucket = || {
        machine
            .script("sh /usr/local/sbin/mattermost-bucket-init 2>/said || { cat /said; exit 1; }")
    };
    assert_eq!(bucket(), "bucket mattermost: made\n");
    let asked = machine.script("sed 's/--config-dir [^ ]* //' /asked");
    let (user, key) = (
        staged.secret("s3-access-key"),
        staged.secret("s3-secret-key"),
    );
    assert_eq!(
        asked,
        format!(
            "mc --quiet --no-color admin policy create site mattermost-rw /usr/local/share/haversack/mattermost-bucket-policy.json\n\
             mc --quiet --no-color admin user add site\n{user}\n{key}\n\
             mc --quiet --no-color admin policy attach site mattermost-rw --user {user}\n"
        )
    );
    assert_eq!(bucket(), "bucket mattermost: is there\n");
    let policy = staged.text_of(
        "files1",
        "/usr/local/share/haversack/mattermost-bucket-policy.json",
    );
    let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(
        policy["Statement"][1]["Resource"][0],
        "arn:aws:s3:::mattermost/*"
    );
}
