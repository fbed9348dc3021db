//! What `verify.sh` says of running services: each check with programs that play a good and a bad world.

use crate::stage::topology::{HA_S3, ha_nfs};
use crate::stage::world::{TARGETS, World};
use crate::support::staged::{Staged, all_packages};

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one table of answers and what is said of them"
)]
fn an_application_server_is_asked_for_its_database_bucket_licence_cluster_and_metrics() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let world = World::new(&staged, "app1");
    world.well(&[
        "DB-063 mmuser logs in over TLS",
        "Mattermost reaches its database",
        "Mattermost reaches its file store",
        "ARCH-006 the server has its licence",
        "PORT-021 this node listens for the others on udp 8074",
        "PORT-022 this server gives metrics",
        "this node hears the others in time",
        "FILES-075 the bucket can be listed",
        "FILES-075 an object can be written",
        "FILES-075 the object reads as it was written",
    ]);
    // No secret is an argument, and the password is the decoded one.
    let (arguments, keys) = (world.root.read("/arguments"), world.root.read("/keys"));
    let key = staged.secret("s3-secret-key");
    assert!(keys.contains(&key) && !arguments.contains(&key));
    assert_eq!(
        world.root.read("/password.app"),
        staged.secret("db-password")
    );
    for (name, text, word, what) in [
        (
            "ping",
            "{\"database_status\":\"UNHEALTHY\",\"filestore_status\":\"OK\"}",
            "FAIL",
            "its database; next",
        ),
        (
            "ping",
            "{\"database_status\":\"OK\",\"filestore_status\":\"UNHEALTHY\"}",
            "FAIL",
            "its file store; next",
        ),
        (
            "ping",
            "{}",
            "not checked",
            "whether Mattermost reaches its file store",
        ),
        ("license", "{\"IsLicensed\":\"false\"}", "WARN", "ARCH-006"),
        (
            "license",
            "{\"Cluster\":\"false\",\"IsLicensed\":\"true\"}",
            "FAIL",
            "ARCH-006 the licence does not cover",
        ),
        ("license", "{}", "not checked", "the licence"),
        ("metrics", "", "FAIL", "PORT-022"),
        (
            "metrics",
            "# x\nmattermost_cluster_cluster_health_score 3\n",
            "WARN",
            "health score 3",
        ),
        ("metrics", "# x\n", "not checked", "health of the cluster"),
        (
            "ss",
            "",
            "FAIL",
            "PORT-021 this node does not listen for the others on tcp 8074",
        ),
        (
            "listing",
            "403",
            "FAIL",
            "FILES-075 the bucket can be listed: found '403'",
        ),
        (
            "listing",
            "000",
            "FAIL",
            "FILES-075 the file store does not answer",
        ),
        (
            "listing",
            "",
            "not checked",
            "FILES-075 the bucket: curl is older",
        ),
        (
            "put",
            "403",
            "FAIL",
            "FILES-075 an object can be written: found '403'",
        ),
        (
            "object",
            "other",
            "FAIL",
            "FILES-075 the object reads as it was written: found 'other'",
        ),
        (
            "delete",
            "403",
            "WARN",
            "FILES-075 the probe /haversack-probe-app1-",
        ),
        (
            "table",
            "ERROR:  permission denied for schema public\n",
            "FAIL",
            "DB-063 mmuser logs in over TLS and may make tables: found 'ERROR:  permission denied for schema public'",
        ),
        (
            "guess",
            "1\n",
            "FAIL",
            "DB-065 the database accepts a wrong password",
        ),
        (
            "plain",
            "1\n",
            "FAIL",
            "DB-068 the database accepts mmuser without TLS",
        ),
    ] {
        world.says(name, text, word, what);
    }
}

#[test]
fn a_password_with_every_kind_of_character_is_decoded_before_it_is_used() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let world = World::new(&staged, "app1");
    let password = "a%:@/?#$'\"\\ é+&=~Z9";
    let encoded: String = password
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    for quote in ['\'', '"'] {
        world.root.write(
            "/etc/mattermost/mattermost.environment",
            &format!("MM_SQLSETTINGS_DATASOURCE={quote}postgres://mmuser:{encoded}@db1.mm.internal:5432/mattermost?sslmode=verify-full{quote}\n"),
        );
        let _ = world.verify();
        assert_eq!(world.root.read("/password.app"), password);
    }
}

