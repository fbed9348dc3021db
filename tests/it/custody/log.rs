//! The log from the builder to the installer, and what is found when somebody works at it.

use std::process::{Command, Stdio};

use haversack::custody::Event;
use haversack::trust::key::SigningKey;
use haversack::trust::sshsig;
use haversack::types::digest::Digest;

use super::Office;

const CARRY: [&str; 10] = [
    "--actor",
    "Cleo Example",
    "--role",
    "courier",
    "--action",
    "carried",
    "--from",
    "low side",
    "--to",
    "high side",
];

#[test]
fn a_log_goes_with_the_bundle_and_every_command_writes_itself_into_it() {
    let office = Office::new();
    let identity = haversack::custody::begin_of(&office.bundle).unwrap();
    office.ok(&[
        "sign",
        "demo",
        "--key",
        "alice.key",
        "--custody",
        "log",
        "--actor",
        "Ann Example",
        "--custody-key",
        "alice.key",
    ]);
    office.ok(&[&["custody", "add", "log"], &CARRY[..]].concat());
    office.ok(&[
        "verify",
        "demo",
        "--trust",
        "trust",
        "--custody",
        "log",
        "--actor",
        "Dan Example",
    ]);
    let log = office.read("log");
    let events: Vec<Event> = log
        .lines()
        .map(|line| Event::parse(line.as_bytes()).unwrap())
        .collect();
    let said: Vec<String> = events
        .iter()
        .map(|one| format!("{} {} {} {}", one.n, one.actor, one.action, one.result))
        .collect();
    assert_eq!(
        said,
        [
            "1 Ann Example signed ok",
            "2 Cleo Example carried ok",
            "3 Dan Example verified ok",
        ]
    );
    assert!(events.iter().all(|one| one.object == identity));
    assert_eq!(events.first().unwrap().prev, identity);

    // Anybody can follow the chain with a shell.
    let follow = "prev=$(sha256sum demo/SHA256SUMS | cut -c1-64)\n\
        while IFS= read -r line; do\n\
        case $line in *\"\\\"prev\\\":\\\"$prev\\\"\"*) ;; *) exit 9 ;; esac\n\
        prev=$(printf %s \"$line\" | sha256sum | cut -c1-64)\n\
        done <log\nprintf %s \"$prev\"";
    let followed = Command::new("sh")
        .args(["-c", follow])
        .current_dir(office.folder())
        .output()
        .unwrap();
    let head = Digest::of(log.lines().last().unwrap().as_bytes());
    assert_eq!(
        String::from_utf8(followed.stdout).unwrap(),
        head.to_string()
    );

    let proved = office.ok(&[
        "custody",
        "verify",
        "log",
        "--of",
        "demo",
        "--head",
        &head.label(),
        "--trust",
        "trust",
    ]);
    assert!(
        proved.starts_with(&format!("WHOLE: 3 events about {identity}\n")),
        "{proved}"
    );
    assert!(
        proved.contains("Ann Example (builder): ok; by the key"),
        "{proved}"
    );
    assert!(proved.contains("signed by k0.pem ("), "{proved}");
    assert!(
        proved.ends_with(&format!(
            "  head {head}  ({})\n  events 1 to 3 are as this host wrote them last, by its state folder\n",
            head.label()
        )),
        "{proved}"
    );
    assert!(!proved.contains("NOT PROVED"), "{proved}");
}

