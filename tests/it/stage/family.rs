//! Every distribution with every packet filter that it can have, against the programs that will read the files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use haversack::plan::deployment::Firewall;
use haversack::stage::StageError;
use haversack::types::target::{Distribution, Family};

use crate::stage::tools::units_are_understood;
use crate::stage::topology::HA_S3;
use crate::support::staged::{DEPLOYMENT, Staged, all_packages, packages, run, said, tool};

/// The deployment of the tests on another distribution.
fn deployment(distribution: Distribution, firewall: Firewall) -> String {
    let mut text = DEPLOYMENT.replace(
        "distro    = \"debian-12\"\n",
        &format!("distro    = \"{distribution}\"\nfirewall  = \"{firewall}\"\n"),
    );
    if distribution.family() == Family::Rhel {
        text.push_str("\n[database]\nversion = 17\n");
    }
    text
}

/// The packages of a bundle for the Debian family.
fn packages_for(firewall: Firewall) -> Vec<(&'static str, &'static str)> {
    let mut all = packages();
    all.retain(|(name, _)| *name != "nftables");
    all.push((firewall.as_str(), "1.0"));
    all.sort_unstable();
    all
}

/// What is staged for a distribution and a packet filter.
pub(super) fn staged(distribution: Distribution, firewall: Firewall) -> Staged {
    let packages = match distribution.family() {
        Family::Debian => packages_for(firewall),
        Family::Rhel => Vec::new(),
    };
    Staged::from_bundle_for(distribution, &deployment(distribution, firewall), &packages).unwrap()
}

fn combinations() -> impl Iterator<Item = (Distribution, Firewall)> {
    Distribution::ALL.into_iter().flat_map(|distribution| {
        Firewall::ALL
            .iter()
            .filter(move |firewall| {
                distribution.family() == Family::Debian || **firewall != Firewall::Ufw
            })
            .map(move |firewall| (distribution, *firewall))
    })
}

fn listed(folder: &Path, below: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listed(&path, below));
        } else {
            let path = path.strip_prefix(below).unwrap();
            found.push(format!("/{}", path.display()));
        }
    }
    found.sort();
    found
}

#[test]
fn every_distribution_and_packet_filter_passes_the_real_validators() {
    let mut count = 0;
    for (distribution, firewall) in combinations() {
        let staged = staged(distribution, firewall);
        let about = format!("{distribution} {firewall}");
        let scripts: Vec<PathBuf> = ["install.sh", "verify.sh", "rollback.sh"]
            .map(|name| staged.host().join(name))
            .into();
        for script in &scripts {
            run(Command::new("sh").arg("-n").arg(script));
        }
        run(tool("shellcheck", "shellcheck")
            .args(["--shell=sh", "--severity=style"])
            .args(&scripts));
        // The packet filter has no units of its own.
        if firewall == Firewall::of(distribution) {
            units_are_understood(&staged);
        }
        let files = listed(&staged.host().join("rootfs"), &staged.host().join("rootfs"));
        let filter: Vec<&str> = files
            .iter()
            .map(String::as_str)
            .filter(|path| {
                ["nftables", "firewalld", "ufw"]
                    .iter()
                    .any(|word| path.contains(word))
            })
            .collect();
        match firewall {
            Firewall::Nftables => {
                let main = match distribution.family() {
                    Family::Debian => "/etc/nftables.conf",
                    Family::Rhel => "/etc/sysconfig/nftables.conf",
                };
                let mut expected = ["/etc/nftables.d/mattermost.nft", main];
                expected.sort_unstable();
                assert_eq!(filter, expected, "{about}");
                run(tool("unshare", "util-linux")
                    .args(["--net", "nft", "-c", "-f"])
                    .arg(staged.rootfs("/etc/nftables.d/mattermost.nft")));
            }
            Firewall::Firewalld => {
                assert_eq!(
                    filter,
                    [
                        "/etc/firewalld/policies/haversack-out.xml",
                        "/etc/firewalld/zones/haversack.xml"
                    ],
                    "{about}"
                );
                assert_eq!(
                    firewalld_says(&staged, &staged.rootfs("/etc/firewalld")),
                    ""
                );
            }
            // Given to ufw rule by rule in `filter.rs`.
            Firewall::Ufw => {
                assert_eq!(filter, ["/usr/local/share/haversack/ufw.rules"], "{about}");
                ufw_takes(&staged);
            }
        }
        count += 1;
    }
    assert_eq!(count, 20);
}

