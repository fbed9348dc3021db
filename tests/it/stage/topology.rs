//! Deployments of several hosts: what each of them gets, and what they have in common.

use std::fs;
use std::process::Command;

use crate::support::staged::{Staged, all_packages};

/// Two proxies with an address that they pass to each other, three application servers, a database
/// with a replica, one bucket, a push proxy, monitoring.
pub(crate) const HA_S3: &str = r#"
format  = 1
url     = "https://chat.mm.internal"
method  = "linux"
edition = "enterprise"
ha      = true

[tls]
cert = "chat.pem"
key  = "chat.key"
ca   = "ca.pem"

[network]
users = ["10.30.0.0/16"]
admin = ["10.20.9.0/28"]
dns   = ["10.20.0.2"]
ntp   = ["10.20.0.2"]

[defaults]
distro    = "debian-12"
memory_gb = 8

[[host]]
name = "web2"
address = "10.20.0.6"
interface = "ens19"
roles = ["proxy"]

[[host]]
name = "web1"
address = "10.20.0.5"
interface = "ens18"
roles = ["proxy"]

[[host]]
name = "mon1"
address = "10.20.0.60"
roles = ["monitor"]

[[host]]
name = "push1"
address = "10.20.0.50"
roles = ["push"]

[[host]]
name = "app3"
address = "10.20.0.13"
roles = ["app"]

[[host]]
name = "app2"
address = "10.20.0.12"
roles = ["app"]

[[host]]
name = "app1"
address = "10.20.0.11"
roles = ["app"]

[[host]]
name = "db1"
address = "10.20.0.20"
fqdn = "db1.mm.internal"
memory_gb = 32
roles = ["db"]

[[host]]
name = "db2"
address = "10.20.0.21"
fqdn = "db2.mm.internal"
memory_gb = 16
roles = ["db-replica"]

[[host]]
name = "files1"
address = "10.20.0.30"
fqdn = "files1.mm.internal"
roles = ["minio"]

[storage]
kind = "s3"
host = "files1"
bucket = "mattermost"
encrypted_at_rest = true

[push]
mode = "proxy"
host = "push1"

[proxy]
rate_limit = 50
allow = ["10.30.1.0/24"]
virtual_address = "10.20.0.4"
"#;

/// As [`HA_S3`], with files on an NFS server of the deployment.
pub(crate) fn ha_nfs() -> String {
    HA_S3
        .replace(
            "kind = \"s3\"\nhost = \"files1\"\nbucket = \"mattermost\"\nencrypted_at_rest = true",
            "kind = \"nfs\"\nhost = \"files1\"",
        )
        .replace("[\"minio\"]", "[\"nfs\"]")
}

#[test]
fn files_on_nfs_are_exported_to_each_application_server_and_mounted_by_it() {
    let staged = Staged::with(&ha_nfs(), &all_packages()).unwrap();
    let exports = staged.text_of("files1", "/etc/exports.d/mattermost.exports");
    let clients: Vec<_> = exports
        .lines()
        .last()
        .unwrap()
        .split(' ')
        .skip(1)
        .map(|client| client.split_once('(').unwrap().0)
        .collect();
    assert_eq!(clients, ["10.20.0.11", "10.20.0.12", "10.20.0.13"]);
    for host in ["app1", "app2", "app3"] {
        let unit = "/etc/systemd/system/mnt-mattermost_data.mount";
        let text = staged.text_of(host, unit);
        for line in [
            "Where=/mnt/mattermost_data",
            "Options=rw,hard,nfsvers=4.2,_netdev,nosuid,nodev,noexec",
        ] {
            assert!(text.lines().any(|one| one == line), "{host}: {line}");
        }
        let service = staged.text_of(host, "/etc/systemd/system/mattermost.service");
        assert!(service.contains("\nRequiresMountsFor=/mnt/mattermost_data\n"));
    }
}

#[test]
fn hosts_come_in_the_order_in_which_they_are_installed() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let names: Vec<_> = staged
        .report
        .hosts
        .iter()
        .map(|host| host.name.to_string())
        .collect();
    assert_eq!(
        names,
        [
            "db1", "db2", "files1", "push1", "app1", "app2", "app3", "web1", "web2", "mon1"
        ]
    );
}

