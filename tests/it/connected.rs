//! From manifest to lock to store, against an upstream on the loopback interface.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::format_push_string,
    reason = "tests fail by panicking, and tables are long"
)]

mod advice;
mod archives;
mod evidence;
mod faults;
mod fetching;
mod interrupts;
mod killed;
mod manifests;
mod offline;
mod outdated;
mod output;
mod proxies;
mod redirects;
mod refused;
mod rpm;
mod secrets;
mod sizes;
mod stream;
mod together;
mod trusting;
mod versions;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use haversack::event::{Cancel, Event, Observer, Silent};
use haversack::fetch::{AfterFailure, FetchError, FetchOptions, FetchReport, fetch};
use haversack::lock::{Difference, Field, Lock, Vouched};
use haversack::manifest::Manifest;
use haversack::net::{Client, ClientOptions};
use haversack::resolve::{Earlier, Options, ResolveError, resolve};
use haversack::sources::http::Web;
use haversack::store::Store;
use haversack::types::digest::Digest;

use crate::support::http::Server;

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
const BOTH: FetchOptions = FetchOptions {
    jobs: TWO,
    after_failure: AfterFailure::GoOn,
};

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
        self.resolve_with(manifest, now, Earlier::default(), observer)
    }

    fn resolve_at(&self, manifest: &str, now: jiff::Timestamp) -> Result<Lock, ResolveError> {
        self.resolve_with(manifest, now, Earlier::default(), &Silent)
    }

    fn resolve_with(
        &self,
        manifest: &str,
        now: jiff::Timestamp,
        earlier: Earlier,
        observer: &dyn Observer,
    ) -> Result<Lock, ResolveError> {
        let manifest = Manifest::parse(manifest, "m.toml").unwrap_or_else(|e| panic!("{e}"));
        let options = Options {
            system_root: "/".into(),
            now,
            jobs: TWO,
            earlier,
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
            BOTH,
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
fn accepts_every_shape_of_checksum_file_and_proves_the_size_by_a_download() {
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
    let asked = server.log();
    let downloads = asked.iter().filter(|line| **line == format!("GET {NAME}"));
    assert_eq!((downloads.count(), asked.len()), (6, 12), "{asked:?}");
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
    let ResolveError::Several { of: 2, failures } = &error else {
        panic!("{error:?}");
    };
    let cause = std::error::Error::source(&failures[0].error).unwrap();
    assert_eq!(
        cause.to_string(),
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
    // Nothing of this machine is in the lock.
    assert_eq!(lock.artifacts[0].file.url.as_str(), url);
    assert!(!lock.to_toml().contains("file:///"));
    let read = Lock::parse(&lock.to_toml(), "m.lock").unwrap();
    let here = read.from_folder(folder.to_str().unwrap()).unwrap();
    bench.fetch(&here).unwrap();
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
            fields: vec![Field {
                field: "sha256",
                old: Digest::of(b"one").to_string(),
                new: Digest::of(b"two").to_string(),
            }],
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
    server.put(name, "not the bytes of the catalogue");
    let text = format!(
        "{}[[artifact]]\ncomponent = \"mattermost\"\nversion = \"~11.7\"\nversions = \"catalogue\"\nurl = \"{}\"\nsha256 = \"catalogue\"\n",
        head(),
        server.url("mattermost-{version}-linux-{arch}.tar.gz")
    );
    let notes = Notes(Mutex::default());
    // The version and its digest are chosen and told; the sample file is none that the catalogue knows.
    let error = Bench::new().resolve_seen(&text, &notes).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("the catalogue of 2026-11-23"), "{said}");
    assert!(said.contains(name), "{said}");
    let notes = notes.0.into_inner().unwrap();
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with("mattermost 11.7.10 was chosen; 11.7.15 came out on 2026-11-05, but"),
        "{notes:?}"
    );
}
