//! The commands as a user runs them: resumption, refusals, exit codes, results as JSON.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::quickstart::SampleUpstream;

/// A working folder with a store of its own and the sample upstream behind it.
struct Bench {
    folder: tempfile::TempDir,
    _upstream: Option<SampleUpstream>,
}

impl Bench {
    /// The shipped quickstart manifest, with real packages for nginx only, so that a build is short.
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let upstream = SampleUpstream::start(&folder.path().join("upstream"));
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/quickstart.toml");
        let manifest = std::fs::read_to_string(shipped).unwrap();
        let (head, _) = manifest.split_once("[apt]").unwrap();
        let manifest = head.replace("127.0.0.1:18765", &upstream.address)
            + "[apt]\nbase = \"essential\"\n[[apt.repository]]\nname = \"base\"\nfrom = \"system\"\n\
               [[apt.packages]]\ncomponent = \"nginx\"\ninstall = [\"nginx\"]\n";
        std::fs::write(folder.path().join("m.toml"), manifest).unwrap();
        Self {
            folder,
            _upstream: Some(upstream),
        }
    }

    /// A working folder alone.
    fn without_upstream() -> Self {
        Self {
            folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            _upstream: None,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, store: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
        command
            .args(args)
            .current_dir(self.path())
            .env("HAVERSACK_STORE", self.path().join(store))
            .env("HAVERSACK_STATE", self.path().join("state"))
            .env("SOURCE_DATE_EPOCH", "1795449600")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command("store", args).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        text(args, &self.run(args))
    }

    fn list(&self, bundle: &str) -> String {
        std::fs::read_to_string(self.path().join(bundle).join("SHA256SUMS")).unwrap()
    }
}

#[track_caller]
fn text(args: &[&str], output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "haversack {}: {}\n{stderr}",
        args.join(" "),
        output.status
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Numbers that look random and are the same in every run (Knuth's MMIX constants).
fn scattered(count: usize) -> impl Iterator<Item = u64> {
    let mut state = 42_u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    })
    .take(count)
}

#[test]
fn a_build_gives_the_same_list_twice_and_after_ten_kills_at_any_moment() {
    let bench = Bench::new();
    bench.ok(&["lock", "m.toml"]);
    let began = Instant::now();
    bench.ok(&["build", "m.toml", "-o", "first"]);
    let whole = u64::try_from(began.elapsed().as_millis()).unwrap();
    bench.ok(&["build", "m.toml", "-o", "second"]);
    let list = bench.list("first");
    assert_eq!(bench.list("second"), list);

    let mut killed = 0;
    for (round, number) in scattered(10).enumerate() {
        // Each round begins with an empty store, so that the kill may fall into fetching or packing.
        let (store, out) = (format!("store-{round}"), format!("out-{round}"));
        let args = ["build", "m.toml", "-o", out.as_str()];
        let mut child = bench.command(&store, &args).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(number % whole.max(1)));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        if !ended.success() {
            killed += 1;
            let half = bench.path().join(&out);
            assert!(
                !half.exists() || half.join("SHA256SUMS").exists(),
                "a half bundle under its final name"
            );
        }
        text(&args, &bench.command(&store, &args).output().unwrap());
        assert_eq!(bench.list(&out), list, "round {round}");
        std::fs::remove_dir_all(bench.path().join(&store)).unwrap();
        std::fs::remove_dir_all(bench.path().join(&out)).unwrap();
    }
    assert!(killed >= 5, "only {killed} of 10 kills came before the end");
}

#[test]
fn build_refuses_a_lock_of_another_manifest_and_a_foreign_folder() {
    let bench = Bench::new();
    bench.ok(&["lock", "m.toml"]);
    let manifest = std::fs::read_to_string(bench.path().join("m.toml")).unwrap();

    let changed = manifest.replace("install = [\"nginx\"]", "install = [\"nginx\", \"curl\"]");
    std::fs::write(bench.path().join("m.toml"), changed).unwrap();
    let refused = bench.run(&["build", "m.toml", "-o", "b"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("error[E211]") && said.contains("next: run `haversack lock`"),
        "{said}"
    );
    assert!(!bench.path().join("b").exists());

    let commented = format!("# a comment changes nothing\n{manifest}");
    std::fs::write(bench.path().join("m.toml"), commented).unwrap();
    let foreign = bench.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
    let refused = bench.run(&["build", "m.toml", "-o", "foreign", "--replace"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        std::fs::read_to_string(foreign.join("thesis.txt")).unwrap(),
        "years of work"
    );
}

#[test]
fn replacing_a_bundle_leaves_a_whole_one_at_its_place_at_every_moment() {
    let bench = Bench::new();
    bench.ok(&["lock", "m.toml"]);
    bench.ok(&["build", "m.toml", "-o", "b"]);
    let first = bench.list("b");
    // The number is the time of creation, where none is given.
    assert!(first.contains("\n# sequence 1795449600\n"), "{first}");
    let refused = bench.run(&["build", "m.toml", "-o", "b", "--sequence", "7"]);
    assert_eq!(refused.status.code(), Some(2));
    // What a run that was killed after the exchange left.
    let left = bench.path().join(".b.new");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("SHA256SUMS"), "old").unwrap();

    let done = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                seen.insert(std::fs::read_to_string(bench.path().join("b/SHA256SUMS")).ok());
            }
            seen
        });
        for number in ["7", "8", "9"] {
            let args = [
                "build",
                "m.toml",
                "-o",
                "b",
                "--replace",
                "--sequence",
                number,
            ];
            let output = bench.run(&args);
            assert!(output.status.success(), "{output:?}");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        watch.join().unwrap()
    });
    assert!(!seen.contains(&None), "there was a moment without a bundle");
    assert!(seen.contains(&Some(first)));
    assert!(bench.list("b").contains("\n# sequence 9\n"));
    let mut names = haversack::fs::list(bench.path()).unwrap();
    names.retain(|name| name.to_string_lossy().starts_with('.'));
    assert_eq!(names, [""; 0]);
}

