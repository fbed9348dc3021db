//! A proxy that does not work is named, without its password, with the variable that names it.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::orders::{Order, Orders, refusal, scattered};

/// What a fetch says through the proxy of a variable, and its next step.
fn said(variable: &str, proxy: &str, url: &str) -> (String, String, String) {
    let bytes = scattered(1, 1000);
    let orders = Orders::new(&[Order {
        places: vec![url.to_owned()],
        bytes: &bytes,
    }]);
    let output = orders
        .command(&[
            "build",
            "m.toml",
            "--fetch-only",
            "--json",
            "--progress",
            "none",
            "--retries",
            "0",
        ])
        .env(variable, proxy)
        .output()
        .unwrap();
    let all = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!all.contains("s3cret") && !all.contains("someone"), "{all}");
    let (id, message, exit) = refusal(&output);
    assert_eq!(exit, 7, "{all}");
    let value: serde_json::Value = serde_json::from_str(all.lines().last().unwrap()).unwrap();
    let hint = value["error"]["hint"].as_str().unwrap().to_owned();
    (id, message, hint)
}

/// A proxy that answers each request with this, and its address.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// An address where nobody listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_proxy_that_refuses_connections_or_has_no_address_is_named() {
    let closed = closed();
    for (variable, proxy, host, url) in [
        (
            "HTTP_PROXY",
            format!("http://someone:s3cret@{closed}"),
            closed.as_str(),
            "http://host.invalid/a.bin",
        ),
        (
            "https_proxy",
            format!("http://someone:s3cret@{closed}"),
            &closed,
            "https://host.invalid/a.bin",
        ),
        (
            "ALL_PROXY",
            closed.clone(),
            &closed,
            "http://host.invalid/a.bin",
        ),
        (
            "HTTP_PROXY",
            "http://someone:s3cret@proxy.invalid:3128".to_owned(),
            "proxy.invalid:3128",
            "http://host.invalid/a.bin",
        ),
    ] {
        let (id, message, hint) = said(variable, &proxy, url);
        assert_eq!(id, "E707");
        let named = format!("no answer for {url} through the proxy {host} that {variable} names");
        assert!(message.contains(&named), "{message}");
        assert!(
            hint.starts_with(&format!(
                "check that {host} is the proxy, that its name resolves and that it runs; correct or unset {variable}, "
            )),
            "{hint}"
        );
    }
}

#[test]
fn a_proxy_that_wants_a_password_is_named_for_both_schemes() {
    let proxy = answering(
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    for (variable, url) in [
        ("HTTP_PROXY", "http://host.invalid/a.bin"),
        ("HTTPS_PROXY", "https://host.invalid/a.bin"),
    ] {
        let (id, message, hint) = said(variable, &format!("http://{proxy}"), url);
        assert_eq!(id, "E709", "{message}");
        let named =
            format!("{url} was refused with status 407 by the proxy {proxy} that {variable} names");
        assert!(message.contains(&named), "{message}");
        let next = format!(
            "the proxy wants a name and a password: put them into {variable} as http://NAME:PASSWORD@HOST:PORT"
        );
        assert!(hint.starts_with(&next), "{hint}");
    }
}

#[test]
fn a_host_that_needs_no_proxy_is_not_blamed_on_one() {
    let closed = closed();
    let bytes = scattered(1, 1000);
    let orders = Orders::new(&[Order {
        places: vec![format!("http://{closed}/a.bin")],
        bytes: &bytes,
    }]);
    let output = orders
        .command(&[
            "build",
            "m.toml",
            "--fetch-only",
            "--json",
            "--progress",
            "none",
            "--retries",
            "0",
        ])
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    let (_, message, _) = refusal(&output);
    assert!(!message.contains("proxy"), "{message}");
}
