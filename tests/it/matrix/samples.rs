//! One small signed bundle a distribution, certificates for every host of the matrix, and the
//! staging of a deployment from both. Secrets come from a counter, so that equal files are equal.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use haversack::bundle::contents::{FileInfo, FileKind, RepositoryInfo, SuiteInfo};
use haversack::bundle::{Item, PackRequest, Source, pack, sign};
use haversack::event::{Cancel, Silent};
use haversack::plan::{Context, Plan};
use haversack::stage::{Random, StageRequest, stage};
use haversack::store::Store;
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::trust::policy::Policy;
use haversack::types::target::{Arch, Distribution, Family, Target};
use haversack::verify::{AuthenticBundle, Memory, Options, open};

use super::deployments::Case;
use crate::support::staged::run;

/// Packages of the Debian family that any deployment of the matrix needs.
const PACKAGES: [&str; 14] = [
    "ca-certificates",
    "chrony",
    "curl",
    "firewalld",
    "keepalived",
    "locales",
    "nfs-common",
    "nfs-kernel-server",
    "nftables",
    "openssl",
    "postgresql-17",
    "prometheus",
    "rsync",
    "ufw",
];

/// Bundles, certificates and trees below one folder.
pub(super) struct Samples {
    folder: tempfile::TempDir,
    bundles: BTreeMap<Distribution, AuthenticBundle>,
}

/// Bytes of a counter: every tree gets the same secrets.
struct Counter(AtomicU8);

