//! The whole of it, in one go: what takes minutes is made once.

use std::thread;
use std::time::{Duration, Instant};

use super::ports;
use super::site::{HOSTS, SHARED, boot, plan, play, recap, stage};
use super::traffic::{Request, curl, during, worked_on};
use crate::support::cluster::Cluster;
use crate::support::machine::{Ran, wait_for};
use crate::support::quickstart::Quickstart;

/// The proxies' own addresses, and the one that they share.
const FRONTS: [&str; 3] = ["10.20.0.5", "10.20.0.6", SHARED];
/// Where the site keeps what could not be replaced otherwise.
const SITE: &str = "https://chat.mm.internal";

/// The site, and since when.
struct Proof {
    quickstart: Quickstart,
    cluster: Cluster,
    ca: String,
    begun: Instant,
}

#[test]
fn three_servers_two_proxies_and_a_replica_install_and_survive() {
    let begun = Instant::now();
    let quickstart = stage("ha");
    let ca = quickstart.dir.join("pki/ca.pem").display().to_string();
    println!("{:6.1?} staged", begun.elapsed());
    let proof = Proof {
        quickstart,
        cluster: boot(),
        ca,
        begun,
    };
    proof.said("booted");

    proof.a_host_that_fails_stops_all_after_it();
    proof.said("stopped at the first failing host");
    proof.installs();
    proof.said("installed");
    proof.nothing_was_tried_that_the_plan_does_not_have();
    proof.the_replica_streams_and_refuses_writes();
    proof.the_servers_are_one();
    proof.a_file_of_one_server_is_read_through_another();
    for front in FRONTS {
        proof.a_websocket_passes(front);
    }
    proof.said("serves");
    proof.exactly_the_planned_ports_are_open();
    proof.said("knocked at");
    proof.a_killed_server_loses_only_what_was_in_flight();
    proof.said("app2 was killed");
    proof.the_shared_address_moves();
    proof.said("web1 failed");
    proof.a_failed_unit_counts_when_it_is_ours();
    proof.a_second_run_changes_nothing();
    proof.said("run again");
    proof.one_proxy_goes_back_and_comes_again();
    proof.said("rolled back, and forth");
}

impl Proof {
    fn said(&self, what: &str) {
        println!("{:6.1?} {what}", self.begun.elapsed());
    }

    fn play(&self, args: &[&str]) -> Ran {
        play(&self.cluster, &self.quickstart.dir.join("staged"), args)
    }

    /// Runs a script on a host; it must succeed.
    #[track_caller]
    fn on(&self, host: &str, script: &str) -> String {
        self.cluster.machine(host).run(script).ok().to_owned()
    }

    /// The site by one of its addresses, as a user.
    fn user(&self, front: &str, args: &[&str]) -> Ran {
        curl(&self.cluster, "user", front, &self.ca, args)
    }

    /// A server itself, as an administrator.
    fn admin(&self, server: &str, path: &str, more: &[&str]) -> Ran {
        let url = format!("http://{server}:8065{path}");
        let args = [
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "30",
            "--noproxy",
            "*",
        ];
        self.cluster
            .from("admin", "curl", &[&args[..], more, &[&url]].concat())
    }

    fn a_host_that_fails_stops_all_after_it(&self) {
        // The unit cannot be put where a folder stands.
        let trap = "/etc/systemd/system/mattermost.service";
        self.on("app2", &format!("mkdir -p {trap}/in-the-way"));
        let ran = self.play(&["site.yml"]);
        let ends = recap(&ran.stdout);
        assert_ne!(ran.status, 0, "{}", ran.stdout);
        let failed: Vec<&str> = ends
            .iter()
            .filter(|(_, _, failed)| *failed > 0)
            .map(|(host, ..)| host.as_str())
            .collect();
        assert_eq!(failed, ["app2"], "{}\n{}", ran.stdout, ran.stderr);
        for host in ["app3", "web1", "web2"] {
            let there = "ls -d /opt/mattermost /etc/nginx /etc/mattermost /opt/haversack 2>/dev/null || true";
            assert_eq!(self.on(host, there), "", "{host} was touched");
        }
        self.on("app2", &format!("rm -r {trap}"));
    }

    fn installs(&self) {
        let ran = self.play(&["site.yml"]);
        if ran.status != 0 {
            self.tell_what_failed();
            self.hold();
        }
        assert_eq!(ran.status, 0, "{}\n{}", ran.stdout, ran.stderr);
        for guest in self.cluster.machines() {
            let most = guest.run("ps axo rss=,comm= --sort=-rss | head -n 1");
            println!(
                "{}: {} MiB written; {}",
                guest.name(),
                guest.megabytes(),
                most.ok()
            );
        }
        let proven = self.play(&["verify.yml"]);
        assert_eq!(proven.status, 0, "{}\n{}", proven.stdout, proven.stderr);
        for (host, ..) in HOSTS {
            let said = self.on(host, &format!("sh /root/haversack/{host}/verify.sh"));
            let last = said.lines().last().unwrap_or_default();
            assert!(last.contains(" 0 failed"), "{host}: {said}");
        }
    }

