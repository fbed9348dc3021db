//! The drop folder of a diode: loose files in any order and state, decided by their hashes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haversack::carry::{self, CarryError, Drop, Missing, Settle};
use haversack::event::{Cancel, Progress, Silent, Step};
use haversack::trust::key::SigningKey;
use haversack::types::path::RelPath;

use super::{Sent, taking, tree};
use crate::support::bundles::Sandbox;

/// The loose files of a bundle, by name.
fn loose(sent: &Sent) -> BTreeMap<String, Vec<u8>> {
    let out = sent.sandbox.path("outbox");
    let dirs = [sent.bundle.clone()];
    let done = carry::scatter(&dirs, &out, &Silent, &Cancel::new()).unwrap();
    let files: BTreeMap<_, _> = tree(&out).into_iter().collect();
    assert_eq!(done.files, u64::try_from(files.len()).unwrap());
    files
}

fn inbox(sent: &Sent) -> PathBuf {
    let inbox = sent.sandbox.path("inbox");
    std::fs::create_dir(&inbox).unwrap();
    inbox
}

fn with_drop<R>(sent: &Sent, work: impl FnOnce(Drop<'_>, &Progress<'_>) -> R) -> R {
    let (inbox, target) = (sent.sandbox.path("inbox"), sent.sandbox.path("out"));
    let cancel = Cancel::new();
    let progress = Progress {
        step: Step::Receive,
        observer: &Silent,
        cancel: &cancel,
    };
    let drop = Drop::new(&inbox, &target, taking(&sent.trust));
    work(drop, &progress)
}

fn once(sent: &Sent) -> Result<Option<Missing>, CarryError> {
    with_drop(sent, |mut drop, progress| {
        let missing = drop.look(Settle::Now, progress)?;
        if missing.is_none() {
            drop.finish(progress)?;
        }
        Ok(missing)
    })
}

#[test]
fn loose_files_carry_each_content_once_and_the_list_first_and_last() {
    let sent = Sent::new();
    let files = loose(&sent);
    let list = std::fs::read(sent.bundle.join("SHA256SUMS")).unwrap();
    let lists = files.values().filter(|bytes| **bytes == list).count();
    // List and two signatures twice; of nine files the empty one need not be sent.
    assert_eq!((files.len(), lists), (14, 2));
    assert_eq!(files.values().next(), Some(&list));
    assert!(files.keys().next().unwrap().ends_with("-00000-SHA256SUMS"));
}

/// Every name is lost, every order is another, and junk, folders and links lie between.
#[test]
fn names_and_order_do_not_matter_and_the_drop_folder_is_only_read() {
    let sent = Sent::new();
    let files = loose(&sent);
    let inbox = inbox(&sent);
    for (number, bytes) in files.values().rev().enumerate() {
        std::fs::write(inbox.join(format!("{}", number * 7919 % 97)), bytes).unwrap();
    }
    let deb = b"PACKAGE";
    std::fs::write(inbox.join("junk of the same size"), deb).unwrap();
    std::fs::write(inbox.join("empty"), b"").unwrap();
    std::fs::write(
        inbox.join("half a list"),
        &files.values().next().unwrap()[..300],
    )
    .unwrap();
    std::fs::create_dir(inbox.join("folder")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", inbox.join("link")).unwrap();
    std::os::unix::fs::symlink("0", inbox.join("link to a file")).unwrap();
    let before = tree(&inbox);
    assert_eq!(once(&sent).unwrap(), None);
    assert_eq!(tree(&sent.sandbox.path("out")), tree(&sent.bundle));
    assert_eq!(tree(&inbox), before);
    let mut names = haversack::fs::list(sent.sandbox.folder.path()).unwrap();
    names.retain(|name| name.to_string_lossy().starts_with('.'));
    assert!(names.is_empty(), "{names:?}");
}

/// One file after the other comes, half first, under its final name, as lidi writes: each look takes over
/// what is whole, and says what is missing.
#[test]
fn half_files_with_final_names_are_not_taken_and_what_is_whole_is_taken_once() {
    let sent = Sent::new();
    let files = loose(&sent);
    let inbox = inbox(&sent);
    with_drop(&sent, |mut drop, progress| {
        let mut placed = 0;
        for (name, bytes) in &files {
            let path = inbox.join(name);
            let mut file = std::fs::File::create(&path).unwrap();
            let (first, rest) = bytes.split_at(bytes.len() / 2);
            file.write_all(first).unwrap();
            for _ in 0..2 {
                let missing = drop.look(Settle::Stable, progress).unwrap().unwrap();
                assert_eq!(missing.files_placed, placed, "{name} is half");
            }
            file.write_all(rest).unwrap();
            // The first look after a change only notes it.
            let missing = drop.look(Settle::Stable, progress).unwrap();
            assert!(missing.is_some_and(|missing| missing.files_placed == placed));
            match drop.look(Settle::Stable, progress).unwrap() {
                Some(missing) => placed = missing.files_placed,
                None => break,
            }
        }
        assert_eq!(placed, 8);
        drop.finish(progress).unwrap();
    });
    assert_eq!(tree(&sent.sandbox.path("out")), tree(&sent.bundle));
}

/// A file of the right size and wrong bytes, as after a hash that failed; the retry has another name.
#[test]
fn a_damaged_file_is_passed_over_and_its_retry_is_taken() {
    let sent = Sent::new();
    let files = loose(&sent);
    let inbox = inbox(&sent);
    let app = |name: &String| name.ends_with("app-1.2.3.tar.gz");
    for (name, bytes) in &files {
        let mut bytes = bytes.clone();
        if app(name) {
            bytes[77] ^= 1;
        }
        std::fs::write(inbox.join(name), bytes).unwrap();
    }
    let missing = once(&sent).unwrap().unwrap();
    assert_eq!(missing.id(), "E802");
    let names: Vec<&str> = missing.missing.iter().map(RelPath::as_str).collect();
    assert_eq!(names, ["v1/files/app/app-1.2.3.tar.gz"]);
    assert_eq!(missing.bytes, Some(2_400_000));
    assert!(!sent.sandbox.path("out").exists());
    // What was taken over is not needed again: only the retry lies there now.
    std::fs::remove_dir_all(&inbox).unwrap();
    std::fs::create_dir(&inbox).unwrap();
    for (name, bytes) in files
        .iter()
        .filter(|(name, _)| app(name))
        .chain(files.iter().take(3))
    {
        std::fs::write(inbox.join(format!("retry-{name}")), bytes).unwrap();
    }
    assert_eq!(once(&sent).unwrap(), None);
    assert_eq!(tree(&sent.sandbox.path("out")), tree(&sent.bundle));
}

/// Each file of a list of two paths and one content comes once.
#[test]
fn one_content_at_two_paths_comes_once() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let mut request = sandbox.request();
    let mut twin = request.items[0].clone();
    twin.path = "v1/files/twin/app-1.2.3.tar.gz".parse().unwrap();
    request.items.push(twin);
    let bundle = sandbox.pack("bundle", &request).path;
    let _ = haversack::bundle::sign(&bundle, &key).unwrap();
    let (trust_dir, trust) = sandbox.trust("trust", &[&key], "");
    let sent = Sent {
        file: Vec::new(),
        sandbox,
        bundle,
        trust,
        trust_dir,
    };
    let files = loose(&sent);
    assert_eq!(
        files.keys().filter(|name| name.ends_with("tar.gz")).count(),
        1
    );
    let inbox = inbox(&sent);
    for (name, bytes) in files {
        std::fs::write(inbox.join(name), bytes).unwrap();
    }
    assert_eq!(once(&sent).unwrap(), None);
    assert_eq!(tree(&sent.sandbox.path("out")), tree(&sent.bundle));
}