impl Random for Counter {
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()> {
        for byte in buffer {
            *byte = self.0.fetch_add(37, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Samples {
    pub(super) fn new() -> Self {
        // Staging makes every file durable; thousands of them are quick in memory only.
        let memory = Path::new("/dev/shm");
        let place = Some(memory).filter(|place| place.is_dir());
        let folder = tempfile::Builder::new()
            .prefix("haversack-matrix-")
            .tempdir_in(place.map_or_else(std::env::temp_dir, Path::to_owned))
            .unwrap();
        certificates(folder.path());
        let bundles = Distribution::ALL
            .into_iter()
            .map(|distribution| (distribution, bundle(folder.path(), distribution)))
            .collect();
        Self { folder, bundles }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of secrets that only the operator knows: of a bucket elsewhere, of a database
    /// elsewhere, of mail and of the directory.
    fn given(&self, case: &Case) -> PathBuf {
        let folder = self.path("given").join(case.name().replace(' ', "_"));
        std::fs::create_dir_all(&folder).unwrap();
        let text = case.deployment();
        let mut names = Vec::new();
        if text.contains("endpoint = ") {
            names.extend(["s3-access-key", "s3-secret-key"]);
        }
        if text.contains("dsn_host = ") {
            names.push("db-password");
        }
        for (word, name) in [
            ("[smtp]", "smtp-password"),
            ("[ldap]", "ldap-bind-password"),
        ] {
            let table = text.split(word).nth(1).unwrap_or_default();
            let table = table.split("\n[").next().unwrap_or_default();
            if table.contains("user = ") || table.contains("bind_dn = ") {
                names.push(name);
            }
        }
        for name in names {
            use std::io::Write as _;
            use std::os::unix::fs::OpenOptionsExt as _;
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = file.open(folder.join(name)).unwrap();
            file.write_all(b"Given-by.0perator_4711").unwrap();
        }
        folder
    }

    /// Stages the deployment into a new tree; what is wrong when it cannot be.
    pub(super) fn stage(&self, case: &Case, number: usize) -> Result<PathBuf, String> {
        let file = self.path(&format!("{number}.toml"));
        std::fs::write(&file, case.deployment()).unwrap();
        let loaded = haversack::plan::load(&file).map_err(|error| format!("{error:?}"))?;
        let context = Context {
            now: jiff::Timestamp::now(),
            supply: Vec::new(),
            accepted: Vec::new(),
        };
        let plan = Plan::new(loaded)
            .check(&context)
            .map_err(|refused| format!("{:#?}", refused.findings))?;
        let request = StageRequest {
            secrets: Some(self.given(case)),
            out: self.path(&format!("tree-{number}")),
        };
        let bundle = self.bundles.get(&case.distribution()).unwrap();
        let random = Counter(AtomicU8::new(1));
        stage(bundle, &plan, &request, &random, &Silent, &Cancel::new())
            .map_err(|error| error.to_string())?;
        Ok(request.out)
    }
}

/// One certificate for the site, every host and every address that a deployment of the matrix has,
/// and one of an identity provider.
fn certificates(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa};

    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(DnType::CommonName, "Test Authority");
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let mut names = vec!["chat.mm.internal".to_owned()];
    for host in [
        "mm1", "web1", "web2", "app1", "app2", "app3", "db1", "db2", "files1", "mon1",
    ] {
        names.push(format!("{host}.mm.internal"));
    }
    for number in [4, 5, 6, 10, 11, 12, 13, 20, 21, 30, 40_u8] {
        names.push(format!("10.20.0.{number}"));
        names.push(format!("fd00:20::{number:x}"));
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.distinguished_name
        .push(DnType::CommonName, "chat.mm.internal");
    let now = std::time::SystemTime::now();
    let day = std::time::Duration::from_hours(24);
    leaf.not_before = (now - day).into();
    leaf.not_after = (now + 365 * day).into();
    let pem = leaf.signed_by(&key, &issuer).unwrap().pem();
    for (name, text, mode) in [
        ("idp.pem", pem.clone(), 0o644),
        ("chat.pem", pem, 0o644),
        ("chat.key", key.serialize_pem(), 0o600),
        ("ca.pem", ca_pem, 0o644),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn bundle(folder: &Path, distribution: Distribution) -> AuthenticBundle {
    let store = Store::open(&folder.join("store")).unwrap();
    let mut items = vec![
        item(
            "evidence/keys/base.asc",
            FileKind::Evidence,
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
        ),
        item(
            "evidence/manifest.toml",
            FileKind::Evidence,
            b"format = 1\n",
        ),
        program(
            "mattermost",
            "mattermost-11.7.10-linux-amd64.tar.gz",
            &archive(folder, "mattermost"),
        ),
        program(
            "push-proxy",
            "mattermost-push-proxy-linux-amd64.tar.gz",
            &archive(folder, "mattermost-push-proxy-linux-amd64"),
        ),
        program(
            "minio",
            "minio.RELEASE.2025-10-15T17-29-55Z",
            b"\x7fELF minio",
        ),
    ];
    let mut repositories = Vec::new();
    if distribution.family() == Family::Debian {
        let suite = distribution.codename().unwrap();
        for name in ["InRelease", "main/binary-amd64/Packages.xz"] {
            let path = format!("v1/apt/base/dists/{suite}/{name}");
            items.push(item(&path, FileKind::AptIndex, path.as_bytes()));
        }
        // Each release has its own NGINX: the form of the http2 directive follows from it.
        let nginx = match distribution {
            Distribution::Debian12 => "1.22.1-9+deb12u11",
            Distribution::Debian13 => "1.26.3-3+deb13u8",
            Distribution::Ubuntu2204 => "1.18.0-6ubuntu14.20",
            _ => "1.24.0-2ubuntu7.18",
        };
        let rest = PACKAGES.into_iter().map(|name| (name, "17.10-1"));
        for (package, version) in rest.chain([("nginx", nginx)]) {
            let path = format!("v1/apt/base/pool/main/{package}_{version}_amd64.deb");
            let mut made = item(&path, FileKind::AptPackage, package.as_bytes());
            made.info.package = Some(package.to_owned());
            made.info.version = Some(version.to_owned());
            items.push(made);
        }
        repositories.push(RepositoryInfo {
            name: "base".parse().unwrap(),
            uri: "http://deb.example.internal/base".parse().unwrap(),
            keyring: "evidence/keys/base.asc".parse().unwrap(),
            suites: vec![SuiteInfo {
                suite: suite.to_owned(),
                components: vec!["main".to_owned()],
                date: "Mon, 23 Nov 2026 09:00:00 UTC".to_owned(),
                valid_until: Some("Mon, 30 Nov 2026 09:00:00 UTC".to_owned()),
            }],
        });
    }
    let request = PackRequest {
        name: "mattermost-linux".parse().unwrap(),
        version: "11.7.10".parse().unwrap(),
        sequence: "1".parse().unwrap(),
        created: "2026-11-23T18:00:00Z".parse().unwrap(),
        marking: "UNCLASSIFIED".parse().unwrap(),
        target: Target {
            distribution,
            arch: Arch::Amd64,
        },
        parity: None,
        volume_size: None,
        base: None,
        changes: BTreeMap::new(),
        items,
        repositories,
    };
    let dir = folder.join(format!("bundle-{distribution}"));
    let _ = pack(&dir, &request, &store, &Silent, &Cancel::new()).unwrap();
    let key = SigningKey::generate().unwrap();
    let _ = sign(&dir, &key).unwrap();
    let keys = vec![("builder.pem".to_owned(), key.verifying_key().clone())];
    let trust = Trust::new(keys, Policy::default(), Path::new("trust")).unwrap();
    open(&[dir], &trust, &Memory::none(), &Options::default()).unwrap()
}

fn item(path: &str, kind: FileKind, bytes: &[u8]) -> Item {
    Item {
        path: path.parse().unwrap(),
        source: Source::Bytes(bytes.to_vec()),
        info: FileInfo {
            size: u64::try_from(bytes.len()).unwrap(),
            kind,
            components: Vec::new(),
            version: None,
            package: None,
            stand_in: false,
            url: None,
            vouched: Vec::new(),
        },
    }
}

fn program(component: &str, name: &str, bytes: &[u8]) -> Item {
    let path = format!("v1/files/{component}/{name}");
    let mut made = item(&path, FileKind::Artifact, bytes);
    made.info.components = vec![component.parse().unwrap()];
    made.info.version = Some("11.7.10".to_owned());
    made.info.stand_in = true;
    made
}

fn archive(folder: &Path, top: &str) -> Vec<u8> {
    let root = folder.join("archive").join(top);
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::write(root.join("bin").join(top), "#!/bin/sh\n").unwrap();
    let out = run(Command::new("tar")
        .args(["-cz", "-C"])
        .arg(folder.join("archive"))
        .arg(top));
    out.stdout
}
