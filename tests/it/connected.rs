//! From manifest to lock to store, against an upstream on the loopback interface.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::too_many_lines,
    reason = "tests fail by panicking, and tables are long"
)]

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use haversack::event::{Cancel, Event, Observer, Silent};
use haversack::fetch::{FetchError, FetchReport, fetch};
use haversack::lock::{Difference, Lock, Vouched};
use haversack::manifest::{Manifest, Source, Wanted};
use haversack::net::{Client, ClientOptions};
use haversack::resolve::{Options, ResolveError, resolve};
use haversack::sources::http::Web;
use haversack::store::Store;
use haversack::types::digest::Digest;

use crate::support::http::{Behaviour, Server};

const TOOL: &[u8] = include_bytes!("../fixtures/connected/tool-1.2.3-linux-amd64.tar.gz");
const SIGNATURE: &[u8] = include_bytes!("../fixtures/connected/tool-1.2.3-linux-amd64.tar.gz.sig");
const ARMORED: &[u8] = include_bytes!("../fixtures/connected/tool-1.2.3-linux-amd64.tar.gz.asc");
const OTHER: &[u8] =
    include_bytes!("../fixtures/connected/tool-1.2.3-linux-amd64.tar.gz.other.sig");
const KEY: &[u8] = include_bytes!("../fixtures/connected/release.asc");
const BOTH_KEYS: &[u8] = include_bytes!("../fixtures/connected/both.gpg");
const RELEASE_KEY: &str = "5833ABC70DBC595C2D12CE185B335FF8DBEB4966";
const TOOL_SHA256: &str = "cd289a70d254f008c010c30340cfcdc5141568fd3d7a9798f321dbcd4178a1a1";
const NAME: &str = "tool-1.2.3-linux-amd64.tar.gz";
const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// A store, a client with little patience, and a folder for the manifest.
struct Bench {
    folder: tempfile::TempDir,
    store: Store,
    client: Client,
}

impl Bench {
    fn new() -> Self {
        Self::with_roots(Vec::new())
    }

    fn with_roots(extra_roots: Vec<Vec<u8>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let client = Client::new(ClientOptions {
            idle_timeout: Duration::from_secs(2),
            backoff: Duration::from_millis(1),
            attempts: 3,
            extra_roots,
            ..ClientOptions::default()
        })
        .unwrap();
        Self {
            folder,
            store,
            client,
        }
    }

    fn resolve(&self, manifest: &str) -> Result<Lock, ResolveError> {
        self.resolve_seen(manifest, &Silent)
    }

    fn resolve_seen(&self, manifest: &str, observer: &dyn Observer) -> Result<Lock, ResolveError> {
        // The fixed time that the signatures of the fixtures are judged at.
        let now = "2026-11-23T18:00:00Z".parse().unwrap();
        self.resolve_with(manifest, now, observer)
    }

    fn resolve_at(&self, manifest: &str, now: jiff::Timestamp) -> Result<Lock, ResolveError> {
        self.resolve_with(manifest, now, &Silent)
    }

    fn resolve_with(
        &self,
        manifest: &str,
        now: jiff::Timestamp,
        observer: &dyn Observer,
    ) -> Result<Lock, ResolveError> {
        let manifest = Manifest::parse(manifest, "m.toml").unwrap_or_else(|e| panic!("{e}"));
        let options = Options {
            system_root: "/".into(),
            now,
            jobs: TWO,
        };
        let web = Web::new(self.client.clone(), Cancel::new());
        let folder = self.folder.path();
        resolve(
            &manifest,
            folder,
            &web,
            &self.store,
            &options,
            observer,
            &Cancel::new(),
        )
    }

    fn fetch(&self, lock: &Lock) -> Result<FetchReport, FetchError> {
        fetch(
            lock,
            &self.store,
            &self.client,
            TWO,
            &Silent,
            &Cancel::new(),
        )
    }

    /// Forgets everything that was stored.
    fn empty_store(&mut self) {
        let root = self.folder.path().join("other-store");
        self.store = Store::open(&root).unwrap();
    }
}

fn head() -> String {
    "format = 1\nname = \"sample\"\ntarget = { distribution = \"debian-12\", arch = \"amd64\" }\n"
        .to_owned()
}

/// A manifest of one artifact with these further lines.
fn manifest_of(url: &str, lines: &str) -> String {
    format!(
        "{}[[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1.2.3\"\nurl = \"{url}\"\n{lines}\n",
        head()
    )
}

fn key_lines(server: &Server) -> String {
    server.put("release.asc", KEY);
    format!(
        "[[key]]\nname = \"release\"\nopenpgp = [\"{RELEASE_KEY}\"]\nurl = \"{}\"\n",
        server.url("release.asc")
    )
}

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}