    /// A unit of the deployment that failed is found; one of somebody else is told, and stops nothing.
    fn a_failed_unit_counts_when_it_is_ours(&self) {
        let verify = || {
            self.cluster
                .machine("db2")
                .run("sh /root/haversack/db2/verify.sh")
        };
        for unit in ["foreign", "mattermost-probe"] {
            self.on("db2", &format!("systemd-run --quiet --unit {unit} false"));
            wait_for("the unit to fail", || {
                let ask = format!("systemctl is-failed {unit} || true");
                (self.on("db2", &ask) == "failed").then_some(())
            });
        }
        let ran = verify();
        assert_eq!(ran.status, 1, "{}", ran.stdout);
        let fault = "FAIL  mattermost-probe.service has failed; next: systemctl status";
        assert!(ran.stdout.contains(fault), "{}", ran.stdout);
        self.on("db2", "systemctl reset-failed mattermost-probe");
        let ran = verify();
        assert_eq!(ran.status, 0, "{}", ran.stdout);
        let told = "WARN  foreign.service, which is no part of this deployment, has failed";
        assert!(ran.stdout.contains(told), "{}", ran.stdout);
    }

    fn a_second_run_changes_nothing(&self) {
        let ran = self.play(&["site.yml"]);
        assert_eq!(ran.status, 0, "{}\n{}", ran.stdout, ran.stderr);
        let mut expected: Vec<_> = HOSTS.map(|(host, ..)| (host.to_owned(), 0, 0)).into();
        expected.sort();
        assert_eq!(recap(&ran.stdout), expected, "{}", ran.stdout);
    }

    /// Every first packet that a machine sent since it booted had its place in the port matrix.
    fn nothing_was_tried_that_the_plan_does_not_have(&self) {
        let plan = plan(&self.quickstart);
        for (host, ..) in HOSTS {
            let tried = self.cluster.machine(host).tried();
            let odd: Vec<_> = tried
                .iter()
                .filter(|tried| !ports::may_try(&plan, host, tried))
                .collect();
            assert!(odd.is_empty(), "{host} tried {odd:?}");
            println!("{host} tried {} destinations, all planned", tried.len());
        }
    }

    fn psql(&self, host: &str, sql: &str) -> Ran {
        self.cluster.machine(host).run(&format!(
            "cd / && runuser -u postgres -- psql -XtAc \"{sql}\" mattermost"
        ))
    }

    fn the_replica_streams_and_refuses_writes(&self) {
        let streams = self.psql(
            "db1",
            "select host(client_addr), r.state, s.ssl from pg_stat_replication r join pg_stat_ssl s using (pid)",
        );
        assert_eq!(streams.ok(), "10.20.0.21|streaming|t");
        assert_eq!(self.psql("db2", "select pg_is_in_recovery()").ok(), "t");
        self.psql(
            "db1",
            "create table proof (n int); insert into proof values (7)",
        )
        .ok();
        let there = wait_for("the row on the replica", || {
            let row = self.psql("db2", "select n from proof");
            (row.status == 0 && !row.stdout.trim().is_empty()).then_some(row.stdout)
        });
        assert_eq!(there.trim(), "7");
        let refused = self.psql("db2", "insert into proof values (8)");
        assert!(
            refused
                .refused()
                .contains("cannot execute INSERT in a read-only transaction"),
            "{}",
            refused.stderr
        );
        self.psql("db1", "drop table proof").ok();
    }

    /// Each server reaches both others on the gossip port, over TCP and UDP, and all of them have one
    /// database.
    fn the_servers_are_one(&self) {
        let servers = [
            ("app1", "10.20.0.11"),
            ("app2", "10.20.0.12"),
            ("app3", "10.20.0.13"),
        ];
        for (name, address) in servers {
            let status = self.admin(address, "/api/v4/cluster/status", &[]);
            let status: serde_json::Value = serde_json::from_str(status.ok()).expect("JSON");
            let others: Vec<serde_json::Value> = servers
                .iter()
                .filter(|(other, _)| *other != name)
                .map(|(other, address)| {
                    serde_json::json!({ "hostname": other, "address": format!("{address}:8074"), "tcp": other, "udp": other })
                })
                .collect();
            assert_eq!(status["is"], serde_json::Value::Array(others), "{name}");
        }
        let written = self.admin("10.20.0.11", "/api/v4/posts", &["--data", "good morning"]);
        let written: serde_json::Value = serde_json::from_str(written.ok()).expect("JSON");
        let id = written["is"]["id"].as_str().expect("an id").to_owned();
        let read = self.admin("10.20.0.13", &format!("/api/v4/posts/{id}"), &[]);
        let read: serde_json::Value = serde_json::from_str(read.ok()).expect("JSON");
        assert_eq!(read["node"], "app3");
        assert_eq!(read["is"]["message"], "good morning");
    }

