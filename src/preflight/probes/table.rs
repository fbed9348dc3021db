//! A machine that is a table, for unit tests.

use std::collections::{BTreeMap, BTreeSet};

use crate::preflight::machine::{Call, Machine, Ran, Space};

/// What the machine answers; nothing is there that was not put in.
#[derive(Debug, Default, Clone)]
pub(in crate::preflight) struct Table {
    files: BTreeMap<String, String>,
    folders: BTreeSet<String>,
    links: BTreeMap<String, String>,
    programs: BTreeMap<String, Ran>,
    owners: BTreeMap<String, u32>,
    spaces: BTreeMap<String, Space>,
    pub(in crate::preflight) uid: u32,
    pub(in crate::preflight) now: u64,
}

impl Table {
    pub(in crate::preflight) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    pub(in crate::preflight) fn folder(mut self, path: &str) -> Self {
        self.folders.insert(path.to_owned());
        self
    }

    pub(in crate::preflight) fn links_to(mut self, path: &str, target: &str) -> Self {
        self.links.insert(path.to_owned(), target.to_owned());
        self
    }

    pub(in crate::preflight) fn program(self, call: &str, text: &str) -> Self {
        self.ran(call, text, true)
    }

    pub(in crate::preflight) fn failing(self, call: &str, text: &str) -> Self {
        self.ran(call, text, false)
    }

    fn ran(mut self, call: &str, text: &str, success: bool) -> Self {
        let text = text.to_owned();
        self.programs.insert(call.to_owned(), Ran { success, text });
        self
    }

    pub(in crate::preflight) fn owned_by(mut self, path: &str, uid: u32) -> Self {
        self.owners.insert(path.to_owned(), uid);
        self
    }

    pub(in crate::preflight) fn room(mut self, folder: &str, space: Space) -> Self {
        self.spaces.insert(folder.to_owned(), space);
        self.folder(folder)
    }
}

impl Machine for Table {
    fn text(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn text_through(&self, path: &str) -> String {
        self.text(path).unwrap_or_default()
    }

    fn staged_text(&self, below: &str) -> Option<String> {
        self.text(&self.staged_path(below))
    }

    fn staged_path(&self, below: &str) -> String {
        format!("/here/{below}")
    }

    fn exists(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.is_folder(path)
    }

    fn is_folder(&self, path: &str) -> bool {
        self.folders.contains(path)
    }

    fn owner(&self, path: &str) -> Option<u32> {
        self.owners.get(path).copied()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let below = format!("{folder}/");
        let paths = self
            .files
            .keys()
            .chain(self.links.keys())
            .chain(&self.folders);
        let names: BTreeSet<String> = paths
            .filter_map(|path| Some(path.strip_prefix(&below)?.split('/').next()?.to_owned()))
            .collect();
        names.into_iter().collect()
    }

    fn link(&self, path: &str) -> Option<String> {
        self.links.get(path).cloned()
    }

    fn space(&self, folder: &str) -> Option<Space> {
        self.spaces.get(folder).copied()
    }

    fn has(&self, program: &str) -> bool {
        let of = |call: &String| call.split(' ').next() == Some(program);
        self.programs.keys().any(of)
    }

    fn run(&self, call: &Call<'_>) -> Ran {
        let words = [&[call.program], call.arguments.as_slice()]
            .concat()
            .join(" ");
        self.programs.get(&words).cloned().unwrap_or_default()
    }

    fn stream(&self, program: &str, arguments: &[&str], take: &mut dyn FnMut(&[u8])) {
        let ran = self.run(&Call::new(program, arguments));
        let bytes: Vec<u8> = ran.text.chars().map(|c| u8::try_from(c).unwrap()).collect();
        // In small pieces: nothing may depend on where they end.
        bytes.chunks(3).for_each(take);
    }

    fn uid(&self) -> u32 {
        self.uid
    }

    fn now(&self) -> u64 {
        self.now
    }
}
