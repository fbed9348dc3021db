use super::*;
use crate::bundle::header::Created;
use crate::custody::Draft;
use crate::trust::key::SigningKey;

fn draft(actor: &str) -> Draft {
    Draft {
        time: Created::from_epoch(1_795_000_000).unwrap(),
        actor: actor.parse().unwrap(),
        role: "courier".parse().unwrap(),
        action: "carried".parse().unwrap(),
        object: about(),
        volumes: Vec::new(),
        from: None,
        to: None,
        second: None,
        tool: "haversack 0.1.0".parse().unwrap(),
        result: "ok".parse().unwrap(),
        note: None,
    }
}

fn about() -> Digest {
    Digest::of(b"bundle")
}

/// The lines of a log of five events.
fn five(key: Option<&SigningKey>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (n, actor) in (1..).zip(["Ann", "Bob", "Cleo", "Dan", "Eve"]) {
        let prev = lines
            .last()
            .map_or_else(about, |line| Digest::of(line.as_bytes()));
        lines.push(Event::new(draft(actor), n, prev, key).unwrap().render());
    }
    lines
}

fn log(lines: &[String]) -> Vec<u8> {
    (lines.join("\n") + "\n").into_bytes()
}

fn expected(head: &str) -> Expected {
    Expected {
        begin: Some(about()),
        head: (!head.is_empty()).then(|| head.parse().unwrap()),
    }
}

/// What `read` says, in short.
fn says(bytes: &[u8], head: &str) -> Vec<String> {
    match Chain::read(bytes, &expected(head)) {
        Ok(chain) => vec![format!("ok {}", chain.events().len())],
        Err(faults) => faults
            .iter()
            .map(|fault| format!("{} {fault}", fault.id()))
            .collect(),
    }
}

#[test]
fn a_whole_log_is_read_and_may_have_grown_since_the_sheet_was_printed() {
    let lines = five(None);
    let digest = |line: &String| Digest::of(line.as_bytes());
    let chain = Chain::read(&log(&lines), &Expected::default()).unwrap();
    assert_eq!((chain.begin(), chain.head()), (about(), digest(&lines[4])));
    for line in [&lines[4], &lines[2]] {
        assert_eq!(says(&log(&lines), &digest(line).label()), ["ok 5"]);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_was_done_to_a_log_is_named() {
    let lines = five(None);
    let head = Digest::of(lines[4].as_bytes()).to_string();
    let without = |gone: &[usize]| -> Vec<u8> {
        let left = lines.iter().enumerate();
        let left: Vec<String> = left
            .filter(|(index, _)| !gone.contains(index))
            .map(|(_, line)| line.clone())
            .collect();
        log(&left)
    };
    let swapped = |a: usize, b: usize| {
        let mut lines = lines.clone();
        lines.swap(a, b);
        log(&lines)
    };
    let edited = |index: usize| {
        let mut lines = lines.clone();
        lines[index] = lines[index].replace("\"result\":\"ok\"", "\"result\":\"no\"");
        log(&lines)
    };
    let mut two_heads = lines.clone();
    let other = Event::new(draft("Mallory"), 5, Digest::of(lines[3].as_bytes()), None);
    two_heads.push(other.unwrap().render());
    let mut cut = log(&lines);
    cut.truncate(cut.len() - 10);
    let mut blank = log(&lines);
    blank.push(b'\n');
    let about = about();
    let cases: Vec<(&str, Vec<u8>, Vec<String>)> = vec![
        (
            "an event was edited",
            edited(1),
            vec!["E361 line 2: changed after event 3 was written behind it".into()],
        ),
        (
            "the first event was edited",
            edited(0),
            vec!["E361 line 1: changed after event 2 was written behind it".into()],
        ),
        (
            "the last event was edited",
            edited(4),
            vec![format!(
                "E364 no event has the digest {head}: the last events were taken off or changed, or this is another log"
            )],
        ),
        (
            "one event was removed",
            without(&[2]),
            vec!["E361 line 3: events 3 to 3 before it were taken out".into()],
        ),
        (
            "the first two events were removed",
            without(&[0, 1]),
            vec!["E361 line 1: events 1 to 2 before it were taken out".into()],
        ),
        (
            "the tail was removed",
            without(&[3, 4]),
            vec![format!(
                "E364 no event has the digest {head}: the last events were taken off or changed, or this is another log"
            )],
        ),
        (
            "two events were exchanged",
            swapped(1, 2),
            vec![
                "E362 line 2: event 3 stands in the wrong place".into(),
                "E362 line 3: event 2 stands in the wrong place".into(),
                "E362 line 4: event 4 stands in the wrong place".into(),
            ],
        ),
        (
            "two events follow the same one",
            log(&two_heads),
            vec![
                "E363 lines 5 and 6: two events 5 follow the same one; the log has two heads"
                    .into(),
            ],
        ),
        (
            "an event stands there twice",
            log(&[&lines[..3], &lines[2..]].concat()),
            vec![
                "E363 lines 3 and 4: two events 3 follow the same one; the log has two heads"
                    .into(),
            ],
        ),
        (
            "it was cut in a line",
            cut,
            vec!["E360 line 5: cut off in the middle".into()],
        ),
        (
            "an empty line",
            blank,
            vec!["E360 line 6: no event: EOF while parsing a value at line 1 column 0".into()],
        ),
        (
            "nothing is left",
            Vec::new(),
            vec!["E360 no event in it".into()],
        ),
    ];
    for (name, bytes, wanted) in cases {
        assert_eq!(says(&bytes, &head), wanted, "{name}");
    }
    let other = Expected {
        begin: Some(Digest::of(b"another bundle")),
        head: None,
    };
    assert_eq!(
        Chain::read(&log(&lines), &other),
        Err(vec![Fault::Begin {
            expected: Digest::of(b"another bundle"),
            found: about
        }])
    );
}

#[test]
fn whoever_writes_the_tail_anew_needs_the_key_of_each_event() {
    let key = SigningKey::generate().unwrap();
    let mut lines = five(Some(&key));
    assert_eq!(says(&log(&lines), ""), ["ok 5"]);
    lines[4] = lines[4].replace("Eve", "Joe");
    let said = says(&log(&lines), "");
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("E366 line 5: "), "{said:?}");
}

#[test]
fn two_copies_that_were_both_continued_part() {
    let lines = five(None);
    let read = |lines: &[String]| Chain::read(&log(lines), &Expected::default()).unwrap();
    let (long, short) = (read(&lines), read(&lines[..3]));
    assert_eq!(long.stands_to(&short), Relation::Longer);
    assert_eq!(short.stands_to(&long), Relation::Shorter);
    assert_eq!(long.stands_to(&long), Relation::Same);
    let mut other = lines[..3].to_vec();
    let event = Event::new(draft("Mallory"), 4, short.head(), None).unwrap();
    other.push(event.render());
    assert_eq!(
        long.stands_to(&read(&other)),
        Relation::Parted { common: 3 }
    );
}

#[test]
fn a_head_is_read_as_people_write_it() {
    let digest = Digest::of(b"line");
    let head: Head = digest.label().to_uppercase().parse().unwrap();
    assert!(head.is(&digest) && !head.is(&Digest::of(b"other")));
    for bad in [
        "",
        "0a1b",
        "0a1b 2c3d 4e5f 60",
        &"a".repeat(65),
        "0a1b 2c3d 4e5f 60zz",
    ] {
        assert_eq!(bad.parse::<Head>(), Err(ParseHeadError), "{bad}");
    }
}