#[test]
fn files_on_nfs_are_written_and_read_as_the_service_and_keep_their_owner() {
    let staged = Staged::with(&ha_nfs(), &all_packages()).unwrap();
    let world = World::new(&staged, "app1");
    let folder = "/mnt/mattermost_data";
    std::fs::create_dir_all(world.root.path(folder)).unwrap();
    let (shown, ok) = world.verify();
    // It is a plain folder: only that is wrong.
    assert!(!ok);
    let wrong: Vec<_> = shown
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .collect();
    assert_eq!(
        wrong,
        [
            "FAIL  FILES-082 the file store is a mounted NFS folder: found '', expected 'yes'; next: systemctl start mnt-mattermost_data.mount"
        ]
    );
    assert!(
        shown.contains("ok    FILES-085 what the server writes to its file store belongs to it\n"),
        "{shown}"
    );
    assert_eq!(
        std::fs::read_dir(world.root.path(folder)).unwrap().count(),
        0
    );
    world.says(
        "uid",
        "65534",
        "FAIL",
        "belongs to it: found '65534', expected '2000'",
    );
    std::fs::remove_dir(world.root.path(folder)).unwrap();
    world.says(
        "uid",
        "2000",
        "FAIL",
        "FILES-085 the user mattermost cannot write and read /mnt/mattermost_data",
    );
}

#[test]
fn the_primary_is_asked_for_its_replica_and_its_backups() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let world = World::new(&staged, "db1");
    let (shown, ok) = world.verify();
    assert!(!ok, "the played server knows no encoding: {shown}");
    // What the played server answers to other questions is not what this looks at.
    let script = world.root.read("/root/mm1/verify.sh");
    let other =
        |line: &&str| line.starts_with("expect \"DB-057") || line.starts_with("expect \"DB-058");
    let kept: Vec<_> = script.lines().filter(|line| !other(line)).collect();
    assert_eq!(kept.len(), script.lines().count() - 2);
    world.root.write("/root/mm1/verify.sh", &kept.join("\n"));
    let dump = "/var/backups/mattermost/mattermost-20990101T000000Z.dump";
    let folder = staged.text_of("db1", "/usr/local/sbin/mattermost-backup");
    assert!(
        folder.contains("folder='/var/backups/mattermost'")
            || folder.contains("folder=/var/backups/mattermost"),
        "{folder}"
    );
    world.says(
        "slot",
        "t|t|reserved|streaming|0",
        "WARN",
        "DB-069 there is no backup yet",
    );
    world.root.write(dump, "PGDMP");
    world.well(&[
        "DB-071 this server is the primary",
        "DB-071 db2 streams from this primary, 0 bytes behind",
        "DB-069 the newest backup is 0 hours old, 5 bytes, and can be read",
    ]);
    for (name, text, word, what) in [
        (
            "recovery",
            "t\n",
            "FAIL",
            "DB-071 this server is the primary: found 't'",
        ),
        (
            "slot",
            "t|t|reserved|catchup|9",
            "FAIL",
            "DB-071 db2 does not stream",
        ),
        (
            "slot",
            "f|t|reserved||-1",
            "FAIL",
            "DB-071 db2 does not stream",
        ),
        (
            "slot",
            "f|t|lost||-1",
            "FAIL",
            "DB-071 db2 was away too long",
        ),
        (
            "slot",
            "f|f|||-1",
            "not checked",
            "DB-071 replication to db2",
        ),
        ("slot", "", "FAIL", "DB-071 there is no slot for db2"),
        (
            "slot",
            "t|t|reserved|streaming|99999999",
            "WARN",
            "95 MiB behind",
        ),
        (
            "restore",
            "exit 1",
            "FAIL",
            "DB-069 the backup /var/backups/mattermost/mattermost-20990101T000000Z.dump (5 bytes) cannot be read",
        ),
        (
            "backup",
            "exit-code",
            "FAIL",
            "DB-069 the last backup ended with 'exit-code'",
        ),
        (
            "handshake",
            "",
            "FAIL",
            "PROXY-106 PostgreSQL shows no certificate on 10.20.0.20:5432",
        ),
    ] {
        world.says(name, text, word, what);
    }
    for (ago, word, what) in [
        (30, "WARN", "is 30 hours old"),
        (60, "FAIL", "is 60 hours old"),
    ] {
        let touched = world
            .root
            .shell(&format!("touch -d '{ago} hours ago' {dump}"));
        assert!(touched.status.success());
        world.says("uid", "2000", word, what);
    }
}

