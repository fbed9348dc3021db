//! What is refused at once, what leads when several things are wrong, and what holds without network.

use crate::support::faults::{Faulty, head, well};
use crate::support::http::Server;
use crate::support::orders::{Order, Orders, refusal, scattered};

const HEAD: &str = "format = 1\nname = \"orders\"\nversion = \"1\"\ntarget = { distribution = \"debian-12\", arch = \"amd64\" }\n";
const LOCK: [&str; 4] = ["lock", "m.toml", "--progress", "none"];

fn first_lock(server: &Server, name: &str) -> Orders {
    let orders = Orders::new(&[Order {
        places: vec![server.url(name)],
        bytes: b"",
    }]);
    let text = format!(
        "{HEAD}[[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1\"\nurl = \"{}\"\n\
         trust = {{ first-lock = \"its publisher signs nothing\" }}\n",
        server.url(name)
    );
    std::fs::write(orders.path().join("m.toml"), text).unwrap();
    std::fs::remove_file(orders.path().join("m.lock")).unwrap();
    orders
}

#[test]
fn a_file_that_is_not_what_it_is_called_is_not_locked() {
    let server = Server::start();
    for (name, bytes) in [("empty.tar.gz", ""), ("text.tar.gz", "no archive at all")] {
        server.put(name, bytes);
        let orders = first_lock(&server, name);
        let output = orders
            .command(&[LOCK.as_slice(), &["--json"]].concat())
            .output()
            .unwrap();
        let (id, message, exit) = refusal(&output);
        assert_eq!((id.as_str(), exit), ("E702", 7), "{message}");
        assert!(message.starts_with(name), "{message}");
        assert!(!orders.path().join("m.lock").exists());
    }
}

#[test]
fn without_network_what_nobody_vouches_for_is_what_was_locked() {
    let server = Server::start();
    let bytes = scattered(3, 50_000);
    server.put("tool.bin", bytes.clone());
    let orders = first_lock(&server, "tool.bin");
    let lock = |more: &[&str]| {
        let output = orders.command(&[LOCK.as_slice(), more].concat()).output();
        output.unwrap()
    };
    assert!(lock(&[]).status.success());
    let first = std::fs::read(orders.path().join("m.lock")).unwrap();
    let asked = server.log().len();
    let again = lock(&["--offline"]);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(std::fs::read(orders.path().join("m.lock")).unwrap(), first);
    assert_eq!(server.log().len(), asked, "the network was used");
    // What may change is not taken from the earlier lock.
    let changed = lock(&["--offline", "--update", "extra-tool", "--json"]);
    assert_eq!(refusal(&changed).0, "E711");
}

#[test]
fn altered_bytes_lead_over_what_is_absent_and_each_has_its_next_step() {
    let (one, two) = (scattered(1, 2000), scattered(2, 3000));
    let absent = Faulty::start(&one, &[|_| vec![head(404, &[])]], None);
    let altered = Faulty::start(&scattered(4, 3000), &[well], None);
    let orders = Orders::new(&[
        Order {
            places: vec![absent.url("absent.bin")],
            bytes: &one,
        },
        Order {
            places: vec![altered.url("tool.bin")],
            bytes: &two,
        },
    ]);
    let output = orders.fetch(&["--progress", "none", "--retries", "0"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    let next = said.lines().find(|line| line.starts_with("  next: "));
    let next = next.unwrap_or_else(|| panic!("{said}"));
    let (altered, absent) = (next.find("E705: "), next.find("; E706: "));
    assert!(
        said.contains("error[E705]: 2 of 2 files failed: "),
        "{said}"
    );
    assert!(altered.is_some() && altered < absent, "{next}");
}
