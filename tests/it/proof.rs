//! The quickstart's bundle installed in a machine without network: the whole journey, judged from
//! inside the machine and from its neighbours on the wire.

use std::process::Command;

use crate::support::machine::{Machine, Neighbour, Ran};
use crate::support::quickstart::Quickstart;

/// The site, its address, and how `curl` finds one by the other.
const SITE: &str = "https://chat.mm.internal";
const ADDRESS: &str = "10.20.0.10";
const RESOLVE: [&str; 4] = [
    "--resolve",
    "chat.mm.internal:443:10.20.0.10",
    "--resolve",
    "chat.mm.internal:80:10.20.0.10",
];
/// 50 MiB, where the proxy stops, and one byte more.
const TOO_LARGE: u64 = 50 * 1024 * 1024 + 1;
/// The largest file that the server takes.
const LARGEST: u64 = 50_000_000;
/// What must run, now and after a reboot.
const UNITS: [&str; 6] = [
    "nginx.service",
    "postgresql.service",
    "minio.service",
    "mattermost.service",
    "mattermost-push-proxy.service",
    "nftables.service",
];

#[test]
fn the_machine_boots_reboots_and_records_what_it_tries_to_reach() {
    let mut machine = Machine::new("mm1", ADDRESS);
    machine.boot();
    assert_eq!(machine.run("hostname").ok(), "mm1");
    assert_eq!(machine.run("exit 7").status, 7);
    assert_eq!(machine.tried_outside(), Vec::<String>::new());

    machine
        .run("bash -c 'echo > /dev/udp/10.20.0.2/53'; echo kept > /var/kept")
        .ok();
    let tried = machine.tried_outside();
    assert_eq!(tried.len(), 1, "{tried:?}");
    assert!(
        tried[0].contains("10.20.0.2") && tried[0].contains("53"),
        "{tried:?}"
    );

    machine.reboot();
    assert_eq!(machine.run("cat /var/kept").ok(), "kept");
    assert_eq!(machine.tried_outside(), Vec::<String>::new());
    machine.power_off();
}

#[test]
fn the_quickstart_installs_without_network_and_serves() {
    let quickstart = Quickstart::make("proof");
    let mut machine = Machine::new("mm1", ADDRESS);
    copy(&quickstart, &machine);
    machine.boot();
    let ca = quickstart.dir.join("pki/ca.pem").display().to_string();
    let site = Site {
        machine: &machine,
        ca: &ca,
    };

    a_dry_run_changes_nothing(&machine);
    let first = machine.run("sh /root/mm1/install.sh");
    println!("{}", first.stdout);
    assert!(count_of_changes(first.ok()) > 20, "{}", first.stdout);
    units_are_active(&machine);
    apt_checked_upstreams_own_signature(&machine);
    the_database_serves_only_the_application(&machine);
    the_proxy_serves(&site);
    only_the_declared_ports_are_open(&machine);
    the_backup_runs(&machine);
    the_push_proxy_answers(&machine);
    println!("{}", machine.run("sh /root/mm1/verify.sh").ok());
    a_second_install_changes_nothing(&machine);
    assert_eq!(
        machine.tried_outside(),
        Vec::<String>::new(),
        "until the reboot"
    );

    machine.reboot();
    let site = Site {
        machine: &machine,
        ca: &ca,
    };
    units_are_active(&machine);
    site.answers_ping();
    only_the_declared_ports_are_open(&machine);
    machine.run("sh /root/mm1/verify.sh").ok();
    assert_eq!(
        machine.tried_outside(),
        Vec::<String>::new(),
        "since the reboot"
    );

    machine.run("sh /root/mm1/rollback.sh").ok();
    let unit = machine.root().join("etc/systemd/system/mattermost.service");
    assert!(!unit.exists(), "the rollback left {}", unit.display());
    machine.run("sh /root/mm1/install.sh").ok();
    machine.run("sh /root/mm1/verify.sh").ok();
    machine.power_off();
}

/// Brings the staged tree of the host into the machine, as somebody with a medium would.
fn copy(quickstart: &Quickstart, machine: &Machine) {
    let to = machine.root().join("root/mm1");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(quickstart.dir.join("staged/mm1"))
        .arg(to)
        .status();
    assert!(copied.expect("cp starts").success());
}

