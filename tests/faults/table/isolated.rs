//! Faults on the isolated side: memory, media, disks, other runs, parity.

use std::io::Write as _;
use std::process::Command;

use haversack::bundle::sign;
use haversack::fs::FolderLock;
use haversack::parity::shape::Amount;

use super::yard::{APP, Ran, Yard, flipped, tool};
use super::{Row, row};
use crate::bench::copy;
use crate::scenarios::{site, small_request};

/// Errors of Linux (errno(3)).
const EIO: i32 = 5;
const EXDEV: i32 = 18;
const ENOSPC: i32 = 28;

const STAGE: &str =
    "stage bundle -d deployment.toml -o staged --trust trust --state state --secrets given";
const REPAIR: &str = "repair bundle --trust trust --state state -o out";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = memory();
    rows.extend(media());
    rows.extend(disks());
    rows.extend(parity());
    rows.extend(audits());
    rows
}

/// Another bundle of the same name, with this number and marking.
fn other(y: &Yard, number: &str, marking: &str) {
    let mut request = small_request(&y.sandbox);
    request.sequence = number.parse().unwrap();
    request.marking = marking.parse().unwrap();
    let bundle = y.sandbox.pack("other", &request);
    let _ = sign(&bundle.path, &y.alice).unwrap();
}

/// Deployment, bundle and an earlier tree: what `stage` begins with.
fn staged(y: &mut Yard) {
    let template = site();
    for entry in std::fs::read_dir(template.path()).unwrap() {
        let name = entry.unwrap().file_name();
        copy(
            &template.path().join(&name),
            &y.path(name.to_str().unwrap()),
        );
    }
    y.outputs.push("staged");
}

fn accepted(y: &mut Yard) {
    let first = y.verify();
    assert_eq!(first.exit, Some(0), "{}", first.output);
}

fn memory() -> Vec<Row> {
    vec![
        row(26, "older sequence", 5, "E510", |y| {
            y.signed();
            accepted(y);
            other(y, "41", "UNCLASSIFIED");
            y.run("verify other --trust trust --state state")
        }),
        row(27, "same sequence, different digest", 5, "E511", |y| {
            y.signed();
            accepted(y);
            other(y, "42", "SECRET");
            y.run("verify other --trust trust --state state")
        }),
        row(47, "clock far behind", 0, "W901", |y| {
            let mut request = small_request(&y.sandbox);
            request.created = "2099-01-01T00:00:00Z".parse().unwrap();
            request.sequence = "41".parse().unwrap();
            let bundle = y.sandbox.pack("first", &request);
            let _ = sign(&bundle.path, &y.alice).unwrap();
            y.signed();
            let first = y.run("verify first --trust trust --state state");
            assert_eq!(first.exit, Some(0), "{}", first.output);
            y.verify()
        }),
        row(48, "two runs at once", 6, "E606", |y| {
            staged(y);
            let held = FolderLock::beside(&y.path("staged")).unwrap();
            y.held.push(Box::new(held));
            y.run(STAGE)
        }),
    ]
}

fn media() -> Vec<Row> {
    vec![
        row(34, "read error in the middle of a copy", 6, "E601", |y| {
            staged(y);
            let at = y.operation(STAGE, "read ");
            let read = y.operation(STAGE, "mattermost-11.7.10-linux-amd64.tar.gz");
            y.fault = Some(format!("{}:{EIO}", at.max(read) + 1));
            y.run(STAGE)
        }),
        row(35, "read-only medium", 0, "GOOD", |y| {
            y.signed();
            let mut command = Command::new("unshare");
            let program = env!("CARGO_BIN_EXE_haversack");
            let script = format!(
                "mount --bind bundle bundle && mount -o remount,ro,bind bundle && ! touch bundle/x 2>/dev/null && \
                 exec {program} verify bundle --trust trust --state state"
            );
            command.args(["-m", "sh", "-c", &script]);
            y.run_by(command)
        }),
        row(
            49,
            "file changes while it is read",
            3,
            "E301",
            changes_while_read,
        ),
    ]
}

/// A payload file is changed after the program opened it.
fn changes_while_read(y: &mut Yard) -> Ran {
    staged(y);
    let name = "mattermost-11.7.10-linux-amd64.tar.gz";
    let at = y.operation(STAGE, "read ");
    let opened = y.operation(STAGE, name).max(at);
    y.ours = Some("bundle");
    let path = y.path("bundle/v1/files/mattermost").join(name);
    interrupted(y, STAGE, opened + 2, || {
        let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all(b"changed").unwrap();
    })
}

/// The program is stopped before an operation, something happens, and it goes on.
fn interrupted(y: &mut Yard, words: &str, at: u64, happens: impl FnOnce()) -> Ran {
    let before = y.look();
    let mut command = Command::new(env!("CARGO_BIN_EXE_haversack"));
    command
        .args(words.split_whitespace())
        .env("HAVERSACK_FAULT", format!("{at}:stop"));
    let child = y.prepare(&mut command).spawn().unwrap();
    let id = child.id().to_string();
    // It stops itself; the kernel tells when.
    let state = || std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    while !state().contains(") T ") && !state().contains(") Z ") {
        std::thread::yield_now();
    }
    happens();
    tool("kill", &["-CONT", &id], y.sandbox.folder.path());
    let output = child.wait_with_output().unwrap();
    y.judge(&before, &output)
}

