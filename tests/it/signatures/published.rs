//! The key files that publishers serve, as Debian 13 carries them: fetched as a user would, by a lock and a build of
//! the package that holds them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use haversack::manifest::Manifest;
use haversack::sources::apt::system;
use haversack::trust::openpgp::{Keyring, OpenPgpError, Reason};
use haversack::types::digest::Digest;
use haversack::types::fingerprint::Fingerprint;
use haversack::types::target::{Arch, Distribution, Target};
use jiff::Timestamp;

use crate::apt::openpgp::Gpg;

/// SHA-256 of the file with three keys, as nginx.org served it in July 2026.
const NGINX: &str = "55385da31d198fa6a5012d40ae98ecb272a6c4e8fffffba94719ffd3e87de37a";
/// What signs the suite of Debian 13.
const DEBIAN: [&str; 3] = [
    "04B54C3CDCA79751B16BC6B5225629DF75B188BD",
    "5E04A1E3223A19A20706E20F9904613D4CCE68C6",
    "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
];
const PACKAGE: &str = "extrepo-offline-data";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The folder with the key files that the package brought.
static FILES: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let files = bring(folder.path());
    (folder, files)
});

fn haversack(folder: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
        .args(arguments)
        .current_dir(folder)
        .env("HAVERSACK_STORE", folder.join("store"))
        .env("HAVERSACK_STATE", folder.join("state"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// Where this machine takes Debian from.
fn mirror() -> String {
    let target = Target {
        distribution: Distribution::Debian12,
        arch: Arch::Amd64,
    };
    let all = system::repositories(Path::new("/"), &"base".parse().unwrap(), target).unwrap();
    let main = all
        .iter()
        .find(|one| one.suites.iter().any(|suite| suite == "bookworm"));
    main.unwrap().uri.to_string()
}

/// Locks and builds the package, and takes it apart.
fn bring(folder: &Path) -> PathBuf {
    std::fs::copy(KEYRING, folder.join("debian.gpg")).unwrap();
    let manifest = format!(
        "format = 1\nname = \"keys\"\nversion = \"13\"\n\
         target = {{ distribution = \"debian-13\", arch = \"amd64\" }}\n\
         [[key]]\nname = \"debian\"\nopenpgp = {DEBIAN:?}\npath = \"debian.gpg\"\n\
         [apt]\nbase = \"nothing\"\n\
         [[apt.repository]]\nname = \"debian\"\nuri = \"{}\"\nsuites = [\"trixie\"]\n\
         components = [\"main\"]\nkey = \"debian\"\n\
         [[apt.packages]]\ncomponent = \"extra-keys\"\ninstall = [\"{PACKAGE}\"]\n",
        mirror()
    );
    std::fs::write(folder.join("m.toml"), manifest).unwrap();
    haversack(folder, &["lock", "m.toml"]);
    haversack(folder, &["build", "m.toml", "-o", "bundle"]);
    let list = std::fs::read_to_string(folder.join("bundle/SHA256SUMS")).unwrap();
    let packages: Vec<&str> = list
        .lines()
        .filter(|line| line.contains("/pool/"))
        .collect();
    let [package] = packages[..] else {
        panic!("{packages:?}")
    };
    let package = package.split_once("  ").unwrap().1;
    let mut command = Command::new("dpkg-deb");
    command.args(["-x", &format!("bundle/{package}"), "keys"]);
    assert!(command.current_dir(folder).status().unwrap().success());
    folder.join("keys/usr/share/extrepo/offline-data/debian/bookworm")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(FILES.1.join(name)).unwrap()
}

/// What the manifest for Debian pins under a name.
fn pins(key: &str) -> Vec<Fingerprint> {
    let shipped = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/manifests/mattermost-linux-debian.toml"
    );
    let text = std::fs::read_to_string(shipped).unwrap();
    let manifest = Manifest::parse(&text, "shipped").unwrap();
    let mut keys = manifest.keys.into_iter();
    keys.find(|one| one.name.as_str() == key).unwrap().openpgp
}

/// Fingerprint, time of making and end of each primary key, as gpg reads a file. The time is 0 for no end.
fn as_gpg_reads(gpg: &Gpg, name: &str, bytes: &[u8]) -> Vec<(Fingerprint, i64, i64)> {
    let path = gpg.path(name, bytes);
    let shown = gpg.run(&["--with-colons", "--show-keys", path.to_str().unwrap()]);
    let shown = String::from_utf8(shown).unwrap();
    let mut keys: Vec<(Fingerprint, i64, i64)> = Vec::new();
    let mut open = None;
    for line in shown.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[0] {
            "pub" => {
                let end = if fields[6].is_empty() { "0" } else { fields[6] };
                open = Some((fields[5].parse().unwrap(), end.parse().unwrap()));
            }
            "fpr" => {
                if let Some((made, end)) = open.take() {
                    keys.push((fields[9].parse().unwrap(), made, end));
                }
            }
            _ => {}
        }
    }
    keys
}

/// A signature by another key, with the name of `pin` written over that of its maker.
fn in_the_name_of(pin: &Fingerprint, signature: &[u8], maker: &Fingerprint) -> Vec<u8> {
    let bytes = |one: &Fingerprint| -> Vec<u8> {
        let text = one.to_string();
        let pairs = text.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    let (from, to) = (bytes(maker), bytes(pin));
    let mut forged = signature.to_vec();
    let mut count = 0;
    for (from, to) in [(&from[..], &to[..]), (&from[12..], &to[12..])] {
        while let Some(at) = forged.windows(from.len()).position(|part| part == from) {
            forged[at..at + from.len()].copy_from_slice(to);
            count += 1;
        }
    }
    assert_eq!(count, 2, "fingerprint and key id");
    forged
}

fn reason(error: OpenPgpError) -> Reason {
    match error {
        OpenPgpError::NoneGood { rejected, .. } => rejected.into_iter().next().unwrap().reason,
        other => panic!("{other}"),
    }
}

#[test]
fn the_file_of_nginx_holds_the_three_keys_that_are_pinned_as_a_set() {
    let bytes = file("nginx.asc");
    assert_eq!(
        Digest::of(&bytes).to_string(),
        NGINX,
        "nginx.org has another file now: compare its keys with the pins first"
    );
    let keyring = Keyring::parse(&bytes).unwrap();
    let pinned = pins("nginx");
    assert_eq!(pinned.len(), 3);
    let kept = keyring.only(&pinned).unwrap().fingerprints();
    let sorted = |mut all: Vec<Fingerprint>| {
        all.sort();
        all
    };
    assert_eq!(sorted(kept), sorted(pinned.clone()));
    // The file is a set: nothing but what is pinned, and any part of it may be pinned alone.
    assert_eq!(sorted(keyring.fingerprints()), sorted(pinned.clone()));
    for pin in &pinned {
        let alone = keyring.only(std::slice::from_ref(pin)).unwrap();
        assert_eq!(alone.fingerprints(), std::slice::from_ref(pin));
        let again = Keyring::parse(&alone.to_binary()).unwrap();
        assert_eq!(again.fingerprints(), std::slice::from_ref(pin));
    }

    let gpg = Gpg::new();
    let read = as_gpg_reads(&gpg, "nginx.asc", &bytes);
    let theirs: Vec<Fingerprint> = read.iter().map(|(pin, ..)| pin.clone()).collect();
    assert_eq!(theirs, keyring.fingerprints());
    // The key of 2011 ends, the two of 2024 do not.
    for (pin, _, end) in &read {
        let end = Timestamp::from_second(*end).unwrap().to_string();
        let expected = if *pin == pinned[0] {
            "2027-05-24"
        } else {
            "1970-01-01"
        };
        assert!(end.starts_with(expected), "{pin}: {end}");
    }
}

/// Nobody here has a file that these keys signed. What can be told of a key without one: that a signature in its name
/// by somebody else does not hold, and from when on none will.
#[test]
fn a_signature_in_the_name_of_a_key_of_nginx_does_not_hold_and_its_end_is_named() {
    let bytes = file("nginx.asc");
    let keyring = Keyring::parse(&bytes).unwrap();
    let gpg = Gpg::new();
    let maker = gpg.key("somebody@example", "rsa2048", "20260101T000000", "0");
    let data = gpg.path("data", b"nginx");
    let signature = gpg.sign(
        "somebody@example",
        &["--detach-sign"],
        "20260201T000000",
        &data,
    );
    let all = gpg.path("all.gpg", &keyring.to_binary());
    for (pin, made, end) in as_gpg_reads(&gpg, "nginx.asc", &bytes) {
        let forged = in_the_name_of(&pin, &signature, &maker);
        let judge = |at: i64| {
            let at = Timestamp::from_second(at).unwrap();
            reason(
                keyring
                    .verify_detached(&forged, b"nginx".as_slice(), at)
                    .unwrap_err(),
            )
        };
        let now = Timestamp::now().as_second();
        assert!(made < now && (end == 0 || end > now), "{pin}");
        assert_eq!(judge(now), Reason::Bad, "{pin}");
        if end == 0 {
            assert_eq!(judge(now + 10 * 365 * 86_400), Reason::Bad, "{pin}");
        } else {
            assert_eq!(judge(end - 1), Reason::Bad, "{pin}");
            let ended = Timestamp::from_second(end).unwrap();
            assert_eq!(judge(end), Reason::Expired(ended), "{pin}");
        }
        let path = gpg.path("forged.sig", &forged);
        let mut gpgv = Command::new("gpgv");
        gpgv.arg("--keyring").arg(&all).arg(path).arg(&data);
        let said = gpgv.output().unwrap();
        let told = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success(), "{pin}: {told}");
        assert!(told.contains("BAD signature"), "{pin}: {told}");
    }
}

/// The keys of 2024 carry signatures by the one of 2011, which gpg checks.
#[test]
fn the_older_key_of_nginx_vouches_for_the_two_newer_ones() {
    let pinned = pins("nginx");
    let gpg = Gpg::new();
    let path = gpg.path("nginx.asc", &file("nginx.asc"));
    gpg.run(&["--import", path.to_str().unwrap()]);
    let older = &pinned[0].to_string()[24..];
    for newer in &pinned[1..] {
        let shown = gpg.run(&["--with-colons", "--check-signatures", &newer.to_string()]);
        let shown = String::from_utf8(shown).unwrap();
        let good = shown.lines().any(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            fields[0] == "sig" && fields[1] == "!" && fields[4] == older
        });
        assert!(good, "{newer}: {shown}");
    }
}

