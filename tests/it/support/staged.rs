//! A small signed bundle, a deployment with its certificates, and the tree staged from both.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use haversack::bundle::contents::{FileInfo, FileKind, RepositoryInfo, SuiteInfo};
use haversack::bundle::{Item, PackRequest, Source, pack, sign};
use haversack::event::{Cancel, Silent};
use haversack::plan::{Context, Plan};
use haversack::stage::{OsRandom, StageError, StageReport, StageRequest, stage};
use haversack::store::Store;
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::trust::policy::Policy;
use haversack::types::target::{Arch, Distribution, Family, Target};
use haversack::verify::{AuthenticBundle, Memory, Options, open};

/// The deployment of the tests: everything on one host.
pub(crate) const DEPLOYMENT: &str = r##"
format  = 1
url     = "https://chat.mm.internal"
method  = "linux"
edition = "enterprise"
classification = { level = "il5", banner = "SECRET//NOFORN", color = "#c8102e" }

[tls]
cert = "chat.pem"
key  = "chat.key"
ca   = "ca.pem"

[network]
users = ["10.30.0.0/16"]
admin = ["10.20.9.0/28"]
dns   = ["10.20.0.2"]
ntp   = ["10.20.0.2"]

[[host]]
name      = "mm1"
address   = "10.20.0.10"
distro    = "debian-12"
memory_gb = 8
roles     = ["proxy", "app", "db", "minio", "push"]

[storage]
kind   = "s3"
host   = "mm1"
bucket = "mattermost"

[push]
mode = "proxy"
host = "mm1"

[backup]
at   = "02:30"
keep = 14
"##;

/// A folder with bundle, deployment and staged tree.
pub(crate) struct Staged {
    folder: tempfile::TempDir,
    bundle: AuthenticBundle,
    pub(crate) report: StageReport,
}

impl Staged {
    /// Packs, signs, opens and stages.
    pub(crate) fn new() -> Self {
        Self::with(DEPLOYMENT, &packages()).unwrap()
    }

    /// As [`Self::new`], for a deployment and the packages of the bundle.
    pub(crate) fn with(deployment: &str, packages: &[(&str, &str)]) -> Result<Self, StageError> {
        Self::bring(deployment, packages, &[], &[])
    }

    /// As [`Self::with`], with further programs (component and file name) in the bundle and secrets
    /// that the operator brings (name and text).
    pub(crate) fn bring(
        deployment: &str,
        packages: &[(&str, &str)],
        programs: &[(&str, &str)],
        secrets: &[(&str, &str)],
    ) -> Result<Self, StageError> {
        Self::made(
            Distribution::Debian12,
            deployment,
            packages,
            programs,
            secrets,
        )
    }

    /// As [`Self::with`], with a bundle for this distribution.
    pub(crate) fn from_bundle_for(
        distribution: Distribution,
        deployment: &str,
        packages: &[(&str, &str)],
    ) -> Result<Self, StageError> {
        Self::made(distribution, deployment, packages, &[], &[])
    }

    /// All of it.
    pub(crate) fn made(
        distribution: Distribution,
        deployment: &str,
        packages: &[(&str, &str)],
        programs: &[(&str, &str)],
        secrets: &[(&str, &str)],
    ) -> Result<Self, StageError> {
        let folder = tempfile::Builder::new()
            .prefix("haversack-stage-")
            .tempdir()
            .unwrap();
        let bundle = bundle(folder.path(), distribution, packages, programs);
        if !secrets.is_empty() {
            write_secrets(&folder.path().join("given"), secrets);
        }
        write_deployment(folder.path(), deployment);
        let report = stage_into(folder.path(), &bundle, &folder.path().join("staged"))?;
        Ok(Self {
            folder,
            bundle,
            report,
        })
    }

    /// Stages once more into `name`.
    pub(crate) fn again(&self, name: &str) -> Result<StageReport, StageError> {
        stage_into(self.folder.path(), &self.bundle, &self.path(name))
    }

