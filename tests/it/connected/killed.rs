//! Killed at any moment of a fetch, the next run goes on where the part ends.

use std::collections::BTreeMap;
use std::time::Duration;

use haversack::fs::CHUNK;
use haversack::types::digest::Digest;

use crate::support::nginx::{Nginx, Served};
use crate::support::orders::{Order, Orders, scattered};

const FILES: usize = 40;
const SIZE: usize = 4 << 20;
const KILLS: usize = 50;
/// So that no run finishes, and each gives more than a chunk to each file that it works on.
const SLOWLY: &str = "limit_rate 512k;";

#[test]
fn fifty_kills_of_a_fetch_of_forty_files_cost_less_than_a_chunk_a_file_each() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    let files: Vec<(String, Vec<u8>)> = (0..FILES)
        .map(|number| {
            let seed = u64::try_from(number).unwrap() + 1;
            (format!("file-{number:02}.bin"), scattered(seed, SIZE))
        })
        .collect();
    for (name, bytes) in &files {
        std::fs::write(folder.path().join("www").join(name), bytes).unwrap();
    }
    let nginx = Nginx::start(folder.path(), SLOWLY);
    let orders: Vec<Order<'_>> = files
        .iter()
        .map(|(name, bytes)| Order {
            places: vec![nginx.url(name)],
            bytes,
        })
        .collect();
    let orders = Orders::new(&orders);
    let args = [
        "build",
        "m.toml",
        "--fetch-only",
        "--jobs",
        "4",
        "--progress",
        "none",
    ];

    // How long the part of each file was when a run was killed.
    let mut ends: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for number in scattered(42, KILLS) {
        let mut child = orders.command(&args).spawn().unwrap();
        // The moment of the kill is what this test varies.
        std::thread::sleep(Duration::from_millis(30 + u64::from(number)));
        child.kill().unwrap();
        assert!(
            !child.wait().unwrap().success(),
            "a run was not interrupted"
        );
        for (name, bytes) in &files {
            let part = format!("parts/{}.part", Digest::of(bytes));
            let size = std::fs::metadata(orders.store().join(part)).map_or(0, |found| found.len());
            ends.entry(name.clone()).or_default().push(size);
        }
    }
    nginx.reload("");
    let output = orders.command(&args).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (name, bytes) in &files {
        assert!(orders.stored(bytes).as_ref() == Some(bytes), "{name}");
    }
    let left = std::fs::read_dir(orders.store().join("parts"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "parts are left");

    let mut by_file: BTreeMap<String, Vec<Served>> = BTreeMap::new();
    let served = nginx.served();
    for one in &served {
        by_file
            .entry(one.path.clone())
            .or_default()
            .push(one.clone());
    }
    let (mut again, mut worst, mut requests) = (0, 0, 0);
    for (name, served) in &by_file {
        for (before, next) in served.iter().zip(served.iter().skip(1)) {
            let lost = (before.from + before.sent).saturating_sub(next.from);
            assert_eq!(
                next.status,
                if next.from == 0 { 200 } else { 206 },
                "{name}"
            );
            assert!(
                next.from == 0 || ends[name].contains(&next.from),
                "{name} was not continued where its part ended: {next:?}"
            );
            again += lost;
            worst = worst.max(lost);
            requests += 1;
        }
    }
    let sent: u64 = served.iter().map(|one| one.sent).sum();
    println!(
        "{KILLS} kills, {FILES} files of {SIZE} bytes, {requests} continuations: {sent} bytes sent, {again} of them again; \
         at most {worst} again for one file at one kill (a chunk has {CHUNK})"
    );
    assert!(
        requests >= KILLS,
        "too few continuations to mean anything: {requests}"
    );
    assert!(worst <= u64::try_from(CHUNK).unwrap(), "{worst}");
}