/// N of the last lines' `changed: N`.
fn count_of_changes(output: &str) -> u32 {
    let line = output
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("changed: "));
    let line =
        line.unwrap_or_else(|| panic!("install.sh does not say how much it changed:\n{output}"));
    line.trim().parse().expect("a number")
}

/// Every file that configuration, programs and units consist of: owner, mode, time, size, name. Of
/// the installer's own notes what they say counts, not when they were written.
fn files(machine: &Machine) -> String {
    let list = "find /etc /opt /usr /root /var/lib/dpkg /var/lib/apt -xdev \\( -type f -o -type l -o -type d \\) \
        ! -path '/opt/mattermost/logs*' ! -path '/etc/.pwd.lock' \
        -printf '%M %u %g %T@ %s %p %l\\n' | sort
        [ ! -d /var/lib/haversack ] || find /var/lib/haversack -type f -exec sha256sum {} + | sort
        [ ! -d /var/lib/haversack/sources.d ] || find /var/lib/haversack/sources.d -printf '%T@ %p\n' | sort";
    machine.run(list).ok().to_owned()
}

/// When each unit was started last.
fn starts(machine: &Machine) -> String {
    let show = format!(
        "systemctl show --property=Id,InvocationID {}",
        UNITS.join(" ")
    );
    machine.run(&show).ok().to_owned()
}

fn a_dry_run_changes_nothing(machine: &Machine) {
    let before = files(machine);
    machine.run("sh /root/mm1/install.sh --dry-run").ok();
    assert_same(&before, &files(machine));
}

fn a_second_install_changes_nothing(machine: &Machine) {
    let (files_before, starts_before) = (files(machine), starts(machine));
    let again = machine.run("sh /root/mm1/install.sh");
    assert_eq!(count_of_changes(again.ok()), 0, "{}", again.stdout);
    assert_same(&files_before, &files(machine));
    assert_eq!(starts_before, starts(machine));
}

/// Compares two listings, and shows only the lines that differ.
fn assert_same(before: &str, after: &str) {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let gone: Vec<_> = old.iter().filter(|line| !new.contains(line)).collect();
    let come: Vec<_> = new.iter().filter(|line| !old.contains(line)).collect();
    assert!(
        gone.is_empty() && come.is_empty(),
        "before: {gone:#?}\nafter: {come:#?}"
    );
}

fn units_are_active(machine: &Machine) {
    for unit in UNITS {
        assert_eq!(
            machine
                .run(&format!("systemctl is-active {unit}"))
                .stdout
                .trim(),
            "active",
            "{unit}"
        );
        assert_eq!(
            machine
                .run(&format!("systemctl is-enabled {unit}"))
                .stdout
                .trim(),
            "enabled",
            "{unit}"
        );
    }
    let clusters = machine.run("pg_lsclusters --no-header");
    assert!(clusters.ok().contains(" online "), "{}", clusters.stdout);
    assert_eq!(clusters.stdout.lines().count(), 1, "{}", clusters.stdout);
    assert_eq!(
        machine
            .run("systemctl is-active mattermost-backup.timer")
            .stdout
            .trim(),
        "active"
    );
}

