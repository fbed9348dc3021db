//! What `install.sh` does on a host of the Red Hat family, in a root of its own. There is no such machine
//! here: `dnf`, `rpm`, `semanage` and the like are stand-ins that write down how they were called.

use haversack::plan::deployment::Firewall;
use haversack::types::target::Distribution;

use crate::stage::family::staged;
use crate::support::fakeroot::FakeRoot;
use crate::support::staged::Staged;

/// Stand-ins, as functions of the shell: each writes its call to `/calls`. `rpm` knows the packages of
/// `/installed`, which `dnf install` adds to; `SELinux` is on.
const STAND_INS: &str = r#"
note() { printf '%s\n' "$*" >>/calls; }
rpm() {
    case "$*" in
    *--queryformat*--all* | *--all*) cat /installed ;;
    *--quiet*) for package in "$@"; do :; done; grep -qx -- "$package" /installed ;;
    *--queryformat*) for package in "$@"; do :; done; echo "$package" ;;
    *--verify*) for package in "$@"; do :; done; [ "$package" != nginx ] || cat /altered ;;
    esac
}
dnf() {
    note "dnf $*"
    take=no
    for word in "$@"; do
        [ "$take" = no ] || printf '%s\n' "$word" >>/installed
        [ "$word" != install ] || take=yes
    done
}
selinuxenabled() { [ ! -e /selinux-off ]; }
restorecon() { note "restorecon $*"; }
semanage() {
    note "semanage $*"
    case "$*" in
    "fcontext --list"*) cat /fcontexts ;;
    "port --list"*) cat /ports ;;
    "fcontext --add"*) printf '%s   all files   system_u:object_r:bin_t:s0\n' "$5" >>/fcontexts ;;
    "port --add"*) printf '%s   tcp   %s\n' "$4" "$7" >>/ports ;;
    esac
}
semodule() {
    note "semodule ${1%%=*}"
    case $1 in
    --list-modules) cat /modules ;;
    --install=*) [ -s "${1#*=}" ] && echo haversack_mattermost >>/modules ;;
    esac
}
systemctl() { note "systemctl $*"; [ "$1 ${2:-}" != "is-active --quiet" ] || [ -e /fapolicyd-runs ]; }
fagenrules() { note "fagenrules $*"; }
runuser() { :; }
"#;

fn rocky() -> Staged {
    staged(Distribution::Rocky9, Firewall::Firewalld)
}

/// A root of a host with nothing but dnf, whose two repositories ask for signatures.
fn root(staged: &Staged) -> FakeRoot {
    let root = FakeRoot::new(staged);
    for path in [
        "/calls",
        "/installed",
        "/altered",
        "/fcontexts",
        "/ports",
        "/modules",
    ] {
        root.write(path, "");
    }
    root.write(
        "/etc/dnf/dnf.conf",
        "[main]\ngpgcheck=1\ninstallonly_limit=3\n",
    );
    root.write(
        "/etc/yum.repos.d/mirror.repo",
        "[baseos]\nname=BaseOS\nbaseurl=https://mirror.internal/baseos\n\n[pgdg17]\nname = PGDG\ngpgcheck = 1\ngpgkey = file:///etc/pki/key\n",
    );
    root
}

fn install(root: &FakeRoot, calls: &str) -> (bool, String) {
    root.install("", &format!("{STAND_INS}\n{calls}"))
}

#[track_caller]
fn installs(root: &FakeRoot, calls: &str) -> String {
    let (ok, text) = install(root, calls);
    assert!(ok, "{text}");
    text
}

fn dnf_calls(root: &FakeRoot) -> Vec<String> {
    let calls = root.read("/calls");
    let dnf = calls.lines().filter(|line| line.starts_with("dnf "));
    dnf.map(ToOwned::to_owned).collect()
}

const PACKAGES: &str = "step_repositories; step_cluster() { :; }; step_packages";

#[test]
fn packages_come_from_signed_repositories_only() {
    let staged = rocky();
    let root = root(&staged);
    root.write(
        "/etc/yum.repos.d/other.repo",
        "[loose]\nbaseurl=https://x.internal\n gpgcheck = 0\n[closed]\nenabled=0\ngpgcheck=0\n[kept]\nGPGCHECK=0\n",
    );
    let text = installs(&root, PACKAGES);
    assert!(
        text.contains("note: left out, for gpgcheck is off there: loose"),
        "{text}"
    );
    assert!(!text.contains("closed") && !text.contains("kept"), "{text}");
    assert_eq!(
        dnf_calls(&root),
        [
            "dnf --quiet --assumeyes --setopt=*.gpgcheck=1 --setopt=install_weak_deps=False --disablerepo=loose install \
          ca-certificates checkpolicy chrony curl diffutils firewalld glibc-langpack-en libselinux-utils nginx \
          policycoreutils policycoreutils-python-utils postgresql17-contrib postgresql17-server tar util-linux"
        ]
    );
    assert!(
        text.contains("\n  change: install: ca-certificates checkpolicy "),
        "{text}"
    );
    // What is there is not asked for again.
    let again = installs(&root, &format!("{PACKAGES}; echo changed $changed"));
    assert!(again.ends_with("changed 0\n"), "{again}");
    assert_eq!(dnf_calls(&root).len(), 1);
}

