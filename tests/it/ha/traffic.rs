//! Users who never rest: requests through the proxies, each of them accounted for.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::cluster::Cluster;
use crate::support::machine::Ran;

/// Users at once.
const USERS: usize = 12;
/// How long a server works on each request.
const WORK: u32 = 150;

/// One request and its end.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Its number, which the server writes into its log.
    pub(crate) id: u32,
    /// Whether a proxy may send it to another server when one breaks (RFC 9110, section 9.2.2).
    pub(crate) repeatable: bool,
    /// When it was sent.
    pub(crate) begun: Instant,
    /// Status, and the server that answered.
    pub(crate) status: String,
    /// The server that answered; empty when it was the proxy.
    pub(crate) node: String,
}

impl Request {
    /// Whether it was answered as asked.
    pub(crate) fn is_well(&self) -> bool {
        self.status == "200"
    }
}

/// `curl` of somebody on the wire to the site at `address`, which may be one of its proxies.
pub(crate) fn curl(cluster: &Cluster, from: &str, address: &str, ca: &str, args: &[&str]) -> Ran {
    let resolve = format!("chat.mm.internal:443:{address}");
    let begin = [
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        "--noproxy",
        "*",
        "--cacert",
        ca,
        "--resolve",
        &resolve,
    ];
    cluster.from(from, "curl", &[&begin[..], args].concat())
}

/// Lets users work until `done` returns, and tells of every request. `done` gets going once all of
/// them have had answers.
pub(crate) fn during<T>(
    cluster: &Cluster,
    address: &str,
    ca: &str,
    done: impl FnOnce() -> T,
) -> (T, Vec<Request>) {
    let (stop, count) = (AtomicBool::new(false), AtomicU32::new(0));
    let requests = Mutex::new(Vec::new());
    let result = thread::scope(|scope| {
        for _ in 0..USERS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let id = count.fetch_add(1, Ordering::Relaxed);
                    let request = ask(cluster, address, ca, id);
                    requests.lock().expect("no panic").push(request);
                }
            });
        }
        let begun = Instant::now();
        while requests.lock().expect("no panic").len() < 3 * USERS {
            assert!(begun.elapsed() < Duration::from_mins(1), "nobody answers");
            thread::sleep(Duration::from_millis(20));
        }
        let result = done();
        stop.store(true, Ordering::Relaxed);
        result
    });
    let mut requests = requests.into_inner().expect("no panic");
    requests.sort_by_key(|request| request.id);
    (result, requests)
}

fn ask(cluster: &Cluster, address: &str, ca: &str, id: u32) -> Request {
    let repeatable = id.is_multiple_of(2);
    let url = format!("https://chat.mm.internal/api/v4/stand_in/wait?id={id}&ms={WORK}");
    let mut args = vec!["--write-out", "\n%{http_code}", url.as_str()];
    if !repeatable {
        args.extend_from_slice(&["--data", "x"]);
    }
    let begun = Instant::now();
    let ran = curl(cluster, "user", address, ca, &args);
    let (body, status) = ran.stdout.rsplit_once('\n').unwrap_or(("", ""));
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let node = body.pointer("/node").and_then(|node| node.as_str());
    Request {
        id,
        repeatable,
        begun,
        status: status.to_owned(),
        node: node.unwrap_or_default().to_owned(),
    }
}

/// The requests that a server's log says it began, and those that it ended.
pub(crate) fn worked_on(cluster: &Cluster, host: &str) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let log = cluster
        .machine(host)
        .run("journalctl --sync; journalctl --unit mattermost --output cat --no-pager");
    let numbers = |word: &str| {
        let start = format!("\"msg\":\"{word} ");
        let lines = log.ok().lines();
        let numbers = lines.filter_map(|line| line.split_once(&start)?.1.split('"').next());
        numbers.filter_map(|number| number.parse().ok()).collect()
    };
    (numbers("begin"), numbers("end"))
}
