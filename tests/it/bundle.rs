//! The bundle format: tampering, tools, verdicts.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use haversack::bundle::{PackError, SignError, attach, attach_ssh, pack, sign, to_sign};
use haversack::event::{Cancel, Event, Observer, Progress, Silent, Step};
use haversack::fs::walk;
use haversack::pool;
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::types::digest::Digest;
use haversack::verify::{self, Memory, Options, TrustSummary, Verdict};

use crate::support::bundles::{
    Sandbox, openssl_accepts, sha256sum_accepts, ssh_keygen_accepts, verify_sh,
};

/// One bundle that something was done to.
struct Case {
    name: &'static str,
    /// What is done to a good bundle, signed by `alice` and `bob`.
    tamper: fn(&Workshop, &Path),
    /// Keys of the trust directory, and the threshold.
    trust: Trusted,
    /// The id that haversack gives; "ok" for a good bundle.
    id: &'static str,
    /// The exit class of both haversack and verify.sh.
    exit: i32,
    /// What the single tools say: openssl, ssh-keygen, sha256sum. `None` where it does not matter.
    tools: [Option<bool>; 3],
}

#[derive(Clone, Copy)]
enum Trusted {
    Alice,
    AliceAndBob,
    AliceTwice,
}

struct Workshop {
    case: &'static str,
    sandbox: Sandbox,
    alice: &'static SigningKey,
    bob: &'static SigningKey,
    mallory: &'static SigningKey,
}

const GOOD: [Option<bool>; 3] = [Some(true); 3];
/// Good signatures; sha256sum sees the damage.
const BYTES: [Option<bool>; 3] = [Some(true), Some(true), Some(false)];
/// Good signatures, and sha256sum sees nothing wrong: what its check cannot see.
const UNSEEN: [Option<bool>; 3] = GOOD;
const UNTRUSTED: [Option<bool>; 3] = [Some(false), Some(false), None];
const ANY: [Option<bool>; 3] = [Some(true), Some(true), None];

const APP: &str = "v1/files/app/app-1.2.3.tar.gz";
const DEB: &str = "v1/apt/base/pool/libx++_1.0~rc1_amd64.deb";

impl Workshop {
    fn new(case: &'static str) -> Self {
        static KEYS: OnceLock<[SigningKey; 3]> = OnceLock::new();
        let [alice, bob, mallory] =
            KEYS.get_or_init(|| [(); 3].map(|()| SigningKey::generate().unwrap()));
        Self {
            case,
            sandbox: Sandbox::new(),
            alice,
            bob,
            mallory,
        }
    }

    /// Signs what lies there now, as a builder who lies would.
    fn resign(&self, bundle: &Path) {
        let list = std::fs::read(bundle.join("SHA256SUMS")).unwrap();
        std::fs::remove_dir_all(bundle.join("sig")).unwrap();
        std::fs::create_dir(bundle.join("sig")).unwrap();
        let id = self.alice.verifying_key().key_id();
        let raw = self.alice.sign(&list).unwrap();
        std::fs::write(bundle.join(format!("sig/{id}.sig")), raw).unwrap();
        let ssh = haversack::trust::sshsig::sign(self.alice, &list).unwrap();
        std::fs::write(bundle.join(format!("sig/{id}.sshsig")), ssh).unwrap();
    }

    /// Changes the list and signs it again.
    fn relist(&self, bundle: &Path, change: impl Fn(String) -> String) {
        edit(bundle, "SHA256SUMS", |bytes| {
            change(String::from_utf8(bytes).unwrap()).into_bytes()
        });
        self.resign(bundle);
    }

    /// Lists a path instead of the empty payload file, in its right place, and signs that.
    fn list_instead(&self, bundle: &Path, path: &str) {
        self.relist(bundle, |text| {
            let mut lines: Vec<String> = text
                .lines()
                .map(|line| line.replace("v1/files/app/empty", path))
                .collect();
            lines[9..].sort_by(|a, b| a[66..].cmp(&b[66..]));
            lines.join("\n") + "\n"
        });
    }

    /// Changes bundle.json, its line in the list, and the count of bytes, and signs that.
    fn redescribe(&self, bundle: &Path, change: impl Fn(String) -> String) {
        let before = std::fs::read(bundle.join("bundle.json")).unwrap();
        edit(bundle, "bundle.json", |bytes| {
            change(String::from_utf8(bytes).unwrap()).into_bytes()
        });
        let after = std::fs::read(bundle.join("bundle.json")).unwrap();
        assert_ne!(before, after);
        self.relist(bundle, |text| {
            text.replace(
                &Digest::of(&before).to_string(),
                &Digest::of(&after).to_string(),
            )
        });
    }
}

