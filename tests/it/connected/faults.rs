//! A server that misbehaves in more than fifty ways: each ends in the right bytes, or in exit code 7
//! with the right message and nothing in the store. Prints what each cost.

mod cases;

use std::fmt::Write as _;
use std::time::Duration;

use crate::support::faults::Faulty;
use crate::support::orders::{Order, Orders, refusal, scattered};
use cases::{Again, Case, Ending};

/// Size of the file.
const SIZE: usize = 600_000;
/// How many cases run at once: most of their time is waiting.
const AT_ONCE: usize = 12;

fn file() -> Vec<u8> {
    scattered(7, SIZE)
}

/// The same file as a changed upstream would have it.
fn changed() -> Vec<u8> {
    scattered(8, SIZE)
}

#[test]
fn every_misbehaviour_ends_in_the_right_bytes_or_in_the_right_refusal() {
    let all = cases::all();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let rows = std::sync::Mutex::new(vec![String::new(); all.len()]);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((number, case)) = {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    all.get(number).map(|case| (number, case))
                } {
                    rows.lock().unwrap()[number] = run(case);
                }
            });
        }
    });
    let mut table = String::from("case | outcome | requests | bytes sent | of them again\n");
    for row in rows.into_inner().unwrap() {
        table.push_str(&row);
    }
    println!("{table}");
    assert!(all.len() >= 30, "{}", all.len());
}

fn run(case: &Case) -> String {
    let file = file();
    let server = case.late.map_or_else(
        || Faulty::start(&file, case.script, case.certificate),
        |after| Faulty::start_late(&file, case.script, after),
    );
    let mirror = case.mirror.map(|script| Faulty::start(&file, script, None));
    let mut places = vec![server.url(case.path)];
    places.extend(mirror.iter().map(|mirror| mirror.url(case.path)));
    let orders = Orders::new(&[Order {
        places,
        bytes: &file,
    }]);
    let mut args = vec![
        "--json",
        "--progress",
        "none",
        "--retries",
        "2",
        "--timeout",
        "2",
    ];
    if case.trusted {
        let path = orders.path().join("ca.pem");
        std::fs::write(&path, server.pem.as_deref().unwrap()).unwrap();
        args.extend(["--ca-file", "ca.pem"]);
    }
    let output = orders.fetch(&args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let sent = server.body_bytes() + mirror.as_ref().map_or(0, Faulty::body_bytes);
    let mut requests: Vec<String> = server.starts().iter().map(ToString::to_string).collect();
    if let Some(mirror) = &mirror {
        requests.extend(
            mirror
                .starts()
                .iter()
                .map(|start| format!("mirror:{start}")),
        );
    }
    let name = case.name;
    let (outcome, again) = match case.ending {
        Ending::Right(again) => {
            assert!(output.status.success(), "{name}: {stderr}");
            assert!(orders.stored(&file) == Some(file), "{name}: other bytes");
            let extra = sent.saturating_sub(u64::try_from(SIZE).unwrap());
            match again {
                Again::Exactly(bytes) => assert_eq!(extra, bytes, "{name}"),
                Again::AtMost(bytes) => assert!(extra <= bytes, "{name}: {extra}"),
            }
            ("right bytes".to_owned(), extra)
        }
        Ending::Refused(id, text) => {
            let (found, message, exit) = refusal(&output);
            assert_eq!((found.as_str(), exit), (id, 7), "{name}: {stderr}");
            assert!(message.contains(text), "{name}: {message}");
            assert_eq!(orders.stored(&file), None, "{name}");
            (
                format!("{id} exit 7"),
                sent.saturating_sub(u64::try_from(SIZE).unwrap()),
            )
        }
    };
    assert!(
        case.requests.is_none_or(|count| count == requests.len()),
        "{name}: {requests:?}"
    );
    let mut row = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        row,
        "{name} | {outcome} | {} | {sent} | {again}",
        requests.join(" ")
    );
    row
}

/// What nobody could have called the right file is kept apart.
#[test]
fn a_file_that_upstream_changed_is_kept_in_quarantine_and_both_digests_are_named() {
    let file = file();
    let server = Faulty::start(&file, &[|_| cases::whole(&changed())], None);
    let orders = Orders::new(&[Order {
        places: vec![server.url("large.bin")],
        bytes: &file,
    }]);
    let (id, message, exit) = refusal(&orders.fetch(&["--json", "--progress", "none"]));
    assert_eq!((id.as_str(), exit), ("E705", 7));
    for bytes in [&file, &changed()] {
        let digest = haversack::types::digest::Digest::of(bytes).to_string();
        assert!(message.contains(&digest), "{message}");
    }
    let kept: Vec<_> = std::fs::read_dir(orders.store().join("parts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 1);
    assert!(std::fs::read(&kept[0]).unwrap() == changed());
}

/// A server that asks for a second of patience gets it.
#[test]
fn retry_after_is_waited_for() {
    let file = file();
    let server = Faulty::start(&file, cases::BUSY_FOR_A_SECOND, None);
    let orders = Orders::new(&[Order {
        places: vec![server.url("large.bin")],
        bytes: &file,
    }]);
    let began = std::time::Instant::now();
    assert!(orders.fetch(&["--progress", "none"]).status.success());
    assert!(began.elapsed() >= Duration::from_secs(1));
}

/// That a place gave other bytes is a warning, also when another has the right ones.
#[test]
fn a_place_that_gives_other_bytes_is_told_although_the_mirror_has_the_right_ones() {
    let file = file();
    let server = Faulty::start(&file, &[|_| cases::whole(&changed())], None);
    let mirror = Faulty::start(&file, &[crate::support::faults::well], None);
    let orders = Orders::new(&[Order {
        places: vec![server.url("large.bin"), mirror.url("large.bin")],
        bytes: &file,
    }]);
    let output = orders.fetch(&["--progress", "none", "--retries", "2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let digest = haversack::types::digest::Digest::of(&changed()).to_string();
    assert!(
        said.starts_with(&format!(
            "warning[W706]: {} has sha256 {digest}",
            server.url("large.bin")
        )),
        "{said}"
    );
    assert!(orders.stored(&file) == Some(file));
}