fn apt_checked_upstreams_own_signature(machine: &Machine) {
    // Nothing anywhere tells apt to look away.
    let excuse =
        "'trusted *[=:] *yes|allow-insecure|allow-weak|AllowUnauthenticated|allow-unauthenticated'";
    let found = machine.run(&format!(
        "grep -rIiE {excuse} /etc/apt /root/mm1 --exclude-dir=artifacts"
    ));
    let lines: Vec<&str> = found
        .stdout
        .lines()
        .filter(|line| !line.contains("/mm1/verify.sh:"))
        .collect();
    assert_eq!(lines, Vec::<&str>::new());

    // What is installed came from the bundle: the line below the installed version names its source.
    let policy = machine.run("apt-cache policy postgresql-15 nginx");
    let lines: Vec<&str> = policy.ok().lines().collect();
    let installed = lines.windows(2).filter_map(|pair| match pair {
        [version, source] if version.starts_with(" *** ") => Some(*source),
        _ => None,
    });
    let sources: Vec<&str> = installed.collect();
    assert_eq!(sources.len(), 2, "{}", policy.stdout);
    assert!(
        sources
            .iter()
            .all(|source| source.contains(" file:/opt/haversack/apt/")),
        "{}",
        policy.stdout
    );

    // The same source, with the same keyring, over a copy of which one byte was changed. The machine's
    // own settings apply: nothing but the signature can make the difference.
    let script = r#"
        set -eu
        rm -rf /var/tmp/apt && mkdir -p /var/tmp/apt/parts /var/tmp/apt/lists/partial
        cp -a /opt/haversack/apt /var/tmp/apt/copy
        sed 's#file:/opt/haversack/apt/#file:/var/tmp/apt/copy/#' /etc/apt/sources.list.d/haversack-*.sources > /var/tmp/apt/parts/x.sources
        update() {
            apt-get update -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/var/tmp/apt/parts \
                -o Dir::State::lists=/var/tmp/apt/lists -o APT::Update::Error-Mode=any 2>&1
        }
        update && echo accepted-genuine
        for release in $(find /var/tmp/apt/copy -name InRelease); do sed -i '0,/^Date: /s/^Date: \(...\)/Date: Xxx/' "$release"; done
        update && echo accepted-altered || echo refused-altered
        rm -rf /var/tmp/apt
    "#;
    let ran = machine.run(script);
    assert!(ran.ok().contains("accepted-genuine"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("refused-altered\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("BADSIG"), "{}", ran.stdout);
}

fn the_database_serves_only_the_application(machine: &Machine) {
    let admin = |sql: &str| {
        machine.run(&format!(
            "cd / && runuser -u postgres -- psql -XtAc \"{sql}\" mattermost"
        ))
    };
    // The stand-in made these when it started, as mmuser, over TLS.
    let owner = admin("select tableowner from pg_tables where tablename = 'haversack_stand_in'");
    assert_eq!(owner.ok(), "mmuser");
    assert_eq!(
        admin("select count(*) from pg_extension where extname = 'pg_trgm'").ok(),
        "1"
    );
    let verifier = admin("select left(rolpassword, 13) from pg_authid where rolname = 'mmuser'");
    assert_eq!(verifier.ok(), "SCRAM-SHA-256");

    // As mmuser, with the data source that the application has.
    let source = ". /etc/mattermost/mattermost.environment; source=$MM_SQLSETTINGS_DATASOURCE;";
    let as_app = |change: &str, sql: &str| {
        machine.run(&format!("{source} source=$(printf %s \"$source\" | sed '{change}'); psql -XtAc \"{sql}\" \"$source\""))
    };
    let made = as_app(
        "",
        "create table proof (n int); create extension btree_gin; insert into proof values (7); select n from proof",
    );
    assert_eq!(made.ok().lines().last(), Some("7"));
    as_app("", "drop extension btree_gin; drop table proof").ok();
    let session = as_app(
        "",
        "select ssl, version in ('TLSv1.2', 'TLSv1.3') from pg_stat_ssl where pid = pg_backend_pid()",
    );
    assert_eq!(session.ok(), "t|t");

    let refusal = |ran: Ran, word: &str| {
        let said = ran.refused().to_owned();
        assert!(said.contains(word), "expected `{word}`: {said}");
    };
    refusal(
        as_app("s/sslmode=verify-full/sslmode=disable/", "select 1"),
        "no encryption",
    );
    refusal(
        as_app("s#://mmuser:[^@]*@#://mmuser:wrong@#", "select 1"),
        "password authentication failed",
    );
    refusal(
        as_app("s#://mmuser:[^@]*@#://postgres:wrong@#", "select 1"),
        "pg_hba.conf rejects",
    );
    refusal(
        as_app("s#/mattermost?#/postgres?#", "select 1"),
        "pg_hba.conf rejects",
    );
    let local = |user: &str, role: &str| {
        machine.run(&format!(
            "cd / && runuser -u {user} -- psql -XtAc 'select 1' -U {role} mattermost"
        ))
    };
    refusal(local("nobody", "postgres"), "Peer authentication failed");
    refusal(local("mattermost", "mmuser"), "pg_hba.conf rejects");

    // A neighbour does not even reach the port; and were the packet filter gone, PostgreSQL refuses.
    let password = machine.run(&format!(
        "{source} printf %s \"$source\" | sed 's#.*://mmuser:\\([^@]*\\)@.*#\\1#'"
    ));
    let uri = format!(
        "postgres://mmuser:{}@{ADDRESS}:5432/mattermost?sslmode=require&connect_timeout=3",
        password.ok()
    );
    for neighbour in [Neighbour::Server, Neighbour::User] {
        machine
            .from(neighbour, "psql", &["-XtAc", "select 1", &uri])
            .refused();
    }
    machine.run("nft delete table inet haversack").ok();
    let said = machine
        .from(Neighbour::Server, "psql", &["-XtAc", "select 1", &uri])
        .refused()
        .to_owned();
    machine.run("nft -f /etc/nftables.conf").ok();
    assert!(
        said.contains("pg_hba.conf rejects") || said.contains("Connection refused"),
        "{said}"
    );
}

/// The site as users see it.
struct Site<'a> {
    machine: &'a Machine,
    ca: &'a str,
}

impl Site<'_> {
    fn curl(&self, args: &[&str]) -> Ran {
        let all = [&RESOLVE[..], &["--cacert", self.ca], args].concat();
        self.machine.curl(Neighbour::User, &all)
    }

    /// Head and body of an answer.
    fn get(&self, url: &str) -> String {
        self.curl(&["--include", url]).ok().to_owned()
    }

    fn answers_ping(&self) {
        let ping = self.curl(&[&format!("{SITE}/api/v4/system/ping")]);
        let ping: serde_json::Value = serde_json::from_str(ping.ok()).expect("JSON");
        for (pointer, expected) in [
            ("/status", "OK"),
            ("/database_status", "OK"),
            ("/filestore_status", "OK"),
            ("/seen/host", "chat.mm.internal"),
            ("/seen/x-forwarded-proto", "https"),
            ("/seen/x-real-ip", Neighbour::User.address()),
        ] {
            let found = ping.pointer(pointer).and_then(|value| value.as_str());
            assert_eq!(found, Some(expected), "{pointer} of {ping}");
        }
        for pointer in ["/stand_in", "/plugins_writable"] {
            let found = ping.pointer(pointer).and_then(serde_json::Value::as_bool);
            assert_eq!(found, Some(true), "{pointer} of {ping}");
        }
    }

    /// Sends so many bytes as a file; returns status and body.
    fn upload(&self, bytes: u64) -> (String, String) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(bytes).expect("a sparse file");
        let data = format!("@{}", file.path().display());
        let url = format!("{SITE}/api/v4/files");
        let ran = self.curl(&[
            "--header",
            "Content-Type: application/octet-stream",
            "--data-binary",
            &data,
            "--write-out",
            "\n%{http_code}",
            &url,
        ]);
        let (body, status) = ran.stdout.rsplit_once('\n').expect("a status");
        (status.to_owned(), body.to_owned())
    }

    /// What `openssl s_client` prints when it talks to the site; `input` is a shell command.
    fn tls(&self, options: &str, input: &str) -> String {
        let script = format!(
            "({input}) | timeout 20 openssl s_client -connect {ADDRESS}:443 -bind {} -servername chat.mm.internal -CAfile {} {options} 2>&1",
            Neighbour::User.address(),
            self.ca
        );
        self.machine
            .from(Neighbour::User, "bash", &["-c", &script])
            .stdout
    }
}