/// What `firewall-offline-cmd --check-config` says about a folder like `/etc/firewalld`; it ends with 0
/// whatever it finds.
fn firewalld_says(staged: &Staged, folder: &Path) -> String {
    let copy = staged.path("firewalld-check");
    drop(fs::remove_dir_all(&copy));
    run(Command::new("cp").arg("-a").arg(folder).arg(&copy));
    fs::copy("/etc/firewalld/firewalld.conf", copy.join("firewalld.conf")).unwrap();
    let out = run(tool("firewall-offline-cmd", "firewalld")
        .arg(format!("--system-config={}", copy.display()))
        .arg("--check-config"));
    said(&out)
}

#[test]
fn the_check_of_firewalld_sees_a_protocol_that_does_not_exist() {
    let staged = staged(Distribution::Rhel9, Firewall::Firewalld);
    let folder = staged.path("broken");
    run(Command::new("cp")
        .arg("-a")
        .arg(staged.rootfs("/etc/firewalld"))
        .arg(&folder));
    let zone = folder.join("zones/haversack.xml");
    let text = fs::read_to_string(&zone).unwrap();
    fs::write(&zone, text.replacen("\"tcp\"", "\"tcq\"", 1)).unwrap();
    let said = firewalld_says(&staged, &folder);
    assert!(said.contains("INVALID"), "{said}");
}

#[test]
fn no_rule_of_firewalld_opens_a_port_to_everyone() {
    let staged = staged(Distribution::Rocky9, Firewall::Firewalld);
    let zone = staged.text("/etc/firewalld/zones/haversack.xml");
    let open: Vec<&str> = zone
        .lines()
        .filter(|line| line.contains("<port "))
        .collect();
    assert_eq!(
        open,
        [
            r#"  <rule family="ipv4"><source address="10.20.9.0/28"/><port protocol="tcp" port="22"/><accept/></rule>"#,
            r#"  <rule family="ipv4"><source address="10.30.0.0/16"/><port protocol="tcp" port="80"/><accept/></rule>"#,
            r#"  <rule family="ipv4"><source address="10.30.0.0/16"/><port protocol="tcp" port="443"/><accept/></rule>"#,
            r#"  <rule family="ipv4"><source address="10.20.9.0/28"/><port protocol="tcp" port="8065"/><accept/></rule>"#,
        ]
    );
    for word in [
        "<service",
        "<interface",
        "target=\"ACCEPT\"",
        "masquerade",
        "<forward",
    ] {
        assert!(!zone.contains(word), "{word}");
    }
}

/// Gives every rule to `ufw --dry-run` in a mount namespace with its own `/etc/ufw`.
fn ufw_takes(staged: &Staged) {
    let folder = staged.path("ufw-check");
    drop(fs::remove_dir_all(&folder));
    run(Command::new("cp").args(["-a", "/etc/ufw"]).arg(&folder));
    tool("ufw", "ufw");
    let script = "mount --bind \"$1\" /etc/ufw; mount -t tmpfs none /run
        while IFS=$(printf '\\t') read -r rule comment; do
            ufw --dry-run $rule comment \"$comment\" >/dev/null || exit 1
        done <\"$2\"
        ! ufw --dry-run allow from 10.0.0.1 to any port 99999 proto tcp >/dev/null 2>&1";
    run(tool("unshare", "util-linux")
        .args(["--net", "--mount", "sh", "-c", script, "sh"])
        .arg(&folder)
        .arg(staged.rootfs("/usr/local/share/haversack/ufw.rules")));
}

#[test]
fn the_red_hat_family_has_its_own_places_and_brings_no_packages() {
    for distribution in [
        Distribution::Rhel9,
        Distribution::Rocky9,
        Distribution::Alma9,
        Distribution::Oracle9,
    ] {
        let staged = staged(distribution, Firewall::Firewalld);
        let files = listed(&staged.host().join("rootfs"), &staged.host().join("rootfs"));
        for path in [
            "/etc/nginx/conf.d/mattermost.conf",
            "/etc/pki/ca-trust/source/anchors/haversack-site-ca.pem",
            "/etc/chrony.d/haversack.sources",
            "/var/lib/pgsql/17/data/pg_hba.conf",
            "/var/lib/pgsql/17/data/conf.d/mattermost.conf",
            "/etc/systemd/system/postgresql-17.service.d/mattermost.conf",
            "/usr/local/share/haversack/haversack_mattermost.te",
            "/usr/local/share/haversack/80-mattermost.rules",
        ] {
            assert!(
                files.iter().any(|found| found == path),
                "{path}: {files:#?}"
            );
        }
        for part in [
            "/etc/apt",
            "sites-",
            "/etc/postgresql",
            "timesyncd",
            "/usr/share/keyrings",
        ] {
            assert!(!files.iter().any(|found| found.contains(part)), "{part}");
        }
        assert!(!staged.host().join("artifacts/apt").exists());
        let script = fs::read_to_string(staged.host().join("install.sh")).unwrap();
        let (id, _) = distribution.os_release();
        assert!(script.contains(&format!("[ \"$found\" = '{id} 9' ]")));
        for word in [
            "apt-get",
            "dpkg",
            "policy-rc.d",
            "--nogpgcheck",
            "gpgcheck=0",
        ] {
            assert!(!script.contains(word), "{word}");
        }
    }
}

