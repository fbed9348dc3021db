//! `INSTALL.md`: what a person reads who cannot ask.

use std::fs;
use std::time::Instant;

use crate::stage::topology::HA_S3;
use crate::support::staged::{Staged, all_packages};

fn headings(staged: &Staged) -> Vec<String> {
    let text = fs::read_to_string(staged.out().join("INSTALL.md")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("## "));
    lines
        .map(|line| line.split(" (").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn the_guide_of_one_host_speaks_of_one_host() {
    let staged = Staged::new();
    assert_eq!(
        headings(&staged),
        [
            "## Before",
            "## 1. mm1",
            "## When a host fails",
            "## After",
            "## Notes"
        ]
    );
}

#[test]
fn the_guide_of_many_hosts_has_both_ways_their_order_and_what_comes_later() {
    let staged = Staged::with(HA_S3, &all_packages()).unwrap();
    assert_eq!(
        headings(&staged),
        [
            "## Before",
            "## Two ways",
            "## 1. db1",
            "## 2. db2",
            "## 3. files1",
            "## 4. push1",
            "## 5. app1",
            "## 6. app2",
            "## 7. app3",
            "## 8. web1",
            "## 9. web2",
            "## 10. mon1",
            "## When a host fails",
            "## After",
            "## Later: one more application server",
            "## When the database fails",
            "## Notes"
        ]
    );
    let text = fs::read_to_string(staged.out().join("INSTALL.md")).unwrap();
    for line in [
        "resolves to 10.20.0.4 for users",
        "When db1 does not come back:",
        "2. On db2: `runuser -u postgres -- psql --command='SELECT pg_promote()'`",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    for host in &staged.report.hosts {
        let digest = format!("--manifest {}", host.manifest);
        assert_eq!(text.matches(&digest).count(), 1, "{}", host.name);
        // Every script that is named lies there.
        for script in ["preflight.sh", "install.sh", "verify.sh", "rollback.sh"] {
            let path = staged.out().join(host.name.as_str()).join(script);
            assert!(path.is_file(), "{}", path.display());
        }
    }
    let begun = Instant::now();
    staged.again("staged").unwrap();
    println!("staged ten hosts again in {:?}", begun.elapsed());
}