fn the_proxy_serves(site: &Site<'_>) {
    site.machine.run("nginx -t").ok();

    let moved = site.get("http://chat.mm.internal/some/channel?x=1");
    assert!(moved.starts_with("HTTP/1.1 301 "), "{moved}");
    assert!(
        moved.contains("\r\nLocation: https://chat.mm.internal/some/channel?x=1\r\n"),
        "{moved}"
    );

    let page = site.get(&format!("{SITE}/"));
    assert!(
        page.starts_with("HTTP/2 200") || page.starts_with("HTTP/1.1 200 "),
        "{page}"
    );
    let age = page.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let value = value.trim().strip_prefix("max-age=")?;
        name.eq_ignore_ascii_case("strict-transport-security")
            .then(|| value.split(';').next())?
    });
    let age: u32 = age
        .unwrap_or_else(|| panic!("no HSTS: {page}"))
        .parse()
        .expect("seconds");
    assert!(age >= 15_768_000, "half a year at least: {age}");
    assert!(
        !page.to_ascii_lowercase().contains("server: nginx/"),
        "the version is told: {page}"
    );
    site.answers_ping();

    for (version, spoken) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let talk = site.tls(version, "sleep 0.2");
        assert!(
            talk.contains(&format!("New, {spoken}, Cipher is ")),
            "{talk}"
        );
        assert!(talk.contains("Verify return code: 0 (ok)"), "{talk}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let talk = site.tls(
            &format!("{version} -cipher DEFAULT@SECLEVEL=0"),
            "sleep 0.2",
        );
        assert!(talk.contains("alert protocol version"), "{version}: {talk}");
    }

    a_websocket_passes(site);
    assert_eq!(site.upload(LARGEST).0, "201");
    let (status, body) = site.upload(TOO_LARGE);
    assert_eq!(status, "413");
    assert!(
        body.contains("nginx"),
        "the proxy must refuse it, not the server: {body}"
    );
}

