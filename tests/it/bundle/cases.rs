//! The cases of the tamper corpus.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use haversack::bundle::sign;
use haversack::fs::walk;
use haversack::types::digest::Digest;

use super::corpus::{APP, Case, DEB, EXTRAS, Over, Trusted, edit, first_signature};
use super::corpus::{openssl_sign, put_extra};

const GOOD: [Option<bool>; 3] = [Some(true); 3];
/// Good signatures; sha256sum sees the damage.
const BYTES: [Option<bool>; 3] = [Some(true), Some(true), Some(false)];
/// Good signatures, and sha256sum sees nothing wrong: what its check cannot see.
const UNSEEN: [Option<bool>; 3] = GOOD;
const UNTRUSTED: [Option<bool>; 3] = [Some(false), Some(false), None];
const ANY: [Option<bool>; 3] = [Some(true), Some(true), None];

pub(super) fn cases() -> Vec<Case> {
    let content = |name, id, tools, tamper| Case {
        name,
        tamper,
        trust: Trusted::Alice,
        over: Over::One,
        id,
        exit: 3,
        tools,
    };
    let with = |name, trust, id, exit, tools, tamper| Case {
        name,
        tamper,
        trust,
        over: Over::One,
        id,
        exit,
        tools,
    };
    let mut all = vec![
        with("good", Trusted::Alice, "ok", 0, GOOD, |_, _| {}),
        content("flipped byte", "E301", BYTES, |_, b| {
            edit(b, APP, |mut bytes| {
                bytes[1_000_000] ^= 1;
                bytes
            });
        }),
        content("flipped byte in a document", "E301", BYTES, |_, b| {
            edit(b, "README.txt", |mut bytes| {
                bytes[3] ^= 1;
                bytes
            });
        }),
        content("flipped byte in bundle.json", "E301", BYTES, |_, b| {
            edit(b, "bundle.json", |mut bytes| {
                bytes[3] ^= 1;
                bytes
            });
        }),
        content("truncated", "E302", BYTES, |_, b| {
            edit(b, APP, |bytes| bytes[..bytes.len() - 1].to_vec());
        }),
        content("truncated to nothing", "E302", BYTES, |_, b| {
            edit(b, DEB, |_| Vec::new());
        }),
        content("longer", "E303", BYTES, |_, b| {
            edit(b, APP, |mut bytes| {
                bytes.push(0);
                bytes
            });
        }),
        content("missing", "E304", BYTES, |_, b| {
            std::fs::remove_file(b.join(DEB)).unwrap();
        }),
        content("evidence missing", "E304", BYTES, |_, b| {
            std::fs::remove_dir_all(b.join("evidence")).unwrap();
        }),
        content("bundle.json missing", "E304", BYTES, |_, b| {
            std::fs::remove_file(b.join("bundle.json")).unwrap();
        }),
        content("a folder in place of a file", "E304", BYTES, |_, b| {
            std::fs::remove_file(b.join(DEB)).unwrap();
            std::fs::create_dir(b.join(DEB)).unwrap();
        }),
        with("volume absent", Trusted::Alice, "E801", 8, BYTES, |_, b| {
            std::fs::remove_dir_all(b.join("v1")).unwrap();
        }),
    ];
    for (name, path) in EXTRAS {
        let id = if path.contains('\n') { "E309" } else { "E305" };
        all.push(content(name, id, UNSEEN, put_extra));
    }
    all.extend([
        content(
            "extra file with a non-ASCII name",
            "E309",
            UNSEEN,
            |_, b| {
                std::fs::write(b.join("v1/ä"), b"").unwrap();
            },
        ),
        content("symlink in place of a file", "E306", UNSEEN, |w, b| {
            let elsewhere = w.sandbox.path("elsewhere");
            std::fs::rename(b.join(DEB), &elsewhere).unwrap();
            symlink(&elsewhere, b.join(DEB)).unwrap();
        }),
        content("symlink in place of a folder", "E306", UNSEEN, |w, b| {
            let elsewhere = w.sandbox.path("elsewhere");
            std::fs::rename(b.join("v1/apt"), &elsewhere).unwrap();
            symlink(&elsewhere, b.join("v1/apt")).unwrap();
        }),
        content("the list is a symlink", "E306", UNSEEN, |w, b| {
            let elsewhere = w.sandbox.path("elsewhere");
            std::fs::rename(b.join("SHA256SUMS"), &elsewhere).unwrap();
            symlink(&elsewhere, b.join("SHA256SUMS")).unwrap();
        }),
        content("fifo", "E306", UNSEEN, |_, b| {
            assert!(
                Command::new("mkfifo")
                    .arg(b.join("v1/pipe"))
                    .status()
                    .unwrap()
                    .success()
            );
        }),
        content("fifo in place of a file", "E306", ANY, |_, b| {
            std::fs::remove_file(b.join("label.txt")).unwrap();
            assert!(
                Command::new("mkfifo")
                    .arg(b.join("label.txt"))
                    .status()
                    .unwrap()
                    .success()
            );
        }),
        content("hard link", "E306", UNSEEN, |w, b| {
            std::fs::hard_link(b.join(DEB), w.sandbox.path("second-name")).unwrap();
        }),
        content("parent folder in a signed list", "E307", ANY, |w, b| {
            w.list_instead(b, "../escape");
        }),
        content(
            "parent folder inside a path in a signed list",
            "E307",
            ANY,
            |w, b| {
                w.list_instead(b, "v1/files/../../escape");
            },
        ),
        content("absolute path in a signed list", "E307", ANY, |w, b| {
            w.list_instead(b, "/etc/hostname");
        }),
        content("signature folder in a signed list", "E307", ANY, |w, b| {
            w.list_instead(b, "sig/x.sig");
        }),
        content("case duplicate in a signed list", "E308", ANY, |w, b| {
            w.list_instead(b, "readme.TXT");
        }),
        content("non-ASCII name in a signed list", "E309", ANY, |w, b| {
            w.list_instead(b, "v1/files/app/\u{e4}");
        }),
        content("reserved name in a signed list", "E310", ANY, |w, b| {
            w.list_instead(b, "v1/files/app/nul.txt");
        }),
        content("trailing dot in a signed list", "E310", ANY, |w, b| {
            w.list_instead(b, "v1/files/app/x.");
        }),
        content("too long a name in a signed list", "E310", ANY, |w, b| {
            w.list_instead(b, &format!("v1/files/app/{}", "x".repeat(101)));
        }),
        content(
            "volume that the header does not count",
            "E307",
            ANY,
            |w, b| {
                w.list_instead(b, "v2/empty");
            },
        ),
        content("Windows line ends in a signed list", "E307", ANY, |w, b| {
            w.relist(b, |text| text.replace('\n', "\r\n"));
        }),
        content("junk line in a signed list", "E307", ANY, |w, b| {
            w.relist(b, |text| text + "junk\n");
        }),
        content("empty line in a signed list", "E307", ANY, |w, b| {
            w.relist(b, |text| text + "\n");
        }),
        content("no last line feed in a signed list", "E307", ANY, |w, b| {
            w.relist(b, |text| text.trim_end().to_owned());
        }),
        content("late header line in a signed list", "E307", ANY, |w, b| {
            w.relist(b, |text| text + "# note\n");
        }),
        content("unsorted signed list", "E307", ANY, |w, b| {
            w.relist(b, |text| {
                let mut lines: Vec<&str> = text.lines().collect();
                lines.swap(9, 10);
                lines.join("\n") + "\n"
            });
        }),
        content("a number beyond the last one", "E307", ANY, |w, b| {
            w.relist(b, |text| {
                text.replace("# sequence 42", "# sequence 9007199254740992")
            });
        }),
        content("a day that no month has", "E307", ANY, |w, b| {
            w.relist(b, |text| text.replace("2023-11-14T", "2023-02-29T"));
        }),
        content("a year before all bundles", "E307", ANY, |w, b| {
            w.relist(b, |text| text.replace("2023-11-14T", "1969-11-14T"));
        }),
        content("wrong count in a signed list", "E307", ANY, |w, b| {
            w.relist(b, |text| text.replace("# files 9 ", "# files 8 "));
        }),
        content("wrong total in a signed list", "E311", ANY, |w, b| {
            w.relist(b, |text| text.replace(" bytes 2", " bytes 3"));
        }),
        content("upper-case hash in a signed list", "E307", ANY, |w, b| {
            w.relist(b, |text| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines[9] = lines[9][..64].to_uppercase() + &lines[9][64..];
                lines.join("\n") + "\n"
            });
        }),
        content("binary mark in a signed list", "E307", ANY, |w, b| {
            w.relist(b, |text| text.replace("  README", " *README"));
        }),
        content("bundle.json states another size", "E311", ANY, |w, b| {
            w.redescribe(b, |text| text.replace("\"size\": 7", "\"size\": 8"));
        }),
        content("bundle.json leaves a file out", "E311", ANY, |w, b| {
            w.redescribe(b, |text| {
                text.replace("v1/files/app/empty", "v1/files/app/other")
            });
        }),
        content("bundle.json of another shape", "E312", ANY, |w, b| {
            w.redescribe(b, |_| "[]\n".to_owned());
        }),
        with(
            "bundle.json of a newer format",
            Trusted::Alice,
            "E520",
            5,
            ANY,
            |w, b| {
                w.redescribe(b, |text| text.replace("\"format\": 1", "\"format\": 4"));
            },
        ),
        content(
            "bundle.json of format 2 without cut files",
            "E312",
            ANY,
            |w, b| {
                w.redescribe(b, |text| text.replace("\"format\": 1", "\"format\": 2"));
            },
        ),
        with(
            "bundle.json of 17 MiB",
            Trusted::Alice,
            "E502",
            5,
            ANY,
            |w, b| {
                w.redescribe(b, |text| text + &" ".repeat(17 << 20));
            },
        ),
        with("newer format", Trusted::Alice, "E520", 5, ANY, |w, b| {
            w.relist(b, |text| {
                text.replace("# haversack-bundle 1", "# haversack-bundle 2")
            });
        }),
        with(
            "newer format, unsigned",
            Trusted::Alice,
            "E520",
            5,
            UNTRUSTED,
            |_, b| {
                edit(b, "SHA256SUMS", |bytes| {
                    let text = String::from_utf8(bytes).unwrap();
                    text.replace("# haversack-bundle 1", "# haversack-bundle 17")
                        .into_bytes()
                });
            },
        ),
        with(
            "unknown header key",
            Trusted::Alice,
            "E520",
            5,
            ANY,
            |w, b| {
                w.relist(b, |text| text.replace("# base none", "# cipher none"));
            },
        ),
        with(
            "a base that is not at hand",
            Trusted::Alice,
            "E512",
            5,
            ANY,
            |w, b| {
                let base = Digest::of(b"base").to_string();
                w.relist(b, |text| {
                    text.replace("# base none", &format!("# base {base}"))
                });
            },
        ),
        with(
            "list of more than 4 MiB",
            Trusted::Alice,
            "E502",
            5,
            ANY,
            |w, b| {
                w.relist(b, |text| text + &"#".repeat(4 << 20) + "\n");
            },
        ),
        with(
            "list of 70,000 lines",
            Trusted::Alice,
            "E502",
            5,
            ANY,
            |w, b| {
                w.relist(b, |text| text + &"#\n".repeat(70_000));
            },
        ),
        with(
            "signature file of 65 KiB",
            Trusted::Alice,
            "E502",
            5,
            ANY,
            |_, b| {
                std::fs::write(b.join("sig/large.sig"), vec![0x30; 65 << 10]).unwrap();
            },
        ),
        with(
            "65 signature files",
            Trusted::Alice,
            "E502",
            5,
            ANY,
            |_, b| {
                for number in 0..65 {
                    std::fs::write(b.join(format!("sig/{number}.sig")), b"x").unwrap();
                }
            },
        ),
        with(
            "edited list",
            Trusted::Alice,
            "E402",
            4,
            UNTRUSTED,
            |_, b| {
                edit(b, "SHA256SUMS", |mut bytes| {
                    let last = bytes.len() - 2;
                    bytes[last] ^= 1;
                    bytes
                });
            },
        ),
        with(
            "edited list and file",
            Trusted::Alice,
            "E402",
            4,
            [Some(false), Some(false), Some(true)],
            |_, b| {
                let before = Digest::of(&std::fs::read(b.join(DEB)).unwrap()).to_string();
                edit(b, DEB, |_| b"hostile".to_vec());
                edit(b, "SHA256SUMS", |bytes| {
                    let text = String::from_utf8(bytes).unwrap();
                    text.replace(&before, &Digest::of(b"hostile").to_string())
                        .into_bytes()
                });
            },
        ),
        with(
            "no signature",
            Trusted::Alice,
            "E401",
            4,
            UNTRUSTED,
            |_, b| {
                std::fs::remove_dir_all(b.join("sig")).unwrap();
            },
        ),
        with(
            "unknown key",
            Trusted::Alice,
            "E401",
            4,
            UNTRUSTED,
            |w, b| {
                std::fs::remove_dir_all(b.join("sig")).unwrap();
                let _ = sign(b, w.mallory).unwrap();
            },
        ),
        with(
            "unknown key under a trusted name",
            Trusted::Alice,
            "E402",
            4,
            UNTRUSTED,
            |w, b| {
                std::fs::remove_dir_all(b.join("sig")).unwrap();
                let _ = sign(b, w.mallory).unwrap();
                std::fs::rename(first_signature(b, w.mallory), first_signature(b, w.alice))
                    .unwrap();
            },
        ),
        with(
            "truncated signature",
            Trusted::Alice,
            "E402",
            4,
            [Some(false), Some(true), None],
            |w, b| {
                let path = first_signature(b, w.alice);
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
            },
        ),
        with(
            "signature with a byte added",
            Trusted::Alice,
            "E402",
            4,
            // openssl alone does not see it when the signature has the greatest length.
            [None, Some(true), None],
            |w, b| {
                // A signature of the greatest length: one in four is.
                let list = std::fs::read(b.join("SHA256SUMS")).unwrap();
                let mut bytes = std::iter::repeat_with(|| openssl_sign(w, &list))
                    .find(|bytes| bytes.len() == 104)
                    .unwrap();
                bytes.push(0);
                std::fs::write(first_signature(b, w.alice), bytes).unwrap();
            },
        ),
        with(
            "signature of garbage",
            Trusted::Alice,
            "E402",
            4,
            [Some(false), Some(true), None],
            |w, b| {
                std::fs::write(first_signature(b, w.alice), b"garbage").unwrap();
            },
        ),
        with(
            "empty signature",
            Trusted::Alice,
            "E402",
            4,
            [Some(false), Some(true), None],
            |w, b| {
                std::fs::write(first_signature(b, w.alice), b"").unwrap();
            },
        ),
        with(
            "signature is a symlink",
            Trusted::Alice,
            "E401",
            4,
            [None, None, None],
            |w, b| {
                let elsewhere = w.sandbox.path("elsewhere");
                std::fs::rename(b.join("sig"), &elsewhere).unwrap();
                symlink(&elsewhere, b.join("sig")).unwrap();
            },
        ),
        with(
            "signature of another bundle",
            Trusted::Alice,
            "E402",
            4,
            UNTRUSTED,
            |w, b| {
                let mut request = w.sandbox.request();
                request.sequence = haversack::bundle::header::Sequence::new(41).unwrap();
                let other = w.sandbox.pack("other", &request);
                let _ = sign(&other.path, w.alice).unwrap();
                std::fs::remove_dir_all(b.join("sig")).unwrap();
                std::fs::rename(other.path.join("sig"), b.join("sig")).unwrap();
            },
        ),
        with(
            "one broken signature beside a good one",
            Trusted::AliceAndBob,
            "ok",
            0,
            GOOD,
            |w, b| {
                std::fs::write(b.join("sig/stray.sig"), b"garbage").unwrap();
                let _ = sign(b, w.mallory).unwrap();
            },
        ),
        with(
            "the same key twice under threshold 2",
            Trusted::AliceTwice,
            "E403",
            4,
            ANY,
            |w, b| {
                let bytes = std::fs::read(first_signature(b, w.alice)).unwrap();
                std::fs::remove_file(first_signature(b, w.bob)).unwrap();
                std::fs::write(b.join("sig/second.sig"), bytes).unwrap();
            },
        ),
        with(
            "the same key in two encodings under threshold 2",
            Trusted::AliceInTwoForms,
            "E281",
            2,
            GOOD,
            |w, b| {
                std::fs::remove_file(first_signature(b, w.bob)).unwrap();
            },
        ),
        with(
            "two keys under threshold 2",
            Trusted::AliceAndBob,
            "ok",
            0,
            GOOD,
            |_, _| {},
        ),
        with(
            "one of two under threshold 2",
            Trusted::AliceAndBob,
            "E403",
            4,
            ANY,
            |w, b| {
                std::fs::remove_file(first_signature(b, w.bob)).unwrap();
            },
        ),
        with(
            "SSH signature alone, in another namespace",
            Trusted::Alice,
            "E404",
            4,
            UNTRUSTED,
            |w, b| {
                let key = w.sandbox.path("alice.key");
                std::fs::write(&key, w.alice.to_pem().unwrap().reveal()).unwrap();
                std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
                // It wants the public half beside the private one.
                let line = haversack::trust::sshsig::public_line(w.alice.verifying_key());
                std::fs::write(w.sandbox.path("alice.key.pub"), line).unwrap();
                let list = w.sandbox.path("SHA256SUMS");
                std::fs::copy(b.join("SHA256SUMS"), &list).unwrap();
                let status = Command::new("ssh-keygen")
                    .args(["-q", "-Y", "sign", "-n", "git", "-f"])
                    .arg(&key)
                    .arg(&list)
                    .stderr(std::process::Stdio::null())
                    .status();
                assert!(status.unwrap().success());
                std::fs::remove_dir_all(b.join("sig")).unwrap();
                std::fs::create_dir(b.join("sig")).unwrap();
                let id = w.alice.verifying_key().key_id();
                std::fs::copy(
                    w.sandbox.path("SHA256SUMS.sig"),
                    b.join(format!("sig/{id}.sshsig")),
                )
                .unwrap();
            },
        ),
        with(
            "SSH signature alone",
            Trusted::Alice,
            "E401",
            4,
            [Some(false), Some(true), None],
            |w, b| {
                std::fs::remove_file(first_signature(b, w.alice)).unwrap();
                std::fs::remove_file(first_signature(b, w.bob)).unwrap();
            },
        ),
        with("read-only folder", Trusted::Alice, "ok", 0, GOOD, |_, b| {
            for entry in walk(b).unwrap().iter().rev() {
                let mode = entry.mode & !0o222;
                let path = b.join(&entry.path);
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
        }),
    ]);
    all
}
