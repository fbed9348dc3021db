//! What the staged scripts do to a host's files, in a root folder of its own.

use crate::support::fakeroot::FakeRoot;
use crate::support::staged::{Staged, said};

#[test]
fn what_apt_fails_in_stops_the_install() {
    let root = FakeRoot::new(&Staged::new());
    root.fake(
        "apt-get",
        "echo 'E: Unable to locate package nginx' >&2; echo 'Inst nginx (1.22)'; exit 100",
    );
    let (ok, text) = root.install("", "policy=/etc/policy-rc.d; step_packages");
    assert!(!ok, "{text}");
    assert!(
        text.contains("E: Unable to locate package nginx\n"),
        "{text}"
    );
    assert!(
        text.contains("\nwhy:   apt cannot install ca-certificates curl "),
        "{text}"
    );
    assert!(!text.contains("change:"), "{text}");
    // The same answer with status 0 is taken; then it is the installation that fails.
    root.fake(
        "apt-get",
        "case $* in *--simulate*) echo 'Inst nginx (1.22)' ;; *) exit 100 ;; esac",
    );
    let (ok, text) = root.install("", "policy=/etc/policy-rc.d; step_packages");
    assert!(
        !ok && text.contains("  change: install: nginx \n"),
        "{text}"
    );
    assert!(
        text.contains("\nwhy:   apt could not install the packages;"),
        "{text}"
    );
}

/// Lays every file, makes the folder that the service owns hostile, and lays every file again; returns
/// what was said, and the owner and mode of `/etc/shadow` after it.
fn lay_over(hostile: &str) -> (bool, String, String) {
    let root = FakeRoot::new(&Staged::new());
    root.write("/etc/shadow", "root:secret");
    run(root.shell("chmod 640 /etc/shadow; mkdir -m 711 /etc/config"));
    root.installs("lay_all files");
    assert_eq!(root.installs("lay_all files"), "");
    // As the service itself, whatever needs no more rights than it has.
    run(root.shell(&format!(
        "cd /opt/mattermost && setpriv --reuid 2000 --regid 2000 --clear-groups sh -ec '{hostile}'"
    )));
    let (ok, text) = root.install("", "lay_all files");
    let found = run(root.shell(
        "stat -c '%a %U %G' /etc/shadow /etc/config /etc; cat /etc/shadow; ls -A /etc/config /var/lib/haversack | grep -e work -e new || :",
    ));
    (ok, text, found)
}

/// What [`lay_over`] finds when nothing outside was touched.
const UNTOUCHED: &str = "640 root root\n711 root root\n755 root root\nroot:secret";

#[expect(
    clippy::needless_pass_by_value,
    reason = "reads as a command around a command"
)]
fn run(out: std::process::Output) -> String {
    assert!(out.status.success(), "{}", said(&out));
    said(&out)
}

#[test]
fn a_link_where_the_service_has_its_settings_is_refused_and_what_it_leads_to_stays() {
    for hostile in [
        "rm config/config.json; ln -s /etc/shadow config/config.json",
        "rm config/config.json; ln -s config.other config/config.json",
        "rm config/config.json; mkfifo config/config.json",
        "rm config/config.json; mkdir config/config.json",
    ] {
        let (ok, text, found) = lay_over(hostile);
        assert!(!ok, "{hostile}: {text}");
        assert!(
            text.contains("\nwhy:   /opt/mattermost/config/config.json is not a file ("),
            "{text}"
        );
        assert_eq!(found, UNTOUCHED, "{hostile}");
    }
}

#[test]
fn a_link_in_place_of_a_folder_of_the_service_is_refused_and_what_it_leads_to_stays() {
    let (ok, text, found) = lay_over("rmdir client/plugins; ln -s /etc/config client/plugins");
    assert!(!ok, "{text}");
    assert!(
        text.contains("\nwhy:   /opt/mattermost/client/plugins is a link in a folder that others than root can write to (leads to /etc/config)."),
        "{text}"
    );
    assert_eq!(found, UNTOUCHED);
}

#[test]
fn a_link_in_place_of_a_file_of_the_database_server_is_refused() {
    let root = FakeRoot::new(&Staged::new());
    root.write("/etc/shadow", "root:secret");
    root.installs("lay_all files");
    run(root.shell(
        "cd /etc/postgresql/15/main && chown postgres . && setpriv --reuid 2003 --regid 2003 --clear-groups \
         sh -ec 'rm mattermost-tls/server.key; ln -s /etc/shadow mattermost-tls/server.key'",
    ));
    let (ok, text) = root.install("", "lay_all files");
    assert!(!ok, "{text}");
    assert!(
        text.contains("/mattermost-tls/server.key is not a file (symbolic link)"),
        "{text}"
    );
    // One step higher: the folder leads elsewhere.
    run(root.shell(
        "cd /etc/postgresql/15/main && mv mattermost-tls /opt/tls && ln -s /opt/tls mattermost-tls",
    ));
    let (ok, text) = root.install("", "lay_all files");
    assert!(!ok, "{text}");
    assert!(
        text.contains("/mattermost-tls is a link in a folder that others than root can write to"),
        "{text}"
    );
    assert_eq!(
        run(root.shell("stat -c '%U' /etc/shadow; cat /etc/shadow")),
        "root\nroot:secret"
    );
}

