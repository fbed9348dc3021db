//! The files of one host before they are written: content, owner, mode, and what they concern.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// When `install.sh` lays an entry down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Before packages are installed: their sources and keys.
    Packages,
    /// After packages, users and programs are there.
    Files,
}

impl Phase {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Packages => "packages",
            Self::Files => "files",
        }
    }
}

/// What an entry is on the host.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// A file that is exactly this.
    File(Vec<u8>),
    /// A file that is copied from the bundle.
    Copied,
    /// A file that its program goes on to write to; replaced only when what is staged changes.
    Seed(Vec<u8>),
    /// A symbolic link to this path.
    Link(&'static str),
    /// Nothing may stand here.
    Absent,
}

/// One entry of `perms.tsv`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    owner: &'static str,
    group: &'static str,
    phase: Phase,
    notify: String,
}

/// The entries of one host by absolute path; a folder sorts before what is in it.
#[derive(Default, Clone, PartialEq, Eq)]
pub(super) struct Tree(BTreeMap<String, Entry>);

/// Owner and mode of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access(
    pub(super) u32,
    pub(super) &'static str,
    pub(super) &'static str,
);

/// Readable by everybody, written by root.
pub(super) const PUBLIC: Access = Access(0o644, "root", "root");
/// A program that everybody may run.
pub(super) const PROGRAM: Access = Access(0o755, "root", "root");
/// For root alone.
pub(super) const PRIVATE: Access = Access(0o600, "root", "root");

impl Tree {
    fn put(&mut self, path: &str, kind: Kind, access: Access, phase: Phase, notify: &str) {
        let Access(mode, owner, group) = access;
        let entry = Entry {
            kind,
            mode,
            owner,
            group,
            phase,
            notify: notify.to_owned(),
        };
        self.0.insert(path.to_owned(), entry);
    }

    /// A file; `notify` names the unit (or other thing) that must read it anew, or is `-`.
    pub(super) fn file(&mut self, path: &str, content: Vec<u8>, access: Access, notify: &str) {
        self.put(path, Kind::File(content), access, Phase::Files, notify);
    }

    /// A file of the package sources.
    pub(super) fn package_file(&mut self, path: &str, content: Vec<u8>) {
        self.put(path, Kind::File(content), PUBLIC, Phase::Packages, "apt");
    }

    /// A file of the package sources that is copied from the bundle.
    pub(super) fn copied_package_file(&mut self, path: &str) {
        self.put(path, Kind::Copied, PUBLIC, Phase::Packages, "apt");
    }

    /// A file that its program goes on to write to.
    pub(super) fn seed(&mut self, path: &str, content: Vec<u8>, access: Access, notify: &str) {
        self.put(path, Kind::Seed(content), access, Phase::Files, notify);
    }

    /// A folder.
    pub(super) fn folder(&mut self, path: &str, access: Access) {
        self.put(path, Kind::Folder, access, Phase::Files, "-");
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &'static str, notify: &str) {
        let access = Access(0o777, "root", "root");
        self.put(path, Kind::Link(target), access, Phase::Files, notify);
    }

    /// Nothing at `path`.
    pub(super) fn absent(&mut self, path: &str, notify: &str) {
        self.put(path, Kind::Absent, PUBLIC, Phase::Files, notify);
    }

    /// The entries by path.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// `perms.tsv`: kind, mode, owner, group, phase, what to notify, path, and the target of a link.
    pub(super) fn perms(&self) -> String {
        let mut text = String::new();
        for (path, entry) in &self.0 {
            let (kind, target) = match &entry.kind {
                Kind::Folder => ("folder", "-"),
                Kind::File(_) | Kind::Copied => ("file", "-"),
                Kind::Seed(_) => ("seed", "-"),
                Kind::Link(target) => ("link", *target),
                Kind::Absent => ("absent", "-"),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{kind}\t{:o}\t{}\t{}\t{}\t{}\t{path}\t{target}",
                entry.mode,
                entry.owner,
                entry.group,
                entry.phase.as_str(),
                entry.notify
            );
        }
        text
    }
}

impl Entry {
    /// Content and permission bits of the staged copy below `rootfs/`: nothing more than 0600 when
    /// not everybody may read it on the host.
    pub(super) fn staged(&self) -> Option<(&[u8], u32)> {
        let mode = match self.mode & 0o777 {
            mode if mode & 0o004 == 0 => 0o600,
            mode if mode & 0o111 != 0 => 0o755,
            _ => 0o644,
        };
        match &self.kind {
            Kind::File(content) | Kind::Seed(content) => Some((content, mode)),
            Kind::Copied | Kind::Folder | Kind::Link(_) | Kind::Absent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_folders_before_their_files() {
        let mut tree = Tree::default();
        tree.file(
            "/etc/minio/config.env",
            Vec::new(),
            PRIVATE,
            "minio.service",
        );
        tree.folder("/etc/minio", Access(0o750, "root", "minio-user"));
        tree.link("/etc/a", "../b", "-");
        assert_eq!(
            tree.perms(),
            "link\t777\troot\troot\tfiles\t-\t/etc/a\t../b\n\
             folder\t750\troot\tminio-user\tfiles\t-\t/etc/minio\t-\n\
             file\t600\troot\troot\tfiles\tminio.service\t/etc/minio/config.env\t-\n"
        );
    }

    #[test]
    fn staged_copies_are_never_more_open_than_the_installed_file() {
        for (mode, staged) in [
            (0o640, 0o600),
            (0o600, 0o600),
            (0o644, 0o644),
            (0o755, 0o755),
            (0o750, 0o600),
        ] {
            let mut tree = Tree::default();
            tree.file("/x", Vec::new(), Access(mode, "root", "root"), "-");
            let found: Vec<_> = tree.entries().filter_map(|(_, e)| e.staged()).collect();
            assert_eq!(found, [(&b""[..], staged)]);
        }
    }
}
