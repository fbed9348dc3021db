//! A root folder of its own, in which the functions of a staged `install.sh`, and `verify.sh` and
//! `rollback.sh` as they are, work on files without a machine around them.
//!
//! `/usr` is that of the machine that runs the tests, not to be written to but for two folders of its own;
//! everything else is empty. There is no systemd.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::staged::{Staged, run, said};

/// What the scripts' own `here=` line reads as in the root.
const HERE: &str = "here=/root/mm1";
/// Where `install.sh` ends to define and begins to work.
const BEGIN: &str = "\ntrap 'finish $?' EXIT\n";

/// The folder; removed when dropped.
pub(crate) struct FakeRoot(tempfile::TempDir);

impl FakeRoot {
    /// With the staged tree of the only host in `/root/mm1`.
    pub(crate) fn new(staged: &Staged) -> Self {
        Self::of(&staged.host())
    }

    /// With this folder of a host in `/root/mm1`.
    pub(crate) fn of(host: &Path) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test changes its root, so it must run as root"
        );
        let root = Self(tempfile::tempdir().unwrap());
        fs::set_permissions(root.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for folder in [
            "usr",
            "local",
            "keyrings",
            "proc",
            "dev",
            "root",
            "opt",
            "etc",
            "run",
            "fakes",
            "tmp",
            "var/lib/haversack",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/info",
        ] {
            fs::create_dir_all(root.path(folder)).unwrap();
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), root.path(name)).unwrap();
        }
        // `awk` is a link into this folder.
        fs::create_dir(root.path("etc/alternatives")).unwrap();
        let awk = fs::read_link("/etc/alternatives/awk").unwrap();
        symlink(awk, root.path("etc/alternatives/awk")).unwrap();
        for folder in ["pending", "rollback", "seeds", "programs", "sources.d"] {
            fs::create_dir(root.path("var/lib/haversack").join(folder)).unwrap();
        }
        root.write("/var/lib/dpkg/status", "");
        root.write("/etc/hosts", "127.0.0.1 localhost\n");
        root.write(
            "/etc/passwd",
            "root:x:0:0::/root:/bin/sh\nmattermost:x:2000:2000::/opt/mattermost:/bin/false\n\
             mattermost-push:x:2001:2001::/:/bin/false\nminio-user:x:2002:2002::/:/bin/false\n\
             postgres:x:2003:2003::/:/bin/false\n",
        );
        root.write(
            "/etc/group",
            "root:x:0:\nmattermost:x:2000:\nmattermost-push:x:2001:\nminio-user:x:2002:\npostgres:x:2003:\n",
        );
        root.bring(host);
        root
    }

    /// Puts a staged tree into `/root/mm1`, instead of the one that is there.
    pub(crate) fn bring(&self, host: &Path) {
        drop(fs::remove_dir_all(self.path("root/mm1")));
        run(Command::new("cp")
            .arg("-a")
            .arg(host)
            .arg(self.path("root/mm1")));
    }

    /// A path of the root, as seen from outside.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.path().join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Writes a file, with its folders.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// A script that stands in for the program `name` of `/usr/bin` or `/usr/sbin`, which must be there.
    pub(crate) fn fake(&self, name: &str, script: &str) {
        self.write(&format!("/fakes/{name}"), &format!("#!/bin/sh\n{script}\n"));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path("fakes").join(name), mode).unwrap();
    }

    /// Runs a shell script in the root.
    pub(crate) fn shell(&self, script: &str) -> Output {
        self.command(script).output().unwrap()
    }

    fn command(&self, script: &str) -> Command {
        let enter = "set -e
            for folder in usr proc dev; do mount --rbind /$folder \"$1/$folder\"; done
            for fake in \"$1\"/fakes/*; do
                [ -f \"$fake\" ] || continue
                name=${fake##*/}
                [ -e \"$1/usr/bin/$name\" ] || name=../sbin/$name
                mount --bind \"$fake\" \"$1/usr/bin/$name\"
            done
            # Nothing is written to the machine that runs the tests.
            mount --bind \"$1/local\" \"$1/usr/local\"
            mount --bind \"$1/keyrings\" \"$1/usr/share/keyrings\"
            mount -o remount,bind,ro \"$1/usr\"
            exec chroot \"$1\" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin /bin/sh -c \"$2\"";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--net", "sh", "-c", enter, "sh"])
            .arg(self.0.path())
            .arg(script);
        command
    }

    /// Runs functions of `install.sh`, with what it does when it ends; returns what was said.
    pub(crate) fn install(&self, arguments: &str, calls: &str) -> (bool, String) {
        let script = self.read("/root/mm1/install.sh");
        let (definitions, _) = script.split_once(BEGIN).unwrap();
        let (before, rest) = definitions.split_once("\nhere=").unwrap();
        let (_, after) = rest.split_once('\n').unwrap();
        self.write(
            "/functions.sh",
            &format!("{before}\n{HERE}\n{after}\ntrap 'finish $?' EXIT\nstep=test\n{calls}\n"),
        );
        let out = self.shell(&format!("sh /functions.sh {arguments}"));
        (out.status.success(), said(&out))
    }

    /// The same, which must succeed.
    #[track_caller]
    pub(crate) fn installs(&self, calls: &str) -> String {
        let (ok, text) = self.install("", calls);
        assert!(ok, "{text}");
        text
    }

    /// The lines of `verify.sh` that begin with `FAIL` and hold `word`; it is not asked about services.
    pub(crate) fn failures(&self, word: &str) -> Vec<String> {
        let script = self.read("/root/mm1/verify.sh");
        let (files, _) = script.split_once("\n# --- units\n").unwrap();
        let (before, rest) = files.split_once("\nhere=").unwrap();
        let (_, after) = rest.split_once('\n').unwrap();
        self.write("/verify.sh", &format!("{before}\n{HERE}\n{after}\n"));
        let text = run(&mut self.command("sh /verify.sh"));
        let text = said(&text);
        let lines = text.lines().filter_map(|line| line.strip_prefix("FAIL  "));
        lines
            .filter(|line| line.contains(word))
            .map(ToOwned::to_owned)
            .collect()
    }
}
