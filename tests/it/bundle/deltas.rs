//! The cases of the tamper corpus over deltas: what they carry is proved, what they leave out is not missed.

use std::fs;
use std::path::Path;

use haversack::bundle::header::Sequence;
use haversack::bundle::{Base, PackRequest, Source, changes, sign, to_sign};
use haversack::event::{Cancel, Progress, Silent, Step};
use haversack::types::digest::Digest;
use haversack::types::path::RelPath;

use super::corpus::{APP, Case, DEB, Over, Trusted, Workshop, edit};
use super::volumes;
use crate::support::bundles::Sandbox;

/// The change of the large file.
const CHANGE: &str = "v1/change/files/app/app-1.2.3.tar.gz";
/// A part of a file in parts.
const PART: &str = "v1/files/app/app-1.2.3.tar.gz.000";

/// The next bundle as a delta: the large file by a change, the package whole, the empty file from the base.
pub(super) fn one(sandbox: &Sandbox) -> PackRequest {
    let request = sandbox.request();
    delta(sandbox, request, &[APP, DEB], |path| path.as_str() == APP)
}

/// The same over volumes: the large file in parts, the package whole, another by a change, the others from the base.
pub(super) fn of_volumes(sandbox: &Sandbox) -> PackRequest {
    const SMALL: &str = "v1/files/many/39.bin";
    let request = volumes::request(sandbox, None);
    delta(sandbox, request, &[APP, DEB, SMALL], |path| {
        path.as_str() == SMALL
    })
}

/// The request of a delta on the bundle of this one, where these files have other bytes.
fn delta(
    sandbox: &Sandbox,
    mut request: PackRequest,
    new: &[&str],
    by_change: impl Fn(&RelPath) -> bool,
) -> PackRequest {
    let old = sandbox.pack("old", &request).path;
    request.sequence = Sequence::new(43).unwrap();
    let items = request.items.iter_mut();
    for item in items.filter(|item| new.contains(&item.path.as_str())) {
        let digest = item.source.digest();
        let mut bytes = sandbox.store.read(&digest, 1 << 30).unwrap().unwrap();
        bytes[5] ^= 0x55;
        let digest = sandbox.store.put(&bytes).unwrap();
        let size = item.info.size;
        item.source = Source::Stored { digest, size };
    }
    request.base = Some(Base::new(&to_sign(&old).unwrap().sums).unwrap());
    let cancel = Cancel::new();
    let progress = Progress {
        step: Step::Change,
        observer: &Silent,
        cancel: &cancel,
    };
    let (found, _) = changes::make(&request, &old, &sandbox.store, &progress).unwrap();
    request.changes = found
        .into_iter()
        .filter(|(path, _)| by_change(path))
        .collect();
    assert_eq!(request.changes.len(), 1);
    request
}

