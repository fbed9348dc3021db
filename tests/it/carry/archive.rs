//! Deltas between two states of the archive that this machine's own apt is configured with: a release and
//! its security updates, as they are published.

use std::path::Path;
use std::process::Command;
use std::slice::from_ref;
use std::time::Instant;

use haversack::bundle::contents::FileKind;
use haversack::bundle::header::Sequence;
use haversack::bundle::{Base, Item, PackRequest, Source, changes, sign, to_sign};
use haversack::carry;
use haversack::event::{Cancel, Progress, Silent, Step};
use haversack::trust::key::SigningKey;

use super::{taking, tree};
use crate::support::bundles::Sandbox;

/// Packages of a server, small ones of them: unpacking, comparing and packing is slow in a test program.
const PACKAGES: &[&str] = &[
    "libexpat1",
    "libpam0g",
    "libpq5",
    "nginx",
    "nginx-common",
    "openssl",
    "ssl-cert",
];

/// The versions of a package: of the release, and the newest of all suites.
fn versions(package: &str) -> (String, String) {
    let done = Command::new("apt-cache")
        .args(["madison", package])
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let rows: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('|').map(str::trim);
            let (_, version, place) = (fields.next()?, fields.next()?, fields.next()?);
            Some((version.to_owned(), place.to_owned()))
        })
        .collect();
    let newest = rows
        .first()
        .unwrap_or_else(|| panic!("apt knows no {package}: {text}"));
    let is_release = |place: &str| place.split_whitespace().any(|word| word == "bookworm/main");
    let of_release = rows
        .iter()
        .find(|(_, place)| is_release(place))
        .unwrap_or(newest);
    (of_release.0.clone(), newest.0.clone())
}

/// The package as the archive has it, by the real apt, which checks its hash.
fn fetch(folder: &Path, package: &str, version: &str) -> (String, Vec<u8>) {
    let into = folder.join(format!("{package}-{}", version.replace(['/', ':'], "-")));
    std::fs::create_dir_all(&into).unwrap();
    let done = Command::new("apt-get")
        .args(["-o", "APT::Sandbox::User=root", "-qq", "download"])
        .arg(format!("{package}={version}"))
        .current_dir(&into)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let file = std::fs::read_dir(&into).unwrap().next().unwrap().unwrap();
    let name = file.file_name().into_string().unwrap().replace("%3a", "-");
    (name, std::fs::read(file.path()).unwrap())
}

#[test]
fn a_delta_from_a_release_to_its_security_updates_makes_the_full_bundle_hash_for_hash() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let (_, trust) = sandbox.trust("trust", &[&key], "");
    let (mut before, mut after) = (sandbox.request(), sandbox.request());
    let add = |request: &mut PackRequest, (name, bytes): (String, Vec<u8>)| {
        let digest = sandbox.store.put(&bytes).unwrap();
        let mut info = request.items[2].info.clone();
        info.kind = FileKind::AptPackage;
        info.size = u64::try_from(bytes.len()).unwrap();
        request.items.push(Item {
            path: format!("v1/apt/debian/pool/{name}").parse().unwrap(),
            source: Source::Stored {
                digest,
                size: info.size,
            },
            info,
        });
    };
    let mut changed = 0;
    for package in PACKAGES {
        let (release, newest) = versions(package);
        let old = fetch(sandbox.folder.path(), package, &release);
        let new = if release == newest {
            old.clone()
        } else {
            fetch(sandbox.folder.path(), package, &newest)
        };
        changed += usize::from(old.1 != new.1);
        add(&mut before, old);
        add(&mut after, new);
    }
    assert!(
        changed >= 2,
        "the release has no updates: is it a fresh point release?"
    );
    after.sequence = Sequence::new(43).unwrap();
    let signed = |name: &str, request: &PackRequest| {
        let bundle = sandbox.pack(name, request);
        let _ = sign(&bundle.path, &key).unwrap();
        (bundle.path, bundle.carried)
    };
    let (old, _) = signed("old", &before);
    let (full, all) = signed("full", &after);
    after.base = Some(Base::new(&to_sign(&old).unwrap().sums).unwrap());
    let (_, by_file) = signed("by-file", &after);
    let cancel = Cancel::new();
    let progress = Progress {
        step: Step::Change,
        observer: &Silent,
        cancel: &cancel,
    };
    let began = Instant::now();
    let (found, kept) = changes::make(&after, &old, &sandbox.store, &progress).unwrap();
    let proving = began.elapsed();
    let made = found.len();
    after.changes = found;
    let (delta, by_content) = signed("by-content", &after);
    let began = Instant::now();
    let taking = carry::Taking {
        bases: from_ref(&old),
        ..taking(&trust)
    };
    let out = sandbox.path("out");
    let received = carry::gather(from_ref(&delta), &out, taking, &Silent, &cancel).unwrap();
    let receiving = began.elapsed();
    let percent = |bytes: u64| bytes * 1000 / all;
    println!(
        "{} packages, {changed} of them changed, {made} carried as changes, whole: {kept:?}\n\
         full bundle          {all:>9} bytes\n\
         delta, whole files   {by_file:>9} bytes  {:>4} per mille\n\
         delta, changes       {by_content:>9} bytes  {:>4} per mille\n\
         made and proved in {proving:.1?}, received in {receiving:.1?} (a program for tests, not optimised)",
        PACKAGES.len(),
        percent(by_file),
        percent(by_content),
    );
    assert!(made >= 1 && by_content < by_file && by_file < all);
    assert_eq!(received.report.identity, to_sign(&full).unwrap().identity);
    assert_eq!(tree(&out), tree(&full));
}
