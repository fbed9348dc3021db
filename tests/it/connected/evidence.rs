//! Checksum documents that are signed themselves, digests on pages, and what a release API says.

use haversack::event::Cancel;
use haversack::lock::{Lock, Vouched};
use haversack::manifest::Manifest;
use haversack::resolve::recheck;

use super::{Bench, NAME, RELEASE_KEY, TOOL, TOOL_SHA256, head, key_lines, manifest_of};
use crate::apt::openpgp::Gpg;
use crate::support::http::Server;

const MADE: &str = "20260101T000000";
const SIGNED: &str = "20260201T000000";
const OTHER_SHA256: &str = "7c5bd8512c6e966455b1d198209358b2d191c77a83ab377c4073281065fb855f";

/// The lock written, read back, and checked again from the store.
#[track_caller]
fn holds(bench: &Bench, text: &str, lock: &Lock) -> Result<(), haversack::resolve::RecheckError> {
    let written = lock.to_toml();
    let read = Lock::parse(&written, "m.lock").unwrap();
    assert_eq!(read, *lock);
    assert_eq!(read.to_toml(), written);
    let manifest = Manifest::parse(text, "m.toml").unwrap();
    let now = "2026-11-23T18:00:00Z".parse().unwrap();
    recheck(&read, &manifest, &bench.store, now, &Cancel::new())
}

fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "documents, and then what becomes of them"
)]
fn a_checksum_document_must_be_signed_by_the_key_that_is_named() {
    let gpg = Gpg::new();
    let signer = gpg.key("sums@example", "ed25519", MADE, "0");
    gpg.key("other@example", "ed25519", MADE, "0");
    let server = Server::start();
    server.put(NAME, TOOL);
    server.put("sums.gpg", gpg.export("sums@example"));
    let sha512 = haversack::types::sha512::Sha512::of(TOOL).unwrap();
    let list =
        format!("{OTHER_SHA256}  a.zip\n{TOOL_SHA256}  ./{NAME}\nSHA512 ({NAME}) = {sha512}\n");
    let file = gpg.path("list", list.as_bytes());
    let clear = gpg.sign("sums@example", &["--clear-sign"], SIGNED, &file);
    let foreign = gpg.sign("other@example", &["--clear-sign"], SIGNED, &file);
    let weak = [
        "--clear-sign",
        "--digest-algo",
        "SHA1",
        "--allow-weak-digest-algos",
    ];
    let weak = gpg.sign("sums@example", &weak, SIGNED, &file);
    let clear_text = String::from_utf8(clear.clone()).unwrap();
    server.put("clear", clear);
    server.put("foreign", foreign);
    server.put("weak", weak);
    server.put("changed", clear_text.replace(TOOL_SHA256, OTHER_SHA256));
    server.put("before", format!("{OTHER_SHA256}  {NAME}\n{clear_text}"));
    server.put("plain", list.clone());
    server.put(
        "plain.asc",
        gpg.sign("sums@example", &["--detach-sign", "--armor"], SIGNED, &file),
    );
    server.put(
        "plain.sig",
        gpg.sign("sums@example", &["--detach-sign"], SIGNED, &file),
    );
    server.put(
        "other.sig",
        gpg.sign("other@example", &["--detach-sign"], SIGNED, &file),
    );
    server.put("longer", list + "more\n");
    let key = format!(
        "[[key]]\nname = \"sums\"\nopenpgp = [\"{signer}\"]\nurl = \"{}\"\n",
        server.url("sums.gpg")
    );
    let manifest = |kind: &str, document: &str, signature: Option<&str>| {
        let signature = signature.map_or_else(String::new, |one| {
            format!(", signature = \"{}\"", server.url(one))
        });
        let lines = format!(
            "{kind} = {{ url = \"{}\", key = \"sums\"{signature} }}",
            server.url(document)
        );
        manifest_of(&server.url(NAME), &lines) + &key
    };
    for (kind, document, signature) in [
        ("sha256", "clear", None),
        ("sha256", "plain", Some("plain.asc")),
        ("sha256", "plain", Some("plain.sig")),
        ("sha512", "clear", None),
        ("sha512", "plain", Some("plain.sig")),
    ] {
        let bench = Bench::new();
        let text = manifest(kind, document, signature);
        let lock = bench.resolve(&text).unwrap();
        let evidence = &lock.artifacts[0].evidence[0];
        let proof = evidence.signed.as_ref().unwrap();
        assert_eq!(proof.by, signer, "{kind} {document}");
        assert_eq!(proof.signature.is_some(), signature.is_some());
        assert_eq!(
            evidence.files().count(),
            if signature.is_some() { 3 } else { 2 }
        );
        bench.fetch(&lock).unwrap();
        holds(&bench, &text, &lock).unwrap();

        // The signature taken away from the lock, or another signer put into it.
        let mut edited = lock.clone();
        edited.artifacts[0].evidence[0].signed = None;
        assert_eq!(holds(&bench, &text, &edited).unwrap_err().id(), "E331");
        let mut edited = lock.clone();
        let other = edited.artifacts[0].evidence[0].signed.as_mut().unwrap();
        other.by = RELEASE_KEY.parse().unwrap();
        let error = holds(&bench, &text, &edited).unwrap_err();
        assert!(error.to_string().contains("does not pin"), "{error}");
        // The document changed, with the same name.
        let mut edited = lock.clone();
        let forged = format!("{TOOL_SHA256}  {NAME}\n");
        let document = edited.artifacts[0].evidence[0].document.as_mut().unwrap();
        document.sha256 = bench.store.put(forged.as_bytes()).unwrap();
        let error = holds(&bench, &text, &edited).unwrap_err();
        assert_eq!(error.id(), "E331", "{error}");
    }
    for (document, signature, why) in [
        ("foreign", None, "is not in the keyring"),
        ("weak", None, "SHA1, which is too weak"),
        ("changed", None, "did not sign these bytes"),
        ("plain", None, "no OpenPGP signature can be read"),
        ("plain", Some("other.sig"), "is not in the keyring"),
        ("longer", Some("plain.sig"), "did not sign these bytes"),
    ] {
        let error = Bench::new()
            .resolve(&manifest("sha256", document, signature))
            .unwrap_err();
        assert_eq!(error.id(), "E413", "{document}: {error}");
        assert!(told(&error).contains(why), "{document}: {}", told(&error));
    }
    // What stands before the signed part is not read: an attacker's line there changes nothing.
    let result = Bench::new().resolve(&manifest("sha256", "before", None));
    let locked = result.map(|lock| lock.artifacts[0].file.sha256.to_string());
    assert!(locked.map_or(true, |digest| digest == TOOL_SHA256));
}

