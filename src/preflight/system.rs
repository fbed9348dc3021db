//! The machine that this program runs on.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::machine::{Call, Machine, Ran, Space, Streams};
use crate::fs;

/// Where programs of the system are: the same folders as in the generated scripts.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// Longest file or answer that is read, in bytes.
const MAX_TEXT: u64 = 4 * 1024 * 1024;
/// Seconds that a program may take.
const PATIENCE: &str = "20";

/// The machine that this program runs on, with a folder of a staged tree.
#[derive(Debug)]
pub struct System {
    folder: PathBuf,
    now: u64,
}

impl System {
    /// This machine; `folder` is the staged folder of the host, `now` seconds since 1970.
    ///
    /// # Errors
    /// When the folder cannot be examined.
    pub fn new(folder: &Path, now: u64) -> Result<Self, fs::PathError> {
        Ok(Self {
            folder: fs::real_path(folder)?,
            now,
        })
    }

    fn command(program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }
}

/// Bytes as text: each byte is one character, so that nothing a program says can be no text.
fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

impl Machine for System {
    fn text(&self, path: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let file = fs::open(Path::new(path)).ok()?;
        file.take(MAX_TEXT).read_to_end(&mut bytes).ok()?;
        Some(text(&bytes))
    }

    fn text_through(&self, path: &str) -> String {
        fs::real_path(Path::new(path))
            .ok()
            // Of a file it ends in a slash.
            .and_then(|real| self.text(real.display().to_string().trim_end_matches('/')))
            .unwrap_or_default()
    }

    fn staged_text(&self, below: &str) -> Option<String> {
        self.text(&self.staged_path(below))
    }

    fn staged_path(&self, below: &str) -> String {
        self.folder.join(below).display().to_string()
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }

    fn is_folder(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }

    fn owner(&self, path: &str) -> Option<u32> {
        fs::facts(Path::new(path)).ok().map(|facts| facts.owner)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let names = fs::list(Path::new(folder)).unwrap_or_default();
        names
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .collect()
    }

    fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(Path::new(path)).ok()?;
        target.into_os_string().into_string().ok()
    }

    fn space(&self, folder: &str) -> Option<Space> {
        let facts = fs::facts(Path::new(folder)).ok()?;
        Some(Space {
            device: facts.device,
            mib: facts.free_bytes / (1024 * 1024),
            files: facts.free_files,
        })
    }

    fn has(&self, program: &str) -> bool {
        PATH.split(':').any(|folder| {
            fs::facts(&Path::new(folder).join(program)).is_ok_and(|facts| facts.mode & 0o111 != 0)
        })
    }

    fn run(&self, call: &Call<'_>) -> Ran {
        let mut words = vec!["-c", "exec \"$@\"", "sh", "timeout", PATIENCE, call.program];
        if call.streams == Streams::Both
            && let Some(script) = words.get_mut(1)
        {
            *script = "exec \"$@\" 2>&1";
        }
        words.extend(&call.arguments);
        let mut command = Self::command("/bin/sh", &words);
        if let Some((name, secret)) = &call.variable {
            command.env(name, secret.reveal());
        }
        if call.input.is_some() {
            command.stdin(Stdio::piped());
        }
        let Ok(mut child) = command.spawn() else {
            return Ran::default();
        };
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), &call.input) {
            // One that does not read ends by itself, and says so.
            let _ = stdin.write_all(input.reveal().as_bytes());
        }
        let mut bytes = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = stdout.take(MAX_TEXT).read_to_end(&mut bytes);
        }
        let status = child.wait();
        while bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        Ran {
            success: status.is_ok_and(|status| status.success()),
            text: text(&bytes),
        }
    }

    fn stream(&self, program: &str, arguments: &[&str], take: &mut dyn FnMut(&[u8])) {
        let Ok(mut child) = Self::command(program, arguments).spawn() else {
            return;
        };
        if let Some(mut stdout) = child.stdout.take() {
            let mut buffer = vec![0; fs::CHUNK];
            while let Ok(count) = stdout.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                take(buffer.get(..count).unwrap_or_default());
            }
        }
        let _ = child.wait();
    }

    fn uid(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn now(&self) -> u64 {
        self.now
    }
}