#[test]
fn locks_and_fetches_with_every_kind_of_evidence() {
    let server = Server::start();
    server.put(NAME, TOOL);
    server.put(&format!("{NAME}.sig"), SIGNATURE);
    server.put(
        &format!("{NAME}.sha256"),
        format!("{TOOL_SHA256}  {NAME}\n"),
    );
    let lines = "sha256 = [\"cd289a70d254f008c010c30340cfcdc5141568fd3d7a9798f321dbcd4178a1a1\", { url = \"{url}.sha256\" }]\n\
                 signature = { openpgp = \"{url}.sig\", key = \"release\" }\n\
                 expect = \"tool/bin/tool\"\nstand-in = true\n";
    let url = server.url("tool-{version}-linux-{arch}.tar.gz");
    let text = manifest_of(&url, lines) + &key_lines(&server);
    let mut bench = Bench::new();
    let lock = bench.resolve(&text).unwrap();

    assert_eq!(lock.version, "1.2.3");
    let artifact = &lock.artifacts[0];
    assert_eq!(
        artifact.file.path.as_str(),
        format!("files/extra-tool/{NAME}")
    );
    assert_eq!(artifact.file.url.as_str(), server.url(NAME));
    assert_eq!(
        (artifact.file.size, artifact.file.sha256),
        (231, digest(TOOL_SHA256))
    );
    assert!(artifact.stand_in);
    let vouched: Vec<_> = artifact.evidence.iter().map(|one| &one.vouched).collect();
    let signer = RELEASE_KEY.parse().unwrap();
    assert_eq!(
        vouched,
        [
            &Vouched::Manifest,
            &Vouched::ChecksumFile,
            &Vouched::OpenPgp(signer)
        ]
    );
    let mut paths: Vec<_> = lock.evidence().map(|file| file.path.to_string()).collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "evidence/keys/release.asc".to_owned(),
            format!("evidence/upstream/extra-tool/{NAME}.sha256"),
            format!("evidence/upstream/extra-tool/{NAME}.sig"),
        ]
    );

    // Written, read back, and the manifest is still the one it answers.
    let read = Lock::parse(&lock.to_toml(), "m.lock").unwrap();
    assert_eq!(read, lock);
    assert_eq!(read.to_toml(), lock.to_toml());
    let manifest = Manifest::parse(&(text.clone() + "\n# a comment\n"), "m.toml").unwrap();
    read.agrees_with(&manifest).unwrap();
    let other = Manifest::parse(&text.replace("stand-in = true", ""), "m.toml").unwrap();
    assert_eq!(read.agrees_with(&other).unwrap_err().id(), "E211");

    // All is in the store of the machine that locked; another machine fetches all four.
    let report = bench.fetch(&lock).unwrap();
    assert_eq!(
        (report.files, report.fetched_files, report.surveyed),
        (4, 0, 1)
    );
    bench.empty_store();
    let report = bench.fetch(&lock).unwrap();
    assert_eq!(
        (report.files, report.fetched_files, report.surveyed),
        (4, 4, 1)
    );
    assert_eq!(
        report.fetched_bytes,
        lock.evidence().map(|file| file.size).sum::<u64>() + 231
    );
}

#[test]
fn accepts_every_shape_of_checksum_file_and_learns_the_size_without_a_download() {
    let server = Server::start();
    server.put(NAME, TOOL);
    let elsewhere = "7c5bd8512c6e966455b1d198209358b2d191c77a83ab377c4073281065fb855f";
    for (shape, text) in [
        ("gnu", format!("{TOOL_SHA256}  {NAME}\n")),
        ("binary", format!("{TOOL_SHA256} *{NAME}\n")),
        ("minio", format!("{TOOL_SHA256} {NAME}\n")),
        ("bare", format!("{TOOL_SHA256}\n")),
        (
            "list",
            format!("{elsewhere}  a.zip\n{TOOL_SHA256}  {NAME}\n{elsewhere}  b.zip\n"),
        ),
        ("bsd", format!("SHA256 ({NAME}) = {TOOL_SHA256}\n")),
    ] {
        server.put(shape, text);
        let lines = format!("sha256 = {{ url = \"{}\" }}", server.url(shape));
        let lock = Bench::new()
            .resolve(&manifest_of(&server.url(NAME), &lines))
            .unwrap();
        let file = &lock.artifacts[0].file;
        assert_eq!(
            (file.sha256, file.size),
            (digest(TOOL_SHA256), 231),
            "{shape}"
        );
    }
    assert!(
        !server.log().contains(&format!("GET {NAME}")),
        "{:?}",
        server.log()
    );
}

#[test]
fn a_document_that_names_the_file_otherwise_is_read_by_the_name_that_is_given() {
    let server = Server::start();
    server.put("minio.linux-amd64.R", TOOL);
    server.put("sums", format!("{TOOL_SHA256} minio.R\n"));
    let url = server.url("minio.linux-amd64.R");
    let sums = server.url("sums");
    let error = Bench::new()
        .resolve(&manifest_of(
            &url,
            &format!("sha256 = {{ url = \"{sums}\" }}"),
        ))
        .unwrap_err();
    assert_eq!(error.id(), "E411");
    assert!(
        error.hint().unwrap().contains("name = \"that name\""),
        "{:?}",
        error.hint()
    );
    let named = format!("sha256 = {{ url = \"{sums}\", name = \"minio.R\" }}");
    Bench::new().resolve(&manifest_of(&url, &named)).unwrap();
}