fn edit(bundle: &Path, path: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let path = bundle.join(path);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, change(bytes)).unwrap();
}

fn first_signature(bundle: &Path, key: &SigningKey) -> PathBuf {
    bundle.join(format!("sig/{}.sig", key.verifying_key().key_id()))
}

fn cases() -> Vec<Case> {
    let content = |name, id, tools, tamper| Case {
        name,
        tamper,
        trust: Trusted::Alice,
        id,
        exit: 3,
        tools,
    };
    let with = |name, trust, id, exit, tools, tamper| Case {
        name,
        tamper,
        trust,
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
            [Some(false), Some(true), None],
            |w, b| {
                let path = first_signature(b, w.alice);
                let mut bytes = std::fs::read(&path).unwrap();
                bytes.push(0);
                std::fs::write(&path, bytes).unwrap();
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

/// Where each "extra" case puts its file.
const EXTRAS: [(&str, &str); 11] = [
    ("extra file", "v1/files/app/extra"),
    ("extra file with a space", "v1/a b"),
    ("extra file with a newline", "v1/a\nREADME.txt"),
    (
        "extra file that reads as two listed ones",
        "README.txt\nlabel.txt",
    ),
    (
        "extra folder that reads as listed",
        "README.txt\nevidence/manifest.toml",
    ),
    ("extra hidden file", ".hidden"),
    ("extra hidden file in a hidden folder", ".git/config"),
    ("extra script in sig", "sig/run.sh"),
    ("extra folder in sig", "sig/deep/x.sig"),
    ("extra volume", "v2/file"),
    ("extra file that differs by case", "Readme.txt"),
];

fn put_extra(w: &Workshop, bundle: &Path) {
    let (_, path) = EXTRAS.iter().find(|(name, _)| *name == w.case).unwrap();
    let path = bundle.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, b"extra").unwrap();
}

/// The id that haversack gives: of `verify`, which must agree with `open`.
fn haversack_says(bundle: &Path, trust: &Trust) -> String {
    let dirs = [bundle.to_owned()];
    let memory = Memory::none();
    let options = Options::default();
    let report = verify::verify(&dirs, trust, &memory, &options, &Silent, &Cancel::new());
    let said = match &report {
        Ok(report) => report.id().unwrap_or("ok"),
        Err(error) => error.id(),
    };
    // The way that staging goes: what `open` lets through, hashing must catch.
    let opened = match verify::open(&dirs, trust, &memory, &options) {
        Ok(opened) => {
            let report = opened.verify_bytes(&Silent, &Cancel::new()).unwrap();
            report.id().unwrap_or("ok").to_owned()
        }
        Err(error) => error.id().to_owned(),
    };
    assert_eq!(opened, said, "open and verify disagree");
    said.to_owned()
}

fn snapshot(bundle: &Path) -> Vec<(PathBuf, u64, u32, std::time::SystemTime)> {
    walk(bundle)
        .unwrap()
        .into_iter()
        .map(|entry| {
            let meta = std::fs::symlink_metadata(bundle.join(&entry.path)).unwrap();
            (entry.path, entry.size, entry.mode, meta.modified().unwrap())
        })
        .collect()
}

#[test]
fn every_tampering_gets_the_same_verdict_from_haversack_and_from_the_script() {
    let all = cases();
    let wrong: Vec<String> = pool::try_map(&all, pool::cores(), |case| Ok::<_, ()>(run(case)))
        .unwrap()
        .concat();
    assert!(
        wrong.is_empty(),
        "of {} cases:\n{}",
        all.len(),
        wrong.join("\n")
    );
    assert!(all.len() >= 75, "{} cases", all.len());
}

/// What went otherwise than the case says.
fn run(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let w = Workshop::new(case.name);
    let bundle = w.sandbox.signed("demo", &[w.alice, w.bob]);
    (case.tamper)(&w, &bundle);

    let (keys, policy): (Vec<&SigningKey>, &str) = match case.trust {
        Trusted::Alice => (vec![w.alice], ""),
        Trusted::AliceAndBob => (vec![w.alice, w.bob], "threshold = 2\n"),
        // The trust directory refuses a threshold that one key cannot meet, so that Mallory's key
        // stands in for a second one that did not sign; the script gets Alice's key twice.
        Trusted::AliceTwice => (vec![w.alice, w.mallory], "threshold = 2\n"),
    };
    let (folder, trust) = w.sandbox.trust("trust", &keys, policy);
    let threshold = trust.policy().threshold.to_string();
    let mut key_files: Vec<PathBuf> = (0..keys.len())
        .map(|n| folder.join(format!("k{n}.pem")))
        .collect();
    if matches!(case.trust, Trusted::AliceTwice) {
        std::fs::copy(&key_files[0], folder.join("again.key")).unwrap();
        key_files[1] = folder.join("again.key");
    }
    let before = snapshot(&bundle);

    let mut check = |what: &str, found: &str, expected: &str| {
        if found != expected {
            let name = case.name;
            wrong.push(format!("{name}: {what} says {found}, expected {expected}"));
        }
    };
    check("haversack", &haversack_says(&bundle, &trust), case.id);
    let exit = case.exit.to_string();
    let class = if case.id == "ok" { "0" } else { &case.id[1..2] };
    check("the id", class, &exit);
    for shell in ["dash", "bash"] {
        let (code, text) = verify_sh(shell, &bundle, &threshold, &key_files);
        let what = format!("verify.sh in {shell} ({})", text.trim());
        check(&what, &code.to_string(), &exit);
    }
    let said = [
        openssl_accepts(&bundle, &key_files[0]),
        ssh_keygen_accepts(&w.sandbox, &bundle, w.alice),
        // It would wait for a writer of the pipe.
        case.name != "fifo in place of a file" && sha256sum_accepts(&bundle),
    ];
    let tools = ["openssl", "ssh-keygen", "sha256sum"];
    for ((tool, found), expected) in tools.iter().zip(said).zip(case.tools) {
        if let Some(expected) = expected {
            check(tool, &found.to_string(), &expected.to_string());
        }
    }
    if snapshot(&bundle) != before {
        wrong.push(format!("{}: the bundle was changed", case.name));
    }
    wrong
}

/// Everything that an observer was told, as a count of finished items and whether they were reused.
#[derive(Default)]
struct Counts {
    reused: AtomicUsize,
    fresh: AtomicUsize,
    bytes: AtomicUsize,
}

impl Observer for Counts {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::ItemDone { reused: true, .. } => self.reused.fetch_add(1, Ordering::Relaxed),
            Event::ItemDone { reused: false, .. } => self.fresh.fetch_add(1, Ordering::Relaxed),
            Event::Bytes { count, .. } => self
                .bytes
                .fetch_add(usize::try_from(*count).unwrap(), Ordering::Relaxed),
            _ => 0,
        };
    }
}

