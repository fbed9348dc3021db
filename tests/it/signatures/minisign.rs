//! minisign and Haversack agree, and what a bundle keeps can be checked with `minisign -V`.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haversack::trust::minisign::verify;

use crate::support::http::Server;

/// Keys and files that minisign made.
struct Corner {
    folder: tempfile::TempDir,
}

impl Corner {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let corner = Self { folder };
        for name in ["a", "b"] {
            let (public, secret) = (format!("{name}.pub"), format!("{name}.key"));
            corner.run(&["-G", "-W", "-p", &public, "-s", &secret]);
        }
        std::fs::write(corner.path("data"), b"what was released\n").unwrap();
        std::fs::write(corner.path("empty"), b"").unwrap();
        std::fs::write(corner.path("large"), vec![7; 300_000]).unwrap();
        corner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) {
        let mut command = Command::new("minisign");
        let output = command.current_dir(&self.folder).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// The base64 line of a public key.
    fn key(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        text.lines().nth(1).unwrap().to_owned()
    }

    /// The text of a signature over `file`.
    fn sign(&self, key: &str, file: &str, more: &[&str]) -> String {
        let secret = format!("{key}.key");
        let mut arguments = vec!["-S", "-W", "-s", &secret, "-m", file, "-x", "sig"];
        arguments.extend(more);
        self.run(&arguments);
        std::fs::read_to_string(self.path("sig")).unwrap()
    }

    fn minisign_accepts(&self, key: &str, signature: &str, file: &str) -> bool {
        std::fs::write(self.path("asked"), signature).unwrap();
        minisign_accepts(key, &self.path("asked"), &self.path(file))
    }
}

fn minisign_accepts(key: &str, signature: &Path, file: &Path) -> bool {
    let mut command = Command::new("minisign");
    command.arg("-Vq").arg("-P").arg(key);
    command.arg("-x").arg(signature).arg("-m").arg(file);
    command.output().unwrap().status.success()
}

/// The signature with one byte of a base64 line (1: signature, 3: global signature) flipped.
fn flipped(text: &str, line: usize, byte: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut bytes = STANDARD.decode(&lines[line]).unwrap();
    bytes[byte] ^= 1;
    lines[line] = STANDARD.encode(bytes);
    lines.join("\n") + "\n"
}

fn with_line(text: &str, line: usize, new: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines[line] = new;
    lines.join("\n") + "\n"
}

fn first_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().take(count).collect();
    lines.join("\n") + "\n"
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn minisign_and_haversack_agree_on_good_and_bad_signatures() {
    let corner = Corner::new();
    let (a, b) = (corner.key("a"), corner.key("b"));
    let good = corner.sign("a", "data", &["-t", "file:data"]);
    let legacy = corner.sign("a", "data", &["-l"]);
    let other = corner.sign("b", "data", &[]);
    let line = |text: &str, at: usize| text.lines().nth(at).unwrap().to_owned();
    let swapped_kind = |text: &str, kind: &[u8; 2]| {
        let mut bytes = STANDARD.decode(line(text, 1)).unwrap();
        bytes[..2].copy_from_slice(kind);
        with_line(text, 1, &STANDARD.encode(bytes))
    };
    let rows: Vec<(&str, &str, String, &str, bool)> = vec![
        ("prehashed", &a, good.clone(), "data", true),
        ("legacy", &a, legacy.clone(), "data", true),
        (
            "prehashed, empty file",
            &a,
            corner.sign("a", "empty", &[]),
            "empty",
            true,
        ),
        (
            "legacy, empty file",
            &a,
            corner.sign("a", "empty", &["-l"]),
            "empty",
            true,
        ),
        (
            "prehashed, several chunks",
            &a,
            corner.sign("a", "large", &[]),
            "large",
            true,
        ),
        (
            "legacy, several chunks",
            &a,
            corner.sign("a", "large", &["-l"]),
            "large",
            true,
        ),
        (
            "other untrusted comment",
            &a,
            with_line(&good, 0, "untrusted comment: x"),
            "data",
            true,
        ),
        (
            "lines end in CR LF",
            &a,
            good.replace('\n', "\r\n"),
            "data",
            true,
        ),
        (
            "no line end after the last line",
            &a,
            good.trim_end().to_owned(),
            "data",
            true,
        ),
        (
            "more lines after the fourth",
            &a,
            format!("{good}more\n"),
            "data",
            true,
        ),
        ("another key", &b, good.clone(), "data", false),
        (
            "key of the other signature",
            &a,
            other.clone(),
            "data",
            false,
        ),
        ("another file", &a, good.clone(), "large", false),
        ("another file, legacy", &a, legacy.clone(), "large", false),
        (
            "signature changed",
            &a,
            flipped(&good, 1, 40),
            "data",
            false,
        ),
        (
            "signature changed, legacy",
            &a,
            flipped(&legacy, 1, 73),
            "data",
            false,
        ),
        ("key id changed", &a, flipped(&good, 1, 5), "data", false),
        (
            "global signature changed",
            &a,
            flipped(&good, 3, 0),
            "data",
            false,
        ),
        (
            "trusted comment changed",
            &a,
            with_line(&good, 2, "trusted comment: file:evil"),
            "data",
            false,
        ),
        (
            "trusted comment of another signature",
            &a,
            with_line(&good, 2, &line(&legacy, 2)),
            "data",
            false,
        ),
        (
            "global signature of another signature",
            &a,
            with_line(&good, 3, &line(&legacy, 3)),
            "data",
            false,
        ),
        (
            "prehashed called legacy",
            &a,
            swapped_kind(&good, b"Ed"),
            "data",
            false,
        ),
        (
            "legacy called prehashed",
            &a,
            swapped_kind(&legacy, b"ED"),
            "data",
            false,
        ),
        (
            "unknown algorithm",
            &a,
            swapped_kind(&good, b"Ex"),
            "data",
            false,
        ),
        (
            "ends after the signature",
            &a,
            first_lines(&good, 2),
            "data",
            false,
        ),
        (
            "ends after the trusted comment",
            &a,
            first_lines(&good, 3),
            "data",
            false,
        ),
        (
            "first line is no comment",
            &a,
            with_line(&good, 0, "comment: x"),
            "data",
            false,
        ),
        (
            "third line is no trusted comment",
            &a,
            with_line(&good, 2, "comment: file:data"),
            "data",
            false,
        ),
        (
            "signature cut short",
            &a,
            with_line(&good, 1, "RUQf6LRCGA9i559r"),
            "data",
            false,
        ),
        (
            "no base64",
            &a,
            with_line(&good, 1, &"!".repeat(100)),
            "data",
            false,
        ),
        ("nothing", &a, String::new(), "data", false),
    ];
    assert!(rows.len() >= 30, "{}", rows.len());
    println!("{:<40} minisign  haversack", "signature");
    for (what, key, signature, file, expected) in rows {
        let theirs = corner.minisign_accepts(key, &signature, file);
        let data = std::fs::File::open(corner.path(file)).unwrap();
        let ours = verify(&key.parse().unwrap(), signature.as_bytes(), None, data).is_ok();
        println!("{what:<40} {theirs:<9} {ours}");
        assert_eq!((theirs, ours), (expected, expected), "{what}");
    }
}

