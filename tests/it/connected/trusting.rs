//! What an earlier lock holds later ones, and builds, to.

use std::collections::BTreeSet;

use haversack::event::Silent;
use haversack::lock::Lock;
use haversack::resolve::{Earlier, ResolveError, Update};
use haversack::types::digest::Digest;

use super::{Bench, manifest_of};
use crate::support::http::Server;

/// The time that the signatures of the fixtures are judged at.
fn now() -> jiff::Timestamp {
    "2026-11-23T18:00:00Z".parse().unwrap()
}

fn after(manifest: &str, lock: &Lock, update: Update) -> Result<Lock, ResolveError> {
    let earlier = Earlier {
        lock: Some(lock.clone()),
        update,
    };
    Bench::new().resolve_with(manifest, now(), earlier, &Silent)
}

fn only(names: &[&str]) -> Update {
    let names: BTreeSet<_> = names.iter().map(|name| name.parse().unwrap()).collect();
    Update::Only(names)
}

#[test]
fn a_first_lock_holds_until_a_person_lets_it_go() {
    let server = Server::start();
    server.put("a", "one");
    let trust = "trust = { first-lock = \"upstream publishes nothing\" }";
    let text = manifest_of(&server.url("a"), trust);
    let old = Bench::new().resolve(&text).unwrap();
    assert_eq!(after(&text, &old, Update::default()).unwrap(), old);

    server.put("a", "two");
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    for update in [Update::default(), only(&["other"])] {
        let error = after(&text, &old, update).unwrap_err();
        assert_eq!(error.id(), "E330");
        let url = server.url("a");
        assert_eq!(
            error.to_string(),
            format!(
                "evidence for a disagrees: the lock before (extra-tool 1.2.3) says {one}; {url} now says {two}"
            )
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("--update extra-tool"), "{hint}");
    }
    for update in [only(&["extra-tool"]), Update::All] {
        let new = after(&text, &old, update).unwrap();
        assert_eq!(new.artifacts[0].file.sha256, two);
    }

    // Another version, or another place, is another file.
    let newer = text.replace("1.2.3", "1.2.4");
    let new = after(&newer, &old, Update::default()).unwrap();
    assert_eq!(new.artifacts[0].file.sha256, two);
    server.put("b", "two");
    let elsewhere = manifest_of(&server.url("b"), trust);
    after(&elsewhere, &old, Update::default()).unwrap();
    // Where somebody vouches, the earlier lock has no say.
    let vouched = manifest_of(&server.url("a"), &format!("sha256 = \"{two}\""));
    after(&vouched, &old, Update::default()).unwrap();
}