/// A page as the documentation of Mattermost writes it (version archive), with these digests.
fn archive_page(enterprise: &str, team: &str, host: &str) -> String {
    format!(
        "<!DOCTYPE html>\n- Mattermost Enterprise Edition v11.0.5 - `{host}mattermost-11.0.5-linux-amd64.tar.gz`\n\
         \x20   - SHA-256 Checksum: ``{enterprise}``\n\
         \x20   - GPG Signature: {host}mattermost-11.0.5-linux-amd64.tar.gz.sig\n\
         - Mattermost Team Edition v11.0.5 - `{host}mattermost-team-11.0.5-linux-amd64.tar.gz`\n\
         \x20   - SHA-256 Checksum: ``{team}``\n\
         \x20   - GPG Signature: {host}mattermost-team-11.0.5-linux-amd64.tar.gz.sig\n"
    )
}

const PATTERN: &str = "{file}` - SHA-256 Checksum: ``{sha256}``";

#[test]
fn a_digest_on_a_page_is_found_by_its_pattern_and_its_piece_of_the_page_is_kept() {
    let server = Server::start();
    server.put(NAME, TOOL);
    server.put(
        "notes",
        format!("<!DOCTYPE html><pre>other.zip {OTHER_SHA256}\n<a href=\"/{NAME}\">{NAME}</a> <code>{TOOL_SHA256}</code>\n"),
    );
    let page = |pattern: &str| {
        let lines = format!(
            "sha256 = {{ page = \"{}\", pattern = '{pattern}' }}",
            server.url("notes")
        );
        manifest_of(&server.url(NAME), &lines)
    };
    let bench = Bench::new();
    let text = page(">{file}</a> <code>{sha256}</code>");
    let lock = bench.resolve(&text).unwrap();
    assert_eq!(lock.artifacts[0].file.sha256.to_string(), TOOL_SHA256);
    let evidence = &lock.artifacts[0].evidence[0];
    let excerpt = format!(">{NAME}</a> <code>{TOOL_SHA256}</code>");
    let url = server.url("notes").parse().unwrap();
    assert_eq!(evidence.vouched, Vouched::Page { url, excerpt });
    bench.fetch(&lock).unwrap();
    holds(&bench, &text, &lock).unwrap();
    // The page changes elsewhere, as pages do: the lock stays the same.
    server.put(
        "notes",
        format!("new style\n>{NAME}</a> <code>{TOOL_SHA256}</code>"),
    );
    assert_eq!(bench.resolve(&text).unwrap(), lock);

    let mut edited = lock.clone();
    if let Vouched::Page { excerpt, .. } = &mut edited.artifacts[0].evidence[0].vouched {
        *excerpt = excerpt.replace(TOOL_SHA256, OTHER_SHA256);
    }
    assert_eq!(holds(&bench, &text, &edited).unwrap_err().id(), "E331");

    for (content, count) in [
        (String::new(), 0),
        (
            format!(">{NAME}</a> <code>{TOOL_SHA256}</code>").repeat(3),
            3,
        ),
    ] {
        server.put("notes", content);
        let error = Bench::new().resolve(&text).unwrap_err();
        assert_eq!(error.id(), "E411");
        let why = format!("the pattern matches {count} times on the page; it must match once");
        assert!(told(&error).ends_with(&why), "{}", told(&error));
    }
}

