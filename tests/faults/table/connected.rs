//! Faults on the connected side: archives, servers, upstreams.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use haversack::types::digest::Digest;

use super::yard::{Ran, Yard, tool};
use super::{Row, row};
use crate::http::{Behaviour, Server};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = archives();
    rows.extend(servers());
    rows
}

/// Writes a manifest of one artifact that `server` has, with these further lines.
fn manifest(y: &Yard, url: &str, lines: &str) {
    let text = format!(
        "format = 1\nname = \"sample\"\ntarget = {{ distribution = \"debian-12\", arch = \"amd64\" }}\n\
         [[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1.2.3\"\nurl = \"{url}\"\n{lines}\n"
    );
    std::fs::write(y.path("m.toml"), text).unwrap();
}

/// Builds from a server that has this file and behaves like this.
fn build(y: &mut Yard, name: &str, bytes: &[u8], behaviour: Option<Behaviour>) -> Ran {
    let server = Server::start();
    server.put(name, bytes);
    let lines = format!("sha256 = \"{}\"", Digest::of(bytes));
    manifest(y, &server.url(name), &lines);
    if let Some(behaviour) = behaviour {
        // The lock is made first, so that only the download meets it.
        let ran = y.run("lock m.toml");
        assert_eq!(ran.exit, Some(0), "{}", ran.output);
        std::fs::remove_dir_all(y.path("store")).unwrap();
        server.behave(name, behaviour);
    }
    y.held.push(Box::new(server));
    y.run("build m.toml -o out")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar of one entry.
fn tarball(kind: tar::EntryType, name: &str, link: Option<&str>, mode: u32) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(0);
    if let Some(link) = link {
        header.set_link_name(link).unwrap();
    }
    header.set_cksum();
    builder.append(&header, &b""[..]).unwrap();
    gzip(&builder.into_inner().unwrap())
}

/// A tar of one file of 300 MiB of zeros.
fn bomb() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(300 << 20);
    header.set_cksum();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(header.as_bytes()).unwrap();
    let chunk = vec![0; 1 << 20];
    for _ in 0..300 {
        encoder.write_all(&chunk).unwrap();
    }
    encoder.finish().unwrap()
}

fn archives() -> Vec<Row> {
    vec![
        row(10, "non-ASCII name, built", 2, "E2", |y| {
            build(y, "t%C3%A4l.bin", b"x", None)
        }),
        row(11, "name reserved on Windows, built", 2, "E2", |y| {
            build(y, "nul.txt", b"x", None)
        }),
        row(
            16,
            "decompression bomb in an upstream archive",
            5,
            "E503",
            |y| build(y, "a.tar.gz", &bomb(), None),
        ),
        row(17, "hostile tar: path that leaves", 5, "E504", |y| {
            let bytes = tarball(tar::EntryType::Regular, "../evil", None, 0o644);
            build(y, "a.tar.gz", &bytes, None)
        }),
        row(17, "hostile tar: link that leaves", 5, "E504", |y| {
            let bytes = tarball(tar::EntryType::Symlink, "a", Some("/etc/passwd"), 0o777);
            build(y, "a.tar.gz", &bytes, None)
        }),
        row(17, "hostile tar: device", 5, "E504", |y| {
            let bytes = tarball(tar::EntryType::Char, "a", None, 0o666);
            build(y, "a.tar.gz", &bytes, None)
        }),
        row(
            17,
            "hostile tar: setuid, unpacked as install.sh does",
            0,
            "written",
            |y| {
                let bytes = tarball(tar::EntryType::Regular, "a", None, 0o4755);
                let ran = build(y, "a.tar.gz", &bytes, None);
                let words = [
                    "-xzf",
                    "out/v1/files/extra-tool/a.tar.gz",
                    "--no-same-owner",
                    "--no-same-permissions",
                ];
                tool("tar", &words, y.sandbox.folder.path());
                let mode = std::fs::metadata(y.path("a")).unwrap().permissions().mode();
                ran.also(mode & 0o7000 == 0, "the setuid bit")
            },
        ),
        row(25, "expired upstream key at build", 4, "E407", expired_key),
        row(30, "program for another architecture", 5, "E521", |y| {
            let elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0";
            build(y, "tool", elf, None)
        }),
        row(31, "HTML page named .tar.gz", 7, "E702", |y| {
            build(y, "a.tar.gz", b"<!DOCTYPE html><html>sign in</html>", None)
        }),
    ]
}

