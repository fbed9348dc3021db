//! The base system that every machine begins with: made once, kept below the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use haversack::types::digest::Digest;

use super::Ran;

/// What the tests need on the machine that runs them: program and Debian package.
const TOOLS: [(&str, &str); 7] = [
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("curl", "curl"),
];

/// The cached base system with these packages, made when it is not there.
pub(crate) fn base(packages: &str) -> PathBuf {
    need(&TOOLS);
    assert!(
        rustix::process::geteuid().is_root(),
        "this test boots a machine, so it must run as root"
    );
    let sources = sources();
    let mut inputs = packages.as_bytes().to_vec();
    for source in &sources {
        inputs.extend(fs::read(source).expect("an apt source"));
    }
    let mut key = Digest::of(&inputs).to_string();
    key.truncate(12);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(format!("machine-base-{key}"));
    fs::create_dir_all(target).expect("the target folder");
    let lock = fs::File::create(target.join("machine-base.lock")).expect("a lock file");
    lock.lock().expect("a lock");
    if !folder.exists() {
        let half = target.join(format!("machine-base-{key}.half"));
        drop(fs::remove_dir_all(&half));
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--variant=minbase"])
            .arg(format!("--include={packages}"));
        Ran::of(make.arg("bookworm").arg(&half).args(&sources)).ok();
        // The machine is isolated: where its packages came from is not known to it.
        for list in ["etc/apt/sources.list.d", "var/lib/apt/lists"] {
            drop(fs::remove_dir_all(half.join(list)));
            fs::create_dir_all(half.join(list)).expect("a folder");
        }
        fs::rename(&half, &folder).expect("a rename");
    }
    folder
}

/// Fails the test when one of these programs (and Debian packages) is not here.
pub(crate) fn need(tools: &[(&str, &str)]) {
    let path = std::env::var("PATH").unwrap_or_default();
    for (program, package) in tools {
        let there = path
            .split(':')
            .chain(["/usr/sbin", "/sbin"])
            .any(|folder| Path::new(folder).join(program).exists());
        assert!(
            there,
            "this test needs {program}: apt-get install {package}"
        );
    }
}

/// The apt sources of this machine that are in use.
fn sources() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/etc/apt/sources.list")];
    found.retain(|path| path.exists());
    let mut more: Vec<PathBuf> = fs::read_dir("/etc/apt/sources.list.d")
        .expect("apt's folder of sources")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "list" || end == "sources")
        })
        .collect();
    more.sort();
    found.extend(more);
    assert!(!found.is_empty(), "this machine has no apt sources");
    found
}
