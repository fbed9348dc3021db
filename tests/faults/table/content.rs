//! Faults in what lies on a medium: bytes, names, lists, signatures.

use std::os::unix::fs::symlink;

use super::yard::{APP, DEB, flipped, tool};
use super::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = bytes();
    rows.extend(names());
    rows.extend(documents());
    rows.extend(signatures());
    rows
}

fn bytes() -> Vec<Row> {
    vec![
        row(1, "bit flip in a payload file", 3, "E301", |y| {
            y.signed();
            y.edit(APP, |bytes| flipped(bytes, 10_000));
            y.verify()
        }),
        row(2, "file truncated", 3, "E302", |y| {
            y.signed();
            y.edit(APP, |bytes| bytes[..bytes.len() - 1].to_vec());
            y.verify()
        }),
        row(3, "file longer than listed", 3, "E303", |y| {
            y.signed();
            y.edit(APP, |bytes| [bytes, vec![0]].concat());
            y.verify()
        }),
        row(
            4,
            "listed file missing inside a present volume",
            3,
            "E304",
            |y| {
                y.signed();
                std::fs::remove_file(y.path(DEB)).unwrap();
                y.verify()
            },
        ),
        row(6, "extra unlisted file", 3, "E305", |y| {
            y.signed();
            std::fs::write(y.path("bundle/v1/files/app/extra"), "x").unwrap();
            y.verify()
        }),
        row(7, "symlink in place of a file", 3, "E306", |y| {
            y.signed();
            std::fs::rename(y.path(DEB), y.path("elsewhere")).unwrap();
            symlink(y.path("elsewhere"), y.path(DEB)).unwrap();
            y.verify()
        }),
        row(7, "hard link", 3, "E306", |y| {
            y.signed();
            std::fs::hard_link(y.path(DEB), y.path("second")).unwrap();
            y.verify()
        }),
        row(7, "fifo in place of a file", 3, "E306", |y| {
            y.signed();
            std::fs::remove_file(y.path(DEB)).unwrap();
            tool("mkfifo", &[DEB], y.sandbox.folder.path());
            y.verify()
        }),
        row(7, "device in place of a file", 3, "E306", |y| {
            y.signed();
            std::fs::remove_file(y.path(DEB)).unwrap();
            tool("mknod", &[DEB, "c", "1", "3"], y.sandbox.folder.path());
            y.verify()
        }),
        row(7, "socket in place of a file", 3, "E306", |y| {
            y.signed();
            std::fs::remove_file(y.path(DEB)).unwrap();
            drop(std::os::unix::net::UnixListener::bind(y.path(DEB)).unwrap());
            y.verify()
        }),
    ]
}

fn names() -> Vec<Row> {
    let mut rows = vec![
        row(8, "`../` in a signed list", 3, "E307", |y| {
            y.signed();
            y.list_instead("../escape");
            y.verify()
        }),
        row(8, "absolute path in a signed list", 3, "E307", |y| {
            y.signed();
            y.list_instead("/etc/hostname");
            y.verify()
        }),
        row(8, "empty component in a signed list", 3, "E307", |y| {
            y.signed();
            y.list_instead("v1//empty");
            y.verify()
        }),
        row(8, "`.` in a signed list", 3, "E307", |y| {
            y.signed();
            y.list_instead("v1/./empty");
            y.verify()
        }),
        row(8, "backslash in a signed list", 3, "E307", |y| {
            y.signed();
            y.list_instead("v1/files\\empty");
            y.verify()
        }),
        row(8, "colon in a signed list", 3, "E307", |y| {
            y.signed();
            y.list_instead("v1/files:empty");
            y.verify()
        }),
        row(9, "same path after ASCII case fold", 3, "E308", |y| {
            y.signed();
            y.list_instead("readme.TXT");
            y.verify()
        }),
        row(9, "two entries of one path", 3, "E308", |y| {
            y.signed();
            y.list_instead("README.txt");
            y.verify()
        }),
        row(10, "non-ASCII name in a signed list", 3, "E309", |y| {
            y.signed();
            y.list_instead("v1/\u{e4}");
            y.verify()
        }),
        row(
            10,
            "file with a control character in its name",
            3,
            "E309",
            |y| {
                y.signed();
                std::fs::write(y.path("bundle/v1/a\nb"), "x").unwrap();
                y.verify()
            },
        ),
    ];
    rows.extend([
        row(11, "name reserved on Windows, verified", 3, "E310", |y| {
            y.signed();
            y.list_instead("v1/files/app/nul.txt");
            y.verify()
        }),
        row(11, "trailing dot, verified", 3, "E310", |y| {
            y.signed();
            y.list_instead("v1/files/app/x.");
            y.verify()
        }),
    ]);
    rows
}

