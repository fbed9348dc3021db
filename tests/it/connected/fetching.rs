//! Downloads from servers that misbehave.

use std::sync::Mutex;

use haversack::event::{Cancel, Event, Observer};
use haversack::fetch::{FetchError, fetch};
use haversack::lock::Lock;
use haversack::types::digest::Digest;

use super::{BOTH, Bench, NAME, TOOL, TOOL_SHA256, head, manifest_of};
use crate::support::http::{Behaviour, Server};

/// A lock of one file of a megabyte, made while the server behaved.
fn large(server: &Server, bench: &mut Bench) -> (Lock, Vec<u8>) {
    let bytes: Vec<u8> = (0..1_000_000_u32)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    server.put("large.bin", bytes.clone());
    let lines = format!("sha256 = \"{}\"", Digest::of(&bytes));
    let lock = bench
        .resolve(&manifest_of(&server.url("large.bin"), &lines))
        .unwrap();
    bench.empty_store();
    server.forget();
    (lock, bytes)
}

fn requests(server: &Server) -> Vec<String> {
    let log = server.log();
    log.into_iter()
        .filter(|line| line.starts_with("GET"))
        .collect()
}

#[test]
fn goes_on_after_a_cut_where_it_stopped() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    server.behave("large.bin", Behaviour::CutAfter(300_000, 2));
    bench.fetch(&lock).unwrap();
    assert_eq!(
        requests(&server),
        [
            "GET large.bin",
            "GET large.bin bytes=300000-",
            "GET large.bin bytes=600000-"
        ]
    );
    assert_eq!(
        std::fs::read(bench.store.path_of(&Digest::of(&bytes))).unwrap(),
        bytes
    );
}

#[test]
fn goes_on_after_a_cut_in_the_next_run() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, _) = large(&server, &mut bench);
    // Cut without progress after the first 300,000 bytes: this run gives up.
    server.behave("large.bin", Behaviour::CutAfter(300_000, 1));
    let cut = Cutter {
        server: &server,
        done: Mutex::new(false),
    };
    let error = fetch(
        &lock,
        &bench.store,
        &bench.client,
        BOTH,
        &cut,
        &Cancel::new(),
    )
    .unwrap_err();
    assert_eq!(error.id(), "E708", "{error}");
    server.behave("large.bin", Behaviour::Status(503, 0));
    let before = requests(&server).len();
    bench.fetch(&lock).unwrap();
    assert_eq!(requests(&server)[before..], ["GET large.bin bytes=300000-"]);
}

/// Makes the server fail for good once bytes have come.
struct Cutter<'s> {
    server: &'s Server,
    done: Mutex<bool>,
}

impl Observer for Cutter<'_> {
    fn on(&self, event: &Event<'_>) {
        let mut done = self.done.lock().unwrap();
        if matches!(event, Event::Bytes { .. }) && !*done {
            *done = true;
            self.server
                .behave("large.bin", Behaviour::Status(503, 1000));
        }
    }
}

#[test]
fn starts_over_when_a_range_is_ignored_wrong_or_refused() {
    for behaviour in [
        Behaviour::IgnoreRange(300_000),
        Behaviour::WrongRange(300_000),
        Behaviour::RefuseRange(300_000),
    ] {
        let mut bench = Bench::new();
        let server = Server::start();
        let (_, bytes) = large(&server, &mut bench);
        let shown = format!("{behaviour:?}");
        // A fresh server, whose first request is the one that is cut.
        let fresh = Server::start();
        fresh.put("large.bin", bytes.clone());
        fresh.behave("large.bin", behaviour);
        let trust = "trust = { first-lock = \"the digest must not be known\" }";
        let lock = bench
            .resolve(&manifest_of(&fresh.url("large.bin"), trust))
            .unwrap();
        assert_eq!(lock.artifacts[0].file.sha256, Digest::of(&bytes), "{shown}");
        assert_eq!(
            requests(&fresh)[..2],
            ["GET large.bin", "GET large.bin bytes=300000-"],
            "{shown}"
        );
    }
}

