//! What the fuzzer does with bytes: one function for each reader of foreign bytes. `scripts/fuzz` runs
//! them with libFuzzer, and the tests run them over the corpus that is kept here.
//!
//! None may panic, whatever the bytes are; where a reader gives something back, writing it again must
//! give what was read.

use std::io::Cursor;
use std::path::Path;

use haversack::archive::{self, Question, ustar};
use haversack::bundle::changes::Changes;
use haversack::bundle::contents::Contents;
use haversack::bundle::patch::Recarry;
use haversack::bundle::receipt::{Code, SignedReceipt};
use haversack::bundle::sums::{self, Sums};
use haversack::carry::{self, Taking};
use haversack::checks::CheckList;
use haversack::custody::{Chain, Event, Expected};
use haversack::delta;
use haversack::delta::layout::{self, Form, Part, Use};
use haversack::delta::xz::{Settings, Sum};
use haversack::event::{Cancel, Silent};
use haversack::lock::Lock;
use haversack::manifest::Manifest;
use haversack::net::Credentials;
use haversack::nginx;
use haversack::parity::index::Index;
use haversack::plan::{self, Context, Files, Loaded, Plan};
use haversack::report::dossier::TransferPolicy;
use haversack::report::envelope::Envelope;
use haversack::sources::apt::{self, Base, ExpiredIndex, Request, Wanted};
use haversack::sources::documents::LocalDocuments;
use haversack::sources::rpm::version::compare;
use haversack::store::Store;
use haversack::trust::directory::Trust;
use haversack::trust::key::{SigningKey, VerifyingKey};
use haversack::trust::openpgp::Keyring;
use haversack::trust::policy::{Policy, parse_revoked};
use haversack::trust::set::SealedList;
use haversack::trust::{minisign, sshsig, sums as upstream_sums};
use haversack::types::secret::Secret;
use haversack::types::target::Arch;
use haversack::verify::{Memory, Options};
use jiff::Timestamp;

/// What takes the bytes.
pub type Target = fn(&[u8]);

/// Every target by its name; a folder of the corpus has the same name.
pub const TARGETS: &[(&str, Target)] = &[
    ("archive", archive),
    ("change", change),
    ("changes", changes),
    ("checklist", checklist),
    ("checksums", checksums),
    ("contents", contents),
    ("credentials", credentials),
    ("custody", custody),
    ("deployment", deployment),
    ("keys", keys),
    ("lock", lock),
    ("manifest", manifest),
    ("minisign", minisign),
    ("nginx", nginx),
    ("openpgp", openpgp),
    ("packages", packages),
    ("parity", parity),
    ("policy", policy),
    ("recarry", recarry),
    ("receipt", receipt),
    ("release", release),
    ("report", report),
    ("rpm", rpm),
    ("sshsig", sshsig),
    ("stream", stream),
    ("sums", sums),
    ("transfer", transfer),
    ("trustset", trustset),
    ("ustar", ustar),
];

/// What the signatures of the corpus are over.
const MESSAGE: &[u8] = b"message\n";
/// Any time; the signatures of the corpus were made before it.
const NOW: i64 = 1_790_000_000;

/// The first byte chooses the name, and with it how the rest is read.
pub fn archive(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let names = ["x.tar", "x.tar.gz", "x.tar.xz", "x.deb", "x", "x.gz"];
    let name = names[usize::from(*first) % names.len()];
    let question = Question {
        file_name: name,
        arch: Arch::Amd64,
        expect: (*first >= 128).then_some("bin/tool"),
    };
    let _ = archive::survey(rest, &question, &Cancel::new());
}