#[test]
fn packing_twice_gives_the_same_bytes_and_leaves_nothing_beside() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.request();
    let one = sandbox.pack("one", &request);
    request.items.reverse();
    let two = sandbox.pack("two", &request);
    assert_eq!(one.identity, two.identity);
    let names = |bundle: &Path| -> Vec<_> {
        let all = walk(bundle).unwrap().into_iter();
        all.map(|entry| (entry.path, entry.size, entry.mode))
            .collect()
    };
    assert_eq!(names(&one.path), names(&two.path));
    assert_eq!(
        std::fs::read(one.path.join("bundle.json")).unwrap(),
        std::fs::read(two.path.join("bundle.json")).unwrap()
    );
    let left: Vec<_> = haversack::fs::list(sandbox.folder.path()).unwrap();
    assert_eq!(left, ["one", "store", "two"]);
    // Again: nothing to do. Signatures stay.
    let key = SigningKey::generate().unwrap();
    let signed = sign(&one.path, &key).unwrap();
    assert_eq!(signed.written.len(), 2);
    let again = sandbox.pack("one", &request);
    assert!(again.existing && !two.existing);
    assert!(signed.written[0].exists());
}

#[test]
fn a_target_that_is_something_else_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.request();
    let bundle = sandbox.pack("demo", &request);
    let before = snapshot(&bundle.path);
    request.sequence = haversack::bundle::header::Sequence::new(43).unwrap();
    let refused = |request| {
        pack(
            &bundle.path,
            request,
            &sandbox.store,
            &Silent,
            &Cancel::new(),
        )
        .unwrap_err()
    };
    let error = refused(&request);
    assert!(matches!(error, PackError::Exists { .. }), "{error}");
    assert!(error.hint().unwrap().contains("raise the sequence"));
    assert_eq!(snapshot(&bundle.path), before);
    // The same bundle, but cut off: not taken for good.
    std::fs::write(bundle.path.join(APP), b"").unwrap();
    let error = refused(&sandbox.request());
    assert_eq!(error.id(), "E315");
}

