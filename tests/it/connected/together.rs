//! All that cannot be locked is told by one run.

use crate::support::http::Server;
use crate::support::orders::{Order, Orders, scattered};

#[test]
fn a_build_without_a_lock_lists_everything_that_cannot_be_resolved() {
    let server = Server::start();
    let good = scattered(1, 1000);
    server.put("good.bin", good.clone());
    let orders = Orders::new(&[Order {
        places: vec![server.url("good.bin")],
        bytes: &good,
    }]);
    std::fs::remove_file(orders.path().join("m.lock")).unwrap();
    let manifest = std::fs::read_to_string(orders.path().join("m.toml")).unwrap();
    let artifact = |lines: &str| format!("[[artifact]]\ncomponent = \"extra-tool\"\n{lines}\n");
    let first_lock = "trust = { first-lock = \"a test publishes nothing\" }";
    let versions = |name: &str| {
        format!(
            "version = \"^1\"\nversions = {{ github = \"example/tool\", api = \"{}\" }}\nurl = \"{}\"\n{first_lock}",
            server.url(""),
            server.url(&format!("{name}-{{version}}.bin"))
        )
    };
    let key = format!(
        "[[key]]\nname = \"release\"\nopenpgp = [\"5833ABC70DBC595C2D12CE185B335FF8DBEB4966\"]\nurl = \"{}\"\n",
        server.url("no-key.asc")
    );
    let parts = [
        manifest,
        artifact(&versions("one")),
        artifact(&versions("two")),
        artifact(&format!(
            "version = \"1\"\nurl = \"{}\"\n{first_lock}",
            server.url("absent.bin")
        )),
        artifact(&format!(
            "version = \"1\"\nurl = \"{}\"\nsignature = {{ openpgp = \"{{url}}.sig\", key = \"release\" }}",
            server.url("signed.bin")
        )),
        key,
    ];
    std::fs::write(orders.path().join("m.toml"), parts.concat()).unwrap();
    let host = server.url("");
    let host = host.trim_end_matches('/');
    let expected = format!(
        "E706  the key `release`: the key `release` does not exist at {host}/no-key.asc\n\
         E706  extra-tool ^1: the releases of extra-tool does not exist at {host}/repos/example/tool/releases?per_page=100&page=1\n\
         E222  extra-tool ^1: not tried, for it needs the versions that extra-tool ^1 needs, too, which failed\n\
         E706  files/extra-tool/absent.bin: absent.bin could not be fetched: {host}/absent.bin does not exist there (status 404)\n\
         E412  files/extra-tool/signed.bin: not tried, for it needs the key `release`, which failed\n\
         error[E706]: 5 of 6 parts of the manifest (artifacts, keys, packages) cannot be locked\n"
    );
    for more in [&[][..], &["--keep-going=false"]] {
        let args = [
            &["build", "m.toml", "-o", "out", "--progress", "none"],
            more,
        ]
        .concat();
        let output = orders.command(&args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.starts_with(&expected),
            "{stderr}\n--- expected\n{expected}"
        );
        assert_eq!(output.status.code(), Some(7));
    }
    // What could be had is kept for the next run.
    assert!(orders.stored(&good).is_some());
    assert!(!orders.path().join("m.lock").exists() && !orders.path().join("out").exists());
}

#[test]
fn a_check_of_a_lock_shows_a_size_that_alone_differs() {
    let server = Server::start();
    let bytes = scattered(1, 1000);
    server.put("a.bin", bytes.clone());
    let orders = Orders::new(&[Order {
        places: vec![server.url("a.bin")],
        bytes: &bytes,
    }]);
    let path = orders.path().join("m.lock");
    let lock = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, lock.replace("size = 1000", "size = 1001")).unwrap();
    let output = orders
        .command(&["lock", "m.toml", "--check"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "m.lock: 1 difference from what resolving gives now\n  ! files/extra-tool/a.bin: size 1001 -> 1000\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_variable_that_is_neither_on_nor_off_is_refused_by_name() {
    let server = Server::start();
    let bytes = scattered(1, 1000);
    server.put("a.bin", bytes.clone());
    let orders = Orders::new(&[Order {
        places: vec![server.url("a.bin")],
        bytes: &bytes,
    }]);
    for (value, exit) in [
        ("banana", 2),
        ("2", 2),
        ("1", 7),
        ("TRUE", 7),
        ("yes", 7),
        ("0", 0),
        ("no", 0),
        ("", 0),
    ] {
        let mut command = orders.command(&["build", "m.toml", "--fetch-only", "--store", value]);
        command.env("HAVERSACK_OFFLINE", value);
        if value.is_empty() {
            command = orders.command(&["build", "m.toml", "--fetch-only"]);
            command.env("HAVERSACK_OFFLINE", value);
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{value}: {stderr}");
        let named = stderr.contains(&format!("invalid value '{value}' for '--offline'"))
            && stderr.contains("HAVERSACK_OFFLINE");
        assert_eq!(named, exit == 2, "{value}: {stderr}");
    }
}

#[test]
fn a_reason_that_is_too_short_says_how_long_and_where() {
    let server = Server::start();
    let orders = Orders::new(&[Order {
        places: vec![server.url("a.bin")],
        bytes: b"x",
    }]);
    let path = orders.path().join("m.toml");
    let manifest = std::fs::read_to_string(&path).unwrap();
    let begin = manifest.find("sha256").unwrap();
    let text = format!(
        "{}trust = {{ first-lock = \"no\" }}\n",
        manifest.split_at(begin).0
    );
    std::fs::write(&path, text).unwrap();
    let output = orders.command(&["lock", "m.toml"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for part in [
        "m.toml:10:24: a reason needs at least 10 characters, this has 2: ",
        "  10 | trust = { first-lock = \"no\" }\n",
        "help: write it here: trust = { first-lock = \"upstream publishes neither checksum nor signature\" }",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}