#[test]
fn a_main_section_without_gpgcheck_leaves_every_silent_repository_out() {
    let staged = rocky();
    let root = root(&staged);
    root.write("/etc/dnf/dnf.conf", "[main]\nkeepcache=0\n");
    let text = installs(&root, "unsigned_sources");
    assert_eq!(text, "baseos\n");
}

#[test]
fn a_dry_run_says_what_it_would_install_and_calls_no_dnf() {
    let staged = rocky();
    let root = root(&staged);
    let (ok, text) = root.install("--dry-run", &format!("{STAND_INS}\n{PACKAGES}"));
    assert!(ok, "{text}");
    assert!(
        text.contains("change: install: ca-certificates checkpolicy chrony"),
        "{text}"
    );
    assert_eq!(dnf_calls(&root), [""; 0]);
}

#[test]
fn when_dnf_fails_the_reason_names_what_was_left_out() {
    let staged = rocky();
    let root = root(&staged);
    root.write("/etc/yum.repos.d/other.repo", "[loose]\ngpgcheck=0\n");
    let (ok, text) = install(&root, &format!("dnf() {{ return 1; }}\n{PACKAGES}"));
    assert!(!ok);
    assert!(
        text.contains("Left out, for gpgcheck is off there: loose . Set gpgcheck=1"),
        "{text}"
    );
}

#[test]
fn a_file_of_a_package_that_was_changed_brings_the_package_back() {
    let staged = rocky();
    let root = root(&staged);
    installs(&root, PACKAGES);
    root.write(
        "/altered",
        "S.5......    /usr/sbin/nginx\nS.5......  c /etc/nginx/nginx.conf\n.......T.    /usr/share/nginx/x\nmissing   d /usr/share/doc/nginx/README\n",
    );
    let text = installs(&root, PACKAGES);
    assert!(
        text.contains("  altered: nginx /usr/sbin/nginx\n  change: install again: nginx"),
        "{text}"
    );
    assert!(dnf_calls(&root)[1].ends_with(" reinstall nginx"));
}

#[test]
fn the_cluster_is_made_once_and_reads_our_settings() {
    let staged = rocky();
    let root = root(&staged);
    let calls = "make_cluster() { mkdir -p \"$cluster\"; echo 17 >\"$cluster/PG_VERSION\"; echo '# as made' >\"$cluster/postgresql.conf\"; }; step_cluster; echo changed $changed";
    let text = installs(&root, calls);
    assert!(text.ends_with("changed 2\n"), "{text}");
    assert_eq!(
        root.read("/var/lib/pgsql/17/data/postgresql.conf"),
        "# as made\n\n# haversack\ninclude_dir = 'conf.d'\n"
    );
    let text = installs(&root, calls);
    assert!(text.ends_with("changed 0\n"), "{text}");
    let script = root.read("/root/mm1/install.sh");
    assert!(
        script.contains("--data-checksums --encoding=UTF8 --locale=en_US.UTF-8"),
        "{script}"
    );
    assert!(
        script.contains("/usr/pgsql-17/bin/postgresql-17-setup initdb"),
        "{script}"
    );
}

#[test]
fn chrony_is_told_to_read_the_folder_of_our_servers() {
    let staged = rocky();
    let root = root(&staged);
    root.write("/etc/chrony.conf", "pool pool.internal iburst\n");
    let text = installs(
        &root,
        "serve() { :; }; step_system; step_system; echo changed $changed",
    );
    assert!(text.ends_with("changed 1\n"), "{text}");
    assert_eq!(
        root.read("/etc/chrony.conf"),
        "pool pool.internal iburst\n\n# haversack\nsourcedir /etc/chrony.d\n"
    );
}

