//! What a refusal says: the thing by its name, the cause, and a next step that fits.

use std::process::Output;

use crate::support::http::{Behaviour, Server};
use crate::support::orders::{Order, Orders, scattered};

const BYTES: usize = 1000;

fn orders_of(url: &str) -> Orders {
    Orders::new(&[Order {
        places: vec![url.to_owned()],
        bytes: &scattered(1, BYTES),
    }])
}

/// What the refusal of a fetch says, with its first `error[` line first.
#[track_caller]
fn said(output: &Output, exit: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit), "{stderr}");
    let start = stderr
        .find("error[")
        .unwrap_or_else(|| panic!("no refusal: {stderr}"));
    stderr.split_at(start).1.to_owned()
}

fn ports(server: &Server) -> String {
    let url = server.url("");
    let host = url.strip_prefix("http://").unwrap();
    host.trim_end_matches('/').to_owned()
}

#[test]
fn a_proxy_variable_that_names_no_proxy_is_refused_before_any_request() {
    let server = Server::start();
    server.put("a.bin", scattered(1, BYTES));
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        let orders = orders_of(&server.url("a.bin"));
        let output = orders
            .command(&["build", "m.toml", "--fetch-only"])
            .env(name, "http://someone:s3cret@proxy:port")
            .output()
            .unwrap();
        let text = said(&output, 6);
        assert!(
            text.starts_with(&format!(
                "error[E614]: the variable {name} does not name a proxy\n  next: "
            )),
            "{text}"
        );
        let all = String::from_utf8_lossy(&output.stderr);
        assert!(!all.contains("s3cret") && !all.contains("someone"), "{all}");
    }
    assert_eq!(server.log(), Vec::<String>::new());
}

#[test]
fn a_folder_of_from_that_is_none_is_named_with_the_next_step() {
    let server = Server::start();
    let orders = orders_of(&server.url("a.bin"));
    for (name, why) in [("nope", "does not exist"), ("m.toml", "is not a folder")] {
        let text = said(&orders.fetch(&["--from", name]), 6);
        assert_eq!(
            text,
            format!(
                "error[E601]: --from {name} {why}\n  next: name the folder that holds the files that were brought; \
                 their names do not matter, their digests do\n  more: haversack explain E601\n"
            )
        );
    }
    assert_eq!(server.log(), Vec::<String>::new());
}

#[test]
fn a_refused_redirect_says_where_to_and_what_fits() {
    for (to, what, next) in [
        (
            "file:///etc/hostname",
            "redirects to file://, which",
            "only http and https are followed",
        ),
        (
            "ftp://127.0.0.1/a.bin",
            "redirects to ftp://127.0.0.1, which",
            "only http and https are followed",
        ),
        (
            "/a.bin",
            "redirects more than 10 times",
            "the server leads in a circle",
        ),
        (
            "http://me@127.0.0.1:1/a.bin",
            "redirects to a URL with a user name or password",
            "an address with a user name in it is never followed",
        ),
    ] {
        let server = Server::start();
        server.behave("a.bin", Behaviour::Redirect(to.to_owned()));
        let text = said(&orders_of(&server.url("a.bin")).fetch(&[]), 7);
        assert!(text.starts_with("error[E703]: "), "{text}");
        assert!(text.contains(what), "{text}");
        assert!(text.contains(&format!("  next: {next}")), "{text}");
    }
}

#[test]
fn an_answer_after_a_redirect_names_the_host_that_gave_it() {
    for (status, says, next) in [
        (
            404,
            "does not exist there (status 404) by ",
            "check the version",
        ),
        (
            401,
            "was refused with status 401 by ",
            "credentials do not follow a redirect to another host",
        ),
        (
            403,
            "was refused with status 403 by ",
            "credentials do not follow a redirect to another host",
        ),
    ] {
        let (first, second) = (Server::start(), Server::start());
        first.behave("a.bin", Behaviour::Redirect(second.url("b.bin")));
        second.behave("b.bin", Behaviour::Status(status, 100));
        let text = said(&orders_of(&first.url("a.bin")).fetch(&[]), 7);
        let whole = format!("{says}{}, where it redirects to\n", ports(&second));
        assert!(text.contains(&whole), "{text}");
        assert!(text.contains(&format!("  next: {next}")), "{text}");

        // Of the same host, nothing is to be said.
        first.behave("a.bin", Behaviour::Redirect(first.url("c.bin")));
        first.behave("c.bin", Behaviour::Status(status, 100));
        let text = said(&orders_of(&first.url("a.bin")).fetch(&[]), 7);
        assert!(!text.contains("where it redirects to"), "{text}");
    }
}