#[test]
fn owner_and_mode_are_set_right_and_links_of_root_are_followed() {
    let root = FakeRoot::new(&Staged::new());
    // Where only root can have made it, a link is an administrator's choice.
    run(root.shell("mkdir -p /srv/big /opt/mattermost && ln -s /srv/big /opt/mattermost/data"));
    root.installs("lay_all files");
    let list = "cd /opt/mattermost && stat -L -c '%a %U %G %n' data config config/config.json client client/plugins /etc/minio/config.env";
    let right = run(root.shell(list));
    assert_eq!(
        right,
        "750 mattermost mattermost data\n750 mattermost mattermost config\n600 mattermost mattermost config/config.json\n\
         755 mattermost mattermost client\n750 mattermost mattermost client/plugins\n600 minio-user minio-user /etc/minio/config.env\n"
    );
    run(root.shell(
        "cd /opt/mattermost && echo '{\"own\": 1}' >config/config.json && chmod 777 data client/plugins && \
         chown root config && chmod 644 config/config.json && chown mattermost /etc/minio/config.env",
    ));
    let text = root.installs("lay_all files");
    assert_eq!(
        text.matches("change: owner and mode of").count(),
        5,
        "{text}"
    );
    assert_eq!(run(root.shell(list)), right);
    assert_eq!(
        root.read("/opt/mattermost/config/config.json"),
        "{\"own\": 1}\n"
    );
    assert_eq!(root.installs("lay_all files"), "");
    // A second name of a file of somebody else is no way around.
    run(root.shell("cd /opt/mattermost/config && rm config.json && ln /etc/passwd config.json"));
    let (ok, text) = root.install("", "lay_all files");
    assert!(
        !ok && text.contains("a file that has other names too"),
        "{text}"
    );
    assert_eq!(run(root.shell("stat -c %U /etc/passwd")), "root\n");
}

#[test]
fn a_rollback_follows_no_link_of_a_service() {
    let root = FakeRoot::new(&Staged::new());
    root.write("/opt/mattermost/config/config.json", "older");
    root.write("/etc/target/mattermost-tls/server.key", "keep");
    run(root.shell("chown -R mattermost /opt/mattermost/config; mkdir -p /etc/postgresql; chown postgres /etc/postgresql"));
    root.installs("lay_all files; close_undo");
    assert_ne!(root.read("/opt/mattermost/config/config.json"), "older");
    // The service puts a link in place of its folder; it leads to files of the same names.
    run(root.shell(
        "mv /etc/postgresql/15/main /etc/postgresql/old && ln -s /etc/target /etc/postgresql/15/main",
    ));
    let text = said(&root.shell("sh /root/mm1/rollback.sh"));
    assert!(
        text.contains("  put back /opt/mattermost/config/config.json\n"),
        "{text}"
    );
    assert_eq!(root.read("/opt/mattermost/config/config.json"), "older");
    assert!(
        text.contains(
            "mattermost-tls/server.key was left: /etc/postgresql/15/main is a link in a folder"
        ),
        "{text}"
    );
    assert_eq!(root.read("/etc/target/mattermost-tls/server.key"), "keep");
}

/// Everything that `verify.sh` finds in an empty root is about services, and not what this looks at.
const LAY: &str = "step_programs; lay_all files; close_undo";