/// The two compilers stand in as well: what they make is not looked into.
const COMPILERS: &str = "checkmodule() { note \"checkmodule ${5##*/}\"; echo module >\"$4\"; }
semodule_package() { note \"semodule_package ${2##*/}\"; cp \"$4\" \"$2\"; }";

#[test]
fn selinux_is_told_once_and_rollback_takes_it_back() {
    let staged = rocky();
    let root = root(&staged);
    let calls = format!("{COMPILERS}\nstep_security; echo changed $changed");
    let text = installs(&root, &calls);
    assert!(text.ends_with("changed 5\n"), "{text}");
    assert!(
        text.contains("  fapolicyd is not installed: no rules are needed\n"),
        "{text}"
    );
    let calls_made = root.read("/calls");
    for call in [
        "semanage fcontext --add --type bin_t /opt/mattermost/bin(/.*)?",
        "semanage fcontext --add --type bin_t /opt/mattermost/plugins/[^/]+/server/dist(/.*)?",
        "semanage fcontext --add --type bin_t /opt/mattermost-push-proxy/bin(/.*)?",
        "checkmodule haversack_mattermost.te",
        "semodule --install",
        "semanage port --add --type haversack_mattermost_port_t --proto tcp 8065",
    ] {
        assert!(
            calls_made.lines().any(|line| line == call),
            "{call}\n{calls_made}"
        );
    }
    // The module that brings the type of the port comes before the port.
    let at = |word: &str| calls_made.find(word).unwrap();
    assert!(at("semodule --install") < at("semanage port --add"));
    let text = installs(&root, &calls);
    assert!(text.ends_with("changed 0\n"), "{text}");

    root.write("/calls", "");
    let rollback = root.read("/root/mm1/rollback.sh");
    let (before, rest) = rollback.split_once("\nundoable() {").unwrap();
    root.write(
        "/rollback.sh",
        &format!("{before}\n{STAND_INS}\nundoable() {{{rest}"),
    );
    let out = root.shell("sh /rollback.sh");
    assert!(
        out.status.success(),
        "{}",
        crate::support::staged::said(&out)
    );
    let calls_made = root.read("/calls");
    let security: Vec<&str> = calls_made
        .lines()
        .filter(|line| line.starts_with("semanage") || line.starts_with("semodule"))
        .collect();
    assert_eq!(
        security,
        [
            "semanage port --delete --proto tcp 8065",
            "semodule --remove",
            "semanage fcontext --delete /opt/mattermost-push-proxy/bin(/.*)?",
            "semanage fcontext --delete /opt/mattermost/bin(/.*)?",
            "semanage fcontext --delete /opt/mattermost/plugins/[^/]+/server/dist(/.*)?",
        ]
    );
}

#[test]
fn without_selinux_and_fapolicyd_nothing_is_done_and_that_is_said() {
    let staged = rocky();
    let root = root(&staged);
    root.write("/selinux-off", "");
    let text = installs(&root, "step_security; echo changed $changed");
    assert_eq!(
        text,
        "  SELinux is off here: no labels are set. Run this again should it be switched on\n  \
         fapolicyd is not installed: no rules are needed\nchanged 0\n"
    );
}

#[test]
fn the_rules_of_fapolicyd_are_loaded_only_where_it_runs() {
    let staged = rocky();
    let root = root(&staged);
    root.write("/selinux-off", "");
    root.write("/etc/fapolicyd/rules.d/README", "");
    let group = root.read("/etc/group");
    root.write("/etc/group", &format!("{group}fapolicyd:x:2010:\n"));
    let text = installs(&root, "step_security");
    assert!(
        text.contains("  fapolicyd does not run: its rules are read when it starts\n"),
        "{text}"
    );
    assert!(!root.read("/calls").contains("fagenrules"));
    assert_eq!(
        root.read("/etc/fapolicyd/rules.d/80-mattermost.rules"),
        staged.text("/usr/local/share/haversack/80-mattermost.rules")
    );
    root.write(
        "/etc/fapolicyd/rules.d/80-mattermost.rules",
        "allow perm=any all : all\n",
    );
    root.write("/fapolicyd-runs", "");
    let text = installs(&root, "step_security; echo changed $changed");
    assert!(text.ends_with("changed 2\n"), "{text}");
    let calls = root.read("/calls");
    let loads: Vec<&str> = calls
        .lines()
        .filter(|line| line.starts_with("fagenrules"))
        .collect();
    assert_eq!(loads, ["fagenrules --check", "fagenrules --load"]);
}

#[test]
fn what_is_laid_down_gets_the_label_of_its_place() {
    let staged = rocky();
    let root = root(&staged);
    installs(&root, "lay_all files");
    let calls = root.read("/calls");
    for path in [
        "/etc/systemd/system/mattermost.service",
        "/etc/nginx/conf.d/mattermost.conf",
        "/etc/pki/ca-trust/source/anchors/haversack-site-ca.pem",
    ] {
        assert!(
            calls.contains(&format!("restorecon -R -- {path}\n")),
            "{path}\n{calls}"
        );
    }
}

#[test]
fn a_second_packet_filter_that_is_enabled_stops_the_install_before_anything_is_changed() {
    let staged = rocky();
    let root = root(&staged);
    let (ok, text) = install(
        &root,
        "systemctl() { [ \"$1 $3\" = 'is-enabled nftables.service' ]; }; check_filter",
    );
    assert!(!ok);
    assert!(
        text.contains(
            "nftables.service is enabled, but the packet filter of this tree is firewalld"
        ),
        "{text}"
    );
    let (ok, text) = install(
        &root,
        "systemctl() { [ \"$3\" = ufw.service ]; }; check_filter",
    );
    assert!(ok, "{text}");
    root.write("/etc/ufw/ufw.conf", "ENABLED=yes\n");
    let (ok, _) = install(
        &root,
        "systemctl() { [ \"$3\" = ufw.service ]; }; check_filter",
    );
    assert!(!ok);
}