#[test]
fn ssh_keygen_checks_the_signature_of_an_event() {
    let office = Office::new();
    office.ok(&[
        &[
            "custody",
            "add",
            "log",
            "--of",
            "demo",
            "--key",
            "alice.key",
        ],
        &CARRY[..],
    ]
    .concat());
    let line = office.read("log");
    let (unsigned, signature) = line.trim_end().split_once(",\"signature\":\"").unwrap();
    let signature = sshsig::armored(signature.strip_suffix("\"}").unwrap());
    std::fs::write(office.folder().join("event.sig"), signature).unwrap();
    std::fs::write(office.folder().join("event"), format!("{unsigned}}}")).unwrap();
    let key = SigningKey::from_pem(&office.read("alice.key")).unwrap();
    let allowed = format!("ann {}\n", sshsig::public_line(key.verifying_key()));
    std::fs::write(office.folder().join("allowed"), allowed).unwrap();
    let accepts = |namespace: &str| {
        Command::new("ssh-keygen")
            .args([
                "-Y",
                "verify",
                "-f",
                "allowed",
                "-I",
                "ann",
                "-n",
                namespace,
                "-s",
                "event.sig",
            ])
            .current_dir(office.folder())
            .stdin(std::fs::File::open(office.folder().join("event")).unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    assert!(accepts("haversack-custody"));
    assert!(!accepts("haversack-bundle"));
}

#[test]
fn every_way_to_falsify_a_log_ends_with_its_own_id() {
    let office = Office::new();
    for _ in 0..4 {
        office.ok(&[&["custody", "add", "log", "--of", "demo"], &CARRY[..]].concat());
    }
    let good = office.read("log");
    let lines: Vec<&str> = good.lines().collect();
    let [one, two, three, four] = lines.as_slice() else {
        panic!("{good}");
    };
    let head = Digest::of(four.as_bytes()).to_string();
    let lines = |all: &[&str]| all.join("\n") + "\n";
    let edited = two.replace("low side", "nowhere");
    let tail = four.replace("low side", "nowhere");
    let fork = four.replace("Cleo", "Mallory");
    for (what, log, id) in [
        ("edited", lines(&[one, &edited, three, four]), "E361"),
        ("removed", lines(&[one, three, four]), "E361"),
        ("first removed", lines(&[two, three, four]), "E361"),
        ("reordered", lines(&[one, three, two, four]), "E362"),
        ("two heads", lines(&[one, two, three, four, &fork]), "E363"),
        ("tail truncated", lines(&[one, two]), "E364"),
        ("tail edited", lines(&[one, two, three, &tail]), "E364"),
        ("cut in a line", good.trim_end().to_owned(), "E360"),
        ("spaces added", good.replace("\"n\":2", "\"n\": 2"), "E360"),
        ("emptied", String::new(), "E360"),
    ] {
        std::fs::write(office.folder().join("false"), log).unwrap();
        let said = office.refused(
            &[
                "custody", "verify", "false", "--of", "demo", "--head", &head,
            ],
            3,
        );
        assert!(said.contains(&format!("error[{id}]")), "{what}: {said}");
        // A log that is not whole is not continued.
        if id != "E364" {
            let add = [&["custody", "add", "false", "--of", "demo"], &CARRY[..]].concat();
            let said = office.refused(&add, 3);
            assert!(said.contains(&format!("error[{id}]")), "{what}: {said}");
        }
    }
    // The log of another bundle.
    let key = SigningKey::generate().unwrap();
    let mut request = office.sandbox.request();
    request.sequence = haversack::bundle::header::Sequence::new(43).unwrap();
    let other = office.sandbox.pack("other", &request);
    let _ = haversack::bundle::sign(&other.path, &key).unwrap();
    let said = office.refused(&["custody", "verify", "log", "--of", "other"], 3);
    assert!(said.contains("error[E365]"), "{said}");
}

#[test]
fn a_last_event_that_was_changed_is_seen_on_the_host_that_wrote_it() {
    let office = Office::new();
    let add = [&["custody", "add", "log", "--of", "demo"], &CARRY[..]].concat();
    let signed = [&add[..], &["--key", "alice.key"]].concat();
    office.ok(&add);
    office.ok(&signed);
    let said = office.ok(&["custody", "verify", "log", "--of", "demo"]);
    assert!(
        said.contains("events 1 to 2 are as this host wrote them last")
            && !said.contains("NOT PROVED"),
        "{said}"
    );
    let good = office.read("log");
    let end = good.rfind(",\"signature\"").unwrap();
    let first = good.lines().next().unwrap();
    for (what, log) in [
        (
            "edited",
            good.replace("low side", "nowhere")
                .lines()
                .next()
                .unwrap()
                .to_owned()
                + "\n",
        ),
        (
            "signature stripped",
            format!("{}}}\n", good.get(..end).unwrap()),
        ),
        ("last event taken off", format!("{first}\n")),
    ] {
        std::fs::write(office.folder().join("log"), log).unwrap();
        for args in [&["custody", "verify", "log", "--of", "demo"][..], &add] {
            let said = office.refused(args, 3);
            assert!(said.contains("error[E364]"), "{what}: {said}");
        }
    }
    // Elsewhere the head on the sheet does, and the output says so.
    std::fs::write(office.folder().join("log"), &good).unwrap();
    let elsewhere = [
        "custody", "verify", "log", "--of", "demo", "--state", "other",
    ];
    let said = office.ok(&elsewhere);
    assert!(said.contains("NOT PROVED: the last event."), "{said}");
    let head = Digest::of(good.lines().last().unwrap().as_bytes()).to_string();
    let said = office.ok(&[&elsewhere[..], &["--head", &head]].concat());
    assert!(!said.contains("NOT PROVED"), "{said}");
}

#[test]
fn slips_in_roles_actions_and_volumes_are_not_written_down() {
    let office = Office::new();
    let add = |role: &str, action: &str, volume: &str, code: i32| {
        let args = [
            "custody", "add", "log", "--of", "demo", "--actor", "Ann", "--role", role, "--action",
            action, "--volume", volume,
        ];
        assert_eq!(office.run(&args).status.code(), Some(code), "{args:?}");
    };
    add("king", "carried", "v1", 2);
    add("courier", "stolen", "v1", 2);
    add("courier", "carried", "v77", 2);
    add("courier", "carried", "p1", 2);
    assert!(!office.folder().join("log").exists());
    add("courier", "other:weighed", "v1", 0);
    add("courier", "carried", "disc 4711", 0);
}

#[test]
fn two_copies_that_were_both_continued_are_found() {
    let office = Office::new();
    let add =
        |log: &str| office.ok(&[&["custody", "add", log, "--of", "demo"], &CARRY[..]].concat());
    add("ours");
    std::fs::copy(office.folder().join("ours"), office.folder().join("theirs")).unwrap();
    add("ours");
    let said = office.ok(&["custody", "verify", "ours", "theirs", "--of", "demo"]);
    assert!(
        said.contains("the first log continues the second"),
        "{said}"
    );
    office.ok(&[
        "custody", "add", "theirs", "--actor", "Eve", "--role", "courier", "--action", "carried",
    ]);
    let parted = office.run(&["custody", "verify", "ours", "theirs", "--of", "demo"]);
    assert_eq!(parted.status.code(), Some(3));
    let said = String::from_utf8(parted.stdout).unwrap();
    assert!(
        said.contains("TWO HEADS: the logs part after event 1;"),
        "{said}"
    );
}

#[test]
fn a_refused_and_an_overridden_bundle_are_written_down_too() {
    let office = Office::new();
    let log = ["--custody", "log", "--actor", "Dan Example"];
    let stranger = SigningKey::generate().unwrap();
    office.sandbox.trust("strangers", &[&stranger], "");
    let said = office.refused(
        &[&["verify", "demo", "--trust", "strangers"], &log[..]].concat(),
        4,
    );
    assert!(said.contains("error[E401]"), "{said}");
    // A newer one comes in first, from somewhere else.
    let mut request = office.sandbox.request();
    request.sequence = haversack::bundle::header::Sequence::new(43).unwrap();
    let newer = office.sandbox.pack("newer", &request);
    let key = SigningKey::from_pem(&office.read("alice.key")).unwrap();
    let _ = haversack::bundle::sign(&newer.path, &key).unwrap();
    office.ok(&["verify", "newer", "--trust", "trust"]);
    let verify = [&["verify", "demo", "--trust", "trust"], &log[..]].concat();
    office.refused(&verify, 5);
    let said = office.ok(&[&verify[..], &["--allow-rollback", "pump failure"]].concat());
    assert!(
        said.contains(
            "  OVERRIDE  against what was accepted before, by --allow-rollback: pump failure\n"
        ),
        "{said}"
    );
    let state: serde_json::Value =
        serde_json::from_str(&office.read("state/accepted.json")).unwrap();
    let time = state
        .pointer("/overrides/0/time")
        .unwrap()
        .as_str()
        .unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    let results: Vec<String> = office
        .read("log")
        .lines()
        .map(|line| Event::parse(line.as_bytes()).unwrap())
        .map(|one| {
            format!(
                "{} {}",
                one.result,
                one.note.map_or(String::new(), |n| n.to_string())
            )
        })
        .collect();
    assert_eq!(results, ["E401 ", "E510 ", "ok pump failure"]);
    // A log that was worked at stops the run before it begins.
    let log = office.read("log").replace("Dan", "Don");
    std::fs::write(office.folder().join("log"), log).unwrap();
    let said = office.refused(&verify, 3);
    assert!(said.contains("error[E361]"), "{said}");
}

#[test]
fn the_log_up_to_signing_travels_in_the_bundle_and_is_proved_there() {
    let office = Office::new();
    std::fs::write(office.folder().join("m.lock"), "the lock").unwrap();
    office.ok(&[
        "custody",
        "add",
        "before",
        "--of",
        "m.lock",
        "--actor",
        "Ann",
        "--role",
        "reviewer",
        "--action",
        "reviewed",
        "--note",
        "approved on paper",
    ]);
    let item = |bytes: &[u8]| {
        haversack::bundle::Item::evidence("evidence/custody.jsonl".parse().unwrap(), bytes.to_vec())
    };
    let mut request = office.sandbox.request();
    request.items.push(item(office.read("before").as_bytes()));
    let with = office.sandbox.pack("with", &request);
    office.ok(&[&["custody", "add", "log", "--of", "with"], &CARRY[..]].concat());
    let said = office.ok(&["custody", "verify", "log", "--of", "with"]);
    let about = Digest::of(b"the lock");
    assert!(
        said.starts_with(&format!(
            "in the bundle, up to signing:\nWHOLE: 1 event about {about}\n"
        )),
        "{said}"
    );
    assert!(said.contains("approved on paper"), "{said}");
    // The identity of the bundle commits to it: other bytes are not what was listed.
    let inside = with.path.join("evidence/custody.jsonl");
    let bytes = std::fs::read_to_string(&inside).unwrap();
    std::fs::write(&inside, bytes.replace("Ann", "Ian")).unwrap();
    let said = office.refused(&["custody", "verify", "log", "--of", "with"], 3);
    assert!(said.contains("error[E301]"), "{said}");
}