#[test]
fn an_altered_program_is_named_by_verify_and_unpacked_anew_by_install() {
    let root = FakeRoot::new(&Staged::new());
    root.installs(LAY);
    assert_eq!(root.installs(LAY), "");
    for word in ["/opt/", "/usr/local/bin"] {
        assert_eq!(root.failures(word), [""; 0]);
    }
    let program = "/opt/mattermost/bin/mattermost";
    let genuine = root.read(program);
    for (alter, named) in [
        (
            "echo evil >>/opt/mattermost/bin/mattermost",
            format!("{program} is not what was unpacked"),
        ),
        (
            "rm /opt/mattermost/bin/mattermost",
            format!("{program} is not what was unpacked"),
        ),
        (
            "rm -r /var/lib/haversack/programs/opt",
            "/opt/mattermost (there is no list of its files) is not what was unpacked".to_owned(),
        ),
        (
            "echo >/opt/mattermost/.haversack-archive",
            "/opt/mattermost was not unpacked from mattermost/mattermost-11.7.10-linux-amd64.tar.gz"
                .to_owned(),
        ),
    ] {
        // What the program itself writes is no alteration, and outlives the repair.
        root.write("/opt/mattermost/client/root.html", "<html>");
        root.write("/opt/mattermost/plugins/own/plugin.json", "{}");
        root.write("/opt/mattermost/client/plugins/own.js", "{}");
        run(root.shell(alter));
        assert!(root.failures("/opt/mattermost").contains(&named), "{alter}");
        let (ok, text) = root.install("--dry-run", "step_programs");
        assert!(
            ok && text.contains("  change: unpack mattermost/mattermost-11.7.10"),
            "{text}"
        );
        let text = root.installs(LAY);
        assert!(
            text.contains("  change: unpack mattermost/mattermost-11.7.10"),
            "{text}"
        );
        assert_eq!(root.read(program), genuine, "{alter}");
        assert_eq!(root.failures("/opt/"), [""; 0], "{alter}");
        assert_eq!(root.read("/opt/mattermost/plugins/own/plugin.json"), "{}");
        assert_eq!(root.installs(LAY), "");
    }
    root.write("/local/bin/minio", "evil");
    assert_eq!(
        root.failures("/usr/local/bin"),
        [
            "/usr/local/bin/minio is not minio/minio.RELEASE.2025-10-15T17-29-55Z, or its owner or mode is not 755 root root"
        ]
    );
    assert!(
        root.installs(LAY)
            .contains("  change: write /usr/local/bin/minio\n")
    );
    assert_eq!(root.failures("/usr/local/bin"), [""; 0]);
}

#[test]
fn an_altered_folder_or_file_is_named_by_verify_and_set_right_by_install() {
    let root = FakeRoot::new(&Staged::new());
    root.installs(LAY);
    for (alter, named) in [
        (
            "chmod 777 /opt/mattermost/plugins",
            "/opt/mattermost/plugins: 777 mattermost mattermost, expected 750 mattermost mattermost",
        ),
        (
            "rmdir /opt/mattermost/data",
            "/opt/mattermost/data: the folder is not there",
        ),
        (
            "chown mattermost /etc/mattermost",
            "/etc/mattermost: 750 mattermost mattermost, expected 750 root mattermost",
        ),
        (
            "echo >>/etc/minio/config.env",
            "/etc/minio/config.env differs from what was staged",
        ),
        (
            "chmod 644 /opt/mattermost/config/config.json",
            "/opt/mattermost/config/config.json: 644 mattermost mattermost, expected 600 mattermost mattermost",
        ),
        (
            "rm /opt/mattermost/config/config.json",
            "/opt/mattermost/config/config.json: there is no such file",
        ),
        (
            "cd /etc/mattermost; mv ca.pem other; ln -s other ca.pem",
            "/etc/mattermost/ca.pem: there is no such file",
        ),
    ] {
        run(root.shell(alter));
        let path = named.split([':', ' ']).next().unwrap();
        assert_eq!(root.failures(path), [named]);
        assert!(root.installs(LAY).contains("change: "), "{alter}");
        assert_eq!(root.failures(path), [""; 0]);
    }
    run(root.shell("cd /opt/mattermost/client && rmdir plugins && ln -s /etc plugins"));
    assert!(
        root.failures("client/plugins")[0]
            .contains("is a link in a folder that others than root can write to")
    );
}

#[test]
fn an_altered_file_of_a_package_is_named_by_verify_and_installed_again() {
    let root = FakeRoot::new(&Staged::new());
    root.installs(LAY);
    root.write(
        "/var/lib/dpkg/status",
        "Package: nginx\nStatus: install ok installed\nMaintainer: nobody\nArchitecture: amd64\nVersion: 1.22.1\n\
         Conffiles:\n /etc/nginx.test 764efa883dda1e11db47671c4a3bbd9e\nDescription: test\n",
    );
    root.write(
        "/var/lib/dpkg/info/nginx.list",
        "/.\n/opt\n/opt/server\n/etc\n/etc/nginx.test\n",
    );
    // MD5 of "genuine\n" and of "hi\n".
    root.write("/opt/server", "genuine\n");
    let sum = run(root.shell("md5sum </opt/server | cut -c 1-32"));
    root.write(
        "/var/lib/dpkg/info/nginx.md5sums",
        &format!("{}  opt/server\n", sum.trim()),
    );
    root.write("/etc/nginx.test", "the host's own settings\n");
    assert_eq!(root.failures("package nginx"), [""; 0]);
    root.write("/opt/server", "evil\n");
    assert_eq!(
        root.failures("package nginx"),
        ["package nginx /opt/server is not what the package holds"]
    );
    root.fake(
        "apt-get",
        "case $* in *--simulate*) ;; *'--reinstall install nginx') echo genuine >/opt/server ;; esac",
    );
    let text = root.installs("policy=/etc/policy-rc.d; needed=; step_packages");
    assert!(
        text.contains("  altered: nginx /opt/server\n  change: install again: nginx \n"),
        "{text}"
    );
    assert_eq!(root.failures("package nginx"), [""; 0]);
}

