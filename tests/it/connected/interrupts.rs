//! Ctrl-C and SIGTERM while files are fetched and while a bundle is written, and a store that nothing can be
//! written into.

use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::faults::{Act, Call, Faulty, announced, well};
use crate::support::orders::{Order, Orders, refusal, scattered};

const SIZE: usize = 600_000;
const SAID: &str = "error[E130]: interrupted; run the same command again: it goes on where it can, and begins anew where nothing was finished\n  more: haversack explain E130\n";
const FETCH: [&str; 5] = ["build", "m.toml", "--fetch-only", "--progress", "none"];

fn order(server: &Faulty, bytes: &[u8]) -> Orders {
    Orders::new(&[Order {
        places: vec![server.url("large.bin")],
        bytes,
    }])
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    // It may have ended by itself.
    let _ = kill_process(pid, signal);
}

/// Looks again until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn is_interrupted(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((said.as_ref(), output.status.code()), (SAID, Some(130)));
    assert!(output.stdout.is_empty());
}

#[test]
fn one_interrupt_of_a_download_keeps_what_came_and_the_next_run_asks_for_the_rest() {
    let file = scattered(7, SIZE);
    for signal in [Signal::INT, Signal::TERM] {
        let slowly = |call: &Call<'_>| {
            let (head, rest) = announced(call);
            vec![head, Act::Drip(rest, 5_000, Duration::from_millis(50))]
        };
        let server = Faulty::start(&file, &[slowly, well], None);
        let orders = order(&server, &file);
        let child = orders.command(&FETCH).spawn().unwrap();
        until("nothing came", || server.body_bytes() > 50_000);
        send(&child, signal);
        is_interrupted(&child.wait_with_output().unwrap());

        let parts = std::fs::read_dir(orders.store().join("parts")).unwrap();
        let parts: Vec<_> = parts.map(|entry| entry.unwrap().path()).collect();
        let [part] = parts.as_slice() else {
            panic!("{parts:?}");
        };
        let kept = std::fs::read(part).unwrap();
        assert!(kept.len() >= 50_000, "{}", kept.len());
        assert!(file.starts_with(&kept), "other bytes are kept");
        assert_eq!(orders.stored(&file), None);

        assert!(orders.command(&FETCH).output().unwrap().status.success());
        assert!(orders.stored(&file).as_ref() == Some(&file));
        assert_eq!(server.starts(), [0, kept.len()]);
    }
}

#[test]
fn a_second_interrupt_ends_a_run_that_waits_for_a_silent_server_and_says_so() {
    let file = scattered(7, SIZE);
    for json in [false, true] {
        let silent = |call: &Call<'_>| {
            let (head, mut rest) = announced(call);
            rest.truncate(SIZE / 2);
            let minutes = Duration::from_mins(5);
            vec![head, Act::Body(rest), Act::Pause(minutes)]
        };
        let server = Faulty::start(&file, &[silent, well], None);
        let orders = order(&server, &file);
        // Longer than this test waits: it is not the time limit that ends the run.
        let mut args = FETCH.to_vec();
        args.extend(["--timeout", "300"]);
        args.extend(json.then_some("--json"));
        let mut child = orders.command(&args).spawn().unwrap();
        until("nothing came", || server.body_bytes() > 0);
        until("it runs on", || {
            send(&child, Signal::INT);
            std::thread::sleep(Duration::from_millis(50));
            child.try_wait().unwrap().is_some()
        });
        let output = child.wait_with_output().unwrap();
        if json {
            let (id, message, exit) = refusal(&output);
            assert_eq!((id.as_str(), exit), ("E130", 130));
            assert!(message.starts_with("interrupted; "), "{message}");
        } else {
            is_interrupted(&output);
        }
        assert!(orders.command(&FETCH).output().unwrap().status.success());
        assert!(orders.stored(&file) == Some(file.clone()));
    }
}

#[test]
fn a_run_that_cannot_stop_yet_says_what_it_waits_for() {
    let file = scattered(7, SIZE);
    let silent = |_: &Call<'_>| vec![Act::Pause(Duration::from_mins(5))];
    let server = Faulty::start(&file, &[silent], None);
    let orders = order(&server, &file);
    let mut args = FETCH.to_vec();
    args.extend(["--timeout", "6", "--retries", "0"]);
    let child = orders.command(&args).spawn().unwrap();
    until("no request", || !server.calls().is_empty());
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let (first, _) = said.split_once('\n').unwrap();
    assert_eq!(
        first,
        "stopping: waiting for a server or a disk that does not answer, --timeout at most for a server; \
         interrupt again to end at once: what was finished is kept"
    );
}

#[test]
fn an_interrupt_while_the_bundle_is_written_leaves_none_and_the_next_run_writes_it() {
    let file = scattered(7, 96 << 20);
    let server = Faulty::start(&file, &[well], None);
    let orders = order(&server, &file);
    assert!(orders.command(&FETCH).output().unwrap().status.success());
    for (name, signal) in [("int", Signal::INT), ("term", Signal::TERM)] {
        let folder = orders.path().join(name);
        let out = format!("{name}/out");
        let args = ["build", "m.toml", "--progress", "none", "-o", &out];
        std::fs::create_dir(&folder).unwrap();
        let child = orders.command(&args).spawn().unwrap();
        until("nothing is written", || {
            std::fs::read_dir(&folder).unwrap().next().is_some()
        });
        send(&child, signal);
        is_interrupted(&child.wait_with_output().unwrap());
        assert!(!folder.join("out").exists(), "a half bundle");

        let output = orders.command(&args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let left = std::fs::read_dir(&folder).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["out"]);
    }
    assert_eq!(server.calls().len(), 1, "something was fetched again");
}

#[test]
fn a_store_that_nothing_can_be_written_into_is_refused_before_anything_is_fetched() {
    let file = scattered(7, SIZE);
    let server = Faulty::start(&file, &[well], None);
    let orders = order(&server, &file);
    let commands = ["build m.toml --fetch-only", "lock m.toml"];
    // A new store, and one that has been used.
    for (folder, command) in [("", 0), ("sha256", 0), ("sha256", 1), ("parts", 1)]
        .map(|(folder, number)| (folder, commands[number]))
    {
        std::fs::create_dir_all(orders.store().join(folder)).unwrap();
        let program = orders.command(&[]);
        let script = format!(
            "mount --bind store store && mount -o remount,bind,ro store && exec {} {command} --progress none",
            program.get_program().display()
        );
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "sh", "-c", &script]);
        inside.current_dir(orders.path());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        let output = inside.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(6), "{said}");
        assert!(
            said.contains(&orders.store().display().to_string()),
            "{said}"
        );
        assert!(said.contains("HAVERSACK_STORE"), "{said}");
        assert!(
            said.contains("read-only") || said.contains("Read-only"),
            "{said}"
        );
        assert_eq!(server.calls().len(), 0, "{command} fetched something");
    }
}