/// Mattermost 11.0.5 as first published on 2025-11-17: on the page the line of the Team archive
/// carried the digest of the Enterprise archive. The catalogue has the corrected one.
#[test]
fn the_page_of_11_0_5_that_carried_the_digest_of_another_edition_stops_the_lock() {
    let enterprise = "b6309a09153e1e95b878ef28998fbbd6c1ac8a5c69dcf8f3a8ca072ddc73f810";
    let team = "bb50426606e566b56c03a3ab733a9e4fa30abb4e0bd493ff6a5479a086358db3";
    let server = Server::start();
    let manifest = |name: &str| {
        format!(
            "{}[[artifact]]\ncomponent = \"mattermost\"\nversion = \"11.0.5\"\nurl = \"{}\"\n\
             sha256 = [\"catalogue\", {{ page = \"{}\", pattern = \"{PATTERN}\" }}]\n",
            head(),
            server.url(name),
            server.url("archive"),
        )
    };
    let name = "mattermost-team-11.0.5-linux-amd64.tar.gz";
    server.put(
        "archive",
        archive_page(
            enterprise,
            enterprise,
            "https://releases.mattermost.com/11.0.5/",
        ),
    );
    let error = Bench::new().resolve(&manifest(name)).unwrap_err();
    assert_eq!(error.id(), "E330");
    assert_eq!(
        error.to_string(),
        format!(
            "evidence for {name} disagrees: the catalogue of 2026-11-23 says {team}; the page {} says {enterprise}",
            server.url("archive")
        )
    );
    // As corrected on the same day, both editions agree: what fails now is only that there is no file.
    server.put(
        "archive",
        archive_page(enterprise, team, "https://releases.mattermost.com/11.0.5/"),
    );
    for name in [name, "mattermost-11.0.5-linux-amd64.tar.gz"] {
        let error = Bench::new().resolve(&manifest(name)).unwrap_err();
        assert_eq!(error.id(), "E706", "{error}");
    }
}