    /// A path in the test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The staged tree.
    pub(crate) fn out(&self) -> PathBuf {
        self.path("staged")
    }

    /// A file that will stand at `path` on the host of this name.
    pub(crate) fn rootfs_of(&self, host: &str, path: &str) -> PathBuf {
        self.out().join(format!("{host}/rootfs{path}"))
    }

    /// The text of such a file.
    pub(crate) fn text_of(&self, host: &str, path: &str) -> String {
        let file = self.rootfs_of(host, path);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// A script or list of the host of this name.
    pub(crate) fn script_of(&self, host: &str, name: &str) -> String {
        std::fs::read_to_string(self.out().join(host).join(name)).unwrap()
    }

    /// The folder of the one host.
    pub(crate) fn host(&self) -> PathBuf {
        self.out().join("mm1")
    }

    /// A file that will stand at `path` on the host.
    pub(crate) fn rootfs(&self, path: &str) -> PathBuf {
        self.host().join(format!("rootfs{path}"))
    }

    /// The text of such a file.
    pub(crate) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.rootfs(path)).unwrap()
    }

    /// A secret that was made.
    pub(crate) fn secret(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.out().join("secrets").join(name)).unwrap();
        text.trim_end().to_owned()
    }
}

/// Packages that the deployment needs.
pub(crate) fn packages() -> Vec<(&'static str, &'static str)> {
    vec![
        ("ca-certificates", "20230311+deb12u1"),
        ("curl", "7.88.1-10+deb12u14"),
        ("locales", "2.36-9+deb12u13"),
        ("nftables", "1.0.6-2+deb12u2"),
        ("nginx", "1.22.1-9+deb12u11"),
        ("postgresql-15", "15.20-0+deb12u1"),
    ]
}

/// What a deployment of any roles needs beside [`packages`].
pub(crate) fn all_packages() -> Vec<(&'static str, &'static str)> {
    let mut all = packages();
    all.extend([
        ("keepalived", "1:2.2.7-1+b2"),
        ("nfs-common", "1:2.6.2-4+deb12u1"),
        ("nfs-kernel-server", "1:2.6.2-4+deb12u1"),
        ("prometheus", "2.42.0+ds-5+deb12u1"),
    ]);
    all
}