fn documents() -> Vec<Row> {
    vec![
        row(12, "sizes whose sum overflows", 5, "E501", |y| {
            y.signed();
            y.redescribe(|text| text.replace("\"size\": 7,", "\"size\": 18446744073709551615,"));
            y.verify()
        }),
        row(13, "SHA256SUMS longer than 4 MiB", 5, "E502", |y| {
            y.signed();
            y.relist(|text| text + &"#".repeat(4 << 20) + "\n");
            y.verify()
        }),
        row(13, "SHA256SUMS of 70,000 lines", 5, "E502", |y| {
            y.signed();
            y.relist(|text| text + &"#\n".repeat(70_000));
            y.verify()
        }),
        row(13, "signature of 65 KiB", 5, "E502", |y| {
            y.signed();
            std::fs::write(y.path("bundle/sig/large.sig"), vec![0x30; 65 << 10]).unwrap();
            y.verify()
        }),
        row(13, "bundle.json of 17 MiB", 5, "E502", |y| {
            y.signed();
            y.redescribe(|text| text + &" ".repeat(17 << 20));
            y.verify()
        }),
        row(
            14,
            "bundle.json disagrees with SHA256SUMS",
            3,
            "E311",
            |y| {
                y.signed();
                y.redescribe(|text| text.replace("\"size\": 7", "\"size\": 8"));
                y.verify()
            },
        ),
        row(15, "deeply nested JSON", 3, "E312", |y| {
            y.signed();
            y.redescribe(|_| format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000)));
            y.verify()
        }),
        row(15, "huge number in JSON", 3, "E312", |y| {
            y.signed();
            y.redescribe(|text| {
                text.replace("\"size\": 7", &format!("\"size\": 1{}", "0".repeat(400)))
            });
            y.verify()
        }),
        row(29, "newer format", 5, "E520", |y| {
            y.signed();
            y.relist(|text| text.replace("# haversack-bundle 1", "# haversack-bundle 2"));
            y.verify()
        }),
    ]
}

fn signatures() -> Vec<Row> {
    vec![
        row(18, "no signature", 4, "E401", |y| {
            y.signed();
            std::fs::remove_dir_all(y.path("bundle/sig")).unwrap();
            y.verify()
        }),
        row(18, "unknown key", 4, "E401", |y| {
            y.signed();
            y.trust(&[&y.bob], "");
            y.verify()
        }),
        row(19, "signature bytes corrupt", 4, "E402", |y| {
            y.signed();
            let id = y.alice.verifying_key().key_id();
            std::fs::remove_file(y.path(&format!("bundle/sig/{id}.sshsig"))).unwrap();
            y.edit(&format!("bundle/sig/{id}.sig"), |bytes| flipped(bytes, 20));
            y.verify()
        }),
        row(20, "fewer than threshold", 4, "E403", |y| {
            y.signed();
            y.trust(&[&y.alice, &y.bob], "threshold = 2\n");
            y.verify()
        }),
        row(21, "same key signs twice", 4, "E403", |y| {
            y.signed();
            y.trust(&[&y.alice, &y.bob], "threshold = 2\n");
            let list = std::fs::read(y.path("bundle/SHA256SUMS")).unwrap();
            std::fs::write(
                y.path("bundle/sig/second.sig"),
                y.alice.sign(&list).unwrap(),
            )
            .unwrap();
            y.verify()
        }),
        row(22, "right key, other namespace (SSHSIG)", 4, "E404", |y| {
            y.signed();
            let pem = y.alice.to_pem().unwrap();
            haversack::fs::write_atomic(&y.path("key"), pem.reveal().as_bytes(), 0o600).unwrap();
            let line = haversack::trust::sshsig::public_line(y.alice.verifying_key());
            std::fs::write(y.path("key.pub"), line).unwrap();
            std::fs::copy(y.path("bundle/SHA256SUMS"), y.path("list")).unwrap();
            let words = ["-q", "-Y", "sign", "-n", "git", "-f", "key", "list"];
            tool("ssh-keygen", &words, y.sandbox.folder.path());
            std::fs::remove_dir_all(y.path("bundle/sig")).unwrap();
            std::fs::create_dir(y.path("bundle/sig")).unwrap();
            let id = y.alice.verifying_key().key_id();
            std::fs::rename(
                y.path("list.sig"),
                y.path(&format!("bundle/sig/{id}.sshsig")),
            )
            .unwrap();
            y.verify()
        }),
        row(
            30,
            "platform that the network does not take",
            5,
            "E521",
            |y| {
                y.signed_with(
                    None,
                    "platforms = [{ distribution = \"rhel-9\", arch = \"amd64\" }]\n",
                );
                y.verify()
            },
        ),
    ]
}