/// The file of a change, applied to a known base. The first byte chooses how the made file is packed.
pub fn change(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let base = b"a base of which something is copied, and something else is not copied at all";
    let size = u64::try_from(base.len()).unwrap();
    let part = |form, packed, opened| Part {
        form,
        packed,
        opened,
    };
    let settings = Settings {
        preset: first & 1,
        extreme: false,
        blocks: false,
        check: Sum::Crc32,
    };
    let form = match first & 6 {
        0 => Form::Xz(Some(settings)),
        // What corrections may do is the matter of the model of deflate; they are used after their hash was checked.
        _ => Form::Plain,
    };
    let length = u64::from(*first);
    let made = [part(form, length.max(1), length.max(1))];
    let parts = [part(Form::Plain, size, size)];
    let mut scratch = Cursor::new(Vec::new());
    let mut to = Vec::new();
    let done = delta::rebuild(
        (&parts, size, &mut base.as_slice()),
        (
            &mut || Ok(Cursor::new(rest)),
            u64::try_from(rest.len()).unwrap(),
        ),
        &mut scratch,
        (&made, length.max(1), &mut to),
        &mut |_| Ok(()),
    );
    if done.is_ok() {
        assert_eq!(u64::try_from(to.len()).unwrap(), length.max(1));
    }
}

/// `changes.json`.
pub fn changes(bytes: &[u8]) {
    if let Ok(found) = Changes::parse(bytes) {
        assert_eq!(found.render().unwrap().as_bytes(), bytes);
        for change in found.changes.values() {
            let base = &change.base;
            let _ = layout::check(&base.parts, base.size, Use::Base);
            let size = change
                .made
                .iter()
                .fold(0, |sum: u64, part| sum.saturating_add(part.packed));
            let _ = layout::check(&change.made, size, Use::Made);
        }
    }
}

/// The checks of a host.
pub fn checklist(bytes: &[u8]) {
    if let Ok(list) = CheckList::parse(bytes, "checks.json") {
        let again = CheckList::parse(&list.to_json(), "checks.json");
        assert_eq!(again.ok(), Some(list));
    }
}

/// Upstream's pages of checksums.
pub fn checksums(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = upstream_sums::find(text, "tool.tar.gz");
        let _ = upstream_sums::find_sha512(text, "tool.tar.gz");
    }
}

/// `bundle.json`.
pub fn contents(bytes: &[u8]) {
    if let Ok(contents) = Contents::parse(bytes) {
        assert_eq!(contents.render().unwrap().as_bytes(), bytes);
        let _ = contents.stand_ins();
    }
}

/// The operator's deployment, with every rule applied to it.
pub fn deployment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(deployment) = plan::parse(text) else {
        return;
    };
    let pem = include_str!("../fixtures/deployments/pki/p384.pem");
    let files = Files {
        cert: pem.to_owned(),
        key: Secret::new(include_str!("../fixtures/deployments/pki/p384.key").to_owned()),
        key_mode: Some(0o600),
        ca: include_str!("../fixtures/deployments/pki/ca.pem").to_owned(),
        saml_cert: None,
        hosts: std::collections::BTreeMap::new(),
    };
    let plan = Plan::new(Loaded { deployment, files });
    let context = Context {
        now: Timestamp::from_second(NOW).unwrap(),
        supply: Vec::new(),
        accepted: Vec::new(),
    };
    let findings = plan.findings(&context);
    assert_eq!(findings, plan.findings(&context));
    let _ = plan::render_text(&plan, &findings);
}

/// Keys in PEM and DER, and DER signatures.
pub fn keys(bytes: &[u8]) {
    let pem = include_str!("../fixtures/bundles/format-1/trust/k0.pem");
    let known = VerifyingKey::from_pem(pem).unwrap();
    let _ = known.verify(MESSAGE, bytes);
    let _ = VerifyingKey::from_point(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = SigningKey::from_pem(text);
        if let Ok(key) = VerifyingKey::from_pem(text) {
            let again = VerifyingKey::from_pem(&key.to_pem().unwrap()).unwrap();
            assert_eq!(again.key_id(), key.key_id());
        }
    }
}