#[test]
fn every_application_server_has_the_same_configuration_and_its_own_address() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let path = "/opt/mattermost/config/config.json";
    let first = fs::read(staged.rootfs_of("app1", path)).unwrap();
    let environment = "/etc/mattermost/mattermost.environment";
    let password = staged.secret("db-password");
    let mut common = Vec::new();
    for (host, address) in [
        ("app1", "10.20.0.11"),
        ("app2", "10.20.0.12"),
        ("app3", "10.20.0.13"),
    ] {
        assert!(
            fs::read(staged.rootfs_of(host, path)).unwrap() == first,
            "{host}"
        );
        let text = staged.text_of(host, environment);
        let own: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("MM_CLUSTERSETTINGS_"))
            .collect();
        assert_eq!(
            own,
            [
                format!("MM_CLUSTERSETTINGS_ADVERTISEADDRESS='{address}'"),
                format!("MM_CLUSTERSETTINGS_BINDADDRESS='{address}'")
            ]
        );
        common.push(text.replace(address, "HERE"));
    }
    assert!(common.iter().all(|text| *text == common[0]));
    let end = "5432/mattermost?sslmode=verify-full&sslrootcert=/etc/mattermost/ca.pem&connect_timeout=10'";
    for line in [
        format!(
            "\nMM_SQLSETTINGS_DATASOURCE='postgres://mmuser:{password}@db1.mm.internal:{end}\n"
        ),
        format!(
            "\nMM_SQLSETTINGS_DATASOURCEREPLICAS='postgres://mmuser:{password}@db2.mm.internal:{end}\n"
        ),
        format!(
            "\nMM_SQLSETTINGS_ATRESTENCRYPTKEY='{}'\n",
            staged.secret("at-rest-encrypt-key")
        ),
        format!(
            "\nMM_FILESETTINGS_PUBLICLINKSALT='{}'\n",
            staged.secret("public-link-salt")
        ),
    ] {
        assert!(
            common[0].contains(&line),
            "a line of the environment is not as expected"
        );
    }
    let config: serde_json::Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(
        config["ClusterSettings"],
        serde_json::json!({
            "Enable": true, "ClusterName": "production", "UseIPAddress": true,
            "EnableGossipEncryption": true, "EnableGossipCompression": false,
            "ReadOnlyConfig": true, "GossipPort": 8074,
        })
    );
    assert_eq!(
        config["EmailSettings"]["PushNotificationServer"],
        "http://10.20.0.50:8066"
    );
    assert_eq!(
        config["FileSettings"]["AmazonS3Endpoint"],
        "files1.mm.internal:9000"
    );
}