#[test]
fn armored_signatures_and_binary_keyrings_are_read_too() {
    let server = Server::start();
    server.put(NAME, TOOL);
    server.put(&format!("{NAME}.asc"), ARMORED);
    server.put("both.gpg", BOTH_KEYS);
    let text = manifest_of(
        &server.url(NAME),
        "signature = { openpgp = \"{url}.asc\", key = \"both\" }",
    ) + &format!(
        "[[key]]\nname = \"both\"\nopenpgp = [\"{RELEASE_KEY}\"]\nurl = \"{}\"\n",
        server.url("both.gpg")
    );
    let lock = Bench::new().resolve(&text).unwrap();
    let evidence = &lock.artifacts[0].evidence[0];
    assert_eq!(
        evidence.vouched,
        Vouched::OpenPgp(RELEASE_KEY.parse().unwrap())
    );
    assert_eq!(
        evidence.key.as_ref().unwrap().path.as_str(),
        "evidence/keys/both.gpg"
    );
}

#[test]
fn refuses_a_signature_by_a_key_that_is_in_the_file_but_not_pinned() {
    let server = Server::start();
    server.put(NAME, TOOL);
    server.put(&format!("{NAME}.sig"), OTHER);
    server.put("both.gpg", BOTH_KEYS);
    let text = manifest_of(
        &server.url(NAME),
        "signature = { openpgp = \"{url}.sig\", key = \"both\" }",
    ) + &format!(
        "[[key]]\nname = \"both\"\nopenpgp = [\"{RELEASE_KEY}\"]\nurl = \"{}\"\n",
        server.url("both.gpg")
    );
    let error = Bench::new().resolve(&text).unwrap_err();
    assert_eq!(error.id(), "E413");
    assert_eq!(
        error.to_string(),
        format!(
            "the signature {} over {NAME} does not hold",
            server.url(&format!("{NAME}.sig"))
        )
    );
}

#[test]
fn refuses_a_key_file_without_the_pinned_key() {
    let server = Server::start();
    let text = key_lines(&server).replace(RELEASE_KEY, "A1B31D46F0F3A10B02CF2D44F8F2C31744774B28");
    let lines = "trust = { first-lock = \"not reached in this test\" }";
    let error = Bench::new()
        .resolve(&(manifest_of(&server.url(NAME), lines) + &text))
        .unwrap_err();
    assert_eq!(error.id(), "E412");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        cause,
        format!(
            "the keyring lacks pinned A1B31D46F0F3A10B02CF2D44F8F2C31744774B28; it holds {RELEASE_KEY}"
        )
    );
}

/// Mattermost 11.0.5, as first published on 2025-11-17: the line of the Team archive carried the
/// digest of the Enterprise archive.
#[test]
fn stops_when_the_page_carries_the_digest_of_another_edition() {
    let enterprise = "b6309a09153e1e95b878ef28998fbbd6c1ac8a5c69dcf8f3a8ca072ddc73f810";
    let team = "bb50426606e566b56c03a3ab733a9e4fa30abb4e0bd493ff6a5479a086358db3";
    let server = Server::start();
    let name = "mattermost-team-11.0.5-linux-amd64.tar.gz";
    server.put("page", format!("{enterprise}  {name}\n"));
    let text = format!(
        "{}[[artifact]]\ncomponent = \"mattermost\"\nversion = \"11.0.5\"\nurl = \"{}\"\n\
         sha256 = [\"catalogue\", {{ url = \"{}\" }}]\n",
        head(),
        server.url(name),
        server.url("page"),
    );
    let error = Bench::new().resolve(&text).unwrap_err();
    assert_eq!(error.id(), "E330");
    assert_eq!(
        error.to_string(),
        format!(
            "evidence for {name} disagrees: the catalogue of 2026-11-23 says {team}; \
             the checksum file {} says {enterprise}",
            server.url("page")
        )
    );
    assert_eq!(server.log(), ["GET page"]);
}

/// Mattermost 10.5.1, as first published on 2025-02-19: the page carried the digest of the release
/// before, while the signature over the file was good.
#[test]
fn stops_when_the_page_is_stale_and_says_that_the_signature_is_good() {
    let server = Server::start();
    server.put(NAME, TOOL);
    server.put(&format!("{NAME}.sig"), SIGNATURE);
    let before = Digest::of(b"the release before");
    let lines = format!(
        "sha256 = \"{before}\"\nsignature = {{ openpgp = \"{{url}}.sig\", key = \"release\" }}"
    );
    let bench = Bench::new();
    let error = bench
        .resolve(&(manifest_of(&server.url(NAME), &lines) + &key_lines(&server)))
        .unwrap_err();
    assert_eq!(error.id(), "E330");
    assert_eq!(
        error.to_string(),
        format!(
            "evidence for {NAME} disagrees: the manifest says {before}; the file {}, with a good \
             OpenPGP signature by {RELEASE_KEY}, says {TOOL_SHA256}",
            server.url(NAME)
        )
    );
    assert!(error.hint().unwrap().ends_with("no lock was written"));
}