#[test]
fn a_bundle_of_one_family_is_not_staged_for_another_but_all_of_red_hat_is_one() {
    let rocky = deployment(Distribution::Rocky9, Firewall::Firewalld);
    Staged::from_bundle_for(Distribution::Rhel9, &rocky, &[]).unwrap();
    let reasons =
        |bundle, deployment: &str, packages: &[(&str, &str)]| match Staged::from_bundle_for(
            bundle, deployment, packages,
        ) {
            Err(StageError::Unfit(reasons)) => reasons,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was staged"),
        };
    assert_eq!(
        reasons(Distribution::Debian12, &rocky, &packages()),
        ["the bundle is for debian-12, the host mm1 runs rocky-9"]
    );
    let debian = deployment(Distribution::Debian13, Firewall::Nftables);
    assert_eq!(
        reasons(Distribution::Debian12, &debian, &packages()),
        ["the bundle is for debian-12, the host mm1 runs debian-13"]
    );
    assert_eq!(
        reasons(
            Distribution::Rocky9,
            &rocky
                .replace("version = 17", "port = 5432")
                .replace("firewalld", "ufw"),
            &[]
        ),
        [
            "say with `database.version` which PostgreSQL mm1 gets: its packages come from the repositories of the host, not from the bundle",
            "mm1 runs rocky-9, which has no ufw; use `firewall = \"firewalld\"` or \"nftables\""
        ]
    );
}

#[test]
fn what_a_distribution_does_not_have_is_refused_by_name() {
    let refused =
        |distribution, deployment: &str, packages: &[(&str, &str)]| match Staged::from_bundle_for(
            distribution,
            deployment,
            packages,
        ) {
            Err(StageError::Unfit(reasons)) => reasons,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was staged"),
        };
    let monitor = deployment(Distribution::Rocky9, Firewall::Firewalld)
        .replace("\"push\"]", "\"push\", \"monitor\"]");
    assert_eq!(
        refused(Distribution::Rocky9, &monitor, &[]),
        [
            "mm1 runs rocky-9, which has no package of Prometheus; give the role `monitor` to a host of the Debian family"
        ]
    );
    let mut packages = all_packages();
    packages.push(("ufw", "0.36.1-4"));
    let shared = |distribution: &str| {
        let on = format!("distro    = \"{distribution}\"\nfirewall = \"ufw\"");
        HA_S3.replacen("distro    = \"debian-12\"", &on, 1)
    };
    assert_eq!(
        refused(Distribution::Ubuntu2204, &shared("ubuntu-22.04"), &packages),
        ["web1", "web2"].map(|host| format!(
            "{host} shares a virtual address, but ufw of ubuntu-22.04 (0.36.1) knows no rules for VRRP; use `firewall = \"nftables\"`"
        ))
    );
    // The ufw of the next release knows them, and so does firewalld.
    let staged =
        Staged::from_bundle_for(Distribution::Ubuntu2404, &shared("ubuntu-24.04"), &packages)
            .unwrap();
    let rules = staged.text_of("web1", "/usr/local/share/haversack/ufw.rules");
    let vrrp: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.split('\t').next())
        .filter(|rule| rule.ends_with(" proto vrrp"))
        .collect();
    assert_eq!(
        vrrp,
        [
            "allow from 10.20.0.6 proto vrrp",
            "allow out to 10.20.0.6 proto vrrp"
        ]
    );
}

#[test]
fn the_selinux_module_compiles_under_the_name_of_its_file() {
    let staged = staged(Distribution::Rhel9, Firewall::Firewalld);
    let source = staged.rootfs("/usr/local/share/haversack/haversack_mattermost.te");
    let compiled = staged.path("haversack_mattermost.mod");
    let package = staged.path("haversack_mattermost.pp");
    run(tool("checkmodule", "checkpolicy")
        .args(["-M", "-m", "-o"])
        .args([&compiled, &source]));
    run(tool("semodule_package", "semodule-utils")
        .arg("-o")
        .arg(&package)
        .arg("-m")
        .arg(&compiled));
    assert!(fs::metadata(&package).unwrap().len() > 100);
    // It allows one thing.
    let text = fs::read_to_string(&source).unwrap();
    let allowed: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("allow "))
        .collect();
    assert_eq!(
        allowed,
        ["allow httpd_t haversack_mattermost_port_t:tcp_socket name_connect;"]
    );
}

