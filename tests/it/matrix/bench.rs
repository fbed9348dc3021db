//! Where validators run: one room with the certificates, programs and units that staged files name, and
//! a folder of its own for each text.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::newest_nginx::newest;
use crate::support::postgres::servers;
use crate::support::rooms::Room;
use crate::support::staged::said;

use super::files::Sample;

/// Folder of a text in the room.
const FOLDER: &str = "/srv/matrix";

/// The room.
pub(super) struct Bench {
    pub(super) room: Room,
    next: AtomicUsize,
}

/// What a validator says: nothing, or what is wrong.
pub(super) type Verdict = Result<(), String>;

impl Bench {
    /// `folder` is the one of the samples: it holds certificate and key.
    pub(super) fn new(folder: &Path) -> Self {
        let files = folder.join("bench");
        let put = |from: &Path, to: &str| {
            let to = files.join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        };
        put(
            &folder.join("chat.pem"),
            "etc/nginx/ssl/mattermost/fullchain.pem",
        );
        put(
            &folder.join("chat.key"),
            "etc/nginx/ssl/mattermost/privkey.pem",
        );
        put(newest(), "srv/matrix/nginx");
        // The programs that units start; which bytes they are is not looked at.
        for program in [
            "opt/mattermost/bin/mattermost",
            "opt/mattermost-push-proxy/bin/mattermost-push-proxy",
            "usr/local/bin/minio",
            "usr/local/sbin/mattermost-backup",
        ] {
            put(Path::new("/bin/true"), program);
        }
        let room = Room::new(&files, Some(servers()), &[]);
        room.script("mkdir -p /var/log/nginx /etc/firewalld /run/nginx");
        let bench = Self {
            room,
            next: AtomicUsize::new(0),
        };
        assert_eq!(
            bench.says("/", "echo $$ /proc/[0-9]*"),
            (true, "1 /proc/1\n".to_owned()),
            "a script sees processes of others"
        );
        bench
    }

    /// A new folder; its path in the room, and seen from outside.
    pub(super) fn folder(&self) -> (String, PathBuf) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folder = format!("{FOLDER}/{number}");
        let seen = self.room.seen(&folder);
        fs::create_dir_all(&seen).unwrap();
        (folder, seen)
    }

    /// The text as a file of this name in a folder of its own: that folder.
    pub(super) fn put(&self, name: &str, text: &str) -> String {
        let (folder, seen) = self.folder();
        let place = seen.join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
        folder
    }

    /// A script of the shell in the room, with mounts, a network and processes of its own; `$1` is the folder
    /// of the text. Several run at once, and some look for processes by name and signal them, as
    /// `fagenrules --load` does with every fapolicyd that it sees. How a script ends that does not end with
    /// 0 is the last line of what it says.
    pub(super) fn says(&self, folder: &str, script: &str) -> (bool, String) {
        let mut command = self.command("unshare");
        command.args(["--net", "--mount", "--pid", "--fork", "--kill-child"]);
        command.args(["--mount-proc", "sh", "-c", script, "sh", folder]);
        ended(&command.output().unwrap())
    }

    /// As [`Self::says`]: it must end with 0.
    pub(super) fn succeeds(&self, folder: &str, script: &str) -> Verdict {
        let (ok, text) = self.says(folder, script);
        if ok { Ok(()) } else { Err(text) }
    }

    /// As [`Self::says`]: it must end with 0 and say nothing but what `expected` lets pass.
    pub(super) fn silent(&self, folder: &str, script: &str, expected: fn(&str) -> bool) -> Verdict {
        let (ok, text) = self.says(folder, script);
        let odd: Vec<&str> = text
            .lines()
            .filter(|line| !line.is_empty() && !expected(line))
            .collect();
        if ok && odd.is_empty() {
            Ok(())
        } else {
            Err(text)
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.room.command("root", program);
        command.env("LC_ALL", "C.UTF-8");
        command
    }
}

/// The name of the file that a sample is.
pub(super) fn name(sample: &Sample) -> &str {
    sample.path.rsplit('/').next().unwrap_or_default()
}

/// Runs a program of this machine; it must end with 0.
pub(super) fn passes(command: &mut Command) -> Verdict {
    let (ok, text) = ended(&command.output().unwrap());
    if ok { Ok(()) } else { Err(text) }
}

/// Whether a program ended with 0, and what it said; when not, with how it ended.
fn ended(out: &Output) -> (bool, String) {
    let text = said(out);
    if out.status.success() {
        (true, text)
    } else {
        (false, format!("{text}\n({})\n", out.status))
    }
}