#[test]
fn a_list_of_versions_that_is_too_long_gets_a_next_step() {
    let server = Server::start();
    server.behave("list.html", Behaviour::Endless);
    let orders = orders_of(&server.url("a.bin"));
    let manifest = format!(
        "format = 1\nname = \"orders\"\ntarget = {{ distribution = \"debian-12\", arch = \"amd64\" }}\n\
         [[artifact]]\ncomponent = \"extra-tool\"\nversion = \"^1\"\n\
         versions = {{ listing = \"{}\", pattern = \"tool-{{version}}.bin\" }}\nurl = \"{}\"\n\
         trust = {{ first-lock = \"a test publishes nothing\" }}\n",
        server.url("list.html"),
        server.url("tool-{version}.bin"),
    );
    std::fs::write(orders.path().join("n.toml"), manifest).unwrap();
    let output = orders.command(&["lock", "n.toml"]).output().unwrap();
    let text = said(&output, 7);
    assert!(text.starts_with("error[E704]: "), "{text}");
    assert!(
        text.contains("list.html is longer than 8388608 bytes"),
        "{text}"
    );
    assert!(
        text.contains("  next: name a narrower URL in the manifest")
            && text.contains("name one `version` instead"),
        "{text}"
    );
}

#[test]
fn what_needs_a_lock_says_how_to_make_one() {
    let server = Server::start();
    let orders = orders_of(&server.url("a.bin"));
    std::fs::remove_file(orders.path().join("m.lock")).unwrap();
    for args in [
        ["outdated", "m.toml"].as_slice(),
        &["lock", "m.toml", "--check"],
    ] {
        let text = said(&orders.command(args).output().unwrap(), 6);
        assert_eq!(
            text,
            "error[E601]: there is no lock m.lock\n  next: run `haversack lock m.toml` first\n  more: haversack explain E601\n"
        );
    }
    assert_eq!(server.log(), Vec::<String>::new());
}

#[test]
fn a_comparison_names_the_side_that_does_not_exist() {
    let orders = orders_of("http://127.0.0.1:1/a.bin");
    for args in [
        ["diff", "m.lock", "nothere.lock"],
        ["diff", "nothere.lock", "m.lock"],
    ] {
        let text = said(&orders.command(&args).output().unwrap(), 6);
        assert!(
            text.starts_with("error[E601]: nothere.lock does not exist\n  next: correct the path"),
            "{text}"
        );
    }
}

#[test]
fn other_bytes_than_the_manifest_states_may_be_its_mistake() {
    let server = Server::start();
    server.put("a.bin", scattered(2, BYTES));
    let orders = orders_of(&server.url("a.bin"));
    let text = said(&orders.fetch(&[]), 7);
    assert!(text.starts_with("error[E705]: "), "{text}");
    assert!(
        text.contains("or correct sha256 in the manifest where it states one\n"),
        "{text}"
    );
}

#[test]
fn credentials_in_a_url_are_sent_to_where_they_belong() {
    let orders = orders_of("http://127.0.0.1:1/a.bin");
    let path = orders.path().join("m.toml");
    let manifest = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, manifest.replace("http://", "http://me:s3cret@")).unwrap();
    let output = orders.command(&["lock", "m.toml"]).output().unwrap();
    let all = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{all}");
    assert!(
        all.contains("give them with --netrc FILE or --token-file FILE"),
        "{all}"
    );
    assert!(!all.contains("s3cret"), "{all}");
}

#[test]
fn the_help_of_build_names_commands_that_exist() {
    let orders = orders_of("http://127.0.0.1:1/a.bin");
    let output = orders.command(&["build", "--help"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("`haversack media`"), "{text}");
    assert!(!text.contains("haversack carry"), "{text}");
}