#[test]
fn results_are_one_json_value_on_standard_output() {
    let bench = Bench::new();
    for args in [
        &["lock", "m.toml", "--json"][..],
        &["lock", "m.toml", "--check", "--json"],
        &["build", "m.toml", "-o", "b", "--json"],
        &["keygen", "k", "--json"],
        &["sign", "b", "--key", "k.key", "--json"],
        &["inspect", "b", "--json"],
        &["explain", "E301", "--json"],
        &["explain", "--all", "--json"],
    ] {
        let value: serde_json::Value = serde_json::from_str(&bench.ok(args)).unwrap();
        assert!(value.is_object(), "{args:?}");
    }
    std::fs::create_dir(bench.path().join("trust")).unwrap();
    std::fs::copy(bench.path().join("k.pem"), bench.path().join("trust/k.pem")).unwrap();
    let report = bench.ok(&["verify", "b", "--trust", "trust", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report.get("verdict").unwrap(), "good");

    // A refusal is JSON too, on standard error, and names its exit code.
    std::fs::remove_file(bench.path().join("trust/k.pem")).unwrap();
    bench.ok(&["keygen", "other"]);
    std::fs::copy(
        bench.path().join("other.pem"),
        bench.path().join("trust/other.pem"),
    )
    .unwrap();
    let refused = bench.run(&[
        "verify",
        "b",
        "--trust",
        "trust",
        "--json",
        "--progress",
        "none",
    ]);
    assert_eq!(refused.status.code(), Some(4));
    let error: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(error.pointer("/error/id").unwrap(), "E401");
    assert_eq!(error.get("exit").unwrap(), 4);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_haversack"))
        .args(["explain", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_command_has_help_and_those_with_arguments_show_examples() {
    for command in [
        "lock", "build", "keygen", "sign", "verify", "inspect", "plan", "stage", "explain",
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args([command, "--help"])
            .output()
            .unwrap();
        let help = text(&[command, "--help"], &output);
        assert!(help.contains("Examples:"), "{command}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(["completions", shell])
            .output()
            .unwrap();
        assert!(text(&["completions", shell], &output).contains("haversack"));
    }
}

#[test]
fn what_was_mixed_up_or_left_out_is_told_with_what_to_type() {
    let bench = Bench::new();
    bench.ok(&["lock", "m.toml"]);
    for (words, expected) in [
        (
            &["build", "m.lock", "-o", "b"][..],
            "m.lock looks like a lock: give the manifest that it was made from",
        ),
        (
            &["diff", "m.toml", "m.lock"],
            "give the lock that `haversack lock m.toml` writes: m.lock",
        ),
        (
            &["init", "x", "--site", "https://me:hunter2@chat.example"],
            "'https://**********@chat.example'",
        ),
        (
            &["verify", "b"],
            "Examples:\n  haversack verify /media/disc/mattermost-42 --trust",
        ),
    ] {
        let refused = bench.run(words);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn a_file_that_nobody_vouches_for_changes_only_with_update() {
    let bench = Bench::without_upstream();
    let manifest = "format = 1\nname = \"own\"\ntarget = { distribution = \"debian-12\", arch = \"amd64\" }\n\
        [[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1\"\nurl = \"file:tool\"\n\
        trust = { first-lock = \"made in this house\" }\n";
    std::fs::write(bench.path().join("own.toml"), manifest).unwrap();
    std::fs::write(bench.path().join("tool"), "one").unwrap();
    bench.ok(&["lock", "own.toml"]);
    let lock = || std::fs::read_to_string(bench.path().join("own.lock")).unwrap();
    let first = lock();
    std::fs::write(bench.path().join("tool"), "two").unwrap();
    let refused = |args: &[&str], code: i32, text: &str| {
        let output = bench.run(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(text), "{args:?}: {stderr}");
        assert_eq!(lock(), first);
    };
    refused(&["lock", "own.toml"], 3, "--update extra-tool");
    refused(&["lock", "own.toml", "--check"], 3, "error[E330]");
    refused(
        &["lock", "own.toml", "--update", "nothing"],
        2,
        "give one of: all, extra-tool",
    );
    let update = ["--check", "--update", "extra-tool"];
    refused(&[&["lock", "own.toml"], &update[..]].concat(), 1, "");
    bench.ok(&["lock", "own.toml", "--update", "extra-tool"]);
    assert_ne!(lock(), first);
    let second = lock();
    // A lock that cannot be read says nothing, and that is told.
    std::fs::write(bench.path().join("own.lock"), "format = 1\n").unwrap();
    let output = bench.run(&["lock", "own.toml"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && stderr.contains("W703"),
        "{stderr}"
    );
    assert_eq!(lock(), second);
}

#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
        .args(["explain", "--all", "--json"])
        .stdout(full)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("E613"), "{said}");
}
