//! The host itself: user, distribution, memory, clock, packages, security modules.

use super::first_line;
use crate::checks::{Packager, Word};
use crate::preflight::machine::{Call, Machine};
use crate::preflight::report::Verdict;

pub(super) fn is_root(machine: &dyn Machine) -> Verdict {
    match machine.uid() {
        0 => Verdict::ok("uid 0"),
        other => Verdict::bad(format!("uid {other}")),
    }
}

pub(super) fn has_systemd(machine: &dyn Machine) -> Verdict {
    if machine.is_folder("/run/systemd/system") {
        Verdict::ok("systemd runs")
    } else {
        Verdict::bad("/run/systemd/system is not there")
    }
}

/// The value of a key of `/etc/os-release`.
fn os_value(text: &str, key: &str) -> String {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    match value.map(|value| value.replace(['"', '\''], "")) {
        Some(value) if !value.is_empty() => value,
        _ => "unknown".to_owned(),
    }
}

pub(super) fn platform(machine: &dyn Machine, id: &str, version: &str) -> Verdict {
    let text = machine.text_through("/etc/os-release");
    let (own, release) = (os_value(&text, "ID"), os_value(&text, "VERSION_ID"));
    let found = format!("{own} {release}");
    let fits = release
        .strip_prefix(version)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if own == id && fits {
        Verdict::ok(found)
    } else {
        Verdict::bad(found)
    }
}

pub(super) fn architecture(machine: &dyn Machine, arch: &str) -> Verdict {
    let said = machine.run(&Call::new("uname", &["-m"])).text;
    let found = match said.as_str() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    if found == arch {
        Verdict::ok(found)
    } else {
        Verdict::bad(found)
    }
}

pub(super) fn memory(machine: &dyn Machine, mib: u64) -> Verdict {
    let text = machine.text("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| {
        let rest = line.strip_prefix("MemTotal:")?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    });
    let Some(kib) = kib else {
        return Verdict::unchecked("/proc/meminfo says nothing");
    };
    let have = kib / 1024;
    if have >= mib {
        Verdict::ok(format!("{have} MiB"))
    } else {
        Verdict::bad(format!("{have} MiB, {mib} are needed"))
    }
}

pub(super) fn account(machine: &dyn Machine, user: &str, id: u32) -> Verdict {
    let number = id.to_string();
    let entry = |database: &str, key: &str| {
        let said = machine.run(&Call::new("getent", &[database, key])).text;
        first_line(&said).to_owned()
    };
    let field =
        |line: &str, index: usize| line.split(':').nth(index).unwrap_or_default().to_owned();
    let own = entry("passwd", user);
    if !own.is_empty() {
        let (uid, gid) = (field(&own, 2), field(&own, 3));
        let found = format!("uid {uid}, gid {gid}");
        return if uid == number && gid == number {
            Verdict::ok(found)
        } else {
            Verdict::bad(found)
        };
    }
    let other = field(&entry("passwd", &number), 0);
    if !other.is_empty() {
        return Verdict::bad(format!("uid {id} belongs to {other}"));
    }
    let group = field(&entry("group", &number), 0);
    if !group.is_empty() && group != user {
        return Verdict::bad(format!("gid {id} belongs to {group}"));
    }
    Verdict::ok(format!("{id} is free"))
}

pub(super) fn selinux_proxy(machine: &dyn Machine) -> Verdict {
    if !machine.has("getenforce") {
        return Verdict::ok("no SELinux");
    }
    let mode = machine.run(&Call::new("getenforce", &[])).text;
    if mode != "Enforcing" {
        return Verdict::ok(format!("SELinux is {mode}"));
    }
    for name in ["httpd_can_network_connect", "httpd_can_network_relay"] {
        if machine
            .run(&Call::new("getsebool", &[name]))
            .text
            .contains("--> on")
        {
            return Verdict::ok(format!("{name} is on"));
        }
    }
    let modules = machine.run(&Call::new("semodule", &["-l"])).text;
    if modules
        .lines()
        .any(|line| line.starts_with("haversack_mattermost"))
    {
        return Verdict::ok("the policy module haversack_mattermost is loaded");
    }
    Verdict::bad("SELinux is Enforcing, httpd_can_network_connect is off")
}