#[test]
fn runs_at_once_on_one_store_fetch_a_file_once_and_spoil_nothing() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| bench.fetch(&lock).unwrap());
        }
    });
    // Who waited for the part looked in the store again.
    assert_eq!(requests(&server), ["GET large.bin"]);
    let stored = std::fs::read(bench.store.path_of(&Digest::of(&bytes))).unwrap();
    assert!(stored == bytes);
    assert_eq!(
        std::fs::read_dir(bench.store.parts().unwrap())
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_part_without_validator_or_known_digest_is_not_continued() {
    let server = Server::start();
    server.put("a", vec![b'x'; 400_000]);
    server.behave("a", Behaviour::CutWithoutValidator(100_000));
    let trust = "trust = { first-lock = \"the digest must not be known\" }";
    let lock = Bench::new()
        .resolve(&manifest_of(&server.url("a"), trust))
        .unwrap();
    assert_eq!(lock.artifacts[0].file.size, 400_000);
    assert_eq!(requests(&server), ["GET a", "GET a"]);
}

#[test]
fn events_tell_of_each_byte_once_even_after_a_fresh_start() {
    struct Count(Mutex<u64>);
    impl Observer for Count {
        fn on(&self, event: &Event<'_>) {
            if let Event::Bytes { count, .. } | Event::Kept { count, .. } = event {
                *self.0.lock().unwrap() += count;
            }
        }
    }
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    let part = format!("{}.part", Digest::of(&bytes));
    std::fs::write(bench.store.parts().unwrap().join(part), vec![7; 400_000]).unwrap();
    let count = Count(Mutex::new(0));
    fetch(
        &lock,
        &bench.store,
        &bench.client,
        BOTH,
        &count,
        &Cancel::new(),
    )
    .unwrap();
    assert_eq!(count.0.into_inner().unwrap(), 1_000_000);
}

#[test]
fn a_request_to_stop_ends_the_work_and_keeps_the_part() {
    struct Stop(Cancel);
    impl Observer for Stop {
        fn on(&self, event: &Event<'_>) {
            if matches!(event, Event::Bytes { .. }) {
                self.0.request();
            }
        }
    }
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    let cancel = Cancel::new();
    let stop = Stop(cancel.clone());
    let error = fetch(&lock, &bench.store, &bench.client, BOTH, &stop, &cancel).unwrap_err();
    assert_eq!(error.id(), "E130");
    let part = bench
        .store
        .parts()
        .unwrap()
        .join(format!("{}.part", Digest::of(&bytes)));
    assert!(part.exists());
    bench.fetch(&lock).unwrap();
    assert!(!part.exists());
}

#[test]
fn a_stale_part_is_dropped_when_the_digest_does_not_match() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    let parts = bench.store.parts().unwrap();
    let part = parts.join(format!("{}.part", Digest::of(&bytes)));
    std::fs::write(&part, vec![7; 400_000]).unwrap();
    bench.fetch(&lock).unwrap();
    assert_eq!(
        requests(&server),
        ["GET large.bin bytes=400000-", "GET large.bin"]
    );
    assert!(!part.exists());
}

#[test]
fn wrong_bytes_are_refused_named_and_kept_apart() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    let mut wrong = bytes.clone();
    wrong[500_000] ^= 1;
    server.put("large.bin", wrong.clone());
    let error = bench.fetch(&lock).unwrap_err();
    assert_eq!(error.id(), "E705");
    let kept = bench
        .store
        .parts()
        .unwrap()
        .join(format!("{}.refused", Digest::of(&wrong)));
    assert_eq!(
        error.to_string(),
        format!(
            "1 of 1 file failed: files/extra-tool/large.bin: {} has sha256 {} (1000000 bytes), \
             expected {}; what came is kept in {}",
            server.url("large.bin"),
            Digest::of(&wrong),
            Digest::of(&bytes),
            kept.display()
        )
    );
    assert_eq!(std::fs::read(kept).unwrap(), wrong);
    assert!(!bench.store.path_of(&Digest::of(&bytes)).exists());
    assert!(!bench.store.path_of(&Digest::of(&wrong)).exists());
}

#[test]
fn a_mirror_helps_when_the_first_place_has_wrong_bytes_or_none() {
    for behaviour in [
        Some(Behaviour::Html),
        Some(Behaviour::Status(404, 100)),
        None,
    ] {
        let (first, second) = (Server::start(), Server::start());
        let mut bench = Bench::new();
        first.put(NAME, TOOL);
        second.put(NAME, TOOL);
        let lines = format!(
            "sha256 = \"{TOOL_SHA256}\"\nmirrors = [\"{}\"]",
            second.url(NAME)
        );
        let lock = bench
            .resolve(&manifest_of(&first.url(NAME), &lines))
            .unwrap();
        bench.empty_store();
        match behaviour {
            Some(behaviour) => first.behave(NAME, behaviour),
            None => first.put(NAME, vec![7; TOOL.len()]),
        }
        let report = bench.fetch(&lock).unwrap();
        assert_eq!(report.fetched_files, 1);
        assert_eq!(requests(&second), [format!("GET {NAME}")]);
    }
}

#[test]
fn failures_say_what_to_do_next() {
    for (behaviour, id, text, hint) in [
        (
            Behaviour::Status(404, 100),
            "E706",
            "does not exist there (status 404)",
            "download the file by hand",
        ),
        (
            Behaviour::Status(410, 100),
            "E706",
            "does not exist there (status 410)",
            "add a mirror",
        ),
        (
            Behaviour::Status(403, 100),
            "E709",
            "was refused with status 403",
            "authorisation",
        ),
        (
            Behaviour::Status(500, 100),
            "E708",
            "fails with status 500",
            "run the same command again",
        ),
        (
            Behaviour::Html,
            "E702",
            "gave an HTML page instead of the file",
            "captive portal",
        ),
        (
            Behaviour::Endless,
            "E704",
            "is longer than 1000000 bytes",
            "upstream changed the file",
        ),
        (
            Behaviour::StallAfter(1000),
            "E704",
            "sends less than 1.0 KiB a second",
            "goes on where this stopped",
        ),
        (
            Behaviour::NoLength(1000),
            "E701",
            "broke off after",
            "goes on where this stopped",
        ),
    ] {
        let server = Server::start();
        let mut bench = Bench::new();
        let (lock, _) = large(&server, &mut bench);
        let shown = format!("{behaviour:?}");
        server.behave("large.bin", behaviour);
        let error = bench.fetch(&lock).unwrap_err();
        assert_eq!(error.id(), id, "{shown}: {error}");
        assert!(error.to_string().contains(text), "{shown}: {error}");
        let found = error.hint().unwrap_or_default();
        assert!(found.contains(hint), "{shown}: {found}");
    }
}