fn audits() -> Vec<Row> {
    vec![
        row(
            52,
            "audit without rights",
            1,
            "PARTIAL: unreadable: 2",
            |y| {
                staged(y);
                // Root without the capabilities that pass over permission bits.
                for closed in ["staged/mm1/install.sh", "staged/mm1/rootfs/etc"] {
                    tool("chmod", &["000", closed], y.sandbox.folder.path());
                }
                let mut command = Command::new("setpriv");
                command
                    .args(["--bounding-set", "-dac_override,-dac_read_search"])
                    .args([env!("CARGO_BIN_EXE_haversack"), "audit", "staged"]);
                let ran = y.run_by(command);
                let named = ["install.sh", "rootfs/etc"].iter().all(|name| {
                    let line = format!("! mm1/{name}  could not be read: Permission denied");
                    ran.output.contains(&line)
                });
                ran.also(named, "the names of what could not be read")
            },
        ),
        row(
            52,
            "a file vanishes during an audit",
            1,
            "PARTIAL: unreadable: 1",
            |y| {
                staged(y);
                let script = y.path("staged/mm1/install.sh");
                let whole = y.run("audit staged");
                assert_eq!(whole.exit, Some(0), "{}", whole.output);
                let at = y.operation_where("audit staged", |line| {
                    line.contains(" open ") && line.ends_with("staged/mm1/install.sh")
                });
                y.ours = Some("staged");
                let ran = interrupted(y, "audit staged", at, || {
                    std::fs::remove_file(script).unwrap();
                });
                // It is counted once: what was searched is one less than before.
                let count = |text: &str| -> u64 {
                    let line = text.lines().last().unwrap_or_default();
                    line.split(' ').next().unwrap().parse().unwrap()
                };
                let counted = count(&ran.output) + 1 == count(&whole.output);
                ran.also(counted, "the count of what was searched")
            },
        ),
    ]
}

fn disks() -> Vec<Row> {
    vec![
        row(37, "rename across devices", 6, "E605", |y| {
            staged(y);
            y.fault = Some(format!("exchange#1:{EXDEV}"));
            y.run(STAGE)
        }),
        row(38, "disk full before", 6, "E602", |y| {
            y.signed_with(Some(50), "");
            y.edit(APP, |bytes| flipped(bytes, 1));
            in_tmpfs(y, "16k")
        }),
        row(39, "disk full in the middle of staging", 6, "E603", |y| {
            staged(y);
            let at = y.operation(STAGE, " write ");
            y.fault = Some(format!("{}+:{ENOSPC}", at + 40));
            y.run(STAGE)
        }),
        row(39, "disk full in the middle, a real one", 6, "E603", |y| {
            y.signed_with(Some(50), "");
            y.edit(APP, |bytes| flipped(bytes, 1));
            // More than its files are long, and less than the pages that they take.
            in_tmpfs(y, "112k")
        }),
        row(
            40,
            "killed in the middle of staging; the next run",
            0,
            "staged",
            |y| {
                staged(y);
                let at = y.operation(STAGE, " write ");
                y.fault = Some(format!("{}:kill", at + 40));
                let killed = y.run(STAGE);
                assert_eq!(killed.exit, None, "{}", killed.output);
                y.fault = None;
                let ran = y.run(STAGE);
                ran.also(killed.lost.is_empty(), "lost when it was killed")
            },
        ),
    ]
}

/// Repairs to a file system of this size.
fn in_tmpfs(y: &mut Yard, size: &str) -> Ran {
    std::fs::create_dir(y.path("small")).unwrap();
    let program = env!("CARGO_BIN_EXE_haversack");
    let script = format!(
        "mount -t tmpfs -o size={size} tmpfs small && \
         {program} repair bundle --trust trust --state state -o small/out; \
         code=$?; [ ! -e small/out ] || code=99; exit $code"
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]);
    y.run_by(command)
}

fn parity() -> Vec<Row> {
    vec![
        row(50, "parity damaged", 3, "E301", |y| {
            y.signed_with(Some(50), "");
            let mut found = std::fs::read_dir(y.path("bundle/p1")).unwrap();
            let path = found.find_map(|entry| {
                let path = entry.unwrap().path();
                (path.metadata().unwrap().len() > 4096).then_some(path)
            });
            let path = path.unwrap();
            std::fs::write(&path, flipped(std::fs::read(&path).unwrap(), 100)).unwrap();
            y.verify()
        }),
        row(51, "damage beyond parity", 3, "E321", |y| {
            let mut request = y.sandbox.request();
            request.parity = Some(Amount {
                percent: Some(10),
                spare_volumes: 0,
            });
            let bundle = y.sandbox.pack("bundle", &request);
            let _ = sign(&bundle.path, &y.alice).unwrap();
            y.trust(&[&y.alice], "");
            y.edit(APP, |bytes| bytes.iter().map(|byte| byte ^ 1).collect());
            y.run(REPAIR)
        }),
    ]
}