#[test]
fn a_folder_that_was_exchanged_or_that_others_can_change_is_refused() {
    let staged = Staged::new();
    let root = FakeRoot::new(&staged);
    let digest = staged.report.hosts[0].manifest.to_string();
    let check = |arguments: &str| root.install(arguments, "check_folder; check_hashes");
    let command = format!("`sh install.sh --manifest {digest}`");
    let install = std::fs::read_to_string(staged.out().join("INSTALL.md")).unwrap();
    assert!(install.contains(&command), "{install}");
    for arguments in [
        "",
        "--dry-run",
        &format!("--manifest {digest}"),
        &format!("--dry-run --manifest {digest}"),
    ] {
        let (ok, text) = check(arguments);
        assert!(ok && text.is_empty(), "{arguments}: {text}");
    }
    for arguments in ["--manifest", "--manifest ''", "--manifests x"] {
        let (ok, text) = check(arguments);
        assert!(
            !ok && text.starts_with("usage: sh install.sh [--dry-run] [--manifest SHA256]"),
            "{text}"
        );
    }
    for (harm, mend, why) in [
        (
            "chmod 775 /root/mm1",
            "chmod 755 /root/mm1",
            "others than root can change /root/mm1 (drwxrwxr-x, owner root)",
        ),
        (
            "chmod 1777 /root",
            "chmod 700 /root",
            "others than root can change /root (drwxrwxrwt, owner root)",
        ),
        (
            "chown mattermost /root",
            "chown root /root",
            "others than root can change /root (drwx------, owner mattermost)",
        ),
        (
            "chmod 666 /root/mm1/perms.tsv",
            "chmod 644 /root/mm1/perms.tsv",
            "Run: chown -R root:root /root/mm1 && chmod -R go-w /root/mm1",
        ),
        (
            "ln -s /etc /root/mm1/rootfs/x",
            "rm /root/mm1/rootfs/x",
            "/root/mm1/rootfs/x is neither file nor folder",
        ),
        (
            "cd /root/mm1; mv perms.tsv /etc; ln -s /etc/perms.tsv .",
            "cd /root/mm1; mv /etc/perms.tsv .",
            "/root/mm1/perms.tsv is neither file nor folder",
        ),
    ] {
        run(root.shell(harm));
        for arguments in ["", "--dry-run"] {
            let (ok, text) = check(arguments);
            assert!(!ok && text.contains(why), "{harm}: {text}");
        }
        run(root.shell(mend));
        assert!(check("").0, "{mend}");
    }
    // A folder that agrees with itself, but is another one.
    run(root.shell(
        "cd /root/mm1 && echo evil >>perms.tsv && sum=$(sha256sum perms.tsv) && sed -i \"s/.*  perms.tsv/$sum/\" MANIFEST.sha256",
    ));
    assert!(check("").0);
    let (ok, text) = check(&format!("--dry-run --manifest {digest}"));
    assert!(
        !ok && text.contains("this folder is not the one that was staged"),
        "{text}"
    );
}

#[test]
fn stand_ins_are_named_and_an_index_date_goes_into_no_string() {
    let staged = Staged::new();
    for script in ["install.sh", "verify.sh"] {
        let text = std::fs::read_to_string(staged.host().join(script)).unwrap();
        assert!(
            text.contains("'STAND-INS: mattermost, minio, push-proxy are not the real programs'"),
            "{script}"
        );
    }
    let text = std::fs::read_to_string(staged.host().join("install.sh")).unwrap();
    assert!(
        text.contains("\n    dated=2026-11-23T09:00:00Z\n"),
        "{text}"
    );
    assert!(!text.contains("Nov 2026"));
}

#[test]
fn a_rollback_brings_a_repository_back_without_what_the_newer_one_added() {
    let root = FakeRoot::new(&Staged::new());
    root.write("/opt/haversack/apt/base/pool/old.deb", "old");
    root.write("/opt/haversack/apt/base/dists/bookworm/InRelease", "old");
    root.installs("lay_repository base; close_undo");
    assert!(root.path("/opt/haversack/apt/base/pool/main").exists());
    assert!(!root.path("/opt/haversack/apt/base/pool/old.deb").exists());
    drop(root.shell("sh /root/mm1/rollback.sh"));
    assert_eq!(
        run(root.shell("cd /opt/haversack && find . -type f | sort; cat apt/base/pool/old.deb apt/base/dists/bookworm/InRelease")),
        "./apt/base/dists/bookworm/InRelease\n./apt/base/pool/old.deb\noldold"
    );
}