#[test]
fn a_damaged_store_never_becomes_a_bundle() {
    let sandbox = Sandbox::new();
    let request = sandbox.request();
    let stored = request.items[0].source.digest();
    let path = sandbox.store.path_of(&stored);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    edit(
        path.parent().unwrap(),
        path.file_name().unwrap().to_str().unwrap(),
        |mut bytes| {
            bytes[77] ^= 1;
            bytes
        },
    );
    let target = sandbox.path("demo");
    let error = pack(&target, &request, &sandbox.store, &Silent, &Cancel::new()).unwrap_err();
    assert_eq!(error.id(), "E316");
    assert!(!target.exists());
}

/// Asks for a stop once so many bytes went by.
struct StopAfter<'a>(AtomicUsize, usize, &'a Cancel);

impl Observer for StopAfter<'_> {
    fn on(&self, event: &Event<'_>) {
        if let Event::Bytes { count, .. } = event {
            let count = usize::try_from(*count).unwrap();
            if self.0.fetch_add(count, Ordering::Relaxed) + count >= self.1 {
                self.2.request();
            }
        }
    }
}

#[test]
fn an_interrupted_pack_goes_on_and_gives_the_same_list() {
    let sandbox = Sandbox::new();
    let request = sandbox.request();
    let whole = sandbox.pack("whole", &request);
    let target = sandbox.path("demo");
    for stop in [1, 300_000, 900_000, 2_000_000] {
        let cancel = Cancel::new();
        let observer = StopAfter(AtomicUsize::new(0), stop, &cancel);
        let error = pack(&target, &request, &sandbox.store, &observer, &cancel).unwrap_err();
        assert!(matches!(error, PackError::Cancelled(_)), "{error}");
        assert!(!target.exists());
    }
    // What a SIGKILL could leave: a half file under its temporary name, a finished file that was
    // altered since, and a list.
    let part = sandbox.path(".demo.part").join("bundle");
    std::fs::write(part.join("v1/files/app/.haversack-x.part"), b"half").unwrap();
    std::fs::write(part.join("README.txt"), b"other").unwrap();
    std::fs::write(part.join("SHA256SUMS"), b"half").unwrap();
    std::fs::write(part.join(DEB), b"PACKAGE").unwrap();
    std::fs::create_dir_all(part.join("v1/stray/deep")).unwrap();
    let counts = Counts::default();
    let done = pack(&target, &request, &sandbox.store, &counts, &Cancel::new()).unwrap();
    assert_eq!(done.identity, whole.identity);
    assert!(!sandbox.path(".demo.part").exists());
    let names = |path| {
        walk(path)
            .unwrap()
            .into_iter()
            .map(|e| e.path)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&target), names(&whole.path));
    assert_eq!(std::fs::read(target.join(DEB)).unwrap(), b"package");
    // A second run over finished work reuses it: nothing is copied twice.
    std::fs::create_dir(sandbox.path(".again.part")).unwrap();
    std::fs::rename(&target, sandbox.path(".again.part/bundle")).unwrap();
    let counts = Counts::default();
    let again = pack(
        &sandbox.path("again"),
        &request,
        &sandbox.store,
        &counts,
        &Cancel::new(),
    );
    assert_eq!(again.unwrap().identity, whole.identity);
    assert_eq!(
        (counts.reused.into_inner(), counts.fresh.into_inner()),
        (9, 0)
    );
}

/// Runs only as a child of the test below, which kills it.
#[test]
fn child_that_packs_in_a_loop() {
    let Some(folder) = std::env::var_os("HAVERSACK_TEST_PACK") else {
        return;
    };
    let sandbox = PathBuf::from(folder);
    let store = haversack::store::Store::open(&sandbox.join("store")).unwrap();
    let request = Sandbox::request_in(&store);
    let _ = pack(
        &sandbox.join("demo"),
        &request,
        &store,
        &Silent,
        &Cancel::new(),
    )
    .unwrap();
}