/// A lock.
pub fn lock(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(lock) = Lock::parse(text, "x.lock")
    {
        // Rows may be read in any order, and are written in one.
        let text = lock.to_toml();
        let again = Lock::parse(&text, "x.lock").map(|again| again.to_toml());
        assert_eq!(again.ok(), Some(text));
    }
}

/// A manifest.
pub fn manifest(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        match Manifest::parse(text, "x.toml") {
            Ok(manifest) => assert!(!manifest.name.as_str().is_empty()),
            Err(problems) => assert!(!problems.to_string().is_empty()),
        }
    }
}

/// A minisign signature; before the first line with only `--` may stand the public key.
pub fn minisign(bytes: &[u8]) {
    let public = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let text = String::from_utf8_lossy(bytes);
    let (key, signature) = text.split_once("\n--\n").unwrap_or((public, &text));
    if let Ok(key) = key.parse() {
        let _ = minisign::verify(&key, signature.as_bytes(), Some("x"), MESSAGE);
    }
}

/// An NGINX configuration.
pub fn nginx(bytes: &[u8]) {
    let file = nginx::File {
        path: "/etc/nginx/nginx.conf".to_owned(),
        text: String::from_utf8_lossy(bytes).into_owned(),
    };
    if let Ok(config) = nginx::read(vec![file]) {
        let findings = nginx::examine(&config, &nginx::Expected::default());
        for finding in findings.iter() {
            assert!(!nginx::render(&config, finding).is_empty());
        }
    }
}

/// OpenPGP certificates, clear-signed texts and signatures: what stands around the crates that
/// read the packets.
pub fn openpgp(bytes: &[u8]) {
    let now = Timestamp::from_second(NOW).unwrap();
    let known = include_bytes!("../fixtures/connected/release.asc");
    let known = Keyring::parse(known).unwrap();
    let _ = known.verify_clear_signed(bytes, now);
    let _ = known.verify_detached(bytes, MESSAGE, now);
    if let Ok(keyring) = Keyring::parse(bytes) {
        assert!(!keyring.fingerprints().is_empty());
    }
}

/// Packages and their relations, as a state of dpkg: the same stanzas as in package lists.
pub fn packages(bytes: &[u8]) {
    thread_local! {
        static STORE: (tempfile::TempDir, Store) = {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path()).unwrap();
            (folder, store)
        };
    }
    let request = Request {
        repositories: Vec::new(),
        arch: Arch::Amd64,
        wanted: vec![Wanted {
            component: "app".parse().unwrap(),
            packages: vec!["app".to_owned()],
        }],
        recommends: true,
        base: Base::Status(bytes.to_vec()),
        now: Timestamp::from_second(NOW).unwrap(),
        expired: ExpiredIndex::Refuse,
        seen: Vec::new(),
    };
    STORE.with(|(_, store)| {
        let resolved = apt::resolve(&request, &LocalDocuments, store, &Silent, &Cancel::new());
        if let Err(error) = resolved {
            assert!(!error.to_string().is_empty());
        }
    });
}

/// The index of an rpm repository and, behind the first zero byte, its list of packages.
pub fn rpm(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == 0);
    let (index, list) = bytes.split_at(at.unwrap_or(bytes.len()));
    let list = list.get(1..).unwrap_or_default();
    match haversack::sources::rpm::examine(index, list, "tool", Arch::Amd64) {
        Ok(versions) => {
            for pair in versions.windows(2) {
                assert!(compare(&pair[0], &pair[1]).is_le(), "{pair:?}");
                assert_eq!(
                    compare(&pair[1], &pair[0]),
                    compare(&pair[0], &pair[1]).reverse()
                );
            }
        }
        Err(why) => assert!(!why.is_empty()),
    }
}

/// The list of blocks of a bundle's parity.
pub fn parity(bytes: &[u8]) {
    if let Ok(index) = Index::parse(bytes) {
        assert_eq!(index.render().as_bytes(), bytes);
    }
}