#[test]
fn a_server_that_fails_for_a_moment_is_asked_again() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, _) = large(&server, &mut bench);
    server.behave("large.bin", Behaviour::Status(503, 2));
    bench.fetch(&lock).unwrap();
    assert_eq!(requests(&server).len(), 3);
}

#[test]
fn an_unreachable_server_names_the_proxy_variables() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, _) = large(&server, &mut bench);
    drop(server);
    // The listener ends with its next connection.
    let error = loop {
        match bench.fetch(&lock) {
            Err(error) if error.id() == "E707" => break error,
            _ => bench.empty_store(),
        }
    };
    assert!(error.hint().unwrap().contains("HTTPS_PROXY"));
}

#[test]
fn a_file_of_the_store_that_was_damaged_is_told_and_comes_again() {
    struct Warned(Mutex<Vec<&'static str>>);
    impl Observer for Warned {
        fn on(&self, event: &Event<'_>) {
            if let Event::Warning { id, text } = *event {
                assert!(text.contains("large.bin"), "{text}");
                self.0.lock().unwrap().push(match id {
                    "W707" => "W707",
                    _ => "another",
                });
            }
        }
    }
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    bench.fetch(&lock).unwrap();
    let path = bench.store.path_of(&Digest::of(&bytes));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, vec![7; bytes.len()]).unwrap();
    let warned = Warned(Mutex::default());
    fetch(
        &lock,
        &bench.store,
        &bench.client,
        BOTH,
        &warned,
        &Cancel::new(),
    )
    .unwrap();
    assert_eq!(warned.0.into_inner().unwrap(), ["W707"]);
    assert_eq!(std::fs::read(path).unwrap(), bytes);
}

#[test]
fn several_failures_are_told_together() {
    let server = Server::start();
    let mut text = head();
    for name in ["a", "b", "c"] {
        server.put(name, name);
        text += &format!(
            "[[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1\"\nurl = \"{}\"\nsha256 = \"{}\"\n",
            server.url(name),
            Digest::of(name.as_bytes())
        );
    }
    let mut bench = Bench::new();
    let lock = bench.resolve(&text).unwrap();
    bench.empty_store();
    for name in ["a", "c"] {
        server.behave(name, Behaviour::Status(404, 1000));
    }
    let FetchError::Files { files, failures } = bench.fetch(&lock).unwrap_err() else {
        panic!("another error");
    };
    let paths: Vec<_> = failures
        .iter()
        .map(|failure| failure.file.path.as_str())
        .collect();
    assert_eq!(
        (files, paths),
        (3, vec!["files/extra-tool/a", "files/extra-tool/c"])
    );
    assert!(bench.store.path_of(&Digest::of(b"b")).exists());
}

/// Debian itself, as this machine's own apt knows it: a real closure from signed metadata, fetched.
#[test]
fn packages_of_this_machines_own_sources_are_locked_and_fetched() {
    let text = head()
        + "version = \"1\"\n[apt]\nbase = \"essential\"\n[[apt.repository]]\nname = \"base\"\nfrom = \"system\"\n\
           [[apt.packages]]\ncomponent = \"nginx\"\ninstall = [\"nginx\"]\n";
    let bench = Bench::new();
    let lock = bench.resolve_at(&text, jiff::Timestamp::now()).unwrap();
    let packages: Vec<_> = lock
        .repositories
        .iter()
        .flat_map(|repository| &repository.packages)
        .collect();
    let nginx = packages
        .iter()
        .find(|package| package.name == "nginx")
        .unwrap();
    assert_eq!(nginx.because, "asked for");
    assert_eq!(nginx.needed_by, ["nginx".parse().unwrap()]);
    let read = Lock::parse(&lock.to_toml(), "m.lock").unwrap();
    assert_eq!(read.to_toml(), lock.to_toml());
    assert_eq!(lock.differences(&read), []);
    let report = bench.fetch(&lock).unwrap();
    assert_eq!(report.fetched_files, packages.len() as u64);
    let bytes: u64 = packages.iter().map(|package| package.file.size).sum();
    assert_eq!(report.fetched_bytes, bytes);
    // A second run finds everything.
    assert_eq!(bench.fetch(&lock).unwrap().fetched_files, 0);
}