/// What an attacker without a key, or a medium, does to a delta; and a builder who lies.
pub(super) fn cases() -> Vec<Case> {
    let over = |over, name, id: &'static str, exit, tamper| Case {
        name,
        tamper,
        trust: Trusted::Alice,
        over,
        id,
        exit,
        tools: [Some(true), Some(true), None],
    };
    let one = |name, id, exit, tamper| over(Over::Delta, name, id, exit, tamper);
    let of_volumes = |name, id, exit, tamper| over(Over::DeltaOfVolumes, name, id, exit, tamper);
    vec![
        one("delta: good", "E512", 5, |_, _| {}),
        one("delta: the old tree in base/", "E512", 5, |_, b| {
            fs::create_dir_all(b.join("base/v1/files")).unwrap();
            fs::write(b.join("base/v1/files/any"), b"").unwrap();
        }),
        one("delta: a symlink in base/", "E306", 3, |_, b| {
            fs::create_dir(b.join("base")).unwrap();
            std::os::unix::fs::symlink("/", b.join("base/v1")).unwrap();
        }),
        one(
            "delta: a flipped byte in a carried file",
            "E301",
            3,
            |_, b| {
                flip(b, DEB);
            },
        ),
        one("delta: a flipped byte in a change", "E301", 3, |_, b| {
            flip(b, CHANGE);
        }),
        one("delta: a carried file missing", "E304", 3, |_, b| {
            fs::remove_file(b.join(DEB)).unwrap();
        }),
        one("delta: a change missing", "E304", 3, |_, b| {
            fs::remove_file(b.join(CHANGE)).unwrap();
        }),
        one("delta: a change cut short", "E302", 3, |_, b| {
            edit(b, CHANGE, |mut bytes| {
                bytes.pop();
                bytes
            });
        }),
        one("delta: changes.json missing", "E304", 3, |_, b| {
            fs::remove_file(b.join("changes.json")).unwrap();
        }),
        one("delta: changes.json altered", "E301", 3, |_, b| {
            flip(b, "changes.json");
        }),
        one("delta: an extra file", "E305", 3, |_, b| {
            fs::write(b.join("v1/change/extra"), b"").unwrap();
        }),
        one(
            "delta: what a change makes lies there",
            "E305",
            3,
            |_, b| {
                let made = b.join("made").join(APP);
                fs::create_dir_all(made.parent().unwrap()).unwrap();
                fs::write(made, b"").unwrap();
            },
        ),
        one("delta: nobody signed what it makes", "E512", 5, |_, b| {
            of_full(b, |file| fs::remove_file(file).unwrap());
        }),
        one("delta: others signed what it makes", "E402", 4, |w, b| {
            of_full(b, |file| fs::remove_file(file).unwrap());
            let list = fs::read(b.join("SHA256SUMS")).unwrap();
            let id = w.alice.verifying_key().key_id();
            fs::write(
                b.join(format!("sig/{id}.full.sig")),
                w.mallory.sign(&list).unwrap(),
            )
            .unwrap();
        }),
        one("delta: a base that is none", "E307", 3, |w, b| {
            w.relist(b, |text| {
                let lines = text.lines().map(|line| match line.split_once(' ') {
                    Some(("#", rest)) if rest.starts_with("base ") => "# base none\n".to_owned(),
                    _ => line.replace("# haversack-bundle 2", "# haversack-bundle 1") + "\n",
                });
                lines.collect()
            });
        }),
        one("delta: format 2 of a full bundle", "E520", 5, |w, b| {
            w.relist(b, |text| {
                let base = text.lines().nth(5).unwrap().to_owned();
                text.replace(&base, "# base none")
            });
        }),
        one(
            "delta: signed without a change that it lists",
            "E307",
            3,
            |w, b| {
                w.relist(b, |text| {
                    let kept = text.lines().filter(|line| !line.ends_with(CHANGE));
                    kept.map(|line| line.to_owned() + "\n").collect()
                });
            },
        ),
        one(
            "delta: a signed changes.json of another size",
            "E303",
            3,
            |w, b| {
                let size = fs::metadata(b.join(CHANGE)).unwrap().len();
                rechange(w, b, |text| {
                    text.replace(
                        &format!("\"size\": {size},"),
                        &format!("\"size\": {},", size - 1),
                    )
                });
            },
        ),
        one(
            "delta: a signed changes.json of another change",
            "E311",
            3,
            |w, b| {
                rechange(w, b, |text| text.replace(CHANGE, &format!("{CHANGE}x")));
            },
        ),
        one(
            "delta: a signed changes.json of a newer format",
            "E520",
            5,
            |w, b| {
                rechange(w, b, |text| {
                    text.replace("\"format\": 1,", "\"format\": 2,")
                });
            },
        ),
        of_volumes("delta of volumes: good", "E512", 5, |_, _| {}),
        of_volumes("delta of volumes: one absent", "E801", 8, |_, b| {
            fs::remove_dir_all(b.join("v1")).unwrap();
        }),
        of_volumes("delta of volumes: a part missing", "E304", 3, |_, b| {
            fs::remove_file(b.join(PART)).unwrap();
        }),
        of_volumes(
            "delta of volumes: a flipped byte in a part",
            "E301",
            3,
            |_, b| flip(b, PART),
        ),
    ]
}

fn flip(bundle: &Path, path: &str) {
    edit(bundle, path, |mut bytes| {
        bytes[6] ^= 1;
        bytes
    });
}

/// Does something with each signature over the list of the full bundle.
fn of_full(bundle: &Path, act: impl Fn(&Path)) {
    let mut count = 0;
    for entry in fs::read_dir(bundle.join("sig")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains(".full.") {
            act(&path);
            count += 1;
        }
    }
    assert!(count > 0);
}

/// Changes changes.json and its line in the list, and signs that, and what the delta makes, as a builder does.
fn rechange(w: &Workshop, bundle: &Path, change: impl Fn(String) -> String) {
    let digest = || Digest::of(&fs::read(bundle.join("changes.json")).unwrap()).to_string();
    let before = digest();
    edit(bundle, "changes.json", |bytes| {
        change(String::from_utf8(bytes).unwrap()).into_bytes()
    });
    assert_ne!(before, digest());
    edit(bundle, "SHA256SUMS", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace(&before, &digest()).into_bytes()
    });
    fs::remove_dir_all(bundle.join("sig")).unwrap();
    let _ = sign(bundle, w.alice).unwrap();
}