/// A key of `gpg` that has expired signs the artifact.
fn expired_key(y: &mut Yard) -> Ran {
    let home = y.path("gnupg");
    std::fs::create_dir(&home).unwrap();
    tool("chmod", &["700", "gnupg"], y.sandbox.folder.path());
    let gpg = |arguments: &[&str]| {
        let output = Command::new("gpg")
            .args([
                "--homedir",
                "gnupg",
                "--batch",
                "--quiet",
                "--passphrase",
                "",
            ])
            .args(["--pinentry-mode", "loopback", "--no-tty"])
            .args(arguments)
            .current_dir(y.sandbox.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    };
    let past = "--faked-system-time=20200101T000000!";
    gpg(&[
        past,
        "--quick-gen-key",
        "old@example.org",
        "ed25519",
        "sign",
        "1y",
    ]);
    std::fs::write(y.path("tool"), "x").unwrap();
    let signature = gpg(&[past, "--detach-sign", "-o", "-", "tool"]);
    let key = gpg(&["--export", "old@example.org"]);
    let listed = gpg(&["--with-colons", "--list-keys"]);
    let listed = String::from_utf8(listed).unwrap();
    let print = listed
        .lines()
        .find_map(|line| line.strip_prefix("fpr:"))
        .unwrap();
    let print = print.trim_matches(':');
    let server = Server::start();
    server.put("tool", &b"x"[..]);
    server.put("tool.sig", signature);
    server.put("key.gpg", key);
    let lines = format!(
        "signature = {{ openpgp = \"{{url}}.sig\", key = \"old\" }}\n\
         [[key]]\nname = \"old\"\nopenpgp = [\"{print}\"]\nurl = \"{}\"",
        server.url("key.gpg")
    );
    manifest(y, &server.url("tool"), &lines);
    y.held.push(Box::new(server));
    y.run("build m.toml -o out")
}

/// Bytes that do not repeat.
fn long() -> Vec<u8> {
    (0..400_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn servers() -> Vec<Row> {
    vec![
        row(
            41,
            "killed in the middle of fetching; the next run",
            0,
            "written",
            |y| {
                let bytes = long();
                let server = Server::start();
                server.put("tool", bytes.clone());
                let lines = format!("sha256 = \"{}\"", Digest::of(&bytes));
                manifest(y, &server.url("tool"), &lines);
                y.held.push(Box::new(server));
                let at = y.operation("build m.toml -o out", " write ");
                y.fault = Some(format!("{}:kill", at + 3));
                let killed = y.run("build m.toml -o out");
                assert_eq!(killed.exit, None, "{}", killed.output);
                y.fault = None;
                y.run("build m.toml -o out")
            },
        ),
        row(42, "body cut short again and again", 7, "E70", |y| {
            build(y, "tool", &long(), Some(Behaviour::CutAfter(1000, 1000)))
        }),
        row(42, "truncated body without a length", 7, "E70", |y| {
            build(y, "tool", &long(), Some(Behaviour::NoLength(1000)))
        }),
        row(43, "Range ignored", 0, "written", |y| {
            build(y, "tool", &long(), Some(Behaviour::IgnoreRange(100_000)))
        }),
        row(43, "wrong Content-Range", 0, "written", |y| {
            build(y, "tool", &long(), Some(Behaviour::WrongRange(100_000)))
        }),
        row(43, "416 with a page", 0, "written", |y| {
            build(y, "tool", &long(), Some(Behaviour::RefuseRange(100_000)))
        }),
        row(44, "TLS by an unknown authority", 7, "E703", |y| {
            let (server, _) = Server::start_tls();
            server.put("tool", &b"x"[..]);
            let lines = format!("sha256 = \"{}\"", Digest::of(b"x"));
            manifest(y, &server.url("tool"), &lines);
            y.held.push(Box::new(server));
            y.run("build m.toml -o out")
        }),
        row(45, "endless body", 7, "E704", |y| {
            build(y, "tool", &long(), Some(Behaviour::Endless))
        }),
        row(
            46,
            "upstream changed the file under its URL",
            7,
            "E705",
            |y| {
                let server = Server::start();
                server.put("tool", &b"one"[..]);
                manifest(
                    y,
                    &server.url("tool"),
                    &format!("sha256 = \"{}\"", Digest::of(b"one")),
                );
                let ran = y.run("lock m.toml");
                assert_eq!(ran.exit, Some(0), "{}", ran.output);
                std::fs::remove_dir_all(y.path("store")).unwrap();
                server.put("tool", &b"two"[..]);
                y.held.push(Box::new(server));
                y.run("build m.toml -o out")
            },
        ),
    ]
}
