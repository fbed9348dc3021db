//! What is refused, and whether the words say what it was.

use std::process::{Command, Output};

use haversack::bundle::header::Sequence;
use haversack::trust::key::SigningKey;

use crate::support::bundles::Sandbox;

fn run(sandbox: &Sandbox, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_haversack"))
        .args(args)
        .args(["--progress", "none"])
        .current_dir(sandbox.folder.path())
        .env("HAVERSACK_STATE", sandbox.path("state"))
        .env("HAVERSACK_STORE", sandbox.path("own-store"))
        .output()
        .unwrap()
}

/// Runs a command that must end with this code, and gives its standard error.
fn ends(sandbox: &Sandbox, args: &[&str], code: i32) -> String {
    let output = run(sandbox, args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    error
}

/// A sandbox with a signed bundle `demo` of number 42, and what it was signed with.
fn desk() -> (Sandbox, SigningKey) {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    sandbox.signed("demo", &[&key]);
    sandbox.trust("trust", &[&key], "");
    (sandbox, key)
}

const MANIFEST: &str = "format = 1\nname = \"demo\"\ntarget = { distribution = \"debian-12\", arch = \"amd64\" }\n\
    [[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1\"\nurl = \"file:tool.bin\"\n\
    trust = { first-lock = \"made in this house\" }\n";

#[test]
fn a_base_of_another_name_a_higher_number_or_an_altered_list_is_refused() {
    let (sandbox, _) = desk();
    std::fs::write(sandbox.path("tool.bin"), "\u{7f}ELF no real program").unwrap();
    std::fs::write(sandbox.path("own.toml"), MANIFEST).unwrap();
    let other = MANIFEST.replace("\"demo\"", "\"other\"");
    std::fs::write(sandbox.path("other.toml"), other).unwrap();
    let build = |manifest: &str, base: &str, number: &str, code: i32| {
        let args = [
            "build",
            manifest,
            "-o",
            "delta",
            "--base",
            base,
            "--sequence",
            number,
        ];
        ends(&sandbox, &args, code)
    };
    for number in ["41", "42"] {
        let said = build("own.toml", "demo", number, 2);
        assert!(
            said.contains("the base has the number 42, and this bundle would have"),
            "{said}"
        );
    }
    let said = build("other.toml", "demo", "43", 5);
    assert!(
        said.contains("error[E512]: the base is a bundle of the name demo, and this one is other"),
        "{said}"
    );
    let list = std::fs::read_to_string(sandbox.path("demo/SHA256SUMS")).unwrap();
    let altered = list.replace("# sequence 42", "# sequence 9");
    assert_ne!(altered, list);
    std::fs::write(sandbox.path("demo/SHA256SUMS"), altered).unwrap();
    let said = build("own.toml", "demo", "43", 4);
    assert!(
        said.contains("error[E402]: the base was changed after it was signed: demo/sig/"),
        "{said}"
    );
    assert!(!sandbox.path("delta").exists());
    // Without any signature nothing shows it, which is said.
    std::fs::remove_dir_all(sandbox.path("demo/sig")).unwrap();
    std::fs::write(sandbox.path("demo/SHA256SUMS"), list).unwrap();
    let said = build("own.toml", "demo", "43", 0);
    assert!(
        said.contains("W903") && said.contains("the base demo has no signature"),
        "{said}"
    );
}

#[test]
fn two_bundles_with_one_number_are_named_as_such() {
    let (sandbox, key) = desk();
    ends(&sandbox, &["verify", "demo", "--trust", "trust"], 0);
    let mut request = sandbox.request();
    request.sequence = Sequence::new(42).unwrap();
    request.version = "2".parse().unwrap();
    let twin = sandbox.pack("twin", &request);
    let _ = haversack::bundle::sign(&twin.path, &key).unwrap();
    let said = ends(&sandbox, &["verify", "twin", "--trust", "trust"], 5);
    assert!(
        said.contains(
            "error[E511]: the bundle is another one than the bundle of this number that this network has\n"
        ) && said.contains("  next: stop: take in neither,")
            && !said.contains("--allow-rollback"),
        "{said}"
    );
}

#[test]
fn a_bundle_that_is_not_there_is_wrong_usage_for_every_command() {
    let (sandbox, _) = desk();
    std::fs::create_dir(sandbox.path("m")).unwrap();
    for args in [
        &["verify", "nothing", "--trust", "trust"][..],
        &["receive", "nothing", "--trust", "trust", "-o", "new"],
        &["media", "nothing", "--to", "m"],
        &["sign", "nothing", "--detached"],
    ] {
        let said = ends(&sandbox, args, 2);
        assert!(said.contains("error[E291]"), "{args:?}: {said}");
    }
    let said = ends(
        &sandbox,
        &["receive", "demo", "--trust", "trust", "-o", "-"],
        2,
    );
    assert!(said.contains("error[E200]: a bundle is a folder"), "{said}");
    assert!(!sandbox.path("-").exists());
}

#[test]
fn a_place_that_cannot_be_written_is_not_taken_for_another_run() {
    let (sandbox, _) = desk();
    let args = ["verify", "demo", "--trust", "trust", "--state"];
    // The system's own files: nobody makes a file there, not even root.
    let said = ends(&sandbox, &[&args[..], &["/proc/self"]].concat(), 6);
    assert!(
        said.contains("what was accepted before cannot be read or written")
            && !said.contains("another run"),
        "{said}"
    );
}

#[test]
fn a_delta_whose_full_list_is_not_signed_yet_is_named_when_a_signature_is_added() {
    let (sandbox, key) = desk();
    std::fs::write(sandbox.path("tool.bin"), "\u{7f}ELF no real program").unwrap();
    std::fs::write(sandbox.path("own.toml"), MANIFEST).unwrap();
    let pem = key.verifying_key().to_pem().unwrap();
    std::fs::write(sandbox.path("key.pem"), pem).unwrap();
    let build = [
        "build",
        "own.toml",
        "-o",
        "delta",
        "--base",
        "demo",
        "--sequence",
        "43",
    ];
    ends(&sandbox, &build, 0);
    let wanted = haversack::bundle::to_sign(&sandbox.path("delta")).unwrap();
    let full = wanted.sums.full().unwrap().render();
    let attach = |bytes: &[u8]| {
        std::fs::write(sandbox.path("answer.sig"), key.sign(bytes).unwrap()).unwrap();
        let args = [
            "sign",
            "delta",
            "--attach",
            "answer.sig",
            "--public",
            "key.pem",
        ];
        String::from_utf8(run(&sandbox, &args).stdout).unwrap()
    };
    let said = attach(&wanted.bytes);
    assert!(
        said.contains("  NOT YET  by this key: the list of the full bundle,")
            && said.contains("> full.list"),
        "{said}"
    );
    let said = attach(full.as_bytes());
    assert!(
        said.contains("full.sig") && !said.contains("NOT YET"),
        "{said}"
    );
}

#[test]
fn what_is_not_there_or_not_sealed_is_said_so() {
    let (sandbox, key) = desk();
    std::fs::write(sandbox.path("own.toml"), MANIFEST).unwrap();
    let said = ends(
        &sandbox,
        &[
            "build",
            "own.toml",
            "-o",
            "delta",
            "--base",
            "demo",
            "--sequence",
            "43",
            "--acknowledged",
            "nofile.txt",
        ],
        2,
    );
    assert!(
        said.contains("error[E295]: there is no file nofile.txt"),
        "{said}"
    );
    sandbox.trust("next", &[&key], "");
    let said = ends(&sandbox, &["trust", "update", "trust", "--with", "next"], 2);
    assert!(
        said.contains("error[E298]: the trust directory next is not sealed")
            && said.contains("haversack trust seal next --version N"),
        "{said}"
    );
}