#[test]
fn primary_and_replica_let_in_the_servers_and_each_other_and_nobody_else() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let lines = |host: &str| -> Vec<String> {
        staged
            .text_of(host, "/etc/postgresql/15/main/pg_hba.conf")
            .lines()
            .filter(|line| line.starts_with("host"))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    let expected = |peer: &str| {
        vec![
            "hostssl mattermost mmuser 10.20.0.11/32 scram-sha-256".to_owned(),
            "hostssl mattermost mmuser 10.20.0.12/32 scram-sha-256".to_owned(),
            "hostssl mattermost mmuser 10.20.0.13/32 scram-sha-256".to_owned(),
            format!("hostssl replication mmrepl {peer}/32 scram-sha-256"),
            "host all all 0.0.0.0/0 reject".to_owned(),
            "host all all ::/0 reject".to_owned(),
        ]
    };
    assert_eq!(lines("db1"), expected("10.20.0.21"));
    assert_eq!(lines("db2"), expected("10.20.0.20"));

    let conf = "/etc/postgresql/15/main/conf.d/mattermost.conf";
    let (primary, replica) = (staged.text_of("db1", conf), staged.text_of("db2", conf));
    assert!(
        primary.contains("listen_addresses = 'localhost, 10.20.0.20'\n"),
        "{primary}"
    );
    assert!(
        replica.contains("listen_addresses = 'localhost, 10.20.0.21'\n"),
        "{replica}"
    );
    for line in [
        "wal_level = 'replica'",
        "max_wal_senders = 10",
        "max_replication_slots = 10",
        "hot_standby_feedback = on",
    ] {
        for text in [&primary, &replica] {
            assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
        }
    }
    assert!(!primary.contains("primary_conninfo"), "{primary}");
    assert!(replica.contains("\nprimary_conninfo = 'host=db1.mm.internal hostaddr=10.20.0.20 port=5432 user=mmrepl passfile=/etc/postgresql/15/main/mattermost-tls/replication.pgpass sslmode=verify-full sslrootcert=/etc/postgresql/15/main/mattermost-tls/ca.pem application_name=db2 connect_timeout=10 keepalives_idle=5 keepalives_interval=1 keepalives_count=5'\nprimary_slot_name = 'mm_db2'\n"), "{replica}");
    // A replica with fewer connections than its primary does not start; memory is each host's own.
    let setting = |text: &str, key: &str| {
        text.lines()
            .find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(" = ")?.to_owned()))
    };
    assert_eq!(
        setting(&primary, "max_connections"),
        setting(&replica, "max_connections")
    );
    assert_eq!(setting(&primary, "shared_buffers").unwrap(), "'21299MB'");
    assert_eq!(setting(&replica, "shared_buffers").unwrap(), "'5120MB'");

    let sql = staged.text_of("db1", "/usr/local/share/haversack/db-prepare.sql");
    let password = staged.secret("replication-password");
    assert!(
        sql.contains("CREATE ROLE \"mmrepl\" LOGIN REPLICATION NOSUPERUSER"),
        "{sql}"
    );
    assert!(
        sql.contains("'DO $$BEGIN PERFORM pg_create_physical_replication_slot(''mm_db2''); END$$'"),
        "{sql}"
    );
    assert!(!sql.contains(&password));
    assert_eq!(
        staged.text_of(
            "db2",
            "/etc/postgresql/15/main/mattermost-tls/replication.pgpass"
        ),
        format!("*:5432:*:mmrepl:{password}\n")
    );
    assert!(
        !staged
            .rootfs_of("db2", "/usr/local/share/haversack/db-prepare.sql")
            .exists()
    );
    assert!(
        !staged
            .rootfs_of("db2", "/etc/systemd/system/mattermost-backup.timer")
            .exists()
    );
}