/// Mattermost 10.5.1 as first published on 2025-02-19: the page carried the digest of 10.4.2, and
/// the signature over the file was good.
#[test]
fn the_stale_page_of_10_5_1_is_told_from_the_file_with_a_good_signature() {
    let server = Server::start();
    server.put(NAME, TOOL);
    server.put(&format!("{NAME}.sig"), super::SIGNATURE);
    server.put(
        "archive",
        format!("- `{NAME}`\n    - SHA-256 Checksum: ``{OTHER_SHA256}``\n"),
    );
    let lines = format!(
        "sha256 = {{ page = \"{}\", pattern = \"{PATTERN}\" }}\nsignature = {{ openpgp = \"{{url}}.sig\", key = \"release\" }}",
        server.url("archive")
    );
    let text = manifest_of(&server.url(NAME), &lines) + &key_lines(&server);
    let error = Bench::new().resolve(&text).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "evidence for {NAME} disagrees: the page {} says {OTHER_SHA256}; the file {}, with a good \
             OpenPGP signature by {RELEASE_KEY}, says {TOOL_SHA256}",
            server.url("archive"),
            server.url(NAME)
        )
    );
    server.put(
        "archive",
        format!("- `{NAME}`\n    - SHA-256 Checksum: ``{TOOL_SHA256}``\n"),
    );
    let lock = Bench::new().resolve(&text).unwrap();
    assert_eq!(lock.artifacts[0].evidence.len(), 2);
}

#[test]
fn the_release_api_is_a_second_opinion_and_never_alone() {
    let server = Server::start();
    server.put(NAME, TOOL);
    let put = |digest: &str| {
        server.put(
            "repos/example/tool/releases/tags/v1.2.3",
            format!(r#"{{"tag_name":"v1.2.3","assets":[{{"name":"{NAME}","download_count":7,"digest":{digest}}}]}}"#),
        );
    };
    let api = server.url("");
    let release = format!(
        "sha256 = {{ release = \"github:example/tool\", tag = \"v{{version}}\", api = \"{api}\" }}\n"
    );
    let first = "trust = { first-lock = \"upstream publishes no checksum\" }";
    let text = manifest_of(&server.url(NAME), &(release.clone() + first));
    put(&format!("\"sha256:{TOOL_SHA256}\""));
    let bench = Bench::new();
    let lock = bench.resolve(&text).unwrap();
    let vouched: Vec<_> = lock.artifacts[0]
        .evidence
        .iter()
        .map(|one| one.vouched.clone())
        .collect();
    let url = server
        .url("repos/example/tool/releases/tags/v1.2.3")
        .parse()
        .unwrap();
    let excerpt = format!(r#"{{"name":"{NAME}","digest":"sha256:{TOOL_SHA256}"}}"#);
    let reason = "upstream publishes no checksum".to_owned();
    assert_eq!(
        vouched,
        [
            Vouched::Release { url, excerpt },
            Vouched::FirstLock(reason)
        ]
    );
    bench.fetch(&lock).unwrap();
    holds(&bench, &text, &lock).unwrap();
    let mut edited = lock.clone();
    if let Vouched::Release { excerpt, .. } = &mut edited.artifacts[0].evidence[0].vouched {
        *excerpt = excerpt.replace(TOOL_SHA256, OTHER_SHA256);
    }
    assert_eq!(holds(&bench, &text, &edited).unwrap_err().id(), "E331");

    // It disagrees: with the file, and with another claim.
    put(&format!("\"sha256:{OTHER_SHA256}\""));
    let error = Bench::new().resolve(&text).unwrap_err();
    assert_eq!(error.id(), "E330");
    assert!(
        error
            .to_string()
            .contains(&format!("tags/v1.2.3 says {OTHER_SHA256}; the file")),
        "{error}"
    );
    let both = release
        .replace("sha256 = {", &format!("sha256 = [\"{TOOL_SHA256}\", {{"))
        .replace("}\n", "}]\n");
    let error = Bench::new()
        .resolve(&manifest_of(&server.url(NAME), &both))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("the manifest says {TOOL_SHA256}; the release API")),
        "{error}"
    );

    put("null");
    let error = Bench::new().resolve(&text).unwrap_err();
    assert_eq!(error.id(), "E411");
    assert!(
        told(&error).contains("states no SHA-256 for the asset"),
        "{}",
        told(&error)
    );

    // Alone it does not vouch.
    let alone = manifest_of(&server.url(NAME), &release);
    let problems = Manifest::parse(&alone, "m.toml").unwrap_err().to_string();
    assert!(
        problems.contains("only the release API vouches for this artifact"),
        "{problems}"
    );
}
