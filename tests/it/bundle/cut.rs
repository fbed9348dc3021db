//! The cases of the tamper corpus that need several volumes and a file in parts.

use std::fs;
use std::path::Path;
use std::slice::from_ref;

use haversack::bundle::sign;
use haversack::carry::{self, Drop, Settle, Taking};
use haversack::event::{Cancel, Progress, Silent, Step};
use haversack::verify::{Memory, Options};

use super::corpus::{Case, Over, Trusted, Workshop, edit};
use super::volumes::request;

const PART: &str = "v2/files/app/app-1.2.3.tar.gz.001";

pub(super) fn cases() -> Vec<Case> {
    let case = |name, id: &'static str, exit, tamper| Case {
        name,
        tamper,
        trust: Trusted::Alice,
        over: Over::Volumes,
        id,
        exit,
        tools: [Some(true), Some(true), None],
    };
    vec![
        case("volumes: good", "ok", 0, |_, _| {}),
        case("volumes: one absent", "E801", 8, |_, b| {
            fs::remove_dir_all(b.join("v2")).unwrap();
        }),
        case("volumes: all but one absent", "E801", 8, |_, b| {
            for volume in ["v1", "v2", "v4", "v5"] {
                fs::remove_dir_all(b.join(volume)).unwrap();
            }
        }),
        case("volumes: a part missing", "E304", 3, |_, b| {
            fs::remove_file(b.join(PART)).unwrap();
        }),
        case("volumes: one absent, one damaged", "E301", 3, |_, b| {
            fs::remove_dir_all(b.join("v4")).unwrap();
            edit(b, PART, |mut bytes| {
                bytes[500_000] ^= 1;
                bytes
            });
        }),
        case("volumes: the parts make another file", "E311", 3, |w, b| {
            w.redescribe(b, |text| {
                let (before, rest) = text.split_once("\"sha256\": \"").unwrap();
                format!("{before}\"sha256\": \"{}{}", "0".repeat(64), &rest[64..])
            });
        }),
        case("volumes: a whole of another size", "E311", 3, |w, b| {
            w.redescribe(b, |text| {
                text.replace("\"size\": 2400000", "\"size\": 2400001")
            });
        }),
        case("volumes: parts in another order", "E311", 3, |w, b| {
            w.redescribe(b, |text| {
                let (one, other) = (
                    "        \"v2/files/app/app-1.2.3.tar.gz.001\"",
                    "        \"v1/files/app/app-1.2.3.tar.gz.000\"",
                );
                text.replace(one, "?")
                    .replace(other, one)
                    .replace('?', other)
            });
        }),
        case("volumes: a part of nothing", "E311", 3, |w, b| {
            w.redescribe(b, |text| {
                text.replacen("\"kind\": \"artifact\"", "\"kind\": \"part\"", 1)
            });
        }),
        case("volumes: a part that is none", "E311", 3, |w, b| {
            w.redescribe(b, |text| {
                text.replacen("\"kind\": \"part\"", "\"kind\": \"evidence\"", 1)
            });
        }),
        case(
            "volumes: a whole in another volume than its first part",
            "E311",
            3,
            |w, b| {
                w.redescribe(b, |text| {
                    text.replace(
                        "\"v1/files/app/app-1.2.3.tar.gz\"",
                        "\"v2/files/app/app-1.2.3.tar.gz\"",
                    )
                });
            },
        ),
        case("volumes: cut files in format 1", "E312", 3, |w, b| {
            w.redescribe(b, |text| text.replace("\"format\": 2", "\"format\": 1"));
        }),
    ]
}

/// Each part is what the list says, and the list is signed: only the hash of the whole tells.
#[test]
fn parts_that_make_another_file_are_refused_on_every_way_in() {
    let w = Workshop::new("cut");
    let (_, trust) = w.sandbox.trust("trust", &[w.alice], "");
    let bundle = w.sandbox.pack("bundle", &request(&w.sandbox, None)).path;
    let _ = sign(&bundle, w.alice).unwrap();
    let (memory, options, cancel) = (Memory::none(), Options::default(), Cancel::new());
    let taking = Taking {
        trust: &trust,
        memory: &memory,
        options: &options,
        bases: &[],
    };
    let arrive = |way: &str| {
        let out = w.sandbox.path("out");
        let progress = Progress {
            step: Step::Receive,
            observer: &Silent,
            cancel: &cancel,
        };
        let done = match way {
            "folder" => carry::gather(from_ref(&bundle), &out, taking, &Silent, &cancel),
            "file" => {
                let mut file = Vec::new();
                let name = Path::new("one.tar");
                carry::stream(from_ref(&bundle), (&mut file, name), &Silent, &cancel).unwrap();
                carry::receive((&mut &file[..], name), &out, taking, &Silent, &cancel)
            }
            _ => {
                let inbox = w.sandbox.path("inbox");
                carry::scatter(from_ref(&bundle), &inbox, &Silent, &cancel).unwrap();
                let mut drop = Drop::new(&inbox, &out, taking);
                assert_eq!(drop.look(Settle::Now, &progress).unwrap(), None);
                let done = drop.finish(&progress);
                fs::remove_dir_all(inbox).unwrap();
                done
            }
        };
        let stands = out.exists();
        let _ = fs::remove_dir_all(out);
        (done.map_or_else(|error| error.id(), |_| "ok"), stands)
    };
    let ways = ["folder", "file", "loose"];
    assert_eq!(ways.map(arrive), [("ok", true); 3]);
    w.redescribe(&bundle, |text| {
        let (before, rest) = text.split_once("\"sha256\": \"").unwrap();
        format!("{before}\"sha256\": \"{}{}", "0".repeat(64), &rest[64..])
    });
    assert_eq!(ways.map(arrive), [("E311", false); 3]);
}