/// The release key of Mattermost ran out in 2024 and was renewed in place; its fingerprint stayed.
#[test]
fn the_release_key_of_mattermost_is_the_one_that_is_pinned_and_was_renewed_in_place() {
    let bytes = file("mattermost.asc");
    let pinned = pins("mattermost-release");
    let keyring = Keyring::parse(&bytes).unwrap();
    assert_eq!(keyring.only(&pinned).unwrap().fingerprints(), pinned);
    let gpg = Gpg::new();
    let read = as_gpg_reads(&gpg, "mattermost.asc", &bytes);
    assert_eq!(read.len(), 1);
    let (pin, made, end) = &read[0];
    assert_eq!(*pin, pinned[0]);
    let day = |second: i64| Timestamp::from_second(second).unwrap().to_string()[..10].to_owned();
    assert_eq!(
        (day(*made), day(*end)),
        ("2017-03-27".into(), "2028-04-07".into())
    );

    // Good today, although the signature that it was made with has run out; over on the day that gpg tells.
    let maker = gpg.key("somebody@example", "rsa2048", "20260101T000000", "0");
    let data = gpg.path("data", b"mattermost");
    let form = &["--detach-sign"];
    let signature = gpg.sign("somebody@example", form, "20260201T000000", &data);
    let forged = in_the_name_of(pin, &signature, &maker);
    let judge = |at: i64| {
        let at = Timestamp::from_second(at).unwrap();
        let result = keyring.verify_detached(&forged, b"mattermost".as_slice(), at);
        reason(result.unwrap_err())
    };
    assert_eq!(judge(Timestamp::now().as_second()), Reason::Bad);
    assert_eq!(judge(end - 1), Reason::Bad);
    let ended = Timestamp::from_second(*end).unwrap();
    assert_eq!(judge(*end), Reason::Expired(ended));
}

/// PGDG's key is the one that Debian's postgresql-common ships, too: two ways to the same key.
#[test]
fn the_key_of_pgdg_comes_by_two_ways() {
    let pinned = pins("pgdg-apt");
    let other = std::fs::read("/usr/share/postgresql-common/pgdg/apt.postgresql.org.asc").unwrap();
    for bytes in [file("postgresql.asc"), other] {
        let keyring = Keyring::parse(&bytes).unwrap();
        assert_eq!(keyring.fingerprints(), pinned);
    }
}