pub(super) fn docker(machine: &dyn Machine) -> Verdict {
    if !machine.has("docker") {
        return Verdict::bad("docker is not installed");
    }
    let format = "{{.OSType}} {{.OperatingSystem}}";
    let ran = machine.run(&Call::new("docker", &["info", "--format", format]));
    let said = first_line(&ran.text);
    if !ran.success || said.is_empty() {
        Verdict::bad("docker info fails: the engine does not run")
    } else if said.starts_with("linux ") && !said.contains("Docker Desktop") {
        Verdict::ok(said)
    } else {
        Verdict::bad(said)
    }
}

pub(super) fn dump_major(machine: &dyn Machine, major: u16) -> Verdict {
    if !machine.has("pg_dump") {
        return Verdict::bad("pg_dump is not installed");
    }
    let said = machine.run(&Call::new("pg_dump", &["--version"])).text;
    let found = first_line(&said);
    let own: String = found
        .split(' ')
        .nth(2)
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    match own.parse::<u16>() {
        Ok(own) if own >= major => Verdict::ok(found),
        Ok(_) => Verdict::bad(format!("{found}, the server is {major}")),
        Err(_) => Verdict::unchecked("pg_dump does not say its version"),
    }
}

pub(super) fn packages(machine: &dyn Machine, packager: Packager) -> Verdict {
    let (program, arguments): (_, &[&str]) = match packager {
        Packager::Dpkg => ("dpkg", &["--audit"]),
        Packager::Rpm => ("rpm", &["--query", "rpm"]),
    };
    if !machine.has(program) {
        return Verdict::bad(format!("{program} is not there"));
    }
    let ran = machine.run(&Call::both(program, arguments));
    let whole = match packager {
        Packager::Dpkg => ran.success && ran.text.is_empty(),
        Packager::Rpm => ran.success,
    };
    if whole {
        Verdict::ok("all whole")
    } else {
        Verdict::bad(format!("{program} says: {}", first_line(&ran.text)))
    }
}

pub(super) fn not_running(machine: &dyn Machine, units: &[Word]) -> Verdict {
    for unit in units {
        let state = machine.run(&Call::new("systemctl", &["is-active", unit.as_str()]));
        if state.text == "active" {
            return Verdict::bad(format!("{unit} is active"));
        }
    }
    Verdict::ok("none is active")
}

pub(super) fn not_before(machine: &dyn Machine, seconds: u64) -> Verdict {
    match seconds.checked_sub(machine.now()) {
        None | Some(0) => Verdict::ok("not behind"),
        Some(behind) => Verdict::bad(format!("{behind} seconds behind")),
    }
}

pub(super) fn synchronised(machine: &dyn Machine) -> Verdict {
    let arguments = ["show", "--property=NTPSynchronized", "--value"];
    if machine.run(&Call::new("timedatectl", &arguments)).text == "yes" {
        return Verdict::ok("synchronised");
    }
    let tracking = machine.run(&Call::new("chronyc", &["-n", "tracking"])).text;
    let leap = tracking
        .lines()
        .find(|line| line.starts_with("Leap status"));
    if leap.is_some_and(|line| line.ends_with(": Normal")) {
        return Verdict::ok("synchronised");
    }
    if machine.has("timedatectl") || machine.has("chronyc") {
        Verdict::bad("not synchronised")
    } else {
        Verdict::unchecked("neither timedatectl nor chronyc is installed")
    }
}

