//! What staging made, as rules look at it: the text of every generated file of every host.

use std::collections::BTreeMap;

use crate::types::name::Name;

/// The generated files of a staged tree, before anything is written.
///
/// A path is absolute on the host (`/etc/nginx/sites-available/mattermost`); what stands beside
/// `rootfs/` in the folder of the host has its plain name (`install.sh`, `perms.tsv`).
#[derive(Clone, Default)]
pub struct Staged {
    hosts: Vec<(Name, BTreeMap<String, Vec<u8>>)>,
}

impl std::fmt::Debug for Staged {
    /// Paths only: files hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paths = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        let hosts = self.hosts.iter().map(|(host, files)| (host, paths(files)));
        f.debug_map().entries(hosts).finish()
    }
}

impl Staged {
    /// Takes the files of one more host in; hosts come in the order of installation.
    pub fn add(&mut self, host: &Name, files: BTreeMap<String, Vec<u8>>) {
        self.hosts.push((host.clone(), files));
    }

    /// The hosts, in the order of installation.
    pub fn hosts(&self) -> impl Iterator<Item = &Name> {
        self.hosts.iter().map(|(host, _)| host)
    }

    /// The text of one file; `None` when it is not there or not UTF-8.
    #[must_use]
    pub fn file(&self, host: &Name, path: &str) -> Option<&str> {
        let files = self.of(host)?;
        std::str::from_utf8(files.get(path)?).ok()
    }

    /// Every file of a host that is text, by path.
    pub fn files(&self, host: &Name) -> impl Iterator<Item = (&str, &str)> {
        let files = self.of(host).into_iter().flatten();
        files.filter_map(|(path, bytes)| Some((path.as_str(), std::str::from_utf8(bytes).ok()?)))
    }

    fn of(&self, host: &Name) -> Option<&BTreeMap<String, Vec<u8>>> {
        let mut hosts = self.hosts.iter();
        hosts.find(|(name, _)| name == host).map(|(_, files)| files)
    }
}
