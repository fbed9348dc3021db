//! Progress as JSON lines: a program that reads them can rely on their table.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

use serde_json::Value;

use crate::support::faults::{Answer, Faulty, cut, head, well};
use crate::support::orders::{Order, Orders, scattered};

/// The events of the table with their members, as it is written for people.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let words = |cell: &str| -> Vec<String> {
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    let rows = haversack::event::LINES
        .lines()
        .filter(|line| line.starts_with("| `") && !line.starts_with("| `event`"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (
            words(cells[1])[0].clone(),
            words(cells[2]).into_iter().collect(),
        )
    })
    .collect()
}

/// The lines, each held against the table.
fn lines(output: &Output) -> Vec<Value> {
    let table = table();
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        let members = line.as_object().unwrap();
        let event = members["event"].as_str().unwrap();
        let found: BTreeSet<String> = members
            .keys()
            .filter(|key| *key != "event")
            .cloned()
            .collect();
        assert_eq!(Some(&found), table.get(event), "{line}");
        for (name, value) in members {
            let fits = match name.as_str() {
                "event" | "step" | "item" | "id" | "text" | "reason" | "message" => {
                    value.is_string()
                }
                "reused" => value.is_boolean(),
                "next" => value.is_string() || value.is_null(),
                "error" => value.is_object(),
                "total" | "rate" | "left" => value.is_u64() || value.is_null(),
                "bytes" if event == "item-started" => value.is_u64() || value.is_null(),
                _ => value.is_u64(),
            };
            assert!(fits, "{name}: {line}");
        }
    }
    assert_eq!(lines.first().unwrap()["event"], "start");
    let exit = lines.last().unwrap()["exit"].as_i64();
    assert_eq!(exit, output.status.code().map(i64::from), "{text}");
    lines
}

/// No number of an item or a step goes down or passes its total, and what ended stays ended.
fn runs_forward(lines: &[Value]) {
    let number = |line: &Value, name: &str| line[name].as_u64().unwrap();
    let mut done: BTreeMap<String, u64> = BTreeMap::new();
    let (mut step, mut ended) = ([0; 4], BTreeSet::new());
    for line in lines {
        let item = line["item"].as_str().unwrap_or_default().to_owned();
        match line["event"].as_str().unwrap() {
            "step-started" => {
                done.clear();
                ended.clear();
                step = [0; 4];
            }
            "bytes" => {
                let before = done.insert(item.clone(), number(line, "done")).unwrap_or(0);
                assert!(number(line, "count") > 0, "{line}");
                assert_eq!(
                    number(line, "done"),
                    before + number(line, "count"),
                    "{line}"
                );
                assert!(
                    line["total"]
                        .as_u64()
                        .is_none_or(|total| total >= number(line, "done"))
                );
                assert!(!ended.contains(&item), "{line}");
            }
            "step-progress" => {
                let now = ["items_done", "items_failed", "bytes_done", "items"]
                    .map(|name| number(line, name));
                assert!(
                    now.iter().zip(&step).all(|(now, before)| now >= before),
                    "{line}"
                );
                assert!(now[0] + now[1] <= now[3], "{line}");
                let bytes = number(line, "bytes");
                assert!(bytes == 0 || now[2] <= bytes, "{line}");
                step = now;
            }
            "item-done" | "item-failed" => assert!(ended.insert(item), "{line}"),
            _ => {}
        }
    }
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect()
}