#[test]
fn first_lock_trust_is_recorded_with_its_reason() {
    let server = Server::start();
    server.put(NAME, TOOL);
    let lines = "trust = { first-lock = \"upstream publishes nothing\" }";
    let lock = Bench::new()
        .resolve(&manifest_of(&server.url(NAME), lines))
        .unwrap();
    let evidence = &lock.artifacts[0].evidence;
    assert_eq!(evidence.len(), 1);
    assert_eq!(
        evidence[0].vouched,
        Vouched::FirstLock("upstream publishes nothing".to_owned())
    );
    assert_eq!(lock.artifacts[0].file.sha256, digest(TOOL_SHA256));
}

#[test]
fn local_files_are_found_beside_the_manifest() {
    let bench = Bench::new();
    let folder = bench.folder.path();
    std::fs::create_dir(folder.join("downloads")).unwrap();
    std::fs::write(folder.join("downloads").join(NAME), TOOL).unwrap();
    std::fs::write(folder.join("sums"), format!("{TOOL_SHA256}  {NAME}\n")).unwrap();
    let url = format!("file:downloads/{NAME}");
    let lock = bench
        .resolve(&manifest_of(&url, "sha256 = { path = \"sums\" }"))
        .unwrap();
    let file = &lock.artifacts[0].file;
    assert_eq!(
        file.url.local_path(),
        Some(folder.join("downloads").join(NAME).to_str().unwrap())
    );
    bench.fetch(&lock).unwrap();
    let error = bench
        .resolve(&manifest_of(
            "file:downloads/absent",
            &format!("sha256 = \"{}\"", Digest::of(b"")),
        ))
        .unwrap_err();
    assert_eq!(error.id(), "E706");
    assert!(
        error
            .hint()
            .unwrap()
            .contains("relative to the folder of the manifest")
    );
}

/// A lock of one file of a megabyte, made while the server behaved.
fn large(server: &Server, bench: &mut Bench) -> (Lock, Vec<u8>) {
    let bytes: Vec<u8> = (0..1_000_000_u32)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    server.put("large.bin", bytes.clone());
    let lines = format!("sha256 = \"{}\"", Digest::of(&bytes));
    let lock = bench
        .resolve(&manifest_of(&server.url("large.bin"), &lines))
        .unwrap();
    bench.empty_store();
    (lock, bytes)
}

fn requests(server: &Server) -> Vec<String> {
    let log = server.log();
    log.into_iter()
        .filter(|line| line.starts_with("GET"))
        .collect()
}

#[test]
fn goes_on_after_a_cut_where_it_stopped() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    server.behave("large.bin", Behaviour::CutAfter(300_000, 2));
    bench.fetch(&lock).unwrap();
    assert_eq!(
        requests(&server),
        [
            "GET large.bin",
            "GET large.bin bytes=300000-",
            "GET large.bin bytes=600000-"
        ]
    );
    assert_eq!(
        std::fs::read(bench.store.path_of(&Digest::of(&bytes))).unwrap(),
        bytes
    );
}

#[test]
fn goes_on_after_a_cut_in_the_next_run() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, _) = large(&server, &mut bench);
    // Cut without progress after the first 300,000 bytes: this run gives up.
    server.behave("large.bin", Behaviour::CutAfter(300_000, 1));
    let cut = Cutter {
        server: &server,
        done: Mutex::new(false),
    };
    let error = fetch(
        &lock,
        &bench.store,
        &bench.client,
        TWO,
        &cut,
        &Cancel::new(),
    )
    .unwrap_err();
    assert_eq!(error.id(), "E708", "{error}");
    server.behave("large.bin", Behaviour::Status(503, 0));
    let before = requests(&server).len();
    bench.fetch(&lock).unwrap();
    assert_eq!(requests(&server)[before..], ["GET large.bin bytes=300000-"]);
}

/// Makes the server fail for good once bytes have come.
struct Cutter<'s> {
    server: &'s Server,
    done: Mutex<bool>,
}

impl Observer for Cutter<'_> {
    fn on(&self, event: &Event<'_>) {
        let mut done = self.done.lock().unwrap();
        if matches!(event, Event::Bytes { .. }) && !*done {
            *done = true;
            self.server
                .behave("large.bin", Behaviour::Status(503, 1000));
        }
    }
}

#[test]
fn starts_over_when_a_range_is_ignored_wrong_or_refused() {
    for behaviour in [
        Behaviour::IgnoreRange(300_000),
        Behaviour::WrongRange(300_000),
        Behaviour::RefuseRange(300_000),
    ] {
        let mut bench = Bench::new();
        let server = Server::start();
        let (_, bytes) = large(&server, &mut bench);
        let shown = format!("{behaviour:?}");
        // A fresh server, whose first request is the one that is cut.
        let fresh = Server::start();
        fresh.put("large.bin", bytes.clone());
        fresh.behave("large.bin", behaviour);
        let trust = "trust = { first-lock = \"the digest must not be known\" }";
        let lock = bench
            .resolve(&manifest_of(&fresh.url("large.bin"), trust))
            .unwrap();
        assert_eq!(lock.artifacts[0].file.sha256, Digest::of(&bytes), "{shown}");
        assert_eq!(
            requests(&fresh)[..2],
            ["GET large.bin", "GET large.bin bytes=300000-"],
            "{shown}"
        );
    }
}

