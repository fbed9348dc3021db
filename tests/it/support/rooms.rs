//! Rooms: a staged host's files over this machine's own, each at its real path, in namespaces of
//! their own for mounts, processes and network. Nothing of it touches the machine, and everything
//! is gone when the room is dropped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::support::staged::{run, said, tool};

/// Where the machine's own files lie under the staged ones, in the mount namespace of the room.
const ROOT: &str = "/mnt";

/// What a room does before it is ready: the overlay, the pseudo file systems, the addresses.
const SETUP: &str = r#"set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/.upper /mnt/.work /mnt/.root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/.upper,workdir=/mnt/.work /mnt/.root
rm -rf /mnt/.root/etc/postgresql /mnt/.root/var/lib/postgresql /mnt/.root/var/lib/pgsql
cp -a "$1/." /mnt/.root/
shift
mount --rbind /dev /mnt/.root/dev
mount -t proc proc /mnt/.root/proc
mount -t tmpfs -o mode=755 none /mnt/.root/run
mkdir -p /mnt/.root/opt/lent
if [ -n "$1" ]; then mount --rbind "$1" /mnt/.root/opt/lent; fi
shift
ip link set lo up
for address in "$@"; do ip addr add "$address/32" dev lo; done
mount --rbind /mnt/.root /mnt
echo ready
exec sleep infinity
"#;

/// One host: its staged files as if they were installed, without its packages and services.
pub(crate) struct Room {
    keeper: Child,
}

impl Room {
    /// `rootfs` over this machine's root; `lent` appears as `/opt/lent`; `addresses` are the room's.
    pub(crate) fn new(rootfs: &Path, lent: Option<&Path>, addresses: &[&str]) -> Self {
        let mut keeper = tool("unshare", "util-linux")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", SETUP, "room"])
            .arg(rootfs)
            .arg(lent.unwrap_or(Path::new("")))
            .args(addresses)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = keeper.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "a room needs root and overlayfs");
        Self { keeper }
    }

    /// The process that keeps the namespaces.
    pub(crate) fn pid(&self) -> u32 {
        self.keeper.id()
    }

    /// A program in the room, by its path there, as root or as `user`.
    pub(crate) fn command(&self, user: &str, program: &str) -> Command {
        let pid = self.pid();
        let mut command = tool("nsenter", "util-linux");
        command
            .args([
                "--target",
                &pid.to_string(),
                "--mount",
                "--net",
                &format!("--pid=/proc/{pid}/ns/pid_for_children"),
            ])
            .args(["chroot", ROOT]);
        if user != "root" {
            command.args([
                "setpriv",
                &format!("--reuid={user}"),
                &format!("--regid={user}"),
                "--clear-groups",
            ]);
        }
        command.arg(program).current_dir("/").stdin(Stdio::null());
        command
    }

    /// Runs a shell script in the room as root; it must end with 0.
    pub(crate) fn script(&self, text: &str) -> String {
        said(&run(self.command("root", "sh").args(["-ec", text])))
    }

    /// Runs a program with `text` on its standard input.
    pub(crate) fn fed(&self, user: &str, program: &[&str], text: &str) -> Output {
        let mut child = self
            .command(user, program.first().unwrap())
            .args(program.iter().skip(1))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// Gives the installed files the owners and modes of `perms.tsv`, and makes the folders that it
    /// names, as the installation does. Accounts that this machine lacks stay out.
    pub(crate) fn apply(&self, perms: &Path) {
        let text = std::fs::read_to_string(perms).unwrap();
        let mut script = String::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let &[kind, mode, owner, group, _, _, path, _] = fields.as_slice() else {
                panic!("{line}");
            };
            let known = |name: &str| matches!(name, "root" | "postgres");
            match kind {
                "folder" => script.extend([format!("mkdir -p {path}\n")]),
                "file" | "seed" => {}
                _ => continue,
            }
            if known(owner) && known(group) {
                script.extend([
                    format!("chown {owner}:{group} {path}; chmod {mode} {path}"),
                    "\n".to_owned(),
                ]);
            }
        }
        let out = self.fed("root", &["sh", "-e"], &script);
        assert!(out.status.success(), "{}", said(&out));
    }

    /// A path in the room, seen from outside.
    pub(crate) fn seen(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{ROOT}{path}", self.pid()))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // The kernel ends every process of the room with its first one.
        drop(self.keeper.kill());
        drop(self.keeper.wait());
    }
}