    fn a_file_of_one_server_is_read_through_another(&self) {
        let sent = self.quickstart.dir.join("sent");
        let got = self.quickstart.dir.join("got");
        let bytes: Vec<u8> = (0..3_000_001_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
            .collect();
        std::fs::write(&sent, &bytes).expect("a file");
        let data = format!("@{}", sent.display());
        let up = self.admin("10.20.0.11", "/api/v4/files", &["--data-binary", &data]);
        let up: serde_json::Value = serde_json::from_str(up.ok()).expect("JSON");
        assert_eq!(
            (&up["node"], &up["bytes"]),
            (&"app1".into(), &bytes.len().into())
        );
        let path = format!("/api/v4/files/{}", up["id"].as_str().expect("an id"));
        let out = got.display().to_string();
        self.admin("10.20.0.13", &path, &["--output", &out]).ok();
        assert!(
            std::fs::read(&got).expect("a file") == bytes,
            "other bytes through app3"
        );
        // And so for users.
        for front in FRONTS {
            std::fs::remove_file(&got).expect("it was there");
            self.user(
                front,
                &["--fail", "--output", &out, &format!("{SITE}{path}")],
            )
            .ok();
            assert!(
                std::fs::read(&got).expect("a file") == bytes,
                "other bytes through {front}"
            );
        }
    }

    /// The upgrade through a proxy, and text frames there and back.
    fn a_websocket_passes(&self, front: &str) {
        let handshake = "printf 'GET /api/v4/websocket?keep HTTP/1.1\\r\\nHost: chat.mm.internal\\r\\nConnection: Upgrade\\r\\n\
             Upgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\
             Origin: https://chat.mm.internal\\r\\n\\r\\n'";
        // Two masked text frames (mask 0), then the frame that ends it.
        let frames = r"sleep 0.5; printf '\x81\x85\x00\x00\x00\x00hello'; sleep 0.3; printf '\x81\x85\x00\x00\x00\x00again'; sleep 0.3; printf '\x88\x80\x00\x00\x00\x00'";
        let script = format!(
            "({handshake}; {frames}; sleep 0.3) | timeout 20 openssl s_client -quiet -connect {front}:443 -servername chat.mm.internal -verify_return_error -CAfile {} 2>/dev/null",
            self.ca
        );
        let talk = self.cluster.from("user", "bash", &["-c", &script]).stdout;
        assert!(
            talk.starts_with("HTTP/1.1 101 Switching Protocols"),
            "{front}: {talk}"
        );
        assert!(
            talk.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "{front}: {talk}"
        );
        assert!(
            talk.ends_with("\u{5}again") && talk.contains("\u{5}hello"),
            "{front}: {talk:?}"
        );
    }

    fn exactly_the_planned_ports_are_open(&self) {
        let planned = ports::planned(&plan(&self.quickstart));
        assert_eq!(planned.len(), 50, "{planned:?}");
        let found = ports::found(&self.cluster, &planned);
        let closed: Vec<_> = planned.difference(&found).collect();
        let open: Vec<_> = found.difference(&planned).collect();
        assert!(
            closed.is_empty() && open.is_empty(),
            "planned, not served: {closed:?}\nserved, not planned: {open:?}"
        );
        println!("{} ways are open, all planned", found.len());
    }

    fn a_killed_server_loses_only_what_was_in_flight(&self) {
        let pid = || {
            self.on(
                "app2",
                "systemctl show --property MainPID --value mattermost",
            )
        };
        let old = pid();
        let (killed, requests) = during(&self.cluster, SHARED, &self.ca, || {
            self.on("app2", &format!("kill -9 {old}"));
            let killed = Instant::now();
            wait_for("app2 to come back", || {
                let ping = self.admin("10.20.0.12", "/api/v4/system/ping", &[]);
                (ping.status == 0).then_some(())
            });
            // The proxy leaves a server alone for ten seconds.
            thread::sleep(Duration::from_secs(12));
            killed
        });
        assert_ne!(pid(), old);
        let restarts = self.on(
            "app2",
            "systemctl show --property NRestarts --value mattermost",
        );
        assert_eq!(restarts, "1");

        let (begun, ended) = worked_on(&self.cluster, "app2");
        let elsewhere: Vec<u32> = ["app1", "app3"]
            .iter()
            .flat_map(|host| worked_on(&self.cluster, host).0)
            .collect();
        let failed: Vec<&Request> = requests
            .iter()
            .filter(|request| !request.is_well())
            .collect();
        println!(
            "{} requests, {} under way on app2 when it was killed, {} failed: {failed:?}",
            requests.len(),
            begun.difference(&ended).count(),
            failed.len()
        );
        for request in &failed {
            assert!(request.begun < killed, "sent after the kill: {request:?}");
            assert!(
                !request.repeatable,
                "the proxy did not ask another server: {request:?}"
            );
            assert!(
                !ended.contains(&request.id) && !elsewhere.contains(&request.id),
                "it was not under way on app2: {request:?}"
            );
        }
        // The other way round: what was under way and may not be repeated failed, what may was repeated.
        let under_way: Vec<&Request> = requests
            .iter()
            .filter(|request| begun.contains(&request.id) && !ended.contains(&request.id))
            .collect();
        assert!(!under_way.is_empty(), "nothing was under way on app2");
        for request in under_way {
            assert_eq!(request.is_well(), request.repeatable, "{request:?}");
            assert_ne!(request.node, "app2");
        }
        let again = requests
            .iter()
            .filter(|request| request.begun > killed && request.node == "app2");
        assert!(again.count() > 0, "no user came back to app2");
    }

    /// Which proxies have the shared address.
    fn holders(&self) -> Vec<&'static str> {
        let has = |host: &&str| {
            let list = self.on(host, "ip -4 -o address show");
            list.contains(&format!(" {SHARED}/"))
        };
        ["web1", "web2"].into_iter().filter(has).collect()
    }