/// The policy of a trust directory.
pub fn policy(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(problems) = Policy::parse(text)
    {
        assert!(!problems.is_empty());
    }
}

/// The signed index of a suite.
pub fn release(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = apt::files_in_index(text);
    }
}

/// An SSH signature.
pub fn sshsig(bytes: &[u8]) {
    let _ = sshsig::verify(bytes, MESSAGE);
}

/// `SHA256SUMS`.
pub fn sums(bytes: &[u8]) {
    let format = sums::check_format(bytes);
    if let Ok(list) = Sums::parse(bytes) {
        assert!(format.is_ok());
        assert_eq!(list.render().as_bytes(), bytes);
    }
}

/// Files of credentials: netrc, and tokens for hosts.
pub fn credentials(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Credentials::parse_netrc(text);
        let _ = Credentials::parse_tokens(text);
    }
}

/// A custody log, and one line of it.
pub fn custody(bytes: &[u8]) {
    if let Ok(event) = Event::parse(bytes) {
        assert_eq!(event.render().as_bytes(), bytes);
    }
    match Chain::read(bytes, &Expected::default()) {
        Ok(chain) => assert!(!chain.events().is_empty()),
        Err(faults) => assert!(!faults.is_empty()),
    }
}

/// A list of the blocks to carry again.
pub fn recarry(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(list) = Recarry::parse(text)
    {
        assert_eq!(list.render(), text);
    }
}

/// A receipt, and the code of one.
pub fn receipt(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(signed) = SignedReceipt::parse(text) {
        let pem = include_str!("../fixtures/bundles/format-1/trust/k0.pem");
        let _ = signed.check(&VerifyingKey::from_pem(pem).unwrap());
    }
    if let Ok(code) = text.parse::<Code>() {
        assert_eq!(code.to_string().parse(), Ok(code));
    }
}

/// A report that was written to a file.
pub fn report(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::parse(bytes) {
        let text = envelope.render().unwrap();
        assert_eq!(Envelope::parse(text.as_bytes()).ok(), Some(envelope));
    }
}

/// A bundle in one file, to those who signed the one of the corpus.
pub fn stream(bytes: &[u8]) {
    thread_local! {
        static TRUST: Trust = trust();
    }
    TRUST.with(|trust| {
        let taking = Taking {
            trust,
            memory: &Memory::none(),
            options: &Options::default(),
            bases: &[],
        };
        let mut from = bytes;
        let _ = carry::check((&mut from, Path::new("x")), taking, &Silent, &Cancel::new());
    });
}

/// Those who signed the bundle of the corpus.
fn trust() -> Trust {
    let key = |name: &str, pem| (name.to_owned(), VerifyingKey::from_pem(pem).unwrap());
    let keys = vec![
        key(
            "k0.pem",
            include_str!("../fixtures/bundles/format-1/trust/k0.pem"),
        ),
        key(
            "k1.pem",
            include_str!("../fixtures/bundles/format-1/trust/k1.pem"),
        ),
    ];
    let policy = include_str!("../fixtures/bundles/format-1/trust/policy.toml");
    Trust::new(keys, Policy::parse(policy).unwrap(), Path::new("trust")).unwrap()
}

/// The policy of what may be carried.
pub fn transfer(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(problem) = TransferPolicy::parse(text)
    {
        assert!(!problem.to_string().is_empty());
    }
}

/// The list of a version of the trust directory, and its revocations.
pub fn trustset(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = SealedList::parse(text);
        let _ = parse_revoked(text);
    }
}

/// Headers of the single-file form, one after the other.
pub fn ustar(bytes: &[u8]) {
    for block in bytes.as_chunks().0 {
        if let Ok(Some(member)) = ustar::read(block) {
            assert_eq!(
                ustar::header(&member.path, member.size).as_ref().ok(),
                Some(block)
            );
        }
    }
}
