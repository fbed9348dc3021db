//! Passwords and tokens go where they are for, and are seen nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;

use crate::support::faults::{Act, Answer, Certificate, Faulty, cut, head, well};
use crate::support::orders::{Order, Orders, refusal, scattered};

const NETRC: &str = "canary-netrc-5ae1";
const TOKEN: &str = "canary-token-77b2";
const VARIABLE: &str = "canary-variable-19c3";
const PROXY: &str = "canary-proxy-c0d4";
const SIGNED: &str = "canary-signed-3fe5";
const TYPED: &str = "canary-typed-88f6";
const ALL: [&str; 6] = [NETRC, TOKEN, VARIABLE, PROXY, SIGNED, TYPED];
/// Files of this test that hold canaries because it planted them there.
const PLANTED: [&str; 4] = ["netrc", "tokens", "proxy.conf", "typed.toml"];

/// The canaries, and as they look in a Basic header.
fn forms() -> Vec<String> {
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let mut all: Vec<String> = ALL.iter().map(ToString::to_string).collect();
    all.push(encode(format!("joe:{NETRC}")));
    all.push(encode(format!("joe:{PROXY}")));
    all
}

#[track_caller]
fn nothing_in(what: &str, bytes: &[u8]) {
    for canary in forms() {
        let found = bytes
            .windows(canary.len())
            .any(|window| window == canary.as_bytes());
        assert!(
            !found,
            "{canary} in {what}: {}",
            String::from_utf8_lossy(bytes)
        );
    }
}

