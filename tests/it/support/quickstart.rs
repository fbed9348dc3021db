//! The journey of `scripts/quickstart`, with the program itself: sample upstream, lock, build, sign,
//! verify, stage.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The project's folder.
const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
/// The port that the shipped manifest names.
const SHIPPED: &str = "127.0.0.1:18765";

/// A running sample upstream; it ends when dropped.
#[derive(Debug)]
pub(crate) struct SampleUpstream {
    process: Child,
    /// `127.0.0.1:<port>`.
    pub(crate) address: String,
}

impl SampleUpstream {
    /// Starts it on a free port, with its files in `dir`.
    pub(crate) fn start(dir: &Path) -> Self {
        let program =
            Path::new(env!("CARGO_BIN_EXE_haversack")).with_file_name("examples/sample-upstream");
        assert!(program.exists(), "build it first: cargo build --examples");
        let mut process = Command::new(program)
            .args(["--port", "0", "--until-stdin-closes", "--dir"])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sample upstream starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .rsplit("http://")
            .next()
            .unwrap_or_default()
            .to_owned();
        assert!(
            line.starts_with("sample upstream (stand-ins) ready on http://"),
            "it said: {line}"
        );
        Self { process, address }
    }
}

impl Drop for SampleUpstream {
    fn drop(&mut self) {
        // Its standard input closes, which ends it.
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

/// What the quickstart leaves: `bundle/`, `trust/` and `staged/` in a folder.
#[derive(Debug)]
pub(crate) struct Quickstart {
    /// The folder.
    pub(crate) dir: PathBuf,
}

/// What a journey is made from, beside the sample upstream.
#[derive(Debug, Clone)]
pub(crate) struct Site<'a> {
    /// Changes of the shipped manifest: what is there, and what takes its place.
    pub(crate) manifest: &'a [(&'a str, &'a str)],
    /// The deployment file.
    pub(crate) deployment: String,
    /// The names that each certificate is for; the first label of the first one names its files.
    pub(crate) certificates: Vec<Vec<String>>,
}

impl Quickstart {
    /// Runs all of it in the folder `name` below the tests' own folder. Packages that an earlier run
    /// fetched come from the store; everything else is made anew.
    pub(crate) fn make(name: &str) -> Self {
        let shipped = Path::new(PROJECT).join("manifests/quickstart-deployment.toml");
        let names = ["chat.mm.internal", "mm1", "10.20.0.10"];
        Self::of(
            name,
            &Site {
                manifest: &[],
                deployment: std::fs::read_to_string(shipped).expect("the shipped deployment"),
                certificates: vec![names.map(ToOwned::to_owned).into()],
            },
        )
    }

    /// As [`Self::make`], for a site of its own.
    pub(crate) fn of(name: &str, site: &Site<'_>) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        for old in [
            "bundle",
            "trust",
            "staged",
            "state",
            "keys",
            "quickstart.lock",
            "staged-logs",
        ] {
            let old = dir.join(old);
            drop(std::fs::remove_dir_all(&old));
            drop(std::fs::remove_file(&old));
        }
        std::fs::create_dir_all(dir.join("trust")).expect("a folder");
        let quickstart = Self { dir };
        quickstart.run_all(site);
        quickstart
    }

    fn run_all(&self, site: &Site<'_>) {
        let upstream = SampleUpstream::start(&self.dir.join("upstream"));
        let shipped = Path::new(PROJECT).join("manifests");
        let manifest =
            std::fs::read_to_string(shipped.join("quickstart.toml")).expect("the shipped manifest");
        assert!(
            manifest.contains(SHIPPED),
            "the shipped manifest names another port"
        );
        let mut manifest = manifest.replace(SHIPPED, &upstream.address);
        for (there, instead) in site.manifest {
            assert!(manifest.contains(there), "no `{there}` in the manifest");
            manifest = manifest.replace(there, instead);
        }
        std::fs::write(self.dir.join("quickstart.toml"), manifest).expect("a file");
        std::fs::write(self.dir.join("deployment.toml"), &site.deployment).expect("a file");
        for names in &site.certificates {
            let made = Command::new(Path::new(PROJECT).join("scripts/make-test-pki"))
                .arg(self.dir.join("pki"))
                .args(names)
                .status();
            assert!(
                made.expect("scripts/make-test-pki starts").success(),
                "scripts/make-test-pki failed"
            );
        }
        self.haversack(&["lock", "quickstart.toml"]);
        self.haversack(&["build", "quickstart.toml", "-o", "bundle"]);
        drop(upstream);
        self.haversack(&["keygen", "keys/quickstart"]);
        std::fs::copy(
            self.dir.join("keys/quickstart.pem"),
            self.dir.join("trust/quickstart.pem"),
        )
        .expect("a file");
        self.haversack(&["sign", "bundle", "--key", "keys/quickstart.key"]);
        self.haversack(&["verify", "bundle", "--trust", "trust"]);
        self.haversack(&[
            "stage",
            "bundle",
            "--trust",
            "trust",
            "-d",
            "deployment.toml",
            "-o",
            "staged",
        ]);
    }

    /// Runs the program in the folder; it must succeed. Returns its standard output.
    #[track_caller]
    pub(crate) fn haversack(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_haversack"))
            .args(args)
            .current_dir(&self.dir)
            .env("HAVERSACK_STORE", self.dir.join("store"))
            .env("HAVERSACK_STATE", self.dir.join("state"))
            .env("SOURCE_DATE_EPOCH", "1795449600")
            .output()
            .expect("haversack starts");
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "haversack {}: {}\n{stdout}\n{stderr}",
            args.join(" "),
            output.status
        );
        stdout.into_owned()
    }
}