/// The components whose closure holds a package, as a manifest would say.
fn components(package: &str) -> Vec<haversack::types::name::Name> {
    let names: &[&str] = match package {
        "ca-certificates" | "nftables" => {
            &["mattermost", "nfs", "nginx", "postgresql", "prometheus"]
        }
        "curl" => &["mattermost", "nginx"],
        "nfs-common" | "nfs-kernel-server" => &["nfs"],
        "keepalived" | "nginx" => &["nginx"],
        "prometheus" => &["prometheus"],
        _ => &["postgresql"],
    };
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// A folder of secrets as an operator makes it.
fn write_secrets(folder: &Path, secrets: &[(&str, &str)]) {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::create_dir_all(folder).unwrap();
    for (name, text) in secrets {
        let path = folder.join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// The values of a key of a deployment file, such as each `address = "10.20.0.5"`.
fn quoted_values(deployment: &str, key: &str) -> Vec<String> {
    deployment
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix(key)?
                .trim_start()
                .strip_prefix('=')
        })
        .filter_map(|value| Some(value.split('"').nth(1)?.to_owned()))
        .collect()
}

fn stage_into(
    folder: &Path,
    bundle: &AuthenticBundle,
    out: &Path,
) -> Result<StageReport, StageError> {
    let loaded = haversack::plan::load(&folder.join("deployment.toml")).unwrap();
    let context = Context {
        now: jiff::Timestamp::now(),
        supply: Vec::new(),
        accepted: Vec::new(),
    };
    let plan = Plan::new(loaded)
        .check(&context)
        .unwrap_or_else(|refused| panic!("{:#?}", refused.findings));
    let request = StageRequest {
        out: out.to_owned(),
        secrets: Some(folder.join("given")).filter(|given| given.exists()),
    };
    stage(bundle, &plan, &request, &OsRandom, &Silent, &Cancel::new())
}

fn write_deployment(folder: &Path, text: &str) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa};
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::write(folder.join("deployment.toml"), text).unwrap();
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(DnType::CommonName, "Test Authority");
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    // One certificate for the site and for every host.
    let mut names = vec!["chat.mm.internal".to_owned()];
    for key in ["address", "fqdn", "virtual_address"] {
        names.extend(quoted_values(text, key));
    }
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
        ("chat.pem", pem, 0o644),
        ("chat.key", key.serialize_pem(), 0o600),
        ("ca.pem", ca_pem, 0o644),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn bundle(
    folder: &Path,
    distribution: Distribution,
    packages: &[(&str, &str)],
    programs: &[(&str, &str)],
) -> AuthenticBundle {
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
        program(
            "minio",
            "minio.RELEASE.2025-10-15T17-29-55Z.minisig",
            b"signature",
        ),
    ];
    for (component, name) in programs {
        items.push(program(component, name, b"\x7fELF program"));
    }
    let has_apt = distribution.family() == Family::Debian;
    if has_apt {
        items.push(index("v1/apt/base/dists/bookworm/InRelease"));
        items.push(index(
            "v1/apt/base/dists/bookworm/main/binary-amd64/Packages.xz",
        ));
    }
    for (package, version) in packages {
        // As in the archive, a file name lacks the epoch.
        let upstream = version.rsplit(':').next().unwrap();
        let path = format!("v1/apt/base/pool/main/{package}_{upstream}_amd64.deb");
        let mut made = item(&path, FileKind::AptPackage, package.as_bytes());
        made.info.package = Some((*package).to_owned());
        made.info.components = components(package);
        made.info.version = Some((*version).to_owned());
        items.push(made);
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
        changes: std::collections::BTreeMap::new(),
        items,
        repositories: has_apt.then(base_repository).into_iter().collect(),
    };
    let dir = folder.join("bundle");
    let _ = pack(&dir, &request, &store, &Silent, &Cancel::new()).unwrap();
    let key = SigningKey::generate().unwrap();
    let _ = sign(&dir, &key).unwrap();
    let keys = vec![("builder.pem".to_owned(), key.verifying_key().clone())];
    let trust = Trust::new(keys, Policy::default(), Path::new("trust")).unwrap();
    open(&[dir], &trust, &Memory::none(), &Options::default()).unwrap()
}

fn base_repository() -> RepositoryInfo {
    RepositoryInfo {
        name: "base".parse().unwrap(),
        uri: "http://deb.example.internal/debian".parse().unwrap(),
        keyring: "evidence/keys/base.asc".parse().unwrap(),
        suites: vec![
            suite("bookworm", None),
            suite("bookworm-security", Some("Mon, 30 Nov 2026 09:00:00 UTC")),
        ],
    }
}

fn suite(name: &str, valid_until: Option<&str>) -> SuiteInfo {
    SuiteInfo {
        suite: name.to_owned(),
        components: vec!["main".to_owned()],
        date: "Mon, 23 Nov 2026 09:00:00 UTC".to_owned(),
        valid_until: valid_until.map(ToOwned::to_owned),
    }
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

fn index(path: &str) -> Item {
    item(path, FileKind::AptIndex, path.as_bytes())
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

/// Runs a tool; that it is not installed fails the test with what to install.
pub(crate) fn tool(program: &str, package: &str) -> Command {
    let found = std::env::var_os("PATH").is_some_and(|paths| {
        std::env::split_paths(&paths)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .any(|folder| folder.join(program).exists())
    });
    assert!(found, "{program} is not here: apt-get install {package}");
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8");
    command.env(
        "PATH",
        "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/sbin",
    );
    command
}

/// Runs a command that must end with 0.
pub(crate) fn run(command: &mut Command) -> Output {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{command:?}\n{}", said(&out));
    out
}

/// What a command wrote.
pub(crate) fn said(out: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}
