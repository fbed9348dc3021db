//! Closures and version order over the archive that this machine's own apt is configured with.
//!
//! The oracle is `apt-get --print-uris` on the same sources, indexes and base.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use haversack::event::{Cancel, Silent};
use haversack::lock::Package;
use haversack::sources::apt::{
    self, Base, ExpiredIndex, RepositorySpec, Request, Resolved, Wanted, system, version,
};
use haversack::store::Store;
use haversack::types::target::{Arch, Distribution, Target};
use jiff::Timestamp;

use crate::support::documents::TestDocuments;

/// What `apt-get` works in, and a store with the same indexes.
struct Machine {
    folder: tempfile::TempDir,
    arch: Arch,
    repositories: Vec<RepositorySpec>,
    store: Store,
    documents: TestDocuments,
    minimal: Vec<u8>,
}

static MACHINE: LazyLock<Machine> = LazyLock::new(|| Machine::new(Arch::Amd64));
static FOREIGN: LazyLock<Machine> = LazyLock::new(|| Machine::new(Arch::Arm64));
/// apt locks its folders: one at a time.
static APT: Mutex<()> = Mutex::new(());

impl Machine {
    fn new(arch: Arch) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for below in ["state/lists/partial", "cache/archives/partial", "empty"] {
            std::fs::create_dir_all(folder.path().join(below)).unwrap();
        }
        std::fs::write(folder.path().join("nothing"), b"").unwrap();
        let target = Target {
            distribution: Distribution::Debian12,
            arch,
        };
        let repositories =
            system::repositories(Path::new("/"), &"base".parse().unwrap(), target).unwrap();
        let mut machine = Self {
            store: Store::open(&folder.path().join("store")).unwrap(),
            folder,
            arch,
            repositories,
            documents: TestDocuments::new(),
            minimal: Vec::new(),
        };
        machine.apt("nothing", &["update", "-qq"]);
        machine.minimal = machine.minimal_status();
        std::fs::write(machine.folder.path().join("minimal"), &machine.minimal).unwrap();
        machine
    }

    /// Runs `apt-get` in folders of its own.
    fn apt(&self, status: &str, arguments: &[&str]) -> String {
        self.run("apt-get", status, arguments)
    }

    fn run(&self, program: &str, status: &str, arguments: &[&str]) -> String {
        let _one_at_a_time = APT
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let root = self.folder.path();
        let status = if status.starts_with('/') {
            PathBuf::from(status)
        } else {
            root.join(status)
        };
        let mut command = Command::new(program);
        for (name, value) in [
            ("Dir::State", root.join("state").display().to_string()),
            ("Dir::State::status", status.display().to_string()),
            (
                "Dir::State::extended_states",
                root.join("nothing").display().to_string(),
            ),
            ("Dir::Cache", root.join("cache").display().to_string()),
            (
                "Dir::Etc::preferences",
                root.join("nothing").display().to_string(),
            ),
            (
                "Dir::Etc::preferencesparts",
                root.join("empty").display().to_string(),
            ),
            ("APT::Architecture", self.arch.to_string()),
            ("APT::Architectures::", self.arch.to_string()),
            ("Acquire::Languages", "none".to_owned()),
            ("APT::Sandbox::User", "root".to_owned()),
        ] {
            command.arg("-o").arg(format!("{name}={value}"));
        }
        let output = command.args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What apt would fetch: decoded URL and file name, which holds name, version and architecture.
    fn apts_choice(
        &self,
        packages: &[&str],
        recommends: bool,
        status: &str,
    ) -> BTreeSet<(String, String)> {
        let recommends = format!("APT::Install-Recommends={recommends}");
        let mut arguments = vec!["-o", &recommends, "-qq", "-y", "--print-uris", "install"];
        arguments.extend(packages);
        let printed = self.apt(status, &arguments);
        printed
            .lines()
            .filter_map(|line| line.strip_prefix('\''))
            .map(|line| {
                let (url, rest) = line.split_once('\'').unwrap();
                let file = rest.split_whitespace().next().unwrap();
                (decode(url), decode(file))
            })
            .collect()
    }

    fn resolve(&self, packages: &[&str], recommends: bool, base: Base) -> Resolved {
        let request = self.request(packages, recommends, base);
        apt::resolve(
            &request,
            &self.documents,
            &self.store,
            &Silent,
            &Cancel::new(),
        )
        .unwrap_or_else(|error| panic!("{packages:?}: {error}"))
    }

    fn request(&self, packages: &[&str], recommends: bool, base: Base) -> Request {
        let wanted = packages.iter().map(|name| Wanted {
            component: name.parse().unwrap(),
            packages: vec![(*name).to_owned()],
        });
        Request {
            repositories: self.repositories.clone(),
            arch: self.arch,
            wanted: wanted.collect(),
            recommends,
            base,
            now: Timestamp::now(),
            expired: ExpiredIndex::Refuse,
            seen: Vec::new(),
        }
    }

    /// A status file with what `apt-get install ?essential apt` would install.
    fn minimal_status(&self) -> Vec<u8> {
        let chosen = self.apts_choice(&["?essential", "apt"], false, "nothing");
        let names: Vec<String> = chosen
            .iter()
            .map(|(_, file)| {
                let mut parts = file.trim_end_matches(".deb").split('_');
                let (name, version) = (parts.next().unwrap(), parts.next().unwrap());
                format!("{name}={version}")
            })
            .collect();
        let mut arguments = vec!["show", "-qq"];
        arguments.extend(names.iter().map(String::as_str));
        let shown = self.run("apt-cache", "nothing", &arguments);
        let mut status = String::new();
        for stanza in shown
            .split("\n\n")
            .filter(|stanza| !stanza.trim().is_empty())
        {
            status += &format!("{}\nStatus: install ok installed\n\n", stanza.trim_end());
        }
        assert!(status.matches("\nStatus: ").count() > 50, "{names:?}");
        status.into_bytes()
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn packages(resolved: &Resolved) -> impl Iterator<Item = &Package> {
    resolved.repositories.iter().flat_map(|one| &one.packages)
}

fn as_apt_shows(resolved: &Resolved) -> BTreeSet<(String, String)> {
    packages(resolved)
        .map(|one| {
            let file = format!("{}_{}_{}.deb", one.name, one.version, one.arch);
            (one.file.url.to_string(), file)
        })
        .collect()
}

const SETS: [&[&str]; 7] = [
    &["postgresql", "nginx"],
    &["redis-server"],
    &["haproxy"],
    &["prometheus"],
    &["chromium"],
    &["openjdk-17-jre-headless"],
    &["curl", "locales"],
];

fn compare(machine: &Machine, status: &str, base: &Base, recommends: bool) {
    for set in SETS {
        let apts = machine.apts_choice(set, recommends, status);
        let ours = as_apt_shows(&machine.resolve(set, recommends, base.clone()));
        let only_apt: Vec<_> = apts.difference(&ours).map(|(_, file)| file).collect();
        let only_us: Vec<_> = ours.difference(&apts).map(|(_, file)| file).collect();
        assert!(
            only_apt.is_empty() && only_us.is_empty(),
            "{set:?} recommends={recommends} on {status}: only apt {only_apt:?}, only we {only_us:?}"
        );
        println!(
            "{set:?} recommends={recommends} on {status}: {} packages",
            ours.len()
        );
    }
}

#[test]
fn closures_on_nothing_are_those_of_apt() {
    compare(&MACHINE, "nothing", &Base::Nothing, false);
}

#[test]
fn closures_with_recommends_on_nothing_are_those_of_apt() {
    compare(&MACHINE, "nothing", &Base::Nothing, true);
}

#[test]
fn closures_on_a_minimal_system_are_those_of_apt() {
    let base = Base::Status(MACHINE.minimal.clone());
    compare(&MACHINE, "minimal", &base, false);
    compare(&MACHINE, "minimal", &base, true);
}

#[test]
fn closures_on_this_machine_are_those_of_apt() {
    let base = Base::Status(std::fs::read("/var/lib/dpkg/status").unwrap());
    compare(&MACHINE, "/var/lib/dpkg/status", &base, false);
    compare(&MACHINE, "/var/lib/dpkg/status", &base, true);
}

#[test]
fn closures_for_another_architecture_are_those_of_apt() {
    compare(&FOREIGN, "nothing", &Base::Nothing, false);
    let base = Base::Status(FOREIGN.minimal.clone());
    compare(&FOREIGN, "minimal", &base, true);
}

#[test]
fn the_essential_base_leaves_out_what_every_system_has() {
    let machine = &*MACHINE;
    let available = machine.run("apt-cache", "nothing", &["dumpavail"]);
    let names: BTreeSet<&str> = available
        .split("\n\n")
        .filter(|stanza| stanza.contains("\nEssential: yes"))
        .filter_map(|stanza| stanza.lines().next()?.strip_prefix("Package: "))
        .collect();
    assert!(names.len() > 15, "{names:?}");
    let names: Vec<&str> = names.into_iter().collect();
    let apts = machine.apts_choice(&names, false, "nothing");
    let nothing = machine.resolve(&["curl"], false, Base::Nothing);
    let essential = machine.resolve(&["curl"], false, Base::Essential);
    let expected: BTreeSet<_> = as_apt_shows(&nothing).difference(&apts).cloned().collect();
    assert_eq!(as_apt_shows(&essential), expected);
    assert!(expected.iter().any(|(_, file)| file.starts_with("curl_")));
}

#[test]
fn the_lock_names_every_file_where_it_will_stand() {
    let machine = &*MACHINE;
    let resolved = machine.resolve(&["nginx"], false, Base::Nothing);
    let mut paths = BTreeMap::new();
    for repository in &resolved.repositories {
        assert!(
            machine
                .store
                .read(&repository.keyring.sha256, 1 << 22)
                .unwrap()
                .is_some()
        );
        for suite in &repository.suites {
            assert!(!suite.signed_by.is_empty());
            for file in &suite.index {
                paths.insert(file.path.to_string(), file.size);
                assert!(machine.store.read(&file.sha256, 1 << 30).unwrap().is_some());
            }
        }
    }
    let expected = [
        "apt/base-debian/dists/bookworm-updates/InRelease",
        "apt/base-debian/dists/bookworm-updates/main/binary-amd64/Packages.xz",
        "apt/base-debian/dists/bookworm/InRelease",
        "apt/base-debian/dists/bookworm/main/binary-amd64/Packages.xz",
        "apt/base-debian-security/dists/bookworm-security/InRelease",
        "apt/base-debian-security/dists/bookworm-security/main/binary-amd64/Packages.xz",
    ];
    for path in expected {
        assert!(paths.contains_key(path), "{path} in {paths:?}");
    }
    assert_eq!(paths.len(), expected.len());
    let nginx = packages(&resolved).find(|one| one.name == "nginx").unwrap();
    assert_eq!(nginx.because, "asked for");
    let common = packages(&resolved)
        .find(|one| one.name == "nginx-common")
        .unwrap();
    assert_eq!(common.because, "Depends of nginx");
    assert_eq!(common.needed_by, ["nginx".parse().unwrap()]);
}

#[test]
fn prints_how_long_a_closure_takes() {
    let machine = &*MACHINE;
    machine.resolve(&["postgresql", "nginx"], false, Base::Nothing);
    let start = Instant::now();
    let resolved = machine.resolve(&["postgresql", "nginx"], false, Base::Nothing);
    let took = start.elapsed();
    println!(
        "closure of postgresql and nginx: {took:?}, {} packages",
        packages(&resolved).count()
    );
    assert!(took.as_secs() < 60, "{took:?}");
}

#[test]
fn versions_are_ordered_like_dpkg_orders_them() {
    let machine = &*MACHINE;
    let available = machine.run("apt-cache", "nothing", &["dumpavail"]);
    let mut versions: Vec<&str> = available
        .lines()
        .filter_map(|line| line.strip_prefix("Version: "))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    versions.sort_by(|a, b| version::compare(a, b));
    assert!(versions.len() > 20_000, "{}", versions.len());
    let list = machine.folder.path().join("versions");
    std::fs::write(&list, versions.join("\n")).unwrap();
    let script = "use Dpkg::Version; my $before; my $bad = 0; my $count = 0; \
        while (<>) { chomp; my $next = Dpkg::Version->new($_); \
        if (defined $before) { $count++; if (($before <=> $next) > 0) { $bad++; print \"$before $next\\n\" } } \
        $before = $next } print \"$count pairs, $bad wrong\\n\";";
    let output = Command::new("perl")
        .arg("-e")
        .arg(script)
        .arg(&list)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, format!("{} pairs, 0 wrong\n", versions.len() - 1));
    // dpkg itself, which is another implementation than its Perl modules, on a sample.
    let step = versions.len() / 2_000;
    let sample = versions
        .windows(2)
        .step_by(step.max(1))
        .map(|pair| (pair[0], pair[1]));
    let hard = [
        ("1.16.2+ds0-1", "1.16.2+ds-1+b3"),
        ("3.1.2+dfsg0-1", "3.1.2+dfsg-3"),
    ];
    for (a, b) in sample.chain(hard) {
        let operator = match version::compare(a, b) {
            std::cmp::Ordering::Less => "lt",
            std::cmp::Ordering::Equal => "eq",
            std::cmp::Ordering::Greater => "gt",
        };
        let status = Command::new("dpkg")
            .args(["--compare-versions", a, operator, b])
            .status();
        assert!(status.unwrap().success(), "{a} {operator} {b}");
    }
    println!("{printed}");
}
