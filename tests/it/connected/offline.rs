//! Without a network, with what somebody brought, and within limits.

use std::time::{Duration, Instant};

use haversack::types::digest::Digest;

use crate::support::faults::{Act, Faulty, well};
use crate::support::orders::{Order, Orders, refusal, scattered};

const QUIET: [&str; 3] = ["--json", "--progress", "none"];

#[test]
fn offline_names_exactly_what_is_missing_and_sends_nothing() {
    let (one, two) = (scattered(1, 100_000), scattered(2, 200_000));
    let servers = [
        Faulty::start(&one, &[well], None),
        Faulty::start(&two, &[well], None),
    ];
    let orders = Orders::new(&[
        Order {
            places: vec![servers[0].url("one.bin"), servers[1].url("mirror.bin")],
            bytes: &one,
        },
        Order {
            places: vec![servers[1].url("two.bin")],
            bytes: &two,
        },
    ]);
    let line = |name: &str, bytes: &[u8], url: &str| {
        format!(
            "E711  files/extra-tool/{name}  {} bytes  sha256 {}  {url}\n",
            bytes.len(),
            Digest::of(bytes)
        )
    };
    let details = |output: &std::process::Output| {
        let text = String::from_utf8_lossy(&output.stderr);
        let value: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        value["error"]["details"].as_str().unwrap().to_owned()
    };
    let both = [
        line("one.bin", &one, &servers[0].url("one.bin")),
        line("two.bin", &two, &servers[1].url("two.bin")),
    ];

    let nothing = orders.fetch(&[QUIET.as_slice(), &["--offline"]].concat());
    let (id, message, exit) = refusal(&nothing);
    assert_eq!((id.as_str(), exit), ("E711", 7));
    assert_eq!(
        message,
        "2 of 2 files not here, and the network is not to be used"
    );
    assert_eq!(details(&nothing), both.concat());

    // What was brought is known by its digest; a right name on wrong bytes is worth nothing.
    std::fs::create_dir_all(orders.path().join("usb/deep")).unwrap();
    std::fs::write(orders.path().join("usb/deep/renamed.tmp"), &one).unwrap();
    std::fs::write(orders.path().join("usb/two.bin"), &one).unwrap();
    let args = [QUIET.as_slice(), &["--offline", "--from", "usb"]].concat();
    let half = orders.fetch(&args);
    assert_eq!(refusal(&half).0, "E711");
    assert_eq!(details(&half), both[1]);
    assert!(orders.stored(&one).as_ref() == Some(&one));

    std::fs::write(orders.path().join("usb/two.bin"), &two).unwrap();
    let done = orders.fetch(&args);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let value: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(value["fetched"]["received_bytes"], 0);
    assert_eq!(value["fetched"]["files"], 2);
    for server in &servers {
        assert_eq!(server.calls(), Vec::<String>::new());
    }
    // The store alone is enough for a bundle now.
    let built = orders
        .command(&["build", "m.toml", "-o", "out", "--offline"])
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
}

#[test]
fn a_failed_document_is_offline_too_when_the_manifest_is_locked() {
    let bytes = scattered(1, 1000);
    let orders = Orders::new(&[Order {
        places: vec!["https://localhost:1/a.bin".to_owned()],
        bytes: &bytes,
    }]);
    let output = orders
        .command(&[&["lock", "m.toml", "--offline"], QUIET.as_slice()].concat())
        .output()
        .unwrap();
    let (id, _, exit) = refusal(&output);
    assert_eq!((id.as_str(), exit), ("E711", 7));
}

#[test]
fn all_failures_are_listed_and_the_rest_is_fetched_unless_told_otherwise() {
    let (large, small) = (scattered(1, 200_000), scattered(2, 100_000));
    let bad = Faulty::start(
        &large,
        &[|_| vec![crate::support::faults::head(404, &[])]],
        None,
    );
    let good = Faulty::start(&small, &[well], None);
    let orders = Orders::new(&[
        Order {
            places: vec![bad.url("large.bin")],
            bytes: &large,
        },
        Order {
            places: vec![good.url("small.bin")],
            bytes: &small,
        },
    ]);
    // The larger one is fetched first.
    let first = [QUIET.as_slice(), &["--jobs", "1", "--keep-going=false"]].concat();
    assert_eq!(refusal(&orders.fetch(&first)).0, "E706");
    assert_eq!(orders.stored(&small), None);
    let all = [QUIET.as_slice(), &["--jobs", "1"]].concat();
    let (id, message, _) = refusal(&orders.fetch(&all));
    assert_eq!(id, "E706");
    assert!(message.starts_with("1 of 2 files failed: "), "{message}");
    assert!(orders.stored(&small).as_ref() == Some(&small));
}

#[test]
fn the_rate_limit_holds_for_all_downloads_together() {
    let files = [scattered(1, 300_000), scattered(2, 300_000)];
    let servers: Vec<_> = files
        .iter()
        .map(|file| Faulty::start(file, &[well], None))
        .collect();
    let orders: Vec<_> = files
        .iter()
        .zip(&servers)
        .enumerate()
        .map(|(number, (bytes, server))| Order {
            places: vec![server.url(&format!("{number}.bin"))],
            bytes,
        })
        .collect();
    let orders = Orders::new(&orders);
    let began = Instant::now();
    // A speed limit below the least speed must not make a download too slow.
    let args = [
        "--limit-rate",
        "300k",
        "--min-speed",
        "10M",
        "--timeout",
        "1",
        "--retries",
        "0",
    ];
    let output = orders.fetch(&args);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        began.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_host_is_asked_for_no_more_at_once_than_allowed() {
    let bytes = scattered(1, 10_000);
    for (per_host, most) in [("1", 1), ("2", 2)] {
        let server = Faulty::start(
            &bytes,
            &[|call| {
                let mut acts = vec![Act::Pause(Duration::from_millis(150))];
                acts.extend(well(call));
                acts
            }],
            None,
        );
        // Files of other digests that this server does not have: all are asked for all the same.
        let others: Vec<Vec<u8>> = (2..7).map(|seed| scattered(seed, 10_000)).collect();
        let orders: Vec<_> = others
            .iter()
            .enumerate()
            .map(|(number, bytes)| Order {
                places: vec![server.url(&format!("{number}.bin"))],
                bytes,
            })
            .collect();
        let orders = Orders::new(&orders);
        let args = [QUIET.as_slice(), &["--jobs", "5", "--per-host", per_host]].concat();
        assert_eq!(refusal(&orders.fetch(&args)).0, "E705");
        assert_eq!(server.calls().len(), 5);
        assert_eq!(server.most_at_once(), most, "--per-host {per_host}");
    }
}

#[test]
fn a_lock_tells_of_every_artifact_that_cannot_be_had() {
    let (one, two) = (scattered(1, 1000), scattered(2, 1000));
    let place = |name: &str| vec![format!("https://localhost:1/{name}")];
    let orders = Orders::new(&[
        Order {
            places: place("one.bin"),
            bytes: &one,
        },
        Order {
            places: place("two.bin"),
            bytes: &two,
        },
    ]);
    let output = orders
        .command(&[&["lock", "m.toml", "--offline"], QUIET.as_slice()].concat())
        .output()
        .unwrap();
    let (id, message, exit) = refusal(&output);
    assert_eq!((id.as_str(), exit), ("E711", 7));
    assert_eq!(
        message,
        "2 of 2 parts of the manifest (artifacts, keys, packages) cannot be locked"
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    for name in ["one.bin", "two.bin"] {
        assert!(
            stderr.contains(&format!("E711  files/extra-tool/{name}: ")),
            "{stderr}"
        );
    }
}