    fn the_shared_address_moves(&self) {
        let [holder] = self.holders()[..] else {
            panic!("{:?} hold {SHARED}", self.holders());
        };
        let other = if holder == "web1" { "web2" } else { "web1" };
        self.on(holder, "systemctl stop nginx");
        let begun = Instant::now();
        wait_for("the other proxy to take the address", || {
            (self.holders() == [other]).then_some(())
        });
        let ping = wait_for("an answer of the other proxy", || {
            let ping = self.user(
                SHARED,
                &[
                    "--fail",
                    "--connect-timeout",
                    "1",
                    &format!("{SITE}/api/v4/system/ping"),
                ],
            );
            (ping.status == 0).then_some(ping.stdout)
        });
        println!(
            "{SHARED} moved from {holder} to {other} in {:.1?}",
            begun.elapsed()
        );
        assert!(ping.contains("\"status\":\"OK\""), "{ping}");
        self.a_websocket_passes(SHARED);
        self.on(holder, "systemctl start nginx");
        wait_for("one holder", || (self.holders().len() == 1).then_some(()));
    }

    fn one_proxy_goes_back_and_comes_again(&self) {
        let state = "ls -d /etc/nginx/sites-enabled/mattermost* /etc/nginx/sites-available/mattermost* /etc/keepalived/keepalived.conf /etc/nginx/ssl/mattermost 2>/dev/null | sort || true";
        let installed = self.on("web2", state);
        assert!(installed.lines().count() >= 2, "{installed}");
        let back = self.play(&["rollback.yml", "--limit", "web2"]);
        assert_eq!(back.status, 0, "{}\n{}", back.stdout, back.stderr);
        assert_eq!(self.on("web2", state), "", "the rollback left them");
        // The site goes on without it.
        let ping = wait_for("an answer of web1", || {
            let ping = self.user(
                SHARED,
                &[
                    "--fail",
                    "--connect-timeout",
                    "1",
                    &format!("{SITE}/api/v4/system/ping"),
                ],
            );
            (ping.status == 0).then_some(ping.stdout)
        });
        assert!(ping.contains("\"status\":\"OK\""), "{ping}");
        let again = self.play(&["site.yml", "--limit", "web2"]);
        assert_eq!(again.status, 0, "{}\n{}", again.stdout, again.stderr);
        assert_eq!(self.on("web2", state), installed);
        self.a_websocket_passes("10.20.0.6");
    }

    /// The failed units of every host, and what their journals say.
    fn tell_what_failed(&self) {
        let script = "systemctl --failed --plain --no-legend | while read -r unit _; do systemctl status --no-pager --lines 30 \"$unit\"; done";
        for (host, ..) in HOSTS {
            println!("{host}: {}", self.cluster.machine(host).run(script).stdout);
        }
    }

    /// For whoever looks for a fault: `HAVERSACK_HOLD=600` keeps the machines for so many seconds.
    fn hold(&self) {
        let seconds = std::env::var("HAVERSACK_HOLD")
            .ok()
            .and_then(|text| text.parse().ok());
        if let Some(seconds) = seconds {
            self.said("held");
            thread::sleep(Duration::from_secs(seconds));
        }
    }
}