#[test]
fn a_stale_part_is_dropped_when_the_digest_does_not_match() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    let parts = bench.store.parts().unwrap();
    let part = parts.join(format!("{}.part", Digest::of(&bytes)));
    std::fs::write(&part, vec![7; 400_000]).unwrap();
    bench.fetch(&lock).unwrap();
    assert_eq!(
        requests(&server),
        ["GET large.bin bytes=400000-", "GET large.bin"]
    );
    assert!(!part.exists());
}

#[test]
fn wrong_bytes_are_refused_named_and_kept_apart() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, bytes) = large(&server, &mut bench);
    let mut wrong = bytes.clone();
    wrong[500_000] ^= 1;
    server.put("large.bin", wrong.clone());
    let error = bench.fetch(&lock).unwrap_err();
    assert_eq!(error.id(), "E705");
    let kept = bench
        .store
        .parts()
        .unwrap()
        .join(format!("{}.refused", Digest::of(&wrong)));
    assert_eq!(
        error.to_string(),
        format!(
            "1 of 1 files failed: files/extra-tool/large.bin: {} has sha256 {} (1000000 bytes), \
             expected {}; what came is kept in {}",
            server.url("large.bin"),
            Digest::of(&wrong),
            Digest::of(&bytes),
            kept.display()
        )
    );
    assert_eq!(std::fs::read(kept).unwrap(), wrong);
    assert!(!bench.store.path_of(&Digest::of(&bytes)).exists());
    assert!(!bench.store.path_of(&Digest::of(&wrong)).exists());
}

#[test]
fn a_mirror_helps_when_the_first_place_has_wrong_bytes_or_none() {
    for behaviour in [
        Some(Behaviour::Html),
        Some(Behaviour::Status(404, 100)),
        None,
    ] {
        let (first, second) = (Server::start(), Server::start());
        let mut bench = Bench::new();
        first.put(NAME, TOOL);
        second.put(NAME, TOOL);
        let lines = format!(
            "sha256 = \"{TOOL_SHA256}\"\nmirrors = [\"{}\"]",
            second.url(NAME)
        );
        let lock = bench
            .resolve(&manifest_of(&first.url(NAME), &lines))
            .unwrap();
        bench.empty_store();
        match behaviour {
            Some(behaviour) => first.behave(NAME, behaviour),
            None => first.put(NAME, vec![7; TOOL.len()]),
        }
        let report = bench.fetch(&lock).unwrap();
        assert_eq!(report.fetched_files, 1);
        assert_eq!(requests(&second), [format!("GET {NAME}")]);
    }
}

#[test]
fn failures_say_what_to_do_next() {
    for (behaviour, id, text, hint) in [
        (
            Behaviour::Status(404, 100),
            "E706",
            "does not exist there (status 404)",
            "download the file by hand",
        ),
        (
            Behaviour::Status(410, 100),
            "E706",
            "does not exist there (status 410)",
            "add a mirror",
        ),
        (
            Behaviour::Status(403, 100),
            "E709",
            "was refused with status 403",
            "authorisation",
        ),
        (
            Behaviour::Status(500, 100),
            "E708",
            "fails with status 500",
            "run the same command again",
        ),
        (
            Behaviour::Html,
            "E702",
            "gave an HTML page instead of the file",
            "captive portal",
        ),
        (
            Behaviour::Endless,
            "E704",
            "is longer than 1000000 bytes",
            "upstream changed the file",
        ),
        (
            Behaviour::StallAfter(1000),
            "E704",
            "sends less than 1.0 KiB a second",
            "goes on where this stopped",
        ),
        (
            Behaviour::NoLength(1000),
            "E701",
            "broke off after",
            "goes on where this stopped",
        ),
    ] {
        let server = Server::start();
        let mut bench = Bench::new();
        let (lock, _) = large(&server, &mut bench);
        let shown = format!("{behaviour:?}");
        server.behave("large.bin", behaviour);
        let error = bench.fetch(&lock).unwrap_err();
        assert_eq!(error.id(), id, "{shown}: {error}");
        assert!(error.to_string().contains(text), "{shown}: {error}");
        let found = error.hint().unwrap_or_default();
        assert!(found.contains(hint), "{shown}: {found}");
    }
}

#[test]
fn a_server_that_fails_for_a_moment_is_asked_again() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, _) = large(&server, &mut bench);
    server.behave("large.bin", Behaviour::Status(503, 2));
    bench.fetch(&lock).unwrap();
    assert_eq!(requests(&server).len(), 3);
}

#[test]
fn an_unreachable_server_names_the_proxy_variables() {
    let server = Server::start();
    let mut bench = Bench::new();
    let (lock, _) = large(&server, &mut bench);
    drop(server);
    // The listener ends with its next connection.
    let error = loop {
        match bench.fetch(&lock) {
            Err(error) if error.id() == "E707" => break error,
            _ => bench.empty_store(),
        }
    };
    assert!(error.hint().unwrap().contains("HTTPS_PROXY"));
}

