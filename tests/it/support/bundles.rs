//! Small bundles for tests, and the field's tools that check them.
#![expect(clippy::unwrap_used, reason = "a test that panics says so")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haversack::bundle::contents::{FileInfo, FileKind};
use haversack::bundle::header::{Created, Sequence};
use haversack::bundle::{Item, PackRequest, Source, UnsignedBundle, pack, sign};
use haversack::event::{Cancel, Silent};
use haversack::store::Store;
use haversack::trust::directory::Trust;
use haversack::trust::key::SigningKey;
use haversack::trust::sshsig;
use haversack::types::target::{Arch, Distribution, Target};

/// A folder with a store, keys, and what is packed and signed with them.
pub(crate) struct Sandbox {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A payload file in the store.
    fn payload(store: &Store, path: &str, bytes: &[u8]) -> Item {
        let digest = store.put(bytes).unwrap();
        let size = u64::try_from(bytes.len()).unwrap();
        Item {
            path: path.parse().unwrap(),
            source: Source::Stored { digest, size },
            info: info(size, FileKind::Artifact),
        }
    }

    /// A request with three payload files and two of evidence.
    pub(crate) fn request(&self) -> PackRequest {
        Self::request_in(&self.store)
    }

    pub(crate) fn request_in(store: &Store) -> PackRequest {
        let large: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut items = vec![
            Self::payload(store, "v1/files/app/app-1.2.3.tar.gz", &large),
            Self::payload(store, "v1/files/app/empty", b""),
            Self::payload(
                store,
                "v1/apt/base/pool/libx++_1.0~rc1_amd64.deb",
                b"package",
            ),
        ];
        for name in ["evidence/manifest.toml", "evidence/manifest.lock"] {
            let bytes = name.as_bytes().to_vec();
            let size = u64::try_from(bytes.len()).unwrap();
            items.push(Item {
                path: name.parse().unwrap(),
                source: Source::Bytes(bytes),
                info: info(size, FileKind::Evidence),
            });
        }
        PackRequest {
            name: "demo".parse().unwrap(),
            version: "1.2.3".parse().unwrap(),
            sequence: Sequence::new(42).unwrap(),
            created: Created::from_epoch(1_700_000_000).unwrap(),
            marking: "UNCLASSIFIED".parse().unwrap(),
            target: Target {
                distribution: Distribution::Debian12,
                arch: Arch::Amd64,
            },
            parity: None,
            volume_size: None,
            base: None,
            changes: std::collections::BTreeMap::new(),
            items,
            repositories: Vec::new(),
        }
    }

    pub(crate) fn pack(&self, name: &str, request: &PackRequest) -> UnsignedBundle {
        pack(
            &self.path(name),
            request,
            &self.store,
            &Silent,
            &Cancel::new(),
        )
        .unwrap()
    }

    /// A signed bundle of [`Sandbox::request`].
    pub(crate) fn signed(&self, name: &str, keys: &[&SigningKey]) -> PathBuf {
        let bundle = self.pack(name, &self.request());
        for key in keys {
            let _ = sign(&bundle.path, key).unwrap();
        }
        bundle.path
    }

    /// A trust directory of these keys.
    pub(crate) fn trust(&self, name: &str, keys: &[&SigningKey], policy: &str) -> (PathBuf, Trust) {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        for (index, key) in keys.iter().enumerate() {
            let pem = key.verifying_key().to_pem().unwrap();
            std::fs::write(path.join(format!("k{index}.pem")), pem).unwrap();
        }
        std::fs::write(path.join("policy.toml"), format!("format = 1\n{policy}")).unwrap();
        let trust = Trust::load(&path).unwrap();
        (path, trust)
    }
}

/// What a file is, with nothing more to say about it.
pub(crate) fn info(size: u64, kind: FileKind) -> FileInfo {
    FileInfo {
        size,
        kind,
        components: Vec::new(),
        version: None,
        package: None,
        stand_in: false,
        url: None,
        vouched: Vec::new(),
    }
}

/// Exit code of the bundle format's script, under this shell.
pub(crate) fn verify_sh(
    shell: &str,
    bundle: &Path,
    threshold: &str,
    keys: &[PathBuf],
) -> (i32, String) {
    verify_sh_by(Command::new(shell), bundle, threshold, keys)
}

/// As [`verify_sh`], by a shell command that was prepared.
pub(crate) fn verify_sh_by(
    mut shell: Command,
    bundle: &Path,
    threshold: &str,
    keys: &[PathBuf],
) -> (i32, String) {
    let mut child = shell
        .args(["-s", "--", "-t", threshold])
        .args(keys)
        .arg(bundle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(
        child.stdin.as_mut().unwrap(),
        haversack::bundle::VERIFY_SH.as_bytes(),
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code().unwrap(), text)
}

/// Whether `openssl dgst -sha384 -verify` accepts any `*.sig` of the bundle by this key.
pub(crate) fn openssl_accepts(bundle: &Path, key: &Path) -> bool {
    signatures(bundle, "sig").iter().any(|signature| {
        run(Command::new("openssl")
            .args(["dgst", "-sha384", "-verify"])
            .arg(key)
            .arg("-signature")
            .arg(signature)
            .arg(bundle.join("SHA256SUMS")))
    })
}

/// Whether `ssh-keygen -Y verify` accepts any `*.sshsig` of the bundle by this key.
pub(crate) fn ssh_keygen_accepts(sandbox: &Sandbox, bundle: &Path, key: &SigningKey) -> bool {
    let allowed = sandbox.path("allowed_signers");
    let line = sshsig::allowed_signers_line("builder", key.verifying_key());
    std::fs::write(&allowed, format!("{line}\n")).unwrap();
    signatures(bundle, "sshsig").iter().any(|signature| {
        let Ok(list) = std::fs::File::open(bundle.join("SHA256SUMS")) else {
            return false;
        };
        run(Command::new("ssh-keygen")
            .args([
                "-Y",
                "verify",
                "-I",
                "builder",
                "-n",
                sshsig::NAMESPACE,
                "-f",
            ])
            .arg(&allowed)
            .arg("-s")
            .arg(signature)
            .stdin(list))
    })
}

/// Whether `sha256sum --strict -c` accepts the list in the bundle.
pub(crate) fn sha256sum_accepts(bundle: &Path) -> bool {
    run(Command::new("sha256sum")
        .args(["--strict", "--quiet", "-c", "SHA256SUMS"])
        .current_dir(bundle))
}

fn signatures(bundle: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(bundle.join("sig")) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

fn run(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}
