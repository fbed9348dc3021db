//! The next version of a trust set: carried by those who are trusted now, and by nobody else.

use super::{Site, copy};

/// A site whose trust needs two of Alice and Bob, and a next set in which Cleo takes Bob's place.
fn site() -> Site {
    let site = Site::new();
    site.trust("trust", &["alice", "bob"], "threshold = 2\n");
    site.ok(&["trust", "seal", "trust", "--version", "1"]);
    site.trust("next", &["alice", "cleo"], "threshold = 2\n");
    site.ok(&["trust", "seal", "next", "--version", "2"]);
    site
}

fn update(site: &Site, code: i32) -> String {
    site.ends(&["trust", "update", "trust", "--with", "next"], code)
}

#[test]
fn the_next_set_comes_in_when_the_old_threshold_signed_it() {
    let site = site();
    let said = update(&site, 4);
    assert!(said.contains("error[E401]"), "{said}");
    site.ok(&["trust", "sign", "next", "--key", "alice.key"]);
    // The new key cannot vouch for itself.
    site.ok(&["trust", "sign", "next", "--key", "cleo.key"]);
    let said = update(&site, 4);
    assert!(
        said.contains("error[E403]") && said.contains("1 of 2"),
        "{said}"
    );
    assert!(
        site.ok(&["trust", "show", "trust"])
            .contains("version   1\n")
    );
    // Bob signs with openssl, in his own room.
    let name = format!("next/sig/{}.sig", site.key_id(1));
    site.openssl(&[
        "dgst",
        "-sha384",
        "-sign",
        "bob.key",
        "-out",
        &name,
        "next/TRUST.sha256",
    ]);
    let said = update(&site, 0);
    assert!(said.contains("has version 2 now, instead of 1"), "{said}");
    let said = site.ok(&["trust", "show", "trust"]);
    assert!(
        said.contains("version   2\n") && said.contains("cleo.pem"),
        "{said}"
    );
    assert!(!said.contains("bob.pem"), "{said}");
    // What was, and who let it go, stays.
    assert!(site.path("trust/history/1/bob.pem").exists());
    let log = std::fs::read_to_string(site.path("trust/updates.log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.trim_end()).unwrap();
    assert_eq!(
        (line.get("from").unwrap(), line.get("to").unwrap()),
        (&1.into(), &2.into())
    );
    assert_eq!(line.get("signers").unwrap().as_array().unwrap().len(), 2);
    // Any shell checks the list.
    let checked = std::process::Command::new("sha256sum")
        .args(["--strict", "--quiet", "-c", "TRUST.sha256"])
        .current_dir(site.path("trust"))
        .status();
    assert!(checked.unwrap().success());
    // The signatures of bundles are judged by it.
    site.ok(&["sign", "demo", "--key", "alice.key"]);
    site.ok(&["sign", "demo", "--key", "bob.key"]);
    assert!(site.verify("trust", 4).contains("error[E403]"));
    site.ok(&["sign", "demo", "--key", "cleo.key"]);
    site.verify("trust", 0);
    // Neither the same version again, nor the one before.
    let said = update(&site, 5);
    assert!(said.contains("error[E513]"), "{said}");
}

#[test]
fn no_version_is_left_out_or_taken_back() {
    let site = site();
    for version in ["1", "3"] {
        site.ok(&["trust", "seal", "next", "--version", version]);
        site.ok(&["trust", "sign", "next", "--key", "alice.key"]);
        site.ok(&["trust", "sign", "next", "--key", "bob.key"]);
        let said = update(&site, 5);
        assert!(said.contains("error[E513]"), "{said}");
        assert!(
            said.contains(&format!(
                "version {version} is offered; version 1 is current"
            )),
            "{said}"
        );
    }
}

#[test]
fn a_key_that_was_revoked_never_counts_again() {
    let site = site();
    let list = |version: u32, key: &str| {
        format!(
            "format = 1\nversion = {version}\n[[revoked]]\nkey = \"{key}\"\nreason = \"lost\"\n"
        )
    };
    std::fs::write(site.path("trust/revoked.toml"), list(5, &"0f".repeat(8))).unwrap();
    site.ok(&["trust", "seal", "trust", "--version", "1"]);
    for key in ["alice.key", "bob.key"] {
        site.ok(&["trust", "sign", "next", "--key", key]);
    }
    let said = update(&site, 5);
    assert!(said.contains("error[E514]"), "{said}");
    std::fs::write(site.path("next/revoked.toml"), list(6, &"0f".repeat(8))).unwrap();
    site.ok(&["trust", "seal", "next", "--version", "2"]);
    for key in ["alice.key", "bob.key"] {
        site.ok(&["trust", "sign", "next", "--key", key]);
    }
    update(&site, 0);
}

#[test]
fn a_set_that_was_changed_after_it_was_signed_does_not_come_in() {
    type Tamper = (&'static str, i32, fn(&Site));
    let site = site();
    site.ok(&["trust", "sign", "next", "--key", "alice.key"]);
    site.ok(&["trust", "sign", "next", "--key", "bob.key"]);
    copy(&site.path("next"), &site.path("signed"));
    let before = site.ok(&["trust", "show", "trust"]);
    let tampers: [Tamper; 4] = [
        ("a key was exchanged", 2, |site| {
            std::fs::copy(site.path("bob.pem"), site.path("next/cleo.pem")).unwrap();
        }),
        ("a key was added", 2, |site| {
            std::fs::copy(site.path("bob.pem"), site.path("next/bob.pem")).unwrap();
        }),
        ("the policy was taken out", 2, |site| {
            std::fs::remove_file(site.path("next/policy.toml")).unwrap();
        }),
        ("the list was changed", 4, |site| {
            let list = std::fs::read_to_string(site.path("next/TRUST.sha256")).unwrap();
            site.write("next/TRUST.sha256", &list.replace("version 2", "version 3"));
        }),
    ];
    for (what, code, tamper) in tampers {
        std::fs::remove_dir_all(site.path("next")).unwrap();
        copy(&site.path("signed"), &site.path("next"));
        tamper(&site);
        let said = update(&site, code);
        let id = if code == 4 { "E402" } else { "E298" };
        assert!(said.contains(&format!("error[{id}]")), "{what}: {said}");
        assert_eq!(site.ok(&["trust", "show", "trust"]), before, "{what}");
    }
    // A sealed directory that somebody changed by hand is not used.
    std::fs::copy(site.path("cleo.pem"), site.path("trust/cleo.pem")).unwrap();
    site.ok(&["sign", "demo", "--key", "alice.key"]);
    let said = site.verify("trust", 2);
    assert!(
        said.contains("error[E298]") && said.contains("cleo.pem is there, but not listed"),
        "{said}"
    );
    // The list of a bundle is no list of a trust set, whoever signed it.
    std::fs::copy(site.path("demo/SHA256SUMS"), site.path("next/TRUST.sha256")).unwrap();
    std::fs::remove_dir_all(site.path("next/sig")).unwrap();
    site.ok(&["sign", "demo", "--key", "bob.key"]);
    copy(&site.path("demo/sig"), &site.path("next/sig"));
    std::fs::remove_file(site.path("trust/cleo.pem")).unwrap();
    let said = update(&site, 2);
    assert!(said.contains("error[E298]"), "{said}");
}