#[test]
fn a_redirect_from_https_to_http_is_refused_without_showing_its_query() {
    let plain = Server::start();
    plain.put(NAME, TOOL);
    let (secure, pem) = Server::start_tls();
    secure.behave(
        NAME,
        Behaviour::Redirect(plain.url(&format!("{NAME}?token=hunter2"))),
    );
    let text = manifest_of(
        &secure.url(NAME),
        "trust = { first-lock = \"a redirect is tested\" }",
    );
    let error = Bench::with_roots(vec![pem]).resolve(&text).unwrap_err();
    assert_eq!(error.id(), "E703");
    assert_eq!(
        error.to_string(),
        format!(
            "{NAME} could not be fetched: {} redirects from https to http://127.0.0.1, which is refused",
            secure.url(NAME)
        )
    );
    assert!(plain.log().is_empty());
}

#[test]
fn redirects_within_https_are_followed_and_unknown_certificates_are_not() {
    let (secure, pem) = Server::start_tls();
    secure.put(NAME, TOOL);
    secure.behave("latest", Behaviour::Redirect(secure.url(NAME)));
    let url = secure.url("latest");
    let text = manifest_of(&url, "trust = { first-lock = \"a redirect is tested\" }");
    let lock = Bench::with_roots(vec![pem]).resolve(&text).unwrap();
    assert_eq!(lock.artifacts[0].file.sha256, digest(TOOL_SHA256));
    let error = Bench::new().resolve(&text).unwrap_err();
    assert_eq!(error.id(), "E703", "{error}");
    assert!(error.hint().unwrap().contains("SSL_CERT_FILE"));
}

#[test]
fn an_archive_that_is_not_what_it_is_called_is_refused_after_its_digest_was_right() {
    let server = Server::start();
    for (name, bytes, lines, id, text) in [
        (
            "a.tar.gz",
            b"PK\x03\x04zip".to_vec(),
            "",
            "E702",
            "a.tar.gz is called gzip, but is zip (it begins 50 4b 03 04 7a 69 70)",
        ),
        (
            "b.tar.gz",
            TOOL[..100].to_vec(),
            "",
            "E702",
            "b.tar.gz is no readable archive",
        ),
        (
            "c.tar.gz",
            TOOL.to_vec(),
            "expect = \"tool/bin/other\"",
            "E702",
            "c.tar.gz does not hold `tool/bin/other`; it begins with tool/bin/tool, tool/README.txt",
        ),
        (
            "d",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0".to_vec(),
            "",
            "E521",
            "d: `d` is a program for arm64, not for amd64",
        ),
        (
            "e.tar.gz",
            tarball(&[("../evil", b"x")]),
            "",
            "E504",
            "e.tar.gz holds `../evil`, which would leave the folder it is unpacked in",
        ),
        (
            "f.tar.gz",
            tarball(&[("a", b"x"), ("./a", b"y")]),
            "",
            "E504",
            "f.tar.gz holds `./a`, which comes twice",
        ),
        (
            "g.tar.gz",
            bomb(),
            "",
            "E503",
            "g.tar.gz exceeds a limit: it unpacks to more than 200 times its size",
        ),
    ] {
        server.put(name, bytes.clone());
        let lines = format!("sha256 = \"{}\"\n{lines}", Digest::of(&bytes));
        let bench = Bench::new();
        let lock = bench
            .resolve(&manifest_of(&server.url(name), &lines))
            .unwrap();
        let error = bench.fetch(&lock).unwrap_err();
        assert_eq!(error.id(), id, "{error}");
        assert_eq!(
            error.to_string(),
            format!("1 of 1 files failed: files/extra-tool/{name}: {text}")
        );
        assert!(error.hint().is_some());
    }
}

fn tarball(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(gzip());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        let field = &mut header.as_gnu_mut().unwrap().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A tar of one file of 300 MiB of zeros, as gzip.
fn bomb() -> Vec<u8> {
    let size = 300_u64 << 20;
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(size);
    header.set_cksum();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(header.as_bytes()).unwrap();
    let chunk = vec![0; 1 << 20];
    for _ in 0..300 {
        packed.write_all(&chunk).unwrap();
    }
    packed.finish().unwrap()
}

fn gzip() -> flate2::write::GzEncoder<Vec<u8>> {
    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast())
}

#[test]
fn several_failures_are_told_together() {
    let server = Server::start();
    let mut text = head();
    for name in ["a", "b", "c"] {
        server.put(name, name);
        text += &format!(
            "[[artifact]]\ncomponent = \"extra-tool\"\nversion = \"1\"\nurl = \"{}\"\nsha256 = \"{}\"\n",
            server.url(name),
            Digest::of(name.as_bytes())
        );
    }
    let bench = Bench::new();
    let lock = bench.resolve(&text).unwrap();
    for name in ["a", "c"] {
        server.behave(name, Behaviour::Status(404, 1000));
    }
    let FetchError::Files { files, failures } = bench.fetch(&lock).unwrap_err() else {
        panic!("another error");
    };
    let paths: Vec<_> = failures
        .iter()
        .map(|failure| failure.path.as_str())
        .collect();
    assert_eq!(
        (files, paths),
        (3, vec!["files/extra-tool/a", "files/extra-tool/c"])
    );
    assert!(bench.store.path_of(&Digest::of(b"b")).exists());
}

