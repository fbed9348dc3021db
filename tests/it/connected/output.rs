//! What could not be written in the end is told before anything is fetched.

use std::process::Output;

use crate::support::http::Server;
use crate::support::orders::{Order, Orders, scattered};

/// A server with a file, and the manifest and lock of it.
fn upstream() -> (Server, Orders) {
    let server = Server::start();
    let bytes = scattered(1, 1000);
    server.put("a.bin", bytes.clone());
    let orders = Orders::new(&[Order {
        places: vec![server.url("a.bin")],
        bytes: &bytes,
    }]);
    (server, orders)
}

fn build(orders: &Orders, output: &str, more: &[&str]) -> Output {
    let args = [&["build", "m.toml", "-o", output], more].concat();
    let mut command = orders.command(&args);
    command.env("SOURCE_DATE_EPOCH", "1790000000");
    command.output().unwrap()
}

#[track_caller]
fn says(output: &Output, exit: i32, begin: &str) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit), "{stderr}");
    assert!(stderr.starts_with(begin), "{stderr}");
    stderr
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_before_anything_is_fetched() {
    let (server, orders) = upstream();
    // Nobody may make files there, not even root.
    let output = build(&orders, "/sys/b", &[]);
    let text = says(&output, 6, "error[E604]: cannot open /sys/.b.lock\n");
    assert!(
        text.contains("next: check owner and permissions of that path"),
        "{text}"
    );
    assert_eq!(server.log(), Vec::<String>::new());
}

#[test]
fn something_else_at_the_output_is_told_before_anything_is_fetched() {
    let (server, orders) = upstream();
    let there = orders.path().join("there");
    std::fs::create_dir(&there).unwrap();
    std::fs::write(there.join("mine"), "x").unwrap();
    for more in [&[][..], &["--replace"]] {
        let output = build(&orders, "there", more);
        says(
            &output,
            2,
            "error[E285]: there exists and is not this bundle: its SHA256SUMS is missing\n",
        );
    }
    // Another bundle is told of just as early, and replaced only on request.
    assert_eq!(build(&orders, "out", &[]).status.code(), Some(0));
    std::fs::remove_dir_all(orders.store()).unwrap();
    server.forget();
    let output = build(&orders, "out", &["--sequence", "7"]);
    let text = says(
        &output,
        2,
        "error[E285]: out exists and is not this bundle: its SHA256SUMS is ",
    );
    assert!(text.contains("or give --replace"), "{text}");
    assert_eq!(server.log(), Vec::<String>::new());
    assert_eq!(
        build(&orders, "out", &["--sequence", "7", "--replace"])
            .status
            .code(),
        Some(0)
    );
    let names: Vec<_> = std::fs::read_dir(orders.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(names, Vec::<String>::new());
}

#[test]
fn a_disk_that_is_too_small_is_told_before_anything_is_fetched_and_nothing_remains() {
    let server = Server::start();
    let bytes = scattered(1, 1 << 20);
    server.put("a.bin", bytes.clone());
    let orders = Orders::new(&[Order {
        places: vec![server.url("a.bin")],
        bytes: &bytes,
    }]);
    std::fs::create_dir(orders.path().join("small")).unwrap();
    let script = "mount -t tmpfs -o size=256k none small || exit 98; \"$1\" build m.toml -o small/b; code=$?; \
                  [ -z \"$(ls -A small)\" ] || exit 99; exit $code";
    let inside = orders.command(&[]);
    let mut command = std::process::Command::new("unshare");
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
    let text = says(
        &command.output().unwrap(),
        6,
        "error[E602]: small/b needs 1.",
    );
    assert!(
        text.contains("free some space or choose another folder; nothing was written"),
        "{text}"
    );
    assert_eq!(server.log(), Vec::<String>::new());
}