/// The upgrade through the proxy, and a text frame there and back.
fn a_websocket_passes(site: &Site<'_>) {
    let handshake = |origin: &str| {
        format!(
            "printf 'GET /api/v4/websocket HTTP/1.1\\r\\nHost: chat.mm.internal\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\
             Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nOrigin: {origin}\\r\\n\\r\\n'"
        )
    };
    // A masked text frame (mask 0) that says `hello`.
    let frame = r"printf '\x81\x85\x00\x00\x00\x00hello'";
    let talk = site.tls(
        "-quiet",
        &format!("{}; sleep 0.5; {frame}; sleep 0.5", handshake(SITE)),
    );
    assert!(talk.contains("HTTP/1.1 101 Switching Protocols"), "{talk}");
    assert!(
        talk.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{talk}"
    );
    assert!(talk.ends_with("\u{5}hello"), "{talk:?}");
    let foreign = site.tls(
        "-quiet",
        &format!("{}; sleep 0.5", handshake("https://elsewhere.example")),
    );
    assert!(foreign.contains("HTTP/1.1 403 "), "{foreign}");
}

/// The port matrix of a single server whose parts talk over the loopback interface.
fn only_the_declared_ports_are_open(machine: &Machine) {
    let outsiders = [
        Neighbour::User,
        Neighbour::Admin,
        Neighbour::Server,
        Neighbour::Stranger,
    ];
    let ports = [443, 80, 22, 5432, 8065, 8066, 9000, 9001];
    let pairs = outsiders
        .iter()
        .flat_map(|who| ports.map(|port| (*who, port)));
    // A refused packet is only known by its silence, so all wait at once.
    let open: Vec<_> = std::thread::scope(|scope| {
        let probes: Vec<_> = pairs
            .map(|(who, port)| {
                scope.spawn(move || machine.reaches(who, port).then_some((who, port)))
            })
            .collect();
        let answers = probes
            .into_iter()
            .map(|probe| probe.join().expect("a probe"));
        answers.flatten().collect()
    });
    let declared = [
        (Neighbour::User, 443),
        (Neighbour::User, 80),
        (Neighbour::Admin, 8065),
    ];
    assert_eq!(open, declared);
}

fn the_backup_runs(machine: &Machine) {
    machine
        .run("systemctl start mattermost-backup.service")
        .ok();
    let found = machine.run(
        "folder=$(sed -n 's/^ReadWritePaths=//p' /etc/systemd/system/mattermost-backup.service); \
         find $folder -type f -size +0 -printf '%M %u %f\\n'",
    );
    assert!(
        found.ok().starts_with("-rw------- postgres "),
        "{}",
        found.stdout
    );
}

fn the_push_proxy_answers(machine: &Machine) {
    let version = machine.run("curl -sS http://127.0.0.1:8066/version");
    assert!(version.ok().contains("stand-in"), "{}", version.stdout);
}