#[test]
fn documents_of_one_name_and_other_content_both_keep_a_place() {
    let server = Server::start();
    let mut text = head();
    for name in ["a", "b"] {
        server.put(name, name);
        let sums = format!("{}  {name}\n", Digest::of(name.as_bytes()));
        server.put(&format!("{name}.d/SHA256SUMS"), sums);
        text += &format!(
            "[[artifact]]\ncomponent = \"plugin\"\nversion = \"1\"\nurl = \"{}\"\nsha256 = {{ url = \"{{url}}.d/SHA256SUMS\" }}\n",
            server.url(name),
        );
    }
    let lock = Bench::new().resolve(&text).unwrap();
    let paths: Vec<_> = lock.evidence().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "evidence/upstream/plugin/a.SHA256SUMS",
            "evidence/upstream/plugin/b.SHA256SUMS"
        ]
    );
    Lock::parse(&lock.to_toml(), "m.lock").unwrap();
}

#[test]
fn resolving_again_shows_what_upstream_changed() {
    let server = Server::start();
    server.put("a", "one");
    let text = manifest_of(
        &server.url("a"),
        "trust = { first-lock = \"upstream publishes nothing\" }",
    );
    let old = Bench::new().resolve(&text).unwrap();
    assert_eq!(old.differences(&Bench::new().resolve(&text).unwrap()), []);
    server.put("a", "two");
    let new = Bench::new().resolve(&text).unwrap();
    assert_eq!(
        old.differences(&new),
        [Difference::Changed {
            path: "files/extra-tool/a".to_owned(),
            old: Digest::of(b"one").to_string(),
            new: Digest::of(b"two").to_string(),
        }]
    );
}

#[test]
fn a_newer_release_without_a_known_digest_is_told() {
    struct Notes(Mutex<Vec<String>>);
    impl Observer for Notes {
        fn on(&self, event: &Event<'_>) {
            if let Event::Note { text } = event {
                self.0.lock().unwrap().push((*text).to_owned());
            }
        }
    }
    let server = Server::start();
    let name = "mattermost-11.7.10-linux-amd64.tar.gz";
    server.put(name, "not read: the size comes from the headers");
    let text = format!(
        "{}[[artifact]]\ncomponent = \"mattermost\"\nversion = \"~11.7\"\nversions = \"catalogue\"\nurl = \"{}\"\nsha256 = \"catalogue\"\n",
        head(),
        server.url("mattermost-{version}-linux-{arch}.tar.gz")
    );
    let notes = Notes(Mutex::default());
    let lock = Bench::new().resolve_seen(&text, &notes).unwrap();
    assert_eq!(lock.version, "11.7.10");
    assert_eq!(
        lock.artifacts[0].evidence[0].vouched,
        Vouched::Catalogue("2026-11-23".to_owned())
    );
    let notes = notes.0.into_inner().unwrap();
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with("mattermost 11.7.10 is locked; 11.7.15 came out on 2026-11-05, but"),
        "{notes:?}"
    );
}

#[test]
fn a_manifest_reports_all_its_problems_with_their_places() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifests");
    for name in ["many", "syntax", "newer", "apt"] {
        let text = std::fs::read_to_string(path.join(format!("{name}.toml"))).unwrap();
        let expected =
            std::fs::read_to_string(path.join(format!("{name}.txt"))).unwrap_or_default();
        let found = format!("{}\n", Manifest::parse(&text, "m.toml").unwrap_err());
        assert_eq!(found, expected, "{name}:\n{found}");
    }
}

#[test]
fn an_old_lock_stays_readable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/locks/format-1.lock");
    let text = std::fs::read_to_string(path).unwrap();
    let lock = Lock::parse(&text, "format-1.lock").unwrap();
    assert_eq!(lock.to_toml(), text);
    assert_eq!((lock.artifacts.len(), lock.repositories.len()), (2, 1));
    assert_eq!((lock.payload().count(), lock.evidence().count()), (6, 4));
    for (from, to, id) in [
        ("format = 1", "format = 2", "E520"),
        ("component = ", "komponent = ", "E210"),
        ("files/mattermost/", "files/other/", "E210"),
        ("apt/pgdg/pool", "apt/../pool", "E210"),
        ("by = \"catalogue\"", "by = \"manifest\"", "E210"),
    ] {
        let error = Lock::parse(&text.replace(from, to), "x.lock").unwrap_err();
        assert_eq!(error.id(), id, "{from}: {error}");
    }
}