/// Runs fapolicyd on a rule file among those it ships, without the right to watch anything: it reads its
/// rules and ends.
fn fapolicyd_says(staged: &Staged, rules: &str) -> String {
    let folder = staged.path("fapolicyd");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(folder.join("rules.d")).unwrap();
    fs::write(
        folder.join("fapolicyd.conf"),
        "permissive = 1\ntrust = file\n",
    )
    .unwrap();
    fs::write(folder.join("fapolicyd.trust"), "").unwrap();
    run(Command::new("sh")
        .args([
            "-c",
            "cp /usr/share/fapolicyd/sample-rules/*.rules \"$1\"",
            "sh",
        ])
        .arg(folder.join("rules.d")));
    fs::write(folder.join("rules.d/80-mattermost.rules"), rules).unwrap();
    tool("fapolicyd", "fapolicyd");
    let script = "mount --bind \"$1\" /etc/fapolicyd; mount -t tmpfs none /run; mount -t tmpfs none /var/lib/fapolicyd
        fagenrules --check; fagenrules --load
        setpriv --inh-caps=-all --bounding-set=-sys_admin timeout 30 fapolicyd --debug --permissive 2>&1";
    let out = tool("unshare", "util-linux")
        .args(["--net", "--mount", "sh", "-c", script, "sh"])
        .arg(&folder)
        .output()
        .unwrap();
    said(&out)
}

#[test]
fn fapolicyd_itself_reads_the_rules() {
    let staged = staged(Distribution::Rhel9, Firewall::Firewalld);
    let rules = staged.text("/usr/local/share/haversack/80-mattermost.rules");
    let count = rules
        .lines()
        .filter(|line| line.starts_with("allow "))
        .count();
    assert_eq!(count, 5);
    let without = fapolicyd_says(&staged, "# nothing\n");
    let with = fapolicyd_says(&staged, &rules);
    let loaded = |text: &str| -> usize {
        let (_, rest) = text
            .split_once("\nLoaded ")
            .unwrap_or_else(|| panic!("{text}"));
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(loaded(&with), loaded(&without) + count);
    assert!(
        with.contains("fagenrules: Rules have changed and should be updated"),
        "{with}"
    );
    let broken = fapolicyd_says(&staged, &rules.replacen(" : path=", " : folder=", 1));
    assert!(
        broken.contains("Field type (folder) is unknown"),
        "{broken}"
    );
}

/// `nginx.conf` of the Red Hat family as far as it matters: it reads `conf.d` and has a server of its own.
const NGINX_CONF: &str = "daemon off;\npid T/pid;\nerror_log T/error.log;\nevents {}\nhttp {\n\
    client_body_temp_path T/b; proxy_temp_path T/p; fastcgi_temp_path T/f; uwsgi_temp_path T/u; scgi_temp_path T/s;\n\
    include T/conf.d/*.conf;\n\
    server {\n listen 80;\n listen [::]:80;\n server_name _;\n return 200 \"the page of the distribution\";\n }\n}\n";

#[test]
fn the_site_wins_over_the_server_in_nginx_conf_of_red_hat() {
    let staged = staged(Distribution::Alma9, Firewall::Firewalld);
    let folder = staged.path("nginx");
    fs::create_dir_all(folder.join("conf.d")).unwrap();
    let site = staged
        .text("/etc/nginx/conf.d/mattermost.conf")
        .replace(
            "/etc/nginx/ssl/mattermost",
            &staged
                .rootfs("/etc/nginx/ssl/mattermost")
                .display()
                .to_string(),
        )
        .replace("/var/log/nginx", &folder.display().to_string());
    assert!(site.contains("\n    listen 80 default_server;\n"), "{site}");
    // A file that is read before it, and would be the default otherwise.
    fs::write(
        folder.join("conf.d/aaa.conf"),
        "server { listen 80; server_name other.internal; return 200 other; }\n",
    )
    .unwrap();
    fs::write(folder.join("conf.d/mattermost.conf"), site).unwrap();
    let config = folder.join("nginx.conf");
    fs::write(
        &config,
        NGINX_CONF.replace('T', &folder.display().to_string()),
    )
    .unwrap();
    let script = "set -e; ip link set lo up; nginx -t -c \"$1\" 2>&1; nginx -c \"$1\" & process=$!
        for try in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; curl -s -o /dev/null http://127.0.0.1/ && break; done
        curl -s -o /dev/null -w '%{http_code} %{redirect_url}\\n' --header 'Host: nobody.internal' http://127.0.0.1/x
        kill $process; wait $process";
    tool("nginx", "nginx");
    let out = run(tool("unshare", "util-linux")
        .args(["--net", "sh", "-c", script, "sh"])
        .arg(&config));
    let text = said(&out);
    assert!(
        text.contains("\n301 https://chat.mm.internal/x\n"),
        "{text}"
    );
    assert!(!text.contains("[warn]"), "{text}");
}