#[test]
fn killed_at_random_moments_the_next_pack_goes_on() {
    let sandbox = Sandbox::new();
    let whole = sandbox.pack("whole", &sandbox.request());
    let target = sandbox.path("demo");
    let mut killed = 0;
    for round in 0..10_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bundle::child_that_packs_in_a_loop"])
            .env("HAVERSACK_TEST_PACK", sandbox.folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(15 + round * 23));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        if target.exists() {
            // Only ever whole.
            assert!(sha256sum_accepts(&target));
            std::fs::remove_dir_all(&target).unwrap();
        }
    }
    assert!(killed >= 2, "only {killed} of 10 were killed in time");
    let done = sandbox.pack("demo", &sandbox.request());
    assert_eq!(done.identity, whole.identity);
    assert!(sha256sum_accepts(&target));
}

#[test]
fn detached_signatures_are_checked_before_they_are_added() {
    let sandbox = Sandbox::new();
    let (alice, bob) = (
        SigningKey::generate().unwrap(),
        SigningKey::generate().unwrap(),
    );
    let bundle = sandbox.pack("demo", &sandbox.request()).path;
    let wanted = to_sign(&bundle).unwrap();
    // Made by openssl, as a smart card's tool would.
    let key = sandbox.path("alice.key");
    std::fs::write(&key, alice.to_pem().unwrap().reveal()).unwrap();
    let output = Command::new("openssl")
        .args(["dgst", "-sha384", "-sign"])
        .arg(&key)
        .arg(bundle.join("SHA256SUMS"))
        .output()
        .unwrap();
    let error = attach(&bundle, bob.verifying_key(), &output.stdout).unwrap_err();
    assert!(matches!(error, SignError::Signature { .. }), "{error}");
    assert!(!bundle.join("sig").exists());
    let signed = attach(&bundle, alice.verifying_key(), &output.stdout).unwrap();
    assert_eq!(signed.identity, wanted.identity);
    let other = haversack::trust::sshsig::sign(&alice, b"another list").unwrap();
    assert_eq!(
        attach_ssh(&bundle, other.as_bytes()).unwrap_err().id(),
        "E402"
    );
    let (_, trust) = sandbox.trust("trust", &[&alice], "");
    assert_eq!(haversack_says(&bundle, &trust), "ok");
}

#[test]
fn older_bundles_and_twins_are_refused_and_an_override_is_written_down() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let (_, trust) = sandbox.trust("trust", &[&key], "");
    let bundle = |name: &str, sequence: u64, marking: &str| {
        let mut request = sandbox.request();
        request.sequence = haversack::bundle::header::Sequence::new(sequence).unwrap();
        request.marking = marking.parse().unwrap();
        let path = sandbox.pack(name, &request).path;
        let _ = sign(&path, &key).unwrap();
        vec![path]
    };
    let newest = bundle("newest", 42, "A");
    let state = sandbox.path("state");
    let mut memory = Memory::load(&state).unwrap();
    let options = Options::default();
    let opened = verify::open(&newest, &trust, &memory, &options).unwrap();
    memory
        .record(opened.sums().header(), &opened.identity(), None)
        .unwrap();
    let memory = Memory::load(&state).unwrap();
    let id = |dirs: &[PathBuf], options: &Options| {
        let result = verify::open(dirs, &trust, &memory, options);
        result.map_or_else(|error| error.id(), |_| "ok")
    };
    assert_eq!(id(&newest, &options), "ok");
    let older = bundle("older", 41, "A");
    assert_eq!(id(&older, &options), "E510");
    assert_eq!(id(&bundle("twin", 42, "B"), &options), "E511");
    assert_eq!(id(&bundle("next", 43, "A"), &options), "ok");
    let options = Options {
        allow_rollback: Some("the new one does not start".to_owned()),
        ..Options::default()
    };
    let opened = verify::open(&older, &trust, &memory, &options).unwrap();
    assert_eq!(opened.override_reason(), Some("the new one does not start"));
}

