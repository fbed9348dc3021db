//! Both on a machine that is sound, and on the same machine in broken states.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::fakeroot::FakeRoot;
use crate::support::staged::{DEPLOYMENT, Staged, packages};

/// What one of the two found: by id and subject the verdict and what was found.
type Verdicts = BTreeMap<(String, String), (String, String)>;

/// A root folder with both of them.
struct Both(FakeRoot);

/// What both found.
struct Found(Verdicts);

impl Both {
    fn new(staged: &Staged) -> Self {
        let root = FakeRoot::new(staged);
        std::fs::copy(env!("CARGO_BIN_EXE_haversack"), root.path("haversack")).unwrap();
        std::fs::create_dir_all(root.path("run/systemd/system")).unwrap();
        root.write("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
        root.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        root.write("/etc/group", "root:x:0:\n");
        std::fs::create_dir_all(root.path("sys")).unwrap();
        // Services of the machine that runs the tests are none of this one.
        root.fake("systemctl", "echo inactive; exit 3");
        root.fake("timedatectl", "echo yes");
        Self(root)
    }

    /// Both, after `prepare` (which ends in a space or a line break, or is empty), with these
    /// arguments; the exit code with the text.
    fn ask(&self, prepare: &str, arguments: &str) -> [(i32, String); 2] {
        ["sh /root/mm1/preflight.sh", "/haversack preflight /root/mm1"].map(|program| {
            // The address of the plan is one of the network of this test.
            let script = format!(
                "ip link set lo up; ip address add 10.20.0.10/24 dev lo\n{prepare}{program} {arguments}; code=$?; [ -z \"${{other:-}}\" ] || kill $other; echo \"exit $code\""
            );
            let out = self.0.shell(&script);
            let text = String::from_utf8(out.stdout).unwrap();
            let (text, code) = text.trim_end().rsplit_once("exit ").unwrap();
            (code.parse().unwrap(), without_free_space(text))
        })
    }

    /// What both find; that they agree is part of every test.
    #[track_caller]
    fn agree(&self, prepare: &str, arguments: &str) -> Found {
        let [(code, script), (same_code, native)] =
            self.ask(prepare, &format!("--json {arguments}"));
        assert_eq!(script, native);
        assert_eq!(code, same_code);
        let verdicts = read(&script);
        assert_eq!(verdicts.len(), script.lines().count());
        let stands_in_the_way = script.contains(r#""level":"error""#)
            && script.lines().any(|line| {
                line.contains(r#""verdict":"finding""#) && line.contains(r#""level":"error""#)
            });
        assert_eq!(code == 5, stands_in_the_way, "exit {code}\n{script}");
        Found(verdicts)
    }
}

/// Other tests write to the same file system between the two calls.
fn without_free_space(text: &str) -> String {
    let mut pieces = text.split(" MiB free, ").peekable();
    let mut out = String::new();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_some() {
            out.push_str(piece.trim_end_matches(|c: char| c.is_ascii_digit()));
            out.push_str("some MiB free, ");
        } else {
            out.push_str(piece);
        }
    }
    out
}

fn read(lines: &str) -> Verdicts {
    lines
        .lines()
        .map(|line| {
            let row: Value =
                serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
            let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap().to_owned();
            let keys: Vec<_> = row
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(keys.len(), 11, "{line}");
            assert_eq!(text("host"), "mm1");
            (
                (
                    text("id"),
                    format!("{} ({})", text("subject"), text("phase")),
                ),
                (text("verdict"), text("found")),
            )
        })
        .collect()
}

impl Found {
    /// Every check that did not end well.
    fn troubles(&self) -> Vec<String> {
        self.0
            .iter()
            .filter(|(_, (verdict, _))| verdict != "ok")
            .map(|((id, subject), (verdict, found))| format!("{verdict} {id} {subject}: {found}"))
            .collect()
    }

    /// What was found about the first subject of an id that begins so.
    #[track_caller]
    fn about(&self, id: &str, subject: &str) -> String {
        let mut all = self
            .0
            .iter()
            .filter(|((one, about), _)| one == id && about.starts_with(subject));
        let (_, (verdict, found)) = all.next().unwrap_or_else(|| panic!("no {id} {subject}"));
        format!("{verdict}: {found}")
    }
}

#[test]
fn a_sound_host_has_nothing_in_its_way() {
    let both = Both::new(&Staged::new());
    let found = both.agree("", "");
    // The programs of the test bundle are none; the machine that runs the tests may be small in memory
    // and disk, and has an NGINX without a configuration.
    let troubles: Vec<_> = found
        .troubles()
        .into_iter()
        .filter(|line| {
            !["TOOL-026 ", "DB-072", "TOOL-025", "TOOL-032"]
                .iter()
                .any(|id| line.contains(id))
        })
        .collect();
    assert_eq!(troubles, [""; 0]);
    assert_eq!(
        found.about("TOOL-026", "minio"),
        "finding: ELF machine 0, this host runs 62"
    );
    assert_eq!(found.about("TOOL-026", "push-proxy"), "finding: no program");
    assert_eq!(
        found.about("DB-064", "10.20.0.10"),
        "ok: an address of this host"
    );
    assert_eq!(found.about("TOOL-033", "tcp 443"), "ok: free");
    assert_eq!(found.about("TOOL-017", ""), "ok: 2000 is free");
}

#[test]
fn every_broken_state_is_found_by_both() {
    let both = Both::new(&Staged::new());
    let root = &both.0;
    let find = |id: &str, subject: &str| both.agree("", "").about(id, subject);

    root.write("/etc/os-release", "ID=\"rhel\"\nVERSION_ID=\"9.4\"\n");
    assert_eq!(find("METHOD-039", ""), "finding: rhel 9.4");
    root.write("/etc/os-release", "ID='debian'\nVERSION_ID=12.7\n");
    assert_eq!(find("METHOD-039", ""), "ok: debian 12.7");

    std::fs::remove_dir(root.path("run/systemd/system")).unwrap();
    assert_eq!(
        find("TOOL-102", ""),
        "finding: /run/systemd/system is not there"
    );

    root.write(
        "/etc/passwd",
        "root:x:0:0::/root:/bin/sh\nbob:x:2000:2000::/:/bin/sh\n",
    );
    assert_eq!(find("TOOL-017", ""), "finding: uid 2000 belongs to bob");
    root.write(
        "/etc/passwd",
        "root:x:0:0::/root:/bin/sh\nmattermost:x:998:998::/:/bin/false\n",
    );
    assert_eq!(find("TOOL-017", ""), "finding: uid 998, gid 998");
    root.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    root.write("/etc/group", "root:x:0:\nstaff:x:2000:\n");
    assert_eq!(find("TOOL-017", ""), "finding: gid 2000 belongs to staff");

    root.write(
        "/etc/hosts",
        "127.0.0.1 localhost\n127.0.1.1 mm1 chat.mm.internal\n",
    );
    assert_eq!(find("TOOL-104", ""), "finding: /etc/hosts says 127.0.1.1");
    root.write(
        "/etc/hosts",
        "127.0.0.1 localhost # chat.mm.internal\n10.9.9.9 chat.mm.internal # haversack\n",
    );
    assert_eq!(find("TOOL-104", ""), "ok: /etc/hosts says nothing else");

    root.write("/opt/mattermost/data/2026/a b.png", "");
    assert_eq!(
        find("FILES-087", ""),
        "finding: /opt/mattermost/data/2026/a b.png and perhaps more"
    );

    root.write("/var/lib/postgresql/15/main/PG_VERSION", "15\n");
    std::fs::remove_dir_all(root.path("var/lib/haversack/programs")).unwrap();
    assert_eq!(
        find("TOOL-108", ""),
        "finding: /var/lib/postgresql/15/main/PG_VERSION is there, and /var/lib/haversack/programs is not"
    );

    root.fake(
        "dpkg",
        "echo 'The following packages are only half configured:'; echo ' nginx'",
    );
    assert_eq!(
        find("TOOL-105", ""),
        "finding: dpkg says: The following packages are only half configured:"
    );
    root.fake("systemctl", "[ \"$2\" != ufw.service ] || echo active");
    assert_eq!(find("TOOL-106", ""), "finding: ufw.service is active");
    root.fake("uname", "echo riscv64");
    assert_eq!(find("TOOL-103", ""), "finding: riscv64");
    // The program of a real bundle, as far as it matters: a copy of one that is here.
    let program = root.path("root/mm1/artifacts/minio/minio.RELEASE.2025-10-15T17-29-55Z");
    std::fs::copy("/bin/true", &program).unwrap();
    let sound = find("TOOL-026", "minio");
    assert!(
        sound.starts_with("ok: needs glibc 2.") && sound.contains(", this host has 2."),
        "{sound}"
    );
    root.fake("getconf", "echo 'glibc 2.17'");
    let old = find("TOOL-026", "minio");
    assert!(
        old.starts_with("finding: needs glibc 2.") && old.ends_with(", this host has 2.17"),
        "{old}"
    );
}

#[test]
fn a_file_system_that_is_too_small_is_found_by_both() {
    let both = Both::new(&Staged::new());
    let found = both.agree("mount -t tmpfs -o size=10m none /opt\n", "");
    let space = found.about("TOOL-032", "/opt, ");
    assert!(
        space.starts_with("finding: /opt: some MiB free, ") && space.ends_with(" are needed"),
        "{space}"
    );
}

#[test]
fn a_port_is_free_ours_or_in_use() {
    let both = Both::new(&Staged::new());
    let listen = |name: &str, how: &str| {
        format!(
            "perl -MIO::Socket::INET -e '$0 = q({name}); open(F, q(>/proc/self/comm)); print F q({name}); close F; \
             $s = IO::Socket::INET->new({how}) or die; sleep 60' >/dev/null 2>&1 & other=$!; sleep 1\n"
        )
    };
    let tcp = "Listen => 1, LocalAddr => q(0.0.0.0), LocalPort => 8065";
    let found = both.agree(&listen("apache2", tcp), "");
    assert_eq!(
        found.about("TOOL-033", "tcp 8065"),
        "finding: in use by apache2"
    );
    assert_eq!(found.about("TOOL-033", "tcp 443"), "ok: free");
    let found = both.agree(&listen("mattermost", tcp), "");
    assert_eq!(found.about("TOOL-033", "tcp 8065"), "ok: ours: mattermost");
    // Bound is not yet taken: only who listens takes the port.
    let bound = "LocalAddr => q(127.0.0.1), LocalPort => 9000, Proto => q(udp)";
    assert_eq!(
        both.agree(&listen("other", bound), "")
            .about("TOOL-033", "tcp 9000"),
        "ok: free"
    );
}

#[test]
fn what_holds_only_after_the_installation_is_asked_for_by_name() {
    let both = Both::new(&Staged::new());
    let before = both.agree("", "");
    assert!(
        before
            .0
            .keys()
            .all(|(id, _)| id != "TOOL-027" && id != "FILES-075")
    );
    let site = "# configuration file /etc/nginx/sites-enabled/mattermost:\nserver_name chat.mm.internal;\n";
    let old =
        "# configuration file /etc/nginx/conf.d/old.conf:\n  server_name www chat.mm.internal;\n";
    both.0
        .fake("nginx", &format!("cat <<'END'\n{site}{old}END"));
    let waits = both.agree("", "--after");
    assert_eq!(
        waits.about("DB-067", ""),
        "waiting: no answer; install mm1 first"
    );
    // On Debian every program of PostgreSQL is this one: from here on psql is too.
    both.0.fake("pg_dump", "echo 'pg_dump (PostgreSQL) 14.2'");
    both.0.fake("timedatectl", "echo no");
    both.0.fake("locale", "echo C; echo POSIX");
    let after = both.agree("", "--after");
    assert_eq!(
        after.about("TOOL-027", ""),
        "finding: pg_dump (PostgreSQL) 14.2, the server is 15"
    );
    assert_eq!(after.about("TOOL-028", ""), "finding: not synchronised");
    assert_eq!(
        after.about("DB-057", ""),
        "finding: not among those of locale -a"
    );
    assert_eq!(
        after.about("FILES-075", ""),
        "waiting: no answer; install mm1 first"
    );
    assert_eq!(
        after.about("TOOL-007", "database"),
        "waiting: no answer; install mm1 first"
    );
    let names: Vec<_> = after
        .0
        .iter()
        .filter(|((id, _), _)| id == "TOOL-025")
        .collect();
    assert_eq!(names.len(), 2, "before and after");
    assert!(
        after
            .about("TOOL-025", "")
            .ends_with("also in /etc/nginx/conf.d/old.conf, /etc/nginx/sites-enabled/mattermost")
    );
    std::fs::create_dir_all(both.0.path("etc/nginx/sites-enabled")).unwrap();
    std::os::unix::fs::symlink(
        "../sites-available/mattermost",
        both.0.path("etc/nginx/sites-enabled/mattermost"),
    )
    .unwrap();
    let after = both.agree("", "--after");
    assert_eq!(
        after.about("TOOL-025", ""),
        "finding: also in /etc/nginx/conf.d/old.conf"
    );
    both.0.fake("nginx", &format!("cat <<'END'\n{site}END"));
    assert_eq!(
        both.agree("", "--after").about("TOOL-025", ""),
        "ok: in our file only"
    );
}

#[test]
fn neighbours_that_are_not_there_yet_are_told_from_those_that_are_wrong() {
    let deployment = DEPLOYMENT
        .replace("[backup]", "[ldap]\nhost = \"127.0.0.1\"\nport = 636\nsecurity = \"tls\"\nbase_dn = \"dc=mm\"\n\n[smtp]\nhost = \"mail.corp.internal\"\nport = 587\nsecurity = \"starttls\"\n\n[backup]");
    let staged = Staged::with(&deployment, &packages()).unwrap();
    let both = Both::new(&staged);
    let found = both.agree("", "");
    assert_eq!(
        found.about("TOOL-104", "mail.corp.internal"),
        "finding: it does not resolve"
    );
    assert_eq!(found.about("TOOL-007", "smtp"), "finding: no answer");
    assert_eq!(found.about("TOOL-007", "ldap"), "finding: no answer");
    // A server with a certificate of its own making.
    let serve = "printf '[req]\\ndistinguished_name=d\\n[d]\\n' >/tmp/cnf; openssl req -config /tmp/cnf -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /tmp/k -out /tmp/c \
        -days 2 -subj /CN=x -addext subjectAltName=IP:127.0.0.1 2>/dev/null\n\
        openssl s_server -www -accept 636 -key /tmp/k -cert /tmp/c >/dev/null 2>&1 & other=$!; sleep 1\n";
    let found = both.agree(serve, "");
    assert_eq!(
        found.about("TOOL-007", "ldap"),
        "finding: 18 (self-signed certificate)"
    );
    let plain = "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 5, LocalAddr => q(127.0.0.1), LocalPort => 636) or die; \
        while ($c = $s->accept) { print $c qq(hello\\n); close $c }' >/dev/null 2>&1 & other=$!; sleep 1\n";
    let found = both.agree(plain, "");
    assert_eq!(
        found.about("TOOL-007", "ldap"),
        "finding: it answers, but not with TLS"
    );
}

#[test]
fn the_tables_for_people_are_the_same_too() {
    let both = Both::new(&Staged::new());
    both.0
        .write("/etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n");
    let [(code, script), (same, native)] = both.ask("", "--strict");
    assert_eq!(script, native);
    assert_eq!((code, same), (5, 5));
    assert!(
        script.contains("error    METHOD-039 debian 12: debian 13\n    expected: the distribution and version are those of the plan\n"),
        "{script}"
    );
    let last = script.lines().last().unwrap();
    assert!(
        last.starts_with("mm1: ") && last.ends_with(" not checked"),
        "{last}"
    );
}