#[test]
fn a_replica_is_asked_whether_it_follows() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let world = World::new(&staged, "db2");
    let script = world.root.read("/root/mm1/verify.sh");
    let other =
        |line: &&str| line.starts_with("expect \"DB-057") || line.starts_with("expect \"DB-058");
    let kept: Vec<_> = script.lines().filter(|line| !other(line)).collect();
    world.root.write("/root/mm1/verify.sh", &kept.join("\n"));
    world.says(
        "recovery",
        "f\n",
        "FAIL",
        "DB-071 this server follows its primary: found 'f'",
    );
    world.root.write("/world/recovery", "t\n");
    world.well(&[
        "DB-071 this server follows its primary",
        "DB-071 the primary sends",
        "DB-071 this replica is 3 seconds behind",
    ]);
    for (name, text, word, what) in [
        (
            "receiver",
            "nothing\n",
            "FAIL",
            "DB-071 the primary sends: found 'nothing'",
        ),
        (
            "lag",
            "900\n",
            "WARN",
            "DB-071 this replica is 900 seconds behind",
        ),
        ("lag", "ERROR\n", "not checked", "DB-071 how far"),
    ] {
        world.says(name, text, word, what);
    }
}

#[test]
fn prometheus_is_asked_for_each_target() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let world = World::new(&staged, "mon1");
    world.well(&["DB-070 Prometheus reads http://10.20.0.11:8067/metrics"]);
    let down = TARGETS.replace(
        "\"lastError\":\"\",\"health\":\"up\"",
        "\"lastError\":\"x\",\"health\":\"down\"",
    );
    assert_ne!(down, TARGETS);
    world.says(
        "targets",
        &down,
        "FAIL",
        "DB-070 Prometheus cannot read http://10.20.0.11:8067/metrics (down)",
    );
    world.says("targets", "", "FAIL", "DB-070 Prometheus tells no targets");
}

#[test]
fn a_proxy_is_asked_for_its_site_its_websocket_its_certificate_and_the_shared_address() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let world = World::new(&staged, "web1");
    world.well(&[
        "PROXY-112 nginx accepts its configuration",
        "TOOL-025 NGINX reads /etc/nginx/sites-enabled/mattermost",
        "PROXY-100 port 80 redirects",
        "PROXY-102 a websocket passes through the proxy",
        "PROXY-107 tls1_1 is refused",
        "the site answers on 10.20.0.4, held by this host",
        "PROXY-106 the certificate of the site is trusted and holds its name",
        "PROXY-106 the certificate of the site is good for ",
    ]);
    let in_days = |days: i64| {
        let out = std::process::Command::new("date")
            .args([
                "-u",
                "-d",
                &format!("{days} days 1 hour"),
                "+notAfter=%b %e %H:%M:%S %Y GMT",
            ])
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    for (name, text, word, what) in [
        (
            "dump",
            "# configuration file /etc/nginx/nginx.conf:\n",
            "FAIL",
            "TOOL-025 NGINX does not read",
        ),
        (
            "test",
            "nginx: [warn] conflicting server name \"chat.mm.internal\" on 0.0.0.0:443, ignored\n",
            "FAIL",
            "TOOL-025 two servers have one name",
        ),
        (
            "upgrade",
            "403",
            "FAIL",
            "PROXY-102 a websocket passes through the proxy: found '403', expected '101'",
        ),
        (
            "shared",
            "000",
            "FAIL",
            "the site answers on 10.20.0.4, held by this host: found '000'",
        ),
        (
            "ip",
            "2: ens18    inet 10.20.0.40/32\n",
            "not checked",
            "the site on 10.20.0.4: this host does not hold it",
        ),
        (
            "handshake",
            "    Verify return code: 20 (unable to get local issuer certificate)\n",
            "FAIL",
            "PROXY-106 the certificate of the site: 20 (unable to get local issuer certificate)",
        ),
        (
            "enddate",
            &in_days(20),
            "WARN",
            "PROXY-106 the certificate of the site ends in 20 days",
        ),
        (
            "enddate",
            &in_days(3),
            "FAIL",
            "PROXY-106 the certificate of the site ends in 3 days",
        ),
        (
            "enddate",
            &in_days(-2),
            "FAIL",
            "PROXY-106 the certificate of the site ends in -1 days",
        ),
    ] {
        world.says(name, text, word, what);
    }
}
