//! What is not known beforehand: sizes in a lock are those of the bytes, and no answer fills the disk.

use std::fs;
use std::process::Command;

use crate::support::faults::{Act, Answer, Faulty, head, well};
use crate::support::orders::{Order, Orders, refusal, scattered};

const QUIET: [&str; 3] = ["--json", "--progress", "none"];

fn html(_: &crate::support::faults::Call<'_>) -> Vec<Act> {
    let kind = ("Content-Type", "text/html".to_owned());
    let page = b"<!DOCTYPE html><title>Sign in</title>".to_vec();
    vec![head(200, &[kind]), Act::Body(page)]
}

fn packed(_: &crate::support::faults::Call<'_>) -> Vec<Act> {
    let encoding = ("Content-Encoding", "gzip".to_owned());
    let length = ("Content-Length", "9".to_owned());
    vec![head(200, &[encoding, length]), Act::Body(vec![7; 9])]
}

fn shorter(_: &crate::support::faults::Call<'_>) -> Vec<Act> {
    let length = ("Content-Length", "1000".to_owned());
    vec![head(200, &[length]), Act::Body(vec![7; 1000])]
}

fn endless(_: &crate::support::faults::Call<'_>) -> Vec<Act> {
    vec![head(200, &[]), Act::Endless]
}

/// The manifest as written by [`Orders`], not locked yet.
fn unlocked(places: Vec<String>, bytes: &[u8]) -> Orders {
    let orders = Orders::new(&[Order { places, bytes }]);
    fs::remove_file(orders.path().join("m.lock")).unwrap();
    orders
}

fn parts(orders: &Orders) -> Vec<String> {
    let folder = haversack::store::Store::open(&orders.store())
        .unwrap()
        .parts()
        .unwrap();
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".refused"))
        .collect()
}

#[test]
fn a_lock_states_the_size_of_the_right_bytes_whatever_a_bad_place_says() {
    let bytes = scattered(1, 200_000);
    for bad in [html as Answer, packed, shorter] {
        let (first, mirror) = (
            Faulty::start(&bytes, &[bad], None),
            Faulty::start(&bytes, &[well], None),
        );
        let orders = unlocked(vec![first.url("a.bin"), mirror.url("a.bin")], &bytes);
        let args = [&["lock", "m.toml"], QUIET.as_slice()].concat();
        let output = orders.command(&args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let lock = fs::read_to_string(orders.path().join("m.lock")).unwrap();
        assert!(lock.contains("\nsize = 200000\n"), "{lock}");
        // What was locked is what a build needs: it asks nobody again.
        let asked = first.calls().len() + mirror.calls().len();
        let output = orders.fetch(&QUIET);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(first.calls().len() + mirror.calls().len(), asked);
    }
}

#[test]
fn a_bad_answer_without_a_mirror_is_refused_at_the_lock() {
    let bytes = scattered(1, 200_000);
    for (bad, id) in [(html as Answer, "E702"), (packed, "E702")] {
        let server = Faulty::start(&bytes, &[bad], None);
        let orders = unlocked(vec![server.url("a.bin")], &bytes);
        let args = [&["lock", "m.toml"], QUIET.as_slice()].concat();
        let (found, _, exit) = refusal(&orders.command(&args).output().unwrap());
        assert_eq!((found.as_str(), exit), (id, 7));
        assert!(!orders.path().join("m.lock").exists());
    }
}

#[test]
fn an_answer_without_end_stops_at_the_most_that_is_taken_and_leaves_nothing() {
    let bytes = scattered(1, 1000);
    let server = Faulty::start(&bytes, &[endless], None);
    let orders = unlocked(vec![server.url("a.bin")], &bytes);
    let args = [&["lock", "m.toml", "--max-size", "3M"], QUIET.as_slice()].concat();
    let (id, message, exit) = refusal(&orders.command(&args).output().unwrap());
    assert_eq!((id.as_str(), exit), ("E704", 7));
    let text = "is longer than 3.0 MiB, the most that is taken of a file of unknown size";
    assert!(message.contains(text), "{message}");
    assert_eq!(parts(&orders), Vec::<String>::new());
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn an_announced_size_above_the_most_that_is_taken_is_refused_before_the_body() {
    let bytes = scattered(1, 100_000);
    let server = Faulty::start(&bytes, &[well], None);
    let orders = unlocked(vec![server.url("a.bin")], &bytes);
    let lock = |most: &str| {
        let args = [&["lock", "m.toml", "--max-size", most], QUIET.as_slice()].concat();
        orders.command(&args).output().unwrap()
    };
    assert_eq!(refusal(&lock("99999")).0, "E704");
    assert_eq!(parts(&orders), Vec::<String>::new());
    assert!(lock("100000").status.success());
    // With a lock the size is known, and the limit is that of the lock.
    fs::remove_dir_all(orders.store()).unwrap();
    let fetched = orders.fetch(&[QUIET.as_slice(), &["--max-size", "1"]].concat());
    assert!(fetched.status.success());
}

#[test]
fn an_answer_without_end_stops_before_the_disk_is_full_and_leaves_nothing() {
    let bytes = scattered(1, 1000);
    let server = Faulty::start(&bytes, &[endless], None);
    let orders = unlocked(vec![server.url("a.bin")], &bytes);
    fs::create_dir(orders.store()).unwrap();
    // 16 MiB are let in before the room is looked at, and then less than 64 MiB are free.
    let script = "mount -t tmpfs -o size=76m none store || exit 98; \"$1\" lock m.toml --json --progress none; \
                  code=$?; [ -z \"$(find store -name '*.part')\" ] || exit 99; exit $code";
    let inside = orders.command(&[]);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(inside.get_program())
        .current_dir(orders.path());
    for (name, value) in inside.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().unwrap();
    let (id, message, exit) = refusal(&output);
    assert_eq!((id.as_str(), exit), ("E602", 6), "{message}");
    assert!(message.contains("stopped before it is full"), "{message}");
    assert!(server.body_bytes() >= 16 << 20);
}