#[test]
fn the_policy_keeps_out_what_this_network_does_not_want() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let dirs = [sandbox.signed("demo", &[&key])];
    for (index, (policy, expected)) in [
        ("names = [\"demo\"]\nmarkings = [\"UNCLASSIFIED\"]\n", "ok"),
        ("names = [\"other\"]\n", "E524"),
        ("markings = [\"SECRET\"]\n", "E525"),
        (
            "platforms = [{ distribution = \"debian-12\", arch = \"arm64\" }]\n",
            "E521",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, trust) = sandbox.trust(&format!("trust{index}"), &[&key], policy);
        let result = verify::open(&dirs, &trust, &Memory::none(), &Options::default());
        let found = result.map_or_else(|error| error.id(), |_| "ok");
        assert_eq!(found, expected, "{policy}");
    }
}

#[test]
fn copying_out_hashes_what_it_writes_and_leaves_nothing_that_is_wrong() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let dirs = [sandbox.signed("demo", &[&key])];
    let (_, trust) = sandbox.trust("trust", &[&key], "");
    let bundle = verify::open(&dirs, &trust, &Memory::none(), &Options::default()).unwrap();
    let counts = Counts::default();
    let cancel = Cancel::new();
    let progress = Progress {
        step: Step::Stage,
        observer: &counts,
        cancel: &cancel,
    };
    let out = sandbox.path("out");
    std::fs::create_dir(&out).unwrap();
    let app = APP.parse().unwrap();
    bundle
        .copy_out(&app, &out.join("app"), 0o640, &progress)
        .unwrap();
    assert_eq!(
        std::fs::read(out.join("app")).unwrap(),
        std::fs::read(dirs[0].join(APP)).unwrap()
    );
    assert_eq!(counts.bytes.load(Ordering::Relaxed), 2_400_000);
    // The medium changes after it was opened.
    edit(&dirs[0], APP, |mut bytes| {
        bytes[5] ^= 1;
        bytes
    });
    let error = bundle
        .copy_out(&app, &out.join("bad"), 0o640, &progress)
        .unwrap_err();
    assert_eq!(error.id(), "E301");
    assert_eq!(bundle.check_file(&app, &progress).unwrap_err().id(), "E301");
    assert_eq!(bundle.read_file(&app, 1 << 30).unwrap_err().id(), "E301");
    let readme = "README.txt".parse().unwrap();
    assert!(
        bundle
            .read_file(&readme, 1 << 20)
            .unwrap()
            .starts_with(b"UNCLASSIFIED")
    );
    assert_eq!(haversack::fs::list(&out).unwrap(), ["app"]);
    let report = bundle.verify_bytes(&Silent, &cancel).unwrap();
    assert_eq!((report.verdict, report.files_good), (Verdict::Bad, 8));
}

#[test]
fn a_report_names_everything_that_is_wrong_at_once() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate().unwrap();
    let dirs = [sandbox.signed("demo", &[&key])];
    let (_, trust) = sandbox.trust("trust", &[&key], "");
    edit(&dirs[0], APP, |mut bytes| {
        bytes[5] ^= 1;
        bytes
    });
    std::fs::remove_file(dirs[0].join(DEB)).unwrap();
    std::fs::write(dirs[0].join("extra"), b"").unwrap();
    let report = verify::verify(
        &dirs,
        &trust,
        &Memory::none(),
        &Options::default(),
        &Silent,
        &Cancel::new(),
    )
    .unwrap();
    let found: Vec<_> = report.problems.iter().map(|p| (p.id(), p.path())).collect();
    assert_eq!(found, [("E305", "extra"), ("E304", DEB), ("E301", APP)]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "bad");
    assert_eq!(
        json["problems"][1]["message"],
        format!("{DEB}: listed, but not here")
    );
}

#[test]
fn stand_ins_are_named_wherever_people_look() {
    let sandbox = Sandbox::new();
    let mut request = sandbox.request();
    request.items[0].info.stand_in = true;
    request.items[0].info.components = vec!["app".parse().unwrap()];
    request.items[0].info.version = Some("1.2.3".to_owned());
    let bundle = sandbox.pack("demo", &request).path;
    let read = |name: &str| std::fs::read_to_string(bundle.join(name)).unwrap();
    assert!(read("README.txt").contains("  stand-in: app 1.2.3\n"));
    assert!(read("label.txt").contains("STAND-IN  app 1.2.3\n"));
    assert!(read("bundle.json").contains("\"stand_in\": true"));
    let seen = verify::inspect(&bundle, None).unwrap();
    assert_eq!(seen.trust, TrustSummary::NotChecked);
    assert_eq!(seen.stand_ins, [format!("stand-in: {APP}")]);
    assert!(seen.components[0].stand_in && seen.problems.is_empty());
}