#[test]
fn a_list_of_an_unknown_signer_is_never_taken_for_the_bundle() {
    let sent = Sent::new();
    let other = Sandbox::new();
    let mallory = SigningKey::generate().unwrap();
    let forged = other.signed("bundle", &[&mallory]);
    let inbox = inbox(&sent);
    for (number, (_, bytes)) in tree(&forged).into_iter().enumerate() {
        std::fs::write(inbox.join(number.to_string()), bytes).unwrap();
    }
    let missing = once(&sent).unwrap().unwrap();
    assert_eq!(missing.identity, None);
    assert!(
        missing
            .reason
            .unwrap()
            .contains("not signed by enough trusted keys yet")
    );
    // The true one comes into the same folder.
    for (name, bytes) in loose(&sent) {
        std::fs::write(inbox.join(name), bytes).unwrap();
    }
    assert_eq!(once(&sent).unwrap(), None);
    assert_eq!(tree(&sent.sandbox.path("out")), tree(&sent.bundle));
}

#[test]
fn the_newest_of_several_bundles_is_taken_and_two_names_are_refused() {
    let mut sent = Sent::new();
    let key = SigningKey::generate().unwrap();
    sent.trust = sent.sandbox.trust("other", &[&key], "").1;
    let inbox = inbox(&sent);
    let put = |folder: &str, sequence: u64, name: &str| {
        let mut request = sent.sandbox.request();
        request.sequence = haversack::bundle::header::Sequence::new(sequence).unwrap();
        request.name = name.parse().unwrap();
        let bundle = sent.sandbox.pack(folder, &request).path;
        let _ = haversack::bundle::sign(&bundle, &key).unwrap();
        for (number, (_, bytes)) in tree(&bundle).into_iter().enumerate() {
            std::fs::write(inbox.join(format!("{folder}-{number}")), bytes).unwrap();
        }
        bundle
    };
    put("old", 7, "demo");
    let new = put("new", 8, "demo");
    assert_eq!(once(&sent).unwrap(), None);
    assert_eq!(tree(&sent.sandbox.path("out")), tree(&new));
    std::fs::remove_dir_all(sent.sandbox.path("out")).unwrap();
    put("else", 9, "another");
    assert_eq!(once(&sent).unwrap_err().id(), "E294");
}

/// The command waits for what is still coming, and ends when everything has come.
#[test]
fn the_command_waits_until_everything_has_come() {
    let sent = Sent::new();
    let files = loose(&sent);
    let inbox = inbox(&sent);
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
        command
            .args(["receive", "--flat", "inbox", "-o", "out"])
            .args(args)
            .current_dir(sent.sandbox.folder.path())
            .env("HAVERSACK_TRUST", &sent.trust_dir)
            .env("HAVERSACK_STATE", sent.sandbox.path("state"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    let nothing = run(&["--once"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(8), "{nothing:?}");
    let child = run(&["--every", "1"]).spawn().unwrap();
    for (name, bytes) in &files {
        std::fs::write(inbox.join(name), bytes).unwrap();
    }
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("GOOD: demo 1.2.3 number 42"));
    assert_eq!(
        tree(Path::new(&sent.sandbox.path("out"))),
        tree(&sent.bundle)
    );
}