#[test]
fn each_host_gets_only_the_programs_packages_and_secrets_that_it_needs() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    let brought = |host: &str| -> Vec<String> {
        staged
            .script_of(host, "MANIFEST.sha256")
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(_, path)| path.to_owned())
            .filter(|path| {
                path.contains("/pool/") || path.starts_with("artifacts/") && !path.contains("/apt/")
            })
            .map(|path| {
                path.rsplit('/')
                    .next()
                    .unwrap()
                    .split('_')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(
        brought("app2"),
        [
            "ca-certificates",
            "curl",
            "nftables",
            "mattermost-11.7.10-linux-amd64.tar.gz"
        ]
    );
    assert_eq!(
        brought("web1"),
        ["ca-certificates", "curl", "keepalived", "nftables", "nginx"]
    );
    let database = ["ca-certificates", "locales", "nftables", "postgresql-15"];
    assert_eq!(brought("db1"), database);
    assert_eq!(brought("db2"), database);
    assert_eq!(
        brought("files1"),
        [
            "ca-certificates",
            "curl",
            "nftables",
            "minio.RELEASE.2025-10-15T17-29-55Z"
        ]
    );
    assert_eq!(
        brought("mon1"),
        ["ca-certificates", "nftables", "prometheus"]
    );
    for (name, hosts) in [
        ("db-password", &["app1", "app2", "app3"][..]),
        ("replication-password", &["db2"]),
        ("s3-secret-key", &["files1", "app1", "app2", "app3"]),
        ("at-rest-encrypt-key", &["app1", "app2", "app3"]),
    ] {
        let secret = staged.secret(name);
        let found: Vec<_> = staged
            .report
            .hosts
            .iter()
            .map(|host| host.name.to_string())
            .filter(|host| {
                let found = Command::new("grep")
                    .args(["-rlF", "--", &secret])
                    .arg(staged.out().join(host))
                    .output()
                    .unwrap();
                !found.stdout.is_empty()
            })
            .collect();
        assert_eq!(found, hosts, "{name}");
    }
}

#[test]
fn secrets_that_only_the_operator_has_are_asked_for_by_name_and_go_to_the_environment_only() {
    let outside = HA_S3
        .replace("kind = \"s3\"\nhost = \"files1\"", "kind = \"s3\"\nendpoint = \"https://s3.mm.internal:9443\"")
        .replace("name = \"db1\"\naddress = \"10.20.0.20\"\nfqdn = \"db1.mm.internal\"\nmemory_gb = 32\nroles = [\"db\"]\n\n[[host]]\nname = \"db2\"\naddress = \"10.20.0.21\"\nfqdn = \"db2.mm.internal\"\nmemory_gb = 16\nroles = [\"db-replica\"]\n\n[[host]]\nname = \"files1\"\naddress = \"10.20.0.30\"\nfqdn = \"files1.mm.internal\"\nroles = [\"minio\"]", "name = \"spare\"\naddress = \"10.20.0.14\"\nroles = [\"app\"]")
        + "\n[database]\ndsn_host = \"db.mm.internal\"\n[smtp]\nhost = \"mail.mm.internal\"\nport = 587\nsecurity = \"starttls\"\nuser = \"mattermost\"\nfrom = \"chat@mm.internal\"\n[ldap]\nhost = \"ldap.mm.internal\"\nport = 636\nsecurity = \"tls\"\nbase_dn = \"dc=mm\"\nbind_dn = \"cn=chat,dc=mm\"\n";
    let error = Staged::bring(
        &outside,
        &all_packages(),
        &[],
        &[("smtp-password", "pa'ss")],
    )
    .map(|staged| staged.report)
    .unwrap_err();
    assert_eq!(error.id(), "E608");
    assert_eq!(
        error.to_string(),
        "the secret `db-password` (password of the database user) is missing; the secret `s3-access-key` (access key of the bucket) is missing; the secret `s3-secret-key` (secret key of the bucket) is missing; the secret `ldap-bind-password` (password of the directory user) is missing"
    );
    assert!(error.hint().unwrap().contains("--secrets FOLDER"));

    let given = [
        ("smtp-password", "pa'ss \"$x"),
        ("db-password", "p@ss:word/1"),
        ("s3-access-key", "AKEXAMPLE"),
        ("s3-secret-key", "wJalr/+=EXAMPLE"),
        ("ldap-bind-password", "bind-me"),
        ("license", "eyJpZCI6ImEifQ=="),
    ];
    let staged = Staged::bring(&outside, &all_packages(), &[], &given).unwrap();
    let environment = staged.text_of("spare", "/etc/mattermost/mattermost.environment");
    for line in [
        r#"MM_EMAILSETTINGS_SMTPPASSWORD="pa'ss \"\$x""#,
        "MM_LDAPSETTINGS_BINDPASSWORD='bind-me'",
        "MM_FILESETTINGS_AMAZONS3ACCESSKEYID='AKEXAMPLE'",
        "MM_FILESETTINGS_AMAZONS3SECRETACCESSKEY='wJalr/+=EXAMPLE'",
        "MM_SQLSETTINGS_DATASOURCE='postgres://mmuser:p%40ss%3Aword%2F1@db.mm.internal:5432/mattermost?sslmode=verify-full&sslrootcert=/etc/mattermost/ca.pem&connect_timeout=10'",
    ] {
        assert!(environment.contains(&format!("\n{line}\n")), "{line}");
    }
    let config = staged.text_of("spare", "/opt/mattermost/config/config.json");
    let parsed: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(
        parsed["FileSettings"]["AmazonS3Endpoint"],
        "s3.mm.internal:9443"
    );
    assert_eq!(parsed["EmailSettings"]["SMTPUsername"], "mattermost");
    assert_eq!(parsed["LdapSettings"]["BindUsername"], "cn=chat,dc=mm");
    let license = "/etc/mattermost/mattermost.mattermost-license";
    assert_eq!(parsed["ServiceSettings"]["LicenseFileLocation"], license);
    assert_eq!(staged.text_of("spare", license), "eyJpZCI6ImEifQ==\n");
    for (_, secret) in given {
        assert!(!config.contains(secret));
        let shown = format!("{:?}", staged.report);
        assert!(!shown.contains(secret));
    }
    // Kept: the next stage needs no folder.
    for (name, secret) in given {
        assert_eq!(staged.secret(name), secret);
    }
    fs::remove_dir_all(staged.path("given")).unwrap();
    assert_eq!(staged.again("staged").unwrap().hosts, staged.report.hosts);
}