#[test]
fn the_trusted_comment_must_hold_what_the_manifest_says() {
    let corner = Corner::new();
    let signature = corner.sign("a", "data", &["-t", "file:data-1.2"]);
    let key = corner.key("a").parse().unwrap();
    let ask = |wanted| {
        let data = std::fs::File::open(corner.path("data")).unwrap();
        verify(&key, signature.as_bytes(), wanted, data).map_err(|error| error.to_string())
    };
    assert_eq!(ask(Some("file:data-1.2")), Ok("file:data-1.2".to_owned()));
    assert_eq!(
        ask(Some("file:data-1.3")),
        Err("its trusted comment is `file:data-1.2`, without `file:data-1.3`".to_owned())
    );
}

fn haversack(arguments: &[&Path]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
    command.args(arguments).output().unwrap()
}

#[test]
fn a_lock_names_key_and_comment_and_the_kept_signature_satisfies_minisign() {
    let corner = Corner::new();
    let server = Server::start();
    let signature = corner.sign("a", "data", &["-t", "file:data\tversion:1.2.3"]);
    let data = std::fs::read(corner.path("data")).unwrap();
    server.put("tool-1.2.3", data.clone());
    server.put("tool-1.2.3.minisig", signature);
    let (key, url) = (corner.key("a"), server.url("tool-1.2.3"));
    let sha512 = haversack::types::sha512::Sha512::of(&data[..]).unwrap();
    server.put("tool-1.2.3.sha512", format!("{sha512}  tool-1.2.3\n"));
    let write = |comment: &str| {
        let text = format!(
            "format = 1\nname = \"demo\"\ntarget = {{ distribution = \"debian-12\", arch = \"amd64\" }}\n\
             [[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1.2.3\"\nurl = \"{url}\"\n\
             sha512 = {{ url = \"{{url}}.sha512\" }}\n\
             signature = [{{ minisign = \"{{url}}.minisig\", key = \"{key}\", comment = \"{comment}\" }}]\n"
        );
        std::fs::write(corner.path("m.toml"), text).unwrap();
    };
    let (manifest, store) = (corner.path("m.toml"), corner.path("store"));
    let lock = || haversack(&["lock".as_ref(), &manifest, "--store".as_ref(), &store]);
    write("version:{version}");
    let output = lock();
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(corner.path("m.lock")).unwrap();
    let locked = haversack::lock::Lock::parse(&text, "m.lock").unwrap();
    assert_eq!(locked.to_toml(), text);
    let artifact = &locked.artifacts[0];
    let said: Vec<String> = artifact
        .evidence
        .iter()
        .map(|one| one.vouched.to_string())
        .collect();
    let id = key
        .parse::<haversack::types::minisign::MinisignKey>()
        .unwrap()
        .id();
    assert_eq!(
        said,
        [
            format!("sha512 {sha512}"),
            format!("minisign signature by {id} (file:data\\tversion:1.2.3)"),
        ]
    );
    let kept = haversack::store::Store::open(&store).unwrap();
    let document = artifact.evidence[1].document.as_ref().unwrap();
    assert_eq!(
        document.path.as_str(),
        "evidence/upstream/extra-tool/tool-1.2.3.minisig"
    );
    let (signature, file) = (
        kept.path_of(&document.sha256),
        kept.path_of(&artifact.file.sha256),
    );
    assert!(minisign_accepts(&key, &signature, &file));

    write("version:1.2.4");
    let output = lock();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("E413"), "{text}");
    assert!(
        text.contains(
            "its trusted comment is `file:data\\tversion:1.2.3`, without `version:1.2.4`"
        ),
        "{text}"
    );

    write("version:1.2.3");
    server.put(
        "tool-1.2.3.sha512",
        format!("{}  tool-1.2.3\n", "0".repeat(128)),
    );
    let text = String::from_utf8(lock().stderr).unwrap();
    let expected = format!(
        "evidence for tool-1.2.3 disagrees: the checksum file {url}.sha512 says SHA-512 {}; the file has {sha512}",
        "0".repeat(128)
    );
    assert!(text.contains("E330") && text.contains(&expected), "{text}");
}
