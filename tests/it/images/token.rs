//! Registries that want a token for reading, as most public ones do: played by a stand-in.

use super::refused::{Made, TAG, image};
use super::{Desk, FIRST, read};
use crate::support::http::Server;

const TOKEN: &str = "open-sesame-7f3a";
const ASKED: &str = "token?service=stand-in&scope=repository%3Astack%2Fapp%3Apull";

#[test]
fn a_token_is_fetched_once_and_stands_nowhere() {
    let server = Server::start();
    Made::new().serve(&server);
    server.want_token(TOKEN);
    server.put(
        ASKED,
        format!("{{\"token\":\"{TOKEN}\",\"expires_in\":300}}"),
    );
    let desk = Desk::new();
    desk.manifest(&[(image(&server), FIRST)]);
    let mut said = desk.ok(&["lock", "m.toml"]);
    let log = server.log();
    let count = |line: &str| log.iter().filter(|one| *one == line).count();
    assert_eq!(count(&format!("GET {ASKED}")), 1, "{log:?}");
    assert_eq!(
        count(&format!("GET {TAG}")),
        2,
        "refused, then with the token: {log:?}"
    );
    std::fs::remove_dir_all(desk.path("store")).unwrap();
    said += &desk.ok(&["build", "m.toml", "-o", "out"]);
    said += &String::from_utf8(read(&desk.path("m.lock"))).unwrap();
    assert!(!said.contains(TOKEN), "{said}");
    let mut grep = std::process::Command::new("grep");
    grep.args(["-r", "-l", TOKEN]).arg(desk.path("."));
    let found = grep.output().unwrap().stdout;
    assert_eq!(String::from_utf8(found).unwrap(), "");
}

#[test]
fn a_token_that_does_not_help_or_is_none_ends_with_what_to_do() {
    for (answer, says) in [
        ("{\"token\":\"another\"}", "was refused with status 401"),
        (
            "{\"error\":\"open-sesame-7f3a\"}",
            "names no place over https that gives one",
        ),
        (
            "open-sesame-7f3a",
            "names no place over https that gives one",
        ),
    ] {
        let server = Server::start();
        Made::new().serve(&server);
        server.want_token(TOKEN);
        server.put(ASKED, answer);
        let desk = Desk::new();
        desk.manifest(&[(image(&server), FIRST)]);
        let said = desk.fails(&["lock", "m.toml"], 7);
        assert!(said.contains("error[E709]"), "{answer}: {said}");
        assert!(said.contains(says), "{answer}: {said}");
        assert!(!said.contains(TOKEN), "{answer}: {said}");
    }
}
