//! What an earlier lock holds later ones, and builds, to.

use std::collections::BTreeSet;

use haversack::event::{Cancel, Silent};
use haversack::fetch::FetchError;
use haversack::lock::{Lock, Vouched};
use haversack::manifest::Manifest;
use haversack::resolve::{Earlier, RecheckError, ResolveError, Update, recheck};
use haversack::types::digest::Digest;

use super::{Bench, NAME, RELEASE_KEY, SIGNATURE, TOOL, TOOL_SHA256, head, key_lines, manifest_of};
use crate::support::http::{Behaviour, Server};

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

/// What a build makes of a lock, with everything in the store that the lock names.
fn check(bench: &Bench, manifest: &str, lock: &Lock) -> Result<(), RecheckError> {
    let manifest = Manifest::parse(manifest, "m.toml").unwrap();
    recheck(lock, &manifest, &bench.store, now(), &Cancel::new())
}

#[test]
fn an_edited_lock_is_not_believed_although_it_names_its_evidence() {
    let server = Server::start();
    server.put(NAME, TOOL);
    server.put(&format!("{NAME}.sig"), SIGNATURE);
    server.put("sums", format!("{TOOL_SHA256}  {NAME}\n"));
    let url = server.url(NAME);
    let signed = format!("signature = {{ openpgp = \"{url}.sig\", key = \"release\" }}");
    let listed = format!("sha256 = {{ url = \"{}\" }}", server.url("sums"));
    let literal = format!("sha256 = \"{TOOL_SHA256}\"");
    let keys = key_lines(&server);
    for (lines, why) in [
        (&signed, "did not sign these bytes"),
        (&listed, "sha256 stated by a checksum file"),
        (&literal, "sha256 stated by the manifest"),
    ] {
        let bench = Bench::new();
        let text = manifest_of(&url, lines) + &keys;
        let good = bench.resolve(&text).unwrap();
        bench.fetch(&good).unwrap();
        check(&bench, &text, &good).unwrap();

        // Other bytes, which are in the store: a fetch would not notice.
        let mut lock = good.clone();
        lock.artifacts[0].file.sha256 = bench.store.put(b"evil").unwrap();
        lock.artifacts[0].file.size = 4;
        let error = check(&bench, &text, &lock).unwrap_err();
        assert_eq!(error.id(), "E331", "{error}");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error}: {}", source.unwrap_or_default());
        assert!(told.contains(why), "{told}");

        // The same with the evidence taken away, of another place, or of another component.
        let first_lock = Vouched::FirstLock("nobody vouches".to_owned());
        let edits: [fn(&mut Lock); 4] = [
            |lock| lock.artifacts[0].evidence.clear(),
            |lock| lock.artifacts[0].file.url = "https://evil.example/tool".parse().unwrap(),
            |lock| lock.artifacts[0].expect = Some("other".to_owned()),
            |lock| lock.artifacts.clear(),
        ];
        for (number, edit) in edits.iter().enumerate() {
            let mut lock = good.clone();
            edit(&mut lock);
            let error = check(&bench, &text, &lock).unwrap_err();
            assert_eq!(error.id(), "E331", "{number}: {error}");
        }
        let mut lock = good.clone();
        lock.artifacts[0].evidence[0].vouched = first_lock;
        assert_eq!(check(&bench, &text, &lock).unwrap_err().id(), "E331");
        let mut lock = good.clone();
        let more = lock.artifacts[0].clone();
        lock.artifacts.push(more);
        lock.artifacts[1].file.path = "files/extra-tool/more".parse().unwrap();
        let error = check(&bench, &text, &lock).unwrap_err().to_string();
        assert!(error.contains("does not ask for it"), "{error}");
    }
    // A signer whom the manifest does not pin.
    let bench = Bench::new();
    let text = manifest_of(&url, &signed) + &keys;
    let mut lock = bench.resolve(&text).unwrap();
    let other = RELEASE_KEY.replace('5', "6").parse().unwrap();
    lock.artifacts[0].evidence[0].vouched = Vouched::OpenPgp(other);
    let error = check(&bench, &text, &lock).unwrap_err().to_string();
    assert!(
        error.contains("which the key `release` does not pin"),
        "{error}"
    );
}

#[test]
fn artifacts_of_the_same_bytes_are_each_looked_into_and_share_their_places() {
    let server = Server::start();
    server.put("a.tar.gz", TOOL);
    server.put("b.tar.gz", TOOL);
    let row = |name: &str, expect: &str| {
        format!(
            "[[artifact]]\ncomponent = \"extra-{name}\"\nversion = \"1\"\nurl = \"{}\"\n\
             sha256 = \"{TOOL_SHA256}\"\nexpect = \"{expect}\"\n",
            server.url(&format!("{name}.tar.gz"))
        )
    };
    let both = |first: &str, second: &str| head() + &row("a", first) + &row("b", second);
    let mut bench = Bench::new();
    let lock = bench
        .resolve(&both("tool/bin/tool", "tool/bin/tool"))
        .unwrap();
    assert_eq!(bench.fetch(&lock).unwrap().surveyed, 2);
    for (first, second, path) in [
        ("tool/bin/tool", "absent", "files/extra-b/b.tar.gz"),
        ("absent", "tool/bin/tool", "files/extra-a/a.tar.gz"),
    ] {
        assert_eq!(
            bench.resolve(&both(first, second)).unwrap_err().id(),
            "E702"
        );
        let mut lock = lock.clone();
        for (artifact, expect) in lock.artifacts.iter_mut().zip([first, second]) {
            artifact.expect = Some(expect.to_owned());
        }
        let error = bench.fetch(&lock).unwrap_err();
        let FetchError::Files { failures, .. } = error else {
            panic!("{error}")
        };
        let paths: Vec<_> = failures.iter().map(|one| one.file.path.as_str()).collect();
        assert_eq!(paths, [path]);
    }
    // Whichever place is down, the other has the bytes.
    for down in ["a.tar.gz", "b.tar.gz"] {
        bench.empty_store();
        let stored = bench.store.path_of(&TOOL_SHA256.parse().unwrap());
        let _ = std::fs::remove_file(stored);
        server.behave(down, Behaviour::Status(404, 1000));
        assert_eq!(bench.fetch(&lock).unwrap().surveyed, 2, "{down}");
        server.behave(down, Behaviour::Status(404, 0));
    }
}