/// The facts are those of the publishers, as the table of keys and releases in the project has them.
#[test]
fn the_manifest_of_the_real_upstreams_says_what_the_publishers_do() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/mattermost-linux-debian.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let manifest = Manifest::parse(&text, "mattermost-linux-debian.toml").unwrap();
    assert_eq!(manifest.version, "11.7.10");
    let keys: Vec<_> = manifest
        .keys
        .iter()
        .map(|key| {
            let pins: Vec<_> = key.openpgp.iter().map(ToString::to_string).collect();
            (key.name.to_string(), key.source.to_string(), pins.join(" "))
        })
        .collect();
    let key =
        |name: &str, url: &str, pins: &str| (name.to_owned(), url.to_owned(), pins.to_owned());
    assert_eq!(
        keys,
        [
            key(
                "mattermost-release",
                "https://deb.packages.mattermost.com/pubkey.gpg",
                "A1B31D46F0F3A10B02CF2D44F8F2C31744774B28"
            ),
            key(
                "pgdg-apt",
                "https://www.postgresql.org/media/keys/ACCC4CF8.asc",
                "B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8"
            ),
            key(
                "nginx",
                "https://nginx.org/keys/nginx_signing.key",
                "573BFD6B3D8FBC641079A6ABABF5BD827BD9BF62 8540A6F18833A80E9C1653A42FD21310B49F6B46 \
                 9E9BE90EACBCDE69FE9B204CBCDCD8A38D88A2B3"
            ),
        ]
    );
    let server = &manifest.artifacts[0];
    assert_eq!(
        server.source.to_string(),
        "https://releases.mattermost.com/11.7.10/mattermost-11.7.10-linux-amd64.tar.gz"
    );
    assert_eq!(
        server.evidence,
        [
            Wanted::Catalogue(digest(
                "bb66b6f7ddd310e4cede39b256a2f35b825347045a05bb14eaea90081381e270"
            )),
            Wanted::OpenPgp {
                source: Source::Url(format!("{}.sig", server.source).parse().unwrap()),
                key: "mattermost-release".parse().unwrap(),
            },
        ]
    );
    let push = &manifest.artifacts[1];
    assert_eq!(
        push.source.to_string(),
        "https://github.com/mattermost/mattermost-push-proxy/releases/download/v6.5.0/mattermost-push-proxy-linux-amd64.tar.gz"
    );
    assert_eq!(
        push.expect.as_deref(),
        Some("mattermost-push-proxy-linux-amd64/bin/mattermost-push-proxy")
    );
    let apt = manifest.apt.as_ref().unwrap();
    let names: Vec<_> = apt
        .repositories
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["debian", "pgdg", "nginx"]);
    assert!(manifest.artifacts.iter().all(|one| !one.stand_in));

    // The row of MinIO is off; without its marks it is a good row, from the place that is left.
    assert!(!text.contains("dl.min.io/"), "dl.min.io is gone");
    let with_minio: String = text
        .lines()
        .map(|line| {
            let row = ["[[artifact]]", "component", "version", "url", "sha256"];
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let is_row = row.iter().any(|key| bare.starts_with(key));
            if is_row {
                format!("{bare}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let manifest = Manifest::parse(&with_minio, "m.toml").unwrap_or_else(|e| panic!("{e}"));
    let minio = &manifest.artifacts[2];
    assert_eq!(
        minio.source.to_string(),
        "https://github.com/minio/minio/releases/download/RELEASE.2025-09-07T16-13-09Z/minio.linux-amd64.RELEASE.2025-09-07T16-13-09Z"
    );
    assert_eq!(
        minio.evidence,
        [Wanted::ChecksumFile {
            source: Source::Url(format!("{}.sha256sum", minio.source).parse().unwrap()),
            file_name: "minio.RELEASE.2025-09-07T16-13-09Z".to_owned(),
        }]
    );
}

/// Debian itself, as this machine's own apt knows it: a real closure from signed metadata, fetched.
#[test]
fn packages_of_this_machines_own_sources_are_locked_and_fetched() {
    let text = head()
        + "version = \"1\"\n[apt]\nbase = \"essential\"\n[[apt.repository]]\nname = \"base\"\nfrom = \"system\"\n\
           [[apt.packages]]\ncomponent = \"nginx\"\ninstall = [\"nginx\"]\n";
    let bench = Bench::new();
    let lock = bench.resolve_at(&text, jiff::Timestamp::now()).unwrap();
    let packages: Vec<_> = lock
        .repositories
        .iter()
        .flat_map(|repository| &repository.packages)
        .collect();
    let nginx = packages
        .iter()
        .find(|package| package.name == "nginx")
        .unwrap();
    assert_eq!(nginx.because, "asked for");
    assert_eq!(nginx.needed_by, ["nginx".parse().unwrap()]);
    let read = Lock::parse(&lock.to_toml(), "m.lock").unwrap();
    assert_eq!(read.to_toml(), lock.to_toml());
    assert_eq!(lock.differences(&read), []);
    let report = bench.fetch(&lock).unwrap();
    assert_eq!(report.fetched_files, packages.len() as u64);
    let bytes: u64 = packages.iter().map(|package| package.file.size).sum();
    assert_eq!(report.fetched_bytes, bytes);
    // A second run finds everything.
    assert_eq!(bench.fetch(&lock).unwrap().fetched_files, 0);
}