#[test]
fn a_run_that_works_and_one_that_is_refused_tell_every_line_of_the_table() {
    let (large, small) = (scattered(1, 300_000), scattered(2, 1000));
    // Slow enough for a line about the whole step.
    let good = Faulty::start(&large, &[well], None);
    let bad = Faulty::start(&small, &[|_| vec![head(404, &[])]], None);
    let order = |server: &Faulty, name: &str| vec![server.url(name)];
    let orders = Orders::new(&[
        Order {
            places: order(&good, "large.bin"),
            bytes: &large,
        },
        Order {
            places: order(&bad, "small.bin"),
            bytes: &small,
        },
    ]);
    let json = ["--progress", "json", "--limit-rate", "200k"];
    let lines_of = |output: &Output| {
        let lines = lines(output);
        runs_forward(&lines);
        lines
    };
    let refused = orders.fetch(&json);
    assert_eq!(refused.status.code(), Some(7));
    let refused = lines_of(&refused);
    let failed = refused
        .iter()
        .find(|line| line["event"] == "item-failed")
        .unwrap();
    let reason = format!(
        "small.bin could not be fetched: {} does not exist there (status 404)",
        bad.url("small.bin")
    );
    assert_eq!(failed["id"], "E706");
    assert!(
        failed["reason"].as_str().unwrap().ends_with(&reason),
        "{failed}"
    );
    assert!(
        failed["next"]
            .as_str()
            .unwrap()
            .starts_with("check the version and the URL")
    );
    let last = refused.last().unwrap();
    assert_eq!(
        (&last["event"], &last["id"], &last["exit"]),
        (&"failed".into(), &"E706".into(), &7.into())
    );
    assert_eq!(last["next"], failed["next"]);
    assert!(
        last["message"]
            .as_str()
            .unwrap()
            .starts_with("1 of 2 files failed: "),
        "{last}"
    );

    // Under --json, too, the refusal is one line among the others.
    let both = orders.fetch(&[json.as_slice(), &["--json"]].concat());
    assert_eq!(lines_of(&both).last().unwrap()["error"]["id"], "E706");

    let orders = Orders::new(&[Order {
        places: order(&good, "large.bin"),
        bytes: &large,
    }]);
    let done = orders.fetch(&json);
    assert_eq!(done.status.code(), Some(0));
    let done = lines_of(&done);
    assert_eq!(done.last().unwrap()["event"], "finished");
    let usage = orders
        .command(&["build", "--progress", "json", "--nonsense"])
        .output()
        .unwrap();
    assert_eq!(usage.status.code(), Some(2));
    assert_eq!(events(&lines_of(&usage)), ["start", "failed"]);

    let mut told: BTreeSet<&str> = events(&refused).into_iter().collect();
    told.extend(events(&done));
    for event in table()
        .keys()
        .filter(|event| !["note", "warning"].contains(&event.as_str()))
    {
        assert!(told.contains(event.as_str()), "{event}");
    }
}

#[test]
fn whatever_servers_do_no_number_of_the_stream_runs_backwards() {
    const ANSWERS: [Answer; 10] = [
        |call| cut(call, 1),
        |call| cut(call, 70_000),
        |call| cut(call, 150_000),
        |_| vec![head(503, &[])],
        |_| vec![head(404, &[])],
        // The whole file where the rest was asked for.
        |call| {
            well(&crate::support::faults::Call {
                from: None,
                headers: String::new(),
                file: call.file,
            })
        },
        // Other bytes of the right size.
        |call| {
            let (head, rest) = crate::support::faults::announced(call);
            vec![head, crate::support::faults::Act::Body(vec![7; rest.len()])]
        },
        // A cut of other bytes: the digest tells only at the end.
        |call| {
            let (head, _) = crate::support::faults::announced(call);
            vec![head, crate::support::faults::Act::Body(vec![7; 50_000])]
        },
        |_| vec![head(416, &[])],
        well,
    ];
    let bytes = scattered(1, 200_000);
    let one = |seed: u64| -> (u32, u32) {
        let (mut good, mut bad) = (0, 0);
        let script: Vec<Answer> = scattered(seed, 7)
            .iter()
            .map(|byte| ANSWERS[usize::from(*byte) % ANSWERS.len()])
            .collect();
        let first = Faulty::start(&bytes, &script, None);
        let then = ANSWERS[usize::try_from(seed).unwrap() % ANSWERS.len()];
        let second = Faulty::start(&bytes, &[then, well], None);
        let orders = Orders::new(&[Order {
            places: vec![first.url("a.bin"), second.url("a.bin")],
            bytes: &bytes,
        }]);
        // Twice: the second run may begin with the part of the first.
        for _ in 0..2 {
            let quick = ["--progress", "json", "--retries", "1", "--timeout", "2"];
            let lines = lines(&orders.fetch(&quick));
            runs_forward(&lines);
            match lines.last().unwrap()["event"].as_str() {
                Some("finished") => good += 1,
                _ => bad += 1,
            }
        }
        (good, bad)
    };
    let (good, bad) = std::thread::scope(|scope| {
        let one = &one;
        let runs: Vec<_> = (0..12).map(|seed| scope.spawn(move || one(seed))).collect();
        let ends = runs.into_iter().map(|run| run.join().unwrap());
        ends.fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1))
    });
    assert_eq!(good + bad, 24);
    assert!(good >= 10, "{good}");
}