/// Looks into every file and every name below a folder.
#[track_caller]
fn nothing_below(folder: &Path) {
    for entry in haversack::fs::walk(folder).unwrap() {
        nothing_in("a name", entry.path.as_os_str().as_encoded_bytes());
        let planted = PLANTED.iter().any(|name| entry.path == Path::new(name));
        if entry.kind == haversack::fs::Kind::File && !planted {
            let bytes = std::fs::read(folder.join(&entry.path)).unwrap();
            nothing_in(&entry.path.display().to_string(), &bytes);
        }
    }
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A real proxy that wants a password.
struct Proxy {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Proxy {
    fn start(folder: &Path) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let log = folder.join("proxy.log");
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 30\nLogFile \"{}\"\nLogLevel Connect\nMaxClients 50\nAllow 127.0.0.1\n\
             BasicAuth joe {PROXY}\n",
            log.display()
        );
        let configuration = folder.join("proxy.conf");
        std::fs::write(&configuration, text).unwrap();
        let child = Command::new("tinyproxy")
            .arg("-d")
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "tinyproxy did not start"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Self {
            child,
            address: format!("127.0.0.1:{port}"),
            log,
        }
    }

    fn url(&self, password: &str) -> String {
        format!("http://joe:{password}@{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file on a server, with every kind of credential planted.
struct Scene {
    orders: Orders,
    server: Faulty,
    proxy: Proxy,
    file: Vec<u8>,
}

impl Scene {
    fn new(script: &[Answer], certificate: Option<Certificate>) -> Self {
        let file = scattered(3, 400_000);
        let server = Faulty::start(&file, script, certificate);
        let orders = Orders::new(&[Order {
            places: vec![server.url("a.bin")],
            bytes: &file,
        }]);
        let folder = orders.path();
        let netrc = format!(
            "machine localhost login joe password {NETRC}\nmachine 127.0.0.1 login joe password {NETRC}\n"
        );
        private(&folder.join("netrc"), &netrc);
        private(&folder.join("tokens"), &format!("other.example {TOKEN}\n"));
        if let Some(pem) = &server.pem {
            std::fs::write(folder.join("ca.pem"), pem).unwrap();
        }
        let proxy = Proxy::start(folder);
        Self {
            orders,
            server,
            proxy,
            file,
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.orders.command(args);
        command
            .env("HTTP_PROXY", self.proxy.url(PROXY))
            .env("HTTPS_PROXY", self.proxy.url(PROXY))
            .env("HAVERSACK_TOKENS", format!("third.example {VARIABLE}"))
            .env("HAVERSACK_TOKEN_FILE", "tokens")
            .env("NETRC", "netrc")
            .env("RUST_BACKTRACE", "full")
            .env("RUST_LOG", "trace");
        if self.server.pem.is_some() {
            command.env("HAVERSACK_CA_FILE", "ca.pem");
        }
        command
    }

    /// Runs, and looks for canaries in all that there is afterwards.
    fn run(&self, command: &mut Command) -> Output {
        let output = command.output().unwrap();
        nothing_in("standard output", &output.stdout);
        nothing_in("standard error", &output.stderr);
        nothing_below(self.orders.path());
        output
    }
}

const FETCH: [&str; 5] = ["build", "m.toml", "--fetch-only", "--retries", "0"];

#[test]
fn no_secret_is_seen_in_any_output_lock_bundle_store_event_or_error() {
    let scene = Scene::new(&[well], Some(Certificate::Good));
    for progress in ["json", "plain", "none"] {
        let _ = std::fs::remove_dir_all(scene.orders.store());
        let args = [FETCH.as_slice(), &["--progress", progress]].concat();
        let output = scene.run(&mut scene.command(&args));
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert!(scene.orders.stored(&scene.file).as_ref() == Some(&scene.file));
    // The proxy and the server did get what is theirs, and only that.
    let log = std::fs::read_to_string(&scene.proxy.log).unwrap();
    assert!(log.contains("CONNECT localhost:"), "{log}");
    let calls = scene.server.calls();
    let expected = forms()[ALL.len()].clone();
    assert_eq!(calls.len(), 3);
    for call in &calls {
        assert!(
            call.contains(&format!("authorization: Basic {expected}\r\n")),
            "{call}"
        );
        assert!(
            !call.contains(PROXY) && !call.to_lowercase().contains("proxy-auth"),
            "{call}"
        );
    }
    for args in [
        &["lock", "m.toml", "--json"][..],
        &[
            "build",
            "m.toml",
            "-o",
            "out",
            "--json",
            "--progress",
            "json",
        ],
        &["build", "--help"],
        &["man"],
    ] {
        let output = scene.run(&mut scene.command(args));
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn no_secret_is_seen_when_a_server_or_proxy_refuses() {
    let refusals: [(Answer, &str); 4] = [
        (|_| vec![head(401, &[])], "E709"),
        (|_| vec![head(500, &[])], "E708"),
        (
            |call| {
                // A signed link, as clouds make them, that leads nowhere.
                let lower = call.headers.to_ascii_lowercase();
                let (_, rest) = lower.split_once("host: ").unwrap();
                let host = rest.lines().next().unwrap().trim();
                let path = call.headers.split(' ').nth(1).unwrap();
                if path.contains(SIGNED) {
                    return vec![head(403, &[])];
                }
                vec![head(
                    302,
                    &[(
                        "Location",
                        format!("https://{host}/b?X-Amz-Signature={SIGNED}"),
                    )],
                )]
            },
            "E709",
        ),
        (|call| cut(call, 100_000), "E701"),
    ];
    for (answer, id) in refusals {
        let scene = Scene::new(&[answer], Some(Certificate::Good));
        let args = [FETCH.as_slice(), &["--json", "--progress", "json"]].concat();
        let output = scene.run(&mut scene.command(&args));
        // A cut is continued until it is whole.
        if id == "E701" {
            assert!(output.status.success());
        } else {
            assert_eq!(
                (refusal(&output).0.as_str(), output.status.code()),
                (id, Some(7))
            );
        }
        // A wrong password for the proxy, and one that cannot be reached.
        for proxy in [
            scene.proxy.url(TYPED),
            format!("http://joe:{TYPED}@127.0.0.1:1"),
        ] {
            let mut command = scene.command(&args);
            command.env("HTTPS_PROXY", proxy);
            let _ = std::fs::remove_dir_all(scene.orders.store());
            let output = scene.run(&mut command);
            assert_eq!(output.status.code(), Some(7));
        }
    }
}

#[test]
fn credentials_are_not_sent_over_http_nor_after_a_redirect_to_another_host() {
    let scene = Scene::new(&[|_| vec![head(401, &[])]], None);
    let args = [FETCH.as_slice(), &["--json", "--progress", "none"]].concat();
    let (id, message, _) = refusal(&scene.run(&mut scene.command(&args)));
    assert_eq!(id, "E709");
    assert!(
        message.contains("the credentials for it were not sent, for it is not https"),
        "{message}"
    );
    assert!(
        !scene.server.calls()[0]
            .to_lowercase()
            .contains("\nauthorization:")
    );

    // Another port is another host: what it asks for there, it does not get.
    let scene = Scene::new(
        &[|_| {
            let port = std::fs::read_to_string(port_file()).unwrap();
            vec![head(
                302,
                &[(
                    "Location",
                    format!("https://localhost:{}/a.bin", port.trim()),
                )],
            )]
        }],
        Some(Certificate::Good),
    );
    let second = Faulty::start(&scene.file, &[well], Some(Certificate::Good));
    let (_, port) = second
        .url("")
        .rsplit_once(':')
        .map(|(a, b)| (a.to_owned(), b.trim_end_matches('/').to_owned()))
        .unwrap();
    std::fs::write(port_file(), port).unwrap();
    let both = format!(
        "{}{}",
        scene.server.pem.as_deref().unwrap(),
        second.pem.as_deref().unwrap()
    );
    std::fs::write(scene.orders.path().join("ca.pem"), both).unwrap();
    let output = scene.run(&mut scene.command(&FETCH));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let authorised = |server: &Faulty| {
        let calls = server.calls();
        calls
            .iter()
            .filter(|call| call.to_lowercase().contains("\nauthorization:"))
            .count()
    };
    assert_eq!((authorised(&scene.server), authorised(&second)), (1, 0));
    let _ = std::fs::remove_file(port_file());
}

/// Where the first server of the test reads the port of the second.
fn port_file() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("redirect-port-{}", std::process::id()))
}

#[test]
fn credentials_in_urls_and_files_that_others_may_read_are_refused_without_repeating_them() {
    let scene = Scene::new(&[well], None);
    let folder = scene.orders.path();
    for (url, id) in [
        (format!("https://joe:{TYPED}@localhost/a.bin"), "E2"),
        (
            format!("https://localhost/a.bin?private_token={TYPED}"),
            "E2",
        ),
    ] {
        let manifest = std::fs::read_to_string(folder.join("m.toml")).unwrap();
        let typed = manifest.replace(&scene.server.url("a.bin"), &url);
        assert!(typed.contains(TYPED));
        std::fs::write(folder.join("typed.toml"), typed).unwrap();
        for json in [
            &["lock", "typed.toml", "--json"][..],
            &["build", "typed.toml", "-o", "x"],
        ] {
            let output = scene.run(&mut scene.command(json));
            assert_eq!(output.status.code(), Some(2));
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(stderr.contains(id), "{stderr}");
        }
    }
    for (name, text, mode, id) in [
        ("tokens", format!("localhost {TOKEN}\n"), 0o644, "E610"),
        ("tokens", format!("localhost {TOKEN} more\n"), 0o600, "E610"),
        (
            "netrc",
            format!("machine localhost login joe password {NETRC} {TYPED}\n"),
            0o600,
            "E610",
        ),
        (
            "netrc",
            format!("machine localhost login joe password {NETRC}\n"),
            0o640,
            "E610",
        ),
    ] {
        let path = folder.join(name);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let args = [FETCH.as_slice(), &["--json", "--progress", "none"]].concat();
        let output = scene.run(&mut scene.command(&args));
        assert_eq!(
            (refusal(&output).0.as_str(), output.status.code()),
            (id, Some(6)),
            "{name} {mode:o}"
        );
        std::fs::write(&path, good).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn no_secret_is_seen_after_an_interruption_or_a_crash() {
    for signal in ["-INT", "-TERM", "-ABRT", "-KILL"] {
        let scene = Scene::new(
            &[|call| {
                let mut acts = cut(call, 200_000);
                acts.push(Act::Pause(Duration::from_secs(5)));
                acts
            }],
            Some(Certificate::Good),
        );
        let args = [FETCH.as_slice(), &["--progress", "json"]].concat();
        let child = scene.command(&args).spawn().unwrap();
        let began = Instant::now();
        while scene.server.body_bytes() == 0 {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "nothing was fetched"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        let sent = Command::new("kill")
            .arg(signal)
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success());
        nothing_in("standard output", &output.stdout);
        nothing_in("standard error", &output.stderr);
        nothing_below(scene.orders.path());
    }
}

/// What a panic message could show of the client.
#[test]
fn no_secret_is_in_what_a_panic_may_print() {
    use haversack::net::{Client, ClientOptions, Credentials};
    let netrc = format!("machine localhost login joe password {NETRC}");
    let credentials = Credentials::parse_tokens(&format!("localhost {TOKEN}")).unwrap();
    let options = ClientOptions {
        credentials: credentials.or(Credentials::parse_netrc(&netrc).unwrap()),
        ..ClientOptions::default()
    };
    let client = Client::new(options.clone()).unwrap();
    let show = std::panic::AssertUnwindSafe(|| panic!("{client:#?} {options:#?}"));
    let crash = std::panic::catch_unwind(show).unwrap_err();
    let text = crash.downcast_ref::<String>().unwrap();
    assert!(text.contains("Credentials(<hidden>"), "{text}");
    nothing_in("a panic", text.as_bytes());
}

#[test]
fn a_proxy_is_used_for_http_too_and_not_for_hosts_that_are_excepted() {
    let scene = Scene::new(&[well], None);
    let via = |scene: &Scene| {
        let calls = scene.server.calls();
        calls.last().unwrap().to_lowercase().contains("\nvia:")
    };
    assert!(scene.run(&mut scene.command(&FETCH)).status.success());
    assert!(via(&scene));
    let _ = std::fs::remove_dir_all(scene.orders.store());
    let mut direct = scene.command(&FETCH);
    direct.env("NO_PROXY", "example.org,127.0.0.1");
    assert!(scene.run(&mut direct).status.success());
    assert!(!via(&scene));
}