pub(super) fn locale(machine: &dyn Machine) -> Verdict {
    if !machine.has("locale") {
        return Verdict::unchecked("the program locale is not installed");
    }
    let all = machine.run(&Call::new("locale", &["-a"])).text;
    let wanted = |line: &str| {
        let line = line.to_ascii_lowercase();
        line == "en_us.utf8" || line == "en_us.utf-8"
    };
    if all.lines().any(wanted) {
        Verdict::ok("there")
    } else {
        Verdict::bad("not among those of locale -a")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::probes::table::Table;

    #[test]
    fn root_is_demanded() {
        assert_eq!(is_root(&Table::default()), Verdict::ok("uid 0"));
        let mut user = Table::default();
        user.uid = 1000;
        assert_eq!(is_root(&user), Verdict::bad("uid 1000"));
    }

    #[test]
    fn systemd_is_demanded() {
        assert_eq!(
            has_systemd(&Table::default().folder("/run/systemd/system")),
            Verdict::ok("systemd runs")
        );
        assert_eq!(
            has_systemd(&Table::default()),
            Verdict::bad("/run/systemd/system is not there")
        );
    }

    #[test]
    fn a_release_may_go_on_after_a_dot_and_nothing_else() {
        for (id, version, text, verdict) in [
            (
                "debian",
                "12",
                "VERSION_ID=\"12\"\nID=debian\n",
                Verdict::ok("debian 12"),
            ),
            (
                "rhel",
                "9",
                "ID=\"rhel\"\nVERSION_ID=\"9.4\"\n",
                Verdict::ok("rhel 9.4"),
            ),
            (
                "rhel",
                "9",
                "ID=rhel\nVERSION_ID=90\n",
                Verdict::bad("rhel 90"),
            ),
            (
                "debian",
                "12",
                "ID=debian\nVERSION_ID=13\n",
                Verdict::bad("debian 13"),
            ),
            (
                "debian",
                "12",
                "ID_LIKE=debian\n",
                Verdict::bad("unknown unknown"),
            ),
        ] {
            let machine = Table::default().file("/etc/os-release", text);
            assert_eq!(platform(&machine, id, version), verdict, "{text}");
        }
        assert_eq!(
            platform(&Table::default(), "debian", "12"),
            Verdict::bad("unknown unknown")
        );
    }

    #[test]
    fn the_architecture_has_debians_name() {
        let machine = Table::default().program("uname -m", "aarch64");
        assert_eq!(architecture(&machine, "arm64"), Verdict::ok("arm64"));
        assert_eq!(architecture(&machine, "amd64"), Verdict::bad("arm64"));
    }

    #[test]
    fn memory_is_counted_in_mib() {
        let machine =
            Table::default().file("/proc/meminfo", "MemTotal:  2097152 kB\nMemFree: 1 kB\n");
        assert_eq!(memory(&machine, 2048), Verdict::ok("2048 MiB"));
        assert_eq!(
            memory(&machine, 2049),
            Verdict::bad("2048 MiB, 2049 are needed")
        );
        assert_eq!(
            memory(&Table::default(), 1),
            Verdict::unchecked("/proc/meminfo says nothing")
        );
    }

    #[test]
    fn a_number_is_free_or_already_that_users() {
        let decide = |machine: Table| account(&machine, "mattermost", 2000);
        let table = Table::default;
        assert_eq!(decide(table()), Verdict::ok("2000 is free"));
        let right = "mattermost:x:2000:2000::/:/bin/false";
        assert_eq!(
            decide(table().program("getent passwd mattermost", right)),
            Verdict::ok("uid 2000, gid 2000")
        );
        let wrong = "mattermost:x:998:2000::/:/bin/false";
        assert_eq!(
            decide(table().program("getent passwd mattermost", wrong)),
            Verdict::bad("uid 998, gid 2000")
        );
        let other = "bob:x:2000:2000::/:/bin/sh";
        assert_eq!(
            decide(table().program("getent passwd 2000", other)),
            Verdict::bad("uid 2000 belongs to bob")
        );
        assert_eq!(
            decide(table().program("getent group 2000", "staff:x:2000:")),
            Verdict::bad("gid 2000 belongs to staff")
        );
        assert_eq!(
            decide(table().program("getent group 2000", "mattermost:x:2000:")),
            Verdict::ok("2000 is free")
        );
    }

    #[test]
    fn selinux_matters_only_when_it_enforces() {
        assert_eq!(selinux_proxy(&Table::default()), Verdict::ok("no SELinux"));
        let permissive = Table::default().program("getenforce", "Permissive");
        assert_eq!(
            selinux_proxy(&permissive),
            Verdict::ok("SELinux is Permissive")
        );
        let enforcing = || Table::default().program("getenforce", "Enforcing");
        assert_eq!(
            selinux_proxy(&enforcing().program(
                "getsebool httpd_can_network_connect",
                "httpd_can_network_connect --> off"
            )),
            Verdict::bad("SELinux is Enforcing, httpd_can_network_connect is off")
        );
        assert_eq!(
            selinux_proxy(&enforcing().program(
                "getsebool httpd_can_network_relay",
                "httpd_can_network_relay --> on"
            )),
            Verdict::ok("httpd_can_network_relay is on")
        );
        let module = enforcing().program("semodule -l", "base\nhaversack_mattermost");
        assert_eq!(
            selinux_proxy(&module),
            Verdict::ok("the policy module haversack_mattermost is loaded")
        );
    }

    #[test]
    fn the_engine_is_docker_on_linux() {
        let call = "docker info --format {{.OSType}} {{.OperatingSystem}}";
        let said = |text: &str| docker(&Table::default().program(call, text));
        assert_eq!(
            said("linux Debian GNU/Linux 12"),
            Verdict::ok("linux Debian GNU/Linux 12")
        );
        assert_eq!(
            said("linux Docker Desktop"),
            Verdict::bad("linux Docker Desktop")
        );
        assert_eq!(
            docker(&Table::default()),
            Verdict::bad("docker is not installed")
        );
        let down = Table::default().failing(call, "Cannot connect");
        assert_eq!(
            docker(&down),
            Verdict::bad("docker info fails: the engine does not run")
        );
    }

    #[test]
    fn an_old_dump_program_is_found() {
        let said =
            |text: &str| dump_major(&Table::default().program("pg_dump --version", text), 16);
        assert_eq!(
            said("pg_dump (PostgreSQL) 16.2"),
            Verdict::ok("pg_dump (PostgreSQL) 16.2")
        );
        assert_eq!(
            said("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0)"),
            Verdict::bad("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0), the server is 16")
        );
        assert_eq!(
            said("?"),
            Verdict::unchecked("pg_dump does not say its version")
        );
        assert_eq!(
            dump_major(&Table::default(), 16),
            Verdict::bad("pg_dump is not installed")
        );
    }

    #[test]
    fn a_half_installed_package_is_found() {
        let whole = Table::default().program("dpkg --audit", "");
        assert_eq!(packages(&whole, Packager::Dpkg), Verdict::ok("all whole"));
        let half = Table::default().program(
            "dpkg --audit",
            "The following packages are only half\n nginx",
        );
        assert_eq!(
            packages(&half, Packager::Dpkg),
            Verdict::bad("dpkg says: The following packages are only half")
        );
        let broken = Table::default().failing("rpm --query rpm", "error: db5 error");
        assert_eq!(
            packages(&broken, Packager::Rpm),
            Verdict::bad("rpm says: error: db5 error")
        );
        let rpm = Table::default().program("rpm --query rpm", "rpm-4.16");
        assert_eq!(packages(&rpm, Packager::Rpm), Verdict::ok("all whole"));
        assert_eq!(
            packages(&rpm, Packager::Dpkg),
            Verdict::bad("dpkg is not there")
        );
    }

    #[test]
    fn a_second_packet_filter_is_found() {
        let units = [
            "ufw.service".parse().unwrap(),
            "firewalld.service".parse().unwrap(),
        ];
        let machine = Table::default().failing("systemctl is-active ufw.service", "inactive");
        assert_eq!(not_running(&machine, &units), Verdict::ok("none is active"));
        let machine = machine.program("systemctl is-active firewalld.service", "active");
        assert_eq!(
            not_running(&machine, &units),
            Verdict::bad("firewalld.service is active")
        );
    }

    #[test]
    fn a_clock_that_is_behind_is_found() {
        let mut machine = Table::default();
        machine.now = 1000;
        assert_eq!(not_before(&machine, 1000), Verdict::ok("not behind"));
        assert_eq!(
            not_before(&machine, 1060),
            Verdict::bad("60 seconds behind")
        );
    }

    #[test]
    fn either_program_may_know_that_the_clock_is_right() {
        let call = "timedatectl show --property=NTPSynchronized --value";
        let yes = Table::default().program(call, "yes");
        assert_eq!(synchronised(&yes), Verdict::ok("synchronised"));
        let no = Table::default().program(call, "no");
        assert_eq!(synchronised(&no), Verdict::bad("not synchronised"));
        let chrony = no.program(
            "chronyc -n tracking",
            "Stratum : 3\nLeap status     : Normal",
        );
        assert_eq!(synchronised(&chrony), Verdict::ok("synchronised"));
        assert_eq!(
            synchronised(&Table::default()),
            Verdict::unchecked("neither timedatectl nor chronyc is installed")
        );
    }

    #[test]
    fn the_locale_has_two_spellings() {
        let said = |text: &str| locale(&Table::default().program("locale -a", text));
        assert_eq!(said("C\nen_US.utf8"), Verdict::ok("there"));
        assert_eq!(said("en_US.UTF-8"), Verdict::ok("there"));
        assert_eq!(
            said("C\nen_USAutf8"),
            Verdict::bad("not among those of locale -a")
        );
        assert_eq!(
            locale(&Table::default()),
            Verdict::unchecked("the program locale is not installed")
        );
    }
}
